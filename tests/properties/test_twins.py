"""For all networks and samples: the kernels do what the oracle does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgelearn.errors import UserError
from edgelearn.network.activations import ACTIVATIONS, OUTPUTS
from edgelearn.network.spec import FEEDBACK_FORMATS, ROUNDINGS, NetworkSpec, design
from edgelearn.rules import RULES
from tests.oracle_pairs import assert_twins

pytestmark = pytest.mark.kernel


def rules_of(n_hidden: int, names: list[str]) -> st.SearchStrategy[str]:
    """Return rules of hidden layers: one for all of them, or one each."""
    one = st.sampled_from(names)
    if n_hidden < 2:
        return one
    return one | st.lists(one, min_size=n_hidden, max_size=n_hidden).map("+".join)


def masks_of(n_layers: int) -> st.SearchStrategy[str]:
    """Return which words learn: all of them as often as not, or any mask."""
    words = st.sampled_from(["all", "all", "bias", "none"])
    named = st.sampled_from(["last", "bias", f"last{n_layers}"])
    each = st.lists(words, min_size=n_layers, max_size=n_layers).filter(lambda masks: set(masks) != {"none"})
    return st.just("all") | st.just("all") | named | each.map("+".join)


@st.composite
def networks(draw) -> NetworkSpec:
    depth = draw(st.integers(1, 4))
    sizes = [draw(st.integers(1, 10)) for _ in range(depth)] + [draw(st.integers(1, 5))]
    bits = draw(st.sampled_from([2, 3, 4, 6, 8, 11, 12, 16]))
    rounding = draw(st.sampled_from(ROUNDINGS))
    room = min(8, 16 - bits)
    lowest = 1 if rounding == "residual" and bits < 16 else 0
    residual = None if rounding == "nearest" else draw(st.one_of(st.none(), st.integers(lowest, room)))
    try:
        spec = design(
            sizes,
            rule=draw(rules_of(depth - 1, sorted(RULES))),
            learn=draw(masks_of(depth)),
            bits=bits,
            rounding=rounding,
            residual_bits=residual,
            input_bits=draw(st.integers(1, 8)),
            activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
            output="sigmoid" if sizes[-1] == 1 else draw(st.sampled_from(OUTPUTS)),
            feedback_format=draw(st.sampled_from(FEEDBACK_FORMATS)),
            hidden_rate=draw(st.integers(-20, 0)),
            output_rate=draw(st.integers(-20, 0)),
            range_exponent=draw(st.one_of(st.none(), st.integers(-8, 8))),
            event_threshold=draw(st.sampled_from([0, 0, 3, 40])),
            dead_zone=draw(st.sampled_from([0, 0, 8, 120])),
            local_dead_zone=draw(st.sampled_from([None, None, 0, 16, 100])),
            accumulator_bits=draw(st.sampled_from([32, 32, 16, 10])),
            seed=draw(st.integers(0, 2**31 - 1)),
            delta_bits=draw(st.sampled_from([16, 16, 12, 9, 8, 6, 2])),
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
    words = data.draw(st.sampled_from([None, "lowest", "highest", "both rails"]))
    halvings = data.draw(st.sampled_from([0, 0, 1, 5, 25, 60]))
    assert_twins(spec, levels.astype(np.uint8), labels, halvings, lambda learner: drive_to_rails(learner, words, rng))


def drive_to_rails(learner, words, rng):
    """Put all words and feedback where sums are longest and saturation is next."""
    if words is None:
        return
    for k, layer in enumerate(learner.spec.layers):
        shape, lowest, highest = (layer.n_out, layer.n_in), layer.min_weight, layer.weight_word.max_raw
        choice = {"lowest": [lowest], "highest": [highest], "both rails": [lowest, highest]}[words]
        biases = [layer.word.min_raw] if words == "lowest" else [layer.word.min_raw, layer.word.max_raw]
        learner.state.set_words(k, rng.choice(choice, shape), rng.choice(biases, layer.n_out))
        feedback = learner.state.feedback(k) if not layer.output else np.zeros((0, 0))
        if feedback.size:
            learner.state.set_feedback(
                k, np.full(feedback.shape, 64 if learner.spec.feedback_format == "sign" else 127)
            )


@given(spec=networks(), seed=st.integers(0, 1000))
def test_samples_without_events_touch_no_weight_of_the_first_layer(spec, seed):
    from edgelearn.network.learner import Learner

    learner = Learner(spec)
    before = learner.state.weights(0)
    learner.learn(np.zeros((3, spec.sizes[0]), np.uint8), np.zeros(3, np.int64))
    written, read = learner.counters["weight_write"][0], learner.counters["weight_read"][0]
    assert (written, read) == (0, 0)
    np.testing.assert_array_equal(learner.state.weights(0), before)
