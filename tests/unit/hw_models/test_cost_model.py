"""The cost model against a prototype measured as a whole, and against sums done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from hw_models.compare.bands import MOST_CONSTANTS, span_over
from hw_models.compare.ranking import flips, gaps
from hw_models.compare.rules import as_dict, cost_of_rule
from hw_models.constants import logic, technology
from hw_models.constants.memory import sram
from hw_models.cost import Constant, Cost, Item
from hw_models.engine import widths
from hw_models.engine.memory_map import contents, error_bits
from hw_models.engine.schedule import assume, latency, schedule
from hw_models.processor import Engine, find_processor, names, path_of, read

TOGGLES = {row["engine"]: row for row in technology.rows("toggles")}


@pytest.fixture(scope="module")
def prototype(tmp_path_factory) -> Engine:
    """The measured engine: 45 nm, 32 KB of weights, 512 B of activations, fast cells; leakage was not counted.

    Its multiplier took 8 bits of d under every rule.
    """
    text = find_file("engine-45nm-dense").replace("# delta_bits = 8 ", "delta_bits = 8 ")
    assert "\ndelta_bits" in text
    text = text.replace('holds = ["weight"]', 'holds = ["weight"]\ncapacity = "32 KiB"')
    text = text.replace('holds = ["activation"]', 'holds = ["activation"]\ncapacity = "512 B"')
    path = tmp_path_factory.mktemp("processors") / "prototype.toml"
    path.write_text(text)
    engine = read(path)
    assert isinstance(engine, Engine)
    return engine


def find_file(name: str) -> str:
    return path_of(name).read_text()


def layer_energy_pj(cost, layer: int) -> float:
    return sum(item.value for item in cost.items if item.figure == "energy_pj" and item.layer == layer) / cost.samples


@pytest.mark.parametrize("rule", ["drtp", "dfa"])
def test_a_layer_costs_what_the_prototype_measured(prototype, rule):
    """64 x 8 with the bias as one of the 64; feedback regenerated, stochastic rounding; within 10 %."""
    spec = design((63, 8, 10), rule=rule, rounding="stochastic", feedback_format="lfsr", input_bits=8)
    cost = cost_of_rule(spec, assume(spec), prototype)
    inference, training = (layer_energy_pj(part, 1) for part in (cost.inference, cost.training))
    assert inference == pytest.approx(float(TOGGLES["inference"]["logic_and_sram_pj_per_sample"]), rel=0.1)
    assert training == pytest.approx(float(TOGGLES[rule]["logic_and_sram_pj_per_sample"]), rel=0.1)


def test_three_overheads_of_one_engine_differ_as_measured(prototype):
    """Power about 4 %, energy about 206 %, cycles 194 % for the same layer."""
    spec = design((63, 8, 10), rounding="stochastic", feedback_format="lfsr", input_bits=8)
    cost = cost_of_rule(spec, assume(spec), prototype)
    pj = [layer_energy_pj(part, 1) for part in (cost.inference, cost.training)]
    cycles = [
        sum(item.value for item in part.items if item.figure == "cycles" and item.layer == 1) / part.samples
        for part in (cost.inference, cost.training)
    ]
    assert cycles == [529, 1553]
    assert 100 * (pj[1] / pj[0] - 1) == pytest.approx(206, abs=15)
    assert 100 * (pj[1] / cycles[1] / (pj[0] / cycles[0]) - 1) == pytest.approx(4.4, abs=5)


def test_an_inference_by_hand():
    """784-10 on one lane: words x CACTI, cycles x gates, and the whole memory's leakage."""
    engine = find_processor("engine-28nm")
    assert isinstance(engine, Engine)
    spec = design((784, 10), rule="shallow", input_bits=8, rounding="nearest")
    cost = engine.price(spec, assume(spec), learning=False)
    weights = sram("itrs-lstp", 28, 785 * 10 * 8, 8)
    activations = sram("itrs-lstp", 28, 784 * (8 + 10) + 10 * (8 + 4), 8 + 10, writes_per_read=0)
    cycles = 10 * (785 + 2) + 3
    path = logic.Datapath(8, 8, control="complete").energy_pj()
    scale = technology.energy_scale(45, 1.1, 28, 0.9)
    seconds = cycles / 200e6
    leakage_uw = weights.leakage_uw + activations.leakage_uw
    by_hand = {
        "forward weights": 7850 * weights.read_pj,
        "activations": 7840 * activations.read_pj + 784 * activations.write_pj,
        "arithmetic": cycles * path["arithmetic"] * scale,
        "control": cycles * (path["control"] + path["engine control"]) * scale,
        "leakage": leakage_uw * seconds * 1e6,
    }
    assert cost.total("cycles") / cost.samples == cycles
    assert cost.by_role("energy_pj") == pytest.approx(by_hand)
    assert cost.power_uw == pytest.approx(sum(by_hand.values()) * 1e-6 / seconds)
    assert cost.total("memory_bits") == 785 * 10 * 8 + 784 * 18 + 10 * 12


def test_what_is_held_while_learning():
    """784-500-10, 8 + 8 bits, 4-bit inputs: sums of the shapes by hand."""
    held = {
        rule: contents(design((784, 500, 10), rule=rule), True, False) for rule in ("drtp", "dfa", "sdfa", "bp", "fa")
    }
    two_layers = 784 * 4 + 500 * 8
    for bits in held.values():
        assert bits["weight", "forward weights"] == bits["residual", "residuals"] == (785 * 500 + 501 * 10) * 8
        assert bits["activation", "activations"] == two_layers
    assert ("activation", "buffers") not in held["drtp"]
    assert held["drtp"]["gate", "buffers"] == 0
    for rule in ("dfa", "sdfa", "bp", "fa"):
        assert held[rule]["activation", "buffers"] == 10 * 8
        assert held[rule]["gate", "buffers"] == 500 * 8
    assert held["bp"]["delta", "buffers"] == 500 * 16
    assert held["dfa"]["feedback", "feedback"] == 500 * 10 * 8
    assert held["bp"]["feedback", "feedback"] == 0
    assert error_bits(design((784, 500, 10), rule="dfa")) == 90
    assert error_bits(design((784, 500, 10), rule="sdfa")) == 90
    assert error_bits(design((784, 500, 10), rule="drtp")) == 9


@pytest.mark.parametrize(("rule", "measured"), [("bp", 50869), ("dfa", 51213), ("fa", 50836), ("drtp", 48963)])
def test_firmware_instructions_come_close_to_those_of_another_firmware(rule, measured):
    """64-32-10, int16, stochastic: 1350 weights written a sample; within 20 % of other sources on a Cortex-M3."""
    spec = design((64, 32, 10), rule=rule, bits=16, rounding="stochastic")
    activity = assume(spec)
    density = 1350 / (65 * 32 + 33 * 10)
    for name in ("active_neurons", "update_pairs", "gated_signals", "live_gates"):
        activity[name][:] = (activity[name] * density).astype(int)
    cost = find_processor("cortex-m4").price(spec, activity)
    instructions = cost.total("cycles") / cost.samples / 1.5
    assert instructions == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize(
    ("rule", "bits", "operands"),
    [("drtp", 8, (9, 8)), ("shallow", 8, (9, 8)), ("dfa", 8, (16, 8)), ("bp", 8, (16, 8)), ("bp", 16, (16, 16)),
     ("drtp", 4, (9, 8)), ("fa", 4, (16, 8)), ("dfa", 16, (16, 8))],
)  # fmt: skip
def test_a_multiplier_is_as_wide_as_the_words_of_the_rule(rule, bits, operands):
    """An error has 9 bits, drtp's d 8; rules that carry errors have up to 16; bp multiplies weights by d."""
    spec = design((64, 32, 10), rule=rule, bits=bits)
    assert widths.multiplier_bits(spec, learning=True) == operands
    assert widths.multiplier_bits(spec, learning=False) == (bits, 8)
    assert widths.gate_passes(spec) == 1


def test_an_engine_that_cuts_d_is_cheaper_and_says_so():
    """It is the engine of a run with --delta-bits, and only that run is without a note."""
    engine = find_processor("engine-28nm")
    spec = design((64, 32, 10), rule="dfa")
    full, cut = (engine.model_copy(update={"delta_bits": bits}).price(spec, assume(spec)) for bits in (None, 8))
    assert widths.multiplier_bits(spec, True, 8) == (8, 8)
    assert full.total("area_um2", "arithmetic") > 1.2 * cut.total("area_um2", "arithmetic")
    assert full.total("energy_pj", "arithmetic") > cut.total("energy_pj", "arithmetic")
    assert cut.cycles_per_sample == full.cycles_per_sample
    assert not full.notes
    assert any("takes 8 bits of d, and dfa has 16" in note for note in cut.notes)
    narrow = design((64, 32, 10), rule="dfa", delta_bits=8)
    run = engine.price(narrow, assume(narrow))
    assert not run.notes
    assert run.total("area_um2", "arithmetic") == cut.total("area_um2", "arithmetic")
    assert run.total("energy_pj", "arithmetic") == cut.total("energy_pj", "arithmetic")


@pytest.mark.parametrize("bits", [None, 8, 16])
def test_tables_of_arithmetic_price_errors_at_the_width_of_the_engine(bits):
    """With everything active and one hidden layer dfa and fa have the same products, whatever the width of d."""
    engine = find_processor("engine-28nm").model_copy(update={"logic": "horowitz-45nm", "delta_bits": bits})
    dfa, fa = (
        engine.price(spec, assume(spec)).total("energy_pj", "arithmetic")
        for spec in (design((64, 32, 10), rule=rule) for rule in ("dfa", "fa"))
    )
    assert dfa == pytest.approx(fa)


def test_a_modulator_wider_than_d_takes_a_second_pass():
    """bp between wide hidden layers: d has 12 bits so that sums fit, modulators 16: a cycle more per open gate."""
    spec = design((20, 400, 6000, 10), rule="bp")
    assert [layer.delta_width for layer in spec.layers] == [12, 12, 9]
    assert widths.multiplier_bits(spec, True) == (12, 8)
    assert widths.gate_passes(spec) == 2
    activity = assume(spec)
    one = schedule(spec, activity, latency=latency("complete")).total_cycles
    two = find_processor("engine-28nm").schedule(spec, activity).total_cycles
    assert (two - one) / activity.n_samples == 400 + 6000


def test_a_multiplier_wide_enough_is_not_noted():
    engine = find_processor("engine-28nm")
    own = design((64, 32, 10), rule="drtp")
    assert not engine.model_copy(update={"delta_bits": 9}).price(own, assume(own)).notes


def test_a_transposed_read_of_single_weights_costs_words_and_cycles():
    spec = design((64, 32, 30), rule="bp")
    engine = find_processor("engine-28nm-32-lanes")
    costs = [
        engine.model_copy(update={"transposed_read": way}).price(spec, assume(spec))
        for way in ("transposable", "adder-tree", "single")
    ]
    assert costs[0].total("cycles") < costs[1].total("cycles") < costs[2].total("cycles")
    assert costs[2].total("energy_pj", "feedback") > 20 * costs[1].total("energy_pj", "feedback")


def test_memories_slower_than_the_clock_are_named():
    engine = find_processor("engine-28nm").model_copy(update={"clock": 5e9})
    spec = design((784, 500, 10))
    assert any("memory 'weights' takes" in note for note in engine.price(spec, assume(spec)).notes)


def edited(tmp_path, *changes: tuple[str, str]) -> Engine:
    text = find_file("engine-28nm")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "mine.toml").write_text(text)
    engine = read(tmp_path / "mine.toml")
    assert isinstance(engine, Engine)
    return engine


def with_one_memory(tmp_path) -> Engine:
    """engine-28nm with a single SRAM for every role."""
    text = find_file("engine-28nm")
    everything = '["weight", "residual", "feedback", "activation", "gate", "delta"]'
    text = text[: text.index("[memories.weights]")]
    (tmp_path / "one.toml").write_text(
        f'{text}[memories.all]\nkind = "sram"\ncell = "itrs-lstp"\nholds = {everything}\n'
    )
    engine = read(tmp_path / "one.toml")
    assert isinstance(engine, Engine)
    return engine


def test_every_band_of_a_custom_memory_is_used(tmp_path):
    own = (
        'kind = "custom"\nread = {nominal = "1 pJ/bit", high = "2 pJ/bit"}\nwrite = {low = "1 pJ/bit", nominal = "2 pJ/bit"}'
        '\narea = {nominal = "1 um2/bit", high = "3 um2/bit"}\nleakage = {nominal = "1 nW/bit", high = "5 nW/bit"}'
    )
    engine = edited(
        tmp_path, ('kind = "sram"\ncell = "itrs-lstp"\nholds = ["feedback"]', own + '\nholds = ["feedback"]')
    )
    spec = design((64, 32, 10), rule="dfa")
    cost = engine.price(spec, assume(spec))
    bands = {constant.name: (constant.low, constant.high) for constant in cost.constants if "feedback" in constant.name}
    assert bands == {"feedback read": (1, 2), "feedback area": (1, 3), "feedback leakage": (1, 5)}  # never written
    assert cost.total("area_um2", "feedback") == 32 * 10 * 8
    assert cost.per_sample("energy_pj", "feedback") == pytest.approx(32 * 10 * 8)


def test_one_memory_for_everything_is_named_for_its_ports(tmp_path):
    spec = design((64, 32, 10))
    notes = with_one_memory(tmp_path).price(spec, assume(spec)).notes
    assert any("memory 'all' has 2" in note and "accesses per cycle: it needs more ports" in note for note in notes)
    assert not find_processor("engine-28nm").price(spec, assume(spec)).notes


def test_dram_and_leaking_cells_say_what_is_missing(tmp_path):
    spec = design((784, 100, 10))
    weights = (
        'kind = "sram"\ncell = "itrs-lstp"              # itrs-hp leaks far more than itrs-lstp\nholds = ["weight"]'
    )
    engine = edited(tmp_path, (weights, 'kind = "dram"\ntable = "lpddr4"\nholds = ["weight"]'))
    cost = engine.price(spec, assume(spec))
    assert any("'weights' is DRAM: its area" in note for note in cost.notes)
    words = 785 * 100 + 101 * 10
    assert cost.per_sample("energy_pj", "forward weights") == pytest.approx(3 * words * 8 * 8)  # 8 bits of 8 pJ
    cost = find_processor("engine-45nm-dense").price(spec, assume(spec))
    assert any(note.startswith("leakage is more than half") for note in cost.notes)


def test_an_adder_tree_is_paid_for_and_one_layer_learns_alike_under_every_rule():
    engine = find_processor("engine-28nm-32-lanes")
    spec = design((64, 32, 30), rule="bp")
    tree, single = (
        engine.model_copy(update={"transposed_read": way}).price(spec, assume(spec)) for way in ("adder-tree", "single")
    )
    extra = logic.adder_tree_um2(32, 16 + 8 + 8) * technology.area_scale(45, 28)
    assert tree.total("area_um2", "arithmetic") == pytest.approx(single.total("area_um2", "arithmetic") + extra)
    alike = [
        engine.price(design((64, 10), rule=rule), assume(design((64, 10), rule=rule))) for rule in ("bp", "dfa", "drtp")
    ]
    for cost in alike[1:]:
        assert cost.total("energy_pj") == alike[0].total("energy_pj")
        assert cost.total("cycles") == alike[0].total("cycles")


@pytest.mark.parametrize("gated", ["false", "true"])
def test_registers_cost_their_clock_unless_it_is_gated(tmp_path, gated):
    old = 'kind = "sram"\ncell = "itrs-lstp"\nholds = ["gate", "delta"]'
    engine = edited(
        tmp_path,
        (old, 'kind = "registers"\nholds = ["gate", "delta"]'),
        ("clock_gating = true", f"clock_gating = {gated}"),
    )
    spec = design((64, 32, 10), rule="dfa")
    cost = engine.price(spec, assume(spec))
    bits, bit_pj = 32 * 8, logic.register_pj() * technology.energy_scale(45, 1.1, 28, 0.9)
    clocked = 32 * 8 if gated == "true" else cost.cycles_per_sample * bits  # each word once, or all in every cycle
    assert cost.per_sample("energy_pj", "buffers") == pytest.approx(clocked * bit_pj)
    registers_um2 = bits * 7.182 * technology.area_scale(45, 28)
    assert registers_um2 < cost.total("area_um2", "buffers") < 1.2 * registers_um2  # and a part of the activations


def test_a_role_that_stores_nothing_costs_nothing_in_a_shared_memory(tmp_path):
    engine = with_one_memory(tmp_path)
    nearest = design((64, 32, 10), rule="drtp", rounding="nearest", feedback_format="lfsr")
    cost = engine.price(nearest, assume(nearest))
    assert not {"residuals", "buffers"} & set(cost.by_role("energy_pj"))
    assert cost.total("memory_bits", "feedback") == 0
    bp = design((64, 32, 10), rule="bp", rounding="nearest")
    apart = find_processor("engine-28nm").price(bp, assume(bp))
    together = engine.price(bp, assume(bp))
    assert together.total("energy_pj", "feedback") > apart.total("energy_pj", "feedback") > 0  # a larger memory is read


def test_words_of_many_lanes_are_filled_up():
    """10 neurons take 32 weights a word; sums by hand."""
    spec = design((64, 100, 10), rule="bp", rounding="nearest", input_bits=4)
    held = contents(spec, True, False, lanes=32)
    assert held["weight", "forward weights"] == (65 * 128 + 101 * 32) * 8
    assert held["gate", "buffers"] == 128 * 8
    assert contents(spec, True, False)["weight", "forward weights"] == (65 * 100 + 101 * 10) * 8


def test_regenerated_feedback_is_built_under_every_rule_that_has_any():
    engine = find_processor("engine-28nm")
    area = {}
    for rule in ("drtp", "dfa", "fa", "bp"):
        spec = design((64, 32, 10), rule=rule, feedback_format="lfsr")
        area[rule] = engine.price(spec, assume(spec)).total("area_um2", "feedback")
    assert area["bp"] == 0
    assert area["fa"] == area["dfa"] == area["drtp"] > 0


def test_lanes_that_share_an_address_lie_within_the_band():
    """Groups of 16 fixed neighbours of which one neuron is active take their step: counted here one by one."""
    rng = np.random.default_rng(0)
    spec = design((20, 100, 10), rule="drtp")
    activity = Counters.zeros(2)
    samples, groups = 50, 0
    activity["samples"][:] = samples
    for _ in range(samples):
        active = rng.random(100) < 0.1
        n = int(active.sum())
        groups += len({i // 16 for i in np.flatnonzero(active)}) * 21
        for name, count in (
            ("active_neurons", n),
            ("updates", n > 0),
            ("update_events", 20 * (n > 0)),
            ("update_pairs", 20 * n),
        ):
            activity[name][0] += count
    nominal, most = (schedule(spec, activity, 16, lanes_left_empty=full).writes["weight"][0] for full in (False, True))
    assert nominal < groups <= most


def test_many_bands_are_followed_and_values_without_a_band_cost_no_time(tmp_path):
    """Six custom memories, each with four figures, which add up: no band multiplies another one of them."""
    plain = 'kind = "custom"\nread = "1 pJ/bit"\nwrite = "1 pJ/bit"\narea = "1 um2/bit"\nleakage = "1 nW/bit"\n'
    banded = plain.replace('"1 ', '{nominal = "1 ').replace('/bit"\n', '/bit", high = "2 /bit"}\n')
    for unit in ("pJ", "um2", "nW"):
        banded = banded.replace(f'1 {unit}/bit", high = "2 ', f'1 {unit}/bit", high = "2 {unit}')
    head = find_file("engine-28nm")
    head = head[: head.index("[memories.weights]")]
    spec = design((64, 32, 10), rule="dfa")
    for body in (plain, banded):
        roles = ("weight", "residual", "feedback", "activation", "gate", "delta")
        memories = "".join(f'[memories.{role}s]\n{body}holds = ["{role}"]\n' for role in roles)
        (tmp_path / "mine.toml").write_text(head + memories)
        cost = cost_of_rule(spec, assume(spec), read(tmp_path / "mine.toml"))
        assert (len(cost.training.constants) > MOST_CONSTANTS) == (body == banded)
        figures = as_dict([cost])["rules"][0]["training"]
        ends = [{c.name: getattr(c, end) for c in cost.training.constants} for end in ("low", "high")]
        energy = [cost.training.per_sample("energy_pj", at=at) for at in ends]
        assert [figures["energy_pj"][side] for side in ("low", "high")] == pytest.approx(energy, rel=1e-5)


def test_too_many_bands_that_multiply_each_other_are_refused():
    bands = [Constant(f"c{i}", 0.5, 2.0, "") for i in range(MOST_CONSTANTS + 2)]
    item = Item("cycles", "update", 0, 1.0, tuple(band.name for band in bands))
    with pytest.raises(UserError, match="15 constants have a band and multiply others, of which at most 14"):
        span_over(bands, lambda at: 1.0, Cost((item,), 1, 1e6, ("cycles",), tuple(bands)))


def test_gaps_see_the_constants_of_both_rules(tmp_path):
    own = 'kind = "custom"\nread = {low = "0.001 pJ/bit", nominal = "0.1 pJ/bit", high = "20 pJ/bit"}\nwrite = "1 pJ/bit"\narea = "0.2 um2/bit"\nleakage = "1 pW/bit"\nholds = ["feedback"]'
    engine = edited(tmp_path, ('kind = "sram"\ncell = "itrs-lstp"\nholds = ["feedback"]', own))
    costs = [cost_of_rule(spec, assume(spec), engine) for spec in (design((64, 32, 10), rule=r) for r in ("dfa", "bp"))]
    gap = gaps(costs, "energy_pj")[0]
    assert gap.decided_by is not None
    assert gap.decided_by.constant.name == "feedback read"
    assert any(flip.constant and flip.constant.name == "feedback read" for flip in flips(costs, "energy_pj"))


def test_a_chip_of_32_lanes_by_hand():
    """Multipliers, learning logic and comparators 32 times; control, generator and errors once; scaled to 28 nm."""
    engine = find_processor("engine-28nm-32-lanes")
    spec = design((64, 32, 10), rule="dfa", rounding="stochastic")
    cost = engine.price(spec, assume(spec))
    path = logic.Datapath(16, 8, spec.rule, 8, True, False, 90, "complete")
    area, energy = path.area_um2(), path.energy_pj()
    area_scale, energy_scale = technology.area_scale(45, 28), technology.energy_scale(45, 1.1, 28, 0.9)
    lanes = area["arithmetic"] + area["learning arithmetic"]
    generator = area["random generator"] + 32 * area["random comparator"]
    control = area["control"] + area["engine control"] + area["learning control"]
    assert cost.total("area_um2", "arithmetic") == pytest.approx(32 * lanes * area_scale)
    assert cost.total("area_um2", "random generator") == pytest.approx(generator * area_scale)
    assert cost.total("area_um2", "control") == pytest.approx(control * area_scale)
    assert cost.total("area_um2", "error") == pytest.approx(90 * 7.182 * area_scale)
    cycles = cost.cycles_per_sample
    learning = sum(cost.per_sample("cycles", role) for role in ("feedback", "update"))
    narrow = logic.Datapath(
        8, 8, control="complete"
    ).energy_pj()  # the bits that learning adds rest in the forward pass
    wider = energy["arithmetic"] - narrow["arithmetic"]
    lanes_pj = cycles * narrow["arithmetic"] + learning * (wider + energy["learning arithmetic"])
    assert cost.per_sample("energy_pj", "arithmetic") == pytest.approx(32 * lanes_pj * energy_scale)
    wider = energy["control"] - narrow["control"]
    control_pj = cycles * (narrow["control"] + energy["engine control"])
    control_pj += learning * (wider + energy["learning control"])
    assert cost.per_sample("energy_pj", "control") == pytest.approx(control_pj * energy_scale)
    assert cost.per_sample("energy_pj", "error") == pytest.approx(10 * 9 * 0.009 * energy_scale)  # each written once
    apart = engine.model_copy(update={"shared_random_generator": False}).price(spec, assume(spec))
    more = 31 * area["random generator"] * area_scale
    assert apart.total("area_um2", "random generator") == pytest.approx(generator * area_scale + more)
    ungated = engine.model_copy(update={"clock_gating": False}).price(spec, assume(spec))
    assert ungated.per_sample("energy_pj", "error") == pytest.approx(cycles * 90 * 0.009 * energy_scale)
    lanes_pj = cycles * (energy["arithmetic"] + energy["learning arithmetic"])
    assert ungated.per_sample("energy_pj", "arithmetic") == pytest.approx(32 * lanes_pj * energy_scale)


def test_narrow_multipliers_shrink_with_the_product_of_their_widths():
    """Below 4 x 4 bits along the line through the two smallest synthesised ones: 75.3 and 453 um2."""
    slope = math.log(453.264 / 75.278) / math.log(4)
    expected = 75.278 * (1 / 2) ** slope - 75.278
    accumulator = 2 * (191.786 / 32 + 7.182)
    operand = logic.mac_area_um2(4, 4) - (75.278 + 16 * (191.786 / 32 + 7.182))
    assert logic.mac_area_um2(2, 4) - logic.mac_area_um2(4, 4) == pytest.approx(
        expected - accumulator - 2 * operand / 8
    )


@pytest.mark.parametrize("processor", names())
def test_an_inference_takes_the_same_cycles_under_every_rule(processor):
    """What a rule does with a sample that it learns, a readout for one, is no part of it."""
    found = find_processor(processor)
    specs = {rule: design((20, 16, 12, 4), rule, activation="relu") for rule in RULES}
    work = assume(specs["dfa"], hidden_density=0.5)
    cycles = {rule: found.price(spec, work, learning=False).cycles_per_sample for rule, spec in specs.items()}
    assert set(cycles.values()) == {cycles["dfa"]}
