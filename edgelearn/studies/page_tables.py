"""Tables of a study's page, independent of HTML and Markdown."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    """Table of the page; `left_out` rows more are in table.csv alone."""

    key: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    left_out: int = 0

    def first(self, n: int) -> Table:
        """Return the table with its first n rows."""
        return replace(self, rows=self.rows[:n], left_out=self.left_out + max(len(self.rows) - n, 0))

    @property
    def left_out_text(self) -> str:
        """Say how many rows are left out; nothing where none is."""
        if not self.left_out:
            return ""
        return f"{len(self.rows):,} of {len(self.rows) + self.left_out:,} rows; {_CHOSEN.get(self.key, _FIRST)}"


_FIRST = "the first ones."
_CHOSEN = {
    "groups": "those on a front of accuracy and energy, then the most accurate ones. table.csv has all cells.",
    "bits": "those with the highest accuracy. table.csv has all cells.",
    "failed": "the first ones. table.csv has all cells.",
}


def of_interval(
    column: str, over: Interval | None, scale: float, about: str = "", is_difference: bool = False
) -> Number | None:
    """Return a mean as it is shown, with its interval; that of an accuracy ends at 0 and 100 %."""
    if over is None:
        return None
    limits = None if is_difference else limits_of(column)
    return Number(over.mean, shown(column, over.mean, scale), over.low, over.high, over.n, scale, about, limits)
