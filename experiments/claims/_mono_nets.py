"""Mono-nets (mDFA, definition 1): weights are free in the first layer and non-negative above, the last layer is linear.

Layers are counted from 1 to L; matrices here from 0. Weights and biases are drawn normal (ours), or the absolute value
of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

ACTIVATIONS = ("tanh", "relu", "hard-tanh")
TINY = 1e-30  # of a complex step; nothing is subtracted, so derivatives are exact to rounding


def act(name: str, z: np.ndarray) -> np.ndarray:
    """Return f(z); complex numbers pass, and the real part says which piece they are on."""
    if name == "tanh":
        return np.asarray(np.tanh(z))
    if name == "relu":
        return np.asarray(np.where(z.real > 0, z, 0))
    return np.asarray(np.where(abs(z.real) < 1, z, np.sign(z.real)))


def slope(name: str, z: np.ndarray) -> np.ndarray:
    """Return f'(z)."""
    if name == "tanh":
        return np.asarray(1 - np.tanh(z) ** 2)
    return np.asarray((z > 0 if name == "relu" else abs(z) < 1).astype(float))


@dataclass(frozen=True)
class MonoNet:
    """Weights and biases of all layers."""

    activation: str
    weights: list[np.ndarray]
    biases: list[np.ndarray]

    def layer(self, k: int, h: np.ndarray) -> np.ndarray:
        """Return h_(k+1) from h_k, of one sample or of rows of samples."""
        z = h @ self.weights[k].T + self.biases[k]
        return z if k == len(self.weights) - 1 else act(self.activation, z)

    def all_layers(self, x: np.ndarray) -> list[np.ndarray]:
        """Return x, h_1, ..., h_L."""
        hs = [x]
        for k in range(len(self.weights)):
            hs.append(self.layer(k, hs[-1]))
        return hs

    def differentiated(self, first: int, last: int, h: np.ndarray) -> np.ndarray:
        """Return the Jacobian of h_last at h = h_first, by complex steps."""
        columns = []
        for i in range(len(h)):
            moved = h.astype(complex)
            moved[i] += 1j * TINY
            for k in range(first, last):
                moved = self.layer(k, moved)
            columns.append(moved.imag / TINY)
        return np.array(columns).T

    def by_formula(self, k: int, h: np.ndarray) -> np.ndarray:
        """Return the Jacobian of layer k + 1 at h = h_k: diag(f') W, or W in the last layer."""
        if k == len(self.weights) - 1:
            return self.weights[k]
        slopes = slope(self.activation, self.weights[k] @ h + self.biases[k])
        return np.asarray(slopes[:, None] * self.weights[k])


def draw_net(rng: np.random.Generator, activation: str, sizes: tuple[int, ...]) -> MonoNet:
    """Draw a mono-net."""
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    weights = [weights[0], *[np.abs(each) for each in weights[1:]]]
    return MonoNet(activation, weights, [rng.normal(size=n) for n in sizes[1:]])
