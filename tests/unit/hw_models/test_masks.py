"""Prices of networks whose layers differ: a rule per layer, frozen words in a memory of their own, the cycle of a lock."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.network.traffic import TRAFFIC, traffic
from edgelearn.rules import RULES, find_rule
from hw_models.compare.ranking import verdict_as_dict
from hw_models.compare.relative import relative_as_dict
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.constants.logic import Datapath
from hw_models.engine.memory_map import contents, error_bits
from hw_models.engine.schedule import assume
from hw_models.microcontroller import FROM_FLASH
from hw_models.processor import Engine, find_processor, path_of, read

SIZES = (64, 32, 16, 10)
ROM = """
[memories.rom]
kind = "custom"
read = "0.01 pJ/bit"
write = "0 pJ/bit"
area = "0.05 um2/bit"
leakage = "0 nW/bit"
holds = ["frozen"]
"""


@pytest.fixture
def with_rom(tmp_path) -> Engine:
    """engine-28nm with a ROM for words that never learn."""
    path = tmp_path / "rom.toml"
    path.write_text(path_of("engine-28nm").read_text() + ROM)
    engine = read(path)
    assert isinstance(engine, Engine)
    return engine


def test_words_that_never_learn_are_priced_where_they_lie(with_rom):
    shared = find_processor("engine-28nm")
    weights = [64 * 32, 32 * 16, 16 * 10]
    for learn, frozen in (("last", weights[0] + 32 + weights[1] + 16), ("bias", weights[0] + weights[1])):
        spec = design(SIZES, "bp", learn=learn)
        activity = assume(spec)
        apart, together = with_rom.price(spec, activity), shared.price(spec, activity)
        assert apart.total("memory_bits", "frozen weights") == 8 * frozen
        assert apart.total("area_um2", "frozen weights") == pytest.approx(8 * frozen * 0.05)
        reads = frozen + (weights[1] if learn == "bias" else 0)  # bp of layer 1 reads the weights above it once more
        pj = apart.per_sample("energy_pj", "frozen weights")
        assert pj == pytest.approx(8 * frozen * 0.01)
        if learn == "bias":  # beside those of the output layer, which layer 2 reads in the memory that learns
            assert apart.per_sample("energy_pj", "feedback") > 8 * (reads - frozen) * 0.01
        assert apart.total("area_um2") < together.total("area_um2")
        assert apart.total("memory_bits") == together.total("memory_bits")
        assert not any("frozen" in note for note in apart.notes)
        assert any(note.startswith("frozen weights lie in memory 'weights'") for note in together.notes)
        inference = with_rom.price(spec, activity, learning=False)  # a chip that cannot learn is divided alike
        assert inference.total("area_um2", "frozen weights") == apart.total("area_um2", "frozen weights")


def test_the_last_layer_alone_costs_what_frozen_hidden_layers_cost(with_rom):
    """Under one memory; the words of a mask keep no residual bits, and those of the rule are not priced either."""
    mask, rule = design(SIZES, "dfa", learn="last"), design(SIZES, "shallow")
    engine = find_processor("engine-28nm")
    costs = [engine.price(spec, assume(spec)) for spec in (mask, rule)]
    for figure in ("energy_pj", "cycles", "area_um2", "memory_bits"):
        assert costs[0].total(figure) == pytest.approx(costs[1].total(figure))
    assert not any("frozen" in note for note in costs[1].notes)  # as before there were masks
    assert with_rom.price(rule, assume(rule)).total("memory_bits", "frozen weights") > 0


def test_two_memories_of_frozen_words_are_refused(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(path_of("engine-28nm").read_text() + ROM + ROM.replace("memories.rom", "memories.more"))
    with pytest.raises(UserError, match="more than one memory holds 'frozen'; at most one may"):
        read(path)


def test_firmware_reads_frozen_words_from_flash():
    processor = find_processor("cortex-m4")
    spec, plain = design(SIZES, "dfa", learn="bias"), design(SIZES, "dfa")
    cost = processor.price(spec, assume(spec))
    assert cost.notes == (FROM_FLASH,)
    assert cost.total("memory_bits", "frozen weights") == 8 * (64 * 32 + 32 * 16)
    assert cost.total("memory_bits", "residuals") == 8 * (32 + 16 + 17 * 10)
    everything = processor.price(plain, assume(plain))
    assert not everything.notes
    assert cost.per_sample("cycles") < 0.75 * everything.per_sample("cycles")


def test_memory_that_waits_is_that_of_the_layers_that_wait():
    def waiting(rule, learn="all", **settings):
        held = contents(design(SIZES, rule, learn=learn, **settings), True, False)
        return held.get(("activation", "buffers"), 0), held["gate", "buffers"], held["delta", "buffers"]

    inputs, first = 64 * 4, 32 * 8
    top = 16 * 8 + 10 * 8
    assert waiting("drtp") == (0, 0, 0)
    assert waiting("drtp+dfa")[:2] == (max(inputs + first, first + top) - (inputs + first), 16 * 8)
    assert waiting("dfa+drtp")[1] == 32 * 8
    assert waiting("dfa") == (top, (32 + 16) * 8, 0)
    assert waiting("dfa", "bias")[:2] == (0, (32 + 16) * 8)  # biases alone need no inputs
    assert waiting("drtp+bp")[2] > 0
    width = design(SIZES, "drtp").layers[-1].delta_width
    assert error_bits(design(SIZES, "drtp+signed-target")) == width
    assert error_bits(design(SIZES, "drtp+dfa")) == 10 * width


def test_the_cycle_at_which_each_layer_may_update():
    """By hand: a layer that waits for nothing updates on the way, and what waits does so for the forward pass of all."""
    engine = find_processor("engine-28nm")
    assert isinstance(engine, Engine)
    spec = design(SIZES, "dfa+drtp")
    activity = assume(spec)
    cycles = engine.schedule(spec, engine.worked(spec, activity)).cycles
    forward, signal, update = (cycles[phase] / activity.n_samples for phase in ("forward", "signal", "update"))
    starts = [lock.start_cycles for lock in cost_of_rule(spec, activity, engine).locks]
    end = forward.sum() + signal[1] + update[1]
    assert starts == pytest.approx([end, forward[0] + forward[1], end])
    spec = design(SIZES, "bp+dfa")
    activity = assume(spec)
    cycles = engine.schedule(spec, engine.worked(spec, activity)).cycles
    forward, signal, update = (cycles[phase] / activity.n_samples for phase in ("forward", "signal", "update"))
    starts = [lock.start_cycles for lock in cost_of_rule(spec, activity, engine).locks]
    assert starts == pytest.approx([forward.sum() + signal[1:].sum() + update[1:].sum(), forward.sum(), forward.sum()])
    spec = design(SIZES, "bp", learn="all+none+all")
    locks = cost_of_rule(spec, assume(spec), engine).locks
    assert locks[1].start_cycles is None  # d passes through, and no word is written
    assert locks[0].start_cycles > locks[2].start_cycles


def test_a_mixed_network_costs_between_its_rules_and_is_compared_with_them():
    engine = find_processor("engine-28nm")
    costs = []
    for rule in ("dfa", "dfa+drtp", "drtp"):
        spec = design(SIZES, rule)
        costs.append(cost_of_rule(spec, assume(spec), engine))
    pj = [cost.training.energy_per_sample_pj for cost in costs]
    assert pj[0] > pj[1] > pj[2]
    assert [cost.name for cost in costs] == ["dfa", "dfa+drtp", "drtp"]
    content = as_dict(costs)
    assert [row["locking"] for row in content["rules"]] == ["update", "update", "none"]
    assert "learns" not in content["rules"][1]["network"]
    relative_as_dict(costs, "drtp")
    assert verdict_as_dict(costs, "energy_pj")["cheapest"] == "drtp"
    spec = design(SIZES, "dfa", learn="bias")
    assert as_dict([cost_of_rule(spec, assume(spec), engine)])["rules"][0]["network"]["learns"] == [
        "bias",
        "bias",
        "all",
    ]


def test_learning_logic_is_that_of_the_largest_rule():
    def area(*rules):
        path = Datapath(
            16, 8, RULES[rules[0]], 16, generates_feedback=True, other_rules=tuple(map(find_rule, rules[1:]))
        )
        return path.area_um2()

    for one, other in (("bp", "dfa"), ("dfa", "bp"), ("drtp", "dfa")):
        both = area(one, other)
        largest = max((area(one), area(other)), key=lambda each: each["learning arithmetic"])
        assert sum(both.values()) >= sum(largest.values())
        assert both["feedback"] == max(area(one)["feedback"], area(other)["feedback"]) > 0
    engine = find_processor("engine-28nm")
    spec = design(SIZES, "bp+dfa", feedback_format="lfsr")
    assert engine.price(spec, assume(spec)).total("area_um2", "feedback") > 0


@pytest.mark.parametrize(
    ("rule", "learn"),
    [("dfa+drtp", "all"), ("bp", "bias"), ("bp+local", "all"), ("fa", "all+none+all"), ("drtp", "last")],
)
def test_assumed_activity_is_what_a_run_of_full_activity_counts(rule, learn):
    """With densities of a run, accesses are those of the run; and prices are finite on every kind of processor."""
    spec = design(SIZES, rule, learn=learn, hidden_rate=-3, output_rate=-3)
    learner = Learner(spec)
    rng = np.random.default_rng(0)
    learner.learn(rng.integers(1, 16, (20, 64)), rng.integers(0, 10, 20))
    counted = learner.counters
    predicted = traffic(spec, counted)
    for name in TRAFFIC:
        np.testing.assert_array_equal(predicted[name], counted[name], err_msg=name)
    for name in ("engine-28nm", "engine-28nm-32-lanes", "engine-45nm-dense", "cortex-m0", "loihi-like"):
        processor = find_processor(name)
        cost = processor.price(spec, counted)
        assert 0 < cost.per_sample("cycles") < float("inf")
        full = assume(spec)
        assert processor.price(spec, full).per_sample("cycles") >= 0.9 * cost.per_sample("cycles")
