"""Memory accesses and operations in closed form, from the activity of a run (contract, section 8)."""

from __future__ import annotations

import numpy as np

from edgelearn.network.counters import CONVOLUTION_WORDS, OPERATIONS, WORDS, Counters
from edgelearn.network.layer import ConvLayer
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.teaching import EVERYTHING

TRAFFIC = (*WORDS, *OPERATIONS)


def traffic(spec: NetworkSpec, activity: Counters) -> Counters:
    """Return accesses and operations of learned samples.

    Parameters
    ----------
    spec : the network and its rule
    activity : sums over samples of the counts in `counters.ACTIVITY`; all other counts are ignored

    Returns
    -------
    Counters with `TRAFFIC` filled, of networks with convolutions CONVOLUTION_WORDS too, and everything else zero; equal
    to what a run counts, number for number.
    """
    last = len(spec.layers) - 1
    result = Counters.zeros(last + 1, spec.is_convolutional)
    names = TRAFFIC + (CONVOLUTION_WORDS if spec.is_convolutional else ())
    column = {name: result.table[:, result.names.index(name)] for name in names}
    n_out = np.array([layer.n_out for layer in spec.layers])
    learns = np.array([layer.learns for layer in spec.layers])
    pairs, stepped = activity["update_pairs"], np.where(learns, activity["active_neurons"], 0)

    column["activation_write"] += activity["input_events"]
    column["activation_read"] += activity["input_events"] + pairs
    column["weight_read"] += activity["input_events"] * n_out + pairs
    column["weight_write"] += pairs
    column["bias_read"] += activity["samples"] * n_out + stepped
    column["bias_write"] += stepped
    column["forward_macs"] += activity["input_events"] * n_out
    column["update_macs"] += pairs + stepped
    column["gate_products"] += activity["live_gates"]
    column["label_read"][last] += activity["samples"][last] * label_words(spec)
    column["error_write"][last] += activity["active_neurons"][last]
    column["error_read"][last] += stepped[last]
    if spec.stochastic:
        column["random_draws"] += activity["update_events"] + activity["updates"]
    for k in range(last):
        _teach(spec, k, activity, column)
    for k, layer in enumerate(spec.layers):
        if isinstance(layer, ConvLayer):
            _convolve(spec, k, layer, activity, column)
    return result


def label_words(spec: NetworkSpec) -> int:
    """Return the words of a label: one for a class, or a graded target per output."""
    return spec.n_outputs if spec.is_graded else 1


def _convolve(spec: NetworkSpec, k: int, layer: ConvLayer, activity: Counters, column: dict[str, np.ndarray]) -> None:
    """Put what convolution k takes in place of what a dense layer of its inputs and elements would."""
    learned, biased = layer.learned == EVERYTHING, layer.kernel_bias and layer.learns
    pairs, maps, samples = (int(activity[name][k]) for name in ("window_pairs", "active_maps", "samples"))
    updates, stepped = int(activity["update_pairs"][k]), int(activity["active_neurons"][k])
    whole = layer.n_weights // layer.n_columns * maps * learned  # kernels of active maps are written whole
    shared = 1 << layer.shared_shift  # positions with the d of an element

    column["activation_read"][k] += pairs - int(activity["input_events"][k])
    column["weight_read"][k] += pairs * layer.n_columns + whole
    column["weight_read"][k] -= int(activity["input_events"][k]) * layer.n_out + updates
    column["weight_write"][k] = whole
    column["bias_read"][k] = samples * layer.positions * layer.n_biases + maps * biased
    column["bias_write"][k] = maps * biased
    column["forward_macs"][k] = pairs * layer.n_columns
    column["update_macs"][k] = updates + stepped * shared * biased
    column["accumulator_read"][k] = column["accumulator_write"][k] = updates
    if spec.stochastic:
        draws = layer.fan_in * learned + (1 if biased else 0)
        column["random_draws"][k] = int(activity["updates"][k]) * draws
    if spec.holds_winners(k):
        column["winner_write"][k] = activity["open_gates"][k]
        column["winner_read"][k] = stepped


def predicted(spec: NetworkSpec, activity: Counters) -> Counters:
    """Return the counts of the same samples if none were learned: their forward passes.

    Notes
    -----
    Signs of hidden activations are never zero: each is an event.
    """
    found = activity.only(("samples", "input_events", "window_pairs"))
    if spec.hidden_inference == "sign":
        n_in = np.array([layer.n_in for layer in spec.layers[1:]])
        found["input_events"][1:] = n_in * found["samples"][1:]
        for k, layer in enumerate(spec.layers[1:], 1):
            if isinstance(layer, ConvLayer):
                found["window_pairs"][k] = layer.window.full_pairs * found["samples"][k]
    found["gated_samples"][:], found["gated_events"][:] = found["samples"], found["input_events"]
    return found


def _teach(spec: NetworkSpec, k: int, activity: Counters, column: dict[str, np.ndarray]) -> None:
    """Add what the teaching signal, gates and d of hidden layer k take."""
    rule, layer, last = spec.layers[k].rule, spec.layers[k], len(spec.layers) - 1
    lanes, words, active = (int(activity[name][k]) for name in ("signal_lanes", "gated_signals", "active_neurons"))
    if rule.reads_label:
        column["label_read"][k] += (activity["samples"][k] - activity["gated_samples"][k]) * label_words(spec)
    if not rule.selects_row or spec.is_graded:
        column["signal_macs"][k] += words
    if rule.reads_out:
        column["error_write"][k] += lanes
        column["error_read"][k] += lanes
        words += _readout(spec, k, activity, column)
    elif not rule.from_label:
        from_error = rule.broadcasts or k == last - 1
        # a convolution above reads its d once per product
        read = words if spec.layers[k + 1].is_convolution and not from_error else lanes
        column["error_read" if from_error else "delta_read"][last if from_error else k + 1] += read
    if spec.holds_gates(k):
        column["gate_write"][k] += activity["open_gates"][k]
        column["gate_read"][k] += activity["live_gates"][k]
    if spec.holds_deltas(k):
        column["delta_write"][k] += active
        column["delta_read"][k] += active * layer.learns
    if rule.weight_transport:
        column["weight_read"][k + 1] += words
    elif spec.regenerates(k):
        column["lfsr_steps"][k] += 2 * spec.feedback_columns(k) * lanes
    else:
        column["feedback_read"][k] += words


def _readout(spec: NetworkSpec, k: int, activity: Counters, column: dict[str, np.ndarray]) -> int:
    """Add what the readout of layer k takes beside feedback words; return these, which are as many as its MACs."""
    events = int(activity["input_events"][k + 1] - activity["gated_events"][k + 1])
    words = events * spec.n_outputs
    column["signal_macs"][k] += words
    if spec.regenerates(k):
        learned = int(activity["samples"][k] - activity["gated_samples"][k])
        column["lfsr_steps"][k] += 2 * spec.layers[k].n_out * spec.n_outputs * learned
    if spec.gated:
        column["activation_read"][k + 1] += events
    return words
