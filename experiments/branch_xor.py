"""Delayed xor: which predictors learn it through random branches, and what two-layer rows need for it.

    python experiments/branch_xor.py        two minutes

A and B are fair coins, so are q branches between, and C = A xor B; 60,000 rounds. The figure is the share of
mispredicted C in the second half. Two-layer rows have one setting for all q, which no name of `edgelearn branch` gives:
q + 4 outcomes, 8 units, theta 120, spread 20, v0 32, 1024 rows of which every branch has one to itself; then with 64
rows, of which all branches share 4, since addresses are 16 apart; with the 156 rows of 32 KB, where each still has its
own; with fewer outcomes; and as `edgelearn branch` makes them at 32 KB, with 24 outcomes. Rivals have 32 KB.
Prints Markdown tables and writes experiments/results/branch_xor.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from edgelearn import __version__
from edgelearn.branch.base import Predictor
from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.synthetic import SyntheticStream, synthetic_stream
from edgelearn.branch.two_layer import TwoLayer, TwoLayerSpec
from edgelearn.files import write_text

RESULTS = Path(__file__).parent / "results" / "branch_xor.json"
COINS = (4, 12, 20, 28)
ROUNDS, STREAM_SEED, BUDGET = 60_000, 3, 32 << 10
SEEDS = (1, 3, 5, 7)
RULES = ("mdfa", "dfa")
RIVALS = ("gshare", "perceptron", "piecewise", "hashed", "tage")
FIXED = {"hidden": 8, "theta": 120, "spread": 20, "leak": 0, "v_shift": 7, "v0": 32}
OWN_ROWS = 1024


def wrong_answers(predictor: Predictor, stream: SyntheticStream) -> float:
    """Return the percentage of scored answers that are mispredicted."""
    predicted = np.empty_like(stream.taken)
    predictor.run(stream.pc, stream.taken, predicted)
    wrong = predicted != stream.taken
    return round(100 * float(wrong[stream.scored].mean()), 2)


def rows_of(rule: str, length: int, rows: int, seed: int) -> TwoLayer:
    return TwoLayer(TwoLayerSpec(rule, length=length, rows=rows, seed=seed, **FIXED))


def measure(coins: int) -> dict[str, Any]:
    """Run everything over one stream; where rows are drawn, a figure for each seed."""
    stream = synthetic_stream("xor", coins, ROUNDS, STREAM_SEED)
    result: dict[str, Any] = {name: [wrong_answers(make_predictor(name, BUDGET), stream)] for name in RIVALS}
    for rule in RULES:
        for rows, what in ((OWN_ROWS, "a row each"), (64, "64 rows, shared"), (156, "156 rows")):
            result[f"{rule}, {what}"] = [wrong_answers(rows_of(rule, coins + 4, rows, seed), stream) for seed in SEEDS]
        for more in (0, 1, 2):
            result[f"{rule}, a row each, q + {more} outcomes"] = [
                wrong_answers(rows_of(rule, coins + more, OWN_ROWS, seed), stream) for seed in SEEDS
            ]
        result[f"{rule} of 32 KB"] = [
            wrong_answers(TwoLayer(TwoLayerSpec.for_budget(BUDGET, rule, seed)), stream) for seed in SEEDS
        ]
    return result


def main() -> int:
    measured = Parallel(n_jobs=2)(delayed(measure)(coins) for coins in COINS)
    by_coins = dict(zip(map(str, COINS), measured, strict=True))
    print(f"| wrong answers, % | {' | '.join(f'q = {coins}' for coins in COINS)} |")
    print("|---" * (len(COINS) + 1) + "|")
    for name in measured[0]:
        found = (sorted(row[name]) for row in measured)
        cells = (f"{f[0]:.2f}" if f[0] == f[-1] else f"{f[0]:.2f} to {f[-1]:.2f}" for f in found)
        print(f"| {name} | {' | '.join(cells)} |")
    settings = {
        "rounds": ROUNDS,
        "stream_seed": STREAM_SEED,
        "budget_bytes": BUDGET,
        "seeds": SEEDS,
        "rows": FIXED | {"length": "q + 4", "rows": OWN_ROWS},
    }
    content = {"edgelearn": __version__, "settings": settings, "wrong_answers_percent": by_coins}
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
