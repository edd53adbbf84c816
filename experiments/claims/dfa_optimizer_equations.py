"""Thesis, section 1.4: the equations of its optimisers, step by step against torch.optim in float64.

Both walk the same network with their own gradients, DFA's in the first layer, so that a difference would grow. torch
differs from the thesis in form: it keeps the step size out of the momentum, writes Nesterov in shifted variables
(its parameters are theta - gamma v, where the next gradient is taken), and adds eps outside the square root in
Adagrad and RMSprop, where the thesis adds it inside. Steps are compared with eps outside; what the place of eps does
to the parameters is measured on its own. torch's RMSprop has another default rho, 0.99 in place of 0.9.

Adadelta: the averaged squared step is that without eta, as in torch, which the thesis says it follows; its printed
equations do not say. Not stated; ours: network, batch, step sizes and number of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_most
from edgelearn.reproduction.study import Study
from experiments.claims._bce_network import Parameters, gradients, uniform, uniform_parameters

GAMMA, RHO, BETAS, EPS = 0.9, 0.9, (0.9, 0.999), 1e-8

Gradient = Callable[[np.ndarray], np.ndarray]
State = dict[str, Any]  # running averages, one of each; zero at the start


def sgd(theta: np.ndarray, gradient: Gradient, s: State, eta: float) -> np.ndarray:
    return theta - eta * gradient(theta)


def momentum(theta: np.ndarray, gradient: Gradient, s: State, eta: float) -> np.ndarray:
    s["v"] = GAMMA * s["v"] + eta * gradient(theta)
    return theta - s["v"]


def nesterov(theta: np.ndarray, gradient: Gradient, s: State, eta: float) -> np.ndarray:
    s["v"] = GAMMA * s["v"] + eta * gradient(theta - GAMMA * s["v"])
    return theta - s["v"]


def adagrad(theta: np.ndarray, gradient: Gradient, s: State, eta: float) -> np.ndarray:
    g = gradient(theta)
    s["G"] = s["G"] + g**2
    return theta - eta * g / _root(s, s["G"])


def adadelta(theta: np.ndarray, gradient: Gradient, s: State, eta: float) -> np.ndarray:
    g = gradient(theta)
    s["g2"] = RHO * s["g2"] + (1 - RHO) * g**2
    step = np.sqrt(s["d2"] + EPS) / np.sqrt(s["g2"] + EPS) * g
    s["d2"] = RHO * s["d2"] + (1 - RHO) * step**2
    return theta - eta * step


def rmsprop(theta: np.ndarray, gradient: Gradient, s: State, eta: float) -> np.ndarray:
    g = gradient(theta)
    s["g2"] = RHO * s["g2"] + (1 - RHO) * g**2
    return theta - eta * g / _root(s, s["g2"])


def adam(theta: np.ndarray, gradient: Gradient, s: State, eta: float) -> np.ndarray:
    g, (beta1, beta2) = gradient(theta), BETAS
    s["t"] = s["t"] + 1
    s["m"] = beta1 * s["m"] + (1 - beta1) * g
    s["v"] = beta2 * s["v"] + (1 - beta2) * g**2
    m, v = s["m"] / (1 - beta1 ** s["t"]), s["v"] / (1 - beta2 ** s["t"])
    return theta - eta * m / (np.sqrt(v) + EPS)


def _root(s: State, squares: np.ndarray) -> np.ndarray:
    return np.sqrt(squares + EPS) if s["eps_inside"] else np.sqrt(squares) + EPS


OPTIMISERS = {
    "SGD": (sgd, 0.1, "SGD", {}),
    "momentum": (momentum, 0.02, "SGD", {"momentum": GAMMA}),
    "NAG": (nesterov, 0.02, "SGD", {"momentum": GAMMA, "nesterov": True}),
    "Adagrad": (adagrad, 0.02, "Adagrad", {"eps": EPS}),
    "Adadelta": (adadelta, 1.0, "Adadelta", {"rho": RHO, "eps": EPS}),
    "RMSprop": (rmsprop, 0.001, "RMSprop", {"alpha": RHO, "eps": EPS}),
    "Adam": (adam, 0.001, "Adam", {"betas": BETAS, "eps": EPS}),
}  # equation, step size, name and settings in torch


def measure(study: Study) -> dict[str, Any]:
    rng = study.rng("network")
    x = rng.normal(size=(study["samples"], study["inputs"]))
    y = (x[:, :1] * x[:, 1:2] > 0).astype(float)
    start = uniform_parameters(rng, study["inputs"], study["hidden"])
    feedback = uniform(rng, study["inputs"], 1, study["hidden"])

    def gradient(theta: np.ndarray) -> np.ndarray:
        return _flat(gradients(_split(theta, start), feedback, x, y))

    apart, place = {}, {}
    for name, (_, eta, torch_name, arguments) in OPTIMISERS.items():
        ours = _walk(name, _flat(start), gradient, eta, study["steps"], eps_inside=False)
        theirs = _walk_of_torch(torch_name, _flat(start), gradient, {"lr": eta, **arguments}, study["steps"])
        inside = _walk(name, _flat(start), gradient, eta, study["steps"], eps_inside=True)
        moved = np.linalg.norm(theirs - _flat(start), axis=1)
        apart[name] = float((np.linalg.norm(ours - theirs, axis=1) / moved).max())
        place[name] = float((np.linalg.norm(ours - inside, axis=1) / moved).max())
    return {"apart": apart, "place_of_eps": place}


def _walk(name: str, theta: np.ndarray, gradient: Gradient, eta: float, steps: int, eps_inside: bool) -> np.ndarray:
    """Return the parameters after each step; of NAG those where the next gradient is taken, as torch keeps them."""
    s: State = dict.fromkeys(("v", "m", "G", "g2", "d2", "t"), 0.0) | {"eps_inside": eps_inside}
    rows = []
    for _ in range(steps):
        theta = OPTIMISERS[name][0](theta, gradient, s, eta)
        rows.append(theta - GAMMA * s["v"] if name == "NAG" else theta)
    return np.array(rows)


def _walk_of_torch(
    name: str, start: np.ndarray, gradient: Gradient, arguments: dict[str, Any], steps: int
) -> np.ndarray:
    import torch

    theta = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimiser = getattr(torch.optim, name)([theta], **arguments)
    rows = []
    for _ in range(steps):
        theta.grad = torch.from_numpy(gradient(theta.detach().numpy()))
        optimiser.step()
        rows.append(theta.detach().numpy().copy())
    return np.array(rows)


def _flat(p: Parameters) -> np.ndarray:
    return np.concatenate([array.ravel() for array in p.values()])


def _split(theta: np.ndarray, like: Parameters) -> Parameters:
    parts = np.split(theta, np.cumsum([array.size for array in like.values()])[:-1])
    return {name: part.reshape(array.shape) for (name, array), part in zip(like.items(), parts, strict=True)}


def judge(measured: dict[str, Any]) -> list[Check]:
    return [at_most(f"parameters against torch, every step: {name}", r, 1e-10) for name, r in measured["apart"].items()]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    names = list(measured["apart"])
    axes.plot(names, measured["apart"].values(), "o", label="equation against torch")
    moving = {name: value for name, value in measured["place_of_eps"].items() if value}
    axes.plot(list(moving), list(moving.values()), "s", label="eps inside against outside the root")
    axes.axhline(1e-10, color="black", ls=":", label="limit")
    axes.set(ylabel="parameters apart, over the way gone", yscale="log", ylim=(1e-17, 1))
    axes.legend(fontsize=8)


CLAIM = Claim(
    id="dfa-optimizer-equations",
    source="thesis, section 1.4",
    statement="The thesis' equations of SGD, momentum, NAG, Adagrad, Adadelta, RMSprop and Adam are those of torch.",
    kind=("exact",),
    cost="seconds",
    settings={"samples": 32, "inputs": 8, "hidden": 16, "steps": 200},
    measure=measure,
    judge=judge,
    draw=draw,
    needs=("torch",),
)
