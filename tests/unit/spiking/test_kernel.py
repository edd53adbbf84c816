"""The spiking kernel against the oracle, word for word: every model, rule, rounding, depth, delay."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.rules import Backend, rules_for
from edgelearn.spiking.learner import VARIABLES, SpikingLearner, raster_of
from edgelearn.spiking.network import MODELS, Neuron, design
from tests.naive.spiking import NaiveSpiking, hashed

pytestmark = pytest.mark.kernel

OPEN = {"gate_on": "membrane", "gate": (-4000, 4000)}
STEPS = 120


def both(spec, change=lambda learner: None):
    """Return a learner and an oracle with the same words."""
    learner = SpikingLearner(spec)
    change(learner)
    last = spec.last
    oracle = NaiveSpiking(
        spec.sizes,
        spec.rule.name,
        [asdict(neuron) for neuron in spec.neurons],
        [asdict(synapses) for synapses in spec.synapses],
        [learner.weights_into(p).tolist() for p in range(1, last + 1)],
        [learner.feedback_into(p).tolist() for p in range(1, last)],
        **{
            name: getattr(spec, name)
            for name in ("bits", "rounding", "seed", "trace_leak", "trace_step", "target", "spike_cost")
        },
    )
    if learner.has_bias:
        oracle.bias = [learner.of("bias", p).tolist() for p in range(last + 1)]
    return learner, oracle


def run(spec, rate=0.3, every=6, change=lambda learner: None, steps=STEPS):
    """Take steps on both sides and compare all words after each; return the learner."""
    rng = np.random.default_rng(spec.seed + 1)
    spikes = rng.random((steps, spec.sizes[0])) < rate
    labels = np.full(steps, -1)
    labels[3::every] = rng.integers(0, spec.sizes[-1], len(labels[3::every]))
    starts = np.arange(steps) % 40 == 0
    learner, oracle = both(spec, change)
    raster = raster_of(spikes, labels, starts)
    for k in range(steps):
        seen = learner.advance(raster.part(k, k + 1), record=True)[0]
        spiked = oracle.step(
            np.flatnonzero(spikes[k]).tolist(), None if labels[k] < 0 else int(labels[k]), bool(starts[k])
        )
        for p, population in enumerate(oracle.populations):
            at = spec.offsets()[p]
            assert np.flatnonzero(seen[at : at + spec.sizes[p]]).tolist() == spiked[p], (k, p)
            for name in VARIABLES:
                assert learner.of(name, p).tolist() == getattr(population, name), (k, p, name)
            if p:
                assert learner.weights_into(p).tolist() == oracle.weights[p], (k, p)
    for name, n in oracle.counts.items():
        assert learner.counted(name) == n, name
    return learner


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("rule", rules_for(Backend.SPIKING))
@pytest.mark.parametrize("model", MODELS)
def test_every_model_and_rule(model, rule, rounding):
    neuron = Neuron(model=model, threshold=60, refractory=2, current_gain=2, adaptation_step=30, **OPEN)
    output = Neuron(threshold=100, gate=(-9000, 9000))
    spec = design((9, 7, 4), rule, rounding=rounding, neuron=neuron, output=output, shifts=[5, 5], seed=3)
    learner = run(spec)
    assert learner.counted("spikes") > 400
    assert learner.counted("synaptic_updates") > 100


@pytest.mark.parametrize(
    "changes",
    [
        {"neuron": Neuron(threshold=50, reset="zero", **OPEN)},
        {"delays": [3, 1]},
        {"delays": [1, 7]},
        {"sizes": (8, 6, 5, 3), "delays": [2, 1, 4], "shifts": [4, 5, 6], "spreads": [30, 30, 30]},
        {"bits": 4, "spreads": [4, 4], "shifts": [9, 9]},
        {"bits": 16, "spreads": [3000, 3000], "shifts": [1, 2]},
        {"sizes": (6, 3), "shifts": [5], "spreads": [20], "delays": [2]},
        {"trace_leak": 1, "trace_step": 100},
    ],
    ids=str,
)
@pytest.mark.parametrize("rule", ["drtp", "dfa"])
def test_every_kind_of_network(rule, changes):
    neuron = Neuron(threshold=60, **OPEN)
    run(design(**({"sizes": (8, 6, 3), "rule": rule, "neuron": neuron, "shifts": [5, 5]} | changes)))


@pytest.mark.parametrize(("shift", "bits"), [(1, 12), (1, 16), (10, 12), (13, 12)])
def test_steps_that_round_to_zero_and_sums_beyond_16_bits(shift, bits):
    def loud(learner):
        learner.weights[:] = np.where(learner.weights > 0, 1, -1) * (2 ** (bits - 1) - 1)

    changes = {"shifts": [shift, shift], "feedback_spread": 127, "trace_leak": 2, "target": 127}
    spec = design((8, 6, 4), "dfa", bits=bits, rounding="nearest", neuron=Neuron(threshold=900, **OPEN), **changes)
    run(spec, change=loud if bits == 16 else lambda learner: None, steps=40)


def test_words_at_their_limits():
    def loud(learner):
        learner.weights[:] = np.where(learner.weights > 0, 127, -127)

    neuron = Neuron(threshold=32767, leak=15, gate_on="membrane", gate=(-32769, 32768))
    output = Neuron(threshold=300, gate=(-32769, 32768))
    spec = design((60, 12, 4), "dfa", neuron=neuron, output=output, shifts=[2, 2], target=127)
    learner = run(spec, rate=0.95, every=2, change=loud)
    for name in ("saturations", "membrane_saturations", "trace_saturations"):
        assert learner.counted(name) > 0, name


def test_the_hash_is_that_of_the_contract():
    cases = {
        (0, 0, 0, 1): 0xED345605,
        (1, 2, 3, 1): 0xE46A3F6A,
        (1000, 63, 9, 2): 0x478CA144,
        (45983, 5, 60, 1): 0xA1C23DAD,
    }
    for (t, j, i, p), expected in cases.items():
        assert hashed(t, j, i, p, 0) == expected


def test_stretches_may_be_cut_anywhere():
    rng = np.random.default_rng(0)
    raster = raster_of(rng.random((100, 9)) < 0.3, np.where(np.arange(100) % 7 == 0, 1, -1))
    whole, parts = SpikingLearner(design((9, 7, 4))), SpikingLearner(design((9, 7, 4)))
    whole.advance(raster)
    for start, end in ((0, 1), (1, 40), (40, 40), (40, 100)):
        parts.advance(raster.part(start, end))
    assert (whole.weights == parts.weights).all()
    assert (whole.counters == parts.counters).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "bp"}, "rule 'bp' is not for spiking networks"),
        ({"rule": "mdfa"}, "rule 'mdfa' is not for spiking networks"),
        ({"bits": 1}, "bits is 1"),
        ({"rounding": "residual"}, "rounding 'residual' is not known"),
        ({"sizes": (4,)}, "make no network"),
        ({"delays": [0, 1]}, "a spike takes 1 to 64 steps"),
        ({"shifts": [3]}, "shifts are 1; give one for each of 2 connections"),
    ],
)
def test_a_network_that_cannot_be_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        design(**({"sizes": (4, 3, 2)} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "hh"}, "model 'hh' is not known"),
        ({"reset": "none"}, "reset 'none' is not known"),
        ({"threshold": 0}, "threshold is 0; give 1 to 32767"),
        ({"gate": (5, 5)}, "give low < high"),
    ],
)
def test_a_neuron_that_cannot_be_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        Neuron(**changes)


@pytest.mark.parametrize("model", MODELS)
def test_a_bias_arrives_in_every_step(model):
    def biased(learner):
        learner.bias = np.random.default_rng(3).integers(-40, 90, sum(learner.spec.sizes)).astype(np.int32)

    neuron = Neuron(model=model, threshold=200, **OPEN)
    spec = design((6, 5, 4, 3), neurons=(neuron,) * 3, delays=[1, 2, 1])
    assert run(spec, change=biased).counted("spikes", 2) != run(spec).counted("spikes", 2)
