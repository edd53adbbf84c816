"""The slow front end judged by hand arithmetic, section 10 of the contract."""

from __future__ import annotations

import pytest

from tests.naive.frontend import NaiveFrontEnd, statistics
from tests.naive.words import rdiv

UNIT = 2**20  # words, a quarter of the range


def front_end(**changes) -> NaiveFrontEnd:
    given = {
        "n_channels": 1,
        "window": 1,
        "stride": 1,
        "features": "samples",
        "tau": 3,
        "reach": 2,
        "encoder": "levels",
        "input_bits": 4,
    }
    return NaiveFrontEnd(**(given | changes))


def primed(**changes) -> NaiveFrontEnd:
    """A front end whose words are the values rounded: 2^21 has exponent 22. The sample was in segment -1."""
    front = front_end(**changes)
    front.row([2.0**21] * front.n_channels, -1, -1, learn=False)
    return front


def feed(front: NaiveFrontEnd, values: list[float], segment: int = 0) -> list[list[int] | None]:
    return [front.row([x], 0, segment) for x in values]


@pytest.mark.parametrize(
    ("a", "b", "rounded"), [(7, 2, 4), (-7, 2, -3), (5, 3, 2), (4, 3, 1), (-5, 3, -2), (-4, 3, -1)]
)
def test_rdiv_rounds_half_up(a, b, rounded):
    assert rdiv(a, b) == rounded


# --- words -------------------------------------------------------------------------------------------------


def test_words_are_fractions_of_the_range_with_ties_to_even():
    lsb = 2.0**-22
    front = front_end(window=9)
    feed(front, [0.0, 0.5, 0.75, -0.99, 0.5 * lsb, 1.5 * lsb, 2.5 * lsb, -1.5 * lsb, 1.51 * lsb])
    assert front.exponents == [0]
    assert front.window == [[0, 2 * UNIT, 3 * UNIT, -4152361, 0, 2, 2, -2, 2]]  # 0.99 * 2^22 = 4152360.96
    front = front_end(window=2)
    feed(front, [0.0, 0.0])
    assert (front.exponents, front.window) == ([None], [[0, 0]])
    feed(front, [1.0])
    assert (front.exponents, front.window) == ([1], [[0, 2 * UNIT]])  # 1 is not below 2^0
    feed(front, [1.0 - 2.0**-24])  # the largest float32 below one, half of the range now
    assert front.window == [[2 * UNIT, 2 * UNIT]]
    feed(front, [2.0**-140])
    assert front.window == [[2 * UNIT, 0]]


def test_a_growing_exponent_shifts_what_is_kept_and_rounds_it():
    front = front_end(window=3, n_channels=2, tau=0)
    front.row([0.75, 0.25], 0, 0)
    front.row([3 * 2.0**-22, -3 * 2.0**-22], 0, 0)
    front.row([0.0, 0.0], 0, 0)
    assert front.exponents == [0, -1]
    assert front.window == [[3 * UNIT, 3, 0], [2 * UNIT, -6, 0]]
    assert front.means == [768 * UNIT, 512 * UNIT, 3 * 256, -6 * 256, 0, 0]
    front.row([1.0, -0.125], 0, 0, learn=False)  # 3 / 2 is rounded up
    assert front.exponents == [1, -1]
    assert front.window == [[2, 0, 2 * UNIT], [-6, 0, -UNIT]]
    assert front.means == [384 * UNIT, 512 * UNIT, 3 * 128, -6 * 256, 0, 0]
    front.row([0.0, 4.0], 0, 0, learn=False)  # by 2^4: rn(-6, 4) = floor(2 / 16)
    assert front.window == [[0, 2 * UNIT, 0], [0, -UNIT // 16, 2 * UNIT]]
    assert front.means == [384 * UNIT, 32 * UNIT, 3 * 128, -96, 0, 0]


def test_shifts_stop_at_31():
    front = front_end()
    feed(front, [1.0 - 2.0**-24])
    assert (front.window, front.means) == ([[2**22]], [2**30])
    front.row([2.0**40], 0, 0, learn=False)
    assert front.means == [1]  # rn(2^30, 31); a shift by 41 would have left nothing


# --- windows and features ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "stride", "ends"), [(1, 1, [0, 1, 2, 3, 4, 5]), (3, 2, [2, 4]), (2, 3, [1, 4]), (4, 4, [3])]
)
def test_rows_end_where_window_and_stride_say(window, stride, ends):
    front = front_end(window=window, stride=stride)
    assert [n for n in range(6) if front.row([1.0], n, 7) is not None] == ends
    assert front.label == ends[-1]
    front.row([1.0], 9, 8)  # a window starts again
    assert [n for n in range(1, 6) if front.row([1.0], n, 8) is not None] == [n for n in ends if n > 0]


def test_a_window_does_not_cross_segments_but_words_and_mean_go_on():
    front = front_end(window=2, stride=1)
    assert [row is None for row in feed(front, [0.5, 0.25], 0) + feed(front, [0.125, 0.75], 1)] == [1, 0, 1, 0]
    assert front.window == [[UNIT // 2, 3 * UNIT]]
    assert (front.exponents, front.rows) == ([0], [2] * len(front.rows))


def test_samples_are_oldest_first_with_channels_together():
    front = primed(n_channels=2, window=2)
    front.row([1, 2], 0, 0)
    front.row([3, 4], 0, 0)
    assert front.means == [256, 512, 768, 1024]
    front.row([5, 6], 0, 0)  # n = 1: half of the way
    assert front.means == [512, 768, 1024, 1280]


def test_statistics_by_hand():
    # mean floor(7 / 4); deviations 2 2 3 0; steps 4 5 3; at or above the mean: 1 0 1 1
    assert statistics([3, -1, 4, 1]) == [1, 1, -1, 4, 4, 2 * 4096]
    # mean floor(-7 / 3) = -3; deviations 2 1 1; steps 1 2; below the mean only -4
    assert statistics([-1, -2, -4]) == [-3, 1, -4, -1, 1, 4096]


def test_statistics_of_two_channels_and_their_shift():
    front = primed(n_channels=2, window=4, stride=2, features="statistics")
    for pair in ((3, 0), (-1, 0), (4, 0), (1, -2)):
        front.row(list(pair), 0, 0)
    assert [mean / 256 for mean in front.means] == [1, 1, -1, 4, 4, 8192, -1, 1, -2, 0, 0, 4096]
    front.row([2.0**22, 0], 0, 0)  # no row ends, and the crossings of channel 0 are no words
    assert [mean / 256 for mean in front.means] == [0.5, 0.5, -0.5, 2, 2, 8192, -1, 1, -2, 0, 0, 4096]
    assert front.window == [[0, 2, 1, 2 * UNIT], [0, 0, -2, 0]]  # rn(-1, 1) = 0, rn(1, 1) = 1


def test_what_has_no_words_is_refused():
    with pytest.raises(ValueError, match="no steps"):
        front_end(features="statistics")
    with pytest.raises(ValueError, match="features 'fft'"):
        front_end(features="fft")
    with pytest.raises(ValueError, match="encoder 'poisson'"):
        front_end(encoder="poisson")


# --- normaliser --------------------------------------------------------------------------------------------


def test_mean_deviation_and_level_by_hand():
    front = front_end()
    # n = 0, k = 0: M is the value, A stays 0 and u is 0, the middle of 0..15
    assert front.row([0.5], 0, 0) == [8]
    assert (front.means, front.deviations) == ([512 * UNIT], [0])
    # n = 1, k = 1: D = 256, A = 128, M = 640; u = rdiv(128 * 15, 2 * 128) = rdiv(15, 2) = 8; shr(8 + 16, 1)
    assert front.row([0.75], 0, 0) == [12]
    assert (front.means, front.deviations) == ([640 * UNIT], [128 * UNIT])
    # n = 2, k = 2: D = -384, A = 128 + 256 / 4, M = 640 - 96; u = rdiv(-288 * 15, 2 * 192) = -11.25 -> -11; shr(5, 1)
    assert front.row([0.25], 0, 0) == [2]
    assert (front.means, front.deviations) == ([544 * UNIT], [192 * UNIT])
    # not learned: u = rdiv(224 * 15, 384) = 8.75 -> 9; shr(25, 1)
    assert front.row([0.75], 0, 0, learn=False) == [12]
    assert (front.means, front.deviations, front.rows) == ([544 * UNIT], [192 * UNIT], [3])
    # n = 3, k = 2: D = -1568, A = 192 + 1376 / 4, M = 544 - 392; u = rdiv(-1176 * 15, 2 * 536) = -16.5, cut to -15
    assert front.row([-1.0 + 2.0**-22], 0, 0)[0] == 0


def test_the_time_constant_is_reached_and_kept():
    front = primed(tau=2)
    gains = []
    for value in (0, 1024, 0, 1024, 0, 1024, 0, 1024, 0, 1024):
        before = front.means[0]
        front.row([value], 0, 0)
        gains.append((front.means[0] - before) / ((256 * value - before) or 1))
    assert gains[0] == 0
    assert gains[1:] == pytest.approx([1 / 2] + [1 / 4] * 8, rel=1e-4)


def test_reach_is_how_many_deviations_fill_the_range():
    # M = 128, A = 128 after 0, 1; then 256 v - M = 128 + 256 * 2 = 5 A: level u = rdiv(5 * 15, reach)
    for reach, level in ((2, 15), (5, 15), (6, 14), (8, 12)):  # u = 15 (cut), 15, 12.5 -> 13 and 9.375 -> 9
        front = primed(reach=reach)
        feed(front, [0, 1])
        assert (front.means, front.deviations) == ([128], [128])
        assert front.row([3], 0, 0, learn=False) == [level]


# --- encoders ----------------------------------------------------------------------------------------------


def encoded(value: float, **changes) -> list[int] | None:
    """M = 128 and A = 128, so u = rdiv((2 value - 1) * top, reach)."""
    front = primed(**changes)
    feed(front, [0, 1])
    return front.row([value], 0, 0, learn=False)


def test_on_off_sends_one_side_and_is_silent_near_the_mean():
    assert encoded(3, reach=8, encoder="on-off") == [9, 0]  # u = 75 / 8
    assert encoded(-2, reach=8, encoder="on-off") == [0, 9]
    assert encoded(3, reach=8, encoder="on-off", input_threshold=8) == [9, 0]
    assert encoded(3, reach=8, encoder="on-off", input_threshold=9) == [0, 0]
    assert encoded(-2, reach=8, encoder="on-off", input_threshold=9) == [0, 0]


def test_thresholds_fire_at_their_marks():
    # marks rdiv(127, 3) = 42 and rdiv(254, 3) = 85, on a scale of 127 whatever input_bits says
    shape = {"encoder": "threshold", "thresholds": 2, "input_bits": 1}
    assert encoded(1, reach=3, **shape) == [1, 0, 0, 0]  # u = rdiv(127, 3) = 42
    assert encoded(0, reach=3, **shape) == [0, 0, 1, 0]
    assert encoded(1, reach=4, **shape) == [0, 0, 0, 0]  # 32
    assert encoded(2, reach=4, **shape) == [1, 1, 0, 0]  # 95
    assert encoded(-1, reach=4, **shape) == [0, 0, 1, 1]
    assert encoded(2, reach=3, encoder="threshold", thresholds=1, input_bits=1) == [1, 0]  # 127, one mark at 64


def test_the_features_of_a_row_follow_each_other():
    front = primed(n_channels=2, encoder="on-off")
    for pair in ((0, 0), (1, 1)):
        front.row(list(pair), 0, 0)
    assert front.row([3, -2], 0, 0, learn=False) == [15, 0, 0, 15]
    front = primed(n_channels=2, encoder="threshold", thresholds=2, input_bits=1, reach=3)
    for pair in ((0, 0), (1, 1)):
        front.row(list(pair), 0, 0)
    assert front.row([1, -1], 0, 0, learn=False) == [1, 0, 0, 0, 0, 0, 1, 1]  # u = 42 and -127


def test_send_on_delta_by_hand():
    front = primed(encoder="delta", tau=1, delta=16)  # a step is A
    assert front.row([0], 0, 0) == [0, 0]
    # k = 1: D = 2560, A = M = 1280; 2560 away is two steps
    assert front.row([10], 0, 0) == [2, 0]
    assert front.sent == [2560]
    # D = 1024 - 1280 = -256, A = 1280 - 512 = 768; 1024 - 2560 = -1536 is two steps down
    assert front.row([4], 0, 0) == [0, 2]
    assert (front.deviations, front.sent) == ([768], [1024])
    # not learned: 5120 - 1024 = 4096 is five steps and a third
    assert front.row([20], 0, 0, learn=False) == [5, 0]
    assert (front.deviations, front.sent, front.rows) == ([768], [1024], [3])
    # the unit doubles: M = 1152 / 2, A = 384, R = 512; the value is as large as 2^21 words
    front.row([2.0**22], 0, 0, learn=False)
    assert (front.means, front.deviations, front.sent) == ([576], [384], [512])


def test_send_on_delta_cuts_its_count_and_moves_by_what_it_sent():
    front = primed(encoder="delta", tau=1, delta=16, input_bits=1)
    feed(front, [0])
    assert front.row([10], 0, 0) == [1, 0]
    assert front.sent == [1280]
    front = primed(encoder="delta", tau=1, delta=3)  # step = rdiv(1280 * 3, 16) = 240; 2560 is ten of them
    feed(front, [0])
    assert front.row([10], 0, 0) == [10, 0]
    assert front.sent == [2400]
    front = primed(encoder="delta")
    assert feed(front, [5, 5, 5]) == [[0, 0]] * 3  # no deviation, no step
    assert front.sent == [1280]
