"""Executor of cells: processes or threads through joblib, or a cluster; a process that dies fails one cell."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError, interrupts_blocked, unknown
from edgelearn.studies.cell import Cell, Record, failure, record_of, run_cell
from edgelearn.studies.cluster import Cluster, RunCell, open_cluster
from edgelearn.studies.table import Records

if TYPE_CHECKING:
    from concurrent.futures import Future

CLUSTERS = ("dask", "ray")
BACKENDS = ("processes", "threads", *CLUSTERS)
DIED = "the process that ran it died twice, the second time alone; it may have been killed for want of memory"
WATCH_SECONDS = 0.1


def check_backend(backend: str, scheduler: str | None) -> None:
    """Refuse a backend that there is not, and an address that it does not take.

    Raises
    ------
    UserError
        "backend '...' is not known ...", "the backend ... has no scheduler ..."
    """
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if scheduler is not None and backend not in CLUSTERS:
        raise UserError(f"the backend {backend} has no scheduler; give --backend dask, or leave the address out")


class Engine:
    """Run cells in parallel and give their records as they end.

    Parameters
    ----------
    jobs : processes or threads of this machine; a cluster elsewhere has its own number
    backend : "processes", "threads", "dask" or "ray"
    scheduler : address of a cluster; one of `jobs` processes is started here where it is None
    run : what is done with a cell

    Raises
    ------
    UserError
        "backend '...' is not known ..." and those of `cluster`
    """

    def __init__(
        self, jobs: int = 1, backend: str = "processes", scheduler: str | None = None, run: RunCell = run_cell
    ) -> None:
        check_backend(backend, scheduler)
        self._jobs, self._backend, self._run = jobs, backend, run
        self._cluster: Cluster | None = open_cluster(backend, jobs, scheduler) if backend in CLUSTERS else None
        self._single: Any = None  # a process for cells that run alone
        self._has_pool = False

    def close(self, kill: bool = False) -> None:
        """End the processes that were started; at once where `kill` says so."""
        if self._cluster is not None:
            self._cluster.close()
        elif self._has_pool:
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=kill)
        self._end_single(kill)

    def _end_single(self, kill: bool = False) -> None:
        if self._single is not None:
            self._single.shutdown(wait=True, kill_workers=kill)
            self._single = None

    def records(self, cells: Sequence[Cell], kept: Records) -> Iterator[Record]:
        """Run cells; give each record when it is there and kept.

        A process that dies ends all cells in flight, and nobody knows whose fault it was: each of them runs once
        more, alone, and fails if its process dies again. The others go on in parallel.
        """
        if self._cluster is not None:
            yield from self._on_cluster(self._cluster, cells, kept)
        elif self._jobs == 1 or len(cells) == 1:
            yield from self._in_turn(cells, kept)
        else:
            yield from self._on_joblib(list(cells), kept)

    def _batches(self, cells: Sequence[Cell]) -> list[tuple[Cell, ...]]:
        """Return the cells of each task; those that another function runs are alone."""
        if self._run is not run_cell:
            return [(cell,) for cell in cells]
        from edgelearn.studies.side_by_side import batches_of

        return batches_of(cells, self._jobs)

    def _in_turn(self, cells: Sequence[Cell], kept: Records) -> Iterator[Record]:
        """Run one batch after another; each cell of a batch whose process died runs once more, alone."""
        before = kept.read(cell.id for cell in cells)  # failures that are tried again
        for batch in self._batches(cells):
            if len(batch) == 1:
                yield self._alone(batch[0], kept, deaths=0)
                continue
            try:
                records = self._submitted(batch, kept)
            except BrokenExecutor:
                self._end_single()
                yield from self._ended_or_again(batch, kept, before)
                continue
            yield from records

    def _on_joblib(self, waiting: list[Cell], kept: Records) -> Iterator[Record]:
        from joblib import delayed

        in_flight: dict[str, Cell] = {}
        before = kept.read(cell.id for cell in waiting)  # failures that are tried again

        def dispatched(cells: list[Cell]) -> Iterator[Any]:
            for batch in self._batches(cells):
                in_flight.update((cell.id, cell) for cell in batch)
                yield delayed(self._task)(self._run, batch, kept)

        while waiting:
            left = {cell.id: cell for cell in waiting}
            in_flight.clear()
            try:
                for records in self._parallel(dispatched(waiting), min(self._jobs, len(waiting))):
                    for record in records:
                        del left[record["cell"]], in_flight[record["cell"]]
                    yield from records
                return
            except BrokenExecutor:
                pass
            for id in in_flight:
                del left[id]
            yield from self._ended_or_again(list(in_flight.values()), kept, before)
            self._end_single()
            waiting = list(left.values())

    def _ended_or_again(self, cells: Sequence[Cell], kept: Records, before: Mapping[str, Record]) -> Iterator[Record]:
        """Give the records of cells whose process died: those that had ended were kept, though nobody was told."""
        ended = kept.read(cell.id for cell in cells) if self._backend == "processes" else {}
        for cell in cells:
            found = ended.get(cell.id)
            yield self._alone(cell, kept, deaths=1) if found is None or found == before.get(cell.id) else found

    def _on_cluster(self, cluster: Cluster, cells: Sequence[Cell], kept: Records) -> Iterator[Record]:
        died = []
        for cell, record in cluster.records(self._run, cells):
            if record is None:
                died.append(cell)
                continue
            kept.write(record)
            yield record
        for cell in died:
            yield self._alone(cell, kept, deaths=1)

    @property
    def _task(self) -> Callable[[RunCell, Sequence[Cell], Records], list[Record]]:
        return _in_own_process if self._backend == "processes" else _kept_in_place

    def _parallel(self, tasks: Iterator[Any], jobs: int) -> Iterable[list[Record]]:
        """Start tasks, one at a time for each worker, so that few are lost when one dies."""
        from joblib import Parallel, parallel_config

        names = {"processes": "loky", "threads": "threading"}
        self._has_pool = self._backend == "processes"
        with parallel_config(backend=names[self._backend]), interrupts_blocked():
            watched = {"initializer": _watch_parent, "initargs": (os.getpid(),)} if self._has_pool else {}
            parallel = Parallel(
                n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs", **watched
            )
            results: Iterable[list[Record]] = parallel(tasks)
        return results

    def _alone(self, cell: Cell, kept: Records, deaths: int) -> Record:
        """Run a cell with nothing beside it; `deaths` is how often its process has died."""
        while deaths < 2:
            try:
                return self._submitted((cell,), kept)[0]
            except BrokenExecutor:
                self._end_single()
                deaths += 1
        record = record_of(cell, failure(DIED))
        kept.write(record)
        return record

    def _submitted(self, cells: Sequence[Cell], kept: Records) -> list[Record]:
        if self._backend == "threads":
            return _in_thread(self._run, cells, kept)
        if self._cluster is not None:
            ((_, record),) = self._cluster.records(self._run, cells)
            if record is None:
                raise BrokenExecutor
            kept.write(record)
            return [record]
        from joblib.externals.loky import ProcessPoolExecutor

        with interrupts_blocked():
            self._single = self._single or ProcessPoolExecutor(1, initializer=_watch_parent, initargs=(os.getpid(),))
            future: Future[list[Record]] = self._single.submit(_in_own_process, self._run, cells, kept)
        return future.result()


def _kept_in_place(run: RunCell, cells: Sequence[Cell], kept: Records) -> list[Record]:
    """Run a cell, or a batch of those that learn side by side, and keep each record as soon as it is there."""
    found: Iterable[Record]
    if len(cells) == 1:
        found = (run(cells[0]),)
    else:
        from edgelearn.studies.side_by_side import run_batch

        found = run_batch(cells)
    records = []
    for record in found:
        kept.write(record)
        records.append(record)
    return records


def _in_own_process(run: RunCell, cells: Sequence[Cell], kept: Records) -> list[Record]:
    """Run cells in a process of its own, which `_watch_parent` has prepared."""
    return _kept_in_place(run, cells, kept)


def _watch_parent(parent: int) -> None:
    """Keep Ctrl-C from this process, and end it with the one that started it, also before its first cell."""
    if hasattr(os, "setpgid"):
        with suppress(OSError):
            os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _in_thread(run: RunCell, cells: Sequence[Cell], kept: Records) -> list[Record]:
    """Run cells off the main thread, where Ctrl-C leaves no checkpoint of them."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_kept_in_place, run, cells, kept).result()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep joblib from telling users what this engine handles: workers that stopped, or were ended for their memory."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
        yield
