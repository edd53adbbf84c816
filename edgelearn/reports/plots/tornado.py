"""Tornado diagrams: what each uncertain constant moves. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError
from edgelearn.reports.plots.figure import COLOURS, INK, drawn
from edgelearn.units import scale_for, three, typographic
from hw_models.compare.bands import Swing, at_sample, tornado
from hw_models.compare.relative import swings_over
from hw_models.compare.rules import RuleCost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_AT_LOW, _AT_HIGH = COLOURS[0], COLOURS[4]
_LEAST = 0.01  # of the widest swing of a panel; constants that move less in all panels are left out
_DASHES = (0, (3, 1.5))
_TITLES = {"energy_pj": ("Energy", "pJ"), "cycles": ("Cycles", "cycles"), "area_um2": ("Area", "um2")}


@dataclass(frozen=True)
class _Panel:
    """Swings of one figure: nominal value, and values at the ends of each constant's band."""

    title: str
    label: str
    nominal: float
    swings: dict[str, Swing]


def plot_tornado(costs: Sequence[RuleCost], path: Path, base: str) -> None:
    """Draw the swing of a figure over the band of each constant, the widest on top, and write the figure.

    Several rules: a panel per rule, on a scale of its own, with its energy relative to that of one rule, in percent;
    where a bar crosses zero, the constant changes which of the two is cheaper. One rule: its energy and its area.
    Cycles where the processor has no energy.

    Parameters
    ----------
    path : ends in .png, .svg or .pdf; the same costs give the same bytes with the same matplotlib
    base : name of the rule that the others are compared with

    Raises
    ------
    UserError
        "matplotlib is not installed", "plot file ...", "no constant ..."
    """
    panels = _relative(costs, base) if len(costs) > 1 else _absolute(costs[0])
    several = len(costs) > 1
    orders = [_order(panels)] * len(panels) if several else [_order([panel]) for panel in panels]
    if not any(orders):
        raise UserError(
            f"no constant of {costs[0].processor.name} has a band, so there is no tornado to draw; leave out --tornado"
        )
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    letters = sum(max(map(len, order), default=0) for order in (orders[:1] if several else orders))
    size = (1.0 + 0.065 * letters + 2.7 * columns, 0.9 + rows * (0.75 + 0.2 * max(map(len, orders))))
    with drawn(path, size) as figure:
        figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=several)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        crossed = False
        for ax, panel, order in zip(axes.flat, panels, orders, strict=False):
            crossed |= _draw(ax, panel, order, percent=several)
        figure.suptitle(fill(_title(costs, base), int(11 * size[0])), x=0.01, ha="left", fontsize=11)
        _legend(figure, crossed, columns=4 if size[0] > 6.5 else 2)


def _legend(figure: Figure, zero: bool, columns: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=_AT_LOW, label="constant at its low end"),
        Patch(color=_AT_HIGH, label="at its high end"),
        Line2D([], [], color=INK, linewidth=1.0, label="nominal"),
    ]
    if zero:
        handles.append(Line2D([], [], color=INK, linewidth=1.0, linestyle=_DASHES, label="same cost"))
    figure.legend(handles=handles, loc="outside lower left", ncols=columns)


def _relative(costs: Sequence[RuleCost], base: str) -> list[_Panel]:
    figure = _figure(costs[0])
    (reference,) = [cost for cost in costs if cost.name == base]
    panels = []
    for cost in costs:
        if cost is not reference:
            nominal, swings = swings_over(cost.training, reference.training, figure)
            panels.append(_Panel(cost.name, "%", nominal, {s.constant.name: s for s in swings}))
    return panels


def _absolute(cost: RuleCost) -> list[_Panel]:
    panels = []
    for figure in (_figure(cost), "area_um2"):
        if figure in cost.training.prices:
            nominal = cost.training.per_sample(figure)
            title, unit = _TITLES[figure]
            size, name = scale_for(unit, [nominal])
            value = partial(at_sample, cost.training, figure)
            swings = {
                s.constant.name: Swing(s.constant, s.at_low / size, s.at_high / size)
                for s in tornado(cost.training, value)
            }
            panels.append(_Panel(title, typographic(name), nominal / size, swings))
    return panels


def _figure(cost: RuleCost) -> str:
    return "energy_pj" if "energy_pj" in cost.training.prices else "cycles"


def _order(panels: Sequence[_Panel]) -> list[str]:
    """Return the constants that move anything, the widest share of a panel's swings first."""
    widest: dict[str, float] = {}
    for panel in panels:
        longest = max((swing.width for swing in panel.swings.values()), default=0.0)
        for name, swing in panel.swings.items():
            if swing.width > max(_LEAST * longest, 1e-9 * abs(panel.nominal)):
                widest[name] = max(widest.get(name, 0.0), swing.width / longest)
    return sorted(widest, key=lambda name: -widest[name])


def _draw(ax: Axes, panel: _Panel, order: Sequence[str], percent: bool) -> bool:
    """Draw a panel; return whether both cost the same somewhere in it."""
    ends = [panel.nominal]
    for y, name in enumerate(order):
        swing = panel.swings.get(name)
        if swing is None:
            continue
        sides = ((swing.at_low, _AT_LOW), (swing.at_high, _AT_HIGH))
        ends += [swing.at_low, swing.at_high]
        # where both ends lie on one side of the nominal value, the shorter bar is drawn over the longer one
        for value, colour in sorted(sides, key=lambda side: -abs(side[0] - panel.nominal)):
            ax.barh(y, value - panel.nominal, 0.7, panel.nominal, color=colour)
    room = 0.08 * (max(ends) - min(ends)) or 0.1 * abs(panel.nominal) or 1.0
    low, high = min(ends) - room, max(ends) + room
    ax.axvline(panel.nominal, color=INK, linewidth=1.0)
    crossed = percent and low <= 0 <= high
    if crossed:
        ax.axvline(0, color=INK, linewidth=1.0, linestyle=_DASHES)
    ax.set_xlim(low, high)
    ax.set_yticks(range(len(order)), order)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.locator_params(axis="x", nbins=5)
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.grid(axis="x")
    shown = f"{panel.nominal:+.3g}" if percent else three(panel.nominal)
    ax.set_title(f"{panel.title} ({shown} {panel.label})")
    return crossed


def _title(costs: Sequence[RuleCost], base: str) -> str:
    first = costs[0]
    net = first.spec.net
    noun = "energy" if _figure(first) == "energy_pj" else "cycles"
    what = f"{noun} per learned sample against {base}, %" if len(costs) > 1 else f"{first.name}, per learned sample"
    return f"{first.processor.name}, net {net}: {what}"
