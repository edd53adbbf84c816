"""Labels beside lines and points, in place of a legend. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES_GAP = 0.03  # from the axes to a label, in widths of the axes
LINE_HEIGHT = 1.15  # of labels above one another


@dataclass(frozen=True)
class Label:
    """Name at the end of a line: text, colour, and the last point in data coordinates."""

    text: str
    colour: str
    x: float
    y: float


def spread(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Return places at least `least` apart, between low and high where they fit, as near as can be to the given ones.

    Example
    -------
    >>> spread([0.5, 0.5, 0.9], 0.1, 0.0, 1.0)
    [0.45, 0.55, 0.9]
    """
    order = sorted(range(len(places)), key=lambda k: (places[k], k))
    blocks: list[list[float]] = []  # [sum of wanted bases, how many]: neighbours that touch move together
    for rank, k in enumerate(order):
        blocks.append([places[k] - rank * least, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, n = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += n
    bases = np.concatenate([np.full(int(n), total / n) for total, n in blocks])
    bases = np.maximum(np.minimum(bases, high - (len(order) - 1) * least), low)
    found = [0.0] * len(places)
    for rank, k in enumerate(order):
        found[k] = round(float(bases[rank] + rank * least), 6)
    return found


def label_ends(ax: Axes, labels: Sequence[Label], size: float) -> None:
    """Write the names of lines to the right of the axes, each at the height of its last point where there is room.

    Parameters
    ----------
    size : of the text, in points
    """
    figure: Any = ax.get_figure()
    texts = [
        ax.text(1 + AXES_GAP, 0.5, one.text, transform=ax.transAxes, color=one.colour, fontsize=size, va="center")
        for one in labels
    ]
    figure.draw_without_rendering()  # leaves room for the texts; places are known behind it
    inverse = ax.transAxes.inverted()
    ends = [inverse.transform(ax.transData.transform((one.x, one.y))) for one in labels]
    height = LINE_HEIGHT * size / 72 * figure.dpi / ax.get_window_extent().height
    places = spread([float(end[1]) for end in ends], height, 0.0, 1.0)
    for one, text, end, y in zip(labels, texts, ends, places, strict=True):
        text.set_y(y)
        ax.plot(
            [end[0], 1 + 0.2 * AXES_GAP, 1 + 0.8 * AXES_GAP], [end[1], y, y], color=one.colour, linewidth=0.5,
            alpha=0.6, transform=ax.transAxes, clip_on=False, zorder=1,
        )  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A point with a short text: place and ends of its error bar in data coordinates, and the colour of the text."""

    text: str
    x: float
    y: float
    low: float
    high: float
    colour: str


def label_points(ax: Axes, points: Sequence[Point], size: float) -> None:
    """Write a short text beside each point, on the first of eight sides where it covers no point, bar or other text.

    A text without such a side is left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    figure: Any = ax.get_figure()
    figure.draw_without_rendering()
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    dot = figure.dpi / 72
    taken = []
    for one in points:
        x, y = ax.transData.transform((one.x, one.y))
        low, high = (ax.transData.transform((one.x, end))[1] for end in (one.low, one.high))
        taken += [
            Bbox.from_extents(x - 2.5 * dot, y - 2.5 * dot, x + 2.5 * dot, y + 2.5 * dot),
            Bbox.from_extents(x - 1.5 * dot, low, x + 1.5 * dot, high),
        ]
    frame = ax.get_window_extent()
    sides = [(a, b) for b in (1, -1, 0) for a in (1, -1, 0) if (a, b) != (0, 0)]
    for one in points:
        for across, along in sides:
            found = ax.annotate(
                one.text, (one.x, one.y), (3 * across, 3 * along), textcoords="offset points", fontsize=size,
                color=one.colour, ha=("center", "left", "right")[across], va=("center", "bottom", "top")[along],
            )  # fmt: skip
            box = found.get_window_extent(renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            found.remove()


def plain_log(axis: Any) -> None:
    """Make an axis logarithmic, with a few plain numbers at its ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
