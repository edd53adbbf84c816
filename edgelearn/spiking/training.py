"""Training and testing of a spiking network on labelled samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgelearn.spiking.coding import address_events, delta_code, latency_code, rate_code, samples_raster
from edgelearn.spiking.learner import Raster, SpikingLearner

BLOCK, BLOCK_BYTES = 256, 8_000_000  # samples, and bytes of their spikes, that are held at a time
TEST_SEED = 999  # of the spikes that all networks are tested on


@dataclass(frozen=True)
class Presentation:
    """Presentation of a sample.

    Parameters
    ----------
    steps : of a sample; label events come at step first_label and each `period` after it
    """

    steps: int = 32
    first_label: int = 14
    period: int = 8


class Samples(Protocol):
    """Labelled samples with a spike encoding."""

    @property
    def labels(self) -> np.ndarray:
        """Return classes: int64[n]."""
        ...

    @property
    def n_inputs(self) -> int: ...

    def spikes(self, which: np.ndarray, steps: int, generator: np.random.Generator) -> np.ndarray:
        """Return the spikes of some samples: bool[len(which), steps, n_inputs]."""
        ...


@dataclass(frozen=True)
class ValueSamples:
    """Values in rate or latency code.

    Parameters
    ----------
    x : float[n, n_in], 0..1; labels : int64[n]
    code : "rate" or "latency"
    """

    x: np.ndarray
    labels: np.ndarray
    code: str = "rate"

    @property
    def n_inputs(self) -> int:
        return int(self.x.shape[1])

    def spikes(self, which: np.ndarray, steps: int, generator: np.random.Generator) -> np.ndarray:
        return rate_code(self.x[which], steps, generator) if self.code == "rate" else latency_code(self.x[which], steps)


@dataclass(frozen=True)
class SeriesSamples:
    """Windows of a sensor stream in delta code.

    Parameters
    ----------
    x : float[n, steps, channels]; labels : int64[n]
    threshold : change that is sent, of each channel: float[channels]
    """

    x: np.ndarray
    labels: np.ndarray
    threshold: np.ndarray

    @property
    def n_inputs(self) -> int:
        return 2 * int(self.x.shape[2])

    def spikes(self, which: np.ndarray, steps: int, generator: np.random.Generator) -> np.ndarray:
        return np.stack([delta_code(series[:steps] / self.threshold, 1.0) for series in self.x[which]])


@dataclass(frozen=True)
class EventSamples:
    """Address events, binned into time steps.

    Parameters
    ----------
    t : microseconds from the start of the sample; inputs : int[events]
    offset : int64[n + 1], the events of sample k are offset[k] up to offset[k + 1]
    step_us : microseconds of a time step
    """

    t: np.ndarray
    inputs: np.ndarray
    offset: np.ndarray
    labels: np.ndarray
    n_inputs: int
    step_us: float

    def spikes(self, which: np.ndarray, steps: int, generator: np.random.Generator) -> np.ndarray:
        first, end = self.offset[which], self.offset[which + 1]
        return np.stack(
            [
                address_events(self.t[a:b], self.inputs[a:b], self.step_us, steps, self.n_inputs)
                for a, b in zip(first, end, strict=True)
            ]
        )


def blocks(
    samples: Samples, order: np.ndarray, shown: Presentation, seed: list[int], learn: bool, start: int = 0
) -> Iterator[Raster]:
    """Yield rasters of a number of samples each, in an order, from its start-th on; each block draws its own spikes."""
    size = max(1, min(BLOCK, BLOCK_BYTES // (shown.steps * samples.n_inputs)))
    for at in range(start, len(order), size):
        which = order[at : at + size]
        spikes = samples.spikes(which, shown.steps, np.random.default_rng([*seed, at]))
        labels = samples.labels[which] if learn else np.full(len(which), -1)
        yield samples_raster(spikes, labels, shown.first_label, shown.period)


def training_blocks(
    samples: Samples, shown: Presentation, epochs: int, seed: int, done: tuple[int, int] = (0, 0)
) -> Iterator[Raster]:
    """Yield all samples, epoch by epoch, in an order and with spikes drawn anew.

    Parameters
    ----------
    done : epochs and samples of the next one that were learned before
    """
    for epoch in range(done[0], epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(samples.labels))
        yield from blocks(samples, order, shown, [seed, epoch], True, done[1] if epoch == done[0] else 0)


def predict(learner: SpikingLearner, samples: Samples, shown: Presentation) -> np.ndarray:
    """Return the classes of samples, shown without labels: int64[n]. All networks see the same spikes."""
    classes = []
    order = np.arange(len(samples.labels))
    for raster in blocks(samples, order, shown, [TEST_SEED], False):
        for start in range(0, raster.steps, shown.steps):
            learner.advance(raster.part(start, start + shown.steps))
            classes.append(learner.winner())
    return np.array(classes, np.int64)
