"""Float runs on images, as several claims need them: trained once, with errors, angles and activations on the way."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from edgelearn.reproduction.study import Work

PROBE_BATCHES, PROBE_SIZE = 100, 60  # hidden activations of 6,000 samples in batches, as in DRTP, Suppl. Fig. 4
EDGES = np.linspace(-1, 1, 41)


@lru_cache(maxsize=1)
def images(name: str, low: float, high: float, standard: bool) -> tuple[Any, ...]:
    """Return x, y, x_test, y_test of an image set as tensors: x in 0..1 or standardised, y between low and high."""
    from edgelearn.references.pytorch import torch
    from edgelearn.streams import open_dataset

    data = open_dataset(name)
    parts = []
    for values, labels in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        x = torch.from_numpy(np.asarray(values)).float().div_(data.high)
        parts += [x, torch.full((len(x), data.n_classes), low).scatter_(1, torch.from_numpy(labels)[:, None], high)]
    if standard:  # by the mean and deviation of the whole training part
        mean, deviation = parts[0].mean(), parts[0].std()
        for x in (parts[0], parts[2]):
            x.sub_(mean).div_(deviation)
    return tuple(parts)


def train_images(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Train a net on images and return its records.

    Settings
    --------
    data : "mnist" or "cifar10"; low, high : targets (0 and 1); standard : standardised inputs (False: 0 to 1)
    train : samples used (all); held_out : training samples kept for the choice of settings, scored as `test_error`
    order : seed of the order of samples (that of the net)
    preset, and everything of FloatConfig
    angles_every : batches between two angles of the rule's signals to backpropagation's (0: none)
    activations : epochs after which the hidden activations are looked at
    """
    from edgelearn.references.float_config import float_config
    from edgelearn.references.nets import ReferenceNet
    from edgelearn.references.training import FixedData, Training

    own = {"data", "low", "high", "standard", "train", "held_out", "order", "preset", "angles_every", "activations"}
    config = float_config(settings.get("preset"), **{key: value for key, value in settings.items() if key not in own})
    arrays = images(
        settings["data"], settings.get("low", 0.0), settings.get("high", 1.0), settings.get("standard", False)
    )
    x, y, x_test, y_test = arrays
    if held_out := settings.get("held_out", 0):
        x, y, x_test, y_test = x[:-held_out], y[:-held_out], x[-held_out:], y[-held_out:]
    train = settings.get("train") or len(x)
    data = FixedData(x[:train], y[:train], x_test, y_test, settings.get("order", config.seed))
    angles = Angles(settings.get("angles_every", 0), ("z", "y"))
    wanted = settings.get("activations", ())

    def look(training: Training, epoch: int) -> dict[str, Any] | None:
        return {"hidden": _hidden(training.net, data)} if epoch in wanted else None

    training = Training(ReferenceNet(config), data, work.file(".pt"), angles.after_batch, look, progress=work.progress)
    records = training.run()
    tested = [record["test_error"] for record in records if "test_error" in record]
    online = [record["online_error"] for record in records if "online_error" in record]
    return {
        "test_error": float(np.mean(tested[-10:])),
        "train_error": float(np.mean(online[-10:])),
        "test_errors": tested,
        "online_errors": online,
        "angles": angles.series(training),
        "hidden": {str(record["epoch"]): record["hidden"] for record in records if "hidden" in record},
        "sign_test_error": _sign_error(training.net, data) if wanted else None,
    }


class Angles:
    """Angles of a rule's hidden signals to backpropagation's on the batch at hand, smoothed with momentum 0.95.

    Parameters
    ----------
    every : batches between two measurements; 0 for none
    of : "z" for modulatory signals, "y" for the signals sent to activations, or both
    """

    def __init__(self, every: int, of: tuple[str, ...] = ("z",)) -> None:
        self.every, self.of, self._batch = every, of, 0

    def after_batch(self, training: Any, seen: int, x: Any, target: Any) -> None:
        """Measure after every so many batches; kept in the training's memory, so that it outlives a kill."""
        memory = training.memory
        memory["batches"] = memory.get("batches", 0) + 1
        if not self.every or memory["batches"] % self.every or training.net.rule.name in ("bp", "shallow"):
            return
        for of in self.of:
            ours = training.net.modulatory(x, target, of=of)
            bp = training.net.modulatory(x, target, "bp", of=of)
            memory.setdefault("seen", []).append(seen) if of == self.of[0] else None
            for k, (own, other) in enumerate(zip(ours, bp, strict=True)):
                series = memory.setdefault(f"{of}{k + 1}", [])
                angle = mean_angle(own.flatten(1).numpy(), other.flatten(1).numpy())
                series.append(angle if not series else 0.95 * series[-1] + 0.05 * angle)

    def series(self, training: Any, points: int = 300) -> dict[str, Any]:
        """Return samples seen and smoothed angles by layer, thinned to about so many points."""
        memory = {key: value for key, value in training.memory.items() if key != "batches"}
        if "seen" not in memory:
            return {}
        keep = np.unique(np.linspace(0, len(memory["seen"]) - 1, points).astype(int))
        return {key: [values[i] for i in keep] for key, values in memory.items()}


def mean_angle(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean angle of rows in degrees; rows of zeros do not count."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(1)[norms > 0] / norms[norms > 0]
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()) if len(cosine) else 90.0


def _hidden(net: Any, data: Any) -> list[dict[str, Any]]:
    """Return, for each hidden layer, what its activations look like and how large its update is."""
    from edgelearn.references.pytorch import torch

    found = []
    with torch.no_grad():
        net.eval()
        net(data.x[: PROBE_BATCHES * PROBE_SIZE])
        layers = [(y.flatten(1).numpy(), z.flatten(1).numpy()) for y, z in zip(net.y, net.z[:-1], strict=True)]
        net.train()
    norms = _update_norms(net, data)
    for k, (y, _) in enumerate(layers):
        counts, _ = np.histogram(y, EDGES)
        found.append(
            {
                "density": [float(share) for share in counts / counts.sum() / np.diff(EDGES)],
                "beyond_0.95": float((np.abs(y) > 0.95).mean()),
                "mean_gate": float((1 - y**2).mean()),  # f' of tanh
                "update_norm": norms[k],
            }
        )
    return found


def _update_norms(net: Any, data: Any) -> list[float]:
    """Return the mean norm of a batch's gradient of each hidden layer's weights under the rule."""
    hidden = list(net.layers)[:-1]
    if not hidden[0].weight.requires_grad:
        return [0.0] * len(hidden)
    norms = np.zeros(len(hidden))
    for batch in range(PROBE_BATCHES):
        part = slice(batch * PROBE_SIZE, (batch + 1) * PROBE_SIZE)
        net.zero_grad()
        net.teach(data.x[part], data.y[part])
        norms += [float(layer.weight.grad.norm()) for layer in hidden]
    net.zero_grad()
    return [float(norm) for norm in norms / PROBE_BATCHES]


def _sign_error(net: Any, data: Any) -> float | None:
    """Return the test error with sign(y) in place of the activations of a single hidden layer."""
    from edgelearn.references.pytorch import torch

    if len(net.layers) != 2:
        return None
    with torch.no_grad():
        net(data.x_test)
        outputs = net.layers[1](torch.sign(net.y[0]))
    return float(100 * (outputs.argmax(1) != data.y_test.argmax(1)).float().mean())
