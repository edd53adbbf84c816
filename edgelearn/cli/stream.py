"""`edgelearn stream`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgelearn.cli.flags import Given, Output, command
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.config import StreamConfig
    from edgelearn.runs.kind import Result


@command("StreamConfig", example='edgelearn stream mine.csv --sample-rate "50 Hz" --out results')
def stream(
    given: Given,
    output: Output,
    source: Annotated[Optional[str], typer.Argument(metavar="SOURCE", help="Stream to learn, as --data.")] = None,
) -> None:
    """Learn a stream of sensor data online: accuracy, drift, energy and real-time behaviour.

    Live input: producer | edgelearn stream -
    """
    from edgelearn.config import StreamConfig, read_toml, validated
    from edgelearn.runs.checkpoint import Interrupted, saved_settings

    out, plot = output.out, output.plot
    if source is not None:
        if "data" in given:
            raise UserError(f"the stream is given twice, {source} and --data {given['data']}; give one of them")
        given["data"] = source
    if output.resume and out is None:
        raise UserError("--resume needs the folder of the interrupted run; give --out DIR")
    if plot is not None:
        from edgelearn.reports.plots.stream import check_plot

        check_plot(plot)
    settings = saved_settings(out) if output.resume and out is not None else {}
    if output.config is not None:
        settings |= read_toml(output.config)
    resolved = validated(StreamConfig, settings | given)
    live = resolved.data == "-"
    if live and output.json:
        raise UserError(
            "- answers with JSON lines, and --json would mix the report into them; give --out for the report"
        )
    try:
        report, speed = _stream_with_view(resolved, output, live)
    except Interrupted as interrupt:
        again = f"edgelearn stream {'- ' if live else ''}--resume --out {interrupt.folder}"
        hint = f"; continue with: {'producer | ' if live else ''}{again}" if interrupt.folder else ""
        print(f"edgelearn: interrupted{hint}", file=sys.stderr)
        raise typer.Exit(130) from None
    if plot is not None:
        from edgelearn.reports.plots.stream import plot_stream

        plot_stream(report.content, plot)
    if output.json and not live:
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


def _stream_with_view(config: StreamConfig, output: Output, live: bool) -> tuple[Result, float | None]:
    from edgelearn.cli.live import View
    from edgelearn.runs.stream import stream

    with View(config, live) as view:
        report = stream(
            config, output.out, output.resume, output.overwrite, view.show, view.write_rows if live else None
        )
    return report, view.samples_per_second
