"""Rows of a text table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Rows(NamedTuple):
    """Rows of a table.

    Parameters
    ----------
    x : float32 [n, n_features], or float64 where the reader says so; nominal features are numbers of their values, of
        which `TableReader.expand` makes inputs
    labels : n cells as they stand
    t : float64 [n], NaN where no column holds the time
    segment : int64 [n], changes of the segment's column so far
    numbers : int64 [n], the line of each row, counting from 1
    texts : cells of the columns that are handed over as they stand, n each
    """

    x: NDArray[Any]
    labels: list[str]
    t: NDArray[np.float64]
    segment: NDArray[np.int64]
    numbers: NDArray[np.int64]
    texts: list[list[str]]


def part_of(rows: Rows, first: int, end: int) -> Rows:
    """Return some of the rows, in order."""
    part = slice(first, end)
    arrays = (rows.t[part], rows.segment[part], rows.numbers[part])
    return Rows(rows.x[part], rows.labels[part], *arrays, [cells[part] for cells in rows.texts])


def joined(parts: Sequence[Rows]) -> Rows:
    """Join rows that follow one another."""
    x, labels, t, segment, numbers, texts = zip(*parts, strict=True)
    columns = [list(chain.from_iterable(cells)) for cells in zip(*texts, strict=True)]
    return Rows(
        np.concatenate(x),
        list(chain.from_iterable(labels)),
        np.concatenate(t),
        np.concatenate(segment),
        np.concatenate(numbers),
        columns,
    )
