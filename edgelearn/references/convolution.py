"""Convolutions on real numbers, many samples at once: windows of inputs as rows of a matrix (im2col).

Maps are flat with channels last, as in the integer network. Sums are pooled, not activations, so that ties and winners
are those of the arithmetic contract; torch pools in the same order.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edgelearn.network.layer import ConvLayer
from edgelearn.network.window import Window

_CHUNK = 1 << 22  # numbers in the rows of windows that are unfolded together


@cache
def taps(window: Window) -> np.ndarray:
    """Return the input of each tap, int64[positions, fan_in], n_in where it lies in the padding."""
    p, s = window.padding, window.stride
    image = np.full((window.height + 2 * p, window.width + 2 * p, window.channels), window.n_in)
    inputs = np.arange(window.n_in).reshape(window.height, window.width, window.channels)
    image[p : p + window.height, p : p + window.width] = inputs
    kernel = (window.kernel_height, window.kernel_width)
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel, (0, 1))[::s, ::s]
    windows = windows[: window.out_height, : window.out_width]
    return np.array(windows.transpose(0, 1, 3, 4, 2)).reshape(window.positions, window.fan_in)


@cache
def pooled_positions(window: Window) -> np.ndarray:
    """Return the positions of each pooling window in raster order, int64[pooled_height * pooled_width, pool^2]."""
    grid = np.arange(window.positions).reshape(window.out_height, window.out_width)
    pool = (window.pool, window.pool)
    windows = np.lib.stride_tricks.sliding_window_view(grid, pool)[:: window.pool, :: window.pool]
    return np.array(windows).reshape(-1, window.pool**2)


def unfold(window: Window, x: np.ndarray) -> np.ndarray:
    """Return the inputs under the kernel, float[n, positions, fan_in], of flat maps float[n, n_in]."""
    padded = np.column_stack([x, np.zeros(len(x))])
    return np.asarray(padded[:, taps(window)])


def sums_of(layer: ConvLayer, x: np.ndarray, weights: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Return sums of all positions in front of the pooling, float[n, positions, maps].

    Parameters
    ----------
    x : float[n, n_in]; weights : [maps, fan_in]; biases : [maps], times the input that is always on
    """
    window = layer.window
    sums = np.empty((len(x), window.positions, window.maps))
    step = max(1, _CHUNK // (window.positions * window.fan_in))
    for first in range(0, len(x), step):
        sums[first : first + step] = unfold(window, x[first : first + step]) @ weights.T
    return sums + biases


def pool(window: Window, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sums of elements, float[n, elements], and the position of each winner, int64[n, elements].

    Notes
    -----
    The winner of equal sums is the first in raster order. A mean has no winner: its position is the first one.
    """
    of_windows = pooled_positions(window)
    windows = sums[:, of_windows]  # [n, windows, places, maps]
    if window.pooling == "mean":
        found, winners = windows.mean(axis=2), np.zeros((len(sums), len(of_windows), window.maps), np.int64)
    else:
        winners = windows.argmax(axis=2)
        found = np.take_along_axis(windows, winners[:, :, None], axis=2)[:, :, 0]
    positions = of_windows[np.arange(len(of_windows))[None, :, None], winners]
    return found.reshape(len(sums), -1), positions.reshape(len(sums), -1)


def spread(layer: ConvLayer, deltas: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """Return d where it acts, float[n, positions, maps], from d of elements (or of positions), float[n, n_gates]."""
    if layer.teach == "positions":
        return deltas.reshape(len(deltas), layer.window.positions, layer.window.maps)
    return spread_elements(layer.window, deltas, winners)


def spread_elements(window: Window, deltas: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """Return d of elements float[n, elements] at winners, or in equal parts at all positions that a mean is of."""
    acting = np.zeros((len(deltas), window.positions, window.maps))
    by_window = deltas.reshape(len(deltas), -1, window.maps)
    if window.pooling == "mean":
        acting[:, pooled_positions(window)] = by_window[:, :, None] / window.pool**2
    else:
        np.put_along_axis(acting, winners.reshape(by_window.shape), by_window, axis=1)
    return acting


def kernel_gradient(layer: ConvLayer, acting: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the sum over positions of x d, float[maps, fan_in], of one sample: d [positions, maps], x [n_in]."""
    return np.asarray(acting.T @ unfold(layer.window, x[None])[0])


def fold(window: Window, rows: np.ndarray) -> np.ndarray:
    """Return what windows send to the inputs below, float[n, n_in], from float[n, positions, fan_in]."""
    n = len(rows)
    below = np.zeros((n, window.n_in + 1))
    np.add.at(below, (np.arange(n)[:, None, None], taps(window)[None]), rows)
    return below[:, :-1]


def sent_down(layer: ConvLayer, acting: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return modulators of the layer below, float[n, n_in]: d at positions through kernels or feedback of their shape.

    Parameters
    ----------
    acting : float[n, positions, maps]; matrix : [maps, fan_in]
    """
    window = layer.window
    below = np.empty((len(acting), window.n_in))
    step = max(1, _CHUNK // (window.positions * window.fan_in))
    for first in range(0, len(acting), step):
        below[first : first + step] = fold(window, acting[first : first + step] @ matrix)
    return below


def of_elements(layer: ConvLayer, values: np.ndarray) -> np.ndarray:
    """Return a value per gate, float[n, n_gates], from one per gate, or per map where elements share feedback."""
    if not layer.shares_feedback:
        return values
    return np.tile(values, (1, layer.n_gates // layer.window.maps))
