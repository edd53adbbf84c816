"""Print the full table: product, C twin, numpy, torch and roofline. Run: python -m tests.benchmarks.bench_speed"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from edgelearn.benchmark import SETTINGS, BenchData, Contestant, Row, as_table, choose_data, measure
from edgelearn.network.spec import NetworkSpec, design
from tests.benchmarks.c_twin import CTwin, gcc
from tests.benchmarks.record import add_option, record
from tests.benchmarks.rivals import RIVALS

TWIN = "C twin"


def c_contestant(name: str, *options: str) -> Callable[[NetworkSpec, BenchData], Contestant]:
    """Return a maker of the C twin as a contestant."""

    def make(spec: NetworkSpec, data: BenchData) -> Contestant:
        twin = CTwin(spec, *options)
        return Contestant(name, len(data.levels), lambda: twin.learn(data.levels, data.labels), twin.reset)

    return make


def twins(sizes: Sequence[int]) -> list[Callable[[NetworkSpec, BenchData], Contestant]]:
    """Return the C twins that can learn this network here."""
    if len(sizes) != 3:
        return []
    if gcc() is None:
        print("C twin skipped: gcc not found: install gcc", file=sys.stderr)
        return []
    try:
        CTwin(design(sizes, rule="drtp", input_bits=1))
    except subprocess.CalledProcessError as error:
        print(f"C twin skipped: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return []
    return [c_contestant(TWIN), c_contestant(f"{TWIN}, AVX2 only", "-mno-avx512f")]


def phases(sizes: Sequence[int], input_bits: int, n_samples: int) -> list[str]:
    """Return where the C twin spends its time, one line a phase, in ticks of the time stamp counter a sample."""
    twin = CTwin(design(sizes, rule="drtp", input_bits=input_bits), "-DPHASES")
    data = choose_data(sizes, input_bits, n_samples)
    twin.learn(data.levels, data.labels)
    twin.reset()
    twin.learn(data.levels, data.labels)
    total = sum(twin.ticks.values())
    lines = [f"C twin by phase, {'-'.join(map(str, sizes))}, {input_bits}-bit inputs"]
    for name, ticks in twin.ticks.items():
        lines.append(f"  {name:12}  {ticks / len(data.levels):8.0f} ticks a sample  {ticks / total:6.1%}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4000, help="samples of one turn (default: 4000)")
    parser.add_argument("--repeats", type=int, default=7, help="turns; the best counts (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--phases", action="store_true", help="also print where the C twin spends its time")
    add_option(parser)
    given = parser.parse_args(arguments)

    def show(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    rows: list[Row] = []
    for sizes, input_bits in SETTINGS:
        makers = [*twins(sizes), *RIVALS]
        rows += measure(sizes, input_bits, given.samples, given.repeats, on_progress=show, others=makers)
        if given.json:  # after every setting, so that an interrupted run keeps what it has
            given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    show("")
    if given.record:
        record("bench_speed", {"rows": [asdict(row) for row in rows]})
    print("\n".join(as_table(rows)))
    if given.phases:
        for sizes, input_bits in SETTINGS:
            if twins(sizes):
                print("\n".join(["", *phases(sizes, input_bits, given.samples)]))


if __name__ == "__main__":
    main()
