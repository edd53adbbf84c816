"""DRTP, Discussion: the weight update costs about as many operations as the forward pass, and B^T y* none at all.

That is for C << n and a rate that is part of B. Counted by edgelearn for one dense sample of n_in-n-C: forward
n_in n + n C multiply-accumulates; DRTP's hidden update n gate products and n_in n, its output update n C. Bias steps
are counted apart and left out, as there. DFA takes n C more in a hidden layer for B^T e, DRTP picks a row.
"""

from __future__ import annotations

from typing import Any

from edgelearn.network.spec import parse_net
from edgelearn.reproduction import Check, Claim, between, holds
from edgelearn.reproduction.study import Study
from experiments.paper_claims import dense
from hw_models.engine.schedule import ASSUMED_SAMPLES

RULES = ("shallow", "drtp", "sdfa", "dfa", "fa", "bp")


def operations(net: str, rule: str) -> dict[str, int]:
    """Return the operations of one learned sample in which nothing is zero."""
    counted = dense(net, rule)
    names = ("forward_macs", "signal_macs", "gate_products", "update_macs", "bias_write")
    forward, signal, gate, update, biases = (counted.total(name) // ASSUMED_SAMPLES for name in names)
    return {"forward": forward, "signal": signal, "gate": gate, "update": update - biases}


def measure(study: Study) -> dict[str, Any]:
    return {"nets": {net: {rule: operations(net, rule) for rule in RULES} for net in study["nets"]}}


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for net, rules in measured["nets"].items():
        n_in, n, classes = parse_net(net)
        drtp, dfa = rules["drtp"], rules["dfa"]
        form = {"forward": n_in * n + n * classes, "signal": 0, "gate": n, "update": n_in * n + n * classes}
        ratio = (drtp["signal"] + drtp["gate"] + drtp["update"]) / drtp["forward"]
        checks += [
            holds(f"{net}: operations of DRTP", drtp == form, _listed(drtp), _listed(form)),
            between(f"{net}: update over forward pass, DRTP", ratio, 0.9, 1.1, "about 1"),
            holds(f"{net}: B^T e of DFA", dfa["signal"] == n * classes, dfa["signal"], n * classes),
            holds(f"{net}: B^T y* of DRTP", drtp["signal"] == 0, drtp["signal"], 0),
        ]
    return checks


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def draw(measured: dict[str, Any], figure: Any) -> None:
    for axes, (net, rules) in zip(figure.subplots(1, len(measured["nets"])), measured["nets"].items(), strict=True):
        below = [0.0] * len(RULES)
        for part in ("update", "gate", "signal"):
            shares = [rules[rule][part] / rules[rule]["forward"] for rule in RULES]
            axes.bar(RULES, shares, bottom=below, label=part)
            below = [a + b for a, b in zip(below, shares, strict=True)]
        axes.axhline(1, color="0.4", linestyle="--")
        axes.set(title=net, ylabel="operations of learning / forward pass")
    figure.axes[1].legend(loc="center left")


CLAIM = Claim(
    id="drtp-flops",
    source="DRTP, section 3",
    statement="The weight update of DRTP costs about one forward pass, and its teaching signal no operation.",
    kind=("count",),
    cost="seconds",
    settings={"nets": ["784-1000-10", "3072-1000-10"]},
    measure=measure,
    judge=judge,
    draw=draw,
)
