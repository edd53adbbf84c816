"""Instructions of the compiled firmware against a sum over actions, fitted on some shapes, judged on others.

    python experiments/firmware_instructions.py              all cores; ten minutes on two cores, kept as it goes
    python experiments/firmware_instructions.py cortex-m4    some cores

Every shape, rule and rounding is compiled by zig -Os and run on an emulated core; single samples are counted after 100
that were learned. A figure for each action (`hw_models.microcontroller.instruction_counts`) is fitted by non-negative
least squares on relative errors over the shapes of FIT; shapes of HELD_OUT are predicted, and counted under other
compilers and optimisations as well, whose means give the band. Prints the figures, as they stand in
hw_models/processors/, and the errors, and writes experiments/results/firmware_instructions.json. Exit code 1 if a shape
is more than 10 % off. Needs `pip install "edgelearn[firmware]"`, gcc-arm-none-eabi and gcc-riscv64-unknown-elf.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import nnls

from edgelearn import __version__
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.rules import RULES
from firmware_sim.build.image import core_digest
from firmware_sim.build.targets import EMULATED, find_target
from firmware_sim.build.toolchain import find_compiler
from firmware_sim.check.measure import profile
from hw_models.microcontroller import instruction_counts

RESULTS = Path(__file__).parent / "results" / "firmware_instructions.json"
FIT = ((16, 8, 4), (64, 32, 10), (40, 64, 6), (30, 20, 16, 5), (100, 10, 3), (24, 100, 12))
HELD_OUT = ((64, 48, 10), (20, 12, 8, 4), (128, 24, 6), (33, 17, 5))
BUILDS = ("zig -Os", "zig -O2", "gcc -Os", "gcc -O2")  # the first is fitted
ROUNDINGS = ("residual", "stochastic")
WARM_UP, WINDOWS = 100, 10
ALLOWED_PERCENT = 10.0


def samples(spec: NetworkSpec, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy sparse prototypes of the classes: something to learn, so that activity falls as on real data."""
    rng = np.random.default_rng(seed)
    n, n_in = WARM_UP + WINDOWS, spec.sizes[0]
    prototypes = rng.integers(0, 16, (spec.n_classes, n_in)) * (rng.random((spec.n_classes, n_in)) < 0.5)
    labels = rng.integers(0, spec.n_classes, n)
    noise = rng.integers(-3, 4, (n, n_in)) * (rng.random((n, n_in)) < 0.3)
    return np.clip(prototypes[labels] + noise, 0, 15), labels


def measure(core: str, build: str, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Count networks of one shape; return instructions of a prediction and of a learned sample, and its actions."""
    rows = {}
    compiler, optimisation = build.split()
    for rule in RULES:
        for rounding in ROUNDINGS:
            spec = design(sizes, rule, rounding=rounding)
            levels, labels = samples(spec, sum(sizes))
            options: dict[str, Any] = {"compiler": compiler, "optimisation": optimisation}
            with tempfile.TemporaryDirectory() as folder:
                built = (Path(folder), find_target(core), levels, labels)
                found = profile(Learner(spec), *built, **options, warm_up=WARM_UP, windows=WINDOWS)
            rows[f"{rule} {rounding}"] = {
                "predict": found.predict,
                "learn": found.learn,
                "actions": actions(spec, found.counters),
            }
    return rows


def actions(spec: NetworkSpec, counters: Counters) -> dict[str, float]:
    """Return actions of a sample, layers and roles together."""
    totals: dict[str, float] = {}
    for (_, action), counts in instruction_counts(spec, counters).items():
        totals[action] = totals.get(action, 0.0) + float(counts.sum()) / counters.n_samples
    return totals


def fit(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return instructions by action from measured rows, to a tenth."""
    names = list(rows[0]["actions"])
    matrix = np.array([[row["actions"][name] for name in names] for row in rows])
    counted = np.array([row["learn"] for row in rows])
    figures, _ = nnls(matrix / counted[:, None], np.ones(len(rows)))
    return dict(zip(names, (round(float(figure), 1) for figure in figures), strict=True))


def errors(figures: dict[str, float], kept: dict[str, Any], build: str) -> dict[str, float]:
    """Return how far the sum is above the count, in percent, for the networks that were held out."""
    found = {}
    for sizes in HELD_OUT:
        for name, row in kept[place(build, sizes)].items():
            predicted = sum(figures[action] * n for action, n in row["actions"].items())
            found[f"{text(sizes)} {name}"] = 100 * (predicted / row["learn"] - 1)
    return found


def band(counted: list[float]) -> tuple[float, float]:
    """Return the least and most instructions of the builds, as multiples of what the figures say."""
    return round(min(1.0, *counted), 2), round(max(1.0, *counted), 2)


def text(sizes: tuple[int, ...]) -> str:
    return "-".join(str(size) for size in sizes)


def place(build: str, sizes: tuple[int, ...]) -> str:
    return f"{build} {text(sizes)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cores", nargs="*", metavar="CORE", help=", ".join(EMULATED))
    chosen = parser.parse_args().cores or list(EMULATED)
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if content.get("core") != core_digest():
        content = {"edgelearn": __version__, "core": core_digest(), "cores": {}}
    missed = False
    try:
        for core in chosen:
            if core not in EMULATED:
                raise unknown("core", core, EMULATED)
            for build in BUILDS:
                find_compiler(build.split()[0], find_target(core))
            kept = content["cores"].setdefault(core, {"rows": {}})
            wanted = [(BUILDS[0], sizes) for sizes in FIT] + [(build, sizes) for build in BUILDS for sizes in HELD_OUT]
            wanted = [one for one in wanted if place(*one) not in kept["rows"]]
            jobs = (delayed(measure)(core, *one) for one in wanted)
            for one, rows in zip(wanted, Parallel(n_jobs=-1, return_as="generator")(jobs), strict=True):
                print(core, place(*one), file=sys.stderr, flush=True)
                kept["rows"][place(*one)] = rows
                write_text(RESULTS, json.dumps(content) + "\n")
            figures = fit([row for sizes in FIT for row in kept["rows"][place(BUILDS[0], sizes)].values()])
            kept["figures"], kept["held_out"] = figures, {}
            print(core)
            for build in BUILDS:
                found = errors(figures, kept["rows"], build)
                worst = max(found, key=lambda name: abs(found[name]))
                mean = sum(found.values()) / len(found)
                kept["held_out"][build] = {"worst": worst, "percent": found[worst], "mean_percent": mean}
                judged = (
                    f"{len(found)} networks of other shapes, mean {mean:+.1f} %, worst {found[worst]:+.1f} % ({worst})"
                )
                print(f"  {build}: {judged}")
                missed |= build == BUILDS[0] and abs(found[worst]) > ALLOWED_PERCENT
            kept["band"] = band([100 / (100 + one["mean_percent"]) for one in kept["held_out"].values()])
            for name, figure in figures.items():
                low, high = (round(figure * side, 1) for side in kept["band"])
                print(f"  {name} = {{ low = {low}, nominal = {figure}, high = {high} }}")
            write_text(RESULTS, json.dumps(content) + "\n")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
