"""Front end: integer normalisation and encoding of sensor samples as input levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelearn.errors import UserError, unknown
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import FrontEndState
from edgelearn.network.spec import MAX_NEURONS

ENCODERS = ("signed", "levels", "on-off", "threshold", "delta")
FEATURES = ("samples", "statistics")
WORD_BITS = 22
UNSEEN = -(2**30)  # exponent of a channel that was always zero
ONE_WORD = 256  # a word in the unit of mean and deviation
_ENCODERS = {
    "signed": t.ENCODER_SIGNED,
    "levels": t.ENCODER_LEVELS,
    "on-off": t.ENCODER_ON_OFF,
    "threshold": t.ENCODER_THRESHOLD,
    "delta": t.ENCODER_DELTA,
}


@dataclass(frozen=True)
class FrontEndSpec:
    """Settings of a front end (contract, section 10).

    Parameters
    ----------
    n_channels : values of a sample
    window, stride : samples of a row, and from one row to the next
    features : "samples" gives the whole window, "statistics" six figures a channel
    time_constant : mean and deviation follow the last 2^time_constant rows
    reach : mean absolute deviations that the highest level stands for
    encoder : "signed", "levels", "on-off", "threshold" or "delta"
    input_bits : bits of a level, 1 to 8; "threshold" sends single bits
    input_threshold : levels of at most this size are no events (signed, on-off)
    thresholds : on each side of the mean (threshold)
    delta : change that is sent, in sixteenths of the mean absolute deviation (delta)

    Raises
    ------
    UserError
        "window ...", "encoder ..." and so on, with what is allowed.
    """

    n_channels: int
    window: int = 1
    stride: int = 1
    features: str = "samples"
    time_constant: int = 8
    reach: int = 3
    encoder: str = "signed"
    input_bits: int = 5
    input_threshold: int = 0
    thresholds: int = 2
    delta: int = 8

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise unknown("encoder", self.encoder, ENCODERS)
        if self.features not in FEATURES:
            raise unknown("kind of features", self.features, FEATURES)
        for name, lowest, highest in (
            ("n_channels", 1, MAX_NEURONS),
            ("window", 1, 100_000),
            ("stride", 1, 1_000_000),
            ("time_constant", 0, 24),
            ("reach", 1, 64),
            ("input_bits", 1, 8),
            ("input_threshold", 0, 254),
            ("thresholds", 1, 63),
            ("delta", 1, 1024),
        ):
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise UserError(f"{name} {value} cannot be built; give {lowest} to {highest}")
        if self.features == "statistics" and self.window < 2:
            raise UserError(f"statistics of a window of {self.window} cannot be built; give --window 2 or more")
        if self.encoder == "signed" and self.input_bits < 2:
            raise UserError("encoder 'signed' needs a bit for the sign; give --input-bits 2 or more")
        if self.encoder == "threshold" and self.input_bits != 1:
            raise UserError(f"encoder 'threshold' sends single bits, not {self.input_bits}; give --input-bits 1")

    @property
    def n_features(self) -> int:
        return self.n_channels * (t.N_STATISTICS if self.features == "statistics" else self.window)

    @property
    def n_inputs(self) -> int:
        """Count the inputs of a network behind this front end."""
        return self.n_features * {"signed": 1, "levels": 1, "threshold": 2 * self.thresholds}.get(self.encoder, 2)

    @property
    def top(self) -> int:
        """Highest level of a normalised feature; thresholds are set on a scale of 127."""
        if self.encoder == "threshold":
            return 127
        return (1 << (self.input_bits - (self.encoder == "signed"))) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Input levels of rows, uint8[n, n_inputs] (int8 where signed), and the sample that ends each, int64[n]."""

    levels: np.ndarray
    ends: np.ndarray


class FrontEnd:
    """Front end with its state.

    Parameters
    ----------
    adapt_rows : rows whose values move mean and deviation, from the first one on; None for all
    least_deviation : in place of a deviation of 0 in rows that move no statistics, in 1/256 of a word; 0 for none, so
        that a feature that was constant makes no event

    Example
    -------
    >>> front_end = FrontEnd(FrontEndSpec(1))
    >>> x = np.array([[0.0], [4.0], [-4.0], [8.0]], np.float32)
    >>> front_end.rows(x, np.zeros(4, np.int64)).levels.tolist()
    [[0], [5], [-7], [7]]
    """

    def __init__(self, spec: FrontEndSpec, adapt_rows: int | None = None, least_deviation: int = 0) -> None:
        self.spec, self.adapt_rows, self.least_deviation = spec, adapt_rows, least_deviation
        n_features = spec.n_features
        self.state = FrontEndState(
            ring=np.zeros((spec.window, spec.n_channels), np.int64),
            features=np.zeros(n_features, np.int64),
            mean=np.zeros(n_features, np.int64),
            deviation=np.zeros(n_features, np.int64),
            sent=np.zeros(n_features, np.int64),
            seen=np.zeros(n_features, np.int64),
            place=np.zeros(t.FRONT_END_PLACE, np.int64),
        )
        self.exponents = np.full(spec.n_channels, UNSEEN, np.int64)
        self.settings = np.zeros(t.FRONT_END_SETTINGS, np.int64)
        self.settings[t.STATISTICS] = spec.features == "statistics"
        self.settings[t.STRIDE_ROWS], self.settings[t.TIME_CONSTANT] = spec.stride, spec.time_constant
        self.settings[t.REACH], self.settings[t.ENCODER] = spec.reach, _ENCODERS[spec.encoder]
        self.settings[t.TOP] = spec.top
        self.settings[t.INPUT_THRESHOLD], self.settings[t.THRESHOLDS] = spec.input_threshold, spec.thresholds
        self.settings[t.DELTA] = spec.delta
        self.settings[t.ADAPT_ROWS], self.settings[t.LEAST_DEVIATION] = adapt_rows or 0, least_deviation

    def rows(self, x: np.ndarray, segment: np.ndarray) -> Rows:
        """Take samples, float32[n, n_channels] and int64[n], and return the rows that end with one of them.

        NaN is no value: it makes no event, and leaves the statistics of its feature as they are. Statistics of a window
        are those of the values present; a window without any makes no event.
        """
        from edgelearn.streaming.kernel import run_front_end  # numba is imported when a simulation starts

        words, shifts = self._words(x)
        n_rows = len(x)
        if self.spec.stride > 1:  # windows begin anew with each segment, so that rows may be closer than a stride there
            n_rows = min(n_rows, n_rows // self.spec.stride + int(np.count_nonzero(np.diff(segment))) + 2)
        levels = np.zeros((n_rows, self.spec.n_inputs), np.uint8)
        ends = np.zeros(n_rows, np.int64)
        found = run_front_end(words, shifts, segment, self.settings, self.state, levels, ends)
        return Rows(self._as_levels(levels[:found]), ends[:found])

    def _as_levels(self, levels: np.ndarray) -> np.ndarray:
        return levels.view(np.int8) if self.spec.encoder == "signed" else levels

    def _words(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return words and how much each channel's exponent grew before each; exponents never fall."""
        from edgelearn.streaming.words import write_words

        exact = np.ascontiguousarray(x, np.float64)
        words, growth = np.zeros(exact.shape, np.int64), np.zeros(exact.shape, np.uint8)
        write_words(exact, self.exponents, words, growth)
        return words, growth

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return the levels of windows, uint8[n, n_inputs], and leave all statistics as they are.

        Parameters
        ----------
        x : float[n, window * n_channels], the samples of each window one after another, oldest first; NaN is no value
        """
        from edgelearn.streaming.kernel import encode_only

        exact = np.asarray(x, np.float64).reshape(len(x), self.spec.window, self.spec.n_channels)
        missing = np.isnan(exact)
        words = _as_words(np.where(missing, 0, exact), np.broadcast_to(self.exponents, exact.shape))
        if self.least_deviation:  # whatever follows nothing but zeros is as large as a word can be
            new = (self.exponents == UNSEEN) & ~missing
            words[new] = np.sign(exact[new]).astype(np.int64) << WORD_BITS
        words[missing] = t.MISSING_WORD
        levels = np.zeros((len(x), self.spec.n_inputs), np.uint8)
        copied = FrontEndState(*(array.copy() for array in self.state))
        encode_only(words, self.settings, copied, levels)
        return self._as_levels(levels)

    def save(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as plain arrays."""
        return {"exponents": self.exponents.copy()} | {k: v.copy() for k, v in self.state._asdict().items()}

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Continue from what `save` returned."""
        self.exponents[:] = saved["exponents"]
        for name, array in self.state._asdict().items():
            # Before version 2 of the state no value was missing: every feature had one in each row.
            array[...] = saved["place"][t.ROWS_SEEN] if name == "seen" and name not in saved else saved[name]

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle what `save` gives: pickled arrays may come back as parts of a file that cannot be written."""
        made = {"spec": self.spec, "adapt_rows": self.adapt_rows, "least_deviation": self.least_deviation}
        return made | {"saved": self.save()}

    def __setstate__(self, stored: dict[str, Any]) -> None:
        FrontEnd.__init__(self, stored["spec"], stored.get("adapt_rows"), stored.get("least_deviation", 0))
        self.restore(stored["saved"])


def _as_words(exact: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Return rint(x * 2^(22 - E)); a word beyond the exponent's range is as large as any can be."""
    scaled = np.rint(np.ldexp(exact, np.where(exponents == UNSEEN, 0, WORD_BITS - exponents)))
    scaled = np.where(exponents == UNSEEN, 0, scaled)
    return np.clip(scaled, -(2.0**WORD_BITS), 2.0**WORD_BITS).astype(np.int64)
