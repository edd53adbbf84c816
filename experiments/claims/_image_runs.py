"""Float runs on images, as several claims need them: trained once, with errors, angles and activations on the way."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from edgelearn.reproduction.study import Work
from experiments.float_nets.measures import angle_signal

PROBE_BATCHES, PROBE_SIZE = 100, 60  # hidden activations of 6,000 samples in batches, as in DRTP, Suppl. Fig. 4
EDGES = np.linspace(-1, 1, 41)
SMOOTHING = 0.95
LATE_EPOCHS = 5  # angles after these count for the largest


@lru_cache(maxsize=1)
def images(name: str, low: float, high: float, standard: bool) -> tuple[Any, ...]:
    """Return x, y, x_test, y_test of an image set as tensors: x in 0..1 or standardised, y between low and high."""
    from edgelearn.data import open_dataset
    from edgelearn.references.pytorch import torch

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
    from experiments.float_nets.float_config import float_config
    from experiments.float_nets.nets import ReferenceNet
    from experiments.float_nets.training import FixedData, Training

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
        "angles": angles.series(training, LATE_EPOCHS * len(data.x)),
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
        self.every, self.of = every, of

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
                angle = angle_signal(own.flatten(1).double().numpy(), other.flatten(1).double().numpy())
                before = series[-1] if series else angle
                defined = angle == angle  # a batch without any error has no direction
                series.append(SMOOTHING * before + (1 - SMOOTHING) * angle if defined else before)

    def series(self, training: Any, late: int, points: int = 300) -> dict[str, Any]:
        """Return samples seen and smoothed angles by layer, thinned to about so many points.

        `largest`, by layer, is over all angles after `late` samples.
        """
        memory = {key: value for key, value in training.memory.items() if key != "batches"}
        if "seen" not in memory:
            return {}
        seen = np.array(memory["seen"])
        keep = np.unique(np.linspace(0, len(seen) - 1, points).astype(int))
        thin: dict[str, Any] = {key: [values[i] for i in keep] for key, values in memory.items()}
        after = seen > late if (seen > late).any() else np.full(len(seen), True)
        return thin | {"largest": {key: max(np.array(memory[key])[after]) for key in memory if key != "seen"}}


def _hidden(net: Any, data: Any) -> list[dict[str, Any]]:
    """Return, for each hidden layer, what its activations look like and how large its update is."""
    from edgelearn.references.pytorch import torch

    batches: list[list[np.ndarray]] = []
    with torch.no_grad():
        net.eval()
        for x in data.x[: PROBE_BATCHES * PROBE_SIZE].split(PROBE_SIZE):
            net(x)
            batches.append([y.flatten(1).numpy() for y in net.y])
        net.train()
    norms, found = _update_norms(net, data), []
    for k in range(len(norms)):
        y = np.concatenate([batch[k] for batch in batches])
        counts, _ = np.histogram(y, EDGES)
        found.append(
            {
                "density": [float(share) for share in counts / max(counts.sum(), 1) / np.diff(EDGES)],
                "beyond_0.95": float((np.abs(y) > 0.95).mean()),
                "mean_gate": float((1 - y**2).mean()) if net.config.hidden == "tanh" else None,
                "update_norm": norms[k],
            }
        )
    return found


def _update_norms(net: Any, data: Any) -> list[float]:
    """Return the mean norm of a batch's gradient of each hidden layer's weights under the rule."""
    hidden = list(net.layers)[:-1]
    if not all(layer.weight.requires_grad for layer in hidden):
        return [0.0] * len(hidden)
    norms, state = np.zeros(len(hidden)), net.generator.get_state()
    for batch in range(PROBE_BATCHES):
        part = slice(batch * PROBE_SIZE, (batch + 1) * PROBE_SIZE)
        net.zero_grad()
        net.teach(data.x[part], data.y[part])
        norms += [float(layer.weight.grad.norm()) for layer in hidden]
    net.zero_grad()
    net.generator.set_state(state)  # looking changes nothing
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
