"""EdgeClassifier of trained models and of results folders."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.estimators import EdgeClassifier
from edgelearn.runs.prediction import predict
from edgelearn.runs.registry import run
from edgelearn.runs.start import start_from
from tests.unit.runs.start_files import write_digits, write_model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    write_model(folder / "model.onnx")
    write_digits(folder / "digits.npz", 200)
    return folder


def data_of(files):
    with np.load(files / "digits.npz") as arrays:
        return arrays["x"], arrays["y"]


@pytest.mark.parametrize("learn", ["last", "all", "bias"])
def test_a_trained_model_predicts_and_learns_on(files, learn):
    x, y = data_of(files)
    model = EdgeClassifier.from_pretrained(files / "model.onnx", cut="features", learn=learn, X=x, rule="dfa")
    start = start_from(files / "model.onnx", x=x, rule="dfa", learn=learn)
    before = model.predict(x)
    assert np.mean(before == start.head.predict(x.astype(float))) > 0.93
    words = model._learner.words()
    for _ in range(4):
        model.partial_fit(x, y)
    assert np.mean(model.predict(x) == y) >= np.mean(before == y)
    changed = {name for name, array in model._learner.words().items() if not np.array_equal(array, words[name])}
    expected = {
        "last": {"layer2_weights", "layer2_biases"},
        "bias": {"layer1_biases", "layer2_weights", "layer2_biases"},
        "all": {"layer1_weights", "layer1_biases", "layer2_weights", "layer2_biases"},
    }
    assert changed == expected[learn]
    assert model.predict_proba(x).shape == (200, 10)
    assert model.counters_.n_samples == 800


def test_it_can_be_saved_and_pickled(files, tmp_path):
    x, y = data_of(files)
    model = EdgeClassifier.from_pretrained(files / "model.onnx", X=x, classes=list("abcdefghij"))
    model.partial_fit(x[:50], np.array(list("abcdefghij"))[y[:50]])
    model.save(tmp_path / "model.npz")
    for other in (EdgeClassifier.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(x), model.predict(x))
        other.learn_one(dict(enumerate(x[0])), "a")
    assert set(model.predict(x)) <= set("abcdefghij")


@pytest.mark.parametrize(
    "config",
    [
        {"epochs": 1, "rule": "dfa", "start": "model.onnx"},
        {"epochs": 1, "net": "64-8-10"},
        {"hidden": "8"},
        {"start": "model.onnx", "learn": "last"},
    ],
)
def test_results_folders_are_loaded(files, tmp_path, config):
    kind = RunConfig if "epochs" in config else StreamConfig
    config = config | ({"start": str(files / config["start"])} if "start" in config else {})
    run(validated(kind, {"data": str(files / "digits.npz")} | config), tmp_path / "out")
    x, y = data_of(files)
    model = EdgeClassifier.load(tmp_path / "out")
    found = predict(tmp_path / "out", str(files / "digits.npz"))
    np.testing.assert_array_equal(model.predict(x), np.array([int(found.classes[k]) for k in found.predictions]))
    model.partial_fit(x[:20], y[:20])


def test_refusals(files):
    with pytest.raises(UserError, match=r"levels need features; give EdgeClassifier\.from_pretrained\(model, X=x\)"):
        EdgeClassifier.from_pretrained(files / "model.onnx")
    for name in ("cut", "net", "learn", "bits"):
        with pytest.raises(UserError, match=rf"setting '{name}' = .{{60}}\.\.\. is not allowed"):
            EdgeClassifier.from_pretrained(files / "model.onnx", **{name: list(range(9999))})
    with pytest.raises(UserError, match=r"setting 'cut' = array\(.{54}\.\.\. is not allowed"):
        EdgeClassifier.from_pretrained(files / "model.onnx", data_of(files)[0])
    with pytest.raises(UserError, match="2 classes do not fit"):
        EdgeClassifier.from_pretrained(files / "model.onnx", X=data_of(files)[0], classes=["a", "b"])
    with pytest.raises(UserError, match="setting 'lean' is not known"):
        EdgeClassifier.from_pretrained(files / "model.onnx", lean=3)
    with pytest.raises(UserError, match="or a results folder"):
        EdgeClassifier.load(files / "nothing.npz")


def test_the_example_of_the_page_runs(files, monkeypatch):
    monkeypatch.chdir(files)
    (files / "features.npz").write_bytes((files / "digits.npz").read_bytes())
    page = (Path(__file__).parents[3] / "edgelearn/docs/pretrained.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(compile(code, "pretrained.md", "exec"), names)
    x, y = data_of(files)
    assert names["before"] > 0.7
    assert names["model"].score(x, y) > 0.7
    np.testing.assert_array_equal(EdgeClassifier.load("learned.npz").predict(x), names["model"].predict(x))


def test_fit_starts_from_the_imported_words(files):
    x, y = data_of(files)
    settings = {"learn": "last", "X": x, "output_rate": -8, "epochs": 1}
    model = EdgeClassifier.from_pretrained(files / "model.onnx", **settings)
    before, words = model.predict(x), model._learner.words()
    model.fit(x[:20], y[:20])
    first = model._learner.words()
    np.testing.assert_array_equal(first["layer1_weights"], words["layer1_weights"])
    assert np.mean(model.predict(x) == before) > 0.9
    model.fit(x[:20], y[:20])  # anew from the same words, not on from the last
    for name, array in model._learner.words().items():
        np.testing.assert_array_equal(array, first[name])
    copied = clone(model)
    assert not copied.__sklearn_is_fitted__()
    copied.fit(x[:20], y[:20])
    for name, array in copied._learner.words().items():
        np.testing.assert_array_equal(array, first[name])
    later = clone(model).partial_fit(x[:20], y[:20])
    np.testing.assert_array_equal(later._learner.words()["layer1_weights"], words["layer1_weights"])
    assert cross_val_score(model, x, y, cv=3).mean() > 0.7
    assert clone(model).set_params(output_rate=-6).fit(x, y).spec_.layers[-1].rate == -6
    assert pickle.loads(pickle.dumps(model)).fit(x[:20], y[:20]).score(x, y) == model.score(x, y)
    with pytest.raises(UserError, match="setting 'bits' is 4, and the imported words are of 8"):
        clone(model).set_params(bits=4).fit(x, y)
    with pytest.raises(UserError, match="X has 10 features, and the imported layers take 64"):
        clone(model).fit(x[:, :10], y)


def test_fit_of_a_loaded_model_warns(files, tmp_path):
    x, y = data_of(files)
    EdgeClassifier.from_pretrained(files / "model.onnx", X=x).save(tmp_path / "m.npz")
    with pytest.warns(UserWarning, match="drops the words of the file; partial_fit learns on"):
        EdgeClassifier.load(tmp_path / "m.npz").fit(x, y)
