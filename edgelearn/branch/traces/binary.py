"""Traces as bytes: CBP-1 (2004), records of five bytes; CBP2025, records of instructions of different lengths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.data.compressed import PART, open_bytes, readable
from edgelearn.errors import UserError

HEADER, RECORD = 4, 5  # bytes
_RECORD = np.dtype([("pc", ">u4"), ("taken", "u1")])


class Cbp1(Reader):
    """Read a count of instructions, big-endian u32, and then records of an address, big-endian u32, and an outcome."""

    form = "CBP-1 (2004) records, x86"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with readable(path), open_bytes(path) as file:
            first = file.read(HEADER)
        if len(first) < HEADER:
            raise UserError(f"{path} has {len(first)} bytes; a trace begins with a count of instructions of {HEADER}")
        self.instructions = int.from_bytes(first, "big") or None  # 0: not known

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records.

        Raises
        ------
        UserError : "FILE ends within record N ...", "FILE record N: taken is ..."
        """
        n = 0
        with readable(self.path), open_bytes(self.path) as file:
            file.read(HEADER)
            while data := file.read(PART // RECORD * RECORD):
                if len(data) % RECORD:
                    raise UserError(
                        f"{self.path} ends within record {n + len(data) // RECORD + 1:,}, after "
                        f"{len(data) % RECORD} of {RECORD} bytes; copy it again"
                    )
                records = np.frombuffer(data, _RECORD)
                pc, taken = records["pc"].astype(np.uint64), records["taken"].copy()
                if (taken > 1).any():
                    at = int(np.argmax(taken > 1))
                    raise UserError(
                        f"{self.path} record {n + at + 1:,}: taken is {taken[at]}; give 0 (not taken) or 1 (taken)"
                    )
                n += len(pc)
                yield Chunk(pc, taken)


def looks_like_cbp1(head: bytes) -> float:
    """Return which share of the outcomes in the first bytes of a file are 0 or 1, 0 where there are none."""
    outcomes = np.frombuffer(head, np.uint8)[HEADER + RECORD - 1 :: RECORD]
    return float((outcomes <= 1).mean()) if len(outcomes) else 0.0


class Cbp2025(Reader):
    """Read a record per instruction.

    u64 address, u8 class (3 is a conditional branch); loads and stores: u64 address, u8 size, u8 base update, stores
    one byte more; branches: u8 taken and, where taken, u64 target; u8 number of registers read and their names;
    u8 number of registers written, their names, then their values of 8 bytes, of 16 in registers 32 to 63.
    The branches are records like all others: instructions are the number of records.
    """

    form = "CBP2025 records, AArch64"
    pc_shift = 2

    def chunks(self) -> Iterator[Chunk]:
        """Yield the conditional branches.

        Raises
        ------
        UserError : "FILE record N: ...", "FILE ends within record N ..."
        """
        from edgelearn.branch.kernels import records

        state = np.zeros(5, np.int64)
        rest = b""
        with readable(self.path), open_bytes(self.path) as file:
            while part := file.read(PART):
                data = np.frombuffer(rest + part, np.uint8)
                size = len(data) // records.SHORTEST_BRANCH + 1
                places, taken, counts = np.empty(size, np.int64), np.empty(size, np.uint8), np.empty(size, np.int64)
                records.scan(data, places, taken, counts, state)
                number = int(state[records.INSTRUCTIONS]) + 1
                if state[records.FAULT]:
                    name, allowed = {
                        records.BAD_CLASS: ("class", "0 to 7 and 9 to 11"),
                        records.BAD_OUTCOME: ("taken", "0 and 1"),
                        records.BAD_REGISTER: ("a register", f"0 to {records.LAST_REGISTER}"),
                    }[int(state[records.FAULT])]
                    raise UserError(
                        f"{self.path} record {number:,}: {name} is {state[records.FAULTY]}; {allowed} are allowed: "
                        "copy the file again"
                    )
                n = int(state[records.BRANCHES])
                pc = data[places[:n, None] + np.arange(8)].view("<u8")[:, 0].astype(np.uint64)
                yield Chunk(pc, taken[:n], counts[:n], number - 1)
                rest = data[int(state[records.PLACE]) :].tobytes()
            if rest:
                raise UserError(f"{self.path} ends within record {number:,}, after {len(rest)} bytes; copy it again")


def looks_like_cbp2025(head: bytes) -> bool:
    """Return whether the first bytes of a file are records of instructions."""
    from edgelearn.branch.kernels import records

    data, state = np.frombuffer(head, np.uint8), np.zeros(5, np.int64)
    size = len(data) // records.SHORTEST_BRANCH + 1
    records.scan(data, np.empty(size, np.int64), np.empty(size, np.uint8), np.empty(size, np.int64), state)
    return bool(state[records.FAULT] == 0 and state[records.INSTRUCTIONS] > 0)
