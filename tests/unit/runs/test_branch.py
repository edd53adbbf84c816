"""Predictors by name, traces past many of them, what they cost, sweeps and their figure."""

from __future__ import annotations

import io
import json
import os
import signal

import numpy as np
import pytest

from edgelearn.branch.catalog import KINDS, make_predictor, takes_delay
from edgelearn.branch.traces.source import open_trace
from edgelearn.config import BranchSettings, validated
from edgelearn.errors import UserError
from edgelearn.runs.branch import open_branches
from edgelearn.runs.branch import sweep as sweep_branches
from edgelearn.runs.checkpoint import Interrupted, saved_settings
from edgelearn.runs.registry import run as run_branches
from edgelearn.units import size_bytes
from hw_models.branch_cost import branch_cost
from tests.tools import missing, needs_compiled

KB = 1 << 10
HYBRIDS = ("perceptron+mdfa", "hashed+dfa")
LEARN = tuple(name for name in KINDS if name not in ("always-taken", "static"))


def stream(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    pc = rng.integers(0, 40, n).astype(np.uint32)
    return pc, (rng.random(n) < (pc % 5) / 4).astype(np.uint8)


def write_csv(path, n=3000, seed=0):
    pc, taken = stream(n, seed)
    path.write_text("pc,taken\n" + "".join(f"{a},{o}\n" for a, o in zip(pc, taken, strict=True)))
    return pc, taken


@pytest.mark.parametrize("name", [*LEARN, *HYBRIDS])
@pytest.mark.parametrize("budget", [2 * KB, 8 * KB, 32 * KB, 64 * KB])
def test_every_predictor_fits_its_budget_and_is_priced(name, budget):
    predictor = make_predictor(name, budget)
    assert predictor.storage_bits <= 8 * budget + 400  # registers come on top of tables
    pc, taken = stream(500)
    assert predictor.run(pc, taken, np.empty(0, np.uint8)) == predictor.counters["misses"] > 0
    cost = branch_cost(predictor.datapath)
    assert cost.wide_row.cycles >= 1
    assert cost.words.energy_pj > 0
    if "+" not in name:  # the name it tells can be typed
        assert make_predictor(predictor.name, 4 * budget).storage_bits == predictor.storage_bits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "predictor 'foo' is not known"),
        ("gshare:a", "'a' is no whole number; gshare takes index bits"),
        ("gshare:9:9:2:4", "has 4 parameters"),
        ("bimodal:9:2", "has 2 parameters"),
        ("perceptron:99999:36", "above the budget of 32,768"),
        ("hashed:x", "no whole number of index bits"),
        ("hashed:9:5x5", "history lengths '5x5' are not known"),
        ("mdfa:3", "has not rows, history and units"),
        ("tage:7", "longest history 7 is not known"),
        ("mdfa+perceptron", "main predictor 'mdfa' is not known"),
        ("perceptron+xyz", "rule of side rows 'xyz' is not known"),
        ("perceptron+mdfa:3", "has not the parameters of both parts"),
    ],
)
def test_names_that_are_none(text, message):
    with pytest.raises(UserError, match=message):
        make_predictor(text, 32 * KB)


def test_parameters_are_those_of_the_predictor():
    assert make_predictor("gshare:13:5", 32 * KB).name == "gshare:13:5"
    assert make_predictor("perceptron:62", 32 * KB).name == "perceptron:520:62"
    assert make_predictor("hashed:10:16x128", 32 * KB).name == "hashed:10:16x128"
    assert make_predictor("piecewise:100:20:3", 32 * KB).name == "piecewise:100:20:3"
    assert make_predictor("gshare", 32 * KB, delay=4).name == "gshare:17:delay=4"


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("32KB", 32768), ("8 kib", 8192), ("100", 100), ("1MB", 1 << 20), ("7B", 7), ("3.5KB", 3584), ("1GB", 1 << 30)],
)
def test_budgets(text, n_bytes):
    assert size_bytes(text) == n_bytes


@pytest.mark.parametrize("text", ["", "x", "-3KB", "0", "0.3KB", "9999MB", "²KB", "1025MB", "3.KB"])
def test_budgets_that_are_none(text):
    with pytest.raises(UserError, match=r"setting 'budget'(: '.*' is not a size| is empty)"):
        validated(BranchSettings, {"budget": text})


def test_a_trace_past_predictors_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr("edgelearn.runs.branch.BLOCK", 700)
    pc, taken = write_csv(tmp_path / "t.csv")
    names = "gshare:9,perceptron,mdfa,perceptron+mdfa"
    seen = []
    report = run_branches(
        BranchSettings(trace=str(tmp_path / "t.csv"), predictors=names, budget="4KB", pc_shift=1),
        on_progress=lambda work: seen.append(work.done),
    )
    assert seen == [700, 1400, 2100, 2800, 3000]
    for name, row in zip(names.split(","), report.content["predictors"], strict=True):
        alone = make_predictor(name, 4 * KB)
        assert row["misses"] == alone.run(pc >> np.uint32(1), taken, np.empty(0, np.uint8))
        assert row["mpki"] is None  # a table of branches knows no instructions
    assert json.loads(json.dumps(report.content)) == report.content


def test_a_limit_cuts_branches_and_instructions(tmp_path):
    pc, taken = stream()
    np.savez(tmp_path / "t.npz", pc=pc, taken=taken, instructions=np.int64(30_000))
    settings = BranchSettings(trace=str(tmp_path / "t.npz"), predictors="bimodal", limit=1000)
    content = run_branches(settings).content
    assert (content["branches"], content["instructions"]) == (1000, 10_000)
    row = content["predictors"][0]
    assert row["mpki"] == pytest.approx(1000 * row["misses"] / 10_000, abs=1e-4)
    assert "scaled" in content["notes"][0]


@needs_compiled
def test_the_built_in_stream_is_learned_by_the_hidden_layer_alone():
    settings = BranchSettings(iterations=20_000, predictors="gshare,perceptron,piecewise,hashed,tage,mdfa,dfa")
    rates = [row["rate_percent"] for row in run_branches(settings).content["predictors"]]
    assert min(rates[:5]) > 40
    assert max(rates[5:]) < 1


def test_what_the_built_in_stream_does_not_take():
    with pytest.raises(UserError, match="--limit and --pc-shift are for traces"):
        open_branches(BranchSettings(limit=10))
    with pytest.raises(UserError, match="no predictor is named"):
        run_branches(BranchSettings(predictors=" , "))


def test_a_sweep_leaves_out_what_does_not_fit(tmp_path):
    pytest.importorskip("matplotlib")
    from edgelearn.reports.plots.branch import plot_sweep

    write_csv(tmp_path / "t.csv", 500)
    reports = sweep_branches(BranchSettings(trace=str(tmp_path / "t.csv"), predictors="gshare,gshare:14,mdfa"))
    assert len(reports) == 7
    assert [len(report.content["predictors"]) for report in reports] == [2, 3, 3, 3, 3, 3, 3]
    for name in "ab":
        plot_sweep([report.content for report in reports], tmp_path / f"{name}.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    assert "mispredicted (%)" in drawn
    with pytest.raises(UserError, match="no predictor fits"):
        sweep_branches(BranchSettings(trace=str(tmp_path / "t.csv"), predictors="gshare:28"))


WHOLE = {"SHORT_MOBILE-1": 434_642, "SHORT_MOBILE-2": 3_927_121, "SHORT_MOBILE-3": 376_277, "SHORT_MOBILE-4": 1_923_213}


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_whole_championship_traces(name):
    """gshare of 32 KB on the addresses as they are: what the 2016 championship's listed results say."""
    try:
        open_trace(name)
    except UserError:
        missing(f"{name} is missing; name the folder above branch_traces in the variable EDGELEARN_DATA")
    settings = BranchSettings(trace=name, predictors="gshare", pc_shift=0)
    assert run_branches(settings).content["predictors"][0]["misses"] == WHOLE[name]


EVERY = (*LEARN, "always-taken", "perceptron+mdfa", "hashed+dfa", "tage+bp")


@pytest.mark.parametrize("name", EVERY)
def test_every_predictor_continues_from_its_state(name):
    """At several branches, through the bytes of a file, in a new predictor."""
    pc, taken = stream(9000)
    nobody = np.empty(0, np.uint8)
    delay = 3 if takes_delay(name) else 0
    whole = make_predictor(name, 8 * KB, delay)
    whole.run(pc, taken, nobody)
    for cut in (1, 700, 4096, 8999):
        first, second = (make_predictor(name, 8 * KB, delay) for _ in range(2))
        first.run(pc[:cut], taken[:cut], nobody)
        with io.BytesIO() as file:
            np.savez(file, **first.state())
            file.seek(0)
            second.restore(dict(np.load(file)))
        second.run(pc[cut:], taken[cut:], nobody)
        assert second.counters == whole.counters
        for key, array in whole.state().items():
            np.testing.assert_array_equal(second.state()[key], array, err_msg=key)


def interrupted_at(n, settings, out):
    def strike(work):
        if work.done >= n:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run_branches(settings, out, on_progress=strike)


@pytest.mark.parametrize("source", ["csv", "npz", "built-in"])
def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path, monkeypatch, source):
    monkeypatch.setattr("edgelearn.runs.branch.BLOCK", 700)
    pc, taken = write_csv(tmp_path / "t.csv")
    np.savez(tmp_path / "t.npz", pc=pc, taken=taken, instructions=np.int64(30_000))
    given = {"iterations": 300} if source == "built-in" else {"trace": str(tmp_path / f"t.{source}"), "limit": 2900}
    settings = BranchSettings(predictors="gshare:9,hashed:6:3/5/8,tage,mdfa,perceptron+mdfa", budget="8KB", **given)
    whole = run_branches(settings, tmp_path / "whole")
    for n in (700, 2100, 2900):
        out = tmp_path / f"cut{n}"
        interrupted_at(n, settings, out)
        assert not (out / "report.json").exists()
        assert run_branches(settings, out, resume=True) == whole
        for name in ("report.json", "weights.npz", "config.toml"):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert not (out / "checkpoint.npz").exists()
    again = run_branches(settings, out, resume=True, on_progress=lambda work: pytest.fail("run again"))
    assert again.to_json() == whole.to_json()


def test_the_usual_predictors_with_a_delay_are_continued(tmp_path, monkeypatch):
    monkeypatch.setattr("edgelearn.runs.branch.BLOCK", 700)
    settings = BranchSettings(iterations=100, delay=16)
    interrupted_at(700, settings, tmp_path)
    saved = validated(BranchSettings, saved_settings(tmp_path))
    assert run_branches(saved, tmp_path, resume=True).content == run_branches(settings).content


def test_a_trace_that_has_changed_is_not_continued(tmp_path, monkeypatch):
    monkeypatch.setattr("edgelearn.runs.branch.BLOCK", 700)
    settings = BranchSettings(trace=str(tmp_path / "t.csv"), predictors="gshare:9")
    write_csv(tmp_path / "t.csv")
    interrupted_at(1400, settings, tmp_path / "a")
    write_csv(tmp_path / "t.csv", seed=1)
    with pytest.raises(UserError, match="is not the trace that the checkpoint was made with"):
        run_branches(settings, tmp_path / "a", resume=True)
    with pytest.raises(UserError, match="another configuration \\(limit was None, is 5\\)"):
        run_branches(settings.model_copy(update={"limit": 5}), tmp_path / "a")


def test_accuracy_is_that_of_the_best_predictor():
    content = run_branches(BranchSettings(iterations=300, predictors="gshare:9,mdfa,bimodal")).content
    rows = content["predictors"]
    assert [row["accuracy_percent"] for row in rows] == [round(100 - row["rate_percent"], 4) for row in rows]
    assert content["accuracy_percent"] == max(row["accuracy_percent"] for row in rows)
