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
    reads, writes : float64[K] by role, in words of P weights (activations: one a word). "transposed" are reads of
        weights, or frozen ones, of the layer above as feedback; "frozen" are those of words that never learn, where
        they lie apart
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
    last = len(spec.layers) - 1

    def put(name: str, k: int, mean: float) -> None:
        activity[name][k] = round(ASSUMED_SAMPLES * mean)

    def taught(k: int) -> bool:
        return error_density > 0 or spec.layers[k].rule.from_label

    for k, layer in enumerate(spec.layers):
        rule = layer.rule
        events = layer.n_in * (input_density if k == 0 else hidden_density)
        put("samples", k, 1)
        put("input_events", k, events)
        if k < last and not rule.learns_hidden:
            continue
        density = error_density if k == last else update_density * taught(k)
        put("active_neurons", k, layer.n_out * density)
        put("updates", k, layer.learns and density > 0)
        if layer.learned == "all":
            put("update_events", k, events * (density > 0))
            is_first = k == 0 < last and update_input_density is not None
            updated = layer.n_in * (update_input_density or 0.0) if is_first else events
            put("update_pairs", k, updated * layer.n_out * density)
        if k == last:
            continue
        lanes = float(_rows(spec, k))
        if not rule.from_label:  # a label has no zeros to skip
            errors = readout_density if rule.reads_out and readout_density is not None else error_density
            lanes *= update_density * taught(k + 1) if rule.holds_deltas and k < last - 1 else errors
        gates = update_density if gate_density is None else gate_density
        put("open_gates", k, layer.n_out * gates)
        put("live_gates", k, layer.n_out * gates * taught(k) * (density > 0 and lanes > 0))
        put("signal_lanes", k, lanes)
        put("gated_signals", k, layer.n_out * gates * taught(k) * (density > 0) * lanes)
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
    weights_learn = np.array([layer.learned == "all" for layer in layers])
    hidden = np.array([layer.rule.learns_hidden for layer in layers])  # that form a d
    samples = activity["samples"]
    if update_skip == "none":
        learned = samples - activity["gated_samples"]
        result["updates"][:] = np.where(learns, learned, 0)
        result["update_events"][:] = np.where(weights_learn, activity["input_events"] - activity["gated_events"], 0)
        label_rows = np.array([_label_rows(spec, k) for k in range(len(layers))])
        result["signal_lanes"][:] = np.where(label_rows > 0, learned * label_rows, result["signal_lanes"])
    if not skips_zero_inputs:
        result["input_events"][:] = n_in * samples
        result["update_events"][:] = n_in * result["updates"] * weights_learn
        result["update_pairs"][:] = n_in * result["active_neurons"] * weights_learn
    if update_skip != "neuron":
        signalled = np.where(hidden | (np.arange(len(layers)) == len(layers) - 1), _signalled(spec, result), 0)
        result["active_neurons"][:] = n_out * np.where(learns, result["updates"], signalled)
        result["update_pairs"][:] = n_out * result["update_events"]
        rows = np.array([_rows(spec, k) if hidden[k] else 0 for k in range(len(layers))])
        result["open_gates"][:] = np.where(hidden, n_out * samples, result["open_gates"])
        result["live_gates"][:] = np.where(hidden, n_out * signalled, result["live_gates"])
        result["signal_lanes"][:] = np.where(hidden, rows * signalled, result["signal_lanes"])
        result["gated_signals"][:] = np.where(hidden, n_out * rows * signalled, result["gated_signals"])
    return result


def _rows(spec: NetworkSpec, k: int) -> int:
    """Signal lanes of hidden layer k when none is zero."""
    rule = spec.layers[k].rule
    if rule.selects_row:
        return 1
    return spec.feedback_rows(k) if rule.stores_feedback else spec.layers[k + 1].n_out


def _label_rows(spec: NetworkSpec, k: int) -> int:
    """Signal lanes of a label in layer k: one row is selected, or all are added; 0 where no label teaches it."""
    rule = spec.layers[k].rule
    if not rule.from_label:
        return 0
    return 1 if rule.selects_row else spec.n_outputs


def _signalled(spec: NetworkSpec, activity: Counters) -> np.ndarray:
    """Samples in which a hidden layer receives any signal: those in which its sender has one."""
    learned = activity["samples"] - activity["gated_samples"]
    found = np.where([layer.learns for layer in spec.layers], activity["updates"], learned)
    last = len(spec.layers) - 1
    senders = found.copy()  # samples in which a layer has a d
    for k in reversed(range(last)):
        rule = spec.layers[k].rule
        if rule.from_label:  # all rows of a sample; none of a one-hot target that is zero, with a single output
            found[k] = activity["signal_lanes"][k] // _label_rows(spec, k)
        elif rule.reads_out:  # a readout has no errors before its last sum: modulators follow in any case
            found[k] = learned[k]
        else:
            found[k] = senders[last] if rule.broadcasts else senders[k + 1]
        if not spec.layers[k].learns:  # d of a frozen layer is not counted by samples
            senders[k] = found[k]
    return found


def schedule(
    spec: NetworkSpec,
    activity: Counters,
    lanes: int = 1,
    transposed_read: TransposedRead = "adder-tree",
    learning: bool = True,
    lanes_left_empty: bool = False,
    latency: Latency = Latency(),
    frozen_apart: bool = False,
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
    frozen_apart : whether reads of words that never learn are counted under a role of their own

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
    last = len(spec.layers) - 1
    rules = [layer.rule for layer in spec.layers]
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
    if frozen_apart:
        by_layer = {"all": zeros, "bias": events * n_groups, "none": forward_steps}
        reads["frozen"] = np.array([float(by_layer[layer.learned][k]) for k, layer in enumerate(spec.layers)])
        reads["weight"] = reads["weight"] - reads["frozen"]
    if not learning:
        return Schedule(cycles, reads, writes)

    learns = np.array([layer.learns for layer in spec.layers])
    holds_deltas = np.array([k < last and spec.holds_deltas(k) for k in range(last + 1)])
    updates, update_events = activity["updates"], activity["update_events"]
    update_steps = grouped(pairs + active * learns, update_events + updates)
    neuron_steps = grouped(active * learns, updates)
    stored = ~hidden | holds_deltas  # the output layer's d is its stored error
    cycles["update"] = 2.0 * update_steps + np.where(stored, 2.0 * neuron_steps, 0)
    reads["weight"] = reads["weight"] + update_steps
    reads["activation"] = reads["activation"] + grouped(pairs, update_events)
    writes["weight"] = update_steps
    reads["residual"] = writes["residual"] = update_steps

    gated_samples = np.where(hidden, samples, 0)
    signal_steps, gate_steps = grouped(gated, signals), grouped(live, gated_samples)
    regenerated = np.array([k < last and spec.regenerates(k) for k in range(last + 1)])
    signal_steps = np.where(regenerated, signals * n_groups, signal_steps)  # of every neuron, gated or not
    transported = np.array([rule.weight_transport for rule in rules])
    if transposed_read == "adder-tree":
        above, groups_above = np.append(n_out[1:], 1), np.append(n_groups[1:], 0)
        tree_steps = gated * groups_above / above
        if lanes_left_empty:
            tree_steps = np.minimum(gated, live * groups_above)
        signal_steps = np.where(transported, tree_steps, signal_steps)
    elif transposed_read == "single":
        signal_steps = np.where(transported, gated.astype(float), signal_steps)
    summed = transported & (transposed_read != "transposable")
    readout = readout_cycles(spec, activity, lanes)
    of_row = latency.row * n_groups * np.where(hidden, signals, 0)
    of_sum = signal_steps + (1.0 + latency.gate) * gate_steps + readout
    # two cycles to drain and store a delta, lane by lane where the lanes are summed
    of_delta = signal_steps + (2.0 + latency.gate) * np.where(summed, live, gate_steps)
    for flags, taken in (
        ([rule.selects_row for rule in rules], of_row),
        ([(rule.broadcasts and not rule.selects_row) or rule.reads_out for rule in rules], of_sum),
        ([rule.holds_deltas for rule in rules], of_delta),
    ):
        cycles["signal"] = np.where(flags, taken, cycles["signal"])
    gives = holds_deltas & ~np.array([rule.holds_deltas for rule in rules])  # d that would be used at once is stored
    cycles["signal"] = cycles["signal"] + np.where(gives, gate_steps, 0)
    words = np.where(hidden, signal_steps, 0) + readout_words(spec, activity, lanes)
    stores = np.array([rule.stores_feedback for rule in rules])
    reads["feedback"] = np.where(stores & ~regenerated, words, 0.0)
    reads["transposed"] = np.where(transported, words, 0.0)
    if spec.gated:  # activations are fetched again
        again = _of_readouts(spec, n_out * _learned(spec, activity))
        if again.any():
            reads["activation"] = reads["activation"] + np.append([0], again[:-1])
    holds_gates = np.array([k < last and spec.holds_gates(k) for k in range(last + 1)])
    if holds_gates.any():
        writes["gate"] = np.where(holds_gates, grouped(activity["open_gates"], gated_samples), 0)
        reads["gate"] = np.where(holds_gates, gate_steps, 0)
    if holds_deltas.any():
        writes["delta"] = np.where(holds_deltas, gate_steps, 0)  # every modulated gate has its store cycle
        takes = np.array([rule.holds_deltas and k < last - 1 for k, rule in enumerate(rules)])  # the last reads errors
        reads["delta"] = np.where(holds_deltas, neuron_steps, 0) + np.where(takes, signal_steps, 0)
    return Schedule(cycles, reads, writes)


def _of_readouts(spec: NetworkSpec, values: np.ndarray) -> np.ndarray:
    """Return values of layers with a readout, 0 of others."""
    return np.where([layer.rule.reads_out for layer in spec.layers], values, 0)


def readout_words(spec: NetworkSpec, activity: Counters, lanes: int) -> np.ndarray:
    """Return the words of feedback that readouts of hidden layers take: all rows, for each group of neurons."""
    n_groups = np.array([-(-layer.n_out // lanes) for layer in spec.layers])
    return _of_readouts(spec, spec.n_outputs * n_groups * _learned(spec, activity)).astype(np.float64)


def readout_cycles(spec: NetworkSpec, activity: Counters, lanes: int) -> np.ndarray:
    """Return the cycles of readouts of hidden layers, which come before their modulators.

    Notes
    -----
    Activations are still in the lanes that made them: a word of feedback and an adder tree over the lanes give a part
    of one sum in each cycle, zeros or not. One cycle drains the last, and one for each output turns its sum into an
    error. Behind an update gate activations are fetched again, one a cycle.
    """
    fetched = np.array([layer.n_out * spec.gated for layer in spec.layers])
    more = _of_readouts(spec, (1.0 + spec.n_outputs + fetched) * _learned(spec, activity))
    return np.asarray(readout_words(spec, activity, lanes) + more)


def _learned(spec: NetworkSpec, activity: Counters) -> np.ndarray:
    """Learned samples of each hidden layer."""
    learned = activity["samples"] - activity["gated_samples"]
    return np.asarray(np.where(np.arange(len(spec.layers)) < len(spec.layers) - 1, learned, 0))
