"""The update: an outer product of two factors, rounded to steps and added to the stored words.

A row of the weight matrix is an input (event-major) or a neuron; either way a row has one factor and each of
its words another, so one set of loops serves both layouts.
"""

from __future__ import annotations

import numpy as np

from edgelearn.kernels.lanes import (
    add16,
    add32,
    add_saturating16,
    and16,
    carry16,
    compiled,
    differs16,
    differs32,
    max16,
    max32,
    min32,
    mul32,
    narrow16,
    shl32,
    shr32,
    widen32,
)


@compiled
def round_steps(factors, factor, n, k, limit, align, steps, slot):  # type: ignore[no-untyped-def]
    """Write steps[slot, j] = sat(rn(-factor * factors[j], k), -limit, limit) << align; return how many were cut.

    Parameters
    ----------
    factors : int16[n]; factor : int
    k : int, may be negative; limit : int, S of the contract
    steps : int16[slots, >= n], left-aligned
    """
    minus = np.int32(-factor)
    low, high = np.int32(-limit), np.int32(limit)
    left = np.int32(align)
    cut = np.int32(0)
    up = np.int32(max(-k, 0))
    down = np.int32(max(k, 0))
    half = np.int32((1 << k) >> 1) if k > 0 else np.int32(0)
    for j in range(n):
        v = shr32(add32(shl32(mul32(minus, widen32(factors[j])), up), half), down)
        step = max32(min32(v, high), low)
        cut = add32(cut, differs32(v, step))
        steps[slot, j] = narrow16(shl32(step, left))
    return cut


@compiled
def split_steps(factors, factor, n, k, limit, align, steps, fractions, slot):  # type: ignore[no-untyped-def]
    """Write whole steps (left-aligned) and their 8 fraction bits; return how many were cut.

    The step with fraction is V = sat(rn(-factor * factors[j], k), -256 limit, 256 limit).
    """
    minus = np.int32(-factor)
    low, high = np.int32(-limit * 256), np.int32(limit * 256)
    left, eight = np.int32(align), np.int32(8)
    cut = np.int32(0)
    up = np.int32(max(-k, 0))
    down = np.int32(max(k, 0))
    half = np.int32((1 << k) >> 1) if k > 0 else np.int32(0)
    for j in range(n):
        v = shr32(add32(shl32(mul32(minus, widen32(factors[j])), up), half), down)
        step = max32(min32(v, high), low)
        cut = add32(cut, differs32(v, step))
        steps[slot, j] = narrow16(shl32(shr32(step, eight), left))
        fractions[slot, j] = np.uint8(step & 255)
    return cut


@compiled
def add_row(matrix, row, steps, slot, mask, floor):  # type: ignore[no-untyped-def]
    """Add steps to a row of stored words; return how many sums left the range of the word."""
    cut = np.int16(0)
    for j in range(matrix.shape[1]):
        word, step = matrix[row, j], steps[slot, j]
        result = max16(and16(add_saturating16(word, step), mask), floor)
        cut = add16(cut, differs16(add16(word, step), result))
        matrix[row, j] = result
    return np.int64(cut)


@compiled
def add_row_stochastic(matrix, row, steps, fractions, slot, random, lsb, mask, floor):  # type: ignore[no-untyped-def]
    """Add steps and the carries of their fractions to a row; return how many sums left the range."""
    cut = np.int16(0)
    for j in range(matrix.shape[1]):
        word = matrix[row, j]
        step = add16(steps[slot, j], carry16(random[j], fractions[slot, j], lsb))
        result = max16(and16(add_saturating16(word, step), mask), floor)
        cut = add16(cut, differs16(add16(word, step), result))
        matrix[row, j] = result
    return np.int64(cut)


@compiled
def draw(generator, n, draws):  # type: ignore[no-untyped-def]
    """Write n draws of xorshift32 (13, 17, 5) and keep the state."""
    s = generator[0]
    for e in range(n):
        s = np.uint32(s ^ np.uint32(s << np.uint32(13)))
        s = np.uint32(s ^ np.uint32(s >> np.uint32(17)))
        s = np.uint32(s ^ np.uint32(s << np.uint32(5)))
        draws[e] = s
    generator[0] = s


@compiled
def spread_draw(word, keys, n, random):  # type: ignore[no-untyped-def]
    """Write the random byte of each of n neurons for one input: byte (j mod 4) of its draw, xor the key."""
    b0 = np.uint8(word & np.uint32(255))
    b1 = np.uint8((word >> np.uint32(8)) & np.uint32(255))
    b2 = np.uint8((word >> np.uint32(16)) & np.uint32(255))
    b3 = np.uint8((word >> np.uint32(24)) & np.uint32(255))
    for q in range(n // 4):
        j = 4 * q
        random[j] = b0 ^ keys[j]
        random[j + 1] = b1 ^ keys[j + 1]
        random[j + 2] = b2 ^ keys[j + 2]
        random[j + 3] = b3 ^ keys[j + 3]


@compiled
def spread_draws(draws, events, n_events, lane, key, random):  # type: ignore[no-untyped-def]
    """Write the random byte of one neuron for each input that has an event; other bytes do not matter."""
    shift = np.uint32(8 * lane)
    for e in range(n_events):
        random[events[e]] = np.uint8((draws[e] >> shift) & np.uint32(255)) ^ key
