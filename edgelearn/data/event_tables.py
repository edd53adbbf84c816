"""Address events in text tables: a header, and one event per line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import line_groups, reader
from edgelearn.data.columns import Roles
from edgelearn.data.event_columns import MICROSECONDS, event_columns
from edgelearn.data.event_set import MAX_WHOLE, WHOLE_TIMES, EventSet, pixel_addresses, unit_of_times, user_set
from edgelearn.data.source import ColumnsUsed
from edgelearn.data.tables import class_labels, draw_parts
from edgelearn.errors import UserError


def read_event_table(path: Path, test_fraction: float, limit: int | None, time_unit: str | None = None) -> EventSet:
    columns = _text_columns(path)
    notes: list[str] = []
    unit = unit_of_times(columns["t"], time_unit, notes)
    places = ["address"] if "address" in columns else ["x", "y"]
    numbers = [role for role in ("t", *places, "value") if role in columns]
    titles = tuple(columns[role] for role in numbers)
    texts = (columns["sample"],) if "sample" in columns else ()
    roles = Roles(titles, label=columns["label"], texts=texts, is_ordered=False)
    table = reader.TableReader(roles, str(path), dtype=np.float64, may_lack=False)
    samples: dict[str, int] = {}
    labels: list[tuple[str, int]] = []  # and the line of the first event
    pieces, of_event, stretches = [], [], _Stretches()
    for rows in table.read_file(path):
        if unit != "us":
            rows.x[:, 0] = np.rint(rows.x[:, 0] * MICROSECONDS[unit])
        for column, role in enumerate(numbers):
            low, allowed = (-MAX_WHOLE, WHOLE_TIMES) if role == "t" else (0, "a whole number from 0")
            if role != "value":
                _check_whole(path, titles[column], rows.x[:, column], rows.numbers, low, allowed)
        names = rows.texts[0] if texts else stretches.names(rows.x[:, 0].tolist(), rows.labels)
        for line, sample, cell in zip(rows.numbers.tolist(), names, rows.labels, strict=True):
            index, label = samples.setdefault(sample, len(samples)), cell.strip()
            if index == len(labels):
                if not sample:
                    raise UserError(f"{path} line {line}: sample is empty; give the number or name of the sample")
                labels.append((label, line))
            elif labels[index][0] != label:
                raise UserError(
                    f"{path} line {line}: label is '{label}' and sample '{sample}' has label '{labels[index][0]}' in "
                    f"line {labels[index][1]}; give a sample one label"
                )
            of_event.append(index)
        pieces.append(rows.x)
    if not texts:
        notes.append(f"no column sample: {len(samples)} samples, by labels that change and times that start again")
    read, sample_of = np.concatenate(pieces), np.array(of_event, np.int64)
    by_role = dict(zip(numbers, read[np.argsort(sample_of, kind="stable")].T, strict=True))
    whole = {role: by_role[role].astype(np.int64) for role in ("t", *places)}
    if "address" in whole:
        address, n_addresses = whole["address"], int(whole["address"].max()) + 1
    else:
        x, y = whole["x"], whole["y"]
        address, n_addresses = pixel_addresses(path, x, y, int(x.max()) + 1, int(y.max()) + 1)
    left_out = tuple(title for title in line_groups.titles_of(path) if title not in map(str.lower, columns.values()))
    return user_set(
        path,
        whole["t"],
        address,
        by_role.get("value"),
        np.concatenate(([0], np.cumsum(np.bincount(sample_of)))),
        class_labels(path, *zip(*labels, strict=True)),
        n_addresses,
        draw_parts(len(samples), test_fraction),
        limit,
        notes,
        ColumnsUsed(titles[1:], columns["label"], columns["t"], columns.get("sample"), unit, left_out=left_out),
    )


class _Stretches:
    """Names of samples where no column has them: one ends where the label changes or the time starts again."""

    def __init__(self) -> None:
        self.number, self.first, self.last = 0, 0.0, 0.0
        self.label: str | None = None

    def names(self, t: Sequence[float], labels: Sequence[str]) -> list[str]:
        found = []
        for now, label in zip(t, labels, strict=True):
            # Sensors write what they saw in no strict order: only a time in the first half is another start.
            if label != self.label or now < (self.first + self.last) / 2:
                self.number, self.label, self.first, self.last = self.number + 1, label, now, now
            self.last = max(self.last, now)
            found.append(str(self.number))
        return found


def _text_columns(path: Path) -> dict[str, str]:
    """Return the titles of the columns of events by their roles, as they stand in the file in lower case."""
    wanted = "sample, t, address (or x and y) and label, and value (or p) where events have a polarity"
    titles = line_groups.titles_of(path)
    if not titles:
        raise UserError(f"{path} is empty; give a header with the columns {wanted}, and one event per line")
    columns = event_columns(titles)
    if not {"x", "y"} <= columns.keys() and "address" not in columns:
        columns.pop("x", None)
    for role in ("t", "address", "label"):
        if role not in columns and not (role == "address" and {"x", "y"} <= columns.keys()):
            raise UserError(f"{path} has no column '{role}' in its header ({', '.join(titles)}); name {wanted}")
    return columns


def _check_whole(path: Path, name: str, values: NDArray[Any], lines: NDArray[np.int64], low: int, allowed: str) -> None:
    right = (values >= low) & (values <= MAX_WHOLE) & (values == np.floor(values))
    if not right.all():
        at = int(np.argmin(right))
        raise UserError(f"{path} line {lines[at]}: {name} is {values[at]:.17g}; give {allowed}, at most 2^53")
