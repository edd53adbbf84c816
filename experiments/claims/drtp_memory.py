"""DRTP, abstract, sections 1 and 3: without update locking no layer's inputs and activations are held.

Counted by edgelearn for one sample in flight: BP, FA and DFA hold the input and f' of every hidden layer until its
update; DRTP and shallow hold nothing beyond the layer at work, whose input and output are in use under every rule.
Depths and widths are ours. Control: where an update gate decides by the prediction whether a sample is learned at all,
DRTP waits like DFA.
"""

from __future__ import annotations

from typing import Any

from edgelearn.network.spec import NetworkSpec, design
from edgelearn.network.storage import buffers
from edgelearn.reproduction import Check, Claim, at_least, at_most, holds
from edgelearn.reproduction.study import Study

RULES = ("shallow", "drtp", "dfa", "fa", "bp")
ACTIVATION_BITS = 8


def at_work(spec: NetworkSpec) -> int:
    """Return the bits of the input and the output of the layer at work, where they are largest."""
    bits = [spec.input_bits, *[ACTIVATION_BITS] * len(spec.layers)]
    return max(layer.n_in * bits[k] + layer.n_out * bits[k + 1] for k, layer in enumerate(spec.layers))


def measure(study: Study) -> dict[str, Any]:
    held: dict[str, dict[str, dict[int, int]]] = {rule: {"bits": {}, "words": {}, "peak": {}} for rule in RULES}
    for rule in RULES:
        for depth in study["depths"]:
            spec = design((study["n_in"], *[study["n"]] * (depth - 1), study["classes"]), rule)
            waiting = buffers(spec)
            layers = [each for each in waiting if each.role in ("activation", "gate")]
            held[rule]["bits"][depth] = sum(each.bits for each in waiting)
            held[rule]["words"][depth] = sum(each.words for each in layers)
            held[rule]["peak"][depth] = held[rule]["bits"][depth] + at_work(spec)
    sizes = (study["n_in"], *[study["n"]] * 2, study["classes"])
    gated = sum(each.bits for each in buffers(design(sizes, "drtp", update_gate="error")))
    form = {depth: study["n_in"] + (2 * depth - 3) * study["n"] for depth in study["depths"]}
    return {"held": held, "form": form, "gated_bits": gated}


def judge(measured: dict[str, Any]) -> list[Check]:
    held = {rule: {kind: list(by.values()) for kind, by in kinds.items()} for rule, kinds in measured["held"].items()}
    form = list(measured["form"].values())
    checks = [at_most(f"{rule}: bits that wait, at any depth", max(held[rule]["bits"]), 0, 0) for rule in RULES[:2]]
    deep = {peak for k, peak in measured["held"]["drtp"]["peak"].items() if int(k) > 2}
    what = "drtp: peak with the layer at work, bits, is the same for all K > 2, where layers are equally wide"
    checks.append(holds(what, len(deep) == 1, str(sorted(deep))))
    for rule in RULES[2:]:
        words = held[rule]["words"]
        checks.append(
            holds(f"{rule}: words held are inputs and f' of all hidden layers", words == form, str(words), str(form))
        )
    checks.append(at_least("control: bits that wait under drtp with an update gate", measured["gated_bits"], 1))
    return checks


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for (rule, kinds), style in zip(measured["held"].items(), ("s-", "o--", "o-", "s-", "o--"), strict=True):
        axes.plot([int(k) for k in kinds["peak"]], [bits / 8000 for bits in kinds["peak"].values()], style, label=rule)
    axes.set(xlabel="layers K", ylabel="kB that wait, with the layer at work", ylim=(0, None))
    axes.legend()


CLAIM = Claim(
    id="drtp-memory",
    source="DRTP, abstract, sections 1 and 3",
    statement="DRTP holds nothing beyond the layer at work; BP, FA and DFA hold every layer's input and f'.",
    kind=("count",),
    cost="seconds",
    settings={"depths": [2, 3, 4, 5, 6, 8], "n_in": 784, "n": 500, "classes": 10},
    measure=measure,
    judge=judge,
    draw=draw,
)
