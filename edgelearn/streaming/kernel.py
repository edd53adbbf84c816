"""Kernel of the front end: sensor samples to rows of input levels (contract, section 10)."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.floats import rounded_quotient
from edgelearn.fixedpoint.lanes import compiled, inlined, leaf
from edgelearn.network.kernels import tables as t


@inlined
def rounded(x, s):  # type: ignore[no-untyped-def]
    """Return rn(x, s), s >= 0."""
    return (x + ((np.int64(1) << s) >> 1)) >> s


@inlined
def divided(a, b):  # type: ignore[no-untyped-def]
    """Return a / b rounded to the nearest, halves up; b > 0."""
    return (2 * a + b) // (2 * b)


@leaf
def shift_channel(c, by, settings, state):  # type: ignore[no-untyped-def]
    """Bring everything that is in words of a channel to a larger exponent."""
    by = min(np.int64(by), np.int64(31))
    n_channels, window = state.ring.shape[1], state.ring.shape[0]
    for i in range(window):
        if state.ring[i, c] != t.MISSING_WORD:
            state.ring[i, c] = rounded(state.ring[i, c], by)
    for f in range(state.mean.shape[0]):
        if settings[t.STATISTICS]:
            own = f // t.N_STATISTICS == c and f % t.N_STATISTICS != t.CROSSINGS
        else:
            own = f % n_channels == c
        if own:
            state.mean[f] = rounded(state.mean[f], by)
            state.deviation[f] = rounded(state.deviation[f], by)
            state.sent[f] = rounded(state.sent[f], by)


@leaf
def take_features(settings, state):  # type: ignore[no-untyped-def]
    """Write the features of the window that ends here, oldest word first; statistics are those of the words present."""
    window, n_channels = state.ring.shape
    newest = state.place[t.RING_AT]
    if not settings[t.STATISTICS]:
        for i in range(window):
            at = (newest + 1 + i) % window
            for c in range(n_channels):
                state.features[i * n_channels + c] = state.ring[at, c]
        return
    for c in range(n_channels):
        total, n, low, high = np.int64(0), np.int64(0), np.int64(1 << 62), np.int64(t.MISSING_WORD)
        for i in range(window):
            word = state.ring[i, c]
            if word == t.MISSING_WORD:
                continue
            total += word
            n += 1
            low, high = min(low, word), max(high, word)
        first = c * t.N_STATISTICS
        if n == 0:
            for k in range(t.N_STATISTICS):
                state.features[first + k] = t.MISSING_WORD
            continue
        mean = total // n
        spread, rough, crossings = np.int64(0), np.int64(0), np.int64(0)
        before = np.int64(t.MISSING_WORD)
        for i in range(window):
            word = state.ring[(newest + 1 + i) % window, c]
            if word == t.MISSING_WORD:
                continue
            if before == t.MISSING_WORD:
                before = word
            spread += abs(word - mean)
            rough += abs(word - before)
            crossings += (word >= mean) != (before >= mean)
            before = word
        state.features[first] = mean
        state.features[first + 1] = spread // n
        state.features[first + 2] = low
        state.features[first + 3] = high
        state.features[first + 4] = rough // max(n - 1, np.int64(1))
        state.features[first + t.CROSSINGS] = crossings << 12  # so that its mean has digits enough


@inlined
def pace(n, settings):  # type: ignore[no-untyped-def]
    """Return the exponent of the weight of a row after n others."""
    k = np.int64(0)
    while n >> k:
        k += 1
    return min(k, settings[t.TIME_CONSTANT])


@leaf
def complete(state):  # type: ignore[no-untyped-def]
    """Return whether every feature of the row at hand has a value, and all had one in equally many rows before."""
    lacking = np.int64(0)
    first = state.seen[0]
    for f in range(state.features.shape[0]):
        lacking |= (state.features[f] == t.MISSING_WORD) | (state.seen[f] != first)
    return lacking == 0


@leaf
def adapt(settings, state):  # type: ignore[no-untyped-def]
    """Move mean and deviation of each feature towards the row at hand."""
    if complete(state):  # without branches: several features at a time
        n = state.seen[0]
        k = pace(n, settings)
        for f in range(state.features.shape[0]):
            distance = 256 * state.features[f] - state.mean[f]
            if n > 0:
                state.deviation[f] += rounded(abs(distance) - state.deviation[f], k)
            state.mean[f] += rounded(distance, k)
        return
    n, k = np.int64(0), np.int64(0)
    for f in range(state.features.shape[0]):
        if state.features[f] == t.MISSING_WORD:
            continue
        if state.seen[f] != n:  # features that never lacked a value share n
            n = state.seen[f]
            k = pace(n, settings)
        distance = 256 * state.features[f] - state.mean[f]
        if n > 0:
            state.deviation[f] += rounded(abs(distance) - state.deviation[f], k)
        state.mean[f] += rounded(distance, k)


@inlined
def deviation_of(f, least, state):  # type: ignore[no-untyped-def]
    """Return the deviation that a feature is measured in; `least` in place of 0, once it had a value."""
    deviation = state.deviation[f]
    return least if deviation == 0 and state.seen[f] > 0 else deviation


@inlined
def normalised(f, top, reach, least, state):  # type: ignore[no-untyped-def]
    """Return u of a feature, from -top to top: (value - mean) * top / (reach * deviation); 0 without a value."""
    deviation, missing = deviation_of(f, least, state), state.features[f] == t.MISSING_WORD
    value = np.int64(0) if missing else 256 * state.features[f]
    u = rounded_quotient((value - state.mean[f]) * top, reach * max(deviation, np.int64(1)), top)
    return np.int32(0) if deviation == 0 or missing else u


@inlined
def encode_changes(settings, state, levels, row, least, sends):  # type: ignore[no-untyped-def]
    """Write the changes since what was sent last, upwards and downwards."""
    top = settings[t.TOP]
    for f in range(state.features.shape[0]):
        if state.features[f] == t.MISSING_WORD:
            continue
        value = 256 * state.features[f]
        sent = value if state.seen[f] == 0 else state.sent[f]
        step = divided(deviation_of(f, least, state) * settings[t.DELTA], np.int64(16))
        difference = value - sent
        count = np.int64(0)
        if step > 0:
            count = min(abs(difference) // step, top)
        levels[row, 2 * f] = count if difference > 0 else 0
        levels[row, 2 * f + 1] = count if difference < 0 else 0
        if sends:
            state.sent[f] = sent + (count * step if difference > 0 else -count * step)


@leaf
def encode(settings, state, levels, row, adapting, sends):  # type: ignore[no-untyped-def]
    """Write the input levels of the row at hand, zeros before; a feature without a value makes no event.

    Parameters
    ----------
    adapting : whether the row moved mean and deviation
    sends : whether the delta encoder keeps what it sends
    """
    encoder, top, reach = settings[t.ENCODER], settings[t.TOP], settings[t.REACH]
    quiet, n_thresholds = settings[t.INPUT_THRESHOLD], settings[t.THRESHOLDS]
    n_features = state.features.shape[0]
    least = np.int64(0) if adapting else settings[t.LEAST_DEVIATION]
    if encoder == t.ENCODER_DELTA:
        encode_changes(settings, state, levels, row, least, sends)
    elif encoder == t.ENCODER_SIGNED:
        for f in range(n_features):
            u = normalised(f, top, reach, least, state)
            levels[row, f] = u & 255 if abs(u) > quiet else 0
    elif encoder == t.ENCODER_LEVELS:
        for f in range(n_features):
            if state.features[f] != t.MISSING_WORD:
                u = normalised(f, top, reach, least, state)
                levels[row, f] = (u + top + 1) >> 1
    elif encoder == t.ENCODER_ON_OFF:
        for f in range(n_features):
            u = normalised(f, top, reach, least, state)
            levels[row, 2 * f] = u if u > quiet else 0
            levels[row, 2 * f + 1] = -u if -u > quiet else 0
    else:
        for f in range(n_features):
            if state.features[f] == t.MISSING_WORD:
                continue
            u = normalised(f, top, reach, least, state)
            first = 2 * n_thresholds * f
            for j in range(n_thresholds):
                threshold = divided((j + 1) * top, n_thresholds + 1)
                levels[row, first + j] = u >= threshold
                levels[row, first + n_thresholds + j] = u <= -threshold


@compiled
def run_front_end(words, shifts, segment, settings, state, levels, ends):  # type: ignore[no-untyped-def]
    """Take samples one after another; return how many rows ended.

    Parameters
    ----------
    words : int64[n, n_channels], MISSING_WORD where there is no value
    shifts : uint8[n, n_channels], growth of a channel's exponent before a sample
    segment : int64[n], a window does not go from one to the next
    settings : int64[FRONT_END_SETTINGS]; state : FrontEndState, changed
    levels : uint8[rows, n_in], zeros, written; ends : int64[rows], written: the sample that ends each row
    """
    n_rows = np.int64(0)
    place = state.place
    window, stride = state.ring.shape[0], settings[t.STRIDE_ROWS]
    for i in range(words.shape[0]):
        for c in range(words.shape[1]):
            if shifts[i, c]:
                shift_channel(c, shifts[i, c], settings, state)
        if segment[i] != place[t.SEGMENT]:
            place[t.SEGMENT], place[t.IN_SEGMENT] = segment[i], 0
        place[t.RING_AT] = place[t.RING_AT] + 1 if place[t.RING_AT] + 1 < window else 0
        for c in range(words.shape[1]):
            state.ring[place[t.RING_AT], c] = words[i, c]
        place[t.IN_SEGMENT] += 1
        beyond = place[t.IN_SEGMENT] - window
        if beyond < 0 or (stride > 1 and beyond % stride):
            continue
        take_features(settings, state)
        adapting = settings[t.ADAPT_ROWS] == 0 or place[t.ROWS_SEEN] < settings[t.ADAPT_ROWS]
        if adapting:
            adapt(settings, state)
        encode(settings, state, levels, n_rows, adapting, True)
        if adapting:
            for f in range(state.features.shape[0]):
                state.seen[f] += state.features[f] != t.MISSING_WORD
        place[t.ROWS_SEEN] += 1
        ends[n_rows] = i
        n_rows += 1
    return n_rows


@compiled
def encode_only(words, settings, state, levels):  # type: ignore[no-untyped-def]
    """Encode windows with the statistics at hand; of `state` only the window and the features change.

    Parameters
    ----------
    words : int64[n, window, n_channels], in the exponents of `state`; MISSING_WORD where there is no value
    levels : uint8[n, n_in], zeros, written
    """
    state.place[t.RING_AT] = words.shape[1] - 1
    for i in range(words.shape[0]):
        for k in range(words.shape[1]):
            for c in range(words.shape[2]):
                state.ring[k, c] = words[i, k, c]
        take_features(settings, state)
        encode(settings, state, levels, i, False, False)


@compiled
def follow_values(words, shifts, settings, state, levels, means, deviations):  # type: ignore[no-untyped-def]
    """Take rows of a front end without windows, and write the statistics before each.

    Parameters
    ----------
    words, shifts : as of `run_front_end`
    levels : uint8[n, n_in], zeros, written
    means, deviations : int64[n, n_channels], written: before the row, in words of its exponents from then
    """
    for i in range(words.shape[0]):
        for f in range(words.shape[1]):
            means[i, f], deviations[i, f] = state.mean[f], state.deviation[f]
        for c in range(words.shape[1]):
            if shifts[i, c]:
                shift_channel(c, shifts[i, c], settings, state)
            state.features[c] = words[i, c]
        adapt(settings, state)
        encode(settings, state, levels, i, True, True)
        for f in range(words.shape[1]):
            state.seen[f] += state.features[f] != t.MISSING_WORD
        state.place[t.ROWS_SEEN] += 1
