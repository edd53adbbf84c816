"""Published figures of chips that learn, beside what the cost model spans over stated ranges: bands, not points.

    python experiments/silicon_anchors.py                 about half a minute
    python experiments/silicon_anchors.py --data mnist    counts the updates of runs on MNIST too

Prints Markdown tables and writes experiments/results/silicon_anchors.json. No chip is modelled: their sizes, lanes and
schedules are not published. Asked is whether an engine of ours, priced with and without learning over stated ranges,
reaches the published overhead, at which settings, and what would have to be true of the chip.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path
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
from hw_models.contents import contents
from hw_models.cost import Cost
from hw_models.cost_model import price
from hw_models.memory import sram
from hw_models.processor import Engine, find_processor
from hw_models.schedule import FORWARD_ACTIVITY, assume, schedule

RESULTS = Path(__file__).parent / "results" / "silicon_anchors.json"


def _band(name: str) -> tuple[float, float]:
    row = next(row for row in technology.rows("bands") if row["name"] == name)
    return float(row["low"]), float(row["high"])


def _relative(part: str, whole: str) -> tuple[float, ...]:
    """Multiples of one constant relative to another, from low to high: an overhead depends on nothing else."""
    (low, high), (least, most) = _band(part), _band(whole)
    highest = high / least
    return tuple(round(factor, 3) for factor in (low / most, 1.0, highest**0.5, highest))


SRAM_AREA = _relative("SRAM area", "logic area")
SRAM_ENERGY = _relative("SRAM energy", "logic energy")


@dataclass(frozen=True)
class Ranges:
    """What is varied; every combination is priced.

    Parameters
    ----------
    words : (rounding, residual bits)
    update_densities : hidden neurons that change in a sample that updates
    writes : energy of an SRAM write: of the table, or that of a read. The table's organisations are those of least
        read energy and area; with wide words a write takes up to eight reads there, which a designer would avoid
    sram_area, sram_energy : SRAM relative to logic, as multiples of nominal
    """

    node: str
    rules: tuple[str, ...]
    nets: tuple[str, ...]
    bits: tuple[int, ...] = (8,)
    words: tuple[tuple[str, int], ...] = (("stochastic", 0), ("residual", 1), ("residual", 8))
    feedback: tuple[str, ...] = ("lfsr", "int8")
    lanes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    shared_generator: tuple[bool, ...] = (True, False)
    clock_gating: tuple[bool, ...] = (True, False)
    input_densities: tuple[float, ...] = (0.1, 0.3, 1.0)
    update_densities: tuple[float, ...] = (0.1, 0.3, 1.0)
    writes: tuple[str, ...] = ("table", "read")
    sram_area: tuple[float, ...] = SRAM_AREA
    sram_energy: tuple[float, ...] = SRAM_ENERGY


# Networks: SPOON's last layers in an unverified topology, and ours; Park's as the issue gives it; others ours.
SPOON_RANGES = Ranges("28 nm, 0.6 V", ("drtp",), ("1024-128-10", "784-500-10"), bits=(4, 8))
PARK_RANGES = Ranges("45 nm, 1.1 V", ("dfa", "sdfa"), ("784-200-200-10",), lanes=(1, 8, 32, 128))
ANP_RANGES = Ranges("28 nm, 0.6 V", ("dfa", "drtp"), ("784-500-10",), lanes=(1, 8, 32, 128))
EON_RANGES = Ranges("28 nm, 0.9 V", ("drtp",), ("784-500-10",), lanes=(1, 8, 32, 128))
_PROCESSORS = {
    "28 nm, 0.6 V": "event-driven-28nm",
    "28 nm, 0.9 V": "engine-28nm",
    "45 nm, 1.1 V": "engine-45nm",
}


@dataclass(frozen=True)
class Setting:
    """One engine, network and activity."""

    node: str
    rule: str
    net: str
    bits: int
    rounding: str
    residual_bits: int
    feedback: str
    lanes: int
    shared_generator: bool
    clock_gating: bool
    input_density: float
    update_density: float
    write: str

    @property
    def text(self) -> str:
        rounding = "stochastic" if self.rounding == "stochastic" else f"{self.residual_bits} residual bits"
        generator = "" if self.rounding != "stochastic" else (
            ", one generator" if self.shared_generator else ", a generator a lane"
        )  # fmt: skip
        return (
            f"{self.rule} {self.net}, {self.bits} bits, {self.lanes} lanes, {rounding}{generator}, B {self.feedback}, "
            f"clock {'gated' if self.clock_gating else 'not gated'}, inputs {self.input_density:g}, "
            f"updates {self.update_density:g}, write as {'in the table' if self.write == 'table' else 'a read'}"
        )


@dataclass(frozen=True)
class Parts:
    """A figure in two parts, so that SRAM can be scaled against the rest."""

    sram: float
    rest: float

    def at(self, sram: float) -> float:
        return self.sram * sram + self.rest


@dataclass(frozen=True)
class Point:
    """A setting, priced.

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

    def logic_area_percent(self, sram: float = 1.0) -> float:
        return 100 * (self.area.rest / self.base_area.rest - 1)

    def power_percent(self, sram: float = 1.0) -> float:
        """Power at a fixed clock while every sample is trained, over that while every sample is inferred."""
        power = self.trained.at(sram) / self.trained_cycles
        return 100 * (power / (self.inferred.at(sram) / self.inferred_cycles) - 1)

    def idle_percent(self, sram: float = 1.0) -> float:
        """Power of the chip that can learn while it only infers; the cycles are the same."""
        return 100 * (self.idle.at(sram) / self.inferred.at(sram) - 1)

    def energy_percent(self, sram: float = 1.0, share: float = 1.0) -> float:
        """Energy of a sample where a share of the samples updates; power too, where samples come at a fixed rate."""
        energy = (1 - share) * self.idle.at(sram) + share * self.trained.at(sram)
        return 100 * (energy / self.inferred.at(sram) - 1)

    def share_for(self, percent: float, sram: float = 1.0) -> float | None:
        """Return the share of samples that may update for an energy overhead; None where resting costs more."""
        idle, trained = self.energy_percent(sram, 0.0), self.energy_percent(sram, 1.0)
        if idle > percent:
            return None
        return min((percent - idle) / (trained - idle), 1.0)


@cache
def _spec(net: str, rule: str, bits: int, rounding: str, residual_bits: int, feedback: str) -> NetworkSpec:
    return design(parse_net(net), rule, bits, rounding, residual_bits, feedback_format=feedback)


@cache
def _engine(node: str, lanes: int, shared_generator: bool, clock_gating: bool) -> Engine:
    """Return a packaged engine, changed."""
    settings = find_processor(_PROCESSORS[node]).model_dump(exclude_none=True)
    settings |= {"lanes": lanes, "shared_random_generator": shared_generator, "clock_gating": clock_gating}
    return Engine.model_validate(settings)


@cache
def _base(node: str, net: str, bits: int, lanes: int, input_density: float) -> Cost:
    """Price the chip that cannot learn; how the other one learns does not matter."""
    spec = _spec(net, "drtp", bits, "stochastic", 0, "lfsr")
    return price(spec, assume(spec, input_density), _engine(node, lanes, True, True), learning=False)


def _parts(cost: Cost, figure: str, constant: str) -> Parts:
    """Split a figure; energy is that of one sample."""
    samples = cost.samples if figure == "energy_pj" else 1
    rest, whole = cost.total(figure, at={constant: 0.0}), cost.total(figure)
    return Parts((whole - rest) / samples, rest / samples)


def price_setting(setting: Setting) -> Point:
    """Price one setting."""
    s = setting
    spec = _spec(s.net, s.rule, s.bits, s.rounding, s.residual_bits, s.feedback)
    engine = _engine(s.node, s.lanes, s.shared_generator, s.clock_gating)
    activity = assume(spec, s.input_density, update_density=s.update_density)
    base = _base(s.node, s.net, s.bits, s.lanes, s.input_density)
    idle = price(spec, activity.only(FORWARD_ACTIVITY), engine)
    trained = price(spec, activity, engine)
    energy = _parts(trained, "energy_pj", "SRAM energy")
    if s.write == "read":
        energy = Parts(energy.sram - _dearer_writes_pj(spec, engine, activity), energy.rest)
    return Point(
        s,
        _parts(base, "area_um2", "SRAM area"),
        _parts(trained, "area_um2", "SRAM area"),
        _parts(base, "energy_pj", "SRAM energy"),
        _parts(idle, "energy_pj", "SRAM energy"),
        energy,
        base.cycles_per_sample,
        trained.cycles_per_sample,
    )


def _dearer_writes_pj(spec: NetworkSpec, engine: Engine, activity: Counters) -> float:
    """Return what writes of weights and residuals take more than as many reads, for one sample."""
    writes = schedule(spec, activity, engine.lanes, engine.transposed_read).writes
    held = contents(spec, True, engine.skips_zero_inputs)
    dearer = 0.0
    for role, width in (("weight", spec.layers[0].word.bits), ("residual", spec.layers[0].word.residual_bits)):
        bits = sum(held[key] for key in held if key[0] == role)
        cell = engine.memory_of(role)[1].cell
        if bits and cell:
            macro = sram(cell, engine.node, bits, engine.lanes * width)
            dearer += float(writes[role].sum()) * (macro.write_pj - macro.read_pj)
    return dearer / activity.n_samples


def settings(ranges: Ranges) -> Iterator[Setting]:
    """Return every combination once; without stochastic rounding there is no generator to share."""
    r = ranges
    built = product(r.rules, r.nets, r.bits, r.words, r.feedback, r.lanes, r.shared_generator)
    worked = list(product(r.clock_gating, r.input_densities, r.update_densities, r.writes))
    for rule, net, bits, (rounding, residual_bits), feedback, lanes, shared in built:
        if rounding == "stochastic" or shared == r.shared_generator[0]:
            chip = (r.node, rule, net, bits, rounding, residual_bits, feedback, lanes, shared)
            for of_run in worked:
                yield Setting(*chip, *of_run)


def price_all(ranges: Ranges) -> list[Point]:
    return [price_setting(setting) for setting in settings(ranges)]


def _interval(values: Iterable[float]) -> list[float]:
    found = list(values)
    return [_rounded(min(found)), _rounded(max(found))]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _over(points: Sequence[Point], figure: Callable[..., float], sram: tuple[float, ...]) -> list[float]:
    return _interval(figure(point, factor) for point in points for factor in sram)


def _definition(
    name: str,
    points: Sequence[Point],
    figure: Callable[..., float],
    sram: tuple[float, ...],
    target: float,
    at_most: bool = False,
) -> dict[str, Any]:
    """State what the model spans under one definition, SRAM nominal and over its band."""
    band = _over(points, figure, sram)
    inside = band[0] <= target if at_most else _contains(band, target)
    return {"definition": name, "nominal": _over(points, figure, (1.0,)), "band": band, "inside": inside}


def _contains(interval: Sequence[float], value: float) -> bool:
    return interval[0] <= value <= interval[1]


def published(chip: str, figure: str) -> float:
    """Return a published figure, from tables/anchors.csv."""
    row = next(row for row in technology.rows("anchors") if (row["chip"], row["figure"]) == (chip, figure))
    return float(row["value"])


def _unknown(chip: str) -> str:
    return next(row["unknown"] for row in technology.rows("anchors") if row["chip"] == chip)


MEASURED_LANES = 8  # of the engine that prices what was learned
NEAR = 0.05
"""A figure is met within this fraction of the published one."""


def spoon(ranges: Ranges = SPOON_RANGES) -> dict[str, Any]:
    """SPOON: +11.8 % area and +16.8 % power."""
    area, power = published("SPOON", "learning_area_overhead"), published("SPOON", "learning_power_overhead")
    largest_um2 = published("SPOON", "area") * 1e6
    points = price_all(ranges)
    stochastic = [p for p in points if p.setting.rounding == "stochastic"]
    residual_8 = [p for p in points if p.setting.residual_bits == 8]
    added: dict[int, list[float]] = {p.setting.lanes: [] for p in points}
    for p in stochastic:
        added[p.setting.lanes].append((p.area.at(1.0) - p.base_area.at(1.0)) / 1e6)
    needed_mm2 = published("SPOON", "area") * area / (100 + area)
    ungated = [p for p in points if not p.setting.clock_gating]
    even = [p for p in stochastic if p.setting.write == "read"]
    at, on = ranges.sram_area, ranges.sram_energy
    defined: tuple[tuple[str, list[Point], Callable[..., float], tuple[float, ...], float], ...] = (
        ("area, with memories", points, Point.area_percent, at, area),
        ("area, with memories, stochastic rounding", stochastic, Point.area_percent, at, area),
        ("area, with memories, 8 residual bits", residual_8, Point.area_percent, at, area),
        ("area, logic alone", points, Point.logic_area_percent, (1.0,), area),
        ("power at a fixed clock, every sample trained", points, Point.power_percent, on, power),
        ("the same, stochastic rounding", stochastic, Point.power_percent, on, power),
        ("the same, and a write takes a read's energy", even, Point.power_percent, on, power),
        ("power of learning logic at rest, clock not gated", ungated, Point.idle_percent, on, power),
        ("power at a fixed sample rate, every sample trained", points, Point.energy_percent, on, power),
    )
    definitions = [
        _definition(name, chosen, figure, over, target) for name, chosen, figure, over, target in defined if chosen
    ]
    met = []
    met_area: list[Point] = []
    n_area = n_power = n_fit = 0
    for p, density in product(points, ranges.sram_area):
        n_fit += p.area.at(density) <= largest_um2
        if p.area.at(density) > largest_um2:
            continue
        far_area = abs(p.area_percent(density) / area - 1)
        if far_area <= NEAR:
            n_area += 1
            met_area.append(p)
        for energy in ranges.sram_energy:
            far_power = abs(p.power_percent(energy) / power - 1)
            n_power += far_power <= NEAR
            if max(far_area, far_power) <= NEAR:
                met.append((max(far_area, far_power), p, density, energy))
    met.sort(key=lambda found: (found[0], found[1].setting.text))
    closest: list[dict[str, Any]] = []
    shapes = set()
    for _, p, density, energy in met:
        shape = (p.setting.lanes, p.setting.rounding, p.setting.bits, p.setting.net, p.setting.residual_bits)
        if shape not in shapes and len(closest) < 6:
            shapes.add(shape)
            closest.append(
                {
                    "setting": p.setting.text,
                    "sram_area": density,
                    "sram_energy": energy,
                    "area_percent": _rounded(p.area_percent(density)),
                    "power_percent": _rounded(p.power_percent(energy)),
                    "area_mm2": _rounded(p.area.at(density) / 1e6),
                    "logic_share_of_inference_area": _rounded(p.base_area.rest / p.base_area.at(density)),
                    "inference_nj": _rounded(p.inferred.at(energy) / 1e3),
                }
            )
    lanes_met = sorted({p.setting.lanes for _, p, _, _ in met if p.setting.rounding == "stochastic"})
    n_combinations = len(points) * len(ranges.sram_area) * len(ranges.sram_energy)
    wide_text = f"{' or '.join(str(n) for n in lanes_met)} lanes" if lanes_met else "no number of lanes"
    return {
        "anchor": "SPOON",
        "published": {"area_percent": area, "power_percent": power},
        "ranges": asdict(ranges),
        "priced": len(points),
        "combinations": n_combinations,
        "definitions": definitions,
        "fit_into_published_area": n_fit,
        "meet_area": n_area,
        "meet_power": n_power,
        "meet_both": len(met),
        "lanes_that_meet_both_with_stochastic_rounding": lanes_met,
        "rounding_that_meets_both": dict(
            sorted(_count(f"{p.setting.rounding} {p.setting.residual_bits}" for _, p, _, _ in met).items())
        ),
        "closest": closest,
        "share_of_samples_that_may_update": {
            "power at a fixed sample rate, area met": _shares(met_area, power, ranges.sram_energy)
        },
        "added_area_mm2_needed": _rounded(needed_mm2),
        "added_area_mm2_by_lanes": {lanes: _interval(values) for lanes, values in added.items() if values},
        "unknown": _unknown("SPOON"),
        "verdict": "plausible" if met else "implausible",
        "reason": (
            f"each lies inside the interval of its definition, and {len(met)} of {n_combinations} combinations of "
            f"engine and SRAM, none larger than the chip, meet both; with stochastic rounding at {wide_text}. The "
            "intervals are so wide that this excludes little"
        ),
    }


def _count(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def _shares(points: Sequence[Point], percent: float, sram: tuple[float, ...]) -> dict[str, Any]:
    """Shares of samples that may update for an energy overhead, over all points."""
    shares = [(p, p.share_for(percent, factor)) for p in points for factor in sram]
    found = [share for _, share in shares if share is not None]
    return {
        "interval": _interval(found) if found else None,
        "quartiles": [_rounded(sorted(found)[len(found) * k // 4]) for k in (1, 2, 3)] if found else None,
        "never": len(shares) - len(found),
        "of": len(shares),
    }


def energy_anchor(
    chip: str, figure: str, ranges: Ranges, wrong_share: float, wrong_source: str, logic_factor: float = 1.0
) -> dict[str, Any]:
    """Compare an anchor that gives the energy of learning over that of inference.

    Parameters
    ----------
    wrong_share : share of samples answered wrongly; a rule that learns from errors updates in no fewer
    logic_factor : energy of logic relative to that of the ranges' node, SRAM unchanged; a second evaluation
    """
    target, at_most = published(chip, figure), figure.endswith("at_most")
    points, on = price_all(ranges), ranges.sram_energy
    dense = [p for p in points if p.setting.update_density == 1.0]
    sparse = [p for p in points if p.setting.update_density == min(ranges.update_densities)]
    even = [p for p in points if p.setting.write == "read"]
    all_update = _definition("energy of a sample, every sample updates", points, Point.energy_percent, on, target)
    shares = {
        "every neuron changes": _shares(dense, target, on),
        f"{100 * min(ranges.update_densities):g} % of hidden neurons change": _shares(sparse, target, on),
    }
    if logic_factor != 1:
        scaled = tuple(factor / logic_factor for factor in on)
        shares[f"every neuron changes, logic x{logic_factor:.2f}"] = _shares(dense, target, scaled)
    examples = []
    for p in points:
        s = p.setting
        named = s.write == "read" and s.clock_gating and s.input_density == 0.3 and s.update_density == 1.0
        if named and s.feedback == "int8" and (s.rounding, s.shared_generator) == ("stochastic", True):
            share = p.share_for(target)
            examples.append(
                {
                    "setting": s.text,
                    "energy_percent_all_update": _rounded(p.energy_percent()),
                    "share_of_samples": None if share is None else _rounded(share),
                    "inference_nj": _rounded(p.inferred.at(1.0) / 1e3),
                }
            )
    dense_row, sparse_row = list(shares.values())[:2]
    most_dense, most = dense_row["interval"][1], sparse_row["interval"][1]
    middle_dense, middle = dense_row["quartiles"][1], sparse_row["quartiles"][1]
    if wrong_share <= middle_dense:
        verdict, why = "plausible", "most settings allow that, whichever neurons change"
    elif wrong_share <= middle:
        verdict, why = "plausible", "if little more than these update and few neurons in them"
    elif wrong_share <= most:
        verdict, why = "implausible", "only at the edge of the ranges"
    else:
        verdict, why = "implausible", "beyond the ranges"
    return {
        "anchor": chip,
        "published": {"energy_percent": target},
        "ranges": asdict(ranges),
        "priced": len(points),
        "definitions": [
            all_update,
            _definition("the same, and a write takes a read's energy", even, Point.energy_percent, on, target, at_most),
            _definition("learning logic at rest, no sample updates", points, Point.idle_percent, on, target, at_most),
        ],
        "share_of_samples_that_may_update": shares,
        "wrong_share": wrong_share,
        "wrong_share_source": wrong_source,
        "examples": examples,
        "unknown": _unknown(chip),
        "verdict": verdict,
        "reason": (
            f"with an update every sample at least +{all_update['band'][0]:.3g} %. Met if {_share_text(middle_dense)} "
            f"of the samples update and every neuron with them, or {_share_text(middle)} and one neuron in ten (middle "
            f"of the settings; at most {_share_text(most_dense)} and {_share_text(most)}). An error-driven rule "
            "updates at least on wrong answers, "
            f"{_share_text(wrong_share)} ({wrong_source}): {why}"
        ),
    }


def _share_text(share: float) -> str:
    return f"{100 * share:.2g} %"


def updating_shares(data_name: str = "digits", epochs: int = 10) -> list[dict[str, Any]]:
    """Learn with dead zones of several widths, count the samples that update, price the last epoch.

    A dead zone of 127 lets only errors of more than half the output range through. Network: hidden layers as Park's.
    """
    data = open_dataset(data_name)
    levels = encode_levels(data.train_x, data.low, data.high, 4)
    test_levels = encode_levels(data.test_x, data.low, data.high, 4)
    engine = _engine(PARK_RANGES.node, MEASURED_LANES, True, True)
    found = []
    for rule, dead_zone in product(("dfa", "sdfa"), (0, 64, 127)):
        sizes = (data.n_features, 200, 200, data.n_classes)
        spec = design(sizes, rule, rounding="stochastic", dead_zone=dead_zone)
        learner = Learner(spec)
        before, wrong = learner.counters, 0.0
        for epoch in range(epochs):
            before = learner.counters
            order = np.random.default_rng([0, epoch]).permutation(len(levels))
            guesses = learner.learn(levels[order], data.train_y[order])
            wrong = float((guesses != data.train_y[order]).mean())
        whole = learner.counters
        last = Counters(whole.table - before.table)
        energy = {"all": _learned_percent(spec, whole, engine), "last": _learned_percent(spec, last, engine)}
        updated = last["updates"][:-1] * np.array(sizes[1:-1])
        found.append(
            {
                "data": data.name,
                "rule": rule,
                "dead_zone": dead_zone,
                "updating_share": _rounded(whole["updates"][-1] / whole.n_samples),
                "updating_share_last_epoch": _rounded(last["updates"][-1] / last.n_samples),
                "wrong_share_last_epoch": _rounded(wrong),
                "hidden_neurons_in_an_updating_sample": _rounded(last["active_neurons"][:-1].sum() / updated.sum()),
                "energy_percent": energy["all"][0],
                "energy_percent_write_as_read": energy["all"][1],
                "energy_percent_last_epoch": energy["last"][0],
                "energy_percent_last_epoch_write_as_read": energy["last"][1],
                "test_error_percent": _rounded(100 * float((learner.predict(test_levels) != data.test_y).mean())),
            }
        )
    return found


def _learned_percent(spec: NetworkSpec, activity: Counters, engine: Engine) -> tuple[float, float]:
    """Return energy over inference of samples that were learned: writes of the table, and writes as reads."""
    base = price(spec, activity, engine, learning=False).total("energy_pj")
    trained = price(spec, activity, engine).total("energy_pj")
    even = trained - _dearer_writes_pj(spec, engine, activity) * activity.n_samples
    return _rounded(100 * (trained / base - 1)), _rounded(100 * (even / base - 1))


def park(ranges: Ranges = PARK_RANGES) -> dict[str, Any]:
    """Park, Lee, Jeon: training takes 7.5 % more energy than inference.

    Priced at 45 nm, for SRAM tables end there; only ratios are compared. Logic that grows by the whole step from 45 to
    65 nm while SRAM does not is a bound on what that hides.
    """
    wrong = round(1 - published("Park, Lee, Jeon", "mnist_trained_on_chip") / 100, 4)
    return energy_anchor(
        "Park, Lee, Jeon",
        "training_energy_over_inference",
        ranges,
        wrong,
        "its test error",
        technology.energy_scale(45, 1.1, 65, 1.1),
    )


def anp(ranges: Ranges = ANP_RANGES) -> dict[str, Any]:
    """ANP-I: learning below 15 % of the energy of inference."""
    wrong = 0.08  # its abstract: more than 92 % right in all tasks
    return energy_anchor("ANP-I", "learning_energy_over_inference_at_most", ranges, wrong, "its largest test error")


def eon(measured: Sequence[dict[str, Any]], ranges: Ranges = EON_RANGES) -> dict[str, Any]:
    """EON-1: learning takes 1 % of energy."""
    least = min(row["wrong_share_last_epoch"] for row in measured if row["dead_zone"] == 127)
    return energy_anchor(
        "EON-1", "learning_energy_overhead", ranges, least, f"none published; {measured[0]['data']}, last epoch"
    )


# ChFrenkel/ReckOn@5e5c0be doc/README.md, section 1: network, memories and fields of a neuron's word.
RECKON_INPUTS, RECKON_NEURONS, RECKON_OUTPUTS, RECKON_WEIGHT_BITS = 256, 256, 16, 8
RECKON_WEIGHT_SRAM_BITS = 2 * 8 * 65536  # inputs and recurrence
RECKON_OUTPUT_SRAM_BITS = 8 * 8192  # half of its words are used
RECKON_NEURON_SRAM_BITS = 8 * 2048
RECKON_TRACE_BITS = 12 + 12 + 10  # eligibility of input, recurrent and output weights, a neuron


def reckon() -> dict[str, Any]:
    """ReckOn: learning takes 0.8 % more memory: a count, for its rule has traces that ours have not."""
    target = published("ReckOn", "learning_memory_overhead")
    traces = RECKON_NEURONS * RECKON_TRACE_BITS
    rest = RECKON_WEIGHT_SRAM_BITS + RECKON_NEURON_SRAM_BITS - traces
    counted = [100 * traces / (rest + output) for output in (RECKON_OUTPUT_SRAM_BITS, RECKON_OUTPUT_SRAM_BITS // 2)]
    # a forward network with as many weights: inputs and recurrence feed the hidden layer
    net = f"{RECKON_INPUTS + RECKON_NEURONS}-{RECKON_NEURONS}-{RECKON_OUTPUTS}"
    ours = {}
    for rule, (rounding, residual), feedback in product(
        ("drtp", "dfa", "bp"),
        (("stochastic", 0), ("residual", 1), ("residual", 8)),
        ("lfsr", "sign", "ternary", "int8"),
    ):
        if rule == "bp" and feedback != "lfsr":
            continue
        spec = _spec(net, rule, RECKON_WEIGHT_BITS, rounding, residual, feedback)
        engine = _engine("28 nm, 0.9 V", 1, True, True)
        bits = [price(spec, assume(spec), engine, learning).total("memory_bits") for learning in (False, True)]
        name = f"{rule}, {rounding}{f' {residual} bits' if residual else ''}" + (
            "" if rule == "bp" else f", B {feedback}"
        )
        ours[name] = _rounded(100 * (bits[1] / bits[0] - 1))
    inside = all(round(value, 1) == target for value in counted)
    return {
        "anchor": "ReckOn",
        "published": {"memory_percent": target},
        "trace_bits": traces,
        "definitions": [
            {
                "definition": "memory, documented traces over all else documented; agrees when rounded to a digit",
                "nominal": _interval(counted),
                "band": _interval(counted),
                "inside": inside,
            }
        ],
        "bits_a_neuron_that_0.8_percent_allows": _rounded(
            target / 100 * (rest + RECKON_OUTPUT_SRAM_BITS) / RECKON_NEURONS
        ),
        "our_rules_on_as_many_weights": {"net": net, "memory_percent": ours},
        "allowed": [name for name, percent in ours.items() if percent <= target],
        "unknown": f"{_unknown('ReckOn')}; whether the figure counts these words",
        "verdict": "plausible" if inside else "implausible",
        "reason": (
            f"{RECKON_TRACE_BITS} bits of traces a neuron are {min(counted):.2f} to {max(counted):.2f} % of the other "
            "memories in its public documentation. Ours has no recurrence and no traces: only the count compares. "
            "Rules of ours stay below only without residual bits and without 8-bit feedback words"
        ),
    }


def report(also: str | None = None) -> dict[str, Any]:
    """Return all anchors as plain data.

    Parameters
    ----------
    also : data set whose updates are counted beside those of digits
    """
    measured = updating_shares()
    return {
        "edgelearn": __version__,
        "sram_relative_to_logic": {"area": SRAM_AREA, "energy": SRAM_ENERGY},
        "updating_shares": measured + (updating_shares(also) if also else []),
        "anchors": [spoon(), park(), anp(), eon(measured), reckon()],
    }


def _span(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3g} to {interval[1]:.3g} %"


def _print(content: dict[str, Any]) -> None:
    print("| anchor | published | definition | model, SRAM nominal | model, SRAM over its band | inside |")
    print("|---|---|---|---|---|---|")
    for anchor in content["anchors"]:
        values = anchor["published"]
        for row in anchor["definitions"]:
            kind = "area_percent" if row["definition"].startswith("area") else "power_percent"
            target = values.get(kind, next(iter(values.values())))
            below = "< " if anchor["anchor"] == "ANP-I" else "+"
            cells = (
                anchor["anchor"],
                f"{below}{target:g} %",
                row["definition"],
                _span(row["nominal"]),
                _span(row["band"]),
                "yes" if row["inside"] else "no",
            )
            print(f"| {' | '.join(cells)} |")
    print("\n| anchor | verdict | reason |")
    print("|---|---|---|")
    for anchor in content["anchors"]:
        print(f"| {anchor['anchor']} | {anchor['verdict']} | {anchor['reason']} |")
    print("\n| SPOON: engines that meet both | area | power | mm2 | SRAM area, energy |")
    print("|---|---|---|---|---|")
    for row in content["anchors"][0]["closest"]:
        print(
            f"| {row['setting']} | +{row['area_percent']:g} % | +{row['power_percent']:g} % | {row['area_mm2']:g} | "
            f"x{row['sram_area']:g}, x{row['sram_energy']:g} |"
        )
    spoon_row = content["anchors"][0]
    print(
        f"\n| SPOON: lanes | area added with stochastic rounding; {spoon_row['added_area_mm2_needed']:g} mm2 needed |"
    )
    print("|---|---|")
    for lanes, (low, high) in spoon_row["added_area_mm2_by_lanes"].items():
        print(f"| {lanes} | {low:.2g} to {high:.2g} mm2 |")
    print("\n| energy anchor | samples that may update | quartiles | never met |")
    print("|---|---|---|---|")
    for anchor in content["anchors"]:
        for name, row in anchor.get("share_of_samples_that_may_update", {}).items():
            if row["interval"] is not None:
                low, middle, high = (_share_text(share) for share in row["quartiles"])
                shares = f"{_share_text(row['interval'][0])} to {_share_text(row['interval'][1])}"
                shown = (f"{anchor['anchor']}, {name}", shares, f"{low}, {middle}, {high}")
                print(f"| {' | '.join(shown)} | {row['never']} of {row['of']} |")
    print(
        "\n| learned | dead zone | samples that update, all and last epoch | wrong, last epoch | neurons in them "
        "| energy over inference, all epochs | last epoch (write as a read) | test error |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in content["updating_shares"]:
        learned = (
            f"{row['rule']}, {row['data']}",
            f"{row['dead_zone']}",
            f"{100 * row['updating_share']:.3g} %, {100 * row['updating_share_last_epoch']:.3g} %",
            f"{100 * row['wrong_share_last_epoch']:.3g} %",
            f"{100 * row['hidden_neurons_in_an_updating_sample']:.3g} %",
            f"+{row['energy_percent']:.3g} %",
            f"+{row['energy_percent_last_epoch']:.3g} % (+{row['energy_percent_last_epoch_write_as_read']:.3g} %)",
            f"{row['test_error_percent']:.3g} %",
        )
        print(f"| {' | '.join(learned)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="data set whose updates are counted beside those of digits")
    given = parser.parse_args()
    try:
        content = report(given.data)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    make_folder(RESULTS.parent)
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    _print(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
