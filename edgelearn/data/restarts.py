"""Clocks that start again within a file: rows that begin a new recording, told from rows whose time is wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TIME_BACK = "time goes back"
FEWEST_ROWS = 8  # in order, that follow from an earlier time
LONGEST_STEP = 4.0  # times the mean step of a short recording: a longer one is the old clock, which is back


def restarts(t: NDArray[np.float64], segment: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows at which a clock starts again within a segment.

    A row whose time is earlier than that of the row before begins a new recording where 8 rows follow from it in order
    before the clock is back at the earlier time. Where it is not later than the beginning of the recording before, 2
    rows are enough, unless the clock goes back to where it was by a long step. All other rows are errors of the clock.

    Parameters
    ----------
    t : finite seconds [n]
    segment : whole numbers [n], at whose changes a clock may start anyway

    Example
    -------
    >>> t, jitter = np.tile(np.arange(10.0), 3), np.array([0.0, 1.0, 2.0, 1.5, 3.0, 4.0])
    >>> restarts(t, np.zeros(30, int)).tolist(), restarts(jitter, np.zeros(6, int)).tolist()
    ([10, 20], [])
    """
    same = segment[1:] == segment[:-1]
    falls = np.flatnonzero((t[1:] < t[:-1]) & same) + 1
    starts = [0, *(np.flatnonzero(~same) + 1).tolist(), len(t)]
    found: list[int] = []
    at = 0
    while (k := int(np.searchsorted(falls, at, side="right"))) < len(falls):
        row = int(falls[k])
        n_before = int(np.searchsorted(starts, row, side="right"))
        begin = max([starts[n_before - 1], *found[-1:]])
        begins, at = _decide(t[: starts[n_before]], row, float(t[begin]))
        found += begins
    return np.array(found, np.int64)


def _decide(t: NDArray[np.float64], row: int, first: float) -> tuple[list[int], int]:
    """Follow the clock from a row where it falls; return where recordings begin, and the row where all is decided.

    Parameters
    ----------
    first : time of the first row of the recording so far
    """
    found: list[int] = []
    begin, last = row, t[row - 1]
    for k in range(row + 1, len(t)):
        is_short = k - begin >= 2 and t[begin] <= first
        if t[k] < t[k - 1]:  # it falls again
            if is_short:
                found.append(begin)
                first, last = float(t[begin]), t[k - 1]
            begin = k
        elif t[k] >= last:
            if is_short and t[k] - t[k - 1] <= LONGEST_STEP * (t[k - 1] - t[begin]) / (k - 1 - begin):
                found.append(begin)
            return found, k
        elif k - begin + 1 >= FEWEST_ROWS:
            return [*found, begin], k
    if len(t) - begin >= 2 and t[begin] <= first:
        found.append(begin)
    return found, len(t)


def with_restarts(t: NDArray[np.float64], segment: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return segments of which a clock that starts again begins another one, and how often it does."""
    known = np.flatnonzero(np.isfinite(t))
    rows = known[restarts(t[known], segment[known])]
    if not len(rows):
        return segment, 0
    begins = np.zeros(len(t), bool)
    begins[1:] = segment[1:] != segment[:-1]
    begins[rows] = True
    return np.cumsum(begins), len(rows)


def restarts_note(title: str, n: int) -> str:
    """State how often a clock starts again."""
    times = "once" if n == 1 else f"{n:,} times"
    return (
        f"times of {title} start again {times}: each begins a recording, one period after the one before, and no "
        "window spans two of them"
    )
