"""Names of branch predictors: each is one predictor, and what is printed can be typed; what a report makes of traces."""

from __future__ import annotations

import io

import numpy as np
import pytest

from edgelearn.branch.base import DoesNotFit
from edgelearn.branch.catalog import KINDS, make_predictor, settings_of
from edgelearn.branch.tage_side_table import SideTable
from edgelearn.branch.traces.source import open_trace
from edgelearn.config import BranchSettings
from edgelearn.errors import UserError
from edgelearn.reports.branch import show, show_sweep
from edgelearn.reports.console import make_console
from edgelearn.runs.branch import sweep as sweep_branches
from edgelearn.runs.registry import run as run_branches
from hw_models.branch_cost import branch_cost
from tests.unit.branch.test_traces import bt9, cbp1, saved

KB = 1 << 10
NOBODY = np.empty(0, np.uint8)


@pytest.mark.parametrize("name", [*KINDS, "perceptron+mdfa", "hashed+dfa", "tage+bp"])
def test_what_is_printed_can_be_typed(name):
    """And is the same predictor at any budget that has room for it."""
    for n_bytes in (2 * KB, 8 * KB, 16 * KB - 1, 16 * KB, 32 * KB, 49 * KB, 64 * KB):
        predictor = make_predictor(name, n_bytes)
        again = make_predictor(predictor.name, 4 * n_bytes)
        assert again.name == predictor.name
        assert settings_of(again) == settings_of(predictor)
        assert again.storage_bits == predictor.storage_bits


@pytest.mark.parametrize(
    "name",
    [
        "gshare:13:13:1", "gshare:13:5:3", "hashed:9:0/3/5", "layered:3:4:0/4", "tage:3:4:5:1/2", "tage:9:8:9:80",
        "piecewise:100:20:3", "gshare:17:delay=4", "mdfa:20:12:3:delay=7", "hashed:9:8x64:delay=2",
        "perceptron:664:36+mdfa:26:36:8", "hashed:9:0/3/5+bp:10:12:4", "tage:13:11:10:300+mdfa:75:45:1",
    ],
)  # fmt: skip
def test_names_with_all_parameters(name):
    assert make_predictor(name, 32 * KB).name == name


def test_the_settings_of_rows_are_those_of_their_own_size():
    for budget in (8, 32, 64):
        spec = make_predictor("mdfa:10:24:8", budget * KB).spec
        assert (spec.theta, spec.spread, spec.v0) == (320, 20, 64)
    small, large = (make_predictor(f"mdfa:{rows}:30:6", 256 * KB).spec for rows in (20, 900))
    assert (small.theta, small.spread, small.v0) == (120, 2, 32)
    assert (large.theta, large.spread, large.v0) == (120, 20, 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("perceptron:100:40:3:4", "has 4 parameters; perceptron takes history, or rows:history"),
        ("piecewise:1:2:3:4", "has 4 parameters"),
        ("hashed:9:8x64:3", "has 3 parameters"),
        ("layered:9", "has 1 parameters"),
        ("tage:13:11", "has 2 parameters"),
        ("tournament:9:9:9:1", "has 4 parameters"),
        ("gshare:29", "predictor 'gshare:29': index bits 29 is not possible; give a whole number from 1 to 28"),
        ("mdfa:3:4:0", "predictor 'mdfa:3:4:0': hidden is 0; give 1 to 256"),
        ("mdfa:1:2:3:4", "has 4 parameters; mdfa takes rows:history:units"),
        ("gshare:²", "'²' is no whole number; gshare takes index bits"),
        ("gshare:" + "9" * 5000, "is no whole number"),
        ("tage:1/2:4:5", "'1/2' is no whole number"),
        ("gshare:9:delay=x", "the delay is no whole number; write gshare:delay=16"),
        ("tage:delay=4", "tage has no delay here"),
        ("tage+mdfa:delay=4", r"tage\+mdfa has no delay here"),
        ("tage:13:11:10:300+mdfa", "has not the parameters of both parts"),
        ("perceptron:3+mdfa:1:2:3", "has not the parameters of both parts"),
    ],
)
def test_names_that_are_none(text, message):
    with pytest.raises(UserError, match=message) as told:
        make_predictor(text, 32 * KB)
    assert not isinstance(told.value, DoesNotFit)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "n_bytes"),
    [
        ("gshare", 0), ("tournament", 4), ("perceptron", 20), ("hashed", 9), ("layered", 30), ("tage", 100), ("mdfa", 20),
        ("perceptron+mdfa", 40), ("hashed+mdfa", 30), ("tage+mdfa", 50), ("tage+mdfa", 900),
        ("gshare:14", 100), ("tage:13:11:10:300+mdfa:76:45:1", 32 * KB),
    ],
)  # fmt: skip
def test_budgets_without_room_are_an_error_of_their_own(name, n_bytes):
    with pytest.raises(DoesNotFit):
        make_predictor(name, n_bytes)


def test_rows_beside_tage_tell_a_budget_that_is_enough():
    for n_bytes in (400, 500, 900):
        with pytest.raises(DoesNotFit, match="beside tage; give more, such as ") as told:
            make_predictor("tage+mdfa", n_bytes)
        enough = int(str(told.value).rsplit(" ", 1)[1].replace(",", ""))
        assert make_predictor("tage+mdfa", enough).side.rows >= 1


def test_rows_beside_tage_wait_for_its_word():
    predictor = make_predictor("tage+mdfa", 32 * KB)
    assert isinstance(predictor, SideTable)
    predictor.run(np.arange(50, dtype=np.uint32), np.arange(50, dtype=np.uint8) % 2, NOBODY)
    path = predictor.datapath
    rows, local = path.beside
    assert rows.waits
    assert [(memory.rows, memory.row_bits) for memory in local.memories] == [(64, 8)]
    assert local.updates == 1
    learned, frozen = (make_predictor(f"{rule}:156:24:8", 32 * KB).datapath.adds for rule in ("mdfa", "frozen"))
    assert (learned, frozen) == (8 * 25 + 9, 9)
    assert branch_cost(path).wide_row.latency_ps >= branch_cost(rows).wide_row.latency_ps


@pytest.mark.parametrize("name", ["gshare", "mdfa", "perceptron+mdfa", "tage+mdfa"])
def test_outcomes_are_0_or_1(name):
    with pytest.raises(UserError, match="outcome 2; give 0, not taken, and 1, taken"):
        make_predictor(name, 32 * KB).run(np.zeros(3, np.uint32), np.full(3, 2, np.uint8), NOBODY)


# ---- traces


def report(path, **settings):
    return run_branches(BranchSettings(trace=str(path), predictors="bimodal,gshare:5", **settings)).content


def test_a_limit_of_a_format_that_counts(tmp_path):
    path = tmp_path / "t.bt9"
    path.write_bytes(bt9())
    whole, part = report(path), report(path, limit=500)
    assert whole["notes"] == part["notes"] == []
    assert part["branches"] == 500
    counts = np.concatenate([chunk.counts for chunk in open_trace(path).chunks()])
    assert part["instructions"] == counts[499]
    assert part["predictors"][0]["mpki"] == round(1000 * part["predictors"][0]["misses"] / counts[499], 4)
    assert report(path, limit=10_000)["instructions"] == whole["instructions"] > counts[499]


def test_a_limit_above_a_trace_scales_nothing(tmp_path):
    (tmp_path / "t.npz").write_bytes(saved(pc=np.arange(9), taken=np.arange(9) % 2, instructions=np.int64(90)))
    assert report(tmp_path / "t.npz", limit=9)["notes"] == report(tmp_path / "t.npz", limit=100)["notes"] == []
    cut = report(tmp_path / "t.npz", limit=3)
    assert (cut["instructions"], len(cut["notes"])) == (30, 1)


def test_a_trace_of_no_instructions_has_no_rate_by_them(tmp_path):
    (tmp_path / "DIST-x").write_bytes(cbp1(instructions=0))
    (tmp_path / "t.npz").write_bytes(saved(pc=np.arange(9), taken=np.arange(9) % 2, instructions=np.int64(0)))
    for name in ("DIST-x", "t.npz"):
        content = report(tmp_path / name)
        assert (content["instructions"], content["predictors"][0]["mpki"]) == (None, None)


def test_a_name_alone_is_no_published_trace(tmp_path):
    (tmp_path / "SM1.csv").write_text("pc,taken\n4,1\n8,0\n")
    (tmp_path / "SM2.bt9").write_bytes(bt9())
    (tmp_path / "DIST-INT-1").write_bytes(cbp1())
    (tmp_path / "C25int.npz").write_bytes(saved(pc=np.arange(9), taken=np.arange(9) % 2))
    own = open_trace(tmp_path / "SM1.csv")
    assert (own.source, own.pc_shift) == (".csv table", 0)
    assert report(tmp_path / "SM2.bt9")["source"] == "CBP-2016 BT9 text, AArch64"  # its end tells
    assert open_trace(tmp_path / "DIST-INT-1").source == "CBP-1 (2004) records, x86"
    assert open_trace(tmp_path / "C25int.npz").pc_shift == 0


@pytest.mark.parametrize("shift", [32, 77])
def test_arrays_with_a_shift_that_is_none(tmp_path, shift):
    (tmp_path / "t.npz").write_bytes(saved(pc=np.arange(9), taken=np.arange(9) % 2, pc_shift=np.int64(shift)))
    with pytest.raises(UserError, match=f"pc_shift is {shift}; give 0 to 31"):
        open_trace(tmp_path / "t.npz")


# ---- what is printed


def printed(width, *results, sweep=False):
    contents = [result.content for result in results]
    console = make_console(file=io.StringIO(), width=width)
    if sweep:
        show_sweep(contents, console, details=True)
    else:
        show(contents[0], console, details=True)
    return console.file.getvalue().splitlines()


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "t.npz"
    path.write_bytes(saved(pc=np.arange(900) % 40, taken=np.arange(900) % 3 == 0, instructions=np.int64(9000)))
    return str(path)


def test_a_narrow_terminal_cuts_no_cell(trace):
    told = run_branches(BranchSettings(trace=trace, predictors="perceptron:100:40,perceptron+mdfa,tage+mdfa"))
    narrow, wide = printed(80, told), printed(150, told)
    for name in (row["name"] for row in told.content["predictors"]):
        assert sum(line.startswith(f"{name} ") for line in wide) == 1
        assert sum(line.startswith(f"{name} ") for line in narrow) in (1, 2)
    assert all(len(line) <= 80 for line in narrow)
    assert not any("…" in line for line in (*narrow, *printed(20, told)))


def test_a_sweep_is_one_table_by_budget(trace):
    settings = BranchSettings(trace=trace, predictors="tage+mdfa,gshare:14,perceptron:100:40")
    reports = sweep_branches(settings)
    lines = printed(80, *reports, sweep=True)
    assert sum("2 KB" in line and "128 KB" in line for line in lines) == 2
    rows = [line.split() for line in lines if line.startswith("gshare:14")]
    assert rows[0][1] == rows[1][1] == "-"
    assert rows[1][2:] == ["4.00"] * 6
    assert lines[-1] == "-: no room at that budget"
    assert "above the budget" in reports[0].content["left_out"]["gshare:14"]
    assert reports[2].content["left_out"] == {}
    with pytest.raises(UserError, match="Did you mean 'tage'"):
        sweep_branches(BranchSettings(trace=trace, predictors="gshare,tgae"))
    with pytest.raises(UserError, match="tage has no delay here"):
        sweep_branches(BranchSettings(trace=trace, predictors="gshare,tage", delay=16))


def test_reports_tell_all_settings(trace):
    rows = run_branches(BranchSettings(trace=trace, predictors="mdfa:10:24:8,tage+mdfa")).content["predictors"]
    assert {key: rows[0]["settings"][key] for key in ("theta", "spread", "v0", "v_shift", "seed")} == {
        "theta": 320, "spread": 20, "v0": 64, "v_shift": 7, "seed": 7
    }  # fmt: skip
    assert rows[1]["settings"]["side"]["theta"] == 160
    assert rows[1]["settings"]["main"]["tag_bits"] == 10
