"""Ranking of rules by a figure, its sensitivity, and where the order flips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from edgelearn.units import six_digits
from hw_models.compare.bands import Swing, at_sample, span_over, tornado
from hw_models.compare.relative import percent_over
from hw_models.compare.rules import RuleCost
from hw_models.cost import Constant, Cost


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
    """Difference of a rule to the next cheaper one in percent, and the constant with the largest effect on it."""

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

            def gap(at: Mapping[str, Any], a: Cost = cheap.training, b: Cost = dear.training) -> Any:
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
            if alone:
                continue
            if span_over(list(bands.values()), gap, cheap.training, dear.training)[0] < -tolerance:
                found.append(Flip(cheap.name, dear.name, None, None))
    return found


def verdict_as_dict(costs: Sequence[RuleCost], figure: str) -> dict[str, Any] | None:
    """Return the cheapest rule in a figure, the next one, what decides their gap, and what changes the order.

    Rules that do not learn hidden layers are left out where two others are priced: they buy less. None for a single
    rule.
    """
    hidden = [cost for cost in costs if any(row.learns_hidden for row in cost.spec.rules)]
    compared = hidden if len(hidden) > 1 else list(costs)
    if len(compared) < 2:
        return None
    first, *others = _ordered(compared, figure)
    second = others[0]
    over = percent_over(second.training, first.training, figure) or (0.0, 0.0, 0.0)
    sides = ("low", "nominal", "high")
    gap = gaps([first, second], figure)[0]
    least = first.training.per_sample(figure)
    return {
        "figure": figure,
        "left_out": [cost.name for cost in costs if cost not in compared],
        "cheapest": first.name,
        "next": second.name,
        "as_cheap": [cost.name for cost in others if cost.training.per_sample(figure) - least <= 1e-9 * least],
        "next_over_cheapest_percent": {side: six_digits(value) for side, value in zip(sides, over, strict=True)},
        "decided_by": gap.decided_by and gap.decided_by.constant.name,
        "flips": [_flip_as_dict(flip) for flip in flips(compared, figure)],
    }


def _flip_as_dict(flip: Flip) -> dict[str, Any]:
    return {
        "cheaper": flip.cheaper,
        "dearer": flip.dearer,
        "constant": flip.constant.name if flip.constant else None,
        "at": flip.at,
    }


def ranking_as_dict(costs: list[RuleCost]) -> dict[str, Any]:
    """Return the order of the rules by figure, where it turns, and what each constant moves, as plain data."""
    ranked: dict[str, Any] = {}
    for figure in ("energy_pj", "cycles", "area_um2"):
        if figure not in costs[0].training.prices:
            continue
        value = {cost.name: cost.training.per_sample(figure) for cost in costs}
        order = ranking(costs, figure)
        text = order[0]
        for before, name in pairwise(order):
            equal = value[name] - value[before] <= 1e-9 * value[name]
            text += f" {'=' if equal else '<'} {name}"
        ranked[figure] = {
            "order": text,
            "gaps": [
                {
                    "cheaper": gap.cheaper,
                    "dearer": gap.dearer,
                    "percent": six_digits(gap.percent),
                    "decided_by": gap.decided_by and gap.decided_by.constant.name,
                    "at_low": gap.decided_by and six_digits(gap.decided_by.at_low),
                    "at_high": gap.decided_by and six_digits(gap.decided_by.at_high),
                }
                for gap in gaps(costs, figure)
            ],
            "verdict": verdict_as_dict(costs, figure),
            "flips": [_flip_as_dict(flip) for flip in flips(costs, figure)],
            "swings": {
                cost.name: [
                    {
                        "constant": swing.constant.name,
                        "at_low": six_digits(swing.at_low),
                        "at_high": six_digits(swing.at_high),
                    }
                    for swing in tornado(cost.training, partial(at_sample, cost.training, figure))
                    if swing.width
                ]
                for cost in costs
            },
        }
    return ranked
