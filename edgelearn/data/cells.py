"""Cells of a table of text: separators, numbers, booleans, missing values, names of labels, JSON."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEPARATORS = "\t;,|"  # the earlier wins a tie: in 1,5;2,5;a the comma is a decimal mark, as the reject then says
WHITE_SPACE = " "  # any number of spaces and tabs
# NaN is no mark but a number, which is neither a label nor finite.
MISSING = frozenset(("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "null", "NULL", "None"))
BOOLEANS = {text: value for yes, no in (("true", "false"), ("True", "False"), ("TRUE", "FALSE"))
            for text, value in ((yes, 1.0), (no, 0.0))}  # fmt: skip


class Reject(ValueError):
    """One line that cannot be used: reason, and what it holds."""


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number, NaN and infinities included."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def label_text(cell: str) -> str:
    """Return the name of a label as it stands in a cell, the same for 1, 01 and 1.0; empty for NaN."""
    cell = cell.strip()
    try:
        return str(int(cell))  # exact where a float would round
    except ValueError:
        pass
    try:
        number = float(cell)
    except ValueError:
        return cell
    if isnan(number):
        return ""
    return str(int(number)) if number.is_integer() else cell


def is_missing(name: str) -> bool:
    """Tell whether a label is none."""
    return name in MISSING or (is_number(name) and isnan(float(name)))


def by_value(name: str) -> int | float:
    """Return the number that a name is, exact where a float would round; ValueError where it is none."""
    try:
        return int(name)
    except ValueError:
        return float(name)


def sorted_classes(names: Iterable[str]) -> list[str]:
    """Sort numbers by value, or text by code point."""
    names = sorted(names)
    return sorted(names, key=by_value) if all(map(is_number, names)) else names


def shortened(value: Any) -> str:
    """Return a value as an error repeats it."""
    text = repr(value.strip() if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def looks_numeric(cell: str) -> bool:
    """Tell whether a cell is no title: a number, also with a decimal comma, or a boolean."""
    return cell.strip() in BOOLEANS or is_number(cell.replace(",", "."))


def split_cells(text: str, separator: str) -> list[str]:
    """Give the cells of a line.

    Raises
    ------
    Reject
        "not CSV"
    """
    if '"' not in text:
        return text.split(None if separator == WHITE_SPACE else separator)
    try:
        return next(csv.reader([text], delimiter=separator, skipinitialspace=separator == WHITE_SPACE))
    except (csv.Error, StopIteration):
        raise Reject("not CSV", shortened(text)) from None


def separator_of(lines: Sequence[str]) -> str:
    """Choose the separator under which most of the lines have as many cells as the first, and most cells are numbers.

    Example
    -------
    >>> separator_of(["1,5;2,5;a"]), separator_of(["a b", "1 2", "3 4"]), separator_of(["1,2,k;1", "3,4,k;0"])
    (';', ' ', ',')
    """
    best, most = "", (0, 0, 0)
    for mark in SEPARATORS + WHITE_SPACE:
        if best and mark == WHITE_SPACE:
            break
        width = len(split_cells(lines[0], mark))
        if width < 2:
            continue
        even = [row for row in rows_of(lines, mark) if len(row) == width]
        score = len(even), sum(looks_numeric(cell) for row in even for cell in row), width
        if mark == WHITE_SPACE:  # a line of words is no row
            body = even[1:] or even
            n_numbers = sum(looks_numeric(cell) for row in body for cell in row)
            if 2 * len(even) <= len(lines) or n_numbers < max(2, len(body) * (width - 1)):
                continue
        if score > most:
            best, most = mark, score
    return best or ","


def rows_of(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Give the cells of each line whose quotes make cells."""
    for line in lines:
        with contextlib.suppress(Reject):
            yield split_cells(line, separator)


def numbers_in(cells: Sequence[Any]) -> NDArray[np.float64]:
    """Give cells as numbers; ValueError where one is none."""
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        if BOOLEANS.keys().isdisjoint(map(str.strip, cells)):
            raise
        return np.array([float(BOOLEANS.get(cell.strip(), cell)) for cell in cells])


def json_row(text: str) -> Any:
    """Give the object or array of a line of JSON; Reject where it is none."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise Reject("not JSON", shortened(text)) from None
    if not isinstance(row, dict | list):
        raise Reject("not JSON", shortened(text))
    return row


def first_keys(text: str) -> list[str]:
    """Give the keys of a JSON object."""
    return list(json_row(text))
