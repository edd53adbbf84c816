"""Branch predictor of two-layer int8 networks, one per table row, trained online by a local rule.

A row of the table has `hidden` units over the last `length` outcomes x (-1 or 1) and their bias, and one output:

    z_k = W_k . x + b_k     a_k = clip(z_k, -127, 127)      y = bias + ((v . a) >> 5)      taken where y >= 0

Branches with wrong y or |y| <= theta are learned. Output weights v move by outcome * a_k / 2**v_shift, rounded at
random, hidden weights by -1, 0 or 1 times their input (bp: up to 2). The rules differ in what reaches a hidden unit:

| rule | teaching signal | feedback | v |
|---|---|---|---|
| mdfa | error | 1 | stays at 1 or above |
| dfa | error | 1, -1, 1, ... | any sign |
| sdfa | sign of the error | as dfa | any sign |
| drtp | outcome, at every branch | as dfa | any sign |
| drtp-gated | outcome, where there is an error | as dfa | any sign |
| bp | error | v_k / 64, rounded at random | any sign |
| madaline | on a misprediction, the wrong-sided unit nearest to zero | 1 | stays at 1 or above |
| frozen | | none | any sign |

The error is 0 or the outcome, so that sdfa and drtp-gated are dfa, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgelearn.branch.base import MOST_DELAY, MOST_ROWS, BasePredictor, DoesNotFit, check_block, delayed
from edgelearn.branch.datapath import Datapath, Memory, Sums
from edgelearn.branch.kernels import two_layer as kernel
from edgelearn.branch.kernels.history import new_history
from edgelearn.errors import UserError, unknown
from edgelearn.rules import Backend, Feedback, Rule, Signal, rules_for

GENERATOR_BITS = 32


@dataclass(frozen=True)
class RowRule:
    """Kernel codes of a learning rule; derived by `RowRule.of`."""

    signal: int
    feedback: int
    gated: bool
    positive: bool

    @classmethod
    def of(cls, rule: Rule) -> RowRule:
        """Return the codes of a rule in a row with one output, where the error is 0 or the outcome."""
        feedback = _FEEDBACKS[rule.feedback]
        if rule.broadcasts and rule.non_negative:
            feedback = kernel.POSITIVE
        return cls(_SIGNALS[rule.signal], feedback, rule.signal is not Signal.TARGET, rule.non_negative)


_SIGNALS = {
    Signal.NONE: kernel.ERROR,
    Signal.TARGET: kernel.TARGET,
    Signal.GATED_TARGET: kernel.TARGET,
    Signal.ERROR: kernel.ERROR,
    Signal.SIGN_ERROR: kernel.SIGN_ERROR,
    Signal.DELTA: kernel.ERROR,
}
_FEEDBACKS = {
    Feedback.NONE: kernel.NONE,
    Feedback.DIRECT: kernel.ALTERNATING,
    Feedback.TRANSPOSE: kernel.TRANSPOSE,
    Feedback.NEAREST: kernel.NEAREST,
}
FROZEN = "frozen"  # name of rule shallow among predictors
RULES = {FROZEN if name == "shallow" else name: RowRule.of(rule) for name, rule in rules_for(Backend.BRANCH).items()}

_RANGES = {
    "length": (1, 1024),
    "hidden": (1, 256),
    "rows": (1, MOST_ROWS),
    "theta": (0, 1 << 20),
    "spread": (0, 127),
    "v_shift": (0, 16),
    "leak": (0, 256),
    "v0": (1, 127),
    "seed": (0, (1 << 32) - 1),
    "delay": (0, MOST_DELAY),
}


def nearest_size(n_bytes: int) -> int:
    """Return which of 8, 32 and 64 KB has the settings for so many bytes: 0, 1 or 2."""
    return 0 if n_bytes < 16 << 10 else 1 if n_bytes < 48 << 10 else 2


@dataclass(frozen=True)
class TwoLayerSpec:
    """A table of two-layer rows.

    Parameters
    ----------
    rule : a name of `RULES`
    length : outcomes a row sees; hidden : units of a row; rows : rows of the table
    theta : margin in units of y
    spread : first hidden weights are drawn from -spread to spread
    v_shift : steps of the output weights are divided by 2**v_shift
    leak : a unit at its rail learns with the chance leak / 256
    v0 : first size of the output weights
    seed : of the generator; 2k and 2k + 1 are the same
    delay : further branches predicted before a branch is learned, with its sums computed again

    Raises
    ------
    UserError : an unknown rule, a setting outside its range
    """

    rule: str = "mdfa"
    length: int = 24
    hidden: int = 8
    rows: int = 156
    theta: int = 320
    spread: int = 20
    v_shift: int = 7
    leak: int = 0
    v0: int = 64
    seed: int = 7
    delay: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise unknown("rule of rows", self.rule, RULES)
        for name, (lowest, highest) in _RANGES.items():
            if not lowest <= getattr(self, name) <= highest:
                raise UserError(f"{name} is {getattr(self, name)}; give {lowest} to {highest}")

    @classmethod
    def for_budget(cls, n_bytes: int, rule: str = "mdfa", seed: int = 7, delay: int = 0) -> TwoLayerSpec:
        """Return as many rows as fit, with the settings of the nearest of 8, 32 and 64 KB.

        Raises
        ------
        DoesNotFit : fewer bytes than a row
        """
        chosen = _SETTINGS[nearest_size(n_bytes)]
        spec = replace(chosen, rule=rule, seed=seed, delay=delay)
        if n_bytes < spec.row_words:
            raise DoesNotFit(
                f"a budget of {n_bytes} bytes has no room for a row of {spec.row_words}; give {spec.row_words} or more"
            )
        return replace(spec, rows=min(n_bytes // spec.row_words, MOST_ROWS))

    @classmethod
    def of_shape(cls, rule: str, rows: int, length: int, hidden: int, delay: int = 0) -> TwoLayerSpec:
        """Return rows of a shape, with the settings found for it, or else with those for the size of the table.

        Nothing but the shape decides, so that a name is one predictor.
        """
        spec = cls(rule, length, hidden, rows, delay=delay)
        tuned = [one for one in _SETTINGS if (one.length, one.hidden) == (length, hidden)]
        near = tuned[0] if tuned else _SETTINGS[nearest_size(spec.table_bits // 8)]
        return replace(near, rule=rule, length=length, hidden=hidden, rows=rows, delay=delay)

    @property
    def name(self) -> str:
        return f"{self.rule}:{self.rows}:{self.length}:{self.hidden}{delayed(self.delay)}"

    @property
    def row_words(self) -> int:
        """Return the words of 8 bits of a row."""
        return self.hidden * (self.length + 1) + self.hidden + 1

    @property
    def table_bits(self) -> int:
        """Return the bits of the rows, which a budget is compared with."""
        return 8 * self.rows * self.row_words

    @property
    def storage_bits(self) -> int:
        """Return rows, history and generator; branches in flight wait elsewhere."""
        return self.table_bits + self.length + GENERATOR_BITS

    def datapath(self, updates: float, more_bits: int = 0) -> Datapath:
        """Return the datapath of the rows; `more_bits` per row are a tag and counters beside its weights."""
        memory = Memory(self.rows, 8 * self.row_words + more_bits, written=1)
        hidden = Sums(self.length + 1, trees=self.hidden, signed=True, saturated=True)
        output = Sums(self.hidden, 16, products=self.hidden)
        words = self.hidden + 1 if RULES[self.rule].feedback == kernel.NONE else self.row_words
        return Datapath(self.name, (memory,), (hidden, output), updates, words)

    def settings(self, bias_lowest: int = -128) -> np.ndarray:
        """Return the settings as kernels read them, int64."""
        rule = RULES[self.rule]
        values = {
            "v_lowest": 1 if rule.positive else -127,
            "bias_lowest": bias_lowest,
            "signal": rule.signal,
            "feedback": rule.feedback,
            "gated": rule.gated,
        }
        return np.array([int(values[n] if n in values else getattr(self, n)) for n in kernel.NAMES], np.int64)


_SETTINGS = (
    TwoLayerSpec(length=20, hidden=2, theta=120, spread=2, v0=32, rows=182),
    TwoLayerSpec(length=24, hidden=8, theta=320, spread=20, v0=64, rows=156),
    TwoLayerSpec(length=36, hidden=8, theta=120, spread=20, v0=64, rows=214),
)


class TwoLayer(BasePredictor):
    """Table of two-layer rows: weights and state."""

    def __init__(self, spec: TwoLayerSpec) -> None:
        super().__init__(spec)
        self.spec = spec
        self.words = np.zeros((spec.rows, spec.row_words), np.int8)
        self._settings = spec.settings()
        self._generator = np.array([spec.seed | 1], np.uint32).view(np.int32)
        self._generator[0] = kernel.fill_all(self.words, self._settings, self._generator[0])
        self._window, at = new_history(spec.length + spec.delay)
        self._state = np.array([at[0], 0, 0], np.int64)
        self._z = np.zeros(spec.hidden, np.int32)
        self._flight_row, self._flight = np.zeros(spec.delay + 1, np.int64), np.zeros((spec.delay + 1, 3), np.int8)
        self._counts = np.zeros(5, np.int64)

    @property
    def datapath(self) -> Datapath:
        return self.spec.datapath(self.per_branch("trained"))

    @property
    def generator(self) -> int:
        """Return the state of the generator, 32 bits."""
        return int(self._generator.view(np.uint32)[0])

    def run(self, pc: np.ndarray, taken: np.ndarray, predicted: np.ndarray) -> int:
        check_block(pc, taken, predicted)
        return int(
            kernel.two_layer(
                pc, taken, predicted, self.words, self._window, self._state, self._generator, self._settings, self._z,
                self._flight_row, self._flight, self._counts,
            )
        )  # fmt: skip

    @property
    def counters(self) -> dict[str, int]:
        """Return branches, misses, trained branches, words of 8 bits read and written; late training reads again."""
        spec, (branches, misses, trained, v_steps, w_steps) = self.spec, self._counts.tolist()
        written = v_steps * (spec.hidden + 1) + w_steps * (spec.length + 1)
        read = (branches + (trained if spec.delay else 0)) * spec.row_words
        return {
            "branches": branches,
            "misses": misses,
            "trained": trained,
            "words_read": read,
            "words_written": written,
        }
