"""Published figures of chips with learning beside the ranges of the cost model: bands, not points.

    python experiments/silicon_anchors.py                 ten seconds; writes results/silicon_anchors.json
    python experiments/silicon_anchors.py --data mnist    half a minute; only counts the updates of runs on MNIST,
                                                          and writes results/silicon_anchors_mnist.json

No chip is modelled: their sizes, lanes and schedules are not published. Asked is whether an engine of ours, priced with
and without learning over the ranges below, reaches the published overhead, at which settings, and what would have to
be true of the chip.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.data import open_dataset
from edgelearn.errors import UserError
from edgelearn.files import make_folder, write_text
from edgelearn.network.counters import Counters
from edgelearn.network.encoding import encode_levels
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.network.topology import parse_topology
from experiments.absolute_anchors import absolute_rows, update_rows
from hw_models.constants import technology
from hw_models.cost import Cost
from hw_models.engine.schedule import FORWARD_ACTIVITY, MapDensities, assume
from hw_models.processor import Engine, find_processor

RESULTS = Path(__file__).parent / "results"
ROUNDINGS: dict[str, tuple[str, int, bool]] = {  # rounding, residual bits, whether lanes share a random generator
    "one generator": ("stochastic", 0, True),
    "a generator a lane": ("stochastic", 0, False),
    "1 residual bit": ("residual", 1, True),
    "8 residual bits": ("residual", 8, True),
}
DENSITIES = (0.1, 0.3, 1.0)
ELEMENTS = 0.5  # elements of a convolution that are not zero: 0.42 to 0.56 in runs on MNIST
MEASURED_LANES = 8  # of the engine that prices what was learned
Band = tuple[float, float]
Ranges = dict[str, tuple[Any, ...]]  # field of a Setting: its values; every combination is priced
COMMON: Ranges = {
    "bits": (8,),
    "lanes": (1, 8, 32, 128),
    "rounding": tuple(ROUNDINGS),
    "feedback": ("lfsr", "int8"),
    "clock_gating": (True, False),
    "input_density": DENSITIES,
    "update_density": DENSITIES,
}
# SPOON: its last layers in a topology that no public source confirms, and a network of ours. Park, Lee, Jeon: their
# network, at 45 nm for 65, since the SRAM table ends there. The others' networks do not map to ours.
RANGES: dict[str, Ranges] = {
    "SPOON": COMMON
    | {"processor": ("event-driven-28nm",), "rule": ("drtp",), "net": ("1024-128-10", "784-500-10")}
    | {"bits": (4, 8), "lanes": (1, 2, 4, 8, 16, 32, 64, 128)},
    "Park, Lee, Jeon": COMMON | {"processor": ("engine-45nm",), "rule": ("dfa", "sdfa"), "net": ("784-200-200-10",)},
    "ANP-I": COMMON | {"processor": ("event-driven-28nm",), "rule": ("dfa", "drtp"), "net": ("784-500-10",)},
    "EON-1": COMMON | {"processor": ("engine-28nm",), "rule": ("drtp",), "net": ("784-500-10",)},
}


def _band(part: str, whole: str) -> Band:
    """Return the band of one constant over that of another: an overhead depends on nothing else."""
    bands = {row["name"]: (float(row["low"]), float(row["high"])) for row in technology.rows("bands")}
    return bands[part][0] / bands[whole][1], bands[part][1] / bands[whole][0]


SRAM_AREA = _band("SRAM area", "logic area")
SRAM_ENERGY = _band("SRAM energy", "logic energy")
# logic as it is at 65 nm beside SRAM as it is at 45 nm bounds what pricing at 45 nm hides
SRAM_ENERGY_PARK = (SRAM_ENERGY[0] / technology.energy_scale(45, 1.1, 65, 1.1), SRAM_ENERGY[1])


@dataclass(frozen=True)
class Setting:
    """One engine, network and activity.

    Parameters
    ----------
    processor : the packaged engine that is changed
    rounding : name in ROUNDINGS
    input_density : inputs of the first layer that are not zero
    update_density : hidden neurons that change in a sample that updates
    kernels, dataflow : of networks with convolutions
    """

    processor: str
    rule: str
    net: str
    bits: int
    lanes: int
    rounding: str
    feedback: str
    clock_gating: bool
    input_density: float
    update_density: float
    kernels: str = "learn"
    dataflow: str = "output"

    @property
    def spec(self) -> NetworkSpec:
        rounding, residual_bits, _ = ROUNDINGS[self.rounding]
        settings = {"feedback_format": self.feedback, "kernels": self.kernels}
        return design(parse_topology(self.net), self.rule, self.bits, rounding, residual_bits, **settings)

    @property
    def engine(self) -> Engine:
        engine = changed(self.processor, self.lanes, ROUNDINGS[self.rounding][2], self.clock_gating)
        return engine.model_copy(update={"dataflow": self.dataflow})

    @property
    def activity(self) -> Counters:
        maps = MapDensities(ELEMENTS, self.update_density, self.update_density)
        return assume(self.spec, self.input_density, update_density=self.update_density, maps=maps)


def changed(processor: str, lanes: int, shared_generator: bool = True, clock_gating: bool = True) -> Engine:
    """Return a packaged engine with other lanes, generator and clock."""
    settings = find_processor(processor).model_dump(exclude_none=True)
    settings |= {"lanes": lanes, "shared_random_generator": shared_generator, "clock_gating": clock_gating}
    return Engine.model_validate(settings)


@dataclass(frozen=True)
class Parts:
    """A figure in two parts, so that SRAM can be scaled against the rest."""

    sram: float
    rest: float

    def at(self, sram: float) -> float:
        return self.sram * sram + self.rest


@dataclass(frozen=True)
class Point:
    """A setting, priced. Overheads are in percent, with SRAM at a multiple of nominal relative to logic.

    Parameters
    ----------
    base_area, area : um2 of the chip that cannot learn, and of the one that can
    inferred, idle, trained : pJ of a sample on the chip that cannot learn; inferred, and trained, on the one that can
    slower : cycles of a trained sample over those of an inferred one
    """

    setting: Setting
    base_area: Parts
    area: Parts
    inferred: Parts
    idle: Parts
    trained: Parts
    slower: float

    def area_percent(self, sram: float = 1.0) -> float:
        return 100 * (self.area.at(sram) / self.base_area.at(sram) - 1)

    def power_percent(self, sram: float = 1.0) -> float:
        """Power at a fixed clock while every sample is trained, over that while every sample is inferred."""
        return 100 * (self.trained.at(sram) / self.slower / self.inferred.at(sram) - 1)

    def idle_percent(self, sram: float = 1.0) -> float:
        """Power of the chip that can learn while it only infers; the cycles are the same."""
        return 100 * (self.idle.at(sram) / self.inferred.at(sram) - 1)

    def energy_percent(self, sram: float = 1.0) -> float:
        """Energy of a sample; power too, where samples come at a fixed rate."""
        return 100 * (self.trained.at(sram) / self.inferred.at(sram) - 1)

    def share_for(self, percent: float, sram: float = 1.0) -> float:
        """Return the share of samples that may update for an energy overhead; 0 where resting takes it already."""
        idle = self.idle_percent(sram)
        return min(max((percent - idle) / (self.energy_percent(sram) - idle), 0.0), 1.0)


Figure = Callable[[Point, float], float]


def sram_for(percent: float, more: Parts, base: Parts, band: Band, slower: float = 1.0) -> float | None:
    """Return the multiple of SRAM at which more / slower exceeds base by a percentage; None outside its band."""
    factor = slower * (1 + percent / 100)
    sram = (factor * base.rest - more.rest) / (more.sram - factor * base.sram)
    return sram if band[0] <= sram <= band[1] else None


def price_all(ranges: Ranges) -> list[Point]:
    """Price every combination."""
    return [price_setting(Setting(**dict(zip(ranges, values, strict=True)))) for values in product(*ranges.values())]


def price_setting(setting: Setting) -> Point:
    """Price one setting."""
    spec, engine, activity = setting.spec, setting.engine, setting.activity
    base = engine.price(spec, activity, learning=False)
    idle = engine.price(spec, activity.only(FORWARD_ACTIVITY))
    trained = engine.price(spec, activity)
    return Point(
        setting,
        base_area=_parts(base, "area_um2", "SRAM area"),
        area=_parts(trained, "area_um2", "SRAM area"),
        inferred=_parts(base, "energy_pj", "SRAM energy"),
        idle=_parts(idle, "energy_pj", "SRAM energy"),
        trained=_parts(trained, "energy_pj", "SRAM energy"),
        slower=trained.cycles_per_sample / base.cycles_per_sample,
    )


def _parts(cost: Cost, figure: str, constant: str) -> Parts:
    rest = cost.per_sample(figure, at={constant: 0.0})
    return Parts(cost.per_sample(figure) - rest, rest)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _interval(values: Iterable[float]) -> list[float]:
    found = sorted(values)
    return [_rounded(found[0]), _rounded(found[-1])]


def definition(name: str, target: float, points: Sequence[Point], figure: Figure, sram: Band) -> dict[str, Any]:
    """State what the model spans under one definition, with SRAM nominal and over its band (monotone within)."""
    band = _interval(figure(point, factor) for point in points for factor in sram)
    nominal = _interval(figure(point, 1.0) for point in points)
    return _as_row(name, f"{target:g}", nominal, band, band[0] <= target <= band[1])


def _as_row(name: str, target: str, nominal: list[float], band: list[float], inside: bool) -> dict[str, Any]:
    figures = {"published": target, "model, SRAM nominal": nominal, "SRAM over its band": band, "inside": inside}
    return {"definition, in %": name} | figures


def shares(points: Sequence[Point], percent: float, sram: Band) -> list[float]:
    """Return the middle and the largest percentage of samples that may update for an energy overhead."""
    found = [100 * point.share_for(percent, factor) for point in points for factor in (*sram, 1.0)]
    return [_rounded(median(found)), _rounded(max(found))]


def _anchor(chip: str, figure: str) -> dict[str, str]:
    return next(row for row in technology.rows("anchors") if (row["chip"], row["figure"]) == (chip, figure))


def published(chip: str, figure: str) -> float:
    """Return a published figure, from tables/anchors.csv."""
    return float(_anchor(chip, figure)["value"])


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values) or "none"


def spoon(ranges: Ranges = RANGES["SPOON"], name: str = "SPOON") -> dict[str, Any]:
    """SPOON: +11.8 % area and +16.8 % power."""
    area, power = published("SPOON", "learning_area_overhead"), published("SPOON", "learning_power_overhead")
    chip_mm2 = published("SPOON", "area")
    points = price_all(ranges)
    stochastic = [p for p in points if ROUNDINGS[p.setting.rounding][0] == "stochastic"]
    residual_8 = [p for p in points if p.setting.rounding == "8 residual bits"]
    ungated = [p for p in points if not p.setting.clock_gating]
    of_area: list[tuple[str, list[Point], Figure]] = [
        ("area, with memories", points, Point.area_percent),
        ("area, with memories, stochastic rounding", stochastic, Point.area_percent),
        ("area, with memories, 8 residual bits", residual_8, Point.area_percent),
        ("area, logic alone", points, lambda p, _: 100 * (p.area.rest / p.base_area.rest - 1)),
    ]
    of_power: list[tuple[str, list[Point], Figure]] = [
        ("power at a fixed clock, every sample trained", points, Point.power_percent),
        ("the same, stochastic rounding", stochastic, Point.power_percent),
        ("power at a fixed clock, learning logic at rest, clock not gated", ungated, Point.idle_percent),
        ("power at a fixed sample rate, every sample trained", points, Point.energy_percent),
    ]
    definitions = [definition(text, area, of, f, SRAM_AREA) for text, of, f in of_area if of]
    definitions += [definition(text, power, of, f, SRAM_ENERGY) for text, of, f in of_power if of]

    met_area, met = [], []
    for p in points:
        sram_area = sram_for(area, p.area, p.base_area, SRAM_AREA)
        sram_energy = sram_for(power, p.trained, p.inferred, SRAM_ENERGY, p.slower)
        if sram_area and p.area.at(sram_area) <= 1e6 * chip_mm2:
            met_area.append(p)
            if sram_energy:
                met.append((p, sram_area, sram_energy))
    met.sort(key=lambda found: max(abs(math.log(found[1])), abs(math.log(found[2]))))
    nearest: dict[tuple[int, str], dict[str, Any]] = {}  # to nominal, one for each number of lanes and rounding
    shown = ("net", "bits", "lanes", "rounding", "feedback", "clock_gating", "input_density", "update_density")
    shown += tuple(field for field in ("kernels", "dataflow") if field in ranges)
    for p, sram_area, sram_energy in met:
        row = {field: getattr(p.setting, field) for field in shown}
        row |= {"mm2": p.area.at(sram_area) / 1e6, "SRAM area, x": sram_area, "SRAM energy, x": sram_energy}
        nearest.setdefault((p.setting.lanes, p.setting.rounding), row)
    met_with = {field: sorted({getattr(p.setting, field) for p, *_ in met}) for field in shown}
    added = _interval((p.area.at(1.0) - p.base_area.at(1.0)) / 1e6 for p in stochastic)
    needed = _rounded(chip_mm2 * area / (100 + area))
    return {
        "anchor": name,
        "engines": len(points),
        "definitions": definitions,
        "meet_area": len(met_area),
        "meet_both": len(met),
        "meet_both_with": met_with,
        "nearest": list(nearest.values()),
        "percent_of_samples_that_may_update_at_a_fixed_rate": shares(met_area, power, SRAM_ENERGY)
        if met_area
        else None,
        "added_area_mm2": {"needed": needed, "stochastic_rounding": added},
        "unknown": _anchor("SPOON", "learning_area_overhead")["unknown"],
        "verdict": "not excluded" if met else "implausible",
        "reason": (
            f"{len(met)} of {len(points)} engines, none larger than the chip, meet both figures for some SRAM within "
            f"its bands: {_listed(met_with['lanes'])} lanes, inputs {_listed(met_with['input_density'])}, updates "
            f"{_listed(met_with['update_density'])}. Intervals this wide exclude little. The chip adds {needed:.2g} "
            f"mm2, ours with stochastic rounding {added[0]:.1g} to {added[1]:.2g}, SRAM nominal"
        ),
    }


def energy_anchor(
    chip: str, figure: str, wrong: float, source: str, ranges: Ranges, sram: Band = SRAM_ENERGY
) -> dict[str, Any]:
    """Compare an anchor that gives the energy of learning over that of inference.

    Parameters
    ----------
    wrong : percentage of samples answered wrongly; a rule that learns from errors updates in no fewer
    """
    target = published(chip, figure)
    points = price_all(ranges)
    trained = definition("energy, every sample updates", target, points, Point.energy_percent, sram)
    rest = definition("energy, no sample updates", target, points, Point.idle_percent, sram)
    if figure.endswith("at_most"):
        for row in (trained, rest):
            row |= {"published": f"below {target:g}", "inside": row["SRAM over its band"][0] <= target}
    rows = []
    columns = [f"updates {density:g}: middle to largest % of samples" for density in DENSITIES]
    for lanes in ("any", *ranges["lanes"]):
        of_lanes = [p for p in points if lanes in ("any", p.setting.lanes)]
        by_density = [[p for p in of_lanes if p.setting.update_density == density] for density in DENSITIES]
        found = (shares(chosen, target, sram) for chosen in by_density)
        rows.append({"lanes": lanes} | dict(zip(columns, found, strict=True)))
    (few, most_few), (every, most_every) = rows[0][columns[0]], rows[0][columns[-1]]
    return {
        "anchor": chip,
        "engines": len(points),
        "definitions": [trained, rest],
        "samples_that_may_update": rows,
        "wrong_percent": wrong,
        "unknown": _anchor(chip, figure)["unknown"],
        "verdict": "not excluded" if wrong <= few else "implausible",
        "reason": (
            f"not if every sample updates, +{trained['SRAM over its band'][0]:.3g} % at least. Met where {every:.2g} % "
            f"update and all neurons with them, or {few:.2g} % and a tenth of the neurons (middle of the engines; at "
            f"most {most_every:.2g} % and {most_few:.2g} %). A rule driven by errors updates at least on wrong "
            f"answers: {wrong:.2g} % ({source})"
        ),
    }


def park(ranges: Ranges = RANGES["Park, Lee, Jeon"]) -> dict[str, Any]:
    """Park, Lee, Jeon: training takes 7.5 % more energy than inference."""
    wrong = _rounded(100 - published("Park, Lee, Jeon", "mnist_trained_on_chip"))
    figure = "training_energy_over_inference"
    return energy_anchor("Park, Lee, Jeon", figure, wrong, "its test error", ranges, SRAM_ENERGY_PARK)


def anp(ranges: Ranges = RANGES["ANP-I"]) -> dict[str, Any]:
    """ANP-I: learning below 15 % of the energy of inference."""
    wrong = 100 - published("ANP-I", "accuracy_at_least")
    return energy_anchor("ANP-I", "learning_energy_over_inference_at_most", wrong, "its largest error", ranges)


def eon(wrong: float, ranges: Ranges = RANGES["EON-1"]) -> dict[str, Any]:
    """EON-1: learning takes 1 % of energy; its abstract states no error, so that of a run of ours stands for it."""
    return energy_anchor("EON-1", "learning_energy_overhead", wrong, "none published; ours on digits", ranges)


def reckon() -> dict[str, Any]:
    """ReckOn: learning takes 0.8 % more memory: a count, for its rule has traces that ours have not."""
    size = {row["figure"]: int(row["value"]) for row in technology.rows("anchors") if "ReckOn@" in row["source"]}
    target, neurons = published("ReckOn", "learning_memory_overhead"), size["recurrent_neurons"]
    traces = neurons * size["trace_bits_a_neuron"]
    rest = size["input_and_recurrent_weight_memory"] + size["neuron_memory"] - traces
    outputs = size["output_weight_memory"], size["output_weight_memory_used"]
    counted = _interval(100 * traces / (rest + output) for output in outputs)
    inside = all(round(value, 1) == target for value in counted)
    name = "memory, documented traces over all else, to one decimal"
    # a forward network with as many weights: inputs and recurrence feed the hidden layer
    net = (size["inputs"] + neurons, neurons, size["outputs"])
    ours = {}
    for rounding, feedback in product(("one generator", "1 residual bit"), ("lfsr", "ternary", "int8")):
        spec = design(net, "drtp", 8, *ROUNDINGS[rounding][:2], feedback_format=feedback)
        engine = changed("engine-28nm", 1)
        base, learns = (engine.price(spec, assume(spec), learning).total("memory_bits") for learning in (False, True))
        ours[f"{rounding} and B {feedback}"] = _rounded(100 * (learns / base - 1))
    return {
        "anchor": "ReckOn",
        "trace_bits": traces,
        "definitions": [_as_row(name, f"{target:g}", counted, counted, inside)],
        "percent_of_drtp_on_as_many_weights": ours,
        "unknown": f"{_anchor('ReckOn', 'trace_bits_a_neuron')['unknown']}; energy overhead of learning",
        "verdict": "consistent" if inside else "implausible",
        "reason": (
            f"{size['trace_bits_a_neuron']} bits of traces a neuron are {counted[0]:.2f} to {counted[1]:.2f} % of the "
            "other memories in its documentation. Only the count compares: ours has no recurrence and no traces. drtp "
            f"on as many weights stays below with: {_listed(name for name, more in ours.items() if more <= target)}"
        ),
    }


def updating_shares(data_name: str = "digits", epochs: int = 10) -> list[dict[str, Any]]:
    """Learn with dead zones of several widths, count the samples that update, price all epochs and the last.

    A dead zone of 127 lets only errors of more than half the output range through. Network: hidden layers as Park's.
    """
    data = open_dataset(data_name)
    levels = encode_levels(data.train_x, data.low, data.high, 4)
    test_levels = encode_levels(data.test_x, data.low, data.high, 4)
    rows = []
    for rule, dead_zone in product(("dfa", "sdfa"), (0, 64, 127)):
        spec = design((data.n_features, 200, 200, data.n_classes), rule, rounding="stochastic", dead_zone=dead_zone)
        learner = Learner(spec)
        before, wrong = learner.counters, 0.0
        for epoch in range(epochs):
            before = learner.counters
            order = np.random.default_rng([0, epoch]).permutation(len(levels))
            guesses = learner.learn(levels[order], data.train_y[order])
            wrong = float((guesses != data.train_y[order]).mean())
        whole, last = learner.counters, Counters(learner.counters.table - before.table)
        neurons = np.array(spec.sizes[1:-1]) * last["updates"][:-1]
        percent = {
            "samples that update, %": whole["updates"][-1] / whole.n_samples,
            "last epoch, %": last["updates"][-1] / last.n_samples,
            "neurons in them, %": last["active_neurons"][:-1].sum() / neurons.sum(),
            "wrong, last epoch, %": wrong,
            "energy over inference, %": _learned_over_inference(spec, whole),
            "energy, last epoch, %": _learned_over_inference(spec, last),
            "test error, %": float((learner.predict(test_levels) != data.test_y).mean()),
        }
        named: dict[str, Any] = {"data": data.name, "rule": rule, "dead zone": dead_zone}
        rows.append(named | {name: _rounded(100 * share) for name, share in percent.items()})
    return rows


def _learned_over_inference(spec: NetworkSpec, activity: Counters) -> float:
    engine = changed("engine-45nm", MEASURED_LANES)
    base, learned = (engine.price(spec, activity, learning).total("energy_pj") for learning in (False, True))
    return learned / base - 1


def report() -> dict[str, Any]:
    """Return all anchors as plain data."""
    measured = updating_shares()
    wrong = min(row["wrong, last epoch, %"] for row in measured if row["dead zone"] == 127)
    return {
        "edgelearn": __version__,
        "ranges": RANGES,
        "sram_relative_to_logic": {"area": SRAM_AREA, "energy": SRAM_ENERGY, "energy of Park": SRAM_ENERGY_PARK},
        "anchors": [spoon(), park(), anp(), eon(wrong), reckon()],
        "absolute": absolute_rows(),
        "updates": update_rows(),
        "updating_shares": measured,
    }


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows as a Markdown table."""
    if rows:
        print(f"\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(_cell(value) for value in row.values())} |")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " to ".join(_cell(part) for part in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="only count the updates of runs on this data set")
    data = parser.parse_args().data
    content: dict[str, Any] = {"edgelearn": __version__}
    try:
        content = content | {"updating_shares": updating_shares(data)} if data else report()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    make_folder(RESULTS)
    name = f"silicon_anchors_{data}.json" if data else "silicon_anchors.json"
    write_text(RESULTS / name, json.dumps(content, indent=1) + "\n")
    anchors = content.get("anchors", [])
    print_table([{name: anchor[name] for name in ("anchor", "verdict", "reason")} for anchor in anchors])
    for key in ("definitions", "nearest", "samples_that_may_update"):
        print_table([{"anchor": anchor["anchor"]} | row for anchor in anchors for row in anchor.get(key, [])])
    print_table(content["updating_shares"])
    print_table(content.get("absolute", []))
    print_table(content.get("updates", []))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
