"""TFLite operators on maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.spatial import CROPPED, Convolution, Pad, Pool, Sides, Spatial, same

if TYPE_CHECKING:
    from edgelearn.pretrained.tflite_file import Graph, TfliteOperator

KINDS = {"CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD", "PADV2"}
FUSED = {0: "linear", 1: "relu", 2: "hard-tanh", 3: "relu6", 4: "tanh"}


def spatial(graph: Graph, operator: TfliteOperator) -> Spatial:
    """Return the step of an operator on maps."""
    kind = operator.kind
    read = {"MEAN": _mean, "PAD": _pad, "PADV2": _pad}.get(kind, _pool if "POOL" in kind else _convolution)
    return Spatial(ops.BEHIND, lambda: read(graph, operator))


def _sides(graph: Graph, operator: TfliteOperator, options: Any, kernel: tuple[int, int]) -> Sides | ops.Other:
    if options.Padding():  # VALID
        return (0, 0), (0, 0)
    sizes = graph.shape(operator.inputs[0])[1:3]
    if len(sizes) != 2 or None in sizes:
        return ops.Other("the size of its map is not known")
    strides = (options.StrideH(), options.StrideW())
    rows, columns = (same(sizes[k] or 1, kernel[k], strides[k]) for k in range(2))
    return rows, columns


def _convolution(graph: Graph, operator: TfliteOperator) -> Convolution | ops.Other:
    constants = operator.inputs[1:3]
    if not all(graph.is_constant(index) for index in constants if index >= 0):
        return ops.Other("its weights are computed")
    deep = operator.kind == "DEPTHWISE_CONV_2D"
    options = graph.options(operator, "DepthwiseConv2DOptions" if deep else "Conv2DOptions")
    if options.DilationHFactor() > 1 or options.DilationWFactor() > 1:
        return ops.Other("its taps are dilated")
    weights = _kernel(graph, operator.inputs[1], 3 if deep else 0)
    if weights is None or weights.ndim != 4:
        return ops.Other("its kernels are integers without scales, or have not 2 axes")
    groups = 1
    if deep:  # [1, height, width, maps], maps of a channel side by side
        groups = int(graph.shape(operator.inputs[0])[3] or 1)
        weights = weights[0].transpose(2, 0, 1)[:, :, :, None]
    elif (graph.shape(operator.inputs[0])[3:] or (weights.shape[3],))[0] != weights.shape[3]:
        return ops.Other("it is of several groups")
    biases = _biases(graph, operator, len(weights))
    if isinstance(biases, ops.Other):
        return biases
    padding = _sides(graph, operator, options, weights.shape[1:3])
    if isinstance(padding, ops.Other):
        return padding
    strides = (options.StrideH(), options.StrideW())
    activation = FUSED.get(options.FusedActivationFunction(), "an unknown function")
    return Convolution(weights, biases, strides, padding, groups, False, activation)


def _kernel(graph: Graph, index: int, axis: int) -> np.ndarray | None:
    """Return kernels as real numbers, with scales along an axis; None of integers without."""
    stored = graph.array(index)
    if stored.dtype.kind == "f":
        return np.asarray(stored, np.float64)
    if index in graph.quantised:
        words, scale = graph.quantised[index]
        return np.asarray(words * scale.reshape(-1, *(1,) * (words.ndim - 1)), np.float64)
    found = graph.scales(index)
    if found is None:
        return None
    along = [1] * stored.ndim
    along[axis] = -1
    scale, zero, _ = found
    return np.asarray((stored - zero.reshape(along)) * scale.reshape(along), np.float64)


def _biases(graph: Graph, operator: TfliteOperator, maps: int) -> np.ndarray | ops.Other:
    index = operator.inputs[2] if len(operator.inputs) > 2 else -1
    if index < 0:
        return np.zeros(maps)
    stored = graph.array(index)
    if stored.dtype.kind == "f":
        return np.asarray(stored, np.float64).reshape(-1)
    source, kernel = graph.scales(operator.inputs[0]), graph.scales(operator.inputs[1])
    if source is None or kernel is None:
        return ops.Other("its biases are integers without a scale")
    return np.asarray(stored.reshape(-1) * source[0][0] * np.broadcast_to(kernel[0], maps), np.float64)


def _pool(graph: Graph, operator: TfliteOperator) -> Pool | ops.Other:
    options = graph.options(operator, "Pool2DOptions")
    if options.FusedActivationFunction():
        return ops.Other("it has a fused activation")
    size = (options.FilterHeight(), options.FilterWidth())
    padding = _sides(graph, operator, options, size)
    if isinstance(padding, ops.Other):
        return padding
    kind = "max" if operator.kind == "MAX_POOL_2D" else "mean"
    return Pool(kind, size, (options.StrideH(), options.StrideW()), padding, False)


def _mean(graph: Graph, operator: TfliteOperator) -> Pool | ops.Other:
    shape = graph.shape(operator.inputs[0])
    axes = sorted(int(axis) % max(len(shape), 1) for axis in graph.array(operator.inputs[1]).reshape(-1))
    if len(shape) != 4 or axes != [1, 2]:
        return ops.Other(f"it is over the axes {', '.join(map(str, axes))}, not over rows and columns")
    return Pool("mean", None, (1, 1), ((0, 0), (0, 0)), False)


def _pad(graph: Graph, operator: TfliteOperator) -> Pad | ops.Other:
    given = graph.array(operator.inputs[1]).reshape(-1, 2).astype(int).tolist()
    if len(given) != 4 or any(given[0]) or any(given[3]) or len(operator.inputs) > 2:
        return ops.Other("it does not add zeros around the map")
    if min(given[1] + given[2]) < 0:
        return ops.Other(CROPPED)
    return Pad((tuple(given[1]), tuple(given[2])), False)
