"""mDFA, Lemma 2: no entry of the Jacobian of a layer above the first is negative.

dh_l/dh_(l-1) = diag(f') W_l with W_l >= 0, and W_L in the last layer. The paper prints the diagonal on the other side
of W, by its order of indices; signs are the same. Jacobians by complex steps, and against the formula. Activations,
depths and sizes are ours. Controls: the first layer, whose weights are free, and one negative weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, holds
from edgelearn.reproduction.study import Study
from experiments.claims._mono_nets import ACTIVATIONS, draw_net


def measure(study: Study) -> dict[str, Any]:
    lowest, residual, first, broken = {}, 0.0, np.inf, -np.inf
    for activation in ACTIVATIONS:
        rng, smallest = study.rng(activation), np.inf
        for depth in study["depths"]:
            for _ in range(study["nets"]):
                sizes = (study["n_in"], *[study["n"]] * (depth - 1), study["n_out"])
                net = draw_net(rng, activation, sizes)
                hs = net.all_layers(rng.normal(size=sizes[0]))
                for k in range(1, depth):
                    jacobian, form = net.differentiated(k, k + 1, hs[k]), net.by_formula(k, hs[k])
                    smallest = min(smallest, float(jacobian.min()))
                    residual = max(residual, float(np.abs(jacobian - form).max() / max(np.abs(form).max(), 1e-300)))
                first = min(first, float(net.differentiated(0, 1, hs[0]).min()))
                net.weights[depth - 1][0, 0] *= -1
                broken = max(broken, float(net.differentiated(depth - 1, depth, hs[-2]).min()))
        lowest[activation] = smallest
    return {"lowest": lowest, "residual": residual, "first_layer": first, "negative_weight": broken}


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = [
        at_least(f"smallest entry of dh_l/dh_(l-1), l >= 2, {activation}", lowest, -1e-12, paper=">= 0")
        for activation, lowest in measured["lowest"].items()
    ]
    first, broken = measured["first_layer"], measured["negative_weight"]
    return [
        *checks,
        at_most("relative residual to diag(f') W", measured["residual"], 1e-10),
        holds("control: the first layer has negative entries", first < 0, first),
        holds("control: one negative weight gives one in every net", broken < 0, broken),
    ]


CLAIM = Claim(
    id="mdfa-lemma2",
    source="mDFA, Lemma 2",
    statement="Above the first layer of a mono-net no derivative of a layer is negative.",
    kind=("exact",),
    cost="seconds",
    settings={"depths": [2, 3, 4, 5], "nets": 30, "n_in": 6, "n": 7, "n_out": 2},
    measure=measure,
    judge=judge,
)
