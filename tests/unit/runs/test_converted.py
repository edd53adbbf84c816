"""Runs and streams behind a converted front end."""

from dataclasses import replace

import numpy as np
import pytest

from edgelearn import EdgeClassifier
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.data import datasets
from edgelearn.errors import UserError
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.dataset import DatasetWork
from edgelearn.runs.prediction import predict
from edgelearn.runs.registry import run
from edgelearn.runs.stream import run as run_stream


def write_cnn(path, seed=3):
    """Write conv 6x3x3, relu, max pool, flatten and a dense layer, fitted to the digits by ridge regression."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(seed)
    data = datasets.open_dataset("digits")
    x = np.pad((data.train_x / 16).reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    kernels = rng.normal(0, 0.5, (6, 1, 3, 3)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    maps = np.maximum(np.einsum("nyxij,mij->nmyx", windows, kernels[:, 0]), 0)
    features = maps.reshape(-1, 6, 4, 2, 4, 2).max(axis=(3, 5)).reshape(len(x), -1)
    inputs, targets = np.hstack([features, np.ones((len(x), 1))]), 6 * np.eye(10)[data.train_y] - 3
    solved = np.linalg.solve(inputs.T @ inputs + 3 * np.eye(97), inputs.T @ targets)
    constants = {"k": kernels, "w": solved[:-1].T.astype(np.float32), "b": solved[-1].astype(np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["out"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "cnn", [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [None, 1, 8, 8])],
        [helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [None, 10])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return str(path)


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    return write_cnn(tmp_path_factory.mktemp("cnn") / "cnn.onnx")


def config_of(cnn, files, **settings) -> RunConfig:
    given = {"data": files["data"], "start": cnn, "convert": True, "epochs": 1, "rule": "shallow"}
    return validated(RunConfig, given | settings)


def test_a_run_computes_features_in_whole_numbers(cnn, files, tmp_path):
    config = config_of(cnn, files, calibrate=50)
    content = run(config, tmp_path / "out").content
    accuracy = content["start"]["accuracy_percent"]
    assert accuracy["model"] > 80
    assert abs(accuracy["levels"] - accuracy["model"]) < 3
    assert abs(accuracy["words"] - accuracy["levels"]) < 3
    assert content["network"]["sizes"] == [96, 10]
    assert content["start"]["frozen_layers"] == [
        {"layer": "8x8x1: conv6x3x3", "macs": 3456, "products": content["start"]["frozen_layers"][0]["products"]}
    ]
    assert 0.2 * 3456 < content["start"]["frozen_layers"][0]["products"] < 0.8 * 3456
    assert content["start"]["frozen_bits"] == 6 * (9 * 8 + 40) + 2048
    assert "1 layers in front of the cut are computed in whole numbers, with scales from 50 samples" in content["notes"]
    work = DatasetWork(config)
    assert isinstance(work.start.front_end, ConvertedFrontEnd)
    assert not work.spec.signed_inputs
    assert work.spec.input_bits == 7
    again = predict(tmp_path / "out", files["data"])
    x = np.load(files["data"])["x"]
    finished = DatasetWork(config)
    for chunk in finished.chunks():
        finished.advance(chunk)
    expected = finished.learner.predict(work.start.front_end.encode(x.astype(np.float64)))
    np.testing.assert_array_equal(again.predictions, expected)


def test_a_run_and_a_stream_go_on_with_the_frozen_layers(cnn, files, tmp_path):
    run(config_of(cnn, files), tmp_path / "first")
    first = DatasetWork(config_of(cnn, files))
    config = validated(RunConfig, {"data": files["data"], "start": str(tmp_path / "first"), "epochs": 1})
    work = DatasetWork(config)
    for name, array in first.start.front_end.save().items():
        np.testing.assert_array_equal(work.start.front_end.save()[name], array)
    np.testing.assert_array_equal(work.encoded.levels, first.encoded.levels)
    run(config, tmp_path / "second")
    assert predict(tmp_path / "second", files["data"]).accuracy_percent > 80
    given = {"data": files["data"], "start": cnn, "convert": True, "rule": "shallow"}
    content = run_stream(validated(StreamConfig, given), tmp_path / "stream").content
    assert content["accuracy_percent"] > 75
    assert content["front_end"]["encoder"] == "converted"
    assert predict(tmp_path / "stream", files["data"]).accuracy_percent > 75


def test_samples_of_another_shape_are_refused(cnn, files, tmp_path):
    data = np.load(files["data"])
    for shape, fits in (((8, 8), True), ((1, 8, 8), True), ((4, 16), False), ((64,), True)):
        np.savez(tmp_path / "x.npz", x=data["x"].reshape(-1, *shape), y=data["y"])
        config = config_of(cnn, files, data=str(tmp_path / "x.npz"))
        if fits:
            DatasetWork(config)
        else:
            with pytest.raises(
                UserError, match=r"samples of .* are 4x16x1, and .*cnn.onnx takes 8x8x1; give that shape"
            ):
                DatasetWork(config)


def test_a_classifier_goes_on_with_the_frozen_layers(cnn, files, tmp_path):
    run(config_of(cnn, files), tmp_path / "out")
    model = EdgeClassifier.load(tmp_path / "out")
    data = np.load(files["data"])
    assert (model.predict(data["x"]) == data["y"]).mean() > 0.8
    model.partial_fit(data["x"][:20], data["y"][:20])
    model.save(tmp_path / "model.npz")
    again = EdgeClassifier.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict(data["x"]), model.predict(data["x"]))


def test_other_frozen_words_are_another_start(cnn, files, tmp_path):
    first, same = (DatasetWork(config_of(cnn, files)).start.digest for _ in range(2))
    other = DatasetWork(config_of(write_cnn(tmp_path / "cnn.onnx", 4), files)).start
    words = DatasetWork(config_of(cnn, files)).start.words
    assert first == same
    assert replace(other, words=words).digest != first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cut": "image"}, r"cannot be cut at 'image'"),
        ({"convert": False, "calibrate": 7}, "--calibrate has no effect without --convert"),
        ({"start": None}, "--convert is of a network to start from; give --start too"),
        ({"data": "features.npz"}, r"have 3 values per row, and the input 'image' of .* takes 64; give inputs of the"),
    ],
)
def test_refusals(cnn, files, tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    np.savez("features.npz", x=np.ones((20, 3)), y=np.arange(20) % 10)
    with pytest.raises(UserError, match=message):
        DatasetWork(config_of(cnn, files, **settings))


def test_a_results_folder_is_not_converted(files, tmp_path):
    run(validated(RunConfig, {"data": files["data"], "start": files["model"], "epochs": 1}), tmp_path / "out")
    given = {"data": files["data"], "start": str(tmp_path / "out"), "convert": True}
    with pytest.raises(UserError, match="whose front end is taken as it is; leave --convert out"):
        DatasetWork(validated(RunConfig, given))
