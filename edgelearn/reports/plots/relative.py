"""Figure of rules relative to one of them: differences in percent with their bands. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError
from edgelearn.reports.plots.figure import GREY, INK, drawn, look_of
from hw_models.compare.relative import relative_as_dict
from hw_models.compare.rules import RuleCost

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = {
    "energy": "energy per learned sample",
    "cycles": "cycles per learned sample",
    "area": "area",
    "memory": "memory",
}
_LINE = 0.13  # inches of a line of the caption
_EQUAL = 5e-4  # percent, printed as 0.0


def plot_relative(costs: Sequence[RuleCost], path: Path, base: str, activity: str = "") -> None:
    """Draw how much more or less than one rule the others take, a panel per figure, with the band of the difference.

    Constants are shared by both rules, so that the band of a difference is narrower than those of the two sums.

    Parameters
    ----------
    path : ends in .png, .svg or .pdf; the same costs give the same bytes with the same matplotlib
    base : name of the rule that the others are compared with
    activity : what the counts are of, for the caption

    Raises
    ------
    UserError
        "matplotlib is not installed", "plot file ...", "--against ... is not priced ..."
    """
    rules = relative_as_dict(costs, base)["rules"]
    panels = [name for name in _PANELS if any(found[name] for found in rules.values())]
    panels = [name for name in panels if name != "cycles" or "energy" not in panels]
    if not panels:
        raise UserError(f"{costs[0].processor.name} prices nothing that rules could be compared in")
    caption = "whiskers: band of the difference over the uncertain constants, which both rules share"
    width = 1.1 + 2.5 * len(panels)
    lines = wrap(f"{activity}; {caption}" if activity else caption, int(15 * width))
    size = (width, 1.15 + 0.34 * len(rules) + _LINE * len(lines))
    with drawn(path, size) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, name in zip(axes, panels, strict=True):
            _draw(ax, {rule: found[name] for rule, found in rules.items()}, base)
            ax.set_title(_PANELS[name])
        first = costs[0]
        title = f"{first.processor.name}, net {first.spec.net}, {_bits(costs)} bits: against {base}"
        figure.suptitle(fill(title, int(11 * size[0]), break_on_hyphens=False), x=0.01, ha="left", fontsize=10)
        figure.text(0.01, 0.03 / size[1], "\n".join(lines), fontsize=7, color=GREY, va="bottom")
        below = (_LINE * len(lines) + 0.08) / size[1]
        figure.set_layout_engine("constrained", rect=(0, below, 1, 1 - below))


def _bits(costs: Sequence[RuleCost]) -> str:
    return " and ".join(str(b) for b in sorted({layer.word.bits for cost in costs for layer in cost.spec.layers}))


def _draw(ax: Axes, bands: Mapping[str, Mapping[str, float]], base: str) -> None:
    """Draw a bar per rule from zero to its difference, whiskers over its band, the value behind both."""
    ends = [0.0, *(band[side] for band in bands.values() for side in ("low", "high"))]
    reach = max(ends) - min(ends) or 1.0
    room: dict[str, Any] = {"low": min(ends), "high": max(ends)}
    for y, (rule, band) in enumerate(bands.items()):
        low, nominal, high = band["low"], band["nominal"], band["high"]
        ax.barh(y, nominal, 0.62, color=look_of(rule, y)["color"])
        if high - low > _EQUAL:
            reaches = [[nominal - low], [high - nominal]]
            for colour, thick, cap in (("white", 2.6, 3.5), (INK, 1.0, 2.5)):  # seen on bars of any colour
                ax.errorbar(nominal, y, xerr=reaches, color=colour, capsize=cap, elinewidth=thick, capthick=thick)
        is_less = nominal < -_EQUAL
        place = min(low, 0.0) - 0.02 * reach if is_less else max(high, 0.0) + 0.02 * reach
        text = "same" if abs(nominal) <= _EQUAL and high - low <= _EQUAL else f"{_signed(nominal)} %"
        ax.text(place, y, text, ha="right" if is_less else "left", va="center", fontsize=8, color=INK)
        side = "low" if is_less else "high"
        room[side] = (min if is_less else max)(room[side], place + (-0.42 if is_less else 0.42) * reach)
    ax.axvline(0, color=INK, linewidth=1.0)
    ax.set_xlim(min(room["low"], -0.06 * reach), max(room["high"], 0.06 * reach))
    ax.set_yticks(range(len(bands)), list(bands))
    ax.set_ylim(len(bands) - 0.45, -0.55)
    ax.locator_params(axis="x", nbins=5)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
    ax.set_xlabel(f"over {base} (%)", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.grid(axis="x")


def _signed(value: float) -> str:
    """Return a difference with three digits, at most two behind the point."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")
