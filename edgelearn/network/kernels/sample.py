"""One sample through the network, and a run of samples: forward, third factors, updates, counters.

The order of calls is the journey of a sample. What a rule needs is read from the integer tables; no rule is
named here.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, kernel, leaf
from edgelearn.fixedpoint.records import matrix_at, reference
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.arrays import BATCH
from edgelearn.network.kernels.feedback import copy_row, count_nonzero, gate, scale_sums, sum_signed_rows, write_signs
from edgelearn.network.kernels.forward import (
    activate,
    dot_rows,
    drop_small,
    first_maximum,
    index_sums,
    list_events,
    list_nonzero,
    narrow_error,
    output_error,
    output_scores,
    padded_columns,
    sum_rows,
    sum_rows_narrow,
    wrap_sums,
)
from edgelearn.network.kernels.readout import readout_errors
from edgelearn.network.kernels.update import (
    add_biases,
    add_products,
    add_rows,
    add_rows_bounded,
    add_rows_stochastic,
    count_cuts,
    draw,
    fits_words,
    largest_magnitude,
    round_steps,
    round_steps_narrow,
    share_slots,
    split_steps,
    split_steps_narrow,
    spread_draws,
)


@inlined
def columns_of(k, layers):  # type: ignore[no-untyped-def]
    """Return the columns of the weight matrix that are in use, rounded up to whole vectors."""
    return padded_columns(layers[k, t.N_OUT] if layers[k, t.EVENT_MAJOR] else layers[k, t.N_IN] + 1)


@inlined
def forward_layer(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute z and q of layer k from its inputs; activate a hidden layer."""
    last = layers.shape[0] - 1
    n_out, n_events = layers[k, t.N_OUT], arrays.n_events[k]
    shift, columns = np.int16(layers[k, t.VIEW_SHIFT]), columns_of(k, layers)
    weights = matrix_at(arrays.weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    if layers[k, t.EVENT_MAJOR] and layers[k, t.NARROW_SUMS]:
        sum_rows_narrow(weights, columns, arrays.events, arrays.inputs, k, n_events + 1, shift, arrays.sums, k)
    elif layers[k, t.EVENT_MAJOR]:
        sum_rows(weights, columns, arrays.events, arrays.inputs, k, n_events + 1, shift, arrays.sums, k)
    else:
        dot_rows(weights, columns, arrays.inputs, k, shift, arrays.sums, k)
    counters[k, t.OVERFLOWS] += wrap_sums(arrays.sums, k, n_out, net[t.ACCUMULATOR_BITS], arrays.gates, 0)
    index_sums(arrays.sums, k, n_out, layers[k, t.SUM_SHIFT], arrays.indices)
    if k < last:
        n_above, n_gates = activate(arrays.indices, arrays.tables, k, n_out, arrays.inputs, arrays.gates, arrays.sums)
        if net[t.EVENT_THRESHOLD] > 0:
            n_above = drop_small(arrays.inputs, k + 1, n_out, net[t.EVENT_THRESHOLD])
        arrays.n_events[k + 1] = n_above
        if layers[k + 1, t.EVENT_MAJOR] or net[t.STOCHASTIC]:
            list_nonzero(arrays.inputs, k + 1, n_out, arrays.events)
        counters[k, t.OPEN_GATES] += n_gates
    counters[k, t.SAMPLES] += 1
    counters[k, t.INPUT_EVENTS] += n_events
    counters[k, t.ACTIVATION_WRITE] += n_events
    counters[k, t.ACTIVATION_READ] += n_events
    counters[k, t.WEIGHT_READ] += n_events * n_out
    counters[k, t.BIAS_READ] += n_out
    counters[k, t.FORWARD_MACS] += n_events * n_out


@inlined
def count_readout(k, n_words, n_lanes, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Count what a readout of hidden layer k takes, without its label: n_words of feedback, n_lanes of its error."""
    counters[k, t.SIGNAL_MACS] += n_words
    counters[k, t.ERROR_WRITE] += n_lanes
    counters[k, t.ERROR_READ] += n_lanes
    if layers[k, t.REGENERATED]:
        counters[k, t.LFSR_STEPS] += 2 * layers[k, t.N_OUT] * layers[layers.shape[0] - 1, t.N_OUT]
    else:
        counters[k, t.FEEDBACK_READ] += n_words
    if net[t.UPDATE_GATE] != t.GATE_ALWAYS:  # activations wait for the prediction; else they are taken as they are made
        counters[k + 1, t.ACTIVATION_READ] += arrays.n_events[k + 1]


@inlined
def read_out(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the local error of hidden layer k in its row of `signals`; return how many lanes of it are not zero."""
    last = layers.shape[0] - 1
    n_outputs, stride = layers[last, t.N_OUT], layers[k, t.FEEDBACK_STRIDE]
    n_words = arrays.n_events[k + 1] * n_outputs
    matrix = matrix_at(arrays.feedback, layers[k, t.FEEDBACK_AT], n_outputs, stride)
    dot_rows(matrix, stride, arrays.inputs, k + 1, np.int16(0), arrays.sums, k)
    counters[k, t.OVERFLOWS] += wrap_sums(arrays.sums, k, n_outputs, net[t.ACCUMULATOR_BITS], arrays.gates, 0)
    index_sums(arrays.sums, k, n_outputs, layers[k, t.READOUT_SHIFT], arrays.signals)
    softmax = net[t.OUTPUT] == t.OUTPUT_SOFTMAX
    readout_errors(arrays.signals, k, n_outputs, arrays.tables, last, softmax, label, net[t.LOCAL_DEAD_ZONE])
    if layers[last, t.SIGNAL_SHIFT] > 0:
        narrow_error(arrays.signals, k, n_outputs, layers[last, t.SIGNAL_SHIFT], layers[last, t.DELTA_MAX])
    n_lanes = list_nonzero(arrays.signals, k, n_outputs, arrays.active)
    counters[k, t.LABEL_READ] += 1
    count_readout(k, n_words, n_lanes, net, layers, arrays, counters)
    return n_lanes


@inlined
def signal_lanes(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Return how many lanes of the teaching signal of hidden layer k are not zero, and count their reads."""
    last = layers.shape[0] - 1
    signal = layers[k, t.SIGNAL]
    if signal == t.SIGNAL_TARGET:
        counters[k, t.LABEL_READ] += 1
        n_lanes = np.int64(1) if layers[last, t.N_OUT] > 1 else np.int64(label)
    elif signal == t.SIGNAL_SIGNED_TARGET:
        counters[k, t.LABEL_READ] += 1
        n_lanes = np.int64(layers[last, t.N_OUT])
    elif signal == t.SIGNAL_LOCAL:
        n_lanes = read_out(k, label, net, layers, arrays, counters)
    elif layers[k, t.FEEDBACK] == t.FEEDBACK_DIRECT or k + 1 == last:
        n_lanes = arrays.n_active[last]
        counters[last, t.ERROR_READ] += n_lanes
    else:
        n_lanes = arrays.n_active[k + 1]
        counters[k + 1, t.DELTA_READ] += n_lanes
    return n_lanes


@inlined
def take_target(k, label, n_lanes, n_gates, matrix, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the modulators of hidden layer k from the target: one row of its feedback."""
    copy_row(matrix, label if layers[layers.shape[0] - 1, t.N_OUT] > 1 else 0, layers[k, t.N_OUT], arrays.sums, k)
    if layers[k, t.SIGNAL_SHIFT] > 0:
        scale_sums(arrays.sums, k, layers[k, t.N_OUT], layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX])


@inlined
def modulate_layer(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Compute d of hidden layer k from the teaching signal and the gates."""
    last = layers.shape[0] - 1
    n_out = layers[k, t.N_OUT]
    signal, feedback = layers[k, t.SIGNAL], layers[k, t.FEEDBACK]
    n_lanes = signal_lanes(k, label, net, layers, arrays, counters)
    n_gates = count_nonzero(arrays.gates, k, n_out)
    n_active = 0
    if n_lanes == 0:
        arrays.deltas[k, :n_out] = 0
    else:
        source = last if feedback == t.FEEDBACK_DIRECT else k + 1  # the layer where the teaching signal lives
        n_rows, stride = layers[source, t.N_OUT], layers[k, t.FEEDBACK_STRIDE]
        columns = stride
        if signal == t.SIGNAL_LOCAL:
            source = k
        if feedback == t.FEEDBACK_TRANSPOSE:
            start, n_rows, stride = layers[source, t.WEIGHT_AT], layers[source, t.ROWS], layers[source, t.STRIDE]
            matrix, columns = matrix_at(arrays.weights, start, n_rows, stride), columns_of(source, layers)
            shift = np.int16(layers[source, t.VIEW_SHIFT])
            counters[source, t.WEIGHT_READ] += n_lanes * n_gates
        else:
            matrix = matrix_at(arrays.feedback, layers[k, t.FEEDBACK_AT], n_rows, stride)
            shift = np.int16(0)
            if layers[k, t.REGENERATED]:
                counters[k, t.LFSR_STEPS] += 2 * n_out * n_lanes
            else:
                counters[k, t.FEEDBACK_READ] += n_lanes * n_gates
        if signal == t.SIGNAL_TARGET:
            take_target(k, label, n_lanes, n_gates, matrix, net, layers, arrays, counters)
        else:
            factors = arrays.signals if signal == t.SIGNAL_SIGN or signal == t.SIGNAL_LOCAL else arrays.deltas
            if signal == t.SIGNAL_SIGNED_TARGET:
                target = label if n_rows > 1 else np.int64(label) - 1  # one output: its row is the target of label 1
                sum_signed_rows(matrix, columns, target, n_rows, arrays.sums, k)
            elif feedback == t.FEEDBACK_TRANSPOSE and layers[source, t.EVENT_MAJOR]:
                dot_rows(matrix, columns, factors, source, shift, arrays.sums, k)
            else:
                sum_rows(matrix, columns, arrays.active, factors, source, n_lanes, shift, arrays.sums, k)
            counters[k, t.OVERFLOWS] += wrap_sums(arrays.sums, k, n_out, net[t.ACCUMULATOR_BITS], arrays.gates, 1)
            scale_sums(arrays.sums, k, n_out, layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX])
            counters[k, t.SIGNAL_MACS] += n_lanes * n_gates
        n_active = gate(arrays.sums, arrays.gates, k, n_out, layers[k, t.DELTA_MAX], arrays.deltas)
        if layers[k, t.HOLDS_DELTAS] or not layers[k, t.EVENT_MAJOR]:
            list_nonzero(arrays.deltas, k, n_out, arrays.active)
        counters[k, t.LIVE_GATES] += n_gates
        counters[k, t.GATE_PRODUCTS] += n_gates
        if layers[k, t.HOLDS_GATES]:
            counters[k, t.GATE_READ] += n_gates
    arrays.n_active[k] = n_active
    if layers[k, t.HOLDS_GATES]:
        counters[k, t.GATE_WRITE] += n_gates
    if layers[k, t.HOLDS_DELTAS]:
        counters[k, t.DELTA_WRITE] += n_active
    counters[k, t.SIGNAL_LANES] += n_lanes
    counters[k, t.GATED_SIGNALS] += n_lanes * n_gates


@inlined
def round_row(k, factor, slot, factors, largest, shift, net, layers, arrays):  # type: ignore[no-untyped-def]
    """Round the steps of a row whose factor is given; note how many were cut."""
    columns, limit, align = columns_of(k, layers), layers[k, t.STEP_MAX], layers[k, t.ALIGN]
    steps = arrays.steps
    if net[t.STOCHASTIC] and fits_words(largest * abs(factor), shift, limit * 256):
        split_steps_narrow(factors, k, factor, columns, shift, align, steps, arrays.fractions, slot)
        cut = np.int64(0)
    elif net[t.STOCHASTIC]:
        cut = split_steps(factors, k, factor, columns, shift, limit, align, steps, arrays.fractions, slot)
    elif fits_words(largest * abs(factor), shift, limit):
        round_steps_narrow(factors, k, factor, columns, shift, align, steps, slot)
        cut = np.int64(0)
    else:
        cut = round_steps(factors, k, factor, columns, shift, limit, align, steps, slot)
    arrays.slots[1, slot] = cut


@inlined
def add_outer_product(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Add the rounded outer product of inputs and d to the words of layer k, biases included."""
    n_events, n_active = arrays.n_events[k], arrays.n_active[k]
    event_major, keeps_levels = layers[k, t.EVENT_MAJOR], layers[k, t.KEEPS_LEVELS]
    columns = columns_of(k, layers)
    weights = matrix_at(arrays.weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    lsb = np.int16(1 << layers[k, t.ALIGN])
    shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
    if event_major:
        rows, row_factors, factors, n_rows = arrays.events, arrays.inputs, arrays.deltas, n_events + 1
    else:
        rows, row_factors, factors, n_rows = arrays.active, arrays.deltas, arrays.inputs, n_active
    stochastic = net[t.STOCHASTIC]
    if stochastic:
        shift = shift - 8
        draw(arrays.generator, n_events + 1, arrays.draws)
        if not event_major:
            spread_draws(arrays.draws, arrays.events, k, n_events, arrays.random)
        counters[k, t.RANDOM_DRAWS] += n_events + 1
    if not keeps_levels and not stochastic and not layers[k, t.HAS_FLOOR]:
        limit, align = layers[k, t.STEP_MAX], layers[k, t.ALIGN]
        saturations, cuts = add_products(weights, columns, rows, k, n_rows, row_factors, factors, shift, limit, align)
        counters[k, t.SATURATIONS] += saturations
        counters[k, t.STEP_SATURATIONS] += cuts
        return
    largest = largest_magnitude(factors, k, columns)
    slots = arrays.slots
    saturations = np.int64(0)
    cuts = np.int64(0)
    present = np.int64(0)
    if keeps_levels:  # rows of one input level share its slot
        present = share_slots(rows, row_factors, k, n_rows, slots)
    batch = n_rows if keeps_levels else BATCH
    for first in range(0, n_rows, batch):
        end = min(first + batch, n_rows)
        for slot in range(BATCH if keeps_levels else end - first):
            factor = np.int64(slot)
            if not keeps_levels:
                slots[0, first + slot] = slot
                factor = np.int64(row_factors[k, rows[k, first + slot]])
            if not keeps_levels or (present >> slot) & 1:
                round_row(k, factor, slot, factors, largest, shift, net, layers, arrays)
                cuts += slots[1, slot]
        if stochastic:
            saturations += add_rows_stochastic(weights, columns, rows, k, first, end, arrays, lsb, event_major)
        elif layers[k, t.HAS_FLOOR]:
            saturations += add_rows_bounded(weights, columns, rows, k, first, end, slots, arrays.steps, arrays.floors)
        else:
            saturations += add_rows(weights, columns, rows, k, first, end, slots, arrays.steps)
        present = np.int64(0)  # rounded for all batches
    if keeps_levels and cuts > 0:
        cuts = count_cuts(slots, n_rows)
    counters[k, t.SATURATIONS] += saturations
    counters[k, t.STEP_SATURATIONS] += cuts


@inlined
def add_to_biases(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Add the rounded steps of d to the biases of layer k alone."""
    place, event_major = layers[k, t.N_IN], layers[k, t.EVENT_MAJOR] != 0
    weights = matrix_at(arrays.weights, layers[k, t.WEIGHT_AT], layers[k, t.ROWS], layers[k, t.STRIDE])
    shift = min(layers[k, t.STEP_SHIFT] + net[t.HALVINGS], 30)
    stochastic = net[t.STOCHASTIC] != 0
    if stochastic:
        shift = shift - 8
        draw(arrays.generator, 1, arrays.draws)
        counters[k, t.RANDOM_DRAWS] += 1
    one, limit, align = np.int64(arrays.inputs[k, place]), layers[k, t.STEP_MAX], layers[k, t.ALIGN]
    saturations, cuts = add_biases(
        weights, k, place, layers[k, t.N_OUT], event_major, one, arrays.deltas, shift, limit, align, arrays, stochastic
    )
    counters[k, t.SATURATIONS] += saturations
    counters[k, t.STEP_SATURATIONS] += cuts


@inlined
def update_layer(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Update layer k if any of its d is not zero, and count what that touches."""
    n_events, n_active = arrays.n_events[k], arrays.n_active[k]
    counters[k, t.ACTIVE_NEURONS] += n_active
    counters[k, t.SKIPPED_NEURONS] += layers[k, t.N_OUT] - n_active
    if n_active > 0:
        if layers[k, t.LEARNS] == t.BIASES:
            add_to_biases(k, net, layers, arrays, counters)
            n_events = np.int64(0)
        else:
            add_outer_product(k, net, layers, arrays, counters)
            counters[k, t.SKIPPED_INPUTS] += layers[k, t.N_IN] - n_events
        pairs = n_events * n_active
        counters[k, t.UPDATES] += 1
        counters[k, t.UPDATE_EVENTS] += n_events
        counters[k, t.UPDATE_PAIRS] += pairs
        counters[k, t.ACTIVATION_READ] += pairs
        counters[k, t.WEIGHT_READ] += pairs
        counters[k, t.WEIGHT_WRITE] += pairs
        counters[k, t.BIAS_READ] += n_active
        counters[k, t.BIAS_WRITE] += n_active
        counters[k, t.UPDATE_MACS] += pairs + n_active
        if k == layers.shape[0] - 1:
            counters[k, t.ERROR_READ] += n_active
        elif layers[k, t.HOLDS_DELTAS]:
            counters[k, t.DELTA_READ] += n_active


@leaf
def price(figure, which, device, counters):  # type: ignore[no-untyped-def]
    """Return what the counts of one table cost so far: figure 0 in ticks, 1 in units of energy."""
    total = np.int64(0)
    for k in range(counters.shape[1]):
        for column in range(t.SAMPLES, counters.shape[2]):
            total += device.prices[figure, which, k, column] * counters[which, k, column]
    return total


@leaf
def price_gated(arrays, device):  # type: ignore[no-untyped-def]
    """Return what the sample at hand costs more when it is gated: less than nothing where updates skip no zeros."""
    total = np.int64(0)
    for k in range(device.prices.shape[2]):
        prices = device.prices[1, 0, k]
        total += prices[t.GATED_SAMPLES] + prices[t.GATED_EVENTS] * arrays.n_events[k]
    return total


@leaf
def gate_closed(arrays, k, prediction, label, net, layers):  # type: ignore[no-untyped-def]
    """Return whether there is nothing to learn: the prediction is right, and leads by enough where that is asked."""
    if prediction != label:
        return False
    if net[t.UPDATE_GATE] == t.GATE_ERROR:
        return True
    n = layers[k, t.N_OUT]
    lead = np.int64(arrays.indices[k, 0])
    if n == 1:
        lead = lead if label == 1 else -lead
    else:
        lead = np.int64(256)
        for c in range(n):
            if c != label:
                lead = min(lead, np.int64(arrays.indices[k, label]) - np.int64(arrays.indices[k, c]))
    return lead > net[t.MARGIN]


@inlined
def form_errors(label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the errors of the output layer, and their signs, which some hidden layers take instead."""
    last = layers.shape[0] - 1
    n_outputs = layers[last, t.N_OUT]
    softmax = net[t.OUTPUT] == t.OUTPUT_SOFTMAX
    output_scores(arrays.indices, arrays.tables, last, n_outputs, softmax, arrays.scores, 0)
    output_error(arrays.scores, last, n_outputs, label, net[t.DEAD_ZONE], arrays.deltas)
    if layers[last, t.SIGNAL_SHIFT] > 0:
        narrow_error(arrays.deltas, last, n_outputs, layers[last, t.SIGNAL_SHIFT], layers[last, t.DELTA_MAX])
    arrays.n_active[last] = list_nonzero(arrays.deltas, last, n_outputs, arrays.active)
    write_signs(arrays.deltas, last, n_outputs, arrays.signals)
    counters[last, t.ERROR_WRITE] += arrays.n_active[last]


@inlined
def admit_row(row, s, label, arrays):  # type: ignore[no-untyped-def]
    """Return the label of step s, or NO_LABEL where the row may not be learned: the label as it is."""
    return label


@inlined
def judge_outputs(label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Take what the outputs say before learning; count the words of the label that are read."""
    if label >= 0:
        counters[layers.shape[0] - 1, t.LABEL_READ] += 1


@inlined
def pass_gated(net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Count a labelled sample that is not learned: gates were written before anyone knew."""
    for k in range(layers.shape[0]):
        counters[k, t.GATED_SAMPLES] += 1
        counters[k, t.GATED_EVENTS] += arrays.n_events[k]
        if layers[k, t.HOLDS_GATES] and k < layers.shape[0] - 1:
            counters[k, t.GATE_WRITE] += count_nonzero(arrays.gates, k, layers[k, t.N_OUT])


@kernel
def run_steps(net, layers, arrays, levels, steps, device, results, counters):  # type: ignore[no-untyped-def]
    """Take steps one after another: predict a row and learn it if its label is known, or learn an earlier row.

    Parameters
    ----------
    net : int64[NET_COLUMNS]; layers : int64[K, LAYER_COLUMNS]; arrays : Arrays
    levels : uint8[rows, n_in], input levels
    steps : int64[n, 3], columns ROW, LABEL (or NO_LABEL) and KIND of `tables`
    device : Device, in time where its settings say so
    results : Results, written
    counters : int64[2, K, len(COUNTERS)], added to: labelled samples, samples that were only predicted
    """
    arrays, device, results = reference(arrays), reference(device), reference(results)
    last = layers.shape[0] - 1
    settings, clock = device.settings, device.clock
    timed, budgeted = settings[t.TIMED] != 0, settings[t.BUDGETED] != 0
    priced = settings[t.PRICED] != 0
    if priced:
        for which in range(2):
            device.spent[0, which] = price(0, which, device, counters)
            device.spent[1, which] = price(1, which, device, counters)
    waits = False
    for s in range(steps.shape[0]):
        row, label = steps[s, t.ROW], steps[s, t.LABEL]
        late = steps[s, t.KIND] == t.LEARN_LATE
        arrival = device.arrivals[s] if timed else np.int64(0)
        if budgeted:
            clock[t.BUDGET] = min(clock[t.BUDGET] + device.credits[s], settings[t.BUDGET_CAP])
        place = clock[t.ADMITTED] % device.finishes.shape[0]
        if not late:
            results.dropped[row] = timed and device.finishes[place] > arrival
            waits = timed and clock[t.BUSY_UNTIL] > arrival  # a late label waits with the sample it comes with
        if results.dropped[row]:
            results.predictions[s] = -1
            results.statuses[s] = t.DROPPED
            continue
        label = admit_row(row, s, label, arrays)
        which = 0 if label >= 0 else 1
        table = counters[which]

        arrays.n_events[0] = list_events(levels, row, net[t.SIGNED_INPUTS], arrays.inputs, arrays.events)
        for k in range(last + 1):
            forward_layer(k, net, layers, arrays, table)
        judge_outputs(label, net, layers, arrays, table)
        live, n_outputs = net[t.LIVE_OUTPUTS], layers[last, t.N_OUT]
        prediction = np.int64(0)
        if live > 1 or n_outputs == 1:
            prediction = first_maximum(arrays.sums, last, live)
        results.predictions[s] = prediction
        if results.scores.shape[0] > 0:
            softmax = net[t.OUTPUT] == t.OUTPUT_SOFTMAX
            output_scores(arrays.indices, arrays.tables, last, n_outputs, softmax, results.scores, s)
            for c in range(live, n_outputs):
                results.scores[s, c] = 0
        status = 0
        before = np.int64(0)
        if label >= 0:
            net[t.LIVE_OUTPUTS] = min(max(live, label + 1), n_outputs)
            if waits and settings[t.SKIP_WAITING]:
                status = t.WAITED
            elif budgeted and clock[t.BUDGET] <= 0:
                status = t.OVER_BUDGET
            elif net[t.UPDATE_GATE] != t.GATE_ALWAYS and gate_closed(arrays, last, prediction, label, net, layers):
                status = t.GATED
            if status == 0:
                status = t.LEARNED
                if budgeted:  # what it would have come to, had it been gated
                    before = price(1, 0, device, counters) + price_gated(arrays, device)
                form_errors(label, net, layers, arrays, table)
                for k in range(last - 1, -1, -1):
                    if layers[k, t.SIGNAL] != t.SIGNAL_NONE:
                        modulate_layer(k, label, net, layers, arrays, table)
                for turn in range(last + 1):  # `place` is that of the sample in the queue
                    k = last - turn if net[t.LAST_TO_FIRST] else turn
                    if layers[k, t.LEARNS]:
                        update_layer(k, net, layers, arrays, table)
                    else:
                        table[k, t.ACTIVE_NEURONS] += arrays.n_active[k]
            else:
                pass_gated(net, layers, arrays, table)
        if priced:
            energy = price(1, which, device, counters)
            results.energies[s] = energy - device.spent[1, which]
            device.spent[1, which] = energy
            if budgeted and status == t.LEARNED:
                clock[t.BUDGET] -= energy - before
        if timed:
            ticks = price(0, which, device, counters)
            work = ticks - device.spent[0, which]
            device.spent[0, which] = ticks
            clock[t.BUSY_TICKS] += work
            if late:
                clock[t.BUSY_UNTIL] += work
            else:
                finish = max(arrival, clock[t.BUSY_UNTIL]) + work
                clock[t.BUSY_UNTIL] = finish
                device.finishes[place] = finish
                clock[t.ADMITTED] += 1
                clock[t.RESPONSES] += finish - arrival
                clock[t.LONGEST] = max(clock[t.LONGEST], finish - arrival)
                if finish - arrival > settings[t.DEADLINE]:
                    status |= t.LATE
        results.statuses[s] = status
