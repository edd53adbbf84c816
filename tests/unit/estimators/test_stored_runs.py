"""Networks of runs and streams as `EdgeClassifier`: the predictions of the run itself, and learning from there on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from edgelearn import EdgeClassifier
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.data.lines import LineSource
from edgelearn.data.recordings import Limited
from edgelearn.data.sensor import DriftingSensor
from edgelearn.errors import UserError
from edgelearn.files import read_arrays, write_arrays
from edgelearn.runs import dataset, stream
from edgelearn.runs.kind import drive

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")


def own_table(path, n=200, text=True):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, n)
    x = rng.normal(0, 1, (n, 3)) + y[:, None]
    names = ["sit", "run", "walk"] if text else ["10", "2", "33"]
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{names[k]}" for (a, b, c), k in zip(x, y, strict=True)]
    path.write_text("\n".join(["ax,ay,az,label", *rows]) + "\n")
    return x.round(4).astype(np.float32), np.array(names)[y]


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "digits", "net": "64-12-10", "epochs": 1, "limit": 300},
        {"rule": "dfa", "rounding": "stochastic", "range_exponent": 1, "residual_bits": 8, "input_bits": 3},
        {"output": "softmax", "halve_every": 1, "bits": 4, "update_gate": "error"},
    ],
)
def test_a_run_predicts_as_its_own_test(settings, tmp_path):
    own_table(tmp_path / "own.csv")
    config = validated(RunConfig, {"data": str(tmp_path / "own.csv"), "net": "3-8-3", "epochs": 3} | settings)
    work = dataset.DatasetWork(config)
    drive(dataset.KIND, config, tmp_path / "out", open=lambda config, checkpoint: work)
    model = EdgeClassifier.from_run(tmp_path / "out")
    data = work.data
    expected = work.learner.predict(work.encoded.test_levels)
    names = np.array(data.class_names)
    assert model.predict(data.test_x).astype(str).tolist() == names[expected].tolist()
    wrong = 100 * float(np.mean(expected != data.test_y))
    assert round(wrong, 4) == work.content()["result"]["test_error_percent"]
    again = EdgeClassifier.from_run(tmp_path / "out/weights.npz")
    again.save(tmp_path / "model.npz")
    stored = EdgeClassifier.load(tmp_path / "model.npz")
    for one in (model, stored):
        one.partial_fit(data.train_x[:50], names[data.train_y[:50]].astype(model.classes_.dtype))
    assert stored.predict_proba(data.test_x).tolist() == model.predict_proba(data.test_x).tolist()
    assert model.spec_ == stored.spec_ == work.spec
    if "data" not in settings:
        assert model.feature_names_in_.tolist() == ["ax", "ay", "az"]
        one = dict(zip(("az", "ax", "ay"), data.test_x[0, [2, 0, 1]].tolist(), strict=True))
        assert model.predict_one(one) == model.predict(data.test_x[:1])[0]


def words_of(model):
    return {name: array.tolist() for name, array in model._learner.words().items()}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"encoder": "delta", "rule": "dfa", "rounding": "stochastic"},
        {"encoder": "levels", "range_exponent": 1},
    ],
)
def test_a_stream_learns_on_where_it_ended(settings, tmp_path):
    x, y = own_table(tmp_path / "own.csv", text=False)
    given = {"data": str(tmp_path / "own.csv"), "hidden": "6"} | settings
    whole = stream.open_work(validated(StreamConfig, given))
    for block in whole.chunks():
        whole.advance(block)
    stream.run(validated(StreamConfig, given | {"limit": 120}), tmp_path / "out")
    model = EdgeClassifier.from_run(tmp_path / "out")
    assert model.classes_.tolist() == [2, 10, 33]
    levels = model._front_end.encode(x)
    assert model.predict(x).tolist() == model.classes_[model._learner.predict(levels)].tolist()
    model.partial_fit(x[120:], y[120:].astype(int))
    assert words_of(model) == {name: array.tolist() for name, array in whole.learner.words().items()}
    assert model._front_end.state.mean.tolist() == whole.front_end.state.mean.tolist()


@pytest.mark.parametrize("features", ["samples", "statistics"])
def test_a_stream_of_windows_takes_a_window_in_each_row(features, tmp_path):
    settings = {"window": 4, "window_features": features, "hidden": "5", "stride": 4}
    config = validated(StreamConfig, settings)
    stream.run(config, tmp_path / "out", source=Limited(DriftingSensor(n_samples=800), 400))
    whole = stream.StreamWork(config, DriftingSensor(n_samples=800))
    samples, labels = [], []
    for block in whole.chunks():
        whole.advance(block)
        samples.append(block.x)
        labels.append(block.y)
    x = np.concatenate(samples)[400:].reshape(100, -1)
    model = EdgeClassifier.from_run(tmp_path / "out")
    assert model.n_features_in_ == 32
    assert len(model.predict(x)) == 100
    y = np.concatenate(labels)[400:][3::4]
    model.partial_fit(x, np.array(whole.source.class_names)[y].astype(model.classes_.dtype))
    assert words_of(model) == {name: array.tolist() for name, array in whole.learner.words().items()}


def test_one_output_of_a_stream_is_fitted_again_as_a_sigmoid(tmp_path):
    rows = [f"{(k * 7) % 5},{k % 2},{'ab'[k % 2]}" for k in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["ax,ay,label", *rows]) + "\n")
    given = {"data": str(tmp_path / "own.csv"), "hidden": "4", "rule": "mdfa", "output": "softmax"}
    stream.run(validated(StreamConfig, given), tmp_path / "out")
    model = EdgeClassifier.from_run(tmp_path / "out")
    again = clone(model).fit([[0.0, 1.0], [1.0, 0.0]] * 4, ["a", "b"] * 4)
    assert (again.spec_.sizes, again.spec_.output) == (model.spec_.sizes, model.spec_.output) == ((2, 4, 1), "sigmoid")


def test_a_live_stream_leaves_places_for_classes(tmp_path):
    lines = [f"{k % 3},{(k * 7) % 5},{'abc'[k % 3]}\n" for k in range(60)]
    config = validated(StreamConfig, {"data": "-", "hidden": "4", "classes": 5})
    source = LineSource(iter(lines), name="-", source="lines", n_classes=5, live=True)
    stream.run(config, tmp_path / "out", source=source)
    model = EdgeClassifier.from_run(tmp_path / "out")
    assert set(model.classes_.tolist()) == {"a", "b", "c"}
    model.partial_fit([[1.0, 2.0]], ["d"])
    assert model.classes_.tolist()[-1] == "d"


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot be loaded: there is no weights.npz; give the --out folder"):
        EdgeClassifier.from_run(tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"weights.npz cannot be loaded: it is no whole weights.npz"):
        EdgeClassifier.from_run(tmp_path)
    own_table(tmp_path / "own.csv")
    config = validated(RunConfig, {"data": str(tmp_path / "own.csv"), "net": "3-4-3", "epochs": 1})
    drive(dataset.KIND, config, tmp_path / "out")
    arrays, note = read_arrays(tmp_path / "out/weights.npz")
    lacking = {name: array for name, array in arrays.items() if name != "front_end.low"}
    for parts, message in (
        ((arrays, {"contract": 1}), "holds no network of edgelearn run or stream, or is of an earlier version"),
        ((lacking, note), "it is damaged, or of another version"),
        ((arrays, note | {"config": note["config"] | {"bits": 99}}), "setting 'bits' = 99 is not allowed"),
    ):
        write_arrays(tmp_path / "weights.npz", *parts)
        with pytest.raises(UserError, match=message):
            EdgeClassifier.from_run(tmp_path)


FAR_VALUES = np.column_stack([2.0**31 + np.arange(80) % 7, np.arange(80) % 3])


def far_table(folder, suffix):
    labels = np.array(["ab"[k % 7 > 3] for k in range(80)])
    path = folder / f"own{suffix}"
    if suffix == ".npz":
        np.savez(path, x=FAR_VALUES, y=labels)
    else:
        rows = [f"{u:.0f},{v:.0f},{label}" for (u, v), label in zip(FAR_VALUES, labels, strict=True)]
        path.write_text("\n".join(["u,v,label", *rows]) + "\n")
    return str(path)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_run_on_values_far_from_zero_takes_them_as_they_are(suffix, tmp_path):
    config = validated(RunConfig, {"data": far_table(tmp_path, suffix), "net": "2-4-2", "epochs": 3})
    drive(dataset.KIND, config, tmp_path / "out")
    model = EdgeClassifier.from_run(tmp_path / "out")
    data = dataset.load_data(config)
    relative = FAR_VALUES - [2.0**31, 0]
    assert data.columns.offsets == (2.0**31, 0)
    assert model.predict(FAR_VALUES).tolist() == model.classes_[learner_answers(model, relative)].tolist()
    model.save(tmp_path / "kept")
    assert EdgeClassifier.load(tmp_path / "kept").predict(FAR_VALUES).tolist() == model.predict(FAR_VALUES).tolist()


def learner_answers(model, x):
    return model._learner.predict(model._front_end.encode(x.astype(np.float32)))


@pytest.mark.parametrize("live", [False, True])
def test_a_stream_of_windows_far_from_zero_takes_them_as_they_are(live, tmp_path):
    path = far_table(tmp_path, ".csv")
    config = validated(StreamConfig, {"data": "-" if live else path, "hidden": "4", "window": 4, "stride": 4})
    source = None
    if live:
        source = LineSource(open(path, "rb"), name="-", source="lines", live=True)  # noqa: SIM115
    stream.run(config, tmp_path / "out", source=source)
    model = EdgeClassifier.from_run(tmp_path / "out")
    windows, relative = FAR_VALUES.reshape(20, 8), (FAR_VALUES - [2.0**31, 0]).reshape(20, 8)
    assert model.predict(windows).tolist() == model.classes_[learner_answers(model, relative)].tolist()


def test_a_run_that_does_not_hold_what_was_subtracted_is_refused(tmp_path):
    config = validated(RunConfig, {"data": far_table(tmp_path, ".csv"), "net": "2-4-2", "epochs": 1})
    drive(dataset.KIND, config, tmp_path / "out")
    arrays, note = read_arrays(tmp_path / "out/weights.npz")
    note.pop("offsets")
    write_arrays(tmp_path / "out/weights.npz", arrays, note | {"relative": True})
    with pytest.raises(UserError, match="values were taken off its columns on reading, which files of its version"):
        EdgeClassifier.from_run(tmp_path / "out")
