"""Titles of columns, units and formatted values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from edgelearn import units
from edgelearn.studies.analysis import ACCURACY

NOTHING = "\N{EN DASH}"
_MEASURES = {  # column: what it is called, its unit
    ACCURACY: ("accuracy", "%"),
    "samples_learned": ("samples learned", ""),
    "saturations": ("saturations", ""),
    "step_saturations": ("steps cut", ""),
    "overflows": ("overflows", ""),
    "stored_bits": ("stored", "bits"),
    "buffered_bits": ("buffered by locking", "bits"),
    "energy_pj": ("energy", "pJ"),
    "energy_low_pj": ("energy, low", "pJ"),
    "energy_high_pj": ("energy, high", "pJ"),
    "inference_energy_pj": ("inference energy", "pJ"),
    "latency_us": ("latency", "us"),
    "area_um2": ("area", "um2"),
    "memory_bits": ("memory", "bits"),
}


def title_of(column: str) -> str:
    """Return what a column is called."""
    base = column.split("@", 1)[0]
    return _MEASURES.get(base, (base.replace("_", " "), ""))[0]


def scale_for(column: str, values: Iterable[float | None]) -> tuple[float, str]:
    """Return the size and the name of the unit that suits the largest value of a column.

    Example
    -------
    >>> scale_for("energy_pj@engine-28nm", [3588.0, 910.0])
    (1000.0, 'nJ')
    """
    size, unit = units.scale_for(_MEASURES.get(column.split("@", 1)[0], ("", ""))[1], values)
    return size, units.typographic(unit)


def rounded(value: float, decimals: int) -> str:
    """Return a value with some decimals; nothing is never negative."""
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.") else text


def shown(column: str, value: float, scale: float = 1.0) -> str:
    """Return a value as people read it: two decimals of a percentage, whole counts, else four digits.

    Example
    -------
    >>> shown("accuracy_percent", 93.4167), shown("energy_pj@x", 3587.88, 1000.0), shown("saturations", 12345)
    ('93.42', '3.588', '12,345')
    """
    if column == ACCURACY:
        return rounded(value, 2)
    scaled = value / scale
    if isinstance(value, int) and scale == 1.0:
        return f"{value:,}"
    if scaled == 0:
        return "0"
    return rounded(scaled, max(0, min(12, 3 - math.floor(math.log10(abs(scaled))))))


@dataclass(frozen=True)
class Number:
    """A formatted number with its raw value and origin.

    Parameters
    ----------
    scale : size of the unit of `shown`; raw values are in the unit of the table
    about : what it is, for a program that checks the page
    """

    value: float
    shown: str
    low: float | None = None
    high: float | None = None
    n: int | None = None
    scale: float = 1.0
    about: str = ""

    @property
    def half(self) -> str:
        """Half the interval, with as many decimals as the value."""
        if self.high is None:
            return ""
        return rounded((self.high - self.value) / self.scale, len(self.shown.partition(".")[2]))

    @property
    def text(self) -> str:
        """The value with half its interval."""
        return f"{self.shown} ± {self.half}" if self.half else self.shown
