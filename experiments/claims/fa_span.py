"""Layer-wise FA is conserved, Lemma A.1: in a two-layer linear network under FA, w = W_1 W_2 stays in span(X^T).

The steps are W_1' = -eta X^T e B^T and W_2' = -eta W_1^T X^T e with e = X w - y. Printed with the assumption that
w(0) is in span(X^T); the proof needs W_1(0) there, and that is more: with W_2(0) = 0 any W_1(0) gives w(0) = 0 in
the span, and w leaves it at once (negative control). What W_1(0) has outside the span never changes. Not stated;
ours: 10 samples, 40 inputs, 20 hidden, W_1 of deviation 0.1, B from N(0, 1) and W_2(0) = B, both as in the paper's
experiment.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study
from experiments.claims._layerwise_fa import (
    Net,
    Task,
    aligned_net,
    errors,
    leaky,
    linear_task,
    normal_weights,
    plain,
    train,
)


def measure(study: Study) -> dict[str, Any]:
    rng = study.rng("net")
    task = linear_task(rng, study["samples"], study["inputs"])
    first, second = normal_weights(rng, [study["inputs"], study["hidden"], 1], [0.1, 1.0])
    inside = np.linalg.pinv(task.x) @ task.x  # projects on span(X^T)
    net = aligned_net([inside @ first, second], leaky(1.0))
    loose = aligned_net([first, second], leaky(1.0))
    silent = Net([first, 0 * second], [first, second], leaky(1.0))
    loose_start = first - inside @ first
    projected, changed = _shares_outside(study, net, task, inside), 0.0
    for _ in train(loose := loose.copy(), repeat(task, study["steps"]), plain(study["eta"])):
        outside = loose.weights[0] - inside @ loose.weights[0]
        changed = max(changed, float(np.linalg.norm(outside - loose_start) / np.linalg.norm(loose_start)))
    return {
        "step_residual": _step_residual(study, net, task),
        "outside_of_W1": max(projected["W1"]),
        "outside_of_w": max(projected["w"]),
        "change_of_the_part_outside": changed,
        "outside_of_w_when_only_w_starts_inside": _shares_outside(study, silent, task, inside)["w"],
        "outside_of_w_when_W1_starts_inside": projected["w"],
    }


def _shares_outside(study: Study, net: Net, task: Task, inside: np.ndarray) -> dict[str, list[float]]:
    """Return, after each step, which share of W_1 and of w is outside span(X^T)."""
    net = net.copy()
    shares: dict[str, list[float]] = {"W1": [], "w": []}
    for _ in train(net, repeat(task, study["steps"]), plain(study["eta"])):
        for name, matrix in (("W1", net.weights[0]), ("w", net.weights[0] @ net.weights[1])):
            shares[name].append(float(np.linalg.norm(matrix - inside @ matrix) / np.linalg.norm(matrix)))
    return shares


def _step_residual(study: Study, net: Net, task: Task) -> float:
    """Return how far the steps of layer-wise FA are from the printed equations, at worst."""
    net, worst = net.copy(), 0.0
    for _ in range(study["steps"] // 10):
        back = -study["eta"] * task.x.T @ errors(net, task)
        printed = [back @ net.feedback[1].T, net.weights[0].T @ back]
        (added,) = train(net, [task], plain(study["eta"]))
        for dw, equation in zip(added, printed, strict=True):
            worst = max(worst, float(np.linalg.norm(dw - equation) / np.linalg.norm(equation)))
    return worst


def judge(measured: dict[str, Any]) -> list[Check]:
    leaving = measured["outside_of_w_when_only_w_starts_inside"]
    return [
        at_most("steps against the printed equations", measured["step_residual"], 1e-10),
        at_most("share of W_1 outside the span, W_1(0) inside", measured["outside_of_W1"], 1e-10),
        at_most("share of w outside the span, W_1(0) inside", measured["outside_of_w"], 1e-10),
        at_most("change of what W_1(0) has outside", measured["change_of_the_part_outside"], 1e-10),
        at_least("control: share of w outside, only w(0) inside", max(leaving), 0.1),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    steps = np.arange(1, len(measured["outside_of_w_when_W1_starts_inside"]) + 1)
    for name, key in (("W_1(0) inside", "W1_starts_inside"), ("only w(0) = 0 inside", "only_w_starts_inside")):
        axes.plot(steps, measured[f"outside_of_w_when_{key}"], label=name)
    axes.set(xlabel="steps", ylabel="share of w outside span(X^T)", yscale="log", xscale="log")
    axes.legend()


CLAIM = Claim(
    id="fa-span",
    source="conservation, Lemma A.1",
    statement="A two-layer linear network whose first layer starts in the span of the data stays there under FA.",
    kind=("exact",),
    cost="seconds",
    settings={"samples": 10, "inputs": 40, "hidden": 20, "eta": 1e-4, "steps": 1000},
    measure=measure,
    judge=judge,
    draw=draw,
)
