"""Forward pass of many samples in NumPy, without counters or learning: the same integers (contract, section 3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgelearn.network.activations import find_activation
from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.state import State

_ROWS = 256  # that are convolved at a time: sums of all positions are held


def layers_of(state: State, levels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give inputs, int64[n, n_in], and table indices q, int64[n, n_out], of each layer.

    Parameters
    ----------
    levels : uint8 or int8[n, n_in]

    Notes
    -----
    Narrow accumulators are not wrapped.
    """
    inputs = levels.astype(np.int64)
    for k, layer in enumerate(state.spec.layers):
        weights = state.weights(k).astype(np.int64) >> layer.weight_word.residual_bits
        biases = state.biases(k).astype(np.int64) >> layer.word.residual_bits
        if isinstance(layer, ConvLayer):
            parts = [inputs[first : first + _ROWS] for first in range(0, len(inputs), _ROWS)]
            none = np.zeros((0, layer.n_out), np.int64)
            sums = np.concatenate([none, *(_pooled_sums(layer, part, weights, biases) for part in parts)])
        else:
            sums = inputs @ weights.T + layer.input_one * biases
        q = _indices(layer, sums)
        yield inputs, q
        if not layer.output:
            inputs = _activations(state.spec, layer, q)


def _indices(layer: Layer, sums: np.ndarray) -> np.ndarray:
    shift = layer.sum_shift
    return np.asarray(np.clip((sums + (1 << shift >> 1)) >> shift if shift > 0 else sums << -shift, -128, 127))


def _activations(spec: NetworkSpec, layer: Layer, q: np.ndarray) -> np.ndarray:
    y = find_activation(layer.activation).table()[0].astype(np.int64)[q + 128]
    return np.where(np.abs(y) <= spec.event_threshold, 0, y)


def _pooled_sums(layer: ConvLayer, inputs: np.ndarray, weights: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Return the sums of elements, int64[n, E]: the largest of a pooling window, or all of it."""
    w, n = layer.window, len(inputs)
    sides = (0, 0), (w.padding, w.padding), (w.padding, w.padding), (0, 0)
    maps = np.pad(inputs.reshape(n, w.height, w.width, w.channels).astype(np.float64), sides)  # sums stay below 2^31
    kernel = weights.reshape(w.maps, w.kernel_height, w.kernel_width, w.channels).astype(np.float64)
    sums = np.full((n, w.out_height, w.out_width, w.maps), layer.input_one * biases, np.float64)
    for dy in range(w.kernel_height):
        rows = maps[:, dy : dy + (w.out_height - 1) * w.stride + 1 : w.stride]
        for dx in range(w.kernel_width):
            sums += rows[:, :, dx : dx + (w.out_width - 1) * w.stride + 1 : w.stride] @ kernel[:, dy, dx].T
    whole = sums[:, : w.pooled_height * w.pool, : w.pooled_width * w.pool]
    windows = whole.reshape(n, w.pooled_height, w.pool, w.pooled_width, w.pool, w.maps)
    pooled = windows.max(axis=(2, 4)) if w.pooling == "max" else windows.sum(axis=(2, 4))
    return np.asarray(pooled.reshape(n, w.elements).astype(np.int64))
