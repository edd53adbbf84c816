"""The packed form: a table of addresses, an index and a bit per branch, as arrays in one compressed file."""

from __future__ import annotations

import lzma
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from edgelearn.branch.traces.source import TraceSource
from edgelearn.errors import UserError
from edgelearn.files import write_whole

SUFFIX = ".npz.xz"


def pack(source: TraceSource, path: Path, limit: int | None = None) -> None:
    """Write a trace, or its first branches, in the packed form; the file is whole or absent.

    The trace is read twice; only one bit per branch is kept in memory.

    Parameters
    ----------
    source : the trace; path : ends in .npz.xz
    limit : branches to keep, at least 1. The instructions up to the last of them are written where the format counts
        them on the way; else those of the whole trace in proportion, with `scaled` = 1.

    Raises
    ------
    UserError : "FILE: packed traces end in ...", "limit ...", "cannot write ...", what reading raises

    Notes
    -----
    Arrays: pcs uint32[distinct], sorted, low 32 bits of addresses;
    idx uint16[n], uint32 for more than 65,536 addresses; taken uint8[(n+7)//8],
    the first branch in the highest bit; n, instructions (absent where not known), pc_shift, scaled int64. The same
    trace gives the same bytes.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise UserError(f"{path}: packed traces end in {SUFFIX}; give such a name")
    if limit is not None and limit < 1:
        raise UserError(f"limit {limit} is out of range; give at least 1 branch")
    pcs, n, count = _survey(source, limit)
    numbers = {"n": n, "pc_shift": source.pc_shift, "scaled": int(source.instructions_are_scaled)}
    if count is not None:
        numbers["instructions"] = count
    elif source.instructions is not None and source.n is not None:
        numbers["instructions"] = source.instructions * n // source.n
        numbers["scaled"] = int(source.instructions_are_scaled or n < source.n)
    write_whole(path, lambda file: _write(file, source, pcs, numbers))


def _survey(source: TraceSource, limit: int | None) -> tuple[np.ndarray, int, int | None]:
    """Return distinct addresses, branches to keep and instructions up to the last of them, None where not counted."""
    pcs, n, count = np.empty(0, np.uint32), 0, None
    for chunk in source.chunks():
        keep = len(chunk.pc) if limit is None else min(len(chunk.pc), limit - n)
        if keep:
            pcs = np.union1d(pcs, chunk.pc[:keep].astype(np.uint32))
            n += keep
            count = None if chunk.counts is None else int(chunk.counts[keep - 1])
        if n == limit and (count is not None or source.n is not None):  # else to its end: instructions are scaled by it
            return pcs, n, count
    # Read to the end: what lies behind the last branch counts too.
    if count is not None and n == source.n:
        count = source.instructions
    return pcs, n, count


def _write(file: IO[bytes], source: TraceSource, pcs: np.ndarray, numbers: dict[str, int]) -> None:
    n, bits, carried = numbers["n"], [], np.empty(0, np.uint8)
    with lzma.open(file, "wb") as packed, zipfile.ZipFile(packed, "w") as archive:
        _add(archive, "pcs", pcs)
        kind = np.dtype(np.uint16 if len(pcs) <= 1 << 16 else np.uint32)
        with archive.open(zipfile.ZipInfo("idx.npy"), "w", force_zip64=True) as member:
            npy.write_array_header_1_0(member, {"descr": kind.str, "fortran_order": False, "shape": (n,)})
            left = n
            for chunk in source.chunks():
                keep = min(left, len(chunk.pc))
                member.write(np.searchsorted(pcs, chunk.pc[:keep].astype(np.uint32)).astype(kind).tobytes())
                carried = np.concatenate((carried, chunk.taken[:keep]))
                whole = len(carried) // 8 * 8
                bits.append(np.packbits(carried[:whole]))
                carried = carried[whole:]
                left -= keep
                if not left:
                    break
        _add(archive, "taken", np.concatenate((*bits, np.packbits(carried))))
        for name, number in numbers.items():
            _add(archive, name, np.array(number, np.int64))


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
        npy.write_array(member, array, allow_pickle=False)
