"""Compiled firmware computes the simulator's bits: on this machine for every kind of network, on cores for a choice."""

from __future__ import annotations

import itertools

import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from firmware_sim.build.headers import headers, per_layer
from tests.firmware.firmware_cases import MIXED, compare, mixed
from tests.tools import in_turn

FORMATS = (
    {"bits": 4, "rounding": "nearest"},
    {"bits": 4, "rounding": "residual"},
    {"bits": 4, "rounding": "stochastic"},
    {"bits": 8, "rounding": "residual"},
    {"bits": 8, "rounding": "stochastic"},
    {"bits": 8, "rounding": "nearest"},
    {"bits": 16, "rounding": "nearest"},
    {"bits": 16, "rounding": "stochastic"},
)
RATES = {"hidden_rate": -4, "output_rate": -3}
SIZES = ((12, 9, 5), (10, 7, 8, 4))

# One network each that differs from the plain one in a way of its own.
KINDS = {
    "softmax": {"output": "softmax", "rule": "dfa"},
    "softmax of many outputs": {"output": "softmax", "rule": "bp", "sizes": (6, 5, 300)},
    "single output": {"sizes": (9, 7, 1), "rule": "drtp"},
    "single output, signed target": {"sizes": (9, 7, 1), "rule": "signed-target"},
    "single output, error": {"sizes": (9, 7, 1), "rule": "dfa"},
    "no hidden layer": {"sizes": (12, 5), "rule": "bp"},
    "no hidden layer, stochastic": {"sizes": (12, 5), "rule": "drtp", "rounding": "stochastic"},
    "three hidden layers": {"sizes": (8, 7, 6, 5, 4), "rule": "bp"},
    "three hidden layers, fa": {"sizes": (8, 7, 6, 5, 4), "rule": "fa"},
    "three hidden layers on the way": {"sizes": (8, 7, 6, 5, 4), "rule": "drtp", "rounding": "stochastic"},
    "signed target on the way": {"sizes": (8, 7, 6, 5, 4), "rule": "signed-target", "rounding": "stochastic"},
    "three hidden layers, shallow": {"sizes": (8, 7, 9, 5, 4), "rule": "shallow"},
    "wide layers": {"sizes": (300, 270, 3), "rule": "dfa", "rounding": "stochastic"},
    "relu": {"activation": "relu", "rule": "bp"},
    "leaky": {"activation": "leaky", "rule": "fa"},
    "hard tanh": {"activation": "hard-tanh", "rule": "drtp"},
    "quadratic tanh": {"activation": "quadratic-tanh", "rule": "sdfa"},
    "8-bit levels": {"input_bits": 8, "rule": "dfa"},
    "1-bit levels": {"input_bits": 1, "rule": "drtp"},
    "signed levels": {"input_bits": 5, "signed_inputs": True, "rule": "bp"},
    "signed 8-bit levels": {"input_bits": 8, "signed_inputs": True, "rule": "dfa"},
    "dead zone": {"dead_zone": 40, "rule": "dfa"},
    "event threshold": {"event_threshold": 30, "rule": "bp"},
    "signs at inference": {"hidden_inference": "sign", "rule": "dfa", "sizes": (12, 9, 8, 5)},
    "signs at inference, on the way": {"hidden_inference": "sign", "rule": "drtp", "activation": "hard-tanh"},
    "narrow accumulator": {"accumulator_bits": 12, "rule": "bp"},
    "narrow accumulator, dfa": {"accumulator_bits": 11, "rule": "dfa"},
    "gate on errors": {"update_gate": "error", "rule": "drtp"},
    "gate on errors, signed target": {"update_gate": "error", "rule": "signed-target"},
    "gate on a margin": {"update_gate": "margin", "margin": 20, "rule": "bp"},
    "gate on a margin, single output": {"update_gate": "margin", "margin": 9, "rule": "sdfa", "sizes": (9, 7, 1)},
    "gated signed target, lfsr": {"update_gate": "error", "rule": "signed-target", "feedback_format": "lfsr"},
    "local on the way": {"sizes": (8, 7, 6, 5, 4), "rule": "local", "rounding": "stochastic"},
    "local, softmax, relu": {"rule": "local", "output": "softmax", "activation": "relu", "sizes": (10, 9, 8, 4)},
    "local, dead zone of readouts": {"rule": "local", "local_dead_zone": 50, "dead_zone": 9, "sizes": (10, 7, 8, 4)},
    "local, single output": {"rule": "local", "sizes": (9, 7, 1), "dead_zone": 9},
    "local behind a gate, lfsr": {"rule": "local", "update_gate": "error", "feedback_format": "lfsr"},
    "local, narrow accumulator": {"rule": "local", "accumulator_bits": 11, "event_threshold": 20},
    "6-bit factors, local": {"rule": "local", "delta_bits": 6, "sizes": (10, 7, 8, 4), "output": "softmax"},
    "narrow accumulator, signed target": {"accumulator_bits": 8, "rule": "signed-target"},
    "gated on the way, lfsr": {"update_gate": "error", "rule": "drtp", "feedback_format": "lfsr"},
    "range": {"range_exponent": 2, "rule": "bp"},
    "small range": {"range_exponent": -3, "rule": "fa"},
    "8-bit factors, dfa": {"rule": "dfa", "delta_bits": 8},
    "8-bit factors, bp": {"rule": "bp", "delta_bits": 8, "sizes": (10, 7, 8, 4), "output": "softmax"},
    "8-bit factors, fa, stochastic": {"rule": "fa", "delta_bits": 8, "rounding": "stochastic", "sizes": (10, 7, 8, 4)},
    "6-bit factors, drtp": {"rule": "drtp", "delta_bits": 6, "dead_zone": 3},
    "6-bit factors, waiting drtp": {
        "rule": "drtp",
        "delta_bits": 6,
        "update_gate": "margin",
        "feedback_format": "lfsr",
    },
    "7-bit factors, signed target": {"rule": "signed-target", "delta_bits": 7},
    "7-bit factors, sdfa": {"rule": "sdfa", "delta_bits": 7, "rounding": "stochastic"},
    "5-bit factors, single output": {"rule": "mdfa", "delta_bits": 5, "sizes": (9, 7, 1)},
    "8-bit error, shallow": {"rule": "shallow", "delta_bits": 8},
    "10-bit factors": {"rule": "bp", "delta_bits": 10},
    "left shift of steps": {"bits": 16, "rule": "dfa", "hidden_rate": 0, "output_rate": 0, "input_bits": 1},
}


@pytest.mark.parametrize(("rule", "sizes", "part"), in_turn(RULES, SIZES, range(4)))
def test_every_rule_and_format(tmp_path, rule, sizes, part):
    for i, settings in enumerate(FORMATS[part::4]):
        found = compare(design(sizes, rule, **settings, **RATES), tmp_path / str(i))
        assert found.difference is None, f"{settings}: {found.difference}"
        assert found.updates > 200


@pytest.mark.parametrize(("rule", "half"), in_turn(RULES, range(2)))
def test_words_at_their_limits(tmp_path, rule, half):
    for i, settings in enumerate(FORMATS[half::2]):
        spec = design((12, 9, 5), rule, **settings, hidden_rate=-1, output_rate=0, accumulator_bits=12)
        found = compare(spec, tmp_path / str(i), stress=True)
        assert found.difference is None, f"{settings}: {found.difference}"
        assert found.events["saturations"] > 0
        assert found.events["overflows"] > 0


def test_steps_longer_than_a_word(tmp_path):
    formats = ({"rounding": "nearest", "range_exponent": -6}, {"rounding": "stochastic", "input_bits": 8})
    for i, (rule, settings) in enumerate(itertools.product(("bp", "dfa"), formats)):
        spec = design((12, 9, 5), rule, bits=16, hidden_rate=0, output_rate=0, **settings)
        found = compare(spec, tmp_path / str(i), stress=True)
        assert found.difference is None
        assert found.events["step_saturations"] > 0


STORING = [name for name, row in RULES.items() if row.stores_feedback]


@pytest.mark.parametrize(("rule", "feedback", "sizes"), in_turn(STORING, ["ternary", "sign", "lfsr"], SIZES))
def test_every_feedback_format(tmp_path, rule, feedback, sizes):
    found = compare(design(sizes, rule, feedback_format=feedback, **RATES), tmp_path)
    assert found.difference is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network(tmp_path, kind):
    settings = {"sizes": (12, 9, 5), **RATES} | KINDS[kind]
    found = compare(design(**settings), tmp_path)
    assert found.difference is None
    assert found.updates > 20


def test_halved_rates(tmp_path):
    for i, rounding in enumerate(("residual", "stochastic")):
        found = compare(design((12, 9, 5), "bp", rounding=rounding), tmp_path / str(i), halvings=3)
        assert found.difference is None
        assert found.updates > 200


@pytest.mark.parametrize("rule", ["drtp", "dfa"])
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_classes_that_are_met_one_by_one(tmp_path, rule, output):
    found = compare(design((12, 9, 5), rule, output=output, **RATES), tmp_path, live=2)
    assert found.difference is None
    assert found.updates > 200


CORES = list(
    zip(
        RULES,
        itertools.cycle(("cortex-m0", "cortex-m4", "rv32")),
        itertools.cycle(("-Os", "-O0", "-O2", "-O1", "-O3")),
        itertools.cycle(FORMATS),
        strict=False,
    )
)


@pytest.mark.parametrize(("rule", "target", "optimisation", "settings"), CORES, ids=str)
def test_emulated_cores(tmp_path, rule, target, optimisation, settings):
    spec = design((12, 9, 8, 5), rule, **settings, **RATES)
    options = {"target": target, "compiler": "zig", "optimisation": optimisation}
    found = compare(spec, tmp_path / "data", **options)
    assert found.difference is None
    found = compare(spec, tmp_path / "stress", stress=True, **options)
    assert found.difference is None
    assert found.events["saturations"] > 0


CHECKS = ("-fsanitize=undefined", "-fno-sanitize-recover=all", "-fsanitize-undefined-trap-on-error")


@pytest.mark.parametrize(("rule", "half"), in_turn(RULES, range(2)))
def test_no_undefined_behaviour(tmp_path, rule, half):
    for i, settings in enumerate(FORMATS[half::2]):
        spec = design((12, 9, 5), rule, **settings, hidden_rate=-1, output_rate=0)
        assert compare(spec, tmp_path / str(i), stress=True, extra=CHECKS).difference is None


@pytest.mark.parametrize(
    "kind",
    [
        "softmax of many outputs",
        "signed 8-bit levels",
        "narrow accumulator",
        "range",
        "small range",
        "left shift of steps",
    ],
)
def test_no_undefined_behaviour_at_the_edges(tmp_path, kind):
    spec = design(**({"sizes": (12, 9, 5), **RATES} | KINDS[kind]))
    assert compare(spec, tmp_path, stress=True, extra=CHECKS).difference is None


ROUNDINGS = ("residual", "stochastic", "nearest")
QUICK = ("a label below direct", "biases under bp", "bp below a readout", "a readout below a label")


@pytest.mark.parametrize(
    ("name", "rounding"),
    [
        pytest.param(name, rounding, marks=() if name in QUICK and rounding == "stochastic" else pytest.mark.slow)
        for name in MIXED
        for rounding in ROUNDINGS
    ],
)
def test_layers_that_differ(tmp_path, name, rounding):
    spec = mixed(name, rounding=rounding)
    assert spec.is_mixed
    found = compare(spec, tmp_path / "data", extra=CHECKS)
    assert found.difference is None
    assert found.updates > 100
    found = compare(spec, tmp_path / "stress", stress=True, n=100, extra=CHECKS)
    assert found.difference is None
    assert found.events["saturations"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cortex-m0", "cortex-m4", "rv32"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_layers_that_differ_on_emulated_cores(tmp_path, rounding, target):
    for i, name in enumerate(MIXED):
        options = {"target": target, "compiler": "zig", "optimisation": ("-Os", "-O2", "-O0")[i % 3]}
        spec = mixed(name, rounding=rounding)
        found = compare(spec, tmp_path / f"data{i}", n=150, **options)
        assert found.difference is None, name
        found = compare(spec, tmp_path / f"stress{i}", stress=True, n=60, **options)
        assert found.difference is None, name
        assert found.events["saturations"] > 0, name


def test_a_mask_that_names_nothing_new_is_the_image_of_the_rule(tmp_path):
    """What learns in full under one rule is that rule's image, byte for byte."""
    for settings in ({"learn": "all+all+all"}, {"rule": "dfa+dfa"}):
        spec = design(**{"sizes": (10, 7, 8, 4), "rule": "dfa"} | settings)
        assert not per_layer(spec)
        generated = headers(Learner(spec))[1]["el_numbers.h"]
        assert generated == headers(Learner(design((10, 7, 8, 4), "dfa")))[1]["el_numbers.h"]
