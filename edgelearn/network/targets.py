"""Graded targets of a call of the kernel, and the outputs and the detector that go with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.fixedpoint.aligned import aligned_zeros
from edgelearn.network.graded import RECONSTRUCT
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import DetectorArrays, GradedArrays, TargetArrays
from edgelearn.network.state import State

NO_DETECTOR = DetectorArrays(
    settings=np.zeros(d.DETECTOR_SETTINGS, np.int64),
    state=np.zeros(d.DETECTOR_STATE, np.int64),
    kept=np.zeros(1, np.int64),
    rows=np.zeros((0, d.ROW_COLUMNS), np.int64),
)
NONE = np.zeros((0, 0), np.int16)


class GradedTargets:
    """Arrays of a learner with graded targets: those that stay, and those of one call.

    Parameters
    ----------
    state : of the learner
    """

    def __init__(self, state: State) -> None:
        self._spec = state.spec
        width = state.arrays.inputs.shape[1]
        self._own = TargetArrays(
            targets=NONE,
            target=aligned_zeros((1, width), np.int16),
            target_lanes=aligned_zeros((1, width), np.int64),
            at=np.zeros(4, np.int64),
            outputs=NONE,
        )
        self._state = state
        self.arrays: tuple[Any, ...] = GradedArrays._make((*state.arrays, *self._own, *NO_DETECTOR))

    def begin(
        self,
        steps: np.ndarray,
        n_rows: int,
        targets: np.ndarray | None,
        outputs: bool,
        detector: DetectorArrays | None,
    ) -> np.ndarray:
        """Take the targets of a call, check them, and return the array that its outputs are written to.

        Parameters
        ----------
        steps : int64[n, 3], as `Learner.run_steps` takes them
        n_rows : rows of levels
        targets, outputs, detector : as `Learner.run_steps` takes them

        Raises
        ------
        UserError
            "targets ...", "detector ..."
        """
        reads = detector is not None or bool((steps[:, t.LABEL] >= 0).any())
        given = self._checked(targets, n_rows) if reads or targets is not None else NONE
        if detector is not None:
            self._check_detector(detector, len(steps))
        found = np.zeros((len(steps), self._spec.n_outputs), np.int16) if outputs else NONE
        own = self._own._replace(targets=given, outputs=found)
        self.arrays = GradedArrays._make((*self._state.arrays, *own, *(detector or NO_DETECTOR)))
        return found

    def _checked(self, targets: np.ndarray | None, n_rows: int) -> np.ndarray:
        spec = self._spec
        if spec.task == RECONSTRUCT:
            if targets is not None:
                raise UserError("targets of a network that reconstructs its inputs are the inputs; leave them out")
            return NONE
        if targets is None:
            raise UserError(f"targets of task {spec.task} are missing; give whole numbers [{n_rows}, {spec.n_outputs}]")
        targets = np.asarray(targets)
        if targets.shape != (n_rows, spec.n_outputs) or targets.dtype.kind not in "iu":
            raise UserError(
                f"targets {targets.dtype}{list(targets.shape)} do not fit; the network takes whole numbers "
                f"[{n_rows}, {spec.n_outputs}]"
            )
        lowest, highest = spec.target_range
        if targets.size and (targets.min() < lowest or targets.max() > highest):
            raise UserError(
                f"targets {targets.min()}..{targets.max()} are out of range; {spec.output} outputs take {lowest} to "
                f"{highest}"
            )
        return np.ascontiguousarray(targets, np.int16)

    def _check_detector(self, detector: DetectorArrays, n_steps: int) -> None:
        if len(detector.rows) < n_steps:
            raise UserError(f"detector has room for {len(detector.rows)} rows, and {n_steps} are taken")
        holds_back = detector.settings[d.LEARN_WHILE] == d.LEARN_NORMAL
        if detector.settings[d.ACTIVE] and holds_back != (self._spec.update_gate == "normal"):
            raise UserError(
                "a detector that learns while normal takes a network with update_gate 'normal', others take 'always'; "
                "give design the gate of DetectorSpec.update_gate"
            )
