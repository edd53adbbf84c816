"""Encodings and compression of text files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import pytest

from edgelearn.data.columns import Roles
from edgelearn.data.compressed import suffix_of
from edgelearn.data.lines import LineSource
from edgelearn.data.open_source import open_source
from edgelearn.data.text_files import PART, encoding_of, open_text
from edgelearn.errors import UserError

ROWS = "label,ax (m/s²),temp (°C)\n" + "".join(f"{'ab'[k % 2]},{k * 7 % 13},{k % 7}.5\n" for k in range(40))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"a,b\n1,2\n", "utf-8"),
        ("°,b\n1,2\n".encode(), "utf-8"),
        ("°,b\n1,2\n".encode("latin-1"), "cp1252"),
        ("a,b\n1,gro\xdf\n".encode("cp1252"), "cp1252"),
        ("a,€\n1,2\n".encode("cp1252"), "cp1252"),
        ("°,b\n1,2\n".encode("utf-16"), "utf-16"),
        ("°,b\n".encode() + b"1,\xff\n", "utf-8"),  # one damaged byte
        (b"a,b\n1,\xff\x00\n", "utf-8"),  # no text
        (b"a" * (PART - 1) + "é".encode(), "utf-8"),  # a character in two parts
        (b"a" * (PART + 5) + "é".encode("latin-1"), "cp1252"),
        (b"", "utf-8"),
    ],
)
def test_the_encoding_of_a_whole_file(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert encoding_of(path) == encoding
    if encoding != "utf-8":
        with open_text(path) as file:
            assert file.read() == content.decode(encoding).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_every_encoding_and_compression_reads_the_same(tmp_path: Path, encoding: str, suffix: str) -> None:
    path = tmp_path / f"a.csv{suffix}"
    content = ROWS.encode(encoding)
    if suffix == ".zst":
        content = pytest.importorskip("zstandard").ZstdCompressor().compress(content)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(suffix, bytes)
    path.write_bytes(pack(content))
    source = open_source(str(path))
    assert source.channels == ("ax (m/s²)", "temp (°C)")
    assert source.class_names == ("a", "b")
    assert source.n_samples == 40
    assert bool(source.notes) == (encoding in ("latin-1", "utf-16"))


def test_a_declared_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("x,Ж\n".encode("cp1251"))
    with open_text(path, "cp1251") as file:
        assert file.read() == "x,Ж\n".encode()
    with pytest.raises(UserError, match=r"encoding 'utf-9' is not known; give utf-8, cp1252"):
        open_text(path, "utf-9")
    with (
        pytest.raises(UserError, match=r"a\.csv is not text in ascii; give another --encoding"),
        open_text(path, "ascii") as file,
    ):
        file.read()
    with pytest.raises(UserError, match=r"a\.csv is not text in utf-16"), open_text(path, "utf-16") as file:
        file.read()


def test_a_compressed_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode())[:-12])
    with pytest.raises(UserError, match=r"a\.csv\.gz is cut off: its compressed data ends too early; copy it again"):
        open_source(str(path))


def test_the_suffix_inside_a_compressed_name() -> None:
    assert [suffix_of(Path(name)) for name in ("b.csv", "b.CSV.GZ", "b.tar.gz", "b.xz", "b")] == [
        ".csv",
        ".csv",
        ".tar",
        ".xz",
        "",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1251"])
@pytest.mark.parametrize("size", [1, 9, 1 << 20])
def test_the_encoding_of_live_input(encoding: str, size: int) -> None:
    content = ROWS.encode(encoding, errors="replace")
    roles = Roles(encoding="cp1251" if encoding == "cp1251" else None)

    class Pieces(io.RawIOBase):
        """Bytes that come `size` at a time."""

        def __init__(self) -> None:
            self.at = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            part = content[self.at : self.at + min(size, len(buffer))]
            buffer[: len(part)] = part
            self.at += len(part)
            return len(part)

    source = LineSource(Pieces(), name="-", source="standard input", roles=roles, live=True)
    n = sum(len(block) for block in source.blocks())
    assert (n, source.rejects.counts) == (40, {})
    assert source.channels[1] == content.decode(encoding).split("\n")[0].split(",")[2]
    assert source.class_names == ("a", "b")
    note = "standard input is not UTF-8: read as cp1252 (--encoding says another)"
    assert source.notes == ([note] if encoding == "latin-1" else [])


def test_live_input_that_is_no_line_of_ascii() -> None:
    with pytest.raises(UserError, match="standard input: encoding utf-16 cannot be read line by line; send UTF-8"):
        LineSource(io.BytesIO(), name="-", source="standard input", roles=Roles(encoding="utf-16"), live=True)
