"""Times of samples: texts of dates and times as seconds."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray


def seconds_of(text: str) -> float:
    """Read a date and time of ISO 8601 as seconds since 1970; UTC where it names no zone.

    Raises
    ------
    ValueError : another text

    Example
    -------
    >>> seconds_of("1970-01-01T00:01:00+00:00")
    60.0
    """
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def rate_of_times(t: NDArray[np.float64], segment: NDArray[np.int64] | None = None) -> float | None:
    """Return samples per second of clocked samples: one less than the samples over the time from first to last.

    Parameters
    ----------
    t : seconds [n]; segment : recording of each sample [n], whose limits are no periods

    Example
    -------
    >>> rate_of_times(np.array([0.0, 0.02, 0.04]))
    50.0
    """
    steps = np.diff(t)
    if segment is not None:
        steps = steps[np.diff(segment) == 0]
    total = float(steps.sum())
    return len(steps) / total if total > 0 else None
