"""Finished runs: reading their reports, pricing them on any processor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import RateSettings, RunConfig, validated
from edgelearn.errors import UserError
from edgelearn.files import parse_json, read_text
from edgelearn.network.counters import ACTIVITY, CONVOLUTION_ACTIVITY, Counters
from edgelearn.network.kernels.tables import counters_of
from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.topology import parse_topology
from edgelearn.runs.activity import Assumption
from edgelearn.runs.checkpoint import REPORT, ReportChanged, refuse_interrupted, text_of_report
from edgelearn.runs.kind import accuracy_percent
from edgelearn.runs.rates import learning_counters, spec_of, spec_of_report
from edgelearn.runs.registry import kind_of_report
from hw_models.compare.rules import RuleCost, cost_of_rule
from hw_models.front_end import FrontEndCost, front_end_cost
from hw_models.processor import find_processor


def assumed_costs(config: RunConfig, rules: Sequence[str], activity: Assumption) -> list[RuleCost]:
    """Price rules without a run, for activity that is assumed."""
    processor = find_processor(config.processor)
    topology = parse_topology(activity.net)
    net = topology if topology.is_convolutional else topology.sizes
    specs = [spec_of(config.model_copy(update={"rule": rule}), net) for rule in rules]
    return [cost_of_rule(spec, activity.counters(spec), processor) for spec in specs]


@dataclass(frozen=True)
class PricedRun:
    """Cost of a finished run.

    Parameters
    ----------
    accuracy : in percent, None where there is none
    front_end : of the model in front of the cut, per inference, which is not in `cost`; None without one
    uncounted : operators of the front end whose MACs are not known
    """

    cost: RuleCost
    accuracy: float | None
    front_end: FrontEndCost | None = None
    uncounted: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return rule and mask of the run, and the cost of its front end, as plain data."""
        spec = self.cost.spec
        found: dict[str, Any] = {"name": self.cost.name, "rule": spec.rule_name}
        found["learns"] = [layer.learned for layer in spec.layers]
        front = None if self.front_end is None else self.front_end.as_dict() | {"uncounted": list(self.uncounted)}
        return found | {"front_end": front}


def costs_of_runs(folders: Sequence[Path], processor: str) -> list[PricedRun]:
    """Price the counters of finished runs, on any processor; runs of one rule are told apart by their folders.

    Raises
    ------
    UserError
        "... holds no report ...", "... cannot be priced ...", "two runs are called ..."
    """
    read = [_read_report(folder) for folder in folders]
    found = find_processor(processor)
    rules = [spec.rule_name for spec, *_ in read]
    names = [
        rule if rules.count(rule) == 1 else f"{rule} {(folder if folder.is_dir() else folder.parent).resolve().name}"
        for rule, folder in zip(rules, folders, strict=True)
    ]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two runs are called '{name}'; give each run once, in a folder with a name of its own")
    return [
        PricedRun(
            cost_of_rule(spec, counters, found, name),
            accuracy,
            None if front is None else front_end_cost(front["macs"], front["weight_words"], found),
            () if front is None else tuple(front["uncounted"]),
        )
        for (spec, counters, accuracy, front), name in zip(read, names, strict=True)
    ]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Refuse a file that is not a report while it is read.

    Raises
    ------
    UserError
        "... holds no report ...", "... is of a run that was interrupted ..."
    """
    try:
        yield
    except ReportChanged:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        if not path.exists():
            refuse_interrupted(path.parent, path.parent)
        raise UserError(
            f"{path} holds no report of a finished run; give the folder that `edgelearn run --out` wrote"
        ) from None


def read_report(path: Path) -> Any:
    """Return the content of a report; one in the folder of its run must be as the run wrote it."""
    return parse_json(text_of_report(path.parent) if path.name == REPORT else read_text(path))


def _read_report(folder: Path) -> tuple[NetworkSpec, Counters, float | None, dict[str, Any] | None]:
    """Return network, learning counters, accuracy, and work in front of the cut, of a finished run."""
    path = folder / REPORT if folder.is_dir() else folder
    with reading(path):
        content = read_report(path)
        kind = kind_of_report(content)
        if kind is None:
            raise ValueError
        is_priced = issubclass(kind.settings, RateSettings)
        if is_priced:
            contract, accuracy = content["contract"], accuracy_percent(content["result"])
            config: Any = validated(kind.settings, content["config"])
            spec = spec_of_report(config, content)
            counters = learning_counters(content["counters"]["learning"])
            front = (content.get("start") or {}).get("front_end_cost")
            front = None if front is None else {name: front[name] for name in ("macs", "weight_words", "uncounted")}
    if not is_priced:
        remedy = "; for another core run it again with --processor NAME"
        remedy = remedy if "processor" in kind.settings.model_fields else ""
        raise UserError(f"{path} is of {kind.title}, which is priced in its report{remedy}")
    if contract != kind.contract:
        raise UserError(
            f"{path} cannot be priced: it is of contract {contract}, this program of {kind.contract}; run it again"
        )
    _check_activity(path, spec, counters)
    return spec, counters, accuracy, front


def _most_pairs(layer: Layer) -> int:
    """Return the pairs of an update with an input, at most."""
    if not isinstance(layer, ConvLayer):
        return layer.n_in * layer.n_out
    return layer.window.full_pairs * layer.n_columns


def _full_pairs(layer: Layer) -> int:
    return layer.window.full_pairs if isinstance(layer, ConvLayer) else 0


def _check_activity(path: Path, spec: NetworkSpec, counters: Counters) -> None:
    """Refuse counters that no run of the network can have."""
    n_names = len(counters_of(spec.is_convolutional))
    if counters.table.dtype.kind != "i" or counters.table.shape != (len(spec.layers), n_names):
        raise UserError(f"{path} cannot be priced: its counters are no whole numbers, one a layer; run it again")
    samples = counters["samples"]
    n_in = np.array([layer.n_in for layer in spec.layers])
    n_gates = np.array([layer.n_gates for layer in spec.layers])
    pairs = np.array([_most_pairs(layer) for layer in spec.layers])
    most = {
        "samples": np.full_like(samples, samples[0]),
        "updates": samples,
        "input_events": n_in * samples,
        "active_neurons": n_gates * samples,
        "update_pairs": pairs * samples,
        "window_pairs": np.array([_full_pairs(layer) for layer in spec.layers]) * samples,
        "active_maps": np.array([layer.n_columns for layer in spec.layers]) * samples,
    }
    for name in ACTIVITY + (CONVOLUTION_ACTIVITY if spec.is_convolutional else ()):
        counts = counters[name]
        if (counts < 0).any() or (counts > most.get(name, counts)).any() or samples.min() < 1:
            given = ", ".join(str(count) for count in counts)
            raise UserError(f"{path} cannot be priced: its counter '{name}' cannot be {given}; run it again")
