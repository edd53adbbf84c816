"""Learning rules beside dfa: samples per second of 784-500-10, `python -m tests.benchmarks.bench_rules [--target avx2]`.

Digits of MNIST where EDGELEARN_DATA has them, else synthetic ones, with 4-bit inputs. One thread, processor time, median of
15 turns that all rules take one after another in one process; every turn learns the same samples from the same words.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from edgelearn.benchmark import choose_data
from edgelearn.network.learner import Learner
from edgelearn.network.prepared import PreparedLevels
from edgelearn.network.spec import design
from tests.benchmarks import target
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import take_turns

SIZES, INPUT_BITS = (784, 500, 10), 4
ROWS: dict[str, dict[str, Any]] = {
    **{
        rule: {"rule": rule}
        for rule in ("dfa", "bp", "fa", "sdfa", "mdfa", "signed-target", "drtp", "local", "shallow")
    },
    "local, readout dead zone 8": {"rule": "local", "local_dead_zone": 8},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args()
    target.enter(given.target)
    data = choose_data(SIZES, INPUT_BITS, given.samples)
    levels = PreparedLevels(data.levels, repeated=True)

    def contestant(settings: dict[str, Any]) -> Callable[[], None]:
        learner = Learner(design(SIZES, input_bits=INPUT_BITS, **settings))
        learner.learn(levels, data.labels)  # words as they are after some learning
        start = learner.save()

        def turn() -> None:
            learner.restore(start)
            learner.learn(levels, data.labels)

        return turn

    found = take_turns({name: contestant(settings) for name, settings in ROWS.items()})
    print(machine().line)
    print(f"{'784-500-10':28} {'samples/s':>10}  times dfa")
    results = {}
    for name, one in found.items():
        ratio = one.ratio(found["dfa"])
        results[name] = {"samples_per_s": round(given.samples / one.median), "times_dfa": round(ratio, 2)}
        print(f"{name:28} {given.samples / one.median:10,.0f}  {ratio:9.2f}")
    if given.record:
        record("bench_rules", results)


if __name__ == "__main__":
    main()
