"""Silicon anchors: intervals, settings and shares behind each verdict, on a part of the ranges."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgelearn.accounting import Counters
from experiments import silicon_anchors as anchors
from hw_models.cost_model import price
from hw_models.schedule import FORWARD_ACTIVITY, assume

FEW_LANES = {"lanes": (1, 8, 64), "writes": ("table", "read")}


@pytest.fixture(scope="module")
def spoon():
    return anchors.spoon(replace(anchors.SPOON_RANGES, nets=("1024-128-10",), **FEW_LANES))


@pytest.fixture(scope="module")
def park():
    return anchors.park(replace(anchors.PARK_RANGES, rules=("dfa",), **FEW_LANES))


def definition(anchor, name):
    return next(row for row in anchor["definitions"] if row["definition"] == name)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("area, with memories", True),
        ("area, with memories, stochastic rounding", True),
        ("area, with memories, 8 residual bits", False),
        ("area, logic alone", False),
        ("power at a fixed clock, every sample trained", True),
        ("the same, stochastic rounding", True),
        ("power at a fixed sample rate, every sample trained", False),
    ],
)
def test_spoon_lies_in_some_definitions_and_not_in_others(spoon, name, inside):
    row = definition(spoon, name)
    target = 11.8 if name.startswith("area") else 16.8
    assert row["inside"] == inside == (row["band"][0] <= target <= row["band"][1])
    assert row["band"][0] <= row["nominal"][0] <= row["nominal"][1] <= row["band"][1]


def test_spoon_is_met_by_few_engines_at_once(spoon):
    assert spoon["verdict"] == "plausible"
    assert 0 < spoon["meet_both"] < 0.01 * spoon["combinations"]
    for row in spoon["closest"]:
        assert row["area_percent"] == pytest.approx(11.8, rel=0.051)
        assert row["power_percent"] == pytest.approx(16.8, rel=0.051)
        assert row["area_mm2"] <= 0.32


def test_one_lane_with_stochastic_rounding_cannot_be_spoon():
    one_lane = replace(anchors.SPOON_RANGES, nets=("1024-128-10",), words=(("stochastic", 0),), lanes=(1,))
    result = anchors.spoon(one_lane)
    assert result["verdict"] == "implausible"
    assert definition(result, "area, with memories")["band"][1] < 5
    assert result["closest"] == []


def test_park_needs_samples_without_an_update(park):
    row = definition(park, "energy of a sample, every sample updates")
    assert not row["inside"]
    assert row["band"][0] > 2 * 7.5
    dense, sparse, scaled = park["share_of_samples_that_may_update"].values()
    assert 0.02 < dense["interval"][1] < 0.06
    assert 0.2 < sparse["interval"][1] < 0.6
    assert scaled["interval"][1] == pytest.approx(dense["interval"][1], rel=0.1)  # the node matters little
    assert park["wrong_share"] == 0.0217
    assert park["verdict"] == "plausible"


def test_anp_is_plausible_and_eon_is_not():
    anp = anchors.anp(replace(anchors.ANP_RANGES, rules=("dfa",), **FEW_LANES))
    assert anp["verdict"] == "plausible"
    assert definition(anp, "learning logic at rest, no sample updates")["inside"]
    measured = [{"data": "digits", "dead_zone": 127, "wrong_share_last_epoch": 0.03}]
    eon = anchors.eon(measured, replace(anchors.EON_RANGES, **FEW_LANES))
    assert eon["verdict"] == "implausible"
    assert eon["share_of_samples_that_may_update"]["every neuron changes"]["interval"][1] < 0.01


def test_the_share_found_gives_the_figure_when_such_samples_are_priced():
    setting = next(anchors.settings(replace(anchors.PARK_RANGES, lanes=(8,), update_densities=(0.3,))))
    point = anchors.price_setting(setting)
    share = point.share_for(7.5)
    assert point.energy_percent(share=share) == pytest.approx(7.5)
    spec = anchors._spec(
        setting.net, setting.rule, setting.bits, setting.rounding, setting.residual_bits, setting.feedback
    )
    engine = anchors._engine(setting.node, setting.lanes, setting.shared_generator, setting.clock_gating)
    updating = assume(spec, setting.input_density, update_density=setting.update_density)
    resting = updating.only(FORWARD_ACTIVITY)
    mixed = Counters(updating.table + 3 * resting.table)  # one sample in four updates
    base = price(spec, mixed, engine, learning=False).total("energy_pj")
    percent = 100 * (price(spec, mixed, engine).total("energy_pj") / base - 1)
    assert percent == pytest.approx(point.energy_percent(share=0.25))


def test_overheads_are_those_of_the_cost_command():
    setting = next(anchors.settings(anchors.SPOON_RANGES))
    point = anchors.price_setting(setting)
    spec = anchors._spec(
        setting.net, setting.rule, setting.bits, setting.rounding, setting.residual_bits, setting.feedback
    )
    engine = anchors._engine(setting.node, setting.lanes, setting.shared_generator, setting.clock_gating)
    activity = assume(spec, setting.input_density, update_density=setting.update_density)
    from hw_models.comparison import cost_of_rule

    cost = cost_of_rule(spec, activity, engine)
    assert setting.write == "table"
    assert point.area_percent() == pytest.approx(cost.overhead("area"))
    assert point.power_percent() == pytest.approx(cost.overhead("power"))
    assert point.energy_percent() == pytest.approx(cost.overhead("energy"))


def test_a_write_as_a_read_changes_nothing_but_writes():
    ranges = replace(anchors.SPOON_RANGES, nets=("1024-128-10",), bits=(8,), lanes=(32,), feedback=("lfsr",))
    by_write = [anchors.price_all(replace(ranges, writes=(write,))) for write in ("table", "read")]
    for table, read in zip(*by_write, strict=True):
        assert (table.area, table.inferred, table.idle) == (read.area, read.inferred, read.idle)
        assert read.trained.rest == table.trained.rest
        assert read.trained.sram < table.trained.sram  # words of 32 weights are dearer to write than to read


def test_reckon_traces_are_its_memory_overhead():
    reckon = anchors.reckon()
    assert reckon["trace_bits"] == 256 * 34
    low, high = reckon["definitions"][0]["band"]
    assert (round(low, 2), round(high, 2)) == (0.78, 0.8)
    assert reckon["verdict"] == "plausible"
    ours = reckon["our_rules_on_as_many_weights"]["memory_percent"]
    assert ours["drtp, stochastic, B lfsr"] == 0
    assert ours["drtp, stochastic, B ternary"] < 0.8 < ours["drtp, stochastic, B int8"]
    assert all(percent > 10 for name, percent in ours.items() if "residual" in name)


def test_fewer_samples_update_with_a_dead_zone():
    rows = {(row["rule"], row["dead_zone"]): row for row in anchors.updating_shares(epochs=3)}
    for rule in ("dfa", "sdfa"):
        shares = [rows[rule, width]["updating_share_last_epoch"] for width in (0, 64, 127)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > 0.9
        assert 0.02 < shares[-1] < 0.4
    assert rows["dfa", 127]["energy_percent_last_epoch"] < 0.5 * rows["dfa", 0]["energy_percent_last_epoch"]


def test_results_are_plain_data(spoon, park):
    assert json.loads(json.dumps(spoon))["anchor"] == "SPOON"
    assert json.loads(json.dumps(park))["anchor"] == "Park, Lee, Jeon"
