"""Tables of a study's page, independent of HTML and Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from edgelearn.studies.analysis import Interval
from edgelearn.studies.formatting import Number, limits_of, shown


@dataclass(frozen=True)
class Column:
    """Column of a table on the page; `spread` is False where all seeds agree, so that no interval is shown."""

    key: str
    title: str
    unit: str = ""
    scale: float = 1.0
    processor: str | None = None
    numeric: bool = True
    spread: bool = True


@dataclass(frozen=True)
class Row:
    """Row of a table on the page: values in the order of the columns, and its group or cell."""

    cells: tuple[Number | str | None, ...]
    group: int | None = None
    cell: str | None = None


@dataclass(frozen=True)
class Table:
    """Table of the page."""

    key: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def of_interval(
    column: str, over: Interval | None, scale: float, about: str = "", is_difference: bool = False
) -> Number | None:
    """Return a mean as it is shown, with its interval; that of an accuracy ends at 0 and 100 %."""
    if over is None:
        return None
    limits = None if is_difference else limits_of(column)
    return Number(over.mean, shown(column, over.mean, scale), over.low, over.high, over.n, scale, about, limits)
