"""Limits of a device, and what a network needs of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from edgelearn.units import quantity, size_bytes, with_unit
from firmware_sim.build.estimate import constant_fields, ram_bytes
from firmware_sim.check.session import allowances
from hw_models.processor import AnyProcessor

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Limits:
    """What a network may need; None where there is no limit.

    Parameters
    ----------
    ram, flash : bytes of the C core, its stack and its code included
    energy_pj : per learned sample
    latency_us : per learned sample
    """

    ram: int | None = None
    flash: int | None = None
    energy_pj: float | None = None
    latency_us: float | None = None

    @classmethod
    def of(cls, ram: str | None, flash: str | None, energy: str | None, rate: str | None) -> Limits:
        """Read limits as they are typed, e.g. "16K", "64K", "50 uJ" and "50 Hz".

        Raises
        ------
        UserError
            "--ram: ...", "--flash: ...", "--energy: ...", "--rate: ..."
        """
        per_second = _read("rate", rate, lambda text: quantity(text, "rate"))
        return cls(
            _read("ram", ram, size_bytes),
            _read("flash", flash, size_bytes),
            _read("energy", energy, lambda text: quantity(text, "energy")),
            None if per_second is None else 1e6 / per_second,
        )

    def ratios(self, needs: Needs) -> dict[str, float]:
        """Return what a network needs as a multiple of each limit."""
        found = {}
        for one in fields(self):
            limit, need = getattr(self, one.name), getattr(needs, one.name)
            if limit is not None and need is not None:
                found[one.name] = need / limit
        return found

    def text(self, name: str) -> str:
        """Return a limit in words: "RAM 16,384 bytes"."""
        return f"{TITLES[name]} {amount(name, getattr(self, name))}"


def _read(flag: str, text: str | None, read: Callable[[str], _Number]) -> _Number | None:
    try:
        return None if text is None else read(text)
    except ValueError as error:
        raise UserError(f"--{flag}: {error}") from None


@dataclass(frozen=True)
class Needs:
    """What a network needs, by the names of `Limits`; None where the processor does not price it."""

    ram: int
    flash: int
    energy_pj: float | None
    latency_us: float


TITLES = {"ram": "RAM", "flash": "flash", "energy_pj": "energy per learned sample", "latency_us": "time per sample"}
FLAGS = {"ram": "--ram", "flash": "--flash", "energy_pj": "--energy", "latency_us": "--rate"}


def amount(name: str, value: float | None) -> str:
    """Return a need or a limit with its unit."""
    if value is None:
        return "not priced"
    return (
        f"{value:,} bytes"
        if name in ("ram", "flash")
        else with_unit(value, name.rpartition("_")[2].replace("pj", "pJ"))
    )


def memory_of(spec: NetworkSpec) -> tuple[int, int]:
    """Return the bytes of RAM and flash that the C core of a network needs, as `edgelearn firmware budget` has them."""
    stack, code = allowances(spec)
    return ram_bytes(spec) + stack, sum(field.bytes for field in constant_fields(spec)) + code


def needs_of(spec: NetworkSpec, activity: Counters, processor: AnyProcessor) -> Needs:
    """Return what a network needs whose learned samples had some activity."""
    cost = processor.price(spec, activity)
    energy = cost.energy_per_sample_pj if "energy_pj" in cost.prices else None
    return Needs(*memory_of(spec), energy, cost.latency_s * 1e6)
