"""Forward pass of a convolution: events scattered over positions, pooled to elements.

A position is a row of `n_lanes` words or sums, one lane per map and padding up to whole vectors of `MAP_LANE`, which
stays zero. Elements of the pooled map follow each other without padding, since the next layer reads them as inputs.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, leaf
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import MAP_LANE

V = vector_operations(MAP_LANE)
load_words, store_words, shift_right_words, widen_words, multiply_rows = (
    V.load_words, V.store_words, V.shift_right_words, V.widen_words, V.multiply_rows
)  # fmt: skip
load_sums, store_sums, splat_sums, zero_sums, add_sums, multiply_sums, max_sums, and_sums, xor_sums = (
    V.load_sums, V.store_sums, V.splat_sums, V.zero_sums, V.add_sums, V.multiply_sums, V.max_sums, V.and_sums,
    V.xor_sums,
)  # fmt: skip
below_sums, narrow_sums = V.below_sums, V.narrow_sums

W = vector_operations(2 * MAP_LANE)
load_pairs, splat_twos, add_pairs = W.load_words, W.splat_twos, W.add_pairs


@inlined
def reach(place, kernel, stride, n):  # type: ignore[no-untyped-def]
    """Return the first and the last of n positions along an axis whose window holds a place of the padded input.

    There is none where the last is below the first.
    """
    first = max(place - kernel + 1, 0)
    last = place
    if stride > 1:
        first = (first + stride - 1) // stride
        last = last // stride
    return first, min(last, n - 1)


@leaf
def start_sums(k, layers, weights, one, views, sums):  # type: ignore[no-untyped-def]
    """Write the views of the words of a kernel, and the bias of each map, if maps have one, to all sums.

    Parameters
    ----------
    weights : int16[fan_in + 1, n_lanes], stored words of layer k; one : level of the bias
    views : int16[fan_in + 1, n_lanes], written; sums : int32[positions, n_lanes], written
    """
    last, shift = weights.shape[0] - 1, np.int16(layers[k, t.VIEW_SHIFT])
    level = splat_sums(np.int32(one if layers[k, t.KERNEL_BIAS] else 0))
    for j in range(0, weights.shape[1], MAP_LANE):
        for r in range(last + 1):
            store_words(views, r, j, shift_right_words(load_words(weights, r, j), shift))
        start = multiply_sums(widen_words(load_words(views, last, j)), level)
        for position in range(sums.shape[0]):
            store_sums(sums, position, j, start)


@leaf
def scatter_events(k, n_events, layers, views, inputs, events, sums):  # type: ignore[no-untyped-def]
    """Add each event, times each kernel word under which it lies, to the sums; return the pairs of both.

    sums[position, o] += inputs[k, (y W + x) C + c] * views[(dy K_w + dx) C + c, o], y = Y s + dy - p, x alike

    Parameters
    ----------
    n_events : int; events : int64[K, width], ascending, an index behind the last input after them
    views, sums : see `start_sums`

    Traffic: a pair reads one input and the words of one row.
    """
    channels, width = layers[k, t.CHANNELS], layers[k, t.WIDTH]
    kernel_h, kernel_w, stride = layers[k, t.KERNEL_H], layers[k, t.KERNEL_W], layers[k, t.CONV_STRIDE]
    padding, out_h, out_w = layers[k, t.PADDING], layers[k, t.OUT_HEIGHT], layers[k, t.OUT_WIDTH]
    step = stride * channels
    pairs = np.int64(0)
    for j in range(0, views.shape[1], MAP_LANE):
        first = np.int64(0)
        while first < n_events:
            pixel = events[k, first] // channels
            start = pixel * channels
            behind = first + 1
            while events[k, behind] < start + channels:  # events of one pixel reach the same positions
                behind += 1
            y = pixel // width + padding
            x = pixel % width + padding
            top, bottom = reach(y, kernel_h, stride, out_h)
            left, right = reach(x, kernel_w, stride, out_w)
            if j == 0:
                pairs += (behind - first) * max(bottom - top + 1, 0) * max(right - left + 1, 0)
            for out_y in range(top, bottom + 1):
                row = ((y - out_y * stride) * kernel_w + x - left * stride) * channels - start
                at = out_y * out_w
                if behind == first + 1:
                    row += events[k, first]
                    level = splat_sums(np.int32(inputs[k, events[k, first]]))
                    for position in range(at + left, at + right + 1):
                        product = multiply_sums(widen_words(load_words(views, row, j)), level)
                        store_sums(sums, position, j, add_sums(load_sums(sums, position, j), product))
                        row -= step
                else:
                    for position in range(at + left, at + right + 1):
                        total = load_sums(sums, position, j)
                        for e in range(first, behind, 2):
                            a, b = events[k, e], events[k, min(e + 1, behind - 1)]
                            level_b = inputs[k, b] if b != a else np.int16(0)
                            words_a, words_b = load_words(views, row + a, j), load_words(views, row + b, j)
                            total = add_sums(total, multiply_rows(words_a, words_b, inputs[k, a], level_b))
                        store_sums(sums, position, j, total)
                        row -= step
            first = behind
    return pairs


@leaf
def pair_kernel(k, layers, views, paired):  # type: ignore[no-untyped-def]
    """Write views of neighbours in a row of the kernel in turns, for two events that are neighbours.

    paired[dy (K_w + 1) + i, 2 o] = views[dy K_w + i - 1, o], paired[..., 2 o + 1] = views[dy K_w + i, o], zero outside
    """
    kernel_w = layers[k, t.KERNEL_W]
    for dy in range(layers[k, t.KERNEL_H]):
        for i in range(kernel_w + 1):
            row, to = dy * kernel_w + i, dy * (kernel_w + 1) + i
            for o in range(views.shape[1]):
                paired[to, 2 * o] = views[row - 1, o] if i > 0 else 0
                paired[to, 2 * o + 1] = views[row, o] if i < kernel_w else 0


@leaf
def scatter_channel(k, n_events, layers, paired, inputs, events, sums):  # type: ignore[no-untyped-def]
    """Do what `scatter_events` does for one channel, two neighbours in a row of the map at a time.

    Parameters
    ----------
    paired : int16[kernel_h * (kernel_w + 1), 2 * n_lanes], from `pair_kernel`
    """
    width, kernel_w, stride = layers[k, t.WIDTH], layers[k, t.KERNEL_W], layers[k, t.CONV_STRIDE]
    kernel_h, padding = layers[k, t.KERNEL_H], layers[k, t.PADDING]
    out_h, out_w = layers[k, t.OUT_HEIGHT], layers[k, t.OUT_WIDTH]
    pairs = np.int64(0)
    for j in range(0, sums.shape[1], MAP_LANE):
        found = np.int64(0)
        e = np.int64(0)
        while e < n_events:
            i = events[k, e]
            y = i // width
            x = i - y * width + padding
            top, bottom = reach(y + padding, kernel_h, stride, out_h)
            left, right = reach(x, kernel_w, stride, out_w)
            n_rows = max(bottom - top + 1, 0)
            found += n_rows * max(right - left + 1, 0)
            levels = np.uint32(inputs[k, i]) & np.uint32(0xFFFF)
            e += 1
            if events[k, e] == i + 1 and x - padding + 1 < width:
                levels = np.uint32(levels | np.uint32(np.uint32(inputs[k, i + 1]) << np.uint32(16)))
                left_b, right_b = reach(x + 1, kernel_w, stride, out_w)
                found += n_rows * max(right_b - left_b + 1, 0)
                left, right = min(left, left_b), max(right, right_b)
                e += 1
            both = splat_twos(levels)
            for out_y in range(top, bottom + 1):
                row = (y + padding - out_y * stride) * (kernel_w + 1) + x - left * stride + 1
                for position in range(out_y * out_w + left, out_y * out_w + right + 1):
                    total = add_pairs(load_sums(sums, position, j), load_pairs(paired, row, 2 * j), both)
                    store_sums(sums, position, j, total)
                    row -= stride
        pairs = found  # the same for each vector of maps
    return pairs


@leaf
def wrap_positions(sums, n_maps, bits):  # type: ignore[no-untyped-def]
    """Wrap the sums of all positions to an accumulator of `bits`, in place; return how many did not fit."""
    if bits >= 32:
        return np.int64(0)
    half = np.int64(1) << (bits - 1)
    mask = (np.int64(1) << bits) - 1
    overflows = np.int64(0)
    for position in range(sums.shape[0]):
        for o in range(n_maps):
            z = np.int64(sums[position, o])
            wrapped = ((z + half) & mask) - half
            overflows += wrapped != z
            sums[position, o] = wrapped
    return overflows


@leaf
def pool_maxima(k, layers, position_sums, sums, winners):  # type: ignore[no-untyped-def]
    """Write the largest sum of each window and its place, row by row, the first of equals.

    sums[k, (Y PW + X) M + o] = largest of position_sums[(Y P + a // P) OW + X P + a % P, o] over a, winners its a

    Parameters
    ----------
    position_sums : int32[positions, n_lanes]
    sums : int32[K, width], winners : int16[K, width]; lanes behind the last map spill into the elements that follow
    """
    n_maps, pool, out_w = layers[k, t.MAPS], layers[k, t.POOL], layers[k, t.OUT_WIDTH]
    element = np.int64(0)
    for out_y in range(layers[k, t.POOLED_HEIGHT]):
        for out_x in range(layers[k, t.POOLED_WIDTH]):
            corner = out_y * pool * out_w + out_x * pool
            for j in range(0, position_sums.shape[1], MAP_LANE):
                largest, winner = load_sums(position_sums, corner, j), zero_sums()
                place = np.int32(0)
                for dy in range(pool):
                    for dx in range(pool):
                        z = load_sums(position_sums, corner + dy * out_w + dx, j)
                        larger = below_sums(largest, z)
                        winner = xor_sums(winner, and_sums(xor_sums(winner, splat_sums(place)), larger))
                        largest = max_sums(largest, z)
                        place += np.int32(1)
                store_sums(sums, k, element + j, largest)
                store_words(winners, k, element + j, narrow_sums(winner))
            element += n_maps


@leaf
def pool_totals(k, layers, position_sums, sums):  # type: ignore[no-untyped-def]
    """Write the total of each window, which the sum shift turns into a mean; the arrays are those of `pool_maxima`."""
    n_maps, pool, out_w = layers[k, t.MAPS], layers[k, t.POOL], layers[k, t.OUT_WIDTH]
    element = np.int64(0)
    for out_y in range(layers[k, t.POOLED_HEIGHT]):
        for out_x in range(layers[k, t.POOLED_WIDTH]):
            corner = out_y * pool * out_w + out_x * pool
            for j in range(0, position_sums.shape[1], MAP_LANE):
                total = zero_sums()
                for dy in range(pool):
                    for dx in range(pool):
                        total = add_sums(total, load_sums(position_sums, corner + dy * out_w + dx, j))
                store_sums(sums, k, element + j, total)
            element += n_maps


@leaf
def gate_positions(k, layers, position_sums, tables, gates):  # type: ignore[no-untyped-def]
    """Write the gate of each position in front of the pooling; return how many are not zero.

    gates : int16[K, width], index (y OW + x) M + o
    """
    n_maps, shift = layers[k, t.MAPS], layers[k, t.SUM_SHIFT] - layers[k, t.POOL_SHIFT]
    up, down = max(-shift, 0), max(shift, 0)
    half = (np.int64(1) << down) >> 1
    n_gates = np.int64(0)
    for position in range(position_sums.shape[0]):
        for o in range(n_maps):
            z = ((np.int64(position_sums[position, o]) << up) + half) >> down
            gate = tables[k, min(max(z, -128), 127) + 128] & 255
            gates[k, position * n_maps + o] = gate
            n_gates += gate != 0
    return n_gates
