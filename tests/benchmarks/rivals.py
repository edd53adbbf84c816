"""Slower ways to write online learning in numpy and torch, as contestants of `bench_speed`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from edgelearn.benchmark import Contestant, NumpyNet, Setting, share_of, torch_contestant
from edgelearn.references.pytorch import torch
from edgelearn.references.torch_online import HIDDEN_RATE, OUTPUT_RATE, initial_tensors

GATHERED, AUTOGRAD = "numpy, gathered rows", "torch autograd, batch 1"
PUBLISHED = "torch, loop of the published DRTP code"


class GatheringNet(NumpyNet):
    """`NumpyNet` as one writes it first: rows are indexed, not gathered into an array that is kept."""

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        weights, biases, feedback = self.weights, self.biases, self.feedback
        last = len(weights) - 1
        hidden, output = np.float32(HIDDEN_RATE), np.float32(OUTPUT_RATE)
        one = np.float32(1)
        of_level = np.arange(256, dtype=np.float32) / np.float32(self.top)
        ones = np.ones(levels.shape[1], np.float32)
        predictions = np.zeros(len(labels), np.int64)
        for i, label in enumerate(labels.tolist()):
            events = levels[i].nonzero()[0]
            x = ones[: len(events)] if self.top == 1 else of_level[levels[i].take(events)]
            rows = weights[0][events]
            values: list[np.ndarray] = []
            for k in range(last + 1):
                z = (x @ rows if k == 0 else values[-1] @ weights[k]) + biases[k]
                values.append(np.tanh(z) if k < last else z)
            predictions[i] = values[last].argmax()
            for k in range(last + 1):
                if k < last:
                    d = feedback[k][label] * (one - values[k] * values[k]) * hidden
                else:
                    d = one / (one + np.exp(-values[k]))
                    d[label] -= one
                    d *= output
                if k > 0:
                    weights[k] -= values[k - 1][:, None] * d
                else:
                    weights[0][events] -= x[:, None] * d
                biases[k] -= d
        return predictions


class AutogradNet:
    """nn.Linear modules, one autograd function that replaces the hidden gradient, optim.SGD.

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

        class Project(torch.autograd.Function):
            """Pass the activation on; send the projected target back in place of the gradient."""

            @staticmethod
            def forward(ctx: Any, activation: Any, projected: Any) -> Any:
                ctx.save_for_backward(projected)
                return activation.view_as(activation)

            @staticmethod
            def backward(ctx: Any, gradient: Any) -> tuple[Any, None]:
                return ctx.saved_tensors[0], None

        weights, self._feedback = initial_tensors(sizes, seed)
        self._project = Project.apply
        self._layers = torch.nn.ModuleList(torch.nn.Linear(w.shape[1], w.shape[0]) for w in weights)
        with torch.no_grad():
            for layer, w in zip(self._layers, weights, strict=True):
                layer.weight.copy_(w)
                layer.bias.zero_()
        groups: list[dict[str, Any]] = [{"params": self._layers[-1].parameters(), "lr": output_rate}]
        if len(self._layers) > 1:
            groups.append({"params": self._layers[:-1].parameters()})
        self._optimiser = torch.optim.SGD(groups, lr=hidden_rate)
        self._loss = torch.nn.BCELoss(reduction="sum")

    def _output(self, x: Any, target: Any = None) -> Any:
        for layer, feedback in zip(self._layers, self._feedback, strict=False):
            x = torch.tanh(layer(x))
            if target is not None:
                x = self._project(x, target @ feedback)
        return torch.sigmoid(self._layers[-1](x))

    def learn(self, x: Any, targets: Any, labels: Sequence[int]) -> None:
        """Learn rows of x one after another."""
        for i in range(len(labels)):
            target = targets[i]
            self._optimiser.zero_grad()
            loss = self._loss(self._output(x[i], target), target)
            loss.backward()
            self._optimiser.step()

    def predict(self, x: Any) -> Any:
        """Return the classes of rows of x, int64[n]."""
        with torch.no_grad():
            return self._output(x).argmax(1)


class _Hook(torch.autograd.Function):
    """Passes activations on and sends projected targets back."""

    @staticmethod
    def forward(ctx: Any, activation: Any, targets: Any, feedback: Any) -> Any:
        ctx.save_for_backward(targets, feedback)
        return activation

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> tuple[Any, None, None]:
        targets, feedback = ctx.saved_tensors
        return targets.mm(feedback).view(gradient.shape), None, None


class _Block(torch.nn.Module):
    """A layer with its activation and, if hidden, its hook."""

    def __init__(self, weights: Any, feedback: Any | None) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(weights.shape[1], weights.shape[0])
        self.activation = torch.nn.Sigmoid() if feedback is None else torch.nn.Tanh()
        self.feedback = feedback
        with torch.no_grad():
            self.linear.weight.copy_(weights)
            self.linear.bias.zero_()

    def forward(self, x: Any, targets: Any) -> Any:
        x = self.activation(self.linear(x))
        return x if self.feedback is None else _Hook.apply(x, targets, self.feedback)


class PublishedLoopNet:
    """DRTP as its authors' code trains it: modules with hooks, one-hot targets, BCE loss, Nesterov momentum.

    Parameters
    ----------
    sizes : layer sizes, inputs to outputs
    batch : samples per step
    rate, momentum : of the optimiser
    """

    def __init__(
        self, sizes: Sequence[int], batch: int = 1, rate: float = OUTPUT_RATE, momentum: float = 0.9, seed: int = 0
    ) -> None:
        weights, feedback = initial_tensors(sizes, seed)
        self._blocks = torch.nn.ModuleList(_Block(w, b) for w, b in zip(weights, [*feedback, None], strict=True))
        self._optimiser = torch.optim.SGD(self._blocks.parameters(), lr=rate, momentum=momentum, nesterov=True)
        self._loss = torch.nn.BCELoss()
        self._batch, self._n_out = batch, sizes[-1]

    def learn(self, x: Any, targets: Any, labels: Sequence[int]) -> None:
        """Learn rows of x, a batch per step."""
        numbers = torch.as_tensor(labels)
        for start in range(0, len(labels), self._batch):
            data, label = x[start : start + self._batch], numbers[start : start + self._batch]
            one_hot = torch.zeros(len(label), self._n_out).scatter_(1, label.unsqueeze(1), 1.0)
            self._optimiser.zero_grad()
            loss = self._loss(self._output(data, one_hot), one_hot)
            loss.backward()
            self._optimiser.step()

    def _output(self, x: Any, targets: Any) -> Any:
        for block in self._blocks:
            x = block(x, targets)
        return x

    def predict(self, x: Any) -> Any:
        """Return the classes of rows of x, int64[n]."""
        with torch.no_grad():
            return self._output(x, torch.zeros(len(x), self._n_out)).argmax(1)


def gathering(setting: Setting) -> Contestant:
    spec, data = setting.spec, setting.data
    n = share_of(len(data.levels), 8)
    net = GatheringNet(spec.sizes, (1 << spec.input_bits) - 1, spec.seed)
    return Contestant(GATHERED, n, lambda: net.learn(data.levels[:n], data.labels[:n]))


RIVALS = (
    gathering,
    partial(torch_contestant, AUTOGRAD, AutogradNet, 40),
    partial(torch_contestant, f"{PUBLISHED}, batch 1", PublishedLoopNet, 100),
    partial(torch_contestant, f"{PUBLISHED}, batch 60", partial(PublishedLoopNet, batch=60), 10),
)
