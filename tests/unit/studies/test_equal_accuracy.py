"""Energy at equal accuracy: curves are those of plain runs, energies those of their counters, and every rule is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgelearn.config import make_config
from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.runs.curve import TESTS_PER_EPOCH
from edgelearn.runs.rates import learning_counters
from edgelearn.runs.registry import run
from edgelearn.studies import equal_accuracy as study
from edgelearn.studies.equal_accuracy_page import equal_accuracy_said, equal_accuracy_table
from edgelearn.studies.plan import Tuning
from edgelearn.studies.sweep import sweep
from hw_models.compare.rules import cost_of_rule
from hw_models.processor import find_processor

SETTINGS = {"net": "64-12-10", "epochs": 2, "limit": 300}
RULES = ("bp", "drtp", "shallow")
SEEDS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    few = Tuning({"hidden_rate": (-7, -5), "output_rate": (-8, -6)}, rungs=1)
    plan = replace(study.plan_of(SETTINGS, RULES, SEEDS, "engine-28nm"), tuning=few)
    folder = tmp_path_factory.mktemp("equal") / "study"
    outcome = sweep(plan, folder, backend="threads", run=study.run_cell)
    assert (outcome.cells, outcome.failed) == (len(RULES) * SEEDS, 0)
    return folder


def test_a_curve_is_that_of_the_plain_run(folder):
    for curve in study.read_curves(folder):
        content = run(make_config(SETTINGS | {"rule": curve.rule, "seed": curve.seed} | curve.rates)).content
        assert Counters(curve.counts[-1]) == learning_counters(content["counters"]["learning"])
        assert curve.samples[-1] == content["result"]["samples_learned"] == 600
        assert len(curve.samples) == 2 * TESTS_PER_EPOCH
        assert list(np.diff(curve.samples, prepend=0)) == [15] * 40
        by_epoch = [100 - error for error in content["result"]["test_error_percent_by_epoch"]]
        assert curve.accuracy[TESTS_PER_EPOCH - 1 :: TESTS_PER_EPOCH] == pytest.approx(by_epoch)


def test_energies_are_the_counters_priced_up_to_the_first_test_that_reaches(folder):
    result = study.analyse(folder)
    curves = study.read_curves(folder)
    assert result.accuracy_percent == min(max(curve.accuracy) for curve in curves)
    processor = find_processor("engine-28nm")
    for one in result.rules:
        mine = [curve for curve in curves if curve.rule == one.rule]
        energies, samples = [], []
        for curve in mine:
            first = next(k for k, accuracy in enumerate(curve.accuracy) if accuracy >= result.accuracy_percent)
            counters = Counters(curve.counts[: first + 1][-1])
            assert counters.n_samples == curve.samples[first]
            priced = cost_of_rule(curve.spec, counters, processor).training
            energies.append(priced.energy_per_sample_pj * counters.n_samples)
            samples.append(counters.n_samples)
        assert (one.seeds, one.reached) == (SEEDS, SEEDS)
        assert one.energy_pj.mean == pytest.approx(np.mean(energies), rel=1e-5)
        assert one.samples.mean == np.mean(samples)
        assert one.band[0] < one.energy_pj.mean < one.band[1]
        assert one.final.mean == pytest.approx(np.mean([curve.accuracy[-1] for curve in mine]))
    assert next(one for one in result.rules if one.rule == "bp").ratio.mean == 1
    assert not result.never


def test_rules_that_never_reach_are_told(folder):
    highest = {one.rule: one.best.mean for one in study.analyse(folder).rules}
    result = study.analyse(folder, 99.9)
    assert [one.rule for one in result.never] == list(RULES)
    said = " ".join("".join(map(str_of, line)) for line in equal_accuracy_said(result.as_dict()))
    for rule in RULES:
        assert f"{rule} (best {highest[rule]:.2f} %)" in said
    assert "Least energy" not in said
    table = equal_accuracy_table(result.as_dict())
    names = [column.key for column in table.columns]
    for row in table.rows:
        assert row.cells[names.index("energy_pj")] is None
        assert row.cells[names.index("seeds_that_reach")] == f"0 of {SEEDS} seeds"


def str_of(part):
    return part if isinstance(part, str) else part.text


def test_the_column_over_bp_is_left_out_without_bp(folder):
    content = study.analyse(folder).as_dict()
    assert equal_accuracy_table(content).columns[-1].title == "over bp"
    alone = [one | {"energy_over_baseline": None} for one in content["rules"] if one["rule"] != "bp"]
    table = equal_accuracy_table(content | {"rules": alone})
    assert "over bp" not in [column.title for column in table.columns]
    assert all(len(row.cells) == len(table.columns) for row in table.rows)


def test_no_reported_seed_has_tuned(folder):
    tuned = json.loads((folder / "tuning.json").read_text())
    assert tuned["seed"] not in range(SEEDS)
    assert {curve.rule: curve.rates for curve in study.read_curves(folder)} == {
        group["settings"]["rule"]: group["winner"] for group in tuned["groups"]
    }


def test_a_rate_at_the_edge_is_marked(folder):
    content = study.analyse(folder).as_dict()
    content["rules"][1]["at_edge"] = ["hidden_rate"]
    rates = content["rules"][1]["rates"]
    assert equal_accuracy_table(content).rows[1].cells[1] == f"2^{rates['hidden_rate']}*, 2^{rates['output_rate']}"
    assert any("drtp (hidden rate)" in str_of(line[0]) for line in equal_accuracy_said(content))


def test_cells_of_a_plain_sweep_are_no_curves(tmp_path):
    plan = study.plan_of(SETTINGS | {"limit": 40, "epochs": 1}, ("shallow",), 1, "engine-28nm")
    plan = replace(plan, tuning=None)
    sweep(plan, tmp_path / "plain", backend="threads")
    with pytest.raises(UserError, match="holds no learning curves"):
        study.analyse(tmp_path / "plain")


def test_rules_are_given_once_and_known(tmp_path):
    with pytest.raises(UserError, match="give each once"):
        study.plan_of({}, ("bp", "BP"), 1, "engine-28nm")
    with pytest.raises(UserError, match="rule 'bb' is not known"):
        study.plan_of({}, ("bb",), 1, "engine-28nm")
    text = Path("hw_models/processors/cortex-m4.toml").read_text()
    (tmp_path / "dark.toml").write_text("\n".join(x for x in text.splitlines() if not x.startswith("energy")))
    with pytest.raises(UserError, match="has no energies to compare"):
        study.plan_of({}, ("bp",), 1, str(tmp_path / "dark.toml"))
