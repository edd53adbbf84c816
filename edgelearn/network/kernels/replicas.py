"""Replicas of a network with one narrow hidden layer, side by side in vectors: see `edgelearn.network.replicas`.

A unit holds the hidden neurons of one replica, or of two that take samples in the same order: half a tile each. Their
output layers take samples after them, all replicas at once: the words of an output are pairs of inputs of one replica
after another, so that lanes stand for replicas. All words, predictions and counts are those of single networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.fixedpoint.lanes import kernel, leaf
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import CHUNK, LANE, LANES, PLACES, REPLICAS, SHIFTED, SLOT, TILE
from edgelearn.network.kernels.blocks import LEARNED, RAIL, add_to_tally, count_tally

AHEAD = 2  # samples

P, Q = vector_operations(LANES), vector_operations(REPLICAS)
load_words, store_words, splat_words, zero_words = P.load_words, P.store_words, P.splat_words, P.zero_words
add_words, multiply_words, shift_right_words = P.add_words, P.multiply_words, P.shift_right_words
add_saturating_words, differ_words, multiply_high_words = P.add_saturating_words, P.differ_words, P.multiply_high_words
zero_pairs, add_pairs, widen_words = P.zero_pairs, P.add_pairs, P.widen_words
load_wide, store_wide, add_wide = P.load_sums, P.store_sums, P.add_sums
load_sums, store_sums, splat_sums, zero_sums = Q.load_sums, Q.store_sums, Q.splat_sums, Q.zero_sums
add_sums, min_sums, max_sums, and_sums, or_sums = Q.add_sums, Q.min_sums, Q.max_sums, Q.and_sums, Q.or_sums
xor_sums, below_sums, equal_sums, shift_right_sums = Q.xor_sums, Q.below_sums, Q.equal_sums, Q.shift_right_sums


@leaf
def add_lanes(lanes, totals):  # type: ignore[no-untyped-def]
    """Add the words of each replica in row 2 to its total."""
    for r in range(totals.shape[0]):
        for j in range(r * LANE, (r + 1) * LANE):
            totals[r] += lanes[2, j]


def _learner_of(width: int) -> Any:
    """Return the loop over samples for units of `width` lanes."""
    V = vector_operations(width)
    load_words, store_words, splat_words, zero_words = V.load_words, V.store_words, V.splat_words, V.zero_words
    add_words, multiply_words, and_words = V.add_words, V.multiply_words, V.and_words
    min_words, max_words, subtract_words = V.min_words, V.max_words, V.subtract_words
    shift_right_words, add_saturating_words = V.shift_right_words, V.add_saturating_words
    multiply_views_shifted, multiply_high_words = V.multiply_views_shifted, V.multiply_high_words
    nonzero_words = V.nonzero_words
    shift_left_words, count_bits, differ_words = V.shift_left_words, V.count_bits, V.differ_words
    zero_sums, add_sums, splat_sums, min_sums, max_sums = V.zero_sums, V.add_sums, V.splat_sums, V.min_sums, V.max_sums
    shift_right_sums, widen_words, narrow_sums = V.shift_right_sums, V.widen_words, V.narrow_sums
    look_up_words, expect_entry = V.look_up_words, V.expect_entry
    half = np.uint64(LANE)
    low = np.uint64((1 << LANE) - 1)

    @leaf
    def learn(begin, n, labels, order, layers, events, table, part, unit, pairs):  # type: ignore[no-untyped-def]
        words, modulators, lanes, above = unit.words, unit.modulators, unit.lanes, unit.above
        n_own = unit.tallies.shape[0]
        shift, sum_shift = np.int16(layers[0, t.VIEW_SHIFT]), np.int32(layers[0, t.SUM_SHIFT])
        sum_half = np.int32((1 << layers[0, t.SUM_SHIFT]) >> 1)
        shifted, chunk = unit.steps[SHIFTED] != 0, np.uint64(CHUNK)
        learns, delta_max = layers[0, t.SIGNAL] != t.SIGNAL_NONE, layers[0, t.DELTA_MAX]
        scale, kept = load_words(lanes, 0, 0), load_words(lanes, 1, 0)
        places, one = np.int16(unit.steps[PLACES]), np.uint64(1)
        lost, room = zero_words(), np.int64(0)  # saturations of each lane; how many there may be
        for i in range(n):
            sample = order[begin + min(i + AHEAD, n - 1)]
            for line in range(events.starts[sample], events.starts[sample + 1], LANE):
                expect_entry(events.rows, line)
                expect_entry(events.factors, line)
            sample = order[begin + i]
            first, last = np.uint64(events.starts[sample]), np.uint64(events.starts[sample + 1])
            sums, e = zero_sums(), first
            if shifted:
                while e + chunk <= last:
                    found = zero_words()
                    for _ in range(CHUNK):
                        word = load_words(words, events.rows[e], 0)
                        found = add_words(found, multiply_views_shifted(word, events.factors[e]))
                        e += one
                    sums = add_sums(sums, widen_words(found))
                found = zero_words()
                while e < last:
                    word = load_words(words, events.rows[e], 0)
                    found = add_words(found, multiply_views_shifted(word, events.factors[e]))
                    e += one
                sums = add_sums(sums, widen_words(found))
            while e < last:
                end = min(e + part, last)
                found = zero_words()
                while e < end:
                    views = shift_right_words(load_words(words, events.rows[e], 0), shift)
                    found = add_words(found, multiply_words(views, splat_words(events.factors[e])))
                    e += one
                sums = add_sums(sums, widen_words(found))
            q = shift_right_sums(add_sums(sums, splat_sums(sum_half)), sum_shift)
            q = max_sums(min_sums(q, splat_sums(np.int32(127))), splat_sums(np.int32(-128)))
            store_words(lanes, 2, 0, add_words(narrow_sums(q), splat_words(np.int16(128))))
            entries = and_words(look_up_words(table, 0, lanes, 2), kept)
            values = shift_right_words(entries, np.int16(8))
            store_words(above, i, 0, values)
            gates = and_words(entries, splat_words(np.int16(255)))
            open_gates, found = nonzero_words(gates), nonzero_words(values)
            label = labels[begin + i]
            learned = learns and label >= 0
            deltas = zero_words()
            if learned:
                shifted_gates = shift_left_words(gates, np.int16(7))
                deltas = multiply_high_words(load_words(modulators, label, 0), shifted_gates)
                if delta_max < RAIL:
                    deltas = min_words(deltas, splat_words(np.int16(delta_max)))
                    deltas = max_words(deltas, splat_words(np.int16(-delta_max)))
            active = nonzero_words(deltas)
            n_events = np.int64(last - first) - 1  # without the bias
            for r in range(n_own):
                unit.found[r, i] = count_bits(found & low)
                add_to_tally(unit.tallies[r], True, n_events, count_bits(open_gates & low), count_bits(active & low))
                open_gates, found, active = open_gates >> half, found >> half, active >> half
            if not learned:
                continue
            minus = multiply_words(subtract_words(zero_words(), deltas), scale)
            room += n_events + 1
            if room > RAIL:
                store_words(lanes, 2, 0, lost)
                add_lanes(lanes, unit.saturations)
                lost, room = zero_words(), n_events + 1
            e = first
            while shifted and e < last:
                row = events.rows[e]
                word, step = load_words(words, row, 0), multiply_high_words(minus, splat_words(events.factors[e]))
                result = add_saturating_words(word, step)
                store_words(words, row, 0, result)
                lost = subtract_words(lost, differ_words(add_words(word, step), result))
                e += one
            while e < last:
                row, factor = events.rows[e], shift_left_words(splat_words(events.factors[e]), places)
                word, step = load_words(words, row, 0), multiply_high_words(minus, factor)
                result = add_saturating_words(word, step)
                store_words(words, row, 0, result)
                lost = subtract_words(lost, differ_words(add_words(word, step), result))
                e += one
        store_words(lanes, 2, 0, lost)
        add_lanes(lanes, unit.saturations)
        n_pairs, slot = pairs.shape[1] // REPLICAS - 1, unit.steps[SLOT]
        for i in range(n):
            for r in range(n_own):
                for p in range(n_pairs):
                    pairs[i, p * REPLICAS + slot + r] = unit.pairs[i, r * (LANE // 2) + p]

    return learn


_learn_one, _learn_two = _learner_of(LANE), _learner_of(TILE)


@kernel
def learn_single(begin, n, labels, order, layers, events, table, part, unit, pairs):  # type: ignore[no-untyped-def]
    """Take the hidden neurons of one replica through a block of samples.

    Parameters
    ----------
    begin, n : the samples, begin to begin + n - 1
    labels : int64[...], NO_LABEL where a sample is only predicted
    order : int64[...], the row of each sample
    events : Events
    table : int16[K, 256], 256 y + g by q + 128, the event threshold applied
    part : events whose products fit 16 bits together
    unit : Unit
    pairs : of `Outputs`, written
    """
    _learn_one(begin, n, labels, order, layers, events, table, np.uint64(part), unit, pairs)


@kernel
def learn_pair(begin, n, labels, order, layers, events, table, part, unit, pairs):  # type: ignore[no-untyped-def]
    """Take the hidden neurons of two replicas through a block of samples; parameters are those of `learn_single`."""
    _learn_two(begin, n, labels, order, layers, events, table, np.uint64(part), unit, pairs)


@kernel
def learn_outputs(begin, n, labels, layers, outputs, predictions):  # type: ignore[no-untyped-def]
    """Take the output layers of all replicas through a block of samples.

    Parameters
    ----------
    begin, n : the samples, begin to begin + n - 1
    labels : int64[n_replicas, ...], NO_LABEL in all where samples are only predicted
    layers : int64[2, LAYER_COLUMNS], alike in all replicas but for their rates
    outputs : Outputs
    predictions : int64[n_replicas, ...], written
    """
    words, inputs, sums, minus = outputs.words, outputs.inputs, outputs.sums, outputs.minus
    n_pairs, n_outputs, shift = words.shape[0], sums.shape[0], np.int16(layers[1, t.VIEW_SHIFT])
    n_replicas, sum_shift = labels.shape[0], np.int32(layers[1, t.SUM_SHIFT])
    sum_half = splat_sums(np.int32((1 << layers[1, t.SUM_SHIFT]) >> 1))
    top, bottom = splat_sums(np.int32(127)), splat_sums(np.int32(-128))
    error_scale, input_scale = load_words(outputs.shifts, 0, 0), load_words(outputs.shifts, 1, 0)
    for i in range(n):
        best, index = zero_sums(), zero_sums()
        for r in range(n_replicas):
            outputs.labels[0, r] = labels[r, begin + i]
        label = load_sums(outputs.labels, 0, 0)
        offset = splat_sums(np.int32(128))
        for c in range(n_outputs):
            pairs = zero_pairs()
            for p in range(n_pairs):
                view = shift_right_words(load_words(words, p, c * LANES), shift)
                pairs = add_pairs(pairs, load_words(inputs, i, p * LANES), view)
            store_sums(sums, c, 0, pairs)
        for c in range(n_outputs):
            z = load_sums(sums, c, 0)
            if c == 0:
                best = z
            above = below_sums(best, z)
            below = xor_sums(above, splat_sums(np.int32(-1)))
            index = or_sums(and_sums(above, splat_sums(np.int32(c))), and_sums(below, index))
            best = max_sums(best, z)
            q = shift_right_sums(add_sums(z, sum_half), sum_shift)
            q = add_sums(max_sums(min_sums(q, top), bottom), offset)
            q = add_sums(q, and_sums(equal_sums(label, splat_sums(np.int32(c))), splat_sums(np.int32(256))))
            store_sums(sums, c, 0, q)
        store_sums(outputs.best, 0, 0, index)
        learned = labels[0, begin + i] >= 0
        active = zero_words()
        for c in range(n_outputs if learned else 0):
            for r in range(REPLICAS):
                outputs.minus_pairs[c, r] = outputs.errors[sums[c, r]]
        for c in range(n_outputs if learned else 0):
            e = load_words(minus, c, 0)
            active = add_words(active, differ_words(e, zero_words()))
            store_words(minus, c, 0, multiply_words(e, error_scale))
        store_words(outputs.active, 0, 0, active)
        for r in range(n_replicas):
            predictions[r, begin + i] = outputs.best[0, r]
            add_to_tally(outputs.tallies[r], True, outputs.found[r, i], 0, -np.int64(outputs.active[0, 2 * r]))
        if not learned:
            continue
        lost = zero_words()
        for p in range(n_pairs):
            x = multiply_words(load_words(inputs, i, p * LANES), input_scale)
            for c in range(n_outputs):
                word, step = load_words(words, p, c * LANES), multiply_high_words(load_words(minus, c, 0), x)
                result = add_saturating_words(word, step)
                lost = add_words(lost, differ_words(add_words(word, step), result))
                store_words(words, p, c * LANES, result)
        store_wide(outputs.lost, 0, 0, add_wide(load_wide(outputs.lost, 0, 0), widen_words(lost)))


@kernel
def count_replica(layers, hidden, outputs, counters):  # type: ignore[no-untyped-def]
    """Add the tallies of both layers of a replica, int64[BLOCK_TALLY], to its counters and set them to zero."""
    for k, tally in enumerate((hidden, outputs)):
        count_tally(k, layers, tally, counters[0 if tally[LEARNED] else 1, k])
        tally[:] = 0
