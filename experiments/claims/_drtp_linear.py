"""Linear hidden layers that learn one example by DRTP from zero: the network of the DRTP paper's proof (Fig. 4).

The proof subtracts: W_k <- W_k - eta v_k y_(k-1)^T with v_k = B_k^T y*; all layers update at once. Sizes, rate and a
normal B are ours, and so is the end of a run: hidden layers never stop growing, so it ends where norm(e) < 1e-3.

Correction: "for t > 0" is too early. The product of the weights above layer k is zero until t = K, counted in updates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

ERROR_END = 1e-3
OUTPUTS = ("sigmoid", "softmax")
Rounding = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Task:
    """One example and the feedback of every hidden layer.

    Parameters
    ----------
    x : of norm 1
    target : one-hot
    signals : v_k = B_k^T y*, one a hidden layer
    """

    x: np.ndarray
    target: np.ndarray
    signals: list[np.ndarray]
    output: str
    rate: float

    @property
    def depth(self) -> int:
        """K, the number of layers."""
        return len(self.signals) + 1

    def act(self, z: np.ndarray) -> np.ndarray:
        """Return y_K."""
        if self.output == "sigmoid":
            return np.asarray((1 + np.tanh(z / 2)) / 2)
        powers = np.exp(z - z.max())
        return np.asarray(powers / powers.sum())


@dataclass(frozen=True)
class Moment:
    """The network after t updates; y of layer k is activations[k], x is activations[0]."""

    t: int
    weights: list[np.ndarray]
    activations: list[np.ndarray]
    error: np.ndarray

    def above(self, k: int) -> np.ndarray:
        """Return W_K ... W_(k+1), hidden layers counted from 1."""
        return np.asarray(np.linalg.multi_dot([*self.weights[k:][::-1], np.eye(self.weights[k].shape[1])]))


def draw_task(rng: np.random.Generator, depth: int, output: str, rate: float, n_in: int, n: int, classes: int) -> Task:
    """Draw an example and B."""
    x = rng.normal(size=n_in)
    label = rng.integers(classes)
    signals = [rng.normal(size=(classes, n))[label] for _ in range(depth - 1)]
    return Task(x / np.linalg.norm(x), np.eye(classes)[label], signals, output, rate)


def zeros(task: Task) -> list[np.ndarray]:
    """Return the weights that the proof starts from."""
    sizes = [len(task.x), *(len(v) for v in task.signals), len(task.target)]
    return [np.zeros((b, a)) for a, b in pairwise(sizes)]


def learn(
    task: Task, steps: int, rounding: Rounding | None = None, weights: list[np.ndarray] | None = None
) -> Iterator[Moment]:
    """Give the network before the first update and after each, until the error is gone.

    Parameters
    ----------
    rounding : of the weights, after every update
    weights : at the start; zeros if left out
    """
    weights = zeros(task) if weights is None else weights
    for t in range(steps + 1):
        activations = [task.x]
        for weight in weights[:-1]:
            activations.append(weight @ activations[-1])
        error = task.target - task.act(weights[-1] @ activations[-1])
        if np.linalg.norm(error) < ERROR_END:
            return
        yield Moment(t, weights, activations, error)
        steers = [*task.signals, -error / len(task.target)]  # dz of every layer
        weights = [w - task.rate * np.outer(d, y) for w, d, y in zip(weights, steers, activations, strict=True)]
        if rounding is not None:
            weights = [rounding(w) for w in weights]


@dataclass
class Scalars:
    """The factors of the lemma, by the recursions of its proof: s_y and s_W of hidden layers, and the vector s_WK."""

    y: np.ndarray
    w: np.ndarray
    last: np.ndarray

    @classmethod
    def zeros(cls, task: Task) -> Scalars:
        n = task.depth - 1
        return cls(np.zeros(n), np.zeros(n), np.zeros(len(task.target)))

    def step(self, task: Task, error: np.ndarray) -> None:
        """Go from t to t + 1; `error` is that of t."""
        self.last = self.last + task.rate * self.y[-1] / len(task.target) * error
        self.w = self.w + task.rate * np.concatenate([[1.0], self.y[:-1]])
        y = [self.w[0] * (task.x @ task.x)]
        for k in range(1, len(self.w)):
            y.append(self.w[k] * y[-1] * (task.signals[k - 1] @ task.signals[k - 1]))
        self.y = np.array(y)

    def of_theorem(self, task: Task, error: np.ndarray, k: int, with_norm: bool = True) -> float:
        """Return s_k of hidden layer k, from 1; the printed form lacks norm(v_k)^2."""
        squares = [float(v @ v) for v in task.signals]
        product = np.prod([self.w[i] * squares[i] for i in range(k, task.depth - 1)])
        scale = product * (self.last @ self.last) * (squares[k - 1] if with_norm else 1.0)
        return float(self.last @ error / scale)
