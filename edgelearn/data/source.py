"""What a stream is made of: blocks of raw values in the order of time, and the sources that give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelearn.units import count, six_digits

UNLABELLED = -1
MOST_NAMES = 12  # of columns in a line


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Hold consecutive samples of a stream.

    Parameters
    ----------
    x : float32 [n, n_channels], finite, or NaN where a value is missing
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

    @property
    def summary(self) -> str:
        """State how many there are and the first case; empty for none."""
        if not self.first:
            return ""
        (reason, where), n = next(iter(self.first.items())), sum(self.counts.values())
        return f"{count(n, 'line')} {'was' if n == 1 else 'were'} rejected, the first for '{reason}': {where}"

    def notes(self) -> list[str]:
        """State the counts, a line for each reason."""
        return [f"rejected: {n:,} {reason} (first: {self.first[reason]})" for reason, n in self.counts.items()]


LEFT_OUT = "left out"


def without_label(n: int, n_rows: int) -> str:
    """State how many rows are left out as they have no label."""
    return f"{LEFT_OUT}: {n:,} of {n_rows:,} rows, which have no label"


def missing_notes(x: NDArray[Any], inputs: Sequence[str]) -> list[str]:
    """State how many values are missing, and which inputs have none at all; empty where all are there.

    Example
    -------
    >>> missing_notes(np.array([[1.0, np.nan], [2.0, np.nan]]), ["a", "b"])
    ['missing: 2 of 4 values, which make no event; no row has a value of b']
    """
    missing = np.isnan(x) if x.dtype.kind == "f" else np.zeros((1, 1), bool)
    if not missing.any():
        return []
    text = f"missing: {int(missing.sum()):,} of {x.size:,} values, which make no event"
    empty = [inputs[k] for k in np.flatnonzero(missing.all(axis=0)).tolist()]
    return [f"{text}; {no_value_of(empty)}" if empty else text]


def no_value_of(inputs: Sequence[str]) -> str:
    """State which inputs have no value in any row."""
    return f"no row has a value of {few_names(inputs)}"


@dataclass(frozen=True)
class ColumnsUsed:
    """State what the columns of the data were taken for.

    Parameters
    ----------
    inputs : channels in their order
    label, time, subject : columns, None where there is none
    time_unit : s, ms, us, ns, or "dates"
    rate_hz : samples per second by the clock, None where unknown
    left_out : columns that are used for nothing
    offsets : subtracted from each input, as float32 would merge values; empty for none

    Example
    -------
    >>> print(ColumnsUsed(("ax", "ay"), "activity", "t_ms", time_unit="ms", rate_hz=50, left_out=("id",)))
    inputs: ax, ay (2); time: t_ms (ms, 50 Hz); label: activity; left out: id
    """

    inputs: tuple[str, ...]
    label: str | None = None
    time: str | None = None
    subject: str | None = None
    time_unit: str | None = None
    rate_hz: float | None = None
    left_out: tuple[str, ...] = ()
    offsets: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            key: list(value) if isinstance(value, tuple) else six_digits(value) if key == "rate_hz" else value
            for key, value in vars(self).items()
            if key != "offsets" or value
        }

    def with_offsets(self, offsets: NDArray[np.float64] | None) -> ColumnsUsed:
        """Return a copy with the subtracted offsets, float64 [n_channels]; unknown ones (NaN) are 0."""
        known = np.zeros(0) if offsets is None else np.nan_to_num(offsets)
        return replace(self, offsets=tuple(known.tolist()) if known.any() else ())

    def __str__(self) -> str:
        return columns_line(self.as_dict())


def columns_line(columns: Mapping[str, Any]) -> str:
    """Write what `ColumnsUsed.as_dict` returns as one line."""
    parts = [f"inputs: {few_names(columns['inputs'])} ({len(columns['inputs']):,})"]
    rate = columns["rate_hz"]
    about = [columns["time_unit"], None if rate is None else f"{rate:.4g} Hz"]
    if columns["time"] is not None or rate is not None:
        told = ", ".join(text for text in about if text)
        name = columns["time"]
        parts.append(f"time: {told}" if name is None else f"time: {printable(name)}{f' ({told})' if told else ''}")
    if columns["subject"] is not None:
        parts.append(f"subject: {printable(columns['subject'])}")
    parts.append(f"label: {'none' if columns['label'] is None else printable(columns['label'])}")
    if columns["left_out"]:
        parts.append(f"left out: {few_names(columns['left_out'])}")
    return "; ".join(parts)


def few_names(names: Sequence[str]) -> str:
    """Name columns, the first and last ones of many, or of several that are numbered."""
    prefix = names[0].removesuffix("1")
    if len(names) > 3 and list(names) == [f"{prefix}{number + 1}" for number in range(len(names))]:
        return f"{printable(names[0])} to {len(names)}"
    shown = [printable(name) for name in names]
    if len(shown) > MOST_NAMES:
        shown = [*shown[: MOST_NAMES - 2], "...", shown[-1]]
    return ", ".join(shown)


def printable(text: str) -> str:
    """Return text that a terminal only shows, whatever bytes it had, of 60 letters at most."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


class Source(Protocol):
    """Describe a stream that can be read from any sample on.

    `class_names` of a live source may grow while it is read, up to `n_classes`.
    """

    name: str
    source: str  # where the values come from, one line
    drift_points: tuple[int, ...]  # samples at which the source is known to change
    rejects: Rejects
    notes: list[str]  # losses, conversions and assumptions, one line each

    @property
    def columns_used(self) -> ColumnsUsed:
        """State what the columns were taken for."""
        ...

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
