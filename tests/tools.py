"""Skip where a tool or a data set is missing, naming it; fail instead where everything must be there."""

from __future__ import annotations

import io
import itertools
import lzma
import os
import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from edgelearn.data import Dataset, open_dataset
from edgelearn.errors import UserError

needs_compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="millions of branches need compiled kernels")


def in_turn(*axes: Iterable[Any]) -> list[Any]:
    """Return a grid in which every combination of the other axes meets one value of the last, the rest under `slow`."""
    *others, last = ([*enumerate(axis)] for axis in axes)
    return [
        pytest.param(
            *(value for _, value in places),
            value,
            marks=() if sum(i for i, _ in places) % len(last) == turn else pytest.mark.slow,
        )
        for *places, (turn, value) in itertools.product(*others, last)
    ]


def missing(message: str) -> None:
    """Skip the test, or the file at whose top it is called, with a message that says what to install, or fail it with EDGELEARN_REQUIRE_TOOLS=1."""
    if os.environ.get("EDGELEARN_REQUIRE_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def require_torch() -> Any:
    """Return torch."""
    try:
        import torch
    except ImportError:
        missing('torch is not installed: pip install "edgelearn[torch]"')
    return torch


def require_data(name: str) -> Dataset:
    """Open a published data set that is on this machine."""
    try:
        return open_dataset(name, allow_download=False)
    except UserError as error:
        if "was not found" not in str(error):
            raise
    missing(f"the files of {name} are missing; name their folder in the variable EDGELEARN_DATA")
    raise AssertionError


def require_chromium() -> str:
    """Return the path of a Chromium that playwright can drive."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        missing("playwright is not installed: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("chromium is not installed: apt-get install chromium")
    assert path is not None
    return path


def require_file(name: str) -> Path:
    """Return the path of a file below one of the folders of EDGELEARN_DATA."""
    for folder in os.environ.get("EDGELEARN_DATA", "").split(os.pathsep):
        if folder and (path := Path(folder, name)).is_file():
            return path
    missing(f"{name} is missing; name the folder it is in by the variable EDGELEARN_DATA")
    raise AssertionError


@cache
def packed_trace(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return addresses, as they are, and outcomes of a packed trace of branches."""
    path = require_file(f"branch_traces/{name}.npz.xz")
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes()))) as trace:
        pc = trace["pcs"][trace["idx"]].astype(np.uint32)
        return pc, np.unpackbits(trace["taken"], count=int(trace["n"]))


@cache
def whole_trace(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return addresses and outcomes of a whole trace of branches."""
    with np.load(require_file(f"branch_traces/{name}.npz")) as trace:
        pc = trace["pc_table"][trace["pc_index"]].astype(np.uint32)
        return pc, np.unpackbits(trace["taken"], count=int(trace["n"]))


def without_alignment(name: str, pc: np.ndarray) -> np.ndarray:
    """Return addresses without the bits that are always 0: AArch64 has instructions of 4 bytes, x86 of any number."""
    return pc if name.startswith("DIST") else pc >> np.uint32(2)
