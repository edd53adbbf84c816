"""Forward pass: exact sums of views over events, activations and gates by table, output error."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import (
    add16,
    add32,
    and32,
    compiled,
    differs16,
    max32,
    min32,
    mul16,
    mul32,
    narrow16,
    shl32,
    shr16,
    shr32,
    widen32,
)


@compiled
def sum_rows(matrix, rows, factors, source, n_rows, shift, sums, k):  # type: ignore[no-untyped-def]
    """Add rows of a matrix, each times its factor.

    sums[k, j] = sum_e factors[source, r] * (matrix[r, j] >> shift), r = rows[source, e]

    Parameters
    ----------
    matrix : int16[n, columns]
    rows : int64[layers, width], indices of the n_rows rows that count
    factors : int16[layers, width], read at the same indices
    shift : int16, from the stored word to the word that is read
    sums : int32[layers, width], row k is written

    Traffic: n_rows * columns words of the matrix, n_rows factors.
    """
    columns = matrix.shape[1]
    for j in range(columns):
        sums[k, j] = 0
    e = 0
    while e + 4 <= n_rows:  # four rows a pass: the sums are loaded and stored once for all of them
        a, b, c, d = rows[source, e], rows[source, e + 1], rows[source, e + 2], rows[source, e + 3]
        fa, fb = widen32(factors[source, a]), widen32(factors[source, b])
        fc, fd = widen32(factors[source, c]), widen32(factors[source, d])
        for j in range(columns):
            low = add32(mul32(fa, widen32(shr16(matrix[a, j], shift))), mul32(fb, widen32(shr16(matrix[b, j], shift))))
            high = add32(mul32(fc, widen32(shr16(matrix[c, j], shift))), mul32(fd, widen32(shr16(matrix[d, j], shift))))
            sums[k, j] = add32(sums[k, j], add32(low, high))
        e += 4
    add_last_rows(matrix, rows, factors, source, e, n_rows, shift, sums, k)


@compiled
def sum_rows_narrow(matrix, rows, factors, source, n_rows, shift, sums, k):  # type: ignore[no-untyped-def]
    """Do what `sum_rows` does where eight products fit 16 bits: twice the lanes, one widening for eight rows."""
    columns = matrix.shape[1]
    for j in range(columns):
        sums[k, j] = 0
    e = 0
    while e + 8 <= n_rows:
        a, b, c, d = rows[source, e], rows[source, e + 1], rows[source, e + 2], rows[source, e + 3]
        p, q, r, s = rows[source, e + 4], rows[source, e + 5], rows[source, e + 6], rows[source, e + 7]
        fa, fb, fc, fd = factors[source, a], factors[source, b], factors[source, c], factors[source, d]
        fp, fq, fr, fs = factors[source, p], factors[source, q], factors[source, r], factors[source, s]
        for j in range(columns):
            ab = add16(mul16(fa, shr16(matrix[a, j], shift)), mul16(fb, shr16(matrix[b, j], shift)))
            cd = add16(mul16(fc, shr16(matrix[c, j], shift)), mul16(fd, shr16(matrix[d, j], shift)))
            pq = add16(mul16(fp, shr16(matrix[p, j], shift)), mul16(fq, shr16(matrix[q, j], shift)))
            rs = add16(mul16(fr, shr16(matrix[r, j], shift)), mul16(fs, shr16(matrix[s, j], shift)))
            sums[k, j] = add32(sums[k, j], widen32(add16(add16(ab, cd), add16(pq, rs))))
        e += 8
    add_last_rows(matrix, rows, factors, source, e, n_rows, shift, sums, k)


@compiled
def add_last_rows(matrix, rows, factors, source, first, n_rows, shift, sums, k):  # type: ignore[no-untyped-def]
    """Add the rows that do not fill a pass."""
    for e in range(first, n_rows):
        a = rows[source, e]
        fa = widen32(factors[source, a])
        for j in range(matrix.shape[1]):
            sums[k, j] = add32(sums[k, j], mul32(fa, widen32(shr16(matrix[a, j], shift))))


@compiled
def dot_rows(matrix, factors, source, shift, sums, k):  # type: ignore[no-untyped-def]
    """Multiply each row of a matrix with a vector: sums[k, r] = sum_i factors[source, i] * (matrix[r, i] >> shift).

    Parameters
    ----------
    matrix : int16[n, columns]
    factors : int16[layers, width], zero beyond the inputs
    shift : int16
    sums : int32[layers, width], row k is written

    Traffic: n words of the matrix for each non-zero factor.
    """
    columns = matrix.shape[1]
    for r in range(matrix.shape[0]):
        total = np.int32(0)
        for i in range(columns):
            total = add32(total, mul32(widen32(factors[source, i]), widen32(shr16(matrix[r, i], shift))))
        sums[k, r] = total


@compiled
def list_events(levels, sample, signed, inputs, events):  # type: ignore[no-untyped-def]
    """Copy the levels of a sample to the first layer, list its events and the bias, return the number of events."""
    n_in = levels.shape[1]
    n = 0
    for i in range(n_in):
        level = np.int64(levels[sample, i])
        if signed and level > 127:
            level -= 256
        inputs[0, i] = level
        events[0, n] = i
        n += level != 0
    events[0, n] = n_in
    return n


@compiled
def wrap_sums(sums, k, n, bits, gates, gated):  # type: ignore[no-untyped-def]
    """Wrap exact sums to an accumulator of `bits`, in place; return how many did not fit.

    With `gated`, sums behind a closed gate do not count: hardware does not form them.
    """
    if bits >= 32:
        return 0
    half = np.int64(1) << (bits - 1)
    mask = (np.int64(1) << bits) - 1
    overflows = 0
    for j in range(n):
        z = np.int64(sums[k, j])
        wrapped = ((z + half) & mask) - half
        overflows += wrapped != z and (not gated or gates[k, j] != 0)
        sums[k, j] = wrapped
    return overflows


@compiled
def index_sums(sums, k, n, shift, indices):  # type: ignore[no-untyped-def]
    """Round pre-activations to table indices: q = sat(rn(z, shift), -128, 127)."""
    low, high = np.int32(-128), np.int32(127)
    up, down = np.int32(max(-shift, 0)), np.int32(max(shift, 0))
    half = np.int32((1 << max(shift, 0)) >> 1)
    # z is clipped to what an index can tell apart, so that neither the left shift nor adding one half can overflow
    limit = np.int32(min(129 << max(shift, 0), (1 << 31) - 1 - half))
    for j in range(n):
        z = max32(min32(sums[k, j], limit), np.int32(-limit))
        indices[k, j] = narrow16(max32(min32(shr32(add32(shl32(z, up), half), down), high), low))


@compiled
def activate(indices, tables, k, n, inputs, gates):  # type: ignore[no-untyped-def]
    """Look up activation and gate of each index; return how many of each are not zero.

    Activations of layer k are the inputs of layer k + 1. A table entry is 256 * y + g: one look-up for both.
    """
    for j in range(n):
        entry = tables[k, np.int64(indices[k, j]) + 128]
        inputs[k + 1, j] = narrow16(shr32(entry, np.int32(8)))
        gates[k, j] = narrow16(and32(entry, np.int32(255)))
    n_events, n_gates = np.int16(0), np.int16(0)
    for j in range(n):
        n_events = add16(n_events, differs16(inputs[k + 1, j], np.int16(0)))
        n_gates = add16(n_gates, differs16(gates[k, j], np.int16(0)))
    return -np.int64(n_events), -np.int64(n_gates)


@compiled
def drop_small(inputs, k, n, threshold):  # type: ignore[no-untyped-def]
    """Zero the inputs within the event threshold; return how many are left."""
    n_events = 0
    for j in range(n):
        if -threshold <= inputs[k, j] <= threshold:
            inputs[k, j] = 0
        n_events += inputs[k, j] != 0
    return n_events


@compiled
def list_nonzero(values, k, n, indices):  # type: ignore[no-untyped-def]
    """List the indices of non-zero values, ascending, then n; return how many there are."""
    count = 0
    for j in range(n):
        indices[k, count] = j
        count += values[k, j] != 0
    indices[k, count] = n
    return count


@compiled
def first_maximum(sums, k, n):  # type: ignore[no-untyped-def]
    """Return the class: the first maximum of z, or z > 0 for one output."""
    if n == 1:
        return np.int64(sums[k, 0] > 0)
    best = 0
    for c in range(1, n):
        if sums[k, c] > sums[k, best]:
            best = c
    return np.int64(best)


@compiled
def output_scores(indices, tables, k, n, softmax, scores, s):  # type: ignore[no-untyped-def]
    """Write p_c of each output, 0 .. 255."""
    total, top = np.int64(0), np.int64(-128)
    if softmax:
        for c in range(n):
            top = max(top, np.int64(indices[k, c]))
        for c in range(n):
            total += np.int64(tables[k, 256 + top - indices[k, c]])
    for c in range(n):
        if softmax:
            scores[s, c] = (255 * np.int64(tables[k, 256 + top - indices[k, c]]) + total // 2) // total
        else:
            scores[s, c] = tables[k, np.int64(indices[k, c]) + 128]


@compiled
def output_error(scores, k, n, label, dead_zone, errors):  # type: ignore[no-untyped-def]
    """Write e_c = p_c - 255 * target_c, zero inside the dead zone."""
    for c in range(n):
        target = np.int64(label) if n == 1 else np.int64(c == label)
        e = np.int64(scores[0, c]) - 255 * target
        errors[k, c] = 0 if -dead_zone <= e <= dead_zone else e


@compiled
def narrow_error(errors, k, n, shift, largest):  # type: ignore[no-untyped-def]
    """Round errors to fewer bits, in place: e = sat(rn(e, shift), -largest, largest)."""
    half = np.int64((1 << shift) >> 1)
    for c in range(n):
        e = (np.int64(errors[k, c]) + half) >> shift
        errors[k, c] = min(max(e, -largest), largest)
