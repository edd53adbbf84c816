"""ONNX models cut at a tensor: layers behind it compute what the reference implementation of ONNX computes."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.pretrained import FrontEnd, read_model
from tests.unit.pretrained.onnx_models import computed, floats, forward, node, write


def check(path, cut, x, output="out"):
    """Compare layers behind a cut with the reference; return the cut model."""
    imported = read_model(path).cut(cut)
    expected = computed(path, output, x)
    found = forward(imported, computed(path, imported.input.name, x) if imported.input.name != "in" else x)
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-5, atol=1e-5)
    return imported


def test_gemm_matmul_add_and_activations(tmp_path):
    constants = floats(0, w=(5, 6), b=(5,), v=(5, 4), c=(1, 4), u=(4, 3))
    nodes = [
        node("Gemm", "in w b", "z", transB=1, alpha=0.5, beta=2.0),
        node("Tanh", "z", "h"),
        node("Identity", "h", "i"),
        node("MatMul", "i v", "m"),
        node("Add", "c m", "a"),
        node("LeakyRelu", "a", "l", alpha=0.2),
        node("MatMul", "l u", "o"),
        node("Softmax", "o", "out"),
    ]
    path = write(tmp_path / "m.onnx", nodes, constants, ("n", 6))
    imported = check(path, None, floats(1, x=(7, 6))["x"])
    assert imported.sizes == (6, 5, 4, 3)
    assert [layer.activation for layer in imported.layers] == ["tanh", "leaky", "softmax"]
    assert [layer.output.name for layer in imported.layers] == ["i", "l", "out"]
    assert imported.front_end == FrontEnd()
    behind = check(path, "h", floats(1, x=(7, 6))["x"])
    assert behind.front_end == FrontEnd(macs=30, weight_words=35, activation_words=10)


def test_convolution_stays_in_front_and_is_counted(tmp_path):
    constants = floats(0, k=(4, 2, 3, 3), kb=(4,), w=(3, 4 * 3 * 2), b=(3,))
    nodes = [
        node("Conv", "in k kb", "conv", kernel_shape=[3, 3]),
        node("Relu", "conv", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f"),
        node("Gemm", "f w b", "out", transB=1),
    ]
    path = write(tmp_path / "m.onnx", nodes, constants, ("n", 2, 8, 6))
    x = floats(1, x=(3, 2, 8, 6))["x"]
    imported = check(path, "p", x)
    # Conv: 6 x 4 positions of 4 maps, 2 x 3 x 3 products each; written: conv and relu 96 each, pool 24
    assert imported.front_end == FrontEnd(6 * 4 * 4 * 18, 4 * 18 + 4, 96 + 96 + 24)
    assert read_model(path).cut().input.name == "p"
    with pytest.raises(UserError, match=r"cannot be cut at 'conv'.* \(Relu\).*; cut at 'p'"):
        read_model(path).cut("conv")
    with pytest.raises(UserError, match=r"cannot be cut at 'in': behind it, /conv \(Conv\): .*; cut at 'p'"):
        read_model(path).cut("in")


def test_channels_last_copy_in_front_of_a_flatten_is_a_permutation(tmp_path):
    constants = floats(0, w=(3, 24), b=(3,))
    nodes = [
        node("Relu", "in", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 3, 1]),
        node("Flatten", "t", "f"),
        node("Gemm", "f w b", "out", transB=1),
    ]
    path = write(tmp_path / "m.onnx", nodes, constants, ("n", 2, 3, 4))
    check(path, "r", floats(1, x=(5, 2, 3, 4))["x"])
    check(path, "t", floats(1, x=(5, 2, 3, 4))["x"])


def test_batch_normalisation_is_folded_in_front_of_and_behind_a_layer(tmp_path):
    constants = floats(0, w=(5, 6), b=(5,), v=(3, 5), c=(3,), g1=(6,), o1=(6,), m1=(6,), g2=(5,), o2=(5,), m2=(5,))
    constants |= {"v1": np.full(6, 0.7, np.float32), "v2": np.linspace(0.2, 2, 5).astype(np.float32)}
    nodes = [
        node("BatchNormalization", "in g1 o1 m1 v1", "n1", epsilon=1e-3),
        node("Gemm", "n1 w b", "z", transB=1),
        node("BatchNormalization", "z g2 o2 m2 v2", "n2"),
        node("Relu", "n2", "h"),
        node("Gemm", "h v c", "o", transB=1),
        node("Sigmoid", "o", "out"),
    ]
    path = write(tmp_path / "m.onnx", nodes, constants, ("n", 6))
    imported = check(path, "in", floats(1, x=(9, 6))["x"])
    assert [note.split(" is ")[0] for note in imported.notes] == [
        "/n1 (BatchNormalization)",
        "/n2 (BatchNormalization)",
    ]


def test_branches_joins_and_unknown_operators_are_refused_by_name(tmp_path):
    constants = floats(0, w=(6, 6), b=(6,))
    nodes = [
        node("Gemm", "in w b", "z", transB=1),
        node("Relu", "z", "h"),
        node("Add", "h in", "s"),
        node("Gemm", "s w b", "y", transB=1),
        node("Odd", "y", "q", domain="odd.domain"),
        node("Gemm", "q w b", "out", transB=1),
    ]
    path = write(tmp_path / "m.onnx", nodes, constants, ("n", 6))
    model = read_model(path)
    with pytest.raises(UserError, match=r"'in' is read by several operators: /z .Gemm., /s .Add."):
        model.cut("in")
    with pytest.raises(UserError, match=r"/s \(Add\): it joins two computed tensors"):
        model.cut("h")
    with pytest.raises(UserError, match=r"behind it, /q \(odd.domain.Odd\): it is not read"):
        model.cut("s")
    assert model.cut("q").front_end.uncounted == ("/q (odd.domain.Odd)",)
    with pytest.raises(UserError, match=r"tensor 'hh' is not in .*Did you mean 'h'\?"):
        model.cut("hh")


def test_models_of_scikit_learn_end_in_labels_and_maps(tmp_path):
    """Operators of ai.onnx.ml as skl2onnx writes them: Scaler, LinearClassifier, Normalizer, ZipMap."""
    rng = np.random.default_rng(0)
    coefficients, intercepts = rng.normal(size=(3, 6)), rng.normal(size=3)
    linear = {"coefficients": coefficients.reshape(-1).tolist(), "intercepts": intercepts.tolist()}
    labels = {"classlabels_strings": ["sit", "walk", "run"]}
    ml = {"domain": "ai.onnx.ml"}
    nodes = [
        node("Scaler", "in", "s", offset=[1.0] * 6, scale=[0.5] * 6, **ml),
        node("LinearClassifier", "s", "label p", post_transform="SOFTMAX", multi_class=1, **linear, **labels, **ml),
        node("Normalizer", "p", "out", norm="L1", **ml),
        node("ZipMap", "out", "map", **labels, **ml),
    ]
    path = write(tmp_path / "m.onnx", nodes, {}, ("n", 6))
    imported = read_model(path).cut()
    assert (imported.input.name, imported.sizes, imported.classes) == ("in", (6, 3), ("sit", "walk", "run"))
    x = rng.normal(size=(8, 6))
    z = ((x - 1) * 0.5) @ coefficients.T + intercepts
    np.testing.assert_allclose(forward(imported, x), np.exp(z) / np.exp(z).sum(1, keepdims=True), rtol=1e-5)
    assert "Normalizer" in imported.notes[-1]


def test_one_output_for_two_classes(tmp_path):
    constants = floats(0, w=(6, 4), v=(4, 1)) | {"one": np.ones(1, np.float32)}
    nodes = [
        node("MatMul", "in w", "z"),
        node("Relu", "z", "h"),
        node("MatMul", "h v", "y"),
        node("Sigmoid", "y", "p"),
        node("Sub", "one p", "q"),
        node("Concat", "q p", "out", axis=1),
        node("ArgMax", "out", "label", axis=1),
    ]
    imported = read_model(write(tmp_path / "m.onnx", nodes, constants, ("n", 6))).cut()
    assert (imported.sizes, imported.layers[-1].activation) == ((6, 4, 1), "sigmoid")


@pytest.mark.parametrize("shape", [("n", 7, 6), ("n", "t", 6), (-1, 7, 6)])
def test_a_matrix_at_many_positions_is_no_layer(tmp_path, shape):
    nodes = [node("Relu", "in", "r"), node("MatMul", "r w", "out")]
    model = read_model(write(tmp_path / "m.onnx", nodes, floats(0, w=(6, 3)), shape))
    with pytest.raises(UserError, match=r"/out \(MatMul\).*(7 positions|shape in front of it is open)"):
        model.cut("r")
    assert model.operators[1].macs == (None if "t" in shape else 7 * 18)
    assert model.tensor("in").shape == (1, *(None if size == "t" else size for size in shape[1:]))


def test_weights_in_a_file_beside_the_model(tmp_path):
    import onnx

    whole = onnx.load(write(tmp_path / "m.onnx", [node("MatMul", "in w", "out")], floats(0, w=(600, 3)), ("n", 600)))
    save = {"save_as_external_data": True, "location": "m.data", "size_threshold": 0}
    onnx.save(whole, str(tmp_path / "e.onnx"), **save)
    first, model = read_model(tmp_path / "m.onnx"), read_model(tmp_path / "e.onnx")
    np.testing.assert_array_equal(model.cut().layers[0].weights, first.cut().layers[0].weights)
    content = bytearray((tmp_path / "m.data").read_bytes())
    content[0] ^= 1
    (tmp_path / "m.data").write_bytes(bytes(content))
    assert read_model(tmp_path / "e.onnx").sha256 != model.sha256
    (tmp_path / "m.data").unlink()
    with pytest.raises(UserError, match=r"keeps its weights in m\.data, which is not beside it"):
        read_model(tmp_path / "e.onnx")


def test_positions_that_moved_into_the_batch(tmp_path):
    constants = floats(0, w=(6, 3)) | {"shape": np.array([-1, 6])}
    nodes = [node("Relu", "in", "r"), node("Reshape", "r shape", "rows"), node("MatMul", "rows w", "out")]
    model = read_model(write(tmp_path / "m.onnx", nodes, constants, ("n", 7, 6)))
    with pytest.raises(UserError, match="is applied at 7 positions of a sample"):
        model.cut("rows")
