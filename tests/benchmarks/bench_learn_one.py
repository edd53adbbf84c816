"""One sample in a dictionary per call, beside river: microseconds per call.

    python -m tests.benchmarks.bench_learn_one                    half a minute; needs river
    python -m tests.benchmarks.bench_learn_one --target avx2      as if the processor had no AVX-512

32 features and two classes, the same rows for all. One thread, processor time, median and quickest of 15 turns that all
take one after another in one process.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgelearn.estimators import EdgeClassifier
from tests.benchmarks import target
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import take_turns

N, N_FEATURES = 2_000, 32
BASELINE = "river LogisticRegression"

Rows = list[tuple[dict[int, float], int]]


def rows() -> Rows:
    """Return dictionaries of features and labels that a hidden layer separates better than a linear one."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(N, N_FEATURES))
    labels = (np.tanh(x @ generator.normal(size=(N_FEATURES, 16))) @ generator.normal(size=16) > 0).astype(int)
    return [(dict(enumerate(row)), label) for row, label in zip(x.tolist(), labels.tolist(), strict=True)]


def learning(model: Any, data: Rows) -> Callable[[], None]:
    def run() -> None:
        learn_one = model.learn_one
        for x, y in data:
            learn_one(x, y)

    return run


def predicting(model: Any, data: Rows) -> Callable[[], None]:
    def run() -> None:
        predict_one = model.predict_one
        for x, _ in data:
            predict_one(x)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args()
    target.enter(given.target)
    from river.linear_model import LogisticRegression
    from river.preprocessing import StandardScaler

    data = rows()
    models: Mapping[str, Any] = {
        "EdgeClassifier, no hidden layer (32-2)": EdgeClassifier(hidden=()),
        "EdgeClassifier, 64 hidden (32-64-2)": EdgeClassifier(hidden=(64,)),
        BASELINE: LogisticRegression(),
        "river StandardScaler | LogisticRegression": StandardScaler() | LogisticRegression(),
    }
    times = take_turns(
        {f"learn_one, {name}": learning(model, data) for name, model in models.items()}
        | {f"predict_one, {name}": predicting(model, data) for name, model in models.items()}
    )
    print(machine().line)
    print(f"{'32 features in a dictionary':56} us/call   best  times {BASELINE}")
    results = {}
    for name, time in times.items():
        ratio = time.ratio(times[f"{name.partition(', ')[0]}, {BASELINE}"])
        results[name] = {
            "us_per_call": round(1e6 * time.median / N, 2),
            "best_us_per_call": round(1e6 * time.best / N, 2),
        }
        results[name]["times_river_lr"] = round(ratio, 2)
        print(f"{name:56} {1e6 * time.median / N:7.2f} {1e6 * time.best / N:6.2f}  {ratio:6.2f}")
    if given.record:
        record("bench_learn_one", results)


if __name__ == "__main__":
    main()
