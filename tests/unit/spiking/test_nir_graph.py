"""Graphs of NIR: there and back word for word, numbers against NIR's equations, graphs of other tools, every error."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgelearn.errors import UserError
from edgelearn.rules import Backend, rules_for
from edgelearn.spiking.learner import VARIABLES, SpikingLearner, raster_of
from edgelearn.spiking.network import Neuron, design
from edgelearn.spiking.nir_graph import export_nir, import_nir
from tests.tools import missing

try:
    import nir
except ImportError:
    missing('nir is not installed: pip install "edgelearn[nir]"')

DT = 1e-3
MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def raster(spec, seed=0, steps=160, rate=0.3, labels=True, starts_every=40):
    rng = np.random.default_rng(seed)
    events = np.where(np.arange(steps) % 7 == 3, rng.integers(0, spec.sizes[-1], steps), -1)
    spikes = rng.random((steps, spec.sizes[0])) < rate
    return raster_of(spikes, events if labels else np.full(steps, -1), np.arange(steps) % starts_every == 0)


def assert_same_journey(one, other, labels=True, weights=True):
    seen = [learner.advance(raster(one.spec, 5, labels=labels), record=True) for learner in (one, other)]
    assert seen[0].sum() > 0
    assert (seen[0] == seen[1]).all()
    for name in (*VARIABLES, "weights", "feedback", "counters") if weights else ():
        assert (getattr(one, name) == getattr(other, name)).all(), name


def drawn(draw):
    sizes = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=4)))
    n = len(sizes) - 1

    def neuron():
        low = draw(st.integers(-4000, 0))
        return Neuron(
            model=draw(st.sampled_from(["lif", "if", "cuba"])),
            threshold=draw(st.integers(1, 300)),
            leak=draw(st.integers(0, 15)),
            current_leak=draw(st.integers(0, 15)),
            current_gain=draw(st.integers(0, 15)),
            reset=draw(st.sampled_from(["subtract", "zero"])),
            refractory=draw(st.integers(0, 3)),
            gate_on=draw(st.sampled_from(["current", "membrane"])),
            gate=(low, low + draw(st.integers(1, 8000))),
        )

    return design(
        sizes,
        draw(st.sampled_from(list(rules_for(Backend.SPIKING)))),
        bits=draw(st.integers(4, 16)),
        rounding=draw(st.sampled_from(["nearest", "stochastic"])),
        seed=draw(st.integers(0, 2**31)),
        neurons=tuple(neuron() for _ in range(n)),
        spreads=[draw(st.floats(1, 60)) for _ in range(n)],
        shifts=[draw(st.integers(0, 9)) for _ in range(n)],
        delays=[draw(st.integers(1, 5)) for _ in range(n)],
        trace_leak=draw(st.integers(0, 8)),
        target=draw(st.integers(0, 127)),
    )


@MANY
@given(data=st.data())
def test_a_side_file_brings_back_every_word(tmp_path, data):
    learner = SpikingLearner(drawn(data.draw))
    learner.advance(raster(learner.spec, 1))  # so that words and draws are not those of a start
    export_nir(learner, tmp_path / "net.nir", step_s=data.draw(st.sampled_from([1e-3, 1e-4, 0.3])))
    found = import_nir(tmp_path / "net.nir")
    assert found.losses == ()
    assert found.learner.spec == learner.spec
    for name in ("weights", "feedback", "net"):
        assert (getattr(found.learner, name) == getattr(learner, name)).all()
    one, other = (one.advance(raster(learner.spec, 5), record=True) for one in (learner, found.learner))
    assert (one == other).all()
    assert (learner.weights == found.learner.weights).all()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"neuron": Neuron("if", 200), "delays": [3, 2]},
        {"neuron": Neuron("cuba", 150, refractory=2), "bits": 4, "spreads": [4, 4]},
        {
            "sizes": (8, 7, 6, 3),
            "neuron": Neuron(threshold=900),
            "bits": 12,
            "spreads": [300] * 3,
            "delays": [1, 64, 2],
        },
        {"bits": 16, "spreads": [9000, 9000], "neuron": Neuron(threshold=32767, leak=3)},
    ],
    ids=str,
)
def test_networks_learn_on_as_if_they_had_stayed(tmp_path, changes):
    learner = SpikingLearner(
        design(
            **(
                {"sizes": (9, 8, 4), "rule": "dfa", "shifts": None, "seed": 3}
                | changes
                | {"shifts": [5] * (len(changes.get("sizes", "abc")) - 1)}
            )
        )
    )
    export_nir(learner, tmp_path / "net.nir")
    assert_same_journey(learner, import_nir(tmp_path / "net.nir").learner)


def test_numbers_of_numpy_are_written_as_well(tmp_path):
    learner = SpikingLearner(design((4, 3, 2), seed=np.int64(5), neuron=Neuron(threshold=np.int32(90))))
    export_nir(learner, tmp_path / "net.nir")
    assert import_nir(tmp_path / "net.nir").learner.spec == learner.spec


FULL = {
    "lif": Neuron("lif", 190, leak=3, reset="zero"),
    "if": Neuron("if", 150, reset="zero"),
    "cuba": Neuron("cuba", 333, leak=4, current_leak=3, current_gain=2, reset="zero"),
    "loud": Neuron("lif", 32767, leak=15, reset="zero"),
}


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("model", FULL)
def test_without_a_side_file_full_words_keep_every_spike(tmp_path, model, bits):
    neuron = FULL[model]
    spec = design((12, 8, 7, 4), bits=bits, neurons=(neuron,) * 3, delays=[1, 3, 2], spreads=[2 ** (bits - 2)] * 3)
    learner = SpikingLearner(spec)
    for p in (1, 2, 3):
        learner.weights_into(p)[0, 0] = spec.word_max
    export_nir(learner, tmp_path / "net.nir", DT)
    found = import_nir(tmp_path / "net.nir", side=False, bits=bits)
    assert found.losses == ()
    assert (found.learner.weights == learner.weights).all()
    for one, other in zip(found.learner.spec.neurons, spec.neurons, strict=True):
        names = {"cuba": ("leak", "current_leak", "current_gain"), "if": ()}.get(neuron.model, ("leak",))
        for name in ("model", "threshold", "reset", "refractory", *names):
            assert getattr(one, name) == getattr(other, name), name
    one, other = (one.advance(raster(spec, 5, labels=False), record=True) for one in (learner, found.learner))
    assert (one == other).all()
    assert model == "loud" or one[:, -4:].sum() > 0


def test_small_whole_weights_are_scaled_by_a_whole_factor(tmp_path):
    spec = design((9, 6, 3), bits=4, spreads=[3, 3], neurons=(Neuron("if", 11, reset="zero"),) * 2)
    learner = SpikingLearner(spec)
    export_nir(learner, tmp_path / "net.nir")
    found = import_nir(tmp_path / "net.nir", side=False, bits=8).learner
    for p in (1, 2):
        exported = 2 ** (8 - 4) * learner.weights_into(p)
        factor = 127 // np.abs(exported).max()
        assert (found.weights_into(p) == factor * exported).all()
        assert (found.spec.neurons[p - 1].threshold - 1) // factor == 10
    seen = [one.advance(raster(spec, 2, labels=False), record=True) for one in (learner, found)]
    assert (seen[0] == seen[1]).all()


# NIR's equations, by the forward Euler method in floats.


def euler(graph, spikes, dt):
    """Return the spikes of every population of a chain: list of bool[steps, neurons]; a spike takes no time in between."""
    out, after = [], dict(graph.edges)
    name, x = after["input"], spikes.astype(np.float64)
    while name != "output":
        node = graph.nodes[name]
        if isinstance(node, (nir.Linear, nir.Affine)):
            x = x @ np.asarray(node.weight, np.float64).T
        elif isinstance(node, nir.Delay):
            late = round(float(node.delay[0]) / dt)
            x = np.concatenate([np.zeros((late, x.shape[1])), x])[: len(x)]
        else:
            v, u, z = np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.zeros(x.shape, bool)
            for k, arriving in enumerate(x):
                if isinstance(node, nir.IF):
                    v = v + dt * node.r * arriving
                elif isinstance(node, nir.LIF):
                    v = v + dt / node.tau * (node.v_leak - v + node.r * arriving)
                else:
                    u = u + dt / node.tau_syn * (-u + node.w_in * arriving)
                    v = v + dt / node.tau_mem * (node.v_leak - v + node.r * u)
                z[k] = v > node.v_threshold
                v = np.where(z[k], node.v_reset, v)
            out.append(z)
            x = z.astype(np.float64)
        name = after[name]
    return out


def test_exported_numbers_are_those_of_the_equations(tmp_path):
    lif, cuba = Neuron("lif", 200, leak=3), Neuron("cuba", 90, leak=5, current_leak=2, current_gain=1)
    learner = SpikingLearner(design((4, 3, 2, 2), neurons=(lif, Neuron("if", 77), cuba), delays=[1, 4, 1]))
    export_nir(learner, tmp_path / "net.nir", step_s=2e-3)
    graph = nir.read(tmp_path / "net.nir")
    assert set(graph.edges) == {
        ("input", "synapses_1"), ("synapses_1", "neurons_1"), ("neurons_1", "delay_2"), ("delay_2", "synapses_2"),
        ("synapses_2", "neurons_2"), ("neurons_2", "synapses_3"), ("synapses_3", "neurons_3"), ("neurons_3", "output"),
    }  # fmt: skip
    expected = {
        "neurons_1": {"tau": 16e-3, "r": 8, "v_threshold": 199.5, "v_reset": 0, "v_leak": 0},
        "neurons_2": {"r": 500, "v_threshold": 76.5, "v_reset": 0},
        "neurons_3": {
            "tau_mem": 64e-3,
            "tau_syn": 8e-3,
            "w_in": 4,
            "r": 16,
            "v_threshold": 89.5,
            "v_reset": 0,
            "v_leak": 0,
        },
        "delay_2": {"delay": 6e-3},
    }
    for name, numbers in expected.items():
        for field, value in numbers.items():
            assert np.allclose(getattr(graph.nodes[name], field), value, rtol=1e-6), (name, field)
    for p in (1, 2, 3):
        assert (graph.nodes[f"synapses_{p}"].weight == learner.weights_into(p).T).all()


@pytest.mark.parametrize(
    "neuron",
    [
        Neuron("if", 30, reset="zero"),
        Neuron("lif", 4096, leak=1, reset="zero"),
        Neuron("lif", 512, leak=0, reset="zero"),
        Neuron("cuba", 2**9, leak=1, current_leak=1, current_gain=1, reset="zero"),
    ],
    ids=str,
)
def test_an_exported_graph_does_by_its_equations_what_words_do(tmp_path, neuron):
    """Powers of two so large that no shift drops a bit within the few steps that are taken: every spike is the same."""
    spec = design((6, 5, 3), bits=16, neurons=(neuron, Neuron("if", 1, reset="zero")), delays=[2, 3])
    spec = replace(spec, synapses=tuple(replace(one, exponent=0) for one in spec.synapses))
    learner = SpikingLearner(spec)
    rng = np.random.default_rng(0)
    learner.weights_into(1)[:] = rng.integers(-2, 5, (6, 5)) * (1 if neuron.model == "if" else 256)
    learner.weights_into(2)[:] = rng.integers(-1, 2, (5, 3))
    export_nir(learner, tmp_path / "net.nir", step_s=DT)
    graph = nir.read(tmp_path / "net.nir")
    total = 0
    for seed in range(20):
        steps = 12 if neuron.model != "cuba" else 7
        given_spikes = np.random.default_rng(seed).random((steps, 6)) < 0.5
        starts = np.arange(steps + 2) == 0
        padded = np.concatenate([given_spikes, np.zeros((2, 6), bool)])
        seen = learner.advance(raster_of(padded, np.full(steps + 2, -1), starts), record=True)
        hidden, outputs = euler(graph, given_spikes, DT)
        assert (seen[1 : steps + 1, 6:11] == hidden).all()  # a step later into each population
        assert (seen[2 : steps + 2, 11:] == outputs).all()
        total += hidden.sum()
    assert total > 20


# Graphs of other tools.


def neurons(kind, n, **numbers):
    return getattr(nir, kind)(**{name: np.full(n, value, np.float64) for name, value in numbers.items()})


def chain(*nodes):
    """Return a graph of nodes in their order."""
    first, last = nodes[0], nodes[-1]
    names = ["input", *(f"node_{k}" for k in range(len(nodes))), "output"]
    of = [
        nir.Input(input_type={"input": first.input_type["input"]}),
        *nodes,
        nir.Output(output_type={"output": np.array(last.output_type["output"])}),
    ]
    return nir.NIRGraph(dict(zip(names, of, strict=True)), list(itertools.pairwise(names)))


LIF = {"tau": 20e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0}
CUBA = {"tau_mem": 20e-3, "tau_syn": 8e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.5, "w_in": 2.0}


def written(tmp_path, *nodes):
    path = tmp_path / "other.nir"
    nir.write(path, chain(*nodes))
    return path


@pytest.mark.parametrize(
    ("kind", "numbers", "spread", "bits", "near"),
    [
        ("IF", {"r": 1 / DT, "v_threshold": 1.0}, 0.2, 8, 0.03),
        ("LIF", LIF | {"tau": 16e-3}, 4.0, 8, 0.1),  # a leak rounds down, by half a word in the mean
        ("LIF", LIF | {"tau": 16e-3}, 4.0, 12, 0.02),
        ("LIF", LIF, 5.0, 8, 0.15),
        ("CubaLIF", CUBA, 5.0, 8, 0.15),
    ],
    ids=["if", "lif, a power of two", "lif, finer words", "lif, 20 ms", "cuba"],
)
def test_a_graph_of_another_tool_spikes_about_as_often(tmp_path, kind, numbers, spread, bits, near):
    rng = np.random.default_rng(1)
    path = written(
        tmp_path,
        nir.Affine(rng.normal(0.2 * spread, spread, (30, 20)), np.zeros(30)),
        neurons(kind, 30, **numbers),
        neurons("Delay", 30, delay=2e-3),
        nir.Linear(rng.normal(0.1 * spread, spread, (10, 30))),
        neurons(kind, 10, **numbers),
    )
    found = import_nir(path, bits=bits)
    spikes = rng.random((3000, 20)) < 0.1
    seen = found.learner.advance(raster_of(spikes, np.full(3000, -1)), record=True)
    expected = euler(nir.read(path), spikes, DT)
    assert found.learner.spec.synapses[1].delay == 3
    for at, n, z in ((20, 30, expected[0]), (50, 10, expected[1])):
        counts, wanted = seen[:, at : at + n].sum(axis=0), z.sum(axis=0)
        assert wanted.sum() > 200
        assert abs(counts.sum() - wanted.sum()) < near * wanted.sum()
        assert np.corrcoef(counts, wanted)[0, 1] > 0.99
    assert kind == "IF" or found.learner.counted("membrane_saturations") == 0  # what has no leak may fall without end


def test_what_is_lost_is_said(tmp_path):
    weight = np.array([[0.5, -0.301], [0.2, 0.1]])
    path = written(
        tmp_path,
        neurons("Delay", 2, delay=1.4e-3),
        nir.Linear(weight),
        neurons("LIF", 2, **LIF | {"tau": 9.5e-3}),
        neurons("Delay", 2, delay=5e-3),
    )
    losses = import_nir(path).losses
    assert len(losses) == 6
    for start in (
        "a step of 1 ms is assumed, the graph tells none; --step-time gives another",
        "output: a delay of 5 ms",
        "delay into population 1: 1.4 ms became 1 ms",
        "node_2: tau 9.5 ms became 8 ms (shift 3)",
        "node_1: weights rounded to 8 bits, largest error 0.00",
        "node_2: threshold 1 became 2414 words",
    ):
        assert any(loss.startswith(start) for loss in losses), (start, losses)


def test_a_high_threshold_takes_bits_from_the_weights(tmp_path):
    path = written(tmp_path, nir.Linear(np.array([[1.0, 0.5]])), neurons("IF", 1, r=1000, v_threshold=1000.0))
    found = import_nir(path)
    assert found.learner.spec.neurons[0].threshold <= 32767
    assert found.learner.weights.tolist() == [33, 16]
    assert any("weights reach 33 of 127" in loss for loss in found.losses)
    path = written(tmp_path, nir.Linear(np.array([[1.3, 0.5]])), neurons("CubaLIF", 1, **CUBA | {"v_threshold": 100.0}))
    found = import_nir(path).learner
    assert np.abs(found.weights).max() == 127
    assert 32767 // 2 <= found.spec.neurons[0].threshold <= 32767  # one shift of the current more, not a bit less
    path = written(tmp_path, nir.Linear(np.array([[3.0, -1.0]])), neurons("IF", 1, r=1000, v_threshold=2000.0))
    found = import_nir(path)
    assert found.learner.weights.tolist() == [48, -16]
    assert found.losses[0].startswith("node_0: weights reach 48 of 127, so that the threshold")


def test_settings_of_a_graph_alone(tmp_path):
    path = written(
        tmp_path,
        nir.Linear(np.eye(3)),
        neurons("LIF", 3, **LIF),
        nir.Linear(np.zeros((2, 3))),
        neurons("LIF", 2, **LIF),
    )
    spec = import_nir(path, bits=6, step_s=5e-3, rule="dfa", seed=7).learner.spec
    usual = design((3, 3, 2), "dfa", 6, seed=7)
    assert (spec.bits, spec.seed, spec.rule.name, spec.neurons[0].leak) == (6, 7, "dfa", 2)
    assert spec.synapses == usual.synapses
    assert [one.gate for one in spec.neurons] == [one.gate for one in usual.neurons]
    with pytest.raises(UserError, match="bits is 1"):
        import_nir(path, bits=1)


# Errors.


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (lambda: [nir.Linear(np.eye(2)), nir.Scale(np.ones(2)), neurons("LIF", 2, **LIF)], "is a Scale"),
        (lambda: [nir.Conv1d(4, np.ones((2, 2, 1)), 1, 0, 1, 1, np.zeros(2)), nir.Flatten({"input": np.array([2, 4])}, 0, -1)], "is a (Conv1d|Flatten)"),
        (lambda: [nir.Linear(np.array([[1, np.nan]])), neurons("LIF", 1, **LIF)], "weights that are no numbers"),
        (lambda: [nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF | {"tau": 0})], "has tau 0; give more than 0"),
        (lambda: [nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF | {"tau": np.inf})], "has tau that are no numbers"),
        (lambda: [nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF | {"v_threshold": -1})], "has v_threshold -1; give more than 0"),
        (lambda: [nir.Linear(np.eye(2)), neurons("IF", 2, r=-1, v_threshold=1)], "has r -1; give more than 0"),
        (lambda: [neurons("Delay", 2, delay=0.064), nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF)], "the delay into population 1 is 64 ms; give less than 64 steps of 1 ms"),
        (lambda: [neurons("Delay", 2, delay=-1.0), nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF)], "has delay -1; give 0 or more"),
        (lambda: [nir.Linear(np.eye(2)), nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF)], "node 'node_1' is a Linear; a graph has LIF or IF or CubaLIF or LI in its place"),
        (lambda: [nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF), neurons("LIF", 2, **LIF)], "node 'node_2' is a LIF; a graph has Linear or Affine in its place"),
        (lambda: [neurons("Delay", 2, delay=1e-3)], "the graph has no neurons"),
        (lambda: [nir.Linear(np.eye(2)), nir.LI(*[np.ones(2)] * 3)], "the graph has no neurons that spike; a population is one of LIF, IF, CubaLIF"),
        (lambda: [nir.Linear(np.eye(2)), nir.LI(*[np.ones(2)] * 3), nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF)], "node 'node_1' is a LI before 'node_2'"),
        (lambda: [nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF | {"v_reset": 2.0})], "has v_threshold above v_reset -1; give more than 0"),
        (lambda: [nir.Affine(np.eye(2), np.array([0, np.inf])), neurons("LIF", 2, **LIF)], "node 'node_0' has biases that are no numbers"),
        (lambda: [nir.Linear(np.eye(2)), nir.LIF(tau=np.array([2e-3, 9e-3]), r=np.ones(2), v_leak=np.zeros(2), v_threshold=np.ones(2))], "has tau from 0.002 to 0.009; give its neurons one value, or"),
        (lambda: [nir.Linear(np.ones((1, 65001))), neurons("LIF", 1, **LIF)], "make no network"),
    ],
)  # fmt: skip
def test_a_graph_that_is_no_network_is_refused(tmp_path, nodes, message):
    with pytest.raises(UserError, match=message) as seen:
        import_nir(written(tmp_path, *nodes()))
    assert "\n" not in str(seen.value)


def test_loops_and_branches_are_refused(tmp_path):
    path = tmp_path / "loop.nir"
    nodes = {"input": nir.Input(input_type={"input": np.array([2])}), "w": nir.Linear(np.eye(2)), "n": neurons("LIF", 2, **LIF), "back": nir.Linear(np.eye(2)), "output": nir.Output(output_type={"output": np.array([2])})}  # fmt: skip
    forward = [("input", "w"), ("w", "n"), ("n", "output")]
    for more in ([("n", "back"), ("back", "n")], [("input", "back"), ("back", "n")]):
        nir.write(path, nir.NIRGraph(nodes, forward + more))
        with pytest.raises(UserError, match="is at a branch or a loop"):
            import_nir(path)
    nir.write(path, nir.NIRGraph(nodes, [*forward, ("back", "back")], type_check=False))
    with pytest.raises(UserError, match=r"node 'back' of .* is not between Input and Output"):
        import_nir(path)
    nir.write(path, nir.NIRGraph(nodes | {"second": nir.Input(input_type={"input": np.array([2])})}, [*forward, ("second", "back"), ("back", "n")]))  # fmt: skip
    with pytest.raises(UserError, match="has 2 Input nodes"):
        import_nir(path)
    inner = chain(nir.Linear(np.eye(2)), neurons("LIF", 2, **LIF))
    nir.write(path, nir.NIRGraph({"input": nodes["input"], "inner": inner, "output": nodes["output"]}, [("input", "inner"), ("inner", "output")]))  # fmt: skip
    with pytest.raises(UserError, match=r"node 'inner' of .* is a NIRGraph"):
        import_nir(path)


def test_files_that_are_no_graphs_are_refused(tmp_path):
    learner, path = SpikingLearner(design((4, 3, 2))), tmp_path / "net.nir"
    with pytest.raises(UserError, match=r"ends in '.h5'; a NIR graph ends in .nir"):
        export_nir(learner, tmp_path / "net.h5")
    with pytest.raises(UserError, match=r"ends in '.h5'"):
        import_nir(tmp_path / "net.h5")
    with pytest.raises(UserError, match="does not exist"):
        import_nir(path)
    with pytest.raises(UserError, match="cannot write"):
        export_nir(learner, tmp_path / "nowhere" / "net.nir")
    for bad in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="step_s is"):
            export_nir(learner, path, step_s=bad)
    assert list(tmp_path.iterdir()) == []
    export_nir(learner, path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net.json", "net.nir"]
    whole = path.read_bytes()
    for text in (b"", b"no HDF5 at all", whole[:1000], whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(text)
        with pytest.raises(UserError, match="cannot be read as a NIR graph") as seen:
            import_nir(path)
        assert "\n" not in str(seen.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="cannot be read as a NIR graph"):
        import_nir(path)


def test_a_file_of_another_kind_of_hdf5_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(UserError, match="cannot be read as a NIR graph"):
        import_nir(tmp_path / "other.nir")
    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["node/type"] = "Novel"
    with pytest.raises(UserError, match="cannot be read as a NIR graph"):
        import_nir(tmp_path / "other.nir")
    nir.write(tmp_path / "other.nir", nir.Linear(np.eye(2)))
    with pytest.raises(UserError, match="cannot be read as a NIR graph"):
        import_nir(tmp_path / "other.nir")


def test_adaptive_neurons_are_not_exported(tmp_path):
    with pytest.raises(UserError, match="population 1 are alif, which NIR does not know; export lif, if, cuba"):
        export_nir(SpikingLearner(design((4, 3, 2), neuron=Neuron("alif"))), tmp_path / "net.nir")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["weight", "tau"])
def test_a_graph_edited_elsewhere_leaves_its_side_file(tmp_path, field):
    learner, path = SpikingLearner(design((4, 3, 2))), tmp_path / "net.nir"
    export_nir(learner, path)
    graph = nir.read(path)
    nir.write(path, graph)  # rewritten, but the same
    assert (import_nir(path).learner.weights == learner.weights).all()
    getattr(graph.nodes["synapses_2" if field == "weight" else "neurons_2"], field)[:] *= 2
    nir.write(path, graph)
    with pytest.raises(UserError, match=r"is not of this graph.*; delete .*net\.json to import the graph by itself"):
        import_nir(path)
    assert import_nir(path, side=False).learner.spec.sizes == (4, 3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda note: note.update(format="other"), "cannot be read as the side file"),
        (lambda note: note.update(version=2), "is of version 2, and 1 is known"),
        (lambda note: note.pop("feedback"), "cannot be followed .KeyError"),
        (lambda note: note["feedback"].pop(), "feedback has 5 words, not 6"),
        (lambda note: note["feedback"].__setitem__(0, 0.5), "0.5 is no whole number"),
        (lambda note: note.update(step=-1), "-1 is no whole number"),
        (lambda note: note["spec"].update(bits=40), "bits is 40"),
        (lambda note: note["spec"].update(rule="magic"), "rule 'magic' is not known"),
        (lambda note: note["spec"].update(sizes=[4, 2, 3]), "unlike those of the graph"),
        (lambda note: note["spec"].update(sizes=[4, 2]), "neurons are of 2 populations, sizes of 1"),
        (lambda note: note["spec"].update(seed=-1), "cannot be followed"),
        (lambda note: note["spec"].update(novel=1), "cannot be followed"),
        (lambda note: note["spec"]["neurons"][0].update(threshold=1.5), "1.5 is no whole number"),
        (lambda note: note["spec"]["neurons"][0].update(threshold=0), "threshold is 0"),
        (lambda note: note["spec"]["synapses"][0].update(delay=0), "0 is no whole number from 1 to 64"),
        (lambda note: note.update(spec=[]), "cannot be followed"),
    ],
)
def test_a_side_file_that_cannot_be_is_refused(tmp_path, change, message):
    path, side = tmp_path / "net.nir", tmp_path / "net.json"
    export_nir(SpikingLearner(design((4, 3, 2))), path)
    note = json.loads(side.read_text())
    change(note)
    side.write_text(json.dumps(note))
    with pytest.raises(UserError, match=message) as seen:
        import_nir(path)
    assert f"delete {side} to import the graph by itself" in str(seen.value)


def test_a_strangers_json_is_not_overwritten(tmp_path):
    (tmp_path / "net.json").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"is no side file of a NIR graph; give net.nir another name"):
        export_nir(SpikingLearner(design((4, 3, 2))), tmp_path / "net.nir")
    assert [one.name for one in tmp_path.iterdir()] == ["net.json"]


def test_nir_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    learner, path = SpikingLearner(design((4, 3, 2))), tmp_path / "net.nir"
    export_nir(learner, path)
    monkeypatch.setitem(sys.modules, "nir", None)
    for call in (lambda: export_nir(learner, path), lambda: import_nir(path)):
        with pytest.raises(UserError, match=r'nir is not installed.*pip install "nir>='):
            call()


# Graphs as other tools write them.


def words(weight, **neuron):
    """Return weights [neurons, sources] as nodes with neurons of a kind."""
    return nir.Linear(weight), neurons(neuron.pop("kind"), len(weight), **neuron)


def raw(tmp_path, order, shape=(3,), outputs=2):
    """Write nodes as given, without a check of their types."""
    nodes = {"input": nir.Input(input_type={"input": np.array(shape)}), **order}
    nodes["output"] = nir.Output(output_type={"output": np.array([outputs])})
    path = tmp_path / "raw.nir"
    nir.write(path, nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False))
    return path


WEIGHT = np.array([[0.5, -0.25, 1.0], [0.75, 0.125, -1.0]])


@pytest.mark.parametrize("dt", [1e-4, 2.5e-3])
def test_the_step_follows_from_tau_and_r(tmp_path, dt):
    tau = dt / (1 - 0.9375)  # a decay of 15/16 per step
    leaky = {"tau": tau, "r": tau / dt, "v_leak": 0.0, "v_threshold": 1.0}
    found = import_nir(written(tmp_path, *words(WEIGHT, kind="LIF", **leaky)))
    assert found.step_s == pytest.approx(dt)
    assert found.learner.spec.neurons[0].leak == 4
    assert found.losses[0].startswith(f"a step is {'0.1 ms' if dt == 1e-4 else '2.5 ms'}, tau / r of the graph")
    whole = import_nir(written(tmp_path, *words(WEIGHT, kind="LIF", **leaky | {"tau": 0.016, "r": 16.0})))
    assert (found.learner.weights == whole.learner.weights).all()
    assert whole.learner.spec == found.learner.spec
    assert whole.losses == found.losses[1:]  # 1 ms is what is assumed anyway
    given = import_nir(tmp_path / "other.nir", step_s=16e-3)
    assert given.learner.spec.neurons[0].leak == 0
    assert given.losses[0].startswith("a step of 16 ms was given; tau / r of the graph is 1 ms")
    assert "node_1: tau 16 ms is about one step of 16 ms: no memory from step to step" in given.losses


def test_currents_of_snntorch_say_the_step_as_well(tmp_path):
    dt, alpha, beta = 1e-4, 0.5, 0.75
    syn, mem = dt / (1 - alpha), dt / (1 - beta)
    numbers = {"tau_syn": syn, "tau_mem": mem, "r": mem / dt, "w_in": syn / dt, "v_leak": 0.0, "v_threshold": 1.0}
    found = import_nir(written(tmp_path, *words(WEIGHT, kind="CubaLIF", **numbers)))
    neuron = found.learner.spec.neurons[0]
    assert (found.step_s, neuron.current_leak, neuron.leak, neuron.current_gain) == (1e-4, 1, 2, 0)


def test_a_resistance_of_one(tmp_path):
    unit = import_nir(written(tmp_path, *words(WEIGHT, kind="IF", r=1.0, v_threshold=1.0)))
    assert any(loss.startswith("node_1: r is 1: a spike adds its weight") for loss in unit.losses)
    full = import_nir(written(tmp_path, *words(WEIGHT, kind="IF", r=1000.0, v_threshold=1.0)))
    assert (unit.learner.weights == full.learner.weights).all()
    assert unit.learner.spec == full.learner.spec
    steps = import_nir(written(tmp_path, *words(WEIGHT, kind="LIF", **LIF | {"tau": 8.0})))  # Sinabs: tau of 8 steps
    assert (steps.step_s, steps.learner.spec.neurons[0].leak) == (None, 3)
    assert any("tau counts steps" in loss for loss in steps.losses)
    norse = import_nir(written(tmp_path, *words(WEIGHT, kind="LIF", **LIF | {"tau": 8e-3})))
    assert norse.learner.spec == steps.learner.spec
    none = nir.LIF(tau=np.full(2, np.inf), r=np.full(2, np.inf), v_leak=np.zeros(2), v_threshold=np.ones(2))
    endless = import_nir(written(tmp_path, nir.Linear(WEIGHT), none))  # snnTorch: a decay of 1
    assert endless.learner.spec == full.learner.spec


def test_scalars_batches_and_shapes_without_types(tmp_path):
    def leaky(shape):
        numbers = {"tau": 8e-3, "r": 8.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
        return nir.LIF(**{name: np.full(shape, value) for name, value in numbers.items()})

    expected = import_nir(raw(tmp_path, {"w": nir.Linear(WEIGHT), "n": leaky(2)}))
    for shape in ((1,), (1, 2), (2, 1, 1)):
        found = import_nir(raw(tmp_path, {"w": nir.Linear(WEIGHT), "n": leaky(shape)}))
        assert (found.learner.weights == expected.learner.weights).all(), shape
        assert found.learner.spec == expected.learner.spec, shape
    flat = nir.Flatten(input_type={"input": np.array([1, 3, 1])}, start_dim=0, end_dim=-1)
    found = import_nir(raw(tmp_path, {"flat": flat, "w": nir.Linear(WEIGHT), "n": leaky(2)}, (1, 3, 1)))
    assert (found.losses, found.learner.spec) == (expected.losses, expected.learner.spec)
    with pytest.raises(UserError, match="node 'w' takes 3 sources, and 4 come before it"):
        import_nir(raw(tmp_path, {"w": nir.Linear(WEIGHT), "n": leaky(2)}, (2, 2)))
    with pytest.raises(UserError, match="node 'n' has 3 values of r for 2 neurons"):
        import_nir(raw(tmp_path, {"w": nir.Linear(WEIGHT), "n": leaky(3)}))
    with pytest.raises(UserError, match="node 'again' takes 3 sources, and 2 come before it"):
        import_nir(raw(tmp_path, {"w": nir.Linear(WEIGHT), "n": leaky(2), "again": nir.Linear(WEIGHT), "m": leaky(2)}))


def test_a_bias_is_a_constant_current(tmp_path):
    numbers = {"tau": 16e-3, "r": 16.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    rng = np.random.default_rng(4)
    weight, bias = rng.normal(0, 0.4, (12, 20)), rng.uniform(0.0, 0.1, 12)
    path = written(tmp_path, nir.Affine(weight, bias), neurons("LIF", 12, **numbers))
    found = import_nir(path, bits=12)
    assert any(loss.startswith("node_0: the bias became a constant current") for loss in found.losses)
    spikes = rng.random((2000, 20)) < 0.1
    seen = found.learner.advance(raster_of(spikes, np.full(2000, -1)), record=True)[:, 20:]
    v, wanted = np.zeros(12), np.zeros(12)
    for step in spikes:
        v += -v / 16 + weight @ step + bias
        wanted += v > 1
        v[v > 1] = 0
    assert wanted.sum() > 1000
    assert np.abs(seen.sum(0) - wanted).max() <= 0.05 * wanted.max()
    plain = import_nir(written(tmp_path, nir.Linear(weight), neurons("LIF", 12, **numbers)), bits=12).learner
    unbiased = plain.advance(raster_of(spikes, np.full(2000, -1)), record=True)[:, 20:]
    assert unbiased.sum() < 0.8 * seen.sum()
    export_nir(found.learner, tmp_path / "again.nir")
    exact = import_nir(tmp_path / "again.nir")
    assert exact.losses == ()
    assert (exact.learner.bias == found.learner.bias).all()
    alone = import_nir(tmp_path / "again.nir", side=False, bits=12)
    assert (alone.learner.bias == found.learner.bias).all()
    assert (found.learner.copy().bias == found.learner.bias).all()


def test_potentials_may_rest_and_reset_elsewhere(tmp_path):
    shifted = {"tau": 16e-3, "r": 16.0, "v_leak": -60.0, "v_threshold": -59.0, "v_reset": -60.0}
    found = import_nir(written(tmp_path, *words(WEIGHT, kind="LIF", **shifted)))
    plain = import_nir(written(tmp_path, *words(WEIGHT, kind="LIF", **LIF | {"tau": 16e-3, "r": 16.0})))
    assert found.learner.spec == plain.learner.spec
    assert not found.learner.has_bias
    assert any("potentials are counted from v_reset, -60" in loss for loss in found.losses)
    pulled = import_nir(written(tmp_path, *words(WEIGHT, kind="LIF", **LIF | {"tau": 16e-3, "r": 16.0, "v_leak": 0.5})))
    assert pulled.learner.bias.tolist() == [0, 0, 0, 4, 4]  # 0.5 / 16 of a potential where 1 is 127 words
    assert any("the pull to v_leak became a constant current" in loss for loss in pulled.losses)


def test_thresholds_and_resistances_of_single_neurons_are_in_the_weights(tmp_path):
    node = nir.LIF(np.full(2, 16e-3), np.full(2, 16.0), np.zeros(2), np.array([1.0, 2.0]))
    found = import_nir(written(tmp_path, nir.Linear(WEIGHT), node), bits=12)
    same = import_nir(
        written(
            tmp_path,
            nir.Linear(WEIGHT * [[2.0], [1.0]]),
            neurons("LIF", 2, **LIF | {"tau": 16e-3, "r": 16.0, "v_threshold": 2.0}),
        ),
        bits=12,
    )
    assert (found.learner.weights == same.learner.weights).all()
    assert found.learner.spec == same.learner.spec
    assert any("thresholds, 1 to 2, became one" in loss for loss in found.losses)


@pytest.mark.parametrize("readout", ["LI", ""])
def test_a_readout_is_the_highest_membrane(tmp_path, readout):
    hidden = words(np.eye(3) * 4, kind="LIF", **LIF | {"tau": 16e-3, "r": 16.0})
    out = [nir.Linear(WEIGHT)]
    if readout:
        out.append(nir.LI(np.full(2, 16e-3), np.full(2, 16.0), np.zeros(2)))
    found = import_nir(written(tmp_path, *hidden, *out))
    assert any("the class is that of the highest membrane" in loss for loss in found.losses)
    assert found.learner.spec.neurons[1].model == ("lif" if readout else "if")
    for source, winner in ((0, 1), (2, 0)):
        learner = found.learner.copy()
        spikes = np.zeros((12, 3), bool)
        spikes[:, source] = True
        learner.advance(raster_of(spikes, np.full(12, -1), np.arange(12) == 0))
        assert learner.counted("spikes", 2) == 0
        assert learner.winner() == winner
