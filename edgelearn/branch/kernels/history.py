"""The outcomes of the last branches, the newest first and side by side, so that a dot product reads one window."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined

ROOM = 4096  # outcomes between two moves of the window


def new_history(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a window of outcomes, int8[ROOM + length] of -1, and the place of the newest, int64[1]."""
    return np.full(ROOM + length, -1, np.int8), np.array([ROOM], np.int64)


@inlined
def pushed(window, at, length, outcome):  # type: ignore[no-untyped-def]
    """Put an outcome, -1 or 1, before the others; return the place of the newest."""
    if at == 0:
        for j in range(length):
            window[ROOM + j] = window[j]
        at = ROOM
    at -= 1
    window[at] = outcome
    return at


@inlined
def folded(fold, outcome, oldest, turn, width):  # type: ignore[no-untyped-def]
    """Return a history folded to `width` bits after one more outcome.

    Bit j of the history, 0 the newest, is exclusive-ored into bit j modulo width.

    Parameters
    ----------
    outcome : 0 or 1; oldest : the outcome, -1 or 1, that has just left the history
    turn : length of the history modulo width
    """
    fold = ((fold << 1) | outcome) ^ (((oldest + 1) >> 1) << turn)
    return (fold ^ (fold >> width)) & ((1 << width) - 1)
