"""Vectors of words as values in kernels, each one LLVM vector of a stated number of lanes.

The loop vectoriser takes as many lanes as the widest type of a loop allows: with one 32-bit sum in it, 16-bit words
use half of a register. Here the number of lanes is stated, and LLVM splits the vector into registers of the target.

A kernel unpacks what it needs, since numba resolves globals but not attributes of objects::

    V = vector_operations(32)
    load_words, add_words, store_words = V.load_words, V.add_words, V.store_words

Everything is portable LLVM but the four operations that `portable=True` names; those use an x86 instruction where the
target of numba has it. With NUMBA_DISABLE_JIT=1 every operation is a NumPy function of the same bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

_I1, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))


class Vector(types.Type):
    """Numba type of `lanes` integers of `bits`."""

    def __init__(self, bits: int, lanes: int) -> None:
        self.bits, self.lanes = bits, lanes
        super().__init__(name=f"Vector({bits}, {lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, _llvm(vector))  # type: ignore[no-untyped-call]


@functools.cache
def target_has(feature: str) -> bool:
    """Return whether the processor that numba compiles for has a feature, by its LLVM name.

    NUMBA_CPU_FEATURES replaces the features of the host. Features that NUMBA_CPU_NAME alone implies do not count.
    """
    given = numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    if given is None:
        if feature.startswith("avx") and not numba.config.ENABLE_AVX:  # type: ignore[attr-defined]
            return False
        return bool(llvm.get_host_cpu_features().get(feature, False))
    flags = {flag[1:]: flag[0] == "+" for flag in given.split(",") if flag}
    return bool(flags.get(feature, False))


@functools.cache
def vector_operations(lanes: int, portable: bool = False) -> SimpleNamespace:
    """Return operations on vectors of `lanes` lanes: compiled intrinsics, or NumPy twins with NUMBA_DISABLE_JIT=1.

    Parameters
    ----------
    lanes : int
        8, 16, 32 or 64.
    portable : bool
        Without x86 instructions in `multiply_views`, `multiply_high_words`, `multiply_rows` and `add_pairs`, whatever
        the target has.

    Returns
    -------
    SimpleNamespace
        Words are int16, sums int32, pairs int32 in half as many lanes, bytes uint8. Integers that take part are
        int16 with words and int32 with sums; addition, subtraction and multiplication wrap.

        * `load_words(array, row, column)`, `store_words(array, row, column, words)`, the same for `sums` and `bytes`:
          lanes from [row, column] of a C-contiguous matrix of that type, on into the next row where one is too short;
          memory behind the last row has to be there
        * `expect_words(array, row, column)`, `expect_bytes(array, row, column)`, `expect_entry(array, index)`: return
          nothing, begin to fetch the cache line there for a later store of words, for a later load of bytes, or for a
          later load from an array of one dimension
        * `splat_words(x)`, `splat_sums(x)`, `zero_words()`, `zero_sums()`, `zero_pairs()`
        * `add_`, `subtract_`, `multiply_`, `min_`, `max_`, `and_`, `or_`, `xor_words(x, y)`, the same for `sums`
        * `shift_left_`, `shift_right_words(x, count)`, the same for `sums`: arithmetic, by the same count in all lanes;
          `shift_lanes_right_unsigned_sums(x, counts)`: logical, by 0 .. 31, the count of each lane
        * `add_saturating_words(x, y)`
        * `equal_`, `differ_`, `below_words(x, y)`, the same for `sums`: -1 where true, else 0
        * `xor_bytes(x, y)`; `splat_fours(x)`: bytes, those of a uint32 over and over, the lowest first;
          `splat_twos(x)`: words, those of a uint32, alike
        * `below_bytes(x, y)`: words, -1 where x < y unsigned, else 0
        * `widen_words(x)`: sums; `narrow_sums(x)`: words, low 16 bits;
          `widen_bytes(x)`, `widen_signed_bytes(x)`: words; `narrow_words(x)`: bytes, low 8 bits
        * `interleave_words(x, y)`: words of twice as many lanes, x[0], y[0], x[1], y[1] ...
        * `multiply_views(words, level)`: (words >> 8) * level for levels 0 .. 255;
          `multiply_views_shifted(words, shifted)`: the same for levels 0 .. 127 that come as level << 8
        * `multiply_high_words(x, y)`: (x y + 2^14) >> 15, low 16 bits
        * `multiply_rows(x, y, f, g)`: sums f x + g y of words and int16 factors;
          `multiply_four_rows(a, b, c, d, f, g, h, i)`: f a + g b + h c + i d alike
        * `add_pairs(pairs, x, y)`: pairs[i] + x[2i] y[2i] + x[2i+1] y[2i+1]; `sum_pairs(x, y)` of two `pairs`
        * `total_words(x)`: exact int64; `total_sums(x)`, `total_pairs(x)`: int32 that wraps;
          `largest_word(x)`: int64
        * `look_up_words(table, k, positions, row)`: words table[k, positions[row, lane]] of int16 matrices
        * `any_words(x)`: whether a lane is not zero
        * `nonzero_words(x)`, `nonzero_bytes(x)`: uint64, bit i is set where lane i is not zero
        * `lowest_bit(mask)`: int64, index of the lowest set bit, 64 without one; `clear_lowest_bit(mask)`;
          `highest_bit(mask)`: int64, -1 without one; `count_bits(mask)`: int64
    """
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return plain_operations(lanes)
    return _compiled_operations(lanes, portable)


# --- NumPy twins


def plain_operations(lanes: int) -> SimpleNamespace:
    """Return the NumPy twins of `vector_operations`: vectors are arrays."""
    by_kind: dict[str, Any] = {}
    for kind, dtype in (("words", np.int16), ("sums", np.int32)):
        by_kind |= {f"{name}_{kind}": function for name, function in _plain_arithmetic(lanes, dtype).items()}
    for kind in ("words", "sums", "bytes"):
        by_kind |= {f"load_{kind}": _plain_load(lanes), f"store_{kind}": _plain_store(lanes)}
    return SimpleNamespace(
        **by_kind,
        zero_pairs=lambda: np.zeros(lanes // 2, np.int32),
        expect_words=lambda array, row, column: None,
        expect_bytes=lambda array, row, column: None,
        expect_entry=lambda array, index: None,
        add_saturating_words=lambda x, y: np.clip(x.astype(np.int32) + y, -32768, 32767).astype(np.int16),
        xor_bytes=np.bitwise_xor,
        splat_fours=lambda x: np.full(lanes // 4, x, "<u4").view(np.uint8),
        splat_twos=lambda x: np.full(lanes // 2, x, "<u4").view(np.int16),
        below_bytes=lambda x, y: -(x < y).astype(np.int16),
        widen_words=lambda x: x.astype(np.int32),
        narrow_sums=lambda x: x.astype(np.int16),
        interleave_words=lambda x, y: np.stack([x, y], axis=1).ravel(),
        widen_bytes=lambda x: x.astype(np.int16),
        widen_signed_bytes=lambda x: x.view(np.int8).astype(np.int16),
        narrow_words=lambda x: x.astype(np.uint8),
        multiply_views=lambda x, level: (x >> np.int16(8)) * np.int16(level),
        multiply_views_shifted=lambda x, shifted: (x >> np.int16(8)) * (np.int16(shifted) >> np.int16(8)),
        multiply_high_words=lambda x, y: ((x.astype(np.int32) * y + (1 << 14)) >> 15).astype(np.int16),
        multiply_rows=lambda x, y, f, g: x.astype(np.int32) * np.int32(f) + y.astype(np.int32) * np.int32(g),
        multiply_four_rows=lambda a, b, c, d, *factors: sum(
            x.astype(np.int32) * np.int32(f) for x, f in zip((a, b, c, d), factors, strict=True)
        ),
        add_pairs=lambda pairs, x, y: pairs + (x.astype(np.int64) * y).reshape(-1, 2).sum(axis=1).astype(np.int32),
        sum_pairs=lambda x, y: x + y,
        total_words=lambda x: int(x.sum(dtype=np.int64)),
        total_sums=lambda x: int(x.sum(dtype=np.int32)),
        total_pairs=lambda x: int(x.sum(dtype=np.int32)),
        largest_word=lambda x: int(x.max()),
        look_up_words=lambda table, k, positions, row: table[k, positions[row, :lanes]],
        any_words=lambda x: bool(x.any()),
        nonzero_words=_plain_mask,
        nonzero_bytes=_plain_mask,
        lowest_bit=lambda mask: (int(mask) & -int(mask)).bit_length() - 1 if mask else 64,
        clear_lowest_bit=lambda mask: int(mask) & (int(mask) - 1),
        count_bits=lambda mask: int(mask).bit_count(),
        highest_bit=lambda mask: int(mask).bit_length() - 1,
        shift_lanes_right_unsigned_sums=lambda x, counts: (x.view(np.uint32) >> counts.view(np.uint32)).view(np.int32),
    )


def _plain_arithmetic(lanes: int, dtype: Any) -> dict[str, Callable[..., np.ndarray]]:
    """Return operations that words and sums have in common."""
    return {
        "zero": lambda: np.zeros(lanes, dtype),
        "splat": lambda x: np.full(lanes, x, dtype),
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "min": np.minimum,
        "max": np.maximum,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
        "shift_left": lambda x, count: x << dtype(count),
        "shift_right": lambda x, count: x >> dtype(count),
        "equal": lambda x, y: -(x == y).astype(dtype),
        "differ": lambda x, y: -(x != y).astype(dtype),
        "below": lambda x, y: -(x < y).astype(dtype),
    }


def _plain_load(lanes: int) -> Callable[..., np.ndarray]:
    return lambda array, row, column: _lanes_at(array, row, column, lanes).copy()


def _lanes_at(array: np.ndarray, row: int, column: int, lanes: int) -> np.ndarray:
    """Return a view of lanes from [row, column], which go on into the next row where this one is too short."""
    view = array[row, column : column + lanes]
    return view if len(view) == lanes else np.lib.stride_tricks.as_strided(view, (lanes,))


def _plain_store(lanes: int) -> Callable[..., None]:
    def store(array: np.ndarray, row: int, column: int, values: np.ndarray) -> None:
        _lanes_at(array, row, column, lanes)[:] = values

    return store


def _plain_mask(x: np.ndarray) -> int:
    return int.from_bytes(np.packbits(x != 0, bitorder="little").tobytes(), "little")


# --- intrinsics: from here on only with compilation, where coverage does not look


def _compiled_operations(lanes: int, portable: bool) -> SimpleNamespace:
    words, sums, pairs, octets = Vector(16, lanes), Vector(32, lanes), Vector(32, lanes // 2), Vector(8, lanes)
    operations: dict[str, Any] = {}
    for kind, vector, number in (("words", words, types.int16), ("sums", sums, types.int32)):
        for name, (arguments, emit) in _arithmetic(vector, number).items():
            operations[f"{name}_{kind}"] = _operation(vector, arguments, emit)
    for kind, vector, dtype in (
        ("words", words, types.int16),
        ("sums", sums, types.int32),
        ("bytes", octets, types.uint8),
    ):
        operations[f"load_{kind}"], operations[f"store_{kind}"] = _load(vector, dtype), _store(vector, dtype)
    return SimpleNamespace(
        **operations,
        expect_words=_expect(types.int16, for_store=1),
        expect_bytes=_expect(types.uint8, for_store=0),
        expect_entry=_expect_entry(),
        zero_pairs=_operation(pairs, (), lambda b: ir.Constant(_llvm(pairs), None)),
        add_saturating_words=_operation(words, (words, words), _call("llvm.sadd.sat")),
        xor_bytes=_operation(octets, (octets, octets), lambda b, x, y: b.xor(x, y)),
        splat_fours=_operation(
            octets, (types.uint32,), lambda b, x: b.bitcast(_splat(b, x, lanes // 4), _llvm(octets))
        ),
        splat_twos=_operation(words, (types.uint32,), lambda b, x: b.bitcast(_splat(b, x, lanes // 2), _llvm(words))),
        below_bytes=_operation(
            words, (octets, octets), lambda b, x, y: b.sext(b.icmp_unsigned("<", x, y), _llvm(words))
        ),
        widen_words=_operation(sums, (words,), lambda b, x: b.sext(x, _llvm(sums))),
        narrow_sums=_operation(words, (sums,), lambda b, x: b.trunc(x, _llvm(words))),
        interleave_words=_operation(
            Vector(16, 2 * lanes),
            (words, words),
            lambda b, x, y: _pick_of_two(b, x, y, [i for lane in range(lanes) for i in (lane, lanes + lane)]),
        ),
        widen_bytes=_operation(words, (octets,), lambda b, x: b.zext(x, _llvm(words))),
        widen_signed_bytes=_operation(words, (octets,), lambda b, x: b.sext(x, _llvm(words))),
        narrow_words=_operation(octets, (words,), lambda b, x: b.trunc(x, _llvm(octets))),
        multiply_views=_operation(words, (words, types.int16), _multiply_views(portable)),
        multiply_views_shifted=_operation(words, (words, types.int16), _multiply_views(portable, shifted=True)),
        multiply_high_words=_operation(words, (words, words), _multiply_high(portable)),
        multiply_rows=_operation(sums, (words,) * 2 + (types.int16,) * 2, _multiply_rows(portable)),
        multiply_four_rows=_operation(sums, (words,) * 4 + (types.int16,) * 4, _multiply_rows(portable)),
        add_pairs=_operation(pairs, (pairs, words, words), _add_pairs(portable)),
        sum_pairs=_operation(pairs, (pairs, pairs), lambda b, x, y: b.add(x, y)),
        total_words=_operation(types.int64, (words,), lambda b, x: b.sext(_total(b, b.sext(x, _llvm(sums))), _I64)),
        total_sums=_operation(types.int32, (sums,), _total),
        total_pairs=_operation(types.int32, (pairs,), _total),
        look_up_words=_look_up(words),
        largest_word=_operation(types.int64, (words,), _largest),
        any_words=_operation(types.boolean, (words,), _any),
        nonzero_words=_operation(types.uint64, (words,), _nonzero),
        nonzero_bytes=_operation(types.uint64, (octets,), _nonzero),
        lowest_bit=_operation(types.int64, (types.uint64,), _lowest_bit),
        clear_lowest_bit=_operation(
            types.uint64, (types.uint64,), lambda b, x: b.and_(x, b.sub(x, ir.Constant(_I64, 1)))
        ),
        highest_bit=_operation(types.int64, (types.uint64,), _highest_bit),
        shift_lanes_right_unsigned_sums=_operation(sums, (sums, sums), lambda b, x, counts: b.lshr(x, counts)),
        count_bits=_operation(types.int64, (types.uint64,), lambda b, x: _function(b, "llvm.ctpop.i64", _I64, [x])),
    )


def _arithmetic(vector: Vector, number: Any) -> dict[str, tuple[tuple[Any, ...], Callable[..., Any]]]:
    """Return arguments and emitters of operations that words and sums have in common; all give such a vector."""
    kind, two, shift = _llvm(vector), (vector, vector), (vector, number)

    def compare(sign: str) -> Callable[..., Any]:
        return lambda b, x, y: b.sext(b.icmp_signed(sign, x, y), kind)

    return {
        "zero": ((), lambda b: ir.Constant(kind, None)),
        "splat": ((number,), lambda b, x: _splat(b, x, vector.lanes)),
        "add": (two, lambda b, x, y: b.add(x, y)),
        "subtract": (two, lambda b, x, y: b.sub(x, y)),
        "multiply": (two, lambda b, x, y: b.mul(x, y)),
        "min": (two, _call("llvm.smin")),
        "max": (two, _call("llvm.smax")),
        "and": (two, lambda b, x, y: b.and_(x, y)),
        "or": (two, lambda b, x, y: b.or_(x, y)),
        "xor": (two, lambda b, x, y: b.xor(x, y)),
        "shift_left": (shift, lambda b, x, count: b.shl(x, _splat(b, count, vector.lanes))),
        "shift_right": (shift, lambda b, x, count: b.ashr(x, _splat(b, count, vector.lanes))),
        "equal": (two, compare("==")),
        "differ": (two, compare("!=")),
        "below": (two, compare("<")),
    }


def _llvm(vector: Vector) -> Any:
    return ir.VectorType(ir.IntType(vector.bits), vector.lanes)


def _operation(result: Any, arguments: tuple[Any, ...], emit: Callable[..., Any]) -> Any:
    """Return an intrinsic of fixed types."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit(builder, *args)

    signature = result(*arguments)
    if len(arguments) == 0:

        @intrinsic
        def nullary(typing_context):  # type: ignore[no-untyped-def]
            return signature, codegen

        return nullary
    if len(arguments) == 1:

        @intrinsic
        def unary(typing_context, a):  # type: ignore[no-untyped-def]
            return signature, codegen

        return unary
    if len(arguments) == 2:

        @intrinsic
        def binary(typing_context, a, b):  # type: ignore[no-untyped-def]
            return signature, codegen

        return binary

    if len(arguments) == 3:

        @intrinsic
        def ternary(typing_context, a, b, c):  # type: ignore[no-untyped-def]
            return signature, codegen

        return ternary

    if len(arguments) == 4:

        @intrinsic
        def quaternary(typing_context, a, b, c, d):  # type: ignore[no-untyped-def]
            return signature, codegen

        return quaternary

    @intrinsic
    def of_eight(typing_context, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
        return signature, codegen

    return of_eight


def _load(vector: Vector, dtype: Any) -> Any:
    kind, index = _llvm(vector), types.int64

    @intrinsic
    def load(typing_context, array, row, column):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _pointer(context, builder, array, args, kind)
            return builder.load(pointer, align=vector.bits // 8)

        _check(array, dtype)
        return vector(array, index, index), codegen

    return load


def _store(vector: Vector, dtype: Any) -> Any:
    kind, index = _llvm(vector), types.int64

    @intrinsic
    def store(typing_context, array, row, column, values):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store(args[3], _pointer(context, builder, array, args, kind), align=vector.bits // 8)
            return context.get_dummy_value()

        _check(array, dtype)
        return types.void(array, index, index, vector), codegen

    return store


def _expect(dtype: Any, for_store: int) -> Any:
    @intrinsic
    def expect(typing_context, array, row, column):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _prefetch(builder, _pointer(context, builder, array, args, _I8), for_store)
            return context.get_dummy_value()

        _check(array, dtype)
        return types.void(array, types.int64, types.int64), codegen

    return expect


def _expect_entry() -> Any:
    @intrinsic
    def expect(typing_context, array, index):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = context.make_array(array)(context, builder, args[0]).data
            _prefetch(builder, builder.bitcast(builder.gep(data, [args[1]]), _I8.as_pointer()), for_store=0)
            return context.get_dummy_value()

        return types.void(array, types.int64), codegen

    return expect


def _prefetch(builder: Any, pointer: Any, for_store: int) -> None:
    """Begin to fetch the cache line of data at a pointer into the first cache; any address is allowed."""
    _function(builder, "llvm.prefetch.p0i8", ir.VoidType(), [pointer, _I32(for_store), _I32(3), _I32(1)])


def _look_up(vector: Vector) -> Any:
    kind, index = _llvm(vector), types.int64

    @intrinsic
    def look_up(typing_context, table, k, positions, row):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = _pointer(context, builder, table, (*args[:2], _I64(0)), _I16)
            place = _pointer(context, builder, positions, (*args[2:], _I64(0)), _I16)
            found = ir.Constant(kind, ir.Undefined)
            for lane in range(vector.lanes):  # from memory to a lane: stored one by one, they could not be loaded soon
                position = builder.zext(builder.load(builder.gep(place, [_I64(lane)])), _I64)
                found = builder.insert_element(found, builder.load(builder.gep(start, [position])), _I32(lane))
            return found

        _check(table, types.int16)
        _check(positions, types.int16)
        return vector(table, index, positions, index), codegen

    return look_up


def _check(array: Any, dtype: Any) -> None:
    if not isinstance(array, types.Array) or (array.ndim, array.layout, array.dtype) != (2, "C", dtype):
        raise numba.TypingError(f"a C-contiguous matrix of {dtype} is needed, not {array}")


def _pointer(context: Any, builder: Any, array_type: Any, args: Any, kind: Any) -> Any:
    """Return the address of a vector that starts at [row, column], `args` being array, row, column."""
    array, row, column = args[:3]
    matrix = context.make_array(array_type)(context, builder, array)
    columns = builder.extract_value(matrix.shape, 1)
    index = builder.add(builder.mul(row, columns), column)
    return builder.bitcast(builder.gep(matrix.data, [index], inbounds=True), kind.as_pointer())


def _function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, arguments)


def _call(name: str) -> Callable[..., Any]:
    """Return the emitter of an LLVM intrinsic of two vectors."""

    def emit(builder: Any, x: Any, y: Any) -> Any:
        return _function(builder, f"{name}.v{x.type.count}i{x.type.element.width}", x.type, [x, y])

    return emit


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    kind = ir.VectorType(scalar.type, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _pick(builder: Any, x: Any, lanes: list[int]) -> Any:
    """Return the named lanes of a vector."""
    mask = ir.Constant(ir.VectorType(_I32, len(lanes)), lanes)
    return builder.shuffle_vector(x, ir.Constant(x.type, ir.Undefined), mask)


def _pick_of_two(builder: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    """Return the named lanes of two vectors, those of the second counted on from the first."""
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))


def _join(builder: Any, pieces: list[Any]) -> Any:
    """Concatenate 1, 2, 4 ... vectors."""
    while len(pieces) > 1:
        lanes = list(range(2 * pieces[0].type.count))
        pieces = [_pick_of_two(builder, pieces[i], pieces[i + 1], lanes) for i in range(0, len(pieces), 2)]
    return pieces[0]


def _register_words(lanes: int, portable: bool) -> int:
    """Return the words in a register of the target's multiply-and-add instructions, 0 without such instructions."""
    if portable or lanes < 16 or not target_has("avx2"):
        return 0
    return min(32 if target_has("avx512bw") else 16, lanes)


def _multiply_views(portable: bool, shifted: bool = False) -> Callable[..., Any]:
    def emit(builder: Any, words: Any, level: Any) -> Any:
        lanes, eight = words.type.count, ir.Constant(_I16, 8)
        part = _register_words(lanes, portable)
        if not part:
            level = builder.ashr(level, eight) if shifted else level
            views = builder.ashr(words, ir.Constant(words.type, [8] * lanes))
            return builder.mul(views, _splat(builder, level, lanes))
        # products of unsigned bytes (0, level) and signed bytes (low, view), added in pairs: shift and product at once
        octets = ir.VectorType(_I8, 2 * part)
        factor = builder.bitcast(_splat(builder, level if shifted else builder.shl(level, eight), part), octets)
        name = "llvm.x86.avx512.pmaddubs.w.512" if part == 32 else "llvm.x86.avx2.pmadd.ub.sw"
        pieces = []
        for i in range(0, lanes, part):
            piece = builder.bitcast(_pick(builder, words, list(range(i, i + part))), octets)
            pieces.append(_function(builder, name, ir.VectorType(_I16, part), [factor, piece]))
        return _join(builder, pieces)

    return emit


def _multiply_high(portable: bool) -> Callable[..., Any]:
    def emit(builder: Any, x: Any, y: Any) -> Any:
        lanes = x.type.count
        part, kind = _register_words(lanes, portable), ir.VectorType(_I32, lanes)
        if not part:
            product = builder.mul(builder.sext(x, kind), builder.sext(y, kind))
            rounded = builder.add(product, ir.Constant(kind, [1 << 14] * lanes))
            return builder.trunc(builder.ashr(rounded, ir.Constant(kind, [15] * lanes)), x.type)
        name = "llvm.x86.avx512.pmul.hr.sw.512" if part == 32 else "llvm.x86.avx2.pmul.hr.sw"
        pieces = []
        for i in range(0, lanes, part):
            factors = [_pick(builder, v, list(range(i, i + part))) for v in (x, y)]
            pieces.append(_function(builder, name, ir.VectorType(_I16, part), factors))
        return _join(builder, pieces)

    return emit


def _multiply_rows(portable: bool) -> Callable[..., Any]:
    """Return the emitter of the sum of rows times their factors, rows before factors, an even number of each."""

    def emit(builder: Any, *arguments: Any) -> Any:
        n = len(arguments) // 2
        rows, factors = arguments[:n], arguments[n:]
        lanes = rows[0].type.count
        part, kind = _register_words(lanes, portable), ir.VectorType(_I32, lanes)
        if not part:
            products = (
                builder.mul(builder.sext(row, kind), _splat(builder, builder.sext(factor, _I32), lanes))
                for row, factor in zip(rows, factors, strict=True)
            )
            return functools.reduce(builder.add, products)
        # words of two rows take turns, so that products are added in pairs; halves of 16 bytes as the registers have
        halves = [[8 * lane + i for lane in range(part // 8) for i in range(4 * half, 4 * half + 4)] for half in (0, 1)]
        masks = [[i for word in half for i in (word, part + word)] for half in halves]
        order = [4 * lane + part // 2 * half + i for lane in range(part // 8) for half in (0, 1) for i in range(4)]
        both = [
            builder.bitcast(_splat(builder, _join_halves(builder, f, g), part // 2), ir.VectorType(_I16, part))
            for f, g in zip(factors[::2], factors[1::2], strict=True)
        ]
        name = "llvm.x86.avx512.pmaddw.d.512" if part == 32 else "llvm.x86.avx2.pmadd.wd"
        result, pieces = ir.VectorType(_I32, part // 2), []
        for i in range(0, lanes, part):
            words = [_pick(builder, row, list(range(i, i + part))) for row in rows]
            pairs = list(zip(words[::2], words[1::2], both, strict=True))
            even, odd = (  # totals are put in order once
                functools.reduce(
                    builder.add,
                    [_function(builder, name, result, [_pick_of_two(builder, x, y, mask), f]) for x, y, f in pairs],
                )
                for mask in masks
            )
            pieces.append(_pick_of_two(builder, even, odd, order))
        return _join(builder, pieces)

    return emit


def _join_halves(builder: Any, low: Any, high: Any) -> Any:
    """Return a 32-bit integer of two of 16 bits."""
    return builder.or_(
        builder.and_(builder.sext(low, _I32), ir.Constant(_I32, 0xFFFF)),
        builder.shl(builder.sext(high, _I32), ir.Constant(_I32, 16)),
    )


def _add_pairs(portable: bool) -> Callable[..., Any]:
    def emit(builder: Any, pairs: Any, x: Any, y: Any) -> Any:
        lanes = x.type.count
        part = _register_words(lanes, portable)
        if not part:
            even, odd = (
                builder.mul(*(builder.sext(_pick(builder, v, list(range(i, lanes, 2))), pairs.type) for v in (x, y)))
                for i in (0, 1)
            )
            return builder.add(pairs, builder.add(even, odd))
        name = "llvm.x86.avx512.pmaddw.d.512" if part == 32 else "llvm.x86.avx2.pmadd.wd"
        pieces = []
        for i in range(0, lanes, part):
            factors = [_pick(builder, v, list(range(i, i + part))) for v in (x, y)]
            pieces.append(_function(builder, name, ir.VectorType(_I32, part // 2), factors))
        return builder.add(pairs, _join(builder, pieces))

    return emit


def _total(builder: Any, x: Any) -> Any:
    return _function(builder, f"llvm.vector.reduce.add.v{x.type.count}i32", _I32, [x])


def _largest(builder: Any, x: Any) -> Any:
    lanes = x.type.count
    return builder.sext(_function(builder, f"llvm.vector.reduce.smax.v{lanes}i16", _I16, [x]), _I64)


def _any(builder: Any, x: Any) -> Any:
    found = _function(builder, f"llvm.vector.reduce.or.v{x.type.count}i16", _I16, [x])
    return builder.icmp_unsigned("!=", found, ir.Constant(_I16, 0))


def _nonzero(builder: Any, x: Any) -> Any:
    lanes = x.type.count
    mask = builder.bitcast(builder.icmp_unsigned("!=", x, ir.Constant(x.type, None)), ir.IntType(lanes))
    return mask if lanes == 64 else builder.zext(mask, _I64)


def _lowest_bit(builder: Any, mask: Any) -> Any:
    return _count_zeros(builder, "llvm.cttz", mask)


def _highest_bit(builder: Any, mask: Any) -> Any:
    return builder.sub(ir.Constant(_I64, 63), _count_zeros(builder, "llvm.ctlz", mask))


def _count_zeros(builder: Any, name: str, mask: Any) -> Any:
    """Return the zeros below or above the set bits of 64, 64 without one."""
    function = builder.module.declare_intrinsic(name, [_I64], ir.FunctionType(_I64, [_I64, _I1]))
    return builder.call(function, [mask, ir.Constant(_I1, 0)])
