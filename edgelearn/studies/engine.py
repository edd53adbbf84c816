"""Where cells run: processes or threads through joblib, a cluster; a process that dies takes its own cell only."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from edgelearn.errors import UserError, unknown
from edgelearn.studies.cell import Cell, Record, failure, record_of, run_cell
from edgelearn.studies.table import Records

if TYPE_CHECKING:
    from concurrent.futures import Future

BACKENDS = ("processes", "threads", "dask", "ray")
DIED = "the process that ran it died twice, the second time alone; it may have been killed for want of memory"
WATCH_SECONDS = 0.1
RunCell = Callable[[Cell], Record]


class Engine:
    """Run cells in parallel and give their records as they end.

    Parameters
    ----------
    jobs : processes or threads of this machine; a cluster has its own number
    backend : "processes", "threads", "dask" or "ray"
    scheduler : address of a dask scheduler; a cluster of `jobs` processes is started here where it is None
    run : what is done with a cell

    Raises
    ------
    UserError
        "backend '...' is not known ...", "... is not installed ...", "no dask scheduler answers at ..."
    """

    def __init__(
        self, jobs: int = 1, backend: str = "processes", scheduler: str | None = None, run: RunCell = run_cell
    ) -> None:
        if backend not in BACKENDS:
            raise unknown("backend", backend, BACKENDS)
        if scheduler is not None and backend != "dask":
            raise UserError(f"the backend {backend} has no scheduler; give --backend dask, or leave the address out")
        self._jobs, self._backend, self._run = jobs, backend, run
        self._client: Any = None
        self._single: Any = None  # a process for cells that run alone
        self._has_pool = False
        if backend == "dask":
            self._client = _dask_client(jobs, scheduler)
        elif backend == "ray":
            _register_ray()

    def close(self, kill: bool = False) -> None:
        """End the processes that were started; at once where `kill` says so."""
        if self._client is not None:
            self._client.close()
            if self._client.cluster is not None:
                self._client.cluster.close()
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
        if self._client is not None:
            yield from self._on_dask(cells, kept)
        elif self._backend != "ray" and (self._jobs == 1 or len(cells) == 1):
            for cell in cells:
                yield self._alone(cell, kept, deaths=0)
        else:
            yield from self._on_joblib(list(cells), kept)

    def _on_joblib(self, waiting: list[Cell], kept: Records) -> Iterator[Record]:
        from joblib import delayed

        in_flight: dict[str, Cell] = {}

        def dispatched(cells: list[Cell]) -> Iterator[Any]:
            for cell in cells:
                in_flight[cell.id] = cell
                yield delayed(self._task)(self._run, cell, kept)

        while waiting:
            left = {cell.id: cell for cell in waiting}
            in_flight.clear()
            try:
                for record in self._parallel(dispatched(waiting)):
                    del left[record["cell"]], in_flight[record["cell"]]
                    yield record
                return
            except _deaths():
                pass
            # what ended in the moment of the death was kept, though nobody was told
            ended = kept.read(in_flight) if self._backend == "processes" else {}
            for id, cell in in_flight.items():
                del left[id]
                yield ended.get(id) or self._alone(cell, kept, deaths=1)
            self._end_single()
            waiting = list(left.values())

    def _on_dask(self, cells: Sequence[Cell], kept: Records) -> Iterator[Record]:
        """Run cells on dask's own futures: joblib's backend waits for ever for a cell whose worker died."""
        from concurrent.futures import CancelledError

        from distributed import as_completed

        def submitted() -> Iterator[Any]:
            for cell in cells:
                future = self._client.submit(_in_place, self._run, cell, pure=False)
                cell_of[future.key] = cell
                yield future

        cell_of: dict[str, Cell] = {}
        died = []
        try:
            for future in as_completed(submitted()):  # type: ignore[no-untyped-call]
                try:
                    record: Record = future.result()
                except _deaths():
                    died.append(cell_of[future.key])
                    continue
                finally:
                    future.release()  # dask runs again what was on a worker that died while anyone may ask for it
                kept.write(record)
                yield record
        except (CancelledError, OSError) as error:
            raise UserError(
                f"the dask scheduler is gone: {error or 'it cancelled what ran'}; start it again, and the same "
                "sweep, which continues"
            ) from None
        for cell in died:
            yield self._alone(cell, kept, deaths=1)

    @property
    def _task(self) -> Callable[[RunCell, Cell, Records], Record]:
        return _in_own_process if self._backend == "processes" else _kept_in_place

    def _parallel(self, tasks: Iterator[Any]) -> Iterable[Record]:
        """Start tasks, one at a time for each worker, so that few are lost when one dies."""
        from joblib import Parallel, parallel_config

        names = {"processes": "loky", "threads": "threading"}
        own = self._backend in names
        self._has_pool = self._backend == "processes"
        with parallel_config(backend=names.get(self._backend, self._backend)), _deaf_to_interrupts():
            parallel = Parallel(
                n_jobs=self._jobs if own else -1,
                return_as="generator_unordered",
                batch_size=1,
                pre_dispatch="n_jobs" if own else "2*n_jobs",
            )
            results: Iterable[Record] = parallel(tasks)
        return results

    def _alone(self, cell: Cell, kept: Records, deaths: int) -> Record:
        """Run a cell with nothing beside it; `deaths` is how often its process has died."""
        while deaths < 2:
            try:
                return self._submitted(cell, kept)
            except _deaths():
                self._end_single()
                deaths += 1
        record = record_of(cell, failure(DIED))
        kept.write(record)
        return record

    def _submitted(self, cell: Cell, kept: Records) -> Record:
        if self._backend == "threads":
            return _in_thread(self._run, cell, kept)
        record: Record
        if self._client is not None:
            record = self._client.submit(_in_place, self._run, cell, pure=False).result()
            kept.write(record)
            return record
        from joblib.externals.loky import ProcessPoolExecutor

        with _deaf_to_interrupts():
            self._single = self._single or ProcessPoolExecutor(1)
            future: Future[Record] = self._single.submit(_in_own_process, self._run, cell, kept)
        return future.result()


def _in_place(run: RunCell, cell: Cell) -> Record:
    return run(cell)


def _kept_in_place(run: RunCell, cell: Cell, kept: Records) -> Record:
    record = run(cell)
    kept.write(record)
    return record


def _in_own_process(run: RunCell, cell: Cell, kept: Records) -> Record:
    """Run a cell in a process that Ctrl-C does not reach and that ends with the one that started it."""
    if _WATCH not in {thread.name for thread in threading.enumerate()}:
        if hasattr(os, "setpgid"):
            with suppress(OSError):
                os.setpgid(0, 0)
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), name=_WATCH, daemon=True).start()
    return _kept_in_place(run, cell, kept)


_WATCH = "end with parent"


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _in_thread(run: RunCell, cell: Cell, kept: Records) -> Record:
    """Run a cell off the main thread, where Ctrl-C leaves no checkpoint of it."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_kept_in_place, run, cell, kept).result()


def _deaths() -> tuple[type[BaseException], ...]:
    """Return the errors that say that a worker died."""
    from concurrent.futures.process import BrokenProcessPool

    found: list[type[BaseException]] = [BrokenProcessPool]
    with suppress(ImportError):
        from distributed.scheduler import KilledWorker

        found.append(KilledWorker)
    return tuple(found)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started inside, until they can do so themselves."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep joblib from telling users what this engine handles: workers that stopped, or were ended for their memory."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
        yield


def _dask_client(jobs: int, scheduler: str | None) -> Any:
    try:
        import logging

        from distributed import Client, LocalCluster
    except ImportError:
        raise UserError('dask is not installed: pip install "edgelearn[cluster]"') from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        import dask

        dask.config.set({"distributed.scheduler.allowed-failures": 1})  # what dies twice is told apart here
        cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)  # type: ignore[no-untyped-call]
        return Client(cluster)  # type: ignore[no-untyped-call]
    try:
        return Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"no dask scheduler answers at {scheduler}: {reason}; start one with `dask scheduler`, and its workers"
        ) from None


def _register_ray() -> None:
    try:
        from ray.util.joblib import register_ray
    except ImportError:
        raise UserError('ray is not installed: pip install "ray[default]"') from None
    register_ray()
