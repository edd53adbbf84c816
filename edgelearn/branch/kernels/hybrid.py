"""Tagged rows of two layers beside another predictor, which they replace where they know better."""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels.generator import drawn32
from edgelearn.branch.kernels.history import pushed
from edgelearn.branch.kernels.two_layer import (
    AT,
    BRANCHES,
    HIDDEN,
    LENGTH,
    MISSES,
    ROWS,
    THETA,
    fill,
    learn,
    output_of,
)
from edgelearn.fixedpoint.lanes import and32, compiled, inlined, shr_unsigned32

# counts after those of `two_layer`
HITS, SUPPLIED, ALLOCATED = range(5, 8)

TAG_BITS, USEFUL_BITS, CHOOSER_BITS = 10, 4, 4
CHANCE = 32  # of 256, to allocate a row for a misprediction


@inlined
def judge(n, wrong, main_wrong, useful, chooser):  # type: ignore[no-untyped-def]
    """Move the counters of a row where it and the other predictor disagree."""
    if wrong != main_wrong:
        if main_wrong:
            chooser[n] = min(chooser[n] + 1, 7)
            useful[n] = min(useful[n] + 1, 15)
        else:
            chooser[n] = max(chooser[n] - 1, -8)


@inlined
def claim(n, own_tag, words, tag, useful, chooser, settings, r, counts):  # type: ignore[no-untyped-def]
    """Wear out the row in the place of a misprediction, or take it, by chance; return the state of the generator."""
    r = drawn32(r)
    if and32(shr_unsigned32(r, np.int32(8)), np.int32(255)) < CHANCE:
        if useful[n] > 0:
            useful[n] -= 1
        else:
            tag[n], useful[n], chooser[n] = own_tag, 4, -2
            r = fill(words[n], settings, r)
            counts[ALLOCATED] += 1
    return r


@compiled
def side_table(  # type: ignore[no-untyped-def]
    pc, taken, main, predicted, words, tag, useful, chooser, window, state, generator, settings, z, counts
):
    """Decide between another predictor and tagged rows, and teach the rows; return how many were mispredicted.

    Parameters
    ----------
    pc : uint32[n]; taken, main : uint8[n], outcomes and what the other predictor says
    predicted : uint8[n], or of no entries where nobody looks
    words : int8[rows, words of a row]; tag : int16[rows], -1 for none; useful, chooser : int8[rows]
    window, state, generator, settings : see `two_layer`; z : int32[hidden], scratch; counts : int64[8]
    """
    hidden, length, theta = settings[HIDDEN], settings[LENGTH], settings[THETA]
    rows = np.uint32(settings[ROWS])
    at, r = state[AT], generator[0]
    misses = 0
    for i in range(pc.shape[0]):
        n = np.int64(pc[i] % rows)
        own_tag = np.int64(pc[i] // rows) & ((1 << TAG_BITS) - 1)
        outcome = 2 * np.int64(taken[i]) - 1
        says = main[i] != 0
        main_wrong = main[i] != taken[i]
        if tag[n] == own_tag:
            counts[HITS] += 1
            y = output_of(words[n], window, at, hidden, length, z)
            wrong = (y >= 0) != (taken[i] != 0)
            if chooser[n] > 0:
                says = y >= 0
                counts[SUPPLIED] += 1
            judge(n, wrong, main_wrong, useful, chooser)
            inputs = window[at : at + length]
            r = learn(words[n], inputs, z, outcome, wrong, wrong or abs(y) <= theta, settings, r, counts)
        elif main_wrong:
            r = claim(n, own_tag, words, tag, useful, chooser, settings, r, counts)
        misses += says != (taken[i] != 0)
        if predicted.shape[0] > 0:
            predicted[i] = says
        at = pushed(window, at, length, outcome)
    state[AT], generator[0] = at, r
    counts[BRANCHES] += pc.shape[0]
    counts[MISSES] += misses
    return misses
