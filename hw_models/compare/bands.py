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

MOST_CONSTANTS = 14  # whose corners are all evaluated
Figure = Callable[[Mapping[str, Any]], Any]
"""A figure as a function of constants, each a multiple of its nominal value: a float, or an array of floats for all
corners of a band at once. Both give the same bits, as every operation is one of IEEE doubles."""


def span(cost: Cost, figure: Figure, *others: Cost) -> tuple[float, float, float]:
    """Return low, nominal and high of a figure over the band of every constant of a cost.

    A figure, and a ratio of two, is monotone in each constant, so that its extremes lie at corners.

    Parameters
    ----------
    figure : a total, a difference or a ratio of two
    others : costs that the figure is computed from beside this one
    """
    return span_over(cost.constants, figure, cost, *others)


def span_over(constants: Sequence[Constant], figure: Figure, *costs: Cost) -> tuple[float, float, float]:
    """Return low, nominal and high of a figure over the bands of constants, as `span` does.

    Parameters
    ----------
    costs : those that the figure is computed from

    Raises
    ------
    UserError
        "... constants have a band ..."

    Notes
    -----
    Up to `MOST_CONSTANTS`, all corners are evaluated. Of more, only corners of the constants that multiply others
    are: in the rest, which are summed, the figure is linear or a ratio of linear functions, whose extreme is where no
    constant alone improves it (`_climbed`).
    """
    nominal = float(figure({}))
    if len(constants) <= MOST_CONSTANTS:
        at_corners = figure(_corners(tuple((constant.name, constant.low, constant.high) for constant in constants)))
        return float(np.min(at_corners)), nominal, float(np.max(at_corners))
    factors = _factors(constants, costs)
    if len(factors) > MOST_CONSTANTS:
        raise UserError(
            f"{len(factors)} constants have a band and multiply others, of which at most {MOST_CONSTANTS} can be "
            "followed together; give the others of your processor a single value"
        )
    summed = [constant for constant in constants if constant not in factors]
    high = _climbed(factors, summed, figure)
    low = -_climbed(factors, summed, lambda at: -figure(at))
    return low, nominal, high


def _factors(constants: Sequence[Constant], costs: Sequence[Cost]) -> list[Constant]:
    """Return constants without which no item of any cost is proportional to two of the others.

    Without costs, nothing is known about their products: all of them.
    """
    left = {constant.name for constant in constants}
    products = {frozenset(item.constants) & left for cost in costs for item in cost.items}
    factors = set() if costs else set(left)
    while products := {product - factors for product in products if len(product - factors) > 1}:
        factors.add(max(sorted(left - factors), key=lambda name: sum(name in product for product in products)))
    return [constant for constant in constants if constant.name in factors]


def _climbed(factors: Sequence[Constant], summed: Sequence[Constant], figure: Figure) -> float:
    """Return the largest value of a figure over the corners of constants.

    Parameters
    ----------
    factors : all corners of these are evaluated
    summed : with factors given, the figure is A / B, both linear in these and B positive

    Notes
    -----
    With f the value at a corner, A - f B is linear and zero there. Constants whose other end alone makes the figure
    larger make A - f B larger: all of them are moved together, until there is none. A - f B is nowhere positive then,
    so that no corner is above f (Dinkelbach, On nonlinear fractional programming, 1967).
    """
    fixed = _corners(tuple((constant.name, constant.low, constant.high) for constant in factors))
    n_corners, n = 2 ** len(factors), len(summed)
    lows, highs = (np.array([getattr(constant, end) for constant in summed]) for end in ("low", "high"))
    moved = np.vstack([np.zeros((1, n), bool), np.eye(n, dtype=bool)])  # none, then each one alone
    at_high = np.ones((n_corners, n), bool)
    best = np.full(n_corners, -np.inf)
    while True:
        ends = np.where(at_high[:, None, :] ^ moved, highs, lows)  # [n_corners, 1 + n, n]
        at = {name: values[:, None] for name, values in fixed.items()}
        at |= {constant.name: ends[..., i] for i, constant in enumerate(summed)}
        values = np.broadcast_to(figure(at), (n_corners, 1 + n))
        rising = values[:, 0] > best
        best = np.maximum(best, values[:, 0])
        better = (values[:, 1:] > values[:, :1]) & rising[:, None]
        if not better.any():
            return float(best.max())
        at_high ^= better


def shared_constants(*costs: Cost) -> list[Constant]:
    """Return the constants of several costs on one processor, each once: they move together."""
    return list({constant.name: constant for cost in costs for constant in cost.constants}.values())


def at_sample(cost: Cost, figure: str, at: Mapping[str, Any]) -> Any:
    """Return a figure per sample as a function of the constants."""
    return cost.per_sample(figure, at=at)


def band_as_dict(cost: Cost, figure: Figure, *others: Cost) -> dict[str, float]:
    """Return `span` as plain data."""
    found = span(cost, figure, *others)
    return {name: six_digits(value) for name, value in zip(("low", "nominal", "high"), found, strict=True)}


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
