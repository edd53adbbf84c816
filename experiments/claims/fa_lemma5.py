"""FA supplement, Lemma 5: trained on one pair from zero weights, W and h stay multiples of y* (B y*)^T and of B y*.

W = s_w y* (B y*)^T and h = s_h B y* with s_h += eta (1 - s_y), s_w += eta (1 - s_y) s_h and s_y = s_w s_h norm(B
y*)^2. We train the whole network, A included, with the rate eta / norm(x)^2 in A, and compare with these two scalars.

Sizes, B, x and y* from N(0, 1), and the rate, eta norm(B y*)^(2/3) = 0.02, are not stated; ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_most
from edgelearn.reproduction.study import Study
from experiments.claims._one_pair import OnePair


def measure(study: Study) -> dict[str, Any]:
    pairs = OnePair(study.rng("pairs"), study["repeats"], study["sizes"], study["rate"])
    s_h = s_w = np.zeros(study["repeats"])
    off_w, off_h, curves = 0.0, 0.0, []
    for _ in range(study["steps"]):
        pairs.learn()
        s_y = s_w * s_h * pairs.power
        s_h, s_w = s_h + pairs.eta * (1 - s_y), s_w + pairs.eta * (1 - s_y) * s_h
        off_w = max(off_w, pairs.off(pairs.W, s_w[:, None, None] * pairs.y_star[:, :, None] * pairs.By[:, None, :]))
        off_h = max(off_h, pairs.off(pairs.h, s_h[:, None] * pairs.By))
        scale = np.sqrt(pairs.power[0])
        curves.append([float(s_h[0] * scale), float(s_w[0] * scale), float(s_w[0] * s_h[0] * pairs.power[0])])
    return {"off_w": off_w, "off_h": off_h, "curves": curves}


def judge(measured: dict[str, Any]) -> list[Check]:
    return [
        at_most("W against s_w y* (B y*)^T, whole run", measured["off_w"], 1e-10, paper=0),
        at_most("h against s_h B y*, whole run", measured["off_h"], 1e-10, paper=0),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    names = ("s_h norm(B y*)", "s_w norm(B y*)", "s_y, share of the target reached")
    for name, values in zip(names, zip(*measured["curves"], strict=True), strict=True):
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.set(xlabel="step", ylabel="scalars of Lemma 5")
    axes.legend()


CLAIM = Claim(
    id="fa-lemma5",
    source="FA, supplementary note 14, Lemma 5",
    statement="On one pair and from zero, W and h stay scalar multiples of y* (B y*)^T and of B y*.",
    kind=("exact",),
    cost="seconds",
    settings={"sizes": [30, 20, 10], "repeats": 20, "rate": 0.02, "steps": 500},
    measure=measure,
    judge=judge,
    draw=draw,
)
