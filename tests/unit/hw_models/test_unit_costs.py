"""What one of each count costs, against the cost model that prices whole runs; the energy of a battery."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edgelearn.network.counters import ACTIVITY, Counters
from edgelearn.network.kernels.tables import COUNTERS
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from edgelearn.units import battery_joules
from hw_models.engine.schedule import FORWARD_ACTIVITY, assume
from hw_models.processor import Engine, find_processor, names
from hw_models.unit_costs import unit_costs
from tests.tools import in_turn

GATES = (("always", 0), ("error", 0), ("margin", 10))
UNPRICED = [i for i, name in enumerate(COUNTERS) if name not in ACTIVITY]


@cache
def learned(rule: str, gate: str, margin: int, sizes: tuple[int, ...] = (6, 5, 4, 3), learn: str = "all") -> Learner:
    """A learner after some samples of few classes, so that gates close, and after some predictions."""
    rng = np.random.default_rng(3)
    learner = Learner(design(sizes, rule, update_gate=gate, margin=margin, output_rate=-3, learn=learn))
    labels = rng.integers(0, learner.spec.n_classes, 40)
    levels = (np.eye(3, 6, dtype=np.int64)[labels] * 12 + rng.integers(0, 3, (40, 6))).astype(np.uint8)
    learner.learn(levels, labels)
    learner.predict(levels[:7])
    return learner


@pytest.mark.parametrize(("rule", "name", "gate"), in_turn(RULES, names(), GATES))
def test_counts_times_rates_are_the_price_of_a_run(rule, name, gate):
    processor = find_processor(name)
    learner = learned(rule, *gate)
    spec, counters = learner.spec, learner.counters
    assert (counters.total("gated_samples") > 0) == (gate[0] != "always")
    found, cost = unit_costs(spec, processor), processor.price(spec, counters)
    assert (found.energy_pj is None) == ("energy_pj" not in cost.prices)
    assert found.clock_hz == processor.clock_hz
    nobody = Counters.zeros(len(spec.layers))
    for figure, of_one in (("cycles", found.cycles), ("energy_pj", found.energy_pj)):
        if of_one is None:
            continue
        assert float((of_one[0] * counters.table).sum()) == pytest.approx(cost.total(figure), rel=1e-9)
        assert found.total(of_one, counters, nobody) == pytest.approx(cost.total(figure), rel=1e-9)
        assert not of_one[..., UNPRICED].any()


@pytest.mark.parametrize("name", ["engine-28nm", "engine-45nm-dense", "cortex-m4", "loihi-like"])
@pytest.mark.parametrize(
    ("rule", "learn"), [("dfa+drtp", "all"), ("bp+local", "all"), ("bp", "bias"), ("fa+dfa", "all+none+all")]
)
def test_counts_times_rates_are_the_price_of_layers_that_differ(rule, learn, name):
    processor = find_processor(name)
    for gate in ("always", "error"):
        learner = learned(rule, gate, 0, learn=learn)
        spec, counters = learner.spec, learner.counters
        found, cost = unit_costs(spec, processor), processor.price(spec, counters)
        for figure, of_one in (("cycles", found.cycles), ("energy_pj", found.energy_pj)):
            if of_one is not None:
                assert float((of_one[0] * counters.table).sum()) == pytest.approx(cost.total(figure), rel=1e-9)


ONE_RULE_IN_THREE = [
    pytest.param(name, rule, marks=() if (i + j) % 3 == 0 else pytest.mark.slow)
    for i, name in enumerate(names())
    for j, rule in enumerate(RULES)
]


@pytest.mark.parametrize(("name", "rule"), ONE_RULE_IN_THREE)
def test_what_is_only_predicted_pays_for_its_forward_pass(rule, name):
    """On the same chip: as much as a sample that would be predicted there and gated, less what its gates cost."""
    processor = find_processor(name)
    learner = learned(rule, "always", 0)
    spec, inferred = learner.spec, learner.inference_counters
    found = unit_costs(spec, processor)
    held = inferred.only(FORWARD_ACTIVITY)
    held["gated_samples"][:], held["gated_events"][:] = held["samples"], held["input_events"]
    cost = processor.price(spec, held)
    unasked = [i for i, column in enumerate(COUNTERS) if column not in FORWARD_ACTIVITY]
    labelled = learner.counters
    for figure, of_one in (("cycles", found.cycles), ("energy_pj", found.energy_pj)):
        if of_one is None:
            continue
        assert not of_one[1][:, unasked].any()
        alone = float((of_one[1] * inferred.table).sum())
        assert alone == pytest.approx(cost.total(figure), rel=1e-9)
        assert 0 < alone < float((of_one[0] * labelled.table).sum())
        assert found.total(of_one, labelled, inferred) == pytest.approx(
            alone + processor.price(spec, labelled).total(figure), rel=1e-9
        )


def test_the_cycles_of_a_prediction_by_hand():
    """A group of neurons takes one cycle for each input that is not zero and the bias, two more, and a layer three."""
    spec = design((6, 5, 3), "bp")
    engine = find_processor("engine-28nm")
    assert isinstance(engine, Engine)
    assert engine.skips_zero_inputs
    groups = -(-np.array([5, 3]) // engine.lanes)
    found = unit_costs(spec, engine).cycles[1]
    np.testing.assert_allclose(found[:, COUNTERS.index("input_events")], groups)
    np.testing.assert_allclose(found[:, COUNTERS.index("samples")], 3 * groups + 3)


def test_gates_that_drtp_holds_under_an_update_gate_are_paid_by_who_learns_them():
    engine = find_processor("engine-28nm")
    column = COUNTERS.index("open_gates")
    free, waiting = (unit_costs(design((6, 5, 3), "drtp", update_gate=gate), engine) for gate in ("always", "error"))
    assert free.energy_pj is not None
    assert waiting.energy_pj is not None
    assert free.energy_pj[0, 0, column] == 0
    assert waiting.energy_pj[0, 0, column] > 0
    assert waiting.energy_pj[1, 0, column] == 0


@pytest.mark.parametrize("name", names())
def test_power_between_samples(name):
    processor = find_processor(name)
    spec = design((6, 5, 3), "dfa")
    found = unit_costs(spec, processor)
    if processor.idle_power is not None:
        assert found.idle_uw == processor.idle_power.nominal
    elif isinstance(processor, Engine):
        assert found.idle_uw == processor.price(spec, assume(spec)).total("leakage_uw") > 0
    else:
        assert found.idle_uw is None


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("225 mAh at 3 V", 2430),
        ("225mAh at 3V", 2430),
        (" 2.5 Ah at 3.7 V ", 33300),
        ("1e3 mAh at 1500 mV", 5400),
        ("2430 J", 2430),
        ("5 mJ", 5e-3),
    ],
)
def test_the_energy_of_a_battery(text, joules):
    assert battery_joules(text) == pytest.approx(joules, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["", "225 mAh", "225 at 3 V", "225 mAh at 3", "0 mAh at 3 V", "-1 mAh at 3 V", "3 V at 225 mAh",
     "e mAh at 3 V", "225 mAh at 0 V", "-2430 J", "0 J", "2430", "nan mAh at 3 V", "inf J"],
)  # fmt: skip
def test_what_is_no_battery(text):
    with pytest.raises(ValueError, match=r"is not a battery; write '225 mAh at 3 V' or '2430 J'"):
        battery_joules(text)
