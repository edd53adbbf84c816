"""Schedule of the engine in Verilog: cycles and accesses that its control takes, exactly.

Its lane works as `hw_models.engine.schedule` says; added is what each state of `el_control.v` takes beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.rules.rule import Signal
from hw_models.engine.schedule import Latency, Schedule, readout_cycles, readout_words, schedule

# Cycles by the states of el_control.v.
START = 1  # BEGIN of a layer
STORE = -1  # an activation is stored while the next neuron is summed, where the schedule has a cycle for it
DRAIN = 3  # DRAIN1 to DRAIN3, behind the last neuron of a layer
DECIDE = 1  # of a sample with a label
FUSED_NEURON = 4  # DRAIN1 to DRAIN3 and CHECK, of a neuron that is updated in the forward pass
SELECTED = 1  # GATE, of an open gate whose modulator is a word of feedback
FUSED_GATE = 4  # SIGNAL1, SIGNAL2, ROUND, GATE, of an open gate whose modulator is a sum
WAITING_GATE = 6  # the same with SCAN and CHECK
SCAN = 1  # the end of the list of gates of a layer
WALK = 1  # the end of the list of errors or deltas of a layer
READOUT = 1  # the begin of a readout of a hidden layer
SHARES = 12  # of an output of a softmax, and one more cycle for all


@dataclass(frozen=True)
class EmittedCounts:
    """What the engine takes for samples.

    Parameters
    ----------
    cycles : total; accesses : words by role, as the counters of el_top name them
    """

    cycles: int
    accesses: dict[str, int]


def emitted_counts(spec: NetworkSpec, labelled: Counters, predicted: Counters) -> EmittedCounts:
    """Return cycles and accesses of the engine in Verilog from the counters of a run.

    Parameters
    ----------
    spec : of dense layers, one rule and no readouts
    labelled, predicted : counters of the samples with a label, and of those without
    """
    regenerated = spec.feedback_format == "lfsr" and any(row.selects_row for row in spec.rules) and not spec.gated
    # words of an LFSR take no cycles: of one row a register has them, and those of others lie in memory
    spec = replace(spec, feedback_format="int8") if spec.feedback_format == "lfsr" else spec
    plain = Latency(start=0)
    plans = [
        schedule(spec, labelled, transposed_read="single", latency=plain),
        schedule(spec, predicted, learning=False, latency=plain),
    ]
    n_samples = [int(one["samples"][0]) for one in (labelled, predicted)]
    of_sample = sum(START + STORE * layer.n_out + DRAIN for layer in spec.layers)
    cycles = sum(plan.total_cycles for plan in plans) + of_sample * sum(n_samples)
    cycles += _learning_overhead(spec, labelled)
    accesses = _accesses(spec, plans, labelled, predicted)
    if regenerated:
        accesses["feedback_read"] = 0
    return EmittedCounts(round(cycles), accesses)


def _learning_overhead(spec: NetworkSpec, activity: Counters) -> int:
    """Return the cycles of the control in samples with a label, beyond those of every sample."""
    samples, gated = int(activity["samples"][0]), int(activity["gated_samples"][0])
    learned, n_layers = samples - gated, len(spec.layers)
    hidden = [k for k in range(n_layers - 1) if spec.layers[k].rule.learns_hidden]
    rule = spec.layers[hidden[0]].rule if hidden else None
    delta = rule is not None and rule.signal is Signal.DELTA
    cycles = DECIDE * samples + WALK * learned * (n_layers if delta else 1)
    if spec.output == "softmax":
        cycles += learned * (SHARES * spec.n_outputs + 1)
    if rule is None:
        return cycles
    if rule.reads_out:
        cycles += _readout_overhead(spec, activity, hidden)
    live = sum(int(activity["live_gates"][k]) for k in hidden)
    if rule.from_label and not spec.gated:
        for k in hidden:
            lanes = 1 if rule.selects_row else spec.n_outputs
            fused = int(activity["signal_lanes"][k]) // lanes  # samples in which the layer has a signal
            cycles += fused * (FUSED_NEURON * spec.layers[k].n_out - DRAIN)
        return cycles + (SELECTED * live if rule.selects_row else (FUSED_GATE - 1) * live)
    cycles += SCAN * learned * (n_layers - 1)
    if rule.selects_row:  # one lane for each gate, which the schedule takes as a row that is selected
        return cycles + (WAITING_GATE + 1) * live
    return cycles + (WAITING_GATE - (2 if delta else 1)) * live


def _sent(activity: Counters, k: int) -> int:
    """Return the activations of hidden layer k that are not zero, of samples that were learned."""
    return int(activity["input_events"][k + 1] - activity["gated_events"][k + 1])


def _readout_overhead(spec: NetworkSpec, activity: Counters, hidden: list[int]) -> int:
    """Return the cycles of readouts, which walk a layer's activations once for each output, beyond the schedule's."""
    learned, n_outputs = int(activity["samples"][0] - activity["gated_samples"][0]), spec.n_outputs
    shares = SHARES * n_outputs + 1 if spec.output == "softmax" else 0
    cycles = len(spec.layers[:-1]) * READOUT * learned
    for k in hidden:
        cycles += n_outputs * _sent(activity, k) + (2 * n_outputs + DRAIN + shares) * learned
    return cycles - round(float(readout_cycles(spec, activity, 1).sum()))


def _accesses(spec: NetworkSpec, plans: list[Schedule], labelled: Counters, predicted: Counters) -> dict[str, int]:
    """Return words by role, and what was cut."""

    def total(which: str, role: str) -> int:
        parts = (getattr(plan, which).get(role, 0.0) for plan in plans)
        return round(sum(float(np.sum(part)) for part in parts))

    last = len(spec.layers) - 1
    walked = [layer.learns and (k == last or spec.holds_deltas(k)) for k, layer in enumerate(spec.layers)]
    lists = [row.signal in (Signal.ERROR, Signal.SIGN_ERROR, Signal.DELTA, Signal.LOCAL_ERROR) for row in spec.rules]
    lanes = sum(int(n) for n, of_list in zip(labelled["gated_signals"], lists, strict=False) if of_list)
    entries = sum(int(n) for n, is_walked in zip(labelled["active_neurons"], walked, strict=True) if is_walked)
    counts = {
        "activation_read": total("reads", "activation"),
        "activation_write": total("writes", "activation"),
        "weight_read": total("reads", "weight") + total("reads", "transposed"),
        "weight_write": total("writes", "weight"),
        "gate_read": total("reads", "gate"),
        "gate_write": total("writes", "gate"),
        "feedback_read": total("reads", "feedback"),
        "delta_read": entries + lanes,
        "delta_write": labelled.total("error_write") + labelled.total("delta_write"),
        "saturations": labelled.total("saturations"),
        "step_saturations": labelled.total("step_saturations"),
        "overflows": labelled.total("overflows") + predicted.total("overflows"),
    }
    for k, row in enumerate(spec.rules):
        if row.reads_out:
            learned = int(labelled["samples"][k] - labelled["gated_samples"][k])
            walked_events = spec.n_outputs * _sent(labelled, k)
            counts["activation_read"] += walked_events - spec.gated * spec.layers[k].n_out * learned
            counts["feedback_read"] += walked_events - round(float(readout_words(spec, labelled, 1)[k]))
    if spec.gated:  # errors are written before anyone knows whether the sample is learned
        del counts["delta_write"]
    return counts
