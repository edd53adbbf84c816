"""Uniform quantisation of features to 2^bits levels; level 0 is no event."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def encode_levels(x: np.ndarray, low: ArrayLike, high: ArrayLike, bits: int) -> np.ndarray:
    """Map values to unsigned levels.

        level = min(floor((x - low) / (high - low) * 2^bits), 2^bits - 1), at least 0

    Parameters
    ----------
    x : uint8 or float[n, n_features]; NaN is a missing value: level 0, no event
    low, high : float, broadcast over features; a feature with high <= low is always level 0
    bits : 1..8

    Returns
    -------
    uint8[n, n_features]

    Notes
    -----
    Bytes in the range 0..256 keep their top bits; with one bit a pixel is an event above 127.

    Example
    -------
    >>> encode_levels(np.array([[0, 127, 128, 255]], np.uint8), 0, 256, 1).tolist()
    [[0, 0, 1, 1]]
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if x.dtype == np.uint8 and np.all(low == 0) and np.all(high == 256):
        return np.asarray(np.right_shift(x, 8 - bits))
    width = high - low
    scale = np.divide(2.0**bits, width, out=np.zeros_like(width), where=width > 0)
    levels = np.floor((np.asarray(x, np.float64) - low) * scale)
    return np.asarray(np.clip(np.where(np.isnan(levels), 0, levels), 0, 2**bits - 1), np.uint8)
