"""Cells of a table of text: separators, numbers, booleans, missing values, names of labels, JSON."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.errors import UserError

SEPARATORS = "\t;,|"  # the earlier wins a tie: in 1,5;2,5;a the comma is a decimal mark, as the reject then says
WHITE_SPACE = " "  # any number of spaces and tabs
MAX_LINE = 1 << 20  # bytes
csv.field_size_limit(MAX_LINE)  # under a separator that it does not have, a wide line is one cell
# NaN is no mark but a number, which is neither a label nor finite.
MISSING = frozenset(("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "null", "NULL", "None"))
BOOLEANS = {text: value for yes, no in (("true", "false"), ("True", "False"), ("TRUE", "FALSE"))
            for text, value in ((yes, 1.0), (no, 0.0))}  # fmt: skip


class Reject(ValueError):
    """One line that cannot be used: reason, and what it holds."""


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number, NaN and infinities included; 1_000 is none, which Python would read."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def label_text(cell: str) -> str:
    """Return the name of a label as it stands in a cell, the same for 1, 01 and 1.0; empty for NaN."""
    cell = cell.strip()
    if "_" in cell:
        return cell
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


def is_fraction(name: str) -> bool:
    """Tell whether a label is a number but no whole one."""
    return is_number(name) and not isnan(float(name)) and not float(name).is_integer()


MOST_CLASSES = 1000
FEW_CLASSES = 20  # as many may be as different as the rows


LEARN_WITHOUT = "or learn what is normal without labels: edgelearn stream FILE --task anomaly"


def check_classes(labels: Iterable[str] | Mapping[str, int], source: str) -> None:
    """Refuse labels that are no classes: fractions, or nearly as many different ones as there are rows.

    Parameters
    ----------
    labels : names of the labels, one per row, or how many rows have each

    Raises
    ------
    UserError
        "SOURCE: label 0.5 is no class ...", "SOURCE has ... different labels ..."
    """
    counts = {name: n for name, n in Counter(labels).items() if not is_missing(name)}
    advice = (
        "labels are whole numbers or text: check which column holds them, and name it with --label-column, "
        f"{LEARN_WITHOUT}"
    )
    if all(map(is_number, counts)):
        fraction = next(filter(is_fraction, counts), None)
        if fraction is not None:
            raise UserError(f"{source}: label {fraction} is no class; {advice}")
    n_rows = sum(counts.values())
    if len(counts) > MOST_CLASSES or (len(counts) > FEW_CLASSES and len(counts) > n_rows // 2):
        raise UserError(
            f"{source} has {len(counts):,} different labels in {n_rows:,} rows, which are no classes; "
            f"name the label column with --label-column, {LEARN_WITHOUT}"
        )


def is_coarse(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which ranges have fewer than `STEPS` steps of float32."""
    largest = np.minimum(np.maximum(np.abs(high), np.abs(low)), np.finfo(np.float32).max)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray((low < high) & (largest * 2.0**-24 * STEPS > high - low))


def is_never_coarse(low: NDArray[Any], high: NDArray[Any]) -> bool:
    """Tell whether all ranges are so wide that further values, which widen them, cannot make one of them coarse.

    A value beyond twice the largest makes the range at least half as large as itself; others need a range of twice the
    limit.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return bool((np.maximum(np.abs(high), np.abs(low)) * 2.0**-23 * STEPS < high - low).all())


FLOAT32_LIMIT = (2 - 2**-24) * 2.0**127  # from here on a float64 becomes an infinite float32
FAR = 2.0**24  # whole numbers beyond are merged by float32
STEPS = 4096  # of float32 over the range of a channel: fewer are too few


def offsets(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return offsets per channel, for a cast to float32 that would merge different values.

    That is the first finite value, where float32 has fewer than `STEPS` steps over the range of the channel and two
    values become one; else 0.

    Parameters
    ----------
    x : numbers [n, n_channels]

    Returns
    -------
    float64 [n_channels]

    Example
    -------
    >>> offsets(np.array([[2**31 + 1, 0.1], [2**31, 0.2]])).tolist()
    [2147483649.0, 0.0]
    """
    found = np.zeros(x.shape[1])
    if x.dtype.kind not in "biuf":  # refused by its reader
        return found
    if x.dtype in (np.float32, np.float16, np.uint8, np.int8, np.uint16, np.int16, np.bool_) or len(x) == 0:
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(x)
        wide = x if x.dtype.kind == "f" else x.astype(np.float64)
        high = np.max(wide, axis=0, where=finite, initial=-np.inf).astype(np.float64)
        low = np.min(wide, axis=0, where=finite, initial=np.inf).astype(np.float64)
    for channel in np.flatnonzero(is_coarse(low, high)):
        values = x[finite[:, channel], channel]
        if len(np.unique(values.astype(np.float32))) < len(np.unique(values)):
            found[channel] = values[0]
    return found


class Span:
    """Find the offsets of values that come in blocks, from one block after another in constant memory.

    Two values that follow one another and become one in float32 tell what `offsets` looks for among all.
    """

    def __init__(self) -> None:
        self._first: NDArray[np.float64] | None = None
        self._last = self._low = self._high = np.empty(0)
        self._merges = np.empty(0, np.bool_)
        self.is_settled = False  # no value to come makes an offset

    def add(self, x: NDArray[np.float64]) -> None:
        """Take the next values [n, n_channels]; NaN counts for nothing."""
        if len(x) == 0 or self.is_settled:
            return
        if self._first is None:
            n_channels = x.shape[1]
            self._first, self._last, self._merges = x[0].copy(), x[0], np.zeros(n_channels, np.bool_)
            self._low, self._high = np.full(n_channels, np.inf), np.full(n_channels, -np.inf)
        self._first = np.where(np.isnan(self._first), x[0], self._first)
        low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
        self._low, self._high = np.fmin(self._low, low), np.fmax(self._high, high)
        self.is_settled = is_never_coarse(self._low, self._high)
        for channel in np.flatnonzero(is_coarse(np.fmin(low, self._last), np.fmax(high, self._last))):
            values = np.append(self._last[channel], x[:, channel])
            words = values.astype(np.float32)
            self._merges[channel] |= bool(((values[1:] != values[:-1]) & (words[1:] == words[:-1])).any())
        self._last = x[-1]

    def offsets(self) -> NDArray[np.float64]:
        """Return the offsets, float64 [n_channels]."""
        if self._first is None or self.is_settled:
            return np.zeros(1 if self._first is None else len(self._first))
        found = np.where(self._merges & is_coarse(self._low, self._high), self._first, 0.0)
        return np.asarray(np.nan_to_num(found))


SUBTRACTED = "subtracted, as float32 would merge values"


def offset_note(channels: Sequence[str], subtracted: NDArray[np.float64]) -> str:
    """State which values are taken off channels; empty for none."""
    parts = [f"{subtracted[k]:.12g} from {channels[k]}" for k in np.flatnonzero(subtracted).tolist()]
    more = f" and {len(parts) - 4} more" if len(parts) > 4 else ""
    return f"{SUBTRACTED}: {', '.join(parts[:4])}{more}" if parts else ""


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
    """Choose the separator under which most lines have as many cells as one another, and most cells are numbers.

    Example
    -------
    >>> separator_of(["1,5;2,5;a"]), separator_of(["a b", "1 2", "3 4"]), separator_of(["1,2,k;1", "3,4,k;0"])
    (';', ' ', ',')
    """
    best, most = "", (0, 0, 0)
    for mark in SEPARATORS + WHITE_SPACE:
        rows = list(rows_of(lines, mark))
        width = width_of(rows) if rows else 0
        if width < 2:
            continue
        even = [row for row in rows if len(row) == width]
        score = len(even), sum(looks_numeric(cell) for row in even for cell in row), width
        if mark == WHITE_SPACE:  # a line of words is no row
            body = even[1:] or even
            n_numbers = sum(looks_numeric(cell) for row in body for cell in row)
            if 2 * len(even) <= len(lines) or n_numbers < max(2, len(body) * (width - 1)) or (best and most[1]):
                continue
        if score > most:
            best, most = mark, score
    return best or ","


def width_of(rows: Sequence[Sequence[Any]]) -> int:
    """Give the number of cells that most of the rows have, the first of those that are as frequent."""
    return Counter(map(len, rows)).most_common(1)[0][0]


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


_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(\.\d{3})+(,\d*)?\s*")


def with_point(cell: str) -> str:
    """Give a number with a decimal comma with a point; a cell with a point that parts no thousands is no number.

    Example
    -------
    >>> with_point("-1,5"), with_point("1.234,5"), with_point("1.5")
    ('-1.5', '1234.5', '1.5,')
    """
    if "." not in cell:
        return cell.replace(",", ".")
    return cell.replace(".", "").replace(",", ".") if _THOUSANDS.fullmatch(cell) else f"{cell},"


def json_row(text: str) -> Any:
    """Give the object or array of a line of JSON; Reject where it is none."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise Reject("not JSON", shortened(text)) from None
    if not isinstance(row, dict | list):
        raise Reject("not JSON", shortened(text))
    if isinstance(row, dict) and any(isinstance(value, dict | list) for value in row.values()):
        try:
            row |= dict(_nested(row, ""))
        except RecursionError:
            raise Reject("not JSON", shortened(text)) from None
    return row


def _nested(value: Any, title: str) -> Iterator[tuple[str, Any]]:
    """Give the values inside objects and arrays: `a.b` of an object, `a.1` for the first one of an array."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for key, one in inner:
            yield from _nested(one, f"{title}.{key}" if title else str(key))
    elif "." in title:
        yield title, value


def first_keys(text: str) -> list[str]:
    """Give the keys of a JSON object."""
    return list(json_row(text))
