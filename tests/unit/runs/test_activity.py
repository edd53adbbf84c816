"""Measured profiles of activity: what the command measures, and what a price makes of them."""

from __future__ import annotations

import pytest

from edgelearn.config import make_config
from edgelearn.network.spec import parse_net
from edgelearn.rules import RULES
from edgelearn.runs.activity import RUNS, assumed_activity, measured, nearest, profile_table
from edgelearn.runs.rates import learning_counters, spec_of
from edgelearn.runs.registry import run
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor
from tests.tools import require_data

TABLE = {(row.data, row.rule): row for row in profile_table()}


def compare(data: str, rule: str) -> None:
    """Run what a profile was measured with; compare the table with it, and the price with that of the run."""
    config = make_config(RUNS[data] | {"rule": rule})
    result = run(config)
    assert measured(result) == TABLE[data, rule]
    sizes = result.content["network"]["sizes"]
    spec, counters = spec_of(config, sizes), learning_counters(result.content["counters"]["learning"])
    assumed = assumed_activity(make_config({"net": "-".join(map(str, sizes))}), {})
    assert assumed.data == data
    for name in ("engine-28nm", "engine-28nm-32-lanes", "cortex-m4"):
        processor = find_processor(name)
        energies = [processor.price(spec, c).energy_per_sample_pj for c in (assumed.counters(spec), counters)]
        assert energies[0] == pytest.approx(energies[1], rel=0.002)


@pytest.mark.parametrize("rule", ["drtp", "bp"])
def test_profiles_of_the_digits_are_what_their_command_measures(rule):
    compare("digits", rule)


@pytest.mark.slow
@pytest.mark.parametrize("data", RUNS)
@pytest.mark.parametrize("rule", RULES)
def test_every_profile_is_what_its_command_measures(data, rule):
    if data == "mnist":
        require_data("mnist")
    compare(data, rule)


def test_every_rule_has_a_profile_in_every_data_set():
    """`python experiments/activity_profiles.py` measures them."""
    assert set(TABLE) == {(data, rule) for data in RUNS for rule in RULES}


def test_a_profile_is_chosen_by_the_number_of_inputs():
    assert [nearest(n) for n in (1, 64, 224, 225, 784, 5000)] == ["digits"] * 3 + ["mnist"] * 3
    assert (64 * 784) ** 0.5 == 224


def test_given_densities_replace_those_of_the_profile():
    config = make_config({"net": "64-32-10"})
    given = {"input_density": 0.25, "error_density": 0.5}
    spec = spec_of(config, parse_net("64-32-10"))
    profile, counters = TABLE["digits", "drtp"], assumed_activity(config, given).counters(spec)
    n = counters.n_samples
    assert counters["input_events"][0] == 0.25 * 64 * n
    assert counters["active_neurons"][1] == 0.5 * 10 * n
    assert counters["active_neurons"][0] == round(profile.hidden_updates * 32 * n)
    pairs = 64 * 0.25 * profile.inputs_of_updates / profile.inputs * 32 * profile.hidden_updates
    assert counters["update_pairs"][0] == pytest.approx(pairs * n, rel=1e-6)
    assert counters["live_gates"][0] == counters["open_gates"][0] == round(profile.gates * 32 * n)
    every = dict.fromkeys(("input_density", "hidden_density", "update_density", "error_density"), 0.5)
    assert assumed_activity(config, every).data is None
    assert "the rest" not in assumed_activity(config, every).as_dict(["drtp"])["text"]
    assert assumed_activity(config, every).counters(spec) == assume(spec, *every.values())
    assert assumed_activity(config, {}, dense=True).counters(spec) == assume(spec)


def test_a_rule_without_profile_is_noted_and_fully_active():
    config = make_config({"net": "64-32-10", "bits": 4})
    activity = assumed_activity(config, {})
    fork = type(activity)(activity.data, activity.net, {}, {}, activity.changed)
    spec = spec_of(config, parse_net("64-32-10"))
    assert fork.counters(spec) == assume(spec)
    notes = fork.as_dict(["drtp"])["notes"]
    assert "no profile of drtp: everything active" in notes
    assert notes[0].startswith("the profile was measured with the default number formats and feedback;")
    for same in ({}, {"weight_bits": 16}, {"residual_bits": 8}):  # the default formats, however they are given
        assert assumed_activity(make_config(same), {}).as_dict(list(RULES))["notes"] == []
    for other in ({"weight_bits": 8}, {"residual_bits": 4}, {"feedback": "lfsr"}):
        assert len(assumed_activity(make_config(other), {}).as_dict(list(RULES))["notes"]) == 1


def test_rules_are_one_where_no_layer_is_hidden():
    config = make_config({"net": "300-10"})
    activity = assumed_activity(config, {})
    counts = [activity.counters(spec_of(config.model_copy(update={"rule": rule}), (300, 10))) for rule in RULES]
    assert all(one == counts[0] for one in counts)
    assert counts[0]["active_neurons"][0] == round(TABLE["mnist", "shallow"].errors * 10 * counts[0].n_samples)
