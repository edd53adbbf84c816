"""Stored bits: view + residual, in every way of giving them."""

from __future__ import annotations

import pytest

from edgelearn.config import RunConfig, StreamConfig, as_fields, make_config, validated
from edgelearn.errors import UserError
from edgelearn.network.spec import ROUNDINGS
from edgelearn.runs.rates import spec_of
from edgelearn.studies.plan import Plan


def word(**given):
    """Return view bits, residual bits and rounding of the network that settings make."""
    config = make_config(given)
    weight = spec_of(config, (8, 4, 2)).layers[0].word
    return weight.bits, weight.residual_bits, config.rounding


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"weight_bits": 4}, (4, 0, "stochastic")),
        ({"weight_bits": 8}, (8, 0, "stochastic")),
        ({"weight_bits": 10}, (8, 2, "stochastic")),
        ({"weight_bits": 12}, (8, 4, "residual")),
        ({"weight_bits": 16}, (8, 8, "residual")),
        ({"weight_bits": 12, "bits": 4}, (4, 8, "residual")),
        ({"weight_bits": 12, "residual_bits": 8}, (4, 8, "residual")),
        ({"weight_bits": 12, "bits": 12}, (12, 0, "stochastic")),
        ({"weight_bits": 8, "bits": 4, "rounding": "residual"}, (4, 4, "residual")),
        ({"weight_bits": 12, "rounding": "nearest"}, (12, 0, "nearest")),
        ({"bits": 8}, (8, 8, "residual")),
    ],
)
def test_stored_bits_give_view_residual_and_rounding(given, expected):
    assert word(**given) == expected


@pytest.mark.parametrize("stored", range(2, 17))
def test_every_number_of_stored_bits_is_stored_and_survives_a_file(stored):
    config = make_config({"weight_bits": stored})
    weight = spec_of(config, (8, 4, 2)).layers[-1].word
    assert weight.stored_bits == stored
    assert config.rounding in ROUNDINGS
    assert make_config(config.model_dump(mode="json")) == config
    assert validated(StreamConfig, {"weight_bits": stored}).residual_bits == weight.residual_bits


@pytest.mark.parametrize(
    "given",
    [
        {"weight_bits": 8, "bits": 8, "residual_bits": 4},
        {"weight_bits": 4, "bits": 8},
        {"weight_bits": 16, "bits": 4},
        {"weight_bits": 8, "residual_bits": 8},
        {"weight_bits": 12, "rounding": "nearest", "residual_bits": 11},
    ],
)
def test_bits_that_do_not_add_up_are_refused(given):
    with pytest.raises(UserError) as refused:
        word(**given)
    assert f"{given['weight_bits']} stored bits (--stored-bits)" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_and_plans_know_the_setting_by_the_name_of_its_flag():
    for name in ("stored_bits", "stored-bits", "weight_bits"):
        assert as_fields((RunConfig,), {name: 8}) == {"weight_bits": 8}
        plan = Plan.of({"axes": {name: [6, 8]}})
        assert [cell.config["bits"] for cell in plan.cells()] == [6, 8]
    with pytest.raises(UserError, match="given twice"):
        as_fields((RunConfig,), {"stored_bits": 8, "weight_bits": 8})
