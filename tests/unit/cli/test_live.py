"""What is seen while a stream is learned: on a terminal of any width, on none, and line by line."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from rich.console import Console

from edgelearn.cli import live
from edgelearn.cli.live import View, _probability
from edgelearn.config import StreamConfig
from edgelearn.data.sensor import DriftingSensor
from edgelearn.data.source import Block
from edgelearn.network.kernels import tables as t
from edgelearn.runs.session import StreamSession


@pytest.fixture(autouse=True)
def _always_look(monkeypatch):
    monkeypatch.setattr(live, "SECONDS", 0.0)


def terminal(width, shown=True):
    return Console(file=io.StringIO(), width=width, force_terminal=shown, highlight=False, markup=False, record=True)


def start(n=200, scores=False, **settings):
    source = DriftingSensor("none", n, n_channels=3, n_classes=3)
    config = StreamConfig(**({"hidden": "4", "encoder": "on-off", "input_bits": 4} | settings))
    return config, StreamSession(config, source, scores)


def parts(run, size=50):
    """Return the samples of a run's source in blocks, the last ones not first."""
    for block in run.source.blocks():
        for at in range(0, len(block), size):
            cut = slice(at, at + size)
            yield Block(block.x[cut], block.y[cut], block.t[cut], block.segment[cut])


def watched(width, unlabelled=False, **settings):
    """Return what is on the screen at the end of a run."""
    config, run = start(**settings)
    screen = terminal(width)
    with View(config, False, screen) as view:
        for block in parts(run):
            if unlabelled:
                block.y[:] = -1
            run.take(block)
            view.show(run)
        last = terminal(width)
        last.print(view._picture(run))
    assert screen.file.getvalue()
    return last.export_text().splitlines(), view


def test_the_view_says_how_far_and_how_well():
    lines, view = watched(100)
    assert lines[0].startswith("drtp on sensor-none: 200 of 200 samples  ")
    assert lines[0].endswith(" samples/s")
    assert [line.split()[0] for line in lines[1:]] == ["error", "events", "rows"]
    assert lines[1].split()[1] == "accuracy"
    assert len(lines[1].split()[-1]) == len(lines[2].split()[-1]) == 4  # a bar a look
    assert "learned 100.0 %, dropped 0.0 %" in lines[3]
    assert view.samples_per_second > 0


@pytest.mark.parametrize("width", [100, 40, 12, 1])
@pytest.mark.parametrize("unlabelled", [False, True])
def test_a_line_a_fact_on_every_terminal(width, unlabelled):
    lines, _ = watched(width, unlabelled)
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    if width == 40:
        assert "learned 0.0 %" in lines[3] if unlabelled else "learned 100.0 %" in lines[3]
        assert ("nothing scored yet" in lines[1]) == unlabelled


def test_without_labels_events_are_still_seen():
    lines, _ = watched(100, unlabelled=True)
    assert len(lines[2].split()[-1]) == 4


def test_rejects_limits_and_streams_without_end():
    config, run = start(limit=150)
    run.source.rejects.add("not a number", "line 7")
    view = View(config, False, terminal(80))
    screen = terminal(80)
    screen.print(view._picture(run))
    lines = screen.export_text().splitlines()
    assert lines[0] == "drtp on sensor-none: 0 of 150 samples"
    assert lines[-1] == "rejected  1 sample"
    run.source.n_samples = None
    screen.print(View(config.model_copy(update={"limit": None}), False, screen)._picture(run))
    assert screen.export_text().splitlines()[0] == "drtp on sensor-none: 0 samples"


def test_the_curves_hold_what_came_since_the_last_look():
    config, run = start()
    view = View(config, False, terminal(80))
    for block in parts(run, 100):
        before = run.score.confusion.copy(), run.counts["events"]
        run.take(block)
        view.show(run)
        view._grow(run)  # nothing new: no point
        new = run.score.confusion - before[0]
        assert view._errors[-1] == pytest.approx(1 - new.trace() / 100)
        assert view._events[-1] == pytest.approx((run.counts["events"] - before[1]) / 100)
    assert len(view._errors) == len(view._events) == 2


def test_no_terminal_no_output(capsys):
    config, run = start()
    console = terminal(80, shown=False)
    with View(config, False, console) as view:
        for block in parts(run):
            run.take(block)
            view.show(run)
    assert console.file.getvalue() == ""
    assert capsys.readouterr() == ("", "")
    assert view.samples_per_second > 0


def test_lines_of_a_live_stream_stay_on_the_standard_output(capsys):
    """The screen does not take them, which is on the standard error."""
    config, run = start(100, scores=True, sample_rate="500 kHz", processor="cortex-m0")
    blocks = list(parts(run))
    blocks[0].y[3] = -1
    screen = terminal(80)
    with View(config, True, screen) as view:
        for block in blocks:
            rows = run.take(block)
            view.write_rows(run, rows)
            view.show(run)
    output, errors = capsys.readouterr()
    lines = [json.loads(line) for line in output.splitlines()]
    assert errors == ""
    assert "prediction" not in screen.file.getvalue()
    assert [line["sample"] for line in lines] == list(range(100))
    assert lines[3]["label"] is None
    assert lines[3]["prediction"] in (None, *run.source.class_names)
    assert lines[50]["time"] == 0.0001
    dropped = [line for line in lines if line["status"] == ["dropped"]]
    assert len(dropped) == run.score.n_dropped > 0
    for line in lines:
        assert (line["prediction"] is None) == ("dropped" in line["status"])
        assert ("probability" in line) == (line["prediction"] is not None)
        assert 0 <= line.get("probability", 0) <= 1


def test_on_a_terminal_the_lines_are_the_view(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    config, _ = start()
    assert View(config, True, terminal(80))._screen is None
    assert View(config, False, terminal(80))._screen is not None


def test_no_rows_no_lines(capsys):
    config, run = start(40, window=100)
    for block in parts(run):
        View(config, True, terminal(80)).write_rows(run, run.take(block))
    assert capsys.readouterr().out == ""


def test_statuses_have_names():
    bits = [t.DROPPED, t.LATE, t.LEARNED, t.GATED, t.OVER_BUDGET, t.WAITED]
    assert list(live.STATUS_NAMES) == bits
    assert len(set(live.STATUS_NAMES.values())) == len(bits)


@pytest.mark.parametrize(
    ("scores", "prediction", "share"),
    [([255], 1, 1.0), ([255], 0, 0.0), ([51], 0, 0.8), ([10, 30], 1, 0.75), ([0, 0, 0, 0], 2, 0.25), ([255] * 4, 0, 0.25)],
)  # fmt: skip
def test_probability_is_a_share_of_the_outputs(scores, prediction, share):
    assert _probability(np.array(scores, np.uint8), prediction) == share
