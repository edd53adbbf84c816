"""DRTP, Table 1, CONV (random): the order of the rules behind random kernels, in a smaller network that learns online.

Stated: 28x28x1, 32 kernels of 5x5, pooling, 1000 tanh units, ten outputs; 100 epochs of Adam at batch 60 in float.
Ours: 16 kernels and 128 units, one epoch at batch 1, 8-bit view on 8 residual bits, rates of
`experiments/convolution_mnist.py`. The order is judged, and not the errors, which 100 epochs make smaller. Behind
kernels that do not learn there is one hidden layer, and fa is dfa up to the draw of its words: it is left out.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from edgelearn.reproduction import Check, Claim, less_paired
from edgelearn.reproduction.study import Study
from experiments.claims._convolution_runs import mnist_errors, of_rows
from experiments.claims._drtp_tables import TABLE_1

ORDER = ("bp", "dfa", "drtp", "shallow")
CONV = "CONV (random)", "DO 0.0"


def measure(study: Study) -> dict[str, Any]:
    return {"test_errors": mnist_errors(study)}


def judge(measured: dict[str, Any]) -> list[Check]:
    errors, paper = measured["test_errors"], TABLE_1[CONV]
    return [
        less_paired(
            f"{low} below {high}, test error in %",
            errors[low],
            errors[high],
            f"{paper[low][0]:g} < {paper[high][0]:g}",
            needs_full=high != "shallow",
        )
        for low, high in pairwise(ORDER)
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for place, rule in enumerate(ORDER):
        errors = measured["test_errors"][rule]
        axes.plot([place] * len(errors), errors, "o", color="C0", label="" if place else "ours, each seed")
        axes.plot(place, TABLE_1[CONV][rule][0], "D", color="C1", label="" if place else "paper, larger network")
    axes.set_xticks(range(len(ORDER)), ORDER)
    axes.set(ylabel="test error, %", ylim=(0, None))
    axes.legend()


CLAIM = Claim(
    id="drtp-table1-conv",
    source="DRTP, Table 1, CONV (random)",
    statement="Behind random kernels bp has the smallest error on MNIST, then dfa, drtp and shallow.",
    kind=("order",),
    cost="minutes",
    settings={
        "runs": of_rows({rule: "shallow" if rule == "shallow" else f"{rule}, frozen kernels" for rule in ORDER}),
        "seeds": 3,
        "limit": None,
    },
    quick={"seeds": 1, "limit": 5_000},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
)
