"""One sample through the network, and a run of samples: forward, third factors, updates, counters.

The order of calls is the journey of a sample. What a rule needs is read from the integer tables; no rule is
named here.
"""

from __future__ import annotations

import numpy as np

from edgelearn.kernels import tables as t
from edgelearn.kernels.feedback import copy_row, gate, scale_sums, signs
from edgelearn.kernels.forward import (
    activate,
    add_bias,
    dot_rows,
    first_maximum,
    index_sums,
    list_events,
    output_error,
    sum_rows,
    wrap_sums,
)
from edgelearn.kernels.lanes import compiled
from edgelearn.kernels.update import (
    add_row,
    add_row_stochastic,
    draw,
    round_steps,
    split_steps,
    spread_draw,
    spread_draws,
)


@compiled
def weight_matrix(layer, weights):  # type: ignore[no-untyped-def]
    """Return the layer's words as a matrix of rows, padding included."""
    rows = layer[t.N_IN] if layer[t.EVENT_MAJOR] else layer[t.N_OUT]
    stride = layer[t.STRIDE]
    start = layer[t.WEIGHT_AT]
    return weights[start : start + rows * stride].reshape((rows, stride))


@compiled
def feedback_matrix(layer, n_rows, feedback):  # type: ignore[no-untyped-def]
    """Return B of a hidden layer, one row a signal lane."""
    stride = layer[t.FEEDBACK_STRIDE]
    start = layer[t.FEEDBACK_AT]
    return feedback[start : start + n_rows * stride].reshape((n_rows, stride))


@compiled
def forward_layer(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute z and q of layer k from its inputs."""
    layer = layers[k]
    n_in, n_out = layer[t.N_IN], layer[t.N_OUT]
    at, neuron = layer[t.INPUT_AT], layer[t.NEURON_AT]
    n_events = arrays.n_events[k]
    inputs, sums = arrays.inputs[at:], arrays.sums[neuron:]
    shift = np.int16(layer[t.VIEW_SHIFT])
    matrix = weight_matrix(layer, arrays.weights)
    if layer[t.EVENT_MAJOR]:
        sum_rows(matrix, arrays.events[at:], inputs, n_events, shift, sums)
    else:
        dot_rows(matrix, inputs, shift, sums)
    add_bias(sums, arrays.biases[neuron:], n_out, layer[t.ONE], shift)
    counters[k, t.OVERFLOWS] += wrap_sums(sums, n_out, net[t.ACCUMULATOR_BITS])
    index_sums(sums, n_out, layer[t.SUM_SHIFT], arrays.indices[neuron:])
    counters[k, t.SAMPLES] += 1
    counters[k, t.INPUT_EVENTS] += n_events
    counters[k, t.ACTIVATION_WRITE] += n_events
    counters[k, t.ACTIVATION_READ] += n_events
    counters[k, t.WEIGHT_READ] += n_events * n_out
    counters[k, t.BIAS_READ] += n_out
    counters[k, t.FORWARD_MACS] += n_events * n_out


@compiled
def forward(net, layers, levels, arrays, counters):  # type: ignore[no-untyped-def]
    """Run the forward pass and return the predicted class."""
    last = layers.shape[0] - 1
    at = layers[0, t.INPUT_AT]
    arrays.n_events[0] = list_events(levels, arrays.inputs[at:], arrays.events[at:])
    for k in range(last):
        forward_layer(k, net, layers, arrays, counters)
        neuron, above = layers[k, t.NEURON_AT], layers[k + 1, t.INPUT_AT]
        n_events, n_gates = activate(
            arrays.indices[neuron:],
            layers[k, t.N_OUT],
            arrays.tables[k],
            net[t.EVENT_THRESHOLD],
            arrays.inputs[above:],
            arrays.events[above:],
            arrays.gates[neuron:],
        )
        arrays.n_events[k + 1] = n_events
        counters[k, t.OPEN_GATES] += n_gates
    forward_layer(last, net, layers, arrays, counters)
    return first_maximum(arrays.sums[layers[last, t.NEURON_AT] :], layers[last, t.N_OUT])


@compiled
def modulate_layer(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute d of hidden layer k from the teaching signal and the gates."""
    layer, above = layers[k], layers[k + 1]
    last = layers.shape[0] - 1
    n_out = layer[t.N_OUT]
    neuron = layer[t.NEURON_AT]
    sums, gates = arrays.sums[neuron:], arrays.gates[neuron:]
    signal, feedback = net[t.SIGNAL], net[t.FEEDBACK]
    source = last if feedback == t.FEEDBACK_DIRECT else k + 1  # where the teaching signal lives
    source_at, n_rows = layers[source, t.NEURON_AT], layers[source, t.N_OUT]
    n_gates = np.int64(0)
    for j in range(n_out):
        n_gates += gates[j] != 0
    if signal == t.SIGNAL_TARGET:
        n_lanes = np.int64(1) if n_rows > 1 else np.int64(label)
        counters[k, t.LABEL_READ] += 1
    else:
        n_lanes = arrays.n_active[source]
        if source == last:
            counters[last, t.ERROR_READ] += n_lanes
        else:
            counters[source, t.DELTA_READ] += n_lanes
    if net[t.HOLDS_GATES]:
        counters[k, t.GATE_WRITE] += n_gates
    counters[k, t.SIGNAL_LANES] += n_lanes
    counters[k, t.GATED_SIGNALS] += n_lanes * n_gates
    if n_lanes == 0:
        for j in range(n_out):
            arrays.deltas[neuron + j] = 0
        arrays.n_active[k] = 0
        return
    lanes = arrays.active[source_at:]
    if feedback == t.FEEDBACK_TRANSPOSE:
        shift = np.int16(above[t.VIEW_SHIFT])
        matrix = weight_matrix(above, arrays.weights)
        if above[t.EVENT_MAJOR]:
            dot_rows(matrix, arrays.deltas[source_at:], shift, sums)
        else:
            sum_rows(matrix, lanes, arrays.deltas[source_at:], n_lanes, shift, sums)
        counters[k + 1, t.WEIGHT_READ] += n_lanes * n_gates
    else:
        matrix = feedback_matrix(layer, n_rows, arrays.feedback)
        if signal == t.SIGNAL_TARGET:
            copy_row(matrix, label if n_rows > 1 else 0, n_out, sums)
        elif feedback == t.FEEDBACK_DIRECT:
            sum_rows(matrix, lanes, arrays.signals, n_lanes, np.int16(0), sums)
        else:
            sum_rows(matrix, lanes, arrays.deltas[source_at:], n_lanes, np.int16(0), sums)
        if net[t.REGENERATED]:
            counters[k, t.LFSR_STEPS] += 2 * n_out * n_lanes
        else:
            counters[k, t.FEEDBACK_READ] += n_lanes * n_gates
    if signal != t.SIGNAL_TARGET:
        counters[k, t.OVERFLOWS] += wrap_sums(sums, n_out, net[t.ACCUMULATOR_BITS])
        scale_sums(sums, n_out, layer[t.SIGNAL_SHIFT])
        counters[k, t.SIGNAL_MACS] += n_lanes * n_gates
    n_active = gate(sums, gates, n_out, layer[t.DELTA_MAX], arrays.deltas[neuron:], arrays.active[neuron:])
    arrays.n_active[k] = n_active
    counters[k, t.LIVE_GATES] += n_gates
    counters[k, t.GATE_PRODUCTS] += n_gates
    if net[t.HOLDS_GATES]:
        counters[k, t.GATE_READ] += n_gates
    if net[t.HOLDS_DELTAS]:
        counters[k, t.DELTA_WRITE] += n_active


@compiled
def update_layer(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Add the steps of layer k to its weights and biases."""
    layer = layers[k]
    last = layers.shape[0] - 1
    at, neuron, stride = layer[t.INPUT_AT], layer[t.NEURON_AT], layer[t.STRIDE]
    n_out = layer[t.N_OUT]
    n_events, n_active = arrays.n_events[k], arrays.n_active[k]
    counters[k, t.ACTIVE_NEURONS] += n_active
    counters[k, t.SKIPPED_NEURONS] += n_out - n_active
    if n_active == 0:
        return
    inputs, deltas = arrays.inputs[at:], arrays.deltas[neuron:]
    events, active = arrays.events[at:], arrays.active[neuron:]
    steps, fractions, random = arrays.steps, arrays.fractions, arrays.random_bytes
    matrix = weight_matrix(layer, arrays.weights)
    limit, align = layer[t.STEP_MAX], layer[t.ALIGN]
    mask, floor, lsb = np.int16(-(1 << align)), np.int16(layer[t.FLOOR]), np.int16(1 << align)
    stochastic = net[t.STOCHASTIC]
    shift = min(layer[t.STEP_SHIFT] + net[t.HALVINGS], 30)
    if stochastic:
        shift = min(shift - 8, 30)
        draw(arrays.generator, n_events + 1, arrays.draws)
        counters[k, t.RANDOM_DRAWS] += n_events + 1
    saturations = np.int64(0)
    cuts = np.int64(0)
    if layer[t.EVENT_MAJOR]:
        slots = layer[t.LEVEL_SLOTS]
        filled = np.int64(0)  # bit l: the steps of level l are already rounded
        slot_cuts = arrays.slot_cuts
        for e in range(n_events):
            i = events[e]
            level = np.int64(inputs[i])
            slot = level if 0 < level < slots else 0
            if slot == 0 or (filled >> slot) & 1 == 0:
                if stochastic:
                    cut = split_steps(deltas, level, stride, shift, limit, align, steps, fractions, slot)
                else:
                    cut = round_steps(deltas, level, stride, shift, limit, align, steps, slot)
                slot_cuts[slot] = cut
                filled |= 1 << slot
            cuts += slot_cuts[slot]
            if stochastic:
                spread_draw(arrays.draws[e], arrays.keys, stride, random)
                saturations += add_row_stochastic(matrix, i, steps, fractions, slot, random, lsb, mask, floor)
            else:
                saturations += add_row(matrix, i, steps, slot, mask, floor)
    else:
        for a in range(n_active):
            j = active[a]
            if stochastic:
                cuts += split_steps(inputs, deltas[j], stride, shift, limit, align, steps, fractions, 0)
                spread_draws(arrays.draws, events, n_events, j & 3, arrays.keys[j], random)
                saturations += add_row_stochastic(matrix, j, steps, fractions, 0, random, lsb, mask, floor)
            else:
                cuts += round_steps(inputs, deltas[j], stride, shift, limit, align, steps, 0)
                saturations += add_row(matrix, j, steps, 0, mask, floor)
    bias_row = arrays.biases[neuron : neuron + layer[t.BIAS_WIDTH]].reshape((1, layer[t.BIAS_WIDTH]))
    width = layer[t.BIAS_WIDTH]
    free = np.int16(-32768)
    if stochastic:
        cuts += split_steps(deltas, layer[t.ONE], width, shift, limit, align, steps, fractions, 0)
        spread_draw(arrays.draws[n_events], arrays.keys, width, random)
        saturations += add_row_stochastic(bias_row, 0, steps, fractions, 0, random, lsb, mask, free)
    else:
        cuts += round_steps(deltas, layer[t.ONE], width, shift, limit, align, steps, 0)
        saturations += add_row(bias_row, 0, steps, 0, mask, free)
    pairs = n_events * n_active
    counters[k, t.SATURATIONS] += saturations
    counters[k, t.STEP_SATURATIONS] += cuts
    counters[k, t.SKIPPED_INPUTS] += layer[t.N_IN] - n_events
    counters[k, t.UPDATES] += 1
    counters[k, t.UPDATE_EVENTS] += n_events
    counters[k, t.UPDATE_PAIRS] += pairs
    counters[k, t.ACTIVATION_READ] += pairs
    counters[k, t.WEIGHT_READ] += pairs
    counters[k, t.WEIGHT_WRITE] += pairs
    counters[k, t.BIAS_READ] += n_active
    counters[k, t.BIAS_WRITE] += n_active
    counters[k, t.UPDATE_MACS] += pairs + n_active
    if k == last:
        counters[k, t.ERROR_READ] += n_active
    elif net[t.HOLDS_DELTAS]:
        counters[k, t.DELTA_READ] += n_active


@compiled
def learn(label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute the output error and the third factors, then update the layers in the rule's order."""
    last = layers.shape[0] - 1
    neuron, n_out = layers[last, t.NEURON_AT], layers[last, t.N_OUT]
    errors = arrays.deltas[neuron:]
    n_errors = output_error(
        arrays.indices[neuron:],
        n_out,
        arrays.tables[last],
        net[t.OUTPUT] == t.OUTPUT_SOFTMAX,
        label,
        net[t.DEAD_ZONE],
        errors,
        arrays.active[neuron:],
    )
    arrays.n_active[last] = n_errors
    counters[last, t.LABEL_READ] += 1
    counters[last, t.ERROR_WRITE] += n_errors
    if net[t.SIGNAL] == t.SIGNAL_SIGN:
        signs(errors, n_out, arrays.signals)
    else:
        arrays.signals[:n_out] = errors[:n_out]
    if net[t.SIGNAL] != t.SIGNAL_NONE:
        for k in range(last - 1, -1, -1):
            modulate_layer(k, label, net, layers, arrays, counters)
    for step in range(last + 1):
        k = last - step if net[t.LAST_TO_FIRST] else step
        if layers[k, t.LEARNS]:
            update_layer(k, net, layers, arrays, counters)


@compiled
def run_samples(net, layers, arrays, levels, labels, order, predictions, counters):  # type: ignore[no-untyped-def]
    """Predict, and with labels learn, the samples of `order` one after another.

    Parameters
    ----------
    net : int64[NET_COLUMNS]; layers : int64[K, LAYER_COLUMNS]; arrays : Arrays
    levels : uint8[n, n_in], input levels
    labels : int64[n], or int64[0] to predict only
    order : int64[m], which samples, in this order
    predictions : int64[m], written: the class before learning
    counters : int64[K, len(COUNTERS)], added to
    """
    for step in range(order.shape[0]):
        sample = order[step]
        predictions[step] = forward(net, layers, levels[sample], arrays, counters)
        if labels.shape[0] > 0:
            learn(labels[sample], net, layers, arrays, counters)
