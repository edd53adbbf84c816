"""Reader of TFLite: float models, and integer models with a scale per tensor or per channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.pretrained.imported import Model, Tensor
from edgelearn.pretrained.read import library, reading
from edgelearn.pretrained.tflite_operators import FOLDED, translate

FORMAT = "TFLite"
_DTYPES = {
    "FLOAT32": "float32", "FLOAT16": "float16", "FLOAT64": "float64", "INT8": "int8", "UINT8": "uint8",
    "INT16": "int16", "UINT16": "uint16", "INT32": "int32", "UINT32": "uint32", "INT64": "int64", "UINT64": "uint64",
    "BOOL": "bool", "INT4": "int4",
}  # fmt: skip


def read(path: Path, sha256: str, net: Sequence[int] | None = None) -> Model:
    """Read a .tflite file; see `read_model`."""
    tflite = library("tflite", "tflite")
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise UserError(
            f"{path} cannot be read as {FORMAT}: it does not begin like one; give the file of the converter"
        )
    with reading(path, FORMAT):
        graph = Graph(tflite, content)
        operators = tuple(
            translate(graph, operator, k) for k, operator in enumerate(graph.operators) if not operator.folded
        )
        if not operators:
            raise UserError(f"{path} cannot be read as {FORMAT}: it holds no operators; convert it again")
        made = [index for operator in graph.operators if not operator.folded for index in operator.outputs]
        computed = list(dict.fromkeys((*graph.inputs, *made)))
        return Model(
            str(path), sha256, graph.format(), tuple(graph.tensor(index) for index in computed), operators,
            tuple(graph.names[index] for index in graph.inputs), tuple(graph.names[index] for index in graph.outputs),
            notes=tuple(graph.notes), aliases={str(index): graph.names[index] for index in computed},
        )  # fmt: skip


class TfliteOperator:
    """One operator of the file: its kind, options, and the indices of its tensors (-1 for one that is left out)."""

    def __init__(self, kind: str, inputs: list[int], outputs: list[int], options: Any) -> None:
        self.kind, self.inputs, self.outputs, self.options = kind, inputs, outputs, options
        self.folded = False


class _Defaults:
    """Options that the file leaves out: every one is 0, as in a table without the field."""

    def __getattr__(self, name: str) -> Any:
        return lambda: 0


class Graph:
    """The first subgraph of a TFLite file, by index of tensor."""

    def __init__(self, tflite: Any, content: bytes) -> None:
        self.tflite, self.content = tflite, content
        self.model = tflite.Model.GetRootAsModel(content, 0)
        self._check(self.model.SubgraphsLength(), self.model.OperatorCodesLength(), self.model.BuffersLength())
        graph = self.model.Subgraphs(0)
        self._check(graph.TensorsLength(), graph.OperatorsLength())
        self._tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
        self._types = {number: name for name, number in vars(tflite.TensorType).items() if isinstance(number, int)}
        self.names = self._unique_names()
        self._arrays: dict[int, np.ndarray] = {}
        self.quantised: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.inputs, self.outputs = _list(graph.InputsAsNumpy()), _list(graph.OutputsAsNumpy())
        kinds = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
        self.operators = [self._operator(graph.Operators(index), kinds) for index in range(graph.OperatorsLength())]
        self.notes: list[str] = []
        for operator in self.operators:
            self._fold(operator)
        if any(operator.kind in ("VAR_HANDLE", "READ_VARIABLE") for operator in self.operators):
            self.notes.append("the model keeps state from call to call: its tensors depend on the order of the rows")
        if self.model.SubgraphsLength() > 1 and any(operator.kind in ("IF", "WHILE") for operator in self.operators):
            self.notes.append("operators inside IF and WHILE are not counted")

    def _check(self, *lengths: int) -> None:
        """Refuse a list that is longer than the file."""
        if any(length > len(self.content) // 4 for length in lengths) or lengths[0] == 0:
            raise ValueError(f"a list of {max(lengths)} entries in {len(self.content)} bytes")

    def _unique_names(self) -> list[str]:
        names = [(tensor.Name() or b"").decode("utf-8", "replace") or f"#{k}" for k, tensor in enumerate(self._tensors)]
        several = {name for name, count in Counter(names).items() if count > 1}
        return [f"{name}#{k}" if name in several else name for k, name in enumerate(names)]

    def _operator(self, operator: Any, kinds: dict[int, str]) -> TfliteOperator:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = kinds.get(number, f"UNKNOWN {number}")
        if kind == "CUSTOM":
            kind = f"CUSTOM {(code.CustomCode() or b'?').decode('utf-8', 'replace')}"
        inputs, outputs = _list(operator.InputsAsNumpy()), _list(operator.OutputsAsNumpy())
        if any(not -1 <= index < len(self._tensors) for index in (*inputs, *outputs)):
            raise ValueError("an operator of a tensor that is not there")
        return TfliteOperator(kind, inputs, outputs, operator.BuiltinOptions())

    def options(self, operator: TfliteOperator, name: str) -> Any:
        """Return the options of an operator, of a class that is named after it; zeros where the file has none."""
        if operator.options is None:
            return _Defaults()
        made = getattr(self.tflite, name)()
        made.Init(operator.options.Bytes, operator.options.Pos)
        return made

    def _fold(self, operator: TfliteOperator) -> None:
        """Evaluate an operator on constants alone."""
        names = [index for index in operator.inputs if index >= 0]
        if operator.kind not in FOLDED or not names or not all(self.is_constant(index) for index in names):
            return
        if operator.kind == "DEQUANTIZE" and self.scales(names[0]) is not None:
            self._arrays[operator.outputs[0]] = self.values(names[0])
            self.quantised[operator.outputs[0]] = self.words(names[0])
        else:
            self._arrays[operator.outputs[0]] = FOLDED[operator.kind]([self.array(index) for index in names])
        operator.folded = True

    def is_constant(self, index: int) -> bool:
        if index < 0:
            return False
        return index in self._arrays or self._buffer(index) is not None

    def _buffer(self, index: int) -> bytes | None:
        place = self._tensors[index].Buffer()
        if not 0 < place < self.model.BuffersLength():
            return None
        buffer = self.model.Buffers(place)
        if buffer.DataLength():
            return bytes(memoryview(buffer.DataAsNumpy()))
        offset, size = (getattr(buffer, name, int)() for name in ("Offset", "Size"))
        return self.content[offset : offset + size] if offset > 1 else None  # of files above 2 GiB

    def array(self, index: int) -> np.ndarray:
        """Return a constant as it is stored."""
        if index not in self._arrays:
            content, dtype = self._buffer(index), self.dtype(index)
            if content is None:
                raise KeyError(f"tensor {index} is no constant")
            if self._tensors[index].Sparsity() is not None:
                raise ValueError(f"tensor {index} is sparse; convert the model without sparsity")
            shape = self.stored_shape(index)
            flat = _nibbles(content, int(np.prod(shape))) if dtype == "int4" else np.frombuffer(content, dtype)
            self._arrays[index] = flat.reshape(shape)
        return self._arrays[index]

    def scales(self, index: int) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Return scales, zero points and their axis, None of a tensor that has none."""
        quantisation = self._tensors[index].Quantization()
        if quantisation is None or quantisation.ScaleLength() == 0:
            return None
        scale = np.asarray(quantisation.ScaleAsNumpy(), np.float64)
        zero = np.zeros(scale.size, np.int64)
        if quantisation.ZeroPointLength():
            zero = np.broadcast_to(np.asarray(quantisation.ZeroPointAsNumpy(), np.int64), scale.shape)
        return scale, zero, int(quantisation.QuantizedDimension())

    def words(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a quantised constant as int64 without its zero point, and its scales along its first axis or one.

        Raises
        ------
        ValueError
            where it has no scale
        """
        if index in self.quantised:
            return self.quantised[index]
        found = self.scales(index)
        if found is None:
            raise ValueError(f"tensor {index} ({self.names[index]}) is {self.dtype(index)} and has no scale")
        scale, zero, axis = found
        stored = np.asarray(self.array(index), np.int64)
        if scale.size > 1 and axis != 0:
            raise ValueError(f"tensor {index} has scales along axis {axis}")
        along = (-1,) + (1,) * (stored.ndim - 1)
        return stored - (zero.reshape(along) if scale.size > 1 else zero), scale

    def values(self, index: int) -> np.ndarray:
        """Return a constant as real numbers, float64."""
        if self.dtype(index).startswith("float") or (index in self._arrays and self._arrays[index].dtype.kind == "f"):
            return np.asarray(self.array(index), np.float64)
        words, scale = self.words(index)
        values: np.ndarray = words * (scale.reshape((-1,) + (1,) * (words.ndim - 1)) if scale.size > 1 else scale)
        return values

    def dtype(self, index: int) -> str:
        return _DTYPES.get(self._types.get(self._tensors[index].Type(), ""), "other")

    def stored_shape(self, index: int) -> tuple[int, ...]:
        return tuple(_list(self._tensors[index].ShapeAsNumpy()))

    def shape(self, index: int) -> tuple[int | None, ...]:
        """Return the shape, None for sizes that are left open; a batch that is left open is 1."""
        shape, signature = self.stored_shape(index), _list(self._tensors[index].ShapeSignatureAsNumpy())
        if len(signature) != len(shape):
            return shape
        return tuple(
            None if k and open_ < 0 else size for k, (size, open_) in enumerate(zip(shape, signature, strict=True))
        )

    def tensor(self, index: int) -> Tensor:
        dtype, found = self.dtype(index), self.scales(index)
        scale = zero_point = None
        if found is not None and found[0].size == 1 and dtype != "float32" and 0 < found[0][0] < np.inf:
            scale, zero_point = float(found[0][0]), int(found[1][0])
        return Tensor(self.names[index], self.shape(index), dtype, scale, zero_point)

    def format(self) -> str:
        integer = any(
            self.dtype(index) in ("int8", "uint8", "int16") for one in self.operators for index in one.outputs
        )
        return f"{FORMAT}, {'integer' if integer else 'float'}"


def _list(values: Any) -> list[int]:
    return [] if isinstance(values, int) else [int(one) for one in values]


def _nibbles(content: bytes, count: int) -> np.ndarray:
    """Return int4 values, two per byte, the low half first."""
    both = np.frombuffer(content, np.int8)
    return np.stack([both << 4 >> 4, both >> 4], axis=1).reshape(-1)[:count]
