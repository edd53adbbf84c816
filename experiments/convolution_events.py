"""Cost of a network with a convolution against its events: time of the compiled kernels, and the modelled engine.

    python -m experiments.convolution_events             half a minute on one core; needs MNIST
    python -m experiments.convolution_events --figure    draws the committed results again

28x28x1-conv16x5x5-pool2-fc128-10 learns groups of MNIST images, from those with the fewest pixels above zero to those
with the most. Time is that of the process (median of TURNS turns, groups and rules interleaved), cycles and energy are
those of engine-28nm for the same samples. Prints a Markdown table, writes experiments/results/convolution_events.json
and edgelearn/docs/figures/convolution_events.svg.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.reports.plots.figure import MARKS, drawn, line_style
from edgelearn.runs.dataset import encode_data
from hw_models.processor import find_processor

RESULTS = Path(__file__).parent / "results" / "convolution_events.json"
FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "convolution_events.svg"
NET = "28x28x1-conv16x5x5-pool2-fc128-10"
PROCESSOR = "engine-28nm"
GROUPS = 9
RULES = {
    "bp": {"rule": "bp", "hidden_rate": -7, "output_rate": -7, "kernel_rate": -6},
    "drtp": {"rule": "drtp", "hidden_rate": -7, "output_rate": -7, "kernel_rate": -11},
    "dfa, frozen kernels": {"rule": "dfa", "hidden_rate": -8, "output_rate": -6, "kernels": "frozen"},
}
TAUGHT, SAMPLES, TURNS = 10_000, 400, 15


def measure() -> list[dict[str, Any]]:
    """Return a row per rule and density: events, products, time, cycles and energy of a learned sample."""
    encoded = encode_data(make_config({"data": "mnist"}))
    rng, labels = np.random.default_rng(0), encoded.data.train_y
    order = rng.permutation(len(labels))
    taught, rest = order[:TAUGHT], order[TAUGHT:]
    rest = rest[np.argsort(np.count_nonzero(encoded.levels[rest], axis=1), kind="stable")]
    starts = np.linspace(0, len(rest) - SAMPLES, GROUPS).astype(int)
    groups = [rng.permutation(rest[at : at + SAMPLES]) for at in starts]
    start: dict[str, Learner] = {}
    for name, settings in RULES.items():
        start[name] = Learner(design(NET, **settings))
        start[name].learn(encoded.levels[taught], labels[taught])
    seconds: dict[tuple[str, int], list[float]] = {(name, group): [] for name in RULES for group in range(GROUPS)}
    counts: dict[tuple[str, int], Counters] = {}
    for _ in range(TURNS):
        for (name, group), found in seconds.items():
            learner = start[name]
            words, before = learner.state.arrays.weights.copy(), learner.counters.table.copy()
            begun = time.process_time()
            learner.learn(encoded.levels[groups[group]], labels[groups[group]])
            found.append((time.process_time() - begun) / SAMPLES)
            counts[name, group] = Counters(learner.counters.table - before)
            learner.state.arrays.weights[:] = words
    return [_row(name, start[name], counts[name, group], seconds[name, group]) for name, group in seconds]


def _row(name: str, learner: Learner, counters: Counters, seconds: list[float]) -> dict[str, Any]:
    cost = find_processor(PROCESSOR).price(learner.spec, counters)

    def mean(counter: str, part: slice = slice(None)) -> float:
        return round(float(np.sum(counters[counter][part])) / SAMPLES, 2)

    return {
        "rule": name,
        "input_events": mean("input_events", slice(0, 1)),
        "events": mean("input_events"),
        "products": round(mean("forward_macs") + mean("signal_macs") + mean("update_macs"), 2),
        "microseconds": round(1e6 * statistics.median(seconds), 3),
        "cycles": round(cost.total("cycles") / SAMPLES, 1),
        "energy_nj": round(cost.total("energy_pj") / SAMPLES * 1e-3, 3),
    }


def fit(rows: list[dict[str, Any]], x: str, y: str) -> tuple[float, float, float]:
    """Return slope, share of the intercept in the value of the last row, and the coefficient of determination."""
    at, value = (np.array([row[key] for row in rows]) for key in (x, y))
    slope, intercept = np.polyfit(at, value, 1)
    left = value - slope * at - intercept
    return float(slope), float(intercept / value[-1]), float(1 - left @ left / ((value - value.mean()) ** 2).sum())


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the Markdown table of all groups."""
    lines = [
        "| rule | events into layer 1 | events into all layers | products | CPU time | cycles | energy |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['rule']} | {row['input_events']:,.1f} | {row['events']:,.0f} | "
            f"{row['products']:,.0f} | {row['microseconds']:,.1f} us | {row['cycles']:,.0f} | "
            f"{row['energy_nj']:,.0f} nJ |"
        )
    return lines


def fits(rows: list[dict[str, Any]]) -> list[str]:
    """Return the Markdown table of straight lines through the groups of each rule."""
    lines = [
        "| rule | CPU time per event | at no event | R2 | energy per product | at no product | R2 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in RULES:
        of_rule = [row for row in rows if row["rule"] == name]
        slope, base, right = fit(of_rule, "events", "microseconds")
        energy, energy_base, energy_right = fit(of_rule, "products", "energy_nj")
        lines.append(
            f"| {name} | {1e3 * slope:.1f} ns | {100 * base:.1f} % | {right:.3f} | {1e3 * energy:,.1f} pJ | "
            f"{100 * energy_base:.1f} % | {energy_right:.3f} |"
        )
    return lines


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw time and energy of a learned sample over its events."""
    with drawn(path, (8.6, 3.6)) as figure:
        panels = figure.subplots(1, 2)
        shown = (
            ("events", "events into all layers, per sample", "microseconds", "CPU time per learned sample (us)"),
            ("products", "products per sample", "energy_nj", f"energy on {PROCESSOR} (nJ)"),
        )
        for axes, (across, below, key, label) in zip(panels, shown, strict=True):
            for index, name in enumerate(RULES):
                of_rule = sorted((row for row in rows if row["rule"] == name), key=lambda row: float(row[across]))
                x = [row[across] for row in of_rule]
                axes.plot(x, [row[key] for row in of_rule], marker=MARKS[index], label=name, **line_style(index))
            axes.set_xlabel(below)
            axes.set_ylabel(label)
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
            axes.grid()
        panels[0].legend()
        figure.suptitle(f"MNIST, {NET}; groups of images by their pixels above zero", x=0.01, ha="left", fontsize=10)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", action="store_true", help="draw the committed results again")
    if parser.parse_args().figure:
        rows = json.loads(RESULTS.read_text())["rows"]
    else:
        rows = measure()
        write_text(RESULTS, json.dumps({"edgelearn": __version__, "net": NET, "rows": rows}, indent=1) + "\n")
    print("\n".join((*table(rows), "", *fits(rows))))
    plot(rows, FIGURE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
