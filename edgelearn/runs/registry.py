"""The kinds of runs: the one place that tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from edgelearn.config import Settings
from edgelearn.errors import unknown
from edgelearn.runs.kind import Kind, Result, Studied, drive

KINDS = {  # `kind` of the settings -> module with its KIND; imported when it is asked for
    "run": "edgelearn.runs.dataset",
    "stream": "edgelearn.runs.stream",
    "spiking": "edgelearn.runs.spiking",
    "branch": "edgelearn.runs.branch",
}
STUDIED = ("run", "stream", "spiking")  # of them, those that cells of studies may be of


def find_kind(name: str) -> Kind:
    """Return a kind by its name.

    Raises
    ------
    UserError
        "kind '...' is not known ..."
    """
    if name not in KINDS:
        raise unknown("kind", name, KINDS)
    kind: Kind = import_module(KINDS[name]).KIND
    return kind


def studied_kind(name: str) -> tuple[Kind, Studied]:
    """Return a kind that studies have cells of, and what they ask of it.

    Raises
    ------
    UserError
        "kind '...' is not known ..."
    """
    if name not in STUDIED:
        raise unknown("kind", name, STUDIED)
    kind = find_kind(name)
    assert kind.studied is not None
    return kind, kind.studied


def kind_of_report(content: Mapping[str, Any]) -> Kind | None:
    """Return the kind of run that a report is of, None where its settings are of none."""
    settings = content["config"] if "config" in content else content["settings"]
    kinds = (find_kind(name) for name in KINDS)
    return next((kind for kind in kinds if set(settings) <= set(kind.settings.model_fields)), None)


def run(
    config: Settings,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Any], None] = lambda work: None,
) -> Result:
    """Run settings of any kind; see `drive`.

    Example
    -------
    >>> from edgelearn.config import RunConfig
    >>> run(RunConfig(rule="dfa", epochs=1)).content["accuracy_percent"] > 70
    True
    """
    return drive(find_kind(config.kind), config, out, resume, overwrite, on_progress)
