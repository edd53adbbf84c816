"""Small TFLite models, made table by table."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import tflite

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "int8": 9}
VERSIONS = {
    tflite.BuiltinOperator.FULLY_CONNECTED: 4,
    tflite.BuiltinOperator.SOFTMAX: 2,
}  # with int8 and without biases


class Model:
    """A model with one subgraph; tensors are named, and given by name."""

    def __init__(self) -> None:
        self.b = flatbuffers.Builder(1024)
        self.tensors: list[Any] = []
        self.names: list[str] = []
        self.buffers: list[Any] = [self._buffer(b"")]
        self.codes: list[int] = []
        self.operators: list[Any] = []

    def _buffer(self, content: bytes) -> Any:
        data = self.b.CreateByteVector(content) if content else None
        tflite.BufferStart(self.b)
        if data is not None:
            tflite.BufferAddData(self.b, data)
        return tflite.BufferEnd(self.b)

    def _numbers(self, values: Any, dtype: str) -> Any:
        return self.b.CreateNumpyVector(np.asarray(values, dtype))

    def _offsets(self, start: Any, offsets: list[Any]) -> Any:
        start(self.b, len(offsets))
        for one in reversed(offsets):
            self.b.PrependUOffsetTRelative(one)
        return self.b.EndVector()

    def tensor(self, name, shape, dtype="float32", scale=None, zero=None, values=None, axis=0):
        """Add a tensor; `values` makes it a constant."""
        if values is not None:
            self.buffers.append(self._buffer(np.ascontiguousarray(values).tobytes()))
        quantisation = None
        if scale is not None:
            scales = self._numbers(np.atleast_1d(scale), "float32")
            zeros = self._numbers(np.broadcast_to(0 if zero is None else zero, np.size(scale)), "int64")
            tflite.QuantizationParametersStart(self.b)
            tflite.QuantizationParametersAddScale(self.b, scales)
            tflite.QuantizationParametersAddZeroPoint(self.b, zeros)
            tflite.QuantizationParametersAddQuantizedDimension(self.b, axis)
            quantisation = tflite.QuantizationParametersEnd(self.b)
        text, sizes = self.b.CreateString(name), self._numbers(shape, "int32")
        tflite.TensorStart(self.b)
        tflite.TensorAddShape(self.b, sizes)
        tflite.TensorAddType(self.b, TYPES[dtype])
        tflite.TensorAddBuffer(self.b, len(self.buffers) - 1 if values is not None else 0)
        tflite.TensorAddName(self.b, text)
        if quantisation is not None:
            tflite.TensorAddQuantization(self.b, quantisation)
        self.tensors.append(tflite.TensorEnd(self.b))
        self.names.append(name)
        return name

    def constant(self, name, values, scale=None, zero=None, axis=0):
        return self.tensor(name, np.shape(values), str(values.dtype), scale, zero, values, axis)

    def operator(self, kind, inputs, outputs, options=None, **given):
        """Add an operator; options by the names of their fields."""
        code = kind if isinstance(kind, int) else getattr(tflite.BuiltinOperator, kind)
        if code not in self.codes:
            self.codes.append(code)
        made = None
        if options is not None:
            getattr(tflite, f"{options}Start")(self.b)
            for key, value in given.items():
                getattr(tflite, f"{options}Add{key}")(self.b, value)
            made = getattr(tflite, f"{options}End")(self.b)
        reads, writes = (
            self._numbers([-1 if one == "-" else self.names.index(one) for one in names.split()], "int32")
            for names in (inputs, outputs)
        )
        tflite.OperatorStart(self.b)
        tflite.OperatorAddOpcodeIndex(self.b, self.codes.index(code))
        tflite.OperatorAddInputs(self.b, reads)
        tflite.OperatorAddOutputs(self.b, writes)
        if made is not None:
            tflite.OperatorAddBuiltinOptionsType(self.b, getattr(tflite.BuiltinOptions, options))
            tflite.OperatorAddBuiltinOptions(self.b, made)
        self.operators.append(tflite.OperatorEnd(self.b))

    def write(self, path, inputs, outputs):
        """Write the file and return its path."""
        codes = []
        for code in self.codes:
            tflite.OperatorCodeStart(self.b)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(self.b, min(code, 127))
            tflite.OperatorCodeAddBuiltinCode(self.b, code)
            tflite.OperatorCodeAddVersion(self.b, VERSIONS.get(code, 1))
            codes.append(tflite.OperatorCodeEnd(self.b))
        tensors = self._offsets(tflite.SubGraphStartTensorsVector, self.tensors)
        operators = self._offsets(tflite.SubGraphStartOperatorsVector, self.operators)
        reads, writes = (
            self._numbers([self.names.index(one) for one in names.split()], "int32") for names in (inputs, outputs)
        )
        tflite.SubGraphStart(self.b)
        tflite.SubGraphAddTensors(self.b, tensors)
        tflite.SubGraphAddInputs(self.b, reads)
        tflite.SubGraphAddOutputs(self.b, writes)
        tflite.SubGraphAddOperators(self.b, operators)
        graph = tflite.SubGraphEnd(self.b)
        code_list = self._offsets(tflite.ModelStartOperatorCodesVector, codes)
        graphs = self._offsets(tflite.ModelStartSubgraphsVector, [graph])
        buffers = self._offsets(tflite.ModelStartBuffersVector, self.buffers)
        tflite.ModelStart(self.b)
        tflite.ModelAddVersion(self.b, 3)
        tflite.ModelAddOperatorCodes(self.b, code_list)
        tflite.ModelAddSubgraphs(self.b, graphs)
        tflite.ModelAddBuffers(self.b, buffers)
        self.b.Finish(tflite.ModelEnd(self.b), b"TFL3")
        path.write_bytes(bytes(self.b.Output()))
        return path


def float_model(path, relu=1):
    """Write conv 4x4x2 -> 3x3x3, relu, reshape, 27-5 relu, 5-3, softmax; return path and constants."""
    rng = np.random.default_rng(0)
    k, kb, w, b, v = (rng.normal(size=size).astype(np.float32) for size in ((3, 2, 2, 2), 3, (5, 27), 5, (3, 5)))
    m = Model()
    m.tensor("in", (1, 4, 4, 2))
    for name, values in (("k", k), ("kb", kb), ("w", w), ("b", b), ("v", v), ("shape", np.array([1, 27], np.int32))):
        m.constant(name, values)
    for name, shape in (("conv", (1, 3, 3, 3)), ("flat", (1, 27)), ("h", (1, 5)), ("z", (1, 3)), ("out", (1, 3))):
        m.tensor(name, shape)
    m.operator(
        "CONV_2D", "in k kb", "conv", "Conv2DOptions", StrideW=1, StrideH=1, Padding=1, FusedActivationFunction=1
    )
    m.operator("RESHAPE", "conv shape", "flat")
    m.operator("FULLY_CONNECTED", "flat w b", "h", "FullyConnectedOptions", FusedActivationFunction=relu)
    m.operator("FULLY_CONNECTED", "h v -", "z", "FullyConnectedOptions")
    m.operator("SOFTMAX", "z", "out", "SoftmaxOptions", Beta=1.0)
    return m.write(path, "in", "out")


def integer_model(path, per_channel, scale=0.05):
    """Write 8-6 relu, 6-3, softmax in int8, with a scale per tensor or per output; None leaves the input's scale out."""
    rng = np.random.default_rng(1)
    w, v = rng.integers(-127, 128, (6, 8)).astype(np.int8), rng.integers(-127, 128, (3, 6)).astype(np.int8)
    sw = np.linspace(0.01, 0.02, 6) if per_channel else np.array([0.015])
    b = rng.integers(-300, 300, 6).astype(np.int32)
    m = Model()
    m.tensor("in", (1, 8), "int8", scale, -128)
    m.constant("w", w, sw)
    m.constant("b", b, 0.05 * sw)
    m.constant("v", v, 0.004)
    m.tensor("h", (1, 6), "int8", 0.1, -128)
    m.tensor("z", (1, 3), "int8", 0.2, 3)
    m.tensor("out", (1, 3), "int8", 1 / 256, -128)
    m.operator("FULLY_CONNECTED", "in w b", "h", "FullyConnectedOptions", FusedActivationFunction=1)
    m.operator("FULLY_CONNECTED", "h v -", "z", "FullyConnectedOptions")
    m.operator("SOFTMAX", "z", "out", "SoftmaxOptions", Beta=1.0)
    return m.write(path, "in", "out")
