"""The command `edgelearn`: says what to run. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from edgelearn import options
from edgelearn.errors import UserError, unknown
from edgelearn.options import flag
from firmware_sim.cli import app as firmware_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from edgelearn import evaluate
    from edgelearn.config import RunConfig, Settings, SpikingConfig, StreamConfig
    from edgelearn.report import Report
    from edgelearn.reproduction.catalog import Row
    from edgelearn.reproduction.perform import Outcome
    from edgelearn.spiking_run import SpikingProgress
    from edgelearn.stream_report import StreamReport
    from hw_models.comparison import RuleCost

_Result = TypeVar("_Result")
_Show = Callable[["evaluate.Progress", int], None]  # progress, number of training samples

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Simulate on-chip learning rules in fixed point: what each costs, and what it buys.",
)
app.add_typer(firmware_app, name="firmware")
data_app = typer.Typer(no_args_is_help=True, help="Data sets: what there is, where it is, how to get it.")
app.add_typer(data_app, name="data")
processors_app = typer.Typer(no_args_is_help=True, help="Processors that costs can be priced on.")
app.add_typer(processors_app, name="processors")


def _version(value: bool) -> None:
    if value:
        from edgelearn import __version__

        typer.echo(f"edgelearn {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: options.Config = None,
    data: options.Data = None,
    label_column: options.LabelColumn = None,
    classes: options.Classes = None,
    limit: options.Limit = None,
    test_fraction: options.TestFraction = None,
    epochs: options.Epochs = None,
    rule: options.Rule = None,
    net: Annotated[Optional[str], flag("Layer sizes, e.g. 784-500-10 [one hidden layer of 100, spiking 64].")] = None,
    bits: options.Bits = None,
    rounding: Annotated[
        Optional[str], flag("residual, stochastic or nearest [residual]; spiking: [stochastic] or nearest.")
    ] = None,
    seed: options.Seed = None,
    residual_bits: options.ResidualBits = None,
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
    plot: Annotated[
        Optional[Path], flag("Draw raster, membranes and weights of a spiking network: .png or .svg.")
    ] = None,
    nir: Annotated[Optional[Path], flag("Write the learned spiking network as a NIR graph: a .nir file.")] = None,
    processor: Annotated[
        Optional[str], flag("Price on this processor, by name or .toml file [engine-28nm, spiking loihi-like].")
    ] = None,
    out: options.Out = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    json: options.ReportAsJson = False,
) -> None:
    """Learn a data set online, in integers, and report accuracy and every access."""
    flags = dict(locals())
    from edgelearn.checkpoint import Interrupted, saved_settings
    from edgelearn.config import RunConfig, make_config, read_toml
    from edgelearn.run import run as run_config

    if resume and out is None:
        raise UserError("--resume needs the folder of the interrupted run; give --out DIR")
    settings = saved_settings(out) if resume and out is not None else {}
    if config is not None:
        settings |= read_toml(config)
    settings |= _given(flags, RunConfig, bool(spiking or settings.get("spiking")))
    try:
        if settings.get("spiking"):
            _run_spiking(settings, out, resume, overwrite, plot, nir, json)
            return
        resolved = make_config(settings)
        report, speed = _with_progress(resolved, lambda show: run_config(resolved, out, resume, overwrite, show))
    except Interrupted as interrupt:
        hint = f"; continue with: edgelearn run --resume --out {interrupt.folder}" if interrupt.folder else ""
        print(f"edgelearn: interrupted{hint}", file=sys.stderr)
        raise typer.Exit(130) from None
    if json:
        sys.stdout.write(report.to_json())
    else:
        _print_report(report, speed, out)


def _given(flags: dict[str, Any], rate: type[Settings], spiking: bool) -> dict[str, Any]:
    """Return the settings that were typed; those of the other kind of network are refused."""
    from edgelearn.config import SpikingConfig

    own, other = (SpikingConfig, rate) if spiking else (rate, SpikingConfig)
    for key, value in flags.items():
        foreign = key in other.model_fields or (key in ("plot", "nir") and not spiking)
        if value is not None and value is not False and foreign and key not in own.model_fields:
            name = key.replace("_", "-")
            raise UserError(
                f"--{name} is for rate networks; leave it out with --spiking"
                if spiking
                else f"--{name} is for spiking networks; give --spiking too"
            )
    given = {key: value for key, value in flags.items() if key in own.model_fields and value is not None}
    return given | ({"spiking": True} if spiking else {})


def _run_spiking(
    settings: dict[str, Any],
    out: Path | None,
    resume: bool,
    overwrite: bool,
    plot: Path | None,
    nir: Path | None,
    json: bool,
) -> None:
    from rich.console import Console

    from edgelearn.config import SpikingConfig, validated
    from edgelearn.files import make_folder
    from edgelearn.spiking_run import run_spiking

    resolved = validated(SpikingConfig, settings)
    for path in (plot, nir):
        if path is not None and out is not None and path.parent == out:
            make_folder(out)
    if plot is not None:
        from edgelearn.stream_plot import check_plot

        check_plot(plot)
    if nir is not None:
        from edgelearn.spiking.nir_graph import check_nir

        check_nir(nir, resolved.neuron or "lif", out)
    found, speed = _with_spiking_progress(resolved, lambda show: run_spiking(resolved, out, resume, overwrite, show))
    written = [f"{out}/report.json, config.toml, weights.npz"] if out is not None else []
    if plot is not None:
        from edgelearn.spiking_plot import plot_spiking

        plot_spiking(found, plot)
        written.append(str(plot))
    if nir is not None:
        from edgelearn.spiking.nir_graph import export_nir

        export_nir(found.learner, nir, found.shown.step_s)
        written.append(f"{nir}, {nir.with_suffix('.json').name}")
    if json:
        sys.stdout.write(found.report.to_json())
        return
    from hw_models.show import print_spiking_cost

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 110)
    found.report.print(console, speed)
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


def _with_progress(config: RunConfig, learn: Callable[[_Show], _Result]) -> tuple[_Result, float | None]:
    """Show a bar while samples are learned; return the result, and samples a second where there were enough to tell."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    started, at_start, speed = 0.0, -1, 0.0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(
            "epoch {task.fields[epoch]}  accuracy {task.fields[accuracy]:.1%}  {task.fields[speed]:,.0f} samples/s"
        ),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("learning", total=None, epoch=0, accuracy=0.0, speed=0.0)

        def show(progress: evaluate.Progress, n_train: int) -> None:
            nonlocal started, at_start, speed
            done, now = progress.epoch * n_train + progress.position, time.perf_counter()
            if at_start < 0:  # the first chunk also compiles
                started, at_start = now, done
            elif now > started:
                speed = (done - at_start) / (now - started)
            epoch = min(progress.epoch + 1, config.epochs)
            bar.update(
                task, total=config.epochs * n_train, completed=done, epoch=epoch, accuracy=progress.recent_accuracy,
                speed=speed,
            )  # fmt: skip

        result = learn(show)
    return result, speed or None


def _print_report(report: Report, speed: float | None, out: Path | None) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 110)
    report.print(console, speed)
    if "cost" in report.content:
        from hw_models.show import print_costs

        console.print()
        print_costs(console, report.content["cost"])
    if out is not None:
        console.print(f"\nwritten: {out}/report.json, config.toml, weights.npz", soft_wrap=True)


@app.command("validate")
def validate_command(
    config: options.Config = None,
    data: options.Data = None,
    label_column: options.LabelColumn = None,
    classes: options.Classes = None,
    limit: options.Limit = None,
    test_fraction: options.TestFraction = None,
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
    settings |= _given(flags, RunConfig, is_spiking)
    if is_spiking:
        if epochs is not None:
            raise UserError("--epochs is not for --against brian2, which compares one pass over the first samples")
        _validate_spiking(settings, out, json)
        return
    from rich.console import Console

    from edgelearn.validate import validate

    resolved = make_config(settings)
    validation, _ = _with_progress(resolved, lambda show: validate(resolved, out, show))
    if json:
        sys.stdout.write(validation.to_json())
    else:
        console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
        validation.print(console)
        if out is not None:
            console.print(f"\nwritten: {out}/validation.json", soft_wrap=True)
    if not validation.content["verdict"]["follows"]:
        raise typer.Exit(1)


def _validate_spiking(settings: dict[str, Any], out: Path | None, json: bool) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from edgelearn.config import SpikingConfig, validated
    from edgelearn.validate_spiking import validate_spiking

    resolved = validated(SpikingConfig, settings)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing with Brian2", total=None)
        validation = validate_spiking(resolved, out, lambda done, steps: bar.update(task, completed=done, total=steps))
    if json:
        sys.stdout.write(validation.to_json())
    else:
        console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
        validation.print(console)
        if out is not None:
            console.print(f"written: {out}/validation.json", soft_wrap=True)
    if not validation.equal:
        raise typer.Exit(1)


_PANELS = {  # of the help of commands with many flags, by the first flag of each
    "validate": {"spiking": "Spiking networks", "against": "The reference and results"},
    "run": {
        "config": "What is learned",
        "rule": "What learns",
        "residual_bits": "Rate networks",
        "spiking": "Spiking networks",
        "processor": "Runs and results",
    },
    "stream": {
        "source": "What comes in",
        "rule": "What learns",
        "window": "From values to input levels",
        "update_gate": "What is learned, and when",
        "warm_up": "How it is scored",
        "processor": "The device in time",
        "seed": "Runs and results",
    },
}


@app.command("stream")
def stream_command(
    source: Annotated[
        Optional[str],
        typer.Argument(
            help="A stream (see `edgelearn data list`), a file, a folder, or - for lines on standard input."
        ),
    ] = None,
    config: options.Config = None,
    data: Annotated[Optional[str], flag("The same as the argument [drift, a synthetic sensor].")] = None,
    columns: Annotated[Optional[str], flag("TOML file that names features, label, time and subject.")] = None,
    label_column: Annotated[Optional[str], flag("Label column of a text table, by name or counted from 1.")] = None,
    subjects: Annotated[Optional[str], flag("Keep these subjects only, e.g. 1600-1624,1630.")] = None,
    limit: Annotated[Optional[int], flag("Stop after N samples.")] = None,
    classes: Annotated[Optional[int], flag("Room for classes that are met on the way, for - [10].")] = None,
    rule: options.Rule = None,
    hidden: Annotated[Optional[str], flag("Hidden neurons, e.g. 64 or 64-32, 0 for none [64].")] = None,
    net: Annotated[Optional[str], flag("All layer sizes, in place of --hidden.")] = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    activation: options.Activation = None,
    output: Annotated[Optional[str], flag("softmax or sigmoid [softmax].")] = None,
    feedback: options.Feedback = None,
    hidden_rate: Annotated[Optional[int], flag("Learning rate of hidden layers, exponent of two [-4].")] = None,
    output_rate: Annotated[Optional[int], flag("Learning rate of the output layer, exponent of two [-3].")] = None,
    range_exponent: options.RangeExponent = None,
    event_threshold: options.EventThreshold = None,
    dead_zone: options.DeadZone = None,
    accumulator_bits: options.AccumulatorBits = None,
    strict: options.Strict = None,
    window: Annotated[Optional[int], flag("Samples of a row [1].")] = None,
    stride: Annotated[Optional[int], flag("Samples from row to row [1].")] = None,
    features: Annotated[Optional[str], flag("Of a window: samples, or statistics of each channel [samples].")] = None,
    encoder: Annotated[Optional[str], flag("signed, levels, on-off, threshold or delta [signed].")] = None,
    input_bits: Annotated[Optional[int], flag("Bits of an input level, sign included, 1 to 8 [5].")] = None,
    time_constant: Annotated[Optional[int], flag("Normalise with the last 2^N rows [8].")] = None,
    reach: Annotated[Optional[int], flag("Mean absolute deviations at the highest level [3].")] = None,
    input_threshold: Annotated[
        Optional[int], flag("Levels of at most this size are no events (signed, on-off) [0].")
    ] = None,
    thresholds: Annotated[Optional[int], flag("Thresholds on each side of the mean (threshold) [2].")] = None,
    delta: Annotated[Optional[int], flag("Change that is sent, in 1/16 of the mean deviation (delta) [8].")] = None,
    update_gate: options.UpdateGate = None,
    margin: options.Margin = None,
    energy_budget: Annotated[Optional[str], flag('Power that learning may take, e.g. "10 uW" [any].')] = None,
    label_delay: Annotated[Optional[int], flag("Rows from an input to its label [0].")] = None,
    label_fraction: Annotated[Optional[float], flag("Share of the rows whose label is told [1].")] = None,
    warm_up: Annotated[Optional[int], flag("First rows that are not scored [0].")] = None,
    fading: Annotated[Optional[float], flag("Weight of the past in the fading accuracy [0.999].")] = None,
    accuracy_window: Annotated[Optional[int], flag("Rows of the sliding accuracy [1000].")] = None,
    detector: Annotated[
        Optional[str],
        flag("Drift detector: adwin, ddm, eddm, fhddm, hddm-a, hddm-w, page-hinkley or kswin [none]."),
    ] = None,
    processor: options.Processor = None,
    sample_rate: Annotated[Optional[str], flag('Samples a second, e.g. "50 Hz" [the source\'s own].')] = None,
    queue: Annotated[Optional[int], flag("Rows that may wait while the processor is busy [1].")] = None,
    deadline: Annotated[Optional[str], flag('Time for a row, e.g. "20 ms" [until the next].')] = None,
    when_late: Annotated[Optional[str], flag("drop, or skip-update: do not learn what had to wait [drop].")] = None,
    battery: Annotated[Optional[str], flag('Its charge or energy ["225 mAh at 3 V", a CR2032].')] = None,
    seed: options.Seed = None,
    out: options.Out = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    plot: Annotated[Optional[Path], flag("Draw accuracy, events, updates and energy over time: .png or .svg.")] = None,
    json: options.ReportAsJson = False,
) -> None:
    """Learn a stream of sensor data as it comes: accuracy, drift, energy, and whether the device keeps up.

    For example: edgelearn stream watch --window 100 --stride 50 --features statistics --processor cortex-m4,
    edgelearn stream own.csv --label-column activity --sample-rate "100 Hz", producer | edgelearn stream -
    """
    flags = dict(locals())
    from edgelearn.checkpoint import Interrupted, saved_settings
    from edgelearn.config import StreamConfig, read_toml, validated

    given = {key: value for key, value in flags.items() if key in StreamConfig.model_fields and value is not None}
    if source is not None:
        if data is not None:
            raise UserError(f"the stream is given twice, {source} and --data {data}; give one of them")
        given["data"] = source
    if resume and out is None:
        raise UserError("--resume needs the folder of the interrupted run; give --out DIR")
    if plot is not None:
        from edgelearn.stream_plot import check_plot

        check_plot(plot)
    settings = saved_settings(out) if resume and out is not None else {}
    if config is not None:
        settings |= read_toml(config)
    resolved = validated(StreamConfig, settings | given)
    live = resolved.data == "-"
    if live and json:
        raise UserError(
            "- answers with JSON lines, and --json would mix the report into them; give --out for the report"
        )
    try:
        report, speed = _stream_with_view(resolved, out, resume, overwrite, live)
    except Interrupted as interrupt:
        again = f"edgelearn stream {'- ' if live else ''}--resume --out {interrupt.folder}"
        hint = f"; continue with: {'producer | ' if live else ''}{again}" if interrupt.folder else ""
        print(f"edgelearn: interrupted{hint}", file=sys.stderr)
        raise typer.Exit(130) from None
    if plot is not None:
        from edgelearn.stream_plot import plot_stream

        plot_stream(report.content, plot)
    if json and not live:
        sys.stdout.write(report.to_json())
        return
    from rich.console import Console

    # predictions have the standard output of a live stream to themselves
    console = Console(stderr=live, highlight=False, markup=False, width=None if sys.stdout.isatty() else 110)
    report.print(console, speed)
    written = [f"{out}/report.json, config.toml, weights.npz"] if out is not None else []
    for name in [*written, *([str(plot)] if plot is not None else [])]:
        console.print(f"written: {name}", soft_wrap=True)


def _stream_with_view(
    config: StreamConfig, out: Path | None, resume: bool, overwrite: bool, live: bool
) -> tuple[StreamReport, float | None]:
    from edgelearn.stream_run import stream
    from edgelearn.stream_view import View

    with View(config, live) as view:
        report = stream(config, out, resume, overwrite, view.show, view.write_rows if live else None)
    return report, view.samples_per_second


@app.command("branch")
def branch_command(
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
    _print_table(rows)
    typer.echo("\nand a perceptron or hashed predictor with tagged side rows: perceptron+mdfa, hashed+dfa, ...\n")
    names = trace_names()
    traces = [{"trace": name, "branches": "" if n is None else f"{n:,}"} for name, n in names.items()]
    _print_table(traces) if traces else typer.echo(
        "no traces are here; put them into branch_traces/ below EDGELEARN_DATA"
    )


@app.command()
def cost(
    rule: Annotated[str, flag("Learning rules, divided by commas, or all.")] = "all",
    net: options.Net = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    input_bits: options.InputBits = None,
    feedback: options.Feedback = None,
    processor: Annotated[
        str, flag("Processor (see `edgelearn processors list`) or a .toml file [engine-28nm].")
    ] = "engine-28nm",
    input_density: Annotated[Optional[float], flag("Fraction of inputs that are not zero, 0 to 1 [1].")] = None,
    hidden_density: Annotated[Optional[float], flag("Fraction of hidden activations that are not zero [1].")] = None,
    update_density: Annotated[Optional[float], flag("Fraction of hidden neurons that update [1].")] = None,
    error_density: Annotated[Optional[float], flag("Fraction of output errors that are not zero [1].")] = None,
    runs: Annotated[
        Optional[list[Path]], flag("Price this finished run's own activity; again for more runs.", "--run")
    ] = None,
    tornado: Annotated[bool, flag("Say which constant decides the order of the rules.", "--tornado")] = False,
    json: options.AsJson = False,
    csv: Annotated[bool, flag("Print as CSV.", "--csv")] = False,
    plot: Annotated[Optional[Path], flag("Draw energy and area by role: a .png or .svg file.")] = None,
    action_counts: Annotated[
        Optional[Path], flag("Write the accesses of one rule for Accelergy: action_counts.yaml.")
    ] = None,
    ert: Annotated[Optional[Path], flag("Price one rule's accesses with an Accelergy ERT.yaml.")] = None,
    ert_unit: Annotated[Optional[str], flag("Unit of the energies in the ERT: fJ, pJ or nJ [pJ].")] = None,
) -> None:
    """Price learning rules on a processor: energy, latency, power and area, without running anything."""
    flags = dict(locals())
    from edgelearn.config import RunConfig
    from hw_models.comparison import as_dict
    from hw_models.ranking import ranking_as_dict

    for first, second in (("json", "csv"), ("csv", "tornado"), ("csv", "ert")):
        if flags[first] and flags[second]:
            raise UserError(f"--{first} and --{second} exclude each other; give one of them")
    if ert_unit is not None and ert is None:
        raise UserError("--ert-unit says how --ert is read; give --ert FILE too")
    for path in (plot, action_counts):
        if path is not None and not path.parent.is_dir():
            raise UserError(f"cannot write {path}: there is no folder {path.parent}; give a folder that can be written")
    given = {key: value for key, value in flags.items() if key in RunConfig.model_fields and value is not None}
    densities = {key: value for key, value in flags.items() if key.endswith("_density") and value is not None}
    costs, accuracies = _costs(rule, runs, processor, given, densities)
    content = as_dict(costs)
    if tornado:
        content["ranking"] = ranking_as_dict(costs)
    if action_counts is not None or ert is not None:
        if len(costs) != 1:
            raise UserError("--action-counts and --ert take one rule; give --rule drtp, for example")
        content["accelergy"] = _accelergy(costs[0], action_counts, ert, ert_unit or "pJ")
    if plot is not None:
        from hw_models.plots import plot_costs

        plot_costs(costs, plot, accuracies)
    if json:
        import json as json_module

        sys.stdout.write(json_module.dumps(content, indent=1) + "\n")
    elif csv:
        from hw_models.show import as_csv

        sys.stdout.write(as_csv(content))
    else:
        _print_costs(content, [path for path in (plot, action_counts) if path is not None])


def _costs(
    rule: str, runs: list[Path] | None, processor: str, given: dict[str, Any], densities: dict[str, float]
) -> tuple[list[RuleCost], dict[str, float]]:
    """Price finished runs, or rules on a network that nobody ran; return the costs, and the accuracies of runs."""
    from edgelearn.config import make_config
    from edgelearn.rules import RULES
    from edgelearn.run import assumed_costs, costs_of_runs

    if runs:
        fixed = sorted(set(given) - {"rule", "processor"}) + sorted(densities) + ["rule"] * (rule != "all")
        if fixed:
            raise UserError(f"--run brings its own settings; leave out --{fixed[0].replace('_', '-')}")
        priced = costs_of_runs(runs, processor)
        accuracies = {run.cost.name: run.accuracy for run in priced if run.accuracy is not None}
        return [run.cost for run in priced], accuracies
    names = list(RULES) if rule == "all" else [name.strip().lower() for name in rule.split(",")]
    for name in names:
        if names.count(name) > 1 or name == "all":
            raise UserError(f"--rule {rule} cannot be read; give each rule once, divided by commas, or all alone")
    return assumed_costs(make_config(given | {"rule": names[0]}), names, densities), {}


def _print_costs(content: dict[str, Any], written: list[Path]) -> None:
    from rich.console import Console

    from hw_models.show import print_costs, print_ert, print_ranking

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
    print_costs(console, content)
    if "ranking" in content:
        print_ranking(console, content["ranking"])
    if content.get("accelergy"):
        print_ert(console, content["accelergy"])
    for path in written:
        console.print(f"\nwritten: {path}", soft_wrap=True)


def _accelergy(rule: RuleCost, out: Path | None, ert: Path | None, unit: str) -> dict[str, Any]:
    """Write a rule's accesses, price them with an energy table, or both; return what there is to show."""
    from hw_models.accelergy import actions, price_with, read_ert, write_action_counts

    counts = actions(rule.spec, rule.activity, rule.processor)
    shown: dict[str, Any] = {}
    if ert is not None:
        table, samples = read_ert(ert, unit), max(rule.activity.n_samples, 1)
        energies = price_with(table, counts)
        shown = {
            "table": str(table),
            "energy_pj": {f"{component} {action}": pj / samples for (component, action), pj in energies.items()},
        }
    if out is not None:
        write_action_counts(out, rule.spec, rule.activity, rule.processor)
    return shown


@processors_app.command("list")
def processors_list() -> None:
    """List the processors that come with edgelearn."""
    from hw_models.processor import find_processor, names

    found = [find_processor(name) for name in names()]
    _print_table([{"name": p.name, "kind": p.kind, "what": p.description} for p in found])


@processors_app.command("show")
def processors_show(
    name: Annotated[str, typer.Argument(help="A processor, or a .toml file.")],
    toml: Annotated[bool, flag("Print the file itself, to copy and edit.", "--toml")] = False,
) -> None:
    """Say what a processor is made of and where its figures come from."""
    from hw_models.comparison import tables
    from hw_models.processor import find_processor, path_of

    found = find_processor(name)
    if toml:
        sys.stdout.write(path_of(name).read_text(encoding="utf-8"))
        return
    typer.echo(f"{found.name}: {found.description}")
    for line in (f"source: {found.source}", *tables(found), f"file: {path_of(name)}"):
        typer.echo(f"  {line}")


@app.command()
def rules(json: options.AsJson = False) -> None:
    """Print the rule table with everything that is derived from it."""
    from edgelearn.rules import RULES

    rows = [
        {
            "rule": rule.name,
            "teaching signal": rule.signal.value,
            "feedback": rule.feedback.value,
            "constraint": rule.constraint.value,
            "locking": rule.locking.value,
            "weight transport": "yes" if rule.weight_transport else "no",
            "feedback words": rule.feedback_words,
            "rates": f"2^{rule.hidden_rate}, 2^{rule.output_rate}"
            if rule.learns_hidden
            else f"-, 2^{rule.output_rate}",
            "source": rule.source,
        }
        for rule in RULES.values()
    ]
    if json:
        import json as json_module

        typer.echo(json_module.dumps(rows, indent=1))
    else:
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 170).print(table)


def _print_claims(rows: list[dict[str, Any]]) -> None:
    """Print the list of claims: a table as wide as the terminal, or a line of fields between tabs for programs."""
    from rich.console import Console
    from rich.table import Table

    if not sys.stdout.isatty():
        typer.echo("\n".join("\t".join(str(value) for value in row.values()) for row in rows))
        return
    console = Console(highlight=False, markup=False)
    names = [name for name in rows[0] if console.width >= 140 or name in ("id", "cost", "status")]
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name in ("id", "cost"))
    for row in rows:
        table.add_row(*(str(row[name]) for name in names))
    console.print(table)


@app.command()
def bench(
    json: Annotated[bool, flag("Print the rows as JSON.", "--json")] = False,
    repeats: Annotated[int, typer.Option(help="Turns of each contestant; the best counts.")] = 5,
) -> None:
    """Measure the speed of online learning on this machine, beside numpy, torch and the memory bandwidth."""
    from dataclasses import asdict

    from rich.console import Console

    from edgelearn.bench import SETTINGS, as_table, measure

    rows = []
    with Console(stderr=True).status("measuring") as status:
        for sizes, input_bits in SETTINGS:
            rows += measure(sizes, input_bits, repeats=repeats, on_progress=status.update)
    if json:
        import json as json_module

        typer.echo(json_module.dumps([asdict(row) for row in rows], indent=1))
    else:
        typer.echo("\n".join(as_table(rows)))


@app.command()
def reproduce(
    claims: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="ID...", help="Claims to run, e.g. drtp-theorem; or list, to list them all."),
    ] = None,
    cost: Annotated[Optional[str], flag("Run all claims of this cost: seconds, minutes or hours.")] = None,
    quick: Annotated[bool, flag("Run for seconds only: reduced, so that orders alone are judged.", "--quick")] = False,
    seed: Annotated[
        Optional[int], flag("Every random number follows from it, 0 or more; N > 0 writes ID.seedN.json [0].")
    ] = None,
    jobs: Annotated[Optional[int], flag("Processes, 1 or more [one a processor].")] = None,
    out: Annotated[Optional[Path], flag("Folder for ID.json and ID.png [edgelearn-reproduced].")] = None,
    markdown: Annotated[bool, flag("With list: print a Markdown table.", "--markdown")] = False,
    json: Annotated[
        bool, flag("Print each result as a line of JSON when it is there; the list as one document.", "--json")
    ] = False,
) -> None:
    """Run a claim of the papers again: measure it, judge it by the paper's numbers, draw it.

    For example: edgelearn reproduce drtp-theorem, edgelearn reproduce list, edgelearn reproduce --cost seconds.
    Exit code 0: reproduced, 1: differs, 2: cannot be run. The same command continues what was interrupted.
    """
    import json as json_module

    from edgelearn.reproduction import catalog

    if claims == ["list"]:
        if quick or any(flag is not None for flag in (cost, seed, jobs, out)):
            raise UserError("the list runs nothing; give edgelearn reproduce list with --json or --markdown, or alone")
        if json:
            typer.echo(json_module.dumps(catalog.as_rows(), indent=1))
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
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs {jobs} cannot be used; give 1 or more")
    rows = catalog.select(cost) if cost is not None else [catalog.row_of(id) for id in claims or []]
    outcomes = []
    try:
        for outcome, row in zip(_perform(rows, out, quick, seed or 0, jobs or _processors()), rows, strict=True):
            outcomes.append(outcome)
            if json:
                typer.echo(json_module.dumps(outcome.result))
            else:
                _print_outcome(outcome, row.note)
    except KeyboardInterrupt:
        print("edgelearn: interrupted; what is finished is kept, the same command continues", file=sys.stderr)
        raise typer.Exit(130) from None
    differ = [outcome.result["id"] for outcome in outcomes if not outcome.holds]
    if len(outcomes) > 1 and not json:
        holds = f"{len(outcomes) - len(differ)} of {len(outcomes)} hold"
        typer.echo(f"\n{holds}{'; these differ: ' + ', '.join(differ) if differ else ''}")
    if differ:
        raise typer.Exit(1)


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _perform(rows: list[Row], out: Path | None, quick: bool, seed: int, jobs: int) -> Iterator[Outcome]:
    """Run claims one by one, once all of them are known to be able to run."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from edgelearn.reproduction import catalog
    from edgelearn.reproduction.perform import check_ready, default_folder, perform

    loaded = [catalog.load(row) for row in rows]
    for claim in loaded:
        check_ready(claim)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.1f} of {task.total} runs"),
        TimeElapsedColumn(),
    )
    for claim in loaded:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(claim.id, total=1)

            def show(
                done: float, total: int, name: str, bar: Progress = bar, task: TaskID = task, id: str = claim.id
            ) -> None:
                bar.update(task, description=f"{id}: {name}", completed=done, total=total)

            outcome = perform(claim, out or default_folder(), quick, seed, jobs, show)
        yield outcome


def _print_outcome(outcome: Outcome, note: str) -> None:
    from rich.console import Console
    from rich.table import Table

    result = outcome.result
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 150)
    console.print(f"{result['id']} ({result['source']})\n{result['statement']}\n")
    table = Table("check", "ours", "paper", "tolerance", "holds", box=None, pad_edge=False)
    words = {True: "yes", False: "no", None: "full run only"}
    for check in result["checks"]:
        numbers = (f"{n:.4g}" if isinstance(n, float) else str(n) for n in (check["ours"], check["paper"]))
        table.add_row(check["what"], *numbers, check["tolerance"], words[check["passed"]])
    console.print(table)
    console.print(f"\nverdict: {result['verdict']}" + (f" ({note})" if note else ""))
    kept = f"; {outcome.kept_runs} runs were kept from before" if outcome.kept_runs else ""
    console.print(f"time: {result['seconds']:.1f} s{kept}")
    if outcome.undrawn:
        console.print('no figure: matplotlib is not installed; pip install "edgelearn[plot]"')
    for path in outcome.written:
        console.print(f"written: {path}", soft_wrap=True)


@data_app.command("list")
def data_list() -> None:
    """List data sets (for run and stream) and streams by name."""
    from edgelearn.streams import catalog
    from edgelearn.streams.events import EVENT_SETS, event_set_place
    from edgelearn.streams.open_source import stream_info, stream_names

    rows = []
    for name in stream_names():
        if name in catalog.names():
            info = catalog.info(name)
            missing = [file["name"] for file in info["files"] if not file["found"]]
            use, here = "run, stream", f"not here; edgelearn data fetch {name}" if missing else "here"
        else:
            info = stream_info(name)
            use, here = "stream, run --spiking --window", "here" if info["found"] else f"not here; {info['how_to_get']}"
        rows.append({"name": name, "for": use, "what": info["description"], "classes": info["classes"], "where": here})
    for name, description in EVENT_SETS.items():
        here = "here" if event_set_place(name) else "not here; see edgelearn/docs/spiking.md, section 6"
        rows.append({"name": name, "for": "run --spiking", "what": description, "classes": 10, "where": here})
    _print_table([{key: "" if value is None else value for key, value in row.items()} for row in rows])


@data_app.command("info")
def data_info(name: Annotated[str, typer.Argument(help="A data set or a file.")]) -> None:
    """Say what a data set holds and where its files are, or how to get them."""
    from edgelearn.streams import catalog
    from edgelearn.streams.events import EVENT_SETS, event_set_place
    from edgelearn.streams.open_source import stream_info, stream_names

    if name in EVENT_SETS:
        place = event_set_place(name)
        typer.echo(f"name: {name}\ndescription: {EVENT_SETS[name]}\nfor: edgelearn run --spiking")
        typer.echo(f"file: {place}" if place else "file: not here; see edgelearn/docs/spiking.md, section 6")
        return
    if name not in stream_names() and not Path(name).suffix:
        raise unknown("data set or stream", name, [*stream_names(), *EVENT_SETS])
    is_stream = name in stream_names() and name not in catalog.names()
    info = stream_info(name) if is_stream else catalog.info(name)
    files = info.pop("files", [])
    for key, value in info.items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {part}" for part, count in value.items())
        elif isinstance(value, (list, tuple)):
            value = ", ".join(str(item) for item in value)
        if value not in (None, ""):
            typer.echo(f"{key.replace('_', ' ')}: {value}")
    for file in files:
        typer.echo(f"file: {file['name']}, {'at ' + str(file['found']) if file['found'] else 'not here'}")


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A data set.")]) -> None:
    """Download a data set and check its files."""
    from edgelearn.streams import catalog
    from edgelearn.streams.events import EVENT_SETS, event_set_place
    from edgelearn.streams.open_source import stream_info, stream_names

    if name in EVENT_SETS:
        place = event_set_place(name)
        raise UserError(
            f"{name} is here" if place else f"{name} cannot be fetched; see edgelearn/docs/spiking.md, section 6"
        )
    if name in stream_names() and name not in catalog.names():
        about = stream_info(name)
        raise UserError(f"{name} is here" if about["found"] else f"{name} is not here: {about['how_to_get']}")

    for path in catalog.fetch(name, progress=sys.stderr.isatty()):
        typer.echo(path)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0, 1 where a claim differs or a run does not follow its twin, 2 for a mistake, 130 for Ctrl-C.
    """
    command = typer.main.get_command(app)
    for name, panels in _PANELS.items():
        panel = None
        for parameter in command.commands[name].params:  # type: ignore[attr-defined]
            panel = panels.get(parameter.name, panel)
            parameter.rich_help_panel = panel
    if sys.stdout is None:  # closed by whoever called
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without the characters of a curve shows '?'
    try:
        result = command.main(arguments, prog_name="edgelearn", standalone_mode=False)
        sys.stdout.flush()
        return int(result or 0)
    except UserError as error:
        return _refuse(str(error))
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE, as shells have it; 1 would say that a claim differs
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _refuse(f"{error.filename or 'the output'} cannot be used: {error.strerror}; choose another place")
    except Exception as error:
        return _usage_error(error)


def _refuse(message: str) -> int:
    """Print one line whatever the user's text holds."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    print(f"edgelearn: {line}", file=sys.stderr)
    return 2


def _usage_error(error: Exception) -> int:
    """Print what typer says of wrong flags in one line; anything else is a fault of ours and keeps its trace."""
    show = getattr(error, "format_message", None)
    if show is None:
        raise error
    message = show().strip()
    if message:  # empty where the help was asked for by giving nothing
        _refuse(f"{message.splitlines()[0].rstrip('.')}; try --help")
    return int(getattr(error, "exit_code", 2))
