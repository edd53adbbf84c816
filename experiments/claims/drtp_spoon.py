"""SPOON, the chip of the DRTP paper: 95.3 % on MNIST where its convolutional network learns online by DRTP.

Stated (Frenkel, Legat, Bol, ISCAS 2020, arXiv 2005.06318): 95.3 % with on-chip training, an error of 4.7 %; its layers
and the number of samples are not. Ours: 28x28x1-conv10x5x5s2p0-fc128-10, as large as the chip's memory, 8-bit view on 8
residual bits, three epochs at batch 1. Reproduced means: an error of at most 4.7 % with kernels that learn, with stored
feedback words and with those of a shift register, and kernels that stay random have a larger error.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

from edgelearn.reproduction import Check, Claim, at_most, less
from edgelearn.reproduction.study import Study
from experiments.claims._convolution_runs import mnist_errors, of_rows
from experiments.convolution_mnist import SPOON_ON_CHIP

LEARNED = ("stored feedback", "shift register")
FROZEN = "random kernels"


def measure(study: Study) -> dict[str, Any]:
    return {"test_errors": mnist_errors(study)}


def judge(measured: dict[str, Any]) -> list[Check]:
    return [
        at_most(
            f"test error of drtp, {name}, mean of seeds, %",
            mean(measured["test_errors"][name]),
            SPOON_ON_CHIP,
            SPOON_ON_CHIP,
            needs_full=True,
        )
        for name in LEARNED
    ] + [
        less(
            f"drtp, {name}: test error below that of random kernels, %",
            mean(measured["test_errors"][name]),
            mean(measured["test_errors"][FROZEN]),
        )
        for name in LEARNED
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes, errors = figure.subplots(), measured["test_errors"]
    for place, name in enumerate(errors):
        axes.plot([place] * len(errors[name]), errors[name], "o", color="C0")
    axes.axhline(SPOON_ON_CHIP, color="C1", linestyle=":", label="SPOON, on-chip training")
    axes.set_xticks(range(len(errors)), list(errors))
    axes.set(ylabel="test error, %", ylim=(0, None))
    axes.legend()


CLAIM = Claim(
    id="drtp-spoon",
    source="SPOON (arXiv 2005.06318), abstract",
    statement="A convolutional network of the chip's size that learns online by DRTP reaches 95.3 % on MNIST.",
    kind=("number",),
    cost="minutes",
    settings={
        "runs": of_rows(
            {
                "stored feedback": "strided drtp",
                "shift register": "strided drtp, shift register",
                FROZEN: "strided drtp, frozen kernels",
            }
        ),
        "seeds": 3,
        "limit": None,
    },
    quick={"seeds": 1, "limit": 5_000},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
)
