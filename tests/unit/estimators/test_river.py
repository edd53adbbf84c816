"""The river face: river's own checks, pipelines and metrics; the same words as without it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgelearn.estimators import EdgeClassifier
from tests.tools import missing

try:
    from river import base, checks, compose, datasets, evaluate, metrics, preprocessing

    from edgelearn.estimators import RiverEdgeClassifier

    CHECKS = list(checks.yield_checks(RiverEdgeClassifier(hidden=(4,))))
except ImportError:
    CHECKS = []


@pytest.fixture(autouse=True)
def _river():
    if not CHECKS:
        missing('river is not installed: pip install "edgelearn[streams]"')


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_river_agrees(check):
    check(RiverEdgeClassifier(hidden=(4,)))


def test_no_check_is_left_out():
    assert RiverEdgeClassifier()._unit_test_skips() == set()
    assert len(CHECKS) > 40


def test_it_learns_in_a_pipeline():
    model = preprocessing.StandardScaler() | RiverEdgeClassifier(rule="dfa", hidden=(24,))
    metric = evaluate.progressive_val_score(datasets.Phishing().take(500), model, metrics.Accuracy())
    assert metric.get() > 0.75
    area = evaluate.progressive_val_score(datasets.Phishing().take(300), model.clone(), metrics.ROCAUC())
    assert area.get() > 0.75
    assert isinstance(model, base.Classifier)  # river looks through a pipeline


def test_many_classes_are_met_on_the_way():
    model = compose.Pipeline(preprocessing.MinMaxScaler(), RiverEdgeClassifier(hidden=(8,)))
    for x, y in datasets.ImageSegments().take(60):
        model.learn_one(x, y)
    shares = model.predict_proba_one(x)
    assert len(shares) == 7
    assert sum(shares.values()) == pytest.approx(1)


def test_the_face_changes_no_word():
    plain, faced = EdgeClassifier(hidden=(4,)), RiverEdgeClassifier(hidden=(4,))
    rng = np.random.default_rng(1)
    for i in range(40):
        x = dict(zip("abc", rng.normal(size=3).tolist(), strict=True))
        plain.learn_one(x, i % 3)
        faced.learn_one(x, i % 3)
        assert plain.predict_proba_one(x) == faced.predict_proba_one(x)
    assert plain.counters_ == faced.counters_
    assert np.array_equal(plain._learner.state.weights(0), faced._learner.state.weights(0))
    with pytest.warns(UserWarning, match="valid feature names"):
        assert faced.predict(np.eye(3)).tolist() == plain.predict(np.eye(3)).tolist()


def test_a_saved_face_may_be_loaded_as_either(tmp_path):
    model = RiverEdgeClassifier(hidden=(4,))
    model.learn_one({"a": 1.0, "b": 2.0}, True)
    model.save(tmp_path / "model.npz")
    for kind in (EdgeClassifier, RiverEdgeClassifier):
        stored = kind.load(tmp_path / "model.npz")
        assert type(stored) is kind
        assert stored.predict_one({"a": 1.0}) is True


def test_river_is_asked_for_where_it_is_absent():
    code = (
        "import sys\nsys.modules['river'] = None\n"
        "import edgelearn.estimators as estimators\n"
        "estimators.EdgeClassifier().learn_one({'a': 1.0}, True)\n"
        "try:\n    estimators.RiverEdgeClassifier\n"
        "except ValueError as error:\n    assert 'pip install \"river>=' in str(error)\n"
        "else:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
