"""`edgelearn validate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgelearn.cli.flags import OUTPUT, Config, Details, Flag, Given, Json, command
from edgelearn.cli.shared import with_given, with_progress
from edgelearn.errors import UserError, unknown

if TYPE_CHECKING:
    from edgelearn.config import SpikingConfig


@command(
    "RunConfig",
    "SpikingConfig",
    without=("processor", "hidden_inference", "old"),
    example="edgelearn validate --rule drtp --bits 8",
)
def validate(
    given: Given,
    against: Annotated[
        Optional[str], Flag("Reference: torch (rate network) or brian2 (spiking network) [torch].", "Reference")
    ] = None,
    config: Config = None,
    out: Annotated[Optional[Path], Flag("Folder for validation.json.", OUTPUT)] = None,
    details: Details = False,
    json: Json = False,
) -> None:
    """Compare a run with a reference: a rate network with its float twin in torch, a spiking network with Brian2.

    The torch twin shows how far the two diverge, and where precision is lost. Brian2 (the first 40 samples, or
    --limit) is compared spike by spike and word by word. Exit code: 0 the run follows its reference, 1 it does not,
    2 it cannot be run.
    """
    from edgelearn.config import RunConfig, SpikingConfig, as_fields, check_effect, make_config, read_toml, validated

    if against not in (None, "torch", "brian2"):
        raise unknown("reference", against, ("torch", "brian2"))
    of_file = as_fields((RunConfig, SpikingConfig), read_toml(config)) if config is not None else {}
    is_spiking = bool(given.get("spiking") or of_file.get("spiking") or against == "brian2")
    if is_spiking and against == "torch":
        raise UserError("a spiking network is compared with Brian2; give --against brian2")
    settings = with_given(of_file, given, is_spiking)
    if is_spiking:
        if "epochs" in given:
            raise UserError("--epochs is not for --against brian2, which compares one pass over the first samples")
        spiking = validated(SpikingConfig, settings)
        check_effect(spiking, given, of_file)
        _validate_spiking(spiking, out, details, json)
        return
    from edgelearn.reports.console import make_console, next_steps, written
    from edgelearn.reports.validation import show, show_numbers
    from edgelearn.runs.shapes import check_kernels
    from edgelearn.validation.dataset import validate
    from edgelearn.validation.numbers import validate_numbers

    resolved = make_config(settings)
    check_effect(resolved, given, of_file)
    check_kernels(resolved, given)
    compare = validate if resolved.task == "classify" else validate_numbers
    validation, _ = with_progress(lambda on_progress: compare(resolved, out, on_progress))
    if json:
        sys.stdout.write(validation.to_json())
    else:
        console = make_console()
        if resolved.task == "classify":
            show(validation.content, console, details)
        else:
            show_numbers(validation.content, console)
        written(console, None if out is None else f"{out}/validation.json")
        next_steps(console, *(["--out DIR"] if out is None else []), details=details)
    if not validation.content["verdict"]["follows"]:
        raise typer.Exit(1)


def _validate_spiking(resolved: SpikingConfig, out: Path | None, details: bool, json: bool) -> None:
    from edgelearn.reports.console import make_console, next_steps, progress, written
    from edgelearn.reports.validation import show_spiking
    from edgelearn.validation.spiking import validate_spiking

    with progress() as bar:
        task = bar.add_task("comparing with Brian2", total=None)
        validation = validate_spiking(resolved, out, lambda done, steps: bar.update(task, completed=done, total=steps))
    if json:
        sys.stdout.write(validation.to_json())
    else:
        console = make_console()
        show_spiking(validation.content, console, details)
        written(console, None if out is None else f"{out}/validation.json")
        next_steps(console, *(["--out DIR"] if out is None else []), details=details)
    if validation.content["difference"] is not None:
        raise typer.Exit(1)
