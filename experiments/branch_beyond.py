"""Rows of branch_beyond.json with the predictors of this repository: 32 KB, 14 traces, seeds 7, 9 and 11.

    python experiments/branch_beyond.py        two minutes

branch_beyond.json is the record of a search that was made with a prototype. Its other rows cannot be rebuilt: the
prototype's options are not in the tree. This script runs those that can, prints whether they agree with the record to
four digits, and adds to it, under "in_the_tree", what they give; null where a figure is the prototype's alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from branch_traces import HELD_OUT, NO_BLOCK, TRACES, one_unit
from joblib import Parallel, delayed

from edgelearn.branch.base import Predictor
from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.layered import Layered, LayeredSpec
from edgelearn.branch.tage_side_table import SideTable
from edgelearn.branch.traces.source import open_trace
from edgelearn.errors import UserError
from edgelearn.files import write_text

RESULTS = Path(__file__).parent / "results" / "branch_beyond.json"
BUDGET = 32 << 10
SEEDS = (7, 9, 11)
THE_SAME = "the same, 4 units, "


def _informed(rule: str) -> Callable[[int], Predictor]:
    return lambda seed: SideTable.for_budget(BUDGET, rule, seed)


def _named(name: str) -> Callable[[int], Predictor]:
    return lambda _: make_predictor(name, BUDGET)


ROWS: dict[str, Callable[[int], Predictor]] = {
    "TAGE, 30 KB": _named("tage"),
    "TAGE, tags of 12 bits, 31.75 KB: the best TAGE on the tuning traces": _named("tage:13:11:12:300"),
    "TAGE, wide bimodal table, 32 KB": _named("tage:14:11:11:300"),
    "layered, 15 tables over the range of the baseline, to 232, 136 rows (named `layered`)": lambda seed: Layered(
        replace(LayeredSpec.for_budget(BUDGET), seed=seed)
    ),
    "the same, outputs fixed": lambda seed: Layered(replace(LayeredSpec.for_budget(BUDGET), learned=False, seed=seed)),
    "TAGE + informed rows of 4 units, margin 160, no further options (named `tage+mdfa`)": _informed("mdfa"),
    "the same, one unit": lambda seed: one_unit(BUDGET, seed),
    THE_SAME + "dfa": _informed("dfa"),
    THE_SAME + "bp": _informed("bp"),
    THE_SAME + "hidden layer frozen": _informed("frozen"),
}


def mpki(trace: str, seeds: dict[str, int]) -> dict[str, list[float]]:
    """Return mispredictions for 1000 instructions of every row, one a seed."""
    source = open_trace(trace)
    predictors = {name: [ROWS[name](seed) for seed in SEEDS[:n]] for name, n in seeds.items()}
    misses = {name: np.zeros(n, np.int64) for name, n in seeds.items()}
    for pc, taken in source.blocks():
        shifted = pc >> np.uint32(source.pc_shift)
        for name, made in predictors.items():
            misses[name] += [predictor.run(shifted, taken, NO_BLOCK) for predictor in made]
    return {name: (1000 * counted / (source.instructions or 1)).tolist() for name, counted in misses.items()}


def main() -> int:
    content = json.loads(RESULTS.read_text())
    recorded = {row["predictor"]: row for row in content["results"]}
    seeds = {name: recorded[name]["seeds"] for name in ROWS}
    try:
        measured = Parallel(n_jobs=2)(delayed(mpki)(trace, seeds) for trace in TRACES)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    by_trace = dict(zip(TRACES, measured, strict=True))
    print("| | MPKI | held out | held out, seed by seed | as recorded |\n|---|---|---|---|---|")
    for name, row in recorded.items():
        row["in_the_tree"] = None
        if name not in ROWS:
            continue
        held = np.mean([by_trace[trace][name] for trace in HELD_OUT], axis=0)
        over_all = round(float(np.mean([by_trace[trace][name] for trace in TRACES])), 4)
        row["in_the_tree"] = {
            "mean_mpki": over_all,
            "held_out_mpki": round(float(held.mean()), 4),
            "held_out_by_seed": [round(float(one), 4) for one in held],
        }
        found = row["in_the_tree"]
        agrees = all(found[key] == row[key] for key in ("mean_mpki", "held_out_mpki"))
        each = ", ".join(f"{one:.4f}" for one in found["held_out_by_seed"])
        print(f"| {name} | {over_all:.4f} | {found['held_out_mpki']:.4f} | {each} | {'yes' if agrees else 'no'} |")
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
