"""Runs without classes: what is learned and measured, its units, resumed runs, predictions and refusals."""

import json

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from edgelearn.cli import main
from edgelearn.config import RunConfig, validated
from edgelearn.errors import UserError
from edgelearn.runs.number_prediction import predict
from edgelearn.runs.numbers import NumbersWork, TargetScale
from edgelearn.runs.prediction import predict as predict_classes
from edgelearn.runs.registry import run

N = 160


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("numbers") / "t.csv"
    x = np.random.default_rng(3).normal(size=(N, 3))
    y, z = 3 * x[:, 0] - x[:, 1] + 5e6, 0.001 * x[:, 2]
    cells = [[*(f"{v:.5f}" for v in row), f"{a:.3f}", f"{b:.6f}"] for row, a, b in zip(x, y, z, strict=True)]
    cells[7][3] = cells[9][4] = ""
    path.write_text("a,b,c,target,z\n" + "".join(",".join(row) + "\n" for row in cells))
    return path


def settings(table, **changes):
    given = {"data": str(table), "task": "regression", "target_columns": ("target", "z"), "input_bits": 8}
    given |= {"net": "3-6-2", "rule": "dfa", "epochs": 3, "hidden_rate": -6, "output_rate": -4}
    return validated(RunConfig, given | changes)


def worked(config):
    work = NumbersWork(config)
    for chunk in work.chunks():
        work.advance(chunk)
    return work


def test_errors_are_those_of_scikit_learn_in_units_of_the_targets(table):
    work = worked(settings(table))
    content = work.content()
    given = work.scale.values(work.learner.outputs(work.front_end.encode(work.data.test_x)))
    last, targets = content["result"]["by_epoch"][-1], work.data.test_t
    for name, measure in (("rmse", root_mean_squared_error), ("mae", mean_absolute_error), ("r2", r2_score)):
        np.testing.assert_allclose(last[name], measure(targets, given, multioutput="raw_values"), rtol=1e-4)
    assert last["r2"][0] > 0.7
    assert content["result"]["r2"] == pytest.approx(np.mean(last["r2"]), abs=1e-6)
    assert abs(targets[:, 0].mean() - 5e6) < 10  # large offsets are not lost in float32
    assert any("2 of 160 rows lack a target" in note for note in content["notes"])
    assert any("target 4.99999e+06 to 5.00001e+06" in note or "targets scaled" in note for note in content["notes"])
    assert content["columns"]["inputs"] == ["a", "b", "c"]
    assert content["config"]["output"] == "linear"


def test_label_words_of_a_learned_sample_are_its_targets(table):
    content = worked(settings(table)).content()
    learned = content["counters"]["learning"]
    assert learned["label_read"][-1] == 2 * learned["samples"][0]


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_targets_survive_their_words_within_half_a_step(output):
    low, high = np.array([-3.0, 5e6, 2.0]), np.array([9.0, 5e6 + 1, 2.0])
    scale = TargetScale(low, high, output)
    targets = np.random.default_rng(0).uniform(low, high, (50, 3))
    words = scale.words(targets)
    assert (np.abs(scale.values(words) - targets) <= scale.unit / 2 * 1.000001).all()
    assert words[:, :2].min() >= (-256 if output == "linear" else 0)
    assert words.max() <= (256 if output == "linear" else 255)
    beyond = scale.words(np.array([[1e9, -1e9, 2.0]]))
    assert beyond.tolist() == [[256, -256, -256]] if output == "linear" else [[255, 0, 0]]


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_reconstructed_targets_are_those_that_the_kernel_learns(table, bits):
    """A regression on the words that a reconstruction is measured against learns the same network."""
    config = settings(table, task="reconstruct", target_columns=None, net="3-6-3", input_bits=bits, ignore=("z",))
    work = NumbersWork(config)
    levels = work.train_levels[:50]
    twin = NumbersWork(config)
    twin.learner = type(twin.learner)(type(twin.spec)(**vars(twin.spec) | {"task": "regression"}))
    assert work.data.columns.inputs == ("a", "b", "c")
    outputs = work.learner.learn_targets(levels)
    same = twin.learner.learn_targets(levels, work._inputs(levels).astype(np.int16))
    np.testing.assert_array_equal(outputs, same)
    for name, array in work.learner.save().items():
        if name.endswith(("weights", "biases")):
            np.testing.assert_array_equal(array, twin.learner.save()[name])


@pytest.mark.parametrize("task", ["regression", "reconstruct"])
def test_a_resumed_run_is_the_whole_run(table, task):
    net, targets, ignored = ("3-6-2", ("target", "z"), None) if task == "regression" else ("3-6-3", None, ("z",))
    config = settings(table, task=task, net=net, target_columns=targets, rounding="stochastic", ignore=ignored)
    whole, first, second = worked(config), NumbersWork(config), NumbersWork(config)
    first._chunk = 37
    chunks = first.chunks()
    for _ in range(6):
        first.advance(next(chunks))
    second.restore(first.state(), json.loads(json.dumps(first.note())))
    for chunk in second.chunks():
        second.advance(chunk)
    assert second.content() == whole.content()
    for name, array in whole.words()[0].items():
        np.testing.assert_array_equal(array, second.words()[0][name])


def test_predictions_are_outputs_in_units_of_the_targets(table, tmp_path, capsys):
    config = settings(table)
    run(config, tmp_path / "out")
    work = worked(config)
    inputs = tmp_path / "inputs.csv"
    rows = [line.split(",")[:3] for line in table.read_text().splitlines()]
    inputs.write_text("".join(",".join(row) + "\n" for row in rows))
    found = predict(tmp_path / "out", str(inputs))
    x = np.array(rows[1:], np.float64).astype(np.float32)
    expected = work.scale.values(work.learner.outputs(work.front_end.encode(x)))
    np.testing.assert_array_equal(found.scores, expected)
    assert list(next(found.rows())) == ["row", "target", "z"]
    np.testing.assert_array_equal(predict(tmp_path / "out", str(table)).scores, expected)
    assert main(["predict", str(tmp_path / "out"), str(inputs)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "row,target,z"
    with pytest.raises(UserError, match="without classes"):
        predict_classes(tmp_path / "out", str(inputs))


def test_reconstructions_are_in_units_of_the_inputs(table, tmp_path):
    config = settings(table, task="reconstruct", target_columns=None, net="3-12-3", epochs=10, ignore=("z",))
    run(config, tmp_path / "out")
    found = predict(tmp_path / "out", str(table)).scores
    x = np.array([line.split(",")[:3] for line in table.read_text().splitlines()[1:]], np.float64)
    assert found.shape == x.shape
    assert (1 - ((found - x) ** 2).sum(axis=0) / ((x - x.mean(axis=0)) ** 2).sum(axis=0)).min() > 0.5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target_columns": None}, "give --target-columns"),
        ({"target_columns": ("nope",)}, "not known; known: a, b, c, target, z"),
        ({"features": ("a", "z")}, "also a target"),
        ({"target_columns": ("a", "b", "c", "target", "z")}, "no column of numbers|has no|values"),
        ({"net": "3-6-1"}, "try --net 3-6-2"),
        ({"classes": ("1", "2")}, "--classes"),
        ({"label_column": "z"}, "--label-column"),
        ({"output": "softmax"}, "linear or sigmoid"),
        ({"rule": "signed-target"}, "sdfa"),
        ({"update_gate": "error"}, "leave it out"),
        ({"data": "digits"}, "no target columns"),
        ({"net": "3-6-2", "task": "reconstruct"}, "3-6-3"),
    ],
)
def test_what_does_not_apply_is_refused(table, changes, says):
    with pytest.raises(UserError, match=says):
        NumbersWork(settings(table, **changes))


def test_commands_that_compare_classes_refuse(table, capsys):
    assert main(["run", "--data", str(table), "--task", "regression", "--target-columns", "z", "--plot", "x.svg"]) == 2
    assert "--plot" in capsys.readouterr().err
    assert main(["run", "--data", str(table), "--target-columns", "z"]) == 2
    assert "--task regression" in capsys.readouterr().err


def test_the_report_has_errors_per_target(table, capsys):
    words = ["--task", "regression", "--target-columns", "target,z", "--epochs", "2", "--net", "3-6-2"]
    assert main(["run", "--data", str(table), *words, "--rule", "dfa"]) == 0
    out = capsys.readouterr().out
    assert "mean absolute error" in out
    assert "targets scaled by their range" in out
    assert "accuracy" not in out
