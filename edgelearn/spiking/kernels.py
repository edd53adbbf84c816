"""Event-driven kernel of spiking networks (docs/spiking.md, sections 2 and 3)."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import (
    add16,
    add32,
    and32,
    below32,
    compiled,
    differs16,
    differs32,
    inlined,
    leaf,
    max16,
    max32,
    min16,
    min32,
    mul16,
    mul32,
    narrow16,
    shl32,
    shr16,
    shr32,
    shr_unsigned32,
    sub32,
    widen32,
    xor32,
)
from edgelearn.spiking import tables as t

_WORD = 0xFFFFFFFF
LIMIT = 32767
TRACE_MAX = 127


@inlined
def hashed(h):  # type: ignore[no-untyped-def]
    """Return 32 bits from 32 bits that mix step, source, neuron, population and seed (section 3)."""
    h = xor32(h, shr_unsigned32(h, np.int32(15)))
    h = mul32(h, np.int32(0x2C1B3C6D))
    h = xor32(h, shr_unsigned32(h, np.int32(12)))
    h = mul32(h, np.int32(0x297A2D39))
    return xor32(h, shr_unsigned32(h, np.int32(15)))


@inlined
def signed32(value):  # type: ignore[no-untyped-def]
    """Return the lowest 32 bits of a whole number as an int32."""
    return np.int32(((value + 0x80000000) & _WORD) - 0x80000000)


@inlined
def chosen(mask, x, y):  # type: ignore[no-untyped-def]
    """Return x where the mask is -1, y where it is 0."""
    return xor32(y, and32(xor32(x, y), mask))


@compiled
def advance(  # type: ignore[no-untyped-def]
    net,
    layers,
    membrane,
    current,
    arriving,
    bias,
    adaptation,
    refractory,
    gate,
    modulator,
    trace,
    count,
    weights,
    feedback,
    queue,
    queued,
    scratch,
    starts,
    labels,
    first_spike,
    spike_source,
    counters,
    raster,
):
    """Take time steps and count what they touch.

    Parameters
    ----------
    net, layers : int64[8], int64[K+1, tables.COLUMNS], see `tables`; net[STEP] runs on
    membrane, current, arriving, adaptation, refractory, gate, modulator, trace, count : int32[neurons]
    bias : int32[neurons], words that arrive in every step, or of no neurons where there are none
    weights : int16, populations one after another, a row a source
    feedback : int16, a row per output
    queue, queued : int32[slots, neurons], int64[slots, K+1]; who spiked in the last steps, and how many
    scratch : int32[2, neurons]
    starts : bool[steps]; labels : int64[steps], -1 for none
    first_spike : int64[steps + 1], spike_source : int64; the input spikes of each step, in any order
    counters : int64[K+1, len(tables.COUNTERS)]
    raster : uint8[steps, neurons], or of no steps where nobody looks
    """
    last = layers.shape[0] - 1
    out_at, n_out = layers[last, t.OFFSET], layers[last, t.SIZE]
    slots, word_max = net[t.SLOTS], net[t.WORD_MAX]
    for now in range(starts.shape[0]):
        step = net[t.STEP]
        slot = step % slots
        # 0: start of a sample
        if starts[now]:
            membrane[:] = 0
            current[:] = 0
            adaptation[:] = 0
            refractory[:] = 0
            modulator[:] = 0
            trace[:] = 0
            count[:] = 0
            arriving[:] = 0
            for k in range(slots):
                for p in range(last + 1):
                    queued[k, p] = 0
        # 1: neurons
        for p in range(last + 1):
            row = layers[p]
            start, end = row[t.OFFSET], row[t.OFFSET] + row[t.SIZE]
            if p < last:
                _fade(trace[start:end], row[t.TRACE_LEAK])
            if p > 0:
                _fade(adaptation[start:end], row[t.ADAPTATION_LEAK])
                _filter(arriving[start:end], current[start:end], row[t.EXPONENT], row[t.CURRENT_LEAK])
                counters[p, t.NEURON_UPDATES] += row[t.SIZE]
                counters[p, t.MEMBRANE_SATURATIONS] += _integrate(
                    row, arriving[start:end], current[start:end], refractory[start:end], membrane[start:end]
                )
                gated = membrane if row[t.GATE_ON_MEMBRANE] else current
                _open(gated[start:end], gate[start:end], row[t.GATE_LOW], row[t.GATE_HIGH])
        # 2: thresholds; a spike waits in the queue of its step until it arrives
        queued[slot, 0] = first_spike[now + 1] - first_spike[now]
        for s in range(queued[slot, 0]):
            queue[slot, s] = spike_source[first_spike[now] + s]
        for p in range(1, last + 1):
            row = layers[p]
            at = row[t.OFFSET]
            queued[slot, p] = 0
            for i in range(row[t.SIZE]):
                if refractory[at + i] == 0 and membrane[at + i] >= row[t.THRESHOLD] + adaptation[at + i]:
                    queue[slot, at + queued[slot, p]] = i
                    queued[slot, p] += 1
        # 3a: forward
        for p in range(last):
            n, at = layers[p + 1, t.SIZE], layers[p + 1, t.OFFSET]
            sent = (step + 1 - layers[p + 1, t.DELAY]) % slots
            first = layers[p, t.OFFSET]
            spikes = queue[sent, first : first + queued[sent, p]]
            _add_rows(weights[layers[p + 1, t.WEIGHTS_AT] :], spikes, arriving[at : at + n])
            if bias.shape[0]:
                for i in range(at, at + n):
                    arriving[i] = add32(arriving[i], bias[i])
            counters[p + 1, t.SYNAPTIC_OPERATIONS] += n * queued[sent, p]
            counters[p + 1, t.WEIGHT_READ] += n * queued[sent, p]
        # 3b: learning
        for p in range(1, last + 1):
            if layers[p, t.LEARNS]:
                _learn(net, layers, p, step, gate, modulator, trace, weights, scratch, counters, word_max)
        # 3c, 3d: the label
        modulator[:] = 0
        if labels[now] >= 0:
            _label(net, layers, labels[now], modulator, count, feedback, counters, out_at, n_out, last)
        # 4: resets
        for p in range(last + 1):
            row = layers[p]
            counters[p, t.SPIKES] += queued[slot, p]
            for s in range(queued[slot, p]):
                i = row[t.OFFSET] + queue[slot, row[t.OFFSET] + s]
                if p < last:
                    x = trace[i] + row[t.TRACE_STEP]
                    counters[p, t.TRACE_SATURATIONS] += x > TRACE_MAX
                    trace[i] = min(x, TRACE_MAX)
                    counters[p, t.TRACE_UPDATES] += 1
                if p > 0:
                    membrane[i] = 0 if row[t.RESETS_TO_ZERO] else max(-LIMIT - 1, membrane[i] - row[t.THRESHOLD])
                    refractory[i] = row[t.REFRACTORY]
                    adaptation[i] = min(LIMIT, adaptation[i] + row[t.ADAPTATION_STEP])
                if p == last:
                    count[i] += 1
                if raster.shape[0]:
                    raster[now, i] = 1
        counters[0, t.STEPS] += 1
        net[t.STEP] += 1


@leaf
def _fade(words, leak):  # type: ignore[no-untyped-def]
    """Take a share of 2^-leak away."""
    shift = np.int32(leak)
    for i in range(words.shape[0]):
        words[i] = sub32(words[i], shr32(words[i], shift))


@leaf
def _filter(arriving, current, exponent, leak):  # type: ignore[no-untyped-def]
    """Weigh what arrives, and add it to the filtered current."""
    up, down, shift = np.int32(max(exponent, 0)), np.int32(max(-exponent, 0)), np.int32(leak)
    high, low = np.int32(LIMIT), np.int32(-LIMIT - 1)
    for i in range(current.shape[0]):
        arrived, u = shr32(shl32(arriving[i], up), down), current[i]
        arriving[i] = arrived
        current[i] = max32(min32(add32(sub32(u, shr32(u, shift)), arrived), high), low)


@leaf
def _integrate(row, arriving, current, refractory, membrane):  # type: ignore[no-untyped-def]
    """Move the membranes that are not refractory, clear what arrived; return how many were cut."""
    leaks = np.int32(0 if row[t.LEAK] == t.NO_LEAK else -1)  # masks of bits
    takes_current = np.int32(0 if row[t.CURRENT_GAIN] == t.TAKES_INPUT else -1)
    leak, gain = np.int32(row[t.LEAK]), np.int32(max(row[t.CURRENT_GAIN], 0))
    high, low = np.int32(LIMIT), np.int32(-LIMIT - 1)
    cut = np.int32(0)
    for i in range(membrane.shape[0]):
        held = below32(np.int32(0), refractory[i])
        taken = chosen(takes_current, shr32(current[i], gain), arriving[i])
        v = membrane[i]
        moved = add32(sub32(v, and32(shr32(v, leak), leaks)), taken)
        kept = max32(min32(moved, high), low)
        cut = add32(cut, chosen(held, np.int32(0), differs32(moved, kept)))
        membrane[i] = chosen(held, v, kept)
        refractory[i] = add32(refractory[i], held)
        arriving[i] = np.int32(0)
    return np.int64(cut)


@leaf
def _open(words, gate, low, high):  # type: ignore[no-untyped-def]
    """Open gates strictly between low and high."""
    above, under = np.int32(low), np.int32(high)
    for i in range(gate.shape[0]):
        gate[i] = sub32(np.int32(0), and32(below32(above, words[i]), below32(words[i], under)))


@leaf
def _add_rows(weights, spikes, target):  # type: ignore[no-untyped-def]
    """Add the rows of sources that spiked, four at a time so that sums stay in registers."""
    n, s = target.shape[0], 0
    while s + 4 <= spikes.shape[0]:
        a, b = weights[spikes[s] * n :][:n], weights[spikes[s + 1] * n :][:n]
        c, d = weights[spikes[s + 2] * n :][:n], weights[spikes[s + 3] * n :][:n]
        for i in range(n):
            two, others = add32(widen32(a[i]), widen32(b[i])), add32(widen32(c[i]), widen32(d[i]))
            target[i] = add32(target[i], add32(two, others))
        s += 4
    while s < spikes.shape[0]:
        row = weights[spikes[s] * n :][:n]
        for i in range(n):
            target[i] = add32(target[i], widen32(row[i]))
        s += 1


@leaf
def _learn(net, layers, p, step, gate, modulator, trace, weights, scratch, counters, word_max):  # type: ignore[no-untyped-def]
    row = layers[p]
    first, n = row[t.OFFSET], row[t.SIZE]
    factors, places = scratch[0, :n], scratch[1, :n]
    words = scratch[1].view(np.int16)[:n]  # factors again, where places are not needed
    n_open, largest = 0, np.int64(0)
    for i in range(n):  # a factor of zero changes no weight, whatever is drawn
        factors[i] = modulator[first + i] if gate[first + i] else 0
        n_open += factors[i] != 0
        largest = max(largest, abs(np.int64(factors[i])))
    if n_open == 0:
        return
    for i in range(n):
        if net[t.STOCHASTIC]:
            places[i] = signed32(i * 0xC2B2AE3D)
        else:
            words[i] = narrow16(factors[i])
    shift, half = row[t.LEARNING_SHIFT], (1 << row[t.LEARNING_SHIFT]) >> 1
    word = (p + net[t.SEED] * 0x9E3779B9) ^ (step * 0x9E3779B1)
    source_at, n_sources = layers[p - 1, t.OFFSET], layers[p - 1, t.SIZE]
    changed = 0
    cut = 0
    for j in range(n_sources):
        x = np.int32(trace[source_at + j])
        if x != 0:
            at = row[t.WEIGHTS_AT] + j * n
            synapses = weights[at : at + n]
            if net[t.STOCHASTIC]:
                place = signed32(word ^ (j * 0x85EBCA77))
                cut += _add_drawn(synapses, factors, x, places, place, shift, word_max)
            elif largest * x + max(half, word_max) < LIMIT:  # every intermediate fits 16 bits
                if largest * x >= half:  # else every step is zero
                    cut += _add_nearest_narrow(synapses, words, x, shift, word_max)
            else:
                cut += _add_nearest(synapses, factors, x, shift, word_max)
            changed += n_open
    counters[p, t.SYNAPTIC_UPDATES] += changed
    counters[p, t.WEIGHT_READ] += changed
    counters[p, t.WEIGHT_WRITE] += changed
    counters[p, t.SATURATIONS] += cut


@leaf
def _add_nearest(synapses, factors, x, shift, word_max):  # type: ignore[no-untyped-def]
    """Add what a source learns to its row of weights; return how many were cut."""
    half, down = np.int32((1 << shift) >> 1), np.int32(shift)
    high, low = np.int32(word_max), np.int32(-word_max)
    cut = np.int32(0)
    for i in range(synapses.shape[0]):
        w = add32(widen32(synapses[i]), shr32(add32(mul32(x, factors[i]), half), down))
        kept = max32(min32(w, high), low)
        cut = add32(cut, differs32(w, kept))
        synapses[i] = narrow16(kept)
    return np.int64(cut)


@leaf
def _add_nearest_narrow(synapses, words, x, shift, word_max):  # type: ignore[no-untyped-def]
    """Do the same in 16 bits, with factors as words."""
    factor, half, down = narrow16(x), np.int16((1 << shift) >> 1), np.int16(shift)
    high, low = np.int16(word_max), np.int16(-word_max)
    minus_cut = np.int16(0)
    for i in range(synapses.shape[0]):
        w = add16(synapses[i], shr16(add16(mul16(factor, words[i]), half), down))
        kept = max16(min16(w, high), low)
        minus_cut = add16(minus_cut, differs16(w, kept))
        synapses[i] = kept
    return -np.int64(minus_cut) & 0xFFFF  # up to 65,000 synapses


@leaf
def _add_drawn(synapses, factors, x, places, place, shift, word_max):  # type: ignore[no-untyped-def]
    """Do the same with stochastic rounding; `places` and `place` mix to what a synapse draws from."""
    mask, down = np.int32((1 << shift) - 1), np.int32(shift)
    high, low = np.int32(word_max), np.int32(-word_max)
    cut = np.int32(0)
    for i in range(synapses.shape[0]):
        rho = and32(hashed(xor32(places[i], place)), mask)
        w = add32(widen32(synapses[i]), shr32(add32(mul32(x, factors[i]), rho), down))
        kept = max32(min32(w, high), low)
        cut = add32(cut, differs32(w, kept))
        synapses[i] = narrow16(kept)
    return np.int64(cut)


@leaf
def _label(net, layers, label, modulator, count, feedback, counters, out_at, n_out, last):  # type: ignore[no-untyped-def]
    signal = net[t.SIGNAL]
    for o in range(n_out):
        e = (net[t.TARGET] if o == label else 0) - net[t.SPIKE_COST] * count[out_at + o]
        e = max(-127, min(127, e))
        modulator[out_at + o] = e
        count[out_at + o] = 0
        for p in range(1, last):
            row = layers[p]
            if signal == t.NO_SIGNAL or not row[t.LEARNS]:
                continue
            at, n = row[t.FEEDBACK_AT] + o * row[t.SIZE], row[t.SIZE]
            if signal == t.TARGET_SIGNAL:
                if o != label:
                    continue
                for i in range(n):
                    modulator[row[t.OFFSET] + i] += feedback[at + i]
            elif e != 0:
                for i in range(n):
                    b = np.int64(feedback[at + i])
                    if signal == t.ERROR_SIGNAL:
                        modulator[row[t.OFFSET] + i] += (b * e) >> 5
                    else:
                        modulator[row[t.OFFSET] + i] += b if e > 0 else -b
            else:
                continue
            counters[p, t.FEEDBACK_READ] += n
    counters[last, t.LABEL_EVENTS] += 1
