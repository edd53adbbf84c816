"""TFLite models of dense layers, written with the tables of LiteRT and quantised by its own quantiser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Dense = tuple[np.ndarray, np.ndarray, str]
"""weights float32[n_out, n_in], biases float32[n_out], activation "relu", "tanh" or "linear"."""


def write_dense(path: Path, layers: Sequence[Dense]) -> Path:
    """Write a float model of dense layers, input "features", and return its path."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    buffers, tensors, operators = [schema.BufferT()], [], []
    codes = [kinds.FULLY_CONNECTED] + [kinds.TANH] * any(activation == "tanh" for _, _, activation in layers)

    def tensor(name: str, shape: Sequence[int], values: np.ndarray | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type = name, list(shape), schema.TensorType.FLOAT32
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)
            buffers.append(buffer)
            made.buffer = len(buffers) - 1
        tensors.append(made)
        return len(tensors) - 1

    def operator(kind: int, inputs: list[int], output: int, options: Any = None) -> None:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = codes.index(kind), inputs, [output]
        if options is not None:
            made.builtinOptionsType, made.builtinOptions = schema.BuiltinOptions.FullyConnectedOptions, options
        operators.append(made)

    here = tensor("features", (1, layers[0][0].shape[1]))
    for k, (weights, biases, activation) in enumerate(layers):
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = int(activation == "relu")
        inputs = [here, tensor(f"w{k}", weights.shape, weights), tensor(f"b{k}", biases.shape, biases)]
        here = tensor(f"z{k}", (1, len(biases)))
        operator(kinds.FULLY_CONNECTED, inputs, here, options)
        if activation == "tanh":
            behind = tensor(f"y{k}", (1, len(biases)))
            operator(kinds.TANH, [here], behind)
            here = behind
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, operators, [0], [here]
    model.version, model.subgraphs, model.buffers = 3, [graph], buffers
    model.operatorCodes = []
    for code in codes:
        row = schema.OperatorCodeT()
        row.builtinCode = row.deprecatedBuiltinCode = code
        model.operatorCodes.append(row)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def quantised(path: Path, x: np.ndarray) -> Path:
    """Write a model in int8, inputs and outputs too, calibrated on rows x [n, n_in], and return its path."""
    from ai_edge_litert import _pywrap_tensorflow_lite_calibration_wrapper as calibration

    content = path.read_bytes()  # which the wrapper does not copy
    wrapper = calibration.CalibrationWrapper(content, [], [])
    wrapper.Prepare([[1, x.shape[1]]])
    for row in np.asarray(x, np.float32):
        wrapper.FeedTensor([row[None]])
    int8, int32 = np.dtype(np.int8).num, np.dtype(np.int32).num
    out = path.with_name(f"{path.stem}-int8.tflite")
    out.write_bytes(wrapper.QuantizeModel(int8, int8, False, int8, int32, False, False))
    return out
