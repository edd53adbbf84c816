"""Two-layer rows with tags beside a main predictor; rows are allocated when the main predictor mispredicts.

The main predictor learns as if it were alone. A row is found by `pc mod rows` and a tag of 10 bits, learns whenever
it is found, and predicts once its chooser (-8 to 7) is above 0, which moves where the two disagree. One misprediction
in eight without a row wears out the useful counter (0 to 15) of the row in its place, or takes the place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgelearn.branch.base import ArrayState, DoesNotFit, Predictor, check_block
from edgelearn.branch.datapath import Datapath
from edgelearn.branch.kernels import hybrid as kernel
from edgelearn.branch.kernels.history import new_history
from edgelearn.branch.perceptrons import Perceptron, PerceptronSpec
from edgelearn.branch.two_layer import GENERATOR_BITS, TwoLayerSpec, nearest_size
from edgelearn.errors import UserError, unknown

BLOCK = 1 << 15  # branches that the two predictors take in turn
ROW_BITS = kernel.TAG_BITS + kernel.USEFUL_BITS + kernel.CHOOSER_BITS  # of a row beside its words


SIDE = TwoLayerSpec(theta=200, spread=20, v0=32)
# history length and hidden units of side rows by size of the hybrid (see `nearest_size`), and 1 / their share of it
_SIDES = {"perceptron": (((24, 8), (36, 8), (36, 12)), 4), "hashed": (((36, 12), (36, 12), (36, 16)), 2)}


def side_for_budget(n_bytes: int, rule: str = "mdfa", seed: int = 7, main: str = "perceptron") -> TwoLayerSpec:
    """Return the side rows of a hybrid of so many bytes: a quarter beside a perceptron, half beside a hashed one.

    Parameters
    ----------
    main : "perceptron" or "hashed"

    Raises
    ------
    DoesNotFit : fewer bytes than a row
    UserError : an unknown main predictor
    """
    if main not in _SIDES:
        raise unknown("main predictor", main, _SIDES)
    shapes, part = _SIDES[main]
    length, hidden = shapes[nearest_size(n_bytes)]
    side = replace(SIDE, rule=rule, length=length, hidden=hidden, seed=seed)
    row_bits = 8 * side.row_words + ROW_BITS
    rows = 8 * n_bytes // part // row_bits
    if rows < 1:
        raise DoesNotFit(
            f"{n_bytes} bytes have no room for a side row of {row_bits} bits in one part of {part}; "
            f"give {-(-part * row_bits // 8):,} or more"
        )
    return replace(side, rows=rows)


def perceptron_for_budget(n_bytes: int) -> Perceptron:
    """Return the perceptron of a hybrid of so many bytes, which is given three quarters of them.

    Raises
    ------
    DoesNotFit : fewer bytes than a row
    """
    length = (36, 36, 48)[nearest_size(n_bytes)]
    rows = 3 * n_bytes // 4 // (length + 1)
    if rows < 1:
        raise DoesNotFit(
            f"{n_bytes} bytes have no room for a perceptron of {length + 1} in three quarters; "
            f"give {-(-4 * (length + 1) // 3)} or more"
        )
    return Perceptron(PerceptronSpec(rows, length))


class Hybrid(ArrayState):
    """A predictor and tagged two-layer rows beside it, a `Predictor`.

    Parameters
    ----------
    main : any predictor that has seen nothing yet; side : the rows; both of one history

    Raises
    ------
    UserError : side rows with delay
    """

    def __init__(self, main: Predictor, side: TwoLayerSpec) -> None:
        if side.delay:
            raise UserError(f"side rows are given a delay of {side.delay}; they learn at once, give 0")
        self.main, self.side = main, side
        self.words = np.zeros((side.rows, side.row_words), np.int8)
        self.tag = np.full(side.rows, -1, np.int16)
        self.useful, self.chooser = np.zeros(side.rows, np.int8), np.zeros(side.rows, np.int8)
        self._settings = side.settings(bias_lowest=-127)
        self._generator = np.array([side.seed | 1], np.uint32).view(np.int32)
        self._window, self._state = new_history(side.length)
        self._z, self._counts = np.zeros(side.hidden, np.int32), np.zeros(8, np.int64)

    @classmethod
    def for_budget(cls, n_bytes: int, rule: str = "mdfa", seed: int = 7) -> Hybrid:
        """Return a perceptron on three quarters of the bytes and side rows on one.

        Raises
        ------
        DoesNotFit : too few bytes for a row of each
        """
        return cls(perceptron_for_budget(n_bytes), side_for_budget(n_bytes, rule, seed))

    @property
    def name(self) -> str:
        return f"{self.main.name}+{self.side.name}"

    @property
    def side_bits(self) -> int:
        """Return the bits of the side rows with tags, useful counters and choosers."""
        return self.side.table_bits + self.side.rows * ROW_BITS

    @property
    def storage_bits(self) -> int:
        """Return the bits of both, with a history register of its own for the rows."""
        return self.main.storage_bits + self.side_bits + self.side.length + GENERATOR_BITS

    @property
    def datapath(self) -> Datapath:
        counts = self.counters
        side = self.side.datapath(counts["side_trained"] / max(counts["branches"], 1), ROW_BITS)
        return replace(self.main.datapath, name=self.name, beside=(side,))

    @property
    def generator(self) -> int:
        """Return the state of the generator, 32 bits."""
        return int(self._generator.view(np.uint32)[0])

    def run(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> int:
        """Predict and learn branches one after another; return the number of mispredictions (see `Predictor`)."""
        check_block(pc, taken, predicted)
        main = np.empty(min(BLOCK, len(pc)), np.uint8)
        misses = 0
        for start in range(0, len(pc), BLOCK):
            part = slice(start, start + BLOCK)
            says = main[: len(pc[part])]
            self.main.run(pc[part], taken[part], says)
            misses += self._decide(pc[part], taken[part], says, predicted[part])
        return misses

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays of both; those of the main predictor are called main.NAME."""
        return super().state() | {f"main.{name}": array for name, array in self.main.state().items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from `state` of a predictor with the same settings."""
        super().restore(state)
        self.main.restore({name: state[f"main.{name}"] for name in self.main.state()})

    def _decide(self, pc: np.ndarray, taken: np.ndarray, says: np.ndarray, predicted: np.ndarray) -> int:
        """Let rows replace what the other predictor says, and learn; return how many were mispredicted."""
        return int(
            kernel.side_table(
                pc, taken, says, predicted, self.words, self.tag, self.useful, self.chooser,
                self._window, self._state, self._generator, self._settings, self._z, self._counts,
            )
        )  # fmt: skip

    @property
    def counters(self) -> dict[str, int]:
        """Return counts of both, and how often a row was found, predicted and was allocated.

        Words are of 8 bits; a tag, its counters included, is not counted.
        """
        side, main = self.side, self.main.counters
        branches, misses, trained, v_steps, w_steps, hits, supplied, allocated = self._counts.tolist()
        written = v_steps * (side.hidden + 1) + w_steps * (side.length + 1) + allocated * side.row_words
        return {
            "branches": branches,
            "misses": misses,
            "trained": main["trained"],
            "side_trained": trained,
            "words_read": main["words_read"] + hits * side.row_words,
            "words_written": main["words_written"] + written,
            "hits": hits,
            "supplied": supplied,
            "allocated": allocated,
        }
