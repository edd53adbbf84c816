"""Interface of trace readers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Consecutive conditional branches.

    Parameters
    ----------
    pc : uint32[n] or uint64[n], addresses; taken : uint8[n], 0 or 1
    counts : int64[n], instructions of the trace up to and with each branch; None where the format has none
    total : the same up to the end of the chunk, for what lies behind its last branch
    backward : uint8[n], 1 where the target is not above the address, 0 where it is above or unknown; None where the
        format has no targets
    """

    pc: np.ndarray
    taken: np.ndarray
    counts: np.ndarray | None = None
    total: int | None = None
    backward: np.ndarray | None = None


class Reader:
    """Reads one file of one format.

    Parameters
    ----------
    path : the file

    Attributes
    ----------
    form : the format in words
    pc_shift : bits that the addresses of its processor do not use
    n : branches, None where only reading to the end tells
    instructions : instructions of the whole trace, None where the format has none or counts them on the way
    scaled : whether `instructions` was scaled from a longer trace
    has_targets : whether chunks have `backward`
    notes : assumptions of the reading and what it passes over
    """

    form = ""
    pc_shift = 0
    n: int | None = None
    instructions: int | None = None
    scaled = False
    has_targets = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []

    def chunks(self) -> Iterator[Chunk]:
        """Yield the trace from its beginning, in chunks of any length."""
        raise NotImplementedError
