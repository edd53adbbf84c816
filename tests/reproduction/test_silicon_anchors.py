"""Silicon anchors: intervals, settings and shares behind each verdict, on a part of the ranges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgelearn.network.counters import Counters
from edgelearn.network.spec import design
from experiments import absolute_anchors
from experiments import silicon_anchors as anchors
from hw_models.compare.rules import cost_of_rule
from hw_models.constants import technology
from hw_models.constants.memory import sram
from hw_models.engine.schedule import ASSUMED_SAMPLES, FORWARD_ACTIVITY

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
    assert spoon["verdict"] == "not excluded"
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
    assert park["verdict"] == "not excluded"


def test_anp_is_not_excluded_and_eon_is():
    anp = anchors.anp(anchors.RANGES["ANP-I"] | FEW | {"rule": ("dfa",)})
    assert anp["verdict"] == "not excluded"
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
    assert reckon["verdict"] == "consistent"
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
        "SPOON": "not excluded",
        "Park, Lee, Jeon": "not excluded",
        "ANP-I": "not excluded",
        "EON-1": "implausible",
        "ReckOn": "consistent",
    }
    assert {row["data"] for row in stored["updating_shares"]} == {"digits"}


def test_absolute_figures_are_those_of_the_tables_and_of_the_model():
    rows = {(row["chip"], row["figure"].split(",")[0]): row for row in absolute_anchors.absolute_rows()}
    spoon_area, odin = rows["SPOON", "area"], rows["ODIN", "area"]
    assert spoon_area["published"] == 0.32
    assert spoon_area["ours, range"][0] < 0.32 < spoon_area["ours, range"][1]
    by_hand = 385207 * technology.area_scale(130, 28)
    by_hand += sram("itrs-lstp", 28, 64 * 1024 * 4, 32).area_um2 + sram("itrs-lstp", 28, 256 * 128, 128).area_um2
    assert odin["ours, middle"] == pytest.approx(by_hand / 1e6, rel=1e-3)
    assert 0.75 < odin["ours over published"] < 1  # before layout
    (memory,) = absolute_anchors.external_memory_rows()
    assert memory["ours, range"][1] < 25 < memory["published"]
    for row in rows.values():
        assert row["ours over published"] == pytest.approx(row["ours, middle"] / row["published"], rel=0.01)


def test_external_accesses_of_equal_layers_by_hand():
    """Three layers of W words: bp reads 3 W, 2 W transposed, and reads and writes 3 W; dfa without feedback words 9 W."""
    net = absolute_anchors.EQUAL_LAYERS
    n = net[0] * net[1]
    words = {
        rule: absolute_anchors._weight_words(design(net, rule, feedback_format=form))
        for rule, form in (("bp", "int8"), ("dfa", "lfsr"))
    }
    samples = ASSUMED_SAMPLES
    assert words["dfa"] == 9 * n * samples
    assert words["bp"] == 11 * n * samples


def test_energies_of_an_update_name_their_source():
    rows = absolute_anchors.update_rows()
    assert [row["pJ"] for row in rows if row["source"] == "published"] == [10.61, 99.6, 120, 290, 676, 1560]
    ours = {row["update of"]: row["pJ"] for row in rows if row["source"] != "published"}
    assert ours["loihi-like"] == 120
    assert 5 < ours["engine-28nm"] < ours["engine-45nm"] < 100


def test_absolute_figures_of_the_page_are_the_stored_ones():
    stored = json.loads((anchors.RESULTS / "silicon_anchors.json").read_text())
    page = (Path(anchors.__file__).parents[1] / "hw_models/docs/anchors.md").read_text()
    for row in stored["absolute"]:
        low, high = row["ours, range"]
        ours = f"{row['ours, middle']:.3g}" if low == high else f"{row['ours, middle']:.3g} ({low:.3g} to {high:.3g})"
        cells = (
            row["chip"],
            row["figure"],
            f"{row['published']:g} {row['unit']}",
            ours,
            f"{row['ours over published']:g}",
        )
        assert f"| {' | '.join(cells)} |" in page
    for row in stored["updates"]:
        assert f"{row['update of']} {row['pJ']:g}" in " ".join(page.split())
