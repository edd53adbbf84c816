"""Words of graded targets and of a detector that must not change; see `test_frozen_words`."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import design
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec
from tests.golden.test_frozen_words import digest, words

pytestmark = pytest.mark.kernel
LEARNED: dict[tuple[str, str, str, int, str], str] = {
    ("bp", "reconstruct", "linear", 8, "residual"): "e894958bb235eedaec6afebade680aeb",
    ("dfa", "reconstruct", "linear", 4, "residual"): "c7f705a4a76c0e4c24e5dc6dce4f19b0",
    ("drtp", "reconstruct", "linear", 8, "stochastic"): "0cbdff76e542918cc28f2b93795e4374",
    ("local", "regression", "sigmoid", 8, "residual"): "ebb93ea6012f3280f35cdf3cfec2ee8a",
    ("fa", "regression", "linear", 12, "stochastic"): "ec74144a4175f954b5d25ac4ad9fb61c",
    ("drtp", "regression", "sigmoid", 8, "nearest"): "7a5f6cbb26bdff95dcdbd8241148df01",
}
DETECTED: dict[tuple[str, str], str] = {
    ("absolute", "quantile"): "a43606f9c2edce3cd29a33b67d68b7f3b8e6c7d5214ec570",
    ("squared", "deviation"): "21170f610c29cb135af7abf1644c141c95e552ee9641a5a5",
}


def rows(n: int) -> np.ndarray:
    """Return signed levels of eight bits, the same everywhere: small ones, and larger ones late."""
    i = np.arange(n * 12, dtype=np.int64)
    levels = ((i * 2654435761 >> 7) % 81 - 40) * ((i * 40503 >> 5) % 4 > 0)
    levels[9 * n :] *= 3
    return levels.reshape(n, 12).astype(np.int8)


@pytest.mark.parametrize(("rule", "task", "output", "bits", "rounding"), LEARNED)
def test_learned_words_and_outputs(rule, task, output, bits, rounding):
    spec = design(
        (12, 9, 7, 12), rule, bits, rounding, task=task, output=output, input_bits=8, signed_inputs=True,
        hidden_rate=-4, output_rate=-4, seed=7,
    )  # fmt: skip
    learner = Learner(spec)
    lowest = -256 if output == "linear" else 0
    targets = None
    if task == "regression":
        targets = (lowest + np.arange(60 * 12) * 7919 % (256 - lowest)).reshape(60, 12).astype(np.int16)
    outputs = learner.learn_targets(rows(60), targets)
    assert digest(outputs) + words(learner.state) == LEARNED[rule, task, output, bits, rounding]


@pytest.mark.parametrize(("score", "threshold"), DETECTED)
def test_rows_of_a_detector(score, threshold):
    settings = DetectorSpec(120, 80, score=score, threshold=threshold, factor=20, follow=6, learn_while="normal")
    spec = design(
        (12, 6, 12), "dfa", task="reconstruct", output="linear", input_bits=8, signed_inputs=True,
        hidden_rate=-5, output_rate=-5, update_gate=settings.update_gate, seed=3,
    )  # fmt: skip
    learner, detector = Learner(spec), AnomalyDetector(settings)
    arrays = detector.arrays(400)
    learner.run_steps(rows(400), steps_of(np.zeros(400, np.int64)), detector=arrays)
    assert 0 < arrays.rows[:, -1].sum() < 200
    found = digest(arrays.rows) + digest(detector.state, detector.kept) + words(learner.state)
    assert found == DETECTED[score, threshold]
