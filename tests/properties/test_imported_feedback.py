"""Networks that start from given words, with feedback taken from them: kernels against the oracle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgelearn.errors import UserError
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.activations import ACTIVATIONS
from edgelearn.network.imported import imported_feedback, range_exponent
from edgelearn.network.spec import design
from edgelearn.rules import RULES, find_rule
from tests.naive import words as naive
from tests.naive.oracle import RULES as PAPER
from tests.oracle_pairs import assert_blocks, assert_twins

FREE = sorted(name for name, rule in RULES.items() if not rule.non_negative)
FIXED = [name for name in FREE if RULES[name].stores_feedback]


@st.composite
def starts(draw, rules=FREE):
    """Return sizes, rule, widths, and per layer raw words and range exponent."""
    sizes = [draw(st.integers(1, 8)) for _ in range(draw(st.integers(2, 4)))] + [draw(st.integers(1, 5))]
    bits = draw(st.sampled_from([2, 4, 8, 11]))
    exponents = [draw(st.integers(-8, 8)) for _ in sizes[1:]]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["any", "small", "none"]))
    words = {}
    for k, (n_in, n_out) in enumerate(pairwise(sizes), 1):
        word = WeightFormat(bits, 4, exponents[k - 1])
        low, high = {"any": (word.min_raw, word.max_raw), "small": (-40, 40), "none": (0, 0)}[kind]
        low, high = max(low, word.min_raw), min(high, word.max_raw)
        words[f"layer{k}_weights"] = rng.integers(low, high + 1, (n_out, n_in)).astype(np.int16)
        words[f"layer{k}_biases"] = rng.integers(word.min_raw, word.max_raw + 1, n_out).astype(np.int16)
    return sizes, draw(st.sampled_from(rules)), bits, exponents, words


def views_of(sizes, words):
    return [words[f"layer{k}_weights"] >> 4 for k in range(1, len(sizes))]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6), st.sampled_from([2, 4, 8, 11]),
    st.floats(-9, 7), st.floats(0, 6),
)  # fmt: skip
def test_range_exponents_are_those_of_the_contract(seed, n_in, n_out, bits, scale, tail):
    """Weights of a narrow to a heavy-tailed distribution, so that both exponents occur."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, (n_out, n_in + 1))
    values = np.sign(values) * np.abs(values) ** (1 + tail) * 2.0**scale
    weights, biases = values[:, 1:], values[:, 0]
    found = range_exponent(weights, biases, 1, bits)
    assert found == naive.imported_exponent(weights.tolist(), biases.tolist(), bits)


@given(start=starts(FIXED))
def test_feedback_is_that_of_the_contract(start):
    sizes, rule, bits, exponents, words = start
    views = views_of(sizes, words)
    hidden = len(sizes) - 2
    try:
        found = imported_feedback([find_rule(rule)] * hidden, views, exponents, bits)
    except UserError as error:
        assert "their product reaches" in str(error)
        return
    plain = [view.tolist() for view in views]
    for k in range(1, hidden + 1):
        signal, layerwise = PAPER[rule].signal, PAPER[rule].feedback == "layerwise"
        expected, f = naive.imported_feedback(plain, exponents, bits, k, signal, layerwise)
        assert (found[k - 1][0].tolist(), found[k - 1][1]) == (expected, f)
        assert np.abs(found[k - 1][0]).max() <= 127


@pytest.mark.kernel
@given(start=starts(), data=st.data())
def test_kernels_equal_the_oracle(start, data):
    sizes, rule, bits, exponents, words = start
    hidden, stored = len(sizes) - 2, {}
    try:
        taken = imported_feedback([find_rule(rule)] * hidden, views_of(sizes, words), exponents, bits)
        spec = design(
            sizes,
            rule,
            bits,
            residual_bits=4,
            activation=data.draw(st.sampled_from(sorted(ACTIVATIONS))),
            output="sigmoid" if sizes[-1] == 1 else data.draw(st.sampled_from(["sigmoid", "softmax"])),
            hidden_rate=data.draw(st.integers(-9, 0)),
            output_rate=data.draw(st.integers(-9, 0)),
            delta_bits=data.draw(st.sampled_from([16, 16, 8])),
            feedback_format="imported",
            range_exponents=exponents,
            feedback_exponents=[f for _, f in taken],
        )
    except UserError:
        assume(False)
    for k, (matrix, _) in enumerate(taken, 1):
        if matrix is not None:
            stored[f"layer{k}_feedback"] = matrix
    n = data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    levels = (rng.integers(0, 16, (n, sizes[0])) * (rng.random((n, sizes[0])) < 0.6)).astype(np.uint8)
    labels = rng.integers(0, spec.n_classes, n)
    check = data.draw(st.sampled_from([assert_twins, assert_blocks]))
    check(spec, levels, labels, prepare=lambda learner: learner.put_words(words | stored))
