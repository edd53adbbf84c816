"""Tensors computed by ONNX Runtime; LiteRT is in test_tflite.py."""

from __future__ import annotations

import builtins
import sys

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.pretrained import read_model
from edgelearn.pretrained.runtime import features_of
from tests.unit.pretrained.onnx_models import floats, forward, node, write


def quantised(path, clip=False, batch="n"):
    """Write Relu, QuantizeLinear, DequantizeLinear, Gemm with quantised weights (QDQ; with a Clip QCDQ), Softmax."""
    rng = np.random.default_rng(0)
    constants = {
        "s": np.float32(0.05), "zp": np.int8(-128), "low": np.int8(-128), "high": np.int8(20),
        "w": rng.integers(-127, 128, (3, 6)).astype(np.int8), "ws": np.array([0.01, 0.02, 0.03], np.float32),
        "wz": np.zeros(3, np.int8), "b": rng.integers(-999, 999, 3).astype(np.int32),
        "bs": np.float32(0.05) * np.array([0.01, 0.02, 0.03], np.float32), "bz": np.zeros(3, np.int32),
    }  # fmt: skip
    nodes = [
        node("Relu", "in", "r"),
        node("QuantizeLinear", "r s zp", "q"),
        *([node("Clip", "q low high", "qc")] if clip else []),
        node("DequantizeLinear", f"{'qc' if clip else 'q'} s zp", "d"),
        node("DequantizeLinear", "w ws wz", "wf", axis=0),
        node("DequantizeLinear", "b bs bz", "bf", axis=0),
        node("Gemm", "d wf bf", "z", transB=1),
        node("Softmax", "z", "out"),
    ]
    return write(path, nodes, constants, (batch, 6))


@pytest.mark.parametrize("clip", [False, True])
def test_quantised_tensors_stay_integers_and_layers_keep_their_words(tmp_path, clip):
    pytest.importorskip("onnxruntime")
    model = read_model(quantised(tmp_path / "m.onnx", clip))
    x = floats(1, x=(300, 6))["x"] * 3
    features, _ = features_of(model, "qc" if clip else "q", x)
    assert features.dtype == np.int8
    imported = model.cut("q")
    assert (imported.input.scale, imported.input.zero_point) == (pytest.approx(0.05), -128)
    layer = imported.layers[0]
    np.testing.assert_allclose(layer.weights, layer.words * layer.word_scales[:, None])
    assert layer.word_scales.tolist() == pytest.approx([0.01, 0.02, 0.03])
    values = 0.05 * (features.astype(int) + 128)
    np.testing.assert_allclose(forward(imported, values), features_of(model, "out", x)[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["integers and a Clip", "real numbers"])
def test_weights_that_are_quantised_in_the_graph(tmp_path, kind):
    """Constants in front of DequantizeLinear are folded: a Clip of QCDQ, and a QuantizeLinear of real weights."""
    words = np.random.default_rng(0).integers(-20, 21, (3, 6)).astype(np.int8)
    constants = {"s": np.array([0.1, 0.2, 0.3], np.float32), "z": np.zeros(3, np.int8)}
    constants |= {"low": np.int8(-8), "high": np.int8(7), "w": words}
    first = node("Clip", "w low high", "q")
    if kind == "real numbers":
        words = np.clip(words, -8, 7)
        constants["w"] = words * constants["s"][:, None] * np.float32(1.02)
        first = node("QuantizeLinear", "w s z", "q", axis=0)
    nodes = [first, node("DequantizeLinear", "q s z", "wf", axis=0), node("Gemm", "in wf", "out", transB=1)]
    layer = read_model(write(tmp_path / "m.onnx", nodes, constants, ("n", 6))).cut().layers[0]
    np.testing.assert_array_equal(layer.words, np.clip(words, -8, 7))
    np.testing.assert_allclose(layer.weights, layer.words * np.array([0.1, 0.2, 0.3])[:, None], rtol=1e-6)


def test_a_relu_that_the_quantiser_left_out(tmp_path):
    """ONNX Runtime drops a Relu in front of integers that start at zero: their limit replaces it."""
    pytest.importorskip("onnxruntime")
    constants = floats(0, w=(6, 5), v=(5, 3)) | {
        "s": np.float32(0.05), "zp": np.int8(-128), "s2": np.float32(0.05), "zp2": np.int8(3),
    }  # fmt: skip
    nodes = [
        node("MatMul", "in w", "z"),
        node("QuantizeLinear", "z s zp", "q"),
        node("DequantizeLinear", "q s zp", "d"),
        node("MatMul", "d v", "y"),
        node("QuantizeLinear", "y s2 zp2", "qy"),
        node("DequantizeLinear", "qy s2 zp2", "out"),
    ]
    model = read_model(write(tmp_path / "m.onnx", nodes, constants, ("n", 6)))
    imported = model.cut("in")
    assert [layer.activation for layer in imported.layers] == ["relu", "linear"]
    assert any("/z: integers of /q (QuantizeLinear) start at zero, which is a relu" in note for note in imported.notes)
    x = floats(1, x=(200, 6))["x"]
    inside = np.abs(forward(imported, x)) < 5
    np.testing.assert_allclose(forward(imported, x)[inside], features_of(model, "out", x)[0][inside], atol=0.3)
    with pytest.raises(
        UserError, match=r"'z': .* is /q \(QuantizeLinear\), which limits to zero and above; cut at 'q'"
    ):
        model.cut("z")
    assert model.cut("d").sizes == (5, 3)


def test_batches_of_a_fixed_size_are_filled_up(tmp_path):
    pytest.importorskip("onnxruntime")
    x = floats(1, x=(10, 6))["x"]
    one, four = (quantised(tmp_path / f"{batch}.onnx", batch=batch) for batch in ("n", 4))
    done = []
    found = features_of(read_model(four), "q", x, done.append)[0]
    np.testing.assert_array_equal(found, features_of(read_model(one), "q", x)[0])
    assert done == [4, 8, 10]


def test_a_quantised_tensor_without_a_constant_scale_is_refused(tmp_path):
    nodes = [
        node("ReduceMax", "in", "s", keepdims=0),
        node("QuantizeLinear", "in s zp", "q"),
        node("DequantizeLinear", "q s zp", "d"),
        node("Gemm", "d w b", "out", transB=1),
    ]
    constants = floats(0, w=(3, 6), b=(3,)) | {"zp": np.int8(0)}
    model = read_model(write(tmp_path / "m.onnx", nodes, constants, ("n", 6)))
    with pytest.raises(UserError, match="the tensor is int8 without one scale and zero point"):
        model.cut("q")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((3, 5)), r"takes 6 values per row .* and the data has 5"),
        (np.full((3, 6), 1e300), "is not finite|cannot"),
    ],
)
def test_rows_that_do_not_fit(tmp_path, rows, message):
    pytest.importorskip("onnxruntime")
    nodes = [node("Mul", "in big", "m"), node("Gemm", "m w b", "out", transB=1)]
    constants = floats(0, w=(3, 6), b=(3,)) | {"big": np.float32(1e30)}
    model = read_model(write(tmp_path / "m.onnx", nodes, constants, ("n", 6)))
    with np.errstate(over="ignore"), pytest.raises(UserError, match=message):
        features_of(model, "m", rows)


def test_a_missing_runtime_is_named_with_its_command(tmp_path, monkeypatch):
    model = read_model(quantised(tmp_path / "m.onnx"))
    plain = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("onnxruntime"):
            raise ImportError(f"No module named '{name}'", name=name)
        return plain(name, *rest)

    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.setattr("edgelearn.pretrained.read.import_module", lambda name: refuse(name) or sys.modules[name])
    with pytest.raises(UserError, match=r"onnxruntime cannot be imported .*; pip install \"onnxruntime>="):
        features_of(model, "q", np.zeros((1, 6)))
