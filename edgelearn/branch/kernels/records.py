"""Records of instructions of different lengths, in which only reading one tells where the next begins."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import compiled

LOAD, STORE, CONDITIONAL, UNDEFINED, LAST_CLASS = 1, 2, 3, 8, 11
FIRST_WIDE, FIRST_NARROW, LAST_REGISTER = 32, 64, 65
# what a scan leaves behind
PLACE, INSTRUCTIONS, BRANCHES, FAULT, FAULTY = 0, 1, 2, 3, 4
BAD_CLASS, BAD_OUTCOME, BAD_REGISTER = 1, 2, 3
SHORTEST_BRANCH = 12  # bytes


@compiled
def scan(data, places, taken, counts, state):  # type: ignore[no-untyped-def]
    """Find the conditional branches in whole records; stop at the first that is not whole, or not a record.

    Parameters
    ----------
    data : uint8[n_bytes], begins with a record
    places, taken, counts : int64, uint8, int64 [n_bytes // SHORTEST_BRANCH + 1], filled for each conditional
        branch: where its record begins, its outcome, instructions up to and with it
    state : int64[5]; PLACE: bytes of whole records; INSTRUCTIONS: goes on from call to call; BRANCHES: entries filled;
        FAULT: 0 or what is wrong with the record at PLACE; FAULTY: the value that is wrong
    """
    size = len(data)
    at = np.int64(0)
    n = 0
    state[FAULT] = 0
    while at + 9 <= size:
        end = at + np.int64(9)
        kind = np.int64(data[at + 8])
        outcome = np.int64(0)
        if kind > LAST_CLASS or kind == UNDEFINED:
            state[FAULT], state[FAULTY] = BAD_CLASS, kind
            break
        if kind == LOAD:
            end += 10  # address, size, base update
        elif kind == STORE:
            end += 11  # the same and register offset
        elif 3 <= kind <= 5 or kind >= 9:
            if end >= size:
                break
            outcome = np.int64(data[end])
            if outcome > 1:
                state[FAULT], state[FAULTY] = BAD_OUTCOME, outcome
                break
            end += 1 + 8 * outcome
        if end >= size:
            break
        end += 1 + np.int64(data[end])
        if end >= size:
            break
        n_out = np.int64(data[end])
        end += 1
        if end + n_out > size:
            break
        n_bytes = n_out
        for j in range(n_out):
            register = np.int64(data[end + j])
            if register > LAST_REGISTER:
                state[FAULT], state[FAULTY] = BAD_REGISTER, register
            n_bytes += 16 if FIRST_WIDE <= register < FIRST_NARROW else 8
        if state[FAULT] != 0:
            break
        end += n_bytes
        if end > size:
            break
        state[INSTRUCTIONS] += 1
        if kind == CONDITIONAL:
            places[n] = at
            taken[n] = outcome
            counts[n] = state[INSTRUCTIONS]
            n += 1
        at = end
    state[PLACE] = at
    state[BRANCHES] = n
