"""edgelearn: what does each learning rule cost on my device, and what does it buy?

Example
-------
>>> import edgelearn as el
>>> el.run(rule="drtp", bits=8).accuracy > 90
True
"""

from __future__ import annotations

TYPE_CHECKING = False  # no import before Ctrl-C is handled: see edgelearn/__main__.py
if TYPE_CHECKING:
    from typing import Any

    from edgelearn.api.advice import advise
    from edgelearn.api.pricing import cost, processors
    from edgelearn.api.runs import run, stream
    from edgelearn.api.studies import StudyResult, sweep
    from edgelearn.config import BranchSettings, RunConfig, SpikingConfig, StreamConfig
    from edgelearn.errors import UserError
    from edgelearn.estimators.anomaly import EdgeAnomalyDetector
    from edgelearn.estimators.classifier import EdgeClassifier
    from edgelearn.estimators.regressor import EdgeRegressor

__version__ = "0.1.0"
__all__ = [
    "BranchSettings",
    "EdgeAnomalyDetector",
    "EdgeClassifier",
    "EdgeRegressor",
    "RunConfig",
    "SpikingConfig",
    "StreamConfig",
    "StudyResult",
    "UserError",
    "advise",
    "cost",
    "processors",
    "run",
    "stream",
    "sweep",
]
_PLACES = {  # where each is; imported when it is asked for
    "run": "edgelearn.api.runs",
    "stream": "edgelearn.api.runs",
    "advise": "edgelearn.api.advice",
    "cost": "edgelearn.api.pricing",
    "processors": "edgelearn.api.pricing",
    "sweep": "edgelearn.api.studies",
    "StudyResult": "edgelearn.api.studies",
    "RunConfig": "edgelearn.config",
    "StreamConfig": "edgelearn.config",
    "SpikingConfig": "edgelearn.config",
    "BranchSettings": "edgelearn.config",
    "UserError": "edgelearn.errors",
    "EdgeClassifier": "edgelearn.estimators.classifier",
    "EdgeRegressor": "edgelearn.estimators.regressor",
    "EdgeAnomalyDetector": "edgelearn.estimators.anomaly",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module

        found = getattr(import_module(_PLACES[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_hint(name)}")


def _hint(name: str) -> str:
    if name.startswith("_"):
        return ""
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, n=1)
    return f". Did you mean {near[0]!r}?" if near else ""


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
