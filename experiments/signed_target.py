"""Signs of the error (sdfa) beside signs taken from the label (signed-target) on the digits: five seeds, paired.

    python experiments/signed_target.py        20 seconds on one core

64-100-10, ten epochs, engine-28nm: sdfa at its default rates, signed-target at the same rates and at its own. Prints a
Markdown table and writes experiments/results/signed_target.json. Intervals are 95 % intervals of the mean over seeds
(Student's t), those of differences over pairs of one seed.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.rules import RULES
from edgelearn.runs.registry import run

RESULTS = Path(__file__).parent / "results" / "signed_target.json"
SEEDS = range(5)
OUTPUTS = 10


def rates_of(rule: str) -> dict[str, int]:
    return {"hidden_rate": RULES[rule].hidden_rate, "output_rate": RULES[rule].output_rate}


ROWS = {
    "sdfa": ("sdfa", rates_of("sdfa")),
    "signed-target, rates of sdfa": ("signed-target", rates_of("sdfa")),
    "signed-target": ("signed-target", rates_of("signed-target")),
}


def measure(rule: str, rates: dict[str, int]) -> dict[str, Any]:
    """Run all seeds; return accuracies, means per learned sample, and bits of buffers due to locking."""
    contents = [run(make_config({"rule": rule, "seed": seed} | rates)).content for seed in SEEDS]
    words = [content["per_sample"]["words"] for content in contents]
    energies = [content["cost"]["rules"][0]["training"]["energy_pj"]["nominal"] for content in contents]
    return {
        "rates": [rates["hidden_rate"], rates["output_rate"]],
        "accuracies": [content["accuracy_percent"] for content in contents],
        "weights_written_per_sample": round(statistics.mean(one["weight"]["written"] for one in words), 2),
        "zero_errors_percent": round(
            100 * (1 - statistics.mean(one["error"]["written"] for one in words) / OUTPUTS), 2
        ),
        "energy_nj": round(statistics.mean(energies) * 1e-3, 3),
        "buffer_bits": sum(buffer["bits"] for buffer in contents[0]["buffers"]),
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half of its 95 % interval."""
    factor = float(student.ppf(0.975, len(values) - 1)) / len(values) ** 0.5
    return statistics.mean(values), factor * statistics.stdev(values)


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Return the rows as a Markdown table; differences are to sdfa, over pairs of one seed."""
    head = (
        "digits, 64-100-10",
        "rates",
        "accuracy, %",
        "minus sdfa, paired",
        "errors of zero",
        "weight words written",
        "energy",
    )
    lines = ["| " + " | ".join((*head, "buffers due to locking")) + " |", "|" + "---|" * (len(head) + 1)]
    base = rows["sdfa"]
    for name, row in rows.items():
        mean, half = interval(row["accuracies"])
        apart, of_pairs = interval([b - a for a, b in zip(base["accuracies"], row["accuracies"], strict=True)])
        less = "" if row is base else f"{apart:+.2f} ± {of_pairs:.2f}"
        written, energy = row["weights_written_per_sample"], row["energy_nj"]
        changes = [100 * (row[key] / base[key] - 1) for key in ("weights_written_per_sample", "energy_nj")]
        more = ["", ""] if row is base else [f" ({change:+.0f} %)" for change in changes]
        cells = (
            name,
            "2^{}, 2^{}".format(*row["rates"]),
            f"{mean:.2f} ± {half:.2f}",
            less,
            f"{row['zero_errors_percent']:.1f} %",
            f"{written:,.0f}{more[0]}",
            f"{energy:.1f} nJ{more[1]}",
            f"{row['buffer_bits']:,} bits",
        )
        lines.append("| " + " | ".join(cells).replace("  ", " ") + " |")
    return "\n".join(lines)


def main() -> int:
    rows = {name: measure(rule, rates) for name, (rule, rates) in ROWS.items()}
    write_text(RESULTS, json.dumps({"edgelearn": __version__, "seeds": len(SEEDS), "rows": rows}, indent=1) + "\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
