"""Layer-wise FA is conserved, remark after the proof of Theorem 5.1: from W = 0, <W_(i+1)(t), B_(i+1)> = norm(W_i(t))^2
/ 2 >= 0, so that no layer ever turns against its feedback.

That is a law of the flow. Ours is the form for finite steps, an identity: (sum over the steps of norm(dW_i)^2) / 2
comes off the right-hand side. With B other than 0 the layers wake up one a step, from the first: a layer moves as
soon as something enters it. A ReLU network never starts from zero, because f'(0) = 0 by the usual convention and no
signal gets back; linear and leaky networks do. B and sizes are not stated; ours: B from N(0, 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, between, holds
from edgelearn.reproduction.study import Study
from experiments.claims._layerwise_fa import (
    Activation,
    Course,
    Net,
    Task,
    follow,
    halving_ratios,
    leaky,
    linear_task,
    normal_weights,
    plain,
)

NETS: dict[str, tuple[list[int], Activation]] = {
    "2 layers, linear": ([40, 20, 1], leaky(1.0)),
    "2 layers, leaky ReLU": ([40, 20, 1], leaky(0.1)),
    "3 layers, linear": ([40, 20, 15, 1], leaky(1.0)),
    "3 layers, leaky ReLU": ([40, 20, 15, 1], leaky(0.1)),
}


def measure(study: Study) -> dict[str, Any]:
    eta, steps = study["eta"], study["steps"]
    residuals, lowest, ratios, woken, left, curves = {}, {}, {}, {}, {}, {}
    for name, (sizes, activation) in NETS.items():
        net, task = _start(study, sizes, activation)
        courses = [follow(net, task, plain(eta / 2**k), steps * 2**k) for k in range(3)]
        residuals[name] = max(_residual(course) for course in courses)
        lowest[name] = float(courses[0].alignments.min())
        ratios[name] = halving_ratios([float(course.moved[-1, :-1].sum()) for course in courses])
        woken[name] = [int(np.argmax(column > 0)) for column in courses[0].half_squares.T]
        left[name] = float(courses[0].loss[-1] / courses[0].loss[0])
        curves[name] = {
            "alignment": courses[0].alignments[:: max(1, steps // 100), 0],
            "half_square": courses[0].half_squares[:: max(1, steps // 100), 0],
        }
    relu = follow(*_start(study, [40, 20, 1], leaky(0.0)), plain(eta), steps)
    return {
        "residuals": residuals,
        "lowest_alignment": lowest,
        "correction_ratios_when_eta_halves": ratios,
        "first_step_that_moves_each_layer": woken,
        "loss_left": left,
        "relu_moved": float(relu.moved.max()),
        "first_layer": curves,
        "steps": steps,
    }


def _start(study: Study, sizes: list[int], activation: Activation) -> tuple[Net, Task]:
    rng = study.rng("nets", *sizes)
    task = linear_task(rng, study["samples"], sizes[0])
    feedback = normal_weights(rng, sizes, [1.0] * (len(sizes) - 1))
    return Net([np.zeros(b.shape) for b in feedback], feedback, activation), task


def _residual(course: Course) -> float:
    missing = course.alignments - course.half_squares[:, :-1] + course.moved[:, :-1]
    return float((np.abs(missing).max(axis=0) / course.half_squares[-1, :-1]).max())


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for name, residual in measured["residuals"].items():
        woken = measured["first_step_that_moves_each_layer"][name]
        in_turn = woken == list(range(1, len(woken) + 1))
        checks.append(at_most(f"identity of finite steps: {name}", residual, 1e-10))
        checks.append(at_least(f"lowest alignment: {name}", measured["lowest_alignment"][name], 0, paper=">= 0"))
        for ratio in measured["correction_ratios_when_eta_halves"][name]:
            checks.append(between(f"what finite steps correct halves with eta: {name}", ratio, 1.8, 2.2, paper=2))
        checks.append(holds(f"layers wake up one a step, from the first: {name}", in_turn, str(woken)))
    return [*checks, at_most("what a ReLU net moves from zero", measured["relu_moved"], 0)]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for name, curves in measured["first_layer"].items():
        steps = np.linspace(0, measured["steps"], len(curves["alignment"]))
        (line,) = axes.plot(steps, curves["alignment"], label=f"<W_2, B_2>, {name}")
        axes.plot(steps, curves["half_square"], ":", color=line.get_color(), lw=3)
    axes.set(xlabel="steps", ylabel="alignment; dotted: norm(W_1)^2 / 2")
    axes.legend(fontsize=8)


CLAIM = Claim(
    id="fa-zero-init",
    source="conservation, remark after the proof of Theorem 5.1",
    statement="From zero weights the alignment of a layer is half the squared norm of the layer before it.",
    kind=("exact", "flow"),
    cost="seconds",
    settings={"samples": 10, "eta": 1e-4, "steps": 1000},
    measure=measure,
    judge=judge,
    draw=draw,
)
