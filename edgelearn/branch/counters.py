"""Predictors made of 2-bit counters: bimodal, gshare, tournament.

A counter predicts taken from 2 on. Tables are filled with `initial`; histories start with branches that were not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from edgelearn.branch.base import MOST_DELAY, BasePredictor, check, delayed, largest_within
from edgelearn.branch.datapath import Datapath, Memory
from edgelearn.branch.kernels.counters import run_gshare, run_tournament

MOST_BITS = 28


@dataclass(frozen=True)
class GshareSpec:
    """Counters indexed by the address exclusive-or the last outcomes.

    Parameters
    ----------
    index_bits : the table has 2^index_bits counters
    history_bits : outcomes in the index, the newest in bit 0
    initial : counters at the start
    delay : branches that follow before a branch is trained

    Raises
    ------
    UserError : "index bits ...", "history bits ...", "initial counter ...", "delay ..."
    """

    index_bits: int
    history_bits: int
    initial: int = 2
    delay: int = 0

    def __post_init__(self) -> None:
        check("index bits", self.index_bits, 1, MOST_BITS)
        check("history bits", self.history_bits, 0, self.index_bits)
        check("initial counter", self.initial, 0, 3)
        check("delay", self.delay, 0, MOST_DELAY)

    @classmethod
    def for_budget(cls, n_bytes: int, delay: int = 0) -> Self:
        """Return the largest table that fits, with a history as long as the index; raises UserError."""
        return largest_within(n_bytes, "gshare", (cls(bits, bits, delay=delay) for bits in range(1, MOST_BITS + 1)))

    @property
    def name(self) -> str:
        history = "" if self.history_bits == self.index_bits and self.initial == 2 else f":{self.history_bits}"
        initial = "" if self.initial == 2 else f":{self.initial}"
        return f"gshare:{self.index_bits}{history}{initial}{delayed(self.delay)}"

    @property
    def table_bits(self) -> int:
        """2 * 2^index_bits."""
        return 2 << self.index_bits

    @property
    def storage_bits(self) -> int:
        """Table and history."""
        return self.table_bits + self.history_bits


@dataclass(frozen=True)
class BimodalSpec:
    """Counters indexed by the address.

    Parameters
    ----------
    index_bits : the table has 2^index_bits counters
    initial : counters at the start
    delay : branches that follow before a branch is trained

    Raises
    ------
    UserError : "index bits ...", "initial counter ...", "delay ..."
    """

    index_bits: int
    initial: int = 2
    delay: int = 0

    def __post_init__(self) -> None:
        check("index bits", self.index_bits, 1, MOST_BITS)
        check("initial counter", self.initial, 0, 3)
        check("delay", self.delay, 0, MOST_DELAY)

    @classmethod
    def for_budget(cls, n_bytes: int, delay: int = 0) -> Self:
        """Return the largest table that fits; raises UserError."""
        return largest_within(n_bytes, "bimodal", (cls(bits, delay=delay) for bits in range(1, MOST_BITS + 1)))

    @property
    def name(self) -> str:
        return f"bimodal:{self.index_bits}{delayed(self.delay)}"

    @property
    def table_bits(self) -> int:
        """2 * 2^index_bits."""
        return 2 << self.index_bits

    @property
    def storage_bits(self) -> int:
        """The table; there are no registers."""
        return self.table_bits


class Gshare(BasePredictor):
    """A table of counters, with or without a history; see `Predictor`."""

    def __init__(self, spec: GshareSpec | BimodalSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        self._history_mask = (1 << getattr(spec, "history_bits", 0)) - 1
        self._table = np.full(1 << spec.index_bits, spec.initial, np.uint8)
        self._registers = np.zeros(2, np.int64)
        self._pending = np.full(spec.delay + 1, -1, np.int64)

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        misses, trained = run_gshare(
            pc, taken, predicted, self._table, len(self._table) - 1, self._history_mask, self._registers, self._pending
        )
        return misses, trained, len(pc), trained

    @property
    def datapath(self) -> Datapath:
        table = Memory(1 << self.spec.index_bits, 2, written=1)
        return Datapath(self.name, (table,), (), self.per_branch("trained"), 1, 2)


class Bimodal(Gshare):
    """A table of counters without a history; see `Predictor`."""

    def __init__(self, spec: BimodalSpec) -> None:
        super().__init__(spec)


@dataclass(frozen=True)
class TournamentSpec:
    """Counters indexed by the last outcomes of all branches, counters indexed by those of the branch, and a chooser.

    Parameters
    ----------
    global_bits : outcomes of all branches that index the global counters and the chooser
    local_bits : outcomes of the branch that index the local counters
    pc_bits : bits of the address that index the local histories
    initial : counters at the start
    chooser : chooser counters at the start; from 2 on the global counter predicts

    Raises
    ------
    UserError : "global bits ...", "local bits ...", "address bits ...", "initial counter ...", "initial chooser ..."
    """

    global_bits: int
    local_bits: int
    pc_bits: int
    initial: int = 1
    chooser: int = 2

    def __post_init__(self) -> None:
        check("global bits", self.global_bits, 1, MOST_BITS)
        check("local bits", self.local_bits, 1, MOST_BITS)
        check("address bits", self.pc_bits, 0, MOST_BITS)
        check("initial counter", self.initial, 0, 3)
        check("initial chooser", self.chooser, 0, 3)

    @classmethod
    def for_budget(cls, n_bytes: int) -> Self:
        """Return the largest that fits of (g, g - 2, g - 2) up to g = 13, (g, g - 3, g - 2) above; raises UserError."""
        return largest_within(n_bytes, "tournament", map(cls._scaled, range(4, 25)))

    @classmethod
    def _scaled(cls, g: int) -> Self:
        return cls(g, g - 2 if g <= 13 else g - 3, g - 2)

    @property
    def name(self) -> str:
        return f"tournament:{self.global_bits}:{self.local_bits}:{self.pc_bits}"

    @property
    def table_bits(self) -> int:
        """2 * 2 * 2^g + 2 * 2^l + l * 2^p: global counters and chooser, local counters, local histories."""
        return (4 << self.global_bits) + (2 << self.local_bits) + (self.local_bits << self.pc_bits)

    @property
    def storage_bits(self) -> int:
        """Tables and history."""
        return self.table_bits + self.global_bits


class Tournament(BasePredictor):
    """Two predictors and a chooser; see `Predictor`."""

    def __init__(self, spec: TournamentSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        self._global = np.full(1 << spec.global_bits, spec.initial, np.uint8)
        self._chooser = np.full(1 << spec.global_bits, spec.chooser, np.uint8)
        self._local = np.full(1 << spec.local_bits, spec.initial, np.uint8)
        self._histories = np.zeros(1 << spec.pc_bits, np.int32)
        self._registers = np.zeros(1, np.int64)

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        misses, differed = run_tournament(
            pc, taken, predicted, self._global, self._chooser, self._local, self._histories, self._registers
        )
        return misses, len(pc), 4 * len(pc), 3 * len(pc) + differed

    @property
    def datapath(self) -> Datapath:
        spec = self.spec
        tables = (
            Memory(1 << spec.global_bits, 2, 2, written=2),  # counters and chooser
            Memory(1 << spec.pc_bits, spec.local_bits, written=1),
            Memory(1 << spec.local_bits, 2, stage=1, written=1),
        )
        return Datapath(self.name, tables, (), self.per_branch("trained"), 3, 2)
