"""`edgelearn personalise`."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

from edgelearn.cli.flags import OUTPUT, Flag, Given, Json, Plot, command
from edgelearn.cli.shared import print_json
from edgelearn.errors import UserError, unknown

if TYPE_CHECKING:
    from edgelearn.config import RunConfig
    from edgelearn.data.user_rows import UserRows
    from edgelearn.network.spec import NetworkSpec
    from edgelearn.runs.start import Start
    from edgelearn.studies.personalise import Personalised, Protocol, Rates, User

USERS, USER = "Users and data", "{user}"
SETTINGS = (
    "rule", "learn", "net", "bits", "residual_bits", "weight_bits", "rounding", "input_bits", "activation", "output",
    "feedback", "hidden_rate", "output_rate", "event_threshold", "dead_zone", "local_dead_zone", "accumulator_bits",
    "delta_bits", "update_gate", "margin", "seed", "strict", "label_column", "classes", "convert", "calibrate",
)  # fmt: skip
OF_THE_START = (
    "rule", "bits", "residual_bits", "rounding", "input_bits", "seed", "delta_bits", "learn",
)  # fmt: skip
OF_THE_NETWORK = (
    "event_threshold", "dead_zone", "local_dead_zone", "accumulator_bits", "update_gate", "margin",
)  # fmt: skip
MOST_SAMPLES, MOST_DRAWS = 1_000_000, 1000


@command(
    "RunConfig",
    only=SETTINGS,
    example="edgelearn personalise --start net.onnx --data x.npz --users user",
)
def personalise(
    given: Given,
    start: Annotated[
        Optional[str],
        Flag(
            "Trained model or results folder to start from; {user} stands for a user's name. Layer sizes, activation "
            "and output are its own; feedback is imported and input bits are 8, unless given.",
            USERS,
        ),
    ] = None,
    cut: Annotated[
        Optional[str], Flag("Tensor of the features [the earliest that dense layers follow].", USERS)
    ] = None,
    data: Annotated[
        Optional[str], Flag("Features and labels, .npz (x, y) or a text table; {user} as in --start.", USERS)
    ] = None,
    users: Annotated[Optional[str], Flag("Array or column with the user of each row.", USERS)] = None,
    old: Annotated[Optional[str], Flag("Data that must not be forgotten, as --data [none].", USERS)] = None,
    classes_from: Annotated[
        str, Flag("Classes: start, those of the model, or data, with outputs for new ones.", USERS)
    ] = "start",
    samples: Annotated[str, Flag("Labelled samples after which users are tested.", USERS)] = "12,24,60,120",
    draws: Annotated[int, Flag("Repetitions per user with other samples, 1 to 1,000.", USERS)] = 5,
    order: Annotated[str, Flag("Order of samples: {edgelearn.studies.personalise:ORDERS}.", USERS)] = "rounds",
    float_rates: Annotated[
        Optional[str],
        Flag("Rates of float SGD, exponents of two, or none [three around the output rate].", USERS),
    ] = None,
    processor: Annotated[
        str, Flag("Processor to price on, by name or .toml file.", "Processor and real time")
    ] = "cortex-m4",
    out: Annotated[Optional[Path], Flag("File for the results, .json.", OUTPUT)] = None,
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Learn a pretrained network's last layers for each of several users: before, after N samples, and forgetting.

    Without --rule and --learn the output layer learns. Without rates each user has those that are best for the other
    users; a single user needs --output-rate. Float SGD with the best of its rates learns the same samples in
    the same order. Accuracy is of the rows of the user that were not learned; ± is half a 95 % interval over users.
    """
    if start is None or data is None:
        missing, example = ("--start", "model.onnx") if start is None else ("--data", "features.npz")
        raise UserError(f"{missing} is missing; give {missing} {example}")
    for path in (out, plot):
        if path is not None and not path.parent.is_dir():
            raise UserError(f"cannot write {path}: there is no folder {path.parent}; give a folder that can be written")
    if plot is not None:
        from edgelearn.reports.plots.figure import check_plot

        check_plot(plot)
    if out is not None and out.suffix.lower() != ".json":
        raise UserError(f"results file {out} must end in .json")
    config = _config(given)
    protocol = _protocol(samples, draws, order, config.seed)
    people = _users(config, given, start, cut, data, users, old, classes_from)
    result = _learned(people, config, given, protocol, _rates(float_rates), processor)
    content = _content(result, start)
    if out is not None:
        from edgelearn.files import write_text

        write_text(out, json_module.dumps(content, indent=1) + "\n")
    if plot is not None:
        from edgelearn.reports.plots.personalise import plot_personalise

        plot_personalise(content, plot)
    if json:
        print_json(content)
        return
    from edgelearn.reports.console import make_console, next_steps, written
    from edgelearn.reports.personalise import print_personalise

    console = make_console()
    print_personalise(console, content)
    written(console, out, plot)
    next_steps(console, "--update-gate margin", "--learn bias", "--rule dfa", "--plot users.svg", details=True)


def _config(given: Given) -> RunConfig:
    """Return validated settings; the output layer alone learns where nothing else is said."""
    from edgelearn.config import check_effect, make_config
    from edgelearn.runs.start_settings import check_calibrate

    settings = dict(given)
    if "rule" not in settings and "learn" not in settings:
        settings["learn"] = "last"
    settings.setdefault("feedback", "imported")
    settings.setdefault("input_bits", 8)
    config = make_config(settings)
    check_calibrate(config)
    check_effect(config, given, {})
    return config


def _protocol(samples: str, draws: int, order: str, seed: int) -> Protocol:
    from edgelearn.studies.personalise import ORDERS, Protocol

    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    if not 1 <= draws <= MOST_DRAWS:
        raise UserError(f"--draws {draws} is not allowed; give 1 to {MOST_DRAWS:,}")
    numbers = _whole("--samples", samples, 1, MOST_SAMPLES)
    if numbers != sorted(set(numbers)):
        raise UserError(f"--samples {samples} must ascend; give for example 12,24,60,120")
    return Protocol(tuple(numbers), 1 if order == "file" else draws, order, seed)


def _rates(text: str | None) -> list[int] | None:
    if text is None:
        return None
    from edgelearn.studies.personalise import LOWEST_RATE

    return [] if text == "none" else sorted(set(_whole("--float-rates", text, LOWEST_RATE, 0)))


def _whole(flag: str, text: str, lowest: int, highest: int) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(lowest <= number <= highest for number in numbers):
        raise UserError(
            f"{flag} {text} cannot be read; give whole numbers from {lowest:,} to {highest:,}, separated by commas"
        )
    return numbers


def _users(
    config: RunConfig,
    given: Given,
    start: str,
    cut: str | None,
    data: str,
    column: str | None,
    old: str | None,
    classes_from: str,
) -> list[User]:
    """Open the data and the network of each user."""
    from edgelearn.data.user_rows import read_user_rows
    from edgelearn.runs.classes import CLASSES_FROM
    from edgelearn.studies.personalise import by_user, make_user, of_classes, starts_of

    if classes_from not in CLASSES_FROM:
        raise unknown("source of classes", classes_from, CLASSES_FROM)
    if column is None and USER not in data:
        raise UserError(f"--users is missing: {data} holds rows of users; name the array or column that says whose")
    names = _names(start) if USER in start else _names(data) if USER in data else None

    labels: set[str] = set()

    @cache
    def read(path: str, users: str | None) -> UserRows:
        found = read_user_rows(Path(path), users, config.label_column)
        labels.update(found.labels)
        return found if config.classes is None else of_classes(found, config.classes)

    rows = {}
    if names is None or USER not in data:
        found = by_user(read(data, column))
        rows = found if names is None else {name: found[name] for name in names if name in found}
        if not rows:
            raise UserError(f"{data} has no rows of {', '.join(names or ())}; its users: {', '.join(sorted(found))}")
    else:
        for name in names:
            whole = read(data.replace(USER, name), column)
            rows[name] = whole if column is None else by_user(whole).get(name, whole)
    former = {name: None if old is None else read(old.replace(USER, name), None) for name in rows}
    empty = next((name for name, mine in former.items() if mine is not None and not len(mine.x)), None)
    if empty is not None and old is not None:
        raise UserError(f"{old.replace(USER, empty)} has no rows of these classes; leave --old out, or name others")
    for name in config.classes or ():
        if name not in labels:
            raise unknown("class", name, sorted(labels))
    settings = {name: getattr(config, name) for name in OF_THE_START}
    settings |= {name: given[name] for name in ("activation", "output") if name in given}
    starts = starts_of(
        list(rows),
        lambda name: start.replace(USER, name),
        lambda name: former[name] or rows[name],
        classes=_classes(rows.values(), former.values()),
        cut=cut,
        net=config.net,
        feedback=config.feedback,
        grow=classes_from == "data",
        calibrate=config.calibrate if config.convert else None,
        **settings,
    )
    return [make_user(name, starts[name], mine, former[name]) for name, mine in rows.items()]


def _classes(*groups: Any) -> list[str]:
    """Return the classes of all rows in sorted order, numbers by value."""
    labels = {label for group in groups for rows in group if rows is not None for label in rows.labels}
    numeric = all(label.lstrip("-").isdecimal() for label in labels)
    return sorted(labels, key=(lambda label: (int(label), label)) if numeric else str)


def _names(pattern: str) -> list[str]:
    """Return the users whose files a pattern stands for."""
    path = Path(pattern)
    if USER not in path.name or pattern.count(USER) > 1:
        raise UserError(f"{pattern} cannot be read; write {USER} once, in the name of the file")
    before, after = path.name.split(USER)
    found = sorted(path.parent.glob(f"{before}*{after}")) if path.parent.is_dir() else []
    names = [one.name[len(before) : len(one.name) - len(after)] for one in found]
    if not names:
        raise UserError(f"there is no file {pattern}; check the path")
    return names


def _learned(
    people: Sequence[User],
    config: RunConfig,
    given: Given,
    protocol: Protocol,
    rates: list[int] | None,
    processor: str,
) -> Personalised:
    from edgelearn.reports.console import progress
    from edgelearn.studies.personalise import check, tuned
    from edgelearn.studies.personalise import personalise as run
    from hw_models.processor import find_processor

    settings = {name: getattr(config, name) for name in OF_THE_NETWORK}
    found = find_processor(processor)
    check(protocol, {one.name: len(one.y) for one in people})
    _check_hidden(people[0].start.design(**settings), given)

    def design(start: Start, own: Rates) -> NetworkSpec:
        return start.design(**settings, hidden_rate=own[0], output_rate=own[1])

    with progress("{task.fields[text]}") as bar:
        task = bar.add_task("learning", total=None, text="")

        def tick(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, text=what)

        own = dict.fromkeys((one.name for one in people), (config.hidden_rate, config.output_rate))
        is_tuned = config.hidden_rate is None and config.output_rate is None and len(people) > 1
        if is_tuned:
            own = tuned(people, design, protocol.samples[-1], config.seed, protocol.order, tick)
        result = run(people, lambda one: design(one.start, own[one.name]), protocol, found, rates, config.strict, tick)
    return replace(result, notes=(*result.notes, *_notes_on_rates(result, is_tuned, config)))


def _notes_on_rates(result: Personalised, is_tuned: bool, config: RunConfig) -> Iterator[str]:
    """Say where rates come from, and where those of float SGD end before its accuracy does."""
    if is_tuned:
        yield f"rates of each user are the best for the others after {result.protocol.samples[-1]} samples"
    elif config.hidden_rate is None and config.output_rate is None:
        larger = min(0, result.spec.layers[-1].rate + 3)
        yield (
            "one user has no others to choose rates on, so these are the ones that runs begin with; where little is "
            f"learned, give a larger --output-rate, e.g. {larger}"
        )
    edges = result.float_edges()
    if edges:
        rates = ",".join(map(str, sorted([*result.floats, *edges])))
        yield f"float SGD is best at an edge of its rates where marked *; --float-rates={rates} goes on"


def _check_hidden(spec: NetworkSpec, given: Given) -> None:
    """Refuse settings of hidden layers where none of them learns."""
    if any(layer.learns for layer in spec.layers[:-1]):
        return
    for name in ("rule", "hidden_rate", "feedback"):
        if name in given:
            raise UserError(
                f"--{name.replace('_', '-')} has no effect, as no hidden layer learns; leave it out or give --learn all"
            )


def _content(result: Personalised, source: str) -> dict[str, Any]:
    from edgelearn.studies.personalise import as_dict

    memory = None
    if result.processor.kind == "microcontroller":
        from firmware_sim.build.estimate import constant_fields, ram_bytes
        from firmware_sim.build.features import memory_of

        front = memory_of(getattr(result.start.front_end, "stack", None))
        flash = sum(field.bytes for field in constant_fields(result.spec))
        memory = {"ram": ram_bytes(result.spec) + front["ram"], "flash": flash + front["flash"]}
    return as_dict(result, source, memory)
