"""Instructions of the compiled firmware of convolutions, fitted on some networks, judged on others.

    python experiments/firmware_convolutions.py              all cores; ten minutes on two cores, kept as it goes
    python experiments/firmware_convolutions.py cortex-m4    some cores

As experiments/firmware_instructions.py, whose figures of dense layers are taken as they stand in the processor files:
predictions and learned samples of small networks are counted on an emulated core, and the actions that only
convolutions have are fitted. Prints the figures, as they stand in hw_models/processors/, with the bands of dense
actions, and the errors on networks that were held out, and writes experiments/results/firmware_convolutions.json. Exit
code 1 if a network is more than 15 % off.
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
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.traffic import predicted
from edgelearn.runs.rates import learning_counters
from experiments.firmware_instructions import BUILDS, actions, samples
from firmware_sim.build.image import core_digest
from firmware_sim.build.targets import EMULATED, find_target
from firmware_sim.check.measure import profile
from hw_models.microcontroller import WINDOW_ACTIONS
from hw_models.processor import Microcontroller, find_processor

DENSE_RESULTS = Path(__file__).parent / "results" / "firmware_instructions.json"
RESULTS = Path(__file__).parent / "results" / "firmware_convolutions.json"
FIT = (
    "8x8x1-conv4x3x3-pool2-12-4",
    "8x6x1-conv6x5x5-pool2-10-4",
    "10x10x1-conv4x5x5s2p0-12-3",
    "5x5x3-conv8x3x3-10-3",
    "7x7x1-conv4x3x3p0-conv6x3x3p0-10-4",
)
HELD_OUT = ("8x8x1-conv6x5x5-pool2-12-5", "9x9x1-conv8x5x5s2p0-10-4", "6x6x1-conv4x3x3-pool2-conv4x2x2p0-8-3")
WARM_UP, WINDOWS = 20, 6
RULES = ("bp", "dfa", "drtp", "local")
ROUNDINGS = ("residual", "stochastic")
ALLOWED_PERCENT = 15.0
PROCESSORS = {"rv32": "rv32-ibex"}  # file of a core whose name differs


def measure(core: str, build: str, net: str) -> list[dict[str, Any]]:
    """Count one network under each rule and rounding; return instructions of predictions and learning."""
    rows = []
    compiler, optimisation = build.split()
    for rule in RULES:
        for rounding in ROUNDINGS if (build, rule) == (BUILDS[0], "drtp") else ROUNDINGS[:1]:
            spec = design(net, rule, rounding=rounding)
            levels, labels = samples(spec, len(net))
            options: dict[str, Any] = {"compiler": compiler, "optimisation": optimisation}
            with tempfile.TemporaryDirectory() as folder:
                built = (Path(folder), find_target(core), levels, labels)
                found = profile(Learner(spec), *built, **options, warm_up=WARM_UP, windows=WINDOWS)
            row = {"net": net, "rule": rule, "rounding": rounding, "counters": found.counters.as_dict()}
            rows.append(row | {"predict": found.predict, "learn": found.learn})
    return rows


def with_actions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row each for predictions and learned samples, with the actions that the cost model counts."""
    found = []
    for row in rows:
        spec = design(row["net"], row["rule"], rounding=row["rounding"])
        counters = learning_counters(row["counters"])
        for what, counts in (("predict", predicted(spec, counters)), ("learn", counters)):
            name = f"{row['net']} {row['rule']} {row['rounding']} {what}"
            found.append({"name": name, "instructions": row[what], "actions": actions(spec, counts)})
    return found


def dense_figures(core: str) -> dict[str, float]:
    """Return the instructions of actions of dense layers, from the processor's file."""
    processor = find_processor(PROCESSORS.get(core, core))
    assert isinstance(processor, Microcontroller)
    return {str(name): band.nominal for name, band in processor.instructions.items() if name not in WINDOW_ACTIONS}


def of_dense(figures: dict[str, float], row: dict[str, Any]) -> float:
    return sum(figures.get(action, 0.0) * n for action, n in row["actions"].items())


def fit(core: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return instructions by action of convolutions, by non-negative least squares of relative errors."""
    known = dense_figures(core)
    counted = np.array([row["instructions"] for row in rows])
    rest = counted - np.array([of_dense(known, row) for row in rows])
    matrix = np.array([[row["actions"][name] for name in WINDOW_ACTIONS] for row in rows])
    figures, _ = nnls(matrix / counted[:, None], rest / counted)
    return dict(zip(WINDOW_ACTIONS, (round(float(figure), 1) for figure in figures), strict=True))


def errors(core: str, figures: dict[str, float], rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return how far the sum is above the count, in percent, by network."""
    known = dense_figures(core) | figures
    return {row["name"]: 100 * (of_dense(known, row) / row["instructions"] - 1) for row in rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cores", nargs="*", metavar="CORE", help=", ".join(EMULATED))
    parser.add_argument("--first", action="store_true", help="leave out the other compilers and optimisations")
    given = parser.parse_args()
    chosen, builds = given.cores or list(EMULATED), BUILDS[:1] if given.first else BUILDS
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if content.get("core") != core_digest():
        content = {"edgelearn": __version__, "core": core_digest(), "cores": {}}
    missed = False
    try:
        for core in chosen:
            if core not in EMULATED:
                raise unknown("core", core, EMULATED)
            kept = content["cores"].setdefault(core, {"rows": {}})["rows"]
            wanted = [(BUILDS[0], net) for net in FIT] + [(build, net) for build in builds for net in HELD_OUT]
            for build, net in wanted:
                if f"{build} {net}" not in kept:
                    kept[f"{build} {net}"] = measure(core, build, net)
                    write_text(RESULTS, json.dumps(content) + "\n")
                    print(core, build, net, file=sys.stderr, flush=True)
            missed |= _judge(core, content["cores"][core])
            write_text(RESULTS, json.dumps(content) + "\n")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return int(missed)


def _judge(core: str, kept: dict[str, Any]) -> bool:
    """Fit, print figures and errors; return whether a network is too far off."""
    rows = {name: with_actions(measured) for name, measured in kept["rows"].items()}
    figures = fit(core, [row for net in FIT for row in rows[f"{BUILDS[0]} {net}"]])
    found = errors(core, figures, [row for net in HELD_OUT for row in rows[f"{BUILDS[0]} {net}"]])
    fitted = errors(core, figures, [row for net in FIT for row in rows[f"{BUILDS[0]} {net}"]])
    worst = max(found, key=lambda name: abs(found[name]))
    builds = {
        build: float(np.mean([-e for net in HELD_OUT for e in errors(core, figures, rows[f"{build} {net}"]).values()]))
        for build in BUILDS
        if all(f"{build} {net}" in rows for net in HELD_OUT)
    }
    kept |= {"figures": figures, "worst": [worst, found[worst]], "errors": found, "builds": builds}
    print(f"{core}: held out, worst {found[worst]:+.1f} % ({worst}); fitted {max(map(abs, fitted.values())):.1f} %")
    print("  other builds:", ", ".join(f"{build} {error:+.0f} %" for build, error in builds.items()))
    low, high = json.loads(DENSE_RESULTS.read_text())["cores"][core]["band"]
    for action, figure in figures.items():
        print(f"{action} = {{ low = {figure * low:.1f}, nominal = {figure:.1f}, high = {figure * high:.1f} }}")
    return abs(found[worst]) > ALLOWED_PERCENT


if __name__ == "__main__":
    sys.exit(main())
