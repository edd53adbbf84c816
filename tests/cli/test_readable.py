"""Every default report is short, as wide as the terminal at most, and whole; --details keeps the rest."""

from __future__ import annotations

import json
import shlex

import pytest

from edgelearn.cli import main
from tests.tools import require_torch

RUN = ("run", "--epochs", "2", "--limit", "400")
REPORTS = {
    "run": (RUN, ("test accuracy", "energy", "band of learning", "words per sample", "buffers", "next: ")),
    "run-bp": ((*RUN, "--rule", "bp", "--processor", "cortex-m4"), ("test accuracy", "backward-locking buffers: ")),
    "spiking": (("run", "--spiking", "--epochs", "2", "--limit", "40"), ("test accuracy", "energy per synaptic")),
    "stream": (
        ("stream", "--processor", "cortex-m4", "--detector", "adwin", "--update-gate", "error"),
        ("prequential accuracy", "baselines: majority class ", "no-change ", "real-time: yes (0 dropped, 0 late)", "adwin: "),
    ),
    "branch": (("branch", "--iterations", "5000", "--predictor", "mdfa,tage,gshare"), ("mispredicted", "rate, %")),
    "branch-sweep": (("branch", "--iterations", "2000", "--sweep", "--predictor", "tage,gshare"), ("128 KB",)),
    "cost": (("cost",), ("shallow", "overhead", "energy: ", "next: --details | --tornado")),
    "cost-core": (("cost", "--processor", "cortex-m0"), ("cycles: shallow < ", "time, ms")),
    "budget": (("firmware", "budget", "--ram", "32K", "--flash", "256K"), ("limited by", "next: ")),
}  # fmt: skip
DETAILS = {
    "run": ("words per learned sample", "operations per learned sample: ", "skipped neurons", "stored: ", "energy by role"),
    "run-bp": ("buffered, layer 1: ", "backward locking"),
    "spiking": ("weights written", "labels from step", "test accuracy by epoch", "energy per learned sample"),
    "stream": ("recall: ", "drift at sample 6,666", "input events", "held back by the update gate", "not counted"),
    "branch": ("trained, %", "pJ, 45 nm", "+ update", "note: wide-row prices no update"),
    "branch-sweep": ("storage, KiB",),
    "cost": ("layer 1 may update", "logic area: Nangate45", "energy per sample, nJ", "area, um2", "cycles per sample"),
    "cost-core": ("cycles per sample",),
}  # fmt: skip


def printed(arguments, width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    capsys.readouterr()
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def check_lines(lines, width):
    for line in lines:
        assert len(line) <= width, line
        assert line == line.rstrip()
        assert "…" not in line


@pytest.mark.parametrize("name", REPORTS)
def test_a_default_report_is_read_at_a_glance(name, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments, parts = REPORTS[name]
    for width in (80, 120):
        text = printed(arguments, width, capsys, monkeypatch)
        check_lines(text.splitlines(), width)
        assert 5 <= len(text.splitlines()) <= (24 if name.startswith("cost") else 18), text  # a row for each rule
        assert "\nnext: " in text
        assert all(part in " ".join(text.split()) for part in parts), text
    if name in DETAILS:
        text = printed((*arguments, "--details"), 80, capsys, monkeypatch)
        check_lines(text.splitlines(), 80)
        assert all(part in " ".join(text.split()) for part in DETAILS[name]), text
        assert "next: --details" not in text


def test_a_run_is_drawn_with_the_same_bytes(capsys, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    for name in ("a.svg", "b.svg"):
        text = printed((*RUN, "--plot", name), 80, capsys, monkeypatch)
        assert f"written: {name}\n" in text
        assert "--plot" not in text
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    printed((*RUN, "--processor", "cortex-m0", "--plot", "c.png"), 80, capsys, monkeypatch)
    assert (tmp_path / "c.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("flags", "cost"),
    [
        ((), "edgelearn cost --rule all"),
        (("--net", "64-6-10", "--bits", "4"), "edgelearn cost --net 64-6-10 --bits 4 --rule all"),
        (("--classes", "3,8", "--learn", "last"), "edgelearn cost --net 64-100-2 --learn last --rule all"),
        (("--net", "8x8x1-conv2x3x3-10", "--kernel-bias"), "edgelearn cost --net 8x8x1-conv2x3x3-10 --kernel-bias"),
        (("--net", "8x8x1-conv2x3x3-10", "--rule", "dfa", "--feedback-kind", "map"), "--feedback-kind map --rule dfa"),
    ],
)
def test_the_next_command_prices_the_network_that_ran(flags, cost, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shown = printed(("run", *flags, "--epochs", "1", "--limit", "20"), 400, capsys, monkeypatch)
    *_, step = shown.rstrip().splitlines()[-1].split(" | ")
    assert cost in step
    priced = printed((*shlex.split(step)[1:], "--json"), 80, capsys, monkeypatch)
    net = json.loads(priced)["rules"][0]["network"]
    assert net.get("topology", "-".join(map(str, net["sizes"]))) in shown


def test_validation_and_studies_too(capsys, monkeypatch, tmp_path):
    pytest.importorskip("pandas")
    require_torch()
    monkeypatch.chdir(tmp_path)
    quick = ("--net", "64-16-10", "--epochs", "1", "--limit", "200")
    run = printed(("run", *quick, "--out", "a"), 80, capsys, monkeypatch)
    assert " ".join(run.split()).endswith(
        "written: a/report.json, config.toml, weights.npz "
        "next: --details | --plot run.svg | edgelearn cost --run a | edgelearn compare a OTHER"
    )
    printed(("run", *quick, "--rule", "bp", "--out", "b"), 80, capsys, monkeypatch)
    sweep = ("sweep", *quick, "--bits", "2,4,6,8", "--rule", "bp,drtp", "--seeds", "1", "--jobs", "1", "--out", "study")
    for width in (80, 120):
        for arguments in (
            (*sweep, *(("--overwrite",) if width == 120 else ())),
            ("study", "show", "study"),
            ("compare", "a", "b"),
            ("validate", *quick, "--rule", "drtp"),
        ):
            text = printed(arguments, width, capsys, monkeypatch)
            check_lines(text.splitlines(), width)
            assert len(text.splitlines()) <= 18, text
            assert "next: " in text
    full = printed(("study", "show", "study", "--details"), 80, capsys, monkeypatch)
    assert "Smallest bits within 1 point" in full
    full = printed(("validate", *quick, "--rule", "drtp", "--details"), 80, capsys, monkeypatch)
    assert "lost to zero, layer" in full
    assert "one update, layer 1: within " in full
