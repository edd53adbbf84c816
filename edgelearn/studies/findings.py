"""Findings of a study: sentences whose numbers come from its table, and what must hold of the table for them.

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
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelearn.errors import UserError, unknown
from edgelearn.studies.analysis import ACCURACY, Group, Interval, interval
from edgelearn.studies.wording import Number, scale_for, shown

FINDINGS = "findings.toml"
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Finding:
    """A sentence, its numbers in their places, and the settings it rests on."""

    parts: tuple[Number | str, ...]
    rests_on: tuple[Group, ...]

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


def read_findings(folder: Path, groups: Sequence[Group]) -> list[Finding]:
    """Read the findings of a study and hold them against its table.

    Parameters
    ----------
    groups : of the whole study, see `analysis.groups_of`

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
        given = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("findings", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}; give [[findings]] with text, numbers and holds") from None
    found = []
    for k, one in enumerate(given, 1):
        try:
            found.append(_finding(one, groups))
        except UserError as error:
            raise UserError(f"finding {k} of {path}: {error}") from None
    return found


def _finding(given: Any, groups: Sequence[Group]) -> Finding:
    _check_keys(given, ("text", "numbers", "holds"), "a finding")
    rests_on: dict[str, Group] = {}
    numbers = {name: _number(one, groups, rests_on) for name, one in given.get("numbers", {}).items()}
    for one in given.get("holds", ()):
        _check_holds(one, groups, rests_on)
    if not rests_on:
        raise UserError("it rests on no rows; give numbers or holds")
    pieces = _PLACE.split(str(given.get("text", "")))
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
    column = given.get("column", ACCURACY)
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
    number = Number(over.mean, shown(column, over.mean, scale), over.low, over.high, over.n, scale, column)
    return number, f" {unit}" if unit else ""


def _check_holds(given: Any, groups: Sequence[Group], rests_on: dict[str, Group]) -> None:
    """Check what must hold of every setting that `where` fits."""
    _check_keys(given, ("where", "above", "near", "points", "column"), "holds")
    if ("above" in given) == ("near" in given):
        raise UserError("holds needs above or near; give one of them")
    column = given.get("column", ACCURACY)
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
        points = given.get("points", 1.0)
        if "near" in given and (apart.low < -points or apart.high > points):
            raise UserError(f"{said}, which is not within {points:g}")


def _fitting(where: Mapping[str, Any], groups: Sequence[Group], one: bool = False) -> list[Group]:
    for axis in where:
        if groups and axis not in groups[0].setting:
            raise unknown("axis", axis, groups[0].setting)
    found = [group for group in groups if all(group.setting[axis] == value for axis, value in where.items())]
    if not found or (one and len(found) > 1):
        fits = f"{len(found)} settings; name all axes" if found else "no setting of the table"
        raise UserError(f"where = {dict(where)} fits {fits}")
    return found


def _counterpart(group: Group, change: Mapping[str, Any], groups: Sequence[Group]) -> Group:
    """Return the group whose setting differs from a group's in what `change` says."""
    return _fitting(group.setting | dict(change), groups, one=True)[0]


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
    return interval(a[seed] / b[seed] if is_ratio else a[seed] - b[seed] for seed in common)


def _check_keys(given: Any, known: Sequence[str], what: str) -> None:
    if not isinstance(given, Mapping):
        raise UserError(f"{what} is {given!r}; give a table of {', '.join(known)}")
    for key in given:
        if key not in known:
            raise unknown(f"key of {what}", key, known)
