"""What a stream is made of: blocks of raw values in the order of time, and the sources that give them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Hold consecutive samples of a stream.

    Parameters
    ----------
    x : float32 [n, n_channels], finite
    y : int64 [n], class, or -1 where no label is known
    t : float64 [n], seconds, never falling; NaN where the source has no clock
    segment : int64 [n], number of the recording or subject; a window never crosses from one to the next
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    t: NDArray[np.float64]
    segment: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


@dataclass
class Rejects:
    """Count what a source could not use, by reason, and keep the first case of each.

    Example
    -------
    >>> rejects = Rejects()
    >>> rejects.add("not a number", "line 7: '1,x,a'")
    >>> rejects.counts, rejects.first["not a number"]
    ({'not a number': 1}, "line 7: '1,x,a'")
    """

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.first.setdefault(reason, where)


class Source(Protocol):
    """Describe a stream that can be read from any sample on.

    `class_names` of a live source may grow while it is read, up to `n_classes`.
    """

    name: str
    source: str  # where the values come from, one line
    drift_points: tuple[int, ...]  # samples at which the source is known to change
    rejects: Rejects

    @property
    def rate_hz(self) -> float | None:
        """Samples a second, None where they come when they come."""
        ...

    @property
    def has_clock(self) -> bool:
        """Say whether samples carry their time."""
        ...

    @property
    def channels(self) -> tuple[str, ...]: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def n_classes(self) -> int:
        """Count the classes there is room for."""
        ...

    @property
    def n_samples(self) -> int | None:
        """Count the samples, None where nobody knows before the end."""
        ...

    def blocks(self, start: int = 0) -> Iterator[Block]:
        """Give the samples from number `start` on."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what a source has learned of its own content (classes met, rejects), as plain JSON values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Continue with what `state` returned."""
        ...
