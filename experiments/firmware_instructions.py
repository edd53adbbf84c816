"""Instructions of the compiled firmware against a sum over actions, fitted on some shapes and judged on others.

    python experiments/firmware_instructions.py              all cores; half an hour on one core, kept as it goes
    python experiments/firmware_instructions.py cortex-m4    some cores

Every shape, rule and rounding is compiled by zig -O2 and run on an emulated core; single samples are counted after 100
that were learned. A figure for each action (`hw_models.operation_cost.instruction_counts`) is fitted by non-negative
least squares on relative errors over the shapes of FIT; shapes of HELD_OUT are predicted. Prints the figures, as they
stand in hw_models/processors/, and the errors, and writes experiments/results/firmware_instructions.json. Needs
`pip install "edgelearn[firmware]"`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from edgelearn import __version__
from edgelearn.accounting import Counters
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.learner import Learner
from edgelearn.network import NetworkSpec, design
from edgelearn.rules import RULES
from firmware_sim.measure import profile
from firmware_sim.targets import EMULATED, find_target
from hw_models.operation_cost import instruction_counts

RESULTS = Path(__file__).parent / "results" / "firmware_instructions.json"
FIT = ((16, 8, 4), (64, 32, 10), (40, 64, 6), (30, 20, 16, 5), (100, 10, 3), (24, 100, 12))
HELD_OUT = ((64, 48, 10), (20, 12, 8, 4), (128, 24, 6), (33, 17, 5))
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


def measure(core: str, sizes: tuple[int, ...], rule: str, rounding: str) -> dict[str, Any]:
    """Count one network; return instructions and actions of a predicted and of a learned sample."""
    spec = design(sizes, rule, rounding=rounding)
    levels, labels = samples(spec, sum(sizes))
    with tempfile.TemporaryDirectory() as folder:
        found = profile(
            Learner(spec), Path(folder), find_target(core), levels, labels, warm_up=WARM_UP, windows=WINDOWS
        )
    return {"predict": found.predict, "learn": found.learn, "actions": actions(spec, found.counters)}


def actions(spec: NetworkSpec, counters: Counters) -> dict[str, float]:
    """Return actions of a sample, layers and roles together."""
    totals: dict[str, float] = {}
    for (_, action), counts in instruction_counts(spec, counters).items():
        totals[action] = totals.get(action, 0.0) + float(counts.sum()) / counters.n_samples
    return totals


def fit(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return instructions by action from measured rows."""
    names = sorted(rows[0]["actions"])
    matrix = np.array([[row["actions"][name] for name in names] for row in rows])
    counted = np.array([row["learn"] for row in rows])
    figures, _ = nnls(matrix / counted[:, None], np.ones(len(rows)))
    return dict(zip(names, (float(figure) for figure in figures), strict=True))


def predicted(figures: dict[str, float], row: dict[str, Any]) -> float:
    return sum(figures[name] * n for name, n in row["actions"].items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cores", nargs="*", metavar="CORE", help=", ".join(EMULATED))
    chosen = parser.parse_args().cores or list(EMULATED)
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if content.get("edgelearn") != __version__:
        content = {"edgelearn": __version__, "cores": {}}
    missed = 0
    try:
        for core in chosen:
            if core not in EMULATED:
                raise unknown("core", core, EMULATED)
            kept = content["cores"].setdefault(core, {"rows": {}})
            for sizes in FIT + HELD_OUT:
                for rule in RULES:
                    for rounding in ROUNDINGS:
                        name = f"{'-'.join(str(size) for size in sizes)} {rule} {rounding}"
                        if name not in kept["rows"]:
                            print(core, name, file=sys.stderr, flush=True)
                            kept["rows"][name] = measure(core, sizes, rule, rounding)
                            write_text(RESULTS, json.dumps(content, indent=1) + "\n")
            texts = ["-".join(str(size) for size in sizes) for sizes in FIT]
            kept["figures"] = fit([row for name, row in kept["rows"].items() if name.split()[0] in texts])
            errors = {
                name: 100 * (predicted(kept["figures"], row) / row["learn"] - 1)
                for name, row in kept["rows"].items()
                if name.split()[0] not in texts
            }
            worst = max(errors, key=lambda name: abs(errors[name]))
            kept["held_out"] = {"worst": worst, "percent": errors[worst], "errors": errors}
            write_text(RESULTS, json.dumps(content, indent=1) + "\n")
            print(core, {name: round(figure, 1) for name, figure in kept["figures"].items()})
            print(f"{core}: {len(errors)} held out, worst {errors[worst]:+.1f} % ({worst})")
            missed += abs(errors[worst]) > ALLOWED_PERCENT
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
