"""Branch predictors of equal storage on 14 traces of real programs: mispredictions, rates and bars.

    python experiments/branch_traces.py              all of it, 32 KB
    python experiments/branch_traces.py --budget 8KB   another size; nothing is written, no bar is checked
    python experiments/branch_traces.py --tables       the tables of branch_traces.json; nothing is run

Each trace is the first million conditional branches of a program, or all of a shorter one; addresses are shifted as
their source says. Parameters were chosen on the first 400,000 branches of five traces, the other nine are held out:
every mean is printed over all and over those nine. `--add` runs only predictors that branch_traces.json does not have
yet, and adds their rows. Needs the traces below `branch_traces/` in the folders of
EDGELEARN_DATA. Prints Markdown tables and writes experiments/results/branch_traces.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from edgelearn import __version__
from edgelearn.branch.base import Predictor
from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.hybrid import ROW_BITS
from edgelearn.branch.tage import Tage, TageSpec
from edgelearn.branch.tage_side_table import LOCAL, LOCAL_BITS, SideTable
from edgelearn.branch.traces.source import open_trace
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.units import size_bytes

RESULTS = Path(__file__).parent / "results" / "branch_traces.json"
BUDGET = "32KB"
TUNED = ("DIST-INT-1", "DIST-MM-2", "DIST-SERV-1", "SM2", "SM4")
HELD_OUT = ("DIST-FP-1", "DIST-FP-2", "DIST-INT-2", "DIST-MM-1", "DIST-SERV-2", "SM1", "SM3", "C25int", "C25fp")
TRACES = (*HELD_OUT[:2], TUNED[0], *HELD_OUT[2:4], *TUNED[1:3], *HELD_OUT[4:6], "SM2", "SM3", "SM4", *HELD_OUT[7:])
PREDICTORS = {
    "bimodal": "bimodal",
    "gshare": "gshare",
    "tournament": "tournament",
    "perceptron h36": "perceptron",
    "perceptron h62": "perceptron:62",
    "piecewise h36": "piecewise",
    "piecewise h62": "piecewise:62",
    "hashed, 8 tables to 128": "hashed",
    "hashed, 16 tables to 232": "hashed:11:16x232",
    "layered": "layered",
    "TAGE": "tage",
    "TAGE, tags of 12 bits": "tage:13:11:12:300",
    "TAGE, wide bimodal": "tage:14:11:11:300",
    "mdfa": "mdfa",
    "dfa": "dfa",
    "bp": "bp",
    "drtp": "drtp",
    "perceptron + mdfa": "perceptron+mdfa",
    "perceptron + dfa": "perceptron+dfa",
    "perceptron + bp": "perceptron+bp",
    "hashed + mdfa": "hashed+mdfa",
    "TAGE + mdfa": "tage+mdfa",
    "TAGE + dfa": "tage+dfa",
    "TAGE + bp": "tage+bp",
    "TAGE + frozen": "tage+frozen",
    "TAGE + mdfa, one unit": "",  # see `make`
}
BETTER = (
    ("layered", "hashed, 8 tables to 128"),
    ("TAGE + mdfa", "TAGE"),
    ("TAGE + mdfa", "TAGE, tags of 12 bits"),
    ("TAGE + mdfa", "TAGE, wide bimodal"),
    ("TAGE + mdfa", "TAGE + frozen"),
)
COMPARED = "TAGE + mdfa", "TAGE, tags of 12 bits"
NO_BLOCK = np.empty(0, np.uint8)


def make(name: str, budget: int) -> Predictor:
    """Return a predictor of the table, or by its name."""
    return one_unit(budget) if name == "TAGE + mdfa, one unit" else make_predictor(PREDICTORS.get(name, name), budget)


def one_unit(budget: int, seed: int = 7) -> SideTable:
    """Return `tage+mdfa` with one hidden unit a row in place of four, and as many more rows as fit."""
    four = SideTable.for_budget(budget, seed=seed)
    side, main = replace(four.side, hidden=1), TageSpec.for_budget(budget)
    main = replace(main, tag_bits=main.tag_bits - 1)
    rows = (8 * budget - main.table_bits - (LOCAL << LOCAL_BITS)) // (8 * side.row_words + ROW_BITS)
    return SideTable(Tage(main), replace(side, rows=rows))


def measure(trace: str, names: list[str], budget: int) -> dict[str, Any]:
    """Run predictors over one trace."""
    source = open_trace(trace)
    predictors = {name: make(name, budget) for name in names}
    misses = dict.fromkeys(names, 0)
    for pc, taken in source.blocks():
        shifted = pc >> np.uint32(source.pc_shift)
        for name, predictor in predictors.items():
            misses[name] += predictor.run(shifted, taken, NO_BLOCK)
    return {
        "trace": trace,
        "branches": source.n,
        "instructions": source.instructions,
        "instructions_are_scaled": source.instructions_are_scaled,
        "pc_shift": source.pc_shift,
        "misses": misses,
    }


def summary(traces: list[dict[str, Any]], name: str, budget: int) -> dict[str, Any]:
    """Return storage and means of one predictor."""
    rate = {row["trace"]: 100 * row["misses"][name] / row["branches"] for row in traces}
    mpki = {row["trace"]: 1000 * row["misses"][name] / row["instructions"] for row in traces}
    predictor = make(name, budget)
    means = {}
    for key, of in (("mpki", mpki), ("rate_percent", rate)):
        means[f"mean_{key}"] = round(float(np.mean(list(of.values()))), 4)
        means[f"held_out_{key}"] = round(float(np.mean([of[trace] for trace in HELD_OUT])), 4)
    return {"predictor": predictor.name, "storage_bits": predictor.storage_bits, **means}


def bars(traces: list[dict[str, Any]], means: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare with what is expected; means of perceptron, hashed and TAGE by 2 %."""
    mpki = {name: row["mean_mpki"] for name, row in means.items()}
    held = {name: row["held_out_mpki"] for name, row in means.items()}
    hybrid = "perceptron + mdfa"
    rates = {
        row["trace"]: {name: 100 * misses / row["branches"] for name, misses in row["misses"].items()} for row in traces
    }
    worst = max(row[hybrid] - row["perceptron h36"] for row in rates.values())
    checks = [
        ("mean MPKI of perceptron h36 within 2 % of 4.18", mpki["perceptron h36"], 0.98 * 4.18, 1.02 * 4.18),
        ("mean MPKI of hashed within 2 % of 2.46", mpki["hashed, 8 tables to 128"], 0.98 * 2.46, 1.02 * 2.46),
        ("mean MPKI of TAGE at most 2.10", mpki["TAGE"], 0, 2.10),
        ("mean MPKI of perceptron + mdfa at most 3.50", mpki[hybrid], 0, 3.50),
        ("rate of perceptron + mdfa on SM2 at most 8.5 %", rates["SM2"][hybrid], 0, 8.5),
        *(
            (f"held-out MPKI of {name} below {rival}, tables of 32 KB both", held[name], 0, held[rival])
            for name, rival in BETTER
        ),
        (
            "points of rate that perceptron + mdfa is worse than the perceptron, at most 0.3 on any trace",
            worst,
            -100,
            0.3,
        ),
    ]
    return [{"bar": what, "value": round(value, 4), "met": low <= value <= high} for what, value, low, high in checks]


def tables(traces: list[dict[str, Any]], means: dict[str, dict[str, Any]]) -> list[str]:
    """Return Markdown: means, then mispredicted branches in percent of each trace."""
    lines = ["| predictor | KiB | MPKI | held out | rate % | held out |", "|---|---|---|---|---|---|"]
    for name, row in means.items():
        lines.append(
            f"| {name} | {row['storage_bits'] / 8192:.2f} | {row['mean_mpki']:.3f} | {row['held_out_mpki']:.3f} | "
            f"{row['mean_rate_percent']:.3f} | {row['held_out_rate_percent']:.3f} |"
        )
    short = [row["trace"].removeprefix("DIST-") for row in traces]
    lines += ["", f"| rate % | {' | '.join(short)} |", "|---" * (len(short) + 1) + "|"]
    for name in means:
        rates = (f"{100 * row['misses'][name] / row['branches']:.2f}" for row in traces)
        lines.append(f"| {name} | {' | '.join(rates)} |")
    return [*lines, ""]


def gains(traces: list[dict[str, Any]], name: str, rival: str) -> list[str]:
    """Return Markdown: by how much MPKI a predictor is better than another on each trace, and where the gain is."""
    by = {row["trace"]: 1000 * (row["misses"][rival] - row["misses"][name]) / row["instructions"] for row in traces}
    of = {row["trace"]: 1000 * row["misses"][rival] / row["instructions"] for row in traces}
    lines = [f"MPKI of {rival} less that of {name}, trace by trace:", ""]
    lines += [f"| {' | '.join(trace.removeprefix('DIST-') for trace in by)} |", "|---" * len(by) + "|"]
    lines += [f"| {' | '.join(f'{gain:.4f}' for gain in by.values())} |", ""]
    for what, among in (("all", list(by)), ("held out", list(HELD_OUT))):
        total, best = sum(by[trace] for trace in among), sorted(among, key=lambda trace: -by[trace])
        lines.append(f"{what}: {100 * total / sum(of[trace] for trace in among):.2f} % fewer")
        for n in (1, 2):
            rest = [trace for trace in among if trace not in best[:n]]
            less = 100 * sum(by[trace] for trace in rest) / sum(of[trace] for trace in rest)
            share = 100 * sum(by[trace] for trace in best[:n]) / total
            lines.append(f"- {share:.1f} % of it on {', '.join(best[:n])}; {less:.2f} % fewer on the others")
    worse = [trace for trace in by if by[trace] < 0]
    return [*lines, f"worse on {len(worse)} of {len(by)}: {', '.join(worse)}", ""]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", default=BUDGET, help="bytes of tables of each predictor")
    parser.add_argument("--predictors", help="names as of `edgelearn branch`, divided by commas, in place of all")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--add", action="store_true", help="run only what branch_traces.json does not have yet")
    parser.add_argument("--tables", action="store_true", help="run nothing, print the tables of branch_traces.json")
    given = parser.parse_args(arguments)
    whole = not given.predictors and given.budget == BUDGET
    if (given.add or given.tables) and not whole:
        parser.error("--add and --tables are for all predictors at 32KB; leave --predictors and --budget out")
    kept = json.loads(RESULTS.read_text()) if given.add or given.tables else {"traces": [], "predictors": {}}
    if given.tables:
        print("\n".join([*tables(kept["traces"], kept["predictors"]), *gains(kept["traces"], *COMPARED)]))
        return 0
    names = given.predictors.split(",") if given.predictors else list(PREDICTORS)
    names = [name for name in names if name not in kept["predictors"]]
    try:
        budget = size_bytes(given.budget)
        if not whole:
            names = [name for name in names if fits(name, budget)]
        traces = Parallel(n_jobs=given.jobs)(delayed(measure)(trace, names, budget) for trace in TRACES)
        for new, old in zip(traces, kept["traces"], strict=False):
            new["misses"] = old["misses"] | new["misses"]
        means = kept["predictors"] | {name: summary(traces, name, budget) for name in names}
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(tables(traces, means)))
    if not whole:
        return 0
    print("\n".join(gains(traces, *COMPARED)))
    checked = bars(traces, means)
    for bar in checked:
        print(f"{'met' if bar['met'] else 'NOT MET'}: {bar['bar']}: {bar['value']:.3f}")
    content = {
        "edgelearn": __version__,
        "budget_bytes": budget,
        "held_out": HELD_OUT,
        "predictors": means,
        "traces": traces,
        "bars": checked,
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0 if all(bar["met"] for bar in checked) else 1


def fits(name: str, budget: int) -> bool:
    """Return whether a predictor of the table, whose parameters may be those of 32 KB, fits a budget."""
    try:
        make(name, budget)
    except UserError:
        if name in PREDICTORS:
            return False
        raise
    return True


if __name__ == "__main__":
    sys.exit(main())
