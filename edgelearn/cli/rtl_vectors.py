"""The command `edgelearn rtl vectors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edgelearn.cli.firmware import DETAILS, NETWORK, RATES
from edgelearn.cli.flags import OUTPUT, Config, Flag, Given, command
from edgelearn.errors import UserError


@command(
    "RunConfig",
    only=(*RATES, *NETWORK, *DETAILS),
    example="edgelearn rtl vectors golden --rule dfa --net 64-32-10",
)
def vectors(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the vectors.")],
    given: Given,
    config: Config = None,
    run: Annotated[
        Optional[Path],
        Flag("Finished `edgelearn run --out DIR` to take settings, weights and rates from.", OUTPUT),
    ] = None,
    samples: Annotated[int, Flag("Samples to learn, 1 or more.", OUTPUT)] = 100,
    words: Annotated[int, Flag("Samples between two states of all words; 0: first and last state.", OUTPUT)] = 1,
    stress: Annotated[bool, Flag("Start at the limits of the words and learn extreme samples.", OUTPUT)] = False,
    overwrite: Annotated[bool, Flag("Replace the files in DIR.", OUTPUT)] = False,
) -> None:
    """Write test vectors of a network: every value of every sample as text, for benches of your own RTL.

    The folder has the description of its format, a checker in plain Python, and example benches in Verilog and C.
    """
    from edgelearn.cli.firmware import network_samples
    from edgelearn.reports.console import progress
    from firmware_sim.build.features import Features
    from firmware_sim.check.session import drive_to_rails, restore_run, stress_stream
    from hw_models.rtl.vectors import refuse, write_vectors

    if samples < 1:
        raise UserError(f"--samples {samples} learns nothing; give 1 or more")
    if words < 0:
        raise UserError(f"--words {words} is not allowed; give 0 or more")
    if run is not None:
        typed = [*(["config"] if config is not None else []), *given]
        if typed:
            raise UserError(f"--run brings its own settings; leave out --{typed[0].replace('_', '-')}")
        source, learner = restore_run(run)
    else:
        source = network_samples(given, config)
        learner = source.learner()
    refuse(source.spec)
    levels, labels, data = *source.first(samples), str(source.config.data)
    if stress:
        drive_to_rails(learner)
        levels, labels = stress_stream(source.spec, samples)
        data = "stress samples"
    with progress() as bar:
        task = bar.add_task("learning", total=samples)
        written = write_vectors(
            learner, folder, levels, labels, data, words, overwrite, lambda done: bar.update(task, completed=done)
        )
    typer.echo(
        f"written: {written.files} files, {written.n_bytes / 2**20:.1f} MiB, in {folder}; read {folder}/FORMAT.md"
    )
    typer.echo(f"samples: {written.samples:,}, {written.learned:,} learned")
    notes = source.notes
    if isinstance(source.tensor, Features):
        notes = [*notes, "frozen layers in front are not part of the vectors: inputs.hex has what they give"]
    for note in notes:
        typer.echo(f"note: {note}")
    typer.echo(f"try: python {folder}/check_vectors.py")
