"""Content of one recorded file, before files are joined; text tables as a whole."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import (
    is_missing,
    label_text,
)
from edgelearn.data.columns import Roles
from edgelearn.data.description import Description, as_text, as_tuple
from edgelearn.data.reader import TableReader
from edgelearn.data.restarts import TIME_BACK, restarts, restarts_note
from edgelearn.data.source import ColumnsUsed, Rejects
from edgelearn.data.table_rows import Rows, joined
from edgelearn.errors import UserError

OTHERS = "*"


class FileContent(NamedTuple):
    """What a file holds, before the files are joined."""

    x: NDArray[Any]  # before the cast to float32
    labels: NDArray[Any] | None
    t: NDArray[np.float64] | None
    subject: NDArray[Any] | None
    segment: NDArray[np.int64]
    has_own_segments: bool  # its numbers mean something outside the file
    keep: NDArray[np.bool_]
    channels: tuple[str, ...]
    class_names: tuple[str, ...]
    used: ColumnsUsed
    n_rows: int  # of the file, those that cannot be used too
    notes: tuple[str, ...] = ()
    nominal: tuple[str, ...] = ()  # features, each value of which is an input


def from_table(form: Description, path: Path, rejects: Rejects) -> FileContent:
    """Read a text table as a whole, with its subjects and the columns by which rows are dropped."""
    has_subject = bool(form.subject or form.subject_from)
    dropping = [name for name in form.drop if not (name == "subject" and has_subject)]
    names = tuple(dict.fromkeys([*as_tuple(form.subject or ()), *dropping]))
    table, rows = _read_in_order(replace(form.roles(), texts=names), path)
    assert table.columns is not None
    assert table.rejects is not None
    found = table.rejects
    n = len(rows.labels)
    texts = {name: np.array([label_text(cell) for cell in rows.texts[k]]) for k, name in enumerate(names)}
    subject = texts[form.subject] if form.subject else subject_in_name(form, path, n)
    keep = np.ones(n, bool)
    for name, values in form.drop.items():
        given = subject if subject is not None and name == "subject" else texts[name]
        keep &= ~np.isin(texts_of(given), [as_text(value) for value in values])
    labels, known = np.array([label_text(cell) for cell in rows.labels]), {*form.by_label()}
    if known and OTHERS not in known:
        is_other = np.array([label not in known and not is_missing(label) for label in labels])
        for row in np.flatnonzero(is_other):
            found.add("no room for label", f"line {rows.numbers[row]}: label '{labels[row]}'")
            labels[row] = ""
    for reason, count in found.counts.items():
        for _ in range(count):
            rejects.add(reason, f"{path.name} {found.first[reason]}")
    return FileContent(
        x=table.expand(rows.x),
        labels=labels,
        t=rows.t if table.columns.time is not None else None,
        subject=subject,
        segment=rows.segment,
        has_own_segments=False,
        keep=keep,
        channels=form.channels or table.channels,
        class_names=(),
        used=replace(table.columns.used, inputs=form.channels or table.channels),
        n_rows=n + sum(found.counts.values()),
        notes=tuple(table.notes),
        nominal=() if table.categories is None else tuple(table.categories.titles.values()),
    )


def _read_in_order(roles: Roles, path: Path) -> tuple[TableReader, Rows]:
    """Read a text table; where its clock starts again within the file, a recording begins."""

    def read(begins: NDArray[np.int64] | tuple[()] | None) -> tuple[TableReader, Rows]:
        table = TableReader(roles, str(path), Rejects(), dtype=np.float64, restarts=begins)
        return table, joined(list(table.read_file(path, has_long_cells=False)))

    table, rows = read(())
    if table.rejects is None or TIME_BACK not in table.rejects.counts:
        return table, rows
    _, loose = read(None)
    begins = loose.numbers[restarts(loose.t, loose.segment)]
    if len(begins) and table.columns is not None:
        title = str(table.columns.used.time)
        table, rows = read(begins)
        table.notes.append(restarts_note(title, len(begins)))
    return table, rows


def subject_in_name(form: Description, path: Path, n: int) -> NDArray[Any] | None:
    """Give the subject that the name of a file, or else of a folder that holds it, has, once per sample."""
    if not form.subject_from:
        return None
    parts = path.absolute().parts
    tries = (re.search(form.subject_from, "/".join(parts[-n:])) for n in range(1, len(parts)))
    match = next((found for found in tries if found is not None), None)
    if match is None:
        raise UserError(f"{path} does not match subject_from '{form.subject_from}'; correct the key or the pattern")
    return np.full(n, int(match[1]) if match[1].isdecimal() else match[1])


def ids_of(values: NDArray[Any]) -> NDArray[np.int64]:
    """Number recordings or subjects: whole numbers as they are, text by its checksum."""
    if values.dtype.kind in "bui":
        return values.astype(np.int64)
    names, place = np.unique(texts_of(values), return_inverse=True)
    return np.array([zlib.crc32(name.encode()) for name in names.tolist()], np.int64)[place]


def texts_of(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "O":
        return np.array([as_text(value) for value in values.tolist()], dtype=str)
    found, place = np.unique(values, return_inverse=True)
    return np.array([as_text(value) for value in found.tolist()], dtype=str)[place.reshape(values.shape)]
