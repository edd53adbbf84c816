"""Quantities with units: what is read, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.units import UNITS, quantity


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("28 nm", "length", 28),
        ("0.028um", "length", 28),
        ("900 mV", "voltage", 0.9),
        ("200 MHz", "frequency", 2e8),
        ("32 KiB", "capacity", 262144),
        ("32 kB", "capacity", 256000),
        (" 1e3 fJ ", "energy", 1),
        ("3.5 ns", "time", 3.5),
        ("0.45 um2/bit", "area of a bit", 0.45),
        ("5 pW/bit", "power of a bit", 5e-6),
    ],
)
def test_quantities_are_read_in_the_programs_unit(text, dimension, value):
    assert quantity(text, dimension) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "given", ["200", "200 mhz", "MHz", "", "two MHz", "1.2.3 MHz", 200, 2e8, True, None, ["200 MHz"], "200 pJ"]
)
def test_a_number_without_its_unit_is_refused(given):
    with pytest.raises(
        ValueError, match="is no frequency; write a number and one of Hz, kHz, MHz, GHz, for example '200 MHz'"
    ):
        quantity(given, "frequency")


@pytest.mark.parametrize("text", ["-1 pJ", "0 pJ", "1e999 pJ"])
def test_values_that_cannot_be_are_refused(text):
    with pytest.raises(ValueError, match="must be above zero"):
        quantity(text, "energy")
    if text == "0 pJ":
        assert quantity(text, "energy", positive=False) == 0


@given(st.sampled_from([(d, u) for d, units in UNITS.items() for u in units]), st.floats(1e-6, 1e6))
def test_units_of_one_dimension_agree(pair, number):
    dimension, unit = pair
    factor = UNITS[dimension][unit]
    base = next(iter(UNITS[dimension]))
    assert quantity(f"{number!r} {unit}", dimension) == pytest.approx(
        quantity(f"{number * factor!r} {base}", dimension)
    )
