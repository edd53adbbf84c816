"""What more than one command does: progress bars, tables, the settings that were typed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from edgelearn.errors import UserError, ended_by

if TYPE_CHECKING:
    from edgelearn.cli.flags import Output
    from edgelearn.config import Settings


_Result = TypeVar("_Result")
MOST_JOBS = 1024


def with_given(settings: dict[str, Any], given: dict[str, Any], spiking: bool, **own: Any) -> dict[str, Any]:
    """Return settings and the typed ones over them; those of the other kind of network are refused.

    Parameters
    ----------
    own : flags that are no settings and are for spiking networks only
    """
    from edgelearn.config import RunConfig, SpikingConfig

    kind = SpikingConfig if spiking else RunConfig
    foreign = [key for key in given if key not in kind.model_fields]
    foreign += [key for key, value in own.items() if value is not None and not spiking]
    if foreign:
        flag = f"--{foreign[0].replace('_', '-')}"
        raise UserError(
            f"{flag} is for rate networks; leave it out with --spiking"
            if spiking
            else f"{flag} is for spiking networks; give --spiking too"
        )
    return settings | given | ({"spiking": True} if spiking else {})


class Found(dict[str, Any]):
    """Settings of the interrupted run in --out, and those of --config over them, which are also kept in `written`."""

    written: dict[str, Any]


def settings_from(output: Output, *kinds: type[Settings]) -> Found:
    """Return the settings that the flags of an output name, for settings of some kinds."""
    from edgelearn.config import as_fields, read_toml
    from edgelearn.runs.checkpoint import saved_settings

    if output.resume and output.out is None:
        raise UserError("--resume needs the folder of the interrupted run; give --out DIR")
    if output.overwrite and output.out is None:
        raise UserError("--overwrite replaces the run in a folder; give --out DIR, or leave it out")
    if output.overwrite and output.resume:
        raise UserError("--resume continues a run and --overwrite replaces it; give one of the two")
    written = {} if output.config is None else as_fields(kinds, read_toml(output.config))
    saved = saved_settings(output.out) if output.resume and output.out is not None else {}
    settings = Found(saved | written)
    settings.written = written
    return settings


@contextmanager
def interruptible(command: str) -> Iterator[None]:
    """Exit with 130 after an interrupted run, 143 after a terminated one, and print the command that continues it."""
    from edgelearn.runs.checkpoint import Interrupted

    try:
        yield
    except Interrupted as interrupt:
        hint = f"; continue with: {command} --resume --out {interrupt.folder}" if interrupt.folder else ""
        what, code = ended_by(interrupt)
        print(f"edgelearn: {what}{hint}", file=sys.stderr)
        raise typer.Exit(code) from None


def with_progress(
    learn: Callable[[Callable[[Any], None]], _Result], what: str = "learning", unit: str = "samples"
) -> tuple[_Result, float | None]:
    """Show a bar while a run advances; return its result, and units per second where there were enough to tell.

    Parameters
    ----------
    learn : takes a function to call after every chunk with an object that has `progress()`
    """
    from edgelearn.reports.console import progress as progress_bar

    marks: list[tuple[float, int]] = []  # the first one, since the first chunk also compiles, and the last one
    with progress_bar("{task.fields[text]}  {task.fields[speed]}") as bar:
        task = bar.add_task(what, total=None, text="", speed="")

        def on_progress(work: Any) -> None:
            done, total, text = work.progress()
            if marks and done < marks[-1][1]:  # another run of several
                marks.clear()
            marks[1:] = [(time.perf_counter(), done)]
            speed = _speed(marks)
            shown = "" if speed is None else f"{speed:,.0f} {unit}/s"
            bar.update(task, total=total, completed=done, text=text, speed=shown)

        result = learn(on_progress)
    return result, _speed(marks)


def _speed(marks: list[tuple[float, int]]) -> float | None:
    if len(marks) < 2 or marks[1][0] <= marks[0][0]:
        return None
    return (marks[1][1] - marks[0][1]) / (marks[1][0] - marks[0][0]) or None


def print_json(content: Any) -> None:
    import json

    typer.echo(json.dumps(content, indent=1))


def typed_flags(settings: Mapping[str, Any], kind: type[Settings]) -> list[str]:
    """Return the words of a command line that give settings."""
    declared, words = kind.declared(), list[str]()
    for key, value in settings.items():
        flag = declared[key].flag
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, ",".join(value) if isinstance(value, tuple) else str(value)]
    return words


def same_network(config: Settings, names: Iterable[str], net: str) -> list[str]:
    """Return the words of a command line that describe the network of finished settings.

    Parameters
    ----------
    names : settings that the command has; those at their default are left out
    net : layers of the network, which are also left out where they are what the command takes anyway
    """
    from edgelearn.config import RunConfig
    from edgelearn.runs.activity import DEFAULT_NET

    default = RunConfig()
    found = {} if net == DEFAULT_NET else {"net": net}
    for key in names:
        value = getattr(config, key)
        if key not in ("net", "input_shape") and value is not None and value != getattr(default, key):
            found[key] = value
    return typed_flags(found, RunConfig)


def check_jobs(jobs: int | None) -> None:
    """Refuse a number of processes that no machine starts."""
    if jobs is not None and not 1 <= jobs <= MOST_JOBS:
        raise UserError(f"--jobs {jobs} cannot be used; give 1 to {MOST_JOBS}")


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rules_listed(text: str) -> list[str]:
    """Return rules from names divided by commas, or all; one network may have a rule per layer, divided by +.

    Raises
    ------
    UserError
        "rule '...' is not known ...", "--rule ... cannot be read ..."
    """
    from edgelearn.rules.catalog import rules_listed as listed

    return listed(text)
