"""Keras layers on maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.spatial import CROPPED, Convolution, Pad, Pool, Sides, Spatial, same

if TYPE_CHECKING:
    from edgelearn.pretrained.keras_layers import KerasLayer, Shape

KINDS = {
    "Conv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D",
    "ZeroPadding2D",
}  # fmt: skip


def spatial(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Spatial:
    """Return the step of a layer on maps."""
    if layer.kind == "ZeroPadding2D":
        return Spatial(ops.BEHIND, lambda: _padding(layer))
    read = _pool if "Pooling" in layer.kind else _convolution
    return Spatial(ops.BEHIND, lambda: read(layer, arrays, before))


def _pairs(given: Any) -> Sides:
    rows, columns = (given, given) if isinstance(given, int) else given
    both = [(one, one) if isinstance(one, int) else (int(one[0]), int(one[1])) for one in (rows, columns)]
    return both[0], both[1]


def _padding(layer: KerasLayer) -> Pad | ops.Other:
    sides = _pairs(layer.config["padding"])
    return ops.Other(CROPPED) if min(*sides[0], *sides[1]) < 0 else Pad(sides, layer.channels_first)


def _two(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return int(first), int(second)


def _sides(layer: KerasLayer, before: Shape, kernel: tuple[int, int], strides: tuple[int, int]) -> Sides | ops.Other:
    padding = layer.config.get("padding", "valid")
    if padding == "valid":
        return (0, 0), (0, 0)
    sizes = () if before is None else before[2:4] if layer.channels_first else before[1:3]
    if len(sizes) != 2 or None in sizes or padding != "same":
        return ops.Other("the size of its map is not known, or its padding is neither valid nor same")
    rows, columns = (same(sizes[k] or 1, kernel[k], strides[k]) for k in range(2))
    return rows, columns


def _convolution(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Convolution | ops.Other:
    from edgelearn.pretrained.keras_layers import function_of

    config, deep = layer.config, layer.kind == "DepthwiseConv2D"
    if _two(config.get("dilation_rate", 1)) != (1, 1) or (not deep and config.get("groups", 1) != 1):
        return ops.Other("its taps are dilated, or it is of several groups")
    n_arrays = 2 if config.get("use_bias", True) else 1
    if len(arrays) != n_arrays or any(array.dtype.kind != "f" for array in arrays) or arrays[0].ndim != 4:
        return ops.Other("its weights are not a kernel of floats and a bias")
    kernel = arrays[0].astype(np.float64)  # [height, width, n_in, maps or multiplier]
    groups = kernel.shape[2] if deep else 1
    if deep:
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    weights = kernel.transpose(3, 0, 1, 2)
    biases = arrays[1].astype(np.float64) if n_arrays == 2 else np.zeros(len(weights))
    strides = _two(config.get("strides", 1))
    padding = _sides(layer, before, weights.shape[1:3], strides)
    if isinstance(padding, ops.Other):
        return padding
    made = function_of(config.get("activation"))
    return Convolution(weights, biases, strides, padding, groups, layer.channels_first, made.name, made.slope)


def _pool(layer: KerasLayer, arrays: list[np.ndarray], before: Shape) -> Pool | ops.Other:
    kind = "max" if "Max" in layer.kind else "mean"
    if layer.kind.startswith("Global"):
        return Pool(kind, None, (1, 1), ((0, 0), (0, 0)), layer.channels_first)
    size = _two(layer.config.get("pool_size", 2))
    given = layer.config.get("strides")
    strides = size if given is None else _two(given)
    padding = _sides(layer, before, size, strides)
    if isinstance(padding, ops.Other):
        return padding
    return Pool(kind, size, strides, padding, layer.channels_first)
