"""A trace that is read block by block, as often as one likes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgelearn.branch.traces.binary import Cbp1, Cbp2025, looks_like_cbp1, looks_like_cbp2025
from edgelearn.branch.traces.bt9 import FIRST_LINE, Bt9
from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.branch.traces.compressed import SUFFIXES, open_bytes, readable
from edgelearn.branch.traces.npz import Arrays
from edgelearn.branch.traces.published import COUNTED_TWICE, FORMS, PUBLISHED, find_trace, name_of
from edgelearn.branch.traces.text import CourseText, Table
from edgelearn.errors import UserError

HEAD = 1 << 16  # bytes by which a format is told
_TEXT = bytes((9, 10, 13, *range(32, 127)))
MOSTLY = 0.9


class TraceSource:
    """The conditional branches of a program in its order; memory does not grow with their number.

    Attributes
    ----------
    path : the file; name : of the trace; source : one line that says where it is from
    pc_shift : bits by which a caller shifts the addresses; blocks have them as they are
    n : branches, None until they are known, at the latest when blocks were read to the end
    instructions : instructions that the branches are among, None where that is not known, or not yet.
        The packed samples of CBP2025 count every branch twice, 1,179,174 and 1,146,449 instructions; C25int and
        C25fp have the true 997,297 and 997,728 here.
    instructions_are_scaled : whether they are those of a longer trace, scaled by the number of branches
    """

    def __init__(self, path: Path, name: str, reader: Reader, pc_shift: int | None = None) -> None:
        known = PUBLISHED.get(name)
        self.path, self.name, self._reader = path, name, reader
        self.source = known.source if known else reader.form
        default = known.pc_shift if known else reader.pc_shift
        self.pc_shift = default if pc_shift is None else pc_shift
        self.n, self.instructions = reader.n, reader.instructions
        self.instructions_are_scaled = reader.scaled
        if name in COUNTED_TWICE and self.instructions == COUNTED_TWICE[name][0]:
            self.instructions = COUNTED_TWICE[name][1]
        if self.n is not None:
            self._learn_count(self.n)

    def _learn_count(self, n: int) -> None:
        """Take in how many branches there are, and what that tells of a published trace."""
        if n == 0:
            raise UserError(f"{self.path} has 0 conditional branches; give a trace with at least one")
        self.n = n
        known = PUBLISHED.get(self.name)
        if known is None:
            return
        if self.instructions is None and n == known.branches:
            self.instructions = known.instructions
        if self.name.startswith("DIST-") and isinstance(self._reader, Arrays):
            self.instructions_are_scaled = n < known.branches

    def blocks(self, size: int = 1 << 20) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the branches from the first one, `size` at a time and the rest at last.

        Yields
        ------
        pc : uint32[n], low 32 bits of the address, not shifted; taken : uint8[n], 0 or 1

        Raises
        ------
        UserError : one line with the file, where possible the line or record, and what to do.
        """
        kept: list[Chunk] = []
        n = 0
        for chunk in self.chunks():
            kept.append(chunk)
            n += len(chunk.pc)
            if n < size:
                continue
            pc, taken = _joined(kept)
            for start in range(0, n - size + 1, size):
                yield pc[start : start + size], taken[start : start + size]
            kept = [Chunk(pc[n - n % size :], taken[n - n % size :])]
            n %= size
        if n:
            yield _joined(kept)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the branches from the first one as the file gives them, with instructions where it counts them."""
        n = 0
        total = None
        for chunk in self._reader.chunks():
            n += len(chunk.pc)
            total = chunk.total
            if len(chunk.pc):
                yield chunk
        if total is not None:
            self.instructions = total
        self._learn_count(n)


def _joined(chunks: list[Chunk]) -> tuple[np.ndarray, np.ndarray]:
    if len(chunks) == 1:
        return chunks[0].pc, chunks[0].taken
    return np.concatenate([chunk.pc for chunk in chunks]), np.concatenate([chunk.taken for chunk in chunks])


def open_trace(path_or_name: str | Path, pc_shift: int | None = None) -> TraceSource:
    """Open a file of branches, or a trace below `branch_traces/` in the folders of EDGELEARN_DATA.

    Parameters
    ----------
    path_or_name : a file in any of the formats of this folder, plain, .gz, .bz2 or .xz, which its content tells;
        or a name that `trace_names` lists
    pc_shift : bits, 0 to 31; default that of the format: 0 for x86 and a user's own, 2 for AArch64

    Raises
    ------
    UserError : "FILE is not a file ...", "FILE is empty ...", "trace 'NAME' is not known ...", what a format raises;
        errors behind the beginning of a file are raised when its blocks are read.
    """
    if pc_shift is not None and not 0 <= pc_shift <= 31:
        raise UserError(f"pc_shift {pc_shift} is out of range; give 0 to 31")
    path = Path(path_or_name).expanduser()
    if not path.is_file():
        given = str(path_or_name)
        looks_like_path = os.sep in given or path.suffix.lower() in (*SUFFIXES, *FORMS)
        if looks_like_path or path.is_dir():
            raise UserError(f"{path} is not a file; check the path")
        path = find_trace(given)
    return TraceSource(path, name_of(path), _reader(path), pc_shift)


def _reader(path: Path) -> Reader:
    """Tell the format of a file by its first bytes, and where they leave it open by its name."""
    with readable(path), open_bytes(path) as file:
        head = file.read(HEAD)
    if not head:
        raise UserError(f"{path} is empty; give a trace of branches")
    if head.startswith(b"PK"):
        return Arrays(path)
    if head.lstrip().startswith(FIRST_LINE) or (".bt9" in path.suffixes and not head[:4096].strip(_TEXT)):
        return Bt9(path)
    if ".csv" in path.suffixes:
        return Table(path)
    text = head.removeprefix(b"\xef\xbb\xbf")
    if not text[:4096].strip(_TEXT):
        return Table(path) if b"," in text.lstrip().split(b"\n", 1)[0] else CourseText(path)
    return _binary(path, head)


def _binary(path: Path, head: bytes) -> Reader:
    share = looks_like_cbp1(head)
    if share == 1 and (len(head) == HEAD or len(head) % 5 == 4):
        return Cbp1(path)
    if looks_like_cbp2025(head):
        return Cbp2025(path)
    if share >= MOSTLY or "DIST" in path.name:  # its reader tells what is wrong
        return Cbp1(path)
    raise UserError(
        f"{path} is no trace of a known format; known: text of 0xPC 0|1, CBP-1 records, BT9, CBP2025 records, "
        ".csv with pc,taken, .npz"
    )
