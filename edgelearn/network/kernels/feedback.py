"""The third factor: modulators from the teaching signal, gated to d."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import add32, compiled, max32, min32, mul32, narrow16, shl32, shr32, widen32


@compiled
def copy_row(matrix, row, n, sums, k):  # type: ignore[no-untyped-def]
    """Select the feedback row of the target; no arithmetic."""
    for j in range(n):
        sums[k, j] = matrix[row, j]


@compiled
def broadcast(errors, k, n, sign, signals):  # type: ignore[no-untyped-def]
    """Write the error, or its sign (-1, 0, 1), as the signal that direct feedback sends."""
    for c in range(n):
        e = np.int64(errors[k, c])
        signals[k, c] = min(max(e, -1), 1) if sign else e


@compiled
def sum_signed_rows(matrix, target, n_rows, sums, k):  # type: ignore[no-untyped-def]
    """Subtract the row of the target from the sum of all others; without a target (-1) add all rows.

    sums[k, j] = sum_c s_c matrix[c, j], s = -1 at the target, else 1

    Traffic: n_rows * columns words of the matrix.
    """
    columns = matrix.shape[1]
    for j in range(columns):
        sums[k, j] = 0
    for c in range(n_rows):
        sign = np.int32(-1 if c == target else 1)
        for j in range(columns):
            sums[k, j] = add32(sums[k, j], mul32(sign, widen32(matrix[c, j])))


@compiled
def scale_sums(sums, k, n, shift, largest):  # type: ignore[no-untyped-def]
    """Turn exact sums into modulators, in place: m = sat(rn(sum, shift), -largest, largest)."""
    low, high = np.int32(-largest), np.int32(largest)
    up, down = np.int32(max(-shift, 0)), np.int32(max(shift, 0))
    half = np.int32((1 << max(shift, 0)) >> 1)
    limit = np.int32(32768 if shift < 0 else (1 << 31) - 1 - half)  # never below a reachable sum, see network.design
    for j in range(n):
        z = max32(min32(sums[k, j], limit), np.int32(-limit))
        sums[k, j] = max32(min32(shr32(add32(shl32(z, up), half), down), high), low)


@compiled
def gate(modulators, gates, k, n, limit, deltas):  # type: ignore[no-untyped-def]
    """Write d_j = sat(rn(m_j * g_j, 7), -limit, limit); return how many are not zero."""
    high, low = np.int32(limit), np.int32(-limit)
    half, seven = np.int32(64), np.int32(7)
    n_active = 0
    for j in range(n):
        d = shr32(add32(mul32(modulators[k, j], widen32(gates[k, j])), half), seven)
        d = max32(min32(d, high), low)
        deltas[k, j] = narrow16(d)
        n_active += d != 0
    return n_active


@compiled
def count_nonzero(values, k, n):  # type: ignore[no-untyped-def]
    """Return how many of the first n values are not zero."""
    count = 0
    for j in range(n):
        count += values[k, j] != 0
    return count
