"""Build targets: compiler flags and memory addresses."""

from __future__ import annotations

from dataclasses import dataclass

from edgelearn.errors import unknown


@dataclass(frozen=True)
class Target:
    """A build target.

    Parameters
    ----------
    name : as users type it; description : what it is
    zig, gcc : options of `zig cc` and of the cross compiler; gcc_prefix : of its tools
    flash_at, ram_at : addresses of memory; 0 on the host, which has its own loader
    isa : "arm", "riscv" or "host"
    """

    name: str
    description: str
    isa: str
    zig: tuple[str, ...]
    gcc_prefix: str = ""
    gcc: tuple[str, ...] = ()
    flash_at: int = 0
    ram_at: int = 0


def _arm(name: str, description: str, zig: str, gcc: str) -> Target:
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
    )


TARGETS = {
    target.name: target
    for target in (
        Target("host", "this machine", "host", ()),
        _arm("cortex-m0", "Arm Cortex-M0, Thumb", "cortex_m0", "cortex-m0"),
        _arm("cortex-m4", "Arm Cortex-M4, Thumb-2, without its FPU", "cortex_m4", "cortex-m4"),
        Target(
            "rv32",
            "RISC-V RV32IMC",
            "riscv",
            ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c"),
            "riscv64-unknown-elf-",
            ("-march=rv32imac", "-mabi=ilp32", "-mcmodel=medany"),
            flash_at=0x20400000,
            ram_at=0x80000000,
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
