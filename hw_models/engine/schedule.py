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
from hw_models.engine.shapes import Dataflow, Shapes, shapes

UpdateSkip = Literal["none", "sample", "neuron"]
TransposedRead = Literal["adder-tree", "single", "transposable"]
PHASES = ("forward", "signal", "update")
ASSUMED_SAMPLES = 10_000  # enough for fractions of a count
FORWARD_ACTIVITY = ("samples", "input_events", "window_pairs")


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


@dataclass(frozen=True)
class MapDensities:
    """Activity of convolutions, as fractions between 0 and 1.

    Parameters
    ----------
    elements : elements that are not zero
    updates : elements with a non-zero d
    gates : elements whose gate is open
    """

    elements: float
    updates: float
    gates: float


def assume(
    spec: NetworkSpec,
    input_density: float = 1.0,
    hidden_density: float = 1.0,
    update_density: float = 1.0,
    error_density: float = 1.0,
    update_input_density: float | None = None,
    gate_density: float | None = None,
    readout_density: float | None = None,
    maps: MapDensities | None = None,
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
    maps : densities of the elements of convolutions; those of hidden layers where left out

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
    activity = Counters.zeros(len(spec.layers), spec.is_convolutional)
    shape = shapes(spec)
    last = len(spec.layers) - 1

    def put(name: str, k: int, mean: float) -> None:
        activity[name][k] = round(ASSUMED_SAMPLES * mean)

    def taught(k: int) -> bool:
        return error_density > 0 or spec.layers[k].rule.from_label

    def of_maps(k: int) -> MapDensities | None:
        return maps if spec.layers[k].is_convolution else None

    for k, layer in enumerate(spec.layers):
        rule = layer.rule
        below, own = of_maps(k - 1) if k else None, of_maps(k)
        hidden_events = hidden_density if below is None else below.elements
        events = layer.n_in * (input_density if k == 0 else hidden_events)
        put("samples", k, 1)
        put("input_events", k, events)
        if layer.is_convolution:
            put("window_pairs", k, float(shape.full_pairs[k]) * events / layer.n_in)
        if k < last and not rule.learns_hidden:
            continue
        updates = update_density if own is None else own.updates
        density = error_density if k == last else updates * taught(k)
        n_out = float(shape.outputs[k])
        put("active_neurons", k, n_out * density)
        put("updates", k, layer.learns and density > 0)
        if layer.learned == "all":
            put("update_events", k, events * (density > 0))
            is_first = k == 0 < last and update_input_density is not None
            updated = layer.n_in * (update_input_density or 0.0) if is_first else events
            if layer.is_convolution:  # a d meets the events of a mean window
                updated *= float(shape.spread[k] * shape.full_pairs[k] / shape.positions[k]) / layer.n_in
            put("update_pairs", k, updated * n_out * density)
        if layer.is_convolution and layer.learns:
            put("active_maps", k, layer.n_columns * (1 - (1 - density) ** float(shape.taught[k])))
        if k == last:
            continue
        lanes = float(_rows(spec, k))
        if not rule.from_label:  # a label has no zeros to skip
            errors = readout_density if rule.reads_out and readout_density is not None else error_density
            above = of_maps(k + 1)
            updates_above = update_density if above is None else above.updates
            lanes *= updates_above * taught(k + 1) if rule.holds_deltas and k < last - 1 else errors
        gates = update_density if gate_density is None else gate_density
        gates = gates if own is None else own.gates
        put("open_gates", k, n_out * gates)
        put("live_gates", k, n_out * gates * taught(k) * (density > 0 and lanes > 0))
        put("signal_lanes", k, lanes)
        words = n_out * gates * taught(k) * (density > 0) * lanes
        if shape.shared_feedback[k]:
            words = layer.n_columns * (density > 0) * lanes
        if sends_windows(spec, k):  # d above meets the open gates of its window
            full_window = float(shape.spread[k + 1] * shape.full_pairs[k + 1] / shape.positions[k + 1])
            words = lanes * full_window * gates * taught(k) * (density > 0)
            put("down_pairs", k, words)
        put("gated_signals", k, words)
    return activity


def worked(spec: NetworkSpec, activity: Counters, skips_zero_inputs: bool, update_skip: UpdateSkip) -> Counters:
    """Return the activity of a processor that skips less than the simulator: what it cannot skip counts as active.

    Parameters
    ----------
    skips_zero_inputs : whether inputs of zero cost nothing
    update_skip : "neuron" skips neurons with d = 0 and signals of zero; "sample" skips a layer that has only such
        neurons; "none" works through every update

    Notes
    -----
    Windows of winners that were skipped are taken to hold as many events as the mean window.
    """
    result = Counters(activity.table.copy())
    layers = spec.layers
    shape = shapes(spec)
    n_in = np.array([layer.n_in for layer in layers])
    n_out = shape.outputs
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
    if shape.convolution.any():
        _work_windows(spec, shape, activity, result, skips_zero_inputs, update_skip)
    return result


def _work_windows(
    spec: NetworkSpec,
    shape: Shapes,
    activity: Counters,
    result: Counters,
    skips_zero_inputs: bool,
    update_skip: UpdateSkip,
) -> None:
    """Put in the pairs of convolutions that a processor works through, and words of feedback they take."""
    samples, active = activity["samples"], result["active_neurons"]
    if not skips_zero_inputs:
        result["window_pairs"][:] = np.where(shape.convolution, shape.full_pairs * samples, 0)
    windows = np.maximum(shape.positions * samples, 1)
    mean_pairs = np.rint(active * shape.spread * (result["window_pairs"] / windows)).astype(np.int64)
    weights_learn = np.array([layer.learned == "all" for layer in spec.layers])
    works_through = not skips_zero_inputs or update_skip != "neuron"
    result["update_pairs"][:] = np.where(
        shape.convolution & works_through, mean_pairs * weights_learn, result["update_pairs"]
    )
    if update_skip == "neuron":
        return
    result["active_maps"][:] = np.where(shape.convolution, shape.columns * result["updates"], 0)
    for k in np.flatnonzero(shape.convolution).tolist():
        if not spec.layers[k].rule.learns_hidden:
            continue
        if shape.shared_feedback[k]:
            result["gated_signals"][k] = shape.columns[k] * result["signal_lanes"][k]
        if sends_windows(spec, k):
            full_window = shape.spread[k + 1] * shape.full_pairs[k + 1] / shape.positions[k + 1]
            pairs = round(float(result["signal_lanes"][k] * full_window))
            result["gated_signals"][k] = result["down_pairs"][k] = pairs


def sends_windows(spec: NetworkSpec, k: int) -> bool:
    """Return whether layer k takes its signal from the windows of a convolution above."""
    return spec.layers[k].rule.holds_deltas and spec.layers[k + 1].is_convolution


def _rows(spec: NetworkSpec, k: int) -> int:
    """Signal lanes of hidden layer k when none is zero."""
    rule = spec.layers[k].rule
    if rule.selects_row:
        return 1
    if rule.holds_deltas:
        return spec.layers[k + 1].n_out
    return spec.feedback_rows(k)


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
    dataflow: Dataflow = "output",
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
    dataflow : of convolutions. "output": a position after the other, its sum stays in the lane; "event": an input after
        the other, added to the sums of all its positions, which are a memory

    Notes
    -----
    Lanes are taken to be as full as in a layer without zeros: n neurons take n G / N steps, G = ceil(N / P) groups.
    That is exact for one lane, for any number of lanes where neurons are not skipped, and for full activity. Where
    neurons are skipped it means lanes with addresses of their own, which take neurons from a queue, and differs from
    them by less than one group for each queue. Where a word holds fixed neighbours, a group of which one neuron is
    active takes its step: at most the lesser of n and all groups, which is what `lanes_left_empty` counts.
    Source of the terms: cycle counters of two engines in RTL, docs/cost_model.md, section 3. Those of convolutions are
    a design, section 14.
    """
    if not learning:
        activity = activity.only(FORWARD_ACTIVITY)
    shape = shapes(spec, lanes)
    plan = _forward(spec, activity, shape, latency, frozen_apart, dataflow)
    if not learning:
        return plan
    steps = _Steps(spec, activity, shape, lanes_left_empty)
    _update(spec, activity, steps, plan)
    _signal(spec, activity, steps, plan, lanes, transposed_read, latency)
    return plan


def _forward(
    spec: NetworkSpec, activity: Counters, shape: Shapes, latency: Latency, frozen_apart: bool, dataflow: Dataflow
) -> Schedule:
    """Return cycles and accesses of the forward pass."""
    samples, events, groups = activity["samples"], activity["input_events"], shape.groups
    zeros = np.zeros(len(groups))
    products = np.where(shape.convolution, activity["window_pairs"], events)
    biases = shape.positions * shape.biases * samples
    forward_steps = (products + biases) * groups  # a bias is one more input
    drains = shape.positions + shape.pooled  # a sum of a position, a write of an element
    forward_cycles = forward_steps + 1.0 * drains * groups * samples + latency.start * samples
    reads = {"weight": forward_steps.astype(float), "activation": (products * groups).astype(float)}
    writes = {"activation": events.astype(float)}
    if frozen_apart:
        by_layer = {"all": zeros, "bias": products * groups, "none": forward_steps}
        reads["frozen"] = np.array([float(by_layer[layer.learned][k]) for k, layer in enumerate(spec.layers)])
        reads["weight"] = reads["weight"] - reads["frozen"]
    if dataflow == "event" and shape.convolution.any():
        scattered = products * groups
        begun = shape.positions * groups * samples  # with the bias, or with zero
        sums = np.where(shape.convolution, scattered + begun, 0).astype(float)
        reads["partial"], writes["partial"] = sums, sums.copy()
        unbiased = shape.positions * (1 - shape.biases) * groups * samples
        forward_cycles = forward_cycles + np.where(shape.convolution, scattered + unbiased, 0)
        reads["activation"] = np.where(shape.convolution, events, reads["activation"]).astype(float)
    return Schedule({"forward": forward_cycles, "signal": zeros, "update": zeros}, reads, writes)


class _Steps:
    """Counts of learning as steps of P lanes, which take places of a layer from queues.

    Attributes
    ----------
    neurons : steps that take all d of layers that learn
    gates : steps that take all live gates
    """

    def __init__(self, spec: NetworkSpec, activity: Counters, shape: Shapes, lanes_left_empty: bool) -> None:
        last = len(spec.layers) - 1
        self.shape = shape
        self.hidden = np.arange(last + 1) < last
        self.learns = np.array([layer.learns for layer in spec.layers])
        self.holds_deltas = np.array([k < last and spec.holds_deltas(k) for k in range(last + 1)])
        self.gated_samples = np.where(self.hidden, activity["samples"], 0)
        self._left_empty = lanes_left_empty
        self.neurons = self.grouped(activity["active_neurons"] * self.learns, activity["updates"])
        self.gates = self.grouped(activity["live_gates"], self.gated_samples)

    def grouped(self, n: np.ndarray, queues: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """Return steps that take n places out of so many queues, P at a time.

        Parameters
        ----------
        groups : of a full queue; all places of the layer if left out
        """
        if self._left_empty:
            most = queues * (self.shape.output_groups if groups is None else groups)
            n_steps: np.ndarray = np.minimum(n, most)
            return n_steps
        return self.shape.filled(n)

    def of_sums(self, n: np.ndarray, above: np.ndarray, groups_above: np.ndarray, live: np.ndarray) -> np.ndarray:
        """Return steps of an adder tree, which sums P values of the layer above for one place of this one."""
        steps = np.asarray(n * groups_above / above)
        return np.minimum(n, live * groups_above) if self._left_empty else steps


def _update(spec: NetworkSpec, activity: Counters, steps: _Steps, plan: Schedule) -> None:
    """Add cycles and accesses of updates."""
    shape = steps.shape
    pairs, updates = activity["update_pairs"], activity["updates"]
    active = activity["active_neurons"] * steps.learns
    # words that change: one per product in a dense layer, all of a map in a convolution, whose products are summed
    dense = steps.grouped(pairs + active, activity["update_events"] + updates)
    maps = steps.grouped(activity["active_maps"], updates, shape.groups)
    changed = np.where(shape.convolution, maps * shape.learned_words, dense)
    summed = np.where(shape.convolution, steps.grouped(pairs, activity["window_pairs"], shape.groups), 0)
    stored = ~steps.hidden | steps.holds_deltas  # the output layer's d is its stored error
    plan.cycles["update"] = 2.0 * (changed + summed) + np.where(stored, 2.0 * steps.neurons, 0)
    plan.reads["weight"] = plan.reads["weight"] + changed
    fetched = np.where(shape.convolution, summed, steps.grouped(pairs, activity["update_events"]))
    plan.reads["activation"] = plan.reads["activation"] + fetched
    plan.writes["weight"] = changed
    plan.reads["residual"] = plan.writes["residual"] = changed
    if shape.convolution.any():  # a sum is read and cleared while its word is read and written
        sums = np.where(shape.convolution, summed + maps * shape.summed_words, 0)
        plan.reads["accumulator"] = plan.writes["accumulator"] = sums


def _signal(
    spec: NetworkSpec,
    activity: Counters,
    steps: _Steps,
    plan: Schedule,
    lanes: int,
    transposed_read: TransposedRead,
    latency: Latency,
) -> None:
    """Add cycles and accesses of teaching signals, modulators and d."""
    shape, hidden, last = steps.shape, steps.hidden, len(spec.layers) - 1
    rules = [layer.rule for layer in spec.layers]
    signals, gated, live = activity["signal_lanes"], activity["gated_signals"], activity["live_gates"]
    signal_steps, gate_steps = steps.grouped(gated, signals), steps.gates
    regenerated = np.array([k < last and spec.regenerates(k) for k in range(last + 1)])
    signal_steps = np.where(regenerated, signals * shape.output_groups, signal_steps)  # of every neuron, gated or not
    if any(sends_windows(spec, k) for k in range(last)):  # a register that runs through the kernel of a map above
        runs = np.append(-(-shape.fan_in[1:] // lanes), 0)
        of_windows = np.array([k < last and sends_windows(spec, k) for k in range(last + 1)])
        signal_steps = np.where(regenerated & of_windows, signals * runs, signal_steps)
    stores = np.array([rule.stores_feedback for rule in rules])
    signal_steps = np.where(shape.shared_feedback & stores, signals * shape.groups, signal_steps)
    transported = np.array([rule.weight_transport for rule in rules])
    if transposed_read == "adder-tree":
        above, groups_above = np.append(shape.columns[1:], 1), np.append(shape.groups[1:], 0)
        # places of a convolution above that a gate meets are at most all pairs
        met = np.where(np.append(shape.convolution[1:], False), gated, live)
        tree_steps = steps.of_sums(gated, above, groups_above, met)
        signal_steps = np.where(transported, tree_steps, signal_steps)
    elif transposed_read == "single":
        signal_steps = np.where(transported, gated.astype(float), signal_steps)
    summed = transported & (transposed_read != "transposable")
    readout = readout_cycles(spec, activity, lanes)
    of_row = latency.row * shape.output_groups * np.where(hidden, signals, 0)
    of_sum = signal_steps + (1.0 + latency.gate) * gate_steps + readout
    # two cycles to drain and store a delta, lane by lane where the lanes are summed
    of_delta = signal_steps + (2.0 + latency.gate) * np.where(summed, live, gate_steps)
    for flags, taken in (
        ([rule.selects_row for rule in rules], of_row),
        ([(rule.broadcasts and not rule.selects_row) or rule.reads_out for rule in rules], of_sum),
        ([rule.holds_deltas for rule in rules], of_delta),
    ):
        plan.cycles["signal"] = np.where(flags, taken, plan.cycles["signal"])
    gives = steps.holds_deltas & ~np.array([rule.holds_deltas for rule in rules])  # d that would be used at once
    plan.cycles["signal"] = plan.cycles["signal"] + np.where(gives, gate_steps, 0)
    words = np.where(hidden, signal_steps, 0) + readout_words(spec, activity, lanes)
    plan.reads["feedback"] = np.where(stores & ~regenerated, words, 0.0)
    plan.reads["transposed"] = np.where(transported, words, 0.0)
    if spec.gated:  # activations are fetched again
        again = _of_readouts(spec, shape.outputs * _learned(spec, activity))
        if again.any():
            plan.reads["activation"] = plan.reads["activation"] + np.append([0], again[:-1])
    _waiting(spec, activity, steps, plan, signal_steps)


def _waiting(spec: NetworkSpec, activity: Counters, steps: _Steps, plan: Schedule, signal_steps: np.ndarray) -> None:
    """Add accesses of gates, winners and d that wait in memory."""
    last, reads, writes = len(spec.layers) - 1, plan.reads, plan.writes
    holds_gates = np.array([k < last and spec.holds_gates(k) for k in range(last + 1)])
    takes = np.array([rule.holds_deltas and k < last - 1 for k, rule in enumerate(spec.rules)] + [False])
    if holds_gates.any():
        open_steps = steps.grouped(activity["open_gates"], steps.gated_samples)
        writes["gate"] = np.where(holds_gates, open_steps, 0)
        reads["gate"] = np.where(holds_gates, steps.gates, 0)
        winners = holds_gates & (steps.shape.winner_bits > 0)
        if winners.any():  # written with the gate; the place of every d that is fetched or used
            writes["winner"] = np.where(winners, open_steps, 0)
            of_above = takes & np.append(winners[1:], False)
            reads["winner"] = np.where(winners, steps.neurons, 0) + np.where(of_above, signal_steps, 0)
    if steps.holds_deltas.any():
        writes["delta"] = np.where(steps.holds_deltas, steps.gates, 0)  # every modulated gate has its store cycle
        reads["delta"] = np.where(steps.holds_deltas, steps.neurons, 0) + np.where(takes, signal_steps, 0)


def _of_readouts(spec: NetworkSpec, values: np.ndarray) -> np.ndarray:
    """Return values of layers with a readout, 0 of others."""
    return np.where([layer.rule.reads_out for layer in spec.layers], values, 0)


def readout_words(spec: NetworkSpec, activity: Counters, lanes: int) -> np.ndarray:
    """Return the words of feedback that readouts of hidden layers take: all rows, for each group of neurons."""
    n_groups = shapes(spec, lanes).output_groups
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
