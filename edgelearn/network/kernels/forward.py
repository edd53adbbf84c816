"""Forward pass: exact sums of views over events, activations and gates by table, output error."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import add32, inlined, leaf, max32, min32, narrow16, shl32, shr32
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels.arrays import LANE

V = vector_operations(LANE)
load_words, store_words, splat_words, add_words, multiply_words, shift_right_words, multiply_views, widen_words = (
    V.load_words, V.store_words, V.splat_words, V.add_words, V.multiply_words, V.shift_right_words, V.multiply_views,
    V.widen_words,
)  # fmt: skip
load_sums, store_sums, add_sums, and_sums, splat_sums, shift_right_sums, narrow_sums, multiply_four_rows = (
    V.load_sums, V.store_sums, V.add_sums, V.and_sums, V.splat_sums, V.shift_right_sums, V.narrow_sums,
    V.multiply_four_rows,
)  # fmt: skip
zero_pairs, add_pairs, total_pairs, zero_words, differ_words, total_words = (
    V.zero_pairs, V.add_pairs, V.total_pairs, V.zero_words, V.differ_words, V.total_words
)  # fmt: skip
load_bytes, widen_bytes, widen_signed_bytes, nonzero_bytes, lowest_bit, clear_lowest_bit = (
    V.load_bytes, V.widen_bytes, V.widen_signed_bytes, V.nonzero_bytes, V.lowest_bit, V.clear_lowest_bit
)  # fmt: skip


@leaf
def sum_rows(matrix, columns, rows, factors, source, n_rows, shift, sums, k):  # type: ignore[no-untyped-def]
    """Add rows of a matrix, each times its factor.

    sums[k, j] = sum_e factors[source, r] * (matrix[r, j] >> shift), r = rows[source, e]

    Parameters
    ----------
    matrix : int16[n, stride]; columns : of a row that are read, whole vectors
    rows : int64[layers, width], indices of the n_rows rows that count
    factors : int16[layers, width], read at the same indices
    shift : int16, from the stored word to the word that is read
    sums : int32[layers, width], row k is written

    Traffic: n_rows * columns words of the matrix, n_rows factors.
    """
    for j in range(columns):
        sums[k, j] = 0
    for e in range(0, n_rows, 4):
        a, fa = row_and_factor(rows, factors, source, e, n_rows)
        b, fb = row_and_factor(rows, factors, source, e + 1, n_rows)
        c, fc = row_and_factor(rows, factors, source, e + 2, n_rows)
        d, fd = row_and_factor(rows, factors, source, e + 3, n_rows)
        add_four_rows(matrix, columns, (a, b, c, d), (fa, fb, fc, fd), shift, sums, k)


@inlined
def add_four_rows(matrix, columns, rows, factors, shift, sums, k):  # type: ignore[no-untyped-def]
    """Add views of four rows, each times its factor, to sums: these are loaded and stored once for all of them."""
    a, b, c, d = rows
    fa, fb, fc, fd = factors
    for j in range(0, columns, LANE):
        words_a, words_b = view(matrix, a, j, shift), view(matrix, b, j, shift)
        words_c, words_d = view(matrix, c, j, shift), view(matrix, d, j, shift)
        total = multiply_four_rows(words_a, words_b, words_c, words_d, fa, fb, fc, fd)
        store_sums(sums, k, j, add_sums(load_sums(sums, k, j), total))


@inlined
def view(matrix, row, column, shift):  # type: ignore[no-untyped-def]
    return shift_right_words(load_words(matrix, row, column), shift)


@inlined
def row_and_factor(rows, factors, source, e, n_rows):  # type: ignore[no-untyped-def]
    """Return index and factor of row e; behind the last row that row once more, with factor 0, to fill a pass."""
    row = rows[source, min(e, n_rows - 1)]
    return row, np.int16(factors[source, row] if e < n_rows else 0)


@leaf
def sum_rows_narrow(matrix, columns, rows, factors, source, n_rows, shift, sums, k):  # type: ignore[no-untyped-def]
    """Do what `sum_rows` does where eight products fit 16 bits: twice the lanes, one widening for eight rows."""
    for j in range(columns):
        sums[k, j] = 0
    for e in range(0, n_rows, 8):
        a, fa = row_and_factor(rows, factors, source, e, n_rows)
        b, fb = row_and_factor(rows, factors, source, e + 1, n_rows)
        c, fc = row_and_factor(rows, factors, source, e + 2, n_rows)
        d, fd = row_and_factor(rows, factors, source, e + 3, n_rows)
        p, fp = row_and_factor(rows, factors, source, e + 4, n_rows)
        q, fq = row_and_factor(rows, factors, source, e + 5, n_rows)
        r, fr = row_and_factor(rows, factors, source, e + 6, n_rows)
        s, fs = row_and_factor(rows, factors, source, e + 7, n_rows)
        if shift == 8 and (fa | fb | fc | fd | fp | fq | fr | fs) >= 0:  # views are bytes: no shift
            for j in range(0, columns, LANE):
                ab = add_words(
                    multiply_views(load_words(matrix, a, j), fa), multiply_views(load_words(matrix, b, j), fb)
                )
                cd = add_words(
                    multiply_views(load_words(matrix, c, j), fc), multiply_views(load_words(matrix, d, j), fd)
                )
                pq = add_words(
                    multiply_views(load_words(matrix, p, j), fp), multiply_views(load_words(matrix, q, j), fq)
                )
                rs = add_words(
                    multiply_views(load_words(matrix, r, j), fr), multiply_views(load_words(matrix, s, j), fs)
                )
                total = widen_words(add_words(add_words(ab, cd), add_words(pq, rs)))
                store_sums(sums, k, j, add_sums(load_sums(sums, k, j), total))
        else:
            for j in range(0, columns, LANE):
                ab = add_words(product(matrix, a, j, shift, fa), product(matrix, b, j, shift, fb))
                cd = add_words(product(matrix, c, j, shift, fc), product(matrix, d, j, shift, fd))
                pq = add_words(product(matrix, p, j, shift, fp), product(matrix, q, j, shift, fq))
                rs = add_words(product(matrix, r, j, shift, fr), product(matrix, s, j, shift, fs))
                total = widen_words(add_words(add_words(ab, cd), add_words(pq, rs)))
                store_sums(sums, k, j, add_sums(load_sums(sums, k, j), total))


@inlined
def product(matrix, row, column, shift, factor):  # type: ignore[no-untyped-def]
    """Return views of a row times their factor, where these products fit 16 bits."""
    return multiply_words(view(matrix, row, column, shift), splat_words(factor))


@leaf
def dot_rows(matrix, columns, factors, source, shift, sums, k):  # type: ignore[no-untyped-def]
    """Multiply each row of a matrix with a vector: sums[k, r] = sum_i factors[source, i] * (matrix[r, i] >> shift).

    Parameters
    ----------
    matrix : int16[n, stride]; columns : of a row that are read, whole vectors
    factors : int16[layers, width], zero beyond the inputs
    shift : int16
    sums : int32[layers, width], row k is written

    Traffic: n words of the matrix for each non-zero factor.
    """
    last = matrix.shape[0] - 1
    for r in range(0, last + 1, 4):  # four rows a pass hide the latency of each other's additions
        a, b, c, d = r, min(r + 1, last), min(r + 2, last), min(r + 3, last)
        pairs_a, pairs_b, pairs_c, pairs_d = zero_pairs(), zero_pairs(), zero_pairs(), zero_pairs()
        for i in range(0, columns, LANE):
            factor = load_words(factors, source, i)
            pairs_a = add_pairs(pairs_a, factor, view(matrix, a, i, shift))
            pairs_b = add_pairs(pairs_b, factor, view(matrix, b, i, shift))
            pairs_c = add_pairs(pairs_c, factor, view(matrix, c, i, shift))
            pairs_d = add_pairs(pairs_d, factor, view(matrix, d, i, shift))
        sums[k, a] = total_pairs(pairs_a)
        sums[k, b] = total_pairs(pairs_b)
        sums[k, c] = total_pairs(pairs_c)
        sums[k, d] = total_pairs(pairs_d)


@leaf
def list_events(levels, sample, signed, inputs, events):  # type: ignore[no-untyped-def]
    """Copy the levels of a sample to the first layer, list its events and the bias, return the number of events."""
    n_in = levels.shape[1]
    n, first = np.int64(0), np.int64(0)
    while first + LANE <= n_in:
        block = load_bytes(levels, sample, first)
        store_words(inputs, 0, first, widen_signed_bytes(block) if signed else widen_bytes(block))
        n = list_bits(nonzero_bytes(block), first, events, 0, n)
        first += LANE
    for i in range(first, n_in):
        level = np.int64(levels[sample, i])
        if signed and level > 127:
            level -= 256
        inputs[0, i] = level
        events[0, n] = i
        n += level != 0
    events[0, n] = n_in
    return n


@inlined
def list_bits(mask, first, indices, k, n):  # type: ignore[no-untyped-def]
    """Append first + i to n listed indices for each bit i of a mask, ascending; return how many are listed."""
    while mask != 0:
        indices[k, n] = first + lowest_bit(mask)
        mask = clear_lowest_bit(mask)
        n += 1
    return n


@leaf
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


@leaf
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


@leaf
def activate(indices, tables, k, n, inputs, gates, entries):  # type: ignore[no-untyped-def]
    """Look up activation and gate of each index; return how many of each are not zero.

    Activations of layer k are the inputs of layer k + 1. A table entry is 256 * y + g: one look-up for both.
    Row k of `entries`, int32[layers, width], is overwritten.
    """
    for j in range(n):  # one store per neuron; entries are taken apart in vectors
        entries[k, j] = tables[k, np.uint64(np.int64(indices[k, j]) + 128)]
    columns = padded_columns(n)
    for j in range(n, columns):
        entries[k, j] = 0
    one = inputs[k + 1, n]  # the bias, which the last vector may overwrite
    n_events, n_gates = zero_words(), zero_words()
    for j in range(0, columns, LANE):
        entry = load_sums(entries, k, j)
        activation = narrow_sums(shift_right_sums(entry, np.int32(8)))
        gate = narrow_sums(and_sums(entry, splat_sums(np.int32(255))))
        store_words(inputs, k + 1, j, activation)
        store_words(gates, k, j, gate)
        n_events = add_words(n_events, differ_words(activation, zero_words()))
        n_gates = add_words(n_gates, differ_words(gate, zero_words()))
    inputs[k + 1, n] = one
    return -total_words(n_events), -total_words(n_gates)


@inlined
def padded_columns(n):  # type: ignore[no-untyped-def]
    """Return n rounded up to whole vectors."""
    return (n + LANE - 1) // LANE * LANE


@leaf
def drop_small(inputs, k, n, threshold):  # type: ignore[no-untyped-def]
    """Zero the inputs within the event threshold; return how many are left."""
    n_events = 0
    for j in range(n):
        if -threshold <= inputs[k, j] <= threshold:
            inputs[k, j] = 0
        n_events += inputs[k, j] != 0
    return n_events


@leaf
def list_nonzero(values, k, n, indices):  # type: ignore[no-untyped-def]
    """List the indices of non-zero values, ascending, then n; return how many there are."""
    count = 0
    for j in range(n):  # most are not zero: a store for each is faster than bits of masks
        indices[k, count] = j
        count += values[k, j] != 0
    indices[k, count] = n
    return count


@leaf
def first_maximum(sums, k, n):  # type: ignore[no-untyped-def]
    """Return the class: the first maximum of z, or z > 0 for one output."""
    if n == 1:
        return np.int64(sums[k, 0] > 0)
    best = 0
    for c in range(1, n):
        if sums[k, c] > sums[k, best]:
            best = c
    return np.int64(best)


@leaf
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


@leaf
def output_error(scores, k, n, label, dead_zone, errors):  # type: ignore[no-untyped-def]
    """Write e_c = p_c - 255 * target_c, zero inside the dead zone."""
    for c in range(n):
        target = np.int64(label) if n == 1 else np.int64(c == label)
        e = np.int64(scores[0, c]) - 255 * target
        errors[k, c] = 0 if -dead_zone <= e <= dead_zone else e


@leaf
def narrow_error(errors, k, n, shift, largest):  # type: ignore[no-untyped-def]
    """Round errors to fewer bits, in place: e = sat(rn(e, shift), -largest, largest)."""
    half = np.int64((1 << shift) >> 1)
    for c in range(n):
        e = (np.int64(errors[k, c]) + half) >> shift
        errors[k, c] = min(max(e, -largest), largest)
