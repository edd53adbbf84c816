"""Technology tables (energy, area, delay per operation), each row with its source, and scaling between nodes.

The CSV files in tables/ hold published or measured figures only; what is computed from them is marked `derived`.
Sources disagree by 2x to 300x on the same operation, so every figure names its table and a comparison uses one.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

from edgelearn.errors import UserError, unknown

ARITHMETIC_TABLES = ("horowitz-45nm", "aladdin-40nm-1ns", "aladdin-40nm-5ns", "nangate45-yosys")
STATUSES = ("verified", "verified-secondary", "measured", "derived", "unverified")
NOT_STATED = "not stated"
LOWEST_V, HIGHEST_V = 0.5, 1.2

_FOLDER = Path(__file__).parents[1] / "tables"
# PyPI QKeras 0.9.0, qkeras/qtools/config_public.py, "horowitz": coefficients of n^2, n and 1, through the table's rows
_FITS = {"multiply": (0.002994791667, 0.001041666667, 0.0), "add": (0.0, 0.003125, 0.0)}
_FIT_SOURCE = "fit of PyPI QKeras 0.9.0, qkeras/qtools/config_public.py, to Horowitz, ISSCC 2014"


@dataclass(frozen=True)
class Operation:
    """Cost of an operation in one table.

    Parameters
    ----------
    table, name : where it stands
    bits : operand width; a pair for a multiplier of unequal operands
    energy_pj, area_um2, delay_ns : None where the table has none; area of a unit, delay it was built for
    node_nm, voltage_v : what it holds for; the voltage is None where the source does not state one
    source, status : who says so, and how it was checked (one of `STATUSES`)
    """

    table: str
    name: str
    bits: int | tuple[int, int]
    energy_pj: float | None
    area_um2: float | None
    delay_ns: float | None
    node_nm: float
    voltage_v: float | None
    source: str
    status: str
    note: str = ""


@cache
def _read(name: str) -> tuple[dict[str, str], ...]:
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def table_files() -> tuple[str, ...]:
    """Return the names of the CSV files, without ending."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.csv")))


def rows(table_file: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of this package, as text.

    Raises
    ------
    UserError
        "table ... is not known"

    Example
    -------
    >>> [row["pj_per_bit"] for row in rows("storage") if row["name"] == "lpddr4"]
    ['8']
    """
    name = table_file.removesuffix(".csv")
    if name not in table_files():
        raise unknown("table", table_file, table_files())
    return [dict(row) for row in _read(name)]


def number(text: str) -> float | None:
    """Return the number of a cell, None for an empty one or one that the source does not state."""
    return None if text in ("", NOT_STATED) else float(text)


@cache
def _exact() -> dict[tuple[str, str, int], Operation]:
    table = {}
    for row in _read("arithmetic"):
        key = (row["table"], row["operation"], int(row["bits"]))
        energy, area, delay = (number(row[column]) for column in ("energy_pj", "area_um2", "delay_ns"))
        table[key] = Operation(
            *key, energy, area, delay, float(row["node_nm"]), number(row["voltage_v"]), row["source"], row["status"],
            row["note"],
        )  # fmt: skip
    return table


@cache
def operation(table: str, name: str, bits: int | tuple[int, int]) -> Operation:
    """Return what an operation costs: the row of the table if it has one, else what its rule for widths gives.

    Parameters
    ----------
    table : one of `ARITHMETIC_TABLES`
    name : "add", "multiply", "fp-add", "fp-multiply", "register", ... ; the error lists those of the table
    bits : operand width; "multiply" takes a pair (n, m) for an n x m multiplier

    Notes
    -----
    Rules for other widths; what they give is marked `derived`. horowitz-45nm: the fits of QKeras, energy only, a
    multiplier of n x m bits at the geometric mean width. aladdin-40nm: a multiplier in proportion to n m, everything
    else but floating point to its bits, delay kept. nangate45-yosys: registers and multiplexers in proportion to
    their bits, nothing else.

    Raises
    ------
    UserError
        "table ... is not known", "operation of ... is not known", "... has no rule for", "the width of"

    Example
    -------
    >>> operation("horowitz-45nm", "multiply", 8).energy_pj
    0.2
    >>> round(operation("horowitz-45nm", "multiply", 16).energy_pj, 4)
    0.7833
    """
    if table not in ARITHMETIC_TABLES:
        raise unknown("table", table, ARITHMETIC_TABLES)
    known = {row_bits: row for (at, its_name, row_bits), row in _exact().items() if (at, its_name) == (table, name)}
    if not known:
        raise unknown(f"operation of {table}", name, {its_name for at, its_name, _ in _exact() if at == table})
    if isinstance(bits, tuple):
        if name != "multiply":
            raise UserError(f"the width of '{name}' is one number, given {bits}; only 'multiply' takes a pair")
        n, m = bits
    else:
        n = m = bits
    if min(n, m) < 1:
        raise UserError(f"the width of '{name}' is at least 1 bit, given {bits}; give the operand width")
    if n == m and n in known:
        return known[n]
    width = n if n == m else (n, m)
    if table == "horowitz-45nm" and name in _FITS:
        a, b, c = _FITS[name]
        fitted = a * n * m + b * math.sqrt(n * m) + c
        derived = replace(known[32], energy_pj=fitted, area_um2=None, source=_FIT_SOURCE)
        return replace(derived, bits=width, status="derived", note="no area")
    base_bits = min(known)
    base = known[base_bits]
    if table.startswith("aladdin") and name == "multiply":
        return _scaled(base, width, n * m / base_bits**2)
    per_bit = table.startswith("aladdin") and not name.startswith("fp-")
    if n == m and (per_bit or list(known) == [1]):
        return _scaled(base, width, n / base_bits)
    widths = ", ".join(str(n) for n in sorted(known))
    raise UserError(f"{table} has no rule for '{name}' at {bits} bits; it has {widths} bits: give one of these")


def _scaled(base: Operation, bits: int | tuple[int, int], factor: float) -> Operation:
    energy = None if base.energy_pj is None else base.energy_pj * factor
    area = None if base.area_um2 is None else base.area_um2 * factor
    note = f"its {base.bits}-bit row times {factor:g}"
    return replace(base, bits=bits, energy_pj=energy, area_um2=area, status="derived", note=note)


@cache
def _scaling() -> tuple[tuple[float, tuple[float, ...]], ...]:
    """Return (node, (a, b, c, area against 45 nm)), smallest node first."""
    columns = ("a", "b", "c", "area_vs_45nm")
    return tuple(sorted((float(row["node_nm"]), tuple(float(row[c]) for c in columns)) for row in _read("scaling")))


def _at_node(node_nm: float) -> tuple[float, ...]:
    """Interpolate the scaling table between the neighbours of a node, linearly in its size."""
    table = _scaling()
    smallest, largest = table[0][0], table[-1][0]
    if not smallest <= node_nm <= largest:
        raise UserError(
            f"node {node_nm:g} nm is outside the scaling table; "
            f"it covers {smallest:g} to {largest:g} nm: give one there"
        )
    for (low, below), (high, above) in pairwise(table):
        if node_nm <= high:
            share = (node_nm - low) / (high - low)
            return tuple(b + share * (a - b) for a, b in zip(above, below, strict=True))
    raise AssertionError("a node inside the table has neighbours")


def _energy(node_nm: float, voltage_v: float) -> float:
    a, b, c, _ = _at_node(node_nm)
    lowest = max(LOWEST_V, -b / (2 * a))  # below, less voltage would cost more
    if not lowest <= voltage_v <= HIGHEST_V:
        raise UserError(
            f"voltage {voltage_v:g} V is outside the scaling table; at {node_nm:g} nm it covers "
            f"{math.ceil(lowest * 100) / 100:.2f} to {HIGHEST_V:.2f} V: give one there"
        )
    return a * voltage_v**2 + b * voltage_v + c


@cache
def energy_scale(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Return the factor on switching energy from one node and supply to another.

    E(node, V) = a V^2 + b V + c; only ratios mean something.

    Notes
    -----
    Stillmaker and Baas, Integration 58 (2017), coefficients as in hwcomponents; between two nodes the coefficients
    are interpolated linearly. Nodes from 7 to 130 nm; voltages from `LOWEST_V` to `HIGHEST_V`, and not below the
    minimum of the node's parabola (65 nm: 0.59 V), where it would have energy rise as voltage falls.

    Raises
    ------
    UserError
        "node ... is outside", "voltage ... is outside"

    Example
    -------
    >>> round(energy_scale(45, 0.9, 28, 0.6), 3)
    0.305
    """
    return _energy(to_nm, to_v) / _energy(from_nm, from_v)


def area_scale(from_nm: float, to_nm: float) -> float:
    """Return the factor on the area of logic from one node to another (same source as `energy_scale`).

    Raises
    ------
    UserError
        "node ... is outside"

    Example
    -------
    >>> round(area_scale(45, 28), 3)
    0.377
    """
    return _at_node(to_nm)[3] / _at_node(from_nm)[3]
