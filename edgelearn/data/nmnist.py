"""N-MNIST: the published folders, the small file of it, and its 5-byte events."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import downloads
from edgelearn.data.arrays import NpzArrays
from edgelearn.data.dataset import Labels
from edgelearn.data.event_set import EventSet, Inputs, Times, sort_events, take_events
from edgelearn.errors import UserError, install
from edgelearn.files import place_of

NMNIST_FOLDERS = ("N-MNIST", "NMNIST", "nmnist")
NMNIST_SIDE = 34
BYTES_PER_EVENT = 5
NMNIST_COUNTS = (60_000, 10_000)
SMALL_FILES = ("nmnist_small/nmnist_small.npz", "nmnist_small.npz")
SMALL_SHA256 = "78afa7c5a69d8465f0e20b90916080d9bf08cc19fce7fd3d163902763dc833aa"
OVERFLOW_Y, OVERFLOW_US = 240, 1 << 13  # an event that only says that the camera's clock went on


def event_set_place(name: str) -> Path | None:
    """Return the folder or the file of a named event set, None where it is not on this machine."""
    folders = downloads.data_folders()
    if name == "nmnist":
        for root in folders:
            inside = [root / sub for sub in NMNIST_FOLDERS] + ([root] if root.name in NMNIST_FOLDERS else [])
            for folder in inside:
                if (folder / "Train").is_dir() or (folder / "Test").is_dir():
                    return folder
    places = (root / file for root in folders for file in SMALL_FILES)
    return next((place for place in places if place.is_file()), None)


def open_nmnist(name: str, limit: int | None) -> EventSet:
    place = event_set_place(name)
    if place is not None:
        return _read_nmnist(name, place, limit) if place.is_dir() else _read_small(name, place, limit)
    folders = downloads.data_folders()
    absent = [str(folder) for folder in folders if not folder.is_dir()]
    note = f" ({downloads.DATA_VARIABLE} names {absent[0]}, which is no folder)" if absent else ""
    into = f"a folder named in {downloads.DATA_VARIABLE}"
    if name == "nmnist-small":
        raise UserError(f"data set '{name}' was not found{note}; put nmnist_small.npz into {into}")
    raise UserError(
        f"data set '{name}' was not found{note}; unpack Train.zip and Test.zip of N-MNIST (Orchard et al. 2015) into a "
        f"folder N-MNIST in {into}, or give tonic:NMNIST after {install('tonic')}"
    )


def _nmnist_set(
    name: str, source: str, t: Times, inputs: Inputs, offset: NDArray[np.int64], labels: Labels, n_train: int
) -> EventSet:
    digits = tuple("0123456789")
    return EventSet(name, source, digits, 2 * NMNIST_SIDE**2, t, inputs, offset, labels, n_train)


def _read_small(name: str, path: Path, limit: int | None) -> EventSet:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if (given := hashlib.sha256(content).hexdigest()) != SMALL_SHA256:
        raise UserError(f"{path} is not the published file: its sha256 is {given}, not {SMALL_SHA256}; replace it")
    archive = NpzArrays(path)
    x, y, p, t, offset, label, index = (
        archive[key].astype(np.int64) for key in ("x", "y", "p", "t", "offset", "label", "index")
    )
    inputs = ((p * NMNIST_SIDE + y) * NMNIST_SIDE + x).astype(np.int32)
    train, test = np.flatnonzero(index <= NMNIST_COUNTS[0])[:limit], np.flatnonzero(index > NMNIST_COUNTS[0])
    samples = np.concatenate((train, test))
    t, inputs, offset = take_events(t, inputs, offset, samples)
    return _nmnist_set(name, str(path), t, inputs, offset, label[samples], len(train))


def _read_nmnist(name: str, folder: Path, limit: int | None) -> EventSet:
    """Read the published folders; samples count by the number of their file, as in MNIST."""
    parts = []
    for part in ("Train", "Test"):
        found = [
            (int(path.stem), digit, path)
            for digit in range(10)
            for path in (folder / part / str(digit)).glob("*.bin")
            if path.stem.isdecimal()
        ]
        if not found:
            raise UserError(
                f"data set '{name}': {folder / part} has no files DIGIT/NUMBER.bin; unpack {part}.zip of N-MNIST there"
            )
        parts.append(sorted(found))
    counts = tuple(len(part) for part in parts)
    # A part of the set is of use too, but its results are its own.
    name_of = place_of(folder)
    source = name_of if counts == NMNIST_COUNTS else f"{name_of}, {counts[0]} training and {counts[1]} test samples"
    train, test = parts[0][:limit], parts[1]
    chosen = train + test
    try:
        room = sum(path.stat().st_size for _, _, path in chosen) // 5
        t, inputs, offset = np.empty(room, np.int64), np.empty(room, np.int32), np.zeros(len(chosen) + 1, np.int64)
        for k, (_, _, path) in enumerate(chosen):
            times, numbers = read_nmnist_file(path)
            begin, end = int(offset[k]), int(offset[k]) + len(times)
            t[begin:end], inputs[begin:end], offset[k + 1] = times, numbers, end
            sort_events(t[begin:end], inputs[begin:end])
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}); check its permissions") from None
    labels = np.array([digit for _, digit, _ in chosen], np.int64)
    return _nmnist_set(name, source, t[: offset[-1]], inputs[: offset[-1]], offset, labels, len(train))


def read_nmnist_file(path: Path) -> tuple[Times, Inputs]:
    """Read one recording as published: 5 bytes per event, big end first.

    Returns
    -------
    t int64[events], microseconds of the camera's clock; inputs int32[events], (p * 34 + y) * 34 + x

    Raises
    ------
    UserError : "FILE has N bytes ...", "FILE event N ..."; OSError passes.

    Notes
    -----
    8 bits x, 8 bits y, 1 bit polarity, 23 bits time. y = 240 is no event: the clock has overflowed and all times from
    there on are 2^13 us later.
    """
    content = path.read_bytes()
    if not content or len(content) % 5:
        raise UserError(f"{path} has {len(content)} bytes, which is no whole number of 5-byte events; unpack it again")
    x, y, high, middle, low = np.frombuffer(content, np.uint8).reshape(-1, 5).astype(np.int64).T
    overflow = y == OVERFLOW_Y
    t = ((high & 127) << 16 | middle << 8 | low) + np.cumsum(overflow) * OVERFLOW_US
    outside = ~overflow & ((x >= NMNIST_SIDE) | (y >= NMNIST_SIDE))
    if outside.any():
        event = int(np.argmax(outside))
        raise UserError(
            f"{path} event {event + 1} is at x {x[event]}, y {y[event]}; N-MNIST has {NMNIST_SIDE} x {NMNIST_SIDE} "
            "pixels: unpack it again"
        )
    inputs = ((high >> 7) * NMNIST_SIDE + y) * NMNIST_SIDE + x
    return t[~overflow], inputs[~overflow].astype(np.int32)
