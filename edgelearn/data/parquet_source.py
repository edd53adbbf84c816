"""A Parquet file opened as a stream: columns, categories and subjects of all row groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.array_columns import categories_of, columns_used, fill_in_names, from_arrays, seconds_of
from edgelearn.data.arrays import Arrays, texts_as_numbers
from edgelearn.data.class_names import class_numbers, selected
from edgelearn.data.clock import UNITS
from edgelearn.data.columns import counters_note
from edgelearn.data.description import Description, as_tuple
from edgelearn.data.file_arrays import DEFAULTS
from edgelearn.data.file_content import texts_of
from edgelearn.data.source import Source
from edgelearn.errors import UserError
from edgelearn.files import place_of


def open_parquet(form: Description, path: Path, subjects: str | None) -> Source:
    from edgelearn.data import parquet

    said = {*as_tuple(form.features), form.label, form.time, form.segment, form.subject, *form.drop, *form.ignore}
    kinds = parquet.column_kinds(path, undecided=lambda name: not form.features and name not in said)
    notes: list[str] = []
    # The index of a pandas table stands behind its columns: the last column, which may be the label, is none.
    names = sorted(
        (name for name, kind in kinds.items() if kind.content != "other" or name in said),
        key=lambda name: not kinds[name].is_index,
    )
    if not form.time:
        times = [name for name in names if kinds[name].type.startswith("timestamp") and name not in said]
        in_index = [name for name in times if kinds[name].is_index]
        if len(in_index or times) == 1 and not any(name.lower() in DEFAULTS["time"] for name in names):
            form = replace(form, time=(in_index or times)[0])
    form = fill_in_names(form, path, names)
    if not form.features:
        taken = {form.label, form.time, form.segment, form.subject, *form.drop, *form.ignore}
        numeric = tuple(
            name
            for name in names
            if kinds[name].content == "numbers" and name not in taken and not parquet.is_row_number(name, kinds[name])
        )
        counters = parquet.row_counters(path, numeric)
        numeric = tuple(name for name in numeric if name not in counters)
        if not numeric:
            raise UserError(f"{path} has no column of numbers for features; name them with the key 'features'")
        notes += parquet.notes_of_left_out(kinds, [*numeric, *counters, *taken])
        notes += [counters_note(counters)] if counters else []
        form = replace(form, features=numeric)
    columns = list(
        dict.fromkeys(
            name
            for name in (*as_tuple(form.features), form.label, form.time, form.segment, form.subject, *form.drop)
            if name in kinds
        )
    )
    if subjects and not (form.subject or form.segment):
        raise UserError(f"stream '{form.name}' has no subjects; name their column with the key 'subject'")
    file = parquet.open_file(path)
    groups = range(file.metadata.num_row_groups)

    def values_in(column: str) -> NDArray[Any]:
        """Give the different texts of a column, of all row groups."""
        found = [np.unique(texts_of(parquet.read_group(path, file, group, [column])[column])) for group in groups]
        return np.unique(np.concatenate(found))

    # Texts that are features are categories, the same ones in every row group.
    categories = {}
    for name in as_tuple(form.features):
        if kinds[name].content == "texts" and texts_as_numbers(found := values_in(name)) is None:
            categories[name] = found

    def rows_of(arrays: Arrays) -> parquet.Rows:
        piece = from_arrays(form, path, arrays, notes, categories)
        keep = piece.keep
        if subjects:
            who = piece.subject if piece.subject is not None else arrays[form.segment]
            keep = keep & np.isin(texts_of(who), chosen)
        labels = piece.labels if piece.labels is not None else np.full(len(piece.x), "")
        return parquet.Rows(piece.x, labels, piece.t, piece.segment, keep)

    unit = None
    if form.time and len(groups):
        _, unit = seconds_of(form, path, parquet.read_group(path, file, 0, [form.time])[form.time], notes)
        if form.time_scale == 1 and unit in UNITS:  # of all groups
            form = replace(form, time_unit=cast(Any, unit))
    chosen: list[str] = []
    if subjects:
        known = values_in(form.subject or form.segment)
        chosen = known[selected(subjects, known, form.name)].tolist()
    channels = form.channels
    if not channels:
        channels = tuple(
            title
            for name in as_tuple(form.features)
            for title in (
                [f"{name}={text}" for text in categories_of(categories[name])] if name in categories else [name]
            )
        )
    return parquet.ParquetSource(
        path,
        columns,
        rows_of,
        lambda labels: class_numbers(form, labels, ()),
        name=form.name,
        source=place_of(path),
        channels=channels,
        rate_hz=form.rate_hz,
        drift=form.drift if isinstance(form.drift, tuple) else "segment" if form.drift == "segment" else (),
        notes=notes,
        columns_used=replace(columns_used(form, list(kinds), channels), time_unit=unit),
    )
