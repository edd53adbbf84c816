"""Baselines of anomaly detection: each finds an obvious anomaly, and no score depends on later rows."""

import importlib.util

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.references import anomaly_scores
from edgelearn.references.anomaly_scores import BASELINES, moving_z_score, t_squared_and_q, z_score

N_TRAIN = 120


def rows_with_an_anomaly():
    rng = np.random.default_rng(4)
    factor = rng.normal(size=(200, 1))
    rows = factor * [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=(200, 3)) + [5.0, 0.0, -3.0]
    rows[150:160] += [6.0, 6.0, 6.0]
    return rows


def needs(baseline):
    if baseline.source == "river" and importlib.util.find_spec("river") is None:
        pytest.skip('river is not installed: pip install "edgelearn[streams]"')


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda one: one.name)
def test_an_anomaly_has_the_highest_scores(baseline):
    needs(baseline)
    scores = baseline.score(rows_with_an_anomaly(), N_TRAIN, 1)
    assert scores.shape == (200,)
    assert np.isfinite(scores).all()
    assert scores[150] > np.quantile(np.delete(scores[N_TRAIN:], range(30, 40)), 0.9)


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda one: one.name)
def test_later_rows_change_no_score(baseline):
    needs(baseline)
    rows = rows_with_an_anomaly()
    whole, part = baseline.score(rows, N_TRAIN, 1), baseline.score(rows[:170], N_TRAIN, 1)
    assert np.allclose(whole[:170], part, rtol=1e-9, atol=1e-12)


def test_the_moving_score_is_that_of_the_rows_before():
    rows = rows_with_an_anomaly()
    scores = moving_z_score(rows, 30)
    for k in (2, 17, 40, 155):
        before = rows[max(0, k - 30) : k]
        assert scores[k] == pytest.approx(np.mean(np.abs(rows[k] - before.mean(0)) / before.std(0)), rel=1e-6)
    assert scores[:2].tolist() == [0, 0]


def test_a_channel_that_is_constant_scores_its_change():
    rows = np.zeros((10, 2))
    rows[:, 0] = np.arange(10) % 2
    rows[8, 1] = 3.0
    assert z_score(rows, 6)[[7, 8]].tolist() == [0.5, 2.0]


def test_q_sees_what_leaves_the_plane_of_the_components():
    rows = rows_with_an_anomaly()
    rows[150:160] = rows[10:20]
    rows[155] += [0.0, 0.0, 2.0]  # small beside the spread, but against the correlation
    scores = t_squared_and_q(rows, N_TRAIN)
    assert scores.argmax() == 155
    assert scores[155] > 10


def test_half_space_trees_need_river(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "river.anomaly", None)
    with pytest.raises(UserError, match="need the package river"):
        anomaly_scores.half_space_trees(rows_with_an_anomaly(), N_TRAIN)
