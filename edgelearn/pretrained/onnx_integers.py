"""ONNX operators on integers (QOperator): QLinearConv, QLinearMatMul, and QGemm of ONNX Runtime.

Each holds scales and zero points of its input, weights and output, where QDQ has operators for them; the step is that
of the real numbers that they stand for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.pretrained import operators as ops

if TYPE_CHECKING:
    from edgelearn.pretrained.onnx_file import Graph

RUNTIME = "com.microsoft"  # domain of operators of ONNX Runtime
WAY_OUT = "export the model with QuantizeLinear and DequantizeLinear (QDQ) in place of it"
_OUTPUTS = {"QLinearConv": (6, 7), "QLinearMatMul": (6, 7), "QGemm": (7, 8)}
OPERATORS = tuple(_OUTPUTS)
_UNREAD = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear")


def output_scale(node: Any) -> tuple[str, str] | None:
    """Return the names of scale and zero point of an operator's output, None of other operators."""
    places = _OUTPUTS.get(node.op_type)
    if places is None or len(node.input) <= places[0]:
        return None
    return node.input[places[0]], node.input[places[1]] if len(node.input) > places[1] else ""


def is_unread(kind: str) -> bool:
    """Tell whether an operator on integers is not read."""
    return kind in _UNREAD or kind.startswith("QLinear")


def weights_of(graph: Graph, node: Any, axis: int) -> str | ops.Other:
    """Return the name under which the real weights of an operator stand in the graph.

    Parameters
    ----------
    axis : of the weights, along which scales lie where there are several
    """
    names = [name for name in (*node.input[1:6], *node.input[6:]) if name]
    if not all(graph.is_constant(name) for name in names):
        return ops.Other(f"its weights or scales are computed: {WAY_OUT}")
    name = f"{node.input[3]}, {node.output[0]}"
    graph.dequantize(name, node.input[3], node.input[4], node.input[5] if len(node.input) > 5 else "", axis)
    return name


def biases_of(graph: Graph, node: Any, position: int, n_out: int) -> np.ndarray:
    """Return real biases: integers at the scale of the input times that of the weights."""
    if len(node.input) <= position or not node.input[position]:
        return np.zeros(n_out)
    scales = (np.asarray(graph.array(node.input[place]), np.float64).reshape(-1) for place in (1, 4))
    unit = next(scales) * next(scales)
    return np.broadcast_to(np.asarray(graph.array(node.input[position]), np.float64).reshape(-1) * unit, n_out)
