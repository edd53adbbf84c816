"""The rules, one row each. To add one, see CONTRIBUTING.md, "Add a learning rule"."""

from __future__ import annotations

from edgelearn.errors import unknown
from edgelearn.rules.rule import Constraint, Feedback, Rule, Signal

_FREE = Constraint.NONE

_ROWS = (
    Rule("bp", Signal.DELTA, Feedback.TRANSPOSE, _FREE, "Rumelhart, Hinton, Williams 1986", -6, -8),
    Rule("fa", Signal.DELTA, Feedback.LAYERWISE, _FREE, "Lillicrap et al. 2016, eq. dW = -B e x^T", -7, -8),
    Rule("dfa", Signal.ERROR, Feedback.DIRECT, _FREE, "Nokland 2016; Frenkel et al. 2021, fig. 1c", -7, -8),
    Rule("sdfa", Signal.SIGN_ERROR, Feedback.DIRECT, _FREE, "Frenkel et al. 2021, section 2.2", -8, -8),
    Rule("drtp", Signal.TARGET, Feedback.DIRECT, _FREE, "Frenkel et al. 2021, algorithm 1", -7, -8),
    Rule("mdfa", Signal.ERROR, Feedback.DIRECT, Constraint.NON_NEGATIVE_AFTER_FIRST, "Lechner 2020, section 3", -7, -8),
    Rule("shallow", Signal.NONE, Feedback.NONE, _FREE, "Frenkel et al. 2021, section 2 (frozen hidden layers)", -7, -7),
)

RULES: dict[str, Rule] = {row.name: row for row in _ROWS}


def find_rule(name: str) -> Rule:
    """Return the row of a rule, in any case.

    Raises
    ------
    UserError
        "rule '...' is not known; known: ..."
    """
    rule = RULES.get(name.lower())
    if rule is None:
        raise unknown("rule", name, RULES)
    return rule
