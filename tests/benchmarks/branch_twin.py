"""Builds gshare and the perceptron in C and runs them over branches."""

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

SOURCE = Path(__file__).with_name("branch_twin.c")
ROOM = 4096  # as in the source


@cache
def library(*options: str) -> ctypes.CDLL:
    """Compile the source for this processor and load it; raises CalledProcessError with gcc's message."""
    folder = Path(tempfile.mkdtemp(prefix="branch_twin_"))
    try:
        target = folder / "branch_twin.so"
        command = ["gcc", "-std=gnu11", "-O3", "-march=native", "-Wall", "-shared", "-fPIC", *options]
        subprocess.run([*command, "-o", str(target), str(SOURCE)], check=True, capture_output=True, text=True)
        loaded = ctypes.CDLL(str(target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    loaded.gshare.restype = loaded.perceptron.restype = ctypes.c_int64
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
