"""The float twin of every rule: one sample against closed forms and autograd, many samples against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.activations import ACTIVATIONS
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
from edgelearn.references.online_twin import OnlineTwin, autograd_update
from edgelearn.rules import RULES
from tests.tools import require_torch

SIZES = (20, 16, 12, 5)


def samples(spec, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, spec.layers[0].input_one + 1, (n, spec.sizes[0])), rng.integers(0, spec.n_classes, n)


def moved(spec, before, update):
    """Add an update as the contract does: weights that are kept from falling below zero stop there."""
    weights = [
        np.maximum(w + dw, 0) if layer.non_negative else w + dw
        for layer, w, dw in zip(spec.layers, before.weights, update.weights, strict=True)
    ]
    biases = [b + db for b, db in zip(before.biases, update.biases, strict=True)]
    return FloatWeights(weights, biases, before.feedback)


def assert_close(got, expected, tolerance):
    for name in ("weights", "biases"):
        for k, (a, b) in enumerate(zip(getattr(got, name), getattr(expected, name), strict=True)):
            np.testing.assert_allclose(
                a, b, rtol=0, atol=tolerance * np.abs(b).max(), err_msg=f"{name} of layer {k + 1}"
            )


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rule", RULES)
def test_one_sample_is_the_closed_form_and_for_gradients_autograd(rule, activation, output):
    require_torch()
    spec = design(SIZES, rule=rule, activation=activation, output=output)
    start = stored_weights(Learner(spec))
    levels, labels = samples(spec, 1)
    twin = OnlineTwin(spec, start, "float64")
    twin.learn(levels, labels)
    x = levels / spec.layers[0].input_one
    update = update_of(spec, pass_samples(spec, start, x, labels))
    assert np.abs(update.weights[0]).max() > 0 or rule == "shallow"
    assert_close(twin.numbers(), moved(spec, start, update), 1e-12)
    if rule in ("bp", "local"):
        assert_close(update, autograd_update(spec, start, x[0], int(labels[0])), 1e-9)


VARIED = [
    ("bp+dfa", "all"),
    ("bp+drtp", "all"),
    ("local+bp", "all"),
    ("bp+local", "bias+all+all"),
    ("signed-target+bp", "all"),
    ("bp+sdfa", "all"),
    ("bp", "none+bias+all"),
    ("bp", "all+none+all"),
    ("bp", "bias"),
    ("dfa", "all+all+bias"),
    ("mdfa+bp", "last2"),
]


@pytest.mark.parametrize(("rule", "learn"), VARIED)
def test_layers_that_differ_follow_their_own_losses(rule, learn):
    """Twin, closed form and autograd agree: bp takes the gradient through the layer above, whatever teaches that one."""
    require_torch()
    for output in ("sigmoid", "softmax"):
        spec = design(SIZES, rule=rule, learn=learn, output=output)
        start = stored_weights(Learner(spec))
        levels, labels = samples(spec, 1)
        twin = OnlineTwin(spec, start, "float64")
        twin.learn(levels, labels)
        x = levels / spec.layers[0].input_one
        update = update_of(spec, pass_samples(spec, start, x, labels))
        assert_close(update, autograd_update(spec, start, x[0], int(labels[0])), 1e-9)
        assert_close(twin.numbers(), moved(spec, start, update), 1e-12)
        for k, layer in enumerate(spec.layers):
            assert np.any(update.weights[k]) == (layer.learned == "all")
            assert np.any(update.biases[k]) == layer.learns


def test_feedback_layer_by_layer_is_no_gradient():
    require_torch()
    spec = design(SIZES, rule="fa+dfa")
    with pytest.raises(UserError, match="rule 'fa' follows no gradient"):
        autograd_update(spec, stored_weights(Learner(spec)), np.ones(20), 0)


@pytest.mark.parametrize("rule", [*RULES])
def test_the_output_layer_and_the_first_hidden_layer_move_against_the_gradient(rule):
    """The sign and the size of the output step are those of gradient descent under every rule."""
    require_torch()
    spec = design((20, 5), rule=rule, output_rate=-3)
    start = stored_weights(Learner(spec))
    levels, labels = samples(spec, 1)
    x = levels / spec.layers[0].input_one
    update = update_of(spec, pass_samples(spec, start, x, labels))
    assert_close(update, autograd_update(spec, start, x[0], int(labels[0])), 1e-9)


CASES = {
    "bp": {"rule": "bp"},
    "fa deep": {"rule": "fa", "activation": "quadratic-tanh"},
    "mdfa at zero": {"rule": "mdfa", "hidden_rate": -2, "output_rate": -2},
    "sdfa softmax": {"rule": "sdfa", "output": "softmax"},
    "drtp one output": {"rule": "drtp", "sizes": (20, 12, 1), "hidden_rate": -3},
    "dfa dead zone": {"rule": "dfa", "dead_zone": 60, "hidden_rate": -3},
    "local, dead zone of readouts": {"rule": "local", "dead_zone": 5, "local_dead_zone": 60, "hidden_rate": -3},
    "bp event threshold": {"rule": "bp", "event_threshold": 40, "hidden_rate": -3},
    "relu event threshold": {"rule": "dfa", "activation": "relu", "event_threshold": 8, "hidden_rate": -3},
    "no hidden layer": {"rule": "drtp", "sizes": (20, 5), "output_rate": -2},
    "lfsr": {"rule": "dfa", "feedback_format": "lfsr"},
    "rules that differ": {"rule": "fa+sdfa", "hidden_rate": -3},
    "rules that differ, non-negative": {"rule": "mdfa+signed-target", "hidden_rate": -2, "output_rate": -2},
    "biases": {"rule": "bp", "learn": "bias", "hidden_rate": -3},
    "a frozen layer": {"rule": "bp+local", "learn": "all+none+all", "hidden_rate": -3},
}


@pytest.mark.parametrize("halvings", [0, 2])
@pytest.mark.parametrize("name", CASES)
def test_many_samples_are_the_closed_form_one_after_another(name, halvings):
    require_torch()
    settings = dict(CASES[name])
    spec = design(settings.pop("sizes", SIZES), **settings)
    numbers = stored_weights(Learner(spec))
    levels, labels = samples(spec, 40)
    twin = OnlineTwin(spec, numbers, "float64")
    twin.halvings = halvings
    predictions = twin.learn(levels, labels)
    for s, prediction in enumerate(predictions):
        passed = pass_samples(spec, numbers, levels[s : s + 1] / spec.layers[0].input_one, labels[s : s + 1])
        z = passed.sums[-1][0]
        assert prediction == (z.argmax() if len(z) > 1 else z[0] > 0)
        numbers = moved(spec, numbers, update_of(spec, passed, halvings=halvings))
    assert_close(twin.numbers(), numbers, 1e-10)
    z = pass_samples(spec, numbers, levels / spec.layers[0].input_one, labels).sums[-1]
    expected = z.argmax(axis=1) if spec.n_outputs > 1 else (z[:, 0] > 0).astype(int)
    assert twin.predict(levels).tolist() == expected.tolist()
    if any(row.non_negative for row in spec.rules):
        assert min(w.min() for w in numbers.weights[1:]) == 0  # the bound was met


@pytest.mark.parametrize("sizes", [(20, 12, 5), (20, 12, 1)])
@pytest.mark.parametrize("gate", ["error", "margin"])
def test_an_update_gate_holds_back_what_is_right(gate, sizes):
    require_torch()
    spec = design(sizes, rule="dfa", hidden_rate=-3, output_rate=-3, update_gate=gate, margin=8)
    levels, labels = samples(spec, 60)
    twin = OnlineTwin(spec, stored_weights(Learner(spec)), "float64")
    held = 0
    for s in range(len(levels)):
        before = twin.numbers()
        passed = pass_samples(spec, before, levels[s : s + 1] / 15, labels[s : s + 1])
        prediction = int(twin.learn(levels[s : s + 1], labels[s : s + 1])[0])
        z, label = passed.sums[-1][0], int(labels[s])
        lead = np.sort(z - z[label])[-2] * -1 if len(z) > 1 else z[0] * (1 if label else -1)
        expected = prediction == label and (gate == "error" or 16 * lead > 8)
        assert np.array_equal(before.weights[-1], twin.numbers().weights[-1]) == expected
        held += expected
    assert 0 < held < len(levels)


def test_single_precision_stays_close_to_double():
    require_torch()
    spec = design(SIZES, rule="bp")
    start = stored_weights(Learner(spec))
    twins = [OnlineTwin(spec, start, dtype) for dtype in ("float32", "float64")]
    for twin in twins:
        twin.learn(*samples(spec, 200))
    assert_close(twins[0].numbers(), twins[1].numbers(), 1e-4)


def test_the_start_is_not_changed_by_learning():
    require_torch()
    spec = design(SIZES, rule="dfa")
    start, again = (stored_weights(Learner(spec)) for _ in range(2))
    OnlineTwin(spec, start, "float64").learn(*samples(spec, 20))
    for a, b in zip(
        (*start.weights, *start.biases, *start.feedback), (*again.weights, *again.biases, *again.feedback), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("bits", "rounding"), [(8, "residual"), (8, "stochastic"), (4, "residual"), (16, "nearest")])
def test_a_word_stands_for_the_value_it_was_made_from(bits, rounding):
    spec = design(SIZES, bits=bits, rounding=rounding, seed=3)
    learner = Learner(spec)
    numbers, views = stored_weights(learner), viewed_weights(learner)
    limit, word = np.sqrt(6 / SIZES[0]), spec.layers[0].word
    made_from = np.random.default_rng([3, 1]).uniform(-limit, limit, (SIZES[1], SIZES[0]))
    kept = np.abs(made_from) < 2.0**word.range_exponent - 2 * word.lsb * 2**word.residual_bits
    assert kept.mean() > 0.6  # the rest is beyond the range of the word
    assert np.abs(numbers.weights[0] - made_from)[kept].max() <= word.lsb / 2
    for k, layer in enumerate(spec.layers):
        assert not numbers.biases[k].any()
        view_step = layer.word.lsb * 2**layer.word.residual_bits
        assert np.abs(views.weights[k] - numbers.weights[k]).max() <= view_step / 2
        assert np.array_equal(views.weights[k], np.round(views.weights[k] / view_step) * view_step)


def test_binary_units_are_what_words_become():
    units = binary_units(design(SIZES, input_bits=4))
    assert (units.level, units.activation, units.gate, units.error) == (15 / 16, 127 / 128, 127 / 128, 255 / 256)
    assert binary_units(design(SIZES, input_bits=1)).level == 1.0
    assert binary_units(design(SIZES, activation="relu")).activation == 1.0


def test_learning_lowers_the_error_of_the_twin():
    require_torch()
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 16, (5, 20))
    labels = rng.integers(0, 5, 1500)
    levels = np.clip(centres[labels] + rng.integers(-6, 7, (1500, 20)), 0, 15)
    for rule in RULES:
        spec = design((20, 30, 5), rule=rule, output_rate=-4)
        twin = OnlineTwin(spec, stored_weights(Learner(spec)))
        before = np.mean(twin.predict(levels) == labels)
        twin.learn(levels, labels)
        assert np.mean(twin.predict(levels) == labels) > max(0.9, before), f"'{rule}' does not learn at its hidden rate"
