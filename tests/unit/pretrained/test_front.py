"""Layers in front of a cut: what they compute in floating point is what the runtime of the model computes."""

from __future__ import annotations

import shlex
import subprocess
import sys

import numpy as np
import pytest

from edgelearn.conversion.convert import convert
from edgelearn.conversion.front import front_of
from edgelearn.errors import UserError
from edgelearn.pretrained import read_model
from edgelearn.pretrained.runtime import features_of
from tests.unit.pretrained.keras_models import inputs, layer, sequential, write_archive
from tests.unit.pretrained.onnx_models import floats, node, write
from tests.unit.pretrained.tflite_models import Model

FIRST = node("Conv", "in k kb", "c1", pads=[1, 0, 0, 1], strides=[2, 1])
HEAD = [node("Flatten", "last", "flat"), node("Gemm", "flat w b", "out", transB=1)]


def constants(seed=0, **more):
    return floats(seed, k=(4, 2, 3, 2), kb=(4,), w=(3, more.pop("n", 80)), b=(3,)) | more


def normalisation(channels):
    made = floats(9, gamma=(channels,), beta=(channels,), mean=(channels,), variance=(channels,))
    return made | {"variance": np.abs(made["variance"]) + 0.5}


CHAINS = {  # operators behind a convolution of 7x5x2 into 3x5x4, and constants
    "relu": ([FIRST, node("Relu", "c1", "last")], {"n": 60}),
    "pooling in front of the relu": (
        [FIRST, node("MaxPool", "c1", "p", kernel_shape=[2, 3], strides=[1, 2]), node("Relu", "p", "last")],
        {"n": 16},
    ),
    "pooling in front of a leaky relu": (
        [FIRST, node("MaxPool", "c1", "p", kernel_shape=[2, 2]), node("LeakyRelu", "p", "last", alpha=0.2)],
        {"n": 32},
    ),
    "pooling behind a function that falls": (
        [FIRST, node("LeakyRelu", "c1", "r", alpha=-0.5), node("MaxPool", "r", "last", kernel_shape=[2, 2])],
        {"n": 32},
    ),
    "pooling beyond the map": (
        [FIRST, node("Tanh", "c1", "r"), node("MaxPool", "r", "last", kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        {"n": 60},
    ),
    "batch normalisation, depthwise, same": (
        [
            FIRST,
            node("BatchNormalization", "c1 gamma beta mean variance", "n1"),
            node("Relu", "n1", "r"),
            node("Conv", "r deep", "c2", group=4, auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
            node("LeakyRelu", "c2", "last", alpha=0.1),
        ],
        {"n": 48, **floats(3, deep=(8, 1, 3, 3)), **normalisation(4)},
    ),
    "mean of the map": ([FIRST, node("Sigmoid", "c1", "r"), node("GlobalAveragePool", "r", "last")], {"n": 4}),
    "means": (
        [FIRST, node("AveragePool", "c1", "a", kernel_shape=[2, 2]), node("Relu", "a", "last")],
        {"n": 32},
    ),
    "factors behind a relu": (
        [
            FIRST,
            node("Relu", "c1", "r"),
            node("BatchNormalization", "r gamma beta mean variance", "n1"),
            node("Conv", "n1 k2", "c2"),
            node("Relu", "c2", "last"),
        ],
        {"n": 40, **floats(4, k2=(5, 4, 2, 2)), **normalisation(4)},
    ),
    "transposed on the way": (
        [FIRST, node("Relu", "c1", "r"), node("Transpose", "r", "last", perm=[0, 2, 3, 1])],
        {"n": 60},
    ),
    "padding of its own": (
        [FIRST, node("Relu", "c1", "r"), node("Pad", "r pads", "z"), node("Conv", "z k2", "last")],
        {"n": 70, "pads": np.array([0, 0, 1, 0, 0, 0, 1, 2]), **floats(5, k2=(5, 4, 4, 1))},
    ),
}


def onnx_model(path, name, batch="n"):
    chain, more = CHAINS[name]
    return read_model(write(path, [*chain, *HEAD], constants(**more), (batch, 2, 7, 5)))


@pytest.mark.parametrize("name", CHAINS)
def test_onnx_layers_compute_what_the_runtime_computes(tmp_path, name):
    pytest.importorskip("onnxruntime")
    model = onnx_model(tmp_path / "m.onnx", name)
    x = floats(1, x=(20, 70))["x"]
    for cut in ("last", "flat"):
        expected, _ = features_of(model, cut, x)
        front = front_of(model, cut)
        np.testing.assert_allclose(front.run(x), expected, rtol=1e-4, atol=1e-4)
        made = convert(front, x, 4 / 127, 127, "m.onnx")
        levels = np.clip(np.rint(x * 127 / 4), -127, 127).astype(np.int8)
        found = made.stack.run(levels) * 2.0**-made.scale
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.998


def tflite_model(path):
    """Write conv 3x3 same stride 2 relu6, depthwise 2x3 valid, max pool, mean over the map, dense."""
    c = floats(7, k=(4, 3, 3, 2), kb=(4,), d=(1, 2, 3, 8), db=(8,), w=(3, 8), b=(3,))
    m = Model()
    m.tensor("in", (1, 9, 8, 2))
    for name, values in c.items():
        m.constant(name, values)
    m.constant("axes", np.array([1, 2], np.int32))
    for name, shape in (
        ("c1", (1, 5, 4, 4)),
        ("c2", (1, 4, 2, 8)),
        ("p", (1, 3, 1, 8)),
        ("f", (1, 8)),
        ("out", (1, 3)),
    ):
        m.tensor(name, shape)
    m.operator("CONV_2D", "in k kb", "c1", "Conv2DOptions", StrideW=2, StrideH=2, Padding=0, FusedActivationFunction=3)
    m.operator(
        "DEPTHWISE_CONV_2D", "c1 d db", "c2", "DepthwiseConv2DOptions", StrideW=1, StrideH=1, Padding=1,
        DepthMultiplier=2, FusedActivationFunction=1,
    )  # fmt: skip
    m.operator(
        "MAX_POOL_2D", "c2", "p", "Pool2DOptions", StrideW=1, StrideH=1, FilterWidth=2, FilterHeight=2, Padding=1
    )
    m.operator("MEAN", "p axes", "f", "ReducerOptions", KeepDims=False)
    m.operator("FULLY_CONNECTED", "f w b", "out", "FullyConnectedOptions")
    return m.write(path, "in", "out"), c


def test_tflite_layers_compute_what_litert_computes(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = read_model(tflite_model(tmp_path / "m.tflite")[0])
    x = floats(1, x=(20, 9 * 8 * 2))["x"]
    for cut in ("c1", "c2", "p", "f"):
        expected, _ = features_of(model, cut, x)
        np.testing.assert_allclose(front_of(model, cut).run(x), expected, rtol=1e-4, atol=1e-4)


def test_keras_layers_compute_what_those_of_tflite_do(tmp_path):
    tflite = read_model(tflite_model(tmp_path / "m.tflite")[0])
    c = tflite_model(tmp_path / "m.tflite")[1]
    config = sequential(
        inputs((9, 8, 2)),
        layer("Conv2D", "conv", filters=4, kernel_size=[3, 3], strides=[2, 2], padding="same", activation="relu6"),
        layer("DepthwiseConv2D", "deep", kernel_size=[2, 3], strides=[1, 1], depth_multiplier=2, activation="relu"),
        layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[1, 1]),
        layer("GlobalAveragePooling2D", "mean"),
        layer("Dense", "head", units=3, activation="softmax", use_bias=True),
    )
    groups = {
        "conv2d": ("conv", [c["k"].transpose(1, 2, 3, 0), c["kb"]]),
        "depthwise_conv2d": ("deep", [c["d"][0].reshape(2, 3, 4, 2), c["db"]]),
        "dense": ("head", [c["w"].T, c["b"]]),
    }
    keras = read_model(write_archive(tmp_path / "m.keras", config, groups))
    x = floats(1, x=(20, 9 * 8 * 2))["x"]
    np.testing.assert_allclose(front_of(keras, "mean").run(x), front_of(tflite, "f").run(x), rtol=1e-5, atol=1e-5)
    found, expected = (front_of(one, cut).layers for one, cut in ((keras, "deep"), (tflite, "c2")))
    for mine, other in zip(found, expected, strict=True):
        assert (mine.geometry, mine.activation) == (other.geometry, other.activation)


REFUSED = {
    "two readers": ([FIRST, node("Relu", "c1", "r"), node("Add", "c1 r", "last")], {"n": 60}, "'c1' is read by"),
    "an operator": ([FIRST, node("InstanceNormalization", "c1 kb kb", "last")], {"n": 60},
                    r"/last \(InstanceNormalization\): such operators are not converted"),
    "dilated taps": ([node("Conv", "in k", "last", dilations=[2, 1])], {"n": 48}, r"/last \(Conv\): its taps are dilated"),
    "a softmax": ([FIRST, node("Softmax", "c1", "last")], {"n": 60}, "softmax is no function of a single value"),
    "groups": ([node("Conv", "in g", "last", group=2)], {"n": 72, **floats(2, g=(6, 1, 2, 3))}, ""),
    "pooling first": ([node("MaxPool", "in", "last", kernel_shape=[2, 2])], {"n": 48}, "in front of the first layer"),
    "a shift in front of padding": ([node("Add", "in one", "a"), node("Conv", "a k kb", "last", pads=[1, 0, 0, 1])],
                                    {"n": 112, "one": np.float32(1)}, "adds to a map that is padded"),
    "two activations": ([FIRST, node("Relu", "c1", "r"), node("Tanh", "r", "last")], {"n": 60},
                        "does not follow a layer with weights"),
    "a function that falls behind pooling": (
        [FIRST, node("MaxPool", "c1", "p", kernel_shape=[2, 2]), node("LeakyRelu", "p", "last", alpha=-0.5)],
        {"n": 32}, r"/last \(LeakyRelu\): leaky with slope -0.5 falls somewhere"),
    "negative padding": ([FIRST, node("Pad", "c1 pads", "z"), node("Conv", "z k2", "last")],
                         {"n": 10, "pads": np.array([0, 0, -1, 0, 0, 0, 0, -1]), **floats(5, k2=(5, 4, 1, 4))},
                         r"/z \(Pad\): its padding is negative"),
    "negative padding of a convolution": ([node("Conv", "in k kb", "last", pads=[0, -1, 0, 0])], {"n": 40},
                                          r"/last \(Conv\): its padding is negative"),
    "negative padding of a pooling": (
        [FIRST, node("MaxPool", "c1", "last", kernel_shape=[2, 2], pads=[1, 0, -1, 0])], {"n": 32},
        r"/last \(MaxPool\): its padding is negative"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_is_named(tmp_path, name):
    chain, more, message = REFUSED[name]
    model = read_model(write(tmp_path / "m.onnx", [*chain, *HEAD], constants(**more), ("n", 2, 7, 5)))
    if not message:
        front_of(model, "last")
        return
    with pytest.raises(UserError, match=message) as refused:
        front_of(model, "last")
    assert str(refused.value).startswith(f"{tmp_path}/m.onnx cannot be converted up to 'last': ")
    assert "leave --convert out" in str(refused.value)


def test_negative_padding_of_keras_and_tflite_is_refused(tmp_path):
    c = floats(7, k=(4, 3, 3, 2), kb=(4,), w=(3, 4 * 5 * 4), b=(3,))
    config = sequential(
        inputs((9, 8, 2)),
        layer("ZeroPadding2D", "pad", padding=[[0, -2], [0, -2]]),
        layer("Conv2D", "conv", filters=4, kernel_size=[3, 3], strides=[1, 1]),
        layer("Flatten", "flat"),
        layer("Dense", "head", units=3),
    )
    groups = {"conv2d": ("conv", [c["k"].transpose(1, 2, 3, 0), c["kb"]]), "dense": ("head", [c["w"].T, c["b"]])}
    m = Model()
    m.tensor("in", (1, 9, 8, 2))
    for name, values in c.items():
        m.constant(name, values)
    m.constant("pads", np.array([[0, 0], [0, -2], [0, -2], [0, 0]], np.int32))
    for name, shape in (("z", (1, 7, 6, 2)), ("conv", (1, 5, 4, 4)), ("out", (1, 3))):
        m.tensor(name, shape)
    m.operator("PAD", "in pads", "z", "PadOptions")
    m.operator("CONV_2D", "z k kb", "conv", "Conv2DOptions", StrideW=1, StrideH=1, Padding=1)
    m.operator("FULLY_CONNECTED", "conv w b", "out", "FullyConnectedOptions")
    for path in (write_archive(tmp_path / "m.keras", config, groups), m.write(tmp_path / "m.tflite", "in", "out")):
        with pytest.raises(UserError, match="its padding is negative, which crops the map"):
            front_of(read_model(path), "conv")


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_damaged_files_give_one_line(tmp_path, form):
    """Bytes are changed at random; whatever can be read is converted, or refused by its path."""
    path = tmp_path / f"m.{form}"
    if form == "onnx":
        chain, more = CHAINS["batch normalisation, depthwise, same"]
        write(path, [*chain, *HEAD], constants(**more), (1, 2, 7, 5))
    else:
        tflite_model(path)
    whole, rng, cut = path.read_bytes(), np.random.default_rng(0), "last" if form == "onnx" else "f"
    x, refused = floats(1, x=(2, 70 if form == "onnx" else 144))["x"], 0
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            content[place] = rng.integers(0, 256)
        path.write_bytes(bytes(content))
        try:
            with np.errstate(all="ignore"):
                front = front_of(read_model(path), cut)
                if front.layers[0].geometry.n_in == x.shape[1]:
                    convert(front, x, 1 / 127, 127, str(path))
        except UserError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
            refused += 1
    assert refused > 5


def test_nothing_in_front_of_the_input_is_converted(tmp_path):
    with pytest.raises(UserError, match="no layer with weights is in front of it; leave --convert out"):
        front_of(onnx_model(tmp_path / "m.onnx", "relu"), "in")


def test_open_sizes_of_a_map_are_refused(tmp_path):
    model = read_model(write(tmp_path / "m.onnx", [FIRST, *HEAD], constants(n=60), ("n", 2, "h", "w"), "c1"))
    with pytest.raises(UserError, match=r"reads a map of the shape 1x2x\?x\?, and rows, columns"):
        front_of(model, "c1")


def test_the_advice_on_open_sizes_makes_a_model_that_is_converted(tmp_path):
    pytest.importorskip("onnxruntime")
    chain, more = CHAINS["relu"]
    write(tmp_path / "m.onnx", [*chain, *HEAD], constants(**more), ("n", 2, "rows", 5))
    with pytest.raises(UserError) as refused:
        front_of(read_model(tmp_path / "m.onnx"), "last")
    command = str(refused.value).split("fix them with python ")[1].split(", and give")[0]
    assert "--input_name in --input_shape 1,2,SIZE,5 " in command
    arguments = [*shlex.split(command.replace("SIZE", "7"))[:-1], str(tmp_path / "fixed.onnx")]
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    front = front_of(read_model(tmp_path / "fixed.onnx"), "last")
    assert [layer.geometry.text for layer in front.layers] == ["7x5x2: conv4x3x2s2x1"]
