"""Spiking learner: weights, state and simulation of time steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError
from edgelearn.spiking import tables as t
from edgelearn.spiking.kernels import advance
from edgelearn.spiking.network import SpikingSpec

VARIABLES = ("membrane", "current", "adaptation", "refractory", "gate", "modulator", "trace", "count")


@dataclass(frozen=True)
class Raster:
    """Input spikes and label events of consecutive steps.

    Parameters
    ----------
    first : int64[steps + 1]; source : int64; the spikes of step k are source[first[k] : first[k + 1]]
    labels : int64[steps], -1 where there is none
    starts : bool[steps], where a sample starts
    """

    first: np.ndarray
    source: np.ndarray
    labels: np.ndarray
    starts: np.ndarray

    @property
    def steps(self) -> int:
        return len(self.labels)

    def part(self, start: int, end: int) -> Raster:
        """Return the steps from start up to end."""
        first = self.first[start : end + 1]
        source = self.source[first[0] : first[-1]]
        return Raster(first - first[0], source, self.labels[start:end], self.starts[start:end])


def raster_of(spikes: np.ndarray, labels: np.ndarray, starts: np.ndarray | None = None) -> Raster:
    """Return a raster from bool[steps, n_in] and int[steps]."""
    steps, source = np.nonzero(spikes)
    first = np.searchsorted(steps, np.arange(len(spikes) + 1)).astype(np.int64)
    begins = np.zeros(len(spikes), bool) if starts is None else np.asarray(starts, bool)
    return Raster(first, source.astype(np.int64), np.asarray(labels, np.int64), begins)


class SpikingLearner:
    """Weights and state of a spiking network.

    Parameters
    ----------
    spec : the network; its seed gives initial weights, feedback and draws

    Attributes
    ----------
    bias : int32[neurons], a constant current of each neuron, in words that arrive in every step; of no neurons where
        there is none. It does not learn, and is no part of `state`
    """

    def __init__(self, spec: SpikingSpec) -> None:
        self.spec = spec
        self.table, self.net = spec.layers(), spec.net()
        n = sum(spec.sizes)
        generator = np.random.default_rng(spec.seed)
        drawn = [
            np.clip(np.rint(generator.normal(0, synapses.spread, n_in * n_out)), -spec.word_max, spec.word_max)
            for n_in, n_out, synapses in zip(spec.sizes, spec.sizes[1:], spec.synapses, strict=False)
        ]
        self.weights = np.concatenate(drawn).astype(np.int16)
        n_feedback = spec.sizes[-1] * sum(spec.sizes[1:-1])
        b = spec.feedback_spread
        self.feedback = generator.integers(-b, b + 1, n_feedback).astype(np.int16)
        self.membrane, self.current, self.adaptation = (np.zeros(n, np.int32) for _ in range(3))
        self.refractory, self.gate, self.modulator = (np.zeros(n, np.int32) for _ in range(3))
        self.trace, self.count = (np.zeros(n, np.int32) for _ in range(2))
        self._queue, self._queued = (
            np.zeros((spec.slots, n), np.int32),
            np.zeros((spec.slots, len(spec.sizes)), np.int64),
        )
        self._arriving, self._scratch = np.zeros(n, np.int32), np.zeros((2, n), np.int32)
        self.counters = np.zeros((len(spec.sizes), len(t.COUNTERS)), np.int64)
        self.bias = np.zeros(0, np.int32)

    @property
    def has_bias(self) -> bool:
        return len(self.bias) > 0

    def copy(self) -> SpikingLearner:
        """Return a learner with the same words and state, and counters that start at zero."""
        other = SpikingLearner(self.spec)
        other.restore(self.state())
        other.bias = self.bias.copy()
        other.counters[:] = 0
        return other

    def state(self) -> dict[str, np.ndarray]:
        """Return all words, state and counters, by name."""
        names = ("weights", "feedback", "net", "counters", *VARIABLES, "_queue", "_queued", "_arriving")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take the words of `state`."""
        for name in self.state():
            getattr(self, name)[:] = state[name]

    def weights_into(self, p: int) -> np.ndarray:
        """Return the words of the synapses into population p, a view: int16[sources, neurons]."""
        at, shape = self.table[p, t.WEIGHTS_AT], (self.spec.sizes[p - 1], self.spec.sizes[p])
        return self.weights[at : at + shape[0] * shape[1]].reshape(shape)

    def feedback_into(self, p: int) -> np.ndarray:
        """Return the feedback words to hidden population p, a view: int16[outputs, neurons]."""
        at, shape = self.table[p, t.FEEDBACK_AT], (self.spec.sizes[-1], self.spec.sizes[p])
        return self.feedback[at : at + shape[0] * shape[1]].reshape(shape)

    def of(self, variable: str, p: int) -> np.ndarray:
        """Return a variable of population p, a view: int32[neurons]."""
        at = self.table[p, t.OFFSET]
        words: np.ndarray = getattr(self, variable)[at : at + self.spec.sizes[p]]
        return words

    def counted(self, counter: str, p: int | None = None) -> int:
        """Return a counter, of a population or of all together."""
        column = self.counters[:, t.COUNTERS.index(counter)]
        return int(column.sum() if p is None else column[p])

    def counts(self) -> dict[str, np.ndarray]:
        """Return the counters of populations 1 to K by name: int64[K]."""
        return {name: self.counters[1:, column] for column, name in enumerate(t.COUNTERS)}

    def counters_by_name(self) -> dict[str, list[int]]:
        """Return all counters as plain data, one entry per population."""
        return {name: self.counters[:, column].tolist() for column, name in enumerate(t.COUNTERS)}

    def advance(self, raster: Raster, record: bool = False, learn: bool = True) -> np.ndarray:
        """Take the steps of a raster; return who spiked, uint8[steps, neurons], if asked to record.

        Parameters
        ----------
        learn : False leaves labels out

        Raises
        ------
        UserError
            "the raster ..."
        """
        if len(raster.source) and not 0 <= raster.source.min() <= raster.source.max() < self.spec.sizes[0]:
            raise UserError(f"the raster has spikes of input {raster.source.max()}; there are {self.spec.sizes[0]}")
        if raster.steps and raster.labels.max() >= self.spec.sizes[-1]:
            raise UserError(f"the raster has label {raster.labels.max()}; there are {self.spec.sizes[-1]} outputs")
        seen = np.zeros((raster.steps if record else 0, sum(self.spec.sizes)), np.uint8)
        advance(
            self.net,
            self.table,
            *(getattr(self, name) for name in ("membrane", "current")),
            self._arriving,
            self.bias,
            *(getattr(self, name) for name in VARIABLES[2:]),
            self.weights,
            self.feedback,
            self._queue,
            self._queued,
            self._scratch,
            raster.starts,
            raster.labels if learn else np.full(raster.steps, -1, np.int64),
            raster.first,
            raster.source,
            self.counters,
            seen,
        )
        return seen

    def winner(self) -> int:
        """Return the class that the outputs say now: most spikes, then the higher membrane, then the lower index."""
        outputs = self.spec.last
        key = self.of("count", outputs).astype(np.int64) * 100_000
        return int(np.argmax(key + np.clip(self.of("membrane", outputs), -40_000, 40_000)))
