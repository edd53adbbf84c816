"""Ranges over engine structures as text, from the plain data of `structures_as_dict` of the cost model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.console import Console

from edgelearn.reports.console import print_table, say
from edgelearn.units import scale_for, three

MOST_DECIDING = 2  # choices named beside a range
LEAST_SWING = 0.05  # points


def range_text(found: Mapping[str, Any]) -> str:
    """Return a range of percentages in words: "+212 to +471 %"."""
    return f"{_signed(found['low'])} to {_signed(found['high'])} %"


def over_structures(content: Mapping[str, Any]) -> str:
    """Say between what the overhead of a single rule in energy lies over all engines."""
    found = range_text(content["rules"][0]["energy_overhead_percent"])
    return f"energy overhead over structures: {found} ({content['engines']} engines, --structures)"


def ranges_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the range of the overhead in energy of each rule in words."""
    return {rule["name"]: range_text(rule["energy_overhead_percent"]) for rule in content["rules"]}


def turned_pairs(content: Mapping[str, Any], left_out: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return the pairs of rules of which either takes less energy on some engine."""
    pairs = ((pair["cheaper"], pair["dearer"], pair["energy_percent"]) for pair in content["pairs"])
    turned = ((cheap, dear) for cheap, dear, found in pairs if found["low"] < 0 < found["high"])
    return [pair for pair in turned if not set(pair) & set(left_out)]


def _signed(percent: float) -> str:
    return f"{'-' if percent < 0 else '+'}{three(abs(percent))}"


def print_structures(console: Console, content: Mapping[str, Any], processor: str) -> None:
    """Print overheads over inference by rule, differences between rules, the extremes and what decides them."""
    own = content["base"]
    say(console, f"{content['engines']} engines, {processor} among them, with the same activity:")
    for choice, options in content["choices"].items():
        say(console, f"  {choice}: {', '.join((own[choice], *(name for name in options if name != own[choice])))}")
    console.print()
    size, unit = scale_for("pJ", [end for rule in content["rules"] for end in rule["energy_pj"]])
    rows = []
    for rule in content["rules"]:
        low, high = (three(end / size) for end in rule["energy_pj"])
        rows.append(_overhead_row(rule, processor) | {f"energy, {unit}": f"{low} - {high}"})
    print_table(console, rows)
    for figure in ("energy", "area"):
        say(console, *_extremes(content, f"{figure}_overhead_percent", figure))
    pairs = {(pair["cheaper"], pair["dearer"]): pair["energy_percent"] for pair in content["pairs"]}
    if not pairs:
        return
    order = list(dict.fromkeys(name for pair in content["pairs"] for name in (pair["cheaper"], pair["dearer"])))
    console.print()
    print_table(
        console,
        [
            {
                "energy of learning": f"{dear} over {cheap}",
                processor: f"{_signed(pairs[cheap, dear]['base'])} %",
                "over structures": range_text(pairs[cheap, dear]),
                "decided by": _deciding(pairs[cheap, dear]),
            }
            for cheap, dear in pairwise(order)
        ],
    )
    turned = [f"{dear} and {cheap}" for cheap, dear in turned_pairs(content)]
    say(console, f"change places in some engine: {', '.join(turned)}" if turned else "the order is the same in all")


def _overhead_row(rule: Mapping[str, Any], processor: str) -> dict[str, str]:
    energy, area = rule["energy_overhead_percent"], rule["area_overhead_percent"]
    return {
        "over inference": rule["name"],
        f"energy, {processor}": f"{_signed(energy['base'])} %",
        "energy, structures": range_text(energy),
        "decided by": _deciding(energy),
        "area, structures": range_text(area),
    }


def _deciding(found: Mapping[str, Any]) -> str:
    """Return the choices that move a percentage most when only they change, those that move it at all."""
    return ", ".join(list(_widths(found))[:MOST_DECIDING]) or "none alone"


def _widths(found: Mapping[str, Any]) -> dict[str, float]:
    """Return how far each choice alone moves a percentage, those that move it at all, the widest first."""
    widths = {choice: max(of.values()) - min(of.values()) for choice, of in found["swings"].items()}
    return {choice: width for choice, width in widths.items() if width > LEAST_SWING}


def _extremes(content: Mapping[str, Any], figure: str, title: str) -> Sequence[str]:
    """Say with which choices the overheads are lowest and highest, rules of the same choices together."""
    lines = []
    for end in ("low", "high"):
        by_choices: dict[str, list[str]] = {}
        for rule in content["rules"]:
            at = rule[figure][f"{end}_at"]
            swings = rule[figure]["swings"]  # the widest first; some choices count with others alone
            named = [_option(choice, at[choice]) for choice in swings if at[choice] != content["base"][choice]]
            by_choices.setdefault(", ".join(named) or "its own choices", []).append(rule["name"])
        ways = "; ".join(
            f"{', '.join(names)}: {text}" if len(by_choices) > 1 else text for text, names in by_choices.items()
        )
        lines.append(f"{title} overhead {end}est with {ways}")
    return lines


def _option(choice: str, option: str) -> str:
    if choice == "lanes":
        return f"{option} lane{'' if option == '1' else 's'}"
    return {"clock gating": f"clock gating {option}", "memories": f"memories {option}", "d width": f"d {option}"}.get(
        choice, option
    )
