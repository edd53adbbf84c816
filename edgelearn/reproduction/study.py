"""Runs of a claim, cached on disk and shared by claims."""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import json
import math
import multiprocessing
import multiprocessing.connection
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.errors import interrupts_blocked
from edgelearn.files import make_folder, write_text

POLL_SECONDS = 0.3
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # read by libraries when they are loaded


@dataclass
class Work:
    """Checkpoint file and progress of one run.

    Parameters
    ----------
    path : the run's own files begin with it; None keeps nothing
    tell : called with the share; None tells it to another process, through a file
    """

    path: Path | None = None
    _told: float = field(default=0.0, repr=False)
    tell: Callable[[float], None] | None = field(default=None, repr=False)

    def file(self, suffix: str) -> Path | None:
        """Return a file of this run, e.g. for the suffix ".pt"."""
        return None if self.path is None else self.path.with_name(self.path.name + suffix)

    def progress(self, share: float) -> None:
        """Say which share of the run, 0 to 1, is done."""
        now, told = time.monotonic(), self.file(".progress")
        if now - self._told < POLL_SECONDS:
            return
        self._told = now
        if self.tell is not None:
            self.tell(share)
        elif told is not None:
            told.write_text(f"{share:.4f}")

    def done_share(self) -> float:
        """Return what `progress` said last."""
        told = self.file(".progress")
        try:
            return 0.0 if told is None else float(told.read_text() or 0)
        except (OSError, ValueError):
            return 0.0


Run = Callable[[dict[str, Any], Work], dict[str, Any]]


class Study:
    """Settings and runs of a claim.

    Parameters
    ----------
    settings : of the claim, reduced or full
    seed : every random number follows from it
    work : folder of finished runs; None keeps nothing
    jobs : processes
    show : called with (runs done, runs in all, name of what is run)

    Attributes
    ----------
    kept_runs : runs that were found done
    run_seconds : what all runs took, each in its own process, those found done included
    """

    def __init__(
        self,
        settings: dict[str, Any],
        seed: int = 0,
        work: Path | None = None,
        jobs: int = 1,
        show: Callable[[float, int, str], None] | None = None,
    ) -> None:
        self.settings, self.seed, self.work, self.jobs = settings, seed, work, jobs
        self._show = show or (lambda done, total, name: None)
        self.kept_runs, self.run_seconds = 0, 0.0

    def __getitem__(self, key: str) -> Any:
        return self.settings[key]

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return a generator that depends on the seed and on the names alone."""
        text = json.dumps([self.seed, *names])
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))

    def run(self, function: Run, settings: dict[str, Any]) -> dict[str, Any]:
        """Return what `function(settings, work)` gives, from disk where it was run before."""
        return self.map(function, [settings])[0]

    def map(self, function: Run, settings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run a function on each of the settings, in `jobs` processes; return the results in their order.

        The function stands at the top of a module, takes plain settings and a `Work`, and returns what JSON holds.
        Settings that are given twice are run once.
        """
        different = {_as_key(each): each for each in settings}
        results = dict(zip(different, self._map(function, list(different.values())), strict=True))
        return [copy.deepcopy(results[_as_key(each)]) for each in settings]

    def _map(self, function: Run, settings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        works = [self._work_of(function, each) for each in settings]
        found = [_finished(work) for work in works]
        missing = [i for i, result in enumerate(found) if result is None]
        name = function.__name__.strip("_").replace("_", " ")
        self.kept_runs += len(found) - len(missing)
        self._show(len(found) - len(missing), len(found), name)
        if missing and (self.jobs == 1 or len(missing) == 1):
            for done, i in enumerate(missing, len(found) - len(missing)):
                works[i].tell = partial(self._show_part, done, len(found), name)
                found[i] = _do(function, settings[i], works[i])
                self._show(done + 1, len(found), name)
        elif missing:
            with _processes(self.jobs) as pool:
                with interrupts_blocked():
                    futures = {pool.submit(_do, function, settings[i], works[i]): i for i in missing}
                for future in self._as_they_end(futures, found, works, name):
                    found[futures[future]] = future.result()
        self.run_seconds += sum(_seconds(work) for work in works)
        return [result for result in found if result is not None]

    def _show_part(self, done: int, total: int, name: str, share: float) -> None:
        self._show(done + share, total, name)

    def _as_they_end(
        self,
        futures: dict[Future[dict[str, Any]], int],
        found: list[dict[str, Any] | None],
        works: list[Work],
        name: str,
    ) -> Iterator[Future[dict[str, Any]]]:
        waiting = set(futures)
        while waiting:
            ended, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
            yield from ended
            part = sum(works[futures[future]].done_share() for future in waiting)
            self._show(sum(result is not None for result in found) + part, len(found), name)

    def _work_of(self, function: Run, settings: dict[str, Any]) -> Work:
        if self.work is None:
            return Work()
        make_folder(self.work)
        name = f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}"
        text = _as_key([name, settings])
        return Work(self.work / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def _as_key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@cache
def run_versions() -> dict[str, str]:
    """Return the versions that the result of a run may depend on; it is kept for these alone."""
    versions = {
        "edgelearn": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
    }
    with suppress(importlib.metadata.PackageNotFoundError):
        versions["torch"] = importlib.metadata.version("torch")
    return versions


def _finished(work: Work) -> dict[str, Any] | None:
    kept = work.file(".json")
    if kept is None or not kept.exists():
        return None
    try:
        content = json.loads(kept.read_text())
        float(content["seconds"])
        if content["versions"] != run_versions():
            return None
        return dict(content["result"])
    except (ValueError, KeyError, TypeError):
        return None  # a damaged file is run again


def _seconds(work: Work) -> float:
    kept = work.file(".json")
    return 0.0 if kept is None else float(json.loads(kept.read_text())["seconds"])


def _do(function: Run, settings: dict[str, Any], work: Work) -> dict[str, Any]:
    started = time.perf_counter()
    with one_thread():
        result = plain(function(settings, work))
    kept = work.file(".json")
    if kept is not None:
        content = {
            "settings": settings,
            "versions": run_versions(),
            "seconds": round(time.perf_counter() - started, 2),
            "result": result,
        }
        write_text(kept, json.dumps(content) + "\n")
        for suffix in (".progress", ".pt"):
            leftover = work.file(suffix)
            if leftover is not None:
                leftover.unlink(missing_ok=True)
    return dict(result)


def plain(value: Any) -> Any:
    """Return numbers, texts, lists and dictionaries in place of numpy's; floats to nine digits."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.9g}")
    return value


def as_strict_json(value: Any) -> Any:
    """Return plain values as every reader of JSON takes them: "nan", "inf" and "-inf" as text."""
    if isinstance(value, dict):
        return {key: as_strict_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_strict_json(item) for item in value]
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra use one thread, here and in processes that are started: sums depend on how many there are."""
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        with threadpool_limits(1):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool whose workers do not outlive an interrupt, nor the end of this process."""
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin_worker)
    try:
        with one_thread():
            yield pool
    except BaseException:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _begin_worker() -> None:
    """End with the process that started this one, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_end, args=(parent.sentinel,), daemon=True).start()


def _wait_and_end(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
