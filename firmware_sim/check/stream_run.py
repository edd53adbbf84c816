"""Finished runs of `edgelearn stream` as firmware: their C sources, and their comparison on targets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT
from edgelearn.runs.checkpoint import WEIGHTS
from edgelearn.runs.session import StreamSession
from edgelearn.runs.stored import part, parts_of, read_run
from edgelearn.runs.stream import open_config_source
from edgelearn.streaming.front_end import FrontEnd
from firmware_sim.build.emit_stream import SELFTEST_NUMBERS, Recording, emit_stream
from firmware_sim.build.front_end import StreamFront
from firmware_sim.build.image import PREFIX
from firmware_sim.build.targets import Target
from firmware_sim.build.toolchain import find_compiler, missing_emulator
from firmware_sim.build.units import NO_VALUE, numbers_of
from firmware_sim.check.session import folder_for_builds
from firmware_sim.check.stream import Rehearsal, StreamVerification, units_of_source, verify_stream
from firmware_sim.check.stream_size import StreamSize, size_of_stream

REPORT = "report.json"


def is_stream(folder: Path) -> bool:
    """Return whether a folder holds a finished stream of classes."""
    if not (folder / WEIGHTS).is_file():
        return False
    note = read_run(folder, any_task=True)[1]
    return bool(note["kind"] == "stream" and note["config"].get("task", "classify") == "classify")


def config_of(folder: Path) -> tuple[StreamConfig, dict[str, np.ndarray], dict[str, Any]]:
    """Return settings, arrays and note of a stream.

    Raises
    ------
    UserError
        "... follows contract ...", "... was live input ..."
    """
    arrays, note = read_run(folder, any_task=True)
    if note.get("contract") != CONTRACT:
        raise UserError(f"{folder / WEIGHTS} follows contract {note.get('contract')}, not {CONTRACT}; run it again")
    config = validated(StreamConfig, note["config"])
    if config.data == "-":
        raise UserError(
            f"{folder} was learned from live input, which cannot be read again; record it, and give its stream"
        )
    return config, arrays, note


def report_of(folder: Path) -> dict[str, Any]:
    """Return the report of a finished stream.

    Raises
    ------
    UserError
        "... is no whole report ..."
    """
    try:
        content = json.loads((folder / REPORT).read_text())
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or not {"stream", "result"} <= content.keys():
        raise UserError(f"{folder / REPORT} is no whole report of a stream; run it again with --overwrite")
    return content


def emit_run(
    folder: Path, out: Path, overwrite: bool = False, prefix: str = PREFIX, layout: str = "make"
) -> tuple[list[Path], Recording]:
    """Write the C sources of a finished stream, with the words and statistics of its end.

    Raises
    ------
    UserError
        "... has no front end that follows the data ..." and what `emit_stream` says
    """
    config, arrays, note = config_of(folder)
    spec, front_end = parts_of(note)
    if not isinstance(front_end, FrontEnd):
        raise UserError(f"levels of {folder} do not follow the data: give the run or the model that it started from")
    front_end.restore(part(arrays, "front_end"))
    learner = Learner(spec)
    learner.restore(arrays)
    source = StreamSession(config, open_config_source(config)).source  # whose labels are the outputs of the network
    units = units_of_source(source)
    front = StreamFront.of(front_end, units, config.label_delay)
    recording = _recording(folder, config, source, front)
    return emit_stream(learner, front_end, front, recording, out, overwrite, prefix, layout), recording


def ranges_of(source: Any, front: StreamFront) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest number of each channel in a recording; 0 where there is none."""
    n_channels = len(source.channels)
    low, high = np.full(n_channels, 2**31), np.full(n_channels, -(2**31))
    for block in source.blocks(0):
        numbers = numbers_of(block.x, front.units).astype(np.int64)
        present = numbers != NO_VALUE
        low = np.minimum(low, np.where(present, numbers, 2**31).min(axis=0, initial=2**31))
        high = np.maximum(high, np.where(present, numbers, -(2**31)).max(axis=0, initial=-(2**31)))
    never = low > high
    return np.where(never, 0, low), np.where(never, 0, high)


def _recording(folder: Path, config: StreamConfig, source: Any, front: StreamFront) -> Recording:
    wanted = SELFTEST_NUMBERS // len(source.channels) + 1
    low, high = ranges_of(source, front)
    first: list[Any] = []
    for block in source.blocks(0):
        first.append(block)
        if sum(map(len, first)) >= wanted:
            break
    report = report_of(folder)
    return Recording(
        source.name,
        str(config.data),
        str(folder),
        np.concatenate([block.x for block in first])[:wanted],
        np.concatenate([block.segment for block in first])[:wanted],
        np.concatenate([block.y for block in first])[:wanted],
        low,
        high,
        source.channels,
        report["stream"]["classes"],
        report["stream"]["rate_hz"],
        report["stream"]["rows"],
        report["result"]["accuracy"],
        config.energy_budget,
    )


def verify_run(
    folder: Path,
    targets: list[Target],
    samples: int,
    compiler: str = "zig",
    optimisation: str = "-Os",
    on_progress: Callable[[str, int], None] = lambda name, done: None,
) -> tuple[list[StreamVerification], float | None]:
    """Replay a finished stream from its start: all of it on this machine, `samples` of it on emulated cores.

    Returns
    -------
    results, and the accuracy of the report, None where it has none
    """
    config, arrays, _ = config_of(folder)
    for target in targets:
        find_compiler(compiler, target)
        if target.isa != "host" and (lacks := missing_emulator()):
            raise UserError(lacks)
    accuracy = report_of(folder)["result"]["accuracy"]
    found, units = [], None
    for target in targets:
        session = StreamSession(config, open_config_source(config))
        rehearsal = Rehearsal(session, units)
        units = rehearsal.units
        limit = None if target.isa == "host" else samples

        def done(n: int, name: str = target.name) -> None:
            on_progress(name, n)

        with folder_for_builds() as place:
            one = verify_stream(rehearsal, place, target, limit, compiler, optimisation, done)
        if limit is None and one.equal:
            check_words(rehearsal.learner, arrays, folder, config)
        found.append(one)
    return found, accuracy


def check_words(learner: Learner, arrays: dict[str, np.ndarray], folder: Path, config: StreamConfig) -> None:
    """Refuse a stream that teaches other words than those of the results.

    Raises
    ------
    UserError
        "... is not the stream of ..."
    """
    if not all(np.array_equal(words, arrays[name]) for name, words in learner.words().items()):
        raise UserError(f"{config.data} is not the stream of {folder}: it teaches other words; run it again")


def size_of_run(
    folder: Path, target: Target, compiler: str = "zig", optimisation: str = "-Os", rows: int = 60
) -> StreamSize:
    """Measure RAM, flash, stack and instructions of a finished stream on an emulated core, in its first rows."""
    config, arrays, note = config_of(folder)
    rehearsal = Rehearsal(StreamSession(config, open_config_source(config)))
    _, front_end = parts_of(note)
    assert isinstance(front_end, FrontEnd)
    front_end.restore(part(arrays, "front_end"))
    emitted = StreamFront.of(front_end, rehearsal.units, config.label_delay)  # its statistics are constants
    with folder_for_builds() as place:
        return size_of_stream(rehearsal, place, target, compiler, optimisation, rows, emitted)
