"""Every rule is everywhere: oracle, kernels, help, documents; every derived fact is what the papers say."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgelearn.errors import UserError
from edgelearn.network.spec import design
from edgelearn.network.state import quantize
from edgelearn.rules import RULES, Constraint, Feedback, Locking, Rule, Signal, find_rule
from tests.naive import oracle

ROOT = Path(__file__).parents[2]

# Written out by hand from the papers: locking, weight transport, feedback words, gates held, order.
FACTS = {
    "bp": (Locking.BACKWARD, True, "0", True, True),
    "fa": (Locking.BACKWARD, False, "n_k n_(k+1)", True, True),
    "dfa": (Locking.UPDATE, False, "n_k C", True, False),
    "sdfa": (Locking.UPDATE, False, "n_k C", True, False),
    "drtp": (Locking.NONE, False, "n_k C (one row read)", False, False),
    "mdfa": (Locking.UPDATE, False, "n_k C", True, False),
    "shallow": (Locking.NONE, False, "0", False, False),
}


def test_the_table_has_the_seven_rules():
    assert set(RULES) == set(FACTS)


@pytest.mark.parametrize("name", RULES)
def test_derived_facts(name):
    rule = RULES[name]
    holds_gates = design((4, 3, 2), rule=name).holds_gates
    derived = (rule.locking, rule.weight_transport, rule.feedback_words, holds_gates, rule.last_to_first)
    assert derived == FACTS[name]


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_an_oracle_and_a_line_in_the_documents(name):
    assert name in oracle.RULES
    assert f"| {name} |" in (ROOT / "README.md").read_text()
    contract = (ROOT / "edgelearn/docs/arithmetic.md").read_text()
    assert f"| {name} |" in contract or f"| {name}, " in contract or f", {name} |" in contract


@pytest.mark.parametrize("name", RULES)
def test_feedback_has_the_shape_the_rule_derives(name):
    spec = design((6, 5, 4, 3), name)
    state = quantize(spec)
    words = FACTS[name][2]
    rows = (0, 0) if words == "0" else (4, 3) if words == "n_k n_(k+1)" else (3, 3)
    assert tuple(spec.feedback_rows(k) for k in (0, 1)) == rows
    for k in (0, 1):
        assert state.feedback(k).shape == (rows[k], spec.layers[k].n_out)


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="rule 'x' cannot be built: signal TARGET takes feedback DIRECT"):
        Rule("x", Signal.TARGET, Feedback.TRANSPOSE, Constraint.NONE, "", -7, -8)


def test_an_unknown_rule_is_named_with_its_neighbour():
    with pytest.raises(UserError, match=r"rule 'drpt' is not known; known: bp, .* Did you mean 'drtp'\?"):
        find_rule("drpt")


def test_names_come_in_any_case():
    assert find_rule("sDFA") is RULES["sdfa"]
