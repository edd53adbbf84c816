"""Training of a float reference with torch's optimisers; resumable, order fixed by seed and epoch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgelearn.files import write_whole
from edgelearn.references.pytorch import torch
from edgelearn.references.torch_online import one_thread
from experiments.float_nets.float_config import FloatConfig
from experiments.float_nets.nets import ReferenceNet

Tensor = torch.Tensor
CHECKPOINT_SECONDS = 20.0
TEST_BATCH = 1000


class Data(Protocol):
    """Interface of a data source."""

    def batches(self, epoch: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give inputs float[n, ...] and targets float[n, C] of one epoch."""

    def test(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the test samples after an epoch, in batches."""


@dataclass
class FixedData:
    """Fixed arrays; the training part is shuffled in each epoch.

    Parameters
    ----------
    x, x_test : float[n, ...]; y, y_test : float[n, C]
    seed : of the order
    """

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    seed: int = 0

    @classmethod
    def of_labels(
        cls, x: np.ndarray, labels: np.ndarray, x_test: np.ndarray, labels_test: np.ndarray, seed: int = 0
    ) -> FixedData:
        """Take arrays of any number type and classes 0, 1, ...; two classes become one output.

        Parameters
        ----------
        x, x_test : [n, ...]; labels, labels_test : int[n]
        """
        n_classes = int(max(labels.max(), labels_test.max())) + 1
        parts = []
        for values, classes in ((x, labels), (x_test, labels_test)):
            one_hot = np.eye(n_classes, dtype=np.float32)[classes]
            parts += [torch.tensor(values, dtype=torch.float32), torch.from_numpy(one_hot)]
        x_train, y_train, x_held, y_held = parts
        if n_classes == 2:
            y_train, y_held = y_train[:, 1:], y_held[:, 1:]
        return cls(x_train, y_train, x_held, y_held, seed)

    def batches(self, epoch: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give all training samples in an order that seed and epoch fix; the last batch may be smaller."""
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
        order = torch.randperm(len(self.x), generator=generator)
        for part in order.split(size):
            yield self.x[part], self.y[part]

    def test(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the test samples in batches."""
        return zip(self.x_test.split(TEST_BATCH), self.y_test.split(TEST_BATCH), strict=True)


def optimiser(net: ReferenceNet) -> torch.optim.Optimizer:
    """Return torch's optimiser for the parameters that learn, as the net's configuration names it."""
    config = net.config
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    common: dict[str, Any] = {"lr": config.rate, "weight_decay": config.weight_decay}
    match config.optimiser:
        case "sgd":
            return torch.optim.SGD(learning, **common)
        case "momentum" | "nesterov":
            nesterov = config.optimiser == "nesterov"
            return torch.optim.SGD(learning, momentum=config.momentum, nesterov=nesterov, **common)
        case "adagrad":
            return torch.optim.Adagrad(learning, **common)
        case "adadelta":
            return torch.optim.Adadelta(learning, **common)
        case "rmsprop":
            return torch.optim.RMSprop(learning, alpha=config.decay, **common)
        case "adam":
            return torch.optim.Adam(learning, fused=True, **common)


@contextmanager
def _no_denormals() -> Iterator[None]:
    """Take numbers below 1e-38 for zero: gradients that small teach nothing, and processors are slow with them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def wrong(y: Tensor, target: Tensor) -> int:
    """Return how many samples get the wrong class; a single output is a class above one half."""
    if target.shape[1] == 1:
        return int(((y > 0.5) != (target > 0.5)).sum())
    return int((y.argmax(1) != target.argmax(1)).sum())


def evaluate(net: ReferenceNet, batches: Iterator[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Return error in percent and mean loss over batches, without learning or dropout."""
    net.eval()
    samples, mistakes, loss = 0, 0, 0.0
    with torch.no_grad():
        for x, target in batches:
            y = net(x)
            samples, mistakes = samples + len(x), mistakes + wrong(y, target)
            loss += float(net.loss(y, target)) * len(x)
    net.train()
    return 100 * mistakes / max(samples, 1), loss / max(samples, 1)


@dataclass
class Training:
    """Training of one network.

    Parameters
    ----------
    net, data : what learns, and from what; the targets have as many columns as the net has outputs
    path : file of the checkpoint, or None
    on_batch : called after every batch with (training, samples seen since the start, x, target)
    on_epoch : called before the first epoch and after each with (training, epochs done); what it returns joins the
        records of that epoch
    progress : called with the share that is done
    test_every : epochs between two tests

    Attributes
    ----------
    records : one dictionary per epoch: epoch, online training error in percent, test error and loss
    memory : what on_batch and on_epoch keep; plain values, saved with the checkpoint
    """

    net: ReferenceNet
    data: Data
    path: Path | None = None
    on_batch: Callable[[Training, int, Tensor, Tensor], None] | None = None
    on_epoch: Callable[[Training, int], dict[str, Any] | None] | None = None
    progress: Callable[[float], None] = lambda share: None
    test_every: int = 1
    records: list[dict[str, Any]] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    _saved: float = 0.0
    _seen: int = 0

    def run(self) -> list[dict[str, Any]]:
        """Learn all epochs, from the checkpoint where there is one; return the records."""
        with one_thread(), _no_denormals():  # or the last digits would depend on the number of processors
            return self._run()

    def _run(self) -> list[dict[str, Any]]:
        config = self.net.config
        self._descent = optimiser(self.net)
        start = self._resume()
        self._saved = time.monotonic()
        if start == 0 and self.on_epoch is not None:
            self.records.append({"epoch": 0} | (self.on_epoch(self, 0) or {}))
        for epoch in range(start, config.epochs):
            self.records.append(self._epoch(epoch))
            if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._save(epoch + 1)
            self.progress((epoch + 1) / config.epochs)
        return self.records

    def _epoch(self, epoch: int) -> dict[str, Any]:
        config, net = self.net.config, self.net
        mistakes, samples = 0, 0
        net.train()
        for x, target in self.data.batches(epoch, config.batch):
            self._descent.zero_grad()
            y = net.teach(x, target)
            self._descent.step()
            net.constrain()
            mistakes, samples = mistakes + wrong(y, target), samples + len(x)
            self._seen += len(x)
            if self.on_batch is not None:
                self.on_batch(self, self._seen, x, target)
        record: dict[str, Any] = {"epoch": epoch + 1, "online_error": 100 * mistakes / max(samples, 1)}
        if (epoch + 1) % self.test_every == 0 or epoch + 1 == config.epochs:
            record["test_error"], record["test_loss"] = evaluate(net, self.data.test(epoch))
        if self.on_epoch is not None:
            record |= self.on_epoch(self, epoch + 1) or {}
        return record

    def _save(self, epochs: int) -> None:
        if self.path is None:
            return
        state = {
            "config": self.net.config.model_dump_json(),
            "epochs": epochs,
            "seen": self._seen,
            "net": self.net.state_dict(),
            "optimiser": self._descent.state_dict(),
            "generator": self.net.generator.get_state(),
            "records": json.dumps(self.records),
            "memory": json.dumps(self.memory),
        }
        write_whole(self.path, lambda file: torch.save(state, file))
        self._saved = time.monotonic()

    def _resume(self) -> int:
        """Take over a checkpoint of the same configuration; return its epochs, 0 where there is none."""
        if self.path is None or not self.path.exists():
            return 0
        state = None
        with suppress(Exception):  # whatever is wrong with the file: start from the beginning
            state = torch.load(self.path, weights_only=True)
        if not isinstance(state, dict) or state.get("config") != self.net.config.model_dump_json():
            return 0
        self.net.load_state_dict(state["net"])
        self._descent.load_state_dict(state["optimiser"])
        self.net.generator.set_state(state["generator"])
        self.records, self.memory = json.loads(state["records"]), json.loads(state["memory"])
        self._seen = state["seen"]
        return int(state["epochs"])


def train(config: FloatConfig, data: Data, **options: Any) -> tuple[ReferenceNet, list[dict[str, Any]]]:
    """Make a net, train it, and return it with the records of its epochs; `options` as of `Training`."""
    training = Training(ReferenceNet(config), data, **options)
    records = training.run()
    return training.net, records
