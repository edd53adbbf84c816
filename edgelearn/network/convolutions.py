"""Settings of convolutions: what learns, at which rate, and where the teaching signal enters (contract, section 4a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from edgelearn.errors import UserError
from edgelearn.network.teaching import learned_of
from edgelearn.network.window import Window
from edgelearn.rules.catalog import split_names
from edgelearn.rules.rule import Feedback, Rule, Signal

KERNELS = ("learn", "frozen")
FEEDBACK_KINDS = ("element", "map")
TEACHES = ("elements", "positions")
CONVOLUTION_SETTINGS = ("kernels", "kernel_rate", "kernel_bias", "feedback_kind", "teach")
# Default kernel rate: exponents below the hidden rate. Measured on MNIST (docs/results.md) under bp, local, drtp, dfa;
# other signals take those of the nearest.
BELOW_HIDDEN_RATE = {
    Signal.NONE: 0,
    Signal.DELTA: 0,
    Signal.LOCAL_ERROR: 0,
    Signal.TARGET: 4,
    Signal.SIGNED_TARGET: 4,
    Signal.ERROR: 6,
    Signal.SIGN_ERROR: 6,
}
_BELOW_WITH_MAPS = 8  # the same d at all places of a map adds up
_LOWEST_RATE = -20
_OF_ANY_LAYER = (["all"], ["bias"])  # of --learn, which name no layer


@dataclass(frozen=True)
class ConvolutionSettings:
    """Settings of all convolutions of a network.

    Parameters
    ----------
    kernels : "learn", or "frozen": the mask "none" in convolutions
    kernel_rate : exponent of two of the learning rate of kernels; by the hidden rate when left out
    kernel_bias : whether maps have a bias
    feedback_kind : "element", a word of direct feedback per lane and element, or "map", one per lane and map
    teach : "elements" behind the pooling have modulators, or "positions" in front of it, as in the code of
        Frenkel et al. 2021
    """

    kernels: str = "learn"
    kernel_rate: int | None = None
    kernel_bias: bool = False
    feedback_kind: str = "element"
    teach: str = "elements"

    def rate(self, rule: Rule, hidden_rate: int) -> int:
        """Return the rate exponent of a convolution, from that of other hidden layers of its rule."""
        if self.kernel_rate is not None:
            return self.kernel_rate
        below = (
            _BELOW_WITH_MAPS if self.feedback_kind == "map" and _takes_kinds(rule) else BELOW_HIDDEN_RATE[rule.signal]
        )
        return max(hidden_rate - below, _LOWEST_RATE)

    def of_layer(self, rule: Rule, window: Window) -> dict[str, Any]:
        """Return the fields of a convolution that acts by a rule: without pooling, elements are the positions."""
        direct = _takes_kinds(rule)
        teach = self.teach if direct and window.pool > 1 else "elements"
        return {
            "window": replace(window, whole=teach == "positions"),
            "feedback_kind": self.feedback_kind if direct else "element",
            "teach": teach,
            "kernel_bias": self.kernel_bias,
        }


def _takes_kinds(rule: Rule) -> bool:
    """Return whether modulators come straight from the outputs, so that map feedback and positions are possible."""
    return rule.feedback is Feedback.DIRECT and not rule.reads_out


def kernel_masks(learn: str, windows: Sequence[Window | None], own: ConvolutionSettings) -> tuple[str, ...]:
    """Return the mask of each layer, "none" in convolutions whose kernels are frozen.

    Parameters
    ----------
    learn : see `edgelearn.network.teaching.learned_of`

    Raises
    ------
    UserError
        "learn '...' ..."
    """
    masks, found = learned_of(learn, len(windows)), []
    for number, (mask, window) in enumerate(zip(masks, windows, strict=True), 1):
        if window is not None and own.kernels == "frozen":
            if mask != "none" and split_names(learn) not in _OF_ANY_LAYER:
                raise UserError(
                    f"learn '{learn}' trains layer {number}, a convolution, and --kernels frozen does not; leave out "
                    "one of the two"
                )
            mask = "none"
        if window is not None and mask == "bias" and not own.kernel_bias:
            raise UserError(
                f"learn '{learn}' trains the biases of layer {number}, a convolution without any; "
                "give --kernel-bias, or --kernels frozen"
            )
        found.append(mask)
    return tuple(found)


def check_convolutions(
    own: ConvolutionSettings, rules: Sequence[Rule], masks: Sequence[str], windows: Sequence[Window | None]
) -> None:
    """Refuse settings that no convolution of the network takes.

    Parameters
    ----------
    rules : rows that hidden layers act by
    masks : words of each layer that learn

    Raises
    ------
    UserError
        "... has no effect ...", "... is not possible ..."
    """
    if not any(windows):
        for name, value in asdict(own).items():
            if value != getattr(ConvolutionSettings(), name):
                flag = "--" + name.replace("_", "-") + ("" if value is True else f" {value}")
                raise UserError(f"{flag} has no effect in a network without convolutions; leave it out")
        return
    teaching = {"--feedback-kind": (own.feedback_kind, "element"), "--teach": (own.teach, "elements")}
    taught = [(row, window) for row, window in zip(rules, windows, strict=False) if window and row.learns_hidden]
    learn = any(window and mask != "none" for (mask, window) in zip(masks, windows, strict=True))
    for flag, (value, default) in teaching.items():
        if value == default:
            continue
        if not taught or not learn:
            raise UserError(f"{flag} {value} has no effect where no kernel learns; leave it out")
        for row, _ in taught:
            if not _takes_kinds(row):
                raise UserError(
                    f"{flag} {value} is not possible under rule '{row.name}', whose signal does not come from the "
                    f"outputs alone; give --rule drtp or dfa, or {flag} {default}"
                )
    if own.teach == "positions":
        if all(window.pool == 1 for _, window in taught):
            raise UserError(
                "--teach positions has no effect on convolutions without pooling, whose elements are positions; leave "
                "it out, or write a pool2 behind a convolution that learns"
            )
        for below, row in pairwise(rules):
            if below.holds_deltas and _takes_kinds(row):
                raise UserError(
                    f"--teach positions is not possible above a layer by rule '{below.name}', which takes d of "
                    "elements; give --teach elements"
                )
