"""The loop over samples of a learner with one output: a row of weights over bits of a sensor and the last labels."""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels import two_layer as t
from edgelearn.fixedpoint.lanes import add32, add_saturating8, compiled, inlined, mul32, subtract_saturating8

# state, int64
SEEN, SLOT = range(2)
# of a sample in flight, int8
LABEL, WRONG, ASKED = range(3)
# counts, int64; those of `two_layer.learn` where there are hidden units
SAMPLES, MISSES, TRAINED = range(3)


@inlined
def sum_of(row, x):  # type: ignore[no-untyped-def]
    """Return the sum of a row without hidden units, its bias included, int32."""
    length = x.shape[0]
    weights = row[:length]
    total = np.int32(row[length])
    for j in range(length):
        total = add32(total, mul32(np.int32(weights[j]), np.int32(x[j])))
    return total


@inlined
def move(row, x, outcome):  # type: ignore[no-untyped-def]
    """Add outcome, -1 or 1, times its inputs to a row without hidden units, saturated to 8 bits."""
    length = x.shape[0]
    weights = row[:length]
    if outcome > 0:
        for j in range(length):
            weights[j] = add_saturating8(weights[j], x[j])
    else:
        for j in range(length):
            weights[j] = subtract_saturating8(weights[j], x[j])
    row[length] = min(max(np.int64(row[length]) + outcome, -128), 127)


@compiled
def run_binary(  # type: ignore[no-untyped-def]
    bits,
    group,
    labels,
    predicted,
    words,
    history,
    path,
    state,
    generator,
    settings,
    z,
    flight_row,
    flight_x,
    flight,
    counts,
):
    """Predict samples one after another, and learn each when its label is there.

    Parameters
    ----------
    bits : int8[n, bits of a sample], -1 or 1; group : int64[n], which group of rows
    labels : int8[n], 0, 1, or -1 where no label ever comes; predicted : uint8[n], filled
    words : int8[groups << path, words of a row]
    history : int8[k], the last labels that came, -1 or 1, the newest first; path : how many of them choose the row
    state : int64[2]; generator : int32[1]; settings : int64, see `two_layer.NAMES`, hidden 0: a perceptron
    z : int32[hidden], scratch
    flight_row, flight_x, flight : int64[delay + 1], int8[delay + 1, inputs], int8[delay + 1, 3], samples whose labels
        are to come
    counts : int64[5]
    """
    hidden, length, theta, delay = settings[t.HIDDEN], settings[t.LENGTH], settings[t.THETA], settings[t.DELAY]
    gated = settings[t.GATED]
    n_bits, n_history = bits.shape[1], history.shape[0]
    seen, slot, r = state[SEEN], state[SLOT], generator[0]
    for i in range(bits.shape[0]):
        x = flight_x[slot]
        for j in range(n_bits):
            x[j] = bits[i, j]
        for j in range(n_history):
            x[n_bits + j] = history[j]
        n = group[i]
        for j in range(path):
            n = 2 * n + (history[j] > 0)
        y = t.output_of(words[n], x, 0, hidden, length, z) if hidden > 0 else sum_of(words[n], x)
        label = np.int64(labels[i])
        wrong = label >= 0 and (y >= 0) != (label > 0)
        predicted[i] = y >= 0
        counts[SAMPLES] += 1
        counts[MISSES] += wrong
        flight_row[slot] = n
        flight[slot, LABEL] = label
        flight[slot, WRONG] = wrong
        flight[slot, ASKED] = wrong or abs(np.int64(y)) <= theta
        seen += 1
        slot = slot + 1 if slot < delay else 0  # now the oldest sample in flight
        if seen <= delay or flight[slot, LABEL] < 0:
            continue
        n, x = flight_row[slot], flight_x[slot]
        outcome = 2 * np.int64(flight[slot, LABEL]) - 1
        asked = flight[slot, ASKED] != 0
        if hidden > 0:
            if asked or gated == 0:
                if delay > 0:
                    t.output_of(words[n], x, 0, hidden, length, z)  # as the row is now
                r = t.learn(words[n], x, z, outcome, flight[slot, WRONG] != 0, asked, settings, r, counts)
        elif asked:
            move(words[n], x, outcome)
            counts[TRAINED] += 1
        for j in range(n_history - 1, 0, -1):
            history[j] = history[j - 1]
        if n_history > 0:
            history[0] = outcome
    state[SEEN], state[SLOT], generator[0] = seen, slot, r
