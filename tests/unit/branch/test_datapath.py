"""What each predictor reads, adds and writes, worked by hand; and the row of the README."""

from __future__ import annotations

import numpy as np
import pytest

from edgelearn.branch.base import Predictor
from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.datapath import Datapath, Memory, Sums
from hw_models.branch_cost import branch_cost

BUDGET = 32 << 10
NOBODY = np.empty(0, np.uint8)


def ran(name: str) -> tuple[Predictor, float, float]:
    """Return a predictor that has seen 2,000 branches, and its updates and written words a branch."""
    rng = np.random.default_rng(5)
    pc = rng.integers(0, 40, 2000).astype(np.uint32)
    predictor = make_predictor(name, BUDGET)
    predictor.run(pc, (rng.random(2000) < (pc % 5) / 4).astype(np.uint8), NOBODY)
    counts = predictor.counters
    return predictor, counts["trained"] / 2000, counts["words_written"] / 2000


# of updates and written words a branch: memories, sums, updates, adds, bits of an add
EXPECTED = {
    "bimodal:13": lambda u, _: ((Memory(8192, 2, written=1),), (), 1.0, 1, 2),
    "gshare": lambda u, _: ((Memory(131_072, 2, written=1),), (), 1.0, 1, 2),
    "tournament:15:12:13": lambda u, _: (
        (Memory(32_768, 2, 2, written=2), Memory(8192, 12, written=1), Memory(4096, 2, stage=1, written=1)),
        (), 1.0, 3, 2,
    ),
    "perceptron": lambda u, _: ((Memory(885, 8 * 37, written=1),), (Sums(37, signed=True),), u, 37, 8),
    "piecewise:100:20:3": lambda u, _: ((Memory(100, 8 * 21, written=1),), (Sums(21, signed=True),), u, 21, 8),
    "hashed": lambda u, _: ((Memory(4096, 8, 8, written=8),), (Sums(8),), u, 8, 8),
    "hashed:11:16x232": lambda u, _: ((Memory(2048, 8, 16, written=16),), (Sums(16),), u, 16, 8),
    "layered": lambda u, _: (
        (Memory(2048, 8, 15, written=15), Memory(136, 8 * 15, written=1)), (Sums(15, 16, products=15),), u, 30, 8,
    ),
    "tage": lambda u, w: ((Memory(8192, 2), Memory(2048, 3 + 2 + 11, 7, written=w)), (), 1.0, w, 3),
    "mdfa": lambda u, _: (
        (Memory(156, 8 * 209, written=1),),
        (Sums(25, trees=8, signed=True, saturated=True), Sums(8, 16, products=8)), u, 209, 8,
    ),
    "bp:20:10:4": lambda u, _: (
        (Memory(20, 8 * 49, written=1),),
        (Sums(11, trees=4, signed=True, saturated=True), Sums(4, 16, products=4)), u, 49, 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_predictor_reads_and_writes(name):
    predictor, updates, written = ran(name)
    assert updates > 0
    assert predictor.datapath == Datapath(predictor.name, *EXPECTED[name](updates, written))


@pytest.mark.parametrize(
    ("name", "main", "rows", "row_words", "length", "hidden"),
    [("perceptron+mdfa", "perceptron:664:36", 26, 305, 36, 8), ("hashed+dfa", "hashed:11:8x128", 35, 457, 36, 12)],
)
def test_side_rows_stand_beside(name, main, rows, row_words, length, hidden):
    predictor, updates, _ = ran(name)
    datapath = predictor.datapath
    alone = ran(main)[0].datapath
    assert (datapath.memories, datapath.sums, datapath.updates) == (alone.memories, alone.sums, updates)
    (side,) = datapath.beside
    assert side.memories == (Memory(rows, 8 * row_words + 18, written=1),)  # tag 10, useful 4, chooser 4
    assert side.sums == (
        Sums(length + 1, trees=hidden, signed=True, saturated=True), Sums(hidden, 16, products=hidden),
    )  # fmt: skip
    assert (side.updates, side.adds) == (predictor.counters["side_trained"] / 2000, row_words)


@pytest.mark.parametrize(
    ("name", "ps", "cycles", "pj"),
    [
        ("gshare", 270, 1, 0.785),
        ("perceptron", 509, 2, 4.05),
        ("hashed", 290, 1, 3.17),
        ("tage", 152, 1, 2.88),
        ("mdfa", 785, 3, 6.58),
        ("perceptron+mdfa", 823, 3, 10.1),
    ],
)
def test_rows_of_the_readme(name, ps, cycles, pj):
    cost = branch_cost(ran(name)[0].datapath).wide_row
    assert (round(cost.latency_ps), cost.cycles) == (ps, cycles)
    assert float(f"{cost.energy_pj:.3g}") == pj
