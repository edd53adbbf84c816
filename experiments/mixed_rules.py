"""A rule per hidden layer and masks: test error, locking and cost of mixtures on MNIST and the digits.

    python -m experiments.mixed_rules          both data sets, about ten minutes on one core; needs MNIST
    python -m experiments.mixed_rules digits   one of them

Prints Markdown tables and writes experiments/results/mixed_rules.json: mean test error of three seeds at the default
rates, what each hidden layer waits for, buffers of locking, and words and energy (engine-28nm) per learned sample.
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
from edgelearn.errors import UserError
from edgelearn.files import read_json, write_text
from edgelearn.runs.registry import run

RESULTS = Path(__file__).parent / "results" / "mixed_rules.json"
SEEDS = (0, 1, 2)
DATA: dict[str, dict[str, Any]] = {
    "digits": {"data": "digits", "net": "64-64-64-10", "epochs": 20},
    "mnist": {"data": "mnist", "net": "784-200-200-10", "epochs": 3},
}
ROWS: tuple[tuple[str, str], ...] = (
    ("bp", "all"),
    ("dfa", "all"),
    ("local", "all"),
    ("drtp", "all"),
    ("dfa+drtp", "all"),
    ("drtp+dfa", "all"),
    ("local+drtp", "all"),
    ("drtp+local", "all"),
    ("shallow+dfa", "all"),
    ("dfa", "last2"),
    ("dfa", "bias"),
    ("bp", "all+none+all"),
    ("dfa", "last"),
)


def measure(data: str, rule: str, learn: str) -> dict[str, Any]:
    """Return the mean of three runs, and facts of the first."""
    contents = [run(make_config(DATA[data] | {"rule": rule, "learn": learn, "seed": seed})).content for seed in SEEDS]
    errors = [content["result"]["test_error_percent"] for content in contents]
    first = contents[0]
    locking = first["network"]["locking"]
    hidden = first["network"]["layers"][:-1]
    words = first["per_sample"]["words"].values()
    return {
        "data": data,
        "rule": rule,
        "learn": learn,
        "test_error_percent": round(statistics.mean(errors), 2),
        "errors": errors,
        "locking": [layer.get("locking", locking) for layer in hidden],
        "buffered_bits": sum(held["bits"] for held in first["buffers"]),
        "stored_bits": sum(held["bits"] for held in first["held"]),
        "words": round(sum(side for memory in words for side in memory.values())),
        "energy_nj": round(first["cost"]["rules"][0]["training"]["energy_pj"]["nominal"] / 1000, 3),
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows of one data set as Markdown."""
    lines = [
        "| rule | learn | test error, % | locking of layers 1, 2 | buffers, bits | stored, Kbit | words | energy, nJ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        spread = ", ".join(f"{error:.2f}" for error in row["errors"])
        lines.append(
            f"| {row['rule'].replace('+', ', ')} | {row['learn'].replace('+', ', ')} | "
            f"{row['test_error_percent']:.2f} ({spread}) | {', '.join(row['locking'])} | {row['buffered_bits']:,} | "
            f"{row['stored_bits'] / 1000:,.0f} | {row['words']:,} | {_energy(row['energy_nj'])} |"
        )
    return lines


def _energy(nj: float) -> str:
    return f"{nj:,.0f}" if nj >= 100 else f"{nj:.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", choices=[*DATA, []])
    given = parser.parse_args().data or list(DATA)
    kept = read_json(RESULTS)["rows"] if RESULTS.exists() else []
    for data in given:
        try:
            rows = [measure(data, rule, learn) for rule, learn in ROWS]
        except UserError as error:
            print(f"mixed_rules: {error}", file=sys.stderr)
            return 2
        kept = [row for row in kept if row["data"] != data] + rows
        net = DATA[data]
        print(f"\n{data}, {net['net']}, {net['epochs']} epochs\n", *table(rows), sep="\n", flush=True)
        write_text(RESULTS, json.dumps({"edgelearn": __version__, "rows": kept}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
