"""FA supplement, note 11: from zero weights a linear network learns any linear target by feedback alignment.

Theorem 1 with its Lemmas 2 to 4, as deterministic steps on white inputs. The continuous equation C = B W + W^T B^T -
A A^T = const has an exact twin in steps of any size, C(t) = C(0) - sum dA dA^T, and for its trace tr(BW) = (norm(A)^2
- sum norm(dA)^2) / 2 from a zero start; these are what we test. Lemma 1 (Barbalat) closes the proof and has no
numbers.

Misprints: the equation before eq. 11 writes -C where the definition gives +C; the proof of Lemma 3 passes through s^2
/ n_h^2, which would end at 2 n_h^2: with the sum of squared eigenvalues at least s^2 / n_h the stated 2 n_h follows;
the fixed point "A A^T = W B + B^T W^T" is B W + W^T B^T; in eq. 22 the factors dA^T are printed as B E without a
transpose (we use E^T B^T, and check it). Lemma 4 concludes that B W is bounded because B W + W^T B^T is; that bounds
its symmetric part only, so we report the largest norm of B W that was seen instead.

Sizes 30-20-10 are the supplement's; B and T from N(0, 1), rate and number of steps are not stated; ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, between
from edgelearn.reproduction.study import Study
from experiments.claims._linear_nets import LinearNets, halvings, inner, normal_nets, squared, turned
from experiments.float_nets.measures import angle_weight, trace_alignment


def first_derivative(nets: LinearNets) -> Any:
    """Return V' of Lemma 2, eq. 18."""
    be = nets.B @ nets.error()
    return -2 * squared(be @ turned(nets.A)) - squared(turned(nets.A) @ be)


def second_derivative(nets: LinearNets) -> Any:
    """Return V'' of Lemma 4, eq. 22 with its transposes."""
    A, error = nets.A, nets.error()
    be = nets.B @ error
    be_rate = nets.B @ (-error @ turned(A) @ A - nets.W @ be)
    first = inner(be @ turned(A), be_rate @ turned(A) + be @ turned(be))
    second = inner(turned(A) @ be, turned(be) @ be + turned(A) @ be_rate)
    return -4 * first - 2 * second


def residuals_of_derivatives(nets: LinearNets, time: float) -> tuple[float, float]:
    """Return how far differences over one step, taken after a time of flow from zero, are from V' and V''."""
    for _ in range(round(time / nets.eta)):
        nets.learn()
    v, slope = squared(nets.B @ nets.error()), first_derivative(nets)
    curvature = second_derivative(nets)
    nets.learn()
    off_first = (squared(nets.B @ nets.error()) - v) / nets.eta - slope
    off_second = (first_derivative(nets) - slope) / nets.eta - curvature
    return float(np.abs(off_first).sum()), float(np.abs(off_second).sum())


def measure(study: Study) -> dict[str, Any]:
    nets = normal_nets(study.rng("nets"), study["repeats"], study["sizes"], 0.0, study["eta"])
    hidden = study["sizes"][1]
    bound = squared(nets.B @ nets.T) + 2 * hidden
    start, last = squared(nets.B @ nets.T), np.inf
    moved, moved_norm = np.zeros((len(start), hidden, hidden)), np.zeros(len(start))
    increases, c_residual, tr_residual, largest_s, largest_bw, largest_second = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    steps, curves = [], []
    for step in range(1, study["steps"] + 1):
        dA = nets.learn()
        moved += dA @ turned(dA)
        moved_norm += squared(dA)
        v = squared(dA) / nets.eta**2  # of the weights before this step
        increases += int(((v > last) & (last > 1e-20 * start)).sum())
        last, s = v, squared(nets.A)
        largest_s = max(largest_s, float((s / bound).max()))
        if step % 50 == 0 or step < 50:
            bw = nets.B @ nets.W
            c_residual = max(c_residual, float((np.sqrt(squared(nets.c() + moved)) / s).max()))
            trace = trace_alignment(nets.W, nets.B)
            tr_residual = max(tr_residual, float(np.abs(2 * trace - s + moved_norm).max() / s.max()))
            largest_bw = max(largest_bw, float((np.sqrt(squared(bw)) / bound).max()))
            second = np.abs(second_derivative(nets)) / start**2
            largest_second = max(largest_second, float(second.max()))
            steps.append(step)
            curves.append([float(x[0]) for x in (v / start, nets.nse(), s / bound, trace)])
    rates = [study["flow_eta"] / 2**k for k in range(3)]
    fresh = [normal_nets(study.rng("flow"), study["repeats"], study["sizes"], 0.0, eta) for eta in rates]
    off_first, off_second = zip(*(residuals_of_derivatives(each, study["flow_time"]) for each in fresh), strict=True)
    return {
        "c_residual": c_residual,
        "tr_bw_residual": tr_residual,
        "increases_of_v": increases,
        "largest_s_over_bound": largest_s,
        "largest_bw_over_bound": largest_bw,
        "largest_second_derivative_over_v0_squared": largest_second,
        "final_error": float(np.sqrt(nets.nse()).max()),
        "final_angles": angle_weight(nets.W, nets.B).tolist(),
        "final_tr_bw": float(trace_alignment(nets.W, nets.B).min()),
        "off_first": off_first,
        "off_second": off_second,
        "steps": steps,
        "curves": curves,
    }


def judge(measured: dict[str, Any]) -> list[Check]:
    first, second = halvings(measured["off_first"]), halvings(measured["off_second"])
    return [
        at_most("C(t) - C(0) + sum dA dA^T, relative to norm(A)^2, whole run", measured["c_residual"], 1e-10),
        at_most("2 tr(BW) - norm(A)^2 + sum norm(dA)^2, relative", measured["tr_bw_residual"], 1e-10),
        at_most("Lemma 2: steps in which V = norm(B E)^2 rose", measured["increases_of_v"], 0, paper=0),
        between("Lemma 2: formula of V', residual before and after halving the rate", first[0], 1.8, 2.2),
        between("Lemma 2: halved again", first[1], 1.8, 2.2),
        at_most("Lemma 3: norm(A)^2 over its bound, largest", measured["largest_s_over_bound"], 1, paper="<= 1"),
        between("Lemma 4: formula of V'', residual before and after halving the rate", second[0], 1.8, 2.2),
        between("Lemma 4: halved again", second[1], 1.8, 2.2),
        at_most("Theorem 1: norm(E) / norm(T) at the end", measured["final_error"], 1e-6, paper="-> 0"),
        at_least("tr(BW) at the end, smallest of the repeats", measured["final_tr_bw"], 0, paper="> 0"),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    left, right = figure.subplots(1, 2)
    v, nse, s, trace = zip(*measured["curves"], strict=True)
    left.loglog(measured["steps"], v, label="V / V(0)")
    left.loglog(measured["steps"], nse, label="error, NSE")
    left.set(xlabel="step", ylabel="relative to the start")
    right.semilogx(measured["steps"], s, label="norm(A)$^2$ / bound of Lemma 3")
    right.semilogx(measured["steps"], [x / max(trace) for x in trace], label="tr(BW) / its largest")
    right.axhline(1, color="grey", linestyle=":")
    right.set(xlabel="step")
    left.legend()
    right.legend()


CLAIM = Claim(
    id="fa-linear-theorem1",
    source="FA, supplementary note 11, Theorem 1 and Lemmas 1 to 4",
    statement="From zero weights and with independent columns of B, feedback alignment takes a linear error to 0.",
    kind=("exact", "flow"),
    cost="seconds",
    settings={
        "sizes": [30, 20, 10],
        "repeats": 5,
        "eta": 1e-3,
        "steps": 10_000,
        "flow_time": 0.04,
        "flow_eta": 1e-4,
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
