"""Plots of a study's page, by Bokeh, as plain data that the page embeds on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgelearn.reports.plots.figure import RULE_LOOKS
from edgelearn.studies.analysis import (
    ACCURACY,
    ENERGY,
    WIDTHS,
    Goal,
    Group,
    axis_title,
    has_residual_bits,
    measures_of,
    named,
    pareto,
    series_axis,
)
from edgelearn.studies.formatting import NOTHING, Number, limits_of, scale_for, shown, title_of
from edgelearn.studies.page_data import Contents
from edgelearn.studies.page_tables import of_interval

# Okabe and Ito's colours, which colour-blind people tell apart, without the yellow that white swallows
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "star", "plus", "x", "hex", "asterisk")
RULE_MARKERS = {
    "o": "circle", "s": "square", "^": "triangle", "D": "diamond", "v": "inverted_triangle", "P": "plus", "X": "x",
    "<": "star", ">": "hex",
}  # fmt: skip
DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")
AGAINST = ("energy_pj", "inference_energy_pj", "latency_us", "area_um2", "memory_bits")
ACCESSES = (
    "weight_reads",
    "weight_writes",
    "feedback_reads",
    "activation_reads",
    "activation_writes",
    "error_reads",
)
MOST_BARS = 16
MOST_PANELS = 12  # of a plot that has one for each combination of settings
MOST_BARS_OF_A_PANEL = 60
LONGEST_LABEL = 26  # of a bar; a phone has no room for more
_LARGE_RATIO = 12.0  # from here on an axis is logarithmic


@dataclass(frozen=True)
class Choice:
    """Selection above a plot."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Plots:
    """A plot area; the selected values, joined by '|', are the key of the visible item."""

    key: str
    title: str
    note: str
    choices: tuple[Choice, ...]
    items: dict[str, Any]


def plots_of(contents: Contents) -> list[Plots]:
    """Return what can be drawn of a study; places without a plot are left out."""
    if not contents.groups:
        return []
    made = [_until(contents), _against_cost(contents), _by_width(contents), _accesses(contents)]
    return [plots for plots in made if plots is not None and plots.items]


def no_tex(value: Any) -> str:
    """Return text that Bokeh does not take for TeX, which it would fetch a library for: nothing seen is put between."""
    text = str(value)
    for begin in ("$$", "\\(", "\\["):
        text = text.replace(begin, f"{begin[0]}\N{ZERO WIDTH SPACE}{begin[1]}")
    return text


def _label(setting: Mapping[str, Any]) -> str:
    return no_tex(" · ".join(NOTHING if value is None else str(value) for value in setting.values()) or "all")


class _Series:
    """Colour, marker and dash of each value of the series axis."""

    def __init__(self, groups: Sequence[Group], axes: Sequence[str]) -> None:
        self.axis = series_axis(axes)
        found = (group.setting[self.axis] if self.axis else None for group in groups)
        self.values = list(dict.fromkeys(found))

    def of(self, group: Group) -> Any:
        return group.setting[self.axis] if self.axis else None

    def name(self, value: Any) -> str:
        return no_tex("all settings" if self.axis is None else "not set" if value is None else value)

    def look(self, value: Any) -> tuple[str, str, str]:
        index = self.values.index(value)
        if self.axis == "rule" and value in RULE_LOOKS:  # as in all figures
            colour, mark, _ = RULE_LOOKS[value]
            return colour, RULE_MARKERS[mark], DASHES[list(RULE_LOOKS).index(value) % len(DASHES)]
        return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)]


def _figure(x: str, y: str, log_x: bool = False, log_y: bool = False, height: int = 430, **more: Any) -> Any:
    from bokeh.plotting import figure

    made = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_label=x,
        y_axis_label=y,
        x_axis_type="log" if log_x else "auto",
        y_axis_type="log" if log_y else "auto",
        tools="pan,box_zoom,wheel_zoom,save,reset",
        active_drag=None,  # a finger on a plot scrolls the page
        active_scroll=None,
        toolbar_location="above",
        **more,
    )
    made.toolbar.logo = None
    for axis in (*made.xaxis, *made.yaxis):
        axis.axis_label_text_font_size = "14px"
        axis.axis_label_text_font_style = "normal"
        axis.major_label_text_font_size = "12px"
        axis.minor_tick_line_color = None
    made.grid.grid_line_color = "#e3e3e3"
    made.outline_line_color = None
    return made


def _legend(made: Any, columns: int = 2) -> None:
    if not made.legend:
        return
    legend = made.legend[0]
    made.add_layout(legend, "below")
    legend.click_policy = "hide"
    legend.location = "bottom_left"
    legend.ncols = columns
    legend.label_text_font_size = "13px"
    legend.border_line_color = None
    legend.padding, legend.spacing, legend.margin = 2, 4, 4


def _hover(made: Any, renderers: list[Any], tooltips: list[tuple[str, str]]) -> None:
    """Tell of a point in a small table; Bokeh escapes what a field holds."""
    from bokeh.models import HoverTool

    rows = "".join(f'<span style="color:#55595f">{label}</span><span>{value}</span>' for label, value in tooltips)
    grid = (
        "display:grid;grid-template-columns:max-content auto;gap:1px 8px;font-size:12.5px;max-width:290px;color:#1a1a1a"
    )
    tool = HoverTool(renderers=renderers, tooltips=f'<div style="{grid}">{rows}</div>')
    tool.attachment, tool.point_policy = "vertical", "snap_to_data"
    made.add_tools(tool)


def _item(made: Any, key: str) -> Any:
    """Return a figure as plain data with names of its own instead of Bokeh's running numbers."""
    from bokeh.embed import json_item

    names: dict[str, str] = {}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: own(part) if name in ("id", "root_id") else renamed(part) for name, part in value.items()}
        return [renamed(part) for part in value] if isinstance(value, list) else value

    def own(value: Any) -> Any:
        return names.setdefault(value, f"{key}.{len(names)}") if isinstance(value, str) else renamed(value)

    return renamed(json_item(made))


def _text(group: Group, column: str, scale: float, unit: str) -> str:
    """Return a mean with half its interval, short enough for a phone."""
    number = of_interval(column, group.over(column), scale)
    return NOTHING if number is None else f"{number.text} {unit}".strip()


def _bounds(group: Group, column: str) -> tuple[float | None, float | None]:
    over = group.over(column)
    return (None, None) if over is None else (over.low, over.high)


def _until(contents: Contents) -> Plots | None:
    """Draw accuracy against the energy, or the samples, that each rule has taken so far."""
    content = contents.source.equal_accuracy
    if content is None:
        return None
    items: dict[str, Any] = {}
    for quantity, column in (("energy", "energy_pj"), ("samples", "samples_learned")):
        items[quantity] = _item(_until_figure(content, quantity, column), f"until{len(items)}")
    note = "Means over seeds at equal numbers of samples. The grey line is the accuracy that rules are compared at."
    return Plots("until", "Accuracy while learning", note, (Choice("against", tuple(items)),), items)


def _until_figure(content: Mapping[str, Any], quantity: str, column: str) -> Any:
    from bokeh.models import ColumnDataSource

    curves = content["curves"]
    key = "energy_pj" if quantity == "energy" else "samples"
    scale, unit = scale_for(column, [value for curve in curves.values() for value in curve[key]])
    made = _figure(f"{quantity} so far{f', {unit}' if unit else ''}", "accuracy, %", log_x=True)
    made.hspan(y=[content["accuracy_percent"]], line_color="#8a8a8a")
    renderers = []
    for k, (rule, curve) in enumerate(curves.items()):
        data = {
            "x": [value / scale for value in curve[key]],
            "y": curve["accuracy_percent"],
            "rule": [no_tex(rule)] * len(curve[key]),
            "samples": curve["samples"],
        }
        source = ColumnDataSource(data)
        colour = COLOURS[k % len(COLOURS)]
        made.line("x", "y", source=source, color=colour, line_width=2, legend_label=no_tex(rule))
        marker = MARKERS[k % len(MARKERS)]
        renderers.append(
            made.scatter("x", "y", source=source, marker=marker, size=6, color=colour, legend_label=no_tex(rule))
        )
    _hover(made, renderers, [("rule", "@rule"), ("accuracy", "@y{0.00} %"), ("samples", "@samples{0,0}")])
    _legend(made)
    made.legend.location = "top_left"
    return made


def _against_cost(contents: Contents) -> Plots | None:
    """Draw accuracy against every cost, with the front, one plot for each processor and cost."""
    columns = set(measures_of(contents.source.frame))
    kinds = [kind for kind in AGAINST if any(f"{kind}@{processor}" in columns for processor in contents.processors)]
    items: dict[str, Any] = {}
    for processor in contents.processors:
        for kind in kinds:
            if made := _cost_figure(contents, f"{kind}@{processor}"):
                items[f"{processor}|{title_of(kind)}"] = _item(made, f"cost{len(items)}")
    choices = (Choice("processor", contents.processors), Choice("against", tuple(title_of(kind) for kind in kinds)))
    note = (
        "Means over seeds; bars are 95 % intervals; grey steps are the Pareto front, filled markers are on it. "
        "Names below the plot hide and show; a point tells of itself."
    )
    if len(contents.shown) < len(contents.groups):
        note += f" {len(contents.shown):,} of {len(contents.groups):,} settings are drawn, those of the table below."
    return Plots("cost", "Accuracy against cost", note, choices, items)


def _cost_figure(contents: Contents, column: str) -> Any:
    from bokeh.models import ColumnDataSource

    groups = contents.groups
    placed = [index for index in contents.shown if groups[index].over(ACCURACY) and groups[index].over(column)]
    if not placed:
        return None
    series = _Series(groups, contents.axes)
    front = pareto(groups, (Goal(ACCURACY, True), Goal(column, False)))
    costs = {index: groups[index].mean(column) or 0.0 for index in placed}
    scale, unit = scale_for(column, costs.values())
    smallest = min(costs.values())
    wide = smallest > 0 and max(costs.values()) / smallest > _LARGE_RATIO
    per = " a trained sample" if column.startswith((ENERGY, "latency")) else ""
    made = _figure(f"{title_of(column)}{per}, {unit}", "accuracy, %", log_x=wide)
    steps = sorted(
        ((groups[index].mean(column) or 0.0) / scale, groups[index].mean(ACCURACY)) for index in front.members
    )
    made.step(
        [x for x, _ in steps], [y for _, y in steps], mode="after", color="#8a8a8a", line_width=2, line_dash="dashed"
    )
    renderers: list[Any] = []
    firsts: dict[str, int] = {}
    for value in series.values:
        mine = [index for index in placed if series.of(groups[index]) == value]
        if not mine:
            continue
        colour, marker, _ = series.look(value)
        data = _points(groups, mine, column, scale, unit, front.members)
        source = ColumnDataSource(data)
        name = series.name(value)
        firsts[name] = data["front"].index("yes") if "yes" in data["front"] else 0  # a filled marker stands by its name
        made.segment("x", "low", "x", "high", source=source, color=colour, line_width=1.5, legend_label=name)
        renderers.append(
            made.scatter(
                "x", "y", source=source, marker=marker, size=11, fill_color=colour, fill_alpha="strength",
                line_color=colour, line_width=2, legend_label=name,
            )
        )  # fmt: skip
    stored = [("stored", "@word bits")] if has_residual_bits(groups) else []
    tips = [("setting", "@name"), *stored, ("accuracy", "@accuracy"), (title_of(column), "@cost")]
    if column.startswith(ENERGY):
        tips.append(("by constants", "@band"))
    tips += _other_tips(contents, column)
    for item in made.legend.items:
        item.index = firsts[item.label.value]
    _hover(made, renderers, [*tips, ("on the front", "@front"), ("seeds", "@seeds"), ("failed", "@failed")])
    _legend(made)
    return made


def _other_tips(contents: Contents, column: str) -> list[tuple[str, str]]:
    processor = column.split("@", 1)[1]
    columns = measures_of(contents.source.frame)
    return [
        (title_of(kind), f"@{kind}")
        for kind in AGAINST
        if f"{kind}@{processor}" in columns and f"{kind}@{processor}" != column
    ]


def _points(
    groups: Sequence[Group], indices: Sequence[int], column: str, scale: float, unit: str, front: Sequence[int]
) -> dict[str, list[Any]]:
    """Return the points of a series; `x` in the unit of its axis, `raw` in that of the table."""
    mine = [groups[index] for index in indices]
    processor = column.split("@", 1)[1]
    data: dict[str, list[Any]] = {
        "group": list(indices),
        "x": [(group.mean(column) or 0.0) / scale for group in mine],
        "raw": [group.mean(column) for group in mine],
        "y": [group.mean(ACCURACY) for group in mine],
        "low": [_bounds(group, ACCURACY)[0] for group in mine],
        "high": [_bounds(group, ACCURACY)[1] for group in mine],
        "strength": [0.95 if index in front else 0.25 for index in indices],
        "name": [no_tex(group.name) for group in mine],
        "word": [group.word or NOTHING for group in mine],
        "accuracy": [_text(group, ACCURACY, 1.0, "%") for group in mine],
        "cost": [_text(group, column, scale, unit) for group in mine],
        "band": [_band(group, column, scale, unit) for group in mine],
        "seeds": [len(group.rows) for group in mine],
        "front": ["yes" if index in front else "no" for index in indices],
        "failed": [len(group.failed) for group in mine],
    }
    for kind in AGAINST:
        other = f"{kind}@{processor}"
        means = [group.mean(other) for group in mine]
        if any(mean is not None for mean in means):
            size, name = scale_for(other, means)
            data[kind] = [NOTHING if mean is None else f"{shown(other, mean, size)} {name}" for mean in means]
        else:
            data[kind] = [NOTHING for _ in mine]
    return data


def _band(group: Group, column: str, scale: float, unit: str) -> str:
    """Return what the uncertain constants of the costs make of an energy, where the table has it."""
    processor = column.split("@", 1)[1]
    low, high = (group.mean(f"energy_{end}_pj@{processor}") for end in ("low", "high"))
    if low is None or high is None:
        return NOTHING
    return f"{shown(column, low, scale)} to {shown(column, high, scale)} {unit}"


def _by_width(contents: Contents) -> Plots | None:
    """Draw error against bits (or another number that varies) for each series, with bands."""
    axis = next(
        (a for a in contents.axes if a in WIDTHS and len({g.setting[a] for g in contents.groups} - {None}) > 1), None
    )
    if axis is None:
        return None
    series = _Series(contents.groups, contents.axes)
    others = [name for name in contents.axes if name not in (axis, series.axis)]
    panels: dict[str, list[Group]] = {}
    for group in contents.groups:
        if group.setting[axis] is not None:
            panels.setdefault(_label({name: group.setting[name] for name in others}), []).append(group)
    items: dict[str, Any] = {}
    n_panels = len(panels)
    has_saturations = any(group.mean("saturations") for group in contents.groups)
    quantities = ("error", "saturations") if has_saturations else ("error",)
    if len(panels) > MOST_PANELS:
        panels = dict(sorted(panels.items(), key=lambda panel: -_best(panel[1]))[:MOST_PANELS])
    for quantity in quantities:
        for panel, groups in panels.items():
            if made := _width_figure(groups, axis, series, quantity):
                items["|".join((quantity, *([panel] if others else [])))] = _item(made, f"width{len(items)}")
    choices = [Choice("show", quantities)]
    if others:
        choices.append(Choice(" · ".join(name.replace("_", " ") for name in others), tuple(panels)))
    word = axis_title(axis, has_residual_bits(contents.groups))
    note = "Lines are means over seeds, bands 95 % intervals. Error is 100 % less the accuracy."
    if n_panels > len(panels):
        note += f" {len(panels):,} of {n_panels:,} combinations of the other settings, those of the best accuracies."
    return Plots("width", f"Error against {word}", note, tuple(choices), items)


def _best(groups: Sequence[Group]) -> float:
    """Return the highest mean accuracy of groups, 0 without any."""
    return max((group.mean(ACCURACY) or 0.0 for group in groups), default=0.0)


def _width_figure(groups: Sequence[Group], axis: str, series: _Series, quantity: str) -> Any:
    from bokeh.models import ColumnDataSource

    column = ACCURACY if quantity == "error" else quantity
    reached = [group for group in groups if group.over(column) is not None]
    if not reached:
        return None
    means, lows = [], []
    for group in reached:
        y, low, _ = _turned(group, column)
        means.append(y)
        lows.append(y if low is None else low)
    wide = min(lows) > 0 and max(means) / min(means) > _LARGE_RATIO
    label = "error, %" if quantity == "error" else "saturations of a run"
    made = _figure(axis_title(axis, has_residual_bits(groups)), label, log_y=wide)
    made.xaxis.ticker = sorted({group.setting[axis] for group in groups})
    renderers = []
    for value in series.values:
        mine = sorted((g for g in reached if series.of(g) == value), key=lambda group: group.setting[axis])
        if not mine:
            continue
        colour, marker, dash = series.look(value)
        turned = [_turned(group, column) for group in mine]
        source = ColumnDataSource(
            {
                "x": [group.setting[axis] for group in mine],
                "y": [y for y, _, _ in turned],
                "low": [low for _, low, _ in turned],
                "high": [high for _, _, high in turned],
                "name": [no_tex(group.name) for group in mine],
                "shown": [_said(group, column) for group in mine],
                "word": [group.word or NOTHING for group in mine],
                "seeds": [len(group.rows) for group in mine],
                "failed": [len(group.failed) for group in mine],
            }
        )
        name = series.name(value)
        band = [(g.setting[axis], low, high) for g, (_, low, high) in zip(mine, turned, strict=True) if low is not None]
        if len(band) > 1:
            made.varea(
                [x for x, _, _ in band], [low for _, low, _ in band], [high for _, _, high in band],
                fill_color=colour, fill_alpha=0.13, legend_label=name,
            )  # fmt: skip
        made.line("x", "y", source=source, color=colour, line_width=2, line_dash=dash, legend_label=name)
        renderers.append(made.scatter("x", "y", source=source, marker=marker, size=9, color=colour, legend_label=name))
    stored = [("stored", "@word bits")] if has_residual_bits(groups) else []
    tips = [("setting", "@name"), *stored, (quantity, "@shown"), ("seeds", "@seeds"), ("failed", "@failed")]
    _hover(made, renderers, tips)
    _legend(made)
    return made


def _said(group: Group, column: str) -> str:
    """Return error or saturations of a run with half the interval."""
    if column != ACCURACY:
        return _text(group, column, 1.0, "")
    y, low, high = _turned(group, column)
    return f"{Number(y, shown(ACCURACY, y), low, high, limits=limits_of(ACCURACY)).text} %"


def _turned(group: Group, column: str) -> tuple[float, float | None, float | None]:
    """Return mean, low and high; accuracy as error."""
    over = group.over(column)
    assert over is not None, "only groups with a value are drawn"
    if column != ACCURACY:
        return over.mean, over.low, over.high
    low, high = (None if end is None else 100 - end for end in (over.high, over.low))
    return 100 - over.mean, low, high


def _accesses(contents: Contents) -> Plots | None:
    """Draw the words that a learned sample reads and writes, by memory, as stacked bars."""
    known = measures_of(contents.source.frame)
    parts = [name for name in ACCESSES if name in known and any(group.mean(name) for group in contents.groups)]
    if not parts:
        return None
    groups = [contents.groups[index] for index in contents.shown if contents.groups[index].mean(parts[0]) is not None]
    choices: tuple[Choice, ...] = ()
    if len(groups) <= MOST_BARS:
        panels = {"all": (groups, list(contents.axes))}
    else:
        by = next((a for a in contents.axes if a in WIDTHS), contents.axes[-1])
        others = [axis for axis in contents.axes if axis != by]
        panels = {}
        for group in groups:
            panels.setdefault(_label({by: group.setting[by]}), ([], others))[0].append(group)
        for mine, _ in panels.values():
            del mine[MOST_BARS_OF_A_PANEL:]
        choices = (Choice(by.replace("_", " "), tuple(panels)),)
    items: dict[str, Any] = {}
    for panel, (mine, axes) in panels.items():
        items[panel if choices else ""] = _item(_bars(mine, axes, parts), f"access{len(items)}")
    return Plots("access", "Accesses of a learned sample", "Words read and written, means over seeds.", choices, items)


def _bars(groups: Sequence[Group], axes: Sequence[str], parts: Sequence[str]) -> Any:
    from bokeh.models import ColumnDataSource, FactorRange, NumeralTickFormatter

    names = [_label({axis: group.setting[axis] for axis in axes}) for group in groups]
    short = [name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…" for name in names]
    if len(set(short)) == len(names):
        names = short
    data: dict[str, list[Any]] = {part: [group.mean(part) for group in groups] for part in parts}
    source = ColumnDataSource({"name": names, "setting": [no_tex(named(group.setting)) for group in groups], **data})
    height = 130 + 26 * len(names) + 24 * len(parts)
    made = _figure("words a learned sample", "", height=height, y_range=FactorRange(factors=names[::-1]))
    made.x_range.start = 0
    made.xaxis.formatter = NumeralTickFormatter(format="0[.]0a")
    made.ygrid.grid_line_color = None
    renderers = made.hbar_stack(
        list(parts), y="name", height=0.72, source=source, color=list(COLOURS[: len(parts)]), line_color="white",
        legend_label=[part.replace("_", " ") for part in parts],
    )  # fmt: skip
    _hover(
        made, renderers, [("setting", "@setting"), *((part.replace("_", " "), f"@{part}{{0,0.[0]}}") for part in parts)]
    )
    _legend(made, columns=1)
    return made
