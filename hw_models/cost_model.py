"""Counters x processor -> energy, cycles, area, leakage and memory, item by item.

Every item is a base value times the uncertain constants it is proportional to, so that a cost can be evaluated at any
point of its band without pricing again. Derivation: docs/cost_model.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from edgelearn.accounting import Counters, buffers, footprint, traffic
from edgelearn.errors import UserError
from edgelearn.network import NetworkSpec
from edgelearn.rules.rule import Feedback, Locking, Signal
from hw_models import logic, technology
from hw_models.memory import MemoryCost, sram
from hw_models.processor import AnyProcessor, Band, Core, Engine, Memory, Microcontroller
from hw_models.schedule import FORWARD_ACTIVITY, Schedule, schedule, worked

ROLES = (
    "forward pass",
    "update",
    "forward weights",
    "residuals",
    "feedback",
    "activations",
    "buffers",
    "error",
    "arithmetic",
    "random generator",
    "control",
    "leakage",
)
_ROLE_OF_PHASE = {"forward": "forward pass", "signal": "feedback", "update": "update"}
FIGURES = ("energy_pj", "cycles", "area_um2", "leakage_uw", "memory_bits")
_ROLE_OF_MEMORY = {
    "weight": "forward weights",
    "residual": "residuals",
    "feedback": "feedback",
    "activation": "activations",
    "gate": "buffers",
    "delta": "buffers",
}
ASSUMED_VOLTAGE_V = 0.9  # of tables that state none
_ERROR_BITS = 9
_ACTIVATION_BITS = 8


@dataclass(frozen=True)
class Constant:
    """A constant known only within a band, as a multiple of its nominal value.

    `nominal` is 1, or 0 for a share that is left out unless it is added.
    """

    name: str
    low: float
    high: float
    source: str
    nominal: float = 1.0


EMPTY_LANES = Constant(
    "lanes left empty",
    0.0,
    1.0,
    "0: lanes as full as in a layer without zeros; 1: one step more for each queue of neurons",
    nominal=0.0,
)


@dataclass(frozen=True)
class Item:
    """One contribution: `value` times the constants named.

    Parameters
    ----------
    layer : counted from 1; 0 where a figure belongs to the whole processor
    """

    figure: str
    role: str
    layer: int
    value: float
    constants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a number of samples costs on a processor.

    Parameters
    ----------
    items : energy in pJ and cycles of all samples together; area in um2, leakage in uW, memory in bits
    samples : how many
    notes : what a user should know
    prices : figures that the processor has; a bought chip has no area to choose, some have no sourced energy
    """

    items: tuple[Item, ...]
    samples: int
    clock_hz: float
    prices: tuple[str, ...]
    constants: tuple[Constant, ...]
    notes: tuple[str, ...] = ()

    def total(self, figure: str, role: str | None = None, at: Mapping[str, float] | None = None) -> float:
        """Return a figure, of one role or all, with constants at multiples of nominal given in `at`."""
        scales = {constant.name: constant.nominal for constant in self.constants} | dict(at or {})
        total = 0.0
        for (of_figure, of_role, names), value in self._grouped.items():
            if of_figure == figure and role in (None, of_role):
                for name in names:
                    value *= scales[name]
                total += value
        return total

    @cached_property
    def _grouped(self) -> dict[tuple[str, str, tuple[str, ...]], float]:
        """Items without their layers, so that many points of a band are evaluated quickly."""
        grouped: dict[tuple[str, str, tuple[str, ...]], float] = {}
        for item in self.items:
            key = (item.figure, item.role, item.constants)
            grouped[key] = grouped.get(key, 0.0) + item.value
        return grouped

    def by_role(self, figure: str) -> dict[str, float]:
        """Return a figure by role, in the order of `ROLES`, without roles that have none."""
        totals = {role: self.total(figure, role) for role in ROLES}
        return {role: value for role, value in totals.items() if value}

    def __add__(self, other: Cost) -> Cost:
        """Join the costs of other samples on the same processor and network: energy and cycles add."""
        running = tuple(item for item in other.items if item.figure in ("energy_pj", "cycles"))
        constants = tuple(dict.fromkeys(self.constants + other.constants))
        return Cost(
            self.items + running, self.samples + other.samples, self.clock_hz, self.prices, constants, self.notes
        )

    @cached_property
    def cycles_per_sample(self) -> float:
        return self.total("cycles") / max(self.samples, 1)

    @property
    def latency_s(self) -> float:
        """Seconds from the first cycle of a sample to its last."""
        return self.cycles_per_sample / self.clock_hz

    @property
    def energy_per_sample_pj(self) -> float:
        return self.total("energy_pj") / max(self.samples, 1)

    @property
    def power_uw(self) -> float:
        """Mean power while samples follow each other without a pause; leakage alone where there are none."""
        if not self.samples:
            return self.total("leakage_uw")
        return self.energy_per_sample_pj / self.latency_s * 1e-6


def price(spec: NetworkSpec, activity: Counters, processor: AnyProcessor, learning: bool = True) -> Cost:
    """Price samples on a processor.

    Parameters
    ----------
    spec : network and rule
    activity : counts of a run (other names than `ACTIVITY` are ignored), or `schedule.assume`
    learning : whether the samples are learned; False prices inference on a chip that cannot learn

    Raises
    ------
    UserError
        "... does not fit ..." where a memory has a capacity and it is too small
    """
    work = activity
    if not isinstance(processor, Core):  # a core's operations are events
        work = worked(spec, activity, processor.skips_zero_inputs, processor.update_skip)
    if not learning:
        work = work.only(FORWARD_ACTIVITY)
    if isinstance(processor, Engine):
        return _price_engine(spec, work, processor, learning)
    counted = traffic(spec, work)
    if isinstance(processor, Microcontroller):
        return _price_instructions(spec, work, counted, processor, learning)
    return _price_operations(spec, work, counted, processor, learning)


def contents(spec: NetworkSpec, learning: bool, event_driven: bool) -> dict[tuple[str, str], int]:
    """Return the bits held, by (role in memory, role of the cost).

    Notes
    -----
    Activations: two neighbouring layers at a time without locking; all layers where a rule must wait, the difference
    being buffers (docs/cost_model.md, section 6). Where inputs are events each carries its index.
    """
    rule = spec.rule
    sizes = spec.sizes
    widths = [spec.input_bits, *(_ACTIVATION_BITS for _ in spec.layers)]
    if event_driven:
        widths = [bits + max(n - 1, 1).bit_length() for bits, n in zip(widths, sizes, strict=True)]
    held = [n * bits for n, bits in zip(sizes, widths, strict=True)]
    two_layers = max(a + b for a, b in pairwise(held))
    bits = {
        ("weight", "forward weights"): sum((layer.n_in + 1) * layer.n_out * layer.word.bits for layer in spec.layers)
    }
    bits["activation", "activations"] = two_layers
    if not learning:
        return bits
    bits["residual", "residuals"] = sum(
        (layer.n_in + 1) * layer.n_out * layer.word.residual_bits for layer in spec.layers if layer.learns
    )
    bits["feedback", "feedback"] = sum(held.bits for held in footprint(spec) if held.role == "feedback")
    if rule.locking is not Locking.NONE and len(spec.layers) > 1:
        bits["activation", "buffers"] = sum(held) - two_layers
    for role in ("gate", "delta"):
        bits[role, "buffers"] = sum(buffer.bits for buffer in buffers(spec) if buffer.role == role)
    return bits


def error_bits(spec: NetworkSpec) -> int:
    """Bits of error registers: all errors (or their signs) where layers wait for them, else the one in progress."""
    if spec.rule.locking is Locking.NONE:
        return _ERROR_BITS
    return sum(buffer.bits for buffer in buffers(spec) if buffer.role == "error") or _ERROR_BITS


def _words(spec: NetworkSpec, lanes: int) -> dict[str, int]:
    """Bits of a memory word by role: one value a lane; activations are broadcast."""
    layer = spec.layers[0]
    feedback = next((held.word_bits for held in footprint(spec) if held.role == "feedback"), 0)
    return {
        "weight": lanes * layer.word.bits,
        "residual": lanes * layer.word.residual_bits,
        "feedback": lanes * feedback,
        "activation": _ACTIVATION_BITS,
        "gate": lanes * 8,
        "delta": lanes * layer.delta_bits,
    }


@dataclass(frozen=True)
class _Priced:
    """A memory of an engine: cost of an access, of the whole, of its clock, and the constants they depend on."""

    cost: MemoryCost
    cycle_pj: float = 0.0
    energy_constants: tuple[str, ...] = ()
    area_constants: tuple[str, ...] = ()
    leakage_constants: tuple[str, ...] = ()


def _price_memory(engine: Engine, name: str, memory: Memory, bits: int, word_bits: int) -> _Priced:
    capacity = bits
    if memory.capacity is not None:
        capacity = int(memory.capacity)
        if bits > capacity:
            raise UserError(
                f"the network does not fit {engine.name}: memory '{name}' holds {capacity} bits and "
                f"{', '.join(memory.holds)} need {bits}; use a smaller --net or fewer --bits, or a larger 'capacity'"
            )
    if memory.kind == "sram":
        assert memory.cell is not None
        return _Priced(sram(memory.cell, engine.node, capacity, word_bits), 0.0, ("SRAM energy",), ("SRAM area",))
    if memory.kind == "registers":
        bit_pj = logic.register_pj() * technology.energy_scale(
            logic.NODE_NM, logic.VOLTAGE_V, engine.node, engine.voltage
        )
        area = capacity * logic.register_um2() * technology.area_scale(logic.NODE_NM, engine.node)
        cost = MemoryCost(0.0, word_bits * bit_pj, area, 0.0, 0.0, 1, "flip-flops with enable")
        clocked = 0.0 if engine.clock_gating else capacity * bit_pj
        return _Priced(cost, clocked, ("register clock",), ("logic area",))
    if memory.kind == "dram":
        row = next(row for row in technology.rows("storage") if row["name"] == memory.table)
        access = word_bits * float(row["pj_per_bit"])
        return _Priced(MemoryCost(access, access, 0.0, 0.0, 0.0, 1, row["source"]))
    own = [band.nominal for band in (memory.read, memory.write, memory.area, memory.leakage) if band is not None]
    cost = MemoryCost(
        word_bits * own[0], word_bits * own[1], capacity * own[2], capacity * own[3], 0.0, 1, engine.source
    )
    return _Priced(cost, 0.0, (f"{name} energy",), (f"{name} area",), (f"{name} leakage",))


def _own_constants(engine: Engine) -> list[Constant]:
    """Bands that a file gives for its own memories; read and write share the wider one."""
    found = []
    for name, memory in engine.memories.items():
        if memory.read and memory.write and memory.area and memory.leakage:
            pairs = [band.ratios for band in (memory.read, memory.write)]
            low, high = min(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
            found.append(Constant(f"{name} energy", low, high, engine.source))
            found.append(Constant(f"{name} area", *memory.area.ratios, engine.source))
            found.append(Constant(f"{name} leakage", *memory.leakage.ratios, engine.source))
    return found


def _price_engine(spec: NetworkSpec, work: Counters, engine: Engine, learning: bool) -> Cost:
    plan = schedule(spec, work, engine.lanes, engine.transposed_read, learning)
    items = _engine_items(spec, work, engine, plan, learning)
    if engine.lanes > 1 and engine.update_skip == "neuron" and learning:
        most = schedule(spec, work, engine.lanes, engine.transposed_read, learning, lanes_left_empty=True)
        items += _more(_engine_items(spec, work, engine, most, learning), items)
    cost = _cost(items, work, engine, FIGURES, (EMPTY_LANES, *_bands(), *_own_constants(engine)))
    return replace(cost, notes=_too_slow(spec, engine, learning))


def _more(most: list[Item], items: list[Item]) -> list[Item]:
    """Return what a schedule with empty lanes takes beyond the nominal one, scaled by that constant."""
    more: dict[tuple[str, str, int, tuple[str, ...]], float] = {}
    for sign, part in ((1, most), (-1, items)):
        for item in part:
            key = (item.figure, item.role, item.layer, (*item.constants, EMPTY_LANES.name))
            more[key] = more.get(key, 0.0) + sign * item.value
    return [
        Item(figure, role, layer, value, names)
        for (figure, role, layer, names), value in more.items()
        if value > 0 and figure in ("energy_pj", "cycles")
    ]


def _engine_items(spec: NetworkSpec, work: Counters, engine: Engine, plan: Schedule, learning: bool) -> list[Item]:
    items: list[Item] = []
    layers = range(len(spec.layers))
    by_layer = plan.cycles_by_layer
    for phase, role in _ROLE_OF_PHASE.items():
        items += [Item("cycles", role, k + 1, float(plan.cycles[phase][k])) for k in layers]

    seconds = float(np.sum(by_layer)) / engine.clock_hz
    for name, inside, priced in _memories(spec, engine, learning):
        bits = sum(inside.values())
        for role in engine.memories[name].holds:
            accesses = plan.reads.get(role), plan.writes.get(role)
            if role == "weight" and spec.rule.weight_transport and "feedback" in plan.reads:
                items += _energy("feedback", plan.reads["feedback"] * priced.cost.read_pj, priced.energy_constants)
            elif role == "feedback" and spec.rule.weight_transport:
                continue
            for counts, access_pj in zip(accesses, (priced.cost.read_pj, priced.cost.write_pj), strict=True):
                if counts is not None:
                    items += _energy(_ROLE_OF_MEMORY[role], counts * access_pj, priced.energy_constants)
        for (_, role), part in inside.items():
            share = part / bits
            items.append(Item("memory_bits", role, 0, float(part)))
            items.append(Item("area_um2", role, 0, priced.cost.area_um2 * share, priced.area_constants))
            items += _energy(role, by_layer * priced.cycle_pj * share, priced.energy_constants)
        leakage_uw, leaks = priced.cost.leakage_uw, priced.leakage_constants
        items.append(Item("leakage_uw", "leakage", 0, leakage_uw, leaks))
        items.append(Item("energy_pj", "leakage", 0, leakage_uw * seconds * 1e6, leaks))
    return items + _logic_items(spec, work, engine, plan, learning)


def _memories(
    spec: NetworkSpec, engine: Engine, learning: bool
) -> list[tuple[str, dict[tuple[str, str], int], _Priced]]:
    """Return name, contents in bits and price of each memory that is built: one that would hold nothing is not."""
    held = contents(spec, learning, engine.skips_zero_inputs)
    words = _words(spec, engine.lanes)
    found = []
    for name, memory in engine.memories.items():
        inside = {key: bits for key, bits in held.items() if key[0] in memory.holds and bits}
        if inside:
            word_bits = max(words[role] for role, _ in inside)
            found.append((name, inside, _price_memory(engine, name, memory, sum(inside.values()), word_bits)))
    return found


def _too_slow(spec: NetworkSpec, engine: Engine, learning: bool) -> tuple[str, ...]:
    """Name the memories whose access does not fit into a cycle."""
    cycle_ns = 1e9 / engine.clock_hz
    return tuple(
        f"memory '{name}' takes {priced.cost.access_ns:.3g} ns, a cycle {cycle_ns:.3g} ns: a lower clock, or a "
        "pipelined or smaller memory"
        for name, _, priced in _memories(spec, engine, learning)
        if priced.cost.access_ns > cycle_ns
    )


def _energy(role: str, by_layer: np.ndarray, constants: tuple[str, ...]) -> list[Item]:
    return [Item("energy_pj", role, k + 1, float(pj), constants) for k, pj in enumerate(by_layer) if pj]


def _cost(
    items: Iterable[Item], work: Counters, processor: AnyProcessor, prices: tuple[str, ...], bands: Iterable[Constant]
) -> Cost:
    kept = tuple(item for item in items if item.value)
    used = {name for item in kept for name in item.constants}
    constants = tuple(band for band in bands if band.name in used)
    return Cost(kept, work.n_samples, processor.clock_hz, prices, constants)


def _bands() -> list[Constant]:
    return [
        Constant(row["name"], float(row["low"]), float(row["high"]), row["source"]) for row in technology.rows("bands")
    ]


def datapath(spec: NetworkSpec, engine: Engine, learning: bool) -> logic.Datapath:
    """Return the logic of one lane of an engine for a network and its rule."""
    input_bits = spec.input_bits if len(spec.layers) == 1 else max(spec.input_bits, _ACTIVATION_BITS)
    word = spec.layers[-1].word
    if not learning:
        return logic.Datapath(word.bits, input_bits)
    return logic.Datapath(
        max(word.bits, engine.delta_bits or 0),
        input_bits,
        spec.rule,
        word.stored_bits,
        spec.stochastic,
        spec.regenerates_feedback,
        error_bits(spec),
    )


def _logic_items(spec: NetworkSpec, work: Counters, engine: Engine, plan: Schedule, learning: bool) -> list[Item]:
    """Energy and area of everything beside the memories; control and errors exist once, lanes P times."""
    path = datapath(spec, engine, learning)
    scaled = () if engine.node == logic.NODE_NM else ("node scaling",)
    energy_scale = technology.energy_scale(logic.NODE_NM, logic.VOLTAGE_V, engine.node, engine.voltage)
    area_scale = technology.area_scale(logic.NODE_NM, engine.node)
    copies = dict.fromkeys(logic.ROLES, engine.lanes) | {"control": 1, "error": 1}
    if engine.shared_random_generator:
        copies["random generator"] = 1
    all_cycles = plan.cycles_by_layer
    learning_cycles = plan.cycles["signal"] + plan.cycles["update"] if engine.clock_gating else all_cycles
    items: list[Item] = []
    energy_pj = path.energy_pj()
    for role, area in path.area_um2().items():
        inference = role in ("arithmetic", "control")
        area_constants = ["logic area"]
        energy_constants = ["register clock" if role == "error" else "logic energy", *scaled]
        if not inference and role != "error":
            area_constants.append("learning logic area")
        if role == "random generator":
            area_constants.append("random generator")
            energy_constants.append("random generator")
        name = "arithmetic" if role == "learning arithmetic" else role
        items.append(Item("area_um2", name, 0, area * copies[role] * area_scale, tuple(area_constants)))
        if engine.logic == "nangate45":
            ran = all_cycles if inference else learning_cycles
            items += _energy(name, ran * energy_pj[role] * copies[role] * energy_scale, tuple(energy_constants))
    if engine.logic != "nangate45":
        items += _arithmetic_items(spec, work, engine, scaled)
    return items


def _arithmetic_items(spec: NetworkSpec, work: Counters, engine: Engine, scaled: tuple[str, ...]) -> list[Item]:
    """Energy of multiplications and additions alone, from a table of operations; no control, no clock."""
    counted = traffic(spec, work)
    rule, table = spec.rule, engine.logic

    def operation_pj(name: str, bits: int | tuple[int, int]) -> float:
        found = technology.operation(table, name, bits)
        assert found.energy_pj is not None
        volts = ASSUMED_VOLTAGE_V if found.voltage_v is None else found.voltage_v
        return found.energy_pj * technology.energy_scale(found.node_nm, volts, engine.node, engine.voltage)

    by_layer = np.zeros(len(spec.layers))
    for k, layer in enumerate(spec.layers):
        input_bits = spec.input_bits if k == 0 else _ACTIVATION_BITS
        delta_bits = _ACTIVATION_BITS if rule.signal is Signal.TARGET and not layer.output else layer.delta_bits
        accumulate = operation_pj("add", layer.word.bits + input_bits + 8)
        signal = operation_pj("add", 24)
        if rule.signal is not Signal.SIGN_ERROR and rule.feedback is not Feedback.NONE:
            sender_bits = spec.layers[k + 1].delta_bits if rule.holds_deltas and not layer.output else _ERROR_BITS
            operand = layer.word.bits if rule.weight_transport else 8
            signal += operation_pj("multiply", (operand, sender_bits))
        by_layer[k] = (
            counted["forward_macs"][k] * (operation_pj("multiply", (layer.word.bits, input_bits)) + accumulate)
            + (counted["bias_read"][k] - counted["bias_write"][k]) * accumulate
            + counted["signal_macs"][k] * signal
            + counted["gate_products"][k] * operation_pj("multiply", (16, 8))
            + counted["update_macs"][k]
            * (operation_pj("multiply", (delta_bits, input_bits)) + operation_pj("add", layer.word.stored_bits))
        )
    return _energy("arithmetic", by_layer, ("logic energy", *scaled))


def _price_instructions(
    spec: NetworkSpec, work: Counters, counted: Counters, processor: Microcontroller, learning: bool
) -> Cost:
    """Price firmware: instructions by action, cycles by instruction, energy by cycle."""
    n_out = np.array([layer.n_out for layer in spec.layers])
    actions = {
        ("forward pass", "forward_mac"): counted["forward_macs"],
        ("forward pass", "neuron"): work["samples"] * n_out + (work["live_gates"] if learning else 0),
        ("feedback", "signal_mac"): counted["signal_macs"] + counted["lfsr_steps"],
        ("update", "update_mac"): counted["update_macs"],
        ("random generator", "random_draw"): counted["update_macs"] * spec.stochastic,
    }
    items = []
    bands = [_as_constant("cycles per instruction", processor.cycles_per_instruction, processor)]
    energy = processor.energy_per_cycle
    if energy is not None:
        bands.append(_as_constant("energy per cycle", energy, processor))
    for (role, action), counts in actions.items():
        number = processor.instructions[action]  # type: ignore[index]
        name = f"instructions of {action.replace('_', ' ')}"
        bands.append(_as_constant(name, number, processor))
        for k, count in enumerate(counts):
            cycles = float(count) * number.nominal * processor.cycles_per_instruction.nominal
            constants = (name, "cycles per instruction")
            items.append(Item("cycles", role, k + 1, cycles, constants))
            if energy is not None:
                items.append(Item("energy_pj", role, k + 1, cycles * energy.nominal, (*constants, "energy per cycle")))
    items += [Item("memory_bits", role, 0, float(bits)) for (_, role), bits in contents(spec, learning, False).items()]
    prices = ("energy_pj", "cycles", "memory_bits") if energy is not None else ("cycles", "memory_bits")
    return _cost(items, work, processor, prices, bands)


def _price_operations(spec: NetworkSpec, work: Counters, counted: Counters, core: Core, learning: bool) -> Cost:
    """Price a neuromorphic core: synaptic operations, neuron and synaptic updates."""
    n_out = np.array([layer.n_out for layer in spec.layers])
    operations = {
        ("forward pass", "synaptic_operation"): counted["forward_macs"] * core.time_steps,
        ("forward pass", "neuron_update"): work["samples"] * n_out * core.time_steps,
        ("feedback", "synaptic_operation"): counted["signal_macs"] + counted["lfsr_steps"] // 2,
        ("update", "synaptic_update"): counted["update_macs"],
    }
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
    items += [Item("memory_bits", role, 0, float(bits)) for (_, role), bits in contents(spec, learning, True).items()]
    return _cost(items, work, core, ("energy_pj", "cycles", "memory_bits"), dict.fromkeys(bands))


def _as_constant(name: str, band: Band, processor: AnyProcessor) -> Constant:
    return Constant(name, *band.ratios, processor.source)
