"""Uncertainty bands: corners of the uncertain constants, and sensitivity to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.units import six_digits
from hw_models.cost import Constant, Cost

MOST_CONSTANTS = 14
Figure = Callable[[Mapping[str, Any]], Any]
"""A figure as a function of constants, each a multiple of its nominal value: a float, or an array of floats for all
corners of a band at once. Both give the same bits, as every operation is one of IEEE doubles."""


def span(cost: Cost, figure: Figure) -> tuple[float, float, float]:
    """Return low, nominal and high of a figure over the band of every constant of a cost.

    A figure, and a ratio of two, is monotone in each constant, so that its extremes lie at corners.
    """
    return span_over(cost.constants, figure)


def span_over(constants: Sequence[Constant], figure: Figure) -> tuple[float, float, float]:
    """Return low, nominal and high of a figure over the bands of constants, as `span` does.

    Raises
    ------
    UserError
        "... constants have a band ..."
    """
    if len(constants) > MOST_CONSTANTS:
        raise UserError(
            f"{len(constants)} constants have a band, of which at most {MOST_CONSTANTS} can be followed together; "
            "give the others of your processor a single value"
        )
    at_corners = figure(_corners(tuple((constant.name, constant.low, constant.high) for constant in constants)))
    return float(np.min(at_corners)), float(figure({})), float(np.max(at_corners))


def shared_constants(*costs: Cost) -> list[Constant]:
    """Return the constants of several costs on one processor, each once: they move together."""
    return list({constant.name: constant for cost in costs for constant in cost.constants}.values())


def at_sample(cost: Cost, figure: str, at: Mapping[str, Any]) -> Any:
    """Return a figure per sample as a function of the constants."""
    return cost.per_sample(figure, at=at)


def band_as_dict(cost: Cost, figure: Figure) -> dict[str, float]:
    """Return `span` as plain data."""
    return {name: six_digits(value) for name, value in zip(("low", "nominal", "high"), span(cost, figure), strict=True)}


@lru_cache(maxsize=16)
def _corners(bands: tuple[tuple[str, float, float], ...]) -> Mapping[str, np.ndarray]:
    """Return the values of constants, given as name, low and high, at all corners: float64[2^n] by name."""
    grid = np.meshgrid(*((low, high) for _, low, high in bands), indexing="ij")
    return {name: values.ravel() for (name, _, _), values in zip(bands, grid, strict=True)}


@dataclass(frozen=True)
class Swing:
    """Sensitivity of a figure to one constant, the others nominal."""

    constant: Constant
    at_low: float
    at_high: float

    @property
    def width(self) -> float:
        return abs(self.at_high - self.at_low)


def tornado(cost: Cost, figure: Figure) -> list[Swing]:
    """Return the swing of a figure by constant, the widest first."""
    swings = [Swing(c, figure({c.name: c.low}), figure({c.name: c.high})) for c in cost.constants]
    return sorted(swings, key=lambda swing: -swing.width)
