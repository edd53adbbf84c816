"""Comparison of rules on one processor: costs, overheads over inference, locking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edgelearn.network.counters import Counters
from edgelearn.network.layer import ConvLayer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.storage import ACCUMULATOR_BITS, buffers, line_buffers
from edgelearn.network.teaching import EVERYTHING
from edgelearn.rules.rule import Locking
from edgelearn.units import six_digits, with_unit
from hw_models.compare.bands import at_sample, band_as_dict
from hw_models.cost import Cost, nonzero, percent_more
from hw_models.engine.memory_map import ACTIVATION_BITS, GATE_BITS
from hw_models.engine.schedule import readout_cycles
from hw_models.engine.shapes import shapes
from hw_models.processor import AnyProcessor, Engine

OVERHEADS = ("area", "memory", "power", "energy", "cycles")


@dataclass(frozen=True)
class LayerLock:
    """Locking of one layer.

    Parameters
    ----------
    start_cycles : cycles from the first of a sample until locking lets the layer compute its modulators and update, on
        an engine; None elsewhere
    buffer_bits : bits that wait in the layer, one sample in flight
    depth : samples for which its input is stored when every layer works on a sample of its own
    pipeline_bits : bits of that
    """

    layer: int
    start_cycles: float | None
    buffer_bits: int
    depth: int
    pipeline_bits: int


@dataclass(frozen=True)
class RuleCost:
    """One rule on one processor.

    Parameters
    ----------
    inference : the chip that cannot learn, on the same samples
    training : the chip that learns each of them
    activity : counts of these samples
    name : the rule, or what tells this run of it from others
    """

    spec: NetworkSpec
    processor: AnyProcessor
    inference: Cost
    training: Cost
    locks: tuple[LayerLock, ...]
    activity: Counters
    name: str

    def __repr__(self) -> str:
        figure, unit = ("energy_pj", "pJ") if "energy_pj" in self.training.prices else ("cycles", "cycles")
        learned, inferred = (
            with_unit(cost.total(figure) / max(cost.samples, 1), unit) for cost in (self.training, self.inference)
        )
        return (
            f"<{self.name} on {self.processor.name}: {learned} per learned sample, {inferred} per inference, "
            f"{self.training.samples:,} samples>"
        )

    @property
    def densities(self) -> dict[str, float]:
        """Fractions that are active in the samples priced, whatever the processor can skip."""
        return densities_of(self.spec, self.activity)

    @property
    def rule(self) -> str:
        """Name of the rule, or those of the layers."""
        return self.spec.rule_name

    def overhead(self, name: str, at: Mapping[str, Any] | None = None) -> Any:
        """Return an overhead over inference only in percent; None where the processor does not price it.

        Parameters
        ----------
        name : "area" and "memory" of the chip; "power" while running at the fixed clock; "energy" and "cycles" of a
            trained sample
        at : constants as multiples of nominal, or as arrays of them: the result is an array then
        """
        figure = {"area": "area_um2", "memory": "memory_bits", "energy": "energy_pj", "cycles": "cycles"}
        needed = "energy_pj" if name == "power" else figure[name]
        if needed not in self.training.prices:
            return None
        base, learned = (cost.total(needed, at=at) for cost in (self.inference, self.training))
        if name == "power":
            base = base / nonzero(self.inference.total("cycles", at=at))
            learned = learned / nonzero(self.training.total("cycles", at=at))
        return percent_more(learned, base)


def cost_of_rule(spec: NetworkSpec, activity: Counters, processor: AnyProcessor, name: str | None = None) -> RuleCost:
    """Price one rule: the same samples inferred on a chip that cannot learn, and learned on one that can."""
    return RuleCost(
        spec,
        processor,
        processor.price(spec, activity, learning=False),
        processor.price(spec, activity),
        _locks(spec, activity, processor),
        activity,
        name or spec.rule_name,
    )


def _notes(costs: list[RuleCost]) -> list[str]:
    """Return what a user should know, once; of inference only what does not hold while learning anyway."""
    training = [note for cost in costs for note in cost.training.notes]
    inference = [note for cost in costs for note in cost.inference.notes]
    begun = {note.split(" has ")[0] for note in training}
    apart = [f"while inferring, {note}" for note in inference if note.split(" has ")[0] not in begun]
    return list(dict.fromkeys((*training, *apart)))


def densities_of(spec: NetworkSpec, activity: Counters) -> dict[str, float]:
    """Return the fractions of inputs, hidden activations, hidden updates and errors that are not zero."""

    def share(name: str, per: list[int], first: int = 0) -> float:
        whole = sum(per) * activity.n_samples
        return round(float(activity[name][first : first + len(per)].sum()) / whole, 4) if whole else 0.0

    n_out = [layer.n_out for layer in spec.layers]
    n_gates = [layer.n_gates for layer in spec.layers]
    return {
        "inputs": share("input_events", [spec.sizes[0]]),
        "hidden": share("input_events", n_out[:-1], 1),
        "hidden_updates": share("active_neurons", n_gates[:-1]),
        "errors": share("active_neurons", n_out[-1:], len(n_out) - 1),
    }


def _locks(spec: NetworkSpec, activity: Counters, processor: AnyProcessor) -> tuple[LayerLock, ...]:
    """Return what locking holds back, layer by layer (docs/cost_model.md, section 6)."""
    last = len(spec.layers) - 1
    starts = _start_cycles(spec, activity, processor) if isinstance(processor, Engine) else [None] * (last + 1)
    required = buffers(spec)
    locks = []
    for k, layer in enumerate(spec.layers):
        above = last - k
        locking = spec.locking_of(k) if above else Locking.NONE
        depth = {Locking.NONE: 1, Locking.LAYER: 1, Locking.UPDATE: above + 1, Locking.BACKWARD: 2 * above + 1}[locking]
        bits = layer.n_in * (spec.input_bits if k == 0 else ACTIVATION_BITS)
        gates = layer.n_gates * GATE_BITS if locking is not Locking.NONE else 0
        gates += sum(buffer.bits for buffer in required if buffer.layer == k + 1 and buffer.role == "winner")
        waiting_bits = sum(buffer.bits for buffer in required if buffer.layer == k + 1)
        pipeline_bits = (depth if above and spec.holds_inputs(k) else 1) * bits + depth * gates
        locks.append(LayerLock(k + 1, starts[k], waiting_bits, depth, pipeline_bits))
    return tuple(locks)


def _start_cycles(spec: NetworkSpec, activity: Counters, engine: Engine) -> list[float | None]:
    """Return the cycles after which each layer may update, with layers one after another on one engine.

    A layer that waits for nothing above it updates before the next one runs, and others after the forward pass of all.
    """
    work = engine.worked(spec, activity)
    cycles = engine.schedule(spec, work).cycles
    samples = max(work.n_samples, 1)
    forward, signal, update = (cycles[phase] / samples for phase in ("forward", "signal", "update"))
    readout = readout_cycles(spec, work, engine.lanes) / samples
    last = len(spec.layers) - 1
    on_the_way = np.array([k < last and not spec.waits_for_above(k) for k in range(last + 1)])
    output = float(np.sum(forward) + np.sum((signal + update)[on_the_way]))
    starts: list[float | None] = []
    for k, layer in enumerate(spec.layers):
        before, after = np.arange(last + 1) < k, np.arange(last + 1) > k
        if not layer.learns:
            starts.append(None)
        elif on_the_way[k]:
            earlier = np.sum((signal + update)[before & on_the_way])
            starts.append(float(np.sum(forward[: k + 1]) + earlier + readout[k]))
        elif k < last and spec.locking_of(k) is Locking.BACKWARD:
            starts.append(float(output + np.sum((signal + update)[after & ~on_the_way])))
        else:
            starts.append(output)
    return starts


def as_dict(costs: list[RuleCost]) -> dict[str, Any]:
    """Return costs as plain data: what --json prints and a report holds."""
    processor = costs[0].processor
    return {
        "processor": processor.name,
        "kind": processor.kind,
        "description": processor.summary,
        "tables": processor.tables(),
        "source": processor.source,
        "clock_hz": processor.clock_hz,
        "samples": costs[0].training.samples,
        "notes": _notes(costs),
        "rules": [_rule_as_dict(cost) for cost in costs],
        "constants": [
            {"name": band.name, "low": band.low, "nominal": band.nominal, "high": band.high, "source": band.source}
            for band in {band.name: band for cost in costs for band in cost.training.constants}.values()
        ],
    }


def _figures(cost: Cost) -> dict[str, Any]:
    """Low, nominal and high of every figure that the processor prices, for one sample."""
    figures: dict[str, Any] = {}
    for figure in cost.prices:
        by_role = {role: six_digits(value) for role, value in cost.by_role(figure).items()}
        figures[figure] = band_as_dict(cost, partial(at_sample, cost, figure)) | {"by_role": by_role}
    figures["latency_us"] = six_digits(cost.latency_s * 1e6)
    if "energy_pj" in cost.prices:
        figures["power_uw"] = six_digits(cost.power_uw)
    return figures


def _update_energy_pj(cost: RuleCost) -> float | None:
    """Return what a trained sample takes more than an inference."""
    if "energy_pj" not in cost.training.prices:
        return None
    return six_digits(cost.training.energy_per_sample_pj - cost.inference.energy_per_sample_pj)


def _rule_as_dict(cost: RuleCost) -> dict[str, Any]:
    def overhead(name: str) -> dict[str, float] | None:
        if cost.overhead(name) is None:
            return None
        return band_as_dict(cost.training, lambda at: cost.overhead(name, at), cost.inference)

    word = max((layer.word for layer in cost.spec.layers), key=lambda one: one.residual_bits)
    return {
        "name": cost.name,
        "rule": cost.rule,
        "learns_hidden": any(row.learns_hidden for row in cost.spec.rules or cost.spec.named),
        "locking": cost.spec.locking.value,
        "network": {
            **({"topology": cost.spec.net} if cost.spec.is_convolutional else {}),
            "sizes": list(cost.spec.sizes),
            "word": str(word),
            "bits": word.bits,
            "residual_bits": word.residual_bits,
            "rounding": cost.spec.rounding,
            "input_bits": cost.spec.input_bits,
            "feedback": cost.spec.feedback_format if cost.spec.holds_feedback else "none",
            **({"learns": [layer.learned for layer in cost.spec.layers]} if cost.spec.learn != EVERYTHING else {}),
        },
        "activity": cost.densities,
        "inference": _figures(cost.inference),
        "training": _figures(cost.training),
        "update_energy_pj": _update_energy_pj(cost),
        "overhead_percent": {name: overhead(name) for name in OVERHEADS},
        "layers": [
            {
                "layer": lock.layer,
                "may_update_after_cycles": None if lock.start_cycles is None else six_digits(lock.start_cycles),
                "waiting_bits": lock.buffer_bits,
                "pipeline_depth": lock.depth,
                "pipeline_bits": lock.pipeline_bits,
                **_window_as_dict(cost.spec, lock.layer - 1),
            }
            for lock in cost.locks
        ],
    }


def _window_as_dict(spec: NetworkSpec, k: int) -> dict[str, Any]:
    """Return what a convolution holds beside its words, map by map or position by position; nothing of others."""
    layer = spec.layers[k]
    if not isinstance(layer, ConvLayer):
        return {}
    lines = next(block for block in line_buffers(spec) if block.layer == k + 1)
    sums = int(shapes(spec).summed_words[k]) * ACCUMULATOR_BITS
    needs_map = spec.holds_inputs(k) or spec.holds_gates(k)
    return {
        "convolution": {
            "kernel_words": layer.n_weights + layer.n_biases,
            "input_map_bits": layer.n_in * lines.word_bits,
            "line_buffer_bits": lines.bits,
            "line_buffer_words": lines.words,
            "learns_from_lines": layer.learns and not needs_map,
            "accumulator_bits": sums,
            "accumulator_bits_all_maps": sums * layer.n_columns,
            "winner_bits": sum(block.bits for block in buffers(spec) if (block.layer, block.role) == (k + 1, "winner")),
        }
    }
