"""Parquet files as a source: one row group in memory at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, cannot_read
from edgelearn.data.recordings import BLOCK, Screen, check_same, check_start, run_starts, state_of
from edgelearn.data.source import Block, Rejects
from edgelearn.errors import UserError


class Rows(NamedTuple):
    """What a description makes of the arrays of one row group, in their order."""

    x: NDArray[np.float32]
    labels: NDArray[Any]
    t: NDArray[np.float64] | None
    segment: NDArray[np.int64]
    keep: NDArray[np.bool_]


def open_file(path: Path) -> Any:
    """Open a parquet file.

    Raises
    ------
    UserError
        ".parquet files need the package pyarrow ...", "... cannot be read ..."
    """
    try:
        import pyarrow.parquet as published  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise UserError('.parquet files need the package pyarrow; run `pip install "edgelearn[streams]"`') from None
    try:
        return published.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise cannot_read(path, error, "write it again, for example with pandas.DataFrame.to_parquet") from None


def column_names(path: Path) -> dict[str, bool]:
    """Return the columns in their order, and whether each is numeric."""
    import pyarrow.types as kinds  # type: ignore[import-untyped,unused-ignore]

    schema = open_file(path).schema_arrow
    return {
        field.name: kinds.is_integer(field.type) or kinds.is_floating(field.type) or kinds.is_boolean(field.type)
        for field in schema
    }


def read_group(path: Path, file: Any, group: int, columns: Sequence[str]) -> Arrays:
    """Read columns of one row group as arrays; what is missing in a column of numbers is NaN."""
    try:
        table = file.read_row_group(group, columns=list(columns))
        return {name: np.asarray(table.column(name).to_numpy()) for name in columns}
    except (OSError, ValueError) as error:
        raise cannot_read(path, error, "write it again") from None


class ParquetSource:
    """Give the rows of a parquet file as a stream.

    The file is read once on opening, which finds the classes, the rejected rows and the number of samples, and once
    more by `blocks`, from the row group on that holds the first sample.

    Parameters
    ----------
    path, columns : the file and the columns that are read
    rows_of : makes `Rows` of the arrays of a row group; it is given the groups in order
    classes_of : makes the class names, and a function from labels to class numbers, of all labels that occur
    drift : rows of the file at which it is known to change, or "segment": the first row of each segment
    name, source, channels, rate_hz : as of every source
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        rows_of: Callable[[Arrays], Rows],
        classes_of: Callable[[NDArray[Any]], tuple[tuple[str, ...], Callable[[NDArray[Any]], NDArray[np.int64]]]],
        *,
        name: str,
        source: str,
        channels: tuple[str, ...],
        rate_hz: float | None,
        drift: Sequence[int] | Literal["segment"] = (),
    ) -> None:
        self.name, self.source, self.channels, self.rate_hz = name, source, channels, rate_hz
        self.rejects = Rejects()
        self.has_clock = rate_hz is not None
        self._path, self._columns, self._rows_of = path, columns, rows_of
        file = open_file(path)
        screen = Screen(self.rejects)
        self._starts: list[int] = []  # number of the first sample of each row group
        self._screens: list[Screen] = []  # what the screen knows before each row group
        labels: list[NDArray[Any]] = []
        points: list[int] = []
        n_samples = n_rows = 0
        segment: int | None = None
        for group in range(file.metadata.num_row_groups):
            self._starts.append(n_samples)
            self._screens.append(copy.copy(screen))
            rows = rows_of(read_group(path, file, group, columns))
            labels.append(np.unique(rows.labels.astype(str) if rows.labels.dtype == object else rows.labels))
            kept = rows.segment[rows.keep]
            usable, _ = screen(rows.x[rows.keep], None if rows.t is None else rows.t[rows.keep], kept)
            n_before = np.concatenate(([0], np.cumsum(usable)))
            if isinstance(drift, str):
                changes = [row for row in run_starts(kept) if row or kept[0] != segment]
                segment = int(kept[-1]) if len(kept) else segment
            else:
                n_kept = np.concatenate(([0], np.cumsum(rows.keep)))
                changes = [int(n_kept[row - n_rows]) for row in drift if 0 <= row - n_rows < len(rows.keep)]
            points += [n_samples + int(n_before[row]) for row in changes]
            self.has_clock |= rows.t is not None
            n_rows += len(rows.keep)
            n_samples += int(usable.sum())
        if n_samples == 0:
            worst = max(self.rejects.counts, key=self.rejects.counts.__getitem__, default="no row is left")
            raise UserError(f"{path} has no usable sample ({worst}); correct the values")
        self.n_samples = n_samples
        self.drift_points = tuple(sorted(set(points) - {0, n_samples}))
        self.class_names, self._numbers_of = classes_of(np.concatenate(labels))

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        return len(self.class_names)

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Give the samples from number `start` on."""
        check_start(start)
        file = open_file(self._path)
        first_group = max(int(np.searchsorted(self._starts, start, side="right")) - 1, 0)
        for group in range(first_group, len(self._starts)):
            rows = self._rows_of(read_group(self._path, file, group, self._columns))
            screen = copy.copy(self._screens[group])
            screen.rejects = Rejects()  # counted on opening
            n_before = screen.n_rows
            x, segment, labels = rows.x[rows.keep], rows.segment[rows.keep], rows.labels[rows.keep]
            usable, t = screen(x, None if rows.t is None else rows.t[rows.keep], segment)
            if t is None:
                numbers = np.arange(n_before, n_before + len(x))
                t = numbers / self.rate_hz if self.rate_hz else np.full(len(x), np.nan)
            y = self._numbers_of(labels)
            x, y, t, segment = x[usable], y[usable], t[usable], segment[usable]
            for first in range(max(start - self._starts[group], 0), len(y), BLOCK):
                part = slice(first, first + BLOCK)
                yield Block(x[part], y[part], t[part], segment[part])

    def state(self) -> dict[str, Any]:
        """Return channels and classes: the file holds all else."""
        return state_of(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Check that the state is of the same channels and classes.

        Raises
        ------
        UserError
            "stream '...' has other ..."
        """
        check_same(self, state)
