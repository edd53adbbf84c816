"""Imported heads against their runtime: share of samples with the same class before learning.

Networks trained by torch on the digits, on gas-drift and on features of MNIST become ONNX files, float and quantised
to int8 (QDQ) by ONNX Runtime, and TFLite files, float and quantised to int8 by LiteRT. Their words, made from
calibration on the training samples, predict the test samples, and so does the runtime. For the quantised ones the
features are the integers of the tensor at the cut, which enter without rounding. int8 models also give int8 scores:
where two of them are the highest, the runtime's class is the first of these, and the last column counts either as the
same.

    python experiments/pretrained_agreement.py     about two minutes; torch, onnx, onnxruntime, tflite,
                                                   ai-edge-litert, gas-drift and MNIST
    python experiments/pretrained_agreement.py --seed 1     networks of another seed of torch
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data import datasets
from edgelearn.data.open_source import open_source
from edgelearn.errors import UserError
from edgelearn.pretrained import read_model
from edgelearn.pretrained.runtime import features_of
from edgelearn.runs.start import start_from
from experiments import tflite_files

Case = tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def train(sizes: tuple[int, ...], activation: str, x: np.ndarray, y: np.ndarray, epochs: int, seed: int = 0) -> Any:
    """Return a torch network of dense layers, trained with Adam on the cross entropy of its logits."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    kinds = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}
    parts: list[Any] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):  # noqa: RUF007
        parts += [torch.nn.Linear(n_in, n_out), kinds[activation]()]
    net = torch.nn.Sequential(*parts[:-1])
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    inputs, labels = torch.tensor(x), torch.tensor(y)
    for _ in range(epochs):
        for part in torch.randperm(len(inputs)).split(64):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(inputs[part]), labels[part]).backward()
            optimiser.step()
    return net


def export(net: Any, n_in: int, path: Path) -> Path:
    import torch

    axes = {"features": {0: "n"}}
    torch.onnx.export(
        net, torch.zeros(1, n_in), str(path), input_names=["features"], dynamic_axes=axes, dynamo=False, verbose=False
    )
    return path


def quantise(path: Path, x: np.ndarray) -> Path:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    class Reader:
        rows = iter([{"features": row[None]} for row in x[:300]])

        def get_next(self) -> Any:
            return next(self.rows, None)

    out = path.with_name(f"{path.stem}-int8.onnx")
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8, "quant_format": QuantFormat.QDQ}
    quantize_static(str(path), str(out), Reader(), **kinds)
    return out


def as_tflite(net: Any, path: Path) -> Path:
    """Write a torch network of dense layers as TFLite."""
    parts = [*net, None]
    layers = []
    for part, behind in zip(parts[:-1], parts[1:], strict=True):  # noqa: RUF007
        if type(part).__name__ == "Linear":
            kind = {"ReLU": "relu", "Tanh": "tanh"}.get(type(behind).__name__, "linear")
            layers.append((part.weight.detach().numpy(), part.bias.detach().numpy(), kind))
    return tflite_files.write_dense(path, layers)


def compare(path: Path, x: np.ndarray, test_x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the runtime, and the classes of the imported words."""
    model = read_model(path)
    scores, _ = features_of(model, model.outputs[0], test_x)
    found = [tensor for tensor, cut in model.cuts() if not isinstance(cut, UserError) and tensor.is_integer]
    if found:
        tensor = found[0]
        assert tensor.scale is not None
        assert tensor.zero_point is not None
        test_x = np.clip(np.rint(test_x / tensor.scale) + tensor.zero_point, -128, 127).astype(np.int8)
        start = start_from(path, cut=tensor.name, rule="dfa")
    else:
        start = start_from(path, x=x, rule="dfa")
    return scores, start.learner(start.design()).predict(start.front_end.encode(test_x))


def cases() -> Iterator[Case]:
    digits = datasets.open_dataset("digits")
    scaled = [part.astype(np.float32) / 16 for part in (digits.train_x, digits.test_x)]
    yield "digits", scaled[0], digits.train_y, scaled[1], digits.test_y
    blocks = list(open_source("gas-drift").blocks(0))
    x, y = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("x", "y"))
    order = np.random.default_rng(0).permutation(len(x))
    x, y, n = x[order], y[order], len(x) * 4 // 5
    x = ((x - x[:n].mean(axis=0)) / x[:n].std(axis=0)).astype(np.float32)
    yield "gas-drift, standardised", x[:n], y[:n], x[n:], y[n:]
    mnist = datasets.open_dataset("mnist")
    x, test_x = mnist.train_x[:10_000].astype(np.float32) / 255, mnist.test_x.astype(np.float32) / 255
    y = mnist.train_y[:10_000]
    first = train((784, 64, 10), "relu", x, y, 8)[0]
    weights, biases = first.weight.detach().numpy(), first.bias.detach().numpy()
    features = [np.maximum(part @ weights.T + biases, 0) for part in (x, test_x)]
    yield "MNIST, 64 features (ReLU)", features[0], y, features[1], mnist.test_y


def files(net: Any, n_in: int, x: np.ndarray, folder: Path) -> Iterator[tuple[str, Path]]:
    path = export(net, n_in, folder / "model.onnx")
    yield "ONNX", path
    yield "ONNX int8", quantise(path, x)
    path = as_tflite(net, folder / "model.tflite")
    yield "TFLite", path
    yield "TFLite int8", tflite_files.quantised(path, x[:300])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of torch")
    seed = parser.parse_args().seed
    print("| data | head | model | accuracy, runtime | accuracy, words | same class | one of equals |")
    print("|---|---|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, x, y, test_x, test_y in cases():
            for hidden, activation in (((), "relu"), ((32,), "relu"), ((32,), "tanh")):
                sizes = (x.shape[1], *hidden, int(y.max()) + 1)
                net = train(sizes, activation, x, y, 20, seed)
                for kind, file in files(net, sizes[0], x, Path(folder)):
                    scores, found = compare(file, x, test_x)
                    expected, rows = scores.argmax(axis=1), np.arange(len(scores))
                    head = f"{'-'.join(map(str, sizes))}{f' {activation}' if hidden else ''}"
                    best = scores[rows, found] == scores.max(axis=1)
                    counted = (expected == test_y, found == test_y, found == expected, best)
                    figures = [100 * float(np.mean(one)) for one in counted]
                    print(
                        f"| {name} | {head} | {kind} | " + " | ".join(f"{one:.2f} %" for one in figures) + " |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
