"""Speed and memory of learning on streams, beside river: `python -m tests.benchmarks.bench_streams`.

Ratios of the best of several turns in one process, one thread; memory is the peak of processes of their own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from edgelearn.config import StreamConfig, validated
from edgelearn.data.recordings import Recording
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.runs.stream import run as stream
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from tests.benchmarks.record import add_option, record

N, N_RIVER, N_FEATURES, TURNS = 100_000, 10_000, 32, 5
PEAK = """
import json, sys
from edgelearn.config import StreamConfig, validated
from edgelearn.runs.stream import run as stream
import time
start = time.perf_counter()
report = stream(validated(StreamConfig, {"limit": int(sys.argv[1])}))
seconds = time.perf_counter() - start
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([int(peak.split()[1]) / 1024, seconds, report.content["stream"]["samples"]]))
"""


def data(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features float32[N, 32] and labels that a hidden layer separates better than a linear one."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(N, N_FEATURES)).astype(np.float32)
    scores = np.tanh(x @ generator.normal(size=(N_FEATURES, 16))) @ generator.normal(size=(16, n_classes))
    return x, scores.argmax(1)


def best(contestants: dict[str, tuple[int, Callable[[], object]]]) -> dict[str, float]:
    """Return the samples per second of each: the best of the turns they take one after another."""
    rates = dict.fromkeys(contestants, 0.0)
    for turn in range(TURNS + 1):
        for name, (n, run) in contestants.items():
            start = time.perf_counter()
            run()
            if turn:
                rates[name] = max(rates[name], n / (time.perf_counter() - start))
    return rates


def edgelearn(x: np.ndarray, y: np.ndarray, hidden: str) -> Callable[[], object]:
    config = validated(StreamConfig, {"hidden": hidden})
    return lambda: stream(config, source=Recording(x, y))


def river(model: Callable[[], object], x: np.ndarray, y: np.ndarray, scored: bool) -> Callable[[], None]:
    from river import metrics

    rows, labels = [dict(enumerate(row)) for row in x[:N_RIVER].tolist()], y[:N_RIVER].tolist()

    def run() -> None:
        learner, accuracy = model(), metrics.Accuracy()
        for row, label in zip(rows, labels, strict=True):
            predicted = learner.predict_one(row)  # type: ignore[attr-defined]
            if scored:
                accuracy.update(label, predicted)
            learner.learn_one(row, label)  # type: ignore[attr-defined]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_option(parser)
    given = parser.parse_args()
    from river.linear_model import LogisticRegression
    from river.preprocessing import StandardScaler

    x, y = data(2)
    x10, y10 = data(10)
    from edgelearn.estimators import EdgeClassifier

    front_end, alone = (
        FrontEnd(FrontEndSpec(N_FEATURES)),
        Learner(design((N_FEATURES, 2), rule="shallow", input_bits=5, signed_inputs=True)),
    )
    levels = front_end.rows(x, np.zeros(N, np.int64)).levels
    learner = EdgeClassifier(hidden=())
    learner.partial_fit(x[:N_RIVER], y[:N_RIVER], classes=[0, 1])
    rates = best(
        {
            "edgelearn learner alone, 32 levels, no hidden layer (32-2)": (N, lambda: alone.learn(levels, y)),
            "edgelearn stream, 32 features, no hidden layer (32-2)": (N, edgelearn(x, y, "0")),
            "edgelearn stream, 32 features, 64 hidden (32-64-2)": (N, edgelearn(x, y, "64")),
            "edgelearn stream, 64-64-10": (N, edgelearn(np.tile(x10, 2), y10, "64")),
            "edgelearn partial_fit, 32 features, no hidden layer": (N, lambda: learner.partial_fit(x, y)),
            "river LogisticRegression": (N_RIVER, river(LogisticRegression, x, y, False)),
            "river StandardScaler | LogisticRegression": (
                N_RIVER, river(lambda: StandardScaler() | LogisticRegression(), x, y, True),
            ),
        }
    )  # fmt: skip
    single = rates["river LogisticRegression"]
    scaled = rates["river StandardScaler | LogisticRegression"]
    print(f"{'predict, score and learn each sample, one thread':58} samples/s  / LR  / scaler | LR")
    for name, rate in rates.items():
        print(f"{name:58} {rate:9,.0f} {rate / single:5.1f} {rate / scaled:8.1f}")
    memory = {}
    for n in (1_000_000, 4_320_000):
        result = subprocess.run([sys.executable, "-c", PEAK, str(n)], capture_output=True, text=True, check=True)
        peak, seconds, samples = json.loads(result.stdout)
        memory[str(samples)] = {"seconds": round(seconds, 2), "peak_mib": round(peak, 1)}
        hours = samples / 50 / 3600
        print(
            f"{samples:,} samples of 8 channels ({hours:.1f} h at 50 Hz): {seconds:.1f} s, peak memory {peak:.0f} MiB"
        )
    if given.record:
        record(
            "bench_streams", {"samples_per_s": {name: round(rate) for name, rate in rates.items()}, "memory": memory}
        )


if __name__ == "__main__":
    main()
