"""Reader of ONNX: float models, and models quantised with QuantizeLinear and DequantizeLinear (QDQ, QCDQ) or of
operators on integers (QOperator)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.pretrained import onnx_integers
from edgelearn.pretrained.imported import Model, Tensor
from edgelearn.pretrained.onnx_operators import translate
from edgelearn.pretrained.read import library, reading, sha256_of

FORMAT = "ONNX"
_FIXED_BATCH = 1
_SAME_SCALE = ("Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Operators whose output has scale and zero point of the integers that they take."""


def read(path: Path, sha256: str, net: Sequence[int] | None = None) -> Model:
    """Read an .onnx file; see `read_model`."""
    onnx = library("onnx", "onnx")
    with reading(path, FORMAT):
        proto = onnx.load(str(path), load_external_data=False)
        for other in _external(onnx, path, proto):
            sha256 = hashlib.sha256((sha256 + sha256_of(other)).encode()).hexdigest()
        graph = Graph(onnx, proto)
        if not graph.nodes:
            raise UserError(f"{path} cannot be read as {FORMAT}: it holds no operators; export it again")
        operators = tuple(translate(graph, node, k) for k, node in enumerate(graph.nodes))
        named = {name for operator in operators for name in operator.outputs}
        is_open = any(one.macs is None and one.weight_words for one in operators)
        if is_open and graph.open_sizes:
            graph.notes.append("sizes are open: not all MACs and activations are counted; export with fixed sizes")
        tensors = [graph.tensor(name) for name in (*graph.inputs, *dict.fromkeys(graph.produced)) if name]
        tensors = [tensor for tensor in tensors if tensor.name in named or tensor.name in graph.inputs]
        return Model(
            str(path), sha256, _format(graph), tuple(tensors), operators, tuple(graph.inputs),
            tuple(value.name for value in proto.graph.output), graph.classes, tuple(graph.notes),
        )  # fmt: skip


def _external(onnx: Any, path: Path, proto: Any) -> list[Path]:
    """Load the weights that a model keeps in other files; return these files."""
    outside = [one for one in proto.graph.initializer if onnx.external_data_helper.uses_external_data(one)]
    names = {entry.value for one in outside for entry in one.external_data if entry.key == "location"}
    found = [path.parent / name for name in sorted(names)]
    for one in found:
        if not one.is_file():
            raise UserError(f"{path} keeps its weights in {one.name}, which is not beside it; copy both")
    if found:
        onnx.load_external_data_for_model(proto, str(path.parent))
    return found


def _format(graph: Graph) -> str:
    opset = max((entry.version for entry in graph.proto.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    quantised = any(node.op_type in ("QuantizeLinear", *onnx_integers.OPERATORS) for node in graph.nodes)
    return f"{FORMAT}, opset {opset}{', quantised' if quantised else ''}"


class Graph:
    """An ONNX graph with its shapes, types, constants and quantised constants by name of tensor."""

    def __init__(self, onnx: Any, proto: Any) -> None:
        self.onnx = onnx
        self.proto = proto
        self.notes: list[str] = []
        self.classes: tuple[str, ...] | None = None
        graph = proto.graph
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._arrays: dict[str, np.ndarray] = {}
        self.inputs = [value.name for value in graph.input if value.name not in self._initializers]
        self.nodes: list[Any] = []
        self.quantised: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, int]] = {}
        self.weights_of: dict[str, int] = {}
        self._values = self._inferred()
        for node in graph.node:
            if not self._is_constant(node):
                self.nodes.append(node)
        self.open_sizes: set[str] = set()
        self.produced = [name for node in self.nodes for name in node.output]
        self._scales = {
            node.output[0]: (node.input[1], node.input[2] if len(node.input) > 2 else "")
            for node in self.nodes
            if node.op_type == "QuantizeLinear"
        } | {node.output[0]: scale for node in self.nodes if (scale := onnx_integers.output_scale(node)) is not None}
        for node in self.nodes:
            if node.op_type in _SAME_SCALE and node.input[0] in self._scales:
                self._scales.setdefault(node.output[0], self._scales[node.input[0]])

    def _inferred(self) -> dict[str, tuple[str, tuple[int | None, ...] | None]]:
        """Return type and shape by name; a batch size that is left open is taken as 1, to count per sample."""
        copy = self.onnx.ModelProto()
        copy.CopyFrom(self.proto)
        for value in copy.graph.input:
            sizes = value.type.tensor_type.shape.dim
            if sizes and (sizes[0].WhichOneof("value") != "dim_value" or sizes[0].dim_value < 1):
                sizes[0].dim_value = _FIXED_BATCH
        del copy.graph.value_info[:]
        for value in copy.graph.output:
            value.type.tensor_type.ClearField("shape")
        try:
            inferred = self._with_shapes(copy)
        except Exception:  # of operators that the installed onnx does not know, or that contradict each other
            self.notes.append("shapes could not be inferred: some MACs and activation words are not counted")
            inferred = self.proto
        found: dict[str, tuple[str, tuple[int | None, ...] | None]] = {}
        for values in (self.proto.graph.value_info, self.proto.graph.output, inferred.graph.value_info,
                       inferred.graph.output, inferred.graph.input):  # fmt: skip
            for value in values:
                kind = value.type.tensor_type
                if not value.type.HasField("tensor_type"):
                    found.setdefault(value.name, ("other", None))
                    continue
                known = found.get(value.name, ("other", None))
                shape = _shape(kind) if kind.HasField("shape") else known[1]
                found[value.name] = (self._dtype(kind.elem_type), shape)
        return found

    def _with_shapes(self, copy: Any) -> Any:
        """Return a model with inferred shapes; onnx infers none behind scalers, which keep theirs."""
        kept = [node for node in copy.graph.node if node.op_type in ("Scaler", "Normalizer", "Imputer")]
        inferred = self.onnx.shape_inference.infer_shapes(copy, data_prop=True)
        for node in kept:
            values = {value.name: value for value in (*inferred.graph.input, *inferred.graph.value_info)}
            if node.input[0] in values:
                copy.graph.value_info.append(values[node.input[0]])
                copy.graph.value_info[-1].name = node.output[0]
                copy.graph.value_info[-1].type.tensor_type.elem_type = self.onnx.TensorProto.FLOAT
                inferred = self.onnx.shape_inference.infer_shapes(copy, data_prop=True)
        return inferred

    def _dtype(self, elem_type: int) -> str:
        try:
            return str(self.onnx.helper.tensor_dtype_to_np_dtype(elem_type))
        except (KeyError, TypeError, ValueError):
            return "other"

    def _is_constant(self, node: Any) -> bool:
        """Evaluate an operator on constants alone; return whether it was one."""
        names = [name for name in node.input if name]
        if node.op_type == "Constant":
            self._arrays[node.output[0]] = self._constant(node)
            return True
        if node.op_type == "DequantizeLinear" and all(self.is_constant(name) for name in names):
            self._dequantize(node)
            return True
        fold = _FOLDED.get(node.op_type)
        if fold is None or not names or not all(self.is_constant(name) for name in names):
            return False
        self._arrays[node.output[0]] = fold(self, node, [self.array(name) for name in names])
        self.weights_of[node.output[0]] = sum(self.words(name) for name in names[:1])
        if names[0] in self.quantised:
            moved = self.quantised[names[0]]
            if node.op_type == "Transpose" and moved[0].ndim == 2:
                perm = list(self.attribute(node, "perm", [1, 0]))
                self.quantised[node.output[0]] = (
                    moved[0].transpose(perm),
                    moved[1],
                    moved[2],
                    perm.index(moved[3] % 2),
                )
            elif node.op_type == "Identity":
                self.quantised[node.output[0]] = moved
        return True

    def _constant(self, node: Any) -> np.ndarray:
        for attribute in node.attribute:
            if attribute.name == "value":
                return np.asarray(self.onnx.numpy_helper.to_array(attribute.t))
            if attribute.name in ("value_float", "value_int"):
                return np.asarray(self.onnx.helper.get_attribute_value(attribute))
            if attribute.name in ("value_floats", "value_ints"):
                return np.asarray(list(self.onnx.helper.get_attribute_value(attribute)))
        return np.zeros(0)

    def _dequantize(self, node: Any) -> None:
        zero = node.input[2] if len(node.input) > 2 else ""
        self.dequantize(node.output[0], node.input[0], node.input[1], zero, int(self.attribute(node, "axis", 1)))

    def dequantize(self, output: str, name: str, scale_name: str, zero_name: str, axis: int) -> None:
        """Put real numbers beside a constant of integers, by the names of its scale and of its zero point, if any."""
        words, scale = self.array(name), np.asarray(self.array(scale_name), np.float64)
        zero = self.array(zero_name) if zero_name else np.zeros(1)
        whole = np.asarray(words, np.int64)
        lined = [np.asarray(one).reshape(_along(whole.ndim, axis, np.size(one))) for one in (scale, zero)]
        shifted = whole - lined[1].astype(np.int64)
        self._arrays[output] = shifted * lined[0]
        self.quantised[output] = (shifted, scale.reshape(-1), np.asarray(zero).reshape(-1), axis)
        self.weights_of[output] = int(whole.size)

    def is_constant(self, name: str) -> bool:
        return name in self._arrays or name in self._initializers

    def array(self, name: str) -> np.ndarray:
        """Return a constant; raises KeyError where it is computed."""
        if name not in self._arrays:
            self._arrays[name] = np.asarray(self.onnx.numpy_helper.to_array(self._initializers[name]))
        return self._arrays[name]

    def name_classes(self, labels: Sequence[Any]) -> None:
        """Take names of classes, which are bytes, texts or numbers."""
        if labels:
            self.classes = tuple(one.decode() if isinstance(one, bytes) else str(one) for one in labels)

    def words(self, name: str) -> int:
        """Return the number of elements of a constant, 0 of a computed tensor."""
        return int(self.array(name).size) if self.is_constant(name) else 0

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        for attribute in node.attribute:
            if attribute.name == name:
                return self.onnx.helper.get_attribute_value(attribute)
        return default

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        if self.is_constant(name):
            return tuple(self.array(name).shape)
        return self._values.get(name, ("other", None))[1]

    def tensor(self, name: str) -> Tensor:
        dtype, shape = self._values.get(name, ("other", None))
        scale = zero_point = None
        if name in self._scales and all(not one or self.is_constant(one) for one in self._scales[name]):
            factor, zero = self._scales[name]
            if self.array(factor).size == 1:
                scale = float(self.array(factor).reshape(-1)[0])
                zero_point = int(self.array(zero).reshape(-1)[0]) if zero else 0
                scale = scale if np.isfinite(scale) and scale > 0 else None
                dtype = str(self.array(zero).dtype) if zero else "uint8"
        return Tensor(name, shape, dtype, scale, zero_point if scale is not None else None)


def _along(n_axes: int, axis: int, size: int) -> tuple[int, ...]:
    """Return the shape that lays values along an axis."""
    if size == 1:
        return (1,) * n_axes
    shape = [1] * n_axes
    shape[axis] = size
    return tuple(shape)


def _shape(kind: Any) -> tuple[int | None, ...]:
    sizes = kind.shape.dim
    # some exporters write -1 for a size that is open
    return tuple(
        int(one.dim_value) if one.WhichOneof("value") == "dim_value" and one.dim_value >= 0 else None for one in sizes
    )


def _reshape(graph: Graph, node: Any, arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0].reshape([int(size) for size in arrays[1]])


def _transpose(graph: Graph, node: Any, arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0].transpose(graph.attribute(node, "perm", None))


def _axes(graph: Graph, node: Any, arrays: list[np.ndarray]) -> list[int]:
    axes = graph.attribute(node, "axes", None)
    return [int(axis) for axis in (arrays[1] if axes is None and len(arrays) > 1 else axes or ())]


def _squeeze(graph: Graph, node: Any, arrays: list[np.ndarray]) -> np.ndarray:
    axes = _axes(graph, node, arrays)
    return np.squeeze(arrays[0], tuple(axes) or None)


def _unsqueeze(graph: Graph, node: Any, arrays: list[np.ndarray]) -> np.ndarray:
    return np.expand_dims(arrays[0], tuple(_axes(graph, node, arrays)))


def _cast(graph: Graph, node: Any, arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0].astype(graph.onnx.helper.tensor_dtype_to_np_dtype(graph.attribute(node, "to", 1)))


def _clip(graph: Graph, node: Any, arrays: list[np.ndarray]) -> np.ndarray:
    low, high = (graph.array(name) if name else None for name in (*node.input[1:3], "", "")[:2])
    values = arrays[0] if low is None else np.maximum(arrays[0], low)
    return values if high is None else np.minimum(values, high)


def _quantize(graph: Graph, node: Any, arrays: list[np.ndarray]) -> np.ndarray:
    """Return the integers of real weights, for exporters that leave the quantisation to the runtime."""
    zero = arrays[2] if len(arrays) > 2 else np.zeros(1, np.uint8)
    axis, limits = int(graph.attribute(node, "axis", 1)), np.iinfo(zero.dtype)
    scale, shift = (one.reshape(_along(arrays[0].ndim, axis, one.size)) for one in (arrays[1], zero))
    whole = np.rint(np.asarray(arrays[0], np.float64) / scale) + shift
    return np.asarray(np.clip(whole, limits.min, limits.max), zero.dtype)


_FOLDED = {
    "Identity": lambda graph, node, arrays: arrays[0],
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Cast": _cast,
    "Clip": _clip,
    "QuantizeLinear": _quantize,
}
"""Operators on constants alone that exporters leave in front of weights."""
