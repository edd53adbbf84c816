"""Whole numbers of a sensor behind the values of a recording: what firmware takes in place of floats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError

MOST_DIGITS = 6
NO_VALUE = -(2**31)  # in place of a number
_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class Units:
    """What a whole number of each channel stands for: (number - offset) / 10^digits, or number / 2^binary.

    Parameters
    ----------
    digits : decimals of each channel, 0 to 6
    binary : exponent of the part of one that a number counts; 0 where decimals are whole numbers
    offsets : numbers that the reader subtracts before the cast to 32 bits
    exact : whether each value of the recording is such a number
    """

    digits: tuple[int, ...]
    binary: tuple[int, ...]
    offsets: tuple[int, ...]
    exact: tuple[bool, ...]

    @property
    def has_decimals(self) -> bool:
        return any(self.digits)

    @property
    def has_offsets(self) -> bool:
        return any(self.offsets)

    def __getitem__(self, c: int) -> str:
        """Return what a number of a channel counts, in words."""
        if self.digits[c]:
            return f"1/{10 ** self.digits[c]:,}"
        return f"2^{-self.binary[c]}" if self.binary[c] else "1"


def units_of(x: np.ndarray, offsets: np.ndarray | None = None) -> Units:
    """Find the units of a recording, float32[n, n_channels]; `offsets` were subtracted on reading.

    Notes
    -----
    The fewest decimals are taken that give every value; without any, numbers count a power of two, and keep the bits
    that words can hold.

    Raises
    ------
    UserError
        "channel ... lies too far from zero ..."
    """
    found = [_unit_of(x[:, c], 0.0 if offsets is None else float(offsets[c]), c) for c in range(x.shape[1])]
    digits, binary, shifted, exact = zip(*found, strict=True)
    return Units(digits, binary, shifted, exact)


def _unit_of(x: np.ndarray, offset: float, c: int) -> tuple[int, int, int, bool]:
    present = x[~np.isnan(x)].astype(np.float64)
    for digits in range(MOST_DIGITS + 1):
        shifted = np.rint(offset * 10**digits)
        numbers = np.rint(present * 10**digits) + shifted
        if np.abs(numbers).max(initial=0) >= _LIMIT or abs(shifted) >= _LIMIT:
            break
        if (((numbers - shifted) / 10**digits).astype(np.float32) == x[~np.isnan(x)]).all():
            return digits, 0, int(shifted), True
    if offset:
        raise UserError(
            f"channel {c + 1} lies too far from zero for whole numbers of 32 bits; subtract a constant from it"
        )
    largest = np.abs(present).max(initial=0)
    binary = 31 - int(np.frexp(largest)[1]) if largest else 0
    scaled = np.ldexp(present, binary)
    return 0, binary, 0, bool((scaled == np.rint(scaled)).all())


def numbers_of(x: np.ndarray, units: Units) -> np.ndarray:
    """Return the whole numbers of a recording: int32[n, n_channels], NO_VALUE where there is none.

    A value between two numbers becomes the odd one, so that rounding it again to a word gives the word of the value.
    """
    exact = x.astype(np.float64)
    missing = np.isnan(exact)
    exact[missing] = 0
    for c, (digits, binary, offset) in enumerate(zip(units.digits, units.binary, units.offsets, strict=True)):
        if binary:
            scaled = np.ldexp(np.abs(exact[:, c]), binary)
            floor = np.floor(scaled).astype(np.int64)
            exact[:, c] = np.sign(exact[:, c]) * np.minimum(floor | (floor < scaled), _LIMIT)
        else:
            exact[:, c] = np.rint(exact[:, c] * 10**digits) + offset
    return np.where(missing, NO_VALUE, exact.astype(np.int64)).astype(np.int32)
