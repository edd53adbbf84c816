"""DRTP, Discussion: twice the hidden units or layers do not bring shallow learning to DRTP, MNIST part.

From runs of Table 1: shallow FC1-1000 and FC2-500 against drtp FC1-500. The paper's own table gives 7.92 and 8.25
against 4.61. The CIFAR-10 part takes an hour and is not run.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, less
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_runs import mnist_run
from experiments.claims._image_runs import train_images

CELLS = [("FC1-500", "drtp"), ("FC1-500", "shallow"), ("FC1-1000", "shallow"), ("FC2-500", "shallow")]


def measure(study: Study) -> dict[str, Any]:
    runs = [mnist_run(network, rule, study.seed, study["epochs"], train=study["train"]) for network, rule in CELLS]
    results = study.map(train_images, runs)
    return {f"{rule} {network}": result["test_error"] for (network, rule), result in zip(CELLS, results, strict=True)}


def judge(measured: dict[str, Any]) -> list[Check]:
    drtp = measured["drtp FC1-500"]
    return [
        less(f"drtp FC1-500 below shallow {network}", drtp, measured[f"shallow {network}"], 2, paper, needs_full=True)
        for network, paper in (("FC1-1000", "4.61 < 7.92"), ("FC2-500", "4.61 < 8.25"))
    ]


CLAIM = Claim(
    id="drtp-shallow-doubling",
    source="DRTP, Discussion",
    statement="Doubling units or layers of a shallow-trained net does not close the gap to drtp.",
    kind=("order",),
    cost="minutes",
    settings={"epochs": 100, "train": None},
    quick={"epochs": 3, "train": 12_000},
    measure=measure,
    judge=judge,
    data=("mnist",),
    needs=("torch",),
)
