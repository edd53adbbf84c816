"""`edgelearn stream --task anomaly`: files with and without labels, live input, scores per row, kills, refusals."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.cli.runner import edgelearn

PHASES = ("--calibrate-rows", "100", "--train-rows", "100", "--threshold-rows", "100")
KILLED = """
import os, signal
from edgelearn.cli import live, main
from edgelearn.runs import checkpoint
checkpoint.CHECKPOINT_SECONDS = 0.0
def show(view, work):
    if work.n_rows >= {row}:
        os.kill(os.getpid(), signal.SIGKILL)
live.View.show = show
raise SystemExit(main())
"""


def table(path, labels=True, n=800, header=True):
    random = np.random.default_rng(1)
    x = np.sin(np.arange(n) / 4)[:, None] * [1.0, 2.0] + random.normal(0, 0.1, (n, 2))
    shakes = (np.arange(n) >= 500) & (np.arange(n) < 540)
    x += 4 * shakes[:, None] * random.normal(0, 1, (n, 2))
    lines = [f"{k / 50:.2f},{a:.4f},{b:.4f}" for k, (a, b) in enumerate(x)]
    lines = [f"{line},{int(shake)}" for line, shake in zip(lines, shakes, strict=True)] if labels else lines
    titles = ["time,ax,ay,anomaly" if labels else "time,ax,ay"] if header else []
    path.write_text("\n".join([*titles, *lines]) + "\n")
    return lines


def test_a_file_without_labels_needs_the_task_and_nothing_else(tmp_path):
    table(tmp_path / "x.csv", labels=False)
    done = edgelearn(
        "stream", "x.csv", "--task", "anomaly", "--predictions", "scores.csv", "--out", "out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for text in (
        "dfa without labels on x, 2-1-2: ",
        "label: none",
        "rows by phase: calibrate 64, train 24, threshold 32, detect 680",
        "1.5 x the quantile 0.99 of 32 rows; absolute error",
        "judged rows (",
        "average power",
        "note: phases assumed: calibrate 64 rows, train 24 rows, threshold 32 rows (of about 800 rows)",
    ):
        assert text in done.stdout
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["result"]["labels"], report["task"]) == (None, "anomaly")
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [row["phase"] for row in rows].count("detect") == 680
    assert (rows[0]["score"], rows[100]["alarm"], rows[799]["time"]) == ("", "", "15.98")
    alarms = [int(row["row"]) for row in rows if row["alarm"] == "1"]
    assert len(alarms) == report["result"]["alarm_rows"] > 0
    assert alarms[0] == report["result"]["alarm_list"][0]["first_row"] > 500
    assert all(float(row["smoothed"]) > float(row["threshold"]) for row in rows if row["alarm"] == "1")
    again = edgelearn("stream", "--config", "out/config.toml", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for name in ("report.json", "weights.npz", "config.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_labels_judge(tmp_path):
    table(tmp_path / "x.csv")
    done = edgelearn("stream", "x.csv", "--task", "anomaly", *PHASES, "--details", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("label: anomaly", "by 500 labels: F1 0.", "false alarm rate", "area under ROC 0.9", "NAB score"):
        assert text in done.stdout
    assert "1 of 1 labelled anomalous window found, mean delay" in done.stdout
    assert "labels only judge the result: normal '0'; anomalies '1'" in done.stdout
    assert "phases assumed" not in done.stdout


@pytest.mark.parametrize("command", [("stream", "x.csv"), ("run", "--data", "x.csv")])
def test_a_file_without_labels_is_told_how_to_be_learned(tmp_path, command):
    table(tmp_path / "x.csv", labels=False)
    done = edgelearn(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "learn what is normal without labels: edgelearn stream FILE --task anomaly" in done.stderr


def test_live_input_is_answered_line_by_line(tmp_path):
    lines = table(tmp_path / "x.csv", n=600)
    command = [sys.executable, "-m", "edgelearn", "stream", "-", "--task", "anomaly", *PHASES, "--out", "live"]
    text = "\n".join(["time,ax,ay,anomaly", *lines[:600], ""])
    done = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 600
    assert told[0] == {"line": 2, "sample": 0, "phase": "calibrate", "learned": False, "label": "normal", "time": 0.0}
    assert set(told[150]) == {"line", "sample", "phase", "score", "smoothed", "learned", "label", "time"}
    assert (told[150]["phase"], told[150]["learned"], told[250]["phase"]) == ("train", True, "threshold")
    assert [row["phase"] for row in told].count("detect") == 300
    assert {row["alarm"] for row in told[300:]} == {True, False}
    assert all(row["alarm"] == (row["smoothed"] > row["threshold"]) for row in told[300:])
    assert "by 300 labels" in done.stderr
    edgelearn("stream", "x.csv", "--task", "anomaly", *PHASES, "--out", "file", cwd=tmp_path)
    live, file = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("live", "file"))
    assert live["result"] == file["result"]


def test_a_terminal_shows_phase_score_and_alarms(tmp_path, monkeypatch):
    from rich.console import Console

    from edgelearn.cli import live
    from edgelearn.cli.anomaly_live import AnomalyView
    from edgelearn.config import StreamConfig, validated
    from edgelearn.runs.stream import run

    monkeypatch.setattr(live, "SECONDS", 0.0)
    table(tmp_path / "x.csv")
    settings = {"task": "anomaly", "calibrate_rows": 100, "train_rows": 100, "threshold_rows": 100}
    config, out = validated(StreamConfig, settings | {"data": str(tmp_path / "x.csv")}), io.StringIO()
    with AnomalyView(config, False, Console(file=out, force_terminal=True, width=100)) as view:
        run(config, on_progress=view.show)
    for text in ("dfa without labels on x: 800 of 800 samples", "phase     detect", "score  ", "of 500 rows"):
        assert text in out.getvalue()


@pytest.mark.slow
def test_live_input_continues_after_ctrl_c(tmp_path):
    lines = table(tmp_path / "x.csv", n=700)
    command = [sys.executable, "-m", "edgelearn", "stream", "-", "--task", "anomaly", *PHASES, "--out", "live"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, cwd=tmp_path, **pipes)
    first.stdin.write("\n".join(["time,ax,ay,anomaly", *lines[:250], ""]))
    first.stdin.flush()
    told = [json.loads(first.stdout.readline()) for _ in range(250)]
    first.send_signal(signal.SIGINT)
    _, message = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "continue with: producer | edgelearn stream - --resume --out live" in message
    text = "\n".join([*lines[250:], ""])
    rest = subprocess.run([*command, "--resume"], cwd=tmp_path, input=text, capture_output=True, text=True, timeout=120)
    assert rest.returncode == 0, rest.stderr
    told += [json.loads(line) for line in rest.stdout.splitlines()]
    assert [row["sample"] for row in told] == list(range(700))
    assert edgelearn("stream", "x.csv", "--task", "anomaly", *PHASES, "--out", "file", cwd=tmp_path).returncode == 0
    live, file = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("live", "file"))
    assert (live["result"], live["phases"]) == (file["result"], file["phases"])


@pytest.mark.slow
@pytest.mark.parametrize("row", [60, 150, 250, 500])
def test_a_kill_in_any_phase_continues_to_the_same_bytes(tmp_path, row, monkeypatch):
    from edgelearn.data.lines import LineSource

    plain = LineSource.__init__
    blocks = "from edgelearn.data.lines import LineSource\nplain = LineSource.__init__\n"
    blocks += "LineSource.__init__ = lambda self, *a, **k: plain(self, *a, **(k | {'block_size': 20}))\n"
    monkeypatch.setattr(LineSource, "__init__", lambda self, *a, **k: plain(self, *a, **(k | {"block_size": 20})))
    table(tmp_path / "x.csv")
    arguments = ["stream", "x.csv", "--task", "anomaly", *PHASES, "--learn-while", "normal", "--threshold-follow", "5"]
    whole = edgelearn(*arguments, "--out", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, "-c", blocks + KILLED.format(row=row), *arguments, "--out", "cut"]
    killed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -9, killed.stderr
    assert (tmp_path / "cut/checkpoint.npz").exists()
    done = edgelearn(*arguments, "--out", "cut", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("report.json", "weights.npz", "config.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("", (), "the file is empty; give one sample per line, CSV or JSON\n"),
        ("ax,ay\n", (), "no line can be used (only blank lines, comments or a header); give one sample per line, CSV "),
        ("ax,ay\n" + "1,2\n" * 5, (), "has about 5 rows and the phases before detection take 80"),
        ("ax,ay\n" + "1,2.5\n2,1\n" * 200, ("--start", "model.npz"), "(--start) has no effect with --task anomaly"),
        ("ax,ay\n" + "1,2.5\n2,1\n" * 200, ("--detector", "adwin"), "(--detector) has no effect with --task anomaly"),
        ("ax,ay\n" + "1,2.5\n2,1\n" * 200, ("--normal-class", "0"), "has no labels, so that --normal-class"),
        ("ax,kind\n" + "1,a\n2,b\n" * 200, ("--label-column", "kind"), "which of them is normal is not known; give"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_line(tmp_path, text, flags, words):
    (tmp_path / "x.csv").write_text(text)
    done = edgelearn("stream", "x.csv", "--task", "anomaly", *flags, "--out", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_settings_of_the_task_need_it(tmp_path):
    done = edgelearn("stream", "drift", "--limit", "300", "--learn-while", "always", cwd=tmp_path)
    assert done.returncode == 2
    assert "(--learn-while) has no effect with --task classify; leave it out, or give --task anomaly" in done.stderr


def test_a_figure_shows_the_same_bytes_twice(tmp_path):
    pytest.importorskip("matplotlib")
    table(tmp_path / "x.csv")
    for name in ("a.svg", "b.svg"):
        done = edgelearn("stream", "x.csv", "--task", "anomaly", *PHASES, "--plot", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert first.count(b"<path") > 10


def test_results_without_classes_are_compared_and_priced_and_learned_from_nowhere_else(tmp_path):
    table(tmp_path / "x.csv")
    for name, more in (("a", ()), ("b", ("--threshold-factor", "3"))):
        done = edgelearn("stream", "x.csv", "--task", "anomaly", *PHASES, *more, "--out", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    compared = edgelearn("compare", "a", "b", "--all", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "F1" in compared.stdout
    short = edgelearn("compare", "a", "b", cwd=tmp_path).stdout
    assert "threshold " in short
    assert "none" not in short
    assert edgelearn("cost", "--run", "a", cwd=tmp_path).returncode == 0
    shown = edgelearn("model", "show", "a", cwd=tmp_path).stdout
    assert "linear" in shown
    assert "edgelearn cost --run a" in shown
    assert "--start" not in shown
    emitted = edgelearn("firmware", "emit", "board", "--run", "a", cwd=tmp_path)
    assert emitted.returncode == 0, emitted.stderr
    assert (tmp_path / "board/include/el_detector.h").is_file()
    for command in (("predict", "a", "x.csv", "--out", "p.csv"), ("stream", "x.csv", "--start", "a")):
        done = edgelearn(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "a was learned without labels and has no classes" in done.stderr
