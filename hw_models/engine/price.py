"""Cost of a time-multiplexed engine: memories, logic, leakage (docs/cost_model.md, sections 2 to 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.layer import ConvLayer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.storage import ACCUMULATOR_BITS, footprint
from edgelearn.network.traffic import traffic
from edgelearn.rules import find_rule
from edgelearn.rules.rule import Feedback
from hw_models.constants import logic, technology
from hw_models.constants.memory import MemoryCost, sram
from hw_models.cost import FIGURES, ROLE_OF_PHASE, Constant, Cost, Item, make_cost
from hw_models.engine import widths
from hw_models.engine.memory_map import (
    ACTIVATION_BITS,
    GATE_BITS,
    activation_bits,
    contents,
    error_bits,
    partial_bits,
    readout_bits,
    takes_signs,
)
from hw_models.engine.schedule import Schedule, readout_words
from hw_models.engine.shapes import shapes
from hw_models.processor import CONVOLUTION_ROLES, Engine, Memory

_ROLE_OF_MEMORY = {
    "weight": "forward weights",
    "frozen": "frozen weights",
    "residual": "residuals",
    "feedback": "feedback",
    "activation": "activations",
    "gate": "buffers",
    "delta": "buffers",
    "winner": "buffers",
    "accumulator": "accumulators",
    "partial": "partial sums",
}
# What a memory is built for: a weight is read forward, read and written in its update. The chip that cannot learn is
# divided alike, so that learning is all that differs.
_WRITES_PER_READ = {
    "weight": 0.5,
    "frozen": 0.0,
    "residual": 1.0,
    "feedback": 0.0,
    "activation": 0.0,
    "gate": 1.0,
    "delta": 1.0,
    "winner": 1.0,
    "accumulator": 1.0,
    "partial": 1.0,
}
ASSUMED_VOLTAGE_V = 0.9  # of tables that state none
EMPTY_LANES = Constant(
    "lanes left empty",
    0.0,
    1.0,
    "0: lanes take active neurons from a queue; 1: each active neuron takes a step, up to all groups of its layer",
    nominal=0.0,
)


def _words(spec: NetworkSpec, engine: Engine, learning: bool) -> dict[str, int]:
    """Bits of a memory word by role: one value a lane; an activation is broadcast, with its index if it is an event."""
    lanes = engine.lanes
    words = [layer.word for layer in spec.layers]
    feedback = max((block.word_bits for block in footprint(spec) if block.role == "feedback"), default=0)
    convolutions = [layer for layer in spec.layers if layer.is_convolution]
    winners = shapes(spec).winner_bits
    return {
        "weight": lanes * words[0].bits,
        "frozen": lanes * words[0].bits,
        "residual": lanes * max(word.residual_bits for word in words),
        "feedback": lanes * feedback,
        "activation": max(activation_bits(spec, engine.skips_zero_inputs, learning)[: len(spec.layers)]),
        "gate": lanes * GATE_BITS,
        "delta": lanes * max((hidden.delta_width for hidden in spec.layers[:-1]), default=0),
        "winner": lanes * int(winners.max()),
        "accumulator": lanes * ACCUMULATOR_BITS,
        "partial": lanes * max(map(partial_bits, convolutions), default=0),
    }


@dataclass(frozen=True)
class _Priced:
    """A memory of an engine: cost of an access, of the whole, of its clock, and the constants they depend on."""

    cost: MemoryCost
    cycle_pj: float = 0.0
    read_constants: tuple[str, ...] = ()
    write_constants: tuple[str, ...] = ()
    area_constants: tuple[str, ...] = ()
    leakage_constants: tuple[str, ...] = ()


_Memories = list[tuple[str, dict[tuple[str, str], int], _Priced]]
"""Name, contents in bits and price of each memory that is built."""


def _price_memory(
    engine: Engine, name: str, memory: Memory, bits: int, word_bits: int, writes_per_read: float
) -> _Priced:
    capacity = bits
    if memory.capacity is not None:
        capacity = int(memory.capacity)
        if bits > capacity:
            raise UserError(
                f"the network does not fit {engine.name}: memories.{name} holds {capacity} bits and "
                f"needs {bits} ({', '.join(memory.holds)}); use a smaller --net or fewer --bits, or a larger 'capacity'"
            )
    if memory.kind == "sram":
        assert memory.cell is not None
        return _Priced(
            sram(memory.cell, engine.node, capacity, word_bits, writes_per_read),
            0.0,
            ("SRAM energy",),
            ("SRAM energy",),
            ("SRAM area",),
        )
    if memory.kind == "registers":
        bit_pj = logic.register_pj() * technology.energy_scale(
            logic.NODE_NM, logic.VOLTAGE_V, engine.node, engine.voltage
        )
        area = capacity * logic.register_um2() * technology.area_scale(logic.NODE_NM, engine.node)
        write_pj, cycle_pj = (word_bits * bit_pj, 0.0) if engine.clock_gating else (0.0, capacity * bit_pj)
        cost = MemoryCost(0.0, write_pj, area, 0.0, 0.0, 1, "flip-flops with enable")
        scaled = () if engine.node == logic.NODE_NM else ("node scaling",)
        return _Priced(cost, cycle_pj, (), ("register clock", *scaled), ("logic area",))
    if memory.kind == "dram":
        row = next(row for row in technology.rows("storage") if row["name"] == memory.table)
        access = word_bits * float(row["pj_per_bit"])
        return _Priced(MemoryCost(access, access, 0.0, 0.0, 0.0, 1, row["source"]))
    own = [band.nominal for band in memory.own_figures.values()]
    cost = MemoryCost(
        word_bits * own[0], word_bits * own[1], capacity * own[2], capacity * own[3], 0.0, 1, engine.source
    )
    return _Priced(cost, 0.0, *((f"{name} {figure}",) for figure in ("read", "write", "area", "leakage")))


def _own_constants(engine: Engine) -> list[Constant]:
    """Bands that a file gives for its own memories."""
    return [
        Constant(f"{name} {figure}", *band.ratios, engine.source)
        for name, memory in engine.stores.items()
        for figure, band in memory.own_figures.items()
    ]


def price_engine(spec: NetworkSpec, work: Counters, engine: Engine, learning: bool) -> Cost:
    plan = engine.schedule(spec, work, learning)
    memories = _memories(spec, engine, learning)
    items = _engine_items(spec, work, engine, plan, memories, learning)
    if engine.lanes > 1 and engine.update_skip == "neuron" and learning:
        most = engine.schedule(spec, work, learning, lanes_left_empty=True)
        items += _more(_engine_items(spec, work, engine, most, memories, learning), items)
    constants = (EMPTY_LANES, *_bands(), *_own_constants(engine))
    cost = make_cost(items, work.n_samples, engine.clock_hz, FIGURES, constants)
    return replace(cost, notes=_notes(spec, engine, plan, memories, cost, learning))


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


def _engine_items(
    spec: NetworkSpec, work: Counters, engine: Engine, plan: Schedule, memories: _Memories, learning: bool
) -> list[Item]:
    layers = range(len(spec.layers))
    cycles = [
        Item("cycles", role, k + 1, float(plan.cycles[phase][k]))
        for phase, role in ROLE_OF_PHASE.items()
        for k in layers
    ]
    held = memory_items(spec, engine, plan, learning, memories)
    return cycles + held + logic_items(spec, work, engine, plan, learning)


def memory_items(
    spec: NetworkSpec, engine: Engine, plan: Schedule, learning: bool, memories: _Memories | None = None
) -> list[Item]:
    """Return energy, area, leakage and bits of the memories, with the accesses and cycles of a schedule.

    Parameters
    ----------
    memories : of this network, where they are priced already
    """
    items: list[Item] = []
    by_layer = plan.cycles_by_layer
    seconds = float(np.sum(by_layer)) / engine.clock_hz
    for name, inside, priced in _memories(spec, engine, learning) if memories is None else memories:
        bits = sum(inside.values())
        transposed = transposed_reads(spec, engine, plan, name)
        items += _energy("feedback", transposed * priced.cost.read_pj, priced.read_constants)
        for role in dict.fromkeys(role for role, _ in inside):
            cost_role = _ROLE_OF_MEMORY[role]
            if role in plan.reads:
                items += _energy(cost_role, plan.reads[role] * priced.cost.read_pj, priced.read_constants)
            if role in plan.writes:
                items += _energy(cost_role, plan.writes[role] * priced.cost.write_pj, priced.write_constants)
        for (_, role), part in inside.items():
            share = part / bits
            items.append(Item("memory_bits", role, 0, float(part)))
            items.append(Item("area_um2", role, 0, priced.cost.area_um2 * share, priced.area_constants))
            items += _energy(role, by_layer * priced.cycle_pj * share, priced.write_constants)
        leakage_uw, leaks = priced.cost.leakage_uw, priced.leakage_constants
        items.append(Item("leakage_uw", "leakage", 0, leakage_uw, leaks))
        items.append(Item("energy_pj", "leakage", 0, leakage_uw * seconds * 1e6, leaks))
    return items


def transposed_reads(spec: NetworkSpec, engine: Engine, plan: Schedule, name: str) -> np.ndarray:
    """Return the reads of a memory by layers whose feedback is the weights of the layer above, which lie there."""
    words = plan.reads.get("transposed", np.zeros(len(spec.layers)))
    apart, holds = engine.frozen_apart(spec), engine.held_in(name)
    above = [*spec.layers[1:], spec.layers[-1]]
    roles = ["frozen" if apart and layer.learned != "all" else "weight" for layer in above]
    return np.where([role in holds for role in roles], words, 0.0)


def _memories(spec: NetworkSpec, engine: Engine, learning: bool) -> _Memories:
    """Return name, contents in bits and price of each memory that is built: one that would hold nothing is not."""
    stored = _stored(spec, engine, learning)
    found = []
    for name, (bits, word_bits, writes) in memory_shapes(spec, engine, learning).items():
        memory = engine.memory(name)
        inside = {key: part for key, part in stored.items() if key[0] in engine.held_in(name) and part}
        found.append((name, inside, _price_memory(engine, name, memory, bits, word_bits, writes)))
    return found


def memory_shapes(spec: NetworkSpec, engine: Engine, learning: bool) -> dict[str, tuple[int, int, float]]:
    """Return bits, bits of a word, and writes per read that it is built for, of each memory that holds anything.

    Words are those of the engine that learns, so that learning is all that differs, and signs of activations where the
    network infers with them.
    """
    stored, learned = _stored(spec, engine, learning), _stored(spec, engine, True)
    words = _words(spec, engine, learning)
    shapes = {}
    for name in engine.stores if spec.is_convolutional else engine.memories:
        holds = engine.held_in(name)
        held = sum(bits for (role, _), bits in stored.items() if role in holds)
        if held:
            roles = [role for (role, _), bits in learned.items() if role in holds and bits]
            shapes[name] = (held, max(words[role] for role in roles), max(_WRITES_PER_READ[role] for role in roles))
    return shapes


def _stored(spec: NetworkSpec, engine: Engine, learning: bool) -> dict[tuple[str, str], int]:
    apart = engine.frozen_apart(spec)
    return contents(spec, learning, engine.skips_zero_inputs, engine.lanes, apart, engine.dataflow)


def _notes(
    spec: NetworkSpec, engine: Engine, plan: Schedule, memories: _Memories, cost: Cost, learning: bool
) -> tuple[str, ...]:
    """Say what the figures leave out or take for granted."""
    notes = []
    cycle_ns = 1e9 / engine.clock_hz
    for name, inside, priced in memories:
        if priced.cost.access_ns > cycle_ns:
            notes.append(
                f"memory '{name}' takes {priced.cost.access_ns:.3g} ns, a cycle {cycle_ns:.3g} ns: a lower clock, or a "
                "pipelined or smaller memory"
            )
        if engine.memory(name).kind == "dram":
            notes.append(f"memory '{name}' is DRAM: its area, standby power and waiting time are not priced")
        roles = {role for role, _ in inside}
        if "weight" in roles:
            roles.add("transposed")
        accesses = sum(float(part[role].sum()) for part in (plan.reads, plan.writes) for role in roles if role in part)
        if "activation" in roles:  # inputs arrive through a port of their own
            accesses -= float(plan.writes["activation"][0])
        if accesses > plan.total_cycles:
            notes.append(
                f"memory '{name}' has {accesses / plan.total_cycles:.3g} accesses per cycle: it needs more ports, or "
                "its roles more memories; else cycles are too few"
            )
    needed = spec.delta_width
    if learning and engine.delta_bits is not None and engine.delta_bits < needed:
        notes.append(
            f"the multiplier takes {engine.delta_bits} bits of d, and {spec.rule_name} has {needed}: only a run with "
            f"--delta-bits {engine.delta_bits} learns the words of this engine"
        )
    if engine.frozen_apart(spec) and "frozen" not in _declared(engine):
        shared = next(name for name, memory in engine.memories.items() if "weight" in memory.holds)
        notes.append(
            f"frozen weights lie in memory '{shared}' with those that learn: no memory of {engine.name} holds 'frozen'"
        )
    if any(name not in engine.memories for name, *_ in memories):
        notes.append(
            f"accumulators, winners and partial sums lie in memories of their own, like that of gates: no memory of "
            f"{engine.name} holds {', '.join(map(repr, CONVOLUTION_ROLES))}"
        )
    leakage, energy = cost.total("energy_pj", "leakage"), cost.total("energy_pj")
    if leakage > energy / 2:
        notes.append("leakage is more than half of the energy and has no band: it is that of the cell at 300 K")
    return tuple(notes)


def _declared(engine: Engine) -> set[str]:
    """Return the roles that memories of a file name."""
    return {role for memory in engine.memories.values() for role in memory.holds}


def _energy(role: str, by_layer: np.ndarray, constants: tuple[str, ...]) -> list[Item]:
    return [Item("energy_pj", role, k + 1, float(pj), constants) for k, pj in enumerate(by_layer) if pj]


def _bands() -> list[Constant]:
    return [
        Constant(row["name"], float(row["low"]), float(row["high"]), row["source"]) for row in technology.rows("bands")
    ]


def window_bits(layer: ConvLayer) -> int:
    """Return the bits of counters and addresses that walk through the windows of a convolution."""
    window = layer.window
    counted = (window.out_height, window.out_width, window.kernel_height, window.kernel_width, window.channels)
    return sum((n - 1).bit_length() for n in (*counted, window.maps, layer.n_in, layer.n_weights))


def datapath(spec: NetworkSpec, engine: Engine, learning: bool) -> logic.Datapath:
    """Return the logic of one lane of an engine for a network and its rule."""
    operands = widths.multiplier_bits(spec, learning, engine.delta_bits)
    inference = logic.Datapath(
        *operands,
        control=engine.control,
        event_lists=engine.skips_zero_inputs,
        pools=any(isinstance(layer, ConvLayer) and layer.window.pool > 1 for layer in spec.layers),
        window_bits=max((window_bits(layer) for layer in spec.layers if isinstance(layer, ConvLayer)), default=0),
    )
    if not learning:
        return inference
    rules = tuple(dict.fromkeys(row for row in spec.rules if row.learns_hidden))
    return replace(
        inference,
        rule=rules[0] if rules else find_rule("shallow"),  # one layer learns alike under every rule
        other_rules=rules[1:],
        update_bits=max(layer.word.stored_bits for layer in spec.layers if layer.learns),
        stochastic=spec.stochastic,
        generates_feedback=spec.regenerates_feedback,
        error_bits=error_bits(spec),
    )


# Role of the cost for each role of the logic, and the bands it depends on beside those of all logic. A role that is
# not here is its own.
_COST_ROLES = {
    "engine control": "control",
    "learning control": "control",
    "learning arithmetic": "arithmetic",
    "random comparator": "random generator",
}
_TERMS = ("engine control", "learning control")
_PER_LANE = ("arithmetic", "learning arithmetic", "random comparator", "feedback")


def logic_items(spec: NetworkSpec, work: Counters, engine: Engine, plan: Schedule, learning: bool) -> list[Item]:
    """Energy and area of everything beside the memories; control and errors exist once, lanes P times."""
    path = datapath(spec, engine, learning)
    scaled = () if engine.node == logic.NODE_NM else ("node scaling",)
    energy_scale = technology.energy_scale(logic.NODE_NM, logic.VOLTAGE_V, engine.node, engine.voltage)
    area_scale = technology.area_scale(logic.NODE_NM, engine.node)
    copies = dict.fromkeys(logic.ROLES, 1) | dict.fromkeys(_PER_LANE, engine.lanes)
    if not engine.shared_random_generator:
        copies["random generator"] = engine.lanes
    all_cycles = plan.cycles_by_layer
    learning_cycles = plan.cycles["signal"] + plan.cycles["update"] if engine.clock_gating else all_cycles
    items: list[Item] = []
    energy_pj, area_um2 = path.energy_pj(), path.area_um2()
    learned = replace(spec, hidden_inference="full") if learning else spec  # signs are of predictions alone
    inference_pj = datapath(learned, engine, False).energy_pj()  # what works in the forward pass
    reads_out = [layer.rule.reads_out for layer in spec.layers]
    transposed = any(layer.rule.weight_transport for layer in spec.layers) and engine.transposed_read == "adder-tree"
    if learning and (transposed or any(reads_out)):
        tree_um2 = logic.adder_tree_um2(engine.lanes, path.accumulator_bits) / engine.lanes  # of each lane
        area_um2["learning arithmetic"] += tree_um2
        energy_pj["learning arithmetic"] += path.learning_pj(tree_um2)
    for role, area in area_um2.items():
        name = _COST_ROLES.get(role, role)
        area_constants, energy_constants = _logic_constants(role)
        items.append(Item("area_um2", name, 0, area * copies[role] * area_scale, area_constants))
        if engine.logic != "nangate45":
            continue
        if role == "error" and engine.clock_gating:  # a register is clocked when its error is written
            pj = work["active_neurons"] * np.append(
                np.zeros(len(spec.layers) - 1), spec.layers[-1].delta_width * logic.register_pj()
            )
            if any(reads_out):  # sums of a readout add up in these registers
                words = readout_words(spec, work, engine.lanes)
                pj = pj + (
                    words * readout_bits(spec) + work["signal_lanes"] * reads_out * spec.layers[-1].delta_width
                ) * (logic.register_pj())
        else:
            forward_pj: np.ndarray | float = inference_pj.get(role, 0.0)
            if role == "arithmetic" and takes_signs(spec, learning):  # products by a sign: the multiplier rests
                forward_pj = forward_pj * np.array([1.0, *(path.adding_share for _ in spec.layers[1:])])
            pj = (all_cycles * forward_pj + learning_cycles * (energy_pj[role] - forward_pj)) * copies[role]
        items += _energy(name, pj * energy_scale, (*energy_constants, *scaled))
    if engine.logic != "nangate45":
        items += _arithmetic_items(spec, work, engine, scaled, learning)
    return items


def _logic_constants(role: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the bands that the area and the energy of a role of the logic depend on."""
    if role == "error":
        return ("logic area",), ("register clock",)
    if role in _TERMS:
        return ("logic area", "engine control"), ("logic energy", "control energy")
    area, energy = ["logic area"], ["logic energy"]
    if role not in logic.INFERENCE_ROLES:
        area.append("learning logic area")
    if role in ("random generator", "random comparator"):
        area.append("random generator")
        energy.append("random generator")
    return tuple(area), tuple(energy)


def _arithmetic_items(
    spec: NetworkSpec, work: Counters, engine: Engine, scaled: tuple[str, ...], learning: bool
) -> list[Item]:
    """Energy of multiplications and additions alone, from a table of operations; no control, no clock."""
    counted = traffic(spec, work)
    table = engine.logic

    def operation_pj(name: str, bits: int | tuple[int, int]) -> float:
        found = technology.operation(table, name, bits)
        assert found.energy_pj is not None
        volts = ASSUMED_VOLTAGE_V if found.voltage_v is None else found.voltage_v
        return found.energy_pj * technology.energy_scale(found.node_nm, volts, engine.node, engine.voltage)

    by_layer = np.zeros(len(spec.layers))
    delta_bits = [widths.delta_bits(layer, engine.delta_bits) for layer in spec.layers]
    modulator_bits = [widths.modulator_bits(layer, engine.delta_bits) for layer in spec.layers]
    feedback_bits = next((entry.word_bits for entry in footprint(spec) if entry.role == "feedback"), ACTIVATION_BITS)
    for k, layer in enumerate(spec.layers):
        input_bits = spec.input_bits if k == 0 else ACTIVATION_BITS
        accumulate = operation_pj("add", layer.word.bits + input_bits + 8)
        signal, rule = operation_pj("add", 24), layer.rule
        if not rule.sends_signs and rule.feedback is not Feedback.NONE:
            sender_bits = delta_bits[k + 1] if rule.holds_deltas and not layer.output else delta_bits[-1]
            operand = layer.word.bits if rule.weight_transport else max(feedback_bits, 1)
            signal += operation_pj("multiply", (operand, sender_bits))
        product = operation_pj("multiply", (layer.word.bits, input_bits))
        if k > 0 and takes_signs(spec, learning):
            product, accumulate = 0.0, operation_pj("add", layer.word.bits + 1 + 8)
        by_layer[k] = (
            counted["forward_macs"][k] * (product + accumulate)
            + (counted["bias_read"][k] - counted["bias_write"][k]) * accumulate
            + counted["signal_macs"][k] * signal
            + counted["gate_products"][k]
            * (operation_pj("multiply", (modulator_bits[k], GATE_BITS)) if modulator_bits[k] else 0.0)
            + counted["update_macs"][k]
            * (operation_pj("multiply", (delta_bits[k] or 1, input_bits)) + operation_pj("add", layer.word.stored_bits))
        )
    return _energy("arithmetic", by_layer, ("logic energy", *scaled))
