"""The commands `edgelearn rtl ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgelearn.cli.firmware import DETAILS, NETWORK, RATES, network_samples
from edgelearn.cli.flags import OUTPUT, Config, Flag, Given, Json, command, group
from edgelearn.cli.shared import print_json, rules_listed
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from firmware_sim.check.session import Samples
    from hw_models.rtl.verify import Verification

BUILD = "Build"
_Rules = Annotated[str, Flag("Learning rules, separated by commas, or all those that the engine has.", "Learning")]
_Simulator = Annotated[str, Flag("Simulator: {hw_models.rtl.simulators:SIMULATORS}.", BUILD)]


def _networks(given: Given, config: Path | None, rule: str) -> list[Samples]:
    """Return networks and samples of rules; of "all", those that the engine computes."""
    from hw_models.rtl.parameters import refuse

    found = []
    for name in rules_listed(rule):
        source = network_samples(given, config, name)
        try:
            refuse(source.spec)
        except UserError:
            if rule != "all" or source.spec.is_convolutional or source.spec.is_graded:
                raise
            continue
        found.append(source)
    return found


BENCH_SAMPLES = 20  # that come with an engine


@command("RunConfig", only=(*RATES, *NETWORK, *DETAILS), example="edgelearn rtl emit engine --rule drtp --net 64-32-10")
def emit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for Verilog, constants, memories, bench.")],
    given: Given,
    config: Config = None,
    run: Annotated[
        Optional[Path],
        Flag("Finished `edgelearn run --out DIR` to take settings and weights from.", OUTPUT),
    ] = None,
    overwrite: Annotated[bool, Flag("Replace the files in DIR.", OUTPUT)] = False,
) -> None:
    """Write the learning engine of the network as Verilog-2005, with its memories and a bench."""
    from firmware_sim.build.features import Features
    from hw_models.rtl.emit import notes_of, write
    from hw_models.rtl.verify import write_selftest

    if run is not None:
        typed = [*(["config"] if config is not None else []), *given]
        if typed:
            raise UserError(f"--run brings its own settings; leave out --{typed[0].replace('_', '-')}")
        from firmware_sim.check.session import restore_run

        source, learner = restore_run(run)
    else:
        source = network_samples(given, config)
        learner = source.learner()
    written = write(learner, folder, overwrite)
    written += write_selftest(learner, folder, *source.first(BENCH_SAMPLES))
    typer.echo(f"written: {len(written)} files in {folder}; read {folder}/README.md")
    typer.echo(str(source.columns))
    if isinstance(source.tensor, Features):
        typer.echo("note: frozen layers in front are not part of the engine: its levels are what they give")
    for note in [*source.notes, *notes_of(learner.spec)]:
        typer.echo(f"note: {note}")
    bench = "iverilog -g2005 -s el_bench -o el_bench.vvp el_*.v && vvp -n el_bench.vvp"
    typer.echo(f"try: cd {folder} && {bench} && grep '^s' answers.txt | cut -d' ' -f2 | diff - classes.txt")


@command(
    "RunConfig", only=(*RATES[2:], *NETWORK, *DETAILS), example="edgelearn rtl verify --rule drtp,dfa --net 64-32-10"
)
def verify(
    given: Given,
    config: Config = None,
    rule: _Rules = "all",
    simulator: _Simulator = "verilator",
    samples: Annotated[int, Flag("Samples to learn, 1 or more.", OUTPUT)] = 200,
    json: Json = False,
) -> None:
    """Compare the engine in Verilog with the simulator, prediction by prediction and word by word.

    Learns samples of the data, then a stream that drives the weights into saturation; compares cycles and memory
    accesses with the schedule. Exit code: 0 equal, 1 different (the first difference is printed), 2 cannot be run.
    """
    from edgelearn.reports.console import make_console, print_table, say

    if samples < 1:
        raise UserError(f"--samples {samples} learns nothing; give 1 or more")
    simulator = "icarus" if simulator == "iverilog" else simulator  # by the name of its program
    done = [(source, *_verified(source, simulator, samples)) for source in _networks(given, config, rule)]
    if json:
        print_json([_content(*one) for one in done])
    else:
        spec = done[0][0].spec
        console = make_console()
        say(console, f"the engine in Verilog, {simulator}, on {done[0][0].config.data}, {spec.net}, "
                     f"{spec.layers[0].word.bits}-bit view, {spec.rounding} rounding")  # fmt: skip
        print_table(console, [_row(*one) for one in done])
        for source, data, stress in done:
            for name, part in (("data", data), ("stress stream", stress)):
                for found in (part.difference, part.miscount):
                    if found is not None:
                        typer.echo(f"{source.spec.rule_name}, {name}: {found}")
    if not all(data.equal and stress.equal for _, data, stress in done):
        raise typer.Exit(1)


def _verified(source: Samples, simulator: str, n: int) -> tuple[Verification, Verification]:
    """Return the comparisons on the data and on the stress stream."""
    from edgelearn.network.learner import Learner
    from firmware_sim.check.session import drive_to_rails, stress_stream
    from hw_models.rtl.verify import verify as compare

    data = compare(source.learner(), *source.first(n), simulator)
    learner = Learner(source.spec)
    drive_to_rails(learner)
    return data, compare(learner, *stress_stream(source.spec, n), simulator)


def _row(source: Samples, data: Verification, stress: Verification) -> dict[str, Any]:
    return {
        "rule": source.spec.rule_name,
        "samples": data.samples,
        "of the data": _verdict(data),
        "at the limits": _verdict(stress),
        "saturations": stress.events["saturations"],
        "cycles": f"{data.cycles:,.1f}",
        "scheduled": f"{data.scheduled:,.1f}",
    }


def _verdict(part: Verification) -> str:
    return "equal" if part.equal else "DIFFERENT" if part.difference is not None else "MISCOUNTED"


def _content(source: Samples, data: Verification, stress: Verification) -> dict[str, Any]:
    from dataclasses import asdict

    parts = {name: asdict(part) | {"equal": part.equal} for name, part in (("data", data), ("stress", stress))}
    return {"rule": source.spec.rule_name, "net": source.spec.net, **parts}


@command("RunConfig", only=(*RATES[2:], *NETWORK, *DETAILS), example="edgelearn rtl lint --rule dfa --bits 4")
def lint(given: Given, config: Config = None, rule: _Rules = "all") -> None:
    """Lint the engine with `verilator --lint-only -Wall`. Exit code: 0 clean, 1 warnings, 2 cannot be run."""
    from hw_models.rtl.lint import lint as warnings_of

    clean = True
    for source in _networks(given, config, rule):
        found = warnings_of(source.learner())
        typer.echo(f"{source.spec.rule_name}, {source.spec.net}: {'clean' if not found else f'{len(found)} warnings'}")
        for line in found:
            typer.echo(f"  {line}")
        clean = clean and not found
    if not clean:
        raise typer.Exit(1)


commands = group(
    "Networks in Verilog: a learning engine, its verification, and values that every implementation must give.",
    {
        "Build": {"emit": emit},
        "Check": {"verify": verify, "lint": lint},
        "Share": {"vectors": "edgelearn.cli.rtl_vectors:vectors"},
    },
)
