"""Layer-wise FA is conserved, section 5, corollary: W_(i+1)(0) = B_(i+1) and norm(W_i(0)) <= norm(W_(i+1)(0)) give
<W_(i+1)(t), B_(i+1)> >= norm(W_(i+1)(0))^2 - norm(W_i(0))^2 / 2 >= 0, so every layer stays aligned with its
feedback.

That is a law of the flow. Ours is the form for finite steps, an identity: the alignment equals norm(W_(i+1)(0))^2 -
norm(W_i(0))^2 / 2 + norm(W_i(t))^2 / 2 - (sum over the steps of norm(dW_i)^2) / 2. The last term is what large steps
can fall below the bound by. Two negative controls learn one sample x of norm 1 from W_1 = c x^T B^T, a start that FA
can take back: a step so large that the alignment falls below its bound, and a small step from norm(W_1(0)) = 3
norm(W_2(0)), outside the corollary, where the alignment turns negative and stays so.

Not stated; ours: sizes, eta, targets. The target is a negative multiple of the first output, which pulls against B.
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
    aligned_net,
    follow,
    forward,
    halving_ratios,
    leaky,
    linear_task,
    normal_weights,
    plain,
)

NETS: dict[str, tuple[list[int], Activation]] = {
    "2 layers, linear": ([40, 20, 1], leaky(1.0)),
    "2 layers, ReLU": ([40, 20, 1], leaky(0.0)),
    "3 layers, ReLU": ([40, 20, 15, 1], leaky(0.0)),
    "4 layers, leaky ReLU": ([40, 20, 15, 10, 1], leaky(0.1)),
}

CONTROL_STEPS = 100  # of the controls that are drawn


def measure(study: Study) -> dict[str, Any]:
    eta, steps = study["eta"], study["steps"]
    residuals, margins, excess, ratios, curves = {}, {}, {}, {}, {}
    for name, (sizes, activation) in NETS.items():
        net, task = _start(study, sizes, activation)
        courses = [follow(net, task, plain(eta / 2**k), steps * 2**k) for k in range(3)]
        residuals[name] = max(_residual(course) for course in courses)
        margins[name] = float((courses[0].alignments - _bound(courses[0])).min())
        excess[name] = float((courses[0].moved[-1, :-1] / _bound(courses[0])).max())
        ratios[name] = halving_ratios([float(course.moved[-1, :-1].sum()) for course in courses])
        curves[name] = _worst_share(courses[0])
    large = follow(*_one_sample(study, 1.0), plain(study["large_eta"]), steps)
    outside = follow(*_one_sample(study, 3.0), plain(study["eta"]), steps)
    return {
        "residuals": residuals,
        "residual_at_the_large_step": _residual(large),
        "margin_over_the_bound": margins,
        "correction_over_the_bound": excess,
        "correction_ratios_when_eta_halves": ratios,
        "margin_at_the_large_step": float((large.alignments - _bound(large)).min()),
        "alignment_outside_the_corollary": float(outside.alignments.min()),
        "alignment_over_its_bound": curves,
        "alignments_of_controls": {
            "large step": large.alignments[:CONTROL_STEPS, 0],
            "outside the corollary": outside.alignments[:CONTROL_STEPS, 0],
        },
        "bound_of_the_large_step": float(_bound(large)[0]),
        "loss_left": {"large step": large.loss[-1] / large.loss[0], "outside": outside.loss[-1] / outside.loss[0]},
        "steps": steps,
    }


def _start(study: Study, sizes: list[int], activation: Activation) -> tuple[Net, Task]:
    """Return a net with equal norms, at the edge of the corollary, and the task of turning its output around."""
    rng = study.rng("nets", *sizes)
    x = linear_task(rng, study["samples"], sizes[0]).x
    weights = normal_weights(rng, sizes, [1.0] * (len(sizes) - 1))
    for w in weights:
        w *= study["norm"] / np.linalg.norm(w)
    net = aligned_net(weights, activation)
    return net, Task(x, -2 * _outputs(net, x))


def _one_sample(study: Study, share: float) -> tuple[Net, Task]:
    """Return a linear net with norm(W_1) = share * norm(W_2) along x and B, and the task of turning its output."""
    rng = study.rng("one sample")
    x, second = rng.normal(size=(1, 40)), rng.normal(size=(20, 1))
    x, second = x / np.linalg.norm(x), study["norm"] * second / np.linalg.norm(second)
    net = aligned_net([share * x.T @ second.T, second], leaky(1.0))
    return net, Task(x, -_outputs(net, x))


def _outputs(net: Net, x: np.ndarray) -> np.ndarray:
    return forward(net, x)[0][-1]


def _bound(course: Course) -> np.ndarray:
    squares = course.half_squares[0]
    return np.asarray(2 * squares[1:] - squares[:-1])


def _residual(course: Course) -> float:
    identity = _bound(course) + course.half_squares[:, :-1] - course.moved[:, :-1]
    return float((np.abs(course.alignments - identity).max(axis=0) / course.alignments[0]).max())


def _worst_share(course: Course) -> np.ndarray:
    curve = (course.alignments / _bound(course)).min(axis=1)
    return np.asarray(curve[:: max(1, len(curve) // 100)])


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for name, residual in measured["residuals"].items():
        checks.append(at_most(f"identity of finite steps: {name}", residual, 1e-10))
        checks.append(
            at_least(f"smallest alignment minus its bound: {name}", measured["margin_over_the_bound"][name], 0)
        )
        for ratio in measured["correction_ratios_when_eta_halves"][name]:
            checks.append(between(f"what finite steps correct halves with eta: {name}", ratio, 1.8, 2.2, paper=2))
    large, outside = measured["margin_at_the_large_step"], measured["alignment_outside_the_corollary"]
    return [
        *checks,
        at_most("identity of finite steps, large step", measured["residual_at_the_large_step"], 1e-10),
        holds("control: a large step falls below the bound of the flow", large < 0, large),
        holds("control: outside the corollary the alignment turns negative", outside < 0, outside),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes, controls = figure.subplots(1, 2)
    for name, curve in measured["alignment_over_its_bound"].items():
        axes.plot(np.linspace(0, measured["steps"], len(curve)), curve, label=name)
    axes.axhline(1, color="black", lw=0.8, ls=":", label="bound of the corollary")
    axes.set(xlabel="steps", ylabel="<W, B> over its bound, least aligned layer")
    axes.legend(fontsize=8)
    for name, curve in measured["alignments_of_controls"].items():
        controls.plot(curve, label=name)
    controls.axhline(measured["bound_of_the_large_step"], color="black", lw=0.8, ls=":", label="bound, large step")
    controls.set(xlabel="steps", ylabel="<W, B>", title="negative controls")
    controls.legend(fontsize=8)


CLAIM = Claim(
    id="fa-alignment-bound",
    source="conservation, section 5, corollary of Theorem 5.1",
    statement="From W(0) = B and growing norms every layer stays aligned with its feedback for all time.",
    kind=("exact", "flow"),
    cost="seconds",
    settings={
        "samples": 10,
        "norm": 2.0,
        "eta": 1e-3,
        "large_eta": 0.1,
        "steps": 600,
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
