"""Traces as other tools write them: names, outcomes, columns that select branches, ChampSim records, zstd."""

from __future__ import annotations

import lzma

import numpy as np
import pytest

from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.traces import marks
from edgelearn.branch.traces.champsim import CLOUD_RECORD, RECORD
from edgelearn.branch.traces.source import open_trace
from edgelearn.config import BranchSettings
from edgelearn.errors import UserError
from edgelearn.runs.branch import BranchWork
from edgelearn.runs.registry import run as run_branches

RNG = np.random.default_rng(11)
PCS = RNG.choice(np.array([0x401A10, 0x401A2C, 0x7FFF00401A10, 0x4F0000], np.uint64), 300).tolist()
TAKEN = RNG.integers(0, 2, 300).tolist()
ROWS = list(zip(PCS, TAKEN, strict=True))


def read(path, **more):
    source = open_trace(path, **more)
    blocks = list(source.full_blocks())
    return source, np.concatenate([b.pc for b in blocks]).tolist(), np.concatenate([b.taken for b in blocks]).tolist()


TEXTS = {
    "t and n": ("x.txt", "".join(f"{pc:08x} {'nt'[t]}\n" for pc, t in ROWS)),
    "letter first": ("x.txt", "".join(f"B {pc:x} {t}\n" for pc, t in ROWS)),
    "outcome first": ("x.txt", "".join(f"{'NT'[t]} 0x{pc:x}\n" for pc, t in ROWS)),
    "no prefix": ("x.csv", "pc,taken\n" + "".join(f"{pc:X},{t}\n" for pc, t in ROWS)),
    "names": ("x.csv", "Branch_Address;Outcome\n" + "".join(f"0x{pc:x};{t}\n" for pc, t in ROWS)),
    "booleans": ("x.csv", "taken,ip\n" + "".join(f"{bool(t)},{pc}\n" for pc, t in ROWS)),
    "words": ("x.tsv", "addr\tdirection\n" + "".join(f"0x{pc:x}\t{('not taken', 'taken')[t]}\n" for pc, t in ROWS)),
    "header of savetxt": ("x.txt", "# pc taken\n" + "".join(f"{pc} {t}\n" for pc, t in ROWS)),
    "signs": ("x.csv", "pc, taken\n" + "".join(f"{pc}, {2 * t - 1}\n" for pc, t in ROWS)),
    "no header": ("x.csv", "".join(f"0x{pc:x},{t}\n" for pc, t in ROWS)),
    "comments": ("x.txt", "# of a course\n" + "".join(f"0x{pc:x} {t}\n# more\n" for pc, t in ROWS)),
    "floats of outcomes": ("x.csv", "pc,taken\n" + "".join(f"{pc},{t}.0\n" for pc, t in ROWS)),
    "cond words": (
        "x.csv", "pc,type,taken\n" + "".join(f"{pc},BRANCH_CONDITIONAL,{t}\n9,BRANCH_RETURN,1\n" for pc, t in ROWS),
    ),
    "conditional flags": (
        "x.csv", "pc,target,taken,is_cond\n" + "".join(f"{pc},{pc + 8},{t},True\n9,4,1,False\n" for pc, t in ROWS),
    ),
    "calls and returns": (
        "x.csv", "pc,taken,is_call,is_return\n" + "".join(f"{pc},{t},0,0\n9,1,1,0\n9,1,0,1\n" for pc, t in ROWS),
    ),
    "mnemonics": (
        "x.csv", "pc,opcode,taken\n" + "".join(f"{pc},b.ne,{t}\n9,bl,1\n9,b,1\n9,ret,1\n" for pc, t in ROWS),
    ),
    "letters of kinds": ("x.txt", "".join(f"b {pc:x} {t}\nj 9f 1\n" for pc, t in ROWS)),
}  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_other_tools(tmp_path, name, at_once, monkeypatch):
    if not at_once:
        from edgelearn.branch.traces.text import Text

        monkeypatch.setattr(Text, "_at_once", lambda *_: None)
    file, text = TEXTS[name]
    (tmp_path / file).write_text(text)
    source, pc, taken = read(tmp_path / file)
    assert (pc, taken) == (PCS, TAKEN)
    assert "addresses differ above bit 31; predictors index by their low 32 bits" in source.notes


def test_a_column_that_selects_branches_or_is_passed_over_is_noted(tmp_path):
    (tmp_path / "x.csv").write_text("pc,taken,cond,thread\n0x40,1,1,0\n0x44,1,0,0\n")
    source, pc, _ = read(tmp_path / "x.csv")
    assert pc == [0x40]
    assert source.notes == ["column 'cond' selects the conditional branches", "columns passed over: thread"]
    np.savez(tmp_path / "x.npz", ip=[64, 68, 72], outcome=[1, 1, 0], conditional=[1, 0, 1], icount=[5, 2, 4], core=[0])
    source, pc, taken = read(tmp_path / "x.npz")
    assert (pc, taken, source.instructions, source.n) == ([64, 72], [1, 0], 11, 2)
    assert source.notes == ["array 'conditional' selects the conditional branches", "arrays passed over: core"]


@pytest.mark.parametrize(
    ("column", "values", "whole", "note"),
    [
        ("instructions", [5, 1, 7, 2], 15, "instructions per row, the branch included"),
        ("icount", [5, 6, 13, 15], 15, "instructions up to the row"),
        ("instructions", [3] * 9 + [4], 31, "instructions per row, the branch included"),
        ("instructions", [5, 5, 6, 8, 8, 9, 10, 11, 12, 15, 31], 31, "instructions up to the row"),
        ("gap", [4, 0, 6, 1], 15, "instructions between branches, the branches not included"),
        ("inst_count", [9_000_000, 9_000_006, 9_000_009, 9_000_014], 15, "up to the row, from 9,000,000 on"),
    ],
)
def test_a_column_of_instructions_is_counted(tmp_path, column, values, whole, note):
    """Those of unconditional branches too."""
    lines = [f"{64 + 4 * k:#x},1,{(k + 1) % 2},{value}" for k, value in enumerate(values)]
    (tmp_path / "x.csv").write_text(f"pc,taken,conditional,{column}\n" + "\n".join(lines))
    source, pc, _ = read(tmp_path / "x.csv")
    assert (pc, source.instructions) == (list(range(64, 64 + 4 * len(values), 8)), whole)
    assert any(note in one for one in source.notes)
    content = run_branches(BranchSettings(trace=str(tmp_path / "x.csv"), predictors="always-taken,bimodal")).content
    assert content["instructions"] == whole


def test_columns_that_only_describe_an_instruction_are_passed_over(tmp_path):
    (tmp_path / "x.csv").write_text("pc,instr,opcode,taken\n0x40,je 0x80,0x74,1\n0x44,ja 0x90,0x77,0\n")
    source, pc, _ = read(tmp_path / "x.csv")
    assert (pc, source.instructions) == ([0x40, 0x44], None)
    assert source.notes == ["columns passed over: instr, opcode"]


def test_the_base_of_addresses_is_told_or_asked_for(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("401020 1\n401030 0\n")
    source, pc, _ = read(path)
    assert pc == [401020, 401030]
    assert source.notes == ["addresses are read as decimal numbers; give --address-base 16 if they are hexadecimal"]
    assert read(path, address_base=16)[1] == [0x401020, 0x401030]
    path.write_text("00401020 1\n00401030 0\n")
    source, pc, _ = read(path)
    assert pc == [0x401020, 0x401030]
    assert "for their leading zeros" in source.notes[0]
    path.write_text("401020 1\n" * 9000 + "40102f 1\n")
    with pytest.raises(
        UserError, match=r"line 9001: address '40102f' has hexadecimal digits .* give --address-base 16"
    ):
        read(path)
    np.savez(tmp_path / "x.npz", pc=[1], taken=[1])
    with pytest.raises(UserError, match="has its addresses in binary; leave --address-base out"):
        open_trace(tmp_path / "x.npz", address_base=16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pc,taken,type\n64,1,3\n", "line 2: type is '3'; give words such as conditional and jump"),
        ("pc,taken,conditional\n64,1,2\n", "line 2: conditional is '2'; give 0 or 1"),
        ("pc,taken,instructions\n64,1,0\n", "instructions is '0'; give a whole number from 1; name the column gap"),
        ("pc,taken,instructions\n64,1,-5\n", "instructions is '-5'; give a whole number from 1"),
        ("ip,addr,taken\n64,64,1\n", "has 2 columns for 'pc' (ip, addr) in its first line; name one of them"),
        ("64 1 1\n", "line 1 '64 1 1' is no branch; write 0xPC and 0 or 1"),
    ],
)
def test_what_a_table_leaves_open_is_refused(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(UserError) as error:
        read(tmp_path / "x.csv")
    assert message in str(error.value)


def test_kinds_of_branches():
    for word in ("cond", "Conditional", "JMP+DIR+CND", "jne", "JNZ", "b.eq", "cbz", "tbnz", "beqz", "COND_DIRECT", "b"):
        assert marks.conditional(word) == 1, word
    for word in ("uncond", "unconditional", "jmp", "call", "RET+IND+UCD", "direct_jump", "noncond", "BRANCH_INDIRECT"):
        assert marks.conditional(word) == 0, word
    for word in ("3", "", "add", "mov"):
        assert marks.conditional(word) is None, word
    assert (marks.conditional_code("b"), marks.conditional_code("bne")) == (0, 1)


# --- ChampSim ----------------------------------------------------------------------------------------------

KINDS = [  # written, read, whether conditional
    ((26,), (26, 25), True),
    ((26,), (26, 3), True),  # compares a register
    ((26,), (26,), False),  # direct jump
    ((26,), (3,), False),  # indirect jump
    ((26, 6), (26, 6), False),  # direct call
    ((26, 6), (26, 6, 3), False),  # indirect call
    ((26, 6), (6,), False),  # return
    ((3,), (26, 25), False),  # no branch
]


def champsim(record=RECORD):
    """Write instructions of every kind and the conditional branches of ROWS in between, 9 records each."""
    records = np.zeros(9 * len(ROWS), record)
    for k in range(8):
        written, read_, _ = KINDS[k] if k > 1 else KINDS[7]
        records["written"][k::9, : len(written)] = written
        records["read"][k::9, : len(read_)] = read_
        records["is_branch"][k::9] = records["taken"][k::9] = 26 in written
    records["written"][8::9, 1] = 26
    for k, (written, read_, _) in enumerate(KINDS[:2]):
        records["read"][8 + 9 * k :: 18, : len(read_)] = read_[::-1]
        assert written == (26,)
    records["is_branch"][8::9] = 1
    records["taken"][8::9] = TAKEN
    records["ip"] = 0x500000 + np.arange(len(records))
    records["ip"][8::9] = PCS
    return records.tobytes()


@pytest.mark.parametrize("record", [RECORD, CLOUD_RECORD])
@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_champsim_records(tmp_path, record, suffix, monkeypatch):
    monkeypatch.setattr("edgelearn.branch.traces.champsim.RECORDS", 100)
    path = tmp_path / f"600.own.champsimtrace{suffix}"
    path.write_bytes(lzma.compress(champsim(record)) if suffix else champsim(record))
    source, pc, taken = read(path)
    assert (pc, taken) == (PCS, TAKEN)
    assert (source.name, source.instructions, source.pc_shift) == ("600.own", 9 * 300, 0)
    assert (RECORD.itemsize, CLOUD_RECORD.itemsize) == (64, 96)


def test_champsim_records_that_are_cut_or_damaged(tmp_path):
    for data, message in (
        (champsim()[:-7], "ends within record 2,700, after 57 of 64 bytes"),
        (champsim()[:-55] + b"\7" + champsim()[-54:], "record 2,700: is_branch is 1 and taken 7"),
    ):
        (tmp_path / "x.trace").write_bytes(data)
        with pytest.raises(UserError, match=message):
            read(tmp_path / "x.trace")


# --- zstd --------------------------------------------------------------------------------------------------


def test_zstd(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    data = "".join(f"0x{pc:x} {t}\n" for pc, t in ROWS).encode()
    half = data.index(b"\n", len(data) // 2) + 1
    frames = zstandard.compress(data[:half]) + zstandard.compress(data[half:])
    (tmp_path / "x.txt.zst").write_bytes(frames)
    source, pc, taken = read(tmp_path / "x.txt.zst")
    assert (source.name, pc, taken) == ("x", PCS, TAKEN)
    for content, message in ((frames[:-9], "is cut off"), (frames + b"\1" * 9, "is damaged")):
        (tmp_path / "x.txt.zst").write_bytes(content)
        with pytest.raises(UserError, match=message):
            read(tmp_path / "x.txt.zst")


# --- BT9 ---------------------------------------------------------------------------------------------------

GRAPH = """BT9_SPA_TRACE_FORMAT
BT9_NODES
NODE 0 0 - 0 0
NODE 1 0x400 - 0 4 class: JMP+DIR+CND
BT9_EDGES
EDGE 0 0 1 N 0 - 3
EDGE 1 1 1 T 0x300 - 5
EDGE 2 1 1 N 0 - 2
BT9_EDGE_SEQUENCE
0
1
2
1
EOF
"""


def test_graphs_without_counts(tmp_path):
    path = tmp_path / "x.bt9"
    path.write_text(GRAPH)
    source, pc, taken = read(path)
    assert (pc, taken, source.instructions) == ([0x400] * 3, [1, 0, 1], 4 + 6 + 3 + 6)
    assert next(source.full_blocks()).backward.tolist() == [1, 1, 1]
    for found, other, message in (
        ("EOF\n", "", "is cut off: its path ends, without EOF"),
        ("0x300 - 5", "0x300 - -5", "line 7: edge 1 has -5 instructions; counts are whole numbers from 0"),
        ("- 2\n", "- 2 traverse_cnt: -4\n", "line 8: edge 2 has 2 instructions and traverse_cnt -4"),
        ("EDGE 2 1", "EDGE 1 1", "line 8: EDGE 1 stands there twice"),
    ):
        path.write_text(GRAPH.replace(found, other))
        with pytest.raises(UserError, match=message):
            read(path)


# --- floors, windows, branches -----------------------------------------------------------------------------


def test_predictors_without_state(tmp_path):
    (tmp_path / "x.csv").write_text("pc,target,taken\n64,32,1\n64,32,0\n68,99,0\n68,99,0\n72,72,0\n")
    content = run_branches(BranchSettings(trace=str(tmp_path / "x.csv"), predictors="always-taken,static")).content
    assert [row["misses"] for row in content["predictors"]] == [4, 2]
    assert [row["storage_bits"] for row in content["predictors"]] == [0, 0]
    (tmp_path / "y.csv").write_text("pc,taken\n64,1\n")
    with pytest.raises(UserError, match="static predicts by the target of a branch, and y has none; give always-taken"):
        BranchWork(BranchSettings(trace=str(tmp_path / "y.csv"), predictors="static"))
    with pytest.raises(UserError, match="and these branches have none"):
        make_predictor("static", 100).run(np.zeros(1, np.uint32), np.zeros(1, np.uint8), np.empty(0, np.uint8))


def counted(path, n=200):
    """Write branches of which branch k is the 10 k-th instruction."""
    rows = "".join(f"{64 + 4 * (k % 3)},{int(k % 5 == 0)},{10 * (k + 1)}\n" for k in range(n))
    path.write_text(f"pc,taken,instructions\n{rows}")
    return np.arange(n) % 5 == 0


@pytest.mark.parametrize(
    ("given", "part", "instructions"),
    [
        ({"warmup": 50}, slice(50, 200), 1500),
        ({"warmup_instructions": 500}, slice(50, 200), 1500),
        ({"warmup_instructions": 505}, slice(50, 200), 1495),
        ({"warmup_instructions": 300, "simulation_instructions": 205}, slice(30, 50), 205),
        ({"simulation_instructions": 400}, slice(0, 40), 400),
        ({"warmup": 20, "limit": 60}, slice(20, 60), 400),
    ],
)
def test_a_window_is_scored(tmp_path, monkeypatch, given, part, instructions):
    monkeypatch.setattr("edgelearn.runs.branch.BLOCK", 17)
    taken = counted(tmp_path / "x.csv")
    settings = BranchSettings(trace=str(tmp_path / "x.csv"), predictors="always-taken,gshare:6", **given)
    content = run_branches(settings).content
    assert content["predictors"][0]["misses"] == int((~taken[part]).sum())
    assert (content["scored_branches"], content["instructions"]) == (len(taken[part]), instructions)
    assert content["branches"] == part.stop
    assert content["predictors"][0]["mpki"] == round(1000 * int((~taken[part]).sum()) / instructions, 4)


def test_windows_that_leave_nothing_or_count_nothing(tmp_path):
    counted(tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text("pc,taken\n64,1\n")
    for name, given, message in (
        ("x", {"warmup": 200}, "the warm-up of 200 branches leaves no branch of x to score"),
        ("x", {"warmup_instructions": 5000}, "the warm-up of 5,000 instructions leaves no branch of x to score"),
        ("x", {"warmup": 2, "simulation_instructions": 9}, "--warmup counts branches"),
        ("y", {"warmup_instructions": 1}, "has no instructions per branch; give --warmup N in branches"),
    ):
        with pytest.raises(UserError, match=message):
            run_branches(BranchSettings(trace=str(tmp_path / f"{name}.csv"), predictors="bimodal", **given))
    with pytest.raises(UserError, match="--warmup is for traces"):
        run_branches(BranchSettings(warmup=4))


def test_mispredictions_by_branch_survive_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr("edgelearn.runs.branch.BLOCK", 70)
    lines = "".join(f"{pc},{t}\n" for pc, t in ROWS)
    (tmp_path / "x.csv").write_text(f"pc,taken\n{lines}")
    settings = BranchSettings(trace=str(tmp_path / "x.csv"), predictors="always-taken,bimodal", top=3, warmup=10)
    content = run_branches(settings).content
    rows = content["predictors"][0]["branches"]
    not_taken = {pc: sum(p == pc and not t for p, t in ROWS[10:]) for pc in set(PCS)}
    executed = {pc: sum(p == pc for p in PCS[10:]) for pc in set(PCS)}
    assert [row["misses"] for row in rows] == sorted(not_taken.values(), reverse=True)[:3]
    for row in rows:
        pc = int(row["address"], 16)
        assert (row["misses"], row["executions"]) == (not_taken[pc], executed[pc])
        assert row["share_percent"] == round(100 * not_taken[pc] / sum(not_taken.values()), 4)
    first, second = BranchWork(settings), BranchWork(settings)
    blocks = first.chunks()
    for _ in range(2):
        first.advance(next(blocks))
    second.restore({name: array.copy() for name, array in first.state().items()}, first.note())
    for block in second.chunks():
        second.advance(block)
    assert second.content() == content
    assert "top/counts" not in second.words()[0]
