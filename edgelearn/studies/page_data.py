"""Content of a study's page, independent of HTML and Markdown: summary, tables, settings.

Everything is a row of the table or follows from it by `analysis`; raw values stand beside what is shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgelearn.errors import UserError
from edgelearn.files import read_json
from edgelearn.runs.registry import find_kind
from edgelearn.studies.analysis import (
    ACCURACY,
    BITS,
    ENERGY,
    SEED,
    STORED,
    Enough,
    Goal,
    Group,
    Interval,
    axes_of,
    axis_title,
    groups_of,
    has_residual_bits,
    measures_of,
    named,
    paired,
    pareto,
    processors_of,
    rows_of,
    series_axis,
    settings_of,
    smallest_bits,
    worth,
)
from edgelearn.studies.equal_accuracy_page import equal_accuracy_said, equal_accuracy_table
from edgelearn.studies.findings import Finding, read_findings
from edgelearn.studies.formatting import NOTHING, Number, scale_for, shown, title_of
from edgelearn.studies.page_tables import Column, Row, Table, of_interval
from edgelearn.studies.table import EQUAL_ACCURACY, PARQUET, TUNING, read_study

MOST_CELLS_SHOWN = 15_000  # table cells; above, the page would be too large to send
MOST_PAIRS_SHOWN = 120
MOST_ROWS_SHOWN = 300  # of any other table, and points of a plot
MOST_SAID = 24  # settings that a sentence names


@dataclass(frozen=True)
class Source:
    """Input of a page.

    Parameters
    ----------
    name : of the folder
    varied : settings that the plan varies, without the seed
    planned : cells of the plan, ended or not
    toml : study.toml as text
    tuning : tuning.json as plain data; None where no rates were tuned
    folder : where findings.toml may be
    equal_accuracy : equal_accuracy.json as plain data; None where rules were not compared so
    """

    name: str
    question: str
    kind: str
    varied: tuple[str, ...]
    planned: int
    frame: Any
    toml: str = ""
    tuning: Any = None
    folder: Path | None = None
    equal_accuracy: Any = None

    @property
    def title(self) -> str:
        """The question, or what the study varies."""
        *others, last = [axis.replace("_", " ") for axis in self.axes] or [self.name]
        return self.question or f"Study of {', '.join(others)}{' and ' if others else ''}{last}"

    @property
    def axes(self) -> list[str]:
        """Return the settings that tell groups apart."""
        return axes_of(self.frame, self.varied)


def open_study(folder: Path) -> Source:
    """Read what `edgelearn sweep` left in a folder; cells need not all have ended.

    Raises
    ------
    UserError
        "... holds no study ...", "... is damaged ...", "... holds no cells yet ..."
    """
    study = read_study(folder)
    for name in ("cell", "status", "error", "kind", SEED, ACCURACY, *study.plan.varied):
        if name not in study.frame.columns:
            raise UserError(f"{folder / PARQUET} is damaged: it has no column '{name}'; the same sweep writes it anew")
    if not len(study.frame):
        raise UserError(f"{folder} holds no cells yet; let `edgelearn sweep` run until some have ended")
    tuning = None
    if (folder / TUNING).is_file():
        try:
            tuning = read_json(folder / TUNING)
            _tuning_table(tuning)
            _ = tuning["seed"], tuning["validation"] + tuning["fraction"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f"{folder / TUNING} is damaged; the same sweep again writes it anew") from None
    equal = None
    if (folder / EQUAL_ACCURACY).is_file():
        try:
            equal = read_json(folder / EQUAL_ACCURACY)
            equal_accuracy_table(equal)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise UserError(
                f"{folder / EQUAL_ACCURACY} is damaged; `edgelearn study equal-accuracy` writes it anew"
            ) from None
    return Source(
        folder.resolve().name,
        study.plan.question,
        study.plan.kind,
        study.plan.varied,
        len(study.plan.cells()),
        study.frame,
        study.plan.to_toml(),
        tuning,
        folder,
        equal,
    )


@dataclass(frozen=True)
class Contents:
    """Content of a page; `left_out` names what exceeds its size.

    Parameters
    ----------
    shown : indices of the groups that tables and plots have: all of them, or some of very many
    """

    source: Source
    axes: tuple[str, ...]
    groups: tuple[Group, ...]
    shown: tuple[int, ...]
    processors: tuple[str, ...]
    summary: tuple[tuple[Number | str, ...], ...]
    tables: dict[str, Table]
    fixed: tuple[tuple[str, str], ...]
    varied: tuple[tuple[str, str], ...]
    tuning: str
    within: float
    left_out: str
    findings: tuple[Finding, ...] = ()


def _text(value: Any) -> str:
    return NOTHING if value is None else str(value)


def without_cells(contents: Contents) -> Contents:
    """Return what a page says without the table of all cells."""
    tables = {key: table for key, table in contents.tables.items() if key != "cells"}
    cells = contents.tables["cells"]
    return replace(contents, tables=tables, left_out=_left_out(len(cells.rows), len(cells.columns)))


def with_fewer(contents: Contents, n: int) -> Contents:
    """Return what a page says with at most n rows in a table and n settings in a plot."""
    shown = choose_groups(contents.groups, contents.processors, n)
    tables = {key: table.first(n) for key, table in contents.tables.items()}
    groups = contents.tables["groups"]
    rows = tuple(row for row in groups.rows if row.group in shown)
    tables["groups"] = replace(groups, rows=rows, left_out=len(contents.groups) - len(rows))
    return replace(contents, shown=tuple(sorted(shown)), tables=tables)


def choose_groups(groups: Sequence[Group], processors: Sequence[str], n: int) -> set[int]:
    """Choose the n groups that say most: those on fronts of accuracy and energy, then the most accurate ones."""
    if len(groups) <= n:
        return set(range(len(groups)))
    fronts = [
        index
        for processor in processors
        for index in reversed(pareto(groups, (Goal(ACCURACY, True), Goal(f"{ENERGY}@{processor}", False))).members)
    ]
    reached = {index: mean for index, group in enumerate(groups) if (mean := group.mean(ACCURACY)) is not None}
    by_accuracy = sorted(reached, key=lambda index: -reached[index])
    order = dict.fromkeys((*fronts, *by_accuracy, *range(len(groups))))
    return set(list(order)[:n])


def _left_out(n_rows: int, n_columns: int) -> str:
    return f"{n_rows:,} cells in {n_columns} columns are more than a page holds; table.csv has them all."


def measured_where(source: Source) -> str:
    """Return where the accuracy of a study is measured."""
    return find_kind(source.kind).accuracy


def contents_of(source: Source, within: float = 1.0, reference: str | float = "widest") -> Contents:
    """Return all that a page says of a study.

    Parameters
    ----------
    within, reference : of the smallest bits, see `analysis.smallest_bits`
    """
    frame, axes = source.frame, source.axes
    groups = groups_of(frame, axes)
    processors = processors_of(frame)
    width = next((axis for axis in (STORED, BITS) if axis in axes), BITS)
    enough = smallest_bits(groups, within, reference, width) if width in axes else []
    chosen = tuple(sorted(choose_groups(groups, processors, MOST_ROWS_SHOWN)))
    tables = {"groups": _groups_table(frame, axes, groups, chosen)}
    if source.equal_accuracy is not None:
        tables = {"equal": equal_accuracy_table(source.equal_accuracy), **tables}
    for processor in processors:
        if table := _front_table(axes, groups, processor):
            tables[f"front@{processor}"] = table.first(MOST_ROWS_SHOWN)
    if enough:
        tables["bits"] = _bits_table(enough, [axis for axis in axes if axis != width], groups, width)
    by = series_axis(axes)
    if by is not None and (differences := _differences_table(groups, axes, by)):
        tables["differences"] = differences
    rows = rows_of(frame)
    columns = _cells_columns(frame, axes, rows)
    left_out = ""
    if len(rows) * len(columns) > MOST_CELLS_SHOWN:
        left_out = _left_out(len(rows), len(columns))
    else:
        tables["cells"] = _cells_table(columns, rows)
    tables["failed"] = _failed_table(rows, axes).first(MOST_ROWS_SHOWN)
    if source.tuning is not None:
        tables["tuning"] = _tuning_table(source.tuning).first(MOST_ROWS_SHOWN)
    settings = rows
    names = [name for name in settings_of(frame) if name not in axes and name != SEED]
    constant = [(name, settings[0][name]) for name in names if len({row[name] for row in settings}) == 1]
    changing = [name for name in [*axes, SEED, *names] if len({row[name] for row in settings}) > 1]
    return Contents(
        source,
        tuple(axes),
        tuple(groups),
        chosen,
        tuple(processors),
        (
            *(equal_accuracy_said(source.equal_accuracy) if source.equal_accuracy is not None else ()),
            *_summary(source, groups, processors, enough, within),
        ),
        tables,
        (
            *((name, _text(value)) for name, value in constant if value is not None),
            *(("view + residual = stored bits", word) for word in _single_word(groups)),
        ),
        tuple(
            (name, ", ".join(dict.fromkeys(_text(row[name]) for row in settings))) for name in dict.fromkeys(changing)
        ),
        _tuning_said(source) if source.tuning is not None else "",
        within,
        left_out,
        tuple(read_findings(source.folder, groups, source.tuning)) if source.folder is not None else (),
    )


def _axis_columns(axes: Sequence[str], groups: Sequence[Group]) -> list[Column]:
    has_residual = has_residual_bits(groups)
    return [Column(axis, axis_title(axis, has_residual), numeric=_is_numeric(axis, groups)) for axis in axes]


def _single_word(groups: Sequence[Group]) -> list[str]:
    """Return the word of all groups, where they share one."""
    words = {group.word for group in groups}
    return [word for word in words if word is not None and len(words) == 1]


def _word_columns(groups: Sequence[Group]) -> list[Column]:
    """Return the column of stored bits, where they differ between groups."""
    words = {group.word for group in groups}
    return [Column("word", "view + residual = stored", "bits", numeric=False)] if len(words) > 1 else []


def _setting_and_word(group: Group, axes: Sequence[str], words: Sequence[Column]) -> list[Number | str | None]:
    return [*_setting_cells(group.setting, axes), *(group.word for _ in words)]


def _is_numeric(axis: str, groups: Sequence[Group]) -> bool:
    values = [group.setting[axis] for group in groups]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _setting_cells(setting: Mapping[str, Any], axes: Sequence[str]) -> list[Number | str | None]:
    return [_setting_cell(setting[axis]) for axis in axes]


def _setting_cell(value: Any) -> Number | str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Number(value, str(value))
    return None if value is None else str(value)


def _measure_column(key: str, values: Iterable[float | None]) -> Column:
    scale, unit = scale_for(key, values)
    processor = key.split("@", 1)[1] if "@" in key else None
    return Column(key, title_of(key), unit, scale, processor)


def _groups_table(frame: Any, axes: Sequence[str], groups: Sequence[Group], chosen: Sequence[int]) -> Table:
    """Lay out mean, interval and number of seeds of chosen groups."""
    wanted = [ACCURACY, "stored_bits", "buffered_bits", "saturations"]
    known = measures_of(frame)
    for processor in processors_of(frame):
        wanted += [f"{name}@{processor}" for name in ("energy_pj", "latency_us", "area_um2", "memory_bits")]
    overs = {key: [group.over(key) for group in groups] for key in wanted if key in known}
    overs = {key: values for key, values in overs.items() if key == ACCURACY or any(values)}
    columns = [_measure_column(key, [over.mean if over else None for over in values]) for key, values in overs.items()]
    columns = [
        replace(
            column, spread=column.key == ACCURACY or any(over.low != over.high for over in overs[column.key] if over)
        )
        for column in columns
    ]
    counted = [Column("n", "seeds"), Column("failed", "failed")]
    words = _word_columns(groups)
    rows = []
    for index in chosen:
        group = groups[index]
        counts = [Number(len(part), str(len(part))) for part in (group.rows, group.failed)]
        accuracy, *costs = (of_interval(column.key, overs[column.key][index], column.scale) for column in columns)
        rows.append(Row((*_setting_and_word(group, axes, words), accuracy, *counts, *costs), group=index))
    head = (*_axis_columns(axes, groups), *words)
    return Table("groups", (*head, columns[0], *counted, *columns[1:]), tuple(rows), len(groups) - len(rows))


def _front_table(axes: Sequence[str], groups: Sequence[Group], processor: str) -> Table | None:
    """Lay out the front of accuracy and energy, and what each step along it buys."""
    energy = f"{ENERGY}@{processor}"
    front = pareto(groups, (Goal(ACCURACY, True), Goal(energy, False)))
    if not front.members:
        return None
    steps = {step.second: step for step in worth(groups, energy)}
    energies = _measure_column(energy, [groups[index].mean(energy) for index in front.members])
    words = _word_columns(groups)
    columns = (
        *_axis_columns(axes, groups),
        *words,
        Column(ACCURACY, "accuracy", "%", processor=processor),
        energies,
        Column("gain", "more accuracy", "points", processor=processor),
        Column("cost", "for more energy", energies.unit, energies.scale, processor),
        Column("points_per_nj", "points a nJ", processor=processor),
    )
    rows = []
    for index in front.members:
        group, step = groups[index], steps.get(index)
        accuracy, cost = group.over(ACCURACY), group.over(energy)
        bought: list[Number | None] = [None, None, None]
        if step is not None:
            paired_over = step.paired
            same = paired_over is not None and math.isclose(paired_over.mean, step.accuracy, abs_tol=1e-9)
            gain = (
                of_interval(ACCURACY, paired_over, 1.0, is_difference=True)
                if same
                else Number(step.accuracy, shown(ACCURACY, step.accuracy))
            )
            bought = [
                gain,
                Number(step.energy_pj, shown(energy, step.energy_pj, energies.scale), scale=energies.scale),
                None if step.points_per_nj is None else Number(step.points_per_nj, shown("", step.points_per_nj)),
            ]
        reached = (of_interval(ACCURACY, accuracy, 1.0), of_interval(energy, cost, energies.scale))
        rows.append(Row((*_setting_and_word(group, axes, words), *reached, *bought), group=index))
    return Table(f"front@{processor}", columns, tuple(rows))


def _bits_table(enough: Sequence[Enough], axes: Sequence[str], groups: Sequence[Group], width: str) -> Table:
    """Lay out the smallest bits of every setting of the other axes."""
    words = _word_columns(groups)
    stored = {tuple(group.setting.items()): group.word for group in groups}

    def word(one: Enough) -> str | None:
        setting = {axis: one.setting.get(axis, one.bits) for axis in groups[0].setting}
        return stored.get(tuple(setting.items()))

    columns = (
        *(Column(axis, axis.replace("_", " "), numeric=False) for axis in axes),
        Column("smallest_bits", f"smallest {axis_title(width, has_residual_bits(groups))}"),
        *words,
        Column(ACCURACY, "accuracy there", "%"),
        Column("reference", "reference", "%"),
        Column("reference_is", "which is", numeric=False),
        Column("short", "short of it", "points"),
        Column("outside", "wider bits outside", numeric=False),
        Column("failed", "bits without a result", numeric=False),
    )
    rows = []
    by_accuracy = sorted(enough, key=lambda one: -one.found.mean if one.found is not None else 0.0)
    kept = {id(one) for one in by_accuracy[:MOST_ROWS_SHOWN]}
    for one in enough:
        if id(one) not in kept:
            continue
        rows.append(
            Row(
                (
                    *(None if one.setting[axis] is None else str(one.setting[axis]) for axis in axes),
                    "none" if one.bits is None else Number(one.bits, str(one.bits)),
                    *(word(one) for _ in words),
                    of_interval(ACCURACY, one.found, 1.0),
                    None if one.reference is None else Number(one.reference, shown(ACCURACY, one.reference)),
                    one.reference_is,
                    of_interval(ACCURACY, one.short, 1.0, is_difference=True),
                    ", ".join(map(str, one.outside)) or None,
                    ", ".join(map(str, one.failed)) or None,
                )
            )
        )
    said = [
        k
        for k, column in enumerate(columns)
        if column.key not in ("outside", "failed") or any(r.cells[k] for r in rows)
    ]
    rows = [Row(tuple(row.cells[k] for k in said)) for row in rows]
    return Table("bits", tuple(columns[k] for k in said), tuple(rows), len(enough) - len(rows))


def _differences_table(groups: Sequence[Group], axes: Sequence[str], by: str) -> Table | None:
    """Lay out the paired differences of accuracy between the values of one axis."""
    if len(groups) > 2 * MOST_PAIRS_SHOWN:  # each has a partner but in odd lists of cells
        return None
    differences = paired(groups, by)
    if not differences or len(differences) > MOST_PAIRS_SHOWN:
        return None
    others = [axis for axis in axes if axis != by]
    columns = (
        *_axis_columns(others, groups),
        Column("first", "first", numeric=False),
        Column("second", "second", numeric=False),
        Column("difference", "second less first", "points"),
        Column("n", "common seeds"),
        Column("only_one", "seeds left out", numeric=False),
    )
    rows = [
        Row(
            (
                *_setting_cells(one.setting, others),
                _text(one.first),
                _text(one.second),
                of_interval(ACCURACY, one.difference, 1.0, is_difference=True),
                Number(one.difference.n if one.difference else 0, str(one.difference.n if one.difference else 0)),
                ", ".join(map(str, one.only_one)) or None,
            )
        )
        for one in differences
    ]
    return Table("differences", columns, tuple(rows))


def _cells_columns(frame: Any, axes: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns of all cells: the settings that vary, the status, and all that was measured."""
    varied = [name for name in settings_of(frame) if name not in axes and name != SEED]
    varied = [name for name in varied if len({row[name] for row in rows}) > 1]
    keys = [key for key in measures_of(frame) if any(row[key] is not None for row in rows)]
    columns = [_measure_column(key, [row[key] for row in rows]) for key in keys]
    head = [Column(name, name.replace("_", " "), numeric=name == SEED) for name in (*axes, *varied, SEED)]
    return [*head, Column("status", "status", numeric=False), *columns]


def _cells_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out every cell."""
    place = next(k for k, column in enumerate(columns) if column.key == "status")
    made = []
    for row in rows:
        settings = [_setting_cell(row[column.key]) for column in columns[:place]]
        measured = [_measured(column, row[column.key]) for column in columns[place + 1 :]]
        made.append(Row((*settings, row["status"], *measured), cell=str(row["cell"])))
    return Table("cells", tuple(columns), tuple(made))


def _measured(column: Column, value: float | None) -> Number | None:
    return None if value is None else Number(value, shown(column.key, value, column.scale), scale=column.scale)


def _failed_table(rows: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> Table:
    columns = [Column(name, name.replace("_", " "), numeric=name == SEED) for name in (*axes, SEED)]
    made = []
    for row in rows:
        if row["status"] != "done":
            settings = (_setting_cell(row[column.key]) for column in columns)
            made.append(Row((*settings, str(row["error"] or "no reason was kept")), cell=str(row["cell"])))
    return Table("failed", (*columns, Column("error", "error", numeric=False)), tuple(made))


def _summary(
    source: Source,
    groups: Sequence[Group],
    processors: Sequence[str],
    enough: Sequence[Enough],
    within: float,
) -> Iterable[tuple[Number | str, ...]]:
    """Say what the table says: what ended, the best, the fronts, the smallest bits."""
    done, failed = sum(len(group.rows) for group in groups), sum(len(group.failed) for group in groups)
    planned = source.planned
    ended: list[Number | str] = [_count(done, "done"), " of ", _count(planned, "planned"), " cells are done, "]
    ended += [_count(failed, "failed"), " failed" + (", listed below" if failed else "")]
    if waiting := planned - done - failed:
        ended += [", ", _count(waiting, "waiting"), " have not ended yet"]
    ended += [". They make ", _count(len(groups), "groups"), " settings that differ in more than the seed."]
    yield tuple(ended)
    if single := sum(len(group.rows) == 1 for group in groups):
        yield ("Settings with one seed only, and so without an interval: ", _count(single, "single"), ".")
    reached = [(index, over) for index, group in enumerate(groups) if (over := group.over(ACCURACY)) is not None]
    if not reached:
        yield ("No cell has an accuracy.",)
        return
    best, top = max(reached, key=lambda pair: pair[1].mean)
    said: list[Number | str] = ["Best: ", groups[best].name, " with ", _number_of(ACCURACY, top, best), " %"]
    said += [" ", *_seeds_of(top), "."]
    rivals = sum(1 for index, over in reached if index != best and _reaches(over, top))
    if rivals:
        said += [" Settings whose interval reaches into this one's: ", _count(rivals, "rivals"), "."]
    if ends := _ends(groups, groups[best]):
        said.append(f" It is at an end of the grid ({', '.join(ends)}): better settings may lie outside.")
    yield tuple(said)
    if source.tuning is not None and (n := sum(bool(one["at_edge"]) for one in source.tuning["groups"])):
        yield (
            "Settings whose tuned rates are at the edge of those tried, so that better ones may lie beyond: ",
            _count(n, "at edge"), "; see the choice of rates.",
        )  # fmt: skip
    for processor in processors:
        yield from _front_said(groups, processor)
    if enough:
        width = next(axis for axis in groups[0].setting if axis not in enough[0].setting)
        yield tuple(_bits_said(enough, within, axis_title(width, has_residual_bits(groups))))


def _ends(groups: Sequence[Group], best: Group) -> list[str]:
    """Name the numeric axes in which a setting is the lowest or the highest of the grid."""
    found = []
    for axis in best.setting:
        values = {group.setting[axis] for group in groups} - {None}
        is_numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        if is_numeric and len(values) > 1 and best.setting[axis] in (min(values), max(values)):
            side = "lowest" if best.setting[axis] == min(values) else "highest"
            found.append(f"{side} {axis_title(axis, has_residual_bits(groups))}")
    return found


def _bits_said(enough: Sequence[Enough], within: float, bits: str) -> Iterable[Number | str]:
    """Say the smallest bits of every setting in one sentence; the table of them has the accuracies."""
    points = f"{within:g} point{'s' * (within != 1)}"
    given = next((one.reference for one in enough if one.reference_is == "given" and one.reference is not None), None)
    yield f"Smallest {bits} within {points} of "
    if given is None:
        of_what = {one.reference_is for one in enough if one.reference is not None}
        yield f"{' or '.join(sorted(of_what)) or 'a reference'} of the same setting: "
    else:
        yield from (Number(given, shown(ACCURACY, given), about="reference"), " %: ")
    if len(enough) > MOST_SAID:
        yield from _bits_counted(enough)
        return
    for k, one in enumerate(enough):
        yield ", " * (k > 0)
        if one.bits is None:
            yield "none" if one.reference is not None else "unknown, every cell failed,"
        else:
            yield Number(one.bits, str(one.bits), about="smallest_bits")
        if one.setting:
            names = (value if isinstance(value, str) else named({axis: value}) for axis, value in one.setting.items())
            yield f" for {' '.join(names)}"
        if one.outside:
            yield f" (but not {', '.join(map(str, one.outside))})"
    yield "."


def _bits_counted(enough: Sequence[Enough]) -> Iterable[Number | str]:
    """Say for how many settings each width is the smallest."""
    counts = Counter(one.bits for one in enough)
    for k, bits in enumerate(sorted(counts, key=lambda bits: math.inf if bits is None else bits)):
        yield ", " * (k > 0)
        yield "none" if bits is None else Number(bits, str(bits), about="smallest_bits")
        yield from (" for ", _count(counts[bits], "settings"), " settings")
    yield "."


def _reaches(over: Interval, best: Interval) -> bool:
    return over.high is not None and best.low is not None and over.high >= best.low


def _front_said(groups: Sequence[Group], processor: str) -> Iterable[tuple[Number | str, ...]]:
    energy = f"{ENERGY}@{processor}"
    front = pareto(groups, (Goal(ACCURACY, True), Goal(energy, False)))
    if not front.members:
        yield (f"On {processor} no setting has both an accuracy and an energy.",)
        return
    scale, unit = scale_for(energy, [groups[index].mean(energy) for index in front.members])
    said: list[Number | str] = [f"Front of accuracy and energy on {processor}, ", _count(len(front.members), "front")]
    said += [" of ", _count(len(groups) - len(front.unplaced), "placed"), " settings"]
    ends = [front.members[0], front.members[-1]]
    openings = (": ", "") if ends[0] == ends[1] else (": the cheapest is ", "; the most accurate is ")
    for words, index in zip(openings, dict.fromkeys(ends), strict=False):
        accuracy, cost = groups[index].over(ACCURACY), groups[index].over(energy)
        assert accuracy is not None, "on the front"
        assert cost is not None, "on the front"
        said += [words, groups[index].name, " (", _number_of(ACCURACY, accuracy, index), " %, "]
        said += [_number_of(energy, cost, index, scale), f" {unit} a trained sample)"]
    yield (*said, ".")


def _count(n: int, about: str) -> Number:
    return Number(n, f"{n:,}", about=about)


def _number_of(column: str, over: Interval, group: int, scale: float = 1.0) -> Number:
    return Number(over.mean, shown(column, over.mean, scale), scale=scale, about=f"{column} {group}")


def _seeds_of(over: Interval) -> list[Number | str]:
    if over.low is None or over.high is None:
        return ["(one seed)"]
    ends = (min(max(end, 0.0), 100.0) for end in (over.low, over.high))  # of an accuracy
    low, high = (Number(end, shown(ACCURACY, end), about=f"{ACCURACY} end") for end in ends)
    return ["(95 % interval ", low, " to ", high, " over ", _count(over.n, "seeds"), " seeds)"]


def _tuning_said(source: Source) -> str:
    """Say how rates were chosen."""
    tuning, where = source.tuning, "that they do not learn"
    if "validation_fraction" not in find_kind(source.kind).settings.model_fields:
        where = "at its start, which the cells learn anew"
    judged, kept = f"{100 * tuning['validation']:g} %", f"{100 * tuning['fraction']:g} %"
    return (
        f"The learning rates of every setting were chosen on their own, with seed {tuning['seed']}: candidates were "
        f"judged on {judged} of the training samples {where}; of each rung the best {kept} went on to more samples, "
        "and a winner at an end of what was tried was followed further. The cells then learned with the winner; their "
        f"accuracy is that {measured_where(source)}."
    )


def _tuning_table(tuning: Mapping[str, Any]) -> Table:
    """Lay out the winner of every setting, with its accuracy at the last rung it ran in."""
    groups = tuning["groups"]
    axes = list(dict.fromkeys(name for group in groups for name in group["settings"]))
    rates = list(dict.fromkeys(name for group in groups for name in group["winner"]))
    columns = (
        *(Column(axis, axis.replace("_", " "), numeric=False) for axis in axes),
        *(Column(rate, f"{rate.replace('_', ' ')}, chosen") for rate in rates),
        Column(ACCURACY, "accuracy on validation", "%"),
        Column("tried", "candidates"),
        Column("rungs", "candidates at each rung", numeric=False),
        Column("at_edge", "still at an end", numeric=False),
    )
    rows = []
    for group in groups:
        winner = group["winner"]
        scores = [one for rung in group["rungs"] for one in rung["scores"] if winner.items() <= one.items()]
        score = scores[-1][ACCURACY] if scores and winner else None
        rows.append(
            Row(
                (
                    *(None if (value := group["settings"].get(axis)) is None else str(value) for axis in axes),
                    *(_setting_cell(winner.get(rate)) for rate in rates),
                    None if score is None else Number(score, shown(ACCURACY, score)),
                    _count(len(group["candidates"]), "tried"),
                    "; ".join(_rung(rung) for rung in group["rungs"]),
                    ", ".join(name.replace("_", " ") for name in group["at_edge"]) or None,
                )
            )
        )
    return Table("tuning", columns, tuple(rows))


def _rung(rung: Mapping[str, Any]) -> str:
    """Say how many candidates ran on what.

    Example
    -------
    >>> _rung({"epochs": 1, "limit": 300, "validation_fraction": 0.2, "scores": [{}, {}]})
    '2 at epochs 1, limit 300'
    """
    spent = (f"{name} {value}" for name, value in rung.items() if name not in ("scores", "validation_fraction"))
    return f"{len(rung['scores'])} at {', '.join(spent)}"
