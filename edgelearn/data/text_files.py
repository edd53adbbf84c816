"""Text files of any encoding, plain or compressed, read as UTF-8."""

from __future__ import annotations

import codecs
import io
from functools import lru_cache
from pathlib import Path
from typing import IO

from edgelearn.data.compressed import Pieces, open_bytes, readable
from edgelearn.errors import UserError

PART = 1 << 20  # bytes
UTF8 = "utf-8"
# Bytes that stand for no character of cp1252, or for control characters that no table holds.
# 0xFF is what an idle serial line or an erased memory gives.
_NO_TEXT = frozenset((0x81, 0x8D, 0x8F, 0x90, 0x9D, 0x7F, 0xFF, *range(0x20))) - frozenset(b"\t\n\v\f\r")


def check_encoding(name: str) -> str:
    """Return the name of an encoding of text.

    Raises
    ------
    UserError
        "encoding ... is not known ..."
    """
    try:
        "".encode(name)
    except LookupError:
        raise UserError(f"encoding '{name}' is not known; give utf-8, cp1252, latin-1, utf-16 or another") from None
    return codecs.lookup(name).name


def encoding_of(path: Path) -> str:
    """Find the encoding of a whole file: UTF-8, else UTF-16 by its mark, else cp1252.

    A file with valid UTF-8 beside damaged bytes, or with bytes that are no text, counts as UTF-8.

    Raises
    ------
    UserError : those of `open_bytes` and `readable`
    """
    with readable(path):
        status = path.stat()
        return _encoding_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _encoding_of(path: Path, changed_ns: int, size: int) -> str:
    decoder = codecs.getincrementaldecoder(UTF8)()
    with readable(path), open_bytes(path) as file:
        part = file.read(PART)
        if part.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        try:
            while part:
                if not decoder.decode(part).isascii():
                    return UTF8
                part = file.read(PART)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            if not error.object[: error.start].isascii():
                return UTF8
        else:
            return UTF8
        found = set(part)
        while part := file.read(PART):
            found |= set(part)
    return UTF8 if found & _NO_TEXT else "cp1252"


def encoding_note(path: Path, encoding: str | None) -> str:
    """State the encoding that was found, where it is not UTF-8; empty otherwise."""
    found = UTF8 if encoding else encoding_of(path)
    return "" if found == UTF8 else f"{path.name} is not UTF-8: read as {found} (--encoding says another)"


def open_text(path: Path, encoding: str | None = None) -> IO[bytes]:
    """Open a text file, compressed or not, as bytes of UTF-8.

    Parameters
    ----------
    encoding : of the file; None finds out

    Raises
    ------
    UserError
        "encoding ... is not known ..."; while it is read: "FILE is not text in ENCODING ...", and those of `readable`;
        OSError passes.
    """
    found = check_encoding(encoding) if encoding else encoding_of(path)
    file = open_bytes(path)
    if found == UTF8 and isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO):
        return file
    return io.BufferedReader(_AsUtf8(path, file, found), PART)


class _AsUtf8(Pieces):
    """The text of a file in another encoding; a compressed file that is damaged is refused in one line."""

    def __init__(self, path: Path, file: IO[bytes], encoding: str) -> None:
        self._path, self._file, self._encoding = path, file, encoding
        self._decoder = None if encoding == UTF8 else codecs.getincrementaldecoder(encoding)()

    def piece(self) -> bytes:
        text = b""
        part = b"\0"
        while part and not text:
            with readable(self._path):
                part = self._file.read(PART)
            try:
                text = part if self._decoder is None else self._decoder.decode(part, final=not part).encode()
            except UnicodeError:
                raise UserError(
                    f"{self._path} is not text in {self._encoding}; give another --encoding, or save it as UTF-8"
                ) from None
        return text

    def close(self) -> None:
        self._file.close()
        super().close()


class LiveEncoding:
    """Encoding of lines that come one by one: the one given, else that of the first line that is not ASCII.

    Parameters
    ----------
    encoding : of the lines, an extension of ASCII; None finds out
    source : name of the input in messages
    notes : where it is written what was found

    Raises
    ------
    UserError
        "encoding ... is not known ...", "SOURCE: encoding ... cannot be read line by line ..."
    """

    def __init__(self, encoding: str | None, source: str, notes: list[str]) -> None:
        self.name = check_encoding(encoding) if encoding else None
        self._source, self._notes = source, notes
        if self.name and "\n".encode(self.name) != b"\n":
            raise UserError(f"{source}: encoding {self.name} cannot be read line by line; send UTF-8")

    def utf8(self, line: bytes) -> bytes:
        """Return a line in UTF-8, or as it is where it is no text of the encoding."""
        if line.isascii() or self.name == UTF8:
            return line
        try:
            if self.name is None:
                line.decode()
                self.name = UTF8
        except UnicodeDecodeError:
            if _NO_TEXT.isdisjoint(line):
                self.name = "cp1252"
                self._notes.append(f"{self._source} is not UTF-8: read as cp1252 (--encoding says another)")
        try:
            return line if self.name in (None, UTF8) else line.decode(self.name).encode()
        except UnicodeDecodeError:
            return line
