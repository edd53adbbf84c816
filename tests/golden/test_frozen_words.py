"""Words that must not change: a change here is a change for users, and belongs into CHANGELOG under Bits."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.state import quantize
from edgelearn.pretrained import FrontEnd, Imported, Layer, Tensor
from edgelearn.runs.start import start_from

pytestmark = pytest.mark.kernel


def digest(*arrays) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a, "<i8").tobytes() for a in arrays)).hexdigest()[:16]


def words(state) -> str:
    layers = range(len(state.spec.layers))
    feedback = [state.feedback(k) for k in layers if not state.spec.layers[k].output]
    generator = state.arrays.generator
    return digest(*(state.weights(k) for k in layers), *(state.biases(k) for k in layers), *feedback, generator)


INITIAL = {
    ("drtp", "int8"): "2ca4f05a4b041d3c",
    ("drtp", "ternary"): "31682adc23bbe57a",
    ("drtp", "sign"): "cabc3cf32767427c",
    ("drtp", "lfsr"): "e421a58887b0a0c3",
    ("mdfa", "int8"): "5322f5aafac66a94",
    ("fa", "int8"): "e98659a7090ce91d",
    ("bp", "int8"): "ab24dc22020e1799",
}
LEARNED = {
    ("drtp", 8, "residual", "tanh"): "8c3cb18eb6b37fd3c7994ceb9550d36d",
    ("dfa", 8, "stochastic", "hard-tanh"): "c689307cc1f2c525e7a8a982de62a4fd",
    ("bp", 4, "residual", "relu"): "c703b2e2bc61fb45e82c857ca32bcb26",
    ("fa", 12, "stochastic", "leaky"): "cbdad6089b368c1886441ba07c070964",
    ("mdfa", 8, "nearest", "quadratic-tanh"): "5251bc4c7621a6f96ca26c5d75675e3e",
    ("sdfa", 2, "residual", "tanh"): "02238d8cc56e629b90f7ad8e62fc4606",
}
IMPORTED = {  # rule -> words imported, predictions, words learned
    "drtp": "b0614841d19f8838fe4e18eab218c12f95c21639f1e2dffb",
    "signed-target": "35d3314ef66866e579c683984f775f3a28bf47c0b9e5d973",
    "dfa": "35d3314ef66866e57601f214e683045f21a7a48fede53b91",
    "sdfa": "35d3314ef66866e54aa0bcf5ab46147dd908d5009445cf49",
    "fa": "44bd2ff475ae91e87601f214e683045f57bf9c915c2e6b27",
    "bp": "110945d01f4c9fd007c9427d3fac2dd319ca1cc34a224f48",
    "local": "35d3314ef66866e5c59af5b2f9158a8c89802caa8f74d931",
    "shallow": "110945d01f4c9fd007f70f2fc595cbaf393f44ae6ccba5d0",
}


@pytest.mark.parametrize(("rule", "feedback"), INITIAL)
def test_initial_words(rule, feedback):
    state = quantize(design((20, 12, 8, 5), rule, feedback_format=feedback, seed=42))
    assert words(state) == INITIAL[rule, feedback]


@pytest.mark.parametrize(("rule", "bits", "rounding", "activation"), LEARNED)
def test_learned_words(rule, bits, rounding, activation):
    spec = design((20, 12, 8, 5), rule, bits, rounding, activation=activation, hidden_rate=-3, output_rate=-3, seed=7)
    learner = Learner(spec)
    i = np.arange(50 * 20, dtype=np.int64)
    levels = ((i * 2654435761 >> 7) % 16 * ((i * 40503 >> 5) % 3 > 0)).reshape(50, 20)
    predictions = learner.learn(levels, np.arange(50) % 5)
    assert digest(predictions) + words(learner.state) == LEARNED[rule, bits, rounding, activation]


def test_order_of_samples():
    """The order of an epoch is a function of seed and epoch (edgelearn/runs/epochs.py)."""
    from edgelearn.runs.epochs import Epochs

    seen = []

    class Recorder(Learner):
        def learn(self, levels, labels, rows):
            seen.append(levels.levels[rows, 0])
            return super().learn(levels, labels, rows)

    levels = np.arange(200, dtype=np.uint8)[:, None].repeat(2, 1)
    learner = Recorder(design((2, 2), input_bits=8))
    epochs = Epochs(learner, (levels, np.zeros(200, int)), (levels[:0], np.zeros(0, int)), 2, None, 3)
    for part in epochs.chunks():
        epochs.advance(part)
    order = np.concatenate(seen)
    assert sorted(order[:200].tolist()) == sorted(order[200:].tolist()) == list(range(200))
    assert digest(order) == "d849b75242ac7aa8"


def numbers(*shape):
    """Return numbers of -1 to 1, the same everywhere."""
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((i * 2654435761 >> 7) % 2001 - 1000) / 1000 * ((i * 40503 >> 5) % 4 > 0)).reshape(shape)


@pytest.mark.parametrize("rule", IMPORTED)
def test_words_learned_from_imported_ones(rule):
    """A model of int8 features: range exponents, words, feedback, and what they learn."""
    sizes, scales = (20, 12, 8, 5), (0.7, 0.26, 1.3)
    tensors = [
        Tensor("features", (1, 20), "int8", 1 / 64, -128),
        *(Tensor(f"t{n}", (1, n), "float32") for n in sizes[1:]),
    ]
    layers = tuple(
        Layer(f"dense{k}", scale * numbers(n_out, n_in), 0.1 * numbers(n_out), name, tensors[k], tensors[k + 1])
        for k, (n_in, n_out, scale, name) in enumerate(
            zip(sizes[:-1], sizes[1:], scales, ("relu", "relu", "linear"), strict=True)
        )
    )
    start = start_from(Imported("m", "0", "ONNX", tensors[0], layers, FrontEnd()), rule=rule)
    learner = start.learner(start.design(hidden_rate=-6, output_rate=-6))
    levels = start.front_end.encode((127 * numbers(50, 20)).astype(np.int8))
    before = words(learner.state)
    predictions = learner.learn(levels, np.arange(50) % 5)
    assert before + digest(predictions) + words(learner.state) == IMPORTED[rule]
