"""Figures of what rules cost: by role, with bands, and against accuracy. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError, unknown
from edgelearn.reports.plots.figure import INK, drawn
from edgelearn.units import scale_for, typographic
from hw_models.compare.bands import span
from hw_models.compare.rules import RuleCost
from hw_models.cost import ROLES, Cost
from hw_models.processor import Engine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Palette of Okabe and Ito; what is left is chosen so that roles in one figure differ by at least 16 in CIELAB for all
# kinds of colour blindness (matrices of Machado, Oliveira and Fernandes 2009).
COLOURS = {
    "forward pass": "#332288",
    "update": "#882255",
    "forward weights": "#0072B2",
    "frozen weights": "#9911EE",
    "residuals": "#56B4E9",
    "feedback": "#E69F00",
    "activations": "#009E73",
    "buffers": "#CC79A7",
    "accumulators": "#3C004B",
    "partial sums": "#00FF87",
    "error": "#D55E00",
    "arithmetic": "#F0E442",
    "random generator": "#666633",
    "control": "#DDDDDD",
    "leakage": "#000000",
}
_REACHES = (7, 14, 22, 32, 44, 58, 74)  # points between a dot and its name
# figure -> (what a panel shows, unit of the program)
_PANELS = {
    "energy_pj": ("Energy per trained sample", "pJ"),
    "cycles": ("Cycles per trained sample", "cycles"),
    "area_um2": ("Area", "um2"),
    "memory_bits": ("Memory", "bits"),
}


def plot_costs(costs: Sequence[RuleCost], path: Path, accuracies: Mapping[str, float] | None = None) -> None:
    """Draw costs of rules on one processor and network, and write the figure.

    Left: energy of a trained sample by role, its band, and inference alone; cycles where the processor has no energy.
    Middle: area by role; memory where the processor has no area. Right, with accuracies: accuracy against energy.

    Parameters
    ----------
    path : ends in .png, .svg or .pdf; the same costs give the same bytes with the same matplotlib
    accuracies : percent by rule; rules without one are left out of the right panel

    Raises
    ------
    UserError
        "matplotlib is not installed", "plot file ...", "no costs ...", "accuracy of ...", "rule ... is not known"
    """
    if not costs:
        raise UserError("no costs to plot; give at least one rule")
    points = _points(costs, accuracies or {})
    with drawn(path, (sum(_widths(len(costs), bool(points))) + 2.0, 4.4)) as figure:
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
        _draw(figure, costs, points)


def _points(costs: Sequence[RuleCost], accuracies: Mapping[str, float]) -> dict[str, float]:
    rules = [cost.name for cost in costs]
    for rule, accuracy in accuracies.items():
        if rule not in rules:
            raise unknown("rule", rule, rules)
        if not 0 <= accuracy <= 100:
            raise UserError(f"accuracy of {rule} is {accuracy:g}; give percent, 0 to 100")
    return dict(accuracies)


def _widths(n_rules: int, scattered: bool) -> list[float]:
    """Inches of the panels."""
    bars = max(2.6, 1.1 + 0.5 * n_rules)
    return [bars, bars, 4.2] if scattered else [bars, bars]


def _draw(figure: Figure, costs: Sequence[RuleCost], points: Mapping[str, float]) -> None:
    prices = costs[0].training.prices
    spent = "energy_pj" if "energy_pj" in prices else "cycles"
    built = "area_um2" if "area_um2" in prices else "memory_bits"
    widths = _widths(len(costs), bool(points))
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    stacks = [_stack(ax, costs, name) for ax, name in zip(axes[:2], (spent, built), strict=True)]
    letters = int(10 * sum(widths))  # about ten an inch, beside the legend
    figure.suptitle(fill(_title(costs), letters, break_on_hyphens=False), x=0.01, ha="left", fontsize=11)
    _legend(figure, {role for part in stacks for role in part.roles}, any(part.bands for part in stacks))
    if points:
        _scatter(axes[2], costs, spent, points)


@dataclass(frozen=True)
class _Stack:
    """What can be seen in a panel of bars, for the legend."""

    roles: frozenset[str]
    bands: bool


def _span(cost: Cost, name: str) -> tuple[float, float, float]:
    def figure(at: Mapping[str, float]) -> float:
        return cost.per_sample(name, at=at)

    return span(cost, figure)


def _stack(ax: Axes, costs: Sequence[RuleCost], name: str) -> _Stack:
    """Draw stacked bars by rule and role, whiskers over the band, dashes at inference alone."""
    title = _PANELS[name][0]
    spans = [_span(cost.training, name) for cost in costs]
    alone = [cost.inference.per_sample(name) for cost in costs]
    size, unit = scale_for(_PANELS[name][1], [nominal for _, nominal, _ in spans])
    top = 1.06 * max(high for _, _, high in spans) / size or 1.0
    seen: set[str] = set()
    bands = False
    for x, (cost, (low, nominal, high)) in enumerate(zip(costs, spans, strict=True)):
        bottom = 0.0
        for role, value in cost.training.by_role(name).items():
            height = value / size
            edge = 0.4 if height > 0.01 * top else 0.0  # a thin part would be all edge
            ax.bar(x, height, 0.76, bottom, color=COLOURS[role], edgecolor="white", linewidth=edge, snap=False)
            bottom += height
            if height > 0.002 * top:
                seen.add(role)
        if high - low > 1e-9 * nominal:
            bands = True
            reach = [[(nominal - low) / size], [(high - nominal) / size]]
            ax.errorbar(x + 0.26, nominal / size, reach, color=INK, capsize=3, elinewidth=1.1, capthick=1.1)
    dashes: dict[str, Any] = {"linestyles": (0, (3, 1.5)), "colors": INK, "linewidth": 1.3}
    if max(alone) - min(alone) <= 1e-9 * max(alone):
        ax.hlines(alone[0] / size, -0.5, len(costs) - 0.5, **dashes)
    else:
        for x, inferred in enumerate(alone):
            ax.hlines(inferred / size, x - 0.44, x + 0.44, **dashes)
    names = [cost.name for cost in costs]
    tilted = max(len(rule) for rule in names) > 8
    ax.set_xticks(range(len(names)), names, rotation=35 if tilted else 0, ha="right" if tilted else "center")
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_ylim(0, top)
    ax.grid(axis="y")
    ax.set_title(f"{title} ({typographic(unit)})")
    return _Stack(frozenset(seen), bands)


def _title(costs: Sequence[RuleCost]) -> str:
    processor = costs[0].processor
    table = f"logic energy of {processor.logic}" if isinstance(processor, Engine) else f"a {processor.kind}"
    bits = " and ".join(str(b) for b in sorted({layer.word.bits for cost in costs for layer in cost.spec.layers}))
    nets = " and ".join(dict.fromkeys(cost.spec.net for cost in costs))
    return f"{processor.name} ({table}), net {nets}, {bits} bits"


def _legend(figure: Figure, roles: set[str], bands: bool) -> None:
    """Put roles beside the panels, in the order of the bars from top to bottom."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=COLOURS[role], label=role) for role in reversed(ROLES) if role in roles]
    if bands:
        handles.append(Line2D([], [], color=INK, marker="|", linestyle="", markersize=11, label="band of the sum"))
    handles.append(Line2D([], [], color=INK, linestyle=(0, (3, 1.5)), linewidth=1.4, label="inference only"))
    figure.legend(handles=handles, loc="outside right upper")


def _scatter(ax: Axes, costs: Sequence[RuleCost], name: str, points: Mapping[str, float]) -> None:
    """Draw accuracy against what a trained sample costs."""
    shown = [cost for cost in costs if cost.name in points]
    xs = [cost.training.per_sample(name) for cost in shown]
    ys = [points[cost.name] for cost in shown]
    size, unit = scale_for(_PANELS[name][1], xs)
    xs = [x / size for x in xs]
    ax.plot(xs, ys, "o", color=COLOURS["forward weights"], markersize=6, markeredgecolor="white")
    ax.set_xlabel(f"{_PANELS[name][0].lower()} ({typographic(unit)})")
    ax.set_ylabel("accuracy (%)")
    ax.set_title("Accuracy against cost")
    ax.grid()
    ax.set_xlim(0, 1.2 * max(xs) or 1.0)
    room = max(0.25 * (max(ys) - min(ys)), 0.5)
    ax.set_ylim(min(ys) - room, min(max(ys) + room, 102.0))
    _label(ax, [cost.name for cost in shown], xs, ys)


def _label(ax: Axes, names: Sequence[str], xs: Sequence[float], ys: Sequence[float]) -> None:
    """Write names beside points, where they cover neither a point nor another name; points on a spot share a text."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    figure: Any = ax.get_figure()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # places are known only once the layout is
    figure.set_layout_engine("none")
    dot = figure.dpi / 72
    spots = [ax.transData.transform(at) for at in zip(xs, ys, strict=True)]
    taken = [Bbox.from_bounds(x - 4 * dot, y - 4 * dot, 8 * dot, 8 * dot) for x, y in spots]
    frame = ax.get_window_extent()

    def write(name: str, at: tuple[float, float], reach: tuple[float, float]) -> Any:
        across = "left" if reach[0] > 1 else "right" if reach[0] < -1 else "center"
        along = "bottom" if reach[1] > 1 else "top" if reach[1] < -1 else "center"
        line = (
            {"arrowstyle": "-", "color": "#888888", "linewidth": 0.7} if math.hypot(*reach) > _REACHES[0] + 1 else None
        )
        return ax.annotate(name, at, reach, textcoords="offset points", ha=across, va=along, color=INK, arrowprops=line)

    together: list[int] = []  # for each point, the first of those it lies on
    for x, y in spots:
        together.append(next(i for i, (u, v) in enumerate(spots) if math.hypot(x - u, y - v) < 3 * dot))
    for first in dict.fromkeys(together):
        name = ", ".join(name for name, i in zip(names, together, strict=True) if i == first)
        at = (xs[first], ys[first])
        for distance, turn in product(_REACHES, range(8)):
            text = write(name, at, (distance * math.cos(turn * math.pi / 4), distance * math.sin(turn * math.pi / 4)))
            text.update_positions(canvas.get_renderer())
            box = Text.get_window_extent(text, canvas.get_renderer()).padded(dot)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
        else:
            write(name, at, (_REACHES[0], 0))  # a crowd: better on top of another than missing
