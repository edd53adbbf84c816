"""DRTP, Algorithm 1 and Fig. 1: every layer learns during the forward pass, by a row of B_k that the label picks.

(a) The update of each rule, written as in Fig. 1, against differentiation: the gradient of dy_k . y_k(W_k, b_k) by
complex steps, which are exact to rounding, where dy_k is what the rule puts in the place of dL/dy_k; for BP the
gradient of the loss itself over all weights. (b) "Each layer learns before the next one computes" against "forward
first, then update": the same words bit for bit, since layer k + 1 reads y_k and not W_k. All rules but BP give the same
words in any order of layers too, where each layer forms its signal from the words of that moment.

Algorithm 1 adds eta B_k^T y*; sigmoid and BCE with the mean over C outputs. The network, 8-9-7-5 with tanh, and the
rate are ours.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study

RULES = ("bp", "fa", "dfa", "sdfa", "drtp", "shallow")
SIZES = (8, 9, 7, 5)
CLASSES = SIZES[-1]
LAST = len(SIZES) - 2
TINY = 1e-30  # of a complex step; nothing is subtracted, so nothing is lost
Layers = list[np.ndarray]


class Network:
    """Words of a network, each layer a matrix with its biases in the last column."""

    def __init__(self, rng: np.random.Generator, sizes: tuple[int, ...]) -> None:
        self.layers: Layers = [rng.uniform(-1, 1, (b, a + 1)) / np.sqrt(a) for a, b in pairwise(sizes)]
        self.direct: Layers = [rng.uniform(-1, 1, (CLASSES, n)) for n in sizes[1:-1]]
        self.layerwise: Layers = [rng.uniform(-1, 1, (b, a)) for b, a in pairwise(sizes[1:])]  # shapes of W^T


def layer_output(k: int, layer: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return y_k; complex numbers pass."""
    z = layer[:, :-1] @ y + layer[:, -1]
    return np.asarray(np.tanh(z) if k < LAST else 1 / (1 + np.exp(-z)))


def slope(k: int, y: np.ndarray) -> np.ndarray:
    """Return f'(z_k) from y_k."""
    return np.asarray(1 - y**2 if k < LAST else y * (1 - y))


def teach(rule: str, net: Network, k: int, target: np.ndarray, y_last: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return dy_k of a hidden layer; `above` is dz_(k+1). DRTP reads neither of the last two."""
    error = target - y_last
    if rule == "bp":
        return np.asarray(net.layers[k + 1][:, :-1].T @ above)
    if rule == "fa":
        return np.asarray(net.layerwise[k] @ above)
    if rule == "shallow":
        return np.zeros(len(net.layers[k]))
    sent = {"dfa": error, "sdfa": np.sign(error), "drtp": target}[rule]
    return np.asarray(-net.direct[k].T @ sent)


def updates(rule: str, net: Network, x: np.ndarray, target: np.ndarray, rate: float) -> tuple[Layers, Layers]:
    """Return the steps of all layers, and dy of the hidden ones, "forward first"."""
    ys = [x]
    for k, layer in enumerate(net.layers):
        ys.append(layer_output(k, layer, ys[-1]))
    steers: Layers = [(ys[-1] - target) / CLASSES]  # dz of the last layer
    teachings: Layers = []
    for k in range(LAST - 1, -1, -1):
        teachings.insert(0, teach(rule, net, k, target, ys[-1], steers[0]))
        steers.insert(0, teachings[0] * slope(k, ys[k + 1]))
    return [-rate * np.outer(d, np.append(y, 1.0)) for d, y in zip(steers, ys, strict=False)], teachings


def learn_layer_by_layer(net: Network, x: np.ndarray, target: np.ndarray, rate: float, learned: bool = False) -> None:
    """Algorithm 1: a layer computes, learns, and hands on what it computed; `learned` computes that once more first."""
    y, label = x, int(target.argmax())
    for k, layer in enumerate(net.layers):
        below, y = y, layer_output(k, layer, y)
        d = -net.direct[k][label] * slope(k, y) if k < LAST else (y - target) / CLASSES
        net.layers[k] = layer - rate * np.outer(d, np.append(below, 1.0))
        if learned:
            y = layer_output(k, net.layers[k], below)


def learn_in_order(rule: str, net: Network, x: np.ndarray, target: np.ndarray, rate: float, order: range) -> None:
    """Update the layers one after the other, each by a signal that is formed from the words of that moment."""
    ys = [x]
    for k, layer in enumerate(net.layers):
        ys.append(layer_output(k, layer, ys[-1]))
    for k in order:
        d = (ys[-1] - target) / CLASSES
        for j in range(LAST - 1, k - 1, -1):
            d = teach(rule, net, j, target, ys[-1], d) * slope(j, ys[j + 1])
        net.layers[k] = net.layers[k] - rate * np.outer(d, np.append(ys[k], 1.0))


def loss(layers: Layers, x: np.ndarray, target: np.ndarray) -> complex:
    """Return the mean binary cross-entropy."""
    y = x
    for k, layer in enumerate(layers):
        y = layer_output(k, layer, y)
    return complex(-(target * np.log(y) + (1 - target) * np.log(1 - y)).mean())


def differentiated(rule: str, net: Network, x: np.ndarray, target: np.ndarray, teachings: Layers) -> Layers:
    """Return the gradient of every layer's own scalar by complex steps."""
    result, y = [], x
    for k, layer in enumerate(net.layers):
        gradient = np.zeros(layer.shape)
        for place in np.ndindex(*layer.shape):
            moved = layer.astype(complex)
            moved[place] += 1j * TINY
            if k == LAST or rule == "bp":
                value = loss([moved if j == k else each for j, each in enumerate(net.layers)], x, target)
            else:
                value = complex(teachings[k] @ layer_output(k, moved, y))
            gradient[place] = value.imag / TINY
        result.append(gradient)
        y = layer_output(k, layer, y)
    return result


def _differing(a: Network, b: Network) -> int:
    return int(sum((one != other).sum() for one, other in zip(a.layers, b.layers, strict=True)))


def measure(study: Study) -> dict[str, Any]:
    rate, samples = study["rate"], study["samples"]
    rng = study.rng("samples")
    xs = rng.uniform(-1, 1, (samples, SIZES[0]))
    targets = np.eye(CLASSES)[rng.integers(0, CLASSES, samples)]

    def network() -> Network:
        return Network(study.rng("network"), SIZES)

    residuals = {}
    for rule in RULES:
        net, worst = network(), 0.0
        for x, target in zip(xs, targets, strict=True):
            steps, teachings = updates(rule, net, x, target, rate)
            gradients = differentiated(rule, net, x, target, teachings)
            size = max(np.abs(rate * gradient).max() for gradient in gradients)
            off = max(np.abs(s + rate * g).max() for s, g in zip(steps, gradients, strict=True))
            worst = max(worst, float(off / size))
            net.layers = [layer + step for layer, step in zip(net.layers, steps, strict=True)]
        residuals[rule] = worst

    early, late, wrong = network(), network(), network()
    for x, target in zip(xs, targets, strict=True):
        learn_layer_by_layer(early, x, target, rate)
        steps, _ = updates("drtp", late, x, target, rate)
        late.layers = [layer + step for layer, step in zip(late.layers, steps, strict=True)]
        learn_layer_by_layer(wrong, x, target, rate, learned=True)
    orders = {}
    for rule in RULES:
        up, down = network(), network()
        for x, target in zip(xs, targets, strict=True):
            learn_in_order(rule, up, x, target, rate, range(LAST + 1))
            learn_in_order(rule, down, x, target, rate, range(LAST, -1, -1))
        orders[rule] = _differing(up, down)
    return {
        "residuals": residuals,
        "differing_words": _differing(early, late),
        "differing_words_by_order": orders,
        "differing_words_of_the_control": _differing(late, wrong),
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = [
        at_most(f"update against differentiation, {rule}: relative residual", residual, 1e-10)
        for rule, residual in measured["residuals"].items()
    ]
    checks.append(at_most("drtp: words that differ from forward first", measured["differing_words"], 0, paper=0))
    by_order = measured["differing_words_by_order"]
    others = sum(count for rule, count in by_order.items() if rule != "bp")
    checks.append(at_most("all but bp: words that depend on the order of layers", others, 0))
    checks.append(at_least("control: bp, which reads the words above, does depend on it; words", by_order["bp"], 1))
    control = measured["differing_words_of_the_control"]
    checks.append(at_least("control: words that differ if y_k is computed after the update", control, 1))
    return checks


CLAIM = Claim(
    id="drtp-algorithm1",
    source="DRTP, Algorithm 1 and Fig. 1",
    statement="Every layer learns during the forward pass, by a row of B_k that the label picks.",
    kind=("exact",),
    cost="seconds",
    settings={"samples": 20, "rate": 0.1},
    measure=measure,
    judge=judge,
)
