"""FA supplement, note 16, eq. 79: feedback alignment follows the gradient of no function.

Scalars and one pair: h = A x + c, y = W h + b, e = y* - y; W' = e h, b' = e, A' = B e x, c' = B e. The Jacobian of
these four is compared with derivatives by the complex step, exact but for rounding. Were the updates a gradient, it
would be symmetric: for x != 0 it is so only where B = W (the b-A and b-c entries) and e = 0 (the W-c entries); with W
in the place of B, backpropagation, always. The other test: the work along a closed loop in the plane of W and A, zero
for a gradient.

Misprints: eq. 79 has h^2 for -h^2 and -W + e for -W h + e, as the derivatives show; the gradient vector of eq. 73 has
b and A in the other order; eq. 67, the hidden bias under backpropagation, lacks the factor f'. Values drawn from N(0,
1) and the loop, a square, are not stated; ours.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study

Updates = Callable[[Any, float, float, float], Any]
STEP = 1e-30  # of the complex step; it has no cancellation


def feedback_alignment(theta: Any, x: float, y_star: float, B: float) -> Any:
    W, b, A, c = theta
    h = A * x + c
    e = y_star - (W * h + b)
    return np.array([e * h, e, B * e * x, B * e])


def backpropagation(theta: Any, x: float, y_star: float, B: float) -> Any:
    return feedback_alignment(theta, x, y_star, theta[0])


def jacobian(updates: Updates, theta: Any, x: float, y_star: float, B: float) -> Any:
    """Return the derivatives of the updates, columns W, b, A, c, by the complex step."""
    columns = [updates(theta + 1j * STEP * unit, x, y_star, B).imag / STEP for unit in np.eye(4)]
    return np.stack(columns, axis=1)


def corrected(theta: Any, x: float, y_star: float, B: float) -> Any:
    """Return eq. 79 with its two slips put right."""
    W, b, A, c = theta
    h = A * x + c
    e = y_star - (W * h + b)
    return np.array(
        [
            [-h * h, -h, -W * x * h + e * x, -W * h + e],
            [-h, -1, -W * x, -W],
            [-B * h * x, -B * x, -B * W * x * x, -B * W * x],
            [-B * h, -B, -B * W * x, -B * W],
        ]
    )


def printed(theta: Any, x: float, y_star: float, B: float) -> Any:
    matrix = corrected(theta, x, y_star, B)
    matrix[0, 0] *= -1
    matrix[0, 3] = -theta[0] + y_star - (theta[0] * (theta[2] * x + theta[3]) + theta[1])
    return matrix


def asymmetry(matrix: Any) -> float:
    return float(np.abs(matrix - matrix.T).max() / np.abs(matrix).max())


def work_along_square(updates: Updates, theta: Any, x: float, y_star: float, B: float, side: float) -> float:
    """Return the integral of the updates along a square in (W, A); Gauss points are exact for these polynomials."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    corners = side / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    work = 0.0
    for begin, end in pairwise(corners):
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            W, A = begin + node * (end - begin)
            update = updates(theta + np.array([W, 0, A, 0]), x, y_star, B)
            work += weight * float(update[0] * (end - begin)[0] + update[2] * (end - begin)[1])
    return work


def measure(study: Study) -> dict[str, Any]:
    rng = study.rng("values")
    worst = {"eq. 79": 0.0, "bp": 0.0, "fa, B = W and e = 0": 0.0, "bp, loop": 0.0}
    least = {"eq. 79 as printed": np.inf, "fa": np.inf, "fa, B = W": np.inf, "fa, e = 0": np.inf, "fa, loop": np.inf}
    for _ in range(study["repeats"]):
        theta, x, y_star, B = rng.normal(0, 1, 4), *rng.normal(0, 1, 3)
        output = theta[0] * (theta[2] * x + theta[3]) + theta[1]
        own = jacobian(feedback_alignment, theta, x, y_star, B)
        scale = np.abs(own).max()
        worst["eq. 79"] = max(worst["eq. 79"], np.abs(own - corrected(theta, x, y_star, B)).max() / scale)
        worst["bp"] = max(worst["bp"], asymmetry(jacobian(backpropagation, theta, x, y_star, B)))
        both = jacobian(feedback_alignment, theta, x, output, theta[0])
        worst["fa, B = W and e = 0"] = max(worst["fa, B = W and e = 0"], asymmetry(both))
        loop = (theta, x, y_star, B, study["side"])
        worst["bp, loop"] = max(worst["bp, loop"], abs(work_along_square(backpropagation, *loop)))
        seen = {
            "eq. 79 as printed": np.abs(own - printed(theta, x, y_star, B)).max() / scale,
            "fa": asymmetry(own),
            "fa, B = W": asymmetry(jacobian(feedback_alignment, theta, x, y_star, theta[0])),
            "fa, e = 0": asymmetry(jacobian(feedback_alignment, theta, x, output, B)),
            "fa, loop": abs(work_along_square(feedback_alignment, *loop)),
        }
        least = {name: min(least[name], value) for name, value in seen.items()}
    return {
        "worst": {key: float(value) for key, value in worst.items()},
        "least": {k: float(v) for k, v in least.items()},
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    worst, least = measured["worst"], measured["least"]
    return [
        at_most("Jacobian against eq. 79 corrected, relative", worst["eq. 79"], 1e-10, paper=0),
        at_least("Jacobian against eq. 79 as printed (control, must differ)", least["eq. 79 as printed"], 1e-6),
        at_least("asymmetry under FA, smallest", least["fa"], 1e-6, paper="> 0"),
        at_least("asymmetry under FA with B = W but e != 0, smallest", least["fa, B = W"], 1e-6),
        at_least("asymmetry under FA with e = 0 but B != W, smallest", least["fa, e = 0"], 1e-6),
        at_most("asymmetry under FA with B = W and e = 0", worst["fa, B = W and e = 0"], 1e-10),
        at_most("asymmetry under BP", worst["bp"], 1e-9, paper=0),
        at_least("work along a closed loop under FA, smallest", least["fa, loop"], 1e-6, paper="> 0"),
        at_most("work along a closed loop under BP", worst["bp, loop"], 1e-9, paper=0),
    ]


CLAIM = Claim(
    id="fa-nonconservative",
    source="FA, supplementary note 16, eq. 79",
    statement="The updates of feedback alignment are not the gradient of any function; backpropagation's are.",
    kind=("exact",),
    cost="seconds",
    settings={"repeats": 100, "side": 1.0},
    measure=measure,
    judge=judge,
)
