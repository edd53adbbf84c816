"""TAGE: tagged tables of longer and longer histories over a bimodal table; the longest that knows the branch predicts.

No loop predictor, no statistical corrector, no history of paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from edgelearn.branch.base import BasePredictor, check, check_lengths, largest_within
from edgelearn.branch.datapath import Datapath, Memory
from edgelearn.branch.kernels import tage as kernel
from edgelearn.branch.kernels.history import new_history
from edgelearn.fixedpoint.aligned import aligned_zeros

LENGTHS = {
    80: (5, 8, 13, 20, 32, 50, 80),
    130: (5, 9, 15, 25, 44, 76, 130),
    300: (5, 10, 20, 39, 77, 152, 300),
}
COUNTER_BITS, USEFUL_BITS = 3, 2  # of an entry, beside its tag
USE_ALTERNATE_BITS, TICK_BITS, RANDOM_BITS = 4, 10, 32


@dataclass(frozen=True)
class TageSpec:
    """A bimodal table and tagged tables of signed 3-bit counters, tags and 2-bit useful counters.

    Parameters
    ----------
    bimodal_bits, index_bits : the bimodal and each tagged table have 2 to the power of this many entries
    tag_bits : bits of a tag
    lengths : outcomes that each tagged table looks at, rising
    seed : of the generator that spreads allocations; its lowest bit is set, so 2 k and 2 k + 1 are the same

    Raises
    ------
    UserError : "bimodal bits ...", "index bits ...", "tag bits ...", "history length ...", "history lengths ...",
        "seed ..."
    """

    bimodal_bits: int
    index_bits: int
    tag_bits: int
    lengths: tuple[int, ...] = LENGTHS[300]
    seed: int = 12345

    def __post_init__(self) -> None:
        check("bimodal bits", self.bimodal_bits, 1, 24)
        check("index bits", self.index_bits, 4, 24)
        check("tag bits", self.tag_bits, 2, 24)
        check_lengths(self.lengths, 1)
        check("seed", self.seed, 0, 0xFFFFFFFF)

    @classmethod
    def for_budget(cls, n_bytes: int, lengths: tuple[int, ...] | None = None) -> Self:
        """Return the largest that fits of (b, t, tag) = (t + 3, t, t + 1) up to t = 10, (t + 2, t, t) above.

        Lengths are those up to 130 at t up to 10, up to 300 above.

        Raises
        ------
        UserError : "budget ... is too small ..."
        """
        return largest_within(n_bytes, "tage", (cls._scaled(t, lengths) for t in range(4, 21)))

    @classmethod
    def _scaled(cls, t: int, lengths: tuple[int, ...] | None) -> Self:
        if t <= 10:
            return cls(t + 3, t, t + 1, lengths or LENGTHS[130])
        return cls(t + 2, t, t, lengths or LENGTHS[300])

    @property
    def name(self) -> str:
        lengths = self.lengths[-1] if self.lengths in LENGTHS.values() else "/".join(map(str, self.lengths))
        return f"tage:{self.bimodal_bits}:{self.index_bits}:{self.tag_bits}:{lengths}"

    @property
    def table_bits(self) -> int:
        """2 * 2^b + tables * 2^t * (5 + tag bits)."""
        return (2 << self.bimodal_bits) + (len(self.lengths) * self.entry_bits << self.index_bits)

    @property
    def entry_bits(self) -> int:
        """Bits of an entry of a tagged table."""
        return COUNTER_BITS + USEFUL_BITS + self.tag_bits

    @property
    def storage_bits(self) -> int:
        """Tables, the longest history, useAlt, tick and generator; folded histories follow from the history."""
        return self.table_bits + self.lengths[-1] + USE_ALTERNATE_BITS + TICK_BITS + RANDOM_BITS


def _columns(lengths: np.ndarray, table_bits: int, tag_bits: int) -> np.ndarray:
    """Return the rows that `kernels.tage` names, int32[11, tables rounded up to groups]."""
    tables, k = len(lengths), np.arange(len(lengths))
    # a row is written as one vector and read word by word at once; one that crosses a page costs a quarter of the speed
    columns = aligned_zeros((11, -(-tables // kernel.GROUP) * kernel.GROUP), np.int32)
    for row, bits in ((kernel.TURN_INDEX, table_bits), (kernel.TURN_TAG, tag_bits), (kernel.TURN_SHORT, tag_bits - 1)):
        columns[row, :tables] = 1 << lengths % bits
    columns[kernel.SHIFT, :tables] = table_bits - k % 4
    columns[kernel.FIRST, :tables] = k << table_bits
    columns[kernel.BIT, :tables] = 1 << k % kernel.GROUP
    return columns


class Tage(BasePredictor):
    """Tagged tables; see `Predictor`. Words are whole entries of tables."""

    def __init__(self, spec: TageSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        tables = len(spec.lengths)
        n = tables << spec.index_bits
        self._bimodal = np.full(1 << spec.bimodal_bits, 2, np.uint8)
        self._counter, self._useful = np.zeros(n, np.int8), np.zeros(n, np.uint8)
        self._tag = np.full(n, kernel.NO_TAG, np.int32)
        self._lengths, self._folds = np.array(spec.lengths, np.int64), np.zeros((tables, 3), np.int64)
        self._window, place = new_history(spec.lengths[-1])
        self._registers = np.zeros(5, np.int64)
        self._registers[kernel.AT], self._registers[kernel.USE_ALTERNATE] = place[0], 8
        self._registers[kernel.RANDOM] = spec.seed | 1

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        before = int(self._registers[kernel.WRITTEN])
        misses = kernel.run_tage(
            pc, taken, predicted, self._bimodal, self._counter, self._tag, self._useful,
            self.spec.index_bits, self.spec.tag_bits, self._lengths, self._folds, self._window, self._registers,
            _columns(self._lengths, self.spec.index_bits, self.spec.tag_bits),
        )  # fmt: skip
        written = int(self._registers[kernel.WRITTEN]) - before
        return misses, len(pc), (len(self._lengths) + 1) * len(pc), written

    @property
    def datapath(self) -> Datapath:
        spec, written = self.spec, self.per_branch("words_written")
        memories = (
            Memory(1 << spec.bimodal_bits, 2),
            Memory(1 << spec.index_bits, spec.entry_bits, len(spec.lengths), written=written),
        )
        return Datapath(self.name, memories, (), self.per_branch("trained"), written, COUNTER_BITS)
