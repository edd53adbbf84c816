"""Damaged files: whatever the bytes are, one line or a model, never a trace."""

from __future__ import annotations

import random

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgelearn.errors import UserError
from edgelearn.pretrained import read_model
from edgelearn.pretrained.facts import facts_of
from tests.unit.pretrained.keras_models import arrays, dense, inputs, sequential, write_archive, write_legacy
from tests.unit.pretrained.onnx_models import floats, node, write
from tests.unit.pretrained.tflite_models import float_model, integer_model

MANY = {"m.h5": 3}  # a process each
NETS = {".safetensors": (6, 5, 3)}


def onnx_file(path):
    nodes = [node("Gemm", "in w b", "z", transB=1), node("Relu", "z", "h"), node("Gemm", "h v c", "out", transB=1)]
    return write(path, nodes, floats(0, w=(5, 6), b=(5,), v=(3, 5), c=(3,)), ("n", 6))


def keras_parts():
    parts = arrays(0, (6, 5), (5,), (5, 3), (3,))
    return sequential(inputs((6,)), dense("a", 5, "relu"), dense("b", 3)), parts


def archive_file(path):
    config, parts = keras_parts()
    return write_archive(path, config, {"dense": ("a", parts[:2]), "dense_1": ("b", parts[2:])})


def legacy_file(path):
    config, parts = keras_parts()
    layers = {"a": {"kernel": parts[0], "bias": parts[1]}, "b": {"kernel": parts[2], "bias": parts[3]}}
    return write_legacy(path, config, layers)


def safetensors_file(path):
    named = dict(zip(("a.weight", "a.bias", "b.weight", "b.bias"), arrays(0, (5, 6), (5,), (3, 5), (3,)), strict=True))
    save_file(named, path)
    return path


FILES = {
    "m.onnx": onnx_file,
    "m.tflite": float_model,
    "n.tflite": lambda path: integer_model(path, True),
    "m.keras": archive_file,
    "m.h5": legacy_file,
    "m.safetensors": safetensors_file,
}


def attempt(path, content):
    """Read a file of some content and everything in it; return the message of a refusal."""
    path.write_bytes(content)
    try:
        facts_of(read_model(path, NETS.get(path.suffix)))
    except UserError as error:
        message = str(error)
        assert "\n" not in message
        assert str(path) in message
        return message
    return None


@pytest.mark.parametrize("name", FILES)
def test_truncated_files(tmp_path, name):
    whole = FILES[name](tmp_path / name).read_bytes()
    assert attempt(tmp_path / name, whole) is None
    cuts = np.unique(np.linspace(0, len(whole) - 1, MANY.get(name, 40)).astype(int))
    messages = [attempt(tmp_path / name, whole[:cut]) for cut in cuts]
    assert sum(message is not None for message in messages) > 0.6 * len(cuts)


@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes(tmp_path, name):
    whole, draw = FILES[name](tmp_path / name).read_bytes(), random.Random(0)
    for _ in range(MANY.get(name, 60)):
        content = bytearray(whole)
        for _ in range(draw.choice((1, 1, 4, 30))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        attempt(tmp_path / name, bytes(content))


@pytest.mark.parametrize("name", FILES)
def test_texts_with_the_suffix_of_a_model(tmp_path, name):
    for content in (b"", b"not a model\n" * 50, b"PK\x03\x04", b"\x00" * 64):
        assert attempt(tmp_path / name, content)


def test_missing_files_folders_and_other_suffixes(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_model(tmp_path / "m.onnx")
    (tmp_path / "d.onnx").mkdir()
    with pytest.raises(UserError, match="holds results of a run"):
        read_model(tmp_path / "d.onnx")
    with pytest.raises(UserError, match=r"its suffix is none of \.onnx"):
        read_model(tmp_path / "m.pb")
