"""A learner on a board that QEMU emulates, the second emulator: a program that starts from reset and learns a file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from firmware_sim.build.headers import CONTRACT, checkpoint_bytes
from firmware_sim.build.image import Image, compile_image
from firmware_sim.build.targets import EMULATED, Target
from firmware_sim.emulate.runners import as_words


@dataclass(frozen=True)
class Board:
    """A board that QEMU emulates.

    Parameters
    ----------
    qemu : command and options
    flash_at, flash, ram_at, ram : addresses and bytes of its memory
    tick : nanoseconds of a tick of the counter that a program reads
    icount_shift : an instruction takes 2^icount_shift virtual nanoseconds
    """

    qemu: tuple[str, ...]
    flash_at: int
    flash: int
    ram_at: int
    ram: int
    tick: float
    icount_shift: int


# Boards with exactly the core, which refuses what another one could do; a micro:bit has no more RAM than a real one.
# SysTick runs at 16 or 25 MHz: with a shift of 7 an instruction is more than two ticks, so counts are exact. With 0,
# minstret counts instructions.
_MICROBIT = Board(("qemu-system-arm", "-M", "microbit"), 0x00000000, 1 << 18, 0x20000000, 1 << 14, 62.5, 7)
_MPS2 = Board(("qemu-system-arm", "-M", "mps2-an386"), 0x00000000, 1 << 22, 0x20000000, 1 << 22, 40.0, 7)
_VIRT_OPTIONS = ("-M", "virt", "-cpu", "sifive-e31", "-bios", "none")
_VIRT = Board(("qemu-system-riscv32", *_VIRT_OPTIONS), 0x80000000, 1 << 22, 0x80400000, 1 << 22, 1.0, 0)
BOARDS = {"cortex-m0": _MICROBIT, "cortex-m4": _MPS2, "rv32": _VIRT}

_STACK_BYTES = 2048  # kept free at the end of the board's RAM
_EXITS = {
    1: "its files could not be opened",
    2: "its results could not be written",
    100: "the core met a fault",
    101: "one sample took more instructions than SysTick counts, about five million",
}
_OUTCOME = np.dtype([("predict", "<u4"), ("learn", "<u4"), ("class", "<u2"), ("prediction", "<u2")])


@dataclass(frozen=True)
class Replayed:
    """What a program on a board wrote.

    Parameters
    ----------
    classes, predictions : uint16[n], what el_predict and, for the same sample, el_learn returned
    predict_instructions, learn_instructions : int64[n], executed by replay_predict and replay_learn, return included
    checkpoint : of the learner after the last sample
    """

    classes: np.ndarray
    predictions: np.ndarray
    predict_instructions: np.ndarray
    learn_instructions: np.ndarray
    checkpoint: bytes


def missing_qemu() -> str | None:
    """Return one line on what to install for QEMU, or None if it is there."""
    if all(shutil.which(f"qemu-system-{isa}") for isa in ("arm", "riscv32")):
        return None
    return "QEMU is not installed; run: apt-get install --no-install-recommends qemu-system-arm qemu-system-misc"


def compile_program(
    learner: Learner, folder: Path, target: Target, compiler: str = "gcc", optimisation: str = "-O2"
) -> Image:
    """Compile a learner's network and the program that replays samples, for the board of a target.

    Raises
    ------
    UserError
        "QEMU emulates ...", and those of `compile_image`
    """
    board = _board(target)
    return compile_image(
        learner,
        folder,
        replace(target, flash_at=board.flash_at, ram_at=board.ram_at),
        app=(f"board_{target.isa}.S", "qemu_main.c", "replay.c", "ram_flash.c"),
        keep=("start", "replay*"),
        compiler=compiler,
        optimisation=optimisation,
        extra=(f"-DSTACK_TOP={board.ram_at + board.ram:#x}",),
        ram=board.ram - _STACK_BYTES,
        flash=board.flash,
    )


def replay(image: Image, spec: NetworkSpec, levels: np.ndarray, labels: np.ndarray, seconds: float = 120.0) -> Replayed:
    """Predict and learn samples on the board, one after another.

    Parameters
    ----------
    image : of `compile_program`
    levels : int[n, n_in]; labels : int[n], negative where only predicted
    seconds : after which QEMU is ended

    Raises
    ------
    UserError
        "QEMU is not installed; run: ...", "QEMU did not end ...", "the program on ... ended with ..."
    """
    if lacks := missing_qemu():
        raise UserError(lacks)
    board, n = _board(image.target), len(levels)
    inputs, targets = as_words(spec, levels, labels)
    records = np.concatenate(
        [np.frombuffer(inputs, np.uint8).reshape(n, -1), np.frombuffer(targets, np.uint8).reshape(n, 2)], axis=1
    )
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "samples.bin").write_bytes(records.tobytes())
        command = [*board.qemu, "-nographic", "-icount", f"shift={board.icount_shift}"]
        command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(image.path.resolve())]
        try:
            done = subprocess.run(
                command, cwd=name, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"QEMU did not end {n} samples within {seconds:g} seconds; replay fewer samples or allow more time"
            ) from error
        if done.returncode:
            reason = _EXITS.get(done.returncode, (done.stderr or done.stdout).strip() or "no message")
            raise UserError(f"the program on {image.target.name} ended with code {done.returncode}: {reason}")
        written = (Path(name) / "replayed.bin").read_bytes()
    contract, identity, empty = np.frombuffer(written, "<u4", 3).tolist()
    if (contract, identity) != (CONTRACT, image.identity) or len(written) != _written_bytes(spec, n):
        raise UserError(f"{image.path} is not a program of this network that replays samples; compile it again")
    outcomes = np.frombuffer(written, _OUTCOME, n, offset=12)
    return Replayed(
        classes=outcomes["class"],
        predictions=outcomes["prediction"],
        predict_instructions=_instructions(board, outcomes["predict"], empty),
        learn_instructions=_instructions(board, outcomes["learn"], empty),
        checkpoint=written[-checkpoint_bytes(spec) :],
    )


def _board(target: Target) -> Board:
    if target.name not in BOARDS:
        raise UserError(f"QEMU does not emulate target {target.name}; use {', '.join(EMULATED)}")
    return BOARDS[target.name]


def _written_bytes(spec: NetworkSpec, n: int) -> int:
    return 12 + n * _OUTCOME.itemsize + checkpoint_bytes(spec)


def _instructions(board: Board, ticks: np.ndarray, empty: int) -> np.ndarray:
    """Return the instructions of windows: the empty one holds a single return beside what every window takes."""
    nanoseconds = (ticks.astype(np.int64) - empty) * board.tick
    instructions: np.ndarray = 1 + np.rint(nanoseconds / (1 << board.icount_shift)).astype(np.int64)
    return instructions
