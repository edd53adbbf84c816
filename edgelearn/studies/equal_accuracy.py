"""Energy at equal accuracy: what each rule, at tuned rates, takes until the test samples are classified so well.

A study whose cells also keep their learning curve (`edgelearn.runs.curve`). The energy until an accuracy is that of the
counters up to the first test at which the accuracy is reached.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import RunConfig, validated
from edgelearn.errors import UserError
from edgelearn.files import read_json, write_text
from edgelearn.network.counters import Counters
from edgelearn.network.kernels.tables import counters_of
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.rules import RULES, find_rules
from edgelearn.runs.curve import CurveWork
from edgelearn.runs.dataset import open_cell
from edgelearn.runs.kind import drive
from edgelearn.runs.rates import DRY_NET, record_of, spec_of_report
from edgelearn.runs.registry import find_kind
from edgelearn.studies.analysis import Interval, interval
from edgelearn.studies.cell import DONE, Cell, Record, recorded
from edgelearn.studies.plan import Plan, read_plan
from edgelearn.studies.table import CELLS, EQUAL_ACCURACY, PLAN, TUNING, Records
from hw_models.compare.bands import at_sample, band_as_dict
from hw_models.cost import Cost
from hw_models.engine.schedule import assume
from hw_models.processor import AnyProcessor, find_processor

BASELINE = "bp"  # that the others are compared with, where it is among the rules
POINTS = 40  # of a drawn curve
QUESTION = "Which energy does each rule take until it is as accurate as the others?"


def plan_of(settings: Mapping[str, Any], rules: Sequence[str], seeds: int, processor: str) -> Plan:
    """Return the study of some rules: tuned rates, seeds from 0.

    Parameters
    ----------
    settings : those of `RunConfig` that all rules share

    Raises
    ------
    UserError
        Those of `Plan.of`, "rule ...", "processor ... has no energies ..."
    """
    _check_energies(processor)
    given = dict.fromkeys("+".join(row.name for row in find_rules(name)) for name in rules)
    if len(given) < len(rules):
        raise UserError(f"rules {', '.join(rules)} hold one twice; give each once")
    return Plan.of(
        {
            "question": QUESTION,
            "settings": dict(settings),
            "axes": {"rule": list(given)},
            "seeds": seeds,
            "processors": [processor],
            "tuning": {},
        }
    )


def _check_energies(processor: str) -> None:
    spec, priced = design(DRY_NET), find_processor(processor)
    if "energy_pj" not in priced.price(spec, assume(spec)).prices:
        raise UserError(f"processor '{priced.name}' has no energies to compare; see `edgelearn processors list`")


def rules_named(text: str) -> list[str]:
    """Return the rules of a list such as "bp,drtp", or "all"."""
    return list(RULES) if text == "all" else [name.strip() for name in text.split(",")]


def run_cell(cell: Cell) -> Record:
    """Run a cell and return its record with its learning curve."""
    return recorded(cell, _run)


def _run(cell: Cell) -> Record:
    config = validated(RunConfig, dict(cell.config))
    if config.validation_fraction is not None:  # a candidate of the tuning, which needs no curve
        return record_of(drive(find_kind(cell.kind), config, open=open_cell).content)
    content = drive(find_kind(cell.kind), config, open=CurveWork).content
    return record_of(content) | {"curve": content["curve"]}


@dataclass(frozen=True)
class Curve:
    """Learning curve of a cell.

    Parameters
    ----------
    samples, accuracy : int64[n], float64[n], at each test
    counts : int64[n, K, len(COUNTERS)], from the start to each test
    """

    rule: str
    seed: int
    rates: dict[str, int]
    spec: NetworkSpec
    processor: AnyProcessor
    samples: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray

    def cost(self, test: int) -> Cost:
        """Return the cost of a sample, over all that were learned until a test."""
        return self.processor.price(self.spec, Counters(self.counts[test]))

    def energy_pj(self, test: int) -> dict[str, float]:
        """Return the energy of all samples learned until a test, nominal and with its band."""
        cost = self.cost(test)
        band = band_as_dict(cost, partial(at_sample, cost, "energy_pj"))
        return {name: value * int(self.samples[test]) for name, value in band.items()}

    def reached(self, accuracy: float) -> int | None:
        """Return the first test with an accuracy; None where there is none."""
        found = np.flatnonzero(self.accuracy >= accuracy)
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class RuleResult:
    """One rule over all seeds; intervals are over seeds.

    Parameters
    ----------
    rates : tuned exponents of two
    at_edge : rates that are the lowest or highest of those tried, so that a better one may lie beyond
    final, best : accuracy at the end, and the highest of each curve
    energy_per_sample_pj : over all samples that a run learns
    seeds, reached : seeds that ended, and those among them that reach the accuracy; `samples`, `energy_pj` are theirs
    samples, energy_pj : learned, and used, until the accuracy
    band : low and high of the mean energy over the uncertain constants of the cost model
    ratio : energy until the accuracy over that of the baseline, paired over seeds
    """

    rule: str
    rates: dict[str, int]
    at_edge: tuple[str, ...]
    final: Interval
    best: Interval
    energy_per_sample_pj: Interval
    seeds: int
    reached: int
    samples: Interval | None
    energy_pj: Interval | None
    band: tuple[float, float] | None
    ratio: Interval | None


@dataclass(frozen=True)
class EqualAccuracy:
    """Result of the study.

    Parameters
    ----------
    accuracy_percent : that rules are compared at
    given : whether it was asked for; else it is the highest that every seed of every rule reaches
    curves : per rule, at equal numbers of samples: mean accuracy and mean energy, for figures
    """

    accuracy_percent: float
    given: bool
    processor: str
    data: str
    net: str
    test_samples_apart: int
    rules: tuple[RuleResult, ...]
    curves: dict[str, dict[str, list[float]]]

    @property
    def never(self) -> list[RuleResult]:
        """Return the rules that no seed of which reaches the accuracy."""
        return [one for one in self.rules if not one.reached]

    def as_dict(self) -> dict[str, Any]:
        return {
            "accuracy_percent": self.accuracy_percent,
            "accuracy_is": "given" if self.given else "the highest that every seed of every rule reaches",
            "processor": self.processor,
            "data": self.data,
            "net": self.net,
            "samples_between_tests": self.test_samples_apart,
            "rules": [_as_dict(one) for one in self.rules],
            "curves": self.curves,
        }


def _as_dict(one: RuleResult) -> dict[str, Any]:
    def plain(over: Interval | None) -> dict[str, Any] | None:
        return None if over is None else over.as_dict()

    return {
        "rule": one.rule,
        "rates": one.rates,
        "at_edge": list(one.at_edge),
        "final_accuracy_percent": plain(one.final),
        "best_accuracy_percent": plain(one.best),
        "energy_per_sample_pj": plain(one.energy_per_sample_pj),
        "seeds": one.seeds,
        "seeds_that_reach": one.reached,
        "samples": plain(one.samples),
        "energy_pj": plain(one.energy_pj),
        "energy_band_pj": None if one.band is None else {"low": one.band[0], "high": one.band[1]},
        "energy_over_baseline": plain(one.ratio),
    }


def read_curves(folder: Path) -> list[Curve]:
    """Read the learning curves of a study.

    Raises
    ------
    UserError
        "... holds no learning curves ..."
    """
    plan = read_plan(folder / PLAN)
    processor = find_processor(plan.processors[0])
    records = Records(folder / CELLS).read(path.stem for path in sorted((folder / CELLS).glob("*.json")))
    order = {rule: k for k, rule in enumerate(plan.axes.get("rule", ()))}
    curves = []
    for record in records.values():
        if record["status"] != DONE or record["config"]["rule"] not in order:
            continue
        if not record.get("curve"):
            raise UserError(
                f"{folder} holds no learning curves; its cells are of another study: give another --out, or --overwrite"
            )
        curves.append(_curve_of(record, processor))
    return sorted(curves, key=lambda curve: (order[curve.rule], curve.seed))


def _curve_of(record: Record, processor: AnyProcessor) -> Curve:
    config = validated(RunConfig, record["config"])
    spec = spec_of_report(config, record)
    points = record["curve"]
    names = counters_of(spec.is_convolutional)
    counts = np.zeros((len(points), len(spec.layers), len(names)), np.int64)
    for k, point in enumerate(points):
        for name, layers in point["counters"].items():
            counts[k, :, names.index(name)] = layers
    rates = {name: getattr(config, name) for name in ("hidden_rate", "output_rate")}
    return Curve(
        config.rule,
        config.seed,
        {name: rate for name, rate in rates.items() if rate is not None},
        spec,
        processor,
        np.array([point["samples"] for point in points]),
        np.array([point["accuracy_percent"] for point in points]),
        counts.cumsum(axis=0),
    )


def analyse(folder: Path, accuracy: float | None = None) -> EqualAccuracy:
    """Compare the rules of a study at one accuracy.

    Parameters
    ----------
    accuracy : in percent; the highest that every seed of every rule reaches if None

    Raises
    ------
    UserError
        "... holds no learning curves ..."
    """
    curves = read_curves(folder)
    if not curves:
        raise UserError(f"{folder} holds no finished cells; the same command continues the study")
    target = accuracy if accuracy is not None else min(float(curve.accuracy.max()) for curve in curves)
    by_rule: dict[str, list[Curve]] = {}
    for curve in curves:
        by_rule.setdefault(curve.rule, []).append(curve)
    energies = {rule: _until(mine, target) for rule, mine in by_rule.items()}
    edges = _edges(folder)
    base = energies.get(BASELINE, {})
    results = tuple(_result(rule, mine, energies[rule], base, edges.get(rule, ())) for rule, mine in by_rule.items())
    plan = read_plan(folder / PLAN)
    first = curves[0]
    return EqualAccuracy(
        target,
        accuracy is not None,
        first.processor.name,
        str(plan.settings.get("data", RunConfig().data)),
        first.spec.net,
        int(first.samples[0]),
        results,
        {rule: _mean_curve(mine) for rule, mine in by_rule.items()},
    )


def _until(curves: Sequence[Curve], accuracy: float) -> dict[int, tuple[int, dict[str, float]]]:
    """Return samples and energy until an accuracy, by seed, of the curves that reach it."""
    tests = {curve.seed: (curve, curve.reached(accuracy)) for curve in curves}
    return {
        seed: (int(curve.samples[test]), curve.energy_pj(test))
        for seed, (curve, test) in tests.items()
        if test is not None
    }


def _result(
    rule: str,
    curves: Sequence[Curve],
    until: Mapping[int, tuple[int, dict[str, float]]],
    base: Mapping[int, tuple[int, dict[str, float]]],
    at_edge: tuple[str, ...],
) -> RuleResult:
    whole = [curve.energy_pj(-1)["nominal"] / int(curve.samples[-1]) for curve in curves]
    common = [seed for seed in until if seed in base]
    energies = [energy for _, energy in until.values()]
    return RuleResult(
        rule,
        curves[0].rates,
        at_edge,
        interval(float(curve.accuracy[-1]) for curve in curves),
        interval(float(curve.accuracy.max()) for curve in curves),
        interval(whole),
        len(curves),
        len(until),
        interval(samples for samples, _ in until.values()) if until else None,
        interval(energy["nominal"] for energy in energies) if until else None,
        (_mean(energies, "low"), _mean(energies, "high")) if until else None,
        interval(until[seed][1]["nominal"] / base[seed][1]["nominal"] for seed in common) if common else None,
    )


def _mean(energies: Sequence[Mapping[str, float]], end: str) -> float:
    return math.fsum(energy[end] for energy in energies) / len(energies)


def _edges(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the rates at an edge of those tried, by rule."""
    groups = read_json(folder / TUNING)["groups"] if (folder / TUNING).is_file() else []
    return {group["settings"]["rule"]: tuple(group["at_edge"]) for group in groups}


def _mean_curve(curves: Sequence[Curve]) -> dict[str, list[float]]:
    """Return mean accuracy and mean energy over seeds, at tests that lie evenly on a logarithmic axis."""
    n = min(len(curve.samples) for curve in curves)
    tests = np.unique(np.round(np.geomspace(1, n, POINTS)).astype(int)) - 1
    energies = [
        [curve.cost(int(test)).energy_per_sample_pj * int(curve.samples[test]) for test in tests] for curve in curves
    ]
    return {
        "samples": [int(curves[0].samples[test]) for test in tests],
        "accuracy_percent": [round(float(np.mean([curve.accuracy[test] for curve in curves])), 4) for test in tests],
        "energy_pj": [float(f"{np.mean(column):.6g}") for column in zip(*energies, strict=True)],
    }


def write_result(folder: Path, result: EqualAccuracy) -> Path:
    """Write equal_accuracy.json into the folder of the study; return its path."""
    path = folder / EQUAL_ACCURACY
    write_text(path, json.dumps(result.as_dict(), indent=1) + "\n")
    return path
