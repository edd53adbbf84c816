"""ONNX models of operators on integers: the real numbers that they stand for, and refusals with the way out."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from edgelearn.conversion.front import front_of
from edgelearn.errors import UserError
from edgelearn.pretrained import read_model
from edgelearn.pretrained.runtime import features_of
from tests.unit.pretrained.onnx_models import node, write


def integer_cnn(path, dense="QLinearMatMul", **changes):
    """Write a convolution with a relu in its limits, a pooling and a dense layer, all of integers."""
    rng = np.random.default_rng(5)
    constants = {
        "xs": np.float32(0.05), "xz": np.int8(-3),
        "k": rng.integers(-127, 128, (4, 2, 3, 3)).astype(np.int8), "ks": np.float32([0.01, 0.02, 0.015, 0.03]),
        "kz": np.zeros(4, np.int8), "kb": rng.integers(-900, 900, 4).astype(np.int32),
        "cs": np.float32(0.08), "cz": np.int8(-128),
        "shape": np.int64([-1, 48]),
        "w": rng.integers(-127, 128, (48, 3)).astype(np.int8), "ws": np.float32(0.02), "wz": np.int8(4),
        "b": rng.integers(-4000, 4000, 3).astype(np.int32), "ys": np.float32(0.7), "yz": np.int8(2),
    }  # fmt: skip
    more = {"domain": "com.microsoft"} if dense == "QGemm" else {}
    biased = " b" if dense == "QGemm" else ""
    nodes = [
        node("QuantizeLinear", "in xs xz", "q"),
        node("QLinearConv", "q xs xz k ks kz cs cz kb", "c", pads=[1, 1, 1, 1]),
        node("MaxPool", "c", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "p shape", "f"),
        node(dense, f"f cs cz w ws wz{biased} ys yz", "y", **more),
        node("DequantizeLinear", "y ys yz", "out"),
    ]
    return write(path, nodes, constants | changes, (1, 2, 8, 6)), constants


def test_layers_are_those_of_real_numbers(tmp_path):
    path, constants = integer_cnn(tmp_path / "q.onnx")
    model = read_model(path)
    found = model.cut("f")
    weights = 0.02 * (constants["w"].astype(float) - 4).T
    np.testing.assert_allclose(found.layers[0].weights, weights, rtol=1e-6)
    np.testing.assert_array_equal(found.layers[0].words, constants["w"].T.astype(int) - 4)
    assert model.macs == 48 * 4 * 18 + 48 * 3
    convolution = model.by_name["c"]
    assert (convolution.scale, convolution.zero_point) == (pytest.approx(0.08), -128)
    front = front_of(model, "f")
    assert [layer.activation for layer in front.layers] == ["relu", None]
    x = np.random.default_rng(2).uniform(-6, 6, (5, 96)).astype(np.float32)
    pytest.importorskip("onnxruntime")
    real = features_of(model, "f", x)[0].astype(float) + 128
    made = np.clip(front.run(0.05 * np.clip(np.rint(x / np.float32(0.05)), -125, 130)), 0, 255 * 0.08)
    assert np.abs(made - 0.08 * real).max() <= 0.08 * 0.501
    assert np.unique(real).size > 30


def test_qgemm_takes_its_biases_at_the_scale_of_its_sums(tmp_path):
    path, constants = integer_cnn(tmp_path / "g.onnx", "QGemm")
    (layer,) = read_model(path).cut("f").layers
    np.testing.assert_allclose(layer.weights, 0.02 * (constants["w"].astype(float) - 4).T, rtol=1e-6)
    np.testing.assert_allclose(layer.biases, constants["b"] * 0.08 * 0.02, rtol=1e-6)


@pytest.mark.parametrize(("kind", "domain"), [("QLinearAdd", "com.microsoft"), ("MatMulInteger", "")])
def test_other_operators_on_integers_are_refused_with_the_way_out(tmp_path, kind, domain):
    constants = {"w": np.ones((6, 3), np.int8), "s": np.float32(1), "z": np.int8(0)}
    inputs = "q s z w s z s z" if kind == "QLinearAdd" else "q w"
    nodes = [node("QuantizeLinear", "in s z", "q"), node(kind, inputs, "out", domain=domain)]
    write(tmp_path / "m.onnx", nodes, constants, ("n", 6))
    with pytest.raises(UserError, match=rf"{kind}\): it is not read: export .* \(QDQ\) in place of it"):
        read_model(tmp_path / "m.onnx").cut("q")
