"""DRTP, Lemma: from zero weights on one example, every weight matrix stays of rank one, along v_k = B_k^T y*.

y_k = -s_yk v_k; W_1 = -s_W1 v_1 x^T; W_k = s_Wk v_k v_(k-1)^T; W_K = -s_WK v_(K-1)^T, where the factors follow the
recursions of the proof and those of hidden layers are never negative. Sizes, rates and a normal B are ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, holds
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_linear import OUTPUTS, Scalars, Task, draw_task, learn, zeros


def _residuals(task: Task, steps: int, start: list[np.ndarray] | None = None) -> dict[str, Any]:
    """Compare every update of one run with the closed forms."""
    v, scalars, paths, error = task.signals, Scalars.zeros(task), [], None
    worst, now, lowest = 0.0, 0.0, np.inf
    for moment in learn(task, steps, weights=start):
        if error is not None:
            scalars.step(task, error)
        error = moment.error
        closed = [-scalars.w[0] * np.outer(v[0], task.x)]
        closed += [scalars.w[k] * np.outer(v[k], v[k - 1]) for k in range(1, len(v))]
        closed += [-np.outer(scalars.last, v[-1])]
        closed += [-s * each for s, each in zip(scalars.y, v, strict=True)]
        now = 0.0
        for ours, form in zip([*moment.weights, *moment.activations[1:]], closed, strict=True):
            size = np.linalg.norm(ours)
            now = max(now, float(np.linalg.norm(ours - form) / size) if size else float(np.abs(form).max()))
        worst = max(worst, now)
        lowest = min(lowest, float(scalars.w.min()), float(scalars.y.min()))
        paths.append([*scalars.w, *scalars.y])
    every = max(1, len(paths) // 100)
    names = [f"s_W{k + 1}" for k in range(len(v))] + [f"s_y{k + 1}" for k in range(len(v))]
    columns = dict(zip(names, np.array(paths)[::every].T.tolist(), strict=True))
    residuals = {"residual": worst, "residual_at_the_end": now}
    return residuals | {"lowest": lowest, "updates": len(paths) - 1, "every": every, "factors": columns}


def measure(study: Study) -> dict[str, Any]:
    runs = {}
    for depth in study["depths"]:
        for output in OUTPUTS:
            task = draw_task(study.rng(depth, output), depth, output, study["rate"], 20, 15, 10)
            runs[f"K = {depth}, {output}"] = _residuals(task, study["updates"])
    rng = study.rng("small weights")
    task = draw_task(rng, 3, "sigmoid", study["rate"], 20, 15, 10)
    small = [study["small"] * rng.normal(size=weight.shape) for weight in zeros(task)]
    return {"runs": runs, "from_small_weights": _residuals(task, 100, small)}


def judge(measured: dict[str, Any]) -> list[Check]:
    runs = measured["runs"]
    checks = [
        at_most(f"largest relative residual of W and y over {run['updates']} updates, {name}", run["residual"], 1e-10)
        for name, run in runs.items()
    ]
    lowest = min(run["lowest"] for run in runs.values())
    checks.append(at_least("smallest s_W and s_y of a hidden layer, all runs", lowest, 0, paper="non-negative"))
    broken = measured["from_small_weights"]["residual_at_the_end"]
    checks.append(
        holds(
            "control: from small random weights the forms do not hold, residual after 100 updates",
            broken > 1e-3,
            broken,
        )
    )
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    runs = {name: run for name, run in measured["runs"].items() if "sigmoid" in name}
    for axes, (name, run) in zip(figure.subplots(1, len(runs)), runs.items(), strict=True):
        for factor, path in run["factors"].items():
            axes.plot(np.arange(1, len(path)) * run["every"], path[1:], label=factor)
        axes.set(xlabel="updates", yscale="log", title=name)
        axes.legend(fontsize="small")


CLAIM = Claim(
    id="drtp-lemma",
    source="DRTP, section 2.3 and supplementary note 1, Lemma",
    statement="Linear layers that learn one example by DRTP from zero are rank one, along B_k^T y*.",
    kind=("exact",),
    cost="seconds",
    settings={"depths": [2, 3, 4], "rate": 0.005, "updates": 1500, "small": 0.01},
    measure=measure,
    judge=judge,
    draw=draw,
)
