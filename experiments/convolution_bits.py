"""Widths, rules, and kernels that learn or stay random: a sweep of 28x28x1-conv10x5x5s2p0-fc128-10 on MNIST.

    edgelearn sweep --config experiments/convolution_bits.toml --out FOLDER     72 cells, a minute of CPU time
    edgelearn report FOLDER                                                     its page
    python -m experiments.convolution_bits FOLDER
    python -m experiments.convolution_bits                                      the committed results again

20,000 images, one epoch at batch 1, three seeds. Prints a Markdown table and writes
experiments/results/convolution_bits.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.files import write_text

RESULTS = Path(__file__).parent / "results" / "convolution_bits.json"
PROCESSOR = "engine-28nm"


def read(folder: Path) -> list[dict[str, Any]]:
    """Return a row per width, rule and kind of kernels: test errors of the seeds, energy, buffers and area."""
    cells: dict[tuple[int, str, str], list[dict[str, str]]] = {}
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["status"] == "done":
                cells.setdefault((int(row["bits"]), row["rule"], row["kernels"]), []).append(row)
    return [
        {
            "bits": bits,
            "rule": rule,
            "kernels": "learned" if kernels == "learn" else kernels,
            "errors": [round(100 - float(row["accuracy_percent"]), 2) for row in rows],
            "energy_nj": round(statistics.mean(float(row[f"energy_pj@{PROCESSOR}"]) for row in rows) * 1e-3, 1),
            "buffered_bits": int(rows[0]["buffered_bits"]),
            "area_um2": round(float(rows[0][f"area_um2@{PROCESSOR}"])),
        }
        for (bits, rule, kernels), rows in cells.items()
    ]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the Markdown table: error and energy by width, for each rule and kind of kernels."""
    widths = sorted({row["bits"] for row in rows})
    lines = [
        "| rule | kernels | "
        + " | ".join(f"{bits} bits: error, energy" for bits in widths)
        + " | waits in buffers | area at 8 bits |",
        "|---" * (4 + len(widths)) + "|",
    ]
    for rule, kernels in dict.fromkeys((row["rule"], row["kernels"]) for row in rows):
        of_kind = {row["bits"]: row for row in rows if (row["rule"], row["kernels"]) == (rule, kernels)}
        cells = [
            f"{statistics.mean(of_kind[bits]['errors']):.2f} %, {of_kind[bits]['energy_nj']:,.0f} nJ" for bits in widths
        ]
        widest = of_kind[widths[-1]]
        lines.append(
            f"| {rule} | {kernels} | {' | '.join(cells)} | {widest['buffered_bits']:,} bits | "
            f"{widest['area_um2'] * 1e-6:.3f} mm2 |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="folder of the sweep; the committed results when left out")
    given = parser.parse_args()
    if given.folder is None:
        rows = json.loads(RESULTS.read_text())["rows"]
    elif not (given.folder / "table.csv").exists():
        print(f"{given.folder} has no table.csv; run edgelearn sweep --out {given.folder} first", file=sys.stderr)
        return 2
    else:
        rows = read(given.folder)
        write_text(RESULTS, json.dumps({"edgelearn": __version__, "rows": rows}, indent=1) + "\n")
    print("\n".join(table(rows)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
