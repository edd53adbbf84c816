"""FA supplement, Fig. 10: three linear neurons in a row; small weights flow to the good branch of W A = T.

y = W A x, y* = T x with T = B = 1; W' = E A, A' = B E, E = 1 - W A. 2 B W - A^2 is constant, so paths are parabolas;
a step changes it by exactly -dA^2 (ours). All paths end on the hyperbola W A = 1, on the branch W > 0, or, from some
starts, on the part |A| > 1 of the branch W < 0, where e W B e < 0: there the signal through B points away from the
gradient, and yet E' = -(A^2 + W) E is stable.

Rates, the grid of starts and the time of the flow are not stated; ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, between, holds
from edgelearn.reproduction.study import Study
from experiments.claims._linear_nets import Array, LinearNets, halvings


def neurons(A: Array, W: Array, eta: float) -> LinearNets:
    """Return nets of three neurons, one a start; T = B = 1."""
    one = np.ones((A.size, 1, 1))
    return LinearNets(A.reshape(-1, 1, 1), W.reshape(-1, 1, 1), one, one, eta)


def grid(reach: float, points: int) -> tuple[Array, Array]:
    A, W = np.meshgrid(np.linspace(-reach, reach, points), np.linspace(-reach, reach, points))
    return A.ravel(), W.ravel()


def flow(nets: LinearNets, steps: int) -> float:
    """Run the nets; return the largest |2 B W - A^2 + sum dA^2 - its start|."""
    start, moved, worst = nets.c(), 0.0, 0.0
    for _ in range(steps):
        moved = moved + nets.learn() ** 2
        worst = max(worst, float(np.abs(nets.c() + moved - start).max()))
    return worst


def measure(study: Study) -> dict[str, Any]:
    eta, steps = study["eta"], round(study["time"] / study["eta"])
    starts = grid(2.0, study["points"])
    wide, small = neurons(*starts, eta), neurons(*grid(0.1, study["points"]), eta)
    residual = max(flow(wide, steps), flow(small, steps))

    drifts = []
    for halved in range(3):
        nets = neurons(*starts, study["flow_eta"] / 2**halved)
        start = nets.c()
        for _ in range(round(study["flow_time"] / nets.eta)):
            nets.learn()
        drifts.append(float(np.abs(nets.c() - start).mean()))

    rng = study.rng("paths")
    path = neurons(rng.uniform(-2, 2, study["paths"]), rng.uniform(-2, 2, study["paths"]), eta)
    path.A[0], path.W[0] = 0.05, 0.05
    seen = []
    for step in range(1000):
        if step % 10 == 0:
            seen.append([path.A.ravel().tolist(), path.W.ravel().tolist()])
        path.learn()
    return {
        "residual": residual,
        "drifts": drifts,
        "starts": [each.tolist() for each in starts],
        "good": (wide.W.ravel() > 0).tolist(),
        "furthest_wide": float(np.abs(wide.error()).max()),
        "furthest_small": float(np.abs(small.error()).max()),
        "small_on_good": float((small.W > 0).mean()),
        "least_stability": float((wide.A**2 + wide.W).min()),
        "paths": seen,
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    ratios = halvings(measured["drifts"])
    bad = 1 - float(np.mean(measured["good"]))
    return [
        at_most("2 B W - A^2 + sum dA^2, change in a run", measured["residual"], 1e-10, paper=0),
        between("drift of 2 B W - A^2 in a fixed time, before and after halving the rate", ratios[0], 1.8, 2.2),
        between("drift, halved again", ratios[1], 1.8, 2.2),
        at_most("|1 - W A| at the end, furthest start in [-2, 2]^2", measured["furthest_wide"], 1e-6, paper="-> 0"),
        at_least(
            "A^2 + W at the ends, smallest (> 0 where W A = 1 is stable)", measured["least_stability"], 0, paper="> 0"
        ),
        holds(
            "starts with |A|, |W| <= 0.1 reach the branch W > 0",
            measured["small_on_good"] == 1 and measured["furthest_small"] < 1e-6,
            measured["small_on_good"],
            "all",
        ),
        between("share of starts in [-2, 2]^2 that reach the bad branch", bad, 1e-9, 0.5, paper="a small region"),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    A, W = (np.array(each) for each in measured["starts"])
    bad = ~np.array(measured["good"])
    axes.scatter(A[bad], W[bad], s=14, marker="s", color="lightgrey", label="starts that flow to the bad branch")
    for k, path in enumerate(np.moveaxis(np.array(measured["paths"]), 2, 0)):
        color, width = ("C3", 2.5) if k == 0 else ("C0", 0.6)
        axes.plot(path[:, 0], path[:, 1], color=color, linewidth=width, label="from near 0" if k == 0 else None)
    right = np.linspace(0.4, 2.5, 100)
    axes.plot(right, 1 / right, "k", linewidth=2, label="W A = 1, stable")
    far, near_zero = np.linspace(1, 2.5, 50), np.linspace(0.4, 1, 50)
    axes.plot(-far, -1 / far, "k", linewidth=2)
    axes.plot(-near_zero, -1 / near_zero, "k--", linewidth=2, label="W A = 1, unstable")
    axes.set(xlabel="A", ylabel="W", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
    axes.legend(loc="lower right")


CLAIM = Claim(
    id="fa-fig10-flow",
    source="FA, supplementary Fig. 10",
    statement="Three neurons flow along parabolas to W A = T; from small weights always to the branch W > 0.",
    kind=("exact", "flow", "order"),
    cost="seconds",
    settings={
        "eta": 0.01,
        "time": 100,
        "points": 40,
        "flow_eta": 0.01,
        "flow_time": 1,
        "paths": 40,
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
