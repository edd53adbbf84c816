"""What the paper on DRTP says about cost: verdicts and the numbers behind them."""

from __future__ import annotations

import pytest

from edgelearn.network.traffic import traffic
from experiments import paper_claims as claims


def test_updates_of_drtp_take_about_the_operations_of_a_forward_pass():
    claim = claims.update_operations()
    assert claim["verdict"] == "holds"
    for ratio in claim["dense"].values():
        assert ratio["operations"] == pytest.approx(1.0, abs=0.01)
    assert 0.7 < claim["digits"][f"all {claims.EPOCHS} epochs"]["operations"] < 1.0
    others = claim["operations_of_other_rules_on_digits"]
    assert others["shallow"] < 0.3
    assert others["bp"] > 1.0


def test_operations_hide_accesses_and_energy():
    claim = claims.update_operations()
    for ratio in claim["dense"].values():
        assert ratio["weight_accesses_of_a_learned_sample"] == pytest.approx(3.0)
    for times in claim["energy_of_a_learned_sample_over_inference"].values():
        assert times == pytest.approx(3.0, abs=0.5)  # as the accesses: a write costs about a read


def test_a_run_counts_what_its_activity_predicts():
    for rule in ("drtp", "dfa"):
        spec, _, counted = claims.run_digits(rule)
        predicted = traffic(spec, counted)
        for name in ("forward_macs", "update_macs", "signal_macs", "feedback_read", "weight_read", "weight_write"):
            assert predicted.total(name) == counted.total(name)


def test_dram_is_three_orders_above_an_addition_and_two_above_a_multiplication():
    claim = claims.dram()
    ratios = claim["ratios"]
    assert ratios["horowitz-45nm: fp-add"]["horowitz-dram"] == pytest.approx(711, abs=1)
    assert ratios["horowitz-45nm: fp-multiply"]["horowitz-dram"] == pytest.approx(173, abs=1)
    assert ratios["horowitz-45nm: fp-add"]["lpddr4"] == pytest.approx(284, abs=1)
    assert ratios["horowitz-45nm: int8 multiply and add"]["horowitz-dram"] == pytest.approx(2783, abs=1)
    assert claim["verdict"] == "holds partly"
    assert 0 < claim["met"] < claim["of"] / 2


def test_drtp_holds_nothing_back():
    claim = claims.no_buffers()
    rows = {(row["net"], row["rule"]): row for row in claim["rows"]}
    assert claim["verdict"] == "holds"
    assert {rows[net, "drtp"]["waiting_bits"] for net in claims.DEPTHS} == {0}
    # 784 inputs of 4 bits, 500 gates of 8, 10 errors of 9; bp also 500 deltas of 16
    assert rows["784-500-10", "dfa"]["waiting_bits"] == 784 * 4 + 500 * 8 + 10 * 9
    assert rows["784-500-10", "bp"]["waiting_bits"] == 784 * 4 + 500 * 8 + 10 * 9 + 500 * 16
    for rule in ("dfa", "bp"):
        assert all(rows[net, rule]["percent_of_weights"] < 1 for net in claims.DEPTHS)  # little at one sample
    deepest = claims.DEPTHS[-1]
    assert rows[deepest, "bp"]["pipelined_bits"] > 10 * rows[deepest, "drtp"]["pipelined_bits"]
    assert rows["784-500-10", "drtp"]["feedback_bits"] > rows["784-500-10", "dfa"]["waiting_bits"]


def test_dfa_projects_its_error_and_drtp_does_not():
    claim = claims.projection()
    assert claim["verdict"] == "holds"
    for row in claim["rows"]:
        assert row["macs_per_sample"] == row["classes_times_hidden"] == row["feedback_reads"]
        assert row["drtp_macs"] == 0
        assert 0.5 < row["percent_of_macs"] < 1
        assert 0.5 < row["percent_of_energy_more_than_drtp"] < 20  # d of 16 bits at the multiplier
    digits = claim["digits"]
    assert digits["drtp_macs_per_sample"] == 0
    assert 0 < digits["dfa_macs_per_sample"] <= digits["classes_times_hidden"]
    assert digits["drtp_feedback_reads_per_sample"] <= 100


def test_every_claim_has_its_number_and_reason():
    for claim in claims.report()["claims"].values():
        assert claim["verdict"] in ("holds", "holds partly", "fails")
        for key in ("claim", "where", "how", "number", "reason"):
            assert claim[key]
