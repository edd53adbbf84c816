"""Thesis, Figs. 2.1 and 3.1, k = 3: bp learns the parity of three digits, dfa less of it, and lazy methods guess.

Read from the text: bp with SGD or Adadelta gets almost 80 %, dfa with SGD stops near 70 %, lazy methods stay at chance.
Set-up and choices as in _parity.py. mdfa is our own column and not judged: with one output it applies directly.
Intervals of 95 % after Student; final accuracy is that after the last epoch.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, between, less
from edgelearn.reproduction.study import Study
from experiments.claims._parity import (
    LAZY,
    NETWORKS,
    QUICK,
    SIZES,
    accuracies,
    draw_curves,
    final,
    interval,
    mean,
    repeated,
)

WANTED = [(method, "sgd") for method in (*NETWORKS, *LAZY)] + [("bp", "adadelta")]
LEVELS = {"bp, sgd": (74, 85, "almost 80"), "bp, adadelta": (74, 85, "almost 80"), "dfa, sgd": (62, 76, "about 70")}
CHANCE = (47, 54, "chance")


def measure(study: Study) -> dict[str, Any]:
    return {"accuracy": accuracies(repeated(study, 3, WANTED))}


def judge(measured: dict[str, Any]) -> list[Check]:
    at_end = {name: final(curves) for name, curves in measured["accuracy"].items()}
    levels = LEVELS | {f"{method}, sgd": CHANCE for method in LAZY}
    checks = [
        between(f"final test accuracy of {name}, %", mean(at_end[name]), low, high, paper, True)
        for name, (low, high, paper) in levels.items()
    ]
    low, high = ({name: interval(values)[end] for name, values in at_end.items()} for end in (0, 1))
    lazy = max(high[f"{method}, sgd"] for method in LAZY)
    return [
        *checks,
        less("dfa below bp, ends of the intervals", high["dfa, sgd"], low["bp, sgd"], needs_full=True),
        less("all lazy methods below dfa, ends of the intervals", lazy, low["dfa, sgd"], needs_full=True),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    draw_curves(axes, measured["accuracy"])
    for level, text in ((80, "thesis: bp almost 80 %"), (70, "thesis: dfa about 70 %"), (50, "chance")):
        axes.axhline(level, color="0.6", linestyle=":")
        axes.annotate(text, (1, level + 0.4), fontsize="small", color="0.4")


CLAIM = Claim(
    id="dfa-parity-k3",
    source="thesis, Figs. 2.1 and 3.1",
    statement="dfa learns the parity of three stacked digits, less well than bp; lazy methods do not learn it.",
    kind=("number", "order"),
    cost="minutes",
    settings={"sizes": SIZES, "seeds": 3},
    quick={"sizes": QUICK, "seeds": 1},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
