"""Layout of a table of text, by the majority of its first lines: where it begins, and how a line is cut into cells."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgelearn.data.cells import (
    Reject,
    is_missing,
    json_row,
    looks_numeric,
    separator_of,
    shortened,
    split_cells,
    width_of,
)

ENDS = ";,"  # marks that may end every line and part nothing
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][+-]?\d+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Layout:
    """Where a table begins, and how its lines are cut into cells.

    Parameters
    ----------
    kind : csv, array or object
    separator, end : of the cells; marks behind the last cell of each line, empty for none
    decimal : decimal mark of numbers, "." or ","
    n_before : lines before the table, without blank lines and comments
    is_cut : the only line before the table is a part of a row
    n_cells : cells of a row
    titles : cells of the first row, or keys of the objects
    body : rows below the first one
    has_row_names : the first row has one cell less than the others: it has titles, the first column has none
    has_blank_last : behind the last column there is one more separator
    """

    kind: str
    separator: str = ""
    end: str = ""
    decimal: str = "."
    n_before: int = 0
    is_cut: bool = False
    n_cells: int = 0
    titles: tuple[str, ...] = ()
    body: tuple[Any, ...] = ()
    has_row_names: bool = False
    has_blank_last: bool = False
    notes: tuple[str, ...] = ()


def find_layout(lines: Sequence[str], decimal: str | None = None) -> Layout:
    """Find the layout that most of the lines share.

    Parameters
    ----------
    lines : first lines of a table, none blank; one is enough
    decimal : mark, where it is known

    Raises
    ------
    Reject
        where the first line is no row of any layout

    Example
    -------
    >>> layout = find_layout(["Logger 7", "ax;label;", "1,5;a;", "2,5;b;"])
    >>> layout.n_before, layout.separator, layout.decimal, layout.titles, layout.has_blank_last
    (1, ';', ',', ('ax', 'label'), True)
    """
    is_json = [text.lstrip()[:1] in ("{", "[") for text in lines]
    if is_json[0] if len(lines) < 3 else 2 * sum(is_json) > len(lines):
        return _of_json(lines)
    return _of_cells(lines, decimal)


def _of_json(lines: Sequence[str]) -> Layout:
    rows: list[Any] = []
    places = []
    for place, text in enumerate(lines):
        with contextlib.suppress(Reject):
            rows.append(json_row(text))
            places.append(place)
    if not rows:
        json_row(lines[0])
    kinds = Counter(map(type, rows))
    kind = kinds.most_common(1)[0][0]
    if kind is list:
        width = width_of([row for row in rows if isinstance(row, list)])
        if not width:
            raise Reject("another number of values", "0: []")
        first = next(k for k, row in enumerate(rows) if isinstance(row, list) and len(row) == width)
        body = tuple(row for row in rows[first:] if isinstance(row, list) and len(row) == width)
        titles = tuple(str(number + 1) for number in range(width))
        return Layout("array", n_before=places[first], n_cells=width, titles=titles, body=body, is_cut=True)
    objects = [row for row in rows if isinstance(row, dict)]
    keys = Counter(key for row in objects for key, value in row.items() if not isinstance(value, dict | list))
    common = {key for key, n in keys.items() if 2 * n > len(objects)}
    # Of two objects that differ, the first says more.
    order = max(objects, key=lambda row: len(common & row.keys()))
    first_keys = {key for key in objects[0] if 2 * keys[key] >= len(objects)}
    titles = tuple(dict.fromkeys([*(key for key in [*objects[0], *order] if key in common | first_keys), *common]))
    first = next(k for k, row in enumerate(rows) if isinstance(row, dict))
    return Layout("object", n_before=places[first], n_cells=len(titles), titles=titles, body=tuple(objects))


def _of_cells(lines: Sequence[str], decimal: str | None) -> Layout:
    n_before, separator = 0, ""
    said = _SEPARATOR_LINE.fullmatch(lines[0])
    if said is not None and len(lines) > 1:
        n_before, separator = 1, said[1]
    separator = separator or separator_of(lines)
    rest = [text.rstrip() for text in lines[n_before:]]
    end = next((mark for mark in ENDS if mark != separator and 2 * sum(t.endswith(mark) for t in rest) > len(rest)), "")
    if not end and separator in ENDS:  # the last of several blank columns is found below
        end = separator * max(0, min(len(text) - len(text.rstrip(separator)) for text in rest) - 1)
    rows: list[list[str] | None] = []
    for text in lines[n_before:]:
        try:
            rows.append(split_cells(text.rstrip().removesuffix(end) if end else text, separator))
        except Reject:
            rows.append(None)
    found = [row for row in rows if row is not None]
    if not found:
        split_cells(lines[n_before], separator)
    width = width_of(found)
    if sum(len(row) == width for row in found) < 2 and rows[0] is not None:
        width = len(rows[0])
    start = next(k for k in range(len(rows)) if _begins(rows, k, width))
    head = rows[start] or []
    body = [row for row in rows[start + 1 :] if row is not None and len(row) == width]
    blank = len(body) > (len(head) == width) and all(not row[-1].strip() for row in body)
    has_blank_last = blank and width > 2 and (len(head) < width or not head[-1].strip())
    has_row_names = len(head) == width - 1 and not has_blank_last
    titles = [cell.strip() for cell in head]
    titles = titles[: width - 1] if has_blank_last else titles[:width]
    before = lines[n_before : n_before + start]
    is_cut = len(before) == 1 and any(map(looks_numeric, rows[0] or ()))
    notes = []
    if before and not is_cut:
        what = "1 line before the table was" if start == 1 else f"{start} lines before the table were"
        notes.append(f"{what} left out, the first: {shortened(before[0])}")
    if has_row_names:
        notes.append("the first column has no title and was taken for names of rows; left out")
        titles = ["row name", *titles]
    decimal = decimal or _decimal_of([head, *body], separator)
    if decimal == ",":
        notes.append("numbers have decimal commas")
    return Layout(
        "csv",
        separator,
        end,
        decimal,
        n_before + start,
        is_cut,
        width,
        tuple(titles),
        tuple(body),
        has_row_names,
        has_blank_last,
        tuple(notes),
    )


def _begins(rows: Sequence[list[str] | None], k: int, width: int) -> bool:
    """Tell whether a table whose rows have so many cells may begin here."""
    row = rows[k]
    if row is None:
        return False
    below = next((one for one in rows[k + 1 :] if one is not None and len(one) == width), None)
    if len(row) == width:  # a spreadsheet fills lines of text up with separators
        is_filled_up = width > 2 and 2 * sum(not cell.strip() for cell in row) > width and below is not None
        if is_filled_up:
            return all(2 * sum(not cell.strip() for cell in one) > width for one in rows[k + 1 :] if one)
        has_titles_below = any(_are_titles(one, width) for one in rows[k + 1 : k + 32])
        return not (has_titles_below and row[0].strip() and not row[-1].strip() and not looks_numeric(row[0]))
    is_title = not any(map(looks_numeric, row)) and below is not None and k + 1 < len(rows) and rows[k + 1] is below
    if len(row) == width + 1:
        return is_title and not row[-1].strip()
    is_short = len(row) == width - 1 and width > 2 and all(cell.strip() for cell in row)
    return is_short and is_title and any(map(looks_numeric, below or ()))


def _are_titles(row: Sequence[str] | None, width: int) -> bool:
    return row is not None and len(row) == width and not any(not c.strip() or looks_numeric(c) for c in row)


def _decimal_of(rows: Sequence[Sequence[str]], separator: str) -> str:
    """Find the decimal mark: a comma where cells have it and no cell has a point."""
    cells = [cell for row in rows for cell in row]
    has_comma = any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
    return "," if has_comma and not any(_DECIMAL_POINT.fullmatch(cell) for cell in cells) else "."


def never_numbers(layout: Layout, place: Any) -> bool:
    """Tell whether a column holds texts and no number in any of several rows."""
    rows = layout.body
    if len(rows) < 2:
        return False
    if layout.kind == "csv":
        cells = [row[place].strip() for row in rows]
        cells = [cell for cell in cells if not is_missing(cell)]
        return bool(cells) and not any(map(looks_numeric, cells))
    values = [row.get(place) if isinstance(row, dict) else row[place] for row in rows]
    values = [value for value in values if value is not None]
    return bool(values) and all(isinstance(value, str) for value in values)


def without_values(layout: Layout, place: Any) -> bool:
    """Tell whether all cells of a column of a text table are missing, in two rows at least."""
    return layout.kind == "csv" and len(layout.body) > 1 and all(is_missing(row[place].strip()) for row in layout.body)


def holds_texts(layout: Layout, place: Any) -> bool | None:
    """Tell whether most cells of a column are texts that are no numbers; None where all are missing."""
    if layout.kind == "csv":
        cells = [row[place].strip() for row in layout.body]
        texts = [not looks_numeric(cell) for cell in cells if not is_missing(cell)]
    else:
        values = [row.get(place) if isinstance(row, dict) else row[place] for row in layout.body]
        texts = [isinstance(value, str) for value in values if value is not None]
    return 2 * sum(texts) > len(texts) if texts else None
