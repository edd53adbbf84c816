"""What more than one command does: progress bars, tables, the settings that were typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.config import RunConfig
    from edgelearn.runs import epochs


_Result = TypeVar("_Result")
_Show = Callable[["epochs.Progress", int], None]  # progress, number of training samples


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


def with_progress(config: RunConfig, learn: Callable[[_Show], _Result]) -> tuple[_Result, float | None]:
    """Show a bar while samples are learned; return the result, and samples a second where there were enough to tell."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    started, at_start, speed = 0.0, -1, 0.0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(
            "epoch {task.fields[epoch]}  accuracy {task.fields[accuracy]:.1%}  {task.fields[speed]:,.0f} samples/s"
        ),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("learning", total=None, epoch=0, accuracy=0.0, speed=0.0)

        def show(progress: epochs.Progress, n_train: int) -> None:
            nonlocal started, at_start, speed
            done, now = progress.epoch * n_train + progress.position, time.perf_counter()
            if at_start < 0:  # the first chunk also compiles
                started, at_start = now, done
            elif now > started:
                speed = (done - at_start) / (now - started)
            epoch = min(progress.epoch + 1, config.epochs)
            bar.update(
                task, total=config.epochs * n_train, completed=done, epoch=epoch, accuracy=progress.recent_accuracy,
                speed=speed,
            )  # fmt: skip

        result = learn(show)
    return result, speed or None


def print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 170).print(table)


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
