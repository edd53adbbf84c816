"""Estimators with graded targets: scikit-learn's and river's own checks, pieces of a stream, what is learned."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from edgelearn import EdgeAnomalyDetector, EdgeRegressor
from edgelearn.errors import UserError
from edgelearn.network.graded import RATES
from edgelearn.network.spec import design
from edgelearn.rules import RULES

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")
CHECKED = [EdgeRegressor(hidden=(8,)), EdgeAnomalyDetector()]
if os.environ.get("NUMBA_DISABLE_JIT") == "1":  # the whole suites would take minutes as plain Python
    CHECKED = []


@parametrize_with_checks(CHECKED)
def test_scikit_learn_agrees(estimator, check):
    check(estimator)


class Cards:
    """In place of credit card rows, which river would download: correlated rows, and a few that are not."""

    def take(self, n):
        rng, x = np.random.default_rng(3), correlated(n, 3)
        fraud = rng.random(n) < 0.05
        x[fraud] = rng.permuted(x[fraud], axis=1)
        return [(dict(zip("abcdef", row.tolist(), strict=True)), bool(y)) for row, y in zip(x, fraud, strict=True)]


@pytest.mark.slow
def test_river_agrees(monkeypatch):
    checks = pytest.importorskip("river.checks")
    from edgelearn.estimators.river import RiverEdgeAnomalyDetector, RiverEdgeRegressor

    monkeypatch.setattr("river.datasets.CreditCard", Cards)
    for model in (RiverEdgeRegressor(hidden=(4,)), RiverEdgeAnomalyDetector()):
        checks.check_estimator(model)


def line(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) * [1, 1e4, 1e-3]
    return x, 2 * x[:, 0] - 3e-4 * x[:, 1] + 400 * x[:, 2] + 1e6


@pytest.mark.parametrize("rule", ["bp", "dfa", "drtp", "local", "shallow"])
def test_a_line_is_learned_in_any_unit(rule):
    x, y = line()
    model = EdgeRegressor(rule, hidden=(32,), epochs=20).fit(x, y)
    assert r2_score(y, model.predict(x)) > (0.6 if rule == "drtp" else 0.85)


def test_pieces_samples_and_pickles_learn_the_same_words():
    x, y = line(60)
    whole = EdgeRegressor(hidden=(6,)).partial_fit(x, y)
    pieces = EdgeRegressor(hidden=(6,))
    for first in range(0, 60, 7):
        pieces.partial_fit(x[first : first + 7], y[first : first + 7])
        pieces = pickle.loads(pickle.dumps(pieces))
    ones = EdgeRegressor(hidden=(6,))
    for row, target in zip(x, y, strict=True):
        ones.learn_one({f"x{k}": value for k, value in enumerate(row)}, float(target))
    for other in (pieces, ones):
        for name, words in whole._learner.words().items():
            assert np.array_equal(words, other._learner.words()[name]), name
        assert np.array_equal(whole._learner.counts[0], other._learner.counts[0])
    assert ones.predict_one({"x0": 0.1, "x1": 5.0, "x2": 0.0}) == whole.predict([[0.1, 5.0, 0.0]])[0]


def test_several_numbers_at_once():
    x, y = line()
    both = np.column_stack([y, -y])
    found = EdgeRegressor(epochs=20).fit(x, both).predict(x)
    assert found.shape == both.shape
    assert r2_score(both, found) > 0.85
    with pytest.raises(UserError, match="targets are 1, and 2 were learned before"):
        EdgeRegressor().fit(x, both).partial_fit(x, y)


def correlated(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(n, 6))


def test_broken_correlations_have_high_scores():
    rng = np.random.default_rng(1)
    x = correlated(800, 0)
    broken = x[600:].copy()
    for column in range(6):
        broken[:, column] = rng.permutation(broken[:, column])
    model = EdgeAnomalyDetector(contamination=0.02).fit(x[:600])
    scores = -model.score_samples(np.vstack([x[600:], broken]))
    assert roc_auc_score(np.repeat([0, 1], 200), scores) > 0.9
    assert (model.predict(x[600:]) == 1).mean() > 0.9


def test_samples_one_by_one_are_a_piece():
    x = correlated(60, 0)
    online, piece = EdgeAnomalyDetector(), EdgeAnomalyDetector().partial_fit(x)
    for row in x:
        online.learn_one(dict(enumerate(row)))
    for name, words in piece._learner.words().items():
        assert np.array_equal(words, online._learner.words()[name]), name
    assert [online.score_one(dict(enumerate(row))) for row in x] == (-piece.score_samples(x)).tolist()


@pytest.mark.parametrize("given", [0, 0.6, "many", None])
def test_shares_of_outliers_that_cannot_be(given):
    with pytest.raises(UserError, match=r"contamination .* give a share above 0 and at most 0.5"):
        EdgeAnomalyDetector(contamination=given).fit(correlated(20, 0))


@pytest.mark.parametrize("constant", [0.0, 7.0, 1e6])
def test_a_feature_that_was_constant_is_watched(constant):
    x = np.random.default_rng(2).normal(size=(200, 3))
    x[:, 1] = constant
    model = EdgeAnomalyDetector(contamination=0.02, random_state=1).fit(x)
    changed = x[:50].copy()
    step = max(0.5, 1e-4 * constant)
    changed[:, 1] += step
    assert (model.score_samples(changed) < model.score_samples(x[:50]) - 0.5).all()
    assert (model.predict(changed) == -1).mean() > 0.9
    assert (model.predict(x) == -1).mean() < 0.05
    still = EdgeAnomalyDetector().fit(np.full((30, 2), constant))
    assert still.predict([[constant, constant], [constant, constant + step]]).tolist() == [1, -1]


@pytest.mark.parametrize("rule", ["bp", "dfa", "drtp", "mdfa"])
def test_no_rule_diverges_at_the_rates_of_numbers(rule):
    x, y = load_diabetes(return_X_y=True)
    model = EdgeRegressor(rule, hidden=(16,)).fit(x[:300], y[:300])
    assert model.score(x[300:], y[300:]) > 0.3
    assert [layer.rate for layer in model.spec_.layers] == list(RATES["regression"][rule])
    classes = design((8, 4, 2), rule)
    assert [layer.rate for layer in classes.layers] == [RULES[rule].hidden_rate, RULES[rule].output_rate]
    assert design((8, 4, 2), rule, task="regression").output == "linear"
