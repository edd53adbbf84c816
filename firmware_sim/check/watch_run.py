"""Finished anomaly detectors of `edgelearn stream` as firmware: their C sources, and their comparison on targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.runs.anomaly import AnomalyWork
from edgelearn.runs.checkpoint import WEIGHTS
from edgelearn.runs.stored import part, read_run
from edgelearn.runs.stream import open_config_source
from firmware_sim.build.emit_stream import SELFTEST_NUMBERS, Recording
from firmware_sim.build.emit_watch import Watched, emit_watch
from firmware_sim.build.front_end import StreamFront, stream_checkpoint, texts_of
from firmware_sim.build.headers import learned_words
from firmware_sim.build.image import PREFIX
from firmware_sim.build.targets import Target
from firmware_sim.build.toolchain import find_compiler, missing_emulator
from firmware_sim.check.anomaly_stream import WatchedRehearsal, WatchVerification, verify_watch
from firmware_sim.check.session import folder_for_builds
from firmware_sim.check.stream_run import check_words, config_of, ranges_of, report_of


def is_watch(folder: Path) -> bool:
    """Return whether a folder holds a finished anomaly detector."""
    if not (folder / WEIGHTS).is_file():
        return False
    note = read_run(folder, any_task=True)[1]
    return bool(note["kind"] == "stream" and note["config"].get("task") == "anomaly")


def emit_watch_run(
    folder: Path, out: Path, overwrite: bool = False, prefix: str = PREFIX, layout: str = "make"
) -> tuple[list[Path], Recording]:
    """Write the C sources of a finished detector, which starts anew, and the state of its end beside them.

    Raises
    ------
    UserError
        "... was live input ..." and what `emit_watch` says
    """
    config, arrays, _ = config_of(folder)
    report = report_of(folder)
    watched, first = _first_rows(AnomalyWork(config, open_config_source(config)))
    work = AnomalyWork(config, open_config_source(config))
    front = StreamFront.of(work.front_end, first.units, calibrate_rows=work.phases.calibrate)
    identity, _ = texts_of(work.learner, front, work.detector.spec)
    low, high = ranges_of(work.source, front)
    stream, nothing = report["stream"], np.zeros(0)  # samples of a detector come with `watched`
    recording = Recording(
        work.source.name,
        str(config.data),
        str(folder),
        nothing,
        nothing,
        nothing,
        low,
        high,
        work.source.channels,
        (),
        stream["rate_hz"],
        stream["rows"],
        None,
    )
    end = AnomalyWork(config, open_config_source(config))
    end.learner.restore(arrays)
    end.front_end.restore(part(arrays, "front_end"))
    end.detector.restore(part(arrays, "detector"))
    learned = sum(phase["learned"] for phase in report["phases"])
    state = stream_checkpoint(
        end.learner, front, end.front_end.save(), identity, learned, stream["samples"], detector=end.detector
    )
    written = emit_watch(
        work.learner, front, work.detector.spec, recording, watched, state, out, overwrite, prefix, layout
    )
    return written, recording


def _first_rows(work: AnomalyWork) -> tuple[Watched, WatchedRehearsal]:
    """Watch the first samples of the first recording from a new start."""
    rehearsal = WatchedRehearsal(work)
    wanted = max(SELFTEST_NUMBERS // len(work.source.channels), 1)
    stretch = next(rehearsal.stretches(0, wanted, of_one_recording=True))
    words = learned_words(work.learner)
    return Watched(stretch.numbers, stretch.levels, stretch.found, words), rehearsal


def verify_watch_run(
    folder: Path,
    targets: list[Target],
    samples: int,
    compiler: str = "zig",
    optimisation: str = "-Os",
    on_progress: Callable[[str, int], None] = lambda name, done: None,
) -> tuple[list[WatchVerification], float | None]:
    """Replay a finished detector from its start: all of it on this machine, `samples` of it on emulated cores.

    Returns
    -------
    results, and F1 of the report, None where no anomaly is labelled
    """
    config, arrays, _ = config_of(folder)
    for target in targets:
        find_compiler(compiler, target)
        if target.isa != "host" and (lacks := missing_emulator()):
            raise UserError(lacks)
    labels: dict[str, Any] = report_of(folder)["result"].get("labels") or {}
    found, units = [], None
    for target in targets:
        rehearsal = WatchedRehearsal(AnomalyWork(config, open_config_source(config)), units)
        units = rehearsal.units
        limit = None if target.isa == "host" else samples

        def done(n: int, name: str = target.name) -> None:
            on_progress(name, n)

        with folder_for_builds() as place:
            one = verify_watch(rehearsal, place, target, limit, compiler, optimisation, done)
        if limit is None and one.equal:
            check_words(rehearsal.learner, arrays, folder, config)
        found.append(one)
    return found, labels.get("f1")
