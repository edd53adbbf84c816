"""Configurations that advice chooses from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from edgelearn.config import FEWEST_TO_NEAREST
from edgelearn.rules.catalog import RULES, find_rules

WIDTHS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # neurons of the hidden layer
STORED_BITS = (16, 12, 8, 6, 4)  # of a weight; view bits, residual bits and rounding follow from them
FEEDBACK = ("int8", "ternary", "lfsr")  # of rules that store feedback weights; sign needs as much as ternary or less


@dataclass(frozen=True, order=True)
class Candidate:
    """A configuration without its learning rates.

    Parameters
    ----------
    width : neurons of the hidden layer, None where the layers are given
    feedback : None where the rule stores no feedback weights
    """

    rule: str
    feedback: str | None
    stored_bits: int
    width: int | None

    @property
    def family(self) -> tuple[str, str | None]:
        """Rule and feedback: the candidates that share learning rates."""
        return self.rule, self.feedback

    @property
    def is_wide(self) -> bool:
        """Whether weights have residual bits: other formats round at random, and take other learning rates."""
        return self.stored_bits >= FEWEST_TO_NEAREST

    def settings(self) -> dict[str, Any]:
        """Return the settings of the candidate but for its layers."""
        found = {"rule": self.rule, "weight_bits": self.stored_bits}
        return found if self.feedback is None else found | {"feedback": self.feedback}


def candidates(rules: Sequence[str], has_net: bool) -> list[Candidate]:
    """Return all candidates of some rules.

    Parameters
    ----------
    has_net : whether the layers are given
    """
    found = []
    for rule in rules:
        stores = any(row.stores_feedback for row in find_rules(rule))
        axes = (FEEDBACK if stores else (None,), STORED_BITS, (None,) if has_net else WIDTHS)
        found += [Candidate(rule, feedback, bits, width) for feedback, bits, width in product(*axes)]
    return found


def default_rules(has_net: bool) -> list[str]:
    """Return the rules that are tried where none are named; with one hidden layer fa is dfa, bit for bit."""
    return [name for name in RULES if has_net or name != "fa"]
