"""Figure of a stream over time: accuracy, drifts, events, learning and energy. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelearn.errors import UserError
from edgelearn.reports.plots.figure import COLOURS, GREY, INK, check_plot, drawn, line_style
from edgelearn.units import UNITS_SHOWN, net_text, scale_for, typographic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Content = dict[str, Any]
Floats = NDArray[np.float64]

MOST_RUNS = 2 * len(COLOURS)
POINTS, FEWEST_POINTS = 150, 10  # of a curve
ROWS = 20  # scored in a point, as long as there are enough points


def plot_stream(content: Content, path: Path) -> None:
    """Draw what a stream gave over its time, and write the figure; see `plot_streams`."""
    plot_streams({content["network"]["rule"]: content}, path)


def plot_streams(contents: Mapping[str, Content], path: Path) -> None:
    """Draw runs over one stream on one axis of time, and write the figure.

    From the top: drifts (detected, and how long the learner took to recover), accuracy before learning with two
    baselines, events a row, share of the rows that were learned, energy of a row, dropped rows. Panels without values
    are left out. Vertical lines are the known drifts.

    Parameters
    ----------
    contents : `StreamReport.content` by the name of the run; all of the same samples
    path : ends in .png, .svg or .pdf; the same contents give the same bytes with the same matplotlib

    Raises
    ------
    UserError
        "plot file ...", "no runs ...", "N runs ...", "run ... has no rows ...", "runs ... are of different streams",
        "matplotlib is not installed"
    """
    check_plot(path)
    _check(contents)
    with drawn(path) as figure:
        _draw(figure, contents)


def _check(contents: Mapping[str, Content]) -> None:
    if not 1 <= len(contents) <= MOST_RUNS:
        given = f"{len(contents)} runs are too many" if contents else "no runs to plot"
        raise UserError(f"{given}; give 1 to {MOST_RUNS}")
    first, *others = contents
    for name, content in contents.items():
        if not content["stream"]["rows"]:
            raise UserError(f"run {name} has no rows to plot; give a stream longer than its window")
    for other in others:
        for key in ("name", "samples", "drift_points"):
            a, b = contents[first]["stream"][key], contents[other]["stream"][key]
            if a != b:
                raise UserError(
                    f"runs {first} and {other} are of different streams ({key.replace('_', ' ')} {a} and {b}); "
                    "plot each by itself"
                )


@dataclass(frozen=True)
class _Clock:
    """Where samples are on the horizontal axis.

    Parameters
    ----------
    samples, places : numbers of samples that rise, and where they are
    unit : label of the axis
    """

    samples: Floats
    places: Floats
    unit: str

    def __call__(self, samples: ArrayLike) -> Floats:
        return np.interp(np.asarray(samples, np.float64), self.samples, self.places)


def _clock(contents: Mapping[str, Content]) -> _Clock:
    """Take the time of the first run; sample numbers where there is none, or runs give other rates."""
    first = next(iter(contents.values()))
    curve, stream = first["result"]["curve"], first["stream"]
    samples = np.array([*curve["begin"], stream["samples"]], np.float64)
    same = len({content["stream"]["rate_hz"] for content in contents.values()}) == 1
    if same and None not in curve["time"]:
        times = np.array(curve["time"], np.float64)
        pace = 1 / stream["rate_hz"] if stream["rate_hz"] else 0.0
        if not pace and len(times) > 1:
            pace = (times[-1] - times[0]) / (samples[-2] - samples[0])
        times = np.append(times, times[-1] + pace * (samples[-1] - samples[-2]))
        if times[-1] > times[0]:
            unit, size = next(u for u in UNITS_SHOWN["time axis"].items() if times[-1] >= 3 * u[1] or u[1] == 1)
            return _Clock(samples, times / size, f"time ({unit})")
    return _Clock(samples, samples, "sample")


@dataclass(frozen=True)
class _Run:
    """A run as it is drawn: sums over few bins, and how its line looks."""

    content: Content
    edges: Floats  # [bins + 1] on the horizontal axis
    sums: dict[str, Floats]
    line: dict[str, Any]

    def ratio(self, part: str, whole: str) -> Floats:
        """Divide two sums; NaN, a gap in the line, where there is nothing to divide by."""
        below = self.sums[whole]
        share: Floats = np.divide(self.sums[part], below, out=np.full(len(below), np.nan), where=below > 0)
        return share


def _run(content: Content, clock: _Clock, number: int) -> _Run:
    curve = content["result"]["curve"]
    columns = {"rows": curve["samples"], "scored": curve["scored"], "errors": curve["errors"]} | curve["sums"]
    scored = sum(curve["scored"])
    points = min(max(scored // ROWS, FEWEST_POINTS), POINTS) if scored else POINTS
    together = -(-len(curve["begin"]) // points)
    starts = np.arange(0, len(curve["begin"]), together)
    if len(starts) > 1 and 2 * sum(curve["samples"][starts[-1] :]) < together * curve["bin_samples"]:
        starts = starts[:-1]  # too few rows for a point of their own
    sums = {name: np.add.reduceat(np.array(column, np.float64), starts) for name, column in columns.items()}
    sums["right"] = sums["scored"] - sums["errors"]
    sums["done"] = sums["rows"] - sums.get("dropped", np.zeros(len(starts)))
    edges = clock([*np.array(curve["begin"])[starts], content["stream"]["samples"]])
    return _Run(content, edges, sums, line_style(number))


def _draw(figure: Figure, contents: Mapping[str, Content]) -> None:
    from matplotlib.ticker import StrMethodFormatter

    first = next(iter(contents.values()))
    clock = _clock(contents)
    runs = {name: _run(content, clock, k) for k, (name, content) in enumerate(contents.items())}
    lanes = _lanes(runs, clock)
    panels = _panels(list(runs.values()))
    heights = [0.22 * len(lanes)] * bool(lanes) + [2.3, *(1.05 for _ in panels)]
    figure.set_size_inches(9.5, sum(heights) + 0.28 * len(heights) + 0.9)
    axes = list(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    points = clock([at for at in first["stream"]["drift_points"] if at < first["stream"]["samples"]])
    figure.suptitle(fill(_title(contents), 78, break_on_hyphens=False), x=0.01, ha="left", fontsize=11)

    known = _known(len(points))
    for ax in axes:
        ax.vlines(points, 0, 1, transform=ax.get_xaxis_transform(), zorder=0.5, **known)
    _name_drifts(axes[0], points, clock, first)
    if lanes:
        _draw_lanes(axes.pop(0), lanes)
    handles = _accuracy(axes[0], runs, clock) + _handles(len(points), lanes)
    for ax, panel in zip(axes[1:], panels, strict=True):
        for run, values in zip(runs.values(), panel.values, strict=True):
            ax.stairs(values, run.edges, baseline=None, **run.line)
        _label(ax, panel.label, panel.top, -4.0 if panel.top else 0.0)  # a line at 0 % can be seen
    axes[-1].set_xlabel(clock.unit)
    axes[-1].set_xlim(clock.places[0], clock.places[-1])
    axes[-1].xaxis.set_major_formatter(StrMethodFormatter("{x:,.4g}" if clock.unit != "sample" else "{x:,.0f}"))
    figure.align_ylabels(axes)
    figure.legend(handles=handles, loc="outside right upper")


@dataclass(frozen=True)
class _Panel:
    label: str
    values: list[Floats]
    top: float | None  # of the axis, None for a little above the largest


def _panels(runs: Sequence[_Run]) -> list[_Panel]:
    """Collect what lies below the accuracy."""
    panels = [
        _Panel("events\nper row", [run.ratio("events", "rows") for run in runs], None),
        _Panel("rows learned\n(%)", [100 * run.ratio("updates", "rows") for run in runs], 105.0),
    ]
    if any(run.content["device"]["energy_per_row_pj"] is not None for run in runs):
        energies = [_energy(run) for run in runs]
        largest = max((float(np.nanmax(e)) for e in energies if not np.isnan(e).all()), default=0.0)
        size, unit = scale_for("pJ", [largest])
        panels.append(_Panel(f"energy\nper row ({typographic(unit)})", [energy / size for energy in energies], None))
    if any(run.sums["dropped"].any() for run in runs if "dropped" in run.sums):
        panels.append(_Panel("rows dropped\n(%)", [100 - 100 * run.ratio("done", "rows") for run in runs], 105.0))
    return panels


def _energy(run: _Run) -> Floats:
    """Return the picojoules of a row that was not dropped, NaN on a processor without energy."""
    known = run.content["device"]["energy_per_row_pj"] is not None
    return run.ratio("energy", "done") * (run.content["device"]["energy_unit_pj"] if known else np.nan)


def _accuracy(ax: Axes, runs: Mapping[str, _Run], clock: _Clock) -> list[Any]:
    """Draw the accuracies and what is trivial to reach, and return what the legend says of them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    lowest = 100.0
    for name, run in runs.items():
        accuracy = 100 * run.ratio("right", "scored")
        ax.stairs(accuracy, run.edges, baseline=None, **run.line)
        handles.append(Line2D([], [], label=f"{name}, {_mean(run.content)}", **run.line))
        lowest = min([lowest, *accuracy[~np.isnan(accuracy)]])
    first = next(iter(runs.values())).content["result"]
    for key, label, dashes in (
        ("majority_accuracy", "majority class", (0, (1, 1.2))),
        ("no_change_accuracy", "no-change", (0, (6, 1.5, 1, 1.5))),
    ):
        if first[key] is not None:
            line: dict[str, Any] = {"color": GREY, "linestyle": dashes, "linewidth": 1.1}
            ax.axhline(100 * first[key], **line)
            handles.append(Line2D([], [], label=f"{label} {100 * first[key]:.1f} %", **line))
            lowest = min(lowest, 100 * first[key])
    if first["accuracy"] is None:
        ax.text(0.5, 0.5, "no row was scored", transform=ax.transAxes, ha="center", va="center", color=INK)
        lowest = 0.0
    if first["warm_up"]:
        ax.axvspan(clock.places[0], _warm_until(next(iter(runs.values()))), color="#E8E8E8", linewidth=0, zorder=0)
        handles.append(Patch(color="#E8E8E8", label="warm-up, not scored"))
    _label(ax, "accuracy (%)", 102.0, max(0.0, 10 * np.floor(lowest / 10 - 0.2)))
    return handles


def _mean(content: Content) -> str:
    accuracy = content["result"]["accuracy"]
    return "not scored" if accuracy is None else f"mean {100 * accuracy:.1f} %"


def _warm_until(run: _Run) -> float:
    """Return where scoring began: inside the first bin with a score, after its share of rows without."""
    scored = np.flatnonzero(run.sums["scored"])
    if not len(scored):
        return float(run.edges[-1])
    k = scored[0]
    share = 1 - run.sums["scored"][k] / run.sums["rows"][k]
    return float(run.edges[k] + share * (run.edges[k + 1] - run.edges[k]))


@dataclass(frozen=True)
class _Lane:
    """A line of marks above the accuracy: triangles at places, or bars (begin, end, whether it ended)."""

    label: str
    colour: str
    marks: Floats
    bars: list[tuple[float, float, bool]]


def _lanes(runs: Mapping[str, _Run], clock: _Clock) -> list[_Lane]:
    """Collect what was detected, and how long the learner was worse after each known drift."""
    found, recovering = [], []
    for name, run in runs.items():
        of = f" {name}" if len(runs) > 1 else ""
        colour = run.line["color"]
        detector, drifts = run.content["drift"]["detector"], run.content["drift"]["recovery"]["drifts"]
        if detector["kind"] != "none":
            found.append(
                _Lane(
                    f"{detector['kind']}{of}: {detector['n_detections']:,}", colour, clock(detector["detections"]), []
                )
            )
        ends = [*(drift["at"] for drift in drifts), run.content["stream"]["samples"]][1:]
        bars = [
            _bar(drift, end, clock)
            for drift, end in zip(drifts, ends, strict=True)
            if _lost(drift, run.content["drift"]["recovery"]["window"])
        ]
        if any(drift["scored"] for drift in drifts):
            recovering.append(_Lane(f"recovery{of}", colour, np.zeros(0), bars))
    return found + recovering


def _lost(drift: dict[str, Any], window: int) -> bool:
    """Say whether a drift cost something; a stretch shorter than the window does not tell."""
    return bool(drift["scored"] >= window) and drift["before"] is not None and drift["recovery_samples"] != 0


def _bar(drift: dict[str, Any], end: int, clock: _Clock) -> tuple[float, float, bool]:
    after = drift["recovery_samples"]
    begin, stop = clock([drift["at"], end if after is None else drift["at"] + after]).tolist()
    return begin, stop, after is not None


def _draw_lanes(ax: Axes, lanes: Sequence[_Lane]) -> None:
    for y, lane in enumerate(lanes):
        ax.plot(lane.marks, np.full(len(lane.marks), y), "v", color=lane.colour, markersize=5, markeredgewidth=0)
        for begin, end, ended in lane.bars:
            ax.barh(
                y, end - begin, 0.5, begin, color=lane.colour if ended else "white", edgecolor=lane.colour,
                linewidth=0.8, snap=False,
            )  # fmt: skip
    ax.set_yticks(range(len(lanes)), [lane.label for lane in lanes])
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", bottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)


def _handles(n_drifts: int, lanes: Sequence[_Lane]) -> list[Any]:
    """Return what the legend says of drifts."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    colour = COLOURS[0] if len({lane.colour for lane in lanes}) < 2 else GREY
    if n_drifts:
        known = "known drift" if n_drifts == 1 else f"{n_drifts} known drifts"
        handles.append(Line2D([], [], label=known, **_known(n_drifts)))
    if any(len(lane.marks) for lane in lanes):
        handles.append(Line2D([], [], color=colour, marker="v", linestyle="", markersize=5, label="drift detected"))
    for ended, label in ((True, "until recovered"), (False, "not recovered")):
        if any(bar[2] == ended for lane in lanes for bar in lane.bars):
            handles.append(Patch(facecolor=colour if ended else "white", edgecolor=colour, label=label))
    return handles


def _known(n_drifts: int) -> dict[str, Any]:
    """Return how the lines of known drifts look: thin and pale where they are many."""
    if n_drifts > 15:
        return {"color": "#BBBBBB", "linewidth": 0.5, "linestyle": "-"}
    return {"color": INK, "linewidth": 0.9, "linestyle": (0, (5, 2)), "alpha": 0.8}


def _name_drifts(ax: Axes, points: Floats, clock: _Clock, content: Content) -> None:
    """Write the numbers of the samples above the lines of known drifts, where there is room for all of them."""
    names = [f"sample {at:,}" for at in content["stream"]["drift_points"][: len(points)]]
    room = 0.0105 * max(map(len, names), default=0) * (clock.places[-1] - clock.places[0])
    if len(points) == 1 or (len(points) and np.diff(points).min() > room):
        for x, name in zip(points, names, strict=True):
            ax.annotate(
                name, (x, 1), (0, 2), xycoords=ax.get_xaxis_transform(), textcoords="offset points",
                ha="center", va="bottom", fontsize=8, color=INK,
            )  # fmt: skip


def _label(ax: Axes, label: str, top: float | None, bottom: float = 0.0) -> None:
    ax.set_ylabel(label)
    ax.set_ylim(bottom, max(1.08 * ax.dataLim.ymax, 1e-9) if top is None else top)
    ax.grid(axis="y")


def _title(contents: Mapping[str, Content]) -> str:
    first = next(iter(contents.values()))
    stream, net = first["stream"], first["network"]
    rows = "" if stream["rows"] == stream["samples"] else f" in {stream['rows']:,} rows"
    on = ", ".join(dict.fromkeys(content["device"]["processor"] for content in contents.values()))
    rules = ", ".join(dict.fromkeys(content["network"]["rule"] for content in contents.values()))
    sizes = net_text(net)
    return f"{rules} on {stream['name']}: {stream['samples']:,} samples{rows}, net {sizes}, {on}"
