"""Firmware with graded targets, and its anomaly detector, beside the simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.streaming.detector import PHASES, AnomalyDetector, DetectorSpec
from firmware_sim.build.estimate import constant_fields, ram_bytes
from firmware_sim.build.headers import checkpoint
from firmware_sim.build.image import Image, compile_image
from firmware_sim.build.targets import Target
from firmware_sim.check.measure import code_bytes
from firmware_sim.check.verify import CHUNK, Simulator, Verification, compare
from firmware_sim.emulate.emulator import Machine
from firmware_sim.emulate.runners import as_graded, graded_runner, result_room

_FOUND = ("score", "smoothed score", "limit", "phase", "alarm")


class GradedSimulator(Simulator):
    """The simulator of a network with graded targets, with a detector or without."""

    def __init__(self, learner: Learner, identity: int, detector: DetectorSpec | None = None) -> None:
        super().__init__(learner, identity)
        self.detector = None if detector is None else AnomalyDetector(detector)
        self.results = ("output",) * learner.spec.n_outputs
        if detector is not None:
            self.results = (*_FOUND, *self.results)

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        spec, n = self.learner.spec, len(levels)
        arrays = None if self.detector is None else self.detector.arrays(n)
        steps = steps_of(np.where(labels[:, -1] != 0, 0, t.NO_LABEL) if arrays is None else np.zeros(n, np.int64))
        targets = None if spec.task == "reconstruct" else labels[:, :-1]
        kind = np.int8 if spec.signed_inputs else np.uint8
        found = self.learner.run_steps(levels.astype(kind), steps, targets=targets, outputs=True, detector=arrays)
        self.learned += int((found.statuses == t.LEARNED).sum())
        words = found.outputs.astype(np.int64)
        return words if arrays is None else np.concatenate([arrays.rows, words], axis=1)

    def checkpoint(self) -> bytes:
        return checkpoint(self.learner, self.identity, self.learned, detector=self.detector)

    def saved(self) -> Any:
        return super().saved(), None if self.detector is None else self.detector.save()

    def restore(self, saved: Any) -> None:
        super().restore(saved[0])
        if self.detector is not None:
            self.detector.restore(saved[1])


def compile_graded(
    learner: Learner, folder: Any, target: Target, detector: DetectorSpec | None, **options: Any
) -> Image:
    """Compile a network with graded targets and its detector for a target; options are those of `compile_image`."""
    app = ("replay_graded.c", "ram_flash.c")
    return compile_image(learner, folder, target, app=app, detector=detector, **options)


def verify_graded(
    learner: Learner,
    image: Image,
    levels: np.ndarray,
    targets: np.ndarray | None = None,
    learned: np.ndarray | None = None,
    detector: DetectorSpec | None = None,
    on_progress: Callable[[int], None] = lambda rows: None,
    chunk: int = CHUNK,
) -> Verification:
    """Take rows on both sides; compare outputs, scores, alarms and checkpoints.

    Parameters
    ----------
    learner : with the words that the firmware starts from; it learns
    image : from `compile_graded`
    levels : int[n, n_in]; targets : int[n, n_out], not read where the input is the target
    learned : bool[n], rows that are learned, all by default; a detector decides itself
    """
    spec, n = learner.spec, len(levels)
    given = np.ones((n, spec.n_outputs + 1), np.int16)
    given[:, :-1] = 0 if targets is None else targets
    given[:, -1] = True if learned is None else learned
    simulator, firmware = GradedSimulator(learner, image.identity, detector), graded_runner(image, spec, detector)
    return compare(simulator, firmware, levels, given, on_progress, chunk)


@dataclass(frozen=True)
class RowsCounted:
    """Instructions of a detector's rows on an emulated core, and the bytes that it takes.

    Parameters
    ----------
    instructions : mean per row of each phase
    ram, constants : bytes of the learner and of its constants; code : bytes of learner and detector; stack : bytes
    """

    instructions: dict[str, float]
    ram: int
    constants: int
    code: int
    stack: int


def count_rows(
    learner: Learner,
    folder: Path,
    target: Target,
    levels: np.ndarray,
    detector: DetectorSpec,
    compiler: str = "zig",
    optimisation: str = "-Os",
    windows: int = 20,
) -> RowsCounted:
    """Take rows on an emulated core, and count the last `windows` of each phase one by one."""
    spec = learner.spec
    machine = Machine(compile_graded(learner, folder, target, detector, compiler=compiler, optimisation=optimisation))
    machine.paint_stack()
    machine.call("replay_init")
    ends = np.cumsum([detector.train_rows, detector.threshold_rows, windows])
    given, counted = np.zeros((1, spec.n_outputs + 1), np.int16), {}
    for phase, first, end in zip(PHASES[1:], (0, *ends), ends, strict=False):
        found = []
        for row in range(first, end):
            places = machine.place(*as_graded(spec, levels[row : row + 1], given), result_room(spec, detector, 1))
            if row < end - windows:
                machine.call("replay_watch", *places, 1)
                continue
            with machine.counting() as counts:
                machine.call("replay_watch", *places, 1)
            found.append(counts.instructions)
        counted[phase] = float(np.mean(found))
    constants = sum(field.bytes for field in constant_fields(spec))
    return RowsCounted(
        counted,
        ram_bytes(spec, detector),
        constants,
        code_bytes(learner, folder / "objects", target, compiler, optimisation, detector),
        machine.stack_used(),
    )
