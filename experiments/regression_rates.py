"""Learning rates of targets that are numbers, per rule: three small tasks over a grid of rates.

    python -m experiments.regression_rates

Prints R2 of the test part under the rates of each rule for classes, under the pair whose R2 is the least below the best
ones on average, and under the best pair of each table. That pair is the default, see `RATES` of
`edgelearn/network/graded.py`. Tables: diabetes and friedman (regression), digits (reconstruct). About five minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1

from edgelearn.config import make_config
from edgelearn.network.graded import RATES, RECONSTRUCT, REGRESSION, rates_of
from edgelearn.rules import RULES
from edgelearn.runs.numbers import NumbersWork

GROUPS = {REGRESSION: ("diabetes", "friedman"), RECONSTRUCT: ("digits",)}
EXPONENTS = range(-10, -3)
EPOCHS = 10
WORST = -1.0  # R2 of a pair that diverges counts as this


def write_table(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    names = [*(f"x{k + 1}" for k in range(x.shape[1])), "t"]
    np.savetxt(path, np.column_stack([x, y]), "%.6g", ",", header=",".join(names), comments="")


@contextmanager
def tasks() -> Iterator[dict[str, dict[str, object]]]:
    """Give the settings of each task; tables are in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        diabetes, friedman = Path(folder, "diabetes.csv"), Path(folder, "friedman.csv")
        write_table(diabetes, *load_diabetes(return_X_y=True))
        write_table(friedman, *make_friedman1(1000, noise=1.0, random_state=0))
        regression = {"task": "regression", "target_columns": "t", "input_bits": 8}
        yield {
            "diabetes": regression | {"data": str(diabetes)},
            "friedman": regression | {"data": str(friedman)},
            "digits": {"task": "reconstruct", "data": "digits"},
        }


def r2_of(settings: dict[str, object], rule: str, hidden: int, output: int, epochs: int = EPOCHS) -> float:
    """Return R2 of the test part after the last epoch."""
    rates = {"output_rate": output} | ({"hidden_rate": hidden} if RULES[rule].learns_hidden else {})
    work = NumbersWork(make_config({"rule": rule, "epochs": epochs, "seed": 1} | settings | rates))
    for part in work.chunks():
        work.advance(part)
    return max(work.content()["result"]["r2"] or WORST, WORST)


def texts(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


def main() -> None:
    """Measure and print."""
    print(
        "| task | rule | rates of classes | R2 | rates of numbers | R2 | best of each |\n|---|---|---|---|---|---|---|"
    )
    with tasks() as given:
        for task, names in GROUPS.items():
            for rule in RATES[task]:
                row = RULES[rule]
                hidden = EXPONENTS if row.learns_hidden else [row.hidden_rate]
                found = {
                    pair: [r2_of(given[name], rule, *pair) for name in names] for pair in product(hidden, EXPONENTS)
                }
                best = [max(r2[k] for r2 in found.values()) for k in range(len(names))]
                chosen = min(found, key=lambda pair: sum(b - r for b, r in zip(best, found[pair], strict=True)))
                classes = row.hidden_rate, row.output_rate
                same = "" if chosen == rates_of(row, task) else " (not that of edgelearn.network.graded)"
                print(
                    f"| {task} | {rule} | {classes[0]}, {classes[1]} | {texts(found[classes])} | "
                    f"{chosen[0]}, {chosen[1]}{same} | {texts(found[chosen])} | {texts(best)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
