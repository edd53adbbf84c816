"""DRTP, Fig. 2 in integers: the regression of `drtp-fig2` by the integer network, in 8 view and 8 residual bits.

Task as in _synthetic_runs.py, with fewer samples and epochs. Network 256-100-100-10, linear outputs, single samples, as
integer networks learn. Inputs from -8 to 8 are signed levels of 8 bits, targets of -1 to 1 the words -254 to 254. drtp,
which Fig. 2 leaves out, stands beside: its hidden layers learn from the targets alone. Rates are the best of a grid by
the training part, for each rule.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, at_most, less
from edgelearn.reproduction.study import Study, Work

RULES = ("bp", "fa", "dfa", "sdfa", "drtp", "shallow")
REACH, TOP, ONE = 8.0, 127, 254  # of the inputs (which are means of up to pi and a deviation); levels; words of 1.0


def train(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Train an integer network; return the mean squared error of training and test part, in units of the targets.

    Settings
    --------
    rule, hidden_rate, output_rate, seed, inputs, samples, test, epochs
    """
    import numpy as np

    from edgelearn.network.learner import Learner
    from edgelearn.network.spec import design
    from experiments.claims._synthetic_runs import regression

    n, n_test = settings["samples"], settings["test"]
    x, y = regression(settings["seed"], n + n_test)
    levels = np.rint(np.clip(x[:, : settings["inputs"]] / REACH, -1, 1) * TOP).astype(np.int8)
    words = np.rint(y * ONE).astype(np.int16)
    learner = Learner(
        design(
            (settings["inputs"], 100, 100, 10),
            settings["rule"],
            bits=8,
            input_bits=8,
            signed_inputs=True,
            task="regression",
            hidden_rate=settings["hidden_rate"],
            output_rate=settings["output_rate"],
            seed=settings["seed"],
        )
    )
    curves: dict[str, list[float]] = {"train": [], "test": []}
    for epoch in range(settings["epochs"]):
        order = np.random.default_rng([settings["seed"], epoch]).permutation(n)
        learner.learn_targets(levels[:n][order], words[:n][order])
        for name, part in (("train", slice(n)), ("test", slice(n, None))):
            errors = learner.outputs(levels[part]) / ONE - y[part]
            curves[name].append(float((errors.astype(np.float64) ** 2).mean()))
        work.progress((epoch + 1) / settings["epochs"])
    return curves


def measure(study: Study) -> dict[str, Any]:
    seeds = [study.seed + k for k in range(study["seeds"])]
    fixed = {key: study[key] for key in ("inputs", "samples", "test", "epochs")}
    cells = [
        (rule, hidden, output)
        for rule in RULES
        for hidden in (study["hidden_rates"] if rule != "shallow" else study["hidden_rates"][:1])
        for output in study["output_rates"]
    ]
    runs = [
        {"rule": rule, "hidden_rate": hidden, "output_rate": output, "seed": seed} | fixed
        for rule, hidden, output in cells
        for seed in seeds
    ]
    results = study.map(train, runs)
    found: dict[str, Any] = {}
    for rule in RULES:
        best: tuple[float, int] | None = None
        for k, cell in enumerate(cells):
            own = results[k * len(seeds) : (k + 1) * len(seeds)]
            end = sum(one["train"][-1] for one in own) / len(own)
            if cell[0] == rule and (best is None or end < best[0]):
                best = end, k
        assert best is not None
        own = results[best[1] * len(seeds) : (best[1] + 1) * len(seeds)]
        curve = [sum(values) / len(own) for values in zip(*(one["train"] for one in own), strict=True)]
        test = sum(one["test"][-1] for one in own) / len(own)
        found[rule] = {"rates": list(cells[best[1]][1:]), "train": curve, "test": test}
    return found


def judge(measured: dict[str, Any]) -> list[Check]:
    end = {rule: own["train"][-1] for rule, own in measured.items()}
    return [
        less("final training loss: dfa below sdfa", end["dfa"], end["sdfa"], needs_full=True),
        less("final training loss: sdfa below shallow", end["sdfa"], end["shallow"], needs_full=True),
        less("final training loss: dfa below shallow", end["dfa"], end["shallow"]),
        less("final training loss: drtp below shallow", end["drtp"], end["shallow"], needs_full=True),
        at_most("dfa over bp, final training loss", end["dfa"] / end["bp"], 1.5, needs_full=True),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for rule, own in measured.items():
        epochs = range(1, len(own["train"]) + 1)
        axes.plot(epochs, own["train"], label=f"{rule}, 2^{own['rates'][0]}, 2^{own['rates'][1]}")
    axes.set(xlabel="epochs", ylabel="mean squared error, training", yscale="log")
    axes.legend(fontsize="small")


CLAIM = Claim(
    id="drtp-fig2-words",
    source="DRTP, Fig. 2",
    statement="In integers, too, errors and their signs teach the hidden layers of a regression; dfa ends below sdfa, "
    "and both below frozen hidden layers.",
    kind=("order",),
    cost="minutes",
    settings={
        "inputs": 256, "samples": 3000, "test": 500, "epochs": 15, "seeds": 2, "hidden_rates": [-6, -8, -10],
        "output_rates": [-8, -10],
    },
    quick={"samples": 1000, "epochs": 5, "seeds": 1, "hidden_rates": [-6], "output_rates": [-8]},
    measure=measure,
    judge=judge,
    draw=draw,
)  # fmt: skip
