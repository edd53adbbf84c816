"""The third factor: modulators from the teaching signal, gated to d."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import add32, inlined, leaf, max32, min32, shl32, shr32
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels.arrays import LANE
from edgelearn.network.kernels.forward import add_four_rows

V = vector_operations(LANE)
load_words, store_words, zero_words, add_words, differ_words, total_words = (
    V.load_words, V.store_words, V.zero_words, V.add_words, V.differ_words, V.total_words
)  # fmt: skip
load_sums, splat_sums, add_sums, multiply_sums, shift_right_sums, min_sums, max_sums, narrow_sums = (
    V.load_sums, V.splat_sums, V.add_sums, V.multiply_sums, V.shift_right_sums, V.min_sums, V.max_sums,
    V.narrow_sums,
)  # fmt: skip
widen_words = V.widen_words


@leaf
def copy_row(matrix, row, n, sums, k):  # type: ignore[no-untyped-def]
    """Select the feedback row of the target; no arithmetic."""
    for j in range(n):
        sums[k, j] = matrix[row, j]


@leaf
def write_signs(errors, k, n, signals):  # type: ignore[no-untyped-def]
    """Write the sign of each error, -1, 0 or 1."""
    for c in range(n):
        signals[k, c] = min(max(np.int64(errors[k, c]), -1), 1)


@leaf
def sum_signed_rows(matrix, columns, target, n_rows, sums, k):  # type: ignore[no-untyped-def]
    """Subtract the row of the target from the sum of all others; without a target (-1) add all rows.

    sums[k, j] = sum_c s_c matrix[c, j], s = -1 at the target, else 1

    Traffic: n_rows * columns words of the matrix.
    """
    for j in range(columns):
        sums[k, j] = 0
    no_shift = np.int16(0)
    for c in range(0, n_rows, 4):
        sign_a, sign_b = sign_of(c, target, n_rows), sign_of(c + 1, target, n_rows)
        sign_c, sign_d = sign_of(c + 2, target, n_rows), sign_of(c + 3, target, n_rows)
        rows = c, min(c + 1, n_rows - 1), min(c + 2, n_rows - 1), min(c + 3, n_rows - 1)
        add_four_rows(matrix, columns, rows, (sign_a, sign_b, sign_c, sign_d), no_shift, sums, k)


@inlined
def sign_of(c, target, n_rows):  # type: ignore[no-untyped-def]
    """Return s_c, and 0 behind the last row."""
    return np.int16(0 if c >= n_rows else -1 if c == target else 1)


@leaf
def scale_sums(sums, k, n, shift, largest):  # type: ignore[no-untyped-def]
    """Turn exact sums into modulators, in place: m = sat(rn(sum, shift), -largest, largest)."""
    low, high = np.int32(-largest), np.int32(largest)
    up, down = np.int32(max(-shift, 0)), np.int32(max(shift, 0))
    half = np.int32((1 << max(shift, 0)) >> 1)
    limit = np.int32(32768 if shift < 0 else (1 << 31) - 1 - half)  # never below a reachable sum, see network.design
    for j in range(n):
        z = max32(min32(sums[k, j], limit), np.int32(-limit))
        sums[k, j] = max32(min32(shr32(add32(shl32(z, up), half), down), high), low)


@leaf
def gate(modulators, gates, k, n, limit, deltas):  # type: ignore[no-untyped-def]
    """Write d_j = sat(rn(m_j * g_j, 7), -limit, limit); return how many are not zero."""
    high, low = np.int32(limit), np.int32(-limit)
    half, seven = np.int32(64), np.int32(7)
    n_active = zero_words()
    for j in range(0, n, LANE):  # gates beyond n are zero, and so is d
        d = multiply_sums(load_sums(modulators, k, j), widen_words(load_words(gates, k, j)))
        d = shift_right_sums(add_sums(d, splat_sums(half)), seven)
        d = narrow_sums(max_sums(min_sums(d, splat_sums(high)), splat_sums(low)))
        store_words(deltas, k, j, d)
        n_active = add_words(n_active, differ_words(d, zero_words()))
    return -total_words(n_active)


@leaf
def count_nonzero(values, k, n):  # type: ignore[no-untyped-def]
    """Return how many of the first n values are not zero; those beyond n, to the end of a vector, are."""
    count = zero_words()
    for j in range(0, n, LANE):
        count = add_words(count, differ_words(load_words(values, k, j), zero_words()))
    return -total_words(count)
