"""Keras files: layers in the order of the configuration, whatever the names of groups sort to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.pretrained import FrontEnd, read_model
from tests.unit.pretrained.keras_models import (
    arrays,
    dense,
    functional,
    inputs,
    layer,
    sequential,
    write_archive,
    write_legacy,
)
from tests.unit.pretrained.onnx_models import forward

SIZES = (6, *[5] * 11, 3)  # dense, dense_1, dense_10, dense_11, dense_2 ... in the file


def chain():
    """Return configuration, arrays by layer and the expected function of a chain with names that fall."""
    names = [f"layer_{chr(ord('z') - k)}" for k in range(len(SIZES) - 1)]
    weights = {name: arrays(k, (SIZES[k], SIZES[k + 1]), (SIZES[k + 1],)) for k, name in enumerate(names)}
    layers = [dense(name, size, "tanh") for name, size in zip(names, SIZES[1:], strict=True)]
    layers[-1]["config"]["activation"] = "softmax"
    return names, sequential(inputs((6,)), *layers, layer("Dropout", "dropout", rate=0.5)), weights


def computed(weights, x):
    for k, (kernel, bias) in enumerate(weights.values()):
        z = x @ kernel.astype(float) + bias
        x = np.tanh(z) if k < len(weights) - 1 else np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return x


@pytest.mark.parametrize("names", [True, False], ids=["names in the file", "places alone"])
def test_layers_come_in_the_order_of_the_configuration(tmp_path, names):
    called, config, weights = chain()
    places = ["dense" if k == 0 else f"dense_{k}" for k in range(len(called))]
    groups = {place: (name, weights[name]) for place, name in sorted(zip(places, called, strict=True))}
    imported = read_model(write_archive(tmp_path / "m.keras", config, groups, names)).cut()
    assert [one.name for one in imported.layers] == called
    assert imported.sizes == SIZES
    x = arrays(99, (4, 6))[0]
    np.testing.assert_allclose(forward(imported, x), computed(weights, x), rtol=1e-5)


def test_hdf5_models_of_the_old_form(tmp_path):
    called, config, weights = chain()
    described = config["config"]["layers"]
    first = described[0]["config"]
    first["batch_input_shape"] = first.pop("batch_shape")
    for before, after in pairwise(described):
        after["inbound_nodes"] = [[[before["name"], 0, 0, {}]]]
    ends = {"input_layers": [["input_layer", 0, 0]], "output_layers": [["dropout", 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "model", "layers": described} | ends}
    layers = {name: {"kernel:0": weights[name][0], "bias:0": weights[name][1]} for name in sorted(called)}
    imported = read_model(write_legacy(tmp_path / "m.h5", config, layers)).cut()
    x = arrays(99, (4, 6))[0]
    np.testing.assert_allclose(forward(imported, x), computed(weights, x), rtol=1e-5)


def test_convolutions_are_counted_and_flatten_is_channels_last(tmp_path):
    conv, norm, rest = (
        arrays(0, (3, 3, 2, 4), (4,)),
        arrays(1, (4,), (4,), (4,)),
        arrays(2, (24, 5), (5,), (5, 3), (3,)),
    )
    norm.append(np.linspace(0.5, 1.5, 4).astype(np.float32))
    layers = [
        inputs((8, 6, 2)),
        layer("Rescaling", "scale", scale=0.5, offset=0.0),
        layer("Conv2D", "conv", filters=4, kernel_size=[3, 3], strides=[1, 1], padding="valid", dilation_rate=[1, 1]),
        layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], padding="valid"),
        layer("BatchNormalization", "norm", axis=-1, epsilon=1e-3, scale=True, center=True),
        layer("Flatten", "flat", data_format="channels_last"),
        dense("hidden", 5),
        layer("ReLU", "relu", max_value=None, negative_slope=0.0, threshold=0.0),
        dense("out", 3),
        layer("Softmax", "softmax", axis=-1),
    ]
    names = [one["name"] for one in layers]
    connections = {after: [before] for before, after in pairwise(names)}
    groups = {
        "conv2d": ("conv", conv),
        "batch_normalization": ("norm", norm),
        "dense": ("hidden", rest[:2]),
        "dense_1": ("out", rest[2:]),
    }
    model = read_model(write_archive(tmp_path / "m.keras", functional(layers, connections, "softmax"), groups))
    imported = model.cut()
    assert (imported.input.name, imported.input.shape) == ("pool", (None, 3, 2, 4))
    assert imported.front_end == FrontEnd(24 * 4 * 18, 3 * 3 * 2 * 4 + 4, 8 * 6 * 2 + 24 * 4 + 24)
    x = arrays(3, (5, 3, 2, 4))[0].astype(float)
    gamma, beta, mean, variance = norm
    z = ((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta).reshape(5, 24) @ rest[0] + rest[1]
    z = np.maximum(z, 0) @ rest[2] + rest[3]
    np.testing.assert_allclose(forward(imported, x), np.exp(z) / np.exp(z).sum(1, keepdims=True), rtol=1e-5)


def test_models_inside_models_branches_and_recurrent_layers(tmp_path):
    parts = arrays(0, (6, 5), (5,), (5, 3), (3,))
    inner = sequential(inputs((6,), "inner_input"), dense("hidden", 5, "relu"))
    inner |= {"name": "back"}
    inner["config"]["name"] = "back"
    groups = {"sequential/dense": ("hidden", parts[:2]), "dense": ("out", parts[2:])}
    model = read_model(write_archive(tmp_path / "m.keras", sequential(inputs((6,)), inner, dense("out", 3)), groups))
    assert model.cut().sizes == (6, 5, 3)
    layers = [inputs((20, 3)), layer("GRU", "gru", units=5), dense("out", 3), dense("side", 3), layer("Add", "add")]
    cell = arrays(1, (3, 15), (5, 15), (2, 15))
    groups = {"gru/cell": ("gru_cell", cell), "dense": ("out", parts[2:]), "dense_1": ("side", parts[2:])}
    connections = {"gru": ["input_layer"], "out": ["gru"], "side": ["gru"], "add": ["out", "side"]}
    model = read_model(write_archive(tmp_path / "n.keras", functional(layers, connections, "add"), groups))
    assert model.operators[0].macs == 20 * (3 * 15 + 5 * 15)
    with pytest.raises(UserError, match=r"'gru' is read by several operators: out \(Dense\), side \(Dense\)"):
        model.cut("gru")


def test_refusals(tmp_path):
    parts = arrays(0, (6, 5), (5,))
    one = {"dense": ("d", parts)}
    config = sequential(inputs((6,)), dense("d", 5, "gelu"))
    with pytest.raises(UserError, match=r"d \(Dense\): gelu is no activation of learning layers"):
        read_model(write_archive(tmp_path / "a.keras", config, one)).cut("input_layer")
    config = sequential(inputs((6,)), dense("d", 4))
    with pytest.raises(UserError, match="shapes do not fit: a kernel of 6x5 for 4 units"):
        read_model(write_archive(tmp_path / "b.keras", config, one)).cut("input_layer")
    config = sequential(inputs((6,)), dense("d", 5))
    with pytest.raises(UserError, match="its weights are none, not a kernel of floats and a bias"):
        read_model(write_archive(tmp_path / "c.keras", config, {})).cut("input_layer")
    quantised = {"dense": ("d", [(10 * parts[0]).astype(np.int8), parts[1]])}
    with pytest.raises(UserError, match=r"its weights are int8\[6, 5\], float32\[5\]"):
        read_model(write_archive(tmp_path / "d.keras", config, quantised)).cut("input_layer")
    with pytest.raises(UserError, match="neither sequential nor functional but a Mine"):
        read_model(write_archive(tmp_path / "e.keras", {"class_name": "Mine", "config": {}}, {}))
