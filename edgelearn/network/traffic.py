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
    direct = rule.broadcasts
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
    if rule.from_label:
        column["label_read"] += np.where(hidden, activity["samples"] - activity["gated_samples"], 0)
    if not rule.selects_row:
        column["signal_macs"] += gated
    if not rule.from_label:
        from_error = hidden if direct else np.arange(last + 1) == last - 1
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
