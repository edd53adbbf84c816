"""SRAM figures against macros the model never reads, against CACTI's own numbers, and at the edges."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelearn.errors import UserError
from hw_models.constants.memory import LARGEST_MACRO_BITS, MemoryCost, macro, sram, sram_rows

CELLS, NODES = ("itrs-hp", "itrs-lstp"), (45, 32, 28, 22)
PLACES = list(product(CELLS, NODES))
FIGURES = ("read_pj", "write_pj", "area_um2", "leakage_uw", "access_ns")
FIT_WIDTHS = {int(row["word_bits"]) for row in sram_rows("fit")}
KIB = 8 * 1024


def misses(cell: str, node_nm: int, on_grid: bool) -> list[tuple[float, str, int, int]]:
    """Return |predicted / CACTI - 1| with figure, capacity in bytes and width, worst last."""
    found = []
    for row in sram_rows("test"):
        width, capacity = int(row["word_bits"]), int(row["capacity_bytes"])
        if (row["cell"], int(row["node_nm"])) != (cell, node_nm) or (width in FIT_WIDTHS) != on_grid:
            continue
        cost = macro(cell, node_nm, 8 * capacity, width)
        truth = {name: float(row[name]) for name in FIGURES}
        truth["leakage_uw"] += float(row["gate_leakage_uw"])
        found += [(abs(getattr(cost, name) / truth[name] - 1), name, capacity, width) for name in FIGURES]
    return sorted(found)


# Near a tie CACTI changes its organisation within a few words: at 32 nm, x512 it takes one of 8 x 2 subarrays from 6912 to
# 7040 words and 4 x 2 on both sides; at 28 nm, x16 it goes back and forth between 146 and 152 words. Held-out shapes in
# such a place stay in the table, and here: cell, node, capacity in bytes, width.
TIES = {
    ("itrs-lstp", 45, 20844, 96), ("itrs-lstp", 45, 121267, 8),
    ("itrs-lstp", 32, 448512, 512), ("itrs-lstp", 28, 294, 16),
}  # fmt: skip


@pytest.mark.parametrize(("cell", "node_nm"), PLACES)
def test_held_out_macros_within_10_percent(cell, node_nm):
    everything = misses(cell, node_nm, on_grid=True)
    assert len(everything) >= 30 * len(FIGURES)
    found = [miss for miss in everything if (cell, node_nm, *miss[2:]) not in TIES]
    error, name, capacity, width = found[-1]
    assert error < 0.10, f"{name} of {capacity} B x{width}: {error:.1%}"
    # most are far closer, the ties included
    for figure in FIGURES:
        errors = [miss[0] for miss in everything if miss[1] == figure]
        assert errors[int(0.9 * len(errors))] < 0.08, figure


@pytest.mark.parametrize(("cell", "node_nm"), PLACES)
def test_widths_between_those_of_the_table_are_estimates(cell, node_nm):
    # the jumps of two neighbouring widths lie at different sizes; between them no line follows either
    found = misses(cell, node_nm, on_grid=False)
    for name, bar in {"read_pj": 0.2, "write_pj": 0.4, "area_um2": 0.2, "leakage_uw": 0.2}.items():
        error, _, capacity, width = max(miss for miss in found if miss[1] == name)
        assert error < bar, f"{name} of {capacity} B x{width}: {error:.1%}"


def test_no_shape_is_both_fitted_and_held_out():
    def shapes(use):
        return {(r["cell"], r["node_nm"], r["capacity_bytes"], r["word_bits"]) for r in sram_rows(use)}

    assert shapes("fit").isdisjoint(shapes("test"))
    assert {row["status"] for use in ("fit", "test") for row in sram_rows(use)} == {"measured"}


# An earlier sweep with the same CACTI and settings: capacity, width, read pJ, write pJ (three figures given).
EARLIER_45_NM_HP = [
    (512, 8, 0.446, 0.749), (4096, 8, 1.100, 1.252), (8192, 8, 1.906, 1.756), (16384, 8, 2.506, 2.356),
    (32768, 8, 3.563, 3.413), (65536, 8, 4.879, 4.729), (8192, 64, 3.290, 9.419), (32768, 32, 5.244, 10.224),
    (131072, 32, 10.511, 20.517), (1048576, 64, 48.085, 88.200),
]  # fmt: skip


@pytest.mark.parametrize(("capacity", "width", "read_pj", "write_pj"), EARLIER_45_NM_HP)
def test_energies_of_an_earlier_sweep(capacity, width, read_pj, write_pj):
    cost = macro("itrs-hp", 45, 8 * capacity, width)
    assert (cost.read_pj, cost.write_pj) == pytest.approx((read_pj, write_pj), rel=0.05)


def test_areas_and_leakage_of_an_earlier_sweep():
    assert macro("itrs-hp", 45, 512 * 8, 8).area_um2 / (512 * 8) == pytest.approx(0.55, rel=0.05)
    fast = macro("itrs-hp", 45, 32 * KIB, 8)
    assert fast.area_um2 == pytest.approx(119572, rel=0.05)
    assert fast.leakage_uw == pytest.approx(16408 + 1234, rel=0.05)  # channels + gates
    small = macro("itrs-hp", 28, 32 * KIB, 8)
    assert (small.read_pj, small.write_pj) == pytest.approx((1.608, 1.502), rel=0.05)
    assert small.area_um2 / (32 * KIB) == pytest.approx(0.176, rel=0.05)
    assert macro("itrs-lstp", 28, 32 * KIB, 8).leakage_uw == pytest.approx(0.7248 + 3.32, rel=0.05)
    assert macro("itrs-lstp", 45, 32 * KIB, 8).leakage_uw < fast.leakage_uw / 1000


def test_horowitz_is_twice_to_three_times_higher():
    # M. Horowitz, ISSCC 2014: 5 pJ for a 32-bit read of 8 KB at 45 nm. Known disagreement, not an error to hide.
    assert 1.5 < 5.0 / macro("itrs-hp", 45, 8 * KIB, 32).read_pj < 3


places = st.sampled_from(PLACES)


@given(places, st.integers(1, 12 << 23), st.integers(1, 1 << 20), st.integers(1, 1100))
def test_area_never_falls_with_words(place, words, more, width):
    capacity = min(words * width, 1 << 30)
    small, large = (macro(*place, bits, width).area_um2 for bits in (capacity, capacity + more * width))
    assert large >= small * (1 - 1e-9)


@given(places, st.integers(64, 1 << 16), st.integers(1, 512))
def test_twice_the_width_at_the_same_words_is_never_smaller(place, words, width):
    narrow, wide = (macro(*place, words * bits, bits).area_um2 for bits in (width, 2 * width))
    assert wide >= narrow * (1 - 1e-9)


@given(places, st.integers(1, 1 << 28), st.integers(1, 2048))
def test_every_figure_is_finite_and_positive(place, capacity, width):
    cost = macro(*place, capacity, width)
    assert all(math.isfinite(getattr(cost, name)) and getattr(cost, name) > 0 for name in FIGURES)


def test_capacity_beyond_a_macro_is_split_into_equal_banks():
    one, three = (macro("itrs-hp", 45, n * LARGEST_MACRO_BITS, 64) for n in (1, 3))
    assert (one.banks, three.banks) == (1, 3)
    assert (three.read_pj, three.write_pj, three.access_ns) == (one.read_pj, one.write_pj, one.access_ns)
    assert (three.area_um2, three.leakage_uw) == pytest.approx((3 * one.area_um2, 3 * one.leakage_uw))


def test_words_beyond_the_table_are_macros_side_by_side():
    one, four = (macro("itrs-lstp", 28, n * 64 * KIB, n * 512) for n in (1, 4))
    assert (one.banks, four.banks) == (1, 4)
    assert (four.read_pj, four.write_pj, four.area_um2) == pytest.approx(
        (4 * one.read_pj, 4 * one.write_pj, 4 * one.area_um2)
    )
    assert four.access_ns == one.access_ns


def test_narrow_and_tiny_memories():
    assert macro("itrs-hp", 45, 4 * KIB, 3) == macro("itrs-hp", 45, 4 * KIB, 8)
    assert macro("itrs-hp", 45, 8, 8) == macro("itrs-hp", 45, 16, 8)  # the smallest macro, whole
    assert macro("itrs-hp", 45, 4 * KIB + 1, 32) == macro("itrs-hp", 45, 4 * KIB + 32, 32)


def test_nothing_costs_nothing():
    assert macro("itrs-hp", 45, 0, 8) == MemoryCost(0, 0, 0, 0, 0, 0, macro("itrs-hp", 45, 8, 8).source)


def test_the_source_names_table_cell_and_node():
    source = macro("itrs-lstp", 22, KIB, 8).source
    assert source == "CACTI 7 (KULeuven-MICAS/zigzag, cacti_master), 1RW RAM, 300 K, itrs-lstp, 22 nm"


def test_mistakes_name_what_exists():
    with pytest.raises(UserError, match=r"SRAM cell type 'itrs-hpp' is not known; known: itrs-hp, itrs-lstp\. Did"):
        macro("itrs-hpp", 45, KIB, 8)
    with pytest.raises(UserError, match=r"no SRAM figures for 40 nm; known for itrs-hp: 22, 28, 32, 45 nm; "):
        macro("itrs-hp", 40, KIB, 8)
    with pytest.raises(UserError, match=r"an SRAM of -1 bits in words of 8 bits is not possible; give"):
        macro("itrs-hp", 45, -1, 8)
    with pytest.raises(UserError, match=r"an SRAM of 8 bits in words of 0 bits is not possible; give"):
        macro("itrs-hp", 45, 8, 0)


def test_a_divided_word_costs_all_its_macros():
    whole, divided = macro("itrs-lstp", 28, 2**22, 256), sram("itrs-lstp", 28, 2**22, 256)
    part = macro("itrs-lstp", 28, 2**22 // 16, 16)
    assert divided.banks == 16
    assert divided.read_pj == pytest.approx(16 * part.read_pj)
    assert divided.write_pj == pytest.approx(16 * part.write_pj)
    assert divided.area_um2 == pytest.approx(16 * part.area_um2)
    assert divided.leakage_uw == pytest.approx(16 * part.leakage_uw)
    assert divided.access_ns == part.access_ns
    assert (divided.read_pj + divided.write_pj) * divided.area_um2 < (whole.read_pj + whole.write_pj) * whole.area_um2


@given(
    st.sampled_from(PLACES),
    st.integers(1, 2**24),
    st.sampled_from([8, 16, 64, 256, 1024]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_the_division_is_never_worse_than_none(place, capacity, width, writes):
    whole, chosen = macro(*place, capacity, width), sram(*place, capacity, width, writes)
    merits = [(cost.read_pj + writes * cost.write_pj) * cost.area_um2 for cost in (chosen, whole)]
    assert merits[0] <= merits[1]
