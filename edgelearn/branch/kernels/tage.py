"""The loop over branches of TAGE: tagged tables of longer and longer histories over a bimodal table."""

from __future__ import annotations

import numpy as np

from edgelearn.branch.kernels.counters import counted
from edgelearn.branch.kernels.generator import drawn
from edgelearn.branch.kernels.history import folded, pushed
from edgelearn.fixedpoint.lanes import compiled, inlined

# registers
AT, USE_ALTERNATE, TICK, RANDOM, WRITTEN = range(5)
TICKS = 1024  # failed allocations that halve all useful counters
NO_TAG = -1  # matches nothing


@inlined
def counted3(counter, outcome):  # type: ignore[no-untyped-def]
    """Return a signed 3-bit counter one step nearer to an outcome, 0 or 1."""
    return min(max(counter + 2 * outcome - 1, -4), 3)


@inlined
def counted4(counter, outcome):  # type: ignore[no-untyped-def]
    """Return a 4-bit counter one step nearer to an outcome, 0 or 1."""
    return min(max(counter + 2 * outcome - 1, 0), 15)


@compiled
def run_tage(  # type: ignore[no-untyped-def]
    pc,
    taken,
    predicted,
    bimodal,
    counter,
    tag,
    useful,
    table_bits,
    tag_bits,
    lengths,
    folds,
    window,
    registers,
    places,
    wanted,
):
    """Predict and learn a block; return how many were mispredicted.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n] or of no entries
    bimodal : uint8[2^b]; counter, tag, useful : int8, int32, uint8 [T * 2^table_bits], tables one after another
    lengths : int64[T], rising; folds : int64[T, 3], the history in table_bits, tag_bits and tag_bits - 1 bits
    window : int8, of a history of the longest length
    registers : int64[5], see the names above
    places, wanted : int64[T], scratch
    """
    at, use_alternate, tick = registers[AT], registers[USE_ALTERNATE], registers[TICK]
    random, written = registers[RANDOM], registers[WRITTEN]
    tables, kept = lengths.shape[0], lengths[lengths.shape[0] - 1]
    last, size = tables - 1, 1 << table_bits
    tag_mask = (1 << tag_bits) - 1
    look = predicted.shape[0] > 0
    misses = np.int64(0)
    for i in range(pc.shape[0]):
        address, outcome = np.int64(pc[i]), np.int64(taken[i])
        base = address & (bimodal.shape[0] - 1)
        hit = -1
        other = -1
        for k in range(tables):
            index = (address ^ (address >> (table_bits - k % 4)) ^ folds[k, 0]) & (size - 1)
            places[k] = (k << table_bits) + index
            wanted[k] = (address ^ folds[k, 1] ^ (folds[k, 2] << 1)) & tag_mask
            if np.int64(tag[places[k]]) == wanted[k]:
                other = hit
                hit = k
        below = np.int64(bimodal[base]) >> 1
        alternate = np.int64(counter[places[other]] >= 0) if other >= 0 else below
        guess = alternate
        weak = False
        if hit >= 0:
            place = places[hit]
            strength = np.int64(counter[place])
            own = np.int64(strength >= 0)
            weak = (strength == 0 or strength == -1) and useful[place] == 0
            if not (weak and use_alternate >= 8):
                guess = own
            if weak and own != alternate:
                use_alternate = counted4(use_alternate, np.int64(alternate == outcome))
        else:
            place, strength, own = base, np.int64(0), below
        misses += guess ^ outcome
        if look:
            predicted[i] = guess
        if guess != outcome and hit < last and not (weak and own == outcome):
            random = drawn(random)
            start = hit + 1
            if random & 1 == 0 and start < last:
                start += 1
            if random & 6 == 0 and start < last:
                start += 1
            free = start
            while free <= last and useful[places[free]] > 0:
                free += 1
            if free <= last:
                tag[places[free]] = wanted[free]
                counter[places[free]] = outcome - 1
                written += 1
                tick = max(tick - 1, 0)
            else:
                for k in range(start, tables):
                    useful[places[k]] = np.int64(useful[places[k]]) - 1
                written += tables - start
                tick += 1
                if tick == TICKS:
                    tick = 0
                    for j in range(useful.shape[0]):
                        useful[j] = useful[j] >> 1
                    written += useful.shape[0]
        if hit >= 0:
            counter[place] = counted3(strength, outcome)
            if own != alternate:
                useful[place] = counted(np.int64(useful[place]), np.int64(own == outcome))
            written += 1
        if hit < 0 or (weak and other < 0):
            bimodal[base] = counted(np.int64(bimodal[base]), outcome)
            written += 1
        elif weak:
            counter[places[other]] = counted3(np.int64(counter[places[other]]), outcome)
            written += 1
        at = pushed(window, at, kept, 2 * outcome - 1)
        for k in range(tables):
            oldest, length = np.int64(window[at + lengths[k]]), lengths[k]
            folds[k, 0] = folded(folds[k, 0], outcome, oldest, length % table_bits, table_bits)
            folds[k, 1] = folded(folds[k, 1], outcome, oldest, length % tag_bits, tag_bits)
            folds[k, 2] = folded(folds[k, 2], outcome, oldest, length % (tag_bits - 1), tag_bits - 1)
    registers[AT], registers[USE_ALTERNATE], registers[TICK] = at, use_alternate, tick
    registers[RANDOM], registers[WRITTEN] = random, written
    return misses
