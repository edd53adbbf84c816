"""Angles and alignment: by hand, by their laws, and on steps of the float oracle."""

from __future__ import annotations

import doctest
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgelearn.errors import UserError
from experiments.float_nets import measures
from experiments.float_nets.measures import angle, cosine
from tests.naive.float_rules import gradients

NUMBERS = st.floats(-1e3, 1e3).map(lambda v: 0.0 if abs(v) < 1e-3 else v)
FACTORS = st.floats(1e-6, 1e6)
ANY = st.floats(allow_nan=True, allow_infinity=True)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@st.composite
def pairs(draw, elements=NUMBERS, **shape):
    size = draw(array_shapes(**({"max_dims": 3, "max_side": 5} | shape)))
    return draw(arrays(np.float64, size, elements=elements)), draw(arrays(np.float64, size, elements=elements))


# Angles by their laws


@given(pairs(), FACTORS, FACTORS)
def test_lengths_do_not_matter(both, s, t):
    a, b = both
    assert np.allclose(angle(s * a, t * b), angle(a, b), rtol=0, atol=1e-9, equal_nan=True)
    assert np.allclose(cosine(s * a, t * b), cosine(a, b), rtol=0, atol=1e-12, equal_nan=True)


@given(pairs())
def test_order_does_not_matter_and_opposites_complete_180_degrees(both):
    a, b = both
    assert np.array_equal(angle(a, b), angle(b, a), equal_nan=True)
    assert np.array_equal(cosine(a, b), cosine(b, a), equal_nan=True)
    assert np.allclose(angle(a, b) + angle(-a, b), 180, rtol=0, atol=1e-9) or np.isnan(angle(a, b)).any()
    assert np.array_equal(cosine(-a, b), -cosine(a, b), equal_nan=True)


@given(pairs(ANY))
def test_bounds_and_what_has_no_direction(both):
    """For all floats: nan where a vector is zero or not finite, else within bounds."""
    a, b = both
    degrees, cosines = angle(a, b), cosine(a, b)
    assert degrees.shape == cosines.shape == a.shape[:-1]
    lost = ~np.isfinite(a).all(-1) | ~np.isfinite(b).all(-1) | ~a.any(-1) | ~b.any(-1)
    assert np.array_equal(np.isnan(degrees), lost)
    assert np.array_equal(np.isnan(cosines), lost)
    assert ((degrees[~lost] >= 0) & (degrees[~lost] <= 180 + 1e-12)).all()
    assert (np.abs(cosines[~lost]) <= 1).all()


@given(pairs())
def test_angle_and_cosine_agree(both):
    a, b = both
    assert np.allclose(np.cos(np.radians(angle(a, b))), cosine(a, b), rtol=0, atol=1e-12, equal_nan=True)


@given(arrays(np.float64, array_shapes(max_dims=2), elements=NUMBERS))
def test_a_vector_is_at_no_angle_to_itself(a):
    assume(a.any(axis=-1).all())
    assert angle(a, a).max() == 0
    assert np.allclose(angle(a, -a), 180, rtol=0, atol=1e-12)


@pytest.mark.parametrize("degrees", [0.0, 1e-9, 1e-6, 30.0, 90.0, 179.999999])
def test_small_angles_keep_their_digits(degrees):
    radians = math.radians(degrees)
    assert float(angle([1.0, 0.0], [math.cos(radians), math.sin(radians)])) == pytest.approx(degrees, rel=1e-8)


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1.0, 1e200, 1e308])
def test_the_smallest_and_largest_gradients_have_angles(size):
    assert float(angle([size, 0.0], [size, size])) == pytest.approx(45)


# The three angles


def test_angle_signal_is_the_mean_over_samples_with_a_direction():
    a = np.array([[1.0, 0], [1, 0], [0, 0], [2, 0]])
    b = np.array([[0.0, 3], [5, 5], [1, 1], [0, 0]])
    assert measures.angle_signal(a, b) == pytest.approx((90 + 45) / 2)
    assert math.isnan(measures.angle_signal(a[2:], b[2:]))
    assert math.isnan(measures.angle_signal(np.zeros((0, 2)), np.zeros((0, 2))))


def test_angle_signal_takes_a_map_as_one_vector():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 4, 5, 6))
    assert measures.angle_signal(a, b) == measures.angle_signal(a.reshape(3, -1), b.reshape(3, -1))


def test_angle_weight_is_zero_where_the_feedback_is_the_transpose():
    W = np.random.default_rng(2).normal(size=(3, 5))
    assert measures.angle_weight(W, 2 * W.T) == pytest.approx(0, abs=1e-12)
    assert measures.angle_weight(W, -W.T) == pytest.approx(180)
    assert measures.angle_weight([[1.0, 2.0]], [[-2.0], [1.0]]) == pytest.approx(90)
    assert math.isnan(measures.angle_weight(0 * W, W.T))


def test_repeats_are_measured_apart():
    rng = np.random.default_rng(1)
    W, B = rng.normal(size=(2, 4, 3, 6)), rng.normal(size=(2, 4, 6, 3))
    for i in np.ndindex(2, 4):
        assert measures.angle_weight(W, B)[i] == pytest.approx(measures.angle_weight(W[i], B[i]), rel=1e-12)
        assert measures.trace_alignment(W, B)[i] == pytest.approx(measures.trace_alignment(W[i], B[i]), rel=1e-12)


def test_angles_of_rules():
    """fa with the transpose is at 0 degrees in signals and gradients; with its opposite at 180 in hidden layers."""
    rng = np.random.default_rng(3)
    W, b = [rng.normal(size=(6, 5)), rng.normal(size=(3, 6))], [np.zeros(6), np.zeros(3)]
    x, y = rng.normal(size=(8, 5)), np.eye(3)[rng.integers(0, 3, 8)]
    bp = gradients("bp", W, b, [], x, y, "tanh", "softmax", "ce")
    for B, expected in ((W[1].T, 0), (-W[1].T, 180)):
        fa = gradients("fa", W, b, [B], x, y, "tanh", "softmax", "ce")
        assert measures.angle_signal(fa.dz[0], bp.dz[0]) == pytest.approx(expected, abs=1e-10)
        assert angle(fa.dW[0].ravel(), bp.dW[0].ravel()) == pytest.approx(expected, abs=1e-10)
        assert measures.angle_weight(W[1], B) == pytest.approx(expected, abs=1e-10)
    drtp = [
        gradients("drtp", W, b, [B], x, y, "tanh", "softmax", "ce", s).dz[0]
        for B in [W[1]]
        for s in ("mean", "official")
    ]
    assert measures.angle_signal(drtp[0], bp.dz[0]) == pytest.approx(measures.angle_signal(drtp[1], bp.dz[0]))


# Alignment


@given(pairs(min_dims=2, max_dims=2))
def test_the_trace_has_the_sign_of_the_cosine(both):
    a, b = both
    trace, W = measures.trace_alignment(a, b.T), a
    assert trace == pytest.approx(np.trace(b.T @ W), rel=1e-9, abs=1e-9 * (1 + np.abs(a).max() * np.abs(b).max()))
    if a.any() and b.any():
        assert trace == pytest.approx(
            np.linalg.norm(a) * np.linalg.norm(b) * math.cos(math.radians(measures.angle_weight(a, b.T))),
            rel=1e-6,
            abs=1e-6,
        )


def test_means_leave_nan_out():
    assert measures.mean_defined([[1.0, math.nan], [3.0, math.nan]]) == 2
    assert math.isnan(measures.mean_defined([math.nan]))
    assert math.isnan(measures.mean_defined([]))


# What it refuses


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: angle([1.0, 2.0], [1.0]), "equal shapes"),
        (lambda: cosine(1.0, 2.0), "vectors"),
        (lambda: angle(np.zeros((2, 0)), np.zeros((2, 0))), "vectors"),
        (lambda: measures.angle_signal([1.0], [2.0]), "one row per sample"),
        (lambda: measures.angle_weight(np.ones((2, 3)), np.ones((2, 3))), "Transpose B"),
        (lambda: measures.trace_alignment([1.0], [1.0]), "shape of W"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_torch_is_not_imported():
    code = "import sys, experiments.float_nets.measures; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_examples_of_the_docstrings():
    assert doctest.testmod(measures).failed == 0
