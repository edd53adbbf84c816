"""The weight word: a view of `bits` on top of `residual_bits`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError


@dataclass(frozen=True)
class WeightFormat:
    """A stored weight: raw W of `stored_bits`, worth W * 2^(range_exponent - (bits - 1) - residual_bits).

    The forward pass reads the view w = W >> residual_bits; the residual bits under it collect the part of
    each step that is finer than one step of the view.

    Raises
    ------
    UserError
        "weights of N bits ..." or "N residual bits ...", with the range that is allowed.
    """

    bits: int
    residual_bits: int = 0
    range_exponent: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise UserError(f"weights of {self.bits} bits cannot be built; --bits takes 2 to 16")
        if not 0 <= self.residual_bits <= 8:
            raise UserError(f"{self.residual_bits} residual bits cannot be built; --residual-bits takes 0 to 8")
        if self.stored_bits > 16:
            raise UserError(
                f"{self.bits} view bits and {self.residual_bits} residual bits make {self.stored_bits} stored bits, "
                f"more than 16; use --residual-bits {16 - self.bits} or fewer"
            )

    @property
    def stored_bits(self) -> int:
        return self.bits + self.residual_bits

    @property
    def min_raw(self) -> int:
        return -(1 << (self.stored_bits - 1))

    @property
    def max_raw(self) -> int:
        return (1 << (self.stored_bits - 1)) - 1

    @property
    def lsb(self) -> float:
        return 2.0 ** (self.range_exponent - (self.bits - 1) - self.residual_bits)

    def from_float(self, x: np.ndarray) -> np.ndarray:
        """Quantise initial values: nearest raw word plus half a view step, so that the view is rounded.

        Parameters
        ----------
        x : float64[...]

        Returns
        -------
        int16[...], raw stored words.

        Example
        -------
        >>> WeightFormat(4, 2).from_float(np.array([0.0, 0.5, 9.0])).tolist()
        [2, 18, 31]
        """
        half = 1 << (self.residual_bits - 1) if self.residual_bits else 0
        raw = np.floor(np.asarray(x, np.float64) / self.lsb + 0.5) + half
        return np.asarray(np.clip(raw, self.min_raw, self.max_raw), np.int16)

    def view(self, raw: np.ndarray) -> np.ndarray:
        """Return the raw view words of raw stored words."""
        return np.asarray(np.right_shift(raw, self.residual_bits), np.int16)

    def __str__(self) -> str:
        return f"{self.bits}-bit view + {self.residual_bits}-bit residual = {self.stored_bits} bits stored"
