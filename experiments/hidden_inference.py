"""Predictions with signs of hidden activations beside full ones: test error and price of inference.

    python -m experiments.hidden_inference        three minutes on one core; needs MNIST

Each network learns once (default rates, 8-bit view; learning is the same under both) and predicts the test samples with
activations of 8 bits and of 1 bit. Energy and area on engine-28nm are of a chip that cannot learn. Means of three
seeds. Prints a Markdown table and writes experiments/results/hidden_inference.json.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.network.learner import Learner
from edgelearn.runs.dataset import design_for, encode_data
from edgelearn.runs.epochs import Epochs
from hw_models.processor import find_processor

RESULTS = Path(__file__).parent / "results" / "hidden_inference.json"
SEEDS = (0, 1, 2)
RULES = ("bp", "dfa", "local", "drtp")
NETS = (("mnist", "784-500-10", 5), ("mnist", "784-200-200-10", 5), ("digits", "64-100-10", 10))
INFERENCE = ("full", "sign")


def measure(data: str, net: str, epochs: int, rule: str) -> dict[str, Any]:
    """Return test errors, energy of an inference and area, by activations."""
    engine = find_processor("engine-28nm")
    errors: dict[str, list[float]] = {name: [] for name in INFERENCE}
    energies: dict[str, list[float]] = {name: [] for name in INFERENCE}
    areas: dict[str, int] = {}
    for seed in SEEDS:
        settings = {"data": data, "net": net, "rule": rule, "epochs": epochs, "seed": seed}
        encoded = encode_data(make_config(settings))
        train, test = (encoded.levels, encoded.data.train_y), (encoded.test_levels, encoded.data.test_y)
        learned: Learner | None = None
        for name in INFERENCE:
            learner = Learner(design_for(make_config(settings | {"hidden_inference": name}), encoded.data))
            if learned is None:
                run = Epochs(learner, train, test, epochs, None, seed)
                for part in run.chunks():
                    run.advance(part)
                learned = learner
            else:
                learner.restore(learned.save())
            wrong = np.mean(learner.predict(encoded.test_levels) != encoded.data.test_y)
            errors[name].append(round(100 * float(wrong), 4))
            cost = engine.price(learner.spec, learner.counters, learning=False)
            energies[name].append(cost.energy_per_sample_pj * 1e-3)
            areas[name] = round(cost.total("area_um2"))
    row = {
        "data": data,
        "net": net,
        "epochs": epochs,
        "rule": rule,
        "errors": errors,
        "energy_nj": {name: round(statistics.mean(values), 3) for name, values in energies.items()},
        "area_um2": areas,
    }
    print(row, flush=True)
    return row


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| data, network, epochs | rule | test error | with signs | inference | with signs | area with signs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        full, sign = (statistics.mean(row["errors"][name]) for name in INFERENCE)
        energy, area = row["energy_nj"], row["area_um2"]
        lines.append(
            f"| {row['data']}, {row['net']}, {row['epochs']} | {row['rule']} | {full:.2f} % | {sign:.2f} % "
            f"({sign - full:+.2f}) | {energy['full']:,.1f} nJ | {energy['sign']:,.1f} nJ "
            f"({100 * (energy['sign'] / energy['full'] - 1):+.1f} %) | "
            f"{100 * (area['sign'] / area['full'] - 1):+.1f} % |"
        )
    return lines


def main() -> None:
    rows = [measure(data, net, epochs, rule) for data, net, epochs in NETS for rule in RULES]
    write_text(RESULTS, json.dumps({"edgelearn": __version__, "seeds": len(SEEDS), "rows": rows}, indent=1) + "\n")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
