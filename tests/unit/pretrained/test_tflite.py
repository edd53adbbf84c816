"""TFLite models cut at a tensor: layers behind it compute what LiteRT computes."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.pretrained import FrontEnd, read_model
from edgelearn.pretrained.runtime import features_of
from tests.unit.pretrained.onnx_models import forward
from tests.unit.pretrained.tflite_models import Model, float_model, integer_model


def test_float_layers_equal_litert_and_the_convolution_is_counted(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = read_model(float_model(tmp_path / "m.tflite"))
    x = np.random.default_rng(2).normal(size=(20, 4, 4, 2)).astype(np.float32)
    expected, _ = features_of(model, "out", x)
    for cut in ("conv", "flat", "h"):
        features, tensor = features_of(model, cut, x)
        assert tensor.dtype == "float32"
        np.testing.assert_allclose(forward(model.cut(cut), features), expected, rtol=1e-4, atol=1e-5)
    imported = model.cut()
    assert (imported.input.name, imported.sizes) == ("conv", (27, 5, 3))
    assert [layer.activation for layer in imported.layers] == ["relu", "softmax"]
    assert imported.front_end == FrontEnd(macs=27 * 8, weight_words=3 * 8 + 3, activation_words=27)


@pytest.mark.parametrize("per_channel", [False, True])
def test_integer_layers_keep_words_and_scales(tmp_path, per_channel):
    pytest.importorskip("ai_edge_litert")
    model = read_model(integer_model(tmp_path / "m.tflite", per_channel))
    imported = model.cut("in")
    assert (imported.input.scale, imported.input.zero_point) == (pytest.approx(0.05), -128)
    for layer in imported.layers:
        np.testing.assert_allclose(layer.weights, layer.words * layer.word_scales[:, None])
    assert len(set(imported.layers[0].word_scales)) == (6 if per_channel else 1)
    first = imported.layers[0].output
    assert (first.name, first.dtype, first.scale, first.zero_point) == ("h", "int8", pytest.approx(0.1), -128)
    x = np.random.default_rng(3).integers(-128, 128, (300, 8)).astype(np.int8)
    hidden, tensor = features_of(model, "h", x)
    assert hidden.dtype == np.int8
    values = np.float64(0.05) * (x.astype(int) + 128)
    exact = np.maximum(values @ imported.layers[0].weights.T + imported.layers[0].biases, 0)
    found = tensor.scale * (hidden.astype(int) - tensor.zero_point)
    inside = hidden < 127
    assert np.abs(exact - found)[inside].max() <= 0.51 * tensor.scale
    scores, _ = features_of(model, "out", x)
    best = np.argmax(forward(imported, values), axis=1) == np.argmax(scores, axis=1)
    assert best.mean() > 0.9  # hidden values are rounded and limited in the model, not in its layers
    logits, at = features_of(model, "z", x)
    behind = found @ imported.layers[1].weights.T
    assert (
        np.abs(behind - at.scale * (logits.astype(int) - at.zero_point))[np.abs(behind) < 20].max() <= 0.51 * at.scale
    )


def test_real_numbers_are_quantised_for_an_integer_input(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = read_model(integer_model(tmp_path / "m.tflite", True))
    x = np.random.default_rng(3).integers(-128, 128, (5, 8)).astype(np.int8)
    by_value = features_of(model, "h", 0.05 * (x.astype(float) + 128))[0]
    np.testing.assert_array_equal(by_value, features_of(model, "h", x)[0])


@pytest.mark.parametrize(
    ("relu", "cut", "message"),
    [
        (3, "flat", r"operator 2 \(FULLY_CONNECTED\): relu6 is no activation of learning layers; cut at 'h'"),
        (1, "in", r"behind it, operator 0 \(CONV_2D\): it is not read behind a cut; cut at 'conv'"),
        (1, "z", r"no dense layer is behind it|first operator"),
        (1, "flatt", r"tensor 'flatt' is not in .*Did you mean 'flat'\?"),
        (1, "out", "no dense layer is behind it"),
    ],
)
def test_refusals_name_the_operator_and_the_next_step(tmp_path, relu, cut, message):
    with pytest.raises(UserError, match=message):
        read_model(float_model(tmp_path / "m.tflite", relu)).cut(cut)


def test_an_integer_tensor_without_a_scale_is_refused(tmp_path):
    model = read_model(integer_model(tmp_path / "m.tflite", False, scale=None))
    with pytest.raises(UserError, match="cut at 'in': the tensor is int8 without one scale and zero point"):
        model.cut("in")
    assert model.cut().input.name == "h"


def test_float16_weights_shuffles_and_constants_behind_a_transposition(tmp_path):
    rng = np.random.default_rng(4)
    w, factors = rng.normal(size=(3, 24)).astype(np.float16), rng.normal(size=4).astype(np.float32)
    m = Model()
    m.tensor("in", (1, 2, 3, 4))
    m.constant("w16", w)
    m.constant("f", factors)
    m.constant("perm", np.array([0, 3, 1, 2], np.int32))
    for name, shape in (("w", (3, 24)), ("s", (1, 2, 3, 4)), ("t", (1, 4, 2, 3)), ("out", (1, 3))):
        m.tensor(name, shape)
    m.operator("DEQUANTIZE", "w16", "w")
    m.operator("MUL", "in f", "s", "MulOptions")
    m.operator("TRANSPOSE", "s perm", "t")
    m.operator("FULLY_CONNECTED", "t w -", "out", "FullyConnectedOptions")
    model = read_model(m.write(tmp_path / "m.tflite", "in", "out"))
    x = rng.normal(size=(6, 2, 3, 4))
    expected = (x * factors).transpose(0, 3, 1, 2).reshape(6, 24) @ w.astype(float).T
    np.testing.assert_allclose(forward(model.cut("in"), x), expected, rtol=1e-6)
    np.testing.assert_allclose(forward(model.cut("s"), x * factors), expected, rtol=1e-6)


def test_operators_that_the_package_does_not_know_stay_in_front(tmp_path):
    """A custom operator, an unknown one, and a dense layer without options, which are zeros then."""
    rng = np.random.default_rng(4)
    m = Model()
    m.tensor("in", (1, 6))
    m.constant("w", rng.normal(size=(3, 6)).astype(np.float32))
    for name, shape in (("c", (1, 6)), ("u", (1, 6)), ("out", (1, 3))):
        m.tensor(name, shape)
    m.operator("CUSTOM", "in", "c")
    m.operator(1000, "c", "u")
    m.operator("FULLY_CONNECTED", "u w -", "out")
    model = read_model(m.write(tmp_path / "m.tflite", "in", "out"))
    assert model.cut("u").front_end.uncounted == ("operator 0 (CUSTOM ?)", "operator 1 (UNKNOWN 1000)")
    with pytest.raises(
        UserError, match=r"behind it, operator 1 \(UNKNOWN 1000\): it is not read behind a cut; cut at 'u'"
    ):
        model.cut("c")
