"""DRTP, Suppl. Fig. 3: updates of a convolution by fa, dfa and drtp are close to random, about 90 degrees from bp's.

Stated: MNIST, CONV with trained kernels, the angle of dy_k to that of backpropagation for the same weights, 10 runs of
100 epochs at batch 60; the paper calls it the bottleneck effect. Ours: 16 kernels of 5x5, pooling, 128 units, one epoch
at batch 1 in 8 bits on 8 residual bits, rates of `experiments/convolution_mnist.py` (fa: those of bp); angles of d, the
gated signals, of 128 training images after each twentieth of the run. "About 90" is ours: 80 to 95 degrees, mean of the
last tenth, and more than in the dense layer.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, between, less
from edgelearn.reproduction.study import Study, Work
from experiments.claims._convolution_runs import of_rows

LAYERS = ("convolution", "dense layer")
POINTS = 20  # of a run, at which angles are taken
PROBES = 128
ABOUT_90 = (80.0, 95.0)  # degrees
RULES = ("fa", "dfa", "drtp")


def angles_of_run(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Learn online; return angles to backpropagation in degrees, one list per hidden layer, and online errors."""
    from edgelearn.config import make_config
    from edgelearn.network.learner import Learner
    from edgelearn.references.closed_form import backpropagated, pass_samples, viewed_weights
    from edgelearn.runs.dataset import design_for, encode_data
    from edgelearn.validation.dataset import kernel_words

    config = make_config(settings)
    encoded = encode_data(config)
    spec = design_for(config, encoded.data, None)
    learner = Learner(spec)
    labels = encoded.data.train_y
    order = np.random.default_rng([config.seed, 2, 0]).permutation(len(labels))
    probes = np.random.default_rng([config.seed, 3]).permutation(len(labels))[:PROBES]
    levels, classes = encoded.levels[probes], labels[probes]
    inputs = levels / spec.layers[0].input_one
    found: dict[str, Any] = {name: [] for name in LAYERS}
    found["online_errors"] = []
    for done, part in enumerate(np.array_split(order, POINTS), 1):
        predicted = learner.learn(encoded.levels, labels[part], part)
        found["online_errors"].append(100 * float(np.mean(predicted != labels[part])))
        views = viewed_weights(learner)
        prescribed = backpropagated(spec, views, pass_samples(spec, views, inputs, classes))
        taken = kernel_words(learner, levels, classes).deltas
        for k, name in enumerate(LAYERS):
            found[name].append(_mean_angle(taken[k], prescribed[k]))
        work.progress(done / POINTS)
    return found


def _mean_angle(taken: np.ndarray, prescribed: np.ndarray) -> float:
    """Return the mean angle of the rows in which neither vector is zero, in degrees."""
    a, b = np.asarray(taken, np.float64), np.asarray(prescribed, np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    present = lengths > 0
    cosines = (a * b).sum(axis=1)[present] / lengths[present]
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())


def measure(study: Study) -> dict[str, Any]:
    limit = {} if study["limit"] is None else {"limit": study["limit"]}
    cells = [(rule, study.seed + k) for k in range(study["seeds"]) for rule in RULES]
    results = study.map(angles_of_run, [study["runs"][rule] | limit | {"seed": seed} for rule, seed in cells])
    found: dict[str, list[dict[str, Any]]] = {rule: [] for rule in RULES}
    for (rule, _), result in zip(cells, results, strict=True):
        found[rule].append(result)
    return found


def _last(runs: list[dict[str, Any]], name: str) -> float:
    return mean(mean(run[name][-POINTS // 10 :]) for run in runs)


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for rule in RULES:
        kernels, dense = (_last(measured[rule], name) for name in LAYERS)
        checks.append(between(f"{rule}: angle in the convolution, degrees", kernels, *ABOUT_90, "about 90"))
        checks.append(less(f"{rule}: angle in the dense layer below it", dense, kernels))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for number, rule in enumerate(RULES):
        for name, style in zip(LAYERS, ("-", "--"), strict=True):
            curves = [run[name] for run in measured[rule]]
            at = [5 * k for k in range(1, len(curves[0]) + 1)]
            axes.plot(at, np.mean(curves, axis=0), style, color=f"C{number}", label=f"{rule}, {name}")
    axes.axhline(90, color="0.5", linestyle=":", linewidth=1)
    axes.set(xlabel="samples learned, % of the run", ylabel="angle to backpropagation, degrees", ylim=(0, 100))
    axes.legend(fontsize="small")


CLAIM = Claim(
    id="drtp-figS3",
    source="DRTP, Suppl. Fig. 3",
    statement="In a convolution updates by fa, dfa and drtp are about 90 degrees from those of backpropagation.",
    kind=("order",),
    cost="minutes",
    settings={
        "runs": {
            "fa": of_rows({"fa": "bp"})["fa"] | {"rule": "fa"},
            **of_rows({"dfa": "dfa", "drtp": "drtp"}),
        },
        "seeds": 2,
        "limit": None,
    },
    quick={"seeds": 1, "limit": 3_000},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
)
