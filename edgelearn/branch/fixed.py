"""Predictors that learn nothing: always taken, and backward taken, forward not taken.

They are the floors that a learning predictor has to beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.branch.base import BasePredictor
from edgelearn.branch.datapath import Datapath
from edgelearn.errors import UserError


@dataclass(frozen=True)
class FixedSpec:
    """A prediction without state: every branch taken, or those that go back."""

    backward_only: bool = False

    @property
    def name(self) -> str:
        return "static" if self.backward_only else "always-taken"

    @property
    def table_bits(self) -> int:
        """There is no table."""
        return 0

    @property
    def storage_bits(self) -> int:
        """There is no state."""
        return 0


class Fixed(BasePredictor):
    """Predictor without state; see `Predictor`.

    Attributes
    ----------
    backward : uint8[n], of the branches of the next `run`: 1 where the target is not above the address
    """

    def __init__(self, spec: FixedSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        self._backward: np.ndarray | None = None

    @property
    def needs_targets(self) -> bool:
        """Whether `run` reads `backward`."""
        return self.spec.backward_only

    @property
    def backward(self) -> np.ndarray | None:
        return self._backward

    @backward.setter
    def backward(self, value: np.ndarray | None) -> None:
        self._backward = value

    def state(self) -> dict[str, np.ndarray]:
        return {"_totals": self._totals}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self._totals[...] = state["_totals"]

    @property
    def datapath(self) -> Datapath:
        return Datapath(self.name, (), (), 0.0)

    def _learn(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int, int]:
        """Return mispredicted branches; nothing is trained, read or written.

        Raises
        ------
        UserError : "static predicts by the target ..."
        """
        if not self.needs_targets:
            says = np.ones(len(pc), np.uint8)
        elif self._backward is None or len(self._backward) != len(pc):
            raise UserError(
                "static predicts by the target of a branch, and these branches have none; give always-taken"
            )
        else:
            says = self._backward
        if len(predicted):
            predicted[:] = says
        return int((says != taken).sum()), 0, 0, 0
