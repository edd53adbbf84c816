"""Vectorised parser of columns of numbers.

Each function gives None where the text is not as plain as it expects: a caller then reads the lines one by one,
which is slow, takes more and finds the line to complain about.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LONGEST_WORD, MOST_WORDS = 32, 256
UNKNOWN = 255

_HEX = np.full(256, 255, np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _HEX[np.frombuffer(_digits, np.uint8)] = np.arange(16, dtype=np.uint8)
_GAPS = {
    marks: np.isin(np.arange(256), np.frombuffer(marks + b"\r\n", np.uint8))
    for marks in (b" \t", b",", b";", b"\t", b"|")
}


class Columns:
    """Cells of a text with the same number of columns in every line.

    Parameters
    ----------
    text : whole lines, the last one ended
    n_columns : cells of a line
    marks : bytes between cells: b" \\t" for any number of spaces and tabs, or one byte
    """

    def __init__(self, text: bytes, n_columns: int, marks: bytes = b" \t") -> None:
        self.bytes = np.frombuffer(text, np.uint8)
        gap: np.ndarray = _GAPS[marks][self.bytes]
        edges = np.flatnonzero(gap[1:] != gap[:-1]) + 1
        if not gap[0]:
            edges = np.concatenate(([0], edges))
        ends_of_lines = np.flatnonzero(self.bytes == 10)
        n = len(ends_of_lines)
        self.is_plain = len(edges) == 2 * n_columns * n
        if not self.is_plain:
            return
        cells = edges.reshape(n, 2 * n_columns)
        self.starts, self.ends = cells[:, 0::2], cells[:, 1::2]
        inside = (cells[:, -1] <= ends_of_lines).all() and (cells[1:, 0] > ends_of_lines[:-1]).all()
        n_marks = text.count(marks) if len(marks) == 1 else n * (n_columns - 1)
        self.is_plain = bool(inside) and n_marks == n * (n_columns - 1)

    def bits(self, column: int) -> np.ndarray | None:
        """Read a column of 0 and 1 as uint8[n_lines]."""
        starts = self.starts[:, column]
        values: np.ndarray = self.bytes[starts] - np.uint8(48)
        return values if (self.ends[:, column] - starts == 1).all() and (values <= 1).all() else None

    def marks(self, column: int, meaning: Callable[[str], int | None]) -> np.ndarray | None:
        """Read a column of few different words as uint8[n_lines], by the meaning of each."""
        starts, ends = self.starts[:, column], self.ends[:, column]
        lengths = ends - starts
        longest = int(lengths.max())
        if longest > LONGEST_WORD:
            return None
        if longest == 1:
            letters = self.bytes[starts]
            values = np.full(256, UNKNOWN, np.uint8)
            for letter in np.flatnonzero(np.bincount(letters, minlength=256)):
                known = meaning(chr(letter))
                values[letter] = UNKNOWN if known is None else known
            result: np.ndarray = values[letters]
        else:
            places = np.arange(longest)
            cells = np.where(
                places < lengths[:, None], self.bytes[np.minimum(starts[:, None] + places, len(self.bytes) - 1)], 0
            )
            words, inverse = np.unique(cells.astype(np.uint8).view(f"S{longest}")[:, 0], return_inverse=True)
            if len(words) > MOST_WORDS:
                return None
            known_words = [meaning(word.decode("latin-1")) for word in words]
            values = np.array([UNKNOWN if known is None else known for known in known_words], np.uint8)
            result = values[inverse.reshape(-1)]
        return None if (result == UNKNOWN).any() else result

    def addresses(self, column: int, base: int = 10) -> np.ndarray | None:
        """Read a column of numbers, all or none of them 0x..., as uint64[n_lines]; `base` is of those without 0x."""
        starts, ends = self.starts[:, column], self.ends[:, column]
        # A cell is followed by at least the end of its line.
        prefixed = (self.bytes[starts + 1] | 32 == ord("x")) & (self.bytes[starts] == ord("0"))
        if prefixed.all():
            numbers = self._digits(starts + 2, ends, 16, 16)
        elif prefixed.any():
            return None
        else:
            numbers = self._digits(starts, ends, base, 16 if base == 16 else 19)
        return None if numbers is None else numbers.astype(np.uint64)

    def decimals(self, column: int) -> np.ndarray | None:
        """Read a column of whole numbers below 10**19 as uint64[n_lines]."""
        return self._digits(self.starts[:, column], self.ends[:, column], 10, 19)

    def _digits(self, starts: np.ndarray, ends: np.ndarray, base: int, longest: int) -> np.ndarray | None:
        lengths = ends - starts
        shortest, n_digits = int(lengths.min()), int(lengths.max())
        if shortest < 1 or n_digits > longest:
            return None
        kind = np.uint32 if base**n_digits <= 1 << 32 else np.uint64
        value: np.ndarray = np.zeros(len(starts), kind)
        for k in range(n_digits):
            at = ends - (k + 1)
            if k >= shortest:
                at = np.maximum(at, starts)
            digit = _HEX[self.bytes[at]]
            if (digit >= base).any():
                return None
            if k >= shortest:
                digit[lengths <= k] = 0
            value += digit.astype(kind) * kind(base**k)  # cast first: before numpy 2 a product stays narrow
        return value
