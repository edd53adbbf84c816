"""Tagged two-layer rows beside TAGE, with TAGE's prediction and the branch's local history among their inputs.

Rows are found, allocated, chosen and taught as in `hybrid`. The inputs of a row are the newest outcomes of all
branches, the newest outcomes of branches with the same last address bits, and what the other predictor says, each -1
or 1: a row learns where the other one is wrong, not only what the branch does.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Self

import numpy as np

from edgelearn.branch.base import DoesNotFit, Predictor
from edgelearn.branch.datapath import Datapath, Memory
from edgelearn.branch.hybrid import ROW_BITS, Hybrid
from edgelearn.branch.kernels import tage_side_table as kernel
from edgelearn.branch.tage import Tage, TageSpec
from edgelearn.branch.two_layer import GENERATOR_BITS, TwoLayerSpec
from edgelearn.errors import UserError

LOCAL, LOCAL_BITS = 8, 6  # outcomes of a branch's own, and address bits that find them
SIDE = TwoLayerSpec("mdfa", length=36 + LOCAL + 1, hidden=4, rows=19, theta=160, spread=20, v_shift=7, v0=32)
ROW = 8 * SIDE.row_words + ROW_BITS  # bits


def _shortened(n_bytes: int) -> TageSpec:
    """Return TAGE with tags one bit shorter than alone."""
    alone = TageSpec.for_budget(n_bytes)
    return replace(alone, tag_bits=alone.tag_bits - 1)


def _rows_beside(main: TageSpec, n_bytes: int) -> int:
    """Return how many rows there is room for beside TAGE and the local histories; 0 or less for none."""
    return (8 * n_bytes - main.table_bits - (LOCAL << LOCAL_BITS)) // ROW


class SideTable(Hybrid):
    """Main predictor with a side table whose rows see its prediction and local histories, a `Predictor`.

    Parameters
    ----------
    main : any predictor that has seen nothing yet
    side : the rows; its length counts all inputs
    local, local_bits : outcomes of a branch's own that a row sees, in 2^local_bits histories

    Raises
    ------
    UserError : side rows with delay, fewer inputs than one of each kind
    """

    def __init__(self, main: Predictor, side: TwoLayerSpec, local: int = LOCAL, local_bits: int = LOCAL_BITS) -> None:
        super().__init__(main, side)
        if local < 1 or side.length < local + 2 or not 0 <= local_bits <= 24:
            raise UserError(
                f"{side.length} inputs with {local} local ones in 2^{local_bits} histories are not possible; "
                "give 1 or more local ones, 2 or more others, 0 to 24 bits"
            )
        self._newest = np.full(side.length - local - 1, -1, np.int8)
        self._local = np.full((1 << local_bits, local), -1, np.int8)
        self._inputs = np.zeros(side.length, np.int8)

    @classmethod
    def for_budget(cls, n_bytes: int, rule: str = "mdfa", seed: int = 7) -> Self:
        """Return TAGE with tags one bit shorter than alone, and side rows in the rest of the bytes.

        Raises
        ------
        DoesNotFit : too few bytes
        """
        main = _shortened(n_bytes)
        rows = _rows_beside(main, n_bytes)
        if rows < 1:
            enough = next(n for n in count(n_bytes + 1) if _rows_beside(_shortened(n), n) > 0)
            raise DoesNotFit(
                f"{n_bytes} bytes have no room for a side row of {ROW} bits beside tage; give more, such as {enough:,}"
            )
        return cls(Tage(main), replace(SIDE, rule=rule, seed=seed, rows=rows))

    @property
    def datapath(self) -> Datapath:
        hybrid = super().datapath
        (side,) = hybrid.beside  # waits for the main prediction, an input of its rows
        local = Datapath("local histories", (Memory(*self._local.shape, written=1),), (), 1.0)
        return replace(hybrid, beside=(replace(side, waits=True), local))

    @property
    def side_bits(self) -> int:
        """Return the bits of rows with tags, useful counters and choosers, and of local histories."""
        return super().side_bits + self._local.size

    @property
    def storage_bits(self) -> int:
        """Return the bits of both, with a history register of its own for the rows."""
        return self.main.storage_bits + self.side_bits + len(self._newest) + GENERATOR_BITS

    def _decide(self, pc: np.ndarray, taken: np.ndarray, says: np.ndarray, predicted: np.ndarray) -> int:
        return int(
            kernel.tage_side_table(
                pc, taken, says, predicted, self.words, self.tag, self.useful, self.chooser,
                self._newest, self._local, self._inputs, self._generator, self._settings, self._z, self._counts,
            )
        )  # fmt: skip
