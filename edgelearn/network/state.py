"""Arrays of a network: initial weights, and conversion between plain arrays and the layout of the kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgelearn.errors import UserError
from edgelearn.files import physical_memory
from edgelearn.fixedpoint.aligned import aligned_zeros
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.activations import find_activation, output_table
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import (
    BATCH,
    KEYS,
    LANE,
    MAP_LANE,
    TILE,
    Arrays,
    ConvArrays,
    convolution_arrays,
    padded,
    spread,
)
from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.topology import Dense, Topology
from edgelearn.rules.rule import Feedback, Signal

_SIGNALS = {
    Signal.NONE: t.SIGNAL_NONE,
    Signal.TARGET: t.SIGNAL_TARGET,
    Signal.ERROR: t.SIGNAL_ERROR,
    Signal.SIGN_ERROR: t.SIGNAL_SIGN,
    Signal.DELTA: t.SIGNAL_DELTA,
    Signal.SIGNED_TARGET: t.SIGNAL_SIGNED_TARGET,
    Signal.LOCAL_ERROR: t.SIGNAL_LOCAL,
}
_FEEDBACKS = {
    Feedback.NONE: t.FEEDBACK_NONE,
    Feedback.DIRECT: t.FEEDBACK_DIRECT,
    Feedback.LAYERWISE: t.FEEDBACK_LAYERWISE,
    Feedback.TRANSPOSE: t.FEEDBACK_TRANSPOSE,
}
_LEARNED = {"none": t.NOTHING, "all": t.EVERYTHING, "bias": t.BIASES}
_UPDATE_GATES = {"always": t.GATE_ALWAYS, "error": t.GATE_ERROR, "margin": t.GATE_MARGIN, "normal": t.GATE_NORMAL}
_OUTPUTS = {"sigmoid": t.OUTPUT_SIGMOID, "softmax": t.OUTPUT_SOFTMAX, "linear": t.OUTPUT_LINEAR}


@dataclass(frozen=True)
class State:
    """Weights of a network in kernel layout; made by `quantize`, changed only by kernels.

    `weights(k)`, `biases(k)` and `feedback(k)` give plain raw words of layer k (from 0): int16[n_columns, fan_in],
    int16[n_columns] and int16[rows, columns], see `NetworkSpec.feedback_columns`. Columns are neurons, or maps of a
    convolution, whose taps are in the order of `Window.fan_in`; without a kernel bias its biases are zeros.
    """

    spec: NetworkSpec
    net: np.ndarray
    layers: np.ndarray
    arrays: Arrays
    convolution: ConvArrays | None = None  # of a network with convolutions

    def weights(self, k: int) -> np.ndarray:
        layer = self.spec.layers[k]
        words = self.left_aligned(k)[:, : layer.fan_in]
        return np.ascontiguousarray(words >> _align(layer.weight_word)).astype(np.int16)

    def biases(self, k: int) -> np.ndarray:
        words = self.left_aligned(k)[:, self.spec.layers[k].fan_in]
        return np.ascontiguousarray(words >> self.layers[k, t.ALIGN]).astype(np.int16)

    def feedback(self, k: int) -> np.ndarray:
        return self._feedback_matrix(k).copy()

    def set_words(self, k: int, weights: np.ndarray, biases: np.ndarray) -> None:
        """Write plain raw words of layer k.

        Raises
        ------
        UserError
            "words of layer ... do not fit": wrong shape or beyond the range of the word.
        """
        layer, matrix = self.spec.layers[k], self.left_aligned(k)
        for words, target, word, lowest in (
            (weights, matrix[:, : layer.fan_in], layer.weight_word, layer.min_weight),
            (biases, matrix[:, layer.fan_in], layer.word, layer.word.min_raw),
        ):
            if words.shape != target.shape or words.min() < lowest or words.max() > word.max_raw:
                raise UserError(
                    f"words of layer {k + 1} do not fit: shape {words.shape} with values {words.min()}..{words.max()}, "
                    f"expected shape {target.shape} within {lowest}..{word.max_raw}"
                )
            for rows in _blocks(words):
                target[rows] = words[rows].astype(np.int32) << _align(word)

    def set_feedback(self, k: int, feedback: np.ndarray) -> None:
        """Write the raw feedback matrix of hidden layer k: int[rows, columns], within -127..127.

        Raises
        ------
        UserError
            "feedback of layer ... does not fit"
        """
        target = self._feedback_matrix(k)
        if feedback.shape != target.shape or np.abs(feedback.astype(np.int64)).max(initial=0) > 127:
            raise UserError(f"feedback of layer {k + 1} does not fit: expected shape {target.shape} within -127..127")
        target[...] = feedback

    def left_aligned(self, k: int) -> np.ndarray:
        """Return left-aligned words as a view [n_columns, fan_in + 1], bias last, whatever the layout."""
        row, layer = self.layers[k], self.spec.layers[k]
        n_rows, stride, start = row[t.ROWS], row[t.STRIDE], row[t.WEIGHT_AT]
        matrix = self.arrays.weights[start : start + n_rows * stride].reshape(n_rows, stride)
        return matrix[:, : layer.n_columns].T if layer.event_major else matrix[:, : layer.n_in + 1]

    def _feedback_matrix(self, k: int) -> np.ndarray:
        row, n_rows = self.layers[k], self.spec.feedback_rows(k)
        start, stride = row[t.FEEDBACK_AT], row[t.FEEDBACK_STRIDE]
        matrix = self.arrays.feedback[start : start + n_rows * stride].reshape(n_rows, stride)
        return matrix[:, : self.spec.feedback_columns(k)]


def quantize(spec: NetworkSpec) -> State:
    """Return new arrays with the initial words of the specification's seed.

    Notes
    -----
    Contract, section 7. The draws are, layer by layer: weights, then feedback.
    """
    state = allocate(spec)
    generator = np.random.default_rng([spec.seed, 1])
    for k, layer in enumerate(spec.layers):
        limit = np.sqrt(6 / layer.fan_in)
        words = np.empty((layer.n_columns, layer.fan_in), np.int16)
        for rows in _blocks(words):
            values = generator.uniform(-limit, limit, words[rows].shape)
            words[rows] = layer.weight_word.from_float(np.abs(values) if layer.non_negative else values)
        state.set_words(k, words, _first_biases(layer))
        n_rows = 0 if layer.output else spec.feedback_rows(k)
        if n_rows and spec.feedback_format != "imported":  # not drawn: zero until words are put in
            state.set_feedback(k, _draw_feedback(spec, k, n_rows, generator))
    state.arrays.generator[0] = (spec.seed * 0x9E3779B1 + 0x7F4A7C15) % 2**32 or 1
    return state


def _first_biases(layer: Layer) -> np.ndarray:
    """Return biases of zero; maps without biases have words of zero, which no sum and no update reads."""
    if layer.n_biases == 0:
        return np.zeros(layer.n_columns, np.int16)
    return layer.word.from_float(np.zeros(layer.n_columns))


def _blocks(words: np.ndarray) -> list[slice]:
    """Return slices of rows of about a million words, so that what is computed from them stays small beside them."""
    step = max(1, (1 << 20) * len(words) // max(words.size, 1))
    return [slice(first, first + step) for first in range(0, len(words), step)]


def _draw_feedback(spec: NetworkSpec, k: int, n_rows: int, generator: np.random.Generator) -> np.ndarray:
    shape = (n_rows, spec.feedback_columns(k))
    if spec.feedback_format == "int8":
        matrix = generator.integers(-127, 128, shape)
    elif spec.feedback_format == "ternary":
        matrix = np.array([0, 0, 127, -127])[generator.integers(0, 4, shape)]
    elif spec.feedback_format == "sign":
        matrix = np.array([64, -64])[generator.integers(0, 2, shape)]
    else:
        matrix = np.stack([lfsr_row(row, shape[1], k + 1, spec.seed) for row in range(n_rows)])
    return np.abs(matrix) if spec.layers[k].rule.non_negative else matrix


def lfsr_start(row: int, layer: int, seed: int) -> int:
    """Return the state of the register before the first word of a row, counted from 0, of a layer, counted from 1."""
    return 1 + ((row + 1) * 40503 + layer * 10007 + seed) % 65535


def lfsr_row(row: int, n: int, layer: int, seed: int) -> np.ndarray:
    """Return n ternary feedback words as a 16-bit Galois register regenerates them (contract, section 7)."""
    s = lfsr_start(row, layer, seed)
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
    weight_at = feedback_at = 0
    for k, layer in enumerate(spec.layers):
        layers[k] = _layer_row(spec, k, weight_at, feedback_at)
        layers[k, t.REGENERATED] = spec.regenerates(k)
        layers[k, t.HOLDS_GATES], layers[k, t.HOLDS_DELTAS] = spec.holds_gates(k), spec.holds_deltas(k)
        weight_at += padded(int(layers[k, t.ROWS] * layers[k, t.STRIDE]))
        if not layer.output:
            feedback_at += spec.feedback_rows(k) * int(layers[k, t.FEEDBACK_STRIDE])
    width = max(padded(max(spec.sizes) + 1), int(layers[:, t.STRIDE].max()))
    if spec.is_convolutional:  # vectors of short rows reach beyond the last element
        longest = max(max(layer.n_gates, layer.fan_in + 1) for layer in spec.layers)
        width = max(width, padded(longest + 1)) + LANE
    n_positions = max((layer.positions * int(row[t.STRIDE]) for layer, row in zip(spec.layers, layers, strict=True)))
    _check_memory(spec, 2 * (weight_at + feedback_at) + (36 * n_layers + 5 * BATCH) * width + 8 * n_positions)
    vectors = (n_layers, width)
    random = aligned_zeros((KEYS + 1, width), np.uint8)
    keys = ((np.arange(1, width + 1, dtype=np.uint64) * 0x9E3779B1 % 2**32) >> 24).astype(np.uint8)
    random[KEYS] = keys
    arrays = Arrays(
        weights=aligned_zeros((weight_at + TILE,), np.int16),
        feedback=aligned_zeros((feedback_at + TILE,), np.int16),
        floors=aligned_zeros(vectors, np.int16),
        inputs=aligned_zeros(vectors, np.int16),
        events=aligned_zeros(vectors, np.int64),
        n_events=np.zeros(n_layers, np.int64),
        sums=aligned_zeros(vectors, np.int32),
        indices=aligned_zeros(vectors, np.int16),
        gates=aligned_zeros(vectors, np.int16),
        deltas=aligned_zeros(vectors, np.int16),
        scores=aligned_zeros((1, width), np.uint8),
        signals=aligned_zeros(vectors, np.int16),
        active=aligned_zeros(vectors, np.int64),
        n_active=np.zeros(n_layers, np.int64),
        tables=np.stack([output_table() if layer.output else _hidden_table(layer) for layer in spec.layers]),
        steps=aligned_zeros((BATCH, width), np.int16),
        fractions=aligned_zeros((BATCH, width), np.uint8),
        random=random,
        slots=np.zeros((2, width), np.int64),
        draws=np.zeros(width, np.uint32),
        keys=keys,
        generator=np.ones(1, np.uint32),
    )
    for k, layer in enumerate(spec.layers):
        arrays.inputs[k, layer.n_in] = layer.input_one
        arrays.floors[k] = -32768
        if layer.non_negative:
            arrays.floors[k, : layer.n_in] = 0
    convolution = convolution_arrays(layers, width) if spec.is_convolutional else None
    return State(spec, _net_row(spec), layers, arrays, convolution)


def _check_memory(spec: NetworkSpec, n_bytes: int) -> None:
    """Refuse arrays that do not fit into the memory of this machine, plain words of the largest layer beside them."""
    n_bytes += 2 * max(layer.n_weights for layer in spec.layers)
    room = physical_memory()
    if n_bytes > room:
        raise UserError(
            f"net {spec.net} needs {n_bytes / 2**30:,.1f} GiB of memory, and this machine has {room / 2**30:,.1f}; "
            f"use fewer inputs or neurons{_smaller(spec, n_bytes, room)}"
        )


def _smaller(spec: NetworkSpec, n_bytes: int, room: int) -> str:
    """Return advice on a network that takes less memory: its widest layer, narrower."""
    sizes = [layer.n_weights for layer in spec.layers]
    widest = min(sizes.index(max(sizes)), len(sizes) - 2)
    if widest < 0:
        return ""
    layers = list(spec.topology.layers)
    wide = layers[widest]
    if isinstance(wide, Dense):
        scaled = 4 * max(sizes) + 2 * (sizes[widest] + sizes[widest + 1] - max(sizes))  # words, and their plain copy
        share = 0.9 * (room - n_bytes + scaled) / scaled  # rows are padded
        layers[widest] = Dense(max(1, int(wide.n * share)))
    else:  # vectors of elements are most of it
        share = 0.9 * room / n_bytes
        layers[widest] = replace(wide, maps=max(1, int(wide.maps * share)))
    if share <= 0:
        return ""
    return f"; try --net {Topology(spec.topology.inputs, tuple(layers))}"


def predicting(state: State) -> State:
    """Return the state that takes samples without a label: the same words, other activations where they are signs."""
    if state.spec.hidden_inference == "full":
        return state
    tables = state.arrays.tables.copy()
    for k, layer in enumerate(state.spec.layers[:-1]):
        tables[k, :256] = 256 * find_activation(layer.activation).sign_table() + (tables[k, :256] & 255)
    return replace(state, arrays=state.arrays._replace(tables=tables))


def _hidden_table(layer: Layer) -> np.ndarray:
    """Return 256 * y + g by q + 128, padded to the length of an output table."""
    y, g = find_activation(layer.activation).table()
    return np.concatenate([256 * y + g, np.zeros(256, np.int32)])


def _layer_row(spec: NetworkSpec, k: int, weight_at: int, feedback_at: int) -> np.ndarray:
    row, layer = np.zeros(t.LAYER_COLUMNS, np.int64), spec.layers[k]
    row[t.N_IN], row[t.N_OUT], row[t.EVENT_MAJOR] = layer.n_in, layer.n_out, layer.event_major
    row[t.ROWS] = layer.fan_in + 1 if layer.event_major else layer.n_out
    row[t.STRIDE] = spread(layer.n_out) if layer.event_major else padded(layer.n_in + 1)
    row[t.WEIGHT_AT], row[t.FEEDBACK_AT] = weight_at, feedback_at
    row[t.FEEDBACK_STRIDE] = padded(layer.n_out if layer.output else spec.feedback_columns(k))
    row[t.SUM_SHIFT], row[t.VIEW_SHIFT] = layer.sum_shift, 16 - layer.word.bits
    row[t.ALIGN], row[t.STEP_MAX] = _align(layer.word), layer.word.max_raw
    row[t.STEP_SHIFT], row[t.SIGNAL_SHIFT] = layer.step_shift, layer.signal_shift
    row[t.MODULATOR_MAX], row[t.DELTA_MAX] = layer.modulator_max, layer.delta_max
    row[t.LEARNS] = _LEARNED[layer.learned]
    row[t.SIGNAL], row[t.FEEDBACK] = _SIGNALS[layer.rule.signal], _FEEDBACKS[layer.rule.feedback]
    row[t.READOUT_SHIFT] = layer.readout_shift(spec.output)
    row[t.KEEPS_LEVELS] = layer.event_major and layer.input_max < BATCH and not layer.signed_levels
    row[t.NARROW_SUMS] = 8 * layer.input_max << (layer.word.bits - 1) < 1 << 15
    row[t.NARROW_STEPS] = _narrow_steps(layer)
    row[t.HAS_FLOOR] = layer.non_negative
    if isinstance(layer, ConvLayer):
        _fill_convolution(row, layer)
        row[t.HOLDS_WINNERS] = spec.holds_winners(k)
    return row


def _fill_convolution(row: np.ndarray, layer: ConvLayer) -> None:
    """Fill the columns that convolutions alone have; kernels are rows of taps, with one column per map."""
    window = layer.window
    row[t.STRIDE] = -(-window.maps // MAP_LANE) * MAP_LANE
    row[t.KEEPS_LEVELS], row[t.NARROW_SUMS], row[t.NARROW_STEPS] = 0, 0, -99  # of updates of single products
    row[t.LAYER_KIND], row[t.MAPS] = t.CONVOLUTION, window.maps
    row[t.HEIGHT], row[t.WIDTH], row[t.CHANNELS] = window.height, window.width, window.channels
    row[t.KERNEL_H], row[t.KERNEL_W] = window.kernel_height, window.kernel_width
    row[t.CONV_STRIDE], row[t.PADDING], row[t.POOL] = window.stride, window.padding, window.pool
    row[t.POOLING] = t.POOL_MEAN if window.pooling == "mean" else t.POOL_MAX
    row[t.OUT_HEIGHT], row[t.OUT_WIDTH] = window.out_height, window.out_width
    row[t.POOLED_HEIGHT], row[t.POOLED_WIDTH] = window.pooled_height, window.pooled_width
    row[t.FEEDBACK_KIND] = t.KIND_MAP if layer.shares_feedback else t.KIND_ELEMENT
    row[t.TEACH] = t.TEACH_POSITIONS if layer.teach == "positions" else t.TEACH_ELEMENTS
    row[t.KERNEL_BIAS], row[t.POOL_SHIFT] = layer.kernel_bias, layer.pool_shift


def _align(word: WeightFormat) -> int:
    """Return the bits below a word that is left-aligned in 16."""
    return 16 - word.stored_bits


def _narrow_steps(layer: Layer) -> int:
    """Return the largest shift at which 16 bits hold a product of input and d plus one half, -99 if none does."""
    product = layer.input_max * layer.delta_reach << max(-layer.step_shift, 0)
    if product > layer.word.max_raw:  # a step could be cut
        return -99
    room = 32767 - product
    return min(room.bit_length(), 15) if room else 0


def _net_row(spec: NetworkSpec) -> np.ndarray:
    net = np.zeros(t.NET_COLUMNS, np.int64)
    net[t.OUTPUT] = _OUTPUTS[spec.output]
    net[t.DEAD_ZONE], net[t.EVENT_THRESHOLD] = spec.dead_zone, spec.event_threshold
    net[t.LOCAL_DEAD_ZONE] = spec.readout_dead_zone
    net[t.ACCUMULATOR_BITS], net[t.STOCHASTIC] = spec.accumulator_bits, spec.stochastic
    net[t.LAST_TO_FIRST] = spec.last_to_first
    net[t.UPDATE_GATE], net[t.MARGIN] = _UPDATE_GATES[spec.update_gate], spec.margin
    net[t.LIVE_OUTPUTS], net[t.SIGNED_INPUTS] = spec.n_outputs, spec.signed_inputs
    net[t.TARGET_SHIFT] = spec.target_shift
    return net
