"""Perceptron predictors with int8 weights: perceptron, piecewise linear, hashed perceptron.

Weights start at 0 and saturate at -128 and 127. Outcomes count as -1 and 1; histories start with branches that were not
taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from edgelearn.branch.base import (
    MOST_DELAY,
    MOST_ROWS,
    BasePredictor,
    check,
    check_lengths,
    delayed,
    largest_within,
    too_small,
)
from edgelearn.branch.datapath import Datapath, Memory, Sums
from edgelearn.branch.kernels.history import new_history
from edgelearn.branch.kernels.perceptrons import DRIFT, THETA, run_hashed, run_perceptron
from edgelearn.errors import UserError

THETA_START = 10
DRIFT_BITS = 6  # -17 to 17
LENGTHS = {
    "8x128": (0, 3, 6, 10, 20, 37, 68, 128),
    "8x64": (0, 3, 5, 8, 14, 23, 38, 64),
    "16x128": (0, 3, 4, 5, 7, 9, 11, 15, 20, 26, 33, 44, 57, 75, 98, 128),
    "16x232": (0, 3, 4, 6, 8, 10, 14, 19, 26, 36, 49, 67, 91, 125, 170, 232),
}


@dataclass(frozen=True)
class PerceptronSpec:
    """Rows of weights, one for the outcomes of each of the last branches and a bias.

    A branch is trained when it was mispredicted or its sum was at most theta = floor(1.93 h + 14) from 0. With path
    bits (piecewise linear) the row depends on the address and on the last outcomes, without on the address alone.

    Parameters
    ----------
    rows : N; history : h, outcomes in the sum
    path_bits : last outcomes that choose the row, 0 for none
    delay : branches that follow before a branch is trained; whether it is trained is decided when it is predicted

    Raises
    ------
    UserError : "rows ...", "history ...", "path bits ...", "delay ..."
    """

    rows: int
    history: int
    path_bits: int = 0
    delay: int = 0

    def __post_init__(self) -> None:
        check("rows", self.rows, 1, MOST_ROWS)
        check("history", self.history, 1, 1000)
        check("path bits", self.path_bits, 0, 16)
        check("delay", self.delay, 0, MOST_DELAY)

    @classmethod
    def for_budget(cls, n_bytes: int, history: int = 36, path_bits: int = 0, delay: int = 0) -> Self:
        """Return floor(n_bytes / (history + 1)) rows, at most 2^24; raises UserError."""
        check("history", history, 1, 1000)
        if n_bytes < history + 1:
            raise too_small(n_bytes, f"a perceptron of {history} outcomes", 8 * (history + 1))
        return cls(min(n_bytes // (history + 1), MOST_ROWS), history, path_bits, delay)

    @property
    def theta(self) -> int:
        """Return the largest sum at which a branch is trained though it was predicted."""
        return (193 * self.history + 1400) // 100

    @property
    def name(self) -> str:
        kind, path = ("piecewise", f":{self.path_bits}") if self.path_bits else ("perceptron", "")
        return f"{kind}:{self.rows}:{self.history}{path}{delayed(self.delay)}"

    @property
    def table_bits(self) -> int:
        """8 * rows * (history + 1)."""
        return 8 * self.rows * (self.history + 1)

    @property
    def storage_bits(self) -> int:
        """Table and history, of which the path is a part; theta is a constant."""
        return self.table_bits + max(self.history, self.path_bits)


class Perceptron(BasePredictor):
    """Rows of weights; see `Predictor`."""

    def __init__(self, spec: PerceptronSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        self._words = np.zeros(spec.rows * (spec.history + 1), np.int8)
        self._window, place = new_history(spec.history + spec.delay)
        self._registers = np.zeros(5, np.int64)
        self._registers[0] = place[0]
        self._pending = np.zeros((2, spec.delay + 1), np.int64)

    @property
    def words(self) -> np.ndarray:
        """Return the weights, a view: int8[rows, history + 1], the bias last."""
        return self._words.reshape(self.spec.rows, -1)

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        spec = self.spec
        misses, trained = run_perceptron(
            pc, taken, predicted, self._words, np.uint32(spec.rows), spec.history, spec.theta,
            spec.path_bits, self._window, self._registers, self._pending[0], self._pending[1],
        )  # fmt: skip
        width = spec.history + 1
        return misses, trained, width * len(pc), width * trained

    @property
    def datapath(self) -> Datapath:
        width = self.spec.history + 1
        rows = Memory(self.spec.rows, 8 * width, written=1)
        return Datapath(self.name, (rows,), (Sums(width, signed=True),), self.per_branch("trained"), width)


@dataclass(frozen=True)
class HashedSpec:
    """Tables of words, each indexed by the address and a folded history of its own length; their sum predicts.

    A branch is trained when it was mispredicted or its sum was less than theta from 0; theta adapts, so that as many
    mispredicted as predicted branches are trained.

    Parameters
    ----------
    index_bits : each table has 2^index_bits words
    lengths : outcomes that each table looks at, rising; 0 for the address alone
    delay : branches that follow before a branch is trained; whether it is trained is decided when it is predicted

    Raises
    ------
    UserError : "index bits ...", "history length ...", "history lengths ...", "delay ..."
    """

    index_bits: int
    lengths: tuple[int, ...] = LENGTHS["8x128"]
    delay: int = 0

    def __post_init__(self) -> None:
        check("index bits", self.index_bits, 1, 24)
        check_lengths(self.lengths, 0)
        check("delay", self.delay, 0, MOST_DELAY)

    @classmethod
    def for_budget(cls, n_bytes: int, lengths: tuple[int, ...] = LENGTHS["8x128"], delay: int = 0) -> Self:
        """Return the largest tables that fit; raises UserError."""
        name = f"{len(lengths)} hashed tables"
        return largest_within(n_bytes, name, (cls(bits, lengths, delay) for bits in range(1, 25)))

    @property
    def name(self) -> str:
        known = [name for name, lengths in LENGTHS.items() if lengths == self.lengths]
        lengths = known[0] if known else "/".join(map(str, self.lengths))
        return f"hashed:{self.index_bits}:{lengths}{delayed(self.delay)}"

    @property
    def theta_bits(self) -> int:
        """Return the bits of theta, which reaches the largest sum."""
        return (128 * len(self.lengths)).bit_length()

    @property
    def table_bits(self) -> int:
        """8 * tables * 2^index_bits."""
        return 8 * len(self.lengths) << self.index_bits

    @property
    def storage_bits(self) -> int:
        """Tables, the longest history, theta and its counter; folded histories follow from the history."""
        return self.table_bits + self.lengths[-1] + self.theta_bits + DRIFT_BITS


class HashedPerceptron(BasePredictor):
    """Tables of words; see `Predictor`."""

    def __init__(self, spec: HashedSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        tables = len(spec.lengths)
        self._words = np.zeros(tables << spec.index_bits, np.int8)
        self._lengths, self._folds = np.array(spec.lengths, np.int64), np.zeros(tables, np.int64)
        self._window, place = new_history(spec.lengths[-1])
        self._registers = np.zeros(5, np.int64)
        self._registers[0], self._registers[THETA], self._registers[DRIFT] = place[0], THETA_START, 0
        self._places = np.zeros((spec.delay + 1, tables), np.int64)
        self._pending = np.zeros((2, spec.delay + 1), np.int64)

    @property
    def theta(self) -> int:
        """Return the threshold as it is now."""
        return int(self._registers[THETA])

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        misses, trained = run_hashed(
            pc, taken, predicted, self._words, self.spec.index_bits, self._lengths, self._folds,
            (1 << self.spec.theta_bits) - 1, self._window, self._registers, self._places,
            self._pending[0], self._pending[1],
        )  # fmt: skip
        tables = len(self._lengths)
        return misses, trained, tables * len(pc), tables * trained

    @property
    def datapath(self) -> Datapath:
        tables = len(self.spec.lengths)
        memory = Memory(1 << self.spec.index_bits, 8, tables, written=tables)
        return Datapath(self.name, (memory,), (Sums(tables),), self.per_branch("trained"), tables)


def find_lengths(name: str) -> tuple[int, ...]:
    """Return the lengths of a known set, such as 8x128; raises UserError."""
    if name not in LENGTHS:
        raise UserError(f"history lengths '{name}' are not known; known: {', '.join(LENGTHS)}. Or give them as numbers")
    return LENGTHS[name]
