"""Figure of a detector over a stream: score, threshold, alarms, labelled anomalies. Needs matplotlib, `plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.reports.plots.figure import COLOURS, GREY, drawn
from edgelearn.units import UNITS_SHOWN, net_text, typographic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORE, THRESHOLD, ALARM, ANOMALY = COLOURS[0], COLOURS[6], COLOURS[1], COLOURS[4]


def plot_anomaly(content: dict[str, Any], path: Path) -> None:
    """Draw the score over the rows of a stream with threshold, alarms, phases and labelled anomalies.

    Parameters
    ----------
    content : of report.json
    path : ends in .png, .svg or .pdf; the same report gives the same bytes with the same matplotlib

    Raises
    ------
    UserError : "plot file ...", "matplotlib is not installed ...", "the stream has no rows to plot ..."
    """
    if len(content["history"]["row"]) < 2:
        raise UserError("the stream has too few rows to plot; give a longer one, or leave --plot out")
    with drawn(path, (8, 3.6)) as figure:
        ax = figure.add_subplot()
        _draw(ax, content)
        ax.set_title(_title(content))
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)


def _title(content: dict[str, Any]) -> str:
    result, net = content["result"], content["network"]
    labels, text = result["labels"], f"{net['rule']} on {content['stream']['name']}, {net_text(net)}"
    if labels is not None and labels["f1"] is not None:
        return f"{text}: F1 {labels['f1']:.3f}, false alarms {100 * labels['false_alarm_rate']:.1f} %"
    if result["alarm_rate"] is not None:
        return f"{text}: {100 * result['alarm_rate']:.2g} % of the judged rows are alarms"
    return text


def _places(content: dict[str, Any]) -> tuple[np.ndarray, str]:
    """Return the left and right edges of all points, and the label of the axis: time, or rows where it is unknown."""
    history = content["history"]
    rows = np.array([*history["row"], content["stream"]["rows"]], np.float64)
    if None in history["time"]:
        return rows, "row"
    times = np.array(history["time"], np.float64)
    pace = (times[-1] - times[0]) / (rows[-2] - rows[0])
    times = np.append(times, times[-1] + pace * (rows[-1] - rows[-2]))
    if not (np.diff(times) >= 0).all() or times[-1] <= times[0]:
        return rows, "row"
    unit, size = next(u for u in UNITS_SHOWN["time axis"].items() if times[-1] >= 3 * u[1] or u[1] == 1)
    return times / size, f"time ({typographic(unit)})"


def _draw(ax: Axes, content: dict[str, Any]) -> None:
    history = content["history"]
    edges, axis = _places(content)
    phases, peaks = np.array(history["phase"]), np.array(history["peak"])
    reached = phases > 0
    top = 1.12 * max(
        float(np.quantile(peaks[reached], 0.995)) if reached.any() else 1.0, _most_threshold(history), 1e-9
    )
    shown = np.where(reached, np.minimum(peaks, top), np.nan)
    ax.stairs(shown, edges, color=SCORE, linewidth=0.9, label="score, smoothed", baseline=None)
    limits = np.array([np.nan if x is None else x for x in history["threshold"]], np.float64)
    if np.isfinite(limits).any():
        ax.stairs(limits, edges, color=THRESHOLD, linewidth=1.1, linestyle="--", label="threshold", baseline=None)
    _spans(ax, edges, np.array(history["anomalies"]) > 0, (0.0, 1.0), ANOMALY, 0.28, "labelled anomaly")
    _spans(ax, edges, np.array(history["alarms"]) > 0, (0.955, 1.0), ALARM, 0.9, "alarm")
    _mark_phases(ax, edges, phases, [row["phase"] for row in content["phases"]])
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, top)
    ax.set_xlabel(axis)
    ax.set_ylabel("score")
    ax.grid(axis="y")


def _most_threshold(history: dict[str, Any]) -> float:
    return max((x for x in history["threshold"] if x is not None), default=0.0)


def _spans(
    ax: Axes, edges: np.ndarray, where: np.ndarray, height: tuple[float, float], colour: str, alpha: float, label: str
) -> None:
    """Shade the points where something holds, neighbours together."""
    changes = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(np.int8), [0]])))
    for k, (first, last) in enumerate(changes.reshape(-1, 2).tolist()):
        name = label if k == 0 else None
        ax.axvspan(edges[first], edges[last], *height, color=colour, alpha=alpha, linewidth=0, label=name)


def _mark_phases(ax: Axes, edges: np.ndarray, phases: np.ndarray, names: list[str]) -> None:
    """Draw a line where a phase begins, and name those that are wide enough."""
    begins = np.flatnonzero(np.diff(phases, prepend=-1))
    ends = np.append(begins[1:], len(phases))
    for first, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if first:
            ax.axvline(edges[first], color=GREY, linewidth=0.7, linestyle=":")
        if edges[end] - edges[first] >= 0.07 * (edges[-1] - edges[0]):
            place = 0.5 * (edges[first] + edges[end])
            ax.text(place, 0.93, names[phases[first]], transform=ax.get_xaxis_transform(), ha="center", va="top",
                    fontsize=8, color=GREY)  # fmt: skip
