"""Measures of an anomaly detector against scikit-learn, NAB's rules by hand, and themselves in other cuts."""

from __future__ import annotations

import itertools
from math import exp

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from edgelearn.streaming.anomaly_scores import (
    DIGITS,
    MOST_ALARMS,
    POINTS,
    AlarmList,
    AnomalyScores,
    ScoreHistory,
    bin_of,
    scaled_sigmoid,
)


def stream(n, seed=0, unknown=0.0):
    """Return labels in stretches, scores that are higher in them, alarms and times."""
    random = np.random.default_rng(seed)
    labels = (np.sin(np.arange(n) / 17) > 0.6).astype(np.int64)
    scores = (random.lognormal(8, 1, n) * (1 + 3 * labels)).astype(np.int64)
    alarms = (scores > 20_000).astype(np.int64)
    labels[random.random(n) < unknown] = -1
    return labels, scores, alarms, np.arange(n) * 0.5


@pytest.mark.parametrize("unknown", [0.0, 0.2])
def test_measures_are_those_of_scikit_learn(unknown):
    labels, scores, alarms, times = stream(5000, unknown=unknown)
    measures = AnomalyScores()
    measures.update(labels, scores, alarms, times)
    found, known = measures.as_dict(), labels >= 0
    y, x, a = labels[known], scores[known], alarms[known]
    assert found["f1"] == pytest.approx(f1_score(y, a), rel=1e-5)
    assert found["false_alarm_rate"] == pytest.approx((a[y == 0]).mean(), rel=1e-5)
    assert found["missing_alarm_rate"] == pytest.approx(1 - a[y == 1].mean(), rel=1e-5)
    assert found["labelled"] == known.sum()
    assert found["unlabelled"] == (~known).sum()
    # exact for scores of 11 digits, and close for all
    assert found["roc_area"] == pytest.approx(roc_auc_score(y, bin_of(x)), rel=1e-5)
    assert found["pr_area"] == pytest.approx(average_precision_score(y, bin_of(x)), rel=1e-5)
    assert found["roc_area"] == pytest.approx(roc_auc_score(y, x), abs=1e-4)
    assert found["pr_area"] == pytest.approx(average_precision_score(y, x), abs=1e-3)


def test_bins_rise_with_scores_and_keep_their_digits():
    scores = np.unique(np.concatenate([2 ** np.arange(48), 2 ** np.arange(48) - 1, 3 * 2 ** np.arange(46) + 1]))
    bins = bin_of(scores)
    assert (np.diff(bins) >= 0).all()
    assert bins[0] == 0
    assert bin_of(np.array([2**48 - 1]))[0] < AnomalyScores()._bins.shape[1]
    for low in (2**20, 2**33 + 2**30):
        step = low >> DIGITS
        assert bin_of(np.array([low]))[0] < bin_of(np.array([low + 2 * step]))[0]


def test_nab_score_of_an_example_by_hand():
    """Window of rows 10 to 19: alarms at 5 (false, no window before), 12 (found), 15 (found again), 25 (false)."""
    labels, alarms = np.zeros(40, np.int64), np.zeros(40, np.int64)
    labels[10:20], alarms[[5, 12, 15, 25]] = 1, 1

    def sigmoid(y):
        return 2 / (1 + exp(5 * y)) - 1

    hit = sigmoid(-(19 - 12 + 1) / 10) / sigmoid(-1.0)
    false = -1.0 + sigmoid((25 - 19) / 9)
    measures = AnomalyScores()
    measures.update(labels, alarms * 100, alarms, np.arange(40.0))
    found = measures.as_dict()
    assert found["nab_score"] == pytest.approx(100 * (hit + 0.11 * false + 1) / 2, rel=1e-5)
    assert found["windows"] == {"n": 1, "detected": 1, "mean_delay_rows": 2.0, "mean_delay_s": 2.0}


@pytest.mark.parametrize(("alarmed", "score"), [([], 0.0), ([10], 100.0)])
def test_nab_score_is_0_without_alarms_and_100_at_the_left_edge(alarmed, score):
    labels, alarms = np.zeros(40, np.int64), np.zeros(40, np.int64)
    labels[10:20], alarms[alarmed] = 1, 1
    measures = AnomalyScores()
    measures.update(labels, alarms, alarms, np.full(40, np.nan))
    found = measures.as_dict()
    assert found["nab_score"] == pytest.approx(score)
    assert found["windows"]["mean_delay_s"] is None
    assert scaled_sigmoid(3.0) == -1.0
    assert scaled_sigmoid(0.0) == 0.0


def test_an_open_window_counts_and_stays_open():
    measures = AnomalyScores()
    measures.update(np.array([0, 1, 1]), np.array([1, 1, 9]), np.array([0, 0, 1]), np.arange(3.0))
    assert measures.as_dict()["windows"]["n"] == 1
    measures.update(np.array([1, 0]), np.array([9, 1]), np.array([1, 0]), np.arange(3.0, 5.0))
    assert measures.as_dict()["windows"] == {"n": 1, "detected": 1, "mean_delay_rows": 1.0, "mean_delay_s": 1.0}


def test_rows_of_one_kind_have_no_areas():
    measures = AnomalyScores()
    measures.update(np.zeros(5, np.int64), np.arange(5), np.zeros(5, np.int64), np.arange(5.0))
    found = measures.as_dict()
    assert [found[key] for key in ("f1", "roc_area", "pr_area", "nab_score", "missing_alarm_rate")] == [None] * 5
    assert found["false_alarm_rate"] == 0


def cut(n, seed):
    """Return places at which n rows are cut."""
    return [0, *sorted(np.random.default_rng(seed).integers(0, n + 1, 6).tolist()), n]


@pytest.mark.parametrize("seed", range(4))
def test_measures_do_not_depend_on_cuts_and_continue(seed):
    n = 3 * POINTS + 100
    labels, scores, alarms, times = stream(n, seed, unknown=0.1)
    phases = np.minimum(np.arange(n) // 500, 3)
    places = cut(n, seed)

    def taken(places):
        parts = AnomalyScores(), ScoreHistory(), AlarmList()
        for a, b in itertools.pairwise(places):
            copies = AnomalyScores(), ScoreHistory(), AlarmList()
            for part, copied in zip(parts, copies, strict=True):
                copied.restore({key: array.copy() for key, array in part.state().items()})
            parts = copies
            rows = {"smoothed": scores, "limit": scores * 0 + 20_000, "alarm": alarms, "anomaly": labels, "time": times}
            parts[0].update(labels[a:b], scores[a:b], alarms[a:b], times[a:b])
            parts[1].update({key: array[a:b] for key, array in (rows | {"phase": phases}).items()})
            at = a + np.flatnonzero(alarms[a:b])
            parts[2].update(at, scores[at], times[at])
        return parts[0].as_dict(), parts[1].as_dict(), (parts[2].n, parts[2].as_list())

    whole, cuts = taken([0, n]), taken(places)
    assert whole == cuts
    history, (n_alarms, listed) = whole[1], whole[2]
    assert len(history["row"]) <= POINTS
    assert sum(history["alarms"]) == alarms.sum()
    assert history["rows_per_point"] == 4
    assert history["row"][1] == 4
    assert max(history["peak"]) == pytest.approx(scores.max() / 256, rel=1e-5)
    stretches = np.flatnonzero(np.diff(alarms, prepend=0) == 1)
    assert n_alarms == len(stretches)
    assert [row["first_row"] for row in listed] == (stretches + 1).tolist()[:MOST_ALARMS]
    assert sum(row["last_row"] - row["first_row"] + 1 for row in listed) == alarms.sum()


def test_the_list_of_alarms_is_bounded():
    alarms = AlarmList()
    for first in range(0, 3 * MOST_ALARMS, 7):
        rows = 2 * np.arange(first, first + 7)
        alarms.update(rows, rows, rows / 1.0)
    assert alarms.n > MOST_ALARMS
    assert len(alarms.as_list()) == MOST_ALARMS
