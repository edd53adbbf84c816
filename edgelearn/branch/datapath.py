"""Datapath of a predictor: memories read, adders, updates. Priced by `hw_models.branch_cost`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgelearn.errors import UserError


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
        if not self.memories and (self.sums or self.updates):
            raise UserError(f"a datapath without memories adds nothing; give '{self.name}' at least one")
        _check("updates", self.updates, 0)
        _check("words changed", self.adds, 0)
        _check("bits of a word", self.add_bits, 1)

    @property
    def parts(self) -> tuple[Datapath, ...]:
        """Return this datapath and those beside it."""
        return (self, *(part for other in self.beside for part in other.parts))


def _check(what: str, value: float, least: int) -> None:
    if not least <= value < math.inf:
        raise UserError(f"{what} must be {least} or more, given {value}")
