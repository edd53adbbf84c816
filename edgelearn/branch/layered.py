"""Hashed perceptron with a second layer: both layers are learned, the first one by mDFA.

Each table is a hidden unit: its weight w at the index of the branch gives a = clip(2 w + 1, -31, 31). A row of output
weights v from 1 to 127, found by `pc mod rows`, weights the tables for this branch:

    y = (v . a) >> 6      taken where y >= 0

Branches with wrong y or |y| < theta are learned, t being the outcome, -1 or 1: v_k moves by t * a_k / 2**shift,
rounded at random, and w_k by t, unless a_k is at its rail on the right side. The error reaches the tables unweighted:
v is never negative, so the sign of every step is that of the gradient, and no weight is transported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from edgelearn.branch.base import MOST_ROWS, BasePredictor, check, check_lengths, largest_within
from edgelearn.branch.datapath import Datapath, Memory, Sums
from edgelearn.branch.kernels import layered as kernel
from edgelearn.branch.kernels.history import new_history
from edgelearn.branch.perceptrons import DRIFT_BITS, THETA_START

LENGTHS = (0, 3, 4, 6, 8, 10, 14, 19, 27, 37, 52, 75, 110, 160, 232)
RANDOM_BITS = 32
SMALLEST_ROWS = 16


@dataclass(frozen=True)
class LayeredSpec:
    """Tables of words, each indexed by the address and a folded history, and rows of output weights by address.

    Parameters
    ----------
    index_bits : each table has 2^index_bits words
    rows : of output weights
    lengths : outcomes that each table looks at, rising; 0 for the address alone
    shift : steps of the output weights are divided by 2^shift
    v0 : first output weights
    learned : whether they learn; without, this is a hashed perceptron with small words
    seed : of the generator that rounds; its lowest bit is set, so 2 k and 2 k + 1 are the same

    Raises
    ------
    UserError : "index bits ...", "rows ...", "history length ...", "history lengths ...", "shift ...", "v0 ...",
        "seed ..."
    """

    index_bits: int
    rows: int
    lengths: tuple[int, ...] = LENGTHS
    shift: int = 3
    v0: int = 32
    learned: bool = True
    seed: int = 7

    def __post_init__(self) -> None:
        check("index bits", self.index_bits, 1, 24)
        check("rows", self.rows, 1, MOST_ROWS)
        check_lengths(self.lengths, 0)
        check("shift", self.shift, 0, 12)
        check("v0", self.v0, 1, 127)
        check("seed", self.seed, 0, 0xFFFFFFFF)

    @classmethod
    def for_budget(cls, n_bytes: int) -> Self:
        """Return the largest tables that leave room for 16 rows, and as many rows as fit, at most 2^24."""
        units = len(LENGTHS)
        name = f"{units} tables and their output weights"
        bits = largest_within(n_bytes, name, (cls(bits, SMALLEST_ROWS) for bits in range(1, 25))).index_bits
        return cls(bits, min(n_bytes // units - (1 << bits), MOST_ROWS))

    @property
    def name(self) -> str:
        kind = "layered" if self.learned else "layered-fixed"
        lengths = "" if self.lengths == LENGTHS else f":{'/'.join(map(str, self.lengths))}"
        return f"{kind}:{self.index_bits}:{self.rows}{lengths}"

    @property
    def theta_bits(self) -> int:
        """Return the bits of theta, which reaches the largest sum."""
        return (len(self.lengths) * 127 * kernel.RAIL >> kernel.SCALE).bit_length()

    @property
    def table_bits(self) -> int:
        """8 * tables * (2^index_bits + rows); words need 5 bits of their 8."""
        return 8 * len(self.lengths) * ((1 << self.index_bits) + self.rows)

    @property
    def storage_bits(self) -> int:
        """Tables, rows, the longest history, theta and its counter, generator."""
        return self.table_bits + self.lengths[-1] + self.theta_bits + DRIFT_BITS + RANDOM_BITS


class Layered(BasePredictor):
    """Tables and rows of output weights; see `Predictor`. Words are those of tables and rows."""

    def __init__(self, spec: LayeredSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        tables = len(spec.lengths)
        self.words = np.zeros(tables << spec.index_bits, np.int8)
        self.outputs = np.full((spec.rows, tables), spec.v0, np.int8)
        self._lengths, self._folds = np.array(spec.lengths, np.int64), np.zeros(tables, np.int64)
        self._window, place = new_history(spec.lengths[-1])
        self._registers = np.array([place[0], THETA_START, 0, spec.seed | 1], np.int64)
        self._scratch = np.zeros((2, tables), np.int64)

    @property
    def theta(self) -> int:
        """Return the threshold as it is now."""
        return int(self._registers[kernel.THETA])

    @property
    def generator(self) -> int:
        """Return the state of the generator, 32 bits."""
        return int(self._registers[kernel.RANDOM])

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        spec = self.spec
        misses, trained, moved = kernel.run_layered(
            pc, taken, predicted, self.words, spec.index_bits, self.outputs, self._lengths, self._folds, spec.learned,
            spec.shift, (1 << spec.theta_bits) - 1, self._window, self._registers, self._scratch[0], self._scratch[1],
        )  # fmt: skip
        tables = len(self._lengths)
        return misses, trained, 2 * tables * len(pc), moved + (tables * trained if spec.learned else 0)

    @property
    def datapath(self) -> Datapath:
        spec, n = self.spec, len(self.spec.lengths)
        memories = (Memory(1 << spec.index_bits, 8, n, written=n), Memory(spec.rows, 8 * n, written=1))
        return Datapath(self.name, memories, (Sums(n, 16, products=n),), self.per_branch("trained"), 2 * n)
