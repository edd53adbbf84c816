"""Traces as .npz files, also compressed once more, streamed from disk.

Addresses stand in one array, or in a table of distinct ones with an index per branch; the outcomes of the latter are
packed, eight a byte and the first in the highest bit.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.branch.traces.compressed import open_bytes, quoted, readable
from edgelearn.errors import UserError

BRANCHES = 1 << 18  # read at a time; whole bytes of packed outcomes
TABLES = (("pcs", "idx"), ("pc_table", "pc_index"))
SINGLE = ("n", "instructions", "pc_shift", "scaled")  # arrays of one number


class Arrays(Reader):
    """Read `pc` and `taken` of one entry per branch, or a table, an index, packed outcomes and `n`.

    One number each may stand beside them: `instructions`, `pc_shift`, and `scaled`, 1 where the instructions were
    scaled from a longer trace.
    """

    form = ".npz arrays"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with readable(path), open_bytes(path) as file, zipfile.ZipFile(file) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            self.table, self.index = next((pair for pair in TABLES if pair[0] in names), ("", "pc"))
            self._check_names(set(names))
            headers = {}
            numbers: dict[str, int] = {}
            # In the order of the file: going back in compressed data means reading it again.
            for name, info in sorted(names.items(), key=lambda item: item[1].header_offset):
                if name not in (self.table, self.index, "taken", *SINGLE):
                    continue
                with self._open(archive, info.filename) as member:
                    headers[name] = shape, dtype = self._header(name, member)
                    if name in SINGLE:
                        numbers[name] = self._one_number(name, shape, self._read(name, member, dtype, 1))
                    elif name == self.table:
                        self.addresses = self._read(name, member, dtype, shape[0] if shape else 0).astype(np.uint32)
        for name, (shape, dtype) in headers.items():
            if name not in SINGLE and (len(shape) != 1 or dtype.kind not in "bui"):
                raise UserError(f"{path}: {name} is {dtype} {list(shape)}; give whole numbers in one dimension")
        if self.table and headers["taken"][1] != np.uint8:
            raise UserError(
                f"{path}: taken is {headers['taken'][1]}; give uint8, eight outcomes a byte, beside a table"
            )
        n = numbers["n"] if self.table else headers[self.index][0][0]
        for name, wanted in ((self.index, n), ("taken", (n + 7) // 8 if self.table else n)):
            if headers[name][0][0] != wanted:
                raise UserError(
                    f"{path}: {name} has {headers[name][0][0]:,} entries for {n:,} branches; {wanted:,} are needed"
                )
        self.n = n
        self.instructions = numbers.get("instructions") or None  # 0: not known
        self.pc_shift = numbers.get("pc_shift", 0)
        if self.pc_shift > 31:
            raise UserError(f"{path}: pc_shift is {self.pc_shift}; give 0 to 31")
        self.scaled = bool(numbers.get("scaled", 0))

    def _check_names(self, names: set[str]) -> None:
        missing = {self.index, "taken", *(("n",) if self.table else ())} - names
        if missing:
            raise UserError(
                f"{self.path} has no array {' and '.join(sorted(missing))} "
                f"(it has {quoted(', '.join(sorted(names))) or 'none'}); "
                "give pc and taken, or pcs, idx, taken and n"
            )

    def _open(self, archive: zipfile.ZipFile, name: str) -> IO[bytes]:
        try:
            return archive.open(name)
        except RuntimeError as error:  # encrypted, or compressed in a way that is not known
            raise UserError(f"{self.path} cannot be read ({error}); save numbers with numpy.savez") from None

    def _header(self, name: str, member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
        try:
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(member)]
            shape, _, dtype = read(member)
        except (ValueError, KeyError) as error:
            raise UserError(f"{self.path}: {name} is no array ({' '.join(str(error).split())})") from None
        if dtype.hasobject:
            raise UserError(f"{self.path}: {name} holds objects; save numbers with numpy.savez")
        return shape, dtype

    def _read(self, name: str, member: IO[bytes], dtype: np.dtype, n: int) -> np.ndarray:
        data = member.read(n * dtype.itemsize)
        if len(data) < n * dtype.itemsize:
            raise UserError(f"{self.path}: {name} is cut off; copy the file again")
        return np.frombuffer(data, dtype)

    def _one_number(self, name: str, shape: tuple[int, ...], value: np.ndarray) -> int:
        if shape not in ((), (1,)) or value.dtype.kind not in "bui" or int(value[0]) < 0:
            raise UserError(f"{self.path}: {name} is {value.dtype} {list(shape)}; give one whole number from 0")
        return int(value[0])

    def chunks(self) -> Iterator[Chunk]:
        """Yield the branches.

        Raises
        ------
        UserError : "FILE: ARRAY entry N is ..."
        """
        assert self.n is not None
        with readable(self.path), ExitStack() as stack:
            members = {}
            for name in (self.index, "taken"):
                # Each from a file of its own, so that neither reading goes back.
                archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(open_bytes(self.path))))
                member = stack.enter_context(self._open(archive, f"{name}.npy"))
                members[name] = (member, self._header(name, member)[1])
            for start in range(0, self.n, BRANCHES):
                n = min(BRANCHES, self.n - start)
                index = self._read(self.index, *members[self.index], n)
                bits = self._read("taken", *members["taken"], (n + 7) // 8 if self.table else n)
                if self.table:
                    self._check(self.index, index, len(self.addresses), start)
                    yield Chunk(self.addresses[index], np.unpackbits(bits.view(np.uint8), count=n))
                else:
                    self._check("taken", bits, 2, start)
                    yield Chunk(index.astype(np.uint32), bits.astype(np.uint8))

    def _check(self, name: str, values: np.ndarray, end: int, start: int) -> None:
        wrong = (values < 0) | (values >= end)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise UserError(f"{self.path}: {name} entry {start + at + 1:,} is {values[at]}; 0 to {end - 1} is allowed")
