"""Damage to inputs, drawn from a seeded generator: to cells, nodes and arrays, and to bytes."""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import random
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.robustness.documents import Arrays, Content, Document, Raw, Table, Tree

LONG = "Q" * 500  # no more than 60 letters of it may come back
NUMBERS = (
    "nan", "inf", "-inf", "1e308", "-1e308", "1e-320", "1e999", "-0.0", "0", "-1", "1e30", "2147483648", "-2147483649",
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "1" + "0" * 40, "9" * 500, "1e23", "3.5", "16777217",
    "1e5", "0.1",
)  # fmt: skip
CELLS = (
    *NUMBERS, "", " ", "?", "NA", "NaN", "null", "None", "-", ".", "x", "abc", LONG, "1,5", "1;5", "1 000", "1_000",
    "0x1f", "\uff11\uff12", "\u0663", "true", "FALSE", "2024-01-01", "01/02/2024 10:00", "12:30:15", "2024-13-45", '"', "'", '"a', "a\nb",
    "\x00", "\x1b[31m", "\ufeff", "\u202e", "é", "日本", "#", "=1+1", "%", "\t", "<b>", "1.2.3", "--5", "+-1", "1e", "e5",
    "0b1", "1j", "[1]", "{}", "1/0", "\ud800",
)  # fmt: skip


def _cell(rng: random.Random) -> str:
    return rng.choice(CELLS if rng.random() < 0.6 else NUMBERS)


# --- tables ------------------------------------------------------------------------------------------------


def _some_row(table: Table, rng: random.Random) -> int:
    return rng.randrange(len(table.rows))


def _place(table: Table, rng: random.Random) -> tuple[int, int]:
    k = _some_row(table, rng)
    return k, rng.randrange(max(len(table.rows[k]), 1))


def replace_cell(table: Table, rng: random.Random) -> None:
    k, column = _place(table, rng)
    if table.rows[k]:
        table.rows[k][column] = _cell(rng)


def replace_column(table: Table, rng: random.Random) -> None:
    column, value = _place(table, rng)[1], _cell(rng)
    several = rng.random() < 0.5
    for row in table.rows:
        if column < len(row):
            row[column] = _cell(rng) if several else value


def scale_column(table: Table, rng: random.Random) -> None:
    column, factor = _place(table, rng)[1], rng.choice((1e300, 1e38, 1e-300, -1.0, 0.0, 1e9))
    for row in table.rows:
        if column < len(row):
            try:
                row[column] = repr(float(row[column]) * factor)
            except ValueError:
                row[column] = str(factor)


def count_column(table: Table, rng: random.Random) -> None:
    column = _place(table, rng)[1]
    for k, row in enumerate(table.rows):
        if column < len(row):
            row[column] = str(k)


def drop_cell(table: Table, rng: random.Random) -> None:
    k, column = _place(table, rng)
    if table.rows[k]:
        del table.rows[k][column]


def add_cell(table: Table, rng: random.Random) -> None:
    table.rows[_some_row(table, rng)].append(_cell(rng))


def drop_column(table: Table, rng: random.Random) -> None:
    column = _place(table, rng)[1]
    for row in table.cells():
        del row[column : column + 1]


def copy_column(table: Table, rng: random.Random) -> None:
    column = _place(table, rng)[1]
    for row in table.cells():
        row.insert(column, row[column] if column < len(row) else "")


def keep_rows(table: Table, rng: random.Random) -> None:
    table.rows = table.rows[: rng.choice((0, 1, 2, 3))]


def repeat_row(table: Table, rng: random.Random) -> None:
    table.rows = [list(table.rows[_some_row(table, rng)]) for _ in table.rows]


def shuffle_rows(table: Table, rng: random.Random) -> None:
    rng.shuffle(table.rows)


def blank_row(table: Table, rng: random.Random) -> None:
    table.rows.insert(_some_row(table, rng), rng.choice(([], [""], ["#", "comment"], ["", "", ""], ["\x00"])))


def change_title(table: Table, rng: random.Random) -> None:
    if table.titles:
        k = rng.randrange(len(table.titles))
        table.titles[k] = rng.choice(
            (_cell(rng), table.titles[0], "label", "time", "t_ms", "timestamp", "y", "p", "id")
        )


def drop_titles(table: Table, rng: random.Random) -> None:
    table.titles = rng.choice(([], table.titles[:-1], [*table.titles, "more"], table.rows[0][:]))


def preamble(table: Table, rng: random.Random) -> None:
    table.head = [rng.choice(("# logger 3", "sep=;", "Device: x, y", "", "\x00", '"', "a" * 200_000, LONG))]


TABLE = (
    replace_cell, replace_cell, replace_cell, replace_column, replace_column, scale_column, count_column, drop_cell,
    add_cell, drop_column, copy_column, keep_rows, repeat_row, shuffle_rows, blank_row, change_title, drop_titles, preamble,
)  # fmt: skip


# --- trees -------------------------------------------------------------------------------------------------

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3.5, -2.5, 1e308, -1e308, 1e-320, float("nan"), float("inf"), -float("inf"), 2**31,
    2**63 - 1, -(2**63), "", " ", "x", "1", "-1", "3.5", "nan", LONG, "a\nb", "é", "\u202e", "50 Hz", "0 Hz", "-1 s", "1e308 s",
    "1e-300 W", "nan V", "10 parsec", "0", "64-0-10", "64--10", "10-10", "1-1000000000000-2", "1e3", "[]", "../x", "/", "/dev/null",
    [], [[]], [None], ["x"], [1, "x"], [1, 1], {}, {"x": {}}, {"": 1}, ["a"] * 50, [0.5], [True], {"low": 3, "nominal": 1},
)  # fmt: skip
DEEP = 3_000
RAW = (
    Raw("9" * 5000), Raw("-" + "9" * 5000), Raw("[" * DEEP + "]" * DEEP), Raw('{"a":' * DEEP + "1" + "}" * DEEP),
    Raw("1e99999"), Raw("18446744073709551616"), Raw('"\\u0000"'), Raw('"\\ud800"'), Raw("2024-01-01T10:00:00"),
    Raw("2024-01-01"), Raw("1e-5"), Raw("0x10"), Raw("!!python/object:x {}"), Raw("&a [*a]"), Raw('"""'), Raw("'"), Raw("NaN"),
    Raw("10:00:00"), Raw("{a = " * DEEP + "1" + "}" * DEEP),
)  # fmt: skip


def _value(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(VALUES)) if rng.random() < 0.85 else rng.choice(RAW)


def _places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every container with a key or an index of it."""
    if isinstance(node, dict):
        keys: Any = list(node)
    else:
        keys = range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        found.append((node, key))
        _places(node[key], found)
    return found


def _any_place(tree: Tree, rng: random.Random) -> tuple[Any, Any] | None:
    places = _places(tree, [])
    return rng.choice(places) if places else None


def replace_node(tree: Tree, rng: random.Random) -> None:
    if (place := _any_place(tree, rng)) is not None:
        node, key = place
        node[key] = _value(rng)


def drop_node(tree: Tree, rng: random.Random) -> None:
    if (place := _any_place(tree, rng)) is not None:
        node, key = place
        del node[key]


def rename_key(tree: Tree, rng: random.Random) -> None:
    if (place := _any_place(tree, rng)) is not None and isinstance(place[0], dict):
        node, key = place
        node[rng.choice((f"{key}x", str(key).upper(), "", "é", LONG, "seed", "a b"))] = node.pop(key)


def add_node(tree: Tree, rng: random.Random) -> None:
    node = rng.choice([tree, *(node for node, _ in _places(tree, []))])
    if isinstance(node, dict):
        node[
            rng.choice(("more", "seed", "rule", "kind", "name", "data", "energy_per_cycle", "area", "form", "file"))
        ] = _value(rng)
    else:
        node.insert(0, _value(rng))


def copy_node(tree: Tree, rng: random.Random) -> None:
    first, second = _any_place(tree, rng), _any_place(tree, rng)
    if first is not None and second is not None:
        first[0][first[1]] = copy.deepcopy(second[0][second[1]])


def wrap_node(tree: Tree, rng: random.Random) -> None:
    if (place := _any_place(tree, rng)) is not None:
        node, key = place
        node[key] = rng.choice(([node[key]], {"x": node[key]}, [node[key]] * 3, str(node[key])[:200]))


def change_number(tree: Tree, rng: random.Random) -> None:
    places = [
        (node, key)
        for node, key in _places(tree, [])
        if isinstance(node[key], int | float) and not isinstance(node[key], bool)
    ]
    if places:
        node, key = rng.choice(places)
        node[key] = rng.choice(
            (-node[key], node[key] + 1, node[key] * 1000, node[key] / 2, 0, 2**70, 1e300, float("nan"), str(node[key]))
        )


TREE = (
    replace_node,
    replace_node,
    replace_node,
    drop_node,
    rename_key,
    add_node,
    copy_node,
    wrap_node,
    change_number,
    change_number,
)


# --- arrays ------------------------------------------------------------------------------------------------


def _name(arrays: Arrays, rng: random.Random) -> str:
    return rng.choice(list(arrays))


def change_type(arrays: Arrays, rng: random.Random) -> None:
    name = _name(arrays, rng)
    kinds = (
        "S",
        "U8",
        "c8",
        "f2",
        "f4",
        "f8",
        "i1",
        "u1",
        "i8",
        "u8",
        ">i4",
        "?",
        "O",
        "m8[s]",
        "M8[s]",
        "V3",
        "S0",
        "f16",
        "float",
    )
    try:
        with np.errstate(all="ignore"):
            arrays[name] = arrays[name].astype(rng.choice(kinds))
    except (TypeError, ValueError):
        arrays[name] = np.array([("a", 1)], [("n", "U3"), ("k", "i4")])


def change_shape(arrays: Arrays, rng: random.Random) -> None:
    name = _name(arrays, rng)
    array = arrays[name]
    arrays[name] = rng.choice(
        (
            lambda: array[:0], lambda: array[:1], lambda: array[:-1], lambda: array[None], lambda: array[..., None],
            lambda: array.T, lambda: np.array(array.ravel()[0] if array.size else 0), lambda: np.concatenate([array, array]),
            lambda: np.zeros((0, 0)), lambda: np.broadcast_to(array, (2, *array.shape)).copy(), lambda: array[::-1].copy(),
            lambda: array.reshape(-1), lambda: np.zeros((3,) * 9),
        )
    )() if array.ndim else np.array([1, 2, 3])  # fmt: skip


def change_values(arrays: Arrays, rng: random.Random) -> None:
    name = _name(arrays, rng)
    array = arrays[name]
    if array.dtype.kind not in "iuf" or not array.size:
        return
    value = rng.choice((np.nan, np.inf, -np.inf, 1e308, -1e308, -1.0, 0.0, 0.5, 1e18, 300.0, 70000.0))
    array = array.astype(np.float64) if array.dtype.kind in "iu" and not float(value).is_integer() else array.copy()
    with np.errstate(all="ignore"):
        if array.dtype.kind in "iu":
            value = int(np.clip(value, np.iinfo(array.dtype).min // 2, np.iinfo(array.dtype).max // 2))
        if rng.random() < 0.5 or not array.ndim:
            array[...] = value
        else:
            array.reshape(-1)[rng.randrange(array.size)] = value
    arrays[name] = array


def rename_array(arrays: Arrays, rng: random.Random) -> None:
    name = _name(arrays, rng)
    new = rng.choice((f"{name}2", name.upper(), "é", "note", "t", "x", "y", "label", "a/b", LONG[:200]))
    arrays[new] = arrays.pop(name)


def drop_array(arrays: Arrays, rng: random.Random) -> None:
    del arrays[_name(arrays, rng)]


def add_array(arrays: Arrays, rng: random.Random) -> None:
    arrays[rng.choice(("test", "names", "n", "pc_shift", "address", "x_test", "y_test", "channels"))] = rng.choice(
        (
            np.zeros(3),
            np.array("x"),
            np.array(["a", "b"]),
            np.array(5),
            np.zeros((2, 2), bool),
            np.array([None, 1], object),
        )
    )


ARRAYS = (
    change_type,
    change_type,
    change_shape,
    change_shape,
    change_values,
    change_values,
    rename_array,
    drop_array,
    add_array,
)


# --- bytes -------------------------------------------------------------------------------------------------


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_start(data: bytes, rng: random.Random) -> bytes:
    return data[rng.randrange(len(data)) :]


def remove(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 2, 10, 100)) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return (
        data[:start]
        + rng.choice((b"\0", b"\0" * 50, b"\xff\xfe", b"\r", b"\n", b'"', b"\x1a", b",", b"9" * 400))
        + data[start:]
    )


def repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    part = data[start : start + 200]
    return data[:start] + part * rng.choice((2, 30)) + data[start:]


def empty(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        (b"", b"\n", b"\0", b" ", b"\xef\xbb\xbf", b"PK\x05\x06" + bytes(18), b"\x93NUMPY", b"[]", b"{}", b"null")
    )


def encode(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("latin-1")
    return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037")))


def line_ends(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", b" ", b"\x0b", b"\xe2\x80\xa8")))


def packed(data: bytes, rng: random.Random) -> bytes:
    return rng.choice((gzip.compress, bz2.compress))(data)[: rng.choice((None, -5))]


def huge_header(data: bytes, rng: random.Random) -> bytes:
    """An array of the archive that claims 10^12 values and holds none."""
    shape = rng.choice((b"(1000000, 1000000)", b"(-1, 4)", b"(4,", b"(99999999999999999999999,)", b"()", b"('a',)"))
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + b", }"
    array = b"\x93NUMPY\x01\0" + (len(head) + 1).to_bytes(2, "little") + head + b"\n" + bytes(80)
    if not data.startswith(b"PK"):
        return array if data.startswith(b"\x93NUMPY") else flip(data, rng)
    file = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
            chosen = rng.choice(old.namelist() or ["x.npy"])
            for name in old.namelist():
                new.writestr(name, array if name == chosen else old.read(name))
    except (zipfile.BadZipFile, ValueError):  # by another fault before
        return data
    return file.getvalue()


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip, flip, cut, cut, cut_start, remove, insert, repeat, empty, encode, line_ends, packed, huge_header,
)  # fmt: skip


def damaged(document: Document, rng: random.Random) -> tuple[bytes, list[str]]:
    """Return a document with one to three faults, and their names."""
    content: Content = copy.deepcopy(document.make())
    names: list[str] = []
    structured = not isinstance(content, bytes) and rng.random() < 0.75
    if structured:
        of_kind: Any = TABLE if isinstance(content, Table) else ARRAYS if _is_arrays(content) else TREE
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if content.rows if isinstance(content, Table) else content:
                mutation = rng.choice(of_kind)
                mutation(content, rng)
                names.append(mutation.__name__)
    data = document.write(content)
    if not structured or rng.random() < 0.1:
        for _ in range(rng.choice((1, 1, 2))):
            if data:
                mutation = rng.choice(BYTES)
                data = mutation(data, rng)
                names.append(mutation.__name__)
    return data, names


def _is_arrays(content: Any) -> bool:
    return all(isinstance(value, np.ndarray) for value in content.values())
