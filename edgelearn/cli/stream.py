"""`edgelearn stream`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgelearn.cli import options
from edgelearn.cli.options import flag
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.config import StreamConfig
    from edgelearn.runs.kind import Result


def stream(
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
    from edgelearn.config import StreamConfig, read_toml, validated
    from edgelearn.runs.checkpoint import Interrupted, saved_settings

    given = {key: value for key, value in flags.items() if key in StreamConfig.model_fields and value is not None}
    if source is not None:
        if data is not None:
            raise UserError(f"the stream is given twice, {source} and --data {data}; give one of them")
        given["data"] = source
    if resume and out is None:
        raise UserError("--resume needs the folder of the interrupted run; give --out DIR")
    if plot is not None:
        from edgelearn.reports.plots.stream import check_plot

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
        from edgelearn.reports.plots.stream import plot_stream

        plot_stream(report.content, plot)
    if json and not live:
        sys.stdout.write(report.to_json())
        return
    from rich.console import Console

    from edgelearn.reports.stream import show

    # predictions have the standard output of a live stream to themselves
    console = Console(
        stderr=live, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 110
    )
    show(report.content, console, speed)
    written = [f"{out}/report.json, config.toml, weights.npz"] if out is not None else []
    for name in [*written, *([str(plot)] if plot is not None else [])]:
        console.print(f"written: {name}", soft_wrap=True)


def _stream_with_view(
    config: StreamConfig, out: Path | None, resume: bool, overwrite: bool, live: bool
) -> tuple[Result, float | None]:
    from edgelearn.cli.live import View
    from edgelearn.runs.stream import stream

    with View(config, live) as view:
        report = stream(config, out, resume, overwrite, view.show, view.write_rows if live else None)
    return report, view.samples_per_second
