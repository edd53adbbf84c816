"""Networks whose layers have rules and masks of their own, for comparisons with the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from edgelearn.errors import UserError
from edgelearn.network.spec import FEEDBACK_FORMATS, ROUNDINGS, NetworkSpec, design
from edgelearn.rules import RULES

FAST = {"hidden_rate": -1, "output_rate": -2, "range_exponent": -1}
MASKS = ("all", "none+all+all", "bias", "all+none+all", "bias+all+none", "all+bias+bias", "last2", "none+bias+all")
GATES = ("always", "always", "error")


def pairs_of_rules() -> Iterator[tuple[str, NetworkSpec]]:
    """Yield a network of two hidden layers for each pair of rules, with masks, roundings and formats in turn."""
    for number, rules in enumerate(product(RULES, RULES)):
        settings = {
            "learn": MASKS[number % len(MASKS)],
            "rounding": ROUNDINGS[number % 3],
            "feedback_format": FEEDBACK_FORMATS[number % 4],
            "bits": (4, 8, 6)[number // 3 % 3],
            "update_gate": GATES[number // 2 % 3],
        }
        if RULES[rules[0]].holds_deltas:  # which takes d of any layer above
            settings["learn"] = ("all", "all+none+all", "all+bias+all")[number % 3]
        spec = _built((7, 6, 5, 3), "+".join(rules), **settings, **FAST)
        if spec is not None:
            yield f"{spec.rule_name} {spec.learn} {spec.rounding}", spec


def masks_of_rules() -> Iterator[tuple[str, NetworkSpec]]:
    """Yield networks of every rule under each mask."""
    for number, (rule, learn) in enumerate(
        product(RULES, ("last", "bias", "all+none+all", "none+bias+all", "all+all+none"))
    ):
        spec = _built((7, 6, 5, 3), rule, rounding=ROUNDINGS[number % 3], bits=8, learn=learn, **FAST)
        if spec is not None:
            yield f"{rule} {learn} {spec.rounding}", spec


def _built(*arguments: object, **settings: object) -> NetworkSpec | None:
    try:
        return design(*arguments, **settings)  # type: ignore[arg-type]
    except UserError:  # a delta of a layer that forms none
        return None
