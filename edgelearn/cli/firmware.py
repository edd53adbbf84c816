"""The commands `edgelearn firmware ...`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import typer

from edgelearn.cli.flags import OUTPUT, Config, Details, Flag, Given, Json, command, group
from edgelearn.cli.shared import print_json, rules_listed, typed_flags
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from firmware_sim.build.targets import Target
    from firmware_sim.check.anomaly_stream import WatchVerification
    from firmware_sim.check.front import FrontVerification
    from firmware_sim.check.measure import Profile
    from firmware_sim.check.session import Samples
    from firmware_sim.check.stream import StreamVerification

BUILD, BOARD = "Build", "Board"
COLUMNS = (
    "features", "ignore", "label_column", "label_from", "labels", "time_column", "time_format", "time_unit",
    "subject_column", "missing", "encoding", "decimal",
)  # fmt: skip
NETWORK = (
    "data", *COLUMNS, "net", "input_shape", "learn", "kernels", "kernel_bias", "feedback_kind", "teach",
    "bits", "residual_bits", "weight_bits", "rounding", "input_bits", "activation", "output", "feedback",
)  # fmt: skip
RATES = ("rule", "kernel_rate", "hidden_rate", "output_rate")
DETAILS = (
    "range_exponent",
    "event_threshold",
    "hidden_inference",
    "dead_zone",
    "local_dead_zone",
    "accumulator_bits",
    "delta_bits",
    "update_gate",
    "margin",
    "seed",
)

_Number = TypeVar("_Number", int, float)
_Target = Annotated[str, Flag("Targets by commas: {firmware_sim.build.targets:TARGETS}, or all.", BUILD)]
_Rules = Annotated[str, Flag("Learning rules, separated by commas, or all; dfa+drtp is one network.", "Learning")]
_OneTarget = Annotated[str, Flag("Target: {firmware_sim.build.targets:EMULATED}.", BUILD)]
_Compiler = Annotated[
    str,
    Flag("Compiler: {firmware_sim.build.toolchain:COMPILERS}; gcc takes the installed cross compilers.", BUILD),
]  # fmt: skip
_Optimise = Annotated[str, Flag("Optimisation: {firmware_sim.build.image:OPTIMISATIONS}.", BUILD)]


def network_samples(
    given: Given, config: Path | None = None, rule: str | None = None, of_shapes: bool = False
) -> Samples:
    """Return the network and the samples that settings describe.

    Parameters
    ----------
    of_shapes : whether layer sizes without data, which do not fit the default data, get samples drawn at random
    """
    from edgelearn.config import RunConfig, as_fields, check_effect, make_config, read_toml
    from edgelearn.runs.shapes import check_kernels
    from firmware_sim.check.session import samples_of, shape_samples

    written = {} if config is None else as_fields((RunConfig,), read_toml(config))
    resolved = make_config(written | given | ({} if rule is None else {"rule": rule}))
    if rule is None:  # of several rules, some may read what others do not
        check_effect(resolved, given, written)
        check_kernels(resolved, given)
    if of_shapes and resolved.net is not None and "data" not in (given | written):
        try:
            return samples_of(resolved)
        except UserError:  # the default data has other sizes
            return shape_samples(resolved)
    return samples_of(resolved)


def _optimisation(text: str) -> str:
    return f"-{text.lstrip('-')}"


@contextmanager
def _progress(text: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """Show a bar on a terminal; the function it gives takes a description and the units done."""
    from edgelearn.reports.console import progress

    with progress() as bar:
        task = bar.add_task(text, total=total)
        yield lambda text, done: bar.update(task, description=text, completed=done)


def _print_rows(head: str, rows: list[dict[str, Any]], *steps: str, details: bool = True) -> None:
    """Print a sentence, a table and what may come next."""
    from edgelearn.reports.console import make_console, next_steps, print_table, say

    console = make_console()
    say(console, head)
    print_table(console, rows)
    if steps:
        next_steps(console, *steps, details=details)


def _same(command: str, given: Given, rule: str, config: Path | None, *without: str) -> str:
    """Return a command of the same network: all rules where it takes several, else the first one."""
    from edgelearn.config import RunConfig

    kept = {key: value for key, value in given.items() if key not in without}
    words = typed_flags(kept, RunConfig)
    words += [] if config is None else ["--config", str(config)]
    if rule != "all":
        words += ["--rule", rule if command == "size" else rule.split(",")[0].strip()]
    return " ".join(["edgelearn firmware", command, *map(shlex.quote, words)])


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


def _turned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of many numbers turned: a row per number, a column per rule."""
    first, *names = rows[0]
    return [{"": name} | {row[first]: row[name] for row in rows} for name in names]


@command(
    "RunConfig", only=(*RATES, *NETWORK, *DETAILS), example="edgelearn firmware verify --rule drtp --target cortex-m4"
)
def verify(
    given: Given,
    config: Config = None,
    run: Annotated[
        Optional[Path],
        Flag("Finished `edgelearn stream --out DIR`: replay its recording, on the host all of it.", OUTPUT),
    ] = None,
    target: _Target = "all",
    samples: Annotated[int, Flag("Samples to learn, 1 or more.", OUTPUT)] = 2000,
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    json: Json = False,
) -> None:
    """Compare compiled firmware with the simulator, prediction by prediction and word by word.

    Learns samples of the data, then a stream that drives the weights into saturation; or, with --run, replays the
    recording of a stream through its front end, row by row. Exit code: 0 equal, 1 different
    (the first update that differs is printed), 2 cannot be run.
    """
    from firmware_sim.build.headers import learned_word, taught_by
    from firmware_sim.check.session import STRESS_SAMPLES, chosen_targets, verify_on

    if samples < 1:
        raise UserError(f"--samples {samples} learns nothing; give 1 or more")
    targets = chosen_targets(target)
    if run is not None:
        _check_alone(given, config)
        _verify_stream(run, targets, samples, compiler, _optimisation(optimise), json)
        return
    source = network_samples(given, config)
    verified = []
    with _progress("compiling", len(targets) * (samples + STRESS_SAMPLES)) as show:
        for i, each in enumerate(targets):

            def compared(done: int, name: str = each.name, before: int = i * (samples + STRESS_SAMPLES)) -> None:
                show(name, before + done)

            verified.append(verify_on(source, each, samples, compiler, _optimisation(optimise), compared))
    if json:
        from dataclasses import asdict

        rows = [asdict(one) | {"equal": one.equal} for one in verified]
        print_json([{key: part for key, part in row.items() if part is not None} for row in rows])
    else:
        spec = source.spec
        word = learned_word(spec)
        _print_rows(
            f"{taught_by(spec)} on {source.config.data}, {spec.net}, {word.bits}-bit view and "
            f"{word.residual_bits} residual bits, {spec.rounding} rounding",
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
                | ({} if one.front is None else {"front end": _verdict(one.front)})
                for one in verified
            ],
        )
        for one in verified:
            for name, part in (("data", one.data), ("stress stream", one.stress), ("front end", one.front)):
                if part is not None and part.difference is not None:
                    typer.echo(f"{one.target}, {name}: {part.difference}")
    if not all(one.equal for one in verified):
        raise typer.Exit(1)


def _check_alone(given: Given, config: Path | None) -> None:
    """Refuse settings beside --run."""
    typed = [*(["config"] if config is not None else []), *given]
    if typed:
        raise UserError(f"--run brings its own settings; leave out --{typed[0].replace('_', '-')}")


def _verify_stream(
    run: Path, targets: list[Target], samples: int, compiler: str, optimisation: str, json: bool
) -> None:
    """Compare a finished stream with its firmware, row by row."""
    from firmware_sim.check.stream_run import is_stream, verify_run
    from firmware_sim.check.watch_run import is_watch

    if is_watch(run):
        _verify_watch(run, targets, samples, compiler, optimisation, json)
        return
    if not is_stream(run):
        raise UserError(
            f"{run} is no stream of classes and no detector; give an --out folder of edgelearn stream, or settings"
        )
    with _progress("compiling", samples) as show:
        found, accuracy = verify_run(
            run, targets, samples, compiler, optimisation, lambda name, done: show(name, min(done, samples))
        )
    reported = "no labels" if accuracy is None else f"accuracy {100 * accuracy:.2f} % in its report"
    shares = ["-" if one.accuracy is None else f"{100 * one.accuracy:.2f} %" for one in found]
    own = [{"accuracy of these rows": share} for share in shares]
    _tell_rows(run, {"accuracy": accuracy}, reported, found, own, json)


def _verify_watch(run: Path, targets: list[Target], samples: int, compiler: str, optimisation: str, json: bool) -> None:
    """Compare a finished anomaly detector with its firmware, row by row."""
    from firmware_sim.check.watch_run import verify_watch_run

    with _progress("compiling", samples) as show:
        found, f1 = verify_watch_run(
            run, targets, samples, compiler, optimisation, lambda name, done: show(name, min(done, samples))
        )
    reported = "no labelled anomalies" if f1 is None else f"F1 {f1:.3f} in its report"
    scores = ["-" if one.f1 is None else f"{one.f1:.3f}" for one in found]
    own = [{"alarms": one.alarms, "F1 of these rows": score} for one, score in zip(found, scores, strict=True)]
    _tell_rows(run, {"f1": f1}, reported, found, own, json)


def _tell_rows(
    run: Path,
    measure: dict[str, float | None],
    reported: str,
    found: Sequence[StreamVerification | WatchVerification],
    own: list[dict[str, Any]],
    json: bool,
) -> None:
    """Print the comparison of a stream per target, `own` being further columns; exit code 1 where one differs."""
    from dataclasses import asdict

    if json:
        print_json(measure | {"targets": [asdict(one) | {"equal": one.equal} for one in found]})
    else:
        rows = [
            {
                "target": one.target,
                "compiler": f"{one.compiler} {one.optimisation}",
                "samples": one.samples,
                "rows": one.rows,
                "learned": one.learned,
                "row by row": "equal" if one.equal else "DIFFERENT",
            }
            | more
            for one, more in zip(found, own, strict=True)
        ]
        _print_rows(f"{run}: {reported}", rows)
        for one in found:
            if one.difference is not None:
                typer.echo(f"{one.target}: {one.difference}")
    if not all(one.equal for one in found):
        raise typer.Exit(1)


def _verdict(front: FrontVerification) -> str:
    return f"{front.samples} samples, {'equal' if front.difference is None else 'DIFFERENT'}"


@command("RunConfig", only=(*NETWORK, "seed"), example="edgelearn firmware profile --rule drtp,bp --target cortex-m4")
def profile(
    given: Given,
    config: Config = None,
    rule: _Rules = "all",
    target: _OneTarget = "cortex-m4",
    windows: Annotated[int, Flag("Samples to count, after 300 that are learned first.", OUTPUT)] = 20,
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    details: Details = False,
    json: Json = False,
) -> None:
    """Count instructions, loads and stores per sample on an emulated core, per rule."""
    from firmware_sim.check.measure import WARM_UP, modelled_instructions, roles
    from firmware_sim.check.measure import profile as measure
    from firmware_sim.check.session import emulated_target, folder_for_builds

    if windows < 1:
        raise UserError(f"--windows {windows} counts nothing; give 1 or more")
    core, names = emulated_target(target), rules_listed(rule)
    content: list[dict[str, Any]] = []
    with _progress("compiling", len(names) * windows) as show:
        for i, name in enumerate(names):
            source = network_samples(given, config, name, of_shapes=True)
            learner = source.learner()

            def counted(done: int, name: str = name, before: int = i * windows) -> None:
                show(name, before + done)

            with folder_for_builds() as folder:
                built = (folder, core, *source.first(WARM_UP + windows), compiler, _optimisation(optimise))
                found = measure(learner, *built, windows=windows, on_progress=counted)
            modelled = modelled_instructions(source.spec, found.counters, core)
            content.append(_measured(name, found, modelled, roles(source.spec)))
    if json:
        print_json(content)
        return
    head = f"per sample on {core.name}, {_optimisation(optimise)}: instructions, loads and stores, mean of {windows}"
    steps = [_same("size", given, rule, config, "seed"), _same("operate", given, rule, config)]
    _print_rows(head, [_profile_row(measured, details) for measured in content], *steps, details=details)


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


def _profile_row(measured: dict[str, Any], details: bool) -> dict[str, Any]:
    """Return what a table shows of it; all loads and stores, and those of the simulator, in the full one."""
    row = {"rule": measured["rule"]} | {name: round(measured[name]) for name in ("predict", "learn", "modelled")}
    for way in ("loads", "stores"):
        counted, simulated = measured[f"weight_{way}"], measured[f"weight_{way}_simulated"]
        if details:
            row[f"weight {way} (simulated)"] = f"{counted:,.1f} ({simulated:,.1f})"
            row[f"other {way}"] = round(measured[f"other_{way}"])
        else:
            row[f"weight {way}"] = round(counted)
    return row


def _accesses_by_role(found: Profile, role_of: dict[str, str]) -> dict[str, float]:
    """Return loads and stores by the role of the memory: weights, buffers, tables, stack, samples."""
    by_role: dict[str, float] = {}
    for (way, memory), n in found.accesses.items():
        key = f"{way} {role_of.get(memory, memory)}"
        by_role[key] = by_role.get(key, 0.0) + n
    return by_role


@command(
    "RunConfig", only=(*RATES, *NETWORK, *DETAILS), example="edgelearn firmware emit board --rule drtp --net 64-64-10"
)
def emit(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="New folder for sources, headers, README and Makefile.")
    ],
    given: Given,
    config: Config = None,
    run: Annotated[
        Optional[Path],
        Flag("Finished `edgelearn run` or `stream --out DIR` to take settings, weights and rates from.", OUTPUT),
    ] = None,
    selftest: Annotated[
        Optional[str], Flag("File of samples for the self-test, like the data of --run [data of the run].", OUTPUT)
    ] = None,
    overwrite: Annotated[bool, Flag("Replace the files in DIR.", OUTPUT)] = False,
    prefix: Annotated[str, Flag("Beginning of names and files, for several networks in one firmware.", OUTPUT)] = "el",
    layout: Annotated[str, Flag("Build system: {firmware_sim.build.layouts:LAYOUTS}.", OUTPUT)] = "make",
) -> None:
    """Write the network as C99 sources with a self-test for your board."""
    from firmware_sim.build.features import Features
    from firmware_sim.build.layouts import TRIES
    from firmware_sim.check.session import emit_network, restore_run
    from firmware_sim.check.stream_run import is_stream
    from firmware_sim.check.watch_run import is_watch

    if run is not None:
        _check_alone(given, config)
        if is_stream(run) or is_watch(run):
            _emit_stream(run, folder, selftest, overwrite, prefix, layout)
            return
        source, learner = restore_run(run, selftest)
    elif selftest is not None:
        raise UserError("--selftest takes the place of the data of a run; give --run, or --data alone")
    else:
        source = network_samples(given, config)
        learner = source.learner()
    written, tensor = emit_network(source, learner, folder, overwrite, prefix, layout)
    typer.echo(f"written: {len(written)} files in {folder}; read {folder}/README.md")
    typer.echo(str(source.columns))
    for note in source.notes:
        typer.echo(f"note: {note}")
    if isinstance(tensor, Features):
        typer.echo(f"levels: from inputs of the model, by {prefix}_features of include/{prefix}_features.h")
    elif tensor is not None:
        typer.echo(f"levels: from the tensor '{tensor.name}', by {prefix}_levels of include/{prefix}_levels.h")
    typer.echo(f"try: {TRIES[layout].format(folder=folder)}")


def _emit_stream(run: Path, folder: Path, selftest: str | None, overwrite: bool, prefix: str, layout: str) -> None:
    """Write the C sources of a finished stream."""
    from firmware_sim.build.layouts import TRIES
    from firmware_sim.check.stream_run import emit_run
    from firmware_sim.check.watch_run import emit_watch_run, is_watch

    if selftest is not None:
        raise UserError("the self-test of a stream is of its own recording; leave --selftest out")
    write = emit_watch_run if is_watch(run) else emit_run
    written, recording = write(run, folder, overwrite, prefix, layout)
    typer.echo(f"written: {len(written)} files in {folder}; read {folder}/README.md")
    typer.echo(f"channels: {', '.join(recording.channels)}; what their numbers count: {folder}/channels.csv")
    typer.echo(f"try: {TRIES[layout].format(folder=folder)}")
    typer.echo(f"next: edgelearn firmware verify --run {shlex.quote(str(run))}")


@command("RunConfig", only=NETWORK, example="edgelearn firmware size --rule drtp --target cortex-m4")
def size(
    given: Given,
    config: Config = None,
    run: Annotated[
        Optional[Path], Flag("Finished `edgelearn stream --out DIR`: with its front end, and instructions.", OUTPUT)
    ] = None,
    rule: _Rules = "all",
    target: _OneTarget = "cortex-m4",
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    json: Json = False,
) -> None:
    """Compile the network and measure flash, RAM and stack by role, per rule; or the network of a finished stream."""
    if run is not None:
        _check_alone(given | ({} if rule == "all" else {"rule": rule}), config)
        _size_stream(run, target, compiler, _optimisation(optimise), json)
        return
    from firmware_sim.build.features import Features
    from firmware_sim.check.front import compile_front, size_of_front
    from firmware_sim.check.measure import size as measure
    from firmware_sim.check.session import emulated_target, folder_for_builds

    core, names = emulated_target(target), rules_listed(rule)
    rows: list[dict[str, Any]] = []
    with _progress("compiling", len(names)) as show:
        for i, name in enumerate(names):
            show(name, i)
            source = network_samples(given, config, name, of_shapes=True)
            with folder_for_builds() as folder:
                built = (folder, core, *source.first(100), compiler, _optimisation(optimise))
                row = {"rule": name} | measure(source.learner(), *built).as_row()
            front = source.first_values(1)
            if isinstance(front, Features):
                with folder_for_builds() as folder:
                    of_front = (source.learner(), front, folder, core, compiler, _optimisation(optimise))
                    row |= size_of_front(compile_front(*of_front), front).as_row()
            rows.append(row)
    if json:
        print_json(rows)
        return
    head, step = f"bytes on {core.name}, {_optimisation(optimise)}", _same("emit DIR", given, rule, config)
    _print_rows(head, _turned(rows), step)


def _size_stream(run: Path, target: str, compiler: str, optimisation: str, json: bool) -> None:
    """Measure a finished stream."""
    from firmware_sim.check.session import emulated_target
    from firmware_sim.check.stream_run import is_stream, size_of_run

    core = emulated_target(target)
    if not is_stream(run):
        raise UserError(
            f"size --run takes a stream of classes, and {run} is none; RAM and constants of other results stand in the "
            f"README of edgelearn firmware emit DIR --run {run}"
        )
    row = size_of_run(run, core, compiler, optimisation).as_row()
    if json:
        print_json(row)
        return
    step = f"edgelearn firmware emit DIR --run {shlex.quote(str(run))}"
    _print_rows(
        f"{run} on {core.name}, {optimisation}",
        [{"": name, "bytes or instructions": n} for name, n in row.items()],
        step,
    )


@command("RunConfig", only=NETWORK, example="edgelearn firmware budget --ram 16K --flash 64K")
def budget(
    given: Given,
    ram: Annotated[str, Flag("RAM of the learner and its stack, e.g. 16K.", BOARD)],
    flash: Annotated[str, Flag("Flash of code and constants, e.g. 64K.", BOARD)],
    config: Config = None,
    rule: _Rules = "all",
    json: Json = False,
) -> None:
    """Find the widest hidden layers that fit RAM and flash, per rule, without compiling."""
    from edgelearn.units import size_bytes
    from firmware_sim.check.session import allowances, fits

    limits = _read("ram", ram, size_bytes), _read("flash", flash, size_bytes)
    sources = ((name, network_samples(given, config, name, of_shapes=True)) for name in rules_listed(rule))
    found = [(source, {"rule": name} | fits(source, *limits).as_row()) for name, source in sources]
    rows = [row for _, row in found]
    if json:
        print_json(rows)
        return
    first = found[0][0]
    stack, code = allowances(first.spec)
    rows = [{key: value for key, value in row.items() if key not in ("given RAM", "given flash")} for row in rows]
    whose = first.notes[0] if any("without --data" in note for note in first.notes) else f"data {first.config.data}"
    head = (
        f"given {first.spec.net}, {whose}; {limits[0]:,} bytes of RAM, {stack} of them for the stack, and "
        f"{limits[1]:,} of flash, {code:,} of them for code"
    )
    data = {} if "--data" not in whose else {"data": "OWN.csv"}  # a board needs the ranges of its inputs
    steps = (
        _same("size", given | {"net": "NET"}, rule, config),
        _same("emit DIR", given | {"net": "NET"} | data, rule, config),
    )
    _print_rows(head, rows, *steps)


@command(
    "RunConfig",
    only=("rule", *NETWORK, "seed"),
    example='edgelearn firmware operate --sample-rate "50 Hz" --clock "80 MHz"',
)
def operate(
    given: Given,
    config: Config = None,
    target: _OneTarget = "cortex-m4",
    clock: Annotated[str, Flag("Core clock.", BOARD)] = "80 MHz",
    cycles_per_instruction: Annotated[float, Flag("Mean cycles per instruction.", BOARD)] = 1.5,
    sample_rate: Annotated[str, Flag("Sample rate of the interrupt.", BOARD)] = "50 Hz",
    jitter: Annotated[str, Flag("Maximum jitter of the interrupt.", BOARD)] = "0 s",
    samples: Annotated[int, Flag("Number of samples, 1 or more.", BOARD)] = 10_000,
    queue: Annotated[int, Flag("Length of the ring buffer in samples.", BOARD)] = 1,
    deadline: Annotated[Optional[str], Flag('Deadline per sample, e.g. "20 ms" [none].', BOARD)] = None,
    save_every: Annotated[int, Flag("Samples between checkpoints, 0 for none.", BOARD)] = 1000,
    erase: Annotated[str, Flag("Erase time of a flash slot.", BOARD)] = "25 ms",
    program: Annotated[str, Flag("Program time of a flash slot, besides its instructions.", BOARD)] = "10 ms",
    power_loss: Annotated[
        Optional[list[str]],
        Flag('Power loss, start and duration, e.g. "60 s:5 s"; repeatable.', BOARD),
    ] = None,
    compiler: _Compiler = "zig",
    optimise: _Optimise = "Os",
    json: Json = False,
) -> None:
    """Simulate a board in real time: sample interrupt, ring buffer, checkpoints, power losses."""
    from dataclasses import asdict, replace

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
    core, source = emulated_target(target), network_samples(given, config)
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
        work = measure(source.learner(), *built, on_progress=lambda done: show("measuring", done))
        saving = save_instructions(source.learner(), folder, core, compiler, _optimisation(optimise))
    board = replace(idle, predict=round(work.predict), learn=round(work.learn), save=saving)
    done = run(board, [True] * samples, losses=losses, seed=given.get("seed", 0))
    counts = {
        name: n for name, n in asdict(done).items() if name not in ("accepted", "kept", "busy_cycles", "powered_cycles")
    }
    content = counts | {"utilisation": round(done.utilisation, 6)}
    if json:
        instructions = {"predict": board.predict, "learn": board.learn, "save": board.save}
        print_json({"instructions": instructions} | content)
        return
    head = (
        f"{source.spec.rule_name} on {core.name} at {clock}, {cycles_per_instruction} cycles per instruction: "
        f"{board.learn:,} instructions to learn, {board.save:,} to save a checkpoint"
    )
    shown = {name: n if isinstance(n, int) else f"{100 * n:.1f} %" for name, n in content.items()}
    _print_rows(head, [{f"of {samples:,} samples": name, "": n} for name, n in shown.items()])


commands = group(
    "Generate C99 firmware of a network, verify it against the simulator and measure it.",
    {
        "Build": {"emit": emit, "budget": budget},
        "Check": {"verify": verify},
        "Measure": {"size": size, "profile": profile, "operate": operate},
    },
)
