"""Eight-bit convolutional networks beside their float twins, on the same MNIST samples in the same order.

    python -m experiments.convolution_twin               all rows, three seeds; about ten minutes on one core
    python -m experiments.convolution_twin ROW [ROW]     some rows

Online error: share of the first 6,000 samples of an epoch that are predicted wrong before they are learned, and of its
second half. 28x28x1-conv16x5x5-pool2-fc128-10, batch 1, 4-bit pixels, rates by default or with an output rate of 2^-6.
A row passes if the mean of three seeds is at most 0.5 points from that of the twins; under drtp with learned kernels if
it is at most 0.5 points above: the target signal never fades, so float weights grow on where integer gates close.
Prints a Markdown table and writes experiments/results/convolution_twin.json. Needs torch and MNIST.
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
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.references.closed_form import stored_weights
from edgelearn.references.online_twin import OnlineTwin
from edgelearn.references.torch_online import one_thread
from edgelearn.runs.dataset import Encoded, encode_data

RESULTS = Path(__file__).parent / "results" / "convolution_twin.json"
NET = "28x28x1-conv16x5x5-pool2-fc128-10"
SEEDS = (0, 1, 2)
N_SAMPLES = 6_000
ALLOWED_POINTS = 0.5
ROWS: dict[str, dict[str, Any]] = {
    "bp": {"rule": "bp"},
    "bp, frozen kernels": {"rule": "bp", "kernels": "frozen"},
    "dfa": {"rule": "dfa"},
    "dfa, frozen kernels": {"rule": "dfa", "kernels": "frozen"},
    "drtp": {"rule": "drtp"},
    "drtp, frozen kernels": {"rule": "drtp", "kernels": "frozen"},
}
ROWS |= {f"{name}, output rate 2^-6": row | {"output_rate": -6} for name, row in ROWS.items()}
ONE_SIDED = ("drtp", "drtp, output rate 2^-6")


def measure(row: str, seed: int, encoded: Encoded) -> dict[str, float]:
    """Learn one seed in integers and in float; return online errors in percent."""
    spec = design(NET, seed=seed, **ROWS[row])
    learner = Learner(spec)
    twin = OnlineTwin(spec, stored_weights(learner))
    order = np.random.default_rng([seed, 2, 0]).permutation(len(encoded.levels))[:N_SAMPLES]
    labels = encoded.data.train_y[order]
    predicted = {
        "integer": learner.learn(encoded.levels, labels, order),
        "float": twin.learn(encoded.levels[order], labels),
    }
    found = {}
    for name, classes in predicted.items():
        wrong = classes != labels
        found[f"{name}_error_percent"] = 100 * float(wrong.mean())
        found[f"{name}_error_percent_second_half"] = 100 * float(wrong[N_SAMPLES // 2 :].mean())
    found["same_class_percent"] = 100 * float((predicted["integer"] == predicted["float"]).mean())
    return found


def summary(row: str, runs: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return means over the seeds, and whether the row passes."""
    means = {name: statistics.mean(run[name] for run in runs.values()) for name in next(iter(runs.values()))}
    gap = means["integer_error_percent"] - means["float_error_percent"]
    passes = gap <= ALLOWED_POINTS if row in ONE_SIDED else abs(gap) <= ALLOWED_POINTS
    return means | {"gap_points": gap, "gaps": [_gap(run) for run in runs.values()], "passes": passes}


def _gap(run: dict[str, float]) -> float:
    return run["integer_error_percent"] - run["float_error_percent"]


def table(rows: dict[str, Any]) -> str:
    lines = [
        "| row | integers, % | float, % | gap, points | each seed | second half | same class, % | passes |",
        "|" + "---|" * 8,
    ]
    for name, row in rows.items():
        means = row["summary"]
        each = ", ".join(f"{gap:+.2f}" for gap in means["gaps"])
        halves = f"{means['integer_error_percent_second_half']:.2f} / {means['float_error_percent_second_half']:.2f}"
        lines.append(
            f"| {name} | {means['integer_error_percent']:.2f} | {means['float_error_percent']:.2f} | "
            f"{means['gap_points']:+.2f} | {each} | {halves} | {means['same_class_percent']:.1f} | "
            f"{'yes' if means['passes'] else 'no'} |"
        )
    return "\n".join(lines)


def said(content: dict[str, Any]) -> list[str]:
    """Return the sentence of the page."""
    largest = max(abs(row["summary"]["gap_points"]) for row in content["rows"].values())
    return [f"The largest gap of a mean is {largest:.2f} points."]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", default=list(ROWS))
    chosen = parser.parse_args().rows
    try:
        for row in chosen:
            if row not in ROWS:
                raise unknown("row", row, list(ROWS))
        encoded = encode_data(make_config({"data": "mnist", "net": "784-10", "rule": "shallow"}))
        rows: dict[str, Any] = {}
        for row in chosen:
            with one_thread():
                runs = {str(seed): measure(row, seed, encoded) for seed in SEEDS}
            rows[row] = {"settings": ROWS[row], "runs": runs, "summary": summary(row, runs)}
            print(row, rows[row]["summary"], file=sys.stderr)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(rows))
    if chosen == list(ROWS):
        content = {"edgelearn": __version__, "net": NET, "samples": N_SAMPLES, "rows": rows}
        write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
