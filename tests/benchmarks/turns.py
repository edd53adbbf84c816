"""Contestants that take turns in one process: median and quickest turn, in processor time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

TURNS = 15


@dataclass(frozen=True)
class Timing:
    """Seconds of processor time per turn, and what the last turn returned."""

    seconds: tuple[float, ...]
    result: Any

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    @property
    def best(self) -> float:
        return min(self.seconds)

    def ratio(self, other: Timing) -> float:
        """Return how many times as fast as `other` this is: the median over turns."""
        return float(np.median(np.array(other.seconds) / np.array(self.seconds)))


def take_turns(runs: Mapping[str, Callable[[], Any]], turns: int = TURNS) -> dict[str, Timing]:
    """Run all contestants `turns` times one after another, after one turn that is not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, Any] = {}
    for turn in range(turns + 1):
        for name, run in runs.items():
            started = time.process_time()
            results[name] = run()
            if turn:
                seconds[name].append(time.process_time() - started)
    return {name: Timing(tuple(seconds[name]), results[name]) for name in runs}
