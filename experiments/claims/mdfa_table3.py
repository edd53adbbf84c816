"""mDFA, Table 3: more than two classes; the rules with fixed feedback fit less and less of the training images.

Stated: fully connected, tanh, softmax and cross-entropy, n classes drawn at random; see _class_pairs.py. 3, 5 and 10
classes of CIFAR-10, stand-in for CIFAR-100, from which 25 and 50 classes cannot be formed. We run `sets` of classes in
place of five, each number of classes with epochs of its own (ours); rates and initialisation are those of pairs.
The labels "training" and "test" are lost in the text; its first block, in which bp reaches 100, must be training. The
ranking of FA, DFA and mDFA is not judged: FA far above DFA, as printed, is against most of the literature.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, less
from edgelearn.reproduction.study import Study
from experiments.claims._class_pairs import RULES, class_runs, train_classes

PAPER = {  # accuracy in percent for 3, 5, 10, 25 and 50 classes: training, test
    "bp": ((100.0, 100.0, 100.0, 99.9, 99.7), (77.4, 68.5, 57.3, 41.2, 31.8)),
    "dfa": ((50.5, 33.8, 24.7, 13.4, 8.5), (49.1, 31.2, 25.0, 13.4, 8.8)),
    "fa": ((79.0, 68.4, 52.4, 31.3, 20.0), (74.2, 60.7, 46.9, 28.2, 18.1)),
    "mdfa": ((53.3, 34.1, 25.9, 13.1, 7.9), (50.9, 33.9, 26.3, 13.1, 8.0)),
}
PRINTED = (3, 5, 10, 25, 50)


def measure(study: Study) -> dict[str, Any]:
    cells = [
        (rule, int(n), epochs)
        for rule in RULES
        for n, epochs in study["epochs_of_bp" if rule == "bp" else "epochs"].items()
    ]
    runs = [
        run
        for rule, n, epochs in cells
        for run in class_runs(n, study["sets"], study.seed, "tanh", rule, f"{study['layers']}-{n}", epochs)
    ]
    results = iter(study.map(train_classes, runs))
    found: dict[str, Any] = {rule: {"train": [], "test": []} for rule in RULES}
    for rule, _, _ in cells:
        own = [next(results) for _ in range(study["sets"])]
        for part in ("train", "test"):
            found[rule][part].append([each[part] for each in own])
    return {"classes": [int(n) for n in study["epochs"]], "accuracy": found}


def judge(measured: dict[str, Any]) -> list[Check]:
    numbers, checks = measured["classes"], []
    for rule in RULES:
        means = [float(np.mean(values)) for values in measured["accuracy"][rule]["train"]]
        printed = dict(zip(PRINTED, PAPER[rule][0], strict=True))
        if rule == "bp":
            for n, mean in zip(numbers, means, strict=True):
                checks.append(at_least(f"training accuracy of bp, {n} classes, %", mean, 99, printed[n], True))
            continue
        for i in range(len(numbers) - 1):
            more, fewer = numbers[i + 1], numbers[i]
            name = f"training accuracy of {rule}: with {more} classes below {fewer}, %"
            checks.append(less(name, means[i + 1], means[i], paper=f"{printed[more]} < {printed[fewer]}"))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    for axes, part in zip(panels, ("train", "test"), strict=True):
        for r, rule in enumerate(RULES):
            values = measured["accuracy"][rule][part]
            axes.plot(measured["classes"], [np.mean(each) for each in values], "o-", color=f"C{r}", label=rule)
            axes.plot(PRINTED[:3], PAPER[rule][part == "test"][:3], "x:", color=f"C{r}", alpha=0.6)
        axes.set(
            xlabel="classes",
            xticks=measured["classes"],
            title={"train": "training", "test": "test"}[part],
            ylim=(0, 102),
        )
    panels[0].set(ylabel="accuracy, %  (dotted, x: paper, CIFAR-100)")
    panels[0].legend(fontsize="small")


CLAIM = Claim(
    id="mdfa-table3",
    source="mDFA, Table 3",
    statement="With more classes FA, DFA and mDFA fit less of the training images; backpropagation fits them all.",
    kind=("order",),
    cost="minutes",
    settings={
        "sets": 2,
        "layers": "3072-1024-1024",
        "epochs": {"3": 60, "5": 40, "10": 25},
        "epochs_of_bp": {"3": 80, "5": 60, "10": 50},
    },
    quick={
        "sets": 1,
        "layers": "3072-128-128",
        "epochs": {"3": 5, "10": 5},
        "epochs_of_bp": {"3": 5, "10": 5},
    },
    measure=measure,
    judge=judge,
    draw=draw,
    data=("cifar10",),
    needs=("torch",),
)
