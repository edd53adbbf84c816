"""Emulated core (unicorn): function calls, counts of instructions and memory accesses."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from edgelearn.errors import UserError
from firmware_sim.build.image import Image

_PAGE = 0x10000
_STREAM_AT = 0x60000000  # samples and what becomes of them, no memory of the board
_STACK_BYTES = 0x10000
_STACK_TOP_MARGIN = 16
_IT_BITS = 0x0600FC00  # of Arm's status register: the conditions of instructions under way


class Stopped(Exception):
    """A call ended before it returned: its limit of instructions was reached."""


@dataclass
class Program:
    """Symbols and sections of an ELF file.

    Parameters
    ----------
    symbols : address and bytes by name; segments : (address, bytes); sections : bytes by name
    """

    symbols: dict[str, tuple[int, int]]
    segments: list[tuple[int, bytes]]
    sections: dict[str, int]
    functions: dict[str, tuple[int, int]] = field(default_factory=dict)


def read_program(image: Image) -> Program:
    """Read symbols, segments and section sizes of an ELF image."""
    from elftools.elf.elffile import ELFFile

    with image.path.open("rb") as file:
        elf = ELFFile(file)
        table: Any = elf.get_section_by_name(".symtab")
        symbols, functions = {}, {}
        for symbol in table.iter_symbols():
            kind = symbol["st_info"]["type"]
            if kind in ("STT_FUNC", "STT_OBJECT"):
                place = (symbol["st_value"] & ~1 if kind == "STT_FUNC" else symbol["st_value"], symbol["st_size"])
                symbols[symbol.name] = place
                if kind == "STT_FUNC":
                    functions[symbol.name] = place
        segments = [(s["p_vaddr"], s.data()) for s in elf.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
        sections = {s.name: s["sh_size"] for s in elf.iter_sections() if s["sh_flags"] & 2}
    return Program(symbols, segments, sections, functions)


@dataclass
class Counts:
    """Counts of a call.

    Parameters
    ----------
    instructions : executed
    accesses : ("load" or "store", region) -> number; regions are the names given to `Machine.counting`
    """

    instructions: int = 0
    accesses: Counter[tuple[str, str]] = field(default_factory=Counter)


class Machine:
    """An emulated core with flash, RAM and a stretch of memory for samples.

    Parameters
    ----------
    image : for an emulated target

    Raises
    ------
    UserError
        "unicorn is not installed; run: ..."
    """

    def __init__(self, image: Image) -> None:
        from firmware_sim.build.toolchain import missing_emulator

        if lacks := missing_emulator():
            raise UserError(lacks)
        unicorn: Any = importlib.import_module("unicorn")  # typed in part only
        from unicorn import arm_const, riscv_const

        self.image, self.target = image, image.target
        self.program = read_program(image)
        if self.target.isa == "arm":
            self._uc: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
            c = arm_const
            self._stack, self._link, self._pc = c.UC_ARM_REG_SP, c.UC_ARM_REG_LR, c.UC_ARM_REG_PC
            self._arguments = (c.UC_ARM_REG_R0, c.UC_ARM_REG_R1, c.UC_ARM_REG_R2, c.UC_ARM_REG_R3)
        else:
            self._uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
            r = riscv_const
            self._stack, self._link, self._pc = r.UC_RISCV_REG_SP, r.UC_RISCV_REG_RA, r.UC_RISCV_REG_PC
            self._arguments = (r.UC_RISCV_REG_A0, r.UC_RISCV_REG_A1, r.UC_RISCV_REG_A2, r.UC_RISCV_REG_A3)
        self._thumb = 1 if self.target.isa == "arm" else 0
        self._status = arm_const.UC_ARM_REG_CPSR if self._thumb else None
        ram_end = max((at + size for at, size in self.program.symbols.values()), default=0)
        ram_bytes = max(ram_end - self.target.ram_at, 0)
        ram_bytes = -(-(ram_bytes + 16) // _PAGE) * _PAGE
        self.stack_top = self.target.ram_at + ram_bytes + _STACK_BYTES
        flash_end = max((at + len(data) for at, data in self.program.segments), default=self.target.flash_at)
        flash_bytes = -(-(flash_end + 16 - self.target.flash_at) // _PAGE) * _PAGE
        self._stop = self.target.flash_at + flash_bytes  # a page of its own, where calls return to
        self._uc.mem_map(self.target.flash_at, flash_bytes + _PAGE)
        self._uc.mem_map(self.target.ram_at, ram_bytes + _STACK_BYTES)
        for at, data in self.program.segments:
            self._uc.mem_write(at, data)
        self._stream_bytes = 0

    def call(self, function: str, *arguments: int, limit: int = 0) -> int:
        """Call a function with up to four words; return the first register.

        Raises
        ------
        Stopped
            After `limit` instructions, if not 0.
        """
        uc = self._uc
        uc.reg_write(self._stack, self.stack_top - _STACK_TOP_MARGIN)
        uc.reg_write(self._link, self._stop | self._thumb)
        for register, word in zip(self._arguments, arguments, strict=False):
            uc.reg_write(register, word & 0xFFFFFFFF)
        uc.emu_start(self.program.functions[function][0] | self._thumb, self._stop, count=limit)
        if uc.reg_read(self._pc) & ~1 != self._stop:
            raise Stopped
        return int(uc.reg_read(self._arguments[0]))

    def read(self, at: int, n: int) -> bytes:
        return bytes(self._uc.mem_read(at, n))

    def write(self, at: int, data: bytes) -> None:
        self._uc.mem_write(at, data)

    def place(self, *parts: bytes) -> list[int]:
        """Put data into memory that is not the board's; return the address of each part."""
        needed = -(-(sum(len(part) + 8 for part in parts) + 16) // _PAGE) * _PAGE
        if needed > self._stream_bytes:
            if self._stream_bytes:
                self._uc.mem_unmap(_STREAM_AT, self._stream_bytes)
            self._uc.mem_map(_STREAM_AT, needed)
            self._stream_bytes = needed
        addresses, at = [], _STREAM_AT
        for part in parts:
            self._uc.mem_write(at, part)
            addresses.append(at)
            at += -(-len(part) // 8) * 8
        return addresses

    def paint_stack(self) -> None:
        """Fill the stack with a pattern, so that `stack_used` can tell how deep it was used."""
        self.write(self.stack_top - _STACK_BYTES, b"\xa5" * _STACK_BYTES)

    def stack_used(self) -> int:
        """Return the bytes of the stack that calls have written since `paint_stack`."""
        stack = self.read(self.stack_top - _STACK_BYTES, _STACK_BYTES)
        untouched = len(stack) - len(stack.lstrip(b"\xa5"))
        return _STACK_BYTES - untouched - _STACK_TOP_MARGIN

    @property
    def stack_region(self) -> tuple[int, int]:
        """Address and bytes of the stack."""
        return self.stack_top - _STACK_BYTES, _STACK_BYTES

    @property
    def stream_region(self) -> tuple[int, int]:
        """Address and bytes of the memory of samples."""
        return _STREAM_AT, self._stream_bytes

    def leave_conditions(self) -> None:
        """Call this in every hook of memory: an access in an IT block leaves its conditions to the code after it."""
        if self._status is not None:
            status = self._uc.reg_read(self._status)
            if status & _IT_BITS:
                self._uc.reg_write(self._status, status & ~_IT_BITS)

    def _instructions_in(self, code: bytes) -> int:
        """Return how many instructions, of 2 or 4 bytes, a block of code has."""
        at = n = 0
        while at < len(code):
            half = int.from_bytes(code[at : at + 2], "little")
            at += 4 if (half >= 0xE800 if self._thumb else half & 3 == 3) else 2
            n += 1
        return n

    @contextmanager
    def counting(self, regions: dict[str, tuple[int, int]] | None = None) -> Iterator[Counts]:
        """Count instructions, and loads and stores by region (address, bytes); other addresses are region "other".

        Notes
        -----
        Many times slower than running without. Basic blocks are counted, each with all its instructions, as QEMU does:
        one whose condition does not hold (Thumb-2's IT) takes its cycle too, but unicorn would not report it. A call
        that its limit ends may count the rest of its last block.
        """
        unicorn: Any = importlib.import_module("unicorn")
        counts = Counts()
        places = sorted((at, at + size, name) for name, (at, size) in (regions or {}).items())

        lengths: dict[tuple[int, int], int] = {}

        def block(uc: Any, address: int, size: int, data: Any) -> None:
            place = address, size
            if place not in lengths:
                lengths[place] = self._instructions_in(self.read(address, size))
            counts.instructions += lengths[place]

        def access(uc: Any, kind: int, address: int, size: int, value: int, data: Any) -> None:
            self.leave_conditions()
            way = "store" if kind == unicorn.UC_MEM_WRITE else "load"
            for first, end, name in places:
                if first <= address < end:
                    counts.accesses[way, name] += 1
                    return
            counts.accesses[way, "other"] += 1

        self._uc.ctl_flush_tb()  # code translated before the hooks would run without them
        hooks = [self._uc.hook_add(unicorn.UC_HOOK_BLOCK, block)]
        if regions is not None:
            hooks.append(self._uc.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, access))
        try:
            yield counts
        finally:
            for hook in hooks:
                self._uc.hook_del(hook)
            self._uc.ctl_flush_tb()
