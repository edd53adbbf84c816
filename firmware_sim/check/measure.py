"""Measurements of the compiled firmware: instructions, loads and stores by memory, flash, RAM and stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.storage import buffers, footprint
from edgelearn.streaming.detector import DetectorSpec
from firmware_sim.build.estimate import by_role, constant_fields, learner_fields
from firmware_sim.build.headers import checkpoint_bytes
from firmware_sim.build.image import compile_image, compile_objects
from firmware_sim.build.targets import Target
from firmware_sim.build.toolchain import missing_emulator
from firmware_sim.emulate.emulator import Machine
from firmware_sim.emulate.runners import as_words
from hw_models.processor import Microcontroller, find_processor

WARM_UP = 300  # samples learned before windows are counted, so that activity is not that of the first moments
WINDOWS = 20
PROCESSORS = {"cortex-m0": "cortex-m0", "cortex-m4": "cortex-m4", "rv32": "rv32-ibex"}  # their models, by target
FLASH_ROLES = ("code: learner", "code: checkpoint", "tables", "initial words", "frozen weights", "feedback")


@dataclass(frozen=True)
class Profile:
    """Means over counted samples.

    Parameters
    ----------
    predict, learn : instructions; learn includes the prediction before it
    least, most : instructions of the cheapest and dearest learned sample
    accesses : learn's ("load" or "store", memory) -> mean; memories are roles of `estimate`, and stack and samples
    simulated : words of the learned layers that the simulator counts for the same samples, same keys
    counters : of the simulator, for the same samples
    stack : bytes used at most
    """

    windows: int
    predict: float
    learn: float
    least: int
    most: int
    accesses: dict[tuple[str, str], float]
    simulated: dict[tuple[str, str], float]
    counters: Counters
    stack: int


def memories(machine: Machine, spec: NetworkSpec) -> dict[str, tuple[int, int]]:
    """Return address and bytes of each memory of a running image: fields of the learner, constants, stack, samples."""
    symbols = machine.program.symbols
    places = {f"net.{f.name}": (symbols["net"][0] + f.offset, f.bytes) for f in learner_fields(spec)}
    places |= {f.name: symbols[f.name] for f in constant_fields(spec) if f.name in symbols}
    return places | {"stack": machine.stack_region, "samples": machine.stream_region}


def roles(spec: NetworkSpec) -> dict[str, str]:
    """Return the role of each memory that `memories` names."""
    found = {f"net.{field.name}": field.role for field in learner_fields(spec)}
    return found | {field.name: field.role for field in constant_fields(spec)}


def profile(
    learner: Learner,
    folder: Path,
    target: Target,
    levels: np.ndarray,
    labels: np.ndarray,
    compiler: str = "zig",
    optimisation: str = "-Os",
    warm_up: int = WARM_UP,
    windows: int = WINDOWS,
    on_progress: Callable[[int], None] = lambda samples: None,
) -> Profile:
    """Count single samples of a network that has learned `warm_up` samples before.

    Parameters
    ----------
    learner : with initial words; it learns warm_up + windows samples
    levels : int[n, n_in]; labels : int[n]; n >= warm_up + windows
    """
    spec = learner.spec
    machine = _started(learner, folder, target, compiler, optimisation)
    _replay(machine, spec, levels[:warm_up], labels[:warm_up])
    learner.learn(levels[:warm_up], labels[:warm_up])
    before = learner.counters
    predicted, learned, accesses = [], [], Counter[tuple[str, str]]()
    machine.paint_stack()
    for i in range(warm_up, warm_up + windows):
        (at,) = machine.place(as_words(spec, levels[i : i + 1], labels[i : i + 1])[0])
        with machine.counting() as counts:
            machine.call("replay_predict", at)
        predicted.append(counts.instructions)
        with machine.counting(memories(machine, spec)) as counts:
            machine.call("replay_learn", at, int(labels[i]))
        learned.append(counts.instructions)
        accesses += counts.accesses
        on_progress(i - warm_up + 1)
    here = slice(warm_up, warm_up + windows)
    learner.learn(levels[here], labels[here])
    counters = Counters(learner.counters.table - before.table)
    return Profile(
        windows,
        float(np.mean(predicted)),
        float(np.mean(learned)),
        min(learned),
        max(learned),
        {key: n / windows for key, n in sorted(accesses.items())},
        {key: n / windows for key, n in simulated_accesses(spec, counters).items()},
        counters,
        machine.stack_used(),
    )


def _started(
    learner: Learner, folder: Path, target: Target, compiler: str, optimisation: str, painted: bool = False
) -> Machine:
    """Return an emulated core after the start of a learner's firmware, its stack painted before if asked."""
    machine = Machine(compile_image(learner, folder, target, compiler=compiler, optimisation=optimisation))
    if painted:
        machine.paint_stack()
    machine.call("replay_init")
    return machine


def _replay(machine: Machine, spec: NetworkSpec, levels: np.ndarray, labels: np.ndarray) -> None:
    """Learn samples on the emulated core."""
    n = len(levels)
    machine.call("replay", *machine.place(*as_words(spec, levels, labels), bytes(2 * n)), n)


def modelled_instructions(spec: NetworkSpec, counters: Counters, target: Target) -> float:
    """Return the instructions of a learned sample that the target's processor model expects of counted work."""
    processor = find_processor(PROCESSORS[target.name])
    assert isinstance(processor, Microcontroller)
    cycles = processor.price(spec, counters).total("cycles")
    return cycles / processor.cycles_per_instruction.nominal / counters.n_samples


def simulated_accesses(spec: NetworkSpec, counters: Counters) -> dict[tuple[str, str], int]:
    """Return the simulator's accesses to memories that C keeps in the same words: weights, learned and frozen.

    A weight is read once for each event and neuron, and an update reads and writes it once, in both.
    """
    learned = {
        "weight": np.array([layer.learned == "all" for layer in spec.layers]),
        "bias": np.array([layer.learns for layer in spec.layers]),
    }
    found = {
        (access, "net.words"): sum(int(counters[f"{role}_{way}"][where].sum()) for role, where in learned.items())
        for access, way in (("load", "read"), ("store", "write"))
    }
    if not learned["weight"].all():
        found["load", "EL_FROZEN"] = sum(int(counters[f"{role}_read"][~where].sum()) for role, where in learned.items())
    return found


@dataclass(frozen=True)
class Size:
    """Bytes of the core in a user's program.

    Parameters
    ----------
    ram : by role, as estimated; ram_measured : .data + .bss that a learner adds to an image
    flash : code by source, then constants by role
    stored : bytes that the words and buffers of the same rule take on a chip, bit by bit (`accounting.storage`),
        weights that never learn and feedback left out, which firmware has in flash
    stack : bytes that learning used at most
    """

    ram: dict[str, int]
    ram_measured: int
    flash: dict[str, int]
    stored: int
    stack: int

    def as_row(self) -> dict[str, int]:
        """Return what a table shows: RAM, then flash, each with its total."""
        row = {f"RAM {role}": n for role, n in self.ram.items() if role != "padding"}
        row |= {"stack": self.stack, "RAM total": self.ram_measured + self.stack, "RAM packed to the bit": self.stored}
        row |= {f"flash {role}": self.flash.get(role, 0) for role in FLASH_ROLES}
        return row | {"flash total": sum(self.flash.values())}


def size(
    learner: Learner,
    folder: Path,
    target: Target,
    levels: np.ndarray,
    labels: np.ndarray,
    compiler: str = "zig",
    optimisation: str = "-Os",
) -> Size:
    """Measure code, constants, RAM and stack of a network; samples are learned to find the depth of the stack."""
    if lacks := missing_emulator():
        raise UserError(lacks)
    spec = learner.spec
    code = {
        name.removeprefix("el_"): object_code(path, constants=name == "el_checkpoint")
        for name, path in compile_objects(learner, folder, target, compiler, optimisation).items()
    }
    machine = _started(learner, folder, target, compiler, optimisation, painted=True)
    _replay(machine, spec, levels, labels)
    constants = by_role(constant_fields(spec))
    sections = machine.program.sections
    slots = 2 * -(-checkpoint_bytes(spec) // 8) * 8  # of the application around the core
    slots_found = machine.program.symbols.get("slots", (0, 0))[1]
    assert slots_found in (0, slots)
    measured = sections.get(".data", 0) + sections.get(".bss", 0) - slots_found
    return Size(
        by_role(learner_fields(spec)),
        measured,
        {f"code: {name}": n for name, n in code.items()} | constants,
        stored_bytes(spec),
        machine.stack_used(),
    )


def stored_bytes(spec: NetworkSpec) -> int:
    """Return the bytes of words that learn and of buffers as the storage estimate holds them, to the bit."""
    roles = {"all": ("weight", "bias"), "bias": ("bias",), "none": ()}
    words = sum(block.bits for block in footprint(spec) if block.role in roles[spec.layers[block.layer - 1].learned])
    return -(-(words + sum(block.bits for block in buffers(spec))) // 8)


def code_bytes(
    learner: Learner,
    folder: Path,
    target: Target,
    compiler: str = "zig",
    optimisation: str = "-Os",
    detector: DetectorSpec | None = None,
) -> int:
    """Return the bytes of instructions of the learner, its detector included, without checkpoints."""
    built = compile_objects(learner, folder, target, compiler, optimisation, detector)
    return object_code(built["el_learner"], constants=False)


def object_code(path: Path, constants: bool) -> int:
    """Return the bytes of instructions in an object file, and of its constants where they have no role of their own."""
    from elftools.elf.elffile import ELFFile

    writable, loaded, executable = 1, 2, 4
    with path.open("rb") as file:
        return sum(
            s["sh_size"]
            for s in ELFFile(file).iter_sections()
            if s["sh_flags"] & executable
            or (constants and s["sh_flags"] & (loaded | writable) == loaded and s.name.startswith(".rodata"))
        )


def save_instructions(
    learner: Learner, folder: Path, target: Target, compiler: str = "zig", optimisation: str = "-Os"
) -> int:
    """Return the instructions of el_save into a slot of RAM, where another holds a checkpoint already."""
    machine = _started(learner, folder, target, compiler, optimisation)
    machine.call("replay_save")
    with machine.counting() as counts:
        machine.call("replay_save")
    return counts.instructions
