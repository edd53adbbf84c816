"""Stages that blocks pass one after another, shared by threads.

A stage consists of units, such as groups of tiles. A unit takes the blocks in their order, and a block when all units
of the stage before are done with it. Nothing else is waited for: a thread that is done with its units of a block goes
on to the next block, takes over what no thread owns, then units of a thread that is behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait

Unit = Callable[[int, int], None]  # takes the number of a block and that of its thread


class Pipeline:
    """Blocks on their way through stages.

    Parameters
    ----------
    stages : units of each stage; those of a stage of several are owned by the threads, whose caches keep their data
    n_blocks : blocks to take
    depth : blocks between the first stage and the last, which share what is kept of a block
    threads : number of threads
    """

    def __init__(self, stages: Sequence[Sequence[Unit]], n_blocks: int, depth: int, threads: int) -> None:
        self._stages, self._n_blocks, self._depth, self._threads = stages, n_blocks, depth, threads
        self._done = [[0] * len(units) for units in stages]  # blocks that each unit is done with
        self._taken: set[tuple[int, int]] = set()
        self._change = threading.Condition()
        self._failed = False

    def run(self, executor: Executor) -> None:
        """Take all blocks through all stages, in this thread and in those of an executor.

        Raises
        ------
        BaseException
            The first one of a unit; no unit is begun after it.
        """
        others = [executor.submit(self._work, thread) for thread in range(1, self._threads)]
        try:
            self._work(0)
        finally:
            wait(others)
        for other in others:
            other.result()

    def _work(self, thread: int) -> None:
        try:
            while (place := self._take(thread)) is not None:
                stage, unit = place
                self._stages[stage][unit](self._done[stage][unit], thread)
                with self._change:
                    self._done[stage][unit] += 1
                    self._taken.remove(place)
                    self._change.notify_all()
        except BaseException:
            with self._change:
                self._failed = True
                self._change.notify_all()
            raise

    def _take(self, thread: int) -> tuple[int, int] | None:
        """Wait for a unit that a thread may go on with, and take it; return None where all blocks are through."""
        with self._change:
            while not self._failed and min(self._done[-1]) < self._n_blocks:
                place = self._choose(thread)
                if place is not None:
                    self._taken.add(place)
                    return place
                self._change.wait()
            return None

    def _choose(self, thread: int) -> tuple[int, int] | None:
        """Return a unit that is ready: of a late stage and an early block, if there is one without another owner."""
        found: tuple[int, int] | None = None
        best: tuple[bool, int, int] | None = None
        for stage, done in enumerate(self._done):
            end = min(self._done[stage - 1]) if stage else min(self._done[-1]) + self._depth
            for unit, block in enumerate(done):
                if block >= min(end, self._n_blocks) or (stage, unit) in self._taken:
                    continue
                own = len(done) == 1 or unit * self._threads // len(done) == thread
                rank = not own, -stage, block
                if best is None or rank < best:
                    best, found = rank, (stage, unit)
        return found
