"""FA supplement, eq. 10: C = B W + W^T B^T - A A^T is a constant of feedback alignment in a linear network.

In steps it is exact too, and needs neither small rates nor white inputs nor a full batch: B dW + dW^T B^T = dA A^T +
A dA^T for every batch, hence C(t+1) - C(t) = -dA dA^T (ours). Plain steps are needed: momentum, Adam and weight decay
break it, and stand here as controls that must fail. (The print first writes -C, against its own definition.)

Sizes 30-20-10 are the supplement's; starting weights from U(-0.1, 0.1), B and T from N(0, 1), batches and rates are
ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, between
from edgelearn.reproduction.study import Study
from experiments.claims._linear_nets import Array, LinearNets, halvings, normal_nets, squared, turned

OPTIMIZERS = ("plain", "momentum", "adam", "weight decay")


def change(optimizer: str, step: int, weights: Array, update: Array, memory: list[Array], eta: float) -> Array:
    """Return what an optimizer makes of an update in descent direction; `memory` holds its two averages."""
    if optimizer == "momentum":
        memory[0] = 0.9 * memory[0] + eta * update
        return memory[0]
    if optimizer == "adam":
        memory[0] = 0.9 * memory[0] + 0.1 * update
        memory[1] = 0.999 * memory[1] + 0.001 * update**2
        mean, square = memory[0] / (1 - 0.9**step), memory[1] / (1 - 0.999**step)
        return eta * mean / (np.sqrt(square) + 1e-8)
    return eta * update - (1e-2 * eta * weights if optimizer == "weight decay" else 0.0)


def residual(rng: np.random.Generator, settings: dict[str, Any], batch: int, eta: float, optimizer: str) -> float:
    """Return the largest norm of C(t) - C(0) + sum dA dA^T over norm(A)^2 in a run on random batches."""
    nets = normal_nets(rng, settings["repeats"], settings["sizes"], settings["spread"])
    start, moved, worst = nets.c(), 0.0, 0.0
    memory_A, memory_W = [np.zeros_like(nets.A)] * 2, [np.zeros_like(nets.W)] * 2
    for step in range(1, settings["steps"] + 1):
        x = rng.normal(0, 1, (settings["repeats"], settings["sizes"][0], batch))
        h = nets.A @ x
        e = nets.T @ x - nets.W @ h
        dA = change(optimizer, step, nets.A, nets.B @ e @ turned(x) / batch, memory_A, eta)
        dW = change(optimizer, step, nets.W, e @ turned(h) / batch, memory_W, eta)
        nets.A, nets.W = nets.A + dA, nets.W + dW
        moved = moved + dA @ turned(dA)
        off = np.sqrt(squared(nets.c() - start + moved)) / squared(nets.A)
        worst = max(worst, float(off.max()))
    return worst


def drift(nets: LinearNets, time: float) -> float:
    """Return how far C moves in a time of flow."""
    start = nets.c()
    for _ in range(round(time / nets.eta)):
        nets.learn()
    return float(np.sqrt(squared(nets.c() - start)).mean())


def measure(study: Study) -> dict[str, Any]:
    runs = [(batch, eta) for batch in study["batches"] for eta in study["etas"]]
    plain = {
        f"batch {batch}, eta {eta:g}": residual(study.rng("nets"), study.settings, batch, eta, "plain")
        for batch, eta in runs
    }
    batch, eta = study["batches"][-1], study["etas"][0]
    optimizers = {each: residual(study.rng("nets"), study.settings, batch, eta, each) for each in OPTIMIZERS[1:]}
    rates = [study["flow_eta"] / 2**k for k in range(3)]
    nets = [normal_nets(study.rng("nets"), study["repeats"], study["sizes"], study["spread"], rate) for rate in rates]
    drifts = [drift(each, study["flow_time"]) for each in nets]
    return {"plain": plain, "optimizers": optimizers, "rates": rates, "drifts": drifts}


def judge(measured: dict[str, Any]) -> list[Check]:
    identity = "C(t) - C(0) + sum dA dA^T over norm(A)^2"
    ratios = halvings(measured["drifts"])
    return [
        *[at_most(f"{identity}, {run}", value, 1e-10, paper=0) for run, value in measured["plain"].items()],
        between("drift of C in a fixed time of flow, before and after halving the rate", ratios[0], 1.8, 2.2),
        between("drift of C, halved again", ratios[1], 1.8, 2.2),
        *[
            at_least(f"{identity} with {name} (control, must break)", value, 1e-6)
            for name, value in measured["optimizers"].items()
        ],
    ]


CLAIM = Claim(
    id="fa-linear-invariant",
    source="FA, supplementary note 11, eq. 10",
    statement="B W + W^T B^T - A A^T is constant while a linear network learns by feedback alignment.",
    kind=("exact", "flow"),
    cost="seconds",
    settings={
        "sizes": [30, 20, 10],
        "repeats": 5,
        "spread": 0.1,
        "steps": 500,
        "batches": [1, 10, 100],
        "etas": [1e-4, 3e-4],
        "flow_eta": 1e-4,
        "flow_time": 0.4,
    },
    measure=measure,
    judge=judge,
)
