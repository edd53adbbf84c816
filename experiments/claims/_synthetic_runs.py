"""Float runs on the two synthetic tasks of the DRTP paper, with losses, errors and angles on the way.

Stated: regression x in R^256 from N(m, 1), m from U(-pi, pi) for each sample, ten targets cos(mean(x) + phi_j),
phi_j = -pi/2 + j pi/9, 5,000 and 1,000 samples; classification by scikit-learn's make_classification, 256 features of
which 128 informative, 10 classes, 5 clusters a class, class_sep 4.5, 25,000 and 5,000 samples; no redundant features,
scikit-learn's own flip_y (0.01), as in the original code. Batch 50, rate 5e-4 for all rules. Forward weights He uniform
for bp and shallow, zero for the others; feedback He uniform.

Not stated: the optimiser; ours is what the original code has by default, SGD with momentum 0.9 and Nesterov. That code
also sums hidden teaching signals over batch and outputs, where the loss averages; with averages the direct rules would
hardly move at this rate. Its biases start at random where weights start at zero; ours start at zero too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from edgelearn.reproduction.study import Work
from experiments.claims._image_runs import LATE_EPOCHS, Angles


@lru_cache(maxsize=2)
def regression(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x, float32[n, 256], and the ten targets."""
    rng = np.random.default_rng([seed, 2])
    x = rng.normal(rng.uniform(-np.pi, np.pi, (n, 1)), 1, (n, 256))
    phases = -np.pi / 2 + np.arange(10) * np.pi / 9
    return x.astype(np.float32), np.cos(x.mean(1, keepdims=True) + phases).astype(np.float32)


@lru_cache(maxsize=2)
def classification(seed: int, n: int, flip: float) -> tuple[np.ndarray, np.ndarray]:
    """Return x, float32[n, 256], and one-hot targets of ten classes; a share `flip` of the labels is drawn anew."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        n_samples=n, n_features=256, n_informative=128, n_redundant=0, n_classes=10, n_clusters_per_class=5,
        class_sep=4.5, flip_y=flip, random_state=seed,
    )  # fmt: skip
    return x.astype(np.float32), np.eye(10, dtype=np.float32)[y]


def train_synthetic(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Train a net on a synthetic task and return its records.

    Settings
    --------
    task : "regression" or "classification"; samples, test : how many; flip : of classification
    angles_every : batches between two angles; look_every : epochs between two looks at training and test part
    and everything of FloatConfig
    """
    from edgelearn.references.pytorch import torch
    from experiments.float_nets.float_config import float_config
    from experiments.float_nets.nets import ReferenceNet
    from experiments.float_nets.training import FixedData, Training, evaluate

    own = {"task", "samples", "test", "flip", "angles_every", "look_every"}
    config = float_config(**{key: value for key, value in settings.items() if key not in own})
    n, n_test = settings["samples"], settings["test"]
    if settings["task"] == "regression":
        x, y = regression(config.seed, n + n_test)
    else:
        x, y = classification(config.seed, n + n_test, settings["flip"])
    parts = [torch.from_numpy(part) for part in (x[:n], y[:n], x[n:], y[n:])]
    data = FixedData(*parts, seed=config.seed)
    angles = Angles(settings["angles_every"])

    def look(training: Training, epoch: int) -> dict[str, Any] | None:
        if epoch % settings["look_every"] and epoch != config.epochs:
            return None
        error, loss = evaluate(training.net, zip(data.x.split(5000), data.y.split(5000), strict=True))
        return {"train_error": error, "train_loss": loss}

    training = Training(
        ReferenceNet(config), data, work.file(".pt"), angles.after_batch, look, work.progress, settings["look_every"]
    )
    seen = [record for record in training.run() if "train_loss" in record]
    keys = ("train_error", "train_loss", "test_error", "test_loss")
    curves = {key: [record[key] for record in seen if key in record] for key in keys}
    return {
        "epochs": [record["epoch"] for record in seen],
        **curves,
        "angles": angles.series(training, LATE_EPOCHS * n, 500),
    }


def label_angles(*layers: Any) -> None:
    """Finish the panels that show the angles of one hidden layer each."""
    for layer, axes in enumerate(layers, 1):
        axes.axhline(90, color="grey", linestyle=":")
        axes.set(
            xlabel="epochs", ylabel="angle to backpropagation, degrees", title=f"hidden layer {layer}", ylim=(0, 120)
        )
    layers[0].legend(fontsize="small")
