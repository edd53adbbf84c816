"""Numbers on streams: predicted before they are learned, the same bytes however a run is cut, baselines beside."""

from __future__ import annotations

import io
import os
import signal

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from edgelearn.config import StreamConfig, validated
from edgelearn.data.lines import LineSource
from edgelearn.data.recordings import Recording
from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.runs.checkpoint import Interrupted
from edgelearn.runs.regression import RegressionWork
from edgelearn.runs.stream import open_work, run
from edgelearn.streaming.front_end import FrontEnd
from edgelearn.streaming.regression_scores import POINTS, ErrorCurve, NumberErrors
from edgelearn.streaming.target_scale import TOP, TargetScale

N = 1200


def table(seed=0, n=N):
    """Return two inputs and a target that wanders with them, in a unit of its own."""
    random = np.random.default_rng(seed)
    x = np.cumsum(random.normal(size=(n, 2)), axis=0) * 0.1 + random.normal(size=(n, 2))
    return np.column_stack([x, 500 + 20 * (x @ [1.0, -2.0]) + random.normal(size=n)])


def source_of(values=None, segment=None, block=None):
    values = table() if values is None else values
    found = Recording(values, segment=segment, channels=("a", "b", "load"), class_names=(), name="plant", source="test")
    if block:
        whole = found.blocks

        def blocks(start=0):
            for one in whole(start):
                for first in range(0, len(one), block):
                    part = slice(first, first + block)
                    yield type(one)(one.x[part], one.y[part], one.t[part], one.segment[part])

        found.blocks = blocks
    return found


def config_of(**settings):
    given = {"task": "regression", "data": "plant", "target_columns": "load", "hidden": "16"}
    return validated(StreamConfig, given | settings)


def predicted(config, source):
    """Return the work of a stream at its end, and targets and predictions of all rows."""
    found = []
    work = RegressionWork(config, source, lambda work, rows: found.append(rows))
    for block in work.chunks():
        work.advance(block)
    return work, *(np.concatenate([getattr(rows, name) for rows in found]) for name in ("targets", "predictions"))


@pytest.mark.parametrize("predict", ["same", "next"])
def test_measures_are_those_of_scikit_learn_and_predictions_come_before_targets(predict):
    work, targets, predictions = predicted(config_of(predict=predict), source_of())
    content = work.content()
    found = content["result"]["by_target"][0]["network"]
    assert content["result"]["rows_scored"] == N - 1
    assert found["rmse"] == pytest.approx(root_mean_squared_error(targets[1:], predictions[1:]), rel=1e-4)
    assert found["mae"] == pytest.approx(mean_absolute_error(targets[1:], predictions[1:]), rel=1e-4)
    assert found["r2"] == pytest.approx(r2_score(targets[1:], predictions[1:]), abs=1e-4)
    persistence = content["result"]["by_target"][0]["persistence"]
    assert persistence["rmse"] == pytest.approx(root_mean_squared_error(targets[1:], targets[:-1]), rel=1e-4)
    assert found["r2"] > (0.9 if predict == "same" else persistence["r2"])
    # a target that is changed leaves all predictions up to its own row as they are
    other = table()
    other[700, 2] += 1000
    changed = predicted(config_of(predict=predict), source_of(other))[2]
    assert np.array_equal(changed[:701], predictions[:701], equal_nan=True)
    assert not np.array_equal(changed[701:], predictions[701:])


def test_outputs_are_those_of_a_learner_row_by_row():
    values = table(n=60).astype(np.float32)
    work, _, predictions = predicted(config_of(), source_of(values))
    learner, front, scale = Learner(work.spec), FrontEnd(work.front_end.spec), TargetScale(1, 8)
    for k, row in enumerate(values):
        levels = front.rows(row[None, :2], np.zeros(1, np.int64)).levels
        mean, unit = scale.now
        value = mean + learner.outputs(levels) * unit
        assert predictions[k, 0] == pytest.approx(float(value[0, 0]), abs=1e-9)
        learner.learn_targets(levels, scale.take(row[None, 2:].astype(np.float64)).words)
    assert all(np.array_equal(a, work.learner.words()[name]) for name, a in learner.words().items())


def test_the_scale_of_targets_does_not_depend_on_cuts_and_grows_with_them():
    y = np.array([[0.0], [0.0], [3.0], [1e6], [np.nan], [-2.5], [0.1]])
    whole, parted = TargetScale(1, 4), TargetScale(1, 4)
    found = whole.take(y)
    parts = [parted.take(y[k : k + 1]) for k in range(len(y))]
    for name in ("words", "mean", "unit"):
        assert np.array_equal(np.concatenate([getattr(one, name) for one in parts]), getattr(found, name))
    assert [one.item() for one in whole.now] == [one.item() for one in parted.now]
    assert np.abs(found.words).max() <= TOP
    assert found.mean[:3].ravel().tolist() == [0, 0, 0]
    assert 0 < found.mean[3, 0] <= 3


@pytest.mark.parametrize(("predict", "at"), [("same", 300), ("next", 301), ("next", 1000)])
def test_an_interrupted_run_continues_to_the_same_bytes(tmp_path, predict, at):
    values = table()
    values[50:60, 2] = np.nan
    segment = np.arange(N) // 420
    config = config_of(predict=predict, window=3, seed=2)
    run(config, tmp_path / "whole", source=source_of(values, segment, 100))

    def interrupt(work):
        if work.n_rows >= at and not (tmp_path / "cut/checkpoint.npz").exists():
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(config, tmp_path / "cut", on_progress=interrupt, source=source_of(values, segment, 50))
    run(config, tmp_path / "cut", resume=True, source=source_of(values, segment, 77))
    for name in ("report.json", "weights.npz"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_rows_without_a_target_are_neither_learned_nor_scored():
    values = table()
    values[100:200, 2] = np.nan
    work, targets, predictions = predicted(config_of(), source_of(values))
    content = work.content()
    assert np.isfinite(predictions).all()
    assert np.isnan(targets[100:200]).all()
    assert content["result"]["rows_scored"] == N - 1 - 101  # and the row behind, which nothing persists to
    assert content["result"]["samples_learned"] == N - 100
    assert any(note.startswith("100 of 1,200 rows lack a target") for note in content["notes"])


def test_the_next_row_of_another_recording_is_not_predicted():
    work, _, predictions = predicted(config_of(predict="next"), source_of(segment=np.arange(N) // 400))
    assert np.flatnonzero(np.isnan(predictions[:, 0])).tolist() == [0, 400, 800]
    assert work.content()["result"]["rows_scored"] == N - 3
    every = predicted(config_of(predict="next", target_columns=None), source_of())[0]
    assert every.targets == ("a", "b", "load")
    assert any("targets: all columns (3)" in note for note in every.content()["notes"])
    assert every.content()["result"]["rmse"] is None


def test_a_linear_regression_stands_beside():
    pytest.importorskip("river", reason="needs pip install river")
    for more in ({}, {"window": 4, "stride": 3}, {"predict": "next"}):
        work, targets, _ = predicted(config_of(**more), source_of())
        found = work.content()["result"]["by_target"][0]
        assert found["linear regression"]["r2"] > (0.9 if not more.get("predict") else found["persistence"]["r2"])
        inputs, learned, base, scored = work._raw_rows()
        assert np.allclose(learned[scored], targets[1:])
        assert len(base) == len(inputs) == len(scored)
    constant = table()
    constant[:600, 1] = 3.0  # and comes alive
    assert (
        predicted(config_of(), source_of(constant))[0].content()["result"]["by_target"][0]["linear regression"]["r2"]
        > 0
    )


def test_live_input_tells_the_next_row():
    lines = "\n".join(["a,b,load", *(",".join(f"{v:.3f}" for v in row) for row in table(n=80)), ""])
    source = LineSource(io.BytesIO(lines.encode()), name="-", source="standard input", live=True,
                        roles=__import__("edgelearn.data.columns", fromlist=["x"]).roles_of(config_of()))  # fmt: skip
    found = []
    work = RegressionWork(config_of(predict="next"), source, lambda work, rows: found.append(rows))
    for block in work.chunks():
        work.advance(block)
    ahead = np.concatenate([rows.ahead for rows in found])
    predictions = np.concatenate([rows.predictions for rows in found])
    assert len(ahead) == 80
    assert np.allclose(ahead[:-1], predictions[1:])
    assert any("live input cannot be read again" in note for note in work.content()["notes"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target_columns": None}, "needs columns to learn; give --target-columns, by name, or --predict next"),
        (
            {"target_columns": "lod"},
            "target column of plant 'lod' is not known; known: a, b, load. Did you mean 'load'?",
        ),
        ({"target_columns": "a,b,load"}, "plant has no column beside --target-columns a,b,load; name fewer, or give"),
        ({"net": "3-4-1"}, "net '3-4-1' does not fit plant: 2 inputs behind the encoder and outputs for 1 targets"),
        ({"hidden": "many"}, "hidden 'many' cannot be read"),
        ({"output": "softmax"}, "output 'softmax' gives shares of classes; --task regression takes linear or sigmoid"),
        ({"rule": "signed-target"}, "rule 'signed-target' teaches the sign of a class"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, words):
    with pytest.raises(UserError) as raised:
        RegressionWork(config_of(**settings), source_of())
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_targets_may_be_named_like_a_label_or_a_time(tmp_path):
    for name in ("target", "y", "t", "label"):
        rows = [",".join(f"{v:.3f}" for v in row) for row in table(n=60)]
        (tmp_path / "x.csv").write_text("\n".join([f"a,b,{name}", *rows]) + "\n")
        config = config_of(data=str(tmp_path / "x.csv"), target_columns=name)
        work = open_work(config)
        assert (work.targets, work._names) == ((name,), ("a", "b"))
    with pytest.raises(UserError, match=r"'label_column' \(--label-column\) has no effect with --task regression"):
        open_work(config_of(data=str(tmp_path / "x.csv"), label_column="a"))


def test_curves_and_errors_of_many_rows_are_merged():
    random = np.random.default_rng(1)
    squares = random.random((5000, 2))
    squares[::7] = np.nan
    whole, parted = ErrorCurve(2), ErrorCurve(2)
    whole.update(squares)
    for first in range(0, 5000, 333):
        again = ErrorCurve(2)
        again.restore(parted.state())
        parted = again
        parted.update(squares[first : first + 333])
    found = whole.as_dict(("x", "y"))
    assert found == parted.as_dict(("x", "y"))
    assert found["rows_per_point"] == 16
    assert len(found["row"]) == -(-5000 // 16) <= POINTS
    assert found["rmse"]["y"][3] == pytest.approx(np.sqrt(np.nanmean(squares[48:64, 1])), rel=1e-5)
    errors = NumberErrors(1)
    assert errors.of_target(0) == {"rmse": None, "mae": None, "r2": None}
    errors.update(np.full((5, 1), 3.0), np.full((5, 1), 3.5))
    assert errors.of_target(0) == {"rmse": 0.5, "mae": 0.5, "r2": None}
