"""Figure of a study for a paper: a line per rule, with intervals and labels beside the lines. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError, unknown
from edgelearn.reports.plots.figure import FILLS, GREY, drawn, look_of
from edgelearn.reports.plots.labels import Label, Point, label_ends, label_points, plain_log
from edgelearn.studies.analysis import (
    ACCURACY,
    WIDTHS,
    Goal,
    Group,
    Interval,
    axis_title,
    groups_of,
    has_residual_bits,
    measures_of,
    pareto,
    processors_of,
    series_axis,
)
from edgelearn.studies.formatting import NOTHING, scale_for, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edgelearn.studies.page_data import Source

WIDEST, NARROWEST = 12.0, 2.0  # inches
MOST_LINES = 12
TEXT, SMALL = 8.0, 7.0  # points
ERROR = "error"
_SHORT = {
    "accuracy": ACCURACY,
    "energy": "energy_pj",
    "area": "area_um2",
    "latency": "latency_us",
    "memory": "memory_bits",
}
_LARGE_RATIO = 12.0  # from here on an axis is logarithmic


@dataclass(frozen=True)
class Side:
    """What an axis shows.

    Parameters
    ----------
    name : as it was asked for
    column : of the study's table
    is_setting : whether it is an axis of the study, else a measure
    """

    name: str
    column: str
    is_setting: bool

    def of(self, group: Group) -> Interval | None:
        """Return mean and interval in a group; None where it has no value."""
        if self.is_setting:
            value = group.setting[self.column]
            return None if value is None else Interval(float(value), None, None, 1)
        over = group.over(self.column)
        if over is not None and self.column == ACCURACY:  # an interval of few seeds may leave what is possible
            low, high = (None if end is None else min(max(end, 0.0), 100.0) for end in (over.low, over.high))
            over = Interval(over.mean, low, high, over.n)
        if over is None or self.name != ERROR:
            return over
        low, high = (None if end is None else 100 - end for end in (over.high, over.low))
        return Interval(100 - over.mean, low, high, over.n)


@dataclass(frozen=True)
class Drawn:
    """What a figure shows: lines by name, points, and groups left out because a value is missing."""

    lines: tuple[str, ...]
    points: int
    left_out: tuple[str, ...]


def plot_study(
    source: Source,
    path: Path,
    x: str | None = None,
    y: str = ERROR,
    where: Sequence[str] = (),
    width: float = 7.0,
    processor: str | None = None,
) -> Drawn:
    """Draw a measure of a study against a setting or another measure, a line per combination of the other settings.

    Parameters
    ----------
    path : ends in .png, .svg or .pdf; the same study gives the same bytes with the same matplotlib
    x : setting, or measure; the first width that varies by default
    y : measure, or "error", which is 100 % less the accuracy
    where : NAME=VALUE, settings that groups must have
    processor : of priced measures, where the study has several
    width : of the figure, in inches: 3.5 for a column, 7 for a page

    Raises
    ------
    UserError
        "plot file ...", "column '...' ...", "--where ...", "--width ...", "study ... has ... lines"
    """
    if not NARROWEST <= width <= WIDEST:
        raise UserError(f"--width {width:g} cannot be drawn; give {NARROWEST:g} to {WIDEST:g} inches")
    known = processors_of(source.frame)
    if processor is not None and processor not in known:
        raise unknown("processor", processor, known)
    groups = _chosen(groups_of(source.frame, source.axes), source.axes, where)
    x_side = _side(source, groups, x or _first_width(source), processor)
    y_side = _side(source, groups, y, processor)
    if y_side.is_setting:
        raise UserError(f"--y {y} is a setting; give a measure, for example error, accuracy or energy")
    lines = _lines(groups, source.axes, x_side, y_side)
    placed = [group for members in lines.values() for group in members]
    left_out = [group.name for group in groups if group not in placed]
    if not placed:
        raise UserError(f"no cell of the study has both {x_side.name} and {y_side.name}; choose other columns")
    if len(lines) > MOST_LINES:
        free = [axis for axis in source.axes if axis != x_side.column]
        raise UserError(
            f"{len(lines)} lines are more than a figure can tell apart ({MOST_LINES}); choose some: --where NAME=VALUE "
            f"with {', '.join(free)}"
        )
    with drawn(path, (width, 2.6 if width <= 4.5 else 0.52 * width)) as figure:
        ax = figure.add_subplot()
        _draw(ax, lines, source.axes, x_side, y_side)
    return Drawn(tuple(_names(list(lines))[0]), len(placed), tuple(left_out))


def _first_width(source: Source) -> str:
    for axis in source.axes:
        if axis in WIDTHS:
            return axis
    return _SHORT["energy"]


def _chosen(groups: Sequence[Group], axes: Sequence[str], where: Sequence[str]) -> list[Group]:
    """Return the groups with the settings asked for."""
    chosen = list(groups)
    for text in where:
        name, sign, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not sign:
            raise UserError(f"--where {text} cannot be read; write NAME=VALUE, for example rule=dfa")
        if name not in axes:
            raise unknown("axis", name, axes)
        values = list(dict.fromkeys(str(group.setting[name]) for group in groups))
        wanted = [one.strip() for one in value.split(",")]
        for one in wanted:
            if one not in values:
                raise unknown(name.replace("_", " "), one, values)
        chosen = [group for group in chosen if str(group.setting[name]) in wanted]
    if not chosen:
        raise UserError("no cell of the study has all that --where asks for; give fewer of them")
    return chosen


def _side(source: Source, groups: Sequence[Group], name: str, processor: str | None = None) -> Side:
    """Return what an axis of the figure shows.

    Raises
    ------
    UserError
        "column '...' is not known", "column '...' holds no numbers", "column '...' is of a processor"
    """
    measures = [one for one in measures_of(source.frame) if source.frame[one].dtype != object]
    asked = name if "@" in name else name.replace("-", "_")
    if asked == ERROR:
        return Side(ERROR, ACCURACY, False)
    if asked in source.axes:
        if not all(isinstance(group.setting[asked], int | float | None) for group in groups):
            raise UserError(f"column '{name}' holds no numbers; give one of {', '.join([*_numbers(source), ERROR])}")
        return Side(name, asked, True)
    column = _SHORT.get(asked, asked)
    if column in measures:
        return Side(name, column, False)
    of_processors = [one for one in measures if one.split("@", 1)[0] == column]
    if processor is not None and of_processors:
        if f"{column}@{processor}" not in of_processors:
            raise UserError(f"{processor} prices no {name} in this study; give another --processor or column")
        return Side(name, f"{column}@{processor}", False)
    if len(of_processors) > 1:
        processors = ", ".join(one.split("@", 1)[1] for one in of_processors)
        raise UserError(f"column '{name}' is priced on several processors; give --processor, one of {processors}")
    if not of_processors:
        raise unknown("column", name, [*_numbers(source), ERROR, *_SHORT, *measures])
    return Side(name, of_processors[0], False)


def _numbers(source: Source) -> list[str]:
    return [axis for axis in source.axes if axis in WIDTHS]


def _lines(
    groups: Sequence[Group], axes: Sequence[str], x: Side, y: Side
) -> dict[tuple[tuple[str, Any], ...], list[Group]]:
    """Return the groups of each line that have both values, in the order in which a line goes through them.

    Along a setting a line goes through its values; along a measure, through the widths of one setting of the others.
    """
    along = x.column if x.is_setting else next((axis for axis in axes if axis in WIDTHS), None)
    found: dict[tuple[tuple[str, Any], ...], list[Group]] = {}
    for group in groups:
        if x.of(group) is not None and y.of(group) is not None:
            key = tuple((axis, value) for axis, value in group.setting.items() if axis != along)
            found.setdefault(key, []).append(group)
    for members in found.values():
        if along is not None:
            members.sort(key=lambda group: (group.setting[along] is None, group.setting[along] or 0))
    return found


def _names(keys: Sequence[tuple[tuple[str, Any], ...]]) -> tuple[list[str], str]:
    """Return a name per line from the settings that differ, and a text of those that all lines share."""
    settings = [dict(key) for key in keys]
    shared = [axis for axis in settings[0] if len({one[axis] for one in settings}) == 1]
    if len(settings) == 1 and "rule" in shared:
        shared.remove("rule")
    names = [", ".join(_said(axis, one[axis]) for axis in one if axis not in shared) or "all" for one in settings]
    return names, ", ".join(f"{axis.replace('_', ' ')} {_text(settings[0][axis])}" for axis in shared)


def _said(axis: str, value: Any) -> str:
    return value if isinstance(value, str) else f"{axis.replace('_', ' ')} {_text(value)}"


def _text(value: Any) -> str:
    return NOTHING if value is None else str(value)


def _draw(
    ax: Axes, lines: dict[tuple[tuple[str, Any], ...], list[Group]], axes: Sequence[str], x: Side, y: Side
) -> None:
    everything = [group for members in lines.values() for group in members]
    x_size, x_label, x_log = _axis(x, everything)
    y_size, y_label, y_log = _axis(y, everything)
    names, shared = _names(list(lines))
    by = series_axis([axis for axis in axes if axis != x.column])
    along = next((axis for axis in axes if axis in WIDTHS), None)
    labels: list[Label] = []
    points: list[Point] = []
    values: list[Any] = []
    numbers: dict[Any, int] = {}
    for (key, members), name in zip(lines.items(), names, strict=True):
        value = None if by is None else dict(key).get(by)
        again = numbers[value] = numbers.get(value, -1) + 1  # lines of one rule share its colour
        values += [] if value in values else [value]
        look = look_of(str(dict(key).get("rule", "")), values.index(value))
        placed = [_point(group, x, y, x_size, y_size, along, look["color"]) for group in members]
        xs, ys = [one.x for one in placed], [one.y for one in placed]
        reach = [[one.y - one.low for one in placed], [one.high - one.y for one in placed]]
        fill: dict[str, Any] = {"fillstyle": FILLS[again % len(FILLS)], "markerfacecoloralt": "white"}
        ax.errorbar(xs, ys, reach, **look, **fill, markersize=4.5, elinewidth=0.8, capsize=1.5, capthick=0.8)
        labels.append(Label(name, look["color"], xs[-1], ys[-1]))
        points += placed
    for axis, log in ((ax.xaxis, x_log), (ax.yaxis, y_log)):
        axis.label.set_fontsize(TEXT)
        axis.set_tick_params(labelsize=TEXT)
        if log:
            plain_log(axis)
    if x.is_setting:
        ticks = sorted({one.x for one in points})
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.margins(0.06, 0.08)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.grid(True)
    texts = [shared] if shared else []
    if not x.is_setting:
        _draw_front(ax, everything, x, y, x_size, y_size)
        texts += [] if along is None else [f"numbers: {axis_title(along, has_residual_bits(everything))}"]
    if texts:
        ax.set_title("; ".join(texts), fontsize=SMALL, color=GREY)
    if names != ["all"]:
        label_ends(ax, labels, TEXT)
    if not x.is_setting and along is not None:
        label_points(ax, points, SMALL)


def _point(group: Group, x: Side, y: Side, x_size: float, y_size: float, along: str | None, colour: str) -> Point:
    over = _must(y.of(group))
    low, high = (over.mean if end is None else end for end in (over.low, over.high))
    text = "" if along is None else _text(group.setting[along])
    return Point(text, _must(x.of(group)).mean / x_size, over.mean / y_size, low / y_size, high / y_size, colour)


def _must(over: Interval | None) -> Interval:
    assert over is not None, "only groups with both values are drawn"
    return over


def _axis(side: Side, groups: Sequence[Group]) -> tuple[float, str, bool]:
    """Return the size of an axis's unit, its label, and whether it is logarithmic."""
    if side.is_setting:
        return 1.0, axis_title(side.column, has_residual_bits(groups)), False
    means = [_must(side.of(group)).mean for group in groups]
    wide = min(means) > 0 and max(means) / min(means) > _LARGE_RATIO
    if side.name == ERROR:
        return 1.0, "test error (%)", wide
    size, unit = scale_for(side.column, means)
    title = title_of(side.column)
    if side.column.startswith(("energy", "latency")):
        title += " per learned sample"
    return size, f"{title} ({unit})" if unit else title, wide


def _draw_front(ax: Axes, groups: Sequence[Group], x: Side, y: Side, x_size: float, y_size: float) -> None:
    """Draw the Pareto front of accuracy against a cost in grey."""
    if y.column != ACCURACY or x.column == ACCURACY:
        return
    front = pareto(groups, [Goal(x.column, False), Goal(ACCURACY, True)])
    steps = sorted((_must(x.of(groups[k])).mean / x_size, _must(y.of(groups[k])).mean / y_size) for k in front.members)
    if len(steps) > 1:
        ax.step([at for at, _ in steps], [at for _, at in steps], where="post", color=GREY, linewidth=0.8, zorder=0.5)
