"""`edgelearn sweep`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgelearn.cli.flags import Flag, Given, command
from edgelearn.cli.shared import check_jobs, print_json, usable_processors
from edgelearn.errors import UserError, ended_by

if TYPE_CHECKING:
    from edgelearn.studies.plan import Plan
    from edgelearn.studies.sweep import Outcome, SweepProgress

DEFAULT_FOLDER = Path("study")


SETTINGS = (
    "data", "net", "epochs", "limit", "bits", "rule", "rounding", "residual_bits", "weight_bits", "feedback",
    "learn", "input_shape", "kernels", "kernel_rate", "kernel_bias", "feedback_kind", "teach", "start", "cut",
    "classes_from", "convert", "calibrate", "hidden_rate", "output_rate", "delta_bits",
)  # fmt: skip
STUDY, CELLS, EXECUTION = "Study", "Seeds, prices and rates", "Execution"


@command(
    "RunConfig",
    "StreamConfig",
    "SpikingConfig",
    only=SETTINGS,
    as_text=True,
    example="edgelearn sweep --bits 2,4,8 --rule drtp,dfa,bp --seeds 5",
)
def sweep(
    given: Given,
    config: Annotated[Optional[Path], Flag("TOML file of a study; flags take precedence.", STUDY)] = None,
    question: Annotated[Optional[str], Flag("Question that the study answers, in words.", STUDY)] = None,
    kind: Annotated[Optional[str], Flag("Kind of cell: {edgelearn.runs.registry:STUDIED} [run].", STUDY)] = None,
    axis: Annotated[Optional[list[str]], Flag("Any setting and its values, KEY=V1,V2; repeatable.", STUDY)] = None,
    fixed: Annotated[
        Optional[list[str]], Flag("Any setting and its value, KEY=VALUE; repeatable.", STUDY, "--set")
    ] = None,
    seeds: Annotated[Optional[int], Flag("Number of seeds per cell, from 0 [1].", CELLS)] = None,
    seed: Annotated[Optional[str], Flag("Seeds, e.g. 3,7.", CELLS)] = None,
    processors: Annotated[
        Optional[str],
        Flag("Processors to price every cell on, names or .toml files [engine-28nm; spiking: loihi-like].", CELLS),
    ] = None,
    tune: Annotated[
        bool, Flag("Tune the learning rates of every group of cells first, on held-out samples.", CELLS)
    ] = False,
    jobs: Annotated[Optional[int], Flag("Parallel cells on this machine [one per processor].", EXECUTION)] = None,
    backend: Annotated[
        str,
        Flag("Executor: {edgelearn.studies.executor:BACKENDS}.", EXECUTION),
    ] = "processes",
    scheduler: Annotated[
        Optional[str],
        Flag("Address of a dask or ray cluster, e.g. tcp://HOST:8786 [a local one of --jobs].", EXECUTION),
    ] = None,
    out: Annotated[Optional[Path], Flag("Folder of the study [study].", EXECUTION)] = None,
    extend: Annotated[bool, Flag("Replace another study in --out and keep the cells of both.", EXECUTION)] = False,
    overwrite: Annotated[bool, Flag("Remove another study in --out.", EXECUTION)] = False,
    retry: Annotated[bool, Flag("Run failed cells again.", EXECUTION)] = False,
    json: Annotated[bool, Flag("Print the outcome as JSON.", EXECUTION)] = False,
) -> None:
    """Run a grid of configurations into one table: accuracy, counters and costs of every cell.

    One value fixes a setting, several values separated by commas make an axis of the grid. The same command continues
    an interrupted sweep. Exit code: 0 all cells done, 1 some failed, 2 cannot be run.
    """
    flags = dict(locals())
    from edgelearn.studies.plan import Plan

    if seeds is not None and seed is not None:
        raise UserError("give --seeds, how many, or --seed, which, not both")
    if extend and overwrite:
        raise UserError("--extend keeps cells and --overwrite removes them; give one of the two")
    check_jobs(jobs)
    plan = Plan.of(_given(flags))
    folder = out or DEFAULT_FOLDER
    where = [] if backend == "processes" else ["--backend", backend]
    where += [] if scheduler is None else ["--scheduler", scheduler]
    where += [] if jobs is None else ["--jobs", str(jobs)]
    with continued_by("edgelearn", "sweep", "--config", str(folder / "study.toml"), "--out", str(folder), *where):
        outcome = sweep_with_bar(
            plan,
            folder,
            jobs=jobs or usable_processors(),
            backend=backend,
            scheduler=scheduler,
            overwrite=overwrite,
            extend=extend,
            retry=retry,
        )
    if json:
        content = {key: value for key, value in vars(outcome).items() if key != "seconds"}
        print_json(content | {"folder": str(folder)})
    else:
        _print(outcome, plan)
    if outcome.failed:
        raise typer.Exit(1)


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the plan that a file and flags describe, as a file would hold it."""
    from edgelearn.config import read_toml
    from edgelearn.runs.registry import studied_kind
    from edgelearn.studies.plan import values_of

    given: dict[str, Any] = {} if flags["config"] is None else read_toml(flags["config"])
    for key in ("question", "kind", "seeds"):
        if flags[key] is not None:
            given[key] = flags[key]
    if flags["seed"] is not None:
        given["seeds"] = values_of("run", "seed", flags["seed"])
    if flags["processors"] is not None:
        given["processors"] = [name.strip() for name in flags["processors"].split(",")]
    if flags["tune"] and not given.get("tuning"):
        given["tuning"] = {}
    kind = str(given.get("kind", "run"))
    studied_kind(kind)
    for key in ("settings", "axes"):
        if not isinstance(given.get(key, {}), dict):
            raise UserError(f"key '{key}' of a plan is {given[key]!r}; write a table [{key}]")
    settings, axes = (dict(given.get(key, {})) for key in ("settings", "axes"))
    for name, text, single in _typed(flags, kind):
        values = values_of(kind, name, text, single)
        settings.pop(name, None)
        if len(values) == 1:
            axes.pop(name, None)
            settings[name] = values[0]
        else:
            axes[name] = values
    return given | {"settings": settings, "axes": axes}


def _typed(flags: dict[str, Any], kind: str) -> list[tuple[str, str, bool]]:
    """Return settings, the text of their values and whether that is one value, in the order of the help."""
    from edgelearn.config import as_fields
    from edgelearn.studies.cell import settings_of

    typed = [(key, text, False) for key in SETTINGS if (text := flags["given"].get(key)) is not None]
    for option, key in (("--axis", "axis"), ("--set", "fixed")):
        for text in flags[key] or ():
            name, equals, values = text.partition("=")
            if not equals:
                raise UserError(f"{option} '{text}' cannot be read; write {option} KEY=VALUE")
            (field,) = as_fields((settings_of(kind),), {name.strip().replace("-", "_"): values})
            typed.append((field, values, option == "--set"))
    return typed


@contextmanager
def continued_by(*command: str) -> Iterator[None]:
    """Exit after an interrupted sweep, and print the command that continues it."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        what, code = ended_by(interrupt)
        print(f"edgelearn: {what}; what has ended is kept; continue with: {shlex.join(command)}", file=sys.stderr)
        raise typer.Exit(code) from None


def sweep_with_bar(plan: Plan, folder: Path, **how: Any) -> Outcome:
    """Sweep with a bar that has the time left; `how` is that of `edgelearn.studies.sweep.sweep`."""
    from rich.progress import MofNCompleteColumn

    from edgelearn.reports.console import progress as progress_bar
    from edgelearn.studies.sweep import sweep as run_sweep

    with progress_bar(MofNCompleteColumn(), "{task.fields[failed]}", speed_estimate_period=600) as bar:
        tasks: dict[str, Any] = {}

        def show(progress: SweepProgress) -> None:
            failed = f"{progress.failed} failed" if progress.failed else ""
            if progress.stage not in tasks:
                for task in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                tasks[progress.stage] = bar.add_task(
                    progress.stage, total=progress.total, completed=progress.done, failed=failed
                )
            bar.update(tasks[progress.stage], completed=progress.done, failed=failed)

        return run_sweep(plan, folder, on_progress=show, **how)


def _print(outcome: Outcome, plan: Plan) -> None:
    from edgelearn.cli.study import print_best
    from edgelearn.reports.console import make_console, next_steps, say, written

    console, folder = make_console(), outcome.folder
    kept = f", {outcome.kept} kept from before" if outcome.kept else ""
    done = outcome.cells - outcome.failed
    cells = "1 cell" if outcome.cells == 1 else f"{outcome.cells} cells"
    say(console, f"{cells}: {done} done, {outcome.failed} failed{kept}; {outcome.seconds:.1f} s")
    say(console, *(f"failed, {count} of {outcome.cells}: {error}" for error, count in outcome.errors.items()))
    for name in outcome.unpriced:
        say(console, f"note: some networks do not fit {name}; their prices are left empty")
    if done:
        print_best(console, folder)
    names = ["study.toml", "table.parquet", "table.csv"] + (["tuning.json"] if plan.tuning is not None else [])
    written(console, f"{folder}/{', '.join(names)}")
    next_steps(console, f"edgelearn study show {folder}", f"edgelearn report {folder}", details=True)
