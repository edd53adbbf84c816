"""Cells of table rows: one at a time with the reason why it cannot be used, or those of many lines at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.categories import Categories
from edgelearn.data.cells import (
    BOOLEANS,
    FLOAT32_LIMIT,
    MAX_LINE,
    MISSING,
    WHITE_SPACE,
    Reject,
    is_missing,
    is_number,
    json_row,
    numbers_in,
    shortened,
    with_point,
)
from edgelearn.data.columns import Columns

ENCODING = "utf-8"


def number_in(columns: Columns, row: Any, place: Any, scale: float) -> float:
    """Read one finite number of a row, slowly, or reject it with the reason; NaN is a missing value."""
    try:
        value = row[place]
    except KeyError:
        raise Reject("a value is missing", f"no '{place}'") from None
    what = f"column {columns.title(place)} is {shortened(value)}"
    if value is None or (isinstance(value, str) and value.strip() in MISSING):
        raise Reject("a value is missing", what)
    if isinstance(value, list | dict) or (isinstance(value, str) and columns.kind != "csv"):
        raise Reject("not a number", what)
    if isinstance(value, str) and columns.decimal == ",":
        value = with_point(value)
    try:
        if isinstance(value, str) and "_" in value:
            raise ValueError
        number = float(BOOLEANS.get(value.strip(), value) if isinstance(value, str) else value) * scale
    except OverflowError:
        raise Reject("not a finite number", what) from None
    except ValueError:
        raise Reject("not a number", what) from None
    if np.isnan(number):
        raise Reject("a value is missing", what)
    if not abs(number) < FLOAT32_LIMIT:
        raise Reject("not a finite number", what)
    return number


def label_cell(columns: Columns, row: Any) -> str:
    value = next((row[place] for place in columns.labels if columns.kind != "object" or place in row), None)
    if isinstance(value, list | dict):
        raise Reject("not a label", f"label {shortened(value)}")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def check_text(columns: Columns, row: Any, place: Any) -> None:
    """Reject a nominal feature that is missing, or an object or array."""
    value = row.get(place) if isinstance(row, dict) else row[place]
    if value is None or is_missing(str(value).strip()):
        raise Reject("a value is missing", f"column {columns.title(place)} is {shortened(value)}")
    if isinstance(value, list | dict):
        raise Reject("not a text", f"column {columns.title(place)} is {shortened(value)}")


def text_cell(row: Any, place: Any) -> str:
    if isinstance(row, dict) and place not in row:
        raise Reject("a value is missing", f"no '{place}'")
    return str(row[place]).strip()


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of lines that are rows alike.

    Parameters
    ----------
    rows : cells, values or objects, one entry per line; empty where `flat` holds the cells
    flat : cells of all rows, one row after another, each of `width` cells, the last of which is no cell
    """

    n: int
    rows: list[Any]
    flat: list[str]
    width: int = 0

    def column(self, place: Any) -> list[Any]:
        """Give the cells of a column; KeyError where an object lacks it."""
        return self.flat[place :: self.width] if self.flat else [row[place] for row in self.rows]

    def texts(self, place: Any) -> list[str]:
        """Give the cells of a column as text."""
        return list(map(str.strip, self.column(place))) if self.flat else [text_cell(row, place) for row in self.rows]

    def labels(self, columns: Columns) -> list[str]:
        """Give the cells of the labels."""
        if columns.kind == "csv" and columns.labels:
            found = self.column(columns.labels[0])
            if columns.decimal == ",":
                found = [with_point(cell) if is_number(with_point(cell)) else cell for cell in found]
            return found
        return [""] * self.n if self.flat else [label_cell(columns, row) for row in self.rows]


END = "\0"


def split_lines(columns: Columns, lines: list[bytes]) -> Table:
    """Split lines into cells; ValueError where one of them is no row, or no row like the others."""
    text = b"\n".join(lines).decode(ENCODING)
    if text.startswith("#") or (len(lines) > 1 and "\n#" in text):
        raise ValueError
    if len(text) > MAX_LINE // 4 and max(map(len, lines)) > MAX_LINE:
        raise ValueError
    is_plain = columns.kind == "csv" and columns.separator != WHITE_SPACE and not columns.end
    if is_plain and not any(mark in text for mark in ('"', "_", END)):
        # One split for all lines; where each has as many cells, the ends of lines are evenly apart.
        flat, width = text.replace("\n", f"{columns.separator}{END}{columns.separator}"), columns.n_cells + 1
        cells = flat.split(columns.separator)
        if len(cells) != len(lines) * width - 1 or cells[width - 1 :: width] != [END] * (len(lines) - 1):
            raise ValueError
        return Table(len(lines), [], cells, width)
    texts = text.split("\n")
    if len(texts) > len(lines):  # a quoted cell holds the end of a line
        texts = [line.decode(ENCODING) for line in lines]
    rows: list[Any]
    if columns.kind != "csv":
        rows = list(map(json_row, texts))
    elif '"' in text:
        rows = list(map(columns.cells, texts))
    else:
        mark = None if columns.separator == WHITE_SPACE else columns.separator
        if columns.end:
            texts = [line.rstrip().removesuffix(columns.end) for line in texts]
        rows = [line.split(mark) for line in texts]
    if columns.kind == "csv" and "_" in text:  # which Python reads in numbers
        places = columns.numeric
        last = max(places, default=0)
        if any("_" in row[k] for row in rows if last < len(row) for k in places):
            raise ValueError
    if len(rows) != len(lines) or set(map(type, rows)) != {dict if columns.kind == "object" else list}:
        raise ValueError
    if columns.kind != "object" and set(map(len, rows)) != {columns.n_cells}:
        raise ValueError
    return Table(len(lines), rows, [])


def features_in(
    columns: Columns,
    table: Table,
    scale: float,
    missing: Sequence[str],
    may_lack: bool,
    categories: Categories | None = None,
) -> NDArray[np.float64]:
    """Give the features as finite numbers [n, n_features], NaN where one is missing and may be.

    Raises
    ------
    ValueError, KeyError : one is no number, or all of a row are missing
    """
    if categories is None:
        values = _numbers_in(columns, table, scale, missing, may_lack)
    else:
        values = np.empty((table.n, len(columns.features)))
        if columns.numeric:
            at = [k for k, place in enumerate(columns.features) if place not in columns.nominal]
            values[:, at] = _numbers_in(columns, table, scale, missing, may_lack)
        for k, place in enumerate(columns.features):
            if place in columns.nominal:
                is_object = columns.kind == "object" and may_lack
                cells = [row.get(place) for row in table.rows] if is_object else table.column(place)
                values[:, k] = categories.codes(place, cells)
    is_nan = np.isnan(values)
    if is_nan.any() and is_nan.all(axis=1).any():  # a row without any value
        raise ValueError
    return values


def _numbers_in(
    columns: Columns, table: Table, scale: float, missing: Sequence[str], may_lack: bool
) -> NDArray[np.float64]:
    places = columns.numeric
    if table.flat and columns.decimal == "." and not missing:
        values = np.empty((table.n, len(places)))
        try:
            for k, place in enumerate(places):
                values[:, k] = np.fromiter(map(float, table.column(place)), np.float64, table.n)
        except ValueError:
            pass  # a boolean, or a mark of a missing value
        else:
            return _finite(values * scale if scale != 1 else values, may_lack)
    try:
        if table.flat:
            cells = list(chain.from_iterable(zip(*map(table.column, places), strict=True)))
        else:
            found = map(itemgetter(*places), table.rows)
            cells = list(found) if len(places) == 1 else list(chain.from_iterable(found))
    except KeyError:
        if not may_lack:
            raise
        cells = [row.get(place) for row in table.rows for place in places]
    return finite_numbers(columns, cells, scale, missing, may_lack).reshape(table.n, -1)


def _finite(values: NDArray[np.float64], may_lack: bool) -> NDArray[np.float64]:
    is_finite = np.abs(values) < FLOAT32_LIMIT
    if not is_finite.all() and not (may_lack and (is_finite | np.isnan(values)).all()):
        raise ValueError
    return values


def finite_numbers(
    columns: Columns, cells: list[Any], scale: float, missing: Sequence[str], may_lack: bool = False
) -> NDArray[np.float64]:
    """Give cells as finite numbers, NaN where one is missing and may be; ValueError where one is none."""
    if columns.kind != "csv":
        if may_lack:
            cells = [np.nan if cell is None else cell for cell in cells]
        if not set(map(type, cells)) <= {int, float, bool}:
            raise ValueError
    if columns.decimal == ",":
        cells = list(map(with_point, cells))
    with np.errstate(over="ignore"):
        try:
            values = numbers_in(cells)
        except ValueError:
            if not may_lack or columns.kind != "csv":
                raise
            marks = MISSING.union(missing)
            values = numbers_in(["nan" if cell.strip() in marks else cell for cell in cells])
        if missing:
            codes = [float(code) for code in missing if is_number(code)]
            values = np.where(np.isin(values, codes), np.nan, values)
        return _finite(values * scale, may_lack)
