"""Eight-bit learning beside its float twin on MNIST: accuracy, and angles of the signals of hidden layers.

    python experiments/fixed_point_against_float.py              all rows; about half an hour on one core
    python experiments/fixed_point_against_float.py drtp [...]   some rows

Each run is `edgelearn validate` of one seed: 784-500-10, 10 epochs, rates as `edgelearn run` has them. Rows are drtp,
dfa, bp, and bp-dead-zone: bp with --dead-zone 16, which leaves out errors of at most 16/255, whose direction eight bits
of p do not know. Prints a Markdown table and writes experiments/results/fixed_point_against_float.json, after each row.
Needs torch, and MNIST: put it in a folder named in EDGELEARN_DATA or run `edgelearn data fetch mnist`.

A row passes if the mean accuracy of three seeds is at most 0.3 points from that of the twins, and if the angle between
its signal and backpropagation's, mean of the seeds, differs by less than 5 degrees between fixed point and float after
every epoch. Few of a seed's 256 samples still have an error late in training, so single seeds scatter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.validation.dataset import ANGLE_DEGREES, GAP_POINTS, INEXACT, validate

RESULTS = Path(__file__).parent / "results" / "fixed_point_against_float.json"
SEEDS = (0, 1, 2)
ROWS: dict[str, dict[str, Any]] = {
    "drtp": {"rule": "drtp"},
    "dfa": {"rule": "dfa"},
    "bp": {"rule": "bp"},
    "bp-dead-zone": {"rule": "bp", "dead_zone": 16},
}
SETTINGS: dict[str, Any] = {"data": "mnist", "net": "784-500-10", "bits": 8, "epochs": 10}
KEPT = ("weights", "angle_signal", "angle_signal_pooled", "at_rails_percent", "vanished", "one_sample", *INEXACT)

ANGLES = ("angle_signal", "angle_signal_pooled")
HEADER = (
    "row",
    "fixed point",
    "float",
    "gap",
    "each",
    "angle to bp, fixed",
    "float",
    "differ by",
    "of a seed",
    "pooled",
    "equal weights",
)


def measure(row: str, seed: int) -> dict[str, Any]:
    """Validate one seed; return curves over epochs, and everything about the last one."""
    points = validate(make_config(SETTINGS | ROWS[row] | {"seed": seed})).content["points"]
    hidden = [point["layers"][0] for point in points]
    curves = {
        name: [point[name] for point in points]
        for name in ("fixed_accuracy_percent", "float_accuracy_percent", "same_class_percent", "score_difference")
    }
    curves["weights_apart"] = [layer["weights"]["relative_rms"] for layer in hidden]
    for kind in ANGLES:
        curves |= {f"{kind}_{name}": [layer[kind][name] for layer in hidden] for name in hidden[0][kind]}
    layers = [{name: layer[name] for name in KEPT} for layer in points[-1]["layers"]]
    return {"gap_points": points[-1]["gap_points"], "curves": curves, "last_epoch": layers}


def summary(runs: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a row over its seeds, and whether it passes."""
    gap = statistics.mean(run["gap_points"] for run in runs.values())
    curves = {kind: np.array([run["curves"][f"{kind}_difference"] for run in runs.values()]) for kind in ANGLES}
    worst = {kind: float(np.abs(curve.mean(axis=0)).max()) for kind, curve in curves.items()}
    ends = {
        name: statistics.mean(run["curves"][name][-1] for run in runs.values())
        for name in next(iter(runs.values()))["curves"]
    }
    return {
        "gap_points": round(gap, 4),
        "gap_points_each": [round(run["gap_points"], 4) for run in runs.values()],
        "largest_angle_difference": {kind: round(angle, 4) for kind, angle in worst.items()},
        "largest_angle_difference_of_a_seed": {
            kind: round(float(np.abs(curve).max()), 4) for kind, curve in curves.items()
        },
        "last_epoch_mean": {name: round(value, 4) for name, value in ends.items()},
        "gap_met": abs(gap) <= GAP_POINTS,
        "angle_met": worst["angle_signal"] < ANGLE_DEGREES,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    chosen = parser.parse_args().rows or tuple(ROWS)
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    content |= {"edgelearn": __version__, "settings": SETTINGS | {"rows": ROWS}, "seeds": SEEDS}
    try:
        for name in chosen:
            if name not in ROWS:
                raise unknown("row", name, ROWS)
            runs: dict[str, Any] = {}
            for seed in SEEDS:
                print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
                runs[str(seed)] = measure(name, seed)
            content["rows"][name] = summary(runs) | {"runs": runs}
            write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("| " + " | ".join(HEADER) + " |")
    print("|" + "---|" * len(HEADER))
    missed = 0
    for name in chosen:
        row = content["rows"][name]
        end = row["last_epoch_mean"]
        missed += not (row["gap_met"] and row["angle_met"])
        cells = (
            name,
            f"{end['fixed_accuracy_percent']:.2f} %",
            f"{end['float_accuracy_percent']:.2f} %",
            f"{row['gap_points']:.2f}" + ("" if row["gap_met"] else " MISSED"),
            ", ".join(f"{gap:.2f}" for gap in row["gap_points_each"]),
            f"{end['angle_signal_to_backprop_fixed']:.1f}",
            f"{end['angle_signal_to_backprop_float']:.1f}",
            f"{row['largest_angle_difference']['angle_signal']:.1f}" + ("" if row["angle_met"] else " MISSED"),
            f"{row['largest_angle_difference_of_a_seed']['angle_signal']:.1f}",
            f"{row['largest_angle_difference']['angle_signal_pooled']:.1f}",
            f"{end['angle_signal_equal_weights']:.1f}",
        )
        print("| " + " | ".join(cells) + " |")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
