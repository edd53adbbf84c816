"""Published figures of chips that learn, beside what the cost model spans over stated ranges: bands, not points.

    python experiments/silicon_anchors.py     about half a minute

Prints Markdown tables and writes experiments/results/silicon_anchors.json. No chip is modelled: their sizes, lanes and
schedules are not published. Asked is whether an engine of ours, priced with and without learning over stated ranges,
reaches the published overhead, at which settings, and what would have to be true of the chip.
"""

from __future__ import annotations

import json
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
from edgelearn.files import make_folder, write_text
from edgelearn.learner import Learner
from edgelearn.network import NetworkSpec, design, parse_net
from edgelearn.streams import open_dataset
from hw_models import technology
from hw_models.cost_model import Cost, contents, price
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
    "28 nm, 0.6 V": ("event-driven-28nm", {}),
    "28 nm, 0.9 V": ("engine-28nm", {}),
    "45 nm, 1.1 V": ("engine-45nm", {"cell": "itrs-lstp"}),  # itrs-hp would spend most of its energy leaking
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
    name, memory = _PROCESSORS[node]
    settings = find_processor(name).model_dump(exclude_none=True)
    settings |= {"lanes": lanes, "shared_random_generator": shared_generator, "clock_gating": clock_gating}
    for key in settings["memories"]:
        settings["memories"][key] |= memory
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
    for rule, net, bits, (rounding, residual_bits), feedback, lanes, shared, gated, inputs, updates, write in product(
        r.rules, r.nets, r.bits, r.words, r.feedback, r.lanes, r.shared_generator, r.clock_gating, r.input_densities,
        r.update_densities, r.writes,
    ):  # fmt: skip
        if rounding == "stochastic" or shared == r.shared_generator[0]:
            yield Setting(
                r.node,
                rule,
                net,
                bits,
                rounding,
                residual_bits,
                feedback,
                lanes,
                shared,
                gated,
                inputs,
                updates,
                write,
            )


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


NEAR = 0.05
"""A figure is met within this fraction of the published one."""


def spoon(ranges: Ranges = SPOON_RANGES) -> dict[str, Any]:
    """SPOON: +11.8 % area and +16.8 % power."""
    area, power = published("SPOON", "learning_area_overhead"), published("SPOON", "learning_power_overhead")
    largest_um2 = published("SPOON", "area") * 1e6
    points = price_all(ranges)
    stochastic = [p for p in points if p.setting.rounding == "stochastic"]
    residual_8 = [p for p in points if p.setting.residual_bits == 8]
    wide = [p for p in points if p.setting.lanes == max(ranges.lanes) and p.setting.rounding == "stochastic"]
    added = {p.setting.lanes: [] for p in points}  # type: dict[int, list[float]]
    for p in stochastic:
        added[p.setting.lanes].append((p.area.at(1.0) - p.base_area.at(1.0)) / 1e6)
    needed_mm2 = published("SPOON", "area") * area / (100 + area)
    ungated = [p for p in points if not p.setting.clock_gating]
    even = [p for p in stochastic if p.setting.write == "read"]
    at, on = ranges.sram_area, ranges.sram_energy
    definitions = [
        _definition("area, with memories", points, Point.area_percent, at, area),
        _definition("area, with memories, stochastic rounding", stochastic, Point.area_percent, at, area),
        _definition("area, with memories, 8 residual bits", residual_8, Point.area_percent, at, area),
        _definition("area, logic alone", points, Point.logic_area_percent, (1.0,), area),
        _definition("power at a fixed clock, every sample trained", points, Point.power_percent, on, power),
        _definition("the same, stochastic rounding", stochastic, Point.power_percent, on, power),
        _definition("the same, and a write takes a read's energy", even, Point.power_percent, on, power),
        _definition("power of learning logic at rest, clock not gated", ungated, Point.idle_percent, on, power),
        _definition("power at a fixed sample rate, every sample trained", points, Point.energy_percent, on, power),
    ]
    shares = _shares(points, power, ranges.sram_energy)
    met = []
    n_area = n_power = n_fit = 0
    for p, density in product(points, ranges.sram_area):
        n_fit += p.area.at(density) <= largest_um2
        if p.area.at(density) > largest_um2:
            continue
        far_area = abs(p.area_percent(density) / area - 1)
        n_area += far_area <= NEAR
        for energy in ranges.sram_energy:
            far_power = abs(p.power_percent(energy) / power - 1)
            n_power += far_power <= NEAR
            if max(far_area, far_power) <= NEAR:
                met.append((max(far_area, far_power), p, density, energy))
    met.sort(key=lambda found: (found[0], found[1].setting.text))
    closest, shapes = [], set()
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
    return {
        "anchor": "SPOON",
        "published": {"area_percent": area, "power_percent": power},
        "ranges": asdict(ranges),
        "priced": len(points),
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
        "share_of_samples_at_fixed_rate": shares,
        "added_area_mm2_needed": _rounded(needed_mm2),
        "added_area_mm2_by_lanes": {lanes: _interval(values) for lanes, values in added.items() if values},
        "widest_area_percent": _over(wide, Point.area_percent, ranges.sram_area),
        "unknown": _unknown("SPOON"),
        "verdict": "plausible" if met else "implausible",
        "reason": (
            f"both figures are met at once by {len(met)} of {len(points)} engines at {len(ranges.sram_area)} x "
            f"{len(ranges.sram_energy)} strengths of SRAM, no larger than the chip; with stochastic rounding at "
            f"{' or '.join(str(n) for n in lanes_met) or 'no number of'} lanes only: wide engines whose power is that "
            "of a fixed clock. The interval is wide, so that this excludes little"
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
    most_dense, most = (row["interval"][1] for row in list(shares.values())[:2])
    if wrong_share <= most_dense:
        verdict, why = "plausible", "possible for every neuron, if little more than wrong answers update"
    elif wrong_share <= most:
        verdict, why = "plausible", "possible only if few neurons change as well"
    else:
        verdict, why = "implausible", "out of reach of our rules on this engine, whichever neurons change"
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
            f"with an update every sample at least +{all_update['band'][0]:.3g} %. Met where at most "
            f"{_share_text(most_dense)} of the samples update (every neuron), {_share_text(most)} (few neurons). "
            f"Wrong answers: {_share_text(wrong_share)} ({wrong_source}): {why}"
        ),
    }


def _share_text(share: float) -> str:
    return f"{100 * share:.2g} %"


def updating_shares(epochs: int = 10) -> list[dict[str, Any]]:
    """Learn digits with dead zones of several widths; count the samples that update.

    A dead zone of 127 lets only errors of more than half the output range through.
    """
    data = open_dataset("digits")
    levels = encode_levels(data.train_x, data.low, data.high, 4)
    test_levels = encode_levels(data.test_x, data.low, data.high, 4)
    found = []
    for rule, dead_zone in product(("dfa", "sdfa"), (0, 32, 64, 96, 127)):
        spec = design((data.n_features, 100, data.n_classes), rule, dead_zone=dead_zone)
        learner = Learner(spec)
        before = Counters.zeros(2)
        wrong = 0.0
        for epoch in range(epochs):
            before = learner.counters
            order = np.random.default_rng([0, epoch]).permutation(len(levels))
            guesses = learner.learn(levels[order], data.train_y[order])
            wrong = float((guesses != data.train_y[order]).mean())
        counters = learner.counters
        last = Counters(counters.table - before.table)
        found.append(
            {
                "rule": rule,
                "dead_zone": dead_zone,
                "updating_share": _rounded(counters["updates"][-1] / counters.n_samples),
                "updating_share_last_epoch": _rounded(last["updates"][-1] / last.n_samples),
                "wrong_share_last_epoch": _rounded(wrong),
                "neurons_in_an_updating_sample": _rounded(
                    last["active_neurons"][0] / max(int(last["updates"][0]), 1) / 100
                ),
                "test_error_percent": _rounded(100 * float((learner.predict(test_levels) != data.test_y).mean())),
            }
        )
    return found


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
    return energy_anchor("EON-1", "learning_energy_overhead", ranges, least, "none published; digits, last epoch")


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


def report() -> dict[str, Any]:
    """Return all anchors as plain data."""
    measured = updating_shares()
    return {
        "edgelearn": __version__,
        "sram_relative_to_logic": {"area": SRAM_AREA, "energy": SRAM_ENERGY},
        "updating_shares_digits": measured,
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
    print("\n| energy anchor | samples that may update | quartiles | never met |")
    print("|---|---|---|---|")
    for anchor in content["anchors"]:
        for name, row in anchor.get("share_of_samples_that_may_update", {}).items():
            if row["interval"] is not None:
                low, middle, high = (_share_text(share) for share in row["quartiles"])
                shares = f"{_share_text(row['interval'][0])} to {_share_text(row['interval'][1])}"
                cells = (f"{anchor['anchor']}, {name}", shares, f"{low}, {middle}, {high}")
                print(f"| {' | '.join(cells)} | {row['never']} of {row['of']} |")
    print("\n| digits, 10 epochs | dead zone | samples that update, all and last epoch | test error |")
    print("|---|---|---|---|")
    for row in content["updating_shares_digits"]:
        shares = f"{100 * row['updating_share']:.3g} %, {100 * row['updating_share_last_epoch']:.3g} %"
        print(f"| {row['rule']} | {row['dead_zone']} | {shares} | {row['test_error_percent']:g} % |")


def main() -> int:
    content = report()
    make_folder(RESULTS.parent)
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    _print(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
