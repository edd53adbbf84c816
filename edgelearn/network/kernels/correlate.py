"""Learning of a convolution: d of elements at their positions, sums over positions, steps rounded once.

The layout of positions is that of `edgelearn.network.kernels.convolve`.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import add32, inlined, leaf, mul32, widen32
from edgelearn.fixedpoint.vectors import vector_operations
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import KEYS, MAP_LANE
from edgelearn.network.kernels.convolve import reach
from edgelearn.network.kernels.update import draw

V = vector_operations(MAP_LANE)
load_words, store_words, splat_words, zero_words, add_words, and_words, or_words, max_words, widen_words = (
    V.load_words, V.store_words, V.splat_words, V.zero_words, V.add_words, V.and_words, V.or_words, V.max_words,
    V.widen_words,
)  # fmt: skip
equal_words, total_words, add_saturating_words, narrow_words = (
    V.equal_words, V.total_words, V.add_saturating_words, V.narrow_words
)  # fmt: skip
load_sums, store_sums, splat_sums, zero_sums, add_sums, multiply_sums, and_sums = (
    V.load_sums, V.store_sums, V.splat_sums, V.zero_sums, V.add_sums, V.multiply_sums, V.and_sums
)  # fmt: skip
min_sums, max_sums, differ_sums, total_sums, shift_left_sums, shift_right_sums, narrow_sums = (
    V.min_sums, V.max_sums, V.differ_sums, V.total_sums, V.shift_left_sums, V.shift_right_sums, V.narrow_sums
)  # fmt: skip
load_bytes, below_bytes, xor_bytes, splat_fours, nonzero_words, count_bits, interleave_words = (
    V.load_bytes, V.below_bytes, V.xor_bytes, V.splat_fours, V.nonzero_words, V.count_bits, V.interleave_words
)  # fmt: skip

W = vector_operations(2 * MAP_LANE)
load_pairs, store_pairs, splat_twos, add_pairs = W.load_words, W.store_words, W.splat_twos, W.add_pairs


@leaf
def place_deltas(k, layers, deltas, winners, placed):  # type: ignore[no-untyped-def]
    """Write d of each element at the positions where it acts, zero elsewhere.

    That is the winner of max pooling, all of the window of mean pooling, the position itself where positions have d.

    Parameters
    ----------
    deltas, winners : int16[K, width]; placed : int16[positions, n_lanes], written
    """
    n_maps, pool, out_w = layers[k, t.MAPS], layers[k, t.POOL], layers[k, t.OUT_WIDTH]
    at_positions = pool == 1 or layers[k, t.TEACH] == t.TEACH_POSITIONS
    takes_all = layers[k, t.POOLING] == t.POOL_MEAN
    n_lanes = placed.shape[1]
    if at_positions:
        for position in range(placed.shape[0]):
            for j in range(0, n_lanes, MAP_LANE):
                store_words(placed, position, j, load_words(deltas, k, position * n_maps + j))
    else:
        element = np.int64(0)
        for out_y in range(layers[k, t.POOLED_HEIGHT]):
            for out_x in range(layers[k, t.POOLED_WIDTH]):
                corner = out_y * pool * out_w + out_x * pool
                for j in range(0, n_lanes, MAP_LANE):
                    d, winner = load_words(deltas, k, element + j), load_words(winners, k, element + j)
                    place = np.int16(0)
                    for dy in range(pool):
                        for dx in range(pool):
                            won = d if takes_all else and_words(d, equal_words(winner, splat_words(place)))
                            store_words(placed, corner + dy * out_w + dx, j, won)
                            place += np.int16(1)
                element += n_maps
    if n_lanes > n_maps:  # words of the next element behind the last map
        for position in range(placed.shape[0]):
            for o in range(n_maps, n_lanes):
                placed[position, o] = 0


@leaf
def count_placed(placed, n_placed, sums, row):  # type: ignore[no-untyped-def]
    """Count d that are not zero at each position, sum d of each map to a row of `sums`; return how many maps have any.

    Parameters
    ----------
    placed : int16[positions, n_lanes]; n_placed : int32[positions], written; sums : int32[rows, n_lanes]
    """
    n_active = np.int64(0)
    for position in range(placed.shape[0]):
        n_placed[position] = 0
    for j in range(0, placed.shape[1], MAP_LANE):
        total, found = zero_sums(), zero_words()
        for position in range(placed.shape[0]):
            d = load_words(placed, position, j)
            total, found = add_sums(total, widen_words(d)), or_words(found, d)
            n_placed[position] += count_bits(nonzero_words(d))
        store_sums(sums, row, j, total)
        n_active += count_bits(nonzero_words(found))
    return n_active


@leaf
def correlate_events(k, n_events, layers, inputs, events, placed, n_placed, sums):  # type: ignore[no-untyped-def]
    """Write G of each kernel word, the sum over positions of input times d; return how many products are not zero.

    sums[(dy K_w + dx) C + c, o] = sum over positions of inputs[k, (y W + x) C + c] * placed[Y OW + X, o]

    Parameters
    ----------
    n_events, events : see `scatter_events`
    placed, n_placed : see `count_placed`; sums : int32[fan_in + 1, n_lanes], the last row is left alone
    """
    channels, width = layers[k, t.CHANNELS], layers[k, t.WIDTH]
    kernel_h, kernel_w, stride = layers[k, t.KERNEL_H], layers[k, t.KERNEL_W], layers[k, t.CONV_STRIDE]
    padding, out_h, out_w = layers[k, t.PADDING], layers[k, t.OUT_HEIGHT], layers[k, t.OUT_WIDTH]
    step = stride * channels
    pairs = np.int64(0)
    for j in range(0, sums.shape[1], MAP_LANE):
        found = np.int64(0)
        for r in range(sums.shape[0] - 1):
            store_sums(sums, r, j, zero_sums())
        first = np.int64(0)
        while first < n_events:
            pixel = events[k, first] // channels
            start = pixel * channels
            behind = first + 1
            while events[k, behind] < start + channels:
                behind += 1
            y = pixel // width + padding
            x = pixel % width + padding
            top, bottom = reach(y, kernel_h, stride, out_h)
            left, right = reach(x, kernel_w, stride, out_w)
            for out_y in range(top, bottom + 1):
                row = ((y - out_y * stride) * kernel_w + x - left * stride) * channels - start
                at = out_y * out_w
                if behind == first + 1:  # without a branch on d, which no processor predicts
                    row += events[k, first]
                    level = splat_sums(np.int32(inputs[k, events[k, first]]))
                    for position in range(at + left, at + right + 1):
                        found += np.int64(n_placed[position])
                        product = multiply_sums(widen_words(load_words(placed, position, j)), level)
                        store_sums(sums, row, j, add_sums(load_sums(sums, row, j), product))
                        row -= step
                else:
                    for position in range(at + left, at + right + 1):
                        if n_placed[position] > 0:
                            found += (behind - first) * np.int64(n_placed[position])
                            d = widen_words(load_words(placed, position, j))
                            for e in range(first, behind):
                                i = events[k, e]
                                product = multiply_sums(d, splat_sums(np.int32(inputs[k, i])))
                                store_sums(sums, row + i, j, add_sums(load_sums(sums, row + i, j), product))
                        row -= step
            first = behind
        pairs = found  # the same for each vector of maps
    return pairs


@inlined
def border_of(k, layers):  # type: ignore[no-untyped-def]
    """Return rows and columns of the positions of convolution k with a border that every window stays inside.

    All positions at which the kernel fits with a stride of 1: inputs also reach those that no pooling window takes.
    A border of kernel_w - 1 columns is shared by the end of a row and the start of the next.
    """
    kernel_h, beside = layers[k, t.KERNEL_H], 2 * layers[k, t.PADDING]
    return layers[k, t.HEIGHT] + beside + kernel_h, layers[k, t.WIDTH] + beside


@leaf
def border_deltas(k, layers, placed, bordered):  # type: ignore[no-untyped-def]
    """Write d of positions in a border of zeros, each beside d of the place in front, for two events in a row.

    bordered[q, 2 o] = d of place q - 1, bordered[q, 2 o + 1] = d of place q

    Parameters
    ----------
    placed : int16[positions, n_lanes]; bordered : int16[rows * columns, 2 * n_lanes], written
    """
    out_w = layers[k, t.OUT_WIDTH]
    _, columns = border_of(k, layers)
    lead = (layers[k, t.KERNEL_H] - 1) * columns + layers[k, t.KERNEL_W] - 1
    for j in range(0, placed.shape[1], MAP_LANE):
        to, before = np.int64(0), zero_words()
        for y in range(layers[k, t.OUT_HEIGHT]):
            start = lead + y * columns
            while to < start:
                store_pairs(bordered, to, 2 * j, interleave_words(before, zero_words()))
                before = zero_words()
                to += 1
            for x in range(out_w):
                d = load_words(placed, y * out_w + x, j)
                store_pairs(bordered, to, 2 * j, interleave_words(before, d))
                before = d
                to += 1
        while to < bordered.shape[0]:
            store_pairs(bordered, to, 2 * j, interleave_words(before, zero_words()))
            before = zero_words()
            to += 1


@leaf
def count_products(k, n_events, layers, events, n_placed, before):  # type: ignore[no-untyped-def]
    """Return the products of an event and a d that is not zero, of one channel and stride 1.

    before : int32[positions + 1], written: d that are not zero in front of each position
    """
    width, padding, out_w, out_h = (
        layers[k, t.WIDTH],
        layers[k, t.PADDING],
        layers[k, t.OUT_WIDTH],
        layers[k, t.OUT_HEIGHT],
    )
    kernel_h, kernel_w = layers[k, t.KERNEL_H], layers[k, t.KERNEL_W]
    total = np.int32(0)
    for position in range(out_w * out_h):
        before[position] = total
        total = add32(total, n_placed[position])
    before[out_w * out_h] = total
    pairs = np.int64(0)
    for e in range(n_events):
        y = events[k, e] // width
        x = events[k, e] - y * width
        top, bottom = reach(y + padding, kernel_h, 1, out_h)
        left, right = reach(x + padding, kernel_w, 1, out_w)
        for out_y in range(top, bottom + 1 if left <= right else top):
            at = out_y * out_w
            pairs += np.int64(before[at + right + 1]) - np.int64(before[at + left])
    return pairs


@leaf
def pair_events(k, n_events, layers, inputs, events, places, levels):  # type: ignore[no-untyped-def]
    """List events of one channel, two neighbours in a row of the map at a time; return how many entries there are.

    Parameters
    ----------
    n_events, events : see `scatter_events`
    places : int32[n], written: row of `bordered` where the window of the last event of an entry ends
    levels : uint32[n], written: level of that event in the high half, of the one in front, or 0, in the low half
    """
    width, padding, kernel_w = layers[k, t.WIDTH], layers[k, t.PADDING], layers[k, t.KERNEL_W]
    _, columns = border_of(k, layers)
    lead = (padding + layers[k, t.KERNEL_H] - 1) * columns + padding + kernel_w - 1
    n, e = np.int64(0), np.int64(0)
    while e < n_events:
        i = events[k, e]
        y = i // width
        x = i - y * width
        e += 1
        level = np.uint32(0)
        if events[k, e] == i + 1 and x + 1 < width:
            level = np.uint32(np.uint32(inputs[k, i]) & np.uint32(0xFFFF))
            x += 1
            e += 1
        levels[n] = np.uint32(level | np.uint32(np.uint32(inputs[k, y * width + x]) << np.uint32(16)))
        places[n] = lead + y * columns + x
        n += 1
    return n


@leaf
def correlate_channel(k, n, layers, bordered, places, levels, sums):  # type: ignore[no-untyped-def]
    """Write the sums of `correlate_events` for one channel and stride 1, five rows at a time in registers.

    Parameters
    ----------
    n, places, levels : entries of `pair_events`; bordered : from `border_deltas`
    sums : int32[fan_in + 1, n_lanes], the last row is left alone
    """
    kernel_w = layers[k, t.KERNEL_W]
    _, columns = border_of(k, layers)
    last = sums.shape[0] - 2
    for j in range(0, sums.shape[1], MAP_LANE):
        for r in range(0, last + 1, 5):
            row_b, row_c, row_d, row_e = min(r + 1, last), min(r + 2, last), min(r + 3, last), min(r + 4, last)
            at_a, at_b = r // kernel_w * columns + r % kernel_w, row_b // kernel_w * columns + row_b % kernel_w
            at_c, at_d = row_c // kernel_w * columns + row_c % kernel_w, row_d // kernel_w * columns + row_d % kernel_w
            at_e = row_e // kernel_w * columns + row_e % kernel_w
            a, b, c, d, e = zero_sums(), zero_sums(), zero_sums(), zero_sums(), zero_sums()
            for i in range(n):
                both, place = splat_twos(levels[i]), np.int64(places[i])
                a = add_pairs(a, load_pairs(bordered, place - at_a, 2 * j), both)
                b = add_pairs(b, load_pairs(bordered, place - at_b, 2 * j), both)
                c = add_pairs(c, load_pairs(bordered, place - at_c, 2 * j), both)
                d = add_pairs(d, load_pairs(bordered, place - at_d, 2 * j), both)
                e = add_pairs(e, load_pairs(bordered, place - at_e, 2 * j), both)
            store_sums(sums, r, j, a)
            store_sums(sums, row_b, j, b)
            store_sums(sums, row_c, j, c)
            store_sums(sums, row_d, j, d)
            store_sums(sums, row_e, j, e)


@inlined
def round_within(value, shift, limit):  # type: ignore[no-untyped-def]
    """Return rn(value, shift) of sums, exact within the limits and beyond them on the same side."""
    if shift <= 0:
        up = min(-shift, 30)
        bound = np.int32((limit >> up) + 1)  # so that the left shift cannot overflow
        within = max_sums(min_sums(value, splat_sums(bound)), splat_sums(-bound))
        return shift_left_sums(within, np.int32(up))
    half = and_sums(shift_right_sums(value, np.int32(max(shift - 1, 0))), splat_sums(np.int32(1)))
    return add_sums(shift_right_sums(value, np.int32(shift)), half)  # adding one half first could overflow


@leaf
def add_kernel_steps(weights, first, last, sums, one, shift, limit, align, has_floor):  # type: ignore[no-untyped-def]
    """Add the rounded step of each sum to its word; return how many words left their range and steps were cut.

    Parameters
    ----------
    weights : int16[fan_in + 1, n_lanes], changed; the last row are biases, which have no floor
    first, last : rows that learn are first .. last - 1
    sums : int32[fan_in + 1, n_lanes], G, but for the biases sums of d, which take the level `one`
    shift, limit, align : see `round_steps`
    """
    high, low, lanes = splat_sums(np.int32(limit)), splat_sums(np.int32(-limit)), weights.shape[1]
    saturations, cuts = np.int64(0), np.int64(0)
    for r in range(first, last):
        is_bias = r == weights.shape[0] - 1
        factor = splat_sums(np.int32(-one if is_bias else -1))
        floor = splat_words(np.int16(0 if has_floor and not is_bias else -32768))
        fits, minus_cut = zero_words(), zero_sums()
        for j in range(0, lanes, MAP_LANE):
            value = round_within(multiply_sums(load_sums(sums, r, j), factor), shift, limit)
            within = max_sums(min_sums(value, high), low)
            minus_cut = add_sums(minus_cut, differ_sums(value, within))
            step, word = narrow_sums(shift_left_sums(within, np.int32(align))), load_words(weights, r, j)
            result = max_words(add_saturating_words(word, step), floor)
            fits = add_words(fits, equal_words(add_words(word, step), result))
            store_words(weights, r, j, result)
        saturations += lanes + total_words(fits)  # -1 for each sum that fits
        cuts -= np.int64(total_sums(minus_cut))
    return saturations, cuts


@leaf
def add_kernel_steps_stochastic(weights, first, last, sums, one, shift, limit, align, has_floor, arrays):  # type: ignore[no-untyped-def]
    """Do what `add_kernel_steps` does with stochastic rounding: one draw a row, one byte of it a map.

    Parameters
    ----------
    shift : of steps with 8 fraction bits, k - 8
    """
    high, low, lanes = splat_sums(np.int32(limit * 256)), splat_sums(np.int32(-limit * 256)), weights.shape[1]
    lsb, low_byte = splat_words(np.int16(1 << align)), np.int32(8)
    saturations, cuts = np.int64(0), np.int64(0)
    for r in range(first, last):
        is_bias = r == weights.shape[0] - 1
        factor = splat_sums(np.int32(-one if is_bias else -1))
        floor = splat_words(np.int16(0 if has_floor and not is_bias else -32768))
        draw(arrays.generator, 1, arrays.draws)
        drawn = splat_fours(arrays.draws[0])
        fits, minus_cut = zero_words(), zero_sums()
        for j in range(0, lanes, MAP_LANE):
            value = round_within(multiply_sums(load_sums(sums, r, j), factor), shift, limit * 256)
            within = max_sums(min_sums(value, high), low)
            minus_cut = add_sums(minus_cut, differ_sums(value, within))
            step = narrow_sums(shift_left_sums(shift_right_sums(within, low_byte), np.int32(align)))
            carries = below_bytes(
                xor_bytes(load_bytes(arrays.random, KEYS, j), drawn), narrow_words(narrow_sums(within))
            )
            step, word = add_words(step, and_words(carries, lsb)), load_words(weights, r, j)
            result = max_words(add_saturating_words(word, step), floor)
            fits = add_words(fits, equal_words(add_words(word, step), result))
            store_words(weights, r, j, result)
        saturations += lanes + total_words(fits)
        cuts -= np.int64(total_sums(minus_cut))
    return saturations, cuts


@leaf
def spread_maps(sums, k, n_maps, n):  # type: ignore[no-untyped-def]
    """Copy the first n_maps entries of row k behind each other until there are n, a multiple of n_maps."""
    for j in range(n_maps, n):
        sums[k, j] = sums[k, j - n_maps]


@leaf
def turn_kernel(weights, n_rows, n_maps, shift, turned):  # type: ignore[no-untyped-def]
    """Write views of a kernel with a row per map: turned[o, r] = weights[r, o] >> shift."""
    for r in range(n_rows):
        for o in range(n_maps):
            turned[o, r] = weights[r, o] >> shift


@leaf
def count_before(gates, k, n, before):  # type: ignore[no-untyped-def]
    """Write how many of the gates 0 .. i - 1 are open, for i = 0 .. n."""
    count = np.int64(0)
    for i in range(n):
        before[i] = count
        count += gates[k, i] != 0
    before[n] = count


@leaf
def send_down(k, layers, rows, deltas, active, n_active, winners, before, sums):  # type: ignore[no-untyped-def]
    """Sum what the elements of convolution k + 1 send to its input map; return the products behind open gates.

    sums[k, (y W + x) C + c] = sum over positions, maps o of d[Y, X, o] * rows[o, (dy K_w + dx) C + c]

    Parameters
    ----------
    rows : int16[maps, stride], a kernel with a row per map
    deltas, winners : int16[K, width], row k + 1 is read; active : int64[K, width], elements with d != 0, n_active
    before : int32[width], from `count_before`
    sums : int32[K, width], row k is written
    """
    above = k + 1
    n_maps, pool, channels = layers[above, t.MAPS], layers[above, t.POOL], layers[above, t.CHANNELS]
    height, width, padding = layers[above, t.HEIGHT], layers[above, t.WIDTH], layers[above, t.PADDING]
    kernel_h, kernel_w, stride = layers[above, t.KERNEL_H], layers[above, t.KERNEL_W], layers[above, t.CONV_STRIDE]
    pooled_w, takes_all = layers[above, t.POOLED_WIDTH], layers[above, t.POOLING] == t.POOL_MEAN
    for i in range(height * width * channels):
        sums[k, i] = 0
    pairs = np.int64(0)
    for e in range(n_active):
        element = active[above, e]
        pixel, o = element // n_maps, element % n_maps
        out_y, out_x = pixel // pooled_w * pool, pixel % pooled_w * pool
        d = np.int32(deltas[above, element])
        start, end = np.int64(0), pool * pool
        if not takes_all and pool > 1:
            start = np.int64(winners[above, element])
            end = start + 1
        for place in range(start, end):
            top = (out_y + place // pool) * stride - padding
            left = (out_x + place % pool) * stride - padding
            first, behind = max(-left, 0), min(width - left, kernel_w)
            n = (behind - first) * channels
            for dy in range(max(-top, 0), min(height - top, kernel_h)):
                to = ((top + dy) * width + left + first) * channels
                column = (dy * kernel_w + first) * channels
                if n > 0:
                    pairs += np.int64(before[to + n]) - np.int64(before[to])
                for i in range(n):
                    sums[k, to + i] = add32(sums[k, to + i], mul32(d, widen32(rows[o, column + i])))
    return pairs
