"""Networks with graded targets and the oracle, built from one specification and fed the same rows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise

import numpy as np

from edgelearn.network.counters import ACTIVITY, Counters
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import NetworkSpec
from edgelearn.streaming.detector import PHASES, AnomalyDetector, DetectorSpec
from tests.naive.detector import NaiveDetector
from tests.naive.targets import NaiveTargetNetwork
from tests.oracle_pairs import assert_counts, assert_words, naive_twin, sample_activity


def naive_detector(spec: DetectorSpec) -> NaiveDetector:
    return NaiveDetector(
        train=spec.train_rows,
        threshold=spec.threshold_rows,
        smoothing=spec.smoothing,
        quantile=spec.quantile,
        factor=spec.factor,
        follow=spec.follow,
        squared=spec.score == "squared",
        deviations=spec.threshold == "deviation",
        learn_while=spec.learn_while,
    )


def assert_target_twins(
    spec: NetworkSpec,
    levels: np.ndarray,
    targets: np.ndarray | None,
    halvings: int = 0,
    prepare: Callable[[Learner], None] = lambda learner: None,
    learned: np.ndarray | None = None,
    detector: DetectorSpec | None = None,
    cuts: Collection[int] = (),
) -> NaiveTargetNetwork:
    """Take rows on both sides; words, outputs, scores, alarms and counts must be equal. Return the oracle.

    Parameters
    ----------
    learned : bool[n], rows that are learned, all of them by default; others are rows without a label
    cuts : rows at which a call ends: words, counters and detector are saved, and loaded into new objects
    """
    learner = Learner(spec)
    prepare(learner)
    naive = naive_twin(learner)
    assert isinstance(naive, NaiveTargetNetwork)
    learner.set_halvings(halvings)
    naive.halvings = halvings
    judge = None if detector is None else AnomalyDetector(detector)
    naive.detector = None if detector is None else naive_detector(detector)
    wanted = np.ones(len(levels), bool) if learned is None else learned
    steps = steps_of(np.where(wanted, 0, t.NO_LABEL))
    activity = [Counters.zeros(len(spec.layers)) for _ in range(2)]
    for first, last in pairwise(sorted({0, *cuts, len(levels)})):
        learner, judge = _reloaded(learner, judge)
        arrays = None if judge is None else judge.arrays(last - first)
        part = steps_of(steps[first:last, t.LABEL])
        given = None if targets is None else targets[first:last]
        outcome = learner.run_steps(levels[first:last], part, targets=given, outputs=True, detector=arrays)
        expected, statuses, rows = [], [], []
        for row in range(first, last):
            words = None if targets is None else targets[row].tolist()
            expected.append(naive.take(levels[row].tolist(), words, bool(wanted[row])))
            statuses.append((t.GATED if naive.gated else t.LEARNED) if naive.labelled else 0)
            activity[not naive.labelled] += sample_activity(naive, 0 if naive.labelled else t.NO_LABEL)
            if (one := naive.judged) is not None:
                rows.append([one.score, one.smoothed, one.threshold, PHASES.index(one.phase), one.alarm])
        assert outcome.outputs.tolist() == expected
        assert outcome.statuses.tolist() == statuses
        assert arrays is None or arrays.rows.tolist() == rows
        assert_words(learner, naive)
    assert_counts(learner, naive)
    assert learner.counters.only(ACTIVITY) == activity[0]
    assert learner.inference_counters.only(ACTIVITY) == activity[1]
    return naive


def _reloaded(learner: Learner, judge: AnomalyDetector | None) -> tuple[Learner, AnomalyDetector | None]:
    """Return new objects with the state of others, as a stream that is resumed has them."""
    another = Learner(learner.spec)
    another.restore({name: array.copy() for name, array in learner.save().items()})
    if judge is None:
        return another, None
    resumed = AnomalyDetector(judge.spec)
    resumed.restore({name: array.copy() for name, array in judge.save().items()})
    return another, resumed
