"""What the columns of a file were taken for: said by every command, decided by flags, refused where it is in doubt."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgelearn.data import open_dataset
from edgelearn.data.columns import Roles
from edgelearn.data.open_source import open_source
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from tests.cli.runner import edgelearn

VALUES = np.random.default_rng(3).normal(size=(60, 2)).round(3)
LABELS = ["walk" if x > 0 else "rest" for x, _ in VALUES]


def table(path, titles, *columns):
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([",".join(titles), *rows]) + "\n")
    return str(path)


@pytest.fixture
def clocked(tmp_path):
    t = [20 * k for k in range(60)]
    who = ["s1"] * 30 + ["s2"] * 30
    notes = [f"note {k % 7}" for k in range(60)]
    return table(
        tmp_path / "own.csv", ("t_ms", "ax", "ay", "subject", "remark", "activity"), t, *VALUES.T, who, notes, LABELS
    )


def test_the_second_line_says_the_columns(clocked, tmp_path):
    said = "inputs: ax, ay (2); time: t_ms (ms, 50 Hz); subject: subject; label: activity; left out: remark"
    streamed = edgelearn("stream", clocked, "--out", "a", cwd=tmp_path)
    assert streamed.stdout.splitlines()[1] == said
    content = json.loads((tmp_path / "a/report.json").read_text())
    assert (content["columns"]["rate_hz"], content["columns"]["left_out"]) == (50, ["remark"])
    ran = edgelearn("run", "--data", clocked, "--epochs", "1", cwd=tmp_path)
    assert ran.stdout.splitlines()[1] == said.replace(" (ms, 50 Hz)", "")
    assert "rows in the order of t_ms were shuffled" in " ".join(ran.stdout.split())
    assert "most frequent class" in ran.stdout
    emitted = edgelearn("firmware", "emit", "b", "--data", clocked, cwd=tmp_path)
    assert emitted.stdout.splitlines()[1] == said.replace(" (ms, 50 Hz)", "")


def test_flags_choose_the_columns_in_both_commands(clocked, tmp_path):
    roles = Roles(features=("ay",), ignored=("remark",))
    assert open_source(clocked, roles=roles).channels == ("ay",)
    assert open_dataset(clocked, roles=roles).n_features == 1
    found = edgelearn("stream", clocked, "--features", "statistics", cwd=tmp_path)
    assert found.returncode == 2
    assert "--window-features statistics" in found.stderr


def test_a_column_that_rises_steadily_is_no_input(tmp_path):
    path = table(tmp_path / "own.csv", ("odd", "ax", "label"), [3 * k for k in range(60)], VALUES[:, 0], LABELS)
    for opened in (open_source, open_dataset):
        with pytest.raises(
            UserError, match=r"'odd' rises in every row, by 3, .* --time-column odd or --ignore odd, .* --features"
        ):
            opened(path)
        opened(path, roles=Roles(features=("odd", "ax")))
    assert open_source(path, roles=Roles(time="odd", time_unit="ms")).columns_used.rate_hz == pytest.approx(1 / 0.003)
    counted = table(tmp_path / "two.csv", ("row id", "ax", "label"), range(60), VALUES[:, 0], LABELS)
    source = open_source(counted)
    assert (source.channels, source.notes) == (("ax",), ["columns left out, as they count the rows: row id"])


def test_a_time_column_that_cannot_be_read(tmp_path):
    when = [f"day {k}" for k in range(60)]
    path = table(tmp_path / "own.csv", ("timestamp", "ax", "label"), when, VALUES[:, 0], LABELS)
    with pytest.raises(UserError, match=r"'timestamp' holds no times .* --time-format .* --ignore timestamp"):
        open_source(path)
    source = open_source(path, roles=Roles(features=("ax",)))
    assert not source.has_clock
    assert "timestamp was set aside" in source.notes[0]


def test_labels_in_names_and_in_a_second_file(tmp_path):
    for label in ("walk", "rest"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for part in (1, 2):
            table(tmp_path / "data" / label / f"{part}.csv", ("ax", "ay"), *VALUES[:20].T)
    for opened in (open_source, open_dataset):
        found = opened(str(tmp_path / "data"), label_from="(walk|rest)/")
        assert found.class_names == ("rest", "walk")
    both = table(tmp_path / "own.csv", ("ax", "ay"), *VALUES.T)
    (tmp_path / "y.txt").write_text("\n".join(LABELS))
    source = open_source(both, labels=str(tmp_path / "y.txt"))
    assert source.channels == ("ax", "ay")
    assert [source.class_names[y] for block in source.blocks() for y in block.y] == LABELS
    assert open_dataset(both, labels="y.txt").n_features == 2
    (tmp_path / "y.txt").write_text("walk\n")
    with pytest.raises(UserError, match=r"has 1 labels and .* 60 rows"):
        open_source(both, labels="y.txt")


def test_one_value_that_sets_the_range_is_noted(tmp_path):
    ax = VALUES[:, 0].copy()
    ax[0] = 900.0
    path = table(tmp_path / "own.csv", ("ax", "ay", "label"), ax, VALUES[:, 1], LABELS)
    found = edgelearn("run", "--data", path, "--epochs", "1", "--test-fraction", "0.02", cwd=tmp_path)
    assert "few values set the input range of ax: all others lie between" in " ".join(found.stdout.split())
    assert "range of ay" not in found.stdout


def test_one_stamp_for_all_rows_gives_no_time(tmp_path):
    path = table(tmp_path / "own.csv", ("date", "ax", "label"), ["2024-03-01"] * 60, VALUES[:, 0], LABELS)
    source = open_source(path)
    assert not source.has_clock
    assert source.notes == ["stamps of date are all equal and give no time; give --sample-rate"]


def test_windows_in_seconds(clocked, tmp_path):
    flags = ("--hidden", "4", "--window", "200 ms", "--stride", "0.1 s")
    streamed = edgelearn("stream", clocked, *flags, "--out", "a", cwd=tmp_path)
    assert "window: 200 ms = 10 samples at 50 Hz; stride: 0.1 s = 5 samples" in streamed.stdout
    edgelearn("stream", clocked, "--hidden", "4", "--window", "10", "--stride", "5", "--out", "b", cwd=tmp_path)
    ours, theirs = (json.loads((tmp_path / name / "report.json").read_text()) for name in "ab")
    assert (ours.pop("config")["window"], theirs.pop("config")["window"]) == ("200 ms", 10)
    assert ours == theirs
    (words, note), (theirs, same) = (read_arrays(tmp_path / name / "weights.npz") for name in "ab")
    assert note["config"] == same["config"]
    assert all((words[name] == theirs[name]).all() for name in theirs)
    again = edgelearn("stream", "--config", "a/config.toml", "--out", "c", cwd=tmp_path)
    assert again.returncode == 0
    assert (tmp_path / "c/report.json").read_bytes() == (tmp_path / "a/report.json").read_bytes()
    spiking = edgelearn("run", "--spiking", "--data", clocked, "--window", "40 ms", "--epochs", "1", cwd=tmp_path)
    assert "note: window: 40 ms = 2 samples at 50 Hz" in spiking.stdout


def test_windows_in_seconds_need_a_rate(tmp_path):
    path = table(tmp_path / "own.csv", ("ax", "ay", "label"), *VALUES.T, LABELS)
    for command in (("stream", path), ("run", "--spiking", "--data", path)):
        found = edgelearn(*command, "--window", "2 s", cwd=tmp_path)
        assert found.returncode == 2
        assert "setting 'window' = '2 s' needs a sample rate" in found.stderr
    given = edgelearn("stream", path, "--window", "0.1 s", "--sample-rate", "100 Hz", cwd=tmp_path)
    assert "window: 0.1 s = 10 samples at 100 Hz" in given.stdout
    for text, fault in (("1 us", "is less than half a sample at 100 Hz"), ("2", ""), ("0", "1 to 100000 samples, or")):
        found = edgelearn("stream", path, "--window", text, "--sample-rate", "100 Hz", cwd=tmp_path)
        assert (found.returncode, fault in found.stderr) == (2 if fault else 0, True)


def test_a_single_class_names_what_was_rejected(tmp_path):
    rows = [(x, y, "walk" if k < 30 else "rest") for k, (x, y) in enumerate(VALUES)]
    text = "\n".join(f"{x},{y},{label}" if label == "walk" else f"{x};{y},{label}" for x, y, label in rows)
    (tmp_path / "own.csv").write_text(f"ax,ay,label\n{text}\n")
    found = edgelearn("stream", "own.csv", cwd=tmp_path)
    assert "labels of 1 class(es)" in found.stderr
    assert "(30 lines were rejected, the first for 'another number of values': line 32: 2, not 3:" in found.stderr
