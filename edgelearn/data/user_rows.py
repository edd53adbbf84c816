"""Rows of several users: features, labels and the user of each row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import line_groups, reader
from edgelearn.data.arrays import NpzArrays
from edgelearn.data.columns import NO_ROLES
from edgelearn.data.compressed import suffix_of
from edgelearn.data.feature_files import Described, described_in
from edgelearn.data.source import Rejects
from edgelearn.data.table_rows import joined
from edgelearn.data.tables import class_labels, npz_labels
from edgelearn.errors import UserError, unknown

_LABELS = "y"


@dataclass(frozen=True, eq=False)
class UserRows:
    """Rows in the order of the file.

    Parameters
    ----------
    x : float or int[n, n_features]
    labels : class of each row, by name
    users : str[n], empty where no column was asked for
    described : tensor, model and scale of the features where the file names them
    notes : rows that were left out
    """

    x: NDArray[Any]
    labels: tuple[str, ...]
    users: NDArray[np.str_]
    described: Described | None = None
    notes: tuple[str, ...] = ()


def read_user_rows(path: Path, users: str | None, label: str | None = None) -> UserRows:
    """Read a .npz file with the arrays x, y and that of the users, or a text table with a column of users.

    Parameters
    ----------
    users : name of the array or column; None for rows of nobody in particular
    label : name of the label's column of a text table

    Raises
    ------
    UserError
        "... is not a file ...", "... has no array ...", those of the readers of arrays and tables
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path")
    suffix = suffix_of(path)
    if suffix == ".npz":
        if label is not None:
            raise UserError(f"{path}: --label-column is for text tables; a .npz file has its labels in array y")
        return _of_arrays(path, users)
    if suffix not in line_groups.SUFFIXES:
        known = ", ".join((".npz", *line_groups.SUFFIXES))
        raise UserError(f"{path} has the extension '{path.suffix}'; rows of users are in {known} files")
    return _of_table(path, users, label)


def _of_arrays(path: Path, users: str | None) -> UserRows:
    arrays = NpzArrays(path)
    alone = "x" not in arrays and "x_train" in arrays and "x_test" not in arrays  # a part, saved by itself
    features, classes = ("x_train", "y_train") if alone else ("x", _LABELS)
    for name in (features, classes, users):
        if name is not None and name not in arrays:
            raise UserError(f"{path}: {unknown('array', name, list(arrays))}")
    x, y = arrays[features], arrays[classes]
    if x.dtype.kind not in "fiub" or not x.ndim or not len(x) or y.shape != (len(x),):
        raise UserError(
            f"{path}: x {x.dtype}{list(x.shape)} and y {y.dtype}{list(y.shape)} do not fit; give numbers "
            f"x [n, features] and labels y [n]"
        )
    x = (x.astype(np.float64) if x.dtype.kind == "f" else x).reshape(len(x), -1)
    if np.isinf(x).any():
        row = int(np.argmax(np.isinf(x).any(axis=1))) + 1
        raise UserError(f"{path}: x row {row} has an infinite value; give numbers, or NaN where a value is missing")
    labels = tuple(map(str, npz_labels(path, classes, y)))
    names = np.full(len(x), "", np.str_) if users is None else arrays[users]
    if names.shape != (len(x),):
        raise UserError(f"{path}: {users} {list(names.shape)} does not fit {len(x):,} rows; give one user per row")
    return UserRows(x, labels, np.asarray(names.astype(np.str_)), described_in(path, arrays))


def _of_table(path: Path, users: str | None, label: str | None) -> UserRows:
    rejects = Rejects()
    roles = replace(NO_ROLES, label=label, texts=() if users is None else (users,), is_ordered=False)
    table = reader.TableReader(roles, str(path), rejects, dtype=np.float64)
    rows = joined(list(table.read_file(path)))
    x = table.expand(rows.x)
    labels = tuple(map(str, class_labels(path, rows.labels, rows.numbers)))
    names = [""] * len(x) if users is None else [cell.strip() for cell in rows.texts[0]]
    return UserRows(x, labels, np.array(names, np.str_), None, (*table.notes, *rejects.notes()))
