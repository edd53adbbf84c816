"""Arithmetic in lanes of exactly 8, 16 or 32 bits.

Numba widens every small integer to 64 bits, which costs a vectorised loop a factor of three to eight. These
intrinsics emit one LLVM instruction at the width the contract names. With NUMBA_DISABLE_JIT=1 the same
names are plain Python functions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import event
from numba.extending import intrinsic, register_jitable, typeof_impl

from edgelearn.fixedpoint.native import Kernel, kernel_of, sources
from edgelearn.fixedpoint.notice import announce_compilation

Emit = Callable[..., Any]


class _Announcer(event.Listener):
    """Says when numba compiles a function, which it does not where it has the function on the disk."""

    def on_start(self, started: Any) -> None:
        announce_compilation()

    def on_end(self, ended: Any) -> None:
        pass


event.register("numba:compile", _Announcer())  # type: ignore[no-untyped-call]


def compiled(function: Callable[..., Any], nogil: bool = True, **options: Any) -> Any:
    """Compile with an on-disk cache where one can be written, without one elsewhere."""
    # kernels allocate nothing, so they need no reference counts; counting them takes a third of a sample's time
    options |= {"nogil": nogil, "boundscheck": False, "error_model": "numpy", "_nrt": False}
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": package directory and home are both read-only
        return numba.njit(**options)(function)
    cache_file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = sources(Path(function.__code__.co_filename).parent)
    return dispatcher


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls without numba: see `edgelearn.fixedpoint.native`."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return function
    found = kernel_of(function.__module__, function.__name__)
    found.dispatcher = compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return found


def kernel_variant(body: Any, module: str, name: str, **operators: Any) -> Any:
    """Compile the code of a kernel in which some names stand for other functions, as `name` of a module."""
    plain: Any = body.dispatcher.py_func if isinstance(body, Kernel) else body
    twin: Any = FunctionType(plain.__code__, plain.__globals__ | operators, name)
    twin.__module__, twin.__qualname__, twin.__doc__ = module, name, plain.__doc__
    return kernel(twin)


def inlined_variant(body: Any, module: str, name: str, **operators: Any) -> Any:
    """Return an inlined function with the code of another one, in which some names stand for other functions."""
    plain: Any = getattr(body, "py_func", body)
    twin: Any = FunctionType(plain.__code__, plain.__globals__ | operators, name)
    twin.__module__, twin.__qualname__, twin.__doc__ = module, name, plain.__doc__
    return inlined(twin)


@typeof_impl.register(Kernel)
def _type_of_kernel(found: Kernel, context: Any) -> Any:
    """Let kernels call each other."""
    return types.Dispatcher(found.dispatcher)


def leaf(function: Callable[..., Any]) -> Any:
    """Compile as a part of the kernels that call it, once; called from Python it is plain Python."""
    # wrappers for callers in Python and C, and machine code of its own on the disk, would double its compile time
    return register_jitable(boundscheck=False, error_model="numpy", _nrt=False, no_cfunc_wrapper=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Paste the function where it is called, so that its arrays are not passed one by one for every sample."""
    return numba.njit(inline="always", boundscheck=False, error_model="numpy")(function)


def _lane(result: Any, arguments: tuple[Any, ...], emit: Emit, reference: Callable[..., Any]) -> Any:
    """Return an intrinsic of fixed types, or its Python twin when compilation is switched off."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return reference

    # from here on only with compilation, where coverage does not look
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit(builder, *args)

    if len(arguments) == 1:

        @intrinsic
        def unary(typing_context, a):  # type: ignore[no-untyped-def]
            return result(*arguments), codegen

        return unary
    if len(arguments) == 2:

        @intrinsic
        def binary(typing_context, a, b):  # type: ignore[no-untyped-def]
            return result(*arguments), codegen

        return binary

    @intrinsic
    def ternary(typing_context, a, b, c):  # type: ignore[no-untyped-def]
        return result(*arguments), codegen

    return ternary


def _wrap(bits: int, x: int) -> int:
    half = 1 << (bits - 1)
    return ((int(x) + half) & ((1 << bits) - 1)) - half


def _llvm(name: str, bits: int) -> Emit:
    word = ir.IntType(bits)

    def emit(builder: Any, a: Any, b: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic(name, [word], ir.FunctionType(word, [word, word])), [a, b])

    return emit


_I8, _I16, _I32 = types.int8, types.int16, types.int32

add_saturating8 = _lane(_I8, (_I8, _I8), _llvm("llvm.sadd.sat", 8), lambda x, y: min(max(int(x) + int(y), -128), 127))
subtract_saturating8 = _lane(
    _I8, (_I8, _I8), _llvm("llvm.ssub.sat", 8), lambda x, y: min(max(int(x) - int(y), -128), 127)
)

add16 = _lane(_I16, (_I16, _I16), lambda b, x, y: b.add(x, y), lambda x, y: _wrap(16, int(x) + int(y)))
mul16 = _lane(_I16, (_I16, _I16), lambda b, x, y: b.mul(x, y), lambda x, y: _wrap(16, int(x) * int(y)))
shr16 = _lane(_I16, (_I16, _I16), lambda b, x, y: b.ashr(x, y), lambda x, y: int(x) >> int(y))
shl16 = _lane(_I16, (_I16, _I16), lambda b, x, y: b.shl(x, y), lambda x, y: _wrap(16, int(x) << int(y)))
min16 = _lane(_I16, (_I16, _I16), _llvm("llvm.smin", 16), lambda x, y: min(int(x), int(y)))
max16 = _lane(_I16, (_I16, _I16), _llvm("llvm.smax", 16), lambda x, y: max(int(x), int(y)))
# -1 where two words differ, else 0: the mask a vector comparison gives
differs16 = _lane(
    _I16,
    (_I16, _I16),
    lambda b, x, y: b.sext(b.icmp_signed("!=", x, y), ir.IntType(16)),
    lambda x, y: -int(int(x) != int(y)),
)
narrow16 = _lane(_I16, (_I32,), lambda b, x: b.trunc(x, ir.IntType(16)), lambda x: _wrap(16, x))

widen32 = _lane(_I32, (_I16,), lambda b, x: b.sext(x, ir.IntType(32)), lambda x: int(x))
add32 = _lane(_I32, (_I32, _I32), lambda b, x, y: b.add(x, y), lambda x, y: _wrap(32, int(x) + int(y)))
sub32 = _lane(_I32, (_I32, _I32), lambda b, x, y: b.sub(x, y), lambda x, y: _wrap(32, int(x) - int(y)))
mul32 = _lane(_I32, (_I32, _I32), lambda b, x, y: b.mul(x, y), lambda x, y: _wrap(32, int(x) * int(y)))
xor32 = _lane(_I32, (_I32, _I32), lambda b, x, y: b.xor(x, y), lambda x, y: int(x) ^ int(y))
and32 = _lane(_I32, (_I32, _I32), lambda b, x, y: b.and_(x, y), lambda x, y: int(x) & int(y))
shr32 = _lane(_I32, (_I32, _I32), lambda b, x, y: b.ashr(x, y), lambda x, y: int(x) >> int(y))
shr_unsigned32 = _lane(
    _I32, (_I32, _I32), lambda b, x, y: b.lshr(x, y), lambda x, y: _wrap(32, (int(x) & 0xFFFFFFFF) >> int(y))
)
shl32 = _lane(_I32, (_I32, _I32), lambda b, x, y: b.shl(x, y), lambda x, y: _wrap(32, int(x) << int(y)))
min32 = _lane(_I32, (_I32, _I32), _llvm("llvm.smin", 32), lambda x, y: min(int(x), int(y)))
max32 = _lane(_I32, (_I32, _I32), _llvm("llvm.smax", 32), lambda x, y: max(int(x), int(y)))
# -1 where x is below y, else 0
below32 = _lane(
    _I32,
    (_I32, _I32),
    lambda b, x, y: b.sext(b.icmp_signed("<", x, y), ir.IntType(32)),
    lambda x, y: -int(int(x) < int(y)),
)
differs32 = _lane(
    _I32,
    (_I32, _I32),
    lambda b, x, y: b.zext(b.icmp_signed("!=", x, y), ir.IntType(32)),
    lambda x, y: int(int(x) != int(y)),
)
