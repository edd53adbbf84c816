"""Learning rules as data: one row a rule, everything else derived from it."""

from edgelearn.rules.catalog import RULES, find_rule
from edgelearn.rules.rule import Constraint, Feedback, Locking, Rule, Signal

__all__ = ["RULES", "Constraint", "Feedback", "Locking", "Rule", "Signal", "find_rule"]
