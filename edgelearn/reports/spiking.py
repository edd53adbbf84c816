"""The report of a spiking run, as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from edgelearn.data.source import columns_line
from edgelearn.reports.console import print_table, say, sparkline
from edgelearn.reports.costs import print_spiking_cost

COUNTED = (
    ("spikes", "spikes"),
    ("synaptic_operations", "synaptic operations"),
    ("neuron_updates", "neuron updates"),
    ("trace_updates", "trace updates"),
    ("weight_read", "weights read"),
    ("weight_write", "weights written"),
    ("feedback_read", "feedback read"),
    ("spikes_of_a_neuron_percent", "steps with a spike, %"),
)


def show(content: dict[str, Any], console: Console, speed: float | None = None, details: bool = False) -> None:
    """Print accuracy and costs of a spiking run; `details` adds what each population does and sources of costs.

    Parameters
    ----------
    content : of report.json
    speed : samples per second on this machine, None where it is not known
    """
    net, data, result, shown = content["network"], content["data"], content["result"], content["presentation"]
    sizes = "-".join(str(n) for n in net["sizes"])
    code = "events" if data["code"] == "events" else f"{data['code']} code"
    head = (
        f"{net['rule']} on {data['name']}, spiking {sizes}: {net['neurons'][0]['model']} neurons, {net['bits']}-bit "
        f"weights, {code} in {shown['steps']} steps"
    )
    if details:
        head += f", rounding {net['rounding']}, labels from step {shown['first_label']} every {shown['period']}"
    say(console, f"{head}, seed {content['config']['seed']}")
    if content["columns"] is not None:
        say(console, columns_line(content["columns"]))
    on = f"{result['samples_learned']:,} learned" + (f", {speed:,.0f} samples/s" if speed and details else "")
    if result["accuracy"] is not None:
        say(console, f"test accuracy {100 * result['accuracy']:.2f} % ({data['test_samples']:,} samples; {on})")
    say(console, *(f"note: {note}" for note in content["notes"]))
    curve = result["test_accuracy_percent_by_epoch"]
    if len(curve) > 1 and details:
        say(console, f"test accuracy by epoch, %: {', '.join(f'{percent:.1f}' for percent in curve)}")
    elif len(curve) > 1:
        errors = [100 - percent for percent in curve]
        say(console, f"test error by epoch  {sparkline(errors)}  {errors[0]:.1f} % -> {errors[-1]:.1f} %")
    console.print()
    if details:
        _print_populations(console, content)
        console.print()
    print_spiking_cost(console, content["cost"], details)
    cut = {
        what: sum(row[f"{name}saturations"] for row in content["populations"])
        for what, name in (("weights", ""), ("membranes", "membrane_"), ("traces", "trace_"))
    }
    if any(cut.values()):
        say(console, f"saturations: {', '.join(f'{what} {n:,}' for what, n in cut.items())}")


def _print_populations(console: Console, content: dict[str, Any]) -> None:
    """Print what a sample does in each population."""
    hidden = len(content["network"]["sizes"]) - 2
    names = ["inputs", *(f"hidden {p}" if hidden > 1 else "hidden" for p in range(1, hidden + 1)), "outputs"]
    learned = "learned" if content["result"]["samples_learned"] else "tested"
    rows = []
    for name, title in COUNTED:
        values = [row[name] for row in content["populations"]]
        if any(values):
            cells = (f"{value:,.1f}" if value else "-" for value in values)
            rows.append({f"per {learned} sample": title} | dict(zip(names, cells, strict=True)))
    print_table(console, rows)
