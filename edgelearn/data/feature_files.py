"""What a file of features says of itself: the tensor and the model they are of, and how its integers are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data.arrays import NpzArrays
from edgelearn.errors import UserError

TENSOR, SOURCE = "x_tensor", "x_source"
QUANTISED = (("x_scale", "x_zero_point"), ("scale", "zero_point"))
_INPUTS = ("x", "x_train", "x_test")


@dataclass(frozen=True)
class Described:
    """What stands beside features in their file, as `edgelearn model features` writes it.

    Parameters
    ----------
    file : path, for messages
    tensor : name of the tensor whose values they are, None where the file does not say
    source : SHA-256 of the model they were computed with
    quantised : scale and zero point of integers, value = scale * (q - zero point)
    dtype : "int8" or "uint8" of integers
    """

    file: str
    tensor: str | None = None
    source: str | None = None
    quantised: tuple[float, int] | None = None
    dtype: str = "int8"

    @property
    def says(self) -> tuple[Any, ...]:
        """What two files must agree on to be read as one."""
        return self.tensor, self.source, self.quantised


def described_by(data: object) -> Described | None:
    """Return what a .npz file, those of a folder or of a description say of their features; None for anything else.

    Raises
    ------
    UserError
        "... are of different tensors ..." where files of a folder differ
    """
    path = Path(data).expanduser() if isinstance(data, str | Path) else None
    if path is None:
        return None
    try:
        paths = sorted(path.rglob("*.npz")) if path.is_dir() else _named_in(path)
        paths = [one for one in paths if one.suffix.lower() == ".npz" and one.is_file()]
        found = [described_in(one, NpzArrays(one)) for one in paths]
    except (UserError, OSError):  # the reader of the data says it better
        return None
    first = next((one for one in found if one is not None), None)
    for one in found:
        if first is not None and one is not None and one.says != first.says:
            raise UserError(
                f"{first.file} and {one.file} hold features of different tensors or scales; give files of one tensor"
            )
    return first


def _named_in(path: Path) -> list[Path]:
    """Return the files of a description (.toml) whose features are the values of x as they are, or the path itself."""
    if path.suffix.lower() != ".toml":
        return [path]
    from edgelearn.data.description import as_tuple, find, read_description

    for form in read_description(path):
        found = find(form, path.parent)
        if found:
            features = as_tuple(form.features)
            is_x = not features or (len(features) == 1 and features[0].lower() in _INPUTS)
            return found if is_x and form.scale == 1 and form.reader in (None, "npz") else []
    return []


def described_in(path: Path, arrays: Mapping[str, np.ndarray]) -> Described | None:
    """Return what the arrays of one file say, None where they say nothing."""
    tensor, source = (_text(arrays, name) for name in (TENSOR, SOURCE))
    quantised, dtype = None, "int8"
    for names in QUANTISED:
        if quantised is None and all(name in arrays and arrays[name].size == 1 for name in names):
            scale, zero_point = (arrays[name] for name in names)
            if scale.dtype.kind in "fiu" and zero_point.dtype.kind in "iu":
                quantised = float(scale.item()), int(zero_point.item())
    if quantised is not None:
        x = next((arrays[name] for name in arrays if name.lower() in _INPUTS), np.zeros(0))
        whole = x.size and bool(np.nanmax(x) > 127)
        dtype = "uint8" if x.dtype == np.uint8 or (x.dtype != np.int8 and whole) else "int8"
    if tensor is None and source is None and quantised is None:
        return None
    return Described(str(path), tensor, source, quantised, dtype)


def features_in(path: Path) -> np.ndarray:
    """Return the features of a .npz file, x or x_train, float or int[n, n_features].

    Raises
    ------
    UserError
        "... holds no features ..."
    """
    arrays = NpzArrays(path)
    name = next((name for key in _INPUTS for name in arrays if name.lower() == key), None)
    if name is None or arrays[name].ndim < 2:
        raise UserError(f"{path} holds no features [n, n_features]; name them x")
    return arrays[name].reshape(len(arrays[name]), -1)


def _text(arrays: Mapping[str, np.ndarray], name: str) -> str | None:
    if name not in arrays or arrays[name].size != 1 or arrays[name].dtype.kind != "U":
        return None
    return str(arrays[name].item()) or None
