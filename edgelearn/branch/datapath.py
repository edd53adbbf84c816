"""What each predictor reads, adds and writes, as the datapaths that `hw_models.branch_cost` prices."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edgelearn.branch.counters import Gshare, Tournament
from edgelearn.branch.hybrid import ROW_BITS, Hybrid
from edgelearn.branch.kernels.two_layer import NONE
from edgelearn.branch.layered import Layered
from edgelearn.branch.perceptrons import HashedPerceptron, Perceptron
from edgelearn.branch.predictor import Predictor
from edgelearn.branch.tage import Tage
from edgelearn.branch.tage_side_table import Informed
from edgelearn.branch.two_layer import RULES, TwoLayer, TwoLayerSpec
from edgelearn.errors import UserError

USEFUL_BITS, COUNTER_BITS = 2, 3  # of an entry of TAGE


@dataclass(frozen=True)
class Memory:
    """Tables of one shape that are read in parallel for a prediction.

    Parameters
    ----------
    rows, row_bits : words of a table, and bits of one, all of which are read
    copies : tables
    stage : 0 is read first; 1 is read at an address that stage 0 gave; and so on
    written : rows that an update writes on average, of all copies together

    Raises
    ------
    UserError : "rows ...", "bits of a row ...", "copies ...", "stage ...", "rows written ..."
    """

    rows: int
    row_bits: int
    copies: int = 1
    stage: int = 0
    written: float = 0.0

    def __post_init__(self) -> None:
        _check("rows", self.rows, 1)
        _check("bits of a row", self.row_bits, 1)
        _check("copies", self.copies, 1)
        _check("stage", self.stage, 0)
        _check("rows written", self.written, 0)

    @property
    def bits(self) -> int:
        """Return the bits of one table."""
        return self.rows * self.row_bits


@dataclass(frozen=True)
class Sums:
    """The adder trees of one layer, side by side.

    Parameters
    ----------
    terms : inputs of a tree, a bias among them; the bias of a layer of products is not one, it joins their own trees
    term_bits : of one input; 16 for products
    trees : one for each unit
    sum_bits : of an adder, in the 45 nm model
    signed : whether the history turns the sign of the terms
    products : 8 x 8 multipliers before the trees, all together
    saturated : whether sums are cut off to a narrower word

    Raises
    ------
    UserError : "terms ...", "bits of a term ...", "trees ...", "bits of a sum ...", "products ..."
    """

    terms: int
    term_bits: int = 8
    trees: int = 1
    sum_bits: int = 16
    signed: bool = False
    products: int = 0
    saturated: bool = False

    def __post_init__(self) -> None:
        _check("terms", self.terms, 1)
        _check("bits of a term", self.term_bits, 1)
        _check("trees", self.trees, 1)
        _check("bits of a sum", self.sum_bits, 1)
        _check("products", self.products, 0)


@dataclass(frozen=True)
class Datapath:
    """What a predictor reads, computes and writes.

    Parameters
    ----------
    memories : read for every prediction, by stage
    sums : layers that follow the last stage, one after another; none for tables of counters
    updates : updates a prediction, for example 0.12
    adds : words changed by an update, an adder each
    add_bits : of such a word
    beside : other datapaths that work at the same time, as the side table of a hybrid
    waits : whether the sums of this one, which stands beside another, have the word of that one as an input

    Raises
    ------
    UserError : "a datapath without memories ...", "updates ...", "words changed ...", "bits of a word ..."
    """

    name: str
    memories: tuple[Memory, ...]
    sums: tuple[Sums, ...] = ()
    updates: float = 0.0
    adds: float = 0.0
    add_bits: int = 8
    beside: tuple[Datapath, ...] = ()
    waits: bool = False

    def __post_init__(self) -> None:
        if not self.memories:
            raise UserError(f"a datapath without memories predicts nothing; give '{self.name}' at least one")
        _check("updates", self.updates, 0)
        _check("words changed", self.adds, 0)
        _check("bits of a word", self.add_bits, 1)

    @property
    def parts(self) -> tuple[Datapath, ...]:
        """Return this datapath and those beside it."""
        return (self, *(part for other in self.beside for part in other.parts))


def datapath_of(predictor: Predictor) -> Datapath:
    """Return the datapath of a predictor that has run: how often it updates is counted.

    Raises
    ------
    TypeError : a predictor without a datapath
    """
    counts = predictor.counters
    updates = counts["trained"] / max(counts["branches"], 1)
    name = predictor.name
    if isinstance(predictor, Gshare):  # bimodal too
        memory = Memory(1 << predictor.spec.index_bits, 2, written=1)
        return Datapath(name, (memory,), (), updates, 1, 2)
    if isinstance(predictor, Tournament):
        spec = predictor.spec
        tables = (
            Memory(1 << spec.global_bits, 2, 2, written=2),  # counters and chooser
            Memory(1 << spec.pc_bits, spec.local_bits, written=1),
            Memory(1 << spec.local_bits, 2, stage=1, written=1),
        )
        return Datapath(name, tables, (), updates, 3, 2)
    if isinstance(predictor, Perceptron):
        width = predictor.spec.history + 1
        memory = Memory(predictor.spec.rows, 8 * width, written=1)
        return Datapath(name, (memory,), (Sums(width, signed=True),), updates, width)
    if isinstance(predictor, HashedPerceptron):
        tables_read = len(predictor.spec.lengths)
        memory = Memory(1 << predictor.spec.index_bits, 8, tables_read, written=tables_read)
        return Datapath(name, (memory,), (Sums(tables_read),), updates, tables_read)
    if isinstance(predictor, Layered):
        spec_l = predictor.spec
        n = len(spec_l.lengths)
        memories = (
            Memory(1 << spec_l.index_bits, 8, n, written=n),
            Memory(spec_l.rows, 8 * n, written=1),
        )
        return Datapath(name, memories, (Sums(n, 16, products=n),), updates, 2 * n)
    if isinstance(predictor, Tage):
        tage = predictor.spec
        entry = COUNTER_BITS + USEFUL_BITS + tage.tag_bits
        written = counts["words_written"] / max(counts["branches"], 1)
        memories = (
            Memory(1 << tage.bimodal_bits, 2),
            Memory(1 << tage.index_bits, entry, len(tage.lengths), written=written),
        )
        return Datapath(name, memories, (), updates, written, COUNTER_BITS)
    if isinstance(predictor, TwoLayer):
        return _rows(predictor.spec, name, 0, updates)
    if isinstance(predictor, Hybrid):
        main = datapath_of(predictor.main)
        side = _rows(predictor.side, predictor.side.name, ROW_BITS, counts["side_trained"] / max(counts["branches"], 1))
        beside: tuple[Datapath, ...] = (side,)
        if isinstance(predictor, Informed):  # the word of the main predictor and local histories are inputs of rows
            local = Memory(*predictor.local_shape, written=1)
            beside = (replace(side, waits=True), Datapath("local histories", (local,), (), 1.0))
        parts = (main.memories, main.sums, main.updates, main.adds, main.add_bits)
        return Datapath(name, *parts, beside=beside)
    raise TypeError(f"{name} has no datapath")


def _rows(spec: TwoLayerSpec, name: str, more_bits: int, updates: float) -> Datapath:
    """Return the datapath of two-layer rows; `more_bits` are tag and counters beside the words of a row."""
    memory = Memory(spec.rows, 8 * spec.row_words + more_bits, written=1)
    hidden = Sums(spec.length + 1, trees=spec.hidden, signed=True, saturated=True)
    words = spec.hidden + 1 if RULES[spec.rule].feedback == NONE else spec.row_words
    return Datapath(name, (memory,), (hidden, Sums(spec.hidden, 16, products=spec.hidden)), updates, words)


def _check(what: str, value: float, least: int) -> None:
    if not least <= value < math.inf:
        raise UserError(f"{what} must be {least} or more, given {value}")
