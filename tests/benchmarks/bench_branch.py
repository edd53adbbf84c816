"""Branch predictors beside C: millions of branches per second, and ratios.

    python -m tests.benchmarks.bench_branch                   20 seconds
    python -m tests.benchmarks.bench_branch --target avx2     as if the processor had no AVX-512

Half a million branches of int_1 where EDGELEARN_DATA has them, else of a synthetic program. Processor time of one core in
one process: median and quickest of 15 turns that all predictors take one after another. Compilation is not timed. C is
gcc -O3 for the same processor. Fails where a predictor is below its share of C's speed, or counts other mispredictions;
machines differ, so that fewer branches per second than `EXPECTED` give a warning.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable

import numpy as np

from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.counters import GshareSpec
from edgelearn.branch.perceptrons import PerceptronSpec
from edgelearn.branch.tage import TageSpec
from edgelearn.branch.traces.source import open_trace
from edgelearn.errors import UserError
from tests.benchmarks import branch_twin, target
from tests.benchmarks.c_twin import gcc
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import Timing, take_turns

BRANCHES, BYTES = 500_000, 32 * 1024
RATIOS = {"gshare": 0.6, "perceptron": 0.6, "tage": 0.8}  # of the speed of C
EXPECTED = {"gshare": 100, "perceptron": 20, "mdfa": 8}  # millions of branches per second
NAMES = (
    "gshare",
    "perceptron",
    "tournament",
    "piecewise",
    "hashed",
    "tage",
    "mdfa",
    "perceptron+mdfa",
    "tage+mdfa",
)


def branches() -> tuple[np.ndarray, np.ndarray]:
    """Return uint32[n] and uint8[n]."""
    with contextlib.suppress(UserError):  # the trace is not here
        pc, taken = next(open_trace("int_1").blocks(BRANCHES))
        return pc.astype(np.uint32), taken
    rng = np.random.default_rng(0)
    which = np.cumsum(rng.choice([1, 1, 1, 7], BRANCHES)) % 500
    biased = rng.random(BRANCHES) < rng.beta(0.3, 0.3, 500)[which]
    return (0x400000 + 4 * which).astype(np.uint32), biased.astype(np.uint8)


def measured() -> dict[str, Timing]:
    """Return seconds and mispredictions by name; C is named "..., C"."""
    pc, taken = branches()
    nobody = np.zeros(0, np.uint8)
    runs: dict[str, Callable[[], int]] = {
        name: (lambda name=name: make_predictor(name, BYTES).run(pc, taken, nobody)) for name in NAMES
    }
    if gcc() is None:
        print("C twins skipped: gcc not found: install gcc", file=sys.stderr)
        return take_turns(runs)
    options = target.gcc_options((*target.instruction_sets(), "")[0])
    gshare, perceptron = GshareSpec.for_budget(BYTES), PerceptronSpec.for_budget(BYTES)
    tage = TageSpec.for_budget(BYTES)
    runs["gshare, C"] = lambda: branch_twin.gshare(gshare, pc, taken, *options)
    runs["perceptron, C"] = lambda: branch_twin.perceptron(perceptron, pc, taken, *options)
    runs["tage, C"] = lambda: branch_twin.tage(tage, pc, taken, *options)[0]
    return take_turns(runs)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args()
    target.enter(given.target)
    results = measured()
    print(machine().line)
    ratios = {name: one.ratio(results[f"{name}, C"]) for name, one in results.items() if f"{name}, C" in results}
    if given.record:
        speeds = {
            name: {"median": round(BRANCHES / one.median / 1e6, 2), "best": round(BRANCHES / one.best / 1e6, 2)}
            | ({"times_c": round(ratios[name], 2)} if name in ratios else {})
            for name, one in results.items()
        }
        record("bench_branch", {"million_branches_per_s": speeds})
    failed = 0
    print(f"{'32 KB':16} {'M branches/s':>12}     best   times C   mispredicted")
    for name, one in results.items():
        speed, best = (BRANCHES / seconds / 1e6 for seconds in (one.median, one.best))
        ratio = f"{ratios[name]:9.2f}" if name in ratios else " " * 9
        print(f"{name:16} {speed:12.1f} {best:8.1f} {ratio} {one.result:14,}")
        if best < EXPECTED.get(name, 0):
            print(f"warning: {name} is below {EXPECTED[name]} M branches/s", file=sys.stderr)
    for name, ratio in ratios.items():
        ours, theirs = results[name].result, results[f"{name}, C"].result
        if ours != theirs:
            failed += 1
            print(f"FAILED: {name}: {ours:,} mispredicted, {theirs:,} in C")
        if ratio < RATIOS[name]:
            failed += 1
            print(f"FAILED: {name}: {ratio:.2f} x C (bar {RATIOS[name]})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
