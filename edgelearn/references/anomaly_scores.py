"""Anomaly scores of known methods without labels, on one protocol: learn the first rows, score all of them.

A row of `BASELINES` scores a recording: its first `n_train` rows are learned and taken as normal, and a higher score
is less normal. The score of a row depends on no later one, and the scores of the first `n_train` rows are those of
rows that were learned. A threshold is left to the caller, so that all methods can have the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgelearn.errors import UserError, install

Scores = NDArray[np.float64]
SMALLEST_DEVIATION = 1e-9
EXPLAINED = 0.9  # share of the variance that the components of T-squared explain
LIMIT_QUANTILE = 0.99  # of T-squared and Q of the learned rows, which brings both to one scale
N_TREES, HEIGHT, WINDOW = 25, 8, 100  # of half-space trees


@dataclass(frozen=True)
class Baseline:
    """A method with its name in tables, what it does, and its source.

    Parameters
    ----------
    score : rows float64[n, n_channels], n_train and a seed -> scores float64[n]
    """

    name: str
    description: str
    source: str
    score: Callable[[Scores, int, int], Scores]


def standardise(rows: Scores, n_train: int) -> Scores:
    """Return rows in deviations from the mean of the first n_train of them; constant channels stay 0 while constant."""
    mean, deviation = rows[:n_train].mean(0), rows[:n_train].std(0)
    scaled: Scores = (rows - mean) / np.where(deviation < SMALLEST_DEVIATION, 1.0, deviation)
    return scaled


def z_score(rows: Scores, n_train: int, seed: int = 0) -> Scores:
    """Score by the mean absolute deviation of the channels from their learned means, in learned deviations.

    Example
    -------
    >>> z_score(np.array([[1.0], [3.0], [2.0], [5.0]]), 2).tolist()
    [1.0, 1.0, 0.0, 3.0]
    """
    scores: Scores = np.abs(standardise(rows, n_train)).mean(1)
    return scores


def moving_z_score(rows: Scores, n_train: int, seed: int = 0) -> Scores:
    """Score by the mean absolute deviation from the mean of the n_train rows before, in their deviations; no learning.

    The first rows have all rows before them, and the first two score 0.
    """
    n = len(rows)
    shifted = rows - rows[:1]  # sums of squares keep their digits
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(shifted, 0)])
    squares = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(shifted**2, 0)])
    stop = np.arange(n)
    start = np.maximum(0, stop - n_train)
    count = np.maximum(1, stop - start)[:, None]
    mean = (sums[stop] - sums[start]) / count
    variance = (squares[stop] - squares[start]) / count - mean**2
    deviation = np.sqrt(np.maximum(variance, 0))
    z = np.abs(shifted - mean) / np.where(deviation < SMALLEST_DEVIATION, 1.0, deviation)
    z[:2] = 0
    scores: Scores = z.mean(1)
    return scores


def t_squared_and_q(rows: Scores, n_train: int, seed: int = 0) -> Scores:
    """Score by the larger of Hotelling's T-squared and Q of a principal component analysis, each over its own limit.

    Components explain 90 % of the variance of the learned rows; a limit is the 0.99 quantile of the learned rows.

    Source: Jackson, Mudholkar, Control procedures for residuals associated with principal component analysis, 1979.
    """
    from sklearn.decomposition import PCA  # type: ignore[import-untyped,unused-ignore]

    scaled = standardise(rows, n_train)
    model = PCA(n_components=EXPLAINED, svd_solver="full").fit(scaled[:n_train])
    parts = model.transform(scaled)
    t_squared = (parts**2 / np.maximum(model.explained_variance_, SMALLEST_DEVIATION)).sum(1)
    q = ((scaled - model.inverse_transform(parts)) ** 2).sum(1)
    limits = [max(float(np.quantile(one[:n_train], LIMIT_QUANTILE)), SMALLEST_DEVIATION) for one in (t_squared, q)]
    scores: Scores = np.maximum(t_squared / limits[0], q / limits[1])
    return scores


def isolation_forest(rows: Scores, n_train: int, seed: int = 0) -> Scores:
    """Score by scikit-learn's isolation forest of 100 trees.

    Source: Liu, Ting, Zhou, Isolation forest, ICDM 2008.
    """
    from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped,unused-ignore]

    scores: Scores = -IsolationForest(random_state=seed).fit(rows[:n_train]).score_samples(rows)
    return scores


def half_space_trees(rows: Scores, n_train: int, seed: int = 0) -> Scores:
    """Score by river's half-space trees, 25 of height 8, on values scaled to the range of the learned rows.

    A row is scored before it is learned; rows behind the first n_train are not learned.

    Source: Tan, Ting, Liu, Fast anomaly detection for streaming data, IJCAI 2011.

    Raises
    ------
    UserError
        "half-space trees need the package river ..."
    """
    try:
        from river.anomaly import HalfSpaceTrees  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise UserError(f"half-space trees need the package river; run `{install('streams', 'river')}`") from None
    low, high = rows[:n_train].min(0), rows[:n_train].max(0)
    scaled = np.clip((rows - low) / np.where(high > low, high - low, 1.0), 0, 1)
    window = min(WINDOW, max(1, n_train // 2))  # one window at least is learned before the first score
    forest = HalfSpaceTrees(n_trees=N_TREES, height=HEIGHT, window_size=window, seed=seed)
    scores = np.zeros(len(rows))
    for number, row in enumerate(scaled.tolist()):
        x = dict(enumerate(row))
        scores[number] = forest.score_one(x)
        if number < n_train:
            forest.learn_one(x)
    return scores


BASELINES = (
    Baseline("z-score", "distance from the mean of the learned rows", "", z_score),
    Baseline("moving z-score", "distance from the mean of the rows before", "", moving_z_score),
    Baseline("T-squared + Q", "principal components", "scikit-learn", t_squared_and_q),
    Baseline("isolation forest", "depth in 100 random trees", "scikit-learn", isolation_forest),
    Baseline("half-space trees", "mass in 25 random trees, online", "river", half_space_trees),
)
