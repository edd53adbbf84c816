"""Linear networks from zero weights that learn a single pair by feedback alignment, many repeats at once."""

from __future__ import annotations

import numpy as np

from experiments.claims._linear_nets import Array


class OnePair:
    """Weights A and W, both zero at first; x, y* and B from N(0, 1).

    Parameters
    ----------
    rate : eta norm(B y*)^(2/3), without dimension here: repeats differ by a scale only, and 0.02 never overshoots;
        the rate of A is eta / norm(x)^2, so that h moves by eta B e
    """

    def __init__(self, rng: np.random.Generator, repeats: int, sizes: list[int], rate: float) -> None:
        inputs, hidden, outputs = sizes
        self.x = rng.normal(0, 1, (repeats, inputs))
        self.y_star = rng.normal(0, 1, (repeats, outputs))
        self.B = rng.normal(0, 1, (repeats, hidden, outputs))
        self.By = np.einsum("rho,ro->rh", self.B, self.y_star)
        self.power = (self.By**2).sum(1)
        self.eta = rate / self.power ** (1 / 3)
        self.A, self.W = np.zeros((repeats, hidden, inputs)), np.zeros((repeats, outputs, hidden))

    @property
    def h(self) -> Array:
        return np.einsum("rhi,ri->rh", self.A, self.x)

    def error(self) -> Array:
        return self.y_star - np.einsum("roh,rh->ro", self.W, self.h)

    def signal(self) -> Array:
        """Return B e."""
        return np.einsum("rho,ro->rh", self.B, self.error())

    def learn(self) -> None:
        h, e, signal = self.h, self.error(), self.signal()
        self.W = self.W + self.eta[:, None, None] * e[:, :, None] * h[:, None, :]
        eta_A = self.eta / (self.x**2).sum(1)
        self.A = self.A + eta_A[:, None, None] * signal[:, :, None] * self.x[:, None, :]

    @staticmethod
    def off(ours: Array, expected: Array) -> float:
        """Return the largest relative distance over the repeats; 0 where both are 0."""
        axes = tuple(range(1, ours.ndim))
        distance = np.sqrt(((ours - expected) ** 2).sum(axes))
        return float((distance / np.maximum(np.sqrt((expected**2).sum(axes)), 1e-300)).max())
