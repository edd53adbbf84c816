"""Loops of convolutions against sums in gather form, and their arrays against writes behind the ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from edgelearn.fixedpoint.lanes import compiled
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import KEYS, LANE, MAP_LANE, padded
from edgelearn.network.kernels.convolve import (
    pair_kernel,
    pool_maxima,
    pool_totals,
    reach,
    scatter_channel,
    scatter_events,
    start_sums,
)
from edgelearn.network.kernels.correlate import (
    add_kernel_steps,
    add_kernel_steps_stochastic,
    border_deltas,
    correlate_channel,
    correlate_events,
    count_before,
    count_placed,
    count_products,
    pair_events,
    place_deltas,
    send_down,
)

# height, width, channels, maps, kernel height, kernel width, stride, padding, pool
SHAPES = [
    (7, 6, 1, 5, 3, 3, 1, 1, 2),
    (6, 5, 3, 17, 3, 2, 1, 0, 1),
    (9, 8, 2, 16, 5, 3, 2, 2, 2),
    (5, 7, 4, 3, 1, 1, 3, 0, 1),
    (8, 8, 5, 33, 4, 5, 3, 4, 1),
    (6, 6, 1, 2, 6, 6, 1, 0, 1),
]
GUARD = 7  # value in front of and behind arrays that loops write


class Case:
    """A random convolution as row 0 of the layer table, with inputs of every second kind zero."""

    def __init__(self, shape, seed=0, pooling=t.POOL_MAX, bias=1):
        height, width, channels, maps, kernel_h, kernel_w, stride, padding, pool = shape
        self.rng = np.random.default_rng(seed)
        self.shape = shape
        self.pooled_h = ((height + 2 * padding - kernel_h) // stride + 1) // pool
        self.pooled_w = ((width + 2 * padding - kernel_w) // stride + 1) // pool
        self.out_h, self.out_w = self.pooled_h * pool, self.pooled_w * pool
        self.n_in, self.fan_in = height * width * channels, kernel_h * kernel_w * channels
        self.n_out = self.pooled_h * self.pooled_w * maps
        self.lanes = -(-maps // MAP_LANE) * MAP_LANE
        self.layers = np.zeros((2, t.LAYER_COLUMNS), np.int64)
        for name, value in {
            "N_IN": self.n_in, "N_OUT": self.n_out, "ROWS": self.fan_in + 1, "STRIDE": self.lanes, "VIEW_SHIFT": 8,
            "LAYER_KIND": t.CONVOLUTION, "HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "MAPS": maps,
            "KERNEL_H": kernel_h, "KERNEL_W": kernel_w, "CONV_STRIDE": stride, "PADDING": padding, "POOL": pool,
            "POOLING": pooling, "OUT_HEIGHT": self.out_h, "OUT_WIDTH": self.out_w, "POOLED_HEIGHT": self.pooled_h,
            "POOLED_WIDTH": self.pooled_w, "KERNEL_BIAS": bias,
        }.items():  # fmt: skip
            self.layers[0, getattr(t, name)] = value
        self.size = padded(max(self.n_in + 1, self.n_out)) + LANE
        self.weights = np.zeros((self.fan_in + 1, self.lanes), np.int16)
        self.weights[:, :maps] = self.rng.integers(-32768, 32768, (self.fan_in + 1, maps))
        self.inputs = np.zeros((2, self.size), np.int16)
        self.inputs[0, : self.n_in] = self.rng.integers(-127, 128, self.n_in) * self.rng.integers(0, 2, self.n_in)
        self.inputs[0, self.n_in] = 15
        found = np.flatnonzero(self.inputs[0, : self.n_in])
        self.events = np.zeros((2, self.size), np.int64)
        self.events[0, : len(found) + 1] = [*found, self.n_in]
        self.n_events = len(found)

    def windows(self):
        """Yield index of a position, row of the kernel and input, for every product."""
        height, width, channels, _, kernel_h, kernel_w, stride, padding, _ = self.shape
        for out_y in range(self.out_h):
            for out_x in range(self.out_w):
                for dy in range(kernel_h):
                    for dx in range(kernel_w):
                        y, x = out_y * stride + dy - padding, out_x * stride + dx - padding
                        if 0 <= y < height and 0 <= x < width:
                            for c in range(channels):
                                yield (
                                    out_y * self.out_w + out_x,
                                    (dy * kernel_w + dx) * channels + c,
                                    (y * width + x) * channels + c,
                                )

    def guarded(self, shape, dtype):
        """Return an array that ends where a guard begins, and the guards."""
        n = int(np.prod(shape))
        flat = np.full(n + 2 * LANE, GUARD, dtype)
        return flat[LANE : LANE + n].reshape(shape), (flat[:LANE], flat[LANE + n :])


def intact(*guards):
    return all((part == GUARD).all() for pair in guards for part in pair)


@compiled
def _forward(layers, n_events, weights, inputs, events, views, paired, position_sums, sums, winners):
    start_sums(0, layers, weights, inputs[0, layers[0, t.N_IN]], views, position_sums)
    if paired.shape[0] > 0:
        pair_kernel(0, layers, views, paired)
        pairs = scatter_channel(0, n_events, layers, paired, inputs, events, position_sums)
    else:
        pairs = scatter_events(0, n_events, layers, views, inputs, events, position_sums)
    if layers[0, t.POOLING] == t.POOL_MEAN:
        pool_totals(0, layers, position_sums, sums)
    else:
        pool_maxima(0, layers, position_sums, sums, winners)
    return pairs


def loops_of(shapes):
    """Return shapes with the loops that fit them: those of one channel, and those of any."""
    one = [(shape, True) for shape in shapes if shape[2] == 1]
    return [*one, *((shape, False) for shape in shapes)]


@pytest.mark.parametrize("pooling", [t.POOL_MAX, t.POOL_MEAN], ids=["max", "mean"])
@pytest.mark.parametrize(("shape", "by_neighbours"), loops_of(SHAPES), ids=str)
def test_sums_winners_and_pairs_of_a_window(shape, by_neighbours, pooling):
    case = Case(shape, pooling=pooling, bias=shape[3] % 2)
    maps, pool = shape[3], shape[8]
    position_sums, position_guards = case.guarded((case.out_h * case.out_w, case.lanes), np.int32)
    sums, sum_guards = case.guarded((2, case.size), np.int32)
    winners, winner_guards = case.guarded((2, case.size), np.int16)
    views, view_guards = case.guarded(case.weights.shape, np.int16)
    n_paired = shape[4] * (shape[5] + 1) if by_neighbours else 0
    paired, paired_guards = case.guarded((n_paired, 2 * case.lanes), np.int16)
    arguments = case.layers, case.n_events, case.weights, case.inputs, case.events
    pairs = _forward(*arguments, views, paired, position_sums, sums, winners)
    expected = np.zeros((case.out_h * case.out_w, case.lanes), np.int64)
    views = case.weights.astype(np.int64) >> 8
    expected += case.layers[0, t.KERNEL_BIAS] * 15 * views[-1]
    counted = 0
    for position, row, i in case.windows():
        expected[position] += int(case.inputs[0, i]) * views[row]
        counted += case.inputs[0, i] != 0
    assert pairs == counted
    assert np.array_equal(position_sums, expected)
    cells = expected[:, :maps].reshape(case.out_h, case.out_w, maps)
    for element in range(case.n_out):
        y, x, o = np.unravel_index(element, (case.pooled_h, case.pooled_w, maps))
        window = cells[y * pool : (y + 1) * pool, x * pool : (x + 1) * pool, o].reshape(-1)
        assert sums[0, element] == (window.sum() if pooling == t.POOL_MEAN else window.max())
        assert pooling == t.POOL_MEAN or winners[0, element] == window.argmax()
    assert intact(view_guards, paired_guards, position_guards, sum_guards, winner_guards)


def test_the_first_of_equal_sums_wins():
    case = Case((4, 4, 1, 3, 1, 1, 1, 0, 2), bias=0)
    case.inputs[0, : case.n_in] = 1
    case.events[0, : case.n_in + 1] = range(case.n_in + 1)
    sums, winners = np.zeros((2, case.size), np.int32), np.full((2, case.size), 9, np.int16)
    position_sums = np.zeros((16, case.lanes), np.int32)
    arguments = case.layers, case.n_in, case.weights, case.inputs, case.events
    paired = np.zeros((0, 2 * case.lanes), np.int16)
    _forward(*arguments, case.weights.copy(), paired, position_sums, sums, winners)
    assert not winners[0, : case.n_out].any()


@compiled
def _learn(layers, n_events, inputs, events, deltas, winners, placed, n_placed, bordered, places, levels, before, sums):
    place_deltas(0, layers, deltas, winners, placed)
    n_maps = count_placed(placed, n_placed, sums, sums.shape[0] - 1)
    if bordered.shape[0] > 0:
        border_deltas(0, layers, placed, bordered)
        n = pair_events(0, n_events, layers, inputs, events, places, levels)
        correlate_channel(0, n, layers, bordered, places, levels, sums)
        return n_maps, count_products(0, n_events, layers, events, n_placed, before)
    return n_maps, correlate_events(0, n_events, layers, inputs, events, placed, n_placed, sums)


def _deltas(case):
    """Return d of elements, and at positions: int64[positions, maps]."""
    maps, pool = case.shape[3], case.shape[8]
    deltas, winners = np.zeros((2, case.size), np.int16), np.zeros((2, case.size), np.int16)
    deltas[0, : case.n_out] = case.rng.integers(-3000, 3001, case.n_out) * (case.rng.random(case.n_out) < 0.4)
    deltas[0, : case.n_out : maps] = 0  # a map that does not learn
    winners[0, : case.n_out] = case.rng.integers(0, pool * pool, case.n_out)
    winners[:, case.n_out :] = -1
    at = np.zeros((case.out_h, case.out_w, maps), np.int64)
    for element in range(case.n_out):
        y, x, o = np.unravel_index(element, (case.pooled_h, case.pooled_w, maps))
        for a in range(pool * pool):
            if case.layers[0, t.POOLING] == t.POOL_MEAN or winners[0, element] == a:
                at[y * pool + a // pool, x * pool + a % pool, o] = deltas[0, element]
    return deltas, winners, at.reshape(-1, maps)


@pytest.mark.parametrize("pooling", [t.POOL_MAX, t.POOL_MEAN], ids=["max", "mean"])
@pytest.mark.parametrize(
    ("shape", "in_registers"), [case for case in loops_of(SHAPES) if not case[1] or case[0][6] == 1], ids=str
)
def test_sums_over_positions(shape, in_registers, pooling):
    case = Case(shape, pooling=pooling)
    maps = shape[3]
    deltas, winners, at = _deltas(case)
    placed, placed_guards = case.guarded((len(at), case.lanes), np.int16)
    n_placed, count_guards = case.guarded((len(at),), np.int32)
    sums, sum_guards = case.guarded((case.fan_in + 1, case.lanes), np.int32)
    n_bordered = (case.out_h + 2 * shape[4] - 1) * (case.out_w + shape[5] - 1) if in_registers else 0
    bordered, border_guards = case.guarded((n_bordered, 2 * case.lanes), np.int16)
    before, before_guards = case.guarded((len(at) + 1,), np.int32)
    places, levels = np.zeros(case.size, np.int32), np.zeros(case.size, np.uint32)
    given = case.layers, case.n_events, case.inputs, case.events, deltas, winners
    n_maps, pairs = _learn(*given, placed, n_placed, bordered, places, levels, before, sums)
    expected = np.zeros((case.fan_in + 1, maps), np.int64)
    counted = 0
    for position, row, i in case.windows():
        expected[row] += int(case.inputs[0, i]) * at[position]
        counted += (case.inputs[0, i] != 0) * np.count_nonzero(at[position])
    expected[-1] = at.sum(axis=0)
    assert np.array_equal(sums[:, :maps], expected)
    assert not sums[:, maps:].any()
    assert (pairs, n_maps) == (counted, np.count_nonzero(at.any(axis=0)))
    assert np.array_equal(n_placed, np.count_nonzero(at, axis=1))
    assert intact(placed_guards, count_guards, border_guards, before_guards, sum_guards)


@compiled
def _send_down(layers, n, rows, deltas, active, n_active, winners, gates, before, sums):
    count_before(gates, 0, n, before)
    return send_down(0, layers, rows, deltas, active, n_active, winners, before, sums)


@pytest.mark.parametrize("pooling", [t.POOL_MAX, t.POOL_MEAN], ids=["max", "mean"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_signals_to_the_input_map(shape, pooling):
    case = Case(shape, pooling=pooling)
    deltas, winners, at = _deltas(case)
    layers, deltas, winners = (np.roll(table, 1, axis=0) for table in (case.layers, deltas, winners))
    rows = case.rng.integers(-128, 128, (shape[3], case.fan_in)).astype(np.int16)
    found = np.flatnonzero(deltas[1])
    active = np.zeros((2, case.size), np.int64)
    active[1, : len(found)] = found
    gates = np.zeros((2, case.size), np.int16)
    gates[0, : case.n_in] = case.rng.integers(0, 2, case.n_in)
    sums, guards = case.guarded((1, case.n_in), np.int32)
    before, before_guards = case.guarded((case.n_in + 1,), np.int32)
    pairs = _send_down(layers, case.n_in, rows, deltas, active, len(found), winners, gates, before, sums)
    expected, counted = np.zeros(case.n_in, np.int64), 0
    for position, row, i in case.windows():
        expected[i] += at[position] @ rows[:, row].astype(np.int64)
        counted += (gates[0, i] != 0) * np.count_nonzero(at[position])
    assert np.array_equal(sums[0], expected)
    assert pairs == counted
    assert intact(guards, before_guards)


def _rounded(value, shift):
    return value << -shift if shift <= 0 else (value + (1 << shift >> 1)) >> shift


SUMS = [
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    1 << 20,
    -(1 << 20),
    (1 << 31) - 1,
    -(1 << 31) + 1,
    (1 << 31) - (1 << 29),
    12345,
]


@pytest.mark.parametrize("has_floor", [False, True])
@pytest.mark.parametrize("shift", [-3, 0, 1, 9, 30])
def test_steps_of_sums(shift, has_floor):
    rng = np.random.default_rng(3)
    limit, align, one = 127, 4, 3
    sums = rng.choice(SUMS, (6, MAP_LANE)).astype(np.int32)
    sums[-1] = rng.integers(-(1 << 20), 1 << 20, MAP_LANE)
    words = rng.integers(-2048, 2048, sums.shape) << align
    weights = words.astype(np.int16)
    counts = compiled(add_kernel_steps)(weights, 1, 6, sums, one, shift, limit, align, has_floor)
    expected, saturations, cuts = words.copy(), 0, 0
    for r in range(1, 6):
        for o in range(MAP_LANE):
            value = _rounded(-int(sums[r, o]) * (one if r == 5 else 1), shift)
            step = min(max(value, -limit), limit)
            total = int(words[r, o]) + (step << align)
            expected[r, o] = min(max(total, 0 if has_floor and r < 5 else -32768), 32767)
            saturations += expected[r, o] != total
            cuts += step != value
    assert np.array_equal(weights, expected)
    assert counts == (saturations, cuts)


@pytest.mark.parametrize("shift", [-12, -3, 0, 9, 22])
def test_stochastic_steps_of_sums(shift):
    rng = np.random.default_rng(4)
    limit, align, one = 2047, 4, 15
    sums = rng.choice(SUMS, (4, MAP_LANE)).astype(np.int32)
    sums[-1] = rng.integers(-(1 << 20), 1 << 20, MAP_LANE)
    words = rng.integers(-2048, 2048, sums.shape) << align
    weights, keys = words.astype(np.int16), rng.integers(0, 256, MAP_LANE).astype(np.uint8)
    random = np.zeros((KEYS + 1, LANE), np.uint8)
    random[KEYS, :MAP_LANE] = keys
    arrays = _Random(np.array([77], np.uint32), np.zeros(2, np.uint32), random)
    counts = _stochastic(weights, sums, one, shift, limit, align, arrays)
    state, expected, saturations, cuts = 77, words.copy(), 0, 0
    for r in range(4):
        for move in (13, -17, 5):
            state ^= state << move & 0xFFFFFFFF if move > 0 else state >> -move
        for o in range(MAP_LANE):
            value = _rounded(-int(sums[r, o]) * (one if r == 3 else 1), shift)
            kept = min(max(value, -256 * limit), 256 * limit)
            byte = (state >> 8 * (o % 4) & 255) ^ int(keys[o])
            total = int(words[r, o]) + ((kept >> 8) + (byte < (kept & 255)) << align)
            expected[r, o] = min(max(total, -32768), 32767)
            saturations += expected[r, o] != total
            cuts += kept != value
    assert np.array_equal(weights, expected)
    assert counts == (saturations, cuts)
    assert arrays.generator[0] == state


class _Random(NamedTuple):
    generator: np.ndarray
    draws: np.ndarray
    random: np.ndarray


@compiled
def _stochastic(weights, sums, one, shift, limit, align, arrays):
    return add_kernel_steps_stochastic(weights, 0, 4, sums, one, shift, limit, align, False, arrays)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 5])
def test_reach_is_every_position_whose_window_holds_a_place(kernel, stride):
    for n in (1, 4):
        for place in range(12):
            first, last = reach(place, kernel, stride, n)
            assert list(range(first, last + 1)) == [at for at in range(n) if 0 <= place - at * stride < kernel]
