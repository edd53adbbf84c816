"""DRTP, Fig. 2: regression, where an error's sign is enough to learn; losses and angles.

Task, rates and what is not stated: _synthetic_runs.py. Network 256-100-100-10, tanh everywhere, mean squared
error, 500 epochs; the angle of dz to bp's after every 1,000 samples, smoothed with momentum 0.95. The paper
prints curves of 10 runs; we draw `seeds` and check their means.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_most, less, less_paired
from edgelearn.reproduction.study import Study
from experiments.claims._synthetic_runs import label_angles, train_synthetic

RULES = ("bp", "fa", "dfa", "sdfa", "shallow")
TAUGHT = ("fa", "dfa", "sdfa")


def settings_of(rule: str, seed: int, study: Study) -> dict[str, Any]:
    return {
        "task": "regression",
        "samples": 5000,
        "test": 1000,
        "topology": "256-100-100-10",
        "rule": rule,
        "init": "he" if rule in ("bp", "shallow") else "zeros",
        "output": "tanh",
        "loss": "mse",
        "optimiser": "nesterov",
        "scale": "official",
        "rate": 5e-4,
        "batch": 50,
        "epochs": study["epochs"],
        "seed": seed,
        "angles_every": 20,
        "look_every": 5,
    }


def measure(study: Study) -> dict[str, Any]:
    seeds = [study.seed + k for k in range(study["seeds"])]
    results = study.map(train_synthetic, [settings_of(rule, seed, study) for rule in RULES for seed in seeds])
    found: dict[str, Any] = {}
    for i, rule in enumerate(RULES):
        own = results[i * len(seeds) : (i + 1) * len(seeds)]
        found[rule] = {"epochs": own[0]["epochs"], "train_loss": _means([result["train_loss"] for result in own])}
        found[rule]["final_losses"] = [result["train_loss"][-1] for result in own]
        if rule in TAUGHT:
            found[rule]["seen"] = own[0]["angles"]["seen"]
            for layer in ("z1", "z2"):
                found[rule][layer] = _means([result["angles"][layer] for result in own])
            largest = [result["angles"]["largest"] for result in own]
            found[rule]["largest"] = {layer: max(each[layer] for each in largest) for layer in ("z1", "z2")}
    return found


def _means(curves: list[list[float]]) -> list[float]:
    return [float(value) for value in np.mean(curves, axis=0)]


def judge(measured: dict[str, Any]) -> list[Check]:
    epochs = measured["bp"]["epochs"]
    loss = {rule: measured[rule]["train_loss"] for rule in RULES}
    tenth = epochs.index(10)
    checks = [
        *(
            less_paired(f"final training loss: {low} below {high}", *(measured[r]["final_losses"] for r in (low, high)))
            for low, high in (("dfa", "sdfa"), ("sdfa", "shallow"))
        ),
        *(
            less_paired(
                f"final training loss: dfa below {other}",
                *(measured[r]["final_losses"] for r in ("dfa", other)),
                needs_full=True,
            )
            for other in ("bp", "fa")
        ),
        less(
            "after 10 epochs: the worse of dfa and sdfa below the better of bp and fa",
            max(loss["dfa"][tenth], loss["sdfa"][tenth]),
            min(loss["bp"][tenth], loss["fa"][tenth]),
        ),
    ]
    for rule in TAUGHT:
        for layer in ("z1", "z2"):
            largest = measured[rule]["largest"][layer]
            checks.append(
                at_most(f"{rule}, layer {layer[1]}: largest angle after 5 epochs, degrees", largest, 90, "< 90")
            )
    end = [
        float(np.mean(np.array(measured[rule]["z2"])[-len(measured[rule]["z2"]) // 5 :])) for rule in ("sdfa", "dfa")
    ]
    checks.append(less("layer 2, last fifth: angle of sdfa below dfa's", *end))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    left, first, second = figure.subplots(1, 3)
    for rule in RULES:
        color = left.plot(measured[rule]["epochs"], measured[rule]["train_loss"], label=rule)[0].get_color()
        if rule in TAUGHT:
            epochs = np.array(measured[rule]["seen"]) / 5000
            for axes, layer in ((first, "z1"), (second, "z2")):
                axes.plot(epochs, measured[rule][layer], label=rule, color=color)
    left.set(xlabel="epochs", ylabel="mean squared error, training", yscale="log")
    left.legend(fontsize="small")
    label_angles(first, second)


CLAIM = Claim(
    id="drtp-fig2",
    source="DRTP, Fig. 2",
    statement="In regression the sign of the error teaches hidden layers within 90 degrees of bp, and dfa ends best.",
    kind=("order",),
    cost="minutes",
    settings={"seeds": 2, "epochs": 500},
    quick={"seeds": 1, "epochs": 20},
    measure=measure,
    judge=judge,
    draw=draw,
    needs=("torch",),
)
