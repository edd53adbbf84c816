"""Time of the samples of a stream: from a sample rate, or else from the clock of the source."""

from __future__ import annotations

import numpy as np

from edgelearn.data.source import Block
from edgelearn.errors import UserError


class StreamClock:
    """Seconds since the first sample.

    Parameters
    ----------
    rate_hz : samples per second, None where the source has a clock or nothing tells
    timed : whether arrivals are known
    name : of the source, for messages
    """

    def __init__(self, rate_hz: float | None, timed: bool, name: str) -> None:
        self.rate_hz, self.timed, self._name = rate_hz, timed, name
        self.last_time = np.nan
        # first and last time of the source, shift of the recording, last period
        self.place: list[float] | None = None

    def times(self, block: Block, n_samples: int) -> np.ndarray:
        """Return the times of a block that follows n samples: float64[n], NaN where unknown."""
        if self.rate_hz is not None:
            times = (n_samples + np.arange(len(block))) / self.rate_hz
        else:
            times = self._from_source(block.t)
        if len(times):
            self.last_time = float(times[-1])
        return np.asarray(times, np.float64)

    def _from_source(self, t: np.ndarray) -> np.ndarray:
        """Return seconds since the first sample; a recording whose clock restarts follows a period later."""
        if not self.timed or not len(t):
            return t
        if not np.isfinite(t).all():
            raise UserError(f"{self._name} has samples without a time; give --sample-rate, or a time to each")
        if self.place is None:
            self.place = [float(t[0]), float(t[0]), 0.0, 0.0]
        first, last, behind, period = self.place
        steps = np.diff(t, prepend=last)
        # The period before a restart is the last step forwards, of this block or the one before.
        forwards = np.concatenate([[period], np.where(steps > 0, steps, 0.0)])
        latest = np.maximum.accumulate(np.where(forwards > 0, np.arange(len(forwards)), 0))
        back = np.where(steps < 0, forwards[latest][:-1] - steps, 0.0)
        shifts = np.cumsum(np.concatenate([[behind], back]))[1:]  # summed in an order that does not depend on blocks
        self.place = [first, float(t[-1]), float(shifts[-1]), float(forwards[latest[-1]])]
        return np.asarray(t - first + shifts, np.float64)

    def elapsed_s(self, n_samples: int) -> float:
        """Return the duration of n samples in seconds: a period each, where the clock tells one less."""
        if self.rate_hz is not None:
            return n_samples / self.rate_hz
        return 0.0 if np.isnan(self.last_time) else self.last_time * n_samples / max(n_samples - 1, 1)
