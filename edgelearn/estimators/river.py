"""The estimators as subclasses of river's, which pipelines and metrics of river require."""

from __future__ import annotations

from edgelearn.errors import UserError, install
from edgelearn.estimators.anomaly import EdgeAnomalyDetector
from edgelearn.estimators.classifier import EdgeClassifier
from edgelearn.estimators.regressor import EdgeRegressor

try:
    from river import base
except ImportError:
    raise UserError(f"river is not installed; {install('streams', 'river')}") from None


class RiverEdgeClassifier(EdgeClassifier, base.Classifier):  # type: ignore[misc]
    """Be an `EdgeClassifier` and a `river.base.Classifier` in one.

    Takes the same settings and has the same methods; use it in river's pipelines, metrics and evaluation.

    Example
    -------
    >>> from river import preprocessing
    >>> model = preprocessing.StandardScaler() | RiverEdgeClassifier(rule="dfa", hidden=(8,), classes=[False, True])
    >>> for k in range(40):
    ...     model.learn_one({"x": float(k % 2), "y": 1.0}, k % 2 == 1)
    >>> model.predict_one({"x": 1.0, "y": 1.0})
    True
    """

    @property
    def _multiclass(self) -> bool:
        return True

    @property
    def _tags(self) -> set[str]:
        return set()  # scikit-learn before 1.7 has tags of another kind under the same name


class RiverEdgeRegressor(EdgeRegressor, base.Regressor):  # type: ignore[misc]
    """Be an `EdgeRegressor` and a `river.base.Regressor` in one; settings and methods are the same."""

    @property
    def _tags(self) -> set[str]:
        return set()


class RiverEdgeAnomalyDetector(EdgeAnomalyDetector, base.AnomalyDetector):  # type: ignore[misc]
    """Be an `EdgeAnomalyDetector` and an anomaly detector of river in one; settings and methods are the same."""

    @property
    def _tags(self) -> set[str]:
        return set()
