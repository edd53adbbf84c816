"""edgelearn: what does each learning rule cost on my device, and what does it buy?"""

from __future__ import annotations

TYPE_CHECKING = False  # no import before Ctrl-C is handled: see edgelearn/__main__.py
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"
_PUBLIC = {  # imported when they are asked for
    "run": "edgelearn.runs.registry",
    "RunConfig": "edgelearn.config",
    "StreamConfig": "edgelearn.config",
    "SpikingConfig": "edgelearn.config",
    "BranchSettings": "edgelearn.config",
    "EdgeClassifier": "edgelearn.estimators.classifier",
    "EdgeRegressor": "edgelearn.estimators.regressor",
    "EdgeAnomalyDetector": "edgelearn.estimators.anomaly",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        from importlib import import_module

        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
