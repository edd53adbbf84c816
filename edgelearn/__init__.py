"""edgelearn: what does each learning rule cost on my device, and what does it buy?"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_PUBLIC = {  # imported when they are asked for
    "run": "edgelearn.runs.registry",
    "RunConfig": "edgelearn.config",
    "StreamConfig": "edgelearn.config",
    "SpikingConfig": "edgelearn.config",
    "BranchSettings": "edgelearn.config",
    "EdgeClassifier": "edgelearn.estimators.classifier",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
