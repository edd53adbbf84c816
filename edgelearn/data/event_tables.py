"""Address events in tables, one event per row: text with a header, and Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgelearn.data import line_groups, reader
from edgelearn.data.columns import Roles
from edgelearn.data.description import as_text
from edgelearn.data.event_columns import event_columns
from edgelearn.data.event_rows import EventRows
from edgelearn.data.event_set import EventSet, unit_of_times
from edgelearn.errors import UserError

TEXTS = (*line_groups.SUFFIXES, ".txt")
WANTED = "sample, t, address (or x and y) and label, and value (or p) where events have a polarity"


def read_event_table(path: Path, test_fraction: float, limit: int | None, time_unit: str | None = None) -> EventSet:
    """Read a text table."""
    titles = line_groups.titles_of(path)
    if not titles:
        raise UserError(f"{path} is empty; give a header with the columns {WANTED}, and one event per line")
    columns = _columns(path, titles, "header")
    notes: list[str] = []
    events = EventRows(path, columns, unit_of_times(columns["t"], time_unit, notes))
    numbers = ("t", *events.places)
    in_texts = [role for role in ("sample", "value") if role in columns]
    texts = tuple(columns[role] for role in in_texts)
    roles = Roles(
        tuple(columns[role] for role in numbers),
        label=columns["label"],
        texts=texts,
        is_ordered=False,
        has_categories=False,
    )
    table = reader.TableReader(roles, str(path), dtype=np.float64, may_lack=False)
    for rows in table.read_file(path):
        cells = dict(zip(in_texts, rows.texts, strict=True))
        values = dict(zip(numbers, rows.x.T, strict=True))
        if "value" in cells:
            values["value"] = np.array(cells["value"], str)
        events.add(values, cells.get("sample"), rows.labels, rows.numbers)
    left_out = tuple(title for title in titles if title not in map(str.lower, columns.values()))
    return events.finish(test_fraction, limit, notes, left_out)


def read_event_parquet(path: Path, test_fraction: float, limit: int | None, time_unit: str | None = None) -> EventSet:
    """Read a Parquet file, one row group after the other."""
    from edgelearn.data import parquet

    file = parquet.open_file(path)
    titles = parquet.names_of(path, file)
    columns = _columns(path, titles, "columns")
    notes: list[str] = []
    kind = str(file.schema_arrow.field(columns["t"]).type)
    is_date, is_duration = kind.startswith(("timestamp", "date")), kind.startswith(("duration", "time["))
    if time_unit is not None and (is_date or is_duration):
        raise UserError(f"time_unit is {time_unit}, and column '{columns['t']}' is {kind}; leave time_unit out")
    unit = "s" if is_duration else "us" if is_date else unit_of_times(columns["t"], time_unit, notes)
    events = EventRows(path, columns, unit, "row")
    done = 0
    for group in range(file.metadata.num_row_groups):
        arrays = parquet.read_group(path, file, group, list(dict.fromkeys(columns.values())))
        values = {role: arrays[columns[role]] for role in ("t", *events.places, "value") if role in columns}
        if values["t"].dtype.kind == "M":
            values["t"] = values["t"].astype("datetime64[us]").astype(np.int64)
        for role in ("t", *events.places):
            if values[role].dtype.kind not in "buif":
                raise UserError(f"{path}: column '{columns[role]}' holds no numbers; give one whole number per event")
        n = len(values["t"])
        samples = [as_text(cell) for cell in arrays[columns["sample"]].tolist()] if "sample" in columns else None
        labels = [as_text(cell) for cell in arrays[columns["label"]].tolist()]
        values = {role: one if role == "value" else one.astype(np.float64) for role, one in values.items()}
        events.add(values, samples, labels, np.arange(done + 1, done + n + 1))
        done += n
    if not done:
        raise UserError(f"{path} has no rows; give one event per row")
    return events.finish(test_fraction, limit, notes, tuple(one for one in titles if one not in columns.values()))


def _columns(path: Path, titles: Sequence[str], where: str) -> dict[str, str]:
    """Return the titles of the columns of events by their roles."""
    columns = event_columns(titles)
    if not {"x", "y"} <= columns.keys() and "address" not in columns:
        columns.pop("x", None)
    for role in ("t", "address", "label"):
        if role not in columns and not (role == "address" and {"x", "y"} <= columns.keys()):
            of = "in its header" if where == "header" else "among its columns"
            raise UserError(f"{path} has no column '{role}' {of} ({', '.join(titles)}); name {WANTED}")
    return columns
