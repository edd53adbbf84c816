"""Rows of a data set as they are, with everything that stands beside them: inputs of a model that is not ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgelearn.data import datasets
from edgelearn.data.arrays import NpzArrays
from edgelearn.errors import UserError

Arrays = dict[str, np.ndarray]
Parts = tuple[Arrays, Arrays, list[str]]  # rows by part, arrays beside them, notes
INPUTS = ("x", "x_train", "x_test")
LABELS = {"x": "y", "x_train": "y_train", "x_test": "y_test"}


def of_arrays(path: Path, limit: int | None = None) -> Parts:
    """Return the rows of a .npz, x or x_train and x_test, in any shape; all other arrays are carried over.

    An array with as many entries as a part has rows is cut with it where there is a limit.

    Raises
    ------
    UserError
        "... holds no array x ...", "... is not numeric ...", and those of `NpzArrays`
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; give a .npz with x and y")
    archive = NpzArrays(path)
    by_name = {name.lower(): name for name in archive}
    keys = [key for key in INPUTS if key in by_name]
    if not keys:
        raise UserError(f"{path} holds no array x, only {', '.join(archive) or 'nothing'}; name the rows x")
    rows, beside = {}, {}
    for key in keys:
        x = archive[by_name[key]]
        if x.dtype.kind not in "biuf" or x.ndim < 2:
            raise UserError(f"{path}: '{by_name[key]}' is {x.dtype} {list(x.shape)}; give numbers [n_rows, ...]")
        rows[key] = x[:limit]
        check_finite(f"{path}: '{by_name[key]}'", rows[key])
    lengths = {len(archive[by_name[key]]): len(rows[key]) for key in keys}
    for name in archive:
        if name.lower() in keys:
            continue
        one = archive[name]
        label_of = next((key for key in keys if LABELS[key] == name.lower()), None)
        if label_of is not None and (one.ndim == 0 or len(one) != len(archive[by_name[label_of]])):
            n = len(archive[by_name[label_of]])
            raise UserError(f"{path}: '{by_name[label_of]}' has {n:,} rows and '{name}' {one.size:,}; give as many")
        beside[name] = one[: lengths[len(one)]] if one.ndim and len(one) in lengths else one
    return rows, beside, []


def of_data_set(name: str, limit: int | None = None) -> Parts:
    """Return training and test rows of a data set with a name, and their labels."""
    data = datasets.open_dataset(name, limit=limit)
    names = np.array(data.class_names)
    rows = {"x_train": data.train_x, "x_test": data.test_x}
    beside = {"y_train": names[data.train_y], "y_test": names[data.test_y]}
    top = "" if np.ndim(data.high) else f", 0 to {float(data.high) - 1:g}"
    return rows, beside, [*data.notes, f"values of {name} go in as they are{top}; --factor scales them"]


def of_source(name: str, limit: int | None = None) -> Parts:
    """Return the rows of a stream, a table or a folder, with labels, times and recordings or subjects."""
    from edgelearn.data.open_source import open_source

    source = open_source(name, limit=limit)
    blocks = list(source.blocks())
    if not blocks:
        raise UserError(f"{name} holds no rows; give data with at least one")
    x, y, t, segment = (np.concatenate([getattr(block, key) for block in blocks]) for key in ("x", "y", "t", "segment"))
    check_finite(name, x)
    if source.columns_used.offsets:
        x = x + np.asarray(source.columns_used.offsets)
    known, beside = y >= 0, {}
    if known.any():
        names = np.array([*source.class_names, ""])
        beside["y"] = names[np.where(known, y, -1)]
    if not np.isnan(t).all():
        beside["t"] = t
    if segment.size and segment.max() > segment.min():
        beside["segment"] = segment
    notes = [] if known.all() else [f"{int((~known).sum()):,} rows have no label, which is empty in y"]
    return {"x": x}, beside, [*source.notes, *notes]


def check_finite(what: str, x: np.ndarray) -> None:
    """Refuse values that are missing or infinite.

    Raises
    ------
    UserError
        "... row ... is not finite ..."
    """
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row = int(np.argwhere(~np.isfinite(x))[0][0])
        raise UserError(f"{what} of row {row + 1:,} is not finite; models take no missing values: fill or drop it")
