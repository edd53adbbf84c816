"""Accuracy, locking and energy of local errors beside other rules: the figure of three committed studies.

    python -m experiments.local_front        draws edgelearn/docs/figures/local_front.svg; needs extras studies, plot

From the tables of experiments/studies/local-mnist, local-watch and local-gas: rules at rates tuned for each setting,
2, 4 and 8 bits, three formats of feedback. A point is the mean over five seeds, its bar the 95 % interval. A filled
point is on the front of three figures: no other is at least as accurate, takes at most as much energy and waits for at
most as much.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scipy.stats import t as student

from edgelearn.reports.plots.figure import COLOURS, GREY, MARKS, drawn
from edgelearn.rules import RULES
from edgelearn.rules.rule import Locking
from edgelearn.studies.table import read_study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STUDIES = Path(__file__).parent / "studies"
FIGURE = Path(__file__).parents[1] / "edgelearn" / "docs" / "figures" / "local_front.svg"
DATA = {
    "local-mnist": "MNIST, 784-200-10, 3 epochs",
    "local-watch": "watch, labels 40 s late, 64 hidden",
    "local-gas": "gas-drift, 64 hidden",
}
PROCESSORS = {"engine-28nm": ("nJ", 1e-3), "cortex-m4": ("uJ", 1e-6)}
SHOWN = ("drtp", "local", "dfa", "bp")
FEEDBACKS = ("int8", "ternary", "lfsr")
ORDER = list(Locking)


class Point(NamedTuple):
    """A setting: mean accuracy with half its interval, energy and its band, relative to nominal."""

    rule: str
    bits: int
    feedback: str
    accuracy: float
    half: float
    energy: float
    low: float
    high: float

    @property
    def waits(self) -> int:
        return ORDER.index(RULES[self.rule].locking)


def points_of(study: str, processor: str) -> list[Point]:
    """Return a point for each setting of a study."""
    found = []
    for (rule, bits, feedback), rows in read_study(STUDIES / study).frame.groupby(["rule", "bits", "feedback"]):
        accuracy, n = rows["accuracy_percent"], len(rows)
        half = float(student.ppf(0.975, n - 1) * accuracy.std() / n**0.5)
        low, nominal, high = (float(rows[f"energy{at}_pj@{processor}"].mean()) for at in ("_low", "", "_high"))
        found.append(
            Point(rule, int(bits), feedback, float(accuracy.mean()), half, nominal, low / nominal, high / nominal)
        )
    return found


def on_front(point: Point, points: list[Point]) -> bool:
    """Return whether no other setting is as good in accuracy, energy and locking, and better in one."""

    def figures(one: Point) -> tuple[float, float, int]:
        return (-one.accuracy, one.energy, one.waits)

    own = figures(point)
    return not any(
        all(a <= b for a, b in zip(figures(other), own, strict=True)) and figures(other) != own for other in points
    )


def draw(ax: Axes, points: list[Point], unit: tuple[str, float]) -> None:
    name, scale = unit
    for point in points:
        filled = on_front(point, points)
        colour = COLOURS[SHOWN.index(point.rule)]
        x = point.energy * scale
        ax.errorbar(x, point.accuracy, yerr=point.half, color=colour, linewidth=0.7, alpha=0.6)
        face = colour if filled else "white"
        mark = MARKS[FEEDBACKS.index(point.feedback)]
        ax.plot([x], [point.accuracy], mark, color=colour, markerfacecolor=face, markersize=5.5, markeredgewidth=1.0)
        if filled:
            ax.annotate(
                str(point.bits), (x, point.accuracy), (5, 3), textcoords="offset points", fontsize=7, color=colour
            )
    low, high = min(p.low for p in points), max(p.high for p in points)
    ax.text(
        0.98, 0.02, f"band of the model: {low:.2f} to {high:.2f} times, shared by all rules", fontsize=6.5, color=GREY,
        transform=ax.transAxes, ha="right", va="bottom",
    )  # fmt: skip
    ax.margins(y=0.12)
    ax.set_xlabel(f"energy per learned sample ({name})")
    ax.grid()


def plot(path: Path) -> None:
    """Draw a row per processor, a column per study, and write the figure."""
    from matplotlib.lines import Line2D

    with drawn(path, (10.6, 6.4)) as figure:
        axes: Any = figure.subplots(len(PROCESSORS), len(DATA))
        for row, (processor, unit) in zip(axes, PROCESSORS.items(), strict=True):
            for ax, (study, title) in zip(row, DATA.items(), strict=True):
                draw(ax, points_of(study, processor), unit)
                ax.set_title(f"{title}\n{processor}", fontsize=9)
            row[0].set_ylabel("accuracy (%)")
        rules = [
            Line2D(
                [],
                [],
                color=COLOURS[k],
                marker="o",
                linestyle="",
                label=f"{rule} (locking {RULES[rule].locking.value})",
            )
            for k, rule in enumerate(SHOWN)
        ]
        formats = [
            Line2D([], [], color=GREY, marker=MARKS[k], linestyle="", markerfacecolor="white", label=feedback)
            for k, feedback in enumerate(FEEDBACKS)
        ]
        front = Line2D(
            [], [], color=GREY, marker="o", linestyle="", label="filled: on the front; its view bits beside it"
        )
        figure.legend(handles=[*rules, *formats, front], loc="outside lower center", ncols=4, fontsize=8)


def main() -> None:
    plot(FIGURE)
    print(f"written: {FIGURE}")


if __name__ == "__main__":
    main()
