"""Conversion of layers in front of a cut to frozen layers of whole numbers (contract, section 11)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.conversion.front import FloatFront, FrontLayer
from edgelearn.conversion.tables import FINEST, SCALED, find_function
from edgelearn.errors import UserError
from edgelearn.network.frozen import FrozenLayer, FrozenStack

REACH = 1 - 1e-4  # quantile of absolute values that the highest output stands for
_HIGHEST = 127
_SUM = 2**31 - 1
_LONGEST = 40  # shift to the right, from which nothing is left


@dataclass(frozen=True, eq=False)
class Converted:
    """Frozen layers.

    Parameters
    ----------
    stack : the layers
    scale : binary scale A of the features: value = level * 2^-A
    cut_percent : share of the outputs of each layer beyond +-127, of the calibration samples
    """

    stack: FrozenStack
    scale: int
    cut_percent: tuple[float, ...]


def convert(front: FloatFront, x: np.ndarray, unit: float, largest: int, source: str) -> Converted:
    """Return the frozen layers of a front end.

    Parameters
    ----------
    x : calibration samples in the units of the model, float[n, n_in]
    unit : value of one input level
    largest : largest absolute input level
    source : name of the model, for messages

    Raises
    ------
    UserError
        "... outputs of ... are zero ...", "sums of ..."
    """
    layers: list[FrozenLayer] = []
    shares: list[float] = []
    scale, reach = 0, largest
    for layer in front.layers:
        sums = layer.sums(x)
        if layer.geometry.kind == "max":
            nothing = (np.zeros((0, 0), np.int8), np.zeros(0, np.int32), np.zeros(0, np.int64))
            layers.append(FrozenLayer(layer.geometry, *nothing, np.arange(-128, 128).astype(np.int8), layer.order))
            x = sums
            continue
        x = layer.activated(sums)
        if not np.isfinite(x).all():
            raise UserError(f"{source} cannot be converted: outputs of {layer.name} are not finite; export it again")
        outer = _scale_of(x)
        inner = outer if (layer.activation or "linear") in SCALED else _index_scale(layer, sums)
        layers.append(_frozen(layer, layer.weights * (1.0 if layers else unit), scale, inner, outer, reach, source))
        shares.append(100 * float(np.mean(np.abs(x) > np.ldexp(_HIGHEST + 0.5, -outer))))
        scale, reach = outer, _HIGHEST + 1
    return Converted(FrozenStack(tuple(layers), front.order), scale, tuple(shares))


def _scale_of(values: np.ndarray) -> int:
    """Return A = floor(log2(127 / quantile of |values|)), from the largest one where that is 0; 0 where all are."""
    sizes = np.abs(values)
    reach = float(np.quantile(sizes, REACH)) or float(sizes.max(initial=0))
    return int(np.floor(np.log2(_HIGHEST / reach))) if reach else 0


def _index_scale(layer: FrontLayer, sums: np.ndarray) -> int:
    return max(_scale_of(sums), FINEST.get(layer.activation or "linear", -(10**6)))


def largest_of(weights: np.ndarray) -> np.ndarray:
    """Return the largest absolute weight of each map, from which its exponent follows."""
    return np.asarray(np.abs(weights).max(axis=1, initial=0))


def _frozen(
    layer: FrontLayer, weights: np.ndarray, scale: int, inner: int, outer: int, reach: int, source: str
) -> FrozenLayer:
    """Return words, biases, shifts and table of a layer.

    Parameters
    ----------
    weights : of inputs in units of 2^-scale
    inner, outer : binary scales of the index and of the outputs
    reach : largest absolute input
    """
    highest = largest_of(weights)
    exponents = np.floor(np.log2(_HIGHEST / np.where(highest > 0, highest, _HIGHEST))).astype(np.int64)
    for _ in range(64):  # a bias beyond the sum takes bits from its weights
        words = np.rint(np.ldexp(weights, exponents[:, None]))
        biases = np.rint(np.ldexp(layer.biases, exponents + scale))
        beyond = reach * np.abs(words).sum(axis=1) + np.abs(biases) > _SUM
        if not beyond.any():
            break
        exponents = exponents - beyond
    else:
        raise UserError(f"sums of {layer.name} of {source} reach beyond 32 bits; leave --convert out")
    shifts = np.minimum(exponents + scale - inner, _LONGEST)
    if shifts.min(initial=0) < -31:
        raise UserError(f"{source} cannot be converted: outputs of {layer.name} are next to zero; leave --convert out")
    function = find_function(layer.activation or "linear", layer.slope)
    values = np.ldexp(function(np.ldexp(np.arange(-128, 128).astype(np.float64), -inner)), outer)
    table = np.clip(np.rint(values), -_HIGHEST, _HIGHEST).astype(np.int8)
    return FrozenLayer(
        layer.geometry, words.astype(np.int8), biases.astype(np.int32), shifts, table, layer.order
    )  # fmt: skip
