"""Events of tables, one per row, gathered into samples: of text, Parquet, and arrays of one value per event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.cells import is_missing, shortened
from edgelearn.data.event_columns import MICROSECONDS, POLARITY_ADVICE, polarities
from edgelearn.data.event_set import MAX_WHOLE, WHOLE_TIMES, EventSet, pixel_addresses, user_set
from edgelearn.data.reader import ANY_ADVICE
from edgelearn.data.source import ColumnsUsed
from edgelearn.data.tables import class_labels, draw_parts
from edgelearn.errors import UserError


@dataclass
class EventRows:
    """Gather the events of a table.

    Parameters
    ----------
    path : of the table
    columns : titles by role; t, address or x and y, label, and sample and value where there are such
    unit : of the times
    row : what a row is called in messages
    """

    path: Path
    columns: dict[str, str]
    unit: str
    row: str = "line"
    _samples: dict[str, int] = field(default_factory=dict)
    _labels: list[tuple[str, int]] = field(default_factory=list)  # and the row of the first event
    _pieces: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    _of_event: list[int] = field(default_factory=list)
    _begun: tuple[str | None, float, float] = (None, 0.0, 0.0)  # label, first and last time of the sample at hand

    @property
    def places(self) -> tuple[str, ...]:
        """Return the roles that say where an event is."""
        return ("address",) if "address" in self.columns else ("x", "y")

    def add(
        self,
        values: dict[str, NDArray[Any]],
        samples: Sequence[str] | None,
        labels: Sequence[str],
        numbers: NDArray[np.int64],
    ) -> None:
        """Take the next rows: t, places and value by role, name of the sample, label, and number of the row.

        Raises
        ------
        UserError
            "FILE line N: ..."
        """
        t = values["t"]
        if self.unit != "us":
            t = np.rint(t * MICROSECONDS[self.unit])
        self._put("t", t, numbers, -MAX_WHOLE, WHOLE_TIMES)
        for role in self.places:
            self._put(role, values[role], numbers, 0, "a whole number from 0")
        if "value" in values:
            found = polarities(values["value"])
            wrong = np.flatnonzero(~np.isfinite(found))
            if len(wrong):
                cell, where = values["value"][wrong[0]], f"{self.path} {self.row} {numbers[wrong[0]]}"
                title, text = self.columns["value"], str(cell).strip()
                if is_missing(text):
                    raise UserError(f"{where}: a value is missing (column {title} is '{text}'); {ANY_ADVICE}")
                raise UserError(f"{where}: no polarity (column {title} is {shortened(text)}); {POLARITY_ADVICE}")
            self._pieces.setdefault("value", []).append(found)
        names = self._stretches(t.tolist(), labels) if samples is None else samples
        for number, sample, cell in zip(numbers.tolist(), names, labels, strict=True):
            index, label = self._samples.setdefault(sample, len(self._samples)), cell.strip()
            if index == len(self._labels):
                if not sample:
                    raise UserError(
                        f"{self.path} {self.row} {number}: sample is empty; give the number or name of the sample"
                    )
                self._labels.append((label, number))
            elif self._labels[index][0] != label:
                first, at = self._labels[index]
                raise UserError(
                    f"{self.path} {self.row} {number}: label is '{label}' and sample '{sample}' has label '{first}' in "
                    f"{self.row} {at}; give a sample one label"
                )
            self._of_event.append(index)

    def _put(self, role: str, values: NDArray[Any], numbers: NDArray[np.int64], low: int, allowed: str) -> None:
        right = (values >= low) & (values <= MAX_WHOLE) & (values == np.floor(values))
        if not right.all():
            at = int(np.argmin(right))
            raise UserError(
                f"{self.path} {self.row} {numbers[at]}: {self.columns[role]} is {values[at]:.17g}; give {allowed}, at "
                "most 2^53"
            )
        self._pieces.setdefault(role, []).append(values.astype(np.int64))

    def _stretches(self, t: Sequence[float], labels: Sequence[str]) -> list[str]:
        """Name samples where no column does: one ends where the label changes or the time starts again."""
        found, number = [], max(0, len(self._samples))
        current, first, last = self._begun
        for now, label in zip(t, labels, strict=True):
            # Sensors write what they saw in no strict order: only a time in the first half is another start.
            if label != current or now < (first + last) / 2:
                number, current, first, last = number + 1, label, now, now
            last = max(last, now)
            found.append(str(number))
        self._begun = (current, first, last)
        return found

    def finish(
        self, test_fraction: float, limit: int | None, notes: Sequence[str] = (), left_out: tuple[str, ...] = ()
    ) -> EventSet:
        """Return the samples, in the order of their first events."""
        notes = list(notes)
        if "sample" not in self.columns:
            n = len(self._samples)
            notes.append(f"no column sample: {n} samples, by labels that change and times that start again")
        sample_of = np.array(self._of_event, np.int64)
        order = np.argsort(sample_of, kind="stable")
        by_role = {role: np.concatenate(pieces)[order] for role, pieces in self._pieces.items()}
        if "address" in by_role:
            address, n_addresses = by_role["address"], int(by_role["address"].max()) + 1
        else:
            x, y = by_role["x"], by_role["y"]
            address, n_addresses = pixel_addresses(self.path, x, y, int(x.max()) + 1, int(y.max()) + 1)
        titles = tuple(self.columns[role] for role in (*self.places, "value") if role in self.columns)
        used = ColumnsUsed(
            titles, self.columns["label"], self.columns["t"], self.columns.get("sample"), self.unit, left_out=left_out
        )
        return user_set(
            self.path,
            by_role["t"],
            address,
            by_role.get("value"),
            np.concatenate(([0], np.cumsum(np.bincount(sample_of)))),
            class_labels(self.path, *zip(*self._labels, strict=True)),
            n_addresses,
            draw_parts(len(self._samples), test_fraction),
            limit,
            notes,
            used,
        )
