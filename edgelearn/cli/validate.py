"""`edgelearn validate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgelearn.cli import options
from edgelearn.cli.options import flag
from edgelearn.cli.shared import given_settings, with_progress
from edgelearn.errors import UserError, unknown

if TYPE_CHECKING:
    pass


def validate(
    config: options.Config = None,
    data: options.Data = None,
    label_column: options.LabelColumn = None,
    classes: options.Classes = None,
    limit: options.Limit = None,
    test_fraction: options.TestFraction = None,
    validation_fraction: options.ValidationFraction = None,
    rule: options.Rule = None,
    net: options.Net = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    input_bits: options.InputBits = None,
    activation: options.Activation = None,
    output: options.Output = None,
    feedback: options.Feedback = None,
    hidden_rate: options.HiddenRate = None,
    output_rate: options.OutputRate = None,
    halve_every: options.HalveEvery = None,
    range_exponent: options.RangeExponent = None,
    event_threshold: options.EventThreshold = None,
    dead_zone: options.DeadZone = None,
    accumulator_bits: options.AccumulatorBits = None,
    update_gate: options.UpdateGate = None,
    margin: options.Margin = None,
    strict: options.Strict = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    spiking: options.Spiking = False,
    neuron: options.Neuron = None,
    reset: options.Reset = None,
    threshold: options.Threshold = None,
    leak: options.Leak = None,
    refractory: options.Refractory = None,
    gate_on: options.GateOn = None,
    delay: options.Delay = None,
    hidden_shift: options.HiddenShift = None,
    output_shift: options.OutputShift = None,
    code: options.Code = None,
    steps: options.Steps = None,
    step_time: options.StepTime = None,
    first_label: options.FirstLabel = None,
    label_period: options.LabelPeriod = None,
    window: options.Window = None,
    stride: options.Stride = None,
    delta: options.Delta = None,
    start: options.Start = None,
    against: Annotated[
        Optional[str],
        flag("torch: the float twin of a rate network; brian2: a spiking network, word for word [torch]."),
    ] = None,
    out: Annotated[Optional[Path], flag("Folder for validation.json.")] = None,
    json: options.ReportAsJson = False,
) -> None:
    """Run beside a reference: a rate network beside its float twin in torch, a spiking one beside Brian2.

    For a rate network: how far the two come apart, and where precision is lost. For a spiking one (--against
    brian2, the first 40 samples or --limit): whether every spike, membrane, trace and weight is the same, and where
    the first difference is. Exit code 0: the run follows its reference, 1: it does not, 2: cannot be run.
    """
    flags = dict(locals())
    from edgelearn.config import RunConfig, make_config, read_toml

    if against not in (None, "torch", "brian2"):
        raise unknown("reference", against, ("torch", "brian2"))
    settings = read_toml(config) if config is not None else {}
    is_spiking = bool(spiking or settings.get("spiking") or against == "brian2")
    if is_spiking and against == "torch":
        raise UserError("a spiking network is compared with Brian2; give --against brian2")
    settings |= given_settings(flags, RunConfig, is_spiking)
    if is_spiking:
        if epochs is not None:
            raise UserError("--epochs is not for --against brian2, which compares one pass over the first samples")
        _validate_spiking(settings, out, json)
        return
    from rich.console import Console

    from edgelearn.reports.validation import show
    from edgelearn.validation.dataset import validate

    resolved = make_config(settings)
    validation, _ = with_progress(resolved, lambda on_progress: validate(resolved, out, on_progress))
    if json:
        sys.stdout.write(validation.to_json())
    else:
        console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)
        show(validation.content, console)
        if out is not None:
            console.print(f"\nwritten: {out}/validation.json", soft_wrap=True)
    if not validation.content["verdict"]["follows"]:
        raise typer.Exit(1)


def _validate_spiking(settings: dict[str, Any], out: Path | None, json: bool) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from edgelearn.config import SpikingConfig, validated
    from edgelearn.reports.validation import show_spiking
    from edgelearn.validation.spiking import validate_spiking

    resolved = validated(SpikingConfig, settings)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing with Brian2", total=None)
        validation = validate_spiking(resolved, out, lambda done, steps: bar.update(task, completed=done, total=steps))
    if json:
        sys.stdout.write(validation.to_json())
    else:
        console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)
        show_spiking(validation.content, console)
        if out is not None:
            console.print(f"written: {out}/validation.json", soft_wrap=True)
    if validation.content["difference"] is not None:
        raise typer.Exit(1)
