"""Whether features have the scale that the levels of an earlier run, or of a model, were made for."""

from __future__ import annotations

import numpy as np

from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.levels import LevelFrontEnd, RangeFrontEnd
from edgelearn.runs.stored import AnyFrontEnd
from edgelearn.streaming.front_end import FrontEnd

MOST_BEYOND = 0.05  # share of features beyond the levels, from which a note asks
MOST_AT_THE_ENDS = 0.25  # of the levels of a normalised stream, whose rare large values are cut by design
LEAST_REACHED = 1 / 16  # of the highest level, by any feature
FEWEST = 10  # values beyond, of few rows
MOST_ROWS = 10_000


def share_beyond(front_end: AnyFrontEnd, x: np.ndarray) -> float | None:
    """Return the share of features beyond the levels, 0 to 1; None where levels follow the data.

    Parameters
    ----------
    x : features [n, n_in], as the front end takes them
    """
    if isinstance(front_end, ConvertedFrontEnd):
        front_end = front_end.inputs
    if isinstance(front_end, LevelFrontEnd):
        return front_end.levels.share_cut(x)
    if isinstance(front_end, RangeFrontEnd):
        beyond = ((x < front_end.low) | (x > front_end.high)) & (front_end.high > front_end.low)
        return float(beyond.mean()) if beyond.size else 0.0
    return None


def notes_on_scale(front_end: AnyFrontEnd, x: np.ndarray) -> list[str]:
    """Ask for the scale of data that the levels of an earlier run or of a model do not fit; mostly empty.

    Parameters
    ----------
    x : features [n, n_in], as the front end takes them; of streams windows
    """
    x = x[:MOST_ROWS]
    if isinstance(front_end, ConvertedFrontEnd):
        front_end = front_end.inputs
    if not len(x):
        return []
    levels = np.abs(front_end.encode(x).astype(np.int64))
    share, least = share_beyond(front_end, x), MOST_BEYOND
    if share is None:
        assert isinstance(front_end, FrontEnd)
        if front_end.spec.encoder not in ("signed", "levels") or front_end.spec.input_bits < 3:
            return []
        share, least = float((levels == front_end.spec.top).mean()), MOST_AT_THE_ENDS
    if share > least and share * levels.size >= FEWEST:
        return [f"{100 * share:.2g} % of the features lie beyond the levels: is this the same sensor and scale?"]
    top = _top(front_end)
    if levels.size >= FEWEST / MOST_BEYOND and np.any(x != 0) and levels.max() < LEAST_REACHED * top:
        reached = 100 * levels.max() / top
        return [f"the features reach only {reached:.2g} % of the levels: is this the same sensor and scale?"]
    return []


def _top(front_end: FrontEnd | RangeFrontEnd | LevelFrontEnd) -> int:
    if isinstance(front_end, LevelFrontEnd):
        return front_end.levels.top
    return (1 << front_end.bits) - 1 if isinstance(front_end, RangeFrontEnd) else front_end.spec.top
