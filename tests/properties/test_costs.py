"""Laws of the cost model, for all networks, activities and processors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgelearn.network.counters import Counters
from edgelearn.network.spec import FEEDBACK_FORMATS, ROUNDINGS, NetworkSpec, design
from edgelearn.rules import RULES
from hw_models.compare.bands import span, tornado
from hw_models.compare.ranking import flips, ranking
from hw_models.compare.rules import OVERHEADS, cost_of_rule
from hw_models.cost import Cost
from hw_models.engine.schedule import assume
from hw_models.processor import AnyProcessor, Engine, find_processor, names

FIGURES = ("energy_pj", "cycles", "area_um2", "leakage_uw", "memory_bits")
ENGINES = [name for name in names() if isinstance(find_processor(name), Engine)]
densities = st.sampled_from([0.0, 0.1, 0.5, 1.0])


@st.composite
def networks(draw, rule: str | None = None) -> NetworkSpec:
    sizes = [draw(st.integers(1, 40)) for _ in range(draw(st.integers(1, 3)))] + [draw(st.integers(1, 10))]
    return design(
        sizes,
        rule=rule or draw(st.sampled_from(sorted(RULES))),
        bits=draw(st.sampled_from([2, 4, 8, 12])),
        rounding=draw(st.sampled_from(ROUNDINGS)),
        input_bits=draw(st.integers(1, 8)),
        feedback_format=draw(st.sampled_from(FEEDBACK_FORMATS)),
    )


@st.composite
def activities(draw, spec: NetworkSpec) -> Counters:
    return assume(spec, draw(densities), draw(densities), draw(densities), draw(densities))


@st.composite
def engines(draw) -> Engine:
    engine = find_processor(draw(st.sampled_from(ENGINES)))
    assert isinstance(engine, Engine)
    return engine.model_copy(
        update={
            "lanes": draw(st.sampled_from([1, 2, 3, 8, 32])),
            "skips_zero_inputs": draw(st.booleans()),
            "update_skip": draw(st.sampled_from(["none", "sample", "neuron"])),
            "transposed_read": draw(st.sampled_from(["adder-tree", "single", "transposable"])),
            "clock_gating": draw(st.booleans()),
            "logic": draw(st.sampled_from(["nangate45", "horowitz-45nm", "aladdin-40nm-5ns"])),
        }
    )


processors = st.one_of(engines(), st.sampled_from(names()).map(find_processor))
few = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def running(cost: Cost) -> dict[str, float]:
    return {figure: cost.total(figure) for figure in ("energy_pj", "cycles")}


@few
@given(data=st.data(), processor=processors, factor=st.integers(1, 5), learning=st.booleans())
def test_price_is_linear_in_the_counters(data, processor, factor, learning):
    spec = data.draw(networks())
    activity = data.draw(activities(spec))
    once = processor.price(spec, activity, learning)
    often = processor.price(spec, Counters(activity.table * factor), learning)
    for figure, value in running(once).items():
        assert often.total(figure) == pytest.approx(factor * value, rel=1e-9)
    assert often.energy_per_sample_pj == pytest.approx(once.energy_per_sample_pj, rel=1e-9)
    assert often.total("area_um2") == once.total("area_um2")


@few
@given(data=st.data(), processor=processors, learning=st.booleans())
def test_costs_add_over_samples(data, processor, learning):
    spec = data.draw(networks())
    first, second = data.draw(activities(spec)), data.draw(activities(spec))
    added = processor.price(spec, first, learning) + processor.price(spec, second, learning)
    together = processor.price(spec, first + second, learning)
    assert added.samples == together.samples
    for figure in FIGURES:
        assert added.total(figure) == pytest.approx(together.total(figure), rel=1e-9)


@few
@given(data=st.data(), processor=processors)
def test_costs_add_over_layers(data, processor):
    """What one layer does is priced the same whether or not the others do anything."""
    if isinstance(processor, Engine):  # what is skipped in a layer depends on its neighbours unless all zeros are
        processor = processor.model_copy(update={"update_skip": "neuron"})
    spec = data.draw(networks())
    activity = data.draw(activities(spec))
    added = {"energy_pj": 0.0, "cycles": 0.0}
    for k in range(len(spec.layers)):
        alone = np.zeros_like(activity.table)
        alone[k] = activity.table[k]
        cost = processor.price(spec, Counters(alone))
        for figure in added:
            added[figure] += cost.total(figure)
    for figure, value in running(processor.price(spec, activity)).items():
        assert added[figure] == pytest.approx(value, rel=1e-9)


@few
@given(data=st.data(), engine=engines(), learning=st.booleans())
def test_more_lanes_are_never_slower(data, engine, learning):
    spec = data.draw(networks())
    activity = data.draw(activities(spec))
    cycles = [
        engine.model_copy(update={"lanes": lanes}).price(spec, activity, learning).total("cycles")
        for lanes in (1, 2, 3, 4, 7, 8, 16, 64)
    ]
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(cycles))


@few
@given(data=st.data(), engine=engines())
def test_skipping_more_never_costs_more_cycles(data, engine):
    spec = data.draw(networks())
    activity = data.draw(activities(spec))

    def cycles(**update: object) -> float:
        return engine.model_copy(update=update).price(spec, activity).total("cycles")

    for inputs in (False, True):
        by_skip = [cycles(skips_zero_inputs=inputs, update_skip=skip) for skip in ("none", "sample", "neuron")]
        assert by_skip[2] <= by_skip[1] * (1 + 1e-12) <= by_skip[0] * (1 + 1e-11)
    for skip in ("none", "sample", "neuron"):
        assert cycles(skips_zero_inputs=True, update_skip=skip) <= cycles(skips_zero_inputs=False, update_skip=skip)


@few
@given(data=st.data(), processor=processors, learning=st.booleans())
def test_without_samples_only_leakage_is_left(data, processor, learning):
    spec = data.draw(networks())
    nothing = processor.price(spec, Counters.zeros(len(spec.layers)), learning)
    assert nothing.total("energy_pj") == 0
    assert nothing.total("cycles") == 0
    assert nothing.power_uw == nothing.total("leakage_uw")
    if isinstance(processor, Engine):
        assert nothing.total("leakage_uw") > 0
        assert nothing.total("area_um2") > 0


@few
@given(data=st.data(), processor=processors)
def test_learning_never_costs_less_than_inference(data, processor):
    spec = data.draw(networks())
    activity = data.draw(activities(spec))
    inference, training = (processor.price(spec, activity, learning) for learning in (False, True))
    for figure in FIGURES:
        assert training.total(figure) >= inference.total(figure) * (1 - 1e-9)
    assert all(item.value >= 0 for item in training.items)


@few
@given(data=st.data(), processor=processors)
def test_bands_hold_the_nominal_value_and_every_corner(data, processor):
    spec = data.draw(networks())
    cost = cost_of_rule(spec, data.draw(activities(spec)), processor)
    constants = cost.training.constants
    at = {c.name: data.draw(st.floats(c.low, c.high)) for c in constants}
    for figure in cost.training.prices:
        low, nominal, high = span(cost.training, lambda at, f=figure: cost.training.total(f, at=at))
        tolerance = 1e-9 * max(high, 1e-9)
        assert low - tolerance <= cost.training.total(figure, at=at) <= high + tolerance
        assert low <= nominal + tolerance
        assert nominal <= high + tolerance
    for name in OVERHEADS:
        if cost.overhead(name) is not None:
            low, _, high = span(cost.training, lambda at, n=name: cost.overhead(n, at))
            assert low - 1e-6 <= (cost.overhead(name, at) or 0.0) <= high + 1e-6


@settings(few, max_examples=20)  # all rules are priced in each
@given(data=st.data(), processor=processors)
def test_flips_are_where_two_rules_cost_the_same(data, processor: AnyProcessor):
    shape = data.draw(networks())
    costs = []
    for rule in sorted(RULES):
        spec = design(shape.sizes, rule=rule, rounding="stochastic")
        costs.append(cost_of_rule(spec, assume(spec), processor))
    by_rule = {cost.rule: cost.training for cost in costs}
    figures = [f for f in ("energy_pj", "cycles", "area_um2") if f in costs[0].training.prices]
    for figure in figures:
        order = ranking(costs, figure)
        totals = [by_rule[rule].total(figure) for rule in order]
        assert totals == sorted(totals)
        for flip in flips(costs, figure):
            assert order.index(flip.cheaper) < order.index(flip.dearer)
            if flip.constant is not None:
                at = {flip.constant.name: flip.at}
                cheap, dear = (by_rule[rule].total(figure, at=at) for rule in (flip.cheaper, flip.dearer))
                assert cheap == pytest.approx(dear, rel=1e-6)
                assert flip.constant.low <= flip.at <= flip.constant.high
        reported = {(flip.cheaper, flip.dearer) for flip in flips(costs, figure)}
        for i, cheap in enumerate(order):
            for dear in order[i + 1 :]:
                bands = {c.name: c for rule in (cheap, dear) for c in by_rule[rule].constants}
                ends = [{name: end} for name, c in bands.items() for end in (c.low, c.high)]
                values = [[by_rule[rule].total(figure, at=at) for rule in (cheap, dear)] for at in ends]
                if by_rule[dear].total(figure) > by_rule[cheap].total(figure) * (1 + 1e-6):
                    turned = any(b < a * (1 - 1e-6) for a, b in values)
                    assert not turned or (cheap, dear) in reported
        for cost in costs:
            swings = tornado(cost.training, lambda at, c=cost, f=figure: c.training.total(f, at=at))
            widths = [swing.width for swing in swings]
            assert widths == sorted(widths, reverse=True)


def test_residual_bits_are_priced_apart_from_forward_weights():
    """The forward pass reads the view alone: residual bits cost area and updates, not inference."""
    engine = find_processor("engine-28nm")
    nearest = design((64, 32, 10), rounding="nearest")
    residual = design((64, 32, 10), rounding="residual")
    costs = [cost_of_rule(spec, assume(spec), engine) for spec in (nearest, residual)]
    assert running(costs[0].inference) == running(costs[1].inference)
    assert costs[1].training.total("area_um2", "residuals") > 0
    assert costs[0].training.total("area_um2", "residuals") == 0


def test_layers_frozen_by_the_rule_cost_no_update():
    spec = design((64, 32, 10), rule="shallow")
    cost = find_processor("engine-28nm").price(spec, assume(spec))
    assert {item.layer for item in cost.items if item.figure == "cycles" and item.role == "update"} == {2}


def test_frozen_counts_are_not_changed_by_pricing():
    spec = design((20, 8, 4))
    activity = assume(spec)
    before = activity.table.copy()
    for name in names():
        cost_of_rule(spec, activity, find_processor(name))
    assert np.array_equal(activity.table, before)
