"""The thesis' network on plain arrays: one hidden ReLU layer, one sigmoid output, binary cross-entropy; a sample a row.

a_1 = X w_1 + b_1, h_1 = relu(a_1), a_2 = h_1 w_2 + b_2, output = sigmoid(a_2). Losses and gradients are averages
over the batch (not stated; ours): the printed equations carry no 1/N.
"""

from __future__ import annotations

import numpy as np

Parameters = dict[str, np.ndarray]  # w1 [inputs, hidden], b1 [hidden], w2 [hidden, 1], b2 [1]


def uniform(rng: np.random.Generator, fan_in: int, *shape: int) -> np.ndarray:
    """Return U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch starts a linear layer."""
    return rng.uniform(-(fan_in**-0.5), fan_in**-0.5, shape)


def uniform_parameters(rng: np.random.Generator, inputs: int, hidden: int) -> Parameters:
    """Return the start of the thesis' networks."""
    return {
        "w1": uniform(rng, inputs, inputs, hidden),
        "b1": uniform(rng, inputs, hidden),
        "w2": uniform(rng, hidden, hidden, 1),
        "b2": uniform(rng, hidden, 1),
    }


def forward(p: Parameters, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pre-activations a_1 and a_2."""
    a1 = x @ p["w1"] + p["b1"]
    return a1, relu(a1) @ p["w2"] + p["b2"]


def relu(a: np.ndarray) -> np.ndarray:
    """Return a where its real part is positive; complex numbers pass, for derivatives by a complex step."""
    return np.where(a.real > 0, a, 0)


def sigmoid(a: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-a)))


def loss(p: Parameters, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the cross-entropy, averaged over the batch."""
    output = sigmoid(forward(p, x)[1])
    return -(y * np.log(output) + (1 - y) * np.log(1 - output)).sum() / len(x)


def gradients(p: Parameters, back: np.ndarray, x: np.ndarray, y: np.ndarray) -> Parameters:
    """Return the gradients with `back` [1, hidden] on the way to the hidden layer: w_2^T is BP, B is DFA."""
    a1, a2 = forward(p, x)
    error = (sigmoid(a2) - y) / len(x)
    hidden = (error @ back) * (a1 > 0)
    return {"w1": x.T @ hidden, "b1": hidden.sum(0), "w2": relu(a1).T @ error, "b2": error.sum(0)}
