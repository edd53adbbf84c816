"""Float runs on the parity of stacked digits: k digits of MNIST side by side, is their sum odd? One run serves many.

Stated (thesis, chapters 2 and 3): digits drawn uniformly, training and test samples drawn anew each epoch, normalised;
784k-512-1, ReLU, sigmoid, binary cross-entropy, weight decay 1e-3, 20 epochs, weights U(+-1/sqrt(inputs of the layer))
as torch has it, B "the same way"; three repeats; the rate of each method is that of a grid at k = 3 with the best mean
test accuracy of the last ten epochs, and serves k = 1 too.
Not stated; ours: samples of an epoch, batch 128, gradients averaged over it, training samples from MNIST's training
part and test samples from its test part, normalised by mean and deviation of all training pixels. B is drawn from
U(+-1/sqrt(784 k)), the input dimension of the network. RMSprop has the thesis's decay 0.9.

Rates come from coarse grids of one seed (100) and 4 to 20 shorter epochs, not from the thesis's full ones, for the time
they take. Test accuracy seen at k = 3, after so many thousand stacks: bp, sgd 0.5: 68 (512); 0.4: 64 (128); 0.2: 68
(230); 0.1: 71 (512). bp, adadelta 1.0: 64 (102); 0.3: 70 (205). bp, rmsprop 1e-4: 60 (102). dfa, sgd 0.03: 51 (154);
0.06: 66 (563), then 56; 0.1: 51 (154). dfa, adadelta 0.3: 51 (77); 0.1: 53 (154). dfa, rmsprop 1e-3: 53 (128); 2e-4: 60
(128); 1e-4: 61 (205). mdfa, sgd 0.1: 55 (154). dfa is at the edge: with sgd 0.2 and more, adadelta 1.0, or sgd 0.05 and
B from U(+-1/sqrt(512)), the other reading of "the same way" (61 after 256 thousand, then 50; 0.04: 57 after 205), its
output becomes a constant. Hence 0.04, which was not run with this B. Lazy methods guess at any rate; theirs is one at
which they learn k = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgelearn.reproduction.study import Study, Work
from experiments.claims._image_runs import images
from experiments.float_nets.measures import cosine

PIXELS, HIDDEN = 784, 512
EVERY = 40  # batches between two looks at the alignment
PROBE = 2500  # digits whose hidden images are compared, at each of the k places
NEIGHBOURS = 5
STUDENT = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776}  # of 95 % intervals, by repeats

# rule and initialisation; the others have ReLU, weights as torch draws them, and B from U(+-1/sqrt(784 k))
METHODS: dict[str, dict[str, Any]] = {
    "bp": {"rule": "bp"},
    "dfa": {"rule": "dfa"},
    "mdfa": {"rule": "mdfa"},
    "ntk": {"rule": "ntk"},
    "gaussian features": {"rule": "shallow", "init": "normal", "output_init": "torch"},
    "ReLU features": {"rule": "shallow"},
    "linear features": {"rule": "shallow", "hidden": "linear"},
}
NETWORKS = ("bp", "dfa", "mdfa")
LAZY = ("ntk", "gaussian features", "ReLU features", "linear features")
FEATURES = LAZY[1:]
SIZES = {  # stacks of an epoch, by k
    "1": {"train": 25_600, "test": 5_000, "epochs": 20},
    "3": {"train": 51_200, "test": 5_000, "epochs": 20},
}
QUICK = {"1": {"train": 6_400, "test": 1_000, "epochs": 2}, "3": {"train": 1_280, "test": 500, "epochs": 1}}

# by a coarse grid at k = 3, see above
RATES: dict[tuple[str, str], float] = {
    ("bp", "sgd"): 0.1,
    ("dfa", "sgd"): 0.04,
    ("mdfa", "sgd"): 0.1,
    ("ntk", "sgd"): 0.05,
    ("gaussian features", "sgd"): 0.05,
    ("ReLU features", "sgd"): 0.05,
    ("linear features", "sgd"): 0.05,
    ("bp", "adadelta"): 0.3,
    ("dfa", "adadelta"): 0.1,
    ("bp", "rmsprop"): 1e-4,
    ("dfa", "rmsprop"): 1e-4,
}


@lru_cache(maxsize=1)
def digits() -> tuple[Any, ...]:
    """Return images and digits of MNIST's training part and of its test part."""
    x, y, x_test, y_test = images("mnist", 0.0, 1.0, True)
    return x, y.argmax(1), x_test, y_test.argmax(1)


@dataclass
class ParityData:
    """Stacks of k digits, drawn anew each epoch.

    Parameters
    ----------
    k : digits of a stack
    train, test : stacks of an epoch
    seed : of what is drawn
    """

    k: int
    train: int
    test_size: int
    seed: int

    def batches(self, epoch: int, size: int) -> Iterator[tuple[Any, Any]]:
        """Give the stacks of one epoch, float[n, 784 k], and whether their sums are odd, float[n, 1]."""
        return self._stacks(*digits()[:2], self.train, size, 2 * epoch)

    def test(self, epoch: int) -> Iterator[tuple[Any, Any]]:
        """Give the test stacks after an epoch."""
        return self._stacks(*digits()[2:], self.test_size, 500, 2 * epoch + 1)

    def _stacks(self, x: Any, y: Any, n: int, size: int, draw: int) -> Iterator[tuple[Any, Any]]:
        from edgelearn.references.pytorch import torch

        generator = torch.Generator().manual_seed(1_000_003 * self.seed + draw)
        for part in torch.randint(len(x), (n, self.k), generator=generator).split(size):
            yield x[part].flatten(1), y[part].sum(1, keepdim=True).remainder(2).float()


def parity_run(method: str, k: int, seed: int, sizes: dict[str, int], optimiser: str = "sgd", **changed: Any) -> dict:
    """Return the settings of one run; `sizes` says train, test and epochs, `changed` settings win."""
    return {
        "k": k,
        "train": sizes["train"],
        "test": sizes["test"],
        "epochs": sizes["epochs"],
        "topology": f"{PIXELS * k}-{HIDDEN}-1",
        "hidden": "relu",
        "init": "torch",
        "feedback_init": f"=U{1 / math.sqrt(PIXELS * k):.6f}",
        "weight_decay": 1e-3,
        "optimiser": optimiser,
        "decay": 0.9,
        "rate": changed.get("rate") or RATES[method, optimiser],
        "batch": 128,
        "seed": seed,
        **METHODS[method],
        **changed,
    }


def train_parity(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Train a net on stacked digits.

    Settings
    --------
    k : digits of a stack; train, test : stacks of an epoch; feedback_shift : added to all of B (0)
    and everything of FloatConfig

    Returns
    -------
    accuracy, online_accuracy : in percent, after and during each epoch
    steps, weight_cosine, gradient_cosine : of rules with a B, over time: cosine between B and the output weights, and
        between the gradients of the first layer's weights under the rule and under backpropagation
    separation : how the hidden images of digits are apart, at the start and at the end (see `separation`)
    """
    from experiments.float_nets.float_config import float_config
    from experiments.float_nets.nets import ReferenceNet
    from experiments.float_nets.training import Training

    own = ("k", "train", "test", "feedback_shift")
    config = float_config(**{key: value for key, value in settings.items() if key not in own})
    data = ParityData(settings["k"], settings["train"], settings["test"], config.seed)
    ends = (0, config.epochs)

    def look(training: Training, epoch: int) -> dict[str, Any] | None:
        if epoch == 0:
            _look_at_alignment(training, 0, *next(data.batches(0, config.batch)))
        return {"separation": digit_separation(training.net, settings["k"])} if epoch in ends else None

    net = ReferenceNet(config)
    if "feedback_shift" in settings:
        net.feedback[0] += settings["feedback_shift"]
    training = Training(net, data, work.file(".pt"), _look_at_alignment, look, work.progress)
    records = training.run()
    return {
        "accuracy": [100 - record["test_error"] for record in records[1:]],
        "online_accuracy": [100 - record["online_error"] for record in records[1:]],
        "separation": [record["separation"] for record in records if "separation" in record],
        **training.memory,
    }


def _look_at_alignment(training: Any, seen: int, x: Any, target: Any) -> None:
    net, step = training.net, seen // training.net.config.batch
    if not net.rule.broadcasts or step % EVERY:
        return
    delta, bp_delta = (net.modulatory(x, target, rule)[0] for rule in (None, "bp"))
    found = {
        "steps": step,
        "weight_cosine": _cosine(net.feedback[0], net.layers[1].weight.detach()),
        "gradient_cosine": _cosine(delta.T @ x, bp_delta.T @ x),
    }
    for key, value in found.items():
        training.memory.setdefault(key, []).append(value)


def _cosine(a: Any, b: Any) -> float:
    """Return the cosine of two tensors taken as vectors; 0 where one is zero, as the gradient of dead units is."""
    return float(cosine(a.numpy().ravel(), b.numpy().ravel())) if a.any() and b.any() else 0.0


def digit_separation(net: Any, k: int) -> dict[str, float]:
    """Return the separation of single digits by the part of the first layer that sees them, mean over the k places."""
    x, y = digits()[2][:PROBE], digits()[3][:PROBE]
    weights = net.layers[0].weight.detach()
    places = [separation(x @ part.T, y) for part in weights.split(PIXELS, 1)]
    return {key: float(np.mean([place[key] for place in places])) for key in places[0]}


def separation(h: Any, y: Any) -> dict[str, float]:
    """Return the mean silhouette by class of points h, float[n, d], and the accuracy of the five nearest neighbours."""
    from edgelearn.references.pytorch import torch

    distance = torch.cdist(h, h)
    members = torch.nn.functional.one_hot(y).float()
    sums, sizes = distance @ members, members.sum(0)
    own = members.bool()
    within = sums[own] / (sizes[y] - 1)
    nearest = (sums / sizes).masked_fill(own, math.inf).amin(1)
    silhouette = (nearest - within) / torch.maximum(nearest, within)
    votes = members[distance.fill_diagonal_(math.inf).topk(NEIGHBOURS, largest=False).indices].sum(1)
    return {"silhouette": float(silhouette.mean()), "neighbours": float(100 * (votes.argmax(1) == y).float().mean())}


def repeated(study: Study, k: int, wanted: list[tuple[str, str]], **changed: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the runs of each (method, optimiser) over the study's seeds, under names such as "dfa, rmsprop"."""
    sizes, seeds = study["sizes"][str(k)], range(study.seed, study.seed + study["seeds"])
    settings = [
        parity_run(method, k, seed, sizes, optimiser, **changed) for method, optimiser in wanted for seed in seeds
    ]
    results = iter(study.map(train_parity, settings))
    return {f"{method}, {optimiser}": [next(results) for _ in seeds] for method, optimiser in wanted}


def accuracies(runs: dict[str, list[dict[str, Any]]]) -> dict[str, list[list[float]]]:
    """Return the test accuracies over the epochs of all repeats."""
    return {name: [run["accuracy"] for run in repeats] for name, repeats in runs.items()}


def final(curves: list[list[float]]) -> list[float]:
    """Return the test accuracies of the repeats after the last epoch."""
    return [curve[-1] for curve in curves]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def interval(values: list[float]) -> tuple[float, float]:
    """Return both ends of the 95 % interval of the mean, after Student; of one value, that value."""
    n = len(values)
    half = STUDENT[n] * float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    return mean(values) - half, mean(values) + half


def draw_curves(axes: Any, curves: dict[str, list[list[float]]]) -> None:
    """Draw the mean test accuracy over epochs of each method, its 95 % interval shaded."""
    for name, repeats in curves.items():
        epochs = range(1, len(repeats[0]) + 1)
        at = [list(values) for values in zip(*repeats, strict=True)]
        line = axes.plot(epochs, [mean(values) for values in at], label=name)[0]
        low, high = zip(*[interval(values) for values in at], strict=True)
        axes.fill_between(epochs, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="epochs", ylabel="test accuracy, %", ylim=(45, 101))  # intervals of few repeats run off
    axes.legend(fontsize="x-small", loc="center right")
