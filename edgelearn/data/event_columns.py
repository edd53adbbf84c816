"""Columns of tables and arrays of address events, by the names people use, and what tells events from values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import line_groups
from edgelearn.data.arrays import NpzArrays, mapped_array
from edgelearn.data.cells import Reject, is_missing, is_number, split_cells
from edgelearn.data.clock import is_clock_name
from edgelearn.data.text_files import open_text

NAMES = {  # the first is the name in messages
    "sample": ("sample", "sample_id", "sample_index", "recording", "recording_id", "trial", "segment"),
    "x": ("x", "xs", "x_addr", "xaddr", "x_coord"),
    "y": ("y", "ys", "y_addr", "yaddr", "y_coord"),
    "address": ("address", "addr", "addresses", "neuron", "neuron_id", "unit", "units"),
    "value": ("value", "p", "ps", "pol", "polarity", "polarities", "on"),
    "label": ("label", "labels", "class", "target"),
    "offset": ("offset", "offsets"),
}
POLARITIES = {
    **dict.fromkeys(("on", "true", "t", "+", "pos", "positive", "up", "inc"), 1.0),
    **dict.fromkeys(("off", "false", "f", "-", "neg", "negative", "down", "dec"), 0.0),
}
POLARITY_ADVICE = "give 1 or 0, 1 or -1, ON or OFF, true or false"
BINARY = {-1.0, 0.0, 1.0, 2.0}
MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


def polarities(values: NDArray[Any]) -> NDArray[np.float64]:
    """Give polarities as numbers: ON, true and + are 1, OFF, false and - are 0; NaN where there is none.

    Example
    -------
    >>> polarities(np.array(["ON", "off", "-1", "?"])).tolist()
    [1.0, 0.0, -1.0, nan]
    """
    if values.dtype.kind in "buif":
        return values.astype(np.float64)
    found, place = np.unique(values.astype(str), return_inverse=True)
    numbers = []
    for cell in found.tolist():
        text = cell.strip().lower()
        numbers.append(POLARITIES.get(text, float(text) if is_number(text) else np.nan))
    return np.array(numbers, np.float64)[place.reshape(values.shape)]


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
    addressed = "address" in has and bool({"sample", "offset"} & has)
    return "t" in has and (addressed or ({"x", "y"} <= has and bool({"value", "sample"} & has)))


def first_lines(path: Path) -> list[str]:
    """Return the first rows of a text table; OSError passes."""
    with open_text(path) as file:
        lines = next(line_groups.grouped(line_groups.line_chunks(file.read), line_groups.HEAD), ([], True))[0]
    texts = [line.decode("utf-8-sig", errors="replace").strip() for line in lines]
    return [text for text in texts if text and text[0] != "#"]


def unnamed_columns(columns: Sequence[NDArray[np.float64]]) -> dict[str, int] | None:
    """Return which of four columns without names is t, x, y and value, None where they are not those of events.

    The time falls at new samples only and has steps of many lengths, pixels are small whole numbers, polarity has two
    values. x comes before y.
    """
    if len(columns) != 4 or len(columns[0]) < 16 or not all(np.isfinite(column).all() for column in columns):
        return None
    steps = [np.diff(column) for column in columns]
    clocks = [k for k in range(4) if (steps[k] < 0).mean() < 0.05 and len(np.unique(steps[k])) > 4]
    signs = [k for k in range(4) if len(np.unique(columns[k])) == 2 and set(columns[k]) <= {-1.0, 0.0, 1.0}]
    others = [k for k in range(4) if k not in (*clocks, *signs[-1:])]
    pixels = [columns[k] for k in others]
    whole = all((one >= 0).all() and (one < 4096).all() and (one % 1 == 0).all() for one in pixels)
    if len(clocks) != 1 or not signs or len(others) != 2 or not whole:
        return None
    return {"t": clocks[0], "x": others[0], "y": others[1], "value": signs[-1]}


def headless_columns(path: Path) -> dict[str, int] | None:
    """Return which column of a text table without a header is which, None for others; OSError passes."""
    texts = first_lines(path)
    with contextlib.suppress(Reject, ValueError):
        separator, titles = line_groups.titles_in(texts[0]) if texts else ("", [])
        if len(titles) == 4 and all(map(is_number, titles)):
            rows = [split_cells(text, separator) for text in texts]
            return unnamed_columns([*np.array([[float(cell) for cell in row] for row in rows]).T])
    return None


def unnamed_in(array: NDArray[Any]) -> dict[str, int] | None:
    """Return which column of an array [events, 4] is which, None for other arrays."""
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "uif":
        return None
    with np.errstate(invalid="ignore"):
        return unnamed_columns([*np.asarray(array[:1000], np.float64).T])


def hold_events(columns: dict[str, str], arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether columns with the names of events hold what events have.

    Pixels are whole numbers and polarities take two values; else x, y and p may be anything that was measured. Missing
    values do not count: an event without a place is refused where events are read.
    """
    if not are_events(columns):
        return False
    if "address" in columns and bool({"sample", "offset"} & columns.keys()):
        return True
    with contextlib.suppress(ValueError, OverflowError):
        given = {role: np.asarray(arrays[columns[role]]) for role in ("x", "y", "value") if role in columns}
        if any(one.ndim != 1 or not len(one) for one in given.values()):
            return False
        pixels = np.concatenate([_present(given[role]).astype(np.float64) for role in ("x", "y")])
        signs = np.unique(polarities(_present(given["value"]))) if "value" in given else np.empty(0)
        whole = len(pixels) and np.isfinite(pixels).all() and (pixels >= 0).all() and (pixels % 1 == 0).all()
        return bool(whole and len(signs) <= 2 and set(signs) <= BINARY)
    return False


def _present(values: NDArray[Any]) -> NDArray[Any]:
    """Leave out missing values."""
    if values.dtype.kind in "buif":
        return np.asarray(values[~np.isnan(values)]) if values.dtype.kind == "f" else values
    found, place = np.unique(values.astype(str), return_inverse=True)
    is_there = np.array([not is_missing(cell.strip()) for cell in found.tolist()], bool)
    return np.asarray(values[is_there[place]])


def table_has_events(path: Path) -> bool:
    """Tell whether a text table holds events, by its header and the first rows; OSError passes."""
    texts = first_lines(path)
    if not texts:
        return False
    separator, titles = line_groups.titles_in(texts[0])
    if not separator or not are_events(event_columns(titles)):
        return False
    with contextlib.suppress(Reject):
        rows = [split_cells(text, separator) for text in texts[1:]]
        cells = np.array([row for row in rows if len(row) == len(titles)], str).reshape(-1, len(titles))
        return hold_events(event_columns(titles), dict(zip(titles, np.char.strip(cells).T, strict=True)))
    return False


def parquet_has_events(path: Path) -> bool:
    """Tell whether a Parquet file holds events, by its columns and their first rows; UserError passes."""
    from edgelearn.data import parquet

    file = parquet.open_file(path)
    columns = event_columns(parquet.names_of(path, file))
    if not are_events(columns) or not file.metadata.num_row_groups:
        return False
    wanted = [columns[role] for role in ("x", "y", "value") if role in columns]
    return hold_events(columns, parquet.read_group(path, file, 0, wanted))


def is_structured(array: np.ndarray) -> bool:
    """Tell whether an array holds events with named fields, as tonic has them."""
    columns = event_columns(array.dtype.names or ())
    return "t" in columns and ({"x", "y"} <= columns.keys() or "address" in columns or "x" in columns)


def npy_has_events(path: Path) -> bool:
    """Tell whether a .npy file holds events; UserError where it cannot be read."""
    return is_structured(mapped_array(path))


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
