"""Branch predictors: the figures that the models were fitted to, one they have not seen, and figures worked by hand."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest

from edgelearn.branch.datapath import Datapath, Memory, Sums
from edgelearn.errors import UserError
from hw_models.branch_cost import (
    branch_cost,
    cache_word_pj,
    calibrations,
    carry_save_levels,
    energy_constants,
    latency_constants,
    stages_ps,
)
from hw_models.constants.technology import rows

KNOWN = {known.datapath.name: known for known in calibrations()}
PERCEPTRON = Datapath("perceptron", (Memory(885, 296, written=1),), (Sums(37, signed=True),), 0.12, 37)
GSHARE = Datapath("gshare", (Memory(1 << 17, 2, written=1),), (), 1.0, 1, 2)
TWO_LAYERS = Datapath(
    "two layers", (Memory(156, 1672, written=1),),
    (Sums(25, trees=8, signed=True, saturated=True), Sums(8, 16, products=8)), 0.11, 200,
)  # fmt: skip


# 3:2 compressors take 3, 4, 6, 9, 13, 19, 28, 42, 63, 94 terms in 1, 2, ... levels
@pytest.mark.parametrize(
    ("terms", "levels"),
    [
        (1, 0), (2, 0), (3, 1), (4, 2), (5, 3), (6, 3), (7, 4), (9, 4), (10, 5), (13, 5), (14, 6), (19, 6), (20, 7),
        (24 + 1, 7), (28, 7), (36 + 1, 8), (42, 8), (48 + 1, 9), (62 + 1, 9), (64, 10), (94, 10),
        (8, 4), (8 + 1, 4), (8 * 8, 10), (8 * 8 + 1, 10),  # eight units: without multiplier, and partial products
    ],
)  # fmt: skip
def test_levels(terms, levels):
    assert carry_save_levels(terms) == levels


def test_what_the_fit_may_see():
    assert {name: known.use for name, known in KNOWN.items()} == {
        "perceptron-h36": "fit", "perceptron-h62": "test",
        "two-layer-2x20": "fit", "two-layer-8x24": "fit", "two-layer-8x36": "fit",
    }  # fmt: skip
    assert {known.datapath.name for known in calibrations("test")} == {"perceptron-h62"}


# as reported: SRAM, hidden sums, saturated, product, y ready in ps; cycles; pJ, of which SRAM
REPORTED = {
    "perceptron-h36": ((272, None, None, None, 509), 2, 4.05, 3.60),
    "perceptron-h62": ((282, None, None, None, 542), 2, 8.12, 7.35),
    "two-layer-2x20": ((None, 366, 437, 595, 643), 3, 1.49, 0.78),
    "two-layer-8x24": ((None, 418, 489, 647, 785), 3, 6.75, 3.44),
    "two-layer-8x36": ((None, 455, 526, 684, 822), 3, 6.08, 1.57),
}


@pytest.mark.parametrize("name", REPORTED)
def test_wide_rows(name):
    times, cycles, energy, sram = REPORTED[name]
    known = KNOWN[name]
    seen = known.use == "fit"
    stages = stages_ps(known.datapath)
    for stage, time in zip(("sram", "hidden", "saturated", "product", "ready"), times, strict=True):
        assert known.stages_ps.get(stage) == time
        if time is not None:
            assert stages[stage] == pytest.approx(time, rel=1e-6 if seen else 0.005)
    cost = branch_cost(known.datapath).wide_row
    assert (cost.model, cost.node_nm, cost.cycles, known.cycles) == ("wide-row", 5, cycles, cycles)
    assert cost.latency_ps == pytest.approx(times[-1], rel=0.005)
    assert cost.energy_pj == pytest.approx(energy, rel=0.03)
    assert cost.memory_pj == pytest.approx(sram, rel=0.045)
    assert cost.energy_pj - cost.memory_pj == pytest.approx(energy - sram, rel=0.025)
    assert (known.energy_pj, known.sram_pj) == (energy, sram)
    assert (cost.update_pj, cost.updates_pj) == (None, None)


def test_constants_are_those_of_the_document():
    assert list(latency_constants().values()) == pytest.approx(
        [110.97, 0.13887, 0.042386, 56.468, 9, 22.5, 48, 71, 158], rel=1e-4
    )
    assert list(energy_constants().values()) == pytest.approx(
        [3.7856e-4, 1.0239e-5, 1.66423e-5, 1.52875e-3, 0.0795339], rel=1e-4
    )


@pytest.mark.parametrize(("name", "time"), [("two-layer-8x24", 627), ("two-layer-8x36", 664)])
def test_without_multipliers(name, time):
    path = KNOWN[name].datapath
    plain = replace(path, sums=(path.sums[0], replace(path.sums[1], products=0)))
    cost = branch_cost(plain).wide_row
    assert cost.latency_ps == pytest.approx(time, abs=0.5)
    assert cost.cycles == 3
    assert branch_cost(plain, 335.0).wide_row.cycles == 2


# pJ by hand: words of 64 bits x 20 (32 KB) or 10 (8 KB), additions of 16 bits 0.05, products 0.2; update: words of 8 bits 0.03
@pytest.mark.parametrize(
    ("name", "prediction", "update"),
    [
        ("perceptron-h36", 102, 101),
        ("two-layer-8x24", 551, 546),
        ("two-layer-8x36", 405, None),
        ("two-layer-2x20", 62, None),
    ],
)
def test_words_of_64_bits(name, prediction, update):
    path = KNOWN[name].datapath
    memory = replace(path.memories[0], written=1)
    words = path.sums[0].terms * path.sums[0].trees
    cost = branch_cost(replace(path, memories=(memory,), updates=0.12, adds=words)).words
    assert (cost.model, cost.node_nm, cost.latency_ps, cost.cycles) == ("45-nm-words", 45, None, None)
    assert cost.energy_pj == pytest.approx(prediction, rel=0.01)
    assert cost.memory_pj > 0.9 * cost.energy_pj
    assert update is None or cost.update_pj == pytest.approx(update, rel=0.01)
    assert cost.updates_pj == pytest.approx(0.12 * cost.update_pj)


def test_the_models_disagree_on_wide_rows():
    small, large = (branch_cost(KNOWN[name].datapath) for name in ("perceptron-h36", "two-layer-8x24"))
    assert large.wide_row.energy_pj / small.wide_row.energy_pj == pytest.approx(1.7, abs=0.1)
    assert large.words.energy_pj / small.words.energy_pj == pytest.approx(5.4, abs=0.1)


def test_price_of_a_word():
    kib = 8192
    assert [cache_word_pj(n * kib) for n in (1, 8, 32, 1024)] == pytest.approx([10, 10, 20, 100])
    assert cache_word_pj(16 * kib) == pytest.approx(200**0.5)
    assert cache_word_pj(32 * 1024 * kib) == pytest.approx(500)
    assert [row["status"] for row in rows("caches")] == ["unverified", "unverified"]
    assert all("recalled" in row["note"] for row in rows("caches"))


def test_narrow_words_stand_side_by_side():
    """2^17 counters of 2 bits: 128 side by side, 1024 rows, four banks."""
    times, energy = latency_constants(), energy_constants()
    cost = branch_cost(GSHARE).wide_row
    by_hand = (
        times["access"] + 256 * times["row of a bank"] + 256 * times["bit across"] + 2 * times["doubling of banks"]
    )
    assert cost.latency_ps == pytest.approx(by_hand)
    by_hand = 256 * energy["bit across"] + 256 * 256 * energy["cell on a bitline"] + 2 * 512 * energy["bit and way"]
    assert cost.energy_pj == cost.memory_pj == pytest.approx(by_hand)
    words = branch_cost(GSHARE).words
    assert (words.energy_pj, words.update_pj) == pytest.approx((20, 20 + 0.03 * 2 / 8 * 1), rel=1e-3)


def test_tables_in_parallel_and_stages():
    one = Datapath("one", (Memory(4096, 8, written=1),))
    eight = Datapath("hashed", (Memory(4096, 8, copies=8, written=8),), (Sums(8),), 0.3, 8)
    single, hashed = branch_cost(one), branch_cost(eight)
    assert hashed.wide_row.latency_ps == pytest.approx(single.wide_row.latency_ps + 4 * 22.5 + 48)
    assert hashed.wide_row.memory_pj == pytest.approx(8 * single.wide_row.memory_pj)
    assert hashed.words.energy_pj == pytest.approx(8 * 10 + 7 * 0.05)
    assert hashed.words.update_pj == pytest.approx(8 * 10 + 8 * 0.03)
    assert hashed.words.updates_pj == pytest.approx(0.3 * hashed.words.update_pj)
    after = branch_cost(Datapath("local", (Memory(2048, 11), Memory(2048, 2, stage=1), Memory(64, 2, stage=1))))
    first, second, small = (
        branch_cost(Datapath("", (memory,))).wide_row for memory in (Memory(2048, 11), Memory(2048, 2), Memory(64, 2))
    )
    assert small.latency_ps < second.latency_ps
    assert after.wide_row.latency_ps == pytest.approx(first.latency_ps + second.latency_ps)
    assert after.wide_row.energy_pj == pytest.approx(first.energy_pj + second.energy_pj + small.energy_pj)


def test_parts_side_by_side():
    main, side = branch_cost(PERCEPTRON), branch_cost(TWO_LAYERS)
    both = branch_cost(replace(PERCEPTRON, name="hybrid", beside=(TWO_LAYERS,)))
    assert both.wide_row.latency_ps == side.wide_row.latency_ps > main.wide_row.latency_ps
    assert both.wide_row.cycles == 3
    for figure in ("energy_pj", "memory_pj", "update_pj", "updates_pj"):
        assert getattr(both.words, figure) == pytest.approx(getattr(main.words, figure) + getattr(side.words, figure))
    assert both.wide_row.energy_pj == pytest.approx(main.wide_row.energy_pj + side.wide_row.energy_pj)
    assert [part.name for part in replace(PERCEPTRON, beside=(TWO_LAYERS,)).parts] == ["perceptron", "two layers"]


def test_three_layers_have_names_for_their_stages():
    deep = replace(
        TWO_LAYERS, sums=(TWO_LAYERS.sums[0], Sums(8, 16, 4, products=32, saturated=True), Sums(4, saturated=True))
    )
    stages = stages_ps(deep)
    assert list(stages) == ["sram", "hidden", "saturated", "product 2", "hidden 2", "saturated 2", "ready"]
    assert list(stages.values()) == sorted(stages.values())
    assert stages["ready"] == pytest.approx(stages["saturated 2"] + 2 * 22.5 + 48 + 71)


def test_plain_data():
    cost = asdict(branch_cost(PERCEPTRON))
    assert (cost["name"], cost["clock_ps"]) == ("perceptron", 300)
    assert set(cost["wide_row"]) == set(cost["words"])
    assert "two models" in cost["notes"][0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Memory(0, 8), "rows must be 1 or more, given 0"),
        (lambda: Memory(1, 0), "bits of a row must be 1 or more, given 0"),
        (lambda: Memory(1, 1, 0), "copies must be 1 or more, given 0"),
        (lambda: Memory(1, 1, stage=-1), "stage must be 0 or more, given -1"),
        (lambda: Memory(1, 1, written=float("nan")), "rows written must be 0 or more, given nan"),
        (lambda: Sums(0), "terms must be 1 or more, given 0"),
        (lambda: Sums(2, 0), "bits of a term must be 1 or more, given 0"),
        (lambda: Sums(2, trees=0), "trees must be 1 or more, given 0"),
        (lambda: Sums(2, sum_bits=0), "bits of a sum must be 1 or more, given 0"),
        (lambda: Sums(2, products=-1), "products must be 0 or more, given -1"),
        (lambda: Datapath("x", (), (Sums(3),)), "a datapath without memories adds nothing; give 'x' at least one"),
        (lambda: replace(PERCEPTRON, updates=-0.1), "updates must be 0 or more, given -0.1"),
        (lambda: replace(PERCEPTRON, adds=-1), "words changed must be 0 or more, given -1"),
        (lambda: replace(PERCEPTRON, add_bits=0), "bits of a word must be 1 or more, given 0"),
        (lambda: branch_cost(PERCEPTRON, 0), "a clock of 0 ps is no clock; give the picoseconds of a cycle"),
        (lambda: branch_cost(PERCEPTRON, float("inf")), "a clock of inf ps is no clock"),
    ],
)  # fmt: skip
def test_what_is_no_datapath(make, message):
    with pytest.raises(UserError, match="^" + re.escape(message)):
        make()
