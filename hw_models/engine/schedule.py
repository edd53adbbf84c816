"""Schedule of a time-multiplexed engine: cycles and memory accesses from the counts of a run.

The engine has P lanes along the neurons of a layer: one input a cycle is broadcast to a group of P neurons, and one
memory word holds one weight of each. Derivation and sources: docs/cost_model.md, sections 2 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.rules.rule import Locking
from hw_models.constants.technology import rows

UpdateSkip = Literal["none", "sample", "neuron"]
TransposedRead = Literal["adder-tree", "single", "transposable"]
PHASES = ("forward", "signal", "update")
ASSUMED_SAMPLES = 10_000  # enough for fractions of a count
FORWARD_ACTIVITY = ("samples", "input_events")


@dataclass(frozen=True)
class Latency:
    """Cycles of pipeline latency that an engine does not hide.

    Parameters
    ----------
    start : of the forward pass of a layer
    gate : of an open gate, or group of gates, where a modulator is summed
    row : of a hidden neuron, or group of neurons, where the modulator is a selected row of feedback
    """

    start: float = 1.0
    gate: float = 0.0
    row: float = 0.0


@cache
def latency(control: str) -> Latency:
    """Return the latencies of a complete or a one-layer engine, from tables/engine_terms.csv."""
    cycles = {
        r["use"]: float(r["value"]) for r in rows("engine_terms") if (r["unit"], r["control"]) == ("cycles", control)
    }
    return Latency(cycles["forward"], cycles.get("signal", 0.0), cycles.get("target", 0.0))


@dataclass(frozen=True)
class Schedule:
    """Cycles and accesses of a number of samples, one entry per layer.

    Parameters
    ----------
    cycles : float64[K] by phase; the signal phase of a layer computes its modulator
    reads, writes : float64[K] by role, in words of P weights (activations: one a word)
    """

    cycles: dict[str, np.ndarray]
    reads: dict[str, np.ndarray]
    writes: dict[str, np.ndarray]

    @property
    def cycles_by_layer(self) -> np.ndarray:
        return np.asarray(self.cycles["forward"] + self.cycles["signal"] + self.cycles["update"])

    @property
    def total_cycles(self) -> float:
        return float(self.cycles_by_layer.sum())


def assume(
    spec: NetworkSpec,
    input_density: float = 1.0,
    hidden_density: float = 1.0,
    update_density: float = 1.0,
    error_density: float = 1.0,
    update_input_density: float | None = None,
    gate_density: float | None = None,
    readout_density: float | None = None,
) -> Counters:
    """Return the activity of samples nobody ran, from densities between 0 and 1; counts are rounded to whole ones.

    Parameters
    ----------
    input_density, hidden_density : fraction of inputs and hidden activations that are not zero
    update_density : fraction of hidden neurons with a non-zero d
    error_density : fraction of output errors that are not zero
    update_input_density : fraction of inputs that are not zero where a neuron of hidden layer 1 updates; the input
        density where left out
    gate_density : fraction of hidden neurons whose gate is open, so that they take a signal, from which a d of zero may
        follow; the update density where left out
    readout_density : fraction of the errors of a hidden layer's own readout that are not zero, where the rule has one;
        the error density where left out

    Notes
    -----
    Activities are taken as independent, and each sample as the mean one; every sample updates unless its density is 0.

    Raises
    ------
    UserError
        "--... is not allowed"
    """
    for name, density in (
        ("input_density", input_density),
        ("hidden_density", hidden_density),
        ("update_density", update_density),
        ("error_density", error_density),
    ):
        if not 0 <= density <= 1:
            raise UserError(f"--{name.replace('_', '-')} {density:g} is not allowed; give a fraction from 0 to 1")
    activity = Counters.zeros(len(spec.layers))
    rule, last = spec.rule, len(spec.layers) - 1

    def put(name: str, k: int, mean: float) -> None:
        activity[name][k] = round(ASSUMED_SAMPLES * mean)

    taught = error_density > 0 or rule.from_label
    for k, layer in enumerate(spec.layers):
        events = layer.n_in * (input_density if k == 0 else hidden_density)
        put("samples", k, 1)
        put("input_events", k, events)
        if not layer.learns:
            continue
        density = error_density if k == last else update_density * taught
        put("active_neurons", k, layer.n_out * density)
        put("updates", k, density > 0)
        put("update_events", k, events * (density > 0))
        updated = layer.n_in * update_input_density if k == 0 < last and update_input_density is not None else events
        put("update_pairs", k, updated * layer.n_out * density)
        if k == last:
            continue
        lanes = float(_rows(spec, k))
        if not rule.from_label:  # a label has no zeros to skip
            errors = readout_density if rule.reads_out and readout_density is not None else error_density
            lanes *= density if rule.holds_deltas and k < last - 1 else errors
        gates = update_density if gate_density is None else gate_density
        put("open_gates", k, layer.n_out * gates)
        put("live_gates", k, layer.n_out * gates * taught * (density > 0 and lanes > 0))
        put("signal_lanes", k, lanes)
        put("gated_signals", k, layer.n_out * gates * taught * (density > 0) * lanes)
    return activity


def worked(spec: NetworkSpec, activity: Counters, skips_zero_inputs: bool, update_skip: UpdateSkip) -> Counters:
    """Return the activity of a processor that skips less than the simulator: what it cannot skip counts as active.

    Parameters
    ----------
    skips_zero_inputs : whether inputs of zero cost nothing
    update_skip : "neuron" skips neurons with d = 0 and signals of zero; "sample" skips a layer that has only such
        neurons; "none" works through every update
    """
    result = Counters(activity.table.copy())
    layers = spec.layers
    n_in = np.array([layer.n_in for layer in layers])
    n_out = np.array([layer.n_out for layer in layers])
    learns = np.array([layer.learns for layer in layers])
    hidden = learns & (np.arange(len(layers)) < len(layers) - 1)
    samples = activity["samples"]
    if update_skip == "none":
        learned = samples - activity["gated_samples"]
        result["updates"][:] = np.where(learns, learned, 0)
        result["update_events"][:] = np.where(learns, activity["input_events"] - activity["gated_events"], 0)
        if spec.rule.from_label:
            result["signal_lanes"][:] = np.where(hidden, learned * _label_rows(spec), 0)
    if not skips_zero_inputs:
        result["input_events"][:] = n_in * samples
        result["update_events"][:] = n_in * result["updates"]
        result["update_pairs"][:] = n_in * result["active_neurons"]
    if update_skip != "neuron":
        result["active_neurons"][:] = n_out * result["updates"]
        result["update_pairs"][:] = n_out * result["update_events"]
        if len(layers) > 1 and spec.rule.learns_hidden:
            signalled = np.where(hidden, _signalled(spec, result), 0)
            rows = np.array([_rows(spec, k) if hidden[k] else 0 for k in range(len(layers))])
            result["open_gates"][:] = np.where(hidden, n_out * samples, 0)
            result["live_gates"][:] = n_out * signalled
            result["signal_lanes"][:] = rows * signalled
            result["gated_signals"][:] = n_out * rows * signalled
    return result


def _rows(spec: NetworkSpec, k: int) -> int:
    """Signal lanes of hidden layer k when none is zero."""
    if spec.rule.selects_row:
        return 1
    return spec.feedback_rows(k) if spec.rule.stores_feedback else spec.layers[k + 1].n_out


def _label_rows(spec: NetworkSpec) -> int:
    """Signal lanes of a label: one row is selected, or all are added."""
    return 1 if spec.rule.selects_row else spec.n_outputs


def _signalled(spec: NetworkSpec, activity: Counters) -> np.ndarray:
    """Samples in which a hidden layer receives any signal: those in which its sender has one."""
    updates = activity["updates"]
    if spec.rule.from_label:  # all rows of a sample; none of a one-hot target that is zero, with a single output
        return activity["signal_lanes"] // _label_rows(spec)
    if spec.rule.reads_out:  # a readout has no errors before its last sum: modulators follow in any case
        return np.asarray(activity["samples"] - activity["gated_samples"])
    if spec.rule.broadcasts:
        return np.full_like(updates, updates[-1])
    return np.append(updates[1:], 0)


def schedule(
    spec: NetworkSpec,
    activity: Counters,
    lanes: int = 1,
    transposed_read: TransposedRead = "adder-tree",
    learning: bool = True,
    lanes_left_empty: bool = False,
    latency: Latency = Latency(),
) -> Schedule:
    """Return cycles and accesses of an engine with `lanes` lanes.

    Parameters
    ----------
    activity : counts of the work done, see `worked`
    transposed_read : how bp reads weights of one input across neurons. "adder-tree": the lanes' products are summed;
        "single": one weight of each word is used; "transposable": the array also reads along the other side
    learning : whether samples are learned; else only the forward pass counts
    lanes_left_empty : let each active neuron take a step of its own, up to all groups of the layer: an upper bound
    latency : pipeline latencies; of the one-layer engine if left out

    Notes
    -----
    Lanes are taken to be as full as in a layer without zeros: n neurons take n G / N steps, G = ceil(N / P) groups.
    That is exact for one lane, for any number of lanes where neurons are not skipped, and for full activity. Where
    neurons are skipped it means lanes with addresses of their own, which take neurons from a queue, and differs from
    them by less than one group for each queue. Where a word holds fixed neighbours, a group of which one neuron is
    active takes its step: at most the lesser of n and all groups, which is what `lanes_left_empty` counts.
    Source of the terms: cycle counters of two engines in RTL, docs/cost_model.md, section 3.
    """
    if not learning:
        activity = activity.only(FORWARD_ACTIVITY)
    rule, last = spec.rule, len(spec.layers) - 1
    n_out = np.array([layer.n_out for layer in spec.layers])
    n_groups = -(-n_out // lanes)
    samples, events = activity["samples"], activity["input_events"]
    active, pairs = activity["active_neurons"], activity["update_pairs"]
    signals, gated, live = activity["signal_lanes"], activity["gated_signals"], activity["live_gates"]
    zeros = np.zeros(last + 1)
    hidden = np.arange(last + 1) < last

    def grouped(n: np.ndarray, queues: np.ndarray) -> np.ndarray:
        """Steps that take n neurons of a layer out of so many queues, P at a time."""
        if lanes_left_empty:
            n_steps: np.ndarray = np.minimum(n, queues * n_groups)
            return n_steps
        return np.asarray(n * n_groups / n_out)

    forward_steps = (events + samples) * n_groups  # the bias is one more input
    forward_cycles = forward_steps + 2.0 * n_groups * samples + latency.start * samples
    cycles = {"forward": forward_cycles, "signal": zeros, "update": zeros}
    reads = {"weight": forward_steps.astype(float), "activation": (events * n_groups).astype(float)}
    writes = {"activation": events.astype(float)}
    if not learning:
        return Schedule(cycles, reads, writes)

    updates, update_events = activity["updates"], activity["update_events"]
    update_steps = grouped(pairs + active, update_events + updates)
    neuron_steps = grouped(active, updates)
    stored = ~hidden | rule.holds_deltas  # the output layer's d is its stored error
    cycles["update"] = 2.0 * update_steps + np.where(stored, 2.0 * neuron_steps, 0)
    reads["weight"] = reads["weight"] + update_steps
    reads["activation"] = reads["activation"] + grouped(pairs, update_events)
    writes["weight"] = update_steps
    reads["residual"] = writes["residual"] = update_steps

    gated_samples = np.where(hidden, samples, 0)
    signal_steps, gate_steps = grouped(gated, signals), grouped(live, gated_samples)
    if spec.regenerates_feedback:  # a generator steps for every neuron, gated or not
        signal_steps = signals * n_groups
    if rule.weight_transport and transposed_read == "adder-tree":
        above, groups_above = np.append(n_out[1:], 1), np.append(n_groups[1:], 0)
        signal_steps = gated * groups_above / above
        if lanes_left_empty:
            signal_steps = np.minimum(gated, live * groups_above)
    elif rule.weight_transport and transposed_read == "single":
        signal_steps = gated.astype(float)
    if rule.selects_row:
        cycles["signal"] = latency.row * n_groups * np.where(hidden, signals, 0)
    elif rule.broadcasts or rule.reads_out:
        cycles["signal"] = signal_steps + (1.0 + latency.gate) * gate_steps + readout_cycles(spec, activity, lanes)
    elif rule.holds_deltas:  # two cycles to drain and store a delta, lane by lane where the lanes are summed
        summed = rule.weight_transport and transposed_read != "transposable"
        cycles["signal"] = signal_steps + (2.0 + latency.gate) * (live if summed else gate_steps)
    if rule.stores_feedback or rule.weight_transport:
        words = np.where(hidden, signal_steps, 0) + readout_words(spec, activity, lanes)
        reads["feedback"] = zeros if spec.regenerates_feedback else words
    if rule.reads_out and spec.gated:  # activations are fetched again
        reads["activation"] = reads["activation"] + np.append([0], (n_out * _learned(spec, activity))[:-1])
    if spec.locking is not Locking.NONE:
        writes["gate"] = np.where(hidden, grouped(activity["open_gates"], gated_samples), 0)
        reads["gate"] = gate_steps
    if rule.holds_deltas:
        writes["delta"] = gate_steps  # every modulated gate has its store cycle
        below = np.arange(last + 1) < last - 1  # the layer under the output reads errors instead
        reads["delta"] = np.where(hidden, neuron_steps, 0) + np.where(below, signal_steps, 0)
    return Schedule(cycles, reads, writes)


def readout_words(spec: NetworkSpec, activity: Counters, lanes: int) -> np.ndarray:
    """Return the words of feedback that readouts of hidden layers take: all rows, for each group of neurons."""
    if not spec.rule.reads_out:
        return np.zeros(len(spec.layers))
    n_groups = np.array([-(-layer.n_out // lanes) for layer in spec.layers])
    return np.asarray(spec.n_outputs * n_groups * _learned(spec, activity), np.float64)


def readout_cycles(spec: NetworkSpec, activity: Counters, lanes: int) -> np.ndarray:
    """Return the cycles of readouts of hidden layers, which come before their modulators.

    Notes
    -----
    Activations are still in the lanes that made them: a word of feedback and an adder tree over the lanes give a part
    of one sum in each cycle, zeros or not. One cycle drains the last, and one for each output turns its sum into an
    error. Behind an update gate activations are fetched again, one a cycle.
    """
    if not spec.rule.reads_out:
        return np.zeros(len(spec.layers))
    fetched = np.array([layer.n_out * spec.gated for layer in spec.layers])
    more = (1.0 + spec.n_outputs + fetched) * _learned(spec, activity)
    return np.asarray(readout_words(spec, activity, lanes) + more)


def _learned(spec: NetworkSpec, activity: Counters) -> np.ndarray:
    """Learned samples of each hidden layer."""
    learned = activity["samples"] - activity["gated_samples"]
    return np.asarray(np.where(np.arange(len(spec.layers)) < len(spec.layers) - 1, learned, 0))
