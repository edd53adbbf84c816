"""Quantities in and out: text such as "200 MHz" or "32 KiB" as numbers, and numbers as text with a fitting unit.

Every unit of the program comes from the two tables of prefixes here. Text spells micro as "u" (uJ, um2, us);
`typographic` writes it as figures and pages show it, and the sign is read in both of its encodings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}  # powers of ten
BINARY = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
MOST_BYTES = 2**30

SECONDS_PER_DAY = 86_400.0


def _metric(unit: str, prefixes: str, power: int = 1) -> dict[str, float]:
    """Return units by their size in the first of them; "." stands for no prefix."""
    exponents = {prefix.strip("."): power * PREFIXES[prefix.strip(".")] for prefix in prefixes}
    first = next(iter(exponents.values()))
    return {f"{prefix}{unit}": float(f"1e{exponent - first}") for prefix, exponent in exponents.items()}


# dimension -> {unit: size in the program's unit, which comes first}
UNITS: dict[str, dict[str, float]] = {
    "length": _metric("m", "nu"),
    "voltage": _metric("V", ".m"),
    "frequency": _metric("Hz", ".kMG"),
    "rate": _metric("Hz", ".kM") | {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600, "/day": 1 / 86400},
    "time": _metric("s", "num."),
    "energy": _metric("J", "pfnum."),
    "energy per bit": _metric("J/bit", "pfn"),
    "area per bit": _metric("m2/bit", "um", power=2),
    "power per bit": _metric("W/bit", "unp"),
    "power": _metric("W", "unm."),
    "capacity": {"bit": 1.0} | {f"{prefix}iB" if prefix else "B": 8.0 * size for prefix, size in BINARY.items()},
}
# dimension -> smallest and largest value above zero, in the program's unit: beyond any device, within all arithmetic
RANGES: dict[str, tuple[float, float]] = {
    "length": (1e-3, 1e9),
    "voltage": (1e-3, 1e4),
    "frequency": (1e-3, 1e13),
    "rate": (1e-9, 1e12),
    "time": (1e-6, 1e19),
    "energy": (1e-12, 1e24),
    "energy per bit": (1e-12, 1e12),
    "area per bit": (1e-12, 1e12),
    "power per bit": (1e-15, 1e9),
    "power": (1e-9, 1e12),
    "capacity": (1.0, 8.0 * 2**40),
}
# unit of the program -> {unit that people read: its size}, from the largest
UNITS_SHOWN: dict[str, dict[str, float]] = {
    first: dict(sorted(units.items(), key=lambda unit: -unit[1]))
    for first, units in {
        "pJ": _metric("J", "pnum."),
        "uW": _metric("W", "unm."),
        "um2": _metric("m2", "um", power=2),
        "us": _metric("s", "unm."),
        "s": _metric("s", ".num"),
        "bits": {"bits": 1.0, "KiB": 8.0 * 2**10, "MiB": 8.0 * 2**20},
        "Hz": UNITS["frequency"],
        "cycles": _metric("cycles", ".kMG"),
        "days": {"days": 1.0, "years": 365.25, "hours": 1 / 24, "minutes": 1 / 1440},
        "time axis": {"s": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86_400.0},
    }.items()
}
_EXAMPLES = {"frequency": "200 MHz", "rate": "50 Hz", "capacity": "32 KiB", "length": "28 nm", "voltage": "0.9 V"}
_EXAMPLES |= {"time": "20 ms", "power": "10 uW"}
_NUMBER = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(\S*)\s*")
_SIZE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,12})?)\s*([KMG]?)(?:I?B)?\s*", re.IGNORECASE)


def quantity(value: object, dimension: str, positive: bool = True) -> float:
    """Read a text like "200 MHz" in the program's unit of its dimension, the first of `UNITS`.

    A rate may be a number alone, in Hz.

    Raises
    ------
    ValueError
        "... is not an energy; write a number and one of ...", "... must be ..." or "... is too large; give ..."

    Example
    -------
    >>> quantity("0.2 GHz", "frequency"), quantity("30 /min", "rate"), quantity("50", "rate")
    (200000000.0, 0.5, 50.0)
    """
    units = UNITS[dimension]
    match = _NUMBER.fullmatch(re.sub("[\u00b5\u03bc]", "u", value)) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError
        unit = match[2] or ("Hz" if dimension == "rate" else "")
        if dimension == "capacity" and unit not in ("", "b") and (size := _SIZE.fullmatch(f"1{unit}")):
            unit = f"{size[2].upper()}iB" if size[2] else "B"  # K, KB and KiB, as in `size_bytes`
        if unit not in units:
            raise ValueError
        result = float(match[1]) * units[unit]
    except ValueError:
        example = _EXAMPLES.get(dimension, f"1.5 {next(iter(units))}")
        given = f"'{value}'" if isinstance(value, str) else repr(value)
        article = "an" if dimension[0] in "aeiou" else "a"
        names = ", ".join(sorted(units, key=units.__getitem__))
        raise ValueError(
            f"{given} is not {article} {dimension}; write a number and one of {names}, for example '{example}'"
        ) from None
    if result < 0 or (result == 0 and (positive or float(match[1]))):
        raise ValueError(f"'{value}' must be {'above zero' if positive else 'zero or more'}")
    low, high = RANGES[dimension]
    if result and not low <= result <= high:
        side = "large" if result > high else "small"
        of_unit = units[unit]
        raise ValueError(f"'{value}' is too {side}; give {low / of_unit:g} to {high / of_unit:g} {unit}")
    return result


def battery_joules(text: str) -> float:
    """Read the energy of a battery: "2430 J", or a charge and a voltage, "225 mAh at 3 V".

    Raises
    ------
    ValueError
        "... is not a battery; ..."

    Example
    -------
    >>> battery_joules("225 mAh at 3 V")
    2430.0
    """
    charge = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(mAh|Ah)\s+at\s+(.+)", text)
    try:
        if charge is None:
            return quantity(text, "energy") * 1e-12
        hours = float(charge[1]) * (1e-3 if charge[2] == "mAh" else 1.0)
        joules = hours * 3600 * quantity(charge[3], "voltage")
        if joules <= 0:
            raise ValueError
        low, high = (1e-12 * side for side in RANGES["energy"])
        if not low <= joules <= high:
            raise ValueError(f"'{text}' is too {'large' if joules > high else 'small'}; give {low:g} to {high:g} J")
        return joules
    except ValueError as error:
        if "is too" in str(error):
            raise
        raise ValueError(f"'{text}' is not a battery; write '225 mAh at 3 V' or '2430 J'") from None


def size_bytes(text: str) -> int:
    """Read a size of memory; K, M and G are powers of 1024 in every spelling.

    Raises
    ------
    ValueError
        "... is not a size; ..."

    Example
    -------
    >>> size_bytes("16K"), size_bytes("16KB"), size_bytes("16 KiB"), size_bytes("16384")
    (16384, 16384, 16384, 16384)
    """
    match = _SIZE.fullmatch(text)
    if match is not None and text.isascii():
        whole, _, decimals = match[1].partition(".")
        n_bytes, rest = divmod(int(whole + decimals) * BINARY[match[2].upper()], int(f"1{'0' * len(decimals)}"))
        if not rest and 1 <= n_bytes <= MOST_BYTES:
            return n_bytes
    raise ValueError(f"'{text}' is not a size; write whole bytes, for example 4096, 16K, 16KB or 3.5KiB, at most 1G")


def span(value: object) -> int | str:
    """Read a number of samples, or a duration, which is kept as text.

    Raises
    ------
    ValueError
        "... is not a time; ..." and others of `quantity`

    Example
    -------
    >>> span("100"), span("2 s")
    (100, '2 s')
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,15}\s*", value):
        return int(value)
    try:
        quantity(value, "time")
    except ValueError as error:
        raise ValueError(
            str(error).replace("write a number and", "write a number of samples, or a number and")
        ) from None
    return str(value)


def samples_in(given: int | str, rate_hz: float) -> int:
    """Return the number of samples, at least one, of what `span` returns, at a rate.

    Raises
    ------
    ValueError
        "... is less than half a sample ..."

    Example
    -------
    >>> samples_in(100, 50.0), samples_in("2 s", 49.999)
    (100, 100)
    """
    if isinstance(given, int):
        return given
    n = math.floor(quantity(given, "time") * 1e-9 * rate_hz + 0.5)
    if n < 1:
        raise ValueError(
            f"'{given}' is less than half a sample at {rate_hz:.4g} Hz; give {three(1 / rate_hz)} s or more"
        )
    return n


def spans_line(spans: Iterable[tuple[str, int | str, int]], rate_hz: float) -> str:
    """State the samples of durations, each with its name; empty where none is a duration.

    Example
    -------
    >>> spans_line([("window", "2 s", 100), ("stride", 25, 25)], 50.0)
    'window: 2 s = 100 samples at 50 Hz'
    """
    found = [f"{name}: {given} = {count(n, 'sample')}" for name, given, n in spans if isinstance(given, str)]
    return "; ".join([f"{found[0]} at {rate_hz:.4g} Hz", *found[1:]]) if found else ""


def scale_for(unit: str, values: Iterable[float | None]) -> tuple[float, str]:
    """Return the size and the name of the unit in which the largest value is at least one.

    Example
    -------
    >>> scale_for("pJ", [3588.0, 910.0, None])
    (1000.0, 'nJ')
    """
    shown = UNITS_SHOWN.get(unit, {unit: 1.0})
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    name = next((name for name, size in shown.items() if largest >= 0.9995 * size), None)
    if name is None:  # nothing, or less than one of the smallest
        name = unit if largest == 0 and unit in shown else list(shown)[-1]
    return shown[name], name


def with_unit(value: float | None, unit: str) -> str:
    """Write a value in the program's unit with three digits and a fitting unit.

    Example
    -------
    >>> with_unit(12345.0, "pJ"), with_unit(0.00044, "s"), with_unit(None, "s")
    ('12.3 nJ', '440 us', '-')
    """
    if value is None:
        return "-"
    size, name = scale_for(unit, [value])
    return f"{three(value / size)} {name}"


def in_one_unit(values: Sequence[float | None], unit: str) -> list[str]:
    """Write values in the program's unit with three digits and the one unit that fits the largest of them.

    Example
    -------
    >>> in_one_unit([12345.0, 60.0, None], "pJ")
    ['12.3 nJ', '0.0600 nJ', '-']
    """
    size, name = scale_for(unit, values)
    return ["-" if value is None else f"{three(value / size)} {name}" for value in values]


def three(value: float | None) -> str:
    """Write a number with three digits, or all before the point.

    Example
    -------
    >>> three(0.01234), three(8.1), three(12345.6)
    ('0.0123', '8.10', '12,346')
    """
    if value is None:
        return "-"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    rounded = float(f"{value:.3g}")
    digits = 2 - math.floor(math.log10(abs(rounded))) if rounded else 0
    return f"{rounded:.{digits}f}"


def percent(share: float | None, digits: int = 2) -> str:
    """Write a share of one in percent."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def count(n: int, what: str) -> str:
    """Write a number of things: "1 row", "1,000 rows"."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def typographic(unit: str) -> str:
    """Return a unit as figures and pages show it.

    Example
    -------
    >>> typographic("uJ"), typographic("mm2")
    ('µJ', 'mm²')
    """
    return re.sub("^u(?=[A-Za-z])", "µ", unit).replace("m2", "m²")


@overload
def six_digits(value: float) -> float: ...
@overload
def six_digits(value: None) -> None: ...
def six_digits(value: float | None) -> float | None:
    """Round to six significant digits: enough to read, and the same on every machine."""
    return None if value is None else float(f"{float(value):.6g}")


def net_text(network: Mapping[str, Any]) -> str:
    """Return the text of the network of a report: its topology with convolutions, else its layer sizes.

    Example
    -------
    >>> net_text({"sizes": [784, 500, 10]})
    '784-500-10'
    """
    return str(network.get("topology") or "-".join(str(n) for n in network["sizes"]))
