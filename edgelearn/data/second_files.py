"""Labels and subjects in names of files and in second files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgelearn.data.arrays import text_of
from edgelearn.data.cells import (
    is_number,
    label_text,
    rows_of,
    separator_of,
)
from edgelearn.data.companions import companion, file_beside
from edgelearn.data.description import Description
from edgelearn.data.file_arrays import DEFAULTS
from edgelearn.data.file_content import FileContent, ids_of
from edgelearn.errors import UserError, unknown


def with_label_in_name(form: Description, path: Path, piece: FileContent) -> FileContent:
    """Give each sample the label that the name of its file, or else of a folder that holds it, has."""
    parts = path.absolute().parts
    for n_parts in range(1, len(parts)):
        match = re.search(form.label_from, "/".join(parts[-n_parts:]))
        if match is not None:
            labels = np.full(len(piece.x), match[1])
            return piece._replace(labels=labels, used=replace(piece.used, label=f"name ({form.label_from})"))
    raise UserError(f"{path} has no label: its name does not match '{form.label_from}'; correct --label-from")


def with_labels_in_file(form: Description, paths: Sequence[Path], pieces: Sequence[FileContent]) -> list[FileContent]:
    """Give the samples the labels of a second file, row by row: one file for all, or one beside each."""
    if "*" in form.labels:
        return [
            found
            for path, piece in zip(paths, pieces, strict=True)
            for found in _with_labels_of(form, companion(form, path, form.labels), [path], [piece])
        ]
    return _with_labels_of(form, file_beside(paths[0], form.labels), paths, pieces)


def _with_labels_of(
    form: Description, path: Path, paths: Sequence[Path], pieces: Sequence[FileContent]
) -> list[FileContent]:
    column, cells = label_cells(path, form.label or None)
    _check_rows(path, "label", len(cells), paths, pieces)
    ends = np.cumsum([0, *(len(piece.x) for piece in pieces)])
    used = f"{path.name}{f', {column}' if column else ''}"
    return [
        piece._replace(labels=np.array(cells[a:b]), used=replace(piece.used, label=used))
        for piece, a, b in zip(pieces, ends, ends[1:], strict=False)
    ]


def _check_rows(path: Path, what: str, n: int, paths: Sequence[Path], pieces: Sequence[FileContent]) -> None:
    """Refuse a second file that has another number of rows than the first, or the first where a row is unusable."""
    n_rows = sum(piece.n_rows for piece in pieces)
    n_samples = sum(len(piece.x) for piece in pieces)
    if n != n_rows:
        raise UserError(
            f"{path} has {n:,} {what}s and {paths[0] if len(paths) == 1 else paths[0].parent} "
            f"{n_rows:,} rows; give one {what} per row"
        )
    if n_samples != n_rows:
        raise UserError(
            f"{paths[0]} has {n_rows - n_samples:,} rows that cannot be used, so that {what}s of {path} cannot be told "
            "apart; correct the rows"
        )


def with_subjects_in_file(form: Description, path: Path, piece: FileContent) -> FileContent:
    """Give the samples of a file the subjects of the file beside it; each is a recording."""
    beside = companion(form, path, form.subject_file) if "*" in form.subject_file else path.parent / form.subject_file
    _, cells = label_cells(beside, None)
    _check_rows(beside, "subject", len(cells), [path], [piece])
    subject = np.array(cells)
    used = replace(piece.used, subject=beside.name)
    return piece._replace(subject=subject, segment=ids_of(subject), has_own_segments=True, used=used)


def label_cells(path: Path, column: str | None) -> tuple[str, list[str]]:
    """Read the labels of a second file: a line each, or a column of a table, by default its last one.

    Returns
    -------
    title of the column, empty without titles, and the labels as they stand
    """
    text = text_of(path, "give a text file with one label per line", [])
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise UserError(f"{path} has no labels; give one per line")
    separator = separator_of(lines[:64])
    rows = list(rows_of(lines, separator))
    width = len(rows[0])
    wrong = next((k for k, row in enumerate(rows) if len(row) != width), None)
    if wrong is not None:
        raise UserError(f"{path} row {wrong + 1} has {len(rows[wrong])} values, not {width}; give as many per line")
    titles = [cell.strip() for cell in rows[0]]
    known = (*DEFAULTS["label"], "labels", "activity")
    place = next((k for k in reversed(range(width)) if titles[k].lower() in known), width - 1)
    has_titles = titles[place].lower() in known
    if column is not None:
        if column in titles:
            place, has_titles = titles.index(column), True
        elif column.lstrip("-").isdecimal() and 0 < abs(int(column)) <= width:
            place = int(column) - 1 if int(column) > 0 else width + int(column)
            has_titles = titles[place].lower() in known
        else:
            raise unknown(f"{path}: column", column, titles)
    numbers = [is_number(row[place]) for row in rows]
    has_titles = has_titles or (not numbers[0] and len(rows) > 1 and all(numbers[1:]))
    cells = [label_text(row[place]) for row in (rows[1:] if has_titles else rows)]
    return titles[place] if has_titles else "", cells
