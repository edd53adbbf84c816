"""Streams that drive every rail: equality means nothing where no limit is ever reached."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.network.spec import design
from edgelearn.rules import RULES
from tests.golden.test_naive_equals_kernels import samples
from tests.oracle_pairs import assert_twins

pytestmark = pytest.mark.kernel


def total(naive, name: str) -> int:
    return sum(count for (_, event), count in naive.events.items() if event == name)


@pytest.mark.parametrize("rule", [name for name, row in RULES.items() if row.learns_hidden])
@pytest.mark.parametrize("rounding", ["residual", "stochastic", "nearest"])
def test_weights_steps_and_ties_are_driven_to_their_limits(rule, rounding):
    spec = design(
        (8, 6, 5, 3),
        rule,
        4,
        rounding,
        activation="hard-tanh",
        hidden_rate=-1,
        output_rate=-1,
        range_exponent=-2,
        dead_zone=60,
    )
    naive = assert_twins(spec, *samples(3, 40, 8, 4, 0.6, 3))
    for event in ("saturations", "ties", "skipped_inputs", "skipped_neurons"):
        assert total(naive, event) > 0, event
    if rounding != "residual":  # with residual bits the largest step is larger than any factor product
        assert total(naive, "step_saturations") > 0
    lowest = spec.layers[0].word.min_raw
    words = np.concatenate([np.ravel(naive.weights[0]), np.ravel(naive.weights[1])])
    assert words.max() == spec.layers[0].word.max_raw
    if not spec.rule.non_negative:
        assert words.min() == lowest


@pytest.mark.parametrize("rule", RULES)
def test_narrow_accumulators_overflow_and_are_counted(rule):
    spec = design((8, 6, 5, 3), rule, 8, accumulator_bits=11, input_bits=8)
    naive = assert_twins(spec, *samples(5, 20, 8, 8, 1.0, 3))
    assert total(naive, "overflows") > 0


@pytest.mark.parametrize("delta_bits", [2, 6, 8, 10, 14])
@pytest.mark.parametrize("rule", RULES)
def test_narrow_factors(rule, delta_bits):
    """Errors, modulators and d of fewer bits, at their limits and at ties of both roundings."""
    rounding, output = ("stochastic", "softmax") if delta_bits % 4 else ("residual", "sigmoid")
    spec = design((8, 6, 5, 3), rule, 8, rounding, output=output, hidden_rate=-3, output_rate=-3, delta_bits=delta_bits)
    naive = assert_twins(spec, *samples(8, 25, 8, 4, 0.7, 3))
    if spec.rule.learns_hidden:
        assert total(naive, "ties") > 0
    assert spec.delta_width <= delta_bits


@pytest.mark.parametrize("rule", RULES)
def test_one_output(rule):
    spec = design((8, 6, 1), rule, 8, hidden_rate=-4, output_rate=-4)
    assert_twins(spec, *samples(6, 30, 8, 4, 0.7, 2))


@pytest.mark.parametrize("sizes", [(40, 70, 5), (33, 65, 64, 10), (100, 3)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("input_bits", [1, 4, 8])
def test_rows_wider_than_a_lane_and_more_levels_than_slots(sizes, activation, input_bits):
    for rule, rounding in (("bp", "residual"), ("drtp", "stochastic"), ("fa", "stochastic")):
        spec = design(sizes, rule, 8, rounding, input_bits=input_bits, activation=activation, hidden_rate=-3)
        assert_twins(spec, *samples(7, 6, sizes[0], input_bits, 0.8, sizes[-1]))


def test_the_longest_modulator_sums_of_backpropagation():
    """A hundred and more of the longest d times the longest weights, rounded by the longest shift."""

    def prepare(learner):
        for k, layer in enumerate(learner.spec.layers):
            weights = np.full((layer.n_out, layer.n_in), -32768 if k else 0)
            learner.state.set_words(k, weights, np.zeros(layer.n_out, int))

    spec = design((3, 4, 128, 250), "bp", bits=16, range_exponent=-8, hidden_rate=-6)
    assert_twins(spec, np.array([[15, 3, 1]], np.uint8), np.array([0]), prepare=prepare)
