"""Thesis, Figs. 5.1 and 5.2: networks that learned the parity of three digits do not tell single digits apart.

The hidden image of a digit at place p is its product with the part of the first layer that sees this place. The thesis
plots 7,500 of them by t-SNE, for bp and dfa, and sees no groups: the networks memorise stacks. In place of the picture
(ours): 2,500 test digits at each of the three places, their mean silhouette by digit, and the share whose five nearest
neighbours vote for the right digit; means over places. Compared with raw pixels, with the same first layer as it was
drawn, and with the first layer of a classifier of single digits (784-512-10, ReLU, Adam). The silhouette is judged.
The networks are those of dfa-parity-k3. A linear probe would say nothing: 512 random features keep digits apart.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, at_most, less
from edgelearn.reproduction.study import Study, Work
from experiments.claims._parity import (
    HIDDEN,
    NEIGHBOURS,
    PIXELS,
    PROBE,
    QUICK,
    SIZES,
    digit_separation,
    digits,
    mean,
    repeated,
    separation,
)

RULES = ("bp", "dfa")


def separate_digits(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Return the separation of raw pixels, and of the first layer of a trained classifier of single digits."""
    from edgelearn.references.pytorch import torch
    from experiments.float_nets.float_config import float_config
    from experiments.float_nets.nets import ReferenceNet
    from experiments.float_nets.training import FixedData, Training

    x, y, x_test, y_test = digits()
    train = settings["train"]
    targets = [torch.nn.functional.one_hot(labels, 10).float() for labels in (y[:train], y_test)]
    data = FixedData(x[:train], targets[0], x_test, targets[1], settings["seed"])
    config = float_config(
        topology=f"{PIXELS}-{HIDDEN}-10", hidden="relu", output="softmax", loss="ce", init="torch", optimiser="adam",
        rate=1e-3, batch=128, epochs=settings["epochs"], seed=settings["seed"],
    )  # fmt: skip
    training = Training(ReferenceNet(config), data, work.file(".pt"), progress=work.progress)
    records = training.run()
    return {
        "pixels": separation(x_test[:PROBE], y_test[:PROBE]),
        "classifier": digit_separation(training.net, 1),
        "error": records[-1]["test_error"],
    }


def measure(study: Study) -> dict[str, Any]:
    runs = repeated(study, 3, [(rule, "sgd") for rule in RULES])
    others = study.run(
        separate_digits,
        {"train": study["sizes"]["1"]["train"], "epochs": study["classifier_epochs"], "seed": study.seed},
    )
    found = {"raw pixels": others["pixels"], "digit classifier": others["classifier"]}
    for rule in RULES:
        both = [run["separation"] for run in runs[f"{rule}, sgd"]]
        for end, name in enumerate(("drawn", "trained")):
            found[f"{rule}, {name}"] = {key: mean([each[end][key] for each in both]) for key in both[0][end]}
    return {"separation": found, "classifier_error": others["error"]}


def judge(measured: dict[str, Any]) -> list[Check]:
    silhouette = {name: found["silhouette"] for name, found in measured["separation"].items()}
    checks = []
    for rule in RULES:
        trained, drawn = silhouette[f"{rule}, trained"], silhouette[f"{rule}, drawn"]
        what = f"{rule}: silhouette, trained against drawn first layer, distance"
        checks.append(at_most(what, abs(trained - drawn), 0.05, "no separation", True))
        what = f"{rule}: silhouette below that of a digit classifier"
        checks.append(less(what, trained, silhouette["digit classifier"], 0.05, "no separation", True))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    labels = {"silhouette": "mean silhouette by digit", "neighbours": f"right by {NEIGHBOURS} neighbours, %"}
    for axes, (key, label) in zip(figure.subplots(1, 2, sharey=True), labels.items(), strict=True):
        axes.barh(list(measured["separation"]), [found[key] for found in measured["separation"].values()])
        axes.set(xlabel=label)


CLAIM = Claim(
    id="dfa-hidden-representation",
    source="thesis, Figs. 5.1 and 5.2",
    statement="First layers that learned the parity of three digits do not separate single digits.",
    kind=("order",),
    cost="minutes",
    settings={"sizes": SIZES, "seeds": 3, "classifier_epochs": 5},
    quick={"sizes": QUICK, "seeds": 1, "classifier_epochs": 2},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
