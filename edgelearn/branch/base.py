"""Interface and base class of predictors; checks of settings, budgets and blocks."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np

from edgelearn.branch.datapath import Datapath
from edgelearn.errors import UserError

MOST_DELAY = 4096
MOST_ROWS = 1 << 24
COUNTS = ("branches", "misses", "trained", "words_read", "words_written")


class DoesNotFit(UserError):
    """A budget too small for a predictor."""


class Specification(Protocol):
    """Settings of a predictor: a budget limits `table_bits`; `storage_bits` adds the registers."""

    @property
    def name(self) -> str: ...

    @property
    def table_bits(self) -> int: ...

    @property
    def storage_bits(self) -> int: ...


Sized = TypeVar("Sized", bound=Specification)


class Predictor(Protocol):
    """Predicts branches and learns from their outcomes, in order; state persists from one call to the next."""

    @property
    def name(self) -> str:
        """Name with parameters, as on the command line: gshare:17."""
        ...

    @property
    def storage_bits(self) -> int:
        """Bits of all state: tables, histories, thresholds and generators."""
        ...

    @property
    def counters(self) -> dict[str, int]:
        """Counts so far: branches, misses, trained branches, words read and written.

        A word is an entry of a table, read for a prediction and written when it is trained, changed or not. Branches
        whose training is delayed are not among the trained ones yet.
        """
        ...

    @property
    def datapath(self) -> Datapath:
        """Memories, sums and updates, as `hw_models.branch_cost` prices them; the update rate is that of the run."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return tables, registers and counts by name."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from `state` of a predictor with the same settings."""
        ...

    def run(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> int:
        """Predict and learn branches one after another; return the number of mispredictions.

        Parameters
        ----------
        pc : uint32[n], already shifted; taken : uint8[n], 0 or 1
        predicted : uint8[n], filled; uint8[0] where predictions are not needed

        Raises
        ------
        UserError : "a block of branches ..."
        """
        ...


class ArrayState:
    """State of a predictor as its arrays: all that it has, those that never change too."""

    def state(self) -> dict[str, np.ndarray]:
        return {name: array for name, array in vars(self).items() if isinstance(array, np.ndarray)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        for name, array in ArrayState.state(self).items():
            array[...] = state[name]


class BasePredictor(ArrayState, Predictor):
    """Predictor with checked blocks and summed counts; a subclass implements `_learn` and `datapath`.

    Parameters
    ----------
    spec : settings
    """

    def __init__(self, spec: Specification) -> None:
        self._spec = spec
        self._totals = np.zeros(len(COUNTS), np.int64)

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def storage_bits(self) -> int:
        return self._spec.storage_bits

    @property
    def counters(self) -> dict[str, int]:
        return dict(zip(COUNTS, self._totals.tolist(), strict=True))

    def per_branch(self, count: str) -> float:
        """Return a count divided by the branches so far (docs/branch.md, section 6)."""
        counts = self.counters
        return counts[count] / max(counts["branches"], 1)

    def run(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> int:
        check_block(pc, taken, predicted)
        misses, trained, read, written = self._learn(np.ascontiguousarray(pc), np.ascontiguousarray(taken), predicted)
        self._totals += (len(pc), misses, trained, read, written)
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


def largest_within(n_bytes: int, name: str, specs: Iterable[Sized]) -> Sized:
    """Return the last of rising specifications whose tables fit a budget; raises DoesNotFit."""
    known = list(specs)
    fits = [spec for spec in known if spec.table_bits <= 8 * n_bytes]
    if not fits:
        raise too_small(n_bytes, name, known[0].table_bits)
    return fits[-1]


def delayed(delay: int) -> str:
    """Return the end of a name."""
    return f":delay={delay}" if delay else ""
