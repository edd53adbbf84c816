"""Thesis, chapter 4 and section 1.2: the gradients of binary cross-entropy behind one hidden layer, and DFA's.

dBCE/dw_2 = h_1^T (yhat - y), dBCE/db_2 = yhat - y, dBCE/dw_1 = X^T [((yhat - y) w_2^T) (.) f'(a_1)], b_1 the same
without X; DFA puts a fixed B in the place of w_2^T and leaves the output layer alone. The witness is the complex
step, imag(loss(theta + i h)) / h with h = 1e-30, a derivative without cancellation; central differences stand next
to it with what float64 leaves of them. DFA's first layer is no gradient of the loss, but it is the gradient of
sum((yhat - y) * (h_1 B^T)) with the error held fixed, and so it has a witness of its own.

Printed as X^T (yhat - y)(w_2^T) (.) f'(a_1), without brackets; read from left to right the shapes fit for one sample
only. In the derivation da_1 / dh_1 = X^T should read da_1 / dw_1 = X^T. Not stated; ours: sizes, normal inputs, the
mean over the batch (the printed equations carry no 1/N).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study
from experiments.claims._bce_network import (
    Parameters,
    forward,
    gradients,
    loss,
    relu,
    sigmoid,
    uniform,
    uniform_parameters,
)

COMPLEX_STEP = 1e-30


def measure(study: Study) -> dict[str, Any]:
    rng = study.rng("network")
    n, inputs, hidden = study["samples"], study["inputs"], study["hidden"]
    x, y = rng.normal(size=(n, inputs)), rng.integers(0, 2, (n, 1)).astype(float)
    p, feedback = uniform_parameters(rng, inputs, hidden), uniform(rng, inputs, 1, hidden)
    error = (sigmoid(forward(p, x)[1]) - y) / n
    bp, dfa = gradients(p, p["w2"].T, x, y), gradients(p, feedback, x, y)
    witness = _complex_step(lambda q: loss(q, x, y), p)
    through_b = _complex_step(lambda q: (error * (relu(x @ q["w1"] + q["b1"]) @ feedback.T)).sum(), p)
    central = _central_differences(lambda q: float(loss(q, x, y)), p)
    return {
        "bp_residuals": {name: _apart(bp[name], witness[name]) for name in p},
        "bp_by_central_differences": {name: _apart(bp[name], central[name]) for name in p},
        "dfa_residuals": {
            **{name: _apart(dfa[name], through_b[name]) for name in ("w1", "b1")},
            **{name: _apart(dfa[name], witness[name]) for name in ("w2", "b2")},
        },
        "dfa_from_the_gradient": {name: _apart(dfa[name], witness[name]) for name in ("w1", "b1")},
    }


def _complex_step(function: Callable[[Parameters], np.ndarray], p: Parameters) -> Parameters:
    return _by_element(p, lambda q: float(np.imag(function(q))) / COMPLEX_STEP, 1j * COMPLEX_STEP)


def _central_differences(function: Callable[[Parameters], float], p: Parameters, h: float = 1e-6) -> Parameters:
    up, down = _by_element(p, function, h), _by_element(p, function, -h)
    return {name: (up[name].real - down[name].real) / (2 * h) for name in p}


def _by_element(p: Parameters, function: Callable[[Parameters], float], h: complex) -> Parameters:
    """Return, for every element, what the function gives when the element alone is moved by h."""
    found = {}
    for name, array in p.items():
        values = np.empty(array.shape)
        for index in np.ndindex(array.shape):
            moved = array.astype(type(h))
            moved[index] += h
            values[index] = function({**p, name: moved})
        found[name] = values
    return found


def _apart(ours: np.ndarray, witness: np.ndarray) -> float:
    return float(np.linalg.norm(ours - witness) / np.linalg.norm(witness))


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = [at_most(f"BP, {name}, to the derivative", r, 1e-10) for name, r in measured["bp_residuals"].items()]
    checks += [
        at_most(f"BP, {name}, to central differences", r, 1e-6)
        for name, r in measured["bp_by_central_differences"].items()
    ]
    checks += [
        at_most(f"DFA, {name}, to the derivative (w1, b1: through B, with the error fixed)", r, 1e-10)
        for name, r in measured["dfa_residuals"].items()
    ]
    return checks + [
        at_least(f"control: DFA, {name}, is not the gradient", r, 0.1)
        for name, r in measured["dfa_from_the_gradient"].items()
    ]


CLAIM = Claim(
    id="dfa-bce-gradients",
    source="thesis, chapter 4 and section 1.2",
    statement="The printed gradients of binary cross-entropy are right, and DFA replaces w_2^T by B and nothing else.",
    kind=("exact",),
    cost="seconds",
    settings={"samples": 16, "inputs": 12, "hidden": 20},
    measure=measure,
    judge=judge,
)
