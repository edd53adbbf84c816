"""Epochs of labelled samples through a spiking network, and its accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgelearn.spiking.coding import encode, samples_raster
from edgelearn.spiking.learner import SpikingLearner

BLOCK = 256  # samples whose spikes are held at a time
TEST_SEED = 999  # of the spikes that all networks are tested on


@dataclass(frozen=True)
class Presentation:
    """How a sample is shown.

    Parameters
    ----------
    steps : of a sample; label events come at step first_label and each `period` after it
    code : "rate" or "latency"
    """

    steps: int = 32
    first_label: int = 14
    period: int = 8
    code: str = "rate"


def train(
    learner: SpikingLearner,
    x: np.ndarray,
    labels: np.ndarray,
    shown: Presentation,
    epochs: int,
    seed: int,
    on_progress: Callable[[int], None] = lambda samples: None,
) -> None:
    """Show all samples in their order, epoch by epoch, with spikes drawn anew.

    Parameters
    ----------
    x : float[n, n_in], 0..1; labels : int[n]
    """
    for epoch in range(epochs):
        generator = np.random.default_rng([seed, epoch])
        for start in range(0, len(x), BLOCK):
            part = slice(start, start + BLOCK)
            spikes = encode(x[part], shown.code, shown.steps, generator)
            learner.advance(samples_raster(spikes, labels[part], shown.first_label, shown.period))
            on_progress(epoch * len(x) + min(start + BLOCK, len(x)))


def predict(learner: SpikingLearner, x: np.ndarray, shown: Presentation) -> np.ndarray:
    """Return the classes of samples, shown without labels: int64[n]."""
    classes = np.zeros(len(x), np.int64)
    generator = np.random.default_rng(TEST_SEED)
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK]
        spikes = encode(part, shown.code, shown.steps, generator)
        raster = samples_raster(spikes, np.full(len(part), -1), shown.first_label, shown.period)
        for k in range(len(part)):
            learner.advance(raster.part(k * shown.steps, (k + 1) * shown.steps))
            classes[start + k] = learner.winner()
    return classes
