"""The report of predictors over a trace, as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from edgelearn.reports.console import print_table, say
from edgelearn.units import three


def show(content: dict[str, Any], console: Console, details: bool = False) -> None:
    """Print what each predictor mispredicts, stores and costs; `details` adds both cost models and their notes."""
    _print_head(console, content)
    console.print()
    print_table(console, [_row(row, details) for row in content["predictors"]])
    if not details:
        say(console, "pJ, ps: a prediction in the wide-row model of a 5 nm technology")
        _print_branches(console, content)
        return
    hybrid = any("+" in row["name"] for row in content["predictors"])
    say(
        console,
        "ps, cycles of 300 ps, pJ: a prediction in the wide-row model of a 5 nm technology; pJ, 45 nm: a prediction, "
        "and its share of updates, by 64-bit words. MPKI counts direction mispredictions only."
        + (" trained: of a hybrid, what its main predictor learned." if hybrid else ""),
        *(f"note: {note}" for note in content["cost_notes"]),
    )
    _print_branches(console, content)


def _print_branches(console: Console, content: dict[str, Any]) -> None:
    """Print the branches that each predictor mispredicts most, where they were counted."""
    for row in content["predictors"]:
        if "branches" in row:
            console.print()
            say(console, f"{row['name']}: branches with the most mispredictions")
            lines = [
                {
                    "address": one["address"],
                    "executions": f"{one['executions']:,}",
                    "taken, %": f"{one['taken_percent']:.2f}",
                    "mispredicted": one["misses"],
                    "share, %": f"{one['share_percent']:.2f}",
                }
                for one in row["branches"]
            ]
            if lines:
                print_table(console, lines)
            else:
                say(console, "none")


def _row(row: dict[str, Any], details: bool) -> dict[str, Any]:
    wide, words = row["cost"]["wide_row"], row["cost"]["words_45nm"]
    cells: dict[str, Any] = {
        "predictor": row["name"],
        "KiB": f"{row['storage_bits'] / 8192:,.2f}",
        "mispredicted": row["misses"],
        "rate, %": f"{row['rate_percent']:.2f}",
    }
    if row["mpki"] is not None or details:
        cells["MPKI"] = "-" if row["mpki"] is None else f"{row['mpki']:.3f}"
    if not details:
        return cells | {"ps": f"{wide['latency_ps']:.0f}", "pJ": three(wide["prediction_pj"])}
    return cells | {
        "trained, %": f"{row['trained_percent']:.1f}",
        "ps": f"{wide['latency_ps']:.0f}",
        "cycles": wide["cycles"],
        "pJ": three(wide["prediction_pj"]),
        "pJ, 45 nm": three(words["prediction_pj"]),
        "+ update": three(words["updates_pj"]),
    }


def show_sweep(contents: Sequence[dict[str, Any]], console: Console, details: bool = False) -> None:
    """Print what each predictor mispredicts at each budget; `details` adds what it stores there."""
    first = contents[0]
    given = [name.strip() for name in first["settings"]["predictors"].split(",")]
    found = {name for c in contents for name in (*(row["given"] for row in c["predictors"]), *c["left_out"])}

    def table(title: str, cell: Callable[[dict[str, Any]], str]) -> None:
        lines = {name: {title: name} for name in given if name in found}
        for c in contents:
            rows = {row["given"]: row for row in c["predictors"]}
            for name, line in lines.items():
                line[f"{c['budget_bytes'] >> 10} KB"] = cell(rows[name]) if name in rows else "-"
        console.print()
        print_table(console, list(lines.values()))

    _print_head(console, first)
    if first["instructions"] is not None:
        table("MPKI", lambda row: f"{row['mpki']:.3f}")
    else:
        table("mispredicted, %", lambda row: f"{row['rate_percent']:.2f}")
    if details:
        table("storage, KiB", lambda row: f"{row['storage_bits'] / 8192:.2f}")
    if any(c["left_out"] for c in contents):
        say(console, "-: no room at that budget")


def _print_head(console: Console, content: dict[str, Any]) -> None:
    instructions = "" if content["instructions"] is None else f", {content['instructions']:,.0f} instructions"
    branches = f"{content['branches']:,} branches"
    shifted = f", addresses shifted right by {content['pc_shift']}" if content["pc_shift"] else ""
    if "warmup_branches" in content:
        branches = f"{content['scored_branches']:,} scored of {branches}"
    say(
        console,
        f"{content['trace']} ({content['source']}): {branches}{instructions}{shifted}",
        *(f"note: {note}" for note in content["notes"]),
    )
