"""ONNX operators as steps, with their MACs and words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn.pretrained import onnx_integers, onnx_spatial
from edgelearn.pretrained import operators as ops
from edgelearn.pretrained.operators import Operator, Step

if TYPE_CHECKING:
    from edgelearn.pretrained.onnx_file import Graph

_ACTIVATIONS = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "softmax"}
_KEEPS = {"Identity", "Dropout", "QuantizeLinear", "DequantizeLinear", "Cast", "CastLike"}
_RESHAPES = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"}
_ASIDE = {"ArgMax", "ZipMap", "Shape", "Size", "TopK"}
_WEIGHTED = {
    "Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "QLinearConv", "QLinearMatMul", "QGemm",
    "ConvInteger", "MatMulInteger", "Einsum", "LinearClassifier", "LinearRegressor", "BatchNormalization",
    "InstanceNormalization", "LayerNormalization", "GroupNormalization", "PRelu", "Add", "Sub", "Mul", "Div", "Scaler",
}  # fmt: skip
_SUBGRAPHS = {"If", "Loop", "Scan"}


def translate(graph: Graph, node: Any, position: int) -> Operator:
    """Return an operator of a graph as a step with its price."""
    name, kind = node.name or f"operator {position}", node.op_type
    inputs = tuple(one for one in node.input if one and not graph.is_constant(one))
    outputs = tuple(one for one in node.output if one)
    if kind == "LinearClassifier":
        outputs = outputs[::-1]  # scores stand behind the label
    if node.domain not in ("", "ai.onnx", "ai.onnx.ml") and (node.domain, kind) != (onnx_integers.RUNTIME, "QGemm"):
        reason = f"it is not read: {onnx_integers.WAY_OUT}" if onnx_integers.is_unread(kind) else ops.BEHIND
        return Operator(name, f"{node.domain}.{kind}", inputs, outputs, ops.Other(reason), None)
    step = _step(graph, node)
    if isinstance(step, ops.Keep) and kind == "Reshape":
        inputs = inputs[:1]
    words = 0
    if kind in _WEIGHTED:
        words = sum(graph.words(one) for one in _weights(node))
        if isinstance(step, ops.Dense) and not words:
            words = step.weights.size + step.biases.size
    written = 0 if isinstance(step, (ops.Keep, ops.Aside)) else sum(_size(graph, one) or 0 for one in outputs[:1])
    return Operator(name, kind, inputs, outputs, step, _macs(graph, node, step), words, written)


def _weights(node: Any) -> list[str]:
    """Return the inputs of an operator that hold weights or biases where they are constants."""
    names = list(node.input)
    if node.op_type == "QLinearConv":
        return [names[3], *names[8:9]]
    if node.op_type == "QLinearMatMul":
        return [names[3]]
    if node.op_type == "QGemm":
        return [names[3], *names[6:7]]
    if node.op_type in ("ConvInteger", "MatMulInteger"):
        return names[1:2]
    return [name for name in names if name]


def _size(graph: Graph, name: str) -> int | None:
    """Return the elements of a tensor per sample, None where a size but the batch is open."""
    shape = graph.shape(name)
    if shape is None or None in shape[1:]:
        graph.open_sizes.add(name)
        return None
    return math.prod(size or 1 for size in shape)


def _macs(graph: Graph, node: Any, step: Step) -> int | None:
    kind = node.op_type
    if isinstance(step, ops.Dense):
        return int(step.weights.size) * step.positions
    if kind in _SUBGRAPHS or kind == "Einsum":
        return None
    count = _COUNTS.get(kind)
    return 0 if count is None else count(graph, node)


def _conv_macs(graph: Graph, node: Any) -> int | None:
    kernel, output = graph.shape(node.input[1]), _size(graph, node.output[0])
    if kernel is None or output is None or None in kernel:
        return None
    return output * math.prod(size or 1 for size in kernel[1:])


def _quantised_conv_macs(graph: Graph, node: Any) -> int | None:
    kernel, output = graph.shape(node.input[3]), _size(graph, node.output[0])
    return None if kernel is None or output is None else output * math.prod(size or 1 for size in kernel[1:])


def _transposed_macs(graph: Graph, node: Any) -> int | None:
    kernel, size = graph.shape(node.input[1]), _size(graph, node.input[0])
    return None if kernel is None or size is None else size * math.prod(one or 1 for one in kernel[1:])


def _product_macs(graph: Graph, node: Any) -> int | None:
    quantised = node.op_type in ("QLinearMatMul", "QGemm")
    left, output = graph.shape(node.input[0]), _size(graph, node.output[0])
    right = graph.shape(node.input[3 if quantised else 1])
    inner = (left or (None,))[-1] or (right[-2] if right is not None and len(right) > 1 else None)
    return None if output is None or inner is None else output * inner


def _recurrent_macs(graph: Graph, node: Any) -> int | None:
    shape = graph.shape(node.input[0])
    steps = None if shape is None else shape[1 if graph.attribute(node, "layout", 0) else 0]
    words = sum(graph.words(name) for name in node.input[1:3])
    return None if steps is None or not words else steps * words


def _linear_macs(graph: Graph, node: Any) -> int | None:
    return len(graph.attribute(node, "coefficients", ()))


_COUNTS: dict[str, Callable[[Graph, Any], int | None]] = {
    "Conv": _conv_macs,
    "ConvInteger": _conv_macs,
    "QLinearConv": _quantised_conv_macs,
    "ConvTranspose": _transposed_macs,
    "MatMul": _product_macs,
    "Gemm": _product_macs,
    "MatMulInteger": _product_macs,
    "QLinearMatMul": _product_macs,
    "QGemm": _product_macs,
    "LSTM": _recurrent_macs,
    "GRU": _recurrent_macs,
    "RNN": _recurrent_macs,
    "LinearClassifier": _linear_macs,
    "LinearRegressor": _linear_macs,
    "BatchNormalization": lambda graph, node: _size(graph, node.output[0]),
}


def _step(graph: Graph, node: Any) -> Step:
    kind = node.op_type
    if kind in _ACTIVATIONS:
        return _activation(graph, node)
    if kind == "LeakyRelu":
        return ops.Activation("leaky", float(graph.attribute(node, "alpha", 0.01)))
    if kind in _KEEPS:
        return ops.Keep()
    if kind in _RESHAPES:
        return _reshaped(graph, node)
    if kind == "ZipMap":
        graph.name_classes(
            graph.attribute(node, "classlabels_strings", ()) or graph.attribute(node, "classlabels_int64s", ())
        )
    if kind in _ASIDE or _is_complement(graph, node):
        return ops.Aside()
    if kind in onnx_spatial.KINDS:
        return onnx_spatial.spatial(graph, node)
    make = _STEPS.get(kind)
    if make is None and onnx_integers.is_unread(kind):
        return ops.Other(f"it is not read: {onnx_integers.WAY_OUT}")
    return ops.Other(ops.BEHIND) if make is None else make(graph, node)


def _is_complement(graph: Graph, node: Any) -> bool:
    """Tell whether an operator makes the probabilities of two classes, 1 - p and p, of one output p."""
    makers = {name: one for one in graph.nodes for name in one.output} if node.op_type in ("Sub", "Concat") else {}
    joined = [node] if node.op_type == "Concat" else [one for one in graph.nodes if one.op_type == "Concat"]
    for concat in joined if makers else ():
        if len(concat.input) != 2 or concat.input[0] not in makers:
            continue
        less = makers[concat.input[0]]
        is_rest = less.op_type == "Sub" and graph.is_constant(less.input[0]) and less.input[1] == concat.input[1]
        if is_rest and np.all(graph.array(less.input[0]) == 1) and node in (less, concat):
            return True
    return False


def _activation(graph: Graph, node: Any) -> Step:
    name = _ACTIVATIONS[node.op_type]
    if name == "softmax":
        shape = graph.shape(node.input[0])
        axis = int(graph.attribute(node, "axis", -1))
        if shape is not None and axis % max(len(shape), 1) != len(shape) - 1:
            return ops.Other(f"its axis is {axis}, not the last one")
    return ops.Activation(name)


def _reshaped(graph: Graph, node: Any) -> Step:
    """Keep the row where the number of elements per sample stays; the batch must stay in front."""
    before, after = graph.shape(node.input[0]), graph.shape(node.output[0])
    if before is None or after is None or not before or not after:
        return ops.Keep() if node.op_type == "Flatten" else ops.Other("its shape is not known")
    if _per_sample(before) == _per_sample(after) or (
        node.op_type == "Flatten" and graph.attribute(node, "axis", 1) == 1
    ):
        return ops.Keep()
    if math.prod(one or 1 for one in before) == math.prod(one or 1 for one in after) and before[0] in (1, None):
        return ops.Keep()  # the batch of one moves or disappears, as in (1, 1, 64) to (64,)
    return ops.Other(f"it makes {_text(after)} of {_text(before)}")


def _per_sample(shape: tuple[int | None, ...]) -> int | None:
    return None if None in shape[1:] else math.prod(one or 1 for one in shape[1:])


def _text(shape: tuple[int | None, ...]) -> str:
    return "x".join("?" if one is None else str(one) for one in shape)


def _positions(graph: Graph, node: Any) -> int | None:
    """Return how many rows of a sample a matrix is applied to, None where that is open."""
    shape = graph.shape(node.input[0])
    if node.op_type in ("Gemm", "QGemm") or (shape is not None and len(shape) < 2):
        return 1
    if shape is None or None in shape[1:-1]:
        return None
    batch = next(((graph.shape(name) or (1,))[0] for name in graph.inputs if graph.shape(name)), 1) or 1
    return math.prod(one or 1 for one in shape[1:-1]) * max(1, (shape[0] or 1) // batch)


def _words_of(graph: Graph, name: str, transposed: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return quantised weights as int16[n_out, n_in] and their scales float64[n_out], None where there are none."""
    if name not in graph.quantised:
        return None, None
    words, scale, _, axis = graph.quantised[name]
    words = words if transposed else words.T
    out_axis = 0 if transposed else 1
    if scale.size > 1 and axis % 2 != out_axis:
        return None, None
    if words.size == 0 or words.min() < -(2**15) or words.max() >= 2**15:
        return None, None
    return words.astype(np.int16), np.broadcast_to(scale, words.shape[0]).copy()


def _dense(
    graph: Graph, node: Any, name: str, biases: np.ndarray | None, transposed: bool, factor: float = 1.0
) -> Step:
    weights = np.asarray(graph.array(name), np.float64)
    if weights.ndim != 2:
        return ops.Other(f"its weights have {weights.ndim} axes")
    words, scales = _words_of(graph, name, transposed)
    weights = weights if transposed else weights.T
    n_out = len(weights)
    biases = np.zeros(n_out) if biases is None else np.asarray(biases, np.float64)
    if biases.size not in (1, n_out):
        return ops.Other(f"shapes do not fit: {biases.size} biases for {n_out} outputs")
    biases = np.broadcast_to(biases.reshape(-1), n_out).copy()
    scales = None if scales is None else scales * factor
    positions = _positions(graph, node)
    if positions is None:
        return ops.Other("the shape in front of it is open: it may be applied at many positions of a sample")
    return ops.Dense(factor * weights, biases, words, scales, positions)


def _gemm(graph: Graph, node: Any) -> Step:
    if not graph.is_constant(node.input[1]) or graph.attribute(node, "transA", 0):
        return ops.Other("its second input is computed, or its first one transposed")
    biases = None
    if len(node.input) > 2 and node.input[2]:
        if not graph.is_constant(node.input[2]):
            return ops.Other("its biases are computed")
        biases = np.asarray(graph.array(node.input[2]), np.float64) * float(graph.attribute(node, "beta", 1.0))
    transposed = bool(graph.attribute(node, "transB", 0))
    return _dense(graph, node, node.input[1], biases, transposed, float(graph.attribute(node, "alpha", 1.0)))


def _matmul(graph: Graph, node: Any) -> Step:
    if not graph.is_constant(node.input[1]):
        return ops.Other("its second input is computed")
    return _dense(graph, node, node.input[1], None, False)


def _integer_product(graph: Graph, node: Any) -> Step:
    """A product of integers with constant weights; the scale of QGemm's biases is alpha times those of both factors."""
    is_gemm = node.op_type == "QGemm"
    if is_gemm and graph.attribute(node, "transA", 0):
        return ops.Other("its first input is transposed")
    transposed = is_gemm and bool(graph.attribute(node, "transB", 0))
    name = onnx_integers.weights_of(graph, node, 0 if transposed else 1)
    if isinstance(name, ops.Other):
        return name
    factor = float(graph.attribute(node, "alpha", 1.0)) if is_gemm else 1.0
    if graph.array(name).ndim != 2:
        return ops.Other(f"its weights have {graph.array(name).ndim} axes")
    n_out = graph.array(name).shape[0 if transposed else 1]
    biases = onnx_integers.biases_of(graph, node, 6, n_out) * factor if is_gemm else None
    return _dense(graph, node, name, biases, transposed, factor)


def _row(values: np.ndarray, shape: tuple[int | None, ...] | None) -> np.ndarray | None:
    """Return constants that are broadcast to a tensor by flat element, or None where it cannot be told."""
    if values.size == 1:
        return values.reshape(1)
    if shape is None or None in shape[1:]:
        return values.reshape(-1) if values.ndim == 1 or values.size == values.shape[-1] else None
    sizes = tuple(one or 1 for one in shape[1:])
    inner = values.reshape(values.shape[values.ndim - len(sizes) :]) if values.ndim > len(sizes) else values
    return np.broadcast_to(inner, sizes).reshape(-1)


def _arithmetic(graph: Graph, node: Any) -> Step:
    """Addition, subtraction, multiplication or division by constants."""
    constant = [graph.is_constant(name) for name in node.input]
    if sum(constant) != 1:
        return ops.Other("it joins two computed tensors")
    computed = node.input[constant.index(False)]
    values = _row(np.asarray(graph.array(node.input[constant.index(True)]), np.float64), graph.shape(computed))
    if values is None:
        return ops.Other("its constants cannot be laid along the row")
    one, zero, kind = np.ones(1), np.zeros(1), node.op_type
    if kind == "Add":
        return ops.Affine(one, values)
    if kind == "Mul":
        return ops.Affine(values, zero)
    if kind == "Sub":
        return ops.Affine(-one, values) if constant[0] else ops.Affine(one, -values)
    if constant[0] or not np.all(values):
        return ops.Other("it divides by a computed tensor or by zero")
    return ops.Affine(1 / values, zero)


def _batch_normalization(graph: Graph, node: Any) -> Step:
    if not all(graph.is_constant(name) for name in node.input[1:5]):
        return ops.Other("its statistics are computed")
    gamma, beta, mean, variance = (np.asarray(graph.array(name), np.float64) for name in node.input[1:5])
    scale = gamma / np.sqrt(variance + float(graph.attribute(node, "epsilon", 1e-5)))
    shift, shape = beta - mean * scale, graph.shape(node.input[0])
    if shape is None or len(shape) <= 2:
        return ops.Affine(scale, shift)
    if None in shape[1:]:
        return ops.Other("the shape in front of it is not known")
    inner = math.prod(one or 1 for one in shape[2:])
    return ops.Affine(np.repeat(scale, inner), np.repeat(shift, inner))


def _transposition(graph: Graph, node: Any) -> Step:
    shape = graph.shape(node.input[0])
    if shape is None or None in shape[1:]:
        return ops.Other("the shape in front of it is not known")
    perm = [int(axis) for axis in graph.attribute(node, "perm", None) or reversed(range(len(shape)))]
    return ops.permutation([one or 1 for one in shape], perm)


def _clip(graph: Graph, node: Any) -> Step:
    """A Clip between quantisation and its inverse narrows the integers (QCDQ)."""
    shape = graph.tensor(node.output[0])
    if shape.is_integer:
        return ops.Keep()
    limits = [_limit(graph, node, "min", 1), _limit(graph, node, "max", 2)]
    names: dict[tuple[float | None, float | None], str] = {
        (-1.0, 1.0): "hard-tanh",
        (0.0, None): "relu",
        (0.0, 6.0): "relu6",
    }
    return ops.Activation(names.get((limits[0], limits[1]), f"a limit to {limits[0]} and {limits[1]}"))


def _limit(graph: Graph, node: Any, name: str, position: int) -> float | None:
    """Return a limit of Clip, which is an attribute or a constant input."""
    value = graph.attribute(node, name, None)
    if value is None and len(node.input) > position and node.input[position]:
        value = graph.array(node.input[position]).reshape(-1)[0]
    return None if value is None or abs(value) > 1e30 else float(value)


def _linear(graph: Graph, node: Any) -> Step:
    """LinearClassifier of ai.onnx.ml: coefficients by class, and the function behind them."""
    coefficients = np.asarray(graph.attribute(node, "coefficients", ()), np.float64)
    intercepts = np.asarray(graph.attribute(node, "intercepts", ()), np.float64)
    after = graph.attribute(node, "post_transform", b"NONE").decode()
    if not intercepts.size or coefficients.size % intercepts.size or after not in ("NONE", "LOGISTIC", "SOFTMAX"):
        return ops.Other(f"its coefficients have no intercepts, or its post_transform is {after}")
    labels = graph.attribute(node, "classlabels_strings", ()) or graph.attribute(node, "classlabels_ints", ())
    graph.name_classes(labels)
    activation = {"NONE": "linear", "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}[after]
    return ops.Dense(coefficients.reshape(intercepts.size, -1), intercepts, activation=activation)


def _scaler(graph: Graph, node: Any) -> Step:
    scale = np.asarray(graph.attribute(node, "scale", (1.0,)), np.float64)
    return ops.Affine(scale, -np.asarray(graph.attribute(node, "offset", (0.0,)), np.float64) * scale)


def _normalizer(graph: Graph, node: Any) -> Step:
    return ops.Rank("it scales the scores of a sample by one factor")


_STEPS: dict[str, Callable[[Graph, Any], Step]] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "QGemm": _integer_product,
    "QLinearMatMul": _integer_product,
    "Add": _arithmetic,
    "Sub": _arithmetic,
    "Mul": _arithmetic,
    "Div": _arithmetic,
    "BatchNormalization": _batch_normalization,
    "Transpose": _transposition,
    "Clip": _clip,
    "LinearClassifier": _linear,
    "Scaler": _scaler,
    "Normalizer": _normalizer,
}
