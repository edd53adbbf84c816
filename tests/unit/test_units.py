"""Quantities with units: what is read, what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.units import (
    UNITS,
    battery_joules,
    count,
    percent,
    quantity,
    scale_for,
    size_bytes,
    three,
    typographic,
    with_unit,
)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("28 nm", "length", 28),
        ("0.028um", "length", 28),
        ("900 mV", "voltage", 0.9),
        ("200 MHz", "frequency", 2e8),
        ("32 KiB", "capacity", 262144),
        *((f"16{unit}", "capacity", 8 * 16384) for unit in ("K", " KB", "KiB", " kB", "k", "kib")),
        ("0.5 MB", "capacity", 2**22),
        ("1 GiB", "capacity", 2**33),
        ("3 bit", "capacity", 3),
        ("3 B", "capacity", 24),
        (" 1e3 fJ ", "energy", 1),
        ("3.5 ns", "time", 3.5),
        ("0.45 um2/bit", "area per bit", 0.45),
        ("5 pW/bit", "power per bit", 5e-6),
        ("10 uW", "power", 10),
        ("10 \u00b5W", "power", 10),
        ("10 \u03bcW", "power", 10),
        ("50 Hz", "rate", 50),
        ("50", "rate", 50),
        ("30 /min", "rate", 0.5),
    ],
)
def test_quantities_are_read_in_the_programs_unit(text, dimension, value):
    assert quantity(text, dimension) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "given", ["200", "200 mhz", "MHz", "", "two MHz", "1.2.3 MHz", 200, 2e8, True, None, ["200 MHz"], "200 pJ"]
)
def test_a_number_without_its_unit_is_refused(given):
    with pytest.raises(
        ValueError, match="is not a frequency; write a number and one of Hz, kHz, MHz, GHz, for example '200 MHz'"
    ):
        quantity(given, "frequency")


@pytest.mark.parametrize("text", ["-1 pJ", "0 pJ", "1e-999 pJ"])
def test_values_that_cannot_be_are_refused(text):
    with pytest.raises(ValueError, match="must be above zero"):
        quantity(text, "energy")
    if text == "0 pJ":
        assert quantity(text, "energy", positive=False) == 0


@pytest.mark.parametrize(
    ("text", "dimension", "message"),
    [
        ("1e300 Hz", "rate", "'1e300 Hz' is too large; give 1e-09 to 1e+12 Hz"),
        ("1e-300 uW", "power", "'1e-300 uW' is too small; give 1e-09 to 1e+12 uW"),
        ("1e308 s", "time", "'1e308 s' is too large; give 1e-15 to 1e+10 s"),
        ("1e30 ms", "time", "'1e30 ms' is too large; give 1e-12 to 1e+13 ms"),
        ("1e-12 /day", "rate", "'1e-12 /day' is too small; give 8.64e-05 to 8.64e+16 /day"),
        ("1e999 MHz", "frequency", "'1e999 MHz' is too large"),
        ("9e9 V", "voltage", "'9e9 V' is too large"),
    ],
)
def test_values_beyond_any_device_are_refused(text, dimension, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        quantity(text, dimension)


@pytest.mark.parametrize(
    ("text", "side"), [("1e30 Ah at 3 V", "large"), ("1e-40 J", "small"), ("1 mAh at 1e9 V", "large")]
)
def test_batteries_beyond_any_device_are_refused(text, side):
    with pytest.raises(ValueError, match=f"' is too {side}; give "):
        battery_joules(text)


@given(st.sampled_from([(d, u) for d, units in UNITS.items() for u in units]), st.floats(1, 1e3))
def test_units_of_one_dimension_agree(pair, number):
    dimension, unit = pair
    factor = UNITS[dimension][unit]
    base = next(iter(UNITS[dimension]))
    assert quantity(f"{number!r} {unit}", dimension) == pytest.approx(
        quantity(f"{number * factor!r} {base}", dimension)
    )


def test_errors_say_what_is_allowed():
    with pytest.raises(
        ValueError, match=r"^'3' is not an energy; write a number and one of fJ, pJ, nJ, uJ, mJ, J, for"
    ):
        quantity("3", "energy")


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        *[(text, 16384) for text in ("16K", "16KB", "16KiB", "16 kB", "16k", "16384", "16384 B")],
        ("3.5KB", 3584),
        ("1M", 2**20),
        ("1GiB", 2**30),
        ("1", 1),
    ],
)
def test_sizes_are_powers_of_1024_in_every_spelling(text, n_bytes):
    assert size_bytes(text) == n_bytes


@pytest.mark.parametrize("text", ["", "0", "16Q", "\u00b2", "1.5", "0.3K", "-1K", "2G", "K", "9" * 30, "16 K B"])
def test_sizes_that_cannot_be_are_refused(text):
    with pytest.raises(ValueError, match=r"is not a size; write whole bytes, for example 4096, 16K, 16KB or 3.5KiB"):
        size_bytes(text)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "-"),
        (0.0, "s", "0 s"),
        (0.00044, "s", "440 us"),
        (3.5e-8, "s", "35.0 ns"),
        (7200, "s", "7,200 s"),
        (5.98e6, "pJ", "5.98 uJ"),
        (0.5, "pJ", "0.500 pJ"),
        (999.7, "pJ", "1.00 nJ"),
        (1.196e4, "uW", "12.0 mW"),
        (0.25, "uW", "250 nW"),
        (2e6, "uW", "2.00 W"),
        (900, "days", "2.46 years"),
        (107.4, "days", "107 days"),
        (0.5, "days", "12.0 hours"),
        (0.0035, "days", "5.04 minutes"),
        (23_942.7, "um2", "23,943 um2"),
        (131_072, "bits", "16.0 KiB"),
        (8e7, "Hz", "80.0 MHz"),
        (-2500.0, "pJ", "-2.50 nJ"),
    ],
)
def test_numbers_have_three_digits_and_a_fitting_unit(value, unit, text):
    assert with_unit(value, unit) == text


def test_a_column_shares_the_unit_of_its_largest_value():
    assert scale_for("pJ", [3588.0, 910.0, None]) == (1000.0, "nJ")
    assert scale_for("pJ", []) == (1.0, "pJ")
    assert scale_for("%", [97.0]) == (1.0, "%")


@given(st.floats(1e-9, 1e9))
def test_three_digits_are_near(value):
    assert float(three(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)


def test_micro_has_one_spelling_in_text_and_one_in_figures():
    assert not any("\u00b5" in unit for units in UNITS.values() for unit in units)
    assert [typographic(unit) for unit in ("uJ", "um2", "mm2", "us", "nJ", "KiB")] == [
        "µJ",
        "µm²",
        "mm²",
        "µs",
        "nJ",
        "KiB",
    ]


def test_counts_and_shares():
    assert (count(1, "row"), count(1000, "row")) == ("1 row", "1,000 rows")
    assert (percent(0.12345), percent(0.5, 1), percent(None)) == ("12.35 %", "50.0 %", "-")
