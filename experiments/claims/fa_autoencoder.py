"""FA, Note 9: feedback alignment fails to train an autoencoder that is narrow in the middle, and not a wide one.

Stated: 784-1000-500-10-500-1000-784 and 784-1000-1000-1000-1000-1000-784, tanh, MNIST between -0.9 and 0.9, squared
error of the test set (8.6 under bp and 30.2 under fa; 1.5 and 0.72 in the wide one), batches of 100. Not stated: rates,
epochs, optimiser, initial weights, and whether errors are summed over pixels; ours are sums.

Reduced here to a fifth of the neurons, `samples` images and `epochs` passes, so that the printed numbers cannot come
out: the order is judged alone. Rates are the best of a grid by the loss of the training part, for each rule and
network; momentum 0.9; weights and feedback He uniform.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from edgelearn.reproduction import Check, Claim, at_least, at_most, less
from edgelearn.reproduction.study import Study, Work

NETS = {"narrow": "784-200-100-10-100-200-784", "wide": "784-200-200-200-200-200-784"}
PAPER = {"narrow": {"bp": 8.6, "fa": 30.2}, "wide": {"bp": 1.5, "fa": 0.72}}
RULES = ("bp", "fa")
PIXELS = 784


@lru_cache(maxsize=1)
def digits(n: int, n_test: int) -> tuple[Any, Any]:
    """Return training and test images between -0.9 and 0.9, float32[n, 784]."""
    import numpy as np

    from edgelearn.data import open_dataset

    data = open_dataset("mnist")
    parts = ((data.train_x, n), (data.test_x, n_test))
    train, test = (np.asarray(x[:rows], np.float32) / data.high * 1.8 - 0.9 for x, rows in parts)
    return train, test


def train(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Train an autoencoder; return the squared error, summed over pixels, after each epoch.

    Settings
    --------
    samples, test : images; and everything of FloatConfig
    """
    from edgelearn.references.pytorch import torch
    from experiments.float_nets.float_config import float_config
    from experiments.float_nets.nets import ReferenceNet
    from experiments.float_nets.training import FixedData, Training, evaluate

    config = float_config(**{key: value for key, value in settings.items() if key not in ("samples", "test")})
    x, x_test = (torch.from_numpy(part) for part in digits(settings["samples"], settings["test"]))
    data = FixedData(x, x, x_test, x_test, seed=config.seed)

    def look(training: Training, epoch: int) -> dict[str, Any]:
        parts = {"train": data.x, "test": data.x_test}
        found = {
            key: evaluate(training.net, ((p, p) for p in part.split(1000)))[1] * PIXELS for key, part in parts.items()
        }
        return {"squares": found}

    training = Training(ReferenceNet(config), data, work.file(".pt"), None, look, work.progress)
    seen = [record["squares"] for record in training.run() if "squares" in record]
    return {key: [one[key] for one in seen] for key in ("train", "test")}


def measure(study: Study) -> dict[str, Any]:
    runs = [
        {
            "topology": NETS[net],
            "rule": rule,
            "rate": rate,
            "seed": study.seed + k,
            "samples": study["samples"],
            "test": study["test"],
            "epochs": study["epochs"],
            "output": "tanh",
            "loss": "mse",
            "optimiser": "momentum",
            "batch": 100,
        }
        for net in NETS
        for rule in RULES
        for rate in study["rates"]
        for k in range(study["seeds"])
    ]
    found: dict[str, Any] = {net: {rule: {} for rule in RULES} for net in NETS}
    results = iter(study.map(train, runs))
    for net in NETS:
        for rule in RULES:
            by_rate = {rate: [next(results) for _ in range(study["seeds"])] for rate in study["rates"]}
            last = {rate: _mean([one["train"][-1] for one in own]) for rate, own in by_rate.items()}
            best = min(last, key=lambda rate: last[rate] if last[rate] == last[rate] else float("inf"))
            curves = [one["test"] for one in by_rate[best]]
            found[net][rule] = {"rate": best, "test": [_mean(list(values)) for values in zip(*curves, strict=True)]}
    mean = digits(study["samples"], study["test"])
    found["mean_image"] = float(((mean[1] - mean[0].mean(axis=0)) ** 2).sum(axis=1).mean())
    return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def judge(measured: dict[str, Any]) -> list[Check]:
    end = {net: {rule: measured[net][rule]["test"][-1] for rule in RULES} for net in NETS}
    ratios = {net: own["fa"] / own["bp"] for net, own in end.items()}
    return [
        less("narrow: test error of bp below fa's", end["narrow"]["bp"], end["narrow"]["fa"], paper="8.6 < 30.2"),
        at_least("narrow: fa over bp", ratios["narrow"], 1.2, paper=3.5, needs_full=True),
        at_most("wide: fa over bp", ratios["wide"], 1.2, paper=0.48, needs_full=True),
        less("fa over bp: in the wide network below the narrow one", ratios["wide"], ratios["narrow"], needs_full=True),
        less("narrow: bp below the mean image", end["narrow"]["bp"], measured["mean_image"], needs_full=True),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    for axes, net in zip(figure.subplots(1, 2, sharey=True), NETS, strict=True):
        for rule in RULES:
            axes.plot(measured[net][rule]["test"], label=rule)
        axes.axhline(measured["mean_image"], color="grey", linestyle=":", label="mean image")
        axes.set(title=f"{net}: {NETS[net]}", xlabel="epochs", ylabel="squared error of a test image")
        axes.legend(fontsize="small")


CLAIM = Claim(
    id="fa-autoencoder",
    source="FA, Note 9",
    statement="Feedback alignment trains a wide autoencoder as well as bp, and one with a bottleneck worse.",
    kind=("order",),
    cost="minutes",
    settings={"samples": 3000, "test": 500, "epochs": 30, "rates": [0.03, 0.1, 0.3], "seeds": 1},
    quick={"samples": 1000, "test": 300, "epochs": 4, "rates": [0.3]},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
