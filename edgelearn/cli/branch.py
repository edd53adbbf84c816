"""`edgelearn branch`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from edgelearn.cli.flags import OUTPUT, Flag, Given, Json, Plot, command
from edgelearn.cli.shared import print_table
from edgelearn.errors import UserError

LISTED = "list_all"
BUILT_IN = ("function", "noise", "iterations", "seed")


@command("BranchSettings", example="edgelearn branch --predictor mdfa,tage --budget 8KB")
def branch(
    given: Given,
    sweep: Annotated[bool, Flag("Run every budget from 2 to 128 KB.", OUTPUT)] = False,
    list_all: Annotated[bool, Flag("List predictors and traces.", OUTPUT, "--list")] = False,
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Simulate branch predictors that learn online: mispredictions, storage and cost at one budget."""
    typed = given | {"sweep": sweep or None, "plot": plot, "list_all": list_all or None, "json": json or None}
    _check_read([name for name, value in typed.items() if value is not None])
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from edgelearn.config import BranchSettings, validated
    from edgelearn.reports.branch import show, show_sweep
    from edgelearn.runs.branch import run_branches, sweep_branches

    if list_all:
        _list_branches()
        return
    if plot is not None:
        from edgelearn.reports.plots.stream import check_plot

        if not sweep:
            raise UserError("--plot draws a sweep; give --sweep too")
        check_plot(plot)
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


def _check_read(given: Sequence[str]) -> None:
    """Refuse flags that nothing would read.

    Raises
    ------
    UserError : one sentence that names the flags
    """

    def told(names: Iterable[str]) -> str:
        flags = {"predictors": "predictor", LISTED: "list"}
        return ", ".join(f"--{flags.get(name, name).replace('_', '-')}" for name in names if name in given)

    if LISTED in given and len(given) > 1:
        raise UserError(f"--list reads no other flag; leave {told(name for name in given if name != LISTED)} out")
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
