"""Spiking networks on the digits: each rule against a frozen hidden population and the rate network.

    python experiments/spiking_digits.py        two minutes on two cores

64-64-10 and 64-16-10, 8-bit weights, stochastic rounding, 32 steps a sample, 10 epochs, 5 seeds; 1437 samples learned,
360 tested. Prints a Markdown table and writes experiments/results/spiking_digits.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_digits

from edgelearn.files import write_text
from edgelearn.network.encoding import encode_levels
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design as rate_network
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.network import design, label_times
from edgelearn.spiking.training import Presentation, ValueSamples, predict, training_blocks

RESULTS = Path(__file__).parent / "results" / "spiking_digits.json"
EPOCHS, SEEDS = 10, 5
RULES = ("drtp", "dfa", "sdfa", "shallow")


def digits() -> tuple[np.ndarray, ...]:
    """Return x, labels, test x, test labels; x from 0 to 1."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.data))
    x, labels = data.data[order] / 16, data.target[order]
    return x[:1437], labels[:1437], x[1437:], labels[1437:]


def spiking(rule: str, hidden: int, seed: int) -> dict[str, Any]:
    """Learn and test one network; return accuracy, and counts of a learned sample."""
    x, labels, test_x, test_labels = digits()
    shown = Presentation(period=label_times(rule, "rate", 32)[1])
    learner = SpikingLearner(design((64, hidden, 10), rule, seed=seed))
    for raster in training_blocks(ValueSamples(x, labels), shown, EPOCHS, seed):
        learner.advance(raster)
    names = ("spikes", "synaptic_operations", "synaptic_updates", "neuron_updates")
    counts = {name: learner.counted(name) / (EPOCHS * len(x)) for name in names}
    predicted = predict(learner, ValueSamples(test_x, test_labels), shown)
    return {"accuracy": float((predicted == test_labels).mean()), "a sample": counts}


def rate(rule: str, hidden: int, seed: int) -> float:
    """Return the accuracy of the rate network with the same rule, weights of 8 bits and stochastic rounding."""
    x, labels, test_x, test_labels = digits()
    learner = Learner(rate_network((64, hidden, 10), rule, bits=8, seed=seed))
    levels, test_levels = (encode_levels(part, 0.0, 1.0, 4) for part in (x, test_x))
    for _ in range(EPOCHS):
        learner.learn(levels, labels)
    return float((learner.predict(test_levels) == test_labels).mean())


def main() -> int:
    cells = [(rule, hidden, seed) for hidden in (64, 16) for rule in RULES for seed in range(SEEDS)]
    found = Parallel(n_jobs=-1)(delayed(spiking)(*cell) for cell in cells)
    rates = Parallel(n_jobs=-1)(delayed(rate)(*cell) for cell in cells)
    content: dict[str, Any] = {"epochs": EPOCHS, "seeds": SEEDS, "networks": {}}
    print("| hidden | rule | spiking | rate network | gap | synaptic operations a sample | updates a sample |")
    print("|---|---|---|---|---|---|---|")
    for hidden in (64, 16):
        for rule in RULES:
            own = [k for k, cell in enumerate(cells) if cell[:2] == (rule, hidden)]
            accuracies, beside = [found[k]["accuracy"] for k in own], [rates[k] for k in own]
            names = found[0]["a sample"]
            counts = {name: float(np.mean([found[k]["a sample"][name] for k in own])) for name in names}
            content["networks"][f"{rule} {hidden}"] = {"accuracies": accuracies, "rate": beside, "a sample": counts}
            mean, other = np.mean(accuracies), np.mean(beside)
            print(
                f"| {hidden} | {rule} | {mean:.3f} +- {np.std(accuracies, ddof=1):.3f} | {other:.3f} "
                f"| {other - mean:+.3f} "
                f"| {counts['synaptic_operations']:,.0f} | {counts['synaptic_updates']:,.0f} |"
            )
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
