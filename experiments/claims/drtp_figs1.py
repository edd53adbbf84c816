"""DRTP, Suppl. Fig. 1: sDFA and DRTP on MNIST with one rate for both, and their angles to backpropagation.

Stated: 784-1000-10, Adam 1.5e-4 for both rules, batch 60, 100 epochs, 10 runs; the angle of the signals sent to the
activations (dy), smoothed with momentum 0.95. We run `seeds` and take the angle at every 20th batch. The training error
is the one met while learning, the mean of the last ten epochs.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, at_most, between, holds, less
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_runs import mnist_run
from experiments.claims._image_runs import train_images

RATE = 1.5e-4
PAPER = {"sdfa": {"train": 2.97, "test": 4.33}, "drtp": {"train": 2.24, "test": 4.05}}


def measure(study: Study) -> dict[str, Any]:
    seeds = [study.seed + k for k in range(study["seeds"])]
    runs = [
        mnist_run("FC1-1000", rule, seed, study["epochs"], rate=RATE, train=study["train"])
        for rule in PAPER
        for seed in seeds
    ]
    results = study.map(train_images, runs)
    found: dict[str, Any] = {}
    for i, rule in enumerate(PAPER):
        own = results[i * len(seeds) : (i + 1) * len(seeds)]
        found[rule] = {
            "train": sum(result["train_error"] for result in own) / len(own),
            "test": sum(result["test_error"] for result in own) / len(own),
            "seen": own[0]["angles"]["seen"],
            "angle": own[0]["angles"]["y1"],
            "largest_angle": max(result["angles"]["largest"]["y1"] for result in own),
        }
    return found


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for rule, paper in PAPER.items():
        for part, allowed in (("test", 0.3), ("train", 0.4)):
            ours = measured[rule][part]
            checks.append(
                between(
                    f"{part} error of {rule}, %", ours, paper[part] - allowed, paper[part] + allowed, paper[part], True
                )
            )
        checks.append(
            at_most(f"{rule}: largest angle after 5 epochs, degrees", measured[rule]["largest_angle"], 90, "< 90")
        )
    checks.append(
        less("test error, %: drtp below sdfa", measured["drtp"]["test"], measured["sdfa"]["test"], needs_full=True)
    )
    early = [sum(measured[rule]["angle"][:30]) / 30 for rule in ("drtp", "sdfa")]
    late = [sum(measured[rule]["angle"][-30:]) / 30 for rule in ("drtp", "sdfa")]
    checks.append(holds("at first drtp has the smaller angle", early[0] < early[1], f"{early[0]:.1f} < {early[1]:.1f}"))
    gaps = f"{early[1] - early[0]:.2f} then {late[1] - late[0]:.2f} degrees"
    checks.append(holds("the gap vanishes", late[1] - late[0] < early[1] - early[0], gaps, needs_full=True))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for rule in PAPER:
        axes.plot(measured[rule]["seen"], measured[rule]["angle"], label=rule)
    axes.axhline(90, color="grey", linestyle=":")
    axes.set(xlabel="samples seen", ylabel="angle of dy to backpropagation's, degrees", xscale="log")
    axes.legend()


CLAIM = Claim(
    id="drtp-figS1",
    source="DRTP, Suppl. Fig. 1",
    statement="At one rate drtp ends below sdfa on MNIST; both stay within 90 degrees of backpropagation.",
    kind=("number", "order"),
    cost="minutes",
    settings={"seeds": 1, "epochs": 100, "train": None},
    quick={"seeds": 1, "epochs": 3, "train": 12_000},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
