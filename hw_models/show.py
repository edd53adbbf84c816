"""Costs as text for people and as rows of a CSV file, from the plain data of `comparison.as_dict`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from hw_models.comparison import OVERHEADS, RuleCost
from hw_models.uncertainty import flips, ranking, tornado

if TYPE_CHECKING:
    from rich.console import Console

_PREFIXES = {
    "energy_pj": (("J", 1e12), ("mJ", 1e9), ("uJ", 1e6), ("nJ", 1e3), ("pJ", 1.0)),
    "power_uw": (("W", 1e6), ("mW", 1e3), ("uW", 1.0), ("nW", 1e-3)),
    "area_um2": (("mm2", 1e6), ("um2", 1.0)),
    "latency_us": (("s", 1e6), ("ms", 1e3), ("us", 1.0), ("ns", 1e-3)),
    "memory_bits": (("MiB", 8192.0 * 1024), ("KiB", 8192.0), ("B", 8.0)),
    "cycles": (("M", 1e6), ("k", 1e3), ("", 1.0)),
}
_DENSITIES = ("inputs", "hidden", "hidden_updates", "errors")
_COLUMNS = ("latency", "energy", "update", "power", "area", "memory")
_TITLES = {"energy_pj": "energy", "cycles": "cycles", "area_um2": "area", "memory_bits": "memory"}


def with_unit(figure: str, value: float) -> str:
    """Write a figure with three digits and a fitting unit.

    Example
    -------
    >>> with_unit("energy_pj", 12345.0)
    '12.3 nJ'
    """
    prefixes = _PREFIXES[figure]
    unit, factor = next(((unit, f) for unit, f in prefixes if abs(value) >= 0.9995 * f), prefixes[-1])
    scaled = value / factor
    digits = f"{scaled:.3g}" if abs(scaled) < 999.5 else f"{scaled:,.0f}"
    return f"{digits} {unit}".strip()


def _band(figure: str, band: dict[str, float]) -> str:
    if band["low"] == band["high"]:
        return with_unit(figure, band["nominal"])
    return (
        f"{with_unit(figure, band['nominal'])} ({with_unit(figure, band['low'])} - {with_unit(figure, band['high'])})"
    )


def _percent(band: dict[str, float] | None, with_range: bool = False) -> str:
    if band is None:
        return "-"
    text = f"{band['nominal']:+.3g} %"
    with_range = with_range and band["low"] != band["high"]
    return f"{text} ({band['low']:+.3g} to {band['high']:+.3g})" if with_range else text


def print_costs(console: Console, content: dict[str, Any]) -> None:
    """Print the costs of one or more rules on one processor."""
    from rich.table import Table

    rules = content["rules"]
    console.print(f"[bold]cost on {content['processor']}[/bold]: {content['description']}", soft_wrap=True)
    for line in (*content["tables"], _what(rules)):
        console.print(f"  {line}", soft_wrap=True)
    for note in content["notes"]:
        console.print(f"  note: {note}", soft_wrap=True)
    if len(rules) == 1:
        _print_one(console, rules[0])
        return
    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(("rule", *_COLUMNS, *(f"{name} +" for name in OVERHEADS), "layer 1 after", "waits")):
        table.add_column(name, justify="right" if i else "left")
    table.add_row("inference only", *_row(rules[0]["inference"], None))
    for rule in rules:
        waiting = sum(layer["waiting_bits"] for layer in rule["layers"])
        start = rule["layers"][0]["may_update_after_cycles"]
        table.add_row(
            rule["rule"],
            *_row(rule["training"], rule["update_energy_pj"]),
            *(_percent(rule["overhead_percent"][name]) for name in OVERHEADS),
            "-" if start is None else with_unit("cycles", start),
            with_unit("memory_bits", waiting) if waiting else "nothing",
        )
    console.print()
    console.print(table)
    console.print(
        "energy, latency: one trained sample, update: what it takes more than an inference; +: over inference only, "
        "power while running at the fixed clock; layer 1 after: cycles until it may update; waits: held by locking",
        soft_wrap=True,
    )
    for figure in ("energy_pj", "cycles", "area_um2" if "area_um2" in rules[0]["training"] else "memory_bits"):
        if figure in rules[0]["training"]:
            _print_roles(console, figure, rules)


def _what(rules: list[dict[str, Any]]) -> str:
    """Say which network and how much activity was priced; rules of different runs differ in activity."""
    net = rules[0]["network"]
    parts = (f"{name.replace('_', ' ')} {_range([rule['activity'][name] for rule in rules])}" for name in _DENSITIES)
    sizes = "-".join(str(n) for n in net["sizes"])
    what = f"{sizes}, {net['word']}, rounding {net['rounding']}, {net['input_bits']}-bit inputs"
    return f"{what}; not zero: {', '.join(parts)}"


def _range(shares: list[float]) -> str:
    low, high = min(shares), max(shares)
    return f"{100 * low:.3g} %" if low == high else f"{100 * low:.3g} to {100 * high:.3g} %"


def _row(figures: dict[str, Any], update_pj: float | None) -> list[str]:
    values = {
        "latency": ("latency_us", figures["latency_us"]),
        "energy": ("energy_pj", figures.get("energy_pj")),
        "update": ("energy_pj", update_pj),
        "power": ("power_uw", figures.get("power_uw")),
        "area": ("area_um2", figures.get("area_um2")),
        "memory": ("memory_bits", figures["memory_bits"]),
    }
    cells = []
    for column in _COLUMNS:
        figure, value = values[column]
        nominal = value["nominal"] if isinstance(value, dict) else value
        cells.append("-" if nominal is None else with_unit(figure, nominal))
    return cells


def _print_roles(console: Console, figure: str, rules: list[dict[str, Any]]) -> None:
    from rich.table import Table

    roles = list(dict.fromkeys(role for rule in rules for role in rule["training"][figure]["by_role"]))
    title = f"{_TITLES[figure]} of a trained sample" if figure in ("energy_pj", "cycles") else _TITLES[figure]
    table = Table(title, *(rule["rule"] for rule in rules), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for role in roles:
        values = [rule["training"][figure]["by_role"].get(role) for rule in rules]
        table.add_row(role, *("" if value is None else with_unit(figure, value) for value in values))
    sides: tuple[str, ...] = ("low", "high")
    if all(rule["training"][figure]["low"] == rule["training"][figure]["high"] for rule in rules):
        sides = ()
    for side in sides:
        table.add_row(side, *(with_unit(figure, rule["training"][figure][side]) for rule in rules), style="dim")
    console.print()
    console.print(table)


def _print_one(console: Console, rule: dict[str, Any]) -> None:
    from rich.table import Table

    training, inference, overhead = rule["training"], rule["inference"], rule["overhead_percent"]
    table = Table(rule["rule"], "inference only", "trained sample", "overhead", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for figure, title in _TITLES.items():
        if figure in training:
            low_high = _percent(overhead[title], True)
            table.add_row(
                title, with_unit(figure, inference[figure]["nominal"]), _band(figure, training[figure]), low_high
            )
    if "power_uw" in training:
        figures = (with_unit("power_uw", part["power_uw"]) for part in (inference, training))
        table.add_row("power at the fixed clock", *figures, _percent(overhead["power"], True))
    latencies = (with_unit("latency_us", part["latency_us"]) for part in (inference, training))
    table.add_row("latency", *latencies, _percent(overhead["cycles"]))
    console.print()
    console.print(table)
    for figure in ("energy_pj", "cycles", "area_um2"):
        if figure in training:
            parts = sorted(training[figure]["by_role"].items(), key=lambda part: -part[1])
            text = ", ".join(f"{role} {with_unit(figure, value)}" for role, value in parts)
            console.print(f"{_TITLES[figure]} by role: {text}", soft_wrap=True)
    for layer in rule["layers"]:
        if layer["may_update_after_cycles"] is not None:
            after = with_unit("cycles", layer["may_update_after_cycles"])
            console.print(
                f"layer {layer['layer']} may update after {after} cycles, {layer['waiting_bits']:,} bits wait; "
                f"in a pipeline {layer['pipeline_depth']} samples wait ({layer['pipeline_bits']:,} bits)",
                soft_wrap=True,
            )


def print_ranking(console: Console, costs: list[RuleCost]) -> None:
    """Print the order of the rules in each figure, what turns it, and which constants matter most."""
    for figure in ("energy_pj", "cycles", "area_um2"):
        if figure not in costs[0].training.prices:
            continue
        title = _TITLES[figure]
        console.print(f"\n{title}, cheapest first: {' < '.join(ranking(costs, figure))}", soft_wrap=True)
        found = flips(costs, figure)
        if not found:
            console.print("  the order holds everywhere in the band")
        for flip in found:
            if flip.constant is None:
                console.print(f"  {flip.cheaper} and {flip.dearer} change places when several constants move together")
            else:
                console.print(
                    f"  {flip.cheaper} and {flip.dearer} change places at {flip.at:.2f} x {flip.constant.name} "
                    f"(band {flip.constant.low:g} to {flip.constant.high:g})",
                    soft_wrap=True,
                )
        for cost in costs:
            swings = [swing for swing in tornado(cost.training, partial(_total, cost, figure)) if swing.width]
            samples = max(cost.training.samples, 1) if figure in ("energy_pj", "cycles") else 1
            text = "; ".join(
                f"{swing.constant.name} {with_unit(figure, swing.at_low / samples)} to "
                f"{with_unit(figure, swing.at_high / samples)}"
                for swing in swings
            )
            console.print(f"  {cost.rule}: {text or 'no uncertain constant'}", soft_wrap=True)


def print_ert(console: Console, priced: dict[str, Any]) -> None:
    """Print the energy of a trained sample by component and action, as a foreign energy table has it."""
    console.print(f"\nenergy of a trained sample with {priced['table']}", soft_wrap=True)
    for action, energy_pj in priced["energy_pj"].items():
        console.print(f"  {action}: {with_unit('energy_pj', energy_pj)}", soft_wrap=True)
    console.print(f"  together: {with_unit('energy_pj', sum(priced['energy_pj'].values()))}")


def _total(cost: RuleCost, figure: str, at: Mapping[str, float]) -> float:
    return cost.training.total(figure, at=at)


def as_csv(content: dict[str, Any]) -> str:
    """Return one row for each rule and figure: nominal, low, high, and each role beside it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("processor", "rule", "of", "figure", "role", "nominal", "low", "high"))
    for rule in content["rules"]:
        for part in ("inference", "training"):
            for figure, band in rule[part].items():
                head = (content["processor"], rule["rule"], part, figure)
                if not isinstance(band, dict):
                    writer.writerow((*head, "all", band, "", ""))
                    continue
                writer.writerow((*head, "all", band["nominal"], band["low"], band["high"]))
                for role, value in band["by_role"].items():
                    writer.writerow((*head, role, value, "", ""))
        for name, band in rule["overhead_percent"].items():
            if band is not None:
                row = (content["processor"], rule["rule"], "overhead", f"{name}_percent", "all")
                writer.writerow((*row, band["nominal"], band["low"], band["high"]))
    return text.getvalue()
