"""`edgelearn branch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from edgelearn.cli.flags import OUTPUT, Flag, Given, Output, command
from edgelearn.cli.shared import interruptible, print_json, settings_from, with_progress
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.runs.kind import Result

LISTED = "list_all"
FOLDER = ("out", "resume", "overwrite")


@command("BranchSettings", example="edgelearn branch --predictor mdfa,tage --budget 8KB")
def branch(
    given: Given,
    output: Output,
    sweep: Annotated[bool, Flag("Run every budget from 2 to 128 KB.", OUTPUT)] = False,
    list_all: Annotated[bool, Flag("List predictors and traces.", OUTPUT, "--list")] = False,
) -> None:
    """Simulate branch predictors that learn online: mispredictions, storage and cost at one budget."""
    typed = given | vars(output) | {"sweep": sweep, "list_all": list_all}
    _check_read([name for name, value in typed.items() if value is not None and value is not False])
    from edgelearn.config import BranchSettings, check_effect, validated
    from edgelearn.reports.branch import show, show_sweep
    from edgelearn.reports.console import make_console, next_steps, written
    from edgelearn.runs.branch import sweep as sweep_budgets
    from edgelearn.runs.registry import run as run_config

    if list_all:
        _list_branches()
        return
    out, plot, json = output.out, output.plot, output.json
    if plot is not None:
        from edgelearn.reports.plots.figure import check_plot

        if not sweep:
            raise UserError("--plot draws a sweep; give --sweep too")
        check_plot(plot, out)
    settings = settings_from(output, BranchSettings)
    config = validated(BranchSettings, settings | given)
    check_effect(config, given, settings.written)

    def learn(on_progress: Callable[[Any], None]) -> list[Result]:
        if sweep:
            return sweep_budgets(config, on_progress)
        return [run_config(config, out, output.resume, output.overwrite, on_progress)]

    with interruptible("edgelearn branch"):
        results, _ = with_progress(learn, "predicting", "branches")
    contents = [result.content for result in results]
    if plot is not None:
        from edgelearn.reports.plots.branch import plot_sweep

        plot_sweep(contents, plot)
    if json:
        print_json(contents if sweep else contents[0])
        return
    console = make_console()
    if sweep:
        show_sweep(contents, console, output.details)
        written(console, plot)
        next_steps(console, *(["--plot sweep.svg"] if plot is None else []), details=output.details)
    else:
        show(contents[0], console, output.details)
        written(console, None if out is None else f"{out}/report.json, config.toml, weights.npz")
        next_steps(console, "--sweep", "--list", details=output.details)


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
    if "sweep" in given and "budget" in given:
        raise UserError("--sweep has budgets of its own, 2 to 128 KB; leave --budget out, or --sweep")
    if "sweep" in given and "top" in given:
        raise UserError("--sweep lists no branches; leave --top out, or --sweep")
    if "sweep" in given and told(FOLDER):
        raise UserError(f"--sweep writes no folder; leave {told(FOLDER)} out, or --sweep")


def _list_branches() -> None:
    from edgelearn.branch.catalog import KINDS
    from edgelearn.branch.traces.published import trace_names
    from edgelearn.reports.console import make_console, print_table, say

    console = make_console()
    rows = [
        {"predictor": name, "parameters": kind.parameters, "what": kind.description} for name, kind in KINDS.items()
    ]
    print_table(console, rows)
    side = "and tagged side rows of any rule beside perceptron, hashed or tage: tage+mdfa, hashed+dfa, ..."
    say(console, "", side, "")
    names = trace_names()
    traces = [{"trace": name, "branches": "" if n is None else f"{n:,}"} for name, n in names.items()]
    if traces:
        print_table(console, traces)
    else:
        say(console, "no traces are here; put them into branch_traces/ below EDGELEARN_DATA")
