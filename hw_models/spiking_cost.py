"""Cost of spiking networks on neuromorphic cores: energy per sample and synaptic operation (section 9).

A synaptic operation of a core reads its weight, a synaptic update reads and writes one, and a neuron update moves
membrane, current and traces: those accesses have no price of their own here, since the published figures hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.units import six_digits
from hw_models.compare.bands import band_as_dict
from hw_models.cost import Cost
from hw_models.microcontroller import price_on_core
from hw_models.processor import Core, find_processor, names

Counts = Mapping[str, np.ndarray]
"""Counter by name, one entry a population that receives synapses."""


def find_core(name: str) -> Core:
    """Return a neuromorphic core by name, or read it from a TOML file.

    Raises
    ------
    UserError
        "processor '...' has no synaptic operations ..."
    """
    found = find_processor(name)
    if not isinstance(found, Core):
        cores = ", ".join(one for one in names() if isinstance(find_processor(one), Core))
        raise UserError(
            f"processor '{name}' has no synaptic operations to price spikes with; "
            f"take {cores}, or a .toml file of kind 'core'"
        )
    return found


def price_spikes(counts: Counts, samples: int, memory_bits: Mapping[str, int], core: Core) -> Cost:
    """Price samples of a spiking network from what its counters saw.

    Parameters
    ----------
    memory_bits : bits of memory by role
    """
    operations = {
        ("forward pass", "synaptic_operation"): counts["synaptic_operations"],
        ("forward pass", "neuron_update"): counts["neuron_updates"],
        ("feedback", "synaptic_operation"): counts["feedback_read"],
        ("update", "synaptic_update"): counts["synaptic_updates"],
    }
    return price_on_core(operations, memory_bits.items(), samples, core)


def spiking_as_dict(
    learned: tuple[Counts, int] | None,
    inferred: tuple[Counts, int] | None,
    memory_bits: Mapping[str, Mapping[str, int]],
    core: Core,
) -> dict[str, Any]:
    """Return what a learned and an inferred sample cost, as plain data.

    Parameters
    ----------
    learned, inferred : counts and samples; None where there were none
    memory_bits : bits of memory by role, of a chip for "training" and of one for "inference" alone
    """
    content: dict[str, Any] = {
        "processor": core.name,
        "description": core.summary,
        "tables": core.tables()[:1],
        "clock_hz": core.clock_hz,
    }
    for name, priced in (("training", learned), ("inference", inferred)):
        if priced is None:
            content[name] = None
            continue
        counts, samples = priced
        cost = price_spikes(counts, samples, memory_bits[name], core)
        operations = float(counts["synaptic_operations"].sum()) / samples
        content[name] = {
            "samples": samples,
            "synaptic_operations": six_digits(operations),
            "energy_pj": _band(cost, 1.0),
            "energy_pj_by_role": {role: six_digits(value) for role, value in cost.by_role("energy_pj").items()},
            "energy_pj_per_synaptic_operation": _band(cost, operations) if operations else None,
            "latency_us": six_digits(cost.latency_s * 1e6),
            "memory_bits": {role: bits for role, bits in memory_bits[name].items() if bits},
        }
    return content


def _band(cost: Cost, divided_by: float) -> dict[str, float]:
    return band_as_dict(cost, lambda at: cost.per_sample("energy_pj", at=at) / divided_by)
