"""One sample of input levels through a network in one compiled call, by a table of addresses."""

from __future__ import annotations

from functools import partial

import numpy as np

from edgelearn.fixedpoint.frozen import byte_at, caller_of, put_word, word_at
from edgelearn.fixedpoint.lanes import compiled
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.sample import run_steps

REFUSED = -1
N_IN, SIGNED, LOWEST, TOP, LEVELS, STEP, PREDICTION, NETWORK = range(8)

_run_steps = caller_of(run_steps)


@partial(compiled, nogil=False)
def step_at(table, label):  # type: ignore[no-untyped-def]
    """Take the step at hand with a label, or NO_LABEL; return the class predicted; REFUSED for levels out of range."""
    levels, lowest, top = word_at(table, LEVELS), word_at(table, LOWEST), word_at(table, TOP)
    wrap = np.int64(256) if word_at(table, SIGNED) else np.int64(0)
    wrong = np.int64(0)
    for i in range(word_at(table, N_IN)):
        level = np.int64(byte_at(levels, i))
        level -= wrap if level > 127 else np.int64(0)
        wrong |= (level < lowest) | (level > top)
    if wrong:
        return np.int64(REFUSED)
    put_word(word_at(table, STEP), t.LABEL, label)
    _run_steps(word_at(table, NETWORK))
    return word_at(word_at(table, PREDICTION), 0)
