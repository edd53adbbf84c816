"""Runs of networks with convolutions: topologies and data, reports, results folders, starts and predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgelearn.config import RunConfig, StreamConfig, read_toml, validated
from edgelearn.errors import UserError
from edgelearn.estimators import EdgeClassifier
from edgelearn.network.kernels.tables import CONVOLUTION_COUNTERS
from edgelearn.network.learner import Learner
from edgelearn.runs.dataset import DatasetWork, load_data, order_of
from edgelearn.runs.finished import costs_of_runs
from edgelearn.runs.levels import RangeFrontEnd
from edgelearn.runs.prediction import predict, restored
from edgelearn.runs.registry import run
from edgelearn.runs.shapes import check_kernels, notes_on_maps, topology_of
from edgelearn.runs.stored_model import model_of
from tests.cli.runner import in_process

NET = "8x8x1-conv4x3x3-pool2-10"


def config_of(**settings) -> RunConfig:
    return validated(RunConfig, {"data": "digits", "net": NET, "rule": "dfa", "epochs": 1, "limit": 150} | settings)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "run"
    return folder, run(config_of(net="conv4x3-pool2-10", kernel_rate=-7), folder)


@pytest.mark.kernel
def test_the_report_says_what_the_sizes_do_not(results):
    content = results[1].content
    network = content["network"]
    assert (network["topology"], network["sizes"]) == (NET, [64, 64, 10])
    assert network["layers"][0]["kernel"] == [3, 3, 1, 4]
    assert network["layers"][0]["rate_exponent"] == -7
    assert "kernel" not in network["layers"][1]
    assert content["layers"][0]["shape"] == "8x8x1 * 4x3x3 = 4x4x4"
    assert content["line_buffers"] == [{"layer": 1, "role": "line", "words": 19, "word_bits": 4, "bits": 76}]
    assert not content["learns_from_lines"]
    assert content["counters"]["learning"].keys() >= set(CONVOLUTION_COUNTERS)
    assert content["per_sample"]["words"]["winner"]["written"] > 0
    assert costs_of_runs([results[0]], "cortex-m4")[0].accuracy == content["accuracy_percent"]
    drtp = run(config_of(rule="drtp", limit=5)).content
    assert drtp["learns_from_lines"]


def test_reports_without_convolutions_have_no_new_key():
    content = json.loads(json.dumps(run(config_of(net=None, limit=5)).content))
    text = json.dumps(content)
    for word in ("topology", "line_buffers", "learns_from_lines", "winner", "accumulator_read", "kernel", "teach"):
        assert f'"{word}' not in text


@pytest.mark.kernel
def test_everything_to_predict_and_to_continue_is_in_the_results(results):
    folder, result = results
    learner, front_end, note = restored(folder)
    assert (learner.spec.net, note["topology"]) == (NET, NET)
    data = load_data(result.config if hasattr(result, "config") else config_of())
    right = learner.predict(front_end.encode(data.test_x)) == data.test_y
    assert round(100 * right.mean(), 4) == result.content["accuracy_percent"]
    assert predict(folder, "digits").accuracy_percent == result.content["accuracy_percent"]
    again = validated(RunConfig, read_toml(folder / "config.toml"))
    assert DatasetWork(again).spec == learner.spec


@pytest.mark.kernel
def test_a_restored_learner_continues_bit_by_bit():
    work = DatasetWork(config_of(rounding="stochastic", kernel_bias=True, kernel_rate=-5))
    x, y = work.encoded.levels, work.data.train_y
    whole, half = Learner(work.spec), Learner(work.spec)
    whole.learn(x, y)
    half.learn(x[:70], y[:70])
    other = Learner(work.spec)
    other.restore(half.save())
    other.learn(x[70:], y[70:])
    assert all(np.array_equal(a, b) for a, b in zip(other.save().values(), whole.save().values(), strict=True))
    assert whole.counters == other.counters
    assert whole.counters.table.shape == (2, 44)


@pytest.mark.kernel
def test_a_run_starts_from_the_words_of_another(results, tmp_path):
    folder = results[0]
    content = run(config_of(net=None, start=str(folder), learn="last", limit=20), tmp_path / "next").content
    assert content["start"]["accuracy_percent"]["words"] == results[1].content["accuracy_percent"]
    assert content["network"]["topology"] == NET
    before, after = (restored(one)[0].state for one in (folder, tmp_path / "next"))
    word = restored(folder)[0].spec.layers[0].word
    assert np.array_equal(before.weights(0) >> word.residual_bits, after.weights(0))  # frozen: view bits alone
    with pytest.raises(UserError, match=r"does not fit .*; leave --net out"):
        run(config_of(net="conv5x3-pool2-10", start=str(folder)))
    other = config_of(net=None, start=str(folder), kernels="frozen")
    assert not DatasetWork(other).spec.layers[0].learns


@pytest.mark.kernel
def test_a_model_of_the_results_has_a_convolution_with_its_products(results):
    first, second = model_of(results[0]).operators
    assert (first.macs, first.weight_words, first.activation_words) == (22 * 22 * 4, 36, 64)
    assert (second.macs, second.activation_words) == (640, 10)
    with pytest.raises(UserError, match="it is a convolution"):
        model_of(results[0]).cut("levels")


def test_colour_is_stored_by_channel_and_learned_with_channels_last():
    order = order_of(config_of(data="cifar10", net="conv4x3x3-10"))
    y, x, c = 5, 7, 2
    assert order[(y * 32 + x) * 3 + c] == c * 1024 + y * 32 + x
    assert order_of(config_of(data="cifar10", net="3072-10")) is None
    assert order_of(config_of()) is None
    front_end = RangeFrontEnd(3, 2, np.array([2, 0, 1]))
    front_end.high[:] = 4
    assert front_end.encode(np.array([[0, 1, 2]])).tolist() == [[2, 0, 1]]
    other = RangeFrontEnd(3, 2)
    other.restore(front_end.save())
    assert other.encode(np.array([[0, 1, 2]])).tolist() == [[2, 0, 1]]
    other.restore({"low": front_end.low, "high": front_end.high})
    assert other.encode(np.array([[0, 1, 2]])).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"net": "28x28x1-conv4x3x3-10"}, "takes 28x28x1, and digits is 8x8x1; try --net 8x8x1-conv4x3x3-10"),
        ({"net": "conv4x3-pool30-10"}, "does not fit: .* try --net 8x8x1-conv4x3x3-pool8-10"),
        ({"net": "conv4x3-pool2-7"}, "does not fit .* try --net 8x8x1-conv4x3x3-pool2-10"),
        ({"net": "64-20-10", "input_shape": "8x8x1"}, "--input-shape has no effect"),
        ({"net": None, "input_shape": "8x8x1"}, "--input-shape is of convolutions"),
        ({"input_shape": "8x8"}, "input shape '8x8' cannot be read"),
        (
            {"net": "conv4x3-10", "input_shape": "4x16x1"},
            "--input-shape is 4x16x1, and digits is 8x8x1; leave --input-shape out$",
        ),
        ({"input_shape": "4x16x1"}, "--input-shape is 4x16x1, and digits is 8x8x1; leave --input-shape out$"),
        (
            {"net": "16x4x1-conv4x3-10", "input_shape": "16x4x1"},
            "leave --input-shape out and try --net 8x8x1-conv4x3x3-10$",
        ),
        (
            {"net": "16x4x1-conv4x3-10", "input_shape": "8x8x1"},
            "'16x4x1-conv4x3x3-10' takes 16x4x1, and --input-shape is 8x8x1; try --net 8x8x1-conv4x3x3-10$",
        ),
        (
            {"net": "conv4x3-10", "teach": "positions"},
            "--teach positions has no effect on convolutions without pooling",
        ),
        ({"kernels": "frozen", "learn": "all+all"}, "learn 'all[+]all' trains layer 1, .* --kernels frozen does not"),
        ({"kernels": "frozen", "learn": "last2"}, "learn 'last2' trains layer 1"),
        ({"net": None, "kernels": "frozen"}, "--kernels frozen has no effect"),
        ({"feedback": "imported"}, "taken from the words that learning starts from"),
        ({"net": "conv4x3-10", "rule": "bp", "teach": "positions"}, "not possible under rule 'bp'"),
    ],
)
def test_nets_that_do_not_fit_are_refused_in_one_line(settings, message):
    with pytest.raises(UserError, match=message) as refused:
        DatasetWork(config_of(**settings))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernels": "learn", "learn": "last"}, "--kernels learn does not go with --learn last, under which layer 1"),
        ({"kernels": "learn", "rule": "shallow"}, "--kernels learn does not go with --rule shallow"),
        ({"kernels": "learn", "net": "64-9-10"}, "--kernels learn has no effect in a network without convolutions"),
        ({"kernels": "learn", "net": None}, "--kernels learn has no effect in a network without convolutions"),
        ({"learn": "last", "kernel_rate": -5}, "--kernel-rate -5 has no effect where no kernel learns"),
        ({"rule": "shallow", "kernel_rate": -5}, "--kernel-rate -5 has no effect where no kernel learns"),
        ({"net": "conv4x3-9-10", "rule": "shallow+dfa", "kernel_rate": -5}, "--kernel-rate -5 has no effect"),
        ({"kernels": "frozen", "kernel_bias": True}, "--kernel-bias has no effect where no kernel learns"),
        ({"learn": "last", "kernel_bias": True}, "--kernel-bias has no effect where no kernel learns"),
        ({"kernels": "learn"}, None),
        ({"kernel_rate": -5, "kernel_bias": True}, None),
        ({"net": "conv4x3-9-10", "rule": "dfa+shallow", "kernel_rate": -5}, None),
        ({"kernels": "frozen", "learn": "last"}, None),
    ],
)
def test_typed_kernels_that_other_settings_freeze_are_refused(settings, message):
    check_kernels(config_of(learn="last"), ["learn"])  # the default of a file is no contradiction
    if message is None:
        check_kernels(config_of(**settings), settings)
        return
    with pytest.raises(UserError, match=message):
        check_kernels(config_of(**settings), settings)


def test_what_windows_and_rates_have_no_effect_is_noted():
    def notes(**settings):
        config = config_of(**settings)
        return notes_on_maps(config, DatasetWork(config).spec)

    assert notes(kernel_rate=-7) == notes(hidden_rate=-7) == notes(net="conv4x3x3s2p2-10") == []
    assert notes(kernel_rate=-7, hidden_rate=-5, net="conv4x3-9-10") == []
    assert notes(kernel_rate=-7, hidden_rate=-5) == [
        "--hidden-rate -5 has no effect: every hidden layer is a convolution, which has --kernel-rate -7"
    ]
    assert notes(kernels="frozen", hidden_rate=-5) == ["--hidden-rate -5 has no effect: no hidden layer learns"]
    assert notes(learn="last", kernel_rate=-5, kernel_bias=True) == [
        "--kernel-bias has no effect where no kernel learns, as biases then stay zero",
        "--kernel-rate -5 has no effect where no kernel learns",
    ]
    assert notes(net="conv4x3s99-10") == [
        "the stride of 99 in layer 1 is larger than its map of 8 x 8: kernels are applied at one place alone"
    ]
    assert notes(net="conv4x3-conv4x3p3-10")[0].startswith("the padding of 3 in layer 2 is as large as its kernel")


def test_a_file_needs_the_shape_of_its_rows(tmp_path):
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "mine.npz", x=generator.integers(0, 9, (40, 24)), y=np.arange(40) % 2)
    config = config_of(data=str(tmp_path / "mine.npz"), net="conv2x3-pool2-2", limit=None)
    with pytest.raises(UserError, match="needs the shape of its inputs"):
        DatasetWork(config)
    with pytest.raises(UserError, match="24 features and 2 classes; try --net 1x24x1-conv2x"):
        DatasetWork(config.model_copy(update={"input_shape": "5x5x1"}))
    shaped = config.model_copy(update={"input_shape": "4x3x2"})
    assert str(topology_of(shaped, shaped.data)) == "4x3x2-conv2x3x3-pool2-2"
    assert DatasetWork(shaped).spec.sizes == (24, 4, 2)


def test_arrays_of_images_have_their_shape(tmp_path):
    def asked(x, **settings):
        np.savez(tmp_path / "own.npz", x=x, y=np.arange(len(x)) % 3)
        config = config_of(data=str(tmp_path / "own.npz"), limit=None, **settings)
        return str(topology_of(config, config.data))

    images = np.zeros((6, 12, 10, 2), np.uint8)
    assert asked(images, net="conv4x3-3") == asked(images, net="12x10x2-conv4x3-3") == "12x10x2-conv4x3x3-3"
    assert asked(images[..., 0], net="conv4x3-3") == "12x10x1-conv4x3x3-3"
    assert asked(images[..., 0], net="12x1x10-conv4x3x1p0-3") == "12x1x10-conv4x3x1p0-3"  # a window of ten channels
    with pytest.raises(UserError, match=r"takes 10x12x2, and .* is 12x10x2; try --net 12x10x2-conv4x3x3-3"):
        asked(images, net="10x12x2-conv4x3-3")
    with pytest.raises(UserError, match=r"is 2x12x10; try --net .*; channels are last: .* x\.transpose\(0, 2, 3, 1\)"):
        asked(images.transpose(0, 3, 1, 2), net="12x10x2-conv4x3-3")
    with pytest.raises(UserError, match=r"--input-shape is 10x12x2, and .* is 12x10x2"):
        asked(images, net="conv4x3-3", input_shape="10x12x2")
    with pytest.raises(UserError, match="needs the shape of its inputs"):
        asked(images.reshape(6, -1), net="conv4x3-3")


@pytest.mark.kernel
def test_a_stream_of_windows_is_convolved_in_time():
    settings = {"data": "drift", "limit": 60, "window": 4, "rule": "drtp", "net": "4x1x8-conv6x2x1p0-4"}
    content = run(validated(StreamConfig, settings)).content
    assert content["network"]["topology"] == "4x1x8-conv6x2x1p0-fc4".replace("fc4", "4")
    with pytest.raises(UserError, match="32 inputs behind the encoder"):
        run(validated(StreamConfig, settings | {"net": "4x1x2-conv6x2x1p0-4"}))


@pytest.mark.kernel
def test_the_classifier_takes_convolutions(results, tmp_path):
    data = load_data(config_of())
    x, y = data.train_x.astype(float), data.train_y
    with pytest.raises(UserError, match="has no effect where no kernel learns"):
        EdgeClassifier(net=NET, kernels="frozen", kernel_rate=-8).fit(x, y)
    model = EdgeClassifier(net=NET, rule="dfa", kernels="frozen", epochs=2).fit(x, y)
    assert model.score(x, y) > 0.5
    assert model.spec_.learn == "none+all"
    model.save(tmp_path / "model.npz")
    stored = EdgeClassifier.load(tmp_path / "model.npz")
    assert stored.get_params() == model.get_params()
    assert np.array_equal(stored.predict(x), model.predict(x))
    assert EdgeClassifier.from_run(results[0]).spec_.net == NET
    assert EdgeClassifier.from_pretrained(results[0], rule="dfa").get_params()["net"] == NET
    with pytest.raises(UserError, match=r"64 inputs .* and 10 outputs; give net='8x8x1-conv4x3x3-10'"):
        EdgeClassifier(net="7x7x1-conv4x3-10").fit(x, y)
    with pytest.raises(UserError, match="leave hidden out"):
        EdgeClassifier(net=NET, hidden=(3,)).fit(x, y)


def test_the_command_refuses_with_exit_code_2(tmp_path):
    done = in_process(["run", "--data", "digits", "--net", "conv4x3-pool30-10"], tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "try --net 8x8x1-conv4x3x3-pool8-10" in done.stderr
