"""Cells of many lines split at once, and ranges of channels, against a reading line by line and in one piece."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelearn.data.cells import Span, is_coarse, is_never_coarse, offsets
from edgelearn.data.columns import Roles
from edgelearn.data.reader import TableReader
from edgelearn.data.source import Rejects
from edgelearn.data.table_rows import joined

NUMBERS = st.sampled_from(["1", "-2.5", "3e2", " 4", "nan", "", "NA", "true", "inf", "1e39", "x", "5,5", "1_0", "\0"])
LINES = st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from(["walk", "rest", " run\r", "?", ""])), max_size=12)


def read(lines, at_once):
    rejects = Rejects()
    reader = TableReader(Roles(), "own", rejects, head=lines[:3])
    groups = [lines] if at_once else [[line] for line in lines]
    rows = joined([reader.feed(list(group)) for group in groups])
    return rows, rejects


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_lines_split_at_once_are_those_split_alone(rows):
    lines = [b"a,b,label", b"1,2,walk", b"2,3,rest", *(",".join(row).encode() for row in rows)]
    quoted = [*lines, b'9,9,"rest"']  # lines with quotes are split one by one
    ours, counted = read(lines, True)
    for at_once in (True, False):
        theirs, same = read(quoted, at_once)
        assert np.array_equal(ours.x, theirs.x[:-1], equal_nan=True)
        assert (ours.labels, ours.numbers.tolist()) == (theirs.labels[:-1], theirs.numbers[:-1].tolist())
        assert counted == same


FLOATS = st.floats(-1e30, 1e30) | st.sampled_from([0.0, 2.0**31, 2.0**31 + 1, 2.0**31 + 4000, 1e9, 1e-9])


@settings(max_examples=80, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=20), st.lists(FLOATS, max_size=20))
def test_a_range_that_is_wide_enough_stays_so(first, more):
    low, high = np.array([min(first)]), np.array([max(first)])
    if is_never_coarse(low, high):
        every = [*first, *more]
        assert not is_coarse(np.array([min(every)]), np.array([max(every)])).any()
        assert not offsets(np.array(every)[:, None]).any()
        span = Span()
        for value in every:
            span.add(np.array([[value]]))
        assert span.is_settled
        assert not span.offsets().any()
