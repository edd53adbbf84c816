"""Firmware of a stream beside the simulator, row by row: levels, classes, words and statistics."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data.source import Block, Source
from edgelearn.errors import UserError
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.runs.session import StreamSession
from edgelearn.streaming.detector import DetectorSpec
from edgelearn.streaming.front_end import FrontEnd
from edgelearn.streaming.prequential import Prequential
from firmware_sim.build.front_end import StreamFront, stream_checkpoint, stream_checkpoint_bytes, texts_of
from firmware_sim.build.image import Image, compile_image
from firmware_sim.build.targets import Target
from firmware_sim.build.units import Units, numbers_of, units_of
from firmware_sim.emulate.emulator import Machine
from firmware_sim.emulate.runners import NO_LABEL

APP = ("replay_stream.c", "ram_flash.c")
SEGMENT, DROP, RESTART = 1, 2, 4  # marks of a sample, of replay_stream.c


@dataclass(frozen=True, eq=False)
class Stretch:
    """Samples of a recording as firmware takes them, and what the simulator makes of them.

    Parameters
    ----------
    numbers : int32[n, n_channels]; marks : uint8[n]; labels : uint16[n], the label that comes with a row
    levels : int[rows, n_in]; predictions : int64[rows], -1 where a row is left out
    state : checkpoint of the simulator behind the last sample
    scored : what prequential scores take of the rows
    """

    numbers: np.ndarray
    marks: np.ndarray
    labels: np.ndarray
    levels: np.ndarray
    predictions: np.ndarray
    state: bytes
    scored: tuple[np.ndarray, np.ndarray, np.ndarray]


class Rehearsal:
    """A stream that the simulator learns, in the numbers that firmware takes.

    Parameters
    ----------
    session : new; it learns the stream
    units : of its channels; found in a first pass where not given

    Raises
    ------
    UserError
        "... has no front end that follows the data ...", "... can be read once ..."
    """

    def __init__(self, session: StreamSession, units: Units | None = None) -> None:
        if not isinstance(session.front_end, FrontEnd):
            raise UserError("a stream whose levels do not follow the data has no front end; emit what it started from")
        self.session, self.source = session, session.source
        self.units = units or units_of_source(self.source)
        self.front = StreamFront.of(session.front_end, self.units, session.config.label_delay)
        self.learner = session.learner
        self.n_learned = 0
        self._steps: tuple[Any, ...] = ()
        self._run_steps = session.learner.run_steps
        session.learner.run_steps = self._noted  # type: ignore[method-assign, assignment]

    def _noted(self, levels: np.ndarray, steps: np.ndarray, *given: Any, **options: Any) -> Any:
        outcome = self._run_steps(levels, steps, *given, **options)
        self._steps = levels, steps, outcome
        return outcome

    def stretches(self, identity: int, samples: int | None = None, block: int | None = None) -> Iterator[Stretch]:
        """Yield the samples of the stream block by block, or `block` of them at a time; up to `samples` in all."""
        assert isinstance(self.session.front_end, FrontEnd)
        segment = int(self.session.front_end.state.place[t.SEGMENT])
        done = 0
        for part in parts_of_source(self.source, samples, block):
            rows = self.session.take(part)
            levels, steps, outcome = self._steps
            late = steps[:, t.KIND] == t.LEARN_LATE
            first = ~late
            taken = outcome.statuses & (t.LEARNED | t.GATED) != 0
            labels = np.full(len(part), NO_LABEL, np.int64)
            ends = rows.samples - done
            row_of_step = np.cumsum(first) - 1
            teaching = taken & (steps[:, t.LABEL] >= 0)
            labels[ends[row_of_step[teaching]]] = steps[teaching, t.LABEL]
            self.n_learned += int(np.count_nonzero(outcome.statuses & t.LEARNED))
            marks = np.zeros(len(part), np.uint8)
            marks[np.diff(part.segment, prepend=segment) != 0] = SEGMENT
            marks[ends[outcome.statuses[first] & t.DROPPED != 0]] |= DROP
            segment = int(part.segment[-1]) if len(part) else segment
            done += len(part)
            saved = self.session.front_end.save()
            state = stream_checkpoint(self.learner, self.front, saved, identity, self.n_learned, done)
            yield Stretch(
                numbers_of(part.x, self.units),
                marks,
                labels.astype("<u2"),
                levels[steps[first, t.ROW]].astype(np.int64),
                outcome.predictions[first],
                state,
                (rows.labels, rows.samples, rows.times),
            )


def parts_of_source(source: Source, samples: int | None, size: int | None) -> Iterator[Block]:
    """Yield blocks of a source, of `size` samples at most, up to `samples` in all."""
    left = samples
    for block in source.blocks(0):
        length = size or max(len(block), 1)
        for at in range(0, len(block), length):
            here = slice(at, at + length if left is None else min(at + length, at + left))
            part = Block(block.x[here], block.y[here], block.t[here], block.segment[here])
            if left is not None:
                left -= len(part)
            if len(part):
                yield part
        if left == 0:
            return


def units_of_source(source: Source) -> Units:
    """Find the units of a source in a pass over all of its samples.

    Raises
    ------
    UserError
        "... can be read once ..."
    """
    if source.n_samples is None:
        raise UserError(f"{source.name} can be read once; give a file, which firmware is compared on")
    x = [block.x for block in source.blocks(0)]
    offsets = source.columns_used.offsets
    return units_of(np.concatenate(x), np.array(offsets, np.float64) if offsets else None)


def compile_stream(
    learner: Learner,
    front: StreamFront,
    folder: Path,
    target: Target,
    compiler: str = "zig",
    optimisation: str = "-Os",
    extra: tuple[str, ...] = (),
    detector: DetectorSpec | None = None,
) -> Image:
    """Compile a learner with the front end of a stream; `identity` of the image is that of both."""
    identity, texts = texts_of(learner, front, detector)
    options: dict[str, Any] = {"compiler": compiler, "optimisation": optimisation, "extra": extra, "more": texts}
    image = compile_image(learner, folder, target, APP, detector=detector, **options)
    return Image(image.path, image.target, image.compiler, image.optimisation, identity)


class StreamRunner:
    """A compiled stream on this machine or an emulated core, started.

    Parameters
    ----------
    n_inputs : levels of a row; signed : whether they have a sign
    checkpoint_bytes : EL_CHECKPOINT_BYTES
    watches : whether a detector judges the rows
    """

    def __init__(self, image: Image, n_inputs: int, signed: bool, checkpoint_bytes: int, watches: bool = False) -> None:
        self._watches = watches
        self.n_inputs, self._kind, self._bytes = n_inputs, np.int8 if signed else np.uint8, checkpoint_bytes
        self.machine = None if image.target.isa == "host" else Machine(image)
        self._library: Any = ctypes.CDLL(str(image.path)) if self.machine is None else None
        self.start()

    def start(self) -> None:
        """Put the initial words and state into the stream."""
        if self.machine is None:
            self._library.replay_init()
        else:
            self.machine.call("replay_init")

    def replay(self, numbers: np.ndarray, marks: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take samples; return levels of each row that ended, and its class, uint16, or int64[rows, ROW_COLUMNS]."""
        n = len(numbers)
        given = (np.ascontiguousarray(numbers, "<i4").tobytes(), marks.tobytes(), labels.astype("<u2").tobytes())
        sizes = n * self.n_inputs, n * (8 * d.ROW_COLUMNS if self._watches else 2)
        if self.machine is None:
            made = [ctypes.create_string_buffer(max(size, 1)) for size in sizes]
            parts = (ctypes.c_void_p * 5)(
                *(ctypes.cast(ctypes.c_char_p(part), ctypes.c_void_p) for part in given),
                *(ctypes.cast(one, ctypes.c_void_p) for one in made),
            )
            rows = self._library.replay_stream(parts, ctypes.c_uint32(n))
            levels, predictions = (one.raw for one in made)
        else:
            table, *places = self.machine.place(bytes(20), *given, *(bytes(size) for size in sizes))
            self.machine.write(table, struct.pack("<5I", *places))
            rows = self.machine.call("replay_stream", table, n)
            levels, predictions = (self.machine.read(at, size) for at, size in zip(places[3:], sizes, strict=True))
        found = np.frombuffer(levels, self._kind, rows * self.n_inputs).reshape(rows, self.n_inputs)
        if self._watches:
            judged = np.frombuffer(predictions, "<i8", rows * d.ROW_COLUMNS).reshape(rows, d.ROW_COLUMNS)
            return found.astype(np.int64), judged
        return found.astype(np.int64), np.frombuffer(predictions, "<u2", rows)

    def checkpoint(self) -> bytes:
        """Return the state as el_checkpoint_out writes it."""
        if self.machine is None:
            buffer = ctypes.create_string_buffer(self._bytes)
            self._library.replay_checkpoint(buffer)
            return buffer.raw
        (at,) = self.machine.place(bytes(self._bytes))
        self.machine.call("replay_checkpoint", at)
        return self.machine.read(at, self._bytes)

    def resume(self, checkpoint: bytes) -> bool:
        """Take over a state; return False for one that is broken or of another network."""
        if self.machine is None:
            return bool(self._library.replay_resume(checkpoint) & 1)
        (at,) = self.machine.place(checkpoint)
        return bool(self.machine.call("replay_resume", at) & 1)


@dataclass(frozen=True)
class StreamVerification:
    """Result of a comparison row by row.

    Parameters
    ----------
    target, compiler, optimisation : what ran
    samples, rows, learned : compared; learned rows of the simulator
    events : levels other than 0, so that equality is known to cover them
    accuracy : prequential accuracy of the classes that the firmware predicted, None without labels
    difference : the first one, None where all are equal
    """

    target: str
    compiler: str
    optimisation: str
    samples: int
    rows: int
    learned: int
    events: int
    accuracy: float | None
    difference: str | None

    @property
    def equal(self) -> bool:
        return self.difference is None


def verify_stream(
    rehearsal: Rehearsal,
    folder: Path,
    target: Target,
    samples: int | None = None,
    compiler: str = "zig",
    optimisation: str = "-Os",
    on_progress: Callable[[int], None] = lambda samples: None,
    extra: tuple[str, ...] = (),
) -> StreamVerification:
    """Compile a stream for a target, and compare each row, and all words and statistics behind each block of samples.

    Parameters
    ----------
    rehearsal : of a new session, which learns
    samples : to compare at most; None for the whole stream
    """
    front, learner = rehearsal.front, rehearsal.learner
    image = compile_stream(learner, front, folder, target, compiler, optimisation, extra)
    spec, config = learner.spec, rehearsal.session.config
    firmware = StreamRunner(image, spec.sizes[0], spec.signed_inputs, stream_checkpoint_bytes(spec, front))
    score = Prequential(spec.n_classes, config.fading, config.accuracy_window, config.warm_up)
    done = rows = events = 0
    difference = None
    for stretch in rehearsal.stretches(image.identity, samples):
        levels, predictions = firmware.replay(stretch.numbers, stretch.marks, stretch.labels)
        done, events = done + len(stretch.numbers), events + int(np.count_nonzero(levels))
        difference = _difference(stretch, levels, predictions, firmware.checkpoint(), rows, done)
        if difference is not None:
            break
        labels, ends, times = stretch.scored
        theirs = np.where(predictions == NO_LABEL, -1, predictions.astype(np.int64))
        nothing = dict.fromkeys(("events", "updates", "energy", "dropped"), np.zeros(len(ends), np.int64))
        score.update(theirs, labels, nothing, ends, times)
        rows += len(levels)
        on_progress(done)
    accuracy = score.as_dict()["accuracy"]
    return StreamVerification(
        target.name, image.compiler.version, optimisation, done, rows, rehearsal.n_learned, events, accuracy, difference
    )


def _difference(
    stretch: Stretch, levels: np.ndarray, predictions: np.ndarray, state: bytes, rows: int, samples: int
) -> str | None:
    """Return the first difference of a stretch, None where all is equal."""
    wanted = np.where(stretch.predictions < 0, NO_LABEL, stretch.predictions)
    if difference := level_difference(stretch.levels, levels, rows, samples):
        return difference
    if len(wrong := np.flatnonzero(predictions != wanted)):
        row = int(wrong[0])
        return f"class of row {rows + row + 1}: firmware {predictions[row]}, simulator {wanted[row]}"
    return state_difference(stretch.state, state, samples)


def level_difference(wanted: np.ndarray, levels: np.ndarray, rows: int, samples: int) -> str | None:
    """Return the first level that differs, or that the number of rows does; `rows` came before."""
    if len(levels) != len(wanted):
        return f"rows up to sample {samples}: firmware {rows + len(levels)}, simulator {rows + len(wanted)}"
    wrong = np.flatnonzero((levels != wanted).any(axis=1))
    if not len(wrong):
        return None
    row = int(wrong[0])
    which = np.flatnonzero(levels[row] != wanted[row])
    k = int(which[0])
    values = f"firmware {levels[row, k]}, simulator {wanted[row, k]}"
    return f"level {k + 1} of row {rows + row + 1}: {values} ({len(which)} levels of the row differ)"


def state_difference(wanted: bytes, state: bytes, samples: int) -> str | None:
    """Return the first byte of a checkpoint that differs, None where all are equal."""
    if state == wanted:
        return None
    at = next((i for i, (ours, theirs) in enumerate(zip(state, wanted, strict=True)) if ours != theirs), 0)
    return f"byte {at} of the checkpoint behind sample {samples} (words and statistics)"
