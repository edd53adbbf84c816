"""DRTP, Suppl. Table 1: sDFA beside DRTP on MNIST, without dropout; the pilot cell FC1-500.

Set-up as of Table 1 (_drtp_runs.py), sDFA with its own rate of Table 3; weights, feedback and order are paired by seed.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, less_paired, near
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_runs import mnist_run
from experiments.claims._drtp_tables import TABLE_S1, TRIALS
from experiments.claims._image_runs import train_images

RULES = ("sdfa", "drtp")
ALLOWANCE = 0.15


def measure(study: Study) -> dict[str, Any]:
    seeds = [study.seed + k for k in range(study["seeds"])]
    runs = [mnist_run("FC1-500", rule, seed, study["epochs"], train=study["train"]) for seed in seeds for rule in RULES]
    errors = [result["test_error"] for result in study.map(train_images, runs)]
    return {"sdfa": errors[::2], "drtp": errors[1::2]}


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = [
        near(
            f"test error of {rule} on FC1-500, %",
            measured[rule],
            (*TABLE_S1["FC1-500", "DO 0.0"][rule], TRIALS),
            ALLOWANCE,
        )
        for rule in RULES
    ]
    order = less_paired("drtp below sdfa", measured["drtp"], measured["sdfa"], paper="in all 42 cells", needs_full=True)
    return [*checks, order]


CLAIM = Claim(
    id="drtp-tableS1",
    source="DRTP, Suppl. Table 1",
    statement="The target alone teaches better than the sign of the error: drtp is below sdfa on MNIST.",
    kind=("number", "order"),
    cost="minutes",
    settings={"seeds": 2, "epochs": 100, "train": None},
    quick={"seeds": 1, "epochs": 3, "train": 12_000},
    measure=measure,
    judge=judge,
    data=("mnist",),
    needs=("torch",),
)
