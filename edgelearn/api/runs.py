"""`edgelearn.run` and `edgelearn.stream`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from edgelearn.api.results import RunResult
from edgelearn.api.settings import checked, run_settings, takes_settings
from edgelearn.config import RunConfig, Settings, SpikingConfig, StreamConfig
from edgelearn.errors import UserError
from edgelearn.fixedpoint.notice import on_compile
from edgelearn.network.blocks import set_threads
from edgelearn.runs.kind import Work
from edgelearn.runs.registry import run as run_config

_Folder = str | PathLike[str] | None


@takes_settings(RunConfig, SpikingConfig)
def run(
    config: Settings | None = None,
    /,
    *,
    out: _Folder = None,
    resume: bool = False,
    overwrite: bool = False,
    threads: int = 1,
    on_progress: Callable[[Any], None] = lambda work: None,
    **settings: Any,
) -> RunResult:
    """Learn a data set online, in integers, as `edgelearn run` does with the same settings.

    Parameters
    ----------
    config : Settings, optional
        Finished settings of any kind of run, in place of keyword arguments.
    out : path, optional
        Folder for report.json, config.toml, weights.npz and the checkpoint of an interrupted run.
    resume : bool
        Continue the interrupted run in `out`, bit for bit.
    overwrite : bool
        Replace another run in `out`.
    threads : int
        Threads that share a layer of a rule without locking, or a prediction; no result changes.
    on_progress : callable
        Called after every chunk with an object whose `progress()` has done, total and a text.

    Returns
    -------
    RunResult

    Raises
    ------
    UserError
        A mistake in a setting or in the data, with the allowed values and the next step.

    Example
    -------
    >>> import edgelearn as el
    >>> el.run(rule="dfa", bits=8, epochs=1).accuracy > 70
    True
    """
    if config is not None and settings:
        raise UserError(f"settings are given twice, as {type(config).__name__} and as '{next(iter(settings))}'")
    if config is None:
        config = run_settings(settings)
    if threads != 1 and isinstance(config, SpikingConfig):
        raise UserError(f"threads={threads} is of rate networks; leave it out with spiking=True")
    set_threads(threads)
    return _driven(config, out, resume, overwrite, on_progress)


@takes_settings(StreamConfig)
def stream(
    data: str | PathLike[str] | None = None,
    *,
    out: _Folder = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Any], None] = lambda work: None,
    **settings: Any,
) -> RunResult:
    """Learn a stream of sensor data online, as `edgelearn stream` does with the same settings.

    Parameters
    ----------
    data : path or str, optional
        File, folder of recordings, or name of a stream of `edgelearn data list`.
    out : path, optional
        Folder for report.json, config.toml, weights.npz and the checkpoint of an interrupted run.
    resume : bool
        Continue the interrupted run in `out`, bit for bit.
    overwrite : bool
        Replace another run in `out`.
    on_progress : callable
        Called after every chunk with an object whose `progress()` has done, total and a text.

    Returns
    -------
    RunResult

    Raises
    ------
    UserError
        A mistake in a setting or in the data, with the allowed values and the next step.

    Example
    -------
    >>> import edgelearn as el
    >>> el.stream("drift", limit=2000).content["stream"]["rows"]
    2000
    """
    config = checked(StreamConfig, settings | ({} if data is None else {"data": data}))
    if config.data == "-":
        raise UserError("data '-' is the standard input of the command line; give a file")
    return _driven(config, out, resume, overwrite, on_progress)


def _driven(
    config: Settings, out: _Folder, resume: bool, overwrite: bool, on_progress: Callable[[Any], None]
) -> RunResult:
    if hasattr(sys, "ps1") or "ipykernel" in sys.modules:  # somebody waits for it
        on_compile(lambda: print("edgelearn: compiling kernels, about 10 s, once", file=sys.stderr))
    folder, kept = None if out is None else Path(out), list[Work]()
    if folder is None and (resume or overwrite):
        raise UserError(f"{'resume' if resume else 'overwrite'}=True is about the run in a folder; give out=")
    if resume and overwrite:
        raise UserError("resume continues a run and overwrite replaces it; give one of the two")

    def keep(work: Work) -> None:
        kept[:] = [work]
        on_progress(work)

    if isinstance(config, SpikingConfig):
        from edgelearn.runs.spiking import run as run_spiking

        outcome = run_spiking(config, folder, resume, overwrite, keep)
        return RunResult(outcome.result.content, config, folder, next(iter(kept), None), outcome)
    result = run_config(config, folder, resume, overwrite, keep)
    return RunResult(result.content, config, folder, next(iter(kept), None))
