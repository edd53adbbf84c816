"""Every kind of bad input: one clear line, exit code 2, nothing half-written."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from edgelearn.rules import RULES
from tests.cli.runner import QUICK, edgelearn, edgelearn_process

CASES = {
    "unknown rule": (["--rule", "drpt"], f"rule 'drpt' is not known; known: {', '.join(sorted(RULES))}. Did you mean 'drtp'?"),
    "one bit": (["--bits", "1"], "setting 'bits' = 1 is not allowed; give a whole number, 2 to 16"),
    "forty bits": (["--bits", "40"], "setting 'bits' = 40 is not allowed; give a whole number, 2 to 16"),
    "too many residual bits": (["--bits", "12", "--residual-bits", "8"], "more than 16; use --residual-bits 4 or fewer"),
    "residual bits with nearest": (["--rounding", "nearest", "--residual-bits", "2"], "use --rounding residual"),
    "unknown rounding": (["--rounding", "up"], "rounding 'up' is not known; known: nearest, residual, stochastic."),
    "unknown activation": (["--activation", "tan"], "Did you mean 'tanh'?"),
    "unknown feedback": (["--feedback", "int4"], "Did you mean 'int8'?"),
    "unknown data": (["--data", "minst"], "Did you mean 'mnist'?"),
    "net that does not fit": (["--net", "784-500-10"], "net '784-500-10' does not fit digits: 64 features and 10 classes; try --net 64-500-10"),
    "net that cannot be read": (["--net", "64x10"], "net '64x10' cannot be read; write sizes such as 784-500-10"),
    "zero layer": (["--net", "64-0-10"], "net '64-0-10' cannot be read"),
    "accumulator": (["--bits", "16", "--input-bits", "8", "--net", "64-3000-10"], "the accumulator of layer 2 could overflow"),
    "zero epochs": (["--epochs", "0"], "setting 'epochs' = 0 is not allowed; give a whole number, 1 or more"),
    "rate": (["--hidden-rate", "3"], "setting 'hidden_rate' = 3 is not allowed; give a whole number, -20 to 0"),
    "unknown class": (["--classes", "3,x"], "class 'x' is not in digits; it has 0, 1, 2"),
    "residual without bits": (["--rounding", "residual", "--residual-bits", "0"], "use --rounding stochastic, or leave out"),
    "stored bits that do not add up": (["--stored-bits", "8", "--residual-bits", "4", "--bits", "8"], "8 stored bits (--stored-bits) cannot be 8 view bits + 4"),
    "stored bits below the view": (["--stored-bits", "6", "--bits", "8"], "cannot be 8 view bits + -2 residual bits; give"),
    "too many stored bits": (["--stored-bits", "17"], "setting 'weight_bits' = 17 is not allowed; give a whole number, 2 to 16 (--stored-bits)"),
    "one class": (["--classes", "3"], "at least two different classes are needed"),
    "class that is not there": (["--classes", "3,11"], "class '11' is not in digits; it has 0, 1"),
    "softmax of one": (["--classes", "3,8", "--net", "64-8-1", "--output", "softmax"], "one output cannot be a softmax"),
    "resume nothing": (["--resume"], "--resume needs the folder"),
    "missing config": (["--config", "no.toml"], "config file no.toml cannot be read"),
    "missing file": (["--data", "no.csv"], "no.csv"),
    "wrong flag": (["--rul", "drtp"], "No such option: --rul"),
    "text for a number": (["--bits", "eight"], "--bits"),
}  # fmt: skip


def assert_refused(result, text):
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("edgelearn: ")
    assert text in lines[0]
    assert result.stdout == ""


@pytest.mark.parametrize("name", CASES)
def test_bad_settings(tmp_path, name):
    arguments, text = CASES[name]
    assert_refused(
        edgelearn("run", *arguments, *(() if "--resume" in arguments else ("--out", "a")), cwd=tmp_path), text
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "no rows"),
        ("a,b,label\n", "no rows"),
        ("1,2,0\n3,inf,1\n", "line 2"),
        ("1,2,0\n3,,\n", "1 of 2 rows, which have no label"),
        ("1,2,0\n3,1\n", "line 2"),
        ("1,2,0\n3,4,0\n", "class"),
        ("1,x,0\n3,y,1\n", "x"),
    ],
)
def test_bad_csv_files(tmp_path, content, text):
    (tmp_path / "mine.csv").write_text(content)
    result = edgelearn("run", "--data", "mine.csv", "--out", "a", cwd=tmp_path)
    assert_refused(result, "mine.csv")
    assert text in result.stderr
    assert not (tmp_path / "a").exists()


def test_labels_that_are_no_classes(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.zeros((4, 2), np.float32), y=np.array([0, 1, -0.5, 1]))
    result = edgelearn("run", "--data", "mine.npz", "--out", "a", cwd=tmp_path)
    assert_refused(result, "labels are no classes")
    assert not (tmp_path / "a").exists()


def test_unknown_setting_in_a_file(tmp_path):
    (tmp_path / "my.toml").write_text("bitz = 4\n")
    assert_refused(edgelearn("run", "--config", "my.toml", cwd=tmp_path), "setting 'bitz' is not known; known: ")
    (tmp_path / "my.toml").write_text("bits = \n")
    assert_refused(edgelearn("run", "--config", "my.toml", cwd=tmp_path), "config file my.toml cannot be read")


def test_missing_and_truncated_data_files(tmp_path):
    missing = edgelearn("run", "--data", "mnist", "--out", "a", cwd=tmp_path)
    assert_refused(missing, "EDGELEARN_DATA")
    folder = tmp_path / "mnist"
    folder.mkdir()
    images = struct.pack(">IIII", 2051, 60000, 28, 28) + bytes(1000)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    for name, magic, count in (("t10k-images-idx3", 2051, 10000),):
        (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(struct.pack(">IIII", magic, count, 28, 28)))
    for name, count in (("train-labels", 60000), ("t10k-labels", 10000)):
        (folder / f"{name}-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">II", 2049, count) + bytes(count)))
    short = edgelearn("run", "--data", "mnist", "--out", "a", cwd=tmp_path, EDGELEARN_DATA=str(tmp_path))
    assert_refused(short, "train-images-idx3-ubyte.gz")
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(edgelearn("run", *QUICK, "--out", "file/a", cwd=tmp_path), "cannot write file/a")


def test_results_of_another_configuration_are_kept(tmp_path):
    assert edgelearn("run", *QUICK, "--out", "a", cwd=tmp_path).returncode == 0
    before = (tmp_path / "a/report.json").read_bytes()
    result = edgelearn("run", *QUICK, "--seed", "5", "--out", "a", cwd=tmp_path)
    assert_refused(
        result, "a holds a run of another configuration (seed was 0, is 5); give another --out, or --overwrite"
    )
    resumed = edgelearn("run", *QUICK, "--seed", "5", "--resume", "--out", "a", cwd=tmp_path)
    assert_refused(resumed, "resume with the same settings")
    assert (tmp_path / "a/report.json").read_bytes() == before
    assert edgelearn("run", *QUICK, "--seed", "5", "--overwrite", "--out", "a", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a/report.json").read_bytes() != before


def test_damaged_and_foreign_checkpoints(tmp_path):
    from edgelearn.config import make_config
    from edgelearn.runs.checkpoint import save_checkpoint
    from edgelearn.runs.dataset import DatasetWork

    class OldWork(DatasetWork):
        identity = {"contract": 0}  # noqa: RUF012

    settings = {"net": "64-16-10", "epochs": 1, "limit": 200}
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "config.toml").write_text(make_config(settings).to_toml())
    other = make_config(settings | {"bits": 4})
    save_checkpoint(DatasetWork(other), other, folder)
    foreign = edgelearn("run", "--resume", "--out", "a", cwd=tmp_path)
    assert_refused(foreign, "checkpoint.npz is of another configuration (bits was 4, is 8)")
    save_checkpoint(OldWork(make_config(settings)), make_config(settings), folder)
    assert_refused(edgelearn("run", "--resume", "--out", "a", cwd=tmp_path), "made with other contract")
    again = edgelearn("run", *QUICK, "--out", "a", cwd=tmp_path)
    assert_refused(again, "a holds an interrupted run; continue it with --resume, or start anew with --overwrite")
    whole = (folder / "checkpoint.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"not a zip file"):
        (folder / "checkpoint.npz").write_bytes(damaged)
        assert_refused(edgelearn("run", "--resume", "--out", "a", cwd=tmp_path), "checkpoint.npz cannot be read")


def test_results_without_their_configuration_are_kept(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/report.json").write_text("mine")
    assert_refused(edgelearn("run", *QUICK, "--out", "a", cwd=tmp_path), "holds results without their config.toml")
    assert (tmp_path / "a/report.json").read_text() == "mine"


def test_output_that_cannot_take_everything(tmp_path):
    import subprocess
    import sys

    plain = edgelearn_process("run", *QUICK, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert plain.returncode == 0, plain.stderr
    full = subprocess.run(
        f"{sys.executable} -m edgelearn rules > /dev/full", shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert full.returncode == 2
    assert full.stderr.count("\n") == 1, full.stderr
    long = edgelearn("run", *QUICK, "--out", "x" * 300, cwd=tmp_path)
    assert_refused(long, "File name too long")


def test_help_and_version_and_no_command(tmp_path):
    assert "--rule" in edgelearn("run", "--help", cwd=tmp_path).stdout
    assert edgelearn("--version", cwd=tmp_path).stdout.startswith("edgelearn 0.")
    nothing = edgelearn(cwd=tmp_path)
    assert nothing.returncode == 2
    assert "Traceback" not in nothing.stderr


def test_rules_and_data_list(tmp_path):
    rules = edgelearn("rules", "--json", cwd=tmp_path)
    assert '"rule": "drtp"' in rules.stdout
    listed = edgelearn("data", "list", cwd=tmp_path)
    assert listed.returncode == 0
    for name in ("digits", "mnist", "fashion-mnist", "cifar10"):
        assert name in listed.stdout
    assert_refused(edgelearn("data", "info", "minst", cwd=tmp_path), "Did you mean 'mnist'?")
    assert "1437 train, 360 test" in edgelearn("data", "info", "digits", cwd=tmp_path).stdout
