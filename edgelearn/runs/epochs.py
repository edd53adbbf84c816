"""Test-then-train over epochs: the loop, its curve, and where it may be interrupted and continued."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edgelearn.network.learner import Learner

CHUNK = 2_000  # most samples between two looks at the keyboard
CHUNK_WEIGHTS = 400_000_000  # and fewer in large networks: so many weights visited
CURVE_POINTS = 40
SMALLEST_WINDOW = 20  # samples; fewer make a curve of noise


@dataclass
class Progress:
    """Where a run stands: next sample, and the curve so far.

    `curve` counts prequential errors (predicted, then learned) in consecutive windows; `test_errors` holds
    the number of wrong test predictions after each epoch.
    """

    epoch: int = 0
    position: int = 0
    window_errors: int = 0
    window_samples: int = 0
    curve: list[tuple[int, int]] = field(default_factory=list)
    test_errors: list[int] = field(default_factory=list)

    @property
    def recent_accuracy(self) -> float:
        """Prequential accuracy of the window in progress, or of the last full one."""
        errors, samples = (self.window_errors, self.window_samples) if self.window_samples else self.curve[-1]
        return 1 - errors / samples


def train(
    learner: Learner,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    epochs: int,
    halve_every: int | None,
    seed: int,
    progress: Progress,
    after_chunk: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Learn all epochs from where `progress` stands; test after each.

    Parameters
    ----------
    train, test : input levels uint8[n, n_in] and labels int64[n]
    seed : the order of epoch E comes from the generator of (seed, E), so that it needs no memory
    after_chunk : called with consistent state after every chunk and every test
    """
    levels, labels = train
    n_weights = sum(layer.n_weights for layer in learner.spec.layers)
    chunk = max(1, min(CHUNK, CHUNK_WEIGHTS // n_weights))
    window = max(SMALLEST_WINDOW, -(-len(levels) // max(1, CURVE_POINTS // epochs)))
    while progress.epoch < epochs:
        learner.set_halvings(progress.epoch // halve_every if halve_every else 0)
        order = np.random.default_rng([seed, 2, progress.epoch]).permutation(len(levels))
        while progress.position < len(levels):
            room = min(chunk, window - progress.window_samples)
            part = order[progress.position : progress.position + room]
            predictions = learner.learn(levels[part], labels[part])
            progress.window_errors += int((predictions != labels[part]).sum())
            progress.window_samples += len(part)
            progress.position += len(part)
            if progress.window_samples == window or progress.position == len(levels):
                progress.curve.append((progress.window_errors, progress.window_samples))
                progress.window_errors = progress.window_samples = 0
            if progress.position < len(levels):
                after_chunk(progress)
        if len(test[0]):
            progress.test_errors.append(int((learner.predict(test[0]) != test[1]).sum()))
        progress.epoch += 1
        progress.position = 0
        after_chunk(progress)
    return progress
