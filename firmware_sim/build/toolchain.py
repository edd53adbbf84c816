"""Compilers: detection, versions, and installation hints."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from edgelearn.errors import UserError, install, unknown
from firmware_sim.build.targets import Target

COMPILERS = ("zig", "gcc")
_PACKAGES = {"arm-none-eabi-": "gcc-arm-none-eabi", "riscv64-unknown-elf-": "gcc-riscv64-unknown-elf", "": "gcc"}
# The core is held to these; a project that takes it over may use any.
WARNINGS = (
    *("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wundef"),
    *("-Wcast-align", "-Wcast-qual", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wswitch-default", "-Werror"),
)


@dataclass(frozen=True)
class Compiler:
    """A compiler for one target: the command without files, and what it calls itself."""

    name: str
    command: tuple[str, ...]
    version: str


def missing(compiler: str, target: Target) -> str | None:
    """Return one line on what to install for a compiler of a target, or None if it is there.

    Raises
    ------
    UserError
        "compiler '...' is not known"
    """
    if compiler not in COMPILERS:
        raise unknown("compiler", compiler, COMPILERS)
    if compiler == "zig":
        found = importlib.util.find_spec("ziglang") is not None
        return None if found else f"the zig compiler is not installed; run: {install('firmware', 'ziglang')}"
    if shutil.which(f"{target.gcc_prefix}gcc"):
        return None
    package = _PACKAGES[target.gcc_prefix]
    return f"{target.gcc_prefix}gcc is not installed; run: apt-get install --no-install-recommends {package}"


def missing_emulator() -> str | None:
    """Return one line on what to install for unicorn, the emulator, or None if it is there."""
    found = all(importlib.util.find_spec(name) is not None for name in ("unicorn", "elftools"))
    return None if found else f"unicorn is not installed; run: {install('firmware')}"


@cache
def find_compiler(name: str, target: Target) -> Compiler:
    """Return a compiler for a target.

    Raises
    ------
    UserError
        "compiler '...' is not known", "... is not installed; run: ..."
    """
    if lacks := missing(name, target):
        raise UserError(lacks)
    if name == "zig":
        command: tuple[str, ...] = (sys.executable, "-m", "ziglang", "cc", *target.zig, "-fno-sanitize=all", "-g")
        version = subprocess.run([sys.executable, "-m", "ziglang", "version"], capture_output=True, text=True)
        return Compiler(name, command, f"zig {version.stdout.strip()}")
    command = (f"{target.gcc_prefix}gcc", *target.gcc)
    version = subprocess.run([command[0], "-dumpfullversion"], capture_output=True, text=True)
    return Compiler(name, command, f"{command[0]} {version.stdout.strip()}")
