"""`edgelearn stream`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgelearn.cli.flags import OUTPUT, Flag, Given, Output, command
from edgelearn.cli.shared import interruptible, settings_from
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.config import StreamConfig
    from edgelearn.runs.kind import Result


@command("StreamConfig", example='edgelearn stream mine.csv --sample-rate "50 Hz" --out results')
def stream(
    given: Given,
    output: Output,
    source: Annotated[Optional[str], typer.Argument(metavar="SOURCE", help="Stream to learn, as --data.")] = None,
    predictions: Annotated[
        Optional[Path], Flag("Write the prediction, or score and alarm, of each row, .csv or .jsonl.", OUTPUT)
    ] = None,
) -> None:
    """Learn a stream of sensor data online: accuracy, drift, energy and real-time behaviour.

    Without labels: --task anomaly; numbers: --task regression; live: producer | edgelearn stream -
    """
    from edgelearn.config import StreamConfig, check_effect, validated
    from edgelearn.runs.shapes import check_kernels

    out, plot = output.out, output.plot
    if source is not None:
        if "data" in given:
            raise UserError(f"the stream is given twice, {source} and --data {given['data']}; give one of them")
        given["data"] = source
    settings = settings_from(output, StreamConfig)
    if plot is not None:
        from edgelearn.reports.plots.figure import check_plot

        check_plot(plot, out)
    resolved = validated(StreamConfig, settings | given)
    check_effect(resolved, given, settings.written)
    check_kernels(resolved, given)
    live = resolved.data == "-"
    if live and output.json:
        raise UserError(
            "- answers with JSON lines, and --json would mix the report into them; give --out for the report"
        )
    with interruptible("producer | edgelearn stream -" if live else "edgelearn stream"):
        report, speed = _stream_with_view(resolved, output, live, predictions)
    if plot is not None:
        _plot(report, plot)
    if output.json and not live:
        sys.stdout.write(report.to_json())
        return
    from edgelearn.reports.console import make_console, next_steps, written
    from edgelearn.runs.stream import KIND

    console = make_console(stderr=live)  # predictions have the standard output of a live stream to themselves
    KIND.show(report.content, console, speed, output.details)
    written(console, None if out is None else f"{out}/report.json, config.toml, weights.npz")
    written(console, None if predictions is None else str(predictions))
    written(console, plot)
    steps = [name for name, given in (("--plot stream.svg", plot), ("--out DIR", out)) if given is None]
    next_steps(console, *steps, details=output.details)


def _plot(report: Result, path: Path) -> None:
    """Draw the figure of the task of a report."""
    if report.content.get("task") == "anomaly":
        from edgelearn.reports.plots.anomaly import plot_anomaly

        plot_anomaly(report.content, path)
        return
    if report.content.get("task") == "regression":
        from edgelearn.reports.plots.regression import plot_regression

        plot_regression(report.content, path)
        return
    from edgelearn.reports.plots.stream import plot_stream

    plot_stream(report.content, path)


def _stream_with_view(
    config: StreamConfig, output: Output, live: bool, predictions: Path | None
) -> tuple[Result, float | None]:
    from edgelearn.cli.live import PredictionsFile, View
    from edgelearn.runs.stream import run

    file: PredictionsFile | None = None
    make_view = View
    if config.task == "anomaly":
        from edgelearn.cli.anomaly_live import AnomalyView, ScoresFile

        make_view = AnomalyView
        file = None if predictions is None else ScoresFile(predictions)
    elif config.task == "regression":
        from edgelearn.cli.regression_live import NumbersFile, NumbersView

        make_view = NumbersView
        file = None if predictions is None else NumbersFile(predictions)
    elif predictions is not None:
        file = PredictionsFile(predictions, config.label_delay)
    with make_view(config, live) as view:
        takers = ([view.write_rows] if live else []) + ([file.add] if file is not None else [])

        def on_rows(work: Any, rows: Any) -> None:
            for take in takers:
                take(work, rows)

        report = run(config, output.out, output.resume, output.overwrite, view.show, on_rows if takers else None)
    if file is not None:
        file.close(report.content["stream"]["rows"])
    return report, view.samples_per_second
