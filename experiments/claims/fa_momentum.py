"""FA supplement, note 8 and Fig. 8: momentum speeds feedback alignment up.

v <- alpha v + update, weights <- weights + v, with alpha = 0, 0.5 and 0.9, the same start and the same data for all
three. The task is that of main figure 3d, two hidden layers that learn from a teacher: the networks of Fig. 6, as
there. A speed-up is judged by the updates needed to reach the NSE that alpha = 0 has at its end, in the mean of the
repeats.

Rate 0.05 is that of Fig. 6; 5 repeats and 2000 updates are not stated; ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, less
from edgelearn.reproduction.study import Study, Work
from experiments.claims._teacher import learn_together, tanh_teacher, uniform_nets


def learn_with_momentum(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Return the NSE at each momentum."""
    rng = np.random.default_rng(settings["seed"])
    task = tanh_teacher(rng, settings["repeats"], settings["teacher"])
    students = {}
    for alpha in settings["momenta"]:
        start = np.random.default_rng([settings["seed"], 1])
        students[str(alpha)] = uniform_nets(start, settings["repeats"], settings["student"], "fa", momentum=alpha)
    return learn_together(students, task, rng, settings, work)


def measure(study: Study) -> dict[str, Any]:
    return study.run(learn_with_momentum, study.settings | {"seed": study.seed})


def steps_needed(measured: dict[str, Any]) -> dict[str, float]:
    """Return the updates to the final NSE of alpha = 0; infinity where it is not reached."""
    means = {alpha: np.mean(curve, axis=0) for alpha, curve in measured["nse"].items()}
    goal = means["0.0"][-1]
    reached = {alpha: np.nonzero(curve <= goal)[0] for alpha, curve in means.items()}
    return {alpha: float(measured["steps"][found[0]]) if len(found) else np.inf for alpha, found in reached.items()}


def judge(measured: dict[str, Any]) -> list[Check]:
    needed = steps_needed(measured)
    return [
        less("updates needed, alpha = 0.9 against 0.5", needed["0.9"], needed["0.5"], paper="quicker"),
        less("updates needed, alpha = 0.5 against 0", needed["0.5"], needed["0.0"], paper="quicker"),
        at_least("speed-up of alpha = 0.9", needed["0.0"] / needed["0.9"], 2, paper="significant"),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for alpha, curve in measured["nse"].items():
        axes.semilogy(measured["steps"], np.mean(curve, axis=0), label=f"FA, momentum {alpha}")
    axes.axhline(np.mean(measured["nse"]["0.0"], axis=0)[-1], color="grey", linestyle=":")
    axes.set(xlabel="update", ylabel="NSE, mean of the repeats")
    axes.legend()


CLAIM = Claim(
    id="fa-momentum",
    source="FA, supplementary note 8 and Fig. 8",
    statement="Momentum speeds feedback alignment up.",
    kind=("order",),
    cost="seconds",
    settings={
        "teacher": [30, 20, 10, 10],
        "student": [30, 40, 20, 10],
        "momenta": [0.0, 0.5, 0.9],
        "repeats": 5,
        "steps": 2000,
        "batch": 100,
        "eta": 0.05,
        "every": 20,
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
