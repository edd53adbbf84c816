"""`edgelearn validate`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tests.cli.runner import QUICK, edgelearn, edgelearn_process
from tests.tools import require_torch


def test_the_report_for_people_begins_with_the_verdict(tmp_path):
    require_torch()
    result = edgelearn("validate", *QUICK, "--rule", "dfa", "--out", "a", "--details", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "follow" in result.stdout.splitlines()[1]
    for text in ("points apart", "signals apart", "to bp", "lost to zero", "saturations", "within", "closed form"):
        assert text in result.stdout
    assert "written: a/validation.json" in result.stdout
    assert len(result.stdout.splitlines()) < 25
    assert max(len(line) for line in result.stdout.splitlines()) < 200


def test_json_is_what_out_holds_and_settings_come_from_a_file(tmp_path):
    require_torch()
    (tmp_path / "my.toml").write_text('rule = "bp"\nnet = "64-12-10"\nepochs = 1\nlimit = 100\nseed = 3\n')
    result = edgelearn("validate", "--config", "my.toml", "--seed", "4", "--json", "--out", "a", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (tmp_path / "a/validation.json").read_text()
    content = json.loads(result.stdout)
    assert (content["config"]["rule"], content["config"]["seed"]) == ("bp", 4)
    assert content["network"]["sizes"] == [64, 12, 10]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["validation.json"]


def test_nothing_is_written_unasked(tmp_path):
    require_torch()
    assert edgelearn("validate", *QUICK, cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_run_that_does_not_follow_its_twin_gives_1(tmp_path, form):
    require_torch()
    result = edgelearn("validate", *QUICK, "--rule", "dfa", "--dead-zone", "254", "--out", "a", *form, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")  # both learn nothing, so they stay together
    settings = ("--net", "64-24-10", "--epochs", "2", "--limit", "1000", "--rounding", "nearest", "--bits", "6")
    result = edgelearn("validate", *settings, "--rule", "dfa", "--out", "a", *form, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert not json.loads((tmp_path / "a/validation.json").read_text())["verdict"]["follows"]
    assert ("does NOT follow its float twin" in result.stdout) != bool(form)


def test_help_says_what_the_exit_code_tells(tmp_path):
    text = " ".join(edgelearn("validate", "--help", cwd=tmp_path).stdout.split())
    assert "Exit code: 0 the run follows its reference, 1 it does not, 2 it cannot be run." in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--rule", "drpt"), "Did you mean 'drtp'?"),
        (("--net", "784-500-10"), "try --net 64-500-10"),
        (("--epochs", "0"), "setting 'epochs' = 0 is not allowed"),
        (("--data", "no.csv"), "no.csv"),
        (("--config", "no.toml"), "config file no.toml cannot be read"),
        (("--processor", "cortex-m4"), "No such option: --processor"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, arguments, text):
    require_torch()
    result = edgelearn("validate", *arguments, "--out", "a", cwd=tmp_path)
    assert result.returncode == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("edgelearn: ")
    assert text in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_without_torch_one_line_says_how_to_get_it(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torch')\n")
    result = edgelearn_process("validate", *QUICK, "--out", "a", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("edgelearn: torch is not installed; ")
    assert 'pip install "torch>=' in result.stderr
    assert not (tmp_path / "a").exists()
