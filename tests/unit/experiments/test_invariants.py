"""Conserved quantities of feedback alignment that claims follow, on steps of the float oracle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from experiments.claims._layerwise_fa import conserved_quantity
from experiments.claims._linear_nets import LinearNets
from tests.naive.float_rules import gradients


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
            before = conserved_quantity(W[i], W[i + 1], B[i], b[i] if biases else None)
            after = conserved_quantity(new[i], new[i + 1], B[i], new_b[i] if biases else None)
            change = ((new[i] - W[i]) ** 2).sum() / 2 + ((new_b[i] - b[i]) ** 2).sum() / 2
            residual.append(abs(after - before - change) / max(1, abs(before)))
            drift.append(abs(after - before))
        W, b = new, new_b
    assert max(drift) > 1e-4
    assert max(residual) > 1e-4 if activation == "tanh" else max(residual) <= 1e-10


def test_the_bias_term_is_needed():
    w, above, b = np.array([[3.0, 4.0]]), np.array([[2.0]]), np.array([[5.0]])
    value = conserved_quantity(w, above, b)
    assert value == 12.5 - 10
    assert conserved_quantity(w, above, b, bias=np.array([2.0])) == value + 2


def test_the_linear_invariant_changes_by_the_square_of_the_lower_step():
    rng, eta, zeros = np.random.default_rng(7), 0.02, [np.zeros(6), np.zeros(3)]
    A, W, B = rng.normal(size=(6, 8)), rng.normal(size=(3, 6)), rng.normal(size=(6, 3))
    for _ in range(10):
        x, y = rng.normal(size=(4, 8)), rng.normal(size=(4, 3))
        step = gradients("fa", [A, W], zeros, [B], x, y, "linear", "linear", "mse")
        new_a, new_w = A - eta * step.dW[0], W - eta * step.dW[1]
        before, after = LinearNets(A, W, B, W @ A, eta).c(), LinearNets(new_a, new_w, B, W @ A, eta).c()
        assert np.array_equal(before, before.T)
        change = (new_a - A) @ (new_a - A).T
        assert np.abs(change).max() > 1e-6
        assert np.abs(after - before + change).max() <= 1e-10 * np.abs(before).max()
        A, W = new_a, new_w
