"""Operators of a model: what they cost, and what they do to one row of features where that can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

ACTIVATIONS = ("linear", "relu", "leaky", "tanh", "hard-tanh", "quadratic-tanh", "sigmoid", "softmax")
"""Activations that layers behind a cut may have."""
BEHIND = "it is not read behind a cut"


class Step:
    """Effect of an operator on a row of features."""


@dataclass(frozen=True, eq=False)
class Dense(Step):
    """y = activation(weights @ x + biases).

    Parameters
    ----------
    weights, biases : float64[n_out, n_in], float64[n_out]
    words, word_scales : int16[n_out, n_in], float64[n_out]; None where weights are floats
    positions : number of rows of one sample that the weights are applied to
    """

    weights: np.ndarray
    biases: np.ndarray
    words: np.ndarray | None = None
    word_scales: np.ndarray | None = None
    positions: int = 1
    activation: str = "linear"
    slope: float = 0.0


@dataclass(frozen=True)
class Activation(Step):
    """An elementwise function of its name, or a softmax."""

    name: str
    slope: float = 0.0


@dataclass(frozen=True, eq=False)
class Affine(Step):
    """y = scale * x + shift, by element of the last axis or by channel; arrays of 1 or n elements, in flat order."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class Permute(Step):
    """y = x[order], of flat elements."""

    order: np.ndarray


def permutation(shape: Sequence[int], perm: Sequence[int]) -> Step:
    """Return the step of a transposition of a tensor, batch first."""
    if perm[0] != 0:
        return Other("it moves the batch")
    order = np.arange(math.prod(shape[1:])).reshape(shape[1:])
    return Permute(order.transpose([axis - 1 for axis in perm[1:]]).reshape(-1))


@dataclass(frozen=True)
class Keep(Step):
    """The same numbers in the same flat order: reshaping, copies, changes of type, quantisation."""


@dataclass(frozen=True)
class Rank(Step):
    """Scores by a function that keeps their order; at the end of a model only."""

    what: str


@dataclass(frozen=True)
class Aside(Step):
    """A result that scores do not depend on: class labels, shapes."""


@dataclass(frozen=True)
class Other(Step):
    """What cannot be read behind a cut, with the reason."""

    reason: str


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator of a model.

    Parameters
    ----------
    name : as the file has it, or its position
    kind : as the format names it
    inputs, outputs : names of computed tensors; constants are left out
    macs : per sample; None where they cannot be counted
    weight_words : weights and biases
    activation_words : elements written; 0 of steps that only rename
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    step: Step = field(default_factory=lambda: Other(BEHIND))
    macs: int | None = 0
    weight_words: int = 0
    activation_words: int = 0
