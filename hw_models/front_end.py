"""Cost of the model in front of a network that learns, from its multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgelearn.network.spec import design
from hw_models.engine.schedule import assume
from hw_models.processor import AnyProcessor

_LAYER = (256, 64)  # whose inference gives the price of a MAC: large enough that neurons hardly count


@dataclass(frozen=True)
class FrontEndCost:
    """Cost of one inference of a front end.

    Parameters
    ----------
    macs, weight_words : per inference; stored
    energy_pj : None where the processor has no energy
    cycles, latency_s : at the processor's clock
    """

    macs: int
    weight_words: int
    energy_pj: float | None
    cycles: float
    latency_s: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "macs": self.macs,
            "weight_words": self.weight_words,
            "energy_pj": self.energy_pj,
            "latency_us": 1e6 * self.latency_s,
        }


def front_end_cost(macs: int, weight_words: int, processor: AnyProcessor) -> FrontEndCost:
    """Price a front end as so many MACs of a dense layer of 8-bit weights and non-zero 8-bit inputs.

    Parameters
    ----------
    macs : multiply-accumulates per inference

    Notes
    -----
    An estimate: a runtime with vector instructions takes fewer cycles per MAC than firmware that looks at each input,
    and one in floating point without a unit for it takes more. `docs/cost_model.md` has the prices of the layer.

    Example
    -------
    >>> from hw_models.processor import find_processor
    >>> cost = front_end_cost(1_000_000, 50_000, find_processor("cortex-m4"))
    >>> round(cost.energy_pj / 1e9, 1), round(cost.latency_s, 2)
    (2.1, 0.13)
    """
    spec = design(_LAYER, rule="shallow", input_bits=8)
    cost = processor.price(spec, assume(spec), learning=False)
    n = _LAYER[0] * _LAYER[1]
    energy = cost.energy_per_sample_pj * macs / n if "energy_pj" in cost.prices else None
    share = macs / n
    return FrontEndCost(macs, weight_words, energy, cost.cycles_per_sample * share, cost.latency_s * share)
