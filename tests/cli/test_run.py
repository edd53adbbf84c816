"""`edgelearn run`: what it prints, what it writes, the same bytes every time."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from edgelearn.runs import checkpoint
from edgelearn.runs.dataset import DatasetWork
from tests.cli.runner import QUICK, edgelearn, edgelearn_process, start_and_signal


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_readme_command_learns_digits(tmp_path):
    result = edgelearn_process("run", "--bits", "8", "--rule", "drtp", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["result"]["test_error_percent"] <= 6
    assert report["result"]["samples_learned"] == 14_370
    assert report["config"]["bits"] == 8
    assert list(tmp_path.iterdir()) == []  # nothing is written unasked


def test_the_report_for_people_names_what_it_counts(tmp_path):
    result = edgelearn("run", *QUICK, "--rule", "dfa", "--details", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in (
        "test accuracy",
        "error while learning",
        "words per learned sample",
        "feedback",
        "saturations",
        "stored:",
    ):
        assert text in result.stdout
    assert (
        "buffered, layer 1: 64 activation words of 4 bits (update locking: waits for the output error)" in result.stdout
    )
    nothing = edgelearn("run", *QUICK, "--rule", "drtp", cwd=tmp_path)
    assert "update-locking buffers: none" in nothing.stdout


def test_flags_win_over_a_toml_file_and_the_report_can_be_rerun(tmp_path):
    (tmp_path / "my.toml").write_text('rule = "bp"\nnet = "64-12-10"\nepochs = 1\nlimit = 100\nseed = 3\n')
    first = edgelearn("run", "--config", "my.toml", "--seed", "4", "--out", "a", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    report = json.loads((tmp_path / "a/report.json").read_text())
    assert (report["config"]["rule"], report["config"]["seed"], report["network"]["sizes"]) == ("bp", 4, [64, 12, 10])
    again = edgelearn("run", "--config", "a/config.toml", "--out", "b", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("rounding", ["residual", "stochastic"])
def test_same_config_and_seed_same_bytes(tmp_path, rounding):
    for name in "ab":
        result = edgelearn("run", *QUICK, "--rounding", rounding, "--out", name, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert set(files(tmp_path / "a")) == {"config.toml", "report.json", "weights.npz"}
    assert files(tmp_path / "a") == files(tmp_path / "b")
    other = edgelearn("run", *QUICK, "--rounding", rounding, "--seed", "1", "--out", "c", cwd=tmp_path)
    assert other.returncode == 0
    assert files(tmp_path / "a")["weights.npz"] != files(tmp_path / "c")["weights.npz"]


def test_weights_file_is_plain_arrays(tmp_path):
    edgelearn("run", *QUICK, "--bits", "4", "--out", "a", cwd=tmp_path)
    with np.load(tmp_path / "a/weights.npz", allow_pickle=False) as words:
        assert words["layer1_weights"].shape == (16, 64)
        assert words["layer2_biases"].shape == (10,)
        assert words["layer1_feedback"].shape == (10, 16)
        assert np.abs(words["layer1_weights"]).max() < 1 << 11  # 4-bit view on 8 residual bits


LONG = ("--net", "64-300-10", "--epochs", "250", "--rounding", "stochastic")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the files of a run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert edgelearn("run", *LONG, "--out", "b", cwd=folder).returncode == 0
    return files(folder / "b")


@pytest.mark.parametrize(  # SIGKILL: tests/robustness/test_kill.py
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_resumes_to_the_same_bytes(tmp_path, how, undisturbed):
    code, message = start_and_signal(how, "run", *LONG, cwd=tmp_path)
    word, expected = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("terminated", 143)}[how]
    assert code == expected
    assert f"edgelearn: {word}; continue with: edgelearn run --resume --out a" in message
    assert not (tmp_path / "a/report.json").exists()
    resumed = edgelearn_process("run", "--resume", "--out", "a", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert files(tmp_path / "a") == undisturbed


def test_a_run_without_a_folder_leaves_its_checkpoint_when_it_was_long(tmp_path, monkeypatch):
    advance, chunks = DatasetWork.advance, itertools.count()

    def interrupted(self, chunk):
        if next(chunks) == 3:
            signal.raise_signal(signal.SIGINT)
        advance(self, chunk)

    monkeypatch.setattr(DatasetWork, "advance", interrupted)
    for seconds in (60.0, 0.0):  # shorter than a checkpoint's time, and longer
        monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", seconds)
        result = edgelearn("run", *LONG, cwd=tmp_path)
        assert result.returncode == 130
        chunks = itertools.count()
        if seconds:
            assert list(tmp_path.iterdir()) == []
    assert "--resume --out edgelearn-interrupted" in result.stderr
    assert {path.name for path in (tmp_path / "edgelearn-interrupted").iterdir()} == {"checkpoint.npz", "config.toml"}


def test_two_classes_with_one_output(tmp_path):
    result = edgelearn(
        "run", "--classes", "3,8", "--net", "64-32-1", "--rule", "mdfa", "--json", cwd=tmp_path
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["data"]["classes"] == ["3", "8"]
    assert report["result"]["test_error_percent"] < 15


TWO_OUTPUTS = "mdfa takes one output for two classes, as in its paper; --net 64-100-2 gives two"


@pytest.mark.parametrize(
    ("flags", "outputs"),
    [
        (("--rule", "mdfa"), 1),
        (("--rule", "mdfa", "--net", "64-100-2"), 2),
        (("--rule", "mdfa", "--output", "softmax"), 2),
        (("--rule", "dfa"), 2),
    ],
)
def test_mdfa_takes_one_output_for_two_classes_unless_asked(tmp_path, flags, outputs):
    result = edgelearn("run", "--classes", "3,8", *flags, "--epochs", "1", "--json", cwd=tmp_path)
    report = json.loads(result.stdout)
    assert report["network"]["sizes"] == [64, 100, outputs]
    assert (TWO_OUTPUTS in report["notes"]) == (outputs == 1)


def test_a_csv_file_of_the_user(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    names = np.where(x[:, 0] + x[:, 1] > 0, "up", "down")
    rows = ["a,b,c,state", *(f"{a:.4f},{b:.4f},{c:.4f},{name}" for (a, b, c), name in zip(x, names, strict=True))]
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    result = edgelearn(
        "run", "--data", "mine.csv", "--rule", "bp", "--net", "3-16-2", "--epochs", "40", "--input-bits", "6",
        "--hidden-rate", "-4", "--output-rate", "-4", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["data"]["classes"] == ["down", "up"]
    assert report["result"]["test_error_percent"] < 20  # 50 by chance


def test_strict_mode_stops_at_the_first_saturation(tmp_path):
    result = edgelearn("run", "--strict", "--out", "a", cwd=tmp_path)
    assert result.returncode == 2
    assert "strict mode:" in result.stderr
    assert "saturations in layer 1" in result.stderr
    assert not (tmp_path / "a/report.json").exists()


def test_the_reader_may_close_the_pipe(tmp_path):
    command = f"{sys.executable} -m edgelearn rules | head -1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in result.stderr
    assert result.stdout.startswith("rule")


def test_threads_change_no_byte(tmp_path):
    texts = [edgelearn("run", *QUICK, "--json", "--threads", n, cwd=tmp_path).stdout for n in ("1", "2")]
    assert texts[0] == texts[1] != ""


def test_threads_of_spiking_networks_are_refused(tmp_path):
    result = edgelearn("run", "--spiking", "--threads", "2", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--threads 2 is of rate networks" in result.stderr
