"""Rules relative to one of them: differences in percent, with the band of the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgelearn.errors import UserError
from edgelearn.units import six_digits
from hw_models.compare.bands import Figure, Swing, shared_constants, span_over
from hw_models.compare.rules import RuleCost
from hw_models.cost import Cost, percent_more

RELATIVE = {"energy": "energy_pj", "cycles": "cycles", "area": "area_um2", "memory": "memory_bits"}


def _percent(cost: Cost, base: Cost, figure: str) -> Figure:
    """Return a figure over that of another cost, in percent of the other, as a function of the constants."""

    def percent(at: Mapping[str, Any]) -> Any:
        return percent_more(cost.per_sample(figure, at=at), base.per_sample(figure, at=at))

    return percent


def swings_over(cost: Cost, base: Cost, figure: str) -> tuple[float, list[Swing]]:
    """Return the difference to another cost in percent, and how far each constant alone moves it."""
    percent = _percent(cost, base, figure)
    swings = [Swing(c, percent({c.name: c.low}), percent({c.name: c.high})) for c in shared_constants(cost, base)]
    return percent({}), swings


def percent_over(cost: Cost, base: Cost, figure: str) -> tuple[float, float, float] | None:
    """Return low, nominal and high of a figure over that of another cost, in percent of the other.

    Constants are shared by both: where memory energy is high, it is so for both. The ratio of two sums is monotone in
    each constant, so that its extremes lie at corners. None where the processor does not price the figure.
    """
    if figure not in base.prices:
        return None
    return span_over(shared_constants(cost, base), _percent(cost, base, figure), cost, base)


def relative_as_dict(costs: Sequence[RuleCost], base: str) -> dict[str, Any]:
    """Return energy, cycles, area and memory of a learned sample of every rule, relative to one rule.

    Parameters
    ----------
    base : name of one of the costs

    Returns
    -------
    base, and by rule and figure the difference in percent: low, nominal, high

    Raises
    ------
    UserError
        "--against ... is not priced ..."
    """
    reference = next((cost for cost in costs if cost.name == base), None)
    if reference is None:
        raise UserError(f"--against {base[:60]} is not priced here; give one of {', '.join(c.name for c in costs)}")
    if len(costs) == 1:
        raise UserError(f"--against {base} needs another rule beside it; give --rule all, for example")
    rules: dict[str, dict[str, dict[str, float] | None]] = {}
    for cost in costs:
        if cost is reference:
            continue
        rules[cost.name] = {}
        for name, figure in RELATIVE.items():
            found = percent_over(cost.training, reference.training, figure)
            sides = ("low", "nominal", "high")
            rules[cost.name][name] = found and {s: six_digits(v) for s, v in zip(sides, found, strict=True)}
    return {"base": base, "rules": rules}


def relative_over_structures(structures: Mapping[str, Any], base: str) -> dict[str, dict[str, float]]:
    """Return the energy of a learned sample relative to one rule over a set of engines, by rule.

    Parameters
    ----------
    structures : of `structures_as_dict`, which has each pair once, the dearer rule over the cheaper one
    """

    def inverse(percent: float) -> float:
        return six_digits(100 * (1 / (1 + percent / 100) - 1))

    found: dict[str, dict[str, float]] = {}
    for pair in structures["pairs"]:
        low, high = (pair["energy_percent"][side] for side in ("low", "high"))
        if pair["cheaper"] == base:
            found[pair["dearer"]] = {"low": low, "high": high}
        elif pair["dearer"] == base:
            found[pair["cheaper"]] = {"low": inverse(high), "high": inverse(low)}
    return found
