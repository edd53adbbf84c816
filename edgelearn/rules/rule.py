"""A learning rule is one frozen row of operators; locking, buffers, transport and support are derived from the row.

dW_k = -rate * (m_k * g_k) x_k^T        x: pre factor   g: post factor f'(z)   m: modulator
m_k  = F_k s                            s: teaching signal   F: feedback operator
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgelearn.errors import UserError


class Locking(Enum):
    """Dependency that must be met before a hidden layer updates."""

    NONE = "none"
    LAYER = "layer"  # its own outputs, all of them; nothing of the layers above
    UPDATE = "update"
    BACKWARD = "backward"


class Feedback(Enum):
    """Path of the teaching signal to a hidden layer.

    Attributes
    ----------
    stored : whether the operator is a fixed, stored matrix
    weight_transport : whether it reads forward weights of another layer
    """

    stored: bool
    weight_transport: bool

    def __new__(cls, text: str, stored: bool = False, weight_transport: bool = False) -> Feedback:
        member = object.__new__(cls)
        member._value_ = text
        member.stored, member.weight_transport = stored, weight_transport
        return member

    NONE = "none"
    DIRECT = "direct, fixed random", True
    LAYERWISE = "layer by layer, fixed random", True
    TRANSPOSE = "layer by layer, transposed forward weights", False, True
    SIGN = "layer by layer, fixed magnitudes with the signs of transposed forward weights", True, True
    PSEUDO_INVERSE = "layer by layer, pseudo-inverse of forward weights", False, True
    NEAREST = "to the hidden unit on the wrong side that is nearest to zero"


class Signal(Enum):
    """Source of a hidden layer's teaching signal.

    Attributes
    ----------
    locking : dependency of the signal
    scale : fraction bits of a signal word; of a delta, those of the modulators of the layer above, or of an error
    modulator_scale : M, the modulator's 1.0 is 2^M; targets and signs have no fraction to keep
    feedbacks : compatible feedback operators
    """

    locking: Locking
    scale: int
    modulator_scale: int
    feedbacks: tuple[Feedback, ...]

    def __new__(cls, text: str, locking: Locking, scale: int, modulator_scale: int, *feedbacks: Feedback) -> Signal:
        member = object.__new__(cls)
        member._value_ = text
        member.locking, member.scale, member.modulator_scale = locking, scale, modulator_scale
        member.feedbacks = feedbacks
        return member

    NONE = "none", Locking.NONE, 0, 7, Feedback.NONE
    TARGET = "target", Locking.NONE, 0, 7, Feedback.DIRECT
    GATED_TARGET = "target, where there is an error", Locking.UPDATE, 0, 7, Feedback.DIRECT
    SIGNED_TARGET = "signed target: -1 for the label, +1 for other outputs", Locking.NONE, 0, 7, Feedback.DIRECT
    ERROR = "error", Locking.UPDATE, 8, 12, Feedback.DIRECT, Feedback.NEAREST
    SIGN_ERROR = (
        "sign of the error: signed target, 0 where an output has reached it",
        Locking.UPDATE,
        0,
        7,
        Feedback.DIRECT,
    )
    LOCAL_ERROR = "error of the layer's own fixed readout", Locking.LAYER, 8, 12, Feedback.DIRECT
    LOSS_CHANGE = "change of the loss under noise", Locking.UPDATE, 8, 12, Feedback.NONE
    DELTA = (
        "delta of the layer above",
        Locking.BACKWARD,
        12,
        12,
        Feedback.LAYERWISE,
        Feedback.TRANSPOSE,
        Feedback.SIGN,
        Feedback.PSEUDO_INVERSE,
    )


class Constraint(Enum):
    """Restriction on weights, feedback or gates."""

    NONE = "none"
    NON_NEGATIVE_AFTER_FIRST = "non-negative feedback; non-negative weights after the first layer"
    FIXED_GATES = "gates of frozen random weights"


class Backend(Enum):
    """Implementations of learning rules; each runs the rules whose three operators it supports, see `OPERATORS`."""

    NETWORK = "integer networks"
    SPIKING = "spiking networks"
    BRANCH = "rows of branch predictors"
    FLOAT = "float references"


_Operators = set[Signal | Feedback | Constraint]
_COMMON: _Operators = {
    Signal.NONE,
    Signal.TARGET,
    Signal.ERROR,
    Signal.SIGN_ERROR,
    Feedback.NONE,
    Feedback.DIRECT,
    Constraint.NONE,
}
_RATE: _Operators = _COMMON | {Signal.DELTA, Feedback.TRANSPOSE, Constraint.NON_NEGATIVE_AFTER_FIRST}
OPERATORS: dict[Backend, _Operators] = {
    Backend.NETWORK: _RATE | {Signal.SIGNED_TARGET, Signal.LOCAL_ERROR, Feedback.LAYERWISE},
    Backend.SPIKING: _COMMON,
    Backend.BRANCH: _RATE | {Signal.GATED_TARGET, Feedback.NEAREST},
    Backend.FLOAT: _RATE
    | {Signal.SIGNED_TARGET, Signal.LOSS_CHANGE}
    | {Feedback.LAYERWISE, Feedback.SIGN, Feedback.PSEUDO_INVERSE, Constraint.FIXED_GATES},
}


@dataclass(frozen=True)
class Rule:
    """One row of the rule table.

    Parameters
    ----------
    name : as users type it
    signal, feedback, constraint : the three operators that define the rule
    source : paper and equation
    hidden_rate, output_rate : starting points for integer networks, exponents of two

    Raises
    ------
    UserError
        "rule '...' cannot be built": the operators do not fit each other, or no backend has all three.
    """

    name: str
    signal: Signal
    feedback: Feedback
    constraint: Constraint
    source: str
    hidden_rate: int = -7
    output_rate: int = -8

    def __post_init__(self) -> None:
        if self.feedback not in self.signal.feedbacks:
            names = " or ".join(sorted(f.name for f in self.signal.feedbacks))
            raise UserError(
                f"rule '{self.name}' cannot be built: signal {self.signal.name} takes feedback {names}, "
                f"not {self.feedback.name}"
            )
        if not self.runs_on:
            raise UserError(
                f"rule '{self.name}' cannot be built: nothing runs signal {self.signal.name} with feedback "
                f"{self.feedback.name} and constraint {self.constraint.name}; see OPERATORS in edgelearn/rules/rule.py"
            )

    @property
    def runs_on(self) -> frozenset[Backend]:
        """Backends that support all three operators."""
        needed = {self.signal, self.feedback, self.constraint}
        return frozenset(backend for backend, operators in OPERATORS.items() if needed <= operators)

    @property
    def learns_hidden(self) -> bool:
        """Whether hidden layers learn."""
        return self.signal is not Signal.NONE

    @property
    def locking(self) -> Locking:
        """What a hidden layer waits for before it may update."""
        return self.signal.locking

    @property
    def weight_transport(self) -> bool:
        """Whether the rule reads forward weights of another layer on the way back."""
        return self.feedback.weight_transport

    @property
    def stores_feedback(self) -> bool:
        """Whether the feedback has words of its own."""
        return self.feedback.stored

    @property
    def reads_out(self) -> bool:
        """Whether each hidden layer has an error of its own: that of its fixed readout, the transposed feedback."""
        return self.signal is Signal.LOCAL_ERROR

    @property
    def broadcasts(self) -> bool:
        """Whether the outputs, not the layer above or the layer itself, send the signal to each hidden layer."""
        return self.feedback is Feedback.DIRECT and not self.reads_out

    @property
    def selects_row(self) -> bool:
        """Whether the signal is one-hot: a row of the feedback is looked up, nothing is summed."""
        return self.signal is Signal.TARGET

    @property
    def from_label(self) -> bool:
        """Whether the signal is formed from the label alone: hidden layers read it and wait for no output."""
        return self.signal in (Signal.TARGET, Signal.SIGNED_TARGET)

    @property
    def reads_label(self) -> bool:
        """Whether hidden layers read the label."""
        return self.from_label or self.reads_out

    @property
    def sends_signs(self) -> bool:
        """Whether signal words are -1, 0 or 1: feedback is added or subtracted, not multiplied."""
        return self.signal in (Signal.SIGN_ERROR, Signal.SIGNED_TARGET)

    @property
    def non_negative(self) -> bool:
        """Whether feedback, and weights behind the first layer, stay non-negative."""
        return self.constraint is Constraint.NON_NEGATIVE_AFTER_FIRST

    @property
    def holds_deltas(self) -> bool:
        """Whether the deltas of a layer are kept until the layer below has read them."""
        return self.signal is Signal.DELTA

    @property
    def last_to_first(self) -> bool:
        """Whether layers update from the last to the first."""
        return self.locking is Locking.BACKWARD

    @property
    def modulator_scale(self) -> int:
        """M: the modulator's 1.0 is 2^M."""
        return self.signal.modulator_scale

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
        if self.feedback is not Feedback.DIRECT:
            return "n_k n_(k+1)"
        return "n_k C (one row read)" if self.selects_row else "n_k C"
