"""Findings of a study: sentences with numbers from its table, and conditions that the table is checked for.

`findings.toml` in the folder of a study, written by people:

    [[findings]]
    text = "At 2 bits dfa reaches {reached}, {lost} less than at 8."
    numbers.reached = { where = { bits = 2, rule = "dfa" } }
    numbers.lost = { where = { bits = 8, rule = "dfa" }, less = { bits = 2 } }
    holds = [{ where = { rule = "dfa" }, above = { rule = "drtp" } }]

`where` names settings by their axes; what it leaves out may be anything. A number needs one setting; `less` and `over`
change axes of it, for the paired difference and the paired ratio over common seeds. `column` is the accuracy unless
given. `holds` is checked for every setting that `where` fits and the one that `above` or `near` makes of it: the 95 %
interval of the paired difference is above 0, or all of it within `points` of 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from edgelearn import files
from edgelearn.errors import UserError, unknown
from edgelearn.studies.analysis import ACCURACY, Group, Interval, interval
from edgelearn.studies.formatting import Number, limits_of, scale_for, shown

Kind = TypeVar("Kind")
FINDINGS = "findings.toml"
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Finding:
    """A sentence with its numbers filled in, and the settings it refers to.

    Parameters
    ----------
    remark : on settings among them whose tuned rates are at the edge of those tried
    """

    parts: tuple[Number | str, ...]
    rests_on: tuple[Group, ...]
    remark: str = ""

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return the settings by name, with their accuracy."""
        found = []
        for group in self.rests_on:
            number, unit = _shown(ACCURACY, _over(group, ACCURACY))
            seeds = "one seed" if number.n == 1 else f"{number.n} seeds"
            found.append((group.name, f"{number.text}{unit}, {seeds}"))
        return found


def edge_remark(groups: Sequence[Group], tuning: Any) -> str:
    """Say which settings have rates at the edge of those that tuning tried; nothing where none has."""
    tuned = tuning["groups"] if tuning is not None else []
    found = []
    for group in groups:
        for one in tuned:
            if one["at_edge"] and all(one["settings"].get(axis) == value for axis, value in group.setting.items()):
                found.append(f"{group.name} ({', '.join(one['at_edge']).replace('_', ' ')})")
    return f"rates at the edge of those tried, so that better ones may lie beyond: {'; '.join(found)}" if found else ""


def read_findings(folder: Path, groups: Sequence[Group], tuning: Any = None) -> list[Finding]:
    """Read the findings of a study and hold them against its table.

    Parameters
    ----------
    groups : of the whole study, see `analysis.groups_of`
    tuning : tuning.json as plain data; None where no rates were tuned

    Raises
    ------
    UserError
        "... cannot be read ...", "finding ...: ..." where a number fits no setting or several, or the table says
        otherwise
    """
    path = folder / FINDINGS
    if not path.is_file():
        return []
    try:
        given = files.read_toml(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read: {files.reason_of(error)}; give [[findings]] with text, numbers and holds"
        ) from None
    _check_keys(given, ("findings",), str(path))
    found = []
    for k, one in enumerate(_checked(given, "findings", list, "tables [[findings]]"), 1):
        try:
            finding = _finding(one, groups)
            found.append(replace(finding, remark=edge_remark(finding.rests_on, tuning)))
        except UserError as error:
            raise UserError(f"finding {k} of {path}: {error}") from None
    return found


def _finding(given: Any, groups: Sequence[Group]) -> Finding:
    _check_keys(given, ("text", "numbers", "holds"), "a finding")
    rests_on: dict[str, Group] = {}
    pieces = _PLACE.split(_checked(given, "text", str, "a sentence"))
    places = _checked(given, "numbers", dict, "a table of numbers")
    numbers = {name: _number(one, groups, rests_on) for name, one in places.items()}
    for one in _checked(given, "holds", list, "a list of tables"):
        _check_holds(one, groups, rests_on)
    if not rests_on:
        raise UserError("it rests on no rows; give numbers or holds")
    for name in numbers:
        if name not in pieces[1::2]:
            raise UserError(f"number '{name}' has no place in the text; write {{{name}}} there")
    parts: list[Number | str] = []
    for k, piece in enumerate(pieces):
        if k % 2 == 0:
            parts.append(piece)
        elif piece not in numbers:
            raise unknown("number", piece, numbers)
        else:
            number, unit = numbers[piece]
            parts += [number, unit]
    return Finding(tuple(part for part in parts if part), tuple(rests_on.values()))


def _number(given: Any, groups: Sequence[Group], rests_on: dict[str, Group]) -> tuple[Number, str]:
    """Return a number and its unit, and note the settings that it rests on."""
    _check_keys(given, ("where", "less", "over", "column"), "a number")
    if "less" in given and "over" in given:
        raise UserError("a number is a difference by less or a ratio by over; give one of them")
    column = _column(given, groups)
    (group,) = _fitting(given.get("where", {}), groups, one=True)
    rests_on[group.name] = group
    change = given.get("less", given.get("over"))
    if change is None:
        return _shown(column, _over(group, column))
    other = _counterpart(group, change, groups)
    rests_on[other.name] = other
    if "less" in given:
        return _shown(column, _paired(group, other, column), is_difference=True)
    ratio = _paired(group, other, column, is_ratio=True)
    return Number(ratio.mean, f"{ratio.mean:.2f}", ratio.low, ratio.high, ratio.n, about=f"ratio of {column}"), ""


def _shown(column: str, over: Interval, is_difference: bool = False) -> tuple[Number, str]:
    scale, unit = scale_for(column, [over.mean])
    if column == ACCURACY:
        unit = "points" if is_difference else "%"
    limits = None if is_difference else limits_of(column)
    number = Number(over.mean, shown(column, over.mean, scale), over.low, over.high, over.n, scale, column, limits)
    return number, f" {unit}" if unit else ""


def _check_holds(given: Any, groups: Sequence[Group], rests_on: dict[str, Group]) -> None:
    """Check what must hold of every setting that `where` fits."""
    _check_keys(given, ("where", "above", "near", "points", "column"), "holds")
    if ("above" in given) == ("near" in given):
        raise UserError("holds needs above or near; give one of them")
    points = given.get("points", 1.0)
    if isinstance(points, bool) or not isinstance(points, int | float) or ("near" not in given and "points" in given):
        raise UserError(f"points = {points!r} cannot be used; give a number, beside near")
    column = _column(given, groups)
    change = given.get("above", given.get("near"))
    for group in _fitting(given.get("where", {}), groups):
        other = _counterpart(group, change, groups)
        rests_on |= {group.name: group, other.name: other}
        apart = _paired(group, other, column)
        if apart.low is None or apart.high is None:
            raise UserError(f"{group.name} has one seed, and so no interval; run more seeds")
        said = f"{group.name} less {other.name} is {apart.mean:g} ({apart.low:g} to {apart.high:g}) in {column}"
        if "above" in given and apart.low <= 0:
            raise UserError(f"{said}, which is not above 0")
        if "near" in given and (apart.low < -points or apart.high > points):
            raise UserError(f"{said}, which is not within {points:g}")


def _fitting(where: Any, groups: Sequence[Group], one: bool = False) -> list[Group]:
    """Return the groups that have the values of some axes; "none" is that of a setting which is left out."""
    if not isinstance(where, Mapping):
        raise UserError(f"where, less, over, above and near name settings by their axes, not {where!r}")
    for axis in where:
        if groups and axis not in groups[0].setting:
            raise unknown("axis", axis, groups[0].setting)
    wanted = {axis: None if value == "none" else value for axis, value in where.items()}
    found = [
        group for group in groups if all(group.setting[axis] in (value, where[axis]) for axis, value in wanted.items())
    ]
    if not found or (one and len(found) > 1):
        fits = f"{len(found)} settings; name all axes" if found else "no setting of the table"
        raise UserError(f"where = {dict(where)} fits {fits}")
    return found


def _counterpart(group: Group, change: Mapping[str, Any], groups: Sequence[Group]) -> Group:
    """Return the group whose setting differs from a group's in what `change` says."""
    if not isinstance(change, Mapping):
        raise UserError(f"where, less, over, above and near name settings by their axes, not {change!r}")
    other = _fitting(group.setting | dict(change), groups, one=True)[0]
    if other is group:
        raise UserError(f"{group.name} is compared with itself; change an axis, or leave it out of where")
    return other


def _column(given: Mapping[str, Any], groups: Sequence[Group]) -> str:
    """Return the column of a number; its values are numbers."""
    column = given.get("column", ACCURACY)
    values = (row.get(column) if isinstance(column, str) else column for group in groups for row in group.rows)
    if any(value is not None and (isinstance(value, bool) or not isinstance(value, int | float)) for value in values):
        raise UserError(f"column {column!r} holds no numbers; see the columns of table.csv")
    return str(column)


def _checked(given: Mapping[str, Any], key: str, kind: type[Kind], what: str) -> Kind:
    """Return what stands under a key, empty where nothing does."""
    value = given.get(key, kind())
    if not isinstance(value, kind):
        raise UserError(f"{key} = {value!r} cannot be used; give {what}")
    return value


def _over(group: Group, column: str) -> Interval:
    over = group.over(column)
    if over is None:
        raise UserError(f"{group.name} has no value of {column}; see the columns of table.csv")
    return over


def _paired(first: Group, second: Group, column: str, is_ratio: bool = False) -> Interval:
    """Return first - second, or first / second, over the seeds that both have."""
    a, b = first.by_seed(column), second.by_seed(column)
    common = [seed for seed in a if seed in b]
    if not common:
        raise UserError(f"{first.name} and {second.name} share no seed with a value of {column}")
    if is_ratio and not all(b[seed] for seed in common):
        raise UserError(f"{column} of {second.name} is 0, so that there is no ratio; give less in the place of over")
    return interval(a[seed] / b[seed] if is_ratio else a[seed] - b[seed] for seed in common)


def _check_keys(given: Any, known: Sequence[str], what: str) -> None:
    if not isinstance(given, Mapping):
        raise UserError(f"{what} is {given!r}; give a table of {', '.join(known)}")
    for key in given:
        if key not in known:
            raise unknown(f"key of {what}", key, known)
