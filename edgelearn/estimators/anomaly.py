"""EdgeAnomalyDetector: an integer autoencoder, implementing scikit-learn's outlier and river's anomaly interfaces."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from edgelearn.config import shown
from edgelearn.errors import UserError
from edgelearn.estimators.graded import CHUNK, GradedModel
from edgelearn.network.graded import RECONSTRUCT

ONE = 256  # 1.0 of an output


class EdgeAnomalyDetector(OutlierMixin, GradedModel):  # type: ignore[misc]
    """Anomaly detection in sensor data: an integer network that learns to reconstruct its inputs.

    A front end follows mean and deviation of each feature and turns values into input levels; a network with a narrow
    hidden layer learns to give them back. The score of a sample is the sum of absolute errors of its levels, the
    highest level being 1.0.

    Parameters
    ----------
    rule : str, default="dfa"
        Learning rule, see `edgelearn rules`, or one per hidden layer, e.g. "dfa+drtp".
    bits : int, default=8
        Bits of a weight, 2 to 16.
    hidden : tuple of int, int or None, default=None
        Hidden neurons of each layer; None for half of the inputs, at least 2.
    rounding : str, default="residual"
        "residual", "stochastic" or "nearest".
    activation : str, default="tanh"
        "tanh", "hard-tanh", "quadratic-tanh", "relu" or "leaky".
    feedback : str, default="int8"
        Feedback weights: "int8", "ternary", "sign" or "lfsr".
    hidden_rate, output_rate : int or None, default=-6, -5
        Exponents of two of the learning rates; None for those of the rule.
    encoder : str, default="signed"
        "signed", "levels", "on-off", "threshold" or "delta".
    input_bits : int, default=8
        Bits of an input level, its sign included, 1 to 8.
    time_constant : int, default=8
        Means and deviations follow the last 2^time_constant samples.
    reach : int, default=8
        Mean absolute deviations of a feature that the highest level stands for.
    contamination : float or "auto", default="auto"
        Share of the samples of `fit` that are outliers, above 0 and at most 0.5; "auto" for 0.1.
    processor : str, default="engine-28nm"
        What `cost_` is priced on: a name, or a .toml file.
    epochs : int, default=5
        Passes of `fit` over its samples.
    shuffle : bool, default=True
        Whether `fit` learns its samples in an order of its own in each epoch.
    random_state : int, RandomState instance or None, default=0
        Seed of weights, feedback, order and rounding.

    Attributes
    ----------
    offset_ : float
        What `decision_function` subtracts from `score_samples`: samples below it are outliers.
    n_features_in_ : int
        Features of a sample.
    spec_ : NetworkSpec
        The network.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 1)) * [1.0, 2.0, -1.0] + rng.normal(size=(400, 3)) * 0.05
    >>> model = EdgeAnomalyDetector(contamination=0.01).fit(x)
    >>> model.predict([[1.0, 2.0, -1.0], [1.0, -2.0, 3.0]]).tolist()
    [1, -1]
    """

    def __init__(
        self,
        rule: str = "dfa",
        bits: int = 8,
        hidden: tuple[int, ...] | int | None = None,
        *,
        rounding: str = "residual",
        activation: str = "tanh",
        feedback: str = "int8",
        hidden_rate: int | None = -6,
        output_rate: int | None = -5,
        encoder: str = "signed",
        input_bits: int | None = 8,
        time_constant: int = 8,
        reach: int = 8,
        contamination: float | str = "auto",
        processor: str = "engine-28nm",
        epochs: int = 5,
        shuffle: bool = True,
        random_state: Any = 0,
    ) -> None:
        self.rule = rule
        self.bits = bits
        self.hidden = hidden
        self.rounding = rounding
        self.activation = activation
        self.feedback = feedback
        self.hidden_rate = hidden_rate
        self.output_rate = output_rate
        self.encoder = encoder
        self.input_bits = input_bits
        self.time_constant = time_constant
        self.reach = reach
        self.contamination = contamination
        self.processor = processor
        self.epochs = epochs
        self.shuffle = shuffle
        self.random_state = random_state

    offset_: float

    def fit(self, X: Any, y: Any = None) -> Self:
        """Start anew, learn samples `epochs` times, and set the offset by their scores.

        Parameters
        ----------
        X : array-like [n, n_features], NaN where a value is missing
        y : not read

        Raises
        ------
        UserError
            "contamination ...", "setting ..."; ValueError for arrays that scikit-learn refuses.
        """
        share, epochs = self._contamination(), self._epochs()
        x = self._checked(X, reset=True)
        self._start(x.shape[1], RECONSTRUCT)
        self._settle(x)
        relative = self._relative(x)
        for epoch in range(epochs):
            self._learn(relative, self._order(len(x), epoch))
        self.offset_ = float(np.percentile(-self._scores(relative), 100 * share))
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn samples once, in their order; the offset stays, or is set by the first samples.

        Parameters
        ----------
        X : array-like [n, n_features], NaN where a value is missing
        y : not read
        """
        first = not self.__sklearn_is_fitted__()
        share = self._contamination()
        x = self._checked(X, reset=first)
        if first:
            self._start(x.shape[1], RECONSTRUCT)
        self._settle(x)
        self._learn(self._relative(x), np.arange(len(x)))
        if first:
            self.offset_ = float(np.percentile(-self._scores(self._relative(x)), 100 * share))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the opposite of the score of samples, float64[n]: the lower, the more abnormal."""
        check_is_fitted(self)
        return -self._scores(self._relative(self._checked(X)))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return `score_samples` less the offset, float64[n]: below zero for outliers."""
        found: np.ndarray = self.score_samples(X) - self.offset_
        return found

    def predict(self, X: Any) -> np.ndarray:
        """Return 1 for inliers and -1 for outliers, int64[n], without learning."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    # river

    def learn_one(self, x: Mapping[Hashable, Any]) -> None:
        """Learn one sample, features by name."""
        first = not self.__sklearn_is_fitted__()
        values = self._named(x, first)
        if first:
            self._begin_named(x)
            self._start(values.shape[1], RECONSTRUCT)
            self.offset_ = 0.0
        self._settle(values)
        self._learn(self._relative(values), np.zeros(1, np.int64))

    def score_one(self, x: Mapping[Hashable, Any]) -> float:
        """Return the score of one sample: the higher, the more abnormal; 0 before anything was learned."""
        if not self.__sklearn_is_fitted__():
            return 0.0
        return float(self._scores(self._relative(self._named(x, first=False)))[0])

    # inside

    def _hidden(self, n_inputs: int) -> tuple[int, ...]:
        return (max(n_inputs // 2, 2),) if self.hidden is None else super()._hidden(n_inputs)

    def _contamination(self) -> float:
        given = self.contamination
        if isinstance(given, str) and given == "auto":
            return 0.1
        if isinstance(given, int | float | np.number) and 0 < given <= 0.5:
            return float(given)
        raise UserError(f"contamination {shown(given)} cannot be used; give a share above 0 and at most 0.5, or 'auto'")

    def _scores(self, x: np.ndarray) -> np.ndarray:
        """Return the sum of absolute errors of each sample, float64[n]."""
        levels = self._front_end.encode(x)
        shift = self.spec_.target_shift
        targets = np.minimum(levels.astype(np.int64) << shift, ONE - 1)
        found: np.ndarray = np.abs(self._outputs(x) - targets).sum(axis=1) / ONE
        return found

    def _learn(self, x: np.ndarray, order: np.ndarray) -> None:
        for first in range(0, len(order), CHUNK):
            part = order[first : first + CHUNK]
            self._learner.learn_targets(self._front_end.rows(x[part], np.zeros(len(part), np.int64)).levels)
