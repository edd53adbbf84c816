"""What all predictors are: a specification that knows its storage, and state that predicts and then learns."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Predictor(Protocol):
    """Predicts branches and learns from their outcomes, in order; state goes on from one call to the next."""

    @property
    def name(self) -> str:
        """Return the name with its parameters, as on the command line: gshare:17."""
        ...

    @property
    def storage_bits(self) -> int:
        """Return all bits of state, history, thresholds and generators included."""
        ...

    def run(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> int:
        """Predict and learn branches one after another; return how many were mispredicted.

        Parameters
        ----------
        pc : uint32[n], shifted as the caller wants it; taken : uint8[n], 0 or 1
        predicted : uint8[n], filled; of no entries where nobody looks
        """
        ...

    @property
    def counters(self) -> dict[str, int]:
        """Return counts so far: branches, misses, trained branches, words read and written."""
        ...
