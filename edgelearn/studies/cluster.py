"""Dask and ray clusters, by their own futures: joblib's backends lose a cell whose worker dies.

joblib's dask backend never calls back for a task that failed, so that the sweep would wait for ever; its ray backend
gives no result before all are there, so that an interrupt would lose them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from edgelearn import __version__
from edgelearn.errors import UserError, install
from edgelearn.studies.cell import Cell, Record

RunCell = Callable[[Cell], Record]
WORKER_SECONDS = 30  # until a first worker has joined
SLACK = 2  # cells of each worker that are handed out at a time


class Cluster(Protocol):
    """Interface of a cluster."""

    def records(self, run: RunCell, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Record | None]]:
        """Run cells; give each with its record as it ends, or with None where its worker died once too often."""

    def close(self) -> None:
        """Let go of the cluster, and end what was started for it."""


def _in_place(run: RunCell, cell: Cell) -> Record:
    return run(cell)


class Dask:
    """A dask cluster.

    Parameters
    ----------
    jobs : workers of the cluster that is started here where there is no scheduler
    scheduler : its address

    Raises
    ------
    UserError
        "dask is not installed ...", "no dask scheduler answers at ...", "no worker has joined ...",
        "the dask worker ... has no edgelearn ..."
    """

    def __init__(self, jobs: int, scheduler: str | None) -> None:
        try:
            import logging
            import warnings

            import dask
            from distributed import Client, LocalCluster
        except ImportError:
            raise UserError(f"dask is not installed: {install('cluster')}") from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self._cluster: Any = None
        if scheduler is None:
            dask.config.set({"distributed.scheduler.allowed-failures": 1})  # a cell whose worker died runs again anyway
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Port .* already in use")  # of a page that nobody opens
                self._cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)  # type: ignore[no-untyped-call]
            scheduler = str(self._cluster.scheduler_address)
        try:
            self._client: Any = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"no dask scheduler answers at {scheduler}: {reason}; start one with `dask scheduler`, and its workers"
            ) from None
        if self._cluster is None:
            try:
                self._check_workers(scheduler)
            except BaseException:
                self._client.close()  # type: ignore[no-untyped-call]
                raise

    def _check_workers(self, scheduler: str) -> None:
        """Refuse a scheduler without workers, and workers that cannot read a cell: those end themselves one by one."""

        def version() -> str:  # sent as code, since a worker need not have this module
            try:
                from edgelearn import __version__
                from edgelearn.studies import cluster  # noqa: F401
            except ImportError as error:
                return str(error)
            return __version__

        try:
            self._client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError:
            raise UserError(
                f"no worker has joined the dask scheduler at {scheduler}; start some with `dask worker {scheduler}`"
            ) from None
        for worker, found in sorted(self._client.run(version).items()):
            if found != __version__:
                raise UserError(
                    f"the dask worker {worker} has no edgelearn {__version__}: {found}; install the same version on "
                    "every machine"
                )

    def records(self, run: RunCell, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Record | None]]:
        from concurrent.futures import CancelledError

        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        cell_of: dict[str, Cell] = {}

        def submitted() -> Iterator[Any]:
            for cell in cells:
                future = self._client.submit(_in_place, run, cell, pure=False)
                cell_of[future.key] = cell
                yield future

        try:
            for future in as_completed(submitted()):  # type: ignore[no-untyped-call]
                try:
                    record: Record | None = future.result()
                except KilledWorker:
                    record = None
                finally:
                    future.release()  # dask runs again what was on a worker that died while anyone may ask for it
                yield cell_of.pop(future.key), record
        except (CancelledError, OSError) as error:
            raise UserError(
                f"the dask scheduler is gone: {error or 'it cancelled what ran'}; start it again, and the same "
                "sweep, which continues"
            ) from None

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class Ray:
    """A ray cluster.

    Parameters
    ----------
    jobs : processors of the cluster that is started here where there is no address
    address : "auto" for the cluster of this machine, or ray://HOST:PORT

    Raises
    ------
    UserError
        "ray is not installed ...", "no ray cluster answers at ..."
    """

    def __init__(self, jobs: int, address: str | None) -> None:
        try:
            import ray
        except ImportError:
            raise UserError('ray is not installed: pip install "ray"') from None
        self._ray: Any = ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if address is None:
                ray.init(num_cpus=jobs, include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"no ray cluster answers at {address}: {reason}; start one with `ray start`") from None
        self._task = ray.remote(max_retries=0)(_in_place)

    def records(self, run: RunCell, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Record | None]]:
        ray = self._ray
        deaths = (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError)
        waiting = iter(cells)
        running: dict[Any, Cell] = {}
        while True:
            room = SLACK * max(1, int(ray.cluster_resources().get("CPU", 1))) - len(running)
            for _, cell in zip(range(room), waiting, strict=False):
                running[self._task.remote(run, cell)] = cell
            if not running:
                return
            (ended,), _ = ray.wait(list(running), num_returns=1)
            try:
                record: Record | None = ray.get(ended)
            except deaths:
                record = None
            yield running.pop(ended), record

    def close(self) -> None:
        self._ray.shutdown()


def open_cluster(backend: str, jobs: int, address: str | None) -> Cluster:
    """Return the cluster of a backend, "dask" or "ray"; started here where no address is given."""
    return Dask(jobs, address) if backend == "dask" else Ray(jobs, address)
