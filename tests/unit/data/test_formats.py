"""Readers of Parquet, ARFF and arrays: missing values of every type, texts that are numbers, grammar, damaged files."""

from __future__ import annotations

import datetime
import decimal
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelearn.data.arff import read_arff
from edgelearn.data.arrays import NpzArrays, read_npz, texts_as_numbers
from edgelearn.data.cells import check_classes, offsets
from edgelearn.data.columns import Roles
from edgelearn.data.datasets import open_dataset
from edgelearn.data.open_source import open_source
from edgelearn.data.source import UNLABELLED, Source
from edgelearn.errors import UserError
from tests.unit.data.test_sources import fails, needs, read, same_from, save


def table(path: Path, rows_a_group: int = 4, **columns: Any) -> str:
    """Write a Parquet file of a few row groups."""
    needs("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, row_group_size=rows_a_group)
    return str(path)


def labels(source: Source) -> list[str]:
    return [source.class_names[k] if k != UNLABELLED else "" for k in read(source).y.tolist()]


# --- parquet -----------------------------------------------------------------------------------------------

WORDS = ["up", None, "down", "up", None, "down", "down", "up", None, None]


def test_null_labels_of_every_type_are_no_label(tmp_path):
    needs("pyarrow")
    import pyarrow as pa

    text = pa.array(WORDS)
    flags = [None if word is None else word == "up" for word in WORDS]
    whole = [None if word is None else len(word) for word in WORDS]
    days = [None if word is None else datetime.date(2024, 1, len(word)) for word in WORDS]
    for name, column, up in (
        ("text", text, "up"),
        ("large", text.cast(pa.large_string()), "up"),
        ("bytes", text.cast(pa.binary()), "up"),
        ("category", text.dictionary_encode(), "up"),
        ("number_category", pa.array(whole).dictionary_encode(), "2"),
        ("bool", pa.array(flags), "1"),
        ("int", pa.array(whole), "2"),
        ("decimal", pa.array(whole).cast(pa.decimal128(21, 2)), "2"),
        ("text_number", pa.array([None if n is None else f"{n}.0" for n in whole]), "2"),
        ("date", pa.array(days), "2024-01-02 00:00:00"),
    ):
        source = open_source(table(tmp_path / f"{name}.parquet", x1=np.arange(10.0), label=column))
        found = labels(source)
        assert [label == up for label in found] == [word == "up" for word in WORDS], name
        assert [label == "" for label in found] == [word is None for word in WORDS], name
        assert source.n_classes == 2
        same_from(source, 5)


def test_null_subjects_are_a_recording_of_their_own(tmp_path):
    needs("pyarrow")
    import pyarrow as pa

    who = pa.array(["ann", "ann", None, None, "bob", "bob"]).dictionary_encode()
    path = table(tmp_path / "a.parquet", ax=np.arange(6.0), subject=who, label=["a", "b"] * 3)
    segment = read(open_source(path)).segment
    assert [segment[k] == segment[0] for k in range(6)] == [True, True, False, False, False, False]
    assert segment[2] == segment[3] != segment[4]
    assert read(open_source(path, subjects="bob")).x[:, 0].tolist() == [4, 5]


def test_numbers_in_text_and_decimals_are_inputs_and_other_columns_are_named(tmp_path):
    path = table(
        tmp_path / "a.parquet",
        price=[decimal.Decimal("1.25"), decimal.Decimal("-3.50")] * 5,
        kept=[f"{k / 4}" for k in range(10)],
        late=["1", "2", "3", "4", "5", "6", "7", "8", "9", "nine"],  # the last row group tells that it is text
        empty=[None] * 10,
        flag=[True, False] * 5,
        day=[datetime.date(2024, 1, 1)] * 10,
        place=[{"a": 1}] * 10,
        label=["u", "v"] * 5,
    )
    source = open_source(path)
    assert source.channels == ("price", "kept", "flag")
    assert read(source).x[1].tolist() == [-3.5, 0.25, 0.0]
    assert any("late (text)" in note and "day (date32" in note and "place (struct" in note for note in source.notes)
    assert any("empty (null)" in note for note in source.notes)


def test_the_index_of_a_pandas_table_is_neither_label_nor_input(tmp_path):
    needs("pyarrow")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"ax": np.arange(10.0), "kind": ["a", "b"] * 5})
    frame[frame.ax != 3].to_parquet(tmp_path / "gap.parquet")
    source = open_source(str(tmp_path / "gap.parquet"))
    assert (source.channels, source.class_names) == (("ax",), ("a", "b"))
    assert "the index of the pandas table is left out" in source.notes
    frame.index = pandas.date_range("2024-01-01", periods=10, freq="20ms", name="when")
    frame.to_parquet(tmp_path / "times.parquet")
    source = open_source(str(tmp_path / "times.parquet"))
    assert (source.channels, source.has_clock) == (("ax",), True)
    assert np.allclose(np.diff(read(source).t), 0.02, atol=1e-6)


def test_times_of_every_type_are_seconds(tmp_path):
    needs("pyarrow")
    import pyarrow as pa

    start = 1_700_000_000
    ns = (start + np.arange(8) * 0.5) * 1e9
    for name, column, first in (
        ("ns", pa.array(ns.astype(np.int64)).cast(pa.timestamp("ns")), start),
        ("zone", pa.array((ns / 1e6).astype(np.int64)).cast(pa.timestamp("ms", tz="Europe/Berlin")), start),
        ("clock", pa.array((np.arange(8) * 500).astype(np.int32)).cast(pa.time32("ms")), 0),
        ("text", [f"2023-11-14T22:13:{20 + k / 2:04.1f}00+00:00" for k in range(8)], start),
        ("numbers", [str(start + k / 2) for k in range(8)], start),
    ):
        source = open_source(table(tmp_path / f"{name}.parquet", time=column, ax=np.arange(8.0), label=["a", "b"] * 4))
        t = read(source).t
        assert source.channels == ("ax",), name
        assert (t[0], t[-1] - t[0]) == (first, 3.5), name


def test_named_categories_are_one_input_each_in_all_row_groups(tmp_path):
    kinds = ["x", "x", "x", "x", "y", "y", "z", "z"]
    table(tmp_path / "a.parquet", kind=kinds, ax=np.arange(8.0), label=["a", "b"] * 4)
    form = tmp_path / "a.toml"
    form.write_text('file = "a.parquet"\nfeatures = ["ax", "kind"]\nlabel = "label"\n')
    source = open_source(str(form))
    assert source.channels == ("ax", "kind=x", "kind=y", "kind=z")
    assert read(source).x[:, 1:].tolist() == [[kind == one for one in "xyz"] for kind in kinds]


def test_two_columns_of_one_name_and_fractions_as_labels_are_refused(tmp_path):
    needs("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    twice = pa.table([pa.array([1.0, 2.0]), pa.array([3.0, 4.0]), pa.array(["a", "b"])], names=["a", "a", "label"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with fails("a.parquet has 2 columns 'a'"):
        open_source(str(tmp_path / "a.parquet"))
    with fails("label 0.5 is no class"):
        open_source(table(tmp_path / "b.parquet", ax=np.arange(4.0), label=["0.5", "1.25", "2", "3"]))


# --- ARFF --------------------------------------------------------------------------------------------------

HEAD = "% about\n@RELATION r\n@attribute 'a b' numeric\n@attribute kind {'x, y','it\\'s',\"q\"}\n@attribute note string\n@data\n"


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("1.5,'x, y',plain", [1.5, "x, y", "plain"]),
        ("1.5 , \"it's\" , 'a \\'quote\\''", [1.5, "it's", "a 'quote'"]),
        ("1.5\t'x, y'\tp", [1.5, "x, y", "p"]),
        ("1.5 'x, y' p", [1.5, "x, y", "p"]),
        ("-2e3,q,'50 %, more'", [-2000, "q", "50 %, more"]),
        ("?,?,?", [np.nan, "", ""]),
        ("1,q,word,{2.5}", [1, "q", "word"]),
        ("{0 3, 1 'it\\'s', 2 'a, b'}", [3, "it's", "a, b"]),
        ("{2 p}", [0, "x, y", "p"]),
        ("{1 ?}, {3}", [0, "", ""]),
        ('1,q,"tab\\there"', [1, "q", "tab\there"]),
    ],
)
def test_rows_of_arff(tmp_path, row, cells):
    (tmp_path / "a.arff").write_text(HEAD + row + "\n")
    notes: list[str] = []
    columns = read_arff(tmp_path / "a.arff", notes)
    assert list(columns) == ["a b", "kind", "note"]
    found = [values[0] for values in columns.values()]
    assert found[1:] == cells[1:]
    assert np.array_equal(found[0], cells[0], equal_nan=True)
    assert bool(notes) == row.endswith(("{2.5}", "{3}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.replace("note", "kind") + "1,q,q\n", "has 2 attributes called 'kind'; rename one"),
        (HEAD + "1,r,p\n", "line 7 has 'r' for 'kind'; give one of its values"),
        (HEAD + "1,q\n", "line 7 has 2 values for 3 attributes"),
        (HEAD + "{3 1}\n", "line 7 has '3 1' in a sparse row; give INDEX VALUE"),
        (HEAD + "{1 q, 0 2}\n", "line 7 has ' 0 2' in a sparse row|line 7 has '0 2' in a sparse row"),
        (HEAD.replace("string", "relational") + "1,q,p\n", "attribute 'note' is 'relational'; give numeric"),
        (HEAD.replace("string", "date 'QQ yyyy'") + "1,q,p\n", "'QQ' of date format 'QQ yyyy' is not known"),
        (HEAD.replace("string", "date") + "1,q,now\n", "line 7 has 'now' for 'note'; give a date"),
    ],
)
def test_faults_of_arff(tmp_path, text, message):
    (tmp_path / "a.arff").write_text(text)
    with fails(message):
        read_arff(tmp_path / "a.arff")


def test_dates_of_arff_are_a_clock(tmp_path):
    for kind, cells in (
        ("date 'dd/MM/yyyy HH:mm:ss.SSS'", ["31/01/2024 10:00:00.000", "31/01/2024 10:00:00.250"]),
        ("date \"yyyy-MM-dd'T'HH:mm:ss\"", ["2024-01-31T10:00:00", "2024-01-31T10:00:00.25"]),
        ("date", ["2024-01-31 10:00:00", "2024-01-31T10:00:00.250"]),
        ("string", ["2024-01-31 10:00:00", "2024-01-31T10:00:00.250"]),
    ):
        rows = "".join(f"'{cell}',{k},{'ab'[k]}\n" for k, cell in enumerate(cells))
        head = f"@attribute time {kind}\n@attribute ax real\n@attribute class {{a,b}}\n@data\n"
        (tmp_path / "a.arff").write_text(head + rows)
        t = read(open_source(str(tmp_path / "a.arff"))).t
        assert t[0] == 1_706_695_200
        assert np.isclose(t[1] - t[0], 0.25, atol=1e-6), kind


def test_texts_of_arff_are_left_out_with_a_note_and_numbers_among_them_are_not(tmp_path):
    head = "@attribute day {1,2,3}\n@attribute who {ann,bob}\n@attribute s string\n@attribute class {a,b}\n@data\n"
    (tmp_path / "a.arff").write_text(head + "1,ann,'0.5',a\n3,bob,'1.5',b\n")
    source = open_source(str(tmp_path / "a.arff"))
    assert source.channels == ("day", "s")
    assert read(source).x.tolist() == [[1, 0.5], [3, 1.5]]
    assert any("who (text)" in note for note in source.notes)
    (tmp_path / "a.toml").write_text('file = "a.arff"\nfeatures = ["who", "s"]\n')
    source = open_source(str(tmp_path / "a.toml"))
    assert source.channels == ("who=ann", "who=bob", "s")
    assert read(source).x.tolist() == [[1, 0, 0.5], [0, 1, 1.5]]


def test_arff_in_latin_1_is_read_as_such(tmp_path):
    text = "@attribute temp real\n@attribute class {kühl,'heiß'}\n@data\n1,kühl\n2,'heiß'\n"
    (tmp_path / "a.arff").write_bytes(text.encode("latin-1"))
    source = open_source(str(tmp_path / "a.arff"))
    assert set(source.class_names) == {"kühl", "heiß"}
    assert any("not UTF-8" in note for note in source.notes)


# --- arrays ------------------------------------------------------------------------------------------------


def npz_with(path: Path, shape: tuple[int, ...], n_bytes: int, name: str = "x.npy") -> None:
    """Write an array whose header says a shape, and as many bytes behind it as are asked for."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, head.getvalue() + bytes(n_bytes))
        archive.writestr("y.npy", npy(np.array([0, 1])))


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


@pytest.mark.parametrize("open_file", [open_source, open_dataset])
def test_a_header_that_says_more_than_follows_is_refused_before_memory_is_taken(tmp_path, open_file):
    for shape, n_bytes in (((10**6, 10**6), 80), ((2**40, 2**20), 16), ((2, 8), 127), ((2, 4), 80)):
        npz_with(tmp_path / "a.npz", shape, n_bytes)
        with fails(rf"a.npz cannot be read \(array 'x': its header says .*{n_bytes} follow"):
            open_file(str(tmp_path / "a.npz"))


def test_a_cut_npz_says_that_it_is_cut(tmp_path):
    path = save(tmp_path, "a.npz", x=np.arange(200.0).reshape(100, 2), y=np.arange(100) % 2)
    whole = path.read_bytes()
    for n in (10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:n])
        for open_file in (open_source, open_dataset):
            with fails(r"a.npz cannot be read \(it is cut off"):
                open_file(str(path))


def test_objects_in_npz_are_refused(tmp_path):
    mixed = np.array(["a", 1, None], object)
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((3, 2)), y=mixed)
    for open_file in (open_source, open_dataset):
        with fails("array 'y': it holds Python objects; save text with .astype"):
            open_file(str(path))
    assert list(NpzArrays(path)) == ["x", "y"]
    assert read_npz(path, ["x"])["x"].shape == (3, 2)


def test_texts_that_are_numbers():
    assert texts_as_numbers(np.array(["1", " 2.5", "NA", "true"])).tolist()[:2] == [1, 2.5]
    for texts in (["a", "1"], ["", "?"], ["1,5", "2"]):
        assert texts_as_numbers(np.array(texts)) is None


# --- large offsets, labels that are no classes --------------------------------------------------------------


def test_values_that_float32_would_merge_are_taken_off_their_offset(tmp_path):
    small = np.column_stack([np.arange(12) % 5, np.linspace(0, 1, 12)])
    large = small + np.array([2.0**31, 0])
    y = np.arange(12) % 2
    np.savez(tmp_path / "a.npz", x=large, y=y)
    save(tmp_path, "parts.npz", x_train=large, y_train=y, x_test=large[:4], y_test=y[:4])
    table(tmp_path / "a.parquet", ax=large[:, 0].astype(np.int64), ay=large[:, 1], label=y)
    rows = "".join(f"{a:.17g},{b:.17g},{label}\n" for (a, b), label in zip(large, y, strict=True))
    (tmp_path / "a.arff").write_text("@attribute ax real\n@attribute ay real\n@attribute class {0,1}\n@data\n" + rows)
    for name in ("a.npz", "a.parquet", "a.arff"):
        source = open_source(str(tmp_path / name))
        x = read(source).x
        assert np.array_equal(x - x[0], (small - small[0]).astype(np.float32)), name
        assert any("2147483648 from" in note for note in source.notes), name
        same_from(source, 5)
    for name in ("a.npz", "parts.npz"):
        data = open_dataset(tmp_path / name)
        assert set(data.train_x[:, 0]) == {0, 1, 2, 3, 4}
        assert set(data.test_x[:, 0]) <= {0, 1, 2, 3, 4}
        assert any("subtracted" in note for note in data.notes)
    assert offsets(small).tolist() == offsets(np.random.default_rng(0).normal(1e3, 1, (100_000, 2))).tolist() == [0, 0]


def test_files_of_a_folder_share_one_offset(tmp_path):
    for k in range(2):
        save(tmp_path, f"{k}.npz", X=2.0**40 + k * 10 + np.arange(4.0)[:, None], y=["a", "b"] * 2)
    assert read(open_source(str(tmp_path))).x[:, 0].tolist() == [0, 1, 2, 3, 10, 11, 12, 13]


def test_numbers_to_predict_are_no_classes(tmp_path):
    numbers = np.arange(40.0)
    path = table(tmp_path / "a.parquet", rows_a_group=50, ax=np.sin(numbers), price=numbers)
    with fails("has 40 different labels in 40 rows, which are no classes; name the label column"):
        open_source(path)
    assert (
        open_source(
            table(tmp_path / "b.parquet", rows_a_group=200, ax=np.arange(120.0) % 50, k=np.arange(120) % 30)
        ).n_classes
        == 30
    )
    check_classes([str(k) for k in range(20)], "few")


def test_codes_of_missing_values_in_every_format(tmp_path):
    x, y = np.array([[1.0, -200], [2, 3], [-200, 4], [5, 6], [7, 8]]), ["a", "b", "a", "b", "-200"]
    save(tmp_path, "a.npz", X=x, y=y)
    table(tmp_path / "a.parquet", a=x[:, 0], b=x[:, 1], label=y)
    rows = "".join(f"{a},{b},{label}\n" for (a, b), label in zip(x.tolist(), y, strict=True))
    (tmp_path / "a.arff").write_text("@attribute a real\n@attribute b real\n@attribute class string\n@data\n" + rows)
    for name in ("a.npz", "a.parquet", "a.arff"):
        source = open_source(str(tmp_path / name), roles=Roles(missing=("-200",)))
        block = read(source)
        assert -200 not in block.x, name
        wanted = [[1, np.nan], [2, 3], [np.nan, 4], [5, 6], [7, 8]]
        assert np.array_equal(block.x, np.array(wanted), equal_nan=True), name
        assert (source.class_names, block.y[-1]) == (("a", "b"), UNLABELLED), name


def test_nan_in_arrays_is_a_missing_value_for_run_as_well(tmp_path):
    path = save(tmp_path, "a.npz", x=[[1, np.nan], [2, 3], [3, 4], [4, 5]], y=[0, 1, 0, 1])
    data = open_dataset(path)
    assert np.isnan(np.concatenate([data.train_x, data.test_x])).sum() == 1


def test_sounds_of_one_rate_and_format(tmp_path):
    wavfile, rng = pytest.importorskip("scipy.io.wavfile"), np.random.default_rng(0)
    made = [("a", 100, np.int16), ("b", 100, np.int16)]

    def write(label, rate, kind):
        (tmp_path / label).mkdir(exist_ok=True)
        wavfile.write(tmp_path / label / "0.wav", rate, rng.integers(-9, 9, 80).astype(kind))

    for one in made:
        write(*one)
    assert open_source(str(tmp_path)).columns_used.rate_hz == pytest.approx(100)
    write("b", 200, np.int16)
    with pytest.raises(UserError, match=r"b/0.wav is sampled at 200 Hz and .*a/0.wav at 100 Hz; give one rate"):
        open_source(str(tmp_path))
    write("b", 100, np.float32)
    with pytest.raises(UserError, match=r"b/0.wav has float32 samples and .*a/0.wav int16, which are of another scale"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("layout", ["lines", "records", "split", "wrapped", "columns", "index"])
def test_layouts_of_json(tmp_path, layout):
    import json

    rows = [{"ax": k / 2, "ay": -k, "label": "uv"[k % 2]} for k in range(6)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    texts = {
        "lines": "\n".join(map(json.dumps, rows)),
        "records": json.dumps(rows),
        "split": json.dumps(
            {"columns": list(columns), "index": list(range(6)), "data": [list(row.values()) for row in rows]}
        ),
        "wrapped": json.dumps({"version": 1, "samples": rows}),
        "columns": json.dumps(columns),
        "index": json.dumps({name: dict(enumerate(cells)) for name, cells in columns.items()}),
    }
    (tmp_path / "a.json").write_text(texts[layout])
    source = open_source(str(tmp_path / "a.json"))
    block = next(iter(source.blocks()))
    assert (source.channels, source.class_names) == (("ax", "ay"), ("u", "v"))
    assert np.array_equal(block.x, [[k / 2, -k] for k in range(6)])
    assert block.y.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    "text", ['{"a": 1}\n[2]', '{"a": 1}\n{"a": ', '{"columns": ["a"], "data": [[1, 2]]}', '{"x": [], "data": []}']
)
def test_json_that_is_no_table(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json"):
        open_source(str(tmp_path / "a.json"))


def test_sparse_matrices_and_arrays_of_structures_of_matlab(tmp_path):
    io, sparse = pytest.importorskip("scipy.io"), pytest.importorskip("scipy.sparse")
    x = np.array([[0, 1.5], [2, 0], [0, 0], [3, 4]])
    io.savemat(tmp_path / "a.mat", {"X": sparse.csr_matrix(x), "y": [0, 1, 0, 1]})
    assert np.array_equal(next(iter(open_source(str(tmp_path / "a.mat")).blocks())).x, x)
    parts = [{"acc": x, "label": "walk"}, {"acc": 2 * x[:3], "label": "rest"}]
    io.savemat(tmp_path / "b.mat", {"d": parts})
    source = open_source(str(tmp_path / "b.mat"), label_column="d.label")
    block = next(iter(source.blocks()))
    assert np.array_equal(block.x, np.concatenate([x, 2 * x[:3]]))
    assert [source.class_names[k] for k in block.y] == ["walk"] * 4 + ["rest"] * 3


def test_a_file_without_rows_among_others(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.arange(6.0).reshape(2, 3), y=[0, 1])
    np.savez(tmp_path / "b.npz", X=np.empty((0, 3)), y=np.empty(0, int))
    with pytest.raises(UserError, match=r"b\.npz has no rows; give one sample per row"):
        open_source(str(tmp_path))


def test_files_without_rows(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.empty((0, 3)), y=np.empty(0, int))
    with pytest.raises(UserError, match=r"a\.npz has no rows; give one sample per row"):
        open_source(str(tmp_path / "a.npz"))
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(
        pa.table({"ax": np.empty(0), "label": np.empty(0, str)}), tmp_path / "b.parquet"
    )
    with pytest.raises(UserError, match=r"b\.parquet has no usable sample"):
        open_source(str(tmp_path / "b.parquet"))


def test_bytes_and_durations_of_npz(tmp_path):
    x, y = np.arange(12.0).reshape(6, 2) % 5, np.array([b"u", b"v"] * 3)
    np.savez(tmp_path / "a.npz", X=x, y=y)
    assert (
        open_dataset(str(tmp_path / "a.npz")).class_names
        == open_source(str(tmp_path / "a.npz")).class_names
        == ("u", "v")
    )
    np.savez(tmp_path / "b.npz", X=x, y=y, t=(20 * np.arange(6)).astype("timedelta64[ms]"))
    assert open_source(str(tmp_path / "b.npz")).columns_used.rate_hz == pytest.approx(50)


@pytest.mark.parametrize(
    "y",
    [
        [-1, 1, -1, 1, -1, 1],
        [0, 1, np.nan, 1, 0, 1],
        ["u", "v", "", "v", "?", "u"],
        [b"u", b"v", b"u", b"NA", b"u", b"v"],
    ],
)
def test_labels_of_npz_are_the_same_in_run_and_stream(tmp_path, y):
    x = np.arange(12.0).reshape(6, 2) % 5
    np.savez(tmp_path / "a.npz", X=x, y=np.array(y))
    data, source = open_dataset(str(tmp_path / "a.npz"), test_fraction=0.0), open_source(str(tmp_path / "a.npz"))
    block = next(iter(source.blocks()))
    kept = block.y >= 0
    assert data.class_names == source.class_names
    streamed = [
        (tuple(row), source.class_names[k]) for row, k in zip(block.x[kept].tolist(), block.y[kept], strict=True)
    ]
    assert sorted(
        zip(map(tuple, data.train_x.tolist()), [data.class_names[k] for k in data.train_y], strict=True)
    ) == sorted(streamed)
    assert any("which have no label" in note for note in data.notes) == (not kept.all())


def test_one_value_beside_columns_is_none(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array(3.0), p=np.arange(6) % 5, q=np.arange(6) % 3, label=np.arange(6) % 2)
    with pytest.raises(UserError, match=r"a\.npz"):
        open_source(str(tmp_path / "a.npz"))
