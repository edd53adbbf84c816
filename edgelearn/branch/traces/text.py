"""Traces as text: one branch per line, as the CSE240A course at UCSD writes them, or as a table with a header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.branch.traces.columns import Columns
from edgelearn.branch.traces.compressed import LONGEST_LINE, open_bytes, quoted, readable, whole_lines
from edgelearn.data.cells import split_cells
from edgelearn.data.reader import titles_in
from edgelearn.errors import UserError


class CourseText(Reader):
    """Read lines of `0xPC 0|1`, or of the seven fields that later years of the course write.

    The seven are address, target, taken, and whether the branch is conditional, a call, a return, direct.
    """

    form = "UCSD CSE240A text, x86"

    def chunks(self) -> Iterator[Chunk]:
        """Yield the conditional branches.

        Raises
        ------
        UserError : "FILE line N '...' is no branch ...", "FILE line N: taken is '...' ..."
        """
        with readable(self.path), open_bytes(self.path) as file:
            for number, text in whole_lines(self.path, file):
                fields = len(text.split(b"\n", 1)[0].split())
                yield self._at_once(text, fields) or self._one_by_one(number, text)

    def _at_once(self, text: bytes, fields: int) -> Chunk | None:
        if fields not in (2, 7):
            return None
        columns = Columns(text, fields)
        if not columns.is_plain:
            return None
        pc, taken = columns.addresses(0), columns.bits(1 if fields == 2 else 2)
        if pc is None or taken is None or columns.bytes[columns.starts[0, 0] + 1] != ord("x"):
            return None
        if fields == 2:
            return Chunk(pc, taken)
        conditional = columns.bits(3)
        return None if conditional is None else Chunk(pc[conditional == 1], taken[conditional == 1])

    def _one_by_one(self, number: int, text: bytes) -> Chunk:
        branches = []
        for line, cells in enumerate((line.split() for line in text.decode("latin-1").split("\n")), number):
            if not cells:
                continue
            try:
                pc = address(cells[0])
                taken, conditional = (cells[1], "1") if len(cells) == 2 else cells[2:4]
                if len(cells) not in (2, 7) or cells[0][:2].lower() != "0x" or conditional not in ("0", "1"):
                    raise ValueError
            except ValueError:
                raise UserError(
                    f"{self.path} line {line} '{quoted(' '.join(cells))}' is no branch; "
                    "write 0xPC and 0 or 1, as in 0x40d7f9 1"
                ) from None
            outcome = taken_or_not(self.path, line, taken)
            if conditional == "1":
                branches.append((pc, outcome))
        return chunk_of(branches)


class Table(Reader):
    """Read a .csv file whose header names the columns `pc` and `taken`; other columns are passed over."""

    form = ".csv table"

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows; addresses are decimal or 0x...

        Raises
        ------
        UserError : "FILE line N ...", "FILE has no column ..."
        """
        with readable(self.path), open_bytes(self.path) as file:
            header = file.readline(LONGEST_LINE).decode("utf-8-sig", "replace").strip()
            mark, names = titles_in(header)
            for name in ("pc", "taken"):
                if names.count(name) != 1:
                    raise UserError(
                        f"{self.path} has {names.count(name) or 'no'} column '{name}' in its first line "
                        f"'{quoted(header)}'; begin with the header pc,taken"
                    )
            places = names.index("pc"), names.index("taken")
            for number, text in whole_lines(self.path, file, 2):
                yield self._at_once(text, len(names), mark, *places) or self._one_by_one(
                    number, text, len(names), mark, *places
                )

    def _at_once(self, text: bytes, n_columns: int, mark: str, pc_at: int, taken_at: int) -> Chunk | None:
        columns = Columns(text, n_columns, mark.encode())
        if not columns.is_plain:
            return None
        pc, taken = columns.addresses(pc_at), columns.bits(taken_at)
        return None if pc is None or taken is None else Chunk(pc, taken)

    def _one_by_one(self, number: int, text: bytes, n_columns: int, mark: str, pc_at: int, taken_at: int) -> Chunk:
        branches = []
        for line, row in enumerate(text.decode("latin-1").split("\n"), number):
            if not row.strip():
                continue
            try:
                cells = [cell.strip() for cell in split_cells(row, mark)]
                if len(cells) != n_columns:
                    raise ValueError
                pc = address(cells[pc_at])
            except ValueError:
                raise UserError(
                    f"{self.path} line {line} '{quoted(row)}' is no branch; give {n_columns} cells, "
                    "with pc a whole number from 0 to 2^64-1, decimal or 0x..."
                ) from None
            branches.append((pc, taken_or_not(self.path, line, cells[taken_at])))
        return chunk_of(branches)


def address(cell: str) -> int:
    """Read an address, decimal or 0x..., and keep its low 32 bits; ValueError where it is none."""
    if not cell.isascii() or not cell.isalnum():
        raise ValueError(cell)
    value = int(cell, 16 if cell[:2].lower() == "0x" else 10)
    if value >= 1 << 64:
        raise ValueError(cell)
    return value & 0xFFFFFFFF


def taken_or_not(path: Path, line: int, cell: str) -> int:
    """Read an outcome; tell the line where it is neither 0 nor 1."""
    if cell not in ("0", "1"):
        raise UserError(f"{path} line {line}: taken is '{quoted(cell)}'; give 0 (not taken) or 1 (taken)")
    return int(cell)


def chunk_of(branches: list[tuple[int, int]]) -> Chunk:
    """Lay pairs of address and outcome side by side."""
    pairs = np.array(branches, np.int64).reshape(-1, 2)
    return Chunk(pairs[:, 0].astype(np.uint32), pairs[:, 1].astype(np.uint8))
