"""ARFF tables, as WEKA 3 writes and reads them.

Neither library reads them all: scipy.io.arff has no text, no sparse rows and no escaped quotes, liac-arff no dates and
no weights of instances.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import Arrays, text_of
from edgelearn.data.cells import MISSING, is_missing, is_number, shortened
from edgelearn.errors import UserError

NUMERIC = ("numeric", "real", "integer")
_NAME = re.compile(r"""@attribute\s+("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s{]+)\s*(.*)""", re.IGNORECASE)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_WEIGHT = re.compile(r"[,\s]\s*\{\s*([^{}\s]+)\s*\}$")
# Letters of Java's SimpleDateFormat.
_DATE_PARTS = {
    "yyyy": "%Y", "yy": "%y", "MM": "%m", "M": "%m", "MMM": "%b", "MMMM": "%B", "dd": "%d", "d": "%d", "HH": "%H",
    "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "m": "%M", "ss": "%S", "s": "%S", "SSS": "%f", "S": "%f", "a": "%p",
    "Z": "%z", "XXX": "%z", "EEE": "%a", "EEEE": "%A", "DDD": "%j",
}  # fmt: skip


@dataclass(frozen=True)
class Attribute:
    """Name and type of a column: numeric, nominal (with its values), text or date (with its strptime format)."""

    name: str
    kind: str
    values: tuple[str, ...] = ()
    date_format: str = ""

    @property
    def default(self) -> str:
        """Give what a sparse row leaves out: zero, or the first value of a nominal attribute."""
        return {"numeric": "0", "nominal": self.values[0] if self.values else ""}.get(self.kind, "?")


def read_arff(path: Path, notes: list[str] | None = None) -> Arrays:
    """Read an ARFF table: one array per column.

    Parameters
    ----------
    notes : receives a note per ignored part

    Returns
    -------
    float64 for numeric attributes, NaN for `?`; datetime64 for dates; text for others, empty for `?`

    Raises
    ------
    UserError
        "... line 7 ...", "... has no @data ...", "... has 2 attributes called 'NAME' ..."
    """
    notes = [] if notes is None else notes
    lines = text_of(path, "give an ARFF file", notes).splitlines()
    attributes, body = _header(path, lines)
    cells: list[list[str]] = []
    numbers: list[int] = []
    n_weighted = 0
    for number, raw in enumerate(lines[body:], body + 1):
        line = raw.strip()
        if not line or line[0] == "%":
            continue
        row, has_weight = _cells(path, number, line, attributes)
        n_weighted += has_weight
        cells.append(row)
        numbers.append(number)
    if not cells:
        raise UserError(f"{path} has no samples below @data; give one per line")
    if n_weighted:
        notes.append(f"weights of {n_weighted:,} instances are not used")
    return {
        attribute.name: _array(path, attribute, [row[at] for row in cells], numbers)
        for at, attribute in enumerate(attributes)
    }


def _header(path: Path, lines: list[str]) -> tuple[list[Attribute], int]:
    """Give the attributes, and the index of the first line below @data."""
    attributes: list[Attribute] = []
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if line.lower().startswith("@data"):
            names = [attribute.name for attribute in attributes]
            repeated = next((name for name in names if names.count(name) > 1), None)
            if repeated is not None:
                raise UserError(f"{path} has {names.count(repeated)} attributes called '{repeated}'; rename one")
            if not names:
                raise UserError(f"{path} has no @attribute above @data; give an ARFF file")
            return attributes, number
        if line.lower().startswith("@attribute"):
            attributes.append(_attribute(path, number, line))
    raise UserError(f"{path} has no @data; give an ARFF file")


def _attribute(path: Path, number: int, line: str) -> Attribute:
    match = _NAME.match(line)
    name, kind = (_unquoted(match[1]), match[2].strip()) if match else ("", "")
    if not kind:
        raise UserError(f"{path} line {number} is {shortened(line)}; give `@attribute NAME TYPE`")
    if kind[0] == "{":
        inner = kind[1:].rpartition("}")[0] if "}" in kind else kind[1:]
        return Attribute(name, "nominal", tuple(cell for cell in _split(inner, ",") if cell))
    word = kind.split()[0].lower()
    if word in NUMERIC:
        return Attribute(name, "numeric")
    if word == "string":
        return Attribute(name, "text")
    if word == "date":
        return Attribute(name, "date", date_format=_strptime_format(path, number, kind[4:].strip()))
    raise UserError(
        f"{path} line {number}: attribute '{name}' is {shortened(kind)}; give numeric, real, integer, string, date or "
        "{VALUE, VALUE}"
    )


def _strptime_format(path: Path, number: int, written: str) -> str:
    """Translate a format of Java; empty for ISO 8601, which is the default."""
    text = _unquoted(written) if written else ""
    if text.replace("'", "") in ("", "yyyy-MM-ddTHH:mm:ss", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd"):
        return ""
    found = ""
    for part in re.finditer(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<rest>[^A-Za-z']+)", text):
        letters = part["letters"]
        if letters and letters not in _DATE_PARTS:
            known = ", ".join(_DATE_PARTS)
            raise UserError(f"{path} line {number}: '{letters}' of date format '{text}' is not known; known: {known}")
        found += _DATE_PARTS[letters] if letters else (part["quoted"] or part["rest"] or "").replace("%", "%%")
    return found


def _unquoted(cell: str) -> str:
    """Take quotes and escapes from a cell that has them."""
    cell = cell.strip()
    if len(cell) >= 2 and cell[0] in "\"'" and cell[-1] == cell[0]:
        cell = cell[1:-1]
    if "\\" not in cell:
        return cell
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), cell)


def _split(text: str, marks: str) -> list[str]:
    """Split a row at any of the marks outside of quotes."""
    if not any(mark in text for mark in "\"'\\"):
        cells = text.split(",") if marks == "," else re.split(r"\s+" if marks == r"\s" else f"[{marks}]", text)
        return [cell.strip() for cell in cells]
    cell = re.compile(rf"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^{marks}]*?)\s*(?:([{marks}])|$)""")
    found, at, ends = [], 0, True
    while ends:
        match = cell.match(text, at)
        assert match is not None  # an open quote is a cell up to the next mark
        found.append(_unquoted(match[1]))
        at, ends = match.end(), match[2] is not None
    return found


def _cells(path: Path, number: int, line: str, attributes: list[Attribute]) -> tuple[list[str], bool]:
    """Give one cell per attribute, and whether the instance has a weight."""
    weight = _WEIGHT.search(line) if line[-1] == "}" else None
    if weight is not None and not is_number(weight[1]):
        weight = None
    text = line[: weight.start()].rstrip(", \t") if weight else line
    if text[0] == "{" and text[-1] == "}":
        return _sparse_cells(path, number, text[1:-1], attributes), weight is not None
    n = len(attributes)
    best: list[str] = []
    for marks in (",", r"\t", r",\t", r"\s"):  # WEKA takes any of them; most files have commas, and spaces in values
        row = _split(text, marks)
        if len(row) == n + 1 and row[-1] == "":
            row = row[:-1]
        if len(row) == n:
            return row, weight is not None
        best = best or row
    raise UserError(f"{path} line {number} has {len(best)} values for {n} attributes; give as many")


def _sparse_cells(path: Path, number: int, text: str, attributes: list[Attribute]) -> list[str]:
    row = [attribute.default for attribute in attributes]
    last = -1
    for pair in re.findall(r"""(?:[^,"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+""", text):
        place, _, cell = pair.strip().partition(" ")
        if not pair.strip():
            continue
        if not place.isdecimal() or not last < int(place) < len(row) or not cell.strip():
            raise UserError(
                f"{path} line {number} has {shortened(pair)} in a sparse row; give INDEX VALUE, the index from 0 to "
                f"{len(row) - 1} and rising"
            )
        last = int(place)
        row[last] = _unquoted(cell)
    return row


def _array(path: Path, attribute: Attribute, cells: list[str], numbers: list[int]) -> NDArray[Any]:
    name = attribute.name
    if attribute.kind == "numeric":
        try:
            return np.array([np.nan if cell in MISSING else float(cell) for cell in cells])
        except ValueError:
            at = next(i for i, cell in enumerate(cells) if cell not in MISSING and not is_number(cell))
        wanted = "a number"
    elif attribute.kind == "date":
        try:
            times = [np.datetime64("NaT") if cell in MISSING else _moment(attribute, cell) for cell in cells]
            return np.array(times, "datetime64[us]")
        except ValueError:
            at = next(i for i, cell in enumerate(cells) if cell not in MISSING and not _is_moment(attribute, cell))
        wanted = f"a date as '{attribute.date_format or 'yyyy-MM-dd HH:mm:ss'}'"
    else:
        known = set(attribute.values)
        found = set(cells) - known
        strange = {cell for cell in found if not is_missing(cell)} if attribute.kind == "nominal" else set()
        if not strange:
            return np.array(["" if cell in found and is_missing(cell) else cell for cell in cells], str)
        at = next(i for i, cell in enumerate(cells) if cell in strange)
        names = ", ".join(attribute.values[:8]) + (", ..." if len(attribute.values) > 8 else "")
        wanted = f"one of its values ({names})"
    raise UserError(
        f"{path} line {numbers[at]} has {shortened(cells[at])} for '{name}'; give {wanted}, or ? where it is missing"
    )


def _moment(attribute: Attribute, cell: str) -> np.datetime64:
    if attribute.date_format:
        moment = datetime.strptime(cell.strip(), attribute.date_format)
    else:
        moment = datetime.fromisoformat(cell.strip())
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment, "us")


def _is_moment(attribute: Attribute, cell: str) -> bool:
    try:
        _moment(attribute, cell)
    except ValueError:
        return False
    return True
