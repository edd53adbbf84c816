"""One epoch of the digits in the spiking kernel and in Brian2: every word and spike, then the float twin beside it.

    python experiments/spiking_brian2.py                    numpy, cpp and float, ten minutes
    python experiments/spiking_brian2.py --target numpy     all words every 31 steps, then all spikes: drtp, dfa, sdfa
    python experiments/spiking_brian2.py --target cpp       C++ standalone: all words after the epoch, all spikes: drtp
    python experiments/spiking_brian2.py --target float     rates, weights and accuracy of the float twin: drtp, dfa

64-64-10, 8-bit weights, stochastic rounding, 1437 samples of 32 steps, 360 tested. Needs edgelearn[brian2]. Prints
Markdown tables and writes its part of experiments/results/spiking_brian2.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from edgelearn.files import write_text
from edgelearn.references.brian2_twin import TOTALS, BrianTwin, compare, first_difference, first_spike_difference
from edgelearn.references.float_spiking import beside
from edgelearn.spiking.coding import rate_code, samples_raster
from edgelearn.spiking.learner import Raster, SpikingLearner
from edgelearn.spiking.network import SpikingSpec, design, label_times
from edgelearn.spiking.training import TEST_SEED, Presentation

RESULTS = Path(__file__).parent / "results" / "spiking_brian2.json"
RULES = ("drtp", "dfa", "sdfa")
FLOAT_RULES, FLOAT_SEEDS = ("drtp", "dfa"), 3
EVERY = 31  # steps between checkpoints: all steps of a sample are seen


def digits() -> tuple[np.ndarray, ...]:
    """Return x, labels, test x, test labels; x from 0 to 1."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.data))
    x, labels = data.data[order] / 16, data.target[order]
    return x[:1437], labels[:1437], x[1437:], labels[1437:]


def network(rule: str, seed: int = 0) -> SpikingSpec:
    return design((64, 64, 10), rule, seed=seed)


def epoch(rule: str, seed: int = 0) -> Raster:
    """Return all samples once, with labels."""
    x, labels, _, _ = digits()
    shown = Presentation(period=label_times(rule, "rate", 32)[1])
    spikes = rate_code(x, shown.steps, np.random.default_rng([seed, 0]))
    return samples_raster(spikes, labels, shown.first_label, shown.period)


def test_epoch() -> Raster:
    """Return all test samples once, without labels."""
    _, _, x, _ = digits()
    shown = Presentation()
    spikes = rate_code(x, shown.steps, np.random.default_rng(TEST_SEED))
    return samples_raster(spikes, np.full(len(x), -1), shown.first_label, shown.period)


def telling(what: str, steps: int) -> Callable[[int], None]:
    """Return what prints the progress of a run, ten times."""
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if done * 10 // steps > told:
            told = done * 10 // steps
            print(f"{what}: {done:,} of {steps:,} steps", file=sys.stderr, flush=True)

    return tell


def use(target: str) -> None:
    """Set Brian2 up; once a process."""
    import brian2 as b

    b.BrianLogger.log_level_error()
    if target == "cpp":
        b.set_device("cpp_standalone", build_on_run=False)
    else:
        b.prefs.codegen.target = "numpy"


def on_numpy() -> dict[str, Any]:
    """Return what was compared for each rule; nothing differs, or this ends in an error."""
    use("numpy")
    found = {}
    for rule in RULES:
        raster = epoch(rule)
        compared = compare(network(rule), raster, EVERY, on_progress=telling(f"numpy, {rule}", raster.steps))
        if compared.difference is not None:
            raise SystemExit(f"{rule}: {compared.difference}")
        counts = {"steps": compared.steps, "checkpoints": compared.checkpoints}
        found[rule] = {**counts, **compared.totals, "differences": 0}
    return found


def on_cpp() -> dict[str, Any]:
    """Return what was compared after the epoch; nothing differs, or this ends in an error."""
    use("cpp")
    import brian2 as b

    spec, raster = network("drtp"), epoch("drtp")
    learner = SpikingLearner(spec)
    twin = BrianTwin(learner, raster)
    twin.run(raster.steps)
    with tempfile.TemporaryDirectory() as folder:
        print("cpp, drtp: compiling", file=sys.stderr, flush=True)
        b.device.build(directory=folder, run=False, with_output=False)
        print(f"cpp, drtp: {raster.steps:,} steps", file=sys.stderr, flush=True)
        b.device.run(folder, with_output=False)
        seen = learner.advance(raster, record=True)
        difference = first_difference(learner, twin, raster.steps - 1)
        difference = difference or first_spike_difference(spec, seen, twin.raster(raster.steps))
    if difference is not None:
        raise SystemExit(f"drtp: {difference}")
    totals = {name: learner.counted(name) for name in TOTALS}
    return {"drtp": {"steps": raster.steps, "checkpoints": 1, **totals, "differences": 0}}


def in_float() -> dict[str, Any]:
    """Return populations and accuracies of the kernel and of the float twin, for each rule and seed."""
    use("float")
    found: dict[str, Any] = {}
    for rule in FLOAT_RULES:
        found[rule] = []
        for seed in range(FLOAT_SEEDS):
            spec, raster, what = network(rule, seed), epoch(rule, seed), f"float, {rule}, seed {seed}"
            learner, tell = SpikingLearner(spec), telling(what, raster.steps)
            twin = BrianTwin(learner, raster, exact=False)
            twin.run(raster.steps, 100, lambda done, tell=tell: tell(done) is None)
            compared = beside(learner, twin, raster)
            populations = [
                {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(one).items()}
                for one in compared.populations
            ]
            accuracy, float_accuracy = accuracies(learner, twin)
            found[rule].append(
                {"seed": seed, "accuracy": accuracy, "float_accuracy": float_accuracy, "populations": populations}
            )
            print(f"{what}: accuracy {accuracy:.3f}, float {float_accuracy:.3f}", file=sys.stderr, flush=True)
    return found


def accuracies(learner: SpikingLearner, learned: BrianTwin) -> tuple[float, float]:
    """Return the test accuracy of a learner and of its float twin, on the same spikes."""
    raster, steps = test_epoch(), Presentation().steps
    _, _, _, labels = digits()
    twin = BrianTwin(learner, raster, exact=False)
    for p in range(1, len(learner.spec.sizes)):
        twin.synapses[p].w = learned.weights_into(p).ravel()
    ours, theirs = [], []

    def look(done: int) -> bool:
        learner.advance(raster.part(done - steps, done))
        ours.append(learner.winner())
        theirs.append(twin.winner())
        return True

    twin.run(raster.steps, steps, look)
    return float((np.array(ours) == labels).mean()), float((np.array(theirs) == labels).mean())


def show(content: dict[str, Any]) -> None:
    if "numpy" in content or "cpp" in content:
        print("| target | rule | steps | checkpoints | spikes | updates | differences |")
        print("|---|---|---|---|---|---|---|")
    for target in ("numpy", "cpp"):
        for rule, one in content.get(target, {}).items():
            names = ("steps", "checkpoints", "spikes", "synaptic_updates", "differences")
            print(f"| {target} | {rule} | " + " | ".join(f"{one[name]:,}" for name in names) + " |")
    if "float" in content:
        print("\n| rule | seed | accuracy | float | population | rate | float | counts | weights | changes | rms |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
    for rule, runs in content.get("float", {}).items():
        for run in runs:
            for p, one in enumerate(run["populations"], 1):
                correlations = " | ".join(f"{one[name]:.3f}" for name in ("counts", "weights", "changes"))
                print(
                    f"| {rule} | {run['seed']} | {run['accuracy']:.3f} | {run['float_accuracy']:.3f} | {p} "
                    f"| {one['rate']:.4f} | {one['float_rate']:.4f} | {correlations} | {one['rms']:.1f} |"
                )


def main() -> int:
    parts: dict[str, Callable[[], dict[str, Any]]] = {"numpy": on_numpy, "cpp": on_cpp, "float": in_float}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=[*parts, "all"], default="all")
    target = parser.parse_args().target
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    spawn = multiprocessing.get_context("spawn")  # Brian2 has one device a process
    for name in parts if target == "all" else [target]:
        with ProcessPoolExecutor(1, spawn) as pool:
            content[name] = pool.submit(parts[name]).result()
    content = {name: content[name] for name in parts if name in content}
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    show(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
