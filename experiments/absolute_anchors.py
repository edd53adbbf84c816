"""Absolute energies and areas of published chips beside those of the cost model: figure, figure, ratio, reason.

`experiments/silicon_anchors.py` writes the rows into its results and prints them. No chip is modelled; an engine of
ours prices the part of a chip that is named, over the densities and lanes that are stated.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from statistics import median
from typing import Any

from edgelearn.network.spec import NetworkSpec, design
from edgelearn.network.traffic import traffic
from hw_models.constants import technology
from hw_models.constants.memory import sram
from hw_models.engine.schedule import assume
from hw_models.processor import Core, Engine, find_processor

DENSITIES = (0.1, 0.3, 1.0)
LANES = (1, 8, 16, 32)
TRACKER = (4608, 512, 512, 2)  # fully connected layers of a tracker; those of DF-LNPU are not published
EQUAL_LAYERS = (512, 512, 512, 512)


def figure(chip: str, name: str) -> float:
    """Return a published figure, from tables/anchors.csv."""
    rows = (row for row in technology.rows("anchors") if (row["chip"], row["figure"]) == (chip, name))
    return float(next(rows)["value"])


def _row(chip: str, what: str, unit: str, published: float, ours: Iterable[float], why: str) -> dict[str, Any]:
    values = sorted(ours)
    low, mid, high = (float(f"{value:.4g}") for value in (values[0], median(values), values[-1]))
    return {
        "chip": chip,
        "figure": what,
        "unit": unit,
        "published": published,
        "ours, middle": mid,
        "ours, range": [low, high],
        "ours over published": float(f"{mid / published:.3g}"),
        "why": why,
    }


def _engines(name: str) -> list[Engine]:
    engine = find_processor(name)
    assert isinstance(engine, Engine)
    return [engine.model_copy(update={"lanes": lanes}) for lanes in LANES]


def _energies_nj(engine: str, nets: Iterable[tuple[int, ...]], rule: str, learning: bool) -> list[float]:
    """Return the energy of a sample over nets, lanes and densities of inputs, those of updates alike."""
    found = []
    for net, priced, density in product(nets, _engines(engine), DENSITIES):
        spec = design(net, rule, rounding="stochastic")
        activity = assume(spec, input_density=density, update_density=density)
        found.append(priced.price(spec, activity, learning).energy_per_sample_pj / 1e3)
    return found


def inference_rows() -> list[dict[str, Any]]:
    """SPOON, Park and ANP-I: energy of a sample, and of a synaptic operation."""
    spoon = [(1024, 128, 10), (784, 500, 10)]
    to_65_nm = technology.energy_scale(45, 1.1, 65, 1.1)
    park = _energies_nj("engine-45nm", [(784, 200, 200, 10)], "dfa", False)
    pj_per_operation = []
    for engine, density in product(_engines("event-driven-28nm"), DENSITIES):
        spec = design((784, 500, 10), "dfa", rounding="stochastic")
        cost, operations = engine.price(spec, assume(spec, density), False), traffic(spec, assume(spec, density))
        pj_per_operation.append(cost.total("energy_pj") / float(operations["forward_macs"].sum()))
    return [
        _row(
            "SPOON", "energy per classification", "nJ", figure("SPOON", "energy_per_classification"),
            _energies_nj("event-driven-28nm", spoon, "drtp", False),
            "dense layers alone (1024-128-10, 784-500-10): its convolution, event input and output are left out",
        ),
        _row(
            "Park, Lee, Jeon", "energy per classification, 65 nm", "nJ",
            figure("Park, Lee, Jeon", "energy_per_classification"), [to_65_nm * energy for energy in park],
            f"one pass of 784-200-200-10 at 45 nm times {to_65_nm:.3g}; theirs has spikes over time steps",
        ),
        _row(
            "ANP-I", "energy per synaptic operation", "pJ", figure("ANP-I", "energy_per_synaptic_operation"),
            pj_per_operation,
            "whole inference over products of 8 bits at 0.6 V; theirs adds a weight per spike at 0.56 V",
        ),
        _row(
            "ANP-I", "energy per learning sample, at most", "nJ", figure("ANP-I", "energy_per_learning_sample_at_most"),
            _energies_nj("event-driven-28nm", [(784, 500, 10)], "dfa", True),
            "every sample updates; theirs skips updates by layer and window, of a network that is not stated",
        ),
    ]  # fmt: skip


def area_rows() -> list[dict[str, Any]]:
    """SPOON: whole chip; ODIN: its synthesised logic and its memories, taken to 28 nm by this model."""
    spoon = []
    for net, bits, engine in product(((1024, 128, 10), (784, 500, 10)), (4, 8), _engines("event-driven-28nm")):
        spec = design(net, "drtp", bits, rounding="stochastic")
        spoon.append(engine.price(spec, assume(spec)).total("area_um2") / 1e6)
    logic = figure("ODIN", "logic_area_130nm") * technology.area_scale(130, 28)
    synapses = sram("itrs-lstp", 28, int(figure("ODIN", "synapse_memory")), 32)
    neurons = sram("itrs-lstp", 28, int(figure("ODIN", "neuron_memory")), 128)
    return [
        _row(
            "SPOON", "area", "mm2", figure("SPOON", "area"), spoon,
            "dense layers with drtp, stochastic rounding, 4 or 8 bits; convolution, input, output and pads left out",
        ),
        _row(
            "ODIN", "area", "mm2", figure("ODIN", "area"), [(logic + synapses.area_um2 + neurons.area_um2) / 1e6],
            f"its own sources, synthesised at 130 nm and scaled ({logic / 1e6:.3g} mm2), and its memories by this "
            "model's SRAM; no layout. No fit has seen it",
        ),
    ]  # fmt: skip


def external_memory_rows() -> list[dict[str, Any]]:
    """DF-LNPU: accesses to external memory that DFA with regenerated feedback saves against BP, weights alone."""
    saved = []
    for net in (TRACKER, EQUAL_LAYERS):
        bp, stored, regenerated = (
            _weight_words(design(net, rule, feedback_format=form))
            for rule, form in (("bp", "int8"), ("dfa", "int8"), ("dfa", "lfsr"))
        )
        saved.append((net, 100 * (1 - regenerated / bp), 100 * (1 - regenerated / stored)))
    texts = [
        f"{'-'.join(map(str, net))}: {all_of:.3g} %, of which {own:.2g} % by the generator"
        for net, all_of, own in saved
    ]
    return [
        _row(
            "DF-LNPU", "external memory accesses saved by DFA with a feedback generator", "%",
            figure("DF-LNPU", "external_memory_saved"), [all_of for _, all_of, _ in saved],
            f"weights and feedback outside, every access counted, against BP ({'; '.join(texts)}); its shapes are not "
            "published. A read for each of forward, backward and update and a write saves at most a quarter, reads "
            "that serve two uses a third: the rest must be activations that its pipeline never stores",
        )
    ]  # fmt: skip


def _weight_words(spec: NetworkSpec) -> float:
    """Return reads and writes of weights and feedback of a sample, everything active."""
    counted = traffic(spec, assume(spec))
    return sum(float(counted[name].sum()) for name in ("weight_read", "weight_write", "feedback_read"))


def update_rows() -> list[dict[str, Any]]:
    """Energy of a synaptic update: figures of chips beside those of the spiking processors and of our engines."""
    published = {
        row["chip"]: float(row["value"])
        for row in technology.rows("anchors")
        if row["figure"] == "energy_per_synaptic_update"
    }
    ours = {}
    for name in ("loihi-like", "odin-like", "reckon-like"):
        core = find_processor(name)
        assert isinstance(core, Core)
        ours[name] = core.energy["synaptic_update"].nominal
    for name in ("engine-45nm", "engine-28nm"):
        engine, spec = find_processor(name), design((784, 500, 10), "drtp", rounding="stochastic")
        activity = assume(spec)
        learned, inferred = (engine.price(spec, activity, learning).total("energy_pj") for learning in (True, False))
        ours[name] = (learned - inferred) / float(traffic(spec, activity)["weight_write"].sum())
    return [
        {"update of": name, "pJ": float(f"{value:.4g}"), "source": source}
        for source, figures in (("published", published), ("this program", ours))
        for name, value in sorted(figures.items(), key=lambda item: item[1])
    ]


def absolute_rows() -> list[dict[str, Any]]:
    """Return all anchors with an absolute figure."""
    return [*inference_rows(), *area_rows(), *external_memory_rows()]
