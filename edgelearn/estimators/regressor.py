"""EdgeRegressor: integer online network for numbers, implementing the scikit-learn and river interfaces."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from edgelearn.errors import UserError
from edgelearn.estimators.features import in_order
from edgelearn.estimators.graded import CHUNK, GradedModel
from edgelearn.network.graded import REGRESSION
from edgelearn.streaming.front_end import UNSEEN, WORD_BITS, FrontEnd, FrontEndSpec

TARGET_BITS, TARGET_REACH = 8, 4  # levels of targets; mean absolute deviations that the highest level stands for


class EdgeRegressor(RegressorMixin, GradedModel):  # type: ignore[misc]
    """Regression of sensor data: an integer network that learns numbers sample by sample.

    Two front ends follow mean and deviation of each feature, and of each target; values become levels. Errors beyond 4
    mean absolute deviations of a target are clipped, predictions end at 8. `fit` takes the statistics of
    all targets, `partial_fit` and `learn_one` those at hand.

    Parameters
    ----------
    rule : str, default="dfa"
        Learning rule, see `edgelearn rules`, or one per hidden layer, e.g. "dfa+drtp".
    bits : int, default=8
        Bits of a weight, 2 to 16.
    hidden : tuple of int, or int for one layer, default=(64,)
        Hidden neurons of each layer; () for none.
    learn : str, default="all"
        Words that learn, as of `EdgeClassifier`.
    rounding : str, default="residual"
        "residual", "stochastic" or "nearest".
    activation : str, default="tanh"
        "tanh", "hard-tanh", "quadratic-tanh", "relu" or "leaky".
    feedback : str, default="int8"
        Feedback weights: "int8", "ternary", "sign" or "lfsr".
    hidden_rate, output_rate : int or None, default=None
        Exponents of two of the learning rates; None for those of the rule for numbers.
    dead_zone : int, default=0
        Errors of at most this size (of 256, which is 4 mean absolute deviations) are zero.
    encoder : str, default="signed"
        "signed", "levels", "on-off", "threshold" or "delta".
    input_bits : int, default=None
        Bits of an input level, its sign included, 1 to 8; 8 if None.
    time_constant : int, default=8
        Means and deviations follow the last 2^time_constant samples.
    reach : int, default=3
        Mean absolute deviations of a feature that the highest level stands for.
    processor : str, default="engine-28nm"
        What `cost_` is priced on: a name, or a .toml file.
    epochs : int, default=10
        Passes of `fit` over its samples.
    shuffle : bool, default=True
        Whether `fit` learns its samples in an order of its own in each epoch.
    random_state : int, RandomState instance or None, default=0
        Seed of weights, feedback, order and rounding.

    Attributes
    ----------
    n_features_in_ : int
        Features of a sample.
    spec_ : NetworkSpec
        The network.

    Example
    -------
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> model = EdgeRegressor(hidden=(16,)).fit(x, 3 * x[:, 0] + 5)
    >>> bool(abs(model.predict([[0.5]])[0] - 6.5) < 0.5)
    True
    """

    def __init__(
        self,
        rule: str = "dfa",
        bits: int = 8,
        hidden: tuple[int, ...] | int = (64,),
        *,
        learn: str = "all",
        rounding: str = "residual",
        activation: str = "tanh",
        feedback: str = "int8",
        hidden_rate: int | None = None,
        output_rate: int | None = None,
        dead_zone: int = 0,
        encoder: str = "signed",
        input_bits: int | None = 8,
        time_constant: int = 8,
        reach: int = 3,
        processor: str = "engine-28nm",
        epochs: int = 10,
        shuffle: bool = True,
        random_state: Any = 0,
    ) -> None:
        self.rule = rule
        self.bits = bits
        self.hidden = hidden
        self.learn = learn
        self.rounding = rounding
        self.activation = activation
        self.feedback = feedback
        self.hidden_rate = hidden_rate
        self.output_rate = output_rate
        self.dead_zone = dead_zone
        self.encoder = encoder
        self.input_bits = input_bits
        self.time_constant = time_constant
        self.reach = reach
        self.processor = processor
        self.epochs = epochs
        self.shuffle = shuffle
        self.random_state = random_state

    _targets: FrontEnd
    _is_flat: bool

    def fit(self, X: Any, y: Any) -> Self:
        """Start anew and learn samples, `epochs` times.

        Parameters
        ----------
        X : array-like [n, n_features], NaN where a value is missing
        y : array-like [n] or [n, n_outputs], numbers

        Raises
        ------
        UserError
            "setting ...", and whatever cannot be built; ValueError for arrays that scikit-learn refuses.
        """
        epochs = self._epochs()
        x, y = self._taken(X, y, reset=True)
        self._begin(x.shape[1], y)
        self._settle(x)
        self._target_levels(y, adapts=True)  # statistics of all targets before the first is learned
        levels = self._target_levels(y, adapts=False)
        for epoch in range(epochs):
            self._learn(self._relative(x), levels, self._order(len(x), epoch))
        return self

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Learn samples once, in their order.

        Parameters
        ----------
        X : array-like [n, n_features], NaN where a value is missing
        y : array-like [n] or [n, n_outputs], numbers

        Raises
        ------
        UserError
            "targets ...", as `fit`
        """
        first = not self.__sklearn_is_fitted__()
        x, y = self._taken(X, y, reset=first)
        if first:
            self._begin(x.shape[1], y)
        elif y.shape[1] != self.spec_.n_outputs:
            raise UserError(f"targets are {y.shape[1]}, and {self.spec_.n_outputs} were learned before; fit anew")
        self._settle(x)
        self._learn(self._relative(x), self._target_levels(y, adapts=True), np.arange(len(x)))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the numbers of samples, float64[n] or [n, n_outputs], without learning."""
        check_is_fitted(self)
        found = self._values(self._outputs(self._relative(self._checked(X))))
        return found[:, 0] if self._is_flat else found

    # river

    def learn_one(self, x: Mapping[Hashable, Any], y: float) -> None:
        """Learn one sample, features by name and a number.

        Raises
        ------
        UserError
            "target ...", "feature ...", "features ..."
        """
        if not isinstance(y, Real) or not math.isfinite(y):
            raise UserError(f"target {y!r:.60} is no finite number; leave the sample out")
        first = not self.__sklearn_is_fitted__()
        values, target = self._named(x, first), np.array([[float(y)]])
        if first:
            self._begin_named(x)
            self._begin(values.shape[1], target, is_flat=True)
        elif self._names is None:
            self._names = tuple(getattr(self, "feature_names_in_", in_order(x)))
        self._settle(values)
        self._learn(self._relative(values), self._target_levels(target, adapts=True), np.zeros(1, np.int64))

    def predict_one(self, x: Mapping[Hashable, Any]) -> float:
        """Return the number of one sample, 0 before anything was learned."""
        if not self.__sklearn_is_fitted__():
            return 0.0
        return float(self._values(self._outputs(self._relative(self._named(x, first=False))))[0, 0])

    # inside

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, Any]:  # before scikit-learn 1.6
        return super()._more_tags() | {"multioutput": True}

    def _taken(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return X, float64[n, n_features], and y, float64[n, n_outputs], validated."""
        x, y = self._checked(X, y=y, reset=reset, multi_output=True, y_numeric=True)
        y = np.asarray(y, np.float64)
        self._is_flat = y.ndim == 1
        return x, y[:, None] if y.ndim == 1 else y

    def _begin(self, n_features: int, y: np.ndarray, is_flat: bool | None = None) -> None:
        self._start(n_features, REGRESSION, y.shape[1])
        self._is_flat = self._is_flat if is_flat is None else is_flat
        own = self._front_end.spec
        self._targets = FrontEnd(
            FrontEndSpec(
                y.shape[1],
                time_constant=own.time_constant,
                reach=TARGET_REACH,
                encoder="signed",
                input_bits=TARGET_BITS,
            )
        )

    def _target_levels(self, y: np.ndarray, adapts: bool) -> np.ndarray:
        """Return the words of targets, int16[n, n_outputs]: 254 is TARGET_REACH mean absolute deviations."""
        found = self._targets.rows(y, np.zeros(len(y), np.int64)).levels if adapts else self._targets.encode(y)
        return 2 * found.astype(np.int16)

    def _values(self, outputs: np.ndarray) -> np.ndarray:
        """Return the numbers that outputs stand for, float64[n, n_outputs]."""
        state, exponents = self._targets.state, self._targets.exponents
        words = state.mean + outputs / 254 * (TARGET_REACH * state.deviation)
        known = exponents != UNSEEN
        scaled = np.ldexp(words / 256, np.where(known, exponents - WORD_BITS, 0))
        return np.where(known, scaled, 0.0)

    def _learn(self, x: np.ndarray, targets: np.ndarray, order: np.ndarray) -> None:
        for first in range(0, len(order), CHUNK):
            part = order[first : first + CHUNK]
            levels = self._front_end.rows(x[part], np.zeros(len(part), np.int64)).levels
            self._learner.learn_targets(levels, targets[part])
