"""Quantities with units, as users write them: "28 nm", "0.9 V", "200 MHz", "32 KiB", "23.6 pJ"."""

from __future__ import annotations

import math
import re

# dimension -> (unit of the program, {unit: factor})
UNITS: dict[str, dict[str, float]] = {
    "length": {"nm": 1.0, "um": 1e3},
    "voltage": {"V": 1.0, "mV": 1e-3},
    "frequency": {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "time": {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9},
    "energy": {"pJ": 1.0, "fJ": 1e-3, "nJ": 1e3, "uJ": 1e6, "mJ": 1e9, "J": 1e12},
    "energy of a bit": {"pJ/bit": 1.0, "fJ/bit": 1e-3, "nJ/bit": 1e3},
    "area of a bit": {"um2/bit": 1.0, "mm2/bit": 1e6},
    "power of a bit": {"uW/bit": 1.0, "nW/bit": 1e-3, "pW/bit": 1e-6},
    "power": {"uW": 1.0, "nW": 1e-3, "mW": 1e3, "W": 1e6},
    "capacity": {"bit": 1.0, "B": 8.0, "KiB": 8192.0, "MiB": 8192.0 * 1024, "kB": 8000.0, "MB": 8e6},
}
EXAMPLES = {"frequency": "200 MHz", "capacity": "32 KiB", "length": "28 nm", "voltage": "0.9 V"}
_NUMBER = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(\S*)\s*")


def quantity(value: object, dimension: str, positive: bool = True) -> float:
    """Read a text like "200 MHz" in the program's unit of its dimension, the first of `UNITS`.

    Raises
    ------
    ValueError
        "... is no energy; write a number and a unit ..." or "... must be ..."

    Example
    -------
    >>> quantity("0.2 GHz", "frequency")
    200000000.0
    """
    units = UNITS[dimension]
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is None or match[2] not in units:
            raise ValueError
        result = float(match[1]) * units[match[2]]
    except ValueError:
        example = EXAMPLES.get(dimension, f"1.5 {next(iter(units))}")
        shown = f"'{value}'" if isinstance(value, str) else repr(value)
        raise ValueError(
            f"{shown} is no {dimension}; write a number and one of {', '.join(units)}, for example '{example}'"
        ) from None
    if not math.isfinite(result) or result < 0 or (positive and result == 0):
        raise ValueError(f"'{value}' must be {'above zero' if positive else 'zero or more'}")
    return result


def battery_joules(text: str) -> float:
    """Read the energy of a battery: "2430 J", or a charge and a voltage, "225 mAh at 3 V".

    Raises
    ------
    ValueError
        "... is no battery; ..."

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
        if not 0 < joules < math.inf:
            raise ValueError
        return joules
    except ValueError:
        raise ValueError(f"'{text}' is no battery; write '225 mAh at 3 V' or '2430 J'") from None


def six_digits(value: float) -> float:
    """Round to six significant digits: enough to read, and the same on every machine."""
    return float(f"{float(value):.6g}")
