"""SRAM costs from a CACTI 7 sweep of macros.

The table `tables/sram_cacti.csv` holds macros of 8 to 512-bit words; `experiments/cacti_sweep.py` writes it. Figures
between its rows lie on straight lines in log-log: over the number of words at one width, then over the width at one
number of words.

Notes
-----
CACTI picks, for each shape, the organisation of least read energy and area. Where it changes its mind the write energy
jumps, up to twofold, for nothing in the objective holds it. The rows lie close together on both sides of such a jump,
so a width of the table is followed through it. Between two widths of the table the jump is only bracketed: there a
figure is an estimate.
"""

from __future__ import annotations

import csv
import functools
import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from edgelearn.errors import UserError, unknown

TABLE = Path(__file__).parents[1] / "tables" / "sram_cacti.csv"
SOURCES = {"CACTI 7": "CACTI 7 (KULeuven-MICAS/zigzag, cacti_master), 1RW RAM, 300 K"}
LARGEST_MACRO_BITS = 8 * (4 << 20)
NARROWEST_BITS = 8
_FIGURES = ("read_pj", "write_pj", "area_um2", "leakage_uw", "access_ns")


@dataclass(frozen=True)
class MemoryCost:
    """Cost of a memory.

    Parameters
    ----------
    read_pj, write_pj : one access of one word
    area_um2, leakage_uw : the whole memory; leakage is through channels and gates together
    access_ns : from address to data
    banks : macros in all, those side by side for one word and those for further words
    source : table, cell type and node
    """

    read_pj: float
    write_pj: float
    area_um2: float
    leakage_uw: float
    access_ns: float
    banks: int
    source: str


@dataclass(frozen=True)
class _Curve:
    """Figures of one width over the number of words, all as logarithms."""

    words: tuple[float, ...]
    figures: tuple[tuple[float, ...], ...]

    def at(self, words: float) -> list[float]:
        """Return the figures on the line between two rows; outside the rows, those of the nearest."""
        right = bisect_right(self.words, words)
        if right == 0 or right == len(self.words):
            return [figure[right - 1 if right else 0] for figure in self.figures]
        left = right - 1
        share = (words - self.words[left]) / (self.words[right] - self.words[left])
        return [figure[left] + share * (figure[right] - figure[left]) for figure in self.figures]


@dataclass(frozen=True)
class _Macros:
    """Macros of one cell type and node: widths in bits, rising, a curve for each, where they come from."""

    widths: tuple[int, ...]
    curves: tuple[_Curve, ...]
    source: str

    def at(self, words: float, width: float) -> list[float]:
        """Return the figures of one macro; the width lies within `widths`."""
        right = bisect_right(self.widths, width)
        narrow = self.curves[right - 1].at(math.log(words))
        if width == self.widths[right - 1]:
            return [math.exp(figure) for figure in narrow]
        share = math.log(width / self.widths[right - 1]) / math.log(self.widths[right] / self.widths[right - 1])
        wide = self.curves[right].at(math.log(words))
        return [math.exp(a + share * (b - a)) for a, b in zip(narrow, wide, strict=True)]


def sram_rows(use: str) -> list[dict[str, str]]:
    """Return the rows of the table with one use: `fit` (the model reads these) or `test` (it never does)."""
    with TABLE.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["use"] == use]


@functools.cache
def _table() -> dict[str, dict[float, _Macros]]:
    grouped: dict[tuple[str, float], dict[int, list[tuple[float, ...]]]] = {}
    sources = {}
    for row in sram_rows("fit"):
        width = int(row["word_bits"])
        leakage = float(row["leakage_uw"]) + float(row["gate_leakage_uw"])
        figures = {**{name: float(row[name]) for name in _FIGURES}, "leakage_uw": leakage}
        place = row["cell"], float(row["node_nm"])
        words = 8 * int(row["capacity_bytes"]) / width
        grouped.setdefault(place, {}).setdefault(width, []).append((words, *(figures[name] for name in _FIGURES)))
        sources[place] = f"{SOURCES[row['source']]}, {row['cell']}, {row['node_nm']} nm"
    table: dict[str, dict[float, _Macros]] = {}
    for (cell, node_nm), by_width in grouped.items():
        widths = tuple(sorted(by_width))
        curves = tuple(_curve(sorted(by_width[width])) for width in widths)
        table.setdefault(cell, {})[node_nm] = _Macros(widths, curves, sources[cell, node_nm])
    return table


def _curve(rows: list[tuple[float, ...]]) -> _Curve:
    words, *figures = ([math.log(value) for value in column] for column in zip(*rows, strict=True))
    area = _FIGURES.index("area_um2")
    # a new organisation can be smaller than the last one, but nobody should save area by asking for more words:
    # midway between the least curve above that never falls and the largest one below
    above = accumulate(figures[area], max)
    below = list(accumulate(reversed(figures[area]), min))[::-1]
    figures[area] = [(a + b) / 2 for a, b in zip(above, below, strict=True)]
    return _Curve(tuple(words), tuple(tuple(figure) for figure in figures))


def _macros(cell: str, node_nm: float) -> _Macros:
    table = _table()
    if cell not in table:
        raise unknown("SRAM cell type", cell, table)
    if node_nm not in table[cell]:
        known = ", ".join(f"{node:g}" for node in sorted(table[cell]))
        raise UserError(
            f"no SRAM figures for {node_nm:g} nm; known for {cell}: {known} nm; "
            f"use one of these, or memories of kind 'custom' with figures of your own"
        )
    return table[cell][node_nm]


@functools.lru_cache(maxsize=4096)
def macro(cell: str, node_nm: float, capacity_bits: int, word_bits: int) -> MemoryCost:
    """Price an SRAM with one read-write port at 300 K whose macros are as wide as its words.

    Parameters
    ----------
    cell : `itrs-hp` (fast, leaks) or `itrs-lstp` (low standby power), cells and periphery alike
    node_nm : 45, 32, 28 or 22; CACTI itself interpolates 28 between 32 and 22
    capacity_bits : any; filled up to whole words
    word_bits : any; read and written at once

    Notes
    -----
    - More than 4 MB: banks of equal size; an access touches one of them. Wires between banks are left out.
    - Words wider than the table: equal macros side by side, all touched by each access.
    - Words narrower than 8 bits: packed into 8-bit ones; an access costs that of 8 bits.
    - Fewer words than CACTI accepts: the smallest macro, whole. Registers are smaller there.
    - Area never falls with more words of the same width, nor (from 64 words up) with words twice as wide. At a
      fixed capacity wider words can be smaller: fewer column multiplexers.

    Raises
    ------
    UserError
        "SRAM cell type ...", "no SRAM figures ...", "an SRAM ..."

    Example
    -------
    >>> cost = macro("itrs-hp", 45, 8 * 32768, 8)
    >>> round(cost.read_pj, 2), round(cost.write_pj, 2), cost.banks
    (3.56, 3.41, 1)
    """
    macros = _macros(cell, node_nm)
    if capacity_bits < 0 or word_bits < 1:
        raise UserError(
            f"an SRAM of {capacity_bits} bits in words of {word_bits} bits is not possible; "
            f"give a capacity of 0 or more and words of 1 bit or more"
        )
    if capacity_bits == 0:
        return MemoryCost(0.0, 0.0, 0.0, 0.0, 0.0, 0, macros.source)
    n_beside = math.ceil(word_bits / macros.widths[-1])
    width = max(word_bits / n_beside, macros.widths[0])
    n_words = math.ceil(capacity_bits / (width * n_beside))
    n_banks = math.ceil(n_words * width / LARGEST_MACRO_BITS)
    read_pj, write_pj, area_um2, leakage_uw, access_ns = macros.at(n_words / n_banks, width)
    if n_banks > 1:
        # many smaller banks can be smaller than one bank less at full size, but area never falls with words
        full_um2 = macros.at(LARGEST_MACRO_BITS / width, width)[_FIGURES.index("area_um2")]
        area_um2 = max(area_um2, full_um2 * (n_banks - 1) / n_banks)
    n_macros = n_beside * n_banks
    return MemoryCost(
        read_pj=read_pj * n_beside,
        write_pj=write_pj * n_beside,
        area_um2=area_um2 * n_macros,
        leakage_uw=leakage_uw * n_macros,
        access_ns=access_ns,
        banks=n_macros,
        source=macros.source,
    )


@functools.lru_cache(maxsize=4096)
def sram(cell: str, node_nm: float, capacity_bits: int, word_bits: int, writes_per_read: float = 1.0) -> MemoryCost:
    """Price an SRAM whose words lie in one macro or are shared out over 2, 4, 8, ... narrower ones side by side.

    The division is the one with the least product of area and energy of an access, a read and its share of writes.

    Parameters
    ----------
    cell, node_nm, capacity_bits, word_bits : as of `macro`, and its errors
    writes_per_read : what the memory is for; it decides the division alone

    Notes
    -----
    CACTI chooses a macro for its reads; a macro with wide words can take several times the energy for a write. A
    designer who writes as often as he reads puts narrower macros side by side.

    Example
    -------
    >>> wide, divided = macro("itrs-lstp", 28, 2**22, 256), sram("itrs-lstp", 28, 2**22, 256)
    >>> round(wide.write_pj / wide.read_pj, 1), round(divided.write_pj / divided.read_pj, 1), divided.banks
    (7.1, 1.1, 16)
    """
    best = macro(cell, node_nm, capacity_bits, word_bits)
    n_beside = 2
    while n_beside * NARROWEST_BITS <= word_bits and capacity_bits:
        part = macro(cell, node_nm, math.ceil(capacity_bits / n_beside), math.ceil(word_bits / n_beside))
        divided = replace(
            part,
            read_pj=part.read_pj * n_beside,
            write_pj=part.write_pj * n_beside,
            area_um2=part.area_um2 * n_beside,
            leakage_uw=part.leakage_uw * n_beside,
            banks=part.banks * n_beside,
        )
        if _merit(divided, writes_per_read) < _merit(best, writes_per_read):
            best = divided
        n_beside *= 2
    return best


def _merit(cost: MemoryCost, writes_per_read: float) -> float:
    return (cost.read_pj + writes_per_read * cost.write_pj) * cost.area_um2
