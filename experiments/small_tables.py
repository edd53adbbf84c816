"""Small tables of a user under the default rule, drtp, beside dfa and local: how many rows make up for the rule.

    python -m experiments.small_tables        three minutes on one core; needs gas-drift, elec2 and MNIST

Random rows of tables, written as CSV files and read as a user's own: `edgelearn run` (ten epochs, tested on held-out
rows) and `edgelearn stream` (one pass, tested before learning each row), all at default settings. Five draws of rows,
each with its own seed. Prints a Markdown table and writes experiments/results/small_tables.json.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.data.datasets import open_dataset
from edgelearn.files import write_text
from edgelearn.runs.registry import run as run_kind
from edgelearn.runs.stream import open_config_source
from edgelearn.runs.stream import run as run_stream

RESULTS = Path(__file__).parent / "results" / "small_tables.json"
SEEDS = range(5)
RULES = ("drtp", "local", "dfa")
SIZES = (100, 200, 500, 1000, 2000, 5000)
MOST_VALUES = 2_000_000  # of a file
KINDS = ("run", "stream")
Table = tuple[np.ndarray, np.ndarray]


def scikit(name: str) -> Table:
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    return found.data, found.target


def stream(name: str) -> Table:
    blocks = list(open_config_source(validated(StreamConfig, {"data": name})).blocks())
    x, y = (np.concatenate([getattr(block, key) for block in blocks]) for key in ("x", "y"))
    return x, y


def mnist(name: str) -> Table:
    data = open_dataset(name)
    return data.train_x, data.train_y


TABLES: dict[str, Callable[[str], Table]] = {
    "iris": scikit, "wine": scikit, "breast_cancer": scikit, "digits": scikit,
    "gas-drift": stream, "elec2": stream, "mnist": mnist,
}  # fmt: skip


def accuracy(kind: str, file: Path, rule: str, seed: int) -> float:
    """Return the accuracy in percent."""
    settings = {"data": str(file), "rule": rule, "seed": seed}
    if kind == "run":
        return 100.0 - float(run_kind(validated(RunConfig, settings)).content["result"]["test_error_percent"])
    return 100.0 * float(run_stream(validated(StreamConfig, settings)).content["result"]["accuracy"])


def measure(name: str, table: Table, rows: int, folder: Path) -> list[dict[str, Any]]:
    """Return the accuracies of a table of some rows, one entry per kind."""
    found: dict[str, dict[str, list[float]]] = {kind: {rule: [] for rule in RULES} for kind in KINDS}
    for seed in SEEDS:
        chosen = np.random.default_rng(seed).permutation(len(table[1]))[:rows]
        file = folder / f"{name}-{rows}-{seed}.csv"
        lines = (",".join([*(f"{x:.6g}" for x in table[0][i].ravel()), f"c{table[1][i]}"]) for i in chosen)
        head = ",".join([*(f"f{i}" for i in range(table[0][0].size)), "label"])
        file.write_text("\n".join((head, *lines)) + "\n")
        for kind in KINDS:
            for rule in RULES:
                found[kind][rule].append(round(accuracy(kind, file, rule, seed), 4))
        file.unlink()
    return [{"table": name, "rows": rows, "kind": kind, "accuracy_percent": found[kind]} for kind in KINDS]


def ahead(row: dict[str, Any]) -> dict[str, float]:
    """Return how far each rule is ahead of drtp, in points."""
    means = {rule: statistics.mean(values) for rule, values in row["accuracy_percent"].items()}
    return {rule: means[rule] - means["drtp"] for rule in RULES[1:]}


def table_of(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| table | rows | run: drtp | local | dfa | stream: drtp | local | dfa |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        cells = []
        for row in (one, other):
            more = ahead(row)
            cells += [f"{statistics.mean(row['accuracy_percent']['drtp']):.1f} %"]
            cells += [f"{more[rule]:+.1f}" for rule in RULES[1:]]
        lines.append(f"| {one['table']} | {one['rows']:,} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, load in TABLES.items():
            table = load(name)
            whole = len(table[1])
            sizes = [size for size in SIZES if size < whole and size * table[0][0].size <= MOST_VALUES]
            for size in sizes + ([whole] if whole < SIZES[-1] else []):
                rows += measure(name, table, size, Path(folder))
                print(rows[-2:], flush=True)
    write_text(RESULTS, json.dumps({"edgelearn": __version__, "seeds": len(SEEDS), "rows": rows}, indent=1) + "\n")
    print("\n".join(table_of(rows)))


if __name__ == "__main__":
    main()
