"""Mispredictions by branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class TopBranches:
    """Executions and mispredictions of each branch, for several predictors.

    Parameters
    ----------
    n_predictors : number of predictors
    """

    def __init__(self, n_predictors: int) -> None:
        self._addresses = np.empty(0, np.uint64)
        self._counts = np.zeros((2 + n_predictors, 0), np.int64)  # executions, taken, mispredictions of each predictor

    def add(
        self, address: np.ndarray, taken: np.ndarray, scored: np.ndarray | None, wrong: Sequence[np.ndarray | None]
    ) -> None:
        """Count branches.

        Parameters
        ----------
        address : whole numbers [n]; taken : uint8[n]
        scored : bool[n], branches that count; None for all
        wrong : per predictor, bool[n], whether its prediction counts and is wrong
        """
        distinct, places = np.unique(address.astype(np.uint64), return_inverse=True)
        known = np.union1d(self._addresses, distinct)
        counts = np.zeros((len(self._counts), len(known)), np.int64)
        counts[:, np.searchsorted(known, self._addresses)] = self._counts
        where = np.searchsorted(known, distinct)
        every = np.ones(len(address), np.bool_) if scored is None else scored
        for row, chosen in enumerate((every, every & (taken == 1), *wrong)):
            assert chosen is not None
            counts[row, where] += np.bincount(places.reshape(-1)[chosen], minlength=len(distinct))
        self._addresses, self._counts = known, counts

    def rows(self, predictor: int, n: int) -> list[dict[str, Any]]:
        """Return the n branches that a predictor mispredicts most, the lowest address first among equals."""
        misses = self._counts[2 + predictor]
        order = np.lexsort((self._addresses, -misses))[:n]
        total = max(int(misses.sum()), 1)
        return [
            {
                "address": f"0x{int(self._addresses[k]):x}",
                "executions": int(self._counts[0, k]),
                "taken_percent": round(100 * int(self._counts[1, k]) / max(int(self._counts[0, k]), 1), 4),
                "misses": int(misses[k]),
                "share_percent": round(100 * int(misses[k]) / total, 4),
            }
            for k in order
            if misses[k]
        ]

    def state(self) -> dict[str, np.ndarray]:
        return {"top/addresses": self._addresses, "top/counts": self._counts}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._addresses, self._counts = state["top/addresses"], state["top/counts"]
