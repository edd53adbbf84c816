"""The anomaly detector against section 12 of the contract, in plain integers and one row after another."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.kernels import detector as kernel
from edgelearn.network.kernels import detector_tables as d
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec


def rn(x: int, s: int) -> int:
    return x if s == 0 else (x + 2 ** (s - 1)) // 2**s


def by_hand(spec: DetectorSpec, scores: list[int]) -> tuple[list[list[int]], list[bool]]:
    """Return the rows, and whether an alarm keeps each from being learned, from the text of the contract."""
    rows, closed, collected, m = [], [], [], 0
    limit = base = mean = deviation = 0
    u = v = 0
    for r, given in enumerate(scores):
        s = min(given, 2**32 - 1)
        m = 256 * s if r == 0 else m + rn(256 * s - m, spec.smoothing)
        row, n = [s, m, 0, 1 + (r >= spec.train_rows) + (r >= spec.train_rows + spec.threshold_rows), 0], len(collected)
        if row[3] == 2:
            u += m
            v += abs(m - u // (n + 1))
            collected.append(m)
            if n + 1 == spec.threshold_rows:
                mean, deviation = u // (n + 1), v // (n + 1)
                k = min(n + 1, 1 + (n + 1) * (10_000 - spec.quantile) // 10_000)
                base = 2**8 * sorted(collected)[-k]
        if row[3] == 3:
            row[2], row[4] = limit, int(m > limit)
            if spec.follow and not row[4]:
                step = base // 2**spec.follow
                more = step * spec.quantile // 10_000
                base += more if 256 * m > base else -(step * (10_000 - spec.quantile) // 10_000)
                distance = m - mean
                deviation += rn(abs(distance) - deviation, spec.follow)
                mean += rn(distance, spec.follow)
        if row[3] > 1:
            limit = (
                rn(base * spec.factor, 12) if spec.threshold == "quantile" else mean + rn(deviation * spec.factor, 4)
            )
        rows.append(row)
        closed.append(bool(row[4]) and spec.learn_while == "normal")
    return rows, closed


SPECS = [
    DetectorSpec(5, 40, smoothing=0, quantile=10_000, factor=16, learn_while="normal"),
    DetectorSpec(0, 1, smoothing=3, quantile=0, follow=4),
    DetectorSpec(30, 100, smoothing=4, quantile=9_000, factor=20, follow=6, learn_while="always"),
    DetectorSpec(7, 64, smoothing=2, threshold="deviation", factor=48, learn_while="never"),
    DetectorSpec(7, 64, smoothing=12, threshold="deviation", factor=4095, follow=5, learn_while="normal"),
    DetectorSpec(100, 300, score="squared", smoothing=5, quantile=500, factor=24),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_rows_are_those_of_the_contract(spec):
    random = np.random.default_rng(3)
    for scale in (30, 2**33):
        scores = random.integers(0, scale, 600)
        scores[450:500] *= 3
        detector = AnomalyDetector(spec)
        arrays = detector.arrays(len(scores))
        closed = [kernel.judge_row(int(score), s, arrays) for s, score in enumerate(scores)]
        rows, expected = by_hand(spec, scores.tolist())
        assert arrays.rows.tolist() == rows
        assert closed == expected
        assert detector.state[d.ALARMS] == sum(row[4] for row in rows)
        assert detector.state[d.SATURATED] == np.count_nonzero(scores > 2**32 - 1)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_state_continues_at_every_row(spec):
    scores = np.random.default_rng(5).integers(0, 1000, 500)
    whole = AnomalyDetector(spec)
    rows = whole.take(scores)
    for place in (0, 3, 30, 99, 120, 499):
        first, second = AnomalyDetector(spec), AnomalyDetector(spec)
        before = first.take(scores[:place])
        second.restore(copy.deepcopy(first.save()))
        assert np.array_equal(np.concatenate([before, second.take(scores[place:])]), rows)
        assert all(np.array_equal(second.save()[key], value) for key, value in whole.save().items())


def test_rows_that_may_be_learned_by_phase():
    for learn_while, in_detect in (("normal", True), ("always", True), ("never", False)):
        detector = AnomalyDetector(DetectorSpec(2, 3, learn_while=learn_while))
        may = []
        for _ in range(7):
            may.append(bool(kernel.may_learn(detector.arrays(1))))
            detector.take([1])
        assert may == [True, True, False, False, False, in_detect, in_detect]
        assert (detector.settings[d.LEARN_WHILE] == d.LEARN_ALWAYS) == (learn_while == "always")


def test_threshold_and_phase_are_told():
    detector = AnomalyDetector(DetectorSpec(1, 2, smoothing=0, quantile=10_000, factor=32))
    assert (detector.phase, detector.threshold) == ("train", None)
    detector.take([9])
    assert (detector.phase, detector.threshold) == ("threshold", None)
    detector.take([4, 6])
    assert (detector.phase, detector.threshold) == ("detect", 12.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"score": "cubed"}, "score 'cubed'"),
        ({"threshold": "mean"}, "threshold 'mean'"),
        ({"smoothing": 13}, "smoothing 13 is out of range; give 0 to 12"),
        ({"follow": 3}, "follow 3 is out of range; give 0 for a fixed threshold, or 4 to 12"),
        ({"threshold_rows": 100_000, "quantile": 5_000}, "50,001 largest scores, and 4,096 are kept at most"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(UserError, match=re.escape(words)):
        DetectorSpec(**({"train_rows": 1, "threshold_rows": 10} | settings))
