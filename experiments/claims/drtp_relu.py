"""DRTP, Discussion: only saturating activations go with DRTP.

FC1-500 of Table 1 (_drtp_runs.py), tanh against ReLU, 30 epochs each. Rates of the ReLU net are not stated; ours: that
of Table 3, a third and a tenth of it, the best counts.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, less
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_runs import mnist_run
from experiments.claims._image_runs import train_images

SETTINGS: dict[str, dict[str, Any]] = {
    "tanh": {},
    "relu": {"hidden": "relu"},
    "relu, rate 5e-5": {"hidden": "relu", "rate": 5e-5},
    "relu, rate 1.5e-5": {"hidden": "relu", "rate": 1.5e-5},
}


def measure(study: Study) -> dict[str, Any]:
    runs = [
        mnist_run("FC1-500", "drtp", study.seed, study["epochs"], train=study["train"], **changed)
        for changed in SETTINGS.values()
    ]
    results = study.map(train_images, runs)
    return {name: result["test_errors"] for name, result in zip(SETTINGS, results, strict=True)}


def _end(errors: list[float]) -> float:
    return sum(errors[-10:]) / len(errors[-10:])


def judge(measured: dict[str, Any]) -> list[Check]:
    relu = min(_end(measured[name]) for name in measured if name != "tanh")
    return [
        less(
            "test error, %: tanh below the best relu net by 2 points",
            _end(measured["tanh"]),
            relu,
            2,
            needs_full=True,
        )
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for name, errors in measured.items():
        axes.plot(range(1, len(errors) + 1), errors, label=name)
    axes.set(xlabel="epochs", ylabel="test error of drtp, %", yscale="log")
    axes.legend()


CLAIM = Claim(
    id="drtp-relu",
    source="DRTP, Discussion",
    statement="DRTP needs activations that saturate: with relu it fails.",
    kind=("order",),
    cost="minutes",
    settings={"epochs": 30, "train": None},
    quick={"epochs": 3, "train": 12_000},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
