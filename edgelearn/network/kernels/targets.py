"""One sample with graded targets: numbers of each output in place of a class (contract, sections 3b and 4b).

`run_steps_of_targets` is the body of `sample.run_steps` with other operators for errors and teaching signals. It is
compiled where a network has graded targets, so that others neither run nor compile any of it.
"""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.lanes import inlined, inlined_variant, kernel_variant, leaf
from edgelearn.fixedpoint.records import matrix_at
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.kernels import sample
from edgelearn.network.kernels import tables as t
from edgelearn.network.kernels.detector import judge_row, may_learn, score_term
from edgelearn.network.kernels.feedback import scale_sums, write_signs
from edgelearn.network.kernels.forward import (
    dot_rows,
    index_sums,
    list_nonzero,
    narrow_error,
    sum_rows,
    wrap_sums,
)

AT_ROW, AT_STEP, N_TARGETS, HELD = range(4)  # of GradedArrays.at
LOWEST, HIGHEST = -512, 511  # of a linear output, 256 is 1.0
MOST_ERROR = 255  # errors beyond are clipped
MOST_TARGET = 255  # of a reconstruction


@leaf
def write_outputs(sums, k, n, shift, words):  # type: ignore[no-untyped-def]
    """Round pre-activations to linear outputs: y = sat(rn(z, shift), -512, 511)."""
    for c in range(n):
        z = np.int64(sums[k, c])
        z = (z + (np.int64(1) << (shift - 1))) >> shift if shift > 0 else z << -shift
        words[k, c] = min(max(z, np.int64(LOWEST)), np.int64(HIGHEST))


@leaf
def look_up_outputs(tables, k, n, row, words):  # type: ignore[no-untyped-def]
    """Turn table indices in a row of words into sigmoid outputs, in place; layer k has the table."""
    for c in range(n):
        words[row, c] = tables[k, np.int64(words[row, c]) + 128]


@leaf
def clip_errors(words, k, n, target, dead_zone, errors):  # type: ignore[no-untyped-def]
    """Write e_c = sat(y_c - t_c, -255, 255), zero inside the dead zone."""
    for c in range(n):
        e = min(max(np.int64(words[k, c]) - np.int64(target[0, c]), -MOST_ERROR), MOST_ERROR)
        errors[k, c] = 0 if -dead_zone <= e <= dead_zone else e


@leaf
def fetch_target(arrays_targets, inputs, row, n, shift, target):  # type: ignore[no-untyped-def]
    """Write the targets of a row: those given, or its input levels."""
    for c in range(n):
        if arrays_targets.shape[0] > 0:
            target[0, c] = arrays_targets[row, c]
        else:
            target[0, c] = min(np.int64(inputs[0, c]) << shift, np.int64(MOST_TARGET))


@inlined
def admit_row(row, s, label, arrays):  # type: ignore[no-untyped-def]
    """Return the label of step s, or NO_LABEL where the detector lets the row not be learned."""
    arrays.at[AT_ROW], arrays.at[AT_STEP], arrays.at[HELD] = row, s, 0
    if arrays.settings[d.ACTIVE] and not may_learn(arrays):
        label = np.int64(t.NO_LABEL)
    return label


@inlined
def judge_outputs(label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the outputs, fetch the target where anything reads it, and let the detector judge the row."""
    last = layers.shape[0] - 1
    n, s, words = layers[last, t.N_OUT], arrays.at[AT_STEP], arrays.indices
    if net[t.OUTPUT] == t.OUTPUT_LINEAR:
        write_outputs(arrays.sums, last, n, layers[last, t.SUM_SHIFT], words)
    else:
        look_up_outputs(arrays.tables, last, n, last, words)
    if arrays.outputs.shape[0] > 0:
        for c in range(n):
            arrays.outputs[s, c] = words[last, c]
    judges = arrays.settings[d.ACTIVE] != 0
    if judges or label >= 0:
        fetch_target(arrays.targets, arrays.inputs, arrays.at[AT_ROW], n, net[t.TARGET_SHIFT], arrays.target)
        counters[last, t.LABEL_READ] += n
    if judges:
        score, squared = np.int64(0), arrays.settings[d.SQUARED] != 0
        for c in range(n):
            score += score_term(np.int64(words[last, c]) - np.int64(arrays.target[0, c]), squared)
        arrays.at[HELD] = judge_row(score, s, arrays)


@inlined
def gate_closed(arrays, k, prediction, label, net, layers):  # type: ignore[no-untyped-def]
    """Return whether an alarm keeps the row from being learned."""
    return arrays.at[HELD] != 0


@inlined
def form_errors(label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the errors of the output layer and their signs; list the targets that are not zero."""
    last = layers.shape[0] - 1
    n = layers[last, t.N_OUT]
    clip_errors(arrays.indices, last, n, arrays.target, net[t.DEAD_ZONE], arrays.deltas)
    if layers[last, t.SIGNAL_SHIFT] > 0:
        narrow_error(arrays.deltas, last, n, layers[last, t.SIGNAL_SHIFT], layers[last, t.DELTA_MAX])
    arrays.n_active[last] = list_nonzero(arrays.deltas, last, n, arrays.active)
    write_signs(arrays.deltas, last, n, arrays.signals)
    counters[last, t.ERROR_WRITE] += arrays.n_active[last]
    arrays.at[N_TARGETS] = list_nonzero(arrays.target, 0, n, arrays.target_lanes)


@inlined
def read_out(k, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the local error of hidden layer k in its row of `signals`; return how many lanes of it are not zero."""
    last = layers.shape[0] - 1
    n_outputs, stride = layers[last, t.N_OUT], layers[k, t.FEEDBACK_STRIDE]
    n_words = arrays.n_events[k + 1] * n_outputs
    matrix = matrix_at(arrays.feedback, layers[k, t.FEEDBACK_AT], n_outputs, stride)
    dot_rows(matrix, stride, arrays.inputs, k + 1, np.int16(0), arrays.sums, k)
    counters[k, t.OVERFLOWS] += wrap_sums(arrays.sums, k, n_outputs, net[t.ACCUMULATOR_BITS], arrays.gates, 0)
    if net[t.OUTPUT] == t.OUTPUT_LINEAR:
        write_outputs(arrays.sums, k, n_outputs, layers[k, t.READOUT_SHIFT], arrays.signals)
    else:
        index_sums(arrays.sums, k, n_outputs, layers[k, t.READOUT_SHIFT], arrays.signals)
        look_up_outputs(arrays.tables, last, n_outputs, k, arrays.signals)
    clip_errors(arrays.signals, k, n_outputs, arrays.target, net[t.LOCAL_DEAD_ZONE], arrays.signals)
    if layers[last, t.SIGNAL_SHIFT] > 0:
        narrow_error(arrays.signals, k, n_outputs, layers[last, t.SIGNAL_SHIFT], layers[last, t.DELTA_MAX])
    n_lanes = list_nonzero(arrays.signals, k, n_outputs, arrays.active)
    sample.count_readout(k, n_words, n_lanes, net, layers, arrays, counters)
    return n_lanes


@inlined
def signal_lanes(k, label, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Return how many lanes of the teaching signal of hidden layer k are not zero, and count their reads."""
    last, signal = layers.shape[0] - 1, layers[k, t.SIGNAL]
    if signal == t.SIGNAL_TARGET:
        n_lanes = arrays.at[N_TARGETS]
        counters[k, t.LABEL_READ] += layers[last, t.N_OUT]
    elif signal == t.SIGNAL_LOCAL:
        n_lanes = read_out(k, net, layers, arrays, counters)
        counters[k, t.LABEL_READ] += layers[last, t.N_OUT]
    elif layers[k, t.FEEDBACK] == t.FEEDBACK_DIRECT or k + 1 == last:
        n_lanes = arrays.n_active[last]
        counters[last, t.ERROR_READ] += n_lanes
    else:
        n_lanes = arrays.n_active[k + 1]
        counters[k + 1, t.DELTA_READ] += n_lanes
    return n_lanes


@inlined
def take_target(k, label, n_lanes, n_gates, matrix, net, layers, arrays, counters):  # type: ignore[no-untyped-def]
    """Form the modulators of hidden layer k from the targets: rows of its feedback times the words of the targets."""
    n_out, stride = layers[k, t.N_OUT], layers[k, t.FEEDBACK_STRIDE]
    sum_rows(matrix, stride, arrays.target_lanes, arrays.target, 0, n_lanes, np.int16(0), arrays.sums, k)
    counters[k, t.OVERFLOWS] += wrap_sums(arrays.sums, k, n_out, net[t.ACCUMULATOR_BITS], arrays.gates, 1)
    scale_sums(arrays.sums, k, n_out, layers[k, t.SIGNAL_SHIFT], layers[k, t.MODULATOR_MAX])
    counters[k, t.SIGNAL_MACS] += n_lanes * n_gates


modulate_layer = inlined_variant(
    sample.modulate_layer, __name__, "modulate_layer", signal_lanes=signal_lanes, take_target=take_target
)
run_steps_of_targets = kernel_variant(
    sample.run_steps,
    __name__,
    "run_steps_of_targets",
    admit_row=admit_row,
    judge_outputs=judge_outputs,
    gate_closed=gate_closed,
    form_errors=form_errors,
    modulate_layer=modulate_layer,
)
