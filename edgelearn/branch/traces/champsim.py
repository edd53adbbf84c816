"""Traces of the ChampSim simulator: a record of fixed length per instruction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.data.compressed import open_bytes, readable
from edgelearn.errors import UserError

STACK_POINTER, FLAGS, INSTRUCTION_POINTER = 6, 25, 26  # registers by which the simulator knows its branches
RECORDS = 1 << 15  # read at a time
SUFFIXES = (".champsimtrace", ".champsim")


def _record(n_written: int, n_read: int, more: int = 0) -> np.dtype:
    """Return the record of an instruction with so many registers and memory places; C aligns it to 8 bytes."""
    fields = [("ip", "<u8"), ("is_branch", "u1"), ("taken", "u1"), ("written", "u1", n_written), ("read", "u1", n_read)]
    places = [("stores", "<u8", n_written), ("loads", "<u8", n_read)]
    return np.dtype([*fields, *places, *([("space", "u1", more)] if more else [])], align=True)


RECORD = _record(2, 4)  # 64 bytes
CLOUD_RECORD = _record(4, 4, 2)  # 96 bytes, of the CloudSuite traces


class ChampSim(Reader):
    """Read a record per instruction: address, whether it is a branch and taken, registers, memory addresses.

    Conditional branches are told as the simulator does: they write and read the instruction pointer, read the flags
    or another register, and leave the stack pointer alone. Instructions are the number of records. The target of a
    taken branch is the address of the record behind it; a branch counts as going back from the part of the trace in
    which it first did.
    """

    form = "ChampSim records"
    record = RECORD
    has_targets = True

    def chunks(self) -> Iterator[Chunk]:
        """Yield the conditional branches.

        Raises
        ------
        UserError : "FILE ends within record N ...", "FILE record N: taken is ..."
        """
        size = self.record.itemsize
        n = 0
        known = np.empty(0, np.uint64)  # branches that were taken backwards so far
        with readable(self.path), open_bytes(self.path) as file:
            while data := file.read(RECORDS * size):
                if len(data) % size:
                    raise UserError(
                        f"{self.path} ends within record {n + len(data) // size + 1:,}, after {len(data) % size} of "
                        f"{size} bytes; copy it again"
                    )
                records = np.frombuffer(data, self.record)
                wrong = np.maximum(records["is_branch"], records["taken"]) > 1
                if wrong.any():
                    at = int(np.argmax(wrong))
                    raise UserError(
                        f"{self.path} record {n + at + 1:,}: is_branch is {records['is_branch'][at]} and taken "
                        f"{records['taken'][at]}; 0 and 1 are allowed: copy the file again"
                    )
                places = np.flatnonzero(is_conditional(records))
                pc, taken = records["ip"][places].astype(np.uint64), records["taken"][places].copy()
                following = records["ip"][np.minimum(places + 1, len(records) - 1)]
                back = (taken == 1) & (following <= pc) & (places + 1 < len(records))
                known = np.union1d(known, pc[back])
                backward = np.isin(pc, known)
                yield Chunk(pc, taken, n + places + 1, n + len(records), backward.astype(np.uint8))
                n += len(records)


class CloudSuite(ChampSim):
    """Read the same with four registers written, and an address space."""

    form = "ChampSim records, CloudSuite"
    record = CLOUD_RECORD


def is_conditional(records: np.ndarray) -> np.ndarray:
    """Tell which records are conditional branches: bool[n]."""
    written, read = records["written"], records["read"]
    other = (read != 0) & (read != STACK_POINTER) & (read != FLAGS) & (read != INSTRUCTION_POINTER)
    result: np.ndarray = (
        (written == INSTRUCTION_POINTER).any(1)
        & ~(written == STACK_POINTER).any(1)
        & (read == INSTRUCTION_POINTER).any(1)
        & ~(read == STACK_POINTER).any(1)
        & ((read == FLAGS) | other).any(1)
    )
    return result


def reader_for(head: bytes, path: Path) -> type[ChampSim] | None:
    """Return the reader of a file by its first bytes and its name, None where they are no such records."""
    named = any(suffix.lower() in SUFFIXES for suffix in path.suffixes)
    best, most = None, 0.9
    for reader in (ChampSim, CloudSuite):
        size = reader.record.itemsize
        records = np.frombuffer(head[: len(head) // size * size], reader.record)
        if not len(records):
            continue
        is_branch, taken = records["is_branch"], records["taken"]
        writes = (records["written"] == INSTRUCTION_POINTER).any(1)
        good = (records["ip"] > 0) & (is_branch <= 1) & (taken <= is_branch) & (writes == (is_branch == 1))
        if writes.any() and good.mean() > most:
            best, most = reader, float(good.mean())
    return best or (ChampSim if named else None)
