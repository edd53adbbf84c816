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


_SUFFIXES = {"_pj": "pJ", "_us": "us", "_uw": "uW", "_um2": "um2", "_bits": "bits", "_percent": "%", "_days": "days"}
_PARTS = {"training_": "learned sample", "inference_": "inference"}
_CHIP = ("area_um2", "memory_bits")  # figures of the processor, not of a sample
_RESULTS = {  # results of runs: what they are called; `_read` and `_write` are of a memory
    "stored_bits": "memory of the network",
    "buffered_bits": "buffers of locking",
    "average_power_uw": "average power",
    "battery_days": "battery life",
    "keeps_up": "keeps up with the stream",
    "step_saturations": "steps cut",
    "net": "network",
    "r2": "R2",
    "rmse": "root mean square error",
    "mae": "mean absolute error",
    "f1": "F1",
    "alarm_rate": "share of rows with an alarm",
    "roc_area": "area under ROC",
    "pr_area": "area under precision and recall",
    "nab_score": "NAB score",
    "contract": "contract of arithmetic",
    **{f"{kind}_macs": f"{kind} multiplications per sample" for kind in ("forward", "signal", "update")},
}


def result_title(name: str) -> tuple[str, str]:
    """Return what a result of a run is called, and its unit in the program.

    Example
    -------
    >>> result_title("training_energy_pj"), result_title("weight_read"), result_title("training_area_um2")
    (('energy per learned sample', 'pJ'), ('weight reads per sample', ''), ('area', 'um2'))
    """
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
    unit = _SUFFIXES.get(suffix, "")
    if name in _RESULTS:
        return _RESULTS[name], unit
    for prefix, of in _PARTS.items():
        if name.startswith(prefix):
            figure = name.removeprefix(prefix)
            noun = figure.removesuffix(suffix).replace("latency", "time").replace("_", " ")
            if figure in _CHIP:
                return noun if prefix == "training_" else f"{noun} of {of} alone", unit
            if noun == "power":
                return f"power while {'learning' if prefix == 'training_' else 'inferring'}", unit
            return f"{noun} per {of}", unit
    memory, _, side = name.rpartition("_")
    if side in ("read", "written", "write"):
        return f"{memory.replace('_', ' ')} {'reads' if side == 'read' else 'writes'} per sample", unit
    return name.removesuffix(suffix).replace("_", " "), unit


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


def limits_of(column: str) -> tuple[float, float] | None:
    """Return the values that a column can have at all, None where there are no limits."""
    return (0.0, 100.0) if column == ACCURACY else None


@dataclass(frozen=True)
class Number:
    """A formatted number with its raw value and origin.

    Parameters
    ----------
    low, high : ends of an interval, None where there is none
    scale : size of the unit of `shown`; raw values are in the unit of the table
    about : what it is, for a program that checks the page
    limits : values that are possible at all, of an accuracy 0 and 100; an interval that passes them is shown cut there
    """

    value: float
    shown: str
    low: float | None = None
    high: float | None = None
    n: int | None = None
    scale: float = 1.0
    about: str = ""
    limits: tuple[float, float] | None = None

    @property
    def spread(self) -> str:
        """Half the interval as "± 1.20", or its ends where it is cut: "(97.10 to 100)"; empty without one."""
        if self.low is None or self.high is None:
            return ""
        decimals = len(self.shown.partition(".")[2])
        if self.limits is not None and not self.limits[0] <= self.low <= self.high <= self.limits[1]:
            low, high = self.limits
            ends = f"{low:g}" if self.low < low else rounded(self.low, decimals)
            return f"({ends} to {f'{high:g}' if self.high > high else rounded(self.high, decimals)})"
        return f"± {rounded((self.high - self.value) / self.scale, decimals)}"

    @property
    def text(self) -> str:
        """The value with its interval."""
        return f"{self.shown} {self.spread}".rstrip()
