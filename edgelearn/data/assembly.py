"""Open what a description says: read the arrays, name the classes, choose the subjects, join the files."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from edgelearn.data import downloads
from edgelearn.data.array_columns import from_arrays
from edgelearn.data.arrays import cannot_read
from edgelearn.data.compressed import suffix_of
from edgelearn.data.description import READERS, Description, Reader, as_text, fetch, find, read_description
from edgelearn.data.file_arrays import arrays_of, as_columns, is_edf
from edgelearn.data.file_content import FileContent, from_table
from edgelearn.data.formats import is_svmlight
from edgelearn.data.joined_files import join_files
from edgelearn.data.label_windows import is_windows, with_windows
from edgelearn.data.parquet_source import open_parquet
from edgelearn.data.second_files import with_label_in_name, with_labels_in_file, with_subjects_in_file
from edgelearn.data.source import Rejects, Source
from edgelearn.errors import UserError


def open_description(path: Path, *, subjects: str | None = None, allow_download: bool = True) -> Source:
    """Open the stream that a TOML file describes.

    Parameters
    ----------
    path : the TOML file
    subjects : which subjects to keep, such as "1600-1624,1630" or "not 1600-1624"; None keeps all
    allow_download : whether files with known addresses may be downloaded

    Raises
    ------
    UserError
        those of `read_description` and `open_files`; "stream '...' was not found ..."
    """
    forms = read_description(path)
    fault: UserError | None = None
    here = [(form, found) for form in forms if (found := find(form, path.parent))]
    if here:  # a form whose package is missing only where there is no other: opening it says what to install
        form, found = next((one for one in here if _can_read(*one)), here[0])
        return open_files(form, found, subjects)
    for form in forms:
        if form.download and allow_download:
            try:
                return open_files(form, fetch(form), subjects)
            except UserError as error:
                fault = error
    first = forms[0]
    if not first.file:
        raise UserError(f"description {path}: key 'file' is missing; name the data, or give it with the description")
    reason = f" ({fault})" if fault else ""
    way_out = first.get or f"put it beside {path.name} or into a folder named in {downloads.DATA_VARIABLE}"
    raise UserError(f"stream '{first.name}' was not found: no {first.file}{reason}; {way_out}")


def _can_read(form: Description, found: Sequence[Path]) -> bool:
    """Tell whether the package is there that a form needs, where another form may do without it."""
    needs_wfdb = (form.reader or reader_of(found[0])) == "beats" and found[0].suffix != ".npz"
    return not needs_wfdb or importlib.util.find_spec("wfdb") is not None


def reader_of(path: Path) -> Reader:
    """Give the reader for a file by its suffix.

    Raises
    ------
    UserError
        "... has the extension ..."
    """
    suffix = suffix_of(path)
    if suffix == ".dat":
        return "beats" if path.with_suffix(".hea").is_file() else "svmlight" if is_svmlight(path) else "text"
    if suffix not in READERS:
        raise UserError(f"{path} has the extension '{path.suffix}'; data files end in {', '.join(READERS)}")
    return READERS[suffix]


def open_files(form: Description, paths: Sequence[Path], subjects: str | None = None) -> Source:
    """Open files as one stream, each file a recording.

    Raises
    ------
    UserError
        "... cannot be read ...", "... has no array ...", "stream '...': ..."; those of the readers
    """
    form = form if form.name else replace(form, name=paths[0].stem if len(paths) == 1 else paths[0].parent.name)
    reader = form.reader or reader_of(paths[0])
    form = replace(form, reader=reader)
    is_plain = len(paths) == 1 and not (
        subjects or form.drop or form.subject_from or form.subject_file or form.label_from or form.labels
    )
    is_whole = not (form.first_class_until or form.normal_rows)
    is_plain = is_plain and form.order == "stored" and is_whole
    if reader == "text" and is_plain and form.drift == "none":
        from edgelearn.data import lines

        unlabelled = None if form.unlabelled is None else as_text(form.unlabelled)
        options = {"classes": form.by_label(), "unlabelled": unlabelled, "rate_hz": form.rate_hz}
        return cast(Source, lines.open_lines(paths[0], form.name, form.roles(), **options))
    is_alone = len(paths) == 1 and form.order == "stored" and not (form.label_from or form.labels)
    is_alone = is_alone and is_whole
    if reader == "parquet" and is_alone and form.drift != "subject":
        return open_parquet(form, paths[0], subjects)
    rejects = Rejects()
    plain = replace(form, label="") if form.labels else form  # whose label is a column of the second file
    pieces = [_read(plain, reader, path, rejects) for path in paths]
    if form.label_from:
        pieces = [with_label_in_name(form, path, piece) for path, piece in zip(paths, pieces, strict=True)]
    if form.subject_file:
        pieces = [with_subjects_in_file(form, path, piece) for path, piece in zip(paths, pieces, strict=True)]
    if is_windows(form.labels):
        pieces = with_windows(form, paths, pieces)
    elif form.labels and not is_edf(form.labels):
        pieces = with_labels_in_file(form, paths, pieces)
    return join_files(form, paths, pieces, subjects, rejects)


def _read(form: Description, reader: Reader, path: Path, rejects: Rejects) -> FileContent:
    notes: list[str] = []
    try:
        if reader == "text":
            return from_table(form, path, rejects)
        if reader == "beats":
            from edgelearn.data.wfdb_records import read_beats

            arrays = read_beats(path, rejects, annotator=form.annotator, notes=notes)
            form = replace(form, features="X", label="y", time="t")
        else:
            arrays = arrays_of(form, reader, path, notes)
    except MemoryError:
        raise UserError(f"{path} does not fit into memory; give a part of it, or .parquet, which is streamed") from None
    except OSError as error:
        raise cannot_read(path, error, "check its permissions") from None
    form, arrays = as_columns(form, arrays, notes)
    piece = from_arrays(form, path, arrays, notes)
    return piece._replace(notes=tuple(notes))
