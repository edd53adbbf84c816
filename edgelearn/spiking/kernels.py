"""A stretch of time steps of a spiking network, event by event (docs/spiking.md, sections 2 and 3)."""

from __future__ import annotations

import numpy as np

from edgelearn.kernels.lanes import compiled, inlined
from edgelearn.spiking import tables as t

_WORD = 0xFFFFFFFF
LIMIT = 32767
TRACE_MAX = 127


@inlined
def hashed(step, source, neuron, word):  # type: ignore[no-untyped-def]
    """Return 32 bits from where and when they are used; `word` is population and seed mixed."""
    h = (word ^ (step * 0x9E3779B1) ^ (source * 0x85EBCA77) ^ (neuron * 0xC2B2AE3D)) & _WORD
    h ^= h >> 15
    h = (h * 0x2C1B3C6D) & _WORD
    h ^= h >> 12
    h = (h * 0x297A2D39) & _WORD
    return h ^ (h >> 15)


@compiled
def advance(  # type: ignore[no-untyped-def]
    net,
    layers,
    membrane,
    current,
    arriving,
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
    listed,
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
    net, layers : int64[8], int64[K+1, len(tables.NAMES)], see `tables`; net[STEP] runs on
    membrane, current, arriving, adaptation, refractory, gate, modulator, trace, count : int32[neurons]
    weights : int16, populations one after another, a row a source
    feedback : int16, a row an output
    queue, queued : int32[slots, neurons], int64[slots, K+1]; who spiked in the last steps, and how many
    listed : int32[neurons], scratch
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
        for p in range(last):
            leak = layers[p, t.TRACE_LEAK]
            for i in range(layers[p, t.OFFSET], layers[p, t.OFFSET] + layers[p, t.SIZE]):
                trace[i] -= trace[i] >> leak
        for p in range(1, last + 1):
            row = layers[p]
            counters[p, t.NEURON_UPDATES] += row[t.SIZE]
            for i in range(row[t.OFFSET], row[t.OFFSET] + row[t.SIZE]):
                arrived = np.int64(arriving[i])
                arrived = arrived << row[t.EXPONENT] if row[t.EXPONENT] >= 0 else arrived >> -row[t.EXPONENT]
                arriving[i] = 0
                u = np.int64(current[i])
                u += arrived - (u >> row[t.CURRENT_LEAK])
                current[i] = max(-LIMIT - 1, min(LIMIT, u))
                adaptation[i] -= adaptation[i] >> row[t.ADAPTATION_LEAK]
                if refractory[i] > 0:
                    refractory[i] -= 1
                else:
                    v = np.int64(membrane[i])
                    if row[t.LEAK] != t.NO_LEAK:
                        v -= v >> row[t.LEAK]
                    v += arrived if row[t.CURRENT_GAIN] == t.TAKES_INPUT else current[i] >> row[t.CURRENT_GAIN]
                    cut = max(-LIMIT - 1, min(LIMIT, v))
                    counters[p, t.MEMBRANE_SATURATIONS] += cut != v
                    membrane[i] = cut
                q = membrane[i] if row[t.GATE_ON_MEMBRANE] else current[i]
                gate[i] = 1 if row[t.GATE_LOW] < q and q < row[t.GATE_HIGH] else 0
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
            for s in range(queued[sent, p]):
                from_row = layers[p + 1, t.WEIGHTS_AT] + queue[sent, layers[p, t.OFFSET] + s] * n
                synapses, target = (
                    weights[from_row : from_row + n],
                    arriving[at : at + n],
                )  # so that the loop is one of lanes
                for j in range(n):
                    target[j] += synapses[j]
            counters[p + 1, t.SYNAPTIC_OPERATIONS] += n * queued[sent, p]
            counters[p + 1, t.WEIGHT_READ] += n * queued[sent, p]
        # 3b: learning
        for p in range(1, last + 1):
            if layers[p, t.LEARNS]:
                _learn(net, layers, p, step, gate, modulator, trace, weights, listed, counters, word_max)
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


@compiled
def _learn(net, layers, p, step, gate, modulator, trace, weights, listed, counters, word_max):  # type: ignore[no-untyped-def]
    row = layers[p]
    n_listed = 0
    for i in range(row[t.OFFSET], row[t.OFFSET] + row[t.SIZE]):
        if modulator[i] != 0 and gate[i] != 0:
            listed[n_listed] = i - row[t.OFFSET]
            n_listed += 1
    if n_listed == 0:
        return
    shift, n = row[t.LEARNING_SHIFT], row[t.SIZE]
    half = (1 << shift) >> 1
    mask = (1 << shift) - 1
    word = (p + net[t.SEED] * 0x9E3779B9) & _WORD
    source_at, n_sources = layers[p - 1, t.OFFSET], layers[p - 1, t.SIZE]
    stochastic = net[t.STOCHASTIC]
    changed = 0
    cut = 0
    for j in range(n_sources):
        x = np.int64(trace[source_at + j])
        if x == 0:
            continue
        at = row[t.WEIGHTS_AT] + j * n
        for a in range(n_listed):
            i = listed[a]
            rho = (hashed(step, j, i, word) & mask) if stochastic else half
            w = weights[at + i] + ((x * modulator[row[t.OFFSET] + i] + rho) >> shift)
            kept = max(-word_max, min(word_max, w))
            cut += kept != w
            weights[at + i] = kept
        changed += n_listed
    counters[p, t.SYNAPTIC_UPDATES] += changed
    counters[p, t.WEIGHT_READ] += changed
    counters[p, t.WEIGHT_WRITE] += changed
    counters[p, t.SATURATIONS] += cut


@compiled
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
