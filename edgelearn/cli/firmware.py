"""The commands `edgelearn firmware ...`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from edgelearn.cli import options
from edgelearn.cli.options import flag
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from firmware_sim.check.measure import Profile
    from firmware_sim.check.session import Samples

app = typer.Typer(
    no_args_is_help=True,
    help="The network as C99 that learns on a microcontroller: sources, proof that every bit is the same, real counts.",
)

_Target = Annotated[str, flag("host, cortex-m0, cortex-m4, rv32, some divided by commas, or all [all].")]
_Rules = Annotated[str, flag("Learning rules, divided by commas, or all [all].")]
_OneTarget = Annotated[str, flag("cortex-m0, cortex-m4 or rv32 [cortex-m4].", "--target")]
_Compiler = Annotated[str, flag("zig, or gcc for the cross compilers of your system [zig].")]
_Number = TypeVar("_Number", int, float)
_Optimise = Annotated[str, flag("O0, O1, Os, O2 or O3 [Os].")]


def _samples(flags: dict[str, Any], rule: str | None = None) -> Samples:
    """Return the network and the samples that the flags of a command describe."""
    from edgelearn.config import RunConfig, make_config, read_toml
    from firmware_sim.check.session import samples_of

    given = {key: value for key, value in flags.items() if key in RunConfig.model_fields and value is not None}
    if rule is not None:
        given["rule"] = rule
    path = flags.get("config")
    return samples_of(make_config((read_toml(path) if path is not None else {}) | given))


def _optimisation(text: str) -> str:
    return f"-{text.lstrip('-')}"


@contextmanager
def _progress(text: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """Show a bar on a terminal; the function it gives takes a description and what is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=total)
        yield lambda text, done: bar.update(task, description=text, completed=done)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 170).print(table)


def _read(flag: str, text: str, read: Callable[[str], _Number]) -> _Number:
    """Read a text with a unit.

    Raises
    ------
    UserError
        "--flag: ..."
    """
    try:
        return read(text)
    except ValueError as error:
        raise UserError(f"--{flag}: {error}") from None


def _print_columns(rows: list[dict[str, Any]]) -> None:
    """Print rows of many numbers turned: a line a number, a column a rule."""
    first = next(iter(rows[0]))
    names = [name for name in rows[0] if name != first]
    _print_rows([{"": name} | {row[first]: row[name] for row in rows} for name in names])


def _print_json(content: Any) -> None:
    import json

    typer.echo(json.dumps(content, indent=1))


@app.command()
def verify(
    config: options.Config = None,
    data: options.Data = None,
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
    range_exponent: options.RangeExponent = None,
    event_threshold: options.EventThreshold = None,
    dead_zone: options.DeadZone = None,
    accumulator_bits: options.AccumulatorBits = None,
    update_gate: options.UpdateGate = None,
    margin: options.Margin = None,
    seed: options.Seed = None,
    target: _Target = "all",
    samples: Annotated[int, flag("Samples of the data that are learned [2000].")] = 2000,
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    json: options.AsJson = False,
) -> None:
    """Learn the same samples in the simulator and in compiled firmware: every prediction and word must be equal.

    Learns samples of the data, then a stream that drives weights into their limits. Exit code 0: equal, 1: not, with
    the first update that differs; 2: cannot be run.
    """
    flags = dict(locals())
    from firmware_sim.check.session import STRESS_SAMPLES, chosen_targets, verify_on

    if samples < 1:
        raise UserError(f"--samples {samples} learns nothing; give 1 or more")
    targets = chosen_targets(target)
    source = _samples(flags)
    verified = []
    with _progress("compiling", len(targets) * (samples + STRESS_SAMPLES)) as show:
        for i, each in enumerate(targets):

            def compared(done: int, name: str = each.name, before: int = i * (samples + STRESS_SAMPLES)) -> None:
                show(name, before + done)

            verified.append(verify_on(source, each, samples, compiler, _optimisation(optimise), compared))
    if json:
        from dataclasses import asdict

        _print_json([asdict(one) | {"equal": one.equal} for one in verified])
    else:
        spec = source.spec
        word = spec.layers[0].word
        typer.echo(
            f"{spec.rule.name} on {source.config.data}, {'-'.join(map(str, spec.sizes))}, {word.bits}-bit view and "
            f"{word.residual_bits} residual bits, {spec.rounding} rounding"
        )
        _print_rows(
            [
                {
                    "target": one.target,
                    "compiler": f"{one.compiler} {one.optimisation}",
                    "samples": one.data.samples,
                    "of the data": "equal" if one.data.difference is None else "DIFFERENT",
                    "stress samples": one.stress.samples,
                    "at the limits": "equal" if one.stress.difference is None else "DIFFERENT",
                    "saturations": one.stress.events["saturations"],
                }
                for one in verified
            ]
        )
        for one in verified:
            for name, part in (("data", one.data), ("stress stream", one.stress)):
                if part.difference is not None:
                    typer.echo(f"{one.target}, {name}: {part.difference}")
    if not all(one.equal for one in verified):
        raise typer.Exit(1)


@app.command()
def profile(
    config: options.Config = None,
    data: options.Data = None,
    rule: _Rules = "all",
    net: options.Net = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    input_bits: options.InputBits = None,
    activation: options.Activation = None,
    output: options.Output = None,
    feedback: options.Feedback = None,
    seed: options.Seed = None,
    target: _OneTarget = "cortex-m4",
    windows: Annotated[int, flag("Samples that are counted, after 300 that are learned before [20].")] = 20,
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    json: options.AsJson = False,
) -> None:
    """Count instructions, loads and stores of single samples on an emulated core, per rule."""
    flags = dict(locals())
    from edgelearn.network.learner import Learner
    from firmware_sim.check.measure import WARM_UP, modelled_instructions, roles
    from firmware_sim.check.measure import profile as measure
    from firmware_sim.check.session import emulated_target, folder_for_builds

    if windows < 1:
        raise UserError(f"--windows {windows} counts nothing; give 1 or more")
    core, names = emulated_target(target), _rules(rule)
    content: list[dict[str, Any]] = []
    with _progress("compiling", len(names) * windows) as show:
        for i, name in enumerate(names):
            source = _samples(flags, name)
            learner = Learner(source.spec)

            def counted(done: int, name: str = name, before: int = i * windows) -> None:
                show(name, before + done)

            with folder_for_builds() as folder:
                built = (folder, core, *source.first(WARM_UP + windows), compiler, _optimisation(optimise))
                found = measure(learner, *built, windows=windows, on_progress=counted)
            modelled = modelled_instructions(source.spec, found.counters, core)
            content.append(_measured(name, found, modelled, roles(source.spec)))
    if json:
        _print_json(content)
        return
    typer.echo(f"a sample on {core.name}, {_optimisation(optimise)}: instructions, loads and stores, mean of {windows}")
    _print_rows([_profile_row(measured) for measured in content])


def _measured(rule: str, found: Profile, modelled: float, role_of: dict[str, str]) -> dict[str, Any]:
    """Return everything that was measured of a rule, as numbers."""
    row: dict[str, Any] = {
        "rule": rule,
        "predict": found.predict,
        "learn": found.learn,
        "modelled": round(modelled, 1),
        "least": found.least,
        "most": found.most,
    }
    for way in ("load", "store"):
        row[f"weight_{way}s"] = found.accesses.get((way, "net.words"), 0.0)
        row[f"weight_{way}s_simulated"] = found.simulated[way, "net.words"]
        total = sum(n for (each, _), n in found.accesses.items() if each == way)
        row[f"other_{way}s"] = total - row[f"weight_{way}s"]
    return row | {"stack": found.stack, "accesses": _accesses_by_role(found, role_of)}


def _profile_row(measured: dict[str, Any]) -> dict[str, Any]:
    """Return what a table shows of it."""
    row = {"rule": measured["rule"]} | {name: round(measured[name]) for name in ("predict", "learn", "modelled")}
    for way in ("loads", "stores"):
        counted, simulated = measured[f"weight_{way}"], measured[f"weight_{way}_simulated"]
        row[f"weight {way} (simulated)"] = f"{counted:,.1f} ({simulated:,.1f})"
        row[f"other {way}"] = round(measured[f"other_{way}"])
    return row


def _accesses_by_role(found: Profile, role_of: dict[str, str]) -> dict[str, float]:
    """Return loads and stores by the role of the memory: weights, buffers, tables, stack, samples."""
    by_role: dict[str, float] = {}
    for (way, memory), n in found.accesses.items():
        key = f"{way} {role_of.get(memory, memory)}"
        by_role[key] = by_role.get(key, 0.0) + n
    return by_role


def _rules(text: str) -> list[str]:
    """Return rules from names divided by commas, or all."""
    from edgelearn.rules import RULES
    from edgelearn.rules.catalog import find_rule

    return list(RULES) if text == "all" else [find_rule(name.strip()).name for name in text.split(",")]


@app.command()
def emit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for sources, headers, README, Makefile.")],
    config: options.Config = None,
    data: options.Data = None,
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
    range_exponent: options.RangeExponent = None,
    event_threshold: options.EventThreshold = None,
    dead_zone: options.DeadZone = None,
    accumulator_bits: options.AccumulatorBits = None,
    update_gate: options.UpdateGate = None,
    margin: options.Margin = None,
    seed: options.Seed = None,
    run: Annotated[
        Optional[Path],
        flag("Start from words and rates of a finished `edgelearn run --out DIR`, with its settings.", "--run"),
    ] = None,
    overwrite: Annotated[bool, flag("Replace the files of an earlier one.", "--overwrite")] = False,
) -> None:
    """Write the network as a folder of C99 for your own project, with a self-test for your board."""
    flags = dict(locals())
    from edgelearn.network.learner import Learner
    from firmware_sim.build.emit import SELFTEST_SAMPLES
    from firmware_sim.build.emit import emit as write
    from firmware_sim.check.session import restore_run

    if run is not None:
        own = ("folder", "run", "overwrite")
        given = [key for key, value in flags.items() if value is not None and key not in own]
        if given:
            raise UserError(f"--run brings its own settings; leave out --{given[0].replace('_', '-')}")
        source, learner = restore_run(run)
    else:
        source = _samples(flags)
        learner = Learner(source.spec)
    written = write(learner, folder, *source.first(SELFTEST_SAMPLES), (source.low, source.high), overwrite)
    typer.echo(f"written: {len(written)} files in {folder}; read {folder}/README.md")
    typer.echo(f"try: make -C {folder} && {folder}/selftest")


@app.command()
def size(
    config: options.Config = None,
    data: options.Data = None,
    rule: _Rules = "all",
    net: options.Net = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    input_bits: options.InputBits = None,
    activation: options.Activation = None,
    output: options.Output = None,
    feedback: options.Feedback = None,
    target: _OneTarget = "cortex-m4",
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    json: options.AsJson = False,
) -> None:
    """Compile, and measure flash, RAM and stack by role, per rule."""
    flags = dict(locals())
    from edgelearn.network.learner import Learner
    from firmware_sim.check.measure import size as measure
    from firmware_sim.check.session import emulated_target, folder_for_builds

    core, names = emulated_target(target), _rules(rule)
    rows: list[dict[str, Any]] = []
    with _progress("compiling", len(names)) as show:
        for i, name in enumerate(names):
            show(name, i)
            source = _samples(flags, name)
            with folder_for_builds() as folder:
                built = (folder, core, *source.first(100), compiler, _optimisation(optimise))
                rows.append({"rule": name} | measure(Learner(source.spec), *built).as_row())
    if json:
        _print_json(rows)
        return
    typer.echo(f"bytes on {core.name}, {_optimisation(optimise)}")
    _print_columns(rows)


@app.command()
def budget(
    ram: Annotated[str, typer.Option(help="RAM for the learner and its stack, e.g. 16K.")],
    flash: Annotated[str, typer.Option(help="Flash for code and constants, e.g. 64K.")],
    config: options.Config = None,
    data: options.Data = None,
    rule: _Rules = "all",
    net: options.Net = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    input_bits: options.InputBits = None,
    activation: options.Activation = None,
    output: options.Output = None,
    feedback: options.Feedback = None,
    json: options.AsJson = False,
) -> None:
    """Say how wide hidden layers may be in a budget of RAM and flash, per rule. Compiles nothing."""
    flags = dict(locals())
    from edgelearn.units import size_bytes
    from firmware_sim.check.session import CODE_ALLOWANCE, STACK_ALLOWANCE, fits

    limits = _read("ram", ram, size_bytes), _read("flash", flash, size_bytes)
    rows = [{"rule": name} | fits(_samples(flags, name), *limits).as_row() for name in _rules(rule)]
    if json:
        _print_json(rows)
        return
    typer.echo(
        f"{limits[0]:,} bytes of RAM, {STACK_ALLOWANCE} of them for the stack, and {limits[1]:,} of flash, "
        f"{CODE_ALLOWANCE:,} of them for code"
    )
    _print_rows(rows)


@app.command()
def operate(
    config: options.Config = None,
    data: options.Data = None,
    rule: options.Rule = None,
    net: options.Net = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    input_bits: options.InputBits = None,
    activation: options.Activation = None,
    output: options.Output = None,
    feedback: options.Feedback = None,
    seed: options.Seed = None,
    target: _OneTarget = "cortex-m4",
    clock: Annotated[str, flag('Of the core ["80 MHz"].')] = "80 MHz",
    cycles_per_instruction: Annotated[float, flag("Mean [1.5].")] = 1.5,
    sample_rate: Annotated[str, flag('Samples that interrupt, a second ["50 Hz"].')] = "50 Hz",
    jitter: Annotated[str, flag('A sample comes up to this much late ["0 s"].')] = "0 s",
    samples: Annotated[int, flag("Samples that arrive [10000].")] = 10_000,
    queue: Annotated[int, flag("Samples that may wait in the ring buffer [1].")] = 1,
    deadline: Annotated[Optional[str], flag('A sample done later is late, e.g. "20 ms" [none].')] = None,
    save_every: Annotated[int, flag("Samples learned from checkpoint to checkpoint, 0 for none [1000].")] = 1000,
    erase: Annotated[str, flag('Time to erase a slot of flash ["25 ms"].')] = "25 ms",
    program: Annotated[str, flag('Time to program a slot beside its instructions ["10 ms"].')] = "10 ms",
    power_loss: Annotated[
        Optional[list[str]], flag('When, and for how long, e.g. "60 s:5 s"; again for more.', "--power-loss")
    ] = None,
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    json: options.AsJson = False,
) -> None:
    """Put a board in time: measured work, a sample interrupt, a ring buffer, checkpoints, losses of power."""
    flags = dict(locals())
    from dataclasses import asdict, replace

    from edgelearn.network.learner import Learner
    from edgelearn.units import quantity
    from firmware_sim.check.measure import WARM_UP, WINDOWS, save_instructions
    from firmware_sim.check.measure import profile as measure
    from firmware_sim.check.session import emulated_target, folder_for_builds
    from firmware_sim.emulate.board import Microcontroller
    from firmware_sim.emulate.board import operate as run

    def seconds(flag: str, text: str) -> float:
        return _read(flag, text, lambda text: quantity(text, "time", positive=False)) * 1e-9

    if samples < 1:
        raise UserError(f"--samples {samples} gives the board nothing to do; give 1 or more")
    losses = []
    for loss in power_loss or ():
        at, found, length = loss.partition(":")
        if not found:
            raise UserError(f'--power-loss {loss} cannot be read; write when and for how long, e.g. "60 s:5 s"')
        losses.append((seconds("power-loss", at), seconds("power-loss", length)))
    times: dict[str, Any] = {
        "clock_hz": _read("clock", clock, lambda text: quantity(text, "frequency")),
        "period_s": 1 / _read("sample-rate", sample_rate, lambda text: quantity(text, "rate")),
    }
    times |= {"jitter_s": seconds("jitter", jitter), "erase_s": seconds("erase", erase)}
    times |= {"program_s": seconds("program", program)}
    late_after = None if deadline is None else seconds("deadline", deadline)
    core, source = emulated_target(target), _samples(flags)
    idle = Microcontroller(
        cycles_per_instruction=cycles_per_instruction,
        predict=0,
        learn=0,
        queue=queue,
        deadline_s=late_after,
        save_every=save_every,
        **times,
    )
    with _progress("measuring", WINDOWS) as show, folder_for_builds() as folder:
        built = (folder, core, *source.first(WARM_UP + WINDOWS), compiler, _optimisation(optimise))
        work = measure(Learner(source.spec), *built, on_progress=lambda done: show("measuring", done))
        saving = save_instructions(Learner(source.spec), folder, core, compiler, _optimisation(optimise))
    board = replace(idle, predict=round(work.predict), learn=round(work.learn), save=saving)
    done = run(board, [True] * samples, losses=losses, seed=seed or 0)
    counts = {
        name: n for name, n in asdict(done).items() if name not in ("accepted", "kept", "busy_cycles", "powered_cycles")
    }
    content = counts | {"utilisation": round(done.utilisation, 6)}
    if json:
        instructions = {"predict": board.predict, "learn": board.learn, "save": board.save}
        _print_json({"instructions": instructions} | content)
        return
    typer.echo(
        f"{source.spec.rule.name} on {core.name} at {clock}, {cycles_per_instruction} cycles an instruction: "
        f"learning takes {board.learn:,} instructions, a checkpoint {board.save:,}"
    )
    for name, n in content.items():
        typer.echo(f"  {name:<12} {n:,}" if isinstance(n, int) else f"  {name:<12} {n:.1%}")
