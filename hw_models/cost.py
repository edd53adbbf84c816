"""Cost as a sum of items, each a base value times the uncertain constants it is proportional to.

So a cost can be evaluated at any point of its band without pricing again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

ROLES = (
    "forward pass",
    "update",
    "forward weights",
    "frozen weights",
    "residuals",
    "feedback",
    "activations",
    "buffers",
    "accumulators",
    "partial sums",
    "error",
    "arithmetic",
    "random generator",
    "control",
    "leakage",
)
ROLE_OF_PHASE = {"forward": "forward pass", "signal": "feedback", "update": "update"}
FIGURES = ("energy_pj", "cycles", "area_um2", "leakage_uw", "memory_bits")


@dataclass(frozen=True)
class Constant:
    """A constant known only within a band, as a multiple of its nominal value.

    `nominal` is 1, or 0 for a share that is left out unless it is added.
    """

    name: str
    low: float
    high: float
    source: str
    nominal: float = 1.0


@dataclass(frozen=True)
class Item:
    """One contribution: `value` times the constants named.

    Parameters
    ----------
    layer : counted from 1; 0 where a figure belongs to the whole processor
    """

    figure: str
    role: str
    layer: int
    value: float
    constants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """Cost of a number of samples on a processor.

    Parameters
    ----------
    items : energy in pJ and cycles of all samples together; area in um2, leakage in uW, memory in bits
    samples : how many
    notes : what a user should know
    prices : figures that the processor has; a bought chip has no area to choose, some have no sourced energy
    """

    items: tuple[Item, ...]
    samples: int
    clock_hz: float
    prices: tuple[str, ...]
    constants: tuple[Constant, ...]
    notes: tuple[str, ...] = ()

    @overload
    def total(self, figure: str, role: str | None = None, at: Mapping[str, float] | None = None) -> float: ...
    @overload
    def total(self, figure: str, role: str | None = None, *, at: Mapping[str, np.ndarray]) -> np.ndarray: ...
    def total(self, figure: str, role: str | None = None, at: Mapping[str, Any] | None = None) -> Any:
        """Return a figure, of one role or all, with constants at multiples of nominal given in `at`.

        Multiples may be arrays of one shape; the result is an array then, where it depends on any of them.
        """
        scales: dict[str, Any] = {constant.name: constant.nominal for constant in self.constants}
        scales.update(at or {})
        total: Any = 0.0
        for names, value in self._grouped.get((figure, role), {}).items():
            scaled: Any = value
            for name in names:
                scaled = scaled * scales.get(name, 1.0)
            total = total + scaled
        return total

    @cached_property
    def _grouped(self) -> dict[tuple[str, str | None], dict[tuple[str, ...], float]]:
        """Sums of items by figure and role, and by figure alone, so that points of a band are evaluated quickly."""
        grouped: dict[tuple[str, str | None], dict[tuple[str, ...], float]] = {}
        for item in self.items:
            for role in (item.role, None):
                sums = grouped.setdefault((item.figure, role), {})
                sums[item.constants] = sums.get(item.constants, 0.0) + item.value
        return grouped

    @overload
    def per_sample(self, figure: str, role: str | None = None, at: Mapping[str, float] | None = None) -> float: ...
    @overload
    def per_sample(self, figure: str, role: str | None = None, *, at: Mapping[str, np.ndarray]) -> np.ndarray: ...
    def per_sample(self, figure: str, role: str | None = None, at: Mapping[str, Any] | None = None) -> Any:
        """Return a figure of one sample where it belongs to samples, as energy and cycles do; else of the chip."""
        whole = self.total(figure, role, at)
        return whole / max(self.samples, 1) if figure in ("energy_pj", "cycles") else whole

    def by_role(self, figure: str) -> dict[str, float]:
        """Return a figure of one sample by role, in the order of `ROLES`, without roles that have none."""
        totals = {role: self.per_sample(figure, role) for role in ROLES}
        return {role: value for role, value in totals.items() if value}

    def __add__(self, other: Cost) -> Cost:
        """Join the costs of other samples on the same processor and network: energy and cycles add."""
        running = tuple(item for item in other.items if item.figure in ("energy_pj", "cycles"))
        constants = tuple(dict.fromkeys(self.constants + other.constants))
        return Cost(
            self.items + running, self.samples + other.samples, self.clock_hz, self.prices, constants, self.notes
        )

    @cached_property
    def cycles_per_sample(self) -> float:
        return self.per_sample("cycles")

    @property
    def latency_s(self) -> float:
        """Seconds from the first cycle of a sample to its last."""
        return self.cycles_per_sample / self.clock_hz

    @property
    def energy_per_sample_pj(self) -> float:
        return self.per_sample("energy_pj")

    @property
    def power_uw(self) -> float:
        """Mean power while samples follow each other without a pause; leakage alone where there are none."""
        if not self.samples or not self.latency_s:
            return self.total("leakage_uw")
        return self.energy_per_sample_pj / self.latency_s * 1e-6


def nonzero(figure: Any) -> Any:
    """Return a figure as a divisor: 1 where it is zero; of arrays entry by entry."""
    return np.where(figure == 0.0, 1.0, figure) if isinstance(figure, np.ndarray) else figure or 1.0


def percent_more(figure: Any, base: Any) -> Any:
    """Return by how many percent a figure exceeds another one, 0 where that one is zero; of arrays entry by entry."""
    percent = 100 * (figure / nonzero(base) - 1)
    if isinstance(percent, np.ndarray):
        return np.where((np.abs(percent) > 1e-9) & (base != 0.0), percent, 0.0)
    return percent if abs(percent) > 1e-9 and base else 0.0  # what rounding leaves of nothing is nothing


def make_cost(
    items: Iterable[Item], samples: int, clock_hz: float, prices: tuple[str, ...], constants: Iterable[Constant]
) -> Cost:
    """Collect the items that are not zero, and the constants they use that have a band."""
    kept = tuple(item for item in items if item.value)
    used = {name for item in kept for name in item.constants}
    found = tuple(dict.fromkeys(c for c in constants if c.name in used and c.low < c.high))
    return Cost(kept, samples, clock_hz, prices, found)
