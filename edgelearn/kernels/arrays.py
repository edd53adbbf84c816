"""The arrays kernels work on, all flat and of one dtype each, so that any network shares one compilation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LANE = 32  # rows are padded to whole 64-byte lines of int16; padding stays zero


class Arrays(NamedTuple):
    """Everything that kernels read and change.

    Words of layer k start at the offsets of its row in the layer table (`edgelearn.kernels.tables`). Stored
    weights are left-aligned in int16, so that the range of a word of any width saturates at the type's own
    limits. `inputs` holds K + 1 vectors: the levels of the sample and the activations of each hidden layer.
    """

    weights: np.ndarray  # int16, left-aligned
    biases: np.ndarray  # int16, left-aligned
    feedback: np.ndarray  # int16, raw B
    inputs: np.ndarray  # int16, presynaptic words of each layer
    events: np.ndarray  # int64, indices of non-zero inputs of each layer, ascending
    n_events: np.ndarray  # int64[K + 1]
    sums: np.ndarray  # int32, pre-activations z
    indices: np.ndarray  # int16, table indices q
    gates: np.ndarray  # int16
    deltas: np.ndarray  # int16: modulated gates d; the error in the output layer
    signals: np.ndarray  # int16[n_out]: the error, or its sign, as it is broadcast
    active: np.ndarray  # int64, neurons with d != 0
    n_active: np.ndarray  # int64[K]
    tables: np.ndarray  # int32[K, 512]: activation, then gate, by q + 128; output: p by q + 128, then 2^15 exp(-t/16)
    steps: np.ndarray  # int16[slots, width]: rounded steps, left-aligned
    fractions: np.ndarray  # uint8[slots, width]: what is left for the random byte
    slot_cuts: np.ndarray  # int64[slots]: how many steps of a slot were cut
    draws: np.ndarray  # uint32: one draw an updating input, then the bias
    random_bytes: np.ndarray  # uint8[width]
    keys: np.ndarray  # uint8[width]
    generator: np.ndarray  # uint32[1]


def aligned_zeros(size: int, dtype: type) -> np.ndarray:
    """Return zeros that start at a 64-byte boundary, so that no lane crosses a cache line."""
    n_bytes = max(size, 1) * np.dtype(dtype).itemsize
    block = np.zeros(n_bytes + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + n_bytes].view(dtype)


def padded(n: int) -> int:
    """Return n rounded up to whole lanes."""
    return -(-n // LANE) * LANE
