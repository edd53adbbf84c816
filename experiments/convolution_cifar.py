"""CIFAR-10 at a reduced size: kernels that learn and random ones under each rule, online and in fixed point.

    python -m experiments.convolution_cifar             all rows, six minutes on one core; needs CIFAR-10
    python -m experiments.convolution_cifar ROW [ROW]   some rows

32x32x3-conv16x3x3-pool2-conv32x3x3-pool2-fc128-10 on the first IMAGES training images, EPOCHS epochs at batch 1, 4-bit
pixels, 8-bit view on 8 residual bits; tested on all 10,000 test images, mean of two seeds. In Table 2 of
the DRTP paper training kernels helps bp and hurts drtp. Prints a Markdown table and writes
experiments/results/convolution_cifar.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.runs.registry import run

RESULTS = Path(__file__).parent / "results" / "convolution_cifar.json"
NET = "32x32x3-conv16x3x3-pool2-conv32x3x3-pool2-fc128-10"
SEEDS, IMAGES, EPOCHS = (0, 1), 10_000, 2
FROZEN: dict[str, Any] = {"kernels": "frozen"}
ROWS: dict[str, dict[str, Any]] = {
    "bp": {"rule": "bp", "hidden_rate": -7, "output_rate": -7, "kernel_rate": -9},
    "bp, frozen kernels": {"rule": "bp", "hidden_rate": -8, "output_rate": -7} | FROZEN,
    "dfa": {"rule": "dfa", "hidden_rate": -9, "output_rate": -8, "kernel_rate": -15},
    "dfa, frozen kernels": {"rule": "dfa", "hidden_rate": -9, "output_rate": -8} | FROZEN,
    "drtp": {"rule": "drtp", "hidden_rate": -9, "output_rate": -9, "kernel_rate": -20},
    "drtp, frozen kernels": {"rule": "drtp", "hidden_rate": -9, "output_rate": -9} | FROZEN,
    "local, frozen kernels": {"rule": "local", "hidden_rate": -8, "output_rate": -8} | FROZEN,
}


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Run all seeds; return test errors by epoch, and means of energy and buffers."""
    contents = [
        run(
            make_config({"data": "cifar10", "net": NET, "limit": IMAGES, "epochs": EPOCHS, "seed": seed} | settings)
        ).content
        for seed in SEEDS
    ]
    energies = [content["cost"]["rules"][0]["training"]["energy_pj"]["nominal"] for content in contents]
    return {
        "settings": settings,
        "errors": [content["result"]["test_error_percent_by_epoch"] for content in contents],
        "energy_uj": round(statistics.mean(energies) * 1e-6, 3),
        "buffer_bits": sum(buffer["bits"] for buffer in contents[0]["buffers"]),
        "locking": contents[0]["network"]["locking"],
    }


def table(rows: dict[str, Any]) -> list[str]:
    lines = [
        f"| {IMAGES:,} images, {EPOCHS} epochs | kernels | locking | test error, mean of two seeds | after each epoch "
        "| energy per learned sample | waits in buffers |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in rows.items():
        means = [statistics.mean(errors) for errors in zip(*found["errors"], strict=True)]
        lines.append(
            f"| {name.removesuffix(', frozen kernels')} | {found['settings'].get('kernels', 'learned')} | "
            f"{found['locking']} | {means[-1]:.1f} % | {', '.join(f'{mean:.1f}' for mean in means)} | "
            f"{found['energy_uj']:.1f} uJ | {found['buffer_bits']:,} bits |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="; ".join(ROWS))
    given = parser.parse_args()
    found = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    try:
        for name in given.rows or ROWS:
            if name not in ROWS:
                raise unknown("row", name, ROWS)
            found[name] = measure(ROWS[name])
            print(name, found[name]["errors"], file=sys.stderr, flush=True)
            rows = {key: found[key] for key in ROWS if key in found}
            write_text(RESULTS, json.dumps({"edgelearn": __version__, "net": NET, "rows": rows}, indent=1) + "\n")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(table({key: found[key] for key in ROWS})))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
