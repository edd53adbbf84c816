"""One sample through a network that begins with convolutions: operators of these beside those of dense layers.

`run_steps_of_maps` is the body of `sample.run_steps` with other operators in place of `forward_layer`,
`modulate_layer`, `update_layer` and `pass_gated`. It is compiled where a network has a convolution, so that others
neither run nor compile any of it.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, kernel_variant
from edgelearn.fixedpoint.records import matrix_at
from edgelearn.network.kernels import sample
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.convolve import (
    gate_positions,
    pair_kernel,
    pool_maxima,
    pool_totals,
    scatter_channel,
    scatter_events,
    start_sums,
    wrap_positions,
)
from edgelearn.network.kernels.correlate import (
    add_kernel_steps,
    add_kernel_steps_stochastic,
    border_deltas,
    border_of,
    correlate_channel,
    correlate_events,
    count_before,
    count_placed,
    count_products,
    pair_events,
    place_deltas,
    send_down,
    spread_maps,
    turn_kernel,
)
from edgelearn.network.kernels.feedback import copy_row, count_nonzero, gate, scale_sums, sum_signed_rows
from edgelearn.network.kernels.forward import activate, drop_small, index_sums, list_nonzero, sum_rows, wrap_sums
from edgelearn.network.kernels.sample import forward_layer, modulate_layer, update_layer


@inlined
def kernel_of_maps(k, layers, arrays):  # type: ignore[no-untyped-def]
    """Return the stored words of convolution k, a row per tap and channel; the biases are the last row."""
    return matrix_at(arrays.weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])


@inlined
def n_gates_of(k, layers):  # type: ignore[no-untyped-def]
    """Return how many gates hidden layer k has."""
    n = layers[k, t.N_OUT]
    if layers[k, t.TEACH] == t.TEACH_POSITIONS:
        n = layers[k, t.OUT_HEIGHT] * layers[k, t.OUT_WIDTH] * layers[k, t.MAPS]
    return n


@inlined
def shared_shift(k, layers):  # type: ignore[no-untyped-def]
    """Return log2 of the positions at which d of an element acts."""
    shift = layers[k, t.POOL_SHIFT]
    if layers[k, t.TEACH] == t.TEACH_POSITIONS:
        shift = np.int64(0)
    return shift


@inlined
def convolve_layer(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute the pooled sums and the activations of convolution k from its events."""
    n_out, n_maps, n_events = layers[k, t.N_OUT], layers[k, t.MAPS], arrays.n_events[k]
    n_positions = layers[k, t.OUT_HEIGHT] * layers[k, t.OUT_WIDTH]
    weights = kernel_of_maps(k, layers, arrays)
    sums = matrix_at(arrays.position_sums, 0, n_positions, layers[k, t.STRIDE])
    views = matrix_at(arrays.views, 0, layers[k, t.ROWS], layers[k, t.STRIDE])
    start_sums(k, layers, weights, np.int64(arrays.inputs[k, layers[k, t.N_IN]]), views, sums)
    if layers[k, t.CHANNELS] == 1:
        n_rows = layers[k, t.KERNEL_H] * (layers[k, t.KERNEL_W] + 1)
        paired = matrix_at(arrays.paired, 0, n_rows, 2 * layers[k, t.STRIDE])
        pair_kernel(k, layers, views, paired)
        pairs = scatter_channel(k, n_events, layers, paired, arrays.inputs, arrays.events, sums)
    else:
        pairs = scatter_events(k, n_events, layers, views, arrays.inputs, arrays.events, sums)
    counters[k, t.OVERFLOWS] += wrap_positions(sums, n_maps, net[t.ACCUMULATOR_BITS])
    if layers[k, t.POOLING] == t.POOL_MEAN:
        pool_totals(k, layers, sums, arrays.sums)
    else:
        pool_maxima(k, layers, sums, arrays.sums, arrays.winners)
    index_sums(arrays.sums, k, n_out, layers[k, t.SUM_SHIFT], arrays.indices)
    n_above, n_gates = activate(arrays.indices, arrays.tables, k, n_out, arrays.inputs, arrays.gates, arrays.sums)
    if layers[k, t.TEACH] == t.TEACH_POSITIONS:
        n_gates = gate_positions(k, layers, sums, arrays.tables, arrays.gates)
    if net[t.EVENT_THRESHOLD] > 0:
        n_above = drop_small(arrays.inputs, k + 1, n_out, net[t.EVENT_THRESHOLD])
    arrays.n_events[k + 1] = n_above
    if layers[k + 1, t.EVENT_MAJOR] or net[t.STOCHASTIC]:
        list_nonzero(arrays.inputs, k + 1, n_out, arrays.events)
    counters[k, t.OPEN_GATES] += n_gates
    counters[k, t.SAMPLES] += 1
    counters[k, t.INPUT_EVENTS] += n_events
    counters[k, t.WINDOW_PAIRS] += pairs
    counters[k, t.ACTIVATION_WRITE] += n_events
    counters[k, t.ACTIVATION_READ] += pairs
    counters[k, t.WEIGHT_READ] += pairs * n_maps
    counters[k, t.FORWARD_MACS] += pairs * n_maps
    if layers[k, t.KERNEL_BIAS]:
        counters[k, t.BIAS_READ] += n_positions * n_maps


@inlined
def take_from_above(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the modulators of convolution k from d of convolution k + 1; return how many of its elements have one."""
    above, n_out, n_lanes = k + 1, layers[k, t.N_OUT], arrays.n_active[k + 1]
    n_maps, fan_in = layers[above, t.MAPS], layers[above, t.ROWS] - 1
    if n_lanes > 0:
        transposes = layers[k, t.FEEDBACK] == t.FEEDBACK_TRANSPOSE
        if transposes:
            rows = matrix_at(arrays.views, 0, n_maps, fan_in)
            turn_kernel(kernel_of_maps(above, layers, arrays), fan_in, n_maps, layers[above, t.VIEW_SHIFT], rows)
        else:
            rows = matrix_at(arrays.feedback, layers[k, t.FEEDBACK_AT], n_maps, layers[k, t.FEEDBACK_STRIDE])
        count_before(arrays.gates, k, n_out, arrays.gates_before)
        pairs = send_down(
            k, layers, rows, arrays.deltas, arrays.active, n_lanes, arrays.winners, arrays.gates_before, arrays.sums
        )
        counters[k, t.OVERFLOWS] += wrap_sums(arrays.sums, k, n_out, net[t.ACCUMULATOR_BITS], arrays.gates, 1)
        scale_sums(arrays.sums, k, n_out, layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX])
        counters[k, t.DOWN_PAIRS] += pairs
        counters[k, t.GATED_SIGNALS] += pairs
        counters[k, t.SIGNAL_MACS] += pairs
        counters[above, t.DELTA_READ] += pairs
        if transposes:
            counters[above, t.WEIGHT_READ] += pairs
        elif layers[k, t.REGENERATED]:
            counters[k, t.LFSR_STEPS] += 2 * fan_in * n_lanes
        else:
            counters[k, t.FEEDBACK_READ] += pairs
    return n_lanes


@inlined
def take_direct(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the modulators of convolution k, one a map or one a position; return how many lanes the signal has."""
    last = layers.shape[0] - 1
    n_gates, signal = n_gates_of(k, layers), layers[k, t.SIGNAL]
    shared = layers[k, t.FEEDBACK_KIND] == t.KIND_MAP
    n, n_rows = n_gates, layers[last, t.N_OUT]
    if shared:
        n = layers[k, t.MAPS]
    if signal == t.SIGNAL_TARGET:
        counters[k, t.LABEL_READ] += 1
        n_lanes = np.int64(1) if n_rows > 1 else np.int64(label)
    elif signal == t.SIGNAL_SIGNED_TARGET:
        counters[k, t.LABEL_READ] += 1
        n_lanes = np.int64(n_rows)
    else:
        n_lanes = arrays.n_active[last]
        counters[last, t.ERROR_READ] += n_lanes
    if n_lanes > 0:
        columns = layers[k, t.FEEDBACK_STRIDE]
        matrix = matrix_at(arrays.feedback, layers[k, t.FEEDBACK_AT], n_rows, columns)
        n_words = n_lanes * (n if shared else count_nonzero(arrays.gates, k, n_gates))
        counters[k, t.GATED_SIGNALS] += n_words
        if layers[k, t.REGENERATED]:
            counters[k, t.LFSR_STEPS] += 2 * n * n_lanes
        else:
            counters[k, t.FEEDBACK_READ] += n_words
        if signal == t.SIGNAL_TARGET:
            copy_row(matrix, label if n_rows > 1 else 0, n, arrays.sums, k)
            if layers[k, t.SIGNAL_SHIFT] > 0:
                scale_sums(arrays.sums, k, n, layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX])
        else:
            if signal == t.SIGNAL_SIGNED_TARGET:
                target = label if n_rows > 1 else np.int64(label) - 1
                sum_signed_rows(matrix, columns, target, n_rows, arrays.sums, k)
            else:
                factors = arrays.signals if signal == t.SIGNAL_SIGN else arrays.deltas
                sum_rows(matrix, columns, arrays.active, factors, last, n_lanes, np.int16(0), arrays.sums, k)
            gated = np.int64(0) if shared else np.int64(1)
            counters[k, t.OVERFLOWS] += wrap_sums(arrays.sums, k, n, net[t.ACCUMULATOR_BITS], arrays.gates, gated)
            scale_sums(arrays.sums, k, n, layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX])
            counters[k, t.SIGNAL_MACS] += n_words
        if shared:
            spread_maps(arrays.sums, k, n, n_gates)
    return n_lanes


@inlined
def modulate_map(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute d of convolution k where its modulators are not those of a dense layer of as many neurons."""
    n_gates = n_gates_of(k, layers)
    if layers[k, t.FEEDBACK] != t.FEEDBACK_DIRECT:
        n_lanes = take_from_above(k, net, layers, arrays, counters)
    else:
        n_lanes = take_direct(k, label, net, layers, arrays, counters)
    n_open = count_nonzero(arrays.gates, k, n_gates)
    n_active = 0
    if n_lanes == 0:
        arrays.deltas[k, :n_gates] = 0
    else:
        n_active = gate(arrays.sums, arrays.gates, k, n_gates, layers[k, t.DELTA_MAX], arrays.deltas)
        if layers[k, t.HOLDS_DELTAS]:
            list_nonzero(arrays.deltas, k, n_gates, arrays.active)
        counters[k, t.LIVE_GATES] += n_open
        counters[k, t.GATE_PRODUCTS] += n_open
        if layers[k, t.HOLDS_GATES]:
            counters[k, t.GATE_READ] += n_open
    arrays.n_active[k] = n_active
    if layers[k, t.HOLDS_GATES]:
        counters[k, t.GATE_WRITE] += n_open
    if layers[k, t.HOLDS_DELTAS]:
        counters[k, t.DELTA_WRITE] += n_active
    counters[k, t.SIGNAL_LANES] += n_lanes


@inlined
def takes_more(k, layers):  # type: ignore[no-untyped-def]
    """Return whether modulators of convolution k are shared, of positions, or from another convolution."""
    shared = layers[k, t.FEEDBACK_KIND] == t.KIND_MAP or layers[k, t.TEACH] == t.TEACH_POSITIONS
    return shared or (layers[k, t.SIGNAL] == t.SIGNAL_DELTA and layers[k + 1, t.LAYER_KIND] == t.CONVOLUTION)


@inlined
def modulate(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute d of hidden layer k; winners of a convolution wait for the teaching signal as its gates do."""
    if layers[k, t.LAYER_KIND] == t.CONVOLUTION and takes_more(k, layers):
        modulate_map(k, label, net, layers, arrays, counters)
    else:
        modulate_layer(k, label, net, layers, arrays, counters)
    if layers[k, t.HOLDS_WINNERS]:
        counters[k, t.WINNER_WRITE] += count_nonzero(arrays.gates, k, layers[k, t.N_OUT])
        counters[k, t.WINNER_READ] += arrays.n_active[k]


@inlined
def update_maps(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Update the words of convolution k if any of its d is not zero: sums over positions, each rounded once."""
    n_events, n_active, fan_in = arrays.n_events[k], arrays.n_active[k], layers[k, t.ROWS] - 1
    has_bias, all_learn = layers[k, t.KERNEL_BIAS] != 0, layers[k, t.LEARNS] == t.EVERYTHING
    counters[k, t.ACTIVE_NEURONS] += n_active
    counters[k, t.SKIPPED_NEURONS] += n_gates_of(k, layers) - n_active
    if n_active > 0:
        n_positions, n_lanes = layers[k, t.OUT_HEIGHT] * layers[k, t.OUT_WIDTH], layers[k, t.STRIDE]
        weights = kernel_of_maps(k, layers, arrays)
        sums = matrix_at(arrays.accumulators, 0, fan_in + 1, n_lanes)
        placed = matrix_at(arrays.position_deltas, 0, n_positions, n_lanes)
        place_deltas(k, layers, arrays.deltas, arrays.winners, placed)
        n_maps = count_placed(placed, arrays.n_placed, sums, fan_in)
        pairs = np.int64(0)
        first, end = fan_in, fan_in
        if all_learn:
            if layers[k, t.CHANNELS] == 1 and layers[k, t.CONV_STRIDE] == 1:
                rows, columns = border_of(k, layers)
                bordered = matrix_at(arrays.bordered, 0, rows * columns, 2 * n_lanes)
                border_deltas(k, layers, placed, bordered)
                pairs = count_products(k, n_events, layers, arrays.events, arrays.n_placed, arrays.placed_before)
                places, levels = arrays.event_places, arrays.event_levels
                n = pair_events(k, n_events, layers, arrays.inputs, arrays.events, places, levels)
                correlate_channel(k, n, layers, bordered, places, levels, sums)
            else:
                pairs = correlate_events(
                    k, n_events, layers, arrays.inputs, arrays.events, placed, arrays.n_placed, sums
                )
            first = np.int64(0)
            counters[k, t.SKIPPED_INPUTS] += layers[k, t.N_IN] - n_events
            counters[k, t.UPDATE_EVENTS] += n_events
        if has_bias:
            end = fan_in + 1
        shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
        limit, align, has_floor = layers[k, t.STEP_MAX], layers[k, t.ALIGN], layers[k, t.HAS_FLOOR] != 0
        one = np.int64(arrays.inputs[k, layers[k, t.N_IN]])
        if net[t.STOCHASTIC]:
            saturations, cuts = add_kernel_steps_stochastic(
                weights, first, end, sums, one, shift - 8, limit, align, has_floor, arrays
            )
            counters[k, t.RANDOM_DRAWS] += end - first
        else:
            saturations, cuts = add_kernel_steps(weights, first, end, sums, one, shift, limit, align, has_floor)
        counters[k, t.SATURATIONS] += saturations
        counters[k, t.STEP_SATURATIONS] += cuts
        n_kernel = n_maps * (fan_in - first)
        n_biases = np.int64(0)
        if has_bias:
            n_biases = n_maps
            counters[k, t.UPDATE_MACS] += n_active << shared_shift(k, layers)
        counters[k, t.UPDATES] += 1
        counters[k, t.ACTIVE_MAPS] += n_maps
        counters[k, t.UPDATE_PAIRS] += pairs
        counters[k, t.ACTIVATION_READ] += pairs
        counters[k, t.WEIGHT_READ] += n_kernel
        counters[k, t.WEIGHT_WRITE] += n_kernel
        counters[k, t.BIAS_READ] += n_biases
        counters[k, t.BIAS_WRITE] += n_biases
        counters[k, t.ACCUMULATOR_READ] += pairs
        counters[k, t.ACCUMULATOR_WRITE] += pairs
        counters[k, t.UPDATE_MACS] += pairs
        if layers[k, t.HOLDS_DELTAS]:
            counters[k, t.DELTA_READ] += n_active


@inlined
def forward(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute z and q of layer k, and the activations of a hidden layer."""
    if layers[k, t.LAYER_KIND] == t.CONVOLUTION:
        convolve_layer(k, net, layers, arrays, counters)
    else:
        forward_layer(k, net, layers, arrays, counters)


@inlined
def update(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Update layer k if any of its d is not zero, and count what that touches."""
    if layers[k, t.LAYER_KIND] == t.CONVOLUTION:
        update_maps(k, net, layers, arrays, counters)
    else:
        update_layer(k, net, layers, arrays, counters)


@inlined
def pass_gated_maps(net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Count a labelled sample that is not learned: gates and winners were written before anyone knew."""
    for k in range(layers.shape[0]):
        counters[k, t.GATED_SAMPLES] += 1
        counters[k, t.GATED_EVENTS] += arrays.n_events[k]
        if layers[k, t.HOLDS_GATES] and k < layers.shape[0] - 1:
            n_open = count_nonzero(arrays.gates, k, n_gates_of(k, layers))
            counters[k, t.GATE_WRITE] += n_open
            if layers[k, t.HOLDS_WINNERS]:
                counters[k, t.WINNER_WRITE] += n_open


run_steps_of_maps = kernel_variant(
    sample.run_steps,
    __name__,
    "run_steps_of_maps",
    forward_layer=forward,
    modulate_layer=modulate,
    update_layer=update,
    pass_gated=pass_gated_maps,
)
