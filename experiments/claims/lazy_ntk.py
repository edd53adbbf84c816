"""Thesis, section 1.3.1 and Fig. 2.1: with fixed gates a network learns the parity of one digit, not of three.

Hidden unit 1[g x > 0] (w x): g is a frozen copy of the first layer with its own draw, w and the output layer learn. The
text has a gated linear unit "with 1"; we read a gate of 0 or 1, since the aim is a ReLU whose gates stay. Set-up and
choices as in _parity.py; the runs are those of dfa-parity-k1 and dfa-parity-k3. Exact, on a small net in float64: gates
do not change while it learns, and z is linear in w for fixed output weights; control: with ReLU it is not.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, at_least, at_most, holds
from edgelearn.reproduction.study import Study
from experiments.claims._parity import QUICK, SIZES, accuracies, repeated
from experiments.claims.lazy_random_features import draw, judge_lazy


def measure(study: Study) -> dict[str, Any]:
    wanted = [(method, "sgd") for method in ("bp", "ntk")]
    runs = {str(k): accuracies(repeated(study, k, wanted)) for k in (1, 3)}
    return {"accuracy": runs, "ntk": _linearity("ntk", study.seed), "bp": _linearity("bp", study.seed)}


def _linearity(rule: str, seed: int) -> dict[str, float]:
    """Return how far z is from linear in w, relatively, and how many gates change in 50 steps."""
    from edgelearn.references.pytorch import torch
    from experiments.float_nets.float_config import float_config
    from experiments.float_nets.nets import ReferenceNet
    from experiments.float_nets.training import optimiser

    config = float_config(topology="20-16-1", rule=rule, hidden="relu", init="torch", rate=0.5, seed=seed)
    net = ReferenceNet(config, torch.float64)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(64, 20, generator=generator, dtype=torch.float64)
    target = (x[:, :1] > 0).double()
    first = net.layers[0]

    def z(weight: Any, bias: Any) -> Any:
        with torch.no_grad():
            first.weight.copy_(weight), first.bias.copy_(bias)
            net(x)
            return net.z[-1] - net.layers[1].bias

    def gates() -> Any:
        return (net.gates[0](x) if net.gates else first(x)) > 0

    before, descent = gates(), optimiser(net)
    start = [parameter.detach().clone() for parameter in (first.weight, first.bias)]
    for _ in range(50):
        descent.zero_grad()
        net.teach(x, target)
        descent.step()
    changed = int((gates() != before).sum())
    end = [parameter.detach().clone() for parameter in (first.weight, first.bias)]
    mixed = z(*(3 * a - 2 * b for a, b in zip(start, end, strict=True)))
    sum_of_both = 3 * z(*start) - 2 * z(*end)
    return {"residual": float((mixed - sum_of_both).norm() / sum_of_both.norm()), "changed_gates": changed}


def judge(measured: dict[str, Any]) -> list[Check]:
    ntk, bp = measured["ntk"], measured["bp"]
    return [
        *judge_lazy(measured, ("ntk",)),
        at_most("relative residual of z from linear in w", ntk["residual"], 1e-10),
        holds("gates never change", ntk["changed_gates"] == 0, ntk["changed_gates"], 0),
        at_least("control: the same residual with ReLU", bp["residual"], 1e-3),
    ]


CLAIM = Claim(
    id="lazy-ntk",
    source="thesis, section 1.3.1 and Fig. 2.1",
    statement="A network with fixed gates is close to a network at k = 1 and guesses at k = 3.",
    kind=("exact", "order"),
    cost="minutes",
    settings={"sizes": SIZES, "seeds": 3},
    quick={"sizes": QUICK, "seeds": 1},
    measure=measure,
    judge=judge,
    draw=draw,
    data=("mnist",),
    needs=("torch",),
)
