"""`edgelearn reproduce`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgelearn.cli.flags import Flag, command
from edgelearn.cli.shared import check_jobs, print_json, usable_processors
from edgelearn.errors import UserError, ended_by, install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from edgelearn.reproduction.catalog import Row
    from edgelearn.reproduction.runner import Outcome


def _print_claims(rows: list[dict[str, Any]]) -> None:
    """Print the list of claims as a table; columns that the width has no room for are in --json and --markdown."""
    from edgelearn.reports.console import make_console, print_table

    console = make_console()
    names = [name for name in rows[0] if console.width >= 140 or name in ("id", "cost", "status")]
    print_table(console, [{name: row[name] for name in names} for row in rows])


@command(example="edgelearn reproduce drtp-theorem")
def reproduce(
    claims: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="ID...", help="Claims to reproduce; `edgelearn reproduce list` prints them."),
    ] = None,
    cost: Annotated[
        Optional[str], Flag("Reproduce all claims of this cost: {edgelearn.reproduction.catalog:COSTS}.")
    ] = None,
    quick: Annotated[bool, Flag("Reduced run of seconds, which judges orders only.")] = False,
    seed: Annotated[Optional[int], Flag("Random seed, 0 or more; a seed N > 0 writes ID.seedN.json [0].")] = None,
    jobs: Annotated[Optional[int], Flag("Parallel processes, 1 or more [one per processor].")] = None,
    out: Annotated[Optional[Path], Flag("Folder for ID.json and ID.png [edgelearn-reproduced].")] = None,
    markdown: Annotated[bool, Flag("With list: print a Markdown table.")] = False,
    json: Annotated[bool, Flag("Print each result as a line of JSON, the list as one document.")] = False,
) -> None:
    """Reproduce claims of the papers: measure, judge by the paper's numbers, draw.

    The same command continues an interrupted one. Exit code: 0 reproduced, 1 differs, 2 cannot be run.
    """
    import json as json_module

    from edgelearn.reproduction import catalog

    if claims == ["list"]:
        if quick or any(flag is not None for flag in (cost, seed, jobs, out)):
            raise UserError("the list runs nothing; give edgelearn reproduce list with --json or --markdown, or alone")
        if json:
            print_json(catalog.as_rows())
        elif markdown:
            typer.echo(catalog.as_markdown(), nl=False)
        else:
            _print_claims(catalog.as_rows())
        return
    if markdown:
        raise UserError("--markdown is for the list; give edgelearn reproduce list --markdown")
    if claims and cost is not None:
        raise UserError("give the ids of claims or --cost, not both")
    if not claims and cost is None:
        raise UserError("give the ids of claims, or --cost seconds; `edgelearn reproduce list` shows them all")
    if seed is not None and seed < 0:
        raise UserError(f"--seed {seed} cannot be used; give 0 or more")
    check_jobs(jobs)
    rows = catalog.select(cost) if cost is not None else [catalog.row_of(id) for id in claims or []]
    outcomes = []
    try:
        for outcome, row in zip(_perform(rows, out, quick, seed or 0, jobs or usable_processors()), rows, strict=True):
            outcomes.append(outcome)
            if json:
                typer.echo(json_module.dumps(outcome.result))
            else:
                _print_outcome(outcome, row.note)
    except KeyboardInterrupt as interrupt:
        what, code = ended_by(interrupt)
        print(f"edgelearn: {what}; finished claims are kept, the same command continues", file=sys.stderr)
        raise typer.Exit(code) from None
    differ = [outcome.result["id"] for outcome in outcomes if not outcome.holds]
    if len(outcomes) > 1 and not json:
        holds = f"{len(outcomes) - len(differ)} of {len(outcomes)} hold"
        typer.echo(f"\n{holds}{'; these differ: ' + ', '.join(differ) if differ else ''}")
    if differ:
        raise typer.Exit(1)


def _perform(rows: list[Row], out: Path | None, quick: bool, seed: int, jobs: int) -> Iterator[Outcome]:
    """Run claims one by one, once all of them are known to be able to run."""
    from edgelearn.reports.console import progress
    from edgelearn.reproduction import catalog
    from edgelearn.reproduction.runner import check_ready, default_folder, perform

    loaded = [catalog.load(row) for row in rows]
    for claim in loaded:
        check_ready(claim)
    for claim in loaded:
        with progress("{task.completed:.1f} of {task.total} runs") as bar:
            task = bar.add_task(claim.id, total=1)

            def show(
                done: float, total: int, name: str, bar: Progress = bar, task: TaskID = task, id: str = claim.id
            ) -> None:
                bar.update(task, description=f"{id}: {name}", completed=done, total=total)

            outcome = perform(claim, out or default_folder(), quick, seed, jobs, show)
        yield outcome


def _print_outcome(outcome: Outcome, note: str) -> None:
    from edgelearn.reports.console import make_console, print_table, say, verdict, written

    result, console = outcome.result, make_console()
    say(console, f"{result['id']} ({result['source']})", result["statement"], "")
    words = {True: "yes", False: "no", None: "full run only"}
    rows = []
    for check in result["checks"]:
        ours, paper = (f"{n:.4g}" if isinstance(n, float) else str(n) for n in (check["ours"], check["paper"]))
        row = {"check": check["what"], "ours": ours, "paper": paper, "tolerance": check["tolerance"]}
        rows.append(row | {"holds": words[check["passed"]]})
    print_table(console, rows)
    console.print()
    verdict(console, outcome.holds, f"verdict: {result['verdict']}" + (f" ({note})" if note else ""))
    kept = f"; {outcome.kept_runs} runs were kept from before" if outcome.kept_runs else ""
    say(console, f"time: {result['seconds']:.1f} s{kept}")
    if outcome.undrawn:
        say(console, f"no figure: matplotlib is not installed; {install('plot')}")
    written(console, *outcome.written)
