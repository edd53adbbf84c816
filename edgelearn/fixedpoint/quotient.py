"""Quotients of integers within small limits: exact in float64, of which processors divide several at once."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from edgelearn.fixedpoint.lanes import inlined


def _in_integers(a, b, limit):  # type: ignore[no-untyped-def]
    """Return a / b rounded to the nearest, halves up, within -limit to limit: int32."""
    return np.int32(min(max((2 * a + b) // (2 * b), -limit), limit))


def _in_floats(a, b, limit):  # type: ignore[no-untyped-def]
    """Return what `_in_integers` returns, for |a| below 2^51, b from 1 to 2^44 and limits below 2^8.

    Numerator and denominator of (2a + b) / (2b) are exact. A quotient below 2^8 that is no integer is at least
    1 / (2b) >= 2^-45 away from one, and is rounded by at most 2^-46: it stays on its side. Larger ones are limited.
    """
    numerator, denominator = 2.0 * np.float64(a) + np.float64(b), 2.0 * np.float64(b)
    quotient = np.floor(numerator / denominator)
    return np.int32(max(min(quotient, np.float64(limit)), np.float64(-limit)))


rounded_quotient: Any = _in_integers if numba.config.DISABLE_JIT else inlined(_in_floats)  # type: ignore[attr-defined]
