"""Lines of text as a stream: what is read, what is counted and kept out, and when a live sample is handed over."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import re
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.data.cells import MAX_LINE
from edgelearn.data.columns import Roles
from edgelearn.data.lines import LineSource, open_lines
from edgelearn.errors import UserError

Write = Callable[..., Path]
FEW_LINES = 32


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


class Chopped:
    """Bytes that come in pieces of the given sizes, over and over."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.turn = data, sizes, 0

    def read1(self, _n: int) -> bytes:
        n = self.sizes[self.turn % len(self.sizes)]
        self.turn += 1
        piece, self.data = self.data[:n], self.data[n:]
        return piece


def fails(text: str) -> Any:
    return pytest.raises(UserError, match="^[^\n]*" + re.escape(text) + "[^\n]*$")


ROLES = {one.name for one in dataclasses.fields(Roles)}


def with_roles(options: dict[str, Any]) -> dict[str, Any]:
    roles = Roles(**{key: value for key, value in options.items() if key in ROLES})
    return {key: value for key, value in options.items() if key not in ROLES} | {"roles": roles}


def source(text: str | bytes, **options: Any) -> LineSource:
    data = text.encode() if isinstance(text, str) else text
    return LineSource(lambda: io.BytesIO(data), name="test", source="test lines", **with_roles(options))


def live(text: str | bytes, **options: Any) -> LineSource:
    data = text.encode() if isinstance(text, str) else text
    return LineSource(io.BytesIO(data), name="test", source="test lines", live=True, **with_roles(options))


def samples(stream: LineSource, start: int = 0) -> list[tuple[Any, ...]]:
    """Give line number, values, class, time and segment of every sample."""
    found = []
    for block in stream.blocks(start):
        assert block.x.dtype == np.float32
        assert block.x.flags.c_contiguous
        assert (block.y.dtype, block.t.dtype, block.segment.dtype) == (np.int64, np.float64, np.int64)
        assert len(block.x) == len(block.y) == len(block.t) == len(block.segment) == len(stream.numbers) > 0
        rows = zip(stream.numbers, block.x, block.y, block.t, block.segment, strict=True)
        for n, x, y, t, s in rows:
            cells = [math.nan if value != value else value for value in x.tolist()]  # one object, equal to itself
            found.append((int(n), cells, int(y), None if np.isnan(t) else float(t), int(s)))
    return found


def values(stream: LineSource) -> list[list[float]]:
    return [sample[1] for sample in samples(stream)]


def labels(stream: LineSource) -> list[int]:
    return [sample[2] for sample in samples(stream)]


# --- columns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("1,2,walk\n3,4,run\n", ("1", "2")),
        ("1;2;walk\n3;4;run\n", ("1", "2")),
        ("1\t2\twalk\n3\t4\trun\n", ("1", "2")),
        ("a,b,activity\n1,2,walk\n3,4,run\n", ("a", "b")),
        ('"a, left","b","class"\r\n1,2,"walk"\r\n"3",4,run\r\n', ("a, left", "b")),
        ("Label,a,b\nwalk,1,2\nrun,3,4", ("a", "b")),
        ("0,1,label\n1,2,walk\n3,4,run\n", ("0", "1")),
        ("\ufeffa,b,activity\n1,2,walk\n3,4,run\n", ("a", "b")),
        ("\ufeff1,2,walk\n3,4,run\n", ("1", "2")),
        ("# by hand\n\n  \na,b,y\n# more\n1,2,walk\n\n3,4,run\n", ("a", "b")),
        ('{"a": 1, "b": 2, "label": "walk"}\n{"label": "run", "b": 4, "a": 3, "more": []}\n', ("a", "b")),
        ('[1, 2.0, "walk"]\n[3, 4, "run"]\n', ("1", "2")),
    ],
)
def test_formats(text: str, channels: tuple[str, ...]) -> None:
    stream = source(text)
    assert (stream.channels, stream.class_names, stream.n_classes, stream.n_samples) == (
        channels,
        ("run", "walk"),
        2,
        2,
    )
    assert values(stream) == [[1, 2], [3, 4]]
    assert labels(stream) == [1, 0]
    assert stream.rejects.counts == {}
    fresh = live(text if text.endswith("\n") else f"{text}\n")
    assert (values(fresh), fresh.channels, fresh.class_names) == ([[1, 2], [3, 4]], channels, ("walk", "run"))


@pytest.mark.parametrize(
    ("header", "label", "channels"),
    [
        ("x,y,z,activity", "activity", ("x", "y", "z")),
        ("a,y,z,b", "y", ("a", "z", "b")),
        ("a,x,b,y", "y", ("a", "x", "b")),
        ("y,x,target,b", "target", ("y", "x", "b")),
        ("a,b,c,time", "c", ("a", "b")),
    ],
)
def test_which_column_is_the_label(header: str, label: str, channels: tuple[str, ...]) -> None:
    row = ",".join("7" if name == label else "1" for name in header.split(","))
    stream = source(f"{header}\n{row}\n")
    assert (stream.channels, stream.class_names) == (channels, ("7",))


def test_json_axes_are_no_labels() -> None:
    stream = source('{"x": 1, "y": 2, "z": 3}\n{"x": 1, "y": 2, "z": 3, "class": "a"}\n')
    assert (stream.channels, stream.class_names, labels(stream)) == (("x", "y", "z"), ("a",), [-1, 0])


def test_named_columns() -> None:
    text = "id,c,when,b,act,a,who\n9,3,0,2,walk,1,u\n9,6,2000,5,none,4,v\n9,6,1000,5,run,4,v\n9,0,0,0,walk,0,u\n"
    named = {"features": ("a", "b", "c"), "label": "act", "time": "when", "segment": "who"}
    stream = source(text, **named, time_scale=1e-3, scale=2.0, unlabelled="none")
    assert (stream.channels, stream.class_names) == (("a", "b", "c"), ("walk",))
    assert samples(stream) == [(2, [2, 4, 6], 0, 0, 0), (3, [8, 10, 12], -1, 2, 1), (5, [0, 0, 0], 0, 0, 2)]
    assert stream.rejects.first == {"time goes back": "line 4: from 2.0 to 1.0"}
    numbers = {"features": ("6", "4", "2"), "label": 5, "time": 3, "segment": -1}
    again = source(text.partition("\n")[2], **numbers, time_scale=1e-3, scale=2.0, unlabelled="none")
    assert [sample[1:] for sample in samples(again)] == [sample[1:] for sample in samples(stream)]


def test_ignored_columns() -> None:
    text = "id,time,a,b,kind,note\n7,noon,1,2,u,good\n8,night,3,4,v,bad\n"
    stream = source(text, ignored=("id", "time", "note"))
    assert (stream.channels, stream.class_names, stream.has_clock) == (("a", "b"), ("u", "v"), False)
    assert source('{"id": "k", "a": 1, "label": "u"}', ignored=("id",)).channels == ("a",)
    with fails("test lines: column 'nix' is not known"):
        source(text, ignored=("nix",))


def test_all_features_and_no_label() -> None:
    stream = source("a,b\n1,2\n", features=("a", "b"))
    assert (values(stream), labels(stream), stream.class_names) == ([[1, 2]], [-1], ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "clas"}, "test lines: column 'clas' is not known; known: a, b, b, class. Did you mean 'class'?"),
        ({"features": ("a", "q")}, "column 'q' is not known"),
        ({"time": 5}, "test lines: column 5 is out of range; columns count from 1 to 4, -1 is the last"),
        ({"label": 0}, "column 0 is out of range"),
        ({"label": "1.5"}, "column '1.5' is not known"),
        ({"label": "b"}, "test lines has 2 columns 'b'; rename one, or give the column's number"),
        ({"label": "a", "features": ("a", "class")}, "column 'a' is a feature and also the label"),
        ({"block_size": 0}, "block_size 0 is out of range"),
        ({"classes": ("u", "v"), "n_classes": 1}, "n_classes 1 is too small for 2 classes"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with fails(message):
        source("a,b,b,class\n1,2,3,u\n", **options)


def test_a_label_that_no_json_line_has() -> None:
    text = '{"a": 1, "kind": null}\n{"a": 2}\n'
    assert labels(source(text, label="kind")) == [-1, -1]
    with fails("test lines: column 'kid' is not known; known: a, kind. Did you mean 'kind'?"):
        source(text, label="kid", features=("a",))


def test_times_of_iso_8601() -> None:
    stream = source("t,a,label\n2024-01-01 00:00:00,1,u\n2024-01-01T02:00:00.5+01:00,2,u\nnoon,3,u\n")
    assert [sample[3] for sample in samples(stream)] == [1704067200.0, 1704070800.5]
    assert stream.rejects.first == {"not a number": "line 4: column time is 'noon'"}


# --- labels ------------------------------------------------------------------------------------------------


def test_classes_of_a_file_are_sorted() -> None:
    assert source("1,10\n1,9\n1,-1\n1,9.0\n1,009\n1,2e0\n").class_names == ("-1", "2", "9", "10")
    assert source("1,10\n1,9\n1,b\n1,B\n").class_names == ("10", "9", "B", "b")


def test_samples_without_label() -> None:
    stream = source("1,u\n2,\n3, \n4,nan\n5,v\n")
    assert (labels(stream), stream.rejects.counts) == ([0, -1, -1, -1, 1], {})
    stream = source('{"a":1,"label":1}\n{"a":2,"label":null}\n{"a":3}\n{"a":4,"label":NaN}\n{"a":5,"label":true}')
    assert (labels(stream), stream.class_names, stream.rejects.counts) == ([0, -1, -1, -1, 1], ("1", "true"), {})


def test_labels_renamed() -> None:
    stream = source("1,1\n2,2\n3,3\n4,4\n5,0\n", classes={"3": "ill", "2.0": "well", "*": "else"}, unlabelled="0")
    assert (stream.class_names, labels(stream)) == (("ill", "well", "else"), [2, 1, 0, 2, -1])


def test_no_room_for_label() -> None:
    stream = source("1,u\n2,v\n3,w\n4,v\n", classes=("v",))
    assert (labels(stream), stream.class_names, stream.n_classes) == ([-1, 0, -1, 0], ("v",), 1)
    assert stream.rejects.counts == {"no room for label": 2}
    assert stream.rejects.first == {"no room for label": "line 1: label 'u'"}
    stream = source("1,u\n2,v\n3,w\n4,v\n", classes=("v",), n_classes=2)
    assert (labels(stream), stream.class_names, stream.n_classes) == ([1, 0, -1, 0], ("v", "u"), 2)


def test_live_classes_come_in_order() -> None:
    text = "".join(f"{n * 7 % 24},k{n % 12}\n" for n in range(24))
    stream = live(text, block_size=5)
    assert stream.class_names == ()
    assert stream.n_samples is None
    assert labels(stream) == [*range(10), -1, -1] * 2
    assert stream.class_names == tuple(f"k{n}" for n in range(10))
    assert stream.rejects.counts == {"no room for label": 4}
    stream = live(text, classes=("k3", "k2"), n_classes=3)
    assert labels(stream)[:5] == [2, -1, 1, 0, -1]
    assert live(text, classes=("k3", "k2")).n_classes == 2
    assert labels(live(text, classes=("k3", "k2")))[:5] == [-1, -1, 1, 0, -1]


def test_too_many_classes_are_no_classes() -> None:
    with fails("test lines has 1,001 different labels in 1,001 rows, which are no classes; name the label column"):
        source("".join(f"1,{n}\n" for n in range(1001)))
    with fails("test lines has 21 different labels in 41 rows"):
        source("".join(f"1,u{n % 21}\n" for n in range(41)))
    assert source("".join(f"1,u{n % 21}\n" for n in range(42))).n_classes == 21


def test_numbers_to_predict_are_no_classes() -> None:
    for text in ("1,0.5\n2,1\n", "[1, 0.5]\n[2, 1]\n", "a;label\n1;?\n2;-0.5\n"):
        with fails("is no class; labels are whole numbers or text"):
            source(text)
        with fails("is no class; labels are whole numbers or text"):
            samples(live(text))
    assert source("1,0.5\n2,x\n").class_names == ("0.5", "x")
    assert source("1,0.5\n2,1.5\n", classes={"0.5": "low", "1.5": "high"}).class_names == ("low", "high")
    stream = live("1,7\n2,7.5\n3,8\n")
    assert (labels(stream), stream.rejects.counts) == ([0, -1, 1], {"not a class": 1})


@pytest.mark.parametrize("block_size", [1, 2, 1024])
def test_offsets_are_taken_off_before_the_cast(block_size: int) -> None:
    text = "".join(f"{2_000_000_000 + n % 3},{n / 7},{1e9 * n},{'uv'[n % 2]}\n" for n in range(6))
    stream = source(text, block_size=block_size)
    assert [row[0] for row in values(stream)] == [0, 1, 2, 0, 1, 2]
    assert [row[1] for row in values(stream)] == [float(np.float32(n / 7)) for n in range(6)]
    assert [row[2] for row in values(stream)] == [1e9 * n for n in range(6)]
    assert stream.notes == ["subtracted, as float32 would merge values: 2000000000 from 1"]


def test_python_numbers_that_no_table_writes() -> None:
    assert source("a,label\n1,1_0\n2,10\n").class_names == ("10", "1_0")


# --- rejects -----------------------------------------------------------------------------------------------

CSV_REJECTS = [
    (b"1,2", "another number of values", "2, not 3: '1,2'"),
    (b"1,2,3,u", "another number of values", "4, not 3: '1,2,3,u'"),
    (b"?,,u", "a value is missing", "column b is ''"),
    (b",?,u", "a value is missing", "column b is '?'"),
    (b"nan, NA ,u", "a value is missing", "column b is 'NA'"),
    (b"1,x,u", "not a number", "column b is 'x'"),
    (b'"1;5",2,u', "not a number", "column a is '1;5'"),
    (b"-inf,2,u", "not a finite number", "column a is '-inf'"),
    (b"1,3.5e38,u", "not a finite number", "column b is '3.5e38'"),
    (b"1,2,\xff", "not text", "'1,2,\ufffd'"),
    (b'1,2,"u', "", ""),  # quotes that are never closed hold one cell
    (b'1,"2,u', "another number of values", "2, not 3: '1,\"2,u'"),
    (b'1\r2,"3",u', "not CSV", "'1\\r2,\"3\",u'"),
    (b"1,2," + b"u" * MAX_LINE, "line too long", "'1,2," + "u" * 52 + "..."),
]
JSON_REJECTS = [
    (b'{"a": 1, "b": 2', "not JSON", """'{"a": 1, "b": 2'"""),
    (b"{" * 100_000, "not JSON", "'" + "{" * 56 + "..."),
    (b"7", "not JSON", "'7'"),
    (b"[1, 2, 3]", "not JSON", "not object '[1, 2, 3]'"),
    (b'{"a": null, "label": "u"}', "a value is missing", "no 'b'"),
    (b'{"b": null}', "a value is missing", "column b is None"),
    (b'{"a": 1, "b": "2"}', "not a number", "column b is '2'"),
    (b'{"a": 1, "b": [2]}', "not a number", "column b is [2]"),
    (b'{"b": NaN}', "a value is missing", "column b is nan"),
    (b'{"a": 1, "b": 1e999}', "not a finite number", "column b is inf"),
    (b'{"a": 1, "b": 1' + b"0" * 400 + b"}", "not a finite number", "column b is 1" + "0" * 56 + "..."),
    (b'{"a": 1, "b": 2, "label": ["u"]}', "not a label", "label ['u']"),
    (b'{"a": 1, "b": 2, "label": "\xff"}', "not text", """'{"a": 1, "b": 2, "label": "\ufffd"}'"""),
]


@pytest.mark.parametrize(("line", "reason", "what"), CSV_REJECTS, ids=range(len(CSV_REJECTS)))
@pytest.mark.parametrize("n_around", [1, 3 * FEW_LINES])
def test_rejects_of_csv(line: bytes, reason: str, what: str, n_around: int) -> None:
    good = b"1,2,u\n" * n_around
    check_reject(b"a,b,label\n" + good, line, good, reason, what, n_around)


@pytest.mark.parametrize(("line", "reason", "what"), JSON_REJECTS, ids=range(len(JSON_REJECTS)))
@pytest.mark.parametrize("n_around", [1, 3 * FEW_LINES])
def test_rejects_of_json(line: bytes, reason: str, what: str, n_around: int) -> None:
    good = b'{"a": 1, "b": 2.0, "label": "u"}\n' * n_around
    check_reject(good, line, good, reason, what, n_around)


def check_reject(before: bytes, line: bytes, after: bytes, reason: str, what: str, n_around: int) -> None:
    number = before.count(b"\n") + 1
    for stream in (source(before + line + b"\n" + after), live(before + line + b"\n" + after)):
        n_bad = 1 if reason else 0
        found = samples(stream)
        assert [sample[1] for sample in found] == [[1, 2]] * (2 * n_around + 1 - n_bad)
        assert (number in [sample[0] for sample in found]) == (not reason)
        assert stream.rejects.counts == ({reason: 1} if reason else {})
        assert stream.rejects.first == ({reason: f"line {number}: {what}"} if reason else {})


def test_rejects_of_json_arrays() -> None:
    stream = source('[1, 2, "u"]\n[1, 2]\n[1, "2", "u"]\n{"a": 1}\n[3, 4, null]\n')
    assert (values(stream), labels(stream)) == ([[1, 2], [3, 4]], [0, -1])
    assert stream.rejects.counts == {"another number of values": 1, "not a number": 1, "not JSON": 1}


@pytest.mark.parametrize("n_around", [1, 3 * FEW_LINES])
def test_time_goes_back_only_within_a_segment(n_around: int) -> None:
    rows = [f"{0.5 * n},1,u,A" for n in range(n_around)]
    rows += ["-1,1,u,A", "-2,1,u,B", "-2,1,u,B", "nan,1,u,B", ",1,u,B", "0,1,u", "-1.5,1,u,B", "9,1,u,A"]
    stream = source("t,a,label,subject\n" + "\n".join(rows))
    found = samples(stream)[n_around:]
    assert [(t, segment) for _, _, _, t, segment in found] == [(-2, 1), (-2, 1), (-1.5, 1), (9, 2)]
    names = ["time goes back", "a value is missing", "another number of values"]
    assert stream.rejects.counts == dict.fromkeys(names, 1) | {"a value is missing": 2}
    assert stream.rejects.first["time goes back"] == f"line {n_around + 2}: from {0.5 * (n_around - 1)} to -1.0"


def test_time_and_segment_are_kept_from_block_to_block() -> None:
    stream = source("5,1,u,A\n4,1,u,A\n5,1,u,B\n6,1,u,B\n", time=1, segment=4, label=3, block_size=1)
    assert samples(stream) == [(1, [1], 0, 5, 0), (3, [1], 0, 5, 1), (4, [1], 0, 6, 1)]
    assert stream.rejects.counts == {"time goes back": 1}


def test_a_comment_that_looks_like_a_sample() -> None:
    stream = source("u,1,2\n#v,3,4\nw,5,6\n", label=1)
    assert (values(stream), stream.class_names) == ([[1, 2], [5, 6]], ("u", "w"))


def test_a_line_without_segment() -> None:
    stream = source('{"a": 1, "subject": 7, "label": "u"}\n{"a": 2, "label": "u"}\n{"a": 3, "subject": 8}\n')
    assert [(sample[0], sample[4]) for sample in samples(stream)] == [(1, 0), (3, 1)]
    assert stream.rejects.first == {"a value is missing": "line 2: no 'subject'"}


def test_the_first_line_that_can_be_read_tells_the_columns() -> None:
    stream = live(b"Booting\n\xff\n{\na,b,label\n1,2,u\n")
    assert values(stream) == [[1, 2]]
    assert stream.rejects.counts == {"another number of values": 2, "not text": 1}


def test_the_end_of_the_last_line() -> None:
    assert values(source("1,2,u\n3,4,v")) == [[1, 2], [3, 4]]
    stream = live("1,2,u\n3,4,v")
    assert (values(stream), stream.class_names) == ([[1, 2]], ("u",))
    assert stream.rejects.first == {"half a line": "line 2: '3,4,v'"}
    for open_stream in (source, live):
        stream = open_stream("1,2,u\n3,")
        assert (values(stream), stream.rejects.counts) == ([[1, 2]], {"another number of values": 1})
        stream = open_stream('[1, 2, "u"]\n[3, 4, "v"]')
        assert (values(stream), stream.rejects.counts) == ([[1, 2], [3, 4]], {})
        stream = open_stream('[1, 2, "u"]\n[3, 4, ')
        assert (values(stream), stream.rejects.counts) == ([[1, 2]], {"not JSON": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "test lines: the file is empty; give one sample per line"),
        ("\n# nothing\n", "test lines: no line can be used (only blank lines, comments or a header)"),
        ("a,b,label\n", "test lines: no line can be used (only blank lines, comments or a header)"),
        (
            "a,b,label\n1,u\n?,?,u\n",
            "test lines: no line can be used (2 lines were rejected, the first for 'another number of values': "
            "line 2: 2, not 3: '1,u')",
        ),
        ("5\n6\n", "2 lines were rejected, the first for 'another number of values': line 1: '5'"),
        ("{}\n", "1 line was rejected"),
        ("\xff\xfe\x00", "1 line was rejected"),
    ],
)
def test_nothing_to_use(text: str, message: str) -> None:
    with fails(message):
        source(text)
    for ask in (samples, lambda stream: stream.channels):
        if text.startswith("a,b") and ask is not samples:
            continue  # the header is there
        with fails("test lines: no samples came"):
            ask(live(text))


# --- how it is cut -----------------------------------------------------------------------------------------

CELLS = st.sampled_from(["1", "-2.5", "1e3", " 7 ", "x", "", "nan", '"4"', '"5,6"', "é", '"', "u", "\r"])
CSV_LINES = st.lists(CELLS, min_size=3, max_size=5).map(",".join)
GOOD_LINES = st.tuples(st.integers(0, 9), st.floats(-9, 9, width=16), st.sampled_from("uvw"), st.sampled_from("AB"))
LINES = st.one_of(
    GOOD_LINES.map(lambda row: ",".join(map(str, row))), CSV_LINES, st.sampled_from(["", "# no", " ", "0,1,u,A\r"])
)


@given(
    lines=st.lists(LINES, min_size=1, max_size=30),
    junk=st.sampled_from([b"", b"\xff\n", b"0,1,u,A", b"9,1"]),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    block_size=st.integers(1, 40),
    n_good=st.sampled_from([0, FEW_LINES + 3]),
)
def test_the_cut_changes_nothing(lines: list[str], junk: bytes, sizes: list[int], block_size: int, n_good: int) -> None:
    text = "t,a,label,segment\n" + "0,1,u,A\n" * (n_good + 1) + "\n".join(lines) + "\n"
    data = text.encode() + junk

    def run(sizes: list[int], **options: Any) -> tuple[Any, ...]:
        stream = LineSource(lambda: Chopped(data, sizes), name="a", source="b", **options)  # type: ignore[arg-type]
        found = samples(stream)
        assert stream.n_samples == len(found)
        fresh = LineSource(Chopped(data, sizes), name="a", source="b", live=True, **options)  # type: ignore[arg-type]
        return found, stream.rejects, stream.class_names, samples(fresh), fresh.state()

    whole = run([len(data)])
    assert run(sizes, block_size=block_size) == whole
    # One line at a time is the slow way, line by line.
    assert run([len(data)], block_size=1) == whole


@given(
    lines=st.lists(
        st.sampled_from(
            [
                '{"a":1,"t":0}',
                '{"a":2,"t":1,"label":3}',
                '{"a":1},{"a":2}',
                '{"a":[{}',
                "{}]}",
                "[1]",
                "{}",
                '{"a":"1"}',
            ]
        ),
        max_size=FEW_LINES,
    ),
    block_size=st.integers(1, 80),
)
def test_the_cut_changes_nothing_in_json(lines: list[str], block_size: int) -> None:
    text = "\n".join(['{"a":1,"t":0,"label":"u"}'] * FEW_LINES + lines)
    one, other = source(text, block_size=1), source(text, block_size=block_size)
    assert samples(one) == samples(other)
    assert (one.rejects, one.class_names) == (other.rejects, other.class_names)


def test_blocks_are_at_most_block_size() -> None:
    stream = source("1,u\n" * 100, block_size=7)
    assert [len(block) for block in stream.blocks()] == [7] * 14 + [2]


def test_start() -> None:
    text = "a,label\n" + "".join(f"{n},{'?' if n % 3 else n % 9}\n" if n % 5 else f"{n}\n" for n in range(100))
    stream = source(text, block_size=8)
    everything, rejects = samples(stream), dict(stream.rejects.counts)
    assert rejects == {"another number of values": 20}
    for start in (0, 1, 8, 31, 79, 80, 99):
        assert samples(stream, start) == everything[start:]
        assert stream.rejects.counts == rejects
    assert stream.state() == {}
    stream.restore({})
    assert samples(stream) == everything


def test_iterables_of_lines() -> None:
    stream = LineSource(["1,2,u\n", "3,4,v"], name="a", source="b")
    assert values(stream) == values(stream) == [[1, 2], [3, 4]]
    fresh = LineSource(iter(["1,2,u", b"3,4,v\n", "5,6,\udcff"]), name="a", source="b", live=True)  # type: ignore[list-item]
    assert sum(len(block) for block in fresh.blocks()) == 2
    assert fresh.rejects.counts == {"not text": 1}
    text = LineSource(io.TextIOWrapper(io.BytesIO(b"1,2,u\n3,4,v\n")), name="a", source="b", live=True)
    assert values(text) == [[1, 2], [3, 4]]
    with fails("b can be read once only; use live=True"):
        LineSource(iter(["1,2,u"]), name="a", source="b")


# --- live --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["buffered", "raw", "text"])
def test_a_slow_pipe_gives_each_sample_at_once(how: str) -> None:
    reading, writing = os.pipe()
    pipe: Any = open(reading, "r" if how == "text" else "rb", buffering=0 if how == "raw" else -1)  # noqa: SIM115
    with pipe:
        stream = LineSource(pipe, name="pipe", source="a pipe", live=True)
        os.write(writing, b"a,b,label\n")
        blocks = stream.blocks()
        # The next line is written only when the sample before has come: waiting for more would wait for ever.
        guard = threading.Timer(20, os.close, [writing])
        guard.start()
        for n in range(5):
            os.write(writing, f"{n},".encode())
            os.write(writing, f"1,k{n}\n".encode())
            block = next(blocks)
            assert guard.is_alive()
            assert (block.x.tolist(), block.y.tolist(), stream.numbers.tolist()) == ([[n, 1]], [n], [n + 2])
        assert stream.channels == ("a", "b")
        os.write(writing, b"5,1,k0\n6,1,k0\n")
        assert next(blocks).y.tolist() == [0, 0]
        guard.cancel()
        os.close(writing)
        assert next(blocks, None) is None


def test_a_live_stream_continues() -> None:
    header, lines = "t,a,label,subject\n", [f"{n},{n},k{n * n % 7},s{n // 6}\n" for n in range(20)]
    lines[4] = "oops\n"
    lines[15] = "0,1,k0,s2\n"
    lines[13] = "13,1,k9,s2\n"
    whole = live(header + "".join(lines), n_classes=4)
    expected = samples(whole)
    for again in (header, ""):
        first = live(header + "".join(lines[:11]), n_classes=4)
        start = len(found := samples(first))
        second = live(again + "".join(lines[11:]), n_classes=4)
        second.restore(json.loads(json.dumps(first.state())))
        assert second.channels == ("a",)
        found += samples(second, start)
        assert [sample[1:] for sample in found] == [sample[1:] for sample in expected]
        assert second.class_names == whole.class_names
        assert second.rejects.counts == whole.rejects.counts == {
            "another number of values": 1, "time goes back": 1, "no room for label": 1,
        }  # fmt: skip
        assert second.state()["n_read"] == whole.state()["n_read"]


def test_a_continued_stream_without_header_keeps_its_first_line() -> None:
    first, second = live("1,2,u\n"), live("1,2,u\n3,4,u\n")
    assert values(first) == [[1, 2]]
    second.restore(first.state())
    assert values(second) == [[1, 2], [3, 4]]


def test_a_live_stream_skips_what_was_not_read() -> None:
    assert samples(live("1,u\n2,u\n3,u\n"), 2) == [(3, [3], 0, None, 0)]


# --- files -------------------------------------------------------------------------------------------------


def test_open_lines(write: Write) -> None:
    path = write("when,a,b,kind\n0,1,2,u\n1000,3,4,v\n2000,3,4,0\n", "walks.csv")
    assert open_lines(path).channels == ("when", "a", "b")
    roles = Roles(label="kind", time="when", time_scale=1e-3)
    stream = open_lines(path, "mine", roles, classes={"v": "V", "u": "U"}, unlabelled="0", rate_hz=1.0)
    assert (stream.name, stream.source, stream.rate_hz) == ("mine", str(path), 1.0)
    assert samples(stream) == [(2, [1, 2], 1, 0, 0), (3, [3, 4], 0, 1, 0), (4, [3, 4], -1, 2, 0)]
    assert (stream.channels, stream.class_names, stream.drift_points) == (("a", "b"), ("V", "U"), ())
    assert open_lines(path).name == "walks"
    with fails("is not a file; check the path"):
        open_lines(path.parent)
    with pytest.MonkeyPatch.context() as patch, fails(f"{path} cannot be read (Permission denied); check"):
        patch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        open_lines(path)
    with fails(f"{path.parent / 'e.csv'}: the file is empty"):
        open_lines(write("", "e.csv"))


def test_memory_does_not_grow_with_the_file(write: Write) -> None:
    def peak(n_lines: int) -> int:
        path = write("1.5,2.5,-3.5,walk\n" * n_lines, "big.csv")
        tracemalloc.start()
        stream = open_lines(path)
        n = sum(len(block) for block in stream.blocks())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n == stream.n_samples == n_lines
        return most

    peak(100)  # what is made once
    small, large = peak(30_000), peak(90_000)
    assert large < 1.1 * small


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    def endless() -> Iterator[bytes]:
        yield b"1,u\n"
        for _ in range(40):
            yield b"1" * MAX_LINE
        yield b"\n2,u\n"

    chunks = endless()
    stream = LineSource(SimpleNamespace(read1=lambda _: next(chunks, b"")), name="a", source="b", live=True)  # type: ignore[arg-type]
    tracemalloc.start()
    found = samples(stream)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [sample[:2] for sample in found] == [(1, [1]), (3, [2])]
    assert stream.rejects.counts == {"line too long": 1}
    assert most < 8 * MAX_LINE


ROWS = [f"{k / 4},{k % 3},{'ab'[k % 2]}" for k in range(8)]
AS_JSON = [f'{{"u": {k / 4}, "v": {k % 3}, "label": "{"ab"[k % 2]}"}}' for k in range(8)]


@pytest.mark.parametrize(
    ("before", "rows", "rejected"),
    [
        (["1.5,a"], ROWS, 1),  # the port was opened within a line
        (["b"], ROWS, 1),
        (["Booting v1.2, sensor ok", "ready"], ROWS, 2),
        (["u,v,label"], ROWS, 0),
        (["rst:0x1 (POWERON)", "u,v,label"], ROWS, 1),
        (['"v": 1, "label": "a"}'], AS_JSON, 1),
        (['{"device": "left", "version": 3}'], AS_JSON, 1),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_live_layout_is_that_of_the_first_lines_that_agree(
    before: list[str], rows: list[str], rejected: int, size: int
) -> None:
    data = ("\n".join([*before, *rows]) + "\n").encode()
    stream = LineSource(Chopped(data, [size]), name="a", source="b", live=True)  # type: ignore[arg-type]
    found = samples(stream)
    assert [sample[1] for sample in found] == [[k / 4, k % 3] for k in range(8)]
    assert sum(stream.rejects.counts.values()) == rejected
    assert stream.class_names == ("a", "b")


def test_columns_that_are_in_no_live_line_are_refused_before_the_end() -> None:
    def lines() -> Iterator[bytes]:
        yield from [b"u,v,label\n", b"1,2,a\n", b"2,2,b\n"]
        raise AssertionError("a live input may go on for ever")

    stream = LineSource(lines(), name="a", source="b", live=True, roles=Roles(label="activity"))
    with fails("b: column 'activity' is not known"):
        stream.channels  # noqa: B018


def live_of(rows: list[str], **options: Any) -> LineSource:
    text = "".join(row + "\n" for row in rows)
    return LineSource(io.StringIO(text), name="-", source="standard input", live=True, **options)


def read_until_refused(source: LineSource) -> tuple[int, str]:
    """Read one line at a time; return the number of samples that came, and the error."""
    blocks, n = source.blocks(), 0
    try:
        for block in blocks:
            n += len(block)
    except UserError as error:
        return n, str(error)
    raise AssertionError("not refused")


@pytest.mark.parametrize("size", [1, 50, 4096])
def test_live_columns_that_count_are_refused(size: int) -> None:
    rows = ["k,ax,label", *(f"{3 * k},{(7 * k) % 5},{'ab'[k % 2]}" for k in range(40))]
    data = "".join(row + "\n" for row in rows).encode()
    source = LineSource(Chopped(data, [size]), name="-", source="standard input", live=True)  # type: ignore[arg-type]
    n, error = read_until_refused(source)
    assert n == 20
    assert re.match(r"standard input: column 'k' rises in every row, by 3, .* --time-column k or --ignore k", error)
    assert sum(map(len, live_of(rows, roles=Roles(features=("k", "ax"))).blocks())) == 40
    assert sum(map(len, live_of(rows, roles=Roles(ignored=("k",))).blocks())) == 40


def test_live_clocks_whose_steps_tell_another_unit_are_refused() -> None:
    def rows(title: str, step: int) -> list[str]:
        return [f"{title},ax,label", *(f"{step * k},{(7 * k) % 5},{'ab'[k % 2]}" for k in range(40))]

    n, error = read_until_refused(live_of(rows("timestamp", 20)))
    assert (n, error.partition(";")[0]) == (
        9,
        "standard input: column 'timestamp' rises by 20 from row to row, which is read as ms from files",
    )
    assert "give its unit, for example --time-unit ms" in read_until_refused(live_of(rows("t", 100)))[1]
    source = live_of(rows("t", 20))
    assert sum(map(len, source.blocks())) == 40
    assert source.notes == ["times of t, 20 from row to row, were read as seconds; else give --time-unit ms"]
    for title, roles in (("t_ms", Roles()), ("timestamp", Roles(time_unit="ms"))):
        source = live_of(rows(title, 20), roles=roles)
        assert [block.t[-1] for block in source.blocks()][-1] == pytest.approx(0.78)
        assert source.notes == []


def test_live_values_far_from_zero_are_learned_relative_to_the_first() -> None:
    values = [1_500_000_000.25 + k % 4 for k in range(30)]
    rows = ["far,near,label", "nan,0,a", *(f"{far},{k % 3},{'ab'[k % 2]}" for k, far in enumerate(values))]
    expected = np.array([[np.nan, 0], *([k % 4, k % 3] for k in range(30))], np.float32)
    source = live_of(rows)
    found = np.concatenate([block.x for block in source.blocks()])
    assert np.array_equal(found, expected, equal_nan=True)
    assert source.notes == ["subtracted, as float32 would merge values: 1500000000.25 from far"]
    first = live_of(rows[:6])
    begun = [block.x for block in first.blocks()]
    rest = live_of(rows[6:])
    rest.restore(json.loads(json.dumps(first.state())))
    assert np.array_equal(np.concatenate([*begun, *(block.x for block in rest.blocks())]), expected, equal_nan=True)


@pytest.mark.parametrize("is_live", [False, True])
def test_values_at_both_ends_of_float32_stay_finite(is_live):
    import warnings

    data = "".join(f"{3.3e38 * (-1) ** k},{k % 7},{'uv'[k % 2]}\n" for k in range(60)).encode()
    options = {"live": True} if is_live else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = LineSource(io.BytesIO(data) if is_live else lambda: io.BytesIO(data), name="a", source="b", **options)
        blocks = list(source.blocks())
    assert blocks
    assert all(np.isfinite(block.x).all() for block in blocks)
