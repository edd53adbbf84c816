"""The compiled leaf loops use vector instructions at the width of the words, not 64-bit lanes."""

from __future__ import annotations

import platform
import re

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from edgelearn.network.kernels.forward import dot_rows, sum_rows, sum_rows_narrow
from edgelearn.network.kernels.update import add_rows, add_rows_bounded, round_steps_narrow
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design

SIGNED_ADDS, MULTIPLY16, MULTIPLY32 = "vpaddsw", r"vpmullw|vpmaddwd", r"vpmulld|vpmaddwd|vpdpwssd"


def require_avx2():
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip(f"the greps name instructions of x86-64; this is {platform.machine()}")
    if not llvm.get_host_cpu_features().get("avx2", False):
        pytest.skip("this processor has no AVX2")


def arguments(name):
    """Return arguments of a kernel as the learner passes them."""
    spec = design((784, 500, 10), rule="drtp", input_bits=4)
    arrays = Learner(spec).state.arrays
    stride = 512
    hidden = arrays.weights[: 785 * stride].reshape(785, stride)
    k, n, shift = 0, 0, np.int16(8)
    return {
        "sum_rows": (hidden, arrays.events, arrays.inputs, k, n, shift, arrays.sums, k),
        "sum_rows_narrow": (hidden, arrays.events, arrays.inputs, k, n, shift, arrays.sums, k),
        "dot_rows": (hidden, arrays.inputs, k, shift, arrays.sums, k),
        "add_rows": (hidden, arrays.events, k, 0, 0, arrays.slots, arrays.steps),
        "add_rows_bounded": (
            hidden, arrays.events, k, 0, 0, arrays.slots, arrays.steps, arrays.floors),
        "round_steps_narrow": (arrays.deltas, k, 1, stride, 3, 0, arrays.steps, 0),
    }[name]  # fmt: skip


def assembly(kernel):
    """Compile a kernel afresh (one read from the disk cache has no assembly) and return its text."""
    compile_ = numba.njit(nogil=True, boundscheck=False, error_model="numpy", _nrt=False)
    fresh = compile_(kernel.py_func)
    signature = tuple(numba.typeof(argument) for argument in arguments(kernel.py_func.__name__))
    fresh.compile(signature)
    return "\n".join(fresh.inspect_asm().values())


def vector_lines(text, mnemonics):
    """Return the lines with one of the mnemonics on whole ymm or zmm registers."""
    return re.findall(rf"^\s*(?:{mnemonics})\b.*%?[yz]mm\d+.*$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("kernel", "mnemonics"),
    [
        (sum_rows_narrow, MULTIPLY16),
        (sum_rows_narrow, "vpaddw"),
        (sum_rows, MULTIPLY32),
        (sum_rows, "vpaddd"),
        (dot_rows, MULTIPLY32),
        (dot_rows, "vpaddd|vpdpwssd"),
        (add_rows, SIGNED_ADDS),
        (add_rows_bounded, SIGNED_ADDS),
        (add_rows_bounded, "vpmaxsw"),
        (round_steps_narrow, "vpmullw"),
    ],
    ids=lambda value: value.py_func.__name__ if hasattr(value, "py_func") else value,
)
def test_leaf_loops_use_whole_vectors(kernel, mnemonics):
    require_avx2()
    text = assembly(kernel)
    assert vector_lines(text, mnemonics), f"no {mnemonics} on ymm or zmm registers"


@pytest.mark.parametrize(
    "kernel",
    [sum_rows_narrow, sum_rows, dot_rows, add_rows, add_rows_bounded, round_steps_narrow],
    ids=lambda k: k.py_func.__name__,
)
def test_no_word_is_widened_to_64_bits(kernel):
    require_avx2()
    text = assembly(kernel)
    assert "vpmovsxwq" not in text, "words of 16 bits are widened to lanes of 64 bits"
    if kernel in (add_rows, add_rows_bounded, round_steps_narrow):
        assert "vpmovsxwd" not in text, "the update is computed in 32-bit lanes"
