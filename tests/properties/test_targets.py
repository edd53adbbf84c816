"""Graded targets and detectors drawn at random: kernels and oracle agree in every word, output, score and count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import FEEDBACK_FORMATS, ROUNDINGS, design
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec
from tests.oracle_pairs import assert_in_time
from tests.target_cases import GRADED_RULES, case, traits

pytestmark = pytest.mark.kernel
FAST, SLOW = range(40), range(40, 280)
EVERYTHING = {
    "regression", "reconstruct", "signed reconstruct", "linear", "sigmoid", "residual", "stochastic", "nearest",
    "gate always", "gate normal", "1 layers", "2 layers", "3 layers", "4 layers", "one output",
    "linear TARGET", "linear ERROR", "linear SIGN_ERROR", "linear DELTA", "linear LOCAL_ERROR",
    "sigmoid TARGET", "sigmoid ERROR", "sigmoid SIGN_ERROR", "sigmoid DELTA", "sigmoid LOCAL_ERROR",
    "lfsr TARGET", "lfsr LOCAL_ERROR", "narrow TARGET", "narrow LOCAL_ERROR", "narrow DELTA",
    "wrapped TARGET", "wrapped LOCAL_ERROR", "learned all", "learned bias", "learned none",
    "score absolute", "score squared", "threshold quantile", "threshold deviation",
    "learn normal", "learn always", "learn never", "follow True", "follow False",
}  # fmt: skip


@pytest.mark.parametrize("seed", FAST)
def test_kernels_equal_the_oracle(seed):
    case(seed, 12).check()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_kernels_equal_the_oracle_on_hundreds_of_networks(part):
    for seed in SLOW[part::8]:
        case(seed).check()


def test_the_networks_have_everything():
    found = set().union(*(traits(case(seed, 12)) for seed in FAST), *(traits(case(seed)) for seed in SLOW))
    assert found >= EVERYTHING
    assert set().union(*(traits(case(seed, 12)) for seed in FAST)) >= {"linear TARGET", "gate normal", "reconstruct"}


@given(
    rule=st.sampled_from(sorted(set(GRADED_RULES) - {"drtp"})),
    rounding=st.sampled_from(ROUNDINGS),
    feedback=st.sampled_from(FEEDBACK_FORMATS),
    more=st.fixed_dictionaries(
        {
            "bits": st.sampled_from([4, 8, 12]),
            "dead_zone": st.sampled_from([0, 8]),
            "delta_bits": st.sampled_from([16, 8, 6]),
            "seed": st.integers(0, 1000),
        }
    ),
)
def test_targets_of_255_for_the_label_are_classification(rule, rounding, feedback, more):
    """The words of classification for all rules but drtp, which takes one row there and a sum of rows here."""
    settings = {"rule": rule, "rounding": rounding, "feedback_format": feedback, "hidden_rate": -3, "output_rate": -4}
    rng = np.random.default_rng(more["seed"])
    levels, labels = rng.integers(0, 16, (30, 9)).astype(np.uint8), rng.integers(0, 4, 30)
    classes = Learner(design((9, 7, 6, 4), **settings, **more))
    numbers = Learner(design((9, 7, 6, 4), task="regression", output="sigmoid", **settings, **more))
    scores = classes.run_steps(levels, steps_of(labels), scores=True).scores
    targets = (255 * np.eye(4, dtype=int)[labels]).astype(np.int16)
    np.testing.assert_array_equal(numbers.learn_targets(levels, targets), scores)
    for name, words in classes.words().items():
        np.testing.assert_array_equal(numbers.words()[name], words, err_msg=name)
    both = classes.counters, numbers.counters
    for name in both[0].names:
        if name != "label_read":
            np.testing.assert_array_equal(both[1][name], both[0][name], err_msg=name)
    assert both[1]["label_read"].tolist() == [4 * n for n in both[0]["label_read"]]


@pytest.mark.parametrize(
    ("queue", "delay", "cap", "skip"), [(None, 0, None, False), (1, 1, 3, True), (0, 2, None, False)]
)
def test_graded_targets_in_time(queue, delay, cap, skip):
    """Queues, budgets and late labels are those of every network."""
    rng = np.random.default_rng(5)
    for rule in ("dfa", "drtp"):
        spec = design((6, 5, 6), rule, task="reconstruct", output="linear", hidden_rate=-3, output_rate=-4)
        assert_in_time(spec, rng, 40, queue, 1.5, 1.0, skip, cap, delay, 0.8, cuts=(11, 12))


def test_a_stream_is_the_same_in_one_call_and_in_many():
    """Large parts, all phases: words, outputs, scores, alarms and counts do not depend on where calls end."""
    rng = np.random.default_rng(2)
    levels = (40 * np.sin(np.arange(1500)[:, None] / 7 + np.arange(8)) + rng.integers(-9, 10, (1500, 8))).astype(
        np.int8
    )
    levels[1200:1300] = rng.integers(-127, 128, (100, 8))
    spec = design((8, 5, 8), "dfa", task="reconstruct", output="linear", update_gate="normal", input_bits=8,
                  signed_inputs=True, hidden_rate=-5, output_rate=-5, rounding="stochastic")  # fmt: skip
    settings = DetectorSpec(500, 300, follow=8, learn_while="normal")
    found = []
    for cuts in ((), (1, 499, 500, 501, 799, 800, 801, 1250), range(100, 1500, 100)):
        learner, detector = Learner(spec), AnomalyDetector(settings)
        outputs, rows = [], []
        for part in np.split(np.arange(1500), list(cuts)):
            again, judge = Learner(spec), AnomalyDetector(settings)
            again.restore(learner.save())
            judge.restore(detector.save())
            learner, detector = again, judge
            arrays = detector.arrays(len(part))
            steps = steps_of(np.zeros(len(part), np.int64))
            outcome = learner.run_steps(levels[part], steps, outputs=True, detector=arrays)
            outputs.append(outcome.outputs)
            rows.append(arrays.rows)
        states = *learner.save().values(), *detector.save().values()
        found.append([np.concatenate(outputs), np.concatenate(rows), learner.counts, *states])
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(first, second)
    assert 0 < found[0][1][:, -1].sum() < 700
