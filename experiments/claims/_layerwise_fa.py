"""Layer-wise feedback alignment on plain arrays, for the claims of the conservation paper (its section 5, appendix A).

A sample x is a row and W_i is n_(i-1) x n_i, as in the appendix; B_i has the shape of W_i and takes its place on the
way back through layer i. The appendix calls this direct feedback alignment; the product of all B above makes it FA,
and the two are one rule only where there are two layers. The squared loss is halved and summed over the samples (not
stated; ours), so that the equations of the two-layer proof hold as printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, repeat

import numpy as np

from experiments.float_nets.measures import trace_alignment

Arrays = list[np.ndarray]
Activation = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # z -> f(z), f'(z)
Step = Callable[[Arrays, Arrays], Arrays]  # weights, their directions -> what is added to the weights


@dataclass
class Task:
    """Inputs and targets, a sample a row."""

    x: np.ndarray
    y: np.ndarray


@dataclass
class Net:
    """Weights from the input to the output, and the feedback in their place; that of the first layer is never used.

    With biases the last row of W_i is the bias of layer i, and the last row of B_i is zero.
    """

    weights: Arrays
    feedback: Arrays
    activation: Activation
    biases: bool = False

    def copy(self) -> Net:
        return Net([w.copy() for w in self.weights], self.feedback, self.activation, self.biases)


@dataclass
class Course:
    """A training: for the start and after every step, a row of one number a layer.

    `conserved` is Q_i = norm(W_i)^2 / 2 - <W_(i+1), B_(i+1)> of every layer but the last; `moved` sums norm(dW_i)^2 / 2
    over the steps so far, which is what finite steps add to the law of the flow.
    """

    alignments: np.ndarray
    half_squares: np.ndarray
    conserved: np.ndarray
    moved: np.ndarray
    loss: np.ndarray
    net: Net


def leaky(slope: float) -> Activation:
    """Return the activation with this slope below zero: 1 is linear, 0 is ReLU with f'(0) = 0."""

    def activation(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slopes = np.where(z > 0, 1.0, slope)
        return slopes * z, slopes

    return activation


def linear_task(rng: np.random.Generator, samples: int, inputs: int, outputs: int = 1) -> Task:
    """Return normal inputs and a noiseless linear target of variance 1."""
    x = rng.normal(size=(samples, inputs))
    return Task(x, x @ rng.normal(0, 1 / np.sqrt(inputs), (inputs, outputs)))


def normal_weights(rng: np.random.Generator, sizes: list[int], deviations: list[float]) -> Arrays:
    """Return normal matrices from each layer size to the next."""
    shapes = pairwise(sizes)
    return [rng.normal(0, sd, shape) for sd, shape in zip(deviations, shapes, strict=True)]


def aligned_net(weights: Arrays, activation: Activation) -> Net:
    """Return a net whose feedback is its start: W(0) = B."""
    return Net(weights, [w.copy() for w in weights], activation)


def forward(net: Net, x: np.ndarray) -> tuple[Arrays, Arrays]:
    """Return what enters each layer with the output at the end, and the slopes of the hidden layers."""
    entering, slopes = [_with_one(x) if net.biases else x], []
    for w in net.weights[:-1]:
        y, slope = net.activation(entering[-1] @ w)
        entering.append(_with_one(y) if net.biases else y)
        slopes.append(slope)
    return [*entering, entering[-1] @ net.weights[-1]], slopes


def _with_one(y: np.ndarray) -> np.ndarray:
    return np.hstack([y, np.ones((len(y), 1))])


def errors(net: Net, task: Task) -> np.ndarray:
    """Return output minus target."""
    return np.asarray(forward(net, task.x)[0][-1] - task.y)


def directions(net: Net, task: Task) -> Arrays:
    """Return what FA puts in the place of the gradient of each weight matrix."""
    entering, slopes = forward(net, task.x)
    delta = entering[-1] - task.y
    found = [entering[-2].T @ delta]
    for i in reversed(range(len(slopes))):
        delta = slopes[i] * (delta @ net.feedback[i + 1].T)[:, : slopes[i].shape[1]]
        found.append(entering[i].T @ delta)
    return found[::-1]


def plain(eta: float) -> Step:
    """Return the step of stochastic gradient descent."""
    return lambda weights, found: [-eta * direction for direction in found]


def train(net: Net, tasks: Iterable[Task], step: Step) -> Iterator[Arrays]:
    """Take one step a task, in place, and yield what it added to the weights."""
    for task in tasks:
        added = step(net.weights, directions(net, task))
        for w, dw in zip(net.weights, added, strict=True):
            w += dw
        yield added


def follow(net: Net, task: Task, step: Step, steps: int, batches: Iterable[Task] | None = None) -> Course:
    """Train a copy of the net on the task, or on batches of it, and tell what the conservation laws are about."""
    net = net.copy()
    moved = np.zeros(len(net.weights))
    rows = [_row(net, task, moved)]
    for added in train(net, repeat(task, steps) if batches is None else batches, step):
        moved = moved + _half_squares(added)
        rows.append(_row(net, task, moved))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Course(*columns, net)


def _row(net: Net, task: Task, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    layers = list(zip(net.weights, net.weights[1:], net.feedback[1:], strict=False))
    conserved = np.array([conserved_quantity(w, above.T, b) for w, above, b in layers])
    alignments = np.array([trace_alignment(above.T, b) for _, above, b in layers])
    return alignments, _half_squares(net.weights), conserved, moved, float((errors(net, task) ** 2).sum() / 2)


def _half_squares(matrices: Arrays) -> np.ndarray:
    return np.array([(m**2).sum() / 2 for m in matrices])


def conserved_quantity(
    weights: np.ndarray, weights_above: np.ndarray, feedback_above: np.ndarray, bias: np.ndarray | None = None
) -> float:
    """Return Q_i = 1/2 |W_i|^2 + 1/2 |b_i|^2 - <W_(i+1), B_(i+1)> of feedback alignment.

    Parameters
    ----------
    weights : W_i, any shape
    weights_above, feedback_above : W_(i+1), (n_out, n_in), and B_(i+1), (n_in, n_out)
    bias : b_i, any shape, if the layer has one that learns (term not in the paper; ours)

    Notes
    -----
    Robertson and Koyejo, "Layer-wise feedback alignment is conserved", theorem 5.1: constant under the gradient flow
    of linear, ReLU and leaky ReLU networks without biases. A step of plain descent of any size and batch adds exactly
    1/2 |dW_i|^2 (and 1/2 |db_i|^2), dW_i being the change of the weights (ours). Momentum, Adam, weight decay and
    saturation break it.
    """
    half_square = (np.asarray(weights, np.float64) ** 2).sum() / 2
    if bias is not None:
        half_square += (np.asarray(bias, np.float64) ** 2).sum() / 2
    return float(half_square - trace_alignment(weights_above, feedback_above))


def halving_ratios(drifts: list[float]) -> list[float]:
    """Return by how much a drift falls each time that the step is halved; 2 where the error is of first order."""
    return [first / second for first, second in pairwise(drifts)]
