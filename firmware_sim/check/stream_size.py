"""Memory and instructions of a stream on an emulated core."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from firmware_sim.build.estimate import by_role
from firmware_sim.build.front_end import StreamFront, constant_fields, stream_checkpoint_bytes, stream_fields
from firmware_sim.build.targets import Target
from firmware_sim.build.toolchain import WARNINGS, find_compiler, missing_emulator
from firmware_sim.check.measure import object_code
from firmware_sim.check.stream import Rehearsal, compile_stream
from firmware_sim.emulate.emulator import Machine

_SOURCES = ("learner", "front", "stream", "checkpoint")


@dataclass(frozen=True)
class StreamSize:
    """Bytes of a stream in a user's program, and instructions.

    Parameters
    ----------
    ram : by role, as estimated; ram_measured : .data + .bss that a stream adds to an image
    flash : code by source, then constants by role
    stack : bytes used at most
    sample, row, step : instructions of a sample, of one that ends a row (both `el_push`), of `el_stream_step`; means
    """

    ram: dict[str, int]
    ram_measured: int
    flash: dict[str, int]
    stack: int
    sample: int
    row: int
    step: int

    def as_row(self) -> dict[str, int]:
        """Return what a table shows: RAM, then flash, each with its total, then instructions."""
        row = {f"RAM {role}": n for role, n in self.ram.items() if role != "padding"}
        row |= {"stack": self.stack, "RAM total": self.ram_measured + self.stack}
        row |= {f"flash {role}": n for role, n in self.flash.items()} | {"flash total": sum(self.flash.values())}
        names = {
            "instructions: a sample": self.sample,
            "instructions: a row ends": self.row,
            "instructions: learn": self.step,
        }
        return row | {name: n for name, n in names.items() if n}


def size_of_stream(
    rehearsal: Rehearsal,
    folder: Path,
    target: Target,
    compiler: str = "zig",
    optimisation: str = "-Os",
    rows: int = 60,
    emitted: StreamFront | None = None,
) -> StreamSize:
    """Measure a stream from its start, in its first `rows` rows.

    Parameters
    ----------
    emitted : front end whose state is among the constants, where it is not that of the start
    """
    if lacks := missing_emulator():
        raise UserError(lacks)
    front, learner = rehearsal.front, rehearsal.learner
    image = compile_stream(learner, front, folder, target, compiler, optimisation)
    found, code = find_compiler(compiler, target), {}
    for name in _SOURCES:
        path = folder / f"el_{name}.o"
        command = [*found.command, *WARNINGS, optimisation, "-ffreestanding", "-fno-builtin", "-ffunction-sections"]
        command += ["-I", str(folder / "include"), "-c", str(folder / f"src/el_{name}.c"), "-o", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        code[f"code: {name}"] = object_code(path, constants=name == "checkpoint")
    machine = Machine(image)
    machine.paint_stack()
    machine.call("replay_init")
    counted = _count(rehearsal, machine, rows)
    sections, symbols = machine.program.sections, machine.program.symbols
    slots = symbols.get("slots", (0, 0))[1]
    assert slots in (0, 2 * -(-stream_checkpoint_bytes(learner.spec, front) // 8) * 8)
    return StreamSize(
        by_role(stream_fields(learner.spec, front)),
        sections.get(".data", 0) + sections.get(".bss", 0) - slots,
        code | by_role(constant_fields(learner.spec, emitted or front)),
        machine.stack_used(),
        *(round(float(np.mean(n))) if n else 0 for n in counted),
    )


def _count(rehearsal: Rehearsal, machine: Machine, rows: int) -> tuple[list[int], list[int], list[int]]:
    """Return instructions of samples without a row, with one, and of steps."""
    between: list[int] = []
    ends: list[int] = []
    steps: list[int] = []
    for stretch in rehearsal.stretches(0, block=500):
        for number, label in zip(stretch.numbers, stretch.labels, strict=True):
            (at,) = machine.place(number.astype("<i4").tobytes())
            with machine.counting() as counts:
                ready = machine.call("replay_push", at) & 1
            (ends if ready else between).append(counts.instructions)
            if ready:
                with machine.counting() as counts:
                    machine.call("replay_step", int(label))
                steps.append(counts.instructions)
            if len(steps) >= rows:
                return between, ends, steps
    return between, ends, steps
