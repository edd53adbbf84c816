"""Convolutions at the limits of their words, against dense layers, and words of theirs that must not change."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.state import quantize
from edgelearn.rules import RULES
from tests.golden.test_frozen_words import digest, words
from tests.golden.test_naive_equals_kernels import samples
from tests.golden.test_rails import total
from tests.oracle_pairs import assert_twins

pytestmark = pytest.mark.kernel

LEARNING = [name for name, row in RULES.items() if row.learns_hidden]


@pytest.mark.parametrize("rule", LEARNING)
@pytest.mark.parametrize("rounding", ["residual", "stochastic", "nearest"])
def test_weights_steps_and_ties_are_driven_to_their_limits(rule, rounding):
    spec = design(
        "5x4x1-conv3x3x3-pool2-conv2x2x2p0-3",
        rule,
        4,
        rounding,
        activation="hard-tanh",
        kernel_rate=0,
        hidden_rate=0,
        output_rate=-1,
        range_exponent=-2,
        dead_zone=60,
        kernel_bias=True,
    )
    naive = assert_twins(spec, *samples(3, 25, 20, 4, 0.6, 3))
    for event in ("saturations", "ties", "skipped_inputs"):
        assert total(naive, event) > 0, event
    for layer in (1, 2):
        assert naive.events[layer, "saturations"] > 0
        if rounding != "residual":
            assert naive.events[layer, "step_saturations"] > 0
    kernels = np.concatenate([np.ravel(naive.weights[0]), np.ravel(naive.biases[0])])
    assert (kernels.min(), kernels.max()) == (spec.layers[0].word.min_raw, spec.layers[0].word.max_raw)


@pytest.mark.parametrize("rounding", ["residual", "stochastic", "nearest"])
def test_kernels_behind_the_first_stop_at_zero_under_a_non_negative_rule(rounding):
    """And their biases do not."""
    net = "5x4x1-conv3x3x3-pool2-conv2x2x2p0-1"
    spec = design(net, "mdfa", 4, rounding, activation="relu", kernel_rate=0, output_rate=-1, kernel_bias=True)
    naive = assert_twins(spec, *samples(3, 25, 20, 4, 0.6, 1))
    assert np.min(naive.weights[1]) == 0 < np.max(naive.weights[1])
    assert np.min(naive.weights[0]) < 0
    assert np.min(naive.biases[1]) < 0


@pytest.mark.parametrize("rule", RULES)
def test_narrow_accumulators_overflow_at_positions_and_in_modulators(rule):
    spec = design("6x5x1-conv3x3x3-pool2-conv4x2x2p0-3", rule, 8, accumulator_bits=11, input_bits=8, kernel_bias=True)
    naive = assert_twins(spec, *samples(5, 10, 30, 8, 1.0, 3))
    assert naive.events[1, "overflows"] > 10


@pytest.mark.parametrize("net", ["7x7x1-conv2x3x3-pool2-2", "9x8x2-conv3x5x5s2p0-2", "6x6x1-conv2x3x3-meanpool2-2"])
def test_the_longest_sums_of_an_update(net):
    """Every input, d and product of the largest word, at rates that shift sums by as much as possible, and not at all."""
    for rate, exponent in ((-20, 8), (0, -8), (-10, 0)):
        spec = design(net, "dfa", 2, kernel_rate=rate, input_bits=8, range_exponent=exponent, activation="hard-tanh")

        def prepare(learner):
            layer = learner.spec.layers[0]
            learner.state.set_words(0, np.zeros((layer.n_columns, layer.fan_in), int), np.zeros(layer.n_columns, int))
            learner.state.set_feedback(0, np.full((2, layer.n_out), 127))

        levels = np.full((2, spec.sizes[0]), 255, np.uint8)
        naive = assert_twins(spec, levels, np.array([0, 1]), prepare=prepare)
        assert naive.counts[1, "accumulator", "write"] > 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rounding", ["residual", "stochastic"])
def test_a_kernel_of_one_position_is_a_dense_layer(rule, rounding):
    """Words and predictions; draws too where no input is zero: a kernel draws for all of its rows."""
    maps = design("3x2x2-conv6x3x2p0-4", rule, 8, rounding, kernel_bias=True, kernel_rate=-3, hidden_rate=-3)
    dense = design((12, 6, 4), rule, 8, rounding, hidden_rate=-3)
    assert maps.layers[0].window.positions == 1
    learners = [Learner(maps), Learner(dense)]
    levels, labels = samples(4, 40, 12, 4, 1.0 if rounding == "stochastic" else 0.5, 4)
    predictions = [
        [learner.learn_one(row, int(label)) for row, label in zip(levels, labels, strict=True)] for learner in learners
    ]
    assert predictions[0] == predictions[1]
    assert words(learners[0].state) == words(learners[1].state)
    np.testing.assert_array_equal(learners[0].counters["window_pairs"], [np.count_nonzero(levels), 0])
    for name in (
        "activation_read",
        "bias_read",
        "bias_write",
        "gate_read",
        "feedback_read",
        "forward_macs",
        "update_macs",
    ):
        np.testing.assert_array_equal(learners[0].counters[name], learners[1].counters[name])


NETS = {
    "drtp": {"net": "9x8x1-conv5x3x3-pool2-fc7-4", "rule": "drtp", "feedback_format": "lfsr"},
    "bp": {"net": "8x8x2-conv4x3x3s2-conv6x2x2p0-fc5-4", "rule": "bp", "rounding": "stochastic", "activation": "relu"},
    "dfa": {"net": "8x9x1-conv3x5x5p2-meanpool2-4", "rule": "dfa", "feedback_format": "ternary", "kernel_bias": True},
    "fa": {"net": "7x7x1-conv3x3x3-pool2-conv4x2x2p1-4", "rule": "fa", "bits": 4, "residual_bits": 6},
}  # fmt: skip

INITIAL = {
    "drtp": "00287c953965f65a",
    "bp": "a60a1fc22835c875",
    "dfa": "79d098bd61746e67",
    "fa": "02bc2c6df3394744",
}
LEARNED = {
    "drtp": "2b38b5ed947ef00027b0e4f7a0597414",
    "bp": "eca02cb89e38811d3ff00800e4ed23d7",
    "dfa": "bd3e0029c17592be6589b3566a703094",
    "fa": "0d28f770f3cc706e6ac9a0e7177dec16",
}


def network(name, **changes):
    settings = dict(NETS[name]) | changes
    return design(settings.pop("net"), **settings, seed=42)


@pytest.mark.parametrize("name", NETS)
def test_initial_words(name):
    assert words(quantize(network(name))) == INITIAL[name]


@pytest.mark.parametrize("name", NETS)
def test_learned_words(name):
    learner = Learner(network(name, kernel_rate=-5, hidden_rate=-3, output_rate=-3))
    n = learner.spec.sizes[0]
    i = np.arange(50 * n, dtype=np.int64)
    levels = ((i * 2654435761 >> 7) % 16 * ((i * 40503 >> 5) % 3 > 0)).reshape(50, n)
    predictions = learner.learn(levels, np.arange(50) % 4)
    assert digest(predictions) + words(learner.state) == LEARNED[name]
