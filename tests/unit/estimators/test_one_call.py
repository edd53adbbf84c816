"""Samples in one compiled call against the general path: the same words, counts, predictions and errors."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from collections import OrderedDict
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelearn import EdgeClassifier
from edgelearn.errors import UserError
from edgelearn.fixedpoint.frozen import available

pytestmark = pytest.mark.kernel
compiled = pytest.mark.skipif(not available(), reason="without compilation every sample takes the general path")
NAMES = ("a", "b", 3, "x2", "x10")
C = len(NAMES)
SMALL = {"hidden": (6,), "hidden_rate": -4, "output_rate": -4}


class General(EdgeClassifier):
    """Never takes a compiled call."""

    def _sample_call(self, names, learns):
        return None


class Counted(EdgeClassifier):
    """Counts the samples that go through the front end of the general path."""

    n_general = 0

    def _rows(self, x):
        self.n_general += len(x)
        return super()._rows(x)


def words(model):
    """Return everything learned and counted; without the row at hand of the last prediction."""
    arrays = model._arrays()
    del arrays["front_end.features"]
    found = {name: array.tolist() for name, array in arrays.items()}
    return found | {"missing": model.n_missing_, "ignored": model.n_ignored_, "classes": model.classes_.tolist()}


def outcome(call):
    try:
        return call()
    except (UserError, ValueError) as error:
        return type(error), str(error)


def plain(rng, size=1.0):
    return dict(zip(NAMES, (rng.normal(size=C) * size).tolist(), strict=True))


ODD = (
    lambda x: x | {"a": None}, lambda x: x | {"b": math.nan}, lambda x: x | {"x2": math.inf}, lambda x: x | {3: 1e39},
    lambda x: {name: x[name] for name in NAMES[:3]}, lambda x: x | {"more": 1.0}, lambda x: {},
    lambda x: {name: value for name, value in x.items() if name != "b"} | {"more": 1.0},
    lambda x: x | {"a": True, "b": 3, 3: -1, "x2": 10**30, "x10": 0}, lambda x: x | {"a": 10**400},
    lambda x: x | {"a": np.float64(1.5), "b": np.float32(0.3), "x2": np.int8(-3)}, lambda x: x | {"a": Decimal(1)},
    lambda x: x | {"a": Fraction(1, 3)}, lambda x: x | {"a": "1"}, lambda x: x | {"a": np.array(0.5)}, lambda x: OrderedDict(x),
    lambda x: {name: x[name] for name in reversed(NAMES)}, lambda x: dict.fromkeys(NAMES, 0.0), lambda x: list(x.values()),
    lambda x: {name: value * 2.0**40 for name, value in x.items()}, lambda x: {name: value * 1e-40 for name, value in x.items()},
    lambda x: x | {"a": -3.4028235e38}, lambda x: dict(zip(NAMES, np.array(list(x.values())), strict=True)),
)  # fmt: skip
STORED = (lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy, copy.copy)


def step(model, kind, seed, tmp_path):
    """Do one thing with a model; return the model that goes on, and what came of it."""
    rng = np.random.default_rng(seed)
    x, y = plain(rng), "uvw"[rng.integers(3)]
    if kind == "odd":
        sample = ODD[rng.integers(len(ODD))](x)
        return model, [outcome(lambda: model.learn_one(sample, y)), outcome(lambda: model.predict_one(sample))]
    if kind == "label":
        label = [None, math.nan, [1], "t", np.str_("u"), 5][rng.integers(6)]
        return model, outcome(lambda: model.learn_one(x, label))
    if kind == "weight":
        weight = [0, 2, 1.0, 0.4, True, "1", np.int64(1)][rng.integers(7)]
        return model, outcome(lambda: model.learn_one(x, y, weight))
    if kind == "class weight":
        model.set_params(class_weight=[None, {"u": 2}][rng.integers(2)])
        return model, outcome(lambda: model.learn_one(x, y))
    if kind == "block":
        rows, labels = rng.normal(size=(3, C)) * 2.0 ** rng.integers(-3, 3), np.array(["u", "v", "v"])
        rows[0, rng.integers(C)] = np.nan
        return model, outcome(lambda: model.partial_fit(rows, labels) and 0)
    if kind == "fit":
        return model, outcome(lambda: model.set_params(epochs=1).fit(rng.normal(size=(3, C)), ["u", "v", "w"]) and 0)
    if kind == "store":
        return STORED[rng.integers(len(STORED))](model), None
    if kind == "file":
        model.save(tmp_path / "model.npz")
        return type(model).load(tmp_path / "model.npz"), None
    if kind == "live":
        model._learner.set_live_outputs(1 + int(rng.integers(len(model._labels.known))))
        return model, None
    model.learn_one(x, y)
    return model, (model.predict_one(x), model.predict_proba_one(plain(rng)))


KINDS = ("odd", "label", "weight", "class weight", "block", "fit", "store", "file", "live", "plain", "plain", "plain")


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 10**6)), min_size=5, max_size=40),
    st.sampled_from(
        [{}, {"rule": "dfa", "rounding": "stochastic"}, {"hidden": ()}, {"encoder": "delta", "input_bits": 3}]
    ),
)
def test_whatever_comes_is_learned_as_by_the_general_path(tmp_path_factory, steps, params):
    tmp_path = tmp_path_factory.mktemp("models")
    quick, general = (kind(**(SMALL | {"max_classes": 6} | params)) for kind in (EdgeClassifier, General))
    for kind, seed in (("plain", 0), *steps):
        quick, found = step(quick, kind, seed, tmp_path)
        general, wanted = step(general, kind, seed, tmp_path)
        assert found == wanted, kind
    assert words(quick) == words(general)


@pytest.mark.parametrize("encoder", ["signed", "levels", "on-off", "threshold", "delta"])
@pytest.mark.parametrize("one_output", [False, True])
def test_thousands_of_samples_are_learned_as_in_blocks(encoder, one_output):
    rng = np.random.default_rng(1)
    n = 2_000 if available() else 30
    x, y = rng.normal(size=(n, C)) * np.exp(rng.normal(size=C)), rng.integers(0, 2, n).astype(bool)
    single, block = (
        EdgeClassifier(encoder=encoder, hidden=(5,), classes=[False, True], one_output=one_output) for _ in range(2)
    )
    for row, label in zip(x.tolist(), y.tolist(), strict=True):
        single.learn_one(dict(zip(NAMES, row, strict=True)), label)
    block.partial_fit(x[:, [NAMES.index(name) for name in single._names]], y)
    assert words(single) == words(block)


@compiled
def test_plain_samples_take_the_compiled_call():
    rng = np.random.default_rng(2)
    model = Counted(classes=["u", "v"], hidden=())
    for _ in range(300):
        model.learn_one(plain(rng), "u")
    assert 1 <= model.n_general < 30  # exponents grow at first
    before = model.n_general
    for odd in (plain(rng) | {"a": None}, OrderedDict(plain(rng)), plain(rng) | {"a": np.float32(1)}):
        model.learn_one(odd, "v")
    model.learn_one(plain(rng), "v", 2)
    assert model.n_general == before + 5


@compiled
def test_a_copy_has_calls_of_its_own():
    rng = np.random.default_rng(3)
    model = EdgeClassifier(classes=["u", "v"])
    for _ in range(50):
        model.learn_one(plain(rng, 0.1), "u")
    model.predict_one(plain(rng))
    assert model._learning is not None
    assert model._predicting is not None
    for store in (STORED[0], STORED[1]):
        other = store(model)
        assert other._learning is None
        assert other._predicting is None
        before = words(model)
        other.learn_one(plain(rng, 0.1), "v")
        other.learn_one(plain(rng, 0.1), "v")
        assert words(model) == before != words(other)
    model.fit(rng.normal(size=(4, C)), ["u", "v", "u", "v"])
    assert model._learning is None
    assert model._predicting is None


@compiled
def test_keys_that_run_code_are_harmless():
    class Rude:
        """Has the hash of a feature; clears the sample, or raises, where it is compared."""

        def __init__(self, clears):
            self.clears, self.x = clears, None

        def __hash__(self):
            return hash("x2")

        def __eq__(self, other):
            if self.x is None:
                return False
            if not self.clears:
                raise ValueError("compared")
            self.x.clear()
            return False

    rng = np.random.default_rng(4)
    model = EdgeClassifier(classes=["u", "v"])
    for _ in range(50):
        model.learn_one(plain(rng), "u")
    for clears in (True, False):
        x = {Rude(clears): 1.0} | {name: value for name, value in plain(rng).items() if name != "x10"}
        next(iter(x)).x = x
        with suppress(UserError, ValueError, RuntimeError):
            model.learn_one(x, "v")
    assert model.predict_one(plain(rng)) in ("u", "v")


@compiled
def test_threads_learn_every_sample_once():
    rng = np.random.default_rng(5)
    model = EdgeClassifier(classes=["u", "v"], hidden=())
    samples = [plain(rng) for _ in range(400)]
    for x in samples:  # exponents have grown
        model.learn_one(x, "u")
    before = int(model.counters_.n_samples)
    threads = [threading.Thread(target=lambda: [model.learn_one(x, "v") for x in samples]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.counters_.n_samples == before + 1_600
