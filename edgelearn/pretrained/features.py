"""Files of features: a tensor of a model for each row, with all that says how its integers are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from edgelearn.files import write_arrays
from edgelearn.pretrained.imported import Model, Tensor

KEYS = ("x_tensor", "x_source", "x_scale", "x_zero_point")


def write_features(
    path: Path, model: Model, tensor: Tensor, rows: Mapping[str, np.ndarray], beside: Mapping[str, np.ndarray]
) -> None:
    """Write features as .npz, whole or not at all.

    Parameters
    ----------
    rows : features by the name of the part they come from: x, or x_train and x_test
    beside : labels, subjects and whatever else the data had

    Raises
    ------
    UserError
        "... has an array ..." of a name that features take, "cannot write ..."
    """
    about: dict[str, np.ndarray] = {"x_tensor": np.array(tensor.name), "x_source": np.array(model.sha256)}
    if tensor.scale is not None:
        about |= {"x_scale": np.array(tensor.scale), "x_zero_point": np.array(tensor.zero_point)}
    clash = sorted({*rows, *KEYS} & set(beside))
    if clash:
        raise UserError(f"the data has an array '{clash[0]}', a name that features take; rename it")
    write_arrays(path, {**rows, **beside, **about})
