"""The third factor: modulators from the teaching signal, gated to d."""

from __future__ import annotations

import numpy as np

from edgelearn.kernels.lanes import compiled


@compiled
def copy_row(matrix, row, n, sums):  # type: ignore[no-untyped-def]
    """Select the feedback row of the target; no arithmetic."""
    for j in range(n):
        sums[j] = matrix[row, j]


@compiled
def signs(values, n, out):  # type: ignore[no-untyped-def]
    """Write -1, 0 or 1 for each value."""
    for c in range(n):
        out[c] = np.int16(values[c] > 0) - np.int16(values[c] < 0)


@compiled
def scale_sums(sums, n, shift):  # type: ignore[no-untyped-def]
    """Turn exact sums into modulators, in place: m = sat(rn(sum, shift), -32767, 32767)."""
    if shift > 0:
        half = np.int64(1) << (shift - 1)
        for j in range(n):
            sums[j] = min(max((np.int64(sums[j]) + half) >> shift, -32767), 32767)
    else:
        for j in range(n):
            sums[j] = min(max(np.int64(sums[j]) << -shift, -32767), 32767)


@compiled
def gate(modulators, gates, n, limit, deltas, active):  # type: ignore[no-untyped-def]
    """Write d_j = sat(rn(m_j * g_j, 7), -limit, limit); list and count the neurons with d != 0."""
    for j in range(n):
        d = (np.int64(modulators[j]) * np.int64(gates[j]) + 64) >> 7
        deltas[j] = min(max(d, -limit), limit)
    n_active = 0
    for j in range(n):
        active[n_active] = j
        n_active += deltas[j] != 0
    return n_active
