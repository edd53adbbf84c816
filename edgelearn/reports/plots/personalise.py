"""Figure of personalisation: accuracy of users and of old data against labelled samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgelearn.reports.plots.figure import COLOURS, GREY, drawn
from edgelearn.units import net_text


def plot_personalise(content: dict[str, Any], path: Path) -> None:
    """Draw a line per user in grey, their mean with its 95 % interval, float SGD and old data.

    Parameters
    ----------
    content : of the results file of `edgelearn personalise`
    path : ends in .png, .svg or .pdf

    Raises
    ------
    UserError
        "plot file ...", "matplotlib is not installed ..."
    """
    samples = [0, *content["samples"]]
    with drawn(path, (6.4, 4.0)) as figure:
        ax = figure.add_subplot()
        for k, user in enumerate(content["users"].values()):
            ax.plot(
                samples, user["accuracy_percent"], color=GREY, linewidth=0.7, alpha=0.6,
                label="each user" if k == 0 else None,
            )  # fmt: skip
        _with_interval(ax, samples, content["accuracy_percent"], COLOURS[0], "o", "users, integers")
        if content["float"]["rates"]:
            means = [one["mean"] for one in content["float"]["accuracy_percent"]]
            ax.plot(samples, means, color=COLOURS[1], linestyle="--", linewidth=1.3, label="users, float SGD")
        if content["old_accuracy_percent"]:
            _with_interval(ax, samples, content["old_accuracy_percent"], COLOURS[2], "s", "old data, integers")
        ax.set_xticks(samples)
        ax.grid()
        ax.set_xlabel("labelled samples learned")
        ax.set_ylabel("accuracy (%)")
        ax.legend(loc="lower right")
        sizes = net_text(content["network"])
        figure.suptitle(
            f"{content['n_users']} users, {sizes}: accuracy while a pretrained network learns",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip


def _with_interval(
    ax: Any, samples: list[int], intervals: list[dict[str, Any]], colour: str, mark: str, name: str
) -> None:
    means = [one["mean"] for one in intervals]
    ax.plot(samples, means, color=colour, marker=mark, markersize=4, linewidth=1.3, label=name)
    if all(one["low"] is not None for one in intervals):
        ax.fill_between(
            samples, [one["low"] for one in intervals], [min(one["high"], 100.0) for one in intervals],
            color=colour, alpha=0.12, linewidth=0,
        )  # fmt: skip
