"""Local errors at equal accuracy to dfa on MNIST: energy, cycles and area on an engine and a microcontroller.

    edgelearn study equal-accuracy --data mnist --net 784-100-10 --epochs 3 --rule dfa,local,drtp,bp --out FOLDER
    python -m experiments.local_equal_accuracy FOLDER

The first command tunes the rates of each rule and keeps the learning curves of five seeds (two minutes on one core);
the second prices them on both processors until accuracies that are given in ACCURACIES, prints a Markdown table and
writes experiments/results/local_equal_accuracy.json. Intervals are 95 % intervals over seeds, bands those of the cost
model.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.studies.analysis import interval
from edgelearn.studies.equal_accuracy import Curve, read_curves
from hw_models.processor import find_processor

RESULTS = Path(__file__).parent / "results" / "local_equal_accuracy.json"
ACCURACIES = (92.0, 96.0)  # below the end of drtp; of the rules with an error
PROCESSORS = {"engine-28nm": (1e-6, "uJ"), "cortex-m4": (1e-9, "mJ")}
BASELINE = "dfa"


def measure(curves: Sequence[Curve], processor: str, accuracy: float) -> list[dict[str, Any]]:
    """Return a row per rule: what it takes until an accuracy, and over the baseline, paired by seed."""
    until: dict[str, dict[int, tuple[int, dict[str, float], float, float]]] = {}
    for curve in curves:
        priced = replace(curve, processor=find_processor(processor))
        test = priced.reached(accuracy)
        found = until.setdefault(curve.rule, {})
        if test is not None:
            samples, cost = int(priced.samples[test]), priced.cost(test)
            found[curve.seed] = (samples, priced.energy_pj(test), cost.total("cycles"), cost.total("area_um2"))
    rows = []
    for rule, found in until.items():
        row: dict[str, Any] = {
            "processor": processor, "accuracy_percent": accuracy, "rule": rule,
            "locking": next(curve.spec.locking.value for curve in curves if curve.rule == rule),
            "seeds": sum(curve.rule == rule for curve in curves), "reached": len(found),
        }  # fmt: skip
        if len(found) > 1:
            energies = [energy for _, energy, _, _ in found.values()]
            base = until[BASELINE]
            common = [seed for seed in found if seed in base]
            row |= {
                "samples": interval(samples for samples, _, _, _ in found.values()).as_dict(),
                "energy_pj": interval(energy["nominal"] for energy in energies).as_dict(),
                "band_pj": [statistics.mean(energy[end] for energy in energies) for end in ("low", "high")],
                "cycles": interval(cycles for _, _, cycles, _ in found.values()).as_dict(),
                "area_um2": round(statistics.mean(area for _, _, _, area in found.values())),
                "energy_over": interval(found[s][1]["nominal"] / base[s][1]["nominal"] for s in common).as_dict(),
                "cycles_over": interval(found[s][2] / base[s][2] for s in common).as_dict(),
            }
        rows.append(row)
    return rows


def _over(row: dict[str, Any], key: str) -> str:
    of = row[key]
    return f"{of['mean']:.2f} ± {of['high'] - of['mean']:.2f}"


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| processor, accuracy | rule | locking | seeds that reach it | samples | energy until then (band) | over dfa "
        "| million cycles | over dfa | area |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        head = f"| {row['processor']}, {row['accuracy_percent']:g} % | {row['rule']} | {row['locking']} | "
        head += f"{row['reached']} of {row['seeds']} |"
        if "samples" not in row:
            lines.append(head + " - |" * 6)
            continue
        scale, unit = PROCESSORS[row["processor"]]
        low, high = (scale * end for end in row["band_pj"])
        area = f"{row['area_um2']:,} um2" if row["area_um2"] else "-"
        lines.append(
            f"{head} {row['samples']['mean']:,.0f} | {scale * row['energy_pj']['mean']:,.0f} {unit} ({low:,.0f} to "
            f"{high:,.0f}) | {_over(row, 'energy_over')} | {row['cycles']['mean'] * 1e-6:,.0f} | "
            f"{_over(row, 'cycles_over')} | {area} |"
        )
    return lines


def main() -> int:
    if len(sys.argv) != 2:
        print("give the folder of edgelearn study equal-accuracy", file=sys.stderr)
        return 2
    try:
        curves = read_curves(Path(sys.argv[1]))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    rows = [row for processor in PROCESSORS for accuracy in ACCURACIES for row in measure(curves, processor, accuracy)]
    write_text(RESULTS, json.dumps({"edgelearn": __version__, "rows": rows}, indent=1) + "\n")
    print("\n".join(table(rows)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
