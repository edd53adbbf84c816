"""The loop over branches of a hashed perceptron whose tables are hidden units, summed by weights of each branch."""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels.generator import drawn
from edgelearn.branch.kernels.history import folded, pushed
from edgelearn.branch.kernels.perceptrons import SPEED, saturated8
from edgelearn.fixedpoint.lanes import compiled

# registers
AT, THETA, DRIFT, RANDOM = range(4)
RAIL = 31  # largest |activation|
SCALE = 6  # the sum is divided by 2^6


@compiled
def run_layered(  # type: ignore[no-untyped-def]
    pc,
    taken,
    predicted,
    words,
    bits,
    outputs,
    lengths,
    folds,
    learned,
    shift,
    theta_max,
    window,
    registers,
    places,
    activations,
):
    """Predict and learn a block; return mispredicted branches, trained branches, and words that moved or could have.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n] or of no entries
    words : int8[T * 2^bits], tables one after another; outputs : int8[rows, T]
    lengths, folds : int64[T], outcomes that a table looks at, and the same folded to `bits` bits
    learned : whether output weights learn; shift : their steps are divided by 2^shift
    theta_max : where the threshold saturates
    window : int8, of a history of the longest length
    registers : int64[4], see the names above; places, activations : int64[T], scratch
    """
    at, theta, drift, random = registers[AT], registers[THETA], registers[DRIFT], registers[RANDOM]
    tables, mask, rows = lengths.shape[0], (1 << bits) - 1, np.uint32(outputs.shape[0])
    kept = 0
    for k in range(tables):
        kept = max(kept, lengths[k])
    look = predicted.shape[0] > 0
    misses = np.int64(0)
    trained = moved = 0
    for i in range(pc.shape[0]):
        address, row = np.int64(pc[i]), np.int64(pc[i] % rows)
        address = (address ^ (address >> bits)) & mask
        total = np.int64(0)
        for k in range(tables):
            places[k] = (k << bits) + (address ^ folds[k])
            activations[k] = min(max(2 * np.int64(words[places[k]]) + 1, -RAIL), RAIL)
            total += np.int64(outputs[row, k]) * activations[k]
        y = total >> SCALE
        outcome = np.int64(taken[i])
        guess = np.int64(y >= 0)
        wrong = guess ^ outcome
        misses += wrong
        if look:
            predicted[i] = guess
        step = 2 * outcome - 1
        at = pushed(window, at, kept, step)
        for k in range(tables):
            if lengths[k] > 0:
                folds[k] = folded(folds[k], outcome, np.int64(window[at + lengths[k]]), lengths[k] % bits, bits)
        if wrong == 0 and abs(y) >= theta:
            continue
        trained += 1
        for k in range(tables):
            towards = step * activations[k]
            if learned:
                random = drawn(random)
                fraction = (random >> 4) & ((1 << shift) - 1)
                weight = np.int64(outputs[row, k]) + ((towards + fraction) >> shift)
                outputs[row, k] = min(max(weight, 1), 127)
            if towards < RAIL:
                words[places[k]] = saturated8(np.int64(words[places[k]]) + step)
                moved += 1
        drift += 2 * wrong - 1
        if drift == SPEED:
            theta, drift = min(theta + 1, theta_max), 0
        elif drift == -SPEED:
            theta, drift = max(theta - 1, 1), 0
    registers[AT], registers[THETA], registers[DRIFT], registers[RANDOM] = at, theta, drift, random
    return misses, trained, moved
