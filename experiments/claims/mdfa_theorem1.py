"""mDFA, Theorems 1 and 3 on Lemma 1: a net of one sigmoid hidden layer is also a mono-net, so these approximate all.

From g(x) = sum_i v_i sigma(w_i^T x + b_i), sigma(z) = (1 + tanh(z/2)) / 2 and tanh(-z) = -tanh(z):

    m(x) = sum_i (|v_i| / 2) tanh(s_i (w_i^T x + b_i) / 2) + sum_i v_i / 2 ,   s_i = sign of v_i

Minus signs and fractions of the printed derivation are reconstructed. The paper speaks of 2N hidden units; every i is
used once, so N are enough. Random g of N units are ours; control: without moving the signs to the first layer, m != g.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study
from experiments.claims._mono_nets import MonoNet


def as_mono_net(w: np.ndarray, b: np.ndarray, v: np.ndarray) -> MonoNet:
    """Return the mono-net of a net with one hidden layer of sigmoid units."""
    sign = np.where(v >= 0, 1.0, -1.0)
    return MonoNet("tanh", [sign[:, None] * w / 2, np.abs(v)[None, :] / 2], [sign * b / 2, np.array([v.sum() / 2])])


def outputs(net: MonoNet, points: np.ndarray) -> np.ndarray:
    """Return m(x) of rows of points."""
    return net.all_layers(points)[-1][:, 0]


def measure(study: Study) -> dict[str, Any]:
    rng, n, units = study.rng("nets"), study["n_in"], study["units"]
    worst, lowest, control = 0.0, np.inf, np.inf
    for _ in range(study["nets"]):
        w, b, v = 4 * rng.normal(size=(units, n)), 2 * rng.normal(size=units), rng.normal(size=units)
        points = rng.random((study["points"], n))
        wanted = (1 / (1 + np.exp(-(points @ w.T + b)))) @ v
        net = as_mono_net(w, b, v)
        worst = max(worst, float(np.abs(wanted - outputs(net, points)).max()))
        lowest = min(lowest, float(net.weights[1].min()))
        unsigned = MonoNet("tanh", [w / 2, net.weights[1]], [b / 2, net.biases[1]])
        control = min(control, float(np.abs(wanted - outputs(unsigned, points)).max()))
    return {
        "worst": worst,
        "lowest_weight": lowest,
        "hidden_units": len(net.weights[0]),
        "units": units,
        "control": control,
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    return [
        at_most("largest abs(g(x) - m(x))", measured["worst"], 1e-12),
        at_least("smallest weight of the second layer", measured["lowest_weight"], 0, paper=">= 0"),
        at_most("hidden units of m", measured["hidden_units"], measured["units"], paper="2 N"),
        at_least("control: largest difference with signs left where they were", measured["control"], 1e-3),
    ]


CLAIM = Claim(
    id="mdfa-theorem1",
    source="mDFA, Theorem 1 (= 3), Lemma 1",
    statement="Mono-nets approximate every continuous function: a net of sigmoid units is one, with weights moved.",
    kind=("exact",),
    cost="seconds",
    settings={"nets": 20, "units": 50, "n_in": 8, "points": 1000},
    measure=measure,
    judge=judge,
)
