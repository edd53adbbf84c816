"""Small valid inputs as structures: tables, trees and arrays, and the texts and bytes that are made of them."""

from __future__ import annotations

import io
import json
import math
import struct
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Raw(str):
    """A text that stands in a document as it is."""


@dataclass
class Table:
    """Titles and cells, all of them texts."""

    titles: list[str]
    rows: list[list[str]]
    head: list[str] = field(default_factory=list)  # lines above the titles

    def cells(self) -> list[list[str]]:
        return [self.titles, *self.rows] if self.titles else self.rows


Tree = dict[str, Any]
Arrays = dict[str, np.ndarray]
Content = Table | Tree | Arrays | bytes


@dataclass(frozen=True)
class Document:
    """A kind of file: its valid content, made anew for every example, and how it is written."""

    make: Callable[[], Content]
    write: Callable[[Any], bytes]


# --- writers -----------------------------------------------------------------------------------------------


def separated(by: str = ",") -> Callable[[Table], bytes]:
    def write(table: Table) -> bytes:
        return _lines([*table.head, *(by.join(cells) for cells in table.cells())])

    return write


def _lines(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def json_lines(table: Table) -> bytes:
    titles = table.titles or [str(k) for k in range(len(table.rows[0]) if table.rows else 0)]
    lines = []
    for row in table.rows:
        pairs = (f"{json.dumps(title)}: {_as_json(cell)}" for title, cell in zip(titles, row, strict=False))
        lines.append("{" + ", ".join(pairs) + "}")
    return _lines([*table.head, *lines])


def _as_json(cell: str) -> str:
    """A number stays one; NaN and infinity as Python's json writes them."""
    try:
        float(cell)
    except ValueError:
        return json.dumps(cell)
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(cell.lower(), cell)


def arff(table: Table) -> bytes:
    labels = sorted({row[-1] for row in table.rows if row})
    attributes = [f"@attribute {title} numeric" for title in table.titles[:-1]]
    attributes += [f"@attribute {title} {{{','.join(labels)}}}" for title in table.titles[-1:]]
    rows = (",".join(row) for row in table.rows)
    return _lines(["@relation small", *table.head, *attributes, "@data", *rows])


def parquet(table: Table) -> bytes:
    import pyarrow
    from pyarrow import parquet as pq

    width = max([len(table.titles), *map(len, table.rows)])
    titles = [*table.titles, *(f"more{k}" for k in range(width - len(table.titles)))]
    columns = [[row[k] if k < len(row) else None for row in table.rows] for k in range(width)]
    arrays = [pyarrow.array(_numbers_of(column)) for column in columns]
    file = io.BytesIO()
    try:
        made = pyarrow.Table.from_arrays(arrays, names=titles)
        pq.write_table(made, file)
    except (pyarrow.ArrowException, ValueError):  # what Parquet itself cannot hold
        return b"PAR1"
    return file.getvalue()


def _numbers_of(column: list[str | None]) -> list[Any]:
    for kind in (int, float):
        try:
            numbers = [None if cell in (None, "") else kind(cell) for cell in column]  # type: ignore[arg-type]
            if all(n is None or not isinstance(n, int) or abs(n) < 2**63 for n in numbers):
                return numbers
        except ValueError:
            continue
    return ["".join(c for c in str(cell) if not 0xD800 <= ord(c) < 0xE000) for cell in column]


def as_json(tree: Any) -> bytes:
    return _node(tree).encode("utf-8", "surrogatepass")


def _node(node: Any) -> str:
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {_node(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list | tuple):
        return "[" + ", ".join(map(_node, node)) + "]"
    return json.dumps(node)


def as_toml(tree: Tree) -> bytes:
    return _lines([f"{_key(key)} = {_toml(value)}" for key, value in tree.items() if value is not None])


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else json.dumps(key)


def _toml(node: Any) -> str:
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, dict):
        return (
            "{" + ", ".join(f"{_key(key)} = {_toml(value)}" for key, value in node.items() if value is not None) + "}"
        )
    if isinstance(node, list | tuple):
        return "[" + ", ".join(_toml(value) for value in node if value is not None) + "]"
    if isinstance(node, float) and not math.isfinite(node):
        return "nan" if math.isnan(node) else "inf" if node > 0 else "-inf"
    return json.dumps(node, ensure_ascii=False).replace("\x7f", "\\u007f")


def npz(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{name or "_": array for name, array in arrays.items() if name != "file"})
    return file.getvalue()


def npy(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.save(file, next(iter(arrays.values()), np.zeros(0)), allow_pickle=True)
    return file.getvalue()


def mat(arrays: Arrays) -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    kept = {name: array for name, array in arrays.items() if name.isidentifier() and array.dtype.kind in "biufSU"}
    try:
        savemat(file, kept)
    except (TypeError, ValueError, NotImplementedError):  # what MATLAB itself cannot hold
        return b"MATLAB 5.0 MAT-file"
    return file.getvalue()


def hdf5(tree: Tree) -> bytes:
    """A NIR graph: groups and data sets of arrays, numbers and texts."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        _group(root, tree)
    return file.getvalue()


def _group(group: Any, tree: Tree) -> None:
    for key, value in tree.items():
        name = "".join(c for c in str(key) if c.isalnum() or c in "_-") or "_"
        if name in group:
            continue
        if isinstance(value, dict):
            _group(group.create_group(name), value)
            continue
        try:
            group.create_dataset(
                name, data=np.array(str(value).encode()) if isinstance(value, str) else np.asarray(value)
            )
        except (TypeError, ValueError, OverflowError):  # what HDF5 itself cannot hold
            group.create_dataset(f"{name}_", data=np.array(repr(value).encode()))


def as_bytes(content: bytes) -> bytes:
    return content


# --- contents ----------------------------------------------------------------------------------------------

_RNG_SEED = 7


def _drawn() -> np.random.Generator:
    return np.random.default_rng(_RNG_SEED)


def labelled(n: int = 40, time: bool = False) -> Table:
    """Two features that separate two classes; rows in time order with `time`."""
    rng = _drawn()
    label = rng.integers(0, 2, n)
    x = rng.normal(0, 1, (n, 2)) + 2 * label[:, None]
    rows = [[f"{a:.3f}", f"{b:.3f}", "walk" if c else "rest"] for (a, b), c in zip(x, label, strict=True)]
    if time:
        rows = [[f"{k * 0.02:.2f}", *row] for k, row in enumerate(rows)]
    return Table((["time"] if time else []) + ["ax", "ay", "label"], rows)


def unlabelled_titles() -> Table:
    return Table([], labelled().rows)


def digits_of(n: int = 30) -> Arrays:
    rng = _drawn()
    y = rng.integers(0, 3, n)
    return {"x": (rng.normal(0, 1, (n, 4)) + y[:, None]).astype(np.float32), "y": y}


def stream_arrays(n: int = 60) -> Arrays:
    arrays = digits_of(n)
    return {"X": arrays["x"], "y": arrays["y"], "t": np.arange(n) * 0.02}


def recordings() -> Arrays:
    return stream_arrays() | {"offset": np.array([0, 20, 60]), "who": np.array([3, 4])}


RECORDINGS_TOML: Tree = {
    "name": "wrist", "file": "data.npz", "features": "X", "label": "y", "time": "t", "offsets": "offset",
    "subject": "who", "scale": 0.5, "classes": {"a": 0, "b": [1, 2]}, "drop": {"subject": [9]}, "order": "stored",
}  # fmt: skip


def events(n: int = 24) -> Table:
    rng = _drawn()
    rows = []
    for sample in range(n):
        for t in sorted(rng.integers(0, 40_000, 6)):
            rows.append([str(sample), str(t), str(rng.integers(0, 8)), str(sample % 2)])
    return Table(["sample", "t", "address", "label"], rows)


def event_arrays(n: int = 24) -> Arrays:
    rng = _drawn()
    return {
        "t": np.sort(rng.integers(0, 40_000, (n, 6)), axis=1).ravel(),
        "x": rng.integers(0, 4, 6 * n),
        "y": rng.integers(0, 4, 6 * n),
        "p": rng.integers(0, 2, 6 * n),
        "offset": np.arange(0, 6 * n + 1, 6),
        "label": np.arange(n) % 2,
        "width": np.array(4),
        "height": np.array(4),
    }


def event_rows(n: int = 24) -> Table:
    """Pixels and polarities, one event per row."""
    rng = _drawn()
    rows = []
    for sample in range(n):
        for t in sorted(rng.integers(0, 40_000, 6)):
            pixel = [str(rng.integers(0, 4)), str(rng.integers(0, 4)), str(rng.integers(0, 2))]
            rows.append([str(sample), str(t), *pixel, str(sample % 2)])
    return Table(["sample", "t", "x", "y", "p", "label"], rows)


def event_columns() -> Arrays:
    table = event_rows()
    return {
        title: np.array(cells, np.int64)
        for title, cells in zip(table.titles, zip(*table.rows, strict=True), strict=True)
    }


def structured(arrays: Arrays) -> bytes:
    """One structured array of the columns, of as many rows as the shortest has."""
    columns = {name or "_": np.atleast_1d(array) for name, array in arrays.items()}
    n = min((len(one) for one in columns.values()), default=0)
    fields = [(name, one.dtype, one.shape[1:]) for name, one in columns.items()]
    file = io.BytesIO()
    try:
        table = np.zeros(n, fields)
        for name, one in columns.items():
            table[name] = one[:n]
        np.save(file, table, allow_pickle=True)
    except (ValueError, TypeError):  # what NumPy itself cannot hold
        return b"\x93NUMPY"
    return file.getvalue()


def aedat_3() -> bytes:
    rng = _drawn()
    content = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"
    for _ in range(3):
        data = rng.integers(0, 4, 8) << 17 | rng.integers(0, 4, 8) << 2 | rng.integers(0, 2, 8) << 1 | 1
        content += struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, 8, 8, 8)
        content += np.stack([data, np.sort(rng.integers(0, 9999, 8))], axis=1).astype("<u4").tobytes()
    return content


def aedat_2() -> bytes:
    rng = _drawn()
    address = rng.integers(0, 4, 20) << 8 | rng.integers(0, 4, 20) << 1 | rng.integers(0, 2, 20)
    rows = np.stack([address, np.sort(rng.integers(0, 9999, 20))], axis=1).astype(">u4")
    return b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n" + rows.tobytes()


def wav() -> bytes:
    rng, file = _drawn(), io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(100)
        sound.writeframes(rng.integers(-999, 999, 80).astype("<i2").tobytes())
    return file.getvalue()


def edge_impulse() -> Tree:
    rng = _drawn()
    sensors = [{"name": "accX", "units": "m/s2"}, {"name": "accY", "units": "m/s2"}]
    values = rng.normal(0, 1, (30, 2)).round(3).tolist()
    payload = {"device_name": "a", "device_type": "b", "interval_ms": 16, "sensors": sensors, "values": values}
    return {"protected": {"ver": "v1"}, "signature": "0", "payload": payload}


def graph() -> Tree:
    """A NIR graph of 64 inputs, 8 hidden and 10 output neurons."""
    rng = _drawn()

    def neurons(n: int) -> Tree:
        numbers = {"tau": 0.016, "r": 16.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
        return {"type": "LIF"} | {name: np.full(n, value) for name, value in numbers.items()}

    nodes = {
        "input": {"type": "Input", "shape": np.array([64])},
        "w1": {"type": "Linear", "weight": rng.normal(0, 0.3, (8, 64))},
        "n1": neurons(8),
        "w2": {"type": "Linear", "weight": rng.normal(0, 0.3, (10, 8))},
        "n2": neurons(10),
        "output": {"type": "Output", "shape": np.array([10])},
    }
    edges = [[a.encode(), b.encode()] for a, b in zip(list(nodes), list(nodes)[1:], strict=False)]
    return {"version": "1.0", "node": {"type": "NIRGraph", "nodes": nodes, "edges": edges, "metadata": {}}}


def branches(n: int = 200) -> Table:
    rng = _drawn()
    return Table(
        ["pc", "taken"], [[hex(0x400000 + 4 * int(rng.integers(0, 9))), str(rng.integers(0, 2))] for _ in range(n)]
    )


def course() -> Table:
    return Table([], branches().rows)


def branch_arrays() -> Arrays:
    rows = branches().rows
    pc, taken = np.array([int(row[0], 16) for row in rows]), np.array([int(row[1]) for row in rows], np.uint8)
    return {"pc": pc, "taken": taken, "instructions": np.array(5 * len(pc))}


def branch_index() -> Arrays:
    plain = branch_arrays()
    pcs, index = np.unique(plain["pc"].astype(np.uint32), return_inverse=True)
    taken = np.packbits(plain["taken"])
    return {"pcs": pcs, "idx": index.astype(np.uint16), "taken": taken, "n": np.array(len(index))}


def bt9() -> Table:
    """A loop of two branches, one line of fields per row."""
    text = """
    BT9_SPA_TRACE_FORMAT
    bt9_minor_version: 0
    BT9_NODES
    NODE 0 0 - 0 0
    NODE 1 0x4000 - 0x34 4 class: JMP+DIR+CND behavior: DYN+DIR
    NODE 2 0x4010 - 0x34 4 class: JMP+DIR+CND behavior: DYN+DIR
    BT9_EDGES
    EDGE 0 0 1 N 0x99 - 6 traverse_cnt: 1
    EDGE 1 1 2 T 0x99 - 3 traverse_cnt: 20
    EDGE 2 2 1 N 0x99 - 4 traverse_cnt: 20
    BT9_EDGE_SEQUENCE
    """
    lines = [line.split() for line in text.strip().splitlines()]
    return Table([], [*lines, ["0"], *[["1"], ["2"]] * 20, ["EOF"]])


def cbp1() -> bytes:
    records = branch_arrays()
    found = np.zeros(len(records["pc"]), np.dtype([("pc", ">u4"), ("taken", "u1")]))
    found["pc"], found["taken"] = records["pc"], records["taken"]
    return (5 * len(found)).to_bytes(4, "big") + found.tobytes()


RUN_TOML: Tree = {
    "rule": "dfa", "bits": 6, "rounding": "stochastic", "activation": "tanh", "output": "sigmoid", "epochs": 1,
    "hidden_rate": -4, "validation_fraction": 0.25, "classes": ["3", "8"], "strict": False, "net": "64-6-2", "limit": 20, "seed": 3,
}  # fmt: skip
STREAM_TOML: Tree = {
    "hidden": "6", "window": 2, "stride": 1, "encoder": "on-off", "input_bits": 4, "sample_rate": "50 Hz", "queue": 2,
    "battery": "225 mAh at 3 V", "deadline": "20 ms", "label_fraction": 0.5, "fading": 0.99, "detector": "ddm",
}  # fmt: skip
SPIKING_TOML: Tree = {
    "spiking": True, "epochs": 1, "net": "4-6-3", "neuron": "lif", "threshold": 60, "leak": 3, "steps": 6,
    "code": "rate", "bits": 6, "rule": "drtp",
}  # fmt: skip
BRANCH_TOML: Tree = {
    "predictors": "bimodal,mdfa:12:6:4", "budget": "2KB", "iterations": 40, "function": "xor", "delay": 1, "noise": 3,
}  # fmt: skip
PLAN_TOML: Tree = {
    "question": "how many bits?", "kind": "run", "seeds": 1, "processors": ["engine-28nm"],
    "settings": {"net": "64-4-10", "epochs": 1, "limit": 20}, "axes": {"bits": [4, 6], "rule": ["drtp"]},
    "cells": [{"bits": 5, "rule": "bp"}],
}  # fmt: skip

PROCESSOR_TOML: Tree = {
    "kind": "engine", "name": "mine", "description": "one lane", "source": "own", "node": "28 nm", "voltage": "0.9 V",
    "clock": "200 MHz", "lanes": 1, "logic": "nangate45", "skips_zero_inputs": True, "update_skip": "neuron",
    "transposed_read": "adder-tree", "clock_gating": False, "shared_random_generator": False,
    "memories": {
        "weights": {"kind": "sram", "cell": "itrs-lstp", "holds": ["weight", "residual", "feedback"]},
        "others": {"kind": "sram", "cell": "itrs-hp", "holds": ["activation", "gate", "delta"], "capacity": "8 KiB"},
    },
}  # fmt: skip
MICROCONTROLLER_TOML: Tree = {
    "kind": "microcontroller", "name": "mine", "description": "a core", "source": "own", "clock": "16 MHz",
    "cycles_per_instruction": {"low": 1.5, "nominal": 1.5, "high": 3.8}, "energy_per_cycle": "20 pJ",
    "skips_zero_inputs": True, "update_skip": "neuron",
    "instructions": {
        name: {"low": 9.9, "nominal": 10.0, "high": 12.0}
        for name in ("input", "forward_mac", "neuron", "gate", "signal_mac", "update_row", "update_mac", "floor", "random_draw")
    },
}  # fmt: skip


def ert() -> Tree:
    counted = {
        "weights": ("read", "write"), "residuals": ("read", "write"), "feedback": ("read", "write"),
        "activations": ("read", "write"), "buffers": ("read", "write"), "mac": ("mac_random",),
        "random_generator": ("draw",), "feedback_generator": ("step",), "engine": ("cycle",),
    }  # fmt: skip
    tables = [
        {
            "name": f"edgelearn.{name}",
            "actions": [{"name": action, "arguments": {"data_delta": 1}, "energy": 1.5} for action in actions],
        }
        for name, actions in counted.items()
    ]
    return {"ERT": {"version": 0.3, "tables": tables}}
