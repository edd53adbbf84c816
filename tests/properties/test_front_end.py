"""For all settings and recordings: the front end does what the oracle does, however its input is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgelearn.streaming.front_end import ENCODERS, ONE_WORD, UNSEEN, FrontEnd, FrontEndSpec
from tests.oracle_pairs import assert_front_end, naive_front_end

pytestmark = pytest.mark.kernel


@st.composite
def specs(draw, window: int | None = None) -> FrontEndSpec:
    features = draw(st.sampled_from(["samples", "statistics"])) if window is None else "samples"
    encoder = draw(st.sampled_from(ENCODERS))
    return FrontEndSpec(
        n_channels=draw(st.integers(1, 3)),
        window=draw(st.integers(2 if features == "statistics" else 1, 5)) if window is None else window,
        stride=draw(st.integers(1, 6)),
        features=features,
        time_constant=draw(st.sampled_from([0, 1, 2, 3, 10, 24])),
        reach=draw(st.sampled_from([1, 2, 4, 7, 64])),
        encoder=encoder,
        input_bits=1 if encoder == "threshold" else draw(st.integers(2 if encoder == "signed" else 1, 8)),
        input_threshold=draw(st.sampled_from([0, 0, 1, 5, 254])),
        thresholds=draw(st.sampled_from([1, 2, 3, 63])),
        delta=draw(st.sampled_from([1, 8, 16, 37, 1024])),
    )


LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)
values = st.one_of(
    st.sampled_from([0.0, 0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, -3.0, 1.5 * 2**-22, 0.5 * 2**-22, LARGEST, -LARGEST]),
    st.sampled_from([SMALLEST, -SMALLEST, 2.0**-126, 2.0**31, -(2.0**33), 1 - 2.0**-24]),
    st.floats(-2, 2, width=32),
    st.floats(-1000, 1000, width=32),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@st.composite
def recordings(draw, n_channels: int, longest: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a few kinds, and the segment of each."""
    n = draw(st.integers(1, longest))
    kind = draw(st.sampled_from(["any", "constant", "noise", "growing", "few", "zeros"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "any":
        x = np.array([[draw(values) for _ in range(n_channels)] for _ in range(n)])
    elif kind == "constant":
        x = np.full((n, n_channels), draw(values))
    elif kind == "growing":  # by up to 2^40 at once, also after silence
        exponents = np.cumsum(rng.integers(0, 5, (n, n_channels)) * (rng.random((n, n_channels)) < 0.3), axis=0) * 10
        x = rng.normal(0, 1, (n, n_channels)) * 2.0 ** np.minimum(exponents - 60, 100)
        x[rng.random(x.shape) < 0.3] = 0
    elif kind == "few":
        x = rng.integers(-3, 4, (n, n_channels)) * 2.0 ** draw(st.integers(-130, 100))
    else:
        x = rng.normal(0, 1, (n, n_channels)) * (kind == "noise")
    x[rng.random(x.shape) < draw(st.sampled_from([0.0, 0.0, 0.3, 0.9]))] = np.nan
    segment = np.cumsum(rng.random(n) < draw(st.sampled_from([0.0, 0.2]))) * draw(st.sampled_from([1, -7]))
    return x.astype(np.float32), segment.astype(np.int64)


@st.composite
def cases(draw, window: int | None = None) -> tuple[FrontEndSpec, np.ndarray, np.ndarray]:
    spec = draw(specs(window))
    return spec, *draw(recordings(spec.n_channels))


def as_lists(front_end: FrontEnd) -> dict[str, Any]:
    return {name: array.tolist() for name, array in front_end.save().items()}


@given(case=cases())
@example(case=(FrontEndSpec(1, encoder="levels"), np.zeros((3, 1), np.float32), np.zeros(3, np.int64)))
def test_rows_equal_the_oracle(case):
    assert_front_end(*case)


@given(case=cases(), data=st.data())
def test_rows_and_state_do_not_depend_on_cuts_or_on_a_restart(case, data):
    spec, x, segment = case
    whole, parted = FrontEnd(spec), FrontEnd(spec)
    expected = whole.rows(x, segment)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(x)))) | {0, len(x)})
    levels, ends = [], []
    for start, stop in pairwise(cuts):
        if data.draw(st.booleans()):
            saved = parted.save()
            parted.rows(x[::-1], segment)  # what is restored elsewhere must not follow
            parted = FrontEnd(spec)
            parted.restore(saved)
        rows = parted.rows(x[start:stop], segment[start:stop])
        levels += rows.levels.tolist()
        ends += (rows.ends + start).tolist()
    assert levels == expected.levels.tolist()
    assert ends == expected.ends.tolist()
    assert as_lists(parted) == as_lists(whole)


@given(case=cases(window=1), data=st.data())
def test_encoding_alone_equals_the_oracle_while_no_exponent_grows(case, data):
    """`encode` uses the exponents at hand: a larger value is cut to +-2^22 words, where the oracle would grow."""
    spec, x, segment = case
    front_end, naive = FrontEnd(spec), naive_front_end(spec)
    n = data.draw(st.integers(0, len(x)))
    front_end.rows(x[:n], segment[:n])
    for sample, part in zip(x[:n].tolist(), segment[:n].tolist(), strict=True):
        naive.row(sample, 0, part)
    before = as_lists(front_end) | {"features": None}  # of the row at hand
    probes = x[n:]
    limit = np.ldexp(1.0, np.maximum(front_end.exponents, -1000))  # below any value where none was seen
    probes = probes[((np.abs(probes.astype(np.float64)) < limit) | (probes == 0) | np.isnan(probes)).all(axis=1)]
    found = front_end.encode(probes).tolist()
    naive.stride, naive.samples = 1, 0  # every sample is a row
    assert found == [naive.row(sample, 0, 0, learn=False) for sample in probes.tolist()]
    assert as_lists(front_end) | {"features": None} == before
    assert front_end.state.mean.tolist() == naive.means
    assert front_end.state.deviation.tolist() == naive.deviations


@given(case=cases(), adapt_rows=st.integers(1, 12), least=st.sampled_from([0, 1, ONE_WORD]))
def test_rows_behind_those_that_adapt_equal_the_oracle(case, adapt_rows, least):
    """Statistics stay; a deviation of 0 counts as the least one, if there is one."""
    spec, x, segment = case
    front_end, naive = FrontEnd(spec, adapt_rows, least), naive_front_end(spec, least)
    expected: list[list[int]] = []
    for sample, part in zip(x.tolist(), segment.tolist(), strict=True):
        row = naive.row(sample, 0, part, learn=len(expected) < adapt_rows, sends=True)
        expected += [] if row is None else [row]
    assert front_end.rows(x, segment).levels.tolist() == expected
    assert front_end.state.mean.tolist() == naive.means
    assert front_end.state.deviation.tolist() == naive.deviations
    assert front_end.state.seen.tolist() == naive.rows


@pytest.mark.parametrize("constant", [0.0, 20.0, -3e-5])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_value_that_was_constant_makes_events_once_it_changes(encoder, constant):
    bits = 1 if encoder == "threshold" else 5
    spec = FrontEndSpec(1, encoder=encoder, input_bits=bits)
    still, live = np.full((30, 1), constant, np.float32), np.float32([[constant], [constant + 0.5], [constant - 0.5]])
    blind = FrontEnd(spec, adapt_rows=30)
    seeing = FrontEnd(spec, adapt_rows=30, least_deviation=ONE_WORD)
    rows = [
        front_end.rows(np.concatenate([still, live]), np.zeros(33, np.int64)).levels for front_end in (blind, seeing)
    ]
    assert (rows[0] == rows[0][0]).all()
    assert (rows[1][:31] == rows[0][:31]).all()
    assert rows[1][31].tolist() != rows[1][30].tolist() != rows[1][32].tolist() != rows[1][31].tolist()
    # and so does a window on its own, also where no exponent is known yet
    alone = FrontEnd(spec, least_deviation=ONE_WORD)
    alone.rows(still, np.zeros(30, np.int64))
    assert (alone.exponents[0] == UNSEEN) == (constant == 0)
    if encoder != "delta":  # whose last value is its own
        assert alone.encode(live).tolist() == rows[1][30:].tolist()


def test_encoding_a_value_beyond_the_range_takes_the_largest_word():
    front_end = FrontEnd(FrontEndSpec(1, encoder="levels", time_constant=24, reach=4, input_bits=8))
    naive = naive_front_end(front_end.spec)
    for x in (0.5, -0.5, 0.75, -0.75, 0.0, 0.0):
        front_end.rows(np.array([[x]], np.float32), np.zeros(1, np.int64))
        naive.row([x], 0, 0)
    found = front_end.encode(np.array([[1.0], [8.0], [3e38], [-1.0], [-8.0]], np.float32))
    # M and A are -147 and 2100 of 4096: u = (4096 + 147) * 255 / (4 * 2100) = 128.8 and -119.9
    assert found.tolist() == [[192], [192], [192], [68], [68]]
    assert front_end.exponents.tolist() == [0]
    naive.row([8.0], 0, 0, learn=False)
    assert naive.exponents == [4]  # the oracle's unit has grown


def test_channels_never_seen_encode_to_the_middle():
    front_end = FrontEnd(FrontEndSpec(2, encoder="levels", input_bits=4))
    assert front_end.encode(np.array([[5.0, -1e30]], np.float32)).tolist() == [[8, 8]]


@pytest.mark.parametrize("features", ["samples", "statistics"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_missing_value_is_no_event_and_no_part_of_the_statistics(encoder, features):
    bits = 1 if encoder == "threshold" else 5
    spec = FrontEndSpec(2, window=2, features=features, encoder=encoder, input_bits=bits)
    x = np.random.default_rng(3).normal(0, 1, (40, 2)).astype(np.float32)
    x[20:, 1] = np.nan
    front_end, segment = FrontEnd(spec), np.zeros(40, np.int64)
    front_end.rows(x[:21], segment[:21])
    before = as_lists(front_end)
    levels = front_end.rows(x[21:], segment[21:]).levels.reshape(19, spec.n_features, -1)
    after = as_lists(front_end)
    lacking = np.arange(spec.n_features) // 6 == 1 if features == "statistics" else np.arange(spec.n_features) % 2 == 1
    assert not levels[:, lacking].any()
    assert levels[:, ~lacking].any()
    for name in ("mean", "deviation", "sent", "seen"):
        assert np.array(before[name])[lacking].tolist() == np.array(after[name])[lacking].tolist()
    assert before["seen"] != after["seen"]
    assert before["exponents"][1] == after["exponents"][1]


def test_a_channel_that_comes_late_is_followed_from_its_first_value():
    """As fast as one that was there from the start: means are not drawn from zero with the weight of a late row."""
    x = np.random.default_rng(4).normal(100, 1, (60, 2)).astype(np.float32)
    late, alone = FrontEnd(FrontEndSpec(2)), FrontEnd(FrontEndSpec(1))
    x[:30, 1] = np.nan
    late.rows(x, np.zeros(60, np.int64))
    alone.rows(x[30:, 1:], np.zeros(30, np.int64))
    assert (late.state.mean[1], late.state.deviation[1]) == (alone.state.mean[0], alone.state.deviation[0])
    assert late.state.seen.tolist() == [60, 30]


def test_windows_are_encoded_with_the_statistics_at_hand():
    spec = FrontEndSpec(2, window=3, stride=1, features="statistics", time_constant=0)
    front_end, still = FrontEnd(spec), FrontEnd(spec)
    x = np.random.default_rng(5).normal(0, 1, (12, 2)).astype(np.float32)
    for one in (front_end, still):
        one.rows(x, np.zeros(12, np.int64))
    window = np.float32([[0.1, 0.2, np.nan, 0.4, 0.5, np.nan]])
    before = as_lists(front_end)
    found = front_end.encode(window)
    assert as_lists(front_end) == before
    expected = naive_front_end(spec)
    for sample in x.tolist():
        expected.row(sample, 0, 0)
    for sample in window.reshape(3, 2).tolist():
        row = expected.row(sample, 0, 0, learn=False)
    assert found.tolist() == [row]


def test_a_state_without_counts_of_values_is_one_without_missing_values():
    whole, old = FrontEnd(FrontEndSpec(1)), FrontEnd(FrontEndSpec(1))
    x = np.float32([[1], [2], [4], [3]])
    whole.rows(x, np.zeros(4, np.int64))
    old.restore({name: array for name, array in whole.save().items() if name != "seen"})
    assert as_lists(old) == as_lists(whole)


def test_a_long_recording_with_jumps_equals_the_oracle():
    """More rows than the time constant, with the exponent growing in between."""
    rng = np.random.default_rng(0)
    for encoder in ENCODERS:
        bits = 1 if encoder == "threshold" else 4
        spec = FrontEndSpec(2, window=3, stride=2, time_constant=5, encoder=encoder, input_bits=bits)
        x = rng.normal(0, 1, (160, 2)) * 2.0 ** (np.arange(160) // 40)[:, None] + np.arange(160)[:, None] // 80
        segment = np.arange(160) // 70
        assert len({tuple(row) for row in assert_front_end(spec, x.astype(np.float32), segment)}) > 10
