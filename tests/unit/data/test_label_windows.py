"""Labels from time windows in a JSON file; rows of a recording before its first normal ones; subjects by folder."""

import json

import numpy as np
import pytest

from edgelearn.data.open_source import open_source
from edgelearn.errors import UserError

DESCRIPTION = """
file = "series"
pattern = "*/*.csv"
time = "timestamp"
labels = "../windows.json"
subject_from = '(\\w+/\\w+)\\.csv'
classes = { normal = 0, anomaly = 1 }
"""


@pytest.fixture
def series(tmp_path):
    """Two recordings of the same name, ten rows each, one per minute."""
    for folder, hour in (("east", 1), ("west", 2)):
        (tmp_path / "series" / folder).mkdir(parents=True)
        rows = [f"2014-01-01 0{hour}:0{minute}:00,{minute}.5" for minute in range(10)]
        (tmp_path / "series" / folder / "a.csv").write_text("\n".join(["timestamp,value", *rows]))
    (tmp_path / "own.toml").write_text(DESCRIPTION)
    return tmp_path


def give_windows(series, windows):
    (series / "series" / "windows.json").write_text(json.dumps(windows))


EAST = [["2014-01-01 01:02:00.000000", "2014-01-01 01:03:30"], ["2014-01-01 01:09:00", "2014-01-01 09:00:00"]]


def labels(series, **options):
    return np.concatenate([block.y for block in open_source(str(series / "own.toml"), **options).blocks()]).tolist()


def test_rows_inside_windows_are_anomalies(series):
    give_windows(series, {"east/a.csv": EAST, "west/a.csv": []})
    assert labels(series) == [0, 0, 1, 1, 0, 0, 0, 0, 0, 1] + [0] * 10
    assert labels(series, subjects="west/a") == [0] * 10
    source = open_source(str(series / "own.toml"))
    assert source.columns_used.label == "windows.json"
    assert source.channels == ("value",)


def test_a_file_is_found_by_its_name_alone(series):
    (series / "series" / "west" / "a.csv").unlink()
    give_windows(series, {"realKnownCause/a.csv": EAST, "b.csv": []})
    assert sum(labels(series)) == 3


def test_windows_label_a_file_on_the_command_line(series):
    give_windows(series, {"a.csv": EAST})
    source = open_source(str(series / "series" / "east" / "a.csv"), labels=str(series / "series" / "windows.json"))
    assert sum(int(block.y.sum()) for block in source.blocks()) == 3
    assert source.class_names == ("0", "1")


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ({"c.csv": []}, r"has no windows of a.csv \(known: c.csv"),
        ({"x/a.csv": [], "y/a.csv": []}, "has no windows of a.csv"),
        ([], "it maps no files"),
        ({"a.csv": [["yesterday", "today"]]}, "cannot be read as time windows: 'a.csv'"),
        ({"a.csv": [["2014-01-01"]]}, "cannot be read as time windows: 'a.csv'"),
        ({"a.csv": [["2014-01-02", "2014-01-01"]]}, "ends before it starts"),
    ],
)
def test_wrong_windows_are_refused(series, windows, words):
    give_windows(series, windows)
    with pytest.raises(UserError, match=words):
        labels(series)


def test_windows_need_times(series):
    give_windows(series, {"a.csv": EAST})
    for folder in ("east", "west"):
        (series / "series" / folder / "a.csv").write_text("value\n1.5\n2.5\n")
    text = DESCRIPTION.replace('time = "timestamp"', "")
    (series / "own.toml").write_text(text)
    with pytest.raises(UserError, match="has no column of times"):
        labels(series)


def test_other_classes_are_left_out_before_normal_rows(series):
    """Of both recordings, until the first class has come so often."""
    both = [["2014-01-01 01:01:00", "2014-01-01 01:02:00"], ["2014-01-01 01:05:00", "2014-01-01 01:06:00"]]
    give_windows(series, {"east/a.csv": both, "west/a.csv": [["2014-01-01 02:00:00", "2014-01-01 02:00:00"]]})
    (series / "own.toml").write_text(DESCRIPTION + "first_class_until = 3\n")
    assert labels(series) == [0, 0, 0, 1, 1, 0, 0, 0] + [0] * 9
    (series / "own.toml").write_text(DESCRIPTION + "first_class_until = -3\n")
    with pytest.raises(UserError, match="'first_class_until': -3 is out of range"):
        labels(series)
