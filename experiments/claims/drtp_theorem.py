"""DRTP, Theorem: in linear layers v_k = B_k^T y* is a negative multiple of (W_K ... W_(k+1))^+ e.

Checked at every update from t = K on; before, the product of the weights is zero, so the printed "t > 0" is too early.
The supplement prints its product from i = k, the main text from i = k + 1; only the latter fits the dimensions. The
last line of the printed derivation lacks norm(v_k)^-2 in s_k: with it the closed form holds, without it s_k is too
large by norm(v_k)^2. By the theorem the signals of BP and DRTP are parallel, so "within 90 degrees" is 0 degrees here.

In words of b bits (ours): the float updates with weights rounded to multiples of 2^(1-b) within [-1, 1) after every
update. This is a plain quantisation of weights, not the arithmetic of edgelearn's kernels. No width takes the angle
beyond 90 degrees: a step that is rounded to nearest, stochastically or by truncation has the sign it had or is zero, so
every weight keeps the sign that the lemma gives it, and every element of the BP signal that of v_k. What small words do
is to take the signal away. The control wraps around where the others saturate, and leaves 90 degrees behind. Angles are
taken where the BP signal is not zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, holds
from edgelearn.reproduction.study import Study
from experiments.claims._drtp_linear import OUTPUTS, Scalars, Task, draw_task, learn
from experiments.float_nets.measures import angle, cosine

ROUNDINGS = ("nearest", "stochastic", "truncation", "nearest, wrapping")


def _proportionality(task: Task, updates: int) -> dict[str, Any]:
    """Compare both sides, s_k and the angle to BP, for all hidden layers and all t >= K."""
    scalars, error = Scalars.zeros(task), None
    worst = {"cosine": 0.0, "s_k": 0.0, "s_k_as_printed": 0.0, "angle": 0.0}
    smallest_s, smallest_product, first, t = np.inf, np.inf, 0, 0
    for moment in learn(task, updates):
        if error is not None:
            scalars.step(task, error)
        t, error = moment.t, moment.error
        if not first and np.any(moment.above(1)):
            first = t
        if t < task.depth:
            continue
        for k, v in enumerate(task.signals, 1):
            above = moment.above(k)
            left = np.linalg.pinv(above, rcond=1e-10) @ error  # of rank one: the other singular values are rounding
            s = -float(left @ v) / float(v @ v)
            closed, printed = (scalars.of_theorem(task, error, k, with_norm) for with_norm in (True, False))
            back = above.T @ -error  # of BP, but for 1 / C
            apart = {"cosine": abs(float(cosine(left, -v)) - 1), "angle": float(angle(back, v))}
            found = apart | {"s_k": abs(closed / s - 1)}
            found["s_k_as_printed"] = abs(printed / s / float(v @ v) - 1)
            worst = {name: max(value, found.get(name, 0.0)) for name, value in worst.items()}
            smallest_s, smallest_product = min(smallest_s, s), min(smallest_product, float(back @ v))
    return worst | {"smallest_s": smallest_s, "smallest_product": smallest_product, "first": first, "updates": t}


def _grid(bits: int, rounding: str, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Return the rounding of weights to words of `bits` bits within [-1, 1)."""
    one = 2.0 ** (bits - 1)

    def keep(w: np.ndarray) -> np.ndarray:
        offset = rng.random(w.shape) if rounding == "stochastic" else 0.0 if rounding == "truncation" else 0.5
        words = np.floor(w * one + offset)
        fitting = (words + one) % (2 * one) - one if "wrapping" in rounding else np.clip(words, -one, one - 1)
        return np.asarray(fitting / one)

    return keep


def _in_words(study: Study, bits: int, rounding: str) -> dict[str, float]:
    """Return the largest angle to BP over depths, tasks, layers and time, and how often the BP signal was zero."""
    largest, beyond, turned, zero, n = 0.0, 0, 0, 0, 0
    for depth in study["depths"]:
        for trial in range(study["word_trials"]):
            task = draw_task(study.rng("words", depth, trial), depth, "sigmoid", study["word_rate"], 20, 15, 10)
            keep = _grid(bits, rounding, study.rng("rounding", bits, rounding, depth, trial))
            for moment in learn(task, study["word_updates"], keep):
                if moment.t < depth:
                    continue
                backs = np.array([moment.above(k).T @ -moment.error for k in range(1, depth)])
                degrees = angle(backs, task.signals)
                turned += int((backs * task.signals < 0).sum())
                n, zero = n + len(degrees), zero + int(np.isnan(degrees).sum())
                beyond += int((degrees > 90).sum())
                largest = max(largest, float(np.nan_to_num(degrees).max()))
    shares = {"beyond_90_percent": 100 * beyond / n, "no_signal_percent": 100 * zero / n}
    return {"largest_angle": largest, "turned_elements": turned} | shares


def measure(study: Study) -> dict[str, Any]:
    runs = {}
    for depth in study["depths"]:
        for output in OUTPUTS:
            task = draw_task(study.rng(depth, output), depth, output, study["rate"], 20, 15, 10)
            runs[f"K = {depth}, {output}"] = _proportionality(task, study["updates"]) | {"depth": depth}
    words = {name: {bits: _in_words(study, bits, name) for bits in study["bits"]} for name in ROUNDINGS}
    return {"runs": runs, "words": words}


def widest_beyond_90(rows: dict[str, dict[str, float]]) -> int:
    """Return the widest word in which an angle exceeds 90 degrees; 0 if none does."""
    return max((int(bits) for bits, row in rows.items() if row["beyond_90_percent"] > 0), default=0)


def judge(measured: dict[str, Any]) -> list[Check]:
    runs, checks = measured["runs"], []
    for name, run in runs.items():
        checks.append(at_most(f"abs(cos(pinv(W_K..W_(k+1)) e, -v_k) - 1), {name}", run["cosine"], 1e-10))
        checks.append(at_most(f"relative residual of s_k, {name}", run["s_k"], 1e-10))
    printed = max(run["s_k_as_printed"] for run in runs.values())
    smallest = min(run["smallest_s"] for run in runs.values())
    largest = max(run["angle"] for run in runs.values())
    checks += [
        at_most("s_k as printed is too large by norm(v_k)^2: relative residual of that", printed, 1e-10),
        holds("s_k > 0", smallest > 0, smallest, "> 0"),
        at_most("largest angle between the signals of DRTP and BP, degrees", largest, 90, paper="< 90"),
        holds(
            "the product of the weights is first not zero at t = K",
            all(run["first"] == run["depth"] for run in runs.values()),
            ", ".join(str(run["first"]) for run in runs.values()),
            "t > 0",
        ),
    ]
    *saturating, wrapping = ROUNDINGS
    for name in saturating:
        widest = widest_beyond_90(measured["words"][name])
        checks.append(at_most(f"bits of the widest word with an angle beyond 90, 0 is none; {name}", widest, 0))
    turned = sum(row["turned_elements"] for name in saturating for row in measured["words"][name].values())
    checks.append(at_most("elements of the BP signal in words whose sign is not that of v_k", turned, 0))
    widest = widest_beyond_90(measured["words"][wrapping])
    checks.append(at_least("control: the same where words wrap around", widest, 2))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    left, right = figure.subplots(1, 2)
    for name, rows in measured["words"].items():
        bits = [int(each) for each in rows]
        signals = {int(each): row["largest_angle"] for each, row in rows.items() if row["no_signal_percent"] < 100}
        left.plot(list(signals), list(signals.values()), "o-")
        right.plot(bits, [row["no_signal_percent"] for row in rows.values()], "o-", label=name)
    left.axhline(90, color="0.6", linestyle="--")
    left.set(xlabel="bits of a weight", ylabel="largest angle to BP, degrees", ylim=(-5, 185))
    right.set(xlabel="bits of a weight", ylabel="BP signal is zero, % of updates", ylim=(-3, 103))
    right.legend(title="rounding")


CLAIM = Claim(
    id="drtp-theorem",
    source="DRTP, section 2.3 and supplementary note 1, Theorem",
    statement="In linear layers DRTP's signal is a negative multiple of the weights' pseudo-inverse times the error.",
    kind=("exact",),
    cost="seconds",
    settings={
        "depths": [2, 3, 4],
        "rate": 0.005,
        "updates": 1500,
        "bits": [2, 3, 4, 5, 6, 8, 10, 12, 14, 16],
        "word_rate": 0.02,
        "word_updates": 150,
        "word_trials": 2,
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
