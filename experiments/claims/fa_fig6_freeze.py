"""FA supplement, note 3 and Fig. 6: the first layer of a deep network learns something useful by feedback alignment.

With the first of two hidden layers frozen the network is much worse, under both rules, and even worse than one with a
single hidden layer: random features are worse than the inputs themselves.

Stated: teacher 30-20-10-10, students 30-40-10 and 30-40-20-10, tanh with linear output, inputs from N(0, 1), rate
0.05, batches of 100, all weights and biases uniform, five runs. Not stated; ours: students and feedback from
U(+-1/sqrt(inputs of the layer)), teachers uniform and scaled layer by layer to pre-activations of unit variance,
20,000 updates, batches drawn fresh, NSE on 1000 inputs of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, less
from edgelearn.reproduction.study import Study, Work
from experiments.claims._teacher import learn_together, tanh_teacher, uniform_nets

STUDENTS = {"3 layers": ([30, 40, 10], 0), "4 layers": ([30, 40, 20, 10], 0), "4 layers, frozen": ([30, 40, 20, 10], 1)}


def learn_from_teacher(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Return the NSE of all students under one rule."""
    rng = np.random.default_rng(settings["seed"])
    task = tanh_teacher(rng, settings["repeats"], settings["teacher"])
    students = {
        name: uniform_nets(
            np.random.default_rng([settings["seed"], 1]), settings["repeats"], sizes, settings["rule"], frozen
        )
        for name, (sizes, frozen) in STUDENTS.items()
    }
    return learn_together(students, task, rng, settings, work)


def measure(study: Study) -> dict[str, Any]:
    rules = ("bp", "fa")
    found = study.map(learn_from_teacher, [study.settings | {"rule": rule, "seed": study.seed} for rule in rules])
    curves = {
        f"{rule.upper()}, {name}": curve
        for rule, each in zip(rules, found, strict=True)
        for name, curve in each["nse"].items()
    }
    return {"steps": found[0]["steps"], "nse": curves}


def judge(measured: dict[str, Any]) -> list[Check]:
    final = {name: float(np.mean(np.array(curve)[:, -1])) for name, curve in measured["nse"].items()}
    checks = []
    for rule in ("BP", "FA"):
        three, four, frozen = (final[f"{rule}, {name}"] for name in STUDENTS)
        checks += [
            at_least(
                f"{rule}, 4 layers: NSE with the first layer frozen over NSE without",
                frozen / four,
                2,
                paper="much worse",
                needs_full=True,
            ),
            less(f"{rule}: NSE of 3 layers against 4 layers frozen", three, frozen, paper="frozen is worse"),
        ]
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    colors = ("grey", "black", "C9", "C8", "darkgreen", "magenta")
    for (name, curve), color in zip(measured["nse"].items(), colors, strict=True):
        values = np.array(curve)
        axes.semilogy(measured["steps"], values.mean(0), color=color, label=name)
        axes.fill_between(measured["steps"], values.min(0), values.max(0), color=color, alpha=0.15, linewidth=0)
    axes.set(xlabel="update", ylabel="NSE, mean and range of the runs")
    axes.legend()


CLAIM = Claim(
    id="fa-fig6-freeze",
    source="FA, supplementary note 3 and Fig. 6",
    statement="Feedback alignment teaches the deeper of two hidden layers: freezing it hurts, as it does under BP.",
    kind=("order",),
    cost="minutes",
    settings={"teacher": [30, 20, 10, 10], "repeats": 5, "steps": 20_000, "batch": 100, "eta": 0.05, "every": 200},
    quick={"steps": 2000},
    measure=measure,
    judge=judge,
    draw=draw,
)
