"""mDFA, appendix B.3: what the rules with fixed feedback want from optimiser, initial weights and feedback.

CIFAR-10 pairs, stand-in for binarised CIFAR-100; tanh, each rule of fa, dfa and mdfa. The sentences, and what is
compared on five pairs (order of the means; how is ours, since the paper prints no numbers):
(a) plain SGD is more stable than RMSprop: mean fall of the training accuracy from one look to the next;
(b) a decent validation accuracy comes within a few epochs (95 % of the best one within ten), the end of training not
    within a hundred (the training accuracy still grows in the last quarter);
(c) zero forward weights do better than uniform ones (best validation accuracy), but with ReLU they do not learn:
    no gate opens at z = 0, so only the output's bias moves;
(d) normal feedback does slightly better than uniform (best validation accuracy).
Not run: (e), that all are sensitive to such choices. Rates: SGD 1e-2, RMSprop 1e-4, as found for zero weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, less
from edgelearn.reproduction.study import Study
from experiments.claims._class_pairs import LOOK_EVERY, RMSPROP, SGD, ZERO_INIT, class_runs, train_classes

RULES = ("fa", "dfa", "mdfa")
CHANGED: dict[str, dict[str, Any]] = {
    "plain": {},
    "rmsprop": RMSPROP,
    "uniform weights": {"init": "torch"},
    "uniform feedback": {"feedback_init": "torch"},
}
EARLY = 10  # epochs


def runs_of(study: Study, activation: str, rule: str, pairs: int, epochs: int, **changed: Any) -> list[dict[str, Any]]:
    """Return the settings of runs with plain SGD from zero weights, but for what is changed."""
    runs = class_runs(2, pairs, study.seed, activation, rule, study["topology"], epochs)
    return [run | ZERO_INIT | SGD | changed for run in runs]


def measure(study: Study) -> dict[str, Any]:
    pairs = study["pairs"]
    cells = [(name, rule) for name in CHANGED for rule in RULES]
    runs = [
        run
        for name, rule in cells
        for run in runs_of(
            study, "tanh", rule, pairs, study["epochs"] if CHANGED[name] else study["long"], **CHANGED[name]
        )
    ]
    results = iter(study.map(train_classes, runs))
    found: dict[str, Any] = {name: {} for name in CHANGED}
    for name, rule in cells:
        curves = [next(results)["curves"] for _ in range(pairs)]
        found[name][rule] = {part: [each[part] for each in curves] for part in ("train", "valid")}
    dead = study.map(train_classes, [runs_of(study, "relu", rule, 1, EARLY)[0] for rule in RULES])
    return {
        "looks": study["epochs"] // LOOK_EVERY,
        "runs": found,
        "relu": {rule: max(each["curves"]["train"]) for rule, each in zip(RULES, dead, strict=True)},
    }


def _fall(curves: list[list[float]]) -> float:
    return float(np.maximum(-np.diff(np.array(curves), axis=1), 0).mean())


def _best(curves: list[list[float]]) -> float:
    return float(np.array(curves).max(axis=1).mean())


def judge(measured: dict[str, Any]) -> list[Check]:
    looks, runs, checks = measured["looks"], measured["runs"], []

    def cut(name: str, rule: str, part: str) -> list[list[float]]:
        return [curve[:looks] for curve in runs[name][rule][part]]

    for rule in RULES:
        falls = [_fall(cut(name, rule, "train")) for name in ("plain", "rmsprop")]
        checks.append(less(f"(a) {rule}: training accuracy falls less with SGD than with RMSprop", *falls, 0, "", True))
    for rule in RULES:
        curves = np.array(runs["plain"][rule]["valid"])
        share = float((curves[:, : EARLY // LOOK_EVERY].max(axis=1) / curves.max(axis=1)).mean())
        name = f"(b) {rule}: share of the best validation accuracy after {EARLY} epochs"
        checks.append(at_least(name, share, 0.95, "", True))
        train = np.array(runs["plain"][rule]["train"])
        before = train[:, : 3 * train.shape[1] // 4].max(axis=1).mean()
        name = f"(b) {rule}: training accuracy grows in the last quarter, %"
        checks.append(less(name, before, train.max(axis=1).mean(), 0, "", True))
    for rule in RULES:
        values = [_best(cut(name, rule, "valid")) for name in ("uniform weights", "plain")]
        checks.append(less(f"(c) {rule}, tanh: uniform weights below zeros, validation %", *values, 0, "", True))
        checks.append(at_most(f"(c) {rule}, relu from zeros: training accuracy, %", measured["relu"][rule], 55))
    for rule in RULES:
        values = [_best(cut(name, rule, "valid")) for name in ("uniform feedback", "plain")]
        checks.append(less(f"(d) {rule}: uniform feedback below normal, validation %", *values, 0, "", True))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    panels = figure.subplots(2, len(RULES), sharex=True, sharey="row")
    for column, rule in zip(panels.T, RULES, strict=True):
        for axes, part in zip(column, ("train", "valid"), strict=True):
            for name in CHANGED:
                curve = np.mean(measured["runs"][name][rule][part], axis=0)
                axes.plot(LOOK_EVERY * np.arange(1, len(curve) + 1), curve, label=name)
        column[0].set(title=rule)
        column[1].set(xlabel="epochs")
    for axes, name in zip(panels[:, 0], ("training", "validation"), strict=True):
        axes.set(ylabel=f"{name} accuracy, %")
    panels[1, 0].legend(fontsize="small")


CLAIM = Claim(
    id="mdfa-hyperparameters",
    source="mDFA, appendix B.3",
    statement="FA, DFA and mDFA are steadiest with plain SGD, start fast, end slowly, and do best from zero weights.",
    kind=("order",),
    cost="minutes",
    settings={"pairs": 5, "topology": "3072-1024-1024-1", "long": 100, "epochs": 30},
    quick={"pairs": 1, "topology": "3072-128-128-1", "long": 20, "epochs": 10},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("cifar10",),
    needs=("torch",),
)
