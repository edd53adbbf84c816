"""Layer-wise FA is conserved, Fig. 2: the loss of the networks of Fig. 1 falls while their Q is conserved.

The same trainings as in fa-conservation, whose docstring says what is stated and what is ours. By how much the loss
has to fall is ours: the figure prints no number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study
from experiments.claims import fa_conservation
from experiments.claims._layerwise_fa import follow, plain
from experiments.claims.fa_conservation import NETS, READINGS, figure_start


def measure(study: Study) -> dict[str, Any]:
    losses = {}
    for reading in READINGS:
        for kind in NETS:
            net, task = figure_start(study, reading, kind)
            losses[f"{kind}, {reading}"] = follow(net, task, plain(study["eta"]), study["steps"]).loss
    return {
        "fall": {name: loss[0] / loss[-1] for name, loss in losses.items()},
        "steps_that_rise": {name: int((np.diff(loss) > 1e-12 * loss[0]).sum()) for name, loss in losses.items()},
        "loss": {name: loss[:: max(1, study["steps"] // 100)] for name, loss in losses.items()},
        "steps": study["steps"],
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for name, fall in measured["fall"].items():
        checks.append(at_least(f"loss at the start over loss at the end: {name}", fall, 100 if "linear" in name else 1))
        checks.append(at_most(f"steps that raise the loss: {name}", measured["steps_that_rise"][name], 0))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for name, curve in measured["loss"].items():
        axes.plot(np.linspace(0, measured["steps"], len(curve)), curve, label=name)
    axes.set(xlabel="steps", ylabel="half the summed squared error", yscale="log", title="loss, as in Fig. 2")
    axes.legend(fontsize=8)


CLAIM = Claim(
    id="fa-conservation-loss",
    source="conservation, Fig. 2",
    statement="Layer-wise FA brings the loss of two-layer linear and ReLU networks down.",
    kind=("order",),
    cost="seconds",
    settings={key: fa_conservation.CLAIM.settings[key] for key in ("samples", "inputs", "hidden", "eta", "steps")},
    measure=measure,
    judge=judge,
    draw=draw,
)
