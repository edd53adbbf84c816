"""TFLite operators as steps, with their MACs and words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from edgelearn.pretrained import operators as ops
from edgelearn.pretrained import tflite_spatial
from edgelearn.pretrained.operators import Operator, Step
from edgelearn.pretrained.tflite_spatial import FUSED

if TYPE_CHECKING:
    from edgelearn.pretrained.tflite_file import Graph, TfliteOperator

_ACTIVATIONS = {
    "RELU": "relu", "RELU6": "relu6", "RELU_N1_TO_1": "hard-tanh", "TANH": "tanh", "LOGISTIC": "sigmoid",
    "SOFTMAX": "softmax", "LOG_SOFTMAX": "softmax", "HARD_SWISH": "hard swish", "ELU": "elu", "GELU": "gelu",
}  # fmt: skip
_KEEPS = {"QUANTIZE", "DEQUANTIZE", "CAST", "READ_VARIABLE"}
_RESHAPES = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}
_ASIDE = {"ARG_MAX", "SHAPE", "TOPK_V2", "VAR_HANDLE", "CALL_ONCE"}
_WEIGHTED = {
    "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "BATCH_MATMUL", "SVDF", "RNN",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "PRELU",
    "EMBEDDING_LOOKUP", "ADD", "SUB", "MUL", "DIV",
}  # fmt: skip
_UNCOUNTED = {"IF", "WHILE", "CALL", "LSTM", "RNN", "BIDIRECTIONAL_SEQUENCE_LSTM", "CONV_3D_TRANSPOSE"}

FOLDED: dict[str, Callable[[list[np.ndarray]], np.ndarray]] = {
    "DEQUANTIZE": lambda arrays: arrays[0].astype(np.float32),  # of float16
    "RESHAPE": lambda arrays: arrays[0].reshape([int(size) for size in arrays[1]]) if len(arrays) > 1 else arrays[0],
    "TRANSPOSE": lambda arrays: arrays[0].transpose([int(axis) for axis in arrays[1]]),
}
"""Operators on constants alone that the converter leaves in front of weights."""


def translate(graph: Graph, operator: TfliteOperator, position: int) -> Operator:
    """Return an operator of a graph as a step with its price."""
    kind = operator.kind
    step = _step(graph, operator)
    inputs = [index for index in operator.inputs if index >= 0 and not graph.is_constant(index)]
    if kind == "RESHAPE":
        inputs = inputs[:1]
    words = 0
    if kind in _WEIGHTED:
        words = sum(int(np.prod(graph.stored_shape(index))) for index in operator.inputs if graph.is_constant(index))
    written = 0
    if not isinstance(step, (ops.Keep, ops.Aside)) and kind != "ASSIGN_VARIABLE":
        written = sum(_size(graph, index) for index in operator.outputs[:1])
    return Operator(
        f"operator {position}", kind, tuple(graph.names[index] for index in inputs),
        tuple(graph.names[index] for index in operator.outputs), step, _macs(graph, operator), words, written,
    )  # fmt: skip


def _size(graph: Graph, index: int) -> int:
    return math.prod(size or 1 for size in graph.shape(index))


def _macs(graph: Graph, operator: TfliteOperator) -> int | None:
    """Return multiply-accumulates per sample, None where the file does not tell them."""
    kind, inputs = operator.kind, operator.inputs
    if kind in _UNCOUNTED or kind.startswith(("CUSTOM", "UNKNOWN")):
        return None
    shape = graph.stored_shape
    if kind in ("FULLY_CONNECTED", "CONV_2D"):  # weights [n_out, ...]
        return _size(graph, operator.outputs[0]) * math.prod(shape(inputs[1])[1:])
    if kind == "DEPTHWISE_CONV_2D":  # weights [1, height, width, n_out]
        return _size(graph, operator.outputs[0]) * math.prod(shape(inputs[1])[1:3])
    if kind == "CONV_3D":  # weights [depth, height, width, n_in, n_out]
        return _size(graph, operator.outputs[0]) * math.prod(shape(inputs[1])[:4])
    if kind == "TRANSPOSE_CONV":  # output shape, weights [n_out, height, width, n_in], input
        return _size(graph, inputs[2]) * math.prod(shape(inputs[1])[:3])
    if kind == "BATCH_MATMUL":
        options = graph.options(operator, "BatchMatMulOptions")
        return _size(graph, operator.outputs[0]) * shape(inputs[0])[-2 if options.AdjX() else -1]
    if kind in ("SVDF", "UNIDIRECTIONAL_SEQUENCE_RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        matrices = [index for index in inputs if graph.is_constant(index) and len(shape(index)) == 2]
        steps = shape(inputs[0])[-2] if len(shape(inputs[0])) > 2 else 1
        return steps * sum(math.prod(shape(index)) for index in matrices)
    return 0


def _step(graph: Graph, operator: TfliteOperator) -> Step:
    kind = operator.kind
    if kind in _ACTIVATIONS:
        return ops.Activation(_ACTIVATIONS[kind])
    if kind == "LEAKY_RELU":
        return ops.Activation("leaky", float(graph.options(operator, "LeakyReluOptions").Alpha()))
    if kind in _KEEPS:
        return ops.Keep()
    if kind in _RESHAPES:
        return _reshaped(graph, operator)
    if kind in _ASIDE:
        return ops.Aside()
    if kind in tflite_spatial.KINDS:
        return tflite_spatial.spatial(graph, operator)
    make = _STEPS.get(kind)
    return ops.Other(ops.BEHIND) if make is None else make(graph, operator)


def _reshaped(graph: Graph, operator: TfliteOperator) -> Step:
    before, after = graph.shape(operator.inputs[0]), graph.shape(operator.outputs[0])
    if math.prod(one or 1 for one in before) != math.prod(one or 1 for one in after):
        return ops.Other("its shape is not known")
    if before and before[0] not in (1, None) and before[0] != after[:1][0]:
        return ops.Other("it moves the batch")
    return ops.Keep()


def _fully_connected(graph: Graph, operator: TfliteOperator) -> Step:
    matrix = operator.inputs[1]
    if not graph.is_constant(matrix):
        return ops.Other("its weights are computed")
    options = graph.options(operator, "FullyConnectedOptions")
    activation = FUSED.get(options.FusedActivationFunction(), "an unknown function")
    stored = graph.array(matrix)
    if stored.ndim != 2 or options.WeightsFormat():
        return ops.Other(f"its weights have {stored.ndim} axes or a shuffled order")
    n_out, n_in = stored.shape
    words = scales = None
    if stored.dtype.kind in "iu" or matrix in graph.quantised:
        if graph.scales(matrix) is None and matrix not in graph.quantised:
            return ops.Other(f"its weights are {graph.dtype(matrix)} without a scale")
        whole, scale = graph.words(matrix)
        words, scales = whole.astype(np.int16), np.broadcast_to(scale, n_out).copy()
    weights = graph.values(matrix)
    biases = _biases(graph, operator, n_out, scales)
    if isinstance(biases, Step):
        return biases
    positions = max(1, _size(graph, operator.inputs[0]) // max(n_in, 1))
    return ops.Dense(weights, biases, words, scales, positions, activation)


def _biases(graph: Graph, operator: TfliteOperator, n_out: int, scales: np.ndarray | None) -> np.ndarray | Step:
    """Return biases as real numbers: integers are in steps of input scale times weight scale."""
    index = operator.inputs[2] if len(operator.inputs) > 2 else -1
    if index < 0:
        return np.zeros(n_out)
    if not graph.is_constant(index):
        return ops.Other("its biases are computed")
    stored = graph.array(index)
    if stored.size != n_out:
        return ops.Other(f"shapes do not fit: {stored.size} biases for {n_out} outputs")
    if stored.dtype.kind == "f":
        return np.asarray(stored, np.float64).reshape(-1)
    source = graph.scales(operator.inputs[0])
    if source is not None and scales is not None:
        return np.asarray(stored.reshape(-1) * source[0][0] * scales, np.float64)
    if graph.scales(index) is None:
        return ops.Other(f"its biases are {graph.dtype(index)} without a scale")
    return graph.values(index).reshape(-1)


def _arithmetic(graph: Graph, operator: TfliteOperator) -> Step:
    """ADD, SUB, MUL or DIV with constants along the last axes."""
    left, right = (graph.is_constant(index) for index in operator.inputs[:2])
    if left == right:
        return ops.Other("it joins two computed tensors")
    kind = operator.kind
    options = graph.options(operator, f"{kind.capitalize()}Options")
    if options.FusedActivationFunction():
        return ops.Other(f"its fused activation {FUSED.get(options.FusedActivationFunction(), '?')} is not read")
    constant, computed = operator.inputs[:2] if left else operator.inputs[1::-1]
    stored = graph.array(constant)
    if stored.dtype.kind in "iu" and graph.scales(constant) is None:
        return ops.Other("its constants are integers without a scale")
    values, sizes = graph.values(constant), tuple(one or 1 for one in graph.shape(computed)[1:])
    if values.size == 1:
        row = values.reshape(1)
    else:
        row = np.broadcast_to(values.reshape(values.shape[max(0, values.ndim - len(sizes)) :]), sizes).reshape(-1)
    one, zero = np.ones(1), np.zeros(1)
    if kind == "ADD":
        return ops.Affine(one, row)
    if kind == "SUB":
        return ops.Affine(-one, row) if left else ops.Affine(one, -row)
    if kind == "MUL":
        return ops.Affine(row, zero)
    if left or not np.all(row):
        return ops.Other("it divides by a computed tensor or by zero")
    return ops.Affine(1 / row, zero)


def _transposition(graph: Graph, operator: TfliteOperator) -> Step:
    if not graph.is_constant(operator.inputs[1]):
        return ops.Other("its axes are computed")
    perm = [int(axis) for axis in graph.array(operator.inputs[1])]
    shape = [one or 1 for one in graph.shape(operator.inputs[0])]
    return ops.permutation(shape, perm)


_STEPS: dict[str, Callable[[Graph, TfliteOperator], Step]] = {
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _arithmetic,
    "SUB": _arithmetic,
    "MUL": _arithmetic,
    "DIV": _arithmetic,
    "TRANSPOSE": _transposition,
}
