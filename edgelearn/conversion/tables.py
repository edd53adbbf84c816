"""Functions of a single value that tables of frozen layers hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -80, 80))))


FUNCTIONS: dict[str, Function] = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "relu6": lambda z: np.clip(z, 0, 6),
    "leaky": lambda z: z,  # with a slope, see `find_function`
    "tanh": np.tanh,
    "hard-tanh": lambda z: np.clip(z, -1, 1),
    "sigmoid": _sigmoid,
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "hard swish": lambda z: z * np.clip(z + 3, 0, 6) / 6,
    "hard_swish": lambda z: z * np.clip(z + 3, 0, 6) / 6,
    "swish": lambda z: z * _sigmoid(z),
    "silu": lambda z: z * _sigmoid(z),
    "softplus": lambda z: np.logaddexp(0, z),
}
RISING = ("linear", "relu", "relu6", "tanh", "hard-tanh", "sigmoid", "elu", "softplus")
SCALED = ("linear", "relu", "relu6", "leaky")
"""Functions whose values are not larger than their argument: one scale for both."""
FINEST = {"tanh": 5, "sigmoid": 4, "hard-tanh": 6}
"""Binary scale of the index from which on a function hardly changes beyond +-127."""


def find_function(name: str, slope: float = 0.0) -> Function:
    """Return a function by name; `slope` is that of the negative side of leaky."""
    return (lambda z: np.where(z > 0, z, slope * z)) if name == "leaky" else FUNCTIONS[name]


def is_rising(name: str, slope: float = 0.0) -> bool:
    """Return whether a function never falls, so that it and the largest value of a window can change places."""
    return slope >= 0 if name == "leaky" else name in RISING
