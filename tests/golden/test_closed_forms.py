"""Counts and cycles of dense networks == the closed forms of the derivation, typed in by hand.

N = layer sizes, C = outputs, W = weights, Wo = weights of the output layer, Wb = weights behind which an error must
pass, H = hidden neurons. The forms know no biases; in cycles a bias is one more input.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.network.counters import ACTIVITY, Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.network.storage import buffers, footprint
from edgelearn.network.traffic import TRAFFIC, traffic
from edgelearn.rules import RULES
from hw_models.engine.schedule import assume, schedule, worked
from tests.naive.oracle import RULES as PAPER

pytestmark = pytest.mark.kernel

NETS = [(7, 5, 3), (7, 5, 6, 3), (4, 9, 6, 5, 2)]

# by signal and feedback: MACs, weight reads, weight writes, feedback words read, feedback words stored
DENSE = {
    ("none", "none"): lambda W, Wo, Wb, H, C: (W + Wo, W + Wo, Wo, 0, 0),
    ("target", "direct"): lambda W, Wo, Wb, H, C: (W + W, 2 * W, W, H, C * H),
    ("signed target", "direct"): lambda W, Wo, Wb, H, C: (W + W, 2 * W, W, C * H, C * H),  # and C H additions
    ("error", "direct"): lambda W, Wo, Wb, H, C: (W + C * H + W, 2 * W, W, C * H, C * H),
    ("local error", "direct"): lambda W, Wo, Wb, H, C: (W + 2 * C * H + W, 2 * W, W, 2 * C * H, C * H),
    ("sign", "direct"): lambda W, Wo, Wb, H, C: (W + W, 2 * W, W, C * H, C * H),  # and C H additions
    ("delta", "layerwise"): lambda W, Wo, Wb, H, C: (W + Wb + W, 2 * W, W, Wb, Wb),
    ("delta", "transpose"): lambda W, Wo, Wb, H, C: (W + Wb + W, 2 * W + Wb, W, 0, 0),
}


def dense(spec: NetworkSpec, samples: int = 1) -> Counters:
    """The assumed activity of so many samples in which nothing is zero."""
    activity = assume(spec)
    return Counters(activity.table // activity.n_samples * samples)


def sums(net: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    W = sum(a * b for a, b in pairwise(net))
    Wb = sum(a * b for a, b in pairwise(net[1:]))
    return W, net[-2] * net[-1], Wb, sum(net[1:-1]), net[-1]


# --- counts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS, ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_words_and_operations_of_a_dense_sample(rule, net):
    spec = design(net, rule)
    one = traffic(spec, dense(spec))
    signal, feedback = PAPER[rule].signal, PAPER[rule].feedback
    macs, reads, writes, feedback_reads, stored = DENSE[signal, feedback](*sums(net))
    _W, _Wo, _Wb, H, C = sums(net)
    adds = signal in ("sign", "signed target")
    additions = one.total("signal_macs") if adds else 0
    bias_steps = one.total("bias_write")
    assert additions == (C * H if adds else 0)
    total = one.total("forward_macs") + one.total("signal_macs") + one.total("update_macs")
    assert total - bias_steps - additions == macs
    assert one.total("weight_read") == reads
    assert one.total("weight_write") == writes
    assert one.total("feedback_read") == feedback_reads
    assert sum(held.words for held in footprint(spec) if held.role == "feedback") == stored
    assert one.total("gate_products") == (0 if signal == "none" else H)
    assert bias_steps == (C if signal == "none" else H + C)
    assert one.total("bias_read") == H + C + bias_steps


def test_regenerated_feedback_is_neither_stored_nor_read():
    for rule in (name for name, row in PAPER.items() if row.fixed_feedback):
        spec = design(NETS[1], rule, feedback_format="lfsr")
        assert traffic(spec, dense(spec)).total("feedback_read") == 0
        assert not [held for held in footprint(spec) if held.role == "feedback"]


def dense_run(spec: NetworkSpec, n: int) -> Counters:
    """Counters of n samples in which no input, gate, error or d is zero."""
    rng = np.random.default_rng(1)
    learner = Learner(spec)
    learner.learn(rng.integers(1, 16, (n, spec.sizes[0]), np.uint8), rng.integers(0, spec.n_classes, n))
    return learner.counters


@pytest.mark.parametrize("net", NETS[:2], ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_a_dense_run_counts_what_is_assumed(rule, net):
    """Of 64 networks some are dense for three samples; rules differ in which."""
    for seed in range(64):
        spec = design(
            net, rule, feedback_format="sign", activation="leaky", hidden_rate=-12, output_rate=-12, seed=seed
        )
        counters = dense_run(spec, 3)
        assumed = dense(spec, 3)
        if all(np.array_equal(counters[name], assumed[name]) for name in ("input_events", "active_neurons")):
            break
    else:
        pytest.fail("no network was dense")
    assert counters.only(TRAFFIC) == traffic(spec, assumed)
    if PAPER[rule].signal != "none":  # frozen layers have gates nobody asks for
        assert counters.only(ACTIVITY) == assumed


# --- cycles of one layer -------------------------------------------------------------------------------------

# One lane; i counts the bias, so that the network has i - 1 inputs; o neurons, c outputs of the network.
ONE_LAYER = {
    "inference": lambda i, o, c: o * (i + 2) + 1,
    "drtp": lambda i, o, c: o * (3 * i + 2) + 1,
    "dfa": lambda i, o, c: o * (i + 2) + 1 + o * (c + 1 + 2 * i),
    "bp": lambda i, o, c: o * (i + 2) + 1 + i * (o + 2) + o * (2 * i + 2),
}
SHAPES = [(64, 8, 10), (64, 32, 10), (256, 128, 10), (3, 5, 2)]


def cycles_of_layer(net, rule, k, learning=True, lanes=1) -> dict[str, float]:
    spec = design(net, rule)
    result = schedule(spec, dense(spec), lanes, learning=learning)
    return {phase: float(cycles[k]) for phase, cycles in result.cycles.items()}


def one_layer(rule: str, i: int, o: int, c: int) -> float:
    """Cycles of one layer of i inputs, one of them the bias.

    Under bp the layer also hands deltas to the layer below. The measured engine had no bias and handed them to all i
    inputs; here that pass is taken from a network with i neurons below, and the rest from one with i - 1 and a bias.
    """
    if rule == "inference":
        return sum(cycles_of_layer((i - 1, o, c), "drtp", 0, learning=False).values())
    if rule == "bp":
        own = cycles_of_layer((i - 1, o), "bp", 0)
        return own["forward"] + own["update"] + cycles_of_layer((2, i, o), "bp", 0)["signal"]
    return sum(cycles_of_layer((i - 1, o, c), rule, 0).values())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rule", ONE_LAYER)
def test_cycles_of_one_layer(rule, shape):
    assert one_layer(rule, *shape) == ONE_LAYER[rule](*shape)


def test_cycles_measured_in_the_prototype():
    measured = {"inference": 529, "drtp": 1553, "dfa": 1641, "bp": 2209}
    assert {rule: one_layer(rule, 64, 8, 10) for rule in measured} == measured
    assert one_layer("drtp", 256, 128, 10) == 98561


def test_bp_with_a_bias_hands_deltas_to_one_neuron_less():
    """In one network the bias is no neuron below: the pass is O + 2 cycles shorter than measured."""
    spec = design((2, 63, 8), "bp")
    result = schedule(spec, dense(spec))
    cycles = result.cycles["forward"][1] + result.cycles["update"][1] + result.cycles["signal"][0]
    assert cycles == 2209 - (8 + 2)


def test_weight_accesses_measured_in_the_prototype():
    reads_and_writes = {"drtp": (1024, 512), "dfa": (1024, 512)}
    for rule, expected in reads_and_writes.items():
        spec = design((63, 8, 10), rule)
        result = schedule(spec, dense(spec))
        assert (result.reads["weight"][0], result.writes["weight"][0]) == expected
    own, below = design((63, 8), "bp"), design((2, 64, 8), "bp")
    result = schedule(own, dense(own))
    transposed = schedule(below, dense(below)).reads["transposed"][0]
    assert (result.reads["weight"][0] + transposed, result.writes["weight"][0]) == (1536, 512)


# --- cycles of a network -------------------------------------------------------------------------------------


def network_cycles(
    net: tuple[int, ...], rule: str, P: int = 1, n_e: int | None = None, read: str = "adder-tree"
) -> int:
    """Cycles of a dense sample; P lanes along the neurons; n_e errors are not zero."""
    g = lambda n: -(-n // P)  # noqa: E731
    C = net[-1]
    n_e = C if n_e is None else n_e
    layers = [(n + 1, o) for n, o in pairwise(net)]
    forward = sum(g(o) * (i + 2) for i, o in layers) + len(layers)
    output = g(C) * (2 * layers[-1][0] + 2)
    hidden = layers[:-1]
    if rule == "inference":
        return forward
    signal, feedback = PAPER[rule].signal, PAPER[rule].feedback
    if signal == "none":
        return forward + output
    if signal == "target":
        return forward + output + sum(2 * i * g(o) for i, o in hidden)
    if signal in ("error", "sign", "signed target"):
        return forward + output + sum(g(o) * (n_e + 1 + 2 * i) for i, o in hidden)
    if signal == "local error":  # C products for each group as it is made, a drain, and a cycle for each error
        return forward + output + sum(g(o) * C + 1 + C + g(o) * (n_e + 1 + 2 * i) for i, o in hidden)
    if feedback == "layerwise" or read == "transposable":
        back = sum(g(n) * (above + 2) for n, above in pairwise(net[1:]))
    elif read == "adder-tree":
        back = sum(n * (g(above) + 2) for n, above in pairwise(net[1:]))
    else:
        back = sum(n * (above + 2) for n, above in pairwise(net[1:]))
    return forward + back + sum(g(o) * (2 * i + 2) for i, o in layers)


@pytest.mark.parametrize("net", [(7, 3), *NETS, (784, 500, 10)], ids=str)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lanes", [1, 2, 8, 64])
def test_cycles_of_a_network(lanes, rule, net):
    spec = design(net, rule)
    activity = dense(spec)
    for read in ("adder-tree", "single", "transposable"):
        expected = network_cycles(net, rule, lanes, read=read)
        assert schedule(spec, activity, lanes, transposed_read=read).total_cycles == pytest.approx(expected, abs=1e-6)
    inference = schedule(spec, activity, lanes, learning=False)
    assert inference.total_cycles == network_cycles(net, "inference", lanes)
    assert not any(count.any() for role, count in inference.writes.items() if role != "activation")


@pytest.mark.parametrize("rule", [name for name, row in PAPER.items() if row.signal in ("error", "sign")])
def test_errors_of_zero_are_skipped_by_direct_feedback(rule):
    net = (6, 5, 7, 4)
    spec = design(net, rule)
    activity = assume(spec, error_density=0.5)
    cycles = schedule(spec, activity).total_cycles / activity.n_samples
    bias_and_inputs = net[-2] + 1
    skipped = 2 * (2 * bias_and_inputs + 2)  # of the output layer's own update
    assert cycles == network_cycles(net, rule, n_e=2) - skipped


# --- buffers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS, ids=str)
@pytest.mark.parametrize("input_bits", [4, 8])
@pytest.mark.parametrize("rule", RULES)
def test_buffers_are_the_forms_less_what_inference_holds_too(rule, input_bits, net):
    """The form counts all activations; the input and the output of the last layer are in use under every rule.

    It also counts twice the widest layer for deltas, where at most two neighbours are alive, and no errors beside them.
    """
    b_x = [input_bits] + [8] * (len(net) - 1)
    b_f, C = 8, net[-1]
    b_d = 15 if net == (7, 5, 3) else 16  # 3 errors reach 3 * 255 * 128 / 8 = 12,240
    signal = PAPER[rule].signal
    b_e = 2 if signal == "sign" else 9
    activations = sum(n * b for n, b in zip(net, b_x, strict=True))
    last_pair = net[-2] * b_x[-2] + net[-1] * b_x[-1]
    gates = sum(net[1:-1]) * b_f
    ours = sum(held.bits for held in buffers(design(net, rule, input_bits=input_bits)))
    if signal in ("none", "target", "signed target"):
        assert ours == 0
    elif signal in ("error", "sign"):
        form = activations + gates + C * b_e
        assert ours == form - last_pair
    elif signal == "local error":  # of the widest layer alone
        assert ours == max(net[1:-1]) * b_f + C * b_e
    else:
        hidden = net[1:-1]
        form = activations + gates + 2 * max(hidden) * b_d
        alive = max((a + b for a, b in pairwise(hidden)), default=hidden[0])
        assert ours == form - last_pair + C * b_e - (2 * max(hidden) - alive) * b_d
        assert alive <= 2 * max(hidden)


# --- assumed activity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [name for name, row in PAPER.items() if row.signal != "none"])
def test_densities_multiply(rule):
    spec = design((20, 12, 8, 4), rule)
    activity = assume(spec, 0.5, 0.25, 0.75, 0.5)
    events = [20 * 0.5, 12 * 0.25, 8 * 0.25]
    neurons = [12 * 0.75, 8 * 0.75, 4 * 0.5]
    lanes = {"delta": [8 * 0.75, 2], "target": [1, 1], "signed target": [4, 4]}.get(PAPER[rule].signal, [2, 2])
    pairs = [x * d for x, d in zip(events, neurons, strict=True)]
    expected = {
        "samples": [1] * 3,
        "input_events": events,
        "active_neurons": neurons,
        "updates": [1] * 3,
        "update_events": events,
        "update_pairs": pairs,
        "open_gates": [*neurons[:2], 0],
        "live_gates": [*neurons[:2], 0],
        "signal_lanes": [*lanes, 0],
        "gated_signals": [neurons[0] * lanes[0], neurons[1] * lanes[1], 0],
        "gated_samples": [0] * 3,
        "gated_events": [0] * 3,
    }
    assert set(expected) == set(ACTIVITY)
    assert {name: (activity[name] / activity.n_samples).tolist() for name in ACTIVITY} == expected
    assert activity == activity.only(ACTIVITY)


@pytest.mark.parametrize("rule", RULES)
def test_frozen_layers_and_densities_of_zero(rule):
    spec = design((20, 12, 8, 4), rule)
    still = assume(spec, update_density=0.0)
    assert not still["update_pairs"][:2].any()
    assert not still["updates"][:2].any()
    if PAPER[rule].signal == "none":
        assert not assume(spec)["active_neurons"][:2].any()


@pytest.mark.parametrize("rule", [name for name, row in PAPER.items() if row.waits])
def test_without_errors_nothing_is_learned(rule):
    spec = design((20, 12, 8, 4), rule)
    activity = assume(spec, error_density=0.0)
    for name in ("updates", "active_neurons", "update_pairs", "update_events", "live_gates", "gated_signals"):
        assert not activity[name].any(), name


# --- laws of worked() and schedule() -------------------------------------------------------------------------


@st.composite
def activities(draw) -> tuple[NetworkSpec, Counters]:
    """The counters of a few samples nobody ran, each of which could have been."""
    net = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    rule = draw(st.sampled_from(sorted(RULES)))
    gate = draw(st.sampled_from(["always", "error"]))
    spec = design(net, rule, feedback_format=draw(st.sampled_from(["int8", "lfsr"])), update_gate=gate)
    last = len(spec.layers) - 1
    table = Counters.zeros(last + 1)
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.sampled_from([False, False, True])):  # by the update gate, or because it had to wait
            for k, layer in enumerate(spec.layers):
                n_events = draw(st.integers(0, layer.n_in))
                table["input_events"][k] += n_events
                table["gated_events"][k] += n_events
                table["open_gates"][k] += draw(st.integers(0, layer.n_out)) if k < last else 0
            table["samples"][:] += 1
            table["gated_samples"][:] += 1
            continue
        above = n_errors = 0
        for k in range(last, -1, -1):
            layer = spec.layers[k]
            n_events = draw(st.integers(0, layer.n_in))
            n_active = n_errors = draw(st.integers(0, layer.n_out)) if k == last else n_errors
            lanes = 0
            if k < last:
                n_gates = draw(st.integers(0, layer.n_out))
                signal = PAPER[rule].signal
                if signal == "target":
                    lanes = 1 if spec.n_outputs > 1 else draw(st.integers(0, 1))
                elif signal == "signed target":
                    lanes = spec.n_outputs
                elif signal != "none":
                    lanes = above if signal == "delta" else n_errors
                n_active = draw(st.integers(0, n_gates)) if lanes else 0
                table["open_gates"][k] += n_gates
                table["live_gates"][k] += n_gates * (lanes > 0)
                table["signal_lanes"][k] += lanes
                table["gated_signals"][k] += n_gates * lanes
            table["samples"][k] += 1
            table["input_events"][k] += n_events
            table["active_neurons"][k] += n_active
            table["updates"][k] += n_active > 0
            table["update_events"][k] += n_events * (n_active > 0)
            table["update_pairs"][k] += n_events * n_active
            above = n_active
    return spec, table


def flat(spec, activity, lanes, read) -> dict[str, np.ndarray]:
    result = schedule(spec, activity, lanes, transposed_read=read)
    kinds = (("cycles", result.cycles), ("reads", result.reads), ("writes", result.writes))
    return {f"{kind} {name}": column for kind, columns in kinds for name, column in columns.items()}


reads = st.sampled_from(["adder-tree", "single", "transposable"])
skips = st.sampled_from(["none", "sample", "neuron"])


@given(case=activities(), zeros=st.booleans(), skip=skips)
def test_working_through_zeros_once_is_enough_and_takes_nothing_away(case, zeros, skip):
    spec, activity = case
    once = worked(spec, activity, zeros, skip)
    assert worked(spec, once, zeros, skip) == once
    for name in ACTIVITY:
        kept = spec.rule.learns_hidden or name != "open_gates"  # gates of frozen layers are nobody's work
        assert not kept or (once[name] >= activity[name]).all(), name
    if zeros and skip == "neuron":
        assert once == activity


@given(case=activities(), lanes=st.integers(1, 10), read=reads)
def test_skipping_more_never_costs_more(case, lanes, read):
    spec, activity = case
    for zeros in (False, True):
        by_skip = [
            flat(spec, worked(spec, activity, zeros, skip), lanes, read) for skip in ("neuron", "sample", "none")
        ]
        for less, more in pairwise(by_skip):
            for name in less:
                assert (less[name] <= more[name] + 1e-9).all(), (zeros, name)
                assert (less[name] >= 0).all(), name
    for skip in ("neuron", "sample", "none"):
        skipping = flat(spec, worked(spec, activity, True, skip), lanes, read)
        full = flat(spec, worked(spec, activity, False, skip), lanes, read)
        for name in full:
            assert (skipping[name] <= full[name] + 1e-9).all(), (skip, name)


@given(case=activities(), lanes=st.integers(1, 10), read=reads)
def test_more_lanes_never_take_longer_and_one_lane_is_the_upper_bound(case, lanes, read):
    spec, activity = case
    few, many, one = (flat(spec, activity, n, read) for n in (lanes, lanes + 1, 1))
    for name in few:
        assert (many[name] <= few[name] + 1e-9).all(), name
        assert (one[name] >= few[name] - 1e-9).all(), name


@given(case=activities(), lanes=st.integers(1, 10), read=reads)
def test_counts_add(case, lanes, read):
    spec, activity = case
    twice, once = flat(spec, activity + activity, lanes, read), flat(spec, activity, lanes, read)
    for name in once:
        np.testing.assert_allclose(twice[name], 2 * once[name])


def unskipped(spec: NetworkSpec, activity: Counters) -> np.ndarray:
    """Words of feedback for activations of zero, which a readout in the lanes does not skip."""
    if spec.regenerates_feedback or PAPER[spec.rule.name].signal != "local error":
        return np.zeros(len(spec.layers))
    learned = activity["samples"] - activity["gated_samples"]
    events = activity["input_events"] - activity["gated_events"]
    n_out = np.array([layer.n_out for layer in spec.layers])
    return np.append((n_out[:-1] * learned[:-1] - events[1:]) * spec.n_outputs, 0)


@given(case=activities(), read=reads)
def test_one_lane_does_what_traffic_predicts(case, read):
    """Words and products of one lane; biases are words of the weight memory, and a word is fetched for each use."""
    spec, activity = case
    counts, words = flat(spec, activity, 1, read), traffic(spec, activity)
    own = words["forward_macs"] + words["update_macs"] + words["bias_read"] - words["bias_write"]
    np.testing.assert_array_equal(counts["reads weight"], own)
    np.testing.assert_array_equal(counts["writes weight"], words["weight_write"] + words["bias_write"])
    np.testing.assert_array_equal(counts["writes activation"], words["activation_write"])
    if spec.rule.stores_feedback:
        np.testing.assert_array_equal(counts["reads feedback"], words["feedback_read"] + unskipped(spec, activity))
    if spec.rule.weight_transport:
        np.testing.assert_array_equal(counts["reads transposed"], words["signal_macs"])
    if any(spec.holds_gates(k) for k in range(len(spec.layers) - 1)):
        np.testing.assert_array_equal(counts["writes gate"], words["gate_write"])
        np.testing.assert_array_equal(counts["reads gate"], words["gate_read"])
