"""Tanh networks that learn from a teacher by backpropagation or feedback alignment, many repeats at once.

Arrays carry their repeats in the first axis. Samples are rows: W of a layer is (repeats, inputs, outputs), so that z
= h W + b, and B, which sends its teaching signal down, is (repeats, outputs, inputs). Outputs are linear. All is
float32: the claims made with these nets are orders, and it is twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from edgelearn.reproduction.study import Work

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
Task = Callable[[Array], Array]


@dataclass
class TanhNets:
    """Weights, biases and feedback, layer by layer; B[0] is never used.

    Parameters
    ----------
    B : the feedback of each layer; None for backpropagation
    frozen : how many of the first layers do not learn
    momentum : share of the last step that is taken again
    """

    W: list[Array]
    b: list[Array]
    B: list[Array] | None = None
    frozen: int = 0
    momentum: float = 0.0
    v: list[Array] = field(default_factory=list)

    def activities(self, x: Array) -> list[Array]:
        """Return the input, the hidden layers and the output."""
        layers = [x]
        for k, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            z = layers[-1] @ W + b
            layers.append(z if k == len(self.W) - 1 else np.tanh(z))
        return layers

    def output(self, x: Array) -> Array:
        return self.activities(x)[-1]

    def updates(self, x: Array, target: Array) -> list[Array]:
        """Return the mean update over the batch of each W and b, W_1, b_1, W_2 ..., in descent direction."""
        layers = self.activities(x)
        dz = (target - layers[-1]) / x.shape[1]
        found: list[Array] = []
        for k in reversed(range(self.frozen, len(self.W))):
            found = [layers[k].swapaxes(1, 2) @ dz, dz.sum(1, keepdims=True), *found]
            if k > self.frozen:
                back = self.W[k].swapaxes(1, 2) if self.B is None else self.B[k]
                dz = (dz @ back) * (1 - layers[k] ** 2)
        return found

    def learn(self, x: Array, target: Array, eta: float) -> None:
        """Take one step, v <- momentum v + eta update and weights <- weights + v."""
        steps = [eta * update for update in self.updates(x, target)]
        if self.momentum and self.v:
            steps = [self.momentum * v + step for v, step in zip(self.v, steps, strict=True)]
        self.v = steps
        for k in range(self.frozen, len(self.W)):
            self.W[k] = self.W[k] + steps[2 * (k - self.frozen)]
            self.b[k] = self.b[k] + steps[2 * (k - self.frozen) + 1]


def uniform_nets(
    rng: np.random.Generator, repeats: int, sizes: list[int], rule: str, frozen: int = 0, momentum: float = 0.0
) -> TanhNets:
    """Return networks with weights, biases and feedback from U(-1/sqrt(inputs), 1/sqrt(inputs))."""
    pairs = list(pairwise(sizes))

    def draw(*shape: int, inputs: int) -> Array:
        return np.asarray(rng.uniform(-1, 1, (repeats, *shape)) / np.sqrt(inputs), np.float32)

    W = [draw(n, m, inputs=n) for n, m in pairs]
    b = [draw(1, m, inputs=n) for n, m in pairs]
    B = [draw(m, n, inputs=n) for n, m in pairs]
    return TanhNets(W, b, B if rule == "fa" else None, frozen, momentum)


def normal_inputs(rng: np.random.Generator, repeats: int, samples: int, inputs: int) -> Array:
    return np.asarray(rng.standard_normal((repeats, samples, inputs), np.float32))


def tanh_teacher(rng: np.random.Generator, repeats: int, sizes: list[int]) -> Task:
    """Return networks from U(-1, 1), each layer scaled to pre-activations of unit variance on normal inputs."""
    nets = uniform_nets(rng, repeats, sizes, "bp")
    x = normal_inputs(rng, repeats, 1000, sizes[0])
    for k in range(len(sizes) - 1):
        z = nets.activities(x)[k] @ nets.W[k] + nets.b[k]
        scale = z.std((1, 2), keepdims=True)
        nets.W[k], nets.b[k] = nets.W[k] / scale, nets.b[k] / scale
    return nets.output


def quadratic_teacher(rng: np.random.Generator, repeats: int, inputs: int, outputs: int) -> Task:
    """Return y_k = x^T Q_k x - tr(Q_k), Q from a normal distribution, of unit variance on normal inputs."""
    Q = rng.normal(0, 1, (repeats, outputs, inputs, inputs))
    Q = (Q + Q.swapaxes(2, 3)) / 2
    Q = np.asarray(Q / np.sqrt(2 * (Q**2).sum((2, 3), keepdims=True)), np.float32)
    trace = np.einsum("rkii->rk", Q)[:, None, :]
    flat = Q.reshape(repeats, outputs, inputs * inputs).swapaxes(1, 2)

    def task(x: Array) -> Array:
        squares = (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:2], -1)
        return np.asarray(squares @ flat - trace)

    return task


def nse(nets: TanhNets, x: Array, target: Array) -> Array:
    """Return sum norm(e)^2 / sum norm(y* - mean(y*))^2, one number a repeat."""
    error = ((target - nets.output(x)) ** 2).sum((1, 2))
    return np.asarray(error / ((target - target.mean(1, keepdims=True)) ** 2).sum((1, 2)))


def learn_together(
    students: dict[str, TanhNets], task: Task, rng: np.random.Generator, settings: dict[str, Any], work: Work
) -> dict[str, Any]:
    """Train students on the same fresh batches; return the steps and each one's NSE on 1000 samples, (repeat, time)."""
    repeats, inputs, steps = settings["repeats"], settings["teacher"][0], settings["steps"]
    test = normal_inputs(rng, repeats, 1000, inputs)
    target = task(test)
    seen, curves = [], {name: [] for name in students}
    for step in range(steps + 1):
        if step % settings["every"] == 0:
            seen.append(step)
            for name, nets in students.items():
                curves[name].append(nse(nets, test, target))
            work.progress(step / steps)
        x = normal_inputs(rng, repeats, settings["batch"], inputs)
        wanted = task(x)
        for nets in students.values():
            nets.learn(x, wanted, settings["eta"])
    return {"steps": seen, "nse": {name: np.transpose(curve) for name, curve in curves.items()}}
