"""Real-time model of a processor for the kernels: ticks and energy per count, queue, deadline, energy budget."""

from __future__ import annotations

import numpy as np

from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import Device
from edgelearn.network.kernels.tables import COUNTERS

TICKS_PER_CYCLE = 256
FARTHEST_TICK = 2**62  # ticks and energies must stay below, so that sums of two fit 64 bits
LONG_AGO = -FARTHEST_TICK
__all__ = ["Device", "device", "untimed"]


def device(
    prices: np.ndarray,
    queue: int | None = None,
    deadline_ticks: int | None = None,
    skip_waiting: bool = False,
    budget_cap: int | None = None,
) -> Device:
    """Return a device at rest, without arrivals.

    Parameters
    ----------
    prices : int64[2, 2, K, len(COUNTERS)], of one count: ticks, then energy units; labelled samples, then predicted
        ones; all zero if cost is not simulated
    queue : samples that may wait beside the one in work; None if time is not simulated. A late label is learned right
        after a sample and takes no place in the queue, but samples that arrive meanwhile wait for it.
    deadline_ticks : longest time from arrival to result; None for no deadline
    skip_waiting : learn only samples that did not wait
    budget_cap : capacity of the energy budget, full at the start; None for no budget
    """
    settings, clock = np.zeros(t.DEVICE_SETTINGS, np.int64), np.zeros(t.DEVICE_CLOCK, np.int64)
    settings[t.PRICED] = bool(prices.any())
    settings[t.TIMED], settings[t.QUEUE] = queue is not None, queue or 0
    settings[t.DEADLINE] = FARTHEST_TICK if deadline_ticks is None else deadline_ticks
    settings[t.SKIP_WAITING], settings[t.BUDGETED] = skip_waiting, budget_cap is not None
    settings[t.BUDGET_CAP] = clock[t.BUDGET] = budget_cap or 0
    clock[t.BUSY_UNTIL] = LONG_AGO
    none = np.zeros(0, np.int64)
    finishes = np.full((queue or 0) + 1, LONG_AGO, np.int64)
    return Device(settings, prices, none, none, clock, np.zeros((2, 2), np.int64), finishes)


def untimed(n_layers: int) -> Device:
    """Return a device without queue, deadline, budget or prices."""
    return device(np.zeros((2, 2, n_layers, len(COUNTERS)), np.int64))
