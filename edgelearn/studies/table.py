"""Folder of a study: plan, one record per finished cell, and the table as Parquet and CSV."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError, install
from edgelearn.files import check_regular, make_folder, read_json, write_text, write_whole
from edgelearn.studies.cell import DONE, FAILED, Cell, Column, Record, columns_of, row_of
from edgelearn.studies.plan import Plan, read_plan

if TYPE_CHECKING:
    import pandas as pd

PLAN, CELLS, TRIALS, TUNING = "study.toml", "cells", "trials", "tuning.json"
EQUAL_ACCURACY = "equal_accuracy.json"
DIGEST = "digest"  # of the rest of a record
MOST_COUNTED = 2**63  # what a column of the table holds
OF_PLAN = b"edgelearn.plan"  # metadata of the table: digest of its plan
PARQUET, CSV = "table.parquet", "table.csv"
_OF_FAILED = {"kind", "config", "error"}
_OF_RECORDS = _OF_FAILED | {"accuracy_percent", "samples_learned", "sizes", "stored_bits", "samples", "counters"}
WRITTEN = (PLAN, TUNING, EQUAL_ACCURACY, PARQUET, CSV, "report.html", "report.md")


def need_studies(module: str) -> None:
    """Check that an optional library of studies is installed.

    Raises
    ------
    UserError
        "... is not installed"
    """
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise UserError(f"{module} is not installed, and studies need it: {install('studies')}")


@dataclass(frozen=True)
class Study:
    """A study on disk: what was asked, and a row per cell.

    Parameters
    ----------
    frame : columns as docs/studies.md lists them, rows in grid order
    """

    folder: Path
    plan: Plan
    frame: pd.DataFrame


def read_study(folder: Path) -> Study:
    """Read a study, finished or not.

    Raises
    ------
    UserError
        "... holds no study ...", "... is damaged ...", "the table in ... is of another plan ..."
    """
    if not (folder / PLAN).is_file() or not (folder / PARQUET).is_file():
        raise UserError(f"{folder} holds no study; give the folder that `edgelearn sweep --out` wrote")
    need_studies("pyarrow")
    need_studies("pandas")
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    plan = read_plan(folder / PLAN)
    dtypes = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    try:
        check_regular(folder / PARQUET)
        table = pq.read_table(folder / PARQUET)
        frame = table.to_pandas(types_mapper=dtypes.get)
    except (OSError, ValueError, pa.ArrowException):
        raise UserError(f"{folder / PARQUET} is damaged; the same sweep again writes it anew") from None
    of_plan = (table.schema.metadata or {}).get(OF_PLAN, plan.digest.encode())  # earlier versions wrote none
    if of_plan != plan.digest.encode() or len(frame) > plan.n_cells or "cell" not in frame.columns:
        raise UserError(
            f"the table in {folder} is of another plan than {folder / PLAN}; give that back its text, or sweep again"
        )
    return Study(folder, plan, frame)


class Records:
    """The ended cells in a folder, one file each.

    Parameters
    ----------
    folder : made where it is not there
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_folder(folder)

    def read(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records that are there, whole, and as they were written: cells of others run again."""
        found = {}
        for id in ids:
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                record = read_json(self.folder / f"{id}.json")
                written = record.pop(DIGEST, None)
                if _is_whole(record, id) and (written is None or written == _digest(record)):
                    found[id] = record
        return found

    def write(self, record: Record) -> None:
        """Write a record. Its digest tells an empty or damaged file after a loss of power, whose cell runs again."""
        content = record | {DIGEST: _digest(record)}
        write_text(self.folder / f"{record['cell']}.json", json.dumps(content, sort_keys=True) + "\n", durable=False)


def _digest(record: Record) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _is_whole(record: Record, id: str) -> bool:
    """Return whether a record can be of a cell: earlier versions wrote no digest."""
    needed = _OF_RECORDS if record["status"] == DONE else _OF_FAILED
    if record["status"] not in (DONE, FAILED) or not needed <= record.keys():
        return False
    if Cell(record["kind"], record["config"]).id != id or record["cell"] != id or not isinstance(record["error"], str):
        return False
    if record["status"] == FAILED:
        return True
    accuracy = record["accuracy_percent"]
    if accuracy is not None and not 0 <= accuracy <= 100:
        return False
    counters = [counts for part in record["counters"].values() for counts in part.values()]
    numbers = [record["samples_learned"], record["stored_bits"], *record["samples"].values(), *chain(*counters)]
    is_even = all(len({len(counts) for counts in part.values()}) <= 1 for part in record["counters"].values())
    return is_even and all(type(number) is int and 0 <= number < MOST_COUNTED for number in numbers)


class Table:
    """The table of a plan, filled as cells end and written in grid order.

    Parameters
    ----------
    ids : of all cells, in grid order
    """

    def __init__(self, folder: Path, plan: Plan, ids: list[str]) -> None:
        self.folder, self._plan, self._ids = folder, plan, ids
        self.columns = columns_of(plan.kind, plan.processor_names, {*plan.settings, *plan.varied})
        self._rows: dict[str, dict[str, Any]] = {}

    def add(self, record: Record) -> None:
        self._rows[record["cell"]] = row_of(record, self._plan.processors)

    @property
    def missing(self) -> list[str]:
        """Name the cells that have no row yet."""
        return [id for id in self._ids if id not in self._rows]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the rows so far, in grid order, each with every column."""
        names = [column.name for column in self.columns]
        filled = (self._rows[id] for id in self._ids if id in self._rows)
        return [{name: row.get(name) for name in names} for row in filled]

    def write(self) -> None:
        """Write both files; a reader sees the old ones or the new ones."""
        rows = self.rows
        digest = self._plan.digest
        write_whole(self.folder / PARQUET, lambda file: _write_parquet(self.columns, rows, digest, file))
        write_text(self.folder / CSV, as_csv(self.columns, rows))


def as_csv(columns: list[Column], rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV: nothing is an empty field, numbers as many digits as they have."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        values = (row[column.name] for column in columns)
        writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in values])
    return text.getvalue()


def _write_parquet(columns: list[Column], rows: list[dict[str, Any]], digest: str, file: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    arrays = []
    for column in columns:
        values, type = [row[column.name] for row in rows], column.type
        if type == "span":  # samples, unless one is a duration
            type = "text" if any(isinstance(value, str) for value in values) else "int"
            values = [str(value) if type == "text" and value is not None else value for value in values]
        arrays.append(pa.array(values, types[type]))
    table = pa.Table.from_arrays(arrays, [column.name for column in columns])
    pq.write_table(table.replace_schema_metadata({OF_PLAN: digest.encode()}), file)
