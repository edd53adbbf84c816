"""The commands of docs/anomaly.md, one after the other in one folder."""

from __future__ import annotations

import csv
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from experiments import pump
from tests.cli.runner import edgelearn

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "edgelearn/docs/anomaly.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.M | re.S)
    return [shlex.split(line) for language, block in blocks if not language for line in block.splitlines()]


def test_there_are_five_steps():
    assert [int(n) for n in re.findall(r"^(\d+)\. ", PAGE, re.M)] == list(range(1, 6))
    assert {words[0] for words in commands()} == {"python", "edgelearn"}


@pytest.mark.slow
def test_every_command_runs(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    printed = []
    for words in commands():
        if words[0] == "python":
            assert words[1:3] == ["-m", "experiments.pump"]
            with monkeypatch.context() as context:
                context.chdir(tmp_path)
                context.setattr(sys, "argv", ["pump", *words[3:]])
                pump.main()
            continue
        done = edgelearn(*words[1:], cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)
        printed.append(done.stdout)
    assert (tmp_path / "pump.png").stat().st_size > 10_000
    assert "3 of 3 labelled anomalous windows found" in printed[0]
    assert "rows by phase: calibrate 191, train 71, threshold 95, detect 2,042" in printed[0]
    assert sum(row["phase"] == "detect" for row in csv.DictReader((tmp_path / "scores.csv").open())) == 2042
    report = json.loads((tmp_path / "field/report.json").read_text())
    assert report["result"]["labels"] is None
    for first, last in pump.FAULTS.values():  # each is found in the recording without labels, too
        assert any(alarm["begin_s"] < last and alarm["end_s"] > first for alarm in report["result"]["alarm_list"])
    train, detect = report["phases"][1], report["phases"][3]
    assert 1.5 < train["energy_pj"] / detect["energy_pj"] < 2.5
    assert 0.4 < report["device"]["idle_uw"] / detect["power_uw"] < 0.6
