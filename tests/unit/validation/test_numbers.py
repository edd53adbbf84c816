"""Runs without classes beside their float twin."""

from __future__ import annotations

import json

import pytest

from edgelearn.cli import main
from edgelearn.config import RunConfig, validated
from edgelearn.runs.registry import run
from edgelearn.validation.numbers import validate_numbers
from tests.tools import require_torch

QUICK = {"task": "reconstruct", "net": "64-16-64", "epochs": 2, "limit": 300}


@pytest.mark.parametrize("rule", ["bp", "dfa", "drtp"])
def test_the_run_is_that_of_edgelearn_run_and_the_twin_learns(rule):
    require_torch()
    config = validated(RunConfig, QUICK | {"rule": rule})
    points = validate_numbers(config).content["points"]
    assert [point["epoch"] for point in points] == [0, 1, 2]
    measured = run(config).content["result"]["by_epoch"]
    for point, expected in zip(points[1:], measured, strict=True):
        assert point["fixed_rmse"] == pytest.approx(expected["rmse"][0], rel=1e-4)
    assert points[-1]["float_rmse"] < 0.8 * points[0]["float_rmse"]


def test_fine_words_follow_and_two_bits_do_not(tmp_path, capsys):
    require_torch()
    arguments = ["validate", "--task", "reconstruct", "--rule", "bp", "--net", "64-16-64", "--epochs", "2"]
    assert main([*arguments, "--limit", "300", "--bits", "12", "--out", str(tmp_path)]) == 0
    assert "the run follows its float twin" in capsys.readouterr().out
    content = json.loads((tmp_path / "validation.json").read_text())
    assert content["verdict"]["follows"]
    assert main([*arguments, "--limit", "300", "--bits", "2", "--rounding", "nearest", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["verdict"]["follows"]
