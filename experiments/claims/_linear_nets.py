"""Linear networks y = W A x that learn y* = T x by feedback alignment or backpropagation, many repeats at once.

Matrices carry their repeats in leading axes: A is (..., hidden, inputs), W (..., outputs, hidden), T (..., outputs,
inputs) and B, of the shape of W transposed, is (..., hidden, outputs). Inputs are white, E[x x^T] = I, so that the
mean update over inputs is a plain product of matrices, and the normalised squared error is norm(E)^2 / norm(T)^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def turned(matrix: Array) -> Array:
    """Return the transposes."""
    return matrix.swapaxes(-1, -2)


def inner(first: Array, second: Array) -> Array:
    """Return tr(first^T second), one number a repeat."""
    return np.einsum("...ij,...ij->...", first, second)


def squared(matrix: Array) -> Array:
    """Return the squared Frobenius norms."""
    return inner(matrix, matrix)


@dataclass
class LinearNets:
    """Weights A and W, feedback B, target T and rate; weights change by `learn`."""

    A: Array
    W: Array
    B: Array
    T: Array
    eta: float

    def error(self) -> Array:
        """Return E = T - W A."""
        return self.T - self.W @ self.A

    def nse(self) -> Array:
        """Return the normalised squared errors."""
        return squared(self.error()) / squared(self.T)

    def c(self) -> Array:
        """Return C = B W + W^T B^T - A A^T, symmetric, one matrix per repeat.

        Constant under the flow (Lillicrap et al., equation 10 of the supplement, printed there with the sign of C
        reversed). A step of plain descent of any size and batch adds exactly -dA dA^T (ours).
        """
        product = self.B @ self.W
        return product + turned(product) - self.A @ turned(self.A)

    def updates(self) -> tuple[Array, Array]:
        """Return dA = eta B E and dW = eta E A^T."""
        error = self.error()
        return self.eta * (self.B @ error), self.eta * (error @ turned(self.A))

    def learn(self) -> Array:
        """Take one step of feedback alignment in both layers; return dA."""
        dA, dW = self.updates()
        self.A, self.W = self.A + dA, self.W + dW
        return dA


def normal_nets(
    rng: np.random.Generator, repeats: int, sizes: list[int], spread: float, eta: float = 0.0
) -> LinearNets:
    """Return networks of (inputs, hidden, outputs): A and W from U(-spread, spread), B and T from N(0, 1)."""
    inputs, hidden, outputs = sizes
    return LinearNets(
        A=rng.uniform(-spread, spread, (repeats, hidden, inputs)),
        W=rng.uniform(-spread, spread, (repeats, outputs, hidden)),
        B=rng.normal(0, 1, (repeats, hidden, outputs)),
        T=rng.normal(0, 1, (repeats, outputs, inputs)),
        eta=eta,
    )


def halvings(residuals: list[float]) -> list[float]:
    """Return the ratios of successive residuals: about 2 where each was made with half the rate of the one before."""
    return [before / after for before, after in pairwise(residuals)]
