"""schedule() == a walk that ticks a clock, cycle for cycle and access for access."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.rules import RULES
from hw_models.engine.schedule import PHASES, Latency, latency, schedule, worked
from tests.naive.engine import Engine, Work, work_of
from tests.oracle_pairs import naive_twin

pytestmark = pytest.mark.kernel

Counts = dict[tuple[str, str, int], float]

SIZES = [(5, 3), (5, 4, 1), (4, 9, 3), (5, 2, 3, 2), (4, 9, 1, 11, 4)]
ACTIVITIES = {
    "dense": {"activation": "tanh"},
    "sparse": {"activation": "relu", "dead_zone": 127},
    "events": {"activation": "hard-tanh", "event_threshold": 60, "dead_zone": 126},
}
MODES = list(itertools.product([False, True], ["none", "sample", "neuron"]))
READS = ("adder-tree", "single", "transposable")
LATENCIES = {  # of the engine whose cycles are checked, by its number of lanes
    1: {"start": 3, "gate": 4, "row": 2},
    3: {"start": 1, "gate": 0, "row": 0},
    8: {"start": 2, "gate": 3, "row": 5},
}


@cache
def a_run(sizes, rule, activity, feedback_format="int8") -> tuple[NetworkSpec, Counters, list[list[Work]]]:
    """The counters of the compiled learner, and what the oracle was asked for by the same samples."""
    spec = design(
        sizes, rule, input_bits=4, feedback_format=feedback_format, hidden_rate=-3, output_rate=-3, seed=len(sizes),
        **ACTIVITIES[activity],
    )  # fmt: skip
    rng = np.random.default_rng(7)
    levels = rng.integers(1, 16, (6, sizes[0]), np.uint8)
    if activity != "dense":
        levels[rng.random(levels.shape) < 0.5] = 0
        levels[0] = 0
    labels = np.arange(1, 7) % spec.n_classes
    learner = Learner(spec)
    naive = naive_twin(learner)
    learner.learn(levels, labels)
    work = []
    for sample, label in zip(levels.tolist(), labels.tolist(), strict=True):
        naive.learn_one(sample, label)
        work.append(work_of(naive, label))
    return spec, learner.counters, work


def walked(spec: NetworkSpec, work: list[list[Work]], **options) -> Counts:
    latency = LATENCIES[options["lanes"]]
    engine = Engine(spec.named[0].name, list(spec.sizes), lfsr=spec.regenerates_feedback, **latency, **options)
    for sample in work:
        engine.learn(sample)
    return {
        (kind, name, k): float(count)
        for kind, counts in (("cycles", engine.cycles), ("reads", engine.reads), ("writes", engine.writes))
        for (name, k), count in counts.items()
    }


def scheduled(spec: NetworkSpec, counters: Counters, skips_zero_inputs: bool, update_skip: str, **options) -> Counts:
    """What schedule() says, zeros left out."""
    activity = worked(spec, counters, skips_zero_inputs, update_skip)
    result = schedule(spec, activity, latency=Latency(**LATENCIES[options["lanes"]]), **options)
    assert set(result.cycles) == set(PHASES)
    counts = {
        (kind, name, k): float(count)
        for kind, columns in (("cycles", result.cycles), ("reads", result.reads), ("writes", result.writes))
        for name, column in columns.items()
        for k, count in enumerate(column, 1)
        if count
    }
    assert result.total_cycles == pytest.approx(sum(n for (kind, _, _), n in counts.items() if kind == "cycles"))
    return counts


def reads_of(rule: str) -> tuple[str, ...]:
    return READS if RULES[rule].weight_transport else READS[:1]


def assert_exact(sizes, rule, activity, feedback_format="int8"):
    """One lane in all modes; many lanes where neurons are not skipped."""
    spec, counters, work = a_run(sizes, rule, activity, feedback_format)
    for lanes, (zeros, skip), read in itertools.product((1, 3, 8), MODES, reads_of(rule)):
        if lanes > 1 and skip == "neuron":
            continue
        options = {"lanes": lanes, "skips_zero_inputs": zeros, "update_skip": skip, "transposed_read": read}
        assert scheduled(spec, counters, **options) == walked(spec, work, **options), options


def assert_near(sizes, rule, activity, feedback_format="int8"):
    """Many lanes that skip neurons: less than a group off for each queue."""
    spec, counters, work = a_run(sizes, rule, activity, feedback_format)
    for lanes, zeros, read in itertools.product((3, 8), (False, True), reads_of(rule)):
        options = {"lanes": lanes, "skips_zero_inputs": zeros, "update_skip": "neuron", "transposed_read": read}
        counts = scheduled(spec, counters, **options)
        truth = walked(spec, work, **options)
        spare = walked(spec, work, spare_groups=1, **options)
        assert counts.keys() == truth.keys()
        for place, count in truth.items():
            assert abs(counts[place] - count) <= spare[place] - count + 1e-9, (options, place)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("activity", ACTIVITIES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_schedule_equals_the_walk(sizes, activity, rule):
    assert_exact(sizes, rule, activity)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("activity", ACTIVITIES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_lanes_that_skip_neurons_are_less_than_a_group_off(sizes, activity, rule):
    assert_near(sizes, rule, activity)


@pytest.mark.parametrize("rule", [name for name, row in RULES.items() if row.stores_feedback])
@pytest.mark.parametrize("sizes", SIZES[1:], ids=str)
def test_regenerated_feedback(sizes, rule):
    for activity in ("dense", "sparse"):
        assert_exact(sizes, rule, activity, "lfsr")
        assert_near(sizes, rule, activity, "lfsr")


DIFFERENT = [
    ("dfa+drtp", "all", "int8"),
    ("drtp+sdfa", "all", "lfsr"),
    ("bp+drtp", "all", "int8"),
    ("bp+local", "all", "ternary"),
    ("fa+signed-target", "all", "int8"),
    ("local+bp", "bias+all+all", "lfsr"),
    ("bp", "bias", "int8"),
    ("dfa", "last2", "int8"),
    ("bp", "all+none+all", "int8"),
    ("fa+dfa", "all+none+bias", "int8"),
]


@pytest.mark.parametrize(("rule", "learn", "feedback"), DIFFERENT)
def test_layers_that_differ(rule, learn, feedback):
    sizes = (4, 9, 5, 3)
    for activity in ("dense", "sparse"):
        spec = design(
            sizes, rule, learn=learn, input_bits=4, feedback_format=feedback, hidden_rate=-3, output_rate=-3,
            **ACTIVITIES[activity],
        )  # fmt: skip
        levels = np.random.default_rng(7).integers(0, 16, (6, 4), np.uint8)
        learner = Learner(spec)
        naive, work = naive_twin(learner), []
        for sample, label in zip(levels.tolist(), (0, 1, 2, 1, 0, 2), strict=True):
            learner.learn_one(sample, label)
            naive.learn_one(sample, label)
            work.append(work_of(naive, label))
        reads = READS if any(row.weight_transport for row in spec.rules) else READS[:1]
        for lanes, (zeros, skip), read in itertools.product((1, 3, 8), MODES, reads):
            if (lanes > 1 and skip == "neuron") or (skip == "sample" and "none+" in learn):
                continue  # a group off; samples in which d of a frozen layer is not zero are not counted
            options = {"lanes": lanes, "skips_zero_inputs": zeros, "update_skip": skip, "transposed_read": read}
            expected = walked(spec, work, network=naive, **options)
            assert scheduled(spec, learner.counters, **options) == expected, (activity, options)


def test_activations_behind_a_gate_are_fetched_again_for_a_readout():
    sizes = (4, 9, 5, 3)
    spec = design(sizes, "local", update_gate="margin", margin=255)  # no lead is longer: every sample is learned
    learner = Learner(spec)
    naive, work = naive_twin(learner), []
    levels = np.random.default_rng(7).integers(1, 16, (6, 4), np.uint8)
    for sample in levels.tolist():
        learner.learn_one(sample, 1)
        naive.learn_one(sample, 1)
        work.append(work_of(naive, 1))
    for lanes in (1, 3, 8):
        options = {"lanes": lanes, "skips_zero_inputs": False, "update_skip": "none"}
        expected = walked(spec, work, gated=True, **options)
        assert scheduled(spec, learner.counters, **options) == expected
        assert expected != walked(spec, work, **options)


@pytest.mark.parametrize("activity", ACTIVITIES)
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_inference_is_the_forward_pass(lanes, skips, activity):
    for sizes in SIZES:
        spec, counters, work = a_run(sizes, "dfa", activity)
        engine = Engine("dfa", list(sizes), lanes, skips)
        for sample in work:
            engine.infer(sample)
        result = schedule(spec, worked(spec, counters, skips, "none"), lanes, learning=False)
        n = range(1, len(sizes))
        assert list(result.cycles["forward"]) == [engine.cycles["forward", k] for k in n]
        assert result.total_cycles == sum(engine.cycles.values())
        assert {(r, k): float(x) for r, c in result.reads.items() for k, x in enumerate(c, 1) if x} == engine.reads
        assert {(r, k): float(x) for r, c in result.writes.items() for k, x in enumerate(c, 1) if x} == engine.writes


def test_the_samples_leave_nothing_out():
    """Equality means little where a case never happens: a layer of each kind is met."""
    met = set()
    for sizes, rule, activity in itertools.product(SIZES[1:], ["fa", "dfa", "drtp"], ACTIVITIES):
        for feedback_format in ("int8", "lfsr"):
            for layer in itertools.chain(*a_run(sizes, rule, activity, feedback_format)[2]):
                if not layer.gates:
                    met.add(("output", any(layer.deltas), any(layer.inputs)))
                else:
                    met.add((rule, any(layer.gates), any(layer.signals), any(layer.deltas)))
    assert met >= {("output", learns, heard) for learns in (False, True) for heard in (False, True)}
    for rule in ("fa", "dfa", "drtp"):
        kinds = {kind[1:] for kind in met if kind[0] == rule}
        assert kinds >= {
            (True, True, True),
            (True, True, False),  # a signal, and no d comes of it
            (True, False, False),
            (False, True, False),
        }


def test_cycles_of_a_complete_engine_are_those_measured():
    """64-32-10, each sample's mean in RTL less what this schedule has; drain per sample is not a term."""
    spec, complete = design((64, 32, 10), "dfa"), latency("complete")
    activity = Counters.zeros(2)
    activity["samples"][:] = activity["updates"][:] = 1
    activity["input_events"][:] = activity["update_events"][:] = 32
    activity["live_gates"][0] = activity["active_neurons"][0] = 32
    more = schedule(spec, activity, latency=complete).total_cycles - schedule(spec, activity).total_cycles
    assert more == pytest.approx(4752.0 - 4615.1, abs=6)
    drtp = design((64, 32, 10), "drtp")
    activity["signal_lanes"][0] = 1
    more = schedule(drtp, activity, latency=complete).total_cycles - schedule(drtp, activity).total_cycles
    assert more == pytest.approx(4306.5 - 4235.0, abs=6)
