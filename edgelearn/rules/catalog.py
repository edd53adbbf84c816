"""All learning rules, one row each. CONTRIBUTING.md, "Add a learning rule", says how to add one."""

from __future__ import annotations

from edgelearn.errors import UserError, unknown
from edgelearn.rules.rule import Backend, Constraint, Feedback, Rule, Signal

_FREE, _POSITIVE = Constraint.NONE, Constraint.NON_NEGATIVE_AFTER_FIRST
_SIGNED_TARGET = "Frenkel et al. 2021, section 2.2: sign of y - y* where 0 < y < 1"
_LOCAL = "Mostafa, Ramesh, Cauwenberghs 2018, section 2: random fixed local classifiers"

CATALOG = [
    Rule("bp", Signal.DELTA, Feedback.TRANSPOSE, _FREE, "Rumelhart, Hinton, Williams 1986", -6, -8),
    Rule("fa", Signal.DELTA, Feedback.LAYERWISE, _FREE, "Lillicrap et al. 2016, eq. dW = -B e x^T", -7, -8),
    Rule("dfa", Signal.ERROR, Feedback.DIRECT, _FREE, "Nokland 2016; Frenkel et al. 2021, fig. 1c", -7, -8),
    Rule("sdfa", Signal.SIGN_ERROR, Feedback.DIRECT, _FREE, "Frenkel et al. 2021, section 2.2", -8, -8),
    Rule("signed-target", Signal.SIGNED_TARGET, Feedback.DIRECT, _FREE, _SIGNED_TARGET, -6, -7),
    Rule("local", Signal.LOCAL_ERROR, Feedback.DIRECT, _FREE, _LOCAL, -6, -8),
    Rule("drtp", Signal.TARGET, Feedback.DIRECT, _FREE, "Frenkel et al. 2021, algorithm 1", -7, -8),
    Rule("mdfa", Signal.ERROR, Feedback.DIRECT, _POSITIVE, "Lechner 2020, section 3", -7, -8),
    Rule("shallow", Signal.NONE, Feedback.NONE, _FREE, "Frenkel et al. 2021, section 2 (frozen hidden layers)", -7, -7),
    # An operator of each of these is known to one backend alone: float references, or rows of branch predictors.
    Rule("sign-symmetry", Signal.DELTA, Feedback.SIGN, _FREE, "Liao et al. 2016; Lechner 2020, section 2.3"),
    Rule("pseudobackprop", Signal.DELTA, Feedback.PSEUDO_INVERSE, _FREE, "Lillicrap et al. 2016, note 15"),
    Rule("node-perturbation", Signal.LOSS_CHANGE, Feedback.NONE, _FREE, "Lillicrap et al. 2016, suppl. fig. 1, note 1"),
    Rule("ntk", Signal.DELTA, Feedback.TRANSPOSE, Constraint.FIXED_GATES, "Jacot et al. 2018, in the lazy regime"),
    Rule("drtp-gated", Signal.GATED_TARGET, Feedback.DIRECT, _FREE, "drtp, trained at errors as Jimenez, Lin 2001"),
    Rule("madaline", Signal.ERROR, Feedback.NEAREST, _POSITIVE, "Ridgway 1962; Widrow, Lehr 1990, rule I"),
]


def rules_for(backend: Backend) -> dict[str, Rule]:
    """Return the rules that a backend runs, by name, in the order of the catalog."""
    return {row.name: row for row in CATALOG if backend in row.runs_on}


RULES = rules_for(Backend.NETWORK)


def register(rule: Rule) -> Rule:
    """Add a rule to the catalog of this process, before its first run; return it.

    Integer kernels, costs, firmware and reports know it at once. To stay, it becomes a row of `CATALOG`.

    Raises
    ------
    UserError
        "rule '...' is there already ..."; operators that no backend has are refused by `Rule` itself

    Example
    -------
    >>> from edgelearn.rules import Constraint, Feedback, Rule, Signal
    >>> signs = Rule("my-signs", Signal.SIGN_ERROR, Feedback.DIRECT, Constraint.NON_NEGATIVE_AFTER_FIRST, "own")
    >>> register(signs).locking.value
    'update'
    >>> CATALOG.remove(RULES.pop("my-signs"))
    """
    if any(row.name == rule.name for row in CATALOG):
        raise UserError(f"rule '{rule.name}' is there already; give another name")
    if split_names(rule.name) != [rule.name]:
        raise UserError(f"rule '{rule.name}' cannot be typed; take lower-case letters, digits and hyphens for its name")
    CATALOG.append(rule)
    if Backend.NETWORK in rule.runs_on:
        RULES[rule.name] = rule
    return rule


def split_names(text: str) -> list[str]:
    """Return the parts of a text with one name per layer, divided by "+" or commas, in lower case."""
    return [part.strip().lower() for part in text.replace(",", "+").split("+")]


def find_rules(text: str, backend: Backend = Backend.NETWORK) -> tuple[Rule, ...]:
    """Return the rows of rules divided by "+" or commas, e.g. dfa+drtp; see `find_rule`."""
    return tuple(find_rule(name, backend) for name in split_names(text))


def find_rule(name: str, backend: Backend = Backend.NETWORK) -> Rule:
    """Return the row of a rule, its name in any case.

    Raises
    ------
    UserError
        "rule '...' is not known; known: ...", "rule '...' is not for ...; take ...", "rule '...' is one per layer ..."
    """
    row = next((row for row in CATALOG if row.name == name.lower()), None)
    if row is not None and backend in row.runs_on:
        return row
    known = rules_for(backend)
    if len(split_names(name)) > 1:
        raise UserError(f"rule '{name}' is one per layer, and {backend.value} take one for all here; give one of them")
    if row is not None:
        raise UserError(f"rule '{name.lower()}' is not for {backend.value}; take {', '.join(known)}")
    raise unknown("rule", name, known)


def rules_listed(text: str) -> list[str]:
    """Return rules from names divided by commas, or all; one network may have a rule per layer, divided by +.

    Raises
    ------
    UserError
        "rule '...' is not known ...", "--rule ... cannot be read ..."
    """
    if text == "all":
        return list(RULES)
    given = [name.strip() for name in text.split(",")]
    names = [name if name == "all" else "+".join(row.name for row in find_rules(name)) for name in given]
    if len(set(names)) < len(names) or "all" in names:
        raise UserError(f"--rule {text} cannot be read; give each rule once, divided by commas, or all alone")
    return names
