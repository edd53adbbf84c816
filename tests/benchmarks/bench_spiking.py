"""Spiking kernels beside Brian2, 784-500-10 with 5 % of the inputs active: synaptic events a second, as ratios.

    python -m tests.benchmarks.bench_spiking              kernel and Brian2's numpy target, a minute
    python -m tests.benchmarks.bench_spiking --cpp        and C++ standalone, which is compiled for minutes

A synaptic event is a weight added to a current or a weight changed. The same network, input and labels for all; build and
compilation are not timed.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np

from edgelearn.references.brian2_twin import BrianTwin
from edgelearn.spiking.learner import Raster, SpikingLearner, raster_of
from edgelearn.spiking.network import SpikingSpec, design

STEPS = {"kernel": 20_000, "numpy": 200, "cpp": 2_000}


def network() -> SpikingSpec:
    return design((784, 500, 10), "drtp", spreads=[20.0, 16.0])


def samples(steps: int) -> Raster:
    rng = np.random.default_rng(0)
    labels = np.full(steps, -1)
    labels[19::20] = rng.integers(0, 10, len(labels[19::20]))
    return raster_of(rng.random((steps, 784)) < 0.05, labels)


def kernel() -> tuple[float, float]:
    """Return synaptic events and steps a second."""
    learner, raster = SpikingLearner(network()), samples(STEPS["kernel"])
    learner.advance(raster.part(0, 100))
    before = learner.counted("synaptic_operations") + learner.counted("synaptic_updates")
    started = time.perf_counter()
    learner.advance(raster.part(100, raster.steps))
    seconds = time.perf_counter() - started
    events = learner.counted("synaptic_operations") + learner.counted("synaptic_updates") - before
    return events / seconds, (raster.steps - 100) / seconds


def brian2(target: str) -> float:
    """Return steps a second."""
    import brian2 as b

    b.BrianLogger.log_level_error()
    steps = STEPS[target]
    if target == "cpp":
        b.set_device("cpp_standalone", build_on_run=False)
    else:
        b.prefs.codegen.target = "numpy"
    twin = BrianTwin(SpikingLearner(network()), samples(steps))
    if target == "numpy":
        twin.run(10)
        started = time.perf_counter()
        twin.run(steps - 10)
        return (steps - 10) / (time.perf_counter() - started)
    twin.run(steps)
    with tempfile.TemporaryDirectory() as folder:
        b.device.build(directory=folder, run=False, with_output=False)
        b.device.run(folder, with_output=False)
        return float(steps / b.device._last_run_time)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpp", action="store_true", help="C++ standalone instead of numpy")
    target = "cpp" if parser.parse_args().cpp else "numpy"
    events, steps = kernel()
    print(f"kernel: {events / 1e6:,.0f} M synaptic events/s, {steps:,.0f} steps/s")
    theirs = brian2(target)
    print(f"Brian2, {target}: {theirs:,.0f} steps/s; the kernel takes {steps / theirs:,.1f} x as many")


if __name__ == "__main__":
    main()
