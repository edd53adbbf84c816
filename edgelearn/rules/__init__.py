"""Learning rules as data: one row per rule, everything else derived from it."""

from edgelearn.rules.catalog import CATALOG, RULES, find_rule, find_rules, register, rules_for, split_names
from edgelearn.rules.rule import Backend, Constraint, Feedback, Locking, Rule, Signal

__all__ = [
    "CATALOG",
    "RULES",
    "Backend",
    "Constraint",
    "Feedback",
    "Locking",
    "Rule",
    "Signal",
    "find_rule",
    "find_rules",
    "register",
    "rules_for",
    "split_names",
]
