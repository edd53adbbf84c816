"""FA supplement, Theorem 2: under Lemma 5 the feedback B e is a positive multiple of the pseudo-inverse's, W^+ e.

After the first step W is still zero, so the comparison starts with the second; it ends where e is rounding. The
target must not be overshot (s_y < 1), so the rate is small. Misprint: eq. 49 gives the factor between B y* and W^+ y*
as norm(B y*)^2; the pseudo-inverse of a row vector has its inverse; both are positive. As a control, weights that
start from U(-0.1, 0.1) do not obey the theorem.

Sizes, B, x and y* from N(0, 1), and the rate, eta norm(B y*)^(2/3) = 0.02, are not stated; ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study
from experiments.claims._linear_nets import Array
from experiments.claims._one_pair import OnePair

END = 1e-8


def differences(pairs: OnePair, e: Array) -> Array:
    """Return 1 - cos(W^+ e, B e), as half the squared distance of the unit vectors: it keeps its digits near 0."""
    # W has rank one, its other singular values are rounding
    pseudo = np.einsum("rho,ro->rh", np.linalg.pinv(pairs.W, rcond=1e-8), e)
    back = np.einsum("rho,ro->rh", pairs.B, e)
    unit = [vector / np.sqrt((vector**2).sum(1, keepdims=True)) for vector in (pseudo, back)]
    return np.asarray(((unit[0] - unit[1]) ** 2).sum(1) / 2)


def follow(pairs: OnePair, steps: int) -> list[tuple[float, float, float]]:
    """Return (largest error, smallest and largest difference) of the repeats, step by step from the second."""
    rows = []
    pairs.learn()
    for _ in range(steps):
        pairs.learn()
        e = pairs.error()
        share = np.sqrt((e**2).sum(1) / (pairs.y_star**2).sum(1))
        if share.min() < END:
            break
        off = differences(pairs, e)
        rows.append((float(share.max()), float(off.min()), float(off.max())))
    return rows


def measure(study: Study) -> dict[str, Any]:
    pairs = OnePair(study.rng("pairs"), study["repeats"], study["sizes"], study["rate"])
    control, rng = OnePair(study.rng("pairs"), study["repeats"], study["sizes"], study["rate"]), study.rng("start")
    control.A, control.W = rng.uniform(-0.1, 0.1, control.A.shape), rng.uniform(-0.1, 0.1, control.W.shape)
    return {"zero_start": follow(pairs, study["steps"]), "random_start": follow(control, study["steps"])}


def judge(measured: dict[str, Any]) -> list[Check]:
    worst = max(row[2] for row in measured["zero_start"])
    control = min(row[1] for row in measured["random_start"])
    return [
        at_most("1 - cos(W^+ e, B e), while norm(e) > 1e-8 norm(y*)", worst, 1e-10, paper=0),
        at_most("the run ends at norm(e) / norm(y*)", measured["zero_start"][-1][0], 1e-6),
        at_least("1 - cos from random weights, smallest (control, must break)", control, 1e-6),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for name, color in (("zero_start", "C0"), ("random_start", "C1")):
        worst = [row[2] for row in measured[name]]
        axes.semilogy(range(2, len(worst) + 2), worst, color=color, label=name.replace("_", " "))
    error = [row[0] for row in measured["zero_start"]]
    axes.semilogy(range(2, len(error) + 2), error, ":", color="grey", label="norm(e) / norm(y*), zero start")
    axes.set(xlabel="step", ylabel="1 - cos(W$^+$ e, B e), largest of the repeats")
    axes.legend()


CLAIM = Claim(
    id="fa-theorem2-pseudoinverse",
    source="FA, supplementary note 14, Theorem 2",
    statement="On one pair and from zero weights, feedback through B is a positive multiple of feedback through W^+.",
    kind=("exact",),
    cost="seconds",
    settings={"sizes": [30, 20, 10], "repeats": 20, "rate": 0.02, "steps": 2000},
    measure=measure,
    judge=judge,
    draw=draw,
)
