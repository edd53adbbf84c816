"""Hidden activations of samples without a label: full, or signs."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.config import make_config
from edgelearn.errors import UserError
from edgelearn.network.device import untimed
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import design
from edgelearn.network.traffic import predicted
from edgelearn.runs.registry import run
from hw_models.engine.memory_map import contents
from hw_models.processor import find_processor
from tests.oracle_pairs import assert_blocks, assert_twins, naive_twin

pytestmark = pytest.mark.kernel

SIZES = (6, 7, 5, 3)


def samples(n: int, n_in: int = 6, top: int = 15) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.integers(0, top + 1, (n, n_in), dtype=np.uint8), rng.integers(0, 3, n)


@pytest.mark.parametrize("rule", ["drtp", "dfa", "bp", "local"])
@pytest.mark.parametrize("activation", ["tanh", "hard-tanh", "quadratic-tanh"])
def test_kernels_take_the_activations_of_the_oracle(rule, activation):
    """Words and counts of learning, prediction and counts of a sample without a label."""
    spec = design(SIZES, rule, activation=activation, hidden_inference="sign", hidden_rate=-4, output_rate=-4)
    assert_twins(spec, *samples(12))
    assert_blocks(spec, *samples(20))


@pytest.mark.parametrize("signed", [False, True])
def test_outputs_of_all_samples_are_those_of_the_oracle(signed):
    """Among them one without events before it learns: its index is 0, its activations are one."""
    spec = design(SIZES, "dfa", hidden_inference="sign", hidden_rate=-3, output_rate=-3, signed_inputs=signed)
    learner = Learner(spec)
    naive = naive_twin(learner)
    levels, labels = samples(25, top=7)
    levels[0] = 0
    for learns in (False, True):
        if learns:
            learner.learn(levels, labels)
            for sample, label in zip(levels.tolist(), labels.tolist(), strict=True):
                naive.learn_one(sample, label)
        for sample in levels:
            naive.predict_one(sample.tolist())
            assert {abs(y) for layer in naive.activations[1:] for y in layer} == {127}
            assert learner.scores(sample[None])[0].tolist() == naive.probabilities
            assert learner.state.arrays.sums[2, :3].tolist() == naive.z[2]


def test_words_are_those_of_full_activations():
    learned = []
    for inference in ("full", "sign"):
        learner = Learner(design(SIZES, "dfa", hidden_inference=inference, hidden_rate=-3))
        levels, labels = samples(60)
        learned.append((learner.learn(levels, labels).tolist(), learner.words(), learner.scores(levels)))
    assert learned[0][0] == learned[1][0]
    assert all(np.array_equal(learned[0][1][name], words) for name, words in learned[1][1].items())
    assert (learned[0][2] != learned[1][2]).any()


@pytest.mark.parametrize("rule", ["drtp", "dfa"])  # by blocks, one after the other
def test_labelled_and_other_samples_in_one_call(rule):
    spec = design(SIZES, rule, hidden_inference="sign", hidden_rate=-4, output_rate=-4)
    levels, labels = samples(40)
    labels[[0, 1, 7, 20, 21, 39]] = t.NO_LABEL
    together, alone = Learner(spec), Learner(spec)
    outcome = together.run_steps(levels, steps_of(labels), scores=True)
    expected = [alone.run_steps(levels[i][None], steps_of(labels[i : i + 1]), scores=True) for i in range(40)]
    assert outcome.predictions.tolist() == [one.predictions[0] for one in expected]
    assert outcome.statuses.tolist() == [one.statuses[0] for one in expected]
    assert outcome.scores.tolist() == [one.scores[0].tolist() for one in expected]
    assert together.counters == alone.counters
    assert together.inference_counters == alone.inference_counters
    assert together.predict_one(levels[0]) == int(together.predict(levels[:1])[0])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"activation": "relu"}, "does not fit --activation relu; use one of tanh, hard-tanh, quadratic-tanh"),
        ({"event_threshold": 3}, "leaves no activation to silence; leave --event-threshold out"),
        ({"hidden_inference": "half"}, "hidden inference 'half' is not known; known: full, sign"),
    ],
)
def test_what_has_no_signs_is_refused(changes, told):
    with pytest.raises(UserError, match=told):
        design(SIZES, **{"hidden_inference": "sign"} | changes)
    with pytest.raises(UserError, match="needs a hidden layer"):
        design((6, 3), hidden_inference="sign")


def test_a_timed_device_is_refused():
    learner = Learner(design(SIZES, hidden_inference="sign"))
    levels, labels = samples(3)
    with pytest.raises(UserError, match="has no real-time model; leave it out"):
        learner.run_steps(levels, steps_of(labels), device=untimed(3))


def test_the_price_is_of_inference_alone():
    """Signs are all events, of one bit; a sum of them needs no multiplier; learning costs what it did."""
    engine = find_processor("engine-28nm")
    full, sign = (design((64, 60, 60, 10), "dfa", hidden_inference=name) for name in ("full", "sign"))
    learner = Learner(full)
    learner.learn(*samples(30, 64))
    counters = learner.counters
    assert predicted(sign, counters)["input_events"].tolist() == [int(counters["input_events"][0]), 60 * 30, 60 * 30]
    for figure in ("energy_pj", "area_um2", "memory_bits", "cycles"):
        before, after = (engine.price(spec, counters, learning=True).total(figure) for spec in (full, sign))
        assert after == pytest.approx(before, rel=1e-12)
    before, after = (engine.price(spec, counters, learning=False) for spec in (full, sign))
    bits = [contents(spec, False, event_driven=False)["activation", "activations"] for spec in (full, sign)]
    assert bits == [(60 + 60) * 8, 64 * 4 + 60]
    assert after.total("memory_bits", "activations") < before.total("memory_bits", "activations")
    assert after.total("energy_pj", "arithmetic") < 0.8 * before.total("energy_pj", "arithmetic")
    assert after.total("area_um2", "arithmetic") < before.total("area_um2", "arithmetic")


def test_a_run_says_what_its_predictions_take():
    settings = {"net": "64-12-10", "epochs": 1, "limit": 200, "rule": "dfa"}
    full, sign = (run(make_config(settings | {"hidden_inference": name})).content for name in ("full", "sign"))
    assert [note for note in sign["notes"] if note.startswith("hidden activations of 1 bit")]
    assert full["per_sample"]["words"] == sign["per_sample"]["words"]
    assert full["result"]["online_error_percent"] == sign["result"]["online_error_percent"]
    assert full["cost"]["rules"][0]["training"] == sign["cost"]["rules"][0]["training"]
    assert full["cost"]["rules"][0]["inference"] != sign["cost"]["rules"][0]["inference"]


def test_validation_refuses_other_activations_than_learned_with():
    from edgelearn.validation.dataset import validate

    with pytest.raises(UserError, match="hidden_inference 'sign' has no float twin"):
        validate(make_config({"hidden_inference": "sign"}))
