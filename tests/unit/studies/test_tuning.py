"""Tuned rates: what is tried, on which samples, who wins, and what is written of it."""

from __future__ import annotations

import json

import pytest

from edgelearn.config import SpikingConfig, StreamConfig, make_config, validated
from edgelearn.studies.plan import MOST_SEEDS, Plan
from edgelearn.studies.sweep import sweep
from edgelearn.studies.table import read_study
from edgelearn.studies.tuning import MOST_BEYOND, at_edge, budget, candidates, own_rates, tune

SMALL = {"settings": {"net": "64-8-10", "epochs": 4}, "axes": {"rule": ["drtp", "shallow"]}, "seeds": [3, 5]}


def scored(accuracy):
    """Return a `run_trials` that scores rates by a function instead of learning, and the trials it was given."""
    seen = {}

    def run_trials(stage, trials):
        seen[stage] = trials
        scores = {trial.id: accuracy(trial.config) for trial in trials}
        return {
            id: {"status": "failed" if score is None else "done", "accuracy_percent": score}
            for id, score in scores.items()
        }

    return run_trials, seen


def near(hidden, output):
    return lambda config: 90.0 - abs((config["hidden_rate"] or 0) - hidden) - abs(config["output_rate"] - output)


def test_candidates_lie_around_the_rules_own_rates_nearest_first():
    own = own_rates(make_config({"rule": "drtp"}))
    found = candidates("run", {"rule": "drtp"}, {})
    assert found[0] == own
    assert len(found) == 25
    assert {rates["output_rate"] - own["output_rate"] for rates in found} == {-4, -2, 0, 2, 4}
    assert candidates("run", {"rule": "drtp"}, {"hidden_rate": (-3, -9)})[0]["hidden_rate"] == -9
    assert all(
        rates["output_rate"] <= 0 for rates in candidates("stream", {}, {})
    )  # what no network can have is not tried


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (make_config({"rule": "drtp"}), {"hidden_rate", "output_rate"}),
        (make_config({"rule": "shallow"}), {"output_rate"}),
        (make_config({"net": "64-10"}), {"output_rate"}),
        (validated(StreamConfig, {"hidden": "0"}), {"output_rate"}),
        (validated(SpikingConfig, {}), {"hidden_shift", "output_shift"}),
        (validated(SpikingConfig, {"rule": "shallow"}), {"output_shift"}),
    ],
)
def test_a_hidden_rate_is_tuned_where_hidden_layers_learn(config, names):
    assert set(own_rates(config)) == names


def test_rungs_grow_to_all_samples_that_are_not_held_out():
    tuning = Plan.of({"tuning": True}).tuning
    settings = {"epochs": 4}
    n_train = 1437 - round(0.2 * 1437)
    assert budget("run", settings, tuning, 1.0) == {"validation_fraction": 0.2, "epochs": 4}
    assert budget("run", settings, tuning, 0.5) == {"validation_fraction": 0.2, "epochs": 2}
    assert budget("run", settings, tuning, 0.125)["limit"] == pytest.approx(n_train / 2, abs=1)
    assert budget("run", settings | {"limit": 10}, tuning, 0.125) == {
        "validation_fraction": 0.2,
        "epochs": 1,
        "limit": 5,
    }
    assert budget("stream", {"limit": 1000}, tuning, 0.5) == {"limit": 100}
    assert budget("spiking", {"limit": 100}, tuning, 0.001)["epochs"] == 1


def test_the_best_rates_win_and_all_seeds_learn_with_them(tmp_path):
    run_trials, seen = scored(near(-9, -6))
    cells = tune(Plan.of(SMALL | {"tuning": True}), tmp_path, run_trials)
    assert [cell.config["seed"] for cell in cells] == [3, 5, 3, 5]
    assert {(cell.config["rule"], cell.config["hidden_rate"], cell.config["output_rate"]) for cell in cells} == {
        ("drtp", -9, -6),
        ("shallow", None, -7),  # of -5 and -7, equally near, the rule's own
    }
    assert all(cell.config["validation_fraction"] is None and cell.config["epochs"] == 4 for cell in cells)
    first = seen["tuning, rung 1 of 3"]
    assert len(first) == 25 + 5
    assert all(trial.config["validation_fraction"] == 0.2 and trial.config["seed"] == MOST_SEEDS for trial in first)
    assert len(seen["tuning, rung 2 of 3"]) == 8 + 2
    assert len(seen["tuning, rung 3 of 3"]) == 3 + 1
    note = json.loads((tmp_path / "tuning.json").read_text())
    for one in note["groups"]:
        shares = [rung["epochs"] if "limit" not in rung else 0 for rung in one["rungs"]]
        assert shares[-1] == SMALL["settings"].get("epochs", 10), "the last rung learns all that a cell learns"
        assert shares[0] < shares[-1] or shares[-1] == 1
    drtp = note["groups"][0]
    assert drtp["settings"] == {"rule": "drtp"}
    assert drtp["winner"] == {"hidden_rate": -9, "output_rate": -6}
    assert drtp["at_edge"] == []
    assert [len(rung["scores"]) for rung in drtp["rungs"]] == [25, 8, 3]
    assert drtp["rungs"][2]["scores"][0] == {"hidden_rate": -9, "output_rate": -6, "accuracy_percent": 90.0}


def test_a_winner_at_the_edge_is_followed(tmp_path):
    run_trials, seen = scored(near(-17, -8))
    cells = tune(Plan.of(SMALL | {"tuning": True}), tmp_path, run_trials)
    assert cells[0].config["hidden_rate"] == -17  # -7 - 4 is the lowest of the first candidates
    assert [stage for stage in seen if "beyond" in stage][-1] == "tuning, beyond the edge 4"
    assert len(seen) <= 3 + MOST_BEYOND
    assert json.loads((tmp_path / "tuning.json").read_text())["groups"][0]["at_edge"] == []


def test_lists_that_a_user_gave_are_not_left(tmp_path):
    run_trials, seen = scored(near(-17, -8))
    tuning = {"hidden_rate": [-7, -5], "output_rate": [-9, -8, -7]}
    cells = tune(Plan.of(SMALL | {"tuning": tuning}), tmp_path, run_trials)
    assert cells[0].config["hidden_rate"] == -7
    assert len(seen) == 3
    assert json.loads((tmp_path / "tuning.json").read_text())["groups"][0]["at_edge"] == ["hidden_rate"]


def test_rates_that_fail_do_not_win_and_a_group_that_fails_keeps_its_own(tmp_path):
    run_trials, _ = scored(lambda config: None if config["rule"] == "shallow" or config["hidden_rate"] > -8 else 50.0)
    cells = tune(Plan.of(SMALL | {"tuning": True}), tmp_path, run_trials)
    assert cells[0].config["hidden_rate"] <= -8
    assert cells[2].config["output_rate"] is None
    assert json.loads((tmp_path / "tuning.json").read_text())["groups"][1]["winner"] == {}


def test_a_network_that_cannot_be_fails_as_a_cell_and_stops_no_other(tmp_path):
    plan = Plan.of(
        {
            "settings": {"net": "64-4-10", "epochs": 1, "limit": 60},
            "axes": {"bits": [8, 16], "residual_bits": ["none", 4]},
        }
        | {"tuning": {"hidden_rate": [-5], "output_rate": [-4], "rungs": 1}}
    )
    outcome = sweep(plan, tmp_path / "study", backend="threads")
    assert (outcome.cells, outcome.failed) == (4, 1)
    assert list(read_study(tmp_path / "study").frame.status) == ["done", "done", "done", "failed"]


def test_an_edge_is_the_lowest_or_highest_of_several():
    tried = [{"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 3, "b": 1}]
    assert at_edge({"a": 2, "b": 1}, tried) == []
    assert at_edge({"a": 3, "b": 1}, tried) == ["a"]


@pytest.mark.parametrize("kind", ["run", "stream", "spiking"])
def test_a_tuned_sweep_of_each_kind_is_repeated_to_the_same_bytes(tmp_path, kind):
    settings = {
        "run": {"net": "64-8-10", "epochs": 1},
        "stream": {"hidden": "4"},
        "spiking": {"net": "64-4-10", "epochs": 1},
    }
    rates = ("hidden_shift", "output_shift") if kind == "spiking" else ("hidden_rate", "output_rate")
    lists = {rates[0]: [9, 11] if kind == "spiking" else [-5, -7], rates[1]: [9, 11] if kind == "spiking" else [-4]}
    given = {"kind": kind, "settings": settings[kind] | {"limit": 60}, "seeds": 2, "tuning": lists | {"rungs": 2}}
    plan = Plan.of(given)
    bytes_of = []
    for name in "ab":
        assert sweep(plan, tmp_path / name, backend="threads").failed == 0
        bytes_of.append(
            [(tmp_path / name / file).read_bytes() for file in ("table.parquet", "table.csv", "tuning.json")]
        )
    assert bytes_of[0] == bytes_of[1]
    frame = read_study(tmp_path / "a").frame
    assert set(frame[rates[0]]) <= set(lists[rates[0]])
    assert len(list((tmp_path / "a/trials").iterdir())) >= 2
    seen = []
    again = sweep(plan, tmp_path / "a", backend="threads", on_progress=lambda p: seen.append(p.total - p.kept))
    assert (again.kept, set(seen)) == (2, {0})  # neither cells nor trials run again


def test_rates_are_never_tuned_with_a_seed_that_is_reported(tmp_path):
    run_trials, seen = scored(near(-7, -8))
    plan = Plan.of(
        {"seeds": [0, MOST_SEEDS], "cells": [{"seed": MOST_SEEDS + 1}], "axes": {"bits": [8]}, "tuning": True}
    )
    cells = tune(plan, tmp_path, run_trials)
    tried = {trial.config["seed"] for trials in seen.values() for trial in trials}
    assert tried == {MOST_SEEDS + 2}
    assert tried.isdisjoint(cell.config["seed"] for cell in cells)
    assert json.loads((tmp_path / "tuning.json").read_text())["seed"] == MOST_SEEDS + 2
