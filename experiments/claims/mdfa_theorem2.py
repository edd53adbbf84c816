"""mDFA, Theorems 2 and 4: with one output every coordinate of mDFA's update has the sign of the gradient, or is zero.

Both are d(h_l)_i/dtheta_ij times dL/dh_L times a factor that is not negative: B_(1,i) for mDFA, (dh_L/dh_l)_(1,i) for
the gradient. Checked coordinate by coordinate, per sample, in three ways:

random nets    small mono-nets of 2 to 5 layers, each with one sample: float64
a training run in float64 at batch 1, W_l >= 0 clipped after every step
words          edgelearn's integer kernels under rule mdfa, one output, batch 1: the change of every word against BP's
               delta, which is formed exactly from the words, activations, f' and error of that moment. Rounding may
               turn a change into zero and never around; a change of the wrong sign would mean that something wraps
               around, an f' or B below zero, or a weight that escaped the clip

The theorem is per sample. A sum over 64 samples of products of different size need not keep the sign: the share of
coordinates that disagree is recorded (ours). Nets, data and rates are ours. Controls: no clip, and dfa's words.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study, Work
from experiments.claims._mono_nets import ACTIVATIONS, act, slope

SIZES = (20, 16, 12, 1)
BATCH = 64
CHUNK = 20_000
N_IN, WIDTH = 3, 4  # of the random nets


def random_cases(settings: dict[str, Any], work: Work) -> dict[str, int]:
    """Draw mono-nets with one sample each; count nets, coordinates, and what disagrees."""
    rng, activation = np.random.default_rng([settings["seed"], 2]), settings["activation"]
    counts = {"cases": 0, "coordinates": 0, "violations": 0, "zeros": 0}
    while counts["cases"] < settings["cases"]:
        depth = settings["depths"][counts["cases"] // CHUNK % len(settings["depths"])]
        sizes = (N_IN, *[WIDTH] * (depth - 1), 1)
        weights = [rng.normal(size=(CHUNK, b, a)) for a, b in pairwise(sizes)]
        weights = [weights[0], *[np.abs(each) for each in weights[1:]]]
        h = rng.normal(size=(CHUNK, N_IN))
        below, slopes = [], []
        for w in weights[:-1]:
            z = np.einsum("nba,na->nb", w, h) + rng.normal(size=(CHUNK, w.shape[1]))
            below.append(h)
            slopes.append(slope(activation, z))
            h = act(activation, z)
        g = rng.normal(size=(CHUNK, 1))  # dL/dh_L of any loss
        back = g
        for k in range(depth - 2, -1, -1):
            back = np.einsum("nba,nb->na", weights[k + 1], back) * slopes[k]
            ours = g * np.abs(rng.normal(size=back.shape)) * slopes[k]
            update, gradient = (d[:, :, None] * below[k][:, None, :] for d in (ours, back))
            counts["coordinates"] += update.size
            counts["violations"] += int((np.sign(update) * np.sign(gradient) < 0).sum())
            counts["zeros"] += int(((update == 0) != (gradient == 0)).sum())
        counts["cases"] += CHUNK
        work.progress(counts["cases"] / settings["cases"])
    return counts


def _task(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return samples within [0, 1] and the class that a random net of one hidden layer gives them."""
    x = rng.random((n, SIZES[0]))
    score = np.tanh(2 * (x - 0.5) @ rng.normal(size=(SIZES[0], 8))) @ rng.normal(size=8)
    return x, (score > np.median(score)).astype(float)


def float_training(settings: dict[str, Any], work: Work) -> dict[str, float]:
    """Learn by mDFA at batch 1; compare every update with the gradient, and now and then sums over 64 samples."""
    rng = np.random.default_rng([settings["seed"], 3])
    xs, labels = _task(rng, settings["samples"])
    weights = [rng.uniform(-1, 1, (b, a)) / np.sqrt(a) for a, b in pairwise(SIZES)]
    weights = [weights[0], *[np.abs(each) for each in weights[1:]]]
    biases = [np.zeros(n) for n in SIZES[1:]]
    feedback = [rng.random((1, n)) for n in SIZES[1:-1]]

    def signals(x: np.ndarray, y: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Return inputs, dz of mDFA and dz of BP, of all layers and of rows of samples."""
        hs = [x]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            hs.append(np.tanh(hs[-1] @ w.T + b))
        error = 1 / (1 + np.exp(-(hs[-1] @ weights[-1].T + biases[-1]))) - y[:, None]
        ours, back = [error], [error]
        for k in range(len(feedback) - 1, -1, -1):
            ours.insert(0, error @ feedback[k] * (1 - hs[k + 1] ** 2))
            back.insert(0, back[0] @ weights[k + 1] * (1 - hs[k + 1] ** 2))
        return hs, ours, back

    coordinates = violations = zeros = batch_violations = batch_coordinates = 0
    wrong = []
    for t in range(len(xs)):
        x, y = xs[t : t + 1], labels[t : t + 1]
        hs, ours, back = signals(x, y)
        wrong.append(bool((ours[-1] + y > 0.5) != (y > 0.5)))
        for h, a, b in zip(hs, ours, back, strict=True):
            update, gradient = a.T @ h, b.T @ h
            coordinates += update.size
            violations += int((np.sign(update) * np.sign(gradient) < 0).sum())
            zeros += int(((update == 0) != (gradient == 0)).sum())
        if t % settings["batch_every"] == 0:
            rows = rng.integers(0, len(xs), BATCH)
            for h, a, b in list(zip(*signals(xs[rows], labels[rows]), strict=True))[:-1]:
                update, gradient = a.T @ h, b.T @ h
                batch_coordinates += update.size
                batch_violations += int((np.sign(update) * np.sign(gradient) < 0).sum())
        for k, (h, d) in enumerate(zip(hs, ours, strict=True)):
            weights[k] -= settings["rate"] * d.T @ h
            biases[k] -= settings["rate"] * d[0]
            if k and settings["clip"]:
                weights[k] = np.maximum(weights[k], 0)
        work.progress(t / len(xs))
    return {
        "coordinates": coordinates,
        "violations": violations,
        "zeros": zeros,
        "of_batches_percent": 100 * batch_violations / batch_coordinates,
        "wrong_percent": 100 * float(np.mean(wrong[-500:])),
    }


def words_training(settings: dict[str, Any], work: Work) -> dict[str, float]:
    """Learn in words; compare the change of every word with BP's delta, formed exactly from the words before."""
    rng = np.random.default_rng([settings["seed"], 4])
    xs, labels = _task(rng, settings["samples"])
    spec = design(
        SIZES,
        settings["rule"],
        settings["bits"],
        settings["rounding"],
        hidden_rate=-4,
        output_rate=-4,
        seed=settings["seed"],
    )
    learner, last = Learner(spec), len(spec.layers) - 1
    levels = np.rint(xs * spec.input_range[1]).astype(np.uint8)
    ones = [layer.input_one for layer in spec.layers]
    counts = dict.fromkeys(("coordinates", "gradient", "moved", "violations", "lost", "without_gradient"), 0)
    summed = [np.zeros((2, layer.n_out, layer.n_in + 1), np.int64) for layer in spec.layers]
    batch_violations = batch_coordinates = 0
    wrong = []

    def words() -> list[np.ndarray]:
        state = learner.state
        return [np.c_[state.weights(k), state.biases(k)].astype(np.int64) for k in range(last + 1)]

    before = words()
    for t in range(len(levels)):
        wrong.append(learner.learn_one(levels[t], int(labels[t])) != int(labels[t]))
        after, arrays = words(), learner.state.arrays
        back = arrays.deltas[last, :1].astype(np.int64)  # the error
        for k in range(last, -1, -1):
            layer = spec.layers[k]
            x = np.append(arrays.inputs[k, : layer.n_in].astype(np.int64), ones[k])
            gradient, change = np.outer(back, x), after[k] - before[k]
            counts["coordinates"] += change.size
            counts["gradient"] += int((gradient != 0).sum())
            counts["moved"] += int((change != 0).sum())
            counts["violations"] += int((change * np.sign(gradient) > 0).sum())
            counts["lost"] += int(((change == 0) & (gradient != 0)).sum())
            counts["without_gradient"] += int(((change != 0) & (gradient == 0)).sum())
            summed[k] += np.array([np.outer(arrays.deltas[k, : layer.n_out].astype(np.int64), x), gradient])
            if k:
                views = before[k][:, :-1] >> layer.word.residual_bits
                back = views.T @ back * arrays.gates[k - 1, : spec.layers[k - 1].n_out]
        before = after
        if t % BATCH == BATCH - 1:
            for total in summed[:-1]:
                batch_coordinates += total[0].size
                batch_violations += int((np.sign(total[0]) * np.sign(total[1]) < 0).sum())
            summed = [0 * total for total in summed]
        work.progress(t / len(levels))
    percent = {"of_batches_percent": 100 * batch_violations / batch_coordinates}
    return counts | percent | {"wrong_percent": 100 * float(np.mean(wrong[-500:]))}


def measure(study: Study) -> dict[str, Any]:
    cases = {"seed": study.seed, "cases": study["cases"], "depths": study["depths"]}
    drawn = study.map(random_cases, [cases | {"activation": activation} for activation in ACTIVATIONS])
    training = {"seed": study.seed, "samples": study["samples"], "rate": 0.1, "batch_every": 20}
    clipped, free = study.map(float_training, [training | {"clip": clip} for clip in (True, False)])
    words = {"seed": study.seed, "samples": study["samples"], "bits": study["bits"]}
    settings = [{"rule": "mdfa", "rounding": rounding} for rounding in study["roundings"]]
    settings.append({"rule": "dfa", "rounding": study["roundings"][0]})
    runs = study.map(words_training, [words | each for each in settings])
    return {
        "random": {name: sum(run[name] for run in drawn) for name in drawn[0]},
        "training": clipped,
        "training_without_clip": free,
        "words": dict(zip(study["roundings"], runs, strict=False)),
        "words_of_dfa": runs[-1],
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    drawn, run = measured["random"], measured["training"]
    checks = [
        at_least("random mono-nets with one sample", drawn["cases"], 1_000_000),
        at_most(f"their coordinates with the wrong sign, of {drawn['coordinates']}", drawn["violations"], 0, 0),
        at_most(f"a training run in float, batch 1: wrong signs of {run['coordinates']}", run["violations"], 0, 0),
    ]
    for rounding, words in measured["words"].items():
        what = f"words, {rounding} rounding: changes with the wrong sign of {words['moved']}"
        what += f" ({words['lost']} of {words['gradient']} gradients lost to rounding)"
        checks.append(at_most(what, words["violations"], 0, 0))
    return [
        *checks,
        at_least("control: wrong signs without the clip", measured["training_without_clip"]["violations"], 1),
        at_least("control: changes of dfa's words with the wrong sign", measured["words_of_dfa"]["violations"], 1),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    left, right = figure.subplots(1, 2)
    names = list(measured["words"])
    gradients = [measured["words"][name]["gradient"] / 100 for name in names]
    for key, label in (
        ("moved", "word changes, right sign"),
        ("lost", "change rounded to zero"),
        ("violations", "wrong sign"),
    ):
        values = [measured["words"][name][key] / total for name, total in zip(names, gradients, strict=True)]
        left.plot(names, values, "o--", label=label)
    left.set(ylabel="% of BP's non-zero coordinates", title="one sample, words")
    left.legend()
    batches = {"float": measured["training"], **measured["words"]}
    right.bar(list(batches), [run["of_batches_percent"] for run in batches.values()])
    right.set(ylabel="% of coordinates with the wrong sign", title=f"sums over {BATCH} samples")
    right.tick_params(axis="x", rotation=20)


CLAIM = Claim(
    id="mdfa-theorem2",
    source="mDFA, Theorem 2 (= 4)",
    statement="With one output every coordinate of mDFA's update has the sign of the gradient.",
    kind=("exact",),
    cost="seconds",
    settings={
        "cases": 340_000,
        "depths": [2, 3, 4, 5],
        "samples": 2000,
        "bits": 8,
        "roundings": ["residual", "stochastic", "nearest"],
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
