"""edgelearn/docs/branch_predictors.md: predictors built from it predict as the product's, and each of its numbers counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edgelearn.branch import catalog
from edgelearn.branch.base import DoesNotFit
from edgelearn.branch.catalog import make_predictor
from edgelearn.branch.counters import Bimodal, BimodalSpec, Gshare, GshareSpec, Tournament, TournamentSpec
from edgelearn.branch.hybrid import Hybrid
from edgelearn.branch.kernels import tage as tage_kernel
from edgelearn.branch.layered import Layered, LayeredSpec
from edgelearn.branch.perceptrons import LENGTHS, HashedPerceptron, HashedSpec, Perceptron, PerceptronSpec
from edgelearn.branch.synthetic import synthetic_stream
from edgelearn.branch.tage import LENGTHS as TAGE_LENGTHS
from edgelearn.branch.tage import Tage, TageSpec
from edgelearn.branch.tage_side_table import SideTable
from edgelearn.branch.two_layer import RULES, TwoLayer, TwoLayerSpec
from edgelearn.config import BranchSettings
from tests.naive import branch as naive
from tests.naive import branch_nets, branch_page
from tests.naive.branch_page import Page, numbers, sized, sized_main, sized_perceptron, sized_rows
from tests.tools import needs_compiled, packed_trace, without_alignment
from tests.unit.branch.test_counter_tables import arrays, program
from tests.unit.branch.test_nets import branches

pytestmark = pytest.mark.kernel

TEXT = branch_page.PATH.read_text()
KB = 1024
TABLES = {"bimodal": BimodalSpec, "gshare": GshareSpec, "tournament": TournamentSpec, "hashed": HashedSpec,
          "layered": LayeredSpec, "tage": TageSpec}  # fmt: skip
BUDGETS = (1, 9, 10, 15, 16, 100, 171, 172, 269, 270, 500, 2 * KB, 5000, 8 * KB, 16 * KB - 1, 16 * KB, 32 * KB, 48 * KB - 1, 48 * KB,
           64 * KB, 128 * KB, 200_000, 1 << 30)  # fmt: skip


def from_page(name: str, budget: int) -> Any:
    """Return an oracle with `step` for a name without parameters, built and sized by the page alone."""
    page = branch_page.page
    main, _, rule = name.partition("+")
    if rule:
        known = sized_rows(page, f"{main}+mdfa", budget)
        first = oracle_of(main, sized_main(page, f"{main}+mdfa", budget))
        kind = branch_nets.NaiveInformed if main == "tage" else branch_nets.NaiveHybrid
        return kind(first, **row_settings(rule, known))
    if name in RULES:
        return branch_nets.NaiveTwoLayer(0, **row_settings(name, sized_rows(page, "mdfa", budget)))
    known = sized_perceptron(page, name, budget) if name in ("perceptron", "piecewise") else sized(page, name, budget)
    return oracle_of(name, known)


def row_settings(rule: str, known: dict[str, int]) -> dict[str, Any]:
    return {
        "rule": rule, "length": known["h"], "hidden": known["U"], "rows": known["N"], "theta": known["theta"],
        "spread": known["spread"], "v_shift": branch_page.page.constants(9)["v_shift"], "leak": 0, "v0": known["v_0"],
        "seed": None,
    }  # fmt: skip


def oracle_of(name: str, of: dict[str, Any]) -> branch_nets.Stepped:
    make: dict[str, Callable[[], Any]] = {
        "bimodal": lambda: naive.Gshare(of["b"], 0),
        "gshare": lambda: naive.Gshare(of["b"], of["h"]),
        "tournament": lambda: naive.Tournament(of["g"], of["l"], of["q"]),
        "perceptron": lambda: naive.Perceptron(of["N"], of["h"]),
        "piecewise": lambda: naive.Perceptron(of["N"], of["h"], of["g"]),
        "hashed": lambda: naive.Hashed(of["b"], of["lengths"]),
        "layered": lambda: naive.Layered(of["b"], of["lengths"], of["N"]),
        "tage": lambda: naive.Tage(of["b"], of["t"], of["a"], of["lengths"]),
    }
    return branch_nets.Stepped(make[name]())


def stepped(oracle: Any, pcs: Any, outcomes: Any) -> list[int]:
    return [int(oracle.step(int(p), int(o))) for p, o in zip(pcs, outcomes, strict=True)]


def ours(predictor: Any, pc: np.ndarray, taken: np.ndarray) -> list[int]:
    predicted = np.full(len(pc), 9, np.uint8)
    predictor.run(pc, taken, predicted)
    return predicted.tolist()


ALL = ("bimodal", "gshare", "tournament", "perceptron", "piecewise", "hashed", "layered", "tage", *RULES,
       "perceptron+mdfa", "hashed+drtp", "tage+bp", "tage+mdfa")  # fmt: skip


@pytest.mark.parametrize("budget", [2 * KB, pytest.param(32 * KB, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ALL)
def test_a_predictor_of_the_page_predicts_the_built_in_stream(name, budget):
    stream = synthetic_stream("xor", 4, 100, 3)
    oracle = from_page(name, budget)
    assert ours(make_predictor(name, budget), stream.pc, stream.taken) == stepped(oracle, stream.pc, stream.taken)


@pytest.mark.parametrize("budget", [KB, 8 * KB, 32 * KB, 64 * KB])
@pytest.mark.parametrize("name", ["tage", "hashed"])
def test_tage_and_hashed_at_every_size(name, budget):
    """Prediction by prediction, on a stream whose answers the tables learn and on a made-up program."""
    stream = synthetic_stream("xor", 2, 150, 5)
    pc, taken = (
        np.concatenate(pair) for pair in zip((stream.pc, stream.taken), arrays(*program(7, 1500)), strict=True)
    )
    assert ours(make_predictor(name, budget), pc, taken) == stepped(from_page(name, budget), pc, taken)


@needs_compiled
@pytest.mark.parametrize("trace", ["C25int", "DIST-SERV-1", pytest.param("SM1", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["tage", "hashed"])
def test_tage_and_hashed_on_the_first_branches_of_a_trace(name, trace):
    pc, taken = packed_trace(trace)
    pc, taken = without_alignment(trace, pc)[:6000], taken[:6000]
    assert ours(make_predictor(name, 32 * KB), pc, taken) == stepped(from_page(name, 32 * KB), pc, taken)


@needs_compiled
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "trace", "first"),
    [
        *((name, trace, None) for name in ("tage", "hashed") for trace in ("C25int", "C25fp")),
        *((name, "SM1", 20_000) for name in ("layered", "tournament", "piecewise", "mdfa", "drtp", "tage+mdfa")),
    ],
)
def test_whole_traces(name, trace, first):
    pc, taken = packed_trace(trace)
    pc, taken = without_alignment(trace, pc)[:first], taken[:first]
    assert ours(make_predictor(name, 32 * KB), pc, taken) == stepped(from_page(name, 32 * KB), pc, taken)


# ---- every number of the page


def cells() -> Iterator[tuple[int, int, int, str]]:
    """Yield section, start and end in the text, and the text of each number in a table beside names and meanings."""
    section, title, at = 0, "", 0
    for line in TEXT.splitlines(keepends=True):
        if heading := re.match(r"## (\d+)\. ", line):
            section = int(heading[1])
        if line.startswith("|"):
            edges = [k for k, letter in enumerate(line) if letter == "|"]
            columns = list(pairwise(edges))
            first = line[columns[0][0] + 1 : columns[0][1]].strip()
            if not title:
                title = first
            last = 1 if title == "constant" else len(columns)
            for start, end in columns[1 : last + 1]:
                for number in re.finditer(r"(?<![\w.])(?<!8x)(?:0x[0-9A-F]+|s?\d+)(?!x)", line[start:end]):
                    if not line[start:end].strip("| ").startswith("lengths") or number.start() > 15:
                        yield section, at + start + number.start(), at + start + number.end(), number[0]
        else:
            title = ""
        at += len(line)


def altered(start: int, end: int, number: str) -> Page:
    """Return the page with one number raised by one."""
    sign = "s" if number.startswith("s") else ""
    return Page(f"{TEXT[:start]}{sign}{int(number.removeprefix('s'), 0) + 1}{TEXT[end:]}")


def agrees(section: int) -> bool:
    """Return whether all that is built from a section of the page as it is now is the product's."""
    try:
        return all(check() for check in CHECKS[section])
    except (KeyError, IndexError, AssertionError, pytest.fail.Exception):
        return False


@pytest.mark.parametrize("section", range(1, 14))
def test_every_number_is_read(section, monkeypatch):
    """One more at any place of a table, and something differs."""
    assert agrees(section) if section != 2 else not [cell for cell in cells() if cell[0] == 2]
    unread = []
    for of, start, end, number in cells():
        if of == section:
            monkeypatch.setattr(branch_page, "page", altered(start, end, number))
            if agrees(section):
                unread.append(TEXT[TEXT.rfind("\n", 0, start) + 1 : end])
    assert unread == []


def test_formulas_have_no_numbers_of_their_own():
    """But 0, 1 and 2, and the 32 bits of an address; all others are constants of a table."""
    formulas = [line for line in TEXT.splitlines() if line.startswith("    ")]
    found = {number for line in formulas for number in re.findall(r"(?<![\w.])\d+(?![\w.])", line)}
    steps = {number for line in formulas for number in re.findall(r"^ +(\d)\. ", line)}
    sections = {"5", "6", "9"}
    assert found - steps - sections <= {"0", "1", "2", "32"}


def test_the_page_has_all_predictors():
    named = " ".join(line for line in TEXT.splitlines() if line.startswith("## "))
    assert [name for name in catalog.KINDS if name not in named and name not in RULES] == []
    assert [name for name in catalog.SIDES if f"{name}+RULE" not in named] == []
    columns = {name: line for name, *line in branch_page.page.table(9, "rule")}
    lacking = sorted(RULES.keys() - columns)
    assert lacking == [], f"add {', '.join(lacking)} to the table of rules in section 9 of {branch_page.PATH.name}"
    assert columns == {name: branch_nets.line_of(branch_nets.RULES[name]) for name in RULES}


GUIDE = (branch_page.PATH.parent / "branch.md").read_text()
TYPED_SPECS = {  # a name of the guide's table with numbers for its letters
    "`bimodal:b`": ("bimodal:7", {"b": 7}),
    "`gshare:b:h`": ("gshare:7:3", {"b": 7}),
    "`tournament:g:l:p`": ("tournament:7:5:4", {"g": 7, "l": 5, "p": 4}),
    "`perceptron:N:h`": ("perceptron:7:5", {"N": 7, "h": 5}),
    "`piecewise:N:h:g`": ("piecewise:7:5:3", {"N": 7, "h": 5}),
    "`hashed:b:lengths`": ("hashed:7:8x64", {"b": 7}),
    "`layered:b:N`": ("layered:7:5", {"b": 7, "N": 5}),
    "`tage:b:t:a`": ("tage:7:6:5:130", {"b": 7, "t": 6, "a": 5}),
    "`mdfa:N:h:H` and other rules": ("mdfa:7:5:3", {"N": 7, "h": 5, "H": 3}),
}


def test_the_guide_has_the_table_bits():
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in GUIDE.splitlines() if line.count("|") == 5
    ]
    formulas = {row[0]: row[3] for row in cells}
    for name, (text, letters) in TYPED_SPECS.items():
        spec = make_predictor(text, 32 * KB).spec  # type: ignore[attr-defined]
        assert branch_page.value_of(formulas[name].replace(" x ", " * "), **letters) == spec.table_bits, name


def test_the_guide_has_the_sizes_of_tage_and_side_rows():
    text = " ".join(GUIDE.split())
    of = branch_page.page.constants(9) | branch_page.page.constants(10) | branch_page.page.constants(11)
    small, medium, large = (TageSpec.for_budget(n * KB).table_bits / 8192 for n in (32, 64, 128))
    both, beside = SideTable.for_budget(128 * KB), SideTable.for_budget(32 * KB)
    filled = 100 * (both.main.spec.table_bits + both.side_bits) / (8192 * 128)  # type: ignore[attr-defined]
    tage = TageSpec.for_budget(32 * KB)
    entries = len(tage.lengths) << tage.index_bits
    rail, local = of["rail"], of["l"]
    for told in (
        f"TAGE holds {small:.1f} KiB of 32, {medium:.1f} of 64 and still {large:.1f} of 128 ({100 * large / 128:.1f} %), "
        f"while `tage+mdfa` fills the rest with rows ({filled:.1f} %)",
        f"{entries / 8192:.2f} KiB or {100 * entries / tage.table_bits:.1f} % more for the {entries:,} entries of TAGE",
        f"a_k = clip(z_k, -{rail}, {rail}) y = bias + ((v . a) >> {of['scale']})",
        f"t v_k / {2 ** of['bp_scale']}, stochastic rounding",
        f"{of['tag_bits'] + 4 + 4} bits per tagged row",
        f"{local << of['e']} bits of local histories",
        f"has {beside.side.hidden} units and {beside.side.length} inputs: the {beside.side.length - local - 1} newest "
        f"outcomes of all branches, the {local} newest of branches with the same last {of['e']} address bits",
        f"shorter than alone ({tage.tag_bits - 1} at 32 KB); the rest of the budget is rows, {beside.side.rows} at 32 KB",
    ):
        assert told in text
    assert of["chance"] / 2 ** of["chance_bits"] == 1 / 8  # "One in eight mispredictions"


def storage(section: int, spec: Any, **parameters: int) -> bool:
    return branch_page.page.storage(section, **parameters) == (spec.table_bits, spec.storage_bits)


@cache
def learned(key: str) -> tuple[list[int], dict[str, Any]]:
    """Return the predictions of a predictor of `PREDICTORS` on its branches, and its state."""
    make, _, data, prepare = CASES[key]
    predictor = make()
    prepare(predictor)
    predictions = ours(predictor, *arrays(*data()))
    return predictions, facts(predictor)


def same(key: str) -> Callable[[], bool]:
    """Return the check of a case: predictions, and state where it is compared."""

    def check() -> bool:
        _, make, data, prepare = CASES[key]
        oracle = make()
        prepare(oracle)
        expected, state = learned(key)
        step = oracle if hasattr(oracle, "step") else branch_nets.Stepped(oracle)
        return stepped(step, *data()) == expected and facts(oracle) == state

    return check


def facts(predictor: Any) -> dict[str, Any]:
    """Return what product and oracle have alike."""
    if isinstance(predictor, HashedPerceptron | naive.Hashed):
        return {"theta": predictor.theta}
    if isinstance(predictor, Layered):
        return {"theta": predictor.theta, "r": predictor.generator, "v": predictor.outputs.tolist()}
    if isinstance(predictor, naive.Layered):
        return {"theta": predictor.theta, "r": predictor.r, "v": predictor.v}
    if isinstance(predictor, Tage):
        registers = predictor._registers[[tage_kernel.USE_ALTERNATE, tage_kernel.TICK, tage_kernel.RANDOM]]
        arrays_of = (predictor._counter, predictor._useful, predictor._tag, predictor._bimodal, registers)
        return {str(k): array.tolist() for k, array in enumerate(arrays_of)}
    if isinstance(predictor, naive.Tage):
        entries = [entry for table in predictor.tables for entry in table]
        lists = (
            [entry.ctr for entry in entries],
            [entry.u for entry in entries],
            [-1 if entry.tag is None else entry.tag for entry in entries],
            predictor.base,
            [predictor.use_alt, predictor.tick, predictor.r],
        )
        return {str(k): values for k, values in enumerate(lists)}
    if isinstance(predictor, TwoLayer):
        return {"words": predictor.words.tolist(), "r": predictor.generator}
    if isinstance(predictor, Hybrid):
        counters = {name: getattr(predictor, name).tolist() for name in ("tag", "useful", "chooser")}
        return {"words": predictor.words.tolist(), "r": predictor.generator} | counters
    if isinstance(predictor, branch_nets.Rows):
        counters = {name: getattr(predictor, name) for name in ("tag", "useful", "chooser") if hasattr(predictor, name)}
        return {"words": [row.words() for row in predictor.table], "r": predictor.r} | counters
    return {}


def nothing(predictor: Any) -> None:
    """Leave it as it starts."""


def nearly_halved(tage: Any) -> None:
    """All entries in use, one failed allocation before the last one that counts."""
    if isinstance(tage, Tage):
        tage._useful[:] = 3
        tage._registers[tage_kernel.TICK] = 1022
    else:
        tage.tick = 1022
        for table in tage.tables:
            for entry in table:
                entry.u = 3


def found_at_once(side: Any) -> None:
    side.tag[0] = 0


def new_addresses() -> tuple[list[int], list[int]]:
    return list(range(600)), [1] * 600


def wide() -> tuple[list[int], list[int]]:
    """Branches with all address bits, mispredicted often and found again."""
    rng = np.random.default_rng(8)
    pcs = (rng.integers(0, 12, 2500) * 0x10A3_4567 + 5) % 2**32
    return pcs.tolist(), rng.integers(0, 2, 2500).tolist()


def followed() -> tuple[list[int], list[int]]:
    pc, taken = branches(300, 2)
    return pc.tolist(), taken.tolist()


def never() -> tuple[list[int], list[int]]:
    return [0] * 300, [0] * 300


def one_taken() -> tuple[list[int], list[int]]:
    return [0], [1]


def made(seed: int, n: int) -> Callable[[], tuple[list[int], list[int]]]:
    return lambda: program(seed, n)


def rows_of(rule: str, v0: int, **more: Any) -> dict[str, Any]:
    of = {"rule": rule, "length": 9, "hidden": 4, "rows": 3, "theta": 40, "spread": 40, "v0": v0}
    return of | more


def oracle_rows(kind: Any, *first: Any, **of: Any) -> Any:
    return kind(*first, **of, leak=0, seed=None, v_shift=branch_page.page.constants(9)["v_shift"])


SHORT, FIVE = (0, 3, 7), (2, 4, 7, 11, 16)
BESIDE = rows_of("mdfa", 32, length=15, rows=2)
CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any], Callable[[Any], None]]] = {
    "bimodal": (lambda: Bimodal(BimodalSpec(4)), lambda: naive.Gshare(4, 0), made(1, 500), nothing),
    "gshare": (lambda: Gshare(GshareSpec(7, 5)), lambda: naive.Gshare(7, 5), made(1, 500), nothing),
    "tournament": (lambda: Tournament(TournamentSpec(6, 4, 3)), lambda: naive.Tournament(6, 4, 3), made(2, 900), nothing),
    "perceptron": (lambda: Perceptron(PerceptronSpec(20, 43)), lambda: naive.Perceptron(20, 43), made(2, 300), nothing),
    "piecewise": (lambda: Perceptron(PerceptronSpec(99, 9, 5)), lambda: naive.Perceptron(99, 9, 5), made(4, 300), nothing),
    "hashed": (lambda: HashedPerceptron(HashedSpec(5, SHORT)), lambda: naive.Hashed(5, SHORT), made(2, 800), nothing),
    "layered": (lambda: Layered(LayeredSpec(4, 3, SHORT)), lambda: naive.Layered(4, SHORT, 3), made(3, 600), nothing),
    "layered at its lowest": (
        lambda: Layered(LayeredSpec(10, 1, (0,), v0=1)), lambda: naive.Layered(10, (0,), 1, v0=1), new_addresses, nothing,
    ),
    "layered at the top": (
        lambda: Layered(LayeredSpec(1, 9, SHORT, v0=127)), lambda: naive.Layered(1, SHORT, 9, v0=127), made(5, 900), nothing,
    ),
    "layered from below": (
        lambda: Layered(LayeredSpec(1, 9, SHORT, v0=1)), lambda: naive.Layered(1, SHORT, 9, v0=1), made(5, 900), nothing,
    ),
    "tage": (lambda: Tage(TageSpec(3, 4, 5, FIVE)), lambda: naive.Tage(3, 4, 5, FIVE), made(6, 900), nothing),
    "tage at first": (lambda: Tage(TageSpec(3, 4, 5, FIVE)), lambda: naive.Tage(3, 4, 5, FIVE), one_taken, nothing),
    "tage in use": (
        lambda: Tage(TageSpec(3, 4, 5, FIVE)), lambda: naive.Tage(3, 4, 5, FIVE), made(6, 500), nearly_halved,
    ),
    **{
        f"{rule} {v0}": (
            lambda rule=rule, v0=v0: TwoLayer(TwoLayerSpec(**rows_of(rule, v0))),
            lambda rule=rule, v0=v0: oracle_rows(branch_nets.NaiveTwoLayer, 0, **rows_of(rule, v0)),
            followed, nothing,
        )
        for rule in RULES for v0 in (1, 127)
    },
    "perceptron+mdfa": (
        lambda: Hybrid(Perceptron(PerceptronSpec(5, 6)), TwoLayerSpec(**BESIDE)),
        lambda: oracle_rows(branch_nets.NaiveHybrid, branch_nets.NaivePerceptron(5, 6), **BESIDE), wide, nothing,
    ),
    "bias": (
        lambda: Hybrid(Perceptron(PerceptronSpec(1, 3)), TwoLayerSpec(**BESIDE | {"theta": 1 << 20})),
        lambda: oracle_rows(
            branch_nets.NaiveHybrid, branch_nets.NaivePerceptron(1, 3), **BESIDE | {"theta": 1 << 20}
        ),
        never, found_at_once,
    ),
    "tage+mdfa": (
        lambda: SideTable(Tage(TageSpec(2, 4, 5, (2, 5))), TwoLayerSpec(**BESIDE | {"rows": 9})),
        lambda: oracle_rows(
            branch_nets.NaiveInformed, branch_nets.Stepped(naive.Tage(2, 4, 5, (2, 5))), **BESIDE | {"rows": 9}
        ),
        made(5, 900), nothing,
    ),
    "tage+mdfa at first": (
        lambda: SideTable(Tage(TageSpec(2, 4, 5, (2, 5))), TwoLayerSpec(**BESIDE)),
        lambda: oracle_rows(branch_nets.NaiveInformed, branch_nets.Stepped(naive.Tage(2, 4, 5, (2, 5))), **BESIDE),
        one_taken, found_at_once,
    ),
}  # fmt: skip


def thetas() -> bool:
    return all(naive.Perceptron(1, h).theta == PerceptronSpec(1, h).theta for h in (1, 36, 43, 62, 900))


@cache
def table_spec(name: str, budget: int) -> Any:
    """Return the product's settings of tables, None where nothing fits."""
    try:
        return TABLES[name].for_budget(budget)
    except DoesNotFit:
        return None


def table_sizes() -> bool:
    """Return whether predictors of tables have the parameters of the page at every budget."""
    for name in TABLES:
        for budget in BUDGETS:
            found, spec = sized(branch_page.page, name, budget), table_spec(name, budget)
            if (found is None) != (spec is None):
                return False
            if found is None:
                continue
            if found.get("lengths", ()) != getattr(spec, "lengths", ()):
                return False
            if not storage(branch_page.SECTIONS[name], spec, **numbers(found)):
                return False
    return True


@cache
def beside(name: str, budget: int) -> tuple[TwoLayerSpec, Any, int, int]:
    """Return the product's rows, main settings, bits of rows, and bits of rows with their registers."""
    predictor = make_predictor(name, budget)
    assert isinstance(predictor, Hybrid)
    more = predictor.storage_bits - predictor.main.storage_bits
    return predictor.side, predictor.main.spec, predictor.side_bits, more  # type: ignore[attr-defined]


def row_sizes() -> bool:
    """Return whether rows and hybrids have the parameters and storage of the page at every budget with room for them."""
    page = branch_page.page
    for budget in (n for n in BUDGETS if n >= 2 * KB):
        for name, path in (("perceptron", 0), ("piecewise", catalog.PATH_BITS)):
            found = sized_perceptron(page, name, budget)
            spec = PerceptronSpec.for_budget(budget, path_bits=path)
            if not storage(5, spec, **found) or (found["h"], found["g"]) != (spec.history, spec.path_bits):
                return False
        found, rows = sized_rows(page, "mdfa", budget), TwoLayerSpec.for_budget(budget)
        if not same_rows(found, rows) or not storage(9, rows, **found):
            return False
    return all(
        hybrid_sizes(main, n) for n in BUDGETS if 2 * KB <= n <= 200_000 for main in ("perceptron", "hashed", "tage")
    )


def hybrid_sizes(main: str, budget: int) -> bool:
    page, name = branch_page.page, f"{main}+mdfa"
    found = sized_rows(page, name, budget)
    if found["N"] < 1:
        with pytest.raises(DoesNotFit):
            make_predictor(name, budget)
        return True
    side, spec, side_bits, with_registers = beside(name, budget)
    of_main, (tables, all_bits) = sized_main(page, name, budget), page.storage(10, **found)
    if main == "tage":
        more = page.storage(11, **found)
        tables, all_bits = tables + more[0], all_bits + more[1] - found["h"]  # H of section 11 replaces that of 10
    return (
        same_rows(found, side)
        and storage(branch_page.SECTIONS.get(main, 5), spec, **numbers(of_main))
        and (side_bits, with_registers) == (tables, all_bits)
    )


def same_rows(found: dict[str, int], spec: TwoLayerSpec) -> bool:
    names = ("N", "h", "U", "theta", "spread", "v_0")
    own = (spec.rows, spec.length, spec.hidden, spec.theta, spec.spread, spec.v0)
    return tuple(found[name] for name in names) == own


TYPED = {
    "perceptron:9:9+dfa:9:9:3": "perceptron+mdfa",
    "hashed:5:0/3+dfa:9:9:3": "hashed+mdfa",
    "tage:3:4:5:1/2+dfa:9:19:3": "tage+mdfa",
    "mdfa:10:24:8": "mdfa medium",
    "mdfa:20:30:6": "mdfa small",
    "mdfa:900:30:6": "mdfa large",
}


def typed_rows() -> bool:
    """Return whether rows named with parameters have the settings of the page."""
    lines = {line[0]: [int(cell) for cell in line[1:]] for line in branch_page.page.table(12, "settings")}
    specs = (
        (beside(text, 256 * KB)[0] if "+" in text else make_predictor(text, 256 * KB).spec, line)
        for text, line in TYPED.items()
    )  # type: ignore[attr-defined]
    return all([spec.theta, spec.spread, spec.v0] == lines[line] for spec, line in specs)


def stream() -> bool:
    """Return whether the built-in stream is that of the page."""
    constants = branch_page.page.constants(13)
    defaults = BranchSettings()
    if any(getattr(defaults, name) != constants[name] for name in ("seed", "noise", "iterations")):
        return False
    n, noise = 66_000, 2
    rng = np.random.default_rng(constants["seed"])
    a, b = rng.integers(0, 2, n), rng.integers(0, 2, n)
    random = rng.integers(0, 2, n * noise).reshape(n, noise)
    answers = {
        "xor": a ^ b, "and": a & b, "mux": np.where(a == 1, b, random[:, 0]), "xor3": a ^ b ^ random[:, 0],
    }  # fmt: skip
    pc = [constants["first"] + constants["step"] * k for k in range(noise + 3)]
    for function, c in answers.items():
        found = synthetic_stream(function, noise, n, 3)
        if (found.taken.reshape(n, -1) != np.column_stack([a, b, random, c])).any():
            return False
        if (found.pc.reshape(n, -1) != pc).any() or np.flatnonzero(found.scored)[0] != n // 2 * 5 + 4:
            return False
    return True


def hashed_storage() -> bool:
    specs = [(name, HashedSpec(3, lengths)) for name, lengths in LENGTHS.items()]
    if branch_page.page.lengths(6) != LENGTHS:
        return False
    return all(storage(6, spec, b=3, T=len(spec.lengths), longest=spec.lengths[-1]) for _, spec in specs)


def layered_storage() -> bool:
    spec = LayeredSpec(3, 4)
    lengths = branch_page.page.lengths(7)["layered"]
    return lengths == spec.lengths and storage(7, spec, b=3, N=4, T=len(lengths), longest=lengths[-1])


def tage_storage() -> bool:
    if branch_page.page.lengths(8) != {str(longest): lengths for longest, lengths in TAGE_LENGTHS.items()}:
        return False
    return storage(8, TageSpec(5, 6, 7), b=5, t=6, a=7, T=7, longest=300)


def side_storage(section: int) -> Callable[[], bool]:
    def check() -> bool:
        if section == 11:
            return hybrid_sizes("tage", 32 * KB)
        predictor = Hybrid(Perceptron(PerceptronSpec(5, 6)), TwoLayerSpec(**BESIDE))
        bits = branch_page.page.storage(10, N=2, U=4, h=15)
        return (predictor.side_bits, predictor.storage_bits - predictor.main.storage_bits) == bits

    return check


CHECKS: dict[int, list[Callable[[], bool]]] = {
    1: [same("layered")],
    2: [],
    3: [
        lambda: storage(3, GshareSpec(7, 5), b=7, h=5), lambda: storage(3, BimodalSpec(7), b=7, h=0),
        same("bimodal"), same("gshare"),
    ],
    4: [lambda: storage(4, TournamentSpec(6, 4, 3), g=6, l=4, q=3), same("tournament")],
    5: [
        lambda: storage(5, PerceptronSpec(9, 4), N=9, h=4, g=0), lambda: storage(5, PerceptronSpec(9, 4, 6), N=9, h=4, g=6),
        thetas, same("perceptron"), same("piecewise"),
    ],
    6: [hashed_storage, same("hashed")],
    7: [
        layered_storage, same("layered"), same("layered at its lowest"), same("layered at the top"),
        same("layered from below"),
    ],
    8: [tage_storage, same("tage"), same("tage at first"), same("tage in use")],
    9: [lambda: storage(9, TwoLayerSpec(**rows_of("mdfa", 1)), N=3, U=4, h=9)]
       + [same(f"{rule} {v0}") for rule in RULES for v0 in (1, 127)],
    10: [side_storage(10), same("perceptron+mdfa"), same("bias")],
    11: [side_storage(11), same("tage+mdfa"), same("tage+mdfa at first")],
    12: [table_sizes, row_sizes, typed_rows],
    13: [stream],
}  # fmt: skip
