"""Training and test part in one file of named arrays: .npz, HDF5 and .mat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.arrays import NpzArrays, read_npz
from edgelearn.data.compressed import suffix_of
from edgelearn.data.named_arrays import HDF5_BEGINS, read_hdf5, read_mat
from edgelearn.errors import UserError

SUFFIXES = (".npz", ".h5", ".hdf5", ".mat")
TRAIN, WHOLE, TEST = ("x_train", "y_train"), ("x", "y"), ("x_test", "y_test")
WANTED = (*WHOLE, *TRAIN, *TEST)


def names_in(path: Path) -> set[str]:
    """Return the names of the arrays of a file in lower case; empty for other files and those that cannot be read."""
    suffix = suffix_of(path)
    if suffix not in SUFFIXES or not path.is_file():
        return set()
    try:
        if suffix == ".npz":
            return {name.lower() for name in NpzArrays(path)}
        with path.open("rb") as file:
            head = file.read(1024)
        if head[512:520] == HDF5_BEGINS or head[:8] == HDF5_BEGINS:
            import h5py

            found: list[str] = []
            with h5py.File(path, "r") as archive:
                archive.visit(found.append)
            return {name.rpartition("/")[2].lower() for name in found}
        from scipy.io import whosmat

        return {name.lower() for name, _, _ in whosmat(path)}
    except Exception:  # damaged bytes raise nearly anything, and the reader of the data says it better
        return set()


def training_names(names: set[str]) -> tuple[str, str] | None:
    """Return features and labels of the training part of a file with both parts; None for one part alone."""
    if not set(TEST) <= names:
        return None
    return TRAIN if set(TRAIN) <= names else WHOLE if set(WHOLE) <= names else None


def read_parts(path: Path, notes: list[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays of parts under their names in lower case; other arrays may be empty.

    Raises
    ------
    UserError
        Those of the readers of arrays
    """
    if suffix_of(path) == ".npz":
        return read_npz(path, WANTED)
    arrays = (read_mat if suffix_of(path) == ".mat" else read_hdf5)(path, notes)
    return {name.lower(): values for name, values in arrays.items()}


def left_out_note(names: set[str], used: tuple[str, ...]) -> str | None:
    """State which arrays of parts have no use beside those that are used."""
    others = [name for name in WANTED if name in names and name not in used]
    return f"arrays left out: {', '.join(others)}; {', '.join(used)} are taken" if others else None


def check_features(path: Path, name: str, x: NDArray[Any]) -> None:
    """Refuse features that are no numbers [n_samples, ...].

    Raises
    ------
    UserError
        "... is ...; give numbers ..."
    """
    if x.ndim < 2 or x.dtype.kind not in "buif" or x.size == 0:
        raise UserError(f"{path}: {name} is {x.dtype} {list(x.shape)}; give numbers [n_samples, n_features]")
    if x.dtype.kind == "f" and np.isinf(x).any():
        row = int(np.argwhere(np.isinf(x.reshape(len(x), -1)))[0, 0]) + 1
        raise UserError(f"{path}: {name} row {row} is infinite; give a finite number, or NaN where it is missing")
