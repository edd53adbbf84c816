"""Thesis, Fig. 3.2: with 50 epochs in place of 20 dfa gets as far as bp, while the output weights turn to B.

Stated: dfa with SGD, a tuned rate, k = 3, cosine similarity between B and the transposed output weights over time: low
at first, higher as the accuracy rises. Set-up and choices as in _parity.py; the rate is that of dfa for 20 epochs, the
repeats are fewer than in the thesis for the time they take.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study
from experiments.claims._parity import QUICK, SIZES, accuracies, draw_curves, final, mean, repeated


def measure(study: Study) -> dict[str, Any]:
    long = repeated(study, 3, [("dfa", "sgd")], epochs=study["long"])["dfa, sgd"]
    bp = repeated(study, 3, [("bp", "sgd")])
    return {
        "accuracy": accuracies({"dfa, sgd": long} | bp),
        "steps": long[0]["steps"],
        "weight_cosine": [run["weight_cosine"] for run in long],
        "gradient_cosine": [run["gradient_cosine"] for run in long],
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    at_end = {name: mean(final(curves)) for name, curves in measured["accuracy"].items()}
    cosine = np.array(measured["weight_cosine"])
    return [
        at_least("dfa after all its epochs less bp, points", at_end["dfa, sgd"] - at_end["bp, sgd"], -4, "equal", True),
        at_most("largest cosine between B and output weights at the start", float(abs(cosine[:, 0]).max()), 0.1, "low"),
        at_least("rise of that cosine", float((cosine[:, -1] - cosine[:, 0]).min()), 0.2, "rises", True),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    left, right = figure.subplots(1, 2)
    draw_curves(left, measured["accuracy"])
    for label, key in (("B and output weights", "weight_cosine"), ("gradients of dfa and bp", "gradient_cosine")):
        right.plot(measured["steps"], np.mean(measured[key], axis=0), label=label)
    right.set(xlabel="batches", ylabel="cosine", ylim=(-0.1, 1))
    right.legend()


CLAIM = Claim(
    id="dfa-parity-alignment",
    source="thesis, Fig. 3.2",
    statement="Given 50 epochs dfa reaches what bp has after 20, and the output weights align with B on the way.",
    kind=("order",),
    cost="minutes",
    settings={"sizes": SIZES, "long": 50, "seeds": 2},
    quick={"sizes": QUICK, "long": 2, "seeds": 1},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
