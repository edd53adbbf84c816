"""Classifiers with the interfaces of scikit-learn and river: `EdgeClassifier`, `RiverEdgeClassifier`."""

from __future__ import annotations

from typing import Any

__all__ = ["EdgeClassifier", "RiverEdgeClassifier"]


def __getattr__(name: str) -> Any:
    """Import scikit-learn or river when a classifier is asked for."""
    if name == "EdgeClassifier":
        from edgelearn.estimators.classifier import EdgeClassifier

        return EdgeClassifier
    if name == "RiverEdgeClassifier":
        from edgelearn.estimators.river import RiverEdgeClassifier

        return RiverEdgeClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
