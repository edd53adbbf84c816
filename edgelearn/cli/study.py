"""`edgelearn study`, `edgelearn report` and `edgelearn compare`: what a sweep gave, and runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgelearn.cli.flags import Details, Flag, Json, Plot, command, group
from edgelearn.cli.shared import print_json
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from edgelearn.studies.analysis import Front, Group
    from edgelearn.studies.page_data import Source
    from edgelearn.studies.page_tables import Table

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study, as `edgelearn sweep --out` writes.")]
Within = Annotated[float, Flag("Tolerance of the smallest sufficient width, in percentage points.")]
Reference = Annotated[str, Flag("Accuracy that the tolerance refers to: widest, best, or percent.")]
MOST_SETTINGS, MOST_FAILED = 6, 3  # settings and failed cells of a study, by default
MAIN_RESULTS = (  # of runs, by default
    "accuracy_percent", "r2", "rmse", "mae", "f1", "false_alarm_rate", "missing_alarm_rate", "roc_area", "alarm_rate",
    "threshold", "saturations", "stored_bits", "buffered_bits",
)  # fmt: skip
_ON_THE_PAGE = ("latency_us", "memory_bits", "buffered_bits", "saturations")  # and in --json, not in the terminal


@command(example="edgelearn study show study")
def show(
    folder: Folder,
    within: Within = 1.0,
    reference: Reference = "widest",
    details: Details = False,
    json: Json = False,
) -> None:
    """Summarise a study: means and confidence intervals over seeds, smallest sufficient widths, failures."""
    from edgelearn.studies.analysis import BITS, STORED, measures_of, smallest_bits
    from edgelearn.studies.page import heading
    from edgelearn.studies.page_data import contents_of, open_study

    source, asked = open_study(folder), _reference(within, reference)
    contents = contents_of(source, within, asked)
    if json:
        measures = [name for name in measures_of(source.frame) if source.frame[name].dtype != object]
        width = next((axis for axis in (STORED, BITS) if axis in contents.axes), None)
        enough = smallest_bits(contents.groups, within, asked, width) if width else []
        print_json(
            {
                "question": source.question,
                "kind": source.kind,
                "cells": {"planned": source.planned, "ended": len(source.frame)},
                "axes": list(contents.axes),
                "findings": [
                    {"text": one.text, "remark": one.remark, "rests_on": [group.setting for group in one.rests_on]}
                    for one in contents.findings
                ],
                "groups": [_group_as_dict(group, measures) for group in contents.groups],
                "smallest_bits": [
                    {
                        "setting": one.setting,
                        "bits": one.bits,
                        "reference": one.reference,
                        "reference_is": one.reference_is,
                        "accuracy_percent": one.found.as_dict() if one.found else None,
                        "wider_outside": list(one.outside),
                        "without_result": list(one.failed),
                    }
                    for one in enough
                ],
                "failed": [row for group in contents.groups for row in _failures(group)],
            }
        )
        return
    from edgelearn.reports.console import make_console, next_steps, print_table, say

    console = make_console()
    say(console, source.title)
    said = ["".join(part if isinstance(part, str) else part.shown for part in line) for line in contents.summary]
    found = [
        f"finding: {finding.text}{f' ({finding.remark})' if finding.remark else ''}" for finding in contents.findings
    ]
    say(console, *(f"- {line}" for line in ([*said, *found] if details else said[:2])), "")
    if details:
        for key in ("equal", "groups", "bits", "failed"):
            if key in contents.tables and contents.tables[key].rows:
                say(console, heading(key, within))
                print_table(console, _cells(contents.tables[key], _ON_THE_PAGE))
                console.print()
    else:
        _print_best(console, contents)
        if failed := contents.tables["failed"].rows[:MOST_FAILED] if "failed" in contents.tables else ():
            print_table(console, _cells(contents.tables["failed"], ())[: len(failed)])
    next_steps(console, f"edgelearn report {folder}", f"edgelearn study pareto {folder}", details=details)


def print_best(console: Console, folder: Path) -> None:
    """Print the settings of a study with the highest accuracy, means over seeds."""
    from edgelearn.studies.page_data import contents_of, open_study

    _print_best(console, contents_of(open_study(folder), 1.0, "widest"))


def _print_best(console: Console, contents: Any) -> None:
    from edgelearn.reports.console import print_table, say
    from edgelearn.studies.analysis import ACCURACY

    rows = _cells(contents.tables["groups"], (*_ON_THE_PAGE, "seeds", "failed", "area_um2"))
    means = [group.mean(ACCURACY) for group in contents.groups]
    ranked = sorted(range(len(rows)), key=lambda k: -1.0 if means[k] is None else means[k], reverse=True)
    print_table(console, [rows[k] for k in sorted(ranked[:MOST_SETTINGS])], leave_out=True)
    if len(rows) > MOST_SETTINGS:
        say(console, f"the {MOST_SETTINGS} most accurate of {len(rows)} settings")


@command(example="edgelearn study compare study --by rule")
def compare_settings(
    folder: Folder,
    by: Annotated[Optional[str], Flag("Axis to compare along [rule, or the first axis].")] = None,
    column: Annotated[str, Flag("Column to compare.")] = "accuracy_percent",
    baseline: Annotated[Optional[str], Flag("Value to compare the others with [every pair].")] = None,
    json: Json = False,
) -> None:
    """Compare settings seed by seed: mean paired difference with its 95 % confidence interval."""
    from edgelearn.studies.analysis import groups_of, measures_of, paired, series_axis
    from edgelearn.studies.formatting import scale_for, shown, title_of
    from edgelearn.studies.page_data import open_study

    source = open_study(folder)
    axes = source.axes
    groups = groups_of(source.frame, axes)
    chosen = by or series_axis(axes) or (axes[0] if axes else "")
    column = _column_of(source, column, measures_of(source.frame))
    differences = paired(groups, chosen, column, baseline)
    if json:
        print_json(
            {
                "by": chosen,
                "column": column,
                "differences": [
                    {
                        "setting": one.setting,
                        "first": one.first,
                        "second": one.second,
                        "difference": one.difference.as_dict() if one.difference else None,
                        "percent_of_first": one.percent,
                        "seeds_left_out": list(one.only_one),
                    }
                    for one in differences
                ],
            }
        )
        return
    scale, unit = scale_for(column, [one.difference.mean if one.difference else None for one in differences])
    unit = "points" if column == "accuracy_percent" else unit
    from edgelearn.reports.console import make_console, print_table, say

    console = make_console()
    say(console, f"{title_of(column)}, second less first over common seeds{f', {unit}' if unit else ''}")
    others = [axis for axis in axes if axis != chosen]
    rows = []
    for one in differences:
        row = {axis: _plain(one.setting[axis]) for axis in others}
        row |= {"first": _plain(one.first), "second": _plain(one.second)}
        over = one.difference
        row["difference"] = "-" if over is None else shown(column, over.mean, scale)
        ends = over is not None and over.low is not None and over.high is not None
        row["95 % interval"] = (
            f"{shown(column, over.low, scale)} to {shown(column, over.high, scale)}"
            if over is not None and over.low is not None and over.high is not None
            else "-"
        )
        row["of first"] = "-" if one.percent is None else f"{one.percent:+.2f} %"
        row["seeds"] = str(over.n if over else 0)
        row["left out"] = ", ".join(map(str, one.only_one)) or ("" if ends or over is None else "one seed: no interval")
        rows.append(row)
    print_table(console, rows)


@command(example="edgelearn study pareto study --columns accuracy_percent,area_um2")
def fronts(
    folder: Folder,
    columns: Annotated[
        str,
        Flag("Columns; accuracy up, costs down, or NAME:up, NAME:down."),
    ] = "accuracy_percent,energy_pj",
    processor: Annotated[Optional[str], Flag("Processor of priced columns [each].")] = None,
    json: Json = False,
) -> None:
    """List the Pareto front of settings, and the accuracy gained per energy along it."""
    from edgelearn.studies.analysis import groups_of, pareto, processors_of
    from edgelearn.studies.page_data import open_study

    source = open_study(folder)
    groups = groups_of(source.frame, source.axes)
    known = processors_of(source.frame)
    if processor is not None and processor not in known:
        from edgelearn.errors import unknown

        raise unknown("processor", processor, known)
    wanted = [processor] if processor is not None else known
    found = []
    for name in _processors_for(source, columns, wanted):
        goals = _goals(source, columns, name)
        found.append((name, goals, pareto(groups, goals)))
    if json:
        print_json([_front_as_dict(name, front, groups) for name, _, front in found])
        return
    from edgelearn.reports.console import make_console, say

    console = make_console()
    for number, (name, goals, front) in enumerate(found):
        sides = ", ".join(f"{one.column} {'up' if one.up else 'down'}" for one in goals)
        judged = len(groups) - len(front.unplaced)
        say(console, *[""] * (number > 0), f"front of {sides}: {len(front.members)} of {judged} settings")
        _print_front(console, source, groups, front, name)
        for index in front.unplaced:
            failed = groups[index].failed
            why = f"; {len(failed)} of its cells failed" if failed else ""
            say(console, f"not judged, a value is missing{why}: {groups[index].name}")


@command(example="edgelearn study plot study --x bits --out fig.pdf --width 3.5")
def plot(
    folder: Folder,
    out: Annotated[Path, Flag("Figure to write, .png, .svg or .pdf.")],
    x: Annotated[
        Optional[str], Flag("Setting or measure, e.g. bits, weight_bits, energy [first width that varies].")
    ] = None,
    y: Annotated[str, Flag("Measure, e.g. error, accuracy, energy, area, saturations.")] = "error",
    where: Annotated[Optional[list[str]], Flag("NAME=VALUE,VALUE: settings to draw; repeatable.")] = None,
    processor: Annotated[Optional[str], Flag("Processor of priced measures [the only one].")] = None,
    width: Annotated[float, Flag("Width in inches: 3.5 for a column, 7 for a page.")] = 7.0,
) -> None:
    """Draw a study for a paper: means over seeds with 95 % intervals, a labelled line per rule."""
    from edgelearn.reports.console import make_console, say, written
    from edgelearn.reports.plots.figure import check_plot
    from edgelearn.studies.figure import plot_study
    from edgelearn.studies.page_data import open_study

    check_plot(out)
    shown = plot_study(open_study(folder), out, x, y, where or (), width, processor)
    console = make_console()
    say(console, f"{shown.points} settings in {len(shown.lines)} lines: {'; '.join(shown.lines)}")
    if shown.left_out:
        more = f" and {len(shown.left_out) - 3} more" if len(shown.left_out) > 3 else ""
        say(console, f"note: left out, a value is missing: {'; '.join(shown.left_out[:3])}{more}")
    written(console, out)


@command(example="edgelearn report study --out study.html")
def report(
    folder: Folder,
    out: Annotated[Optional[Path], Flag("File [DIR/report.html or DIR/report.md].")] = None,
    markdown: Annotated[bool, Flag("Write Markdown instead of HTML.")] = False,
    within: Within = 1.0,
    reference: Reference = "widest",
) -> None:
    """Write the report of a study: one self-contained HTML file with tables and plots."""
    from edgelearn.files import write_text
    from edgelearn.studies.page import to_html, to_markdown
    from edgelearn.studies.page_data import contents_of, open_study

    contents = contents_of(open_study(folder), within, _reference(within, reference))
    path = out or folder / ("report.md" if markdown else "report.html")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; give a file, for example {path / 'report.html'}")
    write_text(path, to_markdown(contents) if markdown else to_html(contents))
    typer.echo(f"written: {path}")


@command(example="edgelearn compare results-drtp results-bp")
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN ...", help="Folders of finished runs, or report.json files.")
    ],
    everything: Annotated[bool, Flag("Print equal settings and results, too.", name="--all")] = False,
    plot: Plot = None,
    details: Details = False,
    json: Json = False,
) -> None:
    """Compare finished runs: the settings and the results that differ."""
    from edgelearn.studies.compare import compare_runs

    comparison = compare_runs(runs)
    if plot is not None:
        _plot_compared(runs, [run.name for run in comparison.runs], plot)
    if json:
        print_json(comparison.as_dict())
        return
    from edgelearn.reports.console import make_console, next_steps, print_table, say, written

    console = make_console()
    say(console, *(f"note: {note}" for note in comparison.notes))
    names = [f"{k}: {run.name}" for k, run in enumerate(comparison.runs, 1)]
    for part in ("settings", "results"):
        shown = getattr(comparison, part) if everything else comparison.differing(part)
        left_out = [name for name in shown if part == "results" and not (details or everything) and not _is_main(name)]
        say(console, *[""] * (part == "results"), part if everything else f"{part} that differ")
        rows = []
        for name, values in shown.items():
            if name not in left_out:
                title, texts = _titled(name, values) if part == "results" else (_flag(name), list(map(_number, values)))
                row = {part[:-1]: title} | dict(zip(names, texts, strict=True))
                rows.append(row | ({"change": _change(name, *values)} if part == "results" and len(names) == 2 else {}))
        print_table(console, rows)
        if left_out:
            say(console, f"and {len(left_out)} more" if rows else f"of these; {len(left_out)} others differ")
        apart = comparison.apart(part)
        if apart and not everything:
            say(console, f"{len(apart)} {part} that only some kinds of run have are left out; --all shows them")
    if plot is not None:
        written(console, plot)
    next_steps(console, "--all", *([] if plot else ["--plot runs.svg"]), details=details or everything)


def _plot_compared(folders: Sequence[Path], names: Sequence[str], path: Path) -> None:
    from edgelearn.reports.plots.compared import plot_compared
    from edgelearn.reports.plots.figure import check_plot
    from edgelearn.runs.checkpoint import REPORT
    from edgelearn.runs.finished import read_report

    check_plot(path)
    files = [folder / REPORT if folder.is_dir() else folder for folder in folders]
    plot_compared([(name, read_report(file)) for name, file in zip(names, files, strict=True)], path)


def _is_main(result: str) -> bool:
    return result in MAIN_RESULTS or result.startswith("training_")


def _reference(within: float, text: str) -> str | float:
    """Read --reference, and check --within."""
    if not 0 <= within <= 100:
        raise UserError(f"--within {within:g} cannot be used; give percentage points from 0 to 100")
    if text in ("widest", "best"):
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise UserError(f"--reference '{text}' cannot be used; give widest, best, or an accuracy in percent")
    return value


def _column_of(source: Source, name: str, known: Sequence[str]) -> str:
    """Return a column by its name, or by its name without the processor where there is one."""
    from edgelearn.errors import unknown

    if name in known:
        return name
    of_processors = [column for column in known if column.split("@", 1)[0] == name]
    if len(of_processors) == 1:
        return of_processors[0]
    if of_processors:
        raise UserError(f"column '{name}' is of a processor; give one of {', '.join(of_processors)}")
    raise unknown("column", name, known)


def _processors_for(source: Source, columns: str, wanted: Sequence[str]) -> list[str | None]:
    """Return the processors that need a front of their own; none where no column is of a processor."""
    names = [part.strip().partition(":")[0] for part in columns.split(",")]
    known = {str(column) for column in source.frame.columns}
    bare = [name for name in names if name not in known and any(f"{name}@{one}" in known for one in wanted)]
    return list(wanted) if bare else [None]


def _goals(source: Source, columns: str, processor: str | None) -> Any:
    from edgelearn.studies.analysis import goal

    known = [str(column) for column in source.frame.columns]
    goals = []
    for part in columns.split(","):
        name, colon, side = part.strip().partition(":")
        if name not in known and f"{name}@{processor}" in known:
            name = f"{name}@{processor}"
        one = goal(f"{name}{colon}{side}", known)
        if source.frame[one.column].dtype == object or str(source.frame[one.column].dtype) in ("str", "string"):
            raise UserError(f"column '{one.column}' holds no numbers; give columns of numbers")
        goals.append(one)
    if len({one.column for one in goals}) < max(2, len(goals)):
        raise UserError(
            f"a front needs two different columns or more, not '{columns}'; for example accuracy_percent,energy_pj"
        )
    return goals


def _front_as_dict(processor: str | None, front: Front, groups: Sequence[Group]) -> dict[str, Any]:
    columns = [one.column for one in front.goals]
    return {
        "processor": processor,
        "goals": {one.column: "up" if one.up else "down" for one in front.goals},
        "front": [_group_as_dict(groups[index], columns) for index in front.members],
        "not_judged": [
            {"setting": groups[index].setting, "failed": len(groups[index].failed)} for index in front.unplaced
        ],
        "steps": [
            {
                "from": groups[step.first].setting,
                "to": groups[step.second].setting,
                "energy_pj": step.energy_pj,
                "accuracy_points": step.accuracy,
                "paired": step.paired.as_dict() if step.paired else None,
                "points_per_nj": step.points_per_nj,
            }
            for step in _steps(front, groups)
        ],
    }


def _steps(front: Front, groups: Sequence[Group]) -> Any:
    """Return what energy buys along a front of accuracy and energy; nothing along others."""
    from edgelearn.studies.analysis import worth

    sides = {one.column.split("@", 1)[0]: one for one in front.goals}
    if set(sides) != {"accuracy_percent", "energy_pj"} or not sides["accuracy_percent"].up or sides["energy_pj"].up:
        return []
    return worth(groups, sides["energy_pj"].column)


def _print_front(
    console: Console, source: Source, groups: Sequence[Group], front: Front, processor: str | None
) -> None:
    from edgelearn.reports.console import print_table
    from edgelearn.studies.analysis import axis_title, has_residual_bits
    from edgelearn.studies.formatting import scale_for, shown, title_of
    from edgelearn.studies.page_tables import of_interval

    has_residual = has_residual_bits(groups)
    steps = {step.second: step for step in _steps(front, groups)}
    scales = {
        one.column: scale_for(one.column, [groups[index].mean(one.column) for index in front.members])
        for one in front.goals
    }
    rows = []
    for index in front.members:
        group = groups[index]
        row = {axis_title(axis, has_residual): _plain(value) for axis, value in group.setting.items()}
        row |= {"stored, bits": _plain(group.word)} if len({one.word for one in groups}) > 1 else {}
        for one in front.goals:
            scale, unit = scales[one.column]
            number = of_interval(one.column, group.over(one.column), scale)
            assert number is not None, "on the front"
            row[f"{title_of(one.column)}{f', {unit}' if unit else ''}"] = number.text
        row["seeds"] = str(len(group.rows))
        if steps and index in steps:
            step = steps[index]
            row["gain"] = f"{step.accuracy:+.2f}"
            row["gain per nJ"] = "-" if step.points_per_nj is None else shown("", step.points_per_nj)
        elif steps:
            row |= {"gain": "-", "gain per nJ": "-"}
        rows.append(row)
    print_table(console, rows)


def _group_as_dict(group: Group, columns: Sequence[str]) -> dict[str, Any]:
    overs = {column: group.over(column) for column in columns}
    return {
        "setting": group.setting,
        "seeds": [row["seed"] for row in group.rows],
        "failed": len(group.failed),
        "measures": {column: over.as_dict() if over else None for column, over in overs.items()},
    }


def _failures(group: Group) -> list[dict[str, Any]]:
    return [
        {"cell": row["cell"], "setting": group.setting, "seed": row["seed"], "error": row["error"]}
        for row in group.failed
    ]


def _cells(table: Table, left_out: Sequence[str]) -> list[dict[str, str]]:
    """Return a table of the page in the columns that a terminal shows."""
    rows = []
    for row in table.rows:
        cells = {}
        for column, value in zip(table.columns, row.cells, strict=True):
            if column.key.split("@", 1)[0] in left_out:
                continue
            text = value if value is None or isinstance(value, str) else value.text if column.spread else value.shown
            where = f" on {column.processor}" if column.processor else ""
            cells[f"{column.title}{where}{f', {column.unit}' if column.unit else ''}"] = text or "-"
        rows.append(cells)
    return rows


def _plain(value: Any) -> str:
    return "-" if value is None else str(value)


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _titled(name: str, values: Sequence[Any]) -> tuple[str, list[str]]:
    """Return the title of a result with its unit, and its values in that unit."""
    from edgelearn.studies.formatting import result_title
    from edgelearn.units import UNITS_SHOWN, scale_for, typographic

    title, unit = result_title(name)
    numbers = [value if isinstance(value, int | float) and not isinstance(value, bool) else None for value in values]
    if unit not in UNITS_SHOWN:
        return f"{title}, {unit}" if unit else title, list(map(_number, values))
    size, shown = scale_for(unit, numbers)
    texts = [
        _plain(value) if number is None else f"{number / size:,.5g}"
        for number, value in zip(numbers, values, strict=True)
    ]
    return f"{title}, {typographic(shown)}", texts


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return _plain(value)


def _change(name: str, first: Any, second: Any) -> str:
    """Return the second of two results less the first: points of a percentage, else percent of the first."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in (first, second)):
        return ""
    if name.endswith("_percent"):
        return f"{second - first:+.2f} points"
    return f"{100 * (second - first) / abs(first):+.2f} %" if first else ""


commands = group(
    "Analyse the results of a sweep, or compare rules at equal accuracy.",
    {
        "Results of a sweep": {"show": show, "compare": compare_settings, "pareto": fronts, "plot": plot},
        "Studies": {"equal-accuracy": "edgelearn.cli.equal_accuracy:equal_accuracy"},
    },
)
