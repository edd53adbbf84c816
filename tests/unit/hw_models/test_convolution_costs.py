"""Prices of networks with convolutions: counts of runs, closed forms, memories, reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.network.traffic import predicted, traffic
from edgelearn.reports.windows import convolution_lines
from edgelearn.rules import RULES
from hw_models.compare.accelergy import actions, write_architecture
from hw_models.compare.ranking import ranking_as_dict
from hw_models.compare.relative import relative_as_dict
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.compare.structures import structures
from hw_models.constants.logic import adder_bit_um2, register_um2
from hw_models.engine.memory_map import accumulator_bits, contents, partial_bits
from hw_models.engine.price import datapath
from hw_models.engine.schedule import MapDensities, assume, schedule, worked
from hw_models.microcontroller import WINDOW_ACTIONS, instruction_counts, kernels_at_once
from hw_models.processor import Engine, find_processor, names, path_of, read
from hw_models.unit_costs import unit_costs

SMALL = "6x6x1-conv4x3x3-pool2-5-3"
CONV16 = "28x28x1-conv16x5x5-pool2-fc128-10"
SPOON_LIKE = "28x28x1-conv10x5x5s2p0-fc128-10"
ENGINE = find_processor("engine-28nm")
assert isinstance(ENGINE, Engine)
EVENT = ENGINE.model_copy(update={"dataflow": "event"})


def a_run(rule: str, net: str = SMALL, **settings) -> tuple[NetworkSpec, Counters]:
    spec = design(net, rule, **settings)
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 16, (8, spec.sizes[0])) * (rng.random((8, spec.sizes[0])) < 0.6)
    learner = Learner(spec)
    learner.learn(levels.astype(np.uint8), rng.integers(0, 3, 8))
    return spec, learner.counters


@pytest.mark.kernel
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "drtp", "local", "signed-target"])
def test_words_of_one_lane_are_those_that_a_run_counts(rule):
    for net, settings in ((SMALL, {}), ("6x5x2-conv4x3x3-conv3x2x2p0-3", {"kernel_bias": True})):
        spec, counters = a_run(rule, net, **settings)
        counted, plan = traffic(spec, counters), schedule(spec, counters)
        for k, layer in enumerate(spec.layers):
            if not layer.is_convolution:
                continue
            words = counters["active_maps"][k] * layer.fan_in
            assert plan.writes["weight"][k] == counted["weight_write"][k] + counted["bias_write"][k]
            assert plan.writes["accumulator"][k] == counted["accumulator_write"][k] + words
            forward = counters["window_pairs"][k] * layer.n_columns
            assert plan.reads["activation"][k] == forward + counters["update_pairs"][k]
            if rule != "local":  # whose readout works through activations of zero
                assert plan.reads["feedback"][k] == counted["feedback_read"][k]
            if spec.holds_gates(k):
                assert plan.reads["gate"][k] == counted["gate_read"][k]
                assert plan.writes["gate"][k] == counted["gate_write"][k]
            if spec.holds_winners(k):
                assert plan.writes["winner"][k] == counted["winner_write"][k]
                assert plan.reads["winner"][k] >= counted["winner_read"][k]


@pytest.mark.kernel
def test_full_activity_is_what_a_run_of_it_counts_but_for_borders():
    spec = design("6x6x1-conv4x3x3p0-pool2-5-3", "signed-target", activation="relu", output_rate=0)
    activity = assume(spec)
    assert activity["window_pairs"][0] == 16 * 9 * activity.n_samples
    assert activity["update_pairs"][0] == activity["active_neurons"][0] * 9
    assert activity["active_maps"][0] == 4 * activity.n_samples
    half = assume(spec, 0.5, maps=MapDensities(0.25, 0.5, 0.75))
    assert half["window_pairs"][0] == activity["window_pairs"][0] // 2
    assert half["input_events"][1] == activity["input_events"][1] // 4
    assert half["update_pairs"][0] == activity["update_pairs"][0] // 4
    assert half["open_gates"][0] == 3 * activity["open_gates"][0] // 4
    assert half["open_gates"][1] == activity["open_gates"][1]


def test_a_window_that_spans_the_map_is_a_dense_layer_in_the_forward_pass():
    convolution = design("4x4x2-conv6x4x4p0-3", "drtp", kernel_bias=True)
    dense = design((32, 6, 3), "drtp")
    for lanes in (1, 4):
        one, other = (schedule(spec, assume(spec, 0.5), lanes, learning=False) for spec in (convolution, dense))
        assert np.array_equal(one.cycles["forward"], other.cycles["forward"])
        assert np.array_equal(one.reads["weight"], other.reads["weight"])
    learned = [schedule(spec, assume(spec)) for spec in (convolution, dense)]
    n_d, words = assume(dense)["active_neurons"][0], 33
    products = [2 * 32 * n_d, 0]  # a sum is stored, and then its word; a dense layer changes the word itself
    assert [plan.cycles["update"][0] for plan in learned] == [products[0] + 2 * words * n_d, 2 * words * n_d]


def test_what_cannot_be_skipped_is_worked_through():
    spec = design(SMALL, "dfa")
    activity = assume(spec, 0.3, 0.4, 0.5, 0.6)
    full = worked(spec, activity, False, "none")
    assert full["window_pairs"][0] == activity.n_samples * 256  # (3 * 6 - 2)^2
    assert full["active_neurons"][0] == activity.n_samples * 36
    assert full["active_maps"][0] == activity.n_samples * 4
    assert full["update_pairs"][0] == pytest.approx(activity.n_samples * 36 * 256 / 36)
    assert np.array_equal(worked(spec, activity, True, "neuron").table, activity.table)


@pytest.mark.parametrize("net", [CONV16, SPOON_LIKE])
def test_memory_map(net):
    drtp, dfa, bp = (design(net, rule) for rule in ("drtp", "dfa", "bp"))
    maps, taps = drtp.layers[0].n_columns, 25
    bits = contents(drtp, True, False)
    elements = drtp.sizes[1]
    assert bits["accumulator", "accumulators"] == taps * 32
    assert accumulator_bits(drtp, 8) == 8 * taps * 32
    assert accumulator_bits(drtp, 1, all_maps=True) == maps * taps * 32
    assert bits["weight", "forward weights"] == 8 * (taps * maps + elements * 128 + 128 + 128 * 10 + 10)
    assert bits["feedback", "feedback"] == 80 * (elements + 128)
    assert not bits["winner", "buffers"]
    assert contents(dfa, True, False)["gate", "buffers"] == 8 * (elements + 128)
    assert contents(dfa, True, False)["winner", "buffers"] == (2 * elements if net == CONV16 else 0)
    assert contents(bp, True, False)["delta", "buffers"] == 16 * (elements + 128)
    shared = contents(design(net, "dfa", feedback_kind="map"), True, False)
    assert shared["feedback", "feedback"] == 80 * (maps + 128)
    frozen = contents(design(net, "dfa", kernels="frozen"), True, False)
    assert frozen["accumulator", "accumulators"] == 0
    assert ("accumulator", "accumulators") not in contents(drtp, False, False)
    assert ("accumulator", "accumulators") not in contents(design((8, 4, 2)), True, False)


def test_sums_of_events_are_a_memory_as_wide_as_the_largest_sum():
    spec = design(CONV16, "drtp")
    width = partial_bits(spec.layers[0])
    assert 2 ** (width - 2) <= 25 * 15 * 128 < 2 ** (width - 1)
    bits = contents(spec, False, True, dataflow="event")
    assert bits["partial", "partial sums"] == 784 * 16 * width
    assert ("partial", "partial sums") not in contents(spec, False, True)


def test_events_cost_more_sums_and_fewer_inputs():
    spec = design(CONV16, "drtp")
    activity = assume(spec, 0.2, 0.4, 0.5, 0.7)
    output, event = (engine.price(spec, activity) for engine in (ENGINE, EVENT))
    assert output.by_role("energy_pj").get("partial sums") is None
    sums = event.by_role("energy_pj")["partial sums"]
    assert sums > output.by_role("energy_pj")["accumulators"]
    assert event.by_role("energy_pj")["activations"] < output.by_role("energy_pj")["activations"]
    assert event.cycles_per_sample > output.cycles_per_sample
    assert event.total("area_um2") > output.total("area_um2")
    assert "convolutions event by event" in EVENT.summary
    assert "event" in "".join(EVENT.tables())
    assert not any("event by event" in find_processor(name).summary for name in names())


def test_a_dense_network_has_no_price_of_convolutions():
    for engine in (ENGINE, EVENT):
        cost = engine.price(spec := design((20, 8, 3), "dfa"), assume(spec))
        assert not {"accumulators", "partial sums"} & set(cost.by_role("energy_pj"))
        assert not any("lie in memories of their own" in note for note in cost.notes)
    assert ENGINE.price(spec, assume(spec)) == EVENT.price(spec, assume(spec))


def test_memories_of_convolutions_are_like_that_of_gates_where_the_file_has_none(tmp_path):
    spec = design(CONV16, "dfa")
    cost = ENGINE.price(spec, assume(spec, 0.2, 0.4, 0.5, 0.7))
    (note,) = [note for note in cost.notes if "of their own" in note]
    assert note.endswith("no memory of engine-28nm holds 'accumulator', 'winner', 'partial'")
    own = '[memories.sums]\nkind = "registers"\nholds = ["accumulator", "winner", "partial"]\n'
    (tmp_path / "mine.toml").write_text(path_of("engine-28nm").read_text() + own)
    engine = read(tmp_path / "mine.toml")
    named = engine.price(spec, assume(spec, 0.2, 0.4, 0.5, 0.7))
    assert not [note for note in named.notes if "of their own" in note]
    assert named.total("memory_bits") == cost.total("memory_bits")
    assert named.total("area_um2") != cost.total("area_um2")
    (tmp_path / "mine.toml").write_text(path_of("engine-28nm").read_text() + own + own.replace("sums", "more"))
    with pytest.raises(UserError, match="more than one memory holds 'accumulator'; at most one may"):
        read(tmp_path / "mine.toml")


def test_the_walk_through_windows_and_the_pooling_have_logic():
    counter_bit = adder_bit_um2() + register_um2()
    for learning in (False, True):
        pooled, plain, dense = (
            datapath(design(net, "drtp"), ENGINE, learning)
            for net in (CONV16, CONV16.replace("-pool2", ""), (784, 10, 10))
        )
        assert pooled.area_um2()["arithmetic"] - plain.area_um2()["arithmetic"] == pytest.approx(
            pooled.accumulator_bits * counter_bit
        )
        # rows, columns, taps, maps, inputs and weights: 5 + 5 + 3 + 3 + 4 + 10 + 9 bits
        assert plain.window_bits == 39
        more = replace(plain, window_bits=0).area_um2()
        assert plain.area_um2()["control"] - more["control"] == pytest.approx(39 * counter_bit)
        assert (dense.pools, dense.window_bits) == (False, 0)


@pytest.mark.parametrize(
    "rule", [rule if rule in ("fa", "drtp") else pytest.param(rule, marks=pytest.mark.slow) for rule in RULES]
)
def test_every_processor_prices_every_rule(rule):
    spec = design(SPOON_LIKE, rule)
    activity = assume(spec, 0.2, 0.5, 0.3, 0.7)
    for name in names():
        processor = find_processor(name)
        cost = cost_of_rule(spec, activity, processor)
        figure = "energy_pj" if "energy_pj" in cost.training.prices else "cycles"
        assert 0 < cost.inference.total(figure) < cost.training.total(figure)
        assert cost.training.total(figure) <= cost_of_rule(spec, assume(spec), processor).training.total(figure)


def test_prices_are_linear_in_the_counts_of_convolutions():
    spec = design(SMALL, "bp")
    activity = assume(spec, 0.3, 0.4, 0.5, 0.6)
    for name in ("engine-28nm", "cortex-m4"):
        processor = find_processor(name)
        units = unit_costs(spec, processor)
        labelled = Counters(activity.table)
        expected = processor.price(spec, activity).total("cycles")
        assert units.total(units.cycles, labelled, Counters.zeros(3, True)) == pytest.approx(expected)


def test_firmware_opens_a_window_once_for_all_kernels_that_learn_at_once():
    dfa, drtp = design(CONV16, "dfa"), design(CONV16, "drtp")
    activity = {spec.rule_name: assume(spec, 0.2, 0.5, 0.3, 0.7) for spec in (dfa, drtp)}
    counts = {spec.rule_name: instruction_counts(spec, activity[spec.rule_name]) for spec in (dfa, drtp)}
    taps, samples = 134 * 134, activity["dfa"].n_samples
    for rule in ("dfa", "drtp"):
        assert counts[rule]["forward pass", "window"][0] == 784 * samples
        assert counts[rule]["forward pass", "window_input"][0] == taps * samples
        assert counts[rule]["forward pass", "window_mac"][0] == 16 * activity[rule]["window_pairs"][0]
    small = design("6x6x1-conv8x5x5-pool2-3", "drtp")  # whose output map is smaller than the sums of two kernels
    turns = 8 // kernels_at_once(small.layers[0])
    assert turns == 8
    forward, learned = (instruction_counts(small, work) for work in (predicted(small, assume(small)), assume(small)))
    for action in ("window", "window_input"):
        assert learned["forward pass", action][0] == turns * forward["forward pass", action][0]
    of_dfa = {action: n[0] for (role, action), n in counts["dfa"].items() if role == "update"}
    n_d = activity["dfa"]["active_neurons"][0]
    assert of_dfa["window"] == n_d
    assert of_dfa["window_input"] == pytest.approx(n_d * taps / 784)
    assert of_dfa["window_mac"] == activity["dfa"]["update_pairs"][0]
    assert (of_dfa["place"], of_dfa["kernel_step"]) == (3136 * samples, 400 * samples)
    assert of_dfa["update_mac"] == of_dfa["update_row"] == 0
    assert counts["dfa"]["update", "update_mac"][1] > 0
    below = instruction_counts(two := design("6x6x1-conv4x3x3-conv5x3x3s1-3", "bp"), assume(two))
    assert below["feedback", "look"].tolist() == [144 * 9 * 5 * samples, 0, 0]
    dense = design((8, 4, 2))
    assert not set(WINDOW_ACTIONS) & {action for _, action in instruction_counts(dense, assume(dense))}


def test_a_file_without_figures_of_convolutions_takes_those_of_dense_layers(tmp_path):
    spec = design(CONV16, "dfa")
    activity = assume(spec, 0.2, 0.5, 0.3, 0.7)
    text = path_of("cortex-m4").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(WINDOW_ACTIONS)]
    assert len(lines) < len(text.splitlines())
    (tmp_path / "mine.toml").write_text("\n".join(lines))
    cost = read(tmp_path / "mine.toml").price(spec, activity)
    (note,) = cost.notes
    assert note.startswith(
        "no figures for convolutions in the file of cortex-m4: window as update row, window input as input"
    )
    assert not find_processor("cortex-m4").price(spec, activity).notes
    assert cost.total("cycles") == pytest.approx(
        find_processor("cortex-m4").price(spec, activity).total("cycles"), rel=0.9
    )


def test_reports_say_what_learns_from_a_line_buffer():
    specs = [design(CONV16, rule) for rule in ("bp", "dfa", "drtp", "shallow")]
    costs = [cost_of_rule(spec, assume(spec), ENGINE) for spec in specs]
    content = as_dict(costs)["rules"]
    window = content[2]["layers"][0]["convolution"]
    assert (window["line_buffer_words"], window["line_buffer_bits"], window["input_map_bits"]) == (117, 468, 3136)
    assert window["learns_from_lines"]
    assert not content[1]["layers"][0]["convolution"]["learns_from_lines"]
    (line,) = convolution_lines(content)
    assert line.startswith("layer 1, 400 kernel words: its input takes 3,136 bits, a line buffer of 117 words 468 bits")
    assert "drtp from the line buffer alone, with accumulators of all maps (1.56 KiB)" in line
    assert "bp, dfa from the whole map" in line
    frozen = [cost_of_rule(spec := design(CONV16, "dfa", kernels="frozen"), assume(spec), ENGINE)]
    assert convolution_lines(as_dict(frozen)["rules"])[0].endswith("its kernels are frozen")
    dense = [cost_of_rule(spec := design((8, 4, 2)), assume(spec), ENGINE)]
    assert not convolution_lines(as_dict(dense)["rules"])


def test_accesses_and_components_of_accelergy(tmp_path):
    spec = design(CONV16, "dfa")
    activity = assume(spec, 0.2, 0.5, 0.3, 0.7)
    found = actions(spec, activity, EVENT)
    plan = EVENT.schedule(spec, activity)
    assert found["edgelearn.accumulators", "write"] == plan.writes["accumulator"].sum()
    assert found["edgelearn.partial_sums", "read"] == plan.reads["partial"].sum()
    assert found["edgelearn.winners", "read"] == plan.reads["winner"].sum()
    write_architecture(tmp_path / "arch.yaml", spec, EVENT)
    text = (tmp_path / "arch.yaml").read_text()
    assert "name: accumulators" in text
    assert "name: partial_sums" in text
    assert "name: winners" in text


def test_structures_of_a_network_with_convolutions():
    spec = design(SMALL, "drtp")
    found = structures({"drtp": spec}, {"drtp": assume(spec, 0.3, 0.4, 0.5, 0.6)}, ENGINE)
    direct = ENGINE.price(spec, assume(spec, 0.3, 0.4, 0.5, 0.6))
    assert found[0].training["drtp"]["energy_pj"] == pytest.approx(direct.energy_per_sample_pj)
    together = next(one for one in found if one.choices["memories"] == "together" and one.choices["lanes"] == "1")
    assert together.training["drtp"]["energy_pj"] > found[0].training["drtp"]["energy_pj"]


def test_every_processor_compares_rules_with_kernels_that_learn():
    """A Cortex-M4 has a band for each of 16 kinds of instructions, of cycles and of energy."""
    for name in names():
        costs = []
        for rule in ("bp", "dfa", "drtp", "local"):
            spec = design(SMALL, rule, rounding="stochastic")
            costs.append(cost_of_rule(spec, assume(spec, 0.2, 0.5, 0.5, 0.5), find_processor(name)))
        content = as_dict(costs)
        assert sum("lie in memories of their own" in note for note in content["notes"]) <= 1
        ranking_as_dict(costs)
        for rule, relative in relative_as_dict(costs, "bp")["rules"].items():
            band = relative["cycles"]
            assert band is None or band["low"] <= band["nominal"] <= band["high"], (name, rule)
        if name == "cortex-m4":
            assert len(content["constants"]) > 14
