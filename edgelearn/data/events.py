"""Labelled samples of address events: N-MNIST, a user's .npz or .csv, data sets of the library tonic.

Three rules hold for every source:

    time      whole microseconds on any clock; the first event of a sample is its time 0
    order     events of a sample are sorted by time, those of equal time stay as given: sensors that are read in bursts,
              or merged, write what they saw in no strict order, and no time step depends on it
    polarity  an event of value > 0 is input n_addresses + address, any other is input address; without values an
              address is one input. An address of a pixel is y * width + x
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import downloads, reader
from edgelearn.data.arrays import NpzArrays, read_npz
from edgelearn.data.clock import unit_in_name
from edgelearn.data.columns import Roles
from edgelearn.data.compressed import suffix_of
from edgelearn.data.dataset import Labels
from edgelearn.data.event_columns import (
    MICROSECONDS,
    event_columns,
    is_structured,
    npy_has_events,
    npz_has_events,
    table_has_events,
)
from edgelearn.data.source import ColumnsUsed
from edgelearn.data.tables import (
    OWN_FILES,
    SUFFIXES,
    check_fraction,
    class_indices,
    class_labels,
    draw_parts,
    npz_labels,
)
from edgelearn.errors import UserError, unknown
from edgelearn.files import place_of

Times = NDArray[np.int64]
Inputs = NDArray[np.int32]

EVENT_SETS: dict[str, str] = {
    "nmnist": "N-MNIST, digits before an event camera, 34 x 34 pixels, 2 polarities; the whole set or nmnist-small",
    "nmnist-small": "the first 1,000 training and 100 test samples of N-MNIST, from nmnist_small.npz",
}
TONIC = "tonic:"
MAX_INPUTS = 16_000  # neurons of a population
MAX_WHOLE = 2**53

NMNIST_FOLDERS = ("N-MNIST", "NMNIST", "nmnist")
NMNIST_SIDE = 34
NMNIST_COUNTS = (60_000, 10_000)
SMALL_FILES = ("nmnist_small/nmnist_small.npz", "nmnist_small.npz")
SMALL_SHA256 = "78afa7c5a69d8465f0e20b90916080d9bf08cc19fce7fd3d163902763dc833aa"
OVERFLOW_Y, OVERFLOW_US = 240, 1 << 13  # an event that only says that the camera's clock went on

WHOLE_TIMES = "whole microseconds, or the unit with --time-unit s, ms or ns"
ARRAYS = ("t", "address", "x", "y", "value", "p", "offset", "label", "test", "n_addresses", "width", "height")


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


def is_event_data(name_or_path: str) -> bool:
    """Tell whether a name or file is one for `open_events`; a file by its arrays' names, or header and first rows.

    A .npz file has the arrays t and address, or t, x, y and offset or p, or structured arrays with such fields; a .npy
    file is a structured array; a text table has the columns t, and sample and address, or x and y and p or sample; a
    folder has folders of recordings, one for each class. Other names of columns: `event_columns.NAMES`.
    """
    if name_or_path in EVENT_SETS or name_or_path.startswith(TONIC):
        return True
    path = Path(name_or_path).expanduser()
    suffix = suffix_of(path)
    with contextlib.suppress(OSError, UserError):
        if suffix in (".aedat", ".aedat4") or path.is_dir():
            return suffix in (".aedat", ".aedat4") or is_recording_folder(path)
        if suffix == ".npz":
            return npz_has_events(path)
        if suffix == ".npy":
            return npy_has_events(path)
        if suffix in reader.SUFFIXES:
            return table_has_events(path)
    return False


def open_events(
    name_or_path: str, *, test_fraction: float = 0.2, limit: int | None = None, time_unit: str | None = None
) -> EventSet:
    """Open a named event data set, one of the library tonic, or a user's .npz, .npy, .csv or .tsv file or folder.

    Parameters
    ----------
    name_or_path : one of `EVENT_SETS`; "tonic:NAME"; or a path.
        .csv, .tsv: a header with the columns sample, t, address (or x and y), label and, for polarity, value (or p),
        in any order, and one event per line; the lines of a sample may be anywhere in the file, samples count by their
        first line. Without sample, one begins where the label changes or the time starts again.
        .npz: arrays t and address (or x and y), and value (or p) for polarity, [events]; offset [samples + 1], label
        [samples] and, for a test part of one's own, test bool [samples]; n_addresses (or width and height) where the
        largest address that occurs is not the last; or structured arrays with the fields t, x, y and p.
        .npy: one structured array, with fields for sample and label as well.
        folder: a folder of recordings for each class, .bin of N-MNIST, .npy, .npz, .csv or .aedat4.
    time_unit : s, ms, us or ns; default the unit in the name of the column, else microseconds
    test_fraction : user files without test part: share of the samples that become one, 0 <= test_fraction < 1; which
        ones does not depend on the run's seed
    limit : keep the first `limit` training samples, and the whole test part

    Raises
    ------
    UserError : "event data set 'NAME' is not known ...", "... was not found ...", "tonic is not installed ..."; faults
        of a file name it, and the row and the column or array.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit {limit} is out of range; give 1 sample or more")
    check_fraction(test_fraction)
    if name_or_path in EVENT_SETS or name_or_path.startswith(TONIC):
        if test_fraction != 0.2:
            raise UserError(f"data set '{name_or_path}' has its own test part; leave test_fraction out")
        if name_or_path.startswith(TONIC):
            return _open_tonic(name_or_path, limit)
        return _open_nmnist(name_or_path, limit)
    path = Path(name_or_path).expanduser()
    suffix = suffix_of(path)
    if suffix in (".aedat", ".aedat4") and not path.is_dir():
        raise UserError(f"{path} is one recording without a label; put recordings into a folder for each class")
    if path.is_dir():
        return _read_folder(path, test_fraction, limit, time_unit)
    if suffix not in (*SUFFIXES, ".npy"):
        known = unknown("event data set", name_or_path, EVENT_SETS)
        raise UserError(f"{known} Own files end in {OWN_FILES}; tonic:NAME is a data set of tonic.")
    if not path.is_file():
        raise UserError(f"{path} is not a file; check the path")
    try:
        read = _read_npz if suffix in (".npz", ".npy") else _read_csv
        return read(path, test_fraction, limit, time_unit)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None


# --- what all sources share --------------------------------------------------------------------------------


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


def _check_size(what: object, n_addresses: int, n_polarities: int) -> int:
    n_inputs = n_addresses * n_polarities
    if n_inputs > MAX_INPUTS:
        of = f"{n_addresses} addresses of {n_polarities} polarities" if n_polarities > 1 else f"{n_addresses} addresses"
        raise UserError(f"{what} has {of}; a network takes {MAX_INPUTS} inputs at most: crop, or merge addresses")
    return n_inputs


def _user_set(
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
    n_inputs = _check_size(path, n_addresses, 1 if value is None else 2)
    y, names = class_indices(path, labels)
    notes = list(notes)
    if value is not None and len(value) and np.min(value) > 0 and np.min(value) < np.max(value):
        notes.append(f"polarities are {np.min(value):g} to {np.max(value):g}, all ON; give 0 or -1 for OFF")
    inputs = (address if value is None else address + n_addresses * (value > 0)).astype(np.int32)
    train, test = parts[0][:limit], parts[1]
    samples = np.concatenate((train, test))
    t, inputs, offset = take_events(t, inputs, offset, samples)
    of_user = (tuple(notes), columns)
    return EventSet(path.stem, str(path), names, n_inputs, t, inputs, offset, y[samples], len(train), *of_user)


def _pixels(
    path: Path, x: NDArray[np.int64], y: NDArray[np.int64], width: int, height: int
) -> tuple[NDArray[np.int64], int]:
    """Return addresses and their number."""
    if len(x) != len(y):
        raise UserError(f"{path}: x has {len(x)} events and y {len(y)}; give as many")
    _check_size(path, width * height, 1)  # before y * width, which could pass 2^63
    return y * width + x, width * height


def _unit(title: str, time_unit: str | None, notes: list[str]) -> str:
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


# --- text --------------------------------------------------------------------------------------------------


def _read_csv(path: Path, test_fraction: float, limit: int | None, time_unit: str | None = None) -> EventSet:
    columns = _text_columns(path)
    notes: list[str] = []
    unit = _unit(columns["t"], time_unit, notes)
    places = ["address"] if "address" in columns else ["x", "y"]
    numbers = [role for role in ("t", *places, "value") if role in columns]
    titles = tuple(columns[role] for role in numbers)
    texts = (columns["sample"],) if "sample" in columns else ()
    roles = Roles(titles, label=columns["label"], texts=texts, is_ordered=False)
    table = reader.TableReader(roles, str(path), dtype=np.float64, may_lack=False)
    samples: dict[str, int] = {}
    labels: list[tuple[str, int]] = []  # and the line of the first event
    pieces, of_event, stretches = [], [], _Stretches()
    for rows in table.read_file(path):
        if unit != "us":
            rows.x[:, 0] = np.rint(rows.x[:, 0] * MICROSECONDS[unit])
        for column, role in enumerate(numbers):
            low, allowed = (-MAX_WHOLE, WHOLE_TIMES) if role == "t" else (0, "a whole number from 0")
            if role != "value":
                _check_whole(path, titles[column], rows.x[:, column], rows.numbers, low, allowed)
        names = rows.texts[0] if texts else stretches.names(rows.x[:, 0].tolist(), rows.labels)
        for line, sample, cell in zip(rows.numbers.tolist(), names, rows.labels, strict=True):
            index, label = samples.setdefault(sample, len(samples)), cell.strip()
            if index == len(labels):
                if not sample:
                    raise UserError(f"{path} line {line}: sample is empty; give the number or name of the sample")
                labels.append((label, line))
            elif labels[index][0] != label:
                raise UserError(
                    f"{path} line {line}: label is '{label}' and sample '{sample}' has label '{labels[index][0]}' in "
                    f"line {labels[index][1]}; give a sample one label"
                )
            of_event.append(index)
        pieces.append(rows.x)
    if not texts:
        notes.append(f"no column sample: {len(samples)} samples, by labels that change and times that start again")
    read, sample_of = np.concatenate(pieces), np.array(of_event, np.int64)
    by_role = dict(zip(numbers, read[np.argsort(sample_of, kind="stable")].T, strict=True))
    whole = {role: by_role[role].astype(np.int64) for role in ("t", *places)}
    if "address" in whole:
        address, n_addresses = whole["address"], int(whole["address"].max()) + 1
    else:
        x, y = whole["x"], whole["y"]
        address, n_addresses = _pixels(path, x, y, int(x.max()) + 1, int(y.max()) + 1)
    left_out = tuple(title for title in reader.titles_of(path) if title not in map(str.lower, columns.values()))
    return _user_set(
        path,
        whole["t"],
        address,
        by_role.get("value"),
        np.concatenate(([0], np.cumsum(np.bincount(sample_of)))),
        class_labels(path, *zip(*labels, strict=True)),
        n_addresses,
        draw_parts(len(samples), test_fraction),
        limit,
        notes,
        ColumnsUsed(titles[1:], columns["label"], columns["t"], columns.get("sample"), unit, left_out=left_out),
    )


class _Stretches:
    """Names of samples where no column has them: one ends where the label changes or the time starts again."""

    def __init__(self) -> None:
        self.number, self.first, self.last = 0, 0.0, 0.0
        self.label: str | None = None

    def names(self, t: Sequence[float], labels: Sequence[str]) -> list[str]:
        found = []
        for now, label in zip(t, labels, strict=True):
            # Sensors write what they saw in no strict order: only a time in the first half is another start.
            if label != self.label or now < (self.first + self.last) / 2:
                self.number, self.label, self.first, self.last = self.number + 1, label, now, now
            self.last = max(self.last, now)
            found.append(str(self.number))
        return found


def _text_columns(path: Path) -> dict[str, str]:
    """Return the titles of the columns of events by their roles, as they stand in the file in lower case."""
    wanted = "sample, t, address (or x and y) and label, and value (or p) where events have a polarity"
    titles = reader.titles_of(path)
    if not titles:
        raise UserError(f"{path} is empty; give a header with the columns {wanted}, and one event per line")
    columns = event_columns(titles)
    if not {"x", "y"} <= columns.keys() and "address" not in columns:
        columns.pop("x", None)
    for role in ("t", "address", "label"):
        if role not in columns and not (role == "address" and {"x", "y"} <= columns.keys()):
            raise UserError(f"{path} has no column '{role}' in its header ({', '.join(titles)}); name {wanted}")
    return columns


def _check_whole(path: Path, name: str, values: NDArray[Any], lines: NDArray[np.int64], low: int, allowed: str) -> None:
    right = (values >= low) & (values <= MAX_WHOLE) & (values == np.floor(values))
    if not right.all():
        at = int(np.argmin(right))
        raise UserError(f"{path} line {lines[at]}: {name} is {values[at]:.17g}; give {allowed}, at most 2^53")


# --- npz ---------------------------------------------------------------------------------------------------


def _read_npz(path: Path, test_fraction: float, limit: int | None, time_unit: str | None = None) -> EventSet:
    notes: list[str] = []
    arrays, clock = _named_arrays(path)
    if "t" in arrays and (unit := _unit(clock, time_unit, notes)) != "us":
        arrays["t"] = np.rint(arrays["t"] * MICROSECONDS[unit])
    missing = [name for name in ("t", "offset", "label") if name not in arrays]
    if "address" not in arrays and not {"x", "y"} <= set(arrays):
        missing.insert(0, "address (or x and y)")
    if missing:
        raise UserError(
            f"{path} lacks {', '.join(missing)} and holds the arrays {', '.join(sorted(arrays)) or '(none)'}; "
            "give t, address (or x and y), offset and label"
        )
    t = _whole_array(path, "t", arrays["t"], -MAX_WHOLE, f"give {WHOLE_TIMES}")
    if "address" in arrays:
        address = _whole_array(path, "address", arrays["address"], 0, "give whole numbers from 0")
        n_addresses = _count(path, arrays, "n_addresses", "address", address)
    else:
        x, y = (_whole_array(path, name, arrays[name], 0, "give whole numbers from 0") for name in ("x", "y"))
        width, height = _count(path, arrays, "width", "x", x), _count(path, arrays, "height", "y", y)
        address, n_addresses = _pixels(path, x, y, width, height)
    value_key = "value" if "value" in arrays else "p"
    value = arrays.get(value_key)
    if value is not None and (value.ndim != 1 or value.dtype.kind not in "buif"):
        raise UserError(f"{path}: {value_key} is {value.dtype} {list(value.shape)}; give numbers [events]")
    for name, array in (("address", address), (value_key, value)):
        if array is not None and len(array) != len(t):
            raise UserError(f"{path}: t has {len(t)} events and {name} {len(array)}; give as many")
    if value is not None and not np.isfinite(value).all():
        row = int(np.argmin(np.isfinite(value)))
        raise UserError(f"{path}: {value_key} row {row + 1} is {value[row]}; give finite numbers")
    offset = _offset(path, arrays["offset"], len(t))
    labels, parts = _labels_and_parts(path, arrays, len(offset) - 1, test_fraction)
    return _user_set(path, t, address, value, offset, labels, n_addresses, parts, limit, notes)


def _named_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the arrays of events by their names here, and the name of the clock in the file."""
    if path.suffix.lower() == ".npy":
        return _of_fields(path, [load_npy(path)], {})
    archive = NpzArrays(path)
    columns = event_columns(archive)
    if "t" not in columns and not {"x", "y", "address"} & columns.keys():
        structured = [array for array in (archive[name] for name in archive) if is_structured(array)]
        if structured:
            named = {role: archive[columns[role]] for role in ("offset", "label") if role in columns}
            return _of_fields(path, structured, named | {name: archive[name] for name in archive if name == "test"})
    arrays = read_npz(path, (*ARRAYS, *(title.lower() for title in columns.values())))
    for role, title in columns.items():
        if role not in arrays and not (role == "value" and "p" in arrays):
            arrays[role] = arrays.pop(title.lower())
    return arrays, columns.get("t", "t")


def _of_fields(
    path: Path, structured: list[NDArray[Any]], named: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], str]:
    """Return arrays of events from structured ones: one with all events, or one for each sample."""
    columns = event_columns(structured[0].dtype.names or ())
    if any(one.dtype.names != structured[0].dtype.names or one.ndim != 1 for one in structured):
        raise UserError(f"{path} holds structured arrays of different fields or shapes; give all samples the same")
    events = np.concatenate(structured)
    arrays = {role: np.asarray(events[title]) for role, title in columns.items()} | named
    if "x" in arrays and "y" not in arrays and "address" not in arrays:
        arrays["address"] = arrays.pop("x")
    if len(structured) > 1:
        arrays["offset"] = np.concatenate(([0], np.cumsum([len(one) for one in structured])))
    elif "sample" in columns and "label" in columns and "offset" not in arrays:
        sample = arrays["sample"]
        first = np.flatnonzero(np.concatenate(([True], sample[1:] != sample[:-1])))
        if len(first) != len(np.unique(sample)):
            raise UserError(f"{path}: events of a sample lie apart; sort them by sample")
        arrays["offset"], arrays["label"] = np.append(first, len(sample)), arrays["label"][first]
    return arrays, columns["t"]


def load_npy(path: Path) -> NDArray[Any]:
    """Read a .npy file that holds one structured array of events."""
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}); save it with numpy.save") from None
    if not isinstance(array, np.ndarray) or not is_structured(array):
        raise UserError(f"{path} has no fields of events; give a structured array with t, x, y and p")
    return array


# --- folders -----------------------------------------------------------------------------------------------


RECORDINGS = (".bin", ".npy", ".npz", ".csv", ".tsv", ".aedat4", ".aedat")


def _recordings(folder: Path) -> list[tuple[str, Path]]:
    """Return class and file of the recordings of a folder, in order."""
    found = []
    for inside in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found += [(inside.name, path) for path in sorted(inside.iterdir()) if path.suffix.lower() in RECORDINGS]
    return found


def _parts_of(folder: Path) -> list[Path]:
    """Return the folders of training and test part where there are such, else the folder itself."""
    inside = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    return [inside["train"], inside["test"]] if {"train", "test"} <= inside.keys() else [folder]


def is_recording_folder(folder: Path) -> bool:
    """Tell whether a folder holds a folder of event recordings for each class; OSError passes."""
    found = _recordings(_parts_of(folder)[0])
    if not found:
        return False
    path, suffix = found[0][1], found[0][1].suffix.lower()
    if suffix == ".npy":
        return npy_has_events(path)
    if suffix == ".npz":
        return npz_has_events(path)
    return table_has_events(path) if suffix in reader.SUFFIXES else True


def _read_folder(folder: Path, test_fraction: float, limit: int | None, time_unit: str | None) -> EventSet:
    """Read a folder of recordings for each class, named by the folder."""
    try:
        parts = [_recordings(part) for part in _parts_of(folder)]
        if not all(parts):
            raise UserError(
                f"{folder} has no folder of recordings for each class; name CLASS/NAME.bin, .npy or .aedat4"
            )
        notes: list[str] = []
        read = [(label, _read_recording(path, time_unit, notes)) for part in parts for label, path in part]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}); check its permissions") from None
    names = [name for _, columns in read for name in columns]
    fields = [name for name in ("t", "address", "x", "y", "value") if name in names]
    if any(set(fields) != set(columns) for _, columns in read):
        raise UserError(f"{folder}: recordings have different columns ({', '.join(fields)}); give all the same")
    arrays = {name: np.concatenate([columns[name] for _, columns in read]) for name in fields}
    for name in fields[:-1] if "value" in fields else fields:
        arrays[name] = _whole_array(folder, name, arrays[name], -MAX_WHOLE if name == "t" else 0, f"give {WHOLE_TIMES}")
    if "address" in arrays:
        address, n_addresses = arrays["address"], int(arrays["address"].max()) + 1
    else:
        sizes = [int(arrays[name].max()) + 1 for name in ("x", "y")]
        if all(path.suffix.lower() == ".bin" for part in parts for _, path in part):
            sizes = [NMNIST_SIDE, NMNIST_SIDE]
        address, n_addresses = _pixels(folder, arrays["x"], arrays["y"], *sizes)
    offset = np.concatenate(([0], np.cumsum([len(columns["t"]) for _, columns in read])))
    if len(parts) == 2:
        if test_fraction != 0.2:
            raise UserError(f"{folder} has its own test part; leave test_fraction out")
        n = len(parts[0])
        drawn = (draw_parts(n, 0.0)[0], np.arange(n, len(read)))
    else:
        drawn = draw_parts(len(read), test_fraction)
    labels = [label for label, _ in read]
    whole = [int(label) for label in labels] if all(label.isdecimal() for label in labels) else labels
    value, unique = arrays.get("value"), list(dict.fromkeys(notes))
    used = ColumnsUsed(tuple(fields[1:]), "name of the folder", "t", "file", "us")
    return _user_set(folder, arrays["t"], address, value, offset, whole, n_addresses, drawn, limit, unique, used)


def _read_recording(path: Path, time_unit: str | None, notes: list[str]) -> dict[str, NDArray[Any]]:
    """Read the events of one file: t in microseconds, address or x and y, and value where there is one."""
    suffix = path.suffix.lower()
    if suffix == ".bin":
        t, inputs = read_nmnist_file(path)
        pixel = inputs.astype(np.int64) % NMNIST_SIDE**2
        return {"t": t, "x": pixel % NMNIST_SIDE, "y": pixel // NMNIST_SIDE, "value": inputs // NMNIST_SIDE**2}
    if suffix in (".aedat", ".aedat4"):
        return read_aedat(path)
    if suffix in reader.SUFFIXES:
        columns = event_columns(reader.titles_of(path))
        table = reader.TableReader(
            Roles(
                tuple(columns[role] for role in ("t", "address", "x", "y", "value") if role in columns),
                is_ordered=False,
            ),
            str(path),
            dtype=np.float64,
        )
        x = reader.joined(list(table.read_file(path))).x
        arrays = dict(zip([role for role in ("t", "address", "x", "y", "value") if role in columns], x.T, strict=True))
        clock = columns.get("t", "t")
    else:
        arrays, clock = _named_arrays(path)
        if "p" in arrays:
            arrays["value"] = arrays.pop("p")
    if "t" not in arrays or ("address" not in arrays and not {"x", "y"} <= arrays.keys()):
        raise UserError(f"{path} has {', '.join(arrays) or 'no columns'}; a recording has t, and x and y or address")
    if (unit := _unit(clock, time_unit, notes)) != "us":
        arrays["t"] = np.rint(arrays["t"] * MICROSECONDS[unit])
    places = ("address",) if "address" in arrays else ("x", "y")
    return {name: arrays[name] for name in ("t", *places, "value") if name in arrays}


def read_aedat(path: Path) -> dict[str, NDArray[Any]]:
    """Read the events of an AEDAT 4 file by the library aedat.

    Raises
    ------
    UserError
        "... is AEDAT 2 or 3 ...", "aedat is not installed ...", "... cannot be read ..."; OSError passes
    """
    with path.open("rb") as file:
        if not file.read(14).startswith(b"#!AER-DAT4"):
            raise UserError(f"{path} is no AEDAT 4; convert AEDAT 2 and 3 to .aedat4 or .csv")
    try:
        aedat = importlib.import_module("aedat")
    except ImportError:
        raise UserError("aedat is not installed, which reads .aedat4; pip install aedat") from None
    try:
        packets = [packet["events"] for packet in aedat.Decoder(str(path)) if "events" in packet]
        events = np.concatenate(packets)
    except Exception as error:  # whatever the decoder or an empty file raises
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}); record it again") from None
    return {
        "t": events["t"].astype(np.int64),
        "x": events["x"].astype(np.int64),
        "y": events["y"].astype(np.int64),
        "value": events["on"].astype(np.int64),
    }


def _whole_array(path: Path, name: str, array: NDArray[Any], low: int, allowed: str) -> NDArray[np.int64]:
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


def _count(path: Path, arrays: dict[str, NDArray[Any]], key: str, name: str, array: NDArray[np.int64]) -> int:
    """Give how many values of `name` there can be: what the file says, or one above the largest."""
    needed = int(array.max()) + 1
    if key not in arrays:
        return needed
    given = arrays[key]
    if given.size != 1 or given.dtype.kind not in "ui":
        raise UserError(f"{path}: {key} is {given.dtype} {list(given.shape)}; give one whole number")
    count = int(given.item())
    if count < needed:
        row = int(np.argmax(array >= count))
        raise UserError(f"{path}: {name} row {row + 1} is {array[row]} and {key} is {count}; give at least {needed}")
    return count


def _offset(path: Path, array: NDArray[Any], n_events: int) -> NDArray[np.int64]:
    if array.ndim != 1 or array.dtype.kind not in "ui" or len(array) < 2:
        raise UserError(f"{path}: offset is {array.dtype} {list(array.shape)}; give whole numbers [samples + 1]")
    offset = array.astype(np.int64)
    if (offset[1:] < offset[:-1]).any():
        row = int(np.argmax(offset[1:] < offset[:-1])) + 1
        raise UserError(
            f"{path}: offset row {row + 1} is {array[row]} after {array[row - 1]}; give numbers that never fall"
        )
    if offset[0] != 0 or offset[-1] != n_events:
        raise UserError(
            f"{path}: offset goes from {array[0]} to {array[-1]} and t has {n_events} events; give 0 to {n_events}"
        )
    return offset


def _labels_and_parts(
    path: Path, arrays: dict[str, NDArray[Any]], n_samples: int, test_fraction: float
) -> tuple[list[Any], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    label = arrays["label"]
    if label.ndim != 1 or label.dtype.kind not in "buifU":
        raise UserError(f"{path}: label is {label.dtype} {list(label.shape)}; give one label per sample [samples]")
    if len(label) != n_samples:
        raise UserError(
            f"{path}: label has {len(label)} rows and offset {n_samples + 1}, which is {n_samples} samples; "
            "give one label per sample"
        )
    labels = npz_labels(path, "label", label)
    if "test" not in arrays:
        return labels, draw_parts(n_samples, test_fraction)
    test = arrays["test"]
    if test.shape != (n_samples,) or test.dtype.kind != "b":
        raise UserError(f"{path}: test is {test.dtype} {list(test.shape)}; give bool [{n_samples}], one per sample")
    if test.all():
        raise UserError(f"{path}: test is true for every sample; leave at least 1 for training")
    if test_fraction != 0.2:
        raise UserError(f"{path} has its own test part; leave test_fraction out")
    return labels, (np.flatnonzero(~test), np.flatnonzero(test))


# --- N-MNIST -----------------------------------------------------------------------------------------------


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


def _open_nmnist(name: str, limit: int | None) -> EventSet:
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
        f'folder N-MNIST in {into}, or give tonic:NMNIST with pip install "edgelearn[tonic]"'
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


# --- tonic -------------------------------------------------------------------------------------------------


def _open_tonic(name: str, limit: int | None) -> EventSet:
    try:
        import tonic
    except ImportError:
        raise UserError('tonic is not installed; pip install "edgelearn[tonic]"') from None
    typed = name.removeprefix(TONIC)
    kinds: dict[str, Any] = {key: kind for key, kind in vars(tonic.datasets).items() if inspect.isclass(kind)}
    if typed not in kinds:
        raise unknown("tonic data set", typed, kinds)
    make = kinds[typed]
    parameters = inspect.signature(make).parameters
    if "train" in parameters:
        choices: list[dict[str, Any]] = [{"train": True}, {"train": False}]
    elif "split" in parameters and parameters["split"].default == "train":
        choices = [{"split": "train"}, {"split": "test"}]
    else:
        raise UserError(f"'{name}' has no training and test part; save its events as .npz, with an array test")
    if "single_digits" in parameters:  # of N-TIDIGITS, whose other samples are sequences of several classes
        choices = [{**choice, "single_digits": True} for choice in choices]
    if getattr(make, "sensor_size", None):
        _sensor(name, make.sensor_size)  # before anything is downloaded
    folder = downloads.cache_folder("tonic")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):
            train, test = (make(save_to=str(folder), **choice) for choice in choices)
    except Exception as error:  # whatever a data set's own code raises
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(
            f"tonic could not get '{name}' ({reason}); give it a network, or put its files into {folder / typed}"
        ) from None
    return events_from_tonic(train, test, name, source=f"tonic.datasets.{typed} in {folder}", limit=limit)


def _sensor(name: str, size: Any) -> tuple[int, int, int]:
    if not isinstance(size, tuple) or len(size) != 3:
        raise UserError(f"'{name}' has no one sensor size ({size}); save its events as .npz, all of one size")
    width, height, polarities = (int(count) for count in size)
    if polarities > 2:
        raise UserError(f"'{name}' has {polarities} polarities; 1 or 2 are allowed: save its events as .npz")
    _check_size(f"'{name}'", width * height, polarities)
    return width, height, polarities


def events_from_tonic(train: Any, test: Any, name: str, *, source: str = "tonic", limit: int | None = None) -> EventSet:
    """Convert both parts of a tonic data set.

    Parameters
    ----------
    train, test : sequences of (events, label): a structured array with the fields t and x, and y and p where there are
        such, and a whole number or a class name; `sensor_size` (width, height, polarities) and `classes`, where there
        are such, are attributes
    limit : keep so many training samples. The training part comes in a drawn order, always the same, because
        several data sets are sorted by class

    Raises
    ------
    UserError : "'NAME' ..." with the sample and the fault
    """
    width, height, polarities = _sensor(name, getattr(train, "sensor_size", None))
    n_addresses = width * height
    order = draw_parts(len(train), 0.0)[0][:limit]
    chosen = [("training", train, int(k)) for k in order] + [("test", test, k) for k in range(len(test))]
    pieces, labels = [], []
    for part, samples, k in chosen:
        where = f"'{name}' {part} sample {k}"
        try:
            events, label = samples[k]
        except Exception as error:  # whatever a data set's own code raises
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise UserError(f"{where} cannot be read ({reason}); let tonic get its files again") from None
        pieces.append(_tonic_events(where, events, (width, height, polarities)))
        labels.append(_tonic_label(where, label))
    if not len(order) or sum(len(t) for t, _ in pieces) == 0:
        raise UserError(f"'{name}' has no training samples or no events; let tonic get its files again")
    y, names = _tonic_classes(name, getattr(train, "classes", None), labels)
    t, inputs, offset = concat(pieces)
    return EventSet(name, source, names, n_addresses * polarities, t, inputs, offset, y, len(order))


def _tonic_events(where: str, events: Any, size: tuple[int, int, int]) -> tuple[Times, Inputs]:
    fields = getattr(getattr(events, "dtype", None), "names", None) or ()
    if "t" not in fields or "x" not in fields:
        raise UserError(f"{where} has the fields {', '.join(fields) or '(none)'}; t and x are needed")
    numbers = {}
    for field, count in (("x", size[0]), ("y", size[1])):
        numbers[field] = events[field].astype(np.int64) if field in fields else np.zeros(len(events), np.int64)
        outside = (numbers[field] < 0) | (numbers[field] >= count)
        if outside.any():
            found = numbers[field][int(np.argmax(outside))]
            raise UserError(f"{where} has {field} = {found}; its sensor has 0 to {count - 1}")
    address = numbers["y"] * size[0] + numbers["x"]
    if size[2] > 1 and "p" in fields:
        address += size[0] * size[1] * (events["p"] > 0)
    if not np.isfinite(events["t"]).all():
        raise UserError(f"{where} has a time that is not finite; let tonic get its files again")
    t, inputs = events["t"].astype(np.int64), address.astype(np.int32)
    sort_events(t, inputs)
    return t, inputs


def _tonic_label(where: str, label: Any) -> int | str:
    label = label.item() if isinstance(label, np.generic | np.ndarray) and label.size == 1 else label
    label = label.decode() if isinstance(label, bytes) else label
    if not isinstance(label, int | str):
        raise UserError(f"{where} has the label {label!r}, which is no one class; whole numbers and names are allowed")
    return label


def _tonic_classes(name: str, classes: Any, labels: list[int | str]) -> tuple[Labels, tuple[str, ...]]:
    """Map labels to classes: those the data set names, in their order, or those that occur."""
    if isinstance(classes, dict):
        classes = sorted(classes, key=classes.__getitem__)
    names = (
        tuple(key.decode() if isinstance(key, bytes) else str(key) for key in classes) if classes is not None else ()
    )
    if len(names) < 2:
        if len({isinstance(label, str) for label in labels}) > 1:
            raise UserError(f"'{name}' mixes text and numbers as labels; one kind is needed")
        return class_indices(f"'{name}'", labels)
    y = [names.index(label) if isinstance(label, str) and label in names else label for label in labels]
    wrong = [label for label in y if isinstance(label, str) or not 0 <= label < len(names)]
    if wrong:
        raise UserError(f"'{name}' has the label {wrong[0]!r}; its classes are 0 to {len(names) - 1}")
    return np.array(y, np.int64), names
