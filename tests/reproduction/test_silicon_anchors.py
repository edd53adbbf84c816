"""Silicon anchors: intervals, settings and shares behind each verdict, on a part of the ranges."""

from __future__ import annotations

import json

import pytest

from edgelearn.network.counters import Counters
from experiments import silicon_anchors as anchors
from hw_models.compare.rules import cost_of_rule
from hw_models.engine.schedule import FORWARD_ACTIVITY

FEW = {"lanes": (1, 64), "input_density": (0.1, 1.0)}
SPOON = anchors.RANGES["SPOON"] | FEW | {"net": ("1024-128-10",), "lanes": (1, 64, 128)}
PARK = anchors.RANGES["Park, Lee, Jeon"] | FEW | {"rule": ("dfa",)}
ONE = {"rounding": ("one generator",), "feedback": ("int8",), "clock_gating": (False,), "update_density": (0.3,)}


@pytest.fixture(scope="module")
def spoon():
    return anchors.spoon(SPOON)


@pytest.fixture(scope="module")
def park():
    return anchors.park(PARK)


def definition(anchor, name):
    return next(row for row in anchor["definitions"] if row["definition, in %"] == name)


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
    (low, high), (least, most) = row["model, SRAM nominal"], row["SRAM over its band"]
    assert row["inside"] == inside == (least <= target <= most)
    assert least <= low <= high <= most


def test_spoon_is_met_by_few_wide_engines(spoon):
    assert spoon["verdict"] == "plausible"
    assert 0 < spoon["meet_both"] < 0.05 * spoon["engines"]
    assert 1 not in spoon["meet_both_with"]["lanes"]


def test_a_nearest_engine_meets_both_figures_at_its_sram(spoon):
    row = spoon["nearest"][0]
    shown = {name: row[name] for name in spoon["meet_both_with"]}
    point = anchors.price_setting(anchors.Setting("event-driven-28nm", "drtp", **shown))
    assert point.area_percent(row["SRAM area, x"]) == pytest.approx(11.8)
    assert point.power_percent(row["SRAM energy, x"]) == pytest.approx(16.8)
    assert row["mm2"] == pytest.approx(point.area.at(row["SRAM area, x"]) / 1e6)
    assert row["mm2"] <= 0.32


def test_one_lane_with_stochastic_rounding_cannot_be_spoon():
    result = anchors.spoon(SPOON | {"rounding": ("one generator",), "lanes": (1,)})
    assert result["verdict"] == "implausible"
    assert definition(result, "area, with memories")["SRAM over its band"][1] < 6
    assert result["nearest"] == []


def test_park_needs_samples_without_an_update(park):
    row = definition(park, "energy, every sample updates")
    assert not row["inside"]
    assert row["SRAM over its band"][0] > 2 * 7.5
    any_lanes = list(park["samples_that_may_update"][0].values())
    assert any_lanes[0] == "any"
    (few, most_few), _, (every, most_every) = any_lanes[1:]
    assert 1 < every < most_every < 10
    assert 5 * every / 2 < few < most_few < 60  # ten times fewer neurons: several times more samples
    assert park["wrong_percent"] == pytest.approx(2.17)
    assert park["verdict"] == "plausible"


def test_anp_is_plausible_and_eon_is_not():
    anp = anchors.anp(anchors.RANGES["ANP-I"] | FEW | {"rule": ("dfa",)})
    assert anp["verdict"] == "plausible"
    assert anp["wrong_percent"] == 8
    assert definition(anp, "energy, no sample updates")["inside"]
    assert not definition(anp, "energy, every sample updates")["inside"]
    eon = anchors.eon(3.0, anchors.RANGES["EON-1"] | FEW)
    assert eon["verdict"] == "implausible"
    assert list(eon["samples_that_may_update"][0].values())[-1][1] < 1  # % of samples


def test_the_share_found_gives_the_figure_when_such_samples_are_priced():
    (point,) = anchors.price_all(PARK | ONE | {"lanes": (8,), "input_density": (0.3,), "clock_gating": (True,)})
    share = point.share_for(7.5)
    updating, resting = round(1000 * share), round(1000 * (1 - share))
    spec, engine, activity = point.setting.spec, point.setting.engine, point.setting.activity
    mixed = Counters(updating * activity.table + resting * activity.only(FORWARD_ACTIVITY).table)
    base, learned = (engine.price(spec, mixed, learning).total("energy_pj") for learning in (False, True))
    assert 100 * (learned / base - 1) == pytest.approx(7.5, abs=0.1)


def test_overheads_are_those_of_the_cost_command():
    (point,) = anchors.price_all(SPOON | ONE | {"bits": (4,), "lanes": (64,), "input_density": (0.3,)})
    cost = cost_of_rule(point.setting.spec, point.setting.activity, point.setting.engine)
    assert point.area_percent() == pytest.approx(cost.overhead("area"))
    assert point.power_percent() == pytest.approx(cost.overhead("power"))
    assert point.energy_percent() == pytest.approx(cost.overhead("energy"))
    assert 0 < point.idle_percent() < point.energy_percent()


def test_a_trained_sample_is_dearer_with_sram_by_what_sram_it_takes():
    (point,) = anchors.price_all(SPOON | ONE | {"bits": (8,), "lanes": (64,), "input_density": (0.3,)})
    spec, engine, activity = point.setting.spec, point.setting.engine, point.setting.activity
    twice = engine.price(spec, activity).per_sample("energy_pj", at={"SRAM energy": 2.0})
    assert point.trained.at(2.0) == pytest.approx(twice)
    assert point.trained.sram < 4 * point.inferred.sram  # three accesses for one, a write about a read


def test_reckon_traces_are_its_memory_overhead():
    reckon = anchors.reckon()
    assert reckon["trace_bits"] == 256 * 34
    low, high = reckon["definitions"][0]["SRAM over its band"]
    assert (round(low, 2), round(high, 2)) == (0.78, 0.8)
    assert reckon["verdict"] == "plausible"
    ours = reckon["percent_of_drtp_on_as_many_weights"]
    assert ours["one generator and B lfsr"] == 0
    assert ours["one generator and B ternary"] < 0.8 < ours["one generator and B int8"]
    assert all(percent > 10 for name, percent in ours.items() if "residual" in name)


def test_fewer_samples_update_with_a_dead_zone():
    rows = {(row["rule"], row["dead zone"]): row for row in anchors.updating_shares(epochs=3)}
    for rule in ("dfa", "sdfa"):
        shares = [rows[rule, width]["last epoch, %"] for width in (0, 64, 127)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > 90
        assert 2 < shares[-1] < 40
    assert rows["dfa", 127]["energy, last epoch, %"] < 0.5 * rows["dfa", 0]["energy, last epoch, %"]


def test_results_are_plain_data(spoon, park):
    assert json.loads(json.dumps(spoon))["anchor"] == "SPOON"
    assert json.loads(json.dumps(park))["anchor"] == "Park, Lee, Jeon"


def test_stored_results_hold_the_verdicts_of_the_documentation():
    stored = json.loads((anchors.RESULTS / "silicon_anchors.json").read_text())
    verdicts = {anchor["anchor"]: anchor["verdict"] for anchor in stored["anchors"]}
    assert verdicts == {
        "SPOON": "plausible",
        "Park, Lee, Jeon": "plausible",
        "ANP-I": "plausible",
        "EON-1": "implausible",
        "ReckOn": "plausible",
    }
    assert {row["data"] for row in stored["updating_shares"]} == {"digits"}
