"""Frozen layers in C beside the simulator, on this machine or an emulated core: levels, bytes and instructions."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelearn.network.learner import Learner
from firmware_sim.build.features import MAPS, Features, texts_of
from firmware_sim.build.image import Image, compile_image
from firmware_sim.build.targets import Target
from firmware_sim.emulate.emulator import Machine

_FUNCTIONS = ("el_features", "run_layer", "window_at", "index_of", "input_at")
APP = ("replay.c", "replay_features.c", "ram_flash.c")


@dataclass(frozen=True)
class FrontVerification:
    """Levels of the learner as firmware computes them from inputs of the model.

    Parameters
    ----------
    samples : compared
    difference : the first level that differs, None where all are equal
    """

    samples: int
    difference: str | None


@dataclass(frozen=True)
class FrontSize:
    """Bytes of the frozen layers in an image.

    Parameters
    ----------
    ram : of the two maps
    constants : of words, biases, shifts, tables, orders and the list of layers
    code : of instructions
    stack : bytes that el_features used at most
    """

    ram: int
    constants: int
    code: int
    stack: int

    def as_row(self) -> dict[str, int]:
        return {f"front end {name}": getattr(self, name) for name in ("ram", "constants", "code", "stack")}


def compile_front(
    learner: Learner, front: Features, folder: Path, target: Target, compiler: str = "zig", optimisation: str = "-Os"
) -> Image:
    """Compile a learner with its frozen layers in front."""
    return compile_image(
        learner, folder, target, APP, compiler=compiler, optimisation=optimisation, more=texts_of(front)
    )


def verify_front(image: Image, front: Features, levels: np.ndarray) -> FrontVerification:
    """Compare levels of the learner as firmware computes them with the simulator's.

    Parameters
    ----------
    front : with levels of the model's input, int[n, n_in]
    levels : of the learner in the same samples, int[n, n_features]
    """
    found = _levels_of(image, front)
    wrong = np.argwhere(found != levels)
    if not len(wrong):
        return FrontVerification(len(levels), None)
    row, column = (int(place) for place in wrong[0])
    values = f"firmware {found[row, column]}, simulator {levels[row, column]}"
    more = f" ({len(wrong)} levels differ)" if len(wrong) > 1 else ""
    return FrontVerification(len(levels), f"level {column + 1} of sample {row + 1}: {values}{more}")


def size_of_front(image: Image, front: Features) -> FrontSize:
    """Measure the frozen layers of an image for an emulated core; the first sample finds the depth of the stack."""
    machine = Machine(image)
    machine.paint_stack()
    _replay_features(machine, front, front.values[:1])
    symbols = machine.program.symbols
    return FrontSize(
        sum(symbols[name][1] for name in MAPS),
        sum(symbols[name][1] for name in front.constants),
        sum(machine.program.functions.get(name, (0, 0))[1] for name in _FUNCTIONS),
        machine.stack_used(),
    )


def _as_pixels(front: Features, values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values.astype(np.int8 if front.inputs.signed else np.uint8)).tobytes()


def _replay_features(machine: Machine, front: Features, values: np.ndarray) -> bytes:
    """Return the levels of inputs of the model, a byte each, from an emulated core."""
    n = len(values) * front.n_features
    levels_at, pixels_at = machine.place(bytes(n), _as_pixels(front, values))
    machine.call("replay_features", levels_at, pixels_at, len(values))
    return machine.read(levels_at, n)


def _levels_of(image: Image, front: Features) -> np.ndarray:
    if image.target.isa == "host":
        buffer = ctypes.create_string_buffer(max(len(front.values) * front.n_features, 1))
        library = ctypes.CDLL(str(image.path))
        library.replay_features(buffer, _as_pixels(front, front.values), ctypes.c_uint32(len(front.values)))
        found = buffer.raw[: len(front.values) * front.n_features]
    else:
        found = _replay_features(Machine(image), front, front.values)
    kind = np.int8 if front.stack.signed else np.uint8
    return np.frombuffer(found, kind).reshape(len(front.values), front.n_features).astype(np.int64)
