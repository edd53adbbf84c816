"""Instruction sets of this machine, and the same machine without AVX-512.

`--target avx2` restarts a benchmark with NUMBA_CPU_NAME and NUMBA_CPU_FEATURES of a processor without AVX-512; the C twins
are compiled for the same processor. The speed is that of AVX2 code on this machine, not that of an older machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numba

from edgelearn.fixedpoint.vectors import target_has

NATIVE, AVX2 = "native", "avx2"
AVX512, FEATURE = "AVX-512", "avx512bw"
# processors with AVX2 and without AVX-512 whose instruction costs are those of the vendor's later ones
WITHOUT_AVX512 = {"AuthenticAMD": "znver3", "GenuineIntel": "haswell"}


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(": ")[2] for line in lines if line.startswith(key)), "")


def emulated_processor() -> str:
    """Return the name that LLVM and gcc give a processor without AVX-512 of this vendor."""
    return WITHOUT_AVX512.get(_cpuinfo("vendor_id"), "x86-64-v3")


def environment(target: str) -> dict[str, str]:
    """Return the variables that numba needs to compile for a target; none for the processor of this machine."""
    features = llvm.get_host_cpu_features()
    if target == NATIVE or not features.get(FEATURE, False):
        return {}
    flags = (f"{'+' if on and not name.startswith('avx512') else '-'}{name}" for name, on in sorted(features.items()))
    return {"NUMBA_CPU_NAME": emulated_processor(), "NUMBA_CPU_FEATURES": ",".join(flags)}


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", choices=(NATIVE, AVX2), default=NATIVE, help="avx2: as if this processor had no AVX-512"
    )


def enter(target: str) -> None:
    """Restart this program with the variables of a target if they are not set; exits where there is no AVX2."""
    if target == AVX2 and not llvm.get_host_cpu_features().get("avx2", False):
        sys.exit(f"{_cpuinfo('model name') or 'this processor'} has no AVX2: leave --target out")
    wanted = environment(target)
    if all(os.environ.get(name) == value for name, value in wanted.items()):
        return
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, os.environ | wanted)


def emulated() -> bool:
    """Return whether numba compiles for a processor without the AVX-512 that this one has."""
    return llvm.get_host_cpu_features().get(FEATURE, False) and not target_has(FEATURE)


def numba_target() -> str:
    """Return the processor that numba compiles for, with its widest vectors."""
    name = numba.config.CPU_NAME or llvm.get_host_cpu_name()  # type: ignore[attr-defined]
    return f"{name}, {(*instruction_sets(), 'no AVX2')[0]}"


def instruction_sets() -> tuple[str, ...]:
    """Return the vector instruction sets of the target that the C twins are written in, widest first."""
    return tuple(name for name, feature in ((AVX512, FEATURE), ("AVX2", "avx2")) if target_has(feature))


def gcc_options(instruction_set: str) -> tuple[str, ...]:
    """Return the options of gcc for an instruction set of the target; they follow -march=native."""
    if instruction_set == AVX512 or not llvm.get_host_cpu_features().get(FEATURE, False):
        return ()
    return (f"-march={emulated_processor()}", "-mno-avx512f")
