"""Cells of a study side by side beside single cells: `python -m tests.benchmarks.bench_replicas [--target avx2]`.

Eight cells of 784-32-10 by drtp learn an epoch of digits of MNIST, with eight seeds, and with two seeds of four rates:
single runs in turns with `learn_together`, which the executor of sweeps uses. CPU time of one thread, median of the
turns; data are encoded, and their events listed, once before. Both give the same words, predictions and counts.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from edgelearn.benchmark import choose_data
from edgelearn.network.learner import Learner
from edgelearn.network.prepared import PreparedLevels
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.runs.epochs import Epochs
from edgelearn.runs.side_by_side import learn_together
from tests.benchmarks import target
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import TURNS, take_turns

SIZES, INPUT_BITS = (784, 32, 10), 4
RATES = (-6, -7, -8, -9)


def eight_seeds() -> list[tuple[NetworkSpec, int]]:
    return [(design(SIZES, "drtp", input_bits=INPUT_BITS, seed=seed), seed) for seed in range(8)]


def rates_and_seeds() -> list[tuple[NetworkSpec, int]]:
    return [
        (design(SIZES, "drtp", input_bits=INPUT_BITS, seed=seed, hidden_rate=rate), seed)
        for seed, rate in itertools.product(range(2), RATES)
    ]


def duel(cells: Sequence[tuple[NetworkSpec, int]], samples: int, turns: int) -> dict[str, float]:
    """Return microseconds per sample and cell of single cells and of all side by side, and the ratio."""
    data = choose_data(SIZES, INPUT_BITS, samples)
    tests = choose_data(SIZES, INPUT_BITS, samples // 6)
    first = Learner(cells[0][0])
    train, test = (PreparedLevels(one.levels, repeated=True) for one in (data, tests))
    first.learn(train, data.labels), first.predict(test)  # lists events

    def works() -> list[Epochs]:
        return [
            Epochs(Learner(spec), (train, data.labels), (test, tests.labels), 1, None, seed) for spec, seed in cells
        ]

    def single() -> list[Epochs]:
        done = works()
        for work in done:
            for part in work.chunks():
                work.advance(part)
        return done

    def together() -> list[Epochs]:
        done = works()
        assert learn_together(done)
        return done

    runs: dict[str, Callable[[], list[Epochs]]] = {"single": single, "together": together}
    timings = take_turns(runs, turns)
    for one, other in zip(timings["single"].result, timings["together"].result, strict=True):
        assert one.place == other.place
        assert np.array_equal(one.learner.counts, other.learner.counts)
    us = {name: 1e6 * timing.median / len(data.labels) / len(cells) for name, timing in timings.items()}
    ratio = timings["together"].ratio(timings["single"])
    return {"single_us": round(us["single"], 3), "together_us": round(us["together"], 3), "ratio": round(ratio, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=TURNS)
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args()
    target.enter(given.target)
    print(machine().line)
    results = {}
    for name, cells in (("eight seeds", eight_seeds()), ("two seeds of four rates", rates_and_seeds())):
        results[name] = found = duel(cells, given.samples, given.repeats)
        print(
            f"{name}: single {found['single_us']:.2f} us per sample and cell, side by side {found['together_us']:.2f}: "
            f"{found['ratio']:.2f} x"
        )
    if given.record:
        record("bench_replicas", results)


if __name__ == "__main__":
    main()
