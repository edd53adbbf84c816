"""Readers of branch traces judged by writers made by hand, by the published counts, and by faults of every kind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import tracemalloc

import numpy as np
import pytest

from edgelearn.branch.traces import columns
from edgelearn.branch.traces import npz as arrays
from edgelearn.branch.traces.pack import pack
from edgelearn.branch.traces.published import trace_names
from edgelearn.branch.traces.source import open_trace
from edgelearn.data import compressed
from edgelearn.data.downloads import data_folders
from edgelearn.errors import UserError
from tests.tools import missing, needs_compiled

COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
RNG = np.random.default_rng(5)
PC = RNG.choice(np.array([0x40D7F9, 0x8, 0xFFFFFFFF, 0xA5C8363F, 0x804242C4], np.uint32), 1003)
TAKEN = RNG.integers(0, 2, 1003).astype(np.uint8)
BRANCHES = list(zip(PC.tolist(), TAKEN.tolist(), strict=True))


# --- writers -----------------------------------------------------------------------------------------------


def course(branches=BRANCHES) -> bytes:
    return "".join(f"0x{pc:x} {taken}\n" for pc, taken in branches).encode()


def course_of_seven(branches=BRANCHES) -> bytes:
    """Write an unconditional branch before each conditional one."""
    return "".join(f"0x77\t0x10\t1\t0\t1\t0\t1\n0x{pc:x}\t0x99\t{t}\t1\t0\t0\t1\n" for pc, t in branches).encode()


def cbp1(branches=BRANCHES, instructions=98_765) -> bytes:
    return struct.pack(">I", instructions) + b"".join(struct.pack(">IB", *branch) for branch in branches)


def bt9(branches=BRANCHES) -> bytes:
    """Write each outcome as an edge of its own to an unconditional branch and back, with 3 and 0 instructions."""
    pcs = sorted({pc for pc, _ in branches})
    lines = ["BT9_SPA_TRACE_FORMAT", "bt9_minor_version: 0", "total_instruction_count: 9 # of all", "BT9_NODES"]
    lines += ["#NODE id virtual_address physical_address opcode size", "NODE 0 0 - 0 0"]
    lines += ["NODE 1 0xffffffc000001000 - 0xd6 4 class: RET+IND+UCD behavior: AT+DIR tgt_cnt: 1 # mnemonic: ret"]
    lines += [
        f"NODE {2 + i} 0xffffffc0{pc:08x} - 0x34 4 class: JMP+DIR+CND behavior: DYN+DIR" for i, pc in enumerate(pcs)
    ]
    edges, path = {(0, 2, "N"): (0, 6)}, [0]
    for pc, taken in branches:
        node = pcs.index(pc) + 2
        for key, instructions in (((node, 1, "NT"[taken]), 3), ((1, 1, "T"), 0)):
            number, _ = edges.setdefault(key, (len(edges), instructions))
            path.append(number)
    lines += ["BT9_EDGES", "#EDGE id src_id dest_id taken br_virt_target br_phy_target inst_cnt"]
    for (source, target, outcome), (number, instructions) in edges.items():
        steps = path.count(number)
        lines.append(f"EDGE {number} {source} {target} {outcome} 0x99 - {instructions} traverse_cnt: {steps}")
    return "\n".join([*lines, "BT9_EDGE_SEQUENCE", *map(str, path), "EOF # Detect incomplete files", ""]).encode()


def record(kind: int, pc: int = 0x1234, taken: int = 0, reads=(), writes=()) -> bytes:
    data = struct.pack("<QB", pc, kind)
    if kind in (1, 2):
        data += struct.pack("<QBB", 0x7FFF0000, 8, 0) + b"\0" * (kind == 2)
    if kind in (3, 4, 5, 9, 10, 11):
        data += struct.pack("<B", taken) + struct.pack("<Q", 0x5678) * taken
    data += bytes([len(reads), *reads, len(writes), *writes])
    return data + b"".join(b"\xff" * (16 if 32 <= register < 64 else 8) for register in writes)


def cbp2025(branches=BRANCHES) -> bytes:
    """Write instructions of every class between the branches: 12 records a branch, and 2 behind the last."""
    others = record(0, writes=[3, 64]) + record(1, reads=[31], writes=[33, 2]) + record(2, reads=[1, 2])
    others += b"".join(record(kind, taken=1) for kind in (4, 5, 9, 10, 11))
    others += record(6, reads=[40, 41], writes=[63]) + record(7, writes=[65]) + record(4, taken=0)
    ends = record(0) + record(1)
    return b"".join(others + record(3, 0xFFFF_FFC0_0000_0000 | pc, taken, [64]) for pc, taken in branches) + ends


def table(branches=BRANCHES) -> bytes:
    return ("pc,taken\n" + "".join(f"{pc},{taken}\n" for pc, taken in branches)).encode()


def saved(save=np.savez, **named) -> bytes:
    file = io.BytesIO()
    save(file, **named)
    return file.getvalue()


def indexed(names=("pcs", "idx"), branches=BRANCHES, save=np.savez, **more) -> bytes:
    pc, taken = np.array(branches, np.int64).reshape(-1, 2).T
    pcs, index = np.unique(pc.astype(np.uint32), return_inverse=True)
    named = {names[0]: pcs, names[1]: index.astype(np.uint16), "taken": np.packbits(taken.astype(np.uint8))}
    return saved(save, **named, n=np.int64(len(pc)), **more)


def encrypted(data: bytes) -> bytes:
    """Set the mark of encryption in every entry of a .zip file's list."""
    return re.sub(rb"(PK\x01\x02.{4}).", lambda found: found[1] + b"\1", data, flags=re.DOTALL)


FORMS = {  # name: bytes, instructions, shift
    "course.txt": (course(), None, 0),
    "seven": (course_of_seven(), None, 0),
    "DIST-own": (cbp1(), 98_765, 0),
    "path.bt9.trace": (bt9(), 7 + 1003 * 5, 2),
    "records": (cbp2025(), 1003 * 12 + 2, 2),
    "table.csv": (table(), None, 0),
    "table_of_hex.csv": (table().replace(b"pc,taken", b"taken;what; PC").replace(b"\n", b"\r\n"), None, 0),
    "plain.npz": (saved(pc=PC, taken=TAKEN), None, 0),
    "wide.npz": (saved(pc=PC.astype(np.int64), taken=TAKEN == 1, instructions=np.int64(77_000)), 77_000, 0),
    "packed.npz": (indexed(instructions=np.int64(50_000)), 50_000, 0),
    "course.npz": (indexed(("pc_table", "pc_index"), save=np.savez_compressed), None, 0),
}  # fmt: skip
FORMS["table_of_hex.csv"] = (
    ("\ufefftaken;what; PC\r\n" + "".join(f"{t};?;0x{pc:X}\r\n" for pc, t in BRANCHES)).encode(), None, 0
)  # fmt: skip


def whole(source, size=1 << 20):
    blocks = list(source.blocks(size))
    assert all(len(pc) == size for pc, _ in blocks[:-1])
    assert all(pc.dtype == np.uint32 and taken.dtype == np.uint8 for pc, taken in blocks)
    return np.concatenate([pc for pc, _ in blocks]), np.concatenate([taken for _, taken in blocks])


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_its_branches(tmp_path, name, suffix):
    data, instructions, shift = FORMS[name]
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(COMPRESS[suffix](data))
    source = open_trace(path)
    assert source.name == name.split(".")[0]
    assert source.pc_shift == shift
    for size in (1 << 20, 100, 1):  # each from the beginning
        pc, taken = whole(source, size)
        assert (pc == PC).all()
        assert (taken == TAKEN).all()
    assert source.n == 1003
    assert source.instructions == instructions
    assert not source.instructions_are_scaled
    assert open_trace(str(path), pc_shift=5).pc_shift == 5


@pytest.mark.parametrize("name", FORMS)
def test_parts_may_end_anywhere(tmp_path, name, monkeypatch):
    from edgelearn.branch.traces import binary

    monkeypatch.setattr(compressed, "PART", 97)
    monkeypatch.setattr(binary, "PART", 97)
    monkeypatch.setattr(arrays, "BRANCHES", 24)
    path = tmp_path / name
    path.write_bytes(FORMS[name][0])
    source = open_trace(path)
    pc, taken = whole(source, 10)
    assert (pc == PC).all()
    assert (taken == TAKEN).all()
    assert source.instructions == FORMS[name][1]


@pytest.mark.parametrize("name", ["course.txt", "seven", "table.csv", "table_of_hex.csv", "path.bt9.trace"])
def test_lines_read_one_by_one_are_the_same(tmp_path, name, monkeypatch):
    class Never:
        is_plain = False

        def __init__(self, *_):
            pass

    from edgelearn.branch.traces import bt9 as graph
    from edgelearn.branch.traces import text

    monkeypatch.setattr(text, "Columns", Never)
    monkeypatch.setattr(graph, "Columns", Never)
    path = tmp_path / name
    path.write_bytes(FORMS[name][0])
    pc, taken = whole(open_trace(path))
    assert (pc == PC).all()
    assert (taken == TAKEN).all()


@needs_compiled
@pytest.mark.parametrize(
    ("write", "few"),
    [
        pytest.param(course, 1000, marks=pytest.mark.slow, id="course"),
        pytest.param(cbp1, 2000, id="cbp1"),
        pytest.param(cbp2025, 50, id="cbp2025"),
        pytest.param(table, 1000, id="table"),
    ],
)
def test_memory_does_not_grow_with_the_trace(tmp_path, write, few):
    body = write()
    size = len(cbp1([])) if write is cbp1 else len(b"pc,taken\n") if write is table else 0
    peaks = []
    for times in (few, 4 * few):
        path = tmp_path / f"DIST-{times}.gz"
        path.write_bytes(gzip.compress(body[:size] + times * body[size:]))
        tracemalloc.start()
        n = sum(len(pc) for pc, _ in open_trace(path).blocks(4096))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert n == times * len(BRANCHES)
    assert peaks[1] < 1.2 * peaks[0]


def test_lines_may_be_untidy(tmp_path):
    path = tmp_path / "untidy"
    path.write_bytes(b"\r\n  0x1F\t 1 \r\n\r\n0xabcdef0123456789 0")
    assert [list(column) for column in whole(open_trace(path))] == [[0x1F, 0x23456789], [1, 0]]
    path = tmp_path / "untidy.csv"
    path.write_bytes(b'"pc", taken\n 0x1F , 1\n\n31,"0"\n18446744073709551615,1')
    assert [list(column) for column in whole(open_trace(path))] == [[31, 31, 0xFFFFFFFF], [1, 0, 1]]


def test_columns_are_plain_or_left_alone():
    assert columns.Columns(b"1 2\n3 4\n", 2).is_plain
    for text in (b"1 2 3\n4\n", b"1\n2 3\n4\n", b"\n1 2\n", b"1\n\n2 3\n"):
        assert not columns.Columns(text, 2).is_plain, text
    assert not columns.Columns(b"1,,2\n", 2, b",").is_plain
    assert not columns.Columns(b",1\n2,3\n", 2, b",").is_plain
    good = columns.Columns(b"0 12 0x1f 1\n99999 7 0xFFFFFFFFF 1\n", 4)
    assert good.decimals(0).tolist() == [0, 99999]
    assert good.addresses(1).tolist() == [12, 7]
    assert good.addresses(2).tolist() == [0x1F, 0xFFFFFFFFF]
    assert good.bits(3).tolist() == [1, 1]
    assert good.bits(1) is None
    for text in (
        b"0x\n",
        b"0xg\n",
        b"0x1\n12\n",
        b"0x00000000000000000\n",
        b"1a\n",
        b"-1\n",
        b"12345678901234567890\n",
    ):
        assert columns.Columns(text, 1).addresses(0) is None, text


# --- the packed form ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("limit", [None, 5000, 500])
def test_packed_traces_come_back(tmp_path, name, limit):
    (tmp_path / name).write_bytes(FORMS[name][0])
    first, again = open_trace(tmp_path / name), open_trace(tmp_path / name)
    target, second = tmp_path / "small.npz.xz", tmp_path / "again.npz.xz"
    pack(first, target, limit)
    pack(again, second, limit)
    assert target.read_bytes() == second.read_bytes()
    n = min(limit or 1003, 1003)
    small = open_trace(target)
    pc, taken = whole(small)
    assert (pc == PC[:n]).all()
    assert (taken == TAKEN[:n]).all()
    assert small.n == n
    assert small.pc_shift == FORMS[name][2]
    instructions = FORMS[name][1]
    if limit == 500 and instructions is not None:
        counted = {"path.bt9.trace": 7 + 500 * 5 - 1, "records": 500 * 12}.get(name)
        assert small.instructions == (counted or instructions * 500 // 1003)
        assert small.instructions_are_scaled == (counted is None)
        pack(small, target, 100)
        assert open_trace(target).instructions_are_scaled
    else:
        assert small.instructions == instructions
        assert not small.instructions_are_scaled


def test_packed_arrays_are_those_of_the_form(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"pc,taken\n9,1\n4,0\n9,1\n")
    pack(open_trace(tmp_path / "x.csv"), tmp_path / "x.npz.xz")
    held = np.load(io.BytesIO(lzma.decompress((tmp_path / "x.npz.xz").read_bytes())))
    assert {name: held[name].tolist() for name in held.files} == {
        "pcs": [4, 9], "idx": [1, 0, 1], "taken": [0b10100000], "n": 3, "pc_shift": 0, "scaled": 0
    }  # fmt: skip
    assert held["pcs"].dtype == np.uint32
    assert held["idx"].dtype == np.uint16
    many = tmp_path / "many.npz"
    many.write_bytes(saved(pc=np.arange(70_000)[::-1], taken=np.ones(70_000, np.uint8)))
    pack(open_trace(many), tmp_path / "many.npz.xz")
    assert (whole(open_trace(tmp_path / "many.npz.xz"))[0] == np.arange(70_000)[::-1]).all()


def test_a_pack_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "x.txt").write_bytes(course() + b"0x1 2\n")
    source = open_trace(tmp_path / "x.txt")
    for arguments, message in (
        ((tmp_path / "x.npz.xz",), "taken is '2'"),
        ((tmp_path / "x.npz", 10), "packed traces end in .npz.xz"),
        ((tmp_path / "x.npz.xz", 0), "limit 0 is out of range"),
        ((tmp_path / "no" / "x.npz.xz", 10), "taken is '2'"),
    ):
        with pytest.raises(UserError, match=message):
            pack(source, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    (tmp_path / "y.txt").write_bytes(course())
    with pytest.raises(UserError, match="cannot write"):
        pack(open_trace(tmp_path / "y.txt"), tmp_path / "no" / "y.npz.xz")


# --- faults ------------------------------------------------------------------------------------------------

GRAPH = bt9([(8, 1), (12, 0)])
FAULTS = {
    "empty": ("x.txt", b"", "is empty"),
    "empty inside": ("x.txt.gz", gzip.compress(b""), "is empty"),
    "blank": ("x.txt", b"\n\n", "has 0 conditional branches"),
    "noise": ("x.bin", bytes(range(128, 256)) * 99, "is no trace of a known format"),
    "cut gz": ("x.txt.gz", gzip.compress(course())[:-9], "is cut off"),
    "cut bz2": ("x.txt.bz2", bz2.compress(course())[:-9], "is cut off"),
    "cut xz": ("x.txt.xz", lzma.compress(course())[:-9], "is cut off"),
    "damaged gz": ("x.gz", gzip.compress(course())[:-8] + b"\1" * 8, "is damaged"),
    "damaged bz2": ("x.bz2", bz2.compress(course())[:20] + b"\1" * 300, "is damaged"),
    "damaged xz": ("x.xz", lzma.compress(course())[:60] + b"\1" * 300, "is damaged"),
    "text": ("x.txt", b"0x1 1\nhello world\n", "line 2 'hello world' is no branch; write 0xPC and 0 or 1"),
    "text with one cell": ("x.txt", b"0x1\n", "line 1 '0x1' is no branch"),
    "decimal": ("x.txt", b"0x1 1\n17 1\n", "line 2 '17 1' is no branch"),
    "wide address": ("x.txt", b"0x1ffffffffffffffff 1\n", "line 1 '0x1ffffffffffffffff 1' is no branch"),
    "late text": ("x.txt", course() + b"0x1 1 1\n", "line 1004 '0x1 1 1' is no branch"),
    "outcome": ("x.txt", b"0x1 1\n0x1 0\n0x1 2\n", "line 3: taken is '2'; give 0 (not taken) or 1 (taken)"),
    "conditional": ("x.txt", b"0x1 0x2 1 2 0 0 1\n", "line 1 '0x1 0x2 1 2 0 0 1' is no branch"),
    "only unconditional": ("x.txt", b"0x1 0x2 1 0 0 0 1\n", "has 0 conditional branches"),
    "long line": ("x.txt", b"0x1 1\n" + b"1" * 70_000, "line 2 is longer than"),
    "cbp1 cut": ("x", cbp1()[:-2], "ends within record 1,003, after 3 of 5 bytes"),
    "cbp1 outcome": ("x", cbp1()[:-1] + b"\7", "record 1,003: taken is 7"),
    "cbp1 header": ("DIST-x", b"\0\0\1", "has 3 bytes"),
    "cbp1 without records": ("DIST-x", b"\0\0\1\0", "has 0 conditional branches"),
    "graph cut in nodes": ("x", GRAPH[: GRAPH.index(b"BT9_EDGES")], "has no section BT9_EDGES"),
    "graph cut in edges": ("x", GRAPH[: GRAPH.index(b"BT9_EDGE_SEQ")], "has no section BT9_EDGE_SEQUENCE"),
    "no nodes": ("x", GRAPH.replace(b"BT9_NODES", b""), "has no section BT9_NODES before BT9_EDGES"),
    "only its name": ("x.bt9.trace", b"hello\n", "has no section BT9_NODES"),
    "no edges": ("x", GRAPH.replace(b"\nEDGE", b"\n#EDGE"), "has no edges below BT9_EDGES"),
    "graph cut in path": ("x", GRAPH[: GRAPH.index(b"EOF") - 2], "its path ends after 4 of 5 edges"),
    "edge of no node": ("x", GRAPH.replace(b"EDGE 1 2", b"EDGE 1 9"), "line 13: the edge leaves node 9, which is not below"),
    "edge": ("x", GRAPH.replace(b"EDGE 1 2", b"EDGE one 2"), "line 13 'EDGE one 2 1 T"),
    "node": ("x", GRAPH.replace(b"NODE 2 0x", b"NODE 2 x"), "line 8 'NODE 2 xff"),
    "no node": ("x", GRAPH.replace(b"\nNODE 2", b"\nMODE 2"), "line 8 'MODE 2 0xff"),
    "large number": ("x", GRAPH.replace(b"EDGE 1 2", b"EDGE 99999999 2"), "line 13 'EDGE 99999999 2"),
    "path that ends at once": ("x", GRAPH[: GRAPH.index(b"0\n1\n2")] + b"EOF\n", "its path has 0 edges and traverse_cnt 5"),
    "unknown edge": ("x", GRAPH.replace(b"\nEOF", b"\n77\nEOF"), "line 22: edge 77 is not below BT9_EDGES"),
    "no number": ("x", GRAPH.replace(b"\nEOF", b"\n-1\nEOF"), "line 22 '-1' is no edge"),
    "graph without conditional": ("x", GRAPH.replace(b"+CND", b"+UCD"), "has 0 conditional branches"),
    "records cut": ("x", cbp2025()[:-3], "ends within record 12,038, after"),
    "class": ("x", cbp2025() + record(12), "record 12,039: class is 12"),
    "undefined": ("x", cbp2025() + record(8), "record 12,039: class is 8"),
    "record's outcome": ("x", cbp2025() + record(3)[:9] + b"\2" + bytes(30), "record 12,039: taken is 2"),
    "register": ("x", cbp2025() + record(0, writes=[66]), "record 12,039: a register is 66"),
    "no branch among records": ("x", record(0, 1 << 63) * 9, "has 0 conditional branches"),
    "no header": ("x.csv", b"first,second\n18,0\n", "line 1 'first,second' is no branch"),
    "no outcome": ("x.csv", b"pc,count\n18,0\n", "has no column 'taken' in its first line 'pc,count'"),
    "two columns pc": ("x.csv", b"pc,taken,pc\n1,1,1\n", "has 2 columns for 'pc' (pc, pc)"),
    "only a header": ("x.csv", b"pc,taken\n", "has 0 conditional branches"),
    "cells": ("x.csv", b"pc,taken\n1,1\n1\n", "line 3 '1' is no branch; give 2 cells"),
    "empty cell": ("x.csv", b"pc,taken\n,1\n", "line 2 ',1' is no branch"),
    "negative": ("x.csv", b"pc,taken\n-4,1\n", "line 2 '-4,1' is no branch"),
    "wide": ("x.csv", b"pc,taken\n18446744073709551616,1\n", "is no branch"),
    "table's outcome": ("x.csv", b"pc,taken\n4,1\n4,2\n", "line 3: taken is '2'"),
    "no zip": ("x.npz", b"PK" + bytes(99), "is damaged (it is no .npz archive); copy it again"),
    "half a zip": ("x.npz", saved(pc=PC, taken=TAKEN)[:700], "is cut off"),
    "cut zip": ("x.npz.xz", lzma.compress(indexed())[:-9], "is cut off"),
    "no arrays": ("x.npz", saved(y=PC), "has no array pc and taken (it has y); give pc and taken, or"),
    "no n": ("x.npz", saved(pcs=PC, idx=PC, taken=TAKEN), "has no array n"),
    "kinds": ("x.npz", saved(pc=PC / 2, taken=TAKEN), "pc is float64 [1003]; give whole numbers"),
    "dimensions": ("x.npz", saved(pc=PC, taken=TAKEN[:, None]), "taken is uint8 [1003, 1]"),
    "a number as table": ("x.npz", saved(pcs=1, idx=PC, taken=TAKEN, n=1003), "pcs is int64 []; give whole numbers"),
    "no array": ("x.npz", saved(pc=PC, taken=TAKEN).replace(b"NUMPY", b"NUMBY"), "is no array"),
    "short array": ("x.npz", saved(pc=PC, taken=TAKEN).replace(b"(1003,)", b"(9003,)"), "is damaged (Bad CRC-32"),
    "no number in it": ("x.npz", saved(pc=PC, taken=TAKEN, instructions=PC[:0]), "instructions has 0 entries for 1,003 branches"),
    "encrypted": ("x.npz", encrypted(saved(pc=PC, taken=TAKEN)), "is encrypted"),
    "names": ("x.npz", saved(**{"p\n": PC, "taken": TAKEN}), "has no array pc (it has p , taken); give pc"),
    "control characters": ("x.csv", b"pc,taken\n4\r\x00,1\n", "line 2 '4 ?,1' is no branch"),
    "objects": ("x.npz", saved(pc=PC.astype(object), taken=TAKEN), "pc holds objects"),
    "lengths": ("x.npz", saved(pc=PC, taken=TAKEN[1:]), "taken has 1,002 entries for 1,003 branches; 1,003 are needed"),
    "bits": ("x.npz", saved(pcs=PC, idx=PC, taken=TAKEN, n=1003), "taken has 1,003 entries for 1,003 branches; 126 are"),
    "kind of bits": ("x.npz", saved(pcs=PC, idx=PC, taken=TAKEN == 1, n=1003), "taken is bool; give uint8"),
    "n": ("x.npz", saved(pcs=PC, idx=PC, taken=TAKEN, n=-1), "n is int64 []; give one whole number"),
    "index": ("x.npz", saved(pcs=PC[:1], idx=np.arange(3), taken=TAKEN[:1], n=3), "idx entry 2 is 1; 0 to 0 is allowed"),
    "outcomes": ("x.npz", saved(pc=PC, taken=TAKEN + 1), "is 2; 0 to 1 is allowed"),
    "no branches": ("x.npz", saved(pc=PC[:0], taken=TAKEN[:0]), "has 0 conditional branches"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_told_in_one_line(tmp_path, name):
    file, data, message = FAULTS[name]
    path = tmp_path / file
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        for _ in open_trace(path).blocks():
            pass
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_paths_and_names_that_are_not_there(tmp_path, monkeypatch):
    folder = tmp_path / "branch_traces"
    folder.mkdir()
    monkeypatch.setenv("EDGELEARN_DATA", str(tmp_path / "none"))
    for given, message in (
        (tmp_path / "no.csv", "is not a file; check the path"),
        ("no.npz.xz", "is not a file; check the path"),
        (tmp_path, "is not a file; check the path"),
        ("SM9", "trace 'SM9' was not found; give the path of a file, or name the folder that holds branch_traces/"),
    ):
        with pytest.raises(UserError) as error:
            open_trace(given)
        assert message in str(error.value)
    with pytest.raises(UserError, match="pc_shift 32 is out of range; give 0 to 31"):
        open_trace("SM1", pc_shift=32)
    for name in ("SM1.npz.xz", "own.npz"):
        data = indexed(instructions=np.int64(5000))
        (folder / name).write_bytes(lzma.compress(data) if name.endswith("xz") else data)
    (folder / "own.bz2").write_bytes(bz2.compress(course()))
    (folder / "SHORT_MOBILE-1.bt9.trace").write_bytes(bt9())
    (folder / "hello.csv").write_bytes(table())
    (folder / "broken.npz").write_bytes(b"PK")
    (folder / "README").write_bytes(b"about")
    counts = {"SHORT_MOBILE-1": 11_917_426, "SM1": 1003, "broken": None, "hello": None, "own": 1003}
    for variable in (tmp_path, folder):
        monkeypatch.setenv("EDGELEARN_DATA", str(variable))
        assert trace_names() == counts
        assert open_trace("sm1").path == folder / "SM1.npz.xz"
        assert open_trace("own").path == folder / "own.npz"
        assert open_trace("SM1").pc_shift == 2
        with pytest.raises(UserError, match=r"trace 'SM11' is not known; known: .* Did you mean 'SM1'"):
            open_trace("SM11")


# --- the published traces ----------------------------------------------------------------------------------

# name: branches, distinct addresses, taken in percent, instructions, whether they are scaled, shift
PACKED = {
    "DIST-FP-1": (1_000_000, 810, 87.82, 19_071_654, True, 0),
    "DIST-FP-2": (1_000_000, 44, 57.64, 12_179_757, True, 0),
    "DIST-INT-1": (1_000_000, 517, 55.97, 7_821_407, True, 0),
    "DIST-INT-2": (1_000_000, 247, 94.51, 7_855_530, True, 0),
    "DIST-MM-1": (1_000_000, 743, 49.67, 9_784_888, True, 0),
    "DIST-MM-2": (1_000_000, 4220, 63.31, 11_505_840, True, 0),
    "DIST-SERV-1": (1_000_000, 9579, 34.33, 7_738_862, True, 0),
    "DIST-SERV-2": (1_000_000, 5772, 28.93, 6_872_788, True, 0),
    "SM1": (1_000_000, 1223, 57.01, 12_498_619, False, 2),
    "SM2": (1_000_000, 588, 64.09, 6_757_766, False, 2),
    "SM3": (1_000_000, 1173, 89.74, 6_452_902, False, 2),
    "SM4": (1_000_000, 695, 76.18, 20_760_277, False, 2),
    "C25int": (128_874, 303, 52.74, 997_297, False, 2),
    "C25fp": (111_265, 34, 36.04, 997_728, False, 2),
}


def found(name):
    """Open a published trace that is on this machine."""
    try:
        return open_trace(name)
    except UserError as error:
        if "was not found" not in str(error) and "is not known" not in str(error):
            raise
    missing(f"trace {name} is missing; name the folder that holds branch_traces/ in the variable EDGELEARN_DATA")
    raise AssertionError


@needs_compiled
@pytest.mark.parametrize("name", PACKED)
def test_packed_traces_have_the_published_counts(name):
    source = found(name)
    branches, distinct, percent, instructions, is_scaled, shift = PACKED[name]
    pc, taken = whole(source)
    assert source.n == len(pc) == branches
    assert len(np.unique(pc)) == distinct
    assert round(100 * taken.mean(), 2) == percent
    assert source.instructions == instructions
    assert source.instructions_are_scaled == is_scaled
    assert source.pc_shift == shift


@needs_compiled
def test_a_trace_of_the_course_is_one_of_cbp1(tmp_path):
    course_trace, prefix = found("int_1"), found("DIST-INT-1")
    pc, taken = next(course_trace.blocks(1_000_000))
    other_pc, other_taken = next(prefix.blocks(1_000_000))
    assert (pc == other_pc).all()
    assert (taken == other_taken).all()
    assert (course_trace.n, course_trace.instructions) == (3_771_697, 29_499_978)
    assert not course_trace.instructions_are_scaled
    pack(course_trace, tmp_path / "int_1.npz.xz", 1_000_000)
    cut = open_trace(tmp_path / "int_1.npz.xz")
    assert (cut.instructions, cut.instructions_are_scaled) == (prefix.instructions, True)


@needs_compiled
def test_the_text_of_a_trace_is_its_arrays():
    packed = found("fp_1")
    text = next((path for root in data_folders() if (path := root / "branch_traces" / "fp_1.bz2").is_file()), None)
    if text is None:
        missing("fp_1.bz2 is missing; name the folder that holds branch_traces/ in the variable EDGELEARN_DATA")
    source = open_trace(text)
    for one, other in zip(whole(source), whole(packed), strict=True):
        assert (one == other).all()
    assert (source.n, source.instructions) == (1_546_797, 29_499_978)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_whole_graphs_have_the_published_counts(number):
    source, prefix = found(f"SHORT_MOBILE-{number}"), found(f"SM{number}")
    n = 0
    for pc, taken in source.blocks(1_000_000):
        if n == 0:
            first_pc, first_taken = next(prefix.blocks(1_000_000))
            assert (pc == first_pc).all()
            assert (taken == first_taken).all()
        n += len(pc)
    instructions = {1: 148_974_229, 2: 344_785_173, 3: 101_126_718, 4: 372_506_484}[number]
    assert (n, source.n, source.instructions) == (source.n, trace_names()[source.name], instructions)


@pytest.mark.slow
def test_a_prefix_of_a_whole_graph_is_the_packed_trace(tmp_path):
    pack(found("SHORT_MOBILE-1"), tmp_path / "x.npz.xz", 1_000_000)
    source = open_trace(tmp_path / "x.npz.xz")
    assert (source.n, source.instructions, source.pc_shift) == (1_000_000, 12_498_619, 2)
    assert not source.instructions_are_scaled
