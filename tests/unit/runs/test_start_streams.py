"""Streams that start from a model or from the results of another run or stream."""

import io

import numpy as np
import pytest

from edgelearn.config import StreamConfig, validated
from edgelearn.data.lines import LineSource
from edgelearn.data.source import Block
from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.runs.stored import part, parts_of, read_run
from edgelearn.runs.stream import StreamWork, open_config_source, open_work, run


def config_of(files, **settings) -> StreamConfig:
    return validated(StreamConfig, {"data": files["data"]} | settings)


def restored(folder):
    arrays, note = read_run(folder)
    spec, front_end = parts_of(note)
    front_end.restore(part(arrays, "front_end"))
    learner = Learner(spec)
    learner.restore(arrays)
    return learner, front_end


def test_a_stream_starts_from_a_model(files, tmp_path):
    config = config_of(files, start=files["model"], rule="dfa")
    assert (config.output, config.hidden_rate, config.output_rate) == ("softmax", -8, -5)
    content = run(config, tmp_path / "a").content
    assert content["accuracy_percent"] > 65
    assert content["front_end"]["encoder"] == "tensor"
    assert content["start"]["cut_percent"] < 1
    before, rows = content["start"]["accuracy_percent"], content["start"]["rows_before_learning"]
    assert rows == min(1000, content["stream"]["rows"])
    assert before["model"] > 70
    assert abs(before["words"] - before["model"]) < 5
    assert any(f"before learning is of the first {rows} labelled rows" in note for note in content["notes"])
    learner, front_end = restored(tmp_path / "a")
    work = open_work(config)
    for chunk in work.chunks():
        work.advance(chunk)
    x = np.load(files["data"])["x"]
    np.testing.assert_array_equal(learner.predict(front_end.encode(x)), work.learner.predict(work.front_end.encode(x)))


def test_a_stream_goes_on_from_another_with_its_normalisation(files, tmp_path):
    """Learning the second half from the results of the first is learning all of it, words and normalisation."""
    settings = {"data": files["data"], "hidden": "8", "rule": "dfa"}
    run(validated(StreamConfig, settings | {"limit": 200}), tmp_path / "first")
    config = config_of(files, start=str(tmp_path / "first"), limit=100)
    assert (config.rule, config.encoder, config.feedback) == ("dfa", "signed", "int8")
    work = open_work(config)
    arrays = read_run(tmp_path / "first")[0]
    for name, words in work.learner.words().items():
        np.testing.assert_array_equal(words, arrays[name])
    whole = open_work(validated(StreamConfig, settings | {"limit": 300}))
    rows = _rows(whole.config)
    whole.take(_part(rows, 0, 200))
    for name, array in whole.front_end.save().items():
        if name != "place":
            np.testing.assert_array_equal(work.front_end.save()[name], array)
    expected = whole.take(_part(rows, 200, 250)).predictions
    np.testing.assert_array_equal(work.take(_part(rows, 200, 250)).predictions, expected)


def _rows(config):
    blocks = list(open_config_source(config).blocks(0))
    return Block(*(np.concatenate([getattr(b, name) for b in blocks]) for name in ("x", "y", "t", "segment")))


def _part(block, first, last):
    return type(block)(*(getattr(block, name)[first:last] for name in ("x", "y", "t", "segment")))


def test_a_stream_goes_on_from_a_run(files, tmp_path):
    from edgelearn.config import RunConfig
    from edgelearn.runs.registry import run as run_any

    run_any(validated(RunConfig, {"data": files["data"], "epochs": 20, "net": "64-10"}), tmp_path / "run")
    config = config_of(files, start=str(tmp_path / "run"), output_rate=-9)
    content = run(config, tmp_path / "stream").content
    assert content["front_end"]["encoder"] == "range"
    assert content["accuracy_percent"] > 60
    np.testing.assert_array_equal(
        restored(tmp_path / "stream")[1].high, read_run(tmp_path / "run")[0]["front_end.high"]
    )


def test_new_classes_of_a_stream(files):
    with pytest.raises(UserError, match="class '8' of the data is not one of the 8"):
        open_work(config_of(files, start=files["old"]))
    content = run(config_of(files, start=files["old"], rule="shallow", classes_from="data")).content
    assert content["network"]["sizes"] == [64, 24, 10]
    assert content["stream"]["classes"] == [str(n) for n in range(10)]


def test_live_input_starts_from_results(files, tmp_path):
    run(config_of(files, start=files["model"], rule="shallow", limit=50), tmp_path / "a")
    x, y = np.load(files["data"])["x"][:20], np.load(files["data"])["y"][:20]
    lines = "".join(f"{','.join(f'{v:g}' for v in row)},{label}\n" for row, label in zip(x, y, strict=True))
    config = validated(StreamConfig, {"data": "-", "start": str(tmp_path / "a")})
    source = LineSource(io.BytesIO(lines.encode()), name="-", source="test", n_classes=None, live=True)
    work = StreamWork(config, source)
    predicted = np.concatenate([work.take(block).predictions for block in work.source.blocks(0)])
    assert np.mean(predicted == y) > 0.6  # the labels of the model from the first row on


def test_a_stream_is_not_continued_in_epochs(files, tmp_path):
    from edgelearn.config import RunConfig

    run(validated(StreamConfig, {"data": "drift", "hidden": "4", "limit": 50}), tmp_path / "a")
    with pytest.raises(UserError, match=r"is of a stream.*edgelearn stream --start"):
        validated(RunConfig, {"data": "drift", "start": str(tmp_path / "a")})


def test_settings_of_the_front_end_are_those_of_the_source(files, tmp_path):
    with pytest.raises(UserError, match="--encoder has no effect with --start"):
        config_of(files, start=files["model"], encoder="delta")
    run(validated(StreamConfig, {"data": "drift", "hidden": "4", "limit": 50}), tmp_path / "a")
    with pytest.raises(UserError, match="setting 'window' = 3 does not fit"):
        validated(StreamConfig, {"data": "drift", "start": str(tmp_path / "a"), "window": 3})
    with pytest.raises(UserError, match="the data have 64 features"):
        open_work(validated(StreamConfig, {"data": files["data"], "start": str(tmp_path / "a")}))


def test_a_stream_is_continued_bit_for_bit(files):
    config = config_of(files, start=files["model"], rule="dfa", limit=80)
    whole, first, second = (open_work(config) for _ in range(3))
    rows = _rows(config)
    whole.advance(_part(rows, 0, 80))
    first.advance(_part(rows, 0, 30))
    second.restore(first.state(), first.note())
    assert second.identity == first.identity
    second.advance(_part(rows, 30, 80))
    for name, array in whole.state().items():
        np.testing.assert_array_equal(second.state()[name], array)
    assert second.content()["start"] == whole.content()["start"]
