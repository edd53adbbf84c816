"""Comparison of finished runs: settings and results that differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgelearn.config import later_defaults
from edgelearn.errors import UserError
from edgelearn.runs.checkpoint import REPORT
from edgelearn.runs.finished import read_report, reading
from edgelearn.runs.kind import accuracy_percent
from edgelearn.runs.registry import find_kind, kind_of_report
from edgelearn.units import net_text


@dataclass(frozen=True)
class FinishedRun:
    """Report of a finished run: `settings` and `results` by name; absent ones are left out."""

    name: str
    kind: str
    settings: dict[str, Any]
    results: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Parameters
    ----------
    settings, results : name -> a value per run, None where a run has none
    notes : why values may not be of one kind
    """

    runs: tuple[FinishedRun, ...]
    settings: dict[str, tuple[Any, ...]]
    results: dict[str, tuple[Any, ...]]
    notes: tuple[str, ...]

    @property
    def mixed(self) -> bool:
        """Tell whether the runs are of different kinds."""
        return len({run.kind for run in self.runs}) > 1

    def differing(self, part: str) -> dict[str, tuple[Any, ...]]:
        """Return the settings or results in which not all runs are the same; of different kinds those that all have."""
        rows: dict[str, tuple[Any, ...]] = getattr(self, part)
        if self.mixed:
            rows = {name: values for name, values in rows.items() if self._is_shared(part, name)}
        return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}

    def apart(self, part: str) -> list[str]:
        """Return the settings or results that only some of the runs have, where their kinds differ."""
        rows: dict[str, tuple[Any, ...]] = getattr(self, part)
        return [name for name in rows if self.mixed and not self._is_shared(part, name)]

    def _is_shared(self, part: str, name: str) -> bool:
        return all(name in getattr(run, part) for run in self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Return what --json prints: values by name, in the order of the runs."""
        return {
            "runs": [{"name": run.name, "kind": run.kind} for run in self.runs],
            "notes": list(self.notes),
            "settings_that_differ": {name: list(values) for name, values in self.differing("settings").items()},
            "results_that_differ": {name: list(values) for name, values in self.differing("results").items()},
            "only_some_have": {part: self.apart(part) for part in ("settings", "results")},
            "settings": {name: list(values) for name, values in self.settings.items()},
            "results": {name: list(values) for name, values in self.results.items()},
        }


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """Compare the reports of finished runs, of whatever kinds: rate networks, streams, spiking networks.

    Raises
    ------
    UserError
        "... holds no report ...", "... is of ...", "give two runs or more", "... is given twice"
    """
    if len(folders) < 2:
        raise UserError("one run has nothing to be compared with; give two runs or more")
    places = [folder.resolve() for folder in folders]
    for place, folder in zip(places, folders, strict=True):
        if places.count(place) > 1:
            raise UserError(f"{folder} is given twice; give each run once")
    names = [place.parent.name if place.is_file() else place.name for place in places]
    runs = tuple(
        read_run(folder, name if names.count(name) == 1 else str(folder))
        for folder, name in zip(folders, names, strict=True)
    )
    given = {name for run in runs for name in run.settings}
    runs = tuple(replace(run, settings=run.settings | _left_out(run, given)) for run in runs)
    rows = {}
    for part in ("settings", "results"):
        known = dict.fromkeys(name for run in runs for name in getattr(run, part))
        rows[part] = {name: tuple(getattr(run, part).get(name) for run in runs) for name in known}
    return Comparison(runs, rows["settings"], rows["results"], tuple(_notes(runs)))


def _left_out(run: FinishedRun, given: Collection[str]) -> dict[str, Any]:
    """Return the defaults of settings that other runs give and that reports leave out at their default."""
    defaults = later_defaults(find_kind(run.kind).settings)
    return {name: value for name, value in defaults.items() if name in given and name not in run.settings}


def _notes(runs: Sequence[FinishedRun]) -> list[str]:
    notes = []
    kinds = dict.fromkeys(run.kind for run in runs)
    if len(kinds) > 1:
        where = ", ".join(f"of {find_kind(kind).title} {find_kind(kind).accuracy}" for kind in kinds)
        accuracy = f"; the accuracy is, {where}" if _classify(runs) else ""
        notes.append(f"runs of different kinds, compared in what all of them have{accuracy}")
    for name, what in (
        ("processor", "costs are of different processors"),
        ("data", f"{'accuracies' if _classify(runs) else 'results'} are on different data"),
    ):
        if len({run.settings.get(name) for run in runs}) > 1:
            notes.append(what)
    if len({run.results.get("contract") for run in runs}) > 1:
        notes.append(
            "the runs are of different contracts of arithmetic: the same settings need not give the same words"
        )
    return notes


def _classify(runs: Sequence[FinishedRun]) -> bool:
    """Tell whether all runs have classes, and so accuracies."""
    return all(run.settings.get("task", "classify") == "classify" for run in runs)


def read_run(folder: Path, name: str) -> FinishedRun:
    """Read the report of a finished run.

    Raises
    ------
    UserError
        "... holds no report ..." or "... is of ..."
    """
    path = folder / REPORT if folder.is_dir() else folder
    if folder.is_dir() and not path.is_file() and (folder / "study.toml").is_file():
        raise UserError(f"{folder} is a study of many runs; look at it with `edgelearn study show {folder}`")
    with reading(path):
        content = read_report(path)
        kind = kind_of_report(content)
        studied = kind.studied if kind is not None else None
        if kind is not None and studied is not None:
            accuracy = accuracy_percent(content["result"])
            results = {"accuracy_percent": accuracy} | studied.compared(content)
            net = net_text(content["network"])
            results |= {"net": net, "contract": content["contract"]}
            constant = {name for name, one in kind.settings.declared().items() if one.switch}
            settings = {key: value for key, value in content["config"].items() if key not in constant}
    if kind is None or studied is None:
        raise UserError(f"{path} is of no run, stream or spiking run; only those can be compared")
    return FinishedRun(name, kind.settings.kind, settings, results)
