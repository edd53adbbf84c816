"""Scores of test-then-train: as plain loops and published libraries count them, whatever the blocks."""

from __future__ import annotations

import json
import math
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from edgelearn.errors import UserError
from edgelearn.streaming.prequential import Curve, Prequential, fade

pytestmark = pytest.mark.kernel

CLASSES = 3
SETTINGS = {"fading": 0.9, "window": 7, "warm_up": 4, "curve_points": 3}


def made_up(seed, n):
    """Predictions and labels with gaps, repeats and a class that is rare; a whole and a fractional quantity."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.choice([0, 0, 0, 1, 1, 2, -1], n), rng.integers(1, 4, n))[:n]
    predictions = np.where(rng.random(n) < 0.6, labels, rng.integers(0, CLASSES, n))
    predictions[rng.random(n) < 0.1] = -1
    return predictions, labels, {"events": rng.integers(0, 50, n), "energy": rng.random(n)}


def pieces(n, cuts):
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    return [slice(a, b) for a, b in pairwise(edges)]


def fed(scores, data, parts):
    predictions, labels, extra = data
    for part in parts:
        scores.update(
            predictions[part],
            labels[part],
            {name: column[part] for name, column in extra.items()} | {"updates": 2},
            positions=np.arange(len(labels))[part] * 5,
            times=np.arange(len(labels))[part] / 4,
        )
    return scores


def same_bytes(a, b):
    a, b = a.state(), b.state()
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and a[name].shape == b[name].shape and a[name].tobytes() == b[name].tobytes()
        for name in a
    )


def ratio(part, whole):
    return None if whole == 0 else part / whole


def slow_scores(pairs):
    """Every score of (prediction, label, label before or None), one sample after another."""
    n = len(pairs)
    right = sum(p == y for p, y, _ in pairs)
    same = sum(y == before for _, y, before in pairs)
    chance = sum(
        sum(p == c for p, _, _ in pairs) / n * (sum(y == c for _, y, _ in pairs) / n) for c in range(CLASSES) if n
    )
    most = max(sum(y == c for _, y, _ in pairs) for c in range(CLASSES))
    return {
        "scored": n,
        "accuracy": ratio(right, n),
        "kappa": None if n == 0 or chance > 1 - 1e-12 else (right / n - chance) / (1 - chance),
        "kappa_temporal": None if n == same else (right / n - same / n) / (1 - same / n),
        "majority_accuracy": ratio(most, n),
        "no_change_accuracy": ratio(same, n),
    }


def slow(predictions, labels):
    """The whole report but its curve, by plain loops over the list of all samples."""
    counts = {"samples": len(labels), "dropped": 0, "unlabelled": 0, "warm_up": 0}
    pairs, before, s, b = [], None, 0.0, 0.0
    for p, y in zip(predictions.tolist(), labels.tolist(), strict=True):
        if p == -1:
            counts["dropped"] += 1
        elif y == -1:
            counts["unlabelled"] += 1
        elif counts["warm_up"] < SETTINGS["warm_up"]:
            counts["warm_up"] += 1
        else:
            pairs.append((p, y, before))
            s, b = (p == y) + SETTINGS["fading"] * s, 1 + SETTINGS["fading"] * b
        if y != -1:
            before = y
    return counts | {
        **slow_scores(pairs),
        "fading_accuracy": ratio(s, b),
        "window": {"size": SETTINGS["window"], **slow_scores(pairs[-SETTINGS["window"] :])},
        "recall": [
            ratio(sum(p == y == c for p, y, _ in pairs), sum(y == c for _, y, _ in pairs)) for c in range(CLASSES)
        ],
        "confusion": [
            [sum((y, p) == (row, col) for p, y, _ in pairs) for col in range(CLASSES)] for row in range(CLASSES)
        ],
    }


def alike(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    return a == pytest.approx(b, abs=1e-6)


@given(seed=st.integers(0, 10**6), n=st.integers(0, 60))
def test_scores_are_those_of_plain_loops(seed, n):
    data = made_up(seed, n)
    report = fed(Prequential(CLASSES, **SETTINGS), data, [slice(0, n)]).as_dict()
    report.pop("curve")
    assert alike(report, slow(data[0], data[1])), (report, slow(data[0], data[1]))


@given(seed=st.integers(0, 10**6), n=st.integers(0, 80), cuts=st.lists(st.integers(0, 80), max_size=6))
def test_cuts_and_a_saved_state_change_no_byte(seed, n, cuts):
    data, parts = made_up(seed, n), pieces(n, cuts)
    whole = fed(Prequential(CLASSES, **SETTINGS), data, [slice(0, n)])
    assert same_bytes(fed(Prequential(CLASSES, **SETTINGS), data, parts), whole)

    first = fed(Prequential(CLASSES, **SETTINGS), data, parts[:1])
    saved = first.state()
    fed(first, data, parts[1:])
    for _ in range(2):  # neither who gave nor who took the state has changed it
        second = Prequential(CLASSES, **SETTINGS)
        second.restore(saved)
        fed(second, data, parts[1:])
        assert same_bytes(second, whole)
    assert second.as_dict() == whole.as_dict()


@given(seed=st.integers(0, 10**6), n=st.integers(0, 60), cut=st.integers(0, 60))
def test_what_is_returned_is_what_was_scored(seed, n, cut):
    predictions, labels, _ = made_up(seed, n)
    scores = Prequential(CLASSES, warm_up=4)
    parts = [scores.update(predictions[part], labels[part]) for part in pieces(n, [cut])]
    positions, errors = (np.concatenate(column) for column in zip(*parts, strict=True))
    expected = [i for i in range(n) if predictions[i] >= 0 and labels[i] >= 0][4:]
    assert positions.tolist() == expected
    assert errors.tolist() == [predictions[i] != labels[i] for i in expected]


def test_kappa_and_confusion_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    labels = rng.choice(4, 500, p=[0.6, 0.3, 0.1, 0])
    predictions = np.where(rng.random(500) < 0.5, labels, rng.integers(0, 3, 500))
    scores = Prequential(4, window=120)
    scores.update(predictions, labels)
    report = scores.as_dict()
    assert report["kappa"] == pytest.approx(cohen_kappa_score(labels, predictions), abs=1e-6)
    assert report["window"]["kappa"] == pytest.approx(cohen_kappa_score(labels[-120:], predictions[-120:]), abs=1e-6)
    assert report["confusion"] == confusion_matrix(labels, predictions, labels=range(4)).tolist()
    assert report["recall"][3] is None
    with warnings.catch_warnings():  # where scikit-learn has no number, None
        warnings.simplefilter("ignore")
        assert math.isnan(cohen_kappa_score([1, 1], [1, 1]))
    one = Prequential(4)
    one.update(np.array([1, 1]), np.array([1, 1]))
    assert one.as_dict()["kappa"] is None


def test_kappa_and_accuracy_are_those_of_river():
    metrics, utils = pytest.importorskip("river.metrics"), pytest.importorskip("river.utils")
    predictions, labels, _ = made_up(5, 300)
    known = [(int(y), int(p)) for y, p in zip(labels, predictions, strict=True) if y >= 0 and p >= 0]
    kappa, recent = metrics.CohenKappa(), utils.Rolling(metrics.Accuracy, window_size=50)
    for y, p in known:
        kappa.update(y, p)
        recent.update(y, p)
    scores = Prequential(CLASSES, window=50)
    scores.update(predictions, labels)
    report = scores.as_dict()
    assert report["kappa"] == pytest.approx(kappa.get(), abs=1e-6)
    assert report["window"]["accuracy"] == pytest.approx(recent.get(), abs=1e-6)


def test_a_case_by_hand():
    scores = Prequential(2, fading=0.5, window=2)
    scores.update(np.array([0, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 1]))
    report = scores.as_dict()
    assert report["accuracy"] == 0.8
    assert report["no_change_accuracy"] == 0.6  # the first has no label before, the third has another
    assert report["kappa_temporal"] == 0.5  # (0.8 - 0.6) / (1 - 0.6)
    assert report["kappa"] == pytest.approx((0.8 - 0.48) / (1 - 0.48), abs=1e-6)  # 3/5 * 2/5 + 2/5 * 3/5
    assert report["majority_accuracy"] == 0.6
    assert report["fading_accuracy"] == pytest.approx((1 + 0.25 + 0.125 + 0.0625) / 1.9375, abs=1e-6)
    assert report["window"]["accuracy"] == 0.5
    assert report["window"]["kappa_temporal"] is None  # the no-change classifier makes no error in it


def slow_curve(points, positions, times, scored, errors, fractions):
    """All bins from all samples: the size is the least power of two that fits."""
    n, size = len(positions), 1
    while n > 2 * points * size:
        size *= 2
    bins = [range(start, min(start + size, n)) for start in range(0, n, size)]
    return {
        "bin_samples": size,
        "begin": [int(positions[members[0]]) for members in bins],
        "time": [float(times[members[0]]) for members in bins],
        "samples": [len(members) for members in bins],
        "scored": [int(sum(scored[i] for i in members)) for members in bins],
        "errors": [int(sum(errors[i] for i in members)) for members in bins],
        "accuracy": [
            ratio(sum(scored[i] and not errors[i] for i in members), sum(scored[i] for i in members))
            for members in bins
        ],
        "sums": {
            "energy": [float(sum(fractions[i] for i in members)) for members in bins],
            "ones": [len(m) for m in bins],
        },
    }


@given(seed=st.integers(0, 10**6), n=st.integers(0, 100), points=st.integers(1, 6), cuts=st.lists(st.integers(0, 100)))
def test_a_curve_sums_every_sample_once(seed, n, points, cuts):
    rng = np.random.default_rng(seed)
    scored = rng.random(n) < 0.7
    errors = scored & (rng.random(n) < 0.5)
    data = (np.arange(n) * 3, np.arange(n) / 8, scored, errors)
    fractions = rng.random(n)
    curve = Curve(points)
    for part in pieces(n, cuts):
        curve.add(*(column[part] for column in data), {"energy": fractions[part], "ones": 1})
    report, expected = curve.as_dict(), slow_curve(points, *data, fractions)
    if n == 0:
        assert report.pop("sums") == {}
        expected.pop("sums")
    assert alike(report, expected), (report, expected)
    assert len(curve) <= 2 * points
    assert n < 2 * points or len(curve) > points


def test_memory_does_not_grow_with_the_stream():
    scores, sizes = Prequential(CLASSES, **SETTINGS), set()
    for seed in range(30):
        fed(scores, made_up(seed, 100), [slice(0, 100)])
        sizes.add(sum(sys.getsizeof(array.tobytes()) for array in scores.state().values()))
    assert len(sizes) == 1


def test_reports_are_json_without_times_where_none_are_known():
    scores = Prequential(2)
    scores.update(np.array([0, 1]), np.array([0, 0]))
    report = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert report["curve"]["time"] == [None, None]
    assert report["curve"]["begin"] == [0, 1]


def test_fading_is_the_recurrence_from_where_it_stood():
    values = np.array([1, 0, 1, 1])
    whole = fade(values, 0.999, 0.25)
    assert whole.tolist() == [*fade(values[:2], 0.999, 0.25), *fade(values[2:], 0.999, whole[1])]
    assert whole[0] == 1 + 0.999 * 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_classes": 0}, "0 classes"),
        ({"n_classes": 2, "fading": 0.0}, "fading factor 0.0"),
        ({"n_classes": 2, "fading": 1.5}, "fading factor 1.5"),
        ({"n_classes": 2, "window": 0}, "a window of 0"),
        ({"n_classes": 2, "warm_up": -1}, "a warm-up of -1"),
        ({"n_classes": 2, "curve_points": 0}, "0 curve points"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=f"^{message} .*give"):
        Prequential(**settings)


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [([0, 2], [0, 1], "prediction 2 of sample 4 "), ([0, 1], [-2, 1], "label -2 of sample 3 ")],
)
def test_classes_out_of_range_are_refused_and_change_nothing(predictions, labels, message):
    scores = Prequential(2)
    scores.update(np.array([0, 1, 1]), np.array([0, 0, 1]))
    before = scores.as_dict()
    with pytest.raises(UserError, match=f"^{message}.*allowed: 0 to 1, -1"):
        scores.update(np.array(predictions), np.array(labels))
    assert scores.as_dict() == before


@pytest.mark.parametrize("extra", [{}, {"events": 1.5}, {"other": 1}, {"events": 1, "other": 1}])
def test_a_block_with_other_quantities_is_refused_and_changes_nothing(extra):
    scores = Prequential(2)
    scores.update(np.array([0]), np.array([0]), {"events": 3})
    before = scores.as_dict()
    with pytest.raises(UserError, match=r"^the curve sums events"):
        scores.update(np.array([0]), np.array([1]), extra)
    assert scores.as_dict() == before


@pytest.mark.parametrize(
    "other", [{"n_classes": 4}, {"fading": 0.8}, {"window": 8}, {"warm_up": 0}, {"curve_points": 4}]
)
def test_a_state_of_other_settings_is_refused(other):
    saved = Prequential(**{"n_classes": CLASSES} | SETTINGS).state()
    with pytest.raises(UserError, match=r"^the state holds .* continue with the settings"):
        Prequential(**{"n_classes": CLASSES} | SETTINGS | other).restore(saved)
