"""`edgelearn stream --task regression`: report, predictions per row, live input, what takes its results."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from tests.cli.runner import edgelearn


def table(path, n=400):
    random = np.random.default_rng(1)
    x = random.normal(size=(n, 2))
    load = 30 + x @ [2.0, 1.0] + random.normal(0, 0.1, n)
    lines = [f"{k / 50:.2f},{a:.3f},{b:.3f},{c:.3f}" for k, ((a, b), c) in enumerate(zip(x, load, strict=True))]
    path.write_text("\n".join(["time,a,b,load", *lines]) + "\n")
    return lines


def test_a_column_of_numbers_is_learned_and_told(tmp_path):
    table(tmp_path / "x.csv")
    command = ("stream", "x.csv", "--task", "regression", "--target-columns", "load", "--hidden", "8")
    done = edgelearn(*command, "--out", "same", "--predictions", "p.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("dfa on x, 2-8-1: ", "target: load\n", "inputs: a, b (2); time: time (s, 50 Hz); label: none",
                 "predicted before learning, 399 rows", "persistence", "per learned row", "a battery of 2,430 J"):  # fmt: skip
        assert text in done.stdout, text
    report = json.loads((tmp_path / "same/report.json").read_text())
    assert report["result"]["r2"] > 0.5
    rows = list(csv.DictReader((tmp_path / "p.csv").open()))
    assert (len(rows), list(rows[0])) == (400, ["row", "line", "time", "learned", "load", "load predicted"])
    errors = [float(row["load"]) - float(row["load predicted"]) for row in rows[1:]]
    assert report["result"]["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-4)
    assert edgelearn(*command, "--predict", "next", "--out", "next", cwd=tmp_path).returncode == 0
    compared = edgelearn("compare", "same", "next", cwd=tmp_path).stdout
    assert "root mean square error" in compared
    assert "accuracies" not in compared
    assert "edgelearn cost --run same" in edgelearn("model", "show", "same", cwd=tmp_path).stdout
    assert edgelearn("cost", "--run", "same", cwd=tmp_path).returncode == 0
    for refused in (("predict", "same", "x.csv", "--out", "q.csv"), ("stream", "x.csv", "--start", "same")):
        done = edgelearn(*refused, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "same is of a network without classes; edgelearn cost alone takes it" in done.stderr


def test_live_input_is_answered_line_by_line(tmp_path):
    lines = table(tmp_path / "x.csv", 60)
    command = [sys.executable, "-m", "edgelearn", "stream", "-", "--task", "regression", "--target-columns", "load"]
    text = "\n".join(["time,a,b,load", *lines, ""])
    done = subprocess.run(
        [*command, "--predict", "next"], cwd=tmp_path, input=text, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 60
    assert set(told[5]) == {"line", "sample", "prediction", "target", "learned", "next", "time"}
    assert all(told[k]["next"] == pytest.approx(told[k + 1]["prediction"]) for k in range(59))


def test_a_figure_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    table(tmp_path / "x.csv")
    for name in ("a.svg", "b.svg"):
        done = edgelearn("stream", "x.csv", "--task", "regression", "--predict", "next", "--plot", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
