"""FA supplement, note 16 and Fig. 14: a minimum found by backpropagation is no resting place of feedback alignment.

A network learns a quadratic function by backpropagation until it is close to a minimum of nonzero error, and then
goes on by feedback alignment: the error jumps and comes back. The reason given: at the minimum the mean of ((B e) (.)
f') x^T is not zero.

Not stated; ours: networks 20-30-20 and 20-20-20 of tanh units with linear output, small so that the error at the
minimum is not zero, and y*_k = x^T Q_k x less its mean, Q normal; 8000 fixed samples in every step; B from U(-0.5,
0.5). Only the feedback changes at the switch: both phases have momentum 0.9 and rates that fall from 0.05 to a
fiftieth of it.

How near the error comes back depends on the width, as the minima of the two rules are not the same, and 20-30-20 lies
at the limit of 20 % that we set: 1.18, 1.20 and 1.24 times the error of backpropagation with three seeds; 20-20-20
came back to 1.11 with the first of them. Plain steps at 0.05 in the second phase leave 20-30-20 at 22 % (24 % with
2000 samples, partly learned by heart); 10 hidden units and 500 samples gave 3 %, 100 hidden units and 500 samples
still 130 % after 4000 steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most
from edgelearn.reproduction.study import Study, Work
from experiments.claims._teacher import normal_inputs, nse, quadratic_teacher, uniform_nets

RATES = (1, 1, 0.1, 0.02)  # of the quarters of either phase, over the first


def switch(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Return the NSE on the training samples over both phases, and the first layer's mean update at the switch."""
    rng = np.random.default_rng(settings["seed"])
    inputs, outputs, hidden = settings["inputs"], settings["outputs"], settings["hidden"]
    x = normal_inputs(rng, 1, settings["samples"], inputs)
    target = quadratic_teacher(rng, 1, inputs, outputs)(x)
    nets = uniform_nets(rng, 1, [inputs, hidden, outputs], "bp", momentum=0.9)
    bp_steps, fa_steps = settings["bp_steps"], settings["fa_steps"]
    steps, curve, pulls = [], [], {}

    def look(step: int) -> None:
        if step % settings["every"] == 0:
            steps.append(step)
            curve.append(float(nse(nets, x, target)[0]))
            work.progress(step / (bp_steps + fa_steps))

    for step in range(bp_steps):
        look(step)
        nets.learn(x, target, settings["eta"] * RATES[4 * step // bp_steps])
    pulls["bp"] = float(np.linalg.norm(nets.updates(x, target)[0]))
    nets.B = [nets.W[0], np.asarray(rng.uniform(-0.5, 0.5, (1, outputs, hidden)), np.float32)]
    pulls["fa"] = float(np.linalg.norm(nets.updates(x, target)[0]))
    for step in range(fa_steps):
        look(bp_steps + step)
        nets.learn(x, target, settings["eta"] * RATES[4 * step // fa_steps])
    look(bp_steps + fa_steps)
    return {"steps": steps, "nse": curve, "pulls": pulls}


def measure(study: Study) -> dict[str, Any]:
    pairs = [(hidden, study.seed + k) for hidden in study["widths"] for k in range(study["seeds"])]
    found = study.map(switch, [study.settings | {"hidden": hidden, "seed": seed} for hidden, seed in pairs])
    runs = {
        str(width): [run for (hidden, _), run in zip(pairs, found, strict=True) if hidden == width]
        for width in study["widths"]
    }
    return {"switched": study["bp_steps"], "runs": runs}


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for width, runs in measured["runs"].items():
        steps, switched = np.array(runs[0]["steps"]), measured["switched"]
        curves = np.array([run["nse"] for run in runs])
        name, at_minimum = f"20-{width}-20", curves[:, steps == switched][:, 0]
        soon = curves[:, (steps > switched) & (steps <= switched + 100)].max(1) / at_minimum
        final = curves[:, -1] / at_minimum
        pulls = [run["pulls"]["fa"] / run["pulls"]["bp"] for run in runs]
        last = f"{name}: error at the end over BP's, mean of the seeds"
        checks += [
            at_least(
                f"{name}: first layer's mean update at the BP minimum, FA over BP", min(pulls), 10, paper="not zero"
            ),
            at_least(f"{name}: error within 100 steps over BP's, smallest", soon.min(), 1.1, paper="sharp increase"),
            at_most(last, final.mean(), 1.2, paper="low again", needs_full=True),
        ]
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for k, (width, runs) in enumerate(measured["runs"].items()):
        for j, run in enumerate(runs):
            label = None if j else f"20-{width}-20"
            axes.plot(run["steps"], run["nse"], color=f"C{k}", linewidth=0.8, label=label)
    axes.axvline(measured["switched"], color="grey", linestyle=":", label="from BP to FA")
    axes.set(xlabel="step", ylabel="NSE on the training samples", yscale="log")
    axes.legend()


CLAIM = Claim(
    id="fa-switch-from-bp",
    source="FA, supplementary note 16 and Fig. 14",
    statement="Switched from backpropagation to feedback alignment at a minimum, the error jumps and comes back.",
    kind=("order",),
    cost="minutes",
    settings={
        "inputs": 20,
        "outputs": 20,
        "widths": [30, 20],
        "seeds": 3,
        "samples": 8000,
        "bp_steps": 2000,
        "fa_steps": 8000,
        "eta": 0.05,
        "every": 20,
    },
    quick={"seeds": 1, "bp_steps": 1000, "fa_steps": 1000, "samples": 1000},
    measure=measure,
    judge=judge,
    draw=draw,
)
