"""For all settings, scores and cuts of a stream: the kernel of the detector does what the oracle does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.network.kernels import detector as kernel
from edgelearn.network.kernels import detector_tables as d
from edgelearn.streaming.detector import LEARN_WHILE, PHASES, SCORES, THRESHOLDS, AnomalyDetector, DetectorSpec
from tests.naive.detector import LARGEST_SCORE
from tests.target_pairs import naive_detector

SCALES = (1, 3, 50, 2000, 2**20, 2**32)


@st.composite
def detectors(draw) -> DetectorSpec:
    return DetectorSpec(
        train_rows=draw(st.integers(0, 12)),
        threshold_rows=draw(st.integers(1, 40)),
        score=draw(st.sampled_from(SCORES)),
        smoothing=draw(st.integers(0, 12)),
        threshold=draw(st.sampled_from(THRESHOLDS)),
        quantile=draw(st.sampled_from([0, 1, 5000, 9000, 9500, 9750, 9900, 9999, 10_000]) | st.integers(0, 10_000)),
        factor=draw(st.sampled_from([1, 8, 16, 24, 32, 4095])),
        follow=draw(st.sampled_from([0, 0, 4, 5, 12])),
        learn_while=draw(st.sampled_from(LEARN_WHILE)),
    )


def scores_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw scores with stretches of larger ones, of nothing, and of none that differ."""
    scores = rng.integers(0, rng.choice(SCALES), n)
    for _ in range(3):
        first, last = sorted(rng.integers(0, n + 1, 2))
        scores[first:last] = scores[first:last] * rng.integers(0, 5) + rng.integers(0, 3)
    return np.minimum(scores, LARGEST_SCORE + 5)


@given(spec=detectors(), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 150), data=st.data())
def test_rows_thresholds_and_alarms_equal_the_oracle_wherever_a_stream_is_cut(spec, seed, n, data):
    scores = scores_of(np.random.default_rng(seed), n)
    naive, detector = naive_detector(spec), AnomalyDetector(spec)
    expected, closed = [], []
    for score in scores.tolist():
        row = naive.judge(naive.score([score], [0]) if not naive.squared else min(score, LARGEST_SCORE))
        expected.append([row.score, row.smoothed, row.threshold, PHASES.index(row.phase), row.alarm])
        closed.append(naive.gates(row))
    cuts = sorted(data.draw(st.sets(st.integers(0, n), max_size=3)) | {0, n})
    found, found_closed = [], []
    for first, last in pairwise(cuts):
        resumed = AnomalyDetector(spec)
        resumed.restore({name: array.copy() for name, array in detector.save().items()})
        detector, arrays = resumed, resumed.arrays(last - first)
        found_closed += [bool(kernel.judge_row(int(score), s, arrays)) for s, score in enumerate(scores[first:last])]
        found += arrays.rows.tolist()
    assert found == expected
    assert found_closed == closed
    assert detector.state[d.ROWS] == naive.rows == n
    if naive.phase == "detect":
        assert detector.state[d.LIMIT] == naive.limit
        if naive.deviations:
            assert (detector.state[d.MEAN], detector.state[d.DEVIATION]) == (naive.mean, naive.deviation)
        else:
            assert detector.state[d.BASE] == naive.base


@given(spec=detectors())
def test_rows_that_may_be_learned_equal_the_oracle(spec):
    naive, detector = naive_detector(spec), AnomalyDetector(spec)
    for _ in range(spec.train_rows + spec.threshold_rows + 2):
        arrays = detector.arrays(1)
        assert bool(kernel.may_learn(arrays)) == naive.may_learn
        naive.judge(0)
        kernel.judge_row(0, 0, arrays)


@given(spec=detectors(), errors=st.lists(st.tuples(st.integers(-(2**15), 2**15 - 1), st.integers(-(2**15), 2**15 - 1))))
def test_terms_of_scores_add_up_to_those_of_the_oracle(spec, errors):
    naive = naive_detector(spec)
    outputs, targets = [y for y, _ in errors], [t for _, t in errors]
    total = sum(int(kernel.score_term(y - t, naive.squared)) for y, t in errors)
    assert min(total, LARGEST_SCORE) == naive.score(outputs, targets)
