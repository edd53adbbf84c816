"""mDFA, Theorem 5: with two outputs the update of mDFA can point against the gradient.

The printed example, its matrices reconstructed: W_2 = [[0, 1], [1, 0]], B_2 = I, dL/dh_L = I, dh_1/dtheta = I. It gives
W_2^T I against I, which are orthogonal: all coordinate products are 0, so it shows lost alignment and not the stated
product < 0. With the same W_2 and B_2, dL/dh_L = (1, -1)^T is strict (ours): the gradient is (-1, 1)^T, mDFA's update
(1, -1)^T, and both products are -1. That gradient is also differentiated from L = h_L1 - h_L2 of a tanh net whose
parameters are the biases of the hidden layer, at h_1 = 0, where dh_1/dtheta = I.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_most, holds
from edgelearn.reproduction.study import Study
from experiments.claims._mono_nets import MonoNet

W_2 = np.array([[0.0, 1.0], [1.0, 0.0]])
B_2 = np.eye(2)
STRICT = np.array([1.0, -1.0])


def measure(study: Study) -> dict[str, Any]:
    printed, by_mdfa = W_2.T @ np.eye(2), B_2.T @ np.eye(2)
    gradient, update = W_2.T @ STRICT, B_2.T @ STRICT
    net = MonoNet("tanh", [np.eye(2), W_2], [np.zeros(2), np.zeros(2)])
    differentiated = STRICT @ net.differentiated(0, 2, np.zeros(2))  # with W_1 = I inputs act as biases do
    return {
        "printed_inner_product": float((printed * by_mdfa).sum()),
        "printed_products": (printed * by_mdfa).ravel().tolist(),
        "gradient": gradient.tolist(),
        "update": update.tolist(),
        "strict_products": (gradient * update).tolist(),
        "residual": float(np.abs(differentiated - gradient).max()),
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    products, strict = measured["printed_products"], measured["strict_products"]
    return [
        holds(
            "printed example: inner product",
            measured["printed_inner_product"] == 0,
            measured["printed_inner_product"],
            "orthogonal",
        ),
        holds(
            "printed example: no coordinate product is below 0, so it is not strict",
            min(products) == 0,
            min(products),
            "< 0",
        ),
        holds("strict example: coordinate products", strict == [-1.0, -1.0], str(strict), "< 0 in one"),
        at_most("strict example: residual of its gradient to differentiation", measured["residual"], 1e-10),
    ]


CLAIM = Claim(
    id="mdfa-theorem5",
    source="mDFA, Theorem 5",
    statement="With two outputs the update of mDFA need not have the sign of the gradient.",
    kind=("exact",),
    cost="seconds",
    settings={},
    measure=measure,
    judge=judge,
)
