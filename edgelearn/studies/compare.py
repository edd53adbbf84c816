"""Finished runs side by side: the settings that differ, and the results that differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelearn.errors import UserError
from edgelearn.runs.checkpoint import REPORT

KINDS = {  # what a run of the kind is called, and where its accuracy is measured
    "run": ("a rate network", "on test samples"),
    "stream": ("a stream", "before learning"),
    "spiking": ("a spiking network", "on test samples"),
}
_EVENTS = ("saturations", "step_saturations", "membrane_saturations", "trace_saturations", "overflows")
_FIGURES = ("energy_pj", "latency_us", "cycles", "area_um2", "memory_bits", "power_uw")


@dataclass(frozen=True)
class FinishedRun:
    """What a folder holds: `settings` and `results` by name, absent ones left out."""

    name: str
    kind: str
    settings: dict[str, Any]
    results: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Parameters
    ----------
    settings, results : name -> a value a run, None where a run has none
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
    rows = {}
    for part in ("settings", "results"):
        known = dict.fromkeys(name for run in runs for name in getattr(run, part))
        rows[part] = {name: tuple(getattr(run, part).get(name) for run in runs) for name in known}
    return Comparison(runs, rows["settings"], rows["results"], tuple(_notes(runs)))


def _notes(runs: Sequence[FinishedRun]) -> list[str]:
    notes = []
    kinds = dict.fromkeys(run.kind for run in runs)
    if len(kinds) > 1:
        where = ", ".join(f"of {KINDS[kind][0]} {KINDS[kind][1]}" for kind in kinds)
        notes.append(f"runs of different kinds, compared in what all of them have; the accuracy is, {where}")
    for name, what in (
        ("processor", "costs are of different processors"),
        ("data", "accuracies are on different data"),
    ):
        if len({run.settings.get(name) for run in runs}) > 1:
            notes.append(what)
    if len({run.results.get("contract") for run in runs}) > 1:
        notes.append(
            "the runs are of different contracts of arithmetic: the same settings need not give the same words"
        )
    return notes


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
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        settings = dict(content["config"])
        kind = _kind(content)
        results = _READERS[kind](content) if kind in _READERS else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise UserError(
            f"{path} holds no report of a finished run; give the folder that `edgelearn run --out` wrote"
        ) from None
    if kind not in _READERS:
        raise UserError(f"{path} is of no run, stream or spiking run; only those can be compared")
    settings.pop("spiking", None)
    return FinishedRun(name, kind, settings, results)


def _kind(content: Mapping[str, Any]) -> str:
    if content["config"].get("spiking"):
        return "spiking"
    if "stream" in content:
        return "stream"
    return "run" if "rule" in content["config"] and "per_sample" in content else "other"


def _of_rates(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what runs and streams have in common."""
    words, operations = content["per_sample"]["words"], content["per_sample"]["operations"]
    results = {f"{memory}_{side}": n for memory, sides in words.items() for side, n in sides.items()}
    results |= dict(operations)
    results |= {
        name: sum(layer[name] for layer in content["layers"])
        for name in ("saturations", "step_saturations", "overflows")
    }
    results["stored_bits"] = sum(held["bits"] for held in content["held"])
    results["buffered_bits"] = sum(held["bits"] for held in content["buffers"])
    rule = content["cost"]["rules"][0]
    for part in ("training", "inference"):
        results |= _prices(part, rule[part])
    return results | {"net": "-".join(str(n) for n in content["network"]["sizes"]), "contract": content["contract"]}


def _prices(part: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for figure in _FIGURES:
        value = figures.get(figure)
        if isinstance(value, dict):
            value = value["nominal"] if "nominal" in value else sum(value.values())
        if value is not None:
            found[f"{part}_{figure}"] = value
    return found


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)


def _run(content: Mapping[str, Any]) -> dict[str, Any]:
    error = content["result"]["test_error_percent"]
    accuracy = {"accuracy_percent": None if error is None else round(100 - error, 4)}
    return accuracy | {"samples_learned": content["result"]["samples_learned"]} | _of_rates(content)


def _stream(content: Mapping[str, Any]) -> dict[str, Any]:
    result, device, drift = content["result"], content["device"], content["drift"]["detector"]
    found = {"accuracy_percent": _percent(result["accuracy"]), "samples_learned": content["learning"]["learned"]}
    found |= {"kappa": result["kappa"], "fading_accuracy_percent": _percent(result["fading_accuracy"])}
    found |= {"rows": content["stream"]["rows"], "drifts_detected": drift["n_detections"]}
    found |= {"dropped": device["dropped"], "late": device["late"], "keeps_up": device["keeps_up"]}
    found |= {"average_power_uw": device["average_power_uw"], "battery_days": device["battery_days"]}
    return found | _of_rates(content)


def _spiking(content: Mapping[str, Any]) -> dict[str, Any]:
    result, learned = content["result"], content["result"]["samples_learned"]
    found = {"accuracy_percent": _percent(result["accuracy"]), "samples_learned": learned}
    rows = content["populations"]
    for name in ("spikes", "synaptic_operations", "neuron_updates", "weight_read", "weight_write", "feedback_read"):
        found[name] = round(sum(row[name] for row in rows), 4)
    found |= {name: sum(row[name] for row in rows) for name in _EVENTS if name in rows[0]}
    for part in ("training", "inference"):
        found |= _prices(part, content["cost"][part] or {})
    return found | {"net": "-".join(str(n) for n in content["network"]["sizes"]), "contract": content["contract"]}


_READERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "run": _run,
    "stream": _stream,
    "spiking": _spiking,
}
