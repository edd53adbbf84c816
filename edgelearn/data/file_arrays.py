"""Arrays of recorded files of every format, by name or one per column."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import named_arrays, signals
from edgelearn.data.arff import read_arff
from edgelearn.data.arrays import Arrays, NpzArrays
from edgelearn.data.companions import companion, file_beside
from edgelearn.data.description import Description, Reader, as_tuple
from edgelearn.data.formats import read_npy, read_numbers, read_svmlight

DEFAULTS = {
    "features": ("x", "x_train"),
    "label": ("y", "label", "class", "target", "labels", "targets", "y_train"),
    "time": ("t", "time", "timestamp"),
    "segment": ("segment", "recording"),
    "subject": ("subject",),
    "offsets": ("offset",),
}


SIGNALS = ("edf", "wav", "wfdb", "json")  # one array per column, with the names `time` and `label`


NAMED = ("npz", "npy", "mat", "hdf5")


TABLES = ("parquet", "arff", "numbers", "columns", *SIGNALS)  # one array per column, where x and y may be axes


LAST_IS_LABEL = ("parquet", "arff", "numbers", "json")


def arrays_of(form: Description, reader: Reader, path: Path, notes: list[str]) -> Arrays:
    """Read the arrays of a file, one per column or by their names."""
    if reader in SIGNALS:
        return _signals(form, reader, path, notes)
    if reader == "parquet":
        from edgelearn.data import parquet

        kinds = parquet.column_kinds(path)
        # The index of a pandas table stands behind its columns: the last column, which may be the label, is none.
        readable = [name for name, kind in kinds.items() if kind.content != "other"]
        names = sorted(readable, key=lambda name: not kinds[name].is_index)
        notes += parquet.notes_of_left_out(kinds, names)
        file = parquet.open_file(path)
        groups = [parquet.read_group(path, file, group, names) for group in range(file.metadata.num_row_groups)]
        return {name: np.concatenate([group[name] for group in groups]) for name in names}
    readers: dict[str, Callable[[Path], Arrays]] = {
        "npz": NpzArrays,
        "npy": read_npy,
        "mat": partial(named_arrays.read_mat, notes=notes),
        "hdf5": partial(named_arrays.read_hdf5, notes=notes),
        "arff": partial(read_arff, notes=notes),
        "svmlight": read_svmlight,
        "numbers": read_numbers,
    }
    return readers[reader](path)


def _signals(form: Description, reader: Reader, path: Path, notes: list[str]) -> Arrays:
    """Read signals with their labels, unless these come from elsewhere."""
    elsewhere = bool(form.label_from or (form.labels and not is_edf(form.labels)))
    if reader == "edf":
        beside = None
        if is_edf(form.labels):
            beside = companion(form, path, form.labels) if "*" in form.labels else file_beside(path, form.labels)
        arrays = signals.read_edf(path, as_tuple(form.features), beside, notes)
    elif reader == "wfdb":
        from edgelearn.data.wfdb_records import read_signals

        arrays = read_signals(path, form.annotator, notes)
    else:
        arrays = signals.read_wav(path, notes) if reader == "wav" else signals.read_json(path, notes)
    return {name: values for name, values in arrays.items() if name != signals.LABEL} if elsewhere else arrays


def is_edf(name: str) -> bool:
    """Tell whether labels are the annotations of an EDF file."""
    return name.lower().endswith((".edf", ".bdf"))


def is_numeric(values: NDArray[Any]) -> bool:
    """Tell whether an array holds numbers or booleans."""
    return values.dtype.kind in "buif"


def as_columns(form: Description, arrays: Arrays, notes: list[str]) -> tuple[Description, Arrays]:
    """Find the features among named arrays without a matrix X: the only matrix, or else one array per column."""
    if form.reader == "npy" and list(arrays) == [str(k + 1) for k in range(len(arrays))]:
        return replace(form, reader="numbers"), arrays
    known = {*(name for key in DEFAULTS for name in DEFAULTS[key]), form.label, form.time, form.subject, form.segment}
    others = [name for name in arrays if name not in known and name.lower() not in known]
    if form.reader not in NAMED or form.features:
        return form, arrays
    matrix = next((name for name in arrays if name.lower() in DEFAULTS["features"]), None)
    if matrix is not None and others:
        arrays = ChainMap({matrix: arrays[matrix]}, cast(dict[str, NDArray[Any]], arrays))
    if matrix is not None and not (others and arrays[matrix].ndim == 1):
        return form, arrays
    loaded = {name: arrays[name] for name in arrays}
    matrices = [name for name in others if loaded[name].ndim >= 2 and min(loaded[name].shape) > 1]
    matrices = [name for name in matrices if is_numeric(loaded[name])]
    if matrix is None and len(matrices) == 1:
        notes.append(f"features are the array {matrices[0]}, the only one of several columns")
        return replace(form, features=matrices[0]), loaded
    # x and y are axes where they are columns among others
    axes = [name for name in loaded if matrix is not None and name.lower() in ("x", "y")]
    columns = {name: one.reshape(-1) for name, one in loaded.items() if one.size == max(one.shape, default=0) > 1}
    sizes = [columns[name].size for name in (*others, *axes) if name in columns]
    if matrices or not sizes:
        return form, arrays
    n = max(sizes, key=lambda size: (sizes.count(size), size))
    if matrix is not None and (matrix not in columns or columns[matrix].size != n or sizes.count(n) < 2):
        return form, arrays
    kept = {name: one for name, one in columns.items() if one.size == n}
    other = [name for name in others if name not in kept]
    if other:
        notes.append(f"arrays left out, as they are no columns of {n:,} values: {', '.join(other)}")
    return replace(form, reader=cast(Reader, "columns")), {
        name: kept.get(name, one) for name, one in loaded.items() if name not in other
    }
