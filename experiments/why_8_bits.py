"""Where small weight updates go: steps below half a unit of the word, and the direction of what is learned.

    python -m experiments.why_8_bits        half a minute on one core; needs the extra `plot`

Digits, 64-100-10, default rates. The exact step of each weight of layer 1 comes from the contract's formulas in real
numbers (`edgelearn.references.closed_form`), at the weights that the integer network has. Prints two Markdown tables,
writes experiments/results/why_8_bits.json and two figures of edgelearn/docs/figures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.references.closed_form import pass_samples, stored_weights, update_of, viewed_weights
from edgelearn.reports.plots.figure import MARKS, drawn, line_style
from edgelearn.runs.registry import run

RESULTS = Path(__file__).parent / "results" / "why_8_bits.json"
FIGURES = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures"
RULES = ("bp", "dfa", "drtp")
WORDS = {  # rounding -> stored bits, as view and residual
    "nearest": [(bits, 0) for bits in (4, 6, 8, 10, 12, 14)],
    "stochastic": [(bits, 0) for bits in (4, 6, 8, 10, 12, 14)],
    "residual": [(bits, 8) for bits in (2, 4, 6, 8)],
}
LEARNED, WATCHED = 500, 400  # samples before the steps are watched, and watched
SEEDS = range(3)

Row = dict[str, Any]


def measure(rule: str, rounding: str, bits: int, residual: int) -> Row:
    """Return the share of lost steps, the angle of the learned change, and the accuracy of ten epochs."""
    settings = {"rule": rule, "bits": bits, "residual_bits": residual, "rounding": rounding}
    lost, degrees = steps(settings)
    accuracies = [run(make_config(settings | {"seed": seed})).content["accuracy_percent"] for seed in SEEDS]
    return {
        "rule": rule,
        "rounding": rounding,
        "view_bits": bits,
        "stored_bits": bits + residual,
        "below_half_percent": round(100 * lost, 2),
        "angle_degrees": round(degrees, 2),
        "accuracy_percent": round(mean(accuracies), 2),
    }


def steps(settings: dict[str, Any]) -> tuple[float, float]:
    """Watch layer 1 learn.

    Returns
    -------
    share of non-zero exact steps that are smaller than half a unit of the stored word; angle in degrees between the sum
    of exact steps and the change of the stored weights
    """
    x, labels = load_digits(return_X_y=True)
    levels = np.minimum(x, 15).astype(np.int64)
    learner = Learner(design((64, 100, 10), **settings))
    learner.learn(levels[:LEARNED], labels[:LEARNED])
    spec, layer = learner.spec, learner.spec.layers[0]
    start, total, below, count = stored_weights(learner).weights[0], np.zeros((100, 64)), 0, 0
    for i in range(LEARNED, LEARNED + WATCHED):
        views = viewed_weights(learner)
        exact = update_of(spec, pass_samples(spec, views, levels[i : i + 1] / layer.input_one, labels[i : i + 1]))
        step = exact.weights[0] / layer.weight_word.lsb
        total += exact.weights[0]
        below += int(((np.abs(step) < 0.5) & (step != 0)).sum())
        count += int((step != 0).sum())
        learner.learn(levels[i : i + 1], labels[i : i + 1])
    made = stored_weights(learner).weights[0] - start
    length = float(np.linalg.norm(made) * np.linalg.norm(total))
    cosine = float((made * total).sum()) / length if length else 0.0
    return below / count, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def table_of_steps(rows: Sequence[Row]) -> str:
    """Return the share of lost steps by rule and stored bits."""
    bits = [bits for bits, _ in WORDS["nearest"]]
    lines = [
        "| steps below half a unit, % | " + " | ".join(f"{n} bits" for n in bits) + " |",
        "|---|" + "---|" * len(bits),
    ]
    for rule in RULES:
        found = {row["stored_bits"]: row for row in rows if (row["rule"], row["rounding"]) == (rule, "stochastic")}
        lines.append(f"| {rule} | " + " | ".join(f"{found[n]['below_half_percent']:.1f}" for n in bits) + " |")
    return "\n".join(lines)


def table_of_roundings(rows: Sequence[Row], rule: str = "dfa") -> str:
    """Return angle and accuracy of a rule by rounding and stored bits."""
    lines = [
        f"| {rule}: rounding | view + residual = stored bits | angle, degrees | accuracy, % |",
        "|---|---|---|---|",
    ]
    for row in rows:
        if row["rule"] == rule:
            word = f"{row['view_bits']} + {row['stored_bits'] - row['view_bits']} = {row['stored_bits']}"
            lines.append(f"| {row['rounding']} | {word} | {row['angle_degrees']:.1f} | {row['accuracy_percent']:.2f} |")
    return "\n".join(lines)


def said(content: dict[str, Any]) -> list[str]:
    """Return what docs/why_8_bits.md says of the figures in its sentences."""
    found = {(row["rule"], row["rounding"], row["stored_bits"]): row for row in content["rows"]}
    kept = {rule: 100 / (100 - found[rule, "stochastic", 8]["below_half_percent"]) for rule in RULES}
    nearest, random = (found["dfa", rounding, 8]["angle_degrees"] for rounding in ("nearest", "stochastic"))
    return [
        f"keeps one step in {kept['dfa']:.0f} of dfa, one in {kept['bp']:.0f} of bp",
        f"leave the direction ({nearest:.0f} degrees)",
        f"stay at {random:.0f} degrees",
    ]


def plot_steps(rows: Sequence[Row], path: Path) -> None:
    """Draw the share of lost steps against stored bits, a line per rule."""
    with drawn(path, (6.0, 3.6)) as figure:
        axes = figure.subplots()
        for index, rule in enumerate(RULES):
            own = [row for row in rows if (row["rule"], row["rounding"]) == (rule, "stochastic")]
            bits, shares = [row["stored_bits"] for row in own], [row["below_half_percent"] for row in own]
            axes.plot(bits, shares, marker=MARKS[index], markersize=5, label=rule, **line_style(index))
        axes.set(xlabel="stored bits per weight", ylabel="steps below half a unit of the word (%)", ylim=(0, 102))
        axes.grid()
        axes.legend(title="layer 1, non-zero steps")


def plot_roundings(rows: Sequence[Row], path: Path, rule: str = "dfa") -> None:
    """Draw angle and accuracy of a rule against stored bits, a line per rounding."""
    with drawn(path, (7.2, 3.4)) as figure:
        left, right = figure.subplots(1, 2)
        for index, rounding in enumerate(WORDS):
            own = [row for row in rows if (row["rule"], row["rounding"]) == (rule, rounding)]
            bits, look = [row["stored_bits"] for row in own], line_style(index)
            for axes, key in ((left, "angle_degrees"), (right, "accuracy_percent")):
                values = [row[key] for row in own]
                axes.plot(bits, values, marker=MARKS[index], markersize=5, label=rounding, **look)
        left.set(xlabel="stored bits per weight", ylabel=f"{rule}: angle to the exact change (degrees)", ylim=(0, 95))
        right.set(xlabel="stored bits per weight", ylabel=f"{rule}: test accuracy (%)", ylim=(0, 100))
        right.legend(title="rounding")
        for axes in (left, right):
            axes.grid()


def main() -> None:
    rows = [
        measure(rule, rounding, bits, residual)
        for rule in RULES
        for rounding, words in WORDS.items()
        for bits, residual in words
    ]
    write_text(RESULTS, json.dumps({"edgelearn": __version__, "seeds": len(SEEDS), "rows": rows}, indent=1) + "\n")
    plot_steps(rows, FIGURES / "why_8_bits_steps.svg")
    plot_roundings(rows, FIGURES / "why_8_bits_roundings.svg")
    print(table_of_steps(rows), table_of_roundings(rows), sep="\n\n")


if __name__ == "__main__":
    main()
