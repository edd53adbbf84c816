"""Cost of microcontrollers (instructions) and neuromorphic cores (synaptic operations), section 9."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from edgelearn.network.counters import Counters
from edgelearn.network.layer import ConvLayer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.traffic import traffic
from hw_models.cost import Constant, Cost, Item, make_cost
from hw_models.engine.memory_map import contents, frozen_apart
from hw_models.engine.schedule import sends_windows
from hw_models.engine.shapes import shapes
from hw_models.processor import Band, Core, Microcontroller

WORDS_BESIDE_SUMS = 3  # of a kernel that learns on the way: the sum of an element, its place, a modulator
MOST_KERNELS_AT_ONCE = 32
FROM_FLASH = "frozen weights lie in flash: its wait states, if any, are not in the cycles of an instruction"


def instruction_counts(spec: NetworkSpec, work: Counters) -> dict[tuple[str, str], np.ndarray]:
    """Return how often firmware takes each action, by (role, action), one entry per layer.

    An input is looked at for being zero in the forward pass, and again in the update of a layer that waited. In a
    convolution that is done once per window, see `_window_counts`.
    """
    counted = traffic(spec, work)
    n_in = np.array([layer.n_in for layer in spec.layers])
    n_out = np.array([layer.n_out for layer in spec.layers])
    dense = np.array([not layer.is_convolution for layer in spec.layers])
    looks_again = np.array(
        [
            layer.learned == "all" and (layer.output or spec.waits_for_above(k) or spec.sends_delta(k))
            for k, layer in enumerate(spec.layers)
        ]
    )
    reads_out = np.array([layer.rule.reads_out for layer in spec.layers])
    readouts = (work["samples"] - work["gated_samples"]) * reads_out
    has_floor = any(row.non_negative for row in spec.rules or spec.named)
    stored = np.where(dense, counted["update_macs"], work["active_maps"] * shapes(spec).learned_words)
    counts = {
        ("forward pass", "input"): work["samples"] * n_in * dense,
        ("forward pass", "forward_mac"): counted["forward_macs"] * dense,
        ("forward pass", "neuron"): work["samples"] * n_out,
        ("feedback", "neuron"): readouts * spec.n_outputs,
        ("feedback", "gate"): work["live_gates"],
        ("feedback", "signal_mac"): counted["signal_macs"] + counted["lfsr_steps"],
        ("update", "input"): work["updates"] * n_in * looks_again * dense,
        ("update", "update_row"): (work["update_events"] + work["updates"]) * dense,
        ("update", "update_mac"): counted["update_macs"] * dense,
        ("update", "floor"): stored * has_floor,
        ("random generator", "random_draw"): stored * spec.stochastic,
    }
    return counts | _window_counts(spec, work) if spec.is_convolutional else counts


def kernels_at_once(layer: ConvLayer) -> int:
    """Return how many kernels of a layer firmware sums up at once where they learn on the way.

    As many as have sums that take no more bytes than the layer's output map, which is in RAM anyway; at least one.
    """
    row = 4 * (layer.fan_in + int(layer.kernel_bias) + WORDS_BESIDE_SUMS)
    return max(1, min(layer.n_columns, MOST_KERNELS_AT_ONCE, layer.n_out // row))


def _window_counts(spec: NetworkSpec, work: Counters) -> dict[tuple[str, str], np.ndarray]:
    """Return how often firmware takes the actions that only convolutions have.

    Notes
    -----
    A window is opened, its inputs looked at for being zero, once for all maps, by rules that learn on the way once for
    as many as learn at once, and again around every d. All d of a layer are looked at, and all places above a gate
    where a convolution sends its d down.
    """
    last = len(spec.layers) - 1
    shape = shapes(spec)
    convolution, maps = shape.convolution, shape.columns * shape.convolution
    on_the_way = np.array(
        [k < last and layer.learns and not spec.holds_gates(k) for k, layer in enumerate(spec.layers)]
    )
    learned = work["samples"] - work["gated_samples"]
    turns = [
        -(-layer.n_columns // kernels_at_once(layer)) if isinstance(layer, ConvLayer) else 1 for layer in spec.layers
    ]
    opened = (work["samples"] + learned * on_the_way * (np.array(turns) - 1)) * convolution
    mean_window = shape.full_pairs / shape.positions
    around = work["active_neurons"] * shape.spread * (shape.summed_words > 0)
    looks = np.zeros(last + 1)
    for k in range(last):
        above = spec.layers[k + 1]
        if sends_windows(spec, k) and isinstance(above, ConvLayer):
            window = above.window
            taps = window.kernel_height * window.kernel_width * window.maps / window.stride**2
            looks[k] = float(work["live_gates"][k]) * taps
    return {
        ("forward pass", "window"): opened * shape.positions,
        ("forward pass", "window_input"): opened * shape.full_pairs,
        ("forward pass", "window_mac"): work["window_pairs"] * maps,
        ("forward pass", "position"): work["samples"] * shape.positions * maps,
        ("feedback", "look"): looks,
        ("update", "place"): work["updates"] * shape.outputs * convolution,
        ("update", "window"): around,
        ("update", "window_input"): around * mean_window,
        ("update", "window_mac"): work["update_pairs"] * convolution,
        ("update", "kernel_step"): work["active_maps"] * shape.learned_words * convolution,
    }


# Actions of convolutions, and the most similar one, whose figure is taken where a processor file has none.
_LIKE = {
    "window": "update_row",
    "window_input": "input",
    "window_mac": "forward_mac",
    "position": "input",
    "look": "input",
    "place": "input",
    "kernel_step": "update_mac",
}
WINDOW_ACTIONS = tuple(_LIKE)


def price_instructions(spec: NetworkSpec, work: Counters, processor: Microcontroller, learning: bool) -> Cost:
    """Price firmware: instructions by action, cycles by instruction, energy by cycle."""
    items = []
    bands = [_as_constant("cycles per instruction", processor.cycles_per_instruction, processor)]
    energy = processor.energy_per_cycle
    if energy is not None:
        bands.append(_as_constant("energy per cycle", energy, processor))
    named = set()
    for (role, action), counts in instruction_counts(spec, work).items():
        number = processor.instructions.get(action)  # type: ignore[call-overload]
        if number is None and action in _LIKE:
            action = _LIKE[action]
            number = processor.instructions.get(action)  # type: ignore[call-overload]
        if number is None:  # in the figures of other actions
            continue
        name = f"instructions of {action.replace('_', ' ')}"
        if name not in named:
            bands.append(_as_constant(name, number, processor))
            named.add(name)
        for k, count in enumerate(counts):
            cycles = float(count) * number.nominal * processor.cycles_per_instruction.nominal
            constants = (name, "cycles per instruction")
            items.append(Item("cycles", role, k + 1, cycles, constants))
            if energy is not None:
                items.append(Item("energy_pj", role, k + 1, cycles * energy.nominal, (*constants, "energy per cycle")))
    items += [Item("memory_bits", role, 0, float(bits)) for (_, role), bits in contents(spec, learning, False).items()]
    prices = ("energy_pj", "cycles", "memory_bits") if energy is not None else ("cycles", "memory_bits")
    cost = make_cost(items, work.n_samples, processor.clock_hz, prices, bands)
    notes = [FROM_FLASH] if frozen_apart(spec) else []
    missing = [name for name in WINDOW_ACTIONS if name not in processor.instructions]
    if spec.is_convolutional and missing:
        alike = ", ".join(f"{name} as {_LIKE[name]}" for name in missing)
        notes.append(f"no figures for convolutions in the file of {processor.name}: {alike.replace('_', ' ')}")
    return replace(cost, notes=tuple(notes))


def price_operations(spec: NetworkSpec, work: Counters, core: Core, learning: bool) -> Cost:
    """Price a neuromorphic core: synaptic operations, neuron and synaptic updates."""
    counted = traffic(spec, work)
    shape = shapes(spec)
    convolution = shape.convolution
    neurons = shape.columns * shape.positions  # before the pooling
    words = counted["weight_write"] + counted["bias_write"]
    operations = {
        ("forward pass", "synaptic_operation"): counted["forward_macs"] * core.time_steps,
        ("forward pass", "neuron_update"): work["samples"] * neurons * core.time_steps,
        ("feedback", "synaptic_operation"): counted["signal_macs"] + counted["lfsr_steps"] // 2,
        ("update", "synaptic_update"): np.where(convolution, words, counted["update_macs"]),
    }
    if convolution.any():  # products of an update are added up first
        operations["update", "synaptic_operation"] = np.where(convolution, counted["update_macs"], 0)
    memory_bits = [(role, bits) for (_, role), bits in contents(spec, learning, True).items()]
    return price_on_core(operations, memory_bits, work.n_samples, core)


def price_on_core(
    operations: Mapping[tuple[str, str], np.ndarray], memory_bits: Iterable[tuple[str, float]], samples: int, core: Core
) -> Cost:
    """Price counts of operations.

    Parameters
    ----------
    operations : by (role, operation of the core), one entry per layer
    memory_bits : (role, bits)
    """
    items = []
    bands = []
    for (role, operation), counts in operations.items():
        energy, time = core.energy[operation], core.time[operation]  # type: ignore[index]
        name = operation.replace("_", " ")
        bands += [_as_constant(f"{name} energy", energy, core), _as_constant(f"{name} time", time, core)]
        for k, count in enumerate(counts):
            cycles = float(count) * time.nominal * 1e-9 * core.clock_hz
            items.append(Item("cycles", role, k + 1, cycles, (f"{name} time",)))
            items.append(Item("energy_pj", role, k + 1, float(count) * energy.nominal, (f"{name} energy",)))
    items += [Item("memory_bits", role, 0, float(bits)) for role, bits in memory_bits]
    return make_cost(items, samples, core.clock_hz, ("energy_pj", "cycles", "memory_bits"), bands)


def _as_constant(name: str, band: Band, processor: Microcontroller | Core) -> Constant:
    return Constant(name, *band.ratios, processor.source)
