"""Rules side by side: what is shown agrees with what is priced."""

from __future__ import annotations

import csv
import io
import json
from itertools import product

import numpy as np
import pytest

from edgelearn.config import make_config
from edgelearn.errors import UserError
from edgelearn.reports.console import make_console
from edgelearn.reports.costs import as_csv, print_costs, print_ert, print_ranking, verdict_text
from edgelearn.runs.activity import assumed_activity
from edgelearn.runs.finished import assumed_costs, costs_of_runs
from edgelearn.runs.registry import run
from edgelearn.units import scale_for, three, with_unit
from hw_models.compare.bands import span
from hw_models.compare.ranking import flips, gaps, ranking_as_dict, verdict_as_dict
from hw_models.compare.relative import percent_over, relative_as_dict
from hw_models.compare.rules import OVERHEADS, as_dict
from hw_models.cost import Constant, Cost, Item
from hw_models.processor import find_processor, names

RULES = ["bp", "dfa", "drtp", "shallow"]


def costs(processor: str = "engine-28nm", rules=RULES, net: str = "64-32-32-10", **settings):
    config = make_config({"net": net, "processor": processor} | settings)
    return assumed_costs(config, rules, assumed_activity(config, {}, dense=True))


def shown(print_it, *content, width: int = 120) -> str:
    console = make_console(file=io.StringIO(), width=width)
    print_it(console, *content)
    return console.file.getvalue()


@pytest.mark.parametrize("name", names())
def test_every_processor_is_printed_with_its_tables(name):
    content = as_dict(costs(name))
    text = shown(print_costs, content, True)
    assert f"cost on {name}" in text
    said = " ".join(text.split())
    for line in find_processor(name).tables():
        assert " ".join(line.split()) in said
    for rule in RULES:
        assert text.count(f"\n{rule} ") == 2  # figures, then overheads
    assert ("\nenergy per sample, " in text) == ("energy_pj" in content["rules"][0]["training"])
    assert ("\narea, " in text) == (find_processor(name).kind == "engine")
    short = shown(print_costs, content, False)
    assert all(short.count(f"\n{rule} ") == 1 for rule in RULES)
    assert len(short.splitlines()) <= 14


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_number_is_cut_in_a_narrow_terminal(width):
    content = as_dict(costs(rounding="stochastic"))
    text = shown(print_costs, content, True, width=width)
    assert "…" not in text
    energies = [rule["training"]["energy_pj"] for rule in content["rules"]]
    size, _ = scale_for("pJ", [energy["nominal"] for energy in energies])
    assert all(three(energy["by_role"]["control"] / size) in text.split() for energy in energies)


def test_one_rule_is_printed_with_bands_and_locking():
    content = as_dict(costs(rules=["dfa"]))
    text = shown(print_costs, content, True)
    rule = content["rules"][0]
    assert f"- {with_unit(rule['training']['energy_pj']['high'], 'pJ')}\n" in text
    assert "layer 1 may update after" in text
    assert "in a pipeline 3 samples (" in text
    short = shown(print_costs, content)
    assert f"- {with_unit(rule['training']['energy_pj']['high'], 'pJ')}\n" in short
    assert "may update" not in short


def test_pipeline_depths_and_starts_follow_the_locking():
    """Three layers: 2 (L - l) + 1, L - l + 1 and 1 samples; starts as in docs/cost_model.md, section 6."""
    by_rule = {rule["rule"]: rule["layers"] for rule in as_dict(costs())["rules"]}
    assert [layer["pipeline_depth"] for layer in by_rule["bp"]] == [5, 3, 1]
    assert [layer["pipeline_depth"] for layer in by_rule["dfa"]] == [3, 2, 1]
    assert [layer["pipeline_depth"] for layer in by_rule["drtp"]] == [1, 1, 1]
    assert [layer["may_update_after_cycles"] is None for layer in by_rule["shallow"]] == [True, True, False]
    forward = [32 * 67 + 3, 32 * 35 + 3, 10 * 35 + 3]
    update = [2 * 65 * 32, 2 * 33 * 32, 10 * (2 * 33 + 2)]
    assert [layer["may_update_after_cycles"] for layer in by_rule["dfa"]] == [sum(forward)] * 3
    row = 2 * 32  # table and gate product of a selected row
    starts = [forward[0], sum(forward[:2]) + row + update[0], sum(forward) + 2 * row + sum(update[:2])]
    assert [layer["may_update_after_cycles"] for layer in by_rule["drtp"]] == starts
    signal = [32 * (32 + 6), 32 * (10 + 6), 0]
    stored = [update[0] + 64, update[1] + 64, update[2]]
    starts = [sum(forward) + signal[1] + stored[1] + stored[2], sum(forward) + stored[2], sum(forward)]
    assert [layer["may_update_after_cycles"] for layer in by_rule["bp"]] == starts


def test_csv_holds_what_json_holds():
    content = as_dict(costs())
    rows = list(csv.DictReader(io.StringIO(as_csv(content))))
    for rule in content["rules"]:
        mine = [row for row in rows if row["name"] == rule["name"]]
        assert {row["figure"] for row in mine if row["of"] == "overhead"} == {f"{name}_percent" for name in OVERHEADS}
        energy = next(r for r in mine if (r["of"], r["figure"], r["role"]) == ("training", "energy_pj", "all"))
        assert float(energy["nominal"]) == rule["training"]["energy_pj"]["nominal"]
        update = next(r for r in mine if r["of"] == "update")
        assert float(update["nominal"]) == rule["update_energy_pj"]
        assert sum(row["of"] == "locking" and row["figure"] == "waiting_bits" for row in mine) == 3


def test_gaps_and_flips_are_told_with_the_constant_that_decides():
    dearer = costs(feedback="lfsr", rounding="stochastic", rules=["bp", "dfa", "mdfa"], net="784-500-10")
    ranked = ranking_as_dict(dearer)
    assert json.loads(json.dumps(ranked)) == ranked
    assert ranked["energy_pj"]["order"] == "dfa = mdfa < bp"
    found = {(flip.cheaper, flip.dearer): flip for flip in flips(dearer, "area_um2")}
    gap = next(gap for gap in gaps(dearer, "energy_pj") if gap.dearer == "bp")
    assert gap.decided_by is not None
    assert (
        min(gap.decided_by.at_low, gap.decided_by.at_high)
        <= gap.percent
        <= max(gap.decided_by.at_low, gap.decided_by.at_high)
    )
    text = shown(print_ranking, ranked)
    assert "bp over mdfa" in text
    for flip in found.values():
        assert isinstance(flip.constant, Constant | None)
        assert f"{flip.cheaper} and {flip.dearer} change places" in text


def test_runs_are_priced_in_process(tmp_path):
    quick = {"net": "64-16-10", "epochs": 1, "limit": 200}
    for rule in ("drtp", "dfa"):
        run(make_config(quick | {"rule": rule}), tmp_path / rule)
    run(make_config(quick | {"rule": "dfa", "seed": 1}), tmp_path / "other")
    priced = costs_of_runs([tmp_path / "drtp", tmp_path / "dfa", tmp_path / "other"], "engine-28nm")
    assert [run.cost.name for run in priced] == ["drtp", "dfa dfa", "dfa other"]
    assert all(0 <= run.accuracy <= 100 for run in priced)
    report = json.loads((tmp_path / "drtp/report.json").read_text())
    assert as_dict([priced[0].cost])["rules"] == report["cost"]["rules"]
    with pytest.raises(UserError, match="two runs are called"):
        costs_of_runs([tmp_path / "dfa", tmp_path / "dfa"], "engine-28nm")
    with pytest.raises(UserError, match="holds no report"):
        costs_of_runs([tmp_path], "engine-28nm")


def test_rule_mask_and_front_end_of_runs_are_shown(tmp_path):
    quick = {"net": "64-16-10", "epochs": 1, "limit": 100}
    for name, more in {"dfa": {"rule": "dfa"}, "bias": {"learn": "bias"}, "last": {"learn": "last"}}.items():
        run(make_config(quick | more), tmp_path / name)
    work = {"macs": 1000, "weight_words": 20, "uncounted": ["Softmax"]}
    path = tmp_path / "last/report.json"
    content = json.loads(path.read_text()) | {"start": {"front_end_cost": work, "network": None}}
    (tmp_path / "copy.json").write_text(json.dumps(content))
    priced = costs_of_runs([tmp_path / "dfa", tmp_path / "bias", tmp_path / "copy.json"], "cortex-m4")
    costs = [one.cost for one in priced]
    text = shown(print_costs, as_dict(costs) | {"runs": [one.as_dict() for one in priced]}, False, width=300)
    assert "  dfa: rule dfa, all layers learn\n" in text
    assert f"  {costs[1].name}: rule drtp, layers learn bias, all\n" in text
    assert f"  {costs[2].name}: the output layer learns\n" in text
    assert (
        f"  {costs[2].name}: in front of the cut, per inference, not in these figures: 1,000 MACs (Softmax not" in text
    )
    assert priced[0].as_dict()["front_end"] is None
    front = priced[2].as_dict()["front_end"]
    assert (front["macs"], front["uncounted"]) == (1000, ["Softmax"])
    assert front["energy_pj"] > 0


def test_foreign_energies_are_summed():
    text = shown(
        print_ert,
        {"table": "ERT.yaml (version 0.3, energies read in pJ)", "energy_pj": {"a read": 1000.0, "b cycle": 500.0}},
    )
    assert "together: 1.50 nJ" in text


def test_differences_hold_over_every_corner_of_the_constants():
    """Constants are shared: the band of a difference is narrower than that of two bands apart."""
    priced = costs(rounding="stochastic")
    content = relative_as_dict(priced, "dfa")
    by_name = {cost.name: cost.training for cost in priced}
    assert list(content["rules"]) == ["bp", "drtp", "shallow"]
    constants = {c.name: c for c in (*by_name["bp"].constants, *by_name["dfa"].constants)}.values()
    for figure, name in (("energy_pj", "energy"), ("area_um2", "area"), ("cycles", "cycles")):
        ratios = []
        for ends in product(*((c.low, c.nominal, c.high) for c in constants)):
            at = dict(zip((c.name for c in constants), ends, strict=True))
            ratios.append(by_name["bp"].per_sample(figure, at=at) / by_name["dfa"].per_sample(figure, at=at))
        band = content["rules"]["bp"][name]
        assert band["low"] == pytest.approx(100 * (min(ratios) - 1), rel=1e-5)
        assert band["high"] == pytest.approx(100 * (max(ratios) - 1), rel=1e-5)
    low, _, high = span(by_name["drtp"], lambda at: by_name["drtp"].per_sample("energy_pj", at=at))
    apart = 100 * (high - low) / by_name["dfa"].per_sample("energy_pj")
    energy = content["rules"]["drtp"]["energy"]
    assert energy["high"] - energy["low"] < 0.3 * apart
    with pytest.raises(UserError, match="--against fa is not priced here; give one of bp, dfa, drtp, shallow"):
        relative_as_dict(priced, "fa")


@pytest.mark.parametrize("processor", ["engine-28nm", "engine-45nm-32-lanes", "cortex-m4"])
def test_a_band_is_that_of_its_corners_one_by_one_to_the_last_bit(processor):
    (cost,) = costs(processor, ["dfa"])
    bands = cost.training.constants
    figures = [lambda at, f=figure: cost.training.per_sample(f, at=at) for figure in cost.training.prices]
    figures += [lambda at, f=name: cost.overhead(f, at) for name in OVERHEADS if cost.overhead(name) is not None]
    for figure in figures:
        corners = product(*((band.low, band.high) for band in bands))
        values = [figure(dict(zip((band.name for band in bands), corner, strict=True))) for corner in corners]
        assert span(cost.training, figure) == (min(values), figure({}), max(values))
        assert all(type(value) is float for value in span(cost.training, figure))


@pytest.mark.parametrize("processor", ["engine-28nm", "engine-45nm-32-lanes", "cortex-m4"])
def test_a_band_of_many_constants_is_that_of_all_corners(processor, monkeypatch):
    """With the number of constants whose corners are all evaluated set to one that leaves products alone."""
    priced = costs(processor, ["bp", "dfa", "drtp"])

    def bands() -> list[float]:
        found = []
        for cost in priced:
            training = cost.training
            found += [span(training, lambda at, f=f, c=training: c.per_sample(f, at=at)) for f in training.prices]
            made = {name: lambda at, n=name, c=cost: c.overhead(n, at) for name in OVERHEADS}
            found += [span(training, made[n], cost.inference) for n in OVERHEADS if cost.overhead(n) is not None]
            found += [percent_over(training, priced[0].training, figure) for figure in training.prices]
        return [value for band in found for value in band] + [len(flips(priced, "energy_pj"))]

    corners = bands()
    monkeypatch.setattr("hw_models.compare.bands.MOST_CONSTANTS", 4)
    assert len(priced[0].training.constants) > 4
    assert bands() == pytest.approx(corners, rel=1e-12, abs=1e-9)


def test_a_ratio_of_many_constants_is_largest_where_no_other_corner_is():
    """Random sums, some of whose terms share a factor; 2^11 corners one by one."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        bands = [Constant(f"c{i}", *np.sort(rng.uniform(0.2, 3, 2)), "") for i in range(11)]
        a, b = (
            Cost(
                tuple(
                    Item("cycles", "update", 0, float(value), (bands[i].name, *(("c0",) if rng.random() < 0.5 else ())))
                    for i, value in enumerate(rng.exponential(size=11))
                ),
                1,
                1e6,
                ("cycles",),
                tuple(bands),
            )
            for _ in range(2)
        )

        def ratio(at, a=a, b=b):
            return a.per_sample("cycles", at=at) / b.per_sample("cycles", at=at)

        whole = span(a, ratio, b)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hw_models.compare.bands.MOST_CONSTANTS", 1)
            assert span(a, ratio, b) == pytest.approx(whole, rel=1e-12)


def test_the_verdict_names_the_cheapest_the_next_and_what_decides():
    found = verdict_as_dict(costs(), "energy_pj")
    assert found["left_out"] == ["shallow"]  # it learns no hidden layer
    assert [found["cheapest"], found["next"]] == ["drtp", "dfa"]
    text = verdict_text(found)
    assert text.startswith("drtp has the least energy of the rules that learn hidden layers; dfa, the next, takes ")
    assert f"decided most by {found['decided_by']}" in text
    assert text.endswith("no constant within its band changes the order") == (not found["flips"])
    equal = verdict_as_dict(costs(rules=["dfa", "sdfa"]), "cycles")
    assert verdict_text(equal).startswith("dfa and sdfa have the least cycles, both the same; no constant")
    one_layer = verdict_as_dict(costs(rules=["bp", "drtp", "dfa"], net="64-10"), "energy_pj")
    assert verdict_text(one_layer).startswith("bp, dfa and drtp have the least energy, all the same; no constant")
    assert verdict_as_dict(costs(rules=["dfa"]), "energy_pj") is None
    flip = {"cheaper": "dfa", "dearer": "bp", "constant": "SRAM energy", "at": 1.416}
    turned = verdict_text(found | {"flips": [flip, flip | {"at": 0.8}, flip | {"dearer": "fa", "constant": None}]})
    assert "dfa and bp change places where SRAM energy is 1.42 of nominal, and 1 other pair within the" in turned
    joint = verdict_text(found | {"flips": [flip | {"constant": None, "at": None}]})
    assert joint.endswith("dfa and bp change places where several constants move together")
