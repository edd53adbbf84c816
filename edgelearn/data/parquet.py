"""Parquet files as a source: one row group in memory at a time."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, cannot_read, texts_as_numbers
from edgelearn.data.cells import MISSING, is_coarse, offset_note, offsets
from edgelearn.data.columns import counts_rows
from edgelearn.data.line_groups import HEAD
from edgelearn.data.recordings import BLOCK, Screen, as_float32, check_same, check_start, run_starts, state_of
from edgelearn.data.restarts import TIME_BACK, restarts_note, with_restarts
from edgelearn.data.source import Block, ColumnsUsed, Rejects
from edgelearn.data.stamps import Stamps
from edgelearn.errors import UserError, install


class Rows(NamedTuple):
    """What a description makes of the arrays of one row group, in their order."""

    x: NDArray[Any]  # before the cast to float32
    labels: NDArray[Any]
    t: NDArray[np.float64] | None
    segment: NDArray[np.int64]
    keep: NDArray[np.bool_]


ADVICE = "write it again, for example with pandas.DataFrame.to_parquet"


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
        raise UserError(f".parquet files need the package pyarrow; run `{install('streams', 'pyarrow')}`") from None
    try:
        return published.ParquetFile(path)
    except Exception as error:  # damaged bytes raise nearly anything, pyarrow's own exceptions included
        raise cannot_read(path, error, ADVICE) from None


class ColumnKind(NamedTuple):
    """What a column holds: numbers (as such or as text), times, texts or none of these; and its type in words."""

    content: Literal["numbers", "times", "texts", "other"]
    type: str
    is_index: bool = False  # the index of a pandas table, which is written behind its columns


def column_kinds(path: Path, undecided: Callable[[str], bool] = lambda name: True) -> dict[str, ColumnKind]:
    """Return the columns in their order and what each holds.

    Columns of text for which `undecided` is true are read, to tell texts from numbers kept as text.

    Raises
    ------
    UserError
        "... has 2 columns 'NAME' ..."; those of `open_file` and `read_group`
    """
    file = open_file(path)
    schema = file.schema_arrow
    names_of(path, file)
    metadata = schema.pandas_metadata or {}
    index = {name for name in metadata.get("index_columns", []) if isinstance(name, str)}
    kinds = {field.name: _kind_of(field.type) for field in schema}
    texts = [name for name, kind in kinds.items() if kind.content == "texts" and undecided(name)]
    for group in range(file.metadata.num_row_groups):
        if not texts:
            break
        arrays = read_group(path, file, group, texts)
        texts = [name for name in texts if texts_as_numbers(arrays[name]) is not None or is_empty(arrays[name])]
    for name in texts:
        if not _all_missing(path, file, name):
            kinds[name] = ColumnKind("numbers", "numbers as text")
    return {name: kind._replace(is_index=name in index) for name, kind in kinds.items()}


def names_of(path: Path, file: Any) -> list[str]:
    """Return the names of the columns.

    Raises
    ------
    UserError
        "... has 2 columns 'NAME' ..."
    """
    names = [str(name) for name in file.schema_arrow.names]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise UserError(f"{path} has {names.count(repeated)} columns '{repeated}'; rename one")
    return names


def is_row_number(name: str, kind: ColumnKind) -> bool:
    """Tell whether a column is the index of a pandas table without a name."""
    return kind.is_index and name.startswith("__index_level_") and kind.content == "numbers"


def row_counters(path: Path, names: Sequence[str]) -> list[str]:
    """Return the columns of numbers that number the rows; refuse others that rise steadily.

    Raises
    ------
    UserError
        "FILE: column ... rises in every row ..."
    """
    file = open_file(path)
    if not names or not file.metadata.num_row_groups:
        return []
    head = read_group(path, file, 0, names)
    found = {name: texts_as_numbers(head[name]) if head[name].dtype.kind == "U" else head[name] for name in names}
    return [
        name
        for name, values in found.items()
        if values is not None and values.ndim == 1 and counts_rows(str(path), name, values[:HEAD].tolist())
    ]


def notes_of_left_out(kinds: Mapping[str, ColumnKind], used: Sequence[str]) -> list[str]:
    """State which columns are not used, and why."""
    left = {name: kind for name, kind in kinds.items() if name not in used}
    rows = [name for name, kind in left.items() if is_row_number(name, kind)]
    others = [f"{name} ({kind.type})" for name, kind in left.items() if name not in rows]
    notes = [f"columns left out, as they hold no numbers: {', '.join(others)}"] if others else []
    return notes + (["the index of the pandas table is left out"] if rows else [])


def is_empty(values: NDArray[Any]) -> bool:
    """Tell whether every text is a mark of a missing value."""
    return all(cell.strip() in MISSING for cell in np.unique(values).tolist())


def _all_missing(path: Path, file: Any, name: str) -> bool:
    groups = range(file.metadata.num_row_groups)
    return all(is_empty(read_group(path, file, group, [name])[name]) for group in groups)


def _kind_of(kind: Any) -> ColumnKind:
    import pyarrow.types as kinds  # type: ignore[import-untyped,unused-ignore]

    name = str(kind)
    if kinds.is_dictionary(kind):
        return _kind_of(kind.value_type)._replace(type="categories")
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind) or kinds.is_decimal(kind):
        return ColumnKind("numbers", name)
    if kinds.is_temporal(kind) and not kinds.is_interval(kind):
        return ColumnKind("times", name)
    if _is_text(kind) or _is_bytes(kind):
        return ColumnKind("texts", "text")
    return ColumnKind("other", name)


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def _is_bytes(kind: Any) -> bool:
    return str(kind) in ("binary", "large_binary", "binary_view")


def read_group(path: Path, file: Any, group: int, columns: Sequence[str]) -> Arrays:
    """Read columns of one row group as arrays: missing values are NaN, NaT or empty text.

    Categories are read as what they stand for, decimals as float64, times of day and durations as seconds.

    Raises
    ------
    UserError
        "... cannot be read ...", "... is no column of numbers, text or times"
    """
    try:
        table = file.read_row_group(group, columns=list(columns))
        # In the order of the list: the file's own is that of the schema.
        return {name: _as_array(path, name, table.column(name)) for name in columns}
    except UserError:
        raise
    except MemoryError:
        rows = file.metadata.row_group(group).num_rows
        raise UserError(
            f"{path}: {rows:,} rows in a row group do not fit into memory; write smaller ones (row_group_size)"
        ) from None
    except Exception as error:  # damaged bytes raise nearly anything, pyarrow's own exceptions included
        raise cannot_read(path, error, ADVICE) from None


def _as_array(path: Path, name: str, column: Any) -> NDArray[Any]:
    """Give a column of one row group as an array."""
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.types as kinds  # type: ignore[import-untyped,unused-ignore]

    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if kinds.is_null(kind):
        return np.full(len(column), np.nan)
    if kinds.is_boolean(kind) and column.null_count:
        return np.asarray(column.cast(pa.int8()).to_numpy(), np.float64)
    if kinds.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    if _is_text(kind) or _is_bytes(kind):
        cells = column.to_pylist()
        texts = ["" if cell is None else cell if isinstance(cell, str) else cell.decode("utf-8") for cell in cells]
        return np.array(texts, str)
    if kinds.is_time(kind) or kinds.is_duration(kind):
        units = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
        whole = pa.int32() if kinds.is_time32(kind) else pa.int64()
        return np.asarray(column.cast(whole).to_numpy(), np.float64) / units[kind.unit]
    if kinds.is_date(kind):
        return np.asarray(column.cast(pa.timestamp("s")).to_numpy())
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind) or kinds.is_timestamp(kind):
        return np.asarray(column.to_numpy())
    raise UserError(f"{path}: column '{name}' is {kind}; give numbers, text or times")


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
    name, source, channels, rate_hz, columns_used, notes : as of every source
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
        columns_used: ColumnsUsed | None = None,
        notes: list[str] | None = None,
    ) -> None:
        self.notes = [] if notes is None else notes  # which the reading of rows adds to
        self.name, self.source, self.channels, self.rate_hz = name, source, channels, rate_hz
        self.rejects = Rejects()
        self.has_clock = rate_hz is not None
        self._path, self._columns, self._rows_of = path, columns, rows_of
        self.columns_used = columns_used or ColumnsUsed(channels)
        self._recordings: NDArray[np.int64] | None = None  # of the kept rows, where a clock starts again
        labels, points, subtracted = self._survey(drift)
        if TIME_BACK in self.rejects.counts and self._find_restarts():
            self.rejects = Rejects()
            labels, points, subtracted = self._survey(drift)
        n_samples = self.n_samples
        if n_samples == 0:
            worst = max(self.rejects.counts, key=self.rejects.counts.__getitem__, default="no row is left")
            raise UserError(f"{path} has no usable sample ({worst}); correct the values")
        self._subtracted = subtracted
        if self._subtracted.any():
            self.notes.append(offset_note(channels, self._subtracted))
        used = self.columns_used.with_offsets(self._subtracted)
        self.columns_used = replace(used, rate_hz=rate_hz or self._stamps.rate_hz)
        if self._stamps.is_coarse or self._stamps.is_constant:
            self.has_clock &= not self._stamps.is_constant
            self.notes.append(self._stamps.note(used.time or "t"))
        self.drift_points = tuple(sorted(set(points) - {0, n_samples}))
        self.class_names, self._numbers_of = classes_of(np.concatenate(labels))

    def _survey(
        self, drift: Sequence[int] | Literal["segment"]
    ) -> tuple[list[NDArray[Any]], list[int], NDArray[np.float64]]:
        """Read all row groups; return labels, drift points and offsets per channel."""
        file, screen, n_channels = open_file(self._path), Screen(self.rejects), len(self.channels)
        self._stamps = Stamps()
        self._starts: list[int] = []  # number of the first sample of each row group
        self._screens: list[Screen] = []  # what the screen knows before each row group
        self._kept: list[int] = []  # number of the first kept row of each row group
        labels: list[NDArray[Any]] = []
        points: list[int] = []
        n_samples = n_rows = n_kept_rows = 0
        segment: int | None = None
        subtracted, low, high = np.zeros(n_channels), np.full(n_channels, np.inf), np.full(n_channels, -np.inf)
        for group in range(file.metadata.num_row_groups):
            self._starts.append(n_samples)
            self._screens.append(copy.copy(screen))
            self._kept.append(n_kept_rows)
            rows = self._rows_of(read_group(self._path, file, group, self._columns))
            if not len(rows.x):
                continue
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a channel without any value
                low, high = np.fmin(low, np.nanmin(rows.x, 0)), np.fmax(high, np.nanmax(rows.x, 0))
            subtracted = np.where(subtracted == 0, offsets(rows.x), subtracted)
            found, counts = np.unique(rows.labels, return_counts=True)
            labels.append(np.repeat(found, np.minimum(counts, 3)))  # enough to tell classes from numbers to predict
            kept = rows.segment[rows.keep]
            recording = self._recording_of(group, kept)
            usable, t = screen(as_float32(rows.x[rows.keep]), None if rows.t is None else rows.t[rows.keep], recording)
            if t is not None and self.rate_hz is None:
                self._stamps.add(t[usable], recording[usable])
            n_before = np.concatenate(([0], np.cumsum(usable)))
            if isinstance(drift, str):
                changes = [row for row in run_starts(kept) if row or kept[0] != segment]
                segment = int(kept[-1]) if len(kept) else segment
            else:
                n_kept = np.concatenate(([0], np.cumsum(rows.keep)))
                changes = [int(n_kept[row - n_rows]) for row in drift if 0 <= row - n_rows < len(rows.keep)]
            points += [n_samples + int(n_before[row]) for row in changes]
            self.has_clock |= rows.t is not None
            n_rows, n_kept_rows = n_rows + len(rows.keep), n_kept_rows + len(kept)
            n_samples += int(usable.sum())
        self.n_samples = n_samples
        return labels, points, np.where(is_coarse(low, high), subtracted, 0)

    def _find_restarts(self) -> bool:
        """Find where the clock starts again within a segment, from the times of all row groups."""
        file, times, segments = open_file(self._path), [], []
        for group in range(file.metadata.num_row_groups):
            rows = self._rows_of(read_group(self._path, file, group, self._columns))
            assert rows.t is not None
            times.append(rows.t[rows.keep])
            segments.append(rows.segment[rows.keep])
        recordings, n = with_restarts(np.concatenate(times), np.concatenate(segments))
        if n:
            self._recordings = recordings
            self.notes.append(restarts_note(self.columns_used.time or "t", n))
        return n > 0

    def _recording_of(self, group: int, segment: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the recording of each kept row of a row group."""
        first = self._kept[group]
        return segment if self._recordings is None else self._recordings[first : first + len(segment)]

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
            x = as_float32(rows.x - self._subtracted if self._subtracted.any() else rows.x)
            x, labels = x[rows.keep], rows.labels[rows.keep]
            segment = self._recording_of(group, rows.segment[rows.keep])
            usable, t = screen(x, None if rows.t is None else rows.t[rows.keep], segment)
            if t is None:
                numbers = np.arange(n_before, n_before + len(x))
                t = numbers / self.rate_hz if self.rate_hz else np.full(len(x), np.nan)
            y = self._numbers_of(labels)
            x, y, t, segment = x[usable], y[usable], t[usable], segment[usable]
            if self._stamps.is_coarse:
                t = self._stamps.spread(self._starts[group], len(t))
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
