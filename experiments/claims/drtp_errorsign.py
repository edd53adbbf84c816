"""DRTP, section 2.2: in classification the sign of the error is the target, for 0 < y < 1 strictly.

An output word of few bits can be exactly 0 or 1, and then the sign of its error is 0: how often, by width, is ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_most, holds
from edgelearn.reproduction.study import Study


def measure(study: Study) -> dict[str, Any]:
    rng = study.rng("outputs")
    n, classes = study["samples"], study["classes"]
    y = 1 / (1 + np.exp(-rng.normal(0, study["spread"], (n, classes))))
    target = np.eye(classes)[rng.integers(0, classes, n)]
    wrong = int((np.sign(target - y) != 2 * target - 1).sum())
    zeros = {}
    for bits in study["output_bits"]:
        word = np.rint(y * (2**bits - 1)) / (2**bits - 1)
        zeros[bits] = float((np.sign(target - word) == 0).mean())
    return {"wrong_signs": wrong, "zero_signs_by_output_bits": zeros}


def judge(measured: dict[str, Any]) -> list[Check]:
    shares = list(measured["zero_signs_by_output_bits"].values())
    return [
        at_most("components where sign(e) differs from 2 y* - 1, in float", measured["wrong_signs"], 0, paper=0),
        holds("zero signs become rarer with every output bit", shares == sorted(shares, reverse=True)),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    shares = measured["zero_signs_by_output_bits"]
    axes = figure.subplots()
    axes.plot([int(bits) for bits in shares], [100 * share for share in shares.values()], "o-")
    axes.set(xlabel="bits of an output word", ylabel="errors that are exactly zero, %", yscale="symlog", ylim=(0, 100))


CLAIM = Claim(
    id="drtp-errorsign",
    source="DRTP, section 2.2",
    statement="In classification the sign of the output error is the one-hot target, so nothing has to be waited for.",
    kind=("exact",),
    cost="seconds",
    settings={"samples": 20_000, "classes": 10, "spread": 3.0, "output_bits": [2, 4, 6, 8, 10, 12]},
    measure=measure,
    judge=judge,
    draw=draw,
)
