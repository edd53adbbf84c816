"""The terminal: one console for all commands, text wrapped at its width, tables, progress bars."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table

PIPE_WIDTH = 100  # columns where there is neither a terminal nor COLUMNS
PROSE = 24  # columns that a cell of text with spaces keeps at least
_BARS = "▁▂▃▄▅▆▇█"
_BAR_WIDTH = 40


def make_console(stderr: bool = False, **options: Any) -> Console:
    """Return a console as wide as the terminal, or as COLUMNS says, also in a pipe."""
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False, **options)
    if not console.is_terminal and "COLUMNS" not in os.environ and "width" not in options:
        console.width = PIPE_WIDTH
    return console


def progress(*columns: str | ProgressColumn, speed_estimate_period: float = 30.0) -> Progress:
    """Return a bar on the standard error that vanishes when it is done; nothing where that is no terminal.

    Parameters
    ----------
    columns : after the bar; the description comes before it, the time left comes last
    speed_estimate_period : seconds that the time left is estimated from
    """
    errors = make_console(stderr=True)
    texts = (TextColumn(column) if isinstance(column, str) else column for column in columns)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), *texts, TimeRemainingColumn(),
        console=errors, transient=True, disable=not errors.is_terminal,
        speed_estimate_period=speed_estimate_period,
    )  # fmt: skip


def say(console: Console, *lines: str, style: str | None = None, indent: str = "  ") -> None:
    """Print lines of text, wrapped between words; what follows a first line is indented."""
    for line in lines:
        margin = line[: len(line) - len(line.lstrip())]
        parts = textwrap.wrap(
            line.lstrip(), console.width, initial_indent=margin, subsequent_indent=margin + indent,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        for part in parts or [""]:
            console.print(part, style=style, soft_wrap=True)


def verdict(console: Console, good: bool, text: str) -> None:
    """Print a verdict, green or red where the terminal has colours."""
    say(console, text, style="green" if good else "bold red")


def written(console: Console, *names: object) -> None:
    """Say which files were written, None for those that were not asked for; paths are never wrapped."""
    for name in names:
        if name is not None:
            console.print(f"written: {name}", soft_wrap=True)


def next_steps(console: Console, *commands: str, details: bool = False) -> None:
    """Print what a reader may do next; the flag of the full report comes first where that was not printed."""
    parts = [*(() if details else ("--details",)), *commands]
    lines = [f"next: {parts[0]}"] if parts else ["next:"]
    for part in parts[1:]:  # no command is broken inside, so that it can be copied
        if len(lines[-1]) + len(part) + 3 <= console.width:
            lines[-1] += f" | {part}"
        else:
            lines += [f"  | {part}"]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def print_table(console: Console, rows: Sequence[Mapping[str, object]], dim: int = 0, leave_out: bool = False) -> None:
    """Print rows of the same columns, numbers to the right, no cell broken inside and no blanks at the ends of lines.

    Columns that the width has no room for follow below, under the first column once more. Cells of text with spaces
    are wrapped between words.

    Parameters
    ----------
    rows : title -> cell; whole numbers get commas, None is "-"
    dim : the last so many rows are dimmed
    leave_out : columns that the width has no room for are not printed at all
    """
    if not rows:
        say(console, "none")
        return
    cells = {title: [_text(row[title]) for row in rows] for title in rows[0]}
    first, *others = cells
    while True:
        block = [first]
        while others and (len(block) == 1 or _fits(console, {title: cells[title] for title in (*block, others[0])})):
            block.append(others.pop(0))
        _print_block(console, _table({title: cells[title] for title in block}, dim))
        if not others or leave_out:
            return
        console.print()


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(cells: Mapping[str, Sequence[str]], dim: int = 0) -> Table:
    table = Table(box=None, pad_edge=False)
    for title, column in cells.items():
        right = all(text.lstrip("+-")[:1].isdigit() or text in ("", "-") for text in column) and any(column)
        wraps = not right and max(map(len, column), default=0) > PROSE
        table.add_column(
            title, justify="right" if right else "left", no_wrap=not wraps, overflow="fold",
            min_width=PROSE if wraps else max(map(len, (title, *column))),
        )  # fmt: skip
    n_rows = len(next(iter(cells.values())))
    for k, row in enumerate(zip(*cells.values(), strict=True)):
        table.add_row(*row, style="dim" if k >= n_rows - dim else None)
    return table


def _fits(console: Console, cells: Mapping[str, Sequence[str]]) -> bool:
    return Measurement.get(console, console.options.update(max_width=1000), _table(cells)).minimum <= console.width


def _print_block(console: Console, table: Table) -> None:
    for line in console.render_lines(table, pad=False):
        while line and not line[-1].text.strip():
            line.pop()
        if line:
            last = line.pop()
            line.append(Segment(last.text.rstrip(), last.style, last.control))
        console.print(_Segments(line), soft_wrap=True)


class _Segments:
    """A rendered line."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.segments = segments

    def __rich_console__(self, console: Console, options: object) -> Iterable[Segment]:
        yield from self.segments
        yield Segment.line()


def sparkline(values: Sequence[float], width: int = _BAR_WIDTH) -> str:
    """Draw values as one line of bars, the largest full, many values shared out over the width.

    Example
    -------
    >>> sparkline([8, 4, 1])
    '█▅▂'
    """
    if len(values) > width:  # means of equal shares
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    top = max(values, default=0) or 1
    return "".join(_BARS[min(len(_BARS) - 1, int(len(_BARS) * value / top))] for value in values)
