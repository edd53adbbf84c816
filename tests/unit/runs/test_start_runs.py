"""Runs that start from a model or from the results of another run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgelearn.config import RunConfig, read_toml, validated
from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.reports.start import start_lines
from edgelearn.runs.dataset import DatasetWork
from edgelearn.runs.finished import costs_of_runs
from edgelearn.runs.levels import LevelFrontEnd
from edgelearn.runs.registry import run
from edgelearn.runs.start_facts import rates_to_try
from edgelearn.runs.stored import part, parts_of, read_run
from edgelearn.studies.cell import Cell, run_cell
from edgelearn.studies.sweep import _starts_alike
from tests.unit.runs.start_files import write_digits, write_model


def config_of(files, data="data", **settings) -> RunConfig:
    return validated(RunConfig, {"data": files[data], "epochs": 1} | settings)


@pytest.mark.parametrize("rule", ["shallow", "dfa", "drtp", "bp", "fa", "local"])
def test_a_run_starts_from_a_model(files, tmp_path, rule):
    config = config_of(files, start=files["model"], rule=rule, hidden_rate=-10, output_rate=-8)
    assert (config.activation, config.output, config.input_bits, config.feedback) == ("relu", "softmax", 8, "imported")
    content = run(config, tmp_path / "out").content
    accuracy = content["start"]["accuracy_percent"]
    assert accuracy["model"] > 70
    assert abs(accuracy["levels"] - accuracy["model"]) < 2
    assert abs(accuracy["words"] - accuracy["levels"]) < 4
    assert content["accuracy_percent"] >= accuracy["words"] - 4
    assert content["start"]["origin"]["cut"] == "features"
    assert content["start"]["cut_percent"] < 1
    assert any("logits: learned on as softmax" in note for note in content["notes"])
    assert costs_of_runs([tmp_path / "out"], "cortex-m4")[0].accuracy == content["accuracy_percent"]


def test_everything_to_predict_and_continue_is_in_the_results(files, tmp_path):
    work = DatasetWork(config_of(files, start=files["model"], rule="dfa"))
    result = run(work.config, tmp_path / "out")
    arrays, note = read_run(tmp_path / "out")
    spec, front_end = parts_of(note)
    front_end.restore(part(arrays, "front_end"))
    learner = Learner(spec)
    learner.restore(arrays)
    np.testing.assert_array_equal(front_end.encode(work.data.test_x), work.encoded.test_levels)
    wrong = np.mean(learner.predict(work.encoded.test_levels) != work.data.test_y)
    assert result.content["accuracy_percent"] == pytest.approx(100 - 100 * wrong, abs=1e-3)


@pytest.mark.parametrize("source", ["model", "results"])
def test_old_data_are_tested_before_and_after_learning(files, tmp_path, source):
    start = files["model"]
    if source == "results":
        run(config_of(files, start=start, rule="dfa"), tmp_path / "first")
        start = str(tmp_path / "first")
    rates = {"hidden_rate": -2, "output_rate": -2}
    config = config_of(files, data="eight", start=start, rule="dfa", old=files["data"], **rates)
    plain = run(config_of(files, data="eight", start=start, rule="dfa", **rates)).content
    work = DatasetWork(config)
    for chunk in work.chunks():
        work.advance(chunk)
    content = run(config, tmp_path / "out").content
    old, rows = content["start"].pop("old_data"), np.load(files["data"])
    assert (old["name"], old["rows"]) == (files["data"], len(rows["y"]))
    levels = work.start.front_end.encode(rows["x"])
    for when, learner in (("before", work.start.learner(work.spec)), ("after", work.learner)):
        assert old[f"{when}_percent"] == round(100 * float((learner.predict(levels) == rows["y"]).mean()), 4)
    assert old["after_percent"] < old["before_percent"]  # the classes 8 and 9 are forgotten
    line = start_lines(content | {"start": content["start"] | {"old_data": old}})[1]
    assert line.endswith(f"{old['before_percent']:.2f} % before learning, {old['after_percent']:.2f} % after")
    del content["config"]["old"]
    assert content == plain  # not a counter moves


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("nine.npz", r"class '9' of .* is not one of the 8 of .*old.onnx \(0, 1, 2, .*; leave its rows out of --old"),
        ("narrow.npz", "narrow.npz has 3 features, and .* takes 64"),
        ("none.npz", "is not a file"),
        ("scaled.npz", "are tensor 'other', and .* was learned from 'features'"),
    ],
)
def test_old_data_that_do_not_fit_are_refused_before_learning(files, tmp_path, old, message):
    write_digits(tmp_path / "nine.npz")
    write_digits(tmp_path / "scaled.npz", x_tensor="other")
    np.savez(tmp_path / "narrow.npz", x=np.zeros((4, 3)), y=np.zeros(4, int))
    with pytest.raises(UserError, match=message):
        DatasetWork(config_of(files, data="eight", start=files["old"], rule="dfa", old=str(tmp_path / old)))


def test_old_data_are_of_a_start(files):
    with pytest.raises(UserError, match="--old is of a network to start from; give --start too"):
        DatasetWork(config_of(files, old=files["data"]))


def test_a_run_goes_on_from_the_words_of_another(files, tmp_path):
    first = config_of(files, start=files["model"], rule="dfa")
    run(first, tmp_path / "first")
    config = config_of(files, start=str(tmp_path / "first"))
    assert (config.rule, config.feedback, config.input_bits) == ("dfa", "imported", 8)
    work = DatasetWork(config)
    arrays = read_run(tmp_path / "first")[0]
    for name, words in work.learner.words().items():  # feedback too: taken once
        np.testing.assert_array_equal(words, arrays[name])
    assert not work.learner.counters.n_samples
    content = run(config, tmp_path / "second").content
    assert (
        content["start"]["accuracy_percent"]["words"]
        == json.loads((tmp_path / "first/report.json").read_text())["accuracy_percent"]
    )
    assert content["start"]["accuracy_percent"]["model"] is None


def test_learn_and_rule_are_those_of_the_results(files, tmp_path):
    run(config_of(files, start=files["model"], rule="dfa", learn="last"), tmp_path / "last")
    start = str(tmp_path / "last")
    config = config_of(files, start=start)
    assert (config.rule, config.learn) == ("dfa", "last")
    assert any(note == f"rule dfa and learn last, as in {start}" for note in DatasetWork(config).start.notes)
    every = config_of(files, start=start, learn="all")
    assert every.learn == "all"
    assert f"learn is all, and was last in {start}" in DatasetWork(every).start.notes
    assert validated(RunConfig, every.model_dump()) == every
    (tmp_path / "c.toml").write_text(every.to_toml())
    assert validated(RunConfig, read_toml(tmp_path / "c.toml")) == every  # learn at its default is not in the file


def test_chance_before_learning_is_said(files, tmp_path):
    with np.load(files["data"]) as arrays:
        x, y = arrays["x"], arrays["y"]
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    np.savez(tmp_path / "text.npz", x=x, y=names[y])
    settings = {"start": files["model"], "rule": "shallow", "epochs": 1}
    notes = run(validated(RunConfig, {"data": str(tmp_path / "text.npz")} | settings)).content["notes"]
    assert any('"eight" -> output 0, "five" -> output 1' in note for note in notes)
    assert any("accuracy before learning" in note and "is no better than chance" in note for note in notes)
    notes = run(config_of(files, **settings)).content["notes"]
    assert not any("is no better than chance" in note for note in notes)


def test_a_run_from_random_weights_can_be_continued(tmp_path):
    settings = {"epochs": 1, "limit": 200, "net": "64-8-10", "rule": "dfa", "rounding": "stochastic"}
    run(validated(RunConfig, settings), tmp_path / "a")
    config = validated(RunConfig, {"start": str(tmp_path / "a"), "epochs": 1, "limit": 100, "seed": 3})
    assert (config.rounding, config.residual_bits, config.feedback) == ("stochastic", 0, "int8")
    work = DatasetWork(config)
    arrays = read_run(tmp_path / "a")[0]
    for name, words in work.learner.words().items():
        np.testing.assert_array_equal(words, arrays[name])
    np.testing.assert_array_equal(work.start.front_end.high, arrays["front_end.high"])


def test_data_of_another_width_than_a_run_are_refused_without_advice_on_the_cut(files, tmp_path):
    run(config_of(files, start=files["model"], rule="shallow"), tmp_path / "a")
    np.savez(tmp_path / "wide.npz", x=np.ones((40, 65), np.float32), y=np.arange(40) % 10)
    config = validated(RunConfig, {"data": str(tmp_path / "wide.npz"), "start": str(tmp_path / "a")})
    with pytest.raises(
        UserError, match=r"have 65 features, and .* was learned from 64; give data with the same columns"
    ):
        DatasetWork(config)


def test_new_classes_are_added(files):
    settings = {"start": files["old"], "rule": "shallow", "output_rate": -4}
    with pytest.raises(UserError, match="class '8' of the data is not one of the 8"):
        DatasetWork(config_of(files, **settings))
    config = config_of(files, classes_from="data", epochs=3, **settings)
    content = run(config).content
    assert content["network"]["sizes"] == [64, 24, 10]
    assert content["data"]["classes"] == [str(n) for n in range(10)]
    assert content["accuracy_percent"] > content["start"]["accuracy_percent"]["words"]


def test_a_subset_of_the_classes_keeps_the_outputs(files):
    content = run(config_of(files, "eight", start=files["model"], rule="shallow")).content
    assert content["network"]["sizes"] == [64, 24, 10]
    assert content["start"]["accuracy_percent"]["words"] > 70


def test_results_are_resumed_only_from_the_same_source(files, tmp_path):
    first = DatasetWork(config_of(files, start=files["model"], rule="dfa"))
    assert first.identity["start"] == DatasetWork(first.config).identity["start"]
    assert "start" not in DatasetWork(config_of(files)).identity
    other = str(write_model(tmp_path / "model.onnx", seed=1))
    assert first.identity["start"] != DatasetWork(config_of(files, start=other, rule="dfa")).identity["start"]


def test_words_of_another_scale_are_another_source(files, tmp_path):
    """Doubled weights have the same words, with other range exponents."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(files["model"])
    for one in model.graph.initializer:
        if one.name in ("w1", "b1"):
            one.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(one) * 2, one.name))
    onnx.save(model, str(tmp_path / "model.onnx"))
    for rule in ("drtp", "dfa"):
        settings = {"cut": "features", "rule": rule}
        works = [
            DatasetWork(config_of(files, start=start, **settings))
            for start in (files["model"], str(tmp_path / "model.onnx"))
        ]
        weights = [work.start.words["layer2_weights"] for work in works]
        assert np.array_equal(*weights)
        assert works[0].identity["start"] != works[1].identity["start"]


def test_the_digest_covers_levels_and_classes(files):
    start = DatasetWork(config_of(files, start=files["model"], rule="shallow")).start
    levels = start.front_end.levels
    for change in (
        {"front_end": LevelFrontEnd(replace(levels, scale=2 * levels.scale), 64)},
        {"front_end": LevelFrontEnd(replace(levels, offset=levels.offset + 1), 64)},
        {"front_end": LevelFrontEnd(replace(levels, zero_point=3), 64)},
        {"classes": replace(start.classes, outputs=start.classes.outputs[::-1])},
        {"network": start.network | {"output": "sigmoid"}},
    ):
        assert replace(start, **change).digest != start.digest


def test_results_are_not_replaced_by_a_run_that_reads_them(files, tmp_path, monkeypatch):
    run(config_of(files, start=files["model"], rule="shallow"), tmp_path / "r")
    before = (tmp_path / "r/weights.npz").read_bytes()
    monkeypatch.chdir(tmp_path)
    for start in ("r", str(tmp_path / "r/weights.npz"), "r/../r"):
        with pytest.raises(UserError, match=r"results in r would replace those that --start .* reads"):
            run(config_of(files, start=start, rule="shallow"), Path("r"), overwrite=True)
    assert (tmp_path / "r/weights.npz").read_bytes() == before


def test_finished_settings_do_not_need_the_source(files):
    config = config_of(files, start=files["model"])
    gone = config.model_dump() | {"start": "gone.onnx"}
    assert validated(RunConfig, gone).activation == "relu"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "tanh"}, "setting 'activation' = tanh does not fit .*, where it is relu"),
        ({"range_exponent": 1}, "leave --range-exponent out"),
        ({"net": "64-10"}, "net '64-10' does not fit .*, which has 64-24-10"),
        ({"cut": "featurse"}, "tensor 'featurse' is not in .* Did you mean 'features'"),
        ({"rule": "mdfa"}, "'mdfa' keeps weights of layer 2 at zero or above, which those of .* give --rule dfa$"),
        ({"rule": "mdfa", "feedback": "int8"}, "'mdfa' keeps weights of layer 2 at zero or above"),
        ({"start": "gone.onnx"}, "gone.onnx does not exist"),
        ({"start": "graph.nir"}, "give --spiking too"),
        ({"start": None, "cut": "features"}, "--cut is of a network to start from"),
        ({"start": None, "classes_from": "data"}, "--classes-from is of"),
    ],
)
def test_refusals(files, settings, message):
    with pytest.raises(UserError, match=message):
        DatasetWork(config_of(files, **({"start": files["model"]} | settings)))


def test_data_of_another_width_are_refused(files, tmp_path):
    np.savez(tmp_path / "narrow.npz", x=np.zeros((20, 2), np.float32), y=np.arange(20) % 10)
    config = validated(RunConfig, {"data": str(tmp_path / "narrow.npz"), "start": files["model"], "epochs": 1})
    with pytest.raises(UserError, match=r"the data have 2 features, and 'features' of .* has 64"):
        DatasetWork(config)


def test_integer_features_of_a_float_tensor_bring_their_scale(files, tmp_path):
    """level = q - zero_point, without any rounding, and the words take the scale of the file up."""
    exact = write_digits(tmp_path / "float.npz")
    q = np.rint(np.load(exact)["x"] * 255).astype(int) - 128
    np.savez(tmp_path / "q.npz", x=q.astype(np.int8), y=np.load(exact)["y"], scale=1 / 255, zero_point=-128)
    work = DatasetWork(validated(RunConfig, {"data": str(tmp_path / "q.npz"), "start": files["model"], "epochs": 1}))
    both = np.concatenate([work.encoded.levels, work.encoded.test_levels])
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, (q + 128).tolist()))
    assert work.content()["start"]["accuracy_percent"]["words"] > 70


def test_a_run_is_continued_bit_for_bit(files):
    config = config_of(files, start=files["model"], rule="drtp", rounding="stochastic", limit=60)
    whole, first, second = (DatasetWork(config) for _ in range(3))
    order = next(whole.chunks())
    whole.advance(order)
    first.advance(order[:25])
    second.restore(first.state(), first.note())
    assert second.identity == whole.identity
    second.advance(order[25:])
    assert json.dumps(second.content(), sort_keys=True) == json.dumps(whole.content(), sort_keys=True)
    for name, array in whole.state().items():
        np.testing.assert_array_equal(second.state()[name], array)


def test_feedback_of_a_mask_is_that_of_the_layers_that_learn(files):
    """Frozen layers have no feedback and no residual bits."""
    frozen, free = (
        DatasetWork(config_of(files, start=files["model"], rule="dfa", learn=learn)) for learn in ("last", "all")
    )
    assert "layer1_feedback" not in frozen.learner.words()
    matrix = free.learner.words()["layer1_feedback"]
    views = free.learner.words()["layer2_weights"] >> 8
    assert np.corrcoef(matrix.ravel(), views.ravel())[0, 1] > 0.999
    apart = frozen.learner.words()["layer1_weights"] - (free.learner.words()["layer1_weights"] >> 8)
    assert np.abs(apart).max() <= 1  # at ties of the view, up to half a step of the stored word
    assert np.mean(apart != 0) < 0.01


def test_rates_to_try_follow_the_length_of_the_inputs():
    spec = design((7, 4, 3), input_bits=8, activation="tanh", output="softmax")
    learner = Learner(spec)
    top = np.full((5, 7), 255, np.uint8)
    words = {name: np.zeros_like(array) for name, array in learner.words().items()}
    learner.put_words(words)
    assert rates_to_try(spec, learner, top) == (-2, 0)  # 2 / (1 + 7), hidden activations of 0: 2 / 1, cut to 1
    assert rates_to_try(spec, learner, np.zeros((5, 7), np.uint8))[0] == 0
    learner.put_words(words | {"layer1_biases": np.full(4, 32_767, np.int16)})  # hidden activations near 1
    assert rates_to_try(spec, learner, top)[1] == -1


def test_larger_rates_are_suggested_where_none_are_given():
    folder = Path(__file__).parents[3] / "experiments/results/spoken_digits"
    pytest.importorskip("onnx")
    given = {"start": str(folder / "theo.onnx"), "data": str(folder / "theo.npz"), "epochs": 1, "limit": 60}

    def suggested(**settings):
        content = run(validated(RunConfig, given | {"rule": "dfa"} | settings)).content
        return [note for note in content["notes"] if "default rates are small" in note]

    assert "try --output-rate -4 --hidden-rate -1, 2 over" in suggested()[0]
    assert "try --output-rate -4, 2 over" in suggested(learn="last")[0]
    assert "try --hidden-rate -1, 2 over" in suggested(output_rate=-4)[0]
    assert not suggested(output_rate=-4, hidden_rate=-1)


def test_feedback_of_one_sign_is_not_kept_for_a_rule_without(files, tmp_path):
    settings = {"activation": "relu", "net": "64-12-10", "limit": 50}
    run(config_of(files, rule="mdfa", **settings), tmp_path / "mdfa")
    kept = read_run(tmp_path / "mdfa")[0]["layer1_feedback"]
    assert (kept >= 0).all()
    start = {"start": str(tmp_path / "mdfa")}
    np.testing.assert_array_equal(DatasetWork(config_of(files, **start)).learner.words()["layer1_feedback"], kept)
    assert (DatasetWork(config_of(files, rule="dfa", **start)).learner.words()["layer1_feedback"] < 0).any()


def test_a_finished_run_of_a_source_that_changed_is_not_taken_for_done(files, tmp_path):
    start = str(write_model(tmp_path / "model.onnx"))
    config = config_of(files, start=start, rule="shallow", limit=50)
    first = run(config, tmp_path / "r").content
    assert run(config, tmp_path / "r", True).content == first
    write_model(tmp_path / "model.onnx", seed=1)
    with pytest.raises(UserError, match=r"model.onnx was changed after the run in .* started from it"):
        run(config, tmp_path / "r", True)


def test_cells_of_a_source_that_changed_are_run_again(files, tmp_path):
    start = str(write_model(tmp_path / "model.onnx"))
    cell = Cell.of("run", {"data": files["data"], "start": start, "rule": "shallow", "epochs": 1, "limit": 50})
    record = run_cell(cell)
    assert record["status"] == "done"
    assert _starts_alike(cell, record)
    write_model(tmp_path / "model.onnx", seed=1)
    assert not _starts_alike(cell, record)


def test_weights_or_biases_are_put_alone():
    learner = Learner(design((7, 4, 3)))
    before = learner.words()
    learner.put_words({"layer1_weights": np.zeros((4, 7), np.int16)})
    learner.put_words({"layer2_biases": np.ones(3, np.int16)})
    after = learner.words()
    assert not after["layer1_weights"].any()
    assert (after["layer2_biases"] == 1).all()
    for name in ("layer1_biases", "layer2_weights"):
        np.testing.assert_array_equal(after[name], before[name])
