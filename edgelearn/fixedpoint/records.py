"""Named tuples of arrays passed by reference between compiled functions, and matrices that are parts of flat arrays.

Numba passes a tuple by value: 26 arrays are 182 arguments of every call, and one aggregate of 182 members wherever
the tuple is named. A reference is one pointer, and its attributes are loaded where they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model

Record = TypeVar("Record")


class Reference(types.Type):
    """Type of a reference to a named tuple; attributes are read as those of the tuple."""

    def __init__(self, record: Any) -> None:
        self.record = record
        super().__init__(name=f"Reference({record})")


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager: Any, reference: Reference) -> None:
        target = manager.lookup(reference.record).get_value_type()
        super().__init__(manager, reference, target.as_pointer())  # type: ignore[no-untyped-call]


@infer_getattr
class _ReferenceAttributes(AttributeTemplate):
    key = Reference

    def generic_resolve(self, reference: Reference, name: str) -> Any:  # type: ignore[override]
        fields = reference.record.fields
        return reference.record[fields.index(name)] if name in fields else None


@lower_getattr_generic(Reference)  # type: ignore[no-untyped-call, untyped-decorator]
def _load_attribute(context: Any, builder: Any, reference: Reference, value: Any, name: str) -> Any:
    place = (ir.Constant(ir.IntType(32), i) for i in (0, reference.record.fields.index(name)))
    return builder.load(builder.gep(value, list(place), inbounds=True))


@intrinsic
def _reference(typing_context, record):  # type: ignore[no-untyped-def]
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with builder.goto_entry_block():  # once per call, also inside a loop
            place = builder.alloca(args[0].type)
        builder.store(args[0], place)
        return place

    return Reference(record)(record), codegen


def _same(record: Record) -> Record:
    return record


# of a named tuple, valid until the kernel that asks for it returns
reference: Callable[[Record], Record]
reference = _same if numba.config.DISABLE_JIT else _reference  # type: ignore[attr-defined, assignment]


@intrinsic
def _matrix_at(typing_context, flat, start, n_rows, stride):  # type: ignore[no-untyped-def]
    matrix = flat.copy(ndim=2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole, part = context.make_array(flat)(context, builder, args[0]), context.make_array(matrix)(context, builder)
        _, first, rows, columns = args
        item = whole.itemsize
        context.populate_array(
            part,
            data=builder.gep(whole.data, [first]),
            shape=[rows, columns],
            strides=[builder.mul(columns, item), item],
            itemsize=item,
            meminfo=whole.meminfo,
            parent=whole.parent,
        )
        return part._getvalue()

    return matrix(flat, types.int64, types.int64, types.int64), codegen


def _plain_matrix_at(flat: Any, start: int, n_rows: int, stride: int) -> Any:
    return flat[start : start + n_rows * stride].reshape((n_rows, stride))


# rows of a flat array as a matrix, padding included; without numba's reshape, which calls a function of its own library
matrix_at: Callable[..., Any]
matrix_at = _plain_matrix_at if numba.config.DISABLE_JIT else _matrix_at  # type: ignore[attr-defined]
