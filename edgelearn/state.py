"""The arrays of a network: initial words, and the way between plain words and the layout kernels use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError
from edgelearn.kernels import tables as t
from edgelearn.kernels.arrays import Arrays, aligned_zeros, padded
from edgelearn.layers.activations import find_activation, output_table
from edgelearn.layers.dense import DenseLayer
from edgelearn.network import NetworkSpec
from edgelearn.rules.rule import Feedback, Signal

_SIGNALS = {
    Signal.NONE: t.SIGNAL_NONE,
    Signal.TARGET: t.SIGNAL_TARGET,
    Signal.ERROR: t.SIGNAL_ERROR,
    Signal.SIGN_ERROR: t.SIGNAL_SIGN,
    Signal.DELTA: t.SIGNAL_DELTA,
}
_FEEDBACKS = {
    Feedback.NONE: t.FEEDBACK_NONE,
    Feedback.DIRECT: t.FEEDBACK_DIRECT,
    Feedback.LAYERWISE: t.FEEDBACK_LAYERWISE,
    Feedback.TRANSPOSE: t.FEEDBACK_TRANSPOSE,
}


@dataclass(frozen=True)
class State:
    """The words of a network in kernel layout; made by `quantize`, changed only by kernels.

    `weights(k)`, `biases(k)` and `feedback(k)` give plain raw words of layer k (from 0): int16[n_out, n_in],
    int16[n_out] and int16[rows, n_out].
    """

    spec: NetworkSpec
    net: np.ndarray
    layers: np.ndarray
    arrays: Arrays

    def weights(self, k: int) -> np.ndarray:
        row, layer = self.layers[k], self.spec.layers[k]
        matrix = self._weight_matrix(k)
        plain = matrix[:, : layer.n_out].T if layer.event_major else matrix[:, : layer.n_in]
        return np.ascontiguousarray(plain >> row[t.ALIGN]).astype(np.int16)

    def biases(self, k: int) -> np.ndarray:
        row = self.layers[k]
        start = row[t.NEURON_AT]
        return (self.arrays.biases[start : start + row[t.N_OUT]] >> row[t.ALIGN]).astype(np.int16)

    def feedback(self, k: int) -> np.ndarray:
        return self._feedback_matrix(k)[:, : self.spec.layers[k].n_out].copy()

    def set_words(self, k: int, weights: np.ndarray, biases: np.ndarray) -> None:
        """Write plain raw words of layer k.

        Raises
        ------
        UserError
            "words of layer ... do not fit": wrong shape or beyond the range of the word.
        """
        row, layer = self.layers[k], self.spec.layers[k]
        for words, shape, lowest in (
            (weights, (layer.n_out, layer.n_in), layer.min_weight),
            (biases, (layer.n_out,), layer.word.min_raw),
        ):
            if words.shape != shape or words.min() < lowest or words.max() > layer.word.max_raw:
                raise UserError(
                    f"words of layer {k + 1} do not fit: shape {words.shape} with values {words.min()}..{words.max()}, "
                    f"expected shape {shape} within {lowest}..{layer.word.max_raw}"
                )
        aligned = weights.astype(np.int32) << row[t.ALIGN]
        matrix = self._weight_matrix(k)
        if layer.event_major:
            matrix[:, : layer.n_out] = aligned.T
        else:
            matrix[:, : layer.n_in] = aligned
        start = row[t.NEURON_AT]
        self.arrays.biases[start : start + layer.n_out] = biases.astype(np.int32) << row[t.ALIGN]

    def set_feedback(self, k: int, feedback: np.ndarray) -> None:
        """Write the raw feedback matrix of hidden layer k: int[rows, n_out], within -127..127."""
        self._feedback_matrix(k)[:, : self.spec.layers[k].n_out] = feedback

    def _weight_matrix(self, k: int) -> np.ndarray:
        row, layer = self.layers[k], self.spec.layers[k]
        n_rows, start = (layer.n_in if layer.event_major else layer.n_out), row[t.WEIGHT_AT]
        return self.arrays.weights[start : start + n_rows * row[t.STRIDE]].reshape(n_rows, row[t.STRIDE])

    def _feedback_matrix(self, k: int) -> np.ndarray:
        row, n_rows = self.layers[k], self.spec.feedback_rows(k)
        start, stride = row[t.FEEDBACK_AT], row[t.FEEDBACK_STRIDE]
        return self.arrays.feedback[start : start + n_rows * stride].reshape(n_rows, stride)


def quantize(spec: NetworkSpec) -> State:
    """Return new arrays with the initial words of the specification's seed.

    Notes
    -----
    Contract, section 7. The draws are, layer by layer: weights, then feedback.
    """
    state = allocate(spec)
    generator = np.random.default_rng([spec.seed, 1])
    for k, layer in enumerate(spec.layers):
        limit = np.sqrt(6 / layer.n_in)
        values = generator.uniform(-limit, limit, (layer.n_out, layer.n_in))
        words = layer.word.from_float(np.abs(values) if layer.non_negative else values)
        state.set_words(k, words, layer.word.from_float(np.zeros(layer.n_out)))
        n_rows = 0 if layer.output else spec.feedback_rows(k)
        if n_rows:
            state.set_feedback(k, _draw_feedback(spec, k, n_rows, generator))
    state.arrays.generator[0] = (spec.seed * 0x9E3779B1 + 0x7F4A7C15) % 2**32 or 1
    return state


def _draw_feedback(spec: NetworkSpec, k: int, n_rows: int, generator: np.random.Generator) -> np.ndarray:
    shape = (n_rows, spec.layers[k].n_out)
    if spec.feedback_format == "int8":
        matrix = generator.integers(-127, 128, shape)
    elif spec.feedback_format == "ternary":
        matrix = np.array([0, 0, 127, -127])[generator.integers(0, 4, shape)]
    elif spec.feedback_format == "sign":
        matrix = np.array([64, -64])[generator.integers(0, 2, shape)]
    else:
        matrix = np.stack([lfsr_row(row, shape[1], k + 1, spec.seed) for row in range(n_rows)])
    return np.abs(matrix) if spec.rule.non_negative else matrix


def lfsr_row(row: int, n: int, layer: int, seed: int) -> np.ndarray:
    """Return n ternary feedback words as a 16-bit Galois register regenerates them (contract, section 7)."""
    s = 1 + ((row + 1) * 40503 + layer * 10007 + seed) % 65535
    words = np.zeros(n, np.int64)
    for j in range(n):
        bits = []
        for _ in range(2):
            out, s = s & 1, s >> 1
            if out:
                s ^= 0xB400
            bits.append(out)
        if bits[0]:
            words[j] = -127 if bits[1] else 127
    return words


def allocate(spec: NetworkSpec) -> State:
    """Return zeroed arrays and the integer tables of a specification."""
    n_layers = len(spec.layers)
    layers = np.zeros((n_layers, t.LAYER_COLUMNS), np.int64)
    weight_at = input_at = neuron_at = feedback_at = 0
    width, slots, max_in = 0, 1, 0
    for k, layer in enumerate(spec.layers):
        stride = padded(layer.n_out if layer.event_major else layer.n_in)
        n_rows = layer.n_in if layer.event_major else layer.n_out
        feedback_rows = 0 if layer.output else spec.feedback_rows(k)
        layers[k] = _layer_row(layer, stride, weight_at, input_at, neuron_at, feedback_at)
        weight_at += n_rows * stride
        input_at += padded(layer.n_in)
        neuron_at += padded(layer.n_out)
        feedback_at += feedback_rows * padded(layer.n_out)
        width = max(width, stride, padded(layer.n_out))
        slots = max(slots, int(layers[k, t.LEVEL_SLOTS]))
        max_in = max(max_in, layer.n_in)
    tables = np.stack(
        [output_table() if layer.output else find_activation(layer.activation).table() for layer in spec.layers]
    )
    keys = np.array([((j + 1) * 0x9E3779B1 % 2**32) >> 24 for j in range(width)], np.uint8)
    arrays = Arrays(
        weights=aligned_zeros(weight_at, np.int16),
        biases=aligned_zeros(neuron_at, np.int16),
        feedback=aligned_zeros(feedback_at, np.int16),
        inputs=aligned_zeros(input_at, np.int16),
        events=aligned_zeros(input_at, np.int64),
        n_events=np.zeros(n_layers, np.int64),
        sums=aligned_zeros(neuron_at, np.int32),
        indices=aligned_zeros(neuron_at, np.int16),
        gates=aligned_zeros(neuron_at, np.int16),
        deltas=aligned_zeros(neuron_at, np.int16),
        signals=aligned_zeros(padded(spec.n_outputs), np.int16),
        active=aligned_zeros(neuron_at, np.int64),
        n_active=np.zeros(n_layers, np.int64),
        tables=tables,
        steps=aligned_zeros(slots * width, np.int16).reshape(slots, width),
        fractions=aligned_zeros(slots * width, np.uint8).reshape(slots, width),
        slot_cuts=np.zeros(slots, np.int64),
        draws=np.zeros(max_in + 1, np.uint32),
        random_bytes=aligned_zeros(width, np.uint8),
        keys=keys,
        generator=np.ones(1, np.uint32),
    )
    return State(spec, _net_row(spec), layers, arrays)


def _layer_row(
    layer: DenseLayer, stride: int, weight_at: int, input_at: int, neuron_at: int, feedback_at: int
) -> np.ndarray:
    align = 16 - layer.word.stored_bits
    row = np.zeros(t.LAYER_COLUMNS, np.int64)
    row[t.N_IN], row[t.N_OUT] = layer.n_in, layer.n_out
    row[t.EVENT_MAJOR], row[t.STRIDE], row[t.BIAS_WIDTH] = layer.event_major, stride, padded(layer.n_out)
    row[t.WEIGHT_AT], row[t.INPUT_AT], row[t.NEURON_AT] = weight_at, input_at, neuron_at
    row[t.FEEDBACK_AT], row[t.FEEDBACK_STRIDE] = feedback_at, padded(layer.n_out)
    row[t.SUM_SHIFT], row[t.VIEW_SHIFT], row[t.ALIGN] = layer.sum_shift, 16 - layer.word.bits, align
    row[t.ONE], row[t.STEP_SHIFT], row[t.STEP_MAX] = layer.input_one, layer.step_shift, layer.step_max
    row[t.FLOOR] = 0 if layer.non_negative else -32768
    row[t.SIGNAL_SHIFT], row[t.DELTA_MAX], row[t.LEARNS] = layer.signal_shift, layer.delta_max, layer.learns
    row[t.LEVEL_SLOTS] = layer.input_max + 1 if layer.event_major and layer.input_max < 16 else 1
    return row


def _net_row(spec: NetworkSpec) -> np.ndarray:
    rule = spec.rule
    net = np.zeros(t.NET_COLUMNS, np.int64)
    net[t.SIGNAL], net[t.FEEDBACK] = _SIGNALS[rule.signal], _FEEDBACKS[rule.feedback]
    net[t.OUTPUT] = t.OUTPUT_SOFTMAX if spec.output == "softmax" else t.OUTPUT_SIGMOID
    net[t.DEAD_ZONE], net[t.EVENT_THRESHOLD] = spec.dead_zone, spec.event_threshold
    net[t.ACCUMULATOR_BITS], net[t.STOCHASTIC] = spec.accumulator_bits, spec.stochastic
    net[t.REGENERATED], net[t.LAST_TO_FIRST] = spec.regenerates_feedback, rule.last_to_first
    net[t.HOLDS_GATES], net[t.HOLDS_DELTAS] = rule.holds_gates, rule.holds_deltas
    return net
