"""Figure of a run over a data set: accuracy while it learns, and where the energy of learning goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.reports.costs import FIGURES
from edgelearn.reports.plots.figure import COLOURS, drawn
from edgelearn.units import net_text, scale_for, typographic


def plot_run(content: dict[str, Any], path: Path) -> None:
    """Draw accuracy over learned samples, and energy by role, or cycles where no energy is known.

    Parameters
    ----------
    content : of report.json
    path : ends in .png, .svg or .pdf; the same content gives the same bytes with the same matplotlib

    Raises
    ------
    UserError
        "plot file ...", "matplotlib is not installed ..."
    """
    net, result, config = content["network"], content["result"], content["config"]
    sizes = net_text(net)
    training = content["cost"]["rules"][0]["training"]
    figure_name = "energy_pj" if "energy_pj" in training else "cycles"
    with drawn(path, (9, 3.6)) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
        figure.suptitle(
            f"{net['rule']} on {content['data']['name']}, {sizes}, {net['word']}", x=0.01, ha="left", fontsize=11
        )
        learned = 100 - np.array(result["online_error_percent"])
        edges = np.linspace(0, result["samples_learned"], len(learned) + 1)
        left.stairs(learned, edges, baseline=None, color=COLOURS[0], linewidth=1.3, label="before each update")
        tested = 100 - np.array(result["test_error_percent_by_epoch"])
        if len(tested):
            ends = result["samples_learned"] * np.arange(1, len(tested) + 1) / config["epochs"]
            label = f"test set, {tested[-1]:.2f} % at the end"
            left.plot(ends, tested, "o-", color=COLOURS[1], markersize=4, linewidth=1.3, label=label)
        left.set_xlabel("samples learned")
        left.set_ylabel("accuracy (%)")
        left.xaxis.set_major_formatter("{x:,.0f}")
        left.set_ylim(top=101)
        left.grid(axis="y")
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)  # above: curves fill the axes
        title, unit = FIGURES[figure_name]
        roles = sorted(training[figure_name]["by_role"].items(), key=lambda part: part[1])
        size, shown = scale_for(unit, [value for _, value in roles])
        right.barh([role for role, _ in roles], [value / size for _, value in roles], color=COLOURS[0])
        right.set_xlabel(f"{title} per learned sample ({typographic(shown)})\non {content['cost']['processor']}")
        right.grid(axis="x")
