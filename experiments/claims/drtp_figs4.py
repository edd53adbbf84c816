"""DRTP, Suppl. Fig. 4: the hidden activations of DRTP pile up at +-1.

Stated: 784-1000-10, MNIST, Adam 1.5e-4 for bp, dfa (which is fa with one hidden layer) and drtp; densities from 100
examples in each of 100 successive mini-batches. We look at 100 batches of 60. The vanishing derivative of tanh is what
stops learning. Ours: the test error with sign(y) in place of the hidden activations, as a chip of binary activations
would infer.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, at_most, less
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_runs import mnist_run
from experiments.claims._image_runs import EDGES, train_images

RULES = ("bp", "dfa", "drtp")
RATE = 1.5e-4


def measure(study: Study) -> dict[str, Any]:
    runs = [mnist_run("FC1-1000", rule, study.seed, study["epochs"], rate=RATE, train=study["train"]) for rule in RULES]
    results = study.map(train_images, runs)
    return {
        rule: {
            "layer": {epoch: layers[0] for epoch, layers in result["hidden"].items()},
            "test_error": result["test_error"],
            "sign_test_error": result["sign_test_error"],
        }
        for rule, result in zip(RULES, results, strict=True)
    }


def _ends(measured: dict[str, Any], rule: str) -> tuple[dict[str, Any], dict[str, Any]]:
    layers = measured[rule]["layer"]
    epochs = sorted(layers, key=int)
    return layers[epochs[0]], layers[epochs[-1]]


def judge(measured: dict[str, Any]) -> list[Check]:
    end = {rule: _ends(measured, rule)[1] for rule in RULES}
    start = _ends(measured, "drtp")[0]
    beyond = {rule: end[rule]["beyond_0.95"] for rule in RULES}
    return [
        *(
            less(
                f"activations beyond 0.95: twice {rule}'s share below drtp's",
                2 * beyond[rule],
                beyond["drtp"],
                needs_full=True,
            )
            for rule in ("bp", "dfa")
        ),
        less("mean f' of drtp below bp's", end["drtp"]["mean_gate"], end["bp"]["mean_gate"]),
        less("mean f' of drtp below dfa's", end["drtp"]["mean_gate"], end["dfa"]["mean_gate"]),
        at_most(
            "norm of drtp's hidden update at the end, share of its start",
            end["drtp"]["update_norm"] / start["update_norm"], 0.2, "vanishes", True,
        ),
    ]  # fmt: skip


def draw(measured: dict[str, Any], figure: Any) -> None:
    panels = figure.subplots(1, len(RULES), sharey=True)
    middles = (EDGES[1:] + EDGES[:-1]) / 2
    for axes, rule in zip(panels, RULES, strict=True):
        for epoch, layer in sorted(measured[rule]["layer"].items(), key=lambda item: int(item[0])):
            axes.plot(middles, layer["density"], label=f"after {epoch} epochs")
        axes.set(title=rule, xlabel="hidden activation", yscale="log")
    panels[0].set(ylabel="density")
    panels[0].legend(fontsize="small")


CLAIM = Claim(
    id="drtp-figS4",
    source="DRTP, Suppl. Fig. 4",
    statement="Hidden tanh units trained by drtp are skewed to +-1 far more than by bp or dfa, and then stop learning.",
    kind=("order",),
    cost="minutes",
    settings={"epochs": 100, "train": None},
    quick={"epochs": 3, "train": 12_000},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
