"""A fixed-point run beside its twin: the run is the one of `edgelearn run`, and what differs is told rightly."""

from __future__ import annotations

import builtins
import json
import sys
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from edgelearn.config import make_config
from edgelearn.errors import UserError
from edgelearn.network.encoding import encode_levels
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.references.closed_form import binary_units, pass_samples, stored_weights, viewed_weights
from edgelearn.references.online_twin import OnlineTwin
from edgelearn.reports.validation import show
from edgelearn.rules import RULES, Signal
from edgelearn.runs.dataset import design_for, load_data
from edgelearn.runs.registry import run
from edgelearn.validation.dataset import _angles, _is_silent, _verdict, kernel_words, validate
from tests.oracle_pairs import naive_twin
from tests.tools import require_torch

QUICK = {"net": "64-24-10", "epochs": 2, "limit": 400}


def settings(**more):
    return make_config(QUICK | more)


@pytest.mark.parametrize("rule", RULES)
def test_the_run_is_that_of_edgelearn_run_and_the_report_is_whole(rule):
    require_torch()
    config = settings(rule=rule, halve_every=1)
    content = validate(config).content
    report = run(config).content
    errors = [100 - point["fixed_accuracy_percent"] for point in content["points"][1:]]
    np.testing.assert_allclose(errors, report["result"]["test_error_percent_by_epoch"], atol=1e-3)
    for row, expected in zip(content["points"][-1]["layers"], report["layers"], strict=True):
        for name in ("overflows", "saturations", "step_saturations"):
            assert row[name] == expected[name]
    text = json.dumps(content, allow_nan=False)
    assert json.loads(text) == content
    assert [point["epoch"] for point in content["points"]] == [0, 1, 2]
    start = content["points"][0]["layers"]
    assert all(row["weights"]["rms_difference"] < 1e-6 for row in start)  # float32 holds the words exactly
    assert (content["points"][-1]["layers"][0]["weights"]["rms_difference"] > 1e-4) == (rule != "shallow")


def test_the_twin_sees_the_samples_of_the_run_in_their_order():
    require_torch()
    config = settings(rule="dfa", seed=2, halve_every=1)
    data = load_data(config)
    spec = design_for(config, data)
    levels = encode_levels(data.train_x, data.low, data.high, 4)
    twin = OnlineTwin(spec, stored_weights(Learner(spec)))
    for epoch in range(2):
        order = np.random.default_rng([2, 2, epoch]).permutation(len(levels))
        twin.halvings = epoch
        twin.learn(levels[order], data.train_y[order])
    tests = encode_levels(data.test_x, data.low, data.high, 4)
    expected = 100 * np.mean(twin.predict(tests) == data.test_y)
    assert validate(config).content["points"][-1]["float_accuracy_percent"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("rule", "sizes"), [*((rule, (12, 9, 7, 4)) for rule in RULES), ("drtp", (12, 9, 1)), ("dfa", (12, 9, 1))]
)
def test_probing_gives_the_words_of_the_oracle_and_changes_nothing(rule, sizes):
    spec = design(sizes, rule=rule, update_gate="error", rounding="stochastic", seed=5)
    learner = Learner(spec)
    rng = np.random.default_rng(1)
    levels, labels = rng.integers(0, 16, (30, 12)), rng.integers(0, spec.n_classes, 30)
    learner.learn(levels, labels)
    before = learner.save()
    words = kernel_words(learner, levels, labels)
    for name, array in learner.save().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    for s in range(30):
        naive = naive_twin(learner)  # new for every sample: nothing is learned in between
        naive.update_gate = "always"
        naive.learn_one(levels[s].tolist(), int(labels[s]))
        assert words.scores[s].tolist() == naive.probabilities
        for k in range(len(spec.layers)):
            assert words.indices[k][s].tolist() == naive.q[k]
            assert words.deltas[k][s].tolist() == naive.deltas[k]
        for k in range(len(spec.layers) - 1):
            assert words.activations[k][s].tolist() == naive.activations[k + 1]
            assert words.gates[k][s].tolist() == naive.gates[k]
    closed = pass_samples(spec, viewed_weights(learner), levels / 15, labels, binary_units(spec))
    for k, layer in enumerate(spec.layers[:-1]):
        if spec.rule.signal is Signal.SIGN_ERROR:  # an error that rounds to zero has lost its sign
            continue
        apart = np.abs(words.modulators[k] / 2.0**layer.delta_scale - closed.modulators[k]).max()
        assert apart < 0.05 * max(1, np.abs(closed.modulators[k]).max())


@pytest.mark.parametrize("rule", RULES)
def test_one_update_is_within_rounding_of_its_reference(rule):
    require_torch()
    point = validate(settings(rule=rule, epochs=1)).content["points"][0]
    for row in point["layers"]:
        if row["learns"]:
            step = row["one_sample"]
            assert step["reference"] == ("torch autograd" if rule in ("bp", "local") else "closed form")
            for tensor in ("weights", "biases"):
                found = step[tensor]
                assert found["rounding_rms_lsb"] < 0.1 * found["float_rms_lsb"] + 0.5
                assert found["rms_lsb"] < 0.2 * found["float_rms_lsb"] + 0.5
                assert found["float_largest_lsb"] > 10
        else:
            assert row["one_sample"] is None
            assert row["vanished"]["steps"] is None


@pytest.mark.parametrize(
    ("rule", "learn"), [("bp,dfa", "all"), ("dfa,drtp", "all"), ("bp", "bias"), ("bp", "all+none+all"), ("dfa", "last")]
)
def test_layers_that_differ_are_within_rounding_of_their_references(rule, learn):
    require_torch()
    content = validate(settings(rule=rule, learn=learn, net="64-16-12-10", epochs=1)).content
    json.dumps(content, allow_nan=False)
    follows = "bp" in rule
    for row, step in ((row, row["one_sample"]) for row in content["points"][0]["layers"]):
        assert row["learns"] == (row.get("learned", "all") != "none")
        if not row["learns"]:
            assert step is None
            continue
        assert step["reference"] == ("torch autograd" if follows else "closed form")
        for tensor in ("weights", "biases") if row.get("learned", "all") == "all" else ("biases",):
            assert step[tensor]["rounding_rms_lsb"] < 0.1 * step[tensor]["float_rms_lsb"] + 0.5
            assert step[tensor]["float_largest_lsb"] > 5
        if row.get("learned") == "bias":
            assert step["weights"]["float_largest_lsb"] == step["weights"]["largest_lsb"] == 0


@pytest.mark.parametrize(
    ("rule", "learn"), [("local+bp", "all"), ("fa+dfa", "bias"), ("drtp+sdfa", "all"), ("bp", "none+all+all")]
)
def test_probing_layers_that_differ_changes_nothing_and_is_near_the_closed_form(rule, learn):
    spec = design((12, 9, 7, 4), rule=rule, learn=learn, update_gate="error", seed=5)
    learner = Learner(spec)
    rng = np.random.default_rng(1)
    levels, labels = rng.integers(0, 16, (30, 12)), rng.integers(0, spec.n_classes, 30)
    learner.learn(levels, labels)
    before = learner.save()
    words = kernel_words(learner, levels, labels)
    for name, array in learner.save().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    closed = pass_samples(spec, viewed_weights(learner), levels / 15, labels, binary_units(spec))
    for k, layer in enumerate(spec.layers[:-1]):
        if layer.rule.signal is Signal.SIGN_ERROR:
            continue
        apart = np.abs(words.modulators[k] / 2.0**layer.delta_scale - closed.modulators[k]).max()
        assert apart < 0.05 * max(1, np.abs(closed.modulators[k]).max())
        assert np.any(words.deltas[k]) == layer.rule.learns_hidden


def test_halved_rates_halve_the_step_that_is_compared():
    require_torch()
    plain, halved = (validate(settings(rule="drtp", halve_every=every)).content["points"] for every in (None, 1))
    largest = [points[2]["layers"][1]["one_sample"]["biases"]["float_rms_lsb"] for points in (plain, halved)]
    assert 0.35 < largest[1] / largest[0] < 0.75


def test_wider_words_come_closer_and_few_bits_are_told_from_float():
    require_torch()
    apart = {}
    for name, more in {
        "12": {"bits": 12, "residual_bits": 4},
        "8": {},
        "4": {"bits": 4},
        "vanishing": {"rounding": "nearest", "bits": 6},
        "narrow": {"accumulator_bits": 12},
    }.items():
        content = validate(settings(rule="dfa", limit=1000, **more)).content
        apart[name] = content
    end = {name: content["points"][-1]["layers"] for name, content in apart.items()}
    by_bits = [end[name][0]["weights"]["relative_rms"] for name in ("12", "8", "4")]
    assert by_bits[0] < by_bits[2]
    assert by_bits[1] < by_bits[2]
    assert apart["8"]["verdict"]["accuracy_follows"]
    assert apart["8"]["verdict"]["angles_follow"]
    assert apart["8"]["verdict"]["largest_angle_difference"] < 5
    assert not apart["vanishing"]["verdict"]["accuracy_follows"]
    assert end["vanishing"][0]["vanished"]["steps"]["size_percent"] > 50
    assert end["8"][0]["vanished"]["steps"]["size_percent"] < 5
    assert end["narrow"][0]["overflows"] > 100
    assert not apart["narrow"]["verdict"]["accuracy_follows"]
    assert end["8"][0]["overflows"] == 0


def test_a_run_at_its_rails_is_told():
    require_torch()
    content = validate(settings(rule="dfa", activation="relu", hidden_rate=-3, range_exponent=-2)).content
    row = content["points"][-1]["layers"][0]
    assert row["saturations"] > 0
    quiet = validate(settings(rule="dfa")).content["points"][-1]["layers"][0]
    assert row["saturations"] > quiet["saturations"]
    assert row["weights"]["relative_largest"] > quiet["weights"]["relative_largest"]


@pytest.mark.parametrize("gap", [-0.31, 0.31, -0.3, 0.3])
@pytest.mark.parametrize("one_sided", [False, True])
def test_integers_may_be_better_where_signals_come_from_labels_alone(gap, one_sided):
    end = {"gap_points": gap, "gap_standard_error": 0.1, "layers": []}
    found = _verdict([end | {"gap_points": 5.0}, end], one_sided)
    assert found["accuracy_follows"] == found["follows"] == (abs(gap) <= 0.3 or (one_sided and gap < 0))
    assert found.get("better_than_twin", False) == (one_sided and gap == -0.31)


@pytest.mark.parametrize(("rule", "one_sided"), [("drtp", True), ("dfa", False), ("bp", False), ("dfa,drtp", True)])
def test_one_sided_are_rules_with_a_layer_taught_by_labels_alone(rule, one_sided, monkeypatch):
    require_torch()
    better = {"fixed_accuracy_percent": 90.0, "float_accuracy_percent": 80.0, "same_class_percent": 85.0}
    better |= {"gap_points": -10.0, "gap_standard_error": 0.1}
    monkeypatch.setattr("edgelearn.validation.dataset._accuracies", lambda *given: better)
    content = validate(settings(rule=rule, epochs=1, limit=50, net="64-24-16-10")).content
    assert content["verdict"]["accuracy_follows"] == one_sided
    stream = StringIO()
    show(content, Console(file=stream, width=200))
    assert ("where the twin is better, and it is not" in stream.getvalue()) == one_sided


def test_a_twin_that_diverges_is_told_in_valid_json(monkeypatch):
    require_torch()
    learn = OnlineTwin.learn

    def diverge(twin, levels, labels):
        predictions = learn(twin, levels, labels)
        twin._layers[0].weights.fill_(float("nan"))
        return predictions

    monkeypatch.setattr(OnlineTwin, "learn", diverge)
    validation = validate(settings(rule="dfa", epochs=1))
    assert not validation.content["verdict"]["accuracy_follows"]
    assert not validation.content["verdict"]["angles_follow"]
    assert not validation.content["verdict"]["follows"]
    assert "NaN" not in validation.to_json()
    assert validation.content["points"][-1]["layers"][0]["angle_signal"]["own_weights"] is None


@pytest.mark.parametrize(
    "more",
    [
        {"rule": "bp", "net": "64-10"},
        {"rule": "drtp", "net": "64-8-1", "classes": "3,8"},
        {"rule": "bp", "dead_zone": 20, "event_threshold": 10},
        {"rule": "dfa", "update_gate": "margin"},
        {
            "rule": "fa",
            "net": "64-16-12-10",
            "rounding": "stochastic",
            "output": "softmax",
            "hidden_rate": -3,
            "output_rate": -3,
        },
    ],
)
def test_other_settings_pass_too(more):
    require_torch()
    points = validate(settings(**more, epochs=1)).content["points"]
    assert points[-1]["float_accuracy_percent"] > points[0]["float_accuracy_percent"]
    assert points[-1]["gap_points"] < 10
    if more["rule"] == "bp" and "dead_zone" in more:
        assert points[0]["layers"][0]["one_sample"]["reference"] == "closed form"  # autograd knows no dead zone


def test_angles():
    right, up, slant, none = [2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [0.0, 0.0]
    found = _angles([np.array([right, right]), np.array([up, slant]), np.array([right, slant])], [], pooled=False)
    assert found["equal_weights"] == pytest.approx(67.5)
    assert found["own_weights"] == pytest.approx(22.5)
    assert found["to_backprop_fixed"] is None
    assert found["samples_percent"] == 100
    found = _angles([np.array([right, none]), np.array([up, up]), np.array([right, up])], [], pooled=False)
    assert (found["equal_weights"], found["samples_percent"]) == (pytest.approx(90), 50)  # a silent sample has no angle
    pooled = _angles([np.array([right, right]), np.array([up, slant]), np.array([right, slant])], [], pooled=True)
    a, b = np.array([2, 0, 2, 0]), np.array([0, 3, 1, 1])
    assert pooled["equal_weights"] == pytest.approx(
        np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    )
    assert _angles([np.array([none])] * 3, [], pooled=False)["equal_weights"] is None
    opposite = _angles(
        [np.array([right]), -np.array([right]), np.array([right])], [np.array([up]), np.array([slant])], pooled=False
    )
    assert opposite["equal_weights"] == pytest.approx(180)
    assert (opposite["to_backprop_fixed"], opposite["to_backprop_float"]) == (pytest.approx(90), pytest.approx(45))
    assert opposite["difference"] == pytest.approx(45)


def test_signals_that_vanish_in_fixed_point_alone_do_not_follow(monkeypatch):
    """Without a signal there is no angle, and nothing that could differ."""
    require_torch()
    assert validate(settings(rule="dfa")).content["verdict"]["silent_layers"] == []

    def muted(learner, levels, labels):
        words = kernel_words(learner, levels, labels)
        words.deltas[0][:] = 0
        return words

    monkeypatch.setattr("edgelearn.validation.dataset.kernel_words", muted)
    validation = validate(settings(rule="dfa"))
    verdict = validation.content["verdict"]
    assert (verdict["largest_angle_difference"], verdict["angles_follow"]) == (None, True)
    assert (verdict["silent_layers"], verdict["signals_follow"], verdict["follows"]) == ([1], False, False)
    printed = StringIO()
    show(validation.content, Console(file=printed, width=120))
    assert "does NOT follow its float twin in" in printed.getvalue()
    assert "layer 1 has no signal left in fixed point" in printed.getvalue()
    assert validate(settings(rule="shallow")).content["verdict"]["silent_layers"] == []  # its hidden layer never learns


def test_silence_is_right_where_nothing_is_left_to_learn():
    none, some, errors = np.zeros((2, 3)), np.full((2, 3), 1e-4), np.array([[0.001, -0.0019]])
    assert _is_silent(none, some, 2 * errors)
    assert not _is_silent(none, some, errors)  # below half a step of p
    assert not _is_silent(none, none, 2 * errors)
    assert not _is_silent(np.array([[0, 1, 0], [0, 0, 0]]), some, 2 * errors)


def test_strict_stops_the_fixed_point_run():
    require_torch()
    with pytest.raises(UserError, match=r"strict mode: .* overflows"):
        validate(settings(accumulator_bits=10, strict=True))


def test_without_torch_the_way_to_get_it_is_told(monkeypatch, tmp_path):
    found = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "edgelearn.references.pytorch", raising=False)
    with pytest.raises(UserError, match=r'pip install "torch>='):
        validate(settings(), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_progress_is_told_and_the_same_settings_give_the_same_bytes(tmp_path):
    require_torch()
    told = []
    config = settings(rule="bp")
    first = validate(config, tmp_path / "a", lambda epochs: told.append(epochs.progress()[:2]))
    again = validate(config)
    assert told[-1] == (800, 800)
    assert (tmp_path / "a/validation.json").read_text() == first.to_json() == again.to_json()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["validation.json"]


def test_a_learner_without_learning_layers_keeps_its_words():
    learner = Learner(design((6, 5, 3), rule="dfa"))
    learner.state.layers[:, t.LEARNS] = 0
    words = learner.words()
    learner.learn(np.full((5, 6), 15), np.zeros(5, int))
    for name, array in learner.words().items():
        np.testing.assert_array_equal(array, words[name])
