"""Firmware of an anomaly detector on a stream beside the simulator, row by row: levels, scores, limits and alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data.recordings import run_starts
from edgelearn.data.source import Block
from edgelearn.network.kernels import detector_tables as d
from edgelearn.runs.anomaly import AnomalyWork, RowsJudged
from edgelearn.streaming.detector import AnomalyDetector
from firmware_sim.build.front_end import StreamFront, stream_checkpoint, stream_checkpoint_bytes
from firmware_sim.build.targets import Target
from firmware_sim.build.units import Units, numbers_of
from firmware_sim.check.stream import (
    RESTART,
    SEGMENT,
    StreamRunner,
    compile_stream,
    level_difference,
    parts_of_source,
    state_difference,
    units_of_source,
)

_COUNTS = [d.ALARMS, d.SATURATED]  # of a detector; those of the simulator go on where recordings restart it
_FOUND = ("score", "smoothed score", "limit", "phase", "alarm")


@dataclass(frozen=True, eq=False)
class WatchedStretch:
    """Samples of a recording as firmware takes them, and what the simulator makes of them.

    Parameters
    ----------
    numbers : int32[n, n_channels]; marks : uint8[n]
    levels : int[rows, n_in]; found : int64[rows, ROW_COLUMNS]; labels : int64[rows], 1 for an anomaly, -1 for unknown
    state : checkpoint of the simulator behind the last sample
    """

    numbers: np.ndarray
    marks: np.ndarray
    levels: np.ndarray
    found: np.ndarray
    labels: np.ndarray
    state: bytes


class WatchedRehearsal:
    """A stream that a detector of the simulator watches, in the numbers that firmware takes.

    Parameters
    ----------
    work : new; it learns the stream
    units : of its channels; found in a first pass where not given

    Raises
    ------
    UserError
        "... can be read once ..."
    """

    def __init__(self, work: AnomalyWork, units: Units | None = None) -> None:
        self.work, self.source, self.learner = work, work.source, work.learner
        self.units = units or units_of_source(work.source)
        self.front = StreamFront.of(work.front_end, self.units, calibrate_rows=work.phases.calibrate)
        self.detector = work.detector.spec
        self.n_learned = 0
        self._levels: list[np.ndarray] = []
        self._rows = work.front_end.rows
        work.front_end.rows = self._noted  # type: ignore[method-assign]

    def _noted(self, x: np.ndarray, segment: np.ndarray) -> Any:
        rows = self._rows(x, segment)
        self._levels.append(rows.levels)
        return rows

    def stretches(
        self, identity: int, samples: int | None = None, of_one_recording: bool = False
    ) -> Iterator[WatchedStretch]:
        """Yield the samples of the stream block by block, up to `samples` of them, or the first recording of these."""
        work = self.work
        judged: list[RowsJudged] = []
        work._on_rows = lambda _, rows: judged.append(rows)
        last: int | None = None
        since = 0
        before_restart = np.zeros(len(_COUNTS), np.int64)
        for block in parts_of_source(self.source, samples, samples if of_one_recording else None):
            if of_one_recording:
                starts = run_starts(block.segment)
                block = _cut(block, slice(0, int(starts[1]) if len(starts) > 1 else len(block)))
            marks = np.zeros(len(block), np.uint8)
            for first in run_starts(block.segment):
                if last is not None and block.segment[first] != last:
                    marks[first] = RESTART if work.recordings.restart else SEGMENT
                last = int(block.segment[first])
            restarts = np.flatnonzero(marks == RESTART)
            judged.clear()
            self._levels.clear()
            for part in _parts(block, restarts):  # counts of firmware begin anew with a recording
                if marks[part.start] == RESTART:
                    self.n_learned = since = 0
                    before_restart = work.detector.state[_COUNTS].copy()
                before = len(judged)
                work.advance(_cut(block, part))
                self.n_learned += sum(int(rows.learned.sum()) for rows in judged[before:])
                since += part.stop - part.start
            detector = AnomalyDetector(self.detector)
            detector.restore(work.detector.save())
            detector.state[_COUNTS] -= before_restart
            state = stream_checkpoint(
                self.learner,
                self.front,
                work.front_end.save(),
                identity,
                self.n_learned,
                since,
                detector=detector,
            )
            yield WatchedStretch(
                numbers_of(block.x, self.units),
                marks,
                np.concatenate(self._levels).astype(np.int64),
                np.concatenate([rows.found for rows in judged]),
                np.concatenate([rows.labels for rows in judged]),
                state,
            )


def _parts(block: Block, restarts: np.ndarray) -> list[slice]:
    """Return the parts of a block between restarts."""
    ends = sorted({0, *restarts.tolist(), len(block)})
    return [slice(first, end) for first, end in pairwise(ends)]


def _cut(block: Block, part: slice) -> Block:
    return Block(block.x[part], block.y[part], block.t[part], block.segment[part])


@dataclass(frozen=True)
class WatchVerification:
    """Result of a comparison row by row.

    Parameters
    ----------
    target, compiler, optimisation : what ran
    samples, rows, learned, alarms : compared; learned and alarms of the simulator
    f1 : of the alarms of the firmware, None where no anomaly is labelled
    difference : the first one, None where all are equal
    """

    target: str
    compiler: str
    optimisation: str
    samples: int
    rows: int
    learned: int
    alarms: int
    f1: float | None
    difference: str | None

    @property
    def equal(self) -> bool:
        return self.difference is None


def verify_watch(
    rehearsal: WatchedRehearsal,
    folder: Path,
    target: Target,
    samples: int | None = None,
    compiler: str = "zig",
    optimisation: str = "-Os",
    on_progress: Callable[[int], None] = lambda samples: None,
    extra: tuple[str, ...] = (),
) -> WatchVerification:
    """Compile a detector for a target, and compare each row, and all of its state behind each block of samples."""
    front, learner, detector = rehearsal.front, rehearsal.learner, rehearsal.detector
    image = compile_stream(learner, front, folder, target, compiler, optimisation, extra, detector)
    spec = learner.spec
    size = stream_checkpoint_bytes(spec, front, detector)
    firmware = StreamRunner(image, spec.sizes[0], spec.signed_inputs, size, watches=True)
    done = rows = learned = 0
    counted = np.zeros((2, 2), np.int64)  # by label and alarm, of judged rows
    difference = None
    for stretch in rehearsal.stretches(image.identity, samples):
        nothing = np.zeros(len(stretch.numbers), np.uint16)
        levels, found = firmware.replay(stretch.numbers, stretch.marks, nothing)
        done += len(stretch.numbers)
        difference = (
            level_difference(stretch.levels, levels, rows, done)
            or _found_difference(stretch.found, found, rows)
            or state_difference(stretch.state, firmware.checkpoint(), done)
        )
        if difference is not None:
            break
        known = (found[:, d.ROW_PHASE] == d.DETECT) & (stretch.labels >= 0)
        np.add.at(counted, (stretch.labels[known], found[known, d.ROW_ALARM]), 1)
        rows += len(levels)
        on_progress(done)
    learned = int(rehearsal.work.of_phases[:, 1].sum())
    return WatchVerification(
        target.name,
        image.compiler.version,
        optimisation,
        done,
        rows,
        learned,
        int(rehearsal.work.of_phases[:, 2].sum()),
        _f1(counted),
        difference,
    )


def _f1(counted: np.ndarray) -> float | None:
    """Return F1 of rows counted by label and alarm."""
    if not counted[1].sum():
        return None
    hits = int(counted[1, 1])
    return 2 * hits / (2 * hits + int(counted[0, 1]) + int(counted[1, 0]))


def _found_difference(wanted: np.ndarray, found: np.ndarray, rows: int) -> str | None:
    """Return the first number of a row that differs, None where all are equal."""
    places = np.argwhere(wanted != found)
    if not len(places):
        return None
    row, column = places[0]
    return f"{_FOUND[column]} of row {rows + row + 1}: firmware {found[row, column]}, simulator {wanted[row, column]}"
