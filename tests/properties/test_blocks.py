"""For all networks and samples: blocks of samples give what one sample after the other gives."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgelearn.errors import UserError
from edgelearn.network.activations import ACTIVATIONS, OUTPUTS
from edgelearn.network.blocks import learns_by_blocks
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import FEEDBACK_FORMATS, NetworkSpec, design
from edgelearn.rules import RULES
from edgelearn.rules.rule import Locking
from tests.oracle_pairs import assert_blocks
from tests.properties.test_twins import drive_to_rails, masks_of, rules_of

pytestmark = pytest.mark.kernel

UNLOCKED = sorted(name for name, rule in RULES.items() if rule.locking is Locking.NONE)


@pytest.fixture(autouse=True, scope="module")
def few_predictions_take_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgelearn.network.learner.MANY_PREDICTIONS", 1)
        yield


@st.composite
def networks(draw, inputs=(1, 3, 9, 63, 70), neurons=(1, 5, 33, 64, 66)) -> NetworkSpec:
    """Return networks of rules without locking, some of them wider than a tile."""
    sizes = [draw(st.sampled_from(inputs)), *draw(st.lists(st.sampled_from(neurons), min_size=1, max_size=3))]
    bits = draw(st.sampled_from([2, 4, 8, 11, 16]))
    try:
        spec = design(
            sizes,
            rule=draw(rules_of(len(sizes) - 2, UNLOCKED)),
            learn=draw(masks_of(len(sizes) - 1)),
            bits=bits,
            rounding=draw(st.sampled_from(["residual", "nearest"])),
            input_bits=draw(st.sampled_from([1, 2, 4, 5, 8])),
            activation=draw(st.sampled_from(sorted(ACTIVATIONS))),
            output="sigmoid" if sizes[-1] == 1 else draw(st.sampled_from(OUTPUTS)),
            feedback_format=draw(st.sampled_from(FEEDBACK_FORMATS)),
            hidden_rate=draw(st.integers(-9, 0)),
            output_rate=draw(st.integers(-9, 0)),
            range_exponent=draw(st.sampled_from([None, None, -3, 2])),
            event_threshold=draw(st.sampled_from([0, 0, 40])),
            dead_zone=draw(st.sampled_from([0, 0, 8])),
            accumulator_bits=draw(st.sampled_from([32, 32, 16, 10])),
            seed=draw(st.integers(0, 1000)),
            signed_inputs=draw(st.booleans()),
            delta_bits=draw(st.sampled_from([16, 16, 9, 6, 2])),
        )
    except UserError:
        assume(False)
        raise
    layers = [replace(layer, event_major=draw(st.booleans())) for layer in spec.layers]
    return replace(spec, layers=tuple(layers))


def samples(draw, spec: NetworkSpec, n: int):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lowest, top = spec.input_range
    levels = rng.integers(lowest, top + 1, (n, spec.sizes[0]))
    levels[rng.random(levels.shape) >= draw(st.sampled_from([0.0, 0.3, 1.0]))] = 0
    labels = rng.integers(0, spec.n_classes, n)
    labels[rng.random(n) < draw(st.sampled_from([0.0, 0.3]))] = t.NO_LABEL
    return levels, labels, rng


def assert_same(blocks: Learner, in_order: Learner, levels: np.ndarray, labels: np.ndarray) -> None:
    steps = steps_of(labels)
    got = blocks.run_steps(levels, steps, scores=True)
    expected = in_order.run_steps(levels, steps, scores=True, in_order=True)
    for name in ("predictions", "statuses", "scores"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)
    for name, words in in_order.save().items():
        np.testing.assert_array_equal(blocks.save()[name], words, err_msg=name)
    assert blocks.counters == in_order.counters
    assert blocks.inference_counters == in_order.inference_counters


@given(spec=networks(), data=st.data())
def test_blocks_equal_one_sample_after_the_other(spec, data):
    assert learns_by_blocks(spec)
    levels, labels, rng = samples(data.draw, spec, data.draw(st.sampled_from([2, 5, 31, 40])))
    blocks = Learner(spec)
    drive_to_rails(blocks, data.draw(st.sampled_from([None, "lowest", "highest", "both rails"])), rng)
    blocks.set_halvings(data.draw(st.sampled_from([0, 0, 3, 40])))
    blocks.set_live_outputs(data.draw(st.sampled_from([1, 2, 100])))
    assert_same(blocks, copy.deepcopy(blocks), levels, labels)


@given(rule=st.sampled_from(sorted(RULES)), gate=st.sampled_from(["always", "error"]), data=st.data())
def test_predictions_by_blocks_equal_one_sample_after_the_other(rule, gate, data):
    spec = design((9, 7, 4), rule, rounding=data.draw(st.sampled_from(["residual", "stochastic"])), update_gate=gate)
    levels, _, _ = samples(data.draw, spec, 40)
    learner = Learner(spec)
    assert_same(learner, copy.deepcopy(learner), levels, np.full(40, t.NO_LABEL))


@given(spec=networks(inputs=(1, 3, 9), neurons=(1, 4, 7)), data=st.data())
def test_blocks_equal_the_oracle(spec, data):
    levels, labels, _ = samples(data.draw, spec, 6)
    halvings = data.draw(st.sampled_from([0, 0, 3, 40]))
    assert_blocks(spec, levels, np.maximum(labels, 0), halvings, lambda learner: learner.set_live_outputs(1))


def test_what_needs_the_order_of_samples_is_refused_to_blocks():
    assert not learns_by_blocks(design((4, 3, 2), "dfa"))
    assert not learns_by_blocks(design((4, 3, 2), "drtp", rounding="stochastic"))
    assert not learns_by_blocks(design((4, 3, 2), "drtp", update_gate="error"))
    assert not learns_by_blocks(design((4, 3, 2), "shallow", update_gate="margin"))
    assert learns_by_blocks(design((4, 3, 2), "shallow"))


def test_large_levels_behind_rows_of_neurons_saturate():
    spec = design((30, 5, 2), rule="drtp", input_bits=8, hidden_rate=0, output_rate=-8)
    assert not spec.layers[0].event_major
    levels = np.random.default_rng(0).integers(200, 256, (160, 30))
    blocks = Learner(spec)
    assert_same(blocks, copy.deepcopy(blocks), levels, np.ones(160, np.int64))


def test_small_errors_behind_rows_of_neurons_move_weights():
    """An error of 2 rounds to no step at a level of 127, but to one at 230."""
    blocks = Learner(design((15, 2), rule="shallow", input_bits=8, output_rate=-8))
    weights = np.outer([-45 * 256, 45 * 256], np.ones(15)).astype(np.int16)
    blocks.state.set_words(0, weights, np.zeros(2, np.int16))
    levels = np.full((12, 15), 230)
    assert blocks.scores(levels[:1]).tolist() == [[2, 253]]
    assert_same(blocks, copy.deepcopy(blocks), levels, np.ones(12, np.int64))
    assert (blocks.state.weights(0) != weights).all()


def test_counts_of_an_interrupted_block_are_dropped(monkeypatch):
    spec = design((4, 5, 2), rule="drtp")
    levels, labels = np.full((6, 4), 9), np.array([0, 1, 0, 1, 0, 1])
    learner, other = Learner(spec), Learner(spec)
    start = learner.save()
    with monkeypatch.context() as patch:
        patch.setattr("edgelearn.network.blocks.Blocks._read_out", interrupt)
        with pytest.raises(KeyboardInterrupt):
            learner.learn(levels, labels)
    learner.restore(start)
    learner.learn(levels, labels)
    other.learn(levels, labels)
    assert learner.counters == other.counters


def interrupt(*arguments):
    raise KeyboardInterrupt
