"""Published figures of chips that learn, beside what the cost model spans over stated ranges: bands, not points.

    python experiments/silicon_anchors.py                 some ten seconds; writes results/silicon_anchors.json
    python experiments/silicon_anchors.py --data mnist    minutes; counts the updates of runs on MNIST alone and
                                                          writes results/silicon_anchors_mnist.json

No chip is modelled: their sizes, lanes and schedules are not published. Asked is whether an engine of ours, priced with
and without learning over the ranges below, reaches the published overhead, at which settings, and what would have to
be true of the chip.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.accounting import Counters
from edgelearn.encoders.levels import encode_levels
from edgelearn.errors import UserError
from edgelearn.files import make_folder, write_text
from edgelearn.learner import Learner
from edgelearn.network import NetworkSpec, design, parse_net
from edgelearn.streams import open_dataset
from hw_models import technology
from hw_models.cost import Cost
from hw_models.cost_model import price
from hw_models.processor import Engine, find_processor
from hw_models.schedule import FORWARD_ACTIVITY, assume

RESULTS = Path(__file__).parent / "results"
PROCESSORS = {
    "28 nm, 0.6 V": "event-driven-28nm",
    "28 nm, 0.9 V": "engine-28nm",
    "45 nm, 1.1 V": "engine-45nm",
}
ROUNDINGS: dict[str, tuple[str, int, bool]] = {  # rounding, residual bits, whether lanes share a random generator
    "one generator": ("stochastic", 0, True),
    "a generator a lane": ("stochastic", 0, False),
    "1 residual bit": ("residual", 1, True),
    "8 residual bits": ("residual", 8, True),
}
DENSITIES = (0.1, 0.3, 1.0)
MEASURED_LANES = 8  # of the engine that prices what was learned


@dataclass(frozen=True)
class Ranges:
    """What is varied; every combination is priced.

    Parameters
    ----------
    roundings : names of ROUNDINGS
    input_densities : inputs of the first layer that are not zero
    update_densities : hidden neurons that change in a sample that updates
    """

    nodes: tuple[str, ...]
    rules: tuple[str, ...]
    nets: tuple[str, ...]
    bits: tuple[int, ...] = (8,)
    lanes: tuple[int, ...] = (1, 8, 32, 128)
    roundings: tuple[str, ...] = tuple(ROUNDINGS)
    feedbacks: tuple[str, ...] = ("lfsr", "int8")
    clock_gatings: tuple[bool, ...] = (True, False)
    input_densities: tuple[float, ...] = DENSITIES
    update_densities: tuple[float, ...] = DENSITIES

    def settings(self) -> list[Setting]:
        """Return every combination."""
        return [Setting(*values) for values in product(*(getattr(self, field.name) for field in fields(self)))]


@dataclass(frozen=True)
class Setting:
    """One engine, network and activity: one value of each of the `Ranges`, in their order."""

    node: str
    rule: str
    net: str
    bits: int
    lanes: int
    rounding: str
    feedback: str
    clock_gating: bool
    input_density: float
    update_density: float

    @property
    def text(self) -> str:
        return (
            f"{self.net}, {self.bits} bits, {self.lanes} lanes, {self.rounding}, B {self.feedback}, "
            f"clock {'gated' if self.clock_gating else 'not gated'}, inputs {self.input_density:g}, "
            f"updates {self.update_density:g}"
        )

    @property
    def spec(self) -> NetworkSpec:
        return _spec(self.net, self.rule, self.bits, *ROUNDINGS[self.rounding][:2], self.feedback)

    @property
    def engine(self) -> Engine:
        return _engine(self.node, self.lanes, ROUNDINGS[self.rounding][2], self.clock_gating)

    @property
    def activity(self) -> Counters:
        return assume(self.spec, self.input_density, update_density=self.update_density)


# SPOON: its last layers in a topology that no public source confirms, and a network of ours. Park, Lee, Jeon: their
# network; 45 nm for 65, since the SRAM table ends there. The others' networks do not map to ours.
RANGES = {
    "SPOON": Ranges(
        ("28 nm, 0.6 V",), ("drtp",), ("1024-128-10", "784-500-10"), bits=(4, 8), lanes=(1, 2, 4, 8, 16, 32, 64, 128)
    ),
    "Park, Lee, Jeon": Ranges(("45 nm, 1.1 V",), ("dfa", "sdfa"), ("784-200-200-10",)),
    "ANP-I": Ranges(("28 nm, 0.6 V",), ("dfa", "drtp"), ("784-500-10",)),
    "EON-1": Ranges(("28 nm, 0.9 V",), ("drtp",), ("784-500-10",)),
}


def _band(part: str, whole: str) -> tuple[float, float]:
    """Return the band of one constant over that of another: an overhead depends on nothing else."""
    bands = {row["name"]: (float(row["low"]), float(row["high"])) for row in technology.rows("bands")}
    return bands[part][0] / bands[whole][1], bands[part][1] / bands[whole][0]


SRAM_AREA = _band("SRAM area", "logic area")
SRAM_ENERGY = _band("SRAM energy", "logic energy")
# logic as it is at 65 nm beside SRAM as it is at 45 nm bounds what pricing at 45 nm hides
SRAM_ENERGY_PARK = (SRAM_ENERGY[0] / technology.energy_scale(45, 1.1, 65, 1.1), SRAM_ENERGY[1])


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
    inferred_cycles, trained_cycles : of a sample
    """

    setting: Setting
    base_area: Parts
    area: Parts
    inferred: Parts
    idle: Parts
    trained: Parts
    inferred_cycles: float
    trained_cycles: float

    def area_percent(self, sram: float = 1.0) -> float:
        return 100 * (self.area.at(sram) / self.base_area.at(sram) - 1)

    def logic_area_percent(self, _: float = 1.0) -> float:
        return 100 * (self.area.rest / self.base_area.rest - 1)

    def power_percent(self, sram: float = 1.0) -> float:
        """Power at a fixed clock while every sample is trained, over that while every sample is inferred."""
        power = self.trained.at(sram) / self.trained_cycles
        return 100 * (power / (self.inferred.at(sram) / self.inferred_cycles) - 1)

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

    def sram_for_area(self, percent: float) -> float | None:
        return _sram_for(percent, self.area, self.base_area, SRAM_AREA)

    def sram_for_power(self, percent: float) -> float | None:
        slower = self.inferred_cycles / self.trained_cycles
        power = Parts(self.trained.sram * slower, self.trained.rest * slower)
        return _sram_for(percent, power, self.inferred, SRAM_ENERGY)


def _sram_for(percent: float, more: Parts, base: Parts, band: tuple[float, float]) -> float | None:
    """Return the multiple of SRAM at which an overhead is met; None outside its band."""
    factor = 1 + percent / 100
    sram, rest = more.sram - factor * base.sram, factor * base.rest - more.rest
    met = rest / sram if sram else 0.0
    return met if _contains(band, met) else None


@cache
def _spec(net: str, rule: str, bits: int, rounding: str, residual_bits: int, feedback: str) -> NetworkSpec:
    return design(parse_net(net), rule, bits, rounding, residual_bits, feedback_format=feedback)


@cache
def _engine(node: str, lanes: int, shared_generator: bool, clock_gating: bool) -> Engine:
    """Return a packaged engine, changed."""
    settings = find_processor(PROCESSORS[node]).model_dump(exclude_none=True)
    settings |= {"lanes": lanes, "shared_random_generator": shared_generator, "clock_gating": clock_gating}
    return Engine.model_validate(settings)


@cache
def _inferred(setting: Setting, learning: bool) -> Cost:
    """Price inference on the chip that can learn, or on that which cannot."""
    return price(setting.spec, setting.activity.only(FORWARD_ACTIVITY), setting.engine, learning)


def price_setting(setting: Setting) -> Point:
    """Price one setting."""
    idle = _inferred(replace(setting, update_density=1.0), True)
    # how the other chip learns does not matter to the one that cannot
    plain = {"rule": "drtp", "rounding": "one generator", "feedback": "lfsr", "clock_gating": True}
    base = _inferred(replace(setting, update_density=1.0, **plain), False)  # type: ignore[arg-type]
    trained = price(setting.spec, setting.activity, setting.engine)
    return Point(
        setting,
        _area(base),
        _area(trained),
        _energy(base),
        _energy(idle),
        _energy(trained),
        base.cycles_per_sample,
        trained.cycles_per_sample,
    )


def _area(cost: Cost) -> Parts:
    rest = cost.total("area_um2", at={"SRAM area": 0.0})
    return Parts(cost.total("area_um2") - rest, rest)


def _energy(cost: Cost) -> Parts:
    """Return pJ of a sample."""
    rest = cost.total("energy_pj", at={"SRAM energy": 0.0})
    return Parts((cost.total("energy_pj") - rest) / cost.samples, rest / cost.samples)


def _contains(interval: Sequence[float], value: float) -> bool:
    return interval[0] <= value <= interval[1]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _interval(values: Sequence[float]) -> list[float]:
    return [_rounded(min(values)), _rounded(max(values))]


def definition(
    name: str,
    points: Sequence[Point],
    figure: Callable[[Point, float], float],
    sram: tuple[float, float],
    target: float,
    at_most: bool = False,
) -> dict[str, Any]:
    """State what the model spans under one definition, with SRAM nominal and over its band (monotone within)."""
    band = _interval([figure(point, factor) for point in points for factor in sram])
    nominal = _interval([figure(point, 1.0) for point in points])
    inside = band[0] <= target if at_most else _contains(band, target)
    return {"definition": name, "published": target, "nominal": nominal, "band": band, "inside": inside}


def shares(points: Sequence[Point], percent: float, sram: tuple[float, float]) -> dict[str, float]:
    """Return the least, middle and largest share of samples that may update for an energy overhead."""
    found = [point.share_for(percent, factor) for point in points for factor in (*sram, 1.0)]
    low, high = _interval(found)
    return {"lowest": low, "middle": _rounded(median(found)), "highest": high}


def published(chip: str, figure: str) -> float:
    """Return a published figure, from tables/anchors.csv."""
    return float(_anchor(chip, figure)["value"])


def _anchor(chip: str, figure: str) -> dict[str, str]:
    return next(row for row in technology.rows("anchors") if (row["chip"], row["figure"]) == (chip, figure))


def spoon(ranges: Ranges = RANGES["SPOON"]) -> dict[str, Any]:
    """SPOON: +11.8 % area and +16.8 % power."""
    area, power = published("SPOON", "learning_area_overhead"), published("SPOON", "learning_power_overhead")
    chip_mm2 = published("SPOON", "area")
    points = [price_setting(setting) for setting in ranges.settings()]
    stochastic = [p for p in points if ROUNDINGS[p.setting.rounding][0] == "stochastic"]
    residual_8 = [p for p in points if p.setting.rounding == "8 residual bits"]
    ungated = [p for p in points if not p.setting.clock_gating]
    definitions = [
        definition(name, chosen, figure, sram, target)
        for name, chosen, figure, sram, target in (
            ("area, with memories", points, Point.area_percent, SRAM_AREA, area),
            ("area, with memories, stochastic rounding", stochastic, Point.area_percent, SRAM_AREA, area),
            ("area, with memories, 8 residual bits", residual_8, Point.area_percent, SRAM_AREA, area),
            ("area, logic alone", points, Point.logic_area_percent, SRAM_AREA, area),
            ("power at a fixed clock, every sample trained", points, Point.power_percent, SRAM_ENERGY, power),
            ("the same, stochastic rounding", stochastic, Point.power_percent, SRAM_ENERGY, power),
            ("power of learning logic at rest, clock not gated", ungated, Point.idle_percent, SRAM_ENERGY, power),
            ("power at a fixed sample rate, every sample trained", points, Point.energy_percent, SRAM_ENERGY, power),
        )
        if chosen
    ]
    meet_area, meet = [], []
    for point in points:
        of_area, of_energy = point.sram_for_area(area), point.sram_for_power(power)
        if of_area is not None and point.area.at(of_area) <= 1e6 * chip_mm2:
            meet_area.append(point)
            if of_energy is not None:
                meet.append((point, of_area, of_energy))
    # nearest to nominal first, one engine for each number of lanes and rounding
    meet.sort(key=lambda found: max(abs(np.log(found[1])), abs(np.log(found[2]))))
    nearest = {(point.setting.lanes, point.setting.rounding): (point, *at) for point, *at in reversed(meet)}
    added: dict[int, list[float]] = {}
    for point in stochastic:
        added.setdefault(point.setting.lanes, []).append((point.area.at(1.0) - point.base_area.at(1.0)) / 1e6)
    lanes = sorted({point.setting.lanes for point, *_ in meet})
    return {
        "anchor": "SPOON",
        "ranges": asdict(ranges),
        "engines": len(points),
        "definitions": definitions,
        "meet_area": len(meet_area),
        "meet_both": len(meet),
        "lanes_that_meet_both": lanes,
        "nearest": [
            {
                "setting": point.setting.text,
                "lanes": point.setting.lanes,
                "area_mm2": _rounded(point.area.at(of_area) / 1e6),
                "sram_area": _rounded(of_area),
                "sram_energy": _rounded(of_energy),
            }
            for (_, _), (point, of_area, of_energy) in sorted(nearest.items())
        ],
        "samples_that_may_update_at_a_fixed_rate": shares(meet_area, power, SRAM_ENERGY) if meet_area else None,
        "added_area_mm2_needed": _rounded(chip_mm2 * area / (100 + area)),
        "added_area_mm2_by_lanes": {n: _interval(values) for n, values in added.items()},
        "unknown": _anchor("SPOON", "learning_area_overhead")["unknown"],
        "verdict": "plausible" if meet else "implausible",
        "reason": (
            f"each figure lies inside the interval of one definition; {len(meet)} of {len(points)} engines meet both at "
            f"once and are no larger than the chip, with {', '.join(str(n) for n in lanes) or 'no number of'} lanes. "
            "Intervals this wide exclude little"
        ),
    }


def energy_anchor(
    chip: str, figure: str, wrong: float, wrong_source: str, ranges: Ranges, sram: tuple[float, float] = SRAM_ENERGY
) -> dict[str, Any]:
    """Compare an anchor that gives the energy of learning over that of inference.

    Parameters
    ----------
    wrong : share of samples answered wrongly; a rule that learns from errors updates in no fewer
    """
    target, at_most = published(chip, figure), figure.endswith("at_most")
    points = [price_setting(setting) for setting in ranges.settings()]
    by_density = {
        density: shares([p for p in points if p.setting.update_density == density], target, sram)
        for density in ranges.update_densities
    }
    all_update = definition(
        "energy of a sample, every sample updates", points, Point.energy_percent, sram, target, at_most
    )
    least, most = min(by_density), max(by_density)
    few, every = by_density[least], by_density[most]
    plausible = wrong <= few["middle"]
    return {
        "anchor": chip,
        "ranges": asdict(ranges),
        "sram_energy": sram,
        "engines": len(points),
        "definitions": [
            all_update,
            definition("learning logic at rest, no sample updates", points, Point.idle_percent, sram, target, at_most),
        ],
        "samples_that_may_update": by_density,
        "by_lanes": [
            {
                "lanes": lanes,
                "update_density": density,
                **shares([p for p in points if at(p.setting) == (lanes, density)], target, sram),
            }
            for lanes, density in product(ranges.lanes, ranges.update_densities)
        ],
        "wrong_share": wrong,
        "wrong_share_source": wrong_source,
        "unknown": _anchor(chip, figure)["unknown"],
        "verdict": "plausible" if plausible else "implausible",
        "reason": (
            f"not if every sample updates (+{all_update['band'][0]:.3g} % at least); if {_percent(every['middle'])} of "
            f"them do and every neuron with them, or {_percent(few['middle'])} and {_percent(least)} of the neurons "
            f"(middle of the engines; at most {_percent(every['highest'])} and {_percent(few['highest'])}). A rule "
            f"driven by errors updates at least on wrong answers, {_percent(wrong)} of the samples ({wrong_source})"
        ),
    }


def at(setting: Setting) -> tuple[int, float]:
    return setting.lanes, setting.update_density


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def park(ranges: Ranges = RANGES["Park, Lee, Jeon"]) -> dict[str, Any]:
    """Park, Lee, Jeon: training takes 7.5 % more energy than inference."""
    wrong = round(1 - published("Park, Lee, Jeon", "mnist_trained_on_chip") / 100, 4)
    figure = "training_energy_over_inference"
    return energy_anchor("Park, Lee, Jeon", figure, wrong, "its test error", ranges, SRAM_ENERGY_PARK)


def anp(ranges: Ranges = RANGES["ANP-I"]) -> dict[str, Any]:
    """ANP-I: learning below 15 % of the energy of inference."""
    wrong = round(1 - published("ANP-I", "accuracy_at_least") / 100, 4)
    return energy_anchor("ANP-I", "learning_energy_over_inference_at_most", wrong, "its largest error", ranges)


def eon(wrong: float, ranges: Ranges = RANGES["EON-1"]) -> dict[str, Any]:
    """EON-1: learning takes 1 % of energy. It publishes no error that its abstract would state."""
    return energy_anchor("EON-1", "learning_energy_overhead", wrong, "not published; ours on digits", ranges)


def reckon() -> dict[str, Any]:
    """ReckOn: learning takes 0.8 % more memory: a count, for its rule has traces that ours have not."""
    target = published("ReckOn", "learning_memory_overhead")
    inputs, neurons, outputs, weights, output_weights, used, states, trace = (
        int(published("ReckOn", name))
        for name in (
            "inputs",
            "recurrent_neurons",
            "outputs",
            "input_and_recurrent_weight_memory",
            "output_weight_memory",
            "output_weight_memory_used",
            "neuron_memory",
            "trace_bits_a_neuron",
        )
    )
    traces = neurons * trace
    counted = _interval([100 * traces / (weights + held + states - traces) for held in (output_weights, used)])
    # a forward network with as many weights: inputs and recurrence feed the hidden layer
    net = f"{inputs + neurons}-{neurons}-{outputs}"
    ours = {}
    engine = _engine("28 nm, 0.9 V", 1, True, True)
    for rule, rounding, feedback in product(
        ("drtp", "dfa"), ("one generator", "1 residual bit"), ("lfsr", "sign", "ternary", "int8")
    ):
        spec = _spec(net, rule, 8, *ROUNDINGS[rounding][:2], feedback)
        base, learns = (price(spec, assume(spec), engine, learning).total("memory_bits") for learning in (False, True))
        ours[f"{rule}, {rounding}, B {feedback}"] = _rounded(100 * (learns / base - 1))
    inside = all(round(value, 1) == target for value in counted)
    return {
        "anchor": "ReckOn",
        "trace_bits": traces,
        "definitions": [
            {
                "definition": "memory, documented traces over all else documented, to one decimal",
                "published": target,
                "nominal": counted,
                "band": counted,
                "inside": inside,
            }
        ],
        "our_rules_on_as_many_weights": {"net": net, "memory_percent": ours},
        "unknown": f"{_anchor('ReckOn', 'learning_memory_overhead')['unknown']}; {_anchor('ReckOn', 'inputs')['unknown']}",
        "verdict": "plausible" if inside else "implausible",
        "reason": (
            f"{trace} bits of traces a neuron are {counted[0]:.2f} to {counted[1]:.2f} % of the other memories in its "
            "documentation. Only the count compares: ours has no recurrence and no traces. On as many weights ours stays "
            f"below with {', '.join(name for name, percent in ours.items() if percent <= target)}"
        ),
    }


def updating_shares(data_name: str = "digits", epochs: int = 10) -> list[dict[str, Any]]:
    """Learn with dead zones of several widths, count the samples that update, price all epochs and the last.

    A dead zone of 127 lets only errors of more than half the output range through. Network: hidden layers as Park's.
    """
    data = open_dataset(data_name)
    levels = encode_levels(data.train_x, data.low, data.high, 4)
    test_levels = encode_levels(data.test_x, data.low, data.high, 4)
    found = []
    for rule, dead_zone in product(("dfa", "sdfa"), (0, 64, 127)):
        spec = design((data.n_features, 200, 200, data.n_classes), rule, rounding="stochastic", dead_zone=dead_zone)
        learner = Learner(spec)
        before, wrong = learner.counters, 0.0
        for epoch in range(epochs):
            before = learner.counters
            order = np.random.default_rng([0, epoch]).permutation(len(levels))
            guesses = learner.learn(levels[order], data.train_y[order])
            wrong = float((guesses != data.train_y[order]).mean())
        last = Counters(learner.counters.table - before.table)
        neurons = np.array(spec.sizes[1:-1]) * last["updates"][:-1]
        found.append(
            {
                "data": data.name,
                "rule": rule,
                "dead_zone": dead_zone,
                "updating_share": _rounded(learner.counters["updates"][-1] / learner.counters.n_samples),
                "updating_share_last_epoch": _rounded(last["updates"][-1] / last.n_samples),
                "update_density_last_epoch": _rounded(last["active_neurons"][:-1].sum() / neurons.sum()),
                "wrong_share_last_epoch": _rounded(wrong),
                "energy_percent": _learned_percent(spec, learner.counters),
                "energy_percent_last_epoch": _learned_percent(spec, last),
                "test_error_percent": _rounded(100 * float((learner.predict(test_levels) != data.test_y).mean())),
            }
        )
    return found


def _learned_percent(spec: NetworkSpec, activity: Counters) -> float:
    """Return the energy over inference of samples that were learned."""
    engine = _engine("45 nm, 1.1 V", MEASURED_LANES, True, True)
    base, learned = (price(spec, activity, engine, learning).total("energy_pj") for learning in (False, True))
    return _rounded(100 * (learned / base - 1))


def report() -> dict[str, Any]:
    """Return all anchors as plain data."""
    measured = updating_shares()
    wrong = min(row["wrong_share_last_epoch"] for row in measured if row["dead_zone"] == 127)
    return {
        "edgelearn": __version__,
        "sram_relative_to_logic": {"area": SRAM_AREA, "energy": SRAM_ENERGY},
        "anchors": [spoon(), park(), anp(), eon(wrong), reckon()],
        "updating_shares": measured,
    }


def _print_table(head: str, rows: Sequence[Sequence[str]]) -> None:
    print(f"\n| {head} |\n|{'---|' * (head.count('|') + 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _span(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3g} to {interval[1]:.3g}"


def _print_anchors(anchors: Sequence[dict[str, Any]]) -> None:
    _print_table(
        "anchor | definition | published | model, SRAM nominal | SRAM over its band | inside",
        [
            (
                anchor["anchor"],
                row["definition"],
                f"{'below ' if anchor['anchor'] == 'ANP-I' else ''}{row['published']:g} %",
                f"{_span(row['nominal'])} %",
                f"{_span(row['band'])} %",
                "yes" if row["inside"] else "no",
            )
            for anchor in anchors
            for row in anchor["definitions"]
        ],
    )
    _print_table("anchor | verdict | why", [(a["anchor"], a["verdict"], a["reason"]) for a in anchors])
    _print_table(
        "SPOON: engines that meet both figures | mm2 | at SRAM area, energy",
        [
            (row["setting"], f"{row['area_mm2']:.2g}", f"x{row['sram_area']:.2g}, x{row['sram_energy']:.2g}")
            for row in anchors[0]["nearest"]
        ],
    )
    needed = anchors[0]["added_area_mm2_needed"]
    _print_table(
        f"SPOON: lanes | mm2 added, stochastic rounding, SRAM nominal ({needed:.2g} needed)",
        [(str(lanes), _span(values)) for lanes, values in anchors[0]["added_area_mm2_by_lanes"].items()],
    )
    _print_table(
        "samples that may update | lanes | 10 % of hidden neurons change | 30 % | all",
        [
            (
                anchor["anchor"],
                str(lanes),
                *(
                    f"{_percent(row['middle'])} (at most {_percent(row['highest'])})"
                    for row in anchor["by_lanes"]
                    if row["lanes"] == lanes
                ),
            )
            for anchor in anchors
            if "by_lanes" in anchor
            for lanes in dict.fromkeys(row["lanes"] for row in anchor["by_lanes"])
        ],
    )


def _print_shares(measured: Sequence[dict[str, Any]]) -> None:
    _print_table(
        "learned | dead zone | samples that update, all and last epoch | neurons in them, last | wrong, last "
        "| energy over inference, all and last | test error",
        [
            (
                f"{row['rule']}, {row['data']}",
                str(row["dead_zone"]),
                f"{_percent(row['updating_share'])}, {_percent(row['updating_share_last_epoch'])}",
                _percent(row["update_density_last_epoch"]),
                _percent(row["wrong_share_last_epoch"]),
                f"+{row['energy_percent']:.3g} %, +{row['energy_percent_last_epoch']:.3g} %",
                f"{row['test_error_percent']:.3g} %",
            )
            for row in measured
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="count the updates of runs on this data set alone")
    data = parser.parse_args().data
    make_folder(RESULTS)
    try:
        if data is None:
            content = report()
        else:
            content = {"edgelearn": __version__, "updating_shares": updating_shares(data)}
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    name = "silicon_anchors.json" if data is None else f"silicon_anchors_{data}.json"
    write_text(RESULTS / name, json.dumps(content, indent=1) + "\n")
    if "anchors" in content:
        _print_anchors(content["anchors"])
    _print_shares(content["updating_shares"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
