"""Forward pass: exact sums of views over events, activations and gates by table, output error."""

from __future__ import annotations

import numpy as np

from edgelearn.kernels.lanes import add32, compiled, mul32, shr16, widen32


@compiled
def sum_rows(matrix, rows, factors, n_rows, shift, sums):  # type: ignore[no-untyped-def]
    """Add rows of a matrix, each times its factor: sums[j] = sum_e factors[rows[e]] * (matrix[rows[e], j] >> shift).

    Parameters
    ----------
    matrix : int16[n, width]
    rows : int64[>= n_rows], indices of the rows that count
    factors : int16[n], read at the same indices
    shift : int16, from the stored word to the word that is read
    sums : int32[>= width], written

    Traffic: n_rows * width words of the matrix, n_rows factors.
    """
    width = matrix.shape[1]
    for j in range(width):
        sums[j] = 0
    e = 0
    while e + 4 <= n_rows:  # four rows a pass: the sums are loaded and stored once for all of them
        a, b, c, d = rows[e], rows[e + 1], rows[e + 2], rows[e + 3]
        fa, fb, fc, fd = widen32(factors[a]), widen32(factors[b]), widen32(factors[c]), widen32(factors[d])
        for j in range(width):
            low = add32(mul32(fa, widen32(shr16(matrix[a, j], shift))), mul32(fb, widen32(shr16(matrix[b, j], shift))))
            high = add32(mul32(fc, widen32(shr16(matrix[c, j], shift))), mul32(fd, widen32(shr16(matrix[d, j], shift))))
            sums[j] = add32(sums[j], add32(low, high))
        e += 4
    while e < n_rows:
        a = rows[e]
        fa = widen32(factors[a])
        for j in range(width):
            sums[j] = add32(sums[j], mul32(fa, widen32(shr16(matrix[a, j], shift))))
        e += 1


@compiled
def dot_rows(matrix, factors, shift, sums):  # type: ignore[no-untyped-def]
    """Multiply each row of a matrix with a vector: sums[r] = sum_i factors[i] * (matrix[r, i] >> shift).

    Parameters
    ----------
    matrix : int16[n, width]
    factors : int16[>= width], zero beyond the inputs
    shift : int16
    sums : int32[>= n], written

    Traffic: n words of the matrix for each non-zero factor.
    """
    width = matrix.shape[1]
    for r in range(matrix.shape[0]):
        total = np.int32(0)
        for i in range(width):
            total = add32(total, mul32(widen32(factors[i]), widen32(shr16(matrix[r, i], shift))))
        sums[r] = total


@compiled
def list_events(levels, inputs, events):  # type: ignore[no-untyped-def]
    """Copy levels to `inputs`, list the indices of the non-zero ones in `events`, return their number."""
    n = 0
    for i in range(levels.shape[0]):
        level = levels[i]
        inputs[i] = level
        events[n] = i
        n += level != 0
    return n


@compiled
def wrap_sums(sums, n, bits):  # type: ignore[no-untyped-def]
    """Wrap exact sums to an accumulator of `bits`, in place; return how many did not fit."""
    if bits >= 32:
        return 0
    half = np.int64(1) << (bits - 1)
    mask = (np.int64(1) << bits) - 1
    overflows = 0
    for j in range(n):
        z = np.int64(sums[j])
        wrapped = ((z + half) & mask) - half
        overflows += wrapped != z
        sums[j] = wrapped
    return overflows


@compiled
def add_bias(sums, biases, n, one, shift):  # type: ignore[no-untyped-def]
    """Add the bias, a weight whose input `one` is always on."""
    level = np.int32(one)
    for j in range(n):
        sums[j] = add32(sums[j], mul32(level, widen32(shr16(biases[j], shift))))


@compiled
def index_sums(sums, n, shift, indices):  # type: ignore[no-untyped-def]
    """Round pre-activations to table indices: q = sat(rn(z, shift), -128, 127)."""
    if shift > 0:
        half = np.int64(1) << (shift - 1)
        for j in range(n):
            indices[j] = min(max((np.int64(sums[j]) + half) >> shift, -128), 127)
    else:
        for j in range(n):  # clipped before the exact left shift, which cannot bring it back into range
            indices[j] = min(max(min(max(np.int64(sums[j]), -129), 128) << -shift, -128), 127)


@compiled
def activate(indices, n, table, threshold, outputs, events, gates):  # type: ignore[no-untyped-def]
    """Look up activation and gate of each index and list the events.

    Returns the number of events (activations beyond the threshold) and of open gates.
    """
    n_events = 0
    n_gates = 0
    for j in range(n):
        y = table[indices[j] + 128]
        g = table[indices[j] + 384]
        if -threshold <= y <= threshold:
            y = np.int32(0)
        outputs[j] = y
        gates[j] = g
        events[n_events] = j
        n_events += y != 0
        n_gates += g != 0
    return n_events, n_gates


@compiled
def first_maximum(sums, n):  # type: ignore[no-untyped-def]
    """Return the class: the first maximum of z, or z > 0 for one output."""
    if n == 1:
        return np.int64(sums[0] > 0)
    best = 0
    for c in range(1, n):
        if sums[c] > sums[best]:
            best = c
    return np.int64(best)


@compiled
def output_error(indices, n, table, softmax, label, dead_zone, errors, active):  # type: ignore[no-untyped-def]
    """Write e_c = p_c - 255 * target_c, zero inside the dead zone; list and count the others."""
    total = np.int64(0)
    top = np.int64(-128)
    if softmax:
        for c in range(n):
            top = max(top, np.int64(indices[c]))
        for c in range(n):
            total += np.int64(table[256 + top - indices[c]])
    n_errors = 0
    for c in range(n):
        if softmax:
            share = np.int64(table[256 + top - indices[c]])
            p = (255 * share + total // 2) // total
        else:
            p = np.int64(table[indices[c] + 128])
        target = label if n == 1 else np.int64(c == label)
        e = p - 255 * target
        if -dead_zone <= e <= dead_zone:
            e = np.int64(0)
        errors[c] = e
        active[n_errors] = c
        n_errors += e != 0
    return n_errors
