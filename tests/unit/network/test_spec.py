"""Specifications: formats, shifts written out by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.spec import default_residual_bits, design, parse_net
from edgelearn.network.state import lfsr_row, quantize
from tests.naive.oracle import lfsr_feedback

pytestmark = pytest.mark.kernel


def test_shifts_of_the_contract_by_hand():
    spec = design((784, 500, 10), "drtp", 8, input_bits=1)
    hidden, output = spec.layers
    assert (hidden.sum_shift, hidden.step_shift) == (2, -1)  # 0+7-0-5; 0+7+7+0-7-8
    assert (output.sum_shift, output.step_shift) == (10, 8)  # 7+7-0-4; 7+8+8+0-7-8
    dfa = design((784, 500, 10), "dfa", 8, input_bits=4)
    assert (dfa.layers[0].sum_shift, dfa.layers[0].signal_shift, dfa.layers[0].step_shift) == (6, 3, 8)
    bp = design((784, 500, 500, 10), "bp", 8)
    assert [layer.signal_shift for layer in bp.layers] == [7, 3, 0]  # 12+7-0-12; 8+7-0-12
    fa = design((784, 500, 500, 10), "fa", 8)
    assert [layer.feedback_exponent for layer in fa.layers] == [-3, 0, 0]  # log2 sqrt(6/500) = -3.2


def test_view_of_an_initial_word_is_the_nearest_to_half_a_stored_step():
    word = WeightFormat(8, 8)
    values = np.random.default_rng(0).uniform(-1.2, 1.2, 4001)
    distance = np.abs(word.view(word.from_float(values)) - np.clip(values * 128, -128, 127))
    assert distance.max() <= 0.5 + 0.5 / 256
    assert str(word) == "8-bit view + 8-bit residual = 16 bits stored"


@pytest.mark.parametrize(
    ("bits", "rounding", "expected"),
    [(8, "residual", 8), (12, "residual", 4), (16, "residual", 0), (8, "stochastic", 0), (8, "nearest", 0)],
)
def test_residual_bits_follow_the_rounding(bits, rounding, expected):
    assert default_residual_bits(bits, rounding) == expected


def test_wide_backward_signals_narrow_d_until_sums_fit():
    assert design((10, 500, 500, 10), "bp", 8).layers[0].delta_bits == 16
    wide = design((10, 2000, 2000, 10), "bp", 8).layers[0].delta_bits
    assert wide == 14  # 2000 * (2^13 - 1) * 128 + 2^20 < 2^31 <= 2000 * (2^14 - 1) * 128 + 2^20
    assert design((10, 2000, 2000, 10), "dfa", 8).layers[0].delta_bits == 16


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"sizes": (2000, 10), "bits": 16, "input_bits": 8}, "accumulator of layer 1 could overflow"),
        ({"sizes": (4, 8, 300), "bits": 16, "rule": "bp"}, "accumulator of the error signal could overflow"),
        (
            {"sizes": (4, 500_001, 2)},
            "a layer of 500,001 is too wide; inputs and neurons of a layer are 500,000 at most",
        ),
        ({"sizes": (4, 2), "input_bits": 9}, "--input-bits takes 1 to 8"),
        ({"sizes": (4, 2), "accumulator_bits": 40}, "--accumulator-bits takes 8 to 32"),
        ({"sizes": (4, 2), "delta_bits": 1}, "--delta-bits takes 2 to 16"),
        ({"sizes": (4, 2), "delta_bits": 17}, "--delta-bits takes 2 to 16"),
        ({"sizes": (4, 2), "residual_bits": 9}, "--residual-bits takes 0 to 8"),
        ({"sizes": (4, 2), "output_rate": -30}, "exponents from -20 to 0"),
        (
            {
                "sizes": (4, 9, 2),
                "rule": "dfa",
                "bits": 16,
                "input_bits": 1,
                "rounding": "stochastic",
                "residual_bits": 0,
                "hidden_rate": 0,
                "range_exponent": -8,
            },
            "is too large for its word",
        ),
        ({"sizes": (4, 2), "output": "linear"}, "linear outputs are numbers, not classes"),
    ],
)
def test_refusals_say_what_to_change(arguments, text):
    with pytest.raises(UserError, match=text):
        design(**arguments)


def test_a_sum_just_below_the_limit_is_allowed():
    # (n * 127 + 127) * 2^15 + rounding < 2^31 for n = 514
    assert design((4, 514, 2), bits=16, input_bits=1)
    with pytest.raises(UserError, match="layer 2 could overflow"):
        design((4, 516, 2), bits=16, input_bits=1)


def test_parse_net():
    assert parse_net("256-500-500-10") == (256, 500, 500, 10)
    for text in ("10", "a-b", "3--2", ""):
        with pytest.raises(UserError, match="cannot be read"):
            parse_net(text)


@pytest.mark.parametrize("layer", [1, 2])
def test_shift_register_feedback_equals_the_oracle(layer):
    expected = lfsr_feedback(10, 50, layer, 7, False)
    assert [lfsr_row(row, 50, layer, 7).tolist() for row in range(10)] == expected
    words = np.array(expected)
    assert set(np.unique(words)) == {-127, 0, 127}


@pytest.mark.parametrize(
    ("feedback", "words"), [("ternary", {-127, 0, 127}), ("sign", {-64, 64}), ("lfsr", {-127, 0, 127})]
)
def test_feedback_formats(feedback, words):
    matrix = quantize(design((4, 400, 10), feedback_format=feedback)).feedback(0)
    assert set(np.unique(matrix)) == words
    counts = np.array([(matrix == word).mean() for word in sorted(words)])
    expected = [0.25, 0.5, 0.25] if len(words) == 3 else [0.5, 0.5]
    np.testing.assert_allclose(counts, expected, atol=0.03)


def test_non_negative_rules_start_non_negative():
    state = quantize(design((4, 30, 20, 3), "mdfa"))
    assert state.weights(0).min() < 0
    for k in (1, 2):
        assert state.weights(k).min() >= 0
    for k in (0, 1):
        assert state.feedback(k).min() >= 0


def test_same_seed_same_words_other_seed_other_words():
    a, b, c = (quantize(design((4, 8, 2), seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.arrays.weights, b.arrays.weights)
    assert not np.array_equal(a.arrays.weights, c.arrays.weights)


def test_words_that_do_not_fit_are_refused():
    state = quantize(design((4, 8, 2), "mdfa", bits=4))
    weights, biases = state.weights(1), state.biases(1)
    with pytest.raises(UserError, match="words of layer 2 do not fit"):
        state.set_words(1, weights - 5000, biases)
    with pytest.raises(UserError, match="words of layer 2 do not fit"):
        state.set_words(1, weights[:, :3], biases)
    state.set_words(1, weights, biases)


def test_readouts_whose_sums_could_overflow_are_refused():
    design((4, 133_142, 2), "local", 2)
    with pytest.raises(
        UserError, match=r"the readout of layer 1 could overflow: 133144 activations .* at most 133,142"
    ):
        design((4, 133_144, 2), "local", 2)


@pytest.mark.parametrize(("width", "exponent"), [(5, 2), (64, 0), (100, -1), (500, -2), (2000, -3)])
def test_the_range_of_a_readout_follows_from_the_width_of_its_layer(width, exponent):
    layer = design((4, width, 3), "local").layers[0]
    assert layer.feedback_exponent == exponent
    assert layer.readout_shift("sigmoid") == 7 + 7 - exponent - 4
    assert design((4, width, 3), "local", activation="relu").layers[0].readout_shift("softmax") == 5 + 7 - exponent - 4
    assert design((4, width, 3), "dfa").layers[0].feedback_exponent == 0
