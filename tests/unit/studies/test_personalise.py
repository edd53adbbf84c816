"""Personalisation: samples that are learned, float SGD beside, results of users."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgelearn.data.datasets import open_dataset
from edgelearn.data.user_rows import read_user_rows
from edgelearn.errors import UserError
from edgelearn.runs.start import start_from
from edgelearn.studies.float_sgd import FloatSGD
from edgelearn.studies.personalise import Protocol, around, by_user, check, make_user, tuned
from hw_models.front_end import front_end_cost
from hw_models.processor import find_processor
from tests.cli.runner import edgelearn

pytest.importorskip("onnx")
CLASSES, FEATURES, HIDDEN = 3, 6, 5


def rows(generator, n, shift=0.0):
    """Return features around the centre of each class, moved by a shift, and classes."""
    centres = 3 * np.eye(CLASSES, FEATURES)
    y = np.arange(n) % CLASSES
    return (centres[y] + shift + 0.6 * generator.normal(size=(n, FEATURES))).astype(np.float32), y


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a network of two layers that tells the centres apart, two users whose features are moved, and old data."""
    from tests.unit.pretrained.onnx_models import node, write

    path, generator = tmp_path_factory.mktemp("users"), np.random.default_rng(0)
    first = np.concatenate([np.eye(CLASSES, FEATURES), generator.normal(size=(HIDDEN - CLASSES, FEATURES)) / 9])
    constants = {
        "w1": first.astype(np.float32), "b1": np.full(HIDDEN, -1.5, np.float32),
        "w2": np.eye(CLASSES, HIDDEN, dtype=np.float32) * 3, "b2": np.zeros(CLASSES, np.float32),
    }  # fmt: skip
    nodes = [
        node("Gemm", "in w1 b1", "sum", transB=1), node("Tanh", "sum", "hidden"),
        node("Gemm", "hidden w2 b2", "out", transB=1),
    ]  # fmt: skip
    write(path / "net.onnx", nodes, constants, ["n", FEATURES])
    shift = np.zeros(FEATURES)
    shift[0] = 2.6
    parts = [rows(generator, 90, shift * scale) for scale in (1.0, 1.2)]
    x, y = (np.concatenate(one) for one in zip(*parts, strict=True))
    names = np.repeat(["ann", "bob"], 90)
    np.savez(path / "users.npz", x=x, y=y, user=names)
    old_x, old_y = rows(generator, 60)
    np.savez(path / "old.npz", x=old_x, y=old_y)
    lines = [
        ",".join([*(f"{value:.9g}" for value in row), user, str(label)])
        for row, user, label in zip(x, names, y, strict=True)
    ]
    header = ",".join([*(f"f{k}" for k in range(FEATURES)), "user", "label"])
    (path / "users.csv").write_text("\n".join([header, *lines]) + "\n")
    for name in ("ann", "bob"):
        (path / f"{name}-net.onnx").write_bytes((path / "net.onnx").read_bytes())
    return path


def test_rounds_have_each_class_once_and_draws_differ():
    classes = np.array([0] * 20 + [1] * 20 + [2] * 3)
    protocol = Protocol((3, 9), draws=2)
    drawn = [protocol.drawn(classes, draw) for draw in range(2)]
    for chosen in drawn:
        assert len(set(chosen)) == len(chosen) == 9
        assert [sorted(classes[chosen[k : k + 3]]) for k in (0, 3, 6)] == [[0, 1, 2]] * 3
    assert drawn[0].tolist() != drawn[1].tolist()
    assert drawn[0].tolist() == protocol.drawn(classes, 0).tolist()
    assert Protocol((4,), order="file").drawn(classes, 0).tolist() == [0, 1, 2, 3]
    longer = Protocol((12,)).drawn(classes, 0)  # a class runs out
    assert sorted(classes[longer]).count(2) == 3
    assert len(set(longer)) == 12


def test_three_rates_around_leave_room():
    assert around(-5) == (-7, -5, -3)
    assert around(0) == (-4, -2, 0)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("learned", [("all", "all"), ("bias", "all"), ("none", "all"), ("all", "none")])
def test_float_sgd_follows_the_gradient(output, learned):
    generator = np.random.default_rng(1)
    layers = [(generator.normal(size=(4, 3)), generator.normal(size=4)), (generator.normal(size=(2, 4)), np.zeros(2))]
    x, label, rate = generator.normal(size=3), 1, 1e-3

    def loss(given):
        z = given[1][0] @ np.tanh(given[0][0] @ x + given[0][1]) + given[1][1]
        if output == "softmax":
            return np.log(np.exp(z).sum()) - z[label]
        return float(np.sum(np.log1p(np.exp(z)) - np.eye(2)[label] * z))

    rates = (rate, 3 * rate)
    net = FloatSGD(layers, "tanh", output, learned, rates)
    net.learn(x[None], np.array([label]))
    for k, (mask, pair) in enumerate(zip(learned, layers, strict=True)):
        for part, array in enumerate(pair):
            slope = np.zeros_like(array)
            for place in np.ndindex(*array.shape):
                ends = []
                for step in (1e-6, -1e-6):
                    moved = [[one.copy() for one in layer] for layer in layers]
                    moved[k][part][place] += step
                    ends.append(loss(moved))
                slope[place] = (ends[0] - ends[1]) / 2e-6
            learns = mask == "all" or (mask == "bias" and part == 1)
            np.testing.assert_allclose(net.layers[k][part], array - rates[k] * slope * learns, atol=1e-9)


def run(folder, *arguments):
    return edgelearn("personalise", *arguments, cwd=folder)


def content_of(folder, *arguments):
    done = run(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


BASIC = ("--start", "net.onnx", "--data", "users.npz", "--users", "user", "--samples", "6,30", "--draws", "2")


def test_users_learn_as_float_sgd_does_and_old_data_are_tested(folder):
    found = content_of(folder, *BASIC, "--old", "old.npz", "--output-rate", "-2", "--float-rates", "-3,-2,-1")
    assert list(found["users"]) == ["ann", "bob"]
    before, _, after = (one["mean"] for one in found["accuracy_percent"])
    assert after > before + 10
    assert abs(found["float"]["difference_points"][-1]["mean"]) < 3
    assert found["old_accuracy_percent"][0]["mean"] > 90
    assert found["network"]["layers"] == ["none", "all"]
    assert found["network"]["words_that_learn"] == CLASSES * (HIDDEN + 1)
    assert 0 < found["per_sample"]["words_written"] <= CLASSES * (HIDDEN + 1)
    assert found["cost"]["learning"]["energy_pj"] > found["cost"]["inference"]["energy_pj"] > 0
    assert found["before_percent"]["words"]["mean"] == pytest.approx(before, abs=5)
    gated = content_of(folder, *BASIC, "--output-rate", "-2", "--update-gate", "error", "--float-rates", "none")
    assert gated["per_sample"]["words_written"] < found["per_sample"]["words_written"]
    assert gated["per_sample"]["learned_percent"] < 100
    assert gated["float"]["accuracy_percent"] == []


def test_a_table_of_text_gives_the_same_results_as_arrays(folder):
    first = content_of(folder, *BASIC)
    second = content_of(folder, *(one.replace("users.npz", "users.csv") for one in BASIC))
    assert first["users"] == second["users"]


def test_files_per_user_and_all_layers(folder):
    found = content_of(
        folder, "--start", "{user}-net.onnx", "--data", "users.npz", "--users", "user", "--samples", "6", "--draws", "1",
        "--rule", "dfa", "--float-rates", "-4",
    )  # fmt: skip
    assert list(found["users"]) == ["ann", "bob"]
    assert found["network"]["layers"] == ["all", "all"]
    assert found["network"]["feedback"] == "imported"


def test_the_report_and_the_figure(folder):
    done = run(folder, *BASIC, "--old", "old.npz", "--out", "p.json", "--plot", "p.svg")
    assert done.returncode == 0, done.stderr
    for part in ("2 users, net.onnx", "the output layer learns", "float SGD, %", "ann", "old data", "written: p.json"):
        assert part in done.stdout
    assert json.loads((folder / "p.json").read_text())["n_users"] == 2
    assert (folder / "p.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "users.npz"), "--start is missing"),
        (("--start", "net.onnx"), "--data is missing"),
        (("--start", "net.onnx", "--data", "users.npz"), "--users is missing"),
        ((*BASIC[:4], "--users", "person"), "users.npz: array 'person' is not known; known: user, x, y"),
        ((*BASIC[:6], "--samples", "6,90"), "user 'ann' has 90 rows"),
        ((*BASIC[:6], "--samples", "30,6"), "must ascend"),
        ((*BASIC[:6], "--samples", "many"), "--samples many cannot be read"),
        ((*BASIC, "--order", "backwards"), "order 'backwards' is not known"),
        ((*BASIC[:6], "--draws", "0"), "--draws 0 is not allowed"),
        ((*BASIC, "--old", "none.npz"), "none.npz is not a file"),
        ((*BASIC, "--out", "results.txt"), "must end in .json"),
        ((*BASIC, "--cut", "hiden"), "hidden"),
        (("--start", "{user}.tflite", *BASIC[2:]), "there is no file {user}.tflite"),
        ((*BASIC, "--margin", "8"), "has no effect"),
        ((*BASIC, "--learn", "last", "--hidden-rate", "-3"), "--hidden-rate has no effect, as no hidden layer learns"),
        ((*BASIC, "--learn", "last", "--rule", "dfa"), "--rule has no effect"),
        ((*BASIC, "--classes", "0,7"), "class '7' is not known"),
    ],
)
def test_mistakes_are_one_line(folder, arguments, message):
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_rates_of_a_user_do_not_depend_on_its_rows(folder):
    old = read_user_rows(folder / "old.npz", None)
    rows = by_user(read_user_rows(folder / "users.npz", "user"))
    start = start_from(folder / "net.onnx", x=old.x, classes=("0", "1", "2"), rule="dfa")
    users = [make_user(name, start, mine, None) for name, mine in rows.items()]

    def design(one, rates):
        return one.design(hidden_rate=rates[0], output_rate=rates[1])

    found = tuned(users, design, 6, seed=0)
    shuffled = replace(users[0], y=np.random.default_rng(0).permutation(users[0].y))
    changed = tuned([shuffled, users[1]], design, 6, seed=0)
    assert changed["ann"] == found["ann"]
    assert changed["bob"] != found["bob"]  # which ann's rows choose
    with pytest.raises(UserError, match="there is one; give --output-rate"):
        tuned(users[:1], design, 6, seed=0)


def test_one_user_without_rates_and_float_rates_at_an_edge_are_noted(folder):
    with np.load(folder / "users.npz") as whole:
        np.savez(folder / "ann.npz", **{name: array[whole["user"] == "ann"] for name, array in whole.items()})
    alone = [one.replace("users.npz", "ann.npz") for one in BASIC]
    found = content_of(folder, *alone, "--float-rates=-20,-2")
    own, edge = found["notes"][-2:]
    (rates,) = {tuple(user["rates"]) for user in found["users"].values()}
    assert own.startswith("one user has no others to choose rates on")
    assert own.endswith(f"e.g. {rates[-1] + 3}")
    assert edge.endswith("--float-rates=-20,-2,0 goes on")
    notes = content_of(folder, *alone, "--output-rate", "-4", "--float-rates", "none")["notes"]
    assert not any("one user" in note or "float SGD" in note for note in notes)


def test_other_classes_are_left_out(folder):
    found = content_of(folder, *BASIC, "--classes", "0,2", "--output-rate", "-3", "--float-rates", "none")
    assert [user["rows"] for user in found["users"].values()] == [60, 60]


def test_too_few_rows_name_the_user():
    with pytest.raises(UserError, match="user 'b' has 5 rows"):
        check(Protocol((5,)), {"a": 9, "b": 5})


def test_infinite_features_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=[[1.0, 2.0], [np.inf, 0.0]], y=[0, 1])
    with pytest.raises(UserError, match="x row 2 has an infinite value"):
        read_user_rows(tmp_path / "x.npz", None)


@pytest.mark.parametrize("name", ["cortex-m4", "engine-28nm", "odin-like"])
def test_a_front_end_costs_what_its_macs_cost(name):
    one, ten = (front_end_cost(macs, 5, find_processor(name)) for macs in (1_000, 10_000))
    assert ten.latency_s == pytest.approx(10 * one.latency_s)
    assert ten.cycles > 9 * one.cycles > 0
    assert (one.energy_pj is None) == (ten.energy_pj is None)


def test_rows_of_a_quantised_tensor_keep_its_scale(tmp_path):
    path = tmp_path / "q.npz"
    np.savez(path, x_train=np.eye(2), y_train=["a", "b"])  # a part, saved by itself
    rows = read_user_rows(path, None)
    assert (rows.x.tolist(), rows.labels) == (np.eye(2).tolist(), ("a", "b"))
    np.savez(path, x=np.ones((2, 3), np.int8), y=["a", "b"], user=[1, 2], x_scale=0.5, x_zero_point=-128)
    found = read_user_rows(path, "user")
    assert (found.described.quantised, found.labels, found.users.tolist()) == ((0.5, -128), ("a", "b"), ["1", "2"])
    assert found.x.dtype == np.int8


def test_one_layer_behind_converted_ones(tmp_path):
    """The data are inputs of the model; float SGD starts from the model in floating point."""
    from tests.unit.runs.test_converted import write_cnn

    write_cnn(tmp_path / "cnn.onnx")
    digits = open_dataset("digits")
    x, y = digits.train_x[:180] / 16, digits.train_y[:180]
    np.savez(tmp_path / "u.npz", x=x.astype(np.float32), y=y, user=np.arange(180) % 2)
    command = ("personalise", "--start", "cnn.onnx", "--data", "u.npz", "--users", "user", "--samples", "10,20")
    more = ("--draws", "1", "--output-rate", "-5", "--float-rates=-5", "--json")
    done = edgelearn(*command, *more, "--convert", "--calibrate", "60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["network"]["sizes"] == [96, 10]
    assert min(part["mean"] for part in content["before_percent"].values()) > 80
    assert "with scales from 60 samples" in " ".join(content["notes"])
    refused = edgelearn(*command, *more, "--calibrate", "60", cwd=tmp_path)
    assert (refused.returncode, "--calibrate has no effect without --convert" in refused.stderr) == (2, True)
