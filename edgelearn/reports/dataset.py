"""Result of a run of a rate network as text."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from edgelearn.network.counters import MEMORIES

if TYPE_CHECKING:
    from rich.console import Console

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 50


def sparkline(values: list[float]) -> str:
    """Draw values as one line of bars, the largest full, many values shared out over 50 bars.

    Example
    -------
    >>> sparkline([8, 4, 1])
    '█▅▂'
    """
    if len(values) > _WIDTH:  # means of equal shares
        edges = [round(i * len(values) / _WIDTH) for i in range(_WIDTH + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    top = max(values, default=0) or 1
    return "".join(_BARS[min(len(_BARS) - 1, int(len(_BARS) * value / top))] for value in values)


def show(content: dict[str, Any], console: Console, samples_per_second: float | None = None) -> None:
    """Print the result of a run of a rate network."""
    from rich.table import Table

    c = content
    net, result, data = c["network"], c["result"], c["data"]
    sizes = "-".join(str(n) for n in net["sizes"])
    console.print(
        f"{net['rule']} on {data['name']}: {sizes}, {net['word']}, rounding {net['rounding']}, "
        f"{net['input_bits']}-bit inputs, feedback {net['feedback']}, seed {c['config']['seed']}"
    )
    if result["test_error_percent"] is not None:
        error = result["test_error_percent"]
        console.print(
            f"test error {error:.2f} % (accuracy {100 - error:.2f} %) "
            f"on {data['test_samples']} samples, {result['samples_learned']} learned online"
            + (f" at {samples_per_second:,.0f} samples/s" if samples_per_second else "")
        )
    for note in c["notes"]:
        console.print(f"note: {note}", soft_wrap=True)
    curve = result["online_error_percent"]
    console.print(f"online error  {sparkline(curve)}  {curve[0]:.1f} % -> {curve[-1]:.1f} %")

    table = Table("words per learned sample", "read", "written", title_justify="left", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for memory in MEMORIES:
        words = c["per_sample"]["words"][memory]
        if words["read"] or words["written"]:
            table.add_row(memory, f"{words['read']:,.1f}", f"{words['written']:,.1f}")
    console.print()
    console.print(table)
    operations = c["per_sample"]["operations"]
    named = ", ".join(f"{name.replace('_', ' ')} {n:,.1f}" for name, n in operations.items() if n)
    console.print(f"operations per learned sample: {named}", soft_wrap=True)

    table = Table(
        "layer", "shape", "events/sample", "active", "updates", "skipped neurons", "saturated or cut", box=None,
        pad_edge=False,
    )  # fmt: skip
    for column in table.columns[2:]:
        column.justify = "right"
    for row in c["layers"]:
        table.add_row(
            str(row["layer"]),
            row["shape"],
            f"{row['events_per_sample']:.1f}",
            f"{row['active_neurons_per_sample']:.1f}" if row["learns"] else "frozen",
            f"{row['updates_percent']:.1f} %",
            f"{row['skipped_neurons_percent']:.1f} %" if row["learns"] else "",
            f"{row['saturations'] + row['step_saturations']:,}",
        )
    console.print()
    console.print(table)
    if any(row["overflows"] for row in c["layers"]):
        overflows = ", ".join(f"layer {row['layer']}: {row['overflows']:,}" for row in c["layers"])
        console.print(f"accumulator overflows: {overflows}")

    console.print()
    bits = sum(held["bits"] for held in c["held"])
    stored: dict[str, int] = {}
    for held in c["held"]:
        stored[held["role"]] = stored.get(held["role"], 0) + held["words"]
    console.print(f"stored: {', '.join(f'{n:,} {role} words' for role, n in stored.items())} = {bits / 8192:.1f} KiB")
    if not c["buffers"]:
        console.print(f"buffered because of locking: nothing ({net['rule']} has locking: {net['locking']})")
    for held in c["buffers"]:
        console.print(
            f"buffered, layer {held['layer']}: {held['words']:,} {held['role']} words of {held['word_bits']} bits "
            f"({held['reason']})"
        )
