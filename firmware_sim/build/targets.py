"""Machines that firmware is built for: compilers' flags, where memory lies, and how an emulator calls a function."""

from __future__ import annotations

from dataclasses import dataclass

from edgelearn.errors import unknown


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


@dataclass(frozen=True)
class Target:
    """One machine.

    Parameters
    ----------
    name : as users type it; description : what it is
    zig, gcc : options of `zig cc` and of the cross compiler; gcc_prefix : of its tools
    flash_at, ram_at : addresses of memory; 0 on the host, which has its own loader
    isa : "arm", "riscv" or "host"
    board : of QEMU with this core
    """

    name: str
    description: str
    isa: str
    zig: tuple[str, ...]
    gcc_prefix: str = ""
    gcc: tuple[str, ...] = ()
    flash_at: int = 0
    ram_at: int = 0
    board: Board | None = None


# Boards with exactly the core, which refuses what another one could do; a micro:bit has no more RAM than a real one.
# SysTick runs at 16 or 25 MHz: with a shift of 7 an instruction is more than two ticks, so counts are exact. With 0,
# minstret counts instructions.
_MICROBIT = Board(("qemu-system-arm", "-M", "microbit"), 0x00000000, 1 << 18, 0x20000000, 1 << 14, 62.5, 7)
_MPS2 = Board(("qemu-system-arm", "-M", "mps2-an386"), 0x00000000, 1 << 22, 0x20000000, 1 << 22, 40.0, 7)
_VIRT_OPTIONS = ("-M", "virt", "-cpu", "sifive-e31", "-bios", "none")
_VIRT = Board(("qemu-system-riscv32", *_VIRT_OPTIONS), 0x80000000, 1 << 22, 0x80400000, 1 << 22, 1.0, 0)


def _arm(name: str, description: str, zig: str, gcc: str, board: Board) -> Target:
    zig_options = ("-target", "thumb-freestanding-eabi", f"-mcpu={zig}")
    return Target(
        name,
        description,
        "arm",
        zig_options,
        "arm-none-eabi-",
        ("-mthumb", f"-mcpu={gcc}"),
        flash_at=0x00000000,
        ram_at=0x20000000,
        board=board,
    )


TARGETS = {
    target.name: target
    for target in (
        Target("host", "this machine", "host", ()),
        _arm("cortex-m0", "Arm Cortex-M0, Thumb", "cortex_m0", "cortex-m0", _MICROBIT),
        _arm("cortex-m4", "Arm Cortex-M4, Thumb-2, without its FPU", "cortex_m4", "cortex-m4", _MPS2),
        Target(
            "rv32",
            "RISC-V RV32IMC",
            "riscv",
            ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c"),
            "riscv64-unknown-elf-",
            ("-march=rv32imac", "-mabi=ilp32", "-mcmodel=medany"),
            flash_at=0x20400000,
            ram_at=0x80000000,
            board=_VIRT,
        ),
    )
}
EMULATED = tuple(name for name, target in TARGETS.items() if target.isa != "host")


def find_target(name: str) -> Target:
    """Return a target by name.

    Raises
    ------
    UserError
        "target '...' is not known"
    """
    if name not in TARGETS:
        raise unknown("target", name, TARGETS)
    return TARGETS[name]
