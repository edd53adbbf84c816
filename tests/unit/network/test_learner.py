"""The learner: one sample or many give the same words; bad samples are named; strict mode raises."""

from __future__ import annotations

import copy
import pickle
from itertools import count, islice

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network import blocks
from edgelearn.network.blocks import Blocks, set_threads
from edgelearn.network.encoding import encode_levels
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import Results
from edgelearn.network.learner import Learner, StrictError, steps_of
from edgelearn.network.prepared import PreparedLevels
from edgelearn.network.spec import design
from edgelearn.reports.dataset import sparkline
from edgelearn.runs.epochs import Epochs

pytestmark = pytest.mark.kernel

RNG = np.random.default_rng(0)
LEVELS, LABELS = RNG.integers(0, 16, (60, 6)).astype(np.uint8), RNG.integers(0, 3, 60)


def words(learner):
    return [learner.state.weights(k).tolist() for k in range(len(learner.spec.layers))]


@pytest.mark.parametrize("rounding", ["residual", "stochastic"])
def test_one_by_one_and_all_at_once_give_the_same_words(rounding):
    spec = design((6, 8, 3), "dfa", rounding=rounding)
    single, whole = Learner(spec), Learner(spec)
    one = [single.learn_one(level, label) for level, label in zip(LEVELS, LABELS, strict=True)]
    assert one == whole.learn(LEVELS, LABELS).tolist()
    assert words(single) == words(whole)
    assert single.counters == whole.counters


@pytest.mark.parametrize("signed", [False, True])
def test_single_samples_and_blocks_in_turn_give_the_same_words(signed):
    spec = design((6, 8, 3), "dfa", signed_inputs=signed, input_bits=5)
    levels = LEVELS.astype(np.int8) - 8 if signed else LEVELS
    mixed, whole = Learner(spec), Learner(spec)
    for learner in (mixed, whole):
        learner.set_live_outputs(1)
    found, predicted = [], []
    for k, (level, label) in enumerate(zip(levels, LABELS.tolist(), strict=True)):
        if k % 7 == 0:
            found += mixed.learn(levels[k : k + 1], LABELS[k : k + 1]).tolist()
        else:
            given = [level, level.tolist(), level.astype(np.int64), np.repeat(level, 2)[::2]][k % 4]
            found.append(mixed.learn_one(given, [label, np.int8(label)][k % 2]))
        predicted.append(mixed.predict_one(level))
        if k in (20, 40):
            mixed = [pickle.loads(pickle.dumps(mixed)), copy.deepcopy(mixed)][k // 40]
        if k == 30:
            mixed.restore(mixed.save())
    assert found == whole.learn(levels, LABELS).tolist()
    assert words(mixed) == words(whole)
    assert mixed.counters == whole.counters
    assert mixed.inference_counters.n_samples == len(predicted)
    assert predicted[-1] == whole.predict_one(levels[-1])


@pytest.mark.parametrize("signed", [False, True])
def test_a_bad_sample_alone_is_named_and_changes_nothing(signed):
    learner = Learner(design((6, 8, 3), signed_inputs=signed, input_bits=4))
    kind, (lowest, top) = (np.int8 if signed else np.uint8), learner.spec.input_range
    good = np.full(6, top, kind)
    learner.learn_one(good, 0)
    before = {name: array.tolist() for name, array in learner.save().items()}
    for bad in (top + 1, lowest - 1 if signed else 255):
        levels = good.copy()
        levels[3] = bad
        with pytest.raises(UserError, match="out of range"):
            learner.learn_one(levels, 0)
        with pytest.raises(UserError, match="out of range"):
            learner.predict_one(levels)
    for label in (3, -1, True, 1.0):
        with pytest.raises(UserError, match="labels"):
            learner.learn_one(good, label)
    with pytest.raises(UserError, match="do not fit"):
        learner.learn_one(good[:5], 0)
    assert {name: array.tolist() for name, array in learner.save().items()} == before


def test_predicting_changes_nothing():
    learner = Learner(design((6, 8, 3)))
    before, counted = words(learner), learner.counters
    assert learner.predict(LEVELS).shape == (60,)
    assert words(learner) == before
    assert learner.counters == counted
    assert learner.inference_counters.n_samples == 60


def test_saved_and_restored_learners_continue_alike():
    spec = design((6, 8, 3), rounding="stochastic")
    whole, first, second = Learner(spec), Learner(spec), Learner(spec)
    whole.learn(LEVELS, LABELS)
    first.learn(LEVELS[:25], LABELS[:25])
    second.restore(first.save())
    second.learn(LEVELS[25:], LABELS[25:])
    assert words(second) == words(whole)
    assert second.counters == whole.counters
    assert second.state.arrays.generator[0] == whole.state.arrays.generator[0]


def advanced(learner, saved=None, n_chunks=None):
    """Learn epochs, from a checkpoint on or some chunks only; return the place at the end."""
    epochs = Epochs(learner, (LEVELS, LABELS), (LEVELS, LABELS), 4, 2, 5)
    if saved is not None:
        epochs.restore(*saved)
    for part in islice(epochs.chunks(), n_chunks):
        epochs.advance(part)
    return epochs.note()["progress"]


def test_epochs_continue_from_any_chunk(monkeypatch):
    monkeypatch.setattr("edgelearn.runs.epochs.CHUNK", 7)
    spec = design((6, 8, 3), rounding="stochastic")
    whole, parted, resumed = Learner(spec), Learner(spec), Learner(spec)
    end = advanced(whole)
    note = advanced(parted, n_chunks=11)
    assert 0 < note["epoch"] < 4
    assert advanced(resumed, (parted.save(), {"progress": note})) == end
    assert words(resumed) == words(whole)
    assert sum(n for _, n in end["curve"]) == 240


@pytest.mark.parametrize(
    ("levels", "labels", "text"),
    [
        (LEVELS[:, :5], LABELS, "the network takes"),
        (LEVELS + 10, LABELS, "levels 10..25 are out of range; the network takes 0 to 15"),
        (LEVELS.astype(int) - 1, LABELS, "levels -1..14 are out of range"),
        (LEVELS, LABELS + 1, "labels 1..3 are out of range; a network with 3 outputs takes 0..2"),
        (LEVELS, LABELS[:5], r"labels int64\[5\] do not fit 60 samples"),
        (LEVELS, LABELS[:, None], "do not fit 60 samples; give whole numbers"),
        (LEVELS, LABELS + 0.5, "give whole numbers"),
        (LEVELS * 0.5, LABELS, "takes whole numbers"),
    ],
)
def test_bad_samples(levels, labels, text):
    with pytest.raises(UserError, match=text):
        Learner(design((6, 8, 3))).learn(levels, labels)


def test_strict_mode():
    wide = design((6, 8, 3), hidden_rate=-1, range_exponent=-3)
    with pytest.raises(StrictError, match=r"strict mode: [0-9]+ .*saturations in layer 1"):
        Learner(wide, strict=True).learn(LEVELS, LABELS)
    narrow = design((6, 8, 3), accumulator_bits=8)
    with pytest.raises(StrictError, match="overflows in layer 1"):
        Learner(narrow, strict=True).learn(LEVELS, LABELS)
    with pytest.raises(StrictError, match="overflows in layer 1"):
        Learner(narrow, strict=True).predict(LEVELS)
    Learner(design((6, 8, 3), output_rate=-9, hidden_rate=-12), strict=True).learn(LEVELS[:5], LABELS[:5])


def test_levels():
    x = np.array([[0.0, 5.0], [0.5, 5.0], [0.999, 5.0], [1.0, 9.0], [-3.0, 5.0]], np.float32)
    levels = encode_levels(x, np.array([0.0, 5.0]), np.array([1.0, 5.0]), 2)
    assert levels.tolist() == [[0, 0], [2, 0], [3, 0], [3, 0], [0, 0]]
    digits = np.arange(17, dtype=np.uint8)[None]
    assert encode_levels(digits, 0, 16, 4)[0].tolist() == [*range(16), 15]
    pixels = np.arange(256, dtype=np.uint8)[None]
    for bits in range(1, 9):
        assert encode_levels(pixels, 0, 256, bits)[0].tolist() == [p >> (8 - bits) for p in range(256)]


def test_sparkline_shares_long_curves_out():
    assert sparkline([]) == ""
    assert len(sparkline([1.0] * 500)) == 40
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_a_missing_value_is_level_zero():
    x = np.array([[0.9, np.nan], [np.nan, -4.0]], np.float32)
    assert encode_levels(x, np.array([-1.0, -5.0]), np.array([1.0, 5.0]), 3).tolist() == [[7, 0], [0, 0]]
    assert encode_levels(x, np.array([-1.0, -5.0]), np.array([-1.0, 5.0]), 3).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("rule", "sizes", "activation"), [("drtp", (12, 130, 70, 3), "tanh"), ("bp", (9, 70, 4), "relu")]
)
def test_threads_change_nothing(rule, sizes, activation, monkeypatch):
    monkeypatch.setattr("edgelearn.network.blocks.BLOCK", 16)
    spec = design(sizes, rule, activation=activation)
    rng = np.random.default_rng(0)
    levels, labels = rng.integers(0, 16, (70, sizes[0])), rng.integers(0, sizes[-1], 70)
    alone, shared = Learner(spec), Learner(spec)
    expected = alone.learn(levels, labels).tolist(), alone.predict(levels).tolist()
    set_threads(3)
    try:
        assert (shared.learn(levels, labels).tolist(), shared.predict(levels).tolist()) == expected
    finally:
        set_threads(1)
    assert words(shared) == words(alone)
    assert shared.counters == alone.counters
    assert shared.inference_counters == alone.inference_counters


@pytest.mark.parametrize(
    ("rule", "n_in", "room"), [("drtp", 40, 1 << 30), ("drtp", 40, 0), ("dfa", 40, 0), ("drtp", 4, 0)]
)
@pytest.mark.parametrize("signed", [False, True])
def test_prepared_levels_change_nothing(rule, n_in, room, signed, monkeypatch):
    monkeypatch.setattr("edgelearn.network.blocks.MOST_LISTED", room)
    monkeypatch.setattr("edgelearn.network.blocks.BLOCK", 16)
    spec = design((n_in, 70, 3), rule, signed_inputs=signed)
    rng = np.random.default_rng(0)
    lowest, top = spec.input_range
    levels = (rng.integers(lowest, top + 1, (70, n_in)) * (rng.random((70, n_in)) < 0.5)).astype(np.int8)
    labels = rng.integers(0, 3, 70)
    plain, quick = Learner(spec), Learner(spec)
    prepared = quick.prepare(levels)
    for epoch in range(3):
        order = np.random.default_rng(epoch).permutation(70)
        for part in (order[:40], order[40:]):
            expected = plain.learn(levels[part], labels[part])
            assert quick.learn(prepared, labels[part], part).tolist() == expected.tolist()
        # levels of its own in between do not disturb those that are kept
        assert quick.learn(levels[:9], labels[:9]).tolist() == plain.learn(levels[:9], labels[:9]).tolist()
        assert quick.predict(prepared).tolist() == plain.predict(levels).tolist()
    assert (prepared.lists is None) == (room == 0)
    assert words(quick) == words(plain)
    assert quick.counters == plain.counters
    assert quick.inference_counters == plain.inference_counters


def test_learners_of_one_range_of_levels_share_prepared_levels():
    rng = np.random.default_rng(0)
    levels, labels = rng.integers(0, 16, (40, 40)) * (rng.random((40, 40)) < 0.5), rng.integers(0, 3, 40)
    learners = [
        Learner(design((40, 70, 3), "drtp", hidden_rate=-3)),
        Learner(design((40, 8, 3), "drtp", seed=2)),
        Learner(design((40, 3), "shallow")),
    ]
    prepared = learners[0].prepare(levels)
    for learner in learners:
        plain = Learner(learner.spec)
        assert learner.learn(prepared, labels).tolist() == plain.learn(levels, labels).tolist()
        assert words(learner) == words(plain)
        assert learner.counters == plain.counters


@pytest.mark.parametrize("at", [0, 5, 11])
def test_an_interrupt_in_threads_leaves_no_counts_behind(at, monkeypatch):
    monkeypatch.setattr("edgelearn.network.blocks.BLOCK", 16)
    rng = np.random.default_rng(0)
    levels, labels = rng.integers(0, 16, (90, 40)), rng.integers(0, 3, 90)
    shared, alone = (Learner(design((40, 300, 3), "drtp")) for _ in range(2))
    start, original, calls = shared.save(), blocks.learn_hidden_events, count()

    def interrupted(*arguments):
        if next(calls) == at:
            raise KeyboardInterrupt
        original(*arguments)

    set_threads(3)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(blocks, "learn_hidden_events", interrupted)
            with pytest.raises(KeyboardInterrupt):
                shared.learn(levels, labels)
        shared.restore(start)
        assert shared.learn(levels, labels).tolist() == alone.learn(levels, labels).tolist()
    finally:
        set_threads(1)
    assert words(shared) == words(alone)
    assert shared.counters == alone.counters


def test_impossible_threads_are_refused():
    with pytest.raises(UserError, match="0 threads are not possible; give 1 to 256"):
        set_threads(0)


def test_blocks_of_one_sample_are_those_of_many():
    spec = design((6, 8, 3))
    single, whole = Learner(spec), Learner(spec)
    own, predictions = Blocks(single.state), []
    for sample, label in zip(LEVELS, LABELS, strict=True):
        steps = steps_of(np.array([label]))
        results = Results(
            np.zeros(1, np.int64), np.zeros(1, np.uint8), np.zeros((0, 0), np.uint8), np.zeros(0, np.int64),
            np.ones(1, np.uint8),
        )  # fmt: skip
        own.run(PreparedLevels(sample[None].astype(np.uint8)), steps, results, single._counts)
        predictions.append(int(results.predictions[0]))
        assert (results.statuses.tolist(), results.dropped.tolist()) == ([t.LEARNED], [0])
    assert predictions == whole.learn(LEVELS, LABELS).tolist()
    assert words(single) == words(whole)
    assert single.counters == whole.counters


def test_strict_mode_may_begin_after_single_samples():
    learner = Learner(design((30, 4, 2), rule="drtp", input_bits=8, hidden_rate=0))
    sample = np.full(30, 255, np.uint8)
    for _ in range(50):
        learner.learn_one(sample, 1)
    assert learner.counters.total("saturations") > 0
    learner.strict = True
    with pytest.raises(StrictError, match="saturations"):
        learner.learn_one(sample, 1)
