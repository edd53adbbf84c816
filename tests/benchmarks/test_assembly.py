"""The compiled leaf loops use the widest registers of the processor that numba compiles for, word by word."""

from __future__ import annotations

import platform
import re

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from edgelearn.fixedpoint.vectors import target_has
from edgelearn.network.kernels.feedback import count_nonzero, gate, sum_signed_rows
from edgelearn.network.kernels.forward import activate, dot_rows, list_events, sum_rows, sum_rows_narrow
from edgelearn.network.kernels.update import add_rows, add_rows_bounded, add_rows_stochastic, round_steps_narrow
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design

# what the loops of a kernel must do on whole registers, and on no part of one
WHOLE = {
    sum_rows_narrow: ("vpmaddubsw|vpmullw", "vpaddw", "vpaddd"),
    sum_rows: ("vpmaddwd|vpdpwssd|vpmulld", "vpaddd|vpdpwssd"),
    sum_signed_rows: ("vpmaddwd|vpdpwssd|vpmulld", "vpaddd|vpdpwssd"),
    dot_rows: ("vpmaddwd|vpdpwssd", "vpsrav?w"),
    add_rows: ("vpaddsw", "vpaddw", "vpcmp(?:n?eq)?w"),
    add_rows_bounded: ("vpaddsw", "vpmaxsw", "vpcmp(?:n?eq)?w"),
    add_rows_stochastic: ("vpaddsw", "vpmaxsw", "vpcmp(?:n?eq)?w"),
    round_steps_narrow: ("vpmullw",),
    activate: ("vpsrad|vpsrld|vpmovdb|vpmovdw|vpshufb|vpermt2w|vpackusdw|vpblendw",),
    gate: ("vpmulld|vpmaddwd", "vpsrad"),
    count_nonzero: ("vpcmp(?:n?eq)?w|vptestn?mw",),
    list_events: ("vpmovzxbw|vpmovsxbw",),
}


def require_avx2():
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip(f"the greps name instructions of x86-64; this is {platform.machine()}")
    if not target_has("avx2"):
        pytest.skip("numba compiles for a processor without AVX2")


def widest():
    """Return a pattern of the registers that LLVM uses; processors of Intel with AVX-512 are tuned for halves of them."""
    cpu = numba.config.CPU_NAME or llvm.get_host_cpu_name()
    return "zmm" if target_has("avx512bw") and cpu.startswith("znver") else "[yz]mm"


def arguments(name):
    """Return arguments of a kernel as the learner passes them."""
    spec = design((784, 500, 10), rule="drtp", input_bits=4)
    arrays = Learner(spec).state.arrays
    stride = 512
    hidden = arrays.weights[: 785 * stride].reshape(785, stride)
    k, n, shift = 0, 0, np.int16(8)
    rows, levels = (
        (hidden, stride, arrays.events, arrays.inputs, k, n, shift, arrays.sums, k),
        np.zeros((1, 784), np.uint8),
    )
    return {
        "sum_rows": rows,
        "sum_rows_narrow": rows,
        "sum_signed_rows": (hidden, stride, 0, n, arrays.sums, k),
        "dot_rows": (hidden, stride, arrays.inputs, k, shift, arrays.sums, k),
        "add_rows": (hidden, stride, arrays.events, k, 0, 0, arrays.slots, arrays.steps),
        "add_rows_bounded": (hidden, stride, arrays.events, k, 0, 0, arrays.slots, arrays.steps, arrays.floors),
        "add_rows_stochastic": (hidden, stride, arrays.events, k, 0, 0, arrays, np.int16(1), 1),
        "round_steps_narrow": (arrays.deltas, k, 1, stride, 3, 0, arrays.steps, 0),
        "activate": (arrays.indices, arrays.tables, k, 500, arrays.inputs, arrays.gates, arrays.sums),
        "gate": (arrays.sums, arrays.gates, k, 500, 127, arrays.deltas),
        "count_nonzero": (arrays.gates, k, 500),
        "list_events": (levels, 0, False, arrays.inputs, arrays.events),
    }[name]


def assembly(kernel):
    """Compile a kernel afresh (one read from the disk cache has no assembly) and return its text."""
    compile_ = numba.njit(nogil=True, boundscheck=False, error_model="numpy", _nrt=False)
    fresh = compile_(kernel)
    signature = tuple(numba.typeof(argument) for argument in arguments(kernel.__name__))
    fresh.compile(signature)
    return "\n".join(fresh.inspect_asm().values())


def loops(text):
    """Return the innermost loops of an assembly text: from a label to the jump back to it, no label between."""
    return re.findall(r"^(\.\w+):((?:(?!^\.\w+:).)*?)^\s+j\w+\s+\1$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("kernel", WHOLE, ids=lambda kernel: kernel.__name__)
def test_leaf_loops_use_the_widest_registers(kernel):
    require_avx2()
    text = assembly(kernel)
    # the vectors of list_events are in a loop around another
    bodies = text if kernel is list_events else "".join(body for _, body in loops(text))
    for mnemonics in WHOLE[kernel]:
        lines = re.findall(rf"^\s*(?:{mnemonics})\b.*$", bodies, re.MULTILINE)
        assert any(re.search(rf"%{widest()}\d", line) for line in lines), f"no {mnemonics} on {widest()} in a loop"
    assert "vpmovsxwq" not in text, "words of 16 bits are widened to lanes of 64 bits"


@pytest.mark.parametrize(
    "kernel", [add_rows, add_rows_bounded, add_rows_stochastic, round_steps_narrow], ids=lambda k: k.__name__
)
def test_updates_stay_in_lanes_of_16_bits(kernel):
    require_avx2()
    assert not [body for _, body in loops(assembly(kernel)) if "vpmovsxwd" in body]


def test_loops_are_found():
    text = "a:\n.L1:\n\tvpaddw %ymm1\n.L2:\n\tvpsubw %xmm1\n\tjne\t.L2\n\tret\n"
    assert [(name, body.strip()) for name, body in loops(text)] == [(".L2", "vpsubw %xmm1")]
