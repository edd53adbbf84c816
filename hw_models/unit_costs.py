"""Cost of one of each count: prices samples one by one while a device is simulated in real time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.network.counters import ACTIVITY, CONVOLUTION_ACTIVITY, Counters
from edgelearn.network.spec import NetworkSpec
from hw_models.engine.schedule import FORWARD_ACTIVITY, assume
from hw_models.processor import AnyProcessor, Engine

MANY = 2**20  # so many counts that their price stands out of the rounding of a float
_GATED = {"samples": "gated_samples", "input_events": "gated_events"}


@dataclass(frozen=True, slots=True, eq=False)
class UnitCosts:
    """Nominal cost of one of each count.

    Parameters
    ----------
    cycles, energy_pj : float64[2, K, len(Counters.names)]; labelled samples, samples only predicted; energy is None
        where the processor has no sourced energy
    idle_uw : power between samples, None where nobody gives it
    clock_hz : cycles per second
    """

    cycles: np.ndarray
    energy_pj: np.ndarray | None
    idle_uw: float | None
    clock_hz: float

    def total(self, figure: np.ndarray, labelled: Counters, predicted: Counters) -> float:
        """Price counts of a run with one of the two figures."""
        return float((figure[0] * labelled.table).sum() + (figure[1] * predicted.table).sum())


def unit_costs(spec: NetworkSpec, processor: AnyProcessor) -> UnitCosts:
    """Return the cost of one of each count; the cost model is linear in them (docs/cost_model.md).

    Samples that are only predicted run on a chip that can learn, and pay for their forward pass alone.
    """
    n_layers = len(spec.layers)
    dense = assume(spec)
    columns = dense.names
    cycles, energy = np.zeros((2, n_layers, len(columns))), np.zeros((2, n_layers, len(columns)))
    full = processor.price(spec, dense)
    for name in (*ACTIVITY, *(CONVOLUTION_ACTIVITY if spec.is_convolutional else ())):
        for k in range(n_layers):
            column = columns.index(name)
            for which, names in enumerate(((name,), (name, _GATED.get(name, name)))):
                if which == 1 and name not in FORWARD_ACTIVITY:
                    continue
                more = Counters(dense.table.copy())
                for counted in names:
                    more[counted][k] += MANY
                cost = processor.price(spec, more)
                cycles[which, k, column] = (cost.total("cycles") - full.total("cycles")) / MANY
                energy[which, k, column] = (cost.total("energy_pj") - full.total("energy_pj")) / MANY
    idle = processor.idle_power.nominal if processor.idle_power is not None else None
    if idle is None and isinstance(processor, Engine):
        idle = full.total("leakage_uw")
    return UnitCosts(cycles, energy if "energy_pj" in full.prices else None, idle, processor.clock_hz)
