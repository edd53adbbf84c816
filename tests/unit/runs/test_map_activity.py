"""Profiles of activity of networks with convolutions."""

from __future__ import annotations

import pytest

from edgelearn.config import make_config
from edgelearn.network.spec import design
from edgelearn.network.topology import parse_topology
from edgelearn.rules import RULES
from edgelearn.runs import map_activity
from edgelearn.runs.activity import assumed_activity


def test_every_rule_has_a_profile_with_and_without_pooling():
    table = map_activity.profile_table()
    assert {(one.profile, one.rule) for one in table} == {(p, rule) for p in map_activity.RUNS for rule in RULES}
    for one in table:
        assert one.net == map_activity.RUNS[one.profile]["net"]
        assert 0 < one.elements < 1
        assert 0 <= one.element_updates <= one.element_gates <= 1
        assert (one.element_updates > 0) == RULES[one.rule].learns_hidden


@pytest.mark.parametrize(
    ("net", "profile"),
    [("8x8x1-conv2x3x3-pool2-3", "pooled"), ("8x8x1-conv2x3x3s2p0-3", "strided"), ("8x8x1-conv2x3-3", "strided")],
)
def test_a_network_takes_the_profile_that_pools_as_it_does(net, profile):
    assert map_activity.profile_of(parse_topology(net)) == profile


def test_frozen_kernels_have_the_elements_of_a_rule_that_learns_none():
    table = {one.rule: one for one in map_activity.profile_table() if one.profile == "pooled"}
    net = map_activity.RUNS["pooled"]["net"]
    for kernels, rule in (("learn", "mdfa"), ("frozen", "shallow")):
        config = make_config({"net": net, "rule": "mdfa", "kernels": kernels})
        spec = design(net, "mdfa", kernels=kernels)
        counters = assumed_activity(config, {}).counters(spec)
        share = counters["input_events"][1] / counters.n_samples / spec.sizes[1]
        assert share == pytest.approx(table[rule].elements, abs=1e-3)


def test_given_densities_take_the_place_of_measured_ones():
    net = map_activity.RUNS["pooled"]["net"]
    config, spec = make_config({"net": net, "rule": "dfa"}), design(net, "dfa")
    given = assumed_activity(config, {"hidden_density": 0.25, "update_density": 0.5}).counters(spec)
    assert given["input_events"][1] == given.n_samples * 784
    assert given["active_neurons"][0] == given.n_samples * 1568
    dense = assumed_activity(config, {}, dense=True).counters(spec)
    assert dense["window_pairs"][0] == dense.n_samples * 134**2
