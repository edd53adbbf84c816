"""Levels and words of imported networks."""

from dataclasses import replace

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.pretrained import FrontEnd, Imported, Layer, Tensor
from edgelearn.runs.classes import match_classes
from edgelearn.runs.levels import levels_for
from edgelearn.runs.start import start_from

INT8 = Tensor("features", (1, 6), "int8", 0.05, -128)
FLOAT = Tensor("features", (1, 6), "float32")


def imported(activations=("relu", "linear"), tensor=FLOAT, sizes=(6, 5, 3), seed=0, scale=1.0) -> Imported:
    """Return a network with random weights behind a front end of 100 MACs."""
    rng = np.random.default_rng(seed)
    layers = tuple(
        Layer(
            f"dense{k}",
            rng.normal(0, scale / np.sqrt(sizes[k]), (sizes[k + 1], sizes[k])),
            rng.normal(0, 0.1, sizes[k + 1]),
            activation,
            tensor if k == 0 else Tensor(f"t{k}", (1, sizes[k]), "float32"),
            Tensor(f"t{k + 1}", (1, sizes[k + 1]), "float32"),
        )
        for k, activation in enumerate(activations)
    )
    return Imported("model.onnx", "abc", "onnx", tensor, layers, FrontEnd(100, 50, 20))


@pytest.mark.parametrize(
    ("dtype", "zero_point", "signed"),
    [("int8", -128, False), ("int8", 0, True), ("int8", -3, True), ("uint8", 0, False), ("uint8", 128, True)],
)
def test_integer_tensors_enter_without_rounding(dtype, zero_point, signed):
    q = np.arange(256, dtype=np.uint8).view(dtype).reshape(1, 256)
    levels, notes = levels_for(Tensor("t", (1, 256), dtype, 0.1, zero_point), 256, q)
    exact = q.astype(int) - zero_point
    low, high = (-127, 127) if signed else (0, 255)
    assert levels.encode(q).tolist() == np.clip(exact, low, high).tolist()
    np.testing.assert_array_equal(levels.encode(q.astype(np.float32)), levels.encode(q))
    assert levels.share_cut(q) == np.mean((exact < low) | (exact > high))
    np.testing.assert_allclose(levels.real(q), 0.1 * exact)
    assert not notes


def test_real_values_of_an_integer_tensor_are_rounded_with_a_note():
    levels, notes = levels_for(INT8, 6, np.array([[0.5, 0.07, 0, 1, 2, 3]]))
    assert levels.encode(np.array([[0.5, 0.07, 0, 1, 2, 30]])).tolist() == [[10, 1, 0, 20, 40, 255]]
    assert "rounded to the levels of 'features'" in notes[0]


def test_fractions_among_integers_are_refused():
    levels, _ = levels_for(INT8, 6)
    with pytest.raises(UserError, match=r"features such as 0.5 are not whole numbers"):
        levels.encode(np.array([[0.5, 1, 2, 3, 4, 5]]))


def test_float_tensors_are_calibrated_by_a_quantile():
    x = np.concatenate([np.zeros(500), np.linspace(0.001, 1, 9990), np.full(10, 50.0)])[:, None]
    levels, _ = levels_for(FLOAT, 1, x)
    assert not levels.signed
    assert levels.unit[0] == pytest.approx(np.quantile(x[x > 0], 1 - 1 / 1024))
    assert levels.share_cut(x) == pytest.approx(0.001, abs=2e-4)
    kept = x[:10_489]
    np.testing.assert_allclose(levels.values(levels.encode(kept)), kept, atol=levels.scale[0] / 2)
    assert levels_for(FLOAT, 1, -x)[0].signed


@pytest.mark.parametrize("bits", [3, 8])
def test_calibrated_levels_have_the_least_mean_absolute_error(bits):
    """Among other scales on a grid of steps of 2 %."""
    x = np.random.default_rng(0).exponential(1, (20_000, 1))
    levels, _ = levels_for(FLOAT, 1, x, bits)

    def error(scale):
        return np.abs(replace(levels, scale=scale).values(replace(levels, scale=scale).encode(x)) - x).mean()

    found = [error(levels.scale * 1.02**k) for k in range(-20, 21)]
    assert found[20] < 1.01 * min(found)
    assert found[20] < min(found[0], found[-1])


def test_missing_values_are_no_events():
    x = np.array([[1.0, np.nan], [np.nan, -2.0]])
    for tensor in (FLOAT, Tensor("t", None, "int8", 1.0, -3)):
        levels = levels_for(tensor, 2, x)[0].encode(x)
        assert levels[0, 1] == levels[1, 0] == 0


def test_inputs_of_a_model_have_scales_and_offsets_of_their_own():
    """Without anything in front of the cut, inputs may be of any unit; the words take offset and scale up."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (500, 6)) * [1, 100, 1, 1, 1e4, 1] + [0, 0, 50, 0, 0, 1013]
    given = imported(tensor=FLOAT)
    weights = given.layers[0].weights / x.std(axis=0)
    given = replace(given, front_end=FrontEnd(), layers=(replace(given.layers[0], weights=weights), given.layers[1]))
    start = start_from(given, x=x, rule="bp")
    learner = start.learner(start.design())
    same = learner.predict(start.front_end.encode(x)) == start.head.predict(x)
    assert same.mean() > 0.97
    assert start.front_end.levels.offset.round().tolist()[3] == 0
    assert abs(start.front_end.levels.offset[2] - 50) < 1


@pytest.mark.parametrize("activations", [("relu", "linear"), ("tanh", "softmax"), ("sigmoid", "linear"), ("linear",)])
@pytest.mark.parametrize("tensor", [FLOAT, INT8])
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_words_predict_what_the_model_predicts(activations, tensor, scale):
    sizes = (6, 5, 3) if len(activations) > 1 else (6, 3)
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 127, (400, 6)) if tensor is INT8 else rng.normal(0, 1, (400, 6)) / scale
    start = start_from(imported(activations, tensor, sizes, scale=scale), x=x, rule="dfa")
    levels = start.front_end.levels
    spec = start.design()
    assert (spec.signed_inputs, spec.input_bits) == (tensor is FLOAT, 8)
    predicted = start.learner(spec).predict(levels.encode(x))
    assert np.mean(predicted == start.head.predict(levels.real(x))) >= 0.97


def test_rates_in_the_units_of_the_model():
    """One learned sample moves the float weights as float SGD at the rate of `rate_units` does."""
    x = np.abs(np.random.default_rng(2).normal(0, 4, (300, 6)))
    start = start_from(imported(("linear",), FLOAT, (6, 3)), x=x, rule="shallow")
    spec = start.design(output_rate=-4)
    learner, levels = start.learner(spec), start.front_end.levels
    encoded = levels.encode(x)
    word = spec.layers[0].word
    before = learner.words()["layer1_weights"].astype(float)
    value = levels.values(encoded[:1])[0]
    label = int(start.head.scores(value[None])[0].argmin())
    learner.learn(encoded[:1], np.array([label]))
    moved = (learner.words()["layer1_weights"] - before) * word.lsb / levels.unit  # in the units of the model
    z = np.clip(start.head.scores(value[None])[0], -8, 8)
    p = np.exp(z) / np.exp(z).sum()
    expected = -(2.0**-4) * start.rate_units[0] * np.outer(p - np.eye(3)[label], value)
    np.testing.assert_allclose(moved, expected, atol=0.12 * np.abs(expected).max())


def test_wide_data_do_not_fit():
    with pytest.raises(UserError, match=r"the data have 7 features, and 'features' of model.onnx has 6"):
        start_from(imported(), x=np.zeros((3, 7)))


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (("gelu", "linear"), "layer 1 of model.onnx .* has activation 'gelu', which words cannot have.*cut at 't1'"),
        (("leaky", "linear"), "leaky with slope 0 "),
        (("relu", "tanh", "linear"), "'tanh' behind 'relu'"),
        (("relu", "relu"), "activation 'relu', which words cannot have: outputs have softmax, sigmoid or none"),
    ],
)
def test_activations_that_words_cannot_have(activations, message):
    sizes = (*(6, 5, 4, 3)[: len(activations)], 3)
    with pytest.raises(UserError, match=message):
        start_from(imported(activations, FLOAT, sizes), x=np.ones((3, 6)))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Tensor("t", (1, 6), "int16", 1.0, 0), "is int16, and levels are int8 or uint8"),
        (Tensor("t", (1, 6), "int8", None, None), "is int8 without a scale"),
        (FLOAT, "need features to calibrate"),
    ],
)
def test_tensors_that_levels_cannot_have(tensor, message):
    with pytest.raises(UserError, match=message):
        start_from(imported(tensor=tensor))


def test_new_classes_start_from_the_mean_of_the_old():
    x = np.random.default_rng(0).normal(0, 1, (50, 6))
    old = start_from(imported(), x=x, feedback="int8")
    start = start_from(imported(), x=x, classes=["1", "3", "4"], grow=True, rule="dfa")
    assert start.sizes == (6, 5, 5)
    assert start.classes.names == ("0", "1", "2", "3", "4")
    assert start.classes.outputs.tolist() == [1, 3, 4]
    words = start.words["layer2_weights"]
    np.testing.assert_array_equal(words[:3], old.words["layer2_weights"])
    np.testing.assert_array_equal(words[3], np.rint(words[:3].mean(axis=0)))
    assert start.words["layer1_feedback"].shape == (5, 5)
    assert "new outputs for 3, 4" in start.notes[-1]
    start.learner(start.design(hidden_rate=-6)).learn(start.front_end.encode(x[:2]), np.array([4, 3]))
    with pytest.raises(UserError, match=r"words of model.onnx were made for rule dfa, not drtp"):
        start.design(rule="drtp")
    with pytest.raises(UserError, match="class '3' of the data is not one of the 3"):
        start_from(imported(), x=x, classes=["1", "3"])


@pytest.mark.parametrize(
    ("known", "names", "grow", "expected", "outputs"),
    [
        (None, ("0", "1", "2"), False, ("0", "1", "2"), [0, 1, 2]),
        (None, ("2", "0"), False, ("0", "1", "2"), [2, 0]),
        (None, ("1", "3"), True, ("0", "1", "2", "3"), [1, 3]),
        (None, ("x", "y", "z"), False, ("x", "y", "z"), [0, 1, 2]),
        (None, ("x", "y", "z", "w"), True, ("x", "y", "z", "w"), [0, 1, 2, 3]),
        (("a", "b", "c"), ("c", "a"), False, ("a", "b", "c"), [2, 0]),
        (("a", "b", "c"), ("d", "a"), True, ("a", "b", "c", "d"), [3, 0]),
    ],
)
def test_classes_are_matched(known, names, grow, expected, outputs):
    found = match_classes(known, 3, names, grow, "model.onnx")
    assert (found.names, found.outputs.tolist()) == (expected, outputs)


def test_names_are_listed_beside_their_outputs():
    found = match_classes(None, 3, ("eight", "five", "four"), False, "model.onnx")
    for part in ('"eight" -> output 0, "five" -> output 1, "four" -> output 2', "in alphabetical order"):
        assert part in found.note
    assert "in the order of the data" in match_classes(None, 2, ("z", "a"), False, "model.onnx").note
    assert not match_classes(("a", "b"), 2, ("a", "b"), False, "model.onnx").note


@pytest.mark.parametrize(
    ("names", "grow", "message"),
    [
        (
            ("1", "2", "3"),
            False,
            r"class '3' of the data is not one .* 0 to 2 .* \(y - 1, say\), or give --classes-from",
        ),
        (("0", "7"), False, r"class '7' of the data is not one .* with these, or give --classes-from data"),
        (("-1", "1"), False, r"class '-1' of the data is not one .* \(y \+ 1, say\)$"),
        (("-1", "1"), True, r"class '-1' of the data is not one"),
    ],
)
def test_numbers_that_are_no_outputs_are_refused(names, grow, message):
    with pytest.raises(UserError, match=message):
        match_classes(None, 3, names, grow, "model.onnx")


def test_names_without_a_match_are_refused():
    with pytest.raises(UserError, match=r"2 classes of the data do not fit 3 outputs of model.onnx"):
        match_classes(None, 3, ("x", "y"), False, "model.onnx")
