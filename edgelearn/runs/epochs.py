"""Test-then-train over epochs, in chunks between which a run may be saved and continued."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from edgelearn.network.learner import Learner
from edgelearn.network.prepared import PreparedLevels
from edgelearn.runs.kind import Progress

CHUNK = 2_000  # most samples between two looks at the keyboard
CHUNK_WEIGHTS = 400_000_000  # and fewer in large networks: so many weights visited
CURVE_POINTS = 40
SMALLEST_WINDOW = 20  # samples; fewer make a curve of noise


@dataclass
class Place:
    """Position in a run, and the curve so far.

    `curve` counts prequential errors (predicted, then learned) in consecutive windows; `test_errors` holds
    the number of wrong test predictions after each epoch.
    """

    epoch: int = 0
    position: int = 0
    window_errors: int = 0
    window_samples: int = 0
    curve: list[tuple[int, int]] = field(default_factory=list)
    test_errors: list[int] = field(default_factory=list)


class Epochs:
    """Epochs of a learner over training samples, with a test after each.

    Parameters
    ----------
    train, test : input levels uint8[n, n_in], or what `Learner.prepare` returned for them, and labels int64[n]
    halve_every : epochs after which the learning rates are halved, again and again; None for never
    seed : the order of epoch E comes from the generator of (seed, E), so that it needs no memory
    """

    def __init__(
        self,
        learner: Learner,
        train: tuple[np.ndarray | PreparedLevels, np.ndarray],
        test: tuple[np.ndarray | PreparedLevels, np.ndarray],
        epochs: int,
        halve_every: int | None,
        seed: int,
    ) -> None:
        self.learner, self.epochs, self.halve_every, self.seed = learner, epochs, halve_every, seed
        self.labels, self.test_labels = train[1], test[1]
        self.levels, self.test_levels = (
            x if isinstance(x, PreparedLevels) else learner.prepare(x, repeated=epochs > 1) for x in (train[0], test[0])
        )
        self.place = Place()
        n_weights = sum(layer.n_weights for layer in learner.spec.layers)
        self._chunk = max(1, min(CHUNK, CHUNK_WEIGHTS // n_weights))
        self._window = max(SMALLEST_WINDOW, -(-len(self.levels) // max(1, CURVE_POINTS // epochs)))

    @property
    def learned(self) -> int:
        """Return the number of samples learned so far."""
        return self.place.epoch * len(self.levels) + self.place.position

    @property
    def recent_accuracy(self) -> float:
        """Prequential accuracy of the window in progress, or of the last full one."""
        place = self.place
        errors, samples = (place.window_errors, place.window_samples) if place.window_samples else place.curve[-1]
        return 1 - errors / samples

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield indices of the training samples that are left, int64[n]; `advance` has to take each."""
        place = self.place
        for epoch in range(place.epoch, self.epochs):
            self.learner.set_halvings(epoch // self.halve_every if self.halve_every else 0)
            order = np.random.default_rng([self.seed, 2, epoch]).permutation(len(self.levels))
            while place.epoch == epoch:
                size = self._chunk
                if self.learner.strict:  # stops within the window of the first fault
                    size = min(size, self._window - place.window_samples)
                yield order[place.position : place.position + size]

    def advance(self, part: np.ndarray) -> None:
        """Learn some samples; test after the last of an epoch."""
        if self.count(part, self.learner.learn(self.levels, self.labels[part], part)):
            self.end_epoch(self.learner.predict(self.test_levels))

    def count(self, part: np.ndarray, predicted: np.ndarray) -> bool:
        """Count samples that the learner has learned; return whether they end an epoch."""
        place = self.place
        place.position += len(part)
        at_end = place.position == len(self.levels)
        self._count(predicted != self.labels[part], at_end)
        return at_end

    def end_epoch(self, predicted: np.ndarray) -> None:
        """Count errors among the test samples, whose classes the learner has predicted; the next epoch begins."""
        place = self.place
        if len(predicted):
            place.test_errors.append(int((predicted != self.test_labels).sum()))
        place.epoch, place.position = place.epoch + 1, 0

    def _count(self, is_wrong: np.ndarray, at_end: bool) -> None:
        """Add prequential errors to the curve, window by window; the last window of an epoch may be shorter."""
        place = self.place
        while len(is_wrong):
            room = self._window - place.window_samples
            some, is_wrong = is_wrong[:room], is_wrong[room:]
            place.window_errors += int(some.sum())
            place.window_samples += len(some)
            if place.window_samples == self._window or (at_end and not len(is_wrong)):
                place.curve.append((place.window_errors, place.window_samples))
                place.window_errors = place.window_samples = 0

    def progress(self) -> Progress:
        """Return samples learned, all samples, and epoch and accuracy as text."""
        epoch = min(self.place.epoch + 1, self.epochs)
        text = f"epoch {epoch}  accuracy {self.recent_accuracy:.1%}"
        return Progress(self.learned, self.epochs * len(self.levels), text)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays of the learner."""
        return self.learner.save()

    def note(self) -> dict[str, Any]:
        """Return the place as plain values."""
        return {"progress": asdict(self.place)}

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        """Continue from `state` and `note`."""
        self.learner.restore(arrays)
        place = note["progress"]
        self.place = Place(**place | {"curve": [(errors, samples) for errors, samples in place["curve"]]})
