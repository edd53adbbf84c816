"""Runs on one data set whose networks are replicas: epochs side by side, see `edgelearn.network.replicas`."""

from __future__ import annotations

from collections.abc import Sequence

from edgelearn.network.kernels.arrays import REPLICAS
from edgelearn.network.replicas import Replicas, are_replicas
from edgelearn.runs.epochs import Epochs


def learn_together(works: Sequence[Epochs]) -> bool:
    """Take runs that have not begun through all their epochs; return whether they can be.

    Their words, predictions and counts are those of single runs. They can be where `are_replicas` says so and all have
    the same levels, as runs with shared data have, and where steps are products that kernels of replicas round.
    """
    first, learners = works[0], [work.learner for work in works]
    shared = all(work.levels is first.levels and work.test_levels is first.test_levels for work in works)
    alike = len({(work.epochs, work.halve_every) for work in works}) == 1
    if not shared or not alike or len(works) > REPLICAS or any(learner.strict for learner in learners):
        return False
    if not are_replicas([learner.spec for learner in learners]):
        return False
    replicas = Replicas(learners, [work.seed for work in works])
    together = replicas.fits and replicas.have_room(first.levels) and replicas.have_room(first.test_levels)
    if not together:
        return False
    for parts in zip(*(work.chunks() for work in works), strict=True):
        if together and not replicas.fits:  # rates have been halved too often
            replicas.store()
            together = False
        if not together:
            for work, part in zip(works, parts, strict=True):
                work.advance(part)
            continue
        labels = [work.labels[part] for work, part in zip(works, parts, strict=True)]
        predicted = replicas.learn(first.levels, labels, parts)
        ends = [work.count(part, own) for work, part, own in zip(works, parts, predicted, strict=True)]
        if ends[0]:
            for work, own in zip(works, replicas.predict(first.test_levels), strict=True):
                work.end_epoch(own)
    if together:
        replicas.store()
    return True
