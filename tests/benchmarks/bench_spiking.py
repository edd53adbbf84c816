"""Spiking kernels beside Brian2, 784-500-10 with 5 % of the inputs active: synaptic events per second, and ratios.

    python -m tests.benchmarks.bench_spiking                    kernel and Brian2's numpy target, a minute
    python -m tests.benchmarks.bench_spiking --cpp              and C++ standalone, which is compiled for minutes
    python -m tests.benchmarks.bench_spiking --target avx2      as if the processor had no AVX-512

A synaptic event is a weight added to a current or a weight changed. The same network, input, labels and steps for both,
no monitors in Brian2; build and compilation are not timed. Processor time, as Brian2 takes it in C++, of one core; median
and quickest of 15 turns. Without Brian2 the kernel alone is measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from edgelearn.errors import UserError
from edgelearn.spiking.learner import Raster, SpikingLearner, raster_of
from edgelearn.spiking.network import SpikingSpec, design
from tests.benchmarks import target
from tests.benchmarks.record import add_option, machine, record
from tests.benchmarks.turns import TURNS

KERNEL_STEPS, STEPS = 2_000, {"numpy": 400, "cpp": 10_000}


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


def brian2(code: str, folder: str) -> Callable[[], float]:
    """Return what runs Brian2 and returns its seconds.

    Raises
    ------
    UserError : Brian2 is not installed
    """
    from edgelearn.references.brian2_twin import BrianTwin

    try:
        import brian2 as b
    except ImportError:
        raise UserError("Brian2 is not installed: pip install brian2") from None

    b.BrianLogger.log_level_error()
    steps = STEPS[code]
    if code == "cpp":
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cpp", action="store_true", help="C++ standalone instead of numpy")
    add_option(parser)
    target.add_option(parser)
    given = parser.parse_args()
    target.enter(given.target)
    code = "cpp" if given.cpp else "numpy"
    kernel(20)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        run: Callable[[], float] | None = None
        try:
            run = brian2(code, folder)
        except UserError as error:
            print(f"Brian2 skipped: {error}", file=sys.stderr)
        turns = [(*kernel(KERNEL_STEPS), run() if run else float("nan")) for _ in range(TURNS)]
    seconds, events, theirs = np.array(turns).T
    per_step, steps = seconds / KERNEL_STEPS, STEPS[code]
    ours, best = float(np.median(per_step)), float(per_step.min())
    speeds = {
        "synaptic_events_per_s": float(np.median(events / seconds)),
        "steps_per_s": 1 / ours,
        "best_steps_per_s": 1 / best,
    }
    print(machine().line)
    print(f"kernel: {speeds['synaptic_events_per_s'] / 1e6:,.0f} M synaptic events/s, {1 / ours:,.0f} steps/s", end=" ")
    print(f"(best {1 / best:,.0f})")
    if run:
        speeds["brian2_steps_per_s"] = float(steps / np.median(theirs))
        speeds["times_brian2"] = float(np.median(theirs / steps / per_step))
        print(f"Brian2, {code}: {speeds['brian2_steps_per_s']:,.0f} steps/s; the kernel takes", end=" ")
        print(f"{speeds['times_brian2']:,.1f} x as many")
    if given.record:
        record(f"bench_spiking, {code}", {name: float(f"{speed:.6g}") for name, speed in speeds.items()})


if __name__ == "__main__":
    main()
