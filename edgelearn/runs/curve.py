"""Learning curve of a run: accuracy on the test samples and counters, several times per epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgelearn.config import RunConfig
from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.runs.checkpoint import Checkpoint
from edgelearn.runs.dataset import DatasetWork, encoded_for

TESTS_PER_EPOCH = 20


class CurveWork(DatasetWork):
    """A run over a data set with a test after each twentieth of an epoch; the words are those of the plain run.

    `content` has the additional key "curve": per test the samples learned so far, the accuracy on the test samples,
    and the counters since the test before, by name and layer, without those that are zero.
    """

    def __init__(self, config: RunConfig, checkpoint: Checkpoint | None = None) -> None:
        super().__init__(config, encoded_for(config))
        if not len(self.test_levels):
            raise UserError(f"data '{config.data}' has no test samples, and a learning curve needs them")
        self._interval = -(-len(self.levels) // TESTS_PER_EPOCH)
        self._before = Counters.zeros(len(self.spec.layers))
        self._curve: list[dict[str, Any]] = []

    def chunks(self) -> Iterator[np.ndarray]:
        for part in super().chunks():
            yield part[: self._interval - self.place.position % self._interval]

    def advance(self, part: np.ndarray) -> None:
        """Learn some samples; test at the end of an interval and of an epoch."""
        super().advance(part)
        if self.place.position % self._interval == 0:
            self._test()

    def _test(self) -> None:
        counters = self.learner.counters
        wrong = int((self.learner.predict(self.test_levels) != self.test_labels).sum())
        counts = Counters(counters.table - self._before.table).as_dict()
        self._before = counters
        self._curve.append(
            {
                "samples": self.learned,
                "accuracy_percent": round(100 - 100 * wrong / len(self.test_labels), 4),
                "counters": {name: layers for name, layers in counts.items() if any(layers)},
            }
        )

    def content(self) -> dict[str, Any]:
        return super().content() | {"curve": self._curve}
