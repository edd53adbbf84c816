"""`edgelearn run`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from edgelearn.cli.flags import OUTPUT, Flag, Given, Output, command
from edgelearn.cli.shared import with_given, with_progress
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.config import SpikingConfig
    from edgelearn.runs.kind import Result
    from edgelearn.runs.spiking import SpikingProgress


_Result = TypeVar("_Result")


@command("RunConfig", "SpikingConfig", example="edgelearn run --rule drtp --bits 8 --out results")
def run(
    given: Given,
    output: Output,
    nir: Annotated[
        Optional[Path], Flag("Write the learned spiking network as a NIR graph, a .nir file.", OUTPUT)
    ] = None,
) -> None:
    """Learn a data set online, in integers, and report accuracy and every access."""
    from edgelearn.config import make_config, read_toml
    from edgelearn.runs.checkpoint import Interrupted, saved_settings
    from edgelearn.runs.dataset import run as run_config

    out = output.out
    if output.resume and out is None:
        raise UserError("--resume needs the folder of the interrupted run; give --out DIR")
    settings = saved_settings(out) if output.resume and out is not None else {}
    if output.config is not None:
        settings |= read_toml(output.config)
    is_spiking = bool(given.get("spiking") or settings.get("spiking"))
    settings = with_given(settings, given, is_spiking, plot=output.plot, nir=nir)
    try:
        if is_spiking:
            _run_spiking(settings, output, nir)
            return
        resolved = make_config(settings)
        report, speed = with_progress(
            resolved, lambda show: run_config(resolved, out, output.resume, output.overwrite, show)
        )
    except Interrupted as interrupt:
        hint = f"; continue with: edgelearn run --resume --out {interrupt.folder}" if interrupt.folder else ""
        print(f"edgelearn: interrupted{hint}", file=sys.stderr)
        raise typer.Exit(130) from None
    if output.json:
        sys.stdout.write(report.to_json())
    else:
        _print_report(report, speed, out)


def _run_spiking(settings: dict[str, Any], output: Output, nir: Path | None) -> None:
    from rich.console import Console

    from edgelearn.config import SpikingConfig, validated
    from edgelearn.files import make_folder
    from edgelearn.runs.spiking import run_spiking

    resolved = validated(SpikingConfig, settings)
    out, plot = output.out, output.plot
    for path in (plot, nir):
        if path is not None and out is not None and path.parent == out:
            make_folder(out)
    if plot is not None:
        from edgelearn.reports.plots.stream import check_plot

        check_plot(plot)
    if nir is not None:
        from edgelearn.spiking.nir_graph import check_nir

        check_nir(nir, resolved.neuron or "lif", out)
    found, speed = _with_spiking_progress(
        resolved, lambda show: run_spiking(resolved, out, output.resume, output.overwrite, show)
    )
    written = [f"{out}/report.json, config.toml, weights.npz"] if out is not None else []
    if plot is not None:
        found.plot(plot)
        written.append(str(plot))
    if nir is not None:
        from edgelearn.spiking.nir_graph import export_nir

        export_nir(found.learner, nir, found.shown.step_s)
        written.append(f"{nir}, {nir.with_suffix('.json').name}")
    if output.json:
        sys.stdout.write(found.report.to_json())
        return
    from edgelearn.reports.costs import print_spiking_cost
    from edgelearn.reports.spiking import show

    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 110)
    show(found.report.content, console, speed)
    print_spiking_cost(console, found.report.content["cost"])
    for name in written:
        console.print(f"written: {name}", soft_wrap=True)


def _with_spiking_progress(
    config: SpikingConfig, learn: Callable[[Callable[[SpikingProgress, int], None]], _Result]
) -> tuple[_Result, float | None]:
    """Show a bar while samples are learned; return the result, and samples a second where there were enough to tell."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    marks: list[tuple[float, int]] = []
    columns = (
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("epoch {task.fields[epoch]}  {task.fields[accuracy]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("learning", total=None, epoch=0, accuracy="")

        def show(progress: SpikingProgress, n_train: int) -> None:
            done = progress.epoch * n_train + progress.position
            marks.append((time.perf_counter(), done))
            accuracy = f"test accuracy {progress.accuracies[-1]:.1f} %" if progress.accuracies else ""
            epoch = min(progress.epoch + 1, config.epochs)
            bar.update(task, total=config.epochs * n_train, completed=done, epoch=epoch, accuracy=accuracy)

        result = learn(show)
    if len(marks) < 2 or marks[-1][0] <= marks[0][0]:
        return result, None
    return result, (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])


def _print_report(report: Result, speed: float | None, out: Path | None) -> None:
    from rich.console import Console

    from edgelearn.reports.dataset import show

    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 110)
    show(report.content, console, speed)
    if "cost" in report.content:
        from edgelearn.reports.costs import print_costs

        console.print()
        print_costs(console, report.content["cost"])
    if out is not None:
        console.print(f"\nwritten: {out}/report.json, config.toml, weights.npz", soft_wrap=True)
