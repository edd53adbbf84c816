"""Values of sensors as words of a front end: the border between floats and integers (contract, section 10)."""

from __future__ import annotations

import numpy as np

from edgelearn.fixedpoint.floats import exponent_of, power_of_two
from edgelearn.fixedpoint.lanes import compiled, inlined
from edgelearn.network.kernels import tables as t
from edgelearn.streaming.front_end import UNSEEN, WORD_BITS

_WORD_BITS, _UNSEEN = WORD_BITS, UNSEEN
_LEAST_EXPONENT = -1000  # in place of UNSEEN, whose power of two is no float; far below that of any float32
_MOST_GROWTH = 255
_LARGEST = 2.0**WORD_BITS


@inlined
def bounded(exponent):  # type: ignore[no-untyped-def]
    """Return an exponent whose power of two is a float."""
    return max(exponent, np.int64(_LEAST_EXPONENT))


@inlined
def within(x, exponent):  # type: ignore[no-untyped-def]
    """Return whether a value needs no larger exponent; NaN does not, as it has no word."""
    return (not abs(x) >= power_of_two(bounded(exponent))) | (x == 0.0)


@inlined
def word_of(x, exponent):  # type: ignore[no-untyped-def]
    """Return rint(x * 2^(22 - E)), halves to even, of a value within its exponent."""
    return np.int64(np.int32(np.rint(x * power_of_two(_WORD_BITS - bounded(exponent)))))


@inlined
def word_of_any(x, exponent):  # type: ignore[no-untyped-def]
    """Return the word of any value: beyond its exponent as large as words get, 0 where all were zero so far."""
    scaled = np.rint(x * power_of_two(_WORD_BITS - bounded(exponent)))
    word = np.int64(max(min(scaled, _LARGEST), -_LARGEST))
    return np.int64(0) if exponent == _UNSEEN else word


@compiled
def write_words(x, exponents, words, shifts):  # type: ignore[no-untyped-def]
    """Write the words of samples, and let exponents grow with them.

    Parameters
    ----------
    x : float64[n, n_channels], NaN where there is no value
    exponents : int64[n_channels], changed
    words : int64[n, n_channels], written
    shifts : uint8[n, n_channels], zeros; written where the exponent of a channel grows before a sample
    """
    n_channels = x.shape[1]
    for i in range(x.shape[0]):
        fits = True
        for c in range(n_channels):
            fits &= within(x[i, c], exponents[c])
        if not fits:
            for c in range(n_channels):
                if not within(x[i, c], exponents[c]):
                    exponent = exponent_of(x[i, c])
                    if exponents[c] != _UNSEEN:
                        shifts[i, c] = min(exponent - exponents[c], _MOST_GROWTH)
                    exponents[c] = exponent
        for c in range(n_channels):
            missing = x[i, c] != x[i, c]
            words[i, c] = np.int64(t.MISSING_WORD) if missing else word_of(x[i, c], exponents[c])
