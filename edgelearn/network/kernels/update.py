"""The update: an outer product of two factors, rounded to steps and added to the stored words.

A row of the weight matrix is an input (event-major) or a neuron; either way a row has one factor and each of
its words another, so one set of loops serves both layouts.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import (
    add16,
    add32,
    differs32,
    inlined,
    leaf,
    max32,
    min32,
    mul16,
    mul32,
    narrow16,
    shl16,
    shl32,
    shr16,
    shr32,
    widen32,
)
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels.arrays import KEYS, LANE

V = vector_operations(LANE)
load_words, store_words, splat_words, zero_words, add_words, subtract_words, multiply_words, max_words, and_words = (
    V.load_words, V.store_words, V.splat_words, V.zero_words, V.add_words, V.subtract_words, V.multiply_words,
    V.max_words, V.and_words,
)  # fmt: skip
shift_left_words, shift_right_words, add_saturating_words, equal_words, total_words, largest_word, widen_words = (
    V.shift_left_words, V.shift_right_words, V.add_saturating_words, V.equal_words, V.total_words, V.largest_word,
    V.widen_words,
)  # fmt: skip
zero_sums, splat_sums, add_sums, multiply_sums, min_sums, max_sums, shift_left_sums, shift_right_sums = (
    V.zero_sums, V.splat_sums, V.add_sums, V.multiply_sums, V.min_sums, V.max_sums, V.shift_left_sums,
    V.shift_right_sums,
)  # fmt: skip
differ_sums, narrow_sums, total_sums = V.differ_sums, V.narrow_sums, V.total_sums
load_bytes, store_bytes, below_bytes, xor_bytes, splat_fours, narrow_words, multiply_high_words = (
    V.load_bytes, V.store_bytes, V.below_bytes, V.xor_bytes, V.splat_fours, V.narrow_words, V.multiply_high_words
)  # fmt: skip


@leaf
def round_steps(factors, k, factor, n, shift, limit, align, steps, slot):  # type: ignore[no-untyped-def]
    """Write steps[slot, j] = sat(rn(-factor * factors[k, j], shift), -limit, limit) << align; return how many were cut.

    Parameters
    ----------
    factors : int16[layers, width], row k is read; factor : int, of the row the steps are for
    shift : int, k of the contract, may be negative; limit : int, S of the contract
    steps : int16[BATCH, width], left-aligned
    """
    minus = np.int32(-factor)
    high, low = np.int32(limit), np.int32(-limit)
    left, up, down = np.int32(align), np.int32(max(-shift, 0)), np.int32(max(shift, 0))
    half = np.int32((1 << max(shift, 0)) >> 1)
    cut = np.int32(0)
    for j in range(n):
        v = shr32(add32(shl32(mul32(minus, widen32(factors[k, j])), up), half), down)
        step = max32(min32(v, high), low)
        cut = add32(cut, differs32(v, step))
        steps[slot, j] = narrow16(shl32(step, left))
    return np.int64(cut)


@leaf
def split_steps(factors, k, factor, n, shift, limit, align, steps, fractions, slot):  # type: ignore[no-untyped-def]
    """Write whole steps (left-aligned) and their 8 fraction bits; return how many were cut.

    The step with fraction is V = sat(rn(-factor * factors[k, j], shift), -256 limit, 256 limit).
    """
    minus = np.int32(-factor)
    high, low = np.int32(limit * 256), np.int32(-limit * 256)
    left, up, down = np.int32(align), np.int32(max(-shift, 0)), np.int32(max(shift, 0))
    half, eight = np.int32((1 << max(shift, 0)) >> 1), np.int32(8)
    cut = np.int32(0)
    for j in range(n):
        v = shr32(add32(shl32(mul32(minus, widen32(factors[k, j])), up), half), down)
        step = max32(min32(v, high), low)
        cut = add32(cut, differs32(v, step))
        steps[slot, j] = narrow16(shl32(shr32(step, eight), left))
        fractions[slot, j] = np.uint8(step & 255)
    return np.int64(cut)


@leaf
def split_steps_narrow(factors, k, factor, n, shift, align, steps, fractions, slot):  # type: ignore[no-untyped-def]
    """Do what `split_steps` does where every intermediate fits 16 bits and no step can be cut; n : whole vectors."""
    minus, down = splat_words(np.int16(-factor << max(-shift, 0))), np.int16(max(shift, 0))
    half = splat_words(np.int16((1 << max(shift, 0)) >> 1))
    for j in range(0, n, LANE):
        value = shift_right_words(add_words(multiply_words(load_words(factors, k, j), minus), half), down)
        store_words(steps, slot, j, shift_left_words(shift_right_words(value, np.int16(8)), np.int16(align)))
        store_bytes(fractions, slot, j, narrow_words(value))


@leaf
def round_steps_narrow(factors, k, factor, n, shift, align, steps, slot):  # type: ignore[no-untyped-def]
    """Do what `round_steps` does where every intermediate fits 16 bits and no step can be cut."""
    minus = np.int16(-factor)
    left, up, down = np.int16(align), np.int16(max(-shift, 0)), np.int16(max(shift, 0))
    half = np.int16((1 << max(shift, 0)) >> 1)
    for j in range(n):
        v = shr16(add16(shl16(mul16(minus, factors[k, j]), up), half), down)
        steps[slot, j] = shl16(v, left)


@leaf
def share_slots(rows, factors, k, n_rows, slots):  # type: ignore[no-untyped-def]
    """Give each row the slot of its factor, one of a few levels; return which levels occur, bit l for level l."""
    present = np.int64(0)
    for e in range(n_rows):
        level = np.int64(factors[k, rows[k, e]])
        slots[0, e] = level
        present |= np.int64(1) << level
    return present


@leaf
def count_cuts(slots, n_rows):  # type: ignore[no-untyped-def]
    """Return how many steps of all rows were cut, a row having those of its slot."""
    cuts = np.int64(0)
    for e in range(n_rows):
        cuts += slots[1, slots[0, e]]
    return cuts


@leaf
def add_rows(matrix, columns, rows, k, first, last, slots, steps):  # type: ignore[no-untyped-def]
    """Add steps to rows of stored words; return how many sums left the range of the word.

    Row rows[k, e] takes the steps of slot slots[0, e], e = first .. last - 1.
    """
    fits = np.int64(0)
    e = first
    while e + 2 <= last:  # two rows a pass hide the latency of each other's loads
        a, b, slot_a, slot_b, equal = rows[k, e], rows[k, e + 1], slots[0, e], slots[0, e + 1], zero_words()
        for j in range(0, columns, LANE):
            word_a, step_a = load_words(matrix, a, j), load_words(steps, slot_a, j)
            word_b, step_b = load_words(matrix, b, j), load_words(steps, slot_b, j)
            result_a, result_b = add_saturating_words(word_a, step_a), add_saturating_words(word_b, step_b)
            equal = add_words(equal, equal_words(add_words(word_a, step_a), result_a))
            equal = add_words(equal, equal_words(add_words(word_b, step_b), result_b))
            store_words(matrix, a, j, result_a)
            store_words(matrix, b, j, result_b)
        fits -= total_words(equal)  # -1 for each sum that fits
        e += 2
    if e < last:
        a, slot_a, equal = rows[k, e], slots[0, e], zero_words()
        for j in range(0, columns, LANE):
            word_a, step_a = load_words(matrix, a, j), load_words(steps, slot_a, j)
            result_a = add_saturating_words(word_a, step_a)
            equal = add_words(equal, equal_words(add_words(word_a, step_a), result_a))
            store_words(matrix, a, j, result_a)
        fits -= total_words(equal)
    return (last - first) * columns - fits


@leaf
def largest_magnitude(values, k, n):  # type: ignore[no-untyped-def]
    """Return the largest magnitude of the first n values, n a multiple of LANE; none is -32768."""
    largest = zero_words()
    for j in range(0, n, LANE):
        value = load_words(values, k, j)
        largest = max_words(largest, max_words(value, subtract_words(zero_words(), value)))
    return largest_word(largest)


@inlined
def fits_words(product, shift, limit):  # type: ignore[no-untyped-def]
    """Return whether steps up to a product before the shift are rounded in 16 bits, none of them cut."""
    return shift <= 15 and (product << max(-shift, 0)) <= min(limit, 32767 - ((1 << max(shift, 0)) >> 1))


@leaf
def add_products(matrix, columns, rows, k, n_rows, row_factors, factors, shift, limit, align):  # type: ignore[no-untyped-def]
    """Add the rounded steps of each row to its words; return how many sums left the range and how many steps were cut.

    Does what `round_steps` and `add_rows` do where no rows share their steps, without a place for these.

    Parameters
    ----------
    matrix : int16[n, stride], changed; columns : of a row that are in use, whole vectors
    rows : int64[layers, width], indices of the n_rows rows
    row_factors : int16[layers, width], read at the same indices
    factors : int16[layers, width], one per column; shift, limit, align : see `round_steps`
    """
    largest = largest_magnitude(factors, k, columns)
    up, down = max(-shift, 0), max(shift, 0)
    half = (1 << down) >> 1
    saturations, cuts = np.int64(0), np.int64(0)
    equal, counted = zero_words(), np.int64(0)  # counts of a lane, whose sum over lanes takes long
    for e in range(n_rows):
        row = rows[k, e]
        factor = np.int64(row_factors[k, row])
        product = largest * abs(factor)
        if product < half or product == 0:  # every step of the row is zero
            continue
        counted += columns // LANE
        if counted > 32767:
            saturations += total_words(equal)
            equal, counted = zero_words(), columns // LANE
        if fits_words(product, shift, limit):
            minus = splat_words(np.int16(-factor << up))
            for j in range(0, columns, LANE):
                step = add_words(multiply_words(load_words(factors, k, j), minus), splat_words(np.int16(half)))
                step = shift_left_words(shift_right_words(step, np.int16(down)), np.int16(align))
                word = load_words(matrix, row, j)
                result = add_saturating_words(word, step)
                equal = add_words(equal, equal_words(add_words(word, step), result))
                store_words(matrix, row, j, result)
        elif 0 < shift <= 15 and abs(factor) << (15 - shift) <= 32767 and (product + half) >> shift <= limit:
            scaled = splat_words(np.int16(-factor << (15 - down)))  # the high half of a product of words is rn(x d, 15)
            for j in range(0, columns, LANE):
                step = shift_left_words(multiply_high_words(load_words(factors, k, j), scaled), np.int16(align))
                word = load_words(matrix, row, j)
                result = add_saturating_words(word, step)
                equal = add_words(equal, equal_words(add_words(word, step), result))
                store_words(matrix, row, j, result)
        else:
            minus_cut, minus = zero_sums(), splat_sums(np.int32(-factor))
            for j in range(0, columns, LANE):
                value = shift_left_sums(multiply_sums(widen_words(load_words(factors, k, j)), minus), np.int32(up))
                value = shift_right_sums(add_sums(value, splat_sums(np.int32(half))), np.int32(down))
                within = max_sums(min_sums(value, splat_sums(np.int32(limit))), splat_sums(np.int32(-limit)))
                minus_cut = add_sums(minus_cut, differ_sums(value, within))
                step = narrow_sums(shift_left_sums(within, np.int32(align)))
                word = load_words(matrix, row, j)
                result = add_saturating_words(word, step)
                equal = add_words(equal, equal_words(add_words(word, step), result))
                store_words(matrix, row, j, result)
            cuts -= total_sums(minus_cut)
        saturations += columns
    return saturations + total_words(equal), cuts


@leaf
def add_rows_bounded(matrix, columns, rows, k, first, last, slots, steps, floors):  # type: ignore[no-untyped-def]
    """Do what `add_rows` does for words with a floor."""
    fits = np.int64(0)
    for e in range(first, last):
        row, slot, equal = rows[k, e], slots[0, e], zero_words()
        for j in range(0, columns, LANE):
            word, step = load_words(matrix, row, j), load_words(steps, slot, j)
            result = max_words(add_saturating_words(word, step), load_words(floors, k, j))
            equal = add_words(equal, equal_words(add_words(word, step), result))
            store_words(matrix, row, j, result)
        fits -= total_words(equal)
    return (last - first) * columns - fits


@leaf
def add_rows_stochastic(matrix, columns, rows, k, first, last, arrays, lsb, event_major):  # type: ignore[no-untyped-def]
    """Add steps and the carries of their fractions to rows with a floor; return how many sums left the range.

    The random byte of neuron j for an input is byte (j mod 4) of the input's draw, xor the key of j. A row is of an
    input, with all keys in `random`, or of a neuron, with that byte of all draws there.
    """
    slots, steps, fractions = arrays.slots, arrays.steps, arrays.fractions
    random, floors = arrays.random, arrays.floors
    fits = np.int64(0)
    for e in range(first, last):
        row, slot, equal = rows[k, e], slots[0, e], zero_words()
        if event_major:
            source, word_of_row = np.int64(KEYS), np.uint32(arrays.draws[e])
        else:
            source, word_of_row = np.int64(row & 3), np.uint32(np.uint32(arrays.keys[row]) * np.uint32(0x01010101))
        constant = splat_fours(word_of_row)
        for j in range(0, columns, LANE):
            word = load_words(matrix, row, j)
            byte = xor_bytes(load_bytes(random, source, j), constant)
            carries = below_bytes(byte, load_bytes(fractions, slot, j))
            step = add_words(load_words(steps, slot, j), and_words(carries, splat_words(lsb)))
            result = max_words(add_saturating_words(word, step), load_words(floors, k, j))
            equal = add_words(equal, equal_words(add_words(word, step), result))
            store_words(matrix, row, j, result)
        fits -= total_words(equal)
    return (last - first) * columns - fits


@inlined
def add_step(matrix, row, column, step, limit, align):  # type: ignore[no-untyped-def]
    """Add one rounded step to one word without a floor; return whether the sum left the range, and the step was cut."""
    kept = min(max(step, -limit), limit)
    word = np.int64(matrix[row, column]) + (kept << align)
    matrix[row, column] = min(max(word, -32768), 32767)
    return np.int64(word < -32768 or word > 32767), np.int64(kept != step)


@leaf
def add_biases(matrix, k, place, n_out, event_major, one, factors, shift, limit, align, arrays, stochastic):  # type: ignore[no-untyped-def]
    """Add the rounded steps of the input that is always on; return how many sums left the range and steps were cut.

    Parameters
    ----------
    place : the index of that input; one : its level
    factors : int16[layers, width], row k is read; shift, limit, align : see `round_steps`, or `split_steps`
    stochastic : whether the first of `arrays.draws` rounds the steps
    """
    up, down = max(-shift, 0), max(shift, 0)
    half = (np.int64(1) << down) >> 1
    saturations, cuts = np.int64(0), np.int64(0)
    for j in range(n_out):
        step = ((-one * np.int64(factors[k, j]) << up) + half) >> down
        if stochastic:
            kept = min(max(step, -256 * limit), 256 * limit)
            cuts += kept != step
            byte = (np.int64(arrays.draws[0]) >> (8 * (j & 3)) & 255) ^ np.int64(arrays.keys[j])
            step = (kept >> 8) + (byte < (kept & 255))
        row, column = (place, j) if event_major else (j, place)
        saturated, cut = add_step(matrix, row, column, step, limit, align)
        saturations += saturated
        cuts += cut
    return saturations, cuts


@leaf
def draw(generator, n, draws):  # type: ignore[no-untyped-def]
    """Write n draws of xorshift32 (13, 17, 5) and keep the state."""
    s = generator[0]
    for e in range(n):
        s = np.uint32(s ^ np.uint32(s << np.uint32(13)))
        s = np.uint32(s ^ np.uint32(s >> np.uint32(17)))
        s = np.uint32(s ^ np.uint32(s << np.uint32(5)))
        draws[e] = s
    generator[0] = s


@leaf
def spread_draws(draws, events, k, n_events, random):  # type: ignore[no-untyped-def]
    """Write the four bytes of the draw of each input that has an event, and of the bias; others do not matter."""
    for e in range(n_events + 1):
        column = events[k, e]
        for byte in range(4):
            random[byte, column] = np.uint8((draws[e] >> np.uint32(8 * byte)) & np.uint32(255))
