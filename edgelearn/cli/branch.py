"""`edgelearn branch`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgelearn import options
from edgelearn.cli.shared import print_table
from edgelearn.errors import UserError
from edgelearn.options import flag

if TYPE_CHECKING:
    pass


def branch(
    trace: Annotated[
        Optional[str], flag("File of branches or named trace [the built-in stream of deep xor]; see branch --list.")
    ] = None,
    predictor: Annotated[
        Optional[str], flag("Names, divided by commas, with parameters after colons: mdfa,perceptron,tage,gshare:13.")
    ] = None,
    budget: Annotated[Optional[str], flag("Bytes of tables of each predictor [32KB].")] = None,
    pc_shift: Annotated[Optional[int], flag("Shift addresses by N bits [by format].")] = None,
    limit: Annotated[Optional[int], flag("First N branches only.")] = None,
    delay: Annotated[Optional[int], flag("Train a branch after N more were predicted [0].")] = None,
    function: Annotated[Optional[str], flag("Of the built-in stream: xor, and, mux or xor3 [xor].")] = None,
    noise: Annotated[Optional[int], flag("Random branches in between, of the built-in stream [12].")] = None,
    iterations: Annotated[Optional[int], flag("Of the built-in stream [60000].")] = None,
    seed: Annotated[Optional[int], flag("Of the built-in stream [3].")] = None,
    sweep: Annotated[bool, flag("Every budget from 2 to 128 KB.", "--sweep")] = False,
    plot: Annotated[Optional[Path], flag("With --sweep: draw mispredictions against storage: .png or .svg.")] = None,
    list_all: Annotated[bool, flag("List predictors and the traces that are here.", "--list")] = False,
    json: options.AsJson = False,
) -> None:
    """Learn branches online, one binary prediction each: what predictors miss, store and cost at one budget."""
    flags = dict(locals())
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from edgelearn.branch_run import run_branches, sweep_branches
    from edgelearn.config import BranchSettings, validated

    if list_all:
        _list_branches()
        return
    if plot is not None:
        from edgelearn.stream_plot import check_plot

        if not sweep:
            raise UserError("--plot draws a sweep; give --sweep too")
        check_plot(plot)
    flags["predictors"] = flags.pop("predictor")
    given = {key: value for key, value in flags.items() if key in BranchSettings.model_fields and value is not None}
    settings = validated(BranchSettings, given)
    error_console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} branches"))
    with Progress(*columns, TimeRemainingColumn(), console=error_console, transient=True,
                  disable=not error_console.is_terminal) as bar:  # fmt: skip
        task = bar.add_task("predicting", total=None)

        def show(done: int, n: int | None) -> None:
            bar.update(task, completed=done, total=n)

        reports = sweep_branches(settings, show) if sweep else [run_branches(settings, show)]
    if plot is not None:
        from edgelearn.branch_plot import plot_sweep

        plot_sweep(reports, plot)
    if json:
        import json as json_module

        contents = [report.content for report in reports]
        sys.stdout.write(json_module.dumps(contents if sweep else contents[0], indent=1) + "\n")
        return
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 150)
    for report in reports:
        report.print(console)
        console.print()
    if plot is not None:
        console.print(f"written: {plot}", soft_wrap=True)


def _list_branches() -> None:
    from edgelearn.branch.catalog import KINDS
    from edgelearn.branch.traces.published import trace_names

    rows = [
        {"predictor": name, "parameters": kind.parameters, "what": kind.description} for name, kind in KINDS.items()
    ]
    print_table(rows)
    typer.echo("\nand a perceptron or hashed predictor with tagged side rows: perceptron+mdfa, hashed+dfa, ...\n")
    names = trace_names()
    traces = [{"trace": name, "branches": "" if n is None else f"{n:,}"} for name, n in names.items()]
    print_table(traces) if traces else typer.echo(
        "no traces are here; put them into branch_traces/ below EDGELEARN_DATA"
    )
