"""Address events in arrays of NumPy, MATLAB and HDF5: one array per role, or structured arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelearn.data import named_arrays
from edgelearn.data.arrays import NpzArrays, mapped_array, read_npz
from edgelearn.data.description import as_text
from edgelearn.data.event_columns import MICROSECONDS, event_columns, hold_events, is_structured, polarities
from edgelearn.data.event_rows import EventRows
from edgelearn.data.event_set import (
    MAX_WHOLE,
    WHOLE_TIMES,
    EventSet,
    pixel_addresses,
    unit_of_times,
    user_set,
    whole_numbers,
)
from edgelearn.data.tables import draw_parts, npz_labels
from edgelearn.errors import UserError

ARRAY_SUFFIXES = (".npz", ".npy", ".mat", ".h5", ".hdf5")
ARRAYS = ("t", "address", "x", "y", "value", "p", "offset", "label", "test", "n_addresses", "width", "height")


def read_event_arrays(path: Path, test_fraction: float, limit: int | None, time_unit: str | None = None) -> EventSet:
    """Read arrays with the limits of samples in offset, or with sample and label beside each event."""
    notes: list[str] = []
    arrays, titles = named_event_arrays(path)
    unit = unit_of_times(titles.get("t", "t"), time_unit, notes) if "t" in arrays else "us"
    beside = "t" in arrays and "label" in arrays and arrays["label"].shape == arrays["t"].shape
    per_event = beside and "offset" not in arrays
    missing = [name for name in ("t", "offset", "label") if name not in arrays and not (per_event and name == "offset")]
    if "address" not in arrays and not {"x", "y"} <= set(arrays):
        missing.insert(0, "address (or x and y)")
    if missing:
        raise UserError(
            f"{path} lacks {', '.join(missing)} and holds the arrays {', '.join(sorted(arrays)) or '(none)'}; "
            "give t, address (or x and y), offset and label"
            + ("; or put recordings into a folder for each class" if missing == ["offset", "label"] else "")
        )
    value_key = "value" if "value" in arrays else "p"
    value = arrays.get(value_key)
    if value is not None and (value.ndim != 1 or value.dtype.kind not in "buifUS"):
        raise UserError(f"{path}: {value_key} is {value.dtype} {list(value.shape)}; give numbers [events]")
    if per_event:
        return _of_rows(path, arrays, titles, unit, test_fraction, limit, notes)
    if unit != "us":
        arrays["t"] = np.rint(arrays["t"].astype(np.float64) * MICROSECONDS[unit])
    t = whole_numbers(path, "t", arrays["t"], -MAX_WHOLE, f"give {WHOLE_TIMES}")
    if "address" in arrays:
        address = whole_numbers(path, "address", arrays["address"], 0, "give whole numbers from 0")
        n_addresses = _count(path, arrays, "n_addresses", "address", address)
    else:
        x, y = (whole_numbers(path, name, arrays[name], 0, "give whole numbers from 0") for name in ("x", "y"))
        width, height = _count(path, arrays, "width", "x", x), _count(path, arrays, "height", "y", y)
        address, n_addresses = pixel_addresses(path, x, y, width, height)
    for name, array in (("address", address), (value_key, value)):
        if array is not None and len(array) != len(t):
            raise UserError(f"{path}: t has {len(t)} events and {name} {len(array)}; give as many")
    signs = None if value is None else polarities(value)
    if signs is not None and value is not None and not np.isfinite(signs).all():
        row = int(np.argmin(np.isfinite(signs)))
        raise UserError(f"{path}: {value_key} row {row + 1} is {value[row]}; give finite numbers, or ON and OFF")
    offset = _offset(path, arrays["offset"], len(t))
    labels, parts = _labels_and_parts(path, arrays, len(offset) - 1, test_fraction)
    return user_set(path, t, address, signs, offset, labels, n_addresses, parts, limit, notes)


def _of_rows(
    path: Path,
    arrays: dict[str, NDArray[Any]],
    titles: dict[str, str],
    unit: str,
    test_fraction: float,
    limit: int | None,
    notes: list[str],
) -> EventSet:
    """Read arrays with a sample, or at least a label, beside each event."""
    if "p" in arrays and "value" not in arrays:
        arrays["value"] = arrays.pop("p")
    places = ("address",) if "address" in arrays else ("x", "y")
    roles = [role for role in ("t", *places, "value", "sample", "label") if role in arrays]
    n = len(arrays["t"])
    for role in roles:
        array = arrays[role]
        if array.shape != (n,):
            raise UserError(f"{path}: t has {n} events and {role} is {list(array.shape)}; give as many")
        if role in ("t", *places) and array.dtype.kind not in "uif":
            raise UserError(f"{path}: {role} is {array.dtype} {list(array.shape)}; give numbers, one per event")
    if not n:
        raise UserError(f"{path}: t has no events; give at least 1")
    columns = {role: titles.get(role, role) for role in roles}
    events = EventRows(path, columns, unit, "row")
    values = {role: arrays[role].astype(np.float64) for role in ("t", *places)}
    if "value" in arrays:
        values["value"] = arrays["value"]
    samples = [as_text(cell) for cell in arrays["sample"].tolist()] if "sample" in arrays else None
    events.add(values, samples, [as_text(cell) for cell in arrays["label"].tolist()], np.arange(1, n + 1))
    return events.finish(test_fraction, limit, notes)


def named_event_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of events by their roles, and their names in the file."""
    if path.suffix.lower() == ".npy":
        return _of_fields(path, [load_npy(path)], {})
    if path.suffix.lower() != ".npz":
        read = arrays_by_name(path, lambda names: True)
        columns = event_columns(read)
        return {role: read[title] for role, title in columns.items()}, columns
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
    return arrays, columns


def _of_fields(
    path: Path, structured: list[NDArray[Any]], named: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
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
    return arrays, columns


def arrays_have_events(path: Path) -> bool:
    """Tell whether a file of arrays holds events; UserError where it cannot be read."""
    arrays = arrays_by_name(path, lambda names: "t" in event_columns(names))
    return hold_events(event_columns(arrays), arrays)


def arrays_by_name(path: Path, wanted: Callable[[Collection[str]], bool]) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file under their last names, columns of one value per row as [n]; none if unwanted.

    Arrays that are structured, or have four columns, may be events without further names: these are always read.

    Raises
    ------
    UserError
        those of the readers; OSError passes
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return {"array": mapped_array(path)}
    if suffix == ".npz":
        archive = NpzArrays(path)
        headers = {name: archive.header(name) for name in archive}
        alone = [name for name, (shape, kind) in headers.items() if kind.names or shape[1:] == (4,)]
        names = list(archive) if wanted(archive.keys()) else alone
        return {name: archive[name] for name in names if len(headers[name][0]) == 1 or name in alone}
    notes: list[str] = []
    if suffix == ".mat":
        if not wanted(known := _names_in_mat(path)) and known:
            return {}
        arrays = named_arrays.read_mat(path, notes)
    else:
        arrays = named_arrays.read_hdf5(path, notes)
    last = [re.split(r"[./]", name)[-1] for name in arrays]
    if len(set(last)) == len(last):
        arrays = dict(zip(last, arrays.values(), strict=True))
    return {name: one.reshape(-1) if one.size == max(one.shape, default=0) else one for name, one in arrays.items()}


def _names_in_mat(path: Path) -> list[str]:
    """Return the variables of a .mat file, none where they cannot be told without reading it."""
    from scipy.io import whosmat

    try:
        found = whosmat(path)
    except Exception:  # damaged bytes raise nearly anything; version 7.3 is HDF5
        return []
    return [] if any(kind == "struct" for _, _, kind in found) else [str(name) for name, _, _ in found]


def load_npy(path: Path) -> NDArray[Any]:
    """Read a .npy file that holds one structured array of events."""
    array = mapped_array(path)
    if not is_structured(array):
        raise UserError(f"{path} has no fields of events; give a structured array with t, x, y and p")
    return np.array(array)


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
    label = np.char.decode(label, "utf-8", "replace") if label.dtype.kind == "S" else label
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
