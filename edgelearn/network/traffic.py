"""Memory accesses and operations in closed form, from the activity of a run (contract, section 8)."""

from __future__ import annotations

import numpy as np

from edgelearn.network.counters import OPERATIONS, WORDS, Counters
from edgelearn.network.kernels.tables import COUNTERS
from edgelearn.network.spec import NetworkSpec

TRAFFIC = (*WORDS, *OPERATIONS)


def traffic(spec: NetworkSpec, activity: Counters) -> Counters:
    """Return accesses and operations of learned samples.

    Parameters
    ----------
    spec : the network and its rule
    activity : sums over samples of the counts in `counters.ACTIVITY`; all other counts are ignored

    Returns
    -------
    Counters with `TRAFFIC` filled and everything else zero; equal to what a run counts, number for number.
    """
    rule, last = spec.rule, len(spec.layers) - 1
    result = Counters.zeros(last + 1)
    column = {name: result.table[:, COUNTERS.index(name)] for name in TRAFFIC}
    n_out = np.array([layer.n_out for layer in spec.layers])
    hidden = np.arange(last + 1) < last
    learned = activity["samples"] - activity["gated_samples"]
    pairs, active = activity["update_pairs"], activity["active_neurons"]
    lanes, gated = activity["signal_lanes"], activity["gated_signals"]

    column["activation_write"] += activity["input_events"]
    column["activation_read"] += activity["input_events"] + pairs
    column["weight_read"] += activity["input_events"] * n_out + pairs
    column["weight_write"] += pairs
    column["bias_read"] += activity["samples"] * n_out + active
    column["bias_write"] += active
    column["forward_macs"] += activity["input_events"] * n_out
    column["update_macs"] += pairs + active
    column["gate_products"] += activity["live_gates"]
    column["label_read"][last] += activity["samples"][last]
    column["error_write"][last] += active[last]
    column["error_read"][last] += active[last]
    if spec.stochastic:
        column["random_draws"] += activity["update_events"] + activity["updates"]
    if rule.reads_label:
        column["label_read"] += np.where(hidden, learned, 0)
    if not rule.selects_row:
        column["signal_macs"] += gated
    if rule.reads_out:
        column["error_write"] += np.where(hidden, lanes, 0)
        column["error_read"] += np.where(hidden, lanes, 0)
        gated = gated + _readout(spec, activity, column)
    elif not rule.from_label:
        from_error = hidden if rule.broadcasts else np.arange(last + 1) == last - 1
        column["error_read"][last] += int(lanes[from_error].sum())
    if spec.holds_gates:
        column["gate_write"] += np.where(hidden, activity["open_gates"], 0)
        column["gate_read"] += activity["live_gates"]
    if rule.holds_deltas:
        column["delta_write"] += np.where(hidden, active, 0)
        column["delta_read"] += np.where(hidden, active, 0)
        column["delta_read"][1:last] += lanes[: max(last - 1, 0)]
    if rule.weight_transport:
        column["weight_read"][1:] += gated[:-1]
    elif spec.regenerates_feedback:
        column["lfsr_steps"] += 2 * n_out * lanes
    else:
        column["feedback_read"] += gated
    return result


def _readout(spec: NetworkSpec, activity: Counters, column: dict[str, np.ndarray]) -> np.ndarray:
    """Add what readouts of hidden layers take beside feedback words; return these, which are as many as their MACs."""
    n_out = np.array([layer.n_out for layer in spec.layers[:-1]])
    events = (activity["input_events"] - activity["gated_events"])[1:]
    words = np.append(events * spec.n_outputs, 0)
    column["signal_macs"] += words
    if spec.regenerates_feedback:
        learned = (activity["samples"] - activity["gated_samples"])[:-1]
        column["lfsr_steps"][:-1] += 2 * n_out * spec.n_outputs * learned
    if spec.gated:
        column["activation_read"][1:] += events
    return words
