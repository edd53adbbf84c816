"""Sources: arrays, descriptions, folders, records and names become the same samples from every start."""

from __future__ import annotations

import importlib.util
import os
import pickle
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelearn.data import downloads, parquet
from edgelearn.data.arff import read_arff
from edgelearn.data.description import Description, as_text, rate_of, read_description
from edgelearn.data.formats import read_numbers, read_pickled_arrays, read_svmlight
from edgelearn.data.open_source import DESCRIBED, open_source, stream_info, stream_names
from edgelearn.data.recordings import BLOCK, Limited, Recording
from edgelearn.data.restarts import with_restarts
from edgelearn.data.source import Block, Rejects, Source
from edgelearn.data.wfdb_records import N_VALUES, cut_beats
from edgelearn.errors import UserError
from tests.tools import missing

KEYS = ("x", "y", "t", "segment")


def fails(text: str) -> Any:
    """Expect a UserError of one line that contains a text."""
    return pytest.raises(UserError, match="^[^\n]*" + text + "[^\n]*$")


def read(source: Source, start: int = 0) -> Block:
    blocks = list(source.blocks(start))
    assert all(len(block) for block in blocks)
    return Block(*(np.concatenate([getattr(block, key) for block in blocks]) for key in KEYS))


def same_from(source: Source, start: int) -> None:
    whole, part = read(source), read(source, start)
    for key in KEYS:
        assert np.array_equal(getattr(part, key), getattr(whole, key)[start:], equal_nan=key in ("t", "x"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return an empty folder that is the only one in EDGELEARN_DATA; the cache is elsewhere and empty."""
    monkeypatch.setenv("EDGELEARN_DATA", str(tmp_path))
    monkeypatch.setenv("EDGELEARN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def describe(folder: Path, text: str, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def save(folder: Path, name: str = "own.npz", **arrays: Any) -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        missing(f'{package} is not installed: pip install "edgelearn[streams]"')


# --- arrays ------------------------------------------------------------------------------------------------


def test_arrays_keep_their_values():
    x = np.arange(12.0).reshape(4, 3)
    recording = Recording(x, [0, -1, 1, 0], rate_hz=10, segment=[5, 5, 8, 8], class_names=("a", "b"))
    block = read(recording)
    assert block.x.dtype == np.float32
    assert np.array_equal(block.x, x)
    assert block.y.tolist() == [0, -1, 1, 0]
    assert block.t.tolist() == [0.0, 0.1, 0.2, 0.3]
    assert block.segment.tolist() == [5, 5, 8, 8]
    assert recording.n_samples == 4
    assert recording.n_classes == 2
    x[:] = 7
    assert read(recording).x[0, 1] == 1


@pytest.mark.parametrize("start", [0, 1, BLOCK, BLOCK + 1, 9999])
def test_a_start_is_a_slice(start):
    rng = np.random.default_rng(0)
    source = Recording(rng.normal(size=(10_000, 2)), rng.integers(0, 3, 10_000), rate_hz=50)
    same_from(source, start)
    assert list(source.blocks(10_000)) == []


def test_no_label_no_clock():
    block = read(Recording([[1.0], [2.0]]))
    assert block.y.tolist() == [-1, -1]
    assert np.isnan(block.t).all()
    assert not Recording([[1.0]]).has_clock
    for source in (Recording([[1.0]], t=[3]), Recording([[1.0]], rate_hz=3), Limited(Recording([[1.0]], t=[3]), 1)):
        assert source.has_clock


def test_rejected_rows_are_counted_and_leave_a_gap_in_time():
    source = Recording([[1.0], [np.nan], [1e39], [2.0], [-np.inf]], [0, 1, 1, 1, 0], rate_hz=1)
    assert source.rejects.counts == {"not a finite number": 3}
    assert source.rejects.first == {"not a finite number": "row 2"}
    block = read(source)
    assert block.t.tolist() == [0, 3]
    assert block.y.tolist() == [0, 1]


def test_time_that_goes_back_is_rejected_inside_a_segment_only():
    source = Recording(np.zeros((7, 1)), t=[5, 7, 6, 7, np.nan, 1, 2], segment=[0, 0, 0, 0, 0, 1, 1])
    assert source.rejects.counts == {"not a finite number": 1, "time goes back": 1}
    assert source.rejects.first["time goes back"] == "row 3"
    # The second recording's clock starts again: it is laid behind the first, a mean period of it later.
    assert read(source).t.tolist() == [5, 7, 7, 8, 9]


def test_a_clock_that_goes_on_is_kept():
    assert read(Recording(np.zeros((4, 1)), t=[5, 6, 90, 91], segment=[0, 0, 1, 1])).t.tolist() == [5, 6, 90, 91]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=40))
def test_times_never_fall_whatever_the_recordings(rows):
    segment, t = zip(*rows, strict=True)
    source = Recording(np.zeros((len(rows), 1)), t=t, segment=segment)
    block = read(source)
    assert (np.diff(block.t) >= 0).all()
    kept, latest, current = 0, -1, None
    parts, _ = with_restarts(np.array(t, float), np.array(segment))
    for where, when in zip(parts.tolist(), t, strict=True):
        if where != current:
            current, latest = where, -1
        if when >= latest:
            kept, latest = kept + 1, when
    assert len(block) == kept
    assert source.rejects.counts.get("time goes back", 0) == len(rows) - kept


def test_drift_points_are_counted_in_usable_samples():
    x = np.zeros((10, 1))
    x[2] = np.nan
    assert Recording(x, drift_points=[2, 5]).drift_points == (2, 4)
    assert Recording(x, segment=[0] * 4 + [3] * 6, drift_points="segment").drift_points == (3,)
    assert Recording(x, segment=[0, 0, 0, *[1] * 7], drift_points=()).drift_points == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": [1.0, 2.0]}, r"x is float64 \[2\]; give numbers \[n_samples, n_channels\]"),
        ({"x": np.zeros((0, 2))}, "x has no samples"),
        ({"x": [["a"]]}, "x is <U1"),
        ({"x": [[np.nan], [np.inf]]}, r"no usable sample among 2 \(not a finite number\)"),
        ({"x": [[1.0]], "y": [0, 1]}, r"y is int64 \[2\]; give whole numbers \[1\]"),
        ({"x": [[1.0]], "y": [0.5]}, "y is float64"),
        ({"x": [[1.0]], "y": [-2]}, r"labels out of range \(-2 to -2\)"),
        ({"x": [[1.0]], "y": [2], "class_names": ("a", "b")}, "give 0 to 1, or -1 for no label"),
        ({"x": [[1.0]], "t": ["now"]}, "t is <U3"),
        ({"x": [[1.0]], "segment": [[1]]}, "segment is int64"),
        ({"x": [[1.0]], "rate_hz": 0}, "rate_hz is 0; give samples per second"),
        ({"x": [[1.0]], "channels": ("a", "b")}, "has 1 channels and 2 names"),
        ({"x": [[1.0], [2.0]], "drift_points": [1, 1]}, r"drift points \[1, 1\] are not allowed"),
        ({"x": [[1.0]], "drift_points": [4]}, r"drift points \[4\] are not allowed"),
    ],
)
def test_faults_of_arrays(given, message):
    with fails("stream 'arrays': .*" + message):
        Recording(**given)


def test_limited_gives_the_first_samples_and_no_more():
    whole = Recording(np.arange(9000.0)[:, None], np.arange(9000) % 2, drift_points=[100, 8000])
    source = Limited(whole, 5000)
    assert (source.n_samples, source.drift_points, source.n_classes) == (5000, (100,), 2)
    assert np.array_equal(read(source).x[:, 0], np.arange(5000))
    same_from(source, 4500)
    assert list(source.blocks(5000)) == []
    assert Limited(whole, 10**6).n_samples == 9000
    with fails("limit 0 is out of range"):
        Limited(whole, 0)


def test_limited_asks_for_no_block_beyond_the_limit():
    class Live(Recording):
        def blocks(self, start=0):
            yield from list(super().blocks(start))[:1]
            raise AssertionError("a second block")

    assert len(read(Limited(Live(np.zeros((9000, 1))), BLOCK))) == BLOCK


def test_state_is_of_the_same_channels_and_classes():
    one, other = Recording([[1.0]], [0], class_names=("a", "b")), Recording([[1.0]], [0], class_names=("a", "c"))
    one.restore(one.state())
    with fails("other classes"):
        other.restore(one.state())
    with fails("sample -1 is out of range"):
        next(one.blocks(-1))


# --- descriptions ------------------------------------------------------------------------------------------


def test_a_description_maps_arrays(here):
    save(
        here,
        raw=np.array([[1000, 2000]] * 6, np.int32),
        what=[10, 20, 20, 10, 99, 30],
        when=np.arange(6) * 500,
        who=[3, 3, 4, 4, 4, 5],
    )
    path = describe(
        here,
        """
        name = "mine"
        file = "own.npz"
        features = "raw"
        scale = 1e-3
        channels = ["a", "b"]
        label = "what"
        classes = { up = 10, down = [20, 30] }
        unlabelled = 99
        time = "when"
        time_scale = 1e-3
        subject = "who"
        drift = "segment"
        """,
    )
    source = open_source(str(path))
    block = read(source)
    assert (source.name, source.channels, source.class_names) == ("mine", ("a", "b"), ("up", "down"))
    assert np.array_equal(block.x, np.array([[1, 2]] * 6, np.float32))
    assert block.y.tolist() == [0, 1, 1, 0, -1, 1]
    assert block.t.tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert block.segment.tolist() == [3, 3, 4, 4, 4, 5]
    assert source.drift_points == (2, 5)


def test_offsets_mark_recordings_with_one_label_each(here):
    save(here, X=np.arange(6.0)[:, None], offset=[0, 2, 3, 6], y=[1, 0, 1], subject=[7, 8, 7], names=["no", "yes"])
    path = describe(here, 'file = "own.npz"\nclass_names_from = "names"\nrate = "2 Hz"\ndrift = "subject"\n')
    source = open_source(str(path))
    block = read(source)
    assert block.y.tolist() == [1, 1, 0, 1, 1, 1]
    assert block.segment.tolist() == [0, 0, 1, 2, 2, 2]
    assert source.class_names == ("no", "yes")
    assert source.drift_points == (2, 3)
    sorted_path = describe(here, path.read_text() + 'order = "subject"\n', "sorted.toml")
    source = open_source(str(sorted_path))
    assert read(source).x[:, 0].tolist() == [0, 1, 3, 4, 5, 2]
    assert read(source).segment.tolist() == [0, 0, 2, 2, 2, 1]
    assert source.drift_points == (5,)


@pytest.mark.parametrize(
    ("spec", "kept"),
    [("3", [0, 1]), ("3-4", [0, 1, 2, 3, 4]), ("3,5", [0, 1, 5]), ("not 3-4", [5]), ("not 5", [0, 1, 2, 3, 4])],
)
def test_subjects_are_chosen_and_their_complement(here, spec, kept):
    save(here, X=np.arange(6.0)[:, None], y=[0, 1, 1, 0, 2, 1], subject=[3, 3, 4, 4, 4, 5])
    source = open_source(str(here / "own.npz"), subjects=spec)
    assert read(source).x[:, 0].tolist() == kept
    assert source.n_classes == 3  # of the whole file, so that two parts fit one network


def test_subjects_that_are_not_there(here):
    save(here, X=np.zeros((2, 1)), y=[0, 1], subject=["ann", "bob"])
    assert len(read(open_source(str(here / "own.npz"), subjects="ann"))) == 1
    with fails("subject 'bo' is not known; known: ann, bob. Did you mean 'bob'?"):
        open_source(str(here / "own.npz"), subjects="bo")
    with fails("subjects '3-9' keep no sample; known: ann, bob"):
        open_source(str(here / "own.npz"), subjects="3-9")
    save(here, "none.npz", X=np.zeros((2, 1)), y=[0, 1])
    with fails("stream 'none' has no subjects; name their array"):
        open_source(str(here / "none.npz"), subjects="1")
    with fails("stream 'drift' has no subjects"):
        open_source("drift", subjects="1")


def test_drop_leaves_samples_out_and_moves_drift(here):
    save(here, X=np.arange(6.0)[:, None], y=[0, 1, 1, 0, 2, 1], subject=[3, 3, 4, 4, 4, 5])
    path = describe(here, 'file = "own.npz"\ndrop = { subject = [4], y = [1] }\ndrift = [2, 5]\n')
    source = open_source(str(path))
    assert read(source).x[:, 0].tolist() == [0]
    path = describe(here, 'file = "own.npz"\ndrop = { y = [2] }\ndrift = [2, 5]\n')
    assert open_source(str(path)).drift_points == (2, 4)
    with fails("drop leaves no sample"):
        open_source(str(describe(here, 'file = "own.npz"\ndrop = { subject = [3, 4, 5] }\n')))
    with fails("array 'wo' is not known.*'drop'"):
        open_source(str(describe(here, 'file = "own.npz"\ndrop = { wo = [3] }\n')))


@pytest.mark.parametrize(
    ("labels", "keys", "names", "y"),
    [
        ([3, 1, 10, 1], "", ("1", "3", "10"), [1, 0, 2, 0]),
        (["b", "a", "", "b"], "", ("a", "b"), [1, 0, -1, 1]),
        ([1.0, np.nan, 2.0, 1.0], "", ("1", "2"), [0, -1, 1, 0]),
        ([True, False, True, True], "", ("0", "1"), [1, 0, 1, 1]),
        ([0, 1, 1, 0], 'classes = ["x", "y", "z"]', ("x", "y", "z"), [0, 1, 1, 0]),
        (["z", "x", "y", "x"], 'classes = ["x", "y", "z"]', ("x", "y", "z"), [2, 0, 1, 0]),
        ([5, 0, 9, 0], 'classes = { rest = "*", five = 5 }', ("rest", "five"), [1, 0, 0, 0]),
        ([b"u", b"v", b"u", b"u"], "", ("u", "v"), [0, 1, 0, 0]),
    ],
)
def test_labels_become_classes(here, labels, keys, names, y):
    save(here, X=np.zeros((4, 1)), y=np.array(labels))
    source = open_source(str(describe(here, f'file = "own.npz"\n{keys}\n')))
    assert source.class_names == names
    assert read(source).y.tolist() == y


def test_labels_that_are_no_classes(here):
    save(here, X=np.zeros((2, 1)), y=[0.5, 1.0])
    with fails("label 0.5 is no class"):
        open_source(str(here / "own.npz"))
    save(here, X=np.zeros((2, 1)), y=["walk", "rum"])
    with fails("label 'rum' is not known; known: run, walk. Did you mean 'run'"):
        open_source(str(describe(here, 'file = "own.npz"\nclasses = ["walk", "run"]\n')))


def test_dates_are_seconds(here):
    t = np.array(["2024-01-01T00:00:00", "2024-01-01T00:00:02", "NaT"], "datetime64[ms]")
    save(here, X=np.zeros((3, 1)), y=[0, 1, 0], t=t)
    source = open_source(str(here / "own.npz"))
    assert read(source).t.tolist() == [1704067200, 1704067202]
    assert source.rejects.counts == {"not a finite number": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("features = ", "own.toml cannot be read"),
        ('featurs = "X"', "own.toml: key 'featurs' is not known.*Did you mean 'features'"),
        ("form = 3", "key 'form' is no list of tables"),
        ("rate = '50 apples'", "own.toml: key 'rate': '50 apples' is not a rate; write a number and one of /day"),
        ("rate = -1.0", "key 'rate': -1 is out of range"),
        ("scale = 0.0", "key 'scale': 0 is out of range"),
        ("label = 3", "key 'label' = 3 is not allowed: input should be a valid string"),
        ("order = 'time'", "key 'order' = 'time' is not allowed"),
        ("drift = 'often'", "key 'drift' = 'often' is not allowed"),
        ("classes = ['a', 'a']", "key 'classes': a name occurs twice"),
        ("subject_from = '('", "key 'subject_from': .* is no pattern"),
        ("subject_from = 'a'", "key 'subject_from': 'a' needs one group"),
        ("reader = 'excel'", "key 'reader' = 'excel' is not allowed"),
        ("label = 'why'", "own.npz has no array 'why' is not known; known: X, y.* Check the key 'label'"),
        ("features = 'Y'", "own.npz has no array 'Y' is not known; known: X, y"),
        ("offsets = 'y'", "offsets are not 0, ..., 3 in rising order"),
        ("channels = ['a']", "has 2 channels and 1 names"),
        (
            "file = 'x.npz'",
            "stream 'own' was not found: no x.npz; put it beside own.toml or into a folder named in EDGEL",
        ),
        ("file = 'x.npz'\nget = 'ask me'", "no x.npz; ask me$"),
    ],
)
def test_faults_of_descriptions(here, text, message):
    save(here, X=np.zeros((3, 2)), y=[0, 1, 0])
    text = text if "file" in text else f'file = "own.npz"\n{text}'
    with fails(message):
        open_source(str(describe(here, text)))


def test_a_description_without_a_file(here):
    with fails("key 'file' is missing"):
        open_source(str(describe(here, 'label = "y"')))
    with fails("absent.toml cannot be read"):
        open_source(str(here / "absent.toml"))


def test_a_description_goes_with_another_file(here):
    save(here, "other.npz", X=np.zeros((3, 2)), y=[0, 1, 0], why=[4, 4, 5])
    path = describe(here, 'label = "why"\nfile = "unused.npz"\n', "columns.toml")
    source = open_source(str(here / "other.npz"), columns=path)
    assert (source.name, source.class_names) == ("other", ("4", "5"))
    assert open_source(str(here / "other.npz"), label_column="why").class_names == ("4", "5")


def test_the_first_form_that_is_there_is_read(here):
    save(here, "second.npz", Z=np.ones((2, 1)), y=[0, 1])
    text = 'classes = ["a", "b"]\n[[form]]\nfile = "first.npz"\n[[form]]\nfile = "second.npz"\nfeatures = "Z"\n'
    path = describe(here, text)
    assert len(read_description(path)) == 2
    assert read(open_source(str(path))).x.tolist() == [[1], [1]]


@pytest.mark.parametrize(("text", "hz"), [("50 Hz", 50), ("2 kHz", 2000), ("2 /h", 2 / 3600), ("1e3 /s", 1000)])
def test_rates(text, hz):
    assert rate_of(text) == pytest.approx(hz)
    assert Description(rate=text).rate_hz == pytest.approx(hz)


def test_text_of_labels():
    values = (1, 1.0, np.float32(1), "1", " 1 ", b"1", True)
    assert {as_text(value) for value in values} == {"1"}
    assert [as_text(None), as_text(float("nan")), as_text(1.5)] == ["", "", "1.5"]


def test_columns_of_a_text_table(here):
    classes = 'classes = { up = 1, down = [2, 3] }\nunlabelled = 0\nsubject = "who"\nrate = "10 Hz"\nfeatures = ["a"]'
    form = read_description(describe(here, classes))[0]
    assert form.by_label() == {"1": "up", "2": "down", "3": "down"}
    assert (form.roles().features, form.roles().segment, form.rate_hz) == (("a",), "who", 10)


# --- files -------------------------------------------------------------------------------------------------


def test_damaged_npz_files(here):
    path = save(here, X=np.random.default_rng(0).normal(size=(500, 3)), y=np.arange(500) % 3)
    whole = path.read_bytes()
    for n_bytes in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:n_bytes])
        with fails("own.npz cannot be read"):
            open_source(str(path))
    middle = bytearray(whole)
    middle[400:420] = bytes(20)
    path.write_bytes(bytes(middle))
    with fails("own.npz cannot be read .array 'X'"):
        open_source(str(path))


def test_objects_are_refused(here):
    path = save(here, X=np.zeros((2, 1)), y=np.array([{"a": 1}, None], object))
    with fails("own.npz cannot be read .*no objects"):
        open_source(str(path))


def test_arrays_without_features_are_listed(here):
    path = save(here, signal=np.zeros((5, 2)), other=np.zeros((5, 3)), y=[0, 1, 0, 1, 0])
    with fails("own.npz holds the arrays signal, other, y; say which are the features"):
        open_source(str(path))


def test_pickled_arrays_run_nothing(here, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    np.save(here / "evil.npy", {"X": Evil()}, allow_pickle=True)
    with fails("evil.npy cannot be read .*mkdir.* not allowed"):
        read_pickled_arrays(here / "evil.npy")
    assert not (tmp_path / "made").exists()
    np.save(here / "plain.npy", np.zeros(3))
    with fails("it holds one array of float64"):
        read_pickled_arrays(here / "plain.npy")
    (here / "short.npy").write_bytes((here / "evil.npy").read_bytes()[:90])
    with fails("short.npy cannot be read"):
        open_source(str(here / "short.npy"))


def test_pickled_recordings_are_joined(here):
    content = {"X": [np.ones((2, 3)), np.zeros((4, 3))], "y": np.array([1, 0]), "names": ["a", "b"]}
    np.save(here / "own.npy", content, allow_pickle=True)
    arrays = read_pickled_arrays(here / "own.npy")
    assert arrays["offset"].tolist() == [0, 2, 6]
    assert arrays["X"].shape == (6, 3)
    assert pickle.dumps(arrays["names"].tolist())
    assert read(open_source(str(here / "own.npy"))).y.tolist() == [1, 1, 0, 0, 0, 0]


GAS = "1;10.000000 1:15596.1621 2:1.868\n2;20.000000 1:3.5 2:-4\n"


def test_svmlight_lines(here):
    (here / "b.dat").write_text(GAS + "3 2:7 # a comment\n\n")
    arrays = read_svmlight(here / "b.dat")
    assert arrays["X"].tolist() == [[15596.1621, 1.868], [3.5, -4], [0, 7]]
    assert arrays["y"].tolist() == [1, 2, 3]
    assert arrays["value"][:2].tolist() == [10, 20]
    for text, message in (
        ("1 1:a\n", "b.dat line 1 is '1 1:a'"),
        ("1 0:2\n", "line 1 has no label or no feature"),
        ("\n", "b.dat has no samples"),
        ("1 1\n", "b.dat line 1"),
    ):
        (here / "b.dat").write_text(text)
        with fails(message):
            read_svmlight(here / "b.dat")


def test_batches_of_gas_are_in_natural_order(here):
    folder = here / "gas_drift"
    folder.mkdir()
    for batch in (10, 2, 1):
        (folder / f"batch{batch}.dat").write_text(GAS.replace("15596.1621", str(batch)))
    source = open_source("gas-drift")
    block = read(source)
    assert block.x[::2, 0].tolist() == [1, 2, 10]
    assert block.y.tolist() == [0, 1] * 3
    assert block.segment.tolist() == [0, 0, 1, 1, 2, 2]
    assert source.drift_points == (2, 4)
    assert source.class_names[0] == "ethanol"
    assert read(open_source("gas-drift", subjects="2-10")).x[::2, 0].tolist() == [2, 10]
    assert read(open_source(str(folder))).x[::2, 0].tolist() == [1, 2, 10]


ARFF = """@relation person
%% a comment
@attribute "ACTIVITY" { A,B,S }
@attribute "X0" numeric
@attribute 'Y0' REAL
@attribute "class" { %s }
@data
A,0.5,1,%s
S,?,2,%s
B,1.5,-3e2,%s
"""


def test_arff_tables(here):
    (here / "a.arff").write_text(ARFF % ((1600,) * 4))
    columns = read_arff(here / "a.arff")
    assert list(columns) == ["ACTIVITY", "X0", "Y0", "class"]
    assert columns["Y0"].tolist() == [1, 2, -300]
    assert np.isnan(columns["X0"][1])
    for old, new, message in (
        ("A,0.5,1", "A,0.5", "a.arff line 8 has 3 values for 4 attributes"),
        ("A,0.5", "A,half", "a.arff line 8 has 'half' for 'X0'"),
        ("@data", "%", "a.arff has no @data"),
        ('@attribute "X0" numeric', "@attribute X0", "line 4 is '@attribute X0'"),
    ):
        (here / "b.arff").write_text((ARFF % ((1600,) * 4)).replace(old, new))
        with fails(message.replace("a.arff", "b.arff")):
            read_arff(here / "b.arff")


def test_activities_of_people_come_from_their_files(here):
    folder = here / "wisdm-dataset" / "arff_files" / "phone" / "accel"
    folder.mkdir(parents=True)
    for person in (1602, 1600, 1611):
        (folder / f"data_{person}_accel_phone.arff").write_text(ARFF % ((person,) * 4))
    source = open_source("wisdm")  # 1611 is dropped
    block = read(source)
    assert source.channels == ("X0", "Y0")
    assert (source.class_names[0], source.class_names[-1], source.n_classes) == ("walking", "folding", 18)
    assert [source.class_names[k] for k in block.y[:3]] == ["walking", "folding", "jogging"]
    assert np.isnan(block.x[:, 0]).tolist() == [False, True, False] * 2  # a missing value, in a row with another
    assert source.drift_points == (3,)
    assert source.rejects.counts == {}
    assert len(read(open_source("wisdm", subjects="1602"))) == 3


def test_numbers_with_any_separator(here):
    (here / "elec2").mkdir()
    path = here / "elec2" / "elec.csv"
    path.write_text("a,b,class\n0.5#1,1\n0.25#2,0\n")
    table = read_numbers(path)
    assert {name: values.tolist() for name, values in table.items()} == {"a": [0.5, 0.25], "b": [1, 2], "class": [1, 0]}
    path.write_text("a,b,class\n0.5#1,x\n")
    with fails("elec.csv cannot be read"):
        read_numbers(path)
    path.write_text("a,b,class\n1,2\n")
    with fails("3 titles and 2 columns"):
        read_numbers(path)


def test_text_tables_are_read_by_lines(here):
    (here / "own.csv").write_text("a,b,who,label\n" + "".join(f"{k},{-k},{k // 3},{'xy'[k % 2]}\n" for k in range(9)))
    description = 'subject = "who"\nlabel = "label"\nfeatures = ["b", "a"]\nfile = "own.csv"\nrate = "2 Hz"\n'
    path = describe(here, description)
    block = read(open_source(str(path)))
    assert block.x[:, 1].tolist() == list(range(9))
    chosen = open_source(str(path), subjects="not 1")
    assert read(chosen).x[:, 1].tolist() == [0, 1, 2, 6, 7, 8]
    assert chosen.class_names == ("x", "y")
    assert open_source(str(describe(here, description + 'drift = "subject"'))).drift_points == (3, 6)
    dropped = describe(here, description + 'drop = { label = ["y"] }')
    assert read(open_source(str(dropped))).x[:, 1].tolist() == [0, 2, 4, 6, 8]
    ignoring = description.replace('features = ["b", "a"]', 'ignore = ["a"]')
    assert open_source(str(describe(here, ignoring))).channels == ("b",)


def test_subjects_classes_and_columns_to_drop_by_of_a_text_table(here):
    lines = ("who;ok;ax;act", "1;yes;0.5;65", "1;no;9;66", "2;yes;1.5;66", "3;yes;2;65.0", "3;yes;2.5;NA", "3;yes;x;66")
    (here / "own.csv").write_text("\n".join(lines) + "\n")
    form = (
        'file = "own.csv"\nsubject = "who"\nlabel = "act"\ndrop = { ok = ["no"] }\nclasses = { walk = 65, run = 66 }\n'
    )
    source = open_source(str(describe(here, form)), subjects="1,3")
    assert (source.channels, source.class_names) == (("ax",), ("walk", "run"))
    assert (read(source).x.tolist(), read(source).y.tolist()) == ([[0.5], [2.0], [2.5]], [0, 0, -1])
    assert source.rejects.first == {"not a number": "own.csv line 7: column ax is 'x'"}
    source = open_source(str(describe(here, form.replace(", run = 66", ""))), subjects="2-3")
    assert (source.class_names, read(source).y.tolist()) == (("walk",), [-1, 0, -1])
    assert source.rejects.counts == {"not a number": 1, "no room for label": 2}


def test_a_folder_of_text_is_recordings_with_one_set_of_classes(here):
    folder = here / "runs"
    folder.mkdir()
    (folder / "run2.csv").write_text("a,label\n3,y\n4,x\n")
    (folder / "run10.csv").write_text("a,label\n5,z\nbad,z\n")
    source = open_source(str(folder))
    block = read(source)
    assert block.x[:, 0].tolist() == [3, 4, 5]
    assert (source.class_names, block.y.tolist()) == (("x", "y", "z"), [1, 0, 2])
    assert block.segment.tolist() == [0, 0, 1]
    assert source.rejects.counts == {"not a number": 1}
    assert source.rejects.first["not a number"].startswith("run10.csv line 3")
    assert read(open_source(str(folder), subjects="run10")).x[:, 0].tolist() == [5]
    (folder / "more.npz").write_bytes(b"")
    with fails("runs has files of several kinds .*say which with the key 'pattern'"):
        open_source(str(folder))
    path = describe(here, 'file = "runs"\npattern = "run*.csv"\ndrift = "segment"')
    assert open_source(str(path)).drift_points == (2,)
    (here / "empty").mkdir()
    with fails("empty has no recordings"):
        open_source(str(here / "empty"))


def test_files_of_a_folder_must_be_alike(here):
    folder = here / "parts"
    folder.mkdir()
    save(folder, "a.npz", X=np.zeros((2, 2)), y=[0, 1])
    save(folder, "b.npz", X=np.zeros((2, 3)), y=[0, 1])
    with fails(r"b.npz has another 'channels' than .*a.npz \(3, not 2\)"):
        open_source(str(folder))


# --- parquet -----------------------------------------------------------------------------------------------


def parquet_file(folder: Path, n: int = 1000, rows_a_group: int = 130) -> tuple[Path, dict[str, Any]]:
    needs("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {
        "a": rng.normal(size=n),
        "b": rng.integers(0, 9, n),
        "t": np.arange(n) * 0.5,
        "subject": np.arange(n) // 200 + 10,
        "label": np.array(["u", "v", "w"])[rng.integers(0, 3, n)],
    }
    columns["a"][5], columns["a"][500] = np.nan, np.inf  # missing, and no number at all
    columns["t"][300] = 3.0
    pq.write_table(pa.table(columns), folder / "own.parquet", row_group_size=rows_a_group)
    return folder / "own.parquet", columns


@pytest.mark.parametrize("rows_a_group", [7, 130, 5000])
def test_parquet_gives_what_the_arrays_give(here, rows_a_group):
    _, columns = parquet_file(here, rows_a_group=rows_a_group)
    text = 'file = "own.parquet"\nfeatures = ["a", "b"]\nlabel = "label"\ntime = "t"\nsubject = "subject"\ndrift = "segment"'
    source = open_source(str(describe(here, text)))
    np.savez(here / "own.npz", **columns)
    arrays = open_source(str(describe(here, text.replace("parquet", "npz"), "arrays.toml")))
    assert isinstance(source, parquet.ParquetSource)
    assert source.rejects.counts == arrays.rejects.counts == {"not a finite number": 1, "time goes back": 1}
    assert (source.n_samples, source.class_names, source.channels) == (998, ("u", "v", "w"), ("a", "b"))
    assert source.drift_points == arrays.drift_points == (200, 399, 598, 798)
    for key in KEYS:
        assert np.array_equal(getattr(read(source), key), getattr(read(arrays), key), equal_nan=True)
    assert np.isnan(read(source).x).sum() == 1
    for start in (0, 1, 6, 129, 131, 700, 996):
        same_from(source, start)
    assert source.rejects.counts == arrays.rejects.counts  # reading counts nothing twice
    source.restore(arrays.state())
    assert source.has_clock


def test_parquet_subjects_drop_and_drift(here):
    path, _ = parquet_file(here)
    source = open_source(str(path), subjects="not 11-12")
    assert set(read(source).segment) == {10, 13, 14}
    text = 'file = "own.parquet"\ndrop = { subject = [10] }\ndrift = [400, 600]'
    source = open_source(str(describe(here, text)))
    assert source.channels == ("a", "b")
    assert source.drift_points == (199, 398)
    ordered = open_source(str(describe(here, text.replace("drift = [400, 600]", 'order = "subject"'))))
    assert read(ordered).x.tobytes() == read(source).x.tobytes()
    with fails("own.parquet has no array 'c' is not known"):
        open_source(str(describe(here, text + '\nfeatures = ["c"]')))


def test_axes_called_x_and_y_are_features(here):
    (here / "axes.arff").write_text(
        "@attribute x real\n@attribute y real\n@attribute offset real\n@attribute what {a,b}\n@data\n1,2,3,a\n4,5,6,b\n"
    )
    source = open_source(str(here / "axes.arff"))
    assert (source.channels, source.class_names) == (("x", "y", "offset"), ("a", "b"))
    (here / "last.arff").write_text("@attribute x real\n@attribute y {a,b}\n@data\n1,a\n4,b\n")
    assert open_source(str(here / "last.arff")).channels == ("x",)


def test_parquet_that_is_none(here):
    needs("pyarrow")
    (here / "own.parquet").write_bytes(b"PAR1 no")
    with fails("own.parquet cannot be read"):
        open_source(str(here / "own.parquet"))


# --- records -----------------------------------------------------------------------------------------------


def test_beats_are_windows_averaged_to_48_values():
    signal = np.arange(1000.0)
    rejects = Rejects()
    arrays = cut_beats(signal, np.array([10, 200, 300, 900]), np.array(["N", "+", "V", "N"]), 360.0, rejects, "record")
    assert arrays["X"].shape == (1, N_VALUES)
    assert arrays["X"][0].tolist() == [np.mean(signal[300 - 64 + 4 * k : 300 - 60 + 4 * k]) for k in range(48)]
    assert (arrays["y"].tolist(), arrays["t"].tolist()) == (["V"], [300 / 360])
    assert rejects.counts == {"window leaves the record": 2}
    assert rejects.first["window leaves the record"] == "record beat 1"


def test_beats_at_another_rate_have_as_many_values():
    arrays = cut_beats(np.ones(5000), np.array([2000]), np.array(["N"]), 1000.0, Rejects(), "r")
    assert arrays["X"].tolist() == [[1.0] * 48]
    with fails("r has 50 samples per second; give at least 90"):
        cut_beats(np.ones(5000), np.array([2000]), np.array(["N"]), 50.0, Rejects(), "r")


def test_beats_of_arrays(here):
    (here / "mitbih_ecg").mkdir()
    rng = np.random.default_rng(2)
    for record in ("100", "113"):
        signal = rng.integers(900, 1200, (3000, 2)).astype(np.int16)
        save(here / "mitbih_ecg", f"{record}.npz", signal=signal, sample=[500, 1000, 1500], symbol=["N", "+", "V"])
    source = open_source("ecg")
    block = read(source)
    assert block.y.tolist() == [0, 1, 0, 1]
    assert block.segment.tolist() == [0, 0, 1, 1]
    assert source.drift_points == (2,)
    assert (np.diff(block.t) >= 0).all()
    assert block.x[3, 0] == pytest.approx((signal[1436:1440, 0].mean() - 1024) / 200)
    save(here / "mitbih_ecg", "113.npz", signal=signal)
    with fails("113.npz has no array 'sample'"):
        open_source("ecg")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_records_are_read_through_wfdb(here):
    needs("wfdb")
    import wfdb

    rng = np.random.default_rng(3)
    signal = rng.normal(size=(2000, 2))
    wfdb.wrsamp(
        "7", fs=360, units=["mV"] * 2, sig_name=["I", "II"], p_signal=signal, fmt=["16"] * 2, write_dir=str(here)
    )
    with fails("7 cannot be read .no 7.atr"):
        open_source(str(here / "7"))
    wfdb.wrann("7", "atr", np.array([400, 900, 1990]), symbol=["N", "A", "N"], write_dir=str(here))
    for way in (here / "7", here / "7.hea", here / "7.dat", here):
        source = open_source(str(way))
        block = read(source)
        assert (source.class_names, block.y.tolist()) == (("normal", "other"), [0, 1])
        assert source.rejects.counts == {"window leaves the record": 1}
        assert block.x[0, 0] == pytest.approx(signal[336:340, 0].mean(), abs=1e-3)
        assert block.t.tolist() == [400 / 360, 900 / 360]


def test_records_without_wfdb(here, monkeypatch):
    (here / "7.hea").write_text("7 1 360 10\n")
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with fails(r"need the package wfdb; run `pip install \"wfdb>="):
        open_source(str(here / "7"))


# --- names -------------------------------------------------------------------------------------------------


def test_unknown_names():
    with fails("stream 'wach' is not known; known: .*Did you mean 'watch'. Own files end in .csv"):
        open_source("wach")
    with fails("own/absent.npz is not a file, a folder or a WFDB record"):
        open_source("own/absent.npz")
    with fails("stream 'wach' is not known"):
        stream_info("wach")
    with fails("limit 0 is out of range"):
        open_source("watch", limit=0)
    with fails("stream 'watch' has its own labels; leave label_column out"):
        open_source("watch", label_column="y")


def test_a_file_of_another_kind(here):
    (here / "own.xls").write_bytes(b"")
    with fails("own.xls has the extension '.xls'; data files end in .npz"):
        open_source(str(here / "own.xls"))


@pytest.mark.parametrize(
    "name", ["wisdm", "wisdm-watch", "gas-drift", "elec2", "ecg", "ecg-anomaly", "skab", "nab-machine-temperature"]
)
def test_absent_data_says_what_to_do(here, name):
    with fails(f"stream '{name}' was not found: .*EDGELEARN_DATA"):
        open_source(name, allow_download=False)
    about = stream_info(name)
    assert about["found"] is None
    assert "EDGELEARN_DATA" in about["how_to_get"]
    assert ("downloaded" in about["how_to_get"]) == (name not in ("wisdm", "wisdm-watch", "gas-drift"))


def test_the_watch_without_its_package(here, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with fails("stream 'watch' was not found: no seglearn_watch/watch.npz; run `pip install seglearn`"):
        open_source("watch")


def test_downloads_are_checked_and_kept(here, monkeypatch):
    text = tomllib.loads((DESCRIBED / "elec2.toml").read_text())
    (one,) = text["form"][-1]["download"]
    asked = []

    def download(name, layouts, progress):
        asked.append((name, layouts[0].files))
        folder = downloads.cache_folder(name)
        folder.mkdir(parents=True)
        titles = "period,nswprice,nswdemand,vicprice,vicdemand,transfer,class\n"
        (folder / "elec.csv").write_text(titles + "0#1#2#3#4#5,1\n0#1#2#3#4#5,0\n")
        return downloads.Found(layouts[0], (folder / "elec.csv",))

    monkeypatch.setattr(downloads, "download", download)
    source = open_source("elec2")
    assert asked == [("elec2", (downloads.PublishedFile("elec.csv", f"sha256:{one['sha256']}", (one["url"],)),))]
    assert (source.class_names, read(source).y.tolist()) == (("DOWN", "UP"), [1, 0])
    assert open_source("elec2").n_samples == 2
    assert len(asked) == 1  # the cache has it now


def test_a_download_that_fails_is_told(here, monkeypatch):
    def download(name, layouts, progress):
        raise UserError(f"data set '{name}': 100.hea could not be downloaded (no network)")

    monkeypatch.setattr(downloads, "download", download)
    with fails("stream 'ecg' was not found: no mitbih_ecg .data set 'ecg': .*no network.*; put .hea"):
        open_source("ecg")


def test_every_description_is_complete():
    for path in DESCRIBED.glob("*.toml"):
        for form in read_description(path):
            assert form.name == path.stem
            assert all((form.description, form.source, form.licence, form.get, form.file))


# Counted from the published descriptions of the data sets: samples, channels, classes, drift points.
FACTS = {
    "watch": (244_102, 6, 7, 0),
    "wisdm": (20_650, 91, 18, 43),
    "wisdm-watch": (18_211, 91, 18, 49),
    "gas-drift": (6_697, 128, 6, 7),
    "elec2": (45_312, 6, 2, 0),
    "ecg": (4_066, 48, 2, 1),
    "ecg-anomaly": (2_267, 48, 2, 0),
    "skab": (37_401, 8, 2, 0),
    "nab-machine-temperature": (22_695, 1, 2, 0),
    "nab-ambient-temperature": (7_267, 1, 2, 0),
    "nab-cpu-misconfiguration": (18_050, 1, 2, 0),
    "nab-request-latency": (4_032, 1, 2, 0),
    "nab-nyc-taxi": (10_320, 1, 2, 0),
    "nab-key-hold": (1_882, 1, 2, 0),
    "nab-key-updown": (5_315, 1, 2, 0),
}


def named(name: str) -> Source:
    try:
        return open_source(name, allow_download=False)
    except UserError as error:
        if "was not found" not in str(error):
            raise
        missing(f"the files of {name} are missing; name their folder in the variable EDGELEARN_DATA")
        raise AssertionError from None


@pytest.mark.parametrize("name", FACTS)
def test_named_streams_have_the_published_facts(name):
    source = named(name)
    samples, channels, classes, points = FACTS[name]
    assert (source.n_samples, len(source.channels), source.n_classes) == (samples, channels, classes)
    assert len(source.drift_points) == points
    block = read(source)
    assert np.isfinite(block.x).all()
    assert set(block.y) == set(range(classes))
    same_from(source, samples - 5)
    about = stream_info(name)
    assert (about["samples"], about["classes"], about["how_to_get"]) == (samples, classes, "")


def test_beats_have_the_published_counts():
    source = named("ecg")
    y = read(source).y
    normal, other = np.bincount(y).tolist()
    n_rejected = source.rejects.counts["window leaves the record"]
    assert (normal + n_rejected, other, n_rejected) == (2239 + 1789, 33 + 1 + 6, 2)


def test_the_watch_is_the_same_from_both_packagings(here, monkeypatch):
    if importlib.util.find_spec("seglearn") is None:
        missing("seglearn is not installed: pip install seglearn")
    packaged = read(open_source("watch"))  # no data folder: the package
    monkeypatch.undo()
    repacked = named("watch")
    if not repacked.source.endswith(".npz"):
        missing("seglearn_watch/watch.npz is missing; name its folder in the variable EDGELEARN_DATA")
    for key in KEYS:
        assert np.array_equal(getattr(packaged, key), getattr(read(repacked), key))


def test_beats_are_the_same_from_both_packagings(monkeypatch):
    needs("wfdb")
    source = named("ecg")
    folder = Path(source.source).expanduser()
    if not list(folder.glob("*.npz")) or not list(folder.glob("*.hea")):
        missing("mitbih_ecg lacks .hea or .npz; name a folder with both in the variable EDGELEARN_DATA")
    through_wfdb = read(source)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wfdb" else find_spec(name))
    from_arrays = read(open_source("ecg"))
    for key in KEYS:
        assert np.array_equal(getattr(through_wfdb, key), getattr(from_arrays, key))


def test_people_of_wisdm_are_split_without_a_rest():
    whole = named("wisdm")
    one, other = (open_source("wisdm", subjects=spec) for spec in ("1600-1624", "not 1600-1624"))
    assert one.n_samples + other.n_samples == whole.n_samples
    assert not set(read(one).segment) & set(read(other).segment)
    assert one.class_names == other.class_names == whole.class_names


def test_data_sets_are_streams_too():
    source = open_source("digits", limit=50)
    assert (source.n_samples, len(source.channels), source.n_classes) == (50, 64, 10)
    assert read(source).x.max() == 16
    about = stream_info("digits")
    assert (about["samples"], about["classes"]) == (1437, 10)
    assert set(stream_names()) >= {"drift", "watch", "ecg", "digits", "mnist"}
    assert stream_info("drift")["drift_points"] == [6666, 13333]
