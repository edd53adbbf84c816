"""Rows of live input: what only several of them tell, and offsets of values far from zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import FAR, offset_note
from edgelearn.data.clock import FEWEST_STEPS, unit_by_size, unit_in_name
from edgelearn.data.columns import RISING_ROWS, is_rising, rising
from edgelearn.data.reader import TableReader
from edgelearn.data.table_rows import Rows, part_of
from edgelearn.errors import UserError


class LiveRows:
    """Check the first rows of live input as those of files are checked, and take offsets off all.

    Parameters
    ----------
    reader : whose rows they are
    """

    def __init__(self, reader: TableReader) -> None:
        self._reader = reader
        self._x: list[NDArray[np.float64]] = []
        self._t: list[float] = []
        self.is_checked = False
        self.offsets: NDArray[np.float64] | None = None  # NaN where no value has come

    def checked(self, rows: Rows) -> Iterator[Rows]:
        """Give rows; those that decide come before the error.

        Raises
        ------
        UserError
            "SOURCE: column ... rises in every row ...", "SOURCE: column ... rises by ... from row to row ..."
        """
        while not self.is_checked and len(rows.t):
            n = len(self._t)
            goal = FEWEST_STEPS + 1 if n <= FEWEST_STEPS else RISING_ROWS
            head, rows = part_of(rows, 0, goal - n), part_of(rows, goal - n, len(rows.t))
            self._x += list(head.x)
            self._t += head.t.tolist()
            yield head
            if len(self._t) == FEWEST_STEPS + 1:
                self._check_unit()
            if len(self._t) == RISING_ROWS:
                self._check_features()
                self.is_checked = True
                self._x, self._t = [], []
        if len(rows.t):
            yield rows

    def _check_unit(self) -> None:
        """Refuse a clock whose steps tell another unit than its first time did."""
        reader, clock = self._reader, self._reader.clock
        if clock is None or clock.unit != "s" or reader.roles.time_unit or reader.roles.time_scale != 1:
            return
        if unit_in_name(clock.title) is not None:
            return
        notes: list[str] = []
        try:
            unit = unit_by_size(np.array(self._t), clock.title, notes)
        except UserError as error:
            raise UserError(f"{reader.source}: {error}") from None
        if unit != "s":
            step = float(np.median(np.diff(self._t)))
            raise UserError(
                f"{reader.source}: column '{clock.title}' rises by {step:g} from row to row, which is read as {unit} "
                f"from files; give --time-unit {unit}, or --time-unit s"
            )
        reader.notes += [note for note in notes if note not in reader.notes]

    def _check_features(self) -> None:
        """Refuse a feature that rises steadily, unless features are named."""
        reader = self._reader
        if reader.columns is None or reader.roles.features:
            return
        for title, values in zip(reader.columns.channels, np.array(self._x).T, strict=True):
            if is_rising(values.tolist()):
                raise rising(reader.source, title, values.tolist())

    def near_zero(self, x: NDArray[np.float64], channels: Sequence[str]) -> NDArray[np.float64]:
        """Subtract from each channel its first value where that is farther from zero than float32 has whole numbers."""
        if self.offsets is None:
            self.offsets = np.full(x.shape[1], np.nan)
        for k in np.flatnonzero(np.isnan(self.offsets)).tolist():
            known = x[~np.isnan(x[:, k]), k]
            if len(known):
                self.offsets[k] = known[0] if abs(known[0]) > FAR else 0.0
                if self.offsets[k]:
                    self._reader.notes.append(offset_note([channels[k]], self.offsets[k : k + 1]))
        taken = np.nan_to_num(self.offsets)
        return x - taken if taken.any() else x
