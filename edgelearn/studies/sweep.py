"""Sweep: runs the cells of a plan that a folder lacks, reports failures and continues."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edgelearn.errors import UserError, unknown
from edgelearn.files import only_writer, remove_temporaries, write_text
from edgelearn.runs.checkpoint import sha256_of_start
from edgelearn.runs.registry import studied_kind
from edgelearn.studies.cell import DONE, FAILED, Cell, Record, run_cell
from edgelearn.studies.cluster import RunCell
from edgelearn.studies.executor import CLUSTERS, Engine, check_backend, quiet
from edgelearn.studies.plan import Plan
from edgelearn.studies.table import CELLS, PLAN, TRIALS, WRITTEN, Records, Table, need_studies

TABLE_SECONDS = 1.0
TABLE_SHARE = 0.02  # of the time may go into writing the table


@dataclass
class SweepProgress:
    """Progress of a sweep.

    Parameters
    ----------
    stage : "cells", or what of the tuning runs
    total, done, failed : cells of this stage; done counts those that failed, and those found from before
    kept : of them, found from before
    """

    stage: str
    total: int
    done: int = 0
    failed: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Outcome:
    """Result of a sweep.

    Parameters
    ----------
    errors : number of cells by error
    unpriced : processors on which no price is there of some cells
    """

    folder: Path
    cells: int
    kept: int
    failed: int
    seconds: float
    errors: dict[str, int] = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()


def sweep(
    plan: Plan,
    folder: Path,
    jobs: int = 1,
    backend: str = "processes",
    scheduler: str | None = None,
    overwrite: bool = False,
    extend: bool = False,
    retry: bool = False,
    on_progress: Callable[[SweepProgress], None] = lambda progress: None,
    run: RunCell = run_cell,
) -> Outcome:
    """Run what a folder does not hold yet of a plan.

    Parameters
    ----------
    folder : continued where it holds the same plan
    overwrite : remove another plan and its results
    extend : put this plan in the place of another one, and keep the cells that both have
    retry : run cells that failed again
    on_progress : called before the first cell of a stage and after each
    run : what is done with a cell

    Raises
    ------
    UserError
        "... holds another study ...", "... is in use ..." and those of `Engine`
    """
    need_studies("pyarrow")
    check_backend(backend, scheduler)
    if plan.tuning is None:
        jobs = min(jobs, plan.n_cells)
    started = time.monotonic()
    if backend not in CLUSTERS:
        _check_data(plan)
    with only_writer(folder), quiet(), _engine(jobs, backend, scheduler, run) as engine:
        for part in (folder, folder / CELLS, folder / TRIALS):
            remove_temporaries(part, ("*.json", *WRITTEN))
        _prepare(plan, folder, overwrite, extend)
        if plan.tuning is None:
            cells = plan.cells()
        else:
            from edgelearn.studies.tuning import tune

            def run_trials(stage: str, trials: list[Cell]) -> dict[str, Record]:
                progress = SweepProgress(stage, len(trials))
                kept = Records(folder / TRIALS)
                return {one["cell"]: one for one in _each(trials, kept, engine, retry, progress, on_progress)}

            cells = tune(plan, folder, run_trials)
        table = Table(folder, plan, [cell.id for cell in cells])
        progress = SweepProgress("cells", len(cells))
        errors: dict[str, int] = {}
        records = Records(folder / CELLS)
        with _kept_written(table, records) as add:
            for record in _each(cells, records, engine, retry, progress, on_progress):
                add(record)
                if record["status"] == FAILED:
                    errors[record["error"]] = errors.get(record["error"], 0) + 1
    unpriced = tuple(
        name
        for name in plan.processor_names
        if any(row["status"] == DONE and row[f"latency_us@{name}"] is None for row in table.rows)
    )
    seconds = time.monotonic() - started
    return Outcome(folder, len(cells), progress.kept, progress.failed, seconds, errors, unpriced)


def _check_data(plan: Plan) -> None:
    """Refuse data that is nowhere, and get files that are missing once, before many cells do.

    Raises
    ------
    UserError
        "data '...' is not known ...", and why files could not be downloaded
    """
    from edgelearn.data import datasets
    from edgelearn.data.event_refusals import refuse_events
    from edgelearn.data.events import is_event_data
    from edgelearn.data.open_source import stream_names

    if plan.kind in ("run", "stream"):
        for data in dict.fromkeys(cell.config["data"] for cell in plan.cells() if not cell.config.get("features")):
            refuse_events(Path(data).expanduser())
    for data in dict.fromkeys(cell.config["data"] for cell in plan.cells()):
        if data in datasets.names():
            datasets.fetch(data)
        elif data not in stream_names() and not is_event_data(data) and not Path(data).expanduser().exists():
            raise unknown("data", data, studied_kind(plan.kind)[1].data_names())


def _each(
    cells: list[Cell],
    records: Records,
    engine: Engine,
    retry: bool,
    progress: SweepProgress,
    on_progress: Callable[[SweepProgress], None],
) -> Iterator[Record]:
    """Give the record of every cell: those on disk first, then the others as they end."""
    kept = records.read(cell.id for cell in cells)
    kept = {id: record for id, record in kept.items() if not (retry and record["status"] == FAILED)}
    kept = {cell.id: kept[cell.id] for cell in cells if cell.id in kept and _starts_alike(cell, kept[cell.id])}
    progress.kept = progress.done = len(kept)
    progress.failed = sum(record["status"] == FAILED for record in kept.values())
    yield from kept.values()
    on_progress(progress)
    missing = [cell for cell in cells if cell.id not in kept]
    for record in engine.records(missing, records):
        progress.done += 1
        progress.failed += record["status"] == FAILED
        yield record
        on_progress(progress)


def _starts_alike(cell: Cell, record: Record) -> bool:
    """Return whether what a cell starts from is what its record started from; a source that is gone is not compared."""
    source, before = cell.config.get("start"), (record.get("start") or {}).get("sha256")
    return source is None or before is None or sha256_of_start(source) in (before, None)


@contextmanager
def _kept_written(table: Table, records: Records) -> Iterator[Callable[[Record], None]]:
    """Give a function that adds a record; the table on disk follows, and is whole whenever this ends."""
    next_at = 0.0

    def add(record: Record) -> None:
        nonlocal next_at
        table.add(record)
        begun = time.monotonic()
        if begun >= next_at:
            table.write()
            ended = time.monotonic()
            next_at = ended + max(TABLE_SECONDS, (ended - begun) / TABLE_SHARE)

    try:
        yield add
    finally:
        for record in records.read(table.missing).values():  # ended while this was interrupted
            table.add(record)
        table.write()


@contextmanager
def _engine(jobs: int, backend: str, scheduler: str | None, run: RunCell) -> Iterator[Engine]:
    engine = Engine(jobs, backend, scheduler, run)
    try:
        yield engine
    except BaseException:
        engine.close(kill=True)
        raise
    engine.close()


def _prepare(plan: Plan, folder: Path, overwrite: bool, extend: bool) -> None:
    """Check that a folder is empty or holds this plan, and write the plan into it."""
    text, path = plan.to_toml(), folder / PLAN
    before = None
    with suppress(OSError, UnicodeDecodeError):
        before = path.read_text(encoding="utf-8")
    if before == text:
        if overwrite:
            _remove(folder)
        else:
            return
    elif before is not None:
        if not overwrite and not extend:
            raise UserError(
                f"{folder} holds another study; give another --out, --extend to keep the cells that both have, "
                "or --overwrite to remove it"
            )
        _remove(folder, cells_too=overwrite)
    elif any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder} holds other files and no study; give another --out, or --overwrite to use it")
    write_text(path, text)


def _remove(folder: Path, cells_too: bool = True) -> None:
    """Remove the results of a study and nothing else."""
    removed: list[Path] = [folder / name for name in WRITTEN]
    if cells_too:
        removed += _files(folder / CELLS, folder / TRIALS)
    for path in removed:
        path.unlink(missing_ok=True)


def _files(*folders: Path) -> Iterable[Path]:
    return [path for folder in folders if folder.is_dir() for path in folder.glob("*.json")]
