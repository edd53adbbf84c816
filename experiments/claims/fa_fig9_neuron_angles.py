"""FA supplement, Fig. 9: neuron by neuron, the forward weights turn towards the feedback weights.

A 20-1000-20 network learns a nonlinear function by feedback alignment; for every hidden neuron, the angle between its
column of W and its row of B, before and after.

Not stated; ours: two target functions, a tanh teacher 20-50-20 and the quadratic one of Fig. 14; tanh hidden, linear
output, weights from U(+-1/sqrt(inputs of the layer)), those of the output a tenth of that, feedback from U(-1, 1),
batches of 100 drawn fresh, 10,000 updates at rate 0.004 (0.008 diverges on the quadratic function). Small feedback
leaves the output to learn alone: the angles then move little in this time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, between, less
from edgelearn.reproduction.study import Study, Work
from experiments.claims._teacher import TanhNets, learn_together, quadratic_teacher, tanh_teacher, uniform_nets
from experiments.float_nets.measures import angle

TASKS = ("tanh teacher", "quadratic")


def neuron_angles(nets: TanhNets) -> Any:
    """Return the angle of each hidden neuron's outgoing weights with its feedback weights, in degrees."""
    assert nets.B is not None
    return angle(nets.W[-1], nets.B[-1].swapaxes(1, 2)).ravel()


def learn_and_align(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Return the NSE over time and the angles before and after."""
    rng = np.random.default_rng(settings["seed"])
    inputs, hidden, outputs = settings["student"]
    if settings["task"] == "quadratic":
        task = quadratic_teacher(rng, 1, inputs, outputs)
    else:
        task = tanh_teacher(rng, 1, settings["teacher"])
    nets = uniform_nets(np.random.default_rng([settings["seed"], 1]), 1, settings["student"], "fa")
    nets.W[1] = np.float32(0.1) * nets.W[1]
    nets.B = [nets.W[0], np.asarray(rng.uniform(-1, 1, (1, outputs, hidden)), np.float32)]
    before = neuron_angles(nets)
    curves = learn_together({"fa": nets}, task, rng, settings, work)
    return {"steps": curves["steps"], "nse": curves["nse"]["fa"][0], "before": before, "after": neuron_angles(nets)}


def measure(study: Study) -> dict[str, Any]:
    runs = [study.settings | {"task": task, "seed": study.seed} for task in TASKS]
    return {"runs": dict(zip(TASKS, study.map(learn_and_align, runs), strict=True))}


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for task, run in measured["runs"].items():
        before, after = np.array(run["before"]), np.array(run["after"])
        below = float((after < 90).mean())
        checks += [
            between(f"{task}: mean angle before", before.mean(), 87, 93, paper=90),
            at_least(f"{task}: fall of the mean angle, degrees", before.mean() - after.mean(), 15, needs_full=True),
            at_least(f"{task}: share of neurons below 90 degrees after", below, 0.9, needs_full=True),
            less(f"{task}: NSE at the end against before", run["nse"][-1], run["nse"][0], paper="falls"),
        ]
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots(1, 1 + len(measured["runs"]))
    bins = np.linspace(0, 180, 61)
    for axis, (task, run) in zip(axes[1:], measured["runs"].items(), strict=True):
        axes[0].semilogy(run["steps"], run["nse"], label=task)
        axis.hist(run["before"], bins, color="grey", alpha=0.6, label="before")
        axis.hist(run["after"], bins, color="C2", alpha=0.6, label="after")
        axis.set(xlabel="angle of W and B, degrees", ylabel="neurons", title=task)
        axis.legend()
    axes[0].set(xlabel="update", ylabel="NSE")
    axes[0].legend()


CLAIM = Claim(
    id="fa-fig9-neuron-angles",
    source="FA, supplementary Fig. 9",
    statement="Neuron by neuron, forward weights turn from 90 degrees towards the feedback weights.",
    kind=("order",),
    cost="minutes",
    settings={
        "student": [20, 1000, 20],
        "teacher": [20, 50, 20],
        "repeats": 1,
        "steps": 10_000,
        "batch": 100,
        "eta": 0.004,
        "every": 250,
    },
    quick={"steps": 500},
    measure=measure,
    judge=judge,
    draw=draw,
)
