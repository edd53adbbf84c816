"""Whether features are those that a network takes: their tensor, their model, scale and zero point of integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgelearn.data.feature_files import Described
from edgelearn.errors import UserError
from edgelearn.pretrained import Tensor
from edgelearn.runs.levels import LOWEST, LevelFrontEnd, are_integers
from edgelearn.runs.stored import AnyFrontEnd

_SHOWN = 12  # digits of a SHA-256 in a message


def check_model(described: Described, source: str, sha256: str | None) -> None:
    """Refuse features of another model.

    Raises
    ------
    UserError
        "... are of a model ..." with both digests
    """
    if described.source is not None and sha256 is not None and described.source != sha256:
        of = f"tensor '{described.tensor}' of" if described.tensor else "of"
        raise UserError(
            f"the features of {described.file} are {of} a model with SHA-256 {described.source[:_SHOWN]}..., and "
            f"{source} has {sha256[:_SHOWN]}...; give that model, or compute features of this one with edgelearn model "
            "features"
        )


def _check_tensor(described: Described, source: str, name: str | None) -> None:
    if described.tensor is not None and name is not None and described.tensor != name:
        raise UserError(
            f"the features of {described.file} are tensor '{described.tensor}', and {source} is cut at '{name}'; leave "
            "--cut out, or compute the features of this tensor with edgelearn model features"
        )


def _check_scale(described: Described, name: str, scale: float, zero_point: int) -> None:
    if described.quantised is None:
        return
    given, given_zero = described.quantised
    if given_zero != zero_point or not np.isclose(given, scale, rtol=1e-6, atol=0):
        raise UserError(
            f"the integers of {described.file} have scale {given:.6g} and zero point {given_zero}, and those of "
            f"'{name}' {scale:.6g} and {zero_point}; compute its integers with edgelearn model features, or give real "
            "numbers without x_scale and x_zero_point"
        )


def tensor_of(tensor: Tensor, source: str, sha256: str, described: Described, x: np.ndarray | None) -> Tensor:
    """Return the tensor that features are of: it takes the scale of integers up that have another one, or none.

    Parameters
    ----------
    tensor : at the cut
    source, sha256 : of the model
    x : features [n, n_in], None where they are not there yet

    Raises
    ------
    UserError
        "... are of a model ...", "... is cut at ...", "the integers of ...", "... holds ..."
    """
    check_model(described, source, sha256)
    _check_tensor(described, source, tensor.name)
    if described.quantised is None:
        return tensor
    if not tensor.is_integer:
        tensor = Tensor(tensor.name, tensor.shape, described.dtype, *described.quantised)
    elif (tensor.scale, tensor.zero_point) != described.quantised and not _is_same(described.quantised, tensor):
        tensor = Tensor(tensor.name, tensor.shape, described.dtype, *described.quantised)  # as a float one
    if x is not None and tensor.dtype in LOWEST and not are_integers(x, LOWEST[tensor.dtype]):
        raise UserError(
            f"{described.file} holds values that are not {tensor.dtype}, although it names a scale of integers; give "
            "integers, or real numbers without x_scale and x_zero_point"
        )
    return tensor


def _is_same(quantised: tuple[float, int], tensor: Tensor) -> bool:
    """Tell whether integers have the scale of a tensor, but for the rounding of a file."""
    scale, zero_point = quantised
    return tensor.zero_point == zero_point and bool(np.isclose(scale, tensor.scale or 0.0, rtol=1e-6, atol=0))


def model_of(origin: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of the model that a run started from, of the first one where runs followed each other."""
    if origin.get("format") == "results":
        return origin.get("model")
    return origin.get("sha256")


def check_features(note: Mapping[str, Any], front_end: AnyFrontEnd, described: Described | None, results: str) -> None:
    """Refuse features that are not those of a finished run.

    Parameters
    ----------
    note : of the run, as weights.npz holds it
    front_end : of the run

    Raises
    ------
    UserError
        As `tensor_of`
    """
    start = note.get("start")
    if described is None or not start:
        return
    check_model(described, results, model_of(start["origin"]))
    cut = start["origin"].get("cut")
    if described.tensor is not None and cut is not None and described.tensor != cut:
        raise UserError(
            f"the features of {described.file} are tensor '{described.tensor}', and {results} was learned from "
            f"'{cut}'; compute the features of this tensor with edgelearn model features"
        )
    if described.quantised is None or not isinstance(front_end, LevelFrontEnd):
        return
    levels = front_end.levels
    if levels.zero_point is not None:
        _check_scale(described, cut or results, float(levels.scale.flat[0]), levels.zero_point)
    else:
        raise UserError(
            f"{described.file} holds integers, and {results} was learned from real numbers; give real numbers, without "
            "x_scale and x_zero_point"
        )
