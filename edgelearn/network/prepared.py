"""Levels that are learned or predicted over and over: checked once, and their events listed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from edgelearn.network.kernels.arrays import BlockInputs


@dataclass(eq=False)
class PreparedLevels:
    """Levels of a data set, as `Learner.prepare` returns them; they must not change afterwards.

    Learners of other networks may share them if those take the same range of levels.

    Parameters
    ----------
    levels : uint8[n, n_in]
    repeated : whether they come more than once
    lists : inputs of the first layer for all rows, once a kernel has needed them; None before, and where they would
        not fit the memory that they may take
    """

    levels: np.ndarray
    repeated: bool = False
    lists: BlockInputs | None = None

    def __len__(self) -> int:
        return len(self.levels)
