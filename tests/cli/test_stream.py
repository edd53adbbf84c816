"""`edgelearn stream`: what it prints and writes, live input, what it refuses, and the same bytes after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.runner import edgelearn, edgelearn_process, start_and_signal

SHORT = ("--limit", "3000", "--hidden", "8")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_refused(result, *texts):
    assert result.returncode == 2, (result.returncode, result.stdout, result.stderr)
    assert result.stderr.count("\n") == 1, result.stderr
    for text in texts:
        assert text in result.stderr


def piped(lines, *arguments, cwd):
    command = [sys.executable, "-m", "edgelearn", "stream", "-", *arguments]
    data = lines if isinstance(lines, bytes) else lines.encode()
    result = subprocess.run(command, cwd=cwd, input=data, capture_output=True, timeout=120)
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()], result.stderr.decode()


def test_the_demonstration_needs_nothing(tmp_path):
    result = edgelearn("stream", "--processor", "cortex-m4", "--update-gate", "error", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in (
        "20,000 samples; ",
        "inputs: channel 1 to 8 (8); time: 50 Hz; label: class",
        "2 known drifts: ",
        "held back by the update gate",
        "real-time: yes (0 dropped, 0 late)",
        "average power",
        "battery",
    ):
        assert text in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_same_bytes_twice_and_from_the_written_configuration(tmp_path):
    flags = (*SHORT, "--rule", "dfa", "--label-delay", "3", "--label-fraction", "0.5", "--detector", "adwin")
    for arguments in ((*flags, "--out", "a"), (*flags, "--out", "b"), ("--config", "a/config.toml", "--out", "c")):
        result = edgelearn("stream", *arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert set(files(tmp_path / "a")) == {"config.toml", "report.json", "weights.npz"}
    assert files(tmp_path / "a") == files(tmp_path / "b") == files(tmp_path / "c")
    report = json.loads((tmp_path / "a/report.json").read_text())
    learning = report["learning"]
    assert learning["labels_told"] + learning["without_label"] == 3000
    assert learning["learned"] + learning["label_never_came"] == learning["labels_told"]
    assert {row["role"] for row in report["buffers"]} >= {"input", "gate"}


LONG = ("drift-gradual", "--limit", "700000", "--hidden", "32", "--rounding", "stochastic", "--label-delay", "7",
        "--sample-rate", "9 kHz", "--processor", "cortex-m4", "--detector", "page-hinkley", "--energy-budget", "2 mW")  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the files of a stream that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert edgelearn("stream", *LONG, "--out", "b", cwd=folder).returncode == 0
    return files(folder / "b")


def test_a_stream_that_was_stopped_resumes_to_the_same_bytes(tmp_path, undisturbed):
    """SIGKILL: tests/robustness/test_kill.py."""
    code, message = start_and_signal(signal.SIGINT, "stream", *LONG, cwd=tmp_path)
    assert code == 130
    assert "edgelearn: interrupted; continue with: edgelearn stream --resume --out a" in message
    assert not (tmp_path / "a/report.json").exists()
    assert_refused(edgelearn("stream", *LONG, "--out", "a", cwd=tmp_path), "continue it with --resume")
    resumed = edgelearn_process("stream", "--resume", "--out", "a", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert files(tmp_path / "a") == undisturbed


def test_a_checkpoint_of_another_stream_is_refused(tmp_path):
    from edgelearn.config import StreamConfig, validated
    from edgelearn.runs.checkpoint import save_checkpoint
    from edgelearn.runs.stream import StreamWork, open_config_source

    lines = [f"{i % 7},{i % 3},{'ab'[i % 2]}" for i in range(3000)]
    (tmp_path / "own.csv").write_text("\n".join(lines) + "\n")
    config = validated(StreamConfig, {"data": str(tmp_path / "own.csv"), "hidden": "4"})
    run = StreamWork(config, open_config_source(config))
    run.take(next(iter(run.source.blocks())))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/config.toml").write_text(config.to_toml())
    save_checkpoint(run, config, tmp_path / "a")
    whole = (tmp_path / "a/checkpoint.npz").read_bytes()
    (tmp_path / "own.csv").write_text("\n".join(["9,9,a", *lines[1:]]) + "\n")
    assert_refused(edgelearn("stream", "--resume", "--out", "a", cwd=tmp_path), "is not the stream that the checkpoint")
    (tmp_path / "own.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "a/checkpoint.npz").write_bytes(whole[:-50])
    assert_refused(edgelearn("stream", "--resume", "--out", "a", cwd=tmp_path), "checkpoint.npz cannot be read")
    (tmp_path / "a/checkpoint.npz").write_bytes(whole)
    assert edgelearn("stream", "--resume", "--out", "a", cwd=tmp_path).returncode == 0


# --- live input


def test_lines_that_cannot_be_used_are_counted_and_the_others_answered(tmp_path):
    lines = (
        "x,y,time,label\n1,2,0.1,a\n2,3,0.2,b\nzwei,3,0.3,b\n1,nan,0.4,a\n3,4\n1,2,0.5,\n1,2,0.2,a\n2,1,0.6,c\n1,2,0.7"
    )
    code, rows, errors = piped(lines, "--hidden", "4", "--classes", "2", cwd=tmp_path)
    assert code == 0, errors
    assert [row["line"] for row in rows] == [2, 3, 5, 7, 9]
    assert [row["label"] for row in rows] == ["a", "b", "a", None, None]
    assert [row["status"] for row in rows] == [["learned"], ["learned"], ["learned"], [], []]
    assert [row["prediction"] for row in rows] == [None, "a", "a", "a", "b"]  # no class has come before the first row
    for reason in (
        "missing: 1 value, which made no events",
        "not a number",
        "another number of values",
        "time goes back",
        "no room for label",
    ):
        assert reason in errors
    assert "inputs: x, y (2); time: time (s); label: label\n5 samples; " in errors


def test_a_stream_can_be_priced_again(tmp_path):
    edgelearn("stream", *SHORT, "--out", "a", cwd=tmp_path)
    result = edgelearn("cost", "--run", "a", "--processor", "cortex-m0", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "a/report.json").read_text())
    same = edgelearn("cost", "--run", "a", "--processor", "engine-28nm", "--json", cwd=tmp_path)
    energy = json.loads(same.stdout)["rules"][0]["training"]["energy_pj"]["nominal"]
    assert energy == pytest.approx(report["device"]["energy_per_row_pj"], rel=1e-4)


def test_an_answer_comes_before_the_next_line_is_asked_for(tmp_path):
    command = [sys.executable, "-m", "edgelearn", "stream", "-", "--hidden", "4", "--out", "a"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(b"p,q,label\n")
    for i in range(5):
        process.stdin.write(f"{i % 2},{i},{'ab'[i % 2]}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["sample"] == i
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    process.stderr.close()
    assert json.loads((tmp_path / "a/report.json").read_text())["stream"]["classes"] == ["a", "b"]


def test_an_answer_does_not_depend_on_the_lines_after_it(tmp_path):
    lines = [f"{i * 7 % 30},{i % 3},{'abcdefghi'[i % 9]}\n" for i in range(30)]
    _, together, _ = piped("".join(lines), "--hidden", "4", cwd=tmp_path)
    _, shorter, _ = piped("".join(lines[:5]), "--hidden", "4", cwd=tmp_path)
    assert together[:5] == shorter
    assert (shorter[0]["prediction"], "probability" in shorter[0]) == (None, False)  # no class has come
    assert shorter[1]["probability"] == 1.0  # one class is met
    _, late, _ = piped("".join(lines), "--hidden", "4", "--label-delay", "2", cwd=tmp_path)
    assert [row["status_of_late"] for row in late] == [[]] * 2 + [["learned"]] * 28
    assert all(row["status"] == [] for row in late)


def test_a_live_stream_is_stopped_while_it_waits_and_goes_on_without_a_header(tmp_path):
    command = [sys.executable, "-m", "edgelearn", "stream", "-", "--hidden", "4", "--out", "a"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=tmp_path, text=True, **pipes)
    assert process.stdin
    assert process.stdout
    process.stdin.write("p,q,label\n1,0,x\n0,1,y\n")
    process.stdin.flush()
    for _ in range(2):
        process.stdout.readline()
    deadline = time.time() + 30
    while not (tmp_path / "a/checkpoint.npz").exists() and time.time() < deadline:
        time.sleep(0.02)  # what came first is saved at once, and not when more comes
    assert (tmp_path / "a/checkpoint.npz").exists()
    process.send_signal(signal.SIGINT)  # it waits for a line that never comes
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "continue with: producer | edgelearn stream - --resume --out a" in message
    code, rows, errors = piped("1,0,x\n0,1,y\n", "--resume", "--out", "a", cwd=tmp_path)
    assert code == 0, errors
    assert [(row["sample"], row["label"]) for row in rows] == [(2, "x"), (3, "y")]
    report = json.loads((tmp_path / "a/report.json").read_text())
    assert (report["stream"]["channels"], report["stream"]["samples"]) == (["p", "q"], 4)


def test_a_closed_input_and_a_mixed_output_are_refused(tmp_path):
    command = f"{sys.executable} -m edgelearn stream - <&-"
    result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert_refused(result, "the standard input is closed")
    assert_refused(edgelearn("stream", "-", "--json", cwd=tmp_path), "give --out for the report")


def test_a_reader_that_goes_away_ends_the_stream_without_a_trace(tmp_path):
    command = f"yes '1,2,a' | head -n 200000 | {sys.executable} -m edgelearn stream - --hidden 4 | head -n 2"
    result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert len(result.stdout.splitlines()) == 2
    assert "Traceback" not in result.stderr


def test_an_empty_input_says_so(tmp_path):
    code, rows, errors = piped("", cwd=tmp_path)
    assert (code, rows) == (2, [])
    assert "no samples came" in errors


# --- refusals


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("drft",), ("stream 'drft' is not known", "Did you mean 'drift'?")),
        (("drift", "--data", "elec2"), ("given twice",)),
        (("no.csv",), ("no.csv", "check the path")),
        (("--encoder", "onoff"), ("encoder 'onoff' is not known", "Did you mean 'on-off'?")),
        (("--window-features", "statistics"), ("give --window 2 or more",)),
        (("--window", "0"), ("setting 'window' = 0 is not allowed",)),
        (("--hidden", "a"), ("hidden 'a' cannot be read",)),
        (("--net", "16-4-4"), ("net '16-4-4' does not fit drift: 8 inputs", "try --net 8-4-4")),
        (("--update-gate", "maybe"), ("update gate 'maybe' is not known",)),
        (("--sample-rate", "50 m"), ("setting 'sample_rate'", "is not a rate")),
        (("--energy-budget", "5 V"), ("setting 'energy_budget'", "not a power")),
        (("--battery", "AA"), ("'AA' is not a battery",)),
        (("--when-late", "wait"), ("setting 'when_late' = 'wait' is not allowed; give one of drop, skip-update",)),
        (("--detector", "adwim"), ("adwim", "Did you mean 'adwin'?")),
        (("--label-fraction", "2"), ("label_fraction",)),
        (("--processor", "cortex"), ("processor 'cortex' is not known",)),
        (("--resume",), ("--resume needs the folder",)),
        (("--plot", "no/where.png"), ("there is no folder no",)),
        (("--plot", "picture.gif"), (".gif",)),
        (("--window", "60"), ("no recording of drift is as long as a window of 60 samples (50 samples in all)",)),
        (("--sample-rate", "1e-9 Hz"), ("lasts longer than the", "give a higher --sample-rate")),
        (("--processor", "cortex-m0", "--energy-budget", "1 uW"), ("needs the energy of a cycle",)),
        (("digits", "--deadline", "1 ms"), ("'deadline' needs time", "--sample-rate")),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, arguments, texts):
    assert_refused(edgelearn("stream", *arguments, "--limit", "50", cwd=tmp_path), *texts)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_empty_or_cut_short(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    assert_refused(edgelearn("stream", "empty.csv", cwd=tmp_path), "empty.csv")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    assert_refused(edgelearn("stream", "cut.npz", cwd=tmp_path), "cut.npz")
    (tmp_path / "own.csv").write_text("1,2,a\n2,1,b\n1,2,a\n2,1")
    result = edgelearn("stream", "own.csv", "--hidden", "4", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "rejected: 1 another number of values" in result.stdout


def test_an_unwritable_folder(tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "a").write_text("a file")
    else:
        (tmp_path / "a").mkdir(mode=0o500)
    assert_refused(edgelearn("stream", *SHORT, "--out", "a/b", cwd=tmp_path), "cannot write a/b")


def own(path, n=60):
    path.write_text("ax,ay,label\n" + "".join(f"{k % 5},{(k * 3) % 7},{['sit', 'run', ''][k % 3]}\n" for k in range(n)))
    return path


def test_predictions_of_a_file(tmp_path):
    own(tmp_path / "own.csv")
    report = json.loads(
        edgelearn("stream", "own.csv", "--hidden", "4", "--json", "--predictions", "p.csv", cwd=tmp_path).stdout
    )
    header, *rows = [line.split(",") for line in (tmp_path / "p.csv").read_text().splitlines()]
    assert header == ["row", "line", "time", "prediction", "probability", "label", "correct", "learned"]
    assert [int(row[0]) for row in rows] == list(range(1, 61))
    assert [int(row[1]) for row in rows] == list(range(2, 62))
    assert {row[3] for row in rows} <= {"sit", "run"}
    assert [row[5] for row in rows[:3]] == ["sit", "run", ""]
    assert [row[6] == "" for row in rows] == [k % 3 == 2 for k in range(60)]
    right = sum(row[6] == "1" for row in rows)
    assert report["accuracy_percent"] == 100 * right / 40
    assert sum(row[7] == "1" for row in rows) == report["learning"]["learned"] == 40
    late = edgelearn(
        "stream", "own.csv", "--hidden", "4", "--label-delay", "4", "--predictions", "p.jsonl", cwd=tmp_path
    )
    assert "written: p.jsonl" in late.stdout
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rows] == list(range(1, 61))
    assert [row["learned"] for row in rows] == [k % 3 < 2 and k < 56 for k in range(60)]
    assert rows[2]["label"] is None is rows[2]["correct"]


def test_predictions_that_cannot_be_written(tmp_path):
    own(tmp_path / "own.csv")
    for name, text in (("p.txt", "extension '.txt'; give .csv or .jsonl"), ("no/p.csv", "cannot write")):
        result = edgelearn("stream", "own.csv", "--predictions", name, cwd=tmp_path)
        assert_refused(result, text)
    assert edgelearn("stream", "own.csv", "--hidden", "4", "--out", "a", cwd=tmp_path).returncode == 0
    flags = ("--hidden", "4", "--out", "a", "--resume", "--predictions", "p.csv")
    assert_refused(edgelearn("stream", "own.csv", *flags, cwd=tmp_path), "would lack rows", "--overwrite")
    assert {path.name for path in tmp_path.iterdir()} == {"own.csv", "a"}


def test_live_input_that_is_refused_after_some_rows_leaves_nothing(tmp_path):
    lines = ["k,ax,label\n", *(f"{3 * k},{(7 * k) % 5},{'ab'[k % 2]}\n" for k in range(60))]
    status, rows, error = piped("".join(lines), "--hidden", "4", "--out", "a", cwd=tmp_path)
    assert (status, len(rows)) == (2, 20)
    assert "column 'k' rises in every row" in error
    assert list(tmp_path.iterdir()) == []
