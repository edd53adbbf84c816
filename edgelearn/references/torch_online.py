"""Online (batch of one) direct random target projection in torch, float32 and dense; torch is imported when needed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

HIDDEN_RATE, OUTPUT_RATE = 0.01, 0.003


def _torch() -> Any:
    from edgelearn.references.pytorch import torch

    return torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block, and as many as before after it.

    Raises
    ------
    UserError
        "torch is not installed ..."
    """
    torch = _torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def as_tensors(levels: np.ndarray, labels: np.ndarray, n_outputs: int) -> tuple[Any, Any, list[int]]:
    """Return inputs float32[n, n_in] in 0..1, one-hot targets float32[n, n_out], and labels as integers."""
    torch = _torch()
    x = torch.from_numpy(np.ascontiguousarray(levels, np.float32) / max(int(levels.max(initial=0)), 1))
    index = torch.from_numpy(np.ascontiguousarray(labels, np.int64))
    return x, torch.nn.functional.one_hot(index, n_outputs).float(), index.tolist()


def _uniform(shape: tuple[int, ...], limit: float, generator: Any) -> Any:
    return (_torch().rand(shape, generator=generator) * 2 - 1) * limit


def initial_tensors(sizes: Sequence[int], seed: int) -> tuple[list[Any], list[Any]]:
    """Return weights float32[n_out, n_in] of all layers, feedback float32[n_classes, n] of hidden ones."""
    generator = _torch().Generator().manual_seed(seed)
    shapes = [(n, m) for m, n in itertools.pairwise(sizes)]
    weights = [_uniform(shape, float(np.sqrt(6 / shape[1])), generator) for shape in shapes]
    return weights, [_uniform((sizes[-1], n), 1.0, generator) for n in sizes[1:-1]]


class InPlaceNet:
    """No graph and no new tensors: matrix-vector products and rank-one updates in place.

    Parameters
    ----------
    sizes : layer sizes, inputs to outputs
    hidden_rate, output_rate : learning rates
    """

    def __init__(
        self,
        sizes: Sequence[int],
        hidden_rate: float = HIDDEN_RATE,
        output_rate: float = OUTPUT_RATE,
        seed: int = 0,
    ) -> None:
        torch = _torch()
        self._weights, self._feedback = initial_tensors(sizes, seed)
        self._biases = [torch.zeros(n) for n in sizes[1:]]
        self._values = [torch.zeros(n) for n in sizes[1:]]
        self._deltas = [torch.zeros(n) for n in sizes[1:]]
        self._hidden_rate, self._output_rate = hidden_rate, output_rate

    def learn(self, x: Any, targets: Any, labels: Sequence[int]) -> None:
        """Learn rows of x one after another."""
        torch = _torch()
        addmv, tanh, sigmoid, addcmul, sub = torch.addmv, torch.tanh, torch.sigmoid, torch.addcmul, torch.sub
        rows = [list(feedback) for feedback in self._feedback]
        values, deltas = self._values, self._deltas
        layers = list(zip(self._weights, self._biases, values, deltas, strict=True))
        hidden = list(zip(layers[:-1], rows, strict=True))
        weights, biases, probability, error = layers[-1]
        hidden_rate, output_rate = -self._hidden_rate, -self._output_rate
        with torch.no_grad():
            for sample, target, label in zip(list(x), list(targets), labels, strict=True):
                before = sample
                for (w, b, h, d), projected in hidden:
                    tanh(addmv(b, w, before, out=h), out=h)
                    row = projected[label]
                    torch.mul(h, h, out=d)
                    addcmul(row, row, d, value=-1, out=d)  # B[label] * (1 - h^2)
                    w.addr_(d, before, alpha=hidden_rate)
                    b.add_(d, alpha=hidden_rate)
                    before = h
                sigmoid(addmv(biases, weights, before, out=probability), out=probability)
                sub(probability, target, out=error)
                weights.addr_(error, before, alpha=output_rate)
                biases.add_(error, alpha=output_rate)

    def predict(self, x: Any) -> Any:
        """Return the classes of rows of x, int64[n]."""
        torch = _torch()
        for w, b in zip(self._weights[:-1], self._biases, strict=False):
            x = torch.tanh(x @ w.T + b)
        return (x @ self._weights[-1].T + self._biases[-1]).argmax(1)
