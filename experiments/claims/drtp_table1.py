"""DRTP, Table 1: test error on MNIST of fully connected nets, without dropout.

Stated: see _drtp_runs.py; the test error is the mean of the last ten epochs. The paper has 10 trials, we run `seeds`.
Weights start as in the original code, sqrt(6) narrower than the paper says (_drtp_runs.py); one seed of `he_networks`
starts He uniform and is shown, not judged. Two hidden layers, convolutions and dropout are not part of this run; the
references have all they need, and they take hours.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, holds, less_paired, near
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_runs import mnist_run
from experiments.claims._drtp_tables import TABLE_1, TRIALS
from experiments.claims._image_runs import train_images

RULES = ("bp", "fa", "dfa", "drtp", "shallow")
ALLOWANCE = 0.15  # points: grids of rates, another generator


def measure(study: Study) -> dict[str, Any]:
    cells = [(network, rule) for network in study["networks"] for rule in RULES]
    seeds = [study.seed + k for k in range(study["seeds"])]
    settings = [
        mnist_run(network, rule, seed, study["epochs"], train=study["train"])
        for seed in seeds
        for network, rule in cells
    ]
    he = [mnist_run(n, rule, study.seed, study["epochs"], init="he") for n in study["he_networks"] for rule in RULES]
    results = study.map(train_images, settings + he)
    found: dict[str, Any] = {f"{network} {rule}": {"test": [], "train": [], "curves": []} for network, rule in cells}
    for (network, rule), result in zip(cells * len(seeds), results[: len(settings)], strict=True):
        cell = found[f"{network} {rule}"]
        cell["test"].append(result["test_error"])
        cell["train"].append(result["train_error"])
        cell["curves"].append(result["test_errors"])
    from_he = {f"{n} {rule}": 0.0 for n in study["he_networks"] for rule in RULES}
    for cell, result in zip(from_he, results[len(settings) :], strict=True):
        from_he[cell] = result["test_error"]
    return {"networks": study["networks"], "cells": found, "from_he_uniform": from_he}


def judge(measured: dict[str, Any]) -> list[Check]:
    cells, checks = measured["cells"], []
    for network in measured["networks"]:
        mean = {rule: _mean(cells[f"{network} {rule}"]["test"]) for rule in RULES}
        for rule in RULES:
            paper = (*TABLE_1[network, "DO 0.0"][rule], TRIALS)
            checks.append(
                near(f"test error of {rule} on {network}, %", cells[f"{network} {rule}"]["test"], paper, ALLOWANCE)
            )
        errors = {rule: cells[f"{network} {rule}"]["test"] for rule in RULES}
        for low, high in (("bp", "fa"), ("bp", "dfa"), ("fa", "drtp"), ("dfa", "drtp"), ("drtp", "shallow")):
            checks.append(less_paired(f"{network}: {low} below {high}", errors[low], errors[high], needs_full=True))
        apart = abs(mean["fa"] - mean["dfa"])
        checks.append(holds(f"{network}: fa and dfa within 0.1 points", apart <= 0.1, apart, "within 0.1", True))
    return checks


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def draw(measured: dict[str, Any], figure: Any) -> None:
    panels = figure.subplots(1, len(measured["networks"]), sharey=True, squeeze=False)[0]
    for axes, network in zip(panels, measured["networks"], strict=True):
        for rule in RULES:
            curves = measured["cells"][f"{network} {rule}"]["curves"]
            line = axes.plot(range(1, len(curves[0]) + 1), [_mean(list(at)) for at in zip(*curves, strict=True)])[0]
            mean, _ = TABLE_1[network, "DO 0.0"][rule]
            line.set_label(f"{rule}, paper {mean:.2f} %")
            axes.axhline(mean, color=line.get_color(), linestyle=":", linewidth=1)
            if (cell := f"{network} {rule}") in measured["from_he_uniform"]:
                axes.plot(len(curves[0]), measured["from_he_uniform"][cell], "x", color=line.get_color())
        axes.set(title=network, xlabel="epochs", yscale="log")
        axes.legend(fontsize="small")
    panels[0].set(
        ylabel="test error, %  (dotted: paper; x: He uniform)",
        yticks=[1.5, 2, 3, 5, 10, 20],
        yticklabels=[1.5, 2, 3, 5, 10, 20],
    )
    panels[0].tick_params(axis="y", which="minor", labelleft=False)


CLAIM = Claim(
    id="drtp-table1",
    source="DRTP, Table 1",
    statement="On MNIST drtp is between shallow learning and the rules that wait for an error, which are close to bp.",
    kind=("number", "order"),
    cost="minutes",
    settings={
        "networks": ["FC1-500", "FC1-1000"],
        "seeds": 2,
        "epochs": 100,
        "train": None,
        "he_networks": ["FC1-500"],
    },
    quick={"networks": ["FC1-500"], "seeds": 1, "epochs": 3, "train": 12_000, "he_networks": []},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
