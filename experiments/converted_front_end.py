"""Converted front ends: a CNN of torch in whole numbers, beside itself in floating point.

A network of five layers (three convolutions, the last with batch normalisation, and two dense layers) is trained on the
digits 0 to 7 of MNIST, exported to ONNX and converted up to the 64 features in front of its last layer. Accuracy on
the test samples of these digits: in float, of the float head behind the converted layers, and of words behind them;
with one exponent per map as the contract has it, and per layer; with 20 to 1,000 samples to calibrate.

    python experiments/converted_front_end.py     three seeds, about four minutes; torch, onnx and MNIST

Prints a Markdown table and writes experiments/results/converted_front_end.json.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from edgelearn import __version__
from edgelearn.conversion import convert as conversion
from edgelearn.data import datasets
from edgelearn.files import write_text
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.start import start_from

RESULTS = Path(__file__).parent / "results" / "converted_front_end.json"
KNOWN, SEEDS, EPOCHS, CALIBRATE = 8, (0, 1, 2), 2, (20, 60, 200, 1000)
CUT = "features"


def network() -> Any:
    """Return the untrained network."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, KNOWN),
    )  # fmt: skip


def train(x: np.ndarray, y: np.ndarray, seed: int) -> Any:
    """Return the network trained with Adam, in one thread."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    net, inputs, labels = network(), torch.tensor(x).reshape(-1, 1, 28, 28), torch.tensor(y)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(inputs[part]), labels[part]).backward()
            optimizer.step()
    return net.eval()


def export(net: Any, path: Path) -> Path:
    """Write the network as ONNX, with the output of its last ReLU as the tensor "features"."""
    import onnx
    import torch

    example = torch.zeros(1, 1, 28, 28)
    torch.onnx.export(net, example, path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})
    model = onnx.load(path)
    last = [node for node in model.graph.node if node.op_type == "Relu"][-1]
    for node in model.graph.node:
        node.input[:] = [CUT if name == last.output[0] else name for name in node.input]
    last.output[0] = CUT
    onnx.save(model, path)
    return path


def per_layer(weights: np.ndarray) -> np.ndarray:
    """Return the largest weight of a layer for each of its maps, so that they get one exponent."""
    return np.full(len(weights), np.abs(weights).max())


def accuracies(path: Path, x: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, calibrate: int) -> dict[str, float]:
    start = start_from(path, cut=CUT, x=x, rule="shallow", calibrate=calibrate, classes=list(map(str, range(KNOWN))))
    front = start.front_end
    assert isinstance(front, ConvertedFrontEnd)
    assert start.head is not None
    levels = front.encode(test_x)
    found = {
        "float": start.head.predict(front.real(test_x)),
        "converted, float head": start.head.predict(front.features.values(levels)),
        "converted, words": start.learner(start.design()).predict(levels),
    }
    return {name: 100 * float((classes == test_y).mean()) for name, classes in found.items()}


def measure(seed: int) -> list[dict[str, Any]]:
    data = datasets.open_dataset("mnist")
    parts = []
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        kept = y < KNOWN
        parts += [x[kept].astype(np.float32) / 255, y[kept].astype(np.int64)]
    x, y, test_x, test_y = parts
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = export(train(x, y, seed), Path(folder) / "cnn.onnx")
        for calibrate in CALIBRATE:
            found = accuracies(path, x, test_x, test_y, calibrate)
            rows.append({"seed": seed, "exponents": "per map", "calibrate": calibrate} | found)
        with mock.patch.object(conversion, "largest_of", per_layer):
            found = accuracies(path, x, test_x, test_y, 200)
        rows.append({"seed": seed, "exponents": "per layer", "calibrate": 200} | found)
    return rows


def table(rows: list[dict[str, Any]]) -> list[str]:
    names = ("float", "converted, float head", "converted, words")
    lines = [f"| exponents | samples to calibrate | {' | '.join(names)} |", "|---|--:|--:|--:|--:|"]
    for exponents, calibrate in dict.fromkeys((row["exponents"], row["calibrate"]) for row in rows):
        mine = [row for row in rows if (row["exponents"], row["calibrate"]) == (exponents, calibrate)]
        means = [f"{np.mean([row[name] for row in mine]):.2f} %" for name in names]
        lines.append(f"| {exponents} | {calibrate:,} | {' | '.join(means)} |")
    return lines


def main() -> None:
    rows = [row for seed in SEEDS for row in measure(seed)]
    write_text(RESULTS, json.dumps({"version": __version__, "rows": rows}, indent=1) + "\n")
    worst = max(row["float"] - row["converted, float head"] for row in rows if row["exponents"] == "per map")
    print("\n".join(table(rows)))
    print(f"largest loss of a seed by converted layers, one exponent per map: {worst:.2f} points")


if __name__ == "__main__":
    main()
