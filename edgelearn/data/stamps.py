"""Time stamps of samples: rate, resolution where it is coarser than the samples, and spreading."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ENOUGH = 10_000  # different stamps after which they are known to be fine enough

# --- stamps ------------------------------------------------------------------------------------------------


def rate_of_times(t: NDArray[np.float64], segment: NDArray[np.int64] | None = None) -> float | None:
    """Return samples per second of clocked samples: periods over the time from the first to the last sample.

    Parameters
    ----------
    t : seconds [n]; segment : recording of each sample [n], whose limits are no periods

    Example
    -------
    >>> rate_of_times(np.array([0.0, 0.02, 0.04]))
    50.0
    """
    stamps = Stamps()
    stamps.add(t, np.zeros(len(t), np.int64) if segment is None else segment)
    return stamps.rate_hz


@dataclass
class Stamps:
    """Collect the time stamps of a recording: their rate, and their resolution where it is coarser than the samples.

    Samples with equal stamps are spread evenly over the interval to the next stamp; the first and last stamp of a
    recording may have fewer samples than the others, which then keep the distance of those beside them.
    """

    values: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    starts: list[bool] = field(default_factory=list)  # a recording begins
    n_samples: int = 0
    n_periods: int = 0
    total_s: float = 0.0
    _is_fine: bool = False  # enough is known
    _segment: int | None = None
    _edges: NDArray[np.int64] | None = None
    _spread: NDArray[np.float64] | None = None

    def add(self, t: NDArray[np.float64], segment: NDArray[np.int64]) -> None:
        """Add consecutive samples."""
        if not len(t):
            return
        before = self.values[-1] if self.values else np.nan
        steps = np.diff(t, prepend=before)
        changes = np.diff(segment, prepend=segment[0] if self._segment is None else self._segment) != 0
        changes[0] |= self._segment is None
        changes |= steps < 0
        inside = ~changes & np.isfinite(steps)
        self.n_periods += int(inside.sum())
        self.total_s += float(steps[inside].sum())
        self.n_samples += len(t)
        self._segment = int(segment[-1])
        if self._is_fine:
            self.values = [float(t[-1])]
            return
        first = np.flatnonzero(changes | (steps != 0))
        counts = np.diff(first, append=len(t))
        if len(first) == 0 or first[0] > 0:
            self.counts[-1] += int(first[0]) if len(first) else len(t)
        self.values += t[first].tolist()
        self.counts += counts.tolist()
        self.starts += changes[first].tolist()
        if len(self.values) > ENOUGH and 2 * len(self.values) > self.n_samples:
            self.values, self.counts, self.starts, self._is_fine = self.values[-1:], [], [], True

    @property
    def rate_hz(self) -> float | None:
        """Samples per second, None where they cannot be told."""
        if self.is_coarse:
            times = self.spread(0, self.n_samples)
            steps = np.diff(times)
            inside = np.ones(len(steps), bool)
            inside[self._starting_rows()[1:] - 1] = False
            total = float(steps[inside].sum())
            return float(inside.sum()) / total if total > 0 else None
        return self.n_periods / self.total_s if self.total_s > 0 else None

    @property
    def resolution_s(self) -> float:
        """The most common step from one stamp to the next, in seconds."""
        steps = np.diff(self.values)[~np.array(self.starts[1:], bool)]
        steps = steps[steps > 0]
        return float(np.median(steps)) if len(steps) else 0.0

    @property
    def is_coarse(self) -> bool:
        """Say whether most samples share their stamp with another one."""
        return (
            not self._is_fine
            and self.n_samples >= 4
            and 2 * len(self.values) <= self.n_samples
            and self.resolution_s > 0
        )

    @property
    def is_constant(self) -> bool:
        """Say whether all samples have one stamp, which gives no time."""
        return self.n_samples > 1 and self.total_s == 0 and not self._is_fine and len(set(self.values)) == 1

    def note(self, title: str) -> str:
        if self.is_constant:
            return f"stamps of {title} are all equal and give no time; give --sample-rate"
        return (
            f"stamps of {title} are {self.resolution_s:g} s apart, with {self.n_samples / len(self.values):.3g} rows "
            "each: rows were spread evenly over these intervals"
        )

    def _starting_rows(self) -> NDArray[np.int64]:
        assert self._edges is not None
        return np.asarray(self._edges[:-1][np.array(self.starts, bool)])

    def spread(self, first: int, n: int) -> NDArray[np.float64]:
        """Return the times of n samples from number `first` on."""
        if self._spread is None or self._edges is None:
            self._edges = np.concatenate([[0], np.cumsum(self.counts)])
            self._spread = self._spread_all(self._edges)
        return self._spread[first : first + n]

    def _spread_all(self, edges: NDArray[np.int64]) -> NDArray[np.float64]:
        values, counts, step = np.array(self.values), np.array(self.counts), self.resolution_s
        starts = np.append(np.array(self.starts, bool), True)
        times = np.empty(self.n_samples)
        for k, (value, count) in enumerate(zip(values, counts, strict=True)):
            is_first, is_last = starts[k], starts[k + 1]
            width = step if is_last else min(step, values[k + 1] - value)
            period = width / count
            offset = 0.0
            if is_first and not is_last and count < counts[k + 1]:  # the recording began within the interval
                period = step / counts[k + 1]
                offset = width - count * period
            elif is_last and not is_first and count < counts[k - 1]:
                period = step / counts[k - 1]
            times[edges[k] : edges[k + 1]] = value + offset + period * np.arange(count)
        return np.maximum.accumulate(times)
