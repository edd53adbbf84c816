"""`edgelearn model`: what it prints, what it writes, and its errors."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.runner import QUICK, edgelearn, in_process
from tests.unit.pretrained.onnx_models import floats, node, write
from tests.unit.pretrained.test_runtime import quantised
from tests.unit.pretrained.tflite_models import integer_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with models and data."""
    folder = tmp_path_factory.mktemp("models")
    constants = floats(0, k=(4, 2, 3, 3), w=(3, 12), b=(3,))
    nodes = [
        node("Conv", "in k", "conv", kernel_shape=[3, 3]),
        node("MaxPool", "conv", "p", kernel_shape=[2, 4], strides=[2, 4]),
        node("Flatten", "p", "f"),
        node("Gemm", "f w b", "out", transB=1),
    ]
    write(folder / "cnn.onnx", nodes, constants, ("n", 2, 8, 6))
    quantised(folder / "q.onnx")
    integer_model(folder / "int.tflite", True)
    rng = np.random.default_rng(0)
    np.savez(
        folder / "d.npz",
        x=rng.normal(size=(30, 6)),
        y=np.arange(30) % 3,
        subject=np.repeat(["a", "b", "c"], 10),
        rate=50,
    )
    lines = [
        ",".join(f"{value:.3f}" for value in row) + f",class{k % 2}" for k, row in enumerate(rng.normal(size=(20, 6)))
    ]
    (folder / "d.csv").write_text("a,b,c,d,e,f,label\n" + "\n".join(lines) + "\n")
    return folder


def test_show_lists_cuts_layers_prices_and_reasons(place):
    done = edgelearn("model", "show", "cnn.onnx", "--details", cwd=place)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert "cnn.onnx: ONNX, opset 17" in text
    assert "1,764 MACs per inference; 111 weights and biases" in text  # 24 x 4 x 18 + 36, 72 + 39
    assert "'in': behind it, /conv (Conv): it is not read behind a cut" in text
    assert 'onnx.utils.extract_model("cnn.onnx", "front.onnx", ["in"], ["p"])' in text
    content = json.loads(edgelearn("model", "show", "cnn.onnx", "--json", cwd=place).stdout)
    assert content["cut"] == "p"
    by_name = {tensor["name"]: tensor for tensor in content["tensors"]}
    assert by_name["p"]["net"] == [12, 3]
    assert by_name["p"]["front_end"] == {"macs": 1728, "weight_words": 72, "activation_words": 108, "uncounted": []}
    assert not by_name["in"]["can_be_cut"]


def test_show_says_what_a_conversion_makes_and_refuses(tmp_path):
    pytest.importorskip("onnx")
    constants = floats(1, k=(2, 2, 3, 3), w=(3, 12))

    def written(*middle):
        nodes = [
            node("Conv", "in k", "c"),
            *middle,
            node("Flatten", "m", "f"),
            node("Gemm", "f w", "out", transB=1),
        ]
        write(tmp_path / "m.onnx", nodes, constants, ("n", 2, 5, 4))
        content = json.loads(in_process(("model", "show", "m.onnx", "--json"), tmp_path).stdout)["convert"]
        return content, in_process(("model", "show", "m.onnx"), tmp_path).stdout

    content, text = written(node("Relu", "c", "m"))
    assert (content["tensor"], content["layers"], content["refused"]) == ("m", ["5x4x2: conv2x3x3"], [])
    assert content["reason"] is None
    assert "--convert up to 'm': 1 frozen layer\n  5x4x2: conv2x3x3" in text
    content, text = written(
        node("Abs", "c", "a"),
        node("Abs", "a", "b"),
        node("Add", "b c", "m"),
    )
    assert [(row["operator"], row["kind"]) for row in content["refused"]] == [
        ("/a", "Abs"),
        ("/b", "Abs"),
        ("/m", "Add"),
    ]
    assert "--convert up to 'm' is refused\n  /a (Abs) and 1 more: such operators are not converted" in text
    content, text = written(node("MaxPool", "c", "p", kernel_shape=[1, 1]), node("Softmax", "p", "m"))
    assert content["refused"][0]["reason"] == "softmax is no function of a single value that is known here"
    content, text = written(node("Relu", "c", "r"), node("Tanh", "r", "m"))
    assert content["reason"] == "/m (Tanh) does not follow a layer with weights"
    assert content["layers"] == []


def test_show_of_integers(place):
    content = json.loads(edgelearn("model", "show", "int.tflite", "--json", cwd=place).stdout)
    first = content["tensors"][0]
    assert (first["name"], first["index"], first["dtype"], first["zero_point"]) == ("in", "0", "int8", -128)
    assert [layer["integer"] for layer in first["layers"]] == [True, True]
    assert "integers with scales" in edgelearn("model", "show", "int.tflite", cwd=place).stdout


def test_show_of_a_results_folder(place):
    assert edgelearn("run", *QUICK, "--out", "own", cwd=place).returncode == 0
    content = json.loads(edgelearn("model", "show", "own", "--json", cwd=place).stdout)
    assert content["tensors"][0]["net"] == [64, 16, 10]
    assert [layer["activation"] for layer in content["tensors"][0]["layers"]] == ["tanh", "sigmoid"]
    assert (content["macs"], content["classes"]) == (64 * 16 + 160, [str(k) for k in range(10)])
    done = edgelearn("model", "show", "own", "--net", "64-16-10", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")


def test_features_keep_integers_labels_and_subjects(place):
    pytest.importorskip("onnxruntime")
    done = edgelearn("model", "features", "q.onnx", "--cut", "q", "--data", "d.npz", "--out", "f.npz", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "30 rows of 6 features: 'q', int8, scale 0.05, zero point -128" in done.stdout
    made, data = np.load(place / "f.npz"), np.load(place / "d.npz")
    assert made["x"].dtype == np.int8
    expected = np.clip(np.rint(np.maximum(data["x"].astype(np.float32), 0) / np.float32(0.05)) - 128, -128, 127)
    np.testing.assert_array_equal(made["x"], expected)
    for key in ("y", "subject", "rate"):
        np.testing.assert_array_equal(made[key], data[key])
    assert (str(made["x_tensor"]), float(made["x_scale"]), int(made["x_zero_point"])) == (
        "q",
        pytest.approx(0.05),
        -128,
    )
    assert len(str(made["x_source"])) == 64


def test_real_numbers_for_an_integer_input_are_noted(place):
    pytest.importorskip("ai_edge_litert")
    np.savez(place / "real.npz", x=np.array([[0.05 * k for k in range(8)], [100.0] * 8]))
    flags = ("--cut", "1", "--data", "real.npz", "--out", "i.npz")
    done = edgelearn("model", "features", "int.tflite", *flags, cwd=place)
    assert (done.returncode, "tensor '1' is not in int.tflite" in done.stderr) == (2, True)
    done = edgelearn("model", "features", "int.tflite", "--cut", "h", *flags[2:], cwd=place)
    assert done.returncode == 0, done.stderr
    assert "values are quantised for the input 'in' (int8, scale 0.05, zero point -128); 50 % lie beyond" in done.stdout
    assert np.load(place / "i.npz")["x"].dtype == np.int8


def test_features_of_a_table_with_a_limit_and_a_factor(place):
    pytest.importorskip("onnxruntime")
    flags = ("--cut", "r", "--data", "d.csv", "--out", "t.npz", "--limit", "12", "--factor", "2")
    done = edgelearn("model", "features", "q.onnx", *flags, cwd=place)
    assert done.returncode == 0, done.stderr
    made = np.load(place / "t.npz")
    table = np.loadtxt(place / "d.csv", delimiter=",", skiprows=1, usecols=range(6))[:12]
    np.testing.assert_allclose(made["x"], np.maximum(2 * table, 0), rtol=1e-5)
    assert made["y"].tolist() == ["class0", "class1"] * 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "missing.onnx"), "missing.onnx does not exist"),
        (("show", "."), ". is a folder without a finished run; give a model file, or a results folder"),
        (("show", "d.csv"), "its suffix is none of .onnx"),
        (("show", "cnn.onnx", "--net", "x"), "net 'x'"),
        (("features", "q.onnx", "--cut", "qq", "--data", "d.npz", "--out", "e.npz"), "tensor 'qq' is not in q.onnx"),
        (("features", "q.onnx", "--cut", "q", "--data", "d.npz"), "give --cut TENSOR --data FILE --out FILE.npz"),
        (("features", "q.onnx", "--cut", "q", "--data", "d.npz", "--out", "e.csv"), "features are written as .npz"),
        (("features", "q.onnx", "--cut", "q", "--data", "d.npz", "--out", "no/e.npz"), "there is no folder no"),
        (("features", "q.onnx", "--cut", "q", "--data", "none.npz", "--out", "e.npz"), "none.npz is not a file"),
        (("features", "cnn.onnx", "--cut", "p", "--data", "d.npz", "--out", "e.npz"), "takes 96 values per row"),
        (("features", "q.onnx", "--cut", "q", "--data", "d.npz", "--out", "e.npz", "--limit", "0"), "--limit 0"),
        (("features", "q.onnx", "--cut", "q", "--data", "f2.npz", "--out", "e.npz"), "has an array 'x_scale'"),
        (("features", "q.onnx", "--cut", "q", "--data", "nan.npz", "--out", "e.npz"), "of row 2 is not finite"),
        (("features", "q.onnx", "--cut", "q", "--data", "odd.npz", "--out", "e.npz"), "has 3 rows and 'y' 2"),
        (("features", "q.onnx", "--cut", "q", "--data", "empty.npz", "--out", "e.npz"), "holds no array x, only z"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(place, arguments, message):
    pytest.importorskip("onnxruntime")
    x = np.zeros((3, 6))
    np.savez(place / "f2.npz", x=x, x_scale=1.0)
    np.savez(place / "nan.npz", x=np.where(np.arange(3)[:, None] == 1, np.nan, x))
    np.savez(place / "odd.npz", x=x, y=np.zeros(2))
    np.savez(place / "empty.npz", z=x)
    done = edgelearn("model", *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (place / "e.npz").exists()


SPOKEN = Path(__file__).parents[2] / "experiments/results/spoken_digits"


def next_step(shown: str, data: str) -> list[str]:
    """Return the arguments of the first command that is printed as the next one."""
    line = re.search(r"^next: (?:--details \| )?edgelearn (.*)$", shown, re.M)
    assert line, shown
    return [data if word == "FILE" else word for word in shlex.split(line[1])]


def test_every_next_step_runs(place, tmp_path):
    """Of the tensors that can be read, the first and those listed are ones that learning starts from."""
    numpy_files = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(0)
    numpy_files.save_file(
        {f"{name}.{part}": rng.normal(size=shape).astype(np.float32)
         for name, n_in, n_out in (("a", 6, 5), ("b", 5, 3)) for part, shape in (("weight", (n_out, n_in)), ("bias", n_out))},
        str(tmp_path / "my weights.safetensors"),
    )  # fmt: skip
    for name in ("theo.onnx", "theo.npz"):
        shutil.copy(SPOKEN / name, tmp_path)
    shutil.copy(place / "cnn.onnx", tmp_path)
    np.savez(tmp_path / "p.npz", x=np.abs(rng.normal(size=(30, 12))).astype(np.float32), y=np.arange(30) % 3)
    np.savez(tmp_path / "six.npz", x=rng.normal(size=(30, 6)).astype(np.float32), y=np.arange(30) % 3)
    shown = {}
    for source, data, more in (
        ("theo.onnx", "theo.npz", ()),
        ("cnn.onnx", "p.npz", ()),
        ("my weights.safetensors", "six.npz", ("--net", "6-5-3")),
        ("r", "theo.npz", ()),
        ("s", "six.npz", ()),
    ):
        if source == "s":
            done = in_process(("stream", "six.npz", "--sample-rate", "1 Hz", "--out", "s"), tmp_path)
            assert done.returncode == 0, done.stderr
        done = in_process(("model", "show", source, *more), tmp_path)
        assert done.returncode == 0, done.stderr
        shown[source] = done.stdout
        arguments = next_step(done.stdout, data)
        more = ("--epochs", "1", "--limit", "60") if arguments[0] == "run" else ("--sample-rate", "1 Hz")
        out = "r" if source == "theo.onnx" else f"out-{source[0]}"
        done = in_process((*arguments, *more, "--out", out), tmp_path)
        assert done.returncode == 0, (arguments, done.stderr)
    assert "--cut 'features'" in shown["theo.onnx"]
    assert "'tanh' behind 'relu', which words cannot have" in shown["theo.onnx"]
    assert "cut at" not in shown["r"]
    content = json.loads(in_process(("model", "show", "theo.onnx", "--json"), tmp_path).stdout)
    for tensor in content["tensors"]:
        arguments = ("run", "--start", "theo.onnx", "--cut", tensor["name"], "--data", "theo.npz", "--epochs", "1")
        done = in_process(arguments, tmp_path)
        refused = "words cannot have" in done.stderr or "cannot be cut" in done.stderr
        assert refused != tensor["can_be_cut"], (tensor["name"], done.stderr)


def test_the_default_cut_is_one_that_words_can_have(tmp_path):
    from edgelearn.estimators import EdgeClassifier
    from edgelearn.runs.start import imported_of

    assert imported_of(str(SPOKEN / "theo.onnx")).input.name == "features"
    with np.load(SPOKEN / "theo.npz") as arrays:
        model = EdgeClassifier.from_pretrained(SPOKEN / "theo.onnx", X=arrays["x"])
        assert np.mean(model.predict(arrays["x"]) == arrays["y"]) > 0.8


@pytest.mark.parametrize("tensor", ["p", "conv"])
def test_the_next_step_of_features_runs(place, tmp_path, tensor):
    pytest.importorskip("onnxruntime")
    shutil.copy(place / "cnn.onnx", tmp_path)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "in.npz", x=rng.normal(size=(30, 96)).astype(np.float32), y=np.arange(30) % 3)
    wanted = ("--cut", tensor, "--data", "in.npz", "--out", "f.npz")
    done = in_process(("model", "features", "cnn.onnx", *wanted), tmp_path)
    assert done.returncode == 0, done.stderr
    arguments = next_step(done.stdout, "")
    assert ("--start" in arguments) == (tensor == "p")
    done = in_process((*arguments, "--epochs", "1"), tmp_path)
    assert done.returncode == 0, (arguments, done.stderr)
