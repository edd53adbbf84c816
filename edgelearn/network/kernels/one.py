"""One sample of input levels through a network in one compiled call, by a table of addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgelearn.fixedpoint.frozen import address_of, byte_at, caller_of, entry_of, put_word, quick, word_at
from edgelearn.fixedpoint.lanes import compiled
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import Results
from edgelearn.network.kernels.sample import run_steps

if TYPE_CHECKING:
    from edgelearn.network.learner import Learner

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


class LevelsCall:
    """Call of `step_at` for one learner: write `levels`, then `call(address, label)`.

    Attributes
    ----------
    levels : uint8[n_in], or int8 where the levels of the network have a sign
    """

    __slots__ = ("_kept", "address", "call", "levels")

    def __init__(self, learner: Learner) -> None:
        spec = learner.spec
        levels, step = np.zeros((1, spec.sizes[0]), np.uint8), np.zeros((1, 3), np.int64)
        results = Results(
            predictions=np.zeros(1, np.int64),
            statuses=np.zeros(1, np.uint8),
            scores=np.zeros((0, 0), np.uint8),
            energies=np.zeros(0, np.int64),
            dropped=np.zeros(1, np.uint8),
        )
        network = learner.arguments(levels, step, results)
        entry = entry_of(run_steps, *network)
        arrays: tuple[np.ndarray, ...] = (levels, step, results.predictions, entry)
        table = np.array([spec.sizes[0], spec.signed_inputs, *spec.input_range, *map(address_of, arrays)], np.int64)
        self._kept = (network, entry, table)
        self.levels = levels[0].view(np.int8) if spec.signed_inputs else levels[0]
        self.address = address_of(table)
        self.call: Callable[[int, int], int] = quick(step_at, 2)
