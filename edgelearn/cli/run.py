"""`edgelearn run`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

from edgelearn.cli.flags import OUTPUT, Flag, Given, Output, command
from edgelearn.cli.shared import interruptible, same_network, settings_from, with_given, with_progress
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from edgelearn.config import RunConfig, SpikingConfig
    from edgelearn.runs.kind import Result


@command("RunConfig", "SpikingConfig", example="edgelearn run --rule drtp --bits 8 --out results")
def run(
    given: Given,
    output: Output,
    nir: Annotated[
        Optional[Path], Flag("Write the learned spiking network as a NIR graph, a .nir file.", OUTPUT)
    ] = None,
    threads: Annotated[
        int, Flag("Threads that share a layer of a rule without locking, or a prediction; no result changes.", OUTPUT)
    ] = 1,
) -> None:
    """Learn a data set online, in integers, and report accuracy and every access."""
    from edgelearn.config import RunConfig, SpikingConfig, check_effect, make_config, validated
    from edgelearn.network.blocks import set_threads
    from edgelearn.runs.registry import run as run_config
    from edgelearn.runs.shapes import check_kernels

    found = settings_from(output, RunConfig, SpikingConfig)
    is_spiking = bool(given.get("spiking") or found.get("spiking"))
    settings = with_given(found, given, is_spiking, nir=nir)
    if is_spiking:
        if threads != 1:
            raise UserError(f"--threads {threads} is of rate networks; leave it out with --spiking")
        spiking = validated(SpikingConfig, settings)
        check_effect(spiking, given, found.written)
        _run_spiking(spiking, output, nir)
        return
    set_threads(threads)
    config, out = make_config(settings), output.out
    check_effect(config, given, found.written)
    check_kernels(config, given)
    _check_plot(output)
    has_classes = config.task == "classify"
    if output.plot is not None and not has_classes:
        raise UserError(f"--plot draws accuracies, and task {config.task} has none; leave it out")
    with interruptible("edgelearn run"):
        report, speed = with_progress(
            lambda on_progress: run_config(config, out, output.resume, output.overwrite, on_progress)
        )
    if output.plot is not None:
        from edgelearn.reports.plots.dataset import plot_run

        plot_run(report.content, output.plot)
    if output.json:
        sys.stdout.write(report.to_json())
        return
    from edgelearn.reports.dataset import show

    costs = [_cost_of(config, report)] if has_classes else []
    steps = ["--out DIR", *costs] if out is None else [f"edgelearn cost --run {out}"]
    steps = ["--plot run.svg", *steps] if output.plot is None and has_classes else steps
    _print_report(show, report, speed, output, [] if output.plot is None else [str(output.plot)], steps)


def _cost_of(config: RunConfig, report: Result) -> str:
    """Return the command that prices the network of a run under all rules that can learn it."""
    from edgelearn.api.fields import PRICED
    from edgelearn.units import net_text

    direct = config.feedback_kind != "element" or config.teach != "elements"  # which some rules cannot have
    names = [name for name in PRICED if name != "feedback" or config.feedback != "imported"]
    words = same_network(config, names, net_text(report.content["network"]))
    return shlex.join(["edgelearn", "cost", *words, "--rule", config.rule if direct else "all"])


def _check_plot(output: Output) -> None:
    """Refuse a figure that could not be written; --out makes its own folder."""
    if output.plot is not None:
        from edgelearn.reports.plots.figure import check_plot

        check_plot(output.plot, output.out)


def _run_spiking(resolved: SpikingConfig, output: Output, nir: Path | None) -> None:
    from edgelearn.runs.spiking import run as run_config

    out, plot = output.out, output.plot
    _check_plot(output)
    if nir is not None:
        from edgelearn.spiking.nir_graph import check_nir

        check_nir(nir, resolved.neuron or "lif", out)
    with interruptible("edgelearn run"):
        found, speed = with_progress(
            lambda on_progress: run_config(resolved, out, output.resume, output.overwrite, on_progress)
        )
    written = []
    if plot is not None:
        found.plot(plot)
        written.append(str(plot))
    if nir is not None:
        from edgelearn.spiking.nir_graph import export_nir

        export_nir(found.learner, nir, found.data.step_s)
        written.append(f"{nir}, {nir.with_suffix('.json').name}")
    if output.json:
        sys.stdout.write(found.result.to_json())
        return
    from edgelearn.reports.spiking import show

    steps = ["--out DIR"] if out is None else []
    _print_report(show, found.result, speed, output, written, [*steps, "edgelearn validate --spiking"])


def _print_report(
    show: Callable[..., None],
    report: Result,
    speed: float | None,
    output: Output,
    others: Sequence[str],
    steps: Sequence[str],
) -> None:
    """Print a report, the files that were written and the next commands."""
    from edgelearn.reports.console import make_console, next_steps, written

    console, out = make_console(), output.out
    show(report.content, console, speed, output.details)
    if out is not None:
        written(console, f"{out}/report.json, config.toml, weights.npz")
        steps = [*steps, f"edgelearn compare {out} OTHER"]
    written(console, *others)
    next_steps(console, *steps, details=output.details)
