"""Results of branch predictors as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def show(content: dict[str, Any], console: Console) -> None:
    """Print for people: one table where it fits the width, else what was missed and what it costs."""
    c = content
    _print_head(console, c)
    told = [
        {
            "predictor": row["name"],
            "storage": f"{row['storage_bits'] / 8192:,.2f} KiB",
            "missed": f"{row['misses']:,}",
            "rate": f"{row['rate_percent']:.2f} %",
            "MPKI": "-" if row["mpki"] is None else f"{row['mpki']:.3f}",
            "trained": f"{row['trained_percent']:.1f} %",
        }
        for row in c["predictors"]
    ]
    costs = [
        {
            "ps": f"{row['cost']['wide_row']['latency_ps']:.0f}",
            "cycles": f"{row['cost']['wide_row']['cycles']}",
            "pJ": f"{row['cost']['wide_row']['prediction_pj']:.3g}",
            "pJ, 45 nm": f"{row['cost']['words_45nm']['prediction_pj']:.3g}",
            "+ update": f"{row['cost']['words_45nm']['updates_pj']:.3g}",
        }
        for row in c["predictors"]
    ]
    console.print()
    both = list(zip(told, costs, strict=True))
    if not _print_table(console, [one | cost for one, cost in both], only_if_it_fits=True):
        _print_table(console, told)
        console.print()
        _print_table(console, [{"predictor": one["predictor"]} | cost for one, cost in both])
    has_hybrid = any("+" in row["name"] for row in c["predictors"])
    hybrid = " trained: of a hybrid, what its main predictor learned." if has_hybrid else ""
    console.print(
        "ps, cycles of 300 ps, pJ: a prediction in the wide-row model of a 5 nm technology; pJ, 45 nm: a "
        f"prediction, and its share of updates, by 64-bit words. MPKI: directions only.{hybrid}",
        soft_wrap=True,
    )
    for note in c["cost_notes"]:
        console.print(f"note: {note}", soft_wrap=True)


def show_sweep(contents: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a sweep for people: what each predictor missed at each budget, and what it stores there."""
    known = contents[0]["instructions"] is not None
    given = [name.strip() for name in contents[0]["settings"]["predictors"].split(",")]
    found = {name for c in contents for name in (*(row["given"] for row in c["predictors"]), *c["left_out"])}

    def table(title: str, cell: Callable[[dict[str, Any]], str]) -> list[dict[str, str]]:
        lines = {name: {title: name} for name in given if name in found}
        for c in contents:
            rows = {row["given"]: row for row in c["predictors"]}
            for name, line in lines.items():
                line[f"{c['budget_bytes'] >> 10} KB"] = cell(rows[name]) if name in rows else "-"
        return list(lines.values())

    _print_head(console, contents[0])
    console.print()
    if known:
        _print_table(console, table("MPKI", lambda row: f"{row['mpki']:.3f}"))
    else:
        _print_table(console, table("%", lambda row: f"{row['rate_percent']:.2f}"))
    console.print()
    _print_table(console, table("storage, KiB", lambda row: f"{row['storage_bits'] / 8192:.2f}"))
    if any(c["left_out"] for c in contents):
        console.print("-: no room at that budget")


def _print_head(console: Console, c: dict[str, Any]) -> None:
    told = "" if c["instructions"] is None else f", {c['instructions']:,.0f} instructions"
    console.print(
        f"{c['trace']} ({c['source']}): {c['branches']:,} branches{told}, address >> {c['pc_shift']}", soft_wrap=True
    )
    for note in c["notes"]:
        console.print(f"note: {note}", soft_wrap=True)


def _print_table(console: Console, rows: list[dict[str, str]], only_if_it_fits: bool = False) -> bool:
    """Print a table whose cells are never cut; return False, and print nothing, where it has to fit and does not."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for k, title in enumerate(rows[0]):
        table.add_column(title, justify="right" if k else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    width = console.measure(table, options=console.options.update(max_width=1000)).maximum
    if width > console.width:
        if only_if_it_fits:
            return False
        table.width = width
    console.print(table, soft_wrap=True)
    return True
