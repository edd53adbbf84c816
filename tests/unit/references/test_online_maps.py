"""The float twin of convolutions: one sample against closed forms and torch's own layers, many against a plain loop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.state import quantize
from edgelearn.references import convolution
from edgelearn.references.closed_form import backpropagated, pass_samples, stored_weights, update_of
from edgelearn.references.online_twin import OnlineTwin, autograd_update
from edgelearn.rules import RULES
from tests.tools import require_torch
from tests.unit.references.test_online_twin import assert_close, moved, samples

NETS = {
    "padding and pooling": "6x5x2-conv3x3x3-pool2-fc5-4",
    "two convolutions": "7x6x1-conv3x3x3-conv4x2x3s2p1-pool2-fc6-4",
    "stride and mean": "8x7x1-conv3x3x3s1p0-meanpool2-conv2x2x2p0-4",
    "no dense hidden layer": "5x5x3-conv4x3x3s2p0-4",
}


def start_of(spec):
    return stored_weights(cast(Learner, SimpleNamespace(spec=spec, state=quantize(spec))))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("rule", RULES)
def test_one_sample_is_the_closed_form_and_for_gradients_autograd(rule, net):
    require_torch()
    for settings in ({}, {"kernel_bias": True, "output": "softmax", "activation": "hard-tanh"}):
        spec = design(NETS[net], rule=rule, kernel_rate=-5, hidden_rate=-5, **settings)
        start = start_of(spec)
        levels, labels = samples(spec, 1)
        twin = OnlineTwin(spec, start, "float64")
        twin.learn(levels, labels)
        x = levels / spec.layers[0].input_one
        update = update_of(spec, pass_samples(spec, start, x, labels))
        assert np.abs(update.weights[0]).max() > 0 or rule == "shallow"
        assert np.any(update.biases[0]) == (rule != "shallow" and bool(settings))
        assert_close(twin.numbers(), moved(spec, start, update), 1e-12)
        if rule != "fa":  # feedback layer by layer is no gradient
            assert_close(update, autograd_update(spec, start, x[0], int(labels[0])), 1e-9)


@pytest.mark.parametrize("rule", ["drtp", "dfa", "sdfa", "signed-target"])
@pytest.mark.parametrize("settings", [{"feedback_kind": "map"}, {"teach": "positions"}, {"feedback_kind": "map", "teach": "positions"}])  # fmt: skip
def test_feedback_per_map_and_before_the_pooling(rule, settings):
    require_torch()
    for net in ("padding and pooling", "two convolutions"):
        spec = design(NETS[net], rule=rule, kernel_rate=-5, **settings)
        start = start_of(spec)
        levels, labels = samples(spec, 1)
        twin = OnlineTwin(spec, start, "float64")
        twin.learn(levels, labels)
        x = levels / spec.layers[0].input_one
        update = update_of(spec, pass_samples(spec, start, x, labels))
        assert_close(update, autograd_update(spec, start, x[0], int(labels[0])), 1e-9)
        assert_close(twin.numbers(), moved(spec, start, update), 1e-12)


CASES: dict[str, dict[str, Any]] = {
    "bp": {"rule": "bp"},
    "fa": {"rule": "fa", "net": "two convolutions"},
    "mdfa, two convolutions": {"rule": "mdfa", "net": "two convolutions", "kernel_rate": -1, "hidden_rate": -1},
    "drtp, positions, mean": {"rule": "drtp", "teach": "positions", "net": "stride and mean"},
    "dfa, map": {"rule": "dfa", "feedback_kind": "map", "net": "two convolutions"},
    "local, relu, event threshold": {"rule": "local", "activation": "relu", "event_threshold": 8},
    "frozen kernels": {"rule": "dfa", "kernels": "frozen"},
    "mixed rules": {"rule": "bp+drtp+dfa", "net": "two convolutions"},
    "one output": {"rule": "bp", "net": "5x5x1-conv2x3x3-pool2-1"},
}


@pytest.mark.parametrize("name", CASES)
def test_many_samples_are_the_closed_form_one_after_another(name):
    require_torch()
    settings = {"kernel_rate": -4} | CASES[name]
    net = settings.pop("net", "padding and pooling")
    spec = design(NETS.get(net, net), **settings)
    numbers = start_of(spec)
    levels, labels = samples(spec, 20)
    levels[:, ::3] = 0
    twin = OnlineTwin(spec, numbers, "float64")
    predictions = twin.learn(levels, labels)
    for s, prediction in enumerate(predictions):
        passed = pass_samples(spec, numbers, levels[s : s + 1] / 15, labels[s : s + 1])
        z = passed.sums[-1][0]
        assert prediction == (z.argmax() if len(z) > 1 else z[0] > 0)
        numbers = moved(spec, numbers, update_of(spec, passed))
    assert_close(twin.numbers(), numbers, 1e-10)
    for a, b in zip(twin.numbers().feedback, numbers.feedback, strict=True):
        np.testing.assert_array_equal(a, b)
    z = pass_samples(spec, numbers, levels / 15, labels).sums[-1]
    expected = z.argmax(axis=1) if spec.n_outputs > 1 else (z[:, 0] > 0).astype(int)
    assert twin.predict(levels).tolist() == expected.tolist()
    if spec.layers[1].non_negative:
        assert min(w.min() for w in numbers.weights[1:]) == 0


def test_backpropagated_gradients_are_those_of_the_rule():
    for net in NETS.values():
        spec = design(net, rule="bp")
        numbers = start_of(spec)
        levels, labels = samples(spec, 6)
        passed = pass_samples(spec, numbers, levels / 15, labels)
        for found, delta in zip(backpropagated(spec, numbers, passed), passed.deltas, strict=False):
            np.testing.assert_allclose(found, delta, rtol=1e-12, atol=1e-15)


def test_the_first_of_equal_sums_wins_and_a_mean_has_equal_parts():
    for pooling, acting in (("max", [[0, 3.0, 0, 0], [0, 0, 0, 3.0]]), ("mean", [[0.75] * 4] * 2)):
        spec = design(f"2x2x1-conv2x1x1-{'mean' if pooling == 'mean' else ''}pool2-2", rule="dfa")
        window = spec.layers[0].window
        sums = np.array([[[1, 0], [5, 1], [5, 2], [2, 7]]], float)
        pooled, winners = convolution.pool(window, sums)
        np.testing.assert_array_equal(pooled, [[5, 7]] if pooling == "max" else [[3.25, 2.5]])
        found = convolution.spread(spec.layers[0], np.array([[3.0, 3.0]]), winners)
        np.testing.assert_array_equal(found[0].T, acting)
