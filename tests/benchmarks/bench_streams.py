"""Speed and memory of learning on streams, beside river.

    python -m tests.benchmarks.bench_streams                    half a minute
    python -m tests.benchmarks.bench_streams --target avx2      as if the processor had no AVX-512

One thread, processor time, median and quickest of 15 turns that all take one after another in one process; memory is the
peak of processes of their own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from edgelearn.config import StreamConfig, validated
from edgelearn.data.recordings import Recording
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.runs.stream import run as stream
from edgelearn.streaming.front_end import FrontEnd, FrontEndSpec
from tests.benchmarks import target
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import take_turns

N, N_RIVER, N_FEATURES = 40_000, 2_000, 32
PEAK = """
import json, sys
from edgelearn.config import StreamConfig, validated
from edgelearn.runs.stream import run as stream
import time
start = time.process_time()
report = stream(validated(StreamConfig, {"limit": int(sys.argv[1])}))
seconds = time.process_time() - start
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([int(peak.split()[1]) / 1024, seconds, report.content["stream"]["samples"]]))
"""


def data(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features float32[N, 32] and labels that a hidden layer separates better than a linear one."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(N, N_FEATURES)).astype(np.float32)
    scores = np.tanh(x @ generator.normal(size=(N_FEATURES, 16))) @ generator.normal(size=(16, n_classes))
    return x, scores.argmax(1)


def edgelearn(x: np.ndarray, y: np.ndarray, hidden: str) -> Callable[[], object]:
    config = validated(StreamConfig, {"hidden": hidden})
    return lambda: stream(config, source=Recording(x, y))


def without_labels(x: np.ndarray) -> Callable[[], object]:
    config = validated(StreamConfig, {"task": "anomaly", "net": "8-16-8", "learn_while": "always"})
    return lambda: stream(config, source=Recording(x, None))


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
    target.add_option(parser)
    given = parser.parse_args()
    target.enter(given.target)
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
    contestants: dict[str, tuple[int, Callable[[], object]]] = {
            "edgelearn learner alone, 32 levels, no hidden layer (32-2)": (N, lambda: alone.learn(levels, y)),
            "edgelearn stream, 32 features, no hidden layer (32-2)": (N, edgelearn(x, y, "0")),
            "edgelearn stream, 32 features, 64 hidden (32-64-2)": (N, edgelearn(x, y, "64")),
            "edgelearn stream, 64-64-10": (N, edgelearn(np.tile(x10, 2), y10, "64")),
            "edgelearn stream without labels, 8-16-8, all rows learned": (N, without_labels(x[:, :8].copy())),
            "edgelearn partial_fit, 32 features, no hidden layer": (N, lambda: learner.partial_fit(x, y)),
            "river LogisticRegression": (N_RIVER, river(LogisticRegression, x, y, False)),
            "river StandardScaler | LogisticRegression": (
                N_RIVER, river(lambda: StandardScaler() | LogisticRegression(), x, y, True),
            ),
    }  # fmt: skip
    times = take_turns({name: run for name, (_, run) in contestants.items()})
    single, scaled = "river LogisticRegression", "river StandardScaler | LogisticRegression"
    print(machine().line)
    print(f"{'predict, score and learn each sample, one thread':58} samples/s       best  / LR  / scaler | LR")
    rates = {}
    for name, (n, _) in contestants.items():
        time = times[name]
        ratios = {key: time.ratio(times[key]) * n / N_RIVER for key in (single, scaled)}
        rates[name] = {"median": round(n / time.median), "best": round(n / time.best)}
        rates[name] |= {"times_river_lr": round(ratios[single], 2), "times_river_scaled_lr": round(ratios[scaled], 2)}
        print(f"{name:58} {n / time.median:9,.0f} {n / time.best:10,.0f} {ratios[single]:5.1f} {ratios[scaled]:8.1f}")
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
        record("bench_streams", {"samples_per_s": rates, "memory": memory})


if __name__ == "__main__":
    main()
