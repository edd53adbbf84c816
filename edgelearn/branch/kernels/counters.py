"""Loops over branches of predictors made of 2-bit counters."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import compiled, inlined


@inlined
def counted(counter, outcome):  # type: ignore[no-untyped-def]
    """Return a 2-bit counter one step nearer to an outcome, 0 or 1."""
    return min(max(counter + 2 * outcome - 1, 0), 3)


@compiled
def run_gshare(pc, taken, predicted, table, index_mask, history_mask, registers, pending):  # type: ignore[no-untyped-def]
    """Predict and learn a block; return how many were mispredicted and how many branches were trained.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n] or of no entries
    table : uint8[2^b], counters
    registers : int64[2]: history, slot of the next pending branch
    pending : int64[delay + 1], 2 * index + outcome of branches that wait for their training, -1 for none
    """
    history, slot, delay = registers[0], registers[1], pending.shape[0] - 1
    look = predicted.shape[0] > 0
    misses = np.int64(0)
    trained = 0
    for i in range(pc.shape[0]):
        index = (np.int64(pc[i]) ^ history) & index_mask
        outcome = np.int64(taken[i])
        guess = np.int64(table[index]) >> 1
        misses += guess ^ outcome
        if look:
            predicted[i] = guess
        history = ((history << 1) | outcome) & history_mask
        if delay > 0:
            pending[slot] = 2 * index + outcome
            slot = slot + 1 if slot < delay else 0
            waited = pending[slot]
            if waited < 0:
                continue
            index, outcome = waited >> 1, waited & 1
        table[index] = counted(np.int64(table[index]), outcome)
        trained += 1
    registers[0], registers[1] = history, slot
    return misses, trained


@compiled
def run_tournament(  # type: ignore[no-untyped-def]
    pc, taken, predicted, global_table, chooser, local_table, local_history, registers
):
    """Predict and learn a block; return how many were mispredicted and how often the chooser moved.

    Parameters
    ----------
    pc : uint32[n]; taken : uint8[n]; predicted : uint8[n] or of no entries
    global_table, chooser : uint8[2^g]; local_table : uint8[2^l]; local_history : int32[2^p]
    registers : int64[1]: history
    """
    history = registers[0]
    history_mask, pc_mask = global_table.shape[0] - 1, local_history.shape[0] - 1
    local_mask = local_table.shape[0] - 1
    look = predicted.shape[0] > 0
    misses = np.int64(0)
    differed = 0
    for i in range(pc.shape[0]):
        outcome = np.int64(taken[i])
        own = np.int64(pc[i]) & pc_mask
        pattern = np.int64(local_history[own])
        far, near, choice = (
            np.int64(global_table[history]),
            np.int64(local_table[pattern]),
            np.int64(chooser[history]),
        )
        guess = far >> 1 if choice >= 2 else near >> 1
        misses += guess ^ outcome
        if look:
            predicted[i] = guess
        if (far >> 1) != (near >> 1):
            chooser[history] = counted(choice, np.int64((far >> 1) == outcome))
            differed += 1
        global_table[history] = counted(far, outcome)
        local_table[pattern] = counted(near, outcome)
        local_history[own] = ((pattern << 1) | outcome) & local_mask
        history = ((history << 1) | outcome) & history_mask
    registers[0] = history
    return misses, differed
