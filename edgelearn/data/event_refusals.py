"""Refusal of address events where values are read: each would become a sample of its own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgelearn.data import aedat, line_groups, signals
from edgelearn.data.arff import read_arff
from edgelearn.data.arrays import Arrays
from edgelearn.data.cells import Reject, json_row
from edgelearn.data.compressed import suffix_of
from edgelearn.data.event_arrays import ARRAY_SUFFIXES, arrays_by_name
from edgelearn.data.event_columns import (
    event_columns,
    first_lines,
    headless_columns,
    hold_events,
    is_structured,
    parquet_has_events,
    table_has_events,
    unnamed_in,
)
from edgelearn.data.event_folders import is_recording_folder
from edgelearn.errors import UserError

USED = "run --spiking reads address events"
AS_VALUES = "to read the columns as values, name them with --features"
TEXTS = (*line_groups.SUFFIXES, ".txt", ".log", ".data", ".dat")
MOST_BYTES = 1 << 28  # of a file that is read to look for events


def refuse_events(path: Path) -> None:
    """Refuse a file or folder of address events where values are read.

    Raises
    ------
    UserError
        "... looks like address events ..."
    """
    suffix = suffix_of(path)
    if suffix in aedat.SUFFIXES and path.exists():
        raise UserError(f"{path} is a recording of an event camera; {USED}, from a folder of recordings for each class")
    with contextlib.suppress(OSError):
        if path.is_dir():
            if is_recording_folder(path):
                raise UserError(f"{path} holds a folder of event recordings for each class; {USED}")
            files = (one for one in sorted(path.iterdir()) if one.is_file() and not one.name.startswith("."))
            for first in itertools.islice(files, 1):
                refuse_events(first)
        elif suffix in TEXTS and path.is_file():
            _refuse_texts(path)
        elif suffix == ".parquet" and path.is_file():
            if parquet_has_events(path):
                from edgelearn.data import parquet

                raise _refusal(path, event_columns(parquet.names_of(path, parquet.open_file(path))))
        elif suffix in _OTHER_FORMATS and path.is_file() and path.stat().st_size <= MOST_BYTES:
            _refuse_rows(path, suffix)
        elif suffix in ARRAY_SUFFIXES and path.is_file() and path.stat().st_size <= MOST_BYTES:
            _refuse_arrays(path)


def _refusal(path: Path, columns: dict[str, str]) -> UserError:
    return UserError(f"{path} looks like address events ({', '.join(columns.values())}); {USED}; {AS_VALUES}")


def _refuse_texts(path: Path) -> None:
    if headless_columns(path) is not None:
        raise UserError(
            f"{path} looks like address events without a header; give one, such as t,x,y,p,sample,label, or name "
            "the columns to read as values with --features"
        )
    if table_has_events(path):
        raise _refusal(path, event_columns(line_groups.titles_of(path)))


def _refuse_arrays(path: Path) -> None:
    try:
        arrays: Arrays = arrays_by_name(path, lambda names: bool(event_columns(names).keys() & {"t", "value"}))
    except UserError:  # which the reader of values says in its own way
        return
    columns = event_columns(arrays)
    if hold_events(columns, arrays):
        raise _refusal(path, columns)
    for name, array in arrays.items():
        if is_structured(array):
            raise _refusal(path, event_columns(array.dtype.names or ()))
        if unnamed_in(array) is not None:
            raise UserError(
                f"{path} looks like address events without names ({name} [{len(array)}, 4]); give a structured array "
                "with the fields t, x, y and p, or a folder of such files for each class, to run --spiking, or name "
                "the columns to read as values with --features"
            )


def _refuse_rows(path: Path, suffix: str) -> None:
    """Refuse events in formats of one row per event that are read as values alone."""
    try:
        arrays = _OTHER_FORMATS[suffix](path)
    except UserError:  # which the reader of values says in its own way
        return
    columns = event_columns(arrays)
    if hold_events(columns, arrays):
        found = ", ".join(columns.values())
        raise UserError(
            f"{path} looks like address events ({found}); {USED} in .csv, .parquet and .npz: write it as one of these; "
            f"{AS_VALUES}"
        )


def _of_json_lines(path: Path) -> Arrays:
    """Return the columns of the first objects of a file."""
    rows = []
    for text in first_lines(path):
        with contextlib.suppress(Reject):
            rows.append(json_row(text))
    objects = [row for row in rows if isinstance(row, dict)]
    names = list(dict.fromkeys(name for row in objects for name in row))
    whole = [row for row in objects if set(row) == set(names)]
    return {name: np.array([str(row[name]) for row in whole], str) for name in names}


_OTHER_FORMATS: dict[str, Callable[[Path], Arrays]] = {
    ".jsonl": _of_json_lines,
    ".json": lambda path: signals.read_json(path, []),
    ".arff": lambda path: read_arff(path, []),
}
