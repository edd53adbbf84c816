"""Online learning beside C, numpy, torch and the limits of memory: samples per second, and ratios.

    python -m tests.benchmarks.bench_speed                    a minute
    python -m tests.benchmarks.bench_speed --target avx2      as if the processor had no AVX-512

One thread, processor time, median and quickest of 15 turns that all contestants take one after another in one process.
Three limits: plain loops of numba over the rows of a sample, and loops of C over as many bytes in the L1 and the L2 cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from edgelearn.benchmark import SETTINGS, Contestant, Row, Setting, as_table, caches_kib, choose_data, measure
from edgelearn.errors import UserError
from edgelearn.network.blocks import learns_by_blocks
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import design
from tests.benchmarks import target
from tests.benchmarks.c_twin import CacheLimit, CTwin, gcc
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import TURNS

TWIN, LIMIT = "C twin", "C loops in"
ERROR_RULES = ("dfa", "bp")
Make = Callable[[Setting], Contestant]


def c_contestant(instruction_set: str) -> Make:
    """Return a maker of the C twin as a contestant."""

    def make(setting: Setting) -> Contestant:
        twin, data = CTwin(setting.spec, *target.gcc_options(instruction_set)), setting.data
        name = f"{TWIN}, {instruction_set}"
        return Contestant(name, len(data.levels), lambda: twin.learn(data.levels, data.labels), twin.reset)

    return make


def limit_contestant(cache: str, n_bytes: int, instruction_set: str) -> Make:
    """Return a maker of the loops over half a cache as a contestant."""

    def make(setting: Setting) -> Contestant:
        limit, n = CacheLimit(n_bytes // 2, *target.gcc_options(instruction_set)), len(setting.data.levels)
        return Contestant(
            f"{LIMIT} {cache}, {instruction_set}",
            n,
            lambda: limit.run(n * setting.read_bytes, n * setting.changed_bytes),
        )

    return make


def in_order(setting: Setting) -> Contestant:
    """Return edgelearn one sample at a time, as rules with locking learn."""
    learner, data = Learner(setting.spec), setting.data
    start, steps = learner.save(), steps_of(data.labels)
    return Contestant(
        "edgelearn, one sample at a time",
        len(data.levels),
        lambda: learner.run_steps(data.levels, steps, in_order=True),
        lambda: learner.restore(start),
    )


def in_c(sizes: Sequence[int]) -> list[Make]:
    """Return the C twins that can learn this network here, and the limits of the caches."""
    if gcc() is None:
        print("C twin skipped: gcc not found: install gcc", file=sys.stderr)
        return []
    sets = target.instruction_sets()
    if not sets:
        print("C twin skipped: this processor has no AVX2", file=sys.stderr)
        return []
    try:
        CTwin(design((8, 8, 2), rule="drtp", input_bits=1))
    except subprocess.CalledProcessError as error:
        print(f"C twin skipped: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return []
    limits = [limit_contestant(name, kib << 10, sets[0]) for name, kib in caches_kib().items() if name in ("L1", "L2")]
    return [*(c_contestant(one) for one in sets if len(sizes) == 3), *limits]


def rivals() -> Sequence[Make]:
    """Return slower ways to write DRTP in numpy and torch; none without torch."""
    try:
        from tests.benchmarks.rivals import RIVALS
    except UserError as error:
        print(f"rivals skipped: {error}", file=sys.stderr)
        return ()
    return RIVALS


def phases(sizes: Sequence[int], input_bits: int, n_samples: int, rule: str = "drtp") -> list[str]:
    """Return where the C twin spends its time, one line per phase, in ticks of the time stamp counter per sample."""
    options = target.gcc_options((*target.instruction_sets(), "")[0])
    twin = CTwin(design(sizes, rule=rule, input_bits=input_bits), *options, "-DPHASES")
    data = choose_data(sizes, input_bits, n_samples)
    twin.learn(data.levels, data.labels)
    twin.reset()
    twin.learn(data.levels, data.labels)
    total = sum(twin.ticks.values())
    lines = [f"C twin by phase, {rule} {'-'.join(map(str, sizes))}, {input_bits}-bit inputs"]
    for name, ticks in twin.ticks.items():
        lines.append(f"  {name:12}  {ticks / len(data.levels):8.0f} ticks per sample  {ticks / total:6.1%}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000, help="samples per turn (default: 2000)")
    parser.add_argument("--repeats", type=int, default=TURNS, help=f"turns; the median counts (default: {TURNS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--phases", action="store_true", help="also print where the C twin spends its time")
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args(arguments)
    target.enter(given.target)

    def show(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    rows: list[Row] = []
    settings = [(*setting, "drtp") for setting in SETTINGS] + [((784, 500, 10), 4, rule) for rule in ERROR_RULES]
    for sizes, input_bits, rule in settings:
        blocks = learns_by_blocks(design(sizes, rule=rule, input_bits=input_bits))
        makers = [*([in_order] if blocks else []), *in_c(sizes), *(rivals() if rule == "drtp" else ())]
        rows += measure(sizes, input_bits, given.samples, given.repeats, on_progress=show, others=makers, rule=rule)
        if given.json:  # after every setting, so that an interrupted run keeps what it has
            given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    show("")
    if given.record:
        record("bench_speed", {"rows": [asdict(row) for row in rows]})
    print("\n".join([machine().line, "", *as_table(rows)]))
    if given.phases:
        for sizes, input_bits, rule in settings:
            if len(sizes) == 3 and in_c(sizes):
                print("\n".join(["", *phases(sizes, input_bits, given.samples, rule)]))


if __name__ == "__main__":
    main()
