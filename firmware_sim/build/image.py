"""Build of an image from a learner: an ELF file, or a shared library for this machine."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.network.learner import Learner
from edgelearn.streaming.detector import DetectorSpec
from firmware_sim.build.headers import headers
from firmware_sim.build.targets import Target
from firmware_sim.build.toolchain import WARNINGS, Compiler, find_compiler

CSRC = Path(__file__).parents[1] / "csrc"
CORE = (
    "include/el_fixed.h",
    "include/el_learner.h",
    "include/el_checkpoint.h",
    "src/el_learner.c",
    "src/el_checkpoint.c",
)
CONVOLUTION = "include/el_convolution.h"  # of networks that have any
GRADED = "include/el_graded.h"  # of graded targets
DETECTOR = "include/el_detector.h"  # of anomaly detectors
PREFIX = "el"  # of every name and file of the core
_NUMBERS = ("headers", "maps", "detector")  # modules that make the generated headers
GENERATED = ("include/el_config.h", "include/el_numbers.h")
OPTIMISATIONS = ("-O0", "-O1", "-Os", "-O2", "-O3")
# Entry points are kept; everything that nothing calls goes.
_LINKER_SCRIPT = """MEMORY {{
    FLASH (rx) : ORIGIN = {flash_at:#x}, LENGTH = {flash}
    RAM (rw) : ORIGIN = {ram_at:#x}, LENGTH = {ram}
}}
SECTIONS {{
    .text : {{ {keep} *(.text .text.*) }} > FLASH
    .rodata : {{ *(.rodata .rodata.* .srodata .srodata.*) }} > FLASH
    .data : {{ data_start = .; *(.data .data.* .sdata .sdata.*) data_end = .; }} > RAM AT > FLASH
    .bss : {{ bss_start = .; *(.bss .bss.* .sbss .sbss.* COMMON) bss_end = .; }} > RAM
    data_from = LOADADDR(.data);
    /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .ARM.attributes .riscv.attributes .comment .eh_frame* .note.*) }}
}}
"""


@dataclass(frozen=True)
class Image:
    """A program: where it is, for what, and by whom it was compiled."""

    path: Path
    target: Target
    compiler: Compiler
    optimisation: str
    identity: int


def core_digest() -> str:
    """Return what tells this C core, its numbers included, from another version."""
    parts = [
        *(CSRC / name for name in (*CORE, CONVOLUTION, GRADED, DETECTOR)),
        *(Path(__file__).with_name(f"{name}.py") for name in _NUMBERS),
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()[:16]


def renamed(text: str, prefix: str) -> str:
    """Return a text in which el_ and EL_ begin no name any more, but a prefix of the user's.

    Example
    -------
    >>> renamed('#include "el_learner.h" EL_WORDS, level_', "gait")
    '#include "gait_learner.h" GAIT_WORDS, level_'
    """
    text = re.sub(rf"(?<![A-Za-z0-9_]){PREFIX}_", f"{prefix}_", text)
    return re.sub(rf"(?<![A-Za-z0-9_]){PREFIX.upper()}_", f"{prefix.upper()}_", text)


def core_of(learner: Learner, detector: DetectorSpec | None = None) -> tuple[str, ...]:
    """Return the files of the core that a network needs."""
    needed = {
        CONVOLUTION: learner.spec.is_convolutional,
        GRADED: learner.spec.is_graded,
        DETECTOR: detector is not None,
    }
    return (*CORE, *(name for name, is_needed in needed.items() if is_needed))


def write_sources(learner: Learner, folder: Path, prefix: str = PREFIX, detector: DetectorSpec | None = None) -> int:
    """Write core and generated headers into include/ and src/ of a folder; return the identity of the network."""
    for name in core_of(learner, detector):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / renamed(name, prefix), renamed((CSRC / name).read_text(), prefix))
    identity, generated = headers(learner, detector)
    for name, text in generated.items():
        write_text(folder / "include" / renamed(name, prefix), renamed(text, prefix))
    return identity


def compile_image(
    learner: Learner,
    folder: Path,
    target: Target,
    app: tuple[str, ...] = ("replay.c", "ram_flash.c"),
    keep: tuple[str, ...] = ("replay*",),
    compiler: str = "zig",
    optimisation: str = "-O2",
    extra: tuple[str, ...] = (),
    ram: int = 1 << 24,
    flash: int = 1 << 24,
    more: Mapping[str, str] = MappingProxyType({}),
    detector: DetectorSpec | None = None,
) -> Image:
    """Compile a learner's network and an application of `csrc/app`.

    Parameters
    ----------
    folder : for sources and image
    keep : names of functions, with wildcards, that something outside calls
    ram, flash : bytes the linker may use
    more : text by name of further files in include/ and src/
    detector : that judges the network

    Raises
    ------
    UserError
        "... is not installed; run: ...", "the network does not fit ...", "... could not compile ..."
    """
    _check_optimisation(optimisation)
    found = find_compiler(compiler, target)
    identity = write_sources(learner, folder, detector=detector)
    sources = [str(folder / name) for name in CORE if name.endswith(".c")]
    for name, text in more.items():
        write_text(folder / name, text)
    sources += [str(folder / name) for name in more if name.endswith(".c")]
    sources += [str(CSRC / "app" / name) for name in app]
    command = [*found.command, *WARNINGS, optimisation, "-I", str(folder / "include"), *extra]
    path = folder / ("firmware.so" if target.isa == "host" else "firmware.elf")
    if target.isa == "host":
        command += ["-shared", "-fPIC"]
    else:
        script = folder / "link.ld"
        kept = " ".join(f"KEEP(*(.text.{name}))" for name in keep)
        text = _LINKER_SCRIPT.format(flash_at=target.flash_at, ram_at=target.ram_at, flash=flash, ram=ram, keep=kept)
        write_text(script, text)
        command += ["-ffreestanding", "-fno-builtin", "-nostdlib", "-ffunction-sections", "-fdata-sections"]
        command += [f"-Wl,-T,{script}", "-Wl,--gc-sections", f"-Wl,-e,{keep[0].rstrip('*')}"]
        if compiler == "gcc":
            command += ["-Wl,--no-warn-rwx-segments", "-Wl,--build-id=none"]
            sources += [str(CSRC / "app" / "memory.c"), "-lgcc"]
        else:
            sources.append("-lcompiler_rt")  # small cores shift and multiply 64 bits by functions
    done = subprocess.run([*command, *sources, "-o", str(path)], capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip()
        if "overflowed" in reason or "will not fit in region" in reason:
            raise UserError(
                f"the network does not fit {flash} bytes of flash and {ram} bytes of RAM; use a smaller --net"
            )
        raise UserError(f"{found.version} could not compile for {target.name}:\n{reason[-2000:]}")
    return Image(path, target, found, optimisation, identity)


def compile_objects(
    learner: Learner,
    folder: Path,
    target: Target,
    compiler: str = "zig",
    optimisation: str = "-O2",
    detector: DetectorSpec | None = None,
) -> dict[str, Path]:
    """Compile each source of the core to an object file, as a user's own project would; return them by source."""
    _check_optimisation(optimisation)
    found = find_compiler(compiler, target)
    write_sources(learner, folder, detector=detector)
    objects = {}
    for name in CORE:
        if name.endswith(".c"):
            path = folder / Path(name).with_suffix(".o").name
            command = [*found.command, *WARNINGS, optimisation, "-ffreestanding", "-fno-builtin", "-c"]
            command += ["-ffunction-sections", "-I", str(folder / "include"), str(folder / name), "-o", str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise UserError(f"{found.version} could not compile for {target.name}:\n{done.stderr.strip()[-2000:]}")
            objects[path.stem] = path
    return objects


def _check_optimisation(optimisation: str) -> None:
    if optimisation not in OPTIMISATIONS:
        raise unknown("optimisation", optimisation, OPTIMISATIONS)
