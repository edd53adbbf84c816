"""FA supplement, note 15: pseudobackprop, W^+ in the place of W^T, is Gauss-Newton for the hidden units.

With delta_GN = W^+ e the update dA = eta ((W^+ e) (.) D) x^T moves the hidden units by eta D^2 norm(x)^2 delta_GN, to
first order in eta; D is the derivative of tanh. The second part is an order: on a linear task pseudobackprop needs no
more steps than backpropagation, each at its best rate. The supplement itself calls it of little practical interest.

Not stated; ours: 30-20-10 with tanh and weights from N(0, 1/fan-in) for the first part; for the second a linear
teacher of the same three sizes, T = W_t A_t from N(0, 1/fan-in), students from U(-w, w) for three w, both layers at
one rate, rates in factors of 2^(1/2), the target NSE 0.01. The order hangs on the teacher: where all elements of T
are drawn from N(0, 1), of singular values much alike, the two need about as many steps (18 to 16 for w = 0.01, 14.5
to 16 for w = 0.03, 27 to 35 for w = 0.001).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, between, holds
from edgelearn.reproduction.study import Study
from experiments.claims._linear_nets import halvings, normal_nets, turned

RULES = ("bp", "pseudobackprop")


def off_first_order(rng: np.random.Generator, sizes: list[int], etas: list[float]) -> list[float]:
    """Return norm(dh - eta D^2 norm(x)^2 W^+ e) of one update at each rate."""
    inputs, hidden, outputs = sizes
    A = rng.normal(0, 1, (hidden, inputs)) / np.sqrt(inputs)
    W = rng.normal(0, 1, (outputs, hidden)) / np.sqrt(hidden)
    x, y_star = rng.normal(0, 1, inputs), rng.normal(0, 1, outputs)
    h = np.tanh(A @ x)
    D = 1 - h**2
    gauss_newton = np.linalg.pinv(W) @ (y_star - W @ h)
    moved = [np.tanh((A + eta * np.outer(gauss_newton * D, x)) @ x) - h for eta in etas]
    first_order = [eta * D**2 * (x @ x) * gauss_newton for eta in etas]
    return [float(np.linalg.norm(a - b)) for a, b in zip(moved, first_order, strict=True)]


def steps_to(goal: float, study: Study, rule: str, spread: float, eta: float) -> list[int]:
    """Return the steps to an NSE, one number a repeat; the limit where it is not reached."""
    inputs, hidden, outputs = study["sizes"]
    repeats, rng = study["repeats"], study.rng("nets")
    nets = normal_nets(rng, repeats, study["sizes"], spread, eta)
    above, below = rng.normal(0, 1, (repeats, outputs, hidden)), rng.normal(0, 1, (repeats, hidden, inputs))
    nets.T = above @ below / np.sqrt(hidden * inputs)
    taken = np.full(study["repeats"], study["limit"])
    for step in range(study["limit"]):
        nse = nets.nse()
        taken = np.where((nse < goal) & (taken == study["limit"]), step, taken)
        if (taken < study["limit"]).all() or not (nse < 1e3).all():
            break
        # the hidden signal is all in which the two differ
        nets.B = turned(nets.W) if rule == "bp" else np.linalg.pinv(nets.W)
        nets.learn()
    return [int(each) for each in taken]


def measure(study: Study) -> dict[str, Any]:
    off = off_first_order(study.rng("pair"), study["sizes"], study["etas"])
    tried = [
        {"rule": rule, "spread": spread, "eta": eta, "steps": steps_to(study["goal"], study, rule, spread, eta)}
        for rule in RULES
        for spread in study["spreads"]
        for eta in study["rates"]
    ]
    return {"off": off, "etas": study["etas"], "tried": tried, "spreads": study["spreads"], "limit": study["limit"]}


def curve(measured: dict[str, Any], rule: str, spread: float) -> list[tuple[float, float]]:
    """Return (rate, mean number of steps)."""
    return [
        (each["eta"], float(np.mean(each["steps"])))
        for each in measured["tried"]
        if (each["rule"], each["spread"]) == (rule, spread)
    ]


def judge(measured: dict[str, Any]) -> list[Check]:
    first, second = halvings(measured["off"])
    checks = []
    for spread in measured["spreads"]:
        bp, pseudo = (min(steps for _, steps in curve(measured, rule, spread)) for rule in RULES)
        what = f"steps to NSE 0.01 at the best rate, pseudobackprop against BP, weights within {spread:g}"
        checks.append(holds(what, pseudo <= bp, f"{pseudo:.1f} <= {bp:.1f}", "no more"))
    return [
        between("dh against eta D^2 norm(x)^2 W^+ e, residual before and after halving eta", first, 3.6, 4.4, paper=4),
        between("halved again", second, 3.6, 4.4, paper=4),
        *checks,
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots(1, len(measured["spreads"]), sharey=True, squeeze=False)[0]
    for axis, spread in zip(axes, measured["spreads"], strict=True):
        for rule in RULES:
            reached = [pair for pair in curve(measured, rule, spread) if pair[1] < measured["limit"]]
            axis.loglog(*zip(*reached, strict=True), "o-", markersize=3, label=rule)
        axis.set(xlabel="rate", title=f"A and W start within {spread:g}")
    axes[0].set_ylabel("steps to NSE 0.01, mean of the repeats")
    axes[0].legend()


CLAIM = Claim(
    id="fa-pseudobackprop",
    source="FA, supplementary note 15",
    statement="Pseudobackprop moves hidden units as Gauss-Newton does, and needs no more steps than backpropagation.",
    kind=("flow", "order"),
    cost="seconds",
    settings={
        "sizes": [30, 20, 10],
        "etas": [1e-4, 5e-5, 2.5e-5],
        "repeats": 10,
        "spreads": [0.01, 0.1, 0.3],
        "goal": 0.01,
        "limit": 400,
        "rates": [0.005 * 2 ** (k / 2) for k in range(16)],
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
