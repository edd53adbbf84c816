"""One table in many dialects: `run`, `stream` (from a file and from standard input) and events read the same rows."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgelearn.config import StreamConfig, validated
from edgelearn.data import open_dataset
from edgelearn.data.columns import Roles
from edgelearn.data.events import is_event_data, open_events
from edgelearn.data.open_source import open_source
from edgelearn.errors import UserError
from edgelearn.runs.stream import open_config_source

NAMES = "ax,ay,activity"
ROWS = ("1.5,-2,walk", "3,4e0,run", "-5,6,walk", "7,8,run", "9,10,walk")
PLAIN = "\n".join([NAMES, *ROWS]) + "\n"

# Each says the same five rows of two features and a label.
TABLES: dict[str, bytes | str] = {
    "comma": PLAIN,
    "semicolon": PLAIN.replace(",", ";"),
    "tab": PLAIN.replace(",", "\t"),
    "pipe": PLAIN.replace(",", "|"),
    "white space": PLAIN.replace(",", "  "),
    "no header": "\n".join(ROWS) + "\n",
    "label first": "label,ax,ay\n" + "".join(f"{row.split(',')[2]},{row.rpartition(',')[0]}\n" for row in ROWS),
    "quotes": '"ax","ay (m/s, raw)","activity"\r\n' + "".join(f'{row.replace("walk", chr(34) + "walk" + chr(34))}\n' for row in ROWS),
    "byte order mark and CRLF": "\ufeff" + PLAIN.replace("\n", "\r\n"),
    "comments and blank lines": "# by hand\n\n" + PLAIN.replace("3,4", "\n# a pause\n3,4"),
    "titles that count": "0,1,label\n" + "\n".join(ROWS) + "\n",
    "time and subject": "t,ax,subject,ay,activity\n" + "".join(f"{n},{a},u,{b},{c}\n" for n, (a, b, c) in enumerate(row.split(",") for row in ROWS)),
}  # fmt: skip
FEATURES = [[1.5, -2.0], [3.0, 4.0], [-5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]
LABELS = ["walk", "run", "walk", "run", "walk"]
Samples = list[tuple[list[float], str]]
EXPECTED: Samples = list(zip(FEATURES, LABELS, strict=True))


def in_stream(source: Any) -> Samples:
    blocks = list(source.blocks())
    names = [*source.class_names, ""]
    return [(x.tolist(), names[y]) for block in blocks for x, y in zip(block.x, block.y, strict=True)]


def in_run(path: Path, **options: Any) -> Samples:
    """The rows in the order of the file: a split without test part is one permutation, drawn from no seed."""
    data = open_dataset(path, test_fraction=0, **options)
    order = np.random.default_rng(0).permutation(len(data.train_y))
    rows = sorted(zip(order.tolist(), data.train_x.tolist(), data.train_y.tolist(), strict=True))
    return [(x, data.class_names[y]) for _, x, y in rows]


def piped(content: bytes, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Any:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    return open_config_source(validated(StreamConfig, {"data": "-", "hidden": "4", **settings}))


def table(content: bytes | str, folder: Path, name: str = "own.csv") -> tuple[Path, bytes]:
    content = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(content)
    return folder / name, content


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("dialect", TABLES)
def test_run_and_stream_read_the_same_rows(dialect, suffix, tmp_path, monkeypatch):
    path, content = table(TABLES[dialect], tmp_path, f"own{suffix}")
    assert in_run(path) == EXPECTED
    assert in_stream(open_source(str(path))) == EXPECTED
    if dialect != "white space":  # a title line of words alone tells no separator
        assert in_stream(piped(content, monkeypatch)) == EXPECTED


@pytest.mark.parametrize("column", ["label", "Label", "1", "-3"])
def test_the_label_is_named_the_same_way(column, tmp_path, monkeypatch):
    path, content = table(TABLES["label first"], tmp_path)
    assert in_run(path, label_column=column) == EXPECTED
    assert in_stream(open_source(str(path), label_column=column)) == EXPECTED
    assert in_stream(piped(content, monkeypatch, label_column=column)) == EXPECTED
    with pytest.raises(UserError, match="column 'kind' is not known; known: ax, ay, label") as refused:
        open_dataset(path, label_column="kind")
    with pytest.raises(UserError) as refused_too:
        open_source(str(path), label_column="kind")
    assert str(refused.value) == str(refused_too.value)


def test_numbers_as_labels_are_the_same_classes(tmp_path):
    path, _ = table("a,b,y\n1,2,10\n3,4,9.0\n5,6,010\n7,8,9\n", tmp_path)
    assert open_dataset(path).class_names == open_source(str(path)).class_names == ("9", "10")
    path, _ = table("a,b,y\n1,2,1\n3,4,x\n5,6,1.0\n7,8,01\n", tmp_path)
    assert open_dataset(path).class_names == open_source(str(path)).class_names == ("1", "x")


def test_booleans_are_numbers_of_features(tmp_path, monkeypatch):
    path, content = table("a,on,y\n1,true,u\n2,False,v\n3,TRUE,u\n", tmp_path)
    expected = [([1.0, 1.0], "u"), ([2.0, 0.0], "v"), ([3.0, 1.0], "u")]
    assert in_run(path) == in_stream(open_source(str(path))) == expected
    assert in_stream(piped(content, monkeypatch)) == expected
    lines = b'{"a": 1, "on": true, "label": "u"}\n{"a": 2, "on": false, "label": "v"}\n'
    assert in_stream(piped(lines, monkeypatch)) == expected[:2]


def test_counters_beyond_floats_are_no_clock(tmp_path):
    path, _ = table("".join(f'{{"a": {10**400 + k}, "b": 1, "y": "u"}}\n' for k in range(30)), tmp_path, "own.jsonl")
    for read in (in_run, lambda path: in_stream(open_source(str(path)))):
        with pytest.raises(UserError, match="not a finite number"):
            read(path)


@pytest.mark.parametrize("roles", [{}, {"features": ("x",)}, {"label": "x"}])
def test_rows_without_values_are_no_table(roles, tmp_path):
    path, _ = table("[]\n[]\n", tmp_path, "own.jsonl")
    for read in (
        lambda: open_dataset(path, roles=Roles(**roles)),
        lambda: list(open_source(str(path), roles=Roles(**roles)).blocks()),
    ):
        with pytest.raises(UserError, match=r"another number of values.*0: \[\]"):
            read()


@pytest.mark.parametrize("folder", [".", "/", ".."])
def test_folders_without_a_name_are_no_records(folder, tmp_path, monkeypatch):
    from edgelearn.data.wfdb_records import is_record

    monkeypatch.chdir(tmp_path)
    assert not is_record(Path(folder))


BAD_LINES = {
    "3,4,5,run": "another number of values (4, not 3: '3,4,5,run')",
    ",NA,run": "a value is missing (column ay is 'NA')",
    "3,inf,run": "not a finite number (column ay is 'inf')",
    "3,x,run": "not a number (column ay is 'x')",
    "3,1e39,run": "not a finite number (column ay is '1e39')",
    "3,4,\udc81": "not text ('3,4,\ufffd')",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_cannot_be_used_is_counted_by_both(line, tmp_path, monkeypatch):
    bad = PLAIN.replace("-5,6,walk", line).encode(errors="surrogateescape")
    path, content = table(bad, tmp_path)
    reason, _, what = BAD_LINES[line].partition(" (")
    assert in_run(path) == [*EXPECTED[:2], *EXPECTED[3:]]
    assert f"rejected: 1 {reason} (first: line 4: {what}" in open_dataset(path).notes
    for source in (open_source(str(path)), piped(content, monkeypatch)):
        assert in_stream(source) == [*EXPECTED[:2], *EXPECTED[3:]]
        assert source.rejects.counts == {reason: 1}
        assert source.rejects.first == {reason: f"line 4: {what[:-1]}"}


@pytest.mark.parametrize("mark", ["", " ", "?", "NA", "N/A", "nan", "NaN", "null", "NULL", "None"])
def test_marks_of_a_missing_label(mark, tmp_path, monkeypatch):
    path, content = table(PLAIN.replace("-5,6,walk", f"-5,6,{mark}"), tmp_path)
    assert in_run(path) == [*EXPECTED[:2], *EXPECTED[3:]]
    assert "left out: 1 of 5 rows, which have no label" in open_dataset(path).notes
    for source in (open_source(str(path)), piped(content, monkeypatch)):
        assert in_stream(source) == [*EXPECTED[:2], (FEATURES[2], ""), *EXPECTED[3:]]
        assert source.rejects.counts == {}
    arff = tmp_path / "own.arff"
    rows = content.decode().partition("\n")[2]
    arff.write_text(f"@attribute ax numeric\n@attribute ay numeric\n@attribute activity {{walk,run}}\n@data\n{rows}\n")
    assert in_stream(open_source(str(arff))) == [*EXPECTED[:2], (FEATURES[2], ""), *EXPECTED[3:]]


EVENTS = "sample,t,address,value,label\nu,5,0,1,up\nu,7,2,0,up\nv,1,1,-1,down\n"


@pytest.mark.parametrize(
    "text",
    [
        EVENTS,
        EVENTS.replace(",", ";"),
        EVENTS.replace(",", "\t"),
        EVENTS.replace(",", "|"),
        "# by hand\n\n" + EVENTS.replace("u,7", "\n# a pause\nu,7"),
        "\ufeff" + EVENTS.replace("sample,t", '"Sample"," T"').replace("\n", "\r\n"),
        EVENTS.replace("5,0,1,up", "5.0,0,TRUE,up"),
    ],
    ids=["comma", "semicolon", "tab", "pipe", "comments", "quotes, mark and CRLF", "numbers"],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_events_are_read_in_the_same_dialects(text, suffix, tmp_path):
    path, _ = table(text, tmp_path, f"events{suffix}")
    assert is_event_data(str(path))
    data = open_events(str(path), test_fraction=0)
    samples = [[part.tolist() for part in data.sample(k)] + [data.class_names[data.labels[k]]] for k in range(2)]
    assert sorted(samples) == [[[0], [1], "down"], [[0, 2], [3, 2], "up"]]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("u,7,2,0", "line 3: another number of values (4, not 5: 'u,7,2,0')"),
        ("u,7,2,?,up", "line 3: a value is missing (column value is '?')"),
        ("u,7,x,0,up", "line 3: not a number (column address is 'x')"),
        ("w,7,2,0,NA", "line 3: the label is missing ('NA')"),
    ],
)
def test_events_refuse_a_line_in_the_same_words(row, fault, tmp_path):
    path, _ = table(EVENTS.replace("u,7,2,0,up", row), tmp_path)
    with pytest.raises(UserError) as refused:
        open_events(str(path))
    assert str(refused.value).startswith(f"{path} {fault}; ")


def test_a_quoted_cell_may_hold_the_end_of_a_line(tmp_path):
    text = PLAIN.replace("ax,ay", '"ax\n(m/s2)",ay').replace("7,8,run", '7,8,"run\nfast"').replace("9,10", "9,x")
    path, _ = table(text, tmp_path)
    assert "rejected: 1 not a number (first: line 8: column ay is 'x')" in open_dataset(path).notes
    path, _ = table(text.replace("9,x", "9,10"), tmp_path)
    assert in_run(path) == [*EXPECTED[:3], (FEATURES[3], "run\nfast"), EXPECTED[4]]


def test_lines_that_end_with_a_carriage_return_alone(tmp_path):
    path, _ = table(PLAIN.replace("\n", "\r"), tmp_path)
    assert in_run(path) == EXPECTED


def test_large_offsets_are_taken_off_before_the_cast(tmp_path):
    rows = [[1_500_000_000 + n % 4, n / 8] for n in range(8)]
    path, _ = table("a,b,y\n" + "".join(f"{a},{b},{'uv'[n % 2]}\n" for n, (a, b) in enumerate(rows)), tmp_path)
    expected = [([float(n % 4), n / 8], "uv"[n % 2]) for n in range(8)]
    assert in_run(path) == in_stream(open_source(str(path))) == expected
    note = "subtracted, as float32 would merge values: 1500000000 from a"
    assert open_dataset(path).notes == open_source(str(path)).notes == [note]


def test_numbers_to_predict_are_refused_in_both(tmp_path):
    path, _ = table("a,b,power\n" + "".join(f"{n},{n},{n}.5\n" for n in range(9)), tmp_path)
    for read in (open_dataset, lambda path: open_source(str(path))):
        with pytest.raises(UserError, match=r"label 0\.5 is no class; labels are whole numbers or text"):
            read(path)


def test_a_wide_table(tmp_path):
    width = 10_000
    titles = [f"f{n}" for n in range(width)]
    rows = "".join(",".join(str(n + k) for n in range(width)) + f",{k % 2}\n" for k in range(3))
    path, _ = table(",".join([*titles, "label"]) + "\n" + rows, tmp_path)
    assert open_dataset(path).n_features == len(open_source(str(path)).channels) == width


@pytest.mark.parametrize("mark", ["", " ", "?", "NA", "nan", "NaN", "null", "None", "-200", "-200.0"])
def test_a_missing_feature_is_nan(mark, tmp_path, monkeypatch):
    path, content = table(PLAIN.replace("-5,6,walk", f"-5,{mark},walk"), tmp_path)
    roles = Roles(missing=("-200",))
    for found in (
        in_run(path, roles=roles),
        in_stream(open_source(str(path), roles=roles)),
        in_stream(piped(content, monkeypatch, missing=("-200",))),
    ):
        assert [np.isnan(x).tolist() for x, _ in found] == [[False, n == 2] for n in range(5)]
        assert [name for _, name in found] == LABELS
    assert "missing: 1 of 10 values, which make no event" in open_dataset(path, roles=roles).notes


def test_a_missing_value_of_json_is_nan(monkeypatch):
    lines = (
        b'{"a": 1, "b": 2, "label": "u"}\n{"a": null, "b": 3, "label": "v"}\n{"a": 1, "label": "u"}\n{"label": "u"}\n'
    )
    source = piped(lines, monkeypatch)
    assert [np.isnan(x).tolist() for x, _ in in_stream(source)] == [[False, False], [True, False], [False, True]]
    assert source.rejects.counts == {"a value is missing": 1}
