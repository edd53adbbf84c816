"""Float twin of a spiking network compared with the kernel: rates, counts and weights (docs/spiking.md).

With plasticity on, spike trains of the two part within a second and stay alike in their statistics only; so no spike is
compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgelearn.references.brian2_twin import BrianTwin
from edgelearn.spiking.learner import Raster, SpikingLearner
from edgelearn.spiking.network import SpikingSpec


@dataclass(frozen=True)
class FloatPopulation:
    """Statistics of a population and its incoming weights, in fixed point and in float.

    Parameters
    ----------
    spikes, float_spikes : of the whole run; rate, float_rate : spikes per neuron and step
    counts : correlation of the spike counts of the neurons
    weights : correlation of the final weights; changes : of what was learned, final less initial
    rms : of the difference of final weights, words
    difference : mean absolute difference of final weights / mean absolute change in fixed point
    """

    spikes: int
    float_spikes: int
    rate: float
    float_rate: float
    counts: float
    weights: float
    changes: float
    rms: float
    difference: float


@dataclass(frozen=True)
class FloatComparison:
    """Comparison of all populations but the inputs."""

    steps: int
    populations: tuple[FloatPopulation, ...]


def compare_float(
    spec: SpikingSpec,
    raster: Raster,
    change: Callable[[dict[str, str]], None] = lambda texts: None,
    prepare: Callable[[SpikingLearner], None] = lambda learner: None,
) -> FloatComparison:
    """Run the kernel and the float twin on the same input and labels from the same weights.

    Parameters
    ----------
    change, prepare : see `brian2_twin.compare`

    Raises
    ------
    UserError
        "brian2 is not installed ...", "spikes on their way ..."
    """
    learner = SpikingLearner(spec)
    prepare(learner)
    twin = BrianTwin(learner, raster, change, exact=False)
    twin.run(raster.steps)
    return beside(learner, twin, raster)


def beside(learner: SpikingLearner, twin: BrianTwin, raster: Raster) -> FloatComparison:
    """Advance the learner over the raster that the twin has run, and compare the two."""
    spec = learner.spec
    initials = [learner.weights_into(p).ravel().astype(np.float64) for p in range(1, len(spec.sizes))]
    seen, theirs = learner.advance(raster, record=True), twin.raster(raster.steps)
    ends, found = spec.offsets(), []
    for p, initial in enumerate(initials, 1):
        ours_count, their_count = (spikes[:, ends[p] : ends[p + 1]].sum(0, dtype=np.int64) for spikes in (seen, theirs))
        fixed, real = learner.weights_into(p).ravel().astype(np.float64), twin.weights_into(p).ravel()
        neuron_steps = raster.steps * spec.sizes[p]
        learned = float(np.abs(fixed - initial).mean())
        found.append(
            FloatPopulation(
                spikes=int(ours_count.sum()),
                float_spikes=int(their_count.sum()),
                rate=float(ours_count.sum() / neuron_steps),
                float_rate=float(their_count.sum() / neuron_steps),
                counts=_correlation(ours_count, their_count),
                weights=_correlation(fixed, real),
                changes=_correlation(fixed - initial, real - initial),
                rms=float(np.sqrt(((fixed - real) ** 2).mean())),
                difference=float(np.abs(fixed - real).mean()) / learned if learned else 0.0,
            )
        )
    return FloatComparison(raster.steps, tuple(found))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two arrays; of a constant one 1 if they are equal, else 0."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float(np.array_equal(a, b))
    return float(np.corrcoef(a, b)[0, 1])
