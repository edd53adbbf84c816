"""Figure of the errors of numbers over a stream. Needs matplotlib, `plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgelearn.errors import UserError
from edgelearn.reports.plots.figure import COLOURS, GREY, drawn
from edgelearn.units import net_text


def plot_regression(content: dict[str, Any], path: Path) -> None:
    """Draw the error of the first target over the rows of a stream, beside that of persistence.

    Parameters
    ----------
    content : of report.json
    path : ends in .png or .svg; the same report gives the same bytes with the same matplotlib

    Raises
    ------
    UserError : "plot file ...", "matplotlib is not installed ...", "the stream has too few rows to plot ..."
    """
    history = content["history"]
    if len(history["row"]) < 2:
        raise UserError("the stream has too few rows to plot; give a longer one, or leave --plot out")
    with drawn(path, (8, 3.6)) as figure:
        ax = figure.add_subplot()
        edges = [*history["row"], content["stream"]["rows"]]
        for name, colour in (("persistence", GREY), ("network", COLOURS[0])):
            ax.stairs(history["rmse"][name], edges, color=colour, linewidth=0.9, label=name, baseline=None)
        ax.set_xlim(edges[0], edges[-1])
        ax.set_ylim(0, None)
        ax.set_xlabel("row")
        ax.set_ylabel(f"root mean square error of {content['result']['by_target'][0]['target']}")
        ax.grid(axis="y")
        net, r2 = content["network"], content["result"]["r2"]
        told = "" if r2 is None else f": R2 {r2:.3f}"
        ax.set_title(f"{net['rule']} on {content['stream']['name']}, {net_text(net)}{told}")
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
