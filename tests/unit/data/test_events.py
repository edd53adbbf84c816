"""Address events: every form that is read, every message a user can meet, and N-MNIST itself."""

from __future__ import annotations

import hashlib
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgelearn.data import downloads, nmnist, reader
from edgelearn.data.event_set import EventSet
from edgelearn.data.events import is_event_data, open_events
from edgelearn.data.nmnist import read_nmnist_file
from edgelearn.data.tonic_events import events_from_tonic
from edgelearn.errors import UserError
from tests.tools import missing

Write = Callable[..., Path]
XYTP = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)])
GOOD: dict[str, Any] = {
    "t": [5, 7, 1, 1, 4],
    "address": [0, 2, 1, 0, 2],
    "value": [1, 0, -1, 1, 1],
    "offset": [0, 2, 4, 5],
    "label": [1, 0, 1],
    "test": [False, True, False],
}
CSV = "sample,t,address,value,label\na,5,0,1,up\na,7,2,0,up\nb,1,1,-1,down\nb,1,0,1,down\nc,4,2,1,up\n"


def fails(text: str) -> Any:
    """Expect a UserError of one line whose text contains `text`."""
    return pytest.raises(UserError, match="^[^\n]*" + re.escape(text) + "[^\n]*$")


@pytest.fixture
def csv_file(tmp_path: Path) -> Write:
    def write(text: str, name: str = "own.csv") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def npz_file(tmp_path: Path) -> Write:
    """Write the good arrays, with some replaced and, where None, left out."""

    def write(**changed: Any) -> Path:
        arrays = {key: np.asarray(value) for key, value in {**GOOD, **changed}.items() if value is not None}
        np.savez(tmp_path / "own.npz", **arrays)
        return tmp_path / "own.npz"

    return write


def as_lists(data: EventSet) -> list[tuple[list[int], list[int], str]]:
    """Give times, inputs and class of every sample, after a look at what every event set promises."""
    assert (data.t.dtype, data.inputs.dtype, data.offset.dtype, data.labels.dtype) == ("i8", "i4", "i8", "i8")
    assert len(data.t) == len(data.inputs) == data.offset[-1]
    assert len(data.offset) == len(data.labels) + 1
    assert 0 < data.n_train <= len(data.labels)
    assert len(data.inputs) == 0 or 0 <= data.inputs.min() <= data.inputs.max() < data.n_inputs
    samples = []
    for k, label in enumerate(data.labels):
        t, inputs = data.sample(k)
        assert len(t) == 0 or (t[0] == 0 and (np.diff(t) >= 0).all())
        samples.append((t.tolist(), inputs.tolist(), data.class_names[label]))
    return samples


# --- npz ---------------------------------------------------------------------------------------------------


def test_npz_with_its_own_test_part(npz_file):
    data = open_events(str(npz_file()))
    assert (data.name, data.n_inputs, data.class_names, data.n_train) == ("own", 6, ("0", "1"), 2)
    assert as_lists(data) == [([0, 2], [3, 2], "1"), ([0], [5], "1"), ([0, 0], [1, 3], "0")]
    limited = open_events(str(npz_file()), limit=1)
    assert limited.n_train == 1
    assert as_lists(limited) == [as_lists(data)[0], as_lists(data)[2]]


@pytest.mark.parametrize(
    ("changed", "n_inputs", "inputs"),
    [
        ({"value": None}, 3, [0, 2, 2, 1, 0]),
        ({"value": None, "n_addresses": 7}, 7, [0, 2, 2, 1, 0]),
        ({"n_addresses": 4}, 8, [4, 2, 6, 1, 4]),
        ({"value": None, "p": [True, False, False, True, True]}, 6, [3, 2, 5, 1, 3]),
        ({"value": [0.5, -0.1, 0.0, 1e9, 1.0]}, 6, [3, 2, 5, 1, 3]),
        ({"address": np.array([0.0, 2.0, 1.0, 0.0, 2.0]), "value": None}, 3, [0, 2, 2, 1, 0]),
        ({"address": np.array([0, 2, 1, 0, 2], np.uint8), "t": np.array(GOOD["t"], np.uint64)}, 6, [3, 2, 5, 1, 3]),
        ({"address": None, "x": [0, 1, 0, 0, 1], "y": [0, 0, 1, 0, 2], "value": None}, 6, [0, 1, 5, 2, 0]),
        (
            {
                "address": None,
                "x": [0, 1, 0, 0, 1],
                "y": [0, 0, 1, 0, 2],
                "value": None,
                "width": 4,
                "height": np.array([3]),
            },
            12,
            [0, 1, 9, 4, 0],
        ),
    ],
)
def test_npz_inputs(npz_file, changed, n_inputs, inputs):
    data = open_events(str(npz_file(**changed)))
    as_lists(data)
    assert data.n_inputs == n_inputs
    assert data.inputs.tolist() == inputs


def test_npz_labels_may_be_bytes(npz_file):
    assert open_events(str(npz_file(label=np.array([b"up", b"down", b"up"])))).class_names == ("down", "up")


def test_falling_times_are_sorted_and_equal_ones_keep_their_order(npz_file):
    path = npz_file(t=[9, 7, 1, 1, -4], value=None, test=None, offset=[0, 4, 4, 5])
    data = open_events(str(path), test_fraction=0)
    assert sorted(as_lists(data)) == sorted([([0, 0, 6, 8], [1, 0, 2, 0], "1"), ([], [], "0"), ([0], [2], "1")])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"t": None}, "lacks t and holds the arrays address, label, offset, test, value; give t, address (or x and y)"),
        ({"address": None, "x": [0] * 5}, "lacks address (or x and y) and holds"),
        ({"label": None, "offset": None}, "lacks offset, label and holds"),
        (
            {"t": [[5, 7, 1, 1, 4]]},
            "t is int64 [1, 5]; give whole microseconds, or the unit with --time-unit s, ms or ns, one per event",
        ),
        ({"t": [5, 7, np.nan, 1, 4]}, "t row 3 is nan; give whole microseconds"),
        ({"t": [5, 7, 0.5, 1, 4]}, "t row 3 is 0.5; give whole microseconds"),
        ({"t": [5, 7, np.inf, 1, 4]}, "t row 3 is inf; give whole microseconds"),
        ({"t": np.array([1, 2**63 + 9, 3, 4, 5], np.uint64)}, "t row 2 is 9223372036854775817; give whole microsec"),
        ({"t": ["a"] * 5}, "t is <U1 [5]; give whole microseconds"),
        ({"t": np.array([], int), "offset": [0, 0, 0, 0]}, "t has no events; give at least 1"),
        ({"address": [0, 2.5, 1, 0, 2]}, "address row 2 is 2.5; give whole numbers from 0"),
        ({"address": [0, -2, 1, 0, 2]}, "address row 2 is -2; give whole numbers from 0"),
        ({"address": [0, 2, 1, 0]}, "t has 5 events and address 4; give as many"),
        ({"address": [0, 2, 1, 0, 33_000]}, "33001 addresses of 2 polarities; a network takes 65,000 inputs at most"),
        ({"address": [0, 2, 1, 0, 2_000_000], "value": None}, "has 2000001 addresses; a network takes 65,000 inputs"),
        ({"address": None, "x": [0, 0, 0, 0, 2**40], "y": [2**40] * 5}, "addresses; a network takes 65,000 inputs"),
        ({"address": None, "x": [0] * 5, "y": [0] * 4}, "x has 5 events and y 4; give as many"),
        ({"address": None, "x": [0, 1, 2, 0, 0], "y": [0] * 5, "width": 2}, "x row 3 is 2 and width is 2; give at le"),
        ({"n_addresses": 2}, "address row 2 is 2 and n_addresses is 2; give at least 3"),
        ({"n_addresses": 2.5}, "n_addresses is float64 []; give one whole number"),
        ({"value": [1, 0, 0, 1]}, "t has 5 events and value 4; give as many"),
        ({"value": [1, 0, np.nan, 1, 1]}, "value row 3 is nan; give finite numbers"),
        ({"value": ["?"] * 5}, "value row 1 is ?; give finite numbers, or ON and OFF"),
        ({"value": [[1]] * 5}, "value is int64 [5, 1]; give numbers [events]"),
        ({"offset": [0, 4, 2, 5]}, "offset row 3 is 2 after 4; give numbers that never fall"),
        ({"offset": [0, 2, 4, 6]}, "offset goes from 0 to 6 and t has 5 events; give 0 to 5"),
        ({"offset": [1, 2, 4, 5]}, "offset goes from 1 to 5"),
        ({"offset": [0.0, 2, 4, 5]}, "offset is float64 [4]; give whole numbers [samples + 1]"),
        ({"offset": [0]}, "offset is int64 [1]"),
        ({"label": [1, 0]}, "label has 2 rows and offset 4, which is 3 samples; give one label per sample"),
        ({"label": [1, 1, 1]}, "has 1 class (every label is '1'); a classifier needs at least 2"),
        ({"label": [1, -0.5, 1]}, "labels are no classes: label row 2 is -0.5; give whole numbers, or text"),
        ({"label": [[1], [0], [1]]}, "label is int64 [3, 1]; give one label per sample"),
        ({"test": [0, 1, 0]}, "test is int64 [3]; give bool [3], one per sample"),
        ({"test": [True]}, "test is bool [1]; give bool [3]"),
        ({"test": [True] * 3}, "test is true for every sample; leave at least 1 for training"),
        ({"t": np.array([None] * 5)}, "cannot be read (array 't': it holds Python objects"),
    ],
)
def test_npz_faults(npz_file, changed, message):
    path = npz_file(**changed)
    with fails(message) as caught:
        open_events(str(path))
    assert str(path) in str(caught.value)


def test_npz_files_that_are_cut(npz_file):
    path = npz_file()
    content = path.read_bytes()
    for n in (0, 10, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:n])
        assert not is_event_data(str(path))
        with fails("cannot be read"):
            open_events(str(path))


def test_arguments(npz_file, tmp_path):
    path = str(npz_file())
    with fails("limit 0 is out of range; give 1 sample or more"):
        open_events(path, limit=0)
    with fails("test_fraction 1 is out of range"):
        open_events(path, test_fraction=1)
    with fails("has its own test part; leave test_fraction out"):
        open_events(path, test_fraction=0.3)
    for name in ("nmnist", "tonic:NMNIST"):
        with fails(f"data set '{name}' has its own test part; leave test_fraction out"):
            open_events(name, test_fraction=0.3)
    with fails("event data set 'nmnits' is not known; known: nmnist, nmnist-small. Did you mean 'nmnist'? Own files"):
        open_events("nmnits")
    with fails("is not a file; check the path"):
        open_events(str(tmp_path / "none.npz"))


# --- csv ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        "\n" + CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        "\ufeff" + CSV.replace("sample,t", " Sample , T").replace("\n", "\r\n"),
        CSV.replace("a,5,", "a,5.0,") + "\n\n",
        "label,x,address,value,t,sample\nup,?,0,1,5,a\ndown,?,1,-1,1,b\nup,?,2,0,7,a\nup,?,2,1,4,c\ndown,?,0,1,1,b\n",
    ],
    ids=["comma", "semicolon", "tab", "bom", "floats", "shuffled"],
)
def test_csv(csv_file, text):
    path = csv_file(text)
    assert is_event_data(str(path))
    data = open_events(str(path), test_fraction=0)
    assert (data.name, data.n_inputs, data.class_names, data.n_train) == ("own", 6, ("down", "up"), 3)
    samples = [([0, 2], [3, 2], "up"), ([0, 0], [1, 3], "down"), ([0], [5], "up")]
    assert sorted(as_lists(data)) == sorted(samples)


def test_csv_parts(csv_file):
    rows = [f"{k},{k},{k % 3},{k % 2}" for k in range(10)]
    path = str(csv_file("sample,t,address,label\n" + "\n".join(rows)))
    data = open_events(path)
    assert (data.n_inputs, data.n_train, len(data.labels)) == (3, 8, 10)
    assert as_lists(open_events(path)) == as_lists(data)
    limited = open_events(path, limit=3)
    assert limited.n_train == 3
    assert as_lists(limited) == as_lists(data)[:3] + as_lists(data)[8:]


def test_csv_in_chunks(csv_file, monkeypatch):
    path = str(csv_file(CSV))
    whole = open_events(path)
    monkeypatch.setattr(reader, "BLOCK", 2)
    assert as_lists(open_events(path)) == as_lists(whole)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give a header with the columns sample, t, address (or x and y) and label"),
        (" \n\n", "is empty; give a header"),
        ("sample,t,address,label\n", "has no rows below its header; give one row per line"),
        (CSV.replace("label", "kind"), "has no column 'label' in its header (sample, t, address, value, kind); name"),
        (CSV.replace("address", "where"), "has no column 'address'"),
        (CSV.replace("value", "t"), "has 2 columns 't'; rename one"),
        (CSV[:-5], "line 6: another number of values (4, not 5: 'c,4,2,'); give every line as many"),
        (CSV.replace("b,1,1,", "b,1,1,2,"), "line 4: another number of values (6, not 5: "),
        (CSV.replace("a,7", "a,soon"), "line 3: not a number (column t is 'soon'); give a number"),
        (CSV.replace("a,7", "a,"), "line 3: a value is missing (column t is ''); correct the line or remove it"),
        (CSV.replace("a,7", "a,nan"), "line 3: a value is missing (column t is 'nan')"),
        (
            CSV.replace("a,7", "a,0.25"),
            "line 3: t is 0.25; give whole microseconds, or the unit with --time-unit s, ms or ns, at most 2^53",
        ),
        (CSV.replace("a,7", "a,1e300"), "line 3: not a finite number (column t is '1e300')"),
        (CSV.replace("a,7", "a," + "9" * 30), "line 3: t is 1e+30; give whole microseconds"),
        (CSV.replace("a,7,2", "a,7,-2"), "line 3: address is -2; give a whole number from 0"),
        (CSV.replace("a,7,2", "a,7,2.5"), "line 3: address is 2.5; give a whole number from 0"),
        (CSV.replace("a,7,2", "a,7,33000"), "33001 addresses of 2 polarities; a network takes 65,000 inputs at most"),
        (CSV.replace("a,7,2", "a,7,9000000"), "has 9000001 addresses of 2"),
        (
            CSV.replace("a,7,2,0", "a,7,2,high"),
            "line 3: no polarity (column value is 'high'); give 1 or 0, 1 or -1, ON or OFF",
        ),
        (CSV.replace("a,7,2,0", "a,7,2,inf"), "line 3: no polarity (column value is 'inf')"),
        (
            CSV.replace("7,2,0,up", "7,2,0,down"),
            "line 3: label is 'down' and sample 'a' has label 'up' in line 2; give a sample one label",
        ),
        (CSV.replace("down", "up"), "has 1 class (every label is 'up')"),
        (CSV.replace("c,4,2,1,up", "c,4,2,1,"), "line 6: the label is missing (''); fill it in"),
        (
            CSV.replace("up", "0.5").replace("down", "1"),
            "line 2: label 0.5 is no class; labels are whole numbers or text",
        ),
        (CSV.replace("c,4", ",4"), "line 6: sample is empty; give the number or name"),
    ],
)
def test_csv_faults(csv_file, text, message):
    path = csv_file(text)
    with fails(message) as caught:
        open_events(str(path))
    assert str(path) in str(caught.value)


def test_a_csv_that_is_no_text(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(b"sample,t,address,label\n\x81\xfe\n")
    with fails("line 2: not text ("):
        open_events(str(path))
    path.write_bytes(b"\x81\xfe\n")
    assert not is_event_data(str(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.data())
def test_csv_and_npz_say_the_same(tmp_path, data):
    n_samples = data.draw(st.integers(2, 6))
    labels = [0, 1, *data.draw(st.lists(st.integers(0, 3), min_size=n_samples - 2, max_size=n_samples - 2))]
    counts = data.draw(st.lists(st.integers(1, 5), min_size=n_samples, max_size=n_samples))
    event = st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 30), st.integers(-1, 2))
    rows = data.draw(st.lists(event, min_size=sum(counts), max_size=sum(counts)))
    polarity = data.draw(st.booleans())
    sample = np.repeat(np.arange(n_samples), counts)
    first = np.cumsum([0, *counts[:-1]]).tolist()
    # Rows may be anywhere, but samples count by their first row.
    order = np.array(first + [k for k in data.draw(st.permutations(range(len(rows)))) if k not in first])
    lines = [f"{sample[k]},{rows[k][0]},{rows[k][1]},{labels[sample[k]]},{rows[k][2]}" for k in order]
    (tmp_path / "a.csv").write_text(f"sample,t,address,label,{'value' if polarity else 'other'}\n" + "\n".join(lines))
    by_sample = order[np.argsort(sample[order], kind="stable")]
    t, address, value = np.array(rows)[by_sample].T
    arrays = {"t": t, "address": address, "label": np.array(labels), "offset": np.cumsum([0, *counts])}
    np.savez(tmp_path / "a.npz", **arrays, **({"value": value} if polarity else {}))
    from_csv, from_npz = (open_events(str(tmp_path / name), test_fraction=0.4) for name in ("a.csv", "a.npz"))
    assert as_lists(from_csv) == as_lists(from_npz)
    assert (from_csv.n_inputs, from_csv.n_train) == (from_npz.n_inputs, from_npz.n_train)


# --- which files are events --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "is_event"),
    [
        (("t", "address"), True),
        (("T", "Address", "label"), True),
        (("t", "x", "y", "p", "offset"), True),
        (("x", "y"), False),
        (("X", "y", "t"), False),
        (("x", "y", "offset"), False),
        (("address", "offset"), False),
    ],
)
def test_which_npz_are_events(tmp_path, arrays, is_event):
    np.savez(tmp_path / "own.npz", **{name: np.zeros(1) for name in arrays})
    assert is_event_data(str(tmp_path / "own.npz")) is is_event


def test_what_else_is_events(csv_file, tmp_path):
    assert is_event_data("nmnist")
    assert is_event_data("tonic:SHD")
    assert not any(map(is_event_data, ("mnist", "digits", "", str(tmp_path), str(tmp_path / "none.npz"), "none.csv")))
    assert not is_event_data(str(csv_file("t,x,y,label\n1,2,3,a\n")))
    assert not is_event_data(str(csv_file("1,2,3,a\n1,2,3,b\n")))
    assert not is_event_data(str(csv_file("")))


# --- N-MNIST -----------------------------------------------------------------------------------------------


def packed(*rows: tuple[int, int, int, int]) -> bytes:
    """Write (x, y, p, t) as published."""
    return b"".join(bytes((x, y)) + (p << 23 | t).to_bytes(3, "big") for x, y, p, t in rows)


def nmnist_folder(root: Path, name: str = "N-MNIST") -> Path:
    for part, digit, number, rows in (
        ("Train", 5, 1, [(33, 0, 1, 900), (1, 2, 0, 1000)]),
        ("Train", 0, 2, [(0, 1, 1, 70_000), (0, 0, 0, 8_388_607)]),
        ("Train", 4, 3, [(3, 3, 0, 30)]),
        ("Test", 7, 1, [(33, 33, 1, 10), (33, 33, 1, 5)]),
    ):
        path = root / name / part / str(digit) / f"{number:05d}.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(packed(*rows))
    return root / name


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(downloads.DATA_VARIABLE, f"{tmp_path / 'absent'}:{tmp_path}")
    return tmp_path


@pytest.mark.parametrize("name", nmnist.NMNIST_FOLDERS)
def test_published_folders(data_folder, name):
    folder = nmnist_folder(data_folder, name)
    data = open_events("nmnist")
    assert (data.n_inputs, data.class_names, data.n_train) == (2312, tuple("0123456789"), 3)
    assert data.source == f"{folder}, 3 training and 1 test samples"
    assert as_lists(data) == [
        ([0, 100], [34 * 34 + 33, 69], "5"),
        ([0, 8_318_607], [34 * 34 + 34, 0], "0"),
        ([0], [105], "4"),
        ([0, 5], [2311, 2311], "7"),
    ]
    limited = open_events("nmnist", limit=1)
    assert limited.n_train == 1
    assert as_lists(limited) == [as_lists(data)[0], as_lists(data)[3]]


def test_the_folder_itself_may_be_named(data_folder, monkeypatch):
    monkeypatch.setenv(downloads.DATA_VARIABLE, str(nmnist_folder(data_folder)))
    assert open_events("nmnist").n_train == 3


def test_a_recording_whose_clock_overflows(tmp_path):
    path = tmp_path / "1.bin"
    path.write_bytes(packed((1, 0, 0, 8000), (0, 240, 0, 0), (2, 0, 1, 5), (9, 240, 0, 0), (3, 0, 0, 6)))
    t, inputs = read_nmnist_file(path)
    assert t.tolist() == [8000, 8192 + 5, 2 * 8192 + 6]
    assert inputs.tolist() == [1, 34 * 34 + 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes, which is no whole number of 5-byte events; unpack it again"),
        (packed((1, 1, 1, 1))[:4], "has 4 bytes"),
        (packed((1, 1, 1, 1), (34, 0, 1, 1)), "event 2 is at x 34, y 0; N-MNIST has 34 x 34 pixels"),
        (packed((1, 200, 1, 1)), "event 1 is at x 1, y 200"),
    ],
)
def test_recordings_that_are_damaged(data_folder, content, message):
    path = nmnist_folder(data_folder) / "Train" / "4" / "00003.bin"
    path.write_bytes(content)
    with fails(message) as caught:
        open_events("nmnist")
    assert str(path) in str(caught.value)


def test_a_part_that_is_missing(data_folder):
    folder = nmnist_folder(data_folder)
    (folder / "Test" / "7" / "00001.bin").unlink()
    with fails(f"{folder / 'Test'} has no files DIGIT/NUMBER.bin; unpack Test.zip of N-MNIST there"):
        open_events("nmnist")


def test_nmnist_that_is_not_there(data_folder):
    absent = data_folder / "absent"
    with fails(
        f"data set 'nmnist' was not found (EDGELEARN_DATA names {absent}, which is no folder); unpack Train.zip"
    ):
        open_events("nmnist")
    with fails("data set 'nmnist-small' was not found"):
        open_events("nmnist-small")


def small_arrays() -> dict[str, np.ndarray]:
    rows = np.array([(33, 0, 1, 900), (1, 2, 0, 1000), (5, 5, 0, 7), (6, 6, 1, 8)])
    named = dict(zip("xypt", rows.T, strict=True))
    arrays = {key: named[key].astype(np.uint32 if key == "t" else np.uint8) for key in "xypt"}
    arrays["offset"] = np.array([0, 2, 3, 4])
    arrays["label"], arrays["index"] = np.array([5, 0, 7], np.uint8), np.array([1, 2, 60_001], np.int32)
    return arrays


@pytest.mark.parametrize("place", nmnist.SMALL_FILES)
def test_small_file(data_folder, monkeypatch, place):
    path = data_folder / place
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **small_arrays())
    monkeypatch.setattr(nmnist, "SMALL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    data = open_events("nmnist")
    assert (data.n_inputs, data.n_train, data.source) == (2312, 2, str(path))
    assert as_lists(data) == [
        ([0, 100], [34 * 34 + 33, 69], "5"),
        ([0], [175], "0"),
        ([0], [34 * 34 + 6 * 34 + 6], "7"),
    ]
    assert as_lists(open_events("nmnist", limit=1)) == [as_lists(data)[0], as_lists(data)[2]]
    # The whole set wins where both are there; the small one has a name of its own.
    nmnist_folder(data_folder)
    assert open_events("nmnist").n_train == 3
    assert open_events("nmnist-small").n_train == 2
    path.write_bytes(path.read_bytes() + b"\0")
    with fails(f"{path} is not the published file: its sha256 is "):
        open_events("nmnist-small")


def test_nmnist_itself():
    try:
        data = open_events("nmnist-small")
    except UserError as error:
        if "was not found" not in str(error):
            raise
        missing("the file of nmnist-small is missing; name its folder in the variable EDGELEARN_DATA")
    as_lists(data)
    assert (data.n_train, len(data.labels), len(data.t), data.n_inputs) == (1000, 1100, 4_518_827, 2312)
    assert data.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # as in MNIST
    assert data.labels[1000:1010].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert 300_000 < data.t.max() < 340_000
    limited = open_events("nmnist-small", limit=10)
    assert len(limited.labels) == 110
    for mine, whole in ((9, 9), (10, 1000), (109, 1099)):
        assert all(map(np.array_equal, limited.sample(mine), data.sample(whole)))


# --- tonic -------------------------------------------------------------------------------------------------


class Fake(list):
    """Stand for a tonic data set."""

    sensor_size: Any = (3, 2, 2)
    classes: Any = ("cat", "dog")

    def __init__(self, save_to: str = "", train: bool = True, **changed: Any) -> None:
        rows = [[(0, 0, 10, True), (2, 1, 12, False)], [(1, 1, 9, True), (1, 0, 3, True)], [(0, 1, 5, False)]]
        samples = [(np.array(row, XYTP), label) for row, label in zip(rows, (0, 1, 1), strict=True)]
        super().__init__(samples if train else samples[:1])
        self.__dict__.update(changed)


def test_tonic_conversion():
    data = events_from_tonic(Fake(), Fake(train=False), "tonic:Fake")
    assert (data.name, data.n_inputs, data.class_names, data.n_train) == ("tonic:Fake", 12, ("cat", "dog"), 3)
    samples = [([0, 2], [6, 5], "cat"), ([0, 6], [7, 10], "dog"), ([0], [3], "dog")]
    assert sorted(as_lists(data)[:3]) == sorted(samples)
    assert as_lists(data)[3] == samples[0]
    limited = events_from_tonic(Fake(), Fake(train=False), "tonic:Fake", limit=2)
    assert as_lists(limited) == as_lists(data)[:2] + as_lists(data)[3:]


def test_tonic_samples_come_in_a_drawn_order():
    """Parts sorted by class must not make a limit that holds one class."""
    ordered = Fake()
    ordered[:] = [(ordered[0][0], k // 50) for k in range(100)]
    assert 0.3 < events_from_tonic(ordered, Fake(train=False), "tonic:Fake", limit=40).labels[:40].mean() < 0.7


def test_tonic_events_in_one_dimension():
    row = np.array([(5, 3, 1), (4, 0, 1)], [("t", np.int32), ("x", np.int32), ("p", np.int32)])
    train = Fake(sensor_size=(4, 1, 1), classes=np.array([b"null", b"eins"], object))
    train[:] = [(row, np.int64(1)), (row[:0], np.array(0))]
    data = events_from_tonic(train, train, "tonic:SHD")
    assert data.n_inputs == 4
    assert sorted(as_lists(data)[2:]) == [([], [], "null"), ([0, 1], [0, 3], "eins")]


@pytest.mark.parametrize(
    ("classes", "labels", "names"),
    [
        (None, [3, 7, 3], ["3", "7", "3"]),
        (None, ["b", "a", b"b"], ["b", "a", "b"]),
        ({"dog": 1, "cat": 0}, [0, 1, 1], ["cat", "dog", "dog"]),
        (["a", "b", "c"], ["c", "b", "a"], ["c", "b", "a"]),
    ],
)
def test_tonic_labels(classes, labels, names):
    train = Fake(classes=classes)
    train[:] = [(events, label) for (events, _), label in zip(train, labels, strict=True)]
    data = events_from_tonic(train, train, "tonic:Fake")
    assert [data.class_names[label] for label in data.labels[3:]] == names


@pytest.mark.parametrize(
    ("changed", "sample", "message"),
    [
        ({"sensor_size": None}, None, "has no one sensor size (None); save its events as .npz"),
        ({"sensor_size": (4, 4, 3)}, None, "has 3 polarities; 1 or 2 are allowed"),
        ({"sensor_size": (256, 128, 2)}, None, "has 32768 addresses of 2 polarities; a network takes 65,000 inputs"),
        ({"sensor_size": (2, 2, 2)}, None, "has x = 2; its sensor has 0 to 1"),
        ({}, (np.zeros(2), 0), "sample 1 has the fields (none); t and x are needed"),
        ({}, (np.zeros(2, [("t", int), ("y", int)]), 0), "sample 1 has the fields t, y; t and x are needed"),
        ({}, (np.array([(np.nan, 0)], [("t", float), ("x", int)]), 0), "sample 1 has a time that is not finite"),
        ({}, (np.zeros(2, XYTP), 2), "has the label 2; its classes are 0 to 1"),
        ({}, (np.zeros(2, XYTP), "cow"), "has the label 'cow'; its classes are 0 to 1"),
        ({}, (np.zeros(2, XYTP), [1, 2]), "sample 1 has the label [1, 2], which is no one class"),
        ({"classes": None}, (np.zeros(2, XYTP), "cow"), "mixes text and numbers as labels"),
        ({"classes": None}, (np.zeros(2, XYTP), 0), "has 1 class"),
        ({}, 5, "sample 1 cannot be read (TypeError: "),
    ],
)
def test_tonic_faults(changed, sample, message):
    train = Fake(**changed)
    if sample is not None:
        train[1:] = [sample]
    with fails(message) as caught:
        events_from_tonic(train, Fake(train=False, **changed), "tonic:Fake")
    assert "'tonic:Fake'" in str(caught.value)


def test_tonic_without_samples():
    empty = Fake()
    empty.clear()
    with fails("has no training samples or no events"):
        events_from_tonic(empty, Fake(), "tonic:Fake")


class Split(Fake):
    def __init__(self, save_to: str, split: str = "train") -> None:
        super().__init__(save_to, split == "train")


class Undivided(Fake):
    def __init__(self, save_to: str) -> None:
        super().__init__(save_to)


class Unreachable(Fake):
    def __init__(self, save_to: str, train: bool = True) -> None:
        print("Downloading")
        raise OSError("no\nnetwork")


class Large(Unreachable):
    sensor_size = (256, 128, 2)


class Digits(Fake):
    def __init__(self, save_to: str, train: bool = True, single_digits: bool = False) -> None:
        assert single_digits
        super().__init__(save_to, train)


@pytest.fixture
def fake_tonic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    kinds = (Fake, Split, Undivided, Unreachable, Large, Digits)
    module = types.SimpleNamespace(datasets=types.SimpleNamespace(**{kind.__name__: kind for kind in kinds}, other=1))
    monkeypatch.setitem(sys.modules, "tonic", module)
    monkeypatch.setenv(downloads.CACHE_VARIABLE, str(tmp_path))
    return tmp_path / "tonic"


@pytest.mark.parametrize("kind", ["Fake", "Split", "Digits"])
def test_tonic_data_sets(fake_tonic, kind):
    data = open_events(f"tonic:{kind}", limit=2)
    assert (data.name, data.n_train, len(data.labels)) == (f"tonic:{kind}", 2, 3)
    assert data.source == f"tonic.datasets.{kind} in {fake_tonic}"


def test_tonic_that_cannot_be_had(fake_tonic, monkeypatch, capsys):
    with fails("tonic data set 'fake' is not known; known: Digits, Fake, Large, Split, Undivided, Unreachable."):
        open_events("tonic:fake")
    with fails("'tonic:Undivided' has no training and test part; save its events as .npz"):
        open_events("tonic:Undivided")
    with fails("'tonic:Large' has 32768 addresses of 2 polarities"):
        open_events("tonic:Large")
    with fails(
        f"could not get 'tonic:Unreachable' (OSError: no network); give it a network, or put its files into {fake_tonic / 'Unreachable'}"
    ):
        open_events("tonic:Unreachable")
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(sys.modules, "tonic", None)
    with fails('tonic is not installed; pip install "tonic>='):
        open_events("tonic:Fake")


# --- other names and forms ---------------------------------------------------------------------------------


def pixels(header, rows, tmp_path, name="e.csv"):
    (tmp_path / name).write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(tmp_path / name)


ROWS = [(k // 4, 1000 * (k % 4), k % 3, k % 2, k % 2, k // 4 % 2) for k in range(24)]  # sample, t, x, y, p, label


@pytest.mark.parametrize(
    ("header", "order", "scale"),
    [
        ("sample,t,x,y,p,label", (0, 1, 2, 3, 4, 5), 1),
        ("y,x,Timestamp,polarity,class,trial", (3, 2, 1, 4, 5, 0), 1),
        ("ts_ms,pol,xs,ys,target,recording", (1, 4, 2, 3, 5, 0), 1e-3),
        ("time (s),x,y,p,label", (1, 2, 3, 4, 5), 1e-6),
    ],
)
def test_names_of_columns_in_any_order(tmp_path, header, order, scale):
    rows = [[row[k] if k != 1 else row[1] * scale for k in order] for row in ROWS]
    path = pixels(header, rows, tmp_path)
    assert is_event_data(path)
    data = open_events(path, test_fraction=0)
    expected = open_events(pixels("sample,t,x,y,value,label", ROWS, tmp_path, "plain.csv"), test_fraction=0)
    assert as_lists(data) == as_lists(expected)
    assert (data.n_inputs, len(data.labels)) == (12, 6)
    assert any("whole microseconds" in note for note in data.notes) == (scale != 1)
    assert any("no column sample: 6 samples" in note for note in data.notes) == (0 not in order)


def test_the_unit_of_times_may_be_given(tmp_path):
    path = pixels("sample,t,x,y,p,label", [(row[0], row[1] / 1e6, *row[2:]) for row in ROWS], tmp_path)
    with fails("t is 0.001; give whole microseconds, or the unit with --time-unit s, ms or ns, at most 2^53"):
        open_events(path)
    assert open_events(path, time_unit="s").t.max() == 3000
    named = pixels("sample,t_ms,x,y,p,label", ROWS, tmp_path)
    with fails("time_unit is s, and column 't_ms' says ms"):
        open_events(named, time_unit="s")


def test_values_are_no_events(tmp_path):
    for header, rows in (
        ("t,x,y,p,label", [(k, 0.5 * k, 1.5, 1013.2, k % 2) for k in range(9)]),
        ("t,x,y,p,label", [(k, k, 2, 1013, k % 2) for k in range(9)]),
        ("t,x,y,z,label", [(k, k, 2, 3, k % 2) for k in range(9)]),
    ):
        assert not is_event_data(pixels(header, rows, tmp_path)), header


def test_events_are_refused_where_values_are_read(tmp_path):
    from edgelearn.data.datasets import open_dataset
    from edgelearn.data.open_source import open_source

    path = pixels("sample,t,x,y,p,label", ROWS, tmp_path)
    for read in (open_dataset, open_source):
        with fails("looks like address events (sample, x, y, p, label, t); run --spiking reads address events"):
            read(path)


def test_polarities_without_off_are_noted(tmp_path):
    data = open_events(pixels("sample,t,x,y,p,label", [(*row[:4], 3 + row[4], row[5]) for row in ROWS], tmp_path))
    assert "polarities are 3 to 4, all ON; give 0 or -1 for OFF" in data.notes
    data = open_events(pixels("sample,t,x,y,p,label", [(*row[:4], 1 + row[4], row[5]) for row in ROWS], tmp_path))
    assert "polarities 1 and 2 are read as OFF and ON" in data.notes
    assert as_lists(data) == as_lists(open_events(pixels("sample,t,x,y,p,label", ROWS, tmp_path)))


SIGNS = [
    ("1", "0"),
    ("1", "-1"),
    ("ON", "OFF"),
    ("true", "False"),
    ("+", "-"),
    ("T", "F"),
    ("pos", "neg"),
    ("1.0", "0.0"),
    ("2", "1"),
]
FORMATS = ("csv", "npz", "npy", "parquet", "mat", "h5", "txt")


def write_events(kind: str, signs: tuple[str, str], folder: Path) -> Path:
    """Write ROWS with polarities as texts, or as numbers where they are some."""
    columns = {
        name: np.array(values)
        for name, values in zip(("sample", "t", "x", "y", "p", "label"), zip(*ROWS, strict=True), strict=True)
    }
    columns["p"] = np.where(columns["p"] > 0, *signs)
    if signs[0][0].isdigit() and kind not in ("csv", "txt"):
        columns["p"] = columns["p"].astype(float)
    path = folder / f"e.{kind}"
    if kind in ("csv", "txt"):
        mark = "," if kind == "csv" else "\t"
        path.write_text(
            "\n".join(mark.join(map(str, row)) for row in (columns, *zip(*columns.values(), strict=True))) + "\n"
        )
    elif kind == "npz":
        np.savez(path, **columns)
    elif kind == "npy":
        table = np.empty(len(ROWS), [(name, one.dtype) for name, one in columns.items()])
        for name, one in columns.items():
            table[name] = one
        np.save(path, table)
    elif kind == "parquet":
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), path, row_group_size=4)
    elif kind == "mat":
        columns["p"] = columns["p"].astype(object) if columns["p"].dtype.kind == "U" else columns["p"]
        pytest.importorskip("scipy.io").savemat(path, {"TD": columns})
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            for name, one in columns.items():
                file[f"events/{name}"] = one.astype("S") if one.dtype.kind == "U" else one
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_polarities_as_people_write_them(tmp_path, kind):
    expected = open_events(pixels("sample,t,x,y,p,label", ROWS, tmp_path))
    for signs in SIGNS:
        path = write_events(kind, signs, tmp_path)
        assert is_event_data(str(path)), signs
        data = open_events(str(path))
        assert (as_lists(data), data.n_inputs) == (as_lists(expected), expected.n_inputs), signs
        assert data.class_names == expected.class_names


@pytest.mark.parametrize("kind", FORMATS)
def test_events_of_every_format_are_no_values(tmp_path, kind):
    from edgelearn.data.datasets import open_dataset
    from edgelearn.data.open_source import open_source

    path = write_events(kind, ("ON", "OFF"), tmp_path)
    for read in (open_dataset, open_source):
        with pytest.raises(UserError, match=r"looks like address events \(.*\); run --spiking reads address events; "):
            read(str(path))


@pytest.mark.parametrize("kind", ["bin", "npy", "npz", "csv", "parquet", "aedat"])
def test_folders_of_events_are_no_values(tmp_path, kind):
    from edgelearn.data.datasets import open_dataset
    from edgelearn.data.open_source import open_source

    for place in ("a/left", "a/right", "flat"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        if kind == "bin":
            (folder / "0.bin").write_bytes(bytes((3, 4, 128, 0, 9)) * 8)
        elif kind == "aedat":
            (folder / "0.aedat").write_bytes(b"#!AER-DAT2.0\r\n")
        else:
            write_events(kind, ("1", "0"), folder)
    for read in (open_dataset, open_source):
        with fails("holds a folder of event recordings for each class; run --spiking reads address events"):
            read(str(tmp_path / "a"))
        if kind == "aedat":
            with fails("is a recording of an event camera; run --spiking reads address events"):
                read(str(tmp_path / "flat" / "0.aedat"))
        elif kind != "bin":
            with pytest.raises(UserError, match="looks like address events"):
                read(str(tmp_path / "flat"))


@pytest.mark.parametrize("kind", ["npy", "npz", "h5", "txt"])
def test_columns_of_events_without_names(tmp_path, kind):
    from edgelearn.data.datasets import open_dataset
    from edgelearn.data.open_source import open_source

    rng = np.random.default_rng(0)
    table = np.stack(
        [np.cumsum(rng.integers(1, 900, 60)), *rng.integers(0, 34, (2, 60)), rng.integers(0, 2, 60)], axis=1
    )
    path = tmp_path / f"events.{kind}"
    if kind == "npy":
        np.save(path, table.astype(np.float64))
    elif kind == "npz":
        np.savez(path, events=table)
    elif kind == "txt":
        np.savetxt(path, table, fmt="%d")
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["left/events"] = table
    for read in (open_dataset, open_source):
        with pytest.raises(UserError, match=r"looks like address events without (names|a header)"):
            read(str(path))


def test_values_with_names_of_events_stay_values(tmp_path):
    from edgelearn.data.datasets import open_dataset

    rng = np.random.default_rng(0)
    n = 60
    np.savez(
        tmp_path / "a.npz", X=rng.random((n, 4)), y=rng.integers(0, 2, n), t=np.arange(n) / 50, value=rng.random(n)
    )
    assert open_dataset(str(tmp_path / "a.npz")).n_features == 4
    measured = {"t": np.arange(n) / 50, "x": rng.normal(size=n), "y": rng.normal(size=n), "p": rng.integers(0, 2, n)}
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(measured), tmp_path / "b.parquet")
    assert open_dataset(str(tmp_path / "b.parquet")).n_features == 2


@pytest.mark.parametrize(
    ("kind", "step"), [("timestamp[us]", 1), ("timestamp[ns]", 1), ("duration[us]", 1), ("int32", 1), ("double", 1)]
)
def test_times_of_parquet(tmp_path, kind, step):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    expected = open_events(pixels("sample,t,x,y,p,label", ROWS, tmp_path))
    columns = dict(zip(("sample", "t", "x", "y", "p", "label"), map(list, zip(*ROWS, strict=True)), strict=True))
    t = pa.array([1000 * one for one in columns["t"]] if kind == "timestamp[ns]" else columns["t"])
    columns["t"] = t.cast("float64") if kind == "double" else t.cast(kind)
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "e.parquet")
    assert as_lists(open_events(str(tmp_path / "e.parquet"))) == as_lists(expected)


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"label": ["u", "v"]}, "row 2: label is 'v' and sample '0' has label 'u' in row 1; give a sample one label"),
        ({"x": [0.5, 1.0]}, "row 1: x is 0.5; give a whole number from 0"),
        ({"x": ["a", "b"]}, "column 'x' holds no numbers; give one whole number per event"),
        ({"p": ["?", "1"]}, "row 1: a value is missing (column p is '?'); correct the line or remove it"),
        ({"p": [None, 1]}, "row 1: a value is missing (column p is 'nan')"),
        ({"label": None}, "has no column 'label' among its columns (t, x, y, p, sample); name sample, t, address"),
        ({"t": [], "x": [], "y": [], "p": [], "sample": [], "label": []}, "has no rows; give one event per row"),
    ],
)
def test_faults_of_parquet(tmp_path, columns, fault):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    good = {"t": [1, 2], "x": [1, 2], "y": [3, 4], "p": [0, 1], "sample": [0, 0], "label": ["u", "u"]}
    table = pa.table({name: value for name, value in {**good, **columns}.items() if value is not None})
    pyarrow.parquet.write_table(table, tmp_path / "e.parquet")
    with fails(fault):
        open_events(str(tmp_path / "e.parquet"))


FIELDS = np.dtype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", bool)])


def structured(rows):
    return np.array([(row[2], row[3], row[1], row[4]) for row in rows], FIELDS)


def test_structured_arrays(tmp_path):
    expected = as_lists(open_events(pixels("sample,t,x,y,p,label", ROWS, tmp_path), test_fraction=0))
    whole = np.dtype([*FIELDS.descr, ("sample", "i4"), ("label", "i4")])
    np.save(tmp_path / "own.npy", np.array([(*one.tolist(), row[0], row[5]) for one, row in zip(structured(ROWS), ROWS, strict=True)], whole))  # fmt: skip
    label, offset = np.arange(6) % 2, np.arange(0, 25, 4)
    np.savez(tmp_path / "flat.npz", events=structured(ROWS), labels=label, offsets=offset)
    np.savez(tmp_path / "each.npz", *[structured(ROWS[a : a + 4]) for a in offset[:-1]], label=label)
    flat = {"ts": [row[1] for row in ROWS], "xs": [row[2] for row in ROWS], "ys": [row[3] for row in ROWS], "pol": [row[4] for row in ROWS]}  # fmt: skip
    np.savez(tmp_path / "names.npz", **flat, offset=offset, label=label)
    for name in ("own.npy", "flat.npz", "each.npz", "names.npz"):
        assert is_event_data(str(tmp_path / name)), name
        assert as_lists(open_events(str(tmp_path / name), test_fraction=0)) == expected, name
    np.save(tmp_path / "alone.npy", structured(ROWS))
    with fails("lacks offset, label"):
        open_events(str(tmp_path / "alone.npy"))
    np.save(tmp_path / "plain.npy", np.zeros((4, 4)))
    assert not is_event_data(str(tmp_path / "plain.npy"))


@pytest.mark.parametrize("has_parts", [False, True])
@pytest.mark.parametrize("kind", ["bin", "npy", "csv"])
def test_a_folder_of_recordings_for_each_class(tmp_path, kind, has_parts):
    for part in ("train", "test") if has_parts else ("",):
        for k in range(4):
            folder = tmp_path / "set" / part / ("left" if k % 2 else "right")
            folder.mkdir(parents=True, exist_ok=True)
            rows = [(0, t, t % 3, t % 2, t % 2) for t in range(5 + k)]
            if kind == "bin":
                content = [[x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255] for _, t, x, y, p in rows]
                (folder / f"{k}.bin").write_bytes(b"".join(map(bytes, content)))
            elif kind == "npy":
                np.save(folder / f"{k}.npy", structured([(*row, 0) for row in rows]))
            else:
                pixels("t,x,y,p", [row[1:] for row in rows], folder, f"{k}.csv")
    path = str(tmp_path / "set")
    assert is_event_data(path)
    data = open_events(path)
    assert data.class_names == ("left", "right")
    assert (len(data.labels), data.n_train) == ((8, 4) if has_parts else (4, 3))
    assert data.n_inputs == (2 * 34 * 34 if kind == "bin" else 12)
    width, height = (34, 34) if kind == "bin" else (3, 2)
    for t, inputs, _ in as_lists(data):
        assert inputs == [now % 2 * width * height + now % 2 * width + now % 3 for now in t]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 2, 3, 0)])
def test_events_without_a_header_are_no_values(tmp_path, order):
    from edgelearn.data.datasets import open_dataset

    rng = np.random.default_rng(0)
    t = np.cumsum(rng.integers(1, 900, 40))
    rows = [[(now, x, y, p)[k] for k in order] for now, x, y, p in zip(t, *rng.integers(0, 34, (2, 40)), rng.integers(0, 2, 40), strict=True)]  # fmt: skip
    with fails("looks like address events without a header; give one, such as t,x,y,p,sample,label"):
        open_dataset(pixels(",".join(map(str, rows[0])), rows[1:], tmp_path))
    values = [(k, *rng.integers(0, 34, 2), k % 2) for k in range(40)]  # a number of the row is no clock of events
    with fails("column '1' rises in every row, by 1, as a clock or a counter does"):
        open_dataset(pixels("0,1,2,0", values, tmp_path, "values.csv"))


def test_parquet_with_a_column_twice(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    columns = {name: pa.array([1, 2]) for name in "xyt"} | {"label": pa.array(["u", "v"])}
    table = pa.Table.from_arrays([*columns.values(), columns["t"]], [*columns, "t"])
    pyarrow.parquet.write_table(table, tmp_path / "e.parquet")
    with fails("has 2 columns 't'; rename one"):
        open_events(str(tmp_path / "e.parquet"))


@pytest.mark.parametrize("kind", ["jsonl", "json", "arff"])
def test_events_in_formats_of_values_alone(tmp_path, kind):
    import json

    from edgelearn.data.datasets import open_dataset
    from edgelearn.data.open_source import open_source

    titles = ("sample", "t", "x", "y", "p", "label")
    rows = [dict(zip(titles, row, strict=True)) for row in ROWS]
    path = tmp_path / f"e.{kind}"
    if kind == "arff":
        head = "".join(f"@attribute {title} numeric\n" for title in titles)
        path.write_text(f"@relation e\n{head}@data\n" + "\n".join(",".join(map(str, row)) for row in ROWS))
    else:
        path.write_text(json.dumps(rows) if kind == "json" else "\n".join(map(json.dumps, rows)))
    assert not is_event_data(str(path))
    for read in (open_dataset, open_source):
        with fails(
            "looks like address events (sample, x, y, p, label, t); run --spiking reads address events in .csv, .parquet"
        ):
            read(str(path))
    for measured in (dict.fromkeys(titles, 0.5), {"a": 1, "b": 2}):
        lines = [measured | {"label": k % 2, "x": k % 7 / 4} for k in range(40)]
        (tmp_path / "values.jsonl").write_text("\n".join(map(json.dumps, lines)))
        assert open_dataset(str(tmp_path / "values.jsonl")).n_classes == 2


@pytest.mark.parametrize("kind", ["npy", "txt", "csv"])
@pytest.mark.parametrize("order", ["txyp", "xytp", "ptxy"])
def test_folders_of_columns_without_names(tmp_path, kind, order):
    rng, unit = np.random.default_rng(0), "s" if kind == "txt" else None
    expected = []
    for k in range(6):
        columns = {
            "t": np.cumsum(rng.integers(1, 900, 40)),
            "x": rng.integers(0, 9, 40),
            "y": rng.integers(0, 7, 40),
            "p": rng.integers(0, 2, 40),
        }
        columns["x"][0], columns["y"][0] = 8, 6
        inputs = 63 * columns["p"] + 9 * columns["y"] + columns["x"]
        expected.append((("left", "right")[k % 2], (columns["t"] - columns["t"][0]).tolist(), inputs.tolist()))
        table = np.stack([columns[role] / 1e6 if role == "t" and unit else columns[role] for role in order], axis=1)
        path = tmp_path / "set" / expected[-1][0] / f"{k}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "npy":
            np.save(path, table)
        else:
            np.savetxt(path, table, fmt="%.6f" if unit else "%d", delimiter="," if kind == "csv" else " ")
    assert is_event_data(str(tmp_path / "set"))
    data = open_events(str(tmp_path / "set"), time_unit=unit)
    found = [(data.class_names[data.labels[k]], *map(list, data.sample(k))) for k in range(6)]
    assert sorted(found) == sorted(expected)
    assert f"columns without names are read as {', '.join(order)}" in data.notes
    if unit:
        with fails("t row 1 is 0.000"):
            open_events(str(tmp_path / "set"))


def test_spikes_of_any_number_per_sample_in_hdf5(tmp_path):
    """The layout of the Heidelberg Digits: spikes/times in seconds, of half precision, and spikes/units."""
    h5py = pytest.importorskip("h5py")
    from edgelearn.data.datasets import open_dataset

    rng, path = np.random.default_rng(0), tmp_path / "shd.h5"
    times = [np.sort(rng.integers(0, 500, 5 + k)).astype(np.float16) / np.float16(512) for k in range(8)]
    units = [rng.integers(0, 70, 5 + k) for k in range(8)]
    with h5py.File(path, "w") as file:
        made = (("times", times, np.float16), ("units", units, np.uint16))
        for name, parts, kind in made:
            one = file.create_dataset(f"spikes/{name}", (8,), dtype=h5py.vlen_dtype(kind))
            for k, part in enumerate(parts):
                one[k] = part
        file["labels"] = np.arange(8) % 2
    assert is_event_data(str(path))
    data = open_events(str(path), test_fraction=0.0, time_unit="s")
    found = sorted((int(data.labels[k]), *map(list, data.sample(k))) for k in range(8))
    micros = [np.rint(part.astype(np.float64) * 1e6).astype(int) for part in times]
    whole = [(part - part[0]).tolist() for part in micros]
    assert found == sorted((k % 2, whole[k], units[k].tolist()) for k in range(8))
    with fails("looks like address events"):
        open_dataset(str(path))
    with fails("t row 1 is"):
        open_events(str(path))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("title", ["x", "y", "p"])
def test_events_with_a_missing_value_stay_events(tmp_path, title, kind):
    from edgelearn.data.datasets import open_dataset

    titles = ("sample", "t", "x", "y", "p", "label")
    columns = {name: list(cells) for name, cells in zip(titles, zip(*ROWS, strict=True), strict=True)}
    columns[title][2] = None
    path = tmp_path / f"e.{kind}"
    if kind == "csv":
        rows = ([("" if cell is None else str(cell)) for cell in row] for row in zip(*columns.values(), strict=True))
        path.write_text("\n".join(map(",".join, (titles, *rows))) + "\n")
    else:
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), path)
    assert is_event_data(str(path))
    with fails(f"line 4: a value is missing (column {title}" if kind == "csv" else "row 3: "):
        open_events(str(path))
    with fails("looks like address events"):
        open_dataset(str(path))


@pytest.mark.parametrize(
    "flag", [("--ignore", "p"), ("--time-column", "t"), ("--labels", "x.txt"), ("--missing", "-1"), ("--decimal", ",")]
)
def test_settings_of_values_are_refused_with_events(tmp_path, capsys, flag):
    from edgelearn.cli import main

    path = pixels("sample,t,x,y,p,label", ROWS, tmp_path)
    assert main(["run", "--spiking", "--data", str(path), *flag]) == 2
    name = flag[0][2:].replace("-", "_")
    assert capsys.readouterr().err == f"edgelearn: {name} is not for address events; leave it out\n"


def test_a_sweep_refuses_events_before_its_first_cell(tmp_path, capsys, monkeypatch):
    from edgelearn.cli import main

    monkeypatch.chdir(tmp_path)
    pixels("sample,t,x,y,p,label", ROWS, tmp_path)
    assert main(["sweep", "--data", "e.csv", "--bits", "4,8", "--out", "study"]) == 2
    assert "looks like address events" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
