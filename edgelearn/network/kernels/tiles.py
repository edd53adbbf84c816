"""Layers whose rows are inputs, by tiles of 64 neurons: blocks of samples, see `edgelearn.network.kernels.blocks`."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, kernel
from edgelearn.fixedpoint.records import matrix_at
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import BATCH, LANE, TILE
from edgelearn.network.kernels.blocks import (
    ACTIVE,
    CUTS,
    GATES,
    OVERFLOWS,
    RAIL,
    RESCAN,
    SATURATIONS,
    largest_step,
    rounded,
    score,
)

KEPT, ALWAYS = BATCH + 1, BATCH + 2  # rows of `BlockWork.words`: lanes of neurons, the input that is always on
AHEAD = 2  # samples

V = vector_operations(TILE)
load_words, store_words, splat_words, zero_words = V.load_words, V.store_words, V.splat_words, V.zero_words
expect_words, expect_entry = V.expect_words, V.expect_entry
add_words, multiply_words, and_words, xor_words = V.add_words, V.multiply_words, V.and_words, V.xor_words
min_words, max_words, subtract_words = V.min_words, V.max_words, V.subtract_words
shift_left_words, shift_right_words = V.shift_left_words, V.shift_right_words
add_saturating_words, any_words = V.add_saturating_words, V.any_words
multiply_views, multiply_high_words, nonzero_words = V.multiply_views, V.multiply_high_words, V.nonzero_words
or_words = V.or_words
lowest_bit, clear_lowest_bit, count_bits = V.lowest_bit, V.clear_lowest_bit, V.count_bits
load_sums, store_sums, splat_sums, zero_sums = V.load_sums, V.store_sums, V.splat_sums, V.zero_sums
add_sums, subtract_sums, multiply_sums, and_sums = V.add_sums, V.subtract_sums, V.multiply_sums, V.and_sums
min_sums, max_sums, differ_sums = V.min_sums, V.max_sums, V.differ_sums
shift_left_sums, shift_right_sums, total_sums = V.shift_left_sums, V.shift_right_sums, V.total_sums
largest_word, look_up_words = V.largest_word, V.look_up_words
widen_words, narrow_sums = V.widen_words, V.narrow_sums

H = vector_operations(LANE)
load_half, shift_right_half, multiply_rows = H.load_words, H.shift_right_words, H.multiply_rows
zero_half, add_half, store_half = H.zero_sums, H.add_sums, H.store_sums


@inlined
def highest_factor(k, layers, inputs):  # type: ignore[no-untyped-def]
    """Return a bound of the absolute factors of layer k."""
    return np.int64(inputs.words[0, layers[0, t.N_IN]]) if k == 0 else np.int64(127)


@inlined
def part_of(k, layers, inputs):  # type: ignore[no-untyped-def]
    """Return how many events of layer k may be summed in 16 bits: their largest |factor * view| fit."""
    largest = highest_factor(k, layers, inputs)
    return np.uint64((RAIL >> (15 - layers[k, t.VIEW_SHIFT])) // largest)


@inlined
def sum_half(matrix, inputs, first, last, column, shift):  # type: ignore[no-untyped-def]
    """Return the pre-activations of half a tile, where products of factors and views take 32 bits."""
    sums, e, one = zero_half(), first, np.uint64(1)
    while e + one < last:
        a = shift_right_half(load_half(matrix, inputs.rows[e], column), shift)
        b = shift_right_half(load_half(matrix, inputs.rows[e + one], column), shift)
        sums = add_half(sums, multiply_rows(a, b, inputs.factors[e], inputs.factors[e + one]))
        e += one + one
    if e < last:
        a = shift_right_half(load_half(matrix, inputs.rows[e], column), shift)
        sums = add_half(sums, multiply_rows(a, a, inputs.factors[e], np.int16(0)))
    return sums


@inlined
def sum_tile(matrix, inputs, i, column, shift, part, octets, ones, work):  # type: ignore[no-untyped-def]
    """Return the pre-activations of a tile for sample i: sums of factor * (word >> shift).

    part : events that fit 16 bits, or 0; octets : whether views and factors are bytes, without sign;
    ones : whether all factors are 1
    """
    sample, one = inputs.order[i], np.uint64(1)
    e, last = np.uint64(inputs.starts[sample]), np.uint64(inputs.starts[sample + 1])
    if part == 0:
        for half in range(0, TILE, LANE):  # sums and views of a whole tile would not fit the registers of AVX2
            store_half(work.sums, 1, half, sum_half(matrix, inputs, e, last, column + half, shift))
        return load_sums(work.sums, 1, 0)
    sums = zero_sums()
    while e < last:
        end = min(e + part, last)
        words = zero_words()
        if ones:
            while e < end:
                words = add_words(words, shift_right_words(load_words(matrix, inputs.rows[e], column), shift))
                e += one
        elif octets:
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
    if layers[k, t.ALIGN] > 0:  # a shift under a condition would be one per lane
        words = multiply_words(words, splat_words(np.int16(1 << layers[k, t.ALIGN])))
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
def count_level(inputs, first, last, level):  # type: ignore[no-untyped-def]
    """Return how many events from first to last - 1 have a level."""
    found = np.int64(0)
    for e in range(first, last):
        found += inputs.factors[e] == level
    return found


@inlined
def add_counted(matrix, row, column, step):  # type: ignore[no-untyped-def]
    """Add a step to the words of a tile in a row; return how many sums left the range of a word."""
    word = load_words(matrix, row, column)
    result = add_saturating_words(word, step)
    store_words(matrix, row, column, result)
    lost = xor_words(add_words(word, step), result)
    if any_words(lost):  # seldom: exact sums and results are the same
        return count_bits(nonzero_words(lost))
    return np.int64(0)


@inlined
def places_of(factor, d, k, shift, layers):  # type: ignore[no-untyped-def]
    """Return by how many bits d and factors are shifted to the left so that their steps are products rounded at bit 15.

    rn(factor * d, shift) = (2^a d 2^b factor + 2^14) >> 15 with a + b = 15 - shift, where both operands fit 16 bits.
    b is negative where they do not, or where steps are cut or shifted afterwards. `factor` and `d` are the largest.
    """
    up, places = np.int64(0), 15 - shift
    while places > 0 and d << (up + 1) <= RAIL:
        up, places = up + 1, places - 1
    if layers[k, t.ALIGN] > 0 or shift > layers[k, t.NARROW_STEPS] or d > RAIL or factor << max(places, 0) > RAIL:
        places = np.int64(-1)
    return up, places


@inlined
def add_tile(matrix, inputs, i, column, deltas, k, shift, layers, up, places, safe, work):  # type: ignore[no-untyped-def]
    """Add the rounded outer product of the events of sample i and d to the words of a tile.

    up, places : of `places_of`; safe : whether no sum can leave the range of a word, so that none needs to be counted
    """
    sample = inputs.order[i]
    e, last = np.uint64(inputs.starts[sample]), np.uint64(inputs.starts[sample + 1])
    steps, narrow = work.words, shift <= layers[k, t.NARROW_STEPS]
    saturations, cuts = np.int64(0), np.int64(0)
    present = np.uint64(inputs.present[sample])
    if layers[k, t.LEARNS] == t.BIASES:  # the last event
        e = last - np.uint64(1)
        present = np.uint64(1) << np.uint64(inputs.factors[e] & 31)
    if narrow and layers[k, t.KEEPS_LEVELS] and clear_lowest_bit(present) == 0:
        # one level, as of 1-bit inputs: its steps stay in registers
        step = round_tile(deltas, lowest_bit(present), k, shift, layers)
        while safe and e < last:
            row = inputs.rows[e]
            store_words(matrix, row, column, add_saturating_words(load_words(matrix, row, column), step))
            e += np.uint64(1)
        while e < last:
            saturations += add_counted(matrix, inputs.rows[e], column, step)
            e += np.uint64(1)
    elif places >= 0:
        minus = shift_left_words(subtract_words(zero_words(), deltas), np.int16(up))
        while safe and e < last:
            row, factor = inputs.rows[e], shift_left_words(splat_words(inputs.factors[e]), np.int16(places))
            word = load_words(matrix, row, column)
            store_words(matrix, row, column, add_saturating_words(word, multiply_high_words(minus, factor)))
            e += np.uint64(1)
        while e < last:
            factor = shift_left_words(splat_words(inputs.factors[e]), np.int16(places))
            saturations += add_counted(matrix, inputs.rows[e], column, multiply_high_words(minus, factor))
            e += np.uint64(1)
    elif layers[k, t.KEEPS_LEVELS]:  # events of one level share their steps
        left = present
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
                    cuts -= lost * count_level(inputs, e, last, level)
        while safe and e < last:
            row, slot = inputs.rows[e], inputs.factors[e]
            word = load_words(matrix, row, column)
            store_words(matrix, row, column, add_saturating_words(word, load_words(steps, slot, 0)))
            e += np.uint64(1)
        while e < last:
            saturations += add_counted(matrix, inputs.rows[e], column, load_words(steps, inputs.factors[e], 0))
            e += np.uint64(1)
    largest = largest_word(max_words(deltas, subtract_words(zero_words(), deltas)))
    up, half = max(-shift, 0), (1 << max(shift, 0)) >> 1
    limit = min(layers[k, t.STEP_MAX], 32767 - half) if shift <= 15 else np.int64(-1)
    all_cut = zero_sums()
    while e < last:
        row, product = inputs.rows[e], largest * abs(np.int64(inputs.factors[e]))
        if product >= half and product > 0:  # otherwise every step of the row is zero
            if product << up <= limit:
                step = round_tile(deltas, inputs.factors[e], k, shift, layers)
            else:
                step, cut = round_tile_wide(deltas, inputs.factors[e], k, shift, layers)
                all_cut = add_sums(all_cut, cut)
            if safe:
                store_words(matrix, row, column, add_saturating_words(load_words(matrix, row, column), step))
            else:
                saturations += add_counted(matrix, row, column, step)
        e += np.uint64(1)
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
    ones = k == 0 and net[t.SIGNED_INPUTS] == 0 and inputs.words[0, layers[0, t.N_IN]] == 1
    targets, signs = layers[k, t.SIGNAL] == t.SIGNAL_TARGET, layers[k, t.SIGNAL] == t.SIGNAL_SIGNED_TARGET
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
    highest = highest_factor(k, layers, inputs)
    reach = min((m * 127 + 64) >> 7, delta_max)
    longest = largest_step(highest, reach, k, step_shift, layers)
    up, places = places_of(highest, reach, k, step_shift, layers)
    for tile in range(first, last):
        column = tile * TILE
        valid = np.int64(min(n_out - column, TILE))
        for j in range(TILE):
            lookup[KEPT, j] = -1 if j < valid else 0
            lookup[ALWAYS, j] = one if j == valid else 0
        matrix, place = whole, column
        copied = labels.shape[0] >= RESCAN
        if copied:  # rows side by side: fewer pages, and no two of them in one set of the cache
            matrix, column = work.tile[: whole.shape[0]], 0
            for r in range(whole.shape[0]):
                store_words(matrix, r, 0, load_words(whole, r, place))
        bound, next_scan = np.int64(RAIL), np.int64(0 if copied else RAIL)
        row_sums = zero_sums()
        if signs:
            for c in range(n_classes):
                row_sums = add_sums(row_sums, widen_words(load_words(fixed, c, place)))
        for i in range(labels.shape[0]):
            # stores take effect in their order: one that waits for its line would hold up those of the words
            ahead = min(i + AHEAD, above.shape[0] - 1)
            if tile == first:  # lists of a data set are not in the cache, and samples come in any order
                sample = inputs.order[min(i + AHEAD, labels.shape[0] - 1)]
                for e in range(inputs.starts[sample], inputs.starts[sample + 1], 16):
                    expect_entry(inputs.rows, e)
                    expect_entry(inputs.factors, e)
            expect_words(above, ahead, place)
            expect_words(above, ahead, place + TILE // 2)
            sums = sum_tile(matrix, inputs, i, column, shift, part, octets, ones, work)
            if bits < 32:
                sums, lost = wrap_tile(sums, bits, place, n_out, every)
                work.counts[k, OVERFLOWS, i] += lost
            store_words(lookup, BATCH, 0, index_tile(sums, layers[k, t.SUM_SHIFT]))
            entries = look_up_words(tables, k, lookup, BATCH)
            if valid < TILE:
                entries = or_words(and_words(entries, load_words(lookup, KEPT, 0)), load_words(lookup, ALWAYS, 0))
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
                    bound = largest_in_tile(matrix, column) + longest
                    next_scan = np.int64(i + (RESCAN if bound <= RAIL else 4 * RESCAN))  # words seldom leave a rail
                add_tile(matrix, inputs, i, column, deltas, k, step_shift, layers, up, places, bound <= RAIL, work)
        if copied:
            for r in range(whole.shape[0]):
                store_words(whole, r, place, load_words(matrix, r, 0))


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
    ones = k == 0 and net[t.SIGNED_INPUTS] == 0 and inputs.words[0, layers[0, t.N_IN]] == 1
    step_shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
    up, places = places_of(highest_factor(k, layers, inputs), np.int64(255), k, step_shift, layers)
    for i in range(labels.shape[0]):
        for column in range(0, width, TILE):
            store_sums(work.sums, 0, column, sum_tile(matrix, inputs, i, column, shift, part, octets, ones, work))
        active = score(i, first + i, labels[i], net, layers, tables, work, answers)
        if active > 0 and layers[k, t.LEARNS]:
            for column in range(0, width, TILE):
                deltas = load_words(work.deltas, 0, column)
                add_tile(matrix, inputs, i, column, deltas, k, step_shift, layers, up, places, False, work)
