"""Figure of a comparison at equal accuracy: accuracy of every rule against the energy it has taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgelearn.reports.plots.figure import GREY, drawn, look_of
from edgelearn.units import scale_for, typographic


def plot_equal_accuracy(content: dict[str, Any], path: Path) -> None:
    """Draw one line per rule, means over seeds.

    Parameters
    ----------
    content : of equal_accuracy.json
    path : ends in .png, .svg or .pdf; the same content gives the same bytes with the same matplotlib

    Raises
    ------
    UserError
        "plot file ...", "matplotlib is not installed ..."
    """
    curves = content["curves"]
    size, unit = scale_for("pJ", [value for curve in curves.values() for value in curve["energy_pj"]])
    with drawn(path, (7.2, 4.2)) as figure:
        ax = figure.add_subplot()
        for k, (rule, curve) in enumerate(curves.items()):
            energy = [value / size for value in curve["energy_pj"]]
            ax.plot(
                energy,
                curve["accuracy_percent"],
                label=rule,
                markersize=3,
                **look_of(rule, k),
            )
        ax.axhline(content["accuracy_percent"], color=GREY, linewidth=1)
        ax.set_xscale("log")
        ax.set_ylim(max(0.0, content["accuracy_percent"] - 30), 100.5)
        ax.grid()
        ax.set_xlabel(f"energy so far on {content['processor']} ({typographic(unit)})")
        ax.set_ylabel("test accuracy (%)")
        ax.legend(loc="lower right")
        figure.suptitle(
            f"{content['data']}, {content['net']}: energy until {content['accuracy_percent']:.2f} %, tuned rates",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip
