"""Exponentially decaying sums (prequential scores); the only float kernel."""

from __future__ import annotations

from edgelearn.fixedpoint.lanes import compiled


@compiled
def fade(values, factor, last, faded):  # type: ignore[no-untyped-def]
    """Write faded[i] = values[i] + factor * faded[i - 1], with `last` before the first: float64[n]."""
    for i in range(values.shape[0]):
        last = values[i] + factor * last
        faded[i] = last
