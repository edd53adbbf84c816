"""DRTP, section 2.2: in classification the sign of the error is known from the target, for 0 < y < 1 strictly.

An output word of few bits can reach its target, 0 or 1, and then the sign of its error is 0: how often, by width, is
ours. The rule table has both readings: `sdfa` takes the signs of output words and waits for them, from which it learns
nothing but these zeros; `signed-target` takes the signs from the label and waits for nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_most, holds
from edgelearn.reproduction.study import Study
from edgelearn.rules import RULES, Locking


def measure(study: Study) -> dict[str, Any]:
    rng = study.rng("outputs")
    n, classes = study["samples"], study["classes"]
    y = 1 / (1 + np.exp(-rng.normal(0, study["spread"], (n, classes))))
    target = np.eye(classes)[rng.integers(0, classes, n)]
    wrong = int((np.sign(target - y) != 2 * target - 1).sum())
    zeros, opposed = {}, 0
    for bits in study["output_bits"]:
        word = np.rint(y * (2**bits - 1)) / (2**bits - 1)
        signs = np.sign(target - word)
        zeros[bits] = float((signs == 0).mean())
        opposed += int((signs * (2 * target - 1) < 0).sum())
    locking = {name: RULES[name].locking.value for name in ("sdfa", "signed-target")}
    return {"wrong_signs": wrong, "zero_signs_by_output_bits": zeros, "opposed_signs": opposed, "locking": locking}


def judge(measured: dict[str, Any]) -> list[Check]:
    shares = list(measured["zero_signs_by_output_bits"].values())
    return [
        at_most("components where sign(e) differs from 2 y* - 1, in float", measured["wrong_signs"], 0, paper=0),
        at_most(
            "components where sign(e) is opposed to 2 y* - 1, output words of all widths", measured["opposed_signs"], 0
        ),
        holds("zero signs become rarer with every output bit", shares == sorted(shares, reverse=True)),
        holds(
            "the rule table: sdfa waits for the output, signed-target for nothing",
            measured["locking"] == {"sdfa": Locking.UPDATE.value, "signed-target": Locking.NONE.value},
        ),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    shares = measured["zero_signs_by_output_bits"]
    axes = figure.subplots()
    axes.plot([int(bits) for bits in shares], [100 * share for share in shares.values()], "o-")
    axes.set(xlabel="bits of an output word", ylabel="errors that are exactly zero, %", yscale="symlog", ylim=(0, 100))


CLAIM = Claim(
    id="drtp-errorsign",
    source="DRTP, section 2.2",
    statement="In classification the sign of the output error is known from the target; nothing has to be waited for "
    "(rule signed-target; sdfa waits for the zeros of saturated outputs).",
    kind=("exact",),
    cost="seconds",
    settings={"samples": 20_000, "classes": 10, "spread": 3.0, "output_bits": [2, 4, 6, 8, 10, 12]},
    measure=measure,
    judge=judge,
    draw=draw,
)
