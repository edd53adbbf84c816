"""Arrays in memory as a source, and the screen through which every recorded sample passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelearn.data.restarts import TIME_BACK, restarts_note, with_restarts
from edgelearn.data.source import UNLABELLED, Block, ColumnsUsed, Rejects, Source
from edgelearn.data.stamps import Stamps
from edgelearn.errors import UserError

BLOCK = 4096
NOT_FINITE = "not a finite number"


class Screen:
    """Find the samples that can be used, batch after batch, and lay recordings behind one another in time.

    A sample is rejected where a value is infinite, all values are missing (NaN), or its time is not finite, or where
    its time lies before that of a usable sample of the same segment. A segment whose clock starts again begins a period
    after the one before it ended.

    Parameters
    ----------
    rejects : where rejected samples are counted
    """

    def __init__(self, rejects: Rejects) -> None:
        self.rejects = rejects
        self.n_rows = 0
        self._segment: int | None = None
        self._is_fresh = True  # no usable sample of the segment yet
        self._latest = -np.inf  # the segment's own clock
        self._period = 0.0  # mean of the segment, or of the one before
        self._first, self._n_good = 0.0, 0
        self._end, self._shift = -np.inf, 0.0  # the clock of the stream

    def __call__(
        self, x: NDArray[np.float32], t: NDArray[np.float64] | None, segment: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
        """Return which rows are usable, and the times on the stream's clock (None where there is none)."""
        usable: NDArray[np.bool_] = np.all(np.isfinite(x), axis=1)
        doubtful = np.flatnonzero(~usable)
        if len(doubtful):  # NaN is a missing value, which makes no event; a row without any value is none
            part = x[doubtful]
            usable[doubtful] = ~np.isinf(part).any(axis=1) & ~np.isnan(part).all(axis=1)
        if t is not None:
            usable = usable & np.isfinite(t)
        self._count(NOT_FINITE, ~usable)
        if t is not None:
            t = self._screen_times(t, segment, usable)
        self.n_rows += len(x)
        return usable, t

    def _count(self, reason: str, rejected: NDArray[np.bool_]) -> None:
        for row in np.flatnonzero(rejected):
            self.rejects.add(reason, f"row {self.n_rows + int(row) + 1}")

    def _screen_times(
        self, t: NDArray[np.float64], segment: NDArray[np.int64], usable: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        laid = t.copy()
        back = np.zeros(len(t), np.bool_)
        for start, stop in pairwise([*run_starts(segment), len(t)]):
            if segment[start] != self._segment:
                self._segment, self._is_fresh, self._latest = int(segment[start]), True, -np.inf
            run, good = t[start:stop], usable[start:stop]
            latest = np.maximum.accumulate(np.concatenate(([self._latest], np.where(good, run, -np.inf))))
            back[start:stop] = good & (run < latest[:-1])
            good &= ~back[start:stop]
            if not good.any():
                continue
            if self._is_fresh:
                self._first, self._n_good = float(run[np.argmax(good)]), 0
                restarts = self._first <= self._end
                self._shift = self._end + self._period - self._first if restarts else 0.0
                self._is_fresh = False
            self._latest = float(latest[-1])
            self._n_good += int(good.sum())
            if self._n_good > 1 and self._latest > self._first:
                self._period = (self._latest - self._first) / (self._n_good - 1)
            laid[start:stop] += self._shift
            self._end = self._latest + self._shift
        self._count(TIME_BACK, back)
        return laid


def run_starts(values: NDArray[Any]) -> list[int]:
    """Return where each run of equal values starts.

    Example
    -------
    >>> run_starts(np.array([7, 7, 3, 7]))
    [0, 2, 3]
    """
    if len(values) == 0:
        return []
    return [0, *(int(place) for place in np.flatnonzero(values[1:] != values[:-1]) + 1)]


def as_float32(values: ArrayLike) -> NDArray[np.float32]:
    """Return values as float32; what float32 cannot hold becomes infinite, which the screen rejects."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, np.float32)


def state_of(source: Source) -> dict[str, Any]:
    """Return what identifies a source whose content is known before it is read."""
    return {"channels": list(source.channels), "class_names": list(source.class_names)}


def check_same(source: Source, state: dict[str, Any]) -> None:
    """Refuse to continue with another source.

    Raises
    ------
    UserError
        "stream '...' has other channels ..." or "... other classes ..."
    """
    for key, now in state_of(source).items():
        if key in state and list(state[key]) != now:
            what = "classes" if key == "class_names" else key
            raise UserError(
                f"stream '{source.name}' has other {what} than when its state was saved "
                f"({len(now)}, then {len(state[key])}); continue with the same data, or start again"
            )


class Recording:
    """Give arrays as a stream.

    Parameters
    ----------
    x : numbers [n, n_channels]; kept as float32
    y : whole numbers [n], 0 .. n_classes - 1, -1 where no label is known; None: no labels at all
    t : seconds [n], never falling inside a segment, unless the clock starts again (`edgelearn.data.restarts`); None:
        the sample number over `rate_hz`, NaN without a rate
    rate_hz : samples per second
    segment : whole numbers [n], recording or subject of each sample; None: one recording
    class_names : one name per class; default the numbers of the classes
    channels : one name per channel; default "channel 1", "channel 2", ...
    drift_points : rows of `x` at which the source is known to change; "segment": the first row of each segment
        but the first
    name, source : what reports call it, and where the values come from
    rejects : what was rejected before, while the arrays were read
    columns, notes : roles of the columns, and notes of the reader
    normal_rows : rows at the start of each recording that are normal, as its publisher says; 0 where nothing is said

    Raises
    ------
    UserError
        "stream '...': ..." with the array, its fault and what is allowed

    Example
    -------
    >>> recording = Recording([[0.5], [float("nan")], [2.0]], [0, 1, 1], rate_hz=50)
    >>> [(block.x.tolist(), block.y.tolist(), block.t.tolist()) for block in recording.blocks()]
    [([[0.5], [2.0]], [0, 1], [0.0, 0.04])]
    >>> recording.rejects.counts
    {'not a finite number': 1}
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        t: ArrayLike | None = None,
        rate_hz: float | None = None,
        segment: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
        drift_points: Sequence[int] | Literal["segment"] = (),
        name: str = "arrays",
        source: str = "memory",
        rejects: Rejects | None = None,
        columns: ColumnsUsed | None = None,
        notes: Sequence[str] = (),
        normal_rows: int = 0,
    ) -> None:
        self.name, self.source = name, source
        self.normal_rows = normal_rows
        self.notes = list(notes)
        self.rejects = rejects or Rejects()
        self.rate_hz = self._checked_rate(rate_hz)
        values = self._checked_values(x)
        n, n_channels = values.shape
        labels = np.full(n, UNLABELLED) if y is None else self._whole_numbers("y", y, n)
        segments = np.zeros(n, np.int64) if segment is None else self._whole_numbers("segment", segment, n)
        self.class_names = self._checked_classes(labels, class_names)
        self.channels = tuple(channels) if channels else tuple(f"channel {i + 1}" for i in range(n_channels))
        if len(self.channels) != n_channels:
            raise self._error(f"has {n_channels} channels and {len(self.channels)} names", "give one name per channel")
        times = None if t is None else self._checked_times(t, n)
        recording = segments
        if times is not None:
            recording, n_restarts = with_restarts(times, segments)
            if n_restarts:
                self.notes.append(restarts_note(columns.time or "t" if columns else "t", n_restarts))
        usable, times = Screen(self.rejects)(values, times, recording)
        if not usable.any():
            worst = max(self.rejects.counts, key=self.rejects.counts.__getitem__, default="none is there")
            raise self._error(f"has no usable sample among {n} ({worst})", "correct the values")
        if times is None:
            times = np.arange(n) / self.rate_hz if self.rate_hz else np.full(n, np.nan)
        self.has_clock = not np.isnan(times).any()
        self.drift_points = self._checked_drift(drift_points, segments, usable)
        segments = recording
        if not usable.all():
            values, labels, times, segments = values[usable], labels[usable], times[usable], segments[usable]
        used, stamps = columns or ColumnsUsed(self.channels, None if y is None else "y"), Stamps()
        if self.has_clock and self.rate_hz is None:
            stamps.add(times, segments)
            if stamps.is_coarse or stamps.is_constant:
                self.has_clock = not stamps.is_constant
                times = stamps.spread(0, len(times)) if stamps.is_coarse else times
                self.notes.append(stamps.note(used.time or "t"))
        self.columns_used = replace(used, rate_hz=self.rate_hz or stamps.rate_hz)
        self._x, self._y, self._t, self._segment = values, labels, times, segments
        for array in (values, labels, times, segments):
            array.flags.writeable = False

    def _error(self, fault: str, allowed: str) -> UserError:
        return UserError(f"stream '{self.name}': {fault}; {allowed}")

    def _checked_rate(self, rate_hz: float | None) -> float | None:
        if rate_hz is not None and not (np.isfinite(rate_hz) and rate_hz > 0):
            raise self._error(f"rate_hz is {rate_hz}", "give samples per second, above 0")
        return None if rate_hz is None else float(rate_hz)

    def _checked_values(self, x: ArrayLike) -> NDArray[np.float32]:
        given = np.asarray(x)
        if given.ndim != 2 or given.shape[1] == 0 or given.dtype.kind not in "buif":
            raise self._error(f"x is {given.dtype} {list(given.shape)}", "give numbers [n_samples, n_channels]")
        if len(given) == 0:
            raise self._error("x has no samples", "give at least 1")
        values = as_float32(given)
        # What is kept is never the caller's own array, which may change.
        return values.copy() if np.may_share_memory(values, given) else values

    def _whole_numbers(self, label: str, given: ArrayLike, n: int) -> NDArray[np.int64]:
        array = np.asarray(given)
        if array.shape != (n,) or array.dtype.kind not in "bui":
            raise self._error(
                f"{label} is {array.dtype} {list(array.shape)}", f"give whole numbers [{n}], one for each sample"
            )
        return array.astype(np.int64)

    def _checked_classes(self, labels: NDArray[np.int64], class_names: Sequence[str] | None) -> tuple[str, ...]:
        low, high = int(labels.min()), int(labels.max())
        names = tuple(class_names) if class_names is not None else tuple(str(k) for k in range(high + 1))
        if low < UNLABELLED or high >= len(names):
            allowed = f"give 0 to {len(names) - 1}, or -1 for no label" if names else "give -1 for no label"
            raise self._error(f"y has labels out of range ({low} to {high})", allowed)
        return names

    def _checked_times(self, t: ArrayLike, n: int) -> NDArray[np.float64]:
        array = np.asarray(t)
        if array.shape != (n,) or array.dtype.kind not in "uif":
            raise self._error(f"t is {array.dtype} {list(array.shape)}", f"give seconds [{n}], one for each sample")
        return array.astype(np.float64)

    def _checked_drift(
        self, points: Sequence[int] | Literal["segment"], segment: NDArray[np.int64], usable: NDArray[np.bool_]
    ) -> tuple[int, ...]:
        rows = run_starts(segment)[1:] if isinstance(points, str) else list(points)
        if any(not 0 <= row < len(usable) for row in rows) or any(a >= b for a, b in pairwise(rows)):
            raise self._error(
                f"drift points {rows[:8]} are not allowed", f"give ascending sample numbers below {len(usable)}"
            )
        n_before = np.concatenate(([0], np.cumsum(usable)))
        return tuple(sorted({int(n_before[row]) for row in rows} - {0, int(n_before[-1])}))

    @property
    def n_classes(self) -> int:
        """Count the classes."""
        return len(self.class_names)

    @property
    def n_samples(self) -> int:
        """Count the usable samples."""
        return len(self._y)

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Give the samples from number `start` on, in slices that share the source's memory.

        Raises
        ------
        UserError
            "sample -1 is out of range ..."
        """
        check_start(start)
        for first in range(start, self.n_samples, BLOCK):
            part = slice(first, first + BLOCK)
            yield Block(self._x[part], self._y[part], self._t[part], self._segment[part])

    def state(self) -> dict[str, Any]:
        """Return channels and classes: the arrays hold all else."""
        return state_of(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Check that the state is of the same channels and classes.

        Raises
        ------
        UserError
            "stream '...' has other ..."
        """
        check_same(self, state)


def check_start(start: int) -> None:
    """Refuse a negative sample number.

    Raises
    ------
    UserError
        "sample -1 is out of range ..."
    """
    if start < 0:
        raise UserError(f"sample {start} is out of range; samples count from 0")


class Limited:
    """Give the first samples of another source.

    Parameters
    ----------
    whole : the source
    limit : samples to give at most

    Raises
    ------
    UserError
        "limit 0 is out of range ..."
    """

    def __init__(self, whole: Source, limit: int) -> None:
        if limit < 1:
            raise UserError(f"limit {limit} is out of range; give 1 sample or more")
        self.whole, self.limit = whole, limit
        self.name, self.source = whole.name, whole.source
        self.channels, self.rate_hz = whole.channels, whole.rate_hz
        self.drift_points = tuple(point for point in whole.drift_points if point < limit)
        self._n_given = 0

    @property
    def notes(self) -> list[str]:
        """Return the notes of the whole source."""
        return self.whole.notes

    @notes.setter
    def notes(self, notes: list[str]) -> None:
        self.whole.notes = notes

    @property
    def columns_used(self) -> ColumnsUsed:
        """State what the columns were taken for."""
        return self.whole.columns_used

    @property
    def rejects(self) -> Rejects:
        """Return what the whole source rejected."""
        return self.whole.rejects

    @rejects.setter
    def rejects(self, rejects: Rejects) -> None:
        self.whole.rejects = rejects

    @property
    def has_clock(self) -> bool:
        """Tell whether the samples of the whole source have times."""
        return self.whole.has_clock

    @property
    def normal_rows(self) -> int:
        """Count the normal rows at the start of each recording, 0 where the whole source says nothing."""
        return int(getattr(self.whole, "normal_rows", 0))

    @property
    def concepts(self) -> tuple[int, ...] | None:
        """Give the concept of each stretch between drift points, where the whole source knows them."""
        concepts: tuple[int, ...] | None = getattr(self.whole, "concepts", None)
        return None if concepts is None else concepts[: len(self.drift_points) + 1]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Give the lines of the last block's samples, where the whole source has lines."""
        numbers: NDArray[np.int64] = getattr(self.whole, "numbers", np.empty(0, np.int64))
        return numbers[: self._n_given]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name the classes of the whole source, so that a shorter run has the same outputs."""
        return self.whole.class_names

    @property
    def n_classes(self) -> int:
        """Count the classes there is room for."""
        return self.whole.n_classes

    @property
    def n_samples(self) -> int | None:
        """Count the samples, None where the whole source does not know."""
        n_whole = self.whole.n_samples
        return None if n_whole is None else min(n_whole, self.limit)

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Give the samples from number `start` on, none beyond the limit."""
        check_start(start)
        n_left = self.limit - start
        self._n_given = 0
        if n_left <= 0:
            return
        for block in self.whole.blocks(start):
            part = slice(0, n_left)
            self._n_given = min(n_left, len(block))
            yield Block(block.x[part], block.y[part], block.t[part], block.segment[part])
            n_left -= len(block)
            if n_left <= 0:  # before the next block is asked for: a live source would wait for it
                return

    def state(self) -> dict[str, Any]:
        """Return the state of the whole source."""
        return self.whole.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Give a state back to the whole source."""
        self.whole.restore(state)
