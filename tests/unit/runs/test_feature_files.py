"""Files of features: they are of one tensor of one model, and everything that reads them checks it."""

import json

import numpy as np
import pytest

from edgelearn import EdgeClassifier
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.data.feature_files import described_by
from edgelearn.data.user_rows import read_user_rows
from edgelearn.errors import UserError
from edgelearn.pretrained import read_model
from edgelearn.pretrained.features import write_features
from edgelearn.runs.dataset import DatasetWork, encoded_for
from edgelearn.runs.prediction import predict
from edgelearn.runs.registry import run
from edgelearn.runs.start import start_from
from edgelearn.runs.stream import open_work
from edgelearn.studies.personalise import make_user
from tests.unit.pretrained.test_runtime import quantised
from tests.unit.runs.start_files import write_digits, write_model

RNG = np.random.default_rng(0)
Q = RNG.integers(-128, 128, (60, 6)).astype(np.int8)
Y = np.array(["0", "1", "2"])[np.arange(60) % 3]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model whose int8 tensor q follows the float tensor r, and files of features of both and of others."""
    folder = tmp_path_factory.mktemp("features")
    model = read_model(quantised(folder / "q.onnx"))
    tensors = model.by_name
    real = np.maximum(0.05 * (Q.astype(np.float32) + 128), 0)
    write_features(folder / "q.npz", model, tensors["q"], {"x": Q}, {"y": Y})
    write_features(folder / "parts.npz", model, tensors["q"], {"x_train": Q, "x_test": Q}, {"y_train": Y, "y_test": Y})
    write_features(folder / "r.npz", model, tensors["r"], {"x": real}, {"y": Y})
    about = dict(np.load(folder / "q.npz"))
    np.savez(folder / "other.npz", **(about | {"x_source": np.array("0" * 64)}))
    np.savez(folder / "nowhere.npz", **(about | {"x_tensor": np.array("r")}))
    np.savez(folder / "scale.npz", x=Q, y=Y, x_scale=0.1, x_zero_point=-128)
    np.savez(folder / "u8.npz", x=(Q.astype(int) + 128).astype(np.uint8), y=Y, x_scale=0.05, x_zero_point=0)
    np.savez(folder / "real.npz", x=real, y=Y, x_scale=0.05, x_zero_point=-128)
    np.savez(folder / "plain.npz", x=Q, y=Y)
    return folder


def config_of(place, name, kind=RunConfig, **more):
    settings = {"data": str(place / name), "start": str(place / "q.onnx"), "rule": "shallow"}
    return validated(kind, settings | ({"epochs": 1} if kind is RunConfig else {}) | more)


def open_run(place, name, **more):
    return DatasetWork(config_of(place, name, **more))


def open_stream(place, name, **more):
    return open_work(config_of(place, name, StreamConfig, **more))


def open_users(place, name, **more):
    rows = read_user_rows(place / name, None)
    start = start_from(place / "q.onnx", x=rows.x, described=rows.described, classes=["0", "1", "2"], **more)
    return make_user("one", start, rows, None)


def open_classifier(place, name, **more):
    return EdgeClassifier.from_pretrained(place / "q.onnx", X=place / name, **more)


OPENERS = (open_run, open_stream, open_users, open_classifier)


def test_what_the_writer_writes_is_read(place):
    model = read_model(place / "q.onnx")
    found = described_by(place / "parts.npz")
    assert (found.tensor, found.source, found.dtype) == ("q", model.sha256, "int8")
    assert found.quantised == (pytest.approx(0.05), -128)
    assert described_by(place / "r.npz").quantised is None
    assert described_by(place / "plain.npz") is None
    assert described_by("digits") is described_by(place / "q.onnx") is described_by(None) is None


@pytest.mark.parametrize("name", ["q.npz", "parts.npz"])
def test_a_file_that_names_its_tensor_is_cut_there(place, name):
    """The default cut of the model is another tensor, of floats."""
    assert read_model(place / "q.onnx").cut().input.name == "r"
    work = open_run(place, name)
    assert work.config.cut == work.start.origin["cut"] == "q"
    found = {tuple(row) for row in work.encoded.levels.tolist()}
    assert found <= {tuple(row) for row in (Q.astype(int) + 128).tolist()}


def test_streams_users_and_classifiers_are_cut_there_too(place):
    assert open_stream(place, "q.npz").start.origin["cut"] == "q"
    assert open_users(place, "q.npz").start.origin["cut"] == "q"
    assert open_classifier(place, "q.npz")._run["start"]["origin"]["cut"] == "q"


@pytest.mark.parametrize("opened", OPENERS)
@pytest.mark.parametrize(
    ("name", "cut", "message"),
    [
        ("q.npz", "r", r"are tensor 'q', and .*q.onnx is cut at 'r'; leave --cut out"),
        ("r.npz", "q", r"are tensor 'r', and .* is cut at 'q'"),
        ("other.npz", None, r"of a model with SHA-256 000000000000\.\.\., and .*q.onnx has .*; give that model"),
        ("real.npz", "q", "holds values that are not int8, although it names a scale"),
    ],
)
def test_features_that_do_not_fit_are_refused(place, opened, name, cut, message):
    with pytest.raises(UserError, match=message) as refused:
        opened(place, name, **({} if cut is None else {"cut": cut}))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "scale", "zero_point"), [("scale.npz", 0.1, -128), ("u8.npz", 0.05, 0)])
def test_integers_of_another_scale_are_taken_in_their_own(place, name, scale, zero_point):
    """Nothing is rounded: the words of the first layer take the scale up."""
    start = open_run(place, name, cut="q").start
    levels, x = start.front_end.levels, np.load(place / name)["x"]
    assert (levels.scale[0], levels.zero_point) == (scale, zero_point)
    np.testing.assert_array_equal(levels.encode(x), x.astype(int) - zero_point)
    note = f"the integers have scale {scale:g} and zero point {zero_point}, and 'q' has 0.05 and -128"
    assert [one for one in start.notes if one.startswith(note)]
    same = open_run(place, "q.npz").start
    values = scale * (x.astype(float) - zero_point)
    np.testing.assert_allclose(start.head.scores(levels.real(x)), same.head.scores(values))
    assert len(start.notes) == len(same.notes) + 1


def test_unsigned_integers_of_a_float_tensor_keep_their_values(place):
    levels = open_run(place, "u8.npz", cut="r").start.front_end.levels
    assert (levels.signed, levels.zero_point, levels.top) == (False, 0, 255)
    assert levels.encode(np.array([[255, 0]], np.uint8)).tolist() == [[255, 0]]


def test_integers_without_a_scale_are_refused_by_the_classifier(place):
    with pytest.raises(UserError, match=r"X is int8, and tensor 'r' .* is of real numbers; name the tensor"):
        EdgeClassifier.from_pretrained(place / "q.onnx", X=Q)
    assert EdgeClassifier.from_pretrained(place / "q.onnx", "q", X=Q).predict(Q).shape == (60,)


def test_results_know_their_tensor_and_model(place, tmp_path):
    """Over several runs that follow each other, too."""
    run(config_of(place, "q.npz"), tmp_path / "a")
    run(validated(RunConfig, {"data": str(place / "q.npz"), "start": str(tmp_path / "a"), "epochs": 1}), tmp_path / "b")
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert predict(folder, str(place / "q.npz")).accuracy_percent is not None
        for name, message in {
            "other.npz": "of a model with SHA-256 0000",
            "nowhere.npz": "are tensor 'r', and .* was learned from 'q'",
            "scale.npz": "have scale 0.1",
        }.items():
            with pytest.raises(UserError, match=message):
                predict(folder, str(place / name))
            with pytest.raises(UserError, match=message):
                DatasetWork(validated(RunConfig, {"data": str(place / name), "start": str(folder), "epochs": 1}))


def test_whole_numbers_beyond_the_integers_say_why_they_are_rounded(place, tmp_path):
    np.savez(tmp_path / "far.npz", x=Q.astype(int) + 128, y=Y)
    start = DatasetWork(validated(RunConfig, {"data": str(tmp_path / "far.npz"), "start": str(place / "q.onnx"),
                                              "cut": "q", "epochs": 1})).start  # fmt: skip
    assert any("features lie beyond -128 to 127, so that they are taken for real" in note for note in start.notes)


def test_cells_of_a_study_see_files_that_changed(tmp_path):
    """Levels are shared by consecutive cells, but not those of a source that was written anew."""
    data = write_digits(tmp_path / "d.npz", 60)
    model = write_model(tmp_path / "m.onnx")
    config = validated(RunConfig, {"data": str(data), "start": str(model), "epochs": 1})
    first = encoded_for(config)
    assert encoded_for(config) is first
    write_model(tmp_path / "m.onnx", seed=1)
    second = encoded_for(config)
    assert second.start.digest != first.start.digest
    write_digits(tmp_path / "d.npz", 50)
    assert len(encoded_for(config).levels) == 40
    assert json.dumps(first.start.note()) != ""


def test_a_description_has_the_tags_of_its_files(place, tmp_path):
    """Where its features are the values of x as they are."""
    path = tmp_path / "d.toml"
    path.write_text(f'file = "{place / "q.npz"}"\n')
    assert described_by(path).says == described_by(place / "q.npz").says
    work = open_run(place, str(path))
    assert work.start.origin["cut"] == "q"
    assert np.array_equal(work.encoded.levels, open_run(place, "q.npz").encoded.levels)
    path.write_text(f'file = "{place / "other.npz"}"\nfeatures = "x"\n')
    with pytest.raises(UserError, match=r"other\.npz are tensor .q. of a model with SHA-256 0000"):
        open_run(place, str(path))
    path.write_text(f'file = "{place}"\npattern = "[qr].npz"\n')
    with pytest.raises(UserError, match="hold features of different tensors or scales"):
        described_by(path)
    for line in ("scale = 0.5", 'features = "raw"', 'reader = "npy"'):
        path.write_text(f'file = "{place / "q.npz"}"\n{line}\n')
        assert described_by(path) is None
    path.write_text("not = a description\n")
    assert described_by(path) is None
