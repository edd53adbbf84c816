"""ONNX operators on maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.pretrained import onnx_integers
from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.spatial import CROPPED, Convolution, Pad, Pool, Sides, Spatial, same

if TYPE_CHECKING:
    from edgelearn.pretrained.onnx_file import Graph

KINDS = {"Conv", "QLinearConv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Pad"}


def spatial(graph: Graph, node: Any) -> Spatial:
    """Return the step of an operator on maps."""
    read = {"Conv": _convolution, "QLinearConv": _convolution, "Pad": _pad}.get(node.op_type, _pool)
    return Spatial(ops.BEHIND, lambda: read(graph, node))


def _sides(graph: Graph, node: Any, kernel: tuple[int, int], strides: tuple[int, int]) -> Sides | ops.Other:
    auto = graph.attribute(node, "auto_pad", b"NOTSET")
    name = auto.decode() if isinstance(auto, bytes) else str(auto)
    if name in ("SAME_UPPER", "SAME_LOWER"):
        shape = graph.shape(node.input[0])
        if shape is None or len(shape) != 4 or None in shape[2:]:
            return ops.Other("the size of its map is not known")
        sizes = [size or 1 for size in shape[2:]]
        rows, columns = (same(sizes[k], kernel[k], strides[k], name == "SAME_LOWER") for k in range(2))
        return rows, columns
    pads = [int(one) for one in graph.attribute(node, "pads", (0, 0, 0, 0))] if name == "NOTSET" else [0] * 4
    if min(pads) < 0:
        return ops.Other(CROPPED)
    return (pads[0], pads[2]), (pads[1], pads[3])


def _pair(graph: Graph, node: Any, name: str) -> tuple[int, int]:
    found = [int(one) for one in graph.attribute(node, name, (1, 1))]
    return found[0], found[1]


def _convolution(graph: Graph, node: Any) -> Convolution | ops.Other:
    is_integer = node.op_type == "QLinearConv"
    if not all(graph.is_constant(name) for name in node.input[1:] if name):
        return ops.Other("its weights are computed")
    name = onnx_integers.weights_of(graph, node, 0) if is_integer else node.input[1]
    if isinstance(name, ops.Other):
        return name
    weights = np.asarray(graph.array(name), np.float64)
    if weights.ndim != 4:
        return ops.Other(f"its kernels have {weights.ndim - 2} axes, not 2")
    if any(int(one) != 1 for one in graph.attribute(node, "dilations", (1, 1))):
        return ops.Other("its taps are dilated")
    groups, strides = int(graph.attribute(node, "group", 1)), _pair(graph, node, "strides")
    padding = _sides(graph, node, weights.shape[2:], strides)
    if isinstance(padding, ops.Other):
        return padding
    has_bias = len(node.input) > 2 and node.input[2]
    if is_integer:
        biases = onnx_integers.biases_of(graph, node, 8, len(weights))
    else:
        biases = np.asarray(graph.array(node.input[2]), np.float64) if has_bias else np.zeros(len(weights))
    return Convolution(weights.transpose(0, 2, 3, 1), biases.reshape(-1), strides, padding, groups, True)


def _pool(graph: Graph, node: Any) -> Pool | ops.Other:
    kind = "max" if "Max" in node.op_type else "mean"
    if node.op_type.startswith("Global"):
        return Pool(kind, None, (1, 1), ((0, 0), (0, 0)), True)
    size = tuple(int(one) for one in graph.attribute(node, "kernel_shape", ()))
    if len(size) != 2:
        return ops.Other(f"its windows have {len(size)} axes, not 2")
    dilated = any(int(one) != 1 for one in graph.attribute(node, "dilations", (1, 1)))
    if dilated or graph.attribute(node, "ceil_mode", 0):
        return ops.Other("its windows are dilated, or reach beyond the map")
    strides = _pair(graph, node, "strides")
    padding = _sides(graph, node, (size[0], size[1]), strides)
    if isinstance(padding, ops.Other):
        return padding
    return Pool(kind, (size[0], size[1]), strides, padding, True)


def _pad(graph: Graph, node: Any) -> Pad | ops.Other:
    mode = graph.attribute(node, "mode", b"constant")
    given = list(graph.attribute(node, "pads", ()))
    if not given and len(node.input) > 1 and graph.is_constant(node.input[1]):
        given = [int(one) for one in graph.array(node.input[1]).reshape(-1)]
    value = graph.array(node.input[2]).reshape(-1)[0] if len(node.input) > 2 and node.input[2] else 0
    if mode not in (b"constant", "constant") or len(given) != 8 or value or any(given[k] for k in (0, 1, 4, 5)):
        return ops.Other("it does not add zeros around the map")
    if min(given) < 0:
        return ops.Other(CROPPED)
    return Pad(((given[2], given[6]), (given[3], given[7])), True)
