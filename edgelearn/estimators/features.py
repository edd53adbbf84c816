"""Named features of one sample and their channels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from edgelearn.data.cells import FLOAT32_LIMIT
from edgelearn.errors import UserError


def in_order(x: Mapping[Any, Any]) -> tuple[Any, ...]:
    """Return the names of features in an order that does not hang on how x was filled: numbers by size, x2 before x10.

    Raises
    ------
    UserError
        "sample ..."

    Example
    -------
    >>> in_order({"x10": 1.0, "x2": 2.0, "acc": 3.0})
    ('acc', 'x2', 'x10')
    """

    if not isinstance(x, Mapping) or not x:
        raise UserError(
            f"sample {x!r:.60} has no named features; give a dictionary, for example {{'x': 0.5, 'y': 1.0}}, or arrays "
            "to partial_fit and predict"
        )

    def key(name: Any) -> tuple[Any, ...]:
        if isinstance(name, Real):
            return (0, float(name), [], "")
        parts = [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in _PARTS.findall(str(name))]
        return (1, 0.0, parts, repr(name))

    return tuple(sorted(x, key=key))


_PARTS = re.compile(r"\d+|\D+")


def values_of(x: Mapping[Any, Any], names: tuple[Any, ...]) -> np.ndarray:
    """Return the values of named features, float64[n], NaN where one is missing, None or NaN.

    Raises
    ------
    UserError
        "feature ..."
    """
    try:
        exact = np.array([x[name] for name in names])
        plain = exact.dtype.kind in "fiub" and exact.ndim == 1
    except (KeyError, ValueError, TypeError):
        plain = False
    if not plain:
        given = [x.get(name) for name in names]
        exact = np.array([_number(name, value) for name, value in zip(names, given, strict=True)])
    values = exact.astype(np.float64)
    if (np.abs(values) >= FLOAT32_LIMIT).any():
        at = int(np.flatnonzero(np.abs(values) >= FLOAT32_LIMIT)[0])
        raise UserError(
            f"feature {names[at]!r} is {exact[at]}, which no sensor word can hold; leave it out of the sample, or give "
            "a finite number below 3.4e38"
        )
    return values


def _number(name: Any, value: Any) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, Real | np.bool_):
        raise UserError(
            f"feature {name!r} is {value!r}, and only numbers can be learned; turn it into numbers first, for example "
            "with a one-hot encoder, or leave it out"
        )
    try:
        return float(value)
    except OverflowError:
        return float("inf")
