"""Weights without a graph: the dense layers that --net names."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgelearn.errors import UserError
from edgelearn.pretrained import FrontEnd, read_model
from tests.unit.pretrained.keras_models import arrays


def write(path, **more):
    """Write a small net whose names do not sort into the order of its layers, and return path and arrays."""
    shapes = {"conv.weight": (4, 1, 3, 3), "conv.bias": (4,), "fc.2.weight": (8, 16), "fc.2.bias": (8,)}
    shapes |= {"fc.10.weight": (8, 8), "fc.10.bias": (8,), "head.weight": (3, 8), "head.bias": (3,)} | more
    named = dict(zip(shapes, arrays(0, *shapes.values()), strict=True))
    save_file(named, path)
    return path, named


def test_layers_are_found_by_shape_in_natural_order(tmp_path):
    path, named = write(tmp_path / "w.safetensors")
    imported = read_model(path, (16, 8, 8, 3)).cut()
    assert [layer.name for layer in imported.layers] == ["fc.2", "fc.10", "head"]
    np.testing.assert_array_equal(imported.layers[1].weights, named["fc.10.weight"])
    np.testing.assert_array_equal(imported.layers[2].biases, named["head.bias"])
    assert [layer.activation for layer in imported.layers] == [None] * 3
    assert imported.front_end == FrontEnd(0, 40, 0, ("in front (weights)",))
    assert "activations are not in the file" in imported.notes[0]
    assert read_model(path, (8, 3)).cut().front_end.weight_words == 40 + 16 * 8 + 8 + 8 * 8 + 8


@pytest.mark.parametrize(
    ("net", "more", "message"),
    [
        (None, {}, r"without a graph; name the dense layers at its end, for example --net 16-8-8-3"),
        ((16, 7, 3), {}, r"net '16-7-3' does not fit .* it needs 7x16, 3x7, and the file has fc.2.weight 8x16"),
        ((8, 16), {}, r"\[n_in, n_out\]: transpose them"),
        ((16, 8, 8, 3), {"bn.weight": (8,)}, r"'bn.weight' of 8 values acts between .*; export the model to .onnx"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, net, more, message):
    path, _ = write(tmp_path / "w.safetensors", **more)
    with pytest.raises(UserError, match=message):
        read_model(path, net)


def test_layers_without_biases_get_zeros_and_a_note(tmp_path):
    save_file({"a.weight": np.ones((3, 4), np.float32)}, tmp_path / "w.safetensors")
    imported = read_model(tmp_path / "w.safetensors", (4, 3)).cut()
    assert not imported.layers[0].biases.any()
    assert any("a.weight has no biases" in note for note in imported.notes)


def test_state_dicts_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    torch.save({"epoch": 1, "state_dict": net.state_dict()}, tmp_path / "w.pt")
    imported = read_model(tmp_path / "w.pt", (6, 5, 3)).cut()
    np.testing.assert_allclose(imported.layers[1].weights, net[2].weight.detach().numpy())
    torch.save(net, tmp_path / "whole.pt")
    with pytest.raises(UserError, match="holds more than weights"):
        read_model(tmp_path / "whole.pt", (6, 5, 3))
    between = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 3))
    torch.save(between.state_dict(), tmp_path / "bn.pt")
    with pytest.raises(UserError, match=r"'1.weight' of 5 values acts between"):
        read_model(tmp_path / "bn.pt", (6, 5, 3))
