"""Area and energy per cycle of the engine's datapath, fitted to gate-level synthesis and toggle counts.

The fits read the rows marked `fit` of tables/synthesis.csv and tables/toggles.csv; the rows marked `test` judge them
(tests/unit/hw_models/test_logic.py). What a complete engine has beyond the one-layer engine of the fit is in
tables/engine_terms.csv, a row each. Derivation: docs/cost_model.md, section 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from edgelearn.rules.rule import Feedback, Rule
from hw_models.constants.technology import operation, rows

LIBRARY, NODE_NM, VOLTAGE_V = "Nangate45", 45, 1.1
N_ERRORS = 10  # classes of the synthesised engine
FEEDBACK_REGISTER_BITS = 16  # its generator of feedback words
ROLES = (
    "arithmetic",
    "control",
    "engine control",
    "learning arithmetic",
    "learning control",
    "random generator",
    "random comparator",
    "feedback",
    "error",
)
INFERENCE_ROLES = ROLES[:3]  # of an engine that cannot learn; they work in every cycle
TERMS_LIBRARY = "sg13g2"  # of the areas in tables/engine_terms.csv

Control = Literal["complete", "one-layer"]


@dataclass(frozen=True)
class Datapath:
    """Logic of the engine beside its memories.

    Parameters
    ----------
    weight_bits, input_bits : operands of the multiplier; its accumulator is 8 bits wider than their product
    rule : None for inference only
    update_bits : width of the stored word that an update writes
    stochastic : whether updates are rounded with random bits
    generates_feedback : whether feedback words come from a generator, else from a memory
    error_bits : bits of the error registers, all outputs together
    control : "one-layer": the synthesised engine of the fit, with a 16-bit random generator; "complete": with the
        terms of tables/engine_terms.csv, among them the contract's random generator
    event_lists : whether inputs are lists of events, which a complete engine keeps
    other_rules : of further hidden layers; learning logic is the largest of all rules, with a generator where any of
        them regenerates feedback
    pools : whether a lane compares, or adds up, the sums of a pooling window
    window_bits : counters and addresses that walk through windows; 0 without convolutions
    """

    weight_bits: int
    input_bits: int
    rule: Rule | None = None
    update_bits: int = 0
    stochastic: bool = False
    generates_feedback: bool = False
    error_bits: int = 0
    control: Control = "one-layer"
    event_lists: bool = True
    other_rules: tuple[Rule, ...] = ()
    pools: bool = False
    window_bits: int = 0

    @property
    def accumulator_bits(self) -> int:
        return self.weight_bits + self.input_bits + 8

    @property
    def adding_share(self) -> float:
        """Share of the area of the arithmetic that adds and subtracts without a product: all but the multiplier."""
        whole = mac_area_um2(self.weight_bits, self.input_bits)
        return 1 - multiplier_between_um2(self.weight_bits, self.input_bits) / whole

    @staticmethod
    def learning_pj(area_um2: float) -> float:
        """Energy of a cycle of so much learning logic."""
        return area_um2 * energy_per_um2()[1]

    def area_um2(self) -> dict[str, float]:
        """Return the area of one lane with its control, by role, in Nangate45."""
        area = {"arithmetic": mac_area_um2(self.weight_bits, self.input_bits)}
        area["control"] = _line(control_line(), (self.weight_bits + self.input_bits) / 2)
        counter_bit = adder_bit_um2() + register_um2()  # of a counter, or of a comparator with its register
        area["arithmetic"] += self.accumulator_bits * counter_bit * self.pools
        area["control"] += self.window_bits * counter_bit
        complete = self.control == "complete"
        if complete:
            area["engine control"] = terms_um2("always") + (terms_um2("events") if self.event_lists else 0.0)
        if self.rule is None:
            return area
        rules = (self.rule, *self.other_rules)
        lines = {_family(rule): learning_lines()[_family(rule)] for rule in rules}
        family = max(lines, key=lambda name: _line(lines[name], math.log2(self.update_bits)))
        learning = max(_line(lines[family], math.log2(self.update_bits)), 0.0)
        random = min(random_share() * _line(learning_lines()["drtp"], math.log2(self.update_bits)), learning)
        generator = 0.0
        if any(rule.stores_feedback for rule in rules):
            generator = FEEDBACK_REGISTER_BITS * register_um2()
        within = 0.0
        if family != "bp":  # synthesised with a generator of its feedback words
            generator = within = min(generator, learning - random)
        area["learning arithmetic"] = learning - random - within
        if complete:
            area["learning control"] = terms_um2("learning")
            random = terms_um2("stochastic", "engine")
            area["random comparator"] = terms_um2("stochastic", "lane") if self.stochastic else 0.0
        area["random generator"] = random if self.stochastic else 0.0
        area["feedback"] = generator if self.generates_feedback else 0.0
        area["error"] = self.error_bits * register_um2()
        return area

    def energy_pj(self) -> dict[str, float]:
        """Return the energy of one cycle of one lane with its control, by role, in Nangate45 at 1.1 V.

        The share of inference grows with its area, that of learning logic and of the terms of a complete engine with
        their own; error registers cost their clock.
        """
        base, learned = energy_per_um2()
        energy = {}
        for role, area in self.area_um2().items():
            energy[role] = area * (base if role in ("arithmetic", "control") else learned)
        if "error" in energy:
            energy["error"] = self.error_bits * register_pj()
        return energy


@cache
def terms_um2(use: str, per: str = "engine") -> float:
    """Area in Nangate45 of the terms of a complete engine with one use, from tables/engine_terms.csv."""
    found = [r for r in rows("engine_terms") if (r["unit"], r["use"], r["per"]) == ("um2", use, per)]
    return sum(float(row["value"]) for row in found) / library_factor()


@cache
def library_factor() -> float:
    """Area in the library of the terms over area in Nangate45, from the 8-bit inference engine in both."""
    wanted = (TERMS_LIBRARY, "inference", "8")
    measured = next(r for r in rows("synthesis") if (r["library"], r["engine"], r["bits"]) == wanted)
    return float(measured["area_um2"]) / sum(Datapath(8, 8).area_um2().values())


def adder_tree_um2(lanes: int, bits: int) -> float:
    """Area of the adders that sum one value of each lane."""
    return (lanes - 1) * bits * _yosys_um2("add", 32) / 32


def register_pj() -> float:
    """Energy of one register bit in one cycle: its clock."""
    energy = operation("aladdin-40nm-1ns", "register", 1).energy_pj
    assert energy is not None
    return energy


@cache
def mac_area_um2(weight_bits: int, input_bits: int) -> float:
    """Area of a multiplier, its accumulator and its operand registers, in Nangate45.

    Adder and registers are lines through synthesised ones; operand registers are what a synthesised block has beyond
    those and its multiplier.
    """
    multiplier = multiplier_between_um2(weight_bits, input_bits)
    accumulator_bits = weight_bits + input_bits + 8
    accumulator = accumulator_bits * (_yosys_um2("add", 32) / 32 + register_um2())
    return multiplier + accumulator + (weight_bits + input_bits) * operand_bit_um2()


def multiplier_between_um2(weight_bits: int, input_bits: int) -> float:
    """Area of a multiplier, interpolated between synthesised ones over the product of its widths, in Nangate45."""
    widths = (4, 8, 16, 32)
    products = [math.log(n * n) for n in widths]
    areas = [math.log(_yosys_um2("multiply", n)) for n in widths]
    product = math.log(weight_bits * input_bits)
    slope = (areas[1] - areas[0]) / (products[1] - products[0])
    below = areas[0] + slope * (product - products[0])
    return math.exp(below if product < products[0] else float(np.interp(product, products, areas)))


@cache
def operand_bit_um2() -> float:
    """Area for each operand bit of a synthesised MAC block beyond multiplier and accumulator."""
    shares = []
    for n in (4, 8, 16, 32):
        parts = _yosys_um2("multiply", n) + (2 * n + 8) * (_yosys_um2("add", 32) / 32 + register_um2())
        shares.append((_yosys_um2("mac", n) - parts) / (2 * n))
    return sum(shares) / len(shares)


def _yosys_um2(name: str, bits: int) -> float:
    area = operation("nangate45-yosys", name, bits).area_um2
    assert area is not None
    return area


def multiplier_um2(bits: int) -> float:
    """Area of a synthesised multiplier of bits x bits."""
    return _yosys_um2("multiply", bits)


def adder_bit_um2() -> float:
    """Area of a bit of an adder."""
    return _yosys_um2("add", 32) / 32


def register_um2() -> float:
    """Area of a flip-flop with enable."""
    return _yosys_um2("register-enable", 1)


def _synthesised(use: str) -> list[dict[str, str]]:
    return [row for row in rows("synthesis") if row["library"] == LIBRARY and row["use"] == use]


def _line(coefficients: tuple[float, float], x: float) -> float:
    return coefficients[0] + coefficients[1] * x


def _through(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Fit y = a + b x by least squares."""
    x, y = np.array(points).T
    b, a = np.polyfit(x, y, 1)
    return float(a), float(b)


@cache
def control_line() -> tuple[float, float]:
    """Control, addresses and activation table: what an inference engine has beyond its MAC, a line over its width."""
    points = []
    for row in _synthesised("fit"):
        if row["engine"] == "inference":
            n = int(row["bits"])
            points.append((float(n), float(row["area_um2"]) - mac_area_um2(n, n)))
    return _through(points)


def _family(rule: Rule) -> str:
    """Return the synthesised engine that a rule's datapath is taken from.

    fa steps backward like bp, mdfa and local forward like dfa; shallow has no feedback at all and is taken as bp
    without its transposed read, an upper bound.
    """
    if rule.selects_row:
        return "drtp"
    return "dfa" if rule.feedback is Feedback.DIRECT else "bp"


@cache
def learning_lines() -> dict[str, tuple[float, float]]:
    """Learning logic with its random generator, without error registers: a line over log2 of the width, by engine."""
    fitted_rows = _synthesised("fit")
    inference = {int(row["bits"]): float(row["area_um2"]) for row in fitted_rows if row["engine"] == "inference"}
    points: dict[str, list[tuple[float, float]]] = {}
    for row in fitted_rows:
        n = int(row["bits"])
        if row["engine"] == "inference" or row["stochastic"] == "no":
            continue
        extra = float(row["area_um2"]) - inference[n] - N_ERRORS * int(row["error_bits"]) * register_um2()
        points.setdefault(row["engine"], []).append((math.log2(n), extra))
    # dfa is drtp with error registers and a projection that reuses the MAC
    points["drtp"] = points["dfa"] = points["drtp"] + points["dfa"]
    return {engine: _through(fitted) for engine, fitted in points.items()}


@cache
def random_share() -> float:
    """Random generator as a share of drtp's learning logic: mean of the synthesised engines without it.

    It is the same generator under every rule; that it grows with the width as drtp's logic does is assumed, for it was
    synthesised apart at one width only.
    """
    shares = []
    for row in _synthesised("fit"):
        if row["stochastic"] == "no" and row["engine"] != "inference":
            n = int(row["bits"])
            learning = _line(learning_lines()[row["engine"]], math.log2(n))
            errors = N_ERRORS * int(row["error_bits"]) * register_um2()
            without = float(row["area_um2"]) - mac_area_um2(n, n) - _line(control_line(), n) - errors
            shares.append((learning - without) / _line(learning_lines()["drtp"], math.log2(n)))
    return sum(shares) / len(shares)


@cache
def energy_per_um2() -> tuple[float, float]:
    """Energy a cycle for each um2 of inference logic, and of learning logic, from the toggle rows marked fit."""
    toggles = {row["engine"]: row for row in rows("toggles") if row["use"] == "fit"}
    n = int(toggles["inference"]["bits"])
    base_pj = float(toggles["inference"]["pj_per_cycle"])
    inference_um2 = mac_area_um2(n, n) + _line(control_line(), n)
    learning_um2 = _line(learning_lines()["drtp"], math.log2(n))
    return base_pj / inference_um2, (float(toggles["drtp"]["pj_per_cycle"]) - base_pj) / learning_um2
