"""Predictions of finished runs: the run's own, bit for bit, whatever the file looks like."""

import csv
import io
import json

import numpy as np
import pytest

from edgelearn import EdgeClassifier
from edgelearn.cli import main
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.runs.dataset import DatasetWork
from edgelearn.runs.prediction import predict, restored
from edgelearn.runs.registry import run
from edgelearn.runs.stream import open_work
from tests.unit.runs.start_files import write_digits, write_model


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


def _write_parts(path, names):
    """Write digits as two parts, of which the test part is the first 40 rows in another order."""
    x, y = np.load(path.parent / "digits.npz")["x"], np.load(path.parent / "digits.npz")["y"]
    arrays = dict(zip(names, (x, y, x[:40][::-1], y[:40][::-1]), strict=True))
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".mat":
        pytest.importorskip("scipy.io").savemat(path, arrays)
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            for name, array in arrays.items():
                file[f"group/{name}"] = array
    return path


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"), ("X", "y", "X_test", "y_test")])
def test_a_test_part_is_used_and_predicted(files, tmp_path, suffix, names):
    """Also beside x and y, whatever reader the file has; what the run measured is what predict measures."""
    path = _write_parts(files / f"{names[0]}{suffix}", names)
    content = run(validated(RunConfig, {"data": str(path), "epochs": 1, "net": "64-8-10"}), tmp_path / "out").content
    assert (content["data"]["train_samples"], content["data"]["test_samples"]) == (150, 40)
    found = predict(tmp_path / "out", str(path))
    assert found.accuracy_percent == pytest.approx(content["accuracy_percent"], abs=1e-3)
    assert found.notes == (f"predicted: the test part of {path}, array x_test",)
    whole = predict(tmp_path / "out", str(files / "digits.npz")).predictions
    np.testing.assert_array_equal(found.predictions, whole[:40][::-1])


def test_a_test_part_needs_no_labels(files, tmp_path):
    x = np.load(files / "digits.npz")["x"]
    np.savez(tmp_path / "t.npz", x_test=x)
    np.savez(tmp_path / "some.npz", x_test=x, y_test=np.where(np.arange(150) < 10, 3.0, np.nan))
    np.testing.assert_array_equal(
        predict(files / "run", str(tmp_path / "t.npz")).predictions,
        predict(files / "run", str(files / "digits.npz")).predictions,
    )
    assert predict(files / "run", str(tmp_path / "t.npz")).accuracy_percent is None
    assert (predict(files / "run", str(tmp_path / "some.npz")).labels >= 0).sum() == 10
    np.savez(tmp_path / "short.npz", x_test=x, y_test=[1, 2])
    with pytest.raises(UserError, match="x_test has 150 samples and y_test is"):
        predict(files / "run", str(tmp_path / "short.npz"))


def test_arrays_that_are_left_out_are_noted(files, tmp_path):
    x, y = np.load(files / "digits.npz")["x"], np.load(files / "digits.npz")["y"]
    np.savez(tmp_path / "no-labels.npz", x=x, y=y, x_test=x)
    np.savez(tmp_path / "both.npz", x=x, y=y, x_test=x, y_test=y, x_train=x, y_train=y)
    notes = DatasetWork(validated(RunConfig, {"data": str(tmp_path / "no-labels.npz")})).data.notes
    assert notes == ["arrays left out: x_test; x, y are taken"]
    notes = DatasetWork(validated(RunConfig, {"data": str(tmp_path / "both.npz")})).data.notes
    assert notes == ["arrays left out: x, y; x_train, y_train, x_test, y_test are taken"]
    assert (
        "arrays left out: x_test"
        in open_work(validated(StreamConfig, {"data": str(tmp_path / "no-labels.npz")})).source.notes
    )


@pytest.mark.parametrize("names", ["text", "numbers"])
def test_labels_that_the_run_lacks_are_noted(files, tmp_path, names, capsys):
    x, y = np.load(files / "digits.npz")["x"], np.load(files / "digits.npz")["y"]
    text = np.array([f"digit {k}" for k in range(10)])[y]
    np.savez(tmp_path / "n.npz", x=x, y=text if names == "text" else np.where(y < 5, y, y + 100))
    found = predict(files / "run", str(tmp_path / "n.npz"))
    n = 150 if names == "text" else int((y >= 5).sum())
    assert found.notes[0].startswith(f"{n} of 150 rows have labels that are not classes of {files / 'run'} (")
    assert (found.accuracy_percent is None) == (names == "text")
    assert main(["predict", str(files / "run"), str(tmp_path / "n.npz")]) == 0
    assert f"note: {n} of 150 rows have labels" in capsys.readouterr().err
    assert main(["predict", str(files / "run"), str(tmp_path / "n.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == list(found.notes)


def test_missing_values_are_noted(files, tmp_path):
    x, y = np.load(files / "digits.npz")["x"].copy(), np.load(files / "digits.npz")["y"]
    x[:, 3] = np.nan
    x[0, 0] = np.nan
    np.savez(tmp_path / "m.npz", x=x, y=y)
    note = "missing: 151 of 9,600 values, which make no event; no row has a value of feature 4"
    assert note.replace("feature", "channel") in predict(files / "stream", str(tmp_path / "m.npz")).notes
    assert note in predict(files / "run", str(tmp_path / "m.npz")).notes
    assert note in run(validated(RunConfig, {"data": str(tmp_path / "m.npz"), "epochs": 1})).content["notes"]
    work = open_work(validated(StreamConfig, {"data": str(tmp_path / "m.npz")}))
    for chunk in work.chunks():
        work.advance(chunk)
    assert "no row has a value of channel 4" in work.content()["notes"]


@pytest.mark.parametrize(
    ("factor", "said"), [(255.0, "% of the features lie beyond the levels"), (0.01, "the features reach only")]
)
def test_data_of_another_scale_are_asked_for(files, tmp_path, factor, said):
    x, y = np.load(files / "digits.npz")["x"] * factor, np.load(files / "digits.npz")["y"]
    np.savez(tmp_path / "s.npz", x=x, y=y)
    model = str(write_model(tmp_path / "m.onnx"))
    run(validated(RunConfig, {"data": str(files / "digits.npz"), "epochs": 1, "start": model}), tmp_path / "of-model")
    for results in (files / "run", tmp_path / "of-model"):
        first = predict(results, str(tmp_path / "s.npz")).notes[0]
        assert said in first
        assert first.endswith("is this the same sensor and scale?")
        more = {"data": str(tmp_path / "s.npz"), "start": str(results)}
        content = run(validated(RunConfig, more | {"epochs": 1})).content
        assert said in content["notes"][0]
        work = open_work(validated(StreamConfig, more))
        for chunk in work.chunks():
            work.advance(chunk)
        assert said in work.content()["notes"][0]
        assert not predict(results, str(files / "digits.npz")).notes


def test_values_far_from_zero_enter_a_run_that_started_from_another_as_they_are(files, tmp_path):
    """Not relative to the first values, which levels of the earlier run do not know."""
    x, y = np.load(files / "digits.npz")["x"].astype(np.float64) * 1e-6 + 1.0, np.load(files / "digits.npz")["y"]
    np.savez(tmp_path / "far.npz", x=x, y=y)
    model = str(write_model(tmp_path / "m.onnx"))
    config = validated(RunConfig, {"data": str(tmp_path / "far.npz"), "epochs": 1, "start": model})
    work = DatasetWork(config)
    assert work.data.columns.offsets
    run(config, tmp_path / "out")
    found = predict(tmp_path / "out", str(tmp_path / "far.npz"))
    learner, front_end, _ = restored(tmp_path / "out")
    levels = front_end.encode(x)
    np.testing.assert_array_equal(found.predictions, learner.predict(levels))
    exact = np.concatenate([work.encoded.levels, work.encoded.test_levels])
    assert abs(levels.mean() - exact.mean()) < 0.5  # float32 relative to the first values rounds to other levels
    offsets = EdgeClassifier.from_run(tmp_path / "out")._offsets
    assert not offsets.any()


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
    with pytest.raises(UserError, match="is of a run that was interrupted; finish it with --resume"):
        predict(tmp_path, "digits")


def test_damaged_results_are_refused(files, tmp_path):
    (tmp_path / "weights.npz").write_bytes((files / "run/weights.npz").read_bytes()[:-200])
    with pytest.raises(UserError, match="cannot be loaded"):
        predict(tmp_path, "digits")
