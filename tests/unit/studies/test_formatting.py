"""Numbers and titles as pages and terminals show them."""

from __future__ import annotations

import pytest

from edgelearn.studies.analysis import interval
from edgelearn.studies.formatting import Number, limits_of, result_title
from edgelearn.studies.page_tables import of_interval


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([90.0, 92.0, 94.0], "92.00 ± 4.97"),
        ([94.0, 98.0], "96.00 (70.59 to 100)"),
        ([1.0, 3.0], "2.00 (0 to 14.71)"),
        ([40.0, 60.0], "50.00 (0 to 100)"),
        ([100.0, 100.0], "100.00 ± 0.00"),
        ([95.0], "95.00"),
    ],
)
def test_intervals_of_an_accuracy_end_at_0_and_100_percent(values, text):
    assert of_interval("accuracy_percent", interval(values), 1.0).text == text


def test_other_intervals_have_no_limits():
    assert of_interval("energy_pj", interval([1.0, 3.0]), 1.0).text == "2.000 ± 12.706"
    assert of_interval("accuracy_percent", interval([1.0, 3.0]), 1.0, is_difference=True).text == "2.00 ± 12.71"
    assert Number(96.0, "96.00", 70.0, 122.0, limits=limits_of("accuracy_percent")).spread == "(70.00 to 100)"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("accuracy_percent", ("accuracy", "%")),
        ("training_latency_us", ("time per learned sample", "us")),
        ("inference_energy_pj", ("energy per inference", "pJ")),
        ("training_power_uw", ("power while learning", "uW")),
        ("training_memory_bits", ("memory", "bits")),
        ("inference_area_um2", ("area of inference alone", "um2")),
        ("activation_written", ("activation writes per sample", "")),
        ("forward_macs", ("forward multiplications per sample", "")),
        ("buffered_bits", ("buffers of locking", "bits")),
        ("step_saturations", ("steps cut", "")),
        ("synaptic_operations", ("synaptic operations", "")),
        ("battery_days", ("battery life", "days")),
    ],
)
def test_results_of_runs_have_titles_and_units(name, title):
    assert result_title(name) == title
