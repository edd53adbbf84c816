"""Compiled networks on this machine or on an emulated core, with one interface."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import numpy as np

from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.spec import NetworkSpec
from edgelearn.streaming.detector import DetectorSpec
from firmware_sim.build.headers import checkpoint_bytes
from firmware_sim.build.image import Image
from firmware_sim.emulate.emulator import Machine

NO_LABEL = 0xFFFF


class Runner(Protocol):
    """Interface of a firmware under verification."""

    def start(self) -> None:
        """Put the initial words into the learner."""

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Learn samples, or predict those whose label is negative; return the classes predicted before.

        Parameters
        ----------
        levels : int[n, n_in]; labels : int[n]

        Returns
        -------
        uint16[n]
        """

    def checkpoint(self) -> bytes:
        """Return the learner's state as el_checkpoint_out writes it."""

    def resume(self, checkpoint: bytes) -> bool:
        """Take over a state; return False for one that is broken or of another network."""


def runner(image: Image, spec: NetworkSpec) -> Runner:
    """Return a started runner of an image."""
    made = _Host(image, spec) if image.target.isa == "host" else _Board(image, spec)
    made.start()
    return made


def as_words(spec: NetworkSpec, levels: np.ndarray, labels: np.ndarray) -> tuple[bytes, bytes]:
    """Return samples as the C core reads them: a byte a level, two bytes a label."""
    kind = np.int8 if spec.signed_inputs else np.uint8
    labels = np.where(np.asarray(labels) < 0, NO_LABEL, labels)
    return np.ascontiguousarray(levels.astype(kind)).tobytes(), labels.astype("<u2").tobytes()


def graded_runner(image: Image, spec: NetworkSpec, detector: DetectorSpec | None = None) -> Runner:
    """Return a started runner of an image of `replay_graded.c`.

    Its `learn` takes int16[n, n_outputs + 1] in place of labels, targets and whether a row is learned, and returns
    int64[n, n_outputs], the outputs, before them with a detector its ROW_COLUMNS.
    """
    made = (_GradedHost if image.target.isa == "host" else _GradedBoard)(image, spec, detector)
    made.start()
    return made


class _Host:
    def __init__(self, image: Image, spec: NetworkSpec, detector: DetectorSpec | None = None) -> None:
        self._library: Any = ctypes.CDLL(str(image.path))
        self._library.replay_resume.restype = ctypes.c_bool
        self._spec, self._detector = spec, detector

    def start(self) -> None:
        self._library.replay_init()

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        inputs, targets = as_words(self._spec, levels, labels)
        predictions = np.zeros(len(levels), np.uint16)
        self._library.replay(inputs, targets, predictions.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint32(len(levels)))
        return predictions

    def checkpoint(self) -> bytes:
        buffer = ctypes.create_string_buffer(checkpoint_bytes(self._spec, self._detector))
        self._library.replay_checkpoint(buffer)
        return buffer.raw

    def resume(self, checkpoint: bytes) -> bool:
        return bool(self._library.replay_resume(checkpoint))


class _Board:
    def __init__(self, image: Image, spec: NetworkSpec, detector: DetectorSpec | None = None) -> None:
        self.machine = Machine(image)
        self._spec, self._detector = spec, detector

    def start(self) -> None:
        self.machine.call("replay_init")

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        inputs, targets = as_words(self._spec, levels, labels)
        n = len(levels)
        at, labels_at, predictions_at = self.machine.place(inputs, targets, bytes(2 * n))
        self.machine.call("replay", at, labels_at, predictions_at, n)
        return np.frombuffer(self.machine.read(predictions_at, 2 * n), "<u2")

    def checkpoint(self) -> bytes:
        n = checkpoint_bytes(self._spec, self._detector)
        (at,) = self.machine.place(bytes(n))
        self.machine.call("replay_checkpoint", at)
        return self.machine.read(at, n)

    def resume(self, checkpoint: bytes) -> bool:
        (at,) = self.machine.place(checkpoint)
        return bool(self.machine.call("replay_resume", at) & 1)


def as_graded(spec: NetworkSpec, levels: np.ndarray, given: np.ndarray) -> tuple[bytes, bytes]:
    """Return levels of rows, and their targets and whether they are learned, as the C core reads them."""
    return as_words(spec, levels, np.zeros(0, np.int64))[0], np.ascontiguousarray(given, "<i2").tobytes()


def result_room(spec: NetworkSpec, detector: DetectorSpec | None, n: int) -> bytes:
    """Return room for the results of n rows."""
    return bytes(n * (2 * spec.n_outputs + (0 if detector is None else 8 * d.ROW_COLUMNS)))


def _results(spec: NetworkSpec, room: bytes, n: int) -> np.ndarray:
    """Return what a detector found of n rows, if there is one, and their outputs, side by side."""
    at = len(room) - 2 * n * spec.n_outputs
    words = np.frombuffer(room[at:], "<i2").reshape(n, spec.n_outputs).astype(np.int64)
    return np.concatenate([np.frombuffer(room[:at], "<i8").reshape(n, at // (8 * n)), words], axis=1)


class _GradedHost(_Host):
    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        n, (inputs, given) = len(levels), as_graded(self._spec, levels, labels)
        room = ctypes.create_string_buffer(result_room(self._spec, self._detector, n))
        replay = self._library.replay if self._detector is None else self._library.replay_watch
        replay(inputs, given, room, ctypes.c_uint32(n))
        return _results(self._spec, room.raw[:-1], n)


class _GradedBoard(_Board):
    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        n, room = len(levels), result_room(self._spec, self._detector, len(levels))
        at, given_at, room_at = self.machine.place(*as_graded(self._spec, levels, labels), room)
        self.machine.call("replay" if self._detector is None else "replay_watch", at, given_at, room_at, n)
        return _results(self._spec, self.machine.read(room_at, len(room)), n)
