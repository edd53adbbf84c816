"""Estimators with the interfaces of scikit-learn and river."""

from __future__ import annotations

from typing import Any

_MODULES = {
    "EdgeClassifier": "classifier",
    "EdgeRegressor": "regressor",
    "EdgeAnomalyDetector": "anomaly",
    "RiverEdgeClassifier": "river",
    "RiverEdgeRegressor": "river",
    "RiverEdgeAnomalyDetector": "river",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Import scikit-learn or river when an estimator is asked for."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
