"""Layers whose rows are neurons, a few rows at a time: blocks of samples, see `edgelearn.network.kernels.blocks`."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, kernel
from edgelearn.fixedpoint.records import matrix_at
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import LANE
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
    wrapped,
)
from edgelearn.network.kernels.update import add_step

ROWS = 5  # neurons that one load of the inputs serves

V = vector_operations(LANE)
load_words, store_words, splat_words, zero_words = V.load_words, V.store_words, V.splat_words, V.zero_words
add_words, multiply_words, xor_words = V.add_words, V.multiply_words, V.xor_words
min_words, max_words = V.min_words, V.max_words
shift_left_words, shift_right_words = V.shift_left_words, V.shift_right_words
add_saturating_words, equal_words, total_words = V.add_saturating_words, V.equal_words, V.total_words
largest_word, zero_pairs, add_pairs, total_pairs = V.largest_word, V.zero_pairs, V.add_pairs, V.total_pairs
splat_sums, zero_sums, add_sums, multiply_sums = V.splat_sums, V.zero_sums, V.add_sums, V.multiply_sums
min_sums, max_sums, differ_sums, total_sums = V.min_sums, V.max_sums, V.differ_sums, V.total_sums
shift_left_sums, shift_right_sums = V.shift_left_sums, V.shift_right_sums
widen_words, narrow_sums, multiply_high_words = V.widen_words, V.narrow_sums, V.multiply_high_words


@inlined
def sum_rows(matrix, words, i, row, end, columns, shift, sums):  # type: ignore[no-untyped-def]
    """Write the dot products of a sample and ROWS rows to sums[0, row ...]; those from `end` on are not needed."""
    a, b, c, d = min(row + 1, end - 1), min(row + 2, end - 1), min(row + 3, end - 1), min(row + 4, end - 1)
    pairs, pairs_a, pairs_b, pairs_c, pairs_d = zero_pairs(), zero_pairs(), zero_pairs(), zero_pairs(), zero_pairs()
    for j in range(0, columns, LANE):
        x = load_words(words, i, j)
        pairs = add_pairs(pairs, x, shift_right_words(load_words(matrix, row, j), shift))
        pairs_a = add_pairs(pairs_a, x, shift_right_words(load_words(matrix, a, j), shift))
        pairs_b = add_pairs(pairs_b, x, shift_right_words(load_words(matrix, b, j), shift))
        pairs_c = add_pairs(pairs_c, x, shift_right_words(load_words(matrix, c, j), shift))
        pairs_d = add_pairs(pairs_d, x, shift_right_words(load_words(matrix, d, j), shift))
    sums[0, d] = total_pairs(pairs_d)
    sums[0, c] = total_pairs(pairs_c)
    sums[0, b] = total_pairs(pairs_b)
    sums[0, a] = total_pairs(pairs_a)
    sums[0, row] = total_pairs(pairs)


@inlined
def largest_in_row(matrix, row, columns):  # type: ignore[no-untyped-def]
    """Return a bound of the absolute words of a row."""
    high, low = zero_words(), zero_words()
    for j in range(0, columns, LANE):
        words = load_words(matrix, row, j)
        high, low = max_words(high, words), min_words(low, words)
    return largest_word(max_words(high, xor_words(low, splat_words(np.int16(-1)))))


@inlined
def add_row(matrix, inputs, i, row, factor, columns, k, shift, layers, floors, work):  # type: ignore[no-untyped-def]
    """Add the rounded steps of one neuron, whose d is `factor`, to its words."""
    words, align, half = inputs.words, layers[k, t.ALIGN], (np.int64(1) << max(shift, 0)) >> 1
    if layers[k, t.LEARNS] == t.BIASES:
        place = layers[k, t.N_IN]
        product, limit = -factor * np.int64(words[i, place]), layers[k, t.STEP_MAX]
        saturated, cut = add_step(matrix, row, place, rounded(product, shift), limit, align)
        work.totals[k, SATURATIONS] += saturated
        work.totals[k, CUTS] += cut
        return
    largest = np.int64(255) if k == 0 else np.int64(127)  # input levels take a byte, activations seven bits
    longest = largest_step(largest, abs(factor), k, shift, layers)
    if abs(factor) * largest < half and not layers[k, t.HAS_FLOOR]:
        return  # all steps are zero
    if shift <= layers[k, t.NARROW_STEPS] and not layers[k, t.HAS_FLOOR]:
        minus, half_words = splat_words(np.int16(-factor << max(-shift, 0))), splat_words(np.int16(half))
        scale, down = splat_words(np.int16(1 << align)), np.int16(max(shift, 0))
        bound = work.bounds[0, row] + longest
        if bound > RAIL and i >= work.bounds[1, row]:
            bound = largest_in_row(matrix, row, columns) + longest
            work.bounds[1, row] = i + RESCAN
        work.bounds[0, row] = bound
        if bound <= RAIL:  # no sum can leave the range of a word
            place = 15 - shift  # where a product is rounded: factor takes what it has room for, inputs the rest
            while place > 0 and abs(factor) << place > RAIL:
                place -= 1
            rest = 15 - shift - place
            if align > 0 or place < 0 or abs(factor) << place > RAIL or largest << rest > RAIL:
                for j in range(0, columns, LANE):
                    value = shift_right_words(
                        add_words(multiply_words(minus, load_words(words, i, j)), half_words), down
                    )
                    step = multiply_words(value, scale)  # a shift under a condition would be one per lane
                    store_words(matrix, row, j, add_saturating_words(load_words(matrix, row, j), step))
                return
            minus = splat_words(np.int16(-factor << place))
            if rest == 0:
                for j in range(0, columns, LANE):
                    step = multiply_high_words(load_words(words, i, j), minus)
                    store_words(matrix, row, j, add_saturating_words(load_words(matrix, row, j), step))
                return
            for j in range(0, columns, LANE):
                step = multiply_high_words(shift_left_words(load_words(words, i, j), np.int16(rest)), minus)
                store_words(matrix, row, j, add_saturating_words(load_words(matrix, row, j), step))
            return
        equal = zero_words()
        for j in range(0, columns, LANE):
            step = shift_right_words(add_words(multiply_words(minus, load_words(words, i, j)), half_words), down)
            step = multiply_words(step, scale)
            word = load_words(matrix, row, j)
            result = add_saturating_words(word, step)
            equal = add_words(equal, equal_words(add_words(word, step), result))
            store_words(matrix, row, j, result)
    else:
        minus_wide, half_wide = splat_sums(np.int32(-factor)), splat_sums(np.int32(half))
        high, low = splat_sums(np.int32(layers[k, t.STEP_MAX])), splat_sums(np.int32(-layers[k, t.STEP_MAX]))
        equal, all_cut = zero_words(), zero_sums()
        for j in range(0, columns, LANE):
            sums = multiply_sums(minus_wide, widen_words(load_words(words, i, j)))
            sums = shift_left_sums(sums, np.int32(max(-shift, 0)))
            sums = shift_right_sums(add_sums(sums, half_wide), np.int32(max(shift, 0)))
            kept = max_sums(min_sums(sums, high), low)
            all_cut = add_sums(all_cut, differ_sums(sums, kept))
            step = shift_left_words(narrow_sums(kept), np.int16(align))
            word = load_words(matrix, row, j)
            result = max_words(add_saturating_words(word, step), load_words(floors, k, j))
            equal = add_words(equal, equal_words(add_words(word, step), result))
            store_words(matrix, row, j, result)
        work.totals[k, CUTS] -= np.int64(total_sums(all_cut))
    work.totals[k, SATURATIONS] += columns + total_words(equal)


@kernel
def learn_hidden_neurons(k, first, last, labels, net, layers, weights, feedback, floors, inputs, above, tables, work):  # type: ignore[no-untyped-def]
    """Take neurons first to last - 1 of hidden layer k, whose rows are neurons, through the samples of a block.

    Parameters are those of `tiles.learn_hidden_events`; floors : of `Arrays`
    """
    output, bits = layers.shape[0] - 1, net[t.ACCUMULATOR_BITS]
    shift, n_classes = np.int16(layers[k, t.VIEW_SHIFT]), layers[output, t.N_OUT]
    matrix = matrix_at(weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    columns = -(-(layers[k, t.N_IN] + 1) // LANE) * LANE
    targets, signs = layers[k, t.SIGNAL] == t.SIGNAL_TARGET, layers[k, t.SIGNAL] == t.SIGNAL_SIGNED_TARGET
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

    Parameters are those of `tiles.learn_output_events`; floors : of `Arrays`
    """
    k = layers.shape[0] - 1
    n, shift = layers[k, t.N_OUT], np.int16(layers[k, t.VIEW_SHIFT])
    matrix = matrix_at(weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    columns = -(-(layers[k, t.N_IN] + 1) // LANE) * LANE
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
