"""Columns of tables and arrays of address events, by the names people use, and what tells events from values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgelearn.data import line_groups
from edgelearn.data.arrays import NpzArrays
from edgelearn.data.cells import Reject, is_number, split_cells
from edgelearn.data.clock import is_clock_name
from edgelearn.data.compressed import suffix_of
from edgelearn.data.text_files import open_text
from edgelearn.errors import UserError

NAMES = {  # the first is the name in messages
    "sample": ("sample", "sample_id", "sample_index", "recording", "recording_id", "trial", "segment"),
    "x": ("x", "xs", "x_addr", "xaddr", "x_coord"),
    "y": ("y", "ys", "y_addr", "yaddr", "y_coord"),
    "address": ("address", "addr", "addresses", "neuron", "neuron_id", "unit", "units"),
    "value": ("value", "p", "ps", "pol", "polarity", "polarities", "on"),
    "label": ("label", "labels", "class", "target"),
    "offset": ("offset", "offsets"),
}
BINARY = {"0", "1", "-1", "2", "+1", "true", "false", "t", "f", "on", "off", "+", "-"}
MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
USED = "run --spiking reads address events"


def event_columns(titles: Iterable[str]) -> dict[str, str]:
    """Return the title of each column of events that there is, by its role; t is the clock.

    Example
    -------
    >>> event_columns(["timestamp_us", "y", "x", "pol", "temperature"])
    {'x': 'x', 'y': 'y', 'value': 'pol', 't': 'timestamp_us'}
    """
    given = [title.strip() for title in titles]
    lower = {title.lower(): title for title in reversed(given)}
    found = {}
    for role, names in NAMES.items():
        title = next((lower[name] for name in names if name in lower), None)
        if title is not None:
            found[role] = title
    clock = lower.get("t") or next((title for title in given if is_clock_name(title)), None)
    if clock is not None:
        found["t"] = clock
    return found


def are_events(columns: dict[str, str]) -> bool:
    """Tell whether columns are those of events: a time and an address, or pixels with a polarity or sample."""
    has = columns.keys()
    return "t" in has and ({"address", "sample"} <= has or ({"x", "y"} <= has and bool({"value", "sample"} & has)))


def _head(path: Path) -> list[str]:
    """Return the first rows of a text table; OSError passes."""
    with open_text(path) as file:
        lines = next(line_groups.grouped(line_groups.line_chunks(file.read), line_groups.HEAD), ([], True))[0]
    texts = [line.decode("utf-8-sig", errors="replace").strip() for line in lines]
    return [text for text in texts if text and text[0] != "#"]


def looks_headless(path: Path) -> bool:
    """Tell whether a table without a header has the four columns of events: time, two of pixels and polarity.

    The time falls at new samples only and has steps of many lengths, pixels are small whole numbers, polarity has two
    values.
    """
    texts = _head(path)
    with contextlib.suppress(Reject, ValueError):
        separator, titles = line_groups.titles_in(texts[0]) if texts else ("", [])
        if len(titles) != 4 or not all(map(is_number, titles)) or len(texts) < 16:
            return False
        columns = np.array([[float(cell) for cell in split_cells(text, separator)] for text in texts]).T
        steps = [np.diff(column) for column in columns]
        clocks = [k for k in range(4) if (steps[k] < 0).mean() < 0.05 and len(np.unique(steps[k])) > 4]
        signs = [k for k in range(4) if len(np.unique(columns[k])) == 2 and set(columns[k]) <= {-1.0, 0.0, 1.0}]
        others = [column for k, column in enumerate(columns) if k not in (*clocks, *signs[-1:])]
        whole = all((column >= 0).all() and (column < 4096).all() and (column % 1 == 0).all() for column in others)
        return len(clocks) == 1 and bool(signs) and len(others) == 2 and whole
    return False


def table_has_events(path: Path) -> bool:
    """Tell whether a text table holds events, by its header and the first rows; OSError passes.

    Pixels are whole numbers and polarities take two values; else x, y and p may be anything that was measured.
    """
    texts = _head(path)
    if not texts:
        return False
    separator, titles = line_groups.titles_in(texts[0])
    columns = event_columns(titles)
    if not are_events(columns):
        return False
    if {"address", "sample"} <= columns.keys():
        return True
    with contextlib.suppress(Reject, ValueError):
        rows = [split_cells(text, separator) for text in texts[1:]]
        rows = [[cell.strip() for cell in row] for row in rows if len(row) == len(titles)]
        cells = {role: [row[titles.index(title)] for row in rows] for role, title in columns.items()}
        pixels = [cell for role in ("x", "y") for cell in cells[role]]
        polarity = {cell.lower().removesuffix(".0") for cell in cells.get("value", ())}
        are_pixels = all(is_number(cell) and float(cell) >= 0 and float(cell).is_integer() for cell in pixels)
        return are_pixels and len(polarity) <= 2 and polarity <= BINARY
    return False


def is_structured(array: np.ndarray) -> bool:
    """Tell whether an array holds events with named fields, as tonic has them."""
    columns = event_columns(array.dtype.names or ())
    return "t" in columns and ({"x", "y"} <= columns.keys() or "address" in columns or "x" in columns)


def npy_has_events(path: Path) -> bool:
    with contextlib.suppress(ValueError, EOFError, OSError):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return isinstance(array, np.ndarray) and is_structured(array)
    return False


def npz_has_events(path: Path) -> bool:
    """Tell whether an .npz file holds events; UserError where it cannot be read."""
    archive = NpzArrays(path)
    columns = event_columns(archive)
    if "t" in columns and (
        "address" in columns or ({"x", "y"} <= columns.keys() and {"offset", "value"} & columns.keys())
    ):
        return True
    lower = {name.lower() for name in archive}
    if {"x", "y"} <= lower or {"x_train", "y_train"} <= lower:
        return False
    return any(is_structured(archive[name]) for name in list(archive)[:2])


def refuse_events(path: Path) -> None:
    """Refuse a file of address events where values are read.

    Raises
    ------
    UserError
        "... looks like address events ..."
    """
    with contextlib.suppress(OSError):
        is_text = path.is_file() and suffix_of(path) in line_groups.SUFFIXES
        if is_text and looks_headless(path):
            raise UserError(
                f"{path} looks like address events without a header; give one, such as t,x,y,p,sample,label, or name "
                "the columns to read as values with --features"
            )
        if is_text and table_has_events(path):
            found = ", ".join(event_columns(line_groups.titles_of(path)).values())
            raise UserError(
                f"{path} looks like address events ({found}); {USED}; to read the columns as values, name them with "
                "--features"
            )
