"""Thesis, Figs. 2.2 and 3.6: labelled discs in two of d dimensions, by number of samples and of dimensions.

Stated: c = 3 clusters an axis, discs of radius 1/(3c-1) on a grid of step 3/(3c-1), a random label in {0, 1} for
each, the other d - 2 dimensions uniform on [-1/2, 1/2]; 1000 hidden ReLU, sigmoid output, cross-entropy, eta 0.5
untuned, no weight decay, 500 epochs, 3 repeats with new data, 95 % intervals; weights and B from
U(+-1/sqrt(fan-in)); error against n at d = 15 and against d at n = 256. Published: training both layers beats
training the output layer, the error falls with n and rises with d. The figure with DFA exists and its text does not,
so where DFA lies is only reported; we expected it between the two.

Not stated; ours: n, d, 5000 test points; the grid centred on 0, so that the discs fill the square; points uniform on
a disc (radius r sqrt(u)); one labelling of the clusters for all n and d of a repeat, never one with a single label;
losses averaged over the batch; B from U(+-1/sqrt(hidden)) as w_2. The batch: all data in one, and batches of 32,
because the thesis speaks of mini-batches elsewhere; the checks are about the first, the second is run for
comparison.

The lazy methods of the thesis stand beside: its output layer alone is the ReLU random features (uniform first
layer), then Gaussian ones (normal first layer of deviation 1/sqrt(d), ReLU), linear ones (no nonlinearity), and NTK
(a frozen copy of the first layer with a start of its own gates the hidden units, both layers learn).

Where DFA lies depends on the size of B, which is not stated clearly: "1/sqrt(inputdim)" is 1/sqrt(hidden) for a B in
the place of w_2, and 1/sqrt(d) for the first layer. At n = 256, d = 15, seed 0 and all data in a batch DFA errs in
16.4 % with the first, near the output layer alone (17.3), and in 10.6 % with the second (a side run, not measured
here), near BP (8.8).

The bars are standard errors. The repeats differ mostly by their labelling, which all methods of a repeat share, so
that the paired gap is judged; three repeats show it at 1.6 to 2 standard errors, more than the one asked for and
less than a 95 % interval of three would ask.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, less
from edgelearn.reproduction.study import Study, Work

BOTH, DFA, OUTPUT = "BP, both layers", "DFA", "BP, output layer (ReLU features)"
METHODS = (BOTH, DFA, "NTK", OUTPUT, "Gaussian features", "linear features")
BATCHES = {"all data in a batch": 0, "batches of 32": 32}


def measure(study: Study) -> dict[str, Any]:
    shapes = [(n, study["d_of_n_curve"]) for n in study["samples"]]
    shapes += [(study["n_of_d_curve"], d) for d in study["dimensions"]]
    keys = sorted({(batch, n, d, k) for batch in BATCHES.values() for n, d in shapes for k in range(study["repeats"])})
    common = {key: study[key] for key in ("hidden", "epochs", "eta", "clusters", "test")}
    settings = [
        {**common, "batch": batch, "n": n, "d": d, "repeat": k, "seed": study.seed + k} for batch, n, d, k in keys
    ]
    found = dict(zip(keys, study.map(random_data_errors, settings), strict=True))

    def errors(batch: int, method: str, n: int, d: int) -> list[float]:
        return [found[batch, n, d, k][method] for k in range(study["repeats"])]

    return {
        batches: {
            "by_samples": {m: [errors(size, m, n, study["d_of_n_curve"]) for n in study["samples"]] for m in METHODS},
            "by_dimensions": {
                m: [errors(size, m, study["n_of_d_curve"], d) for d in study["dimensions"]] for m in METHODS
            },
        }
        for batches, size in BATCHES.items()
    } | {"samples": study["samples"], "dimensions": study["dimensions"]}


def random_data_errors(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Return the test error, in percent, of every method on one draw of the data."""
    s = settings
    labels = _labels(np.random.default_rng([s["seed"], 0]), s["clusters"])
    rng = np.random.default_rng([s["seed"], 1, s["n"], s["d"]])
    data, test = (clusters(rng, n, s["d"], labels) for n in (s["n"], s["test"]))
    found = {}
    for done, method in enumerate(METHODS):
        found[method] = _test_error(method, data, test, s, np.random.default_rng([s["seed"], 2, s["n"], s["d"]]))
        work.progress((done + 1) / len(METHODS))
    return found


def _labels(rng: np.random.Generator, c: int) -> np.ndarray:
    while True:
        labels = rng.integers(0, 2, (c, c))
        if 0 < labels.sum() < labels.size:
            return labels


def clusters(rng: np.random.Generator, n: int, d: int, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return n points of [-1/2, 1/2]^d, in discs in the first two dimensions, and the labels of their discs."""
    c = len(labels)
    radius = 1 / (3 * c - 1)
    disc = rng.integers(0, c, (n, 2))
    angle, distance = rng.uniform(0, 2 * np.pi, n), radius * np.sqrt(rng.uniform(size=n))
    x = rng.uniform(-0.5, 0.5, (n, d))
    offset = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[:, :2] = (disc - (c - 1) / 2) * 3 * radius + offset
    return x.astype(np.float32), labels[disc[:, 0], disc[:, 1]].astype(np.float32)


class _Network:
    """One hidden layer in float32, learning as one of the methods says."""

    def __init__(self, method: str, d: int, hidden: int, rng: np.random.Generator) -> None:
        def uniform(fan_in: int, *shape: int) -> np.ndarray:
            return rng.uniform(-(fan_in**-0.5), fan_in**-0.5, shape).astype(np.float32)

        self.w1, self.b1, self.w2, self.b2 = (
            uniform(d, d, hidden),
            uniform(d, hidden),
            uniform(hidden, hidden),
            uniform(hidden, 1),
        )
        if method == "Gaussian features":
            self.w1 = rng.normal(0, d**-0.5, (d, hidden)).astype(np.float32)
        self.back = uniform(hidden, hidden) if method == DFA else self.w2  # the same array, so that BP follows it
        self.gates = (uniform(d, d, hidden), uniform(d, hidden)) if method == "NTK" else (self.w1, self.b1)
        self.linear, self.learns_hidden = method == "linear features", method in (BOTH, DFA, "NTK")

    def hidden(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the hidden layer and the units that are on."""
        a = x @ self.w1 + self.b1
        if self.linear:
            return a, np.ones(a.shape, bool)
        on = (a if self.gates[0] is self.w1 else x @ self.gates[0] + self.gates[1]) > 0
        return a * on, on

    def outputs(self, h: np.ndarray) -> np.ndarray:
        return h @ self.w2 + self.b2

    def learn(self, x: np.ndarray, y: np.ndarray, h: np.ndarray, on: np.ndarray, eta: np.float32) -> None:
        step = eta * (1 / (1 + np.exp(-self.outputs(h))) - y) / np.float32(len(y))
        if self.learns_hidden:
            signal = on * self.back * step[:, None]
            self.w1 -= x.T @ signal
            self.b1 -= signal.sum(0)
        self.w2 -= step @ h
        self.b2 -= step.sum()


def _test_error(
    method: str,
    data: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    s: dict[str, Any],
    rng: np.random.Generator,
) -> float:
    (x, y), net = data, _Network(method, s["d"], s["hidden"], rng)
    size = s["batch"] or len(x)
    features = None if net.learns_hidden else net.hidden(x)  # frozen, so computed once
    for _ in range(s["epochs"]):
        order = rng.permutation(len(x)) if s["batch"] else np.arange(len(x))
        for start in range(0, len(x), size):
            pick = order[start : start + size]
            h, on = net.hidden(x[pick]) if features is None else (features[0][pick], features[1][:1])
            net.learn(x[pick], y[pick], h, on, np.float32(s["eta"]))
    return float(100 * np.mean((net.outputs(net.hidden(test[0])[0]) > 0) != (test[1] > 0.5)))


def judge(measured: dict[str, Any]) -> list[Check]:
    full = measured["all data in a batch"]
    samples, dimensions = measured["samples"], measured["dimensions"]
    checks = []
    for n, both, output in zip(samples, full["by_samples"][BOTH], full["by_samples"][OUTPUT], strict=True):
        if n >= 256:
            gaps = [second - first for first, second in zip(both, output, strict=True)]
            what = f"error with both layers below that with the output layer, n = {n}, by more than a standard error"
            checks.append(less(what, float(np.mean(both)), float(np.mean(output)), _standard_error(gaps)))
    for method in (BOTH, OUTPUT):
        by_n, by_d = _rank(samples, full["by_samples"][method]), _rank(dimensions, full["by_dimensions"][method])
        checks.append(at_least(f"error falls with n, minus rank correlation: {method}", -by_n, 0.8, needs_full=True))
        checks.append(at_least(f"error rises with d, rank correlation: {method}", by_d, 0.8, needs_full=True))
    return checks


def _standard_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0


def _rank(x: list[int], repeats: list[list[float]]) -> float:
    """Return Spearman's correlation of x and the means."""
    ranks = np.argsort(np.argsort(np.mean(repeats, axis=1)))
    return float(np.corrcoef(np.argsort(np.argsort(x)), ranks)[0, 1])


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots(2, 2, sharey=True)
    for row, batches in zip(axes, BATCHES, strict=True):
        for panel, (curves, key) in zip(row, (("by_samples", "samples"), ("by_dimensions", "dimensions")), strict=True):
            for method in METHODS:
                repeats = measured[batches][curves][method]
                bars = [_standard_error(r) for r in repeats]
                panel.errorbar(measured[key], np.mean(repeats, axis=1), bars, marker="o", ms=3, capsize=2, label=method)
            panel.set(xlabel=f"number of {key}", title=batches, ylim=(0, 50))
        row[0].set(ylabel="test error, %")
        row[0].set_xscale("log", base=2)
    axes[0, 1].legend(fontsize=6, title="bars: standard error", title_fontsize=6)


CLAIM = Claim(
    id="dfa-random-data",
    source="thesis, Figs. 2.2 and 3.6",
    statement="On random clusters training both layers beats training the output layer; DFA is put beside them.",
    kind=("order",),
    cost="minutes",
    settings={
        "samples": [64, 128, 256, 512, 1024],
        "dimensions": [2, 5, 10, 15, 20, 30],
        "d_of_n_curve": 15,
        "n_of_d_curve": 256,
        "repeats": 3,
        "hidden": 1000,
        "epochs": 500,
        "eta": 0.5,
        "clusters": 3,
        "test": 5000,
    },
    quick={"samples": [64, 256], "dimensions": [2, 15], "repeats": 2, "hidden": 500, "epochs": 300},
    measure=measure,
    judge=judge,
    draw=draw,
)
