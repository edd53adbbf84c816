"""Blocks of samples through one layer at a time, for rules without locking and for predictions.

A hidden neuron of a rule without locking needs its inputs and the label, but no result of another layer. So 64 neurons
(a tile) take all samples of a block, one after another, while their weights stay in the nearest cache; then the next
tile takes the same samples. Every weight sees the samples in their order, hence all words, predictions and counts are
those of `sample.run_steps`.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, kernel
from edgelearn.fixedpoint.records import matrix_at
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import BATCH, BLOCK_COUNTS, BLOCK_TOTALS, TILE

ROWS = 5  # neurons of a layer whose rows are neurons: one load of the inputs serves them all
PIECE = 32  # words of a row that are taken at once; rows are padded to whole pieces
GATES, ACTIVE, OVERFLOWS = range(BLOCK_COUNTS)
SATURATIONS, CUTS = range(BLOCK_TOTALS)
COUNTED = 32_000  # events whose saturations a 16-bit lane counts
RESCAN = 32  # samples between two looks at all words of a tile or a row
RAIL = 32767

_V, _P = vector_operations(TILE), vector_operations(PIECE)
load_words, store_words, splat_words, zero_words = _V.load_words, _V.store_words, _V.splat_words, _V.zero_words
add_words, multiply_words, and_words, xor_words = _V.add_words, _V.multiply_words, _V.and_words, _V.xor_words
min_words, max_words = _V.min_words, _V.max_words
shift_left_words, shift_right_words = _V.shift_left_words, _V.shift_right_words
add_saturating_words, equal_words, total_words = _V.add_saturating_words, _V.equal_words, _V.total_words
multiply_views, load_bytes, nonzero_words, nonzero_bytes = (
    _V.multiply_views, _V.load_bytes, _V.nonzero_words, _V.nonzero_bytes,
)  # fmt: skip
lowest_bit, clear_lowest_bit, count_bits = _V.lowest_bit, _V.clear_lowest_bit, _V.count_bits
load_sums, store_sums, splat_sums, zero_sums = _V.load_sums, _V.store_sums, _V.splat_sums, _V.zero_sums
add_sums, subtract_sums, multiply_sums, and_sums = _V.add_sums, _V.subtract_sums, _V.multiply_sums, _V.and_sums
min_sums, max_sums, differ_sums = _V.min_sums, _V.max_sums, _V.differ_sums
shift_left_sums, shift_right_sums, total_sums = _V.shift_left_sums, _V.shift_right_sums, _V.total_sums
largest_word, look_up_words = _V.largest_word, _V.look_up_words
widen_words, narrow_sums = _V.widen_words, _V.narrow_sums

load_piece, store_piece, splat_piece, zero_piece = _P.load_words, _P.store_words, _P.splat_words, _P.zero_words
add_piece, multiply_piece, min_piece, max_piece = _P.add_words, _P.multiply_words, _P.min_words, _P.max_words
shift_left_piece, shift_right_piece = _P.shift_left_words, _P.shift_right_words
add_saturating_piece, equal_piece, total_piece = _P.add_saturating_words, _P.equal_words, _P.total_words
xor_piece, largest_piece = _P.xor_words, _P.largest_word
zero_pairs, add_pairs, total_pairs, count_piece = _P.zero_pairs, _P.add_pairs, _P.total_pairs, _P.nonzero_words
splat_wide, zero_wide, add_wide, multiply_wide, min_wide, max_wide = (
    _P.splat_sums, _P.zero_sums, _P.add_sums, _P.multiply_sums, _P.min_sums, _P.max_sums,
)  # fmt: skip
shift_left_wide, shift_right_wide, differ_wide = _P.shift_left_sums, _P.shift_right_sums, _P.differ_sums
widen_piece, narrow_wide, total_wide = _P.widen_words, _P.narrow_sums, _P.total_sums


@inlined
def wrapped(z, bits):  # type: ignore[no-untyped-def]
    """Return z as an accumulator of `bits` holds it."""
    half = np.int64(1) << (bits - 1)
    return ((z + half) & ((np.int64(1) << bits) - 1)) - half


@inlined
def rounded(x, shift):  # type: ignore[no-untyped-def]
    """Return rn(x, shift) of the contract."""
    if shift <= 0:
        return x << -shift
    return (x + ((np.int64(1) << shift) >> 1)) >> shift


@kernel
def list_levels(levels, rows, net, layers, inputs, n_events):  # type: ignore[no-untyped-def]
    """Bring rows of input levels into the form that the first layer takes.

    Parameters
    ----------
    levels : uint8[n, n_in]; rows : int64[B]; inputs : BlockInputs, written; n_events : int64[K, B], row 0 is written
    """
    n_in, sign = np.int64(levels.shape[1]), np.int64(128) if net[t.SIGNED_INPUTS] else np.int64(0)
    e = np.uint64(0)
    for i in range(rows.shape[0]):
        sample = np.uint64(rows[i])
        if not layers[0, t.EVENT_MAJOR]:
            n = np.int64(0)
            for j in range(n_in):
                level = np.int64(levels[sample, j])
                inputs.words[i, j] = level - 2 * (level & sign)
                n += level != 0
            n_events[0, i] = n
            continue
        inputs.starts[i] = e
        present = np.int64(0)
        for j in range(0, n_in, TILE):
            if j + TILE <= n_in:
                on = nonzero_bytes(load_bytes(levels, sample, j))
            else:
                on = np.uint64(0)
                for c in range(j, n_in):
                    on |= np.uint64(levels[sample, c] != 0) << np.uint64(c - j)
            while on != 0:
                row = np.uint64(j + lowest_bit(on))
                on = clear_lowest_bit(on)
                level = np.int64(levels[sample, row])
                inputs.rows[e] = row
                inputs.factors[e] = level - 2 * (level & sign)
                present |= np.int64(1) << (level & 31)
                e += np.uint64(1)
        one = np.int64(inputs.words[0, n_in])
        inputs.rows[e] = n_in
        inputs.factors[e] = one
        inputs.present[i] = present | np.int64(1) << (one & 31)
        n_events[0, i] = np.int64(e) - inputs.starts[i]
        e += np.uint64(1)
    inputs.starts[rows.shape[0]] = e


@kernel
def list_activations(k, n, layers, inputs, n_events):  # type: ignore[no-untyped-def]
    """Count the activations that are not zero in n samples, and list them where a row of layer k is an input."""
    n_in, by_events = layers[k, t.N_IN], layers[k, t.EVENT_MAJOR] != 0
    e = np.uint64(0)
    for i in range(n):
        inputs.starts[i] = e
        found = np.int64(-1)  # the bias
        for j in range(0, n_in + 1, PIECE):
            on = count_piece(load_piece(inputs.words, i, j))
            found += count_bits(on)
            while by_events and on != 0:
                row = np.uint64(j + lowest_bit(on))
                on = clear_lowest_bit(on)
                inputs.rows[e] = row
                inputs.factors[e] = inputs.words[i, row]
                e += np.uint64(1)
        n_events[k, i] = found
    inputs.starts[n] = e


@inlined
def part_of(k, layers, inputs):  # type: ignore[no-untyped-def]
    """Return how many events of layer k may be summed in 16 bits: their largest |factor * view| fit."""
    largest = np.int64(inputs.words[0, layers[0, t.N_IN]]) if k == 0 else np.int64(127)
    return np.uint64((RAIL >> (15 - layers[k, t.VIEW_SHIFT])) // largest)


@inlined
def sum_tile(matrix, inputs, i, column, shift, part, octets):  # type: ignore[no-untyped-def]
    """Return the pre-activations of a tile for sample i: sums of factor * (word >> shift).

    part : events that fit 16 bits, or 0; octets : whether views and factors are bytes, without sign
    """
    sums = zero_sums()
    e, last, one = np.uint64(inputs.starts[i]), np.uint64(inputs.starts[i + 1]), np.uint64(1)
    if part == 0:
        while e < last:
            views = shift_right_words(load_words(matrix, inputs.rows[e], column), shift)
            sums = add_sums(sums, multiply_sums(widen_words(views), splat_sums(np.int32(inputs.factors[e]))))
            e += one
        return sums
    while e < last:
        end = min(e + part, last)
        words = zero_words()
        if octets:
            while e < end:
                word = load_words(matrix, inputs.rows[e], column)
                words = add_words(words, multiply_views(word, inputs.factors[e]))
                e += one
        else:
            while e < end:
                views = shift_right_words(load_words(matrix, inputs.rows[e], column), shift)
                words = add_words(words, multiply_words(views, splat_words(inputs.factors[e])))
                e += one
        sums = add_sums(sums, widen_words(words))
    return sums


@inlined
def wrap_tile(sums, bits, column, n_out, gates):  # type: ignore[no-untyped-def]
    """Wrap sums to an accumulator of `bits`; return them and how many did not fit where the gate is not zero."""
    half = splat_sums(np.int32(1 << (bits - 1)))
    wrapped = subtract_sums(and_sums(add_sums(sums, half), splat_sums(np.int32((1 << bits) - 1))), half)
    lost = and_words(narrow_sums(differ_sums(wrapped, sums)), gates)
    found = nonzero_words(lost)
    if column + TILE > n_out:
        found &= (np.uint64(1) << np.uint64(n_out - column)) - np.uint64(1)
    return wrapped, count_bits(found)


@inlined
def index_tile(sums, shift):  # type: ignore[no-untyped-def]
    """Return table positions q + 128 with q = sat(rn(sums, shift), -128, 127)."""
    if shift < 0:  # clipped first to what an index can tell apart
        q = max_sums(min_sums(sums, splat_sums(np.int32(129))), splat_sums(np.int32(-129)))
        q = shift_left_sums(q, np.int32(-shift))
    else:  # sums and one half fit 32 bits, see `spec.design`
        q = shift_right_sums(add_sums(sums, splat_sums(np.int32((1 << shift) >> 1))), np.int32(shift))
    words = narrow_sums(max_sums(min_sums(q, splat_sums(np.int32(32767))), splat_sums(np.int32(-32768))))
    words = max_words(min_words(words, splat_words(np.int16(127))), splat_words(np.int16(-128)))
    return add_words(words, splat_words(np.int16(128)))


@inlined
def round_tile(deltas, factor, k, shift, layers):  # type: ignore[no-untyped-def]
    """Return rn(-factor * deltas, shift), left-aligned, where 16 bits hold everything and no step is cut."""
    words = multiply_words(deltas, splat_words(np.int16(-factor)))
    if shift < 0:
        words = shift_left_words(words, np.int16(-shift))
    else:
        words = shift_right_words(add_words(words, splat_words(np.int16((1 << shift) >> 1))), np.int16(shift))
    if layers[k, t.ALIGN] > 0:
        words = shift_left_words(words, np.int16(layers[k, t.ALIGN]))
    return words


@inlined
def round_tile_wide(deltas, factor, k, shift, layers):  # type: ignore[no-untyped-def]
    """Return sat(rn(-factor * deltas, shift), -S, S), left-aligned, and -1 in the lanes that were cut."""
    sums = multiply_sums(widen_words(deltas), splat_sums(np.int32(-factor)))
    sums = shift_left_sums(sums, np.int32(max(-shift, 0)))
    sums = add_sums(sums, splat_sums(np.int32((1 << max(shift, 0)) >> 1)))
    sums = shift_right_sums(sums, np.int32(max(shift, 0)))
    high = splat_sums(np.int32(layers[k, t.STEP_MAX]))
    kept = max_sums(min_sums(sums, high), subtract_sums(zero_sums(), high))
    return shift_left_words(narrow_sums(kept), np.int16(layers[k, t.ALIGN])), differ_sums(sums, kept)


@inlined
def count_level(inputs, i, level):  # type: ignore[no-untyped-def]
    """Return how many events of sample i have a level."""
    found = np.int64(0)
    for e in range(inputs.starts[i], inputs.starts[i + 1]):
        found += inputs.factors[e] == level
    return found


@inlined
def add_tile(matrix, inputs, i, column, deltas, k, shift, layers, safe, work):  # type: ignore[no-untyped-def]
    """Add the rounded outer product of the events of sample i and d to the words of a tile.

    safe : whether no sum can leave the range of a word, so that none needs to be counted
    """
    e, last = np.uint64(inputs.starts[i]), np.uint64(inputs.starts[i + 1])
    steps, narrow = work.words, shift <= layers[k, t.NARROW_STEPS]
    saturations, cuts = np.int64(0), np.int64(0)
    if layers[k, t.KEEPS_LEVELS]:  # events of one level share their steps
        left = np.uint64(inputs.present[i])
        while left != 0:
            level = lowest_bit(left)
            left = clear_lowest_bit(left)
            if narrow:
                store_words(steps, level, 0, round_tile(deltas, level, k, shift, layers))
            else:
                words, cut = round_tile_wide(deltas, level, k, shift, layers)
                store_words(steps, level, 0, words)
                lost = np.int64(total_sums(cut))
                if lost != 0:
                    cuts -= lost * count_level(inputs, i, level)
        if safe:
            while e < last:
                row, slot = inputs.rows[e], inputs.factors[e]
                word = load_words(matrix, row, column)
                store_words(matrix, row, column, add_saturating_words(word, load_words(steps, slot, 0)))
                e += np.uint64(1)
    while e < last:
        end = min(e + np.uint64(COUNTED), last)
        saturations += np.int64(end - e) * TILE
        equal, all_cut = zero_words(), zero_sums()
        if layers[k, t.KEEPS_LEVELS]:
            while e < end:
                row, slot = inputs.rows[e], inputs.factors[e]
                word, step = load_words(matrix, row, column), load_words(steps, slot, 0)
                result = add_saturating_words(word, step)
                equal = add_words(equal, equal_words(add_words(word, step), result))
                store_words(matrix, row, column, result)
                e += np.uint64(1)
        elif narrow:
            while e < end:
                row = inputs.rows[e]
                word, step = load_words(matrix, row, column), round_tile(deltas, inputs.factors[e], k, shift, layers)
                result = add_saturating_words(word, step)
                equal = add_words(equal, equal_words(add_words(word, step), result))
                store_words(matrix, row, column, result)
                e += np.uint64(1)
        else:
            while e < end:
                row = inputs.rows[e]
                word = load_words(matrix, row, column)
                step, cut = round_tile_wide(deltas, inputs.factors[e], k, shift, layers)
                all_cut = add_sums(all_cut, cut)
                result = add_saturating_words(word, step)
                equal = add_words(equal, equal_words(add_words(word, step), result))
                store_words(matrix, row, column, result)
                e += np.uint64(1)
        saturations += total_words(equal)
        cuts -= np.int64(total_sums(all_cut))
    work.totals[k, SATURATIONS] += saturations
    work.totals[k, CUTS] += cuts


@inlined
def largest_in_tile(matrix, column):  # type: ignore[no-untyped-def]
    """Return a bound of the absolute words of a tile."""
    high, low = zero_words(), zero_words()
    for row in range(matrix.shape[0]):
        words = load_words(matrix, row, column)
        high, low = max_words(high, words), min_words(low, words)
    return largest_word(max_words(high, xor_words(low, splat_words(np.int16(-1)))))


@inlined
def largest_step(factor, d, k, shift, layers):  # type: ignore[no-untyped-def]
    """Return the largest step, left-aligned, that factors up to `factor` and `d` give."""
    return min(rounded(factor * d, shift), layers[k, t.STEP_MAX]) << layers[k, t.ALIGN]


@kernel
def learn_hidden_events(k, first, last, labels, net, layers, weights, feedback, inputs, above, tables, work):  # type: ignore[no-untyped-def]
    """Take tiles first to last - 1 of hidden layer k, whose rows are inputs, through the samples of a block.

    Parameters
    ----------
    labels : int64[B], NO_LABEL where a sample is only predicted
    weights, feedback : of `Arrays`
    inputs : BlockInputs
    above : int16[B, width], written: inputs of layer k + 1
    tables : int16[K, 256], 256 y + g by q + 128, the event threshold applied
    work : BlockWork
    """
    output, n_out, bits = layers.shape[0] - 1, layers[k, t.N_OUT], net[t.ACCUMULATOR_BITS]
    shift, n_classes = np.int16(layers[k, t.VIEW_SHIFT]), layers[output, t.N_OUT]
    whole = matrix_at(weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    part = part_of(k, layers, inputs) if layers[k, t.NARROW_SUMS] else np.uint64(0)
    octets = shift == 8 and k == 0 and net[t.SIGNED_INPUTS] == 0
    targets, signs = net[t.SIGNAL] == t.SIGNAL_TARGET, net[t.SIGNAL] == t.SIGNAL_SIGNED_TARGET
    n_fixed = n_classes if targets or signs else 0
    fixed = matrix_at(feedback, layers[k, t.FEEDBACK_AT], n_fixed, layers[k, t.FEEDBACK_STRIDE])
    step_shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
    signal_shift = layers[k, t.SIGNAL_SHIFT]
    signal_half = (1 << max(signal_shift, 0)) >> 1
    signal_limit = np.int32(32768 if signal_shift < 0 else (1 << 31) - 1 - signal_half)
    largest, delta_max = layers[k, t.MODULATOR_MAX], layers[k, t.DELTA_MAX]
    one = above[0, n_out] << 8  # activation of the input that is always on, no gate
    lookup = work.words
    every = splat_words(np.int16(-1))
    m = min(rounded(np.int64(127 * (n_classes if signs else 1)), signal_shift), largest)
    longest = largest_step(np.int64(BATCH - 1), min((m * 127 + 64) >> 7, delta_max), k, step_shift, layers)
    for tile in range(first, last):
        column = tile * TILE
        valid = np.int64(min(n_out - column, TILE))
        matrix, place = whole, column
        copied = labels.shape[0] >= RESCAN
        if copied:  # rows side by side: fewer pages, and no two of them in one set of the cache
            matrix, column = work.tile[: whole.shape[0]], 0
            for r in range(whole.shape[0]):
                store_words(matrix, r, 0, load_words(whole, r, place))
        bound, next_scan = np.int64(RAIL), np.int64(0 if copied and layers[k, t.KEEPS_LEVELS] else RAIL)
        row_sums = zero_sums()
        if signs:
            for c in range(n_classes):
                row_sums = add_sums(row_sums, widen_words(load_words(fixed, c, place)))
        for i in range(labels.shape[0]):
            sums = sum_tile(matrix, inputs, i, column, shift, part, octets)
            if bits < 32:
                sums, lost = wrap_tile(sums, bits, place, n_out, every)
                work.counts[k, OVERFLOWS, i] += lost
            store_words(lookup, BATCH, 0, index_tile(sums, layers[k, t.SUM_SHIFT]))
            entries = look_up_words(tables, k, lookup, BATCH)
            if valid < TILE:
                store_words(lookup, BATCH, 0, entries)
                for j in range(valid, TILE):
                    lookup[BATCH, j] = one if j == valid else 0
                entries = load_words(lookup, BATCH, 0)
            store_words(above, i, place, shift_right_words(entries, np.int16(8)))
            gates = and_words(entries, splat_words(np.int16(255)))
            work.counts[k, GATES, i] += count_bits(nonzero_words(gates))
            label = labels[i]
            if label < 0 or not (signs or (targets and (n_classes > 1 or label == 1))):
                continue
            row = label if n_classes > 1 else 0
            if targets:
                words = load_words(fixed, row, place)
                if signal_shift > 0:
                    words = add_words(words, splat_words(np.int16(signal_half)))
                    words = shift_right_words(words, np.int16(signal_shift))
                    words = min_words(words, splat_words(np.int16(largest)))
                    words = max_words(words, splat_words(np.int16(-largest)))
                # a modulator is one word of B: its product with a gate fits 16 bits
                words = add_words(multiply_words(words, gates), splat_words(np.int16(64)))
                deltas = shift_right_words(words, np.int16(7))
                if delta_max < 127:
                    deltas = min_words(deltas, splat_words(np.int16(delta_max)))
                    deltas = max_words(deltas, splat_words(np.int16(-delta_max)))
            else:
                sums = row_sums
                if n_classes > 1 or label == 1:  # the target has the other sign
                    twice = shift_left_sums(widen_words(load_words(fixed, row, place)), np.int32(1))
                    sums = subtract_sums(sums, twice)
                if bits < 32:
                    sums, lost = wrap_tile(sums, bits, place, n_out, gates)
                    work.counts[k, OVERFLOWS, i] += lost
                sums = max_sums(min_sums(sums, splat_sums(signal_limit)), splat_sums(np.int32(-signal_limit)))
                if signal_shift < 0:
                    sums = shift_left_sums(sums, np.int32(-signal_shift))
                else:
                    sums = add_sums(sums, splat_sums(np.int32(signal_half)))
                    sums = shift_right_sums(sums, np.int32(signal_shift))
                sums = max_sums(min_sums(sums, splat_sums(np.int32(largest))), splat_sums(np.int32(-largest)))
                sums = add_sums(multiply_sums(sums, widen_words(gates)), splat_sums(np.int32(64)))
                sums = shift_right_sums(sums, np.int32(7))
                sums = max_sums(min_sums(sums, splat_sums(np.int32(delta_max))), splat_sums(np.int32(-delta_max)))
                deltas = narrow_sums(sums)
            active = count_bits(nonzero_words(deltas))
            work.counts[k, ACTIVE, i] += active
            if active > 0 and layers[k, t.LEARNS]:
                bound += longest
                if bound > RAIL and i >= next_scan:
                    bound, next_scan = largest_in_tile(matrix, column) + longest, np.int64(i + RESCAN)
                add_tile(matrix, inputs, i, column, deltas, k, step_shift, layers, bound <= RAIL, work)
        if copied:
            for r in range(whole.shape[0]):
                store_words(whole, r, place, load_words(matrix, r, 0))


@inlined
def score(i, s, label, net, layers, tables, work, answers):  # type: ignore[no-untyped-def]
    """Predict sample i of the block, step s of the call, from its sums; form its errors, return how many there are."""
    k, bits = layers.shape[0] - 1, net[t.ACCUMULATOR_BITS]
    n, live, softmax = layers[k, t.N_OUT], net[t.LIVE_OUTPUTS], net[t.OUTPUT] == t.OUTPUT_SOFTMAX
    best, top, total = np.int64(0), np.int64(-128), np.int64(0)
    sums, scores = work.sums, work.scores
    for c in range(n):
        z = np.int64(sums[0, c])
        if bits < 32:
            z = wrapped(z, bits)
            work.counts[k, OVERFLOWS, i] += z != sums[0, c]
            sums[0, c] = z
        if c < live and z > sums[0, best]:
            best = np.int64(c)
        q = min(max(rounded(z, layers[k, t.SUM_SHIFT]), -128), 127)
        top = max(top, q)
        scores[c] = q
    answers.predictions[s] = np.int64(sums[0, 0] > 0) if n == 1 else best
    answers.statuses[s] = t.LEARNED if label >= 0 else 0
    asked = answers.scores.shape[0] > 0
    if label < 0 and not asked:
        return np.int64(0)
    if softmax:
        for c in range(n):
            total += np.int64(tables[k, 256 + top - scores[c]])
    for c in range(n):
        if softmax:
            scores[c] = (255 * np.int64(tables[k, 256 + top - scores[c]]) + total // 2) // total
        else:
            scores[c] = tables[k, scores[c] + 128]
        if asked:
            answers.scores[s, c] = scores[c] if c < live else 0
    if label < 0:
        return np.int64(0)
    net[t.LIVE_OUTPUTS] = min(max(live, label + 1), n)
    active = np.int64(0)
    for c in range(n):
        target = label if n == 1 else np.int64(c == label)
        e = scores[c] - 255 * target
        if -net[t.DEAD_ZONE] <= e <= net[t.DEAD_ZONE]:
            e = np.int64(0)
        if layers[k, t.SIGNAL_SHIFT] > 0:
            e = min(max(rounded(e, layers[k, t.SIGNAL_SHIFT]), -layers[k, t.DELTA_MAX]), layers[k, t.DELTA_MAX])
        work.deltas[0, c] = e
        active += e != 0
    work.counts[k, ACTIVE, i] = active
    return active


@kernel
def learn_output_events(first, labels, net, layers, weights, inputs, tables, work, answers):  # type: ignore[no-untyped-def]
    """Take an output layer whose rows are inputs through a block of samples; its first one is step `first`.

    Parameters are those of `learn_hidden_events`; tables : int32[K, 512] of `Arrays`; answers : BlockAnswers, written
    """
    k = layers.shape[0] - 1
    shift, width = np.int16(layers[k, t.VIEW_SHIFT]), layers[k, t.N_OUT]
    matrix = matrix_at(weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    part = part_of(k, layers, inputs) if layers[k, t.NARROW_SUMS] else np.uint64(0)
    octets = shift == 8 and k == 0 and net[t.SIGNED_INPUTS] == 0
    step_shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
    for i in range(labels.shape[0]):
        for column in range(0, width, TILE):
            store_sums(work.sums, 0, column, sum_tile(matrix, inputs, i, column, shift, part, octets))
        active = score(i, first + i, labels[i], net, layers, tables, work, answers)
        if active > 0 and layers[k, t.LEARNS]:
            for column in range(0, width, TILE):
                deltas = load_words(work.deltas, 0, column)
                add_tile(matrix, inputs, i, column, deltas, k, step_shift, layers, False, work)


@inlined
def sum_rows(matrix, words, i, row, end, columns, shift, sums):  # type: ignore[no-untyped-def]
    """Write the dot products of a sample and ROWS rows to sums[0, row ...]; those from `end` on are not needed."""
    a, b, c, d = min(row + 1, end - 1), min(row + 2, end - 1), min(row + 3, end - 1), min(row + 4, end - 1)
    pairs, pairs_a, pairs_b, pairs_c, pairs_d = zero_pairs(), zero_pairs(), zero_pairs(), zero_pairs(), zero_pairs()
    for j in range(0, columns, PIECE):
        x = load_piece(words, i, j)
        pairs = add_pairs(pairs, x, shift_right_piece(load_piece(matrix, row, j), shift))
        pairs_a = add_pairs(pairs_a, x, shift_right_piece(load_piece(matrix, a, j), shift))
        pairs_b = add_pairs(pairs_b, x, shift_right_piece(load_piece(matrix, b, j), shift))
        pairs_c = add_pairs(pairs_c, x, shift_right_piece(load_piece(matrix, c, j), shift))
        pairs_d = add_pairs(pairs_d, x, shift_right_piece(load_piece(matrix, d, j), shift))
    sums[0, d] = total_pairs(pairs_d)
    sums[0, c] = total_pairs(pairs_c)
    sums[0, b] = total_pairs(pairs_b)
    sums[0, a] = total_pairs(pairs_a)
    sums[0, row] = total_pairs(pairs)


@inlined
def largest_in_row(matrix, row, columns):  # type: ignore[no-untyped-def]
    """Return a bound of the absolute words of a row."""
    high, low = zero_piece(), zero_piece()
    for j in range(0, columns, PIECE):
        words = load_piece(matrix, row, j)
        high, low = max_piece(high, words), min_piece(low, words)
    return largest_piece(max_piece(high, xor_piece(low, splat_piece(np.int16(-1)))))


@inlined
def add_row(matrix, inputs, i, row, factor, columns, k, shift, layers, floors, work):  # type: ignore[no-untyped-def]
    """Add the rounded steps of one neuron, whose d is `factor`, to its words."""
    words, align, half = inputs.words, layers[k, t.ALIGN], (np.int64(1) << max(shift, 0)) >> 1
    longest = largest_step(127, abs(factor), k, shift, layers)
    if abs(factor) * 127 < half and not layers[k, t.HAS_FLOOR]:
        return  # all steps are zero
    if shift <= layers[k, t.NARROW_STEPS] and not layers[k, t.HAS_FLOOR]:
        minus, half_words = splat_piece(np.int16(-factor)), splat_piece(np.int16(half))
        up, down = np.int16(align + max(-shift, 0)), np.int16(max(shift, 0))
        bound = work.bounds[0, row] + longest
        if bound > RAIL and i >= work.bounds[1, row]:
            bound = largest_in_row(matrix, row, columns) + longest
            work.bounds[1, row] = i + RESCAN
        work.bounds[0, row] = bound
        if bound <= RAIL:  # no sum can leave the range of a word
            for j in range(0, columns, PIECE):
                step = shift_right_piece(add_piece(multiply_piece(minus, load_piece(words, i, j)), half_words), down)
                if up > 0:
                    step = shift_left_piece(step, up)
                store_piece(matrix, row, j, add_saturating_piece(load_piece(matrix, row, j), step))
            return
        equal = zero_piece()
        for j in range(0, columns, PIECE):
            step = shift_right_piece(add_piece(multiply_piece(minus, load_piece(words, i, j)), half_words), down)
            if up > 0:
                step = shift_left_piece(step, up)
            word = load_piece(matrix, row, j)
            result = add_saturating_piece(word, step)
            equal = add_piece(equal, equal_piece(add_piece(word, step), result))
            store_piece(matrix, row, j, result)
    else:
        minus_wide, half_wide = splat_wide(np.int32(-factor)), splat_wide(np.int32(half))
        high, low = splat_wide(np.int32(layers[k, t.STEP_MAX])), splat_wide(np.int32(-layers[k, t.STEP_MAX]))
        equal, all_cut = zero_piece(), zero_wide()
        for j in range(0, columns, PIECE):
            sums = multiply_wide(minus_wide, widen_piece(load_piece(words, i, j)))
            sums = shift_left_wide(sums, np.int32(max(-shift, 0)))
            sums = shift_right_wide(add_wide(sums, half_wide), np.int32(max(shift, 0)))
            kept = max_wide(min_wide(sums, high), low)
            all_cut = add_wide(all_cut, differ_wide(sums, kept))
            step = shift_left_piece(narrow_wide(kept), np.int16(align))
            word = load_piece(matrix, row, j)
            result = max_piece(add_saturating_piece(word, step), load_piece(floors, k, j))
            equal = add_piece(equal, equal_piece(add_piece(word, step), result))
            store_piece(matrix, row, j, result)
        work.totals[k, CUTS] -= np.int64(total_wide(all_cut))
    work.totals[k, SATURATIONS] += columns + total_piece(equal)


@kernel
def learn_hidden_neurons(k, first, last, labels, net, layers, weights, feedback, floors, inputs, above, tables, work):  # type: ignore[no-untyped-def]
    """Take neurons first to last - 1 of hidden layer k, whose rows are neurons, through the samples of a block.

    Parameters are those of `learn_hidden_events`; floors : of `Arrays`
    """
    output, bits = layers.shape[0] - 1, net[t.ACCUMULATOR_BITS]
    shift, n_classes = np.int16(layers[k, t.VIEW_SHIFT]), layers[output, t.N_OUT]
    matrix = matrix_at(weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    columns = -(-(layers[k, t.N_IN] + 1) // PIECE) * PIECE
    targets, signs = net[t.SIGNAL] == t.SIGNAL_TARGET, net[t.SIGNAL] == t.SIGNAL_SIGNED_TARGET
    n_fixed = n_classes if targets or signs else 0
    fixed = matrix_at(feedback, layers[k, t.FEEDBACK_AT], n_fixed, layers[k, t.FEEDBACK_STRIDE])
    step_shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
    signal_shift, largest = layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX]
    delta_max = layers[k, t.DELTA_MAX]
    for first_row in range(first, last, ROWS):
        end = min(first_row + ROWS, last)
        for j in range(first_row, end):
            work.bounds[0, j], work.bounds[1, j] = RAIL, 0
        for i in range(labels.shape[0]):
            sum_rows(matrix, inputs.words, i, first_row, end, columns, shift, work.sums)
            label = labels[i]
            learned = label >= 0 and (signs or (targets and (n_classes > 1 or label == 1)))
            for j in range(first_row, end):
                z = np.int64(work.sums[0, j])
                if bits < 32:
                    z = wrapped(z, bits)
                    work.counts[k, OVERFLOWS, i] += z != work.sums[0, j]
                q = min(max(rounded(z, layers[k, t.SUM_SHIFT]), -128), 127)
                entry = np.int64(tables[k, q + 128])
                above[i, j] = entry >> 8
                gate = entry & 255
                work.counts[k, GATES, i] += gate != 0
                if not learned:
                    continue
                m = np.int64(fixed[label if n_classes > 1 else 0, j])
                if signs:
                    m = m if n_classes == 1 and label == 0 else -m
                    for c in range(n_classes):
                        if n_classes > 1 and c != label:
                            m += np.int64(fixed[c, j])
                    if bits < 32:
                        z = wrapped(m, bits)
                        work.counts[k, OVERFLOWS, i] += z != m and gate != 0
                        m = z
                if signs or signal_shift > 0:
                    m = min(max(rounded(m, signal_shift), -largest), largest)
                d = min(max((m * gate + 64) >> 7, -delta_max), delta_max)
                work.counts[k, ACTIVE, i] += d != 0
                if d != 0 and layers[k, t.LEARNS]:
                    add_row(matrix, inputs, i, j, d, columns, k, step_shift, layers, floors, work)


@kernel
def learn_output_neurons(first, labels, net, layers, weights, floors, inputs, tables, work, answers):  # type: ignore[no-untyped-def]
    """Take an output layer whose rows are neurons through a block of samples; its first one is step `first`.

    Parameters are those of `learn_output_events`; floors : of `Arrays`
    """
    k = layers.shape[0] - 1
    n, shift = layers[k, t.N_OUT], np.int16(layers[k, t.VIEW_SHIFT])
    matrix = matrix_at(weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    columns = -(-(layers[k, t.N_IN] + 1) // PIECE) * PIECE
    step_shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
    for c in range(n):
        work.bounds[0, c], work.bounds[1, c] = RAIL, 0
    for i in range(labels.shape[0]):
        for row in range(0, n, ROWS):
            sum_rows(matrix, inputs.words, i, row, n, columns, shift, work.sums)
        active = score(i, first + i, labels[i], net, layers, tables, work, answers)
        if active > 0 and layers[k, t.LEARNS]:
            for c in range(n):
                e = np.int64(work.deltas[0, c])
                if e != 0:
                    add_row(matrix, inputs, i, c, e, columns, k, step_shift, layers, floors, work)


@kernel
def count_block(labels, net, layers, n_events, work, counters):  # type: ignore[no-untyped-def]
    """Add what a block of samples touched to the counters, and set the counts of `work` to zero.

    counters : int64[2, K, len(COUNTERS)]; n_events : int64[K, B]
    """
    last, n_classes = layers.shape[0] - 1, layers[layers.shape[0] - 1, t.N_OUT]
    targets, signs = net[t.SIGNAL] == t.SIGNAL_TARGET, net[t.SIGNAL] == t.SIGNAL_SIGNED_TARGET
    for k in range(last + 1):
        n_in, n_out = layers[k, t.N_IN], layers[k, t.N_OUT]
        counters[0, k, t.SATURATIONS] += work.totals[k, SATURATIONS]
        counters[0, k, t.STEP_SATURATIONS] += work.totals[k, CUTS]
        work.totals[k, :] = 0
        for i in range(labels.shape[0]):
            label = labels[i]
            counts = counters[0 if label >= 0 else 1, k]
            events, gates, active = n_events[k, i], work.counts[k, GATES, i], work.counts[k, ACTIVE, i]
            counts[t.SAMPLES] += 1
            counts[t.INPUT_EVENTS] += events
            counts[t.ACTIVATION_WRITE] += events
            counts[t.ACTIVATION_READ] += events
            counts[t.WEIGHT_READ] += events * n_out
            counts[t.BIAS_READ] += n_out
            counts[t.FORWARD_MACS] += events * n_out
            counts[t.OVERFLOWS] += work.counts[k, OVERFLOWS, i]
            counts[t.OPEN_GATES] += gates
            work.counts[k, GATES, i] = work.counts[k, ACTIVE, i] = work.counts[k, OVERFLOWS, i] = 0
            if label < 0:
                continue
            if k == last:
                counts[t.LABEL_READ] += 1
                counts[t.ERROR_WRITE] += active
            elif targets or signs:
                lanes = n_classes
                if targets:
                    lanes = np.int64(1) if n_classes > 1 else label
                counts[t.LABEL_READ] += 1
                counts[t.SIGNAL_LANES] += lanes
                counts[t.GATED_SIGNALS] += lanes * gates
                if lanes > 0:
                    counts[t.LIVE_GATES] += gates
                    counts[t.GATE_PRODUCTS] += gates
                    if net[t.REGENERATED]:
                        counts[t.LFSR_STEPS] += 2 * n_out * lanes
                    else:
                        counts[t.FEEDBACK_READ] += lanes * gates
                    if signs:
                        counts[t.SIGNAL_MACS] += lanes * gates
            if not layers[k, t.LEARNS]:
                continue
            counts[t.ACTIVE_NEURONS] += active
            counts[t.SKIPPED_NEURONS] += n_out - active
            if active > 0:
                pairs = events * active
                counts[t.SKIPPED_INPUTS] += n_in - events
                counts[t.UPDATES] += 1
                counts[t.UPDATE_EVENTS] += events
                counts[t.UPDATE_PAIRS] += pairs
                counts[t.ACTIVATION_READ] += pairs
                counts[t.WEIGHT_READ] += pairs
                counts[t.WEIGHT_WRITE] += pairs
                counts[t.BIAS_READ] += active
                counts[t.BIAS_WRITE] += active
                counts[t.UPDATE_MACS] += pairs + active
                if k == last:
                    counts[t.ERROR_READ] += active
