"""Predictions of finished runs: the run's own, bit for bit, whatever the file looks like."""

import csv
import io
import json

import numpy as np
import pytest

from edgelearn.cli import main
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.runs.dataset import DatasetWork
from edgelearn.runs.prediction import predict
from edgelearn.runs.registry import run
from edgelearn.runs.stream import open_work
from tests.unit.runs.start_files import write_digits


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    data = write_digits(folder / "digits.npz", 150)
    x, y = np.load(data)["x"], np.load(data)["y"]
    np.savez(folder / "unlabelled.npz", x=x)
    names = ",".join(f"p{i}" for i in range(64))
    rows = [",".join(f"{v:g}" for v in row) for row in x]
    (folder / "labelled.csv").write_text(f"{names},y\n" + "".join(f"{r},{k}\n" for r, k in zip(rows, y, strict=True)))
    (folder / "unlabelled.csv").write_text(f"{names}\n" + "".join(f"{r}\n" for r in rows))
    run(validated(RunConfig, {"data": str(data), "epochs": 2, "net": "64-8-10", "rule": "dfa"}), folder / "run")
    run(validated(StreamConfig, {"data": str(data), "hidden": "8"}), folder / "stream")
    run(validated(StreamConfig, {"data": str(data), "hidden": "4", "window": 3, "stride": 2}), folder / "windows")
    return folder


def test_predictions_are_those_of_the_run(files):
    work = DatasetWork(validated(RunConfig, json.loads((files / "run/report.json").read_text())["config"]))
    for chunk in work.chunks():
        work.advance(chunk)
    found = predict(files / "run", str(files / "digits.npz"))
    exact = np.concatenate([work.encoded.levels, work.encoded.test_levels])
    expected = dict(zip(map(bytes, exact), work.learner.predict(exact).tolist(), strict=True))
    x = np.load(files / "digits.npz")["x"]
    encoded = _front_end(files / "run").encode(x)
    assert found.predictions.tolist() == [expected[bytes(row)] for row in encoded]
    np.testing.assert_array_equal(found.scores, work.learner.scores(encoded))


def _front_end(folder):
    from edgelearn.runs.prediction import restored

    return restored(folder)[1]


@pytest.mark.parametrize("results", ["run", "stream"])
def test_rows_are_the_same_in_every_kind_of_file(files, results):
    found = [predict(files / results, str(files / name)) for name in ("digits.npz", "unlabelled.npz", "labelled.csv")]
    found.append(predict(files / results, str(files / "unlabelled.csv")))
    for other in found[1:]:
        np.testing.assert_array_equal(other.predictions, found[0].predictions)
        np.testing.assert_array_equal(other.scores, found[0].scores)
    assert [one.accuracy_percent is None for one in found] == [False, True, False, True]


@pytest.mark.parametrize("results", ["stream", "windows"])
def test_predictions_of_a_stream_are_those_of_its_end(files, results):
    config = validated(StreamConfig, json.loads((files / results / "report.json").read_text())["config"])
    work = open_work(config)
    ends = [work.take(chunk).samples for chunk in work.chunks()]
    found = predict(files / results, str(files / "digits.npz"))
    x = np.load(files / "digits.npz")["x"].astype(np.float32)
    ends = np.concatenate(ends)
    window = work.front_end.spec.window
    rows = np.stack([x[end + 1 - window : end + 1].ravel() for end in ends])
    np.testing.assert_array_equal(found.predictions, work.learner.predict(work.front_end.encode(rows)))
    y = np.load(files / "digits.npz")["y"]
    names = np.array(found.classes)
    assert names[found.labels].tolist() == [str(label) for label in y[ends]]


def test_nothing_is_learned(files):
    before = (files / "run/weights.npz").read_bytes()
    assert predict(files / "run", "digits").accuracy_percent is not None
    assert (files / "run/weights.npz").read_bytes() == before


def test_the_command_writes_every_row(files, tmp_path, capsys):
    results, data = str(files / "run"), str(files / "labelled.csv")
    assert main(["predict", results, data]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    found = predict(results, data)
    assert [row["prediction"] for row in rows] == [found.classes[k] for k in found.predictions]
    assert [round(255 * float(row["score 3"])) for row in rows] == found.scores[:, 3].tolist()
    assert main(["predict", results, data, "--out", str(tmp_path / "p.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["prediction"] for line in lines] == [row["prediction"] for row in rows]
    assert "150 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "digits.npz"], "nothing cannot be loaded: there is no weights.npz"),
        (["{data}", "digits.npz"], "holds no network of edgelearn run or stream"),
        (["{model}", "digits.npz"], "is no results folder; give the --out folder of a finished run"),
        (["{run}", "nothing.npz"], "nothing.npz"),
        (["{run}", "{data}", "--out", "p.txt"], "the extension '.txt'; give .csv or .jsonl"),
        (["{run}", "drift"], "drift has 8 features, and 64 were learned"),
    ],
)
def test_refusals(files, capsys, arguments, message):
    (files / "model.onnx").write_bytes(b"a model")
    places = {"run": str(files / "run"), "data": str(files / "digits.npz"), "model": str(files / "model.onnx")}
    assert main(["predict", *(one.format(**places) for one in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_interrupted_run_is_to_be_resumed(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"words so far")
    with pytest.raises(UserError, match="its run was interrupted; finish it with --resume"):
        predict(tmp_path, "digits")


def test_damaged_results_are_refused(files, tmp_path):
    (tmp_path / "weights.npz").write_bytes((files / "run/weights.npz").read_bytes()[:-200])
    with pytest.raises(UserError, match="cannot be loaded"):
        predict(tmp_path, "digits")
