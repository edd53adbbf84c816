"""Traces as .npz files, also compressed once more, streamed from disk.

Addresses stand in one array, or in a table of distinct ones with an index per branch; the outcomes of the latter are
packed, eight a byte and the first in the highest bit.
"""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from edgelearn.branch.traces import marks
from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.data.arrays import zip_begins
from edgelearn.data.compressed import open_bytes, quoted, readable
from edgelearn.errors import UserError

BRANCHES = 1 << 18  # read at a time; whole bytes of packed outcomes
TABLES = (("pcs", "idx"), ("pc_table", "pc_index"))
SINGLE = ("n", "instructions", "pc_shift", "scaled")  # arrays of one number


def _archive(path: Path, file: IO[bytes]) -> zipfile.ZipFile:
    """Open an archive, whose directory is at its end; raises EOFError where the end is missing, BadZipFile."""
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        if str(error) != "File is not a zip file":
            raise
        if zip_begins(path):
            raise EOFError from None
        raise zipfile.BadZipFile("it is no .npz archive") from None


class Arrays(Reader):
    """Read `pc` and `taken` of one entry per branch, or a table, an index, packed outcomes and `n`.

    One number each may stand beside them: `instructions`, `pc_shift`, and `scaled`, 1 where the instructions were
    scaled from a longer trace. Names, and arrays that select the conditional branches or count instructions per
    branch, are those of `marks.ROLES`; all other arrays are noted.
    """

    form = ".npz arrays"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.counts = ""  # array of instructions per branch
        with readable(path), open_bytes(path) as file, _archive(path, file) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            self._find_roles(names)
            headers: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
            numbers: dict[str, int] = {}
            # In the order of the file: going back in compressed data means reading it again.
            for name, info in sorted(names.items(), key=lambda item: item[1].header_offset):
                if name not in (self.table, self.index, self.taken, self.counts, *self.filters, *SINGLE):
                    continue
                with self._open(archive, info.filename) as member:
                    headers[name] = shape, dtype = self._header(name, member)
                    if name == "instructions" and len(shape) == 1 and shape != (1,):
                        self.counts = name
                    elif name in SINGLE:
                        numbers[name] = self._one_number(name, shape, self._read(name, member, dtype, 1))
                    elif name == self.table:
                        self._check_whole(name, shape, dtype)
                        self.addresses = self._read(name, member, dtype, shape[0] if shape else 0).astype(np.uint64)
        for name, (shape, dtype) in headers.items():
            if name not in SINGLE or name == self.counts:
                self._check_whole(name, shape, dtype)
        if self.table and headers[self.taken][1] != np.uint8:
            raise UserError(
                f"{path}: {self.taken} is {headers[self.taken][1]}; give uint8, eight outcomes a byte, beside a table"
            )
        n = numbers["n"] if self.table else headers[self.index][0][0]
        each = [(name, n) for name in (*self.filters, *((self.counts,) if self.counts else ()))]
        for name, wanted in ((self.index, n), (self.taken, (n + 7) // 8 if self.table else n), *each):
            if headers[name][0][0] != wanted:
                raise UserError(
                    f"{path}: {name} has {headers[name][0][0]:,} entries for {n:,} branches; {wanted:,} are needed"
                )
        self.n_rows = n
        self.n = None if self.filters else n
        self.instructions = numbers.get("instructions") or None  # 0: not known
        self.pc_shift = numbers.get("pc_shift", 0)
        if self.pc_shift > 31:
            raise UserError(f"{path}: pc_shift is {self.pc_shift}; give 0 to 31")
        self.scaled = bool(numbers.get("scaled", 0))

    def _check_whole(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        if len(shape) != 1 or dtype.kind not in "bui":
            raise UserError(f"{self.path}: {name} is {dtype} {list(shape)}; give whole numbers in one dimension")

    def _find_roles(self, names: Mapping[str, zipfile.ZipInfo]) -> None:
        """Find the arrays of addresses, outcomes and instructions, and those that select conditional branches."""
        self.table, self.index = next((pair for pair in TABLES if pair[0] in names), ("", "pc"))
        self.taken, self.counts = marks.TAKEN, ""
        self.filters: dict[str, int] = {}  # name: value of the branches that are kept
        own = [name for name in names if name not in (*SINGLE, self.table, *((self.index,) if self.table else ()))]
        try:
            roles = {role: [own[at] for at in places] for role, places in marks.roles_of(own).items()}
        except ValueError as error:
            raise UserError(f"{self.path} has {error} among its arrays; name one of them pc, taken, ...") from None
        if not self.table:
            self.index = roles.get(marks.PC, [self.index])[0]
        self.taken = roles.get(marks.TAKEN, [self.taken])[0]
        self._check_names(set(names))
        for role in (marks.BRANCH, marks.CONDITIONAL):
            self.filters |= dict.fromkeys(roles.get(role, ()), 1)
        if marks.CONDITIONAL not in roles:
            self.filters |= dict.fromkeys(roles.get(marks.UNCONDITIONAL, ()), 0)
            if marks.KIND in roles:
                raise UserError(
                    f"{self.path}: array '{quoted(roles[marks.KIND][0])}' tells kinds of branches; give an array "
                    "conditional of 0 and 1 in its place"
                )
        self.counts = next((name for role in (marks.GAP, marks.INSTRUCTIONS) for name in roles.get(role, ())), "")
        self.gap = int(self.counts in roles.get(marks.GAP, ()))
        known = {self.table, self.index, self.taken, self.counts, *self.filters, *SINGLE}
        known |= (
            {*roles.get(marks.UNCONDITIONAL, ()), *roles.get(marks.KIND, ())} if marks.CONDITIONAL in roles else set()
        )
        over = [quoted(name) for name in names if name not in known]
        self.notes += [f"array '{quoted(name)}' selects the conditional branches" for name in self.filters]
        if over:
            self.notes.append(f"arrays passed over: {', '.join(over)}")

    def _check_names(self, names: set[str]) -> None:
        missing = {self.index, self.taken, *(("n",) if self.table else ())} - names
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
        except (ValueError, KeyError, SyntaxError, TypeError, OverflowError, tokenize.TokenError) as error:
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
        count = 0
        with readable(self.path), ExitStack() as stack:
            members = {}
            for name in (self.index, self.taken, *self.filters, *((self.counts,) if self.counts else ())):
                # Each from a file of its own, so that neither reading goes back.
                archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(open_bytes(self.path))))
                member = stack.enter_context(self._open(archive, f"{name}.npy"))
                members[name] = (member, self._header(name, member)[1])
            for start in range(0, self.n_rows, BRANCHES):
                n = min(BRANCHES, self.n_rows - start)
                index = self._read(self.index, *members[self.index], n)
                bits = self._read(self.taken, *members[self.taken], (n + 7) // 8 if self.table else n)
                if self.table:
                    self._check(self.index, index, len(self.addresses), start)
                    pc, taken = self.addresses[index], np.unpackbits(bits.view(np.uint8), count=n)
                else:
                    self._check(self.taken, bits, 2, start)
                    pc, taken = index.astype(np.uint64), bits.astype(np.uint8)
                keep = np.ones(n, np.bool_)
                for name, value in self.filters.items():
                    flags = self._read(name, *members[name], n)
                    self._check(name, flags, 2, start)
                    keep &= flags == value
                counts = total = None
                if self.counts:
                    counts = count + self._counted(self._read(self.counts, *members[self.counts], n), start)
                    count = total = int(counts[-1])
                    counts = counts[keep]
                yield Chunk(pc[keep], taken[keep], counts, total)

    def _counted(self, values: np.ndarray, start: int) -> np.ndarray:
        """Return instructions from the beginning of a part, from those per branch."""
        self._check(self.counts, values, 1 << 40, start, 1 - self.gap)
        result: np.ndarray = np.cumsum(values.astype(np.int64) + self.gap)
        return result

    def _check(self, name: str, values: np.ndarray, end: int, start: int, least: int = 0) -> None:
        wrong = (values < least) | (values >= end)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise UserError(
                f"{self.path}: {name} entry {start + at + 1:,} is {values[at]}; {least} to {end - 1} is allowed"
            )
