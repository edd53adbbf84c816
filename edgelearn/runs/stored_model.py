"""The network of a results folder as a model, beside those of other tools."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.graded import CLASSIFY
from edgelearn.network.layer import ConvLayer
from edgelearn.pretrained import Model, Tensor
from edgelearn.pretrained.operators import Dense, Operator, Other, Step
from edgelearn.runs.checkpoint import WEIGHTS
from edgelearn.runs.stored import parts_of, read_run

LEVELS = "levels"


def is_stored(path: Path) -> bool:
    """Tell whether a path is a results folder or the weights in it."""
    return path.is_dir() or path.name == WEIGHTS


def model_of(path: Path) -> Model:
    """Return the network of a finished run or stream: weights in real numbers, inputs of 1.0 at the highest level.

    Raises
    ------
    UserError
        "... cannot be loaded"
    """
    arrays, note = read_run(path, any_task=True)
    spec, _ = parts_of(note)
    tensors = [Tensor(LEVELS, (None, spec.sizes[0]), "float32")]
    operators = []
    for k, layer in enumerate(spec.layers, 1):
        weights = _values(arrays[f"layer{k}_weights"], layer.weight_word)
        biases = _values(arrays[f"layer{k}_biases"], layer.word)
        name = "scores" if layer.output else f"layer{k}"
        activation = spec.output if layer.output else layer.activation
        step: Step = Dense(weights, biases, activation=activation)
        kind, macs, words = f"{activation} layer", weights.size, weights.size + biases.size
        if isinstance(layer, ConvLayer):
            step, kind = Other(f"it is a convolution, which {path} has in integers"), f"{activation} convolution"
            macs, words = layer.window.full_pairs * layer.n_columns, weights.size + layer.n_biases
        operators.append(Operator(f"layer {k}", kind, (tensors[-1].name,), (name,), step, macs, words, layer.n_out))
        tensors.append(Tensor(name, (None, layer.n_out), "float32"))
    file = path / WEIGHTS if path.is_dir() else path
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    task = "" if spec.task == CLASSIFY else f" --task {note['config']['task']}"
    form = f"results of edgelearn {note['kind']}{task}, {spec.rule_name}, {note['bits']} bits"
    outputs, classes = (tensors[-1].name,), tuple(note["classes"])
    return Model(str(path), digest, form, tuple(tensors), tuple(operators), (LEVELS,), outputs, classes)


def _values(raw: np.ndarray, word: WeightFormat) -> np.ndarray:
    exponent = word.range_exponent - (word.bits - 1) - word.residual_bits
    return np.ldexp(np.asarray(raw, np.float64), exponent)
