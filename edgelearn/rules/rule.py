"""A learning rule is one frozen row; what follows from the row is derived here, never typed in again.

dW_k = -rate * (m_k * g_k) x_k^T        x: pre factor   g: post factor f'(z)   m: modulator
m_k  = F_k s                            s: teaching signal   F: feedback operator
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgelearn.errors import UserError


class Signal(Enum):
    """Where a hidden layer's teaching signal comes from."""

    NONE = "none"
    TARGET = "target"
    ERROR = "error"
    SIGN_ERROR = "sign of the error"
    DELTA = "delta of the layer above"


class Feedback(Enum):
    """How the teaching signal reaches a hidden layer."""

    NONE = "none"
    DIRECT = "direct, fixed random"
    LAYERWISE = "layer by layer, fixed random"
    TRANSPOSE = "layer by layer, transposed forward weights"


class Constraint(Enum):
    """What the weights keep."""

    NONE = "none"
    NON_NEGATIVE_AFTER_FIRST = "non-negative feedback; non-negative weights after the first layer"


class Locking(Enum):
    """What a hidden layer waits for before it may update."""

    NONE = "none"
    UPDATE = "update"
    BACKWARD = "backward"


_FEEDBACKS_OF_SIGNAL = {
    Signal.NONE: {Feedback.NONE},
    Signal.TARGET: {Feedback.DIRECT},
    Signal.ERROR: {Feedback.DIRECT},
    Signal.SIGN_ERROR: {Feedback.DIRECT},
    Signal.DELTA: {Feedback.LAYERWISE, Feedback.TRANSPOSE},
}


@dataclass(frozen=True)
class Rule:
    """One row of the rule table.

    Parameters
    ----------
    name : as users type it
    signal, feedback, constraint : the three choices that define the rule
    source : paper and equation
    hidden_rate, output_rate : starting points, exponents of two

    Raises
    ------
    UserError
        "rule '...' cannot be built": the signal and the feedback operator do not fit.
    """

    name: str
    signal: Signal
    feedback: Feedback
    constraint: Constraint
    source: str
    hidden_rate: int
    output_rate: int

    def __post_init__(self) -> None:
        allowed = _FEEDBACKS_OF_SIGNAL[self.signal]
        if self.feedback not in allowed:
            names = " or ".join(sorted(f.name for f in allowed))
            raise UserError(
                f"rule '{self.name}' cannot be built: signal {self.signal.name} takes feedback {names}, "
                f"not {self.feedback.name}"
            )

    @property
    def learns_hidden(self) -> bool:
        return self.signal is not Signal.NONE

    @property
    def locking(self) -> Locking:
        """A target is known at once, an error after the forward pass, a delta after the layer above."""
        if self.signal is Signal.DELTA:
            return Locking.BACKWARD
        if self.signal in (Signal.ERROR, Signal.SIGN_ERROR):
            return Locking.UPDATE
        return Locking.NONE

    @property
    def weight_transport(self) -> bool:
        """Whether the rule reads forward weights of another layer on the way back."""
        return self.feedback is Feedback.TRANSPOSE

    @property
    def stores_feedback(self) -> bool:
        return self.feedback in (Feedback.DIRECT, Feedback.LAYERWISE)

    @property
    def non_negative(self) -> bool:
        return self.constraint is Constraint.NON_NEGATIVE_AFTER_FIRST

    @property
    def holds_deltas(self) -> bool:
        return self.signal is Signal.DELTA

    @property
    def last_to_first(self) -> bool:
        return self.locking is Locking.BACKWARD

    @property
    def modulator_scale(self) -> int:
        """M: the modulator's 1.0 is 2^M. Targets and signs have no fraction to keep."""
        return 12 if self.signal in (Signal.ERROR, Signal.DELTA) else 7

    def feedback_rows(self, n_next: int, n_outputs: int) -> int:
        """Return the signal lanes of a hidden layer with `n_next` neurons above it."""
        if not self.stores_feedback:
            return 0
        return n_outputs if self.feedback is Feedback.DIRECT else n_next

    @property
    def feedback_words(self) -> str:
        """Feedback words stored for a hidden layer k of n_k neurons, C outputs."""
        if not self.stores_feedback:
            return "0"
        if self.feedback is Feedback.LAYERWISE:
            return "n_k n_(k+1)"
        return "n_k C (one row read)" if self.signal is Signal.TARGET else "n_k C"
