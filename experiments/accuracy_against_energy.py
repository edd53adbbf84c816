"""Accuracy against energy of every rule on the digits: five seeds, four widths of the hidden layer, on engine-28nm.

    python experiments/accuracy_against_energy.py        15 seconds on one core; needs the extra `plot`

Runs every rule of `edgelearn rules` with its default rates, prints a Markdown table, and writes
experiments/results/accuracy_against_energy.json and edgelearn/docs/figures/accuracy_against_energy.svg.
Intervals are 95 % intervals of the mean over seeds (Student's t).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import t as student

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.reports.plots.figure import GREY, INK, MARKS, drawn, line_style
from edgelearn.rules import RULES
from edgelearn.runs.registry import run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).parent / "results" / "accuracy_against_energy.json"
FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "accuracy_against_energy.svg"
HIDDEN = (20, 40, 100, 200)
SEEDS = range(5)
TICKS = (40, 60, 80, 90, 95, 97, 98, 99)  # percent
LABEL_DISTANCE = 11.0  # points between the baselines of two labels

Row = dict[str, Any]


def measure(rule: str, hidden: int) -> Row:
    """Run all seeds of one rule and width; return means, half-widths of intervals and the band of the cost model."""
    settings = {"rule": rule, "net": f"64-{hidden}-10", "processor": "engine-28nm"}
    contents = [run(make_config(settings | {"seed": seed})).content for seed in SEEDS]
    prices = [content["cost"]["rules"][0]["training"]["energy_pj"] for content in contents]
    accuracies = [100 - content["result"]["test_error_percent"] for content in contents]
    factor = float(student.ppf(0.975, len(SEEDS) - 1)) / len(SEEDS) ** 0.5
    return {
        "rule": rule,
        "hidden": hidden,
        "accuracy_percent": round(statistics.mean(accuracies), 4),
        "accuracy_half_interval": round(factor * statistics.stdev(accuracies), 4),
        "energy_nj": {at: round(statistics.mean(p[at] for p in prices) * 1e-3, 4) for at in ("low", "nominal", "high")},
    }


def rules_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["rule"] for row in rows))


def table(rows: Sequence[Row]) -> str:
    lines = ["| accuracy, % (nJ per learned sample) | " + " | ".join(f"64-{n}-10" for n in HIDDEN) + " |"]
    lines.append("|---|" + "---|" * len(HIDDEN))
    for rule in rules_of(rows):
        cells = [
            f"{row['accuracy_percent']:.2f} ± {row['accuracy_half_interval']:.2f} ({row['energy_nj']['nominal']:.1f})"
            for row in rows
            if row["rule"] == rule
        ]
        lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw one labelled line per rule with its interval, on a logarithmic axis of the error, and write the figure."""
    with drawn(path, (7.2, 4.2)) as figure:
        figure.set_layout_engine("none")  # labels need the place of the axes before the layout
        ax = figure.add_axes((0.09, 0.13, 0.73, 0.76))
        ax.set_xscale("log")
        ax.set_yscale("log")
        ends = [_line(ax, rule, index, rows) for index, rule in enumerate(rules_of(rows))]
        ax.set_ylim(75, 1.3)
        ax.set_yticks([100 - tick for tick in TICKS], [str(tick) for tick in TICKS])
        ax.set_xticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
        ax.minorticks_off()
        ax.grid()
        ax.set_xlabel("energy per learned sample on engine-28nm (nJ)")
        ax.set_ylabel("test accuracy (%)")
        figure.suptitle(
            f"Digits, {', '.join(map(str, HIDDEN))} hidden neurons; bands: 95 % intervals over {len(SEEDS)} seeds",
            x=0.01,
            ha="left",
            fontsize=10,
        )
        _label(ax, ends)
        _model_band(ax, rows)


def _line(ax: Axes, rule: str, index: int, rows: Sequence[Row]) -> tuple[str, str, float, float]:
    """Draw one rule; return its name, colour and last point."""
    own = [row for row in rows if row["rule"] == rule]
    energy = [row["energy_nj"]["nominal"] for row in own]
    error = [100 - row["accuracy_percent"] for row in own]
    half = [row["accuracy_half_interval"] for row in own]
    look = line_style(index)
    low = [max(e - h, 0.1) for e, h in zip(error, half, strict=True)]
    high = [e + h for e, h in zip(error, half, strict=True)]
    ax.fill_between(energy, low, high, color=look["color"], alpha=0.14, linewidth=0)
    ax.plot(energy, error, marker=MARKS[index % len(MARKS)], markersize=4.5, **look)
    return rule, look["color"], energy[-1], error[-1]


def _label(ax: Axes, ends: Sequence[tuple[str, str, float, float]]) -> None:
    """Write names right of the axes at the height of the last points, at least LABEL_DISTANCE apart."""
    right = ax.get_window_extent().x1
    scale = ax.figure.dpi / 72
    ordered = sorted(ends, key=lambda end: -end[3])
    heights = [float(ax.transData.transform((x, y))[1]) / scale for _, _, x, y in ordered]
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + LABEL_DISTANCE)
    for (rule, colour, x, y), height in zip(ordered, heights, strict=True):
        ax.annotate(
            rule,
            (x, y),
            (right / scale + 12, height),
            textcoords="figure points",
            color=colour,
            fontweight="bold",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3},
        )


def _model_band(ax: Axes, rows: Sequence[Row]) -> None:
    """Draw the widest relative band of the cost model once: all rules share its constants."""
    factors = [[row["energy_nj"][at] / row["energy_nj"]["nominal"] for at in ("low", "high")] for row in rows]
    low, high = min(f[0] for f in factors), max(f[1] for f in factors)
    at, y = 9.0, 62
    ax.plot([low * at, high * at], [y, y], color=GREY, linewidth=1.2, marker="|", markersize=7)
    ax.plot([at], [y], color=GREY, marker="o", markersize=3.5)
    ax.annotate(
        f"cost model: {low:.2f} to {high:.2f} times, in constants shared by all rules",
        (low * at, y),
        (0, 6),
        textcoords="offset points",
        fontsize=8,
        color=INK,
    )


def main() -> None:
    rows = [measure(rule, hidden) for rule in RULES for hidden in HIDDEN]
    print(table(rows))
    write_text(RESULTS, json.dumps({"edgelearn": __version__, "seeds": len(SEEDS), "rows": rows}, indent=1) + "\n")
    plot(rows, FIGURE)


if __name__ == "__main__":
    main()
