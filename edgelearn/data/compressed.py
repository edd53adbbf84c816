"""Sequential reading of plain and compressed files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from edgelearn.errors import UserError, install

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zstd")
PART = 1 << 21  # bytes of text taken at a time
LONGEST_LINE = 1 << 16
QUOTED = 40  # characters of a line that an error repeats
ZSTD = b"\x28\xb5\x2f\xfd"
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file to be read, unpacked while it is read where its first bytes say .gz, .bz2, .xz or .zst.

    Raises
    ------
    UserError : "FILE is compressed with zstd ...", where the library is missing
    """
    with path.open("rb") as file:
        first = file.read(6)
    if first.startswith(ZSTD):
        return io.BufferedReader(_Unpacked(path), 1 << 16)
    for mark, opener in _OPENERS.items():
        if first.startswith(mark):
            unpacked: IO[bytes] = opener(path, "rb")
            return unpacked
    return path.open("rb")


class Pieces(io.RawIOBase):
    """A file whose bytes come in pieces."""

    _rest = b""

    def piece(self) -> bytes:
        """Return the next bytes, none at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or self.piece()
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n


class _Unpacked(Pieces):
    """The content of a .zst file; unlike the reader of the library, it tells where the file is cut off."""

    def __init__(self, path: Path) -> None:
        try:
            import zstandard
        except ImportError:
            raise UserError(
                f"{path} is compressed with zstd, which needs a package; {install('zstd')}, or unpack it"
            ) from None
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._error = zstandard.ZstdError
        self._frame: Any = None
        self._file = path.open("rb")
        self._packed = b""

    def close(self) -> None:
        self._file.close()
        super().close()

    def piece(self) -> bytes:
        unpacked = b""
        while not unpacked:
            if not self._packed:
                self._packed = self._file.read(1 << 14)
                if not self._packed:
                    if self._frame is not None:
                        raise EOFError
                    break
            if self._frame is None:
                self._frame = self._new()
            try:
                unpacked = self._frame.decompress(self._packed)
            except self._error as error:
                raise zlib.error(str(error)) from None
            self._packed = b""
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
        return unpacked


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Tell in one line why a file cannot be read to its end.

    Raises
    ------
    UserError : "FILE is cut off ...", "FILE is damaged ...", "FILE cannot be read ..."
    """
    try:
        yield
    except EOFError:
        raise UserError(f"{path} is cut off: its compressed data ends too early; copy it again") from None
    except (zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        if error.errno is None:  # how bz2 says that its data are wrong
            raise _damaged(path, error) from None
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from None


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is damaged ({' '.join(str(error).split())}); copy it again")


def quoted(text: str) -> str:
    """Return the start of a text for an error message, on one line.

    Example
    -------
    >>> quoted("  a\\nb\\x00 ")
    'a b?'
    """
    line = " ".join(text.split())[:QUOTED]
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def whole_lines(path: Path, file: IO[bytes], number: int = 1) -> Iterator[tuple[int, bytes]]:
    """Yield a text in parts that end with a line, each with the number of its first line.

    Parameters
    ----------
    number : of the line that is read next

    Raises
    ------
    UserError : "FILE line N is longer than ..."
    """
    rest = b""
    while part := file.read(PART):
        part = rest + part
        cut = part.rfind(b"\n") + 1
        rest = part[cut:]
        if cut:
            yield number, part[:cut]
            number += part.count(b"\n", 0, cut)
        if len(rest) > LONGEST_LINE:
            raise UserError(f"{path} line {number} is longer than {LONGEST_LINE} bytes; give one branch per line")
    if rest:
        yield number, rest + b"\n"


def suffix_of(path: Path) -> str:
    """Return the suffix of a file in lower case, that of a compression left out.

    Example
    -------
    >>> suffix_of(Path("a.CSV")), suffix_of(Path("a.csv.gz")), suffix_of(Path("a.gz"))
    ('.csv', '.csv', '.gz')
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    return next((suffix for suffix in reversed(suffixes) if suffix not in SUFFIXES), path.suffix.lower())
