"""Thesis, Figs. 2.1 and 3.1, k = 1: every method tells odd digits from even ones, the networks a little better.

Read from the text: networks are slightly ahead of lazy methods; dfa is ahead of lazy methods and behind bp. Set-up and
choices as in _parity.py; rates are those of k = 3. mdfa is our own column and not judged.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, at_least, less
from edgelearn.reproduction.study import Study
from experiments.claims._parity import LAZY, NETWORKS, QUICK, SIZES, accuracies, draw_curves, final, mean, repeated

WANTED = [(method, "sgd") for method in (*NETWORKS, *LAZY)] + [("bp", "adadelta")]
JUDGED = ("bp", "dfa", *LAZY)


def measure(study: Study) -> dict[str, Any]:
    return {"accuracy": accuracies(repeated(study, 1, WANTED))}


def judge(measured: dict[str, Any]) -> list[Check]:
    at_end = {name: mean(final(curves)) for name, curves in measured["accuracy"].items()}
    lazy = max(at_end[f"{method}, sgd"] for method in LAZY)
    checks = [at_least(f"final test accuracy of {m}, sgd, %", at_end[f"{m}, sgd"], 85, "", True) for m in JUDGED]
    return [
        *checks,
        less("dfa not above bp", at_end["dfa, sgd"], at_end["bp, sgd"], paper="behind", needs_full=True),
        less("best lazy method less one point below dfa", lazy - 1, at_end["dfa, sgd"], paper="ahead", needs_full=True),
        less("best lazy method less one point below bp", lazy - 1, at_end["bp, sgd"], paper="slightly ahead"),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    draw_curves(axes, measured["accuracy"])
    axes.set(ylim=(80, 100))


CLAIM = Claim(
    id="dfa-parity-k1",
    source="thesis, Figs. 2.1 and 3.1",
    statement="All methods tell odd digits from even ones; bp is best, then dfa, then lazy methods.",
    kind=("order",),
    cost="minutes",
    settings={"sizes": SIZES, "seeds": 3},
    quick={"sizes": QUICK, "seeds": 1},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
