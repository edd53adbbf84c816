"""Small ONNX models, made operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
from onnx.reference import ReferenceEvaluator

_TYPES = {
    "float32": TensorProto.FLOAT,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int64": TensorProto.INT64,
}


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """Return an operator; names of tensors are separated by blanks, the operator is named by its first output."""
    domain = attributes.pop("domain", "")
    return helper.make_node(
        kind, inputs.split(), outputs.split(), f"/{outputs.split()[0]}", domain=domain, **attributes
    )


def write(path, nodes, constants, shape, output="out", dtype="float32", extra_outputs=()):
    """Write a model with one input `in` and return its path."""
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    outputs += [helper.make_tensor_value_info(name, TensorProto.INT64, None) for name in extra_outputs]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("in", _TYPES[dtype], shape)], outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("odd.domain", 1)]
    save(helper.make_model(graph, opset_imports=domains, ir_version=8), str(path))
    return path


def floats(seed, **shapes):
    """Return float32 constants of given shapes."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def computed(path, tensor, x):
    """Return a tensor as the reference implementation of ONNX computes it."""
    import onnx

    model = onnx.load(str(path))
    if tensor not in [value.name for value in model.graph.output]:
        model.graph.output.append(helper.make_empty_tensor_value_info(tensor))
    session = ReferenceEvaluator(model)
    return session.run([tensor], {"in": x})[0]


_FUNCTIONS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softmax": lambda z: (
        np.exp(z - z.max(1, keepdims=True)) / np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True)
    ),
}


def forward(imported, features):
    """Return the outputs of imported layers on features, float64[n, n_out]."""
    y = np.asarray(features, np.float64).reshape(len(features), -1)
    for layer in imported.layers:
        z = y @ layer.weights.T + layer.biases
        y = np.where(z > 0, z, layer.slope * z) if layer.activation == "leaky" else _FUNCTIONS[layer.activation](z)
    return y
