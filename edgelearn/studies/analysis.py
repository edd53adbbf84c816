"""Analysis of a study: means and intervals over seeds, Pareto fronts, smallest sufficient width, gain per energy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from types import NoneType
from typing import Any

from edgelearn.errors import UserError, unknown
from edgelearn.network.spec import default_residual_bits

SEED, BITS, STORED = "seed", "bits", "weight_bits"
ACCURACY, ENERGY = "accuracy_percent", "energy_pj"
CONFIDENCE = 0.95
ROUNDING = 1e-9  # points that sums of accuracies may be off
_BEFORE_SETTINGS = ("cell", "status", "error", "kind")
_RATES = ("hidden_rate", "output_rate", "hidden_shift", "output_shift")  # tuning makes them follow from the axes
# settings that are numbers to draw against, the most telling first
WIDTHS = (
    STORED,
    BITS,
    "residual_bits",
    "delta_bits",
    "input_bits",
    "event_threshold",
    "dead_zone",
    "hidden_rate",
    "output_rate",
)
_UP, _NEITHER = (ACCURACY,), ("samples_learned",)


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval by Student's t; `low` and `high` are None where one seed is all.

    Example
    -------
    >>> over = interval([90.0, 92.0, 94.0])
    >>> over.mean, round(over.low, 3), round(over.high, 3), over.n
    (92.0, 87.032, 96.968, 3)
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    def as_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "low": self.low, "high": self.high, "n": self.n}


def interval(values: Iterable[float]) -> Interval:
    """Return the mean of at least one value and the 95 % interval of that mean."""
    given = [float(value) for value in values]
    n = len(given)
    mean = math.fsum(given) / n
    if n == 1:
        return Interval(mean, None, None, 1)
    if min(given) == max(given):  # what rounding would leave of nothing
        return Interval(given[0], given[0], given[0], n)
    from scipy.special import stdtrit

    variance = math.fsum((value - mean) ** 2 for value in given) / (n - 1)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(variance / n)
    return Interval(mean, mean - half, mean + half, n)


@dataclass(frozen=True)
class Group:
    """Cells that differ in the seed only.

    Parameters
    ----------
    setting : value of every axis
    rows : the cells that are done, as plain values by column
    failed : the cells that are not
    """

    setting: dict[str, Any]
    rows: tuple[dict[str, Any], ...]
    failed: tuple[dict[str, Any], ...]

    def by_seed(self, column: str) -> dict[int, float]:
        """Return what a column holds, by seed; cells without a value are left out."""
        return {row[SEED]: row[column] for row in self.rows if row.get(column) is not None}

    def over(self, column: str) -> Interval | None:
        """Return mean and interval of a column over the seeds; None where no cell has a value."""
        values = self.by_seed(column)
        return interval(values.values()) if values else None

    def mean(self, column: str) -> float | None:
        found = self.over(column)
        return None if found is None else found.mean

    @property
    def name(self) -> str:
        return named(self.setting, self.word is not None)

    @property
    def word(self) -> str | None:
        """Return view + residual = stored bits of a weight; None where weights have no residual bits, as of spikes."""
        row = next(iter((*self.rows, *self.failed)), {})
        if "residual_bits" not in row or row.get(BITS) is None:
            return None
        residual = row["residual_bits"]
        if residual is None:
            residual = default_residual_bits(row[BITS], row.get("rounding") or "residual")
        return f"{row[BITS]} + {residual} = {row[BITS] + residual}"


def axis_title(axis: str, has_residual: bool) -> str:
    """Return what an axis is called: of a weight with residual bits, `bits` are those of the view.

    Example
    -------
    >>> axis_title("bits", True), axis_title("weight_bits", True), axis_title("hidden_rate", False)
    ('view bits', 'stored bits', 'hidden rate')
    """
    titles = {BITS: "view bits" if has_residual else "bits", STORED: "stored bits"}
    return titles.get(axis, axis.replace("_", " "))


def has_residual_bits(groups: Sequence[Group]) -> bool:
    """Return whether the weights of a study are a view on residual bits."""
    return any(group.word is not None for group in groups)


def named(setting: Mapping[str, Any], has_residual: bool = False) -> str:
    """Return a setting in words.

    Example
    -------
    >>> named({"rule": "dfa", "bits": 4, "limit": None}, has_residual=True)
    'rule dfa, view bits 4, limit not set'
    """
    parts = (
        f"{axis_title(axis, has_residual)} {'not set' if value is None else value}" for axis, value in setting.items()
    )
    return ", ".join(parts) or "the only setting"


def typed(value: Any) -> str:
    """Return a value of a setting as it is typed: "none" where it is left out, "true" or "false".

    Example
    -------
    >>> typed(None), typed(True), typed(4)
    ('none', 'true', '4')
    """
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def plain(value: Any) -> Any:
    """Return a cell of a table as a plain value: None where there is none, whole numbers as int.

    Example
    -------
    >>> plain(float("nan")), plain(-7.0), plain(0.5)
    (None, -7, 0.5)
    """
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if value is None or isinstance(value, str | bool):
        return value
    if not isinstance(value, int | float):
        return None if str(value) in ("<NA>", "NaT") else str(value)
    if math.isnan(value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values."""
    columns = {str(name): _plain_column(frame[name]) for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain_column(column: Any) -> list[Any]:
    """Return `plain` of each value; most columns are numbers or text alone, which needs no look at each type."""
    values = column.tolist()
    types = set(map(type, values))
    if types <= {int, str, bool, NoneType}:
        return list(values)
    if types == {float}:
        return [None if math.isnan(value) else int(value) if value.is_integer() else value for value in values]
    return [plain(value) for value in values]


def settings_of(frame: Any) -> list[str]:
    """Return the columns that hold settings."""
    names = [str(name) for name in frame.columns]
    return [name for name in names[: names.index(ACCURACY)] if name not in _BEFORE_SETTINGS]


def measures_of(frame: Any) -> list[str]:
    """Return the columns that hold what was measured or priced."""
    names = [str(name) for name in frame.columns]
    return names[names.index(ACCURACY) :]


def processors_of(frame: Any) -> list[str]:
    """Return the processors that the cells are priced on."""
    return list(dict.fromkeys(name.split("@", 1)[1] for name in measures_of(frame) if "@" in name))


def axes_of(frame: Any, varied: Sequence[str]) -> list[str]:
    """Return the settings that tell groups apart, in the order of the plan; seeds are what a group holds.

    Axes with one value tell nothing apart. Where cells would still share axes and seed, further settings join.

    Parameters
    ----------
    varied : settings that the plan varies, without the seed
    """
    settings = settings_of(frame)
    rows = rows_of(frame)
    varying = [name for name in settings if name != SEED and len({row[name] for row in rows}) > 1]
    axes = [name for name in varied if name in varying]
    others = sorted((name for name in varying if name not in axes), key=lambda name: name in _RATES)
    for name in others:
        if len({tuple(row[axis] for axis in (*axes, SEED)) for row in rows}) == len(rows):
            break
        axes.append(name)
    return axes


def series_axis(axes: Sequence[str]) -> str | None:
    """Return the axis that colours tell apart: the rule if it varies, else the first that is no width."""
    others = [axis for axis in axes if axis not in WIDTHS]
    return "rule" if "rule" in axes else others[0] if others else None


def groups_of(frame: Any, axes: Sequence[str]) -> list[Group]:
    """Return the groups of cells that differ in the seed only, in the order of the table."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows_of(frame):
        found.setdefault(tuple(row[axis] for axis in axes), []).append(row)
    return [
        Group(
            dict(zip(axes, key, strict=True)),
            tuple(row for row in rows if row["status"] == "done"),
            tuple(row for row in rows if row["status"] != "done"),
        )
        for key, rows in found.items()
    ]


@dataclass(frozen=True)
class Goal:
    """A column, and whether more of it is better."""

    column: str
    up: bool


def goal(text: str, columns: Sequence[str]) -> Goal:
    """Return the goal that a column stands for; `:up` or `:down` behind its name says another direction.

    Raises
    ------
    UserError
        "column '...' is not known; ..." or "column '...' has no better side ..."

    Example
    -------
    >>> goal("accuracy_percent", ["accuracy_percent"]), goal("bits:down", ["bits"]).up
    (Goal(column='accuracy_percent', up=True), False)
    """
    name, _, side = text.strip().partition(":")
    if name not in columns:
        raise unknown("column", name, columns)
    if side not in ("", "up", "down"):
        raise UserError(f"direction '{side}' of {name} is not known; known: down, up; for example {name}:down")
    if side:
        return Goal(name, side == "up")
    if name in _NEITHER or name not in columns[columns.index(ACCURACY) if ACCURACY in columns else 0 :]:
        raise UserError(f"column '{name}' has no better side of its own; give {name}:up or {name}:down")
    return Goal(name, name in _UP)


@dataclass(frozen=True)
class Front:
    """Indices of optimal groups, from the worst to the best in the first goal; `unplaced` groups lack a value."""

    goals: tuple[Goal, ...]
    members: tuple[int, ...]
    unplaced: tuple[int, ...]


def pareto(groups: Sequence[Group], goals: Sequence[Goal]) -> Front:
    """Return the Pareto front of the means: no other group is as good in every goal and better in one."""
    points: dict[int, tuple[float, ...]] = {}
    for index, group in enumerate(groups):
        means = [group.mean(one.column) for one in goals]
        placed = [mean for mean in means if mean is not None]
        if len(placed) == len(goals):
            points[index] = tuple(mean if one.up else -mean for one, mean in zip(goals, placed, strict=True))

    best: list[tuple[float, ...]] = []  # none beats another
    for point in sorted(set(points.values()), reverse=True):  # what beats a point comes before it
        if not any(all(a >= b for a, b in zip(other, point, strict=True)) for other in best):
            best.append(point)
    kept = set(best)
    members = sorted((index for index, point in points.items() if point in kept), key=lambda index: points[index])
    return Front(tuple(goals), tuple(members), tuple(i for i in range(len(groups)) if i not in points))


@dataclass(frozen=True)
class Step:
    """Step along a front: gain in accuracy (paired over common seeds) and cost in energy.

    Parameters
    ----------
    points_per_nj : percentage points of accuracy for each nanojoule more
    """

    first: int
    second: int
    energy_pj: float
    accuracy: float
    paired: Interval | None
    points_per_nj: float | None


def worth(groups: Sequence[Group], energy: str) -> list[Step]:
    """Return what each step along the front of accuracy and energy costs and buys, from the cheapest up."""
    members = pareto(groups, (Goal(ACCURACY, True), Goal(energy, False))).members
    steps = []
    for first, second in pairwise(members):
        a, b = groups[first], groups[second]
        cost = _mean_of(b, energy) - _mean_of(a, energy)
        gain = _mean_of(b, ACCURACY) - _mean_of(a, ACCURACY)
        steps.append(Step(first, second, cost, gain, _paired(a, b, ACCURACY), 1000 * gain / cost if cost else None))
    return steps


def _mean_of(group: Group, column: str) -> float:
    mean = group.mean(column)
    assert mean is not None, "a member of a front has a value in each of its columns"
    return mean


def _paired(a: Group, b: Group, column: str) -> Interval | None:
    """Return b - a over the seeds that both have."""
    first, second = a.by_seed(column), b.by_seed(column)
    differences = [second[seed] - first[seed] for seed in first if seed in second]
    return interval(differences) if differences else None


@dataclass(frozen=True)
class Enough:
    """The smallest bits whose mean accuracy is within some points of a reference.

    Parameters
    ----------
    setting : every axis but bits
    reference : accuracy in percent
    reference_is : "12 bits", or "given"
    bits : None where no width comes so near
    found : accuracy at these bits
    short : reference - accuracy, paired over common seeds; None where there is nothing to pair
    outside : wider bits that are not within the points, which speaks against trusting the answer
    failed : bits without an accuracy, because every cell failed
    """

    setting: dict[str, Any]
    reference: float | None
    reference_is: str
    bits: int | None
    found: Interval | None
    short: Interval | None
    outside: tuple[int, ...]
    failed: tuple[int, ...]


def smallest_bits(
    groups: Sequence[Group], within: float = 1.0, reference: str | float = "widest", axis: str = BITS
) -> list[Enough]:
    """Return, for every setting of the other axes, the smallest bits within some points of a reference.

    Parameters
    ----------
    within : percentage points of accuracy
    reference : "widest" bits or "best" bits of the same setting, or an accuracy in percent, for example of float

    Raises
    ------
    UserError
        "reference '...' is not known; ..." or "the bits do not vary ..."
    """
    if isinstance(reference, str) and reference not in ("widest", "best"):
        raise unknown("reference", reference, ("widest", "best", "a number in percent"))
    if not all(axis in group.setting for group in groups):
        raise UserError(f"the {axis} do not vary in this study, so no smallest one can be found")
    families: dict[tuple[Any, ...], list[Group]] = {}
    for group in groups:
        families.setdefault(tuple(value for name, value in group.setting.items() if name != axis), []).append(group)
    found = []
    for family in families.values():
        family.sort(key=lambda group: group.setting[axis] if group.setting[axis] is not None else -1)
        setting = {name: value for name, value in family[0].setting.items() if name != axis}
        reached = [(group, over) for group in family if (over := group.over(ACCURACY)) is not None]
        failed = tuple(group.setting[axis] for group in family if group.over(ACCURACY) is None)
        if not reached:
            found.append(Enough(setting, None, "none", None, None, None, (), failed))
            continue
        at: Group | None = None
        if isinstance(reference, str):
            at = reached[-1][0] if reference == "widest" else max(reached, key=lambda pair: pair[1].mean)[0]
            title = axis_title(axis, has_residual_bits(groups))
            level, what = at.mean(ACCURACY), f"{at.setting[axis]} {title}"
        else:
            level, what = float(reference), "given"
        assert level is not None
        least = level - within - ROUNDING
        inside = [group for group, over in reached if over.mean >= least]
        smallest = inside[0] if inside else None
        outside = tuple(
            group.setting[axis]
            for group, over in reached
            if smallest is not None and group.setting[axis] > smallest.setting[axis] and over.mean < least
        )
        found.append(
            Enough(
                setting,
                level,
                what,
                None if smallest is None else smallest.setting[axis],
                None if smallest is None else smallest.over(ACCURACY),
                None if smallest is None or at is None or smallest is at else _paired(smallest, at, ACCURACY),
                outside,
                failed,
            )
        )
    return found


@dataclass(frozen=True)
class Difference:
    """Paired difference, second - first, over common seeds; `only_one` lists the seeds that one of them lacks.

    Parameters
    ----------
    setting : the axes that both share
    percent : the mean difference, of the first's mean over the same seeds; None where that is zero
    """

    setting: dict[str, Any]
    first: Any
    second: Any
    difference: Interval | None
    percent: float | None
    only_one: tuple[int, ...]


def paired(groups: Sequence[Group], by: str, column: str = ACCURACY, baseline: str | None = None) -> list[Difference]:
    """Return the differences between the values of one axis, every other axis the same, paired over common seeds.

    Parameters
    ----------
    baseline : value that the others are compared with, as text; every pair if None

    Raises
    ------
    UserError
        "axis '...' is not known; ..." or "... has no value '...'; ..."
    """
    axes = list(groups[0].setting) if groups else []
    if by not in axes:
        if not axes:
            raise UserError("nothing but the seed varies in this study, so there are no settings to compare")
        raise unknown("axis", by, axes)
    values = list(dict.fromkeys(group.setting[by] for group in groups))
    if baseline is None:
        pairs = list(combinations(values, 2))
    else:
        base = [value for value in values if typed(value) == baseline]
        if not base:
            raise UserError(f"{by} has no value '{baseline}' in this study; it has {', '.join(map(typed, values))}")
        pairs = [(base[0], value) for value in values if value != base[0]]
    families: dict[tuple[Any, ...], dict[Any, Group]] = {}
    for group in groups:
        families.setdefault(tuple(v for k, v in group.setting.items() if k != by), {})[group.setting[by]] = group
    found = []
    for key, family in families.items():
        setting = dict(zip((axis for axis in axes if axis != by), key, strict=True))
        for a, b in pairs:
            if a not in family or b not in family:
                continue  # a list of cells need not be a grid
            first, second = family[a].by_seed(column), family[b].by_seed(column)
            common = [seed for seed in first if seed in second]
            base_mean = math.fsum(first[seed] for seed in common) / len(common) if common else 0.0
            difference = _paired(family[a], family[b], column)
            percent = 100 * difference.mean / base_mean if difference is not None and base_mean else None
            planned = {row[SEED] for group in (family[a], family[b]) for row in (*group.rows, *group.failed)}
            left_out = tuple(sorted(planned - set(common)))
            found.append(Difference(setting, a, b, difference, percent, left_out))
    return found
