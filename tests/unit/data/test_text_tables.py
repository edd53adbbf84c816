"""Tables of text as loggers, spreadsheets and R write them: run and stream read the same rows of each."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelearn.data import columns, open_dataset
from edgelearn.data.columns import Roles
from edgelearn.data.layout import find_layout
from edgelearn.data.open_source import open_source
from edgelearn.errors import UserError
from edgelearn.network.spec import MAX_NEURONS

EXPECTED = [([1.5, 2.0], "walk"), ([-2.5, 4.0], "run"), ([3.5, -6.0], "walk")]


def both(path: Path, **roles: Any) -> list[tuple[list[float], str]]:
    """Read a table as a stream and as a data set, which must agree."""
    source = open_source(str(path), roles=Roles(**roles))
    names = [*source.class_names, ""]
    streamed = [(x.tolist(), names[y]) for block in source.blocks() for x, y in zip(block.x, block.y, strict=True)]
    data = open_dataset(path, test_fraction=0, roles=Roles(**roles))
    order = np.random.default_rng(0).permutation(len(data.train_y))
    rows = sorted(zip(order.tolist(), data.train_x.tolist(), data.train_y.tolist(), strict=True))
    assert [(x, data.class_names[y]) for _, x, y in rows] == streamed
    assert source.rejects.counts == {}
    assert tuple(data.columns.inputs if data.columns else ()) == source.channels
    assert sorted(data.notes) == sorted(source.notes)
    return streamed


PLAIN = "ax,ay,activity\n1.5,2,walk\n-2.5,4,run\n3.5,-6,walk\n"
LAYOUTS = {
    "preamble of a logger": "Logger 7, serial 12\nStart 10:45\n--------\n" + PLAIN,
    "preamble filled up by a spreadsheet": "Logger,,\nRate,50,\n" + PLAIN,
    "separator line of a spreadsheet": "sep=;\n" + PLAIN.replace(",", ";"),
    "decimal comma": PLAIN.replace(",", ";").replace(".", ","),
    "decimal comma, tab": PLAIN.replace(",", "\t").replace(".", ","),
    "decimal comma, quotes": '"ax","ay","activity"\n"1,5","2","walk"\n"-2,5","4","run"\n"3,5","-6","walk"\n',
    "separator behind each row": PLAIN.replace("\n", ",\n"),
    "separator behind each row but the header": PLAIN.replace("\n", ",\n").replace("activity,", "activity"),
    "separator behind the header alone": PLAIN.replace("activity", "activity,"),
    "other mark behind each row": PLAIN.replace("\n", ";\n"),
    "two separators behind each row": PLAIN.replace("\n", ",,\n"),
    "a column without title and values": "ax,,ay,activity\n1.5,,2,walk\n-2.5,,4,run\n3.5,,-6,walk\n",
    "names of rows": 'ax,ay,activity\n"r1",1.5,2,walk\n"r2",-2.5,4,run\n"r3",3.5,-6,walk\n',
    "numbers of rows": '"ax" "ay" "activity"\n"1" 1.5 2 "walk"\n"2" -2.5 4 "run"\n"3" 3.5 -6 "walk"\n',
    "texts and dates that are no features": "id,on,ax,ay,activity\nM0,a-b,1.5,2,walk\nM1,c,-2.5,4,run\nM2,d,3.5,-6,walk\n",
    "carriage returns": PLAIN.replace("\n", "\r"),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(LAYOUTS[layout], newline="")
    assert both(path) == EXPECTED


NOTES = {
    "preamble of a logger": "3 lines before the table were left out, the first: 'Logger 7, serial 12'",
    "decimal comma": "numbers have decimal commas",
    "names of rows": "the first column has no title and was taken for names of rows; left out",
    "a column without title and values": "columns left out, as they hold no numbers: column 2",
    "texts and dates that are no features": "columns left out, as they hold no numbers: id, on",
}


@pytest.mark.parametrize("layout", NOTES)
def test_notes(layout: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(LAYOUTS[layout])
    assert open_source(str(tmp_path / "own.csv")).notes == [NOTES[layout]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_encodings_hold_for_the_whole_file(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    rows = "".join(f"{n},{20 + n % 3},{'müde' if n % 2 else 'wach'}\n" for n in range(9))
    path.write_bytes(f"ax (m/s²),temp (°C),Zustand\n{rows}".encode(encoding))
    assert open_source(str(path)).channels == ("ax (m/s²)", "temp (°C)")
    assert both(path)[:2] == [([0.0, 20.0], "wach"), ([1.0, 21.0], "müde")]
    found = {"utf-16": "utf-16", "cp1252": "cp1252", "latin-1": "cp1252"}.get(encoding)
    note = f"own.csv is not UTF-8: read as {found} (--encoding says another)"
    assert open_source(str(path)).notes == ([note] if found else [])


def test_a_declared_encoding(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes("ä,b,y\n1,2,ж\n3,4,u\n".encode("koi8-r", errors="replace"))
    assert both(path, encoding="koi8-r")[0] == ([1.0, 2.0], "ж")
    with pytest.raises(UserError, match="encoding 'klingon' is not known"):
        open_source(str(path), roles=Roles(encoding="klingon"))
    with pytest.raises(UserError, match="is not text in ascii"):
        open_source(str(path), roles=Roles(encoding="ascii"))


def test_damaged_bytes_in_utf_8_stay_lines_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes("a (°C),y\n1,u\n".encode() + b"2,\xe9\n3,v\n")
    assert open_source(str(path)).rejects.counts == {"not text": 1}
    source = open_source(str(path))
    assert [y.tolist() for y in (block.y for block in source.blocks())] == [[0, 1]]
    assert source.rejects.counts == {"not text": 1}


def test_compressed_tables(tmp_path: Path) -> None:
    plain, packed = tmp_path / "own.csv", tmp_path / "own.csv.gz"
    plain.write_text(PLAIN)
    packed.write_bytes(gzip.compress(PLAIN.encode()))
    assert both(packed) == both(plain) == EXPECTED
    packed.write_bytes(gzip.compress(PLAIN.encode())[:-9])
    with pytest.raises(UserError, match=r"own\.csv\.gz is cut off"):
        open_source(str(packed))


def test_zstd(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "own.tsv.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(PLAIN.replace(",", "\t").encode()))
    assert both(path) == EXPECTED


def test_first_line_cut_in_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("5,2,run\n" + "".join(f"{n},{n},{n},{'uv'[n % 2]}\n" for n in range(5)))
    source = open_source(str(path))
    assert [len(block) for block in source.blocks()] == [5]
    assert source.rejects.first == {"another number of values": "line 1: 3, not 4: '5,2,run'"}
    data = open_dataset(path)
    assert len(data.train_y) + len(data.test_y) == 5
    assert "rejected: 1 another number of values (first: line 1: 3, not 4: '5,2,run')" in data.notes


def test_the_first_object_is_unlike_the_others(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    rows = '{"acc": {"x": 1, "y": 2}, "gyro": [3, 4], "label": "u"}\n{"acc": {"x": 5, "y": 6}, "gyro": [7, 8], "label": "v"}\n'
    path.write_text('{"device": "nano", "rate": 50}\n' + rows * 2)
    source = open_source(str(path))
    assert source.channels == ("acc.x", "acc.y", "gyro.1", "gyro.2")
    found = np.concatenate([block.x for block in source.blocks()])
    assert found.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]] * 2


@pytest.mark.parametrize(
    ("cell", "value"), [("1,5", 1.5), ("-0,25", -0.25), ("1.234,5", 1234.5), ("2", 2.0), ("1,5e3", 1500.0)]
)
def test_decimal_commas(cell: str, value: float, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"a;b;y\n{cell};0,5;u\n1;0,5;v\n")
    assert both(path)[0] == ([value, 0.5], "u")


def test_points_among_decimal_commas_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("a;b;y\n1,5;0,5;u\n1.5;0,5;v\n1,5;0,5;v\n")
    source = open_source(str(path), roles=Roles(decimal=","))
    assert sum(map(len, source.blocks())) == 2
    assert source.rejects.first == {"not a number": "line 3: column a is '1.5'"}


def test_more_inputs_than_can_be_built_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert columns.MAX_NEURONS == MAX_NEURONS
    monkeypatch.setattr(columns, "MAX_NEURONS", 20_000)  # lines of 500,001 cells take seconds
    path = tmp_path / "own.csv"
    path.write_text(("1," * 20_001 + "u\n") * 2)
    for read in (open_dataset, lambda path: open_source(str(path))):
        with pytest.raises(UserError, match="has 20,001 columns for features; a network takes 20,000 inputs at most"):
            read(path)


def test_one_line_is_a_layout() -> None:
    layout = find_layout(["1,2,u"])
    assert (layout.kind, layout.separator, layout.n_cells, layout.n_before) == ("csv", ",", 3, 0)


def test_an_index_of_svmlight_that_no_array_has(tmp_path: Path) -> None:
    path = tmp_path / "own.dat"
    path.write_text("1 1:2\n2 99999999999999999999999:3\n")
    with pytest.raises(UserError, match="line 2 is '2 99999999999999999999999:3'"):
        open_source(str(path))
