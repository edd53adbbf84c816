"""Counters, perceptrons and TAGE against the oracle, branch by branch; storage; published counts of mispredictions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgelearn.branch import perceptrons
from edgelearn.branch.base import BasePredictor
from edgelearn.branch.counters import Bimodal, BimodalSpec, Gshare, GshareSpec, Tournament, TournamentSpec
from edgelearn.branch.kernels import layered as layered_kernel
from edgelearn.branch.kernels import tage as tage_kernel
from edgelearn.branch.kernels.generator import drawn
from edgelearn.branch.layered import Layered, LayeredSpec
from edgelearn.branch.perceptrons import HashedPerceptron, HashedSpec, Perceptron, PerceptronSpec
from edgelearn.branch.tage import Tage, TageSpec
from edgelearn.errors import UserError
from edgelearn.fixedpoint.lanes import compiled
from tests.benchmarks import branch_twin
from tests.benchmarks.c_twin import gcc
from tests.naive import branch as naive
from tests.tools import missing, needs_compiled, packed_trace, whole_trace, without_alignment

pytestmark = pytest.mark.kernel

KB = 1024
NOBODY = np.zeros(0, np.uint8)
KINDS = ("bimodal", "gshare", "tournament", "perceptron", "piecewise", "hashed", "tage", "layered")


def program(seed, n):
    """Return branches of a made-up program: loops, copies of earlier outcomes, biased and random branches."""
    rng = np.random.default_rng(seed)
    addresses = rng.integers(0, 2**32, 24)
    if seed % 2:  # close to each other, as in code
        addresses = (addresses & 0xFFFF0000) + rng.integers(0, 64, 24)
    pcs, outcomes, counts = [], [], [0] * 24
    where = 0
    for _ in range(n):
        where = (where + 1) % 24 if rng.random() < 0.9 else int(rng.integers(24))
        counts[where] += 1
        kind = where % 4
        if kind == 0:
            outcome = int(counts[where] % (2 + where // 4) != 0)
        elif kind == 1 and len(outcomes) > where:
            outcome = outcomes[-1 - where // 2] ^ (where // 4 % 2)
        else:
            outcome = int(rng.random() < (0.95 if kind == 2 else 0.5))
        pcs.append(int(addresses[where]))
        outcomes.append(outcome)
    return pcs, outcomes


def drawn_pair(kind, seed, delay):
    """Return a predictor and an oracle with random settings."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])

    def number(low, high):
        return int(rng.integers(low, high + 1))

    if kind == "bimodal":
        b, initial = number(1, 8), number(0, 3)
        return Bimodal(BimodalSpec(b, initial, delay)), naive.Gshare(b, 0, initial)
    if kind == "gshare":
        b, initial = number(1, 10), number(0, 3)
        h = number(0, b)
        return Gshare(GshareSpec(b, h, initial, delay)), naive.Gshare(b, h, initial)
    if kind == "tournament":
        settings = number(1, 9), number(1, 9), number(0, 6), number(0, 3), number(0, 3)
        return Tournament(TournamentSpec(*settings)), naive.Tournament(*settings)
    if kind == "perceptron":
        settings = number(1, 40), number(1, 70)
        return Perceptron(PerceptronSpec(*settings, delay=delay)), naive.Perceptron(*settings)
    if kind == "piecewise":
        settings = number(1, 300), number(1, 40), number(1, 16)
        return Perceptron(PerceptronSpec(*settings, delay=delay)), naive.Perceptron(*settings)
    if kind == "hashed":
        b, lengths = number(1, 9), tuple(sorted({0, *rng.integers(1, 60, number(0, 7)).tolist()}))
        return HashedPerceptron(HashedSpec(b, lengths, delay)), naive.Hashed(b, lengths)
    if kind == "layered":
        b, rows, lengths = number(1, 9), number(1, 30), tuple(sorted({0, *rng.integers(1, 60, number(0, 7)).tolist()}))
        shift, v0, learned, s = number(0, 8), number(1, 127), seed % 4 > 0, number(0, 2**32 - 1)
        spec = LayeredSpec(b, rows, lengths, shift, v0, learned, s)
        return Layered(spec), naive.Layered(b, lengths, rows, shift, v0, learned, s)
    b, t, tag = number(1, 8), number(4, 7), number(2, 9)
    most = 7 if seed % 2 else 20  # in one vector, or in up to three
    lengths, s = tuple(sorted({*rng.integers(1, 60, number(1, most)).tolist()})), number(0, 2**32 - 1)
    return Tage(TageSpec(b, t, tag, lengths, s)), naive.Tage(b, t, tag, lengths, s)


def arrays(pcs, outcomes):
    return np.array(pcs, np.uint32), np.array(outcomes, np.uint8)


def predictions(predictor, pcs, outcomes, cuts=()):
    """Run in blocks that are cut anywhere; return the predictions."""
    pc, taken = arrays(pcs, outcomes)
    predicted = np.full(len(pc), 9, np.uint8)
    edges = [0, *cuts, len(pc)]
    misses = 0
    for start, end in pairwise(edges):
        misses += predictor.run(pc[start:end], taken[start:end], predicted[start:end])
    assert misses == (predicted != taken).sum()
    return predicted.tolist()


def assert_same(predictor, oracle, pcs, outcomes, delay=0, cuts=()):
    expected = naive.run(oracle, pcs, outcomes, delay)
    ours = predictions(predictor, pcs, outcomes, cuts)
    first = next((i for i, (a, b) in enumerate(zip(ours, expected, strict=True)) if a != b), None)
    assert first is None, f"{predictor.name} differs at branch {first}"
    counters = predictor.counters
    assert counters["branches"] == len(pcs)
    assert counters["misses"] == sum(a != b for a, b in zip(expected, outcomes, strict=True))
    assert counters["trained"] == getattr(oracle, "trained", len(pcs))
    if hasattr(oracle, "written"):
        assert counters["words_written"] == oracle.written


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_every_prediction_is_the_oracles(kind, seed):
    n = 1200
    pcs, outcomes = program(seed, n)
    cuts = sorted(np.random.default_rng(seed).integers(0, n, seed).tolist())
    assert_same(*drawn_pair(kind, seed, 0), pcs, outcomes, cuts=cuts)


@pytest.mark.parametrize("delay", [1, 2, 17, 400])
@pytest.mark.parametrize("kind", ["bimodal", "gshare", "perceptron", "piecewise", "hashed"])
def test_a_delayed_branch_is_trained_after_others(kind, delay):
    pcs, outcomes = program(delay, 1200)
    predictor, oracle = drawn_pair(kind, 100 + delay, delay)
    assert_same(predictor, oracle, pcs, outcomes, delay, cuts=[1, 2, 300, 300, 701])
    assert predictor.name.endswith(f":delay={delay}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_of_outcomes_moves(kind):
    pcs, outcomes = program(4, 4500)
    assert_same(*drawn_pair(kind, 3, 0), pcs, outcomes, cuts=[4096, 4097])


@pytest.mark.parametrize("kind", KINDS)
def test_only_coins_and_only_taken(kind):
    rng = np.random.default_rng(5)
    pcs = (64 + 16 * rng.integers(0, 9, 900)).tolist()
    assert_same(*drawn_pair(kind, 11, 0), pcs, rng.integers(0, 2, 900).tolist())
    predictor, oracle = drawn_pair(kind, 12, 0)
    assert_same(predictor, oracle, pcs, [1] * 900)
    assert predictor.counters["misses"] < 100


@pytest.mark.parametrize("kind", KINDS)
def test_no_predictions_are_written_where_nobody_looks(kind):
    pc, taken = arrays(*program(1, 500))
    one, other = drawn_pair(kind, 1, 0)[0], drawn_pair(kind, 1, 0)[0]
    assert one.run(pc, taken, NOBODY) == other.run(pc, taken, np.zeros(500, np.uint8))
    assert one.counters == other.counters
    assert one.run(pc[:0], taken[:0], NOBODY) == 0


def test_words_of_8_bits_saturate():
    predictor, oracle = Perceptron(PerceptronSpec(1, 120)), naive.Perceptron(1, 120)
    rng = np.random.default_rng(0)  # long stretches of one outcome, so that sums turn over again and again
    outcomes = np.repeat(rng.integers(0, 2, 60), rng.integers(1, 150, 60)).tolist()
    assert_same(predictor, oracle, [7] * len(outcomes), outcomes)
    hashed, oracle = HashedPerceptron(HashedSpec(1, (0,))), naive.Hashed(1, (0,))
    hashed._registers[perceptrons.THETA] = oracle.theta = 200
    assert_same(hashed, oracle, [0] * 700, [1] * 300 + [0] * 400)


def test_the_threshold_adapts_both_ways():
    """Down where new branches are all taken, up where nothing can be known."""
    rng = np.random.default_rng(3)
    pcs, outcomes = [*range(1000), *rng.integers(0, 40, 1500).tolist()], [1] * 1000 + rng.integers(0, 2, 1500).tolist()
    predictor, oracle = HashedPerceptron(HashedSpec(6)), naive.Hashed(6, perceptrons.LENGTHS["8x128"])
    seen = set()
    for start in range(0, 2500, 50):
        part = slice(start, start + 50)
        assert predictions(predictor, pcs[part], outcomes[part]) == naive.run(oracle, pcs[part], outcomes[part])
        assert predictor.theta == oracle.theta
        seen.add(oracle.theta)
    assert min(seen) < 10 < max(seen)


@pytest.mark.parametrize("kind", ["hashed", "layered"])
def test_the_threshold_ends_where_its_bits_do(kind):
    """Every branch is mispredicted."""
    if kind == "hashed":
        predictor, oracle = HashedPerceptron(HashedSpec(1, (0,))), naive.Hashed(1, (0,))
        register, most, first = perceptrons.THETA, 255, 1
    else:
        predictor, oracle = Layered(LayeredSpec(1, 1, (0,))), naive.Layered(1, (0,), 1, 3, 32, True, 7)
        register, most, first = layered_kernel.THETA, 63, 0
    assert (1 << predictor.spec.theta_bits) - 1 == most
    predictor._registers[register] = oracle.theta = most - 1
    pcs, outcomes, seen = [0] * 600, [(k + first) % 2 for k in range(600)], []
    for start in range(0, 600, 20):
        part = slice(start, start + 20)
        assert predictions(predictor, pcs[part], outcomes[part]) == naive.run(oracle, pcs[part], outcomes[part])
        assert predictor.theta == oracle.theta
        seen.append(oracle.theta)
    assert max(seen) == most
    assert seen.count(most) > 5


def test_useful_counters_are_halved_after_1024_failures():
    pcs, outcomes = program(6, 1500)
    settings = 4, 4, 8, (2, 5, 11)
    predictor, oracle = Tage(TageSpec(*settings)), naive.Tage(*settings)
    predictor._registers[tage_kernel.TICK] = oracle.tick = 1023
    for table in oracle.tables:
        for entry in table:
            entry.u = 3
    predictor._useful[:] = 3
    assert_same(predictor, oracle, pcs, outcomes)
    assert oracle.written > 1500 + 3 * 16


def test_xorshift32_is_the_published_sequence():
    @compiled
    def three(r):
        a = drawn(r)
        b = drawn(a)
        return a, b, drawn(b)

    assert tuple(three(7)) == (1892583, 470389255, 3882205507)
    r, oracle = 0x9E3779B1, 0x9E3779B1
    for _ in range(500):
        r, oracle = three(r)[0], naive.xorshift32(oracle)
        assert r == oracle


@pytest.mark.parametrize(
    ("spec", "name", "tables", "registers"),
    [
        (BimodalSpec.for_budget(32 * KB), "bimodal:17", 2 * 2**17, 0),
        (GshareSpec.for_budget(8 * KB), "gshare:15", 2 * 2**15, 15),
        (GshareSpec.for_budget(32 * KB), "gshare:17", 2 * 2**17, 17),
        (GshareSpec.for_budget(64 * KB), "gshare:18", 2 * 2**18, 18),
        (GshareSpec(12, 5, delay=3), "gshare:12:5:delay=3", 2 * 2**12, 5),
        (TournamentSpec.for_budget(8 * KB), "tournament:13:11:11", int(7.25 * 8 * KB), 13),
        (TournamentSpec.for_budget(32 * KB), "tournament:15:12:13", 29 * 8 * KB, 15),
        (TournamentSpec.for_budget(64 * KB), "tournament:16:13:14", 60 * 8 * KB, 16),
        (PerceptronSpec.for_budget(32 * KB), "perceptron:885:36", 8 * 885 * 37, 36),
        (PerceptronSpec.for_budget(32 * KB, 62), "perceptron:520:62", 8 * 520 * 63, 62),
        (PerceptronSpec.for_budget(32 * KB, 36, 6), "piecewise:885:36:6", 8 * 885 * 37, 36),
        (PerceptronSpec(100, 4, 9), "piecewise:100:4:9", 8 * 100 * 5, 9),
        (HashedSpec.for_budget(8 * KB), "hashed:10:8x128", 8 * 8 * KB, 128 + 11 + 6),
        (HashedSpec.for_budget(32 * KB), "hashed:12:8x128", 32 * 8 * KB, 128 + 11 + 6),
        (HashedSpec.for_budget(64 * KB, perceptrons.find_lengths("16x232"), 2), "hashed:12:16x232:delay=2", 64 * 8 * KB, 232 + 12 + 6),
        (HashedSpec(3, (0, 5)), "hashed:3:0/5", 8 * 2 * 8, 5 + 9 + 6),
        (TageSpec.for_budget(8 * KB), "tage:12:9:10:130", 2 * 2**12 + 7 * 2**9 * 15, 130 + 46),
        (TageSpec.for_budget(32 * KB), "tage:13:11:11:300", 30 * 8 * KB, 300 + 46),
        (TageSpec.for_budget(64 * KB), "tage:14:12:12:300", int(63.5 * 8 * KB), 300 + 46),
        (LayeredSpec.for_budget(8 * KB), "layered:9:34", 8 * 15 * (2**9 + 34), 232 + 10 + 6 + 32),
        (LayeredSpec.for_budget(32 * KB), "layered:11:136", 8 * 15 * (2**11 + 136), 232 + 10 + 6 + 32),
        (LayeredSpec(3, 5, (0, 4), learned=False), "layered-fixed:3:5:0/4", 8 * 2 * (2**3 + 5), 4 + 7 + 6 + 32),
        (TageSpec(3, 4, 5, (1, 2)), "tage:3:4:5:1/2", 2 * 2**3 + 2 * 2**4 * 10, 2 + 46),
    ],
    ids=lambda value: getattr(value, "name", None) or "",
)  # fmt: skip
def test_storage_follows_from_the_settings(spec, name, tables, registers):
    assert spec.name == name
    assert spec.table_bits == tables
    assert spec.storage_bits == tables + registers
    made = {
        BimodalSpec: Bimodal, GshareSpec: Gshare, TournamentSpec: Tournament, PerceptronSpec: Perceptron,
        HashedSpec: HashedPerceptron, TageSpec: Tage, LayeredSpec: Layered,
    }[type(spec)](spec)  # fmt: skip
    assert (made.name, made.storage_bits) == (spec.name, spec.storage_bits)


@pytest.mark.parametrize(
    "spec", [BimodalSpec, GshareSpec, TournamentSpec, PerceptronSpec, HashedSpec, TageSpec, LayeredSpec]
)
def test_a_budget_is_never_exceeded_and_more_bytes_never_hold_less(spec):
    before = 0
    for n_bytes in range(2000, 70_000, 977):
        bits = spec.for_budget(n_bytes).table_bits
        assert before <= bits <= 8 * n_bytes
        before = bits


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GshareSpec.for_budget(0), "budget 0 bytes is too small for gshare; give at least 1 bytes"),
        (lambda: BimodalSpec.for_budget(0), "budget 0 bytes is too small for bimodal; give at least 1 bytes"),
        (lambda: TournamentSpec.for_budget(9), "budget 9 bytes is too small for tournament; give at least 10 bytes"),
        (lambda: PerceptronSpec.for_budget(36), "budget 36 bytes is too small for a perceptron of 36 outcomes; give at least 37 bytes"),
        (lambda: HashedSpec.for_budget(15), "budget 15 bytes is too small for 8 hashed tables; give at least 16 bytes"),
        (lambda: TageSpec.for_budget(171), "budget 171 bytes is too small for tage; give at least 172 bytes"),
        (lambda: GshareSpec(29, 3), "index bits 29 is not possible; give a whole number from 1 to 28"),
        (lambda: GshareSpec(5, 6), "history bits 6 is not possible; give a whole number from 0 to 5"),
        (lambda: GshareSpec(5, 5, 4), "initial counter 4 is not possible"),
        (lambda: GshareSpec(5, 5, delay=-1), "delay -1 is not possible"),
        (lambda: BimodalSpec(True), "index bits True is not possible"),
        (lambda: TournamentSpec(4, 4, 4, chooser=5), "initial chooser 5 is not possible"),
        (lambda: PerceptronSpec(0, 5), "rows 0 is not possible"),
        (lambda: PerceptronSpec(5, 5, 17), "path bits 17 is not possible"),
        (lambda: HashedSpec(5, (0, 5, 5)), "history lengths (0, 5, 5) do not rise; give 1 to 64 lengths"),
        (lambda: HashedSpec(5, ()), "history lengths () do not rise"),
        (lambda: TageSpec(5, 5, 5, (0, 3)), "history length 0 is not possible"),
        (lambda: TageSpec(5, 3, 5), "index bits 3 is not possible"),
        (lambda: TageSpec(5, 5, 5, seed=-1), "seed -1 is not possible"),
        (lambda: perceptrons.find_lengths("9x9"), "history lengths '9x9' are not known; known: 8x128, 8x64"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(UserError) as error:
        make()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_the_smallest_budgets_named_in_errors_are_enough():
    for make, n_bytes in [(GshareSpec.for_budget, 1), (TournamentSpec.for_budget, 10), (TageSpec.for_budget, 172)]:
        assert make(n_bytes).table_bits <= 8 * n_bytes


@pytest.mark.parametrize(
    ("pc", "taken", "predicted"),
    [
        (np.zeros(3, np.int64), np.zeros(3, np.uint8), NOBODY),
        (np.zeros(3, np.uint32), np.zeros(2, np.uint8), NOBODY),
        (np.zeros(3, np.uint32), np.zeros(3, bool), NOBODY),
        (np.zeros(3, np.uint32), np.zeros(3, np.uint8), np.zeros(2, np.uint8)),
        (np.zeros(3, np.uint32), np.full(3, 2, np.uint8), NOBODY),
    ],
)
def test_blocks_of_the_wrong_shape_are_refused(pc, taken, predicted):
    with pytest.raises(UserError, match="a block of branches"):
        Gshare(GshareSpec(4, 4)).run(pc, taken, predicted)


def test_the_shared_part_is_no_predictor():
    with pytest.raises(NotImplementedError):
        BasePredictor(GshareSpec(4, 4)).run(np.zeros(1, np.uint32), np.zeros(1, np.uint8), NOBODY)


# ---- traces


@needs_compiled
@pytest.mark.parametrize(
    ("make", "first", "misses"),
    [
        (lambda: Gshare(GshareSpec(13, 13, initial=1)), None, 521_958),
        (lambda: Tournament(TournamentSpec(9, 10, 10)), None, 476_073),
        (lambda: Tournament(TournamentSpec(9, 10, 10, chooser=0)), None, 476_066),
        (lambda: Tournament(TournamentSpec(9, 10, 10, chooser=1)), None, 476_005),
        (lambda: Tournament(TournamentSpec(9, 10, 10, chooser=3)), None, 476_168),
        (lambda: Gshare(GshareSpec.for_budget(32 * KB)), 2_000_000, 187_911),
        (lambda: Gshare(GshareSpec.for_budget(32 * KB)), 100_000, 13_444),
        (lambda: Perceptron(PerceptronSpec.for_budget(32 * KB)), 2_000_000, 135_779),
    ],
)
def test_published_counts_of_int_1(make, first, misses):
    pc, taken = whole_trace("int_1")
    assert make().run(pc[:first], taken[:first], NOBODY) == misses


TRACES = (
    "DIST-FP-1", "DIST-FP-2", "DIST-INT-1", "DIST-INT-2", "DIST-MM-1", "DIST-MM-2", "DIST-SERV-1", "DIST-SERV-2",
    "SM1", "SM2", "SM3", "SM4", "C25int", "C25fp",
)  # fmt: skip
MADE = {
    "bimodal": lambda: Bimodal(BimodalSpec.for_budget(32 * KB)),
    "gshare": lambda: Gshare(GshareSpec.for_budget(32 * KB)),
    "gshare, whole address": lambda: Gshare(GshareSpec.for_budget(32 * KB)),
    "tournament": lambda: Tournament(TournamentSpec.for_budget(32 * KB)),
    "perceptron h36": lambda: Perceptron(PerceptronSpec.for_budget(32 * KB)),
    "perceptron h62": lambda: Perceptron(PerceptronSpec.for_budget(32 * KB, 62)),
    "hashed": lambda: HashedPerceptron(HashedSpec.for_budget(32 * KB)),
    "tage": lambda: Tage(TageSpec.for_budget(32 * KB)),
}
COUNTS = {
    "bimodal": (14480, 197956, 154430, 7186, 100153, 90882, 71039, 55006, 35326, 221705, 31848, 66351, 1786, 2565),
    "gshare": (8772, 9580, 97695, 3563, 41835, 71533, 54406, 46364, 38592, 81124, 27210, 63100, 419, 2222),
    "gshare, whole address": (8772, 9580, 97695, 3563, 41835, 71533, 54406, 46364, 38910, 77352, 26019, 60613, 415, 2221),
    "tournament": (10145, 4179, 89988, 2991, 7906, 63177, 47136, 42366, 12555, 56505, 26094, 61385, 487, 1869),
    "perceptron h36": (8486, 9691, 69607, 3196, 17059, 59616, 44721, 28867, 18801, 144232, 24381, 55398, 335, 1733),
    "perceptron h62": (8574, 2357, 67644, 3306, 10840, 66233, 46175, 32539, 16307, 141393, 23150, 55944, 330, 1674),
    "hashed": (7504, 2244, 69265, 2635, 1265, 52686, 31826, 20480, 12298, 35738, 15868, 54067, 282, 1414),
    "tage": (779, 347, 65814, 2525, 1256, 46167, 27916, 16182, 11460, 22694, 9342, 55516, 240, 1311),
}  # fmt: skip


@needs_compiled
@pytest.mark.parametrize("name", TRACES)
def test_counts_of_32_kb_on_a_trace(name):
    pc, taken = packed_trace(name)
    counts = {}
    for kind, make in MADE.items():
        addresses = pc if kind == "gshare, whole address" else without_alignment(name, pc)
        counts[kind] = make().run(addresses, taken, NOBODY)
    assert counts == {kind: row[TRACES.index(name)] for kind, row in COUNTS.items()}


@needs_compiled
@pytest.mark.parametrize(("name", "misses"), [("C25int", 326), ("C25fp", 1671)])
def test_counts_of_piecewise(name, misses):
    pc, taken = packed_trace(name)
    piecewise = Perceptron(PerceptronSpec.for_budget(32 * KB, path_bits=6))
    assert piecewise.run(without_alignment(name, pc), taken, NOBODY) == misses


@needs_compiled
@pytest.mark.parametrize(("name", "percent"), [("DIST-INT-1", (7.37, 7.42, 7.47)), ("DIST-MM-2", (6.60, 6.92, 7.61))])
def test_a_late_update_costs_little(name, percent):
    pc, taken = (array[:400_000] for array in packed_trace(name))
    for delay, rate in zip((0, 16, 64), percent, strict=True):
        misses = Perceptron(PerceptronSpec.for_budget(32 * KB, delay=delay)).run(pc, taken, NOBODY)
        assert round(100 * misses / len(pc), 2) == rate


@pytest.mark.no_cover
@pytest.mark.parametrize("options", [(), ("-O1",)], ids=["native", "plain"])
@pytest.mark.parametrize("seed", [1, 2])
def test_c_counts_the_same(seed, options):
    if gcc() is None:
        missing("gcc not found: install gcc")
    pc, taken = arrays(*program(seed, 6000))
    for spec in (GshareSpec(9, 9), GshareSpec(4, 4, initial=1)):
        assert Gshare(spec).run(pc, taken, NOBODY) == branch_twin.gshare(spec, pc, taken, *options)
    for spec in (PerceptronSpec(20, 36), PerceptronSpec(3, 62), PerceptronSpec(7, 1)):
        assert Perceptron(spec).run(pc, taken, NOBODY) == branch_twin.perceptron(spec, pc, taken, *options)
    for tage in (Tage(TageSpec(5, 4, 5, (2, 5, 9))), Tage(TageSpec(3, 5, 12, tuple(range(3, 43, 5)), seed))):
        misses, tables = branch_twin.tage(tage.spec, pc, taken, *options)
        assert tage.run(pc, taken, NOBODY) == misses
        for name, table in tables.items():
            np.testing.assert_array_equal(tage.state()[f"_{name}"], table, name)
