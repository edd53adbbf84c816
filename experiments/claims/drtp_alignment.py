"""DRTP, Alignment: the signals of DRTP and BP are within 90 degrees, -e^T W_K ... W_(k+1) (B_k^T y*) = e^T e / s_k > 0.

The printed step that replaces W W^+ by I is right only on e: the weights' product has rank one, but its column is
parallel to e, because all wrong classes get the same output from a zero start. Both are checked, for all t >= K.

Beyond the proof (ours; the paper shows it on larger networks): tanh layers, biases, mini-batches, many examples. Angle
between dz_k of a rule and of BP for the same weights and sample, mean over a test batch, with -B_k^T y* as DRTP's
estimate of the gradient (Algorithm 1; B is symmetric around zero, so the other sign would do as well). Task: Gaussian
clusters, 64 features, 10 classes; 64-100-100-10, sigmoid outputs, plain SGD, batch 50. Control: with the output layer
frozen at its random start nothing can align.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, holds
from edgelearn.reproduction.study import Study, Work
from experiments.claims._drtp_linear import OUTPUTS, Scalars, Task, draw_task, learn
from experiments.float_nets.measures import angle_signal

RULES = ("dfa", "sdfa", "drtp")
VARIANTS = (*RULES, "drtp, output layer frozen")
HIDDEN = (100, 100)


def _products(task: Task, updates: int) -> dict[str, float]:
    """Return the smallest dot product of a run, and how far the two steps of the derivation are from it."""
    scalars, error, smallest, by_s, identity = Scalars.zeros(task), None, np.inf, 0.0, 0.0
    for moment in learn(task, updates):
        if error is not None:
            scalars.step(task, error)
        error = moment.error
        if moment.t < task.depth:
            continue
        for k, v in enumerate(task.signals, 1):
            above = moment.above(k)
            product = float(-error @ above @ v)
            seen = above @ (np.linalg.pinv(above, rcond=1e-10) @ error)
            smallest = min(smallest, product)
            by_s = max(by_s, abs(product / (error @ error / scalars.of_theorem(task, error, k)) - 1))
            identity = max(identity, float(np.linalg.norm(seen - error) / np.linalg.norm(error)))
    return {"smallest": smallest, "by_s": by_s, "identity": identity}


def _clusters(rng: np.random.Generator, n: int, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, len(centres), n)
    return centres[labels] + rng.normal(size=(n, centres.shape[1])), np.eye(len(centres))[labels]


def tanh_angles(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Learn the clusters by one rule; return the angles of both hidden layers over time, and the test error."""
    rng = np.random.default_rng([settings["seed"], 1])
    features, classes, batch = 64, 10, 50
    centres = settings["spread"] * rng.normal(size=(classes, features))
    train_x, train_y = _clusters(rng, settings["samples"], centres)
    test_x, test_y = _clusters(rng, 500, centres)
    sizes = (features, *HIDDEN, classes)
    weights = [rng.uniform(-1, 1, (b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    biases = [np.zeros(n) for n in sizes[1:]]
    feedback = [rng.uniform(-1, 1, (classes, n)) * np.sqrt(6 / n) for n in HIDDEN]
    rule = settings["variant"].split(",")[0]

    def forward(x: np.ndarray) -> list[np.ndarray]:
        ys = [x]
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = ys[-1] @ w.T + b
            ys.append(np.tanh(z) if k < len(HIDDEN) else (1 + np.tanh(z / 2)) / 2)
        return ys

    def signals(ys: list[np.ndarray], target: np.ndarray) -> list[np.ndarray]:
        """Return dz of hidden layers, before f'."""
        error = target - ys[-1]
        sent = {"dfa": error, "sdfa": np.sign(error), "drtp": target}[rule]
        return [-sent @ b / classes for b in feedback]

    angles, epochs = [], settings["epochs"]
    per_epoch = len(train_x) // batch
    for step in range(epochs * per_epoch + 1):
        if step % settings["every"] == 0:
            ys = forward(test_x)
            gates = [1 - y**2 for y in ys[1:-1]]
            back = (ys[-1] - test_y) / classes @ weights[2] * gates[1]
            of_bp = [back @ weights[1] * gates[0], back]
            ours = [s * g for s, g in zip(signals(ys, test_y), gates, strict=True)]
            angles.append([angle_signal(a, b) for a, b in zip(of_bp, ours, strict=True)])
            work.progress(step / (epochs * per_epoch))
        if step % per_epoch == 0:
            order = rng.permutation(len(train_x))
        rows = order[step % per_epoch * batch :][:batch]
        ys, target = forward(train_x[rows]), train_y[rows]
        steers = [s * (1 - y**2) for s, y in zip(signals(ys, target), ys[1:], strict=False)]
        steers.append(0 * target if "frozen" in settings["variant"] else (ys[-1] - target) / classes)
        for k, d in enumerate(steers):
            weights[k] -= settings["rate"] * d.T @ ys[k] / batch
            biases[k] -= settings["rate"] * d.mean(axis=0)
    wrong = float((forward(test_x)[-1].argmax(1) != test_y.argmax(1)).mean())
    return {"angles": np.array(angles).T.tolist(), "error_percent": 100 * wrong}


def measure(study: Study) -> dict[str, Any]:
    linear = {}
    for depth in study["depths"]:
        for output in OUTPUTS:
            task = draw_task(study.rng(depth, output), depth, output, study["rate"], 20, 15, 10)
            linear[f"K = {depth}, {output}"] = _products(task, study["updates"])
    seeds = range(study.seed, study.seed + study["seeds"])
    cases = [{"variant": v, "seed": s, **study["tanh"]} for v in VARIANTS for s in seeds]
    found = study.map(tanh_angles, cases)
    by_variant = {v: [r for c, r in zip(cases, found, strict=True) if c["variant"] == v] for v in VARIANTS}
    tanh = {
        v: {
            "angles": np.mean([run["angles"] for run in runs], axis=0).tolist(),
            "late": [[float(np.mean(path[len(path) // 2 :])) for path in run["angles"]] for run in runs],
            "error_percent": float(np.mean([run["error_percent"] for run in runs])),
        }
        for v, runs in by_variant.items()
    }
    return {"linear": linear, "tanh": tanh, "every": study["tanh"]["every"]}


def judge(measured: dict[str, Any]) -> list[Check]:
    linear = measured["linear"].values()
    smallest = min(run["smallest"] for run in linear)
    checks = [
        holds("dot product of the signals of DRTP and BP, all depths, t >= K", smallest > 0, smallest, "> 0"),
        at_most("relative residual to e^T e / s_k", max(run["by_s"] for run in linear), 1e-10),
        at_most("relative residual of W W^+ e to e", max(run["identity"] for run in linear), 1e-10),
    ]
    for name in RULES:
        late = np.array(measured["tanh"][name]["late"])
        for layer, angles in enumerate(late.T, 1):
            limit = 90 - 2 * float(angles.std(ddof=1)) / np.sqrt(len(angles))
            what = f"{name}, tanh layer {layer}: mean angle to BP, second half, below 90 by two standard errors"
            checks.append(holds(what, float(angles.mean()) < limit, float(angles.mean()), "< 90"))
    frozen = float(np.mean(measured["tanh"][VARIANTS[-1]]["late"]))
    checks.append(at_least("control: drtp with the output layer frozen, mean angle", frozen, 85))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    for layer, axes in enumerate(figure.subplots(1, 2, sharey=True)):
        for name, run in measured["tanh"].items():
            path = run["angles"][layer]
            axes.plot(np.arange(len(path)) * measured["every"], path, label=f"{name} ({run['error_percent']:.1f} %)")
        axes.axhline(90, color="0.6", linestyle="--")
        axes.set(xlabel="mini-batches", title=f"hidden layer {layer + 1}, tanh")
    figure.axes[0].set_ylabel("angle to BP's dz, degrees")
    figure.axes[1].legend(title="rule (test error)", fontsize="small")


CLAIM = Claim(
    id="drtp-alignment",
    source="DRTP, section 2.3, Alignment",
    statement="The signals of DRTP are within 90 degrees of those of BP.",
    kind=("exact", "order"),
    cost="seconds",
    settings={
        "depths": [2, 3, 4],
        "rate": 0.005,
        "updates": 1500,
        "seeds": 3,
        "tanh": {"samples": 2000, "spread": 0.35, "epochs": 15, "rate": 0.5, "every": 20},
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
