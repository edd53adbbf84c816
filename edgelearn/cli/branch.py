"""`edgelearn branch`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgelearn.cli import options
from edgelearn.cli.options import flag
from edgelearn.cli.shared import print_table
from edgelearn.errors import UserError

LISTED = "list_all"
BUILT_IN = ("function", "noise", "iterations", "seed")


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

    from edgelearn.config import BranchSettings, validated
    from edgelearn.reports.branch import show, show_sweep
    from edgelearn.runs.branch import run_branches, sweep_branches

    _check_read(flags)
    if list_all:
        _list_branches()
        return
    if plot is not None:
        from edgelearn.reports.plots.stream import check_plot

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

        def on_progress(done: int, n: int | None) -> None:
            bar.update(task, completed=done, total=n)

        results = sweep_branches(settings, on_progress) if sweep else [run_branches(settings, on_progress)]
    contents = [result.content for result in results]
    if plot is not None:
        from edgelearn.reports.plots.branch import plot_sweep

        plot_sweep(contents, plot)
    if json:
        import json as json_module

        sys.stdout.write(json_module.dumps(contents if sweep else contents[0], indent=1) + "\n")
        return
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 150)
    if sweep:
        show_sweep(contents, console)
    else:
        show(contents[0], console)
    if plot is not None:
        console.print(f"written: {plot}", soft_wrap=True)


def _check_read(flags: dict[str, Any]) -> None:
    """Refuse flags that nothing would read.

    Raises
    ------
    UserError : one sentence that names the flags
    """
    given = [name for name, value in flags.items() if value is not None and value is not False]

    def told(names: Iterable[str]) -> str:
        return ", ".join(f"--{name.replace('_', '-')}" for name in names if name in given)

    if LISTED in given and len(given) > 1:
        raise UserError(f"--list reads no other flag; leave {told(name for name in flags if name != LISTED)} out")
    if "trace" in given and told(BUILT_IN):
        raise UserError(f"{told(BUILT_IN)} is of the built-in stream; leave it out, or --trace")
    if "sweep" in given and "budget" in given:
        raise UserError("--sweep has budgets of its own, 2 to 128 KB; leave --budget out, or --sweep")


def _list_branches() -> None:
    from edgelearn.branch.catalog import KINDS
    from edgelearn.branch.traces.published import trace_names

    rows = [
        {"predictor": name, "parameters": kind.parameters, "what": kind.description} for name, kind in KINDS.items()
    ]
    print_table(rows)
    typer.echo("\nand tagged side rows of any rule beside perceptron, hashed or tage: tage+mdfa, hashed+dfa, ...\n")
    names = trace_names()
    traces = [{"trace": name, "branches": "" if n is None else f"{n:,}"} for name, n in names.items()]
    print_table(traces) if traces else typer.echo(
        "no traces are here; put them into branch_traces/ below EDGELEARN_DATA"
    )
