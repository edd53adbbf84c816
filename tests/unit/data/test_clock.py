"""Times of every format: texts, units of numbers, coarse stamps, rates."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.data.clock import find_clock, is_clock_name, seconds, unit_in_name
from edgelearn.data.recordings import Recording
from edgelearn.data.stamps import Stamps, rate_of_times
from edgelearn.errors import UserError


@pytest.mark.parametrize(
    ("cells", "step"),
    [
        (["2024-01-31T12:00:00Z", "2024-01-31T12:00:01.5Z"], 1.5),
        (["2024/01/31 23:59:59", "2024/02/01 00:00:01"], 2),
        (["31/01/2024 23:59", "01/02/2024 00:01"], 120),
        (["01/31/2024 11:59:59 PM", "02/01/2024 12:00:00 AM"], 1),
        (["31.01.2024 12:00:00,5", "31.01.2024 12:00:01,0"], 0.5),
        (["31-Jan-2024 12:00:00", "31-Jan-2024 12:00:03"], 3),
        (["Jan 31 2024 12:00:00", "Feb 1 2024 12:00:00"], 86_400),
        (["2024-03-31 01:59:59 CET", "2024-03-31 03:00:00 CEST"], 1),
        (["2024-01-31 12:00:00+01:00", "2024-01-31 12:00:00+00:00"], 3600),
        (["23:59:59", "00:00:01"], 2),
        (["05:30.250", "05:30.750"], 0.5),
        ([1_700_000_000_000, 1_700_000_000_020], 0.02),
        ([1_700_000_000_000_000, 1_700_000_000_020_000], 0.02),
        ([1_700_000_000_000_000_000, 1_700_000_000_020_000_000], 0.02),
    ],
)
def test_times_as_people_write_them(cells, step):
    found = seconds(cells)
    assert found[1] - found[0] == pytest.approx(step, abs=1e-5)
    assert seconds(["", *cells])[1:].tolist() == found.tolist()


def test_a_format_decides_day_or_month():
    cells = ["01/02/2024 10:00:00", "02/02/2024 10:00:00"]
    with pytest.raises(UserError, match=r"may be day/month or month/day; give --time-format"):
        seconds(cells)
    by_day, by_month = (np.diff(seconds(cells, form))[0] for form in ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"))
    assert (by_day, by_month) == (86_400, 31 * 86_400)
    one_day = find_clock(["01/02/2024 10:00:00", "01/02/2024 10:00:05"])
    assert np.diff(one_day.seconds(["01/02/2024 10:00:00", "01/02/2024 10:00:05"])).tolist() == [5]
    with pytest.raises(UserError, match="may be day/month"):
        one_day.seconds(["02/02/2024 10:00:00"])


@pytest.mark.parametrize("format", [None, "%H:%M:%S"])
def test_dates_and_times_of_day_have_no_unit(format):
    with pytest.raises(UserError, match="time_unit is ms, and column 'at' holds dates or times of day, such as '23:59"):
        find_clock(["23:59:58", "23:59:59"], "at", format, "ms")


def test_units_by_name_by_size_and_by_step():
    named = {"t_ms": "ms", "time_us": "us", "timestamp (s)": "s", "millis": "ms", "elapsedNs": "ns", "Time [ms]": "ms"}
    for title, unit in named.items():
        assert (is_clock_name(title), unit_in_name(title)) == (True, unit), title
    for title in ("temperature", "t1", "s", "timer_load", "ms2", "rate", "weight"):
        assert not is_clock_name(title), title
    steps = np.arange(20)
    notes: list[str] = []
    assert find_clock((16 * steps).tolist(), "timestamp", notes=notes).unit == "ms"
    assert notes == ["times of timestamp, 16 from row to row, were read as ms; else give --time-unit s"]
    assert find_clock((0.5 * steps).tolist(), "timestamp").unit == find_clock(steps.tolist(), "t").unit == "s"
    with pytest.raises(UserError, match=r"'t' rises by 100 from row to row, which would be 1.67 minutes"):
        find_clock((100 * steps).tolist(), "t")
    assert find_clock((100 * steps).tolist(), "t", unit="ms").scale == 1e-3
    with pytest.raises(ValueError, match="yesterday"):
        find_clock(["yesterday", "today"])


def test_a_rate_counts_periods():
    assert rate_of_times(np.arange(6.0)) == 1.0
    assert rate_of_times(np.array([0, 0.5, 1.0, 7.0, 7.5]), np.array([0, 0, 0, 1, 1])) == 2.0


def test_coarse_stamps_are_spread_whatever_the_blocks():
    t = np.repeat([3.0, 4.0, 5.0], [2, 4, 3])
    whole, cut = Stamps(), Stamps()
    whole.add(t, np.zeros(9, np.int64))
    for block in np.split(t, [1, 2, 3, 7]):
        cut.add(block, np.zeros(len(block), np.int64))
    assert whole.spread(0, 9).tolist() == cut.spread(0, 9).tolist() == [3.5 + 0.25 * k for k in range(9)]
    assert whole.rate_hz == 4.0
    fine = Stamps()
    fine.add(np.arange(9.0), np.zeros(9, np.int64))
    assert not fine.is_coarse


def test_recordings_that_restart_follow_a_period_later():
    source = Recording(np.zeros((6, 1)), t=[0, 0.5, 1, 0, 0.5, 1], segment=[0, 0, 0, 1, 1, 1])
    (block,) = source.blocks()
    assert block.t.tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert source.columns_used.rate_hz == 2.0
