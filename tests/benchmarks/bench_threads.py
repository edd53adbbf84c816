"""Learning of 784-1000-10 by DRTP in one thread and in several. Run: python -m tests.benchmarks.bench_threads"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence

from edgelearn.benchmark import choose_data
from edgelearn.network.blocks import set_threads
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from tests.benchmarks import target
from tests.benchmarks.record import add_option, record

SIZES = (784, 1000, 10)
LEAST = 1.7  # times one thread, for two threads on two free cores


def measure(threads: int, input_bits: int, n_samples: int, turns: int) -> list[float]:
    """Return how many times as fast as one thread several are, by the wall clock, in turns that take turns."""
    data = choose_data(SIZES, input_bits, n_samples)
    learner = Learner(design(SIZES, rule="drtp", input_bits=input_bits))
    start, ratios, words = learner.save(), [], []
    for turn in range(turns + 1):
        seconds = []
        for n in (1, threads):
            learner.restore(start)
            set_threads(n)
            begin = time.perf_counter()
            learner.learn(data.levels, data.labels)
            seconds.append(time.perf_counter() - begin)
            words.append(learner.state.weights(0).tobytes())
        if turn > 0:  # the first is not timed
            ratios.append(seconds[0] / seconds[1])
    assert len(set(words)) == 1, "threads changed a weight"
    return ratios


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="threads (default: 2)")
    parser.add_argument("--samples", type=int, default=4000, help="samples per turn (default: 4000)")
    parser.add_argument("--turns", type=int, default=15, help="turns (default: 15)")
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args(arguments)
    target.enter(given.target)
    results = {}
    for input_bits in (1, 4):
        ratios = measure(given.threads, input_bits, given.samples, given.turns)
        results[f"784-1000-10, {input_bits}-bit inputs, {given.threads} threads"] = {
            "times_one_thread": round(statistics.median(ratios), 2),
            "best": round(max(ratios), 2),
        }
        print(
            f"784-1000-10, {input_bits}-bit inputs, {given.threads} threads: {statistics.median(ratios):.2f} x one thread "
            f"(median of {given.turns} turns, best {max(ratios):.2f}), at least {LEAST} x for two on free cores; "
            f"load {os.getloadavg()[0]:.1f}"
        )
    if given.record:
        record("bench_threads", results)


if __name__ == "__main__":
    main()
