"""`edgelearn sweep`: grids from flags and files, interrupted and killed sweeps, what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgelearn.cli import main
from tests.cli.runner import edgelearn

SMALL = ("--net", "64-8-10", "--epochs", "1", "--limit", "100")
LONG = ("--net", "64-200-10", "--epochs", "15", "--rule", "drtp,dfa,bp", "--seeds", "4", "--jobs", "2")
on_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def files(folder):
    return {name: (folder / name).read_bytes() for name in ("study.toml", "table.parquet", "table.csv")}


def records(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("cells/*.json")}


def start(cwd, *arguments):
    variables = {key: value for key, value in os.environ.items() if key != "EDGELEARN_DATA"}
    command = [sys.executable, "-m", "edgelearn", "sweep", *LONG, *arguments]
    return subprocess.Popen(command, cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process, seconds=60):
    ends = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.01)


def workers_of(process):
    """Return the processes of joblib that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_text()
        except (OSError, ValueError):
            continue
        if parent == process.pid and "popen_loky_posix" in command:
            found.append(int(stat.parent.name))
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study of a sweep that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder, "--out", "study")
    assert process.wait(120) == 0, process.communicate()
    return files(folder / "study")


def test_a_grid_becomes_a_table(tmp_path):
    grid = ("--bits", "2,8", "--rule", "drtp,shallow", "--seeds", "2", "--processors", "engine-28nm,cortex-m4")
    result = edgelearn("sweep", *SMALL, *grid, "--question", "Which?", "--out", "a", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("8 cells: 8 done, 0 failed; ")
    assert "\nwritten: a/study.toml, table.parquet, table.csv\n" in result.stdout
    assert result.stdout.endswith("\nnext: edgelearn study show a | edgelearn report a\n")
    assert result.stdout.splitlines()[1].split()[:2] == ["view", "bits"]
    header, *rows = (tmp_path / "a/table.csv").read_text().splitlines()
    assert len(rows) == 8
    for name in ("bits", "seed", "accuracy_percent", "saturations", "energy_pj@engine-28nm", "energy_pj@cortex-m4"):
        assert name in header.split(",")
    again = edgelearn("sweep", "--config", "a/study.toml", "--out", "b", "--jobs", "1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert 'question = "Which?"' in (tmp_path / "b/study.toml").read_text()


def test_flags_win_over_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(
        'seeds = 3\n[settings]\nnet = "64-4-10"\nepochs = 1\nlimit = 40\nbits = 4\n[axes]\nrule = ["drtp", "bp"]\n'
    )
    flags = ["--bits", "4,8", "--rule", "dfa", "--seed", "7", "--set", "classes=3,8", "--axis", "dead-zone=0,4"]
    assert main(["sweep", "--config", "my.toml", *flags, "--net", "64-4-2", "--backend", "threads", "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome == {"folder": "study", "cells": 4, "kept": 0, "failed": 0, "errors": {}, "unpriced": []}
    plan = (tmp_path / "study/study.toml").read_text()
    for line in ("seeds = [7]", 'rule = "dfa"', 'classes = "3,8"', "bits = [4, 8]", "dead_zone = [0, 4]"):
        assert line in plan.splitlines()


@pytest.mark.kernel
def test_kernels_of_convolutions_are_axes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    net = ["--net", "8x8x1-conv2x3x3-pool2-10", "--rule", "dfa", "--input-shape", "8x8x1"]
    axes = ["--kernels", "learn,frozen", "--kernel-bias", "false,true", "--feedback-kind", "element"]
    axes += ["--teach", "elements", "--kernel-rate=-6"]
    assert main(["sweep", *net, *axes, "--limit", "20", "--epochs", "1", "--backend", "threads"]) == 0
    plan = (tmp_path / "study/study.toml").read_text().splitlines()
    for line in ('kernels = ["learn", "frozen"]', "kernel_bias = [false, true]", "kernel_rate = -6"):
        assert line in plan


def test_streams_and_spikes_are_swept_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stream = ["--kind", "stream", "--limit", "300", "--axis", "encoder=signed,threshold"]
    assert main(["sweep", *stream, "--backend", "threads", "--out", "stream"]) == 0
    spikes = ["--kind", "spiking", "--limit", "5", "--epochs", "1", "--set", "steps=16", "--processors", "odin-like"]
    assert main(["sweep", *spikes, "--backend", "threads", "--out", "spikes"]) == 0
    assert "energy_pj@odin-like" in (tmp_path / "spikes/table.csv").read_text()


def test_rates_are_tuned(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *SMALL, "--rule", "shallow", "--tune", "--backend", "threads"]) == 0
    assert "written: study/study.toml, table.parquet, table.csv, tuning.json" in capsys.readouterr().out
    (group,) = json.loads((tmp_path / "study/tuning.json").read_text())["groups"]
    header, row = ((tmp_path / "study/table.csv").read_text().splitlines())[:2]
    assert dict(zip(header.split(","), row.split(","), strict=True))["output_rate"] == str(
        group["winner"]["output_rate"]
    )


def test_a_cell_that_cannot_be_is_told_and_the_rest_goes_on(tmp_path):
    result = edgelearn("sweep", *SMALL, "--bits", "8,16", "--axis", "residual_bits=none,4", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith("4 cells: 3 done, 1 failed; ")
    assert "failed, 1 of 4: UserError: 16 view bits and 4 residual bits make 20 stored bits" in result.stdout
    assert "failed,UserError: 16 view bits" in (tmp_path / "study/table.csv").read_text().replace('"', "")


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--rule", "drpt"], "rule 'drpt' is not known"),
        (["--seeds", "2", "--seed", "3"], "give --seeds, how many, or --seed, which, not both"),
        (["--jobs", "0"], "--jobs 0 cannot be used; give 1 to 1024"),
        (["--extend", "--overwrite"], "give one of the two"),
        (["--axis", "bits"], "--axis 'bits' cannot be read; write --axis KEY=VALUE"),
        (["--set", "bitz=3"], "setting 'bitz' is not known"),
        (["--backend", "slurm"], "backend 'slurm' is not known"),
        (
            [
                "--axis",
                "margin=" + ",".join(map(str, range(256))),
                "--axis",
                "dead_zone=" + ",".join(map(str, range(255))),
                "--bits",
                "2,4,8",
                "--seeds",
                "5000",
            ],
            "the grid has 979,200,000 cells, and a study at most 100,000; give fewer values or seeds",
        ),
        (["--jobs", "10000"], "--jobs 10000 cannot be used; give 1 to 1024"),
        (["--backend", "zzz", "--out", "new"], "backend 'zzz' is not known"),
        (["--scheduler", "tcp://x:1", "--out", "new"], "the backend processes has no scheduler"),
        (["--config", "gone.toml"], "config file gone.toml cannot be read"),
        (["--kind", "stream", "--epochs", "3"], "setting 'epochs' is not known"),
        (["--kind", "stream", "--axis", "encoder=signde"], "encoder 'signde' is not known"),
        (["--kind", "spiking", "--set", "code=raet"], "code 'raet' is not known"),
        (["--tune", "--hidden-rate", "-3"], "setting 'hidden_rate' is given and tuned"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, monkeypatch, capsys, flags, text):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *flags]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ("axes = 3", "key 'axes' of a plan is 3; write a table [axes]"),
        ("settings = 3", "key 'settings' of a plan is 3; write a table [settings]"),
        ("[axes]\ndead_zone = [1979-05-27]", "setting 'dead_zone' = "),
        ("[tuning]\nhidden_rate = [-99]", "no network can have hidden_rate = [-99] of tuning"),
    ],
)
def test_mistakes_in_a_file_are_told_in_a_line(tmp_path, monkeypatch, capsys, plan, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(plan)
    assert main(["sweep", "--config", "my.toml", "--backend", "threads"]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


@on_linux
def test_a_killed_sweep_goes_on_to_the_same_table(tmp_path, whole):
    process = start(tmp_path, "--out", "study")
    wait_for(lambda: len(records(tmp_path / "study")) >= 3, process)
    workers = workers_of(process)
    process.kill()
    process.wait()
    assert len(workers) == 2
    ends = time.monotonic() + 60
    while any(is_running(pid) for pid in workers):  # nobody is left who could write
        assert time.monotonic() < ends
        time.sleep(0.05)
    before = records(tmp_path / "study")
    assert 3 <= len(before) < 12
    result = edgelearn("sweep", *LONG, "--out", "study", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"12 cells: 12 done, 0 failed, {len(before)} kept from before" in result.stdout
    assert files(tmp_path / "study") == whole
    after = records(tmp_path / "study")
    assert {name: after[name] for name in before} == before  # none ran twice
    assert len(after) == 12


@on_linux
@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(tmp_path, whole):
    process = start(tmp_path, "--out", "study")
    wait_for(lambda: len(records(tmp_path / "study")) >= 3, process)
    before = records(tmp_path / "study")
    os.kill(workers_of(process)[0], signal.SIGKILL)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 0, error
    assert out.startswith("12 cells: 12 done, 0 failed; ")
    assert error == ""
    assert files(tmp_path / "study") == whole
    after = records(tmp_path / "study")
    assert {name: after[name] for name in before} == before


def test_an_interrupted_sweep_says_how_to_go_on(tmp_path, whole):
    process = start(tmp_path, "--out", "my study")
    wait_for(lambda: len(records(tmp_path / "my study")) >= 1, process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 130
    assert error == (
        "edgelearn: interrupted; what has ended is kept; "
        "continue with: edgelearn sweep --config 'my study/study.toml' --out 'my study' --jobs 2\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my study"]  # and no checkpoint of a cell
    n_rows = len((tmp_path / "my study/table.csv").read_text().splitlines()) - 1
    assert 1 <= n_rows < 12
    result = edgelearn("sweep", "--config", "my study/study.toml", "--out", "my study", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert files(tmp_path / "my study") == whole
