"""For all networks and samples: the kernels do what the oracle does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from edgelearn.errors import UserError
from edgelearn.layers.activations import ACTIVATIONS, OUTPUTS
from edgelearn.network import FEEDBACK_FORMATS, ROUNDINGS, NetworkSpec, design
from edgelearn.rules import RULES
from tests.twins import assert_twins


@st.composite
def networks(draw) -> NetworkSpec:
    depth = draw(st.integers(1, 3))
    sizes = [draw(st.integers(1, 10)) for _ in range(depth)] + [draw(st.integers(1, 5))]
    bits = draw(st.sampled_from([2, 3, 4, 6, 8, 11, 12, 16]))
    rounding = draw(st.sampled_from(ROUNDINGS))
    room = min(8, 16 - bits)
    residual = None if rounding == "nearest" else draw(st.one_of(st.none(), st.integers(0, room)))
    try:
        spec = design(
            sizes,
            rule=draw(st.sampled_from(sorted(RULES))),
            bits=bits,
            rounding=rounding,
            residual_bits=residual,
            input_bits=draw(st.integers(1, 8)),
            activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
            output="sigmoid" if sizes[-1] == 1 else draw(st.sampled_from(OUTPUTS)),
            feedback_format=draw(st.sampled_from(FEEDBACK_FORMATS)),
            hidden_rate=draw(st.integers(-10, -1)),
            output_rate=draw(st.integers(-10, -1)),
            range_exponent=draw(st.one_of(st.none(), st.integers(-3, 2))),
            event_threshold=draw(st.sampled_from([0, 0, 3, 40])),
            dead_zone=draw(st.sampled_from([0, 0, 8, 120])),
            accumulator_bits=draw(st.sampled_from([32, 32, 16, 10])),
            seed=draw(st.integers(0, 2**31 - 1)),
        )
    except UserError:  # a combination that is refused, with its reason
        assume(False)
        raise
    # memory layout is free: any layer may keep a row an input or a row a neuron
    layers = [
        replace(layer, event_major=draw(st.booleans())) if not layer.non_negative else layer for layer in spec.layers
    ]
    return replace(spec, layers=tuple(layers))


@given(spec=networks(), data=st.data())
def test_kernels_equal_the_oracle_in_every_word_and_count(spec, data):
    n = data.draw(st.integers(1, 6))
    density = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    levels = rng.integers(0, 1 << spec.input_bits, (n, spec.sizes[0]))
    levels[rng.random(levels.shape) >= density] = 0
    labels = rng.integers(0, spec.n_classes, n)
    assert_twins(spec, levels.astype(np.uint8), labels, halvings=data.draw(st.sampled_from([0, 1, 5, 25])))


@given(spec=networks(), seed=st.integers(0, 1000))
def test_zero_events_and_zero_gates_touch_nothing(spec, seed):
    """A sample without events writes no weight of the first layer and reads none."""
    from edgelearn.learner import Learner

    learner = Learner(spec)
    before = learner.state.weights(0)
    learner.learn(np.zeros((3, spec.sizes[0]), np.uint8), np.zeros(3, np.int64))
    assert learner.counters["weight_write"][0] == 0
    assert learner.counters["input_events"][0] == 0
    np.testing.assert_array_equal(learner.state.weights(0), before)
