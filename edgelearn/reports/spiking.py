"""Result of a run of a spiking network as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_COUNTED = (
    ("spikes", "spikes"),
    ("synaptic_operations", "synaptic operations"),
    ("neuron_updates", "neuron updates"),
    ("trace_updates", "trace updates"),
    ("weight_read", "weights read"),
    ("weight_write", "weights written"),
    ("feedback_read", "feedback read"),
)


def show(content: dict[str, Any], console: Console, samples_per_second: float | None = None) -> None:
    """Print the result of a run of a spiking network."""
    from rich.table import Table

    c = content
    net, data, result, shown = c["network"], c["data"], c["result"], c["presentation"]
    sizes = "-".join(str(n) for n in net["sizes"])
    hidden = net["neurons"][0]
    console.print(
        f"{net['rule']} on {data['name']}, spiking: {sizes}, {hidden['model']} neurons, {net['bits']}-bit weights, "
        f"rounding {net['rounding']}, {data['code']} {'' if data['code'] == 'events' else 'code '}"
        f"in {shown['steps']} steps, labels from step {shown['first_label']} every {shown['period']}, "
        f"seed {c['config']['seed']}",
        soft_wrap=True,
    )
    if result["accuracy"] is not None:
        console.print(
            f"test accuracy {100 * result['accuracy']:.2f} % on {data['test_samples']} samples, "
            f"{result['samples_learned']} learned"
            + (f" at {samples_per_second:,.0f} samples/s" if samples_per_second else "")
        )
    for note in c["notes"]:
        console.print(f"note: {note}", soft_wrap=True)
    curve = result["test_accuracy_percent_by_epoch"]
    if len(curve) > 1:
        console.print(f"by epoch, %: {', '.join(f'{percent:.1f}' for percent in curve)}", soft_wrap=True)
    learned = "learned" if result["samples_learned"] else "tested"
    table = Table(f"a {learned} sample", *("inputs", *_names(net["sizes"])), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, title in (*_COUNTED, ("spikes_of_a_neuron_percent", "steps with a spike, %")):
        values = [row[name] for row in c["populations"]]
        if any(values):
            table.add_row(title, *(f"{value:,.1f}" if value else "-" for value in values))
    console.print()
    console.print(table)
    cut = {
        name: sum(row[name] for row in c["populations"])
        for name in ("saturations", "membrane_saturations", "trace_saturations")
    }
    if any(cut.values()):
        console.print(
            f"cut at their ends: weights {cut['saturations']:,} times, membranes "
            f"{cut['membrane_saturations']:,}, traces {cut['trace_saturations']:,}",
            soft_wrap=True,
        )


def _names(sizes: list[int]) -> list[str]:
    hidden = len(sizes) - 2
    return [f"hidden {p}" if hidden > 1 else "hidden" for p in range(1, hidden + 1)] + ["outputs"]
