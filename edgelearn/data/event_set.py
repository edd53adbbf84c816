"""Labelled samples of address events as arrays, and what all their readers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data.clock import unit_in_name
from edgelearn.data.dataset import Labels
from edgelearn.data.source import ColumnsUsed
from edgelearn.data.tables import class_indices
from edgelearn.errors import UserError

Times = NDArray[np.int64]
Inputs = NDArray[np.int32]

MAX_INPUTS = 65_000  # of a spiking network, as `edgelearn.spiking.network` limits them
MAX_WHOLE = 2**53

WHOLE_TIMES = "whole microseconds, or the unit with --time-unit s, ms or ns"


@dataclass(frozen=True, slots=True, eq=False)
class EventSet:
    """Hold labelled samples of address events.

    Parameters
    ----------
    name, source : as typed, and where it came from
    class_names : one per class
    n_inputs : addresses times polarities
    t : int64[events], microseconds from the first event of the sample, never falling within a sample
    inputs : int32[events], 0 .. n_inputs - 1
    offset : int64[samples + 1], the events of sample k are offset[k] up to offset[k + 1]
    labels : int64[samples]
    n_train : the first n_train samples are the training part, the others the test part
    notes : conversions and assumptions
    columns : what the columns of a table were taken for
    """

    name: str
    source: str
    class_names: tuple[str, ...]
    n_inputs: int
    t: Times
    inputs: Inputs
    offset: NDArray[np.int64]
    labels: Labels
    n_train: int
    notes: tuple[str, ...] = ()
    columns: ColumnsUsed | None = None

    def sample(self, k: int) -> tuple[Times, Inputs]:
        """Return times and inputs of one sample, counted from 0."""
        of_sample = slice(self.offset[k], self.offset[k + 1])
        return self.t[of_sample], self.inputs[of_sample]


def sort_events(t: Times, inputs: Inputs) -> None:
    """Bring the events of one sample into order and onto its own clock, in place."""
    if len(t) == 0:
        return
    if (t[1:] < t[:-1]).any():
        order = np.argsort(t, kind="stable")
        t[:], inputs[:] = t[order], inputs[order]
    t -= t[0]


def take_events(
    t: Times, inputs: Inputs, offset: NDArray[np.int64], samples: NDArray[np.int64]
) -> tuple[Times, Inputs, NDArray[np.int64]]:
    """Copy the events of some samples, in the order of `samples`, and settle each."""
    counts = np.diff(offset)[samples]
    placed = np.concatenate(([0], np.cumsum(counts)))
    at = np.arange(placed[-1]) + np.repeat(offset[:-1][samples] - placed[:-1], counts)
    t, inputs = t[at], inputs[at]
    for begin, end in pairwise(placed.tolist()):
        sort_events(t[begin:end], inputs[begin:end])
    return t, inputs, placed


def concat(pieces: Sequence[tuple[Times, Inputs]]) -> tuple[Times, Inputs, NDArray[np.int64]]:
    offset = np.concatenate(([0], np.cumsum([len(t) for t, _ in pieces], dtype=np.int64)))
    return np.concatenate([t for t, _ in pieces]), np.concatenate([inputs for _, inputs in pieces]), offset


def check_size(what: object, n_addresses: int, n_polarities: int) -> int:
    n_inputs = n_addresses * n_polarities
    if n_inputs > MAX_INPUTS:
        of = f"{n_addresses} addresses of {n_polarities} polarities" if n_polarities > 1 else f"{n_addresses} addresses"
        raise UserError(f"{what} has {of}; a network takes {MAX_INPUTS:,} inputs at most: crop, or merge addresses")
    return n_inputs


def user_set(
    path: Path,
    t: Times,
    address: NDArray[np.int64],
    value: NDArray[Any] | None,
    offset: NDArray[np.int64],
    labels: Sequence[Any],
    n_addresses: int,
    parts: tuple[NDArray[np.int64], NDArray[np.int64]],
    limit: int | None,
    notes: Sequence[str] = (),
    columns: ColumnsUsed | None = None,
) -> EventSet:
    n_inputs = check_size(path, n_addresses, 1 if value is None else 2)
    y, names = class_indices(path, labels)
    notes = list(notes)
    if value is not None and len(value) and set(np.unique(value)) == {1, 2}:
        value = value > 1
        notes.append("polarities 1 and 2 are read as OFF and ON")
    elif value is not None and len(value) and np.min(value) > 0 and np.min(value) < np.max(value):
        notes.append(f"polarities are {np.min(value):g} to {np.max(value):g}, all ON; give 0 or -1 for OFF")
    inputs = (address if value is None else address + n_addresses * (value > 0)).astype(np.int32)
    train, test = parts[0][:limit], parts[1]
    samples = np.concatenate((train, test))
    t, inputs, offset = take_events(t, inputs, offset, samples)
    of_user = (tuple(notes), columns)
    return EventSet(path.stem, str(path), names, n_inputs, t, inputs, offset, y[samples], len(train), *of_user)


def pixel_addresses(
    path: Path, x: NDArray[np.int64], y: NDArray[np.int64], width: int, height: int
) -> tuple[NDArray[np.int64], int]:
    """Return addresses and their number."""
    if len(x) != len(y):
        raise UserError(f"{path}: x has {len(x)} events and y {len(y)}; give as many")
    check_size(path, width * height, 1)  # before y * width, which could pass 2^63
    return y * width + x, width * height


def unit_of_times(title: str, time_unit: str | None, notes: list[str]) -> str:
    """Return the unit of times: the one that was given, or that of the column's name, else microseconds."""
    named = unit_in_name(title)
    unit = time_unit or named or "us"
    if time_unit is not None and named not in (None, time_unit):
        raise UserError(
            f"time_unit is {time_unit}, and column '{title}' says {named}; rename it, or leave time_unit out"
        )
    if unit != "us":
        notes.append(f"times of '{title}' are in {unit}, read as whole microseconds")
    return unit


def whole_numbers(path: Path, name: str, array: NDArray[Any], low: int, allowed: str) -> NDArray[np.int64]:
    if array.ndim != 1 or array.dtype.kind not in "uif":
        raise UserError(f"{path}: {name} is {array.dtype} {list(array.shape)}; {allowed}, one per event")
    if len(array) == 0:
        raise UserError(f"{path}: {name} has no events; give at least 1")
    if array.dtype == np.float16:  # whose range ends below the limit
        array = array.astype(np.float64)
    right = (array >= low) & (array <= MAX_WHOLE)
    if array.dtype.kind == "f":
        right &= array == np.floor(array)
    if not right.all():
        row = int(np.argmin(right))
        raise UserError(f"{path}: {name} row {row + 1} is {array[row]}; {allowed}, at most 2^53")
    return array.astype(np.int64)
