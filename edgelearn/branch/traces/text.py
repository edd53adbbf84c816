"""Traces as text: a branch per line, with or without a header that names the columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.branch.traces.columns import Columns
from edgelearn.branch.traces.layout import (
    AS_WRITTEN,
    WHITE_SPACE,
    cells_of,
    find_layout,
    is_comment,
)
from edgelearn.branch.traces.marks import outcome
from edgelearn.data.compressed import open_bytes, quoted, readable, whole_lines
from edgelearn.errors import UserError

MARK = b"\xef\xbb\xbf"  # of UTF-8
HIGHEST_COUNT = 1 << 53


class Text(Reader):
    """Read lines of an address and an outcome.

    Lines without a header are `0xPC 0|1`, `PC t|n`, `b PC 0|1`, or the seven fields of a course: address, target,
    taken, and whether the branch is conditional, a call, a return, direct. A header names more columns, see
    `marks.ROLES`.

    Parameters
    ----------
    head : the first bytes of the text; base : of addresses without 0x, None where the text tells
    """

    def __init__(self, path: Path, head: bytes, base: int | None = None) -> None:
        super().__init__(path)
        whole = head[: head.rfind(b"\n") + 1] or head
        self.layout = find_layout(path, whole.removeprefix(MARK).decode("utf-8", "replace").splitlines(), base)
        self.form = self._form()
        self.has_targets = self.layout.target is not None
        self.notes = list(self.layout.notes)

    def _form(self) -> str:
        layout = self.layout
        if layout.has_header or layout.separator != WHITE_SPACE:
            return ".csv table" if layout.separator != WHITE_SPACE else "table of text"
        usual = layout.must_prefix and layout.n_columns in (2, 7)
        return "UCSD CSE240A text, x86" if usual else "text of addresses and outcomes"

    def chunks(self) -> Iterator[Chunk]:
        """Yield the conditional branches.

        Raises
        ------
        UserError : "FILE line N '...' is no branch ...", "FILE line N: taken is '...' ..."
        """
        count = 0
        with readable(self.path), open_bytes(self.path) as file:
            for number, text in whole_lines(self.path, file):
                skip = self.layout.first_line - number if number < self.layout.first_line else 0
                if skip:
                    text = text.split(b"\n", skip)[skip] if text.count(b"\n") >= skip else b""
                if not text.strip():
                    continue
                chunk = self._at_once(text, count) or self._one_by_one(number + skip, text, count)
                count = count if chunk.total is None else chunk.total
                yield chunk

    def _at_once(self, text: bytes, count: int) -> Chunk | None:
        """Read regular lines; None where one is not."""
        layout = self.layout
        mark = layout.separator.encode()
        if layout.separator != WHITE_SPACE:
            text = text.replace(mark + b" ", mark)
        columns = Columns(text, layout.n_columns, mark)
        if not columns.is_plain:
            return None
        pc, taken = columns.addresses(layout.pc, layout.base or 10), columns.marks(layout.taken, outcome)
        if pc is None or taken is None:
            return None
        if layout.must_prefix and columns.bytes[columns.starts[0, layout.pc] + 1] | 32 != ord("x"):
            return None
        keep = np.ones(len(pc), np.bool_)
        for one in layout.filters:
            told = columns.marks(one.column, one.meaning)
            if told is None:
                return None
            keep &= told == one.keep
        targets = counts = None
        if layout.target is not None:
            targets = columns.addresses(layout.target, layout.base or 10)
            if targets is None:
                return None
        if layout.instructions is not None:
            counts = columns.decimals(layout.instructions)
            if counts is None or (counts > HIGHEST_COUNT).any():
                return None
            counts = counts.astype(np.int64)
            if not layout.rises and not layout.offset and (counts < 1).any():
                return None
        return self._chunk(pc, taken, keep, targets, counts, count)

    def _one_by_one(self, number: int, text: bytes, count: int) -> Chunk:
        layout = self.layout
        rows: list[tuple[int, int, int, int, int]] = []
        for line, row in enumerate(text.decode("utf-8", "replace").split("\n"), number):
            if is_comment(row):
                continue
            try:
                cells = cells_of(row, layout.separator)
                while len(cells) > layout.n_columns and not cells[-1]:
                    cells.pop()
                if len(cells) != layout.n_columns:
                    raise ValueError
                pc = self._address(line, cells[layout.pc])
            except UserError:
                raise
            except ValueError:
                raise UserError(f"{self.path} line {line} '{quoted(row)}' is no branch; {layout.wanted}") from None
            keep = self._kept(line, row, cells)
            taken = outcome(cells[layout.taken])
            if taken is None:
                raise UserError(
                    f"{self.path} line {line}: taken is '{quoted(cells[layout.taken])}'; "
                    "give 0 (not taken) or 1 (taken)"
                )
            target = pc + 1
            if layout.target is not None:
                try:
                    target = self._address(line, cells[layout.target])
                except ValueError:  # unknown
                    target = (1 << 64) - 1
            rows.append((pc, taken, keep, target, self._count(line, cells)))
        pcs, outcomes, kept, targets, counts = zip(*rows, strict=True) if rows else ((),) * 5
        return self._chunk(
            np.array(pcs, np.uint64), np.array(outcomes, np.uint8), np.array(kept, np.bool_),
            None if layout.target is None else np.array(targets, np.uint64),
            None if layout.instructions is None else np.array(counts, np.int64), count,
        )  # fmt: skip

    def _kept(self, line: int, row: str, cells: list[str]) -> bool:
        for one in self.layout.filters:
            told = one.meaning(cells[one.column])
            if told is None and not self.layout.has_header:
                raise UserError(f"{self.path} line {line} '{quoted(row)}' is no branch; {self.layout.wanted}")
            if told is None:
                raise UserError(
                    f"{self.path} line {line}: {quoted(one.name)} is '{quoted(cells[one.column])}'; give {one.allowed}"
                )
            if told != one.keep:
                return False
        return True

    def _address(self, line: int, cell: str) -> int:
        layout = self.layout
        if layout.must_prefix and cell[:2].lower() != "0x":
            raise ValueError(cell)
        try:
            return address(cell, layout.base)
        except ValueError:
            if layout.base == AS_WRITTEN or not cell.isalnum() or not cell.isascii():
                raise
            try:
                address(cell, 16)
            except ValueError:
                raise ValueError(cell) from None
            raise UserError(
                f"{self.path} line {line}: address '{quoted(cell)}' has hexadecimal digits and those before it have "
                "none; give --address-base 16"
            ) from None

    def _count(self, line: int, cells: list[str]) -> int:
        layout = self.layout
        if layout.instructions is None:
            return 0
        cell = cells[layout.instructions]
        least = 0 if layout.rises or layout.offset else 1
        if not (cell.isascii() and cell.isdigit() and len(cell) < 17 and int(cell) >= least):
            advice = "; name the column gap if it leaves the branch itself out" if cell == "0" else ""
            raise UserError(
                f"{self.path} line {line}: instructions is '{quoted(cell)}'; give a whole number from {least}{advice}"
            )
        return int(cell)

    def _chunk(
        self,
        pc: np.ndarray,
        taken: np.ndarray,
        keep: np.ndarray,
        targets: np.ndarray | None,
        counts: np.ndarray | None,
        count: int,
    ) -> Chunk:
        """Keep the conditional branches of a part; `count` instructions came before it."""
        backward = None if targets is None else (targets <= pc).astype(np.uint8)[keep]
        total = None
        if counts is not None:
            if not self.layout.rises:
                counts = count + np.cumsum(counts + self.layout.offset)
            else:
                counts = counts - self.layout.offset
                if len(counts) and ((np.diff(counts) < 0).any() or counts[0] < count):
                    raise UserError(
                        f"{self.path}: its instructions rise at first and fall later; "
                        "give instructions up to each branch, or per row"
                    )
            total = int(counts[-1]) if len(counts) else count
            counts = counts[keep]
        if keep.all():
            return Chunk(pc, taken, counts, total, backward)
        return Chunk(pc[keep], taken[keep], counts, total, backward)


def address(cell: str, base: int = AS_WRITTEN) -> int:
    """Read an address of 64 bits, with 0x or in a base; ValueError where it is none."""
    if not cell.isascii() or not cell.isalnum():
        raise ValueError(cell)
    value = int(cell, 16 if cell[:2].lower() == "0x" else base or 10)
    if value >= 1 << 64:
        raise ValueError(cell)
    return value
