"""The result of a spiking run: one plain dictionary, as JSON or for people. It holds no times and no machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgelearn.spiking.learner import SpikingLearner

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


def by_population(learner: SpikingLearner, steps: int) -> list[dict[str, Any]]:
    """Return what a sample does in each population, from the counters of the learner."""
    samples = max(learner.counted("steps") // steps, 1)
    rows = []
    for p, size in enumerate(learner.spec.sizes):
        row: dict[str, Any] = {"population": p, "neurons": size}
        for name, _ in _COUNTED:
            row[name] = round(learner.counted(name, p) / samples, 4)
        row["spikes_of_a_neuron_percent"] = round(100 * row["spikes"] / size / steps, 4)
        for name in ("saturations", "membrane_saturations", "trace_saturations"):
            row[name] = learner.counted(name, p)
        rows.append(row)
    return rows


@dataclass(frozen=True)
class SpikingReport:
    """What a run gave. `content` is what report.json holds."""

    content: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(self.content, indent=1, sort_keys=True) + "\n"

    def print(self, console: Console, samples_per_second: float | None = None) -> None:
        """Print for people."""
        from rich.table import Table

        c = self.content
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
