"""Loops over branches of predictors that add up words of 8 bits."""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels.history import folded, pushed
from edgelearn.fixedpoint.lanes import add32, add_saturating8, compiled, inlined, mul32, subtract_saturating8

_WORD = 0xFFFFFFFF
# registers
AT, PATH, SLOT, THETA, DRIFT = range(5)
SPEED = 18  # trainings, wrong minus right, that move the threshold


@inlined
def path_hash(pc, path):  # type: ignore[no-untyped-def]
    """Return 32 bits that mix an address, below 2^32, and a path, below 2^16."""
    # the product modulo 2^32 by halves, so that nothing leaves 63 bits
    q = (pc & 0xFFFF) * 0x9E3779B1 + ((((pc >> 16) * 0x9E3779B1) & 0xFFFF) << 16) + path * 0x85EBCA6B
    q = q & _WORD
    return q ^ (q >> 15)


@inlined
def saturated8(value):  # type: ignore[no-untyped-def]
    """Return a whole number cut to the range of 8 bits."""
    return min(max(value, -128), 127)


@compiled
def run_perceptron(  # type: ignore[no-untyped-def]
    pc, taken, predicted, words, rows, length, theta, path_bits, window, registers, pending_row, pending_step
):
    """Predict and learn a block; return how many were mispredicted and how many branches were trained.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n] or of no entries
    words : int8[rows * (length + 1)], of a row the weights of the last outcomes, and the bias
    rows : uint32
    path_bits : outcomes that choose the row together with the address; 0: pc modulo rows
    window : int8, of a history of length + delay outcomes
    registers : int64[5], see the names above
    pending_row, pending_step : int64[delay + 1], branches that wait for their training; step 0: none
    """
    at, path, slot, delay = registers[AT], registers[PATH], registers[SLOT], pending_row.shape[0] - 1
    path_mask = (1 << path_bits) - 1
    kept = length + delay
    look = predicted.shape[0] > 0
    misses = np.int64(0)
    trained = 0
    for i in range(pc.shape[0]):
        address = pc[i]
        if path_bits > 0:
            address = np.uint32(path_hash(np.int64(address), path))
        row = np.int64(address % rows) * (length + 1)
        # slices: an index that might be negative costs the vectors, a factor of three
        weights, x = words[row : row + length], window[at : at + length]
        total = np.int32(words[row + length])
        for j in range(length):
            total = add32(total, mul32(np.int32(weights[j]), np.int32(x[j])))
        y = np.int64(total)
        outcome = np.int64(taken[i])
        guess = np.int64(y >= 0)
        wrong = guess ^ outcome
        misses += wrong
        if look:
            predicted[i] = guess
        step = 2 * outcome - 1
        at = pushed(window, at, kept, step)
        path = ((path << 1) | outcome) & path_mask
        if wrong == 0 and abs(y) > theta:
            step = np.int64(0)
        if delay > 0:
            pending_row[slot], pending_step[slot] = row, step
            slot = slot + 1 if slot < delay else 0
            row, step = pending_row[slot], pending_step[slot]
        if step == 0:
            continue
        trained += 1
        seen = at + 1 + delay
        weights, x = words[row : row + length], window[seen : seen + length]
        if step > 0:
            for j in range(length):
                weights[j] = add_saturating8(weights[j], x[j])
        else:
            for j in range(length):
                weights[j] = subtract_saturating8(weights[j], x[j])
        words[row + length] = saturated8(np.int64(words[row + length]) + step)
    registers[AT], registers[PATH], registers[SLOT] = at, path, slot
    return misses, trained


@compiled
def run_hashed(  # type: ignore[no-untyped-def]
    pc,
    taken,
    predicted,
    words,
    bits,
    lengths,
    folds,
    theta_max,
    window,
    registers,
    pending,
    pending_step,
    pending_wrong,
):
    """Predict and learn a block; return how many were mispredicted and how many branches were trained.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n] or of no entries
    words : int8[T * 2^bits], tables one after another
    lengths, folds : int64[T], outcomes that a table looks at, and the same folded to `bits` bits
    theta_max : where the threshold saturates
    window : int8, of a history of the longest length
    registers : int64[5], see the names above
    pending : int64[delay + 1, T], places of words of branches that wait for their training
    pending_step, pending_wrong : int64[delay + 1]; step 0: no training
    """
    at, slot, theta, drift = registers[AT], registers[SLOT], registers[THETA], registers[DRIFT]
    tables, delay = lengths.shape[0], pending.shape[0] - 1
    mask = (1 << bits) - 1
    kept = 0
    for k in range(tables):
        kept = max(kept, lengths[k])
    look = predicted.shape[0] > 0
    misses = np.int64(0)
    trained = 0
    for i in range(pc.shape[0]):
        address = np.int64(pc[i])
        address = (address ^ (address >> bits)) & mask
        y = np.int64(0)
        for k in range(tables):
            place = (k << bits) + (address ^ folds[k])
            pending[slot, k] = place
            y += np.int64(words[place])
        outcome = np.int64(taken[i])
        guess = np.int64(y >= 1)
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
            step = np.int64(0)
        pending_step[slot], pending_wrong[slot] = step, wrong
        slot = slot + 1 if slot < delay else 0
        step = pending_step[slot]
        if step == 0:
            continue
        trained += 1
        for k in range(tables):
            place = pending[slot, k]
            words[place] = saturated8(np.int64(words[place]) + step)
        drift += 2 * pending_wrong[slot] - 1
        if drift == SPEED:
            theta, drift = min(theta + 1, theta_max), 0
        elif drift == -SPEED:
            theta, drift = theta - 1, 0
    registers[AT], registers[SLOT], registers[THETA], registers[DRIFT] = at, slot, theta, drift
    return misses, trained
