"""What layers of all layouts do for a block of samples: lists of events, scores, errors and counts.

A block of samples goes through one layer at a time where no sample has to wait for the end of the one before: under
rules without locking, and in predictions. A hidden neuron of such a rule needs its inputs and the label, but no result
of another layer. So a few neurons (a tile) take all samples of the block, one after another, while their weights stay
in the nearest cache; then the next tile takes the same samples. Every weight sees the samples in their order, hence all
words, predictions and counts are those of `sample.run_steps`.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, kernel, leaf
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import BLOCK_COUNTS, BLOCK_TALLY, BLOCK_TOTALS, LANE, TILE

GATES, ACTIVE, OVERFLOWS = range(BLOCK_COUNTS)
SATURATIONS, CUTS = range(BLOCK_TOTALS)
# of the tally of a layer; LEARNED: whether samples have a label
SAMPLES, EVENTS, OPEN, LIVE, PAIRS, UPDATES, UPDATE_EVENTS, TAUGHT, TAUGHT_GATES, LEARNED = range(BLOCK_TALLY)
RESCAN = 32  # samples between two looks at all words of a tile or a row
RAIL = 32767

_TILE, _LANE = vector_operations(TILE), vector_operations(LANE)
load_bytes, nonzero_bytes, expect_bytes = _TILE.load_bytes, _TILE.nonzero_bytes, _TILE.expect_bytes
load_words, nonzero_words = _LANE.load_words, _LANE.nonzero_words
lowest_bit, clear_lowest_bit, count_bits = _LANE.lowest_bit, _LANE.clear_lowest_bit, _LANE.count_bits


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


@inlined
def largest_step(factor, d, k, shift, layers):  # type: ignore[no-untyped-def]
    """Return the largest step, left-aligned, that factors up to `factor` and `d` give."""
    return min(rounded(factor * d, shift), layers[k, t.STEP_MAX]) << layers[k, t.ALIGN]


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
        ahead = np.int64(rows[min(i + 2, rows.shape[0] - 1)])  # rows come in any order
        for j in range(0, n_in, TILE):
            expect_bytes(levels, ahead, j)
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
        for j in range(0, n_in + 1, LANE):
            on = nonzero_words(load_words(inputs.words, i, j))
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


@inlined
def add_to_tally(tally, taught, events, gates, active):  # type: ignore[no-untyped-def]
    """Add a sample with a label to the tally of a layer; `taught` is whether the label gives a teaching signal."""
    tally[SAMPLES] += 1
    tally[EVENTS] += events
    tally[OPEN] += gates
    tally[LIVE] += active
    tally[PAIRS] += events * active
    if active > 0:
        tally[UPDATES] += 1
        tally[UPDATE_EVENTS] += events
    if taught:
        tally[TAUGHT] += 1
        tally[TAUGHT_GATES] += gates


@leaf
def count_tally(k, layers, tally, counts):  # type: ignore[no-untyped-def]
    """Add what samples touched of layer k to its counters.

    Parameters
    ----------
    tally : int64[TALLIES] of samples of one kind: with a label, or without
    counts : int64[len(COUNTERS)]
    """
    last, n_classes = layers.shape[0] - 1, layers[layers.shape[0] - 1, t.N_OUT]
    targets, signs = layers[k, t.SIGNAL] == t.SIGNAL_TARGET, layers[k, t.SIGNAL] == t.SIGNAL_SIGNED_TARGET
    n_in, n_out, learned = layers[k, t.N_IN], layers[k, t.N_OUT], tally[LEARNED]
    samples, events, gates, active = tally[SAMPLES], tally[EVENTS], tally[OPEN], tally[LIVE]
    counts[t.SAMPLES] += samples
    counts[t.INPUT_EVENTS] += events
    counts[t.ACTIVATION_WRITE] += events
    counts[t.ACTIVATION_READ] += events
    counts[t.WEIGHT_READ] += events * n_out
    counts[t.BIAS_READ] += samples * n_out
    counts[t.FORWARD_MACS] += events * n_out
    counts[t.OPEN_GATES] += gates
    if not learned:
        return
    if k == last:
        counts[t.LABEL_READ] += samples
        counts[t.ERROR_WRITE] += active
    elif targets or signs:
        lanes = np.int64(1) if targets else n_classes
        taught, gates = tally[TAUGHT], tally[TAUGHT_GATES]
        counts[t.LABEL_READ] += samples
        counts[t.SIGNAL_LANES] += lanes * taught
        counts[t.GATED_SIGNALS] += lanes * gates
        counts[t.LIVE_GATES] += gates
        counts[t.GATE_PRODUCTS] += gates
        if layers[k, t.REGENERATED]:
            counts[t.LFSR_STEPS] += 2 * n_out * lanes * taught
        else:
            counts[t.FEEDBACK_READ] += lanes * gates
        if signs:
            counts[t.SIGNAL_MACS] += lanes * gates
    counts[t.ACTIVE_NEURONS] += active
    if not layers[k, t.LEARNS]:
        return
    updates, events, pairs = tally[UPDATES], tally[UPDATE_EVENTS], tally[PAIRS]
    counts[t.SKIPPED_NEURONS] += samples * n_out - active
    if layers[k, t.LEARNS] == t.BIASES:
        events = pairs = np.int64(0)
    else:
        counts[t.SKIPPED_INPUTS] += updates * n_in - events
    counts[t.UPDATES] += updates
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


@kernel
def count_block(labels, layers, n_events, work, counters):  # type: ignore[no-untyped-def]
    """Add what a block of samples touched to the counters, and set the counts of `work` to zero.

    counters : int64[2, K, len(COUNTERS)]; n_events : int64[K, B]
    """
    last, n_classes = layers.shape[0] - 1, layers[layers.shape[0] - 1, t.N_OUT]
    for k in range(last + 1):
        one = n_classes == 1 and layers[k, t.SIGNAL] == t.SIGNAL_TARGET
        counters[0, k, t.SATURATIONS] += work.totals[k, SATURATIONS]
        counters[0, k, t.STEP_SATURATIONS] += work.totals[k, CUTS]
        work.totals[k, :] = 0
        for kind in range(2):
            tally = work.tally
            tally[:] = 0
            overflows = np.int64(0)
            for i in range(labels.shape[0]):
                label = labels[i]
                if (label < 0) == (kind == 1):
                    overflows += work.counts[k, OVERFLOWS, i]
                    taught = label == 1 if one else True
                    add_to_tally(tally, taught, n_events[k, i], work.counts[k, GATES, i], work.counts[k, ACTIVE, i])
            tally[LEARNED] = 1 - kind
            count_tally(k, layers, tally, counters[kind, k])
            counters[kind, k, t.OVERFLOWS] += overflows
        work.counts[k, :, : labels.shape[0]] = 0
