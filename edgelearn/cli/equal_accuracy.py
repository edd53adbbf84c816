"""`edgelearn study equal-accuracy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgelearn.cli.flags import OUTPUT, Flag, Given, Json, Plot, command
from edgelearn.cli.shared import check_jobs, print_json, typed_flags, usable_processors
from edgelearn.cli.sweep import continued_by, sweep_with_bar
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.studies.equal_accuracy import EqualAccuracy
    from edgelearn.studies.sweep import Outcome

DEFAULT_FOLDER = Path("equal-accuracy")
COMPARISON = "Comparison"
SETTINGS = (
    "data", "classes", "limit", "net", "epochs", "bits", "residual_bits", "weight_bits", "rounding", "input_bits",
    "activation", "output", "feedback", "update_gate", "margin", "processor", "input_shape", "kernels", "kernel_bias",
    "feedback_kind", "teach",
)  # fmt: skip


@command("RunConfig", only=SETTINGS, example="edgelearn study equal-accuracy --rule bp,dfa,drtp --accuracy 95")
def equal_accuracy(
    given: Given,
    rule: Annotated[str, Flag("Learning rules, separated by commas, or all.", COMPARISON)] = "all",
    accuracy: Annotated[
        Optional[float], Flag("Test accuracy to compare at (percent) [the highest that all seeds reach].", COMPARISON)
    ] = None,
    seeds: Annotated[int, Flag("Number of seeds per rule, from 0.", COMPARISON)] = 5,
    jobs: Annotated[Optional[int], Flag("Parallel runs on this machine [one per processor].", OUTPUT)] = None,
    out: Annotated[Optional[Path], Flag("Folder of the study [equal-accuracy].", OUTPUT)] = None,
    overwrite: Annotated[bool, Flag("Remove another study in --out.", OUTPUT)] = False,
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Compare learning rules at equal accuracy: samples and energy until each reaches it, at tuned rates.

    The learning rates of every rule are tuned on held-out samples, with a seed that is not reported. Every rule then
    runs with every seed and is tested 20 times per epoch. The same command continues an interrupted study, and compares
    a finished one at another --accuracy at once. Exit code: 0 done, 1 some runs failed, 2 cannot be run.
    """
    if accuracy is not None and not 0 < accuracy <= 100:
        raise UserError(f"--accuracy {accuracy:g} is not allowed; give a percentage above 0, up to 100")
    check_jobs(jobs)
    from edgelearn.studies import equal_accuracy as study

    if plot is not None:
        from edgelearn.reports.plots.figure import check_plot

        check_plot(plot, out)
    settings = {key: value for key, value in given.items() if key != "processor"}
    processor = given.get("processor", "engine-28nm")
    plan = study.plan_of(settings, study.rules_named(rule), seeds, processor)
    folder = out or DEFAULT_FOLDER
    with continued_by("edgelearn", "study", "equal-accuracy", *_typed(given, rule, seeds, folder)):
        outcome = sweep_with_bar(
            plan, folder, jobs=jobs or usable_processors(), overwrite=overwrite, run=study.run_cell
        )
    if outcome.failed == outcome.cells:
        raise UserError(f"every run failed: {next(iter(outcome.errors))}")
    result = study.analyse(folder, accuracy)
    study.write_result(folder, result)
    if plot is not None:
        from edgelearn.reports.plots.equal_accuracy import plot_equal_accuracy

        plot_equal_accuracy(result.as_dict(), plot)
    if json:
        print_json(result.as_dict())
    else:
        _print(result, outcome, plot)
    if outcome.failed:
        raise typer.Exit(1)


def _typed(given: Given, rule: str, seeds: int, folder: Path) -> list[str]:
    """Return the flags that continue the study."""
    from edgelearn.config import RunConfig

    return [*typed_flags(given, RunConfig), "--rule", rule, "--seeds", str(seeds), "--out", str(folder)]


def _print(result: EqualAccuracy, outcome: Outcome, plot: Path | None) -> None:
    from edgelearn.reports.console import make_console, next_steps, print_table, say, written
    from edgelearn.studies.equal_accuracy_page import equal_accuracy_said, equal_accuracy_table

    console, folder = make_console(), outcome.folder
    kept = f", {outcome.kept} of {outcome.cells} runs kept from before" if outcome.kept else ""
    say(console, f"{result.data}, {result.net}, on {result.processor}{kept}")
    table = equal_accuracy_table(result.as_dict())
    rows = []
    for row in table.rows:
        cells = {}
        for column, value in zip(table.columns, row.cells, strict=True):
            text = value if value is None or isinstance(value, str) else value.text if column.spread else value.shown
            cells[f"{column.title}{f', {column.unit}' if column.unit else ''}"] = text or "-"
        rows.append(cells)
    print_table(console, rows)
    for line in equal_accuracy_said(result.as_dict()):
        say(console, "".join(part if isinstance(part, str) else part.text for part in line))
    say(console, *(f"failed, {count} of {outcome.cells}: {error}" for error, count in outcome.errors.items()))
    written(console, f"{folder}/equal_accuracy.json, study.toml, table.parquet, table.csv, tuning.json", plot)
    next_steps(console, f"edgelearn report {folder}", f"edgelearn study show {folder}", details=True)
