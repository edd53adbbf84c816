"""Thesis, Fig. 3.5: dfa aligns faster at first with RMSprop, later more with SGD, which is nevertheless less accurate.

Weight alignment is the cosine between B and the transposed output weights, gradient alignment that between the first
layer's gradients of dfa and of bp on the batch at hand. Only the former is judged for the crossing: the text speaks of
both measures without numbers. First is the first tenth of all batches, later the last quarter (ours). Alignment is no
quality score here. Set-up and choices as in _parity.py; the runs are those of dfa-optimizers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, less
from edgelearn.reproduction.study import Study
from experiments.claims._parity import QUICK, SIZES, final, mean, repeated

OPTIMISERS = ("sgd", "rmsprop")
KINDS = {"weight_cosine": "B and output weights", "gradient_cosine": "gradients of dfa and bp"}


def measure(study: Study) -> dict[str, Any]:
    runs = repeated(study, 3, [("dfa", optimiser) for optimiser in OPTIMISERS])
    found: dict[str, Any] = {"steps": runs["dfa, sgd"][0]["steps"]}
    for optimiser in OPTIMISERS:
        repeats = runs[f"dfa, {optimiser}"]
        means = {kind: np.mean([run[kind] for run in repeats], axis=0) for kind in KINDS}
        found[optimiser] = means | {"accuracy": mean(final([run["accuracy"] for run in repeats]))}
    return found


def judge(measured: dict[str, Any]) -> list[Check]:
    at = {optimiser: np.array(measured[optimiser]["weight_cosine"]) for optimiser in OPTIMISERS}
    n = len(measured["steps"])
    first = {optimiser: float(values[: n // 10 + 1].mean()) for optimiser, values in at.items()}
    later = {optimiser: float(values[-(n // 4) :].mean()) for optimiser, values in at.items()}
    accuracy = {optimiser: measured[optimiser]["accuracy"] for optimiser in OPTIMISERS}
    return [
        less("first tenth, weight cosine: sgd below rmsprop", first["sgd"], first["rmsprop"], needs_full=True),
        less("last quarter, weight cosine: rmsprop below sgd", later["rmsprop"], later["sgd"], needs_full=True),
        less("final test accuracy: sgd below rmsprop, %", accuracy["sgd"], accuracy["rmsprop"], needs_full=True),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    for axes, (kind, title) in zip(figure.subplots(1, 2), KINDS.items(), strict=True):
        for optimiser in OPTIMISERS:
            run = measured[optimiser]
            axes.plot(measured["steps"], run[kind], label=f"{optimiser} ({run['accuracy']:.1f} % correct)")
        axes.set(title=title, xlabel="batches", ylabel="cosine")
        axes.legend()


CLAIM = Claim(
    id="dfa-alignment-sgd-vs-rmsprop",
    source="thesis, Fig. 3.5",
    statement="RMSprop aligns output weights with B faster at first; later SGD aligns them more, and is less accurate.",
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
