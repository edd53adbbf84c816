"""Builds gshare, the perceptron and TAGE in C and runs them over branches."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from edgelearn.branch.counters import GshareSpec
from edgelearn.branch.perceptrons import PerceptronSpec
from edgelearn.branch.tage import TageSpec

SOURCES = [Path(__file__).with_name(name) for name in ("branch_twin.c", "tage_twin.c")]
ROOM, MOST_TABLES = 4096, 8  # as in the sources
ENTRY = np.dtype([("tag", np.int16), ("counter", np.int8), ("useful", np.uint8)])


@cache
def library(*options: str) -> ctypes.CDLL:
    """Compile the sources for this processor and load them; raises CalledProcessError with gcc's message."""
    folder = Path(tempfile.mkdtemp(prefix="branch_twin_"))
    try:
        target = folder / "branch_twin.so"
        command = ["gcc", "-std=gnu11", "-O3", "-march=native", "-Wall", "-shared", "-fPIC", *options]
        subprocess.run([*command, "-o", str(target), *map(str, SOURCES)], check=True, capture_output=True, text=True)
        loaded = ctypes.CDLL(str(target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    loaded.gshare.restype = loaded.perceptron.restype = loaded.tage.restype = ctypes.c_int64
    return loaded


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def gshare(spec: GshareSpec, pc: np.ndarray, taken: np.ndarray, *options: str) -> int:
    """Return the mispredictions of uint32[n] and uint8[n]; the history is as long as the index."""
    assert spec.history_bits == spec.index_bits, spec
    assert spec.delay == 0, spec
    table = np.full(1 << spec.index_bits, spec.initial, np.uint8)
    n = ctypes.c_int64(len(pc))
    return library(*options).gshare(_pointer(pc), _pointer(taken), n, _pointer(table), ctypes.c_int(spec.index_bits))


def perceptron(spec: PerceptronSpec, pc: np.ndarray, taken: np.ndarray, *options: str) -> int:
    """Return the mispredictions of uint32[n] and uint8[n]."""
    assert spec.path_bits == spec.delay == 0, spec
    words = np.zeros(spec.rows * (spec.history + 1), np.int8)
    window = np.full(ROOM + spec.history, -1, np.int8)
    return library(*options).perceptron(
        _pointer(pc), _pointer(taken), ctypes.c_int64(len(pc)), _pointer(words), ctypes.c_uint32(spec.rows),
        ctypes.c_int(spec.history), ctypes.c_int(spec.theta), _pointer(window),
    )  # fmt: skip


class _Settings(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("tables", "index_bits", "tag_bits", "bimodal_bits")),
        ("lengths", ctypes.c_int64 * MOST_TABLES),
        ("random", ctypes.c_uint32),
        ("use_alternate", ctypes.c_int32),
        ("tick", ctypes.c_int32),
    )


def tage(spec: TageSpec, pc: np.ndarray, taken: np.ndarray, *options: str) -> tuple[int, dict[str, np.ndarray]]:
    """Return the mispredictions of uint32[n] and uint8[n], and the tables by name as they are then."""
    tables = len(spec.lengths)
    assert tables <= MOST_TABLES, spec
    assert spec.tag_bits <= 15, spec
    bimodal = np.full(1 << spec.bimodal_bits, 2, np.uint8)
    entries = np.zeros(MOST_TABLES << spec.index_bits, ENTRY)
    entries["tag"] = -1
    window = np.zeros(ROOM + spec.lengths[-1], np.uint8)
    lengths = (ctypes.c_int64 * MOST_TABLES)(*spec.lengths)
    settings = _Settings(tables, spec.index_bits, spec.tag_bits, spec.bimodal_bits, lengths, spec.seed | 1, 8, 0)
    misses = library(*options).tage(
        _pointer(pc), _pointer(taken), ctypes.c_int64(len(pc)), _pointer(bimodal), _pointer(entries), _pointer(window),
        ctypes.byref(settings),
    )  # fmt: skip
    used = entries[: tables << spec.index_bits]
    return misses, {"bimodal": bimodal} | {name: used[name].copy() for name in ("tag", "counter", "useful")}
