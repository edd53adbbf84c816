import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.imported import imported_feedback, range_exponent
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.storage import footprint
from edgelearn.rules import find_rule


@pytest.mark.parametrize(
    ("largest", "exponent"), [(1.0, 0), (1.01, 1), (0.5, -1), (0.51, 0), (256.0, 8), (1e-9, -8), (0.0, -8)]
)
def test_range_exponents(largest, exponent):
    assert range_exponent(np.array([[largest / 2, -largest]]), np.zeros(1)) == exponent
    assert range_exponent(np.zeros((1, 1)), np.array([largest])) == exponent


def test_one_step_less_where_it_rounds_better():
    """0.501 is cut to 127/256 = 0.496, and the others are rounded to 1/256 instead of 1/128."""
    weights = np.array([[0.501, 0.254, -0.098, 0.113, 0.066]])
    assert range_exponent(weights, np.zeros(1)) == -1
    assert range_exponent(weights * 1.2, np.zeros(1)) == 0
    assert range_exponent(np.array([[0.0, 0.0]]), np.array([0.501])) == 0
    assert range_exponent(weights, np.zeros(1), bits=11) == 0  # rounding is finer than the cut already


def test_weights_beyond_every_range_are_refused():
    with pytest.raises(UserError, match=r"weights of layer 2 reach 257 .* words hold up to 256"):
        range_exponent(np.array([[257.0]]), np.zeros(1), 2)


def test_feedback_follows_the_path_to_the_outputs():
    """Two layers: B = W_2; three layers: B_1 = W_3 W_2 and B_2 = W_3; the target has the opposite sign."""
    rng = np.random.default_rng(1)
    layers = [(rng.normal(0, 0.4, (n, m)), np.zeros(n)) for m, n in ((6, 5), (5, 4), (4, 3))]
    exponents = [range_exponent(*layer) for layer in layers]
    views = [WeightFormat(8, 0, e).from_float(w).astype(int) for e, (w, _) in zip(exponents, layers, strict=True)]
    direct = [layers[2][0] @ layers[1][0], layers[2][0]]
    for rule, expected in {"dfa": direct, "local": direct, "drtp": direct, "fa": [layers[1][0], layers[2][0]]}.items():
        sign = -1 if rule == "drtp" else 1
        for (matrix, f), wanted in zip(
            imported_feedback([find_rule(rule)] * 2, views, exponents, 8), expected, strict=True
        ):
            worth = 2.0**f / 127
            assert np.corrcoef(matrix.ravel(), sign * wanted.ravel())[0, 1] > 0.99
            if rule != "drtp":  # scaled to 1.0 where it is larger
                assert np.abs(matrix * worth - wanted).max() < 0.05 * np.abs(wanted).max() + worth
    assert imported_feedback([find_rule("bp")] * 2, views, exponents, 8) == [(None, 0)] * 2


def test_feedback_is_stored_as_bytes_and_nothing_is_drawn_for_it():
    drawn = design((6, 5, 3), "dfa")
    spec = design((6, 5, 3), "dfa", feedback_format="imported", feedback_exponents=[1])
    assert footprint(spec) == footprint(drawn)
    assert spec.layers[0].signal_shift == drawn.layers[0].signal_shift - 1
    learner = Learner(spec)
    assert not learner.state.feedback(0).any()
    matrix = np.arange(15).reshape(3, 5).astype(np.int16)
    learner.put_words({"layer1_feedback": matrix})
    np.testing.assert_array_equal(learner.words()["layer1_feedback"], matrix)
    np.testing.assert_array_equal(learner.words()["layer1_weights"], Learner(drawn).words()["layer1_weights"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "dfa"}, "taken from the words that learning starts from; give --start"),
        ({"rule": "mdfa", "feedback_exponents": [0]}, "keeps feedback at zero or above"),
        ({"rule": "dfa", "feedback_exponents": [0, 1]}, "one for each of 1 hidden layers"),
        ({"rule": "dfa", "feedback_exponents": [16]}, "feedback_exponent 16 cannot be built"),
        ({"rule": "dfa", "feedback_exponents": [0], "range_exponents": [0]}, "give one for each of 2 layers"),
        ({"rule": "dfa", "feedback_exponents": [0], "range_exponents": [0, 9]}, "range_exponent 9 cannot be built"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(UserError, match=message):
        design((6, 5, 3), feedback_format="imported", **settings)
