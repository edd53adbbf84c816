"""Activity of networks with convolutions without a run: profiles measured in bundled runs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from edgelearn.config import RunConfig, validated
from edgelearn.network.topology import Topology
from edgelearn.runs.kind import Result
from edgelearn.runs.rates import learning_counters, spec_of_report
from hw_models.engine.schedule import MapDensities

TABLE = Path(__file__).with_name("activity_maps.csv")  # written by experiments/activity_profiles.py
# profile -> settings of the measured runs beside the rule; the others are defaults of `edgelearn run`
RUNS: dict[str, dict[str, Any]] = {
    "pooled": {"data": "mnist", "net": "28x28x1-conv16x5x5-pool2-fc128-10", "epochs": 1},
    "strided": {"data": "mnist", "net": "28x28x1-conv10x5x5s2p0-fc128-10", "epochs": 1},
}
CHOICE = {"pooled": "a network with pooling", "strided": "a network without pooling"}


@dataclass(frozen=True)
class MapProfile:
    """Fractions that are active in the learned samples of one run.

    Parameters
    ----------
    profile, net, rule : the run
    inputs : inputs that are not zero
    elements, element_updates, element_gates : elements of the convolution that are not zero, that have a d, that take
        a signal
    hidden, hidden_updates, gates : the same of the neurons of the dense hidden layer
    errors : output neurons that change weights
    inputs_of_updates : inputs that are not zero in the windows of elements that have a d
    readout_errors : errors of the readout of the dense layer that are not zero; those of the output layer without one
    """

    profile: str
    net: str
    rule: str
    inputs: float
    elements: float
    element_updates: float
    element_gates: float
    hidden: float
    hidden_updates: float
    gates: float
    errors: float
    inputs_of_updates: float
    readout_errors: float

    @property
    def maps(self) -> MapDensities:
        return MapDensities(self.elements, self.element_updates, self.element_gates)


def command(profile: str) -> str:
    """Return the command that a profile is measured with, RULE in place of the rule.

    Example
    -------
    >>> command("pooled")
    'edgelearn run --rule RULE --data mnist --net 28x28x1-conv16x5x5-pool2-fc128-10 --epochs 1'
    """
    return "edgelearn run --rule RULE" + "".join(f" --{name} {value}" for name, value in RUNS[profile].items())


def profile_of(topology: Topology) -> str:
    """Return the profile of a network: of one that pools as its first convolution does."""
    window = topology.windows[0]
    return "pooled" if window is not None and window.pool > 1 else "strided"


def measured(profile: str, result: Result) -> MapProfile:
    """Return the profile of a finished run of convolution, hidden layer and output layer."""
    content = result.content
    config = content["config"]
    spec = spec_of_report(validated(RunConfig, config), content)
    counters = learning_counters(content["counters"]["learning"])
    maps, hidden, output = spec.layers
    n = counters.n_samples

    def share(name: str, k: int, whole: int) -> float:
        return round(float(counters[name][k]) / (whole * n), 4)

    errors = share("active_neurons", 2, output.n_out)
    updates = float(counters["active_neurons"][0])
    mean_window = maps.window.full_pairs / maps.window.positions  # type: ignore[attr-defined]
    inputs = share("input_events", 0, maps.n_in)
    return MapProfile(
        profile,
        spec.net,
        config["rule"],
        inputs=inputs,
        elements=share("input_events", 1, maps.n_out),
        element_updates=share("active_neurons", 0, maps.n_gates),
        element_gates=share("live_gates", 0, maps.n_gates),
        hidden=share("input_events", 2, hidden.n_out),
        hidden_updates=share("active_neurons", 1, hidden.n_out),
        gates=share("live_gates", 1, hidden.n_out),
        errors=errors,
        inputs_of_updates=round(float(counters["update_pairs"][0]) / (updates * mean_window), 4) if updates else inputs,
        readout_errors=share("signal_lanes", 1, output.n_out) if hidden.rule.reads_out else errors,
    )


@cache
def profile_table() -> tuple[MapProfile, ...]:
    """Return the measured profiles."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_profile(row) for row in csv.DictReader(file))


def _profile(row: Mapping[str, str]) -> MapProfile:
    return MapProfile(**{f.name: row[f.name] if f.type == "str" else float(row[f.name]) for f in fields(MapProfile)})  # type: ignore[arg-type]


def table_of(profiles: Sequence[MapProfile]) -> list[dict[str, Any]]:
    """Return the rows of the table of profiles, each with the command that measured it."""
    return [asdict(one) | {"command": command(one.profile).replace("RULE", one.rule)} for one in profiles]
