"""EdgeClassifier: scikit-learn's own checks; one object, the same words by every way to learn; files; clear errors."""

from __future__ import annotations

import copy
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from edgelearn import EdgeClassifier
from edgelearn.errors import UserError
from edgelearn.estimators.labels import Labels
from edgelearn.files import read_arrays, write_arrays
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from hw_models.compare.rules import cost_of_rule
from hw_models.processor import find_processor

# arrays after dictionaries: the columns have no names
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")
RNG = np.random.default_rng(5)
N, C = 48, 5
X = (RNG.normal(size=(N, C)) * [1, 3, 0.01, 1e6, 0] + [0, 5, 0, 0, 7]).astype(np.float32)
Y = np.array(["sit", "run", "walk"])[RNG.integers(0, 3, N)]
NAMES = [f"x{i}" for i in range(C)]
SMALL = {"hidden": (6,), "hidden_rate": -4, "output_rate": -4}
CLASSES = ["run", "sit", "walk"]


def state(model):
    """Return everything learned by name; without counts of samples that were only predicted, and the row at hand."""
    arrays = model._arrays()
    del arrays["front_end.features"]
    arrays["learner.counts"] = arrays["learner.counts"][0]
    return {name: array.tolist() for name, array in arrays.items()}


def sample(i):
    return dict(zip(NAMES, X[i].tolist(), strict=True))


COMPILED = os.environ.get("NUMBA_DISABLE_JIT") != "1"
CHECKED = [EdgeClassifier(rule="dfa", hidden=(8,), epochs=4)]
if COMPILED:  # plain Python would take minutes
    CHECKED += [EdgeClassifier(), EdgeClassifier(random_state=7, rounding="stochastic")]


@parametrize_with_checks(CHECKED)
def test_scikit_learn_agrees(estimator, check):
    if re.search("sample_weight(_equivalence|s_invariance)", check.func.__name__):
        pytest.skip("the check changes the order of samples; test_a_weight_is_a_number_of_presentations keeps it")
    check(estimator)


@pytest.mark.parametrize("rule", ["drtp", "dfa"])
@pytest.mark.parametrize("blobs", range(2))
def test_few_samples_are_learned_with_any_seed(rule, blobs):
    x, y = make_blobs(150, random_state=blobs)
    x = StandardScaler().fit_transform(x)
    scores = [
        EdgeClassifier(rule, hidden=(16,), random_state=seed, epochs=6).fit(x, y).score(x, y) for seed in range(3)
    ]
    assert min(scores) > 0.8


WAYS = st.sampled_from([
    {},
    {"rounding": "stochastic", "rule": "dfa"},
    {"update_gate": "margin", "rule": "bp"},
    {"encoder": "delta", "time_constant": 3},
    {"encoder": "threshold", "update_gate": "error"},
    {"encoder": "on-off", "hidden": ()},
    {"encoder": "levels", "output": "softmax", "hidden": (6, 4)},
])  # fmt: skip


@given(
    ways=WAYS, cuts=st.lists(st.integers(0, N), max_size=6), one_by_one=st.lists(st.booleans(), min_size=7, max_size=7)
)
@settings(max_examples=25 if COMPILED else 12)
def test_the_same_words_however_samples_arrive(ways, cuts, one_by_one):
    params = SMALL | ways
    whole = EdgeClassifier(**params, epochs=1, shuffle=False).fit(X, Y)
    pieces = EdgeClassifier(**params, classes=CLASSES)
    bounds = [0, *sorted(cuts), N]
    for first, end, single in zip(bounds, bounds[1:], one_by_one, strict=False):
        if single:
            for i in range(first, end):
                pieces.learn_one(sample(i), str(Y[i]))
                pieces.predict_one(sample(0))  # predicting changes nothing
        elif first < end:
            pieces.partial_fit(X[first:end], Y[first:end])
    assert state(pieces) == state(whole)
    assert pieces.counters_ == whole.counters_
    assert np.array_equal(pieces.predict_proba(X), whole.predict_proba(X))


def test_it_is_a_front_end_and_a_learner():
    front_end = FrontEnd(FrontEndSpec(C, time_constant=4, reach=3, input_bits=3))
    spec = design((C, 6, 3), "dfa", 6, input_bits=3, hidden_rate=-4, output_rate=-5, seed=9, signed_inputs=True)
    learner = Learner(spec)
    learner.learn(front_end.rows(X, np.zeros(N, np.int64)).levels, np.searchsorted(CLASSES, Y))
    model = EdgeClassifier("dfa", 6, (6,), hidden_rate=-4, output_rate=-5, time_constant=4, reach=3, input_bits=3,
                           epochs=1, shuffle=False, random_state=9).fit(X, Y)  # fmt: skip
    assert model.counters_ == learner.counters
    assert all(np.array_equal(model._arrays()[f"learner.{name}"], word) for name, word in learner.words().items())
    assert model.predict(X).tolist() == [CLASSES[k] for k in learner.predict(front_end.encode(X))]


def test_epochs_repeat_in_an_order_of_the_seed():
    model = EdgeClassifier(**SMALL, epochs=3, random_state=4).fit(X, Y)
    again = EdgeClassifier(**SMALL, random_state=4, classes=CLASSES)
    for epoch in range(3):
        order = np.random.default_rng([4, 2, epoch]).permutation(N)
        again.partial_fit(X[order], Y[order])
    assert state(model) == state(again)
    assert state(model.fit(X, Y)) == state(again)  # fit starts anew
    assert state(EdgeClassifier(**SMALL, epochs=3, random_state=5).fit(X, Y)) != state(model)


@pytest.mark.parametrize(
    ("params", "outputs"),
    [({}, 1), ({"one_output": False}, 2), ({"output": "softmax"}, 2), ({"max_classes": 2, "classes": None}, 2)],
)
def test_mdfa_takes_one_output_for_two_classes_unless_asked(params, outputs):
    two = np.where(Y == "run", "run", "other")
    model = EdgeClassifier(**SMALL | {"rule": "mdfa"} | params)
    for x, label in zip(X[:40], two[:40], strict=True) if "max_classes" in params else ():
        model.learn_one(dict(enumerate(x)), label)
    model = model if "max_classes" in params else model.fit(X, two)
    assert model.spec_.n_outputs == outputs


@pytest.mark.parametrize("params", [{}, {"output": "softmax"}, {"one_output": True}])
def test_shares_sum_to_one_and_the_prediction_has_the_largest(params):
    two = np.where(Y == "run", "run", "other")
    model = EdgeClassifier(**SMALL, **params).fit(X, two)
    wide = np.vstack([X, 1e3 * X, np.zeros((1, C))])
    shares = model.predict_proba(wide)
    assert shares.shape == (len(wide), 2)
    assert np.allclose(shares.sum(axis=1), 1)
    assert shares.min() > 0
    assert model.classes_[shares.argmax(axis=1)].tolist() == model.predict(wide).tolist()
    assert model.spec_.n_outputs == (1 if params.get("one_output") else 2)
    one = model.predict_proba_one(sample(0))
    assert list(one.values()) == shares[0].tolist()
    assert model.predict_one(sample(0)) == model.predict(X[:1])[0]


def test_labels_take_outputs_as_they_appear():
    model = EdgeClassifier(**SMALL, max_classes=3)
    assert model.predict_one(sample(0)) is None
    assert model.predict_proba_one(sample(0)) == {}
    model.learn_one(sample(0), "b")
    assert model.predict_proba_one(sample(1)) == {"b": 1.0}
    model.learn_one(sample(1), "a")
    model.partial_fit(X[2:4], ["c", "b"])
    assert model.classes_.tolist() == ["b", "a", "c"]
    assert list(model.predict_proba_one(sample(0))) == ["b", "a", "c"]
    before = state(model)
    with pytest.raises(UserError, match=r"label 'd' is one more than the 3 classes .* larger max_classes"):
        model.partial_fit(X[:3], ["a", "d", "e"])
    with pytest.raises(UserError, match="label 'd'"):
        model.learn_one(sample(0), "d")
    assert state(model) == before


def test_labels_keep_their_kind():
    labels = Labels([], room=4)
    assert labels.outputs(np.array([True, False])).tolist() == [0, 1]
    assert labels.output(np.bool_(False)) == 1
    assert [type(label) for label in labels.known] == [bool, bool]
    assert labels.output(np.str_("x")) == 2
    assert type(labels.known[2]) is str
    for nothing in (None, float("nan"), [1]):
        with pytest.raises(UserError, match="names no class"):
            labels.output(nothing)
    mixed = EdgeClassifier(**SMALL)
    mixed.learn_one(sample(0), 1)
    mixed.learn_one(sample(1), "one")
    assert mixed.classes_.tolist() == [1, "one"]
    assert set(mixed.predict(X)) <= {1, "one"}


def test_classes_are_named_once():
    with pytest.raises(UserError, match="classes are not known at the first partial_fit"):
        EdgeClassifier(**SMALL).partial_fit(X, Y)
    model = EdgeClassifier(**SMALL).partial_fit(X[:2], Y[:2], classes=["walk", "run", "sit"])
    assert model.classes_.tolist() == CLASSES
    model.partial_fit(X, Y, classes=CLASSES)
    with pytest.raises(UserError, match="are not those of the start"):
        model.partial_fit(X, Y, classes=["run", "sit"])
    with pytest.raises(UserError, match=r"label 'swim' is none of the classes 'run', 'sit', 'walk'; name all"):
        model.learn_one(sample(0), "swim")
    with pytest.raises(UserError, match=r"label 'walk' is none of the classes"):
        EdgeClassifier(**SMALL, classes=["run", "sit"]).fit(X, Y)
    named = EdgeClassifier(**SMALL, classes=[*CLASSES, "swim"]).fit(X, Y)
    assert named.predict_proba(X).shape == (N, 4)


def test_features_have_an_order_of_their_own():
    model, other = EdgeClassifier(**SMALL), EdgeClassifier(**SMALL)
    names = ["x10", "x2", "acc", "x1"]
    for i in range(20):
        x = dict(zip(names, X[i].tolist(), strict=False))
        model.learn_one(x, i % 2)
        other.learn_one({name: x[name] for name in sorted(names)}, i % 2)
    assert model.feature_names_in_.tolist() == ["acc", "x1", "x2", "x10"]
    assert state(model) == state(other)
    numbers = EdgeClassifier(**SMALL)
    numbers.learn_one({10: 1.0, 2: 0.5, -1: 3}, True)
    assert numbers._names == (-1, 2, 10)
    assert not hasattr(numbers, "feature_names_in_")


def test_names_of_a_table_give_the_places():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["e", "d", "c", "b", "a"])
    model = EdgeClassifier(**SMALL, epochs=1, shuffle=False).fit(table, Y)
    one = EdgeClassifier(**SMALL, epochs=1, shuffle=False).fit(table[:40], Y[:40])
    for i in range(40, N):
        one.learn_one(dict(reversed(table.iloc[i].to_dict().items())), str(Y[i]))
    assert state(one) == state(model)


@pytest.mark.parametrize("encoder", ["signed", "on-off", "delta", "levels", "threshold"])
def test_what_is_missing_makes_no_event(encoder):
    model = EdgeClassifier(**SMALL, encoder=encoder, classes=CLASSES)
    for i in range(N):
        model.learn_one(sample(i), str(Y[i]))
    assert not model._front_end.encode(np.full((1, C), np.nan)).any()
    x = sample(3)
    absent = {name: x[name] for name in NAMES[:3]}
    none = absent | {"x3": None, "x4": None}
    assert model.predict_proba_one(absent) == model.predict_proba_one(none)
    other = copy.deepcopy(model)
    model.learn_one(absent, "run")
    other.learn_one(none | {"new": 1.0, "text": "any"}, "run")
    assert state(model) == state(other)
    assert (model.n_missing_, model.n_ignored_, other.n_missing_, other.n_ignored_) == (2, 0, 2, 2)
    before = state(other)
    other.learn_one({}, "sit")
    after = state(other)
    for name in ("mean", "deviation", "sent", "seen"):
        assert after[f"front_end.{name}"] == before[f"front_end.{name}"]
    table = np.array([X[3]])
    table[0, 3:] = np.nan
    assert model.predict_proba(table)[0].tolist() == list(model.predict_proba_one(absent).values())
    assert model.predict_one(dict(zip(NAMES, table[0].tolist(), strict=True))) == model.predict(table)[0]


def test_features_that_cannot_be_learned_are_named():
    model = EdgeClassifier(**SMALL, classes=CLASSES).partial_fit(X, Y)
    before = state(model)
    for value, message in (
        ("1.5", r"feature 'x1' is '1.5', and only numbers can be learned; turn it into numbers first"),
        (float("-inf"), r"feature 'x1' is -inf, which no sensor word can hold; leave it out"),
        (1e39, r"feature 'x1' is 1e\+39"),
        (10**400, r"feature 'x1' is inf"),
        (1j, r"feature 'x1' is 1j"),
        ([1.0], r"feature 'x1' is \[1.0\]"),
    ):
        for act in (lambda x: model.learn_one(x, "run"), model.predict_one, model.predict_proba_one):
            with pytest.raises(UserError, match=message):
                act(sample(0) | {"x1": value})
    with pytest.raises(UserError, match=r"sample \[1.0, 2.0\] has no named features"):
        model.learn_one([1.0, 2.0], "run")
    with pytest.raises(UserError, match=r"sample \{\} has no named features"):
        EdgeClassifier().learn_one({}, "run")
    with pytest.raises(
        UserError, match=r"2 features given \(x0, x1\), and 5 were fitted without names; give 5, or fit"
    ):
        model.predict_one({"x0": 1.0, "x1": 2.0})
    assert state(model) == before
    for value in (True, np.float32(1), np.bool_(True), 1):
        assert model.predict_one(sample(0) | {"x1": value}) in CLASSES


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rule": "drpt"}, "Did you mean 'drtp'"),
        ({"bits": "8"}, "setting 'bits' = '8' is not allowed"),
        ({"hidden": "64"}, r"hidden '64' cannot be read; give the neurons"),
        ({"hidden": 6.4}, "hidden 6.4 cannot be read"),
        ({"epochs": 0}, "epochs 0 cannot be used; give a whole number, 1 or more"),
        ({"random_state": -1}, "setting 'seed' = -1 is not allowed"),
        ({"one_output": True}, "one_output stands for two classes, not for 3"),
        ({"one_output": np.ones(2)}, r"one_output array\(\[1., 1.\]\) is not allowed; give True, False or None"),
        ({"encoder": "levles"}, "Did you mean 'levels'"),
        ({"time_constant": 99}, "setting 'time_constant' = 99 is not allowed; give a whole number, 0 to 24"),
    ],
)
def test_settings_that_cannot_be_are_named(params, message):
    model = EdgeClassifier(**params)
    with pytest.raises(UserError, match=message):
        model.fit(X, Y)


def test_room_for_classes_is_a_number():
    with pytest.raises(UserError, match="max_classes 1 cannot be used"):
        EdgeClassifier(max_classes=1).learn_one(sample(0), "run")
    with pytest.raises(UserError, match="not for those met on the way"):
        EdgeClassifier(one_output=True).learn_one(sample(0), "run")


def test_one_output_is_no_softmax():
    with pytest.raises(UserError, match="one output cannot be a softmax; give output='sigmoid'"):
        EdgeClassifier(one_output=True, output="softmax").fit(X, Y == "run")


def test_settings_may_come_from_numpy_and_a_grid():
    model = EdgeClassifier(bits=np.int64(6), hidden=np.array([6]), random_state=np.random.RandomState(3)).fit(X, Y)
    assert (model.spec_.layers[0].word.bits, model.spec_.sizes) == (6, (C, 6, 3))
    assert EdgeClassifier(**SMALL, random_state=None).fit(X, Y).spec_.seed >= 0
    search = GridSearchCV(make_pipeline(StandardScaler(), EdgeClassifier(epochs=1)), {
        "edgeclassifier__hidden": [(), (4,)], "edgeclassifier__bits": np.array([4, 8]),
    }, cv=2).fit(X, Y)  # fmt: skip
    assert search.best_params_["edgeclassifier__bits"] in (4, 8)


def test_nothing_is_known_before_learning():
    for name in ("counters_", "cost_"):
        with pytest.raises(NotFittedError):
            getattr(EdgeClassifier(), name)
    with pytest.raises(NotFittedError):
        EdgeClassifier().save("model.npz")
    assert not hasattr(EdgeClassifier(), "classes_")


def test_cost_is_that_of_the_samples_learned():
    model = EdgeClassifier(**SMALL, epochs=2, processor="cortex-m4").fit(X, Y)
    assert model.counters_.n_samples == 2 * N
    expected = cost_of_rule(model.spec_, model.counters_, find_processor("cortex-m4"))
    assert model.cost_.training.total("cycles") == expected.training.total("cycles") > 0
    assert model.cost_.processor.name == "cortex-m4"
    assert clone(model).set_params(processor="nowhere").fit(X, Y).spec_ == model.spec_


def learned(**params):
    model = EdgeClassifier(**SMALL, rounding="stochastic", rule="dfa", **params)
    for i in range(20):
        model.learn_one(sample(i), str(Y[i]))
    return model


def roundtrip(model, path):
    model.save(path)
    return EdgeClassifier.load(path)


@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
@pytest.mark.parametrize("params", [{}, {"classes": CLASSES}, {"random_state": None, "encoder": "delta"}])
def test_a_stored_model_learns_on_as_it_would_have(way, params, tmp_path):
    model = learned(**params)
    act = {"file": lambda: roundtrip(model, tmp_path / "model.npz"), "copy": lambda: copy.deepcopy(model)}
    stored = act.get(way, lambda: pickle.loads(pickle.dumps(model)))()
    for one in (model, stored):
        one.learn_one({"x1": 3.0, "x9": 1.0}, "run")
        one.partial_fit(X[20:], Y[20:])
    assert state(stored) == state(model)
    assert stored.classes_.dtype == model.classes_.dtype
    assert stored.predict(X).tolist() == model.predict(X).tolist()
    assert (stored.n_missing_, stored.n_ignored_) == (model.n_missing_, model.n_ignored_) == (4, 1)
    assert stored.feature_names_in_.tolist() == NAMES
    before, after = model.get_params(), stored.get_params()
    del before["random_state"], after["random_state"]
    assert after == before


def test_a_model_of_arrays_is_stored_too(tmp_path):
    model = EdgeClassifier(**SMALL, one_output=True).fit(X, Y == "run")
    stored = roundtrip(model, tmp_path / "model.npz")
    assert not hasattr(stored, "feature_names_in_")
    assert stored.classes_.tolist() == [False, True]
    assert stored.predict_proba(X).tolist() == model.predict_proba(X).tolist()
    assert state(stored) == state(model)


def test_files_that_are_no_model_are_refused(tmp_path):
    path = tmp_path / "model.npz"
    model = learned()
    model.save(path)
    whole = path.read_bytes()
    with pytest.raises(UserError, match="there is no such file"):
        EdgeClassifier.load(tmp_path / "other.npz")
    rng = np.random.default_rng(0)
    for k in range(60):
        if k < 20:
            changed = whole[: int(rng.integers(len(whole)))]
        else:
            changed = bytearray(whole)
            changed[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            stored = EdgeClassifier.load(path)
        except UserError as error:
            assert "cannot be loaded: it is no whole file of EdgeClassifier.save()" in str(error)
        else:
            assert state(stored) == state(model)  # a byte that means nothing, such as a date
    path.write_bytes(whole)
    arrays, note = read_arrays(path)
    bent = {
        "rule": (arrays, note | {"fitted": note["fitted"] | {"rule": "none"}}),
        "kind": (arrays, note | {"kind": "weights"}),
        "shape": (arrays | {"front_end.mean": np.zeros(3, np.int64)}, note),
        "type": (arrays | {"learner.counts": arrays["learner.counts"].astype(float)}, note),
        "words": (arrays | {"learner.layer1_feedback": arrays["learner.layer1_feedback"] * 0 + 200}, note),
        "lacking": ({name: a for name, a in arrays.items() if name != "learner.generator"}, note),
        "setting": (arrays, note | {"params": note["params"] | {"colour": "red"}}),
        "no note": (arrays, None),
    }
    for parts in bent.values():
        write_arrays(path, *parts)
        with pytest.raises(UserError, match="cannot be loaded"):
            EdgeClassifier.load(path)


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        learned().save(tmp_path / "no" / "model.npz")
    model = EdgeClassifier(**SMALL)
    model.learn_one({"x": 1.0}, ("a", "b"))
    with pytest.raises(UserError, match=r"label \('a', 'b'\) cannot be saved; use text or numbers"):
        model.save(tmp_path / "model.npz")
    named = EdgeClassifier(**SMALL)
    named.learn_one({("x", 1): 1.0}, "a")
    with pytest.raises(UserError, match="feature name"):
        named.save(tmp_path / "model.npz")
    assert list(tmp_path.iterdir()) == []


def of_table(model, x, y):
    pandas = pytest.importorskip("pandas")
    return model.fit(pandas.DataFrame(x, columns=NAMES[::-1]), y)


def of_dictionaries(model, x, y):
    for values, label in zip(x.tolist(), y.tolist(), strict=True):
        model.learn_one(dict(zip(NAMES, values, strict=True)), label)
    return model


def in_pieces(model, x, y):
    return model.partial_fit(x[:9], y[:9], classes=np.unique(y)).partial_fit(x[9:], y[9:])


def table_after_dictionaries(model, x, y):
    return of_table(of_dictionaries(model, x, y), x, y)


def numbered_columns(model, x, y):
    pandas = pytest.importorskip("pandas")
    return model.fit(pandas.DataFrame(x), y)


FITS = [
    lambda model, x, y: model.fit(x, y),
    lambda model, x, y: model.fit(x, y, sample_weight=np.arange(len(x)) % 3),
    of_table,
    of_dictionaries,
    in_pieces,
    table_after_dictionaries,
    numbered_columns,
]
LABELS = {
    "text": Y,
    "whole": np.array([-3, 7, 1])[RNG.integers(0, 3, N)],
    "truth": RNG.random(N) < 0.5,
    "fractions": np.array([0.5, 1.5])[RNG.integers(0, 2, N)].round(),
    "objects": Y.astype(object),
}


@given(
    fit=st.sampled_from(FITS),
    kind=st.sampled_from(sorted(LABELS)),
    params=WAYS,
    gaps=st.booleans(),
    far=st.booleans(),
    later=st.sampled_from([{}, {"encoder": "delta"}, {"hidden": (3, 3)}, {"epochs": 2, "input_bits": 7}]),
    weight=st.sampled_from([None, "some"]),
)
@settings(max_examples=30 if COMPILED else 8)
def test_every_fitted_model_is_stored_whole(tmp_path_factory, fit, kind, params, gaps, far, later, weight):
    y = LABELS[kind]
    x = X.astype(np.float64) + (1e9 if far else 0)
    if gaps:
        x[::5, 1] = np.nan
    weights = None if weight is None else {np.unique(y)[0]: np.int64(2), np.unique(y)[1]: 1}
    model = fit(EdgeClassifier(**(SMALL | params), epochs=1, random_state=3, class_weight=weights), x, y)
    model.set_params(**later)
    stored = roundtrip(model, tmp_path_factory.mktemp("model") / "model.npz")
    assert stored.get_params() == model.get_params()
    assert stored.classes_.dtype == model.classes_.dtype
    for _ in range(2):
        for name in ("feature_names_in_", "n_features_in_", "n_missing_", "n_ignored_"):
            assert np.array_equal(getattr(stored, name, None), getattr(model, name, None))
        assert stored.predict(x).tolist() == model.predict(x).tolist()
        assert stored.predict_proba(x).tolist() == model.predict_proba(x).tolist()
        assert state(stored) == state(model)
        one = dict(zip(model._names_for(dict.fromkeys(NAMES)), x[0].tolist(), strict=True))
        for each in (model, stored):
            each.partial_fit(x[:7], y[:7])
            each.learn_one(one, y[0])


def test_a_weight_is_a_number_of_presentations():
    weights = np.array([0, 1, 2, 3] * (N // 4))
    often = np.repeat(np.arange(N), weights)
    for shuffle in (False, True):
        params = SMALL | {"epochs": 2, "shuffle": shuffle}
        weighted = EdgeClassifier(**params).fit(X, Y, sample_weight=weights)
        assert state(weighted) == state(EdgeClassifier(**params).fit(X[often], Y[often]))
        assert state(EdgeClassifier(**params).fit(X, Y, sample_weight=np.ones(N))) == state(
            EdgeClassifier(**params).fit(X, Y)
        )
    repeated = EdgeClassifier(**SMALL, classes=CLASSES).partial_fit(X[often], Y[often])
    pieces = EdgeClassifier(**SMALL, classes=CLASSES).partial_fit(X[:20], Y[:20], sample_weight=weights[:20])
    for i in range(20, N):
        pieces.learn_one(sample(i), str(Y[i]), w=float(weights[i]))
    assert state(pieces) == state(repeated)


def test_classes_have_weights():
    weight = {"run": 2, "walk": 0}
    times = np.array([weight.get(label, 1) for label in Y])
    often = np.repeat(np.arange(N), times)
    expected = EdgeClassifier(**SMALL, classes=CLASSES).partial_fit(X[often], Y[often])
    params = SMALL | {"classes": CLASSES, "class_weight": weight}
    assert state(EdgeClassifier(**params).partial_fit(X, Y)) == state(expected)
    assert state(of_dictionaries(EdgeClassifier(**params), X, Y)) == state(expected)
    rare = np.r_[np.flatnonzero(Y == "run")[:10], np.flatnonzero(Y == "sit")[:4], np.flatnonzero(Y == "walk")[:3]]
    x, y = X[rare], Y[rare]  # 10 / 4 is 2.5, 10 / 3 is 3.33
    balanced = EdgeClassifier(**SMALL, class_weight="balanced").fit(x, y)
    by_hand = EdgeClassifier(**SMALL, class_weight={"run": 1, "sit": 3, "walk": 3}).fit(x, y)
    assert state(balanced) == state(by_hand)


def test_weights_that_are_no_whole_numbers():
    with pytest.warns(UserWarning, match=r"weight 2\.5 is taken as 3: .* scale the weights"):
        rounded = EdgeClassifier(**SMALL).fit(X, Y, sample_weight=np.r_[2.5, 0.4, np.ones(N - 2)])
    assert state(rounded) == state(EdgeClassifier(**SMALL).fit(X, Y, sample_weight=np.r_[3, 0, np.ones(N - 2)]))
    model = EdgeClassifier(**SMALL)
    for weights, message in (
        ([-1.0] * N, "weight -1 is out of range"),
        ([1e9] * N, r"weight 1e\+09 is out of range; .* whole numbers from 0 to 10,000"),
    ):
        with pytest.raises(UserError, match=message):
            model.fit(X, Y, sample_weight=weights)
    for weight, message in (
        ({"rum": 2}, "class_weight names 'rum', which is none of the classes 'run', 'sit', 'walk'"),
        ("even", "class_weight 'even' cannot be read; give 'balanced', or weights by label"),
        ({"run": "two"}, "weights that are no numbers"),
    ):
        with pytest.raises(UserError, match=message):
            EdgeClassifier(**SMALL, class_weight=weight).fit(X, Y)
    with pytest.raises(UserError, match="class_weight 'balanced' counts all samples, which only fit has"):
        EdgeClassifier(**SMALL, class_weight="balanced", classes=CLASSES).partial_fit(X, Y)
    with pytest.raises(UserError, match="weight 'two' is no number"):
        model.learn_one(sample(0), "run", w="two")
    model.learn_one(sample(0), "run", w=0)
    assert model.predict_one(sample(0)) is None  # left out: nothing was learned


@pytest.mark.parametrize("offset", [1e8, -3e9, 1e12])
def test_a_large_offset_leaves_what_can_be_told_apart(offset):
    x, y = make_blobs(200, centers=2, random_state=1, cluster_std=0.5)
    near = EdgeClassifier(**SMALL).fit(x, y).score(x, y)
    model = EdgeClassifier(**SMALL).fit(x + offset, y)
    assert model.score(x + offset, y) >= near - 0.02 > 0.9
    one_by_one = of_dictionaries(EdgeClassifier(**SMALL, classes=[0, 1]), np.c_[x + offset, x, x[:, :1]], y)
    assert one_by_one.score(np.c_[x + offset, x, x[:, :1]], y) > 0.9


def test_advice_on_a_net_without_a_shape_is_a_parameter_of_python():
    x, y = np.random.default_rng(0).random((20, 64)), np.arange(20) % 10
    with pytest.raises(UserError, match="needs the shape of its inputs") as refused:
        EdgeClassifier(net="conv4x3x3-pool2-10").fit(x, y)
    assert "net='28x28x1-conv4x3x3-pool2-10'" in str(refused.value)
    assert "--" not in str(refused.value)
    with pytest.raises(UserError, match="has no effect where no kernel learns"):
        EdgeClassifier(net="8x8x1-conv4x3x3-10", kernels="frozen", kernel_rate=-8).fit(x, y)


def test_nothing_heavy_comes_before_it_is_asked_for():
    code = (
        "import sys, edgelearn, edgelearn.estimators\n"
        "heavy = {'sklearn', 'numba', 'river', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from edgelearn import EdgeClassifier\n"
        "assert EdgeClassifier is edgelearn.estimators.EdgeClassifier\n"
        "assert not {'numba', 'river'} & set(sys.modules)\n"
        "try:\n    edgelearn.nothing\nexcept AttributeError as error:\n    assert 'nothing' in str(error)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
