"""Trace read block by block, any number of times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgelearn.branch.traces.binary import Cbp1, Cbp2025, looks_like_cbp1, looks_like_cbp2025
from edgelearn.branch.traces.bt9 import FIRST_LINE, Bt9
from edgelearn.branch.traces.champsim import reader_for
from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.branch.traces.npz import Arrays
from edgelearn.branch.traces.published import COUNTED_TWICE, FOLDER, FORMS, PUBLISHED, find_trace, name_of
from edgelearn.branch.traces.text import MARK, Text
from edgelearn.data.compressed import SUFFIXES, open_bytes, readable
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
        self.path, self.name, self._reader = path, name, reader
        self._known = known = PUBLISHED[name] if name in PUBLISHED and _may_be(name, path, reader) else None
        self.source = known.source if known else reader.form
        default = known.pc_shift if known else reader.pc_shift
        self.pc_shift = default if pc_shift is None else pc_shift
        self.n, self.instructions = reader.n, reader.instructions
        self.instructions_are_scaled = reader.scaled
        self._high: tuple[int, int] | None = None  # least and largest upper halves of addresses so far
        self._cut: tuple[int, int] | None = None  # branches of the last reading that a limit ended, and instructions
        if known and name in COUNTED_TWICE and self.instructions == COUNTED_TWICE[name][0]:
            self.instructions = COUNTED_TWICE[name][1]
        if self.n is not None:
            self._learn_count(self.n)

    def _learn_count(self, n: int) -> None:
        """Take in how many branches there are, and what that tells of a published trace."""
        if n == 0:
            raise UserError(f"{self.path} has 0 conditional branches; give a trace with at least one")
        self.n = n
        known = self._known
        if known is not None and n != known.branches and not _is_kept(self.path):
            self._known, self.source = None, self._reader.form  # another trace of that name
            return
        if known is None:
            return
        if self.instructions is None and n == known.branches:
            self.instructions = known.instructions
        if self.name.startswith("DIST-") and isinstance(self._reader, Arrays):
            self.instructions_are_scaled = n < known.branches

    def blocks(self, size: int = 1 << 20, limit: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the branches from the first one, `size` at a time and the rest at last; at most `limit` of them.

        Yields
        ------
        pc : uint32[n], low 32 bits of the address, not shifted; taken : uint8[n], 0 or 1

        Raises
        ------
        UserError : one line with the file, where possible the line or record, and what to do.
        """
        for block in self.full_blocks(size, limit):
            yield block.pc.astype(np.uint32), block.taken

    def full_blocks(self, size: int = 1 << 20, limit: int | None = None) -> Iterator[Chunk]:
        """Yield the same blocks with all that the format tells of them; addresses uint64[n]."""
        kept: list[Chunk] = []
        n = 0
        for chunk in self.chunks(limit):
            kept.append(chunk)
            n += len(chunk.pc)
            if n < size:
                continue
            block = concat(kept)
            for start in range(0, n - size + 1, size):
                yield part_of(block, start, start + size)
            kept = [part_of(block, n - n % size, n)]
            n %= size
        if n:
            yield concat(kept)

    def instructions_of(self, n: int) -> tuple[float | None, bool]:
        """Return the instructions up to branch n, the last one that was read, and whether they are scaled.

        They are those that the format counts, else those of the whole trace in proportion; None where neither is known.
        """
        if self._cut is not None and self._cut[0] == n:
            return self._cut[1], False
        if self.instructions is None or not self.n:
            return None, False
        if n >= self.n:
            return self.instructions, self.instructions_are_scaled
        return self.instructions * n / self.n, True

    def chunks(self, limit: int | None = None) -> Iterator[Chunk]:
        """Yield the branches from the first one as the file gives them, with instructions where it counts them."""
        n = 0
        total = last = None
        self._cut = None
        for chunk in self._reader.chunks():
            if limit is not None and n + len(chunk.pc) > limit:
                keep = limit - n
                counted = int(chunk.counts[keep - 1]) if keep and chunk.counts is not None else last
                self._cut = None if counted is None else (limit, counted)
                if keep:
                    yield self._seen(part_of(chunk, 0, keep))
                return
            n += len(chunk.pc)
            total = chunk.total
            last = int(chunk.counts[-1]) if chunk.counts is not None and len(chunk.pc) else last
            if len(chunk.pc):
                yield self._seen(chunk)
        if total is not None:
            self.instructions = total
        self._learn_count(n)

    def _seen(self, chunk: Chunk) -> Chunk:
        """Widen the addresses of a chunk; remember whether their upper halves differ."""
        pc = chunk.pc.astype(np.uint64)
        high = pc >> np.uint64(32)
        span = int(high.min()), int(high.max())
        self._high = span if self._high is None else (min(span[0], self._high[0]), max(span[1], self._high[1]))
        return chunk._replace(pc=pc)

    @property
    def has_targets(self) -> bool:
        """Whether the format tells which branches go back."""
        return self._reader.has_targets

    @property
    def notes(self) -> list[str]:
        """Assumptions of the reading, what it passes over, and what it loses; complete after the last block."""
        notes = list(self._reader.notes)
        if self._high is not None and self._high[0] != self._high[1]:
            notes.append("addresses differ above bit 31; predictors index by their low 32 bits")
        return notes


def _is_kept(path: Path) -> bool:
    """Return whether a file lies where published traces lie, so that its name tells what it is."""
    return path.resolve().parent.name == FOLDER or path.absolute().parent.name == FOLDER


def _may_be(name: str, path: Path, reader: Reader) -> bool:
    """Return whether a file may be the published trace of its name, as far as is known before it is read.

    A file of a user's own may have that name too: form and count decide outside the folder of published traces.
    """
    if _is_kept(path):
        return True
    known = PUBLISHED[name]
    if isinstance(reader, Arrays):
        return reader.n == known.branches
    if isinstance(reader, Cbp1) and reader.instructions != known.instructions:
        return False
    return isinstance(reader, _form_of(name))


def _form_of(name: str) -> type[Reader]:
    """Return the form in which a trace was published."""
    if name.startswith("DIST-"):
        return Cbp1
    if name.startswith("S"):
        return Bt9
    return Cbp2025 if name.startswith("C25") else Text


def part_of(chunk: Chunk, start: int, stop: int) -> Chunk:
    """Return branches of a chunk; without its total."""
    part = slice(start, stop)
    counts = None if chunk.counts is None else chunk.counts[part]
    backward = None if chunk.backward is None else chunk.backward[part]
    return Chunk(chunk.pc[part], chunk.taken[part], counts, None, backward)


def concat(chunks: list[Chunk]) -> Chunk:
    """Join chunks of one reader; without their totals."""

    def join(name: str) -> np.ndarray | None:
        arrays = [getattr(chunk, name) for chunk in chunks]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    pc, taken = join("pc"), join("taken")
    assert pc is not None
    assert taken is not None
    return Chunk(pc, taken, join("counts"), None, join("backward"))


def open_trace(path_or_name: str | Path, pc_shift: int | None = None, address_base: int | None = None) -> TraceSource:
    """Open a file of branches, or a trace below `branch_traces/` in the folders of EDGELEARN_DATA.

    Parameters
    ----------
    path_or_name : a file in any of the formats of this folder, plain, .gz, .bz2, .xz or .zst, which its content
        tells; or a name that `trace_names` lists
    pc_shift : bits, 0 to 31; default that of the format: 0 for x86 and a user's own, 2 for AArch64
    address_base : 10 or 16, of addresses in text without 0x; default by their digits

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
    return TraceSource(path, name_of(path), _reader(path, address_base), pc_shift)


def _reader(path: Path, address_base: int | None) -> Reader:
    reader = _form(path, address_base)
    if address_base is not None and not isinstance(reader, Text):
        raise UserError(f"{path} ({reader.form}) has its addresses in binary; leave --address-base out")
    return reader


def _form(path: Path, address_base: int | None) -> Reader:
    """Tell the format of a file by its first bytes, and where they leave it open by its name."""
    with readable(path), open_bytes(path) as file:
        head = file.read(HEAD)
    if not head:
        raise UserError(f"{path} is empty; give a trace of branches")
    if head.startswith(b"PK"):
        return Arrays(path)
    if head.lstrip().startswith(FIRST_LINE) or (".bt9" in path.suffixes and not head[:4096].strip(_TEXT)):
        return Bt9(path)
    if ".csv" in path.suffixes or not head.removeprefix(MARK)[:4096].strip(_TEXT):
        return Text(path, head, address_base)
    return _binary(path, head)


def _binary(path: Path, head: bytes) -> Reader:
    champsim = reader_for(head, path)
    if champsim is not None:
        return champsim(path)
    share = looks_like_cbp1(head)
    if share == 1 and (len(head) == HEAD or len(head) % 5 == 4):
        return Cbp1(path)
    if looks_like_cbp2025(head):
        return Cbp2025(path)
    if share >= MOSTLY or "DIST" in path.name:  # its reader tells what is wrong
        return Cbp1(path)
    raise UserError(
        f"{path} is no trace of a known format; known: text of 0xPC 0|1, CBP-1 records, BT9, CBP2025 records, "
        "ChampSim records, .csv with pc,taken, .npz"
    )
