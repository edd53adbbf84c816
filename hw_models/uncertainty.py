"""Bands and what decides a ranking: figures are evaluated at the corners of the uncertain constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

from edgelearn.errors import UserError
from hw_models.cost import Constant, Cost

if TYPE_CHECKING:
    from hw_models.comparison import RuleCost

MOST_CONSTANTS = 14
Figure = Callable[[Mapping[str, float]], float]
"""A figure as a function of constants, each a multiple of its nominal value."""


def span(cost: Cost, figure: Figure) -> tuple[float, float, float]:
    """Return low, nominal and high of a figure over the band of every constant of a cost.

    A figure, and a ratio of two, is monotone in each constant, so that its extremes lie at corners.
    """
    if len(cost.constants) > MOST_CONSTANTS:
        raise UserError(
            f"{len(cost.constants)} constants have a band, of which at most {MOST_CONSTANTS} can be followed together; "
            "give the others of your processor a single value"
        )
    corners = [dict(zip((c.name for c in cost.constants), at, strict=True)) for at in _corners(cost.constants)]
    values = [figure(at) for at in corners]
    return min(values), figure({}), max(values)


def _corners(constants: Sequence[Constant]) -> list[tuple[float, ...]]:
    return list(product(*((constant.low, constant.high) for constant in constants)))


@dataclass(frozen=True)
class Swing:
    """What one constant does to a figure, the others nominal."""

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


@dataclass(frozen=True)
class Flip:
    """Two rules change places.

    Parameters
    ----------
    cheaper, dearer : at nominal
    constant : the one that decides, or None where only several together do
    at : the value of the constant (a multiple of nominal) at which both cost the same; None where several decide
    """

    cheaper: str
    dearer: str
    constant: Constant | None
    at: float | None


def ranking(costs: Sequence[RuleCost], name: str) -> list[str]:
    """Return the rules from cheapest to dearest in a figure of a trained sample, at nominal; ties by name."""
    return [cost.name for cost in _ordered(costs, name)]


def _ordered(costs: Sequence[RuleCost], name: str) -> list[RuleCost]:
    return sorted(costs, key=lambda cost: (cost.training.per_sample(name), cost.name))


@dataclass(frozen=True)
class Gap:
    """What a rule costs more than the next cheaper one, in percent of that, and the constant that moves this most."""

    cheaper: str
    dearer: str
    percent: float
    decided_by: Swing | None


def gaps(costs: Sequence[RuleCost], name: str) -> list[Gap]:
    """Return the gaps between neighbours in the order of a figure."""
    found = []
    for cheap, dear in pairwise(_ordered(costs, name)):

        def percent(at: Mapping[str, float], a: Cost = cheap.training, b: Cost = dear.training) -> float:
            return 100 * (b.per_sample(name, at=at) / (a.per_sample(name, at=at) or 1.0) - 1)

        swings = {s.constant.name: s for cost in (cheap, dear) for s in tornado(cost.training, percent)}
        widest = max(swings.values(), key=lambda swing: swing.width, default=None)
        found.append(Gap(cheap.name, dear.name, percent({}), widest if widest and widest.width > 1e-9 else None))
    return found


def flips(costs: Sequence[RuleCost], name: str) -> list[Flip]:
    """Return the pairs of rules whose order in a figure is not certain, with the constant that turns it.

    A figure is affine in each constant, so that the point where two rules cost the same is a line through two values.
    """
    ordered = _ordered(costs, name)
    found: list[Flip] = []
    for i, cheap in enumerate(ordered):
        for dear in ordered[i + 1 :]:
            bands = {band.name: band for cost in (cheap, dear) for band in cost.training.constants}

            def gap(at: Mapping[str, float], a: Cost = cheap.training, b: Cost = dear.training) -> float:
                return b.per_sample(name, at=at) - a.per_sample(name, at=at)

            nominal = gap({})
            tolerance = 1e-9 * max(dear.training.per_sample(name), 1e-300)
            if nominal <= tolerance:
                continue  # equal
            alone = []
            for band in bands.values():
                for end in (band.low, band.high):
                    turned = gap({band.name: end})
                    if turned < -tolerance:
                        at = band.nominal + (end - band.nominal) * nominal / (nominal - turned)
                        alone.append(Flip(cheap.name, dear.name, band, at))
            found += alone
            if not alone:
                names = list(bands)
                corners = product(*((bands[n].low, bands[n].high) for n in names))
                if any(gap(dict(zip(names, corner, strict=True))) < -tolerance for corner in corners):
                    found.append(Flip(cheap.name, dear.name, None, None))
    return found
