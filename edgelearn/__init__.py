"""edgelearn: what does each learning rule cost on my device, and what does it buy?"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the classifier, and scikit-learn with it, when it is asked for."""
    if name == "EdgeClassifier":
        from edgelearn.estimators.classifier import EdgeClassifier

        return EdgeClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
