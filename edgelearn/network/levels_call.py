"""Calls of a network for one sample of input levels, without unpacking its arrays in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from edgelearn.fixedpoint.frozen import address_of, entry_of, quick
from edgelearn.network.kernels.arrays import Results
from edgelearn.network.kernels.one import step_at
from edgelearn.network.kernels.sample import run_steps

if TYPE_CHECKING:
    from edgelearn.network.learner import Learner


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
