"""Tagged rows of two layers whose inputs include the main prediction and the branch's local history."""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels.hybrid import HITS, SUPPLIED, TAG_BITS, claim, judge
from edgelearn.branch.kernels.two_layer import (
    BRANCHES,
    HIDDEN,
    LENGTH,
    MISSES,
    ROWS,
    THETA,
    learn,
    output_of,
)
from edgelearn.fixedpoint.lanes import compiled


@compiled
def tage_side_table(  # type: ignore[no-untyped-def]
    pc, taken, main, predicted, words, tag, useful, chooser, newest, local, inputs, generator, settings, z, counts
):
    """Decide between another predictor and tagged rows, and teach the rows; return how many were mispredicted.

    Parameters
    ----------
    pc : uint32[n]; taken, main : uint8[n], outcomes and what the other predictor says
    predicted : uint8[n], or of no entries where nobody looks
    words : int8[rows, words of a row]; tag : int16[rows], -1 for none; useful, chooser : int8[rows]
    newest : int8[g], outcomes of all branches, the newest first; local : int8[2^p, l], the same by address
    inputs : int8[g + l + 1], scratch: newest, local, and what the other predictor says
    generator, settings : see `two_layer`; z : int32[hidden], scratch; counts : int64[8]
    """
    hidden, length, theta = settings[HIDDEN], settings[LENGTH], settings[THETA]
    n_newest, n_local = newest.shape[0], local.shape[1]
    rows, r = np.uint32(settings[ROWS]), generator[0]
    misses = 0
    for i in range(pc.shape[0]):
        n = np.int64(pc[i] % rows)
        own_tag = np.int64(pc[i] // rows) & ((1 << TAG_BITS) - 1)
        own = local[np.int64(pc[i]) & (local.shape[0] - 1)]
        outcome = 2 * np.int64(taken[i]) - 1
        says = main[i] != 0
        main_wrong = main[i] != taken[i]
        if tag[n] == own_tag:
            counts[HITS] += 1
            for j in range(n_newest):
                inputs[j] = newest[j]
            for j in range(n_local):
                inputs[n_newest + j] = own[j]
            inputs[n_newest + n_local] = 1 if says else -1
            y = output_of(words[n], inputs, 0, hidden, length, z)
            wrong = (y >= 0) != (taken[i] != 0)
            if chooser[n] > 0:
                says = y >= 0
                counts[SUPPLIED] += 1
            judge(n, wrong, main_wrong, useful, chooser)
            r = learn(words[n], inputs, z, outcome, wrong, wrong or abs(y) <= theta, settings, r, counts)
        elif main_wrong:
            r = claim(n, own_tag, words, tag, useful, chooser, settings, r, counts)
        misses += says != (taken[i] != 0)
        if predicted.shape[0] > 0:
            predicted[i] = says
        for j in range(n_newest - 1, 0, -1):
            newest[j] = newest[j - 1]
        newest[0] = outcome
        for j in range(n_local - 1, 0, -1):
            own[j] = own[j - 1]
        own[0] = outcome
    generator[0] = r
    counts[BRANCHES] += pc.shape[0]
    counts[MISSES] += misses
    return misses
