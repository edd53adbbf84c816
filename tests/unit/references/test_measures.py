"""Angles, alignment, conserved quantities and distributions: by hand, by their laws, and on steps of the float oracle."""

from __future__ import annotations

import doctest
import math
import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgelearn.errors import UserError
from edgelearn.references import measures
from edgelearn.references.measures import Smoothed, angle, cosine
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
def test_the_smallest_and_largest_gradients_have_angles_and_norms(size):
    assert float(angle([size, 0.0], [size, size])) == pytest.approx(45)
    assert measures.norm([0.75 * size, size]) == pytest.approx(1.25 * size, rel=1e-3 if size < 1e-300 else 1e-12)


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
    A, W, B = rng.normal(size=(2, 4, 6, 7)), rng.normal(size=(2, 4, 3, 6)), rng.normal(size=(2, 4, 6, 3))
    for i in np.ndindex(2, 4):
        assert measures.angle_weight(W, B)[i] == pytest.approx(measures.angle_weight(W[i], B[i]), rel=1e-12)
        assert measures.trace_alignment(W, B)[i] == pytest.approx(measures.trace_alignment(W[i], B[i]), rel=1e-12)
        C = measures.linear_invariant(A[i], W[i], B[i])
        assert np.allclose(measures.linear_invariant(A, W, B)[i], C, rtol=0, atol=1e-12)


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
            measures.norm(a) * measures.norm(b) * math.cos(math.radians(measures.angle_weight(a, b.T))),
            rel=1e-6,
            abs=1e-6,
        )


def test_signs():
    assert measures.sign_agreement([1, -2, 3, 0, 0, 5], [4, -5, -6, 7, 0, -0.0]) == (2 / 3, 0.5)
    equal, zeros = measures.sign_agreement([0.0, 0.0], [1.0, 2.0])
    assert math.isnan(equal)
    assert zeros == 1
    assert measures.sign_agreement([math.nan, 1], [1, 1]) == (1, 0)
    assert all(map(math.isnan, measures.sign_agreement([], [])))


@given(pairs(), FACTORS)
def test_signs_do_not_see_sizes_and_are_symmetric(both, factor):
    a, b = both
    equal, zeros = measures.sign_agreement(a, b)
    for other in (measures.sign_agreement(b, a), measures.sign_agreement(factor * a, b)):
        assert np.array_equal([equal, zeros], other, equal_nan=True)
    assert 0 <= zeros <= 1
    assert math.isnan(equal) == (zeros == 1)
    if zeros < 1:
        assert measures.sign_agreement(-a, b).equal == pytest.approx(1 - equal)


def test_norms():
    assert measures.norm([[3.0, 0.0], [0.0, -4.0]]) == 5
    assert measures.norm([]) == measures.norm([0.0]) == 0
    assert math.isnan(measures.norm([1.0, math.nan]))
    assert measures.norm([1.0, -math.inf]) == math.inf
    assert measures.gradient_norms([[[3.0, 4.0]], np.zeros((2, 3)), [-1.0]]).tolist() == [5, 0, 1]
    assert measures.gradient_norms([]).shape == (0,)


def test_means_leave_nan_out():
    assert measures.mean_defined([[1.0, math.nan], [3.0, math.nan]]) == 2
    assert math.isnan(measures.mean_defined([math.nan]))
    assert math.isnan(measures.mean_defined([]))


# Smoothed series


def test_smoothed_by_hand():
    smoothed = Smoothed()
    assert math.isnan(smoothed.add(math.nan))
    assert [smoothed.add(v) for v in (90, 70, math.nan, 89)] == pytest.approx([90, 89, 89, 89])
    assert smoothed == Smoothed(0.95, smoothed.value)


@given(st.lists(st.one_of(st.floats(0, 180), st.just(math.nan)), max_size=30), st.floats(0, 0.999))
def test_a_smoothed_series_is_a_weighted_mean(series, momentum):
    state = Smoothed(momentum)
    whole = [state.add(v) for v in series]
    defined = [v for v in series if not math.isnan(v)]
    if defined:
        assert np.nanmin(whole) >= min(defined) - 1e-9
        assert np.nanmax(whole) <= max(defined) + 1e-9
        weights = [(1 - momentum) * momentum ** (len(defined) - 1 - i) for i in range(len(defined))]
        weights[0] /= 1 - momentum
        assert whole[-1] == pytest.approx(np.dot(weights, defined), abs=1e-9)


def test_a_kept_state_continues():
    series = np.random.default_rng(4).uniform(0, 180, 20)
    whole, first = Smoothed(), Smoothed()
    expected = [whole.add(v) for v in series]
    for value in series[:9]:
        first.add(value)
    second = Smoothed(first.momentum, first.value)
    assert [second.add(v) for v in series[9:]] == expected[9:]


# Conserved quantities, on steps of feedback alignment


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("activation", ["linear", "relu", "leaky", "tanh"])
def test_a_step_adds_half_the_square_of_the_change(activation, biases):
    """Robertson and Koyejo, theorem 5.1, in its discrete form; tanh is the control, for which it is not true."""
    rng, eta = np.random.default_rng(6), 0.05
    sizes = [5, 7, 6, 3]
    W = [rng.normal(0, 0.3, (n, m)) for m, n in pairwise(sizes)]
    b = [rng.normal(size=n) * biases for n in sizes[1:]]
    B = [rng.normal(0, 0.3, M.T.shape) for M in W[1:]]
    residual, drift = [], []
    for _ in range(10):
        x, y = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
        step = gradients("fa", W, b, B, x, y, activation, "linear", "mse")
        new = [M - eta * dM for M, dM in zip(W, step.dW, strict=True)]
        new_b = [v - eta * dv * biases for v, dv in zip(b, step.db, strict=True)]
        for i in range(2):
            before = measures.conserved_quantity(W[i], W[i + 1], B[i], b[i] if biases else None)
            after = measures.conserved_quantity(new[i], new[i + 1], B[i], new_b[i] if biases else None)
            change = ((new[i] - W[i]) ** 2).sum() / 2 + ((new_b[i] - b[i]) ** 2).sum() / 2
            residual.append(abs(after - before - change) / max(1, abs(before)))
            drift.append(abs(after - before))
        W, b = new, new_b
    assert max(drift) > 1e-4
    assert max(residual) > 1e-4 if activation == "tanh" else max(residual) <= 1e-10


def test_the_bias_term_is_needed():
    value = measures.conserved_quantity([[3.0, 4.0]], [[2.0]], [[5.0]])
    assert value == 12.5 - 10
    assert measures.conserved_quantity([[3.0, 4.0]], [[2.0]], [[5.0]], bias=[2.0]) == value + 2


def test_the_linear_invariant_changes_by_the_square_of_the_lower_step():
    rng, eta, zeros = np.random.default_rng(7), 0.02, [np.zeros(6), np.zeros(3)]
    A, W, B = rng.normal(size=(6, 8)), rng.normal(size=(3, 6)), rng.normal(size=(6, 3))
    for _ in range(10):
        x, y = rng.normal(size=(4, 8)), rng.normal(size=(4, 3))
        step = gradients("fa", [A, W], zeros, [B], x, y, "linear", "linear", "mse")
        new_a, new_w = A - eta * step.dW[0], W - eta * step.dW[1]
        before, after = measures.linear_invariant(A, W, B), measures.linear_invariant(new_a, new_w, B)
        assert np.array_equal(before, before.T)
        change = (new_a - A) @ (new_a - A).T
        assert np.abs(change).max() > 1e-6
        assert np.abs(after - before + change).max() <= 1e-10 * np.abs(before).max()
        A, W = new_a, new_w


# Activations


def test_distribution_by_hand():
    y = [-2.0, -1.0, -0.96, 0.0, 0.5, 0.95, 1.0, 3.0, math.nan, math.inf]
    found = measures.activation_distribution(y, [0.5] * 8 + [math.nan, 0.0], [-1, 0, 1])
    assert (found.shares * 9).tolist() == pytest.approx([2, 4])
    assert (found.below * 9, found.above * 9) == pytest.approx((1, 2))
    assert found.saturated * 9 == pytest.approx(6)
    assert found.mean_slope == pytest.approx(4 / 9)


@given(arrays(np.float64, array_shapes(max_dims=2), elements=ANY))
def test_shares_add_up(y):
    found = measures.activation_distribution(y, np.ones_like(y))
    assert len(found.shares) == 40
    assert len(found.edges) == 41
    if np.isnan(y).all():
        assert np.isnan([*found.shares, found.below, found.above, found.saturated]).all()
    else:
        assert found.shares.sum() + found.below + found.above == pytest.approx(1)
        assert 0 <= found.saturated <= 1
    assert found.mean_slope == 1


def test_a_saturated_layer_shows():
    z = np.random.default_rng(8).normal(0, 10, (100, 50))
    y = np.tanh(z)
    found = measures.activation_distribution(y, 1 - y**2)
    assert found.saturated == np.mean(np.abs(y) > 0.95)
    assert found.saturated > 0.8
    assert found.mean_slope < 0.1
    assert found.shares[0] + found.shares[-1] > 0.8


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
        (lambda: measures.linear_invariant(np.ones((2, 4)), np.ones((1, 3)), np.ones((3, 1))), "one row of A"),
        (lambda: measures.activation_distribution([1.0], [1.0], [1, 0]), "rising"),
        (lambda: measures.activation_distribution([1.0], [1.0, 1.0]), "equal shapes"),
        (lambda: Smoothed(1.0), "momentum"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_torch_is_not_imported():
    code = "import sys, edgelearn.references.measures; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_examples_of_the_docstrings():
    assert doctest.testmod(measures).failed == 0
