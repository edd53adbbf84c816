"""Technology tables: figures against their sources, rules for other widths, scaling, provenance of every row."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import pytest

from edgelearn.errors import UserError
from hw_models.constants.technology import (
    ARITHMETIC_TABLES,
    NOT_STATED,
    STATUSES,
    area_scale,
    energy_scale,
    operation,
    rows,
    table_files,
)

# Horowitz, ISSCC 2014, 45 nm, 0.9 V: pJ, um2
HOROWITZ = [
    ("add", 8, 0.03, 36), ("add", 16, 0.05, 67), ("add", 32, 0.1, 137),
    ("multiply", 8, 0.2, 282), ("multiply", 32, 3.1, 3495),
    ("fp-add", 16, 0.4, 1360), ("fp-add", 32, 0.9, 4184),
    ("fp-multiply", 16, 1.1, 1640), ("fp-multiply", 32, 3.7, 7700),
]  # fmt: skip
# Accelergy-Project/accelergy-aladdin-plug-in@5e2e126, data/*.csv, 40 nm: delay ns, pJ, um2
ALADDIN = [
    ("add", 32, 1, 0.21, 278), ("multiply", 32, 1, 12.68, 6350), ("fp-add", 32, 1, 16.679, 4360),
    ("fp-multiply", 32, 1, 35.3, 4360), ("register", 1, 1, 0.009, 5.98), ("shift", 32, 1, 0.417, 250),
    ("bitwise", 32, 1, 0.0181, 50.4), ("compare", 32, 1, 0.02947, 71), ("count", 32, 1, 0.25074, 495.5),
    ("add", 32, 5, 0.0857, 179), ("multiply", 32, 5, 8.63, 4600), ("fp-add", 32, 5, 7.928, 2060),
    ("fp-multiply", 32, 5, 24.4, 2060), ("register", 1, 5, 0.009, 5.98), ("shift", 32, 5, 0.41652, 250),
]  # fmt: skip
# yosys 0.23 with nangate45_typ.lib: um2
NANGATE = [
    ("add", 4, 20.482), ("add", 8, 44.954), ("add", 16, 94.164), ("add", 32, 191.786),
    ("multiply", 4, 75.278), ("multiply", 8, 453.264), ("multiply", 16, 1842.848), ("multiply", 32, 7411.026),
    ("mac", 4, 390.488), ("mac", 8, 987.924), ("mac", 16, 2744.854), ("mac", 32, 9186.31),
    ("register", 1, 5.32), ("register-enable", 1, 7.182), ("mux2", 1, 1.862),
]  # fmt: skip
# area of the synthesised engines, um2: inference, drtp, dfa, bp
ENGINES = {
    ("Nangate45", 4): (759.43, 1244.88, 1543.066, 1082.088),
    ("Nangate45", 8): (1415.652, 2065.756, 2616.908, 1936.746),
    ("Nangate45", 16): (3331.916, 4027.772, 5130.076, 3966.592),
    ("sky130", 4): (3645.997, 6212.208, 7646.083, 5320.102),
    ("sky130", 8): (7113.072, 10257.338, 12842.317, 9026.157),
    ("sky130", 16): (16677.245, 20652.307, 25918.608, 19492.445),
    ("sg13g2", 8): (12495.773, 18064.507, 23841.14, 15987.51),
}
# columns that hold the figures of a table: positive numbers, or empty
FIGURES = {
    "arithmetic": ("energy_pj", "area_um2", "delay_ns"),
    "synthesis": ("area_um2",),
    "toggles": ("pj_per_cycle", "cycles", "logic_pj_per_sample", "logic_and_sram_pj_per_sample", "weight_reads"),
    "scaling": ("a", "c", "area_vs_45nm"),
    "storage": ("read_pj", "write_pj", "pj_per_bit", "um2_per_bit"),
    "cores": ("value",),
    "microcontrollers": ("value",),
    "anchors": ("value",),
}


@pytest.mark.parametrize(("name", "bits", "energy_pj", "area_um2"), HOROWITZ)
def test_horowitz(name, bits, energy_pj, area_um2):
    row = operation("horowitz-45nm", name, bits)
    assert (row.energy_pj, row.area_um2, row.delay_ns) == (energy_pj, area_um2, None)
    assert (row.node_nm, row.voltage_v, row.status) == (45, 0.9, "verified")


@pytest.mark.parametrize(("name", "bits", "delay_ns", "energy_pj", "area_um2"), ALADDIN)
def test_aladdin(name, bits, delay_ns, energy_pj, area_um2):
    row = operation(f"aladdin-40nm-{delay_ns}ns", name, bits)
    assert (row.energy_pj, row.area_um2, row.delay_ns) == (energy_pj, area_um2, delay_ns)
    assert (row.node_nm, row.voltage_v, row.status) == (40, None, "verified")


@pytest.mark.parametrize(("name", "bits", "area_um2"), NANGATE)
def test_nangate(name, bits, area_um2):
    row = operation("nangate45-yosys", name, bits)
    assert (row.energy_pj, row.area_um2, row.voltage_v, row.status) == (None, area_um2, 1.1, "measured")


def test_no_row_beyond_the_ones_above():
    assert len(rows("arithmetic")) == len(HOROWITZ) + len(ALADDIN) + len(NANGATE)
    assert {row["table"] for row in rows("arithmetic")} == set(ARITHMETIC_TABLES)


# QKeras 0.9.0, its own figures for widths that the Horowitz table lacks
@pytest.mark.parametrize(
    ("name", "bits", "energy_pj"),
    [("multiply", 4, 0.0521), ("multiply", 16, 0.7833), ("add", 4, 0.0125), ("add", 24, 0.075)],
)
def test_horowitz_at_other_widths_is_fitted(name, bits, energy_pj):
    row = operation("horowitz-45nm", name, bits)
    assert row.energy_pj == pytest.approx(energy_pj, rel=1e-3)
    assert (row.bits, row.area_um2, row.status) == (bits, None, "derived")
    assert "QKeras 0.9.0" in row.source


def test_fit_passes_through_the_rows():
    for bits, energy_pj in ((8, 0.2), (32, 3.1)):
        near = operation("horowitz-45nm", "multiply", (bits, bits + 1)).energy_pj
        assert energy_pj < near < energy_pj * (1 + 1 / bits) * 1.01


def test_unequal_operands():
    square, oblong = (operation("horowitz-45nm", "multiply", bits) for bits in (4, (2, 8)))
    assert oblong.energy_pj == pytest.approx(square.energy_pj)
    assert (oblong.bits, oblong.status) == ((2, 8), "derived")
    assert operation("horowitz-45nm", "multiply", (8, 8)) == operation("horowitz-45nm", "multiply", 8)
    aladdin = operation("aladdin-40nm-1ns", "multiply", (8, 16))
    assert (aladdin.energy_pj, aladdin.area_um2) == pytest.approx((12.68 / 8, 6350 / 8))
    assert (aladdin.delay_ns, aladdin.status) == (1, "derived")


def test_linear_operations():
    add = operation("aladdin-40nm-5ns", "add", 8)
    assert (add.energy_pj, add.area_um2, add.status) == (pytest.approx(0.0857 / 4), pytest.approx(179 / 4), "derived")
    assert operation("aladdin-40nm-1ns", "register", 16).energy_pj == pytest.approx(16 * 0.009)
    # blocks of this width were synthesised too
    assert operation("nangate45-yosys", "register", 8).area_um2 == pytest.approx(42.56)
    assert operation("nangate45-yosys", "register-enable", 4).area_um2 == pytest.approx(28.728)
    assert operation("nangate45-yosys", "mux2", 8).area_um2 == pytest.approx(14.896)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("horowitz", "add", 8), "table 'horowitz' is not known; known: aladdin-40nm-1ns, aladdin-40nm-5ns, "
         "horowitz-45nm, nangate45-yosys."),
        (("horowitz-45nm", "multipy", 8), "operation of horowitz-45nm 'multipy' is not known; known: add, fp-add, "
         "fp-multiply, multiply. Did you mean 'multiply'?"),
        (("aladdin-40nm-5ns", "count", 32), "operation of aladdin-40nm-5ns 'count' is not known; known: add, fp-add, "
         "fp-multiply, multiply, register, shift."),
        (("nangate45-yosys", "add", 12), "nangate45-yosys has no rule for 'add' at 12 bits; it has 4, 8, 16, 32 bits: "
         "give one of these"),
        (("nangate45-yosys", "multiply", (4, 8)), "nangate45-yosys has no rule for 'multiply' at (4, 8) bits; it has "
         "4, 8, 16, 32 bits: give one of these"),
        (("horowitz-45nm", "fp-add", 8), "horowitz-45nm has no rule for 'fp-add' at 8 bits; it has 16, 32 bits: give "
         "one of these"),
        (("aladdin-40nm-1ns", "fp-multiply", 16), "aladdin-40nm-1ns has no rule for 'fp-multiply' at 16 bits; it has "
         "32 bits: give one of these"),
        (("horowitz-45nm", "add", 0), "the width of 'add' is at least 1 bit, given 0; give the operand width"),
        (("horowitz-45nm", "add", (4, 8)), "the width of 'add' is one number, given (4, 8); only 'multiply' takes a "
         "pair"),
    ],
)  # fmt: skip
def test_what_no_table_has(arguments, message):
    with pytest.raises(UserError, match="^" + re.escape(message)):
        operation(*arguments)


def test_rows_by_name():
    assert rows("toggles") == rows("toggles.csv")
    rows("toggles")[0]["cycles"] = "0"  # a copy
    assert rows("toggles")[0]["cycles"] == "529"
    with pytest.raises(UserError, match=r"^table 'togles' is not known; known: .*Did you mean 'toggles'\?$"):
        rows("togles")


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [
        ((45, 0.9), (28, 0.9), 0.507), ((45, 0.6), (28, 0.6), 0.564), ((45, 0.9), (28, 0.6), 0.305),
        ((45, 0.9), (45, 0.9), 1.0),
        # by hand: (0.1776 * 0.49 - 0.09097 * 0.7 + 0.02447) / (7.171 * 1.44 - 6.709 * 1.2 + 2.904)
        ((130, 1.2), (7, 0.7), 0.047815 / 5.17944),
    ],
)  # fmt: skip
def test_energy_scales_as_published(before, after, factor):
    assert energy_scale(*before, *after) == pytest.approx(factor, abs=6e-4 if factor > 0.1 else 6e-6)
    assert energy_scale(*after, *before) == pytest.approx(1 / energy_scale(*before, *after))


# Stillmaker and Baas, table of area factors, as in hwcomponents, where they are rounded to two digits
@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [(45, 28, 0.377), (45, 130, 6.4), (45, 7, 0.059), (130, 45, 0.16), (65, 32, 0.31), (32, 20, 0.46), (16, 7, 0.31)],
)
def test_area_scales_as_published(before, after, factor):
    assert area_scale(before, after) == pytest.approx(factor, rel=0.03 if before != 45 else 1e-3)


@pytest.mark.parametrize("node_nm", [7, 10, 12, 14, 16, 20, 28, 32, 40, 45, 65, 90, 130])
def test_energy_rises_with_voltage(node_nm):
    volts = [0.6 + 0.02 * step for step in range(31)]
    energy = [energy_scale(45, 0.9, node_nm, volt) for volt in volts]
    assert all(low < high for low, high in pairwise(energy))
    assert energy[0] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((45, 0.9, 5, 0.9), "node 5 nm is outside the scaling table; it covers 7 to 130 nm: give one there"),
        ((180, 0.9, 45, 0.9), "node 180 nm is outside the scaling table; it covers 7 to 130 nm: give one there"),
        ((45, 0.9, 28, 0.4), "voltage 0.4 V is outside the scaling table; at 28 nm it covers 0.50 to 1.20 V: give one there"),
        ((45, 0.9, 65, 0.5), "voltage 0.5 V is outside the scaling table; at 65 nm it covers 0.59 to 1.20 V: give one there"),
        ((130, 1.8, 45, 1.1), "voltage 1.8 V is outside the scaling table; at 130 nm it covers 0.50 to 1.20 V: give one there"),
        ((45, math.nan, 45, 0.9), "voltage nan V is outside the scaling table; at 45 nm"),
        ((math.nan, 0.9, 45, 0.9), "node nan nm is outside the scaling table"),
    ],
)  # fmt: skip
def test_no_scaling_beyond_the_table(arguments, message):
    with pytest.raises(UserError, match="^" + re.escape(message)):
        energy_scale(*arguments)


def test_no_area_beyond_the_table():
    with pytest.raises(UserError, match=r"^node 5 nm is outside"):
        area_scale(45, 5)


def test_synthesis_table():
    found = {}
    for row in rows("synthesis"):
        key = (row["library"], int(row["bits"]), row["engine"], row["stochastic"])
        found[key] = float(row["area_um2"])
    for (library, bits), areas in ENGINES.items():
        for engine, area in zip(("inference", "drtp", "dfa", "bp"), areas, strict=True):
            assert found.pop((library, bits, engine, "no" if engine == "inference" else "yes")) == area
    # ablations at 8 bits: without stochastic rounding, and with signs of errors
    assert found == {
        ("Nangate45", 8, "drtp", "no"): 1732.458, ("Nangate45", 8, "dfa", "no"): 2364.208,
        ("Nangate45", 8, "bp", "no"): 1606.906,
        ("Nangate45", 8, "sdfa", "yes"): 2176.146, ("Nangate45", 8, "sdfa", "no"): 1855.616,
    }  # fmt: skip


def test_what_the_area_fit_may_see():
    fit = {(r["library"], int(r["bits"]), r["engine"], r["stochastic"]) for r in rows("synthesis") if r["use"] == "fit"}
    learners = ("drtp", "dfa", "bp")
    expected = {("Nangate45", bits, rule, "yes") for bits in (4, 16) for rule in learners}
    expected |= {("Nangate45", bits, "inference", "no") for bits in (4, 16)}
    expected |= {("Nangate45", 8, "drtp", "no"), ("Nangate45", 8, "dfa", "no")}
    expected |= {("sky130", 8, "inference", "no"), ("sg13g2", 8, "inference", "no")}
    assert fit == expected
    for row in rows("synthesis"):
        assert row["use"] in ("fit", "test")
        assert int(row["error_bits"]) == {"dfa": int(row["bits"]), "sdfa": 2}.get(row["engine"], 0)


def test_toggle_table():
    found = {row["engine"]: row for row in rows("toggles")}
    per_cycle = {engine: float(row["pj_per_cycle"]) for engine, row in found.items()}
    assert per_cycle == {"inference": 2.664, "drtp": 3.058, "dfa": 3.801, "bp": 3.101}
    cycles = {engine: int(row["cycles"]) for engine, row in found.items()}
    assert cycles == {"inference": 529, "drtp": 1553, "dfa": 1641, "bp": 2209}
    for row in found.values():
        product = float(row["pj_per_cycle"]) * int(row["cycles"])
        assert float(row["logic_pj_per_sample"]) == pytest.approx(product, rel=1e-3)
    assert [engine for engine, row in found.items() if row["use"] == "fit"] == ["inference", "drtp"]


def test_storage_table():
    found = {row["name"]: row for row in rows("storage")}
    # Accelergy-Project/hwcomponents-cacti, class _DRAM
    per_bit = {name: float(found[name]["pj_per_bit"]) for name in ("lpddr4", "lpddr", "ddr3", "hbm2", "hbm3")}
    assert per_bit == {"lpddr4": 8, "lpddr": 40, "ddr3": 70, "hbm2": 6.25, "hbm3": 4.05}
    for row in found.values():  # a DRAM is priced by the bit
        if row["kind"] == "dram":
            assert float(row["pj_per_bit"]) > 0
        if row["read_pj"] and row["pj_per_bit"]:
            assert float(row["pj_per_bit"]) == pytest.approx(float(row["read_pj"]) / int(row["word_bits"]), rel=1e-4)
    # The-OpenROAD-Project/OpenSTA: area of a macro over its bits
    for name, area in (("1024x32", 33210.1), ("512x64", 17301.438), ("256x16", 7656.81), ("64x32", 3888.122)):
        row = found[f"fakeram45-{name}"]
        assert float(row["um2_per_bit"]) * int(row["capacity_bits"]) == pytest.approx(area, rel=1e-3)
    assert {row["kind"] for row in found.values()} == {"dram", "edram", "sram", "register-file", "flash"}


def test_energy_of_a_cycle_is_current_times_voltage():
    currents = {r["name"]: float(r["value"]) for r in rows("microcontrollers") if r["figure"] == "current_per_mhz"}
    assert set(currents.values()) == {130, 110, 100, 96, 71}
    derived = [row for row in rows("microcontrollers") if row["figure"] == "energy_per_cycle"]
    assert {row["voltage_v"] for row in derived} == {"1.8", "3.3"}
    for row in derived:
        assert float(row["value"]) == pytest.approx(currents[row["name"]] * float(row["voltage_v"]))


def test_instruction_mix_adds_up():
    parts = [int(row["value"]) for row in rows("microcontrollers") if row["figure"].startswith("mix_")]
    assert sum(parts) == 55_192


# Arm's Technical Reference Manuals; lowRISC/ibex: stall cycles + 1
CYCLES = {
    "Cortex-M0": (1, 1, None, 2, 2, 3, 1), "Cortex-M0+": (1, 1, None, 2, 2, 2, 1),
    "Cortex-M3": (1, 1, 2, 2, 2, 3, 1), "Cortex-M4": (1, 1, 1, 2, 2, 3, 1), "Ibex (RV32IMC)": (1, 3, None, 2, 2, 3, 1),
}  # fmt: skip
CLASSES = ("alu", "multiply", "multiply_add", "load", "store", "branch_taken", "branch_not_taken")


@pytest.mark.parametrize("core", CYCLES)
def test_cycles_of_instructions(core):
    found = {row["figure"]: float(row["value"]) for row in rows("microcontrollers") if row["name"] == core}
    assert tuple(found.get(f"cycles_{name}") for name in CLASSES) == CYCLES[core]


def test_anchors():
    found = {(row["chip"], row["figure"]): float(row["value"]) for row in rows("anchors")}
    # SPOON, arXiv 2005.06318, abstract
    assert found["SPOON", "learning_power_overhead"] == 16.8
    assert found["SPOON", "learning_area_overhead"] == 11.8
    assert found["SPOON", "energy_per_classification"] == 313
    assert found["Park, Lee, Jeon", "training_energy_over_inference"] == 7.5
    assert found["ANP-I", "learning_energy_over_inference_at_most"] == 15
    assert found["EON-1", "learning_energy_overhead"] == 1
    assert found["ReckOn", "learning_memory_overhead"] == 0.8
    assert all(row["unknown"] for row in rows("anchors"))


@pytest.mark.parametrize("name", table_files())
def test_every_row_says_where_it_is_from(name):
    for row in rows(name):
        assert None not in row.values(), row
        assert None not in row, row
        assert row["source"].strip(), row
        assert row["status"] in STATUSES, row
        for column in ("node_nm", "voltage_v"):
            if column in row:
                assert row[column] == NOT_STATED or float(row[column]) > 0, row
        assert "node_nm" in row, row


@pytest.mark.parametrize("name", FIGURES)
def test_every_row_has_a_figure(name):
    for row in rows(name):
        figures = [float(row[column]) for column in FIGURES[name] if row[column]]
        assert figures, row
        assert all(math.isfinite(figure) and figure > 0 for figure in figures), row
        assert "voltage_v" in row or name == "scaling"
        low, high = row.get("low"), row.get("high")
        if low or high:
            assert float(low) <= float(row["value"]) <= float(high), row


def test_recalled_figures_are_flagged():
    recalled = [row for name in FIGURES for row in rows(name) if row["status"] == "unverified"]
    assert all("recalled" in row["note"] for row in recalled)
    assert [(row["name"], row["figure"], row["value"]) for row in recalled] == [
        ("TrueNorth", "synaptic_operation", "26"),
        ("MorphIC", "synaptic_operation", "30"),
        ("Loihi", "synaptic_update", "120"),
    ]
    flagged = [row for name in FIGURES for row in rows(name) if "recalled" in row.get("note", "")]
    assert flagged == recalled


def test_files_named_in_tables_and_processors_exist():
    root = Path(__file__).parents[3]
    named = {
        found
        for path in (*root.glob("hw_models/tables/*.csv"), *root.glob("hw_models/processors/*.toml"))
        for found in re.findall(
            r"(?:edgelearn|experiments|firmware_sim|hw_models|tests)/[\w/.-]+\.\w+", path.read_text()
        )
    }
    assert len(named) > 2
    assert [name for name in sorted(named) if not (root / name).is_file()] == []
