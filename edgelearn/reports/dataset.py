"""The result of a run: one plain dictionary, printed as JSON or for people. It holds no times and no machine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.config import RunConfig
from edgelearn.data.dataset import Dataset
from edgelearn.network.counters import EVENTS, MEMORIES, OPERATIONS, Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.storage import buffers, footprint
from edgelearn.rules.rule import Signal
from edgelearn.runs.epochs import Progress

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


@dataclass(frozen=True)
class Report:
    """What a run gave. `content` is what report.json holds."""

    content: dict[str, Any]

    @classmethod
    def of(
        cls,
        config: RunConfig,
        spec: NetworkSpec,
        data: Dataset,
        learner: Learner,
        progress: Progress,
        cost: dict[str, Any],
        version: str,
    ) -> Report:
        """Collect the result of a finished run; `cost` is what the cost model makes of its counters."""
        learned = learner.counters
        n_test = len(data.test_y)
        errors = [round(100 * wrong / n_test, 4) for wrong in progress.test_errors] if n_test else []
        content = {
            "edgelearn": version,
            "contract": 1,
            "config": config.model_dump(mode="json"),
            "data": {
                "name": data.name,
                "source": data.source,
                "features": data.n_features,
                "classes": list(data.class_names),
                "train_samples": len(data.train_y),
                "test_samples": n_test,
            },
            "network": network_as_dict(spec),
            "result": {
                "test_error_percent": errors[-1] if errors else None,
                "test_error_percent_by_epoch": errors,
                "online_error_percent": [round(100 * wrong / n, 4) for wrong, n in progress.curve],
                "samples_learned": learned.n_samples,
            },
            "notes": _notes(spec, data, errors),
            "per_sample": per_sample_as_dict(learned),
            "layers": by_layer(spec, learned),
            "held": [asdict(held) | {"bits": held.bits} for held in footprint(spec)],
            "buffers": [asdict(held) | {"bits": held.bits} for held in buffers(spec)],
            "cost": cost,
            "counters": {"learning": learned.as_dict(), "inference": learner.inference_counters.as_dict()},
        }
        return cls(content)

    def to_json(self) -> str:
        return json.dumps(self.content, indent=1, sort_keys=True) + "\n"

    def print(self, console: Console, samples_per_second: float | None = None) -> None:
        """Print for people."""
        from rich.table import Table

        c = self.content
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
        console.print(
            f"stored: {', '.join(f'{n:,} {role} words' for role, n in stored.items())} = {bits / 8192:.1f} KiB"
        )
        if not c["buffers"]:
            console.print(f"buffered because of locking: nothing ({net['rule']} has locking: {net['locking']})")
        for held in c["buffers"]:
            console.print(
                f"buffered, layer {held['layer']}: {held['words']:,} {held['role']} words of {held['word_bits']} bits "
                f"({held['reason']})"
            )


def _notes(spec: NetworkSpec, data: Dataset, errors: list[float]) -> list[str]:
    """Say what a user would otherwise have to find out."""
    notes = []
    if errors:
        guess = 100 - 100 * float(np.bincount(data.test_y).max()) / len(data.test_y)
        if errors[-1] >= guess:
            notes.append(f"no better than always giving the most frequent class, an error of {guess:.2f} %")
    if spec.rule.signal is Signal.TARGET and spec.n_outputs == 1 and len(spec.layers) > 1:
        notes.append(
            f"with one output {spec.rule.name} teaches hidden layers on label 1 only; two outputs teach on both"
        )
    return notes


def network_as_dict(spec: NetworkSpec) -> dict[str, Any]:
    rule = spec.rule
    return {
        "sizes": list(spec.sizes),
        "rule": rule.name,
        "source": rule.source,
        "locking": spec.locking.value,
        "weight_transport": rule.weight_transport,
        "word": str(spec.layers[0].word),
        "rounding": spec.rounding,
        "input_bits": spec.input_bits,
        "output": spec.output,
        "feedback": spec.feedback_format if spec.holds_feedback else "none",
        "layers": [
            {
                "range_exponent": layer.word.range_exponent,
                "rate_exponent": layer.rate,
                "activation": layer.activation,
                "sum_shift": layer.sum_shift,
                "step_shift": layer.step_shift,
                "signal_shift": layer.signal_shift,
                "delta_bits": layer.delta_bits,
                "learns": layer.learns,
            }
            for layer in spec.layers
        ],
    }


def per_sample_as_dict(learned: Counters) -> dict[str, Any]:
    def words(memory: str) -> dict[str, float]:
        names = {"read": f"{memory}_read", "written": f"{memory}_write"}
        none = {"label": "written", "feedback": "written"}.get(memory)  # never written while learning
        return {side: 0.0 if side == none else round(learned.per_sample(name), 4) for side, name in names.items()}

    return {
        "words": {memory: words(memory) for memory in MEMORIES},
        "operations": {name: round(learned.per_sample(name), 4) for name in OPERATIONS},
    }


def by_layer(spec: NetworkSpec, learned: Counters) -> list[dict[str, Any]]:
    n = max(learned.n_samples, 1)
    rows = []
    for k, layer in enumerate(spec.layers):
        row: dict[str, Any] = {
            "layer": k + 1,
            "shape": f"{layer.n_in} x {layer.n_out}",
            "learns": layer.learns,
            "events_per_sample": round(int(learned["input_events"][k]) / n, 4),
            "active_neurons_per_sample": round(int(learned["active_neurons"][k]) / n, 4),
            "updates_percent": round(100 * int(learned["updates"][k]) / n, 4),
            "skipped_neurons_percent": round(100 * int(learned["skipped_neurons"][k]) / n / layer.n_out, 4),
        }
        row |= {name: int(learned[name][k]) for name in EVENTS}
        rows.append(row)
    return rows
