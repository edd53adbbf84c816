"""Layer-wise FA is conserved, section 5: Theorem 5.1 and Fig. 1.

For one output and (leaky) ReLU or linear layers without biases, Q_i = norm(W_i)^2 / 2 - <W_(i+1), B_(i+1)> does not
change under the flow. Ours is the law of finite steps: for any step size and any batch, a step of plain gradient
descent adds norm(dW_i)^2 / 2 to Q_i, exactly. It asks for no scalar output, and biases enter through norm(b_i)^2 /
2. It does not survive momentum, Adam, weight decay, clipped elements or tanh, which are the negative controls.

Stated for the figure: two layers, linear and ReLU, normal inputs, a noiseless linear target, squared loss, W_1 from
N(0, 1/10), W_2 from N(0, 1), B = W_2(0). Not stated; ours: 10 samples, 40 inputs, 20 hidden, eta 1e-4 on the summed
loss, 400 steps, and both readings of 1/10, variance and standard deviation.

Words of few bits: weights and feedback are held as stored words of a range of +-4 and every step is rounded to a
word, to the nearest or stochastically; activations and steps before rounding stay float. What is then missing from
the law of finite steps is rounding alone. Words that are too short to move at all under nearest rounding keep the
law by standing still, so the loss stands next to the residual.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.reproduction import Check, Claim, at_least, at_most, between
from edgelearn.reproduction.study import Study
from experiments.claims._layerwise_fa import (
    Activation,
    Arrays,
    Course,
    Net,
    Step,
    Task,
    aligned_net,
    follow,
    halving_ratios,
    leaky,
    linear_task,
    normal_weights,
    plain,
)

READINGS = {"1/10 is the variance": 0.1**0.5, "1/10 is the deviation": 0.1}
NETS = {"linear": leaky(1.0), "ReLU": leaky(0.0)}
RANGE_EXPONENT = 2  # words reach from -4 to 4


def figure_start(study: Study, reading: str, kind: str) -> tuple[Net, Task]:
    """Return the net and the task of the paper's figures."""
    rng = study.rng("figures", reading)
    task = linear_task(rng, study["samples"], study["inputs"])
    weights = normal_weights(rng, [study["inputs"], study["hidden"], 1], [READINGS[reading], 1.0])
    return aligned_net(weights, NETS[kind]), task


def measure(study: Study) -> dict[str, Any]:
    eta, steps = study["eta"], study["steps"]
    curves, drifts = {}, {}
    for reading in READINGS:
        for kind in NETS:
            net, task = figure_start(study, reading, kind)
            name = f"{kind}, {reading}"
            curves[name] = _ratio(follow(net, task, plain(eta), steps))
            finer = [follow(net, task, plain(eta / 2**k), steps * 2**k) for k in (1, 2)]
            drifts[name] = [abs(curve[-1] - 1) for curve in (curves[name], *map(_ratio, finer))]
    return {
        "residuals": {name: case(study) for name, case in LAWFUL.items()},
        "residuals_of_controls": {name: _unlawful(study, name) for name in CONTROLS},
        "ratio": {name: curve[:: max(1, steps // 100)] for name, curve in curves.items()},
        "largest_drift": {name: float(np.abs(curve - 1).max()) for name, curve in curves.items()},
        "drift_ratios_when_eta_halves": {name: halving_ratios(drift) for name, drift in drifts.items()},
        "words": _words(study),
        "steps": steps,
    }


def _ratio(course: Course) -> np.ndarray:
    return np.asarray(course.conserved[:, 0] / course.conserved[0, 0])


def _residual(course: Course) -> float:
    """Return what the law of finite steps misses, relative to what it corrects for, at the worst time and layer."""
    missing = np.abs(course.conserved - course.conserved[0] - course.moved[:, :-1]).max(axis=0)
    return float((missing / course.moved[-1, :-1]).max())


def _case(sizes: list[int], activation: Activation, biases: bool = False, batch: int = 0) -> Callable[[Study], float]:
    """Return the residual of a random net with feedback of its own, on the whole task or on batches of random steps."""

    def residual(study: Study) -> float:
        rng = study.rng("identity", *sizes, batch, int(biases))
        net, task = _random_net(rng, sizes, activation, biases, study["samples"])
        if not batch:
            return _residual(follow(net, task, plain(study["identity_eta"]), study["identity_steps"]))
        picks = [rng.integers(0, study["samples"], batch) for _ in range(study["identity_steps"])]
        batches = [Task(task.x[pick], task.y[pick]) for pick in picks]
        return _residual(follow(net, task, lambda w, found: plain(rng.uniform(0, 0.02))(w, found), 0, batches))

    return residual


def _random_net(
    rng: np.random.Generator, sizes: list[int], activation: Activation, biases: bool, samples: int
) -> tuple[Net, Task]:
    deviations = [0.7 / size**0.5 for size in sizes[:-1]]
    entering = [size + biases for size in sizes[:-1]]
    weights = [rng.normal(0, sd, (n, out)) for sd, n, out in zip(deviations, entering, sizes[1:], strict=True)]
    feedback = [rng.normal(0, sd, w.shape) for sd, w in zip(deviations, weights, strict=True)]
    if biases:
        for b in feedback:
            b[-1] = 0
    return Net(weights, feedback, activation, biases), linear_task(rng, samples, sizes[0], sizes[-1])


LAWFUL = {
    "2 layers, linear": _case([40, 20, 1], leaky(1.0)),
    "2 layers, ReLU": _case([40, 20, 1], leaky(0.0)),
    "3 layers, ReLU": _case([40, 20, 15, 1], leaky(0.0)),
    "4 layers, leaky ReLU": _case([40, 20, 15, 10, 1], leaky(0.1)),
    "3 layers, ReLU, batches of 3 and a random eta for each": _case([40, 20, 15, 1], leaky(0.0), batch=3),
    "3 layers, leaky ReLU, biases": _case([40, 20, 15, 1], leaky(0.1), biases=True),
    "3 layers, leaky ReLU, three outputs": _case([40, 20, 15, 3], leaky(0.1)),
}


def _tanh(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.tanh(z)
    return y, 1 - y**2


def _momentum(eta: float) -> Step:
    velocity: Arrays = []

    def step(weights: Arrays, found: Arrays) -> Arrays:
        velocity[:] = [0.9 * v - eta * g for v, g in zip(velocity or [0.0] * len(found), found, strict=True)]
        return list(velocity)

    return step


def _adam(eta: float) -> Step:
    state: list[Any] = [0, 0.0, 0.0]

    def step(weights: Arrays, found: Arrays) -> Arrays:
        flat = np.concatenate([g.ravel() for g in found])
        t = state[0] + 1
        state[:] = [t, 0.9 * state[1] + 0.1 * flat, 0.999 * state[2] + 0.001 * flat**2]
        moves = -eta * state[1] / (1 - 0.9**t) / (np.sqrt(state[2] / (1 - 0.999**t)) + 1e-8)
        parts = np.split(moves, np.cumsum([g.size for g in found])[:-1])
        return [part.reshape(g.shape) for part, g in zip(parts, found, strict=True)]

    return step


def _weight_decay(eta: float) -> Step:
    return lambda weights, found: [-eta * (g + 0.1 * w) for w, g in zip(weights, found, strict=True)]


def _clipped(eta: float) -> Step:
    return lambda weights, found: [-eta * np.clip(g, -0.1, 0.1) for g in found]


CONTROLS: dict[str, tuple[Activation, Callable[[float], Step]]] = {
    "tanh": (_tanh, plain),
    "momentum": (leaky(0.0), _momentum),
    "Adam": (leaky(0.0), _adam),
    "weight decay": (leaky(0.0), _weight_decay),
    "clipped elements": (leaky(0.0), _clipped),
}


def _unlawful(study: Study, name: str) -> float:
    activation, step = CONTROLS[name]
    net, task = _random_net(study.rng("controls"), [40, 20, 15, 1], activation, False, study["samples"])
    return _residual(follow(net, task, step(study["identity_eta"]), study["identity_steps"]))


def _words(study: Study) -> dict[str, list[dict[str, float]]]:
    """Return, by rounding and for each word width, what rounding adds to Q and what it leaves of the loss."""
    rows: dict[str, list[dict[str, float]]] = {rounding: [] for rounding in ROUNDINGS}
    for rounding, bits in ((rounding, bits) for rounding in ROUNDINGS for bits in study["word_bits"]):
        missing, left = [], []
        for repeat in range(study["word_repeats"]):
            rng = study.rng("words", repeat)  # one task for all widths
            word = WeightFormat(bits, range_exponent=RANGE_EXPONENT)
            task = linear_task(rng, study["samples"], study["inputs"])
            weights = normal_weights(rng, [study["inputs"], study["hidden"], 1], [0.1, 1.0])
            stored = [word.from_float(w) * word.lsb for w in weights]
            step = _rounded(word, ROUNDINGS[rounding], study["eta"], rng)
            course = follow(aligned_net(stored, leaky(0.0)), task, step, study["steps"])
            law = course.conserved[0, 0] + course.moved[:, 0]
            missing.append(float(np.abs(course.conserved[:, 0] - law).max() / abs(course.conserved[0, 0])))
            left.append(float(course.loss[-1] / course.loss[0]))
        rows[rounding].append({"bits": bits, "residual": float(np.mean(missing)), "loss_left": float(np.mean(left))})
    return rows


ROUNDINGS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "nearest": lambda x, rng: np.floor(x + 0.5),
    "stochastic": lambda x, rng: np.floor(x + rng.random(x.shape)),
}


def _rounded(
    word: WeightFormat,
    rounding: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    eta: float,
    rng: np.random.Generator,
) -> Step:
    low, high = word.min_raw * word.lsb, word.max_raw * word.lsb

    def step(weights: Arrays, found: Arrays) -> Arrays:
        moves = [rounding(-eta * g / word.lsb, rng) * word.lsb for g in found]
        return [np.clip(w + dw, low, high) - w for w, dw in zip(weights, moves, strict=True)]

    return step


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = [at_most(f"law of finite steps: {name}", r, 1e-10) for name, r in measured["residuals"].items()]
    checks += [
        at_least(f"control, the law fails: {name}", r, 1e-3) for name, r in measured["residuals_of_controls"].items()
    ]
    for name, ratios in measured["drift_ratios_when_eta_halves"].items():
        for ratio in ratios:
            checks.append(between(f"drift halves with eta: {name}", ratio, 1.8, 2.2, paper=2))
    for name, drift in measured["largest_drift"].items():
        checks.append(at_most(f"Q(t) / Q(0) - 1: {name}", drift, 0.02, paper='"nearly constant"'))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    ratio, words = figure.subplots(1, 2)
    for name, curve in measured["ratio"].items():
        ratio.plot(np.linspace(0, measured["steps"], len(curve)), curve, label=name)
    ratio.axhline(1, color="black", lw=0.8, ls=":")
    ratio.set(xlabel="steps", ylabel="Q(t) / Q(0)", ylim=(0.97, 1.03), title="conserved quantity, as in Fig. 1")
    ratio.legend(fontsize=8)
    for rounding, rows in measured["words"].items():
        bits = [row["bits"] for row in rows]
        (line,) = words.plot(bits, [row["residual"] for row in rows], "o-", label=f"residual, {rounding}")
        left = [row["loss_left"] for row in rows]
        words.plot(bits, left, "x--", color=line.get_color(), label=f"loss left, {rounding}")
    words.set(xlabel="bits of a weight", ylabel="relative to the start", yscale="log", title="rounded words (ReLU)")
    words.legend(fontsize=8)


CLAIM = Claim(
    id="fa-conservation",
    source="conservation, Theorem 5.1 and Fig. 1",
    statement="Layer-wise FA keeps norm(W_i)^2 / 2 - <W_(i+1), B_(i+1)> of ReLU and linear networks constant.",
    kind=("exact", "flow", "order"),
    cost="seconds",
    settings={
        "samples": 10,
        "inputs": 40,
        "hidden": 20,
        "eta": 1e-4,
        "steps": 400,
        "identity_eta": 0.01,
        "identity_steps": 200,
        "word_bits": [4, 6, 8, 10, 12, 14, 16],
        "word_repeats": 5,
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
