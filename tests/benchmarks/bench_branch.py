"""Branch predictors beside C: millions of branches a second, and ratios.

    python -m tests.benchmarks.bench_branch               a minute

Two million branches of int_1 where EDGELEARN_DATA has them, else of a made-up program. Processor time of one core in one
process; the quickest of several runs, taken in turn. Compilation is not timed. C is gcc -O3 -march=native. Fails where
gshare or perceptron is below 0.6 times C, or counts other mispredictions; machines differ, so that fewer branches a
second than `EXPECTED` are only told.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable

import numpy as np

from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.counters import GshareSpec
from edgelearn.branch.perceptrons import PerceptronSpec
from edgelearn.branch.traces.source import open_trace
from edgelearn.errors import UserError
from tests.benchmarks import branch_twin
from tests.benchmarks.record import add_option, record

BRANCHES, RUNS, BYTES = 2_000_000, 5, 32 * 1024
RATIO = 0.6  # of the speed of C
EXPECTED = {"gshare": 100, "perceptron": 20, "mdfa": 8}  # millions of branches a second


def branches() -> tuple[np.ndarray, np.ndarray]:
    """Return uint32[n] and uint8[n]."""
    with contextlib.suppress(UserError):  # the trace is not here
        pc, taken = next(open_trace("int_1").blocks(BRANCHES))
        return pc.astype(np.uint32), taken
    rng = np.random.default_rng(0)
    which = np.cumsum(rng.choice([1, 1, 1, 7], BRANCHES)) % 500
    biased = rng.random(BRANCHES) < rng.beta(0.3, 0.3, 500)[which]
    return (0x400000 + 4 * which).astype(np.uint32), biased.astype(np.uint8)


def seconds(run: Callable[[], int]) -> tuple[float, int]:
    """Return processor seconds and mispredictions."""
    started = time.process_time()
    misses = run()
    return time.process_time() - started, misses


def measured() -> dict[str, tuple[float, int]]:
    """Return seconds and mispredictions by name."""
    pc, taken = branches()
    nobody = np.zeros(0, np.uint8)
    gshare, perceptron = GshareSpec.for_budget(BYTES), PerceptronSpec.for_budget(BYTES)
    names = (
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
    made = {name: (lambda name=name: make_predictor(name, BYTES)) for name in names}
    runs: dict[str, Callable[[], int]] = {
        name: (lambda make=make: make().run(pc, taken, nobody)) for name, make in made.items()
    }
    runs["gshare, C"] = lambda: branch_twin.gshare(gshare, pc, taken)
    runs["perceptron, C"] = lambda: branch_twin.perceptron(perceptron, pc, taken)
    for make in made.values():
        make().run(pc[:100], taken[:100], nobody)  # compiles
    turns = [{name: seconds(run) for name, run in runs.items()} for _ in range(RUNS)]
    return {name: min(turn[name] for turn in turns) for name in runs}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_option(parser)
    given = parser.parse_args()
    results = measured()
    if given.record:
        record("bench_branch", {name: round(BRANCHES / taken / 1e6, 2) for name, (taken, _) in results.items()})
    failed = 0
    for name, (taken, misses) in results.items():
        speed = BRANCHES / taken / 1e6
        print(f"{name:16} {speed:7.1f} M branches/s, {misses:,} mispredicted")
        if speed < EXPECTED.get(name, 0):
            print(f"warning: {name} is below {EXPECTED[name]} M branches/s", file=sys.stderr)
    for name in ("gshare", "perceptron"):
        (ours, misses), (theirs, counted) = results[name], results[f"{name}, C"]
        if misses != counted:
            failed += 1
            print(f"FAILED: {name}: {misses:,} mispredicted, {counted:,} in C")
        ratio = theirs / ours
        failed += ratio < RATIO
        print(f"{'FAILED: ' if ratio < RATIO else ''}{name}: {ratio:.2f} x C (bar {RATIO})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
