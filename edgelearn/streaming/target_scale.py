"""Targets of a regression on a stream as words of a network, and outputs of the network as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.streaming.front_end import ONE_WORD, UNSEEN, WORD_BITS, FrontEnd, FrontEndSpec

TARGET_BITS, TARGET_REACH = 8, 4  # levels of targets; mean absolute deviations that the highest level stands for
TOP = 254  # word of the highest level


@dataclass(frozen=True, slots=True, eq=False)
class ScaledTargets:
    """Targets of n rows.

    Parameters
    ----------
    words : int16[n, n_targets], 0 where a target is missing
    mean, unit : float64[n, n_targets]: what the output 0, and a step of an output, stand for before the row is known
    """

    words: np.ndarray
    mean: np.ndarray
    unit: np.ndarray

    def values(self, outputs: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the numbers that the outputs of some rows stand for, float64[n, n_targets]."""
        found: np.ndarray = self.mean[rows] + outputs * self.unit[rows]
        return found


class TargetScale:
    """A front end of targets: mean and deviation of each follow its values.

    Example
    -------
    >>> scale = TargetScale(1, time_constant=8)
    >>> found = scale.take(np.array([[1.0], [3.0], [2.0]]))
    >>> found.words.ravel().tolist(), found.values(np.zeros((3, 1))).ravel().tolist()
    ([0, 64, 0], [0.0, 1.0, 2.0])
    """

    def __init__(self, n_targets: int, time_constant: int) -> None:
        self.front_end = FrontEnd(
            FrontEndSpec(
                n_targets, time_constant=time_constant, reach=TARGET_REACH, encoder="signed", input_bits=TARGET_BITS
            )
        )

    def take(self, targets: np.ndarray) -> ScaledTargets:
        """Take the targets of rows one after another, float64[n, n_targets], NaN where one is missing."""
        from edgelearn.streaming.kernel import follow_values  # numba is imported when a simulation starts

        front_end, before = self.front_end, self.front_end.exponents.copy()
        words, shifts = front_end._words(targets)
        levels = np.zeros(words.shape, np.uint8)
        means, deviations = np.zeros(words.shape, np.int64), np.zeros(words.shape, np.int64)
        follow_values(words, shifts, front_end.settings, front_end.state, levels, means, deviations)
        exponents = _exponents_before(targets, before)
        size = np.where(exponents == UNSEEN, 0.0, np.ldexp(1.0, np.maximum(exponents, -1000) - WORD_BITS)) / ONE_WORD
        unit = TARGET_REACH * deviations / TOP * size
        return ScaledTargets(2 * levels.view(np.int8).astype(np.int16), means * size, unit)

    @property
    def now(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what the output 0 and a step of an output stand for after the rows so far, float64[n_targets] each."""
        state, exponents = self.front_end.state, self.front_end.exponents
        size = np.where(exponents == UNSEEN, 0.0, np.ldexp(1.0, np.maximum(exponents, -1000) - WORD_BITS)) / ONE_WORD
        return state.mean * size, TARGET_REACH * state.deviation / TOP * size


def _exponents_before(targets: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the exponents before each row: the least e with |x| < 2^e over all x before it, UNSEEN without any."""
    known = np.isfinite(targets) & (targets != 0)
    own = np.where(known, np.frexp(np.where(known, targets, 1.0))[1], UNSEEN).astype(np.int64)
    return np.maximum.accumulate(np.concatenate([first[None], own]))[:-1]
