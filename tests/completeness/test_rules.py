"""Each rule has an oracle, a line in the contract and hand-written facts; each derived fact is what the papers say."""

from __future__ import annotations

import contextlib
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from edgelearn.branch import two_layer
from edgelearn.errors import UserError
from edgelearn.network.spec import design
from edgelearn.network.state import quantize
from edgelearn.rules import CATALOG, RULES, Backend, Constraint, Feedback, Locking, Rule, Signal, find_rule, rules_for
from edgelearn.rules import catalog as catalog_module
from edgelearn.spiking.network import design as spiking_design
from firmware_sim.build.headers import config_header
from tests.naive import branch_nets, float_rules, oracle
from tests.oracle_pairs import assert_twins

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "edgelearn/docs/arithmetic.md"

# Written out by hand from the papers: locking, weight transport, feedback words, gates held, order.
FACTS = {
    "bp": (Locking.BACKWARD, True, "0", True, True),
    "fa": (Locking.BACKWARD, False, "n_k n_(k+1)", True, True),
    "dfa": (Locking.UPDATE, False, "n_k C", True, False),
    "sdfa": (Locking.UPDATE, False, "n_k C", True, False),
    "signed-target": (Locking.NONE, False, "n_k C", False, False),
    "local": (Locking.LAYER, False, "n_k C", True, False),
    "drtp": (Locking.NONE, False, "n_k C (one row read)", False, False),
    "mdfa": (Locking.UPDATE, False, "n_k C", True, False),
    "shallow": (Locking.NONE, False, "0", False, False),
}


def facts_of(name: str) -> tuple[Locking, bool, str, bool, bool]:
    assert name in FACTS, (
        f"rule '{name}' has no facts: write what its paper says of locking, weight transport, stored feedback words, "
        f"held gates and last-to-first order into FACTS of {Path(__file__).relative_to(ROOT)}"
    )
    return FACTS[name]


def modulators() -> dict[str, str]:
    """Return M of the rules in the table of modulators of section 4 of the contract."""
    found = {}
    section = CONTRACT.read_text().split("\n## 4")[1].split("\n## 5")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4:
            found |= dict.fromkeys(cells[0].split(", "), cells[2])
    return found


def test_facts_are_of_rules_that_exist():
    assert set(FACTS) <= set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_derived_facts(name):
    rule = RULES[name]
    holds_gates = design((4, 3, 2), rule=name).holds_gates(0)
    derived = (rule.locking, rule.weight_transport, rule.feedback_words, holds_gates, rule.last_to_first)
    assert derived == facts_of(name), "the row of the rule is wrong, or the rule needs an operator of its own"


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_an_oracle_and_a_line_in_the_contract(name):
    assert name in oracle.RULES, f"rule '{name}' has no oracle: add its PaperRule to RULES of tests/naive/oracle.py"
    assert name in modulators(), (
        f"rule '{name}' has no modulator in the table of section 4 of {CONTRACT.relative_to(ROOT)}: add a row, or the "
        "name to the row of the same modulator"
    )
    if RULES[name].learns_hidden:
        assert modulators()[name] == str(RULES[name].modulator_scale)


def test_the_oracle_and_the_contract_name_no_other_rule():
    assert set(oracle.RULES) == set(modulators()) - {"rule"} == set(RULES)


def test_rules_in_the_readme_are_those_of_the_table():
    """README need not list all rules; `edgelearn rules` does."""
    tables = (ROOT / "README.md").read_text().split("\n\n")
    (table,) = [table.splitlines() for table in tables if table.startswith("| rule |") and "locking" in table]
    assert len(table) > 2
    for line in table[2:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert any(cell.split(",")[0] == find_rule(name).feedback_words.split(" (")[0] for cell in cells), line
        assert find_rule(name).locking is Locking.NONE or f"({find_rule(name).locking.value})" in line, line


@pytest.mark.parametrize("name", RULES)
def test_feedback_has_the_shape_the_rule_derives(name):
    spec = design((6, 5, 4, 3), name)
    state = quantize(spec)
    words = facts_of(name)[2]
    rows = (0, 0) if words == "0" else (4, 3) if words == "n_k n_(k+1)" else (3, 3)
    assert tuple(spec.feedback_rows(k) for k in (0, 1)) == rows
    for k in (0, 1):
        assert state.feedback(k).shape == (rows[k], spec.layers[k].n_out)


# --- backends ------------------------------------------------------------------------------------------------


def test_extras_run_on_one_backend_and_cannot_be_chosen_elsewhere():
    extras = {row.name: row.runs_on for row in CATALOG if row.name not in RULES}
    on_floats, on_branches = frozenset({Backend.FLOAT}), frozenset({Backend.BRANCH})
    floats = ("sign-symmetry", "pseudobackprop", "node-perturbation", "ntk")
    assert extras == dict.fromkeys(floats, on_floats) | dict.fromkeys(("drtp-gated", "madaline"), on_branches)
    for name in extras:
        with pytest.raises(UserError, match=f"rule '{name}' is not for integer networks; take bp, fa, "):
            design((4, 3, 2), rule=name)


SIGNALS = {
    Signal.NONE: "none",
    Signal.TARGET: "target",
    Signal.SIGNED_TARGET: "signed target",
    Signal.GATED_TARGET: "gated",
    Signal.ERROR: "error",
    Signal.SIGN_ERROR: "sign",
    Signal.LOCAL_ERROR: "local error",
    Signal.DELTA: "delta",
}
FEEDBACKS = {
    Feedback.NONE: "none",
    Feedback.DIRECT: "direct",
    Feedback.LAYERWISE: "layerwise",
    Feedback.TRANSPOSE: "transpose",
    Feedback.SIGN: "signs",
    Feedback.PSEUDO_INVERSE: "pseudo-inverse",
    Feedback.NEAREST: "nearest",
}


def possible_rows() -> list[Rule]:
    """Return a row for each combination of operators that some backend runs."""
    rows = []
    for signal, constraint in itertools.product(Signal, Constraint):
        for feedback in signal.feedbacks:
            with contextlib.suppress(UserError):
                rows.append(Rule("toy", signal, feedback, constraint, "of a test"))
    return rows


ROWS = possible_rows()


def runs_on(backend: Backend) -> pytest.MarkDecorator:
    """Parametrize a test over the combinations of operators that a backend claims to run."""
    rows = [row for row in ROWS if backend in row.runs_on]
    return pytest.mark.parametrize("row", rows, ids=lambda row: f"{row.signal.name}-{row.constraint.name}")


@pytest.fixture
def add_toy(monkeypatch):
    """Put a row into the catalog and into the oracles, as CONTRIBUTING.md says, and touch nothing else."""

    def add(row: Rule) -> None:
        paper = oracle.PaperRule(row.source, SIGNALS[row.signal], FEEDBACKS[row.feedback], row.non_negative)
        monkeypatch.setattr(catalog_module, "CATALOG", (*CATALOG, row))
        for module in (oracle, branch_nets, float_rules):
            monkeypatch.setitem(module.RULES, row.name, paper)

    return add


@runs_on(Backend.NETWORK)
def test_integer_networks_learn_any_row_as_the_oracle_does(add_toy, row):
    add_toy(row)
    rng = np.random.default_rng(1)
    for sizes, rounding in itertools.product(((7, 6, 5, 3), (7, 6, 1)), ("residual", "stochastic")):
        spec = design(sizes, "toy", 8, rounding, hidden_rate=-3, output_rate=-3)
        assert_twins(spec, rng.integers(0, 16, (12, 7)).astype(np.uint8), rng.integers(0, spec.n_classes, 12))


@runs_on(Backend.NETWORK)
def test_the_c_core_has_a_name_for_the_operators_of_any_row(add_toy, row):
    add_toy(row)
    header = config_header(design((7, 6, 3), "toy"), identity=0, halvings=0)
    names = dict(re.findall(r"^#define (EL_\w+) (EL_\w+)$", header, re.MULTILINE))
    defined = (ROOT / "firmware_sim/csrc/include/el_learner.h").read_text()
    for operator in ("EL_SIGNAL", "EL_FEEDBACK"):
        assert f"#define {names[operator]} " in defined


@runs_on(Backend.SPIKING)
def test_spiking_networks_build_any_row(add_toy, row):
    add_toy(row)
    assert spiking_design((5, 4, 3), "toy").net()[0] == spiking_design((5, 4, 3), same_signal(row)).net()[0]


def same_signal(row: Rule) -> str:
    """Return the spiking rule of the catalog with the signal of a row."""
    return next(name for name, rule in rules_for(Backend.SPIKING).items() if rule.signal is row.signal)


@runs_on(Backend.BRANCH)
def test_rows_of_predictors_learn_any_row_as_the_oracle_does(add_toy, monkeypatch, row):
    add_toy(row)
    monkeypatch.setitem(two_layer.RULES, "toy", two_layer.RowRule.of(row))
    spec = two_layer.TwoLayerSpec("toy", length=5, hidden=4, rows=3, theta=40, spread=9, v_shift=3, v0=8, leak=40)
    kept = ("rule", "length", "hidden", "rows", "theta", "spread", "v_shift", "leak", "v0", "seed")
    naive = branch_nets.NaiveTwoLayer(0, **{name: getattr(spec, name) for name in kept})
    rng = np.random.default_rng(2)
    pc, taken = rng.integers(0, 9, 400).astype(np.uint32), rng.integers(0, 2, 400).astype(np.uint8)
    predictor, predicted = two_layer.TwoLayer(spec), np.zeros(400, np.uint8)
    predictor.run(pc, taken, predicted)
    assert predicted.tolist() == [naive.step(int(a), int(b)) for a, b in zip(pc, taken, strict=True)]
    assert predictor.words.tolist() == [one.words() for one in naive.table]


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="rule 'x' cannot be built: signal TARGET takes feedback DIRECT, not TRANSPOSE"):
        Rule("x", Signal.TARGET, Feedback.TRANSPOSE, Constraint.NONE, "")
    with pytest.raises(
        UserError, match="rule 'x' cannot be built: nothing runs signal GATED_TARGET with feedback DIRECT"
    ):
        Rule("x", Signal.GATED_TARGET, Feedback.DIRECT, Constraint.FIXED_GATES, "")


def test_an_unknown_rule_is_named_with_its_neighbour():
    with pytest.raises(UserError, match=r"rule 'drpt' is not known; known: bp, .* Did you mean 'drtp'\?"):
        find_rule("drpt")


def test_names_come_in_any_case():
    assert find_rule("sDFA") is RULES["sdfa"]
