"""Clocks that start again within a file begin a recording in every reader; rows whose time is wrong do not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelearn.config import StreamConfig, validated
from edgelearn.data.lines import LineSource
from edgelearn.data.open_source import open_source
from edgelearn.data.recordings import Recording
from edgelearn.data.restarts import restarts
from edgelearn.errors import UserError
from edgelearn.runs.stream import run as stream

TWICE = [*range(12), *range(12)]
EPOCH = [1_700_000_000 + k for k in range(12)]


def found(t):
    return restarts(np.array(t, float), np.zeros(len(t), int)).tolist()


@pytest.mark.parametrize(
    ("t", "rows"),
    [
        (TWICE, [12]),
        ([*range(30), *range(12)], [30]),
        ([*range(12), *range(30)], [12]),
        ([*range(5)] * 3, [5, 10]),  # recordings that are shorter than the rows that are enough elsewhere
        ([3, 4, 5, 3, 4], [3]),
        ([*range(100, 130), *range(50, 70), *range(80, 100)], [30]),  # a clock that is set back
        ([*range(100, 130), *range(110, 118)], [30]),
        ([*range(100, 130), *range(110, 117)], []),
        ([*range(10), 8.5, *range(10, 20)], []),
        ([*range(10), 0, *range(10, 20)], []),  # a single row is an error, wherever it falls
        ([*EPOCH, 0, 0.02, *[t + 20 for t in EPOCH]], []),  # a clock that was lost for two rows
        ([*range(10), 5, 6, 4, 5, *range(10, 20)], []),
        ([0, 0, 0, 0], []),
        ([], []),
    ],
)
def test_the_rule(t, rows):
    assert found(t) == rows
    assert found([7 * one - 3 for one in t]) == rows  # whatever the unit and the first time


def in_words(t):
    """The rule as the documentation has it, over all ends of a run of rows in order."""
    begins, first, last, k = [], None, -np.inf, 0
    while k < len(t):
        if t[k] >= last:
            first, last, k = t[k] if first is None else first, t[k], k + 1
            continue
        end = k + 1
        while end < len(t) and t[end] >= t[end - 1] and t[end] < last and end - k < 8:
            end += 1
        run = t[k:end]
        goes_on = end == len(t) or t[end] < t[end - 1]
        if not goes_on and len(run) >= 2 and len(run) < 8:
            goes_on = t[end] - run[-1] <= 4 * (run[-1] - run[0]) / (len(run) - 1)
        if len(run) >= 8 or (len(run) >= 2 and run[0] <= first and goes_on):
            begins.append(k)
            first, last = run[0], run[-1]
        k = end
    return begins


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 12), max_size=30) | st.lists(st.integers(1, 12), max_size=5).map(
    lambda lengths: [time for n in lengths for time in range(n)]
))  # fmt: skip
def test_the_rule_in_words(t):
    assert found(t) == in_words(t)


def text_of(t, header="t_ms,ax,label\n"):
    return header + "".join(f"{20 * time},{np.sin(k):.3f},{'ab'[k % 2]}\n" for k, time in enumerate(t))


def read(source):
    blocks = list(source.blocks())
    return tuple(np.concatenate([getattr(block, name) for block in blocks]) for name in ("t", "segment", "x"))


JITTER = [*range(12), 9.5, *range(12, 20), *range(15), *range(9)]


@pytest.mark.parametrize("block_size", [1, 7, 1024])
def test_a_file_whose_clock_starts_again(block_size, tmp_path):
    text = text_of(JITTER)
    source = LineSource(lambda: io.BytesIO(text.encode()), name="own", source="own.csv", block_size=block_size)
    _, segment, x = read(source)
    assert source.rejects.counts == {"time goes back": 1}
    assert np.unique(segment, return_counts=True)[1].tolist() == [20, 15, 9]
    assert source.n_samples == len(x) == len(JITTER) - 1
    assert source.columns_used.rate_hz == pytest.approx(50)
    assert [note for note in source.notes if "start again" in note] == [
        "times of t_ms start again 2 times: each begins a recording, one period after the one before, and no window "
        "spans two of them"
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_text(text)
    (tmp_path / "data/b.csv").write_text(text)
    folder = open_source(str(tmp_path / "data"))
    together, parts, _ = read(folder)
    assert np.unique(parts, return_counts=True)[1].tolist() == [20, 15, 9] * 2
    assert np.allclose(np.diff(together), 0.02, atol=1e-3)
    arrays = Recording(np.zeros((len(JITTER), 1)), t=0.02 * np.array(JITTER))
    assert read(arrays)[1].tolist() == segment.tolist()
    assert arrays.rejects.counts == {"time goes back": 1}
    assert "times of t start again 2 times" in arrays.notes[0]


@pytest.mark.parametrize("group", [1, 7, 100])
def test_a_parquet_file_whose_clock_starts_again(group, tmp_path):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    n = len(JITTER)
    columns = {"t_ms": [20 * t for t in JITTER], "ax": np.sin(np.arange(n)), "label": ["ab"[k % 2] for k in range(n)]}
    pq.write_table(pa.table(columns), tmp_path / "own.parquet", row_group_size=group)
    source = open_source(str(tmp_path / "own.parquet"))
    t, segment, _ = read(source)
    assert source.rejects.counts == {"time goes back": 1}
    assert np.unique(segment, return_counts=True)[1].tolist() == [20, 15, 9]
    assert np.allclose(np.diff(t), 0.02, atol=1e-3)
    assert "times of t_ms start again 2 times" in source.notes[0]
    assert source.columns_used.rate_hz == pytest.approx(50, rel=0.05)
    for one in source.blocks(23):
        assert one.segment[0] == segment[23]
        break
    pq.write_table(pa.table(columns | {"t_ms": [5] * n}), tmp_path / "own.parquet", row_group_size=group)
    source = open_source(str(tmp_path / "own.parquet"))
    assert (source.has_clock, source.notes) == (
        False,
        ["stamps of t_ms are all equal and give no time; give --sample-rate"],
    )


def test_counters_of_parquet_and_arff(tmp_path):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    columns = {"row id": range(40), "ax": np.sin(np.arange(40)), "label": ["ab"[k % 2] for k in range(40)]}
    columns = {name: list(values) for name, values in columns.items()}
    arff = "@attribute 'row id' numeric\n@attribute ax numeric\n@attribute label {a,b}\n@data\n"
    arff += "".join(f"{row[0]},{row[1]},{row[2]}\n" for row in zip(*columns.values(), strict=True))
    for name in ("own.parquet", "own.arff"):
        if name == "own.parquet":
            pq.write_table(pa.table(columns), tmp_path / name)
        else:
            (tmp_path / name).write_text(arff)
        source = open_source(str(tmp_path / name))
        assert source.channels == ("ax",)
        assert "columns left out, as they count the rows: row id" in source.notes
    pq.write_table(pa.table({"odd": [3 * k for k in range(40)]} | columns), tmp_path / "own.parquet")
    with pytest.raises(UserError, match=r"own.parquet: column 'odd' rises in every row, by 3, .* --time-column odd"):
        open_source(str(tmp_path / "own.parquet"))


def test_windows_and_battery_of_a_file_whose_clock_starts_again(tmp_path):
    (tmp_path / "own.csv").write_text(text_of(TWICE * 20))
    (tmp_path / "one.csv").write_text(text_of(range(480)))
    both = []
    for name in ("own.csv", "one.csv"):
        config = validated(StreamConfig, {"data": str(tmp_path / name), "hidden": "4", "window": 4, "stride": 4})
        both.append(stream(config).content)
    ours, theirs = both
    assert (ours["stream"]["rows"], theirs["stream"]["rows"]) == (40 * 3, 480 // 4)
    for key in ("rows_per_second", "busy_percent", "average_power_uw"):
        assert ours["device"][key] == pytest.approx(theirs["device"][key], rel=1e-3)


@pytest.mark.parametrize("size", [1, 9, 4096])
def test_a_live_clock_that_starts_again(size):
    data = text_of([*range(30), 7.5, *range(30, 40), *range(25)]).encode()

    class Pieces(io.RawIOBase):
        at = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            piece = data[self.at : self.at + min(size, len(buffer))]
            buffer[: len(piece)] = piece
            self.at += len(piece)
            return len(piece)

    source = LineSource(Pieces(), name="-", source="standard input", live=True)
    _, segment, _ = read(source)
    assert source.rejects.counts == {"time goes back": 1 + 7}
    assert np.unique(segment, return_counts=True)[1].tolist() == [40, 25 - 7]
    assert source.notes == ["times of t_ms start again: each time begins a recording, after 7 rows"]


def test_a_live_clock_in_doubt_is_kept():
    lines = text_of([*range(30), *range(25)]).splitlines(keepends=True)
    whole = LineSource(iter(lines), name="-", source="standard input", live=True)
    expected = read(whole)[1]
    first = LineSource(iter(lines[:34]), name="-", source="standard input", live=True)
    begun = read(first)[1]
    second = LineSource(iter(lines[34:]), name="-", source="standard input", live=True)
    second.restore(first.state())
    assert [*begun, *read(second)[1]] == expected.tolist()
    assert second.rejects.counts == whole.rejects.counts == {"time goes back": 7}
