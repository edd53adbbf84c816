"""Rows of two layers: hidden units with a hard tanh, one output, learned one branch after another.

A row is int8[hidden * (length + 1) + hidden + 1]: the units one after another, each with its weights and then its
bias; the output weights; the output bias.
"""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels.generator import drawn32 as drawn
from edgelearn.branch.kernels.history import pushed
from edgelearn.fixedpoint.lanes import (
    add32,
    and32,
    compiled,
    inlined,
    max32,
    min32,
    mul32,
    shr32,
    shr_unsigned32,
    sub32,
)

# settings, int64
NAMES = (
    "hidden",
    "length",
    "rows",
    "theta",
    "v_shift",
    "leak",
    "v_lowest",
    "bias_lowest",
    "signal",
    "feedback",
    "gated",
    "v0",
    "spread",
    "delay",
)
HIDDEN, LENGTH, ROWS, THETA, V_SHIFT, LEAK, V_LOWEST, BIAS_LOWEST, SIGNAL, FEEDBACK, GATED, V0, SPREAD, DELAY = range(
    14
)
# what teaches the hidden units: the outcome, the error (0 or the outcome) or its sign
TARGET, ERROR, SIGN_ERROR = range(3)
# how it reaches them: not at all; as it is; turned at odd units; times the output weight; to the nearest wrong unit
NONE, POSITIVE, ALTERNATING, TRANSPOSE, NEAREST = range(5)
# state, int64
AT, SEEN, SLOT = range(3)
# of a branch in flight, int8
OUTCOME, WRONG, ASKED = range(3)
# counts, int64
BRANCHES, MISSES, TRAINED, V_STEPS, W_STEPS = range(5)

RAIL = 127  # largest |activation|


@compiled
def fill(row, settings, r):  # type: ignore[no-untyped-def]
    """Give a row its first words, a draw per weight; return the state of the generator."""
    hidden, length = settings[HIDDEN], settings[LENGTH]
    stride, spread = length + 1, settings[SPREAD]
    turned = settings[V_LOWEST] < 0
    for k in range(hidden):
        row[hidden * stride + k] = -settings[V0] if turned and k & 1 else settings[V0]
        for j in range(stride):
            r = drawn(r)
            row[k * stride + j] = np.int64(shr_unsigned32(r, np.int32(8))) % (2 * spread + 1) - spread
    row[hidden * stride + hidden] = 0
    return r


@compiled
def fill_all(words, settings, r):  # type: ignore[no-untyped-def]
    """Give all rows their first words, after one draw per unit that nobody sees; return the state of the generator."""
    for _ in range(settings[HIDDEN]):
        r = drawn(r)
    for n in range(words.shape[0]):
        r = fill(words[n], settings, r)
    return r


@inlined
def clipped(x):  # type: ignore[no-untyped-def]
    """Return the activation of a hidden unit, -127 to 127."""
    return min32(max32(x, np.int32(-RAIL)), np.int32(RAIL))


@inlined
def output_of(row, window, at, hidden, length, z):  # type: ignore[no-untyped-def]
    """Return the output of a row on the outcomes from `at` on, int32; leave the sums of its units in z."""
    stride = length + 1
    total = np.int32(0)
    inputs = window[at : at + length]
    for k in range(hidden):
        unit = row[k * stride : k * stride + stride]
        s = np.int32(unit[length])
        for j in range(length):
            s = add32(s, mul32(np.int32(unit[j]), np.int32(inputs[j])))
        z[k] = s
        total = add32(total, mul32(clipped(s), np.int32(row[hidden * stride + k])))
    return add32(np.int32(row[hidden * stride + hidden]), shr32(total, np.int32(5)))


@inlined
def step(unit, inputs, length, s):  # type: ignore[no-untyped-def]
    """Add s times its inputs to the words of a unit, saturated to 8 bits; small steps end where a large one does."""
    low, high = np.int32(-128), np.int32(127)
    for _ in range(abs(s)):
        if s > 0:
            for j in range(length):
                unit[j] = min32(max32(add32(np.int32(unit[j]), np.int32(inputs[j])), low), high)
        else:
            for j in range(length):
                unit[j] = min32(max32(sub32(np.int32(unit[j]), np.int32(inputs[j])), low), high)
    unit[length] = min(max(np.int64(unit[length]) + s, -128), 127)


@compiled
def learn(row, inputs, z, outcome, wrong, asked, settings, r, counts):  # type: ignore[no-untyped-def]
    """Teach a row one branch; return the state of the generator.

    Parameters
    ----------
    row : int8, a row; inputs : int8[length]; z : int32[hidden], its sums
    outcome : -1 or 1; wrong : whether it was mispredicted; asked : whether it was, or was within the margin
    """
    hidden, length = settings[HIDDEN], settings[LENGTH]
    stride, shift, feedback = length + 1, settings[V_SHIFT], settings[FEEDBACK]
    v = row[hidden * stride : hidden * stride + hidden + 1]
    if asked:
        v[hidden] = min(max(v[hidden] + outcome, settings[BIAS_LOWEST]), 127)
        counts[V_STEPS] += 1
    elif settings[GATED] or settings[SIGNAL] != TARGET:
        return r  # no error, nothing to learn
    counts[TRAINED] += 1
    error = outcome if asked else 0
    signal = error
    if settings[SIGNAL] == TARGET:
        signal = outcome
    elif settings[SIGNAL] == SIGN_ERROR:
        signal = min(max(error, -1), 1)
    for k in range(hidden):
        r = drawn(r)
        a = clipped(z[k])
        before = np.int64(v[k])
        if asked:
            fraction = np.int64(shr_unsigned32(r, np.int32(4))) & ((1 << shift) - 1)
            v[k] = min(max(before + ((outcome * a + fraction) >> shift), settings[V_LOWEST]), 127)
        if abs(a) == RAIL and np.int64(and32(shr32(r, np.int32(12)), np.int32(255))) >= settings[LEAK]:
            continue
        s = 0
        if feedback == POSITIVE:
            s = signal
        elif feedback == ALTERNATING:
            s = -signal if k & 1 else signal
        elif feedback == TRANSPOSE:
            s = int(signal * before + np.int64(and32(shr32(r, np.int32(20)), np.int32(63)))) >> 6
        if s != 0:
            step(row[k * stride : k * stride + stride], inputs, length, s)
            counts[W_STEPS] += 1
    if feedback == NEAREST and wrong:
        nearest = -1
        for k in range(hidden):
            if z[k] * outcome <= 0 and (nearest < 0 or abs(z[k]) < abs(z[nearest])):
                nearest = k
        if nearest >= 0:
            step(row[nearest * stride : nearest * stride + stride], inputs, length, outcome)
            counts[W_STEPS] += 1
    return r


@compiled
def two_layer(  # type: ignore[no-untyped-def]
    pc, taken, predicted, words, window, state, generator, settings, z, flight_row, flight, counts
):
    """Predict and learn branches one after another.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n], or of no entries where nobody looks
    words : int8[rows, words of a row]; window : see `history`, of length + delay outcomes
    state : int64[3]; generator : int32[1]; settings : int64, see `NAMES`; counts : int64[5]
    z : int32[hidden], scratch; flight_row, flight : int64[delay + 1], int8[delay + 1, 3], branches in flight
    """
    hidden, length, theta = settings[HIDDEN], settings[LENGTH], settings[THETA]
    delay, gated, rows = settings[DELAY], settings[GATED], np.uint32(settings[ROWS])
    at, seen, slot, r = state[AT], state[SEEN], state[SLOT], generator[0]
    misses = 0
    for i in range(pc.shape[0]):
        n = np.int64(pc[i] % rows)
        y = output_of(words[n], window, at, hidden, length, z)
        outcome = 2 * np.int64(taken[i]) - 1
        wrong = (y >= 0) != (taken[i] != 0)
        misses += wrong
        if predicted.shape[0] > 0:
            predicted[i] = y >= 0
        flight_row[slot] = n
        flight[slot, OUTCOME] = outcome
        flight[slot, WRONG] = wrong
        flight[slot, ASKED] = wrong or abs(y) <= theta
        seen += 1
        slot = slot + 1 if slot < delay else 0  # now the oldest branch in flight
        if seen > delay and (flight[slot, ASKED] != 0 or gated == 0):
            n = flight_row[slot]
            first = at + delay
            if delay > 0:
                output_of(words[n], window, first, hidden, length, z)  # as the row is now
            r = learn(
                words[n],
                window[first : first + length],
                z,
                np.int64(flight[slot, OUTCOME]),
                flight[slot, WRONG] != 0,
                flight[slot, ASKED] != 0,
                settings,
                r,
                counts,
            )
        at = pushed(window, at, length + delay, outcome)
    state[AT], state[SEEN], state[SLOT], generator[0] = at, seen, slot, r
    counts[BRANCHES] += pc.shape[0]
    counts[MISSES] += misses
    return misses
