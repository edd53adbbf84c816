"""Learning rates of targets that are numbers, per rule: three small tasks over a grid of rates.

    python -m experiments.regression_rates

Prints R2 of the test part under the rates of each rule for classes, under those chosen for numbers, and under the best
pair of each task; and, as rows of the catalog, the pair whose R2 is the least below the best ones, on average. About
ten minutes.
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
from edgelearn.network.graded import RULES_OF_NUMBERS
from edgelearn.rules import RULES
from edgelearn.runs.numbers import NumbersWork

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


def main() -> None:
    """Measure and print."""
    print("| rule | rates | " + " | ".join(("diabetes", "friedman", "digits")) + " |\n|---|---|---|---|---|")
    with tasks() as given:
        for rule in RULES_OF_NUMBERS:
            row = RULES[rule]
            hidden = EXPONENTS if row.learns_hidden else [row.hidden_rate]
            found = {
                pair: [r2_of(settings, rule, *pair) for settings in given.values()]
                for pair in product(hidden, EXPONENTS)
            }
            best = [max(r2[k] for r2 in found.values()) for k in range(len(given))]
            chosen = min(found, key=lambda pair: sum(b - r for b, r in zip(best, found[pair], strict=True)))
            for title, pair in (
                ("of classes", (row.hidden_rate, row.output_rate)),
                ("of numbers", (row.hidden_number_rate, row.output_number_rate)),
                ("chosen", chosen),
            ):
                r2 = found.get(pair) or [r2_of(settings, rule, *pair) for settings in given.values()]
                print(f"| {rule} | {title} {pair[0]}, {pair[1]} | " + " | ".join(f"{v:.3f}" for v in r2) + " |", flush=True)
            print(f"| {rule} | best of each task | " + " | ".join(f"{v:.3f}" for v in best) + " |", flush=True)


if __name__ == "__main__":
    main()
