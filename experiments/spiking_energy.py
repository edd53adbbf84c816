"""Accuracy of each rule on digits and camera events, and energy per sample on three cores.

    python experiments/spiking_energy.py        two minutes on two cores

`edgelearn run --spiking --data DATA --rule RULE --processor CORE`, 5 seeds. digits: 1,437 samples learned, 360 tested,
64-64-10, 32 steps. nmnist-small: 1,000 samples of N-MNIST learned, 100 tested, 2312-64-10, 30 steps of 10 ms; settings
were chosen on 200 of the 1,000, 30 at random for each rule. 8-bit weights, 10 epochs. Prints Markdown tables and writes
experiments/results/spiking_energy.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from edgelearn.config import SpikingConfig
from edgelearn.files import write_text
from edgelearn.runs.spiking import run as run_spiking
from hw_models.spiking_cost import find_core, spiking_as_dict

RESULTS = Path(__file__).parent / "results" / "spiking_energy.json"
DATA = ("digits", "nmnist-small")
RULES, SEEDS = ("drtp", "dfa", "sdfa", "shallow"), 5
CORES = {"odin-like": 12.7, "reckon-like": 5.3, "loihi-like": 23.6}  # published pJ of a synaptic operation
FIGURES = ("energy_pj", "energy_pj_per_synaptic_operation")


def one(data: str, rule: str, seed: int) -> dict[str, Any]:
    """Learn once; return accuracy, and the cost of a learned and of a tested sample on each core."""
    found = run_spiking(SpikingConfig(data=data, rule=rule, seed=seed))
    content, spec = found.result.content, found.learner.spec
    counted = {
        name: {counter: np.array(values[1:]) for counter, values in content["counters"][name].items()}
        for name in ("learning", "inference")
    }
    steps = content["presentation"]["steps"]
    samples = {name: content["counters"][name]["steps"][0] // steps for name in counted}
    held = {"training": spec.memory_bits(), "inference": spec.memory_bits(learning=False)}
    costs = {}
    for core in CORES:
        priced = spiking_as_dict(
            (counted["learning"], samples["learning"]),
            (counted["inference"], samples["inference"]),
            held,
            find_core(core),
        )
        costs[core] = {
            kind: {name: priced[kind][name] for name in (*FIGURES, "synaptic_operations")}
            for kind in ("training", "inference")
        }
    return {"accuracy": content["result"]["accuracy"], "costs": costs}


def mean(costs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over seeds of every number in nested tables."""
    if not isinstance(costs[0], dict):
        return float(f"{np.mean(costs):.6g}")  # type: ignore[return-value]
    return {key: mean([cost[key] for cost in costs]) for key in costs[0]}


def band(figure: dict[str, float], unit: float) -> str:
    low, nominal, high = (figure[end] / unit for end in ("low", "nominal", "high"))
    return f"{nominal:.3g} ({low:.3g} to {high:.3g})"


def main() -> int:
    cells = [(data, rule, seed) for data in DATA for rule in RULES for seed in range(SEEDS)]
    found = Parallel(n_jobs=-1)(delayed(one)(*cell) for cell in cells)
    content: dict[str, Any] = {data: {} for data in DATA}
    print("| data | rule | test accuracy | synaptic operations a learned sample |")
    print("|---|---|---|---|")
    for data in DATA:
        for rule in RULES:
            own = [found[k] for k, cell in enumerate(cells) if cell[:2] == (data, rule)]
            accuracies = [run["accuracy"] for run in own]
            content[data][rule] = {"accuracies": accuracies, "costs": mean([run["costs"] for run in own])}
            operations = content[data][rule]["costs"]["loihi-like"]["training"]["synaptic_operations"]
            spread = np.std(accuracies, ddof=1)
            print(f"| {data} | {rule} | {np.mean(accuracies):.3f} +- {spread:.3f} | {operations:,.0f} |")
    for data in DATA:
        print(f"\n{data}\n")
        print("| core | published pJ/SOP | rule | learned sample, uJ | pJ/SOP | tested sample, uJ | pJ/SOP |")
        print("|---|---|---|---|---|---|---|")
        for core, published in CORES.items():
            for rule in RULES:
                columns = [
                    band(content[data][rule]["costs"][core][kind][figure], unit)
                    for kind in ("training", "inference")
                    for figure, unit in zip(FIGURES, (1e6, 1.0), strict=True)
                ]
                print(f"| {core} | {published} | {rule} | {' | '.join(columns)} |")
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
