"""Counters of a run, by layer and name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.tables import CONVOLUTION_COUNTERS, COUNTERS, counters_of

MEMORIES = ("activation", "weight", "bias", "gate", "label", "error", "feedback", "delta")
WORDS = COUNTERS[: t.FORWARD_MACS]
OPERATIONS = COUNTERS[t.FORWARD_MACS : t.SATURATIONS]
EVENTS = COUNTERS[t.SATURATIONS : t.SAMPLES]
ACTIVITY = COUNTERS[t.SAMPLES :]
# The same of networks with convolutions, beside those above.
CONVOLUTION_MEMORIES = ("accumulator", "winner")
CONVOLUTION_WORDS = CONVOLUTION_COUNTERS[: t.WINDOW_PAIRS - len(COUNTERS)]
CONVOLUTION_ACTIVITY = CONVOLUTION_COUNTERS[t.WINDOW_PAIRS - len(COUNTERS) :]


@dataclass(frozen=True, eq=False)
class Counters:
    """Counts by layer and name.

    Parameters
    ----------
    table : int64[K, n], columns named by `names`: `edgelearn.network.kernels.tables.COUNTERS`, and of networks with
        convolutions CONVOLUTION_COUNTERS behind them. Words are named `<memory>_read` and `<memory>_write`; operations,
        events and activity have names of their own.

    Example
    -------
    >>> two = Counters.zeros(1) + Counters.zeros(1)
    >>> two == Counters.zeros(1)
    True
    """

    table: np.ndarray

    @classmethod
    def zeros(cls, n_layers: int, is_convolutional: bool = False) -> Counters:
        """Return counters that have counted nothing, int64[n_layers, names]."""
        return cls(np.zeros((n_layers, len(counters_of(is_convolutional))), np.int64))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the counts, in the order of the columns of `table`."""
        return counters_of(self.table.shape[1] > len(COUNTERS))

    @property
    def memories(self) -> tuple[str, ...]:
        """Names of the memories whose words are counted."""
        return MEMORIES + (CONVOLUTION_MEMORIES if len(self.names) > len(COUNTERS) else ())

    def __repr__(self) -> str:
        counted = sum(bool(self[name].any()) for name in self.names)
        return f"<counters of {self.n_samples:,} samples: {counted} of {len(self.names)} are not zero, see names>"

    def __add__(self, other: Counters) -> Counters:
        return Counters(self.table + other.table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counters) and np.array_equal(self.table, other.table)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the counts of one name, one entry per layer; zeros where the network has no such counter."""
        if name in CONVOLUTION_COUNTERS and name not in self.names:
            return np.zeros(len(self.table), np.int64)
        return self.table[:, self.names.index(name)]

    @property
    def n_samples(self) -> int:
        """Samples that were counted."""
        return int(self["samples"][0])

    def total(self, name: str) -> int:
        """Return a count of all layers together."""
        return int(self[name].sum())

    def per_sample(self, name: str) -> float:
        """Return the mean of a count over samples, all layers together."""
        return self.total(name) / max(self.n_samples, 1)

    def only(self, names: tuple[str, ...]) -> Counters:
        """Return the same counters with every other name zero."""
        kept = np.isin(self.names, names)
        return Counters(np.where(kept, self.table, 0))

    def as_dict(self) -> dict[str, list[int]]:
        """Return the counts by name, one entry per layer."""
        return {name: [int(n) for n in self.table[:, i]] for i, name in enumerate(self.names)}
