"""Cells of table rows: one at a time with the reason why it cannot be used, or those of many lines at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import (
    BOOLEANS,
    MAX_LINE,
    MISSING,
    WHITE_SPACE,
    Reject,
    is_number,
    json_row,
    numbers_in,
    shortened,
    with_point,
)
from edgelearn.data.columns import Columns

ENCODING = "utf-8"
FLOAT32_LIMIT = (2 - 2**-24) * 2.0**127  # from here on a float64 becomes an infinite float32


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


def text_cell(row: Any, place: Any) -> str:
    if isinstance(row, dict) and place not in row:
        raise Reject("a value is missing", f"no '{place}'")
    return str(row[place]).strip()


def split_lines(columns: Columns, lines: list[bytes]) -> list[Any]:
    """Split lines into cells; ValueError where one of them is no row, or no row like the others."""
    text = b"\n".join(lines).decode(ENCODING)
    texts = text.split("\n")
    if len(texts) > len(lines):  # a quoted cell holds the end of a line
        texts = [line.decode(ENCODING) for line in lines]
    if text.startswith("#") or (len(lines) > 1 and "\n#" in text) or max(map(len, lines)) > MAX_LINE:
        raise ValueError
    table: list[Any]
    if columns.kind != "csv":
        table = list(map(json_row, texts))
    elif '"' in text:
        table = list(map(columns.cells, texts))
    else:
        mark = None if columns.separator == WHITE_SPACE else columns.separator
        if columns.end:
            texts = [line.rstrip().removesuffix(columns.end) for line in texts]
        table = [line.split(mark) for line in texts]
    if columns.kind == "csv" and "_" in text:  # which Python reads in numbers
        last = max(columns.features)
        if any("_" in row[k] for row in table if last < len(row) for k in columns.features):
            raise ValueError
    if len(table) != len(lines) or set(map(type, table)) != {dict if columns.kind == "object" else list}:
        raise ValueError
    if columns.kind != "object" and set(map(len, table)) != {columns.n_cells}:
        raise ValueError
    return table


def feature_cells(columns: Columns, table: list[Any], may_lack: bool) -> list[Any]:
    """Give the cells of the features, row by row; None for a key that an object lacks."""
    try:
        found = map(itemgetter(*columns.features), table)
        return list(found) if len(columns.features) == 1 else list(chain.from_iterable(found))
    except KeyError:
        if not may_lack:
            raise
        return [row.get(place) for row in table for place in columns.features]


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
        values = values * scale
    is_finite = np.abs(values) < FLOAT32_LIMIT
    if not is_finite.all() and not (may_lack and (is_finite | np.isnan(values)).all()):
        raise ValueError
    return values
