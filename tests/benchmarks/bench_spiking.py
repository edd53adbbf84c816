"""Spiking kernels beside Brian2, 784-500-10 with 5 % of the inputs active: synaptic events a second, as ratios.

    python -m tests.benchmarks.bench_spiking              kernel and Brian2's numpy target, a minute
    python -m tests.benchmarks.bench_spiking --cpp        and C++ standalone, which is compiled for minutes

A synaptic event is a weight added to a current or a weight changed. The same network, input, labels and steps for both, no
monitors in Brian2; build and compilation are not timed. Processor time, as Brian2 takes it in C++, of one core; the quickest
of several runs, taken in turn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

import numpy as np

from edgelearn.references.brian2_twin import BrianTwin
from edgelearn.spiking.learner import Raster, SpikingLearner, raster_of
from edgelearn.spiking.network import SpikingSpec, design
from tests.benchmarks.record import add_option, record

STEPS = {"numpy": 2_000, "cpp": 10_000}
RUNS = {"numpy": 3, "cpp": 7}


def network() -> SpikingSpec:
    return design((784, 500, 10), "drtp", spreads=[20.0, 16.0])


def samples(steps: int) -> Raster:
    rng = np.random.default_rng(0)
    labels = np.full(steps, -1)
    labels[19::20] = rng.integers(0, 10, len(labels[19::20]))
    return raster_of(rng.random((steps, 784)) < 0.05, labels)


def kernel(steps: int) -> tuple[float, int]:
    """Return seconds and synaptic events."""
    learner, raster = SpikingLearner(network()), samples(steps)
    started = time.process_time()
    learner.advance(raster)
    seconds = time.process_time() - started
    return seconds, learner.counted("synaptic_operations") + learner.counted("synaptic_updates")


def brian2(target: str, folder: str) -> Callable[[], float]:
    """Return what runs Brian2 and returns its seconds."""
    import brian2 as b

    b.BrianLogger.log_level_error()
    steps = STEPS[target]
    if target == "cpp":
        b.set_device("cpp_standalone", build_on_run=False)
        BrianTwin(SpikingLearner(network()), samples(steps), monitors=False).run(steps)
        b.device.build(directory=folder, run=False, with_output=False)

        def standalone() -> float:
            b.device.run(folder, with_output=False)
            return float(b.device._last_run_time)

        return standalone
    b.prefs.codegen.target = "numpy"

    def plain() -> float:
        twin = BrianTwin(SpikingLearner(network()), samples(10 + steps), monitors=False)
        twin.run(10)
        started = time.process_time()
        twin.run(steps)
        return time.process_time() - started

    return plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpp", action="store_true", help="C++ standalone instead of numpy")
    add_option(parser)
    given = parser.parse_args()
    target = "cpp" if given.cpp else "numpy"
    steps = STEPS[target]
    kernel(20)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        run = brian2(target, folder)
        turns = [(kernel(steps), run()) for _ in range(RUNS[target])]
    (ours, events), theirs = min(turn[0] for turn in turns), min(turn[1] for turn in turns)
    if given.record:
        speeds = {
            "synaptic_events_per_s": events / ours,
            "steps_per_s": steps / ours,
            "brian2_steps_per_s": steps / theirs,
        }
        record(f"bench_spiking, {target}", {name: float(f"{speed:.6g}") for name, speed in speeds.items()})
    print(f"kernel: {events / ours / 1e6:,.0f} M synaptic events/s, {steps / ours:,.0f} steps/s")
    print(f"Brian2, {target}: {steps / theirs:,.0f} steps/s; the kernel takes {theirs / ours:,.1f} x as many")


if __name__ == "__main__":
    main()
