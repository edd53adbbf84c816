"""mDFA, section 4.1: FA, DFA and mDFA gain from hard-tanh in place of ReLU.

CIFAR-10 pairs, stand-in for binarised CIFAR-100; the runs are those of mdfa-table1. Order of the means over pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, less
from edgelearn.reproduction.study import Study
from experiments.claims._class_pairs import pair_runs, train_classes
from experiments.claims.mdfa_table1 import PAPER

RULES = ("dfa", "fa", "mdfa")
ACTIVATIONS = ("relu", "hard-tanh")
PARTS = {"train": ("training", 0), "test": ("test", 2)}


def measure(study: Study) -> dict[str, Any]:
    cells = [(rule, activation) for rule in RULES for activation in ACTIVATIONS]
    results = iter(study.map(train_classes, [run for rule, name in cells for run in pair_runs(study, name, rule)]))
    found: dict[str, Any] = {rule: {} for rule in RULES}
    for rule, activation in cells:
        own = [next(results) for _ in range(study["pairs"])]
        found[rule][activation] = {part: [each[part] for each in own] for part in PARTS}
    return found


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for rule in RULES:
        for part, (name, printed) in PARTS.items():
            ours = [float(np.mean(measured[rule][activation][part])) for activation in ACTIVATIONS]
            low, high = (PAPER[activation][rule][printed] for activation in ACTIVATIONS)
            checks.append(
                less(f"{name} accuracy of {rule}: relu below hard-tanh, %", *ours, 0, f"{low} < {high}", True)
            )
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (part, (name, printed)) in zip(panels, PARTS.items(), strict=True):
        for r, rule in enumerate(RULES):
            relu, other = (np.array(measured[rule][activation][part]) for activation in ACTIVATIONS)
            for low, high in zip(relu, other, strict=True):
                axes.plot([2 * r, 2 * r + 1], [low, high], "o-", color=f"C{r}", alpha=0.4)
            axes.plot([2 * r, 2 * r + 1], [relu.mean(), other.mean()], "o-", color=f"C{r}", linewidth=2.5, label=rule)
            axes.plot([2 * r, 2 * r + 1], [PAPER[activation][rule][printed] for activation in ACTIVATIONS], "kx")
        axes.set(xticks=range(6), xticklabels=["relu", "hard-\ntanh"] * 3, title=name)
    panels[0].set(ylabel="accuracy, %  (pairs of CIFAR-10; x: paper, CIFAR-100)")
    panels[0].legend(fontsize="small")


CLAIM = Claim(
    id="mdfa-relu",
    source="mDFA, section 4.1",
    statement="DFA, FA and mDFA reach higher accuracies with hard-tanh than with ReLU.",
    kind=("order",),
    cost="minutes",
    settings={"pairs": 5, "topology": "3072-1024-1024-1", "epochs": None},
    quick={"pairs": 1, "topology": "3072-128-128-1", "epochs": 5},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("cifar10",),
    needs=("torch",),
)
