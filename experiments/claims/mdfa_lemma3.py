"""mDFA, Lemma 3: no entry of dh_l/dh_k is negative, 1 <= k < l: products of non-negative matrices are.

Jacobians of several layers at once by complex steps, and against the product of the layers' formulas. Activations,
depths and sizes are ours. Controls: derivatives by the input, which pass the free first layer, and a weight matrix of
negative sign in the middle.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, holds
from edgelearn.reproduction.study import Study
from experiments.claims._mono_nets import ACTIVATIONS, draw_net


def measure(study: Study) -> dict[str, Any]:
    lowest, residual, by_input, broken = {}, 0.0, np.inf, np.inf
    for activation in ACTIVATIONS:
        rng, smallest = study.rng(activation), np.inf
        for depth in study["depths"]:
            for _ in range(study["nets"]):
                sizes = (study["n_in"], *[study["n"]] * (depth - 1), study["n_out"])
                net = draw_net(rng, activation, sizes)
                hs = net.all_layers(rng.normal(size=sizes[0]))
                layers = [net.by_formula(k, hs[k]) for k in range(depth)]
                for k in range(1, depth):
                    for last in range(k + 1, depth + 1):
                        jacobian = net.differentiated(k, last, hs[k])
                        form = reduce(lambda below, above: above @ below, layers[k:last])
                        smallest = min(smallest, float(jacobian.min()))
                        size = max(np.abs(form).max(), 1e-300)
                        residual = max(residual, float(np.abs(jacobian - form).max() / size))
                by_input = min(by_input, float(net.differentiated(0, depth, hs[0]).min()))
                net.weights[1][...] *= -1
                broken = min(broken, float(net.differentiated(1, depth, hs[1]).min()))
        lowest[activation] = smallest
    return {"lowest": lowest, "residual": residual, "by_input": by_input, "negative_layer": broken}


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = [
        at_least(f"smallest entry of dh_l/dh_k, 1 <= k < l, {activation}", lowest, -1e-12, paper=">= 0")
        for activation, lowest in measured["lowest"].items()
    ]
    by_input, broken = measured["by_input"], measured["negative_layer"]
    return [
        *checks,
        at_most("relative residual to the product of the layers", measured["residual"], 1e-10),
        holds("control: derivatives by the input are negative too", by_input < 0, by_input),
        holds("control: so are those through a layer of negative weights", broken < 0, broken),
    ]


CLAIM = Claim(
    id="mdfa-lemma3",
    source="mDFA, Lemma 3",
    statement="Above the first layer of a mono-net no derivative of a later layer by an earlier one is negative.",
    kind=("exact",),
    cost="seconds",
    settings={"depths": [2, 3, 4, 5], "nets": 30, "n_in": 6, "n": 7, "n_out": 2},
    measure=measure,
    judge=judge,
)
