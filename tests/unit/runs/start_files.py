"""Models and data that runs start from, in files."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edgelearn.data import datasets

SIZES = (64, 24, 10)


def write_digits(path: Path, n: int = 400, names: str = "0123456789", scale: float = 16.0, **more) -> Path:
    """Write the first digits of some classes as an .npz file of features and labels."""
    data = datasets.open_dataset("digits")
    kept = np.isin(data.train_y, [int(name) for name in names])
    np.savez(path, x=(data.train_x[kept][:n] / scale).astype(np.float32), y=data.train_y[kept][:n], **more)
    return path


def write_model(path: Path, sizes=SIZES, names: str = "0123456789", seed: int = 0) -> Path:
    """Write an ONNX model of dense layers with ReLU, fitted to the digits of some classes by least squares."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(seed)
    data = datasets.open_dataset("digits")
    kept = np.isin(data.train_y, [int(name) for name in names])
    x, y = data.train_x[kept] / 16, data.train_y[kept]
    layers = []
    for n_in, n_out in pairwise(sizes[:-1]):
        layers.append((rng.normal(0, 1.5 / np.sqrt(n_in), (n_out, n_in)), rng.normal(0, 0.3, n_out)))
        x = np.maximum(x @ layers[-1][0].T + layers[-1][1], 0)
    ones = np.hstack([x, np.ones((len(x), 1))])
    solved = np.linalg.lstsq(ones, 6 * np.eye(sizes[-1])[y] - 3, rcond=None)[0]
    layers.append((solved[:-1].T, solved[-1]))
    nodes, initializers, name = [], [], "features"
    for k, (weights, biases) in enumerate(layers):
        initializers += [
            numpy_helper.from_array(weights.astype(np.float32), f"w{k}"),
            numpy_helper.from_array(biases.astype(np.float32), f"b{k}"),
        ]
        nodes.append(helper.make_node("Gemm", [name, f"w{k}", f"b{k}"], [f"z{k}"], transB=1))
        name = f"z{k}"
        if k < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [name], [f"y{k}"]))
            name = f"y{k}"
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, [None, sizes[0]])],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, sizes[-1]])],
        initializers,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path
