"""Frozen calls: compiled calls whose arrays are the same each time, as a table of addresses.

Unpacking a few dozen arrays costs a call several microseconds. `entry_of` writes the address of a compiled function and
its flattened arguments to a table once; compiled code calls on from the address of that table (`caller_of`). A table
holds addresses and no references: its owner keeps the arrays, and makes a new table where one of them is replaced.

Compiled code reads dictionaries through the C interface of Python, while its caller holds the interpreter lock.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I8, _I64, _F64 = ir.IntType(8), ir.IntType(64), ir.DoubleType()
_TYPE_AT, _FLOAT_AT = 8, 16  # bytes from the start of an object to its type, and of a float to its value


@cache
def available() -> bool:
    """Return whether calls can be frozen: kernels are compiled, and objects have the layout of 64-bit CPython."""
    if numba.config.DISABLE_JIT or sys.implementation.name != "cpython" or sys.maxsize != 2**63 - 1:  # type: ignore[attr-defined]
        return False
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    for value in (1.5, np.float64(2.5)):
        kind = ctypes.c_int64.from_address(id(value) + _TYPE_AT).value
        if kind != id(type(value)) or ctypes.c_double.from_address(id(value) + _FLOAT_AT).value != value:
            return False
    return True


def address_of(array: np.ndarray) -> int:
    """Return the address of the first element."""
    address: int = array.__array_interface__["data"][0]
    return address


def entry_of(function: Any, *arguments: Any) -> np.ndarray:
    """Return a call as a table, int64[n]: address of the compiled function, then its flattened arguments.

    Parameters
    ----------
    function : from `compiled`; compiled for these arguments where it was not
    arguments : arrays, and named tuples of arrays
    """
    kinds: tuple[Any, ...] = tuple(map(numba.typeof, arguments))
    result = _compiled_for(function, kinds)
    address = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    return np.array([address, *(word for argument in arguments for word in _flattened(argument))], np.int64)


def quick(function: Any, n: int) -> Any:
    """Return a compiled function of 2 or 3 whole numbers without the dispatch on their types."""
    entry = _compiled_for(function, (types.int64,) * n).entry_point
    # river measures a model by what it refers to, down to functions; the compiler lies behind the entry
    return (lambda a, b: entry(a, b)) if n == 2 else (lambda a, b, c: entry(a, b, c))


def _compiled_for(function: Any, signature: tuple[Any, ...]) -> Any:
    function.compile(signature)
    return function.overloads[signature]


def _flattened(argument: Any) -> list[int]:
    """Return an argument as the calling convention passes it: of an array also its owners, which are none."""
    if isinstance(argument, tuple):
        return [word for part in argument for word in _flattened(part)]
    return [0, 0, argument.size, argument.itemsize, address_of(argument), *argument.shape, *argument.strides]


def caller_of(function: Any) -> Any:
    """Return an intrinsic `call(entry)`: calls a function with the arguments that `entry_of` wrote at an address.

    The function is called where it was compiled, and is no part of the code that calls it.
    """

    @intrinsic
    def call(typing_context, entry):  # type: ignore[no-untyped-def]
        resolved = function.nopython_signatures[-1]

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = context.call_conv.get_function_type(resolved.return_type, resolved.args)
            words = builder.inttoptr(args[0], _I64.as_pointer())

            def word(k: int, wanted: Any) -> Any:
                found = builder.load(builder.gep(words, [_I64(k)]))
                return builder.inttoptr(found, wanted) if isinstance(wanted, ir.PointerType) else found

            result, error = (builder.alloca(pointer.pointee) for pointer in kind.args[:2])
            given = [word(k, wanted) for k, wanted in enumerate(kind.args[2:], 1)]
            builder.call(word(0, kind.as_pointer()), [result, error, *given])
            return context.get_dummy_value() if resolved.return_type == types.none else builder.load(result)

        return resolved.return_type(types.int64), codegen

    return call


def _operation(result: Any, n: int, emit: Callable[..., Any], last: Any = types.int64) -> Any:
    """Return an intrinsic of n whole numbers, of which the last may be of another type."""
    signature = result(*(types.int64,) * (n - 1), last)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit(builder, *args)

    if n == 1:

        @intrinsic
        def unary(typing_context, a):  # type: ignore[no-untyped-def]
            return signature, codegen

        return unary
    if n == 2:

        @intrinsic
        def binary(typing_context, a, b):  # type: ignore[no-untyped-def]
            return signature, codegen

        return binary

    @intrinsic
    def ternary(typing_context, a, b, c):  # type: ignore[no-untyped-def]
        return signature, codegen

    return ternary


def _element(kind: Any) -> Callable[..., Any]:
    return lambda builder, base, k: builder.gep(builder.inttoptr(base, kind.as_pointer()), [k])


def _stored(builder: Any, value: Any, place: Any) -> Any:
    builder.store(value, place)
    return value


def _external(name: str, result: Any, *kinds: Any) -> Callable[..., Any]:
    """Return the call of a function of Python's C interface."""
    function = ir.FunctionType(result, kinds)

    def emit(builder: Any, *arguments: Any) -> Any:
        found = builder.module.globals.get(name) or ir.Function(builder.module, function, name)
        return builder.call(found, arguments)

    return emit


_word, _double, _byte = _element(_I64), _element(_F64), _element(_I8)
_item = _external("PyDict_GetItemWithError", _I64, _I64, _I64)
_as_double = _external("PyLong_AsDouble", _F64, _I64)
_occurred = _external("PyErr_Occurred", _I64)
_clear = _external("PyErr_Clear", ir.VoidType())

# Elements of an array, by the address of the first and an index.
word_at = _operation(types.int64, 2, lambda builder, base, k: builder.load(_word(builder, base, k)))
double_at = _operation(types.float64, 2, lambda builder, base, k: builder.load(_double(builder, base, k)))
byte_at = _operation(types.uint8, 2, lambda builder, base, k: builder.load(_byte(builder, base, k)))
put_word = _operation(types.int64, 3, lambda builder, base, k, x: _stored(builder, x, _word(builder, base, k)))
put_double = _operation(
    types.float64, 3, lambda builder, base, k, x: _stored(builder, x, _double(builder, base, k)), types.float64
)


def _item_or_none(builder: Any, mapping: Any, key: Any) -> Any:
    item = _item(builder, mapping, key)
    with builder.if_then(builder.icmp_signed("==", item, _I64(0)), likely=False):
        _clear(builder)
    return item


def _int_or_inf(builder: Any, item: Any) -> Any:
    value = _as_double(builder, item)
    before = builder.block
    with builder.if_then(builder.fcmp_ordered("==", value, _F64(-1.0)), likely=False):  # a number, or an error
        failed = builder.icmp_signed("!=", _occurred(builder), _I64(0))
        _clear(builder)
        checked, inside = builder.select(failed, _F64(float("inf")), value), builder.block
    found = builder.phi(_F64)
    found.add_incoming(value, before)
    found.add_incoming(checked, inside)
    return found


# Objects of Python by address; their references are borrowed.
type_of = _operation(types.int64, 1, lambda builder, item: builder.load(_word(builder, item, _I64(_TYPE_AT // 8))))
size_of = _operation(types.int64, 1, _external("PyDict_Size", _I64, _I64))
item_of = _operation(types.int64, 2, _item_or_none)  # 0 where a dictionary has no such key
float_of = _operation(
    types.float64, 1, lambda builder, item: builder.load(_double(builder, item, _I64(_FLOAT_AT // 8)))
)
int_of = _operation(types.float64, 1, _int_or_inf)  # of an int, as a float; infinite where it has no place in one
