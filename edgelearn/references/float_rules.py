"""The rule table of the float references: the rows of edgelearn.rules, and relatives that exist in float only."""

from __future__ import annotations

from dataclasses import dataclass

from edgelearn.errors import unknown


@dataclass(frozen=True)
class FloatRule:
    """What teaches the hidden layers.

    Parameters
    ----------
    name : as in the papers, lower case
    signal : "delta" of the layer above, "error", "sign" of the error, "target", "noise" or "none"
    down : how a delta goes down: "transpose", "random", "sign" of the weights or "pseudo-inverse"; "" for broadcasts
    source : paper and place
    non_negative : feedback, and weights after the first layer, are kept >= 0
    fixed_gates : hidden units are 1[g x > 0] (w x) with frozen g
    """

    name: str
    signal: str
    down: str
    source: str
    non_negative: bool = False
    fixed_gates: bool = False

    @property
    def broadcasts(self) -> bool:
        return self.signal in ("error", "sign", "target")


FLOAT_RULES = {
    rule.name: rule
    for rule in (
        FloatRule("bp", "delta", "transpose", "backpropagation; FA, Note 1"),
        FloatRule("fa", "delta", "random", "FA, main text; DRTP, Fig. 1"),
        FloatRule("dfa", "error", "", "DRTP, Fig. 1; thesis, section 1.2"),
        FloatRule("sdfa", "sign", "", "DRTP, section 2.1"),
        FloatRule("drtp", "target", "", "DRTP, Algorithm 1"),
        FloatRule("mdfa", "error", "", "mDFA, section 3", non_negative=True),
        FloatRule("shallow", "none", "", "DRTP, section 2.1; random features: thesis, section 1.3.2"),
        FloatRule("sign-symmetry", "delta", "sign", "mDFA, section 2.3 (Liao et al. 2016)"),
        FloatRule("pseudobackprop", "delta", "pseudo-inverse", "FA, Note 15"),
        FloatRule("node-perturbation", "noise", "", "FA, Suppl. Fig. 1 and Note 1"),
        FloatRule("ntk", "delta", "transpose", "thesis, section 1.3.1", fixed_gates=True),
    )
}


def float_rule(name: str) -> FloatRule:
    """Return the row of a rule, its name in any case.

    Raises
    ------
    UserError
        "rule '...' is not known"
    """
    if name.lower() not in FLOAT_RULES:
        raise unknown("rule", name, FLOAT_RULES)
    return FLOAT_RULES[name.lower()]
