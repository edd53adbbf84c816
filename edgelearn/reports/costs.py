"""Costs as text for people and as rows of a CSV file, from the plain data of `comparison.as_dict`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hw_models.compare.rules import OVERHEADS

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
    rules = content["rules"]
    console.print(f"cost on {content['processor']}: {content['description']}", soft_wrap=True)
    for line in (*content["tables"], *_what(rules)):
        console.print(f"  {line}", soft_wrap=True)
    for note in content["notes"]:
        console.print(f"  note: {note}", soft_wrap=True)
    if len(rules) == 1:
        _print_one(console, rules[0])
        return
    bases: dict[tuple[str, ...], list[str]] = {}  # runs differ in network and activity, rules alone do not
    for rule in rules:
        bases.setdefault(tuple(_row(rule["inference"], None)), []).append(rule["name"])
    rows = [
        ["inference only" if len(bases) == 1 else f"inference of {', '.join(names)}", *base]
        for base, names in bases.items()
    ]
    rows += [[rule["name"], *_row(rule["training"], rule["update_energy_pj"])] for rule in rules]
    _print_table(console, ("a trained sample", *_COLUMNS), rows)
    rows = []
    for rule in rules:
        waiting = sum(layer["waiting_bits"] for layer in rule["layers"])
        start = rule["layers"][0]["may_update_after_cycles"]
        percents = (_percent(rule["overhead_percent"][name]) for name in OVERHEADS)
        after = "-" if start is None else with_unit("cycles", start)
        rows.append([rule["name"], *percents, after, with_unit("memory_bits", waiting) if waiting else "nothing"])
    _print_table(console, ("overhead", *OVERHEADS, "layer 1 after", "waits"), rows)
    console.print(
        "update: energy beyond an inference; overhead: over inference only, power while running at the fixed clock; "
        "layer 1 after: cycles until it may update; waits: held by locking, the inputs of a layer included",
        soft_wrap=True,
    )
    for figure in ("energy_pj", "cycles", "area_um2" if "area_um2" in rules[0]["training"] else "memory_bits"):
        if figure in rules[0]["training"]:
            _print_roles(console, figure, rules)


def print_spiking_cost(console: Console, content: dict[str, Any]) -> None:
    """Print what a sample of a spiking network costs: energy with its band, and of a synaptic operation."""
    console.print(f"\ncost on {content['processor']}: {content['description']}", soft_wrap=True)
    for line in content["tables"]:
        console.print(f"  {line}", soft_wrap=True)
    rows = []
    for name, title in (("training", "a learned sample"), ("inference", "a tested sample")):
        priced = content[name]
        if priced is None:
            continue
        operation = priced["energy_pj_per_synaptic_operation"]
        roles = ", ".join(f"{role} {with_unit('energy_pj', pj)}" for role, pj in priced["energy_pj_by_role"].items())
        rows.append(
            [
                title,
                f"{priced['synaptic_operations']:,.0f}",
                _band("energy_pj", priced["energy_pj"]),
                "-" if operation is None else _band("energy_pj", operation),
                with_unit("latency_us", priced["latency_us"]),
                with_unit("memory_bits", sum(priced["memory_bits"].values())),
            ]
        )
        console.print(f"  {title}: {roles}", soft_wrap=True)
    _print_table(console, ("", "SOPs", "energy", "energy / SOP", "one core takes", "memory"), rows)


def _print_table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], dim: int = 0) -> None:
    """Print a table whose columns after the first are numbers; the last `dim` rows are dimmed."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(head):
        table.add_column(name, justify="right" if i else "left", no_wrap=i > 0)
    for i, row in enumerate(rows):
        table.add_row(*row, style="dim" if i >= len(rows) - dim else None)
    console.print()
    console.print(table)


def _what(rules: list[dict[str, Any]]) -> list[str]:
    """Say which networks and how much activity were priced; rules of different runs differ in both."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        net = rule["network"]
        sizes = "-".join(str(n) for n in net["sizes"])
        what = f"{sizes}, {net['word']}, rounding {net['rounding']}, {net['input_bits']}-bit inputs"
        lines.setdefault(what, []).append(rule)
    shown = []
    for what, priced in lines.items():
        names = "" if len(lines) == 1 else f"{', '.join(rule['name'] for rule in priced)}: "
        learning = [rule for rule in priced if rule["learns_hidden"]]
        parts = []
        for density in _DENSITIES:
            of = learning if density == "hidden_updates" else priced
            if of:
                parts.append(f"{density.replace('_', ' ')} {_range([rule['activity'][density] for rule in of])}")
        shown.append(f"{names}{what}; not zero: {', '.join(parts)}")
    return shown


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
    """Print a figure by role, as many rules side by side as the terminal is wide."""
    roles = list(dict.fromkeys(role for rule in rules for role in rule["training"][figure]["by_role"]))
    title = f"{_TITLES[figure]} of a trained sample" if figure in ("energy_pj", "cycles") else _TITLES[figure]
    sides: tuple[str, ...] = ("low", "high")
    if all(rule["training"][figure]["low"] == rule["training"][figure]["high"] for rule in rules):
        sides = ()
    widest = max(11, *(len(rule["name"]) for rule in rules)) + 2
    beside = max(1, (console.width - len(title)) // widest)
    for first in range(0, len(rules), beside):
        part = rules[first : first + beside]
        rows = []
        for role in roles:
            values = [rule["training"][figure]["by_role"].get(role) for rule in part]
            rows.append([role, *("" if value is None else with_unit(figure, value) for value in values)])
        for side in sides:
            rows.append([side, *(with_unit(figure, rule["training"][figure][side]) for rule in part)])
        _print_table(console, (title, *(rule["name"] for rule in part)), rows, dim=len(sides))


def _print_one(console: Console, rule: dict[str, Any]) -> None:
    from rich.table import Table

    training, inference, overhead = rule["training"], rule["inference"], rule["overhead_percent"]
    table = Table(rule["name"], "inference only", "trained sample", "overhead", box=None, pad_edge=False)
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
            after, depth = with_unit("cycles", layer["may_update_after_cycles"]), layer["pipeline_depth"]
            console.print(
                f"layer {layer['layer']} may update after {after} cycles, {layer['waiting_bits']:,} bits wait; in a "
                f"pipeline {depth} sample{'s wait' if depth > 1 else ' waits'} ({layer['pipeline_bits']:,} bits)",
                soft_wrap=True,
            )


def print_ranking(console: Console, ranked: dict[str, Any]) -> None:
    """Print the order of the rules in each figure, what turns it, and which constants matter most."""
    for figure, of in ranked.items():
        console.print(f"\n{_TITLES[figure]}, cheapest first: {of['order']}", soft_wrap=True)
        for flip in of["flips"]:
            pair = f"  {flip['cheaper']} and {flip['dearer']} change places"
            if flip["constant"] is None:
                console.print(f"{pair} when several constants move together", soft_wrap=True)
            else:
                console.print(f"{pair} where {flip['constant']} is {flip['at']:.2f}", soft_wrap=True)
        if not of["flips"] and len(of["swings"]) > 1:
            console.print("  the order holds everywhere in the band: the rules share the constants", soft_wrap=True)
        for gap in of["gaps"]:
            if gap["decided_by"]:
                console.print(
                    f"  {gap['dearer']} over {gap['cheaper']}: {gap['percent']:+.3g} %, decided by {gap['decided_by']} "
                    f"({gap['at_low']:+.3g} to {gap['at_high']:+.3g} %)",
                    soft_wrap=True,
                )
        for name, swings in of["swings"].items():
            text = "; ".join(
                f"{swing['constant']} {with_unit(figure, swing['at_low'])} to {with_unit(figure, swing['at_high'])}"
                for swing in swings
            )
            if text:
                console.print(f"  {name}: {text}", soft_wrap=True)


def print_ert(console: Console, priced: dict[str, Any]) -> None:
    """Print the energy of a trained sample by component and action, as a foreign energy table has it."""
    console.print(f"\nenergy of a trained sample with {priced['table']}", soft_wrap=True)
    for action, energy_pj in priced["energy_pj"].items():
        console.print(f"  {action}: {with_unit('energy_pj', energy_pj)}", soft_wrap=True)
    console.print(f"  together: {with_unit('energy_pj', sum(priced['energy_pj'].values()))}")


def as_csv(content: dict[str, Any]) -> str:
    """Return one row for each rule and figure: nominal, low, high, and each role beside it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("processor", "name", "rule", "net", "bits", "of", "figure", "role", "nominal", "low", "high"))
    for rule in content["rules"]:
        net = "-".join(str(n) for n in rule["network"]["sizes"])
        head = (content["processor"], rule["name"], rule["rule"], net, rule["network"]["bits"])
        for part in ("inference", "training"):
            for figure, band in rule[part].items():
                if not isinstance(band, dict):
                    writer.writerow((*head, part, figure, "all", band, "", ""))
                    continue
                writer.writerow((*head, part, figure, "all", band["nominal"], band["low"], band["high"]))
                for role, value in band["by_role"].items():
                    writer.writerow((*head, part, figure, role, value, "", ""))
        if rule["update_energy_pj"] is not None:
            writer.writerow((*head, "update", "energy_pj", "all", rule["update_energy_pj"], "", ""))
        for name, band in rule["overhead_percent"].items():
            if band is not None:
                figures = (band["nominal"], band["low"], band["high"])
                writer.writerow((*head, "overhead", f"{name}_percent", "all", *figures))
        for layer in rule["layers"]:
            for figure in ("may_update_after_cycles", "waiting_bits", "pipeline_depth", "pipeline_bits"):
                if layer[figure] is not None:
                    writer.writerow((*head, "locking", figure, f"layer {layer['layer']}", layer[figure], "", ""))
    return text.getvalue()
