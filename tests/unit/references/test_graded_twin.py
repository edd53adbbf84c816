"""The float twin of graded targets: against closed forms, autograd, a plain loop, and the integers."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.references.closed_form import (
    FloatWeights,
    binary_units,
    pass_samples,
    stored_weights,
    update_of,
    viewed_weights,
)
from edgelearn.references.graded_twin import float_twin, numbers_of_targets
from edgelearn.references.online_twin import OnlineTwin, autograd_update
from tests.target_cases import GRADED_RULES
from tests.tools import require_torch
from tests.unit.references.test_online_twin import assert_close, moved

SIZES = (10, 8, 7, 10)


def rows(n, seed=0):
    """Return levels of four bits that three hidden causes make, and targets of a linear output."""
    rng = np.random.default_rng(seed)
    causes = rng.random((n, 3))
    levels = np.rint(15 * np.clip(causes @ rng.random((3, 10)) / 1.5, 0, 1)).astype(np.uint8)
    return levels, rng.integers(-256, 257, (n, 10)).astype(np.int16)


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize("rule", GRADED_RULES)
def test_one_row_is_the_closed_form_and_for_gradients_autograd(rule, output):
    require_torch()
    spec = design(SIZES, rule, task="regression", output=output)
    start = stored_weights(Learner(spec))
    levels, words = rows(1)
    targets = numbers_of_targets(spec, levels, np.abs(words) if output == "sigmoid" else words)
    twin = OnlineTwin(spec, start, "float64")
    outputs = twin.learn_targets(levels, targets)
    x = levels / spec.layers[0].input_one
    passed = pass_samples(spec, start, x, targets)
    np.testing.assert_allclose(outputs, passed.scores, atol=1e-12)
    update = update_of(spec, passed)
    assert_close(twin.numbers(), moved(spec, start, update), 1e-12)
    if rule in ("bp", "local"):
        assert_close(update, autograd_update(spec, start, x[0], targets[0]), 1e-9)


def test_rows_are_a_plain_loop_of_gradient_descent():
    require_torch()
    spec = design((10, 6, 10), "bp", task="reconstruct", output="linear", hidden_rate=-4, output_rate=-4)
    levels, _ = rows(60)
    start = stored_weights(Learner(spec))
    (w1, w2), (b1, b2) = (w.copy() for w in start.weights), (b.copy() for b in start.biases)
    expected, kept = [], np.arange(60) % 3 > 0
    for level, learned in zip(levels, kept, strict=True):
        x, t = level / 15, np.minimum(16.0 * level, 255) / 256
        h = np.tanh(w1 @ x + b1)
        y = w2 @ h + b2
        expected.append(y)
        if learned:
            e = np.clip(y - t, -1, 1)
            d = (w2.T @ e) * (1 - h * h)
            w2, b2 = w2 - np.outer(e, h) / 16, b2 - e / 16
            w1, b1 = w1 - np.outer(d, x) / 16, b1 - d / 16
    targets = np.minimum(16.0 * levels, 255)
    for learned in (kept, lambda row, score: bool(kept[row])):
        found = float_twin(spec, levels, learned=learned, dtype="float64")
        np.testing.assert_allclose(found.outputs, 256 * np.array(expected), atol=1e-9)
        np.testing.assert_allclose(found.scores, np.abs(found.outputs - targets).sum(1), atol=1e-9)
    found = float_twin(spec, levels, learned=kept, squared=True, dtype="float64")
    np.testing.assert_allclose(found.scores, ((found.outputs - targets) ** 2).sum(1), atol=1e-6)


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize("rule", GRADED_RULES)
def test_one_update_of_the_integers_is_the_closed_form_but_for_rounding(rule, output):
    spec = design((10, 8, 10), rule, 8, task="reconstruct", output=output, hidden_rate=-4, output_rate=-4)
    learner = Learner(spec)
    views, levels = viewed_weights(learner), rows(1, seed=3)[0]
    before = [learner.state.weights(k).astype(int) for k in range(2)]
    outputs = learner.learn_targets(levels)
    targets = numbers_of_targets(spec, levels, None)
    passed = pass_samples(spec, views, levels / 15, targets, binary_units(spec))
    one = 256 if output == "linear" else 255
    np.testing.assert_allclose(outputs / one, np.clip(passed.scores, -2, 511 / 256), atol=0.02)
    ideal = update_of(spec, passed, binary_units(spec))
    for k, layer in enumerate(spec.layers):
        words = learner.state.weights(k)
        made = (words - before[k]) * layer.word.lsb
        if not np.any(ideal.weights[k]):
            assert not made.any()
            continue
        inside = (words > layer.min_weight) & (words < layer.weight_word.max_raw)
        assert inside.mean() > 0.5
        away = np.abs(made - ideal.weights[k])[inside].max()
        allowed = 0.2 if layer.rule.signal.name == "SIGN_ERROR" else 0.05
        assert away < allowed * np.abs(ideal.weights[k]).max(), (k, away)


def test_the_twin_follows_fine_integers_row_by_row():
    require_torch()
    levels = 17 * rows(400)[0]
    settings = {"task": "reconstruct", "output": "linear", "hidden_rate": -4, "output_rate": -4, "input_bits": 8}
    spec = design((10, 8, 10), "dfa", 12, residual_bits=4, **settings)
    learner = Learner(spec)
    fixed = learner.learn_targets(levels)
    found = float_twin(spec, levels)
    assert np.abs(fixed - found.outputs).max() < 20
    assert np.sqrt(np.mean((fixed - found.outputs) ** 2)) < 6
    again = float_twin(spec, levels[:5], words=learner.words())
    assert (
        np.abs(learner.outputs(levels[:1]) - again.outputs[0]).max() < 12
    )  # indices of activations have steps of 1/32


def test_words_of_the_start_and_targets():
    spec = design((2, 3, 1), "dfa", task="regression", output="sigmoid")
    with pytest.raises(UserError, match="targets are missing"):
        numbers_of_targets(spec, np.zeros((3, 2)), None)
    assert numbers_of_targets(spec, np.zeros((1, 2)), np.array([[255]])).tolist() == [[1.0]]
    signed = design((2, 2), task="reconstruct", output="linear", input_bits=8, signed_inputs=True)
    assert numbers_of_targets(signed, np.array([[127, -5.5]]), None).tolist() == [[254 / 256, -11 / 256]]


def test_closed_forms_of_classification_are_as_before():
    spec = design((4, 3), "dfa")
    one = FloatWeights([np.zeros((3, 4))], [np.zeros(3)], [])
    found = pass_samples(spec, one, np.ones((1, 4)), np.array([2]))
    assert found.deltas[-1].tolist() == [[0.5, 0.5, -0.5]]
