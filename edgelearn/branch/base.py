"""What predictors share: checks of settings, budgets and blocks, and counts that go on."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol

import numpy as np

from edgelearn.branch.predictor import Predictor
from edgelearn.errors import UserError

MOST_DELAY = 4096


class DoesNotFit(UserError):
    """A budget that a predictor has no room in: another budget may do."""


class Specification(Protocol):
    """Settings of a predictor; tables are what a budget bounds, storage is tables and registers."""

    @property
    def name(self) -> str:
        """Return the name with its parameters."""
        ...

    @property
    def table_bits(self) -> int:
        """Return the bits of all tables."""
        ...

    @property
    def storage_bits(self) -> int:
        """Return the bits of all tables and registers."""
        ...


class Counting(Predictor):
    """Checks blocks and adds up counts; a predictor gives `_learn`.

    Parameters
    ----------
    spec : settings
    """

    def __init__(self, spec: Specification) -> None:
        self._spec = spec
        self._counts = dict.fromkeys(("branches", "misses", "trained", "words_read", "words_written"), 0)

    @property
    def name(self) -> str:
        """Return the name with its parameters."""
        return self._spec.name

    @property
    def storage_bits(self) -> int:
        """Return the bits of tables and registers."""
        return self._spec.storage_bits

    @property
    def counters(self) -> dict[str, int]:
        """Return counts so far.

        Words are entries of tables: read to predict, and written when they are trained, changed or not. Branches that
        still wait for their training are not among the trained ones.
        """
        return dict(self._counts)

    def run(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> int:
        """Predict and learn branches one after another; return how many were mispredicted.

        Parameters
        ----------
        pc : uint32[n]; taken : uint8[n], 0 or 1
        predicted : uint8[n], filled; of no entries where nobody looks

        Raises
        ------
        UserError : "a block of branches ..."
        """
        check_block(pc, taken, predicted)
        misses, trained, read, written = self._learn(np.ascontiguousarray(pc), np.ascontiguousarray(taken), predicted)
        for name, count in zip(self._counts, (len(pc), misses, trained, read, written), strict=True):
            self._counts[name] += int(count)
        return int(misses)

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        """Return mispredicted and trained branches, words read and written."""
        raise NotImplementedError


def check_block(pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> None:
    """Compare types, lengths and outcomes, which kernels do not.

    Raises
    ------
    UserError : "a block of branches ..."
    """
    given = [(np.asarray(array).dtype.name, np.shape(array)) for array in (pc, taken, predicted)]
    n = len(pc)
    if given[:2] != [("uint32", (n,)), ("uint8", (n,))] or given[2] not in [("uint8", (n,)), ("uint8", (0,))]:
        told = ", ".join(f"{dtype}{list(shape)}" for dtype, shape in given)
        raise UserError(
            f"a block of branches is {told}, which do not match; give uint32[n], uint8[n] and uint8[n] or uint8[0]"
        )
    if n and taken.max() > 1:
        raise UserError(f"a block of branches has outcome {taken.max()}; give 0, not taken, and 1, taken")


def check(what: str, value: int, low: int, high: int) -> None:
    """Refuse a setting outside its range; raises UserError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise UserError(f"{what} {value} is not possible; give a whole number from {low} to {high}")


def check_lengths(lengths: Iterable[int], lowest: int) -> None:
    """Refuse lengths of histories that do not rise from `lowest` or above; raises UserError."""
    given = tuple(lengths)
    for length in given:
        check("history length", length, lowest, 2000)
    if not given or len(given) > 64 or any(a >= b for a, b in pairwise(given)):
        raise UserError(f"history lengths {given} do not rise; give 1 to 64 lengths, each longer than the one before")


def too_small(n_bytes: int, name: str, smallest_bits: int) -> DoesNotFit:
    """Return the error for a budget that not even the smallest predictor fits."""
    return DoesNotFit(f"budget {n_bytes} bytes is too small for {name}; give at least {-(-smallest_bits // 8)} bytes")


def delayed(delay: int) -> str:
    """Return the end of a name."""
    return f":delay={delay}" if delay else ""
