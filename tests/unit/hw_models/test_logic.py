"""Bar of the logic model: synthesised engines and toggle counts that the fit has not seen."""

from __future__ import annotations

from functools import cache

import pytest

from edgelearn.rules import find_rule
from hw_models.constants import logic, technology
from hw_models.constants.logic import Datapath
from hw_models.constants.memory import sram

SYNTHESIS = technology.rows("synthesis")
TOGGLES = technology.rows("toggles")
HELD_OUT = [row for row in SYNTHESIS if row["use"] == "test"]


def named(row: dict[str, str]) -> str:
    return f"{row['library']}-{row['engine']}-{row['bits']}-{'sr' if row['stochastic'] == 'yes' else 'plain'}"


def datapath(engine: str, bits: int, error_bits: int, stochastic: bool) -> Datapath:
    if engine == "inference":
        return Datapath(bits, bits)
    rule = find_rule(engine)
    return Datapath(bits, bits, rule, bits, stochastic, True, logic.N_ERRORS * error_bits)


def area_um2(row: dict[str, str]) -> float:
    path = datapath(row["engine"], int(row["bits"]), int(row["error_bits"]), row["stochastic"] == "yes")
    return sum(path.area_um2().values())


def measured(**wanted: str) -> float:
    rows = [row for row in SYNTHESIS if all(row[key] == value for key, value in wanted.items())]
    assert len(rows) == 1
    return float(rows[0]["area_um2"])


@cache
def library_scale(library: str) -> float:
    """One factor a library, from its 8-bit inference engine; 1 for the library of the fit."""
    if library == logic.LIBRARY:
        return 1.0
    return measured(library=library, engine="inference", bits="8") / sum(Datapath(8, 8).area_um2().values())


def test_enough_engines_are_held_out():
    assert len(HELD_OUT) >= 15
    assert {row["library"] for row in HELD_OUT} == {"Nangate45", "sky130", "sg13g2"}
    assert {"drtp", "dfa", "bp", "sdfa"} <= {row["engine"] for row in HELD_OUT if row["library"] == "Nangate45"}


@pytest.mark.parametrize("row", HELD_OUT, ids=named)
def test_area_of_engines_not_fitted_is_within_15_percent(row):
    expected = float(row["area_um2"])
    assert area_um2(row) * library_scale(row["library"]) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("row", [row for row in HELD_OUT if row["engine"] != "inference"], ids=named)
def test_overhead_ratios_not_fitted(row):
    """Within 5 points in the library of the fit, 12 in others."""
    base = measured(library=row["library"], engine="inference", bits=row["bits"])
    expected = 100 * (float(row["area_um2"]) / base - 1)
    inference = sum(Datapath(int(row["bits"]), int(row["bits"])).area_um2().values())
    predicted = 100 * (area_um2(row) / inference - 1)
    assert abs(predicted - expected) < (5 if row["library"] == logic.LIBRARY else 12), (predicted, expected)


@pytest.mark.parametrize("row", TOGGLES, ids=lambda row: row["engine"])
def test_energy_a_cycle_is_within_25_percent_and_ratios_within_10_points(row):
    bits = int(row["bits"])
    base = float(next(r for r in TOGGLES if r["engine"] == "inference")["pj_per_cycle"])
    path = datapath(row["engine"], bits, bits if row["engine"] == "dfa" else 0, True)
    predicted = sum(path.energy_pj().values())
    predicted_base = sum(Datapath(bits, bits).energy_pj().values())
    expected = float(row["pj_per_cycle"])
    assert predicted == pytest.approx(expected, rel=0.25)
    assert abs(100 * predicted / predicted_base - 100 * expected / base) < 10


@pytest.mark.parametrize("row", TOGGLES, ids=lambda row: row["engine"])
def test_a_sample_with_sram_adds_up_as_measured(row):
    """Logic as measured plus our SRAM figures: 32 KB of weights and 512 B of activations, 8-bit words, 45 nm."""
    weights, activations = sram("itrs-hp", 45, 8 * 32768, 8), sram("itrs-hp", 45, 8 * 512, 8)
    reads, writes = int(row["weight_reads"]), int(row["weight_writes"])
    memory = reads * weights.read_pj + writes * weights.write_pj + min(reads, 1024) * activations.read_pj
    total = float(row["logic_pj_per_sample"]) + memory
    assert total == pytest.approx(float(row["logic_and_sram_pj_per_sample"]), rel=0.05)


def test_parts_of_the_datapath_follow_what_is_built():
    drtp = find_rule("drtp")
    full = Datapath(8, 8, drtp, 8, True, True, 9).area_um2()
    assert Datapath(8, 8, drtp, 8, False, True, 9).area_um2()["random generator"] == 0
    assert Datapath(8, 8, drtp, 8, True, False, 9).area_um2()["feedback"] == 0
    assert full["arithmetic"] == Datapath(8, 8).area_um2()["arithmetic"]
    assert Datapath(8, 8, drtp, 8, True, True, 18).area_um2()["error"] == 2 * full["error"]
    assert sum(Datapath(4, 8).area_um2().values()) < sum(Datapath(8, 8).area_um2().values())
    assert all(
        area >= 0 for bits in range(2, 17) for area in Datapath(bits, 8, drtp, bits, True, True).area_um2().values()
    )


@pytest.mark.parametrize("n", [4, 8, 16, 32])
def test_mac_blocks_come_close_to_synthesised_ones(n):
    expected = technology.operation("nangate45-yosys", "mac", n).area_um2
    assert logic.mac_area_um2(n, n) == pytest.approx(expected, rel=0.05)
