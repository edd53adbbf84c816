"""Activity of networks without a run: profiles measured in bundled runs, scaled to any network."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from edgelearn.config import RunConfig, validated
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec, default_residual_bits, parse_net
from edgelearn.network.topology import parse_topology
from edgelearn.rules import RULES
from edgelearn.runs.kind import Result
from edgelearn.runs.map_activity import CHOICE as MAP_CHOICE
from edgelearn.runs.map_activity import MapProfile, profile_of
from edgelearn.runs.map_activity import command as map_command
from edgelearn.runs.map_activity import profile_table as map_profile_table
from edgelearn.runs.rates import learning_counters, spec_of_report
from edgelearn.runs.shapes import check_no_shape, topology_of
from hw_models.compare.rules import densities_of
from hw_models.engine.schedule import MapDensities, assume

TABLE = Path(__file__).with_name("activity.csv")  # written by experiments/activity_profiles.py
# data -> settings of the measured runs beside the rule; others are defaults of `edgelearn run`
RUNS: dict[str, dict[str, Any]] = {
    "digits": {},
    "mnist": {"data": "mnist", "net": "784-500-10", "epochs": 1},
}
FORMATS = ("bits", "residual_bits", "rounding", "input_bits", "delta_bits", "feedback")  # that activity depends on
DEFAULT_NET = "64-100-10"  # of `edgelearn run` on the digits
DENSITIES = {"input_density", "hidden_density", "update_density", "error_density"}  # that can be given
OUTPUT_ALONE = next(name for name, rule in RULES.items() if not rule.learns_hidden)
CHOICE = "nearest number of inputs, as a ratio"


@dataclass(frozen=True)
class Profile:
    """Fractions that are active in the learned samples of one run.

    Parameters
    ----------
    data, net, rule : the run
    inputs, hidden : inputs and hidden activations that are not zero
    hidden_updates, errors : hidden and output neurons that change weights
    inputs_of_updates : inputs that are not zero where a hidden neuron of layer 1 changes weights; samples with fewer
        inputs may teach less often
    gates : hidden neurons of layer 1 that take a signal; the update that follows may be zero
    readout_errors : errors of the readout of hidden layer 1 that are not zero; those of the output layer without one
    """

    data: str
    net: str
    rule: str
    inputs: float
    hidden: float
    hidden_updates: float
    errors: float
    inputs_of_updates: float
    gates: float
    readout_errors: float


@dataclass(frozen=True)
class Assumption:
    """Activity of samples that nobody ran.

    Parameters
    ----------
    data : runs whose profiles are used, of networks with convolutions the name in `map_activity.RUNS`; None where
        everything not given is active
    net : sizes of the network priced
    given : densities of the user by parameter of `assume`, which replace those of the profile
    profiles : by rule; a rule without one is taken as fully active
    changed : whether number formats or feedback are not those of the measured runs
    """

    data: str | None
    net: str
    given: Mapping[str, float]
    profiles: Mapping[str, Profile | MapProfile]
    changed: bool = False

    def counters(self, spec: NetworkSpec) -> Counters:
        """Return the activity of a network under its rule.

        Without hidden layers all rules are one, which is that of rules that learn the output layer alone. Hidden layers
        of different rules have the activity of networks of one rule each; the output layer that of the last one's.
        """
        names = [row.name for row in spec.rules] or [OUTPUT_ALONE]
        by_rule = {name: self._of_rule(spec, name) for name in dict.fromkeys(names)}
        result = by_rule[names[-1]]
        for k, name in enumerate(names[:-1]):
            result.table[k] = by_rule[name].table[k]
        return result

    def _of_rule(self, spec: NetworkSpec, rule: str) -> Counters:
        """Return the activity of a network in whose profile the densities of all layers are those of one rule."""
        profile = self.profiles.get(rule)
        if profile is None:
            given: dict[str, Any] = dict(self.given)
            return assume(spec, **given)
        measured = {
            "input_density": profile.inputs,
            "hidden_density": profile.hidden,
            "update_density": profile.hidden_updates,
            "error_density": profile.errors,
        }
        densities: dict[str, Any] = measured | dict(self.given)
        return assume(
            spec,
            **densities,
            maps=self._maps(spec, profile),
            update_input_density=_scaled(profile.inputs_of_updates, densities["input_density"], profile.inputs),
            gate_density=_scaled(profile.gates, densities["update_density"], profile.hidden_updates),
            readout_density=_scaled(profile.readout_errors, densities["error_density"], profile.errors),
        )

    def _maps(self, spec: NetworkSpec, profile: Profile | MapProfile) -> MapDensities | None:
        """Return the activity of convolutions: measured, of frozen kernels as under a rule that learns none."""
        if not isinstance(profile, MapProfile):
            return None
        maps = profile.maps
        if not any(layer.is_convolution and layer.learns for layer in spec.layers):
            frozen = self.profiles.get(OUTPUT_ALONE)
            maps = replace(maps, elements=frozen.elements) if isinstance(frozen, MapProfile) else maps
        given = {"elements": self.given.get("hidden_density"), "updates": self.given.get("update_density")}
        if given["updates"] is not None:
            maps = replace(maps, gates=_scaled(maps.gates, given["updates"], maps.updates))
        return replace(maps, **{name: value for name, value in given.items() if value is not None})

    def as_dict(self, rules: Sequence[str]) -> dict[str, Any]:
        """Return the assumptions on rules as plain data; `text` and `notes` are for a reader."""
        given = {name.replace("_", "-"): value for name, value in self.given.items()}
        return {
            "profile": self.data,
            "command": None if self.data is None else self._command,
            "choice": None if self.data is None else self._choice,
            "given": given,
            "text": self._text(given),
            "notes": self._notes(rules),
        }

    def _text(self, given: Mapping[str, float]) -> str:
        typed = ", ".join(f"--{name} {value:g}" for name, value in given.items())
        if set(self.given) == DENSITIES:
            return f"activity: {typed}"
        if self.data is None:
            return f"activity: {typed}, the rest fully active" if typed else "activity: everything active (--dense)"
        name = "" if self.data in MAP_CHOICE else f"{self.data}, "
        measured = f"measured in `{self._command}` ({name}{self._choice})"
        return f"activity: {typed}; the rest {measured}" if typed else f"activity: {measured}"

    @property
    def _command(self) -> str:
        assert self.data is not None
        return map_command(self.data) if self.data in MAP_CHOICE else command(self.data)

    @property
    def _choice(self) -> str:
        return MAP_CHOICE.get(self.data or "", CHOICE)

    def _notes(self, rules: Sequence[str]) -> list[str]:
        if self.data is None:
            return []
        notes = []
        if self.changed:
            notes.append(
                "the profile was measured with the default number formats and feedback; --run DIR prices a run with "
                "these settings"
            )
        if any("+" in rule for rule in rules):
            notes.append("layers of different rules have the profiles of networks of one rule each")
        named = dict.fromkeys(name for rule in rules for name in rule.split("+"))
        missing = [name for name in named if name not in self.profiles]
        if missing:
            notes.append(f"no profile of {', '.join(missing)}: everything active")
        return notes


def _scaled(fraction: float, given: float, measured: float) -> float:
    """Return a fraction that moves with another one, which was measured beside it; at most 1."""
    return min(fraction * given / measured, 1.0) if measured else given


def command(data: str) -> str:
    """Return the command that a profile is measured with, RULE in place of the rule.

    Example
    -------
    >>> command("mnist")
    'edgelearn run --rule RULE --data mnist --net 784-500-10 --epochs 1'
    """
    return "edgelearn run --rule RULE" + "".join(f" --{name} {value}" for name, value in RUNS[data].items())


def assumed_activity(config: RunConfig, given: Mapping[str, float], dense: bool = False) -> Assumption:
    """Return the activity of a network that nobody ran, for all rules: a measured profile, or everything active.

    Parameters
    ----------
    given : densities that replace those of the profile, by parameter of `assume`
    """
    if config.net is None:
        check_no_shape(config)
    topology = parse_topology(DEFAULT_NET) if config.net is None else topology_of(config, None)
    net = str(topology) if topology.is_convolutional else config.net or DEFAULT_NET
    if dense or set(given) == DENSITIES:
        return Assumption(None, net, given, {})
    changed = _formats(config) != _formats(RunConfig())
    if topology.is_convolutional:
        name = profile_of(topology)
        of_maps = {row.rule: row for row in map_profile_table() if row.profile == name}
        return Assumption(name, net, given, of_maps, changed)
    data = nearest(topology.sizes[0])
    profiles = {row.rule: row for row in profile_table() if row.data == data}
    return Assumption(data, net, given, profiles, changed)


def _formats(config: RunConfig) -> dict[str, Any]:
    """Return number formats and feedback, residual bits by rounding where they were left out."""
    formats = {name: getattr(config, name) for name in FORMATS}
    if config.residual_bits is None:
        formats["residual_bits"] = default_residual_bits(config.bits, config.rounding)
    return formats


def nearest(n_inputs: int) -> str:
    """Return the data of the profile whose network has the nearest number of inputs, as a ratio.

    Example
    -------
    >>> nearest(64), nearest(200), nearest(300)
    ('digits', 'digits', 'mnist')
    """
    inputs = {row.data: parse_net(row.net)[0] for row in profile_table()}
    return min(inputs, key=lambda data: abs(math.log(n_inputs / inputs[data])))


def measured(result: Result) -> Profile:
    """Return the profile of a finished run."""
    content = result.content
    config = content["config"]
    spec = spec_of_report(validated(RunConfig, config), content)
    counters = learning_counters(content["counters"]["learning"])
    updates = int(counters["active_neurons"][0])
    densities = densities_of(spec, counters)
    of_updates = float(counters["update_pairs"][0]) / (spec.sizes[0] * updates) if updates else densities["inputs"]
    gates = float(counters["live_gates"][0]) / (spec.layers[0].n_out * counters.n_samples)
    readout_errors = densities["errors"]
    if spec.layers[0].rule.reads_out:
        readout_errors = float(counters["signal_lanes"][0]) / (spec.n_outputs * counters.n_samples)
    net = spec.net
    return Profile(
        config["data"],
        net,
        config["rule"],
        **densities,
        inputs_of_updates=round(of_updates, 4),
        gates=round(gates, 4),
        readout_errors=round(readout_errors, 4),
    )


@cache
def profile_table() -> tuple[Profile, ...]:
    """Return the measured profiles."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_profile(row) for row in csv.DictReader(file))


def _profile(row: Mapping[str, str]) -> Profile:
    return Profile(**{f.name: row[f.name] if f.type == "str" else float(row[f.name]) for f in fields(Profile)})  # type: ignore[arg-type]


def table_of(profiles: Sequence[Profile]) -> list[dict[str, Any]]:
    """Return the rows of the table of profiles, each with the command that measured it."""
    return [asdict(profile) | {"command": command(profile.data).replace("RULE", profile.rule)} for profile in profiles]
