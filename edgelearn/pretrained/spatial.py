"""Operators on maps, as layers in front of a cut that can be converted have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgelearn.pretrained.operators import Other

Sides = tuple[tuple[int, int], tuple[int, int]]
"""Elements added above and below, left and right."""
CROPPED = "its padding is negative, which crops the map"


@dataclass(frozen=True, eq=False)
class Convolution:
    """z[y, x, o] = bias[o] + sum over taps of weights[o, dy, dx, c] input[y sy + dy - top, x sx + dx - left, c].

    Parameters
    ----------
    weights : float64[maps, height, width, channels / groups]
    biases : float64[maps]
    strides, padding : rows first
    groups : 1, or the number of channels: maps o = c * multiplier + m then read channel c alone
    channels_first : whether the model's tensors are [n, channels, height, width]
    activation, slope : behind it
    """

    weights: np.ndarray
    biases: np.ndarray
    strides: tuple[int, int]
    padding: Sides
    groups: int
    channels_first: bool
    activation: str = "linear"
    slope: float = 0.0


@dataclass(frozen=True)
class Pool:
    """The largest value or the mean of each window.

    Parameters
    ----------
    kind : "max" or "mean"
    size : of the windows, None for the whole map
    padding : of "max" alone, where it never is the largest
    """

    kind: str
    size: tuple[int, int] | None
    strides: tuple[int, int]
    padding: Sides
    channels_first: bool


@dataclass(frozen=True)
class Pad:
    """Zeros around a map."""

    padding: Sides
    channels_first: bool


@dataclass(frozen=True, eq=False)
class Spatial(Other):
    """An operator on maps, which is not read behind a cut; `read` gives it, or the reason why it is not converted."""

    read: Callable[[], Convolution | Pool | Pad | Other]


def same(size: int, kernel: int, stride: int, lower: bool = False) -> tuple[int, int]:
    """Return the padding of "same": as many positions as strides in the map, the odd element at the end.

    Parameters
    ----------
    lower : whether the odd element stands in front
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    half = total // 2
    return (total - half, half) if lower else (half, total - half)
